/* import_log.c - see import_log.h
 *
 * The log is folded into a core, which checks it and knows the configuration at the end; beside it
 * the few types of events that say what a job is are read once more. What has to stay is decoded
 * from a copy in the recording's arena, which makes a deep copy of any event for nothing. */
#include "replay/import_log.h"

#include "base/table.h"
#include "batch/batch.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

enum { DEPENDENCIES_MAX = 256 };

/* A job, or a task of an array from its first start on. */
struct entry {
    int64_t job, submitted, placed, ended;
    const struct dk_job_spec *spec;
    const struct dk_actor *actor;
    int64_t array_job; /* of a task; 0: none */
    uint32_t order;    /* of the submission that it comes from */
    int32_t cores;
    int32_t exit_code, signal;
    enum dk_end_state state;
    enum { WAITS, RUNS, RAN, GONE } stage; /* GONE: ended without a start */
    bool has_tasks;                        /* an array of which a task has started */
};

struct import {
    struct dk_recording *recording;
    const struct dk_alloc *alloc;
    struct dk_core *core;
    struct dk_fold *fold;
    struct dk_arena scratch; /* of the batch at hand */
    struct dk_table entry_of, node_of;
    struct entry *entries;
    uint32_t count, capacity, submissions, nodes_capacity;
    int64_t first_time;
    uint64_t events;
};

static void *grow(const struct import *import, void *items, uint32_t *capacity, uint32_t count,
                  size_t size)
{
    uint32_t wanted = *capacity == 0 ? 256 : *capacity * 2;

    if (count < *capacity)
        return items;
    items = import->alloc->resize(import->alloc->ctx, items, *capacity * size, wanted * size);
    *capacity = wanted;
    return items;
}

/* The event once more, to be kept. It was decoded before, so it can be. */
static enum dk_status keep(struct import *import, const struct dk_log_record *record,
                           struct dk_event **out, struct dk_err *err)
{
    struct dk_arena *arena = &import->recording->arena;
    uint8_t *copy = dk_arena_take(arena, record->size);

    memcpy(copy, record->data, record->size);
    *out = dk_arena_take(arena, sizeof(**out));
    return dk_event_decode(copy, record->size, arena, *out, err);
}

/* --- jobs --- */

static struct entry *entry_find(const struct import *import, int64_t job)
{
    uint32_t slot = dk_table_find(&import->entry_of, (uint64_t)job);

    return slot != DK_TABLE_NONE ? &import->entries[slot] : NULL;
}

static struct entry *entry_add(struct import *import, int64_t job)
{
    struct entry *entry;

    import->entries =
        grow(import, import->entries, &import->capacity, import->count, sizeof(*import->entries));
    dk_table_put(&import->entry_of, (uint64_t)job, import->count);
    entry = &import->entries[import->count++];
    *entry = (struct entry){ .job = job };
    return entry;
}

static enum dk_status on_submitted(struct import *import, const struct dk_log_record *record,
                                   struct dk_err *err)
{
    struct dk_event *event;
    enum dk_status status = keep(import, record, &event, err);
    struct entry *entry;

    if (status != DK_OK)
        return status;
    entry = entry_add(import, event->job_submitted.job);
    entry->submitted = event->meta.time;
    entry->spec = &event->job_submitted.spec;
    entry->actor = &event->meta.actor;
    entry->order = import->submissions++;
    return DK_OK;
}

static void on_placed(struct import *import, const struct dk_event *event)
{
    const struct dk_job_placed *placed = &event->job_placed;
    struct entry *entry = entry_find(import, placed->job);

    if (entry == NULL) { /* a task: it gets its id now */
        struct entry array = *entry_find(import, placed->array_job);

        entry_find(import, placed->array_job)->has_tasks = true;
        entry = entry_add(import, placed->job);
        *entry = array;
        entry->job = placed->job;
        entry->array_job = placed->array_job;
        entry->has_tasks = false;
    }
    entry->stage = RUNS;
    entry->placed = event->meta.time;
    entry->cores = 0;
    for (uint32_t i = 0; i < placed->cores_count; i++)
        entry->cores += (int32_t)placed->cores[i].count;
}

static void on_ended(struct import *import, const struct dk_event *event)
{
    struct entry *entry = entry_find(import, event->job_ended.job);

    entry->stage = entry->stage == RUNS ? RAN : GONE;
    entry->ended = event->meta.time;
    entry->state = event->job_ended.state;
    entry->exit_code = event->job_ended.exit_code;
    entry->signal = event->job_ended.signal;
}

/* --- nodes --- */

static enum dk_status on_registered(struct import *import, const struct dk_log_record *record,
                                    struct dk_err *err)
{
    struct dk_recording *recording = import->recording;
    struct dk_event *event;
    enum dk_status status = keep(import, record, &event, err);
    uint64_t number;
    uint32_t slot;

    if (status != DK_OK)
        return status;
    number = (uint64_t)event->node_registered.number + 1; /* the same name keeps its number */
    slot = dk_table_find(&import->node_of, number);
    if (slot == DK_TABLE_NONE) {
        recording->nodes = grow(import, recording->nodes, &import->nodes_capacity,
                                recording->nodes_count, sizeof(*recording->nodes));
        slot = recording->nodes_count++;
        dk_table_put(&import->node_of, number, slot);
    }
    recording->nodes[slot] = event->node_registered.spec;
    return DK_OK;
}

/* --- the log --- */

/* What a replay does not play again. */
static void count_lost(struct dk_recording *recording, const struct dk_event *event)
{
    recording->changed += event->type == DK_EVENT_JOB_UPDATED || event->type == DK_EVENT_JOB_HELD ||
                          event->type == DK_EVENT_JOB_REQUEUED;
    recording->outages += event->type == DK_EVENT_NODE_CONDITION_SET &&
                          event->node_condition_set.condition != DK_NODE_CONDITION_UP;
}

/* After the fold has taken it: what it names is known. */
static enum dk_status take_event(struct import *import, const struct dk_log_record *record,
                                 struct dk_err *err)
{
    struct dk_event event;
    enum dk_status status =
        dk_event_decode(record->data, record->size, &import->scratch, &event, err);

    if (status != DK_OK)
        return status;
    if (event.meta.seq == 1)
        import->first_time = event.meta.time;
    import->events++;
    if (event.type == DK_EVENT_JOB_SUBMITTED)
        return on_submitted(import, record, err);
    if (event.type == DK_EVENT_NODE_REGISTERED)
        return on_registered(import, record, err);
    if (event.type == DK_EVENT_JOB_PLACED)
        on_placed(import, &event);
    else if (event.type == DK_EVENT_JOB_ENDED)
        on_ended(import, &event);
    else if (event.type == DK_EVENT_JOB_REQUEUED)
        entry_find(import, event.job_requeued.job)->stage = WAITS;
    count_lost(import->recording, &event);
    return DK_OK;
}

static enum dk_status take_log(struct import *import, const char *uri, struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    enum dk_status status = dk_log_reader_open(&reader, uri, 1, err);

    if (status != DK_OK)
        return status;
    status = dk_log_reader_until_now(reader, err);
    while (status == DK_OK && (status = dk_log_reader_next(reader, &batch, err)) == DK_OK) {
        status = dk_fold_batch(import->fold, &batch, err);
        for (uint32_t i = 0; i < batch.count && status == DK_OK; i++)
            status = take_event(import, &batch.records[i], err);
        if (import->scratch.chunks != NULL)
            dk_arena_reset(&import->scratch);
    }
    dk_log_reader_close(reader);
    return status == DK_AGAIN ? DK_OK : status;
}

/* --- the configuration --- */

static enum dk_status take_config(struct import *import, struct dk_err *err)
{
    struct dk_recording *recording = import->recording;
    struct dk_event applied = { .type = DK_EVENT_CONFIGURATION_APPLIED }, *kept;
    struct dk_partition_spec *partitions;
    struct dk_buf bytes;
    enum dk_status status;

    dk_core_config(import->core, &import->scratch, &applied.configuration_applied.config);
    dk_buf_init(&bytes, import->alloc, DK_LOG_RECORD_SIZE_MAX);
    status = dk_event_encode(&applied, &bytes, err);
    if (status == DK_OK)
        status =
            keep(import, &(struct dk_log_record){ bytes.data, (uint32_t)bytes.size }, &kept, err);
    dk_buf_release(&bytes);
    if (status != DK_OK)
        return status;
    recording->config = kept->configuration_applied.config;
    if (recording->config.cluster.size == 0) /* never configured: it may have none, ours must */
        recording->config.cluster = dk_text_of("docket");
    recording->config.nodes_expected_count = 0;
    recording->config.policy.beat_timeout_us = 0; /* nodes of a replay do not beat */
    partitions = dk_arena_take(&recording->arena,
                               (recording->config.partitions_count + 1) * sizeof(*partitions));
    for (uint32_t i = 0; i < recording->config.partitions_count; i++) {
        partitions[i] = recording->config.partitions[i];
        partitions[i].state = DK_PARTITION_STATE_UP;
    }
    recording->config.partitions = partitions;
    return DK_OK;
}

/* --- the trace --- */

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->job > y->job) - (x->job < y->job);
}

static void fill_job(struct dk_recording *recording, const struct entry *entry,
                     bool exact_estimates)
{
    struct dk_trace *trace = &recording->trace;
    uint32_t index = trace->count++;
    int64_t base = trace->unix_start * SECOND_US, run = entry->ended - entry->placed;
    struct dk_recorded_job *job = &recording->jobs[index];

    trace->jobs[index] = (struct dk_trace_job){
        .number = entry->job,
        .submit = entry->submitted - base,
        .run = run,
        .estimate = exact_estimates ? (run > 0 ? run : 1) : entry->spec->limit_us,
        .memory_kib = -1,
        .procs = entry->cores,
        .user = entry->actor->uid,
        .group = entry->actor->gid,
    };
    recording->times[index] = (struct dk_replay_times){ entry->placed - base, entry->ended - base };
    *job = (struct dk_recorded_job){ .spec = *entry->spec,
                                     .actor = *entry->actor,
                                     .state = entry->state,
                                     .exit_code = entry->exit_code,
                                     .signal = entry->signal };
    job->spec.has_array = job->spec.has_launch = false;
    job->spec.hold = job->spec.requeue = false;
    job->spec.script.size = 0;
}

static bool is_satisfied(const struct dk_recorded_job *target, enum dk_dependency_kind kind)
{
    bool is_good = target->state == DK_END_STATE_COMPLETED && target->exit_code == 0;

    return kind == DK_DEPENDENCY_KIND_AFTER_OK       ? is_good
           : kind == DK_DEPENDENCY_KIND_AFTER_NOT_OK ? !is_good
                                                     : true;
}

/* Dependencies by place in the trace; one on an array is on each of its tasks. */
static void relink(struct import *import, uint32_t index, const uint32_t *first_of,
                   const struct entry *entries)
{
    struct dk_recording *recording = import->recording;
    struct dk_job_spec *spec = &recording->jobs[index].spec;
    struct dk_dependency links[DEPENDENCIES_MAX], *kept;
    uint32_t count = 0;

    for (uint32_t i = 0; i < spec->dependencies_count; i++) {
        const struct dk_dependency *link = &spec->dependencies[i];
        uint32_t before = count, slot = dk_table_find(&import->entry_of, (uint64_t)link->job);

        if (link->kind == DK_DEPENDENCY_KIND_SINGLETON && entries[index].array_job == 0 &&
            count < DEPENDENCIES_MAX)
            links[count++] = *link;
        for (uint32_t at = slot != DK_TABLE_NONE ? first_of[slot] : index;
             at < index && (entries[at].job == link->job || entries[at].array_job == link->job) &&
             count < DEPENDENCIES_MAX;
             at++) {
            if (!is_satisfied(&recording->jobs[at], link->kind))
                continue;
            links[count] = *link;
            links[count++].job = at;
        }
        recording->dependencies_dropped += count == before;
    }
    kept = dk_arena_take(&recording->arena, (count + 1) * sizeof(*kept));
    memcpy(kept, links, count * sizeof(*kept));
    spec->dependencies = kept;
    spec->dependencies_count = count;
}

/* entries[] is by slot of the table, which names jobs; `sorted` the ones that are taken. */
static void link_all(struct import *import, const struct entry *sorted, const uint32_t *first_of)
{
    for (uint32_t i = 0; i < import->recording->trace.count; i++) {
        if (import->recording->jobs[i].spec.dependencies_count > 0)
            relink(import, i, first_of, sorted);
    }
}

static uint32_t choose(struct import *import, struct entry *sorted)
{
    uint64_t *dropped = import->recording->trace.dropped;
    uint32_t count = 0;

    for (uint32_t i = 0; i < import->count; i++) {
        const struct entry *entry = &import->entries[i];

        if (entry->stage == RAN)
            sorted[count++] = *entry;
        else if (entry->stage == RUNS)
            dropped[DK_DROP_STILL_RUNS]++;
        else if (!entry->has_tasks)
            dropped[DK_DROP_NEVER_RAN]++;
    }
    if (count > 0)
        qsort(sorted, count, sizeof(*sorted), compare_entries);
    return count;
}

static void fill_trace(struct import *import, bool exact_estimates)
{
    struct dk_recording *recording = import->recording;
    struct dk_trace *trace = &recording->trace;
    size_t room = import->count + 1;
    struct entry *sorted = dk_alloc_new(import->alloc, room * sizeof(*sorted));
    uint32_t *first_of = dk_alloc_new(import->alloc, room * sizeof(*first_of));
    uint32_t count = choose(import, sorted);

    trace->unix_start = import->first_time / SECOND_US;
    trace->capacity = count;
    trace->jobs = dk_alloc_new(import->alloc, count * sizeof(*trace->jobs));
    recording->jobs = dk_arena_take(&recording->arena, count * sizeof(*recording->jobs));
    recording->times = dk_arena_take(&recording->arena, count * sizeof(*recording->times));
    for (uint32_t i = 0; i < import->count; i++)
        first_of[i] = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t own = dk_table_find(&import->entry_of, (uint64_t)sorted[i].job);

        fill_job(recording, &sorted[i], exact_estimates);
        first_of[own] = i;
        if (sorted[i].array_job != 0) {
            uint32_t array = dk_table_find(&import->entry_of, (uint64_t)sorted[i].array_job);

            if (first_of[array] == UINT32_MAX)
                first_of[array] = i;
        }
    }
    link_all(import, sorted, first_of);
    dk_alloc_free(import->alloc, first_of, room * sizeof(*first_of));
    dk_alloc_free(import->alloc, sorted, room * sizeof(*sorted));
}

/* Nodes move to the arena, so that the recording has one owner of everything. */
static void fill_nodes(struct import *import)
{
    struct dk_recording *recording = import->recording;
    struct dk_node_spec *nodes =
        dk_arena_take(&recording->arena, (recording->nodes_count + 1) * sizeof(*nodes));

    for (uint32_t i = 0; i < recording->nodes_count; i++) {
        nodes[i] = recording->nodes[i];
        recording->trace.procs += nodes[i].cores;
    }
    dk_alloc_free(import->alloc, recording->nodes, import->nodes_capacity * sizeof(*nodes));
    recording->nodes = nodes;
}

static enum dk_status fill(struct import *import, const char *uri, bool exact_estimates,
                           struct dk_err *err)
{
    enum dk_status status = take_log(import, uri, err);
    uint32_t submitted = import->submissions;

    fill_nodes(import);
    if (status != DK_OK)
        return status;
    if (import->events == 0)
        return dk_fail(err, DK_NOT_FOUND,
                       "'%s' is not a log, or an empty one; a cluster's is file:DIR/log", uri);
    status = take_config(import, err);
    if (status != DK_OK)
        return status;
    fill_trace(import, exact_estimates);
    if (import->recording->trace.count > 0)
        return DK_OK;
    return submitted == 0
               ? dk_fail(err, DK_INVALID, "log '%s' has no jobs", uri)
               : dk_fail(err, DK_INVALID, "log '%s' has no job that ran to its end, of %u", uri,
                         submitted);
}

enum dk_status dk_recording_read(struct dk_recording *recording, const char *uri,
                                 bool exact_estimates, const struct dk_alloc *alloc,
                                 struct dk_err *err)
{
    struct dk_core_options options = { .digest = true };
    struct import import = { .recording = recording, .alloc = alloc };
    enum dk_status status;

    memset(recording, 0, sizeof(*recording));
    recording->trace.alloc = alloc;
    recording->trace.ticks = SECOND_US;
    recording->trace.procs_max = recording->trace.nodes_max = -1;
    dk_arena_init(&recording->arena, alloc);
    dk_arena_init(&import.scratch, alloc);
    dk_table_init(&import.entry_of, alloc);
    dk_table_init(&import.node_of, alloc);
    import.core = dk_core_create(alloc, &options);
    import.fold = dk_fold_create(import.core, alloc, DK_FOLD_APPLY, NULL, 0);
    status = fill(&import, uri, exact_estimates, err);
    dk_fold_destroy(import.fold);
    dk_core_destroy(import.core);
    dk_table_release(&import.node_of);
    dk_table_release(&import.entry_of);
    dk_arena_release(&import.scratch);
    dk_alloc_free(alloc, import.entries, import.capacity * sizeof(*import.entries));
    if (status != DK_OK)
        dk_recording_release(recording);
    return status;
}

void dk_recording_release(struct dk_recording *recording)
{
    dk_trace_release(&recording->trace);
    dk_arena_release(&recording->arena);
}
