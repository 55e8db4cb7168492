/* config_commands.h - the commands of docket-config, which links libyaml (see replay_commands.h) */
#ifndef DK_CLI_CONFIG_COMMANDS_H
#define DK_CLI_CONFIG_COMMANDS_H

#include "cli/client.h"
#include "cli/command.h"

#define CLI_CONFIG_COMMANDS(X)                                                                     \
    X("config show", "", 0, 0,                                                                     \
      "Print the configuration as YAML that can be applied again.\n"                               \
      "examples: docket config show >cluster.yaml\n"                                               \
      "          docket config show --at 2026-11-01",                                              \
      cli_config_show_options, cli_config_show)                                                    \
    X("config apply", "FILE", 1, 1,                                                                \
      "Check a file of YAML, show what it changes, and make it the configuration.\n"               \
      "The file is the whole of it: what it does not say gets its default. - is standard input.\n" \
      "examples: docket config apply --dry-run cluster.yaml\n"                                     \
      "          docket config apply --note 'a partition for long jobs' cluster.yaml",             \
      cli_config_apply_options, cli_config_apply)                                                  \
    X("config history", "", 0, 0,                                                                  \
      "List when, by whom and why the configuration was set.\nexample: docket config history",     \
      cli_config_history_options, cli_config_history)                                              \
    X("config diff", "FROM [TO]", 1, 2,                                                            \
      "Show what changed in the configuration between two moments (seqs or times; TO: now).\n"     \
      "examples: docket config diff 1042\n"                                                        \
      "          docket config diff 2026-11-01 2026-11-20T12:00",                                  \
      cli_config_diff_options, cli_config_diff)

struct config_options {
    struct cli_common common;
    const char *note;
    bool dry_run, force;
};

extern const struct cli_option cli_config_show_options[];
extern const struct cli_option cli_config_apply_options[];
extern const struct cli_option cli_config_history_options[];
extern const struct cli_option cli_config_diff_options[];

int cli_config_show(const struct cli_command *command, int argc, char **argv);
int cli_config_apply(const struct cli_command *command, int argc, char **argv);
int cli_config_history(const struct cli_command *command, int argc, char **argv);
int cli_config_diff(const struct cli_command *command, int argc, char **argv);

#endif
