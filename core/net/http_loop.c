/* http_loop.c - a daemon of libmicrohttpd run by a thread of ours (http_loop.h) */
#define _GNU_SOURCE
#include "net/http_loop.h"

#include "base/check.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct dk_http_loop {
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int epoll_fd, wake_fd; /* the first is the daemon's */
    int nice;
    bool again; /* of the thread alone */
    atomic_bool stop;
};

static int timeout_ms(const struct dk_http_loop *loop)
{
    MHD_UNSIGNED_LONG_LONG timeout;

    if (loop->again)
        return 0;
    if (MHD_get_timeout(loop->daemon, &timeout) != MHD_YES)
        return -1;
    return timeout > INT_MAX ? INT_MAX : (int)timeout;
}

static void *run(void *context)
{
    struct dk_http_loop *loop = context;
    id_t self = (id_t)syscall(SYS_gettid);
    uint64_t count;

    if (loop->nice > 0)
        (void)setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + loop->nice);
    while (!atomic_load(&loop->stop)) {
        struct pollfd fds[] = { { .fd = loop->epoll_fd, .events = POLLIN },
                                { .fd = loop->wake_fd, .events = POLLIN } };

        (void)poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms(loop));
        if (fds[1].revents != 0 && read(loop->wake_fd, &count, sizeof(count)) < 0)
            DK_CHECK(errno == EAGAIN);
        loop->again = false;
        DK_CHECK(MHD_run(loop->daemon) == MHD_YES);
    }
    (void)MHD_run(loop->daemon); /* what was answered just now is sent */
    return NULL;
}

void dk_http_loop_start(struct dk_http_loop **out, struct MHD_Daemon *daemon, int nice)
{
    struct dk_http_loop *loop = calloc(1, sizeof(*loop));
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);

    DK_CHECK(loop != NULL && info != NULL);
    loop->daemon = daemon;
    loop->nice = nice;
    loop->epoll_fd = info->epoll_fd;
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    DK_CHECK(loop->wake_fd >= 0);
    *out = loop;
    DK_CHECK(pthread_create(&loop->thread, NULL, run, loop) == 0);
}

void dk_http_loop_again(struct dk_http_loop *loop)
{
    loop->again = true;
}

void dk_http_loop_wake(struct dk_http_loop *loop)
{
    const uint64_t one = 1;

    DK_CHECK(write(loop->wake_fd, &one, sizeof(one)) == sizeof(one));
}

void dk_http_loop_stop(struct dk_http_loop *loop)
{
    if (loop == NULL)
        return;
    atomic_store(&loop->stop, true);
    dk_http_loop_wake(loop);
    DK_CHECK(pthread_join(loop->thread, NULL) == 0);
    MHD_stop_daemon(loop->daemon);
    (void)close(loop->wake_fd);
    free(loop);
}
