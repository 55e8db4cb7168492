/* launcher.c - the agent's end of docketd-task (launcher.h)
 *
 * While an order does not fit into the stream, news are taken out of the other socket, so that
 * the two can't wait for each other. */
#define _GNU_SOURCE
#include "nodes/launcher.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct item {
    struct dk_task_news news;
    int pid_fd;
};

struct dk_launcher {
    char *program;
    pid_t pid;
    uint32_t made;
    int orders, news;
    struct item *waiting; /* taken out while sending */
    size_t first, count, capacity;
};

static enum dk_status spawn(struct dk_launcher *launcher, int orders, int news, struct dk_err *err)
{
    char *arguments[] = { launcher->program, NULL }, *environment[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    int error, high_orders = fcntl(orders, F_DUPFD_CLOEXEC, 16);
    int high_news = fcntl(news, F_DUPFD_CLOEXEC, 16);

    DK_CHECK(posix_spawn_file_actions_init(&actions) == 0 &&
             posix_spawnattr_init(&attributes) == 0);
    (void)posix_spawn_file_actions_adddup2(&actions, high_orders, DK_TASK_ORDERS_FD);
    (void)posix_spawn_file_actions_adddup2(&actions, high_news, DK_TASK_NEWS_FD);
    (void)sigemptyset(&none);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    error = posix_spawn(&launcher->pid, launcher->program, &actions, &attributes, arguments,
                        environment);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    (void)close(high_orders);
    (void)close(high_news);
    return error == 0 ? DK_OK
                      : dk_fail(err, DK_IO, "'%s' can't be started: %s", launcher->program,
                                strerror(error));
}

static void hang_up(struct dk_launcher *launcher)
{
    if (launcher->orders >= 0)
        (void)close(launcher->orders);
    if (launcher->news >= 0)
        (void)close(launcher->news);
    launcher->orders = launcher->news = -1;
    if (launcher->pid > 0)
        (void)waitpid(launcher->pid, NULL, 0);
    launcher->pid = -1;
}

static enum dk_status begin(struct dk_launcher *launcher, struct dk_err *err)
{
    int orders[2], news[2];
    enum dk_status status;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, orders) != 0)
        return dk_fail(err, DK_IO, "socketpair: %s", strerror(errno));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, news) != 0) {
        (void)close(orders[0]);
        (void)close(orders[1]);
        return dk_fail(err, DK_IO, "socketpair: %s", strerror(errno));
    }
    launcher->orders = orders[0];
    launcher->news = news[0];
    status = spawn(launcher, orders[1], news[1], err);
    (void)close(orders[1]);
    (void)close(news[1]);
    if (status != DK_OK)
        hang_up(launcher);
    else
        launcher->made++;
    return status;
}

enum dk_status dk_launcher_start(struct dk_launcher **out, const char *program, struct dk_err *err)
{
    struct dk_launcher *launcher = calloc(1, sizeof(*launcher));
    enum dk_status status;

    DK_CHECK(launcher != NULL);
    launcher->program = strdup(program);
    DK_CHECK(launcher->program != NULL);
    launcher->pid = launcher->orders = launcher->news = -1;
    status = begin(launcher, err);
    if (status != DK_OK) {
        dk_launcher_stop(launcher);
        launcher = NULL;
    }
    *out = launcher;
    return status;
}

void dk_launcher_stop(struct dk_launcher *launcher)
{
    if (launcher == NULL)
        return;
    hang_up(launcher);
    for (size_t i = launcher->first; i < launcher->count; i++)
        if (launcher->waiting[i].pid_fd >= 0)
            (void)close(launcher->waiting[i].pid_fd);
    free(launcher->waiting);
    free(launcher->program);
    free(launcher);
}

int dk_launcher_fd(const struct dk_launcher *launcher)
{
    return launcher->news;
}

static bool receive(struct dk_launcher *launcher, struct item *item)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = { &item->news, sizeof(item->news) };
    struct msghdr message = { .msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof(control.bytes) };
    const struct cmsghdr *head;

    if (launcher->news < 0 || recvmsg(launcher->news, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
                                  (ssize_t)sizeof(item->news))
        return false;
    item->pid_fd = -1;
    head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_type == SCM_RIGHTS)
        memcpy(&item->pid_fd, CMSG_DATA(head), sizeof(item->pid_fd));
    return true;
}

static void set_aside(struct dk_launcher *launcher)
{
    struct item item;

    while (receive(launcher, &item)) {
        if (launcher->count == launcher->capacity) {
            launcher->capacity = launcher->capacity * 2 + 64;
            launcher->waiting =
                realloc(launcher->waiting, launcher->capacity * sizeof(*launcher->waiting));
            DK_CHECK(launcher->waiting != NULL);
        }
        launcher->waiting[launcher->count++] = item;
    }
}

bool dk_launcher_next(struct dk_launcher *launcher, struct dk_task_news *news, int *pid_fd)
{
    struct item item;

    if (launcher->first < launcher->count) {
        item = launcher->waiting[launcher->first++];
        if (launcher->first == launcher->count)
            launcher->first = launcher->count = 0;
    } else if (!receive(launcher, &item)) {
        return false;
    }
    *news = item.news;
    *pid_fd = item.pid_fd;
    return true;
}

uint32_t dk_launcher_made(const struct dk_launcher *launcher)
{
    return launcher->made;
}

enum dk_status dk_launcher_again(struct dk_launcher *launcher, struct dk_err *err)
{
    set_aside(launcher);
    hang_up(launcher);
    return begin(launcher, err);
}

static bool send_all(struct dk_launcher *launcher, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        struct pollfd ready[] = { { launcher->orders, POLLOUT, 0 }, { launcher->news, POLLIN, 0 } };
        ssize_t sent = send(launcher->orders, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return false;
        (void)poll(ready, 2, -1);
        set_aside(launcher);
    }
    return true;
}

enum dk_status dk_launcher_send(struct dk_launcher *launcher, const struct dk_buf *order,
                                struct dk_err *err)
{
    for (int tries = 0; tries < 2; tries++) {
        enum dk_status status;

        if (launcher->orders >= 0 && send_all(launcher, order->data, order->size))
            return DK_OK;
        status = dk_launcher_again(launcher, err);
        if (status != DK_OK)
            return status;
    }
    return dk_fail(err, DK_IO, "'%s' takes no orders", launcher->program);
}
