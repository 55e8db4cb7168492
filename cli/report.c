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

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* A second, or as `count` per second; 0 when no time passed. */
static double rate(uint64_t count, uint64_t elapsed_ns)
{
    return elapsed_ns > 0 ? (double)count * 1e9 / (double)elapsed_ns : 0;
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

void cli_report_summary(const struct cli_report *report)
{
    const struct cli_run *run = &report->runs[0];
    const struct dk_replay_result *result = &run->result;
    const struct dk_replay_stats *stats = &result->stats;
    bool people = cli_is_terminal();
    const char *unit = people ? "" : " s";
    char a[32], b[32], c[32], d[32];

    (void)printf("trace        %s\n", base_name(report->name));
    (void)printf("machine      %lld processors: %d nodes of %d\n", (long long)stats->procs,
                 report->machine->nodes, report->machine->cores_per_node);
    (void)printf("policy       %s, backfill %s\n", policy_name(run, a), backfill_name(run, b));
    (void)printf("jobs         %llu, left out: ", (unsigned long long)stats->jobs);
    print_left_out(result, false);
    (void)printf("\nwait         mean %s%s, median %s%s, p95 %s%s, longest %s%s\n",
                 cli_duration(a, (int64_t)(stats->wait_mean + 0.5), people), unit,
                 cli_duration(b, stats->wait_median, people), unit,
                 cli_duration(c, stats->wait_p95, people), unit,
                 cli_duration(d, stats->wait_max, people), unit);
    (void)printf("slowdown     mean %.2f (bounded, tau 10 s)\n", stats->slowdown_mean);
    (void)printf("utilisation  %s, offered load %s\n", ratio(a, stats->utilisation, "-"),
                 ratio(b, stats->offered_load, "-"));
    (void)printf("makespan     %s%s\n", cli_duration(a, stats->makespan, people), unit);
    (void)printf("queue        at most %llu waiting\n", (unsigned long long)result->queue_max);
    (void)printf("speed        %.0f jobs/s, %.0f events/s: %llu events in %.3f s\n",
                 rate(stats->jobs, result->elapsed_ns), rate(result->events, result->elapsed_ns),
                 (unsigned long long)result->events, (double)result->elapsed_ns * 1e-9);
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

    (void)printf("%s: %llu jobs on %lld processors%s\n\n", base_name(report->name),
                 (unsigned long long)report->runs[0].result.stats.jobs,
                 (long long)report->trace->procs, people ? "" : "; times in seconds");
    cli_table_init(&table, COLUMNS, 3);
    for (int i = 0; i < COLUMNS; i++)
        cli_table_cell(&table, "%s", heads[i]);
    for (int i = 0; i < report->count; i++) {
        const struct dk_replay_result *result = &report->runs[i].result;
        const struct dk_replay_stats *stats = &result->stats;

        cli_table_cell(&table, "%s", policy_name(&report->runs[i], out));
        cli_table_cell(&table, "%s", backfill_name(&report->runs[i], out));
        cli_table_cell(&table, "%s", cli_duration(out, (int64_t)(stats->wait_mean + 0.5), people));
        cli_table_cell(&table, "%s", cli_duration(out, stats->wait_median, people));
        cli_table_cell(&table, "%s", cli_duration(out, stats->wait_p95, people));
        cli_table_cell(&table, "%s", cli_duration(out, stats->wait_max, people));
        cli_table_cell(&table, "%.2f", stats->slowdown_mean);
        cli_table_cell(&table, "%s", ratio(out, stats->utilisation, "-"));
        cli_table_cell(&table, "%s", cli_duration(out, stats->makespan, people));
        cli_table_cell(&table, "%llu", (unsigned long long)result->queue_max);
        cli_table_cell(&table, "%.0f", rate(stats->jobs, result->elapsed_ns));
    }
    cli_table_print(&table);
    cli_table_release(&table);
}

static void json_run(const struct cli_report *report, const struct cli_run *run)
{
    const struct dk_replay_result *result = &run->result;
    const struct dk_replay_stats *stats = &result->stats;
    char out[32];

    (void)printf("{\"trace\": ");
    cli_json_text(base_name(report->name));
    (void)printf(", \"policy\": \"%s\"", policy_name(run, out));
    (void)printf(", \"backfill\": \"%s\", \"depth\": %d", backfill_name(run, out),
                 run->options.policy.depth);
    (void)printf(", \"cap\": \"%s\", \"procs\": %lld, \"jobs\": %llu, \"dropped\": {",
                 report->run_over ? "no" : "yes", (long long)stats->procs,
                 (unsigned long long)stats->jobs);
    print_left_out(result, true);
    (void)printf(
        "}, \"total_wait\": %lld, \"mean_wait\": %.17g, \"median_wait\": %lld, \"p95_wait\": %lld, "
        "\"max_wait\": %lld, \"mean_bsld\": %.17g",
        (long long)stats->wait_total, stats->wait_mean, (long long)stats->wait_median,
        (long long)stats->wait_p95, (long long)stats->wait_max, stats->slowdown_mean);
    (void)snprintf(out, sizeof(out), "%.17g", stats->utilisation);
    (void)printf(", \"utilization\": %s", stats->utilisation >= 0 ? out : "null");
    (void)snprintf(out, sizeof(out), "%.17g", stats->offered_load);
    (void)printf(", \"offered_load\": %s", stats->offered_load >= 0 ? out : "null");
    (void)printf(
        ", \"makespan\": %lld, \"max_queue\": %llu, \"sha256\": \"%s\", \"batches\": %llu, "
        "\"events\": %llu, \"seconds\": %.6f, \"jobs_per_second\": %.0f, "
        "\"events_per_second\": %.0f}",
        (long long)stats->makespan, (unsigned long long)result->queue_max, stats->starts_sha256,
        (unsigned long long)result->batches, (unsigned long long)result->events,
        (double)result->elapsed_ns * 1e-9, rate(stats->jobs, result->elapsed_ns),
        rate(result->events, result->elapsed_ns));
}

void cli_report_json(const struct cli_report *report, bool is_list)
{
    if (is_list) {
        (void)printf("{\"trace\": ");
        cli_json_text(base_name(report->name));
        (void)printf(", \"runs\": [");
    }
    for (int i = 0; i < report->count; i++) {
        (void)fputs(i > 0 ? ",\n  " : is_list ? "\n  " : "", stdout);
        json_run(report, &report->runs[i]);
    }
    (void)fputs(is_list ? "\n]}\n" : "\n", stdout);
}
