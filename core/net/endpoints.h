/* endpoints.h - several daemons that can all answer: a list in order, and the one that works
 *
 * A call goes to the one that worked last, at first to the first. One that can't be reached, breaks
 * the connection, is not ready (503: it does not lead, it is stopping, it is behind), can't tell
 * who asks (401: its key or clock may be the wrong one) or does not prove its answer is left for
 * the next, once around the list; one that is silent for too long is left after the call. So nobody
 * has to be told who leads, and callers go on when one dies.
 *
 * A list of one, a Unix socket, costs no more than a client. Not thread-safe: one a thread.
 */
#ifndef DK_NET_ENDPOINTS_H
#define DK_NET_ENDPOINTS_H

#include "net/client.h"

struct dk_endpoints;

/* `list`: addresses as in net/address.h; copied, like the other, which may be NULL. demands: see
 * dk_client_prove. It connects nowhere yet. */
struct dk_endpoints *dk_endpoints_create(const char *list, const struct dk_munge *munge,
                                         bool demands);
void dk_endpoints_destroy(struct dk_endpoints *endpoints); /* NULL is fine */

/* Who is told, in the calling thread, of an answer that was not proven. */
void dk_endpoints_remark(struct dk_endpoints *endpoints, void (*remark)(const char *text));

/* As dk_client_call. DK_NOT_FOUND: none of them is there. DK_OK with status 503 or
 * 401: none is ready, and the reply is of the last. DK_INVALID: the list has no address, or one
 * that is none. */
enum dk_status dk_endpoints_call(struct dk_endpoints *endpoints, const char *method,
                                 const char *target, const char *type, const void *body,
                                 size_t size, int timeout_ms, struct dk_reply *reply,
                                 struct dk_err *err);

/* Hangs up; the next call begins with the next of the list. A call that failed has left its address
 * itself: after one this does nothing more, else of two addresses the silent one were asked again.
 */
void dk_endpoints_leave(struct dk_endpoints *endpoints);

uint32_t dk_endpoints_count(const struct dk_endpoints *endpoints);

/* The address that is called, or would be. */
const char *dk_endpoints_now(const struct dk_endpoints *endpoints);

#endif
