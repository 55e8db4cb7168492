/* times_test.c - durations and dates as Slurm 22.05 was seen to write and to take them */
#include "cli/slurm/times.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct dk_buf out;
static const int64_t now = 1795611616 * (int64_t)SLURM_SECOND_US; /* Wed Nov 25 13:00:16 2026 UTC */

static const char *text(void)
{
    (void)dk_buf_add(&out, "", 1);
    out.size = 0;
    return (const char *)out.data;
}

static const char *elapsed(int64_t seconds)
{
    slurm_add_elapsed(&out, seconds);
    return text();
}

static const char *clock_of(int64_t seconds)
{
    slurm_add_clock(&out, seconds);
    return text();
}

static const char *cpu_time(int64_t us)
{
    slurm_add_cpu_time(&out, us);
    return text();
}

static void durations_of_squeue_begin_unpadded(void **state)
{
    (void)state;
    assert_string_equal(elapsed(0), "0:00");
    assert_string_equal(elapsed(3), "0:03");
    assert_string_equal(elapsed(1800), "30:00");
    assert_string_equal(elapsed(3599), "59:59");
    assert_string_equal(elapsed(3600), "1:00:00");
    assert_string_equal(elapsed(86399), "23:59:59");
    assert_string_equal(elapsed(95400), "1-02:30:00");
    assert_string_equal(elapsed(365 * 86400), "365-00:00:00");
    assert_string_equal(elapsed(-1), "INVALID");
}

static void durations_of_sacct_are_padded(void **state)
{
    (void)state;
    assert_string_equal(clock_of(0), "00:00:00");
    assert_string_equal(clock_of(118), "00:01:58");
    assert_string_equal(clock_of(95400), "1-02:30:00");
    assert_string_equal(cpu_time(0), "00:00:00");
    assert_string_equal(cpu_time(7456), "00:00.007");
    assert_string_equal(cpu_time(5285000), "00:05.285");
    assert_string_equal(cpu_time(3600 * (int64_t)SLURM_SECOND_US + 5000), "01:00:00");
    assert_string_equal(cpu_time(2 * (int64_t)SLURM_SECOND_US), "00:00:02");
}

static const char *date(const char *format, int64_t time)
{
    struct slurm_dates dates;

    if (format == NULL)
        (void)unsetenv("SLURM_TIME_FORMAT");
    else
        (void)setenv("SLURM_TIME_FORMAT", format, 1);
    slurm_dates_init(&dates, now);
    slurm_add_date(&out, &dates, time);
    return text();
}

static void dates_are_as_the_environment_says(void **state)
{
    const int64_t day = 86400 * (int64_t)SLURM_SECOND_US;

    (void)state;
    assert_string_equal(date(NULL, now), "2026-11-25T13:00:16");
    assert_string_equal(date("standard", now), "2026-11-25T13:00:16");
    assert_string_equal(date("%s", now), "1795611616");
    assert_string_equal(date("%a %T", now), "Wed 13:00:16");
    assert_string_equal(date("relative", now), "13:00:16");
    assert_string_equal(date("relative", now - day), "Ystday 13:00");
    assert_string_equal(date("relative", now + day), "Tomorr 13:00");
    assert_string_equal(date("relative", now + 3 * day), "Sat 13:00");
    assert_string_equal(date("relative", now - 20 * day), "5 Nov 13:00");
    assert_string_equal(date("relative", now + 60 * day), "24 Jan 2027");
    slurm_add_long_date(&out, now);
    assert_string_equal(text(), "Wed Nov 25 13:00:16 2026");
}

static void a_list_of_dates_is_right_across_hours_and_changes_of_the_clock(void **state)
{
    struct slurm_dates dates;

    (void)state;
    (void)unsetenv("SLURM_TIME_FORMAT");
    (void)setenv("TZ", "Europe/Berlin", 1);
    tzset();
    slurm_dates_init(&dates, now);
    for (int64_t at = 1792887000; at < 1792900000; at += 607) { /* 25 October: 03:00 is 02:00 */
        time_t seconds = (time_t)at;
        char wanted[32];

        (void)strftime(wanted, sizeof(wanted), "%Y-%m-%dT%H:%M:%S", localtime(&seconds));
        slurm_add_date(&out, &dates, at * SLURM_SECOND_US);
        assert_string_equal(text(), wanted);
    }
    (void)setenv("TZ", "UTC", 1);
    tzset();
}

static int64_t parsed(const char *given)
{
    int64_t time;
    size_t wrong;

    return slurm_time_parse(given, now, &time, &wrong)
               ? time / SLURM_SECOND_US - now / SLURM_SECOND_US
               : INT64_MIN + (int64_t)wrong;
}

static void times_are_taken_in_every_form_of_the_manual(void **state)
{
    const int64_t midnight = -(13 * 3600 + 16);

    (void)state;
    assert_int_equal(parsed("now"), 0);
    assert_int_equal(parsed("now+1hour"), 3600);
    assert_int_equal(parsed("now-2days"), -2 * 86400);
    assert_int_equal(parsed("now+90"), 90);
    assert_int_equal(parsed("now-1week"), -7 * 86400);
    assert_int_equal(parsed("today"), midnight);
    assert_int_equal(parsed("midnight"), midnight);
    assert_int_equal(parsed("noon"), midnight + 12 * 3600);
    assert_int_equal(parsed("fika"), midnight + 15 * 3600);
    assert_int_equal(parsed("teatime"), midnight + 16 * 3600);
    assert_int_equal(parsed("tomorrow"), midnight + 86400);
    assert_int_equal(parsed("00:00"), midnight);
    assert_int_equal(parsed("11:20:05"), midnight + 11 * 3600 + 20 * 60 + 5);
    assert_int_equal(parsed("1:30PM"), midnight + 13 * 3600 + 30 * 60);
    assert_int_equal(parsed("12:10 AM"), midnight + 600);
    assert_int_equal(parsed("1124"), midnight - 86400);
    assert_int_equal(parsed("112426"), midnight - 86400);
    assert_int_equal(parsed("11/24/26"), midnight - 86400);
    assert_int_equal(parsed("11.24"), midnight - 86400);
    assert_int_equal(parsed("11/24-12:00"), midnight - 43200);
    assert_int_equal(parsed("1124-12:00:30"), midnight - 43200 + 30);
    assert_int_equal(parsed("2026-11-24"), midnight - 86400);
    assert_int_equal(parsed("2026-11-24T12:00"), midnight - 43200);
    assert_int_equal(parsed("2026-11-24T12:00:01"), midnight - 43199);
    assert_int_equal(parsed("2026-11-24-12:00"), midnight - 43200);
    assert_int_equal(parsed("uts1795611617"), 1);
}

static void a_time_that_is_none_is_refused_where_it_goes_wrong(void **state)
{
    (void)state;
    assert_int_equal(parsed("foo"), INT64_MIN);
    assert_int_equal(parsed("2026-13-01"), INT64_MIN + 5);
    assert_int_equal(parsed("now+x"), INT64_MIN + 4);
    assert_int_equal(parsed("now+2147483647weeks"), INT64_MIN + 14); /* no time any more */
    assert_int_equal(parsed("uts9223372036854775807"), INT64_MIN + 22);
    assert_true(parsed("25:00") < -86400 * 400);
    assert_true(parsed("") < -86400 * 400);
    assert_true(parsed("1") < -86400 * 400);

    assert_true(parsed("now-3lightyears") < -86400 * 400);
}

static void limits_are_rounded_up_to_minutes(void **state)
{
    static const struct {
        const char *text;
        int64_t minutes;
    } cases[] = {
        { "30", 30 },       { "30:01", 31 },        { "1:00:00", 60 },         { "1-0", 1440 },
        { "1-2:30", 1590 }, { "1-02:30:01", 1591 }, { "infinite", INT64_MAX }, { "-1", INT64_MAX }
    };
    int64_t minutes;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(slurm_minutes_parse(cases[i].text, &minutes));
        assert_int_equal(minutes, cases[i].minutes);
    }
    assert_false(slurm_minutes_parse("", &minutes));
    assert_false(slurm_minutes_parse("x", &minutes));
    assert_false(slurm_minutes_parse("1:2:3:4", &minutes));
    assert_false(slurm_minutes_parse("1-", &minutes));
    assert_false(slurm_minutes_parse("10m", &minutes));
    assert_false(slurm_minutes_parse("1:777777779444445837", &minutes)); /* no number any more */
    assert_false(slurm_minutes_parse("1:777777779444445837:1", &minutes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_of_squeue_begin_unpadded),
        cmocka_unit_test(durations_of_sacct_are_padded),
        cmocka_unit_test(dates_are_as_the_environment_says),
        cmocka_unit_test(a_list_of_dates_is_right_across_hours_and_changes_of_the_clock),
        cmocka_unit_test(times_are_taken_in_every_form_of_the_manual),
        cmocka_unit_test(a_time_that_is_none_is_refused_where_it_goes_wrong),
        cmocka_unit_test(limits_are_rounded_up_to_minutes),
    };
    int failed;

    (void)setenv("TZ", "UTC", 1);
    (void)setenv("LC_ALL", "C", 1);
    tzset();
    dk_buf_init(&out, &dk_heap, 1 << 20);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    dk_buf_release(&out);
    return failed;
}
