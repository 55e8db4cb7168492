/* check.c - would apply take this event? For readers of logs that they did not write
 *
 * The chain of hashes proves that a log is as it was written, not that it was written by a core.
 * What apply takes as given is looked at here.
 */
#include "sched/state.h"

#include <string.h>

static enum dk_status bad(const struct dk_event *event, struct dk_err *err, const char *what,
                          int64_t job)
{
    return dk_fail(err, DK_DIVERGED, "event %lld, %s: %s (job %lld)", (long long)event->meta.seq,
                   dk_event_name(event->type), what, (long long)job);
}

static const struct dk_job *job_of(const struct dk_core *core, int64_t id)
{
    uint32_t slot = dk_job_slot(core, id);

    return slot == DK_SLOT_NONE ? NULL : dk_job_at(core, slot);
}

/* Spans that are ascending, within `size`, and all members of `free`. */
static bool spans_free(const struct dk_span *spans, uint32_t count, const struct dk_bitmap *free)
{
    int64_t next = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (spans[i].gap < 0 || spans[i].gap > free->size || spans[i].count < 1 ||
            spans[i].count > free->size || next + spans[i].gap + spans[i].count > free->size)
            return false;
        next += spans[i].gap;
        if (!dk_bitmap_has_range(free, (uint32_t)next, (uint32_t)spans[i].count))
            return false;
        next += spans[i].count;
    }
    return true;
}

/* Spans that are known to be cores of the cluster: of nodes that take jobs. */
static bool nodes_open(const struct dk_core *core, const struct dk_span *spans, uint32_t count)
{
    int64_t next = 0;

    for (uint32_t i = 0; i < count; i++) {
        int64_t end;

        next += spans[i].gap;
        end = next + spans[i].count;
        while (next < end) {
            uint32_t number = dk_node_of_core(core, (uint32_t)next);
            const struct dk_node *node = &core->nodes[number];

            if (!core->node_open[number] || next < node->core_first)
                return false;
            next = dk_min(end, (int64_t)node->core_first + node->cores);
        }
    }
    return true;
}

static bool ranges_valid(const struct dk_index_range *ranges, uint32_t count)
{
    int64_t last = -1, total = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (ranges[i].first <= last || ranges[i].last < ranges[i].first || ranges[i].step < 1)
            return false;
        last = ranges[i].last;
        total += (ranges[i].last - ranges[i].first) / ranges[i].step + 1;
    }
    return count > 0 && total < INT32_MAX;
}

static bool spec_valid(const struct dk_job_spec *spec)
{
    return spec->tasks >= 1 && spec->cpus_per_task >= 1 && spec->nodes >= 0 &&
           spec->nodes <= spec->tasks && spec->tasks_per_node >= 0 && spec->limit_us >= 1 &&
           spec->memory_mib_per_node >= 0 && spec->memory_mib_per_node <= UINT32_MAX &&
           spec->memory_mib_per_cpu >= 0 && spec->memory_mib_per_cpu <= UINT32_MAX &&
           spec->gpus_per_node >= 0 && spec->gpus_per_task >= 0 &&
           (!spec->has_array || ranges_valid(spec->array.ranges, spec->array.ranges_count));
}

static enum dk_status check_submitted(const struct dk_core *core, const struct dk_event *event,
                                      struct dk_err *err)
{
    const struct dk_job_submitted *submitted = &event->job_submitted;

    if (submitted->job != core->job_next)
        return bad(event, err, "the id is not the next one", submitted->job);
    if (!spec_valid(&submitted->spec))
        return bad(event, err, "the job asks for the impossible", submitted->job);
    if (dk_partition_find(core, submitted->spec.partition) == DK_SLOT_NONE)
        return bad(event, err, "the partition is not known", submitted->job);
    for (uint32_t i = 0; i < submitted->spec.dependencies_count; i++) {
        const struct dk_dependency *dependency = &submitted->spec.dependencies[i];

        if (dependency->kind != DK_DEPENDENCY_KIND_SINGLETON &&
            job_of(core, dependency->job) == NULL && dk_outcome_find(core, dependency->job) == NULL)
            return bad(event, err, "a dependency is not known", submitted->job);
    }
    return DK_OK;
}

static bool task_waits(const struct dk_array *array, int32_t task)
{
    for (uint32_t i = 0; array != NULL && i < array->range_count; i++)
        if (task >= array->ranges[i].first && task <= array->ranges[i].last)
            return (task - array->ranges[i].first) % array->ranges[i].step == 0;
    return false;
}

static enum dk_status check_placed(const struct dk_core *core, const struct dk_event *event,
                                   struct dk_err *err)
{
    const struct dk_job_placed *placed = &event->job_placed;
    const struct dk_job *job = job_of(core, placed->job);
    const struct dk_job *master = job_of(core, placed->array_job);

    if (job == NULL && placed->array_job != 0) {
        if (placed->job != core->job_next || master == NULL || placed->attempt != 1 ||
            !task_waits(master->array, placed->task))
            return bad(event, err, "the array has no such task waiting", placed->job);
    } else if (job == NULL || job->state != DK_JOB_PENDING ||
               placed->attempt != (int32_t)job->attempt + 1) {
        return bad(event, err, "it is not waiting for this attempt", placed->job);
    }
    if (placed->cores_count == 0 ||
        !spans_free(placed->cores, placed->cores_count, &core->cores_free) ||
        !nodes_open(core, placed->cores, placed->cores_count))
        return bad(event, err, "its cores are not free", placed->job);
    if (!spans_free(placed->gpus, placed->gpus_count, &core->gpus_free))
        return bad(event, err, "its GPUs are not free", placed->job);
    return DK_OK;
}

static enum dk_status check_tasks(const struct dk_core *core, const struct dk_event *event,
                                  struct dk_err *err)
{
    const struct dk_array_tasks_cancelled *cancelled = &event->array_tasks_cancelled;
    const struct dk_job *job = job_of(core, cancelled->job);

    if (job == NULL || job->array == NULL ||
        !ranges_valid(cancelled->tasks, cancelled->tasks_count))
        return bad(event, err, "there is no such array", cancelled->job);
    for (uint32_t i = 0; i < cancelled->tasks_count; i++)
        for (int64_t task = cancelled->tasks[i].first; task <= cancelled->tasks[i].last;
             task += cancelled->tasks[i].step)
            if (!task_waits(job->array, (int32_t)task))
                return bad(event, err, "the array has no such task waiting", cancelled->job);
    return DK_OK;
}

static enum dk_status check_node(const struct dk_core *core, const struct dk_event *event,
                                 struct dk_err *err)
{
    const struct dk_node_registered *registered = &event->node_registered;
    uint32_t number = dk_node_find(core, registered->spec.name);
    bool laid_out = number != DK_SLOT_NONE &&
                    core->nodes[number].cores == (uint32_t)registered->spec.cores &&
                    core->nodes[number].gpus == (uint32_t)registered->spec.gpus;

    if (registered->spec.name.size == 0 || registered->spec.cores < 1 ||
        registered->spec.gpus < 0 || registered->spec.memory_mib < 0 ||
        registered->spec.memory_mib > UINT32_MAX ||
        (uint32_t)registered->number != (number == DK_SLOT_NONE ? core->node_count : number) ||
        (!laid_out && (registered->core_first != core->cores_total ||
                       registered->gpu_first != core->gpus_total)))
        return dk_fail(err, DK_DIVERGED,
                       "event %lld, NodeRegistered: it contradicts the nodes known",
                       (long long)event->meta.seq);
    return DK_OK;
}

/* An event that needs an active job: pending, running, or any. */
enum wanted { ANY, PENDING, RUNNING };

static enum dk_status check_job(const struct dk_core *core, const struct dk_event *event,
                                int64_t id, enum wanted wanted, struct dk_err *err)
{
    const struct dk_job *job = job_of(core, id);

    if (job == NULL)
        return bad(event, err, "the job is not known", id);
    if (wanted == PENDING && job->state != DK_JOB_PENDING)
        return bad(event, err, "the job is not pending", id);
    if (wanted == RUNNING && job->state != DK_JOB_RUNNING && job->state != DK_JOB_ENDING)
        return bad(event, err, "the job is not running", id);
    return DK_OK;
}

static enum dk_status check_site(const struct dk_core *core, const struct dk_event *event,
                                 struct dk_err *err)
{
    bool fits = true;

    if (event->type == DK_EVENT_NODE_CONDITION_SET) {
        fits = dk_node_find(core, event->node_condition_set.node) != DK_SLOT_NONE;
    } else if (event->type == DK_EVENT_PARTITION_REMOVED) {
        uint32_t index = dk_partition_find(core, event->partition_removed.name);

        fits = index != DK_SLOT_NONE && core->partitions[index].jobs == 0;
    } else if (event->type == DK_EVENT_NODES_BEAT) {
        int64_t next = 0;

        for (uint32_t i = 0; i < event->nodes_beat.nodes_count && fits; i++) {
            const struct dk_span *span = &event->nodes_beat.nodes[i];

            fits = span->gap >= 0 && span->gap <= core->node_count && span->count >= 1 &&
                   span->count <= core->node_count &&
                   next + span->gap + span->count <= core->node_count;
            next += fits ? span->gap + span->count : 0;
        }
    } else if (event->type == DK_EVENT_PARTITION_CONFIGURED) {
        fits = event->partition_configured.spec.name.size > 0;
    }
    if (!fits)
        return dk_fail(err, DK_DIVERGED,
                       "event %lld, %s: it contradicts the nodes or partitions known",
                       (long long)event->meta.seq, dk_event_name(event->type));
    return DK_OK;
}

static enum dk_status check_configuration(const struct dk_core *core, const struct dk_event *event,
                                          struct dk_err *err)
{
    const struct dk_cluster_config *config = &event->configuration_applied.config;
    bool fits = true;

    for (uint32_t i = 0; i < config->partitions_count; i++)
        fits = fits && config->partitions[i].name.size > 0;
    for (uint32_t i = 0; i < core->partition_count && fits; i++) {
        struct dk_text name = dk_intern_text(&core->texts, core->partitions[i].name);
        bool kept = core->partitions[i].jobs == 0;

        for (uint32_t k = 0; k < config->partitions_count && !kept; k++)
            kept = dk_text_equal(config->partitions[k].name, name);
        fits = kept;
    }
    if (!fits)
        return dk_fail(err, DK_DIVERGED,
                       "event %lld, ConfigurationApplied: a partition has no name, or one that has "
                       "jobs is gone",
                       (long long)event->meta.seq);
    return DK_OK;
}

static enum dk_status check_plans(const struct dk_core *core, const struct dk_event *event,
                                  struct dk_err *err)
{
    for (uint32_t i = 0; i < event->jobs_planned.plans_count; i++)
        if (check_job(core, event, event->jobs_planned.plans[i].job, PENDING, err) != DK_OK)
            return DK_DIVERGED;
    return DK_OK;
}

enum dk_status dk_core_check(const struct dk_core *core, const struct dk_event *event,
                             struct dk_err *err)
{
    if (event->meta.time < core->time)
        return dk_fail(err, DK_DIVERGED, "event %lld, %s: time runs backwards",
                       (long long)event->meta.seq, dk_event_name(event->type));
    switch (event->type) {
    case DK_EVENT_JOB_SUBMITTED:
        return check_submitted(core, event, err);
    case DK_EVENT_JOB_PLACED:
        return check_placed(core, event, err);
    case DK_EVENT_JOB_ENDED:
        return check_job(core, event, event->job_ended.job, ANY, err);
    case DK_EVENT_JOB_UPDATED:
        if (event->job_updated.change.has_partition &&
            dk_partition_find(core, event->job_updated.change.partition) == DK_SLOT_NONE)
            return bad(event, err, "the partition is not known", event->job_updated.job);
        return check_job(core, event, event->job_updated.job, ANY, err);
    case DK_EVENT_JOB_HELD:
        return check_job(core, event, event->job_held.job, PENDING, err);
    case DK_EVENT_JOB_RELEASED:
        return check_job(core, event, event->job_released.job, ANY, err);
    case DK_EVENT_JOB_END_REQUESTED:
        return check_job(core, event, event->job_end_requested.job, RUNNING, err);
    case DK_EVENT_JOB_REQUEUED:
        return check_job(core, event, event->job_requeued.job, RUNNING, err);
    case DK_EVENT_JOB_SIGNALLED:
        return check_job(core, event, event->job_signalled.job, RUNNING, err);
    case DK_EVENT_CONFIGURATION_APPLIED:
        return check_configuration(core, event, err);
    case DK_EVENT_JOBS_PLANNED:
        return check_plans(core, event, err);
    case DK_EVENT_ARRAY_TASKS_CANCELLED:
        return check_tasks(core, event, err);
    case DK_EVENT_NODE_REGISTERED:
        return check_node(core, event, err);
    case DK_EVENT_NODE_CONDITION_SET:
    case DK_EVENT_NODES_BEAT:
    case DK_EVENT_PARTITION_REMOVED:
    case DK_EVENT_PARTITION_CONFIGURED:
        return check_site(core, event, err);
    case DK_EVENT_SECRETS_ERASED:
        if (dk_jobs_active_of(core, event->secrets_erased.uid, NULL) > 0)
            return bad(event, err, "the user has active jobs, which need what was erased", 0);
        break;
    case DK_EVENT_STEP_STARTED:
    case DK_EVENT_STEP_ENDED:
    case DK_EVENT_POLICY_CONFIGURED:
    case DK_EVENT_LOGIC_ACTIVATED:
    case DK_EVENT_BATCH_CLOSED:
    case DK_EVENT_CLOCK_ADVANCED:
    case DK_EVENT_CONTROLLER_STARTED:
    case DK_EVENT_CONTROLLER_STOPPED:
    case DK_EVENT_REQUEST_REJECTED:
    case DK_EVENT_SKIPPED:
    case DK_EVENT_TYPE_COUNT:
        break;
    }
    return DK_OK;
}
