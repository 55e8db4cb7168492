/* inbox.h - orders come in: a long poll at a projector, in a thread of its own
 *
 * Over TCP an answer is taken only if it is proven by root or our own user, whoever is behind that
 * address, and what it names is held to its digest. One of any several projectors will do; one that
 * is behind what this agent has been told already is left for the next, for by its answer a job
 * that has just been started would be over.
 *
 * The first answer, and the first after every broken connection, is asked for with after=0: it is
 * `complete`, everything that is outstanding for this node as of its seq. Later ones hold only
 * what is new. Scripts, environments and arguments that orders name are fetched here, and the
 * last used ones kept, so that an array's tasks fetch them once.
 */
#ifndef DK_NODES_INBOX_H
#define DK_NODES_INBOX_H

#include "base/arena.h"
#include "base/buf.h"
#include "event/order.h"
#include "net/endpoints.h"

struct dk_blob_copy {
    uint8_t *data; /* NULL when size is 0 */
    uint32_t size;
};

struct dk_delivered {
    struct dk_order order;
    struct dk_bytes bytes; /* the order as it came */
    struct dk_blob_copy script, environment, arguments;
    bool blobs_missing; /* the cluster does not have them (any more) */
};

struct dk_delivery {
    struct dk_delivery *next;
    struct dk_arena arena;
    struct dk_buf body;
    int64_t seq;
    bool complete;
    uint32_t count;
    struct dk_delivered *items;
};

struct dk_inbox;

/* `projectors` becomes the inbox's. seq: of the newest order known from before, 0: none. */
enum dk_status dk_inbox_start(struct dk_inbox **out, struct dk_endpoints *projectors,
                              const char *node, int64_t seq, struct dk_err *err);
/* The thread may sit in a call: it ends with the process. */

int dk_inbox_fd(const struct dk_inbox *inbox); /* readable when there is something to take */
struct dk_delivery *dk_inbox_take(struct dk_inbox *inbox); /* the oldest; NULL: none */
void dk_delivery_destroy(struct dk_delivery *delivery);

/* Takes the body of an answer apart. For tests too. */
enum dk_status dk_delivery_parse(struct dk_delivery *delivery, struct dk_err *err);

#endif
