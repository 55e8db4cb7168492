/* docketd.h - the functions and options behind the table in docketd.c
 *
 * `docketd up` is the supervisor: it starts controller, projector and agents as children, keeps
 * them alive, and ends them in order. It keeps nothing itself: killed, its children go on, and the
 * next `docketd up` of the same folder ends those and starts its own (running jobs are the agents',
 * not theirs).
 *
 *     DIR/run/docketd.pid    locked as long as a supervisor lives; its process number
 *     DIR/run/children       process number, start time and name of each child
 */
#ifndef DK_CLI_DOCKETD_H
#define DK_CLI_DOCKETD_H

#include "cli/daemon.h"
#include "net/place.h"

int docketd_up(const struct cli_command *command, int argc, char **argv);
int docketd_down(const struct cli_command *command, int argc, char **argv);
int docketd_controller(const struct cli_command *command, int argc, char **argv);

extern const struct cli_option docketd_up_options[];
extern const struct cli_option docketd_down_options[];
extern const struct cli_option docketd_controller_options[];

/* DIR/run/docketd.pid, made if need be. *fd is open and, where *pid is 0, locked by us; else *pid
 * is the supervisor that lives there. */
enum dk_status docketd_lock(const struct dk_place *place, int *fd, int *pid, struct dk_err *err);

#endif
