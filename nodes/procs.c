/* procs.c - the processes of a job (procs.h) */
#define _GNU_SOURCE
#include "nodes/procs.h"

#include "nodes/task.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct process {
    pid_t pid, parent;
    bool below;
};

struct processes {
    struct process *items;
    size_t count, capacity;
};

/* 0: gone, or dead and not yet waited for. */
static pid_t parent_of(pid_t pid)
{
    char path[64], text[512];
    const char *at;
    int fd;
    ssize_t got;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    got = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    at = strrchr(text, ')');
    if (at == NULL || at[1] == '\0' || at[2] == 'Z' || at[3] != ' ')
        return 0;
    return (pid_t)strtol(at + 4, NULL, 10);
}

static void gather(struct processes *all)
{
    DIR *folder = opendir("/proc");
    const struct dirent *entry;

    if (folder == NULL)
        return;
    while ((entry = readdir(folder)) != NULL) {
        pid_t pid, parent;

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        pid = (pid_t)strtol(entry->d_name, NULL, 10);
        parent = parent_of(pid);
        if (parent == 0)
            continue;
        if (all->count == all->capacity) {
            size_t capacity = all->capacity == 0 ? 256 : all->capacity * 2;
            struct process *items = realloc(all->items, capacity * sizeof(*items));

            if (items == NULL)
                break;
            all->items = items;
            all->capacity = capacity;
        }
        all->items[all->count++] = (struct process){ pid, parent, false };
    }
    (void)closedir(folder);
}

static bool is_below(const struct processes *all, pid_t parent, pid_t root)
{
    if (parent == root)
        return true;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i].pid == parent)
            return all->items[i].below;
    return false;
}

static bool send(int pid_fd, int signal)
{
    return syscall(SYS_pidfd_send_signal, pid_fd, signal, NULL, 0) == 0;
}

static bool signal_child(const struct process *process, int signal)
{
    int pid_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    bool sent;

    if (pid_fd < 0)
        return false;
    sent = parent_of(process->pid) == process->parent && send(pid_fd, signal);
    (void)close(pid_fd);
    return sent;
}

uint32_t dk_procs_signal_below(pid_t root, int signal)
{
    struct processes all = { 0 };
    uint32_t sent = 0;
    bool more = true;

    gather(&all);
    while (more) { /* numbers wrap around: a child's may be below its parent's */
        more = false;
        for (size_t i = 0; i < all.count; i++) {
            struct process *process = &all.items[i];

            if (!process->below && is_below(&all, process->parent, root))
                process->below = more = true;
        }
    }
    for (size_t i = 0; i < all.count; i++)
        if (all.items[i].below && signal_child(&all.items[i], signal))
            sent++;
    free(all.items);
    return sent;
}

static bool has_mark(pid_t pid, const char *mark)
{
    static char text[131072];
    size_t size = strlen(mark) + 1;
    char path[64];
    ssize_t got;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/environ", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    got = read(fd, text, sizeof(text));
    (void)close(fd);
    return got > 0 && memmem(text, (size_t)got, mark, size) != NULL;
}

uint32_t dk_procs_signal_marked(const char *mark, int signal)
{
    struct processes all = { 0 };
    uint32_t sent = 0;

    gather(&all);
    for (size_t i = 0; i < all.count; i++)
        if (has_mark(all.items[i].pid, mark) && signal_child(&all.items[i], signal))
            sent++;
    free(all.items);
    return sent;
}

bool dk_procs_signal_one(pid_t pid, uint64_t start_time, int signal)
{
    int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool sent;

    if (pid_fd < 0)
        return false;
    sent = dk_task_start_time(pid) == start_time && send(pid_fd, signal);
    (void)close(pid_fd);
    return sent;
}
