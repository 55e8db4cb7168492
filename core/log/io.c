/* io.c - see io.h */
#include "log/io.h"

#include <stdio.h>
#include <unistd.h>

static ssize_t system_write(void *ctx, int fd, const void *bytes, size_t size, off_t at)
{
    (void)ctx;
    return pwrite(fd, bytes, size, at);
}

static int system_sync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd);
}

static int system_sync_new(void *ctx, int fd)
{
    (void)ctx;
    return fsync(fd);
}

static int system_rename(void *ctx, int dir_fd, const char *from, const char *to)
{
    (void)ctx;
    return renameat(dir_fd, from, dir_fd, to);
}

const struct dk_log_io dk_log_io_system = {
    .write = system_write,
    .sync = system_sync,
    .sync_new = system_sync_new,
    .rename = system_rename,
};
