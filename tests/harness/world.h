/* world.h - small clusters and random people, driven through a batcher under a virtual clock
 *
 *     struct world_options options = { .seed = 7, .policy = DK_POLICY_SJF, .backfill =
 * DK_BACKFILL_EASY }; struct world_result result; world_run(&options, &result); (result.fault:
 * NULL, or what the auditor or the world found)
 *
 * The same seed gives the same requests, as long as the core decides the same: so a variant of how
 * the core is run (other memory, no shortcut, put away and restored) is right when its batches have
 * the same hashes.
 */
#ifndef DK_TEST_WORLD_H
#define DK_TEST_WORLD_H

#include "batch/batch.h"

struct world_options {
    uint64_t seed;
    enum dk_policy policy;
    enum dk_backfill backfill;
    bool single_cores; /* only jobs of single cores that keep their limits: the order is audited too
                        */
    bool by_node;      /* a second partition over the same nodes: nodes are looked at one by one */
    bool limits;       /* a configuration with limits, and another one now and then */
    bool no_shortcut;  /* dk_core_options */
    bool strange_memory; /* garbage in every allocation, addresses in odd order */
    bool restore;        /* the core is put away as bytes and restored, again and again */
    bool quiet;          /* no log, no fold at the end: faster */
    bool print;          /* every event as a line of JSON */
    void (*read_log)(void *context,
                     const char *uri); /* at the end, before it is gone; may be NULL */
    void *context;                     /* of read_log */
};

struct world_start {
    int64_t job, time;
};

struct world_result {
    char fault[512];   /* empty: none */
    uint64_t *batches; /* a hash of each batch's bytes, digest and chain among them */
    uint32_t batch_count, batch_capacity;
    struct world_start *starts;
    uint32_t start_count, start_capacity;
    uint32_t rejected; /* requests */
    uint64_t digest;
};

void world_run(const struct world_options *options, struct world_result *result);
void world_result_release(struct world_result *result);

extern const struct dk_alloc world_strange_memory;

#endif
