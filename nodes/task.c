/* task.c - docketd-task: forks a keeper for each order of the agent (task.h)
 *
 * It ends when the agent does: its stream of orders ends. Keepers go on. Nothing here allocates
 * but what one order needs, and nothing looks users up: it is linked statically, without NSS.
 *
 * An order cut off in the middle by the agent's death is dropped; it was recorded by the agent
 * and is made again by the next one.
 */
#define _GNU_SOURCE
#include "nodes/task.h"
#include "nodes/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool read_all(void *to, size_t size)
{
    uint8_t *at = to;

    while (size > 0) {
        ssize_t got = read(DK_TASK_ORDERS_FD, at, size);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

/* As fork, with a pidfd that can't be too late. */
static pid_t fork_keeper(int *pid_fd)
{
    struct clone_args arguments = { .flags = CLONE_PIDFD,
                                    .pidfd = (uint64_t)(uintptr_t)pid_fd,
                                    .exit_signal = SIGCHLD };

    return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static void tell(const struct dk_task_order *order, pid_t pid, int pid_fd, int error)
{
    struct dk_task_news news = { .job = order->job,
                                 .attempt = order->attempt,
                                 .kind = (int32_t)order->kind,
                                 .pid = pid,
                                 .error = error };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec part = { &news, sizeof(news) };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    struct cmsghdr *head;

    if (pid_fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &pid_fd, sizeof(pid_fd));
    }
    while (sendmsg(DK_TASK_NEWS_FD, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

static void serve(const struct dk_task_order *order)
{
    int pid_fd = -1;
    pid_t pid = fork_keeper(&pid_fd);

    if (pid == 0) {
        (void)close(DK_TASK_ORDERS_FD);
        (void)close(DK_TASK_NEWS_FD);
        dk_keeper_run(order);
    }
    tell(order, pid, pid < 0 ? -1 : pid_fd, pid < 0 ? errno : 0);
    if (pid_fd >= 0)
        (void)close(pid_fd);
}

/* What whoever started the agent had open is no job's: a descriptor opened as root gives a user
 * what root may do with it. */
static void close_strange(void)
{
    enum { FIRST = DK_TASK_NEWS_FD + 1 };

    if (syscall(SYS_close_range, (unsigned)FIRST, ~0U, 0) != 0) /* before Linux 5.9 */
        for (int fd = FIRST; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
            (void)close(fd);
}

int main(void)
{
    static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2 };
    struct dk_task_order *order = NULL, head;
    size_t capacity = 0;
    int null = open("/dev/null", O_RDWR); /* keepers outlive whoever listens to the agent */

    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
    close_strange();
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)signal(SIGCHLD, SIG_IGN); /* keepers are watched by the agent, and reaped by themselves */
    (void)prctl(PR_SET_NAME, "docketd-task", 0, 0, 0);
    while (read_all(&head, sizeof(head))) {
        if (head.size < sizeof(head) || head.size > DK_TASK_ORDER_MAX)
            return 1;
        if (head.size > capacity) {
            free(order);
            order = malloc(head.size);
            capacity = order != NULL ? head.size : 0;
        }
        if (order == NULL)
            return 1;
        *order = head;
        if (!read_all(order + 1, head.size - sizeof(head)))
            break;
        serve(order);
    }
    free(order);
    return 0;
}
