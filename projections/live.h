/* live.h - the live views: queue, nodes, partitions, configuration and orders, one fold in memory
 *
 * Every question about now reads most of one of these, so they are in memory, and compact: a
 * waiting job is about 150 bytes and its specification, which like submissions share. Ended jobs
 * leave for history at once, by a hook.
 *
 *   1. One thread folds: dk_live_begin, dk_live_apply for each event of a batch, dk_live_end. What
 * is between is seen by nobody.
 *   2. Any thread may ask. Lists are copied in one go (dk_live_jobs_open: a few ms for 50,000 jobs)
 * and read without any lock; what they point to is kept until dk_live_jobs_close.
 *   3. Events come from a reader that has checked the chain; one that contradicts the state (a job
 * that is not known) is passed over, for a view must not stop where the core went on.
 */
#ifndef DK_PROJECTIONS_LIVE_H
#define DK_PROJECTIONS_LIVE_H

#include "event/event.h"
#include "projections/filter.h"
#include "projections/job_row.h"

struct dk_live;

struct dk_live_hooks {
    /* A job's last run ended, or array tasks that had not started were cancelled (history.h). */
    void (*ended)(void *context, const struct dk_job_row *row);
    void (*requeued)(void *context, const struct dk_job_row *row);
    void (*started)(void *context, int64_t wait_us); /* a run, after it had been eligible so long */
    /* There is something new for this node; between begin and end, at least once. */
    void (*ordered)(void *context, uint32_t node);
    void *context;
};

/* `hooks` may be NULL. */
struct dk_live *dk_live_create(const struct dk_live_hooks *hooks);
void dk_live_destroy(struct dk_live *live); /* NULL is fine; no list may be open */

void dk_live_begin(struct dk_live *live);
void dk_live_apply(struct dk_live *live, const struct dk_event *event);
void dk_live_end(struct dk_live *live);

int64_t dk_live_seq(struct dk_live *live);  /* of the last event between begin and end */
int64_t dk_live_time(struct dk_live *live); /* its time */

/* --- kept on disk --- */

/* All of it as bytes, by the thread that folds, between batches; and back. Restore does not trust
 * its input: DK_UNSUPPORTED (another version's), DK_CORRUPT. */
void dk_live_write(const struct dk_live *live, struct dk_buf *out);
enum dk_status dk_live_restore(struct dk_live **out, const struct dk_live_hooks *hooks,
                               const uint8_t *data, size_t size, struct dk_err *err);

/* --- the queue --- */

struct dk_live_job; /* live_inside.h */

/* A list of active jobs, in order of id, as they were at `seq`. */
struct dk_live_jobs {
    struct dk_live *live;
    struct dk_live_job *items;
    uint32_t count;
    int64_t seq, time;
    int64_t ended_visible_us; /* of the configuration then */
    unsigned generation;
    struct dk_arena arena;
};

/* Those that may pass the filter (ids are looked up; the rest is for dk_job_filter_accepts). NULL:
 * all. */
void dk_live_jobs_open(struct dk_live *live, const struct dk_job_filter *filter,
                       struct dk_live_jobs *jobs);
/* `also` is called while the view stands still: what it opens is of the same moment. It must be
 * quick, and ask the live view nothing. */
void dk_live_jobs_open_with(struct dk_live *live, const struct dk_job_filter *filter,
                            struct dk_live_jobs *jobs, void (*also)(void *context), void *context);
void dk_live_jobs_close(struct dk_live_jobs *jobs);

/* The row of one of them; `arena` holds what is decoded for it and is the caller's to reset. */
void dk_live_jobs_row(const struct dk_live_jobs *jobs, uint32_t index, struct dk_arena *arena,
                      struct dk_job_row *row);

/* How many of each state; array tasks that wait each count. */
void dk_live_counts(struct dk_live *live, uint64_t counts[DK_ROW_STATE_COUNT]);

/* --- nodes and partitions --- */

#define DK_NODE_STATE_MAP(X)                                                                       \
    X(IDLE) X(MIXED) X(ALLOCATED) X(DRAINING) X(DRAINED) X(DOWN) X(LOST) X(UNKNOWN)
enum dk_node_state {
#define X(name) DK_NODE_##name,
    DK_NODE_STATE_MAP(X)
#undef X
        DK_NODE_STATE_COUNT
};
const char *dk_node_state_word(enum dk_node_state state);

struct dk_node_row { /* texts are kept as long as the view lives */
    struct dk_text name, host, topology, isolation, version, boot, reason, reason_user;
    struct dk_text features, partitions; /* joined by commas; in the list's arena */
    enum dk_node_state state;
    enum dk_node_condition condition;
    int64_t number; /* -1: never seen */
    int64_t cores, cores_used, memory, memory_used, gpus, gpus_used, sockets, threads_per_core;
    int64_t reason_time, registered, last_beat, jobs;
};

struct dk_partition_row {
    struct dk_text name, node_list; /* in the list's arena */
    bool is_default;
    enum dk_partition_state state;
    int64_t limit_max, limit_default, nodes_max, priority, tier;
    int64_t nodes, cores, cores_used, gpus, gpus_used, nodes_idle, nodes_allocated, nodes_other;
    int64_t jobs_pending, jobs_running;
};

/* Copies, in order of number (nodes never seen behind) and of configuration. */
struct dk_live_site {
    struct dk_node_row *nodes;
    struct dk_partition_row *partitions;
    uint32_t node_count, partition_count;
    int64_t seq, time;
    struct dk_arena arena;
};
/* By the text before the number at the end, then by the number, then by the whole: n2 before n10.
 */
int dk_node_names_compare(struct dk_text left, struct dk_text right);

void dk_live_site_open(struct dk_live *live, struct dk_live_site *site);
void dk_live_site_close(struct dk_live_site *site);

/* --- configuration --- */

struct dk_config_change { /* texts are kept as long as the view lives */
    int64_t seq, time;
    int32_t uid;                     /* -1: docket itself */
    struct dk_text user, note, what; /* what: the kind of event */
};

/* The configuration as JSON, by the schema's names: {"cluster":...,"partitions":[...],...}; where
 * it comes from in *change. False: there is none yet. */
bool dk_live_config(struct dk_live *live, struct dk_buf *json, struct dk_config_change *change,
                    int64_t *seq);
/* All changes so far, oldest first, copied into `arena`. */
uint32_t dk_live_config_history(struct dk_live *live, struct dk_arena *arena,
                                struct dk_config_change **changes, int64_t *seq);
bool dk_live_is_operator(struct dk_live *live, struct dk_text user);
/* The cluster's name; kept as long as the view lives. */
struct dk_text dk_live_cluster(struct dk_live *live);

/* --- what was erased (decision 0014) --- */

struct dk_erasure { /* texts are kept as long as the view lives */
    int64_t seq, time;
    int32_t uid, by; /* whose; by whom, -1: docket itself */
    struct dk_text by_user, why;
};

/* The first time the user's secrets were erased from `time` on. False: they were not. */
bool dk_live_erasure(struct dk_live *live, int32_t uid, int64_t time, struct dk_erasure *erasure);

/* --- orders (decision 0010: dispatch is a view) --- */

/* The node's number; -1: no such node has registered. */
int64_t dk_live_node_find(struct dk_live *live, struct dk_text name);

/* Appends the orders of this node after `after`, each `| size u32 LE | order |`, and forgets those
 * that the question says are done. *seq: up to where this is all. DK_AGAIN: there is none; DK_END:
 * what came after is not known any more, ask with 0. */
enum dk_status dk_live_orders(struct dk_live *live, uint32_t node, int64_t after,
                              struct dk_buf *out, int64_t *seq, struct dk_err *err);
/* From here on nodes are served: between begin and end, when the log was read. Before, no
 * ForgetJob is kept, for every node asks with 0 first. */
void dk_live_serve(struct dk_live *live);
uint64_t dk_live_orders_outstanding(struct dk_live *live);

#endif
