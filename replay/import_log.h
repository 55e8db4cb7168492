/* import_log.h - what happened on a cluster, taken from its log, to be replayed under other
 * policies
 *
 * A job of a recording has the whole spec that it was admitted with: nodes, memory, GPUs, features,
 * partition, account, dependencies. Its submission is when it was submitted, its run time from the
 * start to the end of its last attempt (as long as its cores were taken), and it ends as it ended.
 * Each array task that started is a job of its own, without the array's own limit of running tasks.
 *
 * The machine is every node that has registered, each as it last did; the configuration is the one
 * in force at the end of the log, its partitions all up and no node ever silent.
 *
 * Left out, and counted in trace.dropped: jobs that never ran, jobs that still run. Not played
 * again: holds, changes, requeues, and nodes that were down or drained for a while. A dependency on
 * a job that is left out, or that the recorded end of its job does not satisfy, is dropped.
 *
 * Times are microseconds (trace.ticks), from the second of the first event (trace.unix_start).
 */
#ifndef DK_REPLAY_IMPORT_LOG_H
#define DK_REPLAY_IMPORT_LOG_H

#include "base/arena.h"
#include "event/event.h"
#include "replay/stats.h"

struct dk_recorded_job {
    struct dk_job_spec spec; /* a dependency's `job` is the place of the other in the trace */
    struct dk_actor actor;
    enum dk_end_state state;
    int32_t exit_code, signal;
};

struct dk_recording {
    struct dk_trace trace;
    struct dk_recorded_job *jobs;  /* by trace index */
    struct dk_replay_times *times; /* as recorded, by trace index */
    struct dk_node_spec *nodes;    /* in order of their first registration */
    uint32_t nodes_count;
    struct dk_cluster_config config;
    uint64_t dependencies_dropped; /* of jobs in the trace */
    uint64_t changed;      /* times that a job was changed, held or requeued: not played again */
    uint64_t outages;      /* times that a node was taken out of service: neither */
    struct dk_arena arena; /* holds all but the trace's own */
};

/* Reads the whole log at `uri` and checks its chain and digests. `exact_estimates`: jobs are
 * planned with their run time and not with their limit. DK_NOT_FOUND: no log there. DK_INVALID: no
 * job in it ran to its end. DK_CORRUPT, DK_DIVERGED: it cannot be trusted. On failure *recording
 * needs no release. */
enum dk_status dk_recording_read(struct dk_recording *recording, const char *uri,
                                 bool exact_estimates, const struct dk_alloc *alloc,
                                 struct dk_err *err);

void dk_recording_release(struct dk_recording *recording);

#endif
