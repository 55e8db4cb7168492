/* walk.c - through the queue in order
 *
 * For orders that keep still the lists are in order already; two of them for multifactor (queue.c),
 * merged here. For those that move, the jobs are ranked at the start of the pass and put in a heap,
 * so that only as much is sorted as the pass looks at.
 */
#include "sched/pass.h"

static void sift_down(struct dk_walk *walk, uint32_t at)
{
    struct dk_rank item = walk->ranks[at];

    while (at * 2 + 1 < walk->rank_count) {
        uint32_t child = at * 2 + 1;

        if (child + 1 < walk->rank_count &&
            dk_rank_before(&walk->ranks[child + 1], &walk->ranks[child]))
            child++;
        if (!dk_rank_before(&walk->ranks[child], &item))
            break;
        walk->ranks[at] = walk->ranks[child];
        at = child;
    }
    walk->ranks[at] = item;
}

static void heapify(struct dk_walk *walk)
{
    for (uint32_t at = walk->rank_count / 2; at-- > 0;)
        sift_down(walk, at);
}

static void rank_all(struct dk_walk *walk, int64_t now)
{
    const struct dk_order_list *list = &walk->domain->queue;
    struct dk_scratch *scratch = walk->core->scratch;
    uint32_t count = 0;

    DK_CHECK(list->count < UINT32_MAX);
    scratch->ranks = dk_grow(scratch->alloc, scratch->ranks, &scratch->rank_capacity,
                             (uint32_t)list->count, sizeof(*scratch->ranks));
    for (uint32_t i = 0; i < list->block_count; i++)
        for (uint32_t k = 0; k < list->blocks[i]->count; k++) {
            const struct dk_entry *entry = &list->blocks[i]->entries[k];

            dk_rank_set(walk->core, entry, dk_job_at(walk->core, entry->slot)->submit, now,
                        &scratch->ranks[count++]);
        }
    walk->ranks = scratch->ranks;
    walk->rank_count = count;
    heapify(walk);
}

void dk_walk_start(struct dk_walk *walk, const struct dk_core *core, const struct dk_domain *domain,
                   int64_t now)
{
    walk->core = core;
    walk->domain = domain;
    walk->drift = dk_order_drift(core, now);
    walk->queue = walk->aged = (struct dk_place){ 0, 0 };
    walk->moves = dk_order_moves(core);
    walk->from_aged = false;
    walk->rank_count = 0;
    if (walk->moves)
        rank_all(walk, now);
}

const struct dk_entry *dk_walk_peek(struct dk_walk *walk)
{
    const struct dk_entry *queued, *aged;

    if (walk->moves)
        return walk->rank_count > 0 ? walk->ranks[0].entry : NULL;
    queued = dk_order_list_at(&walk->domain->queue, walk->queue);
    if (walk->domain->aged.count == 0)
        return queued;
    aged = dk_order_list_at(&walk->domain->aged, walk->aged);
    walk->from_aged =
        queued == NULL ||
        (aged != NULL && (aged->key < queued->key - walk->drift ||
                          (aged->key == queued->key - walk->drift && aged->id < queued->id)));
    return walk->from_aged ? aged : queued;
}

void dk_walk_next(struct dk_walk *walk)
{
    if (walk->moves) {
        walk->ranks[0] = walk->ranks[--walk->rank_count];
        if (walk->rank_count > 0)
            sift_down(walk, 0);
    } else if (walk->from_aged) {
        walk->aged = dk_place_next(&walk->domain->aged, walk->aged);
    } else {
        walk->queue = dk_place_next(&walk->domain->queue, walk->queue);
    }
}

static bool passes(const struct dk_filter *filter, uint32_t cores, int64_t span)
{
    return cores <= filter->cores && (cores <= filter->extra || span <= filter->span);
}

static void skip_blocks(const struct dk_order_list *list, struct dk_place *place,
                        const struct dk_filter *filter)
{
    while (place->at == 0 && place->block < list->block_count) {
        const struct dk_block *block = dk_block_minima(list->blocks[place->block]);

        if (passes(filter, block->cores_min, block->span_min))
            break;
        place->block++;
    }
}

void dk_walk_skip(struct dk_walk *walk, const struct dk_filter *filter)
{
    if (!walk->moves) {
        skip_blocks(&walk->domain->queue, &walk->queue, filter);
        skip_blocks(&walk->domain->aged, &walk->aged, filter);
    }
}

/* Orders that move: those that cannot pass leave the heap, once. */
void dk_walk_keep(struct dk_walk *walk, const struct dk_filter *filter)
{
    uint32_t kept = 0;

    if (!walk->moves)
        return;
    for (uint32_t i = 0; i < walk->rank_count; i++)
        if (passes(filter, walk->ranks[i].entry->cores, walk->ranks[i].entry->span))
            walk->ranks[kept++] = walk->ranks[i];
    walk->rank_count = kept;
    heapify(walk);
}
