/* live_inside.h - what the live views are made of; for live_*.c and orders.c only */
#ifndef DK_PROJECTIONS_LIVE_INSIDE_H
#define DK_PROJECTIONS_LIVE_INSIDE_H

#include "base/table.h"
#include "projections/live.h"
#include "projections/texts.h"

#include <pthread.h>
#include <stdatomic.h>

#define DK_SLOT_NONE UINT32_MAX

/* A specification as it is now: an encoded JobSubmitted with nothing but it. Like ones are one. */
struct dk_live_spec {
    uint64_t hash;
    struct dk_live_spec *next; /* of the same hash */
    uint32_t holders, size;
    uint8_t bytes[];
};

/* Where a run is. One piece of memory, never changed. */
struct dk_live_run {
    uint32_t node_count, core_span_count, gpu_span_count;
    int64_t cores, gpus;
    struct dk_text node_list;
    struct dk_text *nodes; /* their names, kept */
    uint32_t *numbers;
    int32_t *node_cores, *node_gpus;
    uint32_t *core_firsts, *gpu_firsts; /* the node's first core and GPU, of the cluster */
    struct dk_span *core_spans, *gpu_spans;
};

struct dk_live_array {
    struct dk_index_range *ranges; /* that wait */
    uint32_t count, capacity;
    uint32_t first_task; /* slot of a task that is a job by now; they are linked */
    int32_t task_min, task_max, task_count, task_step;
};

enum { DK_HELD_USER = 1, DK_HELD_ADMIN = 2, DK_DEPENDS = 4 };

struct dk_live_job {
    int64_t id, array_job, submit, eligible, start, end_requested, limit_us, seq;
    struct dk_live_run *run; /* NULL: it waits */
    struct dk_live_spec *spec;
    struct dk_live_array *array;         /* NULL: it is none */
    const char *user, *host, *partition; /* kept */
    int32_t uid, gid, ended_by, array_task, attempt;
    int32_t epoch;      /* of the placement */
    uint32_t task_next; /* of the same array */
    uint8_t state, ending, flags, key_size;
    uint8_t key[16];
};

struct dk_live_node {
    struct dk_text name, host, topology, isolation, version, boot, features, reason, reason_user;
    uint32_t core_first, gpu_first, cores, gpus;
    int64_t memory, cores_used, gpus_used, memory_used, jobs;
    int64_t registered, last_beat, reason_time;
    int32_t sockets, threads_per_core;
    enum dk_node_condition condition;
    bool lost;
    struct dk_order_entry *orders;
    uint32_t order_count, order_capacity;
    int64_t orders_floor; /* ForgetJobs up to here are not kept */
    uint32_t rank;        /* among all, by name: n2 before n10 */
};

struct dk_live_partition {
    struct dk_partition_spec spec; /* its texts are kept, its list is in `arena` */
    struct dk_arena arena;
    int64_t pending, running;
};

/* An order outstanding: what it is made of is the job's, as long as that is active. */
enum dk_order_kind { DK_ORDERED_RUN, DK_ORDERED_END, DK_ORDERED_SIGNAL, DK_ORDERED_FORGET };
struct dk_order_entry {
    int64_t seq, time, job;
    int32_t epoch, attempt;
    int32_t number;     /* signal */
    uint8_t kind, word; /* word: end state, or target */
};

struct dk_range_of_node {
    uint32_t first, node;
};

enum { DK_JOB_CHUNK = 1024 };

struct dk_live {
    pthread_rwlock_t lock;
    struct dk_live_hooks hooks;
    int64_t seq, time;
    struct dk_texts texts;
    struct dk_arena scratch; /* of the event that is applied */

    struct dk_live_job **chunks;                 /* of DK_JOB_CHUNK jobs */
    uint32_t chunk_count, slot_count, free_slot; /* free slots are linked by task_next */
    struct dk_table jobs_by_id;
    uint32_t *order; /* slots in order of id; DK_SLOT_NONE: gone */
    uint32_t order_count, order_capacity, active;
    uint64_t tasks_waiting, states[DK_ROW_STATE_COUNT];
    struct dk_table specs; /* hash -> index */
    struct dk_live_spec **spec_chains;
    uint32_t spec_count, spec_capacity, *spec_free, spec_free_count; /* free indexes */

    struct dk_live_node *nodes;
    uint32_t node_count, node_capacity;
    bool ranks_stale;
    struct dk_table nodes_by_name; /* hash of the name; names of one hash are compared */
    struct dk_range_of_node *core_ranges, *gpu_ranges;
    uint32_t core_range_count, core_range_capacity, gpu_range_count, gpu_range_capacity;

    struct dk_live_partition *partitions;
    uint32_t partition_count, partition_capacity;
    bool has_config;
    struct dk_cluster_config config; /* without partitions; in config_arena */
    struct dk_arena config_arena;
    struct dk_config_change *changes;
    uint32_t change_count, change_capacity;
    struct dk_erasure *erasures;
    uint32_t erasure_count, erasure_capacity;
    int64_t settings_seq, settings_time;
    int32_t settings_epoch;
    uint64_t orders_outstanding;
    int64_t orders_floor; /* of all nodes */
    bool serves;

    /* What lists may still look at: freed when all that were open then are closed. */
    _Atomic uint32_t readers[2];
    unsigned generation;
    struct retired {
        void **items;
        uint32_t count, capacity;
    } retired[2];
};

void dk_live_retire(struct dk_live *live, void *memory);

static inline struct dk_live_job *dk_live_job_at(const struct dk_live *live, uint32_t slot)
{
    return &live->chunks[slot / DK_JOB_CHUNK][slot % DK_JOB_CHUNK];
}

struct dk_live_job *dk_live_job_find(const struct dk_live *live, int64_t id); /* NULL: none */

/* live_jobs.c */
void dk_live_job_submitted(struct dk_live *live, const struct dk_event *event);
void dk_live_job_event(struct dk_live *live, const struct dk_event *event);
void dk_live_jobs_release(struct dk_live *live);
/* Decodes its specification; texts point into the job's own bytes, lists into `arena`. */
const struct dk_job_spec *dk_live_spec_of(const struct dk_live_job *job, struct dk_arena *arena);
void dk_live_row(const struct dk_live_job *job, struct dk_arena *arena, struct dk_job_row *row);

struct dk_live_job *dk_live_job_add(struct dk_live *live, int64_t id, struct dk_text partition);
void dk_live_job_state_set(struct dk_live *live, struct dk_live_job *job, enum dk_row_state state);
void dk_live_task_link(struct dk_live *live, struct dk_live_job *job); /* to its array */
struct dk_live_spec *dk_live_spec_hold(struct dk_live *live, const uint8_t *data, size_t size);
bool dk_live_spec_is_good(const struct dk_live_spec *spec, struct dk_arena *arena);

/* live_run.c */
struct dk_live_run *dk_live_run_make(struct dk_live *live, const struct dk_job_placed *placed);
/* Its cores, GPUs and memory are in use (sign 1) or free again (-1). */
void dk_live_run_count(struct dk_live *live, const struct dk_live_job *job,
                       const struct dk_job_spec *spec, int sign);

/* live_nodes.c */
void dk_live_node_event(struct dk_live *live, const struct dk_event *event);
struct dk_live_node *dk_live_node_add(struct dk_live *live, struct dk_text name); /* the next */
void dk_live_nodes_release(struct dk_live *live);
void dk_live_nodes_rank(struct dk_live *live); /* brings `rank` up to date */
uint32_t dk_live_node_number(const struct dk_live *live, struct dk_text name); /* DK_SLOT_NONE */

/* live_erasures.c */
void dk_live_erased(struct dk_live *live, const struct dk_event *event);

/* live_config.c */
void dk_live_config_event(struct dk_live *live, const struct dk_event *event);
void dk_live_config_set(struct dk_live *live, const struct dk_cluster_config *config);
void dk_live_partition_set(struct dk_live *live, const struct dk_partition_spec *spec);
void dk_live_change_add(struct dk_live *live, const struct dk_config_change *change);
void dk_live_config_release(struct dk_live *live);
struct dk_live_partition *dk_live_partition_find(const struct dk_live *live, struct dk_text name);

/* orders.c */
void dk_orders_run(struct dk_live *live, const struct dk_live_job *job, const struct dk_meta *meta);
void dk_orders_end(struct dk_live *live, const struct dk_live_job *job, const struct dk_meta *meta);
void dk_orders_signal(struct dk_live *live, const struct dk_live_job *job,
                      const struct dk_event *event);
void dk_orders_over(struct dk_live *live, const struct dk_live_job *job,
                    const struct dk_meta *meta); /* the run is over: forget it */
void dk_orders_settings(struct dk_live *live, const struct dk_meta *meta);

#endif
