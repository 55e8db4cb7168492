/* docketd_up.c - the supervisor (docketd.h) */
#define _GNU_SOURCE
#include "base/buf.h"
#include "base/check.h"
#include "cli/children.h"
#include "cli/docketd.h"
#include "net/client.h"
#include "net/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    NODES_MAX = 16384,
    READY_STEP_MS = 10,
    READY_WAIT_MS = 60000,
    CALL_MS = 2000,
    END_MS = 15000,
    JOBS_END_MS = 90000,
    PROGRAM_SIZE = DK_PLACE_PATH_MAX + 64
};

struct up_values {
    const char *dir, *log, *tcp;
    int64_t nodes, cores, memory, gpus;
    bool detach;
    int log_format;
};

const struct cli_option docketd_up_options[] = {
    { .name = "--dir",
      .kind = CLI_TEXT,
      .argument = "DIR",
      .offset = offsetof(struct up_values, dir),
      .help = "the cluster's folder, made if need be; else DOCKET_DIR, else the default place" },
    { .name = "--log",
      .kind = CLI_TEXT,
      .argument = "ADDRESS",
      .offset = offsetof(struct up_values, log),
      .help = "where a new cluster's log is, kafka://BROKERS/PREFIX; kept in DIR/docket.conf; else "
              "DIR/log" },
    { .name = "--nodes",
      .kind = CLI_NUMBER,
      .argument = "N",
      .offset = offsetof(struct up_values, nodes),
      .fallback = "1",
      .least = 1,
      .most = NODES_MAX,
      .help = "how many agents: 1 is this machine under its own name; more are n1, n2..., each "
              "with a share of it" },
    { .name = "--cores-per-node",
      .kind = CLI_NUMBER,
      .argument = "CORES",
      .offset = offsetof(struct up_values, cores),
      .least = 0,
      .most = 4096,
      .help = "emulated nodes of so many cores, whatever this machine has; 0: real shares" },
    { .name = "--memory-per-node",
      .kind = CLI_NUMBER,
      .argument = "MIB",
      .offset = offsetof(struct up_values, memory),
      .least = 0,
      .most = INT64_C(1) << 40,
      .help = "memory that each node offers; 0: its share of the machine's" },
    { .name = "--gpus-per-node",
      .kind = CLI_NUMBER,
      .argument = "N",
      .offset = offsetof(struct up_values, gpus),
      .least = -1,
      .most = 64,
      .fallback = "-1",
      .help = "GPUs that each node says it has; -1: those that it finds" },
    { .name = "--tcp",
      .kind = CLI_TEXT,
      .argument = "HOST:PORT",
      .offset = offsetof(struct up_values, tcp),
      .help = "the projector answers there too, who asks being proven by MUNGE (but for /metrics); "
              "else listen_query of docket.conf" },
    { .name = "--detach",
      .kind = CLI_FLAG,
      .offset = offsetof(struct up_values, detach),
      .help = "return when the cluster is up; remarks go to files in DIR/logs" },
    { .name = "--log-format",
      .kind = CLI_CHOICE,
      .argument = DAEMON_LOG_FORMATS,
      .offset = offsetof(struct up_values, log_format),
      .fallback = "text",
      .help = "how remarks are written" },
    { 0 },
};

struct supervisor {
    struct up_values values;
    struct dk_place place;
    struct children children;
    int lock_fd, signal_fd;
    int ready_fd; /* of a caller that waits for us to be up; -1: none */
    bool is_up, end_jobs;
    int64_t begun_us;
    char programs[3][PROGRAM_SIZE]; /* docketd, docketd-projector, docketd-node */
    char list_path[PROGRAM_SIZE], logs_dir[PROGRAM_SIZE];
};

/* --- who is to run --- */

static enum dk_status find_programs(struct supervisor *supervisor, struct dk_err *err)
{
    static const char *const endings[] = { "", "-projector", "-node" };
    char self[DK_PLACE_PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (size < 0)
        return dk_fail(err, DK_IO, "where this program is: %s", strerror(errno));
    self[size] = '\0';
    for (int i = 0; i < 3; i++) {
        (void)snprintf(supervisor->programs[i], PROGRAM_SIZE, "%s%s", self, endings[i]);
        if (access(supervisor->programs[i], X_OK) != 0)
            return dk_fail(err, DK_NOT_FOUND, "'%s': %s; it belongs beside docketd",
                           supervisor->programs[i], strerror(errno));
    }
    return DK_OK;
}

static void add_common(const struct supervisor *supervisor, struct child *child)
{
    child_word(child, "--dir");
    child_word(child, "%s", supervisor->place.dir);
    child_word(child, "--log-format");
    child_word(child, "%s", supervisor->values.log_format == 1 ? "json" : "text");
}

/* An emulated node's share of this machine's memory, at least 1 GiB. */
static int64_t share_mib(int64_t nodes)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    int64_t share = pages > 0 && page > 0 ? pages / 1024 * page / 1024 / nodes : 0;

    return share > 1024 ? share : 1024;
}

static void add_node(struct supervisor *supervisor, int64_t number, const char *host)
{
    const struct up_values *values = &supervisor->values;
    char name[CHILD_NAME_SIZE - 8], title[CHILD_NAME_SIZE];
    struct child *child;

    if (values->nodes == 1)
        (void)snprintf(name, sizeof(name), "%.60s", host);
    else
        (void)snprintf(name, sizeof(name), "n%lld", (long long)number);
    (void)snprintf(title, sizeof(title), "node %s", name);
    child = children_add(&supervisor->children, title, supervisor->programs[2]);
    child_word(child, "docketd-node");
    add_common(supervisor, child);
    child_word(child, "--name");
    child_word(child, "%s", name);
    if (values->cores > 0) {
        child_word(child, "--topology");
        child_word(child, "Package:1 Core:%lld PU:1", (long long)values->cores);
    } else if (values->nodes > 1) {
        child_word(child, "--share");
        child_word(child, "%lld/%lld", (long long)number, (long long)values->nodes);
    }
    if (values->memory > 0 || values->cores > 0) {
        child_word(child, "--memory");
        child_word(child, "%lld",
                   (long long)(values->memory > 0 ? values->memory : share_mib(values->nodes)));
    }
    if (values->gpus >= 0) {
        child_word(child, "--gpus");
        child_word(child, "%lld", (long long)values->gpus);
    }
}

static void add_children(struct supervisor *supervisor)
{
    char host[256] = "localhost", *dot;
    struct child *child;

    (void)gethostname(host, sizeof(host) - 1);
    dot = strchr(host, '.');
    if (dot != NULL && dot != host)
        *dot = '\0';
    children_init(&supervisor->children, (uint32_t)supervisor->values.nodes + 2,
                  supervisor->list_path, supervisor->values.detach ? supervisor->logs_dir : NULL);
    child = children_add(&supervisor->children, "controller", supervisor->programs[0]);
    child_word(child, "docketd");
    child_word(child, "controller");
    add_common(supervisor, child);
    child = children_add(&supervisor->children, "projector", supervisor->programs[1]);
    child_word(child, "docketd-projector");
    add_common(supervisor, child);
    if (supervisor->values.tcp != NULL) {
        child_word(child, "--listen");
        child_word(child, "%s", supervisor->values.tcp);
    }
    for (int64_t number = 1; number <= supervisor->values.nodes; number++)
        add_node(supervisor, number, host);
}

/* --- are we up? --- */

static bool ask(const char *socket, const char *target, struct dk_reply *reply)
{
    struct dk_client *client;
    struct dk_err err;
    bool good = false;

    if (dk_client_open(&client, socket, &err) != DK_OK)
        return false;
    good = dk_client_call(client, "GET", target, NULL, NULL, 0, CALL_MS, reply, &err) == DK_OK &&
           reply->status == 200;
    dk_client_close(client);
    return good;
}

/* How many of the nodes have registered and are well, by the projector's list. */
static int64_t nodes_well(struct supervisor *supervisor, struct dk_reply *reply)
{
    int64_t well = 0;
    const char *line, *end;

    if (!ask(supervisor->place.query, "/v1/nodes?fields=state&format=tsv", reply))
        return -1;
    line = (const char *)reply->body.data;
    end = line + reply->body.size;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t size = (size_t)((stop != NULL ? stop : end) - line);

        if ((size < 4 || memcmp(line, "DOWN", 4) != 0) &&
            (size < 4 || memcmp(line, "LOST", 4) != 0) &&
            (size < 7 || memcmp(line, "UNKNOWN", 7) != 0))
            well++;
        line += size + 1;
    }
    return well;
}

/* The controller makes the log; the others need it. One on Kafka answers before that. */
static bool controller_serves(struct supervisor *supervisor)
{
    struct dk_reply reply;
    bool good;

    dk_buf_init(&reply.body, &dk_heap, 1 << 20);
    good = ask(supervisor->place.control, "/v1/status", &reply) &&
           memmem(reply.body.data, reply.body.size, "\"epoch\":0,", 10) == NULL;
    dk_buf_release(&reply.body);
    return good;
}

static bool all_serve(struct supervisor *supervisor)
{
    struct dk_reply reply;
    bool good;

    dk_buf_init(&reply.body, &dk_heap, 64 << 20);
    good = nodes_well(supervisor, &reply) >= supervisor->values.nodes;
    dk_buf_release(&reply.body);
    return good;
}

static void tell_caller(struct supervisor *supervisor, const char *text)
{
    if (supervisor->ready_fd < 0)
        return;
    if (write(supervisor->ready_fd, text, strlen(text)) < 0)
        dk_journal(DK_JOURNAL_WARNING, "who started us is gone");
    (void)close(supervisor->ready_fd);
    supervisor->ready_fd = -1;
}

/* One look; milliseconds until the next, -1: none is needed. */
static int look_whether_up(struct supervisor *supervisor)
{
    struct children *children = &supervisor->children;
    int64_t took_ms = (children_now_us() - supervisor->begun_us) / 1000;

    if (supervisor->is_up)
        return -1;
    if (children->items[1].pid == 0 && children->items[1].due_us == 0 &&
        controller_serves(supervisor)) {
        for (uint32_t i = 1; i < children->count; i++)
            children->items[i].due_us = 1; /* at once */
        return 0;
    }
    if (children->items[1].pid != 0 && all_serve(supervisor)) {
        supervisor->is_up = true;
        dk_journal(DK_JOURNAL_INFO, "up in %s: %lld node%s, after %lld ms", supervisor->place.dir,
                   (long long)supervisor->values.nodes, supervisor->values.nodes == 1 ? "" : "s",
                   (long long)took_ms);
        tell_caller(supervisor, "up");
        return -1;
    }
    if (took_ms > READY_WAIT_MS) {
        supervisor->is_up = true; /* not looked at any more */
        dk_journal(DK_JOURNAL_WARNING, "not all parts serve after %d s; still trying",
                   READY_WAIT_MS / 1000);
        tell_caller(supervisor, "not all parts serve yet; see the files in logs/");
    }
    return READY_STEP_MS;
}

/* --- the loop --- */

static bool take_signals(struct supervisor *supervisor)
{
    struct signalfd_siginfo info;
    bool stop = false;

    while (read(supervisor->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            children_reap(&supervisor->children);
        else
            stop = true;
        if (info.ssi_signo == SIGUSR1)
            supervisor->end_jobs = true;
    }
    return stop;
}

static int sooner(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

static void keep_alive(struct supervisor *supervisor)
{
    bool stop = false;

    while (!stop) {
        int due = children_start_due(&supervisor->children);
        int look = look_whether_up(supervisor);
        struct pollfd fd = { .fd = supervisor->signal_fd, .events = POLLIN };

        if (poll(&fd, 1, sooner(due, look)) > 0)
            stop = take_signals(supervisor);
    }
}

/* Agents first, whose last reports the controller takes; the projector last, which then has all. */
static void end_all(struct supervisor *supervisor)
{
    struct children *children = &supervisor->children;

    children->stopping = true;
    dk_journal(DK_JOURNAL_INFO, "ending%s",
               supervisor->end_jobs ? ", and all running jobs" : "; running jobs go on");
    children_end(children, "node", supervisor->end_jobs ? SIGUSR1 : SIGTERM,
                 supervisor->end_jobs ? JOBS_END_MS : END_MS);
    children_end(children, "controller", SIGTERM, END_MS);
    children_end(children, "projector", SIGTERM, END_MS);
    (void)unlink(supervisor->list_path);
}

static void block_signals(struct supervisor *supervisor)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGCHLD);
    DK_CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    supervisor->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    DK_CHECK(supervisor->signal_fd >= 0);
}

static int supervise(struct supervisor *supervisor)
{
    char pid[32];
    struct dk_err err;
    int size = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());

    dk_journal_start("docketd", supervisor->values.log_format == 1);
    supervisor->begun_us = children_now_us();
    if (ftruncate(supervisor->lock_fd, 0) != 0 ||
        pwrite(supervisor->lock_fd, pid, (size_t)size, 0) != size)
        dk_journal(DK_JOURNAL_WARNING, "run/docketd.pid: %s", strerror(errno));
    block_signals(supervisor);
    children_end_left_over(supervisor->list_path);
    add_children(supervisor);
    if (child_start(&supervisor->children, &supervisor->children.items[0], &err) != DK_OK)
        dk_journal(DK_JOURNAL_ERROR, "%s", err.text);
    keep_alive(supervisor);
    end_all(supervisor);
    tell_caller(supervisor, "ended while it was starting");
    children_release(&supervisor->children);
    return CLI_EXIT_OK;
}

/* --- in the background --- */

static int wait_until_up(const struct supervisor *supervisor, int fd)
{
    char text[256];
    ssize_t size = 0, got;

    while ((got = read(fd, text + size, sizeof(text) - 1 - (size_t)size)) > 0)
        size += got;
    text[size] = '\0';
    (void)close(fd);
    if (strcmp(text, "up") == 0)
        return CLI_EXIT_OK;
    (void)fprintf(stderr, "docketd: %s (%s)\n",
                  size > 0 ? text : "it ended at once; see the files there", supervisor->logs_dir);
    return CLI_EXIT_WORLD;
}

static int detach(struct supervisor *supervisor)
{
    char path[PROGRAM_SIZE + 16];
    int fds[2], log;
    pid_t pid;

    DK_CHECK(pipe2(fds, O_CLOEXEC) == 0);
    pid = fork();
    if (pid < 0) {
        (void)fprintf(stderr, "docketd: %s\n", strerror(errno));
        return CLI_EXIT_WORLD;
    }
    if (pid > 0) {
        (void)close(fds[1]);
        return wait_until_up(supervisor, fds[0]);
    }
    (void)close(fds[0]);
    (void)setsid();
    (void)snprintf(path, sizeof(path), "%s/docketd.log", supervisor->logs_dir);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log >= 0) {
        (void)dup2(log, STDOUT_FILENO);
        (void)dup2(log, STDERR_FILENO);
        (void)close(log);
    }
    log = open("/dev/null", O_RDONLY);
    if (log >= 0)
        (void)dup2(log, STDIN_FILENO);
    supervisor->ready_fd = fds[1];
    return supervise(supervisor);
}

int docketd_up(const struct cli_command *command, int argc, char **argv)
{
    static struct supervisor supervisor = { .ready_fd = -1 };
    struct dk_err err;
    int operands, pid, exit = cli_parse(command, argc, argv, &supervisor.values, &operands);
    enum dk_status status;

    if (exit != CLI_GO_ON)
        return exit;
    status = find_programs(&supervisor, &err);
    if (status == DK_OK)
        status = dk_place_find(&supervisor.place, supervisor.values.dir, true, &err);
    if (status == DK_OK)
        status = dk_place_make(&supervisor.place, &err);
    if (status == DK_OK && supervisor.values.log != NULL)
        status = dk_place_keep_log(&supervisor.place, supervisor.values.log, &err);
    if (status == DK_OK)
        status = docketd_lock(&supervisor.place, &supervisor.lock_fd, &pid, &err);
    if (status == DK_OK && pid != 0)
        status = dk_fail(&err, DK_BUSY,
                         "a cluster is up in '%s' already (docketd, process %d); 'docketd down "
                         "--dir %s' ends it",
                         supervisor.place.dir, pid, supervisor.place.dir);
    if (status != DK_OK)
        return cli_fail(&err);
    dk_place_path(&supervisor.place, "run/children", supervisor.list_path);
    dk_place_path(&supervisor.place, "logs", supervisor.logs_dir);
    return supervisor.values.detach ? detach(&supervisor) : supervise(&supervisor);
}
