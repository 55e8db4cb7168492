/* daemon.c - what the mains of the daemons have in common (daemon.h) */
#define _GNU_SOURCE
#include "cli/daemon.h"

#include "base/alloc.h"
#include "base/check.h"
#include "net/journal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

int daemon_stop_fd(void)
{
    sigset_t set;
    int fd;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    DK_CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    DK_CHECK(fd >= 0);
    return fd;
}

enum dk_status daemon_place(struct dk_place *place, const char *dir, const char *setting,
                            const char *value, struct dk_err *err)
{
    enum dk_status status = dk_place_find(place, dir, true, err);

    if (status == DK_OK)
        status = dk_place_set(place, setting, value, err);
    return status == DK_OK ? dk_place_make(place, err) : status;
}

int daemon_exit(enum dk_status status, const struct dk_err *err)
{
    if (status == DK_OK)
        return CLI_EXIT_OK;
    dk_journal(DK_JOURNAL_ERROR, "%s", err->text);
    return dk_status_exit(status);
}

static void stop_on_bug(const char *condition, const char *file, int line)
{
    dk_journal(DK_JOURNAL_ERROR, "internal error: %s does not hold (%s:%d); please report it",
               condition, file, line);
    _Exit(CLI_EXIT_BUG);
}

void daemon_begin(void)
{
    cli_program = "docketd";
    dk_heap_settle();
    dk_check_set_hook(stop_on_bug);
    (void)signal(SIGPIPE, SIG_IGN);
}

int daemon_main(const struct cli_command *command, int argc, char **argv)
{
    daemon_begin();
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        (void)printf("docketd %s\n", DOCKET_VERSION);
        return cli_finish(CLI_EXIT_OK);
    }
    return cli_finish(command->run(command, argc - 1, argv + 1));
}
