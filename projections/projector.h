/* projector.h - the process that folds the log into views and answers questions about them
 *
 *     log --folder--> live views ------------+
 *                \--> history (RocksDB) -----+--> answers: query.sock, and TCP when told
 *                     follower of the core --+
 *
 * It listens on TCP where the place says so (listen_query); who asks there is proven by MUNGE, but
 * for /v1/status and /metrics.
 *
 * Threads. The folder sleeps on the log's futex and applies batch after batch; the server's threads
 * take questions apart and answer at once what costs nothing (orders for agents); workers of lower
 * priority write the lists. Who waits for something (long poll) costs a list entry, not a thread.
 * Any number of projectors may read one log; each has its own folder of views.
 */
#ifndef DK_PROJECTIONS_PROJECTOR_H
#define DK_PROJECTIONS_PROJECTOR_H

#include "net/place.h"

struct dk_projector_options {
    const struct dk_place *place;
    const char *version; /* of the program */
    int stop_fd;         /* becomes readable when it is to stop */
};

/* DK_NOT_FOUND: there is no log yet. DK_BUSY: another projector has these views. */
enum dk_status dk_projector_run(const struct dk_projector_options *options, struct dk_err *err);

#endif
