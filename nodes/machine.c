/* machine.c - the machine under an agent: clocks, records in folders, processes, groups (machine.h)
 */
#define _GNU_SOURCE
#include "nodes/machine.h"

#include "nodes/env.h"
#include "nodes/procs.h"

#include "base/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    RECORD_TRIES = 500
}; /* of a millisecond: two system calls of a process that was just made */

int64_t dk_agent_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t dk_agent_wall_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool dk_machine_random(void *bytes, size_t size)
{
    return getrandom(bytes, size, 0) == (ssize_t)size;
}

/* --- records --- */

bool dk_machine_record(const struct dk_agent *agent, const struct dk_duty *duty, const char *name,
                       struct dk_task_record *record)
{
    char folder_name[64];
    bool found;
    int folder;

    dk_duty_name(duty, folder_name);
    folder =
        openat(agent->jobs_folder, folder_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return false;
    found = dk_task_record_read(folder, name, record) && record->job == duty->job &&
            record->attempt == duty->attempt;
    (void)close(folder);
    return found;
}

bool dk_machine_record_soon(const struct dk_agent *agent, const struct dk_duty *duty)
{
    struct dk_task_record record;

    for (int tries = 0; tries < RECORD_TRIES; tries++) {
        if (dk_machine_record(agent, duty, "task", &record))
            return true;
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return false;
}

static void task_path(const struct dk_duty *duty, char path[80])
{
    char name[64];

    dk_duty_name(duty, name);
    (void)snprintf(path, 80, "%s/task", name);
}

bool dk_machine_has_record(const struct dk_agent *agent, const struct dk_duty *duty)
{
    char path[80];

    task_path(duty, path);
    return faccessat(agent->jobs_folder, path, F_OK, 0) == 0;
}

bool dk_machine_claim(const struct dk_agent *agent, const struct dk_duty *duty)
{
    char path[80];
    int fd;

    task_path(duty, path);
    fd = openat(agent->jobs_folder, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

bool dk_machine_has_ledger(const struct dk_agent *agent)
{
    return faccessat(agent->folder, "ledger", F_OK, 0) == 0;
}

/* --- keepers --- */

int dk_machine_keeper(const struct dk_task_record *record)
{
    int pid_fd = (int)syscall(SYS_pidfd_open, record->keeper, 0);

    if (pid_fd >= 0 && dk_task_start_time(record->keeper) != record->keeper_start) {
        (void)close(pid_fd);
        pid_fd = -1;
    }
    return pid_fd;
}

void dk_machine_watch(struct dk_agent *agent, struct dk_duty *duty, int pid_fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = duty };

    dk_machine_unwatch(duty);
    duty->pid_fd = pid_fd;
    DK_CHECK(epoll_ctl(agent->epoll, EPOLL_CTL_ADD, pid_fd, &event) == 0);
}

void dk_machine_unwatch(struct dk_duty *duty)
{
    if (duty->pid_fd >= 0)
        (void)close(duty->pid_fd); /* which takes it out of the epoll, too */
    duty->pid_fd = -1;
}

/* --- processes --- */

/* Everything of the job descends from its keeper. */
void dk_machine_signal_all(const struct dk_agent *agent, const struct dk_duty *duty, int signal)
{
    struct dk_task_record record;
    char name[64];

    dk_duty_name(duty, name);
    if (signal == SIGKILL)
        (void)dk_confine_signal(&agent->confine, name, signal);
    if (dk_machine_record(agent, duty, "task", &record) && record.stage != DK_TASK_ENDED &&
        dk_task_start_time(record.keeper) == record.keeper_start)
        (void)dk_procs_signal_below(record.keeper, signal);
}

void dk_machine_signal_batch(const struct dk_agent *agent, const struct dk_duty *duty, int signal)
{
    struct dk_task_record record;
    int pid_fd;

    if (!dk_machine_record(agent, duty, "task", &record) || record.stage != DK_TASK_RUNNING)
        return;
    /* Its number is its own while the keeper, its parent, has not waited for it. */
    pid_fd = (int)syscall(SYS_pidfd_open, record.task, 0);
    if (pid_fd < 0)
        return;
    if (dk_task_start_time(record.keeper) == record.keeper_start)
        (void)syscall(SYS_pidfd_send_signal, pid_fd, signal, NULL, 0);
    (void)close(pid_fd);
}

bool dk_machine_kill_left(struct dk_agent *agent, const struct dk_duty *duty)
{
    char mark[128], name[64];
    bool any;

    dk_env_mark(agent->options->name, agent->options->place->dir, duty->job, duty->attempt, mark);
    dk_duty_name(duty, name);
    any = dk_confine_signal(&agent->confine, name, SIGKILL) > 0;
    for (int tries = 0; tries < 100 && dk_procs_signal_marked(mark, SIGKILL) > 0; tries++)
        any = true;
    return any;
}

void dk_machine_kill_group(const struct dk_agent *agent, const struct dk_duty *duty)
{
    char name[64];

    dk_duty_name(duty, name);
    if (agent->confine.level != DK_CONFINE_NONE)
        (void)dk_confine_signal(&agent->confine, name, SIGKILL);
}

bool dk_machine_was_oom(const struct dk_agent *agent, const struct dk_duty *duty)
{
    char name[64];

    dk_duty_name(duty, name);
    return dk_confine_oom(&agent->confine, name);
}

/* --- what no duty has --- */

static bool has_duty(const struct dk_agent *agent, const char *name)
{
    char *end = NULL;
    int64_t job = strtoll(name, &end, 10);

    return *end == '.' && dk_duty_find(agent, job, (int32_t)strtol(end + 1, NULL, 10)) != NULL;
}

static void leave_group(void *context, const char *name)
{
    const struct dk_agent *agent = context;

    if (!has_duty(agent, name))
        (void)dk_confine_close(&agent->confine, name);
}

void dk_machine_tidy(struct dk_agent *agent)
{
    dk_confine_each(&agent->confine, leave_group, agent);
}

void dk_machine_leave_folders(const struct dk_agent *agent)
{
    static const char *const files[] = { "script", "task", "epilog" };
    int fd = fcntl(agent->jobs_folder, F_DUPFD_CLOEXEC, 3);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    char path[300];

    if (folder == NULL)
        return;
    rewinddir(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || has_duty(agent, entry->d_name))
            continue;
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
            (void)snprintf(path, sizeof(path), "%s/%s", entry->d_name, files[i]);
            (void)unlinkat(agent->jobs_folder, path, 0);
        }
        (void)unlinkat(agent->jobs_folder, entry->d_name, AT_REMOVEDIR);
    }
    (void)closedir(folder);
}
