/* suite.h - a program made of commands: finds the one that was asked for, lists them, helps
 *
 * The first line of a command's summary says what it does; what follows is for its own help:
 * details, and an example of its use.
 */
#ifndef DK_CLI_SUITE_H
#define DK_CLI_SUITE_H

#include "cli/command.h"

struct cli_suite {
    const char *name;     /* "docket" */
    const char *headline; /* what it is, in a line */
    const struct cli_command *commands;
    size_t count;
    /* Titles of groups in the list of commands: the first command of each, and the title; ended by
     * a NULL name. NULL: no groups. */
    const struct cli_group *groups;
};

struct cli_group {
    const char *first, *title;
};

/* The command that the arguments begin with, by the longer name; NULL: none. *words: how many of
 * them name it. */
const struct cli_command *cli_suite_find(const struct cli_suite *suite, int argc, char **argv,
                                         int *words);

void cli_suite_print(const struct cli_suite *suite); /* all commands, and the exit statuses */

/* "docket help [COMMAND]": operands of help. */
int cli_suite_help(const struct cli_suite *suite, int operands, char **argv);

/* What every program of ours does first: our own bugs are said, and a reader that left is no
 * signal.
 */
void cli_begin(void);

/* Runs what argv asks for (argv[0] is the program); the exit status, output flushed. */
int cli_suite_run(const struct cli_suite *suite, int argc, char **argv);

/* Replaces this process by `program`, which lies beside our own executable, with the arguments
 * as they are ("docket-replay log cat URI"). Returns only when that fails: the exit status. */
int cli_exec(const char *program, const char *command, int argc, char **argv);

#endif
