/* submission.c - see submission.h */
#include "cli/submission.h"

#include "cli/slurm/options.h"
#include "cli/submission_values.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECOND_US INT64_C(1000000)

void dk_submission_init(struct dk_submission *submission, const struct dk_surroundings *around,
                        const char *program)
{
    struct dk_asked *asked = &submission->asked;

    memset(submission, 0, sizeof(*submission));
    dk_arena_init(&submission->arena, &dk_heap);
    submission->around = around;
    submission->program = program;
    submission->exit_status = 1;
    asked->nodes_min = asked->nodes_max = asked->tasks = asked->cpus_per_task = -1;
    asked->tasks_per_node = asked->gpus = asked->gpus_per_node = asked->gpus_per_task = -1;
    asked->cpus_per_gpu = asked->tasks_per_gpu = -1;
    asked->memory_per_node = asked->memory_per_cpu = asked->memory_per_gpu = -1;
}

void dk_submission_release(struct dk_submission *submission)
{
    dk_arena_release(&submission->arena);
}

char *dk_submission_copy(struct dk_submission *submission, const char *text, size_t size)
{
    char *copy = dk_arena_take(&submission->arena, size + 1);

    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

enum dk_status dk_submission_unsupported(struct dk_submission *submission, const char *name,
                                         const char *why, struct dk_err *err)
{
    submission->exit_status = 1;
    return dk_fail(err, DK_UNSUPPORTED, "--%s is not supported by docket: %s", name, why);
}

static struct dk_text text_of(const char *text)
{
    return text == NULL ? (struct dk_text){ NULL, 0 } : dk_text_of(text);
}

/* --- dependencies --- */

static bool dependency_kind(const char *text, size_t size, enum dk_dependency_kind *kind)
{
    static const struct {
        const char *name;
        enum dk_dependency_kind kind;
    } kinds[] = {
        { "after", DK_DEPENDENCY_KIND_AFTER },
        { "afterok", DK_DEPENDENCY_KIND_AFTER_OK },
        { "afternotok", DK_DEPENDENCY_KIND_AFTER_NOT_OK },
        { "afterany", DK_DEPENDENCY_KIND_AFTER_ANY },
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strlen(kinds[i].name) == size && strncasecmp(kinds[i].name, text, size) == 0)
            return *kind = kinds[i].kind, true;
    return false;
}

static enum dk_status dependency_problem(struct dk_submission *submission, const char *what,
                                         struct dk_err *err)
{
    (void)submission;
    return dk_fail(err, DK_INVALID,
                   "'%s' in --dependency is not KIND:JOB[:JOB...]\n"
                   "Batch job submission failed: Job dependency problem",
                   what);
}

static void add_dependency(struct dk_submission *submission, struct dk_job_spec *spec,
                           const struct dk_dependency *dependency, int32_t task)
{
    submission->dependencies[spec->dependencies_count] = *dependency;
    if (task >= 0)
        submission->task_dependencies[submission->task_dependencies_count++] =
            (struct dk_task_dependency){ spec->dependencies_count, task };
    spec->dependencies_count++;
}

/* Digits alone, of a number up to `most`; *end is behind them. */
static bool digits(const char *text, int64_t most, int64_t *value, char **end)
{
    if (*text < '0' || *text > '9')
        return false;
    *value = strtoll(text, end, 10);
    return *value <= most;
}

/* JOB[_TASK][+MINUTES][:...], after its kind. */
static enum dk_status dependency_jobs(struct dk_submission *submission, struct dk_job_spec *spec,
                                      enum dk_dependency_kind kind, const char *word,
                                      const char *text, struct dk_err *err)
{
    for (;;) {
        struct dk_dependency dependency = { .kind = kind };
        int64_t task = -1, minutes = 0;
        char *end;

        if (!digits(text, INT64_MAX - 1, &dependency.job, &end) || dependency.job == 0)
            return dependency_problem(submission, word, err);
        if (*end == '_' && !digits(end + 1, INT32_MAX, &task, &end))
            return dependency_problem(submission, word, err);
        if (*end == '+' && kind == DK_DEPENDENCY_KIND_AFTER &&
            !digits(end + 1, INT32_MAX, &minutes, &end))
            return dependency_problem(submission, word, err);
        dependency.delay_us = 60 * SECOND_US * minutes;
        if (spec->dependencies_count == 256)
            return dk_fail(err, DK_TOO_LARGE, "more than 256 dependencies");
        add_dependency(submission, spec, &dependency, (int32_t)task);
        if (*end == 0)
            return DK_OK;
        if (*end != ':')
            return dependency_problem(submission, word, err);
        text = end + 1;
    }
}

static enum dk_status dependency_word(struct dk_submission *submission, struct dk_job_spec *spec,
                                      const char *word, struct dk_err *err)
{
    const char *colon = strchr(word, ':');
    size_t size = colon == NULL ? strlen(word) : (size_t)(colon - word);
    enum dk_dependency_kind kind = DK_DEPENDENCY_KIND_AFTER_ANY;

    if (strcasecmp(word, "singleton") == 0) {
        struct dk_dependency dependency = { .kind = DK_DEPENDENCY_KIND_SINGLETON };

        if (spec->dependencies_count == 256)
            return dk_fail(err, DK_TOO_LARGE, "more than 256 dependencies");
        add_dependency(submission, spec, &dependency, -1);
        return DK_OK;
    }
    if (colon == NULL) /* a number alone */
        return dependency_jobs(submission, spec, kind, word, word, err);
    if (size == 9 && strncasecmp(word, "aftercorr", size) == 0)
        return dk_submission_unsupported(submission, "dependency=aftercorr",
                                         "afterok waits for the whole array", err);
    if (size == 6 && strncasecmp(word, "expand", size) == 0)
        return dk_submission_unsupported(submission, "dependency=expand",
                                         "a job keeps the size that it was submitted with", err);
    if (size == 16 && strncasecmp(word, "afterburstbuffer", size) == 0)
        return dk_submission_unsupported(submission, "dependency=afterburstbuffer",
                                         "it has no burst buffers", err);
    if (!dependency_kind(word, size, &kind))
        return dependency_problem(submission, word, err);
    return dependency_jobs(submission, spec, kind, word, colon + 1, err);
}

static enum dk_status dependencies(struct dk_submission *submission, struct dk_job_spec *spec,
                                   struct dk_err *err)
{
    const char *text = submission->asked.dependency;

    if (text == NULL || *text == 0)
        return DK_OK;
    submission->dependencies =
        dk_arena_take(&submission->arena, 256 * sizeof(*submission->dependencies));
    submission->task_dependencies =
        dk_arena_take(&submission->arena, 256 * sizeof(*submission->task_dependencies));
    spec->dependency_any = strchr(text, '?') != NULL;
    for (;;) {
        size_t size = strcspn(text, ",?");
        enum dk_status status =
            dependency_word(submission, spec, dk_submission_copy(submission, text, size), err);

        if (status != DK_OK)
            return status;
        if (text[size] == 0)
            break;
        text += size + 1;
    }
    spec->dependencies = submission->dependencies;
    return DK_OK;
}

/* --- putting it together --- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static char *absolute(struct dk_submission *submission, const char *path)
{
    const char *directory = submission->around->directory;
    size_t base = strlen(directory), size = strlen(path);
    char *out;

    if (path[0] == '/')
        return dk_submission_copy(submission, path, size);
    while (strncmp(path, "./", 2) == 0) {
        path += 2;
        size -= 2;
    }
    if (strcmp(path, ".") == 0 || *path == 0)
        return dk_submission_copy(submission, directory, base);
    out = dk_arena_take(&submission->arena, base + size + 2);
    memcpy(out, directory, base);
    out[base] = '/';
    memcpy(out + base + 1, path, size + 1);
    return out;
}

/* "none" is Slurm's word for /dev/null. */
static struct dk_text file_pattern(const char *pattern)
{
    return text_of(pattern != NULL && strcasecmp(pattern, "none") == 0 ? "/dev/null" : pattern);
}

static void fill_launch(struct dk_submission *submission, struct dk_job_launch *launch)
{
    const struct dk_asked *asked = &submission->asked;

    launch->std_in = file_pattern(asked->std_in);
    launch->std_out = file_pattern(asked->std_out);
    launch->std_err = file_pattern(asked->std_err);
    launch->append = asked->append;
    launch->umask = submission->around->umask;
    launch->signal = asked->signal;
    launch->signal_before_us = asked->signal_before_us;
    launch->signal_batch = asked->signal_batch;
    launch->tasks_asked = asked->tasks > 0 || asked->tasks_per_node > 0;
    launch->cpus_asked = asked->cpus_per_task > 0 || asked->cpus_per_gpu > 0;
    launch->mail_events = asked->mail_events;
    launch->mail_user = text_of(asked->mail_user);
    launch->submit_host = text_of(submission->around->host);
}

static enum dk_status fill_spec(struct dk_submission *submission, struct dk_err *err)
{
    const struct dk_asked *asked = &submission->asked;
    struct dk_job_spec *spec = &submission->request.submit_job.spec;
    enum dk_status status = dk_submission_size(submission, spec, err);

    if (status == DK_OK)
        status = dependencies(submission, spec, err);
    if (status != DK_OK)
        return status;
    if (asked->array != NULL) {
        spec->has_array = true;
        if (!dk_value_array(asked->array, &submission->arena, &spec->array))
            return dk_fail(err, DK_INVALID,
                           "'%s' in --array is not a list like 1,3,5-9:2%%4\n"
                           "Batch job submission failed: Invalid job array specification",
                           asked->array);
    }
    spec->partition = text_of(asked->partition);
    spec->account = text_of(asked->account);
    spec->comment = text_of(asked->comment);
    spec->constraint = text_of(asked->constraint);
    spec->limit_us = asked->limit_us;
    spec->begin = asked->begin_us;
    spec->nice = asked->nice;
    spec->hold = asked->hold;
    spec->requeue = !asked->no_requeue;
    spec->kill_on_invalid_dependency = asked->kill_on_invalid_dependency;
    spec->work_dir = text_of(asked->work_dir == NULL ? submission->around->directory
                                                     : absolute(submission, asked->work_dir));
    spec->has_launch = true;
    fill_launch(submission, &spec->launch);
    return dk_submission_environment(submission, &submission->request.submit_job.environment, err);
}

/* --- the script and its arguments --- */

static struct dk_bytes wrapped(struct dk_submission *submission, const char *command)
{
    static const char head[] = "#!/bin/sh\n# This script was created by sbatch --wrap.\n\n";
    size_t head_size = sizeof(head) - 1, size = strlen(command);
    char *text = dk_arena_take(&submission->arena, head_size + size + 1);

    memcpy(text, head, head_size);
    memcpy(text + head_size, command, size);
    text[head_size + size] = '\n';
    return (struct dk_bytes){ (const uint8_t *)text, (uint32_t)(head_size + size + 1) };
}

/* The command that people see is in the log for ever, so it is the script's name alone: arguments
 * can be erased. */
static enum dk_status fill_arguments(struct dk_submission *submission, int argc, char **argv,
                                     const char *script, struct dk_err *err)
{
    struct dk_job_launch *launch = &submission->request.submit_job.spec.launch;
    size_t size = 0, name_size = script == NULL ? 0 : strlen(script);
    char *text;

    for (int i = 0; i < argc; i++)
        size += strlen(argv[i]) + 1;
    if (size > 1048576)
        return dk_fail(err, DK_TOO_LARGE, "the script's arguments are larger than 1048576 bytes");
    text = dk_arena_take(&submission->arena, size + 1);
    submission->request.submit_job.arguments =
        (struct dk_bytes){ (const uint8_t *)text, (uint32_t)size };
    for (int i = 0; i < argc; i++) {
        size_t each = strlen(argv[i]);

        memcpy(text, argv[i], each + 1);
        text += each + 1;
    }
    if (name_size > 4096) {
        name_size = 4096;
        while (name_size > 0 && ((unsigned char)script[name_size - 1] & 0x80) != 0)
            name_size--; /* cut inside a character it would not be UTF-8 */
    }
    launch->command = (struct dk_text){ script, (uint32_t)name_size };
    return DK_OK;
}

/* The operands are a command: a script that runs its arguments. */
static enum dk_status take_command(struct dk_submission *submission, int argc, char **argv,
                                   struct dk_err *err)
{
    static const char script[] = "#!/bin/sh\nexec \"$@\"\n";
    struct dk_submit_job *submit = &submission->request.submit_job;

    if (argc == 0)
        return dk_fail(err, DK_INVALID, "a command to run is missing");
    submit->script = (struct dk_bytes){ (const uint8_t *)script, sizeof(script) - 1 };
    submit->spec.name = dk_text_of(base_name(argv[0]));
    return fill_arguments(submission, argc, argv, argv[0], err);
}

/* Reads the script, then sets its options: the lowest of the three sources. */
static enum dk_status take_script(struct dk_submission *submission, int argc, char **argv,
                                  struct dk_err *err)
{
    struct dk_submit_job *submit = &submission->request.submit_job;
    const char *command = NULL;
    enum dk_status status;

    if (submission->is_command && submission->asked.wrap == NULL)
        return take_command(submission, argc, argv, err);
    if (submission->asked.wrap != NULL) {
        if (argc > 0)
            return dk_fail(err, DK_INVALID, "Script arguments not permitted with --wrap option");
        submit->script = wrapped(submission, submission->asked.wrap);
        submit->spec.name = dk_text_of("wrap");
        return DK_OK;
    }
    status = dk_script_read(submission, argc > 0 ? argv[0] : NULL, &submit->script, &command, err);
    if (status == DK_OK)
        status = dk_script_check(submission, submit->script, err);
    if (status != DK_OK)
        return status;
    submit->spec.name = dk_text_of(command == NULL ? "sbatch" : base_name(command));
    submission->source = DK_SOURCE_SCRIPT;
    status = dk_script_options(submission, submit->script,
                               argc > 0 ? base_name(argv[0]) : "standard input", err);
    if (status == DK_OK)
        status = fill_arguments(submission, argc > 1 ? argc - 1 : 0, argv + 1, command, err);
    return status;
}

/* --- the command line --- */

static enum dk_status line_fault(struct dk_submission *submission,
                                 const struct slurm_options *options, struct dk_err *err)
{
    submission->is_usage = true;
    submission->exit_status = 255;
    return dk_fail(err, DK_INVALID, "%s", options->wrong);
}

/* With `is_first` only what decides how to go on is set: --wrap, --help. */
static enum dk_status take_line(struct dk_submission *submission, int argc, char **argv,
                                bool is_first, int *operands, struct dk_err *err)
{
    struct slurm_options options = { .table = dk_submission_options(submission),
                                     .argc = argc,
                                     .argv = argv,
                                     .is_stopping = true,
                                     .is_silent = true };
    enum dk_status status = DK_OK;
    int id;

    submission->source = DK_SOURCE_LINE;
    while (status == DK_OK && (id = slurm_options_next(&options)) != SLURM_OPTION_END) {
        if (id == SLURM_OPTION_BAD)
            return line_fault(submission, &options, err);
        if (!is_first || dk_submission_is_early(id))
            status = dk_submission_set(submission, id, options.value, err);
    }
    *operands = options.at;
    return status;
}

enum dk_status dk_submission_read(struct dk_submission *submission, int argc, char **argv,
                                  struct dk_err *err)
{
    int operands = argc;
    enum dk_status status = take_line(submission, argc, argv, true, &operands, err);
    struct dk_job_spec *spec = &submission->request.submit_job.spec;

    if (status != DK_OK || submission->wants_help || submission->wants_usage ||
        submission->wants_version)
        return status;
    submission->request.type = DK_REQUEST_SUBMIT_JOB;
    status = take_script(submission, argc - operands, argv + operands, err);
    if (status == DK_OK)
        status = dk_submission_set_by_environment(submission, err);
    if (status == DK_OK)
        status = take_line(submission, argc, argv, false, &operands, err);
    if (status == DK_OK)
        status = fill_spec(submission, err);
    if (status == DK_OK && submission->asked.job_name != NULL)
        spec->name = dk_text_of(submission->asked.job_name);
    return status;
}
