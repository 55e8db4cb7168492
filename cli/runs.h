/* runs.h - several replays of one trace at the same time, and a bar that shows how far they are */
#ifndef DK_CLI_RUNS_H
#define DK_CLI_RUNS_H

#include "replay/replay.h"

struct cli_run {
    struct dk_replay_options options; /* progress is set by cli_runs_do */
    struct dk_replay_result result;   /* good when status is DK_OK; the caller releases it */
    enum dk_status status;
    struct dk_err err;
    _Atomic uint64_t progress;
};

/* Does all runs with at most `threads` at a time; 0: as many as the machine has processors. Each
 * has a core of its own; the trace is shared. The bar is for a terminal on the standard error and
 * appears when it takes more than a second. */
void cli_runs_do(struct cli_run *runs, int count, int threads, const struct dk_trace *trace,
                 const struct dk_machine *machine);

#endif
