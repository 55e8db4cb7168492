/* outcome.h - what came of a request, as its client is told: one object of "results" (decision
 * 0010) */
#ifndef DK_CONTROLLER_OUTCOME_H
#define DK_CONTROLLER_OUTCOME_H

#include "base/buf.h"
#include "net/http.h"
#include "sched/core.h"

/* Appends to a list that was begun empty. `outcome` is the first event that the request led to;
 * NULL: it was acceptable and changed nothing by itself. `first_job` is the job that was admitted
 * with the same key, for a duplicate. */
void dk_outcome_add(struct dk_buf *results, const struct dk_event *outcome, int64_t first_job);

/* The job that was admitted with the key of a duplicate; 0: the outcome is none. */
int64_t dk_outcome_first_job(const struct dk_core *core, int32_t uid,
                             const struct dk_event *outcome);

/* Answers with the results of a call: all of it is durable, and `seq` is the last event. */
void dk_outcome_answer(struct dk_http_exchange *exchange, int64_t seq,
                       const struct dk_buf *results);

#endif
