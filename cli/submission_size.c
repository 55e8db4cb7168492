/* submission_size.c - what was asked for in Slurm's many ways, as docket's few: nodes, tasks, cores
 * and memory and GPUs for each
 *
 * docket gives every node of a job, or every task, the same number of GPUs, and a fixed number of
 * nodes or as many as the tasks need. What can be said so is said so; what cannot is refused, with
 * what would be right. Of a range of nodes (-N 2-4) it takes the fewest that hold the tasks, as
 * Slurm does under --use-min-nodes.
 */
#include "cli/submission.h"
#include "net/hostlist.h"

#include <stdlib.h>
#include <string.h>

static int32_t ceiling(int32_t a, int32_t b)
{
    return (a + b - 1) / b;
}

/* --- names of nodes --- */

static enum dk_status name_list(struct dk_submission *submission, const char *text,
                                const struct dk_text **names, uint32_t *count, struct dk_err *err)
{
    struct dk_hostlist list;
    struct dk_text *copies;
    enum dk_status status;

    dk_hostlist_init(&list);
    status = dk_hostlist_expand(&list, text, err);
    if (status == DK_OK && list.count > 4096)
        status = dk_fail(err, DK_TOO_LARGE, "%u nodes are named, at most 4096", list.count);
    if (status == DK_OK && list.count > 0) {
        copies = dk_arena_take(&submission->arena, list.count * sizeof(*copies));
        for (uint32_t i = 0; i < list.count; i++) {
            size_t size = strlen(list.names[i]);

            copies[i].data = dk_submission_copy(submission, list.names[i], size);
            copies[i].size = (uint32_t)size;
        }
        *names = copies;
        *count = list.count;
    }
    dk_hostlist_release(&list);
    return status;
}

static enum dk_status node_names(struct dk_submission *submission, struct dk_job_spec *spec,
                                 struct dk_err *err)
{
    const struct dk_asked *asked = &submission->asked;
    enum dk_status status = DK_OK;

    if (asked->nodelist != NULL)
        status = name_list(submission, asked->nodelist, &spec->nodes_wanted,
                           &spec->nodes_wanted_count, err);
    if (status == DK_OK && asked->exclude != NULL)
        status = name_list(submission, asked->exclude, &spec->nodes_excluded,
                           &spec->nodes_excluded_count, err);
    return status;
}

/* --- nodes and tasks --- */

/* Of a range: the fewest nodes that hold the tasks. */
static int32_t nodes_of_range(const struct dk_asked *asked)
{
    int32_t nodes = asked->nodes_min;

    if (asked->tasks > 0 && asked->tasks_per_node > 0)
        nodes = ceiling(asked->tasks, asked->tasks_per_node);
    if (nodes < asked->nodes_min)
        nodes = asked->nodes_min;
    if (asked->nodes_max > 0 && nodes > asked->nodes_max)
        nodes = asked->nodes_max;
    return nodes;
}

static enum dk_status nodes_and_tasks(struct dk_submission *submission, struct dk_job_spec *spec,
                                      struct dk_err *err)
{
    const struct dk_asked *asked = &submission->asked;
    bool has_range = asked->nodes_max > asked->nodes_min;

    spec->cpus_per_task = asked->cpus_per_task > 0 ? asked->cpus_per_task : 1;
    spec->tasks_per_node = asked->tasks_per_node > 0 ? asked->tasks_per_node : 0;
    if (asked->nodes_min > 0)
        spec->nodes = has_range ? nodes_of_range(asked) : asked->nodes_min;
    if ((int64_t)spec->nodes_wanted_count > spec->nodes) {
        int32_t count = (int32_t)spec->nodes_wanted_count;

        if (asked->nodes_min > 0 && count > (has_range ? asked->nodes_max : asked->nodes_min))
            return dk_fail(err, DK_INVALID, "invalid number of nodes (-N %d-%d)", count,
                           has_range ? asked->nodes_max : asked->nodes_min);
        spec->nodes = count;
    }
    if (asked->tasks > 0) {
        spec->tasks = asked->tasks;
    } else {
        int64_t tasks = spec->nodes > 0 ? spec->nodes : 1;

        if (spec->tasks_per_node > 0) {
            spec->nodes = (int32_t)tasks;
            tasks *= spec->tasks_per_node;
        }
        if (tasks > INT32_MAX)
            return dk_fail(err, DK_INVALID, "invalid number of tasks (-n %lld)", (long long)tasks);
        spec->tasks = (int32_t)tasks;
    }
    if (spec->nodes > spec->tasks) {
        (void)snprintf(submission->warning, sizeof(submission->warning),
                       "can't run %d processes on %d nodes, setting nnodes to %d", spec->tasks,
                       spec->nodes, spec->tasks);
        spec->nodes = spec->tasks;
        if (spec->nodes_wanted_count > (uint32_t)spec->nodes)
            spec->nodes_wanted_count = (uint32_t)spec->nodes;
    }
    return DK_OK;
}

/* --- GPUs --- */

static enum dk_status uneven_gpus(const struct dk_asked *asked, const char *among, int32_t count,
                                  struct dk_err *err)
{
    return dk_fail(err, DK_UNSUPPORTED,
                   "--gpus=%d is not supported by docket with %d %s: each gets the same number; "
                   "say --gpus-per-node or --gpus-per-task",
                   asked->gpus, count, among);
}

static enum dk_status gpus_in_all(struct dk_submission *submission, struct dk_job_spec *spec,
                                  struct dk_err *err)
{
    struct dk_asked *asked = &submission->asked;

    if (spec->gpus_per_task > 0) {
        if (asked->tasks <= 0 && asked->gpus % spec->gpus_per_task == 0)
            spec->tasks = asked->gpus / spec->gpus_per_task;
        if ((int64_t)spec->tasks * spec->gpus_per_task != asked->gpus)
            return uneven_gpus(asked, "tasks", spec->tasks, err);
        return DK_OK;
    }
    if (spec->gpus_per_node > 0) {
        if (spec->nodes == 0 && asked->gpus % spec->gpus_per_node == 0)
            spec->nodes = asked->gpus / spec->gpus_per_node;
        if (asked->tasks <= 0 && spec->tasks < spec->nodes)
            spec->tasks = spec->nodes;
        if ((int64_t)spec->nodes * spec->gpus_per_node != asked->gpus)
            return uneven_gpus(asked, "nodes", spec->nodes, err);
        return DK_OK;
    }
    if (asked->tasks_per_gpu > 0 && asked->tasks <= 0)
        spec->tasks = asked->gpus * asked->tasks_per_gpu;
    if (spec->nodes > 0) {
        if (asked->gpus % spec->nodes != 0)
            return uneven_gpus(asked, "nodes", spec->nodes, err);
        spec->gpus_per_node = asked->gpus / spec->nodes;
    } else if (spec->tasks > 1) {
        if (asked->gpus % spec->tasks != 0)
            return uneven_gpus(asked, "tasks", spec->tasks, err);
        spec->gpus_per_task = asked->gpus / spec->tasks;
    } else {
        spec->nodes = 1;
        spec->gpus_per_node = asked->gpus;
    }
    return DK_OK;
}

/* Tasks on each node where that is the same number; 0: it is not known. */
static int32_t tasks_on_node(const struct dk_job_spec *spec)
{
    if (spec->tasks_per_node > 0)
        return spec->tasks_per_node;
    return spec->nodes > 0 && spec->tasks % spec->nodes == 0 ? spec->tasks / spec->nodes : 0;
}

static enum dk_status cores_of_gpus(struct dk_submission *submission, struct dk_job_spec *spec,
                                    struct dk_err *err)
{
    int32_t each = submission->asked.cpus_per_gpu, on_node = tasks_on_node(spec);

    if (spec->gpus_per_task > 0)
        spec->cpus_per_task = each * spec->gpus_per_task;
    else if (spec->gpus_per_node > 0 && on_node > 0 && each * spec->gpus_per_node % on_node == 0)
        spec->cpus_per_task = each * spec->gpus_per_node / on_node;
    else
        return dk_submission_unsupported(submission, "cpus-per-gpu",
                                         "it needs --gpus-per-task, or GPUs for each node that "
                                         "divide among its tasks; say --cpus-per-task",
                                         err);
    return DK_OK;
}

static enum dk_status memory_of_gpus(struct dk_submission *submission, struct dk_job_spec *spec,
                                     struct dk_err *err)
{
    int64_t each = submission->asked.memory_per_gpu;

    if (spec->gpus_per_node > 0)
        spec->memory_mib_per_node = each * spec->gpus_per_node;
    else if (spec->gpus_per_task > 0)
        spec->memory_mib_per_cpu =
            (each * spec->gpus_per_task + spec->cpus_per_task - 1) / spec->cpus_per_task;
    else
        return dk_submission_unsupported(
            submission, "mem-per-gpu", "it needs --gpus, --gpus-per-node or --gpus-per-task", err);
    return DK_OK;
}

/* A type of GPU is a feature of the nodes that have it: "a|b" becomes "a&TYPE|b&TYPE". */
static const char *constraint_with(struct dk_submission *submission, const char *constraint,
                                   const char *type)
{
    size_t type_size = strlen(type), ors = 1, size;
    char *out, *at;

    if (constraint == NULL || *constraint == 0)
        return type;
    for (const char *c = constraint; *c != 0; c++)
        ors += *c == '|';
    size = strlen(constraint) + ors * (type_size + 1) + 1;
    out = at = dk_arena_take(&submission->arena, size);
    for (;;) {
        size_t part = strcspn(constraint, "|");

        memcpy(at, constraint, part);
        at[part] = '&';
        memcpy(at + part + 1, type, type_size);
        at += part + 1 + type_size;
        if (constraint[part] == 0)
            break;
        *at++ = '|';
        constraint += part + 1;
    }
    *at = 0;
    return out;
}

static enum dk_status gpus(struct dk_submission *submission, struct dk_job_spec *spec,
                           struct dk_err *err)
{
    struct dk_asked *asked = &submission->asked;
    enum dk_status status = DK_OK;

    spec->gpus_per_node = asked->gpus_per_node > 0 ? asked->gpus_per_node : 0;
    spec->gpus_per_task = asked->gpus_per_task > 0 ? asked->gpus_per_task : 0;
    if (spec->gpus_per_node > 0 && spec->gpus_per_task > 0) {
        int32_t on_node = spec->gpus_per_node / spec->gpus_per_task;

        if (spec->gpus_per_node % spec->gpus_per_task != 0 ||
            (spec->tasks_per_node > 0 && spec->tasks_per_node != on_node))
            return dk_submission_unsupported(
                submission, "gpus-per-task",
                "with this --gpus-per-node the tasks of a node would not divide its GPUs", err);
        spec->tasks_per_node = on_node;
        if (asked->tasks <= 0)
            spec->tasks = (spec->nodes > 0 ? spec->nodes : 1) * on_node;
        spec->gpus_per_task = 0;
    }
    if (asked->gpus > 0)
        status = gpus_in_all(submission, spec, err);
    else if (asked->tasks_per_gpu > 0 && spec->gpus_per_node > 0) {
        spec->tasks_per_node = spec->gpus_per_node * asked->tasks_per_gpu;
        if (spec->nodes == 0)
            spec->nodes = 1;
        if (asked->tasks <= 0)
            spec->tasks = spec->nodes * spec->tasks_per_node;
    }
    if (status == DK_OK && asked->cpus_per_gpu > 0)
        status = cores_of_gpus(submission, spec, err);
    if (status == DK_OK && asked->gpu_type != NULL)
        asked->constraint = constraint_with(submission, asked->constraint, asked->gpu_type);
    return status;
}

enum dk_status dk_submission_size(struct dk_submission *submission, struct dk_job_spec *spec,
                                  struct dk_err *err)
{
    struct dk_asked *asked = &submission->asked;
    enum dk_status status = node_names(submission, spec, err);

    if (status == DK_OK)
        status = nodes_and_tasks(submission, spec, err);
    if (status == DK_OK)
        status = gpus(submission, spec, err);
    if (status != DK_OK)
        return status;
    spec->memory_mib_per_node = asked->memory_per_node > 0 ? asked->memory_per_node : 0;
    spec->memory_mib_per_cpu = asked->memory_per_cpu > 0 ? asked->memory_per_cpu : 0;
    if (asked->memory_per_gpu > 0)
        status = memory_of_gpus(submission, spec, err);
    spec->exclusive = asked->exclusive;
    return status;
}
