/* confine.h - what a job may use, held by the kernel: three levels, probed at start
 *
 *   cgroup2  a delegated subtree: memory.max, cpuset.cpus, cpu.weight; cgroup.kill
 *   cgroup1  freezer (to know and kill all of a job), cpuset, and memory for jobs that have a limit
 *   none     no cgroups: sessions, the keeper as subreaper, RLIMIT_DATA, affinity. A job that wants
 * more memory than it has gets ENOMEM then, and does not end as OUT_OF_MEMORY.
 *
 * Each job has a group BASE/JOB.ATTEMPT in each hierarchy used, under a BASE of this agent:
 * <own cgroup>/docket/ID, where ID tells agents of other clusters apart. The keeper stays outside;
 * the script's process writes itself into the groups before it becomes the user.
 */
#ifndef DK_NODES_CONFINE_H
#define DK_NODES_CONFINE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum dk_confine_level { DK_CONFINE_NONE, DK_CONFINE_CGROUP1, DK_CONFINE_CGROUP2 };

enum { DK_CONFINE_PATH = 1024, DK_CONFINE_GROUPS = 3 };

struct dk_confine {
    enum dk_confine_level level;
    uint32_t count;                                /* of hierarchies used */
    char base[DK_CONFINE_GROUPS][DK_CONFINE_PATH]; /* v1: freezer, cpuset, memory; v2: the one */
    char remark[256]; /* why not a better level; empty: it is the best */
};

/* What a job gets. */
struct dk_confine_share {
    int64_t memory_mib;   /* 0: no limit */
    const uint32_t *cpus; /* hardware threads */
    uint32_t cpu_count;   /* 0: any */
    int32_t cores;        /* for cpu.weight */
};

const char *dk_confine_name(enum dk_confine_level level); /* "cgroup2" */

/* Finds the best level up to `level_max` and makes the base. `own_groups` is a file like
 * /proc/self/cgroup and `mounts` one like /proc/self/mountinfo: tests have their own. */
void dk_confine_probe(struct dk_confine *confine, const char *id, enum dk_confine_level level_max,
                      const char *own_groups, const char *mounts);

/* Makes the groups of a job. procs: paths of the files a process writes "0" to, count of them. */
enum dk_status dk_confine_open(const struct dk_confine *confine, const char *job,
                               const struct dk_confine_share *share,
                               char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH], uint32_t *count,
                               struct dk_err *err);

/* Was a process of the job killed for memory? */
bool dk_confine_oom(const struct dk_confine *confine, const char *job);

/* Sends `signal` to all in the job's groups; SIGKILL leaves nobody out. Returns how many. */
uint32_t dk_confine_signal(const struct dk_confine *confine, const char *job, int signal);

/* Kills what is left and removes the groups; false: something is still in them (try again). */
bool dk_confine_close(const struct dk_confine *confine, const char *job);

/* Removes the base, if no job is in it: at the agent's end. */
void dk_confine_leave(const struct dk_confine *confine);

/* Calls `visit` with the name of each group in the base: at start, for those of forgotten jobs. */
void dk_confine_each(const struct dk_confine *confine,
                     void (*visit)(void *context, const char *job), void *context);

#endif
