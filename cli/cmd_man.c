/* cmd_man.c - docket man and docket completion: both made from the table of commands
 *
 * The pages are roff for man(7). The completions know every command and every option with its
 * choices; where a value is a file or a folder the shell completes that.
 * tests/unit/cli/docs_test.sh holds them against the tables.
 */
#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifndef DOCKET_VERSION
#define DOCKET_VERSION "unknown"
#endif

struct man_options {
    const char *output;
};

const struct cli_option cli_man_options[] = {
    { "--output", CLI_TEXT, "DIR", offsetof(struct man_options, output), NULL, 0, 0,
      "write every page into this folder: docket.1, docket-queue.1, ..." },
    { 0 },
};

/* --- manual pages --- */

/* Dashes are minus signs, a line never begins with a control character. */
static void roff_text(FILE *file, const char *text, size_t size)
{
    bool is_line_start = true;

    for (size_t i = 0; i < size; i++) {
        if (is_line_start && (text[i] == '.' || text[i] == '\''))
            (void)fputs("\\&", file);
        if (text[i] == '\\')
            (void)fputs("\\e", file);
        else if (text[i] == '-')
            (void)fputs("\\-", file);
        else
            (void)fputc(text[i], file);
        is_line_start = text[i] == '\n';
    }
}

static void roff_line(FILE *file, const char *text)
{
    roff_text(file, text, strlen(text));
    (void)fputc('\n', file);
}

/* docket-log-cat: the name of a command's page. */
static void page_name(const struct cli_command *command, char *name, size_t size)
{
    (void)snprintf(name, size, "docket-%s", command->name);
    for (char *at = name; *at != '\0'; at++)
        if (*at == ' ')
            *at = '-';
}

static void roff_title(FILE *file, const char *name)
{
    (void)fprintf(file, ".TH \"%s\" 1 \"\" \"docket %s\" \"docket\"\n.SH NAME\n", name,
                  DOCKET_VERSION);
}

/* After the first line of a summary: paragraphs, and examples as they are. */
static void roff_description(FILE *file, const char *summary)
{
    size_t first = strcspn(summary, "\n");
    const char *rest = summary + first;
    bool is_example = false;

    (void)fputs(".SH DESCRIPTION\n", file);
    roff_text(file, summary, first);
    (void)fputc('\n', file);
    while (*rest == '\n') {
        size_t size = strcspn(++rest, "\n"), name = strncmp(rest, "examples: ", 10) == 0 ? 10
                                                    : strncmp(rest, "example: ", 9) == 0 ? 9
                                                                                         : 0;

        if (name > 0 && !is_example)
            (void)fputs(".SH EXAMPLES\n.nf\n", file);
        is_example = is_example || name > 0;
        if (is_example && name == 0)
            name = strspn(rest, " ");
        roff_text(file, rest + name, size - name);
        (void)fputc('\n', file);
        rest += size;
    }
    if (is_example)
        (void)fputs(".fi\n", file);
}

static void roff_options(FILE *file, const struct cli_option *option)
{
    bool has_help = false;

    (void)fputs(".SH OPTIONS\n", file);
    for (; option->name != NULL; option++) {
        has_help = has_help || strcmp(option->name, "--help") == 0;
        (void)fputs(".TP\n.B ", file);
        roff_text(file, option->name, strlen(option->name));
        if (option->argument != NULL && option->argument[0] != '\0') {
            (void)fputs(" \\fI", file);
            roff_text(file, option->argument, strlen(option->argument));
            (void)fputs("\\fR", file);
        }
        (void)fputc('\n', file);
        roff_text(file, option->help, strlen(option->help));
        if (option->fallback != NULL && option->fallback[0] != '\0') {
            (void)fputs(" [", file);
            roff_text(file, option->fallback, strlen(option->fallback));
            (void)fputs("]", file);
        }
        (void)fputc('\n', file);
    }
    if (!has_help)
        (void)fputs(".TP\n.B \\-\\-help\nprint this\n", file);
}

static void roff_statuses(FILE *file)
{
    (void)fputs(".SH EXIT STATUS\n", file);
#define X(name, number, meaning) (void)fprintf(file, ".TP\n.B %d\n%s\n", number, meaning);
    CLI_EXIT_MAP(X)
#undef X
}

static void man_of_command(FILE *file, const struct cli_command *command)
{
    char name[64];

    page_name(command, name, sizeof(name));
    roff_title(file, name);
    roff_text(file, name, strlen(name));
    (void)fputs(" \\- ", file);
    roff_text(file, command->summary, strcspn(command->summary, "\n"));
    (void)fprintf(file, "\n.SH SYNOPSIS\n.B docket %s\n[OPTION]... ", command->name);
    roff_line(file, command->operands);
    roff_description(file, command->summary);
    roff_options(file, command->options);
    roff_statuses(file);
    (void)fputs(".SH SEE ALSO\n.BR docket (1)\n", file);
}

static void man_of_docket(FILE *file, const struct cli_command *none)
{
    char name[64];

    (void)none;
    roff_title(file, "docket");
    (void)fprintf(file, "docket \\- ");
    roff_line(file, docket_suite.headline);
    (void)fputs(".SH SYNOPSIS\n.B docket\nCOMMAND [OPTION]... [OPERAND]...\n.SH COMMANDS\n", file);
    for (size_t i = 0; i < docket_suite.count; i++) {
        const struct cli_command *command = &docket_suite.commands[i];

        page_name(command, name, sizeof(name));
        (void)fprintf(file, ".TP\n.B %s\n", command->name);
        roff_text(file, command->summary, strcspn(command->summary, "\n"));
        (void)fputs(" See ", file);
        roff_text(file, name, strlen(name));
        (void)fputs("(1).\n", file);
    }
    (void)fputs(
        ".SH ENVIRONMENT\n.TP\n.B DOCKET_DIR\nthe cluster's folder, where \\-\\-dir does not "
        "say\n.TP\n.B NO_COLOR\nno colours\n",
        file);
    roff_statuses(file);
}

/* One page into DIR/NAME.1. */
static int write_page(const char *dir, const char *name, const struct cli_command *command,
                      void (*write)(FILE *file, const struct cli_command *command))
{
    char path[4096];
    struct dk_err err;
    FILE *file;
    bool is_bad;

    (void)snprintf(path, sizeof(path), "%s/%s.1", dir, name);
    file = fopen(path, "w");
    if (file != NULL) {
        write(file, command);
        is_bad = ferror(file) != 0;
        is_bad = fclose(file) != 0 || is_bad;
        if (!is_bad)
            return CLI_EXIT_OK;
    }
    (void)dk_fail(&err, DK_IO, "'%s' can't be written: %s", path, strerror(errno));
    return cli_fail(&err);
}

static int write_pages(const char *dir)
{
    int exit = write_page(dir, "docket", NULL, man_of_docket);
    char name[64];

    for (size_t i = 0; i < docket_suite.count && exit == CLI_EXIT_OK; i++) {
        page_name(&docket_suite.commands[i], name, sizeof(name));
        exit = write_page(dir, name, &docket_suite.commands[i], man_of_command);
    }
    return exit;
}

int cli_man(const struct cli_command *command, int argc, char **argv)
{
    struct man_options options = { 0 };
    const struct cli_command *topic;
    int operands, words, exit = cli_parse(command, argc, argv, &options, &operands);

    if (exit != CLI_GO_ON)
        return exit;
    if (options.output != NULL)
        return write_pages(options.output);
    if (operands == 0) {
        man_of_docket(stdout, NULL);
        return CLI_EXIT_OK;
    }
    topic = cli_suite_find(&docket_suite, operands, argv, &words);
    if (topic == NULL || words != operands)
        return cli_usage_error(command, "there is no command '%s%s%s'", argv[0],
                               operands > 1 ? " " : "", operands > 1 ? argv[1] : "");
    man_of_command(stdout, topic);
    return CLI_EXIT_OK;
}

/* --- completion --- */

/* What a shell completes behind an option: its choices, files, folders, or nothing it knows. */
static bool is_path(const struct cli_option *option)
{
    return option->kind == CLI_TEXT &&
           (strcmp(option->argument, "FILE") == 0 || strcmp(option->argument, "DIR") == 0);
}

static void print_words(const char *choices)
{
    for (const char *at = choices; *at != '\0'; at++)
        (void)putchar(*at == '|' ? ' ' : *at);
}

/* The first words of commands, or the second ones behind `first`. */
static void print_command_words(const char *first)
{
    char seen[64] = "";

    for (size_t i = 0; i < docket_suite.count; i++) {
        const char *name = docket_suite.commands[i].name;
        size_t size = strcspn(name, " ");

        if (first == NULL) { /* those of a family stand together */
            if (strlen(seen) == size && strncmp(seen, name, size) == 0)
                continue;
            (void)snprintf(seen, sizeof(seen), "%.*s", (int)size, name);
            (void)printf("%.*s ", (int)size, name);
        } else if (name[size] == ' ' && strlen(first) == size && strncmp(first, name, size) == 0) {
            (void)printf("%s ", name + size + 1);
        }
    }
}

static void print_bash(void)
{
    (void)printf("# bash completion for docket, made by 'docket completion bash'\n"
                 "_docket() {\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
                 "words='' key\n"
                 "    COMPREPLY=()\n"
                 "    key=\"${COMP_WORDS[1]}\"\n"
                 "    if [ \"$COMP_CWORD\" -gt 2 ]; then\n"
                 "        case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
    for (size_t i = 0; i < docket_suite.count; i++)
        if (strchr(docket_suite.commands[i].name, ' ') != NULL)
            (void)printf("        '%s') key=\"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" ;;\n",
                         docket_suite.commands[i].name);
    (void)printf("        esac\n    fi\n"
                 "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                 "        COMPREPLY=($(compgen -W '");
    print_command_words(NULL);
    (void)printf("' -- \"$cur\"))\n        return\n    fi\n    case \"$key $prev\" in\n");
    for (size_t i = 0; i < docket_suite.count; i++) {
        const struct cli_command *command = &docket_suite.commands[i];

        for (const struct cli_option *option = command->options; option->name != NULL; option++) {
            if (option->kind == CLI_CHOICE) {
                (void)printf("    '%s %s') COMPREPLY=($(compgen -W '", command->name, option->name);
                print_words(option->argument);
                (void)printf("' -- \"$cur\")); return ;;\n");
            } else if (is_path(option)) {
                (void)printf("    '%s %s') COMPREPLY=($(compgen -%c -- \"$cur\")); return ;;\n",
                             command->name, option->name,
                             strcmp(option->argument, "DIR") == 0 ? 'd' : 'f');
            } else if (option->kind != CLI_FLAG) {
                (void)printf("    '%s %s') return ;;\n", command->name, option->name);
            }
        }
    }
    (void)printf("    esac\n    case \"$key\" in\n");
    for (size_t i = 0; i < docket_suite.count; i++) {
        const struct cli_command *command = &docket_suite.commands[i];

        (void)printf("    '%s') words='", command->name);
        for (const struct cli_option *option = command->options; option->name != NULL; option++)
            (void)printf("%s ", option->name);
        (void)printf("--help ");
        print_command_words(command->name);
        if (strcmp(command->name, "completion") == 0)
            (void)printf("bash zsh");
        (void)printf("' ;;\n");
    }
    (void)printf("    'log') words='");
    print_command_words("log");
    (void)printf("' ;;\n    'config') words='");
    print_command_words("config");
    (void)printf("' ;;\n    'audit') words='");
    print_command_words("audit");
    (void)printf("' ;;\n    esac\n"
                 "    if [[ $cur == -* || -z $cur ]]; then\n"
                 "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                 "    else\n"
                 "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\") $(compgen -f -- "
                 "\"$cur\"))\n"
                 "    fi\n"
                 "}\n"
                 "complete -o filenames -o bashdefault -F _docket docket\n");
}

/* Text between single quotes inside brackets and behind a colon of zsh's _arguments. */
static void print_zsh_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\'')
            (void)fputs("'\\''", stdout);
        else if (strchr("[]:\\", text[i]) != NULL)
            (void)printf("\\%c", text[i]);
        else
            (void)putchar(text[i]);
    }
}

static void print_zsh_option(const struct cli_option *option)
{
    (void)printf("            '%s%s[", option->name, option->kind == CLI_FLAG ? "" : "=");
    print_zsh_text(option->help, strlen(option->help));
    (void)putchar(']');
    if (option->kind == CLI_CHOICE) {
        (void)printf(":value:(");
        print_words(option->argument);
        (void)putchar(')');
    } else if (is_path(option)) {
        (void)printf(":%s:%s", option->argument,
                     strcmp(option->argument, "DIR") == 0 ? "_files -/" : "_files");
    } else if (option->kind != CLI_FLAG) {
        (void)putchar(':');
        print_zsh_text(option->argument, strlen(option->argument));
        (void)fputs(": ", stdout);
    }
    (void)printf("' \\\n");
}

/* The first words: commands of one word, and families with what belongs to them. */
static void print_zsh_first(void)
{
    char seen[64] = "";

    for (size_t i = 0; i < docket_suite.count; i++) {
        const struct cli_command *command = &docket_suite.commands[i];
        size_t size = strcspn(command->name, " ");

        if (strlen(seen) == size && strncmp(seen, command->name, size) == 0)
            continue;
        (void)snprintf(seen, sizeof(seen), "%.*s", (int)size, command->name);
        (void)printf("        '%s:", seen);
        if (command->name[size] == '\0')
            print_zsh_text(command->summary, strcspn(command->summary, "\n"));
        else
            print_command_words(seen);
        (void)printf("'\n");
    }
}

static void print_zsh(void)
{
    (void)printf("#compdef docket\n# zsh completion for docket, made by 'docket completion zsh'\n"
                 "_docket() {\n"
                 "    local -a first second\n"
                 "    first=(\n");
    print_zsh_first();
    (void)printf("    )\n    case $words[2] in\n");
    for (size_t i = 0; i < docket_suite.count; i++) {
        const struct cli_command *command = &docket_suite.commands[i];
        size_t size = strcspn(command->name, " ");

        if (command->name[size] == '\0')
            continue;
        (void)printf("    %.*s) second+=('%s:", (int)size, command->name, command->name + size + 1);
        print_zsh_text(command->summary, strcspn(command->summary, "\n"));
        (void)printf("') ;|\n");
    }
    (void)printf("    esac\n"
                 "    if (( CURRENT == 2 )); then\n"
                 "        _describe -t commands 'docket command' first\n"
                 "        return\n"
                 "    fi\n"
                 "    if (( CURRENT == 3 && $#second )); then\n"
                 "        _describe -t commands 'docket command' second\n"
                 "    fi\n"
                 "    case \"$words[2] $words[3]\" in\n");
    for (int words = 2; words >= 1; words--) { /* the longer names first */
        for (size_t i = 0; i < docket_suite.count; i++) {
            const struct cli_command *command = &docket_suite.commands[i];

            if ((strchr(command->name, ' ') != NULL) != (words == 2))
                continue;
            (void)printf("    '%s'%s)\n        _arguments \\\n", command->name,
                         words == 1 ? "' '*" : "");
            for (const struct cli_option *option = command->options; option->name != NULL; option++)
                print_zsh_option(option);
            (void)printf("            '--help[print this]' \\\n            '*:");
            print_zsh_text(command->operands, strlen(command->operands));
            (void)printf(":_files' ;;\n");
        }
    }
    (void)printf("    esac\n}\n_docket \"$@\"\n");
}

int cli_completion(const struct cli_command *command, int argc, char **argv)
{
    int operands, exit = cli_parse(command, argc, argv, NULL, &operands);

    if (exit != CLI_GO_ON)
        return exit;
    if (strcmp(argv[0], "bash") == 0)
        print_bash();
    else if (strcmp(argv[0], "zsh") == 0)
        print_zsh();
    else
        return cli_usage_error(command, "'%s' is not a shell known here: bash or zsh", argv[0]);
    return CLI_EXIT_OK;
}
