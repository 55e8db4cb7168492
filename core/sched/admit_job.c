/* admit_job.c - requests about jobs */
#include "sched/admit.h"

#include <string.h>

#define TASKS_MAX 16777216
#define CPUS_PER_TASK_MAX 65536
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

static int64_t array_size(const struct dk_array_spec *array)
{
    int64_t total = 0;

    for (uint32_t i = 0; i < array->ranges_count; i++)
        total +=
            ((int64_t)array->ranges[i].last - array->ranges[i].first) / array->ranges[i].step + 1;
    return total;
}

static void check_array(struct dk_admission *admission, const struct dk_array_spec *array)
{
    int32_t most = admission->core->config.spec.array_tasks_max;
    int64_t total, last = -1;

    if (array->ranges_count == 0)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "the array has no indices");
    check_range(admission, "running_max", array->running_max, 0, DK_ARRAY_TASKS_MAX);
    for (uint32_t i = 0; i < array->ranges_count; i++) {
        const struct dk_index_range *range = &array->ranges[i];

        if (range->first <= last || range->last < range->first || range->step < 1) {
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "array range %d-%d:%d: ranges must ascend and not overlap", range->first,
                      range->last, range->step);
            return;
        }
        last = range->last;
    }
    total = array_size(array);
    if (most > 0 && last >= most)
        dk_refuse(admission, DK_REJECT_REASON_LIMIT,
                  "array index %lld is above %d, the highest (array_tasks_max is %d)",
                  (long long)last, most - 1, most);
    if (total > DK_ARRAY_TASKS_MAX)
        dk_refuse(admission, DK_REJECT_REASON_TOO_LARGE, "the array has %lld tasks, at most %d",
                  (long long)total, DK_ARRAY_TASKS_MAX);
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

static bool number_among(const uint32_t *numbers, uint32_t count, uint32_t number)
{
    for (uint32_t i = 0; i < count; i++)
        if (numbers[i] == number)
            return true;
    return false;
}

static uint32_t node_named(struct dk_admission *admission, struct dk_text name, const char *how)
{
    uint32_t number = dk_node_find(admission->core, name);

    if (number == DK_SLOT_NONE)
        dk_refuse(admission, DK_REJECT_REASON_NOT_FOUND, "there is no node '%.*s' (it is %s)",
                  (int)name.size, name.data, how);
    return number;
}

/* The numbers of nodes that are named, each once; refused if one is not known. */
static uint32_t *numbers_named(struct dk_admission *admission, const struct dk_text *names,
                               uint32_t *count, const char *how)
{
    uint32_t *numbers = dk_arena_take(&admission->out->arena, (*count + 1) * sizeof(*numbers));
    uint32_t kept = 0;

    for (uint32_t i = 0; i < *count && !admission->refused; i++) {
        uint32_t number = node_named(admission, names[i], how);

        if (!number_among(numbers, kept, number))
            numbers[kept++] = number;
    }
    *count = kept;
    return numbers;
}

/* Nodes that the job names: known, of its partition, and not both wanted and excluded. */
static void check_named(struct dk_admission *admission, const struct dk_job_spec *spec)
{
    const struct dk_core *core = admission->core;
    uint32_t partition = dk_partition_find(core, spec->partition);
    uint32_t wanted_count = spec->nodes_wanted_count, excluded_count = spec->nodes_excluded_count;
    uint32_t *wanted, *excluded;

    if (admission->refused || wanted_count + excluded_count == 0)
        return;
    excluded = numbers_named(admission, spec->nodes_excluded, &excluded_count, "excluded");
    wanted = numbers_named(admission, spec->nodes_wanted, &wanted_count, "wanted");
    for (uint32_t i = 0; i < wanted_count && !admission->refused; i++) {
        struct dk_text name = dk_intern_text(&core->texts, core->nodes[wanted[i]].name);

        if (number_among(excluded, excluded_count, wanted[i]))
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "node '%.*s' is both wanted and excluded", (int)name.size, name.data);
        if (!dk_node_in_partition(core, wanted[i], partition))
            dk_refuse(admission, DK_REJECT_REASON_UNSATISFIABLE,
                      "node '%.*s' is wanted and not in partition '%.*s'", (int)name.size,
                      name.data, (int)spec->partition.size, spec->partition.data);
    }
    if (wanted_count > (uint32_t)(spec->nodes > 0 ? spec->nodes : spec->tasks))
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "%u nodes are wanted by name, more than the %d %s asked for", wanted_count,
                  spec->nodes > 0 ? spec->nodes : spec->tasks, spec->nodes > 0 ? "nodes" : "tasks");
}

/* `named`: the nodes it names, as demands keep them. */
static void check_partition(struct dk_admission *admission, const struct dk_job_spec *spec,
                            struct dk_text named)
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
    if (!admission->refused &&
        !dk_demand_possible(admission->core, &demand, spec->constraint, named))
        dk_refuse(admission, DK_REJECT_REASON_UNSATISFIABLE,
                  "no set of nodes of partition '%.*s' could ever hold this job",
                  (int)spec->partition.size, spec->partition.data);
}

/* Room for one job more, or for all tasks of an array? */
static void check_active(struct dk_admission *admission, const struct dk_job_spec *spec)
{
    int64_t most = admission->core->config.spec.jobs_active_max;
    int64_t asked, used = (int64_t)dk_jobs_active(admission->core);

    if (admission->refused || most == 0)
        return;
    asked = spec->has_array ? array_size(&spec->array) : 1;
    if (used + asked > most)
        dk_refuse(admission, DK_REJECT_REASON_LIMIT,
                  "the cluster takes %lld jobs pending and running (jobs_active_max): it has %lld, "
                  "and this is %lld more",
                  (long long)most, (long long)used, (long long)asked);
}

static void check_limits(struct dk_admission *admission, const struct dk_job_spec *spec)
{
    static const struct dk_text nobody = { NULL, 0 };
    const struct dk_stamp *stamp = admission->stamp;
    struct dk_text user = stamp->has_actor ? stamp->actor.user : nobody;
    struct dk_over over;

    if (admission->refused || !admission->core->limits.any ||
        dk_limits_admit(admission->core, user, spec->account,
                        dk_partition_find(admission->core, spec->partition),
                        spec->has_array ? array_size(&spec->array) : 1, &over))
        return;
    dk_refuse(admission, DK_REJECT_REASON_LIMIT,
              "%s: user '%.*s', account '%.*s', partition '%.*s': a limit of scope %s is %lld jobs "
              "pending and running, in use are %lld, and this is %lld more",
              dk_over_reason(&over), (int)user.size, user.data, (int)spec->account.size,
              spec->account.data, (int)spec->partition.size, spec->partition.data,
              dk_limit_scope_name(over.scope), (long long)over.most, (long long)over.used,
              (long long)over.asked);
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
    if (spec.nice < 0 && !dk_asked_by_operator(admission))
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED, "a negative nice is for operators");
    if (spec.constraint.size > 0)
        check_constraint(admission, spec.constraint);
    if (spec.has_array)
        check_array(admission, &spec.array);
    check_dependencies(admission, &spec);
    check_named(admission, &spec);
    if (!admission->refused)
        check_partition(admission, &spec, dk_named_text(&admission->out->arena, &spec));
    check_active(admission, &spec);
    check_limits(admission, &spec);
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
    bool plain_user = !dk_asked_by_operator(admission);
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
        check_range(admission, "running_max", update->change.running_max, 0, DK_ARRAY_TASKS_MAX);
    if (update->change.has_name && update->change.name.size == 0 &&
        (job->flags & DK_FLAG_SINGLETON))
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "a singleton needs its name");
    check_sizes(admission, &spec);
    check_constraint(admission, spec.constraint);
    if (!admission->refused && job->state == DK_JOB_PENDING)
        check_partition(
            admission, &spec,
            dk_intern_text(&admission->core->texts, dk_demand_of(admission->core, job)->named));
    if (admission->refused)
        return;
    event = dk_fact(admission, DK_EVENT_JOB_UPDATED);
    event->job_updated.job = update->job;
    event->job_updated.change = update->change;
}
