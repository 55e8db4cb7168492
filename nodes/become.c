/* become.c - a child of a keeper turns into the job's script, or into a hook (keeper.h)
 *
 * What needs the node's rights comes first (cgroups, cores), then the process becomes the user,
 * and everything that belongs to the user is opened as the user: folder, files, script. Where that
 * fails, the reason goes into the keeper's record and the process ends with 127.
 */
#define _GNU_SOURCE
#include "nodes/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct child {
    const struct dk_task_order *order;
    const struct dk_task_parts *parts;
    struct dk_task_record *record; /* the keeper's */
};

static _Noreturn void give_up(struct child *child, enum dk_task_fault fault, const char *format,
                              ...) __attribute__((format(printf, 3, 4)));

static _Noreturn void give_up(struct child *child, enum dk_task_fault fault, const char *format,
                              ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(child->record->why, sizeof(child->record->why), format, arguments);
    va_end(arguments);
    child->record->fault = (uint32_t)fault;
    _exit(127);
}

static void enter_groups(struct child *child)
{
    for (char **path = child->parts->procs; *path != NULL; path++) {
        int fd = open(*path, O_WRONLY | O_CLOEXEC);
        bool done = fd >= 0 && write(fd, "0", 1) == 1;

        if (!done)
            give_up(child, DK_TASK_FAULT_NODE, "cgroup '%.150s': %s", *path, strerror(errno));
        (void)close(fd);
    }
}

static void bind_cores(struct child *child)
{
    uint32_t count = child->order->cpu_count, most = 0;
    cpu_set_t *set;
    size_t size;

    if (count == 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        if (child->parts->cpus[i] > most)
            most = child->parts->cpus[i];
    set = CPU_ALLOC(most + 1);
    size = CPU_ALLOC_SIZE(most + 1);
    if (set == NULL)
        return;
    CPU_ZERO_S(size, set);
    for (uint32_t i = 0; i < count; i++)
        CPU_SET_S(child->parts->cpus[i], size, set);
    if (sched_setaffinity(0, size, set) != 0)
        give_up(child, DK_TASK_FAULT_NODE, "the job's cores can't be had: %s", strerror(errno));
    CPU_FREE(set);
}

static void limit(struct child *child)
{
    struct rlimit data;

    if (child->order->data_bytes <= 0 || getrlimit(RLIMIT_DATA, &data) != 0)
        return;
    if (data.rlim_max != RLIM_INFINITY && data.rlim_max < (rlim_t)child->order->data_bytes)
        return;
    data.rlim_cur = data.rlim_max = (rlim_t)child->order->data_bytes;
    (void)setrlimit(RLIMIT_DATA, &data);
}

static void become_user(struct child *child)
{
    const struct dk_task_order *order = child->order;

    if (!order->switch_user)
        return;
    _Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups go as they are");
    if (setgroups(order->group_count, child->parts->groups) != 0 ||
        setresgid(order->gid, order->gid, order->gid) != 0 ||
        setresuid(order->uid, order->uid, order->uid) != 0)
        give_up(child, DK_TASK_FAULT_NODE, "user %u, group %u: %s", order->uid, order->gid,
                strerror(errno));
}

static void put(int fd, int at)
{
    if (fd != at) {
        (void)dup2(fd, at);
        (void)close(fd);
    }
}

static void open_files(struct child *child)
{
    const struct dk_task_parts *parts = child->parts;
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | (child->order->append ? 0 : O_TRUNC);
    int in, out, err;

    in = open(parts->std_in, O_RDONLY | O_NOCTTY);
    if (in < 0)
        give_up(child, DK_TASK_FAULT_USER, "input file '%.150s': %s", parts->std_in,
                strerror(errno));
    out = open(parts->std_out, flags, 0666);
    if (out < 0)
        give_up(child, DK_TASK_FAULT_USER, "output file '%.150s': %s", parts->std_out,
                strerror(errno));
    if (parts->std_err[0] == '\0' || strcmp(parts->std_err, parts->std_out) == 0)
        err = dup(out);
    else
        err = open(parts->std_err, flags, 0666);
    if (err < 0)
        give_up(child, DK_TASK_FAULT_USER, "error file '%.150s': %s", parts->std_err,
                strerror(errno));
    put(in, STDIN_FILENO);
    put(out, STDOUT_FILENO);
    put(err, STDERR_FILENO);
}

/* The one variable that only we know: room for it was left in the environment. */
static void set_pid(char **env)
{
    static const char name[] = "SLURM_TASK_PID=";

    for (; *env != NULL; env++)
        if (strncmp(*env, name, sizeof(name) - 1) == 0) {
            size_t room = strlen(*env) + 1;

            (void)snprintf(*env, room, "%s%d", name, (int)getpid());
            return;
        }
}

static void clean_signals(void)
{
    static const int changed[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                                   SIGPIPE, SIGUSR1, SIGUSR2, SIGCHLD };
    sigset_t none;

    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
        (void)signal(changed[i], SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void become_hook(struct child *child)
{
    char *arguments[] = { (char *)(uintptr_t)child->parts->hook, NULL };
    int null = open("/dev/null", O_RDWR);

    put(null, STDIN_FILENO);
    if (chdir("/") == 0)
        (void)execve(child->parts->hook, arguments, child->parts->hook_env);
    give_up(child, DK_TASK_FAULT_HOOK, "'%.150s': %s", child->parts->hook, strerror(errno));
}

/* What the node lacks, another one may have; the rest is wrong with the script wherever it runs. */
static _Noreturn void cannot_execute(struct child *child, int error)
{
    const bool is_node =
        error == EAGAIN || error == ENOMEM || error == EIO || error == ENFILE || error == EMFILE;

    if (error == ENOEXEC)
        give_up(child, DK_TASK_FAULT_USER, "the script has no line #! to say what runs it");
    if (error == ENOENT)
        give_up(child, DK_TASK_FAULT_USER, "what the script's line #! names is not there");
    if (error == E2BIG)
        give_up(child, DK_TASK_FAULT_USER,
                "its environment and arguments are larger than the system takes");
    give_up(child, is_node ? DK_TASK_FAULT_NODE : DK_TASK_FAULT_USER,
            "the script can't be executed: %s", strerror(error));
}

void dk_task_become(const struct dk_task_order *order, const struct dk_task_parts *parts,
                    bool is_hook, struct dk_task_record *record, int record_fd)
{
    struct child child = { order, parts, record };

    (void)setsid();
    clean_signals();
    if (is_hook)
        become_hook(&child);
    enter_groups(&child);
    bind_cores(&child);
    limit(&child);
    become_user(&child);
    (void)umask((mode_t)order->umask_bits & 0777);
    if (chdir(parts->work_dir) != 0)
        give_up(&child, DK_TASK_FAULT_USER, "working folder '%.150s': %s", parts->work_dir,
                strerror(errno));
    open_files(&child);
    set_pid(parts->env);
    record->stage = DK_TASK_RUNNING;
    record->task = getpid();
    dk_task_record_write(record_fd, record);
    (void)execve(parts->args[0], parts->args, parts->env);
    cannot_execute(&child, errno);
}
