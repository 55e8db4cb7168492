/* replay.h - a trace, run through the very core that runs live clusters, under a virtual clock
 *
 * Rules of a comparison (core/decisions/0007): now is the earlier of the next end and
 * the next submission. At now all ends are reported, by (end, job id), then all jobs
 * submitted, in trace order; then the batch is closed, which is one pass of the core. A job with
 * run = 0 that a pass starts ends at the same now, in the next batch. Requests go the way they
 * go on a live system: SubmitJob, ReportEnd and the rest, through dk_batcher.
 *
 * Time in the log is UnixStartTime (0 when the trace has none) + the trace's seconds, or ticks.
 *
 * A recording (import_log.h) brings its own nodes, configuration and specs of jobs, and each job
 * ends as it did; the policy is that of the options. Jobs that would wait for ever are counted. A
 * trace is only read: several replays may share it, each in its own thread.
 */
#ifndef DK_REPLAY_REPLAY_H
#define DK_REPLAY_REPLAY_H

#include "log/log.h"
#include "replay/stats.h"
#include "sched/core.h"

#include <stdatomic.h>

/* A machine of equal nodes. */
struct dk_machine {
    int32_t nodes;
    int32_t cores_per_node;
    int64_t memory_mib_per_node; /* 0: memory is no matter, whatever the trace says */
    int32_t gpus_per_node;
};

/* A machine of `procs` cores for a trace that does not say how they make up nodes: nodes of
 * procs / nodes_max cores when that is whole, else of the largest divisor of procs that is at most
 * 64. Start times do not depend on it. DK_TOO_LARGE when that makes more nodes than a core takes.
 */
enum dk_status dk_machine_guess(struct dk_machine *machine, int64_t procs, int64_t nodes_max,
                                struct dk_err *err);

struct dk_recording;

struct dk_replay_options {
    struct dk_policy_spec policy; /* enforce_limits and, of a trace, origin are set by the replay */
    const struct dk_recording *recording; /* whose trace it is; NULL: a trace and a machine */
    bool run_over;              /* jobs run as long as recorded, also past their estimate */
    bool digest;                /* keep the core's digest though there is no log */
    struct dk_log *log;         /* a new log to write into; NULL: none */
    _Atomic uint64_t *progress; /* jobs started so far, now and then; NULL: nobody asks */
};

struct dk_replay_result {
    struct dk_replay_times *times;   /* by trace index; released by dk_replay_release */
    uint64_t dropped[DK_DROP_COUNT]; /* the trace's, and those that the core refused */
    uint64_t batches, events;
    uint64_t queue_max;  /* most jobs that a pass found waiting */
    uint64_t elapsed_ns; /* of the replay loop: no reading, no setting up, no statistics */
    struct dk_replay_stats stats;
};

/* Runs the whole trace. DK_INVALID: the core refuses the machine or the policy, or times are out of
 * range. With a log everything is synced at the end. On failure *result needs no release. */
enum dk_status dk_replay_run(struct dk_replay_result *result, const struct dk_trace *trace,
                             const struct dk_machine *machine,
                             const struct dk_replay_options *options, const struct dk_alloc *alloc,
                             struct dk_err *err);

void dk_replay_release(struct dk_replay_result *result, const struct dk_trace *trace,
                       const struct dk_alloc *alloc);

/* The defaults of `docket replay`: FCFS with EASY backfill, all candidates, multifactor with equal
 * weights. */
void dk_policy_spec_default(struct dk_policy_spec *policy);

#endif
