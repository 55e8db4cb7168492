/* command.h - what a command of docket is, and the typed table of its options
 *
 * A command is a row: name, operands, what it does, its options, its function. Help, usage and
 * parsing all come from these tables, so that they cannot say different things. Options are
 * written --name VALUE or --name=VALUE, in any order with the operands; -- ends them.
 *
 * Answers go to the standard output, remarks and errors to the standard error. Exit statuses:
 * enum cli_exit below, printed by `docket help`.
 */
#ifndef DK_CLI_COMMAND_H
#define DK_CLI_COMMAND_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, number, meaning */
#define CLI_EXIT_MAP(X)                                                                            \
    X(OK, 0, "done")                                                                               \
    X(REFUSED, 1, "refused by the core")                                                           \
    X(USAGE, 2, "wrong usage: an option or operand is not as it should be")                        \
    X(INPUT, 3, "bad input: a trace, a file or a URI")                                             \
    X(WORLD, 4, "the world failed: disk, network, a lock, a full device")                          \
    X(UNTRUSTED, 5, "a log that cannot be trusted: damage or divergence")                          \
    X(BUG, 70, "an error of docket itself; please report it")

enum cli_exit {
#define X(name, number, meaning) CLI_EXIT_##name = number,
    CLI_EXIT_MAP(X)
#undef X
        CLI_GO_ON = -1 /* of cli_parse: nothing to report, the command may run */
};

enum cli_kind {
    CLI_FLAG,   /* bool, set when given */
    CLI_TEXT,   /* const char *, NULL when not given and without a default */
    CLI_NUMBER, /* int64_t, within least and most */
    CLI_CHOICE  /* int: the place of the value in `argument`, which lists them as "a|b|c" */
};

struct cli_option {
    const char *name; /* with its dashes; NULL ends a table */
    enum cli_kind kind;
    const char *argument; /* what help calls the value, with its unit: "SECONDS" */
    size_t offset;        /* of the value in the command's struct */
    const char *fallback; /* the default as one would write it; NULL: none (0 for a number) */
    int64_t least, most;
    const char *help;
};

struct cli_command {
    const char *name;     /* one word, or two: "log cat" */
    const char *operands; /* "TRACE"; "" for none */
    int operands_min, operands_max;
    const char *summary;
    const struct cli_option *options;
    int (*run)(const struct cli_command *command, int argc, char **argv);
};

/* What messages and help call the program: "docket" unless its main says otherwise. */
extern const char *cli_program;

/* Fills *values from defaults and argv (argc and argv are what follows the command's name) and
 * leaves the operands at the front of argv. CLI_GO_ON; or the exit status when help was printed
 * or the usage is wrong (which has been said by then). */
int cli_parse(const struct cli_command *command, int argc, char **argv, void *values,
              int *operands);

/* The value of a choice as it is written: the `index`th of "a|b|c", into `out` of 32 bytes. */
const char *cli_choice_name(const char *choices, int index, char out[32]);
/* And back; -1: none of them. `size` characters of `text`. */
int cli_choice_find(const char *choices, const char *text, size_t size);

void cli_print_help(const struct cli_command *command);

/* The closest of `count` names to a mistyped one; NULL when none is close. */
struct cli_guess {
    const char *typed, *best;
    size_t distance;
};
void cli_guess_try(struct cli_guess *guess, const char *name);

/* "docket NAME: text, try 'docket NAME --help'" on the standard error; returns CLI_EXIT_USAGE. */
int cli_usage_error(const struct cli_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "docket: text" on the standard error; returns dk_status_exit of its status. */
int cli_fail(const struct dk_err *err);

/* Flushes the standard output. A reader that went away is fine; any other failure is said and makes
 * the exit status CLI_EXIT_WORLD, else it is `status`. */
int cli_finish(int status);

#endif
