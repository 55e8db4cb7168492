/* explain_test.c - what the core says of why is what the core does */
#include "sched/explain.h"

#include "base/prng.h"
#include "small.h"

#include "../../replay/cmocka_all.h"

#include <string.h>

static struct small small;
static struct dk_arena arena;

static int end_small(void **state)
{
    (void)state;
    small_destroy(&small);
    dk_arena_release(&arena);
    return 0;
}

static int start_arena(void **state)
{
    (void)state;
    dk_arena_init(&arena, &dk_heap);
    return 0;
}

static struct dk_explanation explain(int64_t job)
{
    struct dk_explanation explanation;

    assert_true(dk_core_explain(small.core, job, small.now, &arena, &explanation));
    return explanation;
}

static const struct dk_hold *hold_of(const struct dk_explanation *explanation,
                                     enum dk_hold_kind kind)
{
    for (uint32_t i = 0; i < explanation->hold_count; i++)
        if (explanation->holds[i].kind == kind)
            return &explanation->holds[i];
    return NULL;
}

static int64_t submit(int32_t tasks, int64_t limit_s)
{
    struct dk_job_spec spec = small_spec(tasks, limit_s);

    return small_submit(&small, &spec);
}

static void a_job_that_is_held_in_three_ways_hears_of_all_three(void **state)
{
    struct dk_job_spec spec = small_spec(1, 60);
    struct dk_dependency dependency = { .kind = DK_DEPENDENCY_KIND_AFTER_OK };
    struct dk_explanation explanation;
    int64_t first, job;

    (void)state;
    small_create(&small, 1, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    first = submit(4, 100);
    (void)small_step(&small, 0);
    dependency.job = first;
    spec.dependencies = &dependency;
    spec.dependencies_count = 1;
    spec.hold = true;
    spec.begin = small.now + 500 * SMALL_SECOND;
    job = small_submit(&small, &spec);
    (void)small_step(&small, 1);
    explanation = explain(job);
    assert_int_equal(explanation.hold_count, 3);
    assert_non_null(hold_of(&explanation, DK_HOLD_USER));
    assert_int_equal(hold_of(&explanation, DK_HOLD_BEGIN)->time, spec.begin);
    assert_int_equal(hold_of(&explanation, DK_HOLD_DEPENDENCY)->job, first);
    assert_int_equal(hold_of(&explanation, DK_HOLD_DEPENDENCY)->job_state, DK_JOB_RUNNING);
    assert_int_equal(hold_of(&explanation, DK_HOLD_DEPENDENCY)->condition, DK_CONDITION_OPEN);
    small_end(&small, first, DK_END_STATE_FAILED);
    (void)small_step(&small, 1);
    explanation = explain(job);
    assert_int_equal(hold_of(&explanation, DK_HOLD_DEPENDENCY)->condition, DK_CONDITION_NEVER);
    assert_string_equal(explanation.reason, "JobHeldUser");
}

static void an_array_at_its_limit_names_the_tasks_that_run(void **state)
{
    struct dk_index_range range = { 1, 9, 1 };
    struct dk_job_spec spec = small_spec(1, 60);
    const struct dk_hold *hold;
    struct dk_explanation explanation;
    int64_t job;

    (void)state;
    small_create(&small, 1, 8, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    spec.has_array = true;
    spec.array.ranges = &range;
    spec.array.ranges_count = 1;
    spec.array.running_max = 2;
    job = small_submit(&small, &spec);
    (void)small_step(&small, 0);
    explanation = explain(job);
    hold = hold_of(&explanation, DK_HOLD_TASK_LIMIT);
    assert_non_null(hold);
    assert_int_equal(hold->limit, 2);
    assert_int_equal(hold->in_use, 2);
    assert_int_equal(hold->jobs_all, 2);
    assert_int_equal(hold->jobs[0], dk_core_task_find(small.core, job, 1));
    assert_int_equal(hold->jobs[1], dk_core_task_find(small.core, job, 2));
    assert_int_equal(explanation.array_waiting, 7);
}

/* 8 cores: 6 run for 100 s, then one that needs all 8 (the head), then one of 2 for 500 s. */
static void backfill_scene(enum dk_backfill backfill, bool by_node, int64_t jobs[3])
{
    small_create(&small, 2, 4, DK_POLICY_FCFS, backfill);
    if (by_node)
        small_second_partition(&small);
    jobs[0] = submit(6, 100);
    (void)small_step(&small, 0);
    jobs[1] = submit(8, 50);
    jobs[2] = submit(2, 500);
    (void)small_step(&small, 1);
}

static void check_scene(const int64_t jobs[3])
{
    struct dk_explanation head = explain(jobs[1]), last = explain(jobs[2]);

    assert_string_equal(head.reason, "Resources");
    assert_int_equal(head.position, 1);
    assert_int_equal(head.domain_size, 2);
    assert_int_equal(head.notes.head, jobs[1]);
    assert_int_equal(head.notes.head_start, SMALL_EPOCH + 100 * SMALL_SECOND);
    assert_int_equal(hold_of(&head, DK_HOLD_RESOURCES)->asked, 8);
    assert_int_equal(hold_of(&head, DK_HOLD_RESOURCES)->in_use, 6);
    assert_int_equal(hold_of(&head, DK_HOLD_RESOURCES)->limit, 8);
    assert_int_equal(head.running_count, 1);
    assert_int_equal(head.running[0].job, jobs[0]);
    assert_int_equal(head.running[0].end, SMALL_EPOCH + 100 * SMALL_SECOND);
    assert_string_equal(last.reason, "Priority");
    assert_null(hold_of(&last, DK_HOLD_RESOURCES));
    assert_non_null(hold_of(&last, DK_HOLD_ORDER));
    assert_int_equal(last.position, 2);
    assert_int_equal(last.ahead_count, 1);
    assert_int_equal(last.ahead[0].job, jobs[1]);
    assert_true(last.notes.fits_now);
}

static void who_may_not_pass_the_head_hears_that_it_fits_but_would_delay_it(void **state)
{
    struct dk_explanation last;
    int64_t jobs[3];

    (void)state;
    backfill_scene(DK_BACKFILL_EASY, false, jobs);
    check_scene(jobs);
    last = explain(jobs[2]);
    assert_false(last.notes.ends_in_time);
    assert_false(last.notes.fits_beside);
}

static void node_by_node_the_same_is_said(void **state)
{
    struct dk_explanation last;
    int64_t jobs[3];

    (void)state;
    backfill_scene(DK_BACKFILL_EASY, true, jobs);
    check_scene(jobs);
    last = explain(jobs[2]);
    assert_false(last.notes.ends_in_time);
    assert_false(last.notes.fits_beside);
}

static void a_conservative_plan_gives_everybody_a_start(void **state)
{
    int64_t jobs[3];

    (void)state;
    for (int by_node = 0; by_node < 2; by_node++) {
        backfill_scene(DK_BACKFILL_CONSERVATIVE, by_node, jobs);
        check_scene(jobs);
        assert_int_equal(explain(jobs[1]).notes.planned, SMALL_EPOCH + 100 * SMALL_SECOND);
        assert_int_equal(explain(jobs[2]).notes.planned, SMALL_EPOCH + 150 * SMALL_SECOND);
        if (by_node == 0)
            small_destroy(&small);
    }
}

static void without_backfill_the_head_s_start_is_known_too(void **state)
{
    int64_t jobs[3];

    (void)state;
    backfill_scene(DK_BACKFILL_NONE, false, jobs);
    check_scene(jobs);
}

static void a_drained_node_that_is_needed_is_the_reason(void **state)
{
    struct dk_explanation explanation;
    int64_t wide, narrow;

    (void)state;
    small_create(&small, 2, 4, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    small_drain(&small, "n2");
    wide = submit(8, 60);
    narrow = submit(4, 60);
    (void)small_step(&small, 0);
    explanation = explain(wide);
    assert_string_equal(explanation.reason, "ReqNodeNotAvail");
    assert_non_null(hold_of(&explanation, DK_HOLD_UNAVAILABLE));
    assert_int_equal(explanation.node_count, 2);
    assert_int_equal(explanation.node_fits[1].fit, DK_FIT_DRAINED);
    assert_int_equal(explanation.cores_open, 4);
    assert_int_equal(dk_core_job_state(small.core, narrow), DK_JOB_RUNNING);
}

static void factors_add_up_to_the_priority_and_the_order_follows_it(void **state)
{
    struct dk_explanation old, young;
    int64_t jobs[3];

    (void)state;
    small_create(&small, 2, 4, DK_POLICY_MULTIFACTOR, DK_BACKFILL_EASY);
    jobs[0] = submit(8, 3000);
    (void)small_step(&small, 0);
    jobs[1] = submit(8, 60);
    (void)small_step(&small, 500);
    jobs[2] = submit(4, 60);
    (void)small_step(&small, 250);
    old = explain(jobs[1]);
    young = explain(jobs[2]);
    assert_int_equal(old.factors.age, 750);
    assert_int_equal(old.factors.size, 500);
    assert_int_equal(old.factors.partition, 300);
    assert_int_equal(old.factors.priority, 1550);
    assert_int_equal(young.factors.priority, 250 + 250 + 300);
    assert_int_equal(old.position, 1);
    assert_int_equal(young.position, 2);
}

/* --- all policies, in a state that chance made --- */

static void fill_by_chance(uint64_t seed, enum dk_policy policy, enum dk_backfill backfill)
{
    struct dk_prng prng;

    dk_prng_init(&prng, seed);
    small_create(&small, 4, 4, policy, backfill);
    if (seed % 2 == 0)
        small_second_partition(&small);
    for (int i = 0; i < 60; i++) {
        int32_t tasks = 1 + (int32_t)dk_prng_below(&prng, 16);
        struct dk_job_spec spec = small_spec(tasks, 10 + (int64_t)dk_prng_below(&prng, 900));

        spec.hold = dk_prng_below(&prng, 10) == 0;
        spec.nice = (int32_t)dk_prng_below(&prng, 200);
        if (seed % 2 == 0 && dk_prng_below(&prng, 3) == 0)
            spec.partition = dk_text_of("other");
        (void)small_submit(&small, &spec);
        if (i % 4 == 0)
            (void)small_step(&small, 1 + (int64_t)dk_prng_below(&prng, 20));
    }
    if (seed % 3 == 0)
        small_drain(&small, "n3");
    (void)small_step(&small, 1);
}

struct seen {
    uint32_t count, positions, last;
};

static void check_waiting(void *context, const struct dk_waiting *waiting)
{
    struct seen *seen = context;
    struct dk_explanation one = explain(waiting->job);

    seen->count++;
    assert_string_equal(waiting->reason, dk_core_job_reason(small.core, waiting->job));
    assert_int_equal(waiting->position, one.position);
    if (waiting->position > 0)
        assert_int_equal(waiting->position, ++seen->positions);
    assert_int_equal(one.notes.listened, one.position > 0);
    if (one.position == 1 && strcmp(one.reason, "ReqNodeNotAvail") != 0)
        assert_int_equal(one.notes.head, one.job);
}

static void gather(void *context, const struct dk_waiting *waiting)
{
    struct dk_waiting **at = context;

    *(*at)++ = *waiting;
}

static void snapshot(struct dk_buf *bytes)
{
    dk_buf_init(bytes, &dk_heap, (size_t)64 << 20);
    dk_core_snapshot(small.core, bytes);
}

/* The visitor explains, which walks too: the list is taken first. */
static void one_walk_says_of_all_what_is_said_of_each_and_changes_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (int policy = 0; policy < DK_POLICY_COUNT; policy++)
            for (int backfill = 0; backfill < DK_BACKFILL_COUNT; backfill++) {
                struct dk_waiting all[64], *end = all;
                struct dk_core_stats stats;
                struct dk_buf before, after;
                struct seen seen = { 0, 0, 0 };

                fill_by_chance(seed, (enum dk_policy)policy, (enum dk_backfill)backfill);
                snapshot(&before);
                dk_core_waiting_each(small.core, small.now, gather, &end);
                for (const struct dk_waiting *at = all; at < end; at++)
                    check_waiting(&seen, at);
                dk_core_stats(small.core, &stats);
                assert_int_equal(seen.count, stats.jobs_pending);
                assert_true(seen.positions > 3);
                snapshot(&after);
                assert_int_equal(before.size, after.size);
                assert_memory_equal(before.data, after.data, after.size);
                dk_buf_release(&before);
                dk_buf_release(&after);
                dk_arena_reset(&arena);
                if (seed < 6 || policy + 1 < DK_POLICY_COUNT || backfill + 1 < DK_BACKFILL_COUNT)
                    small_destroy(&small);
            }
}

/* --- forward --- */

struct starts {
    int64_t times[128];
    uint32_t count, wanted;
};

static bool note_start(void *context, const struct dk_event *event)
{
    struct starts *starts = context;

    if (starts->times[event->job_placed.job] == 0) {
        starts->times[event->job_placed.job] = event->meta.time;
        starts->count++;
    }
    return starts->count < starts->wanted;
}

/* Jobs that were told to end have ended; false: there was none. */
static bool ends_reported(void)
{
    bool ended = false;

    for (int64_t id = 1; id < 100; id++)
        if (dk_core_job_state(small.core, id) == DK_JOB_ENDING) {
            small_end(&small, id, DK_END_STATE_COMPLETED);
            ended = true;
        }
    return ended;
}

/* Jobs that run end at their limits in the live core as well, as soon as they are told to. */
static void live_on(struct starts *starts)
{
    for (int guard = 0; guard < 2000; guard++) {
        struct dk_core_stats stats;
        const struct dk_events *events;
        int64_t due = dk_core_next_deadline(small.core);
        bool ended = ends_reported();

        events = small_step(&small, ended ? 0 : (due - small.now) / SMALL_SECOND);
        for (uint32_t i = 0; i < events->count; i++)
            if (events->items[i].type == DK_EVENT_JOB_PLACED)
                (void)note_start(starts, &events->items[i]);
        dk_core_stats(small.core, &stats);
        dk_arena_reset(&arena);
        if (stats.jobs_running == 0)
            return;
    }
    fail_msg("the cluster does not settle");
}

static void a_forecast_comes_true_when_jobs_use_up_their_limits(void **state)
{
    static const struct dk_forward_bounds bounds = { 100000, UINT64_MAX };

    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        for (int backfill = 0; backfill < DK_BACKFILL_CONSERVATIVE_KEEP; backfill++) {
            struct starts forecast = { .wanted = UINT32_MAX }, live = { .wanted = UINT32_MAX };
            struct dk_forward_result result;
            struct dk_core *copy;

            fill_by_chance(seed, DK_POLICY_FCFS, (enum dk_backfill)backfill);
            while (ends_reported()) /* who is past his limit is a second late in a forecast */
                (void)small_step(&small, 0);
            copy = dk_core_copy(small.core, &dk_heap);
            dk_core_forward(copy, small.now, &bounds, note_start, &forecast, &result);
            dk_core_destroy(copy);
            assert_false(result.bounded);
            live_on(&live);
            assert_true(forecast.count > 20);
            for (uint32_t id = 1; id < 100; id++)
                assert_int_equal(forecast.times[id], live.times[id]);
            if (seed < 2 || backfill + 1 < DK_BACKFILL_CONSERVATIVE_KEEP)
                small_destroy(&small);
        }
}

static void a_forecast_stops_at_its_bound_and_says_so(void **state)
{
    static const struct dk_forward_bounds bounds = { 2, UINT64_MAX };
    struct starts forecast = { .wanted = UINT32_MAX };
    struct dk_forward_result result;
    struct dk_core *copy;

    (void)state;
    fill_by_chance(1, DK_POLICY_FCFS, DK_BACKFILL_EASY);
    copy = dk_core_copy(small.core, &dk_heap);
    dk_core_forward(copy, small.now, &bounds, note_start, &forecast, &result);
    dk_core_destroy(copy);
    assert_true(result.bounded);
    assert_int_equal(result.passes, 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start_arena, end_small)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(a_job_that_is_held_in_three_ways_hears_of_all_three),
        CASE(an_array_at_its_limit_names_the_tasks_that_run),
        CASE(who_may_not_pass_the_head_hears_that_it_fits_but_would_delay_it),
        CASE(node_by_node_the_same_is_said),
        CASE(a_conservative_plan_gives_everybody_a_start),
        CASE(without_backfill_the_head_s_start_is_known_too),
        CASE(a_drained_node_that_is_needed_is_the_reason),
        CASE(factors_add_up_to_the_priority_and_the_order_follows_it),
        CASE(one_walk_says_of_all_what_is_said_of_each_and_changes_nothing),
        CASE(a_forecast_comes_true_when_jobs_use_up_their_limits),
        CASE(a_forecast_stops_at_its_bound_and_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
