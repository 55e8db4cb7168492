/* cmd_events.c - docket log tail and log follow: events as they are, a line of JSON each; docket
 * stats */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/events.h"
#include "cli/json.h"

#include <stdio.h>
#include <string.h>

struct events_options {
    struct cli_common common;
    const char *type;
    int64_t job, count, after;
};

#define EVENTS(field) offsetof(struct events_options, field)

const struct cli_option cli_log_tail_options[] = {
    { "--count", CLI_NUMBER, "N", EVENTS(count), "10", 1, 1000000, "how many events to look at" },
    { "--type", CLI_TEXT, "TYPES", EVENTS(type), NULL, 0, 0,
      "of them, only these types, e.g. JobPlaced,JobEnded" },
    { "--job", CLI_NUMBER, "ID", EVENTS(job), NULL, 1, INT64_MAX, "of them, only this job's" },
    CLI_DIR_OPTION(events_options),
    { 0 },
};

const struct cli_option cli_log_follow_options[] = {
    { "--after", CLI_NUMBER, "SEQ", EVENTS(after), "-1", -1, INT64_MAX,
      "begin behind this event; -1: with the next one" },
    { "--type", CLI_TEXT, "TYPES", EVENTS(type), NULL, 0, 0,
      "only these types, e.g. JobPlaced,JobEnded" },
    { "--job", CLI_NUMBER, "ID", EVENTS(job), NULL, 1, INT64_MAX, "only this job's" },
    CLI_DIR_OPTION(events_options),
    { 0 },
};

const struct cli_option cli_stats_options[] = {
    CLI_JSON_OPTION(events_options),
    CLI_DIR_OPTION(events_options),
    { 0 },
};

/* --- events, for watch too --- */

enum dk_status cli_events_now(struct dk_session *session, int64_t *seq, struct dk_err *err)
{
    struct dk_question question;
    struct dk_buf body;
    enum dk_status status;

    dk_buf_init(&body, &dk_heap, 1 << 20);
    dk_question_init(&question, "/v1/status");
    status = dk_ask_body(session, &question, NULL, &body, seq, err);
    dk_question_release(&question);
    dk_buf_release(&body);
    return status;
}

/* The "seq" of the last line of a body. */
static int64_t last_seq(const struct dk_buf *body)
{
    const char *start = (const char *)body->data, *end = start + body->size, *line;
    struct dk_json json;
    int64_t seq = 0;
    char key[8];

    while (end > start && end[-1] == '\n')
        end--;
    line = end;
    while (line > start && line[-1] != '\n')
        line--;
    dk_json_begin(&json, line, (size_t)(end - line));
    for (dk_json_enter(&json, '{'); seq == 0 && dk_json_key(&json, key, sizeof(key));) {
        if (strcmp(key, "seq") == 0)
            seq = dk_json_take_number(&json);
        else
            dk_json_skip(&json);
    }
    return seq;
}

enum dk_status cli_events_next(struct dk_session *session, const struct cli_event_filter *filter,
                               int64_t *after, struct dk_buf *body, struct dk_err *err)
{
    struct dk_question question;
    enum dk_status status;
    int64_t seq = 0;

    dk_question_init(&question, "/v1/events");
    dk_question_add_number(&question, "after", *after);
    dk_question_add_number(&question, "wait_ms", filter->wait_ms);
    if (filter->limit > 0)
        dk_question_add_number(&question, "limit", filter->limit);
    if (filter->type != NULL)
        dk_question_add(&question, "type", filter->type);
    if (filter->job != 0)
        dk_question_add_number(&question, "job", filter->job);
    dk_buf_clear(body);
    status = dk_ask_body(session, &question, NULL, body, &seq, err);
    dk_question_release(&question);
    if (status != DK_OK)
        return status;
    if (body->size > 0)
        *after = last_seq(body);
    else if (seq > *after)
        *after = seq; /* nothing of what was asked for up to there */
    return DK_OK;
}

/* --- the commands --- */

int cli_log_tail(const struct cli_command *command, int argc, char **argv)
{
    struct events_options options = { 0 };
    struct cli_event_filter filter = { 0 };
    struct cli_client client;
    struct dk_buf body;
    struct dk_err err;
    int64_t seq = 0, after;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);
    enum dk_status status;

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    filter.type = options.type;
    filter.job = options.job;
    dk_buf_init(&body, &dk_heap, (size_t)1 << 31);
    status = cli_events_now(&client.session, &seq, &err);
    after = seq > options.count ? seq - options.count : 0;
    while (status == DK_OK && after < seq) {
        int64_t before = after;

        status = cli_events_next(&client.session, &filter, &after, &body, &err);
        if (status == DK_OK && (body.size == 0 || after == before))
            break;
        (void)fwrite(body.data, 1, body.size, stdout);
    }
    exit = status == DK_OK ? CLI_EXIT_OK : cli_fail(&err);
    dk_buf_release(&body);
    cli_client_close(&client);
    return exit;
}

int cli_log_follow(const struct cli_command *command, int argc, char **argv)
{
    struct events_options options = { 0 };
    struct cli_event_filter filter = { .wait_ms = CLI_EVENTS_WAIT_MS };
    struct cli_client client;
    struct dk_buf body;
    struct dk_err err;
    int64_t after;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);
    enum dk_status status = DK_OK;

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    filter.type = options.type;
    filter.job = options.job;
    after = options.after;
    dk_buf_init(&body, &dk_heap, (size_t)1 << 31);
    if (after < 0)
        status = cli_events_now(&client.session, &after, &err);
    while (status == DK_OK) {
        status = cli_events_next(&client.session, &filter, &after, &body, &err);
        if (status != DK_OK)
            break;
        if (fwrite(body.data, 1, body.size, stdout) != body.size || fflush(stdout) != 0)
            break; /* nobody reads any more; cli_finish says why if it matters */
    }
    exit = status == DK_OK ? CLI_EXIT_OK : cli_fail(&err);
    dk_buf_release(&body);
    cli_client_close(&client);
    return exit;
}

/* --- stats --- */

/* Every value on a line of its own, by its path: "log.batches 17". */
static void flatten(struct dk_json *json, char *path, size_t used, size_t size)
{
    char key[64], text[512];
    uint32_t i = 0;

    switch (dk_json_peek(json)) {
    case '{':
        for (dk_json_enter(json, '{'); dk_json_key(json, key, sizeof(key));) {
            int more = snprintf(path + used, size - used, "%s%s", used > 0 ? "." : "", key);

            flatten(json, path, more > 0 && used + (size_t)more < size ? used + (size_t)more : used,
                    size);
        }
        break;
    case '[':
        for (dk_json_enter(json, '['); dk_json_item(json); i++) {
            int more = snprintf(path + used, size - used, "%s%u", used > 0 ? "." : "", i);

            flatten(json, path, more > 0 && used + (size_t)more < size ? used + (size_t)more : used,
                    size);
        }
        break;
    default:
        dk_json_take_text(json, text, sizeof(text));
        if (!json->bad)
            (void)printf("%-40.*s %s\n", (int)used, path, text);
        break;
    }
}

int cli_stats(const struct cli_command *command, int argc, char **argv)
{
    struct events_options options = { 0 };
    struct cli_client client;
    struct dk_question question;
    struct dk_buf body;
    struct dk_json json;
    struct dk_err err;
    char path[512] = "";
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_question_init(&question, "/v1/stats");
    if (options.common.json) {
        exit = cli_client_print(&client, &question);
        cli_client_close(&client);
        return exit;
    }
    dk_buf_init(&body, &dk_heap, 1 << 26);
    if (dk_ask_body(&client.session, &question, NULL, &body, NULL, &err) != DK_OK) {
        exit = cli_fail(&err);
    } else {
        dk_json_begin(&json, body.data, body.size);
        flatten(&json, path, 0, sizeof(path));
        exit = CLI_EXIT_OK;
    }
    dk_buf_release(&body);
    dk_question_release(&question);
    cli_client_close(&client);
    return exit;
}
