/* usage_test.c - runs are split at midnight, summed exactly, and told apart as asked */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "projections/history_inside.h"
#include "projections/usage.h"
#include "runs.h"
#include "scratch.h"

#include <string.h>

#define HOUR INT64_C(3600000000)
#define DAY0 (INT64_C(20418) * DK_USAGE_DAY_US) /* 2025-11-26, UTC */

struct shares {
    int64_t days[8];
    struct dk_usage_sums sums[8];
    int count;
};

static void share(void *context, int64_t day, const struct dk_usage_sums *sums)
{
    struct shares *shares = context;

    assert_true(shares->count < 8);
    shares->days[shares->count] = day;
    shares->sums[shares->count++] = *sums;
}

static int64_t sum(const struct shares *shares, int i, enum dk_usage_column column)
{
    return (int64_t)shares->sums[i].of[column - DK_USAGE_JOBS];
}

/* Four cores, two GPUs, 1 GiB on each of two nodes. */
static struct dk_job_row run(struct dk_job_spec *spec, int64_t eligible, int64_t start, int64_t end)
{
    static const struct dk_text nodes[] = { { "n1", 2 }, { "n2", 2 } };
    static const int32_t cores[] = { 2, 2 };
    struct dk_job_row row = { 0 };

    memset(spec, 0, sizeof(*spec));
    row.nodes = nodes;
    row.node_cores = cores;
    row.node_list = dk_text_of("n[1-2]");
    row.batch_host = nodes[0];
    spec->memory_mib_per_node = 1024;
    row.spec = spec;
    row.user = dk_text_of("ann");
    row.partition = dk_text_of("main");
    row.cores = 4;
    row.gpus = 2;
    row.node_count = 2;
    row.eligible = row.submit = eligible;
    row.start = start;
    row.end = end;
    return row;
}

static void test_a_run_is_split_at_midnight(void **state)
{
    struct dk_job_spec spec;
    struct dk_job_row row = run(&spec, DAY0 + 20 * HOUR, DAY0 + 23 * HOUR, DAY0 + 49 * HOUR);
    struct shares shares = { .count = 0 };

    (void)state;
    dk_usage_split(&row, true, INT64_MAX, share, &shares);
    assert_int_equal(shares.count, 3);
    for (int i = 0; i < 3; i++) {
        int64_t hours = i == 1 ? 24 : 1;

        assert_int_equal(shares.days[i], 20418 + i);
        assert_int_equal(sum(&shares, i, DK_USAGE_CORE_US), 4 * hours * HOUR);
        assert_int_equal(sum(&shares, i, DK_USAGE_GPU_US), 2 * hours * HOUR);
        assert_int_equal(sum(&shares, i, DK_USAGE_MEMORY_MIB_US), 2048 * hours * HOUR);
        assert_int_equal(sum(&shares, i, DK_USAGE_WAIT_US), i == 0 ? 3 * HOUR : 0);
        assert_int_equal(sum(&shares, i, DK_USAGE_JOBS), i == 2);
    }
}

static void test_a_run_that_goes_on_counts_up_to_now_and_is_no_job_yet(void **state)
{
    struct dk_job_spec spec;
    struct dk_job_row row = run(&spec, DAY0, DAY0 + HOUR, DAY0 + 20 * HOUR); /* planned */
    struct shares shares = { .count = 0 };

    (void)state;
    dk_usage_split(&row, false, DAY0 + 3 * HOUR, share, &shares);
    assert_int_equal(shares.count, 1);
    assert_int_equal(sum(&shares, 0, DK_USAGE_CORE_US), 4 * 2 * HOUR);
    assert_int_equal(sum(&shares, 0, DK_USAGE_JOBS), 0);
}

static void test_what_never_started_or_ended_before_its_start_used_nothing(void **state)
{
    struct dk_job_spec spec;
    struct dk_job_row never = run(&spec, DAY0, 0, DAY0 + HOUR);
    struct dk_job_row back = run(&spec, DAY0, DAY0 + 30 * HOUR, DAY0 + HOUR);
    struct shares shares = { .count = 0 };

    (void)state;
    dk_usage_split(&never, true, INT64_MAX, share, &shares);
    assert_int_equal(shares.count, 0);
    dk_usage_split(&back, true, INT64_MAX, share, &shares); /* the clock was set back */
    assert_int_equal(shares.count, 1);
    assert_int_equal(sum(&shares, 0, DK_USAGE_CORE_US), 0);
    assert_int_equal(sum(&shares, 0, DK_USAGE_JOBS), 1);
}

static void test_a_run_that_ends_at_midnight_is_a_job_of_the_new_day(void **state)
{
    struct dk_job_spec spec;
    struct dk_job_row row = run(&spec, DAY0, DAY0 + 23 * HOUR, DAY0 + 24 * HOUR);
    struct shares shares = { .count = 0 };

    (void)state;
    dk_usage_split(&row, true, INT64_MAX, share, &shares);
    assert_int_equal(shares.count, 2);
    assert_int_equal(sum(&shares, 0, DK_USAGE_CORE_US), 4 * HOUR);
    assert_int_equal(sum(&shares, 1, DK_USAGE_CORE_US), 0);
    assert_int_equal(sum(&shares, 0, DK_USAGE_JOBS), 0);
    assert_int_equal(sum(&shares, 1, DK_USAGE_JOBS), 1);
}

static void test_sums_wider_than_64_bits_come_back(void **state)
{
    struct dk_usage_sums sums = { { 0 } }, twice = { { 0 } };
    uint8_t bytes[DK_USAGE_SUMS_SIZE_MAX];
    size_t size;

    (void)state;
    sums.of[0] = 7;
    sums.of[1] = ((dk_u128)1 << 127) - 1;
    sums.of[4] = (dk_u128)1 << 64;
    size = dk_usage_sums_write(&sums, bytes);
    assert_true(dk_usage_sums_add(&twice, bytes, size));
    assert_memory_equal(&sums, &twice, sizeof(sums));
    assert_true(dk_usage_sums_add(&twice, bytes, size));
    assert_true(twice.of[0] == 14 && twice.of[4] == (dk_u128)1 << 65);
    for (size_t cut = 0; cut < size; cut++)
        assert_false(dk_usage_sums_add(&twice, bytes, cut));
}

/* --- answers --- */

struct asked {
    char folder[SCRATCH_MAX];
    struct dk_history *history;
    struct dk_buf out;
    int64_t seq;
};

static void asked_add(struct asked *asked, struct dk_job_row row, const char *user,
                      const char *account)
{
    struct dk_job_spec spec = *row.spec;

    row.user = dk_text_of(user);
    spec.account = dk_text_of(account);
    row.spec = &spec;
    row.id = row.seq = ++asked->seq;
    dk_history_ended(asked->history, &row);
}

static void asked_begin(struct asked *asked)
{
    struct dk_job_spec spec;
    struct dk_job_row row = run(&spec, DAY0, DAY0 + HOUR, DAY0 + 2 * HOUR);

    *asked = (struct asked){ .seq = 0 };
    scratch_make(asked->folder);
    dk_buf_init(&asked->out, &dk_heap, 1 << 20);
    assert_good(dk_history_open(&asked->history, asked->folder, &good_err));
    asked_add(asked, row, "ann", "physics");
    asked_add(asked, row, "ann", "");
    row.partition = dk_text_of("night\tshift");
    row.start += 24 * HOUR;
    row.end += 24 * HOUR;
    row.eligible = row.start;
    asked_add(asked, row, "bob", "physics");
    assert_good(dk_history_commit(asked->history, asked->seq, &good_err));
}

static const char *ask(struct asked *asked, const char *by, const char *fields, int64_t since,
                       int64_t until, const struct dk_job_row *active, int64_t now)
{
    struct dk_usage_question question = { .since = since, .until = until, .tsv = fields != NULL };
    struct dk_history_view *view = dk_history_view_open(asked->history);

    assert_good(dk_usage_by_parse(by, &question.by, &good_err));
    if (fields != NULL)
        assert_good(dk_usage_columns_parse(fields, &question, &good_err));
    dk_buf_clear(&asked->out);
    assert_good(
        dk_usage_answer(view, &question, &active, active != NULL, now, &asked->out, &good_err));
    dk_history_view_close(view);
    assert_true(dk_buf_add(&asked->out, "", 1));
    return (const char *)asked->out.data;
}

static void asked_end(struct asked *asked)
{
    dk_history_close(asked->history);
    dk_buf_release(&asked->out);
    scratch_remove(asked->folder);
}

static void test_answers_are_summed_by_what_was_asked(void **state)
{
    struct asked asked;

    (void)state;
    asked_begin(&asked);
    assert_string_equal(ask(&asked, "user", "user,jobs,core_us", 0, 0, NULL, 0),
                        "ann\t2\t28800000000\nbob\t1\t14400000000\n");
    assert_string_equal(ask(&asked, "account,user", "account,user,wait_us", 0, 0, NULL, 0),
                        "ann\tann\t3600000000\nphysics\tann\t3600000000\nphysics\tbob\t0\n");
    assert_string_equal(ask(&asked, "day", "day,jobs", 0, 0, NULL, 0),
                        "2025-11-26\t2\n2025-11-27\t1\n");
    assert_string_equal(ask(&asked, "partition", "partition,gpu_us,account", 0, 0, NULL, 0),
                        "main\t14400000000\t\nnight\\tshift\t7200000000\t\n");
    assert_string_equal(ask(&asked, "", NULL, 0, 0, NULL, 0),
                        "{\"seq\":3,\"rows\":[{\"jobs\":3,\"core_us\":43200000000,"
                        "\"gpu_us\":21600000000,\"memory_mib_us\":22118400000000,"
                        "\"wait_us\":7200000000}]}\n");
    asked_end(&asked);
}

static void test_since_and_until_mean_the_days_that_they_touch(void **state)
{
    struct asked asked;

    (void)state;
    asked_begin(&asked);
    assert_string_equal(ask(&asked, "", "jobs", DAY0 + 23 * HOUR, DAY0 + 24 * HOUR, NULL, 0),
                        "2\n");
    assert_string_equal(ask(&asked, "", "jobs", DAY0, DAY0 + 24 * HOUR + 1, NULL, 0), "3\n");
    assert_string_equal(ask(&asked, "", "jobs", DAY0 + 25 * HOUR, 0, NULL, 0), "1\n");
    assert_string_equal(ask(&asked, "user", "user", DAY0 + 72 * HOUR, 0, NULL, 0), "");
    assert_string_equal(ask(&asked, "", "jobs,core_us", DAY0 + 72 * HOUR, 0, NULL, 0), "0\t0\n");
    asked_end(&asked);
}

static void test_running_jobs_are_added_up_to_now(void **state)
{
    struct dk_job_spec spec;
    struct dk_job_row row = run(&spec, DAY0, DAY0 + 10 * HOUR, 0);
    struct asked asked;

    (void)state;
    asked_begin(&asked);
    row.state = DK_ROW_RUNNING;
    assert_string_equal(ask(&asked, "user", "user,jobs,core_us", 0, 0, &row, DAY0 + 11 * HOUR),
                        "ann\t2\t43200000000\nbob\t1\t14400000000\n");
    row.state = DK_ROW_PENDING; /* of an earlier attempt that was requeued */
    assert_string_equal(ask(&asked, "user", "user,jobs,core_us", 0, 0, &row, DAY0 + 11 * HOUR),
                        "ann\t2\t28800000000\nbob\t1\t14400000000\n");
    asked_end(&asked);
}

static void test_words_that_are_no_columns_are_named(void **state)
{
    struct dk_usage_question question = { 0 };
    struct dk_err err;
    uint32_t by;

    (void)state;
    assert_int_equal(dk_usage_by_parse("user,weekday", &by, &err), DK_INVALID);
    assert_says(err.text, "'weekday' in by");
    assert_int_equal(dk_usage_by_parse("jobs", &by, &err), DK_INVALID);
    assert_int_equal(dk_usage_columns_parse("user,,day", &question, &err), DK_INVALID);
    assert_says(err.text, "'' in fields");
    assert_int_equal(
        dk_usage_columns_parse("day,day,day,day,day,day,day,day,day,day", &question, &err),
        DK_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_is_split_at_midnight),
        cmocka_unit_test(test_a_run_that_goes_on_counts_up_to_now_and_is_no_job_yet),
        cmocka_unit_test(test_what_never_started_or_ended_before_its_start_used_nothing),
        cmocka_unit_test(test_a_run_that_ends_at_midnight_is_a_job_of_the_new_day),
        cmocka_unit_test(test_sums_wider_than_64_bits_come_back),
        cmocka_unit_test(test_answers_are_summed_by_what_was_asked),
        cmocka_unit_test(test_since_and_until_mean_the_days_that_they_touch),
        cmocka_unit_test(test_running_jobs_are_added_up_to_now),
        cmocka_unit_test(test_words_that_are_no_columns_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
