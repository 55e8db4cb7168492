/* metrics.h - numbers about the cluster for machines (/metrics, /v1/stats)
 *
 * Two kinds. Counters are folded from events by dk_metrics_event; they count since the projector
 * began to count (`since`), which is what sdiag's "since" means. Gauges are how things are now; the
 * projector fills them in from its live view when somebody asks.
 */
#ifndef DK_PROJECTIONS_METRICS_H
#define DK_PROJECTIONS_METRICS_H

#include "base/buf.h"
#include "event/event.h"
#include "projections/job_row.h"

#define DK_METRICS_WINDOW 64 /* batches that "recent" figures are of */

struct dk_metrics {
    int64_t since; /* time of the first event that was counted */
    int64_t seq, time;
    int32_t epoch;
    uint64_t events, batches, requests_rejected, decisions;
    uint64_t jobs_submitted, array_tasks_submitted, jobs_placed, jobs_requeued, jobs_end_requested;
    uint64_t jobs_ended[DK_END_STATE_COUNT];
    uint64_t array_tasks_cancelled;
    uint64_t steps_started, steps_ended;
    uint64_t jobs_backfilled; /* placed while a job submitted earlier, of the same batch's plan, was
                                 given a reservation */
    uint64_t node_events, beats, configurations, controllers_started;
    int64_t wait_us_sum; /* from submission to placement is not known here; see wait_add */
    uint64_t wait_count;
    int64_t batch_time_last;                              /* of the last batch with a decision */
    uint32_t batch_placed, batch_planned, batch_requests; /* of the batch that is open */
    uint32_t placed_last, requests_last;                  /* of the last batch that had any */
    int64_t batch_times[DK_METRICS_WINDOW];               /* of the last batches, a ring */
    uint64_t rejected_by[DK_REJECT_REASON_COUNT];
};

void dk_metrics_event(struct dk_metrics *metrics, const struct dk_event *event);

/* How things are now. */
struct dk_gauges {
    int64_t now;         /* the projector's clock */
    int64_t seq_log;     /* the last that the log has; beyond metrics.seq: how far behind */
    int64_t seq_history; /* the last that history has committed */
    int64_t started;     /* the projector */
    uint64_t jobs[DK_ROW_STATE_COUNT]; /* in the queue's list; waiting array tasks each count */
    uint64_t nodes_idle, nodes_mixed, nodes_allocated, nodes_draining, nodes_drained, nodes_down,
        nodes_lost, nodes_unknown;
    int64_t cores, cores_used, gpus, gpus_used, memory_mib, memory_mib_used;
    uint64_t http_requests, http_failed, http_waiting; /* questions; of those, long polls waiting */
    uint64_t orders_outstanding;
    uint64_t history_rows, history_bytes;
    const struct dk_gauges_partition {
        struct dk_text name;
        uint64_t jobs_pending, jobs_running;
        int64_t cores, cores_used;
    } * partitions;
    uint32_t partition_count;
};

/* OpenMetrics text, ended by "# EOF". Its type: DK_METRICS_TYPE. */
#define DK_METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
void dk_metrics_write(const struct dk_metrics *metrics, const struct dk_gauges *gauges,
                      struct dk_buf *out);

/* The same as one JSON object, for sdiag and for people. */
void dk_stats_write(const struct dk_metrics *metrics, const struct dk_gauges *gauges,
                    struct dk_buf *out);

#endif
