/* order_list.h - jobs in a total order, in blocks that know their minima and sums
 *
 * Both lists that scheduling walks have this shape: the queue (in order of key) and the
 * running jobs (in order of expected end). A list is an array of blocks of up to 64
 * entries; each block keeps the fewest cores and the shortest span of its entries, and the
 * sum of their cores. A scan for "at most c cores" or "until c cores are free" then looks
 * at a block in a few instructions, so that a pass over 100,000 waiting jobs is a
 * walk over 1,600 summaries, not over the jobs.
 *
 * The order is (key, id) ascending: ids are unique, so nothing ties.
 */
#ifndef DK_SCHED_ORDER_LIST_H
#define DK_SCHED_ORDER_LIST_H

#include "base/alloc.h"
#include "base/fixed.h"

#include <stdbool.h>
#include <stdint.h>

#define DK_BLOCK_ENTRIES 64

struct dk_entry {
    dk_i128 key;
    int64_t id;
    int64_t span;    /* queue: time limit; running: unused */
    uint32_t cores;  /* queue: fewest that it can start with; running: held */
    uint32_t slot;   /* of the job */
    uint32_t demand; /* queue: what it asks for */
    uint32_t group;  /* queue: whose limits it answers to; 0: nobody's */
};

struct dk_block {
    struct dk_entry *entries; /* within storage: what is taken from the front leaves a gap there */
    uint32_t count;
    uint32_t cores_min; /* fewest cores and shortest span: behind dk_block_minima */
    int64_t span_min;
    uint64_t cores_sum;
    bool stale; /* an entry that was the least has left: the minima are too low */
    struct dk_entry storage[DK_BLOCK_ENTRIES];
};

struct dk_order_list {
    const struct dk_alloc *alloc;
    struct dk_block **blocks; /* none is empty */
    uint32_t block_count, block_capacity;
    struct dk_block *spare;
    uint64_t count;
};

/* A place in a list: entry `at` of block `block`. */
struct dk_place {
    uint32_t block, at;
};

void dk_order_list_init(struct dk_order_list *list, const struct dk_alloc *alloc);
void dk_order_list_release(struct dk_order_list *list);
void dk_order_list_clear(struct dk_order_list *list);
void dk_order_list_add(struct dk_order_list *list, const struct dk_entry *entry);
void dk_order_list_remove(struct dk_order_list *list, dk_i128 key, int64_t id); /* must be there */

/* The first entry at or after (key, id); block == block_count when there is none. */
struct dk_place dk_order_list_find(const struct dk_order_list *list, dk_i128 key, int64_t id);

void dk_block_refresh(struct dk_block *block);

/* The block with its minima right. Only a scan asks: lists that are not scanned never pay. */
static inline const struct dk_block *dk_block_minima(struct dk_block *block)
{
    if (block->stale)
        dk_block_refresh(block);
    return block;
}

static inline const struct dk_entry *dk_order_list_at(const struct dk_order_list *list,
                                                      struct dk_place place)
{
    return place.block < list->block_count ? &list->blocks[place.block]->entries[place.at] : 0;
}

static inline struct dk_place dk_place_next(const struct dk_order_list *list, struct dk_place place)
{
    if (++place.at >= list->blocks[place.block]->count) {
        place.block++;
        place.at = 0;
    }
    return place;
}

/* The fewest cores of any entry; UINT32_MAX for an empty list. */
uint32_t dk_order_list_cores_min(const struct dk_order_list *list);

#endif
