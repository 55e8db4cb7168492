/* container_log.c - see container_log.h */
#include "cli/container_log.h"

#include "batch/container.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool cli_container_is(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char magic[4];
    bool is_one = fd >= 0 && pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
                  memcmp(magic, "Obj\1", sizeof(magic)) == 0;

    if (fd >= 0)
        (void)close(fd);
    return is_one;
}

/* One batch at a time, so that what is staged stays small. */
static enum dk_status move(struct dk_container_reader *reader, struct dk_log *log,
                           struct dk_err *err)
{
    struct dk_log_batch batch;
    struct dk_trail trail;
    enum dk_status status;

    dk_trail_init(&trail, &dk_heap);
    while ((status = dk_container_next(reader, &batch, err)) == DK_OK) {
        status = dk_trail_batch(&trail, &batch, err);
        if (status == DK_OK)
            status = dk_log_append(log, &batch, err);
        if (status == DK_OK)
            status = dk_log_sync(log, err);
        if (status != DK_OK)
            break;
    }
    if (status == DK_END)
        status = dk_container_check(reader, &trail, err);
    dk_trail_release(&trail);
    return status;
}

enum dk_status cli_container_load(const char *path, struct dk_err *err)
{
    struct dk_log_options options = { .restore = true };
    struct dk_container_reader *reader = NULL;
    struct dk_log *log = NULL;
    enum dk_status status = dk_container_open(&reader, path, err);

    if (status == DK_OK && dk_container_about(reader)->seq_first > 1)
        status = dk_fail(err, DK_INVALID,
                         "'%s' is a piece of a log, from seq %llu on: all of it is "
                         "needed",
                         path, (unsigned long long)dk_container_about(reader)->seq_first);
    if (status == DK_OK)
        status = dk_log_open(&log, CLI_CONTAINER_LOG, &options, err);
    if (status == DK_OK)
        status = move(reader, log, err);
    if (status == DK_OK)
        status = dk_log_restore_finish(log, err);
    (void)dk_log_close(log, NULL);
    dk_container_close(reader);
    return status;
}
