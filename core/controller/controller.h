/* controller.h - the process that drives the core: requests in, batches into the log
 *
 *     calls -> stamp, admit -> decide -> blobs and log made durable -> answers
 *
 * One thread owns the core and the log. While it waits for the disk, calls gather; they
 * share the next batch and its one sync. Between requests it sleeps until the core's next deadline
 * and then appends ClockAdvanced. Heartbeats are gathered into one NodesBeat a second.
 *
 * After DK_FULL nothing more is admitted, calls are answered 507, and the sync is tried again every
 * second; nothing that was acknowledged is harmed. After any other fault of the log the controller
 * ends, and one that is started anew recovers from the log.
 */
#ifndef DK_CONTROLLER_CONTROLLER_H
#define DK_CONTROLLER_CONTROLLER_H

#include "net/place.h"

struct dk_controller_options {
    const struct dk_place *place;
    const char *version; /* of the program, into ControllerStarted */
    int stop_fd;         /* becomes readable when it is to stop; -1: never */
};

/* Recovers, serves until stop_fd says so, ends in good order. DK_BUSY: another controller has this
 * log. */
enum dk_status dk_controller_run(const struct dk_controller_options *options, struct dk_err *err);

#endif
