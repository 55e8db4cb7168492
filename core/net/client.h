/* client.h - the client side of HTTP on a Unix socket or TCP: one connection, one call at a time
 *
 * Written here and not taken from libcurl, because a command starts in about a millisecond and
 * loading libcurl takes ten (decision 0010). It speaks what core/net/http.h and libmicrohttpd
 * answer: Content-Length and chunked bodies, keep-alive. Not thread-safe: one client a thread.
 *
 * A call on a connection that the server had closed meanwhile is tried once more on a new one if
 * nothing of an answer had come and the call may be repeated: all of ours may (a submission has its
 * key).
 *
 * Over TCP each try carries a credential of its own (net/munge.h): the Unix socket proves who asks,
 * TCP does not. And the client may demand that answers are proven, by root or the own user.
 */
#ifndef DK_NET_CLIENT_H
#define DK_NET_CLIENT_H

#include "base/buf.h"
#include "base/err.h"
#include "net/munge.h"

#include <stdint.h>

struct dk_client;

struct dk_reply {
    int status;         /* of HTTP */
    int64_t seq;        /* header Docket-Seq; 0: none */
    char type[64];      /* Content-Type without parameters */
    struct dk_buf body; /* initialised by the caller; reset and filled by a call */
};

/* Takes the body piece by piece as it arrives, instead of gathering it; false ends the call. */
typedef bool (*dk_client_sink)(void *context, const uint8_t *data, size_t size);

/* Connects to the socket at a path of any length, or to HOST:PORT (net/address.h).
 * DK_NOT_FOUND: nobody listens there. */
enum dk_status dk_client_open(struct dk_client **out, const char *address, struct dk_err *err);
void dk_client_close(struct dk_client *client); /* NULL is fine */

/* For TCP: how (copied; NULL: as if nothing was said). `demands`: an
 * answer of status 200 to dk_client_call is taken only with proof. */
void dk_client_prove(struct dk_client *client, const struct dk_munge *munge, bool demands);

/* `target` is path and query, already encoded (dk_client_escape). `type` may be NULL without a
 * body. timeout_ms: for the whole call, negative: none. DK_OK whatever the HTTP status is;
 * DK_AGAIN: timed out; DK_IO: broken connection; DK_END: munged made no credential in 10 s;
 * DK_NOT_PERMITTED: a demanded proof is not there, or of somebody else. */
enum dk_status dk_client_call(struct dk_client *client, const char *method, const char *target,
                              const char *type, const void *body, size_t size, int timeout_ms,
                              struct dk_reply *reply, struct dk_err *err);

/* The same, but an answer with status 200 goes to `sink`; others are gathered in reply->body. */
enum dk_status dk_client_stream(struct dk_client *client, const char *target, int timeout_ms,
                                dk_client_sink sink, void *context, struct dk_reply *reply,
                                struct dk_err *err);

/* Appends `text` with all but letters, digits and -._~ as %XX: for names and values in a target. */
bool dk_client_escape(struct dk_buf *out, const char *text);

#endif
