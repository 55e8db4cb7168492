/* ask.c - a client's two conversations (ask.h)
 *
 * A process that is being started again is waited for, because every one of ours may be killed at
 * any moment; one that was never there is said at once. What tells them apart is in run/: a socket
 * that nobody took away, or the number of a supervisor that lives.
 */
#define _GNU_SOURCE /* getrandom */
#include "cli/ask.h"

#include "base/check.h"
#include "cli/json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    TIMEOUT_MS = 30000,
    BROKEN_MAX = 3, /* connections, by one question */
    ASK_PATIENCE_MS = 5000,
    SEND_PATIENCE_MS = 60000,
    REMARK_MS = 1000,     /* waited for so long: say why */
    PAUSE_MS_MAX = 500,   /* between two tries */
    CALL_BYTES = 8 << 20, /* of requests in one call */
    DK_KEY_SIZE = 16
};
#define TARGET_MAX ((size_t)1 << 20)
#define ANSWER_MAX ((size_t)2 << 30)

static int64_t now_ms(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum dk_status dk_session_open(struct dk_session *session, const char *dir, struct dk_err *err)
{
    memset(session, 0, sizeof(*session));
    session->timeout_ms = TIMEOUT_MS;
    return dk_place_find(&session->place, dir, false, err);
}

void dk_session_close(struct dk_session *session)
{
    dk_endpoints_destroy(session->projectors);
    dk_endpoints_destroy(session->controllers);
    session->projectors = session->controllers = NULL;
}

/* --- waiting --- */

/* The supervisor's process is there, as run/docketd.pid says. */
static bool is_supervised(const struct dk_session *session)
{
    char path[DK_PLACE_PATH_MAX + 64], text[32];
    ssize_t size;
    long pid;
    int fd;

    dk_place_path(&session->place, "run/docketd.pid", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[size > 0 ? size : 0] = '\0';
    pid = strtol(text, NULL, 10);
    return pid > 1 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

struct patience {
    struct dk_session *session;
    int64_t began, limit;
    int pause;
    bool is_said;
};

static struct patience patience_of(struct dk_session *session, int ms)
{
    int64_t now = now_ms();

    return (struct patience){ .session = session, .began = now, .limit = now + ms, .pause = 4 };
}

/* A pause before the next try; false: it has been long enough. *err: why there has to be one. */
static bool wait_more(struct patience *patience, const struct dk_err *err)
{
    int64_t now = now_ms();
    struct timespec pause;
    uint16_t spread = 0;

    if (now >= patience->limit)
        return false;
    if (!patience->is_said && now - patience->began >= REMARK_MS &&
        patience->session->remark != NULL) {
        patience->is_said = true;
        patience->session->remark(err->text, (int)((patience->limit - now) / 1000));
    }
    /* Clients that were refused together must not come back together. */
    (void)getrandom(&spread, sizeof(spread), GRND_NONBLOCK);
    pause.tv_sec = 0;
    pause.tv_nsec = (long)patience->pause * (500000 + spread * 8);
    (void)nanosleep(&pause, NULL);
    patience->pause = patience->pause * 2 < PAUSE_MS_MAX ? patience->pause * 2 : PAUSE_MS_MAX;
    return true;
}

static enum dk_status no_cluster(const struct dk_session *session, struct dk_err *err)
{
    bool is_there = access(session->place.dir, F_OK) == 0;

    return dk_fail(
        err, DK_NOT_FOUND,
        "no cluster runs in '%s'%s; start one by 'docketd up --dir DIR', or say where it "
        "is by --dir or DOCKET_DIR",
        session->place.dir, is_there ? "" : ", which does not exist");
}

/* The daemons of one kind: as docket.conf says, or the one behind the socket. */
static struct dk_endpoints *endpoints_of(const struct dk_session *session,
                                         struct dk_endpoints **endpoints, const char *list,
                                         const char *path)
{
    if (*endpoints == NULL)
        *endpoints =
            dk_endpoints_create(list[0] != '\0' ? list : path, &session->place.munge, false);
    return *endpoints;
}

/* Nobody is there: could another try help (DK_AGAIN)? Daemons elsewhere are taken for being started
 * again. */
static enum dk_status absent(const struct dk_session *session, const char *list, const char *path,
                             struct dk_err *err)
{
    if (list[0] == '\0' && access(path, F_OK) != 0 && !is_supervised(session))
        return no_cluster(session, err);
    err->status = DK_AGAIN;
    return DK_AGAIN;
}

/* --- what a server says of a failure --- */

/* {"error":{"reason":"INVALID","detail":"..."}} */
static void read_error(const struct dk_buf *body, char reason[32], char *detail, size_t detail_size)
{
    struct dk_json json;
    char key[16];

    reason[0] = detail[0] = '\0';
    dk_json_begin(&json, body->data, body->size);
    if (dk_json_peek(&json) != '{')
        return;
    for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
        if (strcmp(key, "error") != 0 || dk_json_peek(&json) != '{') {
            dk_json_skip(&json);
            continue;
        }
        for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
            if (strcmp(key, "reason") == 0)
                dk_json_take_text(&json, reason, 32);
            else if (strcmp(key, "detail") == 0)
                dk_json_take_text(&json, detail, detail_size);
            else
                dk_json_skip(&json);
        }
    }
}

static enum dk_status refused(const char *who, const struct dk_reply *reply, struct dk_err *err)
{
    char reason[32], detail[DK_ERR_TEXT_MAX];
    enum dk_status status;

    read_error(&reply->body, reason, detail, sizeof(detail));
    switch (reply->status) {
    case 404:
        status = DK_NOT_FOUND;
        break;
    case 410:
        status = DK_END;
        break;
    case 413:
        status = DK_TOO_LARGE;
        break;
    case 401:
        status = DK_NOT_PERMITTED;
        break;
    case 503:
        status = DK_BUSY;
        break;
    case 507:
        status = DK_FULL;
        break;
    default:
        status = reply->status >= 400 && reply->status < 500 ? DK_INVALID : DK_IO;
        break;
    }
    if (detail[0] != '\0')
        return dk_fail(err, status, "%s", detail);
    return dk_fail(err, status, "the %s answers with HTTP status %d", who, reply->status);
}

/* --- questions --- */

void dk_question_init(struct dk_question *question, const char *path)
{
    dk_buf_init(&question->target, &dk_heap, TARGET_MAX);
    (void)dk_buf_add_text(&question->target, path);
    question->has_parameters = strchr(path, '?') != NULL;
    question->has_seq = question->is_full = false;
}

void dk_question_add(struct dk_question *question, const char *name, const char *value)
{
    struct dk_buf *target = &question->target;

    if (!dk_buf_add_text(target, question->has_parameters ? "&" : "?") ||
        !dk_client_escape(target, name) || !dk_buf_add_text(target, "=") ||
        !dk_client_escape(target, value))
        question->is_full = true;
    question->has_parameters = true;
}

void dk_question_add_number(struct dk_question *question, const char *name, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    dk_question_add(question, name, text);
}

void dk_question_release(struct dk_question *question)
{
    dk_buf_release(&question->target);
}

/* One try after the other until there is an answer. A connection that breaks is one that the
 * projector's end broke: asking again changes nothing but the time. If it breaks again, the
 * question itself may be what ends the projector, and is not asked for ever. */
static enum dk_status ask(struct dk_session *session, struct dk_question *question,
                          const struct dk_buf *post, struct dk_reply *reply, struct dk_err *err)
{
    struct patience patience = patience_of(session, ASK_PATIENCE_MS);
    const struct dk_place *place = &session->place;
    struct dk_endpoints *projectors;
    enum dk_status status;
    int broken = 0;

    if (session->seq > 0 && !question->has_seq) {
        dk_question_add_number(question, "after_seq", session->seq);
        question->has_seq = true;
    }
    if (question->is_full || !dk_buf_add(&question->target, "", 1))
        return dk_fail(err, DK_TOO_LARGE, "the question is longer than a megabyte");
    question->target.size--;
    projectors =
        endpoints_of(session, &session->projectors, place->projectors, session->place.query);
    do {
        status = dk_endpoints_call(
            projectors, post != NULL ? "POST" : "GET", (const char *)question->target.data,
            post != NULL ? "application/avro" : NULL, post != NULL ? post->data : NULL,
            post != NULL ? post->size : 0, session->timeout_ms, reply, err);
        session->has_answer = session->has_answer || status == DK_OK;
        if (status == DK_OK && reply->status == 200)
            return DK_OK;
        if (status == DK_OK)
            status = refused("projector", reply, err);
        else if (status == DK_NOT_FOUND)
            status = absent(session, place->projectors, place->query, err);
        if (status == DK_IO && ++broken >= BROKEN_MAX)
            return status;
        if (status != DK_AGAIN && status != DK_BUSY && status != DK_IO)
            return status;
    } while (wait_more(&patience, err));
    return status;
}

enum dk_status dk_ask_body(struct dk_session *session, struct dk_question *question,
                           const struct dk_buf *post, struct dk_buf *body, int64_t *seq,
                           struct dk_err *err)
{
    struct dk_reply reply = { 0 };
    enum dk_status status;

    dk_buf_init(&reply.body, &dk_heap, ANSWER_MAX);
    status = ask(session, question, post, &reply, err);
    if (status == DK_OK && body->size == 0 && body->capacity == 0) {
        size_t size_max = body->size_max; /* nothing there yet: take it as it is */

        *body = reply.body;
        body->size_max = size_max > body->capacity ? size_max : body->capacity;
        reply.body.data = NULL;
        reply.body.capacity = 0;
    } else if (status == DK_OK && !dk_buf_add(body, reply.body.data, reply.body.size)) {
        status = dk_fail(err, DK_TOO_LARGE, "the answer is larger than %zu bytes", body->size_max);
    }
    if (status == DK_OK && seq != NULL)
        *seq = reply.seq;
    dk_buf_release(&reply.body);
    return status;
}

/* --- tables --- */

static uint32_t count_lines(const struct dk_buf *text)
{
    const uint8_t *at = text->data, *end = at + text->size;
    uint32_t lines = 0;

    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        lines++;
        at++;
    }
    return lines;
}

static char unescaped(char c)
{
    switch (c) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    default:
        return c;
    }
}

/* Takes the text apart in place: a cell is never longer than what it is written as. */
static bool split(struct dk_rows *rows)
{
    char *at = (char *)rows->text.data, *end = at + rows->text.size, *to = at;
    size_t cell = 0, cells = (size_t)rows->rows * rows->columns;
    uint32_t column = 0;

    if (cells > 0)
        rows->cells[0] = to;
    for (; at < end; at++) {
        char c = *at;

        if (c != '\t' && c != '\n' && c != '\\') {
            *to++ = c;
        } else if (c == '\\' && at + 1 < end) {
            *to++ = unescaped(*++at);
        } else {
            *to++ = '\0';
            if ((c == '\n') != (++column == rows->columns) || cell >= cells)
                return false;
            if (c == '\n')
                column = 0;
            if (++cell < cells)
                rows->cells[cell] = to;
        }
    }
    return cell == cells && column == 0;
}

static uint32_t count_fields(const char *fields)
{
    uint32_t count = 1;

    for (; *fields != '\0'; fields++)
        count += *fields == ',';
    return count;
}

enum dk_status dk_ask_rows(struct dk_session *session, struct dk_question *question,
                           const char *fields, struct dk_rows *rows, struct dk_err *err)
{
    enum dk_status status;

    memset(rows, 0, sizeof(*rows));
    dk_buf_init(&rows->text, &dk_heap, ANSWER_MAX);
    rows->columns = count_fields(fields);
    dk_question_add(question, "fields", fields);
    dk_question_add(question, "format", "tsv");
    status = dk_ask_body(session, question, NULL, &rows->text, &rows->seq, err);
    if (status != DK_OK)
        return status;
    rows->rows = count_lines(&rows->text);
    rows->cells_size = (size_t)rows->rows * rows->columns * sizeof(char *);
    if (rows->cells_size > 0)
        rows->cells = dk_alloc_new(&dk_heap, rows->cells_size);
    if (!split(rows)) {
        rows->rows = 0;
        return dk_fail(err, DK_INVALID,
                       "the projector answers with rows that are not of %u columns", rows->columns);
    }
    return DK_OK;
}

const char *dk_cell(const struct dk_rows *rows, uint32_t row, uint32_t column)
{
    DK_CHECK(row < rows->rows && column < rows->columns);
    return rows->cells[(size_t)row * rows->columns + column];
}

int64_t dk_cell_number(const struct dk_rows *rows, uint32_t row, uint32_t column, int64_t fallback)
{
    const char *text = dk_cell(rows, row, column);
    char *end;
    long long value = strtoll(text, &end, 10);

    return end == text ? fallback : value;
}

void dk_rows_release(struct dk_rows *rows)
{
    dk_alloc_free(&dk_heap, rows->cells, rows->cells_size);
    dk_buf_release(&rows->text);
    rows->cells = NULL;
    rows->rows = 0;
}

/* --- requests --- */

static void fill_random(uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);

        DK_CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            bytes += got;
            size -= (size_t)got;
        }
    }
}

void dk_key_make(uint8_t key[16])
{
    fill_random(key, 16);
}

static void read_outcome(struct dk_json *json, struct dk_outcome *outcome)
{
    char key[16], result[16] = "";

    memset(outcome, 0, sizeof(*outcome));
    for (dk_json_enter(json, '{'); dk_json_key(json, key, sizeof(key));) {
        if (strcmp(key, "result") == 0)
            dk_json_take_text(json, result, sizeof(result));
        else if (strcmp(key, "seq") == 0)
            outcome->seq = dk_json_take_number(json);
        else if (strcmp(key, "job") == 0)
            outcome->job = dk_json_take_number(json);
        else if (strcmp(key, "reason") == 0)
            dk_json_take_text(json, outcome->reason, sizeof(outcome->reason));
        else if (strcmp(key, "detail") == 0)
            dk_json_take_text(json, outcome->detail, sizeof(outcome->detail));
        else
            dk_json_skip(json);
    }
    if (strcmp(result, "rejected") == 0)
        outcome->kind = DK_OUTCOME_REJECTED;
    else if (strcmp(result, "duplicate") == 0)
        outcome->kind = DK_OUTCOME_DUPLICATE;
    else if (strcmp(result, "accepted") != 0)
        json->bad = true;
}

static enum dk_status read_outcomes(struct dk_session *session, const struct dk_buf *body,
                                    struct dk_outcome *outcomes, uint32_t count, struct dk_err *err)
{
    struct dk_json json;
    uint32_t found = 0;
    char key[16];

    dk_json_begin(&json, body->data, body->size);
    for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
        int64_t seq;

        if (strcmp(key, "seq") == 0) {
            seq = dk_json_take_number(&json);
            if (seq > session->seq)
                session->seq = seq;
        } else if (strcmp(key, "results") == 0) {
            for (dk_json_enter(&json, '['); dk_json_item(&json); found++) {
                if (found < count)
                    read_outcome(&json, &outcomes[found]);
                else
                    dk_json_skip(&json);
            }
        } else {
            dk_json_skip(&json);
        }
    }
    if (json.bad || found != count)
        return dk_fail(err, DK_IO, "the controller answers %u of %u requests%s", found, count,
                       json.bad ? ", unreadably" : "");
    return DK_OK;
}

/* One call, repeated with the same bytes, and so with the same keys, until it is answered. */
static enum dk_status send_call(struct dk_session *session, const struct dk_buf *body,
                                struct dk_outcome *outcomes, uint32_t count,
                                struct patience *patience, struct dk_err *err)
{
    const struct dk_place *place = &session->place;
    struct dk_endpoints *controllers =
        endpoints_of(session, &session->controllers, place->controllers, place->control);
    struct dk_reply reply = { 0 };
    enum dk_status status;

    dk_buf_init(&reply.body, &dk_heap, ANSWER_MAX);
    do {
        status = dk_endpoints_call(controllers, "POST", "/v1/requests",
                                   "application/vnd.docket.requests", body->data, body->size,
                                   session->timeout_ms, &reply, err);
        if (status == DK_OK && reply.status == 200)
            status = read_outcomes(session, &reply.body, outcomes, count, err);
        else if (status == DK_OK)
            status = refused("controller", &reply, err);
        else if (status == DK_NOT_FOUND)
            status = absent(session, place->controllers, place->control, err);
        else if (status == DK_IO)
            status = DK_AGAIN; /* broken: the keys make asking again safe */
        if (status != DK_AGAIN && status != DK_BUSY)
            break;
    } while (wait_more(patience, err));
    dk_buf_release(&reply.body);
    return status;
}

static enum dk_status add_request(struct dk_buf *body, const struct dk_request *request,
                                  struct dk_err *err)
{
    size_t start = body->size, size;
    enum dk_status status;

    if (!dk_buf_add(body, "\0\0\0\0", 4))
        return dk_fail(err, DK_TOO_LARGE, "the requests are larger than %zu bytes", body->size_max);
    status = dk_request_encode(request, body, err);
    size = body->size - start - 4;
    for (int i = 0; status == DK_OK && i < 4; i++)
        body->data[start + (size_t)i] = (uint8_t)(size >> (8 * i));
    return status;
}

enum dk_status dk_send(struct dk_session *session, struct dk_request *requests, uint32_t count,
                       struct dk_outcome *outcomes, int patience_ms, struct dk_err *err)
{
    struct patience patience =
        patience_of(session, patience_ms > 0 ? patience_ms : SEND_PATIENCE_MS);
    size_t keys_size = (size_t)count * DK_KEY_SIZE;
    uint8_t *keys = dk_alloc_new(&dk_heap, keys_size + 1);
    enum dk_status status = DK_OK;
    struct dk_buf body;
    uint32_t first = 0;

    dk_buf_init(&body, &dk_heap, (size_t)1 << 30);
    fill_random(keys, keys_size);
    for (uint32_t i = 0; status == DK_OK && i < count; i++) {
        if (requests[i].meta.key.size == 0)
            requests[i].meta.key = (struct dk_bytes){ keys + (size_t)i * DK_KEY_SIZE, DK_KEY_SIZE };
        status = add_request(&body, &requests[i], err);
        if (status == DK_OK && (i + 1 == count || body.size >= CALL_BYTES)) {
            status = send_call(session, &body, outcomes + first, i + 1 - first, &patience, err);
            first = i + 1;
            dk_buf_clear(&body);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (requests[i].meta.key.data == keys + (size_t)i * DK_KEY_SIZE)
            requests[i].meta.key = (struct dk_bytes){ NULL, 0 };
    }
    dk_buf_release(&body);
    dk_alloc_free(&dk_heap, keys, keys_size + 1);
    return status;
}
