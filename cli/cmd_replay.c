/* cmd_replay.c - docket replay: one policy in full, or several side by side */
#include "base/check.h"
#include "cli/print.h"
#include "cli/replay_commands.h"
#include "cli/report.h"
#include "cli/runs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { RUNS_MAX = 64 };

/* --- what to run --- */

static void set_policy(struct cli_run *run, const struct replay_options *options, int policy,
                       int backfill)
{
    struct dk_policy_spec *spec = &run->options.policy;

    dk_policy_spec_default(spec);
    spec->policy = (enum dk_policy)policy;
    spec->backfill = (enum dk_backfill)backfill;
    spec->depth = (int32_t)options->depth;
    spec->age_us_max = options->age_max * 1000000;
    spec->weight_age = (int32_t)options->weight_age;
    spec->weight_size = (int32_t)options->weight_size;
    spec->weight_partition = (int32_t)options->weight_partition;
    run->options.run_over = options->run_over;
}

/* "fcfs:easy,sjf" into runs; *count of them. */
static int parse_compare(const struct cli_command *command, const struct replay_options *options,
                         struct cli_run *runs, int *count)
{
    const char *item = options->compare;

    for (*count = 0;; item++) {
        size_t size = strcspn(item, ","), policy_size = strcspn(item, ":,");
        int policy = cli_choice_find(CLI_POLICIES, item, policy_size), backfill = options->backfill;

        if (policy_size < size)
            backfill =
                cli_choice_find(CLI_BACKFILLS, item + policy_size + 1, size - policy_size - 1);
        if (policy < 0 || backfill < 0)
            return cli_usage_error(command,
                                   "--compare has '%.*s', not a policy (%s) with, if need be, a "
                                   "backfill (:%s)",
                                   (int)size, item, CLI_POLICIES, CLI_BACKFILLS);
        if (*count == RUNS_MAX)
            return cli_usage_error(command, "--compare has more than %d policies", RUNS_MAX);
        set_policy(&runs[(*count)++], options, policy, backfill);
        item += size;
        if (*item == 0)
            return CLI_GO_ON;
    }
}

static int check_options(const struct cli_command *command, const struct replay_options *options)
{
    if ((options->nodes > 0) != (options->cores_per_node > 0))
        return cli_usage_error(command, "--nodes and --cores-per-node go together");
    if (options->nodes > 0 && options->procs > 0)
        return cli_usage_error(command, "--procs says the same as --nodes and --cores-per-node");
    if (options->nodes * options->cores_per_node > INT32_MAX)
        return cli_usage_error(command, "--nodes times --cores-per-node is more than %d",
                               INT32_MAX);
    if (options->nodes == 0 && (options->memory_per_node > 0 || options->gpus_per_node > 0))
        return cli_usage_error(command, "--memory-per-node and --gpus-per-node need --nodes");
    if (options->compare != NULL && (options->log != NULL || options->starts != NULL))
        return cli_usage_error(command, "--compare runs several; %s is of one",
                               options->log != NULL ? "--log" : "--starts");
    if (options->json && options->starts != NULL && strcmp(options->starts, "-") == 0)
        return cli_usage_error(command, "--json and --starts - both want the standard output");
    return CLI_GO_ON;
}

static enum dk_status open_trace(struct dk_trace *trace, struct dk_machine *machine,
                                 const char *path, const struct replay_options *options,
                                 struct dk_err *err)
{
    struct dk_trace_options trace_options = {
        .procs = options->nodes > 0 ? options->nodes * options->cores_per_node : options->procs,
        .prefer_allocated = options->processors == 1,
        .exact_estimates = options->estimates == 1,
    };
    enum dk_status status = dk_trace_open(trace, path, &trace_options, &dk_heap, err);

    if (status != DK_OK)
        return status;
    if (options->nodes > 0)
        *machine = (struct dk_machine){ .nodes = (int32_t)options->nodes,
                                        .cores_per_node = (int32_t)options->cores_per_node,
                                        .memory_mib_per_node = options->memory_per_node,
                                        .gpus_per_node = (int32_t)options->gpus_per_node };
    else
        status = dk_machine_guess(machine, trace->procs, trace->nodes_max, err);
    if (status != DK_OK)
        dk_trace_release(trace);
    return status;
}

/* --- what comes out --- */

static enum dk_status write_starts(const char *path, const struct dk_trace *trace,
                                   const struct dk_replay_times *times, struct dk_err *err)
{
    bool is_stdout = strcmp(path, "-") == 0, is_bad;
    FILE *file = is_stdout ? stdout : fopen(path, "w");

    if (file == NULL)
        return dk_fail(err, DK_IO, "'%s' cannot be written: %s", path, strerror(errno));
    is_bad = fputs("job,start,end\n", file) < 0;
    for (uint32_t i = 0; i < trace->count && !is_bad; i++) {
        if (times[i].start != DK_START_NONE)
            is_bad = fprintf(file, "%lld,%lld,%lld\n", (long long)trace->jobs[i].number,
                             (long long)times[i].start, (long long)times[i].end) < 0;
    }
    if (is_stdout)
        return DK_OK; /* cli_finish looks after it */
    is_bad = fflush(file) != 0 || is_bad;
    if (is_bad)
        (void)dk_fail(err, DK_IO, "'%s' cannot be written: %s", path, strerror(errno));
    if (fclose(file) != 0 && !is_bad)
        return dk_fail(err, DK_IO, "'%s' cannot be written: %s", path, strerror(errno));
    return is_bad ? DK_IO : DK_OK;
}

/* Looked at before it is opened, since becoming the writer leaves a mark in a log. */
static enum dk_status check_new(const char *uri, struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    enum dk_status status = dk_log_reader_open(&reader, uri, 0, err);

    if (status == DK_NOT_FOUND)
        return DK_OK;
    if (status != DK_OK)
        return status;
    status = dk_log_reader_next(reader, &batch, err);
    dk_log_reader_close(reader);
    if (status == DK_OK)
        return dk_fail(err, DK_INVALID, "log '%s' is not empty; a replay needs a new one", uri);
    return status == DK_AGAIN ? DK_OK : status;
}

static enum dk_status open_log(struct dk_log **log, const char *uri, struct dk_err *err)
{
    struct dk_log_options log_options = { .deferred = true }; /* it can be written again */
    enum dk_status status = check_new(uri, err);

    return status == DK_OK ? dk_log_open(log, uri, &log_options, err) : status;
}

/* One run, or several; results stay in `runs`. */
static enum dk_status do_runs(struct cli_run *runs, int count, const struct replay_options *options,
                              const struct dk_trace *trace, const struct dk_machine *machine,
                              struct dk_err *err)
{
    struct dk_log *log = NULL;
    enum dk_status status = DK_OK, closed;

    if (options->log != NULL)
        status = open_log(&log, options->log, err);
    if (status != DK_OK)
        return status;
    runs[0].options.log = log;
    cli_runs_do(runs, count, (int)options->jobs_parallel, trace, machine);
    for (int i = count - 1; i >= 0; i--) {
        if (runs[i].status != DK_OK) {
            status = runs[i].status;
            *err = runs[i].err;
        }
    }
    closed = dk_log_close(log, status == DK_OK ? err : NULL);
    return status == DK_OK ? closed : status;
}

static int report(const struct replay_options *options, const struct cli_report *report)
{
    struct dk_err err;
    bool starts_on_stdout = options->starts != NULL && strcmp(options->starts, "-") == 0;

    if (options->starts != NULL &&
        write_starts(options->starts, report->trace, report->runs[0].result.times, &err) != DK_OK)
        return cli_fail(&err);
    if (options->json)
        cli_report_json(report, options->compare != NULL);
    else if (options->compare != NULL)
        cli_report_table(report);
    else if (!starts_on_stdout)
        cli_report_summary(report);
    return CLI_EXIT_OK;
}

int cli_replay(const struct cli_command *command, int argc, char **argv)
{
    static struct cli_run runs[RUNS_MAX];
    struct replay_options options;
    struct dk_trace trace;
    struct dk_machine machine;
    struct dk_err err;
    int operands, count = 1;
    int status = cli_parse(command, argc, argv, &options, &operands);

    if (status == CLI_GO_ON)
        status = check_options(command, &options);
    if (status != CLI_GO_ON)
        return status;
    set_policy(&runs[0], &options, options.policy, options.backfill);
    if (options.compare != NULL)
        status = parse_compare(command, &options, runs, &count);
    if (status != CLI_GO_ON)
        return status;
    if (open_trace(&trace, &machine, argv[0], &options, &err) != DK_OK)
        return cli_fail(&err);
    if (do_runs(runs, count, &options, &trace, &machine, &err) == DK_OK)
        status = report(&options, &(struct cli_report){ .name = argv[0],
                                                        .trace = &trace,
                                                        .machine = &machine,
                                                        .runs = runs,
                                                        .count = count,
                                                        .run_over = options.run_over });
    else
        status = cli_fail(&err);
    for (int i = 0; i < count; i++) {
        if (runs[i].status == DK_OK)
            dk_replay_release(&runs[i].result, &trace, &dk_heap);
    }
    dk_trace_release(&trace);
    return status;
}
