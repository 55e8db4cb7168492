/* commands.h - the functions and options behind the table in docket.c */
#ifndef DK_CLI_COMMANDS_H
#define DK_CLI_COMMANDS_H

#include "cli/command.h"

int cli_replay(const struct cli_command *command, int argc, char **argv);
int cli_generate(const struct cli_command *command, int argc, char **argv);
int cli_log_cat(const struct cli_command *command, int argc, char **argv);
int cli_log_stat(const struct cli_command *command, int argc, char **argv);
int cli_log_verify(const struct cli_command *command, int argc, char **argv);
int cli_log_repair(const struct cli_command *command, int argc, char **argv);
int cli_audit_verify(const struct cli_command *command, int argc, char **argv);

extern const struct cli_option cli_replay_options[];
extern const struct cli_option cli_generate_options[];
extern const struct cli_option cli_log_cat_options[];
extern const struct cli_option cli_log_stat_options[];
extern const struct cli_option cli_log_repair_options[];
extern const struct cli_option cli_verify_options[];

#endif
