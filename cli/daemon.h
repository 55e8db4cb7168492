/* daemon.h - what the mains of the daemons have in common */
#ifndef DK_CLI_DAEMON_H
#define DK_CLI_DAEMON_H

#include "cli/command.h"
#include "net/place.h"

#ifndef DOCKET_VERSION
#define DOCKET_VERSION "unknown"
#endif

#define DAEMON_LOG_FORMATS "text|json"

/* A descriptor that becomes readable by SIGTERM or SIGINT, which are blocked from here on, also in
 * threads that start later. */
int daemon_stop_fd(void);

/* The cluster's folder, made if need be; `setting` of docket.conf is `value`, unless that is NULL.
 */
enum dk_status daemon_place(struct dk_place *place, const char *dir, const char *setting,
                            const char *value, struct dk_err *err);

/* Says what went wrong, if anything, and gives the exit status. */
int daemon_exit(enum dk_status status, const struct dk_err *err);

/* A broken check ends the process with a line in the journal. */
void daemon_begin(void);

/* The main of an executable that is one command, "docketd NAME". */
int daemon_main(const struct cli_command *command, int argc, char **argv);

#endif
