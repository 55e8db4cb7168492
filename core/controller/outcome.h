/* outcome.h - what came of a request, as its client is told: one object of "results" (decision
 * 0010) */
#ifndef DK_CONTROLLER_OUTCOME_H
#define DK_CONTROLLER_OUTCOME_H

#include "base/buf.h"
#include "event/event.h"

/* Appends to a list that was begun empty. `outcome` is the first event that the request led to;
 * NULL: it was acceptable and changed nothing by itself. `first_job` is the job that was admitted
 * with the same key, for a duplicate. */
void dk_outcome_add(struct dk_buf *results, const struct dk_event *outcome, int64_t first_job);

#endif
