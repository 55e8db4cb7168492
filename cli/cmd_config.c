/* cmd_config.c - docket config: show, apply, history, diff
 *
 * A file is applied as a whole. The request names the configuration that the difference was shown
 * against, so that one which came between is not overwritten unseen. */
#include "cli/config_commands.h"
#include "cli/config_tree.h"
#include "cli/human.h"
#include "cli/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The configuration as of `moment` (a seq, a time; NULL: now, or --at of the command). */
static int fetch(struct cli_client *client, const char *moment, struct dk_cluster_config *config,
                 struct dk_arena *arena)
{
    struct dk_question question;
    struct dk_buf body;
    struct dk_err err;
    int64_t seq;
    int exit = CLI_GO_ON;

    dk_buf_init(&body, &dk_heap, (size_t)1 << 30);
    dk_question_init(&question, "/v1/config");
    if (moment == NULL)
        exit = cli_client_at(client, &question);
    else if (strcmp(moment, "now") == 0)
        exit = CLI_GO_ON;
    else if (strlen(moment) < 13 && cli_parse_whole(moment, 1, INT64_MAX, &seq, &err) == DK_OK)
        dk_question_add_number(&question, "at_seq", seq);
    else
        exit = cli_client_time(client, &question, "a moment", "at", moment);
    if (exit == CLI_GO_ON &&
        (dk_ask_body(&client->session, &question, NULL, &body, NULL, &err) != DK_OK ||
         config_from_json(&body, config, arena, &err) != DK_OK))
        exit = cli_fail(&err);
    dk_question_release(&question);
    dk_buf_release(&body);
    return exit;
}

int cli_config_show(const struct cli_command *command, int argc, char **argv)
{
    struct config_options options = { 0 };
    struct dk_cluster_config config;
    struct cli_client client;
    struct dk_question question;
    struct dk_arena arena;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_arena_init(&arena, &dk_heap);
    if (options.common.json) {
        dk_question_init(&question, "/v1/config");
        exit = cli_client_at(&client, &question);
        if (exit == CLI_GO_ON)
            exit = cli_client_print(&client, &question);
        else
            dk_question_release(&question);
    } else {
        exit = fetch(&client, NULL, &config, &arena);
        if (exit == CLI_GO_ON) {
            config_print(&config, stdout);
            exit = CLI_EXIT_OK;
        }
    }
    dk_arena_release(&arena);
    cli_client_close(&client);
    return exit;
}

int cli_config_history(const struct cli_command *command, int argc, char **argv)
{
    struct config_options options = { 0 };
    struct cli_client client;
    struct dk_question question;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_question_init(&question, "/v1/config/history");
    exit = cli_client_list(&client, &question, "seq,time,user,note", "it was never set");
    cli_client_close(&client);
    return exit;
}

int cli_config_diff(const struct cli_command *command, int argc, char **argv)
{
    struct config_options options = { 0 };
    struct dk_cluster_config before, after;
    struct cli_client client;
    struct dk_arena arena;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_arena_init(&arena, &dk_heap);
    exit = fetch(&client, argv[0], &before, &arena);
    if (exit == CLI_GO_ON)
        exit = fetch(&client, operands > 1 ? argv[1] : "now", &after, &arena);
    if (exit == CLI_GO_ON) {
        exit = CLI_EXIT_OK;
        if (config_compare(&before, &after, stdout) == 0)
            (void)fprintf(stderr, "docket: the two are the same\n");
    }
    dk_arena_release(&arena);
    cli_client_close(&client);
    return exit;
}

/* --- apply --- */

/* One row of the history: its seq when a whole configuration was applied by it, else 0. */
static int64_t applied_seq(struct dk_json *json)
{
    char key[16], what[32] = "ConfigurationApplied";
    int64_t seq = 0;

    for (dk_json_enter(json, '{'); dk_json_key(json, key, sizeof(key));) {
        if (strcmp(key, "seq") == 0)
            seq = dk_json_take_number(json);
        else if (strcmp(key, "what") == 0)
            dk_json_take_text(json, what, sizeof(what));
        else
            dk_json_skip(json);
    }
    return strcmp(what, "ConfigurationApplied") == 0 ? seq : 0;
}

/* The seq of the configuration that was applied last; 0: not known. */
static int64_t present_seq(struct cli_client *client)
{
    struct dk_question question;
    struct dk_buf body;
    struct dk_json json;
    struct dk_err err;
    int64_t newest = 0;
    char key[16];

    dk_buf_init(&body, &dk_heap, (size_t)1 << 28);
    dk_question_init(&question, "/v1/config/history");
    if (dk_ask_body(&client->session, &question, NULL, &body, NULL, &err) == DK_OK) {
        dk_json_begin(&json, body.data, body.size);
        for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
            if (strcmp(key, "rows") != 0) {
                dk_json_skip(&json);
                continue;
            }
            for (dk_json_enter(&json, '['); dk_json_item(&json);) {
                int64_t seq = applied_seq(&json);

                newest = seq > newest ? seq : newest;
            }
        }
    }
    dk_question_release(&question);
    dk_buf_release(&body);
    return newest;
}

static int read_file(const char *name, const struct dk_cluster_config *present,
                     struct dk_cluster_config *config, struct dk_arena *arena)
{
    bool is_stdin = strcmp(name, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(name, "r");
    struct dk_err err;
    enum dk_status status;

    if (file == NULL) {
        (void)dk_fail(&err, DK_INVALID, "'%s' can't be read: %s", name, strerror(errno));
        return cli_fail(&err);
    }
    status =
        config_from_yaml(is_stdin ? "standard input" : name, file, present, config, arena, &err);
    if (!is_stdin)
        (void)fclose(file);
    return status == DK_OK ? CLI_GO_ON : cli_fail(&err);
}

static int send(struct cli_client *client, const struct config_options *options,
                const struct dk_cluster_config *config, int64_t replaces)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };
    const char *name = "the configuration";
    uint32_t accepted;
    int exit;

    request.meta.time = client->style.now_us;
    request.apply_configuration.config = *config;
    request.apply_configuration.note = dk_text_of(options->note);
    request.apply_configuration.replaces = replaces;
    exit = cli_client_send(client, &request, 1, &name, &accepted);
    if (accepted > 0)
        (void)printf("applied, seq %lld\n", (long long)client->seq);
    return exit;
}

int cli_config_apply(const struct cli_command *command, int argc, char **argv)
{
    struct config_options options = { 0 };
    struct dk_cluster_config before, after = { 0 };
    struct cli_client client;
    struct dk_arena arena;
    int64_t replaces = 0;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_arena_init(&arena, &dk_heap);
    config_default(&before);
    exit = read_file(argv[0], &before, &after, &arena); /* mistakes first, also without a cluster */
    if (exit == CLI_GO_ON) {
        replaces = present_seq(&client);
        exit = fetch(&client, "now", &before, &arena);
    }
    if (exit == CLI_GO_ON) {
        if (after.policy.origin == 0)
            after.policy.origin = before.policy.origin;
        if (config_compare(&before, &after, stdout) == 0) {
            (void)fprintf(stderr, "docket: nothing to change: that is the configuration now\n");
            exit = CLI_EXIT_OK;
        } else if (options.dry_run) {
            (void)fprintf(stderr, "docket: --dry-run: nothing was changed\n");
            exit = CLI_EXIT_OK;
        } else {
            (void)fflush(stdout);
            exit = send(&client, &options, &after, replaces);
        }
    }
    dk_arena_release(&arena);
    cli_client_close(&client);
    return exit;
}
