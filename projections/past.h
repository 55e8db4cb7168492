/* past.h - the live views as they were at a seq, or at a time */
#ifndef DK_PROJECTIONS_PAST_H
#define DK_PROJECTIONS_PAST_H

#include "net/place.h"
#include "projections/live.h"

/* After the batch that has the event `at_seq` (0: no bound), and not after `at_time` (0:
 * none). The caller destroys *live. DK_NOT_FOUND: the log had not begun by then. */
enum dk_status dk_past_open(struct dk_live **live, const struct dk_place *place, int64_t at_seq,
                            int64_t at_time, struct dk_err *err);

#endif
