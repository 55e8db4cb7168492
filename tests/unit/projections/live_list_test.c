/* live_list_test.c - what is opened with a list of jobs is of the list's moment, while events come
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "projections/live.h"

#include <pthread.h>
#include <stdatomic.h>

struct world {
    struct dk_live *live;
    int64_t kept; /* what is committed with each batch, between begin and end */
    _Atomic bool stop;
    int64_t seen; /* of `kept`, by `also` */
};

static void *fold(void *context)
{
    struct world *world = context;
    struct dk_event event = { .type = DK_EVENT_CLOCK_ADVANCED };

    while (!atomic_load(&world->stop)) {
        dk_live_begin(world->live);
        for (int i = 0; i < 3; i++) {
            event.meta.seq++;
            event.meta.time++;
            dk_live_apply(world->live, &event);
        }
        world->kept = event.meta.seq;
        dk_live_end(world->live);
    }
    return NULL;
}

static void look(void *context)
{
    struct world *world = context;

    world->seen = world->kept;
}

static void what_is_opened_with_a_list_is_of_its_moment(void **state)
{
    struct world world = { .live = dk_live_create(NULL) };
    int64_t last = 0;
    uint32_t moved = 0;
    pthread_t folder;

    (void)state;
    assert_int_equal(pthread_create(&folder, NULL, fold, &world), 0);
    while (moved < 2000) {
        struct dk_live_jobs jobs;

        dk_live_jobs_open_with(world.live, NULL, &jobs, look, &world);
        assert_true(jobs.seq == world.seen);
        moved += jobs.seq > last;
        last = jobs.seq;
        dk_live_jobs_close(&jobs);
    }
    atomic_store(&world.stop, true);
    assert_int_equal(pthread_join(folder, NULL), 0);
    dk_live_destroy(world.live);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_opened_with_a_list_is_of_its_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
