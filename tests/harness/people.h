/* people.h - users, operators and nodes of a world: what they ask for, decided by a seed
 *
 * They know what events tell them, and nothing of the core. Each attempt of a job has a length that
 * follows from seed, job and attempt. */
#ifndef DK_TEST_PEOPLE_H
#define DK_TEST_PEOPLE_H

#include "base/prng.h"
#include "world.h"

struct person_job { /* what the people know of a job */
    int64_t limit;
    int32_t attempt; /* running, 0: not */
    bool active;
};

struct person_end {
    int64_t time, job;
    int32_t attempt;
};

struct people {
    const struct world_options *options;
    struct dk_prng prng;
    int64_t now, arrival, request_number;
    uint32_t visits; /* left to come */
    uint32_t node_count;
    int32_t cores_max;
    uint64_t node_seeds[8]; /* what each registered as */
    bool has_gpus, beats, several;
    int64_t quiet_until;     /* no beat gets through before then */
    struct person_job *jobs; /* by id */
    int64_t job_last, job_capacity;
    struct person_end *ends;
    struct dk_arena borrowed;
    uint32_t end_count, end_capacity;
    enum { LIVING, TIDYING, CANCELLING, DONE } phase;
};

void people_init(struct people *people, const struct world_options *options, int64_t now);
void people_release(struct people *people);
void people_settle(struct people *people,
                   struct dk_batcher *batcher); /* nodes, partitions, policy */

int64_t
people_next(const struct people *people); /* when they want something next; INT64_MAX: never */
int people_act(struct people *people, struct dk_batcher *batcher, int64_t now); /* requests made */
void people_see(struct people *people, const struct dk_event *event);

void people_tidy(struct people *people);       /* next they lift all holds and resume all nodes */
void people_cancel_all(struct people *people); /* next they cancel every job that is left */

/* people_config.c: partitions and limits of a configuration; borrows from the people. */
void people_configure(struct people *people, struct dk_cluster_config *config);

#endif
