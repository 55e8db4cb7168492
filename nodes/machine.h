/* machine.h - what the agent's decisions need of the machine under it
 *
 * duty.c, orders.c, settle.c, recover.c and follow.c (the library dk_duties) decide what is to be
 * done and make no system call: what they want done, and what they must know, is asked for here.
 * It exists twice: machine.c and launch.c are the system's; tests/sim/ has machines that are made
 * up, so that the simulator runs the very code that the agent runs.
 */
#ifndef DK_NODES_MACHINE_H
#define DK_NODES_MACHINE_H

#include "nodes/duty.h"

int64_t dk_agent_now_us(void);  /* monotonic */
int64_t dk_agent_wall_us(void); /* since 1970 */
bool dk_machine_random(void *bytes, size_t size);

bool dk_machine_has_ledger(const struct dk_agent *agent);

/* The record `name` ("task", "epilog") in the duty's folder; false: there is none of it. */
bool dk_machine_record(const struct dk_agent *agent, const struct dk_duty *duty, const char *name,
                       struct dk_task_record *record);
/* The same for `task` of a keeper that has made the file and may be about to write into it. */
bool dk_machine_record_soon(const struct dk_agent *agent, const struct dk_duty *duty);
/* Is there a file for it, whatever is in it? */
bool dk_machine_has_record(const struct dk_agent *agent, const struct dk_duty *duty);
/* Makes the file of `task`, empty: a keeper that comes later leaves. False: there is one. */
bool dk_machine_claim(const struct dk_agent *agent, const struct dk_duty *duty);

/* The keeper of the record, if it lives: a pidfd; -1: it is dead. */
int dk_machine_keeper(const struct dk_task_record *record);
/* The agent's loop settles the duty when this keeper has ended. The pidfd becomes the duty's. */
void dk_machine_watch(struct dk_agent *agent, struct dk_duty *duty, int pid_fd);
void dk_machine_unwatch(struct dk_duty *duty);

void dk_machine_signal_all(const struct dk_agent *agent, const struct dk_duty *duty, int signal);
void dk_machine_signal_batch(const struct dk_agent *agent, const struct dk_duty *duty, int signal);
/* Kills what is left of a job that no keeper answers for; false: nothing was. */
bool dk_machine_kill_left(struct dk_agent *agent, const struct dk_duty *duty);
/* Of a job whose keeper has ended: what the keeper could not see. */
void dk_machine_kill_group(const struct dk_agent *agent, const struct dk_duty *duty);
bool dk_machine_was_oom(const struct dk_agent *agent, const struct dk_duty *duty);

/* Folder and groups of the job, and the order to docketd-task; news of the keeper come later. */
enum dk_status dk_machine_launch(struct dk_agent *agent, struct dk_duty *duty, struct dk_err *err);
/* The same for the epilog; false: it can't be. */
bool dk_machine_epilog(struct dk_agent *agent, struct dk_duty *duty);
/* Folder and groups go. */
void dk_machine_remove(struct dk_agent *agent, const struct dk_duty *duty);

/* At start: ends groups, removes folders that no duty has. */
void dk_machine_tidy(struct dk_agent *agent);
void dk_machine_leave_folders(const struct dk_agent *agent);

#endif
