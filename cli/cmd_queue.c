/* cmd_queue.c - docket queue, nodes, partitions: what there is now, or was at any past moment */
#include "cli/client.h"
#include "cli/commands.h"

#include <stddef.h>

#define QUEUE_FIELDS "job,name,user,partition,state,elapsed,limit,nodes,cores,where"
#define QUEUE_LONG_FIELDS                                                                          \
    "job,name,user,account,partition,state,priority,submit,start,elapsed,limit,planned,nodes,"     \
    "cores,gpus,memory_per_node,memory_per_core,where"
#define QUEUE_START_FIELDS "job,name,user,partition,planned,planned_nodes,nodes,cores,limit,reason"
#define QUEUE_STARTS 1000 /* at the head of the queue */
#define NODES_FIELDS "name,state,used,used_memory,used_gpus,jobs,partitions,because"
#define NODES_LONG_FIELDS                                                                          \
    "name,state,used,used_memory,used_gpus,jobs,partitions,features,isolation,version,"            \
    "registered,last_beat,because"
#define PARTITIONS_FIELDS                                                                          \
    "name,default,state,limit_max,nodes,nodes_idle,nodes_allocated,nodes_other,used,"              \
    "jobs_pending,jobs_running,node_list"

struct queue_options {
    struct cli_common common;
    const char *user, *account, *partition, *name, *node, *state;
    bool tasks, details, start;
};

#define QUEUE(field) offsetof(struct queue_options, field)

const struct cli_option cli_queue_options[] = {
    { "--user", CLI_TEXT, "NAMES", QUEUE(user), NULL, 0, 0, "of these users (names or numbers)" },
    { "--account", CLI_TEXT, "NAMES", QUEUE(account), NULL, 0, 0, "of these accounts" },
    { "--partition", CLI_TEXT, "NAMES", QUEUE(partition), NULL, 0, 0, "in these partitions" },
    { "--name", CLI_TEXT, "NAMES", QUEUE(name), NULL, 0, 0, "with these names" },
    { "--node", CLI_TEXT, "NODES", QUEUE(node), NULL, 0, 0, "on these nodes: n1,n[4-7]" },
    { "--state", CLI_TEXT, "STATES", QUEUE(state), NULL, 0, 0,
      "in these states: PENDING, R, ...; all: those that have just ended, too" },
    { "--tasks", CLI_FLAG, NULL, QUEUE(tasks), NULL, 0, 0,
      "a line for each waiting task of an array" },
    { "--start", CLI_FLAG, NULL, QUEUE(start), NULL, 0, 0,
      "waiting jobs, and when they are expected to start: if running ones use up their limits" },
    { "--long", CLI_FLAG, NULL, QUEUE(details), NULL, 0, 0, "more columns" },
    CLI_AT_OPTIONS(queue_options),
    CLI_LIST_OPTIONS(queue_options),
    CLI_JSON_OPTION(queue_options),
    CLI_DIR_OPTION(queue_options),
    { 0 },
};

static void add(struct dk_question *question, const char *name, const char *value)
{
    if (value != NULL)
        dk_question_add(question, name, value);
}

int cli_queue(const struct cli_command *command, int argc, char **argv)
{
    struct queue_options options;
    struct cli_client client;
    struct dk_question question;
    struct dk_buf ids;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_buf_init(&ids, &dk_heap, 1 << 20);
    dk_question_init(&question, "/v1/jobs");
    if (operands > 0)
        dk_question_add(&question, "id", cli_join(&ids, operands, argv));
    add(&question, "user", options.user);
    add(&question, "account", options.account);
    add(&question, "partition", options.partition);
    add(&question, "name", options.name);
    add(&question, "node", options.node);
    add(&question, "state", options.state == NULL && options.start ? "PENDING" : options.state);
    if (options.tasks)
        dk_question_add(&question, "tasks", "1");
    if (options.start)
        dk_question_add_number(&question, "starts", QUEUE_STARTS);
    exit = cli_client_at(&client, &question);
    if (exit == CLI_GO_ON)
        exit = cli_client_list(&client, &question,
                               options.details ? QUEUE_LONG_FIELDS
                               : options.start ? QUEUE_START_FIELDS
                                               : QUEUE_FIELDS,
                               "no such jobs in the queue");
    else
        dk_question_release(&question);
    dk_buf_release(&ids);
    cli_client_close(&client);
    return exit;
}

/* --- nodes and partitions --- */

struct nodes_options {
    struct cli_common common;
    const char *partition, *state;
    bool details;
};

#define NODES(field) offsetof(struct nodes_options, field)

const struct cli_option cli_nodes_options[] = {
    { "--partition", CLI_TEXT, "NAMES", NODES(partition), NULL, 0, 0, "of these partitions" },
    { "--state", CLI_TEXT, "STATES", NODES(state), NULL, 0, 0,
      "in these states: IDLE, MIXED, ALLOCATED, DRAINING, DRAINED, DOWN, LOST, UNKNOWN" },
    { "--long", CLI_FLAG, NULL, NODES(details), NULL, 0, 0, "more columns" },
    CLI_AT_OPTIONS(nodes_options),
    CLI_LIST_OPTIONS(nodes_options),
    CLI_JSON_OPTION(nodes_options),
    CLI_DIR_OPTION(nodes_options),
    { 0 },
};

const struct cli_option cli_partitions_options[] = {
    { "--state", CLI_TEXT, "STATES", NODES(state), NULL, 0, 0,
      "in these states: UP, DOWN, DRAINED, INACTIVE" },
    CLI_AT_OPTIONS(nodes_options),
    CLI_LIST_OPTIONS(nodes_options),
    CLI_JSON_OPTION(nodes_options),
    CLI_DIR_OPTION(nodes_options),
    { 0 },
};

static int list_nodes(const struct cli_command *command, int argc, char **argv, const char *path,
                      const char *operand_name, const char *fields, const char *long_fields,
                      const char *nothing)
{
    struct nodes_options options = { .partition = NULL };
    struct cli_client client;
    struct dk_question question;
    struct dk_buf names;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_buf_init(&names, &dk_heap, 1 << 20);
    dk_question_init(&question, path);
    if (operands > 0)
        dk_question_add(&question, operand_name, cli_join(&names, operands, argv));
    add(&question, "partition", options.partition);
    add(&question, "state", options.state);
    exit = cli_client_at(&client, &question);
    if (exit == CLI_GO_ON)
        exit = cli_client_list(&client, &question, options.details ? long_fields : fields, nothing);
    else
        dk_question_release(&question);
    dk_buf_release(&names);
    cli_client_close(&client);
    return exit;
}

int cli_nodes(const struct cli_command *command, int argc, char **argv)
{
    return list_nodes(command, argc, argv, "/v1/nodes", "node", NODES_FIELDS, NODES_LONG_FIELDS,
                      "no such nodes");
}

int cli_partitions(const struct cli_command *command, int argc, char **argv)
{
    return list_nodes(command, argc, argv, "/v1/partitions", "partition", PARTITIONS_FIELDS,
                      PARTITIONS_FIELDS, "no such partitions");
}
