/* sdiag.c - the counters of /v1/stats in the words of Slurm's sdiag, for the exporters that read
 * them
 *
 * docket has no threads that serve, no agents and no queue to a database: those lines are zero, and
 * the exporters' alarms on them stay quiet, as they should. A "cycle" is a batch: requests and the
 * decisions that followed from them, in one append. How long one took and how many jobs it looked
 * at is not kept, so those lines are zero; how many there were, and how many jobs they started, is.
 * The counters begin with the projector's views and are never reset: a log has no second zero. */
#include "cli/json.h"
#include "cli/slurm/format.h"
#include "cli/slurm/options.h"
#include "cli/slurm/slurm.h"
#include "cli/slurm/times.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option { OPT_CLUSTER = 1, OPT_HELP, OPT_NOTHING, OPT_RESET, OPT_USAGE, OPT_VERSION };

static const struct slurm_option option_table[] = {
    { "all", 'a', SLURM_NO_ARGUMENT, OPT_NOTHING }, /* the default */
    { "cluster", 'M', SLURM_ARGUMENT, OPT_CLUSTER },
    { "help", 'h', SLURM_NO_ARGUMENT, OPT_HELP },
    { "reset", 'r', SLURM_NO_ARGUMENT, OPT_RESET },
    { "sort-by-id", 'i', SLURM_NO_ARGUMENT, OPT_NOTHING }, /* one line of questions: any order */
    { "sort-by-time", 't', SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "sort-by-time2", 'T', SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "usage", 0, SLURM_NO_ARGUMENT, OPT_USAGE },
    { "version", 'V', SLURM_NO_ARGUMENT, OPT_VERSION },
    { NULL, 0, SLURM_NO_ARGUMENT, 0 },
};

static const char help[] =
    "Usage: sdiag [OPTIONS]\n"
    "  -a, --all           all statistics\n"
    "  -r, --reset         refused: counters of a log begin with it, and are never set back\n"
    "  -M, --cluster       the cluster to ask\n"
    "  -i, --sort-by-id, -t, --sort-by-time, -T, --sort-by-time2\n"
    "                      the order of the calls, of which there is one line\n"
    "  -V, --version       the version of Slurm whose face this is\n"
    "\nHelp options:\n"
    "  --help          show this help message\n"
    "  --usage         display brief usage message\n";

/* Every number of the answer that has a name here, found by its path. */
struct stats {
    int64_t now, since, started, submitted, jobs_started, ended, completed, cancelled, failed;
    int64_t pending, running, backfilled, batches, a_minute, last, questions;
};

static const struct path {
    const char *group, *name; /* group NULL: at the top */
    size_t offset;
} paths[] = {
#define PATH(group, name, member)                                                                  \
    {                                                                                              \
        group, name, offsetof(struct stats, member)                                                \
    }
    PATH(NULL, "now", now),
    PATH(NULL, "since", since),
    PATH(NULL, "started", started),
    PATH("counters", "jobs_submitted", submitted),
    PATH("counters", "jobs_started", jobs_started),
    PATH("counters", "jobs_ended", ended),
    PATH("counters", "jobs_backfilled", backfilled),
    PATH("counters", "batches", batches),
    PATH("ended", "COMPLETED", completed),
    PATH("ended", "CANCELLED", cancelled),
    PATH("ended", "FAILED", failed),
    PATH("ended", "NODE_FAIL", failed),
    PATH("ended", "TIMEOUT", failed),
    PATH("ended", "OUT_OF_MEMORY", failed),
    PATH("ended", "BOOT_FAIL", failed),
    PATH("jobs", "PENDING", pending),
    PATH("jobs", "RUNNING", running),
    PATH("batch", "a_minute", a_minute),
    PATH("batch", "last", last),
    PATH("http", "questions", questions),
#undef PATH
};

static void take_number(struct stats *stats, const char *group, const char *name, int64_t value)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *wanted = paths[i].group == NULL ? "" : paths[i].group;

        if (strcmp(wanted, group) == 0 && strcmp(paths[i].name, name) == 0)
            *(int64_t *)(void *)((char *)stats + paths[i].offset) += value;
    }
}

static bool read_stats(struct stats *stats, const struct dk_buf *body)
{
    char group[64], name[64];
    struct dk_json json;

    dk_json_begin(&json, body->data, body->size);
    for (dk_json_enter(&json, '{'); dk_json_key(&json, group, sizeof(group));) {
        if (dk_json_peek(&json) != '{') {
            if (dk_json_peek(&json) == '[')
                dk_json_skip(&json);
            else
                take_number(stats, "", group, dk_json_take_number(&json));
            continue;
        }
        for (dk_json_enter(&json, '{'); dk_json_key(&json, name, sizeof(name));)
            if (dk_json_peek(&json) == '{' || dk_json_peek(&json) == '[')
                dk_json_skip(&json);
            else
                take_number(stats, group, name, dk_json_take_number(&json));
    }
    return !json.bad;
}

static void line(struct dk_buf *out, const char *label, int64_t number)
{
    (void)dk_buf_add_text(out, label);
    slurm_add_number(out, number);
    (void)dk_buf_add(out, "\n", 1);
}

static void date(struct dk_buf *out, const char *label, int64_t time)
{
    (void)dk_buf_add_text(out, label);
    slurm_add_long_date(out, time);
    (void)dk_buf_add_text(out, " (");
    slurm_add_number(out, time / SLURM_SECOND_US);
    (void)dk_buf_add_text(out, ")\n");
}

static void add_jobs(struct dk_buf *out, const struct stats *stats)
{
    static const char stars[] = "*******************************************************\n";

    (void)dk_buf_add_text(out, stars);
    date(out, "sdiag output at ", stats->now);
    date(out, "Data since      ", stats->since);
    (void)dk_buf_add_text(out, stars);
    line(out, "Server thread count:  ", 1);
    line(out, "Agent queue size:     ", 0);
    line(out, "Agent count:          ", 0);
    line(out, "Agent thread count:   ", 0);
    line(out, "DBD Agent queue size: ", 0);
    line(out, "\nJobs submitted: ", stats->submitted);
    line(out, "Jobs started:   ", stats->jobs_started);
    line(out, "Jobs completed: ", stats->completed);
    line(out, "Jobs canceled:  ", stats->cancelled);
    line(out, "Jobs failed:    ", stats->failed);
    date(out, "\nJob states ts:  ", stats->now);
    line(out, "Jobs pending:   ", stats->pending);
    line(out, "Jobs running:   ", stats->running);
}

static void add_schedule(struct dk_buf *out, const struct stats *stats)
{
    (void)dk_buf_add_text(out, "\nMain schedule statistics (microseconds):\n");
    line(out, "\tLast cycle:   ", 0);
    line(out, "\tMax cycle:    ", 0);
    line(out, "\tTotal cycles: ", stats->batches);
    line(out, "\tMean cycle:   ", 0);
    line(out,
         "\tMean depth cycle:  ", stats->batches > 0 ? stats->jobs_started / stats->batches : 0);
    line(out, "\tCycles per minute: ", stats->a_minute);
    line(out, "\tLast queue length: ", stats->pending);
    (void)dk_buf_add_text(out, "\nBackfilling stats\n");
    line(out, "\tTotal backfilled jobs (since last slurm start): ", stats->backfilled);
    line(out, "\tTotal backfilled jobs (since last stats cycle start): ", stats->backfilled);
    line(out, "\tTotal backfilled heterogeneous job components: ", 0);
    line(out, "\tTotal cycles: ", stats->batches);
    if (stats->last != 0)
        date(out, "\tLast cycle when: ", stats->last);
    else
        (void)dk_buf_add_text(out, "\tLast cycle when: N/A\n");
    line(out, "\tLast cycle: ", 0);
    line(out, "\tMax cycle:  ", 0);
    line(out, "\tMean cycle: ", 0);
    line(out, "\tLast depth cycle: ", 0);
    line(out, "\tLast depth cycle (try sched): ", 0);
    line(out, "\tDepth Mean: ", 0);
    line(out, "\tDepth Mean (try depth): ", 0);
    line(out, "\tLast queue length: ", stats->pending);
    line(out, "\tQueue length mean: ", stats->pending);
    line(out, "\tLast table size: ", 1);
    line(out, "\tMean table size: ", 1);
}

static void add_calls(struct dk_buf *out, const struct stats *stats)
{
    char text[128];

    line(out, "\nLatency for 1000 calls to gettimeofday(): ", 0);
    out->size--;
    (void)dk_buf_add_text(out,
                          " microseconds\n\nRemote Procedure Call statistics by message type\n");
    (void)snprintf(text, sizeof(text),
                   "\t%-40s(%5d) count:%-6" PRId64 " ave_time:%-6d total_time:%d\n",
                   "DOCKET_QUESTIONS", 0, stats->questions, 0, 0);
    (void)dk_buf_add_text(out, text);
    (void)dk_buf_add_text(out, "\nRemote Procedure Call statistics by user\n"
                               "\nPending RPC statistics\n\tNo pending RPCs\n");
}

static int load_failed(const struct dk_err *err)
{
    (void)fprintf(stderr, "slurm_get_statistics: %s\n", slurm_reason(err));
    return 1;
}

static int print(struct dk_session *session)
{
    struct stats stats = { 0 };
    struct slurm_output output;
    struct dk_question question;
    struct dk_buf body;
    struct dk_err err;
    int64_t seq;
    int status = 0;

    dk_question_init(&question, "/v1/stats");
    dk_buf_init(&body, &dk_heap, 64 << 20);
    slurm_output_init(&output);
    if (dk_ask_body(session, &question, NULL, &body, &seq, &err) != DK_OK) {
        status = load_failed(&err);
    } else if (!read_stats(&stats, &body)) {
        status = slurm_error("sdiag", "the answer to /v1/stats cannot be read");
    } else {
        if (stats.now == 0)
            stats.now = slurm_now_us();
        add_jobs(&output.buf, &stats);
        add_schedule(&output.buf, &stats);
        add_calls(&output.buf, &stats);
    }
    slurm_output_release(&output);
    dk_question_release(&question);
    dk_buf_release(&body);
    return status;
}

int slurm_sdiag(int argc, char **argv)
{
    struct slurm_options options = { .table = option_table, .argc = argc, .argv = argv };
    const char *clusters = getenv("SLURM_CLUSTERS");
    struct dk_session session;
    struct dk_err err;
    int id, status;

    while ((id = slurm_options_next(&options)) != SLURM_OPTION_END) {
        switch (id) {
        case SLURM_OPTION_BAD:
            (void)fprintf(stderr, "Try \"sdiag --help\" for more information\n");
            return 1;
        case OPT_CLUSTER:
            clusters = options.value;
            break;
        case OPT_HELP:
            (void)fputs(help, stdout);
            return 0;
        case OPT_RESET:
            return slurm_error("sdiag", "--reset is not supported: counters are folded from the "
                                        "log, and a log is never set back");
        case OPT_USAGE:
            (void)fputs("Usage: sdiag [-M cluster] [-aritT]\n", stdout);
            return 0;
        case OPT_VERSION:
            return slurm_print_version();
        default:
            break;
        }
    }
    if (dk_session_open(&session, NULL, &err) != DK_OK)
        return load_failed(&err);
    if (clusters != NULL && slurm_check_cluster(&session, clusters, &err) != DK_OK)
        status = slurm_error("sdiag", "%s", err.text);
    else
        status = print(&session);
    dk_session_close(&session);
    return status;
}
