/* past.h - the live views as they were at a seq, or at a time; and kept on disk
 *
 *     DIR/views/snapshots/SEQ.snap    log/snapshots.h around | counters | the live views |
 *
 * A cache: the projector begins with the newest that is not ahead of history, and the past is the
 * newest before it and a fold from there. */
#ifndef DK_PROJECTIONS_PAST_H
#define DK_PROJECTIONS_PAST_H

#include "net/place.h"
#include "projections/live.h"
#include "projections/metrics.h"

/* After the last batch that ends at or before `at_seq` (0: no bound) and not after `at_time` (0:
 * none). The caller destroys *live. DK_NOT_FOUND: the log had not begun by then. */
enum dk_status dk_past_open(struct dk_live **live, const struct dk_place *place, int64_t at_seq,
                            int64_t at_time, struct dk_err *err);

/* The newest that was saved at a seq of at most seq_max and belongs to this log; *live is NULL when
 * there is none. `metrics` may be NULL. */
void dk_past_restore(struct dk_live **live, struct dk_metrics *metrics,
                     const struct dk_place *place, const struct dk_live_hooks *hooks,
                     int64_t seq_max);

/* Saving in two steps: the first by the thread that folds, the second (slow) by any. */
void dk_past_write(const struct dk_live *live, const struct dk_metrics *metrics,
                   struct dk_buf *bytes);
enum dk_status dk_past_save(const struct dk_place *place, int64_t seq, const struct dk_buf *bytes,
                            struct dk_err *err);

#endif
