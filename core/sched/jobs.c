/* jobs.c - the records of jobs, and the demands and names that they share */
#include "sched/state.h"

#include <string.h>

#define PAGE_JOBS 1024u

uint32_t dk_job_new(struct dk_core *core, int64_t id)
{
    uint32_t slot = core->job_free;
    struct dk_ranges cores = { NULL, 0, 0 }, gpus = { NULL, 0, 0 };
    struct dk_job *job;

    if (slot != DK_SLOT_NONE) { /* with the memory that its last job's ranges had */
        core->job_free = dk_job_at(core, slot)->name_next;
        cores = dk_job_at(core, slot)->cores;
        gpus = dk_job_at(core, slot)->gpus;
    } else {
        slot = core->job_limit++;
        if (slot / PAGE_JOBS >= core->job_page_count) {
            uint32_t capacity = core->job_page_count;
            size_t size = sizeof(*core->job_pages);

            core->job_pages = core->alloc->resize(core->alloc->ctx, core->job_pages,
                                                  capacity * size, (capacity + 1) * size);
            core->job_pages[capacity] =
                dk_alloc_new(core->alloc, PAGE_JOBS * sizeof(struct dk_job));
            core->job_page_count++;
        }
    }
    job = dk_job_at(core, slot);
    memset(job, 0, sizeof(*job));
    job->cores = cores;
    job->gpus = gpus;
    job->id = id;
    job->task = -1;
    job->eligible = DK_TIME_NONE;
    job->planned = INT64_MAX;
    job->state = DK_JOB_PENDING;
    job->dependency_first = job->waiter_first = DK_SLOT_NONE;
    job->name_next = job->name_prev = DK_SLOT_NONE;
    job->task_next = job->task_prev = DK_SLOT_NONE;
    dk_table_put(&core->jobs_by_id, (uint64_t)id, slot);
    return slot;
}

/* The caller has taken it out of its queue, the list of its name and the lists of those who wait.
 */
void dk_job_drop(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);

    DK_CHECK(job->waiter_first == DK_SLOT_NONE);
    dk_digest_job_gone(core, job);
    if (core->limits.any)
        dk_limits_leave(core, job);
    dk_depend_drop(core, slot);
    dk_demand_drop(core, job->demand);
    dk_intern_drop(&core->texts, job->name);
    dk_intern_drop(&core->texts, job->account);
    dk_intern_drop(&core->texts, job->user);
    core->partitions[job->partition].jobs--;
    job->cores.count = job->gpus.count = 0;
    if (job->array != NULL) {
        core->arrays--;
        core->tasks_waiting -= job->array->waiting;
        dk_alloc_free(core->alloc, job->array->ranges,
                      job->array->range_capacity * sizeof(*job->array->ranges));
        dk_alloc_free(core->alloc, job->array, sizeof(*job->array));
    }
    dk_table_remove(&core->jobs_by_id, (uint64_t)job->id);
    job->state = DK_JOB_UNKNOWN;
    job->name_next = core->job_free;
    core->job_free = slot;
}

uint32_t dk_jobs_active_of(const struct dk_core *core, int32_t uid, uint32_t *pending)
{
    uint32_t active = 0, waiting = 0;

    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        const struct dk_job *job = dk_job_at(core, slot);

        if (job->state == DK_JOB_UNKNOWN || job->uid != uid ||
            (job->array != NULL && job->array->waiting == 0)) /* its tasks count themselves */
            continue;
        active++;
        waiting += job->state == DK_JOB_PENDING;
    }
    if (pending != NULL)
        *pending = waiting;
    return active;
}

static struct dk_text why_lost(struct dk_arena *arena, struct dk_text node, const char *what)
{
    struct dk_text parts[3] = { dk_text_of("node "), node, dk_text_of(what) };
    uint32_t size = parts[0].size + parts[1].size + parts[2].size, at = 0;
    char *text = dk_arena_take(arena, size);

    for (int i = 0; i < 3; at += parts[i++].size)
        memcpy(text + at, parts[i].data, parts[i].size);
    return (struct dk_text){ text, size };
}

void dk_job_lost_node(const struct dk_job *job, struct dk_event *event, struct dk_arena *arena,
                      struct dk_text node, const char *what)
{
    if ((job->flags & DK_FLAG_REQUEUE) && job->state == DK_JOB_RUNNING) {
        event->type = DK_EVENT_JOB_REQUEUED;
        event->job_requeued.job = job->id;
        event->job_requeued.hold = false;
        event->job_requeued.reason = DK_END_STATE_NODE_FAIL;
        return;
    }
    event->type = DK_EVENT_JOB_ENDED;
    memset(&event->job_ended, 0, sizeof(event->job_ended));
    event->job_ended.job = job->id;
    event->job_ended.attempt = (int32_t)job->attempt;
    event->job_ended.state = DK_END_STATE_NODE_FAIL;
    event->job_ended.why = why_lost(arena, node, what);
}

/* --- demands --- */

/* Bytes that make a demand what it is; of them, those that are hashed as they are. */
#define DEMAND_LOGICAL offsetof(struct dk_demand, cores_min)
#define DEMAND_HASHED offsetof(struct dk_demand, named)

void dk_demand_from_spec(struct dk_demand *demand, const struct dk_job_spec *spec)
{
    memset(demand, 0, sizeof(*demand));
    demand->nodes = (uint32_t)spec->nodes;
    demand->tasks = (uint32_t)spec->tasks;
    demand->cpus_per_task = (uint32_t)spec->cpus_per_task;
    demand->tasks_per_node = (uint32_t)spec->tasks_per_node;
    demand->memory_per_node = (uint32_t)spec->memory_mib_per_node;
    demand->memory_per_cpu = (uint32_t)spec->memory_mib_per_cpu;
    demand->gpus_per_node = (uint32_t)spec->gpus_per_node;
    demand->gpus_per_task = (uint32_t)spec->gpus_per_task;
    demand->exclusive = spec->exclusive;
}

void dk_demand_complete(struct dk_demand *demand)
{
    uint64_t cores = (uint64_t)demand->tasks * demand->cpus_per_task;

    demand->cores_min = cores > UINT32_MAX ? UINT32_MAX : (uint32_t)cores;
    demand->fungible = demand->nodes == 0 && demand->cpus_per_task == 1 &&
                       demand->tasks_per_node == 0 && demand->memory_per_node == 0 &&
                       demand->memory_per_cpu == 0 && demand->gpus_per_node == 0 &&
                       demand->gpus_per_task == 0 && demand->constraint == 0 &&
                       demand->named == 0 && !demand->exclusive;
}

/* Texts enter the hash as what they say, not as ids. */
static uint64_t demand_hash(const struct dk_core *core, const struct dk_demand *demand)
{
    struct {
        unsigned char logical[DEMAND_HASHED];
        uint64_t texts;
    } bytes;
    struct dk_demand copy = *demand;

    memset(&bytes, 0, sizeof(bytes));
    copy.constraint = 0;
    memcpy(bytes.logical, &copy, DEMAND_HASHED);
    bytes.texts = core->texts.entries[demand->constraint].hash;
    if (demand->named != 0)
        bytes.texts += core->texts.entries[demand->named].hash * 31;
    return dk_hash(DK_HASH_DEMAND, &bytes, sizeof(bytes));
}

/* Its texts are held by the caller already; the demand holds them once for itself. */
uint32_t dk_demand_hold(struct dk_core *core, const struct dk_demand *wanted)
{
    uint64_t hash = demand_hash(core, wanted), key;
    uint32_t index;
    struct dk_demand *demand;

    for (key = hash | 1;; key += 2) {
        index = dk_table_find(&core->demands_by_key, key);
        if (index == DK_TABLE_NONE)
            break;
        if (memcmp(&core->demands[index], wanted, DEMAND_LOGICAL) == 0) {
            core->demands[index].holders++;
            return index;
        }
    }
    index = core->demand_free;
    if (index != DK_SLOT_NONE) {
        core->demand_free = core->demands[index].free_next;
    } else {
        index = core->demand_count;
        core->demands = dk_grow(core->alloc, core->demands, &core->demand_capacity, index + 1,
                                sizeof(*core->demands));
        core->demand_count++;
    }
    demand = &core->demands[index];
    *demand = *wanted;
    demand->constraint =
        dk_intern_hold(&core->texts, dk_intern_text(&core->texts, wanted->constraint));
    demand->named = dk_intern_hold(&core->texts, dk_intern_text(&core->texts, wanted->named));
    dk_demand_complete(demand);
    demand->holders = 1;
    demand->hash = hash;
    demand->key = key;
    dk_table_put(&core->demands_by_key, key, index);
    return index;
}

/* Demands of one hash would take neighbouring keys; one that is left behind by a removal is only
 * not shared any more, which costs memory and nothing else. */
void dk_demand_drop(struct dk_core *core, uint32_t index)
{
    struct dk_demand *demand = &core->demands[index];

    DK_CHECK(demand->holders > 0);
    if (--demand->holders > 0)
        return;
    dk_table_remove(&core->demands_by_key, demand->key);
    dk_intern_drop(&core->texts, demand->constraint);
    dk_intern_drop(&core->texts, demand->named);
    demand->free_next = core->demand_free;
    core->demand_free = index;
}

/* --- the tasks of an array that are jobs by now, in order of id --- */

void dk_task_link(struct dk_core *core, uint32_t slot)
{
    struct dk_job *task = dk_job_at(core, slot);
    struct dk_array *array = dk_job_at(core, dk_job_slot(core, task->array_job))->array;

    task->task_prev = array->task_last;
    task->task_next = DK_SLOT_NONE;
    if (array->task_last != DK_SLOT_NONE)
        dk_job_at(core, array->task_last)->task_next = slot;
    else
        array->task_first = slot;
    array->task_last = slot;
}

void dk_task_unlink(struct dk_core *core, uint32_t slot)
{
    struct dk_job *task = dk_job_at(core, slot);
    struct dk_array *array = dk_job_at(core, dk_job_slot(core, task->array_job))->array;

    if (task->task_prev != DK_SLOT_NONE)
        dk_job_at(core, task->task_prev)->task_next = task->task_next;
    else
        array->task_first = task->task_next;
    if (task->task_next != DK_SLOT_NONE)
        dk_job_at(core, task->task_next)->task_prev = task->task_prev;
    else
        array->task_last = task->task_prev;
}

/* --- names: the active jobs of one name, in order of id, for singleton dependencies --- */

void dk_name_link(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);
    struct dk_intern_entry *name = &core->texts.entries[job->name];

    if (job->name == 0)
        return;
    job->name_prev = name->last;
    job->name_next = DK_SLOT_NONE;
    if (name->last != DK_SLOT_NONE)
        dk_job_at(core, name->last)->name_next = slot;
    else
        name->first = slot;
    name->last = slot;
    name->singletons += (job->flags & DK_FLAG_SINGLETON) != 0;
}

void dk_name_link_sorted(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);
    struct dk_intern_entry *name = &core->texts.entries[job->name];
    uint32_t next = name->first;

    if (job->name == 0)
        return;
    while (next != DK_SLOT_NONE && dk_job_at(core, next)->id < job->id)
        next = dk_job_at(core, next)->name_next;
    if (next == DK_SLOT_NONE) {
        dk_name_link(core, slot);
        return;
    }
    job->name_next = next;
    job->name_prev = dk_job_at(core, next)->name_prev;
    dk_job_at(core, next)->name_prev = slot;
    if (job->name_prev != DK_SLOT_NONE)
        dk_job_at(core, job->name_prev)->name_next = slot;
    else
        name->first = slot;
    name->singletons += (job->flags & DK_FLAG_SINGLETON) != 0;
}

void dk_name_unlink(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);
    struct dk_intern_entry *name = &core->texts.entries[job->name];

    if (job->name == 0)
        return;
    if (job->name_prev != DK_SLOT_NONE)
        dk_job_at(core, job->name_prev)->name_next = job->name_next;
    else
        name->first = job->name_next;
    if (job->name_next != DK_SLOT_NONE)
        dk_job_at(core, job->name_next)->name_prev = job->name_prev;
    else
        name->last = job->name_prev;
    name->singletons -= (job->flags & DK_FLAG_SINGLETON) != 0;
}
