/* stamp_test.c - time never runs backwards, whatever somebody does to the clock */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controller/stamp.h"

static int64_t real_now, monotonic_now;

static int64_t real(void)
{
    return real_now;
}

static int64_t monotonic(void)
{
    return monotonic_now;
}

static struct dk_clock clock_at(int64_t real_time, int64_t least)
{
    struct dk_clock clock = { .real = real, .monotonic = monotonic };

    real_now = real_time;
    monotonic_now = 0;
    dk_clock_init(&clock, least);
    return clock;
}

static void time_is_the_systems(void **state)
{
    struct dk_clock clock = clock_at(1000, 10);

    (void)state;
    assert_int_equal(dk_clock_now(&clock), 1000);
    real_now = 1500;
    monotonic_now = 500;
    assert_int_equal(dk_clock_now(&clock), 1500);
}

static void time_creeps_on_while_the_system_is_behind(void **state)
{
    struct dk_clock clock = clock_at(1000, 10);

    (void)state;
    assert_int_equal(dk_clock_now(&clock), 1000);
    real_now = 200; /* set back */
    monotonic_now = 7;
    assert_int_equal(dk_clock_now(&clock), 1007);
    real_now = 300;
    monotonic_now = 107;
    assert_int_equal(dk_clock_now(&clock), 1107);
    real_now = 2000; /* and right again */
    monotonic_now = 108;
    assert_int_equal(dk_clock_now(&clock), 2000);
}

static void time_follows_a_jump_ahead_and_stays_there_after_it(void **state)
{
    struct dk_clock clock = clock_at(1000, 10);

    (void)state;
    real_now = 9000;
    monotonic_now = 1;
    assert_int_equal(dk_clock_now(&clock), 9000);
    real_now = 1002;
    monotonic_now = 2;
    assert_int_equal(dk_clock_now(&clock), 9001);
}

static void time_is_never_behind_the_log(void **state)
{
    struct dk_clock clock = clock_at(1000, 5000);

    (void)state;
    monotonic_now = 3;
    assert_int_equal(dk_clock_now(&clock), 5003);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_the_systems),
        cmocka_unit_test(time_creeps_on_while_the_system_is_behind),
        cmocka_unit_test(time_follows_a_jump_ahead_and_stays_there_after_it),
        cmocka_unit_test(time_is_never_behind_the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
