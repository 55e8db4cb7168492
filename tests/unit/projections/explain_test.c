/* explain_test.c - the answers about why, over a log that a real batcher wrote */
#include "projections/explain.h"

#include "../core/sched/small.h"
#include "../replay/cmocka_all.h"

#include <stdio.h>
#include <string.h>

static struct small small;
static struct dk_buf json;
static bool print; /* every answer, to be looked at */

static struct dk_explain_source source_now(void)
{
    struct dk_explain_source source = {
        .core = small.core, .seq = small_seq(&small), .now = small.now, .log_uri = small.uri
    };

    return source;
}

static enum dk_status ask(const struct dk_explain_question *question, struct dk_err *err)
{
    struct dk_explain_source source = source_now();
    enum dk_status status;

    dk_buf_clear(&json);
    status = dk_answer_explain(&source, question, &json, err);
    assert_true(dk_buf_add(&json, "", 1));
    if (print)
        printf("%s\n", (const char *)json.data);
    return status;
}

static void explain(int64_t job)
{
    struct dk_explain_question question = { .job = job, .task = -1 };
    struct dk_err err = { .text = "" };

    if (ask(&question, &err) != DK_OK)
        fail_msg("%s", err.text);
}

static void says(const char *text)
{
    if (strstr((const char *)json.data, text) == NULL)
        fail_msg("'%s' is not in %s", text, (const char *)json.data);
}

static void says_not(const char *text)
{
    if (strstr((const char *)json.data, text) != NULL)
        fail_msg("'%s' is in %s", text, (const char *)json.data);
}

#define SAYS_OF(format, value)                                                                     \
    do {                                                                                           \
        char text_[160];                                                                           \
                                                                                                   \
        (void)snprintf(text_, sizeof(text_), format, (long long)(value));                          \
        says(text_);                                                                               \
    } while (0)

static int64_t submit(int32_t tasks, int64_t limit_s)
{
    struct dk_job_spec spec = small_spec(tasks, limit_s);

    return small_submit(&small, &spec);
}

static int begin(void **state)
{
    (void)state;
    dk_buf_init(&json, &dk_heap, (size_t)64 << 20);
    small_create(&small, 2, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    return 0;
}

static int end(void **state)
{
    (void)state;
    small_destroy(&small);
    dk_buf_release(&json);
    return 0;
}

/* 8 cores: 6 until 100 s, then one of 8 waits; one of 2 cores for 60 s goes past it. */
static void scene(int64_t jobs[3])
{
    jobs[0] = submit(6, 100);
    (void)small_step(&small, 0);
    jobs[1] = submit(8, 50);
    (void)small_step(&small, 1);
    jobs[2] = submit(2, 60);
    (void)small_step(&small, 1);
}

static void a_waiting_job_hears_who_is_in_its_way_and_until_when(void **state)
{
    int64_t jobs[3];

    (void)state;
    scene(jobs);
    explain(jobs[1]);
    says("\"state\":\"PENDING\"");
    says("\"reason\":\"Resources\"");
    says("\"kind\":\"resources\",\"reason\":\"Resources\",\"limit\":8,\"in_use\":8,\"asked\":8");
    says("\"order\":{\"position\":1,\"of\":1,");
    SAYS_OF("\"reservation\":{\"start\":%lld", SMALL_EPOCH + 100 * SMALL_SECOND);
    SAYS_OF("{\"job\":%lld,\"cores\":6,\"end\":", jobs[0]);
    SAYS_OF("\"forecast\":{\"result\":\"starts\",\"start\":%lld", SMALL_EPOCH + 100 * SMALL_SECOND);
    says("\"fit\":\"busy\",\"names\":[\"n1\",\"n2\"]");
    says("\"type\":\"JobSubmitted\",\"by\":\"ada\"");
}

static void a_backfilled_job_hears_whom_it_passed_and_is_decided_again(void **state)
{
    int64_t jobs[3];

    (void)state;
    scene(jobs);
    (void)submit(1, 10);
    (void)small_step(&small, 5);
    explain(jobs[2]);
    says("\"state\":\"RUNNING\"");
    says("\"decided_again\":\"same\"");
    says("\"in_order\":false");
    SAYS_OF("\"passed\":{\"count\":1,\"cores\":8,\"jobs\":[{\"job\":%lld,", jobs[1]);
    SAYS_OF("\"head\":{\"job\":%lld", jobs[1]);
    says("\"ends_in_time\":true");
    says("\"chosen\":[{\"name\":\"n2\",\"cores\":2}]");
    says("\"fit\":\"free\",\"names\":[\"n2\"]");
    says("\"why\":\"resources and order\"");
    explain(jobs[0]);
    says("\"in_order\":true");
    says("\"decided_again\":\"same\"");
    says("\"chosen\":[{\"name\":\"n1\",\"cores\":4},{\"name\":\"n2\",\"cores\":2}]");
}

static void an_ended_job_that_the_core_has_forgotten_is_found_in_the_log(void **state)
{
    struct dk_request cancel = { .type = DK_REQUEST_CANCEL_JOB };
    int64_t jobs[3];

    (void)state;
    scene(jobs);
    small_end(&small, jobs[2], DK_END_STATE_FAILED);
    (void)small_step(&small, 3);
    cancel.cancel_job.job = jobs[1];
    (void)small_ask(&small, &cancel);
    (void)small_step(&small, 1);
    explain(jobs[2]);
    says("\"state\":\"FAILED\"");
    says("\"decided_again\":\"same\"");
    says("\"end\":{\"seq\":");
    explain(jobs[1]);
    says("\"state\":\"CANCELLED\"");
    says("\"by\":\"ada\"");
    says_not("\"placement\"");
}

static void a_forgotten_job_is_found_in_a_long_log_by_its_id(void **state)
{
    struct dk_index_range range = { 1, 3, 1 };
    struct dk_job_spec spec = small_spec(1, 60);
    int64_t array = 0, job;

    (void)state;
    for (int i = 0; i < 1500; i++) {
        job = submit(1, 60);
        (void)small_step(&small, 1);
        small_end(&small, job, DK_END_STATE_COMPLETED);
        (void)small_step(&small, 1);
        if (i != 700)
            continue;
        spec.has_array = true;
        spec.array.ranges = &range;
        spec.array.ranges_count = 1;
        array = small_submit(&small, &spec);
        (void)small_step(&small, 1);
        for (int task = 1; task <= 3; task++)
            small_end(&small, array + task, DK_END_STATE_COMPLETED);
    }
    assert_true(small_seq(&small) > 8000);
    for (job = 1; job < 1500; job += 99) {
        explain(job);
        SAYS_OF("\"job\":%lld,\"state\":\"COMPLETED\"", job);
        says("\"decided_again\":\"same\"");
    }
    explain(array + 2);
    SAYS_OF("\"job\":%lld,\"array_job\"", array + 2);
    says("\"array_task\":2");
    says("\"type\":\"JobSubmitted\"");
}

static void at_a_seq_in_the_past_the_job_waits_as_it_did_then(void **state)
{
    struct dk_explain_question question = { .task = -1 };
    struct dk_err err;
    int64_t jobs[3];

    (void)state;
    scene(jobs);
    question.at_seq = (uint64_t)small_seq(&small);
    small_end(&small, jobs[0], DK_END_STATE_COMPLETED);
    (void)small_step(&small, 1);
    small_end(&small, jobs[2], DK_END_STATE_COMPLETED);
    (void)small_step(&small, 1);
    explain(jobs[1]);
    says("\"state\":\"RUNNING\"");
    question.job = jobs[1];
    assert_int_equal(ask(&question, &err), DK_OK);
    says("\"state\":\"PENDING\"");
    SAYS_OF("\"seq\":%lld", question.at_seq);
    question.at_seq = 0;
    question.at_time = small.now - 2 * SMALL_SECOND;
    assert_int_equal(ask(&question, &err), DK_OK);
    says("\"state\":\"PENDING\"");
    question.at_time = SMALL_EPOCH;
    assert_int_equal(ask(&question, &err), DK_NOT_FOUND);
    question.at_time = 0;
    question.job = 999;
    assert_int_equal(ask(&question, &err), DK_NOT_FOUND);
    assert_non_null(strstr(err.text, "there is no job 999"));
}

static void a_held_job_hears_by_whom_and_a_dependent_one_on_what(void **state)
{
    struct dk_job_spec spec = small_spec(1, 60);
    struct dk_dependency dependency = { .kind = DK_DEPENDENCY_KIND_AFTER_OK };
    struct dk_request hold = { .type = DK_REQUEST_HOLD_JOB };
    int64_t jobs[3], job;

    (void)state;
    scene(jobs);
    dependency.job = jobs[0];
    spec.dependencies = &dependency;
    spec.dependencies_count = 1;
    job = small_submit(&small, &spec);
    (void)small_step(&small, 1);
    explain(job);
    says("\"kind\":\"dependency\"");
    SAYS_OF("\"dependency\":\"AFTER_OK\",\"job\":%lld,\"job_state\":\"RUNNING\"", jobs[0]);
    says("\"forecast\":{\"result\":\"starts\"");
    hold.hold_job.job = job;
    (void)small_ask(&small, &hold);
    (void)small_step(&small, 1);
    explain(job);
    says("\"kind\":\"user\",\"reason\":\"JobHeldUser\",\"by\":\"ada\"");
    says("\"kind\":\"dependency\"");
    says_not("\"forecast\"");
}

static void a_job_over_a_limit_hears_which_how_much_and_by_whom(void **state)
{
    struct dk_limit_spec limit = { .scope = DK_LIMIT_SCOPE_EACH_USER,
                                   .jobs_running_max = 1,
                                   .cores_running_max = 3 };
    int64_t jobs[2];

    (void)state;
    small_limit(&small, &limit);
    jobs[0] = submit(2, 60);
    (void)small_step(&small, 0);
    jobs[1] = submit(2, 60);
    (void)small_step(&small, 1);
    explain(jobs[1]);
    says("\"kind\":\"limit\",\"reason\":\"QOSMaxJobsPerUserLimit\",\"what\":\"running jobs\"");
    says("\"reason\":\"QOSMaxCpuPerUserLimit\",\"what\":\"cores\",\"scope\":\"EACH_USER\","
         "\"whose\":\"ada\",\"limit\":3,\"in_use\":2,\"asked\":2");
    SAYS_OF("\"jobs_all\":1,\"jobs\":[%lld]", jobs[0]);
    SAYS_OF("\"forecast\":{\"result\":\"starts\",\"start\":%lld", SMALL_EPOCH + 60 * SMALL_SECOND);
}

static void a_job_that_needs_a_busy_node_by_name_hears_that_there_is_no_room(void **state)
{
    struct dk_text names[2] = { dk_text_of("n1"), dk_text_of("n2") };
    struct dk_job_spec spec = small_spec(1, 60);
    int64_t job;

    (void)state;
    (void)submit(4, 100); /* all of n1 */
    (void)small_step(&small, 0);
    spec.nodes_wanted = &names[0];
    spec.nodes_wanted_count = 1;
    job = small_submit(&small, &spec);
    (void)small_step(&small, 1);
    explain(job);
    says("\"nodes_wanted\":[\"n1\"]");
    says("\"kind\":\"resources\"");
    says("\"fits_now\":false");
    SAYS_OF("\"forecast\":{\"result\":\"starts\",\"start\":%lld", SMALL_EPOCH + 100 * SMALL_SECOND);
}

static void tasks_of_an_array_are_explained_each(void **state)
{
    struct dk_index_range range = { 1, 9, 1 };
    struct dk_job_spec spec = small_spec(1, 60);
    struct dk_explain_question question = { .task = 2 };
    struct dk_err err;

    (void)state;
    spec.has_array = true;
    spec.array.ranges = &range;
    spec.array.ranges_count = 1;
    spec.array.running_max = 2;
    question.job = small_submit(&small, &spec);
    (void)small_step(&small, 0);
    (void)submit(1, 5);
    (void)small_step(&small, 1);
    assert_int_equal(ask(&question, &err), DK_OK);
    says("\"array_task\":2");
    says("\"state\":\"RUNNING\"");
    says("\"decided_again\":\"same\"");
    question.task = 7;
    assert_int_equal(ask(&question, &err), DK_OK);
    says(
        "\"kind\":\"tasks\",\"reason\":\"JobArrayTaskLimit\",\"limit\":2,\"in_use\":2,\"asked\":1");
    says("\"array\":{\"waiting\":7,\"running\":2,\"running_max\":2}");
    small_end(&small, question.job + 2, DK_END_STATE_COMPLETED);
    (void)small_step(&small, 1);
    question.task = 2;
    assert_int_equal(ask(&question, &err), DK_OK);
    says("\"state\":\"COMPLETED\"");
    says("\"array_task\":2");
}

static void priorities_come_as_rows_in_either_format(void **state)
{
    struct dk_priority_question question = { .fields = "id,user,priority,reason", .tsv = true };
    struct dk_explain_source source;
    struct dk_err err;
    int64_t jobs[3];

    (void)state;
    scene(jobs);
    (void)submit(1, 3000);
    (void)small_step(&small, 1);
    source = source_now();
    assert_int_equal(dk_answer_priority(&source, &question, &json, &err), DK_OK);
    assert_true(dk_buf_add(&json, "", 1));
    assert_string_equal((const char *)json.data, "2\tada\t2\tResources\n4\tada\t1\tPriority\n");
    dk_buf_clear(&json);
    question.fields = NULL;
    question.tsv = false;
    assert_int_equal(dk_answer_priority(&source, &question, &json, &err), DK_OK);
    assert_true(dk_buf_add(&json, "", 1));
    says("{\"id\":2,\"user\":\"ada\",\"uid\":1000,\"partition\":\"batch\"");
    says("\"size_raw\":1.0000000");
    question.fields = "id,prio";
    assert_int_equal(dk_answer_priority(&source, &question, &json, &err), DK_INVALID);
    assert_string_equal(err.text, "there is no column 'prio' of priorities");
}

static void test(int32_t tasks, int64_t limit_s)
{
    struct dk_explain_source source = source_now();
    struct dk_request request = { .type = DK_REQUEST_SUBMIT_JOB };
    struct dk_actor actor = { .uid = 1000, .user = dk_text_of("ada") };
    struct dk_buf bytes;
    struct dk_err err;

    request.submit_job.spec = small_spec(tasks, limit_s);
    dk_buf_init(&bytes, &dk_heap, 65536);
    assert_int_equal(dk_request_encode(&request, &bytes, &err), DK_OK);
    dk_buf_clear(&json);
    assert_int_equal(dk_answer_test(&source, &actor, false, bytes.data, bytes.size, &json, &err),
                     DK_OK);
    assert_true(dk_buf_add(&json, "", 1));
    dk_buf_release(&bytes);
    if (print)
        printf("%s\n", (const char *)json.data);
}

static void a_test_says_when_and_where_and_submits_nothing(void **state)
{
    struct dk_core_stats before, after;
    int64_t jobs[3];

    (void)state;
    scene(jobs);
    dk_core_stats(small.core, &before);
    test(8, 10); /* behind the one of 8 cores, which starts at 100 s and ends at 150 s */
    SAYS_OF("\"result\":\"starts\",\"start\":%lld", SMALL_EPOCH + 150 * SMALL_SECOND);
    says("\"nodes\":[\"n1\",\"n2\"],\"cores\":8");
    says("\"partition\":\"batch\"");
    test(9, 10);
    says("\"result\":\"rejected\",\"reason\":\"UNSATISFIABLE\"");
    dk_core_stats(small.core, &after);
    assert_int_equal(before.jobs_pending, after.jobs_pending);
    assert_int_equal(before.job_next, after.job_next);
}

struct starts {
    int64_t job[8], time[8];
    char nodes[8][32];
    uint32_t count;
};

static void note(void *context, int64_t job, int64_t start, struct dk_text nodes)
{
    struct starts *starts = context;

    starts->job[starts->count] = job;
    (void)snprintf(starts->nodes[starts->count], 32, "%.*s", (int)nodes.size, nodes.data);
    starts->time[starts->count++] = start;
}

static void starts_of_all_that_wait_are_estimated_together(void **state)
{
    struct dk_explain_source source;
    struct starts starts = { .count = 0 };
    int64_t jobs[3], last;

    (void)state;
    scene(jobs);
    last = submit(8, 20);
    (void)small_step(&small, 1);
    source = source_now();
    dk_starts_end(dk_starts_begin(&source, 10), note, &starts);
    assert_int_equal(starts.count, 2);
    assert_int_equal(starts.job[0], jobs[1]);
    assert_int_equal(starts.time[0], SMALL_EPOCH + 100 * SMALL_SECOND);
    assert_string_equal(starts.nodes[0], "n[1-2]");
    assert_int_equal(starts.job[1], last);
    assert_int_equal(starts.time[1], SMALL_EPOCH + 150 * SMALL_SECOND);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_waiting_job_hears_who_is_in_its_way_and_until_when),
        CASE(a_backfilled_job_hears_whom_it_passed_and_is_decided_again),
        CASE(an_ended_job_that_the_core_has_forgotten_is_found_in_the_log),
        CASE(a_forgotten_job_is_found_in_a_long_log_by_its_id),
        CASE(at_a_seq_in_the_past_the_job_waits_as_it_did_then),
        CASE(a_held_job_hears_by_whom_and_a_dependent_one_on_what),
        CASE(a_job_over_a_limit_hears_which_how_much_and_by_whom),
        CASE(a_job_that_needs_a_busy_node_by_name_hears_that_there_is_no_room),
        CASE(tasks_of_an_array_are_explained_each),
        CASE(priorities_come_as_rows_in_either_format),
        CASE(a_test_says_when_and_where_and_submits_nothing),
        CASE(starts_of_all_that_wait_are_estimated_together),
    };

    small_on_disk = true;
    print = argc > 1 && strcmp(argv[1], "--print") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
