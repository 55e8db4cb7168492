/* browse.h - looks through a log for events of some kind, beside whoever folds it */
#ifndef DK_CONTROLLER_BROWSE_H
#define DK_CONTROLLER_BROWSE_H

#include "event/event.h"

/* Calls `visit` for each event from seq `from` on that is in the log now, whatever others go on
 * writing, until it does not answer DK_OK. The event is borrowed. DK_OK also when there is no log.
 */
enum dk_status dk_log_browse(const char *log_uri, uint64_t from,
                             enum dk_status (*visit)(void *ctx, const struct dk_event *event,
                                                     struct dk_err *err),
                             void *ctx, struct dk_err *err);

#endif
