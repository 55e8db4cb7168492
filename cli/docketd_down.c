/* docketd_down.c - ends a cluster in good order */
#define _GNU_SOURCE
#include "cli/children.h"
#include "cli/docketd.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STEP_MS = 5 };

struct down_values {
    const char *dir;
    bool jobs;
};

const struct cli_option docketd_down_options[] = {
    { .name = "--dir",
      .kind = CLI_TEXT,
      .argument = "DIR",
      .offset = offsetof(struct down_values, dir),
      .help = "the cluster's folder; else DOCKET_DIR, else the default place" },
    { .name = "--jobs",
      .kind = CLI_FLAG,
      .offset = offsetof(struct down_values, jobs),
      .help = "end all running jobs too; else they go on, and are found again by the next 'docketd "
              "up'" },
    { 0 },
};

/* Until the supervisor has let go of its lock. */
static enum dk_status wait_for_end(const struct dk_place *place, int pid, struct dk_err *err)
{
    for (;;) {
        int fd, now;
        enum dk_status status = docketd_lock(place, &fd, &now, err);

        if (status != DK_OK)
            return status;
        (void)close(fd);
        if (now != pid)
            return DK_OK;
        (void)nanosleep(&(struct timespec){ .tv_nsec = STEP_MS * 1000000 }, NULL);
    }
}

int docketd_down(const struct cli_command *command, int argc, char **argv)
{
    struct down_values values;
    struct dk_place place;
    struct dk_err err;
    char list[DK_PLACE_PATH_MAX + 64];
    int operands, fd, pid = 0, exit = cli_parse(command, argc, argv, &values, &operands);
    enum dk_status status;

    if (exit != CLI_GO_ON)
        return exit;
    status = dk_place_find(&place, values.dir, false, &err);
    if (status == DK_OK)
        status = docketd_lock(&place, &fd, &pid, &err);
    if (status == DK_NOT_FOUND)
        (void)dk_fail(&err, DK_NOT_FOUND, "there is no cluster in '%s'", place.dir);
    if (status != DK_OK)
        return cli_fail(&err);
    if (pid == 0) { /* no supervisor: its children may have outlived it */
        dk_place_path(&place, "run/children", list);
        children_end_left_over(list);
        (void)close(fd);
        (void)fprintf(stderr, "docketd: no cluster is up in '%s'\n", place.dir);
        return CLI_EXIT_OK;
    }
    (void)close(fd);
    if (kill(pid, values.jobs ? SIGUSR1 : SIGTERM) != 0) {
        (void)dk_fail(&err, DK_IO, "the supervisor, process %d: %s", pid, strerror(errno));
        return cli_fail(&err);
    }
    status = wait_for_end(&place, pid, &err);
    return status == DK_OK ? CLI_EXIT_OK : cli_fail(&err);
}
