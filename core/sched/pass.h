/* pass.h - one pass over a domain: the parts that its files share
 *
 * pass.c drives; walk.c goes through the queue in order; plan_count.c, profile.c and place.c know
 * what is free when and where; easy*.c and conservative*.c decide. A pass marks what it gives away
 * in the core's derived tables while it thinks and takes every mark back before it returns: the
 * core is unchanged, and apply does it again, for good.
 *
 * Two ways to know what is free. Where only single cores are asked for in a domain of one
 * partition, the number of free cores says all ("counted"). Else nodes are looked at one by one.
 * For jobs of single cores both give the same starts with EASY and without backfill, and a test
 * holds them to that; conservative plans pin a job to nodes, where counting does not.
 */
#ifndef DK_SCHED_PASS_H
#define DK_SCHED_PASS_H

#include "sched/explain.h"
#include "sched/state.h"

/* --- rank.c: orders that move with time --- */

struct dk_rank {
    uint64_t value; /* ordered as the policy's value is */
    const struct dk_entry *entry;
};

void dk_rank_set(const struct dk_core *core, const struct dk_entry *entry, int64_t submit,
                 int64_t now, struct dk_rank *rank);
bool dk_rank_before(const struct dk_rank *a, const struct dk_rank *b);
/* The value as number * 2^exponent. */
void dk_rank_parts(const struct dk_rank *rank, int64_t *number, int32_t *exponent);

/* --- walk.c: the queue in order --- */

struct dk_walk {
    const struct dk_domain *domain;
    dk_i128 drift;
    struct dk_place queue, aged;
    bool moves; /* then ranks is a heap, the first on top */
    const struct dk_core *core;
    struct dk_rank *ranks;
    uint32_t rank_count;
    bool from_aged;
};

/* What the walk may leave out: entries that ask for more than `cores`, and those that ask for more
 * than `extra` and for a span above `span`. */
struct dk_filter {
    uint64_t cores, extra;
    int64_t span;
};

void dk_walk_start(struct dk_walk *walk, const struct dk_core *core, const struct dk_domain *domain,
                   int64_t now);
const struct dk_entry *dk_walk_peek(struct dk_walk *walk); /* NULL: at the end */
void dk_walk_next(struct dk_walk *walk);
/* Goes on to a block in which something may pass the filter; may stop earlier. */
void dk_walk_skip(struct dk_walk *walk, const struct dk_filter *filter);
/* Orders that move: leaves out, once and for all, what does not pass. */
void dk_walk_keep(struct dk_walk *walk, const struct dk_filter *filter);

/* --- pass.c --- */

struct dk_started { /* a job placed by this pass */
    int64_t end;
    uint64_t cores;
    uint32_t taken; /* which */
};

struct dk_taken { /* what is to be given back when the pass is over */
    const struct dk_demand *demand;
    struct dk_ranges cores, gpus;
};

struct dk_pass {
    struct dk_core *core; /* as it was when the pass returns */
    struct dk_scratch *scratch;
    struct dk_domain *domain;
    int64_t now;
    bool counted;
    bool kept;     /* what the last pass left in the scratch still holds */
    uint64_t free; /* cores, after what this pass gave away */
    struct dk_events *out;
};

/* Where the tasks of an array are that have not been started by this pass. */
struct dk_tasks {
    const struct dk_array *array;
    uint32_t left, range;
    int32_t next;
};

struct dk_tasks dk_tasks_of(const struct dk_job *job);
/* May the entry start, or the next of its tasks, as far as the configuration's limits go? By the
 * least that it can start with; by what the picks in the scratch are. */
bool dk_pass_allowed(struct dk_pass *pass, const struct dk_entry *entry);
bool dk_picks_allowed(struct dk_pass *pass, const struct dk_entry *entry);
static inline bool dk_pass_allows(struct dk_pass *pass, const struct dk_entry *entry)
{
    return !pass->core->limits.any || dk_pass_allowed(pass, entry);
}
/* What became of an entry that a pass tried to start. */
enum dk_tried { DK_TRIED_STARTED, DK_TRIED_NO_ROOM, DK_TRIED_OVER_LIMIT };
/* Places one job (or the next task): takes the cores and adds the decision. */
void dk_pass_start(struct dk_pass *pass, const struct dk_entry *entry, struct dk_tasks *tasks,
                   const struct dk_ranges *cores, const struct dk_ranges *gpus);
void *dk_pass_memory(struct dk_pass *pass, size_t size); /* until the pass is over */

/* Brings the jobs that came since the last pass into the order of the queue. */
void dk_fresh_sort(struct dk_pass *pass);
struct dk_entry dk_fresh_entry(const struct dk_pass *pass, uint32_t index);

int64_t dk_pass_deadline(const struct dk_core *core, const struct dk_domain *domain);
uint64_t dk_scratch_examined(const struct dk_scratch *scratch);

/* --- plan_count.c --- */

void dk_count_take(struct dk_pass *pass, uint32_t count, struct dk_ranges *cores);
/* Goes through the expected ends in order: of running jobs, merged with those that this pass
 * started. A job past its expected end counts as ending one second from now. */
struct dk_ends {
    const struct dk_order_list *running;
    const struct dk_scratch *scratch;
    struct dk_place place;
    uint32_t started;
    struct dk_place overdue_limit,
        overdue_next;                    /* the jobs past their end are those before the limit */
    const struct dk_entry *last_running; /* what was handed out last */
    const struct dk_started *last_started;
    uint64_t overdue; /* cores of jobs past their end, until they are handed out */
    int64_t now;
};

void dk_ends_start(struct dk_ends *ends, const struct dk_pass *pass);
bool dk_ends_next(struct dk_ends *ends, int64_t *time, uint64_t *cores); /* false: there is none */
/* Node by node: what the end that ends_next just handed out gives back; one after the other (false:
 * no more). */
bool dk_ends_holding(struct dk_ends *ends, const struct dk_pass *pass, struct dk_taken *holding);

/* When `cores` are free at the latest, by the expected ends: *shadow, and *extra cores more then.
 */
void dk_count_shadow(const struct dk_pass *pass, uint64_t cores, int64_t *shadow, uint64_t *extra);

/* --- profile.c: how many cores are free at each future moment --- */

#define DK_PROFILE_STEPS 64

struct dk_step {
    int64_t time;
    int64_t free; /* cores, from here to the next step, less the block's `add` */
};

struct dk_profile_block {
    uint32_t count;
    int64_t add;         /* holds for each step of the block */
    int64_t least, most; /* free, `add` included */
    struct dk_step steps[DK_PROFILE_STEPS];
};

struct dk_profile {
    const struct dk_alloc *alloc;
    struct dk_profile_block **blocks;                 /* by time; the last step lasts for ever */
    uint32_t block_count, block_capacity, block_made; /* made: allocated, and used again */
};

void dk_profile_release(struct dk_profile *profile);
void dk_profile_build(struct dk_profile *profile, const struct dk_pass *pass);
/* The earliest time from `from` on at which `cores` are free for `span`; INT64_MAX: never. */
int64_t dk_profile_earliest(const struct dk_profile *profile, int64_t from, int64_t cores,
                            int64_t span);
/* The first time from `from` on with `cores` free, for however short; INT64_MAX: never. */
int64_t dk_profile_room(const struct dk_profile *profile, int64_t from, int64_t cores);
/* The first step after `time`; INT64_MAX: none. */
int64_t dk_profile_after(const struct dk_profile *profile, int64_t time);
/* Adds `cores` (negative: takes) from `start` to `end`; what lies before the first step is left
 * out. */
void dk_profile_change(struct dk_profile *profile, int64_t start, int64_t end, int64_t cores);

/* --- place.c: on which nodes --- */

struct dk_view { /* what is free on each node, by node number */
    uint32_t *cores, *memory, *gpus;
};

struct dk_pick {
    uint32_t node, tasks;
};

/* The nodes that a demand may use, one byte a node; good until the machine changes. */
const uint8_t *dk_pool(struct dk_core *core, const struct dk_demand *demand);
/* How many tasks of the demand fit on a node with so much free. */
uint32_t dk_tasks_fit(const struct dk_demand *demand, const struct dk_node *node, uint32_t cores,
                      uint32_t memory, uint32_t gpus);
/* Chooses nodes for the demand out of what is free in `view` (and in `other`, unless NULL). With
 * `rather_not` (spread demands only) cores beyond those that are free there are used first. False:
 * it does not fit. The choice is in scratch->picks. */
bool dk_choose(struct dk_pass *pass, const struct dk_demand *demand, const struct dk_view *view,
               const struct dk_view *other, const struct dk_view *rather_not);
/* What the picks hold, off `view`. */
void dk_view_take(const struct dk_core *core, const struct dk_demand *demand, struct dk_view *view,
                  const struct dk_pick *picks, uint32_t count);
struct dk_view dk_view_now(const struct dk_core *core);
struct dk_view dk_view_copy(struct dk_pass *pass, const struct dk_view *view);
/* Starts the entry's next task on the picks. */
void dk_start_picks(struct dk_pass *pass, const struct dk_entry *entry, struct dk_tasks *tasks);
/* Calls `visit` with each node that cores or GPUs of a holding lie on, and how much. */
typedef void dk_holding_visit(void *context, uint32_t node, uint32_t cores, uint32_t memory,
                              uint32_t gpus);
void dk_holding_each(const struct dk_core *core, const struct dk_taken *holding,
                     dk_holding_visit *visit, void *context);

/* --- explain_pass.c: a listener --- */

/* Who wants to know what a pass finds out. scratch->trace is NULL but while somebody explains. */
struct dk_trace {
    const struct dk_domain *domain; /* only passes over this one */
    uint32_t slot;                  /* of the job asked about */
    bool beyond; /* go on to that job though nothing can start now; decisions are not used then */
    int64_t plans_left; /* with beyond: plan at most so many */
    struct dk_pass_notes *notes;
};

/* The first that does not fit, and its reservation; `beside` is what is left of each node then,
 * NULL where cores are counted. */
void dk_trace_head(struct dk_pass *pass, const struct dk_entry *head, int64_t shadow,
                   uint64_t extra, const struct dk_view *beside);
void dk_trace_plan(struct dk_pass *pass, const struct dk_entry *entry, int64_t start);
bool dk_trace_beyond(const struct dk_pass *pass); /* asked to go on */
bool dk_trace_done(struct dk_pass *pass);         /* all that was asked for is known */
static inline bool dk_traced(const struct dk_pass *pass);

/* A pass over one domain, whether it is due or not. */
void dk_pass_run(struct dk_core *core, struct dk_domain *domain, int64_t now,
                 struct dk_events *out);

/* --- easy.c, conservative.c: the disciplines --- */

void dk_easy_counted(struct dk_pass *pass);
void dk_easy_by_node(struct dk_pass *pass);
void dk_conservative_counted(struct dk_pass *pass);
void dk_conservative_by_node(struct dk_pass *pass);
void dk_keep_counted(struct dk_pass *pass);

/* --- the scratch: memory of passes, and what the last one found out --- */

#define DK_FRESH_MAX 64

struct dk_scratch {
    const struct dk_alloc *alloc;
    struct dk_arena arena; /* of one pass */
    uint64_t examined;
    int64_t tasks_placed; /* of this call of schedule: ids are given out by it */
    uint64_t calls;       /* of schedule */
    struct dk_spent {     /* of limits, by the jobs placed in this call: to be given back */
        uint32_t group;
        struct dk_amounts amounts;
    } * spent;
    uint32_t spent_count, spent_capacity;

    struct dk_started *started; /* by end */
    uint32_t started_count, started_capacity;
    struct dk_taken *taken;
    uint32_t taken_count, taken_capacity;
    struct dk_rank *ranks;
    uint32_t rank_capacity;
    struct dk_profile profile;
    struct dk_pick *picks;
    uint32_t pick_count, pick_capacity;
    struct dk_pool_entry {
        uint64_t key, machine; /* machine: the version of nodes and partitions it was made for */
        uint8_t *nodes;
        uint32_t size;
    } pools[32];
    uint32_t pool_next;
    struct dk_possible { /* demands found to be possible, by hash */
        uint64_t key, machine;
    } possible[256];

    struct dk_trace *trace; /* NULL: nobody listens */

    /* What the last pass left: while nothing but submissions follows, only those are examined. */
    bool kept;
    uint64_t kept_version;
    bool has_head;
    dk_i128 head_key;
    int64_t head_id, shadow;
    uint64_t extra;
    int64_t planned_first;        /* conservative kept: the earliest plan */
    uint32_t fresh[DK_FRESH_MAX]; /* slots of jobs that entered the queue since */
    uint32_t fresh_count;
    bool fresh_many;
};

static inline bool dk_traced(const struct dk_pass *pass)
{
    return __builtin_expect(pass->scratch->trace != NULL, 0) &&
           pass->scratch->trace->domain == pass->domain;
}

#endif
