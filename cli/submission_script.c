/* submission_script.c - the batch script: where it comes from, whether it is one, and its #SBATCH
 * lines
 *
 * As Slurm reads them: a line that begins with #SBATCH has options; they stop at the first line
 * that is neither empty nor a comment. In such a line '...' and "..." keep blanks together, and #
 * outside of them begins a comment, also in the middle of a word.
 */
#include "cli/slurm/options.h"
#include "cli/submission.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCRIPT_MAX = 4194304, ARGUMENTS_MAX = 256, PATH_SIZE = 4096 };

/* --- where it comes from --- */

static enum dk_status read_all(struct dk_submission *submission, int fd, const char *name,
                               struct dk_bytes *script, struct dk_err *err)
{
    struct stat about;
    size_t capacity = 65536, size = 0;
    uint8_t *data;

    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size < SCRIPT_MAX)
        capacity = (size_t)about.st_size + 1;
    data = dk_arena_take(&submission->arena, capacity);
    for (;;) {
        ssize_t got = read(fd, data + size, capacity - size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dk_fail(err, DK_IO, "'%s' cannot be read: %s", name, strerror(errno));
        if (got == 0)
            break;
        size += (size_t)got;
        if (size > SCRIPT_MAX)
            return dk_fail(err, DK_TOO_LARGE, "batch script '%s' is larger than %d bytes", name,
                           SCRIPT_MAX);
        if (size == capacity) {
            uint8_t *larger = dk_arena_take(&submission->arena, 2 * capacity);

            memcpy(larger, data, size);
            data = larger;
            capacity *= 2;
        }
    }
    script->data = data;
    script->size = (uint32_t)size;
    return DK_OK;
}

static const char *variable(const struct dk_submission *submission, const char *name)
{
    size_t size = strlen(name);

    for (char **at = submission->around->environment; *at != NULL; at++)
        if (strncmp(*at, name, size) == 0 && (*at)[size] == '=')
            return *at + size + 1;
    return NULL;
}

static char *joined(struct dk_submission *submission, const char *directory, size_t size,
                    const char *name)
{
    size_t name_size = strlen(name);
    char *path = dk_arena_take(&submission->arena, size + name_size + 2);

    memcpy(path, directory, size);
    path[size] = '/';
    memcpy(path + size + 1, name, name_size + 1);
    return path;
}

/* As given, from the working folder; a bare name that is not there is looked for in PATH. */
static int open_script(struct dk_submission *submission, const char *path, const char **found)
{
    const char *directory = submission->around->directory;
    const char *in = path[0] == '/' ? NULL : variable(submission, "PATH");
    int fd;

    *found = path[0] == '/' ? path : joined(submission, directory, strlen(directory), path);
    fd = open(*found, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 || strchr(path, '/') != NULL)
        return fd;
    while (in != NULL && *in != 0) {
        size_t size = strcspn(in, ":");

        *found = joined(submission, in, size, path);
        fd = open(*found, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
        in += size + (in[size] == ':');
    }
    return -1;
}

enum dk_status dk_script_read(struct dk_submission *submission, const char *path,
                              struct dk_bytes *script, const char **command, struct dk_err *err)
{
    struct stat about;
    enum dk_status status;
    int fd;

    if (path == NULL || strcmp(path, "-") == 0 || strcmp(path, "/dev/stdin") == 0) {
        *command = NULL;
        return read_all(submission, submission->around->stdin_fd, "standard input", script, err);
    }
    fd = open_script(submission, path, command);
    if (fd < 0)
        return dk_fail(err, DK_INVALID, "Unable to open file %s", path);
    if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode))
        status = dk_fail(err, DK_INVALID, "Unable to open file %s: it is a directory", path);
    else
        status = read_all(submission, fd, path, script, err);
    (void)close(fd);
    return status;
}

/* --- whether it is one --- */

static bool is_blank(struct dk_bytes script)
{
    for (uint32_t i = 0; i < script.size; i++)
        if (strchr(" \t\r\n\v\f", script.data[i]) == NULL || script.data[i] == 0)
            return false;
    return true;
}

static bool has_dos_lines(struct dk_bytes script)
{
    for (uint32_t i = 1; i < script.size; i++)
        if (script.data[i] == '\n' && script.data[i - 1] == '\r')
            return true;
    return false;
}

enum dk_status dk_script_check(struct dk_submission *submission, struct dk_bytes script,
                               struct dk_err *err)
{
    (void)submission;
    if (script.size == 0)
        return dk_fail(err, DK_INVALID, "Batch script is empty!");
    if (is_blank(script))
        return dk_fail(err, DK_INVALID, "Batch script contains only whitespace!");
    if (script.size < 2 || script.data[0] != '#' || script.data[1] != '!')
        return dk_fail(err, DK_INVALID,
                       "This does not look like a batch script.  The first\n"
                       "line must start with #! followed by the path to an interpreter.\n"
                       "For instance: #!/bin/sh");
    if (memchr(script.data, 0, script.size) != NULL)
        return dk_fail(err, DK_INVALID,
                       "Batch script contains a NUL character, which no shell reads");
    if (has_dos_lines(script))
        return dk_fail(err, DK_INVALID,
                       "Batch script contains DOS line breaks (\\r\\n)\n"
                       "instead of expected UNIX line breaks (\\n).");
    return DK_OK;
}

/* --- its options --- */

struct line {
    struct dk_submission *submission;
    const char *name; /* of the script */
    int number;
    const char *at, *end;
};

/* The next word of the line, quotes taken away; NULL: there is none. *status says whether that is
 * because of a quote that is never closed. */
static char *next_word(struct line *line, enum dk_status *status, struct dk_err *err)
{
    const char *begin;
    size_t used = 0;
    char quote = 0;
    char *word;

    while (line->at < line->end && (*line->at == ' ' || *line->at == '\t'))
        line->at++;
    if (line->at == line->end || *line->at == '#')
        return NULL;
    begin = line->at;
    word = dk_arena_take(&line->submission->arena, (size_t)(line->end - line->at) + 1);
    for (; line->at < line->end; line->at++) {
        char c = *line->at;

        if (quote != 0 ? c == quote : c == '"' || c == '\'')
            quote = quote != 0 ? 0 : c;
        else if (quote == 0 && (c == ' ' || c == '\t' || c == '#'))
            break;
        else
            word[used++] = c;
    }
    if (quote != 0) {
        *status = dk_fail(err, DK_INVALID, "%s: line %d: Unmatched `%c` in [%.*s]", line->name,
                          line->number, quote, (int)(line->end - begin), begin);
        return NULL;
    }
    word[used] = 0;
    return word;
}

static enum dk_status read_line(struct line *line, struct dk_err *err)
{
    struct dk_submission *submission = line->submission;
    char **argv = dk_arena_take(&submission->arena, (ARGUMENTS_MAX + 1) * sizeof(char *));
    struct slurm_options options = { .table = dk_submission_options(submission),
                                     .argv = argv,
                                     .is_silent = true };
    enum dk_status status = DK_OK;
    int id;

    memcpy(&argv[0], &(char *){ (char *)submission->program }, sizeof(char *));
    for (options.argc = 1; options.argc < ARGUMENTS_MAX; options.argc++) {
        argv[options.argc] = next_word(line, &status, err);
        if (argv[options.argc] == NULL)
            break;
    }
    while (status == DK_OK && (id = slurm_options_next(&options)) != SLURM_OPTION_END) {
        if (id == SLURM_OPTION_BAD) {
            submission->is_usage = true;
            submission->exit_status = 255;
            return dk_fail(err, DK_INVALID, "%s", options.wrong);
        }
        if (id == SLURM_OPTION_OPERAND && strcmp(options.value, "hetjob") == 0)
            return dk_submission_unsupported(
                submission, "hetjob", "submit its parts as jobs that depend on each other", err);
        if (id == SLURM_OPTION_OPERAND) {
            submission->exit_status = 255;
            return dk_fail(err, DK_INVALID, "Invalid directive found in batch script: %s",
                           options.value);
        }
        status = dk_submission_set(submission, id, options.value, err);
    }
    return status;
}

enum dk_status dk_script_options(struct dk_submission *submission, struct dk_bytes script,
                                 const char *name, struct dk_err *err)
{
    static const char mark[] = "#SBATCH";
    const char *at = (const char *)script.data, *end = at + script.size;
    struct line line = { .submission = submission, .name = name };
    enum dk_status status = DK_OK;

    while (at < end && status == DK_OK) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        line.end = newline == NULL ? end : newline;
        line.at = at;
        line.number++;
        at = newline == NULL ? end : newline + 1;
        if ((size_t)(line.end - line.at) >= sizeof(mark) - 1 &&
            memcmp(line.at, mark, sizeof(mark) - 1) == 0) {
            line.at += sizeof(mark) - 1;
            status = read_line(&line, err);
            continue;
        }
        while (line.at < line.end && (*line.at == ' ' || *line.at == '\t'))
            line.at++;
        if (line.at < line.end && *line.at != '#')
            break;
    }
    return status;
}
