/* submission_environment.c - which variables a job gets from where it was submitted
 *
 *     --export=ALL          all of them (the default)
 *     --export=NONE         none but SLURM_*
 *     --export=A,B=x        these and SLURM_*
 *     --export=ALL,B=x      all of them, and B
 *     --export-file=FILE    these, each ended by a NUL, instead
 *
 * What describes the job itself (SLURM_JOB_ID ...) is set where it runs. Of a submission from
 * inside another job such variables are left behind: they would describe that one. Slurm takes them
 * along where the new job has no such value of its own, and SLURM_CPUS_PER_TASK of the outer
 * job is then believed by programs of the inner one.
 */
#include "base/buf.h"
#include "cli/submission.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = 1048576 };

/* Begin like this, or are this ("=" at the end). */
static const char *const of_a_job[] = {
    "SLURM_ARRAY_",    "SLURM_CLUSTER_NAME=",    "SLURM_CPUS_ON_NODE=", "SLURM_CPUS_PER_",
    "SLURM_GPUS",      "SLURM_GTIDS=",           "SLURM_JOB",           "SLURM_LAUNCH_NODE_",
    "SLURM_LOCALID=",  "SLURM_MEM_PER_",         "SLURM_NNODES=",       "SLURM_NODEID=",
    "SLURM_NODELIST=", "SLURM_NODE_ALIASES=",    "SLURM_NPROCS=",       "SLURM_NTASKS",
    "SLURM_PROCID=",   "SLURM_RESTART_COUNT=",   "SLURM_SRUN_COMM_",    "SLURM_STEP",
    "SLURM_SUBMIT_",   "SLURM_TASKS_PER_NODE=",  "SLURM_TASK_PID=",     "SLURM_TOPOLOGY_",
    "SLURM_UMASK=",    "SLURM_WORKING_CLUSTER=", "SLURMD_NODENAME=",
};

static bool is_of_a_job(const char *entry)
{
    if (strncmp(entry, "SLURM", 5) != 0)
        return false;
    for (size_t i = 0; i < sizeof(of_a_job) / sizeof(of_a_job[0]); i++)
        if (strncmp(entry, of_a_job[i], strlen(of_a_job[i])) == 0)
            return true;
    return false;
}

struct environment {
    struct dk_submission *submission;
    struct dk_buf out;
    bool is_full;
};

/* Where NAME=... stands in what there is already; NULL: nowhere. */
static char *find_entry(const struct environment *to, const char *entry, size_t name_size)
{
    char *at = (char *)to->out.data, *end = at + to->out.size;

    for (; at < end; at += strlen(at) + 1)
        if (strncmp(at, entry, name_size) == 0 && at[name_size] == '=')
            return at;
    return NULL;
}

static void put_raw(struct environment *to, const char *entry, size_t size)
{
    if (!dk_buf_add(&to->out, entry, size) || !dk_buf_add(&to->out, "", 1))
        to->is_full = true;
}

/* `size` characters of NAME=value, in place of an earlier one. */
static void put(struct environment *to, const char *entry, size_t size)
{
    const char *equals = memchr(entry, '=', size);
    char *old = equals == NULL ? NULL : find_entry(to, entry, (size_t)(equals - entry));

    if (old != NULL) {
        size_t old_size = strlen(old) + 1;
        char *end = (char *)to->out.data + to->out.size;

        memmove(old, old + old_size, (size_t)(end - old) - old_size);
        to->out.size -= old_size;
    }
    put_raw(to, entry, size);
}

static void put_pair(struct environment *to, const char *name, const char *value)
{
    size_t name_size = strlen(name), size = strlen(value);
    char *entry;

    entry = dk_arena_take(&to->submission->arena, name_size + size + 2);
    memcpy(entry, name, name_size);
    entry[name_size] = '=';
    memcpy(entry + name_size + 1, value, size + 1);
    put(to, entry, name_size + 1 + size);
}

static void put_number(struct environment *to, const char *name, int64_t value)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%lld", (long long)value);
    put_pair(to, name, digits);
}

static const char *look_up(const struct dk_submission *submission, const char *name, size_t size)
{
    for (char **at = submission->around->environment; *at != NULL; at++)
        if (strncmp(*at, name, size) == 0 && (*at)[size] == '=')
            return *at;
    return NULL;
}

/* --- where they come from --- */

static void put_all(struct environment *to)
{
    for (char **at = to->submission->around->environment; *at != NULL; at++)
        if (!is_of_a_job(*at))
            put_raw(to, *at, strlen(*at));
}

/* Without ALL a job begins as a login does, as far as that is known here; and SLURM_* always go
 * along, for they steer the programs of the job. */
static void put_little(struct environment *to)
{
    static const char *const login[] = { "HOME", "LOGNAME", "SHELL", "USER" };

    for (size_t i = 0; i < sizeof(login) / sizeof(login[0]); i++) {
        const char *entry = look_up(to->submission, login[i], strlen(login[i]));

        if (entry != NULL)
            put_raw(to, entry, strlen(entry));
    }
    put_pair(to, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    for (char **at = to->submission->around->environment; *at != NULL; at++)
        if (strncmp(*at, "SLURM_", 6) == 0 && !is_of_a_job(*at))
            put_raw(to, *at, strlen(*at));
}

/* One word of --export, `size` characters: NAME or NAME=value, quotes taken away. */
static void put_word(struct environment *to, const char *word, size_t size)
{
    char *copy = dk_arena_take(&to->submission->arena, size + 1);
    const char *entry;
    size_t used = 0;

    for (size_t i = 0; i < size; i++)
        if (word[i] != '\'' && word[i] != '"')
            copy[used++] = word[i];
    copy[used] = 0;
    if (strchr(copy, '=') != NULL) {
        put(to, copy, used);
        return;
    }
    entry = look_up(to->submission, copy, used);
    if (used > 0 && entry != NULL)
        put(to, entry, strlen(entry));
}

/* The size of the first word of a list, whose commas inside quotes are not its. */
static size_t word_size(const char *list)
{
    char quote = 0;
    size_t size = 0;

    for (; list[size] != 0 && (quote != 0 || list[size] != ','); size++) {
        if (quote != 0 ? list[size] == quote : list[size] == '\'' || list[size] == '"')
            quote = quote != 0 ? 0 : list[size];
    }
    return size;
}

static bool has_word(const char *list, const char *word)
{
    for (;; list++) {
        size_t size = word_size(list);

        if (size == strlen(word) && strncasecmp(list, word, size) == 0)
            return true;
        list += size;
        if (*list == 0)
            return false;
    }
}

static void put_names(struct environment *to, const char *names)
{
    if (has_word(names, "ALL"))
        put_all(to);
    else
        put_little(to);
    for (;; names++) {
        size_t size = word_size(names);
        bool is_keyword = (size == 3 && strncasecmp(names, "ALL", 3) == 0) ||
                          (size == 4 && strncasecmp(names, "NONE", 4) == 0) ||
                          (size == 3 && strncasecmp(names, "NIL", 3) == 0);

        if (size > 0 && !is_keyword)
            put_word(to, names, size);
        names += size;
        if (*names == 0)
            return;
    }
}

static enum dk_status put_file(struct environment *to, const char *path, struct dk_err *err)
{
    char *end;
    long number = strtol(path, &end, 10);
    bool is_descriptor = *path != 0 && *end == 0 && number > 2 && number < 1 << 20;
    int fd = is_descriptor ? (int)number : open(path, O_RDONLY | O_CLOEXEC);
    struct dk_buf file;
    ssize_t got = 0;

    if (fd < 0)
        return dk_fail(err, DK_INVALID, "Could not open user environment file %s", path);
    dk_buf_init(&file, &dk_heap, ENVIRONMENT_MAX);
    for (;;) {
        uint8_t *room = dk_buf_room(&file, 4096);

        got = room == NULL ? -1 : read(fd, room, 4096);
        if (got <= 0)
            break;
        file.size += (size_t)got;
    }
    for (size_t at = 0; at < file.size && got == 0;) {
        size_t size = strnlen((char *)file.data + at, file.size - at);

        if (memchr(file.data + at, '=', size) != NULL)
            put(to, (char *)file.data + at, size);
        at += size + 1;
    }
    if (!is_descriptor)
        (void)close(fd);
    dk_buf_release(&file);
    return got == 0 ? DK_OK
                    : dk_fail(err, DK_INVALID, "Could not read user environment file %s", path);
}

/* What was asked for and can't be seen in what the job gets: programs look for it here. */
static void put_asked(struct environment *to)
{
    const struct dk_asked *asked = &to->submission->asked;

    if (asked->distribution != NULL)
        put_pair(to, "SLURM_DISTRIBUTION", asked->distribution);
    if (asked->hint != NULL)
        put_pair(to, "SLURM_HINT", asked->hint);
    if (asked->gpus > 0)
        put_number(to, "SLURM_GPUS", asked->gpus);
    if (asked->gpus_per_node > 0)
        put_number(to, "SLURM_GPUS_PER_NODE", asked->gpus_per_node);
    if (asked->gpus_per_task > 0)
        put_number(to, "SLURM_GPUS_PER_TASK", asked->gpus_per_task);
    if (asked->export_names != NULL && strcasecmp(asked->export_names, "ALL") != 0)
        put_pair(to, "SLURM_EXPORT_ENV", asked->export_names);
}

enum dk_status dk_submission_environment(struct dk_submission *submission, struct dk_bytes *out,
                                         struct dk_err *err)
{
    const struct dk_asked *asked = &submission->asked;
    struct environment to = { .submission = submission };
    enum dk_status status = DK_OK;
    uint8_t *copy;

    dk_buf_init(&to.out, &dk_heap, ENVIRONMENT_MAX);
    if (asked->export_file != NULL)
        status = put_file(&to, asked->export_file, err);
    else if (asked->export_names == NULL)
        put_all(&to);
    else
        put_names(&to, asked->export_names);
    put_asked(&to);
    if (status == DK_OK && to.is_full)
        status = dk_fail(err, DK_TOO_LARGE,
                         "the environment is larger than %d bytes: --export=NONE or --export=NAMES "
                         "takes less of it",
                         ENVIRONMENT_MAX);
    if (status == DK_OK) {
        copy = dk_arena_take(&submission->arena, to.out.size + 1);
        if (to.out.size > 0)
            memcpy(copy, to.out.data, to.out.size);
        out->data = copy;
        out->size = (uint32_t)to.out.size;
    }
    dk_buf_release(&to.out);
    return status;
}
