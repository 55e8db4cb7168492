/* auditor_state.h - the auditor's books, for its own two files */
#ifndef DK_TEST_AUDITOR_STATE_H
#define DK_TEST_AUDITOR_STATE_H

#include "auditor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PENDING = 1, RUNNING = 2, ENDING = 3, ENDED = 4 };
enum {
    NODES_MAX = 64,
    CORES_MAX = 131072,
    GPUS_MAX = 512,
    PARTITIONS_MAX = 8,
    DEPENDENCIES_MAX = 4
};
enum { TASKS_MAX = 128, TEXT_MAX = 64, LIMITS_MAX = 16, NAMED_MAX = 4 };

struct audit_node {
    char name[TEXT_MAX], features[4][TEXT_MAX];
    int64_t cores, memory, gpus, core_first, gpu_first;
    int64_t memory_used, cores_used, gpus_used;
    enum dk_node_condition condition;
    int64_t heard;
    bool lost; /* by the core */
};

struct audit_partition {
    char name[TEXT_MAX], nodes[NODES_MAX][TEXT_MAX];
    uint32_t node_count;
    bool all_nodes;
    enum dk_partition_state state;
};

struct audit_limit {
    struct dk_limit_spec spec; /* its name is below */
    char name[TEXT_MAX];
};

struct holding { /* of a job, on one node */
    int64_t cores, gpus, memory;
};

struct audit_job {
    int state;
    struct dk_job_spec spec; /* its pointers are not used */
    char partition[TEXT_MAX], constraint[TEXT_MAX], name[TEXT_MAX];
    char user[TEXT_MAX], account[TEXT_MAX];
    char wanted[NAMED_MAX][TEXT_MAX], excluded[NAMED_MAX][TEXT_MAX];
    uint32_t wanted_count, excluded_count;
    struct dk_dependency dependencies[DEPENDENCIES_MAX];
    int32_t uid, attempt, task;
    int64_t submit, start, start_first, array_job;
    int64_t planned;            /* by JobsPlanned; INT64_MAX: none */
    bool held, good, hold_then; /* hold_then: it was told to end and to be held */
    bool is_array;
    uint8_t
        tasks[TASKS_MAX]; /* of an array: 0 none of that number, 1 waits, 2 started or cancelled */
    uint32_t waiting, live, bad;
    struct holding *holdings; /* by node, while it runs */
};

struct auditor {
    char fault[512];
    int64_t seq, time, batch_events;
    struct audit_node nodes[NODES_MAX];
    uint32_t node_count;
    int64_t core_owner[CORES_MAX], gpu_owner[GPUS_MAX]; /* job id, 0: free */
    struct audit_partition partitions[PARTITIONS_MAX];
    uint32_t partition_count;
    struct audit_limit limits[LIMITS_MAX];
    uint32_t limit_count;
    struct audit_job *jobs; /* by id */
    int64_t job_last, job_capacity;
    bool watch;
    enum dk_policy policy;
    enum dk_backfill backfill;
    int64_t beat_timeout;
    uint32_t losing;           /* nodes lost in this batch */
    int64_t promised, promise; /* job id, and the start it was promised */
};

void auditor_complain(struct auditor *auditor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct audit_job *auditor_job(struct auditor *auditor,
                              int64_t id); /* complains, NULL: never seen */

/* auditor_limit.c */
void auditor_configured(struct auditor *auditor, const struct dk_cluster_config *config);
void auditor_limits_submitted(struct auditor *auditor, int64_t id);
void auditor_limits_placed(struct auditor *auditor, int64_t id);

/* auditor_silence.c */
void auditor_all_heard(struct auditor *auditor);
void auditor_beat(struct auditor *auditor, const struct dk_nodes_beat *beat);
void auditor_registered(struct auditor *auditor, struct audit_node *node, bool is_new);
void auditor_lost(struct auditor *auditor, struct audit_node *node);
void auditor_silence_closed(struct auditor *auditor);

/* auditor_place.c */
void auditor_placed(struct auditor *auditor, const struct dk_job_placed *placed);
void auditor_give_back(struct auditor *auditor, int64_t id);
void auditor_order_placed(struct auditor *auditor, int64_t id);
void auditor_order_closed(struct auditor *auditor);

#endif
