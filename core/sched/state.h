/* state.h - what a core holds; for the files of this folder only
 *
 * One direction: apply.c changes all this, everything else reads it. What is below a
 * "derived" line can be rebuilt from what is above it, is not in the snapshot and not in the
 * digest.
 */
#ifndef DK_SCHED_STATE_H
#define DK_SCHED_STATE_H

#include "base/check.h"
#include "base/fixed.h"
#include "base/table.h"
#include "sched/bitmap.h"
#include "sched/config.h"
#include "sched/core.h"
#include "sched/hash.h"
#include "sched/intern.h"
#include "sched/limit.h"
#include "sched/order_list.h"

#define DK_SLOT_NONE UINT32_MAX
#define DK_TIME_NONE INT64_MIN
#define DK_TIER_SHIFT 104 /* of a key: the bits of its tier (queue.c) */
#define DK_SECOND_US ((int64_t)1000000)

/* Jobs that ended and whose outcome is still known, for dependencies that come late. */
#define DK_OUTCOMES_MAX 1048576u
/* Idempotency keys remembered, oldest forgotten first. */
#define DK_KEYS_MAX 262144u

/* Consecutive cluster-wide numbers. */
struct dk_range {
    uint32_t first, count;
};

struct dk_ranges {
    struct dk_range *items; /* ascending, never adjacent */
    uint32_t count, capacity;
};

/* What a job (or each task of an array) asks for; shared by all that ask the same. */
struct dk_demand {
    uint32_t nodes, tasks, cpus_per_task, tasks_per_node;
    uint32_t memory_per_node, memory_per_cpu; /* MiB */
    uint32_t gpus_per_node, gpus_per_task;
    uint32_t partition, constraint; /* constraint: a text */
    uint32_t exclusive;
    uint32_t named; /* nodes it must or must not have: a text (named.c) */
    /* derived */
    uint32_t cores_min; /* fewest cores that it can start with */
    uint32_t fungible;  /* single cores anywhere: only their number matters */
    uint32_t holders, free_next;
    uint64_t hash, key;
};

enum dk_wait_flags {
    DK_WAIT_HELD_USER = 1,
    DK_WAIT_HELD_ADMIN = 2,
    DK_WAIT_BEGIN = 4,
    DK_WAIT_DEPENDENCY = 8,
    DK_WAIT_NEVER = 16,      /* a dependency that can no longer be satisfied */
    DK_WAIT_PARTITION = 32,  /* partition does not start jobs */
    DK_WAIT_TASK_LIMIT = 64, /* the array runs as many tasks as it may */
    DK_WAIT_NO_TASK = 128    /* all tasks of the array have started */
};

enum dk_job_flags {
    DK_FLAG_REQUEUE = 1,
    DK_FLAG_KILL_INVALID = 2,
    DK_FLAG_DEPENDENCY_ANY = 4,
    DK_FLAG_IN_QUEUE = 8, /* derived */
    DK_FLAG_AGED = 16,    /* derived: in the list of those whose age counts no further */
    DK_FLAG_SINGLETON = 32,
    DK_FLAG_THEN_REQUEUE = 64, /* ending: goes back to the queue */
    DK_FLAG_THEN_HOLD = 128    /* and is held there */
};

/* Tasks of an array that have not started: ascending ranges, taken from the front. */
struct dk_array {
    struct dk_index_range *ranges;
    uint32_t range_count, range_capacity;
    uint32_t running_max; /* 0: no limit */
    uint32_t waiting;     /* tasks in ranges */
    uint32_t live;        /* tasks started and not ended */
    uint32_t ended_well, ended_badly;
    /* derived */
    uint32_t task_first, task_last; /* the live ones by id: slots */
};

struct dk_job {
    int64_t id;
    int64_t submit, eligible, begin, limit_us, start, planned;
    dk_i128 key;    /* in the queue: its place; set when it becomes eligible */
    uint8_t state;  /* enum dk_job_state */
    uint8_t wait;   /* enum dk_wait_flags; 0 and pending: eligible */
    uint8_t flags;  /* enum dk_job_flags */
    uint8_t ending; /* enum dk_end_state that the end will count as */
    uint32_t attempt, partition, demand, name, account, user; /* user: a text */
    int32_t uid, gid, nice, task;                             /* task: array index, -1 */
    int64_t array_job;                                        /* the array it is a task of, 0 */
    struct dk_array *array; /* set for an array that has tasks waiting or live */
    struct dk_ranges cores, gpus;
    uint32_t dependency_first; /* of its own conditions, in the pool */
    uint32_t waiter_first;     /* conditions of other jobs on this one */
    /* derived */
    uint32_t name_next, name_prev;
    uint32_t task_next, task_prev; /* tasks of one array */
    uint32_t group;                /* whose limits it answers to */
    uint64_t hash;                 /* its part of the digest */
};

/* One condition: in the list of the job that has it, and in that of the job it names. */
struct dk_condition {
    uint32_t owner;       /* slot */
    uint32_t owner_next;  /* of the same owner */
    uint32_t target_next; /* of the same target */
    uint32_t target_prev; /* derived */
    uint32_t kind;        /* enum dk_dependency_kind */
    uint32_t state;       /* 0 open, 1 satisfied, 2 never */
    int64_t target;       /* job id */
    int64_t delay_us;
    int64_t
        due; /* AFTER with a delay, once the target started: satisfied from here on; 0: not yet */
};

struct dk_node {
    uint32_t name; /* text */
    uint32_t cores, memory, gpus;
    uint32_t core_first, gpu_first;
    uint32_t feature_count;
    uint32_t features[64]; /* texts, as many as feature_count */
    uint8_t condition;     /* enum dk_node_condition */
    uint8_t lost;          /* set down by the core, comes back by itself when it beats */
    int64_t beat;          /* last heard of */
    /* derived */
    uint64_t hash;
};

struct dk_partition {
    uint32_t name; /* text; 0: a removed one, its number is not used again */
    uint32_t *nodes;
    uint32_t node_count;
    uint8_t all_nodes, is_default, state;
    int64_t limit_us_max, limit_us_default;
    uint32_t nodes_max;
    int32_t priority, tier;
    uint32_t jobs; /* that name it */
    /* derived */
    uint32_t domain;
    uint64_t hash;
};

/* Partitions that share nodes, directly or through others, and all that is scheduled together. */
struct dk_domain {
    struct dk_order_list
        queue; /* eligible jobs in order; for orders that move with time, by submission */
    struct dk_order_list aged;    /* multifactor: those whose age counts no further */
    struct dk_order_list running; /* by expected end */
    uint32_t *nodes;              /* in the order in which they are filled */
    uint32_t node_count;
    struct dk_range *core_ranges; /* of its open nodes, ascending; room for one a node */
    uint32_t core_range_count;
    bool ranges_stale;           /* a node was opened or closed */
    struct dk_bitmap free_nodes; /* by place in `nodes`: those with a free core, while tracked */
    bool tracked;
    uint64_t cores_free, cores_total;
    uint64_t nonfungible;  /* jobs in the queue for which more than a number of cores matters */
    bool node_by_node;     /* several partitions, or GPUs: the number of free cores is not enough */
    bool pass_due;         /* something changed since the last pass */
    bool freed;            /* among that: a job gave its cores back */
    bool late, freed_late; /* a decision changed it: the same holds for the next batch */
};

struct dk_outcome {
    int64_t id; /* 0: none */
    uint8_t good;
};

struct dk_key_entry {
    uint8_t key[16];
    uint32_t key_size;
    int32_t uid;
    int64_t job; /* 0: none */
};

struct dk_timer {
    int64_t time, id;
};

struct dk_heap { /* the earliest first, then the lowest id */
    struct dk_timer *items;
    uint32_t count, capacity;
};

/* Cores core_first ... up to the next segment belong to `node`; a node that comes back with another
 * number of cores gets a new segment, and the old one is retired. */
struct dk_segment {
    uint32_t first, node;
};

/* What one pass writes while it thinks, and what the next may use of it (pass.h). */
struct dk_scratch;

struct dk_core {
    const struct dk_alloc *alloc; /* == &counting */
    struct dk_alloc counting;
    const struct dk_alloc *outer;
    struct dk_core_options options;

    int64_t time; /* of the last event */
    int64_t seq;
    int64_t job_next;
    int64_t requests_next;
    int64_t logic;
    struct dk_policy_spec policy;
    struct dk_config config;

    struct dk_job **job_pages; /* 1,024 a page */
    uint32_t job_page_count, job_free, job_limit;
    uint64_t jobs_pending, jobs_running;
    uint64_t arrays, tasks_waiting; /* derived: arrays count as pending jobs, their tasks here */
    struct dk_table jobs_by_id;

    struct dk_demand *demands;
    uint32_t demand_count, demand_capacity, demand_free;
    struct dk_table demands_by_key;

    struct dk_condition *conditions;
    uint32_t condition_count, condition_capacity, condition_free;

    struct dk_intern texts;

    struct dk_node *nodes;
    uint32_t node_count, node_capacity;
    struct dk_table nodes_by_name; /* by text id */
    uint32_t cores_total, gpus_total;

    struct dk_partition *partitions;
    uint32_t partition_count, partition_capacity;
    uint32_t partition_default; /* DK_SLOT_NONE: none */

    struct dk_outcome *outcomes; /* ring by id */
    uint32_t outcome_capacity;   /* a power of two */
    struct dk_key_entry *keys;   /* ring by order of arrival */
    uint32_t key_capacity;
    uint64_t key_count; /* ever */
    struct dk_table keys_by_hash;

    /* derived */
    uint64_t digest;             /* of all but the counters */
    struct dk_bitmap cores_free; /* held by no job; those of a closed node too */
    struct dk_bitmap gpus_free;
    struct dk_segment *segments;
    uint32_t segment_count, segment_capacity;
    uint8_t *node_open;    /* takes jobs */
    uint32_t *node_place;  /* in its domain's `nodes` */
    uint32_t *node_domain; /* DK_SLOT_NONE: in no partition */
    bool uniform; /* one domain, every node in it and open: a count says all, nodes are not kept up
                   */
    uint32_t *node_cores_free;  /* 0 for a node that is closed */
    uint32_t *node_memory_free; /* MiB, not held by jobs */
    uint32_t *node_gpus_free;
    uint32_t node_work_capacity;
    struct dk_domain *domains;
    uint32_t domain_count;
    bool domains_dirty;    /* nodes or partitions changed; rebuilt before the next use */
    struct dk_heap begins; /* (time, job id): begin times and AFTER delays to come */
    int64_t *doomed;       /* jobs that are to be ended: a dependency can never be satisfied */
    uint32_t doomed_count, doomed_capacity;
    struct dk_heap ages; /* multifactor: when a job is aged */
    int64_t beat_oldest; /* of the nodes that are watched (silence.c) */
    bool beat_oldest_known;
    bool deciding; /* the event being applied is a decision */
    bool dirty_late;
    uint64_t machine; /* version of nodes and partitions */
    struct dk_limits limits;
    uint64_t version; /* of everything a pass depends on but new jobs in the queue */
    uint64_t bytes;
    struct dk_scratch *scratch;
};

/* The next pass over this domain has to look: in this batch, or when a decision changed it, in the
 * next. */
static inline void dk_pass_due(struct dk_core *core, struct dk_domain *domain)
{
    domain->pass_due = true;
    if (core->deciding)
        domain->late = true;
}

static inline void dk_domains_dirty(struct dk_core *core)
{
    core->domains_dirty = true;
    if (core->deciding)
        core->dirty_late = true;
}

/* Makes room for `needed` items of `size` bytes in a growing array. */
void *dk_grow(const struct dk_alloc *alloc, void *items, uint32_t *capacity, uint32_t needed,
              size_t size);

/* --- jobs.c: jobs, demands, names, dependencies, arrays --- */

static inline struct dk_job *dk_job_at(const struct dk_core *core, uint32_t slot)
{
    return &core->job_pages[slot >> 10][slot & 1023];
}

static inline const struct dk_demand *dk_demand_of(const struct dk_core *core,
                                                   const struct dk_job *job)
{
    return &core->demands[job->demand];
}

static inline uint32_t dk_job_slot(const struct dk_core *core, int64_t id)
{
    return id > 0 ? dk_table_find(&core->jobs_by_id, (uint64_t)id) : DK_SLOT_NONE;
}

uint32_t dk_job_new(struct dk_core *core, int64_t id);
void dk_job_drop(struct dk_core *core, uint32_t slot);
/* How many active jobs the user has; *pending of them wait (NULL is fine). Goes through all jobs.
 */
uint32_t dk_jobs_active_of(const struct dk_core *core, int32_t uid, uint32_t *pending);
/* Makes the event what follows for a job whose node is gone: back to the queue, or NODE_FAIL
 * because "node NODE" and `what`. */
void dk_job_lost_node(const struct dk_job *job, struct dk_event *event, struct dk_arena *arena,
                      struct dk_text node, const char *what);
uint32_t dk_demand_hold(struct dk_core *core, const struct dk_demand *wanted);
void dk_demand_drop(struct dk_core *core, uint32_t demand);
/* All but its texts: constraint and named. */
void dk_demand_from_spec(struct dk_demand *demand, const struct dk_job_spec *spec);
void dk_demand_complete(struct dk_demand *demand); /* the derived fields */
void dk_name_link(struct dk_core *core, uint32_t slot);
void dk_name_link_sorted(struct dk_core *core, uint32_t slot); /* not the newest job */
void dk_name_unlink(struct dk_core *core, uint32_t slot);
void dk_task_link(struct dk_core *core, uint32_t slot); /* the newest task of its array */
void dk_task_unlink(struct dk_core *core, uint32_t slot);
/* Jobs pending and running, each task of an array counted. */
static inline uint64_t dk_jobs_active(const struct dk_core *core)
{
    return core->jobs_pending - core->arrays + core->tasks_waiting + core->jobs_running;
}

/* --- queue.c: who is eligible, and in what order --- */

dk_i128 dk_order_key(const struct dk_core *core, const struct dk_job *job);
dk_i128 dk_order_key_aged(const struct dk_core *core, const struct dk_job *job);
dk_i128 dk_order_drift(const struct dk_core *core,
                       int64_t now);             /* key - drift compares with an aged key */
bool dk_order_moves(const struct dk_core *core); /* does the order change as time passes? */
void dk_doomed_push(struct dk_core *core, int64_t job);
void dk_queue_settle(struct dk_core *core,
                     uint32_t slot); /* into or out of the queue, as job->wait says */
void dk_queue_remove(struct dk_core *core, uint32_t slot); /* if it is there */
void dk_queues_rebuild(struct dk_core *core);              /* after a change of policy */
void dk_queue_advance(struct dk_core *core, int64_t time); /* begin times and ages that have come */
void dk_begins_tidy(struct dk_core *core);
void dk_begin_push(struct dk_core *core, int64_t time, int64_t job);
struct dk_domain *dk_job_domain(const struct dk_core *core, const struct dk_job *job);

/* --- depend.c --- */

void dk_depend_add(struct dk_core *core, uint32_t slot, const struct dk_dependency *dependency);
uint32_t dk_condition_new(struct dk_core *core);
void dk_depend_settle(struct dk_core *core, uint32_t slot);  /* its own conditions -> wait flags */
void dk_depend_started(struct dk_core *core, uint32_t slot); /* tell those who wait for it */
void dk_depend_ended(struct dk_core *core, uint32_t slot, bool good);
/* The condition joins those that wait for the target. */
void dk_depend_link(struct dk_core *core, uint32_t condition, uint32_t target);
/* A job of that name and user left it: a singleton may be the oldest by now. */
void dk_depend_name_left(struct dk_core *core, uint32_t name, int32_t uid);
void dk_depend_drop(struct dk_core *core, uint32_t slot); /* forget its own conditions */
const struct dk_outcome *dk_outcome_find(const struct dk_core *core, int64_t id);
void dk_outcome_record(struct dk_core *core, int64_t id, bool good);

/* --- machine.c: nodes, partitions, domains, and what is free --- */

uint32_t dk_node_find(const struct dk_core *core, struct dk_text name);
uint32_t dk_node_of_core(const struct dk_core *core, uint32_t core_number);
/* node_cores_free of every node, from the bitmap: it rests while the machine is uniform and not
 * tracked. */
void dk_nodes_refresh(struct dk_core *core);
/* From here on the domain knows its nodes with free cores, at a small cost for each change. */
void dk_domain_track(struct dk_core *core, struct dk_domain *domain);
void dk_domain_ranges(const struct dk_core *core,
                      struct dk_domain *domain); /* makes core_ranges right */
uint32_t dk_partition_find(const struct dk_core *core, struct dk_text name);
bool dk_node_in_partition(const struct dk_core *core, uint32_t node, uint32_t partition);
void dk_node_register(struct dk_core *core, const struct dk_node_registered *event);
void dk_node_condition_set(struct dk_core *core, const struct dk_node_condition_set *event,
                           bool by_core);
void dk_partition_configure(struct dk_core *core, const struct dk_partition_spec *spec);
void dk_partition_remove(struct dk_core *core, struct dk_text name);
void dk_node_room_for(struct dk_core *core, uint32_t count); /* the last one is new and blank */
void dk_node_restore(struct dk_core *core, uint32_t number);
void dk_partition_nodes_sort(struct dk_partition *partition);
void dk_node_beat(struct dk_core *core, uint32_t number);
void dk_domains_rebuild(struct dk_core *core); /* domain.c */
void dk_domains_release(struct dk_core *core);
void dk_running_add(struct dk_core *core, uint32_t slot);
void dk_running_remove(struct dk_core *core, uint32_t slot);
static inline void dk_domains_ensure(struct dk_core *core)
{
    if (__builtin_expect(core->domains_dirty, 0))
        dk_domains_rebuild(core);
}
bool dk_constraint_matches(const struct dk_core *core, const struct dk_node *node,
                           struct dk_text constraint);
/* Takes or gives back what a job of this demand holds with these cores and GPUs. */
void dk_machine_take(struct dk_core *core, const struct dk_demand *demand,
                     const struct dk_ranges *cores, const struct dk_ranges *gpus);
void dk_machine_give(struct dk_core *core, const struct dk_demand *demand,
                     const struct dk_ranges *cores, const struct dk_ranges *gpus);
/* What a job of this demand holds with these, for limits. */
struct dk_amounts dk_holding_amounts(const struct dk_core *core, const struct dk_demand *demand,
                                     const struct dk_ranges *cores, const struct dk_ranges *gpus);
uint64_t dk_ranges_sum(const struct dk_ranges *ranges);
void dk_ranges_copy(struct dk_core *core, struct dk_ranges *ranges, const struct dk_span *spans,
                    uint32_t count);
void dk_ranges_release(struct dk_core *core, struct dk_ranges *ranges);

/* --- silence.c: nodes that are not heard of --- */

enum dk_silence {
    DK_SILENCE_NONE,
    DK_SILENCE_THEIRS, /* some nodes are silent: they are lost */
    DK_SILENCE_OURS    /* most are: nothing is decided until they are heard */
};
enum dk_silence dk_silence_at(const struct dk_core *core, int64_t now);
bool dk_node_silent(const struct dk_core *core, uint32_t number, int64_t now);
/* When the next node will be lost, if it is not heard; INT64_MAX: never. */
int64_t dk_silence_deadline(const struct dk_core *core);
/* Every node has a whole timeout from here on. */
void dk_silence_fresh(struct dk_core *core);
/* Some nodes were heard; `before`: how it was until then. */
void dk_silence_heard(struct dk_core *core, enum dk_silence before);

/* --- apply.c --- */

void dk_key_restore(struct dk_core *core, int32_t uid, struct dk_bytes key, int64_t job);
void dk_key_record(struct dk_core *core, int32_t uid, struct dk_bytes key, int64_t job);

/* --- digest.c --- */

void dk_digest_job(struct dk_core *core, struct dk_job *job); /* after a change */
void dk_digest_job_gone(struct dk_core *core, struct dk_job *job);
void dk_digest_node(struct dk_core *core, uint32_t node);
void dk_digest_partition(struct dk_core *core, uint32_t partition);
uint64_t dk_digest_outcome(const struct dk_outcome *outcome);
uint64_t dk_digest_key(const struct dk_key_entry *entry);

/* --- pass.c --- */

struct dk_scratch *dk_scratch_create(const struct dk_alloc *alloc);
void dk_scratch_destroy(struct dk_scratch *scratch);
void dk_scratch_fresh(struct dk_core *core, uint32_t slot); /* a job entered the queue */

/* --- explain_order.c --- */

/* The reason of a job that is in the queue; it may rank the queue. */
const char *dk_reason_eligible(const struct dk_core *core, const struct dk_job *job);

/* --- place.c --- */

/* Could this ever be placed, were all nodes of the partition up and idle? */
bool dk_demand_possible(const struct dk_core *core, const struct dk_demand *demand,
                        struct dk_text constraint, struct dk_text named);

/* --- named.c --- */

/* What a pool says of a node that may be used: 1, or this of one that the job must have. */
#define DK_POOL_WANTED 2
/* The nodes that a job names as the text that demands keep; empty: none. */
struct dk_text dk_named_text(struct dk_arena *arena, const struct dk_job_spec *spec);
/* Marks them among the nodes that may be used; false: one that it must have may not. */
bool dk_named_mark(const struct dk_core *core, struct dk_text named, uint8_t *nodes);
bool dk_named_valid(struct dk_text named); /* of a snapshot */

#endif
