/* order_list.c - see order_list.h */
#include "sched/order_list.h"

#include "base/check.h"

#include <string.h>

void dk_order_list_init(struct dk_order_list *list, const struct dk_alloc *alloc)
{
    memset(list, 0, sizeof(*list));
    list->alloc = alloc;
}

void dk_order_list_clear(struct dk_order_list *list)
{
    for (uint32_t i = 0; i < list->block_count; i++)
        dk_alloc_free(list->alloc, list->blocks[i], sizeof(struct dk_block));
    list->block_count = 0;
    list->count = 0;
}

void dk_order_list_release(struct dk_order_list *list)
{
    dk_order_list_clear(list);
    dk_alloc_free(list->alloc, list->blocks, list->block_capacity * sizeof(struct dk_block *));
    dk_alloc_free(list->alloc, list->spare, sizeof(struct dk_block));
    list->blocks = NULL;
    list->spare = NULL;
    list->block_capacity = 0;
}

static bool entry_before(const struct dk_entry *entry, dk_i128 key, int64_t id)
{
    return entry->key < key || (entry->key == key && entry->id < id);
}

struct dk_place dk_order_list_find(const struct dk_order_list *list, dk_i128 key, int64_t id)
{
    uint32_t first = 0, limit = list->block_count;
    struct dk_place place;

    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        const struct dk_block *block = list->blocks[middle];

        if (entry_before(&block->entries[block->count - 1], key, id))
            first = middle + 1;
        else
            limit = middle;
    }
    place.block = first;
    place.at = 0;
    if (first == list->block_count)
        return place;
    limit = list->blocks[first]->count;
    while (place.at < limit) {
        uint32_t middle = place.at + (limit - place.at) / 2;

        if (entry_before(&list->blocks[first]->entries[middle], key, id))
            place.at = middle + 1;
        else
            limit = middle;
    }
    return place;
}

void dk_block_refresh(struct dk_block *block)
{
    uint32_t cores_min = UINT32_MAX;
    int64_t span_min = INT64_MAX;

    for (uint32_t i = 0; i < block->count; i++) {
        const struct dk_entry *entry = &block->entries[i];

        cores_min = entry->cores < cores_min ? entry->cores : cores_min;
        span_min = entry->span < span_min ? entry->span : span_min;
    }
    block->cores_min = cores_min;
    block->span_min = span_min;
    block->stale = false;
}

static void summarize(struct dk_block *block)
{
    block->cores_sum = 0;
    for (uint32_t i = 0; i < block->count; i++)
        block->cores_sum += block->entries[i].cores;
    dk_block_refresh(block);
}

static struct dk_block *block_insert(struct dk_order_list *list, uint32_t index)
{
    struct dk_block *block = list->spare;

    list->spare = NULL;
    if (block == NULL)
        block = dk_alloc_new(list->alloc, sizeof(*block));
    if (list->block_count == list->block_capacity) {
        uint32_t capacity = list->block_capacity == 0 ? 16 : list->block_capacity * 2;

        list->blocks =
            list->alloc->resize(list->alloc->ctx, list->blocks,
                                list->block_capacity * sizeof(block), capacity * sizeof(block));
        list->block_capacity = capacity;
    }
    memmove(list->blocks + index + 1, list->blocks + index,
            (list->block_count - index) * sizeof(block));
    list->blocks[index] = block;
    list->block_count++;
    block->entries = block->storage;
    block->count = 0;
    return block;
}

static void block_drop(struct dk_order_list *list, uint32_t index)
{
    struct dk_block *block = list->blocks[index];

    list->block_count--;
    memmove(list->blocks + index, list->blocks + index + 1,
            (list->block_count - index) * sizeof(block));
    if (list->spare == NULL)
        list->spare = block;
    else
        dk_alloc_free(list->alloc, block, sizeof(*block));
}

/* Makes room in a full block: the upper half moves, or nothing does when the list grows at its end.
 */
static struct dk_place block_split(struct dk_order_list *list, struct dk_place place)
{
    struct dk_block *block = list->blocks[place.block], *next;
    uint32_t keep = place.block + 1 == list->block_count && place.at == block->count
                        ? block->count
                        : DK_BLOCK_ENTRIES / 2;

    next = block_insert(list, place.block + 1);
    next->count = block->count - keep;
    memcpy(next->entries, block->entries + keep, next->count * sizeof(struct dk_entry));
    block->count = keep;
    summarize(block);
    summarize(next);
    if (place.at > keep || place.at == DK_BLOCK_ENTRIES) {
        place.block++;
        place.at -= keep;
    }
    return place;
}

void dk_order_list_add(struct dk_order_list *list, const struct dk_entry *entry)
{
    struct dk_place place = dk_order_list_find(list, entry->key, entry->id);
    struct dk_block *block;

    if (place.block == list->block_count) { /* after everything */
        if (list->block_count == 0)
            summarize(block_insert(list, 0));
        place.block = list->block_count - 1;
        place.at = list->blocks[place.block]->count;
    }
    if (list->blocks[place.block]->count == DK_BLOCK_ENTRIES)
        place = block_split(list, place);
    block = list->blocks[place.block];
    if (block->entries + block->count == block->storage + DK_BLOCK_ENTRIES) {
        memmove(block->storage, block->entries, block->count * sizeof(*entry));
        block->entries = block->storage;
    }
    memmove(block->entries + place.at + 1, block->entries + place.at,
            (block->count - place.at) * sizeof(*entry));
    block->entries[place.at] = *entry;
    block->count++;
    if (entry->cores < block->cores_min)
        block->cores_min = entry->cores;
    if (entry->span < block->span_min)
        block->span_min = entry->span;
    block->cores_sum += entry->cores;
    list->count++;
}

/* Sparse neighbours become one block, so that the number of blocks follows the number of jobs. */
static void blocks_join(struct dk_order_list *list, uint32_t index)
{
    struct dk_block *block = list->blocks[index], *next;

    if (index + 1 >= list->block_count)
        return;
    next = list->blocks[index + 1];
    if (block->count + next->count > DK_BLOCK_ENTRIES / 2)
        return;
    memmove(block->storage, block->entries, block->count * sizeof(struct dk_entry));
    block->entries = block->storage;
    memcpy(block->entries + block->count, next->entries, next->count * sizeof(struct dk_entry));
    block->count += next->count;
    summarize(block);
    block_drop(list, index + 1);
}

static void block_take(struct dk_block *block, uint32_t at)
{
    struct dk_entry gone = block->entries[at];

    block->count--;
    if (at == 0)
        block->entries++;
    else
        memmove(block->entries + at, block->entries + at + 1,
                (block->count - at) * sizeof(struct dk_entry));
    block->cores_sum -= gone.cores;
    block->stale = block->stale || gone.cores == block->cores_min || gone.span == block->span_min;
}

void dk_order_list_remove(struct dk_order_list *list, dk_i128 key, int64_t id)
{
    struct dk_place place = dk_order_list_find(list, key, id);
    struct dk_block *block;

    DK_CHECK(place.block < list->block_count);
    block = list->blocks[place.block];
    DK_CHECK(block->entries[place.at].id == id);
    list->count--;
    if (block->count == 1) {
        block_drop(list, place.block);
        return;
    }
    block_take(block, place.at);
    if (block->count < DK_BLOCK_ENTRIES / 4)
        blocks_join(list, place.block);
}

uint32_t dk_order_list_cores_min(const struct dk_order_list *list)
{
    uint32_t cores_min = UINT32_MAX;

    for (uint32_t i = 0; i < list->block_count; i++) {
        const struct dk_block *block = dk_block_minima(list->blocks[i]);

        cores_min = block->cores_min < cores_min ? block->cores_min : cores_min;
    }
    return cores_min;
}
