/* config.h - what the core keeps of a configuration beside partitions and policy
 *
 * Partitions and policy are parts of the state of their own, which ConfigurePartition and its like
 * change too; the rest of the last ConfigurationApplied is here, its lists sorted, so that equal
 * configurations are equal states. Before the first one docket's own defaults hold.
 */
#ifndef DK_SCHED_CONFIG_H
#define DK_SCHED_CONFIG_H

#include "base/arena.h"
#include "event/event.h"

struct dk_core;

struct dk_config {
    struct dk_cluster_config spec; /* partitions and policy: empty */
    int64_t seq;                   /* of the last ConfigurationApplied; 0: none yet */
    struct dk_arena arena;         /* holds what spec points to */
    /* derived */
    uint64_t hash;
};

void dk_config_init(struct dk_config *config, const struct dk_alloc *alloc);
void dk_config_release(struct dk_config *config);
/* Takes all of the configuration on: partitions, policy, and the rest. */
void dk_config_apply(struct dk_core *core, const struct dk_cluster_config *spec, int64_t seq);
/* Keeps a copy of all but partitions and policy. */
void dk_config_keep(struct dk_config *config, const struct dk_cluster_config *spec, int64_t seq);
uint64_t dk_config_hash(const struct dk_config *config);

/* Scope first, then name: the order in which limits are kept. */
int dk_limit_compare(const struct dk_limit_spec *a, const struct dk_limit_spec *b);
/* Sorts the numbers 0 to count - 1 by what they stand for. */
typedef bool dk_order_before(const void *items, uint32_t a, uint32_t b);
void dk_order_sort(const void *items, uint32_t *order, uint32_t count, dk_order_before *before);
bool dk_texts_before(const void *items, uint32_t a, uint32_t b);
bool dk_limits_before(const void *items, uint32_t a, uint32_t b);
/* Is the text among those, sorted? */
bool dk_texts_have(const struct dk_text *texts, uint32_t count, struct dk_text text);

#endif
