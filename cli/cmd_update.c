/* cmd_update.c - docket update, and what operators do to nodes: drain, resume */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/human.h"
#include "cli/jobids.h"
#include "net/hostlist.h"

#include <stdio.h>
#include <string.h>

struct update_options {
    struct cli_common common;
    const char *name, *partition, *account, *nodes, *tasks, *cores_per_task, *memory_per_node,
        *memory_per_core, *gpus_per_node, *time, *begin, *nice, *constraint, *array_limit, *comment;
};

#define UPDATE(field) offsetof(struct update_options, field)

const struct cli_option cli_update_options[] = {
    { "--name", CLI_TEXT, "NAME", UPDATE(name), NULL, 0, 0, "its name" },
    { "--partition", CLI_TEXT, "NAME", UPDATE(partition), NULL, 0, 0, "another partition" },
    { "--account", CLI_TEXT, "NAME", UPDATE(account), NULL, 0, 0, "another account" },
    { "--nodes", CLI_TEXT, "N", UPDATE(nodes), NULL, 0, 0, "number of nodes" },
    { "--tasks", CLI_TEXT, "N", UPDATE(tasks), NULL, 0, 0, "number of tasks" },
    { "--cores-per-task", CLI_TEXT, "N", UPDATE(cores_per_task), NULL, 0, 0,
      "cores for each task" },
    { "--memory-per-node", CLI_TEXT, "SIZE", UPDATE(memory_per_node), NULL, 0, 0,
      "memory on each node: 4G, 512M" },
    { "--memory-per-core", CLI_TEXT, "SIZE", UPDATE(memory_per_core), NULL, 0, 0,
      "memory for each core" },
    { "--gpus-per-node", CLI_TEXT, "N", UPDATE(gpus_per_node), NULL, 0, 0, "GPUs on each node" },
    { "--time", CLI_TEXT, "SPAN", UPDATE(time), NULL, 0, 0,
      "time limit, of a running job too: 90 (minutes), 2h, 1-12:00:00" },
    { "--begin", CLI_TEXT, "TIME", UPDATE(begin), NULL, 0, 0,
      "not to start before: 2026-11-25T14:02, +2h, now" },
    { "--nice", CLI_TEXT, "N", UPDATE(nice), NULL, 0, 0, "lowers its priority" },
    { "--constraint", CLI_TEXT, "FEATURES", UPDATE(constraint), NULL, 0, 0,
      "features of its nodes: a&b, a|b" },
    { "--array-limit", CLI_TEXT, "N", UPDATE(array_limit), NULL, 0, 0,
      "how many tasks of an array may run at once; 0: no limit" },
    { "--comment", CLI_TEXT, "TEXT", UPDATE(comment), NULL, 0, 0, "free text" },
    CLI_JSON_OPTION(update_options),
    CLI_DIR_OPTION(update_options),
    { 0 },
};

static void set_text(bool *has, struct dk_text *value, const char *text)
{
    *has = text != NULL;
    *value = dk_text_of(text != NULL ? text : "");
}

static enum dk_status set_int(bool *has, int32_t *value, const char *option, const char *text,
                              int64_t least, struct dk_err *err)
{
    int64_t number = 0;

    *has = text != NULL;
    if (text != NULL && cli_parse_whole(text, least, INT32_MAX, &number, err) != DK_OK)
        return dk_fail_in(err, "%s", option);
    *value = (int32_t)number;
    return DK_OK;
}

static enum dk_status set_mib(bool *has, int64_t *value, const char *option, const char *text,
                              struct dk_err *err)
{
    *has = text != NULL;
    *value = 0;
    if (text != NULL && cli_parse_mib(text, value, err) != DK_OK)
        return dk_fail_in(err, "%s", option);
    return DK_OK;
}

static enum dk_status set_times(struct dk_job_change *change, const struct update_options *options,
                                struct dk_err *err)
{
    change->has_limit_us = options->time != NULL;
    if (options->time != NULL &&
        cli_parse_span(options->time, true, &change->limit_us, err) != DK_OK)
        return dk_fail_in(err, "--time");
    change->has_begin = options->begin != NULL;
    if (options->begin != NULL &&
        cli_parse_time(options->begin, cli_now_us(), &change->begin, err) != DK_OK)
        return dk_fail_in(err, "--begin");
    return DK_OK;
}

static enum dk_status make_change(const struct update_options *options,
                                  struct dk_job_change *change, struct dk_err *err)
{
    const struct {
        bool *has;
        int32_t *value;
        const char *option, *text;
        int64_t least;
    } numbers[] = {
        { &change->has_nodes, &change->nodes, "--nodes", options->nodes, 0 },
        { &change->has_tasks, &change->tasks, "--tasks", options->tasks, 1 },
        { &change->has_cpus_per_task, &change->cpus_per_task, "--cores-per-task",
          options->cores_per_task, 1 },
        { &change->has_gpus_per_node, &change->gpus_per_node, "--gpus-per-node",
          options->gpus_per_node, 0 },
        { &change->has_nice, &change->nice, "--nice", options->nice, INT32_MIN },
        { &change->has_running_max, &change->running_max, "--array-limit", options->array_limit,
          0 },
    };
    enum dk_status status = DK_OK;

    set_text(&change->has_name, &change->name, options->name);
    set_text(&change->has_partition, &change->partition, options->partition);
    set_text(&change->has_account, &change->account, options->account);
    set_text(&change->has_constraint, &change->constraint, options->constraint);
    set_text(&change->has_comment, &change->comment, options->comment);
    for (size_t i = 0; status == DK_OK && i < sizeof(numbers) / sizeof(numbers[0]); i++)
        status = set_int(numbers[i].has, numbers[i].value, numbers[i].option, numbers[i].text,
                         numbers[i].least, err);
    if (status == DK_OK)
        status = set_mib(&change->has_memory_mib_per_node, &change->memory_mib_per_node,
                         "--memory-per-node", options->memory_per_node, err);
    if (status == DK_OK)
        status = set_mib(&change->has_memory_mib_per_cpu, &change->memory_mib_per_cpu,
                         "--memory-per-core", options->memory_per_core, err);
    return status == DK_OK ? set_times(change, options, err) : status;
}

static bool changes_nothing(const struct update_options *options)
{
    const char *const *texts[] = { &options->name,
                                   &options->partition,
                                   &options->account,
                                   &options->nodes,
                                   &options->tasks,
                                   &options->cores_per_task,
                                   &options->memory_per_node,
                                   &options->memory_per_core,
                                   &options->gpus_per_node,
                                   &options->time,
                                   &options->begin,
                                   &options->nice,
                                   &options->constraint,
                                   &options->array_limit,
                                   &options->comment };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (*texts[i] != NULL)
            return false;
    return true;
}

/* Sends `requests`, says how many were taken, and ends the conversation. */
static int send_all(struct cli_client *client, struct dk_request *requests, uint32_t count,
                    const char *const *names, const char *subject, const char *done)
{
    uint32_t accepted;
    int exit = cli_client_send(client, requests, count, names, &accepted);

    if (accepted > 0 && !client->common->json)
        (void)printf("%u %s%s %s\n", accepted, subject, accepted == 1 ? "" : "s", done);
    return exit;
}

static int update_jobs(struct cli_client *client, const struct cli_jobids *ids,
                       const struct dk_job_change *change)
{
    size_t requests_size = ids->count * sizeof(struct dk_request);
    size_t names_size = ids->count * sizeof(char *);
    struct dk_request *requests = dk_alloc_new(&dk_heap, requests_size);
    const char **names = dk_alloc_new(&dk_heap, names_size);
    int exit = CLI_GO_ON;

    memset(requests, 0, requests_size);
    for (uint32_t i = 0; i < ids->count && exit == CLI_GO_ON; i++) {
        const struct cli_jobid *id = &ids->items[i];

        if (id->task_count > 0 || id->first != id->last)
            exit = cli_usage_error(client->command,
                                   "'%s' is not a job's number: a job is changed "
                                   "as a whole, by its number",
                                   id->text);
        requests[i].type = DK_REQUEST_UPDATE_JOB;
        requests[i].meta.time = client->style.now_us;
        requests[i].update_job = (struct dk_update_job){ id->first, *change };
        names[i] = id->text;
    }
    if (exit == CLI_GO_ON)
        exit = send_all(client, requests, ids->count, names, "job", "changed");
    dk_alloc_free(&dk_heap, requests, requests_size);
    dk_alloc_free(&dk_heap, (void *)names, names_size);
    return exit;
}

int cli_update(const struct cli_command *command, int argc, char **argv)
{
    struct update_options options = { 0 };
    struct dk_job_change change = { 0 };
    struct cli_client client;
    struct cli_jobids ids;
    struct dk_err err;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON && make_change(&options, &change, &err) != DK_OK)
        exit = cli_usage_error(command, "%s", err.text);
    if (exit == CLI_GO_ON && changes_nothing(&options))
        exit = cli_usage_error(command, "nothing to change: give an option, e.g. --time 2h");
    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    cli_jobids_init(&ids);
    for (int i = 0; i < operands && exit == CLI_GO_ON; i++)
        if (cli_jobids_add(&ids, argv[i], &err) != DK_OK)
            exit = cli_usage_error(command, "%s", err.text);
    if (exit == CLI_GO_ON)
        exit = update_jobs(&client, &ids, &change);
    cli_jobids_release(&ids);
    cli_client_close(&client);
    return exit;
}

/* --- nodes --- */

struct drain_options {
    struct cli_common common;
    const char *reason;
    bool down;
};

#define DRAIN(field) offsetof(struct drain_options, field)

const struct cli_option cli_drain_options[] = {
    { "--reason", CLI_TEXT, "TEXT", DRAIN(reason), NULL, 0, 0, "why, for people; required" },
    { "--down", CLI_FLAG, NULL, DRAIN(down), NULL, 0, 0,
      "count it as lost: its jobs end now, and are requeued where they may be" },
    CLI_JSON_OPTION(drain_options),
    CLI_DIR_OPTION(drain_options),
    { 0 },
};

const struct cli_option cli_resume_options[] = {
    { "--reason", CLI_TEXT, "TEXT", DRAIN(reason), "", 0, 0, "why, for people" },
    CLI_JSON_OPTION(drain_options),
    CLI_DIR_OPTION(drain_options),
    { 0 },
};

static int set_nodes(struct cli_client *client, const struct dk_hostlist *nodes,
                     enum dk_node_condition condition, const char *reason, const char *done)
{
    size_t size = nodes->count * sizeof(struct dk_request);
    struct dk_request *requests = dk_alloc_new(&dk_heap, size);
    int exit;

    memset(requests, 0, size);
    for (uint32_t i = 0; i < nodes->count; i++) {
        requests[i].type = DK_REQUEST_SET_NODE_CONDITION;
        requests[i].meta.time = client->style.now_us;
        requests[i].set_node_condition.node = dk_text_of(nodes->names[i]);
        requests[i].set_node_condition.condition = condition;
        requests[i].set_node_condition.reason = dk_text_of(reason);
    }
    exit = send_all(client, requests, nodes->count, nodes->names, "node", done);
    dk_alloc_free(&dk_heap, requests, size);
    return exit;
}

static int change_nodes(const struct cli_command *command, int argc, char **argv, bool is_resume)
{
    struct drain_options options = { 0 };
    struct cli_client client;
    struct dk_hostlist nodes;
    struct dk_err err;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON && !is_resume && (options.reason == NULL || options.reason[0] == '\0'))
        exit = cli_usage_error(command, "--reason is required: the next operator will ask");
    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_hostlist_init(&nodes);
    for (int i = 0; i < operands && exit == CLI_GO_ON; i++)
        if (dk_hostlist_expand(&nodes, argv[i], &err) != DK_OK)
            exit = cli_usage_error(command, "%s", err.text);
    if (exit == CLI_GO_ON)
        exit = set_nodes(&client, &nodes,
                         is_resume      ? DK_NODE_CONDITION_UP
                         : options.down ? DK_NODE_CONDITION_DOWN
                                        : DK_NODE_CONDITION_DRAINED,
                         options.reason,
                         is_resume      ? "resumed"
                         : options.down ? "set down"
                                        : "drained: running jobs end there, none starts");
    dk_hostlist_release(&nodes);
    cli_client_close(&client);
    return exit;
}

int cli_drain(const struct cli_command *command, int argc, char **argv)
{
    return change_nodes(command, argc, argv, false);
}

int cli_resume(const struct cli_command *command, int argc, char **argv)
{
    return change_nodes(command, argc, argv, true);
}
