/* docket.c - the client: finds the command and runs it */
#include "base/check.h"
#include "cli/commands.h"
#include "cli/slurm/slurm.h"
#include "sched/core.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef DOCKET_VERSION
#define DOCKET_VERSION "unknown"
#endif

static int cli_help(const struct cli_command *command, int argc, char **argv);
static int cli_version(const struct cli_command *command, int argc, char **argv);

static const struct cli_option no_options[] = { { 0 } };

static const struct cli_command commands[] = {
    { "replay", "TRACE", 1, 1,
      "Run a workload trace (SWF, plain, .gz or .zst; - is standard input) through the core.",
      cli_replay_options, cli_replay },
    { "generate", "", 0, 0, "Make a workload trace by the Lublin-Feitelson model (2003).",
      cli_generate_options, cli_generate },
    { "log cat", "URI", 1, 1, "Print the events of a log, one line of JSON each.",
      cli_log_cat_options, cli_log_cat },
    { "log stat", "URI", 1, 1, "Count what is in a log.", cli_log_stat_options, cli_log_stat },
    { "log verify", "URI", 1, 1,
      "Read a whole log: every checksum, the hash chain, the digest after each batch.",
      cli_verify_options, cli_log_verify },
    { "log repair", "URI", 1, 1,
      "Set damage aside for good: the events there become a gap that every reader reports.",
      cli_log_repair_options, cli_log_repair },
    { "audit verify", "URI", 1, 1,
      "Decide again, batch by batch, all that a log records, and compare.", cli_verify_options,
      cli_audit_verify },
    { "help", "[COMMAND]", 0, 2, "Print the commands, or the help of one.", no_options, cli_help },
    { "version", "", 0, 0, "Print the version.", no_options, cli_version },
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_commands(void)
{
    (void)printf("docket - an event-sourced workload manager for compute clusters\n\n"
                 "usage: docket COMMAND [OPTION]... [OPERAND]...\n\ncommands:\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        char left[64];

        (void)snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].operands);
        (void)printf("  %-20s %s\n", left, commands[i].summary);
    }
    (void)printf("\nexit status:\n");
#define X(name, number, meaning) (void)printf("  %-4d %s\n", number, meaning);
    CLI_EXIT_MAP(X)
#undef X
    (void)printf("\n'docket COMMAND --help' prints the options of a command.\n");
}

/* The command that the arguments begin with; *words is how many of them name it. */
static const struct cli_command *find_command(int argc, char **argv, int *words)
{
    char two[64];

    for (size_t i = 0; i < COMMANDS && argc > 0; i++) {
        if (strcmp(commands[i].name, argv[0]) == 0)
            return *words = 1, &commands[i];
        (void)snprintf(two, sizeof(two), "%s %s", argv[0], argc > 1 ? argv[1] : "");
        if (strcmp(commands[i].name, two) == 0)
            return *words = 2, &commands[i];
    }
    return NULL;
}

/* `docket log` and `docket log --help` list the commands that begin with log; false: none does. */
static bool print_family(const char *word, FILE *file)
{
    size_t size = strlen(word);
    bool is_any = false;

    for (size_t i = 0; i < COMMANDS; i++) {
        const struct cli_command *command = &commands[i];

        if (strncmp(command->name, word, size) != 0 || command->name[size] != ' ')
            continue;
        (void)fprintf(file, "%s docket %s %s\n", is_any ? "      " : "usage:", command->name,
                      command->operands);
        is_any = true;
    }
    return is_any;
}

static int unknown_command(int argc, char **argv)
{
    char two[128];
    struct cli_guess guess = { .typed = argv[0] };
    bool is_help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

    if (argc == 1 || is_help) {
        if (print_family(argv[0], is_help ? stdout : stderr))
            return is_help ? CLI_EXIT_OK : CLI_EXIT_USAGE;
    }
    for (size_t i = 0; i < COMMANDS; i++)
        cli_guess_try(&guess, commands[i].name);
    if (guess.best == NULL && argc > 1) {
        (void)snprintf(two, sizeof(two), "%s %s", argv[0], argv[1]);
        guess.typed = two;
        for (size_t i = 0; i < COMMANDS; i++)
            cli_guess_try(&guess, commands[i].name);
    }
    (void)fprintf(stderr, "docket: unknown command '%s'", guess.typed);
    if (guess.best != NULL)
        (void)fprintf(stderr, "; did you mean '%s'?", guess.best);
    (void)fprintf(stderr, "\ntry 'docket help'\n");
    return CLI_EXIT_USAGE;
}

static int cli_help(const struct cli_command *command, int argc, char **argv)
{
    const struct cli_command *topic;
    int operands, words, status = cli_parse(command, argc, argv, NULL, &operands);

    if (status != CLI_GO_ON)
        return status;
    if (operands == 0) {
        print_commands();
        return CLI_EXIT_OK;
    }
    topic = find_command(operands, argv, &words);
    if (topic != NULL) {
        cli_print_help(topic);
        return CLI_EXIT_OK;
    }
    if (operands == 1 && print_family(argv[0], stdout))
        return CLI_EXIT_OK;
    return unknown_command(operands, argv);
}

static int cli_version(const struct cli_command *command, int argc, char **argv)
{
    int operands, status = cli_parse(command, argc, argv, NULL, &operands);

    if (status != CLI_GO_ON)
        return status;
    (void)printf("docket %s, decision logic %d\n", DOCKET_VERSION, DK_CORE_LOGIC_NEWEST);
    return CLI_EXIT_OK;
}

static _Noreturn void our_bug(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "docket: internal error: %s does not hold (%s:%d); please report it\n",
                  condition, file, line);
    _Exit(CLI_EXIT_BUG);
}

static void stop_on_bug(const char *condition, const char *file, int line)
{
    our_bug(condition, file, line);
}

int main(int argc, char **argv)
{
    slurm_command *slurm = argc > 0 ? slurm_find(argv[0]) : NULL;
    const struct cli_command *command;
    int words = 0;

    dk_check_set_hook(stop_on_bug);
    (void)signal(SIGPIPE,
                 SIG_IGN); /* a reader that left shows as EPIPE; cli_finish keeps quiet of it */
    if (slurm != NULL)
        return cli_finish(slurm(argc, argv));
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_commands();
        return cli_finish(argc < 2 ? CLI_EXIT_USAGE : CLI_EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1] += 2;
    command = find_command(argc - 1, argv + 1, &words);
    if (command == NULL)
        return cli_finish(unknown_command(argc - 1, argv + 1));
    return cli_finish(command->run(command, argc - 1 - words, argv + 1 + words));
}
