/* cmd_repair.c - docket log repair: how to go on after damage, by an operator's word only
 *
 * Damage is never cut in silence. An operator who has no better copy names the seq at which readers
 * stop, and why; the damaged file is kept under another name, and the seqs lost with it are a gap
 * for ever, which every later reader reports. What was decided by the lost events cannot be folded
 * or audited any more: after a gap a core goes on from a snapshot taken behind it. */
#include "cli/replay_commands.h"
#include "log/log.h"

#include <stdio.h>

int cli_log_repair(const struct cli_command *command, int argc, char **argv)
{
    struct repair_options options;
    struct dk_log_repair repair;
    struct dk_err err;
    int operands, usage = cli_parse(command, argc, argv, &options, &operands);

    if (usage != CLI_GO_ON)
        return usage;
    if (options.seq == 0 || options.why == NULL || options.why[0] == '\0')
        return cli_usage_error(command, "--seq and --why are required: a repair gives up events");
    if (dk_log_repair(argv[0], (uint64_t)options.seq, options.why, &repair, &err) != DK_OK)
        return cli_fail(&err);
    (void)printf("lost         seq %llu to %llu\nkept         %s\n",
                 (unsigned long long)repair.seq_first, (unsigned long long)repair.seq_limit - 1,
                 repair.kept);
    return CLI_EXIT_OK;
}
