/* config_main.c - docket-config: the commands that read and write configurations
 *
 * `docket config ...` runs it, so its help and its messages say docket. */
#include "cli/config_commands.h"
#include "cli/suite.h"

static const struct cli_command commands[] = {
#define X(name, operands, least, most, summary, options, run)                                      \
    { name, operands, least, most, summary, options, run },
    CLI_CONFIG_COMMANDS(X)
#undef X
};

int main(int argc, char **argv)
{
    static const struct cli_suite suite = {
        .name = "docket-config",
        .headline = "docket's configuration",
        .commands = commands,
        .count = sizeof(commands) / sizeof(commands[0]),
    };

    return cli_suite_run(&suite, argc, argv);
}
