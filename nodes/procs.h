/* procs.h - the processes of a job, found through /proc
 *
 * A keeper is the subreaper of its job, so all of the job descends from it whatever forks away or
 * makes a session of its own. Children are found by the parent's number in /proc/PID/stat: not
 * every kernel has /proc/PID/task/TID/children. A process is signalled by pidfd after its parent
 * was looked at once more, so a number that was given to another meanwhile does no harm.
 */
#ifndef DK_NODES_PROCS_H
#define DK_NODES_PROCS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Sends `signal` to all descendants of `root`, but not to it. Returns how many got it. */
uint32_t dk_procs_signal_below(pid_t root, int signal);

/* Sends it to all processes whose environment at their start held `mark` ("NAME=value"): what is
 * left when a keeper was killed. */
uint32_t dk_procs_signal_marked(const char *mark, int signal);

/* By pidfd, if the process started at `start_time` (dk_task_start_time); false: it is gone. */
bool dk_procs_signal_one(pid_t pid, uint64_t start_time, int signal);

#endif
