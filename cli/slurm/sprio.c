/* sprio.c - why waiting jobs stand where they stand: the factors of their priorities
 *
 * /v1/priority gives the weighted factors, their weights and the factors themselves. What docket's
 * formula does not have (fair share, QOS, associations, TRES, a site's own) is zero; under a policy
 * that is no sum (first come, shortest first...) the priority alone says the order. */
#include "cli/slurm/format.h"
#include "cli/slurm/options.h"
#include "cli/slurm/slurm.h"
#include "cli/slurm/times.h"

#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column {
    COL_id,
    COL_user,
    COL_partition,
    COL_account,
    COL_priority,
    COL_age,
    COL_size,
    COL_partition_factor,
    COL_nice,
    COL_weight_age,
    COL_weight_size,
    COL_weight_partition,
    COL_age_raw,
    COL_size_raw,
    COL_partition_raw,
    COL_position,
    COLUMN_COUNT
};
static const char *const columns[64] = {
    "id",       "user",       "partition",     "account",
    "priority", "age",        "size",          "partition_factor",
    "nice",     "weight_age", "weight_size",   "weight_partition",
    "age_raw",  "size_raw",   "partition_raw", "position",
};

/* Rows, or with -w the weights alone. */
struct priority {
    struct slurm_view view;
    bool is_weights;
};

#define CELL(name)                                                                                 \
    static void name(const void *row, const struct slurm_field *field, struct dk_buf *out)
#define KEY(name) static int64_t name(const void *row, const struct slurm_field *field)

static const char *text(const void *row, int column)
{
    return slurm_column(&((const struct priority *)row)->view, column);
}

CELL(cell_id)
{
    const struct priority *priority = row;

    (void)dk_buf_add_text(out, priority->is_weights ? "Weights" : text(row, field->argument));
}

/* A text that only jobs have. */
CELL(cell_job)
{
    if (!((const struct priority *)row)->is_weights)
        (void)dk_buf_add_text(out, text(row, field->argument));
}

/* A weighted factor; with -w its weight, whose column is three behind. */
CELL(cell_weighted)
{
    const char *value = text(row, ((const struct priority *)row)->is_weights
                                      ? field->argument + (COL_weight_age - COL_age)
                                      : field->argument);

    (void)dk_buf_add_text(out, *value == '\0' ? "0" : value);
}

CELL(cell_factor)
{
    char number[32];

    if (((const struct priority *)row)->is_weights) {
        const char *weight = text(row, field->argument - (COL_age_raw - COL_weight_age));

        (void)dk_buf_add_text(out, *weight == '\0' ? "0" : weight);
        return;
    }
    (void)snprintf(number, sizeof(number), "%.7f", strtod(text(row, field->argument), NULL));
    (void)dk_buf_add_text(out, number);
}

CELL(cell_nothing_weighted)
{
    (void)row;
    (void)field;
    (void)dk_buf_add(out, "0", 1);
}

CELL(cell_nothing)
{
    (void)field;
    (void)dk_buf_add_text(out, ((const struct priority *)row)->is_weights ? "0" : "0.0000000");
}

CELL(cell_normalized)
{
    char number[32];

    (void)field;
    if (((const struct priority *)row)->is_weights)
        return;
    (void)snprintf(number, sizeof(number), "%16.14f",
                   strtod(text(row, COL_priority), NULL) / 4294967295.0);
    (void)dk_buf_add_text(out, number);
}

KEY(key_number)
{
    return slurm_column_number(&((const struct priority *)row)->view, field->argument, 0);
}

KEY(key_factor)
{
    return (int64_t)(strtod(text(row, field->argument), NULL) * 1e9);
}

KEY(key_text)
{
    return slurm_text_key(text(row, field->argument));
}

static const char *key_whole_text(const void *row, const struct slurm_field *field)
{
    return text(row, field->argument);
}

#define BIT(column) ((uint64_t)1 << COL_##column)
#define FIELD(letter, heading, cell, key, column)                                                  \
    {                                                                                              \
        NULL, heading, cell, key, NULL, BIT(column), NULL, COL_##column, letter, 0                 \
    }
#define ZERO(letter, heading, cell)                                                                \
    {                                                                                              \
        NULL, heading, cell, key_number, NULL, BIT(id), NULL, COL_id, letter, 0                    \
    }

static const struct slurm_field fields[] = {
    FIELD('a', "AGE", cell_factor, key_factor, age_raw),
    FIELD('A', "AGE", cell_weighted, key_number, age),
    ZERO('b', "ASSOC", cell_nothing),
    ZERO('B', "ASSOC", cell_nothing_weighted),
    { NULL, "CLUSTER", slurm_cell_constant, NULL, NULL, 0, "(null)", 0, 'c', 0 },
    ZERO('f', "FAIRSHARE", cell_nothing),
    ZERO('F', "FAIRSHARE", cell_nothing_weighted),
    FIELD('i', "JOBID", cell_id, key_number, id),
    FIELD('j', "JOBSIZE", cell_factor, key_factor, size_raw),
    FIELD('J', "JOBSIZE", cell_weighted, key_number, size),
    FIELD('N', "NICE", cell_job, key_number, nice),
    FIELD('p', "PARTITION", cell_factor, key_factor, partition_raw),
    FIELD('P', "PARTITION", cell_weighted, key_number, partition_factor),
    ZERO('q', "QOS", cell_nothing),
    ZERO('Q', "QOS", cell_nothing_weighted),
    { NULL, "PARTITION", cell_job, key_text, key_whole_text, BIT(partition), NULL, COL_partition,
      'r', 0 },
    ZERO('S', "SITE", cell_nothing_weighted),
    { NULL, "TRES", slurm_cell_constant, NULL, NULL, 0, "", 0, 't', 0 },
    { NULL, "TRES", slurm_cell_constant, NULL, NULL, 0, "", 0, 'T', 0 },
    { NULL, "USER", cell_job, key_text, key_whole_text, BIT(user), NULL, COL_user, 'u', 0 },
    FIELD('y', "PRIORITY", cell_normalized, key_number, priority),
    FIELD('Y', "PRIORITY", cell_job, key_number, priority),
};

enum option {
    OPT_CLUSTERS = 1,
    OPT_FORMAT,
    OPT_HELP,
    OPT_JOBS,
    OPT_LONG,
    OPT_NOHEADER,
    OPT_NORM,
    OPT_NOTHING,
    OPT_PARTITION,
    OPT_SORT,
    OPT_USAGE,
    OPT_USERS,
    OPT_VERBOSE,
    OPT_VERSION,
    OPT_WEIGHTS
};

static const struct slurm_option option_table[] = {
    { "cluster", 'M', SLURM_ARGUMENT, OPT_CLUSTERS },
    { "clusters", 0, SLURM_ARGUMENT, OPT_CLUSTERS },
    { "federation", 0, SLURM_NO_ARGUMENT, OPT_NOTHING }, /* a cluster stands alone */
    { "format", 'o', SLURM_ARGUMENT, OPT_FORMAT },
    { "help", 0, SLURM_NO_ARGUMENT, OPT_HELP },
    { "jobs", 'j', SLURM_ARGUMENT_MAYBE, OPT_JOBS },
    { "local", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "long", 'l', SLURM_NO_ARGUMENT, OPT_LONG },
    { "noheader", 'h', SLURM_NO_ARGUMENT, OPT_NOHEADER },
    { "norm", 'n', SLURM_NO_ARGUMENT, OPT_NORM },
    { "partition", 'p', SLURM_ARGUMENT, OPT_PARTITION },
    { "sibling", 0, SLURM_NO_ARGUMENT, OPT_NOTHING },
    { "sort", 'S', SLURM_ARGUMENT, OPT_SORT },
    { "usage", 0, SLURM_NO_ARGUMENT, OPT_USAGE },
    { "user", 'u', SLURM_ARGUMENT, OPT_USERS },
    { "users", 0, SLURM_ARGUMENT, OPT_USERS },
    { "verbose", 'v', SLURM_NO_ARGUMENT, OPT_VERBOSE },
    { "version", 'V', SLURM_NO_ARGUMENT, OPT_VERSION },
    { "weights", 'w', SLURM_NO_ARGUMENT, OPT_WEIGHTS },
    { NULL, 0, SLURM_NO_ARGUMENT, 0 },
};

static const char usage[] =
    "Usage: sprio [-j jid[s]] [-u user_name[s]] [-o format] [-p partitions]\n"
    "   [--federation] [--local] [--sibling] [--usage] [-hlnvVw]\n";

static const char help[] =
    "Usage: sprio [OPTIONS]\n"
    "      --federation, --local, --sibling   a docket cluster stands alone\n"
    "  -h, --noheader              no heading\n"
    "  -j, --jobs=ids              these jobs\n"
    "  -l, --long                  more columns\n"
    "  -M, --cluster=name          the cluster to ask\n"
    "  -n, --norm                  factors between 0 and 1\n"
    "  -o, --format=format         columns by letters: \"%.15i %9r %.10Y\"\n"
    "  -p, --partition=names       jobs in these partitions\n"
    "  -S, --sort=fields           by letters of -o; default i\n"
    "  -u, --user=users            jobs of these users, names or numbers\n"
    "  -v, --verbose               say what is asked\n"
    "  -V, --version               the version of Slurm whose face this is\n"
    "  -w, --weights               the weights alone\n"
    "\nHelp options:\n"
    "  --help                      show this help message\n"
    "  --usage                     a brief summary\n";

struct sprio {
    const char *format, *sort, *jobs, *users, *partitions, *clusters;
    bool is_headless, is_long, is_norm, is_weights, is_verbose;
    struct dk_session session;
    struct slurm_format columns;
    struct slurm_sort order;
};

static int take(struct sprio *sprio, int id, const char *value)
{
    switch (id) {
    case OPT_CLUSTERS:
        sprio->clusters = value;
        break;
    case OPT_FORMAT:
        sprio->format = value;
        break;
    case OPT_JOBS:
        sprio->jobs = value;
        break;
    case OPT_LONG:
        sprio->is_long = true;
        break;
    case OPT_NOHEADER:
        sprio->is_headless = true;
        break;
    case OPT_NORM:
        sprio->is_norm = true;
        break;
    case OPT_PARTITION:
        sprio->partitions = value;
        break;
    case OPT_SORT:
        sprio->sort = value;
        break;
    case OPT_USERS:
        sprio->users = value;
        break;
    case OPT_VERBOSE:
        sprio->is_verbose = true;
        break;
    case OPT_WEIGHTS:
        sprio->is_weights = true;
        break;
    case OPT_HELP:
        (void)fputs(help, stdout);
        return 0;
    case OPT_USAGE:
        (void)fputs(usage, stdout);
        return 0;
    case OPT_VERSION:
        return slurm_print_version();
    default:
        break;
    }
    return -1;
}

static int parse(struct sprio *sprio, int argc, char **argv)
{
    struct slurm_options options = { .table = option_table, .argc = argc, .argv = argv };
    bool is_waiting = false; /* -j takes the argument behind it, too */
    int id, status;

    while ((id = slurm_options_next(&options)) != SLURM_OPTION_END) {
        if (id == SLURM_OPTION_BAD) {
            (void)fprintf(stderr, "Try \"sprio --help\" for more information\n");
            return 1;
        }
        if (id == SLURM_OPTION_OPERAND) {
            if (!is_waiting) {
                (void)slurm_error("sprio", "Unrecognized option: %s", options.value);
                (void)fputs(usage, stdout);
                return 1;
            }
            id = OPT_JOBS;
        }
        status = take(sprio, id, options.value);
        if (status >= 0)
            return status;
        is_waiting = id == OPT_JOBS && options.value == NULL;
    }
    return -1;
}

/* Slurm's own: the user is a column when users are chosen. */
static const char *default_format(const struct sprio *sprio)
{
    bool has_user = sprio->users != NULL;

    if (sprio->is_norm && sprio->is_long)
        return "%.15i %9r %.8u %10y %10a %10b %10f %10j %10p %10q %20t";
    if (sprio->is_norm)
        return has_user ? "%.15i %9r %.8u %10y %10a %10f %10j %10p %10q "
                        : "%.15i %9r %10y %10a %10f %10j %10p %10q ";
    if (sprio->is_long)
        return "%.15i %9r %.8u %.10Y %.10S %.10A %.10B %.10F %.10J %.10P %.10Q %.11N %.20T";
    return has_user ? "%.15i %9r %.8u %.10Y %.10S %.10A %.10F %.10J %.10P %.10Q"
                    : "%.15i %9r %.10Y %.10S %.10A %.10F %.10J %.10P %.10Q";
}

static int add_jobs(const char *list, struct dk_question *question)
{
    const char *at = list;

    while (*at != '\0') {
        size_t size = strspn(at, "0123456789");

        if (size == 0 || (at[size] != ',' && at[size] != '\0'))
            return slurm_error("sprio", "Invalid job id: %s", at);
        at += size;
        if (*at == ',')
            at++;
    }
    if (*list != '\0')
        dk_question_add(question, "id", list);
    return -1;
}

static void warn_of_users(const char *list)
{
    while (*list != '\0') {
        size_t size = strcspn(list, ",");
        char name[256];

        (void)snprintf(name, sizeof(name), "%.*s", (int)size, list);
        if (size > 0 && !isdigit((unsigned char)*list) && getpwnam(name) == NULL)
            (void)slurm_error("sprio", "Invalid user: %s\n", name);
        list += size;
        if (*list == ',')
            list++;
    }
}

struct cursor {
    struct priority priority;
    uint32_t *chosen, count; /* rows that are shown */
};

static const void *row_at(void *context, uint32_t i)
{
    struct cursor *cursor = context;

    slurm_view_row(&cursor->priority.view, cursor->chosen[i]);
    return &cursor->priority;
}

/* Jobs that are held or wait for something else than their turn have no place in the order. */
static void choose(struct cursor *cursor)
{
    for (uint32_t i = 0; i < cursor->priority.view.rows->rows; i++) {
        cursor->chosen[cursor->count] = i;
        (void)row_at(cursor, cursor->count);
        if (cursor->priority.is_weights ||
            slurm_column_number(&cursor->priority.view, COL_position, 0) > 0)
            cursor->count++;
    }
}

static void write_rows(struct sprio *sprio, struct cursor *cursor)
{
    size_t bytes = (cursor->count + 1) * sizeof(uint32_t);
    uint32_t *order = dk_alloc_new(&dk_heap, bytes);
    struct slurm_output output;

    slurm_output_init(&output);
    if (!sprio->is_headless)
        slurm_write_heading(&sprio->columns, &output);
    if (sprio->is_weights) { /* every row has them */
        slurm_write_row(&sprio->columns, row_at(cursor, 0), &output);
    } else {
        slurm_sort_rows(&sprio->order, row_at, cursor, cursor->count, order);
        for (uint32_t i = 0; i < cursor->count && !output.failed; i++)
            slurm_write_row(&sprio->columns, row_at(cursor, order[i]), &output);
    }
    slurm_output_release(&output);
    dk_alloc_free(&dk_heap, order, bytes);
}

static int list(struct sprio *sprio, struct dk_question *question)
{
    struct cursor cursor = { .priority.is_weights = sprio->is_weights };
    struct dk_rows rows = { 0 };
    struct dk_buf names;
    struct dk_err err;
    int status = 0;

    dk_buf_init(&names, &dk_heap, 4096);
    slurm_columns_ask(&cursor.priority.view, columns, ((uint64_t)1 << COLUMN_COUNT) - 1, &names);
    cursor.priority.view.rows = &rows;
    if (dk_ask_rows(&sprio->session, question, (const char *)names.data, &rows, &err) != DK_OK) {
        status = slurm_error("sprio", "Couldn't get priority factors from controller: %s",
                             slurm_reason(&err));
    } else {
        cursor.chosen = dk_alloc_new(&dk_heap, (rows.rows + 1) * sizeof(uint32_t));
        choose(&cursor);
        if (cursor.count > 0)
            write_rows(sprio, &cursor);
        else
            (void)fputs(sprio->is_weights ? "No job waits, so no formula is at work\n"
                                          : "Unable to find jobs matching user/id(s) specified\n",
                        stdout);
        dk_alloc_free(&dk_heap, cursor.chosen, (rows.rows + 1) * sizeof(uint32_t));
    }
    dk_rows_release(&rows);
    dk_buf_release(&names);
    return status;
}

static int run(struct sprio *sprio, int argc, char **argv)
{
    struct dk_question question;
    struct dk_err err;
    int status = parse(sprio, argc, argv);

    if (status >= 0)
        return status;
    slurm_format_init(&sprio->columns, "sprio",
                      "sprio: error: Invalid job format specification: ", fields,
                      sizeof(fields) / sizeof(fields[0]));
    slurm_format_parse(&sprio->columns,
                       sprio->format != NULL ? sprio->format : default_format(sprio), false);
    if (!slurm_sort_parse(&sprio->order, &sprio->columns, sprio->sort != NULL ? sprio->sort : "i"))
        return 1;
    if (dk_session_open(&sprio->session, NULL, &err) != DK_OK)
        return slurm_error("sprio", "%s", slurm_reason(&err));
    if (sprio->clusters != NULL &&
        slurm_check_cluster(&sprio->session, sprio->clusters, &err) != DK_OK)
        return slurm_error("sprio", "%s", err.text);
    dk_question_init(&question, "/v1/priority");
    if (sprio->users != NULL && *sprio->users != '\0') {
        warn_of_users(sprio->users);
        dk_question_add(&question, "user", sprio->users);
    }
    if (sprio->partitions != NULL && *sprio->partitions != '\0')
        dk_question_add(&question, "partition", sprio->partitions);
    status = sprio->jobs == NULL ? -1 : add_jobs(sprio->jobs, &question);
    if (sprio->is_verbose)
        (void)fprintf(stderr, "sprio: asking %.*s\n", (int)question.target.size,
                      (const char *)question.target.data);
    if (status < 0)
        status = list(sprio, &question);
    dk_question_release(&question);
    return status;
}

int slurm_sprio(int argc, char **argv)
{
    struct sprio sprio = { .format = getenv("SPRIO_FORMAT"), .clusters = getenv("SLURM_CLUSTERS") };
    int status = run(&sprio, argc, argv);

    dk_session_close(&sprio.session);
    return status;
}
