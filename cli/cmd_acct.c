/* cmd_acct.c - docket acct: every job that ever was, and what users and accounts have used */
#include "cli/client.h"
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#define ACCT_FIELDS                                                                                \
    "job,name,user,account,partition,state,exit,submit,start,end,elapsed,cores,nodes"
#define ACCT_LONG_FIELDS                                                                           \
    "job,name,user,account,partition,state,exit,submit,start,end,elapsed,limit,cores,gpus,nodes,"  \
    "node_list,user_us,system_us,rss_max_kib,read_bytes,written_bytes,attempt"
#define USAGE_FIELDS "jobs,core_us,gpu_us,wait_us"

struct acct_options {
    struct cli_common common;
    const char *user, *account, *partition, *name, *node, *state, *since, *until, *by;
    int64_t limit;
    bool steps, duplicates, details;
};

#define ACCT(field) offsetof(struct acct_options, field)

const struct cli_option cli_acct_options[] = {
    { "--user", CLI_TEXT, "NAMES", ACCT(user), NULL, 0, 0, "of these users (names or numbers)" },
    { "--account", CLI_TEXT, "NAMES", ACCT(account), NULL, 0, 0, "of these accounts" },
    { "--partition", CLI_TEXT, "NAMES", ACCT(partition), NULL, 0, 0, "in these partitions" },
    { "--name", CLI_TEXT, "NAMES", ACCT(name), NULL, 0, 0, "with these names" },
    { "--node", CLI_TEXT, "NODES", ACCT(node), NULL, 0, 0, "on these nodes" },
    { "--state", CLI_TEXT, "STATES", ACCT(state), NULL, 0, 0,
      "in these states: COMPLETED, F, TIMEOUT, ..." },
    { "--since", CLI_TEXT, "TIME", ACCT(since), NULL, 0, 0,
      "active at or after this time: 2026-11-25T14:02, 14:02, today, -2d" },
    { "--until", CLI_TEXT, "TIME", ACCT(until), NULL, 0, 0, "active before this time" },
    { "--steps", CLI_FLAG, NULL, ACCT(steps), NULL, 0, 0, "with a line for each step" },
    { "--duplicates", CLI_FLAG, NULL, ACCT(duplicates), NULL, 0, 0,
      "with the runs before a requeue" },
    { "--limit", CLI_NUMBER, "N", ACCT(limit), NULL, 1, UINT32_MAX, "the newest N only" },
    { "--long", CLI_FLAG, NULL, ACCT(details), NULL, 0, 0, "more columns" },
    CLI_LIST_OPTIONS(acct_options),
    CLI_JSON_OPTION(acct_options),
    CLI_DIR_OPTION(acct_options),
    { 0 },
};

const struct cli_option cli_acct_usage_options[] = {
    { "--by", CLI_TEXT, "LIST", ACCT(by), "user", 0, 0,
      "a line for each: some of user, account, partition, day" },
    { "--since", CLI_TEXT, "TIME", ACCT(since), NULL, 0, 0, "from this day on" },
    { "--until", CLI_TEXT, "TIME", ACCT(until), NULL, 0, 0, "before this day" },
    CLI_LIST_OPTIONS(acct_options),
    CLI_JSON_OPTION(acct_options),
    CLI_DIR_OPTION(acct_options),
    { 0 },
};

static void add(struct dk_question *question, const char *name, const char *value)
{
    if (value != NULL)
        dk_question_add(question, name, value);
}

int cli_acct(const struct cli_command *command, int argc, char **argv)
{
    struct acct_options options = { 0 };
    struct cli_client client;
    struct dk_question question;
    struct dk_buf ids;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_buf_init(&ids, &dk_heap, 1 << 20);
    dk_question_init(&question, "/v1/history");
    if (operands > 0)
        dk_question_add(&question, "id", cli_join(&ids, operands, argv));
    add(&question, "user", options.user);
    add(&question, "account", options.account);
    add(&question, "partition", options.partition);
    add(&question, "name", options.name);
    add(&question, "node", options.node);
    add(&question, "state", options.state);
    if (options.steps)
        dk_question_add(&question, "steps", "1");
    if (options.duplicates)
        dk_question_add(&question, "duplicates", "1");
    if (options.limit > 0)
        dk_question_add_number(&question, "limit", options.limit);
    exit = cli_client_time(&client, &question, "--since", "since", options.since);
    if (exit == CLI_GO_ON)
        exit = cli_client_time(&client, &question, "--until", "until", options.until);
    if (exit == CLI_GO_ON)
        exit = cli_client_list(&client, &question, options.details ? ACCT_LONG_FIELDS : ACCT_FIELDS,
                               "no such jobs in the history");
    else
        dk_question_release(&question);
    dk_buf_release(&ids);
    cli_client_close(&client);
    return exit;
}

int cli_acct_usage(const struct cli_command *command, int argc, char **argv)
{
    struct acct_options options = { 0 };
    struct cli_client client;
    struct dk_question question;
    char fields[256];
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON && strlen(options.by) > 100)
        exit = cli_usage_error(command, "--by takes some of user, account, partition, day");
    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    (void)snprintf(fields, sizeof(fields), "%s,%s", options.by, USAGE_FIELDS);
    dk_question_init(&question, "/v1/usage");
    dk_question_add(&question, "by", options.by);
    exit = cli_client_time(&client, &question, "--since", "since", options.since);
    if (exit == CLI_GO_ON)
        exit = cli_client_time(&client, &question, "--until", "until", options.until);
    if (exit == CLI_GO_ON)
        exit = cli_client_list(&client, &question, fields, "nothing was used in that time");
    else
        dk_question_release(&question);
    cli_client_close(&client);
    return exit;
}
