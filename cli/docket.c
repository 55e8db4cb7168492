/* docket.c - the client: finds the command and runs it
 *
 * It links nothing heavy, so that it starts in about a millisecond: what needs the core, zstd or
 * libcrypto is in docket-replay, which it runs. Called by a Slurm name it speaks that command's
 * language (slurm/). */
#include "cli/commands.h"
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

static const struct cli_option no_options[] = { { 0 } };

static const struct cli_command commands[] = {
#define X(name, operands, least, most, summary, options, run)                                      \
    { name, operands, least, most, summary, options, exec_replay },
    CLI_REPLAY_COMMANDS(X)
#undef X
        { "help", "[COMMAND]", 0, 2, "Print the commands, or the help of one.", no_options,
          cli_help },
    { "version", "", 0, 0, "Print the version.", no_options, cli_version },
};

static const struct cli_group groups[] = {
    { "replay", "Traces, logs and audit" },
    { "help", "Other" },
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
