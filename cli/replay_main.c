/* replay_main.c - docket-replay: the commands of docket that link the core, zstd and libcrypto
 *
 * `docket replay ...` runs it, so its help and its messages say docket. */
#include "cli/replay_commands.h"
#include "cli/suite.h"

static const struct cli_command commands[] = {
#define X(name, operands, least, most, summary, options, run)                                      \
    { name, operands, least, most, summary, options, run },
    CLI_REPLAY_COMMANDS(X)
#undef X
};

int main(int argc, char **argv)
{
    static const struct cli_suite suite = {
        .name = "docket-replay",
        .headline = "what docket does with traces and logs",
        .commands = commands,
        .count = sizeof(commands) / sizeof(commands[0]),
    };

    return cli_suite_run(&suite, argc, argv);
}
