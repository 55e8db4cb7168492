/* io.h - the four calls by which the file log changes a disk
 *
 * Everything that can lose data passes through here, so that a test can fail
 * the nth call, cut a write short, or remember what a power loss would take.
 * They answer as the system's calls do: -1 and errno.
 */
#ifndef DK_LOG_IO_H
#define DK_LOG_IO_H

#include <stddef.h>
#include <sys/types.h>

struct dk_log_io {
    void *ctx;
    ssize_t (*write)(void *ctx, int fd, const void *bytes, size_t size, off_t at); /* pwrite */
    int (*sync)(void *ctx, int fd);     /* fdatasync, of a segment */
    int (*sync_new)(void *ctx, int fd); /* fsync, of a new file or folder */
    int (*rename)(void *ctx, int dir_fd, const char *from, const char *to);
};

extern const struct dk_log_io dk_log_io_system;

#endif
