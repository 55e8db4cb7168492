/* waits.c - long polls: who waits for what, and until when
 *
 * A handful of entries for each agent and each watching client: a plain list, looked through when a
 * batch has been applied or the next deadline has come. The thread here is only for deadlines, and
 * sleeps without end while nobody waits. */
#define _GNU_SOURCE
#include "projections/projector_inside.h"

#include "base/check.h"

#include <stdlib.h>
#include <time.h>

struct wait {
    struct wait *next;
    struct dk_http_exchange *exchange;
    dk_wait_over *over;
    int64_t seq; /* waits for more than this; -1: for a node's orders */
    uint32_t node;
    int64_t deadline_ms;
};

struct dk_waits {
    struct dk_projector *projector;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct wait *first;
    uint64_t count;
    int64_t seq;    /* up to which all is applied */
    bool *node_has; /* something came for the node since it last asked */
    uint32_t node_room;
    bool stop;
    pthread_t thread;
};

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes out those for which `due` holds, in a list of their own. */
static struct wait *take_due(struct dk_waits *waits, bool (*due)(struct dk_waits *, struct wait *))
{
    struct wait **link = &waits->first, *taken = NULL, **end = &taken;

    while (*link != NULL) {
        struct wait *wait = *link;

        if (!due(waits, wait)) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        wait->next = NULL;
        *end = wait;
        end = &wait->next;
        waits->count--;
    }
    return taken;
}

static void finish(struct dk_waits *waits, struct wait *wait, bool timed_out)
{
    while (wait != NULL) {
        struct wait *next = wait->next;

        wait->over(waits->projector, wait->exchange, timed_out);
        free(wait);
        wait = next;
    }
}

static bool is_late(struct dk_waits *waits, struct wait *wait)
{
    return waits->stop || wait->deadline_ms <= now_ms();
}

static bool is_served(struct dk_waits *waits, struct wait *wait)
{
    if (wait->seq >= 0)
        return waits->seq > wait->seq;
    return wait->node < waits->node_room && waits->node_has[wait->node];
}

static int64_t next_deadline(const struct dk_waits *waits)
{
    int64_t next = INT64_MAX;

    for (const struct wait *wait = waits->first; wait != NULL; wait = wait->next) {
        if (wait->deadline_ms < next)
            next = wait->deadline_ms;
    }
    return next;
}

static void *watch_deadlines(void *context)
{
    struct dk_waits *waits = context;

    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    while (!waits->stop || waits->first != NULL) {
        int64_t next = next_deadline(waits);
        struct wait *late;

        if (!waits->stop && next == INT64_MAX) {
            DK_CHECK(pthread_cond_wait(&waits->changed, &waits->lock) == 0);
        } else if (!waits->stop && next > now_ms()) {
            struct timespec until = { .tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000 };

            (void)pthread_cond_timedwait(&waits->changed, &waits->lock, &until);
        }
        late = take_due(waits, is_late);
        DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
        finish(waits, late, true);
        DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    }
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    return NULL;
}

struct dk_waits *dk_waits_create(struct dk_projector *projector)
{
    struct dk_waits *waits = calloc(1, sizeof(*waits));
    pthread_condattr_t attributes;

    DK_CHECK(waits != NULL);
    waits->projector = projector;
    DK_CHECK(pthread_mutex_init(&waits->lock, NULL) == 0);
    DK_CHECK(pthread_condattr_init(&attributes) == 0);
    DK_CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    DK_CHECK(pthread_cond_init(&waits->changed, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
    DK_CHECK(pthread_create(&waits->thread, NULL, watch_deadlines, waits) == 0);
    return waits;
}

void dk_waits_stop(struct dk_waits *waits)
{
    if (waits == NULL)
        return;
    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    waits->stop = true;
    DK_CHECK(pthread_cond_signal(&waits->changed) == 0);
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    DK_CHECK(pthread_join(waits->thread, NULL) == 0);
}

void dk_waits_destroy(struct dk_waits *waits)
{
    if (waits == NULL)
        return;
    (void)pthread_mutex_destroy(&waits->lock);
    (void)pthread_cond_destroy(&waits->changed);
    free(waits->node_has);
    free(waits);
}

static void add(struct dk_waits *waits, const struct wait *like)
{
    struct wait *wait = malloc(sizeof(*wait));
    int64_t before;

    DK_CHECK(wait != NULL);
    *wait = *like;
    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    if (wait->seq >= 0 ? waits->seq > wait->seq : is_served(waits, wait)) {
        if (wait->seq < 0)
            waits->node_has[wait->node] = false;
        DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
        finish(waits, wait, false);
        return;
    }
    if (waits->stop) {
        DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
        finish(waits, wait, true);
        return;
    }
    before = next_deadline(waits);
    wait->next = waits->first;
    waits->first = wait;
    waits->count++;
    if (wait->deadline_ms < before)
        DK_CHECK(pthread_cond_signal(&waits->changed) == 0);
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
}

void dk_waits_seq(struct dk_waits *waits, struct dk_http_exchange *exchange, int64_t seq,
                  int wait_ms, dk_wait_over *over)
{
    add(waits, &(struct wait){ .exchange = exchange,
                               .over = over,
                               .seq = seq > 0 ? seq : 0,
                               .deadline_ms = now_ms() + wait_ms });
}

static void room_for(struct dk_waits *waits, uint32_t node)
{
    uint32_t room = waits->node_room > 0 ? waits->node_room : 64;

    if (node < waits->node_room)
        return;
    while (room <= node)
        room *= 2;
    waits->node_has = realloc(waits->node_has, room * sizeof(*waits->node_has));
    DK_CHECK(waits->node_has != NULL);
    for (uint32_t i = waits->node_room; i < room; i++)
        waits->node_has[i] = false;
    waits->node_room = room;
}

void dk_waits_node(struct dk_waits *waits, struct dk_http_exchange *exchange, uint32_t node,
                   int wait_ms, dk_wait_over *over)
{
    add(waits, &(struct wait){ .exchange = exchange,
                               .over = over,
                               .seq = -1,
                               .node = node,
                               .deadline_ms = now_ms() + wait_ms });
}

void dk_waits_wake(struct dk_waits *waits, int64_t seq, const uint32_t *nodes, uint32_t count)
{
    struct wait *served;

    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    waits->seq = seq;
    for (uint32_t i = 0; i < count; i++) {
        room_for(waits, nodes[i]);
        waits->node_has[nodes[i]] = true;
    }
    served = take_due(waits, is_served);
    for (const struct wait *wait = served; wait != NULL; wait = wait->next) {
        if (wait->seq < 0)
            waits->node_has[wait->node] = false;
    }
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    finish(waits, served, false);
}

uint64_t dk_waits_count(struct dk_waits *waits)
{
    uint64_t count;

    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    count = waits->count;
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    return count;
}
