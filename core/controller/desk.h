/* desk.h - calls of this process, straight to the leader: how requests come in on the file log
 *
 *     intake -> desk -> leader -> (durable) -> answers
 *
 * Calls are admitted whole and in order; while the leader waits for the disk, calls gather and
 * share the next batch and its one sync. All by the controller's thread.
 */
#ifndef DK_CONTROLLER_DESK_H
#define DK_CONTROLLER_DESK_H

#include "controller/intake.h"
#include "controller/leader.h"
#include "controller/secrets.h"

struct dk_desk;

/* Both are borrowed. */
struct dk_desk *dk_desk_create(struct dk_intake *intake, struct dk_secrets *secrets);
void dk_desk_destroy(struct dk_desk *desk); /* it holds no call any more; NULL is fine */

/* Takes what the intake has; true: there are calls to admit. */
bool dk_desk_take(struct dk_desk *desk);

/* Admits calls into the open batch until it is large enough. DK_FULL: no room for a script: the
 * call's batch is open still. */
enum dk_status dk_desk_admit(struct dk_desk *desk, struct dk_leader *leader, struct dk_err *err);

/* Scripts first: what the log speaks of is there. */
enum dk_status dk_desk_sync(struct dk_desk *desk, struct dk_err *err);

/* What was admitted is durable: answers it, when what was to be forgotten is forgotten. */
enum dk_status dk_desk_answer(struct dk_desk *desk, int64_t seq, struct dk_err *err);

/* Answers every call that it holds with this failure. */
void dk_desk_fail(struct dk_desk *desk, int status, const char *reason, const char *detail);

uint64_t dk_desk_requests(const struct dk_desk *desk); /* that were admitted so far */

#endif
