/* options.c - see options.h */
#include "cli/slurm/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int bad(struct slurm_options *options, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int bad(struct slurm_options *options, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(options->wrong, sizeof(options->wrong), format, args);
    va_end(args);
    if (!options->is_silent)
        (void)fprintf(stderr, "%s: %s\n", options->argv[0], options->wrong);
    return SLURM_OPTION_BAD;
}

/* --- long options --- */

static bool is_same(const struct slurm_option *a, const struct slurm_option *b)
{
    return a->id == b->id && a->argument == b->argument;
}

static int ambiguous(struct slurm_options *options, const char *name, size_t size)
{
    char all[192];
    size_t used = 0;

    all[0] = 0;
    for (const struct slurm_option *row = options->table; row->name != NULL; row++) {
        if (strncmp(row->name, name, size) != 0)
            continue;
        used += (size_t)snprintf(all + used, sizeof(all) - used, " '--%s'", row->name);
        if (used >= sizeof(all))
            break;
    }
    return bad(options, "option '--%.*s' is ambiguous; possibilities:%s", (int)size, name, all);
}

/* The row that `name` is or abbreviates. NULL: none, or several (*status has been said). */
static const struct slurm_option *find_long(struct slurm_options *options, const char *name,
                                            size_t size, int *status)
{
    const struct slurm_option *found = NULL;
    bool is_many = false;

    for (const struct slurm_option *row = options->table; row->name != NULL; row++) {
        if (size == 0 || strncmp(row->name, name, size) != 0)
            continue;
        if (row->name[size] == 0)
            return row;
        if (found == NULL)
            found = row;
        else if (!is_same(found, row))
            is_many = true;
    }
    if (is_many) {
        *status = ambiguous(options, name, size);
        return NULL;
    }
    if (found == NULL)
        *status = bad(options, "unrecognized option '--%.*s'", (int)size, name);
    return found;
}

static int next_long(struct slurm_options *options, const char *text)
{
    size_t size = strcspn(text, "=");
    int status = SLURM_OPTION_BAD;
    const struct slurm_option *row = find_long(options, text, size, &status);

    if (row == NULL)
        return status;
    if (text[size] == '=') {
        if (row->argument == SLURM_NO_ARGUMENT)
            return bad(options, "option '--%s' doesn't allow an argument", row->name);
        options->value = text + size + 1;
    } else if (row->argument == SLURM_ARGUMENT) {
        if (options->at >= options->argc)
            return bad(options, "option '--%s' requires an argument", row->name);
        options->value = options->argv[options->at++];
    }
    return row->id;
}

/* --- short options --- */

static int next_short(struct slurm_options *options)
{
    char letter = *options->cluster++;
    const struct slurm_option *row = options->table;

    while (row->name != NULL && row->letter != letter)
        row++;
    if (row->name == NULL) {
        if (*options->cluster == 0)
            options->cluster = NULL;
        return bad(options, "invalid option -- '%c'", letter);
    }
    if (row->argument != SLURM_NO_ARGUMENT && *options->cluster != 0) {
        options->value = options->cluster;
        options->cluster = NULL;
    } else if (row->argument == SLURM_ARGUMENT) {
        options->cluster = NULL;
        if (options->at >= options->argc)
            return bad(options, "option requires an argument -- '%c'", letter);
        options->value = options->argv[options->at++];
    }
    if (options->cluster != NULL && *options->cluster == 0)
        options->cluster = NULL;
    return row->id;
}

int slurm_options_next(struct slurm_options *options)
{
    const char *text;

    options->value = NULL;
    if (options->at == 0)
        options->at = 1;
    if (options->cluster != NULL)
        return next_short(options);
    if (options->at >= options->argc)
        return SLURM_OPTION_END;
    text = options->argv[options->at];
    if (!options->is_over && strcmp(text, "--") == 0) {
        options->is_over = true;
        options->at++;
        return slurm_options_next(options);
    }
    if (options->is_over || text[0] != '-' || text[1] == 0) {
        if (options->is_stopping)
            return SLURM_OPTION_END;
        options->at++;
        options->value = text;
        return SLURM_OPTION_OPERAND;
    }
    options->at++;
    if (text[1] == '-')
        return next_long(options, text + 2);
    options->cluster = text + 1;
    return next_short(options);
}
