/* import_log_test.c - what happened comes back from a log, and is replayed as it was */
#include "base/check.h"
#include "replay/import_log.h"
#include "replay/lublin.h"
#include "replay/replay.h"
#include "small.h"

#include "cmocka_all.h"

#include <string.h>

static void import(struct dk_recording *recording, const char *uri)
{
    struct dk_err err;

    if (dk_recording_read(recording, uri, false, &dk_heap, &err) != DK_OK)
        fail_msg("%s", err.text);
}

static void replay(struct dk_replay_result *result, const struct dk_recording *recording,
                   enum dk_policy policy)
{
    struct dk_machine machine = { .nodes = (int32_t)recording->nodes_count };
    struct dk_replay_options options = { .recording = recording,
                                         .policy = recording->config.policy };
    struct dk_err err;

    options.policy.policy = policy;
    if (dk_replay_run(result, &recording->trace, &machine, &options, &dk_heap, &err) != DK_OK)
        fail_msg("%s", err.text);
}

/* --- of a trace --- */

static void replay_trace(struct dk_replay_result *result, const struct dk_trace *trace,
                         enum dk_policy policy, struct dk_log *log)
{
    struct dk_replay_options options = { .log = log };
    struct dk_machine machine;
    struct dk_err err;

    assert_int_equal(dk_machine_guess(&machine, trace->procs, -1, &err), DK_OK);
    dk_policy_spec_default(&options.policy);
    options.policy.policy = policy;
    assert_int_equal(dk_replay_run(result, trace, &machine, &options, &dk_heap, &err), DK_OK);
}

/* The recording's times count from its own start, in microseconds. */
static void assert_same_times(const struct dk_replay_times *times,
                              const struct dk_replay_times *expected, const struct dk_trace *trace,
                              const struct dk_recording *recording)
{
    int64_t base = recording->trace.unix_start - trace->unix_start;

    assert_true(trace->unix_start >= 0);
    for (uint32_t i = 0; i < trace->count; i++) {
        assert_int_equal(times[i].start, (expected[i].start - base) * SMALL_SECOND);
        assert_int_equal(times[i].end, (expected[i].end - base) * SMALL_SECOND);
    }
}

static void the_log_of_a_replay_is_replayed_with_the_same_starts(void **state)
{
    static const enum dk_policy policies[] = { DK_POLICY_FCFS, DK_POLICY_SJF, DK_POLICY_WFP3,
                                               DK_POLICY_F1 };
    struct dk_trace trace;
    struct dk_recording recording;
    struct dk_replay_result first, again;
    struct dk_log *log;
    struct dk_err err;

    (void)state;
    dk_lublin_generate(
        &trace,
        &(struct dk_lublin_options){ .jobs = 800, .procs = 64, .seed = 7, .load_percent = 100 },
        &dk_heap);
    assert_int_equal(dk_log_open(&log, "memory:import", NULL, &err), DK_OK);
    replay_trace(&first, &trace, DK_POLICY_FCFS, log);
    import(&recording, "memory:import");
    assert_int_equal(recording.trace.count, trace.count);
    assert_int_equal(recording.trace.procs, trace.procs);
    assert_same_times(recording.times, first.times, &trace, &recording);
    dk_replay_release(&first, &trace, &dk_heap);
    for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
        replay_trace(&first, &trace, policies[i], NULL);
        replay(&again, &recording, policies[i]);
        assert_same_times(again.times, first.times, &trace, &recording);
        assert_true(again.stats.wait_max > 0);
        dk_replay_release(&first, &trace, &dk_heap);
        dk_replay_release(&again, &trace, &dk_heap);
    }
    dk_recording_release(&recording);
    assert_int_equal(dk_log_close(log, &err), DK_OK);
    dk_log_memory_remove("import");
    dk_trace_release(&trace);
}

/* --- of a cluster --- */

static void step_us(struct small *small, int64_t us)
{
    (void)small_step(small, 0);
    small->now += us;
}

static void finish(struct small *small)
{
    struct dk_err err;

    (void)small_step(small, 0);
    assert_int_equal(dk_log_sync(small->log, &err), DK_OK);
}

static void hold(struct small *small, int64_t job)
{
    struct dk_request request = { .type = DK_REQUEST_HOLD_JOB };

    request.hold_job.job = job;
    (void)small_ask(small, &request);
}

static void a_job_of_milliseconds_keeps_its_length(void **state)
{
    struct dk_job_spec spec = small_spec(4, 60);
    struct dk_recording recording;
    struct dk_replay_result result;
    struct small small;
    int64_t job;

    (void)state;
    small_create(&small, 1, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    job = small_submit(&small, &spec);
    (void)small_submit(&small, &spec);
    step_us(&small, 2500);
    small_end(&small, job, DK_END_STATE_COMPLETED);
    step_us(&small, 1250);
    small_end(&small, job + 1, DK_END_STATE_FAILED);
    finish(&small);
    import(&recording, small.uri);
    assert_int_equal(recording.trace.count, 2);
    assert_int_equal(recording.trace.jobs[0].run, 2500);
    assert_int_equal(recording.trace.jobs[1].run, 1250);
    assert_int_equal(recording.jobs[1].state, DK_END_STATE_FAILED);
    replay(&result, &recording, DK_POLICY_FCFS);
    assert_int_equal(result.times[1].start - recording.trace.jobs[1].submit, 2500);
    assert_int_equal(result.times[1].end, recording.times[1].end);
    assert_int_equal(result.stats.ticks, 1000000);
    dk_replay_release(&result, &recording.trace, &dk_heap);
    dk_recording_release(&recording);
    small_destroy(&small);
}

static void jobs_that_never_ran_or_still_run_are_left_out_and_counted(void **state)
{
    struct dk_job_spec spec = small_spec(1, 60), whole = small_spec(4, 60);
    struct dk_recording recording;
    struct small small;
    int64_t first, held;

    (void)state;
    small_create(&small, 1, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    first = small_submit(&small, &spec);
    (void)small_submit(&small, &spec); /* runs on */
    held = small_submit(&small, &spec);
    hold(&small, held);
    (void)small_submit(&small, &whole); /* waits */
    step_us(&small, 10);
    small_end(&small, first, DK_END_STATE_COMPLETED);
    finish(&small);
    import(&recording, small.uri);
    assert_int_equal(recording.trace.count, 1);
    assert_int_equal(recording.trace.dropped[DK_DROP_STILL_RUNS], 1);
    assert_int_equal(recording.trace.dropped[DK_DROP_NEVER_RAN], 2);
    assert_int_equal(recording.changed, 1);
    assert_int_equal(recording.config.partitions_count, 1);
    assert_memory_equal(recording.nodes[0].name.data, "n1", 2);
    assert_int_equal(recording.nodes[0].memory_mib, 4000);
    dk_recording_release(&recording);
    small_destroy(&small);
}

/* Jobs that start end one after the other, each after a second. */
static void run_out(struct small *small)
{
    for (bool any = true; any;) {
        const struct dk_events *events = small_step(small, 1);
        int64_t started[16];
        uint32_t count = 0;

        for (uint32_t i = 0; i < events->count; i++) {
            if (events->items[i].type == DK_EVENT_JOB_PLACED)
                started[count++] = events->items[i].job_placed.job;
        }
        any = count > 0;
        for (uint32_t i = 0; i < count; i++)
            small_end(small, started[i], DK_END_STATE_COMPLETED);
    }
}

static void tasks_of_an_array_are_jobs_and_what_depends_on_it_waits_for_all(void **state)
{
    struct dk_index_range range = { .first = 1, .last = 4, .step = 1 };
    struct dk_job_spec array = small_spec(2, 60), after = small_spec(1, 60);
    struct dk_dependency link = { .kind = DK_DEPENDENCY_KIND_AFTER_OK };
    struct dk_recording recording;
    struct dk_replay_result result;
    struct small small;

    (void)state;
    small_create(&small, 1, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    array.has_array = true;
    array.array.ranges = &range;
    array.array.ranges_count = 1;
    link.job = small_submit(&small, &array);
    after.dependencies = &link;
    after.dependencies_count = 1;
    (void)small_submit(&small, &after);
    run_out(&small);
    finish(&small);
    import(&recording, small.uri);
    assert_int_equal(recording.trace.count, 5);
    assert_int_equal(recording.trace.dropped[DK_DROP_NEVER_RAN], 0);
    assert_int_equal(recording.jobs[4].spec.dependencies_count, 4);
    replay(&result, &recording, DK_POLICY_SJF);
    for (uint32_t i = 0; i < 4; i++) {
        assert_false(recording.jobs[i].spec.has_array);
        assert_true(result.times[4].start >= result.times[i].end);
    }
    assert_int_equal(result.stats.jobs, 5);
    dk_replay_release(&result, &recording.trace, &dk_heap);
    dk_recording_release(&recording);
    small_destroy(&small);
}

static void a_dependency_on_a_failed_job_does_not_make_the_replay_wait(void **state)
{
    struct dk_job_spec first = small_spec(1, 60), after = small_spec(1, 60);
    struct dk_dependency link = { .kind = DK_DEPENDENCY_KIND_AFTER_NOT_OK };
    struct dk_recording recording;
    struct dk_replay_result result;
    struct small small;

    (void)state;
    small_create(&small, 1, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    link.job = small_submit(&small, &first);
    after.dependencies = &link;
    after.dependencies_count = 1;
    (void)small_submit(&small, &after);
    step_us(&small, 30);
    small_end(&small, link.job, DK_END_STATE_FAILED);
    run_out(&small);
    finish(&small);
    import(&recording, small.uri);
    replay(&result, &recording, DK_POLICY_FCFS);
    assert_int_equal(recording.dependencies_dropped, 0);
    assert_int_equal(result.times[1].start, result.times[0].end);
    assert_int_equal(result.dropped[DK_DROP_NOT_STARTED], 0);
    dk_replay_release(&result, &recording.trace, &dk_heap);
    dk_recording_release(&recording);
    small_destroy(&small);
}

static void the_newest_registration_of_a_node_counts(void **state)
{
    struct dk_request request = { .type = DK_REQUEST_REGISTER_NODE };
    struct dk_job_spec spec = small_spec(1, 60);
    struct dk_recording recording;
    struct small small;
    int64_t job;

    (void)state;
    small_create(&small, 2, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    small.uid = 0;
    request.register_node.spec.name = dk_text_of("n1");
    request.register_node.spec.cores = 16;
    request.register_node.spec.memory_mib = 64000;
    assert_int_equal(small_ask(&small, &request)->type, DK_EVENT_NODE_REGISTERED);
    job = small_submit(&small, &spec);
    step_us(&small, 1);
    small_end(&small, job, DK_END_STATE_COMPLETED);
    finish(&small);
    import(&recording, small.uri);
    assert_int_equal(recording.nodes_count, 2);
    assert_int_equal(recording.nodes[0].cores, 16);
    assert_int_equal(recording.trace.procs, 20);
    dk_recording_release(&recording);
    small_destroy(&small);
}

static void a_log_without_jobs_is_refused_with_a_clear_word(void **state)
{
    struct dk_job_spec spec = small_spec(1, 60);
    struct dk_recording recording;
    struct small small;
    struct dk_err err;

    (void)state;
    small_create(&small, 1, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    finish(&small);
    assert_int_equal(dk_recording_read(&recording, small.uri, false, &dk_heap, &err), DK_INVALID);
    assert_non_null(strstr(err.text, "has no jobs"));
    (void)small_submit(&small, &spec);
    finish(&small);
    assert_int_equal(dk_recording_read(&recording, small.uri, false, &dk_heap, &err), DK_INVALID);
    assert_non_null(strstr(err.text, "no job that ran to its end, of 1"));
    small_destroy(&small);
    assert_int_equal(dk_recording_read(&recording, "file:/nonexistent", false, &dk_heap, &err),
                     DK_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_of_a_replay_is_replayed_with_the_same_starts),
        cmocka_unit_test(a_job_of_milliseconds_keeps_its_length),
        cmocka_unit_test(jobs_that_never_ran_or_still_run_are_left_out_and_counted),
        cmocka_unit_test(tasks_of_an_array_are_jobs_and_what_depends_on_it_waits_for_all),
        cmocka_unit_test(a_dependency_on_a_failed_job_does_not_make_the_replay_wait),
        cmocka_unit_test(the_newest_registration_of_a_node_counts),
        cmocka_unit_test(a_log_without_jobs_is_refused_with_a_clear_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
