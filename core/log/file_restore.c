/* file_restore.c - a log in a folder that a history is being put back into
 *
 *     DIR/restoring    is there, durably, from before the first batch until the last one is durable
 *
 * While it is, only another restore may write: a controller that went on from half a history would
 * give seqs, and job ids, to other events than those that have them. Readers do not look at it.
 */
#include "log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const char marker[] = "restoring";

bool dk_file_restoring(int dir_fd)
{
    return faccessat(dir_fd, marker, F_OK, 0) == 0;
}

static enum dk_status sync_folder(int dir_fd, const struct dk_log_io *io, struct dk_err *err)
{
    return io->sync_new(io->ctx, dir_fd) == 0 ? DK_OK
                                              : dk_fail_errno(err, "syncing", "the log's folder");
}

enum dk_status dk_file_restore_begin(int dir_fd, const char *place, bool wanted,
                                     const struct dk_log_io *io, struct dk_err *err)
{
    struct dk_folder_list list;
    enum dk_status status;
    bool is_new;
    int fd;

    if (dk_file_restoring(dir_fd))
        return wanted ? DK_OK
                      : dk_fail(err, DK_INVALID,
                                "log in '%s' is a restore that was not finished: restore it again",
                                place);
    if (!wanted)
        return DK_OK;
    status = dk_folder_list(&list, dir_fd, err);
    if (status != DK_OK)
        return status;
    is_new = list.count == 0;
    dk_folder_list_release(&list);
    if (!is_new)
        return dk_fail(err, DK_INVALID,
                       "log in '%s' is not new: a history is restored into a new one only", place);
    fd = openat(dir_fd, marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return dk_fail_errno(err, "creating", marker);
    (void)close(fd);
    return sync_folder(dir_fd, io, err);
}

enum dk_status dk_file_restore_end(int dir_fd, const struct dk_log_io *io, struct dk_err *err)
{
    if (unlinkat(dir_fd, marker, 0) != 0 && errno != ENOENT)
        return dk_fail_errno(err, "removing", marker);
    return sync_folder(dir_fd, io, err);
}
