/* cmd_job.c - docket job: everything of one job, as text
 *
 * From the queue while it is there, else from history, whose rows of steps and of earlier runs are
 * shown in both cases. */
#include "cli/client.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/human.h"

#include <stdio.h>
#include <string.h>

struct job_options {
    struct cli_common common;
    bool script, environment;
};

const struct cli_option cli_job_options[] = {
    { "--script", CLI_FLAG, NULL, offsetof(struct job_options, script), NULL, 0, 0,
      "print its batch script, if it is yours" },
    { "--environment", CLI_FLAG, NULL, offsetof(struct job_options, environment), NULL, 0, 0,
      "print the environment that it was submitted with, if it is yours" },
    CLI_AT_OPTIONS(job_options),
    CLI_COLOR_OPTION(job_options),
    CLI_JSON_OPTION(job_options),
    CLI_DIR_OPTION(job_options),
    { 0 },
};

#define FAR_US (INT64_C(20) * 365 * 86400 * 1000000)

enum item_kind {
    ITEM_TEXT,
    ITEM_TIME,
    ITEM_SPAN,
    ITEM_MIB,
    ITEM_KIB,
    ITEM_BYTES,
    ITEM_YES,
    ITEM_MANY
};

/* A line of the page; a NULL field is a blank line. ITEM_MANY: not shown when it is 0. */
static const struct item {
    const char *field, *label;
    enum item_kind kind;
} items[] = {
    { "account", "account", ITEM_TEXT },
    { "partition", "partition", ITEM_TEXT },
    { "priority", "priority", ITEM_TEXT },
    { "nice", "nice", ITEM_MANY },
    { "hold", "held by", ITEM_TEXT },
    { "reason", "waits for", ITEM_TEXT },
    { "dependency", "depends on", ITEM_TEXT },
    { "why", "why", ITEM_TEXT },
    { "comment", "comment", ITEM_TEXT },
    { NULL, NULL, ITEM_TEXT },
    { "submit", "submitted", ITEM_TIME },
    { "begin", "not before", ITEM_TIME },
    { "eligible", "eligible", ITEM_TIME },
    { "planned", "starts by", ITEM_TIME },
    { "start", "started", ITEM_TIME },
    { "end", "ends", ITEM_TIME },
    { "elapsed", "ran", ITEM_SPAN },
    { "limit", "limit", ITEM_SPAN },
    { "attempt", "run", ITEM_MANY },
    { NULL, NULL, ITEM_TEXT },
    { "nodes", "nodes", ITEM_MANY },
    { "node_list", "on", ITEM_TEXT },
    { "batch_host", "script runs on", ITEM_TEXT },
    { "cores", "cores", ITEM_MANY },
    { "core_list", "core numbers", ITEM_TEXT },
    { "tasks", "tasks", ITEM_MANY },
    { "cores_per_task", "cores per task", ITEM_MANY },
    { "tasks_per_node", "tasks per node", ITEM_MANY },
    { "memory_per_node", "memory per node", ITEM_MIB },
    { "memory_per_core", "memory per core", ITEM_MIB },
    { "gpus", "GPUs", ITEM_MANY },
    { "gpu_list", "GPU numbers", ITEM_TEXT },
    { "constraint", "features", ITEM_TEXT },
    { "nodes_wanted", "must have", ITEM_TEXT },
    { "nodes_excluded", "must not have", ITEM_TEXT },
    { "exclusive", "whole nodes", ITEM_YES },
    { "requeue", "may be requeued", ITEM_YES },
    { NULL, NULL, ITEM_TEXT },
    { "user_us", "user time", ITEM_SPAN },
    { "system_us", "system time", ITEM_SPAN },
    { "rss_max_kib", "most memory", ITEM_KIB },
    { "read_bytes", "read", ITEM_BYTES },
    { "written_bytes", "written", ITEM_BYTES },
    { NULL, NULL, ITEM_TEXT },
    { "command", "command", ITEM_TEXT },
    { "work_dir", "folder", ITEM_TEXT },
    { "std_in", "input", ITEM_TEXT },
    { "std_out", "output", ITEM_TEXT },
    { "std_err", "errors", ITEM_TEXT },
    { "submit_host", "submitted from", ITEM_TEXT },
    { "key", "key", ITEM_TEXT },
};
enum { ITEMS = sizeof(items) / sizeof(items[0]), HEAD = 8 };

#define HEAD_FIELDS "job,name,user,uid,group,state,exit,ended_by"
#define RUN_FIELDS "job,name,state,exit,start,end,elapsed,tasks,cores,user_us,rss_max_kib,node_list"

static const char *item_text(const struct item *item, const char *text, char *out, size_t size)
{
    int64_t number = 0;
    struct dk_err err;
    bool has_number = cli_parse_whole(text, INT64_MIN, INT64_MAX, &number, &err) == DK_OK;

    if (item->kind != ITEM_TEXT && (!has_number || number == 0))
        return item->kind == ITEM_YES && text[0] == 't' ? "yes" : "";
    switch (item->kind) {
    case ITEM_TIME: /* the end of what has no limit is far away, and not worth a line */
        return number < cli_now_us() + FAR_US ? cli_time(out, number) : "";
    case ITEM_SPAN:
        if (number >= 60 * 1000000 || number % 1000000 == 0)
            return cli_span(out, number);
        (void)snprintf(out, size, "%.3f s", (double)number / 1e6);
        return out;
    case ITEM_MIB:
        return cli_mib(out, number);
    case ITEM_KIB:
        return cli_bytes(out, number * 1024);
    case ITEM_BYTES:
        return cli_bytes(out, number);
    case ITEM_YES:
        return "yes";
    case ITEM_TEXT:
    case ITEM_MANY:
        break;
    }
    return text;
}

static void print_line(const struct cli_client *client, const char *label, const char *text,
                       enum cli_color color)
{
    struct dk_arena arena;
    struct dk_buf out;

    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, 1 << 24);
    if (color != CLI_PLAIN)
        cli_paint(&client->style, color, &out);
    (void)dk_buf_add_text(&out, cli_text_clean(text, &arena));
    if (color != CLI_PLAIN)
        cli_paint(&client->style, CLI_PLAIN, &out);
    (void)printf("%-16s %.*s\n", label, (int)out.size, (const char *)out.data);
    dk_buf_release(&out);
    dk_arena_release(&arena);
}

static void print_head(const struct cli_client *client, const struct cli_view *view,
                       const struct dk_rows *rows, uint32_t row)
{
    char out[1024], line[512];
    const char *cell[HEAD], *state;

    for (uint32_t i = 0; i < HEAD; i++) { /* exit and job may need room: one at a time */
        cell[i] = cli_view_cell(view, rows, row, i, &client->style, out, sizeof(out));
        if (i == 0)
            print_line(client, "job", cell[0], CLI_BOLD);
    }
    print_line(client, "name", cell[1], CLI_PLAIN);
    (void)snprintf(line, sizeof(line), "%s (%s)%s%s", cell[2], cell[3],
                   cell[4][0] ? ", group " : "", cell[4]);
    print_line(client, "user", line, CLI_PLAIN);
    state = cell[5];
    print_line(client, "state", state, cli_state_color(state));
    cell[6] = cli_view_cell(view, rows, row, 6, &client->style, out, sizeof(out));
    if (cell[6][0] != '\0')
        print_line(client, "exit status", cell[6], strcmp(cell[6], "0") == 0 ? CLI_PLAIN : CLI_RED);
    if (cell[7][0] != '\0' && strcmp(cell[7], "-1") != 0)
        print_line(client, "ended by user", cell[7], CLI_PLAIN);
}

static void print_job(const struct cli_client *client, const struct cli_view *view,
                      const struct dk_rows *rows, uint32_t row)
{
    char out[64];
    bool is_blank_due = false;
    uint32_t column = HEAD; /* the columns of the items follow those of the head */
    const char *state = dk_cell(rows, row, view->first[5]);
    bool has_ended = cli_state_color(state) == CLI_DIM || cli_state_color(state) == CLI_RED;

    print_head(client, view, rows, row);
    for (uint32_t i = 0; i < ITEMS; i++) {
        const char *text, *label = items[i].label;

        if (items[i].field == NULL) {
            is_blank_due = true;
            continue;
        }
        text = item_text(&items[i], dk_cell(rows, row, view->first[column++]), out, sizeof(out));
        if (text[0] == '\0' || strcmp(text, "None") == 0)
            continue;
        if (is_blank_due)
            (void)putchar('\n');
        is_blank_due = false;
        if (has_ended && strcmp(label, "ends") == 0)
            label = "ended";
        print_line(client, label, text, CLI_PLAIN);
    }
}

static void make_fields(char *fields, size_t size)
{
    size_t used = (size_t)snprintf(fields, size, "%s", HEAD_FIELDS);

    for (uint32_t i = 0; i < ITEMS; i++)
        if (items[i].field != NULL)
            used += (size_t)snprintf(fields + used, size - used, ",%s", items[i].field);
}

/* Asks for the job at `path`; the number of rows, negative after a failure that has been said. */
static int64_t print_from(struct cli_client *client, const char *path, const char *id, bool is_live)
{
    struct dk_question question;
    struct cli_view view;
    struct dk_rows rows;
    struct dk_err err;
    char fields[2048];
    int64_t count = -1;

    make_fields(fields, sizeof(fields));
    if (cli_view_make(&view, fields, &err) != DK_OK)
        return (void)cli_fail(&err), -1;
    dk_question_init(&question, path);
    dk_question_add(&question, "id", id);
    if (is_live) {
        dk_question_add(&question, "state", "all");
        if (cli_client_at(client, &question) != CLI_GO_ON)
            return dk_question_release(&question), -2;
    }
    if (dk_ask_rows(&client->session, &question, view.fields, &rows, &err) == DK_OK) {
        count = rows.rows;
        for (uint32_t row = 0; row < rows.rows; row++) {
            if (row > 0)
                (void)putchar('\n');
            print_job(client, &view, &rows, row);
        }
    } else if (err.status == DK_NOT_FOUND && client->session.has_answer) {
        count = 0;
    } else {
        (void)cli_fail(&err);
        count = -(int64_t)dk_status_exit(err.status) - 10;
    }
    dk_rows_release(&rows);
    dk_question_release(&question);
    return count;
}

/* Its steps and earlier runs, when there are any beside the job itself. */
static void print_runs(struct cli_client *client, const char *id)
{
    struct dk_question question;
    struct cli_listing listing;
    struct cli_view view;
    struct dk_rows rows;
    struct dk_err err;

    if (cli_view_make(&view, RUN_FIELDS, &err) != DK_OK)
        return;
    dk_question_init(&question, "/v1/history");
    dk_question_add(&question, "id", id);
    dk_question_add(&question, "steps", "1");
    dk_question_add(&question, "duplicates", "1");
    dk_question_add(&question, "limit", "1000");
    if (dk_ask_rows(&client->session, &question, view.fields, &rows, &err) == DK_OK &&
        rows.rows > 1) {
        cli_listing_init(&listing, &client->style);
        cli_view_list(&view, &rows, &listing);
        (void)printf("\nruns and steps\n");
        cli_listing_print(&listing, true);
        cli_listing_release(&listing);
    }
    dk_rows_release(&rows);
    dk_question_release(&question);
}

static int print_json(struct cli_client *client, const char *id)
{
    struct dk_question question;
    bool is_past = client->common->at != NULL || client->common->at_seq != 0;
    int exit;

    dk_question_init(&question, is_past ? "/v1/jobs" : "/v1/history");
    dk_question_add(&question, "id", id);
    dk_question_add(&question, is_past ? "state" : "steps", is_past ? "all" : "1");
    exit = cli_client_at(client, &question);
    if (exit == CLI_GO_ON)
        return cli_client_print(client, &question);
    dk_question_release(&question);
    return exit;
}

/* Of the environment each variable ends in a zero byte, and has a line here. */
static int print_given(struct cli_client *client, const char *id, const char *what)
{
    bool is_lines = strcmp(what, "environment") == 0;
    struct dk_question question;
    struct dk_buf body;
    struct dk_err err;
    int exit = CLI_EXIT_OK;

    dk_question_init(&question, "/v1/script");
    dk_question_add(&question, "job", id);
    dk_question_add(&question, "what", what);
    dk_buf_init(&body, &dk_heap, 64 << 20);
    if (dk_ask_body(&client->session, &question, NULL, &body, NULL, &err) != DK_OK)
        exit = err.status == DK_END ? ((void)cli_fail(&err), CLI_EXIT_REFUSED) : cli_fail(&err);
    for (size_t at = 0; is_lines && at < body.size; at++)
        body.data[at] = body.data[at] == '\0' ? '\n' : body.data[at];
    if (exit == CLI_EXIT_OK && fwrite(body.data, 1, body.size, stdout) != body.size)
        exit = CLI_EXIT_WORLD;
    dk_buf_release(&body);
    dk_question_release(&question);
    return exit;
}

int cli_job(const struct cli_command *command, int argc, char **argv)
{
    struct job_options options = { 0 };
    struct cli_client client;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);
    bool is_past = options.common.at != NULL || options.common.at_seq != 0;
    int64_t count;

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    if (options.script || options.environment) {
        exit = print_given(&client, argv[0], options.script ? "script" : "environment");
        cli_client_close(&client);
        return exit;
    }
    if (options.common.json) {
        exit = print_json(&client, argv[0]);
        cli_client_close(&client);
        return exit;
    }
    count = print_from(&client, "/v1/jobs", argv[0], true);
    if (count == 0 && !is_past)
        count = print_from(&client, "/v1/history", argv[0], false);
    if (count > 0 && !is_past)
        print_runs(&client, argv[0]);
    if (count == 0)
        (void)fprintf(stderr, "docket: there is no job '%s'%s\n", argv[0],
                      is_past ? " in the queue of that moment" : "");
    cli_client_close(&client);
    if (count == -2)
        return CLI_EXIT_USAGE;
    return count > 0 ? CLI_EXIT_OK : count == 0 ? CLI_EXIT_INPUT : (int)(-count - 10);
}
