/* stats.h - what a replay came to, in the field's usual numbers
 *
 * Definitions, by which the published lists of other simulators are met:
 *   wait            start - submit; median and p95 are the elements [n/2] and [95 n/100] of the
 * sorted waits bounded slowdown  max(1, (wait + run) / max(run, 10 s)) makespan        last end -
 * first submit utilisation     sum of procs * run / (procs of the machine * makespan) offered load
 * the same over last submit - first submit Floating point is fine here: nothing is decided by it.
 */
#ifndef DK_REPLAY_STATS_H
#define DK_REPLAY_STATS_H

#include "replay/swf.h"

#define DK_START_NONE INT64_MIN /* refused by the core: never started */

/* By trace index; ticks (seconds, in SWF) on the trace's own clock. */
struct dk_replay_times {
    int64_t start, end;
};

struct dk_replay_stats {
    uint64_t jobs; /* that were started */
    int64_t procs;
    int64_t ticks; /* in a second: the unit of the times here */
    int64_t makespan, wait_max, wait_median, wait_p95, wait_total;
    double wait_mean, slowdown_mean;
    double utilisation, offered_load; /* negative: no time passed, so not defined */
    char starts_sha256[65]; /* over the lines "number,start\n", as RULES of a comparison have it */
};

void dk_replay_stats(struct dk_replay_stats *stats, const struct dk_trace *trace,
                     const struct dk_replay_times *times, const struct dk_alloc *alloc);

#endif
