/* command.c - see command.h */
#include "cli/command.h"

#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- names that were meant --- */

static size_t least_of(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* How many letters have to be put in, left out or changed (Levenshtein). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64], size = strlen(b);

    if (size >= 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= size; j++)
        row[j] = j;
    for (size_t i = 0; a[i] != 0; i++) {
        size_t corner = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < size; j++) {
            size_t above = row[j + 1];

            row[j + 1] = least_of(above + 1, row[j] + 1, corner + (a[i] != b[j]));
            corner = above;
        }
    }
    return row[size];
}

void cli_guess_try(struct cli_guess *guess, const char *name)
{
    size_t distance = edit_distance(guess->typed, name);

    if (distance <= 1 + strlen(name) / 4 && (guess->best == NULL || distance < guess->distance)) {
        guess->best = name;
        guess->distance = distance;
    }
}

/* --- messages --- */

const char *cli_program = "docket";

int cli_usage_error(const struct cli_command *command, const char *format, ...)
{
    va_list args;

    (void)fprintf(stderr, "%s %s: ", cli_program, command->name);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\ntry '%s %s --help'\n", cli_program, command->name);
    return CLI_EXIT_USAGE;
}

int cli_fail(const struct dk_err *err)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: %s\n", cli_program, err->text);
    if (err->status == DK_CORRUPT)
        (void)fprintf(stderr, "restore the file from a copy, or see 'docket log repair --help'\n");
    return dk_status_exit(err->status);
}

/* stdio forgets why an earlier write failed; the pipe itself still knows. */
static bool is_reader_gone(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

int cli_finish(int status)
{
    errno = 0;
    if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
        return status;
    if (errno == 0 && is_reader_gone())
        return status;
    (void)fprintf(stderr, "%s: standard output cannot be written%s%s\n", cli_program,
                  errno ? ": " : "", errno ? strerror(errno) : "");
    return status == CLI_EXIT_OK ? CLI_EXIT_WORLD : status;
}

/* --- help --- */

static void print_option(const struct cli_option *option)
{
    char left[80];

    (void)snprintf(left, sizeof(left), "  %s%s%s", option->name, option->argument ? " " : "",
                   option->argument ? option->argument : "");
    if (strlen(left) > 26)
        (void)printf("%s\n%-28s%s", left, "", option->help);
    else
        (void)printf("%-28s%s", left, option->help);
    if (option->fallback != NULL && option->fallback[0] != '\0')
        (void)printf(" [%s]", option->fallback);
    (void)putchar('\n');
}

void cli_print_help(const struct cli_command *command)
{
    static const struct cli_option help = { .name = "--help", .help = "print this" };

    (void)printf("usage: %s %s%s%s%s\n\n%s\n\noptions:\n", cli_program, command->name,
                 command->options[0].name != NULL ? " [OPTION]..." : "",
                 command->operands[0] ? " " : "", command->operands, command->summary);
    for (const struct cli_option *option = command->options; option->name != NULL; option++)
        print_option(option);
    print_option(&help);
}

/* --- choices --- */

const char *cli_choice_name(const char *choices, int index, char out[32])
{
    size_t size;

    for (; index > 0; index--) {
        choices = strchr(choices, '|');
        DK_CHECK(choices != NULL);
        choices++;
    }
    size = strcspn(choices, "|");
    DK_CHECK(size < 32);
    memcpy(out, choices, size);
    out[size] = 0;
    return out;
}

int cli_choice_find(const char *choices, const char *text, size_t size)
{
    for (int index = 0;; index++) {
        size_t length = strcspn(choices, "|");

        if (length == size && memcmp(choices, text, size) == 0)
            return index;
        if (choices[length] == 0)
            return -1;
        choices += length + 1;
    }
}

/* --- parsing --- */

static bool read_number(const char *text, int64_t *value)
{
    bool negative = *text == '-';
    int64_t sum = 0;

    text += negative;
    if (*text == 0)
        return false;
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9' || sum > (INT64_MAX - 9) / 10)
            return false;
        sum = sum * 10 + (*text - '0');
    }
    *value = negative ? -sum : sum;
    return true;
}

/* `text` is NULL for a flag. */
static int set_value(const struct cli_command *command, const struct cli_option *option,
                     const char *text, void *values)
{
    void *place = (char *)values + option->offset;
    int64_t number;
    int choice;

    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)place = true;
        break;
    case CLI_TEXT:
        *(const char **)place = text;
        break;
    case CLI_NUMBER:
        if (!read_number(text, &number))
            return cli_usage_error(command, "%s takes a whole number, not '%s'", option->name,
                                   text);
        if (number < option->least || number > option->most)
            return cli_usage_error(command, "%s is %s, outside %lld to %lld", option->name, text,
                                   (long long)option->least, (long long)option->most);
        *(int64_t *)place = number;
        break;
    case CLI_CHOICE:
        choice = cli_choice_find(option->argument, text, strlen(text));
        if (choice < 0)
            return cli_usage_error(command, "%s is '%s', not one of %s", option->name, text,
                                   option->argument);
        *(int *)place = choice;
        break;
    }
    return CLI_GO_ON;
}

static int set_defaults(const struct cli_command *command, void *values)
{
    for (const struct cli_option *option = command->options; option->name != NULL; option++) {
        void *place = (char *)values + option->offset;

        switch (option->kind) {
        case CLI_FLAG:
            *(bool *)place = false;
            break;
        case CLI_TEXT:
            *(const char **)place = NULL;
            break;
        case CLI_NUMBER:
            *(int64_t *)place = 0;
            break;
        case CLI_CHOICE:
            *(int *)place = 0;
            break;
        }
        if (option->fallback != NULL)
            DK_CHECK(set_value(command, option, option->fallback, values) == CLI_GO_ON);
    }
    return CLI_GO_ON;
}

static int unknown_option(const struct cli_command *command, const char *name)
{
    struct cli_guess guess = { .typed = name };

    for (const struct cli_option *option = command->options; option->name != NULL; option++)
        cli_guess_try(&guess, option->name);
    cli_guess_try(&guess, "--help");
    if (guess.best != NULL)
        return cli_usage_error(command, "unknown option '%s'; did you mean '%s'?", name,
                               guess.best);
    return cli_usage_error(command, "unknown option '%s'", name);
}

/* argv[*at] begins with a dash; *at ends on the last argument used. */
static int parse_option(const struct cli_command *command, int argc, char **argv, int *at,
                        void *values)
{
    char name[64];
    size_t size = strcspn(argv[*at], "=");
    const char *value = argv[*at][size] == '=' ? argv[*at] + size + 1 : NULL;
    const struct cli_option *option = command->options;

    if (size >= sizeof(name))
        return cli_usage_error(command, "unknown option '%s'", argv[*at]);
    memcpy(name, argv[*at], size);
    name[size] = 0;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        cli_print_help(command);
        return CLI_EXIT_OK;
    }
    while (option->name != NULL && strcmp(option->name, name) != 0)
        option++;
    if (option->name == NULL)
        return unknown_option(command, name);
    if (option->kind == CLI_FLAG && value != NULL)
        return cli_usage_error(command, "%s takes no value", name);
    if (option->kind != CLI_FLAG && value == NULL) {
        if (*at + 1 >= argc)
            return cli_usage_error(command, "%s needs a value: %s", name, option->argument);
        value = argv[++*at];
    }
    return set_value(command, option, value, values);
}

/* No option begins with one: -1h30m is an operand. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int cli_parse(const struct cli_command *command, int argc, char **argv, void *values, int *operands)
{
    bool is_over = false;
    int count = 0;
    int status = set_defaults(command, values);

    for (int i = 0; i < argc && status == CLI_GO_ON; i++) {
        if (!is_over && strcmp(argv[i], "--") == 0)
            is_over = true;
        else if (!is_over && argv[i][0] == '-' && argv[i][1] != 0 && !is_digit(argv[i][1]))
            status = parse_option(command, argc, argv, &i, values);
        else
            argv[count++] = argv[i];
    }
    *operands = count;
    if (status != CLI_GO_ON)
        return status;
    if (count < command->operands_min)
        return cli_usage_error(command, "%s is missing", command->operands);
    if (count > command->operands_max)
        return cli_usage_error(command, "unexpected '%s'", argv[command->operands_max]);
    return CLI_GO_ON;
}
