/* children.c - the daemons that a supervisor keeps alive (children.h) */
#define _GNU_SOURCE
#include "cli/children.h"

#include "base/check.h"
#include "cli/command.h"
#include "net/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define YOUNG_US INT64_C(10000000)
#define RESTART_US_MIN INT64_C(100000)
#define RESTART_US_MAX INT64_C(10000000)

enum { LOG_SIZE_MAX = 16 << 20, LEFT_OVER_WAIT_MS = 10000, STEP_MS = 5, PATH_SIZE = 4300 };

int64_t children_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void children_init(struct children *children, uint32_t capacity, const char *list_path,
                   const char *logs_dir)
{
    *children = (struct children){ .list_path = list_path, .logs_dir = logs_dir };
    children->items = calloc(capacity, sizeof(*children->items));
    DK_CHECK(children->items != NULL);
}

void children_release(struct children *children)
{
    for (uint32_t i = 0; i < children->count; i++) {
        for (int word = 0; word < CHILD_WORDS_MAX; word++)
            free(children->items[i].words[word]);
    }
    free(children->items);
    children->items = NULL;
    children->count = 0;
}

struct child *children_add(struct children *children, const char *name, const char *program)
{
    struct child *child = &children->items[children->count++];

    (void)snprintf(child->name, sizeof(child->name), "%s", name);
    child->program = program;
    return child;
}

void child_word(struct child *child, const char *format, ...)
{
    va_list args;
    int at = 0;

    while (child->words[at] != NULL)
        at++;
    DK_CHECK(at < CHILD_WORDS_MAX - 1);
    va_start(args, format);
    DK_CHECK(vasprintf(&child->words[at], format, args) >= 0);
    va_end(args);
}

/* --- the list's file: "PID START NAME" a line --- */

/* When the process was started, in ticks since boot; 0: there is none. */
static unsigned long long start_time(pid_t pid)
{
    char path[64], text[1024];
    unsigned long long start = 0;
    const char *at;
    FILE *file;
    size_t size;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    at = strrchr(text, ')'); /* the name before it may hold anything */
    if (at == NULL || at[1] == '\0' || at[2] == 'Z')
        return 0;
    at += 2;
    for (int field = 3; field < 22 && at != NULL; field++)
        at = strchr(at + 1, ' ');
    if (at != NULL)
        start = strtoull(at, NULL, 10);
    return start;
}

static void write_list(const struct children *children)
{
    char path[PATH_SIZE];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s.new", children->list_path);
    file = fopen(path, "we");
    if (file == NULL)
        return; /* a full disk: the list is a help, nothing depends on it */
    for (uint32_t i = 0; i < children->count; i++) {
        const struct child *child = &children->items[i];

        if (child->pid > 0)
            (void)fprintf(file, "%d %llu %s\n", (int)child->pid, start_time(child->pid),
                          child->name);
    }
    if (fclose(file) == 0)
        (void)rename(path, children->list_path);
}

static void nap(void)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = STEP_MS * 1000000 }, NULL);
}

void children_end_left_over(const char *list_path)
{
    char line[CHILD_NAME_SIZE + 64], *name;
    FILE *file = fopen(list_path, "re");

    if (file == NULL)
        return;
    while (fgets(line, sizeof(line), file) != NULL) {
        pid_t pid = (pid_t)strtol(line, &name, 10);
        unsigned long long start = strtoull(name, &name, 10);

        if (pid <= 1 || start == 0 || start_time(pid) != start)
            continue;
        name += strspn(name, " ");
        name[strcspn(name, "\n")] = '\0';
        dk_journal(DK_JOURNAL_INFO, "%s (process %d) is left from before: ended", name, pid);
        (void)kill(pid, SIGTERM);
        for (int waited = 0; start_time(pid) == start && waited < LEFT_OVER_WAIT_MS;
             waited += STEP_MS)
            nap();
        if (start_time(pid) == start)
            (void)kill(pid, SIGKILL);
    }
    (void)fclose(file);
    (void)unlink(list_path);
}

/* --- starting --- */

/* Where a child's words to people go; -1: where ours go. A file that has grown large is set aside.
 */
static int open_log(const struct children *children, const struct child *child)
{
    char path[PATH_SIZE], old[PATH_SIZE + 8], name[CHILD_NAME_SIZE];
    struct stat about;

    if (children->logs_dir == NULL)
        return -1;
    (void)snprintf(name, sizeof(name), "%s", child->name);
    for (char *at = name; *at != '\0'; at++) {
        if (*at == ' ' || *at == '/')
            *at = '-';
    }
    (void)snprintf(path, sizeof(path), "%s/%s.log", children->logs_dir, name);
    (void)snprintf(old, sizeof(old), "%s.old", path);
    if (stat(path, &about) == 0 && about.st_size > LOG_SIZE_MAX)
        (void)rename(path, old);
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static _Noreturn void become(const struct child *child, int log_fd)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY);

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setsid(); /* a terminal's interrupt is for the supervisor, who ends them in order */
    if (null >= 0)
        (void)dup2(null, STDIN_FILENO);
    if (log_fd >= 0) {
        (void)dup2(log_fd, STDOUT_FILENO);
        (void)dup2(log_fd, STDERR_FILENO);
    }
    (void)execv(child->program, child->words);
    dk_journal(DK_JOURNAL_ERROR, "'%s' can't be run: %s", child->program, strerror(errno));
    _exit(CLI_EXIT_USAGE);
}

enum dk_status child_start(struct children *children, struct child *child, struct dk_err *err)
{
    int log_fd = open_log(children, child);
    pid_t pid = fork();

    if (pid == 0)
        become(child, log_fd);
    if (log_fd >= 0)
        (void)close(log_fd);
    child->due_us = 0;
    if (pid < 0) {
        child->due_us = children_now_us() + RESTART_US_MAX;
        return dk_fail(err, DK_IO, "%s can't be started: %s", child->name, strerror(errno));
    }
    child->pid = pid;
    child->started_us = children_now_us();
    write_list(children);
    return DK_OK;
}

/* --- ends --- */

static void how(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        (void)snprintf(out, size, "was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(out, size, "ended with status %d", WEXITSTATUS(status));
}

static void ended(struct children *children, struct child *child, int status)
{
    int64_t now = children_now_us(), wait = RESTART_US_MIN;
    char text[128];

    child->pid = 0;
    if (children->stopping)
        return;
    how(status, text, sizeof(text));
    if (WIFEXITED(status) &&
        (WEXITSTATUS(status) == CLI_EXIT_USAGE || WEXITSTATUS(status) == CLI_EXIT_UNTRUSTED)) {
        child->given_up = true;
        dk_journal(DK_JOURNAL_ERROR, "%s %s: starting it again would not help", child->name, text);
        return;
    }
    child->deaths = now - child->started_us < YOUNG_US ? child->deaths + 1 : 0;
    for (uint32_t i = 1; i < child->deaths && wait < RESTART_US_MAX; i++)
        wait *= 2;
    if (wait > RESTART_US_MAX)
        wait = RESTART_US_MAX;
    child->due_us = now + wait;
    dk_journal(DK_JOURNAL_WARNING, "%s %s: started again in %lld.%lld s", child->name, text,
               (long long)(wait / 1000000), (long long)(wait % 1000000 / 100000));
}

void children_reap(struct children *children)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (uint32_t i = 0; i < children->count; i++) {
            if (children->items[i].pid == pid)
                ended(children, &children->items[i], status);
        }
    }
    write_list(children);
}

int children_start_due(struct children *children)
{
    int64_t now = children_now_us(), next = INT64_MAX;

    for (uint32_t i = 0; i < children->count && !children->stopping; i++) {
        struct child *child = &children->items[i];
        struct dk_err err;

        if (child->pid == 0 && child->due_us != 0 && child->due_us <= now &&
            child_start(children, child, &err) != DK_OK)
            dk_journal(DK_JOURNAL_ERROR, "%s", err.text);
        if (child->due_us != 0 && child->due_us < next)
            next = child->due_us;
    }
    if (next == INT64_MAX)
        return -1;
    return next <= now ? 0 : (int)((next - now + 999) / 1000);
}

/* Sends the signal; how many of them run. */
static uint32_t tell(struct children *children, const char *prefix, int signal)
{
    uint32_t running = 0;

    for (uint32_t i = 0; i < children->count; i++) {
        struct child *child = &children->items[i];

        if (child->pid <= 0 || strncmp(child->name, prefix, strlen(prefix)) != 0)
            continue;
        running++;
        if (signal != 0)
            (void)kill(child->pid, signal);
    }
    return running;
}

void children_end(struct children *children, const char *prefix, int signal, int timeout_ms)
{
    int64_t until = children_now_us() + (int64_t)timeout_ms * 1000;

    DK_CHECK(children->stopping);
    (void)tell(children, prefix, signal);
    while (tell(children, prefix, 0) > 0 && children_now_us() < until) {
        nap();
        children_reap(children);
    }
    if (tell(children, prefix, 0) == 0)
        return;
    dk_journal(DK_JOURNAL_WARNING, "%s did not end in %d s: killed", prefix, timeout_ms / 1000);
    (void)tell(children, prefix, SIGKILL);
    while (tell(children, prefix, 0) > 0) {
        nap();
        children_reap(children);
    }
}
