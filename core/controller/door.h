/* door.h - calls of this process into the topic of requests, and their outcomes back (decision
 * 0012)
 *
 *     intake -> door -> requests -> whoever leads -> events -> door -> answers
 *
 * Every controller on a Kafka log is a door, leading or not, with a thread of its own. A call is
 * answered when what came of it is in the log, or after 10 s with 503: then nobody knows, and the
 * client asks again with the same key. A call that only says that nodes live is answered when it is
 * in the topic.
 *
 * The controller's thread shows the door each event as it writes or folds it.
 */
#ifndef DK_CONTROLLER_DOOR_H
#define DK_CONTROLLER_DOOR_H

#include "controller/intake.h"
#include "controller/secrets.h"

struct dk_door;

struct dk_door_options {
    const char *log_uri, *host;
    struct dk_intake *intake;
    int wake_fd;                /* what the intake writes; the door's to read */
    struct dk_secrets *secrets; /* this and those above are borrowed */
};

/* DK_IO: no broker answered; others as dk_stream_open. */
enum dk_status dk_door_open(struct dk_door **out, const struct dk_door_options *options,
                            struct dk_err *err);
/* Calls that wait still are answered 503. The intake must refuse by then. NULL is fine. */
void dk_door_close(struct dk_door *door);

/* One event that is in the log, in order. `core` is the state after its batch. */
void dk_door_see(struct dk_door *door, const struct dk_core *core, const struct dk_event *event);

#endif
