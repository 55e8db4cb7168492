/* suite.c - see suite.h */
#define _GNU_SOURCE
#include "cli/suite.h"

#include "base/check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_command *cli_suite_find(const struct cli_suite *suite, int argc, char **argv,
                                         int *words)
{
    const struct cli_command *found = NULL;
    char two[64];

    if (argc == 0)
        return NULL;
    (void)snprintf(two, sizeof(two), "%s %s", argv[0], argc > 1 ? argv[1] : "");
    for (size_t i = 0; i < suite->count; i++) {
        const struct cli_command *command = &suite->commands[i];

        if (strcmp(command->name, two) == 0)
            return *words = 2, command;
        if (strcmp(command->name, argv[0]) == 0)
            found = command;
    }
    *words = 1;
    return found;
}

static const char *group_of(const struct cli_suite *suite, const char *name)
{
    for (const struct cli_group *group = suite->groups; group != NULL && group->first; group++)
        if (strcmp(group->first, name) == 0)
            return group->title;
    return NULL;
}

void cli_suite_print(const struct cli_suite *suite)
{
    (void)printf("%s - %s\n\nusage: %s COMMAND [OPTION]... [OPERAND]...\n\ncommands:\n",
                 suite->name, suite->headline, cli_program);
    for (size_t i = 0; i < suite->count; i++) {
        const struct cli_command *command = &suite->commands[i];
        const char *title = group_of(suite, command->name);
        char left[64];

        if (title != NULL)
            (void)printf("\n%s:\n", title);
        (void)snprintf(left, sizeof(left), "%s %s", command->name, command->operands);
        (void)printf("  %-22s %.*s\n", left, (int)strcspn(command->summary, "\n"),
                     command->summary);
    }
    (void)printf("\nexit status:\n");
#define X(name, number, meaning) (void)printf("  %-4d %s\n", number, meaning);
    CLI_EXIT_MAP(X)
#undef X
    (void)printf("\n'%s COMMAND --help' prints the options of a command.\n", cli_program);
}

/* `docket log` and `docket log --help` list the commands that begin with log; false: none does. */
static bool print_family(const struct cli_suite *suite, const char *word, FILE *file)
{
    size_t size = strlen(word);
    bool is_any = false;

    for (size_t i = 0; i < suite->count; i++) {
        const struct cli_command *command = &suite->commands[i];

        if (strncmp(command->name, word, size) != 0 || command->name[size] != ' ')
            continue;
        (void)fprintf(file, "%s %s %s %s\n", is_any ? "      " : "usage:", cli_program,
                      command->name, command->operands);
        is_any = true;
    }
    return is_any;
}

static int unknown_command(const struct cli_suite *suite, int argc, char **argv)
{
    char two[128];
    struct cli_guess guess = { .typed = argv[0] };
    bool is_help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

    if (argc == 1 || is_help) {
        if (print_family(suite, argv[0], is_help ? stdout : stderr))
            return is_help ? CLI_EXIT_OK : CLI_EXIT_USAGE;
    }
    for (size_t i = 0; i < suite->count; i++)
        cli_guess_try(&guess, suite->commands[i].name);
    if (guess.best == NULL && argc > 1) {
        (void)snprintf(two, sizeof(two), "%s %s", argv[0], argv[1]);
        guess.typed = two;
        for (size_t i = 0; i < suite->count; i++)
            cli_guess_try(&guess, suite->commands[i].name);
    }
    (void)fprintf(stderr, "%s: unknown command '%s'", cli_program, guess.typed);
    if (guess.best != NULL)
        (void)fprintf(stderr, "; did you mean '%s'?", guess.best);
    (void)fprintf(stderr, "\ntry '%s help'\n", cli_program);
    return CLI_EXIT_USAGE;
}

int cli_suite_help(const struct cli_suite *suite, int operands, char **argv)
{
    const struct cli_command *topic;
    int words;

    if (operands == 0) {
        cli_suite_print(suite);
        return CLI_EXIT_OK;
    }
    topic = cli_suite_find(suite, operands, argv, &words);
    if (topic != NULL) {
        cli_print_help(topic);
        return CLI_EXIT_OK;
    }
    if (operands == 1 && print_family(suite, argv[0], stdout))
        return CLI_EXIT_OK;
    return unknown_command(suite, operands, argv);
}

static _Noreturn void our_bug(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "%s: internal error: %s does not hold (%s:%d); please report it\n",
                  cli_program, condition, file, line);
    _Exit(CLI_EXIT_BUG);
}

static void stop_on_bug(const char *condition, const char *file, int line)
{
    our_bug(condition, file, line);
}

void cli_begin(void)
{
    dk_check_set_hook(stop_on_bug);
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that left: EPIPE, of which cli_finish is quiet */
}

int cli_suite_run(const struct cli_suite *suite, int argc, char **argv)
{
    const struct cli_command *command;
    int words = 0;

    cli_begin();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_suite_print(suite);
        return cli_finish(argc < 2 ? CLI_EXIT_USAGE : CLI_EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] += 2;
    command = cli_suite_find(suite, argc - 1, argv + 1, &words);
    if (command == NULL)
        return cli_finish(unknown_command(suite, argc - 1, argv + 1));
    return cli_finish(command->run(command, argc - 1 - words, argv + 1 + words));
}

int cli_exec(const char *program, const char *command, int argc, char **argv)
{
    char path[4096], words[64], *second;
    ssize_t size = readlink("/proc/self/exe", path, sizeof(path));
    char **copy = calloc((size_t)argc + 4, sizeof(*copy)), **to = copy;
    const char *slash;

    DK_CHECK(copy != NULL);
    (void)snprintf(words, sizeof(words), "%s", command);
    *to++ = (char *)(uintptr_t)program;
    *to++ = words;
    second = strchr(words, ' ');
    if (second != NULL) {
        *second++ = '\0';
        *to++ = second;
    }
    memcpy(to, argv, (size_t)argc * sizeof(*argv));
    slash = size > 0 ? memrchr(path, '/', (size_t)size) : NULL;
    if (slash == NULL || (size_t)(slash + 1 - path) + strlen(program) + 1 > sizeof(path)) {
        (void)fprintf(stderr, "%s: where its executable lies can't be found: %s\n", cli_program,
                      size < 0 ? strerror(errno) : "the path is too long");
    } else {
        memcpy(path + (slash + 1 - path), program, strlen(program) + 1);
        (void)signal(SIGPIPE, SIG_DFL);
        (void)execv(path, copy);
        (void)fprintf(stderr, "%s: '%s', which has '%s', can't be run: %s\n", cli_program, path,
                      command, strerror(errno));
    }
    free(copy);
    return CLI_EXIT_WORLD;
}
