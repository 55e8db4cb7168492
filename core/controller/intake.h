/* intake.h - requests on their way in: who asks, what they ask, and a bounded queue of calls
 *
 * The server's thread takes a call's body apart, or a prover's worker for what came over TCP, once
 * it is known who asks (net/prover.h); the controller's thread takes calls out of the queue, in
 * order, and answers them when their outcome is durable. What does not fit into the queue is
 * answered 503 BUSY at once: nothing waits for ever and nothing acknowledged is lost, for nothing
 * was acknowledged.
 *
 * A call with a bad credential goes through the queue as one that is refused, and so is recorded. A
 * stranger must not fill the log by it: of nobody, and of those whose credential was used before,
 * is too old or was moved, DK_INTAKE_REFUSALS_MAX a second each; more are answered and counted.
 */
#ifndef DK_CONTROLLER_INTAKE_H
#define DK_CONTROLLER_INTAKE_H

#include "event/request.h"
#include "net/http.h"
#include "net/munge.h"
#include "sched/core.h"

#define DK_INTAKE_REQUESTS_MAX 262144u /* waiting, and in one call */
#define DK_INTAKE_BYTES_MAX ((uint64_t)256 << 20)
#define DK_INTAKE_REFUSALS_MAX 10u

/* One call: a POST with any number of requests. Texts of the requests borrow from its body. */
struct dk_call {
    struct dk_call *next;
    struct dk_http_exchange *exchange;
    struct dk_arena arena;
    struct dk_request *requests;
    uint32_t count;
    uint64_t size; /* of the body */
    /* Not 0: it is refused before the core sees it (count is 0), answered with this HTTP status and
     * recorded with this reason. */
    int refused;
    enum dk_reject_reason reason;
    struct dk_text why;    /* for people; in the arena */
    struct dk_actor actor; /* proven */
    bool has_actor;        /* false: nobody knows who asked, and the call is refused */
    struct dk_bytes id;    /* head of its good credential's SHA-256, 16 bytes; else none */
    bool is_operator;      /* root, docket's own user; the controller adds the configured ones */
    bool is_node;          /* may speak for nodes */
    char user[64], host[256];
    struct dk_buf answer; /* for the controller: the results so far */
};

struct dk_intake;

/* `host` is what actors of local calls get. wake_fd: an eventfd that is written when the queue
 * stops being empty. */
struct dk_intake *dk_intake_create(const char *host, int wake_fd);
void dk_intake_destroy(struct dk_intake *intake); /* the server must have been stopped */

/* Before the server listens on TCP: how who asks there is proven. */
void dk_intake_prove(struct dk_intake *intake, const struct dk_munge *munge);
/* Before the server is stopped: no exchange is left with the prover. */
void dk_intake_stop(struct dk_intake *intake);

/* The handler of POST /v1/requests and GET /v1/status; context is the intake. */
void dk_intake_handle(void *context, struct dk_http_exchange *exchange);

/* All calls that wait, in order, linked by `next`; NULL: none. They are the caller's now. */
struct dk_call *dk_intake_take(struct dk_intake *intake);

/* The number of requests of a call is no longer in the queue's count. */
void dk_intake_release(struct dk_intake *intake, struct dk_call *call); /* frees an answered call */

/* From here on every call is refused with this status and reason; NULL: taken again. */
void dk_intake_refuse(struct dk_intake *intake, int status, const char *reason, const char *detail);

/* What GET /v1/status says: a JSON object, copied. */
void dk_intake_status(struct dk_intake *intake, const char *json);

/* Takes a body apart by its Content-Type: one request, a framed list, or JSON. DK_INVALID,
 * DK_TOO_LARGE, DK_UNSUPPORTED (the type is not known). For intake.c and its tests. */
enum dk_status dk_requests_decode(const char *type, const uint8_t *body, size_t size,
                                  struct dk_arena *arena, struct dk_request **requests,
                                  uint32_t *count, struct dk_err *err);

#endif
