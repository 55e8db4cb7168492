/* cmd_replay.c - docket replay: one policy in full, or several side by side */
#include "base/check.h"
#include "cli/container_log.h"
#include "cli/print.h"
#include "cli/replay_commands.h"
#include "cli/report.h"
#include "cli/runs.h"
#include "replay/import_log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { RUNS_MAX = 64 };

/* --- what to run --- */

/* What is replayed: a trace on a machine, or a recording, which has both. */
struct source {
    const char *name;
    struct dk_trace trace; /* a recording's: borrowed */
    struct dk_machine machine;
    struct dk_recording recording;
    bool is_log;
    struct dk_replay_stats recorded;
};

/* Options of the policy that were given: where they were not, a log's own holds. */
struct given {
    bool policy, backfill, depth, age_max, weight_age, weight_size, weight_partition;
};

static bool is_given(int argc, char **argv, const char *name)
{
    size_t size = strlen(name);

    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], name, size) == 0 && (argv[i][size] == 0 || argv[i][size] == '='))
            return true;
    }
    return false;
}

/* Before cli_parse, which moves operands. */
static void find_given(struct given *given, int argc, char **argv)
{
    *given = (struct given){
        .policy = is_given(argc, argv, "--policy"),
        .backfill = is_given(argc, argv, "--backfill"),
        .depth = is_given(argc, argv, "--depth"),
        .age_max = is_given(argc, argv, "--age-max"),
        .weight_age = is_given(argc, argv, "--weight-age"),
        .weight_size = is_given(argc, argv, "--weight-size"),
        .weight_partition = is_given(argc, argv, "--weight-partition"),
    };
}

/* The options', but for what a recording has and no option was given for. */
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

static void keep_recorded(struct dk_policy_spec *spec, const struct dk_policy_spec *recorded,
                          const struct given *given)
{
    struct dk_policy_spec kept = *recorded;

    kept.policy = spec->policy;
    kept.backfill = spec->backfill;
    if (given->depth)
        kept.depth = spec->depth;
    if (given->age_max)
        kept.age_us_max = spec->age_us_max;
    if (given->weight_age)
        kept.weight_age = spec->weight_age;
    if (given->weight_size)
        kept.weight_size = spec->weight_size;
    if (given->weight_partition)
        kept.weight_partition = spec->weight_partition;
    *spec = kept;
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

static enum dk_status open_trace(struct source *source, const struct replay_options *options,
                                 struct dk_err *err)
{
    struct dk_trace_options trace_options = {
        .procs = options->nodes > 0 ? options->nodes * options->cores_per_node : options->procs,
        .prefer_allocated = options->processors == 1,
        .exact_estimates = options->estimates == 1,
    };
    struct dk_trace *trace = &source->trace;
    enum dk_status status = dk_trace_open(trace, source->name, &trace_options, &dk_heap, err);

    if (status != DK_OK)
        return status;
    if (options->nodes > 0)
        source->machine = (struct dk_machine){ .nodes = (int32_t)options->nodes,
                                               .cores_per_node = (int32_t)options->cores_per_node,
                                               .memory_mib_per_node = options->memory_per_node,
                                               .gpus_per_node = (int32_t)options->gpus_per_node };
    else
        status = dk_machine_guess(&source->machine, trace->procs, trace->nodes_max, err);
    if (status != DK_OK)
        dk_trace_release(trace);
    return status;
}

/* A folder is a cluster's, with its log inside, or a log itself. An export is taken into memory. */
static bool find_log(const char *name, char uri[4096])
{
    struct stat about;
    char inside[4096];
    int size;

    if (strncmp(name, "file:", 5) == 0 || strncmp(name, "kafka:", 6) == 0)
        return snprintf(uri, 4096, "%s", name) < 4096;
    if (cli_container_is(name))
        return snprintf(uri, 4096, CLI_CONTAINER_LOG) < 4096;
    if (stat(name, &about) != 0 || !S_ISDIR(about.st_mode))
        return false;
    size = snprintf(inside, sizeof(inside), "%s/log", name);
    if (size > 0 && (size_t)size < sizeof(inside) && stat(inside, &about) == 0 &&
        S_ISDIR(about.st_mode))
        name = inside;
    return snprintf(uri, 4096, "file:%s", name) < 4096;
}

static void count_out(const char **joint, uint64_t count, const char *what)
{
    if (count == 0)
        return;
    (void)fprintf(stderr, "%s%s: %llu", *joint, what, (unsigned long long)count);
    *joint = ", ";
}

static void remark(const struct dk_recording *recording)
{
    const uint64_t *dropped = recording->trace.dropped;
    const char *joint = "docket: not replayed: ", *begin = joint;

    count_out(&joint, dropped[DK_DROP_NEVER_RAN], "jobs that never ran");
    count_out(&joint, dropped[DK_DROP_STILL_RUNS], "jobs that still run");
    count_out(&joint, recording->changed, "holds, changes and requeues of jobs");
    count_out(&joint, recording->outages, "times that a node was out of service");
    count_out(&joint, recording->dependencies_dropped, "dependencies");
    if (joint != begin)
        (void)fputc('\n', stderr);
}

static enum dk_status open_log_recorded(struct source *source, const char *uri,
                                        const struct replay_options *options, struct dk_err *err)
{
    struct dk_recording *recording = &source->recording;
    enum dk_status status =
        dk_recording_read(recording, uri, options->estimates == 1, &dk_heap, err);

    if (status != DK_OK)
        return status;
    source->trace = recording->trace;
    source->machine = (struct dk_machine){ .nodes = (int32_t)recording->nodes_count,
                                           .cores_per_node = recording->nodes[0].cores };
    for (uint32_t i = 0; i < recording->nodes_count; i++) {
        if (recording->nodes[i].cores != source->machine.cores_per_node)
            source->machine.cores_per_node = 0;
    }
    dk_replay_stats(&source->recorded, &source->trace, recording->times, &dk_heap);
    remark(recording);
    return DK_OK;
}

static int check_log_options(const struct cli_command *command,
                             const struct replay_options *options)
{
    if (options->nodes > 0 || options->procs > 0)
        return cli_usage_error(command, "a log has a machine of its own: %s is for traces",
                               options->nodes > 0 ? "--nodes" : "--procs");
    if (options->processors == 1)
        return cli_usage_error(command, "jobs of a log ask for more than processors: --processors "
                                        "is for traces");
    return CLI_GO_ON;
}

/* CLI_GO_ON, or the exit status when it was said what is wrong. */
static int open_source(struct source *source, const struct cli_command *command,
                       const struct replay_options *options)
{
    char uri[4096];
    struct dk_err err;
    enum dk_status status;
    int usage;

    source->is_log = find_log(source->name, uri);
    if (!source->is_log)
        return open_trace(source, options, &err) == DK_OK ? CLI_GO_ON : cli_fail(&err);
    usage = check_log_options(command, options);
    if (usage != CLI_GO_ON)
        return usage;
    if (cli_container_is(source->name) && cli_container_load(source->name, &err) != DK_OK)
        return cli_fail(&err);
    status = open_log_recorded(source, uri, options, &err);
    dk_log_memory_remove(strchr(CLI_CONTAINER_LOG, ':') + 1);
    return status == DK_OK ? CLI_GO_ON : cli_fail(&err);
}

static void close_source(struct source *source)
{
    if (source->is_log)
        dk_recording_release(&source->recording);
    else
        dk_trace_release(&source->trace);
}

/* Where options are not given a log's own policy holds. */
static void follow_recorded(struct replay_options *options, const struct source *source,
                            const struct given *given)
{
    const struct dk_policy_spec *recorded = &source->recording.config.policy;

    if (!source->is_log)
        return;
    if (!given->policy)
        options->policy = (int)recorded->policy;
    if (!given->backfill)
        options->backfill = (int)recorded->backfill;
}

/* --- what comes out --- */

/* Whole seconds where the trace has no others. */
static bool put_time(FILE *file, int64_t ticks, int64_t per_second, char after)
{
    if (per_second == 1)
        return fprintf(file, "%lld%c", (long long)ticks, after) > 0;
    return fprintf(file, "%lld.%06lld%c", (long long)(ticks / per_second),
                   (long long)(ticks % per_second * (1000000 / per_second)), after) > 0;
}

static enum dk_status write_starts(const char *path, const struct dk_trace *trace,
                                   const struct dk_replay_times *times, struct dk_err *err)
{
    bool is_stdout = strcmp(path, "-") == 0, is_bad;
    int64_t ticks = dk_trace_ticks(trace);
    FILE *file = is_stdout ? stdout : fopen(path, "w");

    if (file == NULL)
        return dk_fail(err, DK_IO, "'%s' cannot be written: %s", path, strerror(errno));
    is_bad = fputs("job,start,end\n", file) < 0;
    for (uint32_t i = 0; i < trace->count && !is_bad; i++) {
        if (times[i].start != DK_START_NONE)
            is_bad = fprintf(file, "%lld,", (long long)trace->jobs[i].number) < 0 ||
                     !put_time(file, times[i].start, ticks, ',') ||
                     !put_time(file, times[i].end, ticks, '\n');
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

static int replay(struct source *source, struct cli_run *runs, int count,
                  const struct replay_options *options)
{
    struct dk_err err;
    int status;

    if (do_runs(runs, count, options, &source->trace, &source->machine, &err) == DK_OK)
        status = report(options,
                        &(struct cli_report){ .name = source->name,
                                              .trace = &source->trace,
                                              .machine = &source->machine,
                                              .recorded = source->is_log ? &source->recorded : NULL,
                                              .runs = runs,
                                              .count = count,
                                              .run_over = options->run_over });
    else
        status = cli_fail(&err);
    for (int i = 0; i < count; i++) {
        if (runs[i].status == DK_OK)
            dk_replay_release(&runs[i].result, &source->trace, &dk_heap);
    }
    return status;
}

int cli_replay(const struct cli_command *command, int argc, char **argv)
{
    static struct cli_run runs[RUNS_MAX];
    static struct source source;
    struct replay_options options;
    struct given given;
    int operands, count = 1, status;

    find_given(&given, argc, argv);
    status = cli_parse(command, argc, argv, &options, &operands);
    if (status == CLI_GO_ON)
        status = check_options(command, &options);
    if (status == CLI_GO_ON && options.compare != NULL) /* before anything long is read */
        status = parse_compare(command, &options, runs, &count);
    if (status != CLI_GO_ON)
        return status;
    source.name = argv[0];
    status = open_source(&source, command, &options);
    if (status != CLI_GO_ON)
        return status;
    follow_recorded(&options, &source, &given);
    set_policy(&runs[0], &options, options.policy, options.backfill);
    if (options.compare != NULL)
        DK_CHECK(parse_compare(command, &options, runs, &count) == CLI_GO_ON);
    for (int i = 0; i < count && source.is_log; i++) {
        keep_recorded(&runs[i].options.policy, &source.recording.config.policy, &given);
        runs[i].options.recording = &source.recording;
    }
    status = replay(&source, runs, count, &options);
    close_source(&source);
    return status;
}
