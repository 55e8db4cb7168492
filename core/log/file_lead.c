/* file_lead.c - on a log in a folder the one leads who holds the lock DIR/lead (lead.h)
 *
 * Not the log's own lock: that one is its writer's, an operator's repair takes it too, and the
 * standby has to win before it opens anything. The kernel lets go of it however its holder ends.
 *
 * A standby sleeps in a thread until somebody closes the file, which a death does as well. The
 * kernel tells of a close a moment before it drops the lock, so some more looks follow at short
 * distance; and a look now and then in any case, since some file systems tell of nothing. */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "log/file.h"
#include "log/folder.h"
#include "log/lead_backend.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define NAME "lead"

enum { LOOK_MS = 500, SOON_MS = 2, SOON_LOOKS = 50 };

struct file_lead {
    struct dk_lead base;
    int lock_fd, watch_fd, stop_fd;
    pthread_t thread;
    bool has_thread;
};

static struct file_lead *of(struct dk_lead *lead)
{
    return (struct file_lead *)lead;
}

/* 1: ours now; 0: somebody has it; -1: errno. */
static int try_lock(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 1;
    return errno == EAGAIN || errno == EACCES || errno == EINTR ? 0 : -1;
}

/* Who has it, for people: the lock is what counts. */
static void sign(int fd)
{
    char pid[24];
    int size = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)size, 0) != size) {
        /* nobody reads it but people */
    }
}

static void drain(int fd)
{
    char events[4096];

    while (read(fd, events, sizeof(events)) > 0)
        continue;
}

static void *stand_by(void *argument)
{
    struct file_lead *lead = argument;
    int soon = 0, got;

    while ((got = try_lock(lead->lock_fd)) == 0) {
        struct pollfd fds[2] = { { .fd = lead->stop_fd, .events = POLLIN },
                                 { .fd = lead->watch_fd, .events = POLLIN } };

        (void)poll(fds, lead->watch_fd >= 0 ? 2 : 1, soon > 0 ? SOON_MS : LOOK_MS);
        if (fds[0].revents != 0)
            return NULL;
        if (soon > 0)
            soon--;
        if (fds[1].revents != 0) {
            drain(lead->watch_fd);
            soon = SOON_LOOKS;
        }
    }
    if (got < 0) {
        dk_lead_say(&lead->base, "lock 'lead' of the log can't be taken: %s", strerror(errno));
        return NULL;
    }
    sign(lead->lock_fd);
    dk_lead_gain(&lead->base);
    return NULL;
}

static void file_leave(struct dk_lead *base)
{
    struct file_lead *lead = of(base);
    uint64_t one = 1;

    if (lead->has_thread) {
        (void)!write(lead->stop_fd, &one, sizeof(one));
        (void)pthread_join(lead->thread, NULL);
    }
    if (lead->watch_fd >= 0)
        (void)close(lead->watch_fd);
    if (lead->lock_fd >= 0)
        (void)close(lead->lock_fd); /* with it another may begin */
    if (lead->stop_fd >= 0)
        (void)close(lead->stop_fd);
    dk_lead_release(base);
    free(lead);
}

/* The lock never goes to another while we hold it. */
static enum dk_status file_confirm(struct dk_lead *base, int timeout_ms, struct dk_err *err)
{
    (void)timeout_ms;
    if (atomic_load(&base->term) == 0)
        return dk_fail(err, DK_FENCED, "another controller holds the lock 'lead' of the log");
    return DK_OK;
}

static enum dk_status open_lock(struct file_lead *lead, const char *place, struct dk_err *err)
{
    char path[4096 + 64];
    int dir_fd = dk_file_folder_open(place, true, err);

    if (dir_fd < 0)
        return err != NULL ? err->status : DK_IO;
    lead->lock_fd = openat(dir_fd, NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    (void)close(dir_fd);
    if (lead->lock_fd < 0)
        return dk_fail(err, DK_IO, "opening '%s' of log 'file:%s': %s", NAME, place,
                       strerror(errno));
    lead->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    (void)snprintf(path, sizeof(path), "%s/%s", place, NAME);
    if (lead->watch_fd >= 0)
        (void)inotify_add_watch(lead->watch_fd, path, IN_CLOSE);
    return DK_OK;
}

static enum dk_status file_join(struct dk_lead **out, const char *place,
                                const struct dk_lead_options *options, struct dk_err *err)
{
    struct file_lead *lead = calloc(1, sizeof(*lead));
    enum dk_status status;

    DK_CHECK(lead != NULL);
    lead->base.fd = lead->lock_fd = lead->watch_fd = lead->stop_fd = -1;
    status = dk_lead_init(&lead->base, &dk_lead_backend_file, options, err);
    if (status == DK_OK)
        status = open_lock(lead, place, err);
    if (status == DK_OK) {
        lead->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        lead->has_thread =
            lead->stop_fd >= 0 && pthread_create(&lead->thread, NULL, stand_by, lead) == 0;
        if (!lead->has_thread)
            status = dk_fail(err, DK_IO, "no thread to wait for the lead");
    }
    if (status != DK_OK) {
        file_leave(&lead->base);
        return status;
    }
    *out = &lead->base;
    return DK_OK;
}

const struct dk_lead_backend dk_lead_backend_file = {
    .scheme = "file",
    .join = file_join,
    .confirm = file_confirm,
    .leave = file_leave,
};
