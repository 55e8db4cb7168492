/* task_record.c - the record in a job's folder (task.h): shared by the agent and docketd-task */
#define _GNU_SOURCE
#include "nodes/task.h"

#include "base/crc32c.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got;
}

void dk_task_boot(char boot[40])
{
    char text[64];

    memset(boot, 0, 40);
    if (read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text)) > 0)
        (void)snprintf(boot, 40, "%.*s", (int)strcspn(text, "\n"), text);
}

uint64_t dk_task_start_time(int pid)
{
    char path[64], text[1024];
    const char *at;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (read_file(path, text, sizeof(text)) <= 0)
        return 0;
    at = strrchr(text, ')'); /* a name may hold anything */
    if (at == NULL || at[1] == '\0' || at[2] == 'Z')
        return 0;
    for (int field = 2; at != NULL && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

uint32_t dk_task_record_crc(const struct dk_task_record *record)
{
    const size_t from = offsetof(struct dk_task_record, job);

    return dk_crc32c(0, (const uint8_t *)record + from, sizeof(*record) - from);
}

bool dk_task_record_read(int folder_fd, const char *name, struct dk_task_record *record)
{
    int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool whole;

    if (fd < 0)
        return false;
    whole = pread(fd, record, sizeof(*record), 0) == (ssize_t)sizeof(*record) &&
            record->magic == DK_TASK_MAGIC && record->crc == dk_task_record_crc(record) &&
            record->boot[sizeof(record->boot) - 1] == '\0' &&
            record->why[sizeof(record->why) - 1] == '\0';
    (void)close(fd);
    return whole;
}
