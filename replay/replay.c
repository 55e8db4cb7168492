/* replay.c - the driver: ends, submissions and batches in the order of the rules
 *
 * The core does the work; what is around it must not be what limits it. So there is no
 * allocation per job: the two requests that make up a trace are built once and have a few
 * numbers changed each time, ends wait in one array that is a binary heap, and a job's
 * place in the trace is found by its id, which the core counts up from the first. */
#include "replay/replay.h"

#include "base/check.h"
#include "batch/batch.h"
#include "replay/import_log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)
#define NODES_MAX (INT32_C(1) << 24)
#define TIME_MAX INT64_C(9000000000000000000) /* microseconds in int64 */

enum {
    GUESSED_CORES_MAX = 64,
    NODES_PER_BATCH = 4096,
    BATCHES_PER_SYNC = 256,
    PROGRESS_STEP = 1024
};

#define ID_NONE UINT32_MAX

struct end {
    int64_t time; /* ticks of the trace */
    uint32_t id;  /* of the job, less id_first: ties end in order of id */
    uint32_t attempt;
};

struct run {
    const struct dk_trace *trace;
    const struct dk_replay_options *options;
    const struct dk_recording *recording; /* or NULL */
    const struct dk_alloc *alloc;
    struct dk_replay_result *result;
    struct dk_core *core;
    struct dk_batcher *batcher;
    int64_t base; /* UnixStartTime */
    int64_t tick_us;
    int64_t id_first;  /* what the first job of the trace got */
    uint32_t *places;  /* id - id_first -> trace index */
    uint32_t *ids;     /* trace index -> id - id_first, of a recording; ID_NONE: refused */
    uint32_t accepted; /* ids given out */
    uint32_t next;     /* trace index of the next submission */
    struct end *ends;  /* a heap, earliest first */
    uint32_t ends_count;
    uint64_t started, batches_unsynced;
    bool use_memory;
    struct dk_stamp stamp_submit, stamp_end;
    struct dk_request submit, report;
    struct dk_arena texts; /* names in the open batch: its events borrow them until it closes */
};

enum dk_status dk_machine_guess(struct dk_machine *machine, int64_t procs, int64_t nodes_max,
                                struct dk_err *err)
{
    int64_t cores = 1;

    if (nodes_max > 0 && procs % nodes_max == 0) {
        cores = procs / nodes_max;
    } else {
        for (int64_t divisor = 2; divisor <= GUESSED_CORES_MAX; divisor++) {
            if (procs % divisor == 0)
                cores = divisor;
        }
    }
    if (procs / cores > NODES_MAX)
        return dk_fail(err, DK_TOO_LARGE,
                       "%lld processors make more than %d nodes; give --nodes and --cores-per-node",
                       (long long)procs, NODES_MAX);
    *machine =
        (struct dk_machine){ .nodes = (int32_t)(procs / cores), .cores_per_node = (int32_t)cores };
    return DK_OK;
}

void dk_policy_spec_default(struct dk_policy_spec *policy)
{
    *policy = (struct dk_policy_spec){ .policy = DK_POLICY_FCFS,
                                       .backfill = DK_BACKFILL_EASY,
                                       .age_us_max = 7 * 86400 * SECOND_US,
                                       .weight_age = 1000,
                                       .weight_size = 1000,
                                       .weight_partition = 1000 };
}

static int64_t now_ns(void)
{
    struct timespec time;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int64_t time_us(const struct run *run, int64_t ticks)
{
    return run->base * SECOND_US + ticks * run->tick_us;
}

/* --- the heap of ends --- */

static bool is_before(const struct end *a, const struct end *b)
{
    return a->time != b->time ? a->time < b->time : a->id < b->id;
}

static void push_end(struct run *run, struct end end)
{
    uint32_t at = run->ends_count++;

    while (at > 0 && is_before(&end, &run->ends[(at - 1) / 2])) {
        run->ends[at] = run->ends[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    run->ends[at] = end;
}

static struct end pop_end(struct run *run)
{
    struct end first = run->ends[0], last = run->ends[--run->ends_count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= run->ends_count)
            break;
        if (child + 1 < run->ends_count && is_before(&run->ends[child + 1], &run->ends[child]))
            child++;
        if (!is_before(&run->ends[child], &last))
            break;
        run->ends[at] = run->ends[child];
        at = child;
    }
    run->ends[at] = last;
    return first;
}

/* --- batches --- */

static enum dk_status sync_log(struct run *run, struct dk_err *err)
{
    run->batches_unsynced = 0;
    return run->options->log != NULL ? dk_log_sync(run->options->log, err) : DK_OK;
}

static void note_start(struct run *run, const struct dk_job_placed *placed, int64_t now)
{
    uint64_t id = (uint64_t)(placed->job - run->id_first);
    const struct dk_trace_job *job;
    struct dk_replay_times *times;
    uint32_t index;
    int64_t length;

    DK_CHECK(id < run->accepted);
    index = run->places[id];
    job = &run->trace->jobs[index];
    times = &run->result->times[index];
    DK_CHECK(times->start == DK_START_NONE); /* nothing is requeued here */
    length = run->options->run_over || job->run < job->estimate ? job->run : job->estimate;
    times->start = now;
    times->end = now + length;
    push_end(run, (struct end){ times->end, (uint32_t)id, (uint32_t)placed->attempt });
    run->started++;
}

/* Closes the batch: one pass. */
static enum dk_status close_batch(struct run *run, int64_t now, struct dk_err *err)
{
    const struct dk_events *events;
    uint64_t waiting = run->accepted - run->started;
    enum dk_status status = dk_batcher_close(run->batcher, time_us(run, now), &events, err);

    if (status != DK_OK)
        return status;
    for (uint32_t i = 0; i < events->count; i++) {
        if (events->items[i].type == DK_EVENT_JOB_PLACED)
            note_start(run, &events->items[i].job_placed, now);
    }
    dk_arena_reset(&run->texts);
    run->result->batches++;
    run->result->events += events->count;
    if (waiting > run->result->queue_max)
        run->result->queue_max = waiting;
    if (run->options->progress != NULL && run->result->batches % PROGRESS_STEP == 0)
        atomic_store_explicit(run->options->progress, run->started, memory_order_relaxed);
    return ++run->batches_unsynced >= BATCHES_PER_SYNC ? sync_log(run, err) : DK_OK;
}

/* --- setting up --- */

static enum dk_status configure(struct run *run, struct dk_request *request, int64_t now,
                                struct dk_err *err)
{
    struct dk_stamp stamp = { .number = ++run->stamp_submit.number,
                              .time = time_us(run, now),
                              .is_operator = true };
    const struct dk_event *outcome = NULL;

    request->meta.time = stamp.time;
    dk_batcher_request(run->batcher, &stamp, request, &outcome);
    if (outcome != NULL && outcome->type == DK_EVENT_REQUEST_REJECTED)
        return dk_fail(err, DK_INVALID, "the core refuses: %.*s",
                       (int)outcome->request_rejected.detail.size,
                       outcome->request_rejected.detail.data);
    return DK_OK;
}

static struct dk_node_spec equal_node(struct run *run, const struct dk_machine *machine, int32_t i)
{
    enum { SIZE = 16 };
    char *name = dk_arena_take(&run->texts, SIZE);

    (void)snprintf(name, SIZE, "n%06d", i + 1);
    return (struct dk_node_spec){
        .name = dk_text_of(name),
        .cores = machine->cores_per_node,
        .memory_mib = machine->memory_mib_per_node,
        .gpus = machine->gpus_per_node,
    };
}

static enum dk_status register_nodes(struct run *run, const struct dk_machine *machine, int64_t now,
                                     struct dk_err *err)
{
    int32_t count = run->recording ? (int32_t)run->recording->nodes_count : machine->nodes;

    for (int32_t i = 0; i < count; i++) {
        struct dk_request request = { .type = DK_REQUEST_REGISTER_NODE };
        enum dk_status status;

        request.register_node.spec =
            run->recording ? run->recording->nodes[i] : equal_node(run, machine, i);
        status = configure(run, &request, now, err);
        if (status == DK_OK && i % NODES_PER_BATCH == NODES_PER_BATCH - 1)
            status = close_batch(run, now, err);
        if (status != DK_OK)
            return status;
    }
    return DK_OK;
}

/* All of it at once, as on the cluster, but for the policy. */
static enum dk_status configure_as_recorded(struct run *run, const struct dk_policy_spec *policy,
                                            int64_t now, struct dk_err *err)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };

    request.apply_configuration.config = run->recording->config;
    request.apply_configuration.config.policy = *policy;
    request.apply_configuration.note = dk_text_of("docket replay");
    return configure(run, &request, now, err);
}

static enum dk_status configure_for_trace(struct run *run, int64_t now, struct dk_err *err)
{
    struct dk_request partition = { .type = DK_REQUEST_CONFIGURE_PARTITION };

    partition.configure_partition.spec = (struct dk_partition_spec){
        .name = dk_text_of("batch"),
        .all_nodes = true,
        .is_default = true,
        .state = DK_PARTITION_STATE_UP,
    };
    return configure(run, &partition, now, err);
}

/* The first batch: who writes, which logic, which policy, which machine. */
static enum dk_status set_up(struct run *run, const struct dk_machine *machine, int64_t now,
                             struct dk_err *err)
{
    struct dk_event started = { .type = DK_EVENT_CONTROLLER_STARTED,
                                .meta.time = time_us(run, now) };
    struct dk_event logic = { .type = DK_EVENT_LOGIC_ACTIVATED, .meta.time = time_us(run, now) };
    struct dk_request request = { .type = DK_REQUEST_CONFIGURE_POLICY };
    struct dk_policy_spec *policy = &request.configure_policy.spec;
    enum dk_status status;

    started.controller_started.build = dk_text_of("docket replay");
    started.controller_started.host = dk_text_of("");
    dk_batcher_event(run->batcher, &started);
    logic.logic_activated.number = DK_CORE_LOGIC_NEWEST;
    dk_batcher_event(run->batcher, &logic);
    *policy = run->options->policy;
    if (run->recording == NULL)
        policy->origin = run->base * SECOND_US;
    policy->enforce_limits = !run->options->run_over;
    status = configure(run, &request, now, err);
    if (status == DK_OK)
        status = register_nodes(run, machine, now, err);
    if (status == DK_OK)
        status = run->recording ? configure_as_recorded(run, policy, now, err)
                                : configure_for_trace(run, now, err);
    return status == DK_OK ? close_batch(run, now, err) : status;
}

static void prepare_requests(struct run *run)
{
    run->stamp_submit.has_actor = true;
    run->stamp_submit.actor.host = dk_text_of("trace");
    run->submit.type = DK_REQUEST_SUBMIT_JOB;
    run->submit.submit_job.spec = (struct dk_job_spec){ .cpus_per_task = 1 };
    run->report.type = DK_REQUEST_REPORT_END;
}

/* --- the run --- */

static void report_end(struct run *run, struct end end, int64_t now)
{
    const struct dk_trace_job *job = &run->trace->jobs[run->places[end.id]];
    struct dk_report_end *report = &run->report.report_end;
    bool is_cut = !run->options->run_over && job->run > job->estimate;

    run->stamp_end.number = ++run->stamp_submit.number;
    run->stamp_end.time = run->report.meta.time = time_us(run, now);
    report->job = run->id_first + end.id;
    report->attempt = (int32_t)end.attempt;
    report->state = is_cut ? DK_END_STATE_TIMEOUT : DK_END_STATE_COMPLETED;
    if (run->recording != NULL) { /* jobs that depended on it went by that */
        const struct dk_recorded_job *recorded = &run->recording->jobs[run->places[end.id]];

        report->state = recorded->state;
        report->exit_code = recorded->exit_code;
        report->signal = recorded->signal;
    }
    dk_batcher_request(run->batcher, &run->stamp_end, &run->report, NULL);
}

/* "u" and the number; users of a trace have no names. */
static struct dk_text user_name(struct run *run, int32_t user)
{
    enum { SIZE = 16 };
    char *name = dk_arena_take(&run->texts, SIZE), *p = name + SIZE;

    do
        *--p = (char)('0' + user % 10);
    while ((user /= 10) > 0);
    *--p = 'u';
    return (struct dk_text){ p, (uint32_t)(name + SIZE - p) };
}

/* The spec as it was admitted, with the ids that the others have got here. */
static void fill_recorded(struct run *run, uint32_t index)
{
    const struct dk_recorded_job *job = &run->recording->jobs[index];
    struct dk_job_spec *spec = &run->submit.submit_job.spec;
    struct dk_dependency *links =
        dk_arena_take(&run->texts, (job->spec.dependencies_count + 1) * sizeof(*links));

    *spec = job->spec;
    spec->limit_us = run->trace->jobs[index].estimate * run->tick_us;
    spec->dependencies = links;
    spec->dependencies_count = 0;
    for (uint32_t i = 0; i < job->spec.dependencies_count; i++) {
        struct dk_dependency link = job->spec.dependencies[i];

        if (link.kind != DK_DEPENDENCY_KIND_SINGLETON) {
            if (run->ids[link.job] == ID_NONE)
                continue;
            link.job = run->id_first + run->ids[link.job];
        }
        links[spec->dependencies_count++] = link;
    }
    run->stamp_submit.actor = job->actor;
    run->stamp_submit.is_operator = true; /* it was allowed then: a nice below 0, for one */
}

static void fill_traced(struct run *run, uint32_t index)
{
    const struct dk_trace_job *job = &run->trace->jobs[index];
    struct dk_job_spec *spec = &run->submit.submit_job.spec;
    struct dk_actor *actor = &run->stamp_submit.actor;

    actor->uid = job->user >= 0 ? job->user : 0;
    actor->gid = job->group >= 0 ? job->group : 0;
    actor->user = user_name(run, actor->uid);
    spec->tasks = job->procs;
    spec->limit_us = job->estimate * run->tick_us;
    if (run->use_memory)
        spec->memory_mib_per_cpu = job->memory_kib > 0 ? (job->memory_kib - 1) / 1024 + 1 : 0;
}

static void submit_job(struct run *run, uint32_t index, int64_t now)
{
    const struct dk_event *outcome = NULL;

    run->stamp_submit.number++;
    run->stamp_submit.time = run->submit.meta.time = time_us(run, now);
    if (run->recording != NULL)
        fill_recorded(run, index);
    else
        fill_traced(run, index);
    dk_batcher_request(run->batcher, &run->stamp_submit, &run->submit, &outcome);
    DK_CHECK(outcome != NULL);
    if (outcome->type != DK_EVENT_JOB_SUBMITTED) {
        run->result->dropped[DK_DROP_REJECTED]++;
        return;
    }
    if (run->accepted == 0)
        run->id_first = outcome->job_submitted.job;
    DK_CHECK(outcome->job_submitted.job - run->id_first == run->accepted);
    if (run->ids != NULL)
        run->ids[index] = run->accepted;
    run->places[run->accepted++] = index;
}

/* The next moment at which something happens after `last`; INT64_MAX: never. A deadline at or
 * before `last` was served by the pass at `last`. */
static int64_t next_moment(const struct run *run, int64_t last)
{
    int64_t now = run->ends_count > 0 ? run->ends[0].time : INT64_MAX;
    int64_t deadline = dk_core_next_deadline(run->core);

    if (run->next < run->trace->count && run->trace->jobs[run->next].submit < now)
        now = run->trace->jobs[run->next].submit;
    if (deadline < INT64_MAX) {
        int64_t since = deadline - run->base * SECOND_US;
        int64_t ticks = since / run->tick_us + (since % run->tick_us > 0);

        if (ticks > last && ticks < now)
            now = ticks;
    }
    return now;
}

static enum dk_status run_all(struct run *run, int64_t now, struct dk_err *err)
{
    const struct dk_trace *trace = run->trace;
    enum dk_status status = DK_OK;

    while (status == DK_OK && (now = next_moment(run, now)) < INT64_MAX) {
        bool is_idle = true;

        for (; run->ends_count > 0 && run->ends[0].time == now; is_idle = false)
            report_end(run, pop_end(run), now);
        for (; run->next < trace->count && trace->jobs[run->next].submit == now; is_idle = false)
            submit_job(run, run->next++, now);
        if (is_idle) {
            struct dk_event tick = { .type = DK_EVENT_CLOCK_ADVANCED,
                                     .meta.time = time_us(run, now) };

            dk_batcher_event(run->batcher, &tick);
        }
        status = close_batch(run, now, err);
    }
    return status;
}

/* All times stay inside int64 microseconds, even if every job ran after the other. */
static enum dk_status check_times(const struct run *run, struct dk_err *err)
{
    const struct dk_trace *trace = run->trace;
    int64_t most = TIME_MAX / run->tick_us - run->base * (SECOND_US / run->tick_us);
    int64_t latest = trace->jobs[trace->count - 1].submit;

    for (uint32_t i = 0; i < trace->count && latest < most; i++) {
        const struct dk_trace_job *job = &trace->jobs[i];

        /* A limit of a recording may be "none", a hundred years: the core can bear that itself. */
        latest += run->recording != NULL || job->run > job->estimate ? job->run : job->estimate;
    }
    return latest < most ? DK_OK : dk_fail(err, DK_INVALID, "the trace's times are too large");
}

static enum dk_status run_core(struct run *run, const struct dk_machine *machine,
                               struct dk_err *err)
{
    int64_t first = run->trace->jobs[0].submit, begun;
    enum dk_status status = set_up(run, machine, first, err);

    if (status != DK_OK)
        return status;
    prepare_requests(run);
    begun = now_ns();
    status = run_all(run, first - 1, err);
    if (status == DK_OK)
        status = sync_log(run, err);
    run->result->elapsed_ns = (uint64_t)(now_ns() - begun);
    if (run->recording != NULL)
        run->result->dropped[DK_DROP_NOT_STARTED] = run->accepted - run->started;
    else if (status == DK_OK && run->started < run->accepted)
        return dk_fail(err, DK_INVALID, "%llu jobs were never started",
                       (unsigned long long)(run->accepted - run->started));
    return status;
}

enum dk_status dk_replay_run(struct dk_replay_result *result, const struct dk_trace *trace,
                             const struct dk_machine *machine,
                             const struct dk_replay_options *options, const struct dk_alloc *alloc,
                             struct dk_err *err)
{
    struct dk_core_options core_options = { .digest = options->digest || options->log != NULL };
    struct dk_batcher_options batcher_options = { .log = options->log, .epoch = 1, .seq_next = 1 };
    struct run run = { .trace = trace,
                       .options = options,
                       .recording = options->recording,
                       .alloc = alloc,
                       .tick_us = SECOND_US / dk_trace_ticks(trace),
                       .result = result };
    size_t ids_size = options->recording != NULL ? trace->count * sizeof(*run.ids) : 0;
    enum dk_status status;

    memset(result, 0, sizeof(*result));
    memcpy(result->dropped, trace->dropped, sizeof(result->dropped));
    run.base = trace->unix_start > 0 ? trace->unix_start : 0;
    run.use_memory = machine->memory_mib_per_node > 0;
    status = check_times(&run, err);
    if (status != DK_OK)
        return status;
    if (options->log != NULL)
        batcher_options.epoch = dk_log_epoch(options->log);
    result->times = dk_alloc_new(alloc, trace->count * sizeof(*result->times));
    for (uint32_t i = 0; i < trace->count; i++)
        result->times[i] = (struct dk_replay_times){ DK_START_NONE, DK_START_NONE };
    run.places = dk_alloc_new(alloc, trace->count * sizeof(*run.places));
    run.ends = dk_alloc_new(alloc, trace->count * sizeof(*run.ends));
    if (ids_size > 0) {
        run.ids = dk_alloc_new(alloc, ids_size);
        memset(run.ids, 0xff, ids_size);
    }
    dk_arena_init(&run.texts, alloc);
    run.core = dk_core_create(alloc, &core_options);
    run.batcher = dk_batcher_create(run.core, alloc, &batcher_options);
    status = run_core(&run, machine, err);
    dk_batcher_destroy(run.batcher);
    dk_core_destroy(run.core);
    dk_arena_release(&run.texts);
    dk_alloc_free(alloc, run.ids, ids_size);
    dk_alloc_free(alloc, run.ends, trace->count * sizeof(*run.ends));
    dk_alloc_free(alloc, run.places, trace->count * sizeof(*run.places));
    if (status == DK_OK)
        dk_replay_stats(&result->stats, trace, result->times, alloc);
    else
        dk_replay_release(result, trace, alloc);
    return status;
}

void dk_replay_release(struct dk_replay_result *result, const struct dk_trace *trace,
                       const struct dk_alloc *alloc)
{
    dk_alloc_free(alloc, result->times, trace->count * sizeof(*result->times));
    result->times = NULL;
}
