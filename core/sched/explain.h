/* explain.h - the core says why: what holds a job, its place in the order, its reservation
 *
 * Looking in, for people; no decision is made by these. What a pass would find out is found out by
 * that very pass, with a listener (struct dk_trace in pass.h): the same code that decides, on the
 * same state. What an explanation points to lives in the arena that was passed in; texts are
 * borrowed from the core until it changes.
 *
 * As with schedule, a const core is left as it was; only derived tables and the scratch of passes
 * are touched meanwhile.
 */
#ifndef DK_SCHED_EXPLAIN_H
#define DK_SCHED_EXPLAIN_H

#include "sched/core.h"

/* --- the order --- */

/* What a job's place comes from. multifactor: priority is the sum of the weighted factors, rounded
 * down. Other policies: a single value, number * 2^exponent, which the formula in queue.c orders
 * by. */
struct dk_factors {
    enum dk_policy policy;
    int64_t priority;           /* higher goes first; at least 1; 0: not in the queue */
    int64_t age_us, age_us_max; /* raw: age_us / age_us_max */
    int64_t cores, cores_total; /* raw: cores / cores_total of its domain */
    int64_t partition_priority, partition_whole; /* raw: partition_priority / partition_whole */
    int64_t nice, tier; /* tier: its partition's; a higher one goes before all else */
    int64_t weight_age, weight_size, weight_partition;
    int64_t age, size, partition; /* weighted */
    int64_t number;               /* of the single value */
    int32_t exponent;
};

struct dk_waiting {
    int64_t job;
    const char *reason;   /* as dk_core_job_reason */
    uint32_t position;    /* in its domain, from 1; 0: not eligible */
    uint32_t domain_size; /* eligible jobs there */
    int32_t uid;
    struct dk_text user, partition, account;
    int64_t planned; /* recorded reservation; INT64_MAX: none */
    int64_t wait_us; /* since it became eligible */
    struct dk_factors factors;
};

typedef void dk_waiting_visit(void *context, const struct dk_waiting *waiting);

/* Every job that waits, in one walk: the eligible in order, domain by domain, then the others by
 * id. For many jobs this, never dk_core_job_reason one by one: that ranks the whole queue for each
 * where the order moves with time. */
void dk_core_waiting_each(const struct dk_core *core, int64_t now, dk_waiting_visit *visit,
                          void *context);

/* --- one job --- */

enum dk_hold_kind {
    DK_HOLD_USER,
    DK_HOLD_ADMIN,
    DK_HOLD_BEGIN,       /* time */
    DK_HOLD_DEPENDENCY,  /* job, dependency, condition... */
    DK_HOLD_TASK_LIMIT,  /* limit, in_use, asked, jobs */
    DK_HOLD_PARTITION,   /* number: enum dk_partition_state */
    DK_HOLD_LIMIT,       /* what, scope, whose; limit, in_use, asked, jobs */
    DK_HOLD_UNAVAILABLE, /* would not fit even if all nodes that are up were idle */
    DK_HOLD_RESOURCES,   /* eligible, and does not fit beside what runs */
    DK_HOLD_ORDER        /* eligible, and others are before it */
};

struct dk_hold {
    enum dk_hold_kind kind;
    const char *reason; /* Slurm's word */
    int64_t time;       /* when it is over by itself; 0: it is not */
    int64_t job;        /* DEPENDENCY: the job waited for; 0: all of its name (singleton) */
    enum dk_dependency_kind dependency;
    enum dk_job_state job_state;
    enum { DK_CONDITION_OPEN, DK_CONDITION_SATISFIED, DK_CONDITION_NEVER } condition;
    int64_t delay_us;
    int64_t limit, in_use, asked;
    int32_t number;
    const char *what;          /* LIMIT: "cores", "running jobs"... */
    enum dk_limit_scope scope; /* and who: */
    struct dk_text whose;      /* the user, account or partition that has so much in use */
    int64_t *jobs;             /* by whom: the first of them */
    uint32_t job_count;
    uint64_t jobs_all;
};

enum dk_fit {
    DK_FIT_NOW,      /* room for a task (shaped: for its share) */
    DK_FIT_LATER,    /* jobs are in the way */
    DK_FIT_SMALL,    /* too small, were it idle */
    DK_FIT_FEATURES, /* does not match the constraint, or is excluded */
    DK_FIT_DRAINED,
    DK_FIT_DOWN,
    DK_FIT_LOST /* does not beat */
};

struct dk_node_fit { /* a node of the job's partition, in the order in which nodes are filled */
    struct dk_text name;
    enum dk_fit fit;
    uint32_t cores, cores_free, memory, memory_free, gpus, gpus_free; /* memory: MiB */
    uint32_t tasks;                                                   /* that fit now */
};

struct dk_ahead {
    int64_t job;
    uint32_t position, cores;
    struct dk_text user;
};

struct dk_running {
    int64_t job, end; /* at the latest: start + limit */
    uint32_t cores;
    struct dk_text user;
};

/* What a pass said to its listener. */
struct dk_pass_notes {
    bool listened;      /* there was a pass over the job's domain */
    bool has_head;      /* somebody does not fit, and has a reservation or waits for one */
    int64_t head;       /* the first that does not fit */
    int64_t head_start; /* when it will fit; INT64_MAX: not by any expected end */
    uint64_t extra;     /* cores free then beyond its need */
    bool fits_now;      /* the job asked about fits into what is free, by itself ... */
    bool ends_in_time;  /* ... and would end before the head starts ... */
    bool fits_beside;   /* ... or takes nothing that the head will need */
    int64_t planned;    /* its own start in the plan; INT64_MAX: none */
    bool beyond_depth;  /* it is further back than the pass looks (policy.depth) */
};

struct dk_explanation {
    int64_t job, array_job, submit, eligible, begin, limit_us, start, planned;
    enum dk_job_state state;
    int32_t uid, task, attempt;
    struct dk_text name, user, account, partition, constraint;
    uint32_t nodes, tasks, cores_per_task, tasks_per_node, cores_min; /* asked for */
    uint32_t memory_per_node, memory_per_core, gpus_per_node, gpus_per_task;
    struct dk_text named; /* nodes: a line for each, "+NAME" must have, "-NAME" must not */
    bool exclusive, is_array;
    uint32_t array_waiting, array_live, array_running_max;
    enum dk_backfill backfill;
    int64_t depth;

    const char *reason;
    struct dk_hold *holds; /* every one, worst first */
    uint32_t hold_count;

    uint32_t position, domain_size; /* 0: not in the order */
    struct dk_factors factors;
    struct dk_ahead *ahead; /* the first of those before it */
    uint32_t ahead_count;
    uint64_t ahead_all, ahead_cores;

    struct dk_node_fit *node_fits; /* of its partition */
    uint32_t node_count;
    uint64_t cores_free, cores_open; /* of these */

    struct dk_running *running; /* whose ends it waits for, by end: the first of them */
    uint32_t running_count;
    uint64_t running_all, running_cores;

    struct dk_pass_notes notes;
};

#define DK_EXPLAIN_JOBS_MAX 32u /* listed by name in each of the lists of jobs */

/* False: the core does not know the job (any more). */
bool dk_core_explain(const struct dk_core *core, int64_t job, int64_t now, struct dk_arena *arena,
                     struct dk_explanation *out);

/* For a decision that is to be made again: as dk_core_schedule, and `out` says what the order was
 * and what the pass found out of `job` (for a task: its array). */
void dk_core_schedule_explained(const struct dk_core *core, int64_t now, int64_t job,
                                struct dk_arena *arena, struct dk_explanation *out,
                                struct dk_events *decisions);

/* The same job as things stand now, for instance after some of those decisions were applied: its
 * place, those before it, and the nodes of its partition; the rest of *out stays. */
void dk_core_explain_again(const struct dk_core *core, int64_t job, int64_t now,
                           struct dk_arena *arena, struct dk_explanation *out);

/* --- where a job is --- */

struct dk_node_held {
    struct dk_text name;
    uint32_t cores;
};

/* The nodes that spans of cores lie on (JobPlaced.cores), in the arena. */
uint32_t dk_core_nodes_of(const struct dk_core *core, const struct dk_span *spans, uint32_t count,
                          struct dk_arena *arena, struct dk_node_held **nodes);

/* The task of an array that has started; 0: not known. */
int64_t dk_core_task_find(const struct dk_core *core, int64_t array_job, int32_t task);

/* --- forward --- */

/* Work is counted, not timed: a candidate examined, an entry of the queue that a pass walks over or
 * ranks, each by what it costs, in units of about ten nanoseconds. */
struct dk_forward_bounds {
    uint32_t passes_max;
    uint64_t work_max;
};

struct dk_forward_result {
    bool bounded; /* stopped by a bound: what was not placed may be placed later */
    uint32_t passes;
    uint64_t work;
    int64_t time; /* reached */
};

/* A copy to be changed at will; the caller destroys it. */
struct dk_core *dk_core_copy(const struct dk_core *core, const struct dk_alloc *alloc);

/* Runs a copy forward from `now`: jobs end at their limits (those past it one second from now),
 * nodes stay as they are, nobody asks for anything. `placed` is told each placement; false ends
 * the run. */
void dk_core_forward(struct dk_core *copy, int64_t now, const struct dk_forward_bounds *bounds,
                     bool (*placed)(void *context, const struct dk_event *event), void *context,
                     struct dk_forward_result *result);

#endif
