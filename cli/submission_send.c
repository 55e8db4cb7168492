/* submission_send.c - see submission_send.h */
#define _GNU_SOURCE /* environ */
#include "cli/submission_send.h"

#include "cli/json.h"
#include "net/hostlist.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20000, IDLE_MS = 50, ANSWER_MAX = 16 << 20 };

enum dk_status dk_surroundings_read(struct dk_surroundings *around,
                                    struct dk_surroundings_store *store, struct dk_err *err)
{
    struct timespec now;
    mode_t mask = umask(0);

    (void)umask(mask);
    if (getcwd(store->directory, sizeof(store->directory)) == NULL)
        return dk_fail(err, DK_IO, "the working folder cannot be found: %s", strerror(errno));
    if (gethostname(store->host, sizeof(store->host)) != 0)
        store->host[0] = 0;
    store->host[sizeof(store->host) - 1] = 0;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    around->environment = environ;
    around->directory = store->directory;
    around->host = store->host;
    around->now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    around->umask = (int32_t)mask;
    around->stdin_fd = STDIN_FILENO;
    return DK_OK;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool dk_key_parse(const char *text, uint8_t key[16])
{
    if (strlen(text) != 32)
        return false;
    for (int i = 0; i < 16; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* --- sending --- */

/* A task of an array that has started has a job id of its own, which a dependency needs. */
static enum dk_status resolve_task(struct dk_session *session, struct dk_dependency *dependency,
                                   int32_t task, struct dk_err *err)
{
    struct dk_question question;
    struct dk_rows rows;
    char id[48];
    enum dk_status status;
    int64_t own;

    (void)snprintf(id, sizeof(id), "%lld_%d", (long long)dependency->job, task);
    dk_question_init(&question, "/v1/jobs");
    dk_question_add(&question, "id", id);
    dk_question_add(&question, "state", "all");
    status = dk_ask_rows(session, &question, "id,array_task", &rows, err);
    own = status == DK_OK && rows.rows == 1 && *dk_cell(&rows, 0, 1) != 0
              ? dk_cell_number(&rows, 0, 0, 0)
              : 0;
    dk_question_release(&question);
    dk_rows_release(&rows);
    if (status != DK_OK)
        return status;
    if (own == 0)
        return dk_fail(err, DK_UNSUPPORTED,
                       "a dependency on array task %s is not supported by docket before the task "
                       "has started: depend on the whole array %lld\n"
                       "Batch job submission failed: Job dependency problem",
                       id, (long long)dependency->job);
    dependency->job = own;
    return DK_OK;
}

static enum dk_status resolve_tasks(struct dk_session *session, struct dk_submission *submission,
                                    struct dk_err *err)
{
    enum dk_status status = DK_OK;

    for (uint32_t i = 0; i < submission->task_dependencies_count && status == DK_OK; i++)
        status =
            resolve_task(session, &submission->dependencies[submission->task_dependencies[i].index],
                         submission->task_dependencies[i].task, err);
    return status;
}

enum dk_status dk_submission_send(struct dk_session *session, struct dk_submission *submission,
                                  struct dk_outcome *outcome, struct dk_err *err)
{
    uint8_t *key = dk_arena_take(&submission->arena, 16);
    enum dk_status status = resolve_tasks(session, submission, err);

    if (status != DK_OK)
        return status;
    dk_key_make(key);
    if (submission->key != NULL && !dk_key_parse(submission->key, key))
        return dk_fail(err, DK_INVALID, "--key is '%s', not 32 hexadecimal digits",
                       submission->key);
    submission->request.meta.key = (struct dk_bytes){ key, 16 };
    submission->request.meta.time = submission->around->now_us;
    return dk_send(session, &submission->request, 1, outcome, 0, err);
}

/* --- trying it out --- */

/* [{"name":"n1","cores":2},...] */
static void read_nodes(struct dk_json *json, struct dk_forecast *forecast)
{
    struct dk_hostlist list;
    struct dk_buf text;
    char name[256], key[32];

    dk_hostlist_init(&list);
    for (dk_json_enter(json, '['); dk_json_item(json);) {
        for (dk_json_enter(json, '{'); dk_json_key(json, key, sizeof(key));) {
            if (strcmp(key, "name") == 0) {
                dk_json_take_text(json, name, sizeof(name));
                dk_hostlist_add(&list, name, strlen(name));
            } else {
                dk_json_skip(json);
            }
        }
    }
    dk_hostlist_sort(&list);
    dk_buf_init(&text, &dk_heap, sizeof(forecast->nodes) - 1);
    dk_hostlist_compress(&list, &text);
    if (text.size > 0)
        memcpy(forecast->nodes, text.data, text.size);
    forecast->nodes[text.size] = 0;
    dk_buf_release(&text);
    dk_hostlist_release(&list);
}

static enum dk_status read_forecast(const struct dk_buf *body, struct dk_forecast *forecast,
                                    struct dk_err *err)
{
    struct dk_json json;
    char key[32], word[16] = "";

    memset(forecast, 0, sizeof(*forecast));
    dk_json_begin(&json, body->data, body->size);
    for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
        if (strcmp(key, "result") == 0)
            dk_json_take_text(&json, word, sizeof(word));
        else if (strcmp(key, "start") == 0)
            forecast->start = dk_json_take_number(&json);
        else if (strcmp(key, "job") == 0)
            forecast->job = dk_json_take_number(&json);
        else if (strcmp(key, "cores") == 0)
            forecast->cores = dk_json_take_number(&json);
        else if (strcmp(key, "nodes") == 0 && dk_json_peek(&json) == '[')
            read_nodes(&json, forecast);
        else if (strcmp(key, "partition") == 0)
            dk_json_take_text(&json, forecast->partition, sizeof(forecast->partition));
        else if (strcmp(key, "reason") == 0)
            dk_json_take_text(&json, forecast->refusal.reason, sizeof(forecast->refusal.reason));
        else if (strcmp(key, "detail") == 0)
            dk_json_take_text(&json, forecast->refusal.detail, sizeof(forecast->refusal.detail));
        else
            dk_json_skip(&json);
    }
    if (json.bad)
        return dk_fail(err, DK_CORRUPT, "the answer to /v1/test cannot be read");
    forecast->refusal.kind = DK_OUTCOME_REJECTED;
    forecast->kind = strcmp(word, "starts") == 0     ? DK_FORECAST_STARTS
                     : strcmp(word, "rejected") == 0 ? DK_FORECAST_REJECTED
                                                     : DK_FORECAST_UNKNOWN;
    return DK_OK;
}

enum dk_status dk_submission_test(struct dk_session *session, struct dk_submission *submission,
                                  struct dk_forecast *forecast, struct dk_err *err)
{
    enum dk_status status = resolve_tasks(session, submission, err);
    struct dk_question question;
    struct dk_buf post, body;

    dk_question_init(&question, "/v1/test");
    dk_buf_init(&post, &dk_heap, ANSWER_MAX);
    dk_buf_init(&body, &dk_heap, ANSWER_MAX);
    if (status == DK_OK)
        status = dk_request_encode(&submission->request, &post, err);
    if (status == DK_OK)
        status = dk_ask_body(session, &question, &post, &body, NULL, err);
    if (status == DK_OK)
        status = read_forecast(&body, forecast, err);
    dk_buf_release(&body);
    dk_buf_release(&post);
    dk_question_release(&question);
    return status;
}

/* --- waiting --- */

static bool has_ended(const char *state)
{
    static const char *const going[] = { "PENDING",     "RUNNING",   "COMPLETING",
                                         "CONFIGURING", "SUSPENDED", "REQUEUED" };

    for (size_t i = 0; i < sizeof(going) / sizeof(going[0]); i++)
        if (strcmp(state, going[i]) == 0)
            return false;
    return true;
}

/* Asks once. *is_over: all of it has ended, and *exit_status is known. */
static enum dk_status look(struct dk_session *session, const char *path, int64_t job, bool *is_over,
                           int *exit_status, uint32_t *found, struct dk_err *err)
{
    struct dk_question question;
    struct dk_rows rows;
    enum dk_status status;

    dk_question_init(&question, path);
    dk_question_add_number(&question, "id", job);
    dk_question_add(&question, "state", "all");
    status = dk_ask_rows(session, &question, "state,exit_code,exit_signal", &rows, err);
    *found = status == DK_OK ? rows.rows : 0;
    *is_over = true;
    *exit_status = 0;
    for (uint32_t i = 0; i < *found; i++) {
        int code = (int)dk_cell_number(&rows, i, 1, 0);

        if (!has_ended(dk_cell(&rows, i, 0)))
            *is_over = false;
        if (dk_cell_number(&rows, i, 2, 0) != 0 ||
            (code == 0 && strcmp(dk_cell(&rows, i, 0), "COMPLETED") != 0))
            code = 1;
        if (code > *exit_status)
            *exit_status = code;
    }
    if (status == DK_OK && rows.seq > session->seq)
        session->seq = rows.seq;
    dk_rows_release(&rows);
    dk_question_release(&question);
    return status;
}

/* Until a job has ended after the state that was looked at, or a while has passed. */
static enum dk_status await_end(struct dk_session *session, const struct dk_waiting *waiting,
                                struct dk_err *err)
{
    struct timespec pause = { .tv_nsec = IDLE_MS * 1000000L };
    struct dk_question question;
    struct dk_buf body;
    enum dk_status status;

    dk_question_init(&question, "/v1/events");
    dk_buf_init(&body, &dk_heap, ANSWER_MAX);
    dk_question_add_number(&question, "after", session->seq);
    dk_question_add(&question, "type", "JobEnded");
    if (!waiting->is_array) /* tasks have ids of their own */
        dk_question_add_number(&question, "job", waiting->job);
    dk_question_add_number(&question, "limit", 1);
    dk_question_add_number(&question, "wait_ms", waiting->idle == NULL ? WAIT_MS : IDLE_MS);
    status = dk_ask_body(session, &question, NULL, &body, NULL, err);
    dk_buf_release(&body);
    dk_question_release(&question);
    if (waiting->idle != NULL)
        waiting->idle(waiting->context);
    else if (waiting->is_array)
        (void)nanosleep(&pause, NULL); /* on a busy cluster some job ends all the time */
    return status;
}

enum dk_status dk_submission_wait(struct dk_session *session, const struct dk_waiting *waiting,
                                  int *exit_status, struct dk_err *err)
{
    if (waiting->seq > session->seq)
        session->seq = waiting->seq;
    for (;;) {
        bool is_over;
        uint32_t found;
        enum dk_status status =
            look(session, "/v1/jobs", waiting->job, &is_over, exit_status, &found, err);

        if (status == DK_OK && found == 0)
            status = look(session, "/v1/history", waiting->job, &is_over, exit_status, &found, err);
        if (status == DK_OK && found == 0)
            return dk_fail(err, DK_NOT_FOUND, "job %lld is not known any more",
                           (long long)waiting->job);
        if (status == DK_OK && is_over)
            return DK_OK;
        if (status == DK_OK)
            status = await_end(session, waiting, err);
        if (status != DK_OK)
            return status;
    }
}
