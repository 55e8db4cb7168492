/* docket.c - the client: finds the command and runs it
 *
 * It links nothing heavy, so that it starts in about a millisecond: what needs the core, zstd or
 * libcrypto is in docket-replay, which it runs. Called by a Slurm name it speaks that command's
 * language (slurm/). */
#include "cli/commands.h"
#include "cli/config_commands.h"
#include "cli/replay_commands.h"
#include "cli/slurm/slurm.h"
#include "sched/core.h"

#include <stdio.h>

#ifndef DOCKET_VERSION
#define DOCKET_VERSION "unknown"
#endif

static int cli_help(const struct cli_command *command, int argc, char **argv)
{
    int operands, status = cli_parse(command, argc, argv, NULL, &operands);

    return status == CLI_GO_ON ? cli_suite_help(&docket_suite, operands, argv) : status;
}

static int cli_version(const struct cli_command *command, int argc, char **argv)
{
    int operands, status = cli_parse(command, argc, argv, NULL, &operands);

    if (status != CLI_GO_ON)
        return status;
    (void)printf("docket %s, decision logic %d\n", DOCKET_VERSION, DK_CORE_LOGIC_NEWEST);
    return CLI_EXIT_OK;
}

static int exec_replay(const struct cli_command *command, int argc, char **argv)
{
    return cli_exec("docket-replay", command->name, argc, argv);
}

static int exec_config(const struct cli_command *command, int argc, char **argv)
{
    return cli_exec("docket-config", command->name, argc, argv);
}

static const struct cli_option no_options[] = { { 0 } };

static const struct cli_command commands[] = {
    { "submit", "[SCRIPT [ARGUMENT]...]", 0, 1000000,
      "Submit a batch script, and print its number.\n"
      "examples: docket submit -N 2 -t 1:00:00 job.sh\n"
      "          docket submit -a 0-99 --wrap './work $SLURM_ARRAY_TASK_ID'",
      cli_submit_options, cli_submit },
    { "run", "COMMAND [ARGUMENT]...", 1, 1000000,
      "Run a command as a job, show what it writes, and exit as it did.\n"
      "example: docket run -n 4 make test",
      cli_submit_options, cli_run },
    { "queue", "[JOB]...", 0, 1000,
      "List the jobs that wait, run, or have just ended.\n"
      "examples: docket queue --user anna --state PENDING\n"
      "          docket queue --at 14:02 --fields job,state,node_list",
      cli_queue_options, cli_queue },
    { "job", "JOB", 1, 1,
      "Print everything about one job, whether it waits, runs or has ended; or its script.\n"
      "examples: docket job 17\n"
      "          docket job --script 17",
      cli_job_options, cli_job },
    { "explain", "JOB", 1, 1,
      "Say why a job waits, or why it started where and when it did: every reason, with numbers.\n"
      "A decision is made again from the log and compared with what is recorded.\n"
      "examples: docket explain 17\n"
      "          docket explain 17_3 --at 14:02",
      cli_explain_options, cli_explain },
    { "watch", "", 0, 0,
      "Show the queue live, redrawn when something happens; into a pipe, a line for each change.\n"
      "example: docket watch --user anna",
      cli_watch_options, cli_watch },
    { "cancel", "[JOB]...", 0, 1000,
      "Ask for jobs to end, whether they wait or run.\n"
      "A JOB is 17, 17_3 (a task of an array), 17_[1-4,7] or 20-25 (several jobs).\n"
      "examples: docket cancel 17 18_[1-4]\n"
      "          docket cancel --user anna --state PENDING",
      cli_cancel_options, cli_cancel },
    { "hold", "[JOB]...", 0, 1000,
      "Keep waiting jobs from starting.\nexample: docket hold 17 20-25", cli_hold_options,
      cli_hold },
    { "release", "[JOB]...", 0, 1000, "Lift a hold.\nexample: docket release 17",
      cli_release_options, cli_release },
    { "requeue", "[JOB]...", 0, 1000,
      "End running jobs and queue them again.\nexample: docket requeue --hold 17",
      cli_requeue_options, cli_requeue },
    { "update", "JOB...", 1, 1000,
      "Change jobs that wait; the time limit and the priority also of running ones.\n"
      "example: docket update 17 --time 2h --partition long",
      cli_update_options, cli_update },
    { "erase", "", 0, 0,
      "Erase the scripts, environments and arguments that a user gave until now.\n"
      "For operators and the user himself, when he has no job that waits or runs. What they did "
      "is\n"
      "accounted for as before: names, times, who, where. It can't be undone.\n"
      "example: docket erase --user anna --reason 'left the institute'",
      cli_erase_options, cli_erase },
    { "nodes", "[NODES]...", 0, 1000,
      "List the nodes: state, what is in use, why not.\nexample: docket nodes n[1-4] --long",
      cli_nodes_options, cli_nodes },
    { "partitions", "[NAME]...", 0, 1000, "List the partitions.\nexample: docket partitions --json",
      cli_partitions_options, cli_partitions },
    { "drain", "NODES...", 1, 1000,
      "Let running jobs end on nodes and start none there.\n"
      "example: docket drain n[3-4] --reason 'fan is loud'",
      cli_drain_options, cli_drain },
    { "resume", "NODES...", 1, 1000,
      "Give drained nodes work again.\nexample: docket resume n[3-4]", cli_resume_options,
      cli_resume },
    { "acct", "[JOB]...", 0, 1000,
      "List every job that ever was.\n"
      "example: docket acct --user anna --since -7d --state FAILED,TIMEOUT",
      cli_acct_options, cli_acct },
    { "acct usage", "", 0, 0,
      "Sum up what was used.\nexample: docket acct usage --by user,day --since 2026-11-01",
      cli_acct_usage_options, cli_acct_usage },
    { "stats", "", 0, 0, "Print counters of the cluster.\nexample: docket stats --json",
      cli_stats_options, cli_stats },
    { "controllers", "", 0, 0,
      "Say which controller leads and which stand by, how far behind, and who led before.\n"
      "Exits with 4 when none that leads can be reached.\n"
      "example: docket controllers --epochs 20",
      cli_controllers_options, cli_controllers },
#define X(name, operands, least, most, summary, options, run)                                      \
    { name, operands, least, most, summary, options, exec_config },
    CLI_CONFIG_COMMANDS(X)
#undef X
        { "log tail", "", 0, 0,
          "Print the newest events, a line of JSON each.\nexample: docket log tail --count 100",
          cli_log_tail_options, cli_log_tail },
    { "log follow", "", 0, 0,
      "Print events as they come, a line of JSON each.\nexample: docket log follow --job 17",
      cli_log_follow_options, cli_log_follow },
#define X(name, operands, least, most, summary, options, run)                                      \
    { name, operands, least, most, summary, options, exec_replay },
    CLI_REPLAY_COMMANDS(X)
#undef X
        { "completion", "bash|zsh", 1, 1,
          "Print what a shell needs to complete docket's commands and options.\n"
          "example: source <(docket completion bash)",
          no_options, cli_completion },
    { "man", "[COMMAND]", 0, 2,
      "Print a manual page (roff), of docket or of one command.\n"
      "examples: docket man queue | man -l -\n"
      "          docket man --output DIR     one page a command",
      cli_man_options, cli_man },
    { "help", "[COMMAND]", 0, 2, "Print the commands, or the help of one.", no_options, cli_help },
    { "version", "", 0, 0, "Print the version.", no_options, cli_version },
};

static const struct cli_group groups[] = {
    { "submit", "Jobs" },
    { "nodes", "Nodes and partitions" },
    { "acct", "Accounting and counters" },
    { "config show", "Configuration" },
    { "log tail", "Log, traces and audit" },
    { "completion", "Other" },
    { 0 },
};

const struct cli_suite docket_suite = {
    .name = "docket",
    .headline = "an event-sourced workload manager for compute clusters",
    .commands = commands,
    .count = sizeof(commands) / sizeof(commands[0]),
    .groups = groups,
};

int main(int argc, char **argv)
{
    slurm_command *slurm = argc > 0 ? slurm_find(argv[0]) : NULL;

    cli_begin();
    if (slurm != NULL)
        return cli_finish(slurm(argc, argv));
    return cli_suite_run(&docket_suite, argc, argv);
}
