/* cmd_explain.c - docket explain: why a job waits, or why it started where and when it did */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/explain_page.h"

#include <stdio.h>

struct explain_options {
    struct cli_common common;
};

const struct cli_option cli_explain_options[] = {
    CLI_AT_OPTIONS(explain_options),
    CLI_COLOR_OPTION(explain_options),
    CLI_JSON_OPTION(explain_options),
    CLI_DIR_OPTION(explain_options),
    { 0 },
};

static int print_page(struct cli_client *client, struct dk_question *question)
{
    struct dk_buf json, page;
    struct dk_err err;
    int64_t seq;
    int exit = CLI_EXIT_OK;

    dk_buf_init(&json, &dk_heap, (size_t)256 << 20);
    dk_buf_init(&page, &dk_heap, (size_t)16 << 20);
    if (dk_ask_body(&client->session, question, NULL, &json, &seq, &err) != DK_OK) {
        exit = cli_fail(&err);
    } else if (!cli_explain_page(&client->style, &json, &page)) {
        (void)dk_fail(&err, DK_CORRUPT, "the answer cannot be read; --json prints it as it is");
        exit = cli_fail(&err);
    } else {
        (void)fwrite(page.data, 1, page.size, stdout);
    }
    dk_buf_release(&page);
    dk_buf_release(&json);
    dk_question_release(question);
    return exit;
}

int cli_explain(const struct cli_command *command, int argc, char **argv)
{
    struct explain_options options = { 0 };
    struct dk_question question;
    struct cli_client client;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_question_init(&question, "/v1/explain");
    dk_question_add(&question, "job", argv[0]);
    exit = cli_client_at(&client, &question);
    if (exit != CLI_GO_ON)
        dk_question_release(&question);
    else if (options.common.json)
        exit = cli_client_print(&client, &question);
    else
        exit = print_page(&client, &question);
    cli_client_close(&client);
    return exit;
}
