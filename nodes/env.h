/* env.h - the environment of a batch script, and of a hook
 *
 * What the user sent along (the blob), then what says where the script runs: the SLURM_ variables
 * that Slurm 22.05 gives a batch script (the list in tests/unit/nodes/env_test.c), and DOCKET_
 * ones. Ours win over the user's; HOME, USER, LOGNAME, SHELL, PATH and TMPDIR are only filled in.
 *
 *   DOCKET_TASK      AGENT.JOB.ATTEMPT, the first of all: the mark by which processes are found
 * when nothing else is left of them DOCKET_JOB_ID, DOCKET_ATTEMPT, DOCKET_NODE, DOCKET_DIR
 *   SLURM_TASK_PID   room for a number, which the process fills in itself (become.c)
 */
#ifndef DK_NODES_ENV_H
#define DK_NODES_ENV_H

#include "base/buf.h"
#include "event/order.h"
#include "nodes/users.h"

struct dk_env_place {
    const char *node, *cluster, *dir;
    const struct dk_user *user;
};

/* Appends NAME=value texts, each with its NUL, to `out`; returns how many. `sent` is the user's
 * part, NAME=value each ended by a NUL. Without it (hooks) only ours. */
uint32_t dk_env_build(const struct dk_run_job *run, const struct dk_env_place *place,
                      struct dk_bytes sent, bool is_hook, struct dk_buf *out);

/* An agent's name among all of this machine: agents of several clusters may share a node's name.
 * "n1-0a1b2c3d" of the node's name and the cluster's folder. */
enum { DK_ENV_AGENT_SIZE = 96 };
void dk_env_agent(const char *node, const char *dir, char out[DK_ENV_AGENT_SIZE]);

/* "DOCKET_TASK=n1-0a1b2c3d.17.1" into `out`. */
void dk_env_mark(const char *node, const char *dir, int64_t job, int32_t attempt, char out[128]);

#endif
