/* columns.c - see columns.h */
#include "cli/columns.h"

#include "base/check.h"
#include "cli/human.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAR_US (INT64_C(20) * 365 * 86400 * 1000000)

#define KIND(kind) CLI_CELL_##kind

static const struct cli_column known[] = {
    { "job", "JOB", KIND(JOB), false, "id,array_job,array_task,array_spec,array_max,step" },
    { "where", "NODES (REASON)", KIND(WHERE), true, "state,node_list,reason" },
    { "exit", "EXIT", KIND(EXIT), false, "exit_code,exit_signal,state" },
    { "used", "CORES", KIND(SHARE), false, "cores_used,cores" },
    { "used_memory", "MEMORY", KIND(SHARE_MIB), false, "memory_used,memory" },
    { "used_gpus", "GPUS", KIND(SHARE), false, "gpus_used,gpus" },
    { "because", "REASON", KIND(WHY), true, "reason,reason_user,reason_time" },
    { "id", "ID", KIND(NUMBER), false, NULL },
    { "name", "NAME", KIND(TEXT), true, NULL },
    { "user", "USER", KIND(TEXT), true, NULL },
    { "account", "ACCOUNT", KIND(TEXT), true, NULL },
    { "partition", "PARTITION", KIND(TEXT), true, NULL },
    { "state", "STATE", KIND(STATE), false, NULL },
    { "reason", "REASON", KIND(TEXT), true, NULL },
    { "why", "WHY", KIND(TEXT), true, NULL },
    { "node_list", "NODES", KIND(TEXT), true, NULL },
    { "nodes", "NODES", KIND(NUMBER), false, NULL },
    { "submit", "SUBMIT", KIND(TIME), false, NULL },
    { "eligible", "ELIGIBLE", KIND(TIME), false, NULL },
    { "begin", "BEGIN", KIND(TIME), false, NULL },
    { "start", "START", KIND(TIME), false, NULL },
    { "end", "END", KIND(TIME), false, NULL },
    { "planned", "PLANNED", KIND(TIME), false, NULL },
    { "planned_nodes", "ON", KIND(TEXT), true, NULL },
    { "reason_time", "SINCE", KIND(TIME), false, NULL },
    { "registered", "REGISTERED", KIND(TIME), false, NULL },
    { "last_beat", "LAST BEAT", KIND(TIME), false, NULL },
    { "elapsed", "ELAPSED", KIND(ELAPSED), false, "elapsed,start" },
    { "limit", "LIMIT", KIND(SPAN), false, NULL },
    { "limit_max", "LIMIT", KIND(SPAN), false, NULL },
    { "limit_default", "DEFAULT", KIND(SPAN), false, NULL },
    { "user_us", "USER TIME", KIND(SPAN), false, NULL },
    { "system_us", "SYSTEM TIME", KIND(SPAN), false, NULL },
    { "core_us", "CORE TIME", KIND(SPAN), false, NULL },
    { "gpu_us", "GPU TIME", KIND(SPAN), false, NULL },
    { "wait_us", "WAITED", KIND(SPAN), false, NULL },
    { "memory_mib_us", "MEMORY MIB*US", KIND(NUMBER), false, NULL },
    { "memory", "MEMORY", KIND(MIB), false, NULL },
    { "memory_used", "MEMORY USED", KIND(MIB), false, NULL },
    { "memory_per_node", "MEM/NODE", KIND(MIB), false, NULL },
    { "memory_per_core", "MEM/CORE", KIND(MIB), false, NULL },
    { "rss_max_kib", "MAX RSS", KIND(KIB), false, NULL },
    { "read_bytes", "READ", KIND(BYTES), false, NULL },
    { "written_bytes", "WRITTEN", KIND(BYTES), false, NULL },
    { "cores", "CORES", KIND(NUMBER), false, NULL },
    { "gpus", "GPUS", KIND(NUMBER), false, NULL },
    { "tasks", "TASKS", KIND(NUMBER), false, NULL },
    { "priority", "PRIORITY", KIND(NUMBER), false, NULL },
    { "nice", "NICE", KIND(NUMBER), false, NULL },
    { "uid", "UID", KIND(NUMBER), false, NULL },
    { "gid", "GID", KIND(NUMBER), false, NULL },
    { "jobs", "JOBS", KIND(NUMBER), false, NULL },
    { "jobs_pending", "PENDING", KIND(NUMBER), false, NULL },
    { "jobs_running", "RUNNING", KIND(NUMBER), false, NULL },
    { "nodes_idle", "IDLE", KIND(NUMBER), false, NULL },
    { "nodes_allocated", "USED", KIND(NUMBER), false, NULL },
    { "nodes_other", "OTHER", KIND(NUMBER), false, NULL },
    { "tier", "TIER", KIND(NUMBER), false, NULL },
    { "attempt", "RUN", KIND(NUMBER), false, NULL },
    { "default", "DEFAULT", KIND(YES), false, NULL },
    { "features", "FEATURES", KIND(TEXT), true, NULL },
    { "partitions", "PARTITIONS", KIND(TEXT), true, NULL },
    { "command", "COMMAND", KIND(TEXT), true, NULL },
    { "work_dir", "FOLDER", KIND(TEXT), true, NULL },
    { "comment", "COMMENT", KIND(TEXT), true, NULL },
    { "day", "DAY", KIND(TEXT), false, NULL },
    { "seq", "SEQ", KIND(NUMBER), false, NULL },
    { "time", "TIME", KIND(TIME), false, NULL },
    { "note", "NOTE", KIND(TEXT), true, NULL },
    { "what", "WHAT", KIND(TEXT), false, NULL },
};

static uint32_t count_of(const char *fields)
{
    uint32_t count = 1;

    for (; *fields != '\0'; fields++)
        count += *fields == ',';
    return count;
}

/* One column; its name is the first `size` characters. */
static enum dk_status add_column(struct cli_view *view, const char *name, size_t size, char **names,
                                 struct dk_err *err)
{
    struct cli_column *column = &view->columns[view->count];
    size_t used = strlen(view->fields), i = 0;
    int written;

    if (view->count == CLI_VIEW_MAX)
        return dk_fail(err, DK_TOO_LARGE, "more than %d columns", CLI_VIEW_MAX);
    while (i < sizeof(known) / sizeof(known[0]) &&
           (strlen(known[i].name) != size || memcmp(known[i].name, name, size) != 0))
        i++;
    if (i < sizeof(known) / sizeof(known[0])) {
        *column = known[i];
    } else { /* asked for by its name, and titled by it */
        char *copy = *names, *title = copy + size + 1;

        for (size_t j = 0; j < size; j++) {
            copy[j] = name[j];
            title[j] = name[j] == '_' ? ' ' : (char)toupper((unsigned char)name[j]);
        }
        copy[size] = title[size] = '\0';
        *names = title + size + 1;
        *column = (struct cli_column){ copy, title, CLI_CELL_TEXT, true, NULL };
    }
    view->first[view->count++] = view->field_count;
    written = snprintf(view->fields + used, sizeof(view->fields) - used, "%s%s",
                       used > 0 ? "," : "", column->fields != NULL ? column->fields : column->name);
    if (written < 0 || (size_t)written >= sizeof(view->fields) - used)
        return dk_fail(err, DK_TOO_LARGE, "the list of columns is too long");
    view->field_count += count_of(column->fields != NULL ? column->fields : column->name);
    return DK_OK;
}

enum dk_status cli_view_make(struct cli_view *view, const char *list, struct dk_err *err)
{
    char *names = view->names;

    view->count = view->field_count = 0;
    view->fields[0] = '\0';
    if (strlen(list) * 2 + 2 * CLI_VIEW_MAX > sizeof(view->names))
        return dk_fail(err, DK_TOO_LARGE, "the list of columns is too long");
    for (const char *name = list;; name++) {
        size_t size = strcspn(name, ",");
        enum dk_status status;

        if (size == 0)
            return dk_fail(err, DK_INVALID, "'%s' names a column without letters", list);
        status = add_column(view, name, size, &names, err);
        if (status != DK_OK)
            return status;
        name += size;
        if (*name == '\0')
            return DK_OK;
    }
}

enum cli_color cli_state_color(const char *state)
{
    static const struct {
        const char *state;
        enum cli_color color;
    } colors[] = {
        { "PENDING", CLI_YELLOW },    { "RUNNING", CLI_GREEN },   { "COMPLETING", CLI_CYAN },
        { "COMPLETED", CLI_DIM },     { "CANCELLED", CLI_DIM },   { "REQUEUED", CLI_DIM },
        { "FAILED", CLI_RED },        { "TIMEOUT", CLI_RED },     { "NODE_FAIL", CLI_RED },
        { "OUT_OF_MEMORY", CLI_RED }, { "BOOT_FAIL", CLI_RED },   { "DEADLINE", CLI_RED },
        { "PREEMPTED", CLI_RED },     { "IDLE", CLI_GREEN },      { "MIXED", CLI_CYAN },
        { "ALLOCATED", CLI_BLUE },    { "DRAINING", CLI_YELLOW }, { "DRAINED", CLI_YELLOW },
        { "DOWN", CLI_RED },          { "LOST", CLI_RED },        { "UNKNOWN", CLI_DIM },
        { "UP", CLI_GREEN },          { "INACTIVE", CLI_DIM },
    };

    for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
        if (strcmp(colors[i].state, state) == 0)
            return colors[i].color;
    return CLI_PLAIN;
}

/* --- one cell --- */

/* "17", "17_3", "17_[2-5,7%2]"; of a step "17.batch". */
static const char *job_name(const struct dk_rows *rows, uint32_t row, uint32_t at, char *out,
                            size_t size)
{
    const char *id = dk_cell(rows, row, at), *array = dk_cell(rows, row, at + 1);
    const char *task = dk_cell(rows, row, at + 2), *spec = dk_cell(rows, row, at + 3);
    const char *most = dk_cell(rows, row, at + 4), *step = dk_cell(rows, row, at + 5);
    const char *dot = step[0] == '\0' ? "" : step[0] == '.' ? "" : ".";
    bool is_task = array[0] != '\0' && array[0] != '0' && task[0] != '\0' && task[0] != '-';

    if (spec[0] != '\0' && !is_task)
        (void)snprintf(out, size, "%s_[%s%s%s]", id, spec,
                       most[0] != '\0' && most[0] != '0' ? "%" : "", most[0] != '0' ? most : "");
    else if (is_task)
        (void)snprintf(out, size, "%s_%s%s%s", array, task, dot, step);
    else if (step[0] != '\0')
        (void)snprintf(out, size, "%s%s%s", id, dot, step);
    else
        return id;
    return out;
}

static const char *place(const struct dk_rows *rows, uint32_t row, uint32_t at, char *out,
                         size_t size)
{
    const char *nodes = dk_cell(rows, row, at + 1), *reason = dk_cell(rows, row, at + 2);

    if (nodes[0] != '\0' || reason[0] == '\0' || strcmp(reason, "None") == 0)
        return nodes;
    (void)snprintf(out, size, "(%s)", reason);
    return out;
}

/* Of a job that has ended: its exit status, or the signal that ended it. */
static const char *exit_text(const struct dk_rows *rows, uint32_t row, uint32_t at, char *out,
                             size_t size)
{
    const char *code = dk_cell(rows, row, at), *state = dk_cell(rows, row, at + 2);
    int64_t number = dk_cell_number(rows, row, at + 1, 0);

    if (strcmp(state, "PENDING") == 0 || strcmp(state, "RUNNING") == 0 ||
        strcmp(state, "COMPLETING") == 0)
        return "";
    if (number == 0)
        return code;
    (void)snprintf(out, size, "signal %lld", (long long)number);
    return out;
}

static const char *share(const struct dk_rows *rows, uint32_t row, uint32_t at, bool is_mib,
                         char *out, size_t size)
{
    const char *used = dk_cell(rows, row, at), *all = dk_cell(rows, row, at + 1);
    char used_text[32], all_text[32];

    if (all[0] == '\0')
        return "";
    if (is_mib)
        (void)snprintf(out, size, "%s/%s", cli_mib(used_text, strtoll(used, NULL, 10)),
                       cli_mib(all_text, strtoll(all, NULL, 10)));
    else
        (void)snprintf(out, size, "%s/%s", used[0] != '\0' ? used : "0", all);
    return out;
}

/* Why a node is not in use, by whom and since when. */
static const char *because(const struct dk_rows *rows, uint32_t row, uint32_t at,
                           const struct cli_style *style, char *out, size_t size)
{
    const char *reason = dk_cell(rows, row, at), *user = dk_cell(rows, row, at + 1);
    int64_t since = dk_cell_number(rows, row, at + 2, 0);
    char time[32] = "";

    if (reason[0] == '\0')
        return "";
    if (since > 0 && style->is_terminal)
        cli_time_short(time, since, style->now_us);
    else
        cli_time(time, since);
    (void)snprintf(out, size, "%s%s%s%s%s%s", reason, user[0] || time[0] ? " (" : "", user,
                   user[0] && time[0] ? " " : "", time, user[0] || time[0] ? ")" : "");
    return out;
}

const char *cli_view_cell(const struct cli_view *view, const struct dk_rows *rows, uint32_t row,
                          uint32_t column, const struct cli_style *style, char *out, size_t size)
{
    uint32_t at = view->first[column];
    const char *text = dk_cell(rows, row, at);
    int64_t number;

    DK_CHECK(size >= 64);
    switch (view->columns[column].kind) {
    case CLI_CELL_JOB:
        return job_name(rows, row, at, out, size);
    case CLI_CELL_WHERE:
        return place(rows, row, at, out, size);
    case CLI_CELL_EXIT:
        return exit_text(rows, row, at, out, size);
    case CLI_CELL_ELAPSED: /* what has not started has not run for no time */
        return dk_cell_number(rows, row, at + 1, 0) > 0 && text[0] != '\0'
                   ? cli_span(out, strtoll(text, NULL, 10))
                   : "";
    case CLI_CELL_SHARE:
    case CLI_CELL_SHARE_MIB:
        return share(rows, row, at, view->columns[column].kind == CLI_CELL_SHARE_MIB, out, size);
    case CLI_CELL_WHY:
        return because(rows, row, at, style, out, size);
    case CLI_CELL_TEXT:
    case CLI_CELL_NUMBER:
    case CLI_CELL_STATE:
        return text;
    case CLI_CELL_TIME:
    case CLI_CELL_SPAN:
    case CLI_CELL_MIB:
    case CLI_CELL_KIB:
    case CLI_CELL_BYTES:
    case CLI_CELL_YES:
        break;
    }
    if (text[0] == '\0')
        return "";
    number = strtoll(text, NULL, 10);
    switch ((int)view->columns[column].kind) {
    case CLI_CELL_TIME:
        if (number > style->now_us + FAR_US)
            return ""; /* the planned end of a job without a limit */
        return style->is_terminal ? cli_time_short(out, number, style->now_us)
                                  : cli_time(out, number);
    case CLI_CELL_SPAN:
        return cli_span(out, number);
    case CLI_CELL_MIB:
        return cli_mib(out, number);
    case CLI_CELL_KIB:
        return cli_bytes(out, number * 1024);
    case CLI_CELL_BYTES:
        return cli_bytes(out, number);
    default:
        return number != 0 || text[0] == 't' ? "yes" : "";
    }
}

static bool is_right(enum cli_cell kind)
{
    return kind == CLI_CELL_NUMBER || kind == CLI_CELL_SPAN || kind == CLI_CELL_MIB ||
           kind == CLI_CELL_KIB || kind == CLI_CELL_BYTES || kind == CLI_CELL_SHARE ||
           kind == CLI_CELL_SHARE_MIB || kind == CLI_CELL_JOB || kind == CLI_CELL_ELAPSED;
}

void cli_view_head(const struct cli_view *view, struct cli_listing *listing)
{
    for (uint32_t i = 0; i < view->count; i++)
        cli_listing_column(listing, view->columns[i].title, is_right(view->columns[i].kind),
                           view->columns[i].shrinks);
}

void cli_view_list(const struct cli_view *view, const struct dk_rows *rows,
                   struct cli_listing *listing)
{
    char out[1024];

    cli_view_head(view, listing);
    for (uint32_t row = 0; row < rows->rows; row++) {
        for (uint32_t i = 0; i < view->count; i++) {
            const char *text = cli_view_cell(view, rows, row, i, listing->style, out, sizeof(out));
            enum cli_color color = view->columns[i].kind == CLI_CELL_STATE && text[0] != '\0'
                                       ? cli_state_color(text)
                                       : CLI_PLAIN;

            if (text == out)
                cli_listing_copy(listing, text, color);
            else
                cli_listing_add(listing, text, color);
        }
    }
}
