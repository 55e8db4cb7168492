/* agent.c - the agent's thread: waits, and gives each occurrence to who knows it (agent.h)
 *
 * One occurrence is taken at a time, because each may remove a duty that another belongs to. */
#define _GNU_SOURCE
#include "nodes/duty.h"
#include "nodes/env.h"
#include "nodes/machine.h"
#include "nodes/task.h"

#include "base/check.h"
#include "net/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MINUTE_US INT64_C(60000000)
#define LEAVE_US INT64_C(15000000) /* beyond the wait for SIGKILL */

enum { NAME_MAX_SIZE = 64, FEATURES_MAX = 64 };

/* --- beginning --- */

static enum dk_status check_name(const char *name, struct dk_err *err)
{
    size_t size = strlen(name);
    bool good = size > 0 && size <= NAME_MAX_SIZE && name[0] != '.' && name[0] != '-';

    for (size_t i = 0; good && i < size; i++)
        good = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
               (name[i] >= '0' && name[i] <= '9') || strchr(".-_", name[i]) != NULL;
    return good ? DK_OK
                : dk_fail(err, DK_INVALID,
                          "'%s' is no name for a node: up to %d letters, digits, '.', '-' and '_'",
                          name, NAME_MAX_SIZE);
}

/* Folders that users pass through to their scripts, and cannot list. */
static int open_folder(const char *path, struct dk_err *err)
{
    int fd;

    if (mkdir(path, 0711) == 0)
        (void)chmod(path, 0711); /* whatever the umask */
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        (void)dk_fail(err, DK_IO, "folder '%s': %s", path, strerror(errno));
    return fd;
}

static enum dk_status open_state(struct dk_agent *agent, struct dk_err *err)
{
    const struct dk_agent_options *options = agent->options;
    char path[DK_PLACE_PATH_MAX + 200];
    enum dk_status status = dk_place_make(options->place, err);

    if (status != DK_OK)
        return status;
    (void)snprintf(path, sizeof(path), "%s/nodes/%s", options->place->dir, options->name);
    agent->folder = open_folder(path, err);
    if (agent->folder < 0)
        return DK_IO;
    agent->lock = openat(agent->folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (agent->lock < 0)
        return dk_fail(err, DK_IO, "'%s/lock': %s", path, strerror(errno));
    if (flock(agent->lock, LOCK_EX | LOCK_NB) != 0)
        return dk_fail(err, DK_BUSY, "another agent of node '%s' runs in '%s'", options->name,
                       options->place->dir);
    (void)snprintf(agent->jobs_path, sizeof(agent->jobs_path), "%s/jobs", path);
    agent->jobs_folder = open_folder(agent->jobs_path, err);
    return agent->jobs_folder < 0 ? DK_IO : DK_OK;
}

static void probe_confine(struct dk_agent *agent)
{
    char id[DK_ENV_AGENT_SIZE];

    dk_env_agent(agent->options->name, agent->options->place->dir, id);
    dk_confine_probe(&agent->confine, id, agent->options->level_max, "/proc/self/cgroup",
                     "/proc/self/mountinfo");
}

static enum dk_status open_signals(struct dk_agent *agent, struct dk_err *err)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &set, NULL); /* threads inherit it */
    (void)signal(SIGPIPE, SIG_IGN);
    agent->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    agent->epoll = epoll_create1(EPOLL_CLOEXEC);
    return agent->signals >= 0 && agent->epoll >= 0
               ? DK_OK
               : dk_fail(err, DK_IO, "signalfd or epoll: %s", strerror(errno));
}

static void watch(const struct dk_agent *agent, int fd, void *which)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = which };

    DK_CHECK(epoll_ctl(agent->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static uint32_t split(const char *list, struct dk_text out[FEATURES_MAX])
{
    uint32_t count = 0;

    while (list != NULL && *list != '\0' && count < FEATURES_MAX) {
        size_t size = strcspn(list, ",");

        if (size > 0)
            out[count++] = (struct dk_text){ list, (uint32_t)size };
        list += size + (list[size] == ',');
    }
    return count;
}

/* Somebody answers in a controller's or projector's place. It is told once a minute. */
static void remark_unproven(const char *text)
{
    static _Atomic int64_t told_us;
    int64_t now = dk_agent_now_us(), before = atomic_load(&told_us);

    if ((before == 0 || now - before >= MINUTE_US) &&
        atomic_compare_exchange_strong(&told_us, &before, now))
        dk_journal(DK_JOURNAL_WARNING, "%s; the answer is not taken", text);
}

/* Daemons elsewhere, or the one behind the socket. */
static struct dk_endpoints *endpoints_of(const struct dk_agent *agent, const char *list,
                                         const char *path)
{
    struct dk_endpoints *endpoints =
        dk_endpoints_create(list[0] != '\0' ? list : path, &agent->options->place->munge, true);

    dk_endpoints_remark(endpoints, remark_unproven);
    return endpoints;
}

static enum dk_status start_outbox(struct dk_agent *agent, struct dk_err *err)
{
    const struct dk_agent_options *options = agent->options;
    const struct dk_node_shape *shape = &agent->shape;
    struct dk_text features[FEATURES_MAX];
    struct dk_node_spec spec = {
        .name = dk_text_of(options->name),
        .cores = shape->cores,
        .memory_mib = shape->memory_mib,
        .gpus = shape->gpus,
        .features = features,
        .features_count = split(options->features, features),
        .topology = dk_text_of(shape->topology),
        .boot = dk_text_of(agent->boot),
        .host = dk_text_of(agent->host),
        .sockets = shape->sockets,
        .threads_per_core = shape->threads_per_core,
        .isolation = dk_text_of(dk_confine_name(agent->confine.level)),
        .version = dk_text_of(options->version),
    };

    return dk_outbox_start(
        &agent->outbox, endpoints_of(agent, options->place->controllers, options->place->control),
        &spec, err);
}

static void say_what(const struct dk_agent *agent)
{
    const struct dk_node_shape *shape = &agent->shape;

    dk_journal(DK_JOURNAL_INFO, "node %s: %d cores, %lld MiB, %d GPUs, isolation %s",
               agent->options->name, shape->cores, (long long)shape->memory_mib, shape->gpus,
               dk_confine_name(agent->confine.level));
    if (shape->remark[0] != '\0')
        dk_journal(DK_JOURNAL_INFO, "%s", shape->remark);
    if (agent->confine.remark[0] != '\0')
        dk_journal(DK_JOURNAL_INFO, "%s", agent->confine.remark);
}

/* The seq of the newest order that is known from before; 0: of none. */
static int64_t newest_order(const struct dk_agent *agent)
{
    int64_t seq = 0;

    for (int i = 0; i < DK_AGENT_BUCKETS; i++)
        for (const struct dk_duty *duty = agent->duties[i]; duty != NULL; duty = duty->next)
            seq = duty->seq > seq ? duty->seq : seq;
    return seq;
}

static enum dk_status begin(struct dk_agent *agent, struct dk_err *err)
{
    enum dk_status status = check_name(agent->options->name, err);

    agent->is_root = geteuid() == 0;
    agent->kill_wait_us = 30000000;
    (void)snprintf(agent->cluster, sizeof(agent->cluster), "docket");
    (void)gethostname(agent->host, sizeof(agent->host) - 1);
    dk_task_boot(agent->boot);
    dk_arena_init(&agent->arena, &dk_heap);
    agent->users = dk_users_create();
    if (status == DK_OK)
        status = open_signals(agent, err);
    if (status == DK_OK)
        status = open_state(agent, err);
    if (status == DK_OK)
        status = dk_node_shape_find(&agent->shape, &agent->options->shape, err);
    if (status == DK_OK)
        status = dk_launcher_start(&agent->launcher, agent->options->program, err);
    if (status != DK_OK)
        return status;
    probe_confine(agent);
    say_what(agent);
    status = start_outbox(agent, err);
    if (status == DK_OK)
        status = dk_agent_recover(agent, err);
    if (status == DK_OK)
        status = dk_inbox_start(
            &agent->inbox,
            endpoints_of(agent, agent->options->place->projectors, agent->options->place->query),
            agent->options->name, newest_order(agent), err);
    return status;
}

/* --- occurrences --- */

static void mend_launcher(struct dk_agent *agent)
{
    struct dk_err err = { 0 };

    dk_journal(DK_JOURNAL_WARNING, "'%s' has ended; it is started anew", agent->options->program);
    if (dk_launcher_again(agent->launcher, &err) != DK_OK) {
        dk_journal(DK_JOURNAL_ERROR, "%s", err.text);
        agent->stopped = true; /* a supervisor starts us anew */
    }
}

/* False: there were none. */
static bool read_news(struct dk_agent *agent)
{
    struct dk_task_news news;
    bool any = false;
    int pid_fd;

    while (dk_launcher_next(agent->launcher, &news, &pid_fd)) {
        struct dk_duty *duty = dk_duty_find(agent, news.job, news.attempt);

        any = true;
        if (duty == NULL) {
            if (pid_fd >= 0)
                (void)close(pid_fd);
        } else if (news.error != 0) {
            if (duty->epilog_runs)
                dk_duty_clean(agent, duty);
            else
                dk_duty_refuse(agent, duty, strerror(news.error));
        } else if (pid_fd >= 0) {
            dk_duty_follow(agent, duty, pid_fd);
        }
    }
    return any;
}

static void take_news(struct dk_agent *agent)
{
    if (!read_news(agent))
        mend_launcher(agent);
}

/* There is another docketd-task: what the one before had not begun is settled as not begun. */
static void follow_launcher(struct dk_agent *agent)
{
    const bool is_first = agent->launcher_made == 0;

    if (agent->launcher_made == dk_launcher_made(agent->launcher))
        return;
    agent->launcher_made = dk_launcher_made(agent->launcher);
    watch(agent, dk_launcher_fd(agent->launcher), &agent->launcher);
    if (is_first)
        return;
    (void)read_news(agent);
    dk_duty_each(agent, dk_duty_send_again);
}

static void take_answers(struct dk_agent *agent)
{
    struct dk_outbox_news news;

    while (dk_outbox_take(agent->outbox, &news))
        dk_agent_answered(agent, &news);
}

static void take_orders(struct dk_agent *agent)
{
    struct dk_delivery *delivery;

    while ((delivery = dk_inbox_take(agent->inbox)) != NULL) {
        dk_agent_obey(agent, delivery);
        dk_delivery_destroy(delivery);
    }
}

static void end_duty(struct dk_agent *agent, struct dk_duty *duty)
{
    dk_duty_end(agent, duty, DK_END_STATE_CANCELLED, agent->kill_wait_us,
                "its node was told to end all jobs");
}

static void take_signals(struct dk_agent *agent)
{
    struct signalfd_siginfo info;

    while (read(agent->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGUSR1) {
            agent->stopped = true;
        } else if (!agent->leaving) {
            dk_journal(DK_JOURNAL_INFO, "all jobs of this node are to end");
            agent->leaving = true;
            agent->leave_us = dk_agent_now_us() + agent->kill_wait_us + LEAVE_US;
            dk_duty_each(agent, end_duty);
        }
    }
}

/* --- time --- */

/* Milliseconds until the next duty's time, rounded up; -1: none. */
static int time_left(const struct dk_agent *agent)
{
    int64_t next = dk_agent_due(agent), now;

    if (agent->leaving && agent->leave_us < next)
        next = agent->leave_us;
    if (next == INT64_MAX)
        return -1;
    now = dk_agent_now_us();
    if (next <= now)
        return 0;
    return next - now > 3600000000 ? 3600000 : (int)((next - now + 999) / 1000);
}

static bool may_leave(const struct dk_agent *agent)
{
    if (!agent->leaving)
        return false;
    if (dk_agent_now_us() >= agent->leave_us)
        return true;
    for (int i = 0; i < DK_AGENT_BUCKETS; i++)
        for (const struct dk_duty *duty = agent->duties[i]; duty != NULL; duty = duty->next)
            if (duty->state == DK_DUTY_STARTING || duty->state == DK_DUTY_RUNNING ||
                duty->state == DK_DUTY_REPORTED)
                return false;
    return true;
}

static void act_on(struct dk_agent *agent, void *which)
{
    if (which == &agent->signals)
        take_signals(agent);
    else if (which == &agent->inbox)
        take_orders(agent);
    else if (which == &agent->outbox)
        take_answers(agent);
    else if (which == &agent->launcher)
        take_news(agent);
    else
        dk_duty_settle(agent, which);
}

static void serve(struct dk_agent *agent)
{
    watch(agent, agent->signals, &agent->signals);
    watch(agent, dk_inbox_fd(agent->inbox), &agent->inbox);
    watch(agent, dk_outbox_fd(agent->outbox), &agent->outbox);
    while (!agent->stopped && !may_leave(agent)) {
        struct epoll_event event;
        int count;

        follow_launcher(agent);
        count = epoll_wait(agent->epoll, &event, 1, time_left(agent));
        if (count > 0)
            act_on(agent, event.data.ptr);
        dk_duty_each(agent, dk_duty_keep_time);
        dk_agent_start_accepted(agent);
    }
}

static void drop(struct dk_agent *agent, struct dk_duty *duty)
{
    char name[64];

    dk_duty_name(duty, name);
    if (duty->state == DK_DUTY_REPORTED || duty->state == DK_DUTY_DONE) /* nothing runs in it */
        (void)dk_confine_close(&agent->confine, name);
    dk_duty_remove(agent, duty);
}

static void close_all(const struct dk_agent *agent)
{
    const int fds[] = { agent->folder, agent->jobs_folder, agent->signals, agent->epoll,
                        agent->lock };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
}

/* Keepers go on. Inbox and outbox stay: their threads use them until the process ends. */
static void finish(struct dk_agent *agent)
{
    if (agent->ledger != NULL)
        (void)dk_ledger_sync(agent->ledger, NULL);
    dk_ledger_close(agent->ledger);
    dk_launcher_stop(agent->launcher);
    dk_duty_each(agent, drop);
    dk_confine_leave(&agent->confine);
    dk_node_shape_release(&agent->shape);
    dk_users_destroy(agent->users);
    dk_arena_release(&agent->arena);
    close_all(agent);
    free(agent);
}

enum dk_status dk_agent_run(const struct dk_agent_options *options, struct dk_err *err)
{
    struct dk_agent *agent = calloc(1, sizeof(*agent));
    enum dk_status status;

    DK_CHECK(agent != NULL);
    agent->options = options;
    agent->folder = agent->jobs_folder = agent->lock = agent->signals = agent->epoll = -1;
    status = begin(agent, err);
    if (status == DK_OK) {
        serve(agent);
        dk_journal(DK_JOURNAL_INFO, "node %s leaves; %u jobs are known", options->name,
                   agent->duty_count);
    }
    finish(agent);
    return status;
}
