/* docketd_projector.c - the executable that folds the log into views and answers questions */
#define _GNU_SOURCE
#include "cli/daemon.h"

#include "net/journal.h"
#include "projections/projector.h"

#include <stddef.h>
#include <unistd.h>

struct projector_values {
    const char *dir, *listen;
    int log_format;
};

static const struct cli_option options[] = {
    { .name = "--dir",
      .kind = CLI_TEXT,
      .argument = "DIR",
      .offset = offsetof(struct projector_values, dir),
      .help = "the cluster's folder; else DOCKET_DIR, else the default place" },
    { .name = "--listen",
      .kind = CLI_TEXT,
      .argument = "HOST:PORT",
      .offset = offsetof(struct projector_values, listen),
      .help =
          "answer there too, who asks being proven by MUNGE; else listen_query of docket.conf" },
    { .name = "--log-format",
      .kind = CLI_CHOICE,
      .argument = DAEMON_LOG_FORMATS,
      .offset = offsetof(struct projector_values, log_format),
      .fallback = "text",
      .help = "how remarks are written to the standard error" },
    { 0 },
};

static int run(const struct cli_command *command, int argc, char **argv)
{
    struct projector_values values;
    struct dk_projector_options projector = { .version = DOCKET_VERSION };
    struct dk_place place;
    struct dk_err err;
    int operands, exit = cli_parse(command, argc, argv, &values, &operands);
    enum dk_status status;

    if (exit != CLI_GO_ON)
        return exit;
    dk_journal_start("projector", values.log_format == 1);
    status = daemon_place(&place, values.dir, "listen_query", values.listen, &err);
    projector.place = &place;
    projector.stop_fd = daemon_stop_fd();
    if (status == DK_OK)
        status = dk_projector_run(&projector, &err);
    (void)close(projector.stop_fd);
    return daemon_exit(status, &err);
}

int main(int argc, char **argv)
{
    static const struct cli_command command = {
        "projector",
        "",
        0,
        0,
        "Fold the log into views and answer questions at DIR/run/query.sock.",
        options,
        run
    };

    return daemon_main(&command, argc, argv);
}
