/* options.h - getopt_long as Slurm's commands use it, driven by a table
 *
 * Long options by unique prefix (--part, --tasks-per), `--name=value` or `--name value`, clustered
 * short ones (-hj17), values in the same argument (`-o%P`, and `-o %C` as one argument keeps its
 * blank). Messages are those of glibc's getopt, which is what Slurm's commands print.
 *
 *     struct slurm_options options = { .table = table, .argc = argc, .argv = argv };
 *     while ((id = slurm_options_next(&options)) != SLURM_OPTION_END)
 *         ... id of a row, SLURM_OPTION_OPERAND or SLURM_OPTION_BAD; options.value
 */
#ifndef DK_CLI_SLURM_OPTIONS_H
#define DK_CLI_SLURM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum slurm_argument {
    SLURM_NO_ARGUMENT,
    SLURM_ARGUMENT,
    SLURM_ARGUMENT_MAYBE /* only as --name=value or -Xvalue */
};

struct slurm_option {
    const char *name; /* without its dashes; "" for a short one alone */
    char letter;      /* 0: none */
    enum slurm_argument argument;
    int id; /* what slurm_options_next returns, from 1; rows of one option may share it */
};

enum { SLURM_OPTION_END = 0, SLURM_OPTION_BAD = -1, SLURM_OPTION_OPERAND = -2 };

struct slurm_options {
    const struct slurm_option *table; /* ended by a row whose name is NULL */
    int argc;
    char **argv;      /* argv[0] is the program's name, in messages */
    bool is_stopping; /* at the first operand: END, and `at` is its place (what follows is not ours)
                       */
    bool is_silent;   /* no messages: the caller has its own, from `wrong` */
    int at;           /* next argument; starts at 0, which means 1 */
    const char *cluster; /* rest of a cluster of short options */
    bool is_over;        /* -- was seen */
    const char *value;   /* of the option (NULL: none), or the operand */
    char wrong[256];     /* after BAD: the message, without the program's name */
};

int slurm_options_next(struct slurm_options *options);

#endif
