/* intake.c - requests on their way in (intake.h) */
#define _GNU_SOURCE
#include "controller/intake.h"

#include "base/check.h"
#include "net/request_json.h"

#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USERS_CACHED = 256, USER_BUFFER = 4096, USER_NAME_SIZE = 64, FRAME_HEAD = 4 };

struct user {
    bool is_known;
    int32_t uid;
    char name[USER_NAME_SIZE];
};

struct dk_intake {
    int wake_fd;
    int32_t own_uid;
    char host[256];
    pthread_mutex_t lock; /* of all below */
    struct dk_call *first, **last;
    uint64_t requests, bytes; /* waiting and in the controller's hands */
    int refuse_status;        /* 0: calls are taken */
    char refuse_reason[32], refuse_detail[256];
    char status[2048];
    struct user users[USERS_CACHED]; /* by uid modulo; names of users seldom change */
};

struct dk_intake *dk_intake_create(const char *host, int wake_fd)
{
    struct dk_intake *intake = calloc(1, sizeof(*intake));

    DK_CHECK(intake != NULL);
    intake->wake_fd = wake_fd;
    intake->own_uid = (int32_t)getuid();
    intake->last = &intake->first;
    (void)snprintf(intake->host, sizeof(intake->host), "%s", host);
    (void)snprintf(intake->status, sizeof(intake->status), "{}\n");
    DK_CHECK(pthread_mutex_init(&intake->lock, NULL) == 0);
    return intake;
}

static void free_call(struct dk_call *call)
{
    dk_arena_release(&call->arena);
    dk_buf_release(&call->answer);
    free(call);
}

void dk_intake_destroy(struct dk_intake *intake)
{
    if (intake == NULL)
        return;
    DK_CHECK(intake->first == NULL);
    (void)pthread_mutex_destroy(&intake->lock);
    free(intake);
}

/* --- who asks --- */

static void look_up_user(struct user *user, int32_t uid)
{
    struct passwd entry, *found = NULL;
    char buffer[USER_BUFFER];

    user->is_known = true;
    user->uid = uid;
    if (getpwuid_r((uid_t)uid, &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
        (void)snprintf(user->name, sizeof(user->name), "%s", found->pw_name);
    else
        (void)snprintf(user->name, sizeof(user->name), "%d", uid);
}

static void identify(struct dk_intake *intake, struct dk_call *call, struct dk_peer peer)
{
    struct user *user = &intake->users[(uint32_t)peer.uid % USERS_CACHED];

    DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
    if (!user->is_known || user->uid != peer.uid)
        look_up_user(user, peer.uid);
    memcpy(call->user, user->name, sizeof(call->user));
    DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
    memcpy(call->host, intake->host, sizeof(call->host));
    call->is_operator = call->is_node = peer.uid == 0 || peer.uid == intake->own_uid;
    call->has_actor = true;
    call->actor = (struct dk_actor){ .uid = peer.uid,
                                     .gid = peer.gid,
                                     .user = dk_text_of(call->user),
                                     .host = dk_text_of(call->host) };
}

/* --- what they ask --- */

static enum dk_status decode_list(const uint8_t *body, size_t size, struct dk_arena *arena,
                                  struct dk_request **requests, uint32_t *count, struct dk_err *err)
{
    const uint8_t *at = body, *end = body + size;
    uint32_t total = 0;

    while (at < end) { /* how many, before there is room for any */
        uint32_t one;

        if (end - at < FRAME_HEAD)
            return dk_fail(err, DK_INVALID, "request %u: its size is cut short", total + 1);
        one =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        if (one > (uint64_t)(end - at) - FRAME_HEAD)
            return dk_fail(err, DK_INVALID, "request %u: %u bytes announced, %zu there", total + 1,
                           one, (size_t)(end - at) - FRAME_HEAD);
        at += FRAME_HEAD + one;
        if (++total > DK_INTAKE_REQUESTS_MAX)
            return dk_fail(err, DK_TOO_LARGE, "more than %u requests in one call",
                           DK_INTAKE_REQUESTS_MAX);
    }
    if (total == 0)
        return dk_fail(err, DK_INVALID, "the list has no request");
    *requests = dk_arena_take(arena, total * sizeof(**requests));
    at = body;
    for (uint32_t i = 0; i < total; i++) {
        uint32_t one =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        enum dk_status status =
            dk_request_decode(at + FRAME_HEAD, one, arena, &(*requests)[i], err);

        if (status != DK_OK)
            return status;
        at += FRAME_HEAD + one;
    }
    *count = total;
    return DK_OK;
}

/* The decoder of Avro holds every maximum of the schemas; what was JSON is held to the same ones by
 * the encoder, for what is admitted has to fit into an event. */
static enum dk_status check_limits(const struct dk_request *requests, uint32_t count,
                                   struct dk_err *err)
{
    struct dk_buf bytes;
    enum dk_status status = DK_OK;

    dk_buf_init(&bytes, &dk_heap, (size_t)1 << 30);
    for (uint32_t i = 0; status == DK_OK && i < count; i++) {
        dk_buf_clear(&bytes);
        status = dk_request_encode(&requests[i], &bytes, err);
    }
    dk_buf_release(&bytes);
    return status;
}

enum dk_status dk_requests_decode(const char *type, const uint8_t *body, size_t size,
                                  struct dk_arena *arena, struct dk_request **requests,
                                  uint32_t *count, struct dk_err *err)
{
    if (type == NULL)
        type = "";
    if (strcmp(type, "application/avro") == 0) {
        *requests = dk_arena_take(arena, sizeof(**requests));
        *count = 1;
        return dk_request_decode(body, size, arena, *requests, err);
    }
    if (strcmp(type, "application/vnd.docket.requests") == 0)
        return decode_list(body, size, arena, requests, count, err);
    if (strncmp(type, "application/json", 16) == 0) {
        enum dk_status status = dk_requests_from_json(body, size, arena, requests, count, err);

        return status == DK_OK ? check_limits(*requests, *count, err) : status;
    }
    return dk_fail(err, DK_UNSUPPORTED,
                   "content type '%s' is not taken: application/avro, "
                   "application/vnd.docket.requests or application/json",
                   type);
}

/* --- the queue --- */

static void enqueue(struct dk_intake *intake, struct dk_call *call)
{
    uint64_t one = 1;
    int refuse = 0;
    char reason[32], detail[256];
    bool was_empty;

    DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
    was_empty = intake->first == NULL;
    if (intake->refuse_status != 0) {
        refuse = intake->refuse_status;
        memcpy(reason, intake->refuse_reason, sizeof(reason));
        memcpy(detail, intake->refuse_detail, sizeof(detail));
    } else if (intake->requests > 0 && (intake->requests + call->count > DK_INTAKE_REQUESTS_MAX ||
                                        intake->bytes + call->size > DK_INTAKE_BYTES_MAX)) {
        refuse = 503;
        (void)snprintf(reason, sizeof(reason), "BUSY");
        (void)snprintf(detail, sizeof(detail),
                       "%llu requests are waiting; try again with the same key",
                       (unsigned long long)intake->requests);
    } else {
        intake->requests += call->count;
        intake->bytes += call->size;
        *intake->last = call;
        intake->last = &call->next;
    }
    DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
    if (refuse != 0) {
        dk_http_fail(call->exchange, refuse, reason, "%s", detail);
        free_call(call);
        return;
    }
    if (was_empty && write(intake->wake_fd, &one, sizeof(one)) < 0)
        return; /* the counter is full: it is awake */
}

/* Its refusal is recorded like any other; so it goes through the queue as a call without requests.
 */
static void note_unreadable(struct dk_call *call, enum dk_status status, const struct dk_err *err)
{
    size_t size = strlen(err->text);
    char *text = dk_arena_take(&call->arena, size + 1);

    memcpy(text, err->text, size + 1);
    call->why = (struct dk_text){ text, (uint32_t)size };
    call->count = 0;
    call->refused = status == DK_TOO_LARGE ? 413 : status == DK_UNSUPPORTED ? 415 : 400;
    call->reason = DK_REJECT_REASON_UNREADABLE;
}

static void take_requests(struct dk_intake *intake, struct dk_http_exchange *exchange)
{
    struct dk_peer peer = dk_http_peer(exchange);
    struct dk_call *call;
    struct dk_err err;
    const uint8_t *body;
    size_t size;
    enum dk_status status;

    if (peer.uid < 0) {
        dk_http_fail(exchange, 403, "NOT_PERMITTED",
                     "who asks is not proven on this socket: use the Unix socket");
        return;
    }
    call = calloc(1, sizeof(*call));
    DK_CHECK(call != NULL);
    call->exchange = exchange;
    dk_arena_init(&call->arena, &dk_heap);
    dk_buf_init(&call->answer, &dk_heap, (size_t)1 << 30);
    body = dk_http_body(exchange, &size);
    call->size = size;
    status = dk_requests_decode(dk_http_header(exchange, "Content-Type"), body, size, &call->arena,
                                &call->requests, &call->count, &err);
    if (status != DK_OK)
        note_unreadable(call, status, &err);
    identify(intake, call, peer);
    enqueue(intake, call);
}

void dk_intake_handle(void *context, struct dk_http_exchange *exchange)
{
    struct dk_intake *intake = context;
    const char *path = dk_http_path(exchange), *method = dk_http_method(exchange);
    struct dk_buf body;

    if (strcmp(path, "/v1/requests") == 0) {
        if (strcmp(method, "POST") == 0)
            take_requests(intake, exchange);
        else
            dk_http_fail(exchange, 405, "INVALID", "'%s' is for POST", path);
        return;
    }
    if (strcmp(path, "/v1/status") == 0) {
        dk_buf_init(&body, &dk_heap, sizeof(intake->status));
        DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
        DK_CHECK(dk_buf_add_text(&body, intake->status));
        DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
        dk_http_answer(exchange, 200, "application/json", 0, &body);
        return;
    }
    dk_http_fail(exchange, 404, "NOT_FOUND",
                 "'%s' is not here: this socket has /v1/requests and /v1/status; questions go to "
                 "query.sock",
                 path);
}

struct dk_call *dk_intake_take(struct dk_intake *intake)
{
    struct dk_call *calls;

    DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
    calls = intake->first;
    intake->first = NULL;
    intake->last = &intake->first;
    DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
    return calls;
}

void dk_intake_release(struct dk_intake *intake, struct dk_call *call)
{
    DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
    intake->requests -= call->count;
    intake->bytes -= call->size;
    DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
    free_call(call);
}

void dk_intake_refuse(struct dk_intake *intake, int status, const char *reason, const char *detail)
{
    DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
    intake->refuse_status = reason != NULL ? status : 0;
    if (reason != NULL) {
        (void)snprintf(intake->refuse_reason, sizeof(intake->refuse_reason), "%s", reason);
        (void)snprintf(intake->refuse_detail, sizeof(intake->refuse_detail), "%s", detail);
    }
    DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
}

void dk_intake_status(struct dk_intake *intake, const char *json)
{
    DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
    (void)snprintf(intake->status, sizeof(intake->status), "%s", json);
    DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
}
