/* live_test.c - the live views beside a core, batch by batch, and orders beside a model
 *
 * Logs are those of random worlds: people submit, hold, change, requeue and cancel, nodes come,
 * go and are drained, configurations change. A core folds the same batches and says what is right;
 * for orders a model of agents asks as agents do, with answers lost now and then. */
#include "projections/live.h"

#include "../replay/cmocka_all.h"
#include "batch/batch.h"
#include "event/order.h"
#include "log/log.h"
#include "sched/core.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { NODES_MAX = 64, JOBS_MAX = 65536 };

/* What a node believes, from answers alone. */
struct agent {
    int64_t after;
    int32_t attempts[JOBS_MAX]; /* of the jobs that it runs; 0: not */
    bool ending[JOBS_MAX];
};

/* What is so, from events alone. */
struct truth {
    int32_t attempts[JOBS_MAX];
    bool ending[JOBS_MAX];
    int32_t cores[JOBS_MAX], tasks[JOBS_MAX];
    int64_t array_of[JOBS_MAX];
    int32_t cores_of_node[NODES_MAX];
};

struct bench {
    struct dk_live *live;
    struct dk_core *core;
    struct dk_fold *fold;
    struct truth truth;
    struct agent *agents;
    uint32_t seen_jobs, seen_orders;
    uint64_t random;
    uint32_t ended; /* rows told */
    bool serves;
};

static uint32_t total_jobs, total_orders, total_ended;

static uint32_t draw(struct bench *bench, uint32_t limit)
{
    bench->random = bench->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(bench->random >> 33) % limit;
}

static void on_ended(void *context, const struct dk_job_row *row)
{
    struct bench *bench = context;

    assert_true(row->state >= DK_ROW_COMPLETED);
    assert_true(row->end >= row->submit);
    assert_non_null(row->spec);
    bench->ended++;
}

/* --- the truth about orders --- */

static int64_t sum(const struct dk_span *spans, uint32_t count)
{
    int64_t cores = 0;

    for (uint32_t i = 0; i < count; i++)
        cores += spans[i].count;
    return cores;
}

static void learn(struct truth *truth, const struct dk_event *event)
{
    switch ((int)event->type) {
    case DK_EVENT_JOB_SUBMITTED:
        assert_true(event->job_submitted.job < JOBS_MAX);
        truth->tasks[event->job_submitted.job] = event->job_submitted.spec.tasks;
        break;
    case DK_EVENT_JOB_UPDATED:
        if (event->job_updated.change.has_tasks)
            truth->tasks[event->job_updated.job] = event->job_updated.change.tasks;
        break;
    case DK_EVENT_JOB_PLACED:
        truth->attempts[event->job_placed.job] = event->job_placed.attempt;
        truth->ending[event->job_placed.job] = false;
        truth->cores[event->job_placed.job] =
            (int32_t)sum(event->job_placed.cores, event->job_placed.cores_count);
        if (event->job_placed.array_job != 0)
            truth->array_of[event->job_placed.job] = event->job_placed.array_job;
        break;
    case DK_EVENT_JOB_END_REQUESTED:
        truth->ending[event->job_end_requested.job] = true;
        break;
    case DK_EVENT_JOB_ENDED:
        truth->attempts[event->job_ended.job] = 0;
        break;
    case DK_EVENT_JOB_REQUEUED:
        truth->attempts[event->job_requeued.job] = 0;
        break;
    case DK_EVENT_NODE_REGISTERED:
        truth->cores_of_node[event->node_registered.number] = event->node_registered.spec.cores;
        break;
    default:
        break;
    }
}

static int32_t tasks_of(const struct truth *truth, int64_t job)
{
    return truth->tasks[truth->array_of[job] != 0 ? truth->array_of[job] : job];
}

/* --- agents --- */

static void check_run(const struct bench *bench, const struct dk_run_job *run, uint32_t node)
{
    const struct truth *truth = &bench->truth;
    int64_t cores = 0, tasks = 0;

    assert_true(run->node_index >= 0 && run->node_index < (int32_t)run->nodes_count);
    for (uint32_t i = 0; i < run->nodes_count; i++) {
        cores += run->nodes[i].cores;
        tasks += run->nodes[i].tasks;
        assert_true(run->nodes[i].tasks * run->spec.cpus_per_task <= run->nodes[i].cores);
    }
    assert_int_equal(cores, truth->cores[run->job]);
    assert_int_equal(tasks, tasks_of(truth, run->job));
    assert_int_equal(sum(run->cores, run->cores_count), run->nodes[run->node_index].cores);
    cores = 0;
    for (uint32_t i = 0; i < run->cores_count; i++) {
        assert_true(run->cores[i].gap >= 0);
        cores += run->cores[i].gap + run->cores[i].count;
    }
    assert_true(cores <= truth->cores_of_node[node]);
    assert_true(run->spec.limit_us > 0);
}

static void obey(struct bench *bench, uint32_t node, struct agent *agent,
                 const struct dk_order *order)
{
    bench->seen_orders++;
    switch (order->type) {
    case DK_ORDER_RUN_JOB:
        check_run(bench, &order->run_job, node);
        agent->attempts[order->run_job.job] = order->run_job.attempt;
        agent->ending[order->run_job.job] = false;
        break;
    case DK_ORDER_END_JOB:
        assert_int_equal(agent->attempts[order->end_job.job], order->end_job.attempt);
        agent->ending[order->end_job.job] = true;
        break;
    case DK_ORDER_FORGET_JOB:
        if (agent->attempts[order->forget_job.job] == order->forget_job.attempt)
            agent->attempts[order->forget_job.job] = 0;
        break;
    case DK_ORDER_DELIVER_SIGNAL:
    case DK_ORDER_SETTINGS:
    case DK_ORDER_TYPE_COUNT:
        break;
    }
}

/* One question; the answer may be lost. */
static void poll_node(struct bench *bench, uint32_t node, bool is_lost)
{
    struct agent *agent = &bench->agents[node];
    struct dk_arena arena;
    struct dk_buf body;
    struct dk_err err;
    int64_t seq, before = agent->after;
    enum dk_status status;

    dk_buf_init(&body, &dk_heap, 1 << 26);
    if (before % 3 == 0) { /* an old question, that the agent has long given up, comes now */
        (void)dk_live_orders(bench->live, node, 0, &body, &seq, &err);
        dk_buf_clear(&body);
    }
    status = dk_live_orders(bench->live, node, agent->after, &body, &seq, &err);
    assert_true(status == DK_OK || status == DK_AGAIN || status == DK_END);
    if (status == DK_END || is_lost) {
        agent->after = 0;
        dk_buf_release(&body);
        return;
    }
    if (agent->after == 0)
        memset(agent->attempts, 0, sizeof(agent->attempts));
    dk_arena_init(&arena, &dk_heap);
    for (size_t at = 0; at < body.size;) {
        const uint8_t *data = body.data + at;
        uint32_t size =
            data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
        struct dk_order order;

        assert_int_equal(dk_order_decode(data + 4, size, &arena, &order, &err), DK_OK);
        assert_true(order.meta.seq >= before && order.meta.seq <= seq);
        assert_true(before == 0 || order.meta.seq > agent->after);
        before = order.meta.seq;
        obey(bench, node, agent, &order);
        at += 4 + size;
    }
    agent->after = seq;
    dk_arena_release(&arena);
    dk_buf_release(&body);
}

/* After all nodes have asked: each runs what it should, and somebody runs all that runs. */
static void compare_agents(struct bench *bench, uint32_t nodes)
{
    uint8_t *runs = calloc(JOBS_MAX, 1);

    assert_non_null(runs);
    for (uint32_t n = 0; n < nodes; n++)
        for (int64_t job = 0; job < JOBS_MAX; job++) {
            if (bench->agents[n].attempts[job] == 0)
                continue;
            assert_int_equal(bench->agents[n].attempts[job], bench->truth.attempts[job]);
            assert_int_equal(bench->agents[n].ending[job], bench->truth.ending[job]);
            runs[job] = 1;
        }
    for (int64_t job = 0; job < JOBS_MAX; job++)
        assert_int_equal(runs[job], bench->truth.attempts[job] != 0);
    free(runs);
}

/* --- beside the core --- */

static void compare_jobs(struct bench *bench, const struct dk_core_stats *stats)
{
    struct dk_live_jobs jobs;
    struct dk_arena arena;
    uint32_t found = 0, running = 0;
    int64_t last = 0;

    dk_live_jobs_open(bench->live, NULL, &jobs);
    dk_arena_init(&arena, &dk_heap);
    for (uint32_t i = 0; i < jobs.count; i++) {
        struct dk_job_row row;
        enum dk_job_state state;

        dk_arena_reset(&arena);
        dk_live_jobs_row(&jobs, i, &arena, &row);
        assert_true(row.id > last);
        last = row.id;
        state = dk_core_job_state(bench->core, row.id);
        assert_int_equal(row.state, state == DK_JOB_PENDING   ? DK_ROW_PENDING
                                    : state == DK_JOB_RUNNING ? DK_ROW_RUNNING
                                                              : DK_ROW_COMPLETING);
        assert_int_equal(row.attempt > 0 && row.start != 0, state != DK_JOB_PENDING);
        found++;
        running += state != DK_JOB_PENDING;
    }
    for (int64_t id = 1; id < stats->job_next; id++) {
        enum dk_job_state state = dk_core_job_state(bench->core, id);

        running -= state == DK_JOB_RUNNING || state == DK_JOB_ENDING;
    }
    assert_int_equal(running, 0);
    bench->seen_jobs += found;
    dk_arena_release(&arena);
    dk_live_jobs_close(&jobs);
}

static void compare_site(struct bench *bench, const struct dk_core_stats *stats)
{
    uint64_t cores = 0, used = 0, held = 0, gpus = 0, gpus_used = 0, nodes = 0;
    struct dk_live_site site;

    dk_live_site_open(bench->live, &site);
    for (uint32_t i = 0; i < site.node_count; i++) {
        if (site.nodes[i].number < 0)
            continue;
        nodes++;
        cores += (uint64_t)site.nodes[i].cores;
        used += (uint64_t)site.nodes[i].cores_used;
        gpus += (uint64_t)site.nodes[i].gpus;
        gpus_used += (uint64_t)site.nodes[i].gpus_used;
        assert_true(site.nodes[i].cores_used <= site.nodes[i].cores);
        assert_true(site.nodes[i].memory_used <= site.nodes[i].memory);
    }
    assert_int_equal(nodes, stats->nodes);
    assert_int_equal(cores, stats->cores);
    for (int64_t job = 0; job < stats->job_next; job++)
        held += bench->truth.attempts[job] != 0 ? (uint64_t)bench->truth.cores[job] : 0;
    assert_int_equal(used, held);
    assert_true(cores - used >= stats->cores_free); /* the core's are those of open nodes */
    assert_true(gpus - gpus_used >= stats->gpus_free);
    dk_live_site_close(&site);
}

static void compare(struct bench *bench)
{
    struct dk_core_stats stats;
    uint64_t counts[DK_ROW_STATE_COUNT];

    dk_core_stats(bench->core, &stats);
    dk_live_counts(bench->live, counts);
    assert_int_equal(counts[DK_ROW_RUNNING] + counts[DK_ROW_COMPLETING], stats.jobs_running);
    compare_jobs(bench, &stats);
    compare_site(bench, &stats);
}

static void fold(struct bench *bench, const struct dk_log_batch *batch)
{
    struct dk_arena arena;
    struct dk_event event;
    struct dk_err err;

    assert_int_equal(dk_fold_batch(bench->fold, batch, &err), DK_OK);
    dk_arena_init(&arena, &dk_heap);
    dk_live_begin(bench->live);
    for (uint32_t i = 0; i < batch->count; i++) {
        dk_arena_reset(&arena);
        assert_int_equal(
            dk_event_decode(batch->records[i].data, batch->records[i].size, &arena, &event, &err),
            DK_OK);
        dk_live_apply(bench->live, &event);
        learn(&bench->truth, &event);
    }
    dk_live_end(bench->live);
    dk_arena_release(&arena);
}

/* What was over before the views were served is not known: an answer could not be complete. */
static void must_begin_anew(struct bench *bench)
{
    struct dk_core_stats stats;
    struct dk_buf body;
    struct dk_err err;
    int64_t seq;

    dk_core_stats(bench->core, &stats);
    if (stats.nodes == 0)
        return;
    dk_buf_init(&body, &dk_heap, 1 << 26);
    assert_int_equal(dk_live_orders(bench->live, 0, 1, &body, &seq, &err), DK_END);
    assert_int_equal(
        dk_live_orders(bench->live, 0, dk_live_seq(bench->live) + 1, &body, &seq, &err), DK_END);
    assert_int_equal(body.size, 0);
    dk_buf_release(&body);
}

/* Put away as bytes and restored: all that follows must not notice. Any shorter run of those bytes
 * is refused. */
static void put_away(struct bench *bench)
{
    struct dk_live_hooks hooks = { .ended = on_ended, .context = bench };
    struct dk_live *restored, *none;
    struct dk_buf bytes, again;
    struct dk_err err;
    bool serves = bench->serves;

    dk_buf_init(&bytes, &dk_heap, 1 << 28);
    dk_buf_init(&again, &dk_heap, 1 << 28);
    dk_live_write(bench->live, &bytes);
    for (int i = 0; i < 20; i++)
        assert_int_not_equal(
            dk_live_restore(&none, NULL, bytes.data, draw(bench, (uint32_t)bytes.size), &err),
            DK_OK);
    assert_int_equal(dk_live_restore(&restored, &hooks, bytes.data, bytes.size, &err), DK_OK);
    assert_int_equal(dk_live_seq(restored), dk_live_seq(bench->live));
    dk_live_write(restored, &again);
    assert_int_equal(again.size, bytes.size);
    dk_live_destroy(bench->live);
    bench->live = restored;
    if (serves) {
        dk_live_begin(restored);
        dk_live_serve(restored);
        dk_live_end(restored);
        for (int n = 0; n < NODES_MAX; n++)
            bench->agents[n].after = 0;
    }
    dk_buf_release(&bytes);
    dk_buf_release(&again);
}

static void read_log(void *context, const char *uri)
{
    struct bench *bench = context;
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_core_stats stats;
    struct dk_err err;
    uint32_t batches = 0, serve_at = 1 + draw(bench, 30);

    assert_int_equal(dk_log_reader_open(&reader, uri, 1, &err), DK_OK);
    while (dk_log_reader_next(reader, &batch, &err) == DK_OK) {
        fold(bench, &batch);
        if (++batches == serve_at) {
            dk_live_begin(bench->live);
            dk_live_serve(bench->live);
            dk_live_end(bench->live);
            bench->serves = true;
            must_begin_anew(bench);
        }
        if (draw(bench, 16) == 0)
            put_away(bench);
        dk_core_stats(bench->core, &stats);
        assert_true(stats.nodes < NODES_MAX);
        if (batches >= serve_at && stats.nodes > 0) {
            uint32_t node = draw(bench, (uint32_t)stats.nodes);

            poll_node(bench, node, draw(bench, 8) == 0);
        }
        if (draw(bench, 8) != 0)
            continue;
        compare(bench);
        if (batches < serve_at)
            continue;
        for (uint32_t n = 0; n < stats.nodes; n++) {
            poll_node(bench, n, false);
            if (bench->agents[n].after == 0) /* it was told to begin anew */
                poll_node(bench, n, false);
        }
        compare_agents(bench, (uint32_t)stats.nodes);
    }
    dk_log_reader_close(reader);
}

static void run_world(const struct world_options *like)
{
    static const struct dk_core_options options = { .digest = true };
    struct bench *bench = calloc(1, sizeof(*bench));
    struct dk_live_hooks hooks = { .ended = on_ended, .context = bench };
    struct world_options world = *like;
    struct world_result result;

    assert_non_null(bench);
    bench->random = like->seed;
    bench->agents = calloc(NODES_MAX, sizeof(*bench->agents));
    assert_non_null(bench->agents);
    bench->live = dk_live_create(&hooks);
    bench->core = dk_core_create(&dk_heap, &options);
    bench->fold = dk_fold_create(bench->core, &dk_heap, DK_FOLD_APPLY, NULL, 0);
    world.read_log = read_log;
    world.context = bench;
    world_run(&world, &result);
    assert_string_equal(result.fault, "");
    world_result_release(&result);
    total_jobs += bench->seen_jobs;
    total_orders += bench->seen_orders;
    total_ended += bench->ended;
    dk_fold_destroy(bench->fold);
    dk_core_destroy(bench->core);
    dk_live_destroy(bench->live);
    free(bench->agents);
    free(bench);
}

static void the_live_views_agree_with_a_core_and_orders_with_a_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++)
        run_world(&(struct world_options){ .seed = seed,
                                           .policy = (enum dk_policy)(seed % DK_POLICY_COUNT),
                                           .backfill = DK_BACKFILL_EASY,
                                           .by_node = seed % 3 == 0,
                                           .limits = seed % 4 == 0 });
    assert_true(total_jobs > 1000 && total_orders > 1000 && total_ended > 400);
}

/* --- by hand --- */

static void apply(struct dk_live *live, struct dk_event event)
{
    event.meta.seq = dk_live_seq(live) + 1;
    dk_live_begin(live);
    dk_live_apply(live, &event);
    dk_live_end(live);
}

static void add_node(struct dk_live *live)
{
    struct dk_event event = { .type = DK_EVENT_NODE_REGISTERED };

    event.node_registered.spec =
        (struct dk_node_spec){ .name = dk_text_of("n1"), .cores = 4, .memory_mib = 1000 };
    apply(live, event);
}

static void submit_array(struct dk_live *live, const struct dk_index_range *range)
{
    struct dk_event event = { .type = DK_EVENT_JOB_SUBMITTED };

    event.job_submitted.job = 1;
    event.job_submitted.spec.tasks = event.job_submitted.spec.cpus_per_task = 1;
    event.job_submitted.spec.has_array = range != NULL;
    event.job_submitted.spec.array =
        (struct dk_array_spec){ .ranges = range, .ranges_count = range != NULL };
    apply(live, event);
}

static void place(struct dk_live *live, int64_t job, int32_t task)
{
    static const struct dk_span core = { .gap = 0, .count = 1 };
    struct dk_event event = { .type = DK_EVENT_JOB_PLACED };

    event.job_placed = (struct dk_job_placed){ .job = job,
                                               .attempt = 1,
                                               .array_job = task >= 0 ? 1 : 0,
                                               .task = task,
                                               .cores = &core,
                                               .cores_count = 1 };
    apply(live, event);
}

static void a_step_beyond_all_numbers_leaves_no_task_behind(void **state)
{
    const struct dk_index_range range = { .first = 5, .last = 5, .step = INT32_MAX };
    uint64_t counts[DK_ROW_STATE_COUNT];
    struct dk_live *live = dk_live_create(NULL);

    (void)state;
    add_node(live);
    submit_array(live, &range);
    dk_live_counts(live, counts);
    assert_int_equal(counts[DK_ROW_PENDING], 1);
    place(live, 2, 5);
    dk_live_counts(live, counts);
    assert_int_equal(counts[DK_ROW_PENDING], 0);
    assert_int_equal(counts[DK_ROW_RUNNING], 1);
    dk_live_destroy(live);
}

/* With any one byte changed it is refused, or makes views that can be asked. */
static void saved_views_with_a_wrong_byte_are_refused_or_can_be_asked(void **state)
{
    struct dk_live *live = dk_live_create(NULL), *restored;
    struct dk_buf bytes, orders;
    int64_t seq;

    (void)state;
    add_node(live);
    submit_array(live, NULL);
    place(live, 1, -1);
    dk_buf_init(&bytes, &dk_heap, 1 << 20);
    dk_buf_init(&orders, &dk_heap, 1 << 20);
    dk_live_write(live, &bytes);
    for (size_t i = 0; i < bytes.size * 8; i++) {
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
        if (dk_live_restore(&restored, NULL, bytes.data, bytes.size, NULL) == DK_OK) {
            dk_buf_clear(&orders);
            (void)dk_live_orders(restored, 0, 0, &orders, &seq, NULL);
            dk_live_destroy(restored);
        }
        bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    dk_buf_release(&bytes);
    dk_buf_release(&orders);
    dk_live_destroy(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_live_views_agree_with_a_core_and_orders_with_a_model),
        cmocka_unit_test(a_step_beyond_all_numbers_leaves_no_task_behind),
        cmocka_unit_test(saved_views_with_a_wrong_byte_are_refused_or_can_be_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
