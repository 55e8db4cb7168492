/* cmd_cancel.c - docket cancel, hold, release, requeue: one call with a request for each job
 *
 * What is named by id goes as it is named. What is named by a filter is looked up first; of an
 * array only what the filter matched is ended: the waiting rest by its tasks, a running task by its
 * own id. */
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/jobids.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct cancel_options {
    struct cli_common common;
    const char *user, *account, *partition, *name, *node, *state;
    bool hold, quiet;
};

#define CANCEL(field) offsetof(struct cancel_options, field)

#define FILTER_OPTIONS                                                                              \
    { "--user", CLI_TEXT, "NAMES", CANCEL(user),                                                    \
      NULL,     0,        0,       "all jobs of these users (names or numbers)" },                  \
        { "--account", CLI_TEXT, "NAMES", CANCEL(account), NULL, 0, 0, "of these accounts" },       \
        { "--partition", CLI_TEXT, "NAMES", CANCEL(partition), NULL, 0, 0, "in these partitions" }, \
        { "--name", CLI_TEXT, "NAMES", CANCEL(name), NULL, 0, 0, "with these names" },              \
        { "--node", CLI_TEXT, "NODES", CANCEL(node), NULL, 0, 0, "on these nodes" },                \
    {                                                                                               \
        "--state", CLI_TEXT, "STATES", CANCEL(state), NULL, 0, 0,                                   \
            "in these states: PENDING, RUNNING; several filters: jobs that match all"               \
    }
#define QUIET_OPTION                                                                               \
    {                                                                                              \
        "--quiet", CLI_FLAG, NULL, CANCEL(quiet), NULL, 0, 0, "say only what was refused"          \
    }

const struct cli_option cli_cancel_options[] = {
    FILTER_OPTIONS, QUIET_OPTION, CLI_JSON_OPTION(cancel_options), CLI_DIR_OPTION(cancel_options),
    { 0 },
};

const struct cli_option cli_hold_options[] = {
    FILTER_OPTIONS, QUIET_OPTION, CLI_JSON_OPTION(cancel_options), CLI_DIR_OPTION(cancel_options),
    { 0 },
};

const struct cli_option cli_release_options[] = {
    FILTER_OPTIONS, QUIET_OPTION, CLI_JSON_OPTION(cancel_options), CLI_DIR_OPTION(cancel_options),
    { 0 },
};

const struct cli_option cli_requeue_options[] = {
    FILTER_OPTIONS,
    { "--hold", CLI_FLAG, NULL, CANCEL(hold), NULL, 0, 0, "and hold it there" },
    QUIET_OPTION,
    CLI_JSON_OPTION(cancel_options),
    CLI_DIR_OPTION(cancel_options),
    { 0 },
};

/* What will be sent. Names are borrowed, or live in the arena. */
struct wish {
    struct cli_client client;
    const struct cancel_options *options;
    enum dk_request_type type;
    struct cli_jobids ids;
    struct dk_arena arena;
    struct dk_request *requests;
    const char **names;
    uint32_t count, capacity;
};

static void add_wish(struct wish *wish, int64_t job, const char *name,
                     const struct dk_index_range *tasks, uint32_t task_count)
{
    struct dk_request *request;

    if (wish->count == wish->capacity) {
        uint32_t capacity = wish->capacity > 0 ? wish->capacity * 2 : 64;

        wish->requests =
            dk_heap.resize(dk_heap.ctx, wish->requests, wish->capacity * sizeof(*wish->requests),
                           capacity * sizeof(*wish->requests));
        wish->names =
            dk_heap.resize(dk_heap.ctx, (void *)wish->names, wish->capacity * sizeof(*wish->names),
                           capacity * sizeof(*wish->names));
        wish->capacity = capacity;
    }
    request = &wish->requests[wish->count];
    memset(request, 0, sizeof(*request));
    request->type = wish->type;
    request->meta.time = wish->client.style.now_us;
    switch ((int)wish->type) {
    case DK_REQUEST_CANCEL_JOB:
        request->cancel_job = (struct dk_cancel_job){ job, tasks, task_count };
        break;
    case DK_REQUEST_HOLD_JOB:
        request->hold_job.job = job;
        break;
    case DK_REQUEST_RELEASE_JOB:
        request->release_job.job = job;
        break;
    default:
        request->requeue_job = (struct dk_requeue_job){ job, wish->options->hold };
        break;
    }
    wish->names[wish->count++] = name;
}

/* What messages call a job: by its number, or as it was written. */
static const char *job_name(struct wish *wish, int64_t job, const char *text)
{
    size_t size = (text != NULL ? strlen(text) : 0) + 32;
    char *name = dk_arena_take(&wish->arena, size);

    if (text != NULL)
        (void)snprintf(name, size, "job %s", text);
    else
        (void)snprintf(name, size, "job %lld", (long long)job);
    return name;
}

/* --- by id --- */

static void wish_range(struct wish *wish, const struct cli_jobid *id)
{
    for (int64_t job = id->first; job <= id->last; job++)
        add_wish(wish, job, job_name(wish, job, NULL), NULL, 0);
}

/* A task has an id of its own once it was started, and only then can it be held or requeued. */
static int wish_task(struct wish *wish, const struct cli_jobid *id)
{
    struct dk_question question;
    struct dk_rows rows;
    struct dk_err err;
    int exit = CLI_GO_ON;

    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "id", id->text);
    if (dk_ask_rows(&wish->client.session, &question, "id,array_spec", &rows, &err) != DK_OK)
        exit = cli_fail(&err);
    for (uint32_t row = 0; row < rows.rows; row++) {
        if (dk_cell(&rows, row, 1)[0] != '\0')
            exit = cli_usage_error(wish->client.command,
                                   "'%s' names tasks that have not started: these are held and "
                                   "released with their whole array, %lld",
                                   id->text, (long long)id->first);
        else
            add_wish(wish, dk_cell_number(&rows, row, 0, 0), job_name(wish, 0, id->text), NULL, 0);
    }
    if (exit == CLI_GO_ON && rows.rows == 0) {
        (void)fprintf(stderr, "docket: there is no job '%s'\n", id->text);
        exit = CLI_EXIT_REFUSED;
    }
    dk_rows_release(&rows);
    dk_question_release(&question);
    return exit;
}

static int wish_ids(struct wish *wish)
{
    int exit = CLI_GO_ON;

    for (uint32_t i = 0; i < wish->ids.count && exit == CLI_GO_ON; i++) {
        const struct cli_jobid *id = &wish->ids.items[i];

        if (id->task_count == 0)
            wish_range(wish, id);
        else if (wish->type == DK_REQUEST_CANCEL_JOB)
            add_wish(wish, id->first, job_name(wish, 0, id->text), id->tasks, id->task_count);
        else
            exit = wish_task(wish, id);
    }
    return exit;
}

/* --- by filter --- */

static bool add_filter(struct dk_question *question, const char *name, const char *value)
{
    if (value != NULL)
        dk_question_add(question, name, value);
    return value != NULL;
}

static bool add_filters(struct dk_question *question, const struct cancel_options *options)
{
    bool is_any = add_filter(question, "user", options->user);

    is_any = add_filter(question, "account", options->account) || is_any;
    is_any = add_filter(question, "partition", options->partition) || is_any;
    is_any = add_filter(question, "name", options->name) || is_any;
    is_any = add_filter(question, "node", options->node) || is_any;
    is_any = add_filter(question, "state", options->state) || is_any;
    if (is_any && options->user == NULL && getuid() != 0) /* others' would be refused, one by one */
        dk_question_add_number(question, "user", (int64_t)getuid());
    return is_any;
}

/* Looks up what the filters match, among the ids if there are some. */
static int wish_matches(struct wish *wish, struct dk_question *question)
{
    struct dk_rows rows;
    struct dk_err err;
    int exit = CLI_GO_ON;

    if (dk_ask_rows(&wish->client.session, question, "id,state,array_spec", &rows, &err) != DK_OK)
        exit = cli_fail(&err);
    for (uint32_t row = 0; row < rows.rows && exit == CLI_GO_ON; row++) {
        int64_t job = dk_cell_number(&rows, row, 0, 0);
        const char *state = dk_cell(&rows, row, 1), *spec = dk_cell(&rows, row, 2);
        const struct dk_index_range *tasks = NULL;
        uint32_t count = 0;

        if (wish->type == DK_REQUEST_CANCEL_JOB && strcmp(state, "PENDING") != 0 &&
            strcmp(state, "RUNNING") != 0 && strcmp(state, "SUSPENDED") != 0)
            continue; /* it is ending, or has ended */
        if (spec[0] != '\0' && wish->type == DK_REQUEST_CANCEL_JOB &&
            cli_ranges_parse(spec, strlen(spec), &wish->arena, &tasks, &count, &err) != DK_OK)
            exit = cli_fail(&err);
        add_wish(wish, job, job_name(wish, job, NULL), tasks, count);
    }
    dk_rows_release(&rows);
    return exit;
}

/* --- all of it --- */

static void say_done(const struct wish *wish, uint32_t accepted, const char *what)
{
    if (wish->options->quiet || wish->options->common.json)
        return;
    if (wish->count == 0)
        (void)fprintf(stderr, "docket: no such jobs\n");
    else if (accepted > 0)
        (void)printf("%u job%s %s\n", accepted, accepted == 1 ? "" : "s", what);
}

static int fill_wish(struct wish *wish, int operands, char **argv)
{
    struct dk_question question;
    struct dk_buf joined;
    struct dk_err err;
    bool has_filter;
    int exit = CLI_GO_ON;

    dk_buf_init(&joined, &dk_heap, 1 << 24);
    dk_question_init(&question, "/v1/jobs");
    for (int i = 0; i < operands && exit == CLI_GO_ON; i++)
        if (cli_jobids_add(&wish->ids, argv[i], &err) != DK_OK)
            exit = cli_usage_error(wish->client.command, "%s", err.text);
    has_filter = add_filters(&question, wish->options);
    if (exit == CLI_GO_ON && !has_filter && operands == 0)
        exit = cli_usage_error(wish->client.command,
                               "which jobs? name them by id, or by --user, --state, --name, ...");
    if (exit == CLI_GO_ON && has_filter) {
        if (operands > 0)
            dk_question_add(&question, "id", cli_join(&joined, operands, argv));
        exit = wish_matches(wish, &question);
    } else if (exit == CLI_GO_ON) {
        exit = wish_ids(wish);
    }
    dk_question_release(&question);
    dk_buf_release(&joined);
    return exit;
}

static int act(const struct cli_command *command, int argc, char **argv, enum dk_request_type type,
               const char *done)
{
    struct cancel_options options = { 0 };
    struct wish wish = { .options = &options, .type = type };
    uint32_t accepted = 0;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit == CLI_GO_ON)
        exit = cli_client_open(&wish.client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    dk_arena_init(&wish.arena, &dk_heap);
    cli_jobids_init(&wish.ids);
    exit = fill_wish(&wish, operands, argv);
    if (exit == CLI_GO_ON) {
        exit = cli_client_send(&wish.client, wish.requests, wish.count, wish.names, &accepted);
        say_done(&wish, accepted, done);
    }
    dk_alloc_free(&dk_heap, wish.requests, wish.capacity * sizeof(*wish.requests));
    dk_alloc_free(&dk_heap, (void *)wish.names, wish.capacity * sizeof(*wish.names));
    cli_jobids_release(&wish.ids);
    dk_arena_release(&wish.arena);
    cli_client_close(&wish.client);
    return exit;
}

int cli_cancel(const struct cli_command *command, int argc, char **argv)
{
    return act(command, argc, argv, DK_REQUEST_CANCEL_JOB, "cancelled");
}

int cli_hold(const struct cli_command *command, int argc, char **argv)
{
    return act(command, argc, argv, DK_REQUEST_HOLD_JOB, "held");
}

int cli_release(const struct cli_command *command, int argc, char **argv)
{
    return act(command, argc, argv, DK_REQUEST_RELEASE_JOB, "released");
}

int cli_requeue(const struct cli_command *command, int argc, char **argv)
{
    return act(command, argc, argv, DK_REQUEST_REQUEUE_JOB, "requeued");
}
