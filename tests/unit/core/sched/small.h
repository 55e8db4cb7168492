/* small.h - a cluster of a few nodes over a log in memory, for tests that look at its decisions
 *
 * All functions end the test on a fault. Time stands still until small_step; what was asked for
 * since becomes one batch there. */
#ifndef DK_TEST_SMALL_H
#define DK_TEST_SMALL_H

#include "batch/batch.h"

#define SMALL_SECOND INT64_C(1000000)
#define SMALL_EPOCH INT64_C(1767225600000000)

/* From the next small_create on: a file log in a temporary folder, else one in memory. */
extern bool small_on_disk;

struct small {
    struct dk_core *core;
    struct dk_batcher *batcher;
    struct dk_log *log;
    char uri[64], folder[32];
    int64_t now, request_number;
    int32_t uid; /* of who asks; 0 is an operator */
    struct dk_policy_spec policy;
    struct dk_partition_spec partition;
};

/* `nodes` nodes n1, n2... of `cores` cores and 1,000 MiB a core; partition "batch", an hour at
 * most. */
void small_create(struct small *small, uint32_t nodes, int32_t cores, enum dk_policy policy,
                  enum dk_backfill backfill);
void small_destroy(struct small *small);

/* Any request, into the open batch; the first event that it led to. */
const struct dk_event *small_ask(struct small *small, struct dk_request *request);

/* The id of the new job. */
int64_t small_submit(struct small *small, const struct dk_job_spec *spec);
struct dk_job_spec small_spec(int32_t tasks, int64_t limit_s);
void small_end(struct small *small, int64_t job, enum dk_end_state state);
void small_drain(struct small *small, const char *node);
void small_second_partition(
    struct small *small); /* "other", of the same nodes: looked at one by one */

/* Time passes, and the core decides: all that was asked for is one batch. The events. */
/* The configuration as it is, and this limit. */
void small_limit(struct small *small, const struct dk_limit_spec *limit);
int64_t small_seq(const struct small *small); /* of the last event */
const struct dk_events *small_step(struct small *small, int64_t seconds);

#endif
