/* submission_options.c - the table of what may be said of a job, and what becomes of each option
 *
 * Every option of Slurm 22.05's sbatch has a row, and a row either sets something, or says why it
 * can change nothing on docket, or why docket refuses it. Help is printed from the same rows.
 */
#include "cli/command.h"
#include "cli/slurm/options.h"
#include "cli/slurm/times.h"
#include "cli/submission.h"
#include "cli/submission_values.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
/* "No limit" in the core: a hundred years. */
#define UNLIMITED_US (INT64_C(36525) * 86400 * SECOND_US)

enum group { JOB, SIZE, WHERE, WHEN, FILES, CLIENT, DOCKET, WITHOUT_EFFECT, REFUSED, GROUPS };

static const char *const group_titles[GROUPS] = {
    [JOB] = "The job",
    [SIZE] = "How much",
    [WHERE] = "Where",
    [WHEN] = "When",
    [FILES] = "Files and environment",
    [CLIENT] = "This command",
    [DOCKET] = "docket's own",
    [WITHOUT_EFFECT] = "Taken, and without effect on docket",
    [REFUSED] = "Refused: what docket has not",
};

struct row;
typedef enum dk_status setter(struct dk_submission *submission, const struct row *row,
                              const char *value, struct dk_err *err);

struct row {
    const char *name;
    char letter;
    enum slurm_argument argument;
    const char *label; /* what help calls the value */
    enum group group;
    setter *set;
    size_t offset; /* in struct dk_submission */
    const char *help;
    const char *variable; /* SBATCH_NAME that sets it, too */
    const char *accepts;  /* of set_only: values that change nothing, as "a|b" */
};

/* --- faults, in Slurm's words --- */

static enum dk_status invalid(struct dk_submission *submission, const struct row *row,
                              struct dk_err *err)
{
    submission->exit_status = 255;
    return dk_fail(err, DK_INVALID, "Invalid --%s specification", row->name);
}

static enum dk_status invalid_number(const struct row *row, const char *value, struct dk_err *err)
{
    return dk_fail(err, DK_INVALID, "Invalid numeric value \"%s\" for --%s.", value, row->name);
}

static enum dk_status invalid_gres(struct dk_err *err)
{
    return dk_fail(err, DK_INVALID, "Invalid generic resource (gres) specification");
}

/* --- setters --- */

static void *place_of(struct dk_submission *submission, const struct row *row)
{
    return (char *)submission + row->offset;
}

static enum dk_status set_text(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    (void)err;
    *(const char **)place_of(submission, row) = value;
    return DK_OK;
}

static enum dk_status set_flag(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    (void)value;
    (void)err;
    *(bool *)place_of(submission, row) = true;
    return DK_OK;
}

static enum dk_status clear_flag(struct dk_submission *submission, const struct row *row,
                                 const char *value, struct dk_err *err)
{
    (void)value;
    (void)err;
    *(bool *)place_of(submission, row) = false;
    return DK_OK;
}

static enum dk_status set_count(struct dk_submission *submission, const struct row *row,
                                const char *value, struct dk_err *err)
{
    int64_t number;

    if (!dk_value_number(value, 1, INT32_MAX, &number))
        return invalid_number(row, value, err);
    *(int32_t *)place_of(submission, row) = (int32_t)number;
    return DK_OK;
}

static enum dk_status set_nodes(struct dk_submission *submission, const struct row *row,
                                const char *value, struct dk_err *err)
{
    struct dk_asked *asked = &submission->asked;
    int32_t least, most;

    (void)row;
    submission->exit_status = 255;
    if (!dk_value_nodes(value, &least, &most) || least < 1)
        return dk_fail(err, DK_INVALID, "\"%s\" is not a valid node count", value);
    if (most >= 0 && most < least)
        return dk_fail(err, DK_INVALID, "Maximum node count %d is less than minimum node count %d",
                       most, least);
    submission->exit_status = 1;
    asked->nodes_min = least;
    asked->nodes_max = most;
    return DK_OK;
}

/* One of the three ways to ask for memory takes the place of what a lower source asked for. */
static enum dk_status set_memory(struct dk_submission *submission, const struct row *row,
                                 const char *value, struct dk_err *err)
{
    struct dk_asked *asked = &submission->asked;
    int64_t *memory = place_of(submission, row), mib;
    bool is_other = *memory < 0 && (asked->memory_per_node >= 0 || asked->memory_per_cpu >= 0 ||
                                    asked->memory_per_gpu >= 0);

    if (!dk_value_memory(value, &mib))
        return invalid(submission, row, err);
    if (is_other && submission->memory_source == submission->source)
        return dk_fail(err, DK_INVALID,
                       "--mem, --mem-per-cpu, and --mem-per-gpu are mutually exclusive.");
    asked->memory_per_node = asked->memory_per_cpu = asked->memory_per_gpu = -1;
    *memory = mib;
    submission->memory_source = submission->source;
    return DK_OK;
}

static enum dk_status set_gpus(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    const char *type;
    int32_t count;

    if (!dk_value_gpus(value, &submission->arena, &type, &count))
        return invalid_gres(err);
    *(int32_t *)place_of(submission, row) = count;
    submission->asked.gpu_type = type;
    return DK_OK;
}

/* gpu, gpu:2, gpu:a100:2, gpu:a100; none. */
static enum dk_status set_gres(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    const char *colon = strchr(value, ':'), *type = NULL;
    size_t size = strcspn(value, ":");
    int32_t count = 1;

    if (*value == 0 || strcasecmp(value, "none") == 0) {
        submission->asked.gpus_per_node = -1;
        return DK_OK;
    }
    if (strncmp(value, "gres/", 5) == 0 || strncmp(value, "gres:", 5) == 0)
        return set_gres(submission, row, value + 5, err);
    if (size != 3 || strncmp(value, "gpu", 3) != 0 || strchr(value, ',') != NULL)
        return dk_fail(err, DK_INVALID,
                       "'%s' in --gres is not gpu[:type]:count, all that docket gives out\n"
                       "Invalid generic resource (gres) specification",
                       value);
    if (colon != NULL && strchr(colon + 1, ':') == NULL && (colon[1] < '0' || colon[1] > '9'))
        type = colon + 1;
    else if (colon != NULL && !dk_value_gpus(colon + 1, &submission->arena, &type, &count))
        return invalid_gres(err);
    submission->asked.gpus_per_node = count;
    submission->asked.gpu_type = type;
    return DK_OK;
}

static enum dk_status set_exclusive(struct dk_submission *submission, const struct row *row,
                                    const char *value, struct dk_err *err)
{
    if (value != NULL && (strcasecmp(value, "user") == 0 || strcasecmp(value, "mcs") == 0))
        return dk_submission_unsupported(submission, "exclusive=user",
                                         "--exclusive alone gives whole nodes to one job", err);
    if (value != NULL && *value != 0 && strcasecmp(value, "exclusive") != 0)
        return invalid(submission, row, err);
    submission->asked.exclusive = true;
    return DK_OK;
}

static enum dk_status set_time(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    int64_t minutes;

    if (!slurm_minutes_parse(value, &minutes))
        return invalid(submission, row, err);
    submission->asked.limit_us = minutes == 0 || minutes > UNLIMITED_US / 60 / SECOND_US
                                     ? UNLIMITED_US
                                     : minutes * 60 * SECOND_US;
    return DK_OK;
}

static enum dk_status set_begin(struct dk_submission *submission, const struct row *row,
                                const char *value, struct dk_err *err)
{
    int64_t now = submission->around->now_us;
    size_t wrong_at = 0;

    if (!slurm_time_parse(value, now, &submission->asked.begin_us, &wrong_at)) {
        submission->exit_status = 255;
        return dk_fail(err, DK_INVALID,
                       "Invalid time specification (pos=%zu): %s\n"
                       "Invalid --%s specification",
                       wrong_at, value, row->name);
    }
    if (submission->asked.begin_us <= now)
        submission->asked.begin_us = 0;
    return DK_OK;
}

static enum dk_status set_signal(struct dk_submission *submission, const struct row *row,
                                 const char *value, struct dk_err *err)
{
    struct dk_asked *asked = &submission->asked;

    if (!dk_value_signal(value, &asked->signal, &asked->signal_before_us, &asked->signal_batch))
        return invalid(submission, row, err);
    return DK_OK;
}

static enum dk_status set_mail_type(struct dk_submission *submission, const struct row *row,
                                    const char *value, struct dk_err *err)
{
    const char *wrong = dk_value_mail(value, &submission->asked.mail_events);

    if (wrong == NULL)
        return DK_OK;
    if (strncasecmp(wrong, "INVALID_DEPEND", 14) == 0)
        return dk_submission_unsupported(submission, "mail-type=INVALID_DEPEND",
                                         "with --kill-on-invalid-dep=yes and END it tells", err);
    return invalid(submission, row, err);
}

static enum dk_status set_open_mode(struct dk_submission *submission, const struct row *row,
                                    const char *value, struct dk_err *err)
{
    char letter = *value;

    if (letter != 'a' && letter != 'A' && letter != 't' && letter != 'T')
        return invalid(submission, row, err);
    submission->asked.append = letter == 'a' || letter == 'A';
    return DK_OK;
}

static enum dk_status set_nice(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    int64_t number = 100;

    if (value != NULL && !dk_value_number(value, -2147483645, 2147483645, &number))
        return invalid(submission, row, err);
    if (number > 1000000 || number < -1000000)
        return dk_fail(err, DK_INVALID, "--nice is %s, not within -1000000 to 1000000", value);
    submission->asked.nice = (int32_t)number;
    return DK_OK;
}

static enum dk_status set_kill_on_invalid(struct dk_submission *submission, const struct row *row,
                                          const char *value, struct dk_err *err)
{
    if (strcasecmp(value, "yes") != 0 && strcasecmp(value, "no") != 0)
        return invalid(submission, row, err);
    submission->asked.kill_on_invalid_dependency = strcasecmp(value, "yes") == 0;
    return DK_OK;
}

static enum dk_status set_hint(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    (void)row;
    if (strcasecmp(value, "memory_bound") == 0)
        return dk_submission_unsupported(
            submission, "hint=memory_bound",
            "cores are not left empty; ask for more with --cpus-per-task", err);
    if (strcasecmp(value, "nomultithread") != 0 && strcasecmp(value, "multithread") != 0 &&
        strcasecmp(value, "compute_bound") != 0)
        return dk_fail(err, DK_INVALID, "unrecognized --hint argument \"%s\", see --hint=help",
                       value);
    submission->asked.hint = value;
    return DK_OK;
}

static enum dk_status set_distribution(struct dk_submission *submission, const struct row *row,
                                       const char *value, struct dk_err *err)
{
    static const char *const known[] = { "block", "cyclic", "plane", "arbitrary", "*" };
    size_t size = strcspn(value, ":=,");

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i]) == size && strncasecmp(known[i], value, size) == 0) {
            submission->asked.distribution = value;
            return DK_OK;
        }
    }
    return invalid(submission, row, err);
}

/* The file's names, as a list. */
static enum dk_status set_nodefile(struct dk_submission *submission, const struct row *row,
                                   const char *value, struct dk_err *err)
{
    FILE *file = fopen(value, "re");
    char *text;
    size_t size;

    (void)row;
    if (file == NULL)
        return dk_fail(err, DK_INVALID, "Invalid --nodefile node file: '%s' cannot be read", value);
    text = dk_arena_take(&submission->arena, 1 << 20);
    size = fread(text, 1, (1 << 20) - 1, file);
    text[size] = 0;
    (void)fclose(file);
    submission->asked.nodelist = text;
    return DK_OK;
}

/* A name with a slash in it is a file of names. */
static enum dk_status set_nodelist(struct dk_submission *submission, const struct row *row,
                                   const char *value, struct dk_err *err)
{
    if (strchr(value, '/') != NULL)
        return set_nodefile(submission, row, value, err);
    submission->asked.nodelist = value;
    return DK_OK;
}

static enum dk_status count_verbose(struct dk_submission *submission, const struct row *row,
                                    const char *value, struct dk_err *err)
{
    (void)row;
    (void)value;
    (void)err;
    submission->verbose++;
    return DK_OK;
}

static enum dk_status set_nothing(struct dk_submission *submission, const struct row *row,
                                  const char *value, struct dk_err *err)
{
    (void)submission;
    (void)row;
    (void)value;
    (void)err;
    return DK_OK;
}

static enum dk_status refuse(struct dk_submission *submission, const struct row *row,
                             const char *value, struct dk_err *err)
{
    (void)value;
    return dk_submission_unsupported(submission, row->name, row->help, err);
}

/* Some values say what docket does anyway; the others are refused. */
static enum dk_status set_only(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    const char *at = row->accepts;

    while (value != NULL) {
        size_t size = strcspn(at, "|");

        if (strlen(value) == size && strncasecmp(at, value, size) == 0)
            return DK_OK;
        if (at[size] == 0)
            break;
        at += size + 1;
    }
    return refuse(submission, row, value, err);
}

/* Only the one who asks, by name or number. */
static enum dk_status set_self(struct dk_submission *submission, const struct row *row,
                               const char *value, struct dk_err *err)
{
    int64_t id, own = row->accepts[0] == 'u' ? getuid() : getgid();

    if (dk_value_number(value, 0, UINT32_MAX, &id) && id == own)
        return DK_OK;
    return refuse(submission, row, value, err);
}

/* --- the table --- */

#define ASKED(field) offsetof(struct dk_submission, asked.field)
#define OWN(field) offsetof(struct dk_submission, field)
#define NONE SLURM_NO_ARGUMENT, ""
#define VALUE(label) SLURM_ARGUMENT, label
#define MAYBE(label) SLURM_ARGUMENT_MAYBE, label

/* In two steps, so that VALUE and the like are two arguments by then. */
#define ROW(...) ROW_OF(__VA_ARGS__)
#define ROW_OF(name, letter, argument, label, group, set, offset, help, variable, accepts)         \
    { name, letter, argument, label, group, set, offset, help, variable, accepts },

static const struct row rows[] = {
#include "cli/submission_refused.h"
#include "cli/submission_table.h"
};
#undef ROW_OF
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* Ids of options are places in the table, from 1. */
static struct slurm_option options_of_slurm[ROWS + 1], options_of_docket[ROWS + 1];

const struct slurm_option *dk_submission_options(const struct dk_submission *submission)
{
    struct slurm_option *options = submission->is_docket ? options_of_docket : options_of_slurm;
    size_t count = 0;

    if (options[0].name != NULL)
        return options;
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].group != DOCKET || submission->is_docket)
            options[count++] =
                (struct slurm_option){ rows[i].name, rows[i].letter, rows[i].argument, (int)i + 1 };
    return options;
}

enum dk_status dk_submission_set(struct dk_submission *submission, int option, const char *value,
                                 struct dk_err *err)
{
    const struct row *row = &rows[option - 1];

    return row->set(submission, row, value, err);
}

bool dk_submission_is_early(int option)
{
    size_t offset = rows[option - 1].offset;

    return offset == OWN(wants_help) || offset == OWN(wants_usage) ||
           offset == OWN(wants_version) || offset == ASKED(wrap);
}

enum dk_status dk_submission_set_by_environment(struct dk_submission *submission,
                                                struct dk_err *err)
{
    submission->source = DK_SOURCE_ENVIRONMENT;
    for (char **at = submission->around->environment; *at != NULL; at++) {
        size_t size;

        if (**at != 'S' || (strncmp(*at, "SBATCH_", 7) != 0 && strncmp(*at, "SLURM_", 6) != 0))
            continue;
        size = strcspn(*at, "=");
        for (size_t i = 0; i < ROWS; i++) {
            const char *variable = rows[i].variable;
            const char *value = *at + size + 1;
            enum dk_status status;

            if (variable == NULL || strlen(variable) != size || strncmp(variable, *at, size) != 0)
                continue;
            if (rows[i].argument == SLURM_ARGUMENT_MAYBE && *value == 0)
                value = NULL;
            status = rows[i].set(submission, &rows[i], value, err);
            if (status != DK_OK)
                return status;
        }
    }
    return DK_OK;
}

/* The same for completion and the manual, which know all commands by such tables. */
#define ROW_OF(name, letter, argument, label, group, set, offset, help, variable, accepts)           \
    {                                                                                                \
        "--" name, (argument) == SLURM_NO_ARGUMENT ? CLI_FLAG : CLI_TEXT, label, 0, NULL, 0, 0, help \
    },

const struct cli_option cli_submit_options[] = {
#include "cli/submission_table.h"
    { 0 },
};

/* --- help --- */

static void print_row(const struct row *row, FILE *file)
{
    char left[64];
    const char *equals = row->argument == SLURM_ARGUMENT         ? "="
                         : row->argument == SLURM_ARGUMENT_MAYBE ? "[="
                                                                 : "";

    (void)snprintf(left, sizeof(left), "  %c%c%c --%s%s%s%s", row->letter ? '-' : ' ',
                   row->letter ? row->letter : ' ', row->letter ? ',' : ' ', row->name, equals,
                   row->label, row->argument == SLURM_ARGUMENT_MAYBE ? "]" : "");
    if (strlen(left) > 30)
        (void)fprintf(file, "%s\n%-32s%s\n", left, "", row->help);
    else
        (void)fprintf(file, "%-32s%s\n", left, row->help);
}

void dk_submission_print_help(const struct dk_submission *submission, FILE *file)
{
    static const char about_script[] =
        "[SCRIPT [ARGUMENT]...]\n\n"
        "Submit a batch script: SCRIPT, what --wrap says, or the standard input.\n"
        "Options may stand in the script, too, on lines that begin with #SBATCH before\n"
        "its first command; the command line goes before SBATCH_* variables, and those\n"
        "before the script. Names may be shortened.\n";
    static const char about_command[] =
        "COMMAND [ARGUMENT]...\n\n"
        "Run a command as a job, show what it writes, and exit as it did. ^C cancels it.\n"
        "SBATCH_* variables count, and the command line goes before them. Names may be\n"
        "shortened.\n";

    (void)fprintf(file, "Usage: %s [OPTION]... %s", submission->program,
                  submission->is_command ? about_command : about_script);
    for (int group = 0; group < GROUPS; group++) {
        if (group == DOCKET && !submission->is_docket)
            continue;
        (void)fprintf(file, "\n%s:\n", group_titles[group]);
        for (size_t i = 0; i < ROWS; i++)
            if ((int)rows[i].group == group)
                print_row(&rows[i], file);
    }
}
