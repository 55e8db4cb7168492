/* report.h - what a replay found, as a summary, a table or JSON */
#ifndef DK_CLI_REPORT_H
#define DK_CLI_REPORT_H

#include "cli/replay_commands.h"
#include "cli/runs.h"

struct cli_report {
    const char *name; /* the trace's path */
    const struct dk_trace *trace;
    const struct dk_machine *machine;       /* of a log whose nodes differ: cores_per_node is 0 */
    const struct dk_replay_stats *recorded; /* what happened on the cluster; NULL: a trace */
    const struct cli_run *runs;
    int count;
    bool run_over;
};

void cli_report_summary(const struct cli_report *report); /* of the first run */
void cli_report_table(const struct cli_report *report);

/* One object; with `is_list` { "trace": ..., "runs": [ ... ] }, else the first run's alone. */
void cli_report_json(const struct cli_report *report, bool is_list);

#endif
