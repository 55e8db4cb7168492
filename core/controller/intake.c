/* intake.c - requests on their way in (intake.h) */
#define _GNU_SOURCE
#include "controller/intake.h"

#include "base/check.h"
#include "net/prover.h"
#include "net/request_json.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_HEAD = 4, STATUS_MORE = 256 };

/* So many in a second, and no more. */
struct limit {
    int64_t second;
    uint32_t count;
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
    struct limit nobody, known; /* refusals that are recorded */
    uint64_t unrecorded;        /* and those beyond the limit */
    struct dk_who *who;
    struct dk_prover *prover; /* NULL: nobody asks over TCP */
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
    intake->who = dk_who_create();
    return intake;
}

void dk_intake_prove(struct dk_intake *intake, const struct dk_munge *munge)
{
    struct dk_prover_options options = { .munge = munge, .who = intake->who };

    intake->prover = dk_prover_create(&options);
}

void dk_intake_stop(struct dk_intake *intake)
{
    if (intake != NULL)
        dk_prover_stop(intake->prover);
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
    dk_prover_destroy(intake->prover);
    dk_who_destroy(intake->who);
    (void)pthread_mutex_destroy(&intake->lock);
    free(intake);
}

/* --- who asks --- */

/* `host`: where they are. */
static void identify(struct dk_intake *intake, struct dk_call *call, struct dk_peer peer,
                     const char *host)
{
    dk_who_name(intake->who, peer.uid, call->user);
    (void)snprintf(call->host, sizeof(call->host), "%s", host);
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
static void note_refused(struct dk_call *call, int status, enum dk_reject_reason reason,
                         const char *why)
{
    size_t size = strlen(why);
    char *text = dk_arena_take(&call->arena, size + 1);

    memcpy(text, why, size + 1);
    call->why = (struct dk_text){ text, (uint32_t)size };
    call->count = 0;
    call->refused = status;
    call->reason = reason;
}

static struct dk_call *call_create(struct dk_http_exchange *exchange)
{
    struct dk_call *call = calloc(1, sizeof(*call));

    DK_CHECK(call != NULL);
    call->exchange = exchange;
    dk_arena_init(&call->arena, &dk_heap);
    dk_buf_init(&call->answer, &dk_heap, (size_t)1 << 30);
    (void)dk_http_body(exchange, &call->size);
    return call;
}

static void decode(struct dk_call *call)
{
    const char *type = dk_http_header(call->exchange, "Content-Type");
    struct dk_err err;
    size_t size;
    const uint8_t *body = dk_http_body(call->exchange, &size);
    enum dk_status status =
        dk_requests_decode(type, body, size, &call->arena, &call->requests, &call->count, &err);

    if (status != DK_OK)
        note_refused(call,
                     status == DK_TOO_LARGE     ? 413
                     : status == DK_UNSUPPORTED ? 415
                                                : 400,
                     DK_REJECT_REASON_UNREADABLE, err.text);
}

static enum dk_reject_reason reason_of(enum dk_proof proof)
{
    switch (proof) {
    case DK_PROOF_REPLAYED:
        return DK_REJECT_REASON_CREDENTIAL_REPLAYED;
    case DK_PROOF_EXPIRED:
    case DK_PROOF_REWOUND:
        return DK_REJECT_REASON_CREDENTIAL_EXPIRED;
    case DK_PROOF_MOVED:
        return DK_REJECT_REASON_CREDENTIAL_MOVED;
    case DK_PROOF_INVALID:
    case DK_PROOF_GOOD:
    case DK_PROOF_UNAVAILABLE:
        break;
    }
    return DK_REJECT_REASON_CREDENTIAL_INVALID;
}

/* May one more refusal be recorded? */
static bool is_within_limit(struct dk_intake *intake, struct limit *limit)
{
    struct timespec now;
    bool within;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
    if (limit->second != (int64_t)now.tv_sec)
        *limit = (struct limit){ .second = now.tv_sec };
    within = limit->count < DK_INTAKE_REFUSALS_MAX;
    limit->count += within;
    intake->unrecorded += !within;
    DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
    return within;
}

/* dk_prover_done: a call that came over TCP, in a worker of the prover. */
static void take_proven(void *context, struct dk_http_exchange *exchange,
                        const struct dk_proven *proven)
{
    struct dk_intake *intake = context;
    bool is_known = proven->peer.uid >= 0;
    struct dk_call *call;
    uint8_t *id;

    if (proven->proof != DK_PROOF_GOOD &&
        !is_within_limit(intake, is_known ? &intake->known : &intake->nobody)) {
        dk_http_fail(exchange, 401, dk_proof_reason(proven->proof), "%s", proven->why);
        return;
    }
    call = call_create(exchange);
    if (is_known)
        identify(intake, call, proven->peer, dk_http_address(exchange));
    if (proven->proof == DK_PROOF_GOOD) {
        id = dk_arena_take(&call->arena, sizeof(proven->id));
        memcpy(id, proven->id, sizeof(proven->id));
        call->id = (struct dk_bytes){ id, sizeof(proven->id) };
        decode(call);
    } else {
        note_refused(call, 401, reason_of(proven->proof), proven->why);
    }
    enqueue(intake, call);
}

static void take_requests(struct dk_intake *intake, struct dk_http_exchange *exchange)
{
    struct dk_call *call;

    if (dk_http_is_remote(exchange)) {
        dk_prover_prove(intake->prover, exchange, take_proven, intake);
        return;
    }
    call = call_create(exchange);
    identify(intake, call, dk_http_peer(exchange), intake->host);
    decode(call);
    enqueue(intake, call);
}

/* What the controller says of itself, and what it does not know: who was let in. */
static void answer_status(struct dk_intake *intake, struct dk_http_exchange *exchange)
{
    struct dk_prover_stats stats;
    struct dk_buf body;
    char more[STATUS_MORE];

    dk_prover_stats(intake->prover, &stats);
    dk_buf_init(&body, &dk_heap, sizeof(intake->status) + sizeof(more));
    DK_CHECK(pthread_mutex_lock(&intake->lock) == 0);
    (void)snprintf(more, sizeof(more),
                   ",\"credentials_good\":%llu,\"credentials_refused\":%llu,"
                   "\"credentials_unrecorded\":%llu,\"credentials_unavailable\":%llu}\n",
                   (unsigned long long)stats.proven, (unsigned long long)stats.refused,
                   (unsigned long long)intake->unrecorded, (unsigned long long)stats.unavailable);
    DK_CHECK(dk_buf_add_text(&body, intake->status));
    DK_CHECK(pthread_mutex_unlock(&intake->lock) == 0);
    if (body.size > 4) { /* it says something: before its end, "}\n" */
        body.size -= 2;
        DK_CHECK(dk_buf_add_text(&body, more));
    }
    dk_http_answer(exchange, 200, "application/json", 0, &body);
}

void dk_intake_handle(void *context, struct dk_http_exchange *exchange)
{
    struct dk_intake *intake = context;
    const char *path = dk_http_path(exchange), *method = dk_http_method(exchange);

    if (strcmp(path, "/v1/requests") == 0) {
        if (strcmp(method, "POST") == 0)
            take_requests(intake, exchange);
        else
            dk_http_fail(exchange, 405, "INVALID", "'%s' is for POST", path);
        return;
    }
    if (strcmp(path, "/v1/status") == 0) {
        answer_status(intake, exchange);
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
