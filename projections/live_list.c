/* live_list.c - copies of the queue, and rows made of them without any lock */
#include "projections/live_inside.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static struct dk_text kept_text(const char *text)
{
    return text != NULL ? dk_text_of(text) : (struct dk_text){ 0 };
}

static void row_run(const struct dk_live_run *run, struct dk_job_row *row)
{
    row->node_list = run->node_list;
    row->nodes = run->nodes;
    row->node_cores = run->node_cores;
    row->node_count = run->node_count;
    row->batch_host = run->node_count > 0 ? run->nodes[0] : (struct dk_text){ 0 };
    row->core_spans = run->core_spans;
    row->core_spans_count = run->core_span_count;
    row->gpu_spans = run->gpu_spans;
    row->gpu_spans_count = run->gpu_span_count;
    row->cores = run->cores;
    row->gpus = run->gpus;
}

void dk_live_row(const struct dk_live_job *job, struct dk_arena *arena, struct dk_job_row *row)
{
    const struct dk_job_spec *spec = dk_live_spec_of(job, arena);

    *row = (struct dk_job_row){
        .id = job->id,
        .array_job = job->array_job,
        .array_task = job->array_task,
        .attempt = job->attempt,
        .state = (enum dk_row_state)job->state,
        .spec = spec,
        .partition = kept_text(job->partition),
        .user = kept_text(job->user),
        .uid = job->uid,
        .gid = job->gid,
        .host = kept_text(job->host),
        .key = { job->key, job->key_size },
        .submit = job->submit,
        .eligible = job->eligible,
        .start = job->start,
        .limit_us = job->limit_us,
        .held_by_user = (job->flags & DK_HELD_USER) != 0,
        .held_by_admin = (job->flags & DK_HELD_ADMIN) != 0,
        .ended_by = job->ended_by,
        .end_requested = job->end_requested,
        .cores = (int64_t)spec->tasks * spec->cpus_per_task,
        .gpus = spec->gpus_per_task > 0
                    ? (int64_t)spec->tasks * spec->gpus_per_task
                    : (int64_t)spec->gpus_per_node * (spec->nodes > 0 ? spec->nodes : 1),
        .seq = job->seq,
    };
    if (job->array != NULL) {
        row->array_ranges = job->array->ranges;
        row->array_ranges_count = job->array->count;
    }
    if (job->run != NULL)
        row_run(job->run, row);
    if (job->start != 0 && job->limit_us > 0 && job->limit_us < INT64_MAX / 2 &&
        __builtin_add_overflow(job->start, job->limit_us, &row->end))
        row->end = 0; /* never */
}

/* --- copying --- */

struct copying {
    struct dk_live *live;
    struct dk_live_jobs *jobs;
    uint32_t capacity;
};

/* An array's waiting rest changes in place: the copy gets its own. */
static void copy_array(struct dk_live_jobs *jobs, struct dk_live_job *job)
{
    struct dk_live_array *array = dk_arena_take(&jobs->arena, sizeof(*array));

    *array = *job->array;
    array->ranges = dk_arena_take(&jobs->arena, (array->count + 1) * sizeof(*array->ranges));
    memcpy(array->ranges, job->array->ranges, array->count * sizeof(*array->ranges));
    job->array = array;
}

/* An array none of whose tasks waits is not shown: its tasks are jobs of their own. */
static void copy_job(struct copying *copying, const struct dk_live_job *job)
{
    struct dk_live_jobs *jobs = copying->jobs;

    if (job->array != NULL && job->array->count == 0)
        return;
    if (jobs->count == copying->capacity) {
        uint32_t capacity = copying->capacity > 0 ? copying->capacity * 2 : 64;
        struct dk_live_job *items = dk_arena_take(&jobs->arena, capacity * sizeof(*items));

        if (jobs->count > 0)
            memcpy(items, jobs->items, jobs->count * sizeof(*items));
        jobs->items = items;
        copying->capacity = capacity;
    }
    jobs->items[jobs->count] = *job;
    if (job->array != NULL)
        copy_array(jobs, &jobs->items[jobs->count]);
    jobs->count++;
}

static void copy_id(struct copying *copying, const struct dk_job_id_wanted *id)
{
    struct dk_live *live = copying->live;
    const struct dk_live_job *job = dk_live_job_find(live, id->job);

    if (job == NULL)
        return;
    copy_job(copying, job);
    if (job->array == NULL)
        return;
    for (uint32_t slot = job->array->first_task; slot != DK_SLOT_NONE;
         slot = dk_live_job_at(live, slot)->task_next)
        copy_job(copying, dk_live_job_at(live, slot));
}

static int by_id(const void *a, const void *b)
{
    int64_t left = ((const struct dk_live_job *)a)->id, right = ((const struct dk_live_job *)b)->id;

    return (left > right) - (left < right);
}

static void sort_unique(struct dk_live_jobs *jobs)
{
    uint32_t kept = 0;

    qsort(jobs->items, jobs->count, sizeof(*jobs->items), by_id);
    for (uint32_t i = 0; i < jobs->count; i++) {
        if (kept == 0 || jobs->items[kept - 1].id != jobs->items[i].id)
            jobs->items[kept++] = jobs->items[i];
    }
    jobs->count = kept;
}

void dk_live_jobs_open(struct dk_live *live, const struct dk_job_filter *filter,
                       struct dk_live_jobs *jobs)
{
    dk_live_jobs_open_with(live, filter, jobs, NULL, NULL);
}

void dk_live_jobs_open_with(struct dk_live *live, const struct dk_job_filter *filter,
                            struct dk_live_jobs *jobs, void (*also)(void *context), void *context)
{
    struct copying copying = { .live = live, .jobs = jobs };

    memset(jobs, 0, sizeof(*jobs));
    dk_arena_init(&jobs->arena, &dk_heap);
    jobs->live = live;
    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    jobs->generation = live->generation;
    (void)atomic_fetch_add(&live->readers[jobs->generation], 1);
    jobs->seq = live->seq;
    jobs->time = live->time;
    jobs->ended_visible_us = live->config.ended_visible_us;
    if (filter != NULL && filter->id_count > 0) {
        for (uint32_t i = 0; i < filter->id_count; i++)
            copy_id(&copying, &filter->ids[i]);
    } else if (live->active > 0) {
        copying.capacity = live->active;
        jobs->items = dk_arena_take(&jobs->arena, live->active * sizeof(*jobs->items));
        for (uint32_t i = 0; i < live->order_count; i++) {
            if (live->order[i] != DK_SLOT_NONE)
                copy_job(&copying, dk_live_job_at(live, live->order[i]));
        }
    }
    if (also != NULL)
        also(context);
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    if (filter != NULL && filter->id_count > 0 && jobs->count > 0)
        sort_unique(jobs);
}

void dk_live_jobs_close(struct dk_live_jobs *jobs)
{
    (void)atomic_fetch_sub(&jobs->live->readers[jobs->generation], 1);
    dk_arena_release(&jobs->arena);
}

void dk_live_jobs_row(const struct dk_live_jobs *jobs, uint32_t index, struct dk_arena *arena,
                      struct dk_job_row *row)
{
    dk_live_row(&jobs->items[index], arena, row);
}

void dk_live_counts(struct dk_live *live, uint64_t counts[DK_ROW_STATE_COUNT])
{
    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    memcpy(counts, live->states, sizeof(live->states));
    counts[DK_ROW_PENDING] += live->tasks_waiting;
    for (uint32_t i = 0; i < live->order_count; i++) { /* an array is not a job itself */
        if (live->order[i] != DK_SLOT_NONE && dk_live_job_at(live, live->order[i])->array != NULL)
            counts[DK_ROW_PENDING]--;
    }
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
}
