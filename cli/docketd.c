/* docketd.c - the daemons: `docketd up` and `down` for the whole, one command for each part
 *
 * The controller is in this executable; `docketd projector` and `docketd node` run
 * docketd-projector and docketd-node beside it, so that RocksDB and hwloc are loaded by those alone
 * who use them. */
#define _GNU_SOURCE
#include "cli/docketd.h"

#include "controller/controller.h"
#include "net/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NUMBER_TRIES = 400, NUMBER_STEP_US = 5000 };

struct controller_values {
    const char *dir, *listen;
    int log_format;
};

const struct cli_option docketd_controller_options[] = {
    { .name = "--dir",
      .kind = CLI_TEXT,
      .argument = "DIR",
      .offset = offsetof(struct controller_values, dir),
      .help = "the cluster's folder; else DOCKET_DIR, else the default place" },
    { .name = "--listen",
      .kind = CLI_TEXT,
      .argument = "HOST:PORT",
      .offset = offsetof(struct controller_values, listen),
      .help =
          "take requests there too, who asks being proven by MUNGE; else listen of docket.conf" },
    { .name = "--log-format",
      .kind = CLI_CHOICE,
      .argument = DAEMON_LOG_FORMATS,
      .offset = offsetof(struct controller_values, log_format),
      .fallback = "text",
      .help = "how remarks are written to the standard error" },
    { 0 },
};

static int docketd_help(const struct cli_command *command, int argc, char **argv);

static const struct cli_option no_options[] = { { 0 } };

static const struct cli_command commands[] = {
    { "up", "", 0, 0,
      "Run a whole cluster on this machine: controller, projector and agents, kept alive.",
      docketd_up_options, docketd_up },
    { "down", "", 0, 0, "End a cluster in good order; running jobs go on unless --jobs is given.",
      docketd_down_options, docketd_down },
    { "controller", "", 0, 0,
      "Run the controller alone: requests in, batches into the log, answers out.",
      docketd_controller_options, docketd_controller },
    { "help", "", 0, 0, "Print the commands.", no_options, docketd_help },
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_commands(FILE *file)
{
    (void)fprintf(file, "docketd - docket's daemons\n\nusage: docketd COMMAND [OPTION]...\n\n"
                        "commands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        (void)fprintf(file, "  %-12s %s\n", commands[i].name, commands[i].summary);
    (void)fprintf(file,
                  "  %-12s %s\n  %-12s %s\n\n'docketd COMMAND --help' prints the options of a "
                  "command.\n",
                  "projector", "Run docketd-projector: answers questions.", "node",
                  "Run docketd-node: the agent of a node.");
}

static int docketd_help(const struct cli_command *command, int argc, char **argv)
{
    int operands, status = cli_parse(command, argc, argv, NULL, &operands);

    if (status == CLI_GO_ON)
        print_commands(stdout);
    return status == CLI_GO_ON ? CLI_EXIT_OK : status;
}

int docketd_controller(const struct cli_command *command, int argc, char **argv)
{
    struct controller_values values;
    struct dk_controller_options options = { .version = DOCKET_VERSION };
    struct dk_place place;
    struct dk_err err;
    int operands, exit = cli_parse(command, argc, argv, &values, &operands);
    enum dk_status status;

    if (exit != CLI_GO_ON)
        return exit;
    dk_journal_start("controller", values.log_format == 1);
    status = daemon_place(&place, values.dir, "listen", values.listen, &err);
    options.place = &place;
    options.stop_fd = daemon_stop_fd();
    if (status == DK_OK)
        status = dk_controller_run(&options, &err);
    (void)close(options.stop_fd);
    return daemon_exit(status, &err);
}

/* Ours: the number of one who is gone is not left for anybody to send a signal to. */
static bool lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return false;
    if (ftruncate(fd, 0) != 0)
        dk_journal(DK_JOURNAL_WARNING, "run/docketd.pid: %s", strerror(errno));
    return true;
}

enum dk_status docketd_lock(const struct dk_place *place, int *fd, int *pid, struct dk_err *err)
{
    char path[DK_PLACE_PATH_MAX + 64], text[32] = "";

    *pid = 0;
    dk_place_path(place, "run/docketd.pid", path);
    /* Whoever may read a file may lock it, too: nobody but us. */
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd < 0)
        return dk_fail(err, errno == ENOENT ? DK_NOT_FOUND : DK_IO, "'%s': %s", path,
                       strerror(errno));
    (void)fchmod(*fd, 0600);
    for (int tries = 0; tries < NUMBER_TRIES; tries++) {
        if (lock(*fd))
            return DK_OK;
        if (pread(*fd, text, sizeof(text) - 1, 0) > 0) {
            *pid = (int)strtol(text, NULL, 10);
            return DK_OK;
        }
        /* It was taken a moment ago: by one who looks, or who is about to say who it is. */
        (void)nanosleep(&(struct timespec){ .tv_nsec = NUMBER_STEP_US * 1000 }, NULL);
    }
    (void)close(*fd);
    return dk_fail(err, DK_BUSY, "who has locked '%s' does not say its number", path);
}

/* `docketd projector ...` is `docketd-projector ...`, of the same folder as this executable. */
static int run_part(const char *part, char **argv)
{
    char path[DK_PLACE_PATH_MAX + 64];
    ssize_t size = readlink("/proc/self/exe", path, DK_PLACE_PATH_MAX);

    if (size > 0) {
        path[size] = '\0';
        (void)snprintf(path + size, sizeof(path) - (size_t)size, "-%s", part);
        argv[0] = path;
        (void)execv(path, argv);
    }
    (void)fprintf(stderr, "docketd: '%s' can't be run: %s\n", path, strerror(errno));
    return CLI_EXIT_WORLD;
}

int main(int argc, char **argv)
{
    daemon_begin();
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_commands(argc < 2 ? stderr : stdout);
        return cli_finish(argc < 2 ? CLI_EXIT_USAGE : CLI_EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("docketd %s\n", DOCKET_VERSION);
        return cli_finish(CLI_EXIT_OK);
    }
    if (strcmp(argv[1], "projector") == 0 || strcmp(argv[1], "node") == 0)
        return run_part(argv[1], argv + 1);
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, argv[1]) == 0)
            return cli_finish(commands[i].run(&commands[i], argc - 2, argv + 2));
    }
    (void)fprintf(stderr, "docketd: unknown command '%s'\ntry 'docketd help'\n", argv[1]);
    return CLI_EXIT_USAGE;
}
