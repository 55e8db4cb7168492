/* keeper.c - waits for a job and says what became of it (keeper.h)
 *
 * All of a job descends from its keeper, which is a subreaper: a process that forks away twice or
 * makes its own session comes back here when its parent ends. When the script has ended, whatever
 * else is left is killed, and waited for, so that its time counts too: the job's usage is what
 * the kernel adds up for waited-for children.
 */
#define _GNU_SOURCE
#include "nodes/keeper.h"

#include "nodes/procs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct keeper {
    const struct dk_task_order *order;
    struct dk_task_parts parts;
    struct dk_task_record record;
    int record_fd;
    pid_t launcher;
};

static int64_t now_us(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- the order --- */

static char **list_of(const char **at, const char *end, uint32_t count)
{
    char **list = malloc((count + (size_t)1) * sizeof(*list));

    for (uint32_t i = 0; list != NULL && i < count; i++) {
        const char *stop = memchr(*at, '\0', (size_t)(end - *at));

        if (stop == NULL) {
            free(list);
            return NULL;
        }
        list[i] = (char *)(uintptr_t)*at;
        *at = stop + 1;
    }
    if (list != NULL)
        list[count] = NULL;
    return list;
}

bool dk_task_parts_of(const struct dk_task_order *order, struct dk_task_parts *parts)
{
    const uint8_t *numbers = (const uint8_t *)(order + 1);
    const char *end = (const char *)order + order->size;
    size_t numbers_size = ((size_t)order->group_count + order->cpu_count) * sizeof(uint32_t);
    const char **texts[] = { &parts->folder,  &parts->work_dir, &parts->std_in,
                             &parts->std_out, &parts->std_err,  &parts->hook };
    const char *at;

    if (numbers_size > order->size - sizeof(*order))
        return false;
    parts->groups = (const uint32_t *)(const void *)numbers;
    parts->cpus = parts->groups + order->group_count;
    at = (const char *)numbers + numbers_size;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));

        if (stop == NULL)
            return false;
        *texts[i] = at;
        at = stop + 1;
    }
    parts->procs = list_of(&at, end, order->proc_count);
    parts->args = list_of(&at, end, order->arg_count);
    parts->env = list_of(&at, end, order->env_count);
    parts->hook_env = list_of(&at, end, order->hook_env_count);
    return parts->procs != NULL && parts->args != NULL && parts->env != NULL &&
           parts->hook_env != NULL;
}

/* --- the record --- */

void dk_task_record_write(int fd, struct dk_task_record *record)
{
    record->crc = dk_task_record_crc(record);
    /* The first write took a block of the disk, later ones go into it: a full disk can't lose a
     * result. */
    while (pwrite(fd, record, sizeof(*record), 0) < 0 && errno == EINTR) {
    }
}

/* False: another keeper has this job, or the record can't be made. */
static bool record_begin(struct keeper *keeper, const char *name)
{
    struct dk_task_record *record = &keeper->record;
    int folder = open(keeper->parts.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return false;
    keeper->record_fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    (void)close(folder);
    if (keeper->record_fd < 0)
        return false;
    memset(record, 0, sizeof(*record));
    record->magic = DK_TASK_MAGIC;
    record->job = keeper->order->job;
    record->attempt = keeper->order->attempt;
    record->stage = DK_TASK_STARTING;
    record->keeper = getpid();
    record->keeper_start = dk_task_start_time(record->keeper);
    memcpy(record->boot, keeper->order->boot, sizeof(record->boot));
    record->crc = dk_task_record_crc(record);
    return pwrite(keeper->record_fd, record, sizeof(*record), 0) == (ssize_t)sizeof(*record);
}

static void record_end(struct keeper *keeper)
{
    struct dk_task_record *record = &keeper->record;
    struct rusage usage;

    (void)getrusage(RUSAGE_CHILDREN, &usage);
    record->user_us = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
    record->system_us = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
    record->rss_max_kib = usage.ru_maxrss;
    record->read_bytes = (int64_t)usage.ru_inblock * 512; /* the kernel's own unit, see getrusage */
    record->written_bytes = (int64_t)usage.ru_oublock * 512;
    record->ended_us = now_us(CLOCK_REALTIME);
    record->stage = DK_TASK_ENDED;
    dk_task_record_write(keeper->record_fd, record);
    if (getppid() != keeper->launcher) /* no agent that could make it durable by its own ledger */
        (void)fdatasync(keeper->record_fd);
}

/* --- processes --- */

static void kill_rest(void)
{
    const struct timespec pause = { 0, 1000000 };

    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);

        if (pid < 0)
            return; /* no child: nobody is left */
        if (pid > 0)
            continue;
        (void)dk_procs_signal_below(getpid(), SIGKILL);
        (void)nanosleep(&pause, NULL);
    }
}

/* By vfork: the child shares our memory until it has become the script or ended, which spares the
 * copy that it would throw away at once, and what it writes into the record (its number, a fault)
 * is ours, too. It returns from nothing and changes nothing else that we look at. */
static pid_t start(struct keeper *keeper, bool is_hook)
{
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */

    if (pid == 0)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Vfork): it never returns, see above */
        dk_task_become(keeper->order, &keeper->parts, is_hook, &keeper->record, keeper->record_fd);
    return pid;
}

static bool fault(struct keeper *keeper, enum dk_task_fault kind, const char *why)
{
    keeper->record.fault = (uint32_t)kind;
    (void)snprintf(keeper->record.why, sizeof(keeper->record.why), "%s", why);
    return false;
}

/* True: the hook ended with 0, or there is none. */
static bool run_hook(struct keeper *keeper)
{
    const char *name = keeper->order->kind == DK_TASK_EPILOG ? "epilog" : "prolog";
    int64_t until = now_us(CLOCK_MONOTONIC) + keeper->order->hook_us;
    char why[256];
    sigset_t child;
    pid_t pid, ended = 0;
    int status = 0;

    if (keeper->parts.hook[0] == '\0')
        return true;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &child, NULL);
    pid = start(keeper, true);
    while (pid > 0 && (ended = waitpid(pid, &status, WNOHANG)) == 0) {
        int64_t left = until - now_us(CLOCK_MONOTONIC);
        struct timespec wait = { .tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000 };

        if (left <= 0)
            break;
        (void)sigtimedwait(&child, NULL, &wait);
    }
    (void)sigprocmask(SIG_UNBLOCK, &child, NULL);
    kill_rest();
    if (pid < 0)
        (void)snprintf(why, sizeof(why), "the %s can't be started: %s", name, strerror(errno));
    else if (ended == 0)
        (void)snprintf(why, sizeof(why), "the %s took longer than %lld s", name,
                       (long long)(keeper->order->hook_us / 1000000));
    else if (WIFSIGNALED(status))
        (void)snprintf(why, sizeof(why), "the %s ended by signal %d", name, WTERMSIG(status));
    else
        (void)snprintf(why, sizeof(why), "the %s ended with %d", name, WEXITSTATUS(status));
    if (ended > 0 && status == 0)
        return true;
    return fault(keeper, DK_TASK_FAULT_HOOK, why);
}

static void run_script(struct keeper *keeper)
{
    struct dk_task_record *record = &keeper->record;
    char why[256];
    pid_t pid, ended;
    int status = 0;

    record->started_us = now_us(CLOCK_REALTIME);
    pid = start(keeper, false);
    if (pid < 0) {
        (void)snprintf(why, sizeof(why), "no process can be made: %s", strerror(errno));
        (void)fault(keeper, DK_TASK_FAULT_NODE, why);
        return;
    }
    do {
        ended = waitpid(-1, &status, 0);
    } while (ended != pid && (ended > 0 || errno == EINTR));
    record->status = status;
    kill_rest();
}

void dk_keeper_run(const struct dk_task_order *order)
{
    struct keeper keeper = { .order = order, .launcher = getppid() };

    (void)setsid();
    (void)signal(SIGCHLD, SIG_DFL);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "docketd-keeper", 0, 0, 0);
    if (!dk_task_parts_of(order, &keeper.parts) ||
        !record_begin(&keeper, order->kind == DK_TASK_EPILOG ? "epilog" : "task"))
        _exit(1);
    if (run_hook(&keeper) && order->kind == DK_TASK_BATCH)
        run_script(&keeper);
    record_end(&keeper);
    _exit(0);
}
