/* config_options.c - the options of config_commands.h */
#include "cli/config_commands.h"

#define CONFIG(field) offsetof(struct config_options, field)

const struct cli_option cli_config_show_options[] = {
    CLI_AT_OPTIONS(config_options),
    CLI_JSON_OPTION(config_options),
    CLI_DIR_OPTION(config_options),
    { 0 },
};

const struct cli_option cli_config_apply_options[] = {
    { "--dry-run", CLI_FLAG, NULL, CONFIG(dry_run), NULL, 0, 0,
      "check and show the difference, change nothing" },
    { "--note", CLI_TEXT, "TEXT", CONFIG(note), "", 0, 0,
      "why, kept beside the configuration in the log" },
    CLI_DIR_OPTION(config_options),
    { 0 },
};

const struct cli_option cli_config_history_options[] = {
    CLI_LIST_OPTIONS(config_options),
    CLI_JSON_OPTION(config_options),
    CLI_DIR_OPTION(config_options),
    { 0 },
};

const struct cli_option cli_config_diff_options[] = {
    CLI_DIR_OPTION(config_options),
    { 0 },
};
