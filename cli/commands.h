/* commands.h - the functions and options of docket's own commands; the table is in docket.c */
#ifndef DK_CLI_COMMANDS_H
#define DK_CLI_COMMANDS_H

#include "cli/suite.h"

extern const struct cli_suite docket_suite;

#define CLI_DECLARE(name)                                                                          \
    int cli_##name(const struct cli_command *command, int argc, char **argv);                      \
    extern const struct cli_option cli_##name##_options[];

CLI_DECLARE(submit)
int cli_run(const struct cli_command *command, int argc, char **argv);
CLI_DECLARE(queue)
CLI_DECLARE(job)
CLI_DECLARE(explain)
CLI_DECLARE(nodes)
CLI_DECLARE(partitions)
CLI_DECLARE(watch)
CLI_DECLARE(cancel)
CLI_DECLARE(hold)
CLI_DECLARE(release)
CLI_DECLARE(requeue)
CLI_DECLARE(update)
CLI_DECLARE(erase)
CLI_DECLARE(drain)
CLI_DECLARE(resume)
CLI_DECLARE(acct)
CLI_DECLARE(acct_usage)
CLI_DECLARE(stats)
CLI_DECLARE(controllers)
CLI_DECLARE(log_tail)
CLI_DECLARE(log_follow)
CLI_DECLARE(man)

int cli_completion(const struct cli_command *command, int argc, char **argv);

#endif
