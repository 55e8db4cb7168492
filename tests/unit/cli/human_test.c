/* human_test.c - spans, sizes, times and job ids as people write and read them */
#define _GNU_SOURCE
#include "cli/human.h"
#include "cli/jobids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <string.h>

#define S INT64_C(1000000)

static void a_span_is_read_as_it_is_written(void **state)
{
    static const int64_t spans[] = { 0, 1, 59, 60, 3599, 86399, 86400, 12 * 86400 + 3661 };

    (void)state;
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
        int64_t back = -1;
        char text[32];

        cli_span(text, spans[i] * S);
        assert_int_equal(cli_parse_span(text, false, &back, NULL), DK_OK);
        assert_int_equal(back, spans[i] * S);
    }
}

static void spans_have_units_or_colons(void **state)
{
    static const struct {
        const char *text;
        bool minutes;
        int64_t us; /* -1: refused */
    } cases[] = {
        { "30s", false, 30 * S },
        { "500ms", false, S / 2 },
        { "1h30m", false, 5400 * S },
        { "2d", false, 2 * 86400 * S },
        { "1-12", false, 36 * 3600 * S },
        { "1-12:30", false, (36 * 3600 + 1800) * S },
        { "unlimited", false, 0 },
        { "none", false, 0 },
        { "90", true, 5400 * S },
        { "90:30", true, 5430 * S },
        { "90", false, -1 },
        { "90:30", false, -1 },
        { "", false, -1 },
        { "1x", false, -1 },
        { "-5s", false, -1 },
        { "1h30", false, -1 },
        { "99999999d", false, -1 },
        { "1-2-3", true, -1 },
        { "1:2:3:4", true, -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dk_err err = { 0 };
        int64_t us = -1;
        enum dk_status status = cli_parse_span(cases[i].text, cases[i].minutes, &us, &err);

        if ((status == DK_OK) != (cases[i].us >= 0) || (status == DK_OK && us != cases[i].us))
            fail_msg("'%s' gives %lld (%s)", cases[i].text, (long long)us, err.text);
    }
}

static void sizes_are_mebibytes_rounded_up(void **state)
{
    static const struct {
        const char *text;
        int64_t mib; /* -1: refused */
    } cases[] = { { "4G", 4096 },
                  { "512M", 512 },
                  { "512", 512 },
                  { "1.5T", 1536 * 1024 },
                  { "1K", 1 },
                  { "1025k", 2 },
                  { "2GiB", 2048 },
                  { "2GB", 2048 },
                  { "0", 0 },
                  { "", -1 },
                  { "G", -1 },
                  { "4X", -1 },
                  { "-4G", -1 },
                  { "4 G", -1 },
                  { "4.G", -1 },
                  { "4Gi", -1 },
                  { "99999999999T", -1 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t mib = -1;
        enum dk_status status = cli_parse_mib(cases[i].text, &mib, NULL);

        if ((status == DK_OK) != (cases[i].mib >= 0) || (status == DK_OK && mib != cases[i].mib))
            fail_msg("'%s' gives %lld", cases[i].text, (long long)mib);
    }
}

static void sizes_are_written_short(void **state)
{
    char out[32];

    (void)state;
    assert_string_equal(cli_mib(out, 512), "512M");
    assert_string_equal(cli_mib(out, 4096), "4G");
    assert_string_equal(cli_mib(out, 1536), "1.5G");
    assert_string_equal(cli_bytes(out, 17), "17B");
    assert_string_equal(cli_bytes(out, 4300), "4.1K");
    assert_string_equal(cli_bytes(out, INT64_C(3) << 40), "3T");
}

static void times_are_absolute_or_from_now(void **state)
{
    const int64_t now = INT64_C(1795615331) * S; /* 2026-11-25T14:02:11 UTC */
    static const struct {
        const char *text;
        int64_t s; /* -1: refused */
    } cases[] = {
        { "now", 1795615331 },
        { "now-1h30m", 1795615331 - 5400 },
        { "-90s", 1795615331 - 90 },
        { "+10m", 1795615331 + 600 },
        { "2026-11-25", 1795567200 },
        { "2026-11-25T14:02:11", 1795615331 },
        { "2026-11-25 14:02", 1795615320 },
        { "14:02:11", 1795615331 },
        { "14:02", 1795615320 },
        { "today", 1795567200 },
        { "1795615331000000", 1795615331 },
        { "17", -1 },
        { "yesterday", -1 },
        { "2026-13-01", -1 },
        { "", -1 },
        { "25:00", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t time = -1;
        enum dk_status status = cli_parse_time(cases[i].text, now, &time, NULL);
        int64_t expected = cases[i].s;

        if (expected == 1795567200)
            expected = 1795615331 - 1795615331 % 86400; /* midnight in UTC */
        if ((status == DK_OK) != (expected >= 0) || (status == DK_OK && time != expected * S))
            fail_msg("'%s' gives %lld", cases[i].text, (long long)time);
    }
}

static void a_time_is_short_when_it_is_near(void **state)
{
    const int64_t now = INT64_C(1795615331) * S;
    char out[32];

    (void)state;
    assert_string_equal(cli_time(out, now), "2026-11-25T14:02:11");
    assert_string_equal(cli_time(out, 0), "");
    assert_string_equal(cli_time_short(out, now - 60 * S, now), "14:01:11");
    assert_string_equal(cli_time_short(out, now - 86400 * S, now), "Nov 24 14:02");
    assert_string_equal(cli_time_short(out, now - 400 * 86400 * S, now), "2025-10-21");
}

static void jobs_are_named_as_people_do(void **state)
{
    struct cli_jobids ids;

    (void)state;
    cli_jobids_init(&ids);
    assert_int_equal(cli_jobids_add(&ids, "17,18_3,19_[1-4,7],20_[0-9:3],30-32", NULL), DK_OK);
    assert_int_equal(ids.count, 5);
    assert_int_equal(ids.items[0].first, 17);
    assert_int_equal(ids.items[0].last, 17);
    assert_int_equal(ids.items[0].task_count, 0);
    assert_int_equal(ids.items[1].first, 18);
    assert_int_equal(ids.items[1].tasks[0].first, 3);
    assert_int_equal(ids.items[2].task_count, 2);
    assert_int_equal(ids.items[2].tasks[0].last, 4);
    assert_int_equal(ids.items[2].tasks[1].first, 7);
    assert_string_equal(ids.items[2].text, "19_[1-4,7]");
    assert_int_equal(ids.items[3].tasks[0].step, 3);
    assert_int_equal(ids.items[4].first, 30);
    assert_int_equal(ids.items[4].last, 32);
    cli_jobids_release(&ids);
}

static void what_is_no_job_is_refused_with_what_would_be_right(void **state)
{
    static const char *const cases[] = {
        "",      "x",       "0",         "-3",         "17_",    "17_[", "17_[]",
        "17_[1", "17_1]",   "17-",       "20-17",      "17_4-2", "1,,2", "17_[1-]",
        "17x",   "17_[1,]", "1-9999999", "17_[1-4:0]", "17.5",   "17,",  "99999999999999999999"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cli_jobids ids;
        struct dk_err err;

        cli_jobids_init(&ids);
        if (cli_jobids_add(&ids, cases[i], &err) == DK_OK)
            fail_msg("'%s' is taken", cases[i]);
        cli_jobids_release(&ids);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_read_as_it_is_written),
        cmocka_unit_test(spans_have_units_or_colons),
        cmocka_unit_test(sizes_are_mebibytes_rounded_up),
        cmocka_unit_test(sizes_are_written_short),
        cmocka_unit_test(times_are_absolute_or_from_now),
        cmocka_unit_test(a_time_is_short_when_it_is_near),
        cmocka_unit_test(jobs_are_named_as_people_do),
        cmocka_unit_test(what_is_no_job_is_refused_with_what_would_be_right),
    };

    if (setenv("TZ", "UTC", 1) != 0)
        return 1;
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
