/* crowd_test.c - shares of a server's connections, and what a stranger who takes all gets */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/crowd.h"

#include <unistd.h>

static void a_user_has_a_quarter_and_strangers_three(void **state)
{
    struct dk_crowd *crowd = dk_crowd_create(16, 100);
    struct dk_crowd_place *places[16], *place;
    const int32_t first = (int32_t)getuid() + 1000;
    uint32_t count = 0;

    (void)state;
    for (int32_t user = 0; user < 3; user++) {
        for (int i = 0; i < 4; i++)
            assert_true(dk_crowd_enter_user(crowd, first + user, &places[count++]));
        assert_false(dk_crowd_enter_user(crowd, first + user, &place));
    }
    assert_false(dk_crowd_enter_user(crowd, first + 3, &place));
    assert_null(place);
    dk_crowd_leave(crowd, places[--count]);
    assert_true(dk_crowd_enter_user(crowd, first + 3, &places[count++]));
    while (count > 0)
        dk_crowd_leave(crowd, places[--count]);
    dk_crowd_destroy(crowd);
}

static void root_and_our_own_user_always_get_in(void **state)
{
    struct dk_crowd *crowd = dk_crowd_create(4, 100);
    struct dk_crowd_place *place;

    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_true(dk_crowd_enter_user(crowd, 0, &place));
        assert_true(dk_crowd_enter_user(crowd, (int32_t)getuid(), &place));
        assert_null(place);
        assert_true(dk_crowd_take(crowd, place, 1000));
    }
    dk_crowd_destroy(crowd);
}

static void bodies_on_their_way_are_bounded_by_user(void **state)
{
    struct dk_crowd *crowd = dk_crowd_create(16, 100);
    struct dk_crowd_place *one, *again, *other;
    const int32_t user = (int32_t)getuid() + 1000;

    (void)state;
    assert_true(dk_crowd_enter_user(crowd, user, &one));
    assert_true(dk_crowd_enter_user(crowd, user, &again));
    assert_true(dk_crowd_enter_user(crowd, user + 1, &other));
    assert_true(dk_crowd_take(crowd, one, 60));
    assert_false(dk_crowd_take(crowd, again, 41));
    assert_true(dk_crowd_take(crowd, again, 40));
    assert_true(dk_crowd_take(crowd, other, 100));
    dk_crowd_give_back(crowd, one, 60);
    assert_true(dk_crowd_take(crowd, again, 60));
    dk_crowd_leave(crowd, one);
    dk_crowd_leave(crowd, again);
    dk_crowd_leave(crowd, other);
    dk_crowd_destroy(crowd);
}

static void answers_that_are_not_read_are_bounded_by_user(void **state)
{
    struct dk_crowd *crowd = dk_crowd_create(16, 100);
    struct dk_crowd_place *one, *other;
    const int32_t user = (int32_t)getuid() + 1000;

    (void)state;
    assert_true(dk_crowd_enter_user(crowd, user, &one));
    assert_true(dk_crowd_enter_user(crowd, user + 1, &other));
    assert_true(dk_crowd_send(crowd, one, 2 * DK_CROWD_ANSWERS_MAX)); /* one of any size */
    assert_false(dk_crowd_send(crowd, one, 1));
    assert_true(dk_crowd_send(crowd, other, 1));
    dk_crowd_sent(crowd, one, 2 * DK_CROWD_ANSWERS_MAX);
    assert_true(dk_crowd_send(crowd, one, 1));
    dk_crowd_leave(crowd, one);
    dk_crowd_leave(crowd, other);
    dk_crowd_destroy(crowd);
}

/* Over TCP nobody is known before the proof: root's number means nothing. */
static void an_address_has_a_quarter_whoever_it_is(void **state)
{
    struct dk_crowd *crowd = dk_crowd_create(4096, 100);
    struct dk_crowd_place *places[3072], *place;
    uint32_t count = 0;

    (void)state;
    for (uint64_t address = 0; address < 2; address++) {
        for (int i = 0; i < 1024; i++)
            assert_true(dk_crowd_enter(crowd, address << 32, &places[count++]));
        assert_false(dk_crowd_enter(crowd, address << 32, &place));
    }
    for (uint64_t address = 0; address < 1024; address++) /* many with one each */
        assert_true(dk_crowd_enter(crowd, address + 5, &places[count++]));
    assert_false(dk_crowd_enter(crowd, 4, &place));
    while (count > 0)
        dk_crowd_leave(crowd, places[--count]);
    dk_crowd_destroy(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_has_a_quarter_and_strangers_three),
        cmocka_unit_test(root_and_our_own_user_always_get_in),
        cmocka_unit_test(answers_that_are_not_read_are_bounded_by_user),
        cmocka_unit_test(an_address_has_a_quarter_whoever_it_is),
        cmocka_unit_test(bodies_on_their_way_are_bounded_by_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
