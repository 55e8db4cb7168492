/* scontrol_update.c - scontrol update JobId=, NodeName=, PartitionName= NAME=VALUE...
 *
 * A name that docket cannot change aborts the whole, as Slurm does with a name that it does not
 * know.
 */
#include "cli/slurm/scontrol_config.h"
#include "cli/slurm/times.h"
#include "cli/submission_values.h"
#include "net/hostlist.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define UNLIMITED_US (INT64_C(36525) * 86400 * SLURM_SECOND_US)

static int unsupported(const char *word)
{
    (void)fprintf(stderr, "Update of this parameter is not supported: %s\nRequest aborted\n", word);
    return 1;
}

static int no_change(void)
{
    (void)fprintf(stderr, "No changes specified\n");
    return 1;
}

/* --- jobs --- */

struct job_update {
    struct dk_job_change change;
    struct dk_arena arena;
    const char *jobs;
    int64_t limit_more_us; /* TimeLimit=+N or -N: beside the present one */
    bool has_change, has_limit_more;
    int hold; /* 1: Priority=0; -1: release */
};

typedef int job_setter(struct job_update *update, const char *value);

static int set_limit(struct job_update *update, const char *value)
{
    int sign = *value == '+' ? 1 : *value == '-' && strcmp(value, "-1") != 0 ? -1 : 0;
    int64_t minutes;

    if (!slurm_minutes_parse(value + (sign != 0), &minutes))
        return scontrol_error("Invalid TimeLimit value");
    if (sign != 0) {
        update->limit_more_us = minutes > UNLIMITED_US / 60 / SLURM_SECOND_US
                                    ? sign * UNLIMITED_US
                                    : sign * minutes * 60 * SLURM_SECOND_US;
        update->has_limit_more = true;
        return 0;
    }
    update->change.has_limit_us = true;
    update->change.limit_us = minutes == 0 || minutes > UNLIMITED_US / 60 / SLURM_SECOND_US
                                  ? UNLIMITED_US
                                  : minutes * 60 * SLURM_SECOND_US;
    return 0;
}

static int set_begin(struct job_update *update, const char *value)
{
    size_t wrong_at = 0;

    update->change.has_begin = true;
    if (slurm_time_parse(value, slurm_now_us(), &update->change.begin, &wrong_at))
        return 0;
    (void)fprintf(stderr, "Invalid time specification (pos=%zu): %s\n", wrong_at, value);
    return 1;
}

static int invalid(const char *name, const char *value)
{
    return scontrol_error("Invalid %s value '%s'", name, value);
}

static int set_count(bool *has, int32_t *field, const char *name, const char *value, int64_t least)
{
    int64_t number;

    if (!dk_value_number(value, least, INT32_MAX, &number))
        return invalid(name, value);
    *has = true;
    *field = (int32_t)number;
    return 0;
}

static int set_nodes(struct job_update *update, const char *value)
{
    int32_t least, most;

    if (!dk_value_nodes(value, &least, &most) || least < 1 || (most >= 0 && most < least))
        return invalid("NumNodes", value);
    update->change.has_nodes = true;
    update->change.nodes = least;
    return 0;
}

static int set_tasks(struct job_update *update, const char *value)
{
    return set_count(&update->change.has_tasks, &update->change.tasks, "NumTasks", value, 1);
}

static int set_cores(struct job_update *update, const char *value)
{
    return set_count(&update->change.has_cpus_per_task, &update->change.cpus_per_task,
                     "CPUsPerTask", value, 1);
}

static int set_throttle(struct job_update *update, const char *value)
{
    return set_count(&update->change.has_running_max, &update->change.running_max,
                     "ArrayTaskThrottle", value, 0);
}

static int set_nice(struct job_update *update, const char *value)
{
    int64_t number = 100;

    if (*value != 0 && !dk_value_number(value, -1000000, 1000000, &number))
        return invalid("Nice", value);
    update->change.has_nice = true;
    update->change.nice = (int32_t)number;
    return 0;
}

static int set_memory_node(struct job_update *update, const char *value)
{
    update->change.has_memory_mib_per_node = true;
    return dk_value_memory(value, &update->change.memory_mib_per_node)
               ? 0
               : invalid("MinMemoryNode", value);
}

static int set_memory_core(struct job_update *update, const char *value)
{
    update->change.has_memory_mib_per_cpu = true;
    return dk_value_memory(value, &update->change.memory_mib_per_cpu)
               ? 0
               : invalid("MinMemoryCPU", value);
}

/* gres:gpu:2, gpu:2 */
static int set_gpus(struct job_update *update, const char *value)
{
    const char *type, *count = value;

    if (strncmp(count, "gres:", 5) == 0 || strncmp(count, "gres/", 5) == 0)
        count += 5;
    update->change.has_gpus_per_node = true;
    if (strncmp(count, "gpu:", 4) != 0 ||
        !dk_value_gpus(count + 4, &update->arena, &type, &update->change.gpus_per_node) ||
        type != NULL)
        return invalid("Gres", value);
    return 0;
}

static int set_text(bool *has, struct dk_text *field, const char *value)
{
    *has = true;
    *field = dk_text_of(value);
    return 0;
}

static int set_partition(struct job_update *update, const char *value)
{
    return set_text(&update->change.has_partition, &update->change.partition, value);
}

static int set_account(struct job_update *update, const char *value)
{
    return set_text(&update->change.has_account, &update->change.account, value);
}

static int set_name(struct job_update *update, const char *value)
{
    return set_text(&update->change.has_name, &update->change.name, value);
}

static int set_features(struct job_update *update, const char *value)
{
    return set_text(&update->change.has_constraint, &update->change.constraint, value);
}

static int set_comment(struct job_update *update, const char *value)
{
    return set_text(&update->change.has_comment, &update->change.comment, value);
}

/* 0 holds, as it does in Slurm; other numbers are the policy's to give. */
static int set_priority(struct job_update *update, const char *value)
{
    if (strcmp(value, "0") == 0)
        return update->hold = 1, 0;
    return scontrol_refuse("Priority=N",
                           "the policy decides; Nice= moves a job, and Priority=0 holds it");
}

static int set_quality(struct job_update *update, const char *value)
{
    (void)update;
    return strcasecmp(value, "normal") == 0
               ? 0
               : scontrol_refuse("QOS", "there is one quality of service, normal");
}

static const struct {
    const char *name;
    job_setter *set;
    bool is_change;
} job_settings[] = {
    { "TimeLimit", set_limit, true },
    { "Partition", set_partition, true },
    { "Account", set_account, true },
    { "JobName", set_name, true },
    { "Name", set_name, true },
    { "NumNodes", set_nodes, true },
    { "ReqNodes", set_nodes, true },
    { "NumTasks", set_tasks, true },
    { "ReqProcs", set_tasks, true },
    { "CPUsPerTask", set_cores, true },
    { "CPUs/Task", set_cores, true },
    { "MinMemoryNode", set_memory_node, true },
    { "MinMemoryCPU", set_memory_core, true },
    { "Gres", set_gpus, true },
    { "TresPerNode", set_gpus, true },
    { "Features", set_features, true },
    { "StartTime", set_begin, true },
    { "EligibleTime", set_begin, true },
    { "Nice", set_nice, true },
    { "ArrayTaskThrottle", set_throttle, true },
    { "Comment", set_comment, true },
    { "Priority", set_priority, false },
    { "QOS", set_quality, false },
};

static int take_setting(struct job_update *update, char *word)
{
    char *equals = strchr(word, '=');
    size_t size = equals == NULL ? strlen(word) : (size_t)(equals - word);

    /* "Nice" may stand alone. */
    if (equals == NULL && (size != 4 || strncasecmp(word, "Nice", 4) != 0))
        return unsupported(word);
    for (size_t i = 0; i < sizeof(job_settings) / sizeof(job_settings[0]); i++) {
        if (strlen(job_settings[i].name) != size ||
            strncasecmp(job_settings[i].name, word, size) != 0)
            continue;
        if (job_settings[i].is_change)
            update->has_change = true;
        return job_settings[i].set(update, equals == NULL ? "" : equals + 1);
    }
    return unsupported(word);
}

/* TimeLimit=+N needs the present limit; more nodes than tasks are given a task each. */
static bool complete(struct scontrol *scontrol, const struct scontrol_job *job,
                     const struct job_update *update, struct dk_job_change *change)
{
    struct dk_question question;
    struct dk_rows rows;
    bool is_good;

    if (!update->has_limit_more && (!change->has_nodes || change->has_tasks))
        return true;
    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "id", job->text);
    is_good = scontrol_ask(scontrol, "slurm_update", &question, "limit,tasks", &rows);
    if (is_good && rows.rows == 0) {
        (void)fprintf(stderr, "Invalid job id specified for job %s\n", job->text);
        is_good = false;
    }
    if (is_good && update->has_limit_more) {
        change->has_limit_us = true;
        change->limit_us = dk_cell_number(&rows, 0, 0, 0) + update->limit_more_us;
        if (change->limit_us < 60 * SLURM_SECOND_US)
            change->limit_us = 60 * SLURM_SECOND_US;
    }
    if (is_good && change->has_nodes && !change->has_tasks &&
        dk_cell_number(&rows, 0, 1, 0) < change->nodes) {
        change->has_tasks = true;
        change->tasks = change->nodes;
    }
    dk_rows_release(&rows);
    return is_good;
}

static int send_update(struct scontrol *scontrol, const struct scontrol_job *job,
                       struct dk_request *request)
{
    struct dk_outcome outcome;

    if (!scontrol_send(scontrol, "slurm_update", request, &outcome))
        return 1;
    if (outcome.kind != DK_OUTCOME_REJECTED)
        return 0;
    if (slurm_refusal(&outcome) != outcome.detail)
        (void)scontrol_error("%s", outcome.detail);
    (void)fprintf(stderr, "%s for job %s\n",
                  strstr(outcome.detail, "has ended") != NULL ? "Job has already finished"
                                                              : slurm_refusal(&outcome),
                  job->text);
    return 1;
}

static int update_one(struct scontrol *scontrol, const struct scontrol_job *job, void *context)
{
    const struct job_update *update = context;
    struct dk_request request = { .type = DK_REQUEST_UPDATE_JOB };
    int64_t id = scontrol_task_job(scontrol, job);
    int status = 0;

    if (id == 0)
        return 1;
    if (update->has_change) {
        request.update_job.job = id;
        request.update_job.change = update->change;
        if (!complete(scontrol, job, update, &request.update_job.change))
            return 1;
        status = send_update(scontrol, job, &request);
    }
    if (status == 0 && update->hold != 0) {
        struct dk_request hold = { .type = DK_REQUEST_HOLD_JOB };

        hold.hold_job.job = id;
        status = send_update(scontrol, job, &hold);
    }
    return status;
}

static int update_job(struct scontrol *scontrol, int argc, char **argv)
{
    struct job_update update = { .hold = 0 };
    char *jobs = strchr(argv[0], '=') + 1;
    int status = 0;

    dk_arena_init(&update.arena, &dk_heap);
    for (int i = 1; i < argc && status == 0; i++)
        status = take_setting(&update, argv[i]);
    if (status == 0 && !update.has_change && update.hold == 0)
        status = no_change();
    if (status == 0)
        status = scontrol_each_job(scontrol, 1, &jobs, update_one, &update);
    dk_arena_release(&update.arena);
    return status;
}

/* --- nodes --- */

static bool node_condition(const char *text, enum dk_node_condition *condition)
{
    static const struct {
        const char *word;
        enum dk_node_condition condition;
    } words[] = {
        { "DRAIN", DK_NODE_CONDITION_DRAINED }, { "DRAINING", DK_NODE_CONDITION_DRAINED },
        { "DOWN", DK_NODE_CONDITION_DOWN },     { "RESUME", DK_NODE_CONDITION_UP },
        { "UNDRAIN", DK_NODE_CONDITION_UP },    { "IDLE", DK_NODE_CONDITION_UP },
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(words[i].word, text) == 0)
            return *condition = words[i].condition, true;
    return false;
}

static bool all_nodes(struct scontrol *scontrol, struct dk_hostlist *list)
{
    struct dk_question question;
    struct dk_rows rows;
    bool is_good;

    dk_question_init(&question, "/v1/nodes");
    is_good = scontrol_ask(scontrol, "slurm_update", &question, "name", &rows);
    for (uint32_t row = 0; is_good && row < rows.rows; row++)
        dk_hostlist_add(list, dk_cell(&rows, row, 0), strlen(dk_cell(&rows, row, 0)));
    dk_rows_release(&rows);
    return is_good;
}

static int send_conditions(struct scontrol *scontrol, const struct dk_hostlist *list,
                           enum dk_node_condition condition, const char *reason)
{
    struct dk_request *requests =
        dk_alloc_new(&dk_heap, (list->count + 1) * sizeof(struct dk_request));
    struct dk_outcome *outcomes =
        dk_alloc_new(&dk_heap, (list->count + 1) * sizeof(struct dk_outcome));
    struct dk_err err;
    int status = 0;

    memset(requests, 0, (list->count + 1) * sizeof(*requests));
    for (uint32_t i = 0; i < list->count; i++) {
        requests[i].type = DK_REQUEST_SET_NODE_CONDITION;
        requests[i].set_node_condition.node = dk_text_of(list->names[i]);
        requests[i].set_node_condition.condition = condition;
        requests[i].set_node_condition.reason = dk_text_of(reason == NULL ? "" : reason);
    }
    if (!scontrol_connect(scontrol, "slurm_update"))
        status = 1;
    else if (dk_send(&scontrol->session, requests, list->count, outcomes, 0, &err) != DK_OK)
        status = scontrol_failed("slurm_update", &err);
    else
        for (uint32_t i = 0; i < list->count; i++)
            if (outcomes[i].kind == DK_OUTCOME_REJECTED && status == 0) {
                (void)fprintf(stderr, "slurm_update error: %s\n", slurm_refusal(&outcomes[i]));
                status = 1;
            }
    dk_alloc_free(&dk_heap, requests, (list->count + 1) * sizeof(*requests));
    dk_alloc_free(&dk_heap, outcomes, (list->count + 1) * sizeof(*outcomes));
    return status;
}

static int update_node(struct scontrol *scontrol, int argc, char **argv)
{
    const char *nodes = strchr(argv[0], '=') + 1, *reason = NULL, *state = NULL;
    enum dk_node_condition condition = DK_NODE_CONDITION_UP;
    struct dk_hostlist list;
    struct dk_err err;
    int status = 0;

    for (int i = 1; i < argc; i++) {
        if (strncasecmp(argv[i], "State=", 6) == 0)
            state = argv[i] + 6;
        else if (strncasecmp(argv[i], "Reason=", 7) == 0)
            reason = argv[i] + 7;
        else
            return unsupported(argv[i]);
    }
    if (state == NULL)
        return reason == NULL
                   ? no_change()
                   : scontrol_refuse("Reason= alone", "say State=DRAIN or State=DOWN with it");
    if (!node_condition(state, &condition)) {
        (void)fprintf(stderr,
                      "Invalid input: State=%s\nRequest aborted\n"
                      "Valid states are: DRAIN DOWN RESUME UNDRAIN\n",
                      state);
        return 1;
    }
    if (condition != DK_NODE_CONDITION_UP && (reason == NULL || *reason == 0)) {
        (void)fprintf(
            stderr, "You must specify a reason when DOWNING or DRAINING a node. Request denied\n");
        return 1;
    }
    dk_hostlist_init(&list);
    if (strcasecmp(nodes, "ALL") == 0)
        status = all_nodes(scontrol, &list) ? 0 : 1;
    else if (dk_hostlist_expand(&list, nodes, &err) != DK_OK)
        status = scontrol_error("Invalid hostlist: %s", err.text);
    if (status == 0)
        status = send_conditions(scontrol, &list, condition, reason);
    dk_hostlist_release(&list);
    return status;
}

/* --- which of them --- */

static int update_reservation(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    return scontrol_refuse("update ReservationName", "it has no reservations");
}

static int update_step(struct scontrol *scontrol, int argc, char **argv)
{
    (void)scontrol;
    (void)argc;
    (void)argv;
    return scontrol_refuse("update StepId", "update the job");
}

static const struct {
    const char *name;
    size_t least;
    scontrol_keyword *run;
} entities[] = {
    { "JobId", 3, update_job },
    { "NodeName", 4, update_node },
    { "PartitionName", 5, scontrol_update_partition },
    { "ReservationName", 3, update_reservation },
    { "StepId", 4, update_step },
};

/* "JobId=17 ..." and "job 17 ...": the latter is made the former. */
int scontrol_update(struct scontrol *scontrol, int argc, char **argv)
{
    size_t size = strcspn(argv[0], "=");

    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        char joined[4096];
        int status;

        if (size < entities[i].least || strncasecmp(entities[i].name, argv[0], size) != 0)
            continue;
        if (argv[0][size] == '=')
            return entities[i].run(scontrol, argc, argv);
        if (argc < 2)
            return no_change();
        (void)snprintf(joined, sizeof(joined), "%s=%s", argv[0], argv[1]);
        argv[1] = joined;
        status = entities[i].run(scontrol, argc - 1, argv + 1);
        return status;
    }
    (void)fprintf(stderr,
                  "No valid entity in update command\n"
                  "Input line must include \"NodeName\", \"PartitionName\", or \"JobId\"\n");
    return 1;
}
