/* limit.h - who may use how much at a time: the configuration's limits, and what is in use
 *
 * A *usage* is what one of those that limits speak of has: the cluster, a user, an account, a
 * partition, a user in a partition (struct dk_tally). A *group* is the jobs of one user, account
 * and partition: all of them answer to the same usages. Both exist only while the configuration has
 * limits, and only usages of a kind that has one; they are derived from jobs and configuration.
 *
 * A limit that names a user (an account) takes, for each thing that it limits, the place of what
 * EACH_USER (EACH_ACCOUNT) says. All other limits hold side by side.
 *
 * A job over a limit waits, has no reservation and is in nobody's way. While it waits the least
 * that it can start with counts; when it starts, what it gets.
 */
#ifndef DK_SCHED_LIMIT_H
#define DK_SCHED_LIMIT_H

#include "base/table.h"
#include "event/event.h"

struct dk_core;
struct dk_job;
struct dk_demand;

enum dk_resource {
    DK_RESOURCE_ACTIVE, /* jobs pending and running, each task of an array counted */
    DK_RESOURCE_JOBS,   /* running */
    DK_RESOURCE_CORES,
    DK_RESOURCE_GPUS,
    DK_RESOURCE_NODES,
    DK_RESOURCE_MEMORY,
    DK_RESOURCE_COUNT
};

enum dk_usage_kind { /* whose */
                     DK_USAGE_CLUSTER,
                     DK_USAGE_USER,
                     DK_USAGE_ACCOUNT,
                     DK_USAGE_PARTITION,
                     DK_USAGE_USER_IN_PARTITION,
                     DK_USAGE_KINDS
};

struct dk_amounts {
    int64_t of[DK_RESOURCE_COUNT];
};

struct dk_tally {
    struct dk_amounts used, most;     /* most 0: no limit */
    uint8_t scope[DK_RESOURCE_COUNT]; /* enum dk_limit_scope that `most` is from */
    uint32_t holders, free_next;      /* groups */
    uint64_t key;
};

struct dk_group {
    uint32_t user, account, partition;
    uint32_t usages[DK_USAGE_KINDS]; /* DK_SLOT_NONE: no limit of that kind */
    uint32_t holders, free_next;     /* jobs */
    uint64_t key;
    uint64_t full; /* the call of schedule in which it turned out that none of it can start */
};

struct dk_limits {
    bool any;     /* else nothing else of this is in use */
    bool by_node; /* nodes are limited: which nodes a job gets has to be known */
    bool kinds[DK_USAGE_KINDS];
    struct dk_tally *usages;
    uint32_t usage_count, usage_capacity, usage_free;
    struct dk_table usages_by_key;
    struct dk_group *groups; /* [0] is nobody's */
    uint32_t group_count, group_capacity, group_free;
    struct dk_table groups_by_key;
};

/* What keeps a job from starting. */
struct dk_over {
    enum dk_resource resource;
    enum dk_limit_scope scope;
    int64_t most, used, asked;
};

void dk_limits_init(struct dk_limits *limits, const struct dk_alloc *alloc);
void dk_limits_release(struct dk_core *core);
/* After the configuration changed, or a snapshot was read: all of it from the jobs. */
void dk_limits_rebuild(struct dk_core *core);

/* A job comes, or goes; with what it holds, if it runs. Only while there are limits. */
void dk_limits_join(struct dk_core *core, struct dk_job *job);
void dk_limits_leave(struct dk_core *core, struct dk_job *job);
/* So many more jobs of the group are active. */
void dk_limits_active(struct dk_core *core, uint32_t group, int64_t jobs);
/* The group's running jobs hold more (sign 1), or less (-1). */
void dk_limits_running(struct dk_core *core, uint32_t group, const struct dk_amounts *amounts,
                       int sign);

/* The least that a job of this demand starts with. */
struct dk_amounts dk_demand_amounts(const struct dk_demand *demand);
/* What a job holds. */
struct dk_amounts dk_job_amounts(const struct dk_core *core, const struct dk_job *job);
/* May the group have so much more? False: *over says which limit is in the way. */
bool dk_limits_allow(const struct dk_core *core, uint32_t group, const struct dk_amounts *more,
                     struct dk_over *over);
/* May this user submit so many jobs more to this account and partition? */
bool dk_limits_admit(const struct dk_core *core, struct dk_text user, struct dk_text account,
                     uint32_t partition, int64_t jobs, struct dk_over *over);
/* Which limit keeps this job from starting now? NULL: none does. */
const char *dk_limits_reason(const struct dk_core *core, const struct dk_job *job);
/* Slurm's word for waiting because of it: the table is in README.md. */
const char *dk_over_reason(const struct dk_over *over);

#endif
