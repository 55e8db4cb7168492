/* live_jobs.c - the active jobs: folding their events, and copies of them for who asks */
#include "projections/live_inside.h"

#include "base/check.h"
#include "event/about.h"
#include "projections/row_codec.h"

#include <stdlib.h>
#include <string.h>

/* --- slots --- */

static uint32_t slot_new(struct dk_live *live)
{
    uint32_t slot = live->free_slot;

    if (slot != DK_SLOT_NONE) {
        live->free_slot = dk_live_job_at(live, slot)->task_next;
        return slot;
    }
    if (live->slot_count == live->chunk_count * DK_JOB_CHUNK) {
        live->chunks = realloc(live->chunks, (live->chunk_count + 1) * sizeof(*live->chunks));
        DK_CHECK(live->chunks != NULL);
        live->chunks[live->chunk_count] = calloc(DK_JOB_CHUNK, sizeof(struct dk_live_job));
        DK_CHECK(live->chunks[live->chunk_count] != NULL);
        live->chunk_count++;
    }
    return live->slot_count++;
}

struct dk_live_job *dk_live_job_find(const struct dk_live *live, int64_t id)
{
    uint32_t slot = id > 0 ? dk_table_find(&live->jobs_by_id, (uint64_t)id) : DK_TABLE_NONE;

    return slot == DK_TABLE_NONE ? NULL : dk_live_job_at(live, slot);
}

/* Ids ascend, so the newest goes to the end; what is gone is closed up when it is half. */
static void order_add(struct dk_live *live, uint32_t slot)
{
    if (live->order_count == live->order_capacity && live->active < live->order_count / 2) {
        uint32_t kept = 0;

        for (uint32_t i = 0; i < live->order_count; i++) {
            if (live->order[i] != DK_SLOT_NONE)
                live->order[kept++] = live->order[i];
        }
        live->order_count = kept;
    }
    if (live->order_count == live->order_capacity) {
        live->order_capacity = live->order_capacity > 0 ? live->order_capacity * 2 : 1024;
        live->order = realloc(live->order, live->order_capacity * sizeof(*live->order));
        DK_CHECK(live->order != NULL);
    }
    live->order[live->order_count++] = slot;
    live->active++;
}

/* Slots in order of id: found by halving, over the gaps. */
static void order_remove(struct dk_live *live, uint32_t slot, int64_t id)
{
    uint32_t first = 0, limit = live->order_count;

    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2, at = middle;

        while (at < limit && live->order[at] == DK_SLOT_NONE)
            at++;
        if (at == limit) {
            limit = middle;
        } else if (live->order[at] == slot) {
            live->order[at] = DK_SLOT_NONE;
            live->active--;
            return;
        } else if (dk_live_job_at(live, live->order[at])->id < id) {
            first = at + 1;
        } else {
            limit = middle;
        }
    }
}

/* --- specifications --- */

static struct dk_live_spec *spec_of_bytes(struct dk_live *live, const struct dk_buf *bytes)
{
    uint64_t hash = dk_bytes_hash(bytes->data, bytes->size);
    uint32_t index = dk_table_find(&live->specs, hash);
    struct dk_live_spec *spec = index != DK_TABLE_NONE ? live->spec_chains[index] : NULL;
    struct dk_live_spec *first = spec;

    for (; spec != NULL; spec = spec->next) {
        if (spec->size == bytes->size && memcmp(spec->bytes, bytes->data, bytes->size) == 0) {
            spec->holders++;
            return spec;
        }
    }
    spec = malloc(sizeof(*spec) + bytes->size);
    DK_CHECK(spec != NULL);
    *spec = (struct dk_live_spec){
        .hash = hash, .next = first, .holders = 1, .size = (uint32_t)bytes->size
    };
    if (bytes->size > 0)
        memcpy(spec->bytes, bytes->data, bytes->size);
    if (index == DK_TABLE_NONE) {
        if (live->spec_free_count > 0) {
            index = live->spec_free[--live->spec_free_count];
        } else {
            if (live->spec_count == live->spec_capacity) {
                live->spec_capacity = live->spec_capacity > 0 ? live->spec_capacity * 2 : 256;
                live->spec_chains =
                    realloc(live->spec_chains, live->spec_capacity * sizeof(*live->spec_chains));
                live->spec_free =
                    realloc(live->spec_free, live->spec_capacity * sizeof(*live->spec_free));
                DK_CHECK(live->spec_chains != NULL && live->spec_free != NULL);
            }
            index = live->spec_count++;
        }
        dk_table_put(&live->specs, hash, index);
    }
    live->spec_chains[index] = spec;
    return spec;
}

struct dk_live_spec *dk_live_spec_hold(struct dk_live *live, const uint8_t *data, size_t size)
{
    struct dk_live_spec *kept;
    struct dk_buf bytes;

    dk_buf_init(&bytes, &dk_heap, size + 1);
    DK_CHECK(dk_buf_add(&bytes, size > 0 ? (const void *)data : "", size));
    kept = spec_of_bytes(live, &bytes);
    dk_buf_release(&bytes);
    return kept;
}

bool dk_live_spec_is_good(const struct dk_live_spec *spec, struct dk_arena *arena)
{
    struct dk_event event;
    struct dk_err err;

    return dk_event_decode(spec->bytes, spec->size, arena, &event, &err) == DK_OK &&
           event.type == DK_EVENT_JOB_SUBMITTED;
}

static struct dk_live_spec *spec_keep(struct dk_live *live, const struct dk_job_spec *spec)
{
    struct dk_event event = { .type = DK_EVENT_JOB_SUBMITTED };
    struct dk_live_spec *kept;
    struct dk_buf bytes;
    struct dk_err err;

    event.job_submitted.spec = *spec;
    dk_buf_init(&bytes, &dk_heap, 1 << 24);
    DK_CHECK(dk_event_encode(&event, &bytes, &err) == DK_OK);
    kept = spec_of_bytes(live, &bytes);
    dk_buf_release(&bytes);
    return kept;
}

static void spec_drop(struct dk_live *live, struct dk_live_spec *spec)
{
    uint32_t index = dk_table_find(&live->specs, spec->hash);
    struct dk_live_spec **link = &live->spec_chains[index];

    if (--spec->holders > 0)
        return;
    while (*link != spec)
        link = &(*link)->next;
    *link = spec->next;
    if (live->spec_chains[index] == NULL) {
        (void)dk_table_remove(&live->specs, spec->hash);
        live->spec_free[live->spec_free_count++] = index;
    }
    dk_live_retire(live, spec);
}

const struct dk_job_spec *dk_live_spec_of(const struct dk_live_job *job, struct dk_arena *arena)
{
    struct dk_event *event = dk_arena_take(arena, sizeof(*event));
    struct dk_err err;

    DK_CHECK(dk_event_decode(job->spec->bytes, job->spec->size, arena, event, &err) == DK_OK);
    return &event->job_submitted.spec;
}

/* --- arrays --- */

static uint32_t range_tasks(const struct dk_index_range *range)
{
    return (uint32_t)((range->last - range->first) / range->step) + 1;
}

static struct dk_live_array *array_new(struct dk_live *live, const struct dk_array_spec *spec)
{
    struct dk_live_array *array = calloc(1, sizeof(*array));

    DK_CHECK(array != NULL);
    array->capacity = spec->ranges_count + 4;
    array->ranges = calloc(array->capacity, sizeof(*array->ranges));
    DK_CHECK(array->ranges != NULL);
    if (spec->ranges_count > 0) {
        memcpy(array->ranges, spec->ranges, spec->ranges_count * sizeof(*array->ranges));
        array->task_min = spec->ranges[0].first;
        array->task_step = spec->ranges[0].step;
    }
    array->count = spec->ranges_count;
    array->first_task = DK_SLOT_NONE;
    for (uint32_t i = 0; i < spec->ranges_count; i++) {
        array->task_count += (int32_t)range_tasks(&spec->ranges[i]);
        array->task_max = spec->ranges[i].last;
    }
    live->tasks_waiting += (uint32_t)array->task_count;
    return array;
}

/* The index no longer waits: the range that has it is shortened, cut in two, or goes. */
static void array_take(struct dk_live *live, struct dk_live_array *array, int32_t index)
{
    struct dk_index_range *range;
    int64_t step; /* an index and a step need not fit an int32 together */
    uint32_t i = 0;

    while (i < array->count && array->ranges[i].last < index)
        i++;
    if (i == array->count || array->ranges[i].first > index)
        return;
    live->tasks_waiting--;
    range = &array->ranges[i];
    step = range->step;
    if (range->first == index && range->last < range->first + step) {
        memmove(range, range + 1, (array->count - i - 1) * sizeof(*range));
        array->count--;
    } else if (range->first == index) {
        range->first += range->step;
    } else if (range->last < index + step) {
        range->last = index - range->step;
    } else {
        if (array->count == array->capacity) {
            array->capacity *= 2;
            array->ranges = realloc(array->ranges, array->capacity * sizeof(*array->ranges));
            DK_CHECK(array->ranges != NULL);
        }
        range = &array->ranges[i];
        memmove(range + 1, range, (array->count - i) * sizeof(*range));
        array->count++;
        range[0].last = index - range->step;
        range[1].first = index + range->step;
    }
}

/* --- coming and going --- */

void dk_live_job_state_set(struct dk_live *live, struct dk_live_job *job, enum dk_row_state state)
{
    struct dk_live_partition *partition = dk_live_partition_find(live, dk_text_of(job->partition));

    live->states[job->state]--;
    live->states[state]++;
    if (partition != NULL) {
        partition->pending += (state == DK_ROW_PENDING) - (job->state == DK_ROW_PENDING);
        partition->running += (state != DK_ROW_PENDING) - (job->state != DK_ROW_PENDING);
    }
    job->state = (uint8_t)state;
}

struct dk_live_job *dk_live_job_add(struct dk_live *live, int64_t id, struct dk_text partition)
{
    struct dk_live_partition *in = dk_live_partition_find(live, partition);
    uint32_t slot = slot_new(live);
    struct dk_live_job *job = dk_live_job_at(live, slot);

    memset(job, 0, sizeof(*job));
    job->id = id;
    job->array_task = -1;
    job->ended_by = -1;
    job->task_next = DK_SLOT_NONE;
    job->partition = dk_texts_keep(&live->texts, partition).data;
    job->state = DK_ROW_PENDING;
    live->states[DK_ROW_PENDING]++;
    if (in != NULL)
        in->pending++;
    dk_table_put(&live->jobs_by_id, (uint64_t)id, slot);
    order_add(live, slot);
    return job;
}

void dk_live_task_link(struct dk_live *live, struct dk_live_job *job)
{
    struct dk_live_job *array = dk_live_job_find(live, job->array_job);

    if (array == NULL || array->array == NULL)
        return;
    job->task_next = array->array->first_task;
    array->array->first_task = dk_table_find(&live->jobs_by_id, (uint64_t)job->id);
}

static void task_unlink(struct dk_live *live, uint32_t slot)
{
    struct dk_live_job *job = dk_live_job_at(live, slot);
    struct dk_live_job *array = dk_live_job_find(live, job->array_job);
    uint32_t *link;

    if (array == NULL || array->array == NULL)
        return;
    link = &array->array->first_task;
    while (*link != DK_SLOT_NONE && *link != slot)
        link = &dk_live_job_at(live, *link)->task_next;
    if (*link == slot)
        *link = job->task_next;
}

static void job_drop(struct dk_live *live, struct dk_live_job *job)
{
    uint32_t slot = dk_table_find(&live->jobs_by_id, (uint64_t)job->id);
    struct dk_live_partition *in = dk_live_partition_find(live, dk_text_of(job->partition));

    if (job->array_job != 0 && job->array == NULL)
        task_unlink(live, slot);
    live->states[job->state]--;
    if (in != NULL && job->state == DK_ROW_PENDING)
        in->pending--;
    else if (in != NULL)
        in->running--;
    spec_drop(live, job->spec);
    if (job->array != NULL) {
        free(job->array->ranges);
        free(job->array);
    }
    dk_live_retire(live, job->run);
    (void)dk_table_remove(&live->jobs_by_id, (uint64_t)job->id);
    order_remove(live, slot, job->id);
    memset(job, 0, sizeof(*job));
    job->task_next = live->free_slot;
    live->free_slot = slot;
}

/* An array is gone when none of its tasks waits or lives. */
static void array_settle(struct dk_live *live, struct dk_live_job *array)
{
    if (array != NULL && array->array != NULL && array->array->count == 0 &&
        array->array->first_task == DK_SLOT_NONE)
        job_drop(live, array);
}

/* --- events --- */

static void eligible_set(struct dk_live_job *job, const struct dk_job_spec *spec, int64_t now)
{
    if ((job->flags & (DK_HELD_USER | DK_HELD_ADMIN | DK_DEPENDS)) != 0)
        job->eligible = 0;
    else
        job->eligible = spec->begin > now ? spec->begin : now;
}

void dk_live_job_submitted(struct dk_live *live, const struct dk_event *event)
{
    const struct dk_job_submitted *fact = &event->job_submitted;
    const struct dk_meta *meta = &event->meta;
    struct dk_live_job *job;

    if (fact->job <= 0 || dk_live_job_find(live, fact->job) != NULL)
        return;
    job = dk_live_job_add(live, fact->job, fact->spec.partition);
    job->spec = spec_keep(live, &fact->spec);
    if (fact->spec.has_array) {
        job->array_job = fact->job;
        job->array = array_new(live, &fact->spec.array);
    }
    job->submit = meta->time;
    job->limit_us = fact->spec.limit_us;
    job->uid = meta->has_actor ? meta->actor.uid : -1;
    job->gid = meta->has_actor ? meta->actor.gid : -1;
    job->user = dk_texts_keep(&live->texts, meta->actor.user).data;
    job->host = dk_texts_keep(&live->texts, meta->actor.host).data;
    job->flags = (uint8_t)((fact->spec.hold ? DK_HELD_USER : 0) |
                           (fact->spec.dependencies_count > 0 ? DK_DEPENDS : 0));
    job->key_size = (uint8_t)(fact->key.size <= 16 ? fact->key.size : 0);
    if (job->key_size > 0)
        memcpy(job->key, fact->key.data, job->key_size);
    job->seq = meta->seq;
    eligible_set(job, &fact->spec, meta->time);
}

/* A task of an array becomes a job of its own as it starts. */
static struct dk_live_job *task_new(struct dk_live *live, const struct dk_job_placed *fact)
{
    struct dk_live_job *array = dk_live_job_find(live, fact->array_job), *job;

    if (array == NULL || array->array == NULL || fact->job <= 0)
        return NULL;
    array_take(live, array->array, fact->task);
    job = dk_live_job_add(live, fact->job, dk_text_of(array->partition));
    job->array_job = fact->array_job;
    job->array_task = fact->task;
    job->spec = array->spec;
    job->spec->holders++;
    job->submit = array->submit;
    job->eligible = array->eligible;
    job->limit_us = array->limit_us;
    job->uid = array->uid;
    job->gid = array->gid;
    job->user = array->user;
    job->host = array->host;
    job->key_size = array->key_size;
    memcpy(job->key, array->key, sizeof(job->key));
    dk_live_task_link(live, job);
    return job;
}

static void placed(struct dk_live *live, struct dk_live_job *job, const struct dk_event *event)
{
    const struct dk_job_placed *fact = &event->job_placed;

    if (job == NULL)
        job = task_new(live, fact);
    if (job == NULL || job->run != NULL)
        return;
    job->run = dk_live_run_make(live, fact);
    job->attempt = fact->attempt;
    job->epoch = event->meta.epoch;
    job->start = event->meta.time;
    if (job->eligible == 0)
        job->eligible = job->start; /* what it waited for was over by then; nobody says when */
    job->seq = event->meta.seq;
    if (live->hooks.started != NULL)
        live->hooks.started(live->hooks.context, job->start - job->eligible);
    dk_live_job_state_set(live, job, DK_ROW_RUNNING);
    dk_live_run_count(live, job, dk_live_spec_of(job, &live->scratch), 1);
    dk_orders_run(live, job, &event->meta);
}

static void end_requested(struct dk_live *live, struct dk_live_job *job,
                          const struct dk_event *event)
{
    if (job->run == NULL)
        return;
    job->ending = (uint8_t)event->job_end_requested.state;
    job->end_requested = event->meta.time;
    job->ended_by = event->meta.has_actor ? event->meta.actor.uid : -1;
    job->seq = event->meta.seq;
    dk_live_job_state_set(live, job, DK_ROW_COMPLETING);
    dk_orders_end(live, job, &event->meta);
}

static void run_over(struct dk_live *live, struct dk_live_job *job, const struct dk_event *event)
{
    dk_live_run_count(live, job, dk_live_spec_of(job, &live->scratch), -1);
    dk_orders_over(live, job, &event->meta);
}

static void tell(struct dk_live *live, const struct dk_job_row *row, bool again)
{
    if (again && live->hooks.requeued != NULL)
        live->hooks.requeued(live->hooks.context, row);
    else if (!again && live->hooks.ended != NULL)
        live->hooks.ended(live->hooks.context, row);
}

static void ended(struct dk_live *live, struct dk_live_job *job, const struct dk_event *event)
{
    const struct dk_job_ended *fact = &event->job_ended;
    int64_t array_id = job->array == NULL ? job->array_job : 0;
    struct dk_job_row row;

    if (job->run == NULL && event->meta.has_actor)
        job->ended_by = event->meta.actor.uid;
    dk_live_row(job, &live->scratch, &row);
    row.state = dk_row_state_of_end(fact->state);
    row.exit_code = fact->exit_code;
    row.exit_signal = fact->signal;
    row.end = event->meta.time;
    row.has_usage = fact->has_usage;
    row.usage = fact->usage;
    row.first_process = fact->started;
    row.why = fact->why;
    row.seq = event->meta.seq;
    tell(live, &row, false);
    if (job->run != NULL)
        run_over(live, job, event);
    if (job->array != NULL) { /* it, or the rest of it, never got to start */
        for (uint32_t i = 0; i < job->array->count; i++)
            live->tasks_waiting -= range_tasks(&job->array->ranges[i]);
        job->array->count = 0;
        array_settle(live, job);
        return;
    }
    job_drop(live, job);
    array_settle(live, array_id != 0 ? dk_live_job_find(live, array_id) : NULL);
}

static void requeued(struct dk_live *live, struct dk_live_job *job, const struct dk_event *event)
{
    const struct dk_job_requeued *fact = &event->job_requeued;
    const struct dk_job_spec *spec;
    struct dk_job_row row;

    if (job->run == NULL)
        return;
    dk_live_row(job, &live->scratch, &row);
    row.state = fact->reason == DK_END_STATE_CANCELLED ? DK_ROW_REQUEUED
                                                       : dk_row_state_of_end(fact->reason);
    row.end = event->meta.time;
    row.seq = event->meta.seq;
    tell(live, &row, true);
    run_over(live, job, event);
    dk_live_retire(live, job->run);
    job->run = NULL;
    job->start = job->end_requested = 0;
    job->ended_by = -1;
    job->flags = fact->hold ? DK_HELD_USER : 0;
    job->seq = event->meta.seq;
    dk_live_job_state_set(live, job, DK_ROW_PENDING);
    spec = dk_live_spec_of(job, &live->scratch);
    eligible_set(job, spec, event->meta.time);
}

static void tasks_cancelled(struct dk_live *live, struct dk_live_job *job,
                            const struct dk_event *event)
{
    const struct dk_array_tasks_cancelled *fact = &event->array_tasks_cancelled;
    struct dk_job_row row;

    if (job->array == NULL)
        return;
    if (event->meta.has_actor)
        job->ended_by = event->meta.actor.uid;
    dk_live_row(job, &live->scratch, &row);
    row.state = DK_ROW_CANCELLED;
    row.array_ranges = fact->tasks;
    row.array_ranges_count = fact->tasks_count;
    row.end = event->meta.time;
    row.seq = event->meta.seq;
    tell(live, &row, false);
    for (uint32_t i = 0; i < fact->tasks_count; i++) {
        for (int64_t task = fact->tasks[i].first; task <= fact->tasks[i].last;
             task += fact->tasks[i].step)
            array_take(live, job->array, (int32_t)task);
    }
    job->ended_by = -1;
    array_settle(live, job);
}

static void spec_change(struct dk_job_spec *spec, const struct dk_job_change *change)
{
#define CHANGE(field, target)                                                                      \
    if (change->has_##field)                                                                       \
        spec->target = change->field;
    CHANGE(name, name)
    CHANGE(partition, partition)
    CHANGE(account, account)
    CHANGE(nodes, nodes)
    CHANGE(tasks, tasks)
    CHANGE(cpus_per_task, cpus_per_task)
    CHANGE(memory_mib_per_node, memory_mib_per_node)
    CHANGE(memory_mib_per_cpu, memory_mib_per_cpu)
    CHANGE(gpus_per_node, gpus_per_node)
    CHANGE(limit_us, limit_us)
    CHANGE(begin, begin)
    CHANGE(nice, nice)
    CHANGE(constraint, constraint)
    CHANGE(comment, comment)
    CHANGE(running_max, array.running_max)
#undef CHANGE
}

static void updated(struct dk_live *live, struct dk_live_job *job, const struct dk_event *event)
{
    const struct dk_job_change *change = &event->job_updated.change;
    struct dk_job_spec spec = *dk_live_spec_of(job, &live->scratch);
    struct dk_live_spec *before = job->spec;
    enum dk_row_state state = (enum dk_row_state)job->state;

    spec_change(&spec, change);
    job->spec = spec_keep(live, &spec);
    spec_drop(live, before);
    job->limit_us = spec.limit_us;
    job->seq = event->meta.seq;
    if (change->has_partition && state == DK_ROW_PENDING) {
        struct dk_live_partition *from = dk_live_partition_find(live, dk_text_of(job->partition));
        struct dk_live_partition *to = dk_live_partition_find(live, change->partition);

        job->partition = dk_texts_keep(&live->texts, change->partition).data;
        if (from != NULL)
            from->pending--;
        if (to != NULL)
            to->pending++;
    }
    if (change->has_begin && state == DK_ROW_PENDING)
        eligible_set(job, &spec, job->submit > event->meta.time ? job->submit : event->meta.time);
}

static void held(struct dk_live_job *job, const struct dk_event *event)
{
    job->flags |= event->job_held.by_admin ? DK_HELD_ADMIN : DK_HELD_USER;
    job->eligible = 0;
    job->seq = event->meta.seq;
}

static void released(struct dk_live *live, struct dk_live_job *job, const struct dk_event *event)
{
    job->flags &= (uint8_t) ~(DK_HELD_USER | DK_HELD_ADMIN);
    job->seq = event->meta.seq;
    eligible_set(job, dk_live_spec_of(job, &live->scratch), event->meta.time);
}

void dk_live_job_event(struct dk_live *live, const struct dk_event *event)
{
    struct dk_live_job *job = dk_live_job_find(live, dk_event_job(event));

    if (event->type == DK_EVENT_JOB_PLACED)
        placed(live, job, event);
    if (event->type == DK_EVENT_JOB_PLACED || job == NULL)
        return;
    switch ((int)event->type) {
    case DK_EVENT_JOB_UPDATED:
        updated(live, job, event);
        break;
    case DK_EVENT_JOB_HELD:
        held(job, event);
        break;
    case DK_EVENT_JOB_RELEASED:
        released(live, job, event);
        break;
    case DK_EVENT_JOB_REQUEUED:
        requeued(live, job, event);
        break;
    case DK_EVENT_JOB_END_REQUESTED:
        end_requested(live, job, event);
        break;
    case DK_EVENT_JOB_ENDED:
        ended(live, job, event);
        break;
    case DK_EVENT_ARRAY_TASKS_CANCELLED:
        tasks_cancelled(live, job, event);
        break;
    default: /* JobSignalled */
        if (job->run != NULL)
            dk_orders_signal(live, job, event);
    }
}

void dk_live_jobs_release(struct dk_live *live)
{
    for (uint32_t i = 0; i < live->order_count; i++) {
        struct dk_live_job *job;

        if (live->order[i] == DK_SLOT_NONE)
            continue;
        job = dk_live_job_at(live, live->order[i]);
        spec_drop(live, job->spec);
        if (job->array != NULL)
            free(job->array->ranges);
        free(job->array);
        free(job->run);
    }
    for (uint32_t i = 0; i < live->chunk_count; i++)
        free(live->chunks[i]);
    free(live->chunks);
    free(live->order);
    free(live->spec_chains);
    free(live->spec_free);
}
