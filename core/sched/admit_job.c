/* admit_job.c - requests about jobs */
#include "sched/admit.h"

#include <string.h>

#define TASKS_MAX 16777216
#define CPUS_PER_TASK_MAX 65536
#define ARRAY_TASKS_MAX 4000000
#define NICE_MAX 1000000

/* --- submission --- */

static void defaults_fill(struct dk_job_spec *spec, const struct dk_core *core)
{
    uint32_t index = dk_partition_find(core, spec->partition);
    const struct dk_partition *partition;

    if (spec->tasks == 0)
        spec->tasks = spec->nodes > 0
                          ? dk_max(spec->tasks_per_node, 1) * spec->nodes <= TASKS_MAX
                                ? (int32_t)(dk_max(spec->tasks_per_node, 1) * spec->nodes)
                                : -1
                          : 1;
    if (spec->cpus_per_task == 0)
        spec->cpus_per_task = 1;
    if (index == DK_SLOT_NONE)
        return;
    partition = &core->partitions[index];
    spec->partition = dk_intern_text(&core->texts, partition->name);
    if (spec->limit_us == 0)
        spec->limit_us = partition->limit_us_default;
    if (spec->limit_us == 0)
        spec->limit_us = partition->limit_us_max;
    if (spec->limit_us == 0)
        spec->limit_us = DK_LIMIT_NONE_US;
}

static void check_range(struct dk_admission *admission, const char *what, int64_t value,
                        int64_t min, int64_t max)
{
    if (value < min || value > max)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "%s is %lld, not within %lld to %lld", what,
                  (long long)value, (long long)min, (long long)max);
}

static void check_sizes(struct dk_admission *admission, const struct dk_job_spec *spec)
{
    check_range(admission, "nodes", spec->nodes, 0, TASKS_MAX);
    check_range(admission, "tasks", spec->tasks, 1, TASKS_MAX);
    check_range(admission, "cpus_per_task", spec->cpus_per_task, 1, CPUS_PER_TASK_MAX);
    check_range(admission, "tasks_per_node", spec->tasks_per_node, 0, TASKS_MAX);
    check_range(admission, "memory_mib_per_node", spec->memory_mib_per_node, 0, UINT32_MAX);
    check_range(admission, "memory_mib_per_cpu", spec->memory_mib_per_cpu, 0, UINT32_MAX);
    check_range(admission, "gpus_per_node", spec->gpus_per_node, 0, 65536);
    check_range(admission, "gpus_per_task", spec->gpus_per_task, 0, 65536);
    check_range(admission, "limit_us", spec->limit_us, 1, DK_LIMIT_NONE_US);
    check_range(admission, "begin", spec->begin, 0, INT64_MAX / 2);
    check_range(admission, "nice", spec->nice, -NICE_MAX, NICE_MAX);
    if (spec->memory_mib_per_node > 0 && spec->memory_mib_per_cpu > 0)
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "memory is asked for per node and per cpu: one of the two");
    if (spec->gpus_per_node > 0 && spec->gpus_per_task > 0)
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "GPUs are asked for per node and per task: one of the two");
    if (spec->nodes > spec->tasks)
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "%d nodes for %d tasks: each node needs a task", spec->nodes, spec->tasks);
    if (spec->nodes > 0 && spec->tasks_per_node > 0 &&
        (int64_t)spec->nodes * spec->tasks_per_node < spec->tasks)
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "%d tasks do not fit on %d nodes at %d a node", spec->tasks, spec->nodes,
                  spec->tasks_per_node);
}

static void check_constraint(struct dk_admission *admission, struct dk_text constraint)
{
    bool empty = true;

    for (uint32_t i = 0; i < constraint.size; i++) {
        char c = constraint.data[i];
        bool joins = c == '&' || c == '|';

        if ((joins && empty) ||
            (!joins && (c <= ' ' || c == ',' || c == '(' || c == ')' || c == '[' || c == '*'))) {
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "constraint '%.*s': feature names joined by & and | only",
                      (int)constraint.size, constraint.data);
            return;
        }
        empty = joins;
    }
    if (constraint.size > 0 && empty)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "constraint '%.*s' ends in an operator",
                  (int)constraint.size, constraint.data);
}

static void check_array(struct dk_admission *admission, const struct dk_array_spec *array)
{
    int64_t total = 0, last = -1;

    if (array->ranges_count == 0)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "the array has no indices");
    check_range(admission, "running_max", array->running_max, 0, ARRAY_TASKS_MAX);
    for (uint32_t i = 0; i < array->ranges_count; i++) {
        const struct dk_index_range *range = &array->ranges[i];

        if (range->first <= last || range->last < range->first || range->step < 1) {
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "array range %d-%d:%d: ranges must ascend and not overlap", range->first,
                      range->last, range->step);
            return;
        }
        last = range->last;
        total += (range->last - range->first) / range->step + 1;
    }
    if (total > ARRAY_TASKS_MAX)
        dk_refuse(admission, DK_REJECT_REASON_TOO_LARGE, "the array has %lld tasks, at most %d",
                  (long long)total, ARRAY_TASKS_MAX);
}

static void check_dependencies(struct dk_admission *admission, const struct dk_job_spec *spec)
{
    for (uint32_t i = 0; i < spec->dependencies_count; i++) {
        const struct dk_dependency *dependency = &spec->dependencies[i];

        if (dependency->delay_us < 0 ||
            (dependency->delay_us > 0 && dependency->kind != DK_DEPENDENCY_KIND_AFTER))
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "a delay goes with the dependency 'after' only and is not negative");
        if (dependency->kind == DK_DEPENDENCY_KIND_SINGLETON) {
            if (spec->name.size == 0 || dependency->job != 0)
                dk_refuse(admission, DK_REJECT_REASON_INVALID,
                          "the dependency 'singleton' needs a job name and names no job");
            continue;
        }
        if (dk_job_slot(admission->core, dependency->job) == DK_SLOT_NONE &&
            dk_outcome_find(admission->core, dependency->job) == NULL)
            dk_refuse(admission, DK_REJECT_REASON_NOT_FOUND,
                      "dependency on job %lld, which is not known", (long long)dependency->job);
    }
}

/* First of all: what a job gets by default depends on its partition. */
static void check_partition_known(struct dk_admission *admission, struct dk_text name)
{
    if (dk_partition_find(admission->core, name) != DK_SLOT_NONE)
        return;
    if (name.size == 0)
        dk_refuse(admission, DK_REJECT_REASON_PARTITION_NOT_FOUND,
                  "no partition is named, and there is no default one");
    else
        dk_refuse(admission, DK_REJECT_REASON_PARTITION_NOT_FOUND, "there is no partition '%.*s'",
                  (int)name.size, name.data);
}

static void check_partition(struct dk_admission *admission, const struct dk_job_spec *spec)
{
    uint32_t index = dk_partition_find(admission->core, spec->partition);
    const struct dk_partition *partition;
    struct dk_demand demand;

    if (admission->refused)
        return;
    partition = &admission->core->partitions[index];
    if (partition->state == DK_PARTITION_STATE_DRAINED ||
        partition->state == DK_PARTITION_STATE_INACTIVE)
        dk_refuse(admission, DK_REJECT_REASON_PARTITION_NOT_UP,
                  "partition '%.*s' takes no new jobs (%s)", (int)spec->partition.size,
                  spec->partition.data,
                  dk_partition_state_name((enum dk_partition_state)partition->state));
    if (partition->limit_us_max > 0 && spec->limit_us > partition->limit_us_max)
        dk_refuse(admission, DK_REJECT_REASON_LIMIT,
                  "a time limit of %lld s is above the partition's %lld s",
                  (long long)(spec->limit_us / DK_SECOND_US),
                  (long long)(partition->limit_us_max / DK_SECOND_US));
    if (partition->nodes_max > 0 && (uint32_t)spec->nodes > partition->nodes_max)
        dk_refuse(admission, DK_REJECT_REASON_LIMIT, "%d nodes are above the partition's %u",
                  spec->nodes, partition->nodes_max);
    dk_demand_from_spec(&demand, spec);
    demand.partition = index;
    if (!admission->refused && !dk_demand_possible(admission->core, &demand, spec->constraint))
        dk_refuse(admission, DK_REJECT_REASON_UNSATISFIABLE,
                  "no set of nodes of partition '%.*s' could ever hold this job",
                  (int)spec->partition.size, spec->partition.data);
}

void dk_admit_submit(struct dk_admission *admission)
{
    const struct dk_stamp *stamp = admission->stamp;
    struct dk_bytes key = admission->request->meta.key;
    int64_t before =
        dk_core_duplicate(admission->core, stamp->has_actor ? stamp->actor.uid : -1, key);
    struct dk_event *event;
    struct dk_job_spec spec;

    if (before != 0) {
        dk_refuse(admission, DK_REJECT_REASON_DUPLICATE, "already accepted as job %lld",
                  (long long)before);
        return;
    }
    spec = admission->request->submit_job.spec;
    check_partition_known(admission, spec.partition);
    defaults_fill(&spec, admission->core);
    check_sizes(admission, &spec);
    if (spec.nice < 0 && stamp->has_actor && !stamp->is_operator)
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED, "a negative nice is for operators");
    if (spec.constraint.size > 0)
        check_constraint(admission, spec.constraint);
    if (spec.has_array)
        check_array(admission, &spec.array);
    check_dependencies(admission, &spec);
    check_partition(admission, &spec);
    if (admission->refused)
        return;
    event = dk_fact(admission, DK_EVENT_JOB_SUBMITTED);
    event->job_submitted.job = admission->core->job_next;
    event->job_submitted.key = key;
    event->job_submitted.spec = spec;
}

/* --- update --- */

/* The job as it would be, for the same checks as at submission. */
static void spec_of(const struct dk_core *core, const struct dk_job *job, struct dk_job_spec *spec)
{
    const struct dk_demand *demand = dk_demand_of(core, job);

    memset(spec, 0, sizeof(*spec));
    spec->partition = dk_intern_text(&core->texts, core->partitions[job->partition].name);
    spec->nodes = (int32_t)demand->nodes;
    spec->tasks = (int32_t)demand->tasks;
    spec->cpus_per_task = (int32_t)demand->cpus_per_task;
    spec->tasks_per_node = (int32_t)demand->tasks_per_node;
    spec->memory_mib_per_node = demand->memory_per_node;
    spec->memory_mib_per_cpu = demand->memory_per_cpu;
    spec->gpus_per_node = (int32_t)demand->gpus_per_node;
    spec->gpus_per_task = (int32_t)demand->gpus_per_task;
    spec->exclusive = demand->exclusive != 0;
    spec->constraint = dk_intern_text(&core->texts, demand->constraint);
    spec->limit_us = job->limit_us;
    spec->nice = job->nice;
}

static void spec_change(struct dk_job_spec *spec, const struct dk_job_change *change)
{
    if (change->has_partition)
        spec->partition = change->partition;
    if (change->has_nodes)
        spec->nodes = change->nodes;
    if (change->has_tasks)
        spec->tasks = change->tasks;
    if (change->has_cpus_per_task)
        spec->cpus_per_task = change->cpus_per_task;
    if (change->has_memory_mib_per_node)
        spec->memory_mib_per_node = change->memory_mib_per_node;
    if (change->has_memory_mib_per_cpu)
        spec->memory_mib_per_cpu = change->memory_mib_per_cpu;
    if (change->has_gpus_per_node)
        spec->gpus_per_node = change->gpus_per_node;
    if (change->has_limit_us)
        spec->limit_us = change->limit_us;
    if (change->has_begin)
        spec->begin = change->begin;
    if (change->has_nice)
        spec->nice = change->nice;
    if (change->has_constraint)
        spec->constraint = change->constraint;
}

static bool only_for_pending(const struct dk_job_change *change)
{
    return change->has_partition || change->has_nodes || change->has_tasks ||
           change->has_cpus_per_task || change->has_memory_mib_per_node ||
           change->has_memory_mib_per_cpu || change->has_gpus_per_node || change->has_begin ||
           change->has_constraint || change->has_running_max;
}

void dk_admit_update(struct dk_admission *admission)
{
    const struct dk_update_job *update = &admission->request->update_job;
    const struct dk_job *job = dk_job_asked(admission, update->job);
    const struct dk_stamp *stamp = admission->stamp;
    bool plain_user = stamp->has_actor && !stamp->is_operator;
    struct dk_event *event;
    struct dk_job_spec spec;

    if (job == NULL)
        return;
    spec_of(admission->core, job, &spec);
    spec_change(&spec, &update->change);
    check_partition_known(admission, spec.partition);
    if (job->state != DK_JOB_PENDING && only_for_pending(&update->change))
        dk_refuse(
            admission, DK_REJECT_REASON_WRONG_STATE,
            "job %lld has started: only its limit, nice, name, account and comment can change",
            (long long)update->job);
    if (plain_user && job->state != DK_JOB_PENDING && spec.limit_us > job->limit_us)
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED,
                  "raising the limit of a running job is for operators");
    if (plain_user && spec.nice < job->nice)
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED, "lowering nice is for operators");
    if (update->change.has_running_max && job->array == NULL)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "job %lld is not an array",
                  (long long)update->job);
    if (update->change.has_running_max)
        check_range(admission, "running_max", update->change.running_max, 0, ARRAY_TASKS_MAX);
    if (update->change.has_name && update->change.name.size == 0 &&
        (job->flags & DK_FLAG_SINGLETON))
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "a singleton needs its name");
    check_sizes(admission, &spec);
    check_constraint(admission, spec.constraint);
    if (!admission->refused && job->state == DK_JOB_PENDING)
        check_partition(admission, &spec);
    if (admission->refused)
        return;
    event = dk_fact(admission, DK_EVENT_JOB_UPDATED);
    event->job_updated.job = update->job;
    event->job_updated.change = update->change;
}

/* --- hold, release, cancel, requeue --- */

void dk_admit_hold(struct dk_admission *admission)
{
    int64_t id = admission->request->hold_job.job;
    const struct dk_job *job = dk_job_asked(admission, id);
    const struct dk_stamp *stamp = admission->stamp;
    struct dk_event *event;

    if (job == NULL)
        return;
    if (job->state != DK_JOB_PENDING) {
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "job %lld is not pending",
                  (long long)id);
        return;
    }
    event = dk_fact(admission, DK_EVENT_JOB_HELD);
    event->job_held.job = id;
    event->job_held.by_admin =
        stamp->has_actor && stamp->is_operator && stamp->actor.uid != job->uid;
}

void dk_admit_release(struct dk_admission *admission)
{
    int64_t id = admission->request->release_job.job;
    const struct dk_job *job = dk_job_asked(admission, id);
    const struct dk_stamp *stamp = admission->stamp;

    if (job == NULL)
        return;
    if (!(job->wait & (DK_WAIT_HELD_USER | DK_WAIT_HELD_ADMIN)))
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "job %lld is not held", (long long)id);
    if ((job->wait & DK_WAIT_HELD_ADMIN) && stamp->has_actor && !stamp->is_operator)
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED,
                  "job %lld was held by an operator, who has to release it", (long long)id);
    if (!admission->refused)
        dk_fact(admission, DK_EVENT_JOB_RELEASED)->job_released.job = id;
}

static void end_request(struct dk_admission *admission, const struct dk_job *job, bool requeue,
                        bool hold)
{
    struct dk_event *event = dk_fact(admission, DK_EVENT_JOB_END_REQUESTED);

    event->job_end_requested.job = job->id;
    event->job_end_requested.attempt = (int32_t)job->attempt;
    event->job_end_requested.state = DK_END_STATE_CANCELLED;
    event->job_end_requested.requeue = requeue;
    event->job_end_requested.hold = hold;
}

static bool index_in(const struct dk_index_range *ranges, uint32_t count, int32_t index)
{
    for (uint32_t i = 0; i < count; i++)
        if (index >= ranges[i].first && index <= ranges[i].last &&
            (index - ranges[i].first) % ranges[i].step == 0)
            return true;
    return count == 0; /* none named: all */
}

#define RANGES_PER_EVENT 1024

static void cancelled_fact(struct dk_admission *admission, int64_t job,
                           const struct dk_index_range *ranges, uint32_t count)
{
    struct dk_event *event = dk_fact(admission, DK_EVENT_ARRAY_TASKS_CANCELLED);

    event->array_tasks_cancelled.job = job;
    event->array_tasks_cancelled.tasks = ranges;
    event->array_tasks_cancelled.tasks_count = count;
}

/* All tasks that wait: as many events as their ranges need. */
static void cancel_all_waiting(struct dk_admission *admission, const struct dk_job *job)
{
    const struct dk_array *array = job->array;
    struct dk_index_range *ranges =
        dk_arena_take(&admission->out->arena, (array->range_count + 1) * sizeof(*ranges));

    if (array->range_count > 0)
        memcpy(ranges, array->ranges, array->range_count * sizeof(*ranges));
    for (uint32_t i = 0; i < array->range_count; i += RANGES_PER_EVENT)
        cancelled_fact(admission, job->id, ranges + i,
                       (uint32_t)dk_min(array->range_count - i, RANGES_PER_EVENT));
}

/* The waiting tasks among those that are named. */
static void cancel_named_waiting(struct dk_admission *admission, const struct dk_job *job,
                                 const struct dk_cancel_job *cancel)
{
    const struct dk_array *array = job->array;
    struct dk_index_range *found = NULL;
    uint32_t count = 0;

    for (uint32_t i = 0; i < array->range_count; i++) {
        const struct dk_index_range *range = &array->ranges[i];

        for (int64_t task = range->first; task <= range->last; task += range->step) {
            if (!index_in(cancel->tasks, cancel->tasks_count, (int32_t)task))
                continue;
            if (count > 0 && found[count - 1].last + 1 == task) {
                found[count - 1].last = (int32_t)task;
                continue;
            }
            if (count == RANGES_PER_EVENT) {
                cancelled_fact(admission, job->id, found, count);
                count = 0;
            }
            if (count == 0)
                found = dk_arena_take(&admission->out->arena, RANGES_PER_EVENT * sizeof(*found));
            found[count].first = found[count].last = (int32_t)task;
            found[count++].step = 1;
        }
    }
    if (count > 0)
        cancelled_fact(admission, job->id, found, count);
}

/* The tasks of an array that are jobs by now, in order of id. */
static uint32_t *tasks_live(struct dk_admission *admission, int64_t array, uint32_t *count)
{
    const struct dk_core *core = admission->core;
    uint32_t *slots = dk_arena_take(&admission->out->arena,
                                    (core->jobs_running + core->jobs_pending + 1) * sizeof(*slots));

    *count = 0;
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        const struct dk_job *task = dk_job_at(core, slot);
        uint32_t at;

        if (task->state == DK_JOB_UNKNOWN || task->array_job != array)
            continue;
        for (at = (*count)++; at > 0 && dk_job_at(core, slots[at - 1])->id > task->id; at--)
            slots[at] = slots[at - 1];
        slots[at] = slot;
    }
    return slots;
}

static void cancel_array(struct dk_admission *admission, const struct dk_job *job,
                         const struct dk_cancel_job *cancel)
{
    const struct dk_core *core = admission->core;
    uint32_t live_count, *live, facts = admission->out->count;
    struct dk_event *event;

    live = tasks_live(admission, job->id, &live_count);
    for (uint32_t i = 0; i < live_count; i++) {
        const struct dk_job *task = dk_job_at(core, live[i]);

        if (!index_in(cancel->tasks, cancel->tasks_count, task->task))
            continue;
        if (task->state != DK_JOB_PENDING) {
            end_request(admission, task, false, false);
            continue;
        }
        event = dk_fact(admission, DK_EVENT_JOB_ENDED); /* a task that was requeued */
        memset(&event->job_ended, 0, sizeof(event->job_ended));
        event->job_ended.job = task->id;
        event->job_ended.attempt = (int32_t)task->attempt;
        event->job_ended.state = DK_END_STATE_CANCELLED;
    }
    if (cancel->tasks_count == 0)
        cancel_all_waiting(admission, job);
    else
        cancel_named_waiting(admission, job, cancel);
    if (admission->out->count == facts)
        dk_refuse(admission, DK_REJECT_REASON_NOT_FOUND,
                  "array %lld has none of these tasks waiting or running", (long long)job->id);
}

void dk_admit_cancel(struct dk_admission *admission)
{
    const struct dk_cancel_job *cancel = &admission->request->cancel_job;
    const struct dk_job *job = dk_job_asked(admission, cancel->job);
    struct dk_event *event;

    if (job == NULL)
        return;
    for (uint32_t i = 0; i < cancel->tasks_count; i++)
        if (cancel->tasks[i].first < 0 || cancel->tasks[i].last < cancel->tasks[i].first ||
            cancel->tasks[i].step < 1) {
            dk_refuse(admission, DK_REJECT_REASON_INVALID, "task range %d-%d:%d is not a range",
                      cancel->tasks[i].first, cancel->tasks[i].last, cancel->tasks[i].step);
            return;
        }
    if (job->array != NULL) {
        cancel_array(admission, job, cancel);
    } else if (cancel->tasks_count > 0) {
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "job %lld is not an array",
                  (long long)job->id);
    } else if (job->state == DK_JOB_PENDING) {
        event = dk_fact(admission, DK_EVENT_JOB_ENDED);
        memset(&event->job_ended, 0, sizeof(event->job_ended));
        event->job_ended.job = job->id;
        event->job_ended.attempt = (int32_t)job->attempt;
        event->job_ended.state = DK_END_STATE_CANCELLED;
    } else {
        end_request(admission, job, false, false);
    }
}

void dk_admit_requeue(struct dk_admission *admission)
{
    const struct dk_requeue_job *requeue = &admission->request->requeue_job;
    const struct dk_job *job = dk_job_asked(admission, requeue->job);

    if (job == NULL)
        return;
    if (job->state != DK_JOB_RUNNING)
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "job %lld is not running",
                  (long long)requeue->job);
    else
        end_request(admission, job, true, requeue->hold);
}

/* --- what nodes report --- */

static const struct dk_job *job_reported(struct dk_admission *admission, int64_t id,
                                         int32_t attempt)
{
    const struct dk_job *job = dk_job_asked(admission, id);

    if (job == NULL)
        return NULL;
    if ((job->state != DK_JOB_RUNNING && job->state != DK_JOB_ENDING) ||
        (int32_t)job->attempt != attempt) {
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "attempt %d of job %lld is not running",
                  attempt, (long long)id);
        return NULL;
    }
    return job;
}

void dk_admit_end(struct dk_admission *admission)
{
    const struct dk_report_end *report = &admission->request->report_end;
    const struct dk_job *job = job_reported(admission, report->job, report->attempt);
    struct dk_event *event;
    bool requeue;

    if (job == NULL)
        return;
    requeue = (job->flags & DK_FLAG_THEN_REQUEUE) ||
              (job->state == DK_JOB_RUNNING && report->state == DK_END_STATE_NODE_FAIL &&
               (job->flags & DK_FLAG_REQUEUE));
    if (requeue) {
        event = dk_fact(admission, DK_EVENT_JOB_REQUEUED);
        event->job_requeued.job = report->job;
        event->job_requeued.hold = (job->flags & DK_FLAG_THEN_HOLD) != 0;
        event->job_requeued.reason = report->state;
        return;
    }
    event = dk_fact(admission, DK_EVENT_JOB_ENDED);
    event->job_ended.job = report->job;
    event->job_ended.attempt = report->attempt;
    event->job_ended.state =
        job->state == DK_JOB_ENDING ? (enum dk_end_state)job->ending : report->state;
    event->job_ended.exit_code = report->exit_code;
    event->job_ended.signal = report->signal;
    event->job_ended.has_usage = report->has_usage;
    event->job_ended.usage = report->usage;
    event->job_ended.started = report->started;
    event->job_ended.why = report->why;
}

void dk_admit_step_start(struct dk_admission *admission)
{
    const struct dk_report_step_start *report = &admission->request->report_step_start;
    struct dk_event *event;

    if (job_reported(admission, report->job, report->attempt) == NULL)
        return;
    event = dk_fact(admission, DK_EVENT_STEP_STARTED);
    event->step_started.job = report->job;
    event->step_started.attempt = report->attempt;
    event->step_started.step = report->step;
    event->step_started.name = report->name;
    event->step_started.tasks = report->tasks;
    event->step_started.cores = report->cores;
    event->step_started.cores_count = report->cores_count;
}

void dk_admit_step_end(struct dk_admission *admission)
{
    const struct dk_report_step_end *report = &admission->request->report_step_end;
    struct dk_event *event;

    if (job_reported(admission, report->job, report->attempt) == NULL)
        return;
    event = dk_fact(admission, DK_EVENT_STEP_ENDED);
    event->step_ended.job = report->job;
    event->step_ended.attempt = report->attempt;
    event->step_ended.step = report->step;
    event->step_ended.state = report->state;
    event->step_ended.exit_code = report->exit_code;
    event->step_ended.signal = report->signal;
    event->step_ended.has_usage = report->has_usage;
    event->step_ended.usage = report->usage;
}
