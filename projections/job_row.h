/* job_row.h - a job as readers see it: one struct for the queue's list and for accounting
 *
 * The live view makes rows from events; history keeps them in RocksDB when a run has ended. Both
 * answer with the columns of decision 0010, written by dk_job_row_cell, so that `docket queue`,
 * `docket acct` and the Slurm names cannot tell different stories.
 *
 * Texts are borrowed: from the live view until the next event, or from the arena that a row was
 * decoded into. Times are microseconds since 1970, 0: not known; durations microseconds; memory
 * MiB.
 */
#ifndef DK_PROJECTIONS_JOB_ROW_H
#define DK_PROJECTIONS_JOB_ROW_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"

#include <stdbool.h>
#include <stdint.h>

/* Base states in Slurm's words; the long word and the short one. COMPLETING: an end was requested
 * and not reported yet. */
#define DK_ROW_STATE_MAP(X)                                                                        \
    X(PENDING, "PENDING", "PD")                                                                    \
    X(RUNNING, "RUNNING", "R")                                                                     \
    X(SUSPENDED, "SUSPENDED", "S")                                                                 \
    X(COMPLETING, "COMPLETING", "CG")                                                              \
    X(COMPLETED, "COMPLETED", "CD")                                                                \
    X(CANCELLED, "CANCELLED", "CA")                                                                \
    X(FAILED, "FAILED", "F")                                                                       \
    X(TIMEOUT, "TIMEOUT", "TO")                                                                    \
    X(NODE_FAIL, "NODE_FAIL", "NF")                                                                \
    X(PREEMPTED, "PREEMPTED", "PR")                                                                \
    X(BOOT_FAIL, "BOOT_FAIL", "BF")                                                                \
    X(DEADLINE, "DEADLINE", "DL")                                                                  \
    X(OUT_OF_MEMORY, "OUT_OF_MEMORY", "OOM")                                                       \
    X(REQUEUED, "REQUEUED", "RQ") /* a run before a requeue; only in history */

enum dk_row_state {
#define X(name, word, letters) DK_ROW_##name,
    DK_ROW_STATE_MAP(X)
#undef X
        DK_ROW_STATE_COUNT
};

struct dk_job_row {
    int64_t id;
    int64_t array_job;  /* 0: neither an array nor a task of one */
    int32_t array_task; /* -1: the array itself (its waiting rest), or no array */
    const struct dk_index_range *array_ranges; /* the waiting rest, as it is now */
    uint32_t array_ranges_count;
    int32_t attempt; /* 0: never started */
    enum dk_row_state state;
    int32_t exit_code, exit_signal;
    const struct dk_job_spec *spec; /* as it is now, after updates; array_spec is above */
    struct dk_text partition;       /* resolved: never empty */
    struct dk_text user, group;     /* names; group: by the projector's system, "" if unknown */
    int32_t uid, gid;
    struct dk_text host; /* the client's, as proven */
    struct dk_bytes key;
    int64_t submit, eligible; /* eligible: when nothing but resources and order held it */
    int64_t start,
        end;          /* of this attempt; end also when planned (start + limit) of a running one */
    int64_t limit_us; /* resolved: the partition's default if the job gave none; 0: none */
    int64_t first_process; /* when the node began its first process; 0: unknown */
    bool held_by_user, held_by_admin;
    struct dk_text why;                   /* for people: of a failure, of a hold */
    int32_t ended_by;                     /* uid of who cancelled it; -1: nobody did */
    int64_t end_requested;                /* when; 0: it was not */
    struct dk_text batch_host, node_list; /* host list "n[1-3,7]" */
    const struct dk_text *nodes;          /* its nodes in order, node_count of them */
    const int32_t *node_cores;            /* cores on each */
    uint32_t node_count;
    int64_t cores;                    /* held, or asked for while it waits */
    int64_t gpus;                     /* likewise */
    const struct dk_span *core_spans; /* cluster-wide numbers, as in JobPlaced */
    uint32_t core_spans_count;
    const struct dk_span *gpu_spans;
    uint32_t gpu_spans_count;
    bool has_usage;
    struct dk_usage usage;
    int64_t seq; /* of the event that changed it last */
    /* A row of a step in history: */
    struct dk_text step; /* "batch", "0", ...; empty: the job's own row */
    struct dk_text step_name;
    int32_t step_tasks;
    /* Known only to a follower of the core; empty and 0 elsewhere: */
    struct dk_text reason; /* "Resources" */
    int64_t priority;
    int64_t planned; /* a reservation's start, or an estimated one when that was asked for */
    struct dk_text planned_nodes; /* where; of an estimate only */
};

/* Every column of jobs, by the name that clients ask with; decision 0010. */
enum { DK_JOB_COLUMN_NONE = -1 };
int dk_job_column_find(const char *name, size_t size); /* DK_JOB_COLUMN_NONE: no such column */
const char *dk_job_column_name(int column);            /* NULL beyond the last */
bool dk_job_column_is_number(int column);              /* printed bare in JSON */

/* Appends the cell as text, nothing when it has no value. `now` is for elapsed times. */
void dk_job_row_cell(const struct dk_job_row *row, int column, int64_t now, struct dk_buf *out);

const char *dk_row_state_word(enum dk_row_state state);    /* "PENDING" */
const char *dk_row_state_letters(enum dk_row_state state); /* "PD" */

#endif
