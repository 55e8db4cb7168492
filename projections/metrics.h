/* metrics.h - numbers about the cluster for machines (/metrics, /v1/stats)
 *
 * Two kinds. Counters are folded from events by dk_metrics_event; they count from the first event
 * that was given, so a projector that starts from a snapshot counts from there: `since`. Gauges
 * are how things are now; the projector fills them in from its live view when somebody asks.
 *
 * /metrics is OpenMetrics text: docket_* for everything, and for dashboards made for
 * Slurm's usual exporter its slurm_cpus_*, slurm_nodes_*, slurm_queue_* and slurm_partition_*.
 * /v1/stats is one JSON object of the same, for sdiag and for people: {"seq", "time", "now",
 * "since", "started", "epoch", "behind", "counters":{name:n}, "ended":{state:n},
 * "rejected":{reason:n}, "batch":{"last","events_last","last_start","starts_last","a_minute"},
 * "wait":{"jobs","mean_us"}, "jobs":{state:n}, "nodes":{state:n}, "cores":{"total","used"}, "gpus",
 * "memory_mib", "history":{"seq","rows","bytes"}, "http":{...}, "orders"}.
 *
 * What cannot be known from events is not made up: how long a batch took to decide, and which
 * jobs were backfilled.
 */
#ifndef DK_PROJECTIONS_METRICS_H
#define DK_PROJECTIONS_METRICS_H

#include "base/buf.h"
#include "event/event.h"
#include "projections/job_row.h"

#define DK_COUNTER_MAP(X)                                                                          \
    X(events, "events folded")                                                                     \
    X(batches, "batches folded")                                                                   \
    X(requests, "requests that led to something, or were rejected")                                \
    X(requests_rejected, "requests refused")                                                       \
    X(jobs_submitted, "jobs accepted, an array counts once")                                       \
    X(array_tasks_submitted, "tasks of the arrays that were accepted")                             \
    X(jobs_updated, "changes of jobs")                                                             \
    X(jobs_held, "holds laid on jobs")                                                             \
    X(jobs_released, "holds lifted")                                                               \
    X(jobs_started, "runs started, each array task counts")                                        \
    X(jobs_ended, "jobs that ended for good")                                                      \
    X(jobs_requeued, "runs that ended with the job going back to the queue")                       \
    X(ends_requested, "jobs that nodes were told to end")                                          \
    X(signals_requested, "signals sent to jobs")                                                   \
    X(steps_started, "steps started")                                                              \
    X(steps_ended, "steps ended")                                                                  \
    X(nodes_registered, "registrations of nodes")                                                  \
    X(node_conditions_set, "nodes drained, set down or resumed")                                   \
    X(beats, "batches of heartbeats")                                                              \
    X(configurations_applied, "configurations applied")                                            \
    X(controllers_started, "starts of a controller")

enum { DK_METRICS_WINDOW = 64, DK_METRICS_WAIT_BOUNDS = 10 };

struct dk_metrics {
    int64_t since; /* time of the first event counted; 0: none yet */
    int64_t seq, time;
    int32_t epoch;
#define X(name, help) uint64_t name;
    DK_COUNTER_MAP(X)
#undef X
    uint64_t ended_by_state[DK_END_STATE_COUNT];
    uint64_t rejected_by_reason[DK_REJECT_REASON_COUNT];
    uint64_t waits[DK_METRICS_WAIT_BOUNDS + 1]; /* runs by how long they had waited */
    uint64_t wait_count;
    int64_t wait_us_sum;
    int64_t cause_last;
    uint32_t open_events, open_starts; /* of the batch that is being read */
    int64_t batch_time, start_time;    /* of the last batch; of the last that started a job */
    uint32_t batch_events, batch_starts;
    int64_t recent[DK_METRICS_WINDOW]; /* times of the last batches, a ring */
};

/* Every event once, in order. An all-zero struct is one that has seen none. */
void dk_metrics_event(struct dk_metrics *metrics, const struct dk_event *event);

/* A run started after it had waited so long (from eligible to start). */
void dk_metrics_started(struct dk_metrics *metrics, int64_t wait_us);

#define DK_GAUGE_NODE_MAP(X)                                                                       \
    X(idle) X(mixed) X(allocated) X(draining) X(drained) X(down) X(lost) X(unknown)

struct dk_gauges_partition {
    struct dk_text name;
    uint64_t jobs_pending, jobs_running;
    int64_t cores, cores_used;
};

/* How things are now. */
struct dk_gauges {
    int64_t now;                       /* the projector's clock */
    int64_t started;                   /* when the projector did */
    int64_t seq_log;                   /* the last in the log; 0: not known */
    uint64_t jobs[DK_ROW_STATE_COUNT]; /* of the queue's list; waiting array tasks each count */
    struct {
#define X(name) uint64_t name;
        DK_GAUGE_NODE_MAP(X)
#undef X
    } nodes;
    int64_t cores, cores_used, gpus, gpus_used, memory_mib, memory_mib_used;
    uint64_t http_requests, http_failed, http_waiting; /* questions; long polls waiting now */
    struct {
        uint64_t good, refused, unavailable;
    } credentials;   /* of who asked over TCP */
    uint64_t orders; /* outstanding, of all nodes */
    int64_t history_seq;
    uint64_t history_rows, history_bytes;
    const struct dk_gauges_partition *partitions;
    uint32_t partition_count;
};

/* OpenMetrics text, ended by "# EOF". False: the buffer is full. */
#define DK_METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
bool dk_metrics_write(const struct dk_metrics *metrics, const struct dk_gauges *gauges,
                      struct dk_buf *out);

bool dk_stats_write(const struct dk_metrics *metrics, const struct dk_gauges *gauges,
                    struct dk_buf *out);

#endif
