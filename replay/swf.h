/* swf.h - workload traces in Standard Workload Format
 *
 * One line a job, 18 numbers; lines that begin with ';' are the header. Read as real logs
 * have to be: the header may be missing or noisy, lines may be out of order, numbers may be
 * written 12.0, fields past the 18th are somebody's extension and are ignored. But what should
 * be a number and is none stops the reading, with file, line and field.
 *
 * What a job is (the rules are also in core/decisions/0007):
 *   procs     field 8 (requested) if > 0, else field 5 (allocated)
 *   estimate  field 9 (requested) if > 0, else field 4 (run time); at least 1
 *   run       field 4 as recorded; the replay cuts it at the estimate unless told not to
 * Left out and counted: no processors, a negative run or submit time, more processors than the
 * machine has; a job that fits several counts under the first of these. Order: (submit, line).
 */
#ifndef DK_REPLAY_SWF_H
#define DK_REPLAY_SWF_H

#include "base/alloc.h"
#include "replay/input.h"

#include <stdio.h>

/* name in reports, what it means */
#define DK_DROP_MAP(X)                                                                             \
    X(NO_PROCS, "no_procs", "asks for no processors")                                              \
    X(NEGATIVE_RUN, "negative_run", "has a negative run time")                                     \
    X(NEGATIVE_SUBMIT, "negative_submit", "has a negative submit time")                            \
    X(TOO_LARGE, "too_large", "asks for more than the machine has")                                \
    X(REJECTED, "rejected", "was refused by the core")                                             \
    X(NEVER_RAN, "never_ran", "had not run by the end of the log")                                 \
    X(STILL_RUNS, "still_runs", "was running at the end of the log")                               \
    X(NOT_STARTED, "not_started", "waits for ever under this policy")

enum dk_drop {
#define X(name, text, meaning) DK_DROP_##name,
    DK_DROP_MAP(X)
#undef X
        DK_DROP_COUNT
};

const char *dk_drop_text(enum dk_drop drop); /* "no_procs" */

/* Times in seconds, or in the trace's ticks. Unknown numbers are -1, as SWF has them. */
struct dk_trace_job {
    int64_t number; /* field 1 */
    int64_t submit;
    int64_t run;
    int64_t estimate;
    int64_t memory_kib; /* field 10, for each processor */
    int32_t procs;
    int32_t user, group; /* fields 12 and 13 */
    uint32_t line;
};

struct dk_trace {
    const struct dk_alloc *alloc;
    struct dk_trace_job *jobs; /* by trace index */
    uint32_t count, capacity;
    int64_t procs;     /* of the machine */
    int64_t procs_max; /* MaxProcs, MaxNodes, UnixStartTime: the first of each in the header; -1:
                          none */
    int64_t nodes_max;
    int64_t unix_start;
    int64_t ticks; /* of its times in a second, which divide a million; 0: one, as SWF has them */
    uint64_t dropped[DK_DROP_COUNT];
};

/* All zero is the rule above. */
struct dk_trace_options {
    int64_t procs;         /* of the machine; 0: as the header says, MaxProcs, else MaxNodes */
    bool prefer_allocated; /* processors: field 5 if > 0, else field 8 */
    bool exact_estimates;  /* estimate: field 4, whatever was requested */
};

/* The name is for messages. DK_INVALID: not a trace, or no size; on failure *trace needs no
 * release. */
enum dk_status dk_trace_read(struct dk_trace *trace, struct dk_input *input, const char *name,
                             const struct dk_trace_options *options, const struct dk_alloc *alloc,
                             struct dk_err *err);

/* The same from a path. */
enum dk_status dk_trace_open(struct dk_trace *trace, const char *path,
                             const struct dk_trace_options *options, const struct dk_alloc *alloc,
                             struct dk_err *err);

static inline int64_t dk_trace_ticks(const struct dk_trace *trace)
{
    return trace->ticks > 0 ? trace->ticks : 1;
}

/* Writes the jobs as SWF, MaxProcs and UnixStartTime before them. DK_IO, errno says why. */
enum dk_status dk_trace_write(const struct dk_trace *trace, FILE *file);

void dk_trace_release(struct dk_trace *trace);

#endif
