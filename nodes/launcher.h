/* launcher.h - the agent's end of docketd-task (task.h)
 *
 * If docketd-task dies it is started again at the next order; keepers do not mind.
 */
#ifndef DK_NODES_LAUNCHER_H
#define DK_NODES_LAUNCHER_H

#include "base/buf.h"
#include "base/err.h"
#include "nodes/task.h"

struct dk_launcher;

enum dk_status dk_launcher_start(struct dk_launcher **out, const char *program, struct dk_err *err);
void dk_launcher_stop(struct dk_launcher *launcher); /* NULL is fine */

/* `order` is a whole order. DK_IO: docketd-task can't be reached, now or by starting it again. */
enum dk_status dk_launcher_send(struct dk_launcher *launcher, const struct dk_buf *order,
                                struct dk_err *err);

/* To be polled for reading; it changes when docketd-task was started again. */
/* How many docketd-tasks there have been: sending makes another when one has died, and what the
 * earlier one had not begun is for the caller to look after. Then dk_launcher_fd is another, too.
 */
uint32_t dk_launcher_made(const struct dk_launcher *launcher);
/* Another docketd-task; news of the one before are kept. */
enum dk_status dk_launcher_again(struct dk_launcher *launcher, struct dk_err *err);

int dk_launcher_fd(const struct dk_launcher *launcher);

/* The next news; false: none now. *pid_fd belongs to the caller, -1: none. */
bool dk_launcher_next(struct dk_launcher *launcher, struct dk_task_news *news, int *pid_fd);

#endif
