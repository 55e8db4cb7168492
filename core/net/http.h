/* http.h - the server side of HTTP on a Unix socket (or TCP): requests in, answers out
 *
 * An adapter over libmicrohttpd: no header of ours shows it. A handler is called in a thread of
 * the server when a request is complete, and answers at once, or keeps the exchange and
 * answers later from any thread (a commit that is awaited, a long poll).
 *
 *   1. Every exchange is answered exactly once, by dk_http_answer or dk_http_fail; after that it
 *      must not be touched. What its accessors return is good until then.
 *   2. A body larger than options.body_max is refused with 413, and a request that is not HTTP
 *      with 400, before a handler sees it. A client that sends slowly is dropped after 30 s.
 *   3. No user but root and our own, and over TCP no address, has more than a quarter of the
 *      connections, or more than two bodies of body_max on the way (crowd.h): more connections are
 *      hung up, more bodies answered with 503. What comes over TCP takes nothing from the socket.
 *   4. dk_http_stop waits for handlers that run; exchanges kept must have been answered before.
 */
#ifndef DK_NET_HTTP_H
#define DK_NET_HTTP_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct dk_http_server;
struct dk_http_exchange;

/* Who is at the other end, as the kernel says (SO_PEERCRED). Over TCP nobody (uid -1), until it is
 * proven (net/prover.h). */
struct dk_peer {
    int32_t uid, gid, pid;
};

typedef void (*dk_http_handler)(void *context, struct dk_http_exchange *exchange);

struct dk_http_options {
    const char *socket;       /* path; any length (the folder is opened first). Removed at stop */
    unsigned mode;            /* of the socket file, e.g. 0666 */
    const char *tcp;          /* a list of HOST:PORT (net/address.h), at most 4; NULL or "": none */
    uint32_t connections_max; /* 0: 1,024 */
    uint64_t body_max;        /* 0: 16 MiB */
    int nice;                 /* added to the niceness of the server's threads, 0 to 19 */
    dk_http_handler handler;
    void *context;
};

/* DK_BUSY: another live server listens there (a stale socket file is replaced). */
enum dk_status dk_http_start(struct dk_http_server **out, const struct dk_http_options *options,
                             struct dk_err *err);
void dk_http_stop(struct dk_http_server *server); /* NULL is fine */

const char *dk_http_method(const struct dk_http_exchange *exchange); /* "GET" */
const char *dk_http_path(const struct dk_http_exchange *exchange);   /* without the query */
/* The value of ?name=, decoded; NULL: not there. "" for a name without a value. */
const char *dk_http_param(struct dk_http_exchange *exchange, const char *name);
const char *dk_http_header(struct dk_http_exchange *exchange, const char *name); /* NULL: none */
const uint8_t *dk_http_body(const struct dk_http_exchange *exchange, size_t *size);
struct dk_peer dk_http_peer(const struct dk_http_exchange *exchange);
const char *dk_http_target(const struct dk_http_exchange *exchange); /* path and query, as sent */

bool dk_http_is_remote(const struct dk_http_exchange *exchange);      /* it came over TCP */
const char *dk_http_address(const struct dk_http_exchange *exchange); /* from there: "10.0.0.7" */
void dk_http_set_peer(struct dk_http_exchange *exchange, struct dk_peer peer); /* proven since */

/* Names of query parameters, one by one, so that an unknown one can be refused; NULL: that was all.
 */
const char *dk_http_param_name(struct dk_http_exchange *exchange, uint32_t index);

/* Answers. The buffer's bytes are taken over and it is left empty. `seq` goes into the header
 * Docket-Seq when it is not 0. */
void dk_http_answer(struct dk_http_exchange *exchange, int status, const char *type, int64_t seq,
                    struct dk_buf *body);

/* An answer that is to be proven goes to `sealer` instead, in the thread that answers; it takes the
 * body over, finds a credential, in its own time and thread, and sends it. */
typedef void dk_http_sealer(void *context, struct dk_http_exchange *exchange, int status,
                            const char *type, int64_t seq, struct dk_buf *body);
void dk_http_seal(struct dk_http_exchange *exchange, dk_http_sealer *sealer, void *context);
/* dk_http_answer with header Docket-Credential; NULL: without. */
void dk_http_answer_sealed(struct dk_http_exchange *exchange, int status, const char *type,
                           int64_t seq, struct dk_buf *body, const char *credential);

/* Answers {"error":{"reason":REASON,"detail":TEXT}}; REASON is a word for programs ("INVALID",
 * "NOT_FOUND", "NOT_PERMITTED", "BUSY", "FULL", "INTERNAL"), TEXT for people, dk_fail's kind. 503
 * carries Retry-After: 1. */
void dk_http_fail(struct dk_http_exchange *exchange, int status, const char *reason,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
