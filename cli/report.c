/* report.c - see report.h */
#include "cli/report.h"

#include "cli/command.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

_Static_assert(DK_POLICY_FCFS == 0 && DK_POLICY_MULTIFACTOR == 5 && DK_POLICY_COUNT == 6,
               "CLI_POLICIES is in the order of the schema");
_Static_assert(DK_BACKFILL_NONE == 0 && DK_BACKFILL_CONSERVATIVE_KEEP == 3 &&
                   DK_BACKFILL_COUNT == 4,
               "CLI_BACKFILLS is in the order of the schema");

/* A trace by its file's name; logs all have the same one. */
static const char *trace_name(const struct cli_report *report)
{
    const char *slash = strrchr(report->name, '/');

    return slash != NULL && report->recorded == NULL ? slash + 1 : report->name;
}

/* A second, or as `count` per second; 0 when no time passed. */
static double rate(uint64_t count, uint64_t elapsed_ns)
{
    return elapsed_ns > 0 ? (double)count * 1e9 / (double)elapsed_ns : 0;
}

/* A time of `ticks` ticks. */
static const char *duration(char out[32], double ticks, const struct dk_replay_stats *stats,
                            bool people)
{
    double seconds = ticks / (double)stats->ticks;

    if (stats->ticks == 1 || (people && seconds >= 60))
        return cli_duration(out, (int64_t)(seconds + 0.5), people);
    (void)snprintf(out, 32, people ? "%.3f s" : "%.3f", seconds);
    return out;
}

/* "0.684", or "-" for a ratio that is not defined. */
static const char *ratio(char out[32], double value, const char *absent)
{
    (void)snprintf(out, 32, "%.4f", value);
    return value >= 0 ? out : absent;
}

static const char *policy_name(const struct cli_run *run, char out[32])
{
    return cli_choice_name(CLI_POLICIES, (int)run->options.policy.policy, out);
}

static const char *backfill_name(const struct cli_run *run, char out[32])
{
    return cli_choice_name(CLI_BACKFILLS, (int)run->options.policy.backfill, out);
}

static void print_left_out(const struct dk_replay_result *result, bool as_json)
{
    bool is_first = true;

    for (int i = 0; i < DK_DROP_COUNT; i++) {
        if (result->dropped[i] == 0)
            continue;
        (void)printf(as_json ? "%s\"%s\": %llu" : "%s%s %llu", is_first ? "" : ", ",
                     dk_drop_text((enum dk_drop)i), (unsigned long long)result->dropped[i]);
        is_first = false;
    }
    if (is_first && !as_json)
        (void)printf("none");
}

/* Waits, slowdown, utilisation, makespan. */
static void print_times(const struct dk_replay_stats *stats)
{
    bool people = cli_is_terminal();
    const char *unit = people ? "" : " s";
    char a[32], b[32], c[32], d[32];

    (void)printf("wait         mean %s%s, median %s%s, p95 %s%s, longest %s%s\n",
                 duration(a, stats->wait_mean, stats, people), unit,
                 duration(b, (double)stats->wait_median, stats, people), unit,
                 duration(c, (double)stats->wait_p95, stats, people), unit,
                 duration(d, (double)stats->wait_max, stats, people), unit);
    (void)printf("slowdown     mean %.2f (bounded, tau 10 s)\n", stats->slowdown_mean);
    (void)printf("utilisation  %s, offered load %s\n", ratio(a, stats->utilisation, "-"),
                 ratio(b, stats->offered_load, "-"));
    (void)printf("makespan     %s%s\n", duration(a, (double)stats->makespan, stats, people), unit);
}

/* The columns from the mean wait to the makespan. */
static void table_times(struct cli_table *table, const struct dk_replay_stats *stats, bool people)
{
    char out[32];

    cli_table_cell(table, "%s", duration(out, stats->wait_mean, stats, people));
    cli_table_cell(table, "%s", duration(out, (double)stats->wait_median, stats, people));
    cli_table_cell(table, "%s", duration(out, (double)stats->wait_p95, stats, people));
    cli_table_cell(table, "%s", duration(out, (double)stats->wait_max, stats, people));
    cli_table_cell(table, "%.2f", stats->slowdown_mean);
    cli_table_cell(table, "%s", ratio(out, stats->utilisation, "-"));
    cli_table_cell(table, "%s", duration(out, (double)stats->makespan, stats, people));
}

/* What happened, and what the replay makes of it. */
static void print_beside(const struct dk_replay_stats *recorded,
                         const struct dk_replay_stats *replayed)
{
    static const char *const heads[] = { "",        "mean wait",     "median",      "p95",
                                         "longest", "mean slowdown", "utilisation", "makespan" };
    enum { COLUMNS = sizeof(heads) / sizeof(heads[0]) };
    bool people = cli_is_terminal();
    struct cli_table table;

    (void)printf(people ? "\n" : "\ntimes in seconds\n");
    cli_table_init(&table, COLUMNS, 1);
    for (int i = 0; i < COLUMNS; i++)
        cli_table_cell(&table, "%s", heads[i]);
    cli_table_cell(&table, "%s", "recorded");
    table_times(&table, recorded, people);
    cli_table_cell(&table, "%s", "replayed");
    table_times(&table, replayed, people);
    cli_table_print(&table);
    cli_table_release(&table);
    (void)putchar('\n');
}

void cli_report_summary(const struct cli_report *report)
{
    const struct cli_run *run = &report->runs[0];
    const struct dk_replay_result *result = &run->result;
    const struct dk_replay_stats *stats = &result->stats;
    char a[32], b[32];

    (void)printf("trace        %s\n", trace_name(report));
    (void)printf("machine      %lld processors: %d nodes", (long long)stats->procs,
                 report->machine->nodes);
    if (report->machine->cores_per_node > 0)
        (void)printf(" of %d", report->machine->cores_per_node);
    (void)printf("\npolicy       %s, backfill %s\n", policy_name(run, a), backfill_name(run, b));
    (void)printf("jobs         %llu, left out: ", (unsigned long long)stats->jobs);
    print_left_out(result, false);
    (void)putchar('\n');
    if (report->recorded != NULL)
        print_beside(report->recorded, stats);
    else
        print_times(stats);
    (void)printf("queue        at most %llu waiting\n", (unsigned long long)result->queue_max);
    (void)printf("speed        %.0f jobs/s, %.0f events/s: %llu events in %.3f s\n",
                 rate(stats->jobs, result->elapsed_ns), rate(result->events, result->elapsed_ns),
                 (unsigned long long)result->events, (double)result->elapsed_ns * 1e-9);
}

static void table_recorded(struct cli_table *table, const struct dk_replay_stats *recorded,
                           bool people)
{
    cli_table_cell(table, "%s", "recorded");
    cli_table_cell(table, "%s", "");
    table_times(table, recorded, people);
    cli_table_cell(table, "%s", "");
    cli_table_cell(table, "%s", "");
}

void cli_report_table(const struct cli_report *report)
{
    static const char *const heads[] = { "policy",   "backfill",  "mean wait",     "median",
                                         "p95",      "longest",   "mean slowdown", "utilisation",
                                         "makespan", "max queue", "jobs/s" };
    enum { COLUMNS = sizeof(heads) / sizeof(heads[0]) };
    bool people = cli_is_terminal();
    struct cli_table table;
    char out[32];

    (void)printf("%s: %llu jobs on %lld processors%s\n\n", trace_name(report),
                 (unsigned long long)report->runs[0].result.stats.jobs,
                 (long long)report->trace->procs, people ? "" : "; times in seconds");
    cli_table_init(&table, COLUMNS, 3);
    for (int i = 0; i < COLUMNS; i++)
        cli_table_cell(&table, "%s", heads[i]);
    if (report->recorded != NULL)
        table_recorded(&table, report->recorded, people);
    for (int i = 0; i < report->count; i++) {
        const struct dk_replay_result *result = &report->runs[i].result;
        const struct dk_replay_stats *stats = &result->stats;

        cli_table_cell(&table, "%s", policy_name(&report->runs[i], out));
        cli_table_cell(&table, "%s", backfill_name(&report->runs[i], out));
        table_times(&table, stats, people);
        cli_table_cell(&table, "%llu", (unsigned long long)result->queue_max);
        cli_table_cell(&table, "%.0f", rate(stats->jobs, result->elapsed_ns));
    }
    cli_table_print(&table);
    cli_table_release(&table);
}

/* `"NAME": `, in whole seconds where the trace has no others. */
static void json_seconds(const char *name, int64_t ticks, const struct dk_replay_stats *stats)
{
    if (stats->ticks == 1)
        (void)printf("\"%s\": %lld, ", name, (long long)ticks);
    else
        (void)printf("\"%s\": %.6f, ", name, (double)ticks / (double)stats->ticks);
}

/* From total_wait to makespan; the members go on behind it. */
static void json_times(const struct dk_replay_stats *stats)
{
    char out[32];

    json_seconds("total_wait", stats->wait_total, stats);
    (void)printf("\"mean_wait\": %.17g, ", stats->wait_mean / (double)stats->ticks);
    json_seconds("median_wait", stats->wait_median, stats);
    json_seconds("p95_wait", stats->wait_p95, stats);
    json_seconds("max_wait", stats->wait_max, stats);
    (void)printf("\"mean_bsld\": %.17g", stats->slowdown_mean);
    (void)snprintf(out, sizeof(out), "%.17g", stats->utilisation);
    (void)printf(", \"utilization\": %s", stats->utilisation >= 0 ? out : "null");
    (void)snprintf(out, sizeof(out), "%.17g", stats->offered_load);
    (void)printf(", \"offered_load\": %s, ", stats->offered_load >= 0 ? out : "null");
    json_seconds("makespan", stats->makespan, stats);
}

static void json_recorded(const struct dk_replay_stats *recorded)
{
    (void)printf("\"recorded\": {");
    json_times(recorded);
    (void)printf("\"jobs\": %llu}, ", (unsigned long long)recorded->jobs);
}

static void json_run(const struct cli_report *report, const struct cli_run *run, bool with_recorded)
{
    const struct dk_replay_result *result = &run->result;
    const struct dk_replay_stats *stats = &result->stats;
    char out[32];

    (void)printf("{\"trace\": ");
    cli_json_text(trace_name(report));
    (void)printf(", \"policy\": \"%s\"", policy_name(run, out));
    (void)printf(", \"backfill\": \"%s\", \"depth\": %d", backfill_name(run, out),
                 run->options.policy.depth);
    (void)printf(", \"cap\": \"%s\", \"procs\": %lld, \"jobs\": %llu, \"dropped\": {",
                 report->run_over ? "no" : "yes", (long long)stats->procs,
                 (unsigned long long)stats->jobs);
    print_left_out(result, true);
    (void)printf("}, ");
    json_times(stats);
    if (with_recorded)
        json_recorded(report->recorded);
    (void)printf("\"max_queue\": %llu, \"sha256\": \"%s\", \"batches\": %llu, "
                 "\"events\": %llu, \"seconds\": %.6f, \"jobs_per_second\": %.0f, "
                 "\"events_per_second\": %.0f}",
                 (unsigned long long)result->queue_max, stats->starts_sha256,
                 (unsigned long long)result->batches, (unsigned long long)result->events,
                 (double)result->elapsed_ns * 1e-9, rate(stats->jobs, result->elapsed_ns),
                 rate(result->events, result->elapsed_ns));
}

void cli_report_json(const struct cli_report *report, bool is_list)
{
    if (is_list) {
        (void)printf("{\"trace\": ");
        cli_json_text(trace_name(report));
        (void)printf(", ");
        if (report->recorded != NULL)
            json_recorded(report->recorded);
        (void)printf("\"runs\": [");
    }
    for (int i = 0; i < report->count; i++) {
        (void)fputs(i > 0 ? ",\n  " : is_list ? "\n  " : "", stdout);
        json_run(report, &report->runs[i], report->recorded != NULL && !is_list);
    }
    (void)fputs(is_list ? "\n]}\n" : "\n", stdout);
}
