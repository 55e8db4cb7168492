/* explain_page_test.c - what `docket explain` prints, from real answers of a small cluster */
#include "cli/explain_page.h"

#include "../core/sched/small.h"
#include "../replay/cmocka_all.h"
#include "projections/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct small small;
static struct dk_buf page;
static bool print;

static void explain(int64_t job)
{
    static const struct cli_style plain;
    struct dk_explain_source source = {
        .core = small.core, .seq = small_seq(&small), .now = small.now, .log_uri = small.uri
    };
    struct dk_explain_question question = { .job = job, .task = -1 };
    struct dk_buf json;
    struct dk_err err;

    dk_buf_init(&json, &dk_heap, (size_t)64 << 20);
    dk_buf_clear(&page);
    assert_int_equal(dk_answer_explain(&source, &question, &json, &err), DK_OK);
    assert_true(cli_explain_page(&plain, &json, &page));
    assert_true(dk_buf_add(&page, "", 1));
    dk_buf_release(&json);
    if (print)
        printf("%s\n", (const char *)page.data);
}

static void reads(const char *line)
{
    if (strstr((const char *)page.data, line) == NULL)
        fail_msg("'%s' is not in\n%s", line, (const char *)page.data);
}

static int64_t submit(const char *name, int32_t tasks, int64_t limit_s)
{
    struct dk_job_spec spec = small_spec(tasks, limit_s);

    spec.name = dk_text_of(name);
    return small_submit(&small, &spec);
}

static int begin(void **state)
{
    (void)state;
    dk_buf_init(&page, &dk_heap, (size_t)1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    small_destroy(&small);
    dk_buf_release(&page);
    return 0;
}

/* 8 cores: 6 until 100 s, then one of 8 waits; one of 2 cores for 60 s goes past it. */
static void scene(int64_t jobs[4], enum dk_policy policy)
{
    small_create(&small, 2, 4, policy, DK_BACKFILL_EASY);
    jobs[0] = submit("align", 6, 100);
    (void)small_step(&small, 0);
    jobs[1] = submit("mesh", 8, 50);
    (void)small_step(&small, 1);
    jobs[2] = submit("fold", 1, 60);
    (void)small_step(&small, 1);
    jobs[3] = submit("late", 1, 3000);
    (void)small_step(&small, 3);
}

static void
the_page_of_the_first_that_does_not_fit_says_what_is_missing_and_until_when(void **state)
{
    int64_t jobs[4];

    (void)state;
    scene(jobs, DK_POLICY_FCFS);
    explain(jobs[1]);
    reads("job 2 mesh of ada: PENDING (Resources)\n");
    reads("why          no room: it asks for 8 cores; in partition batch 7 of 8 are in use\n");
    reads("reserved     from 00:01:40 (first that does not fit)\n");
    reads("starts       about 00:01:40 (in 00:01:35) on n[1-2]\n");
    reads("place        1 of 2, by FCFS, backfill EASY\n");
    reads("waits for    job 3 of ada, 1 core, until 00:01:02 at the latest\n"
          "             job 1 of ada, 6 cores, until 00:01:40 at the latest\n");
}

static void the_page_of_one_that_fits_and_may_not_go_first_says_why(void **state)
{
    int64_t jobs[4];

    (void)state;
    scene(jobs, DK_POLICY_MULTIFACTOR);
    explain(jobs[3]);
    reads("why          1 job is before it in the order, asking for 8 cores\n"
          "             it fits now, but would still run at 00:01:40, when job 2 starts and needs "
          "the cores\n");
    reads("place        2 of 2, by MULTIFACTOR");
    reads("before it    job 2 of ada, 8 cores\n");
    reads("size 0.1250 x 500\n");
}

static void
the_page_of_a_backfilled_job_says_whom_it_passed_and_that_it_is_decided_again(void **state)
{
    int64_t jobs[4];

    (void)state;
    scene(jobs, DK_POLICY_FCFS);
    small_end(&small, jobs[2], DK_END_STATE_COMPLETED);
    (void)small_step(&small, 1);
    explain(jobs[2]);
    reads("job 3 fold of ada: COMPLETED\n");
    reads("decided again from the log: the same\n");
    reads("order        backfilled past 1 job:\n             job 2 of ada, 8 cores\n");
    reads("was to start at 00:01:40: this ends before that\n");
    reads("where        n2, 1 core");
    reads("ended        COMPLETED at");
}

static void what_is_no_answer_makes_no_page(void **state)
{
    static const struct cli_style plain;
    struct dk_buf json;

    (void)state;
    small_create(&small, 1, 1, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    dk_buf_init(&json, &dk_heap, 1000);
    assert_false(cli_explain_page(&plain, &json, &page));
    assert_true(dk_buf_add_text(&json, "{\"job\":17,\"holds\":[{"));
    assert_false(cli_explain_page(&plain, &json, &page));
    dk_buf_release(&json);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        CASE(the_page_of_the_first_that_does_not_fit_says_what_is_missing_and_until_when),
        CASE(the_page_of_one_that_fits_and_may_not_go_first_says_why),
        CASE(the_page_of_a_backfilled_job_says_whom_it_passed_and_that_it_is_decided_again),
        CASE(what_is_no_answer_makes_no_page),
    };

    (void)setenv("TZ", "UTC", 1);
    small_on_disk = true;
    print = argc > 1 && strcmp(argv[1], "--print") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
