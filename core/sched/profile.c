/* profile.c - how many cores are free at each future moment
 *
 * Steps in order of time, in blocks that know the least and the most that is free in them. A search
 * for room passes over a block in which there is never enough, or always; a job that is laid over
 * whole blocks changes one number in each. So planning a job costs about the square root of the
 * number of steps.
 */
#include "sched/pass.h"

#include <string.h>

void dk_profile_release(struct dk_profile *profile)
{
    for (uint32_t i = 0; i < profile->block_made; i++)
        dk_alloc_free(profile->alloc, profile->blocks[i], sizeof(**profile->blocks));
    dk_alloc_free(profile->alloc, profile->blocks,
                  profile->block_capacity * sizeof(*profile->blocks));
    memset(profile, 0, sizeof(*profile));
}

static void block_measure(struct dk_profile_block *block)
{
    int64_t least = INT64_MAX, most = INT64_MIN;

    for (uint32_t i = 0; i < block->count; i++) {
        least = dk_min(least, block->steps[i].free);
        most = dk_max(most, block->steps[i].free);
    }
    block->least = least + block->add;
    block->most = most + block->add;
}

/* An empty block at `index`; one that was used before, if there is one. */
static struct dk_profile_block *block_insert(struct dk_profile *profile, uint32_t index)
{
    struct dk_profile_block *block;

    if (profile->block_count == profile->block_made) {
        profile->blocks = dk_grow(profile->alloc, profile->blocks, &profile->block_capacity,
                                  profile->block_made + 1, sizeof(*profile->blocks));
        profile->blocks[profile->block_made++] = dk_alloc_new(profile->alloc, sizeof(*block));
    }
    block = profile->blocks[profile->block_count];
    memmove(profile->blocks + index + 1, profile->blocks + index,
            (profile->block_count - index) * sizeof(block));
    profile->blocks[index] = block;
    profile->block_count++;
    block->count = 0;
    block->add = 0;
    return block;
}

/* The last block that begins at or before `time` (the first, if none does). */
static uint32_t block_of(const struct dk_profile *profile, int64_t time)
{
    uint32_t first = 0, limit = profile->block_count;

    while (limit - first > 1) {
        uint32_t middle = first + (limit - first) / 2;

        if (profile->blocks[middle]->steps[0].time <= time)
            first = middle;
        else
            limit = middle;
    }
    return first;
}

/* The first step of the block after `time`; count, if there is none. */
static uint32_t step_after(const struct dk_profile_block *block, int64_t time)
{
    uint32_t first = 0, limit = block->count;

    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;

        if (block->steps[middle].time <= time)
            first = middle + 1;
        else
            limit = middle;
    }
    return first;
}

static void append(struct dk_profile *profile, int64_t time, int64_t free)
{
    struct dk_profile_block *block =
        profile->block_count > 0 ? profile->blocks[profile->block_count - 1] : NULL;

    if (block != NULL && block->steps[block->count - 1].time == time) {
        block->steps[block->count - 1].free = free;
        return;
    }
    if (block == NULL || block->count == DK_PROFILE_STEPS * 3 / 4) /* room for steps in between */
        block = block_insert(profile, profile->block_count);
    block->steps[block->count].time = time;
    block->steps[block->count++].free = free;
}

void dk_profile_build(struct dk_profile *profile, const struct dk_pass *pass)
{
    struct dk_ends ends;
    int64_t time, free = (int64_t)pass->free;
    uint64_t cores;

    profile->block_count = 0;
    append(profile, pass->now, free);
    dk_ends_start(&ends, pass);
    while (dk_ends_next(&ends, &time, &cores)) {
        free += (int64_t)cores;
        append(profile, time, free);
    }
    for (uint32_t i = 0; i < profile->block_count; i++)
        block_measure(profile->blocks[i]);
}

/* A place in the profile: where the search stands. */
struct cursor {
    uint32_t block, at;
};

/* Goes on to the first step that has at least `cores` free. False: there is none. */
static bool seek_room(const struct dk_profile *profile, struct cursor *cursor, int64_t cores)
{
    for (; cursor->block < profile->block_count; cursor->block++, cursor->at = 0) {
        const struct dk_profile_block *block = profile->blocks[cursor->block];

        if (block->most < cores)
            continue;
        for (; cursor->at < block->count; cursor->at++)
            if (block->steps[cursor->at].free + block->add >= cores)
                return true;
    }
    return false;
}

/* Goes on to the first step before `end` that has less. False: there is none. */
static bool seek_obstacle(const struct dk_profile *profile, struct cursor *cursor, int64_t cores,
                          int64_t end)
{
    for (; cursor->block < profile->block_count; cursor->block++, cursor->at = 0) {
        const struct dk_profile_block *block = profile->blocks[cursor->block];

        if (block->steps[0].time >= end)
            return false;
        if (block->least >= cores)
            continue;
        for (; cursor->at < block->count; cursor->at++) {
            if (block->steps[cursor->at].time >= end)
                return false;
            if (block->steps[cursor->at].free + block->add < cores)
                return true;
        }
    }
    return false;
}

int64_t dk_profile_earliest(const struct dk_profile *profile, int64_t from, int64_t cores,
                            int64_t span)
{
    struct cursor cursor;

    cursor.block = block_of(profile, from);
    cursor.at = step_after(profile->blocks[cursor.block], from);
    cursor.at -= cursor.at > 0;
    while (seek_room(profile, &cursor, cores)) {
        int64_t start = dk_max(from, profile->blocks[cursor.block]->steps[cursor.at].time);

        if (!seek_obstacle(profile, &cursor, cores, dk_add_saturated(start, span)))
            return start;
    }
    return INT64_MAX;
}

int64_t dk_profile_room(const struct dk_profile *profile, int64_t from, int64_t cores)
{
    struct cursor cursor;

    cursor.block = block_of(profile, from);
    cursor.at = step_after(profile->blocks[cursor.block], from);
    cursor.at -= cursor.at > 0;
    if (!seek_room(profile, &cursor, cores))
        return INT64_MAX;
    return dk_max(from, profile->blocks[cursor.block]->steps[cursor.at].time);
}

int64_t dk_profile_after(const struct dk_profile *profile, int64_t time)
{
    uint32_t block = block_of(profile, time);
    uint32_t at = step_after(profile->blocks[block], time);

    if (at < profile->blocks[block]->count)
        return profile->blocks[block]->steps[at].time;
    return block + 1 < profile->block_count ? profile->blocks[block + 1]->steps[0].time : INT64_MAX;
}

static void block_split(struct dk_profile *profile, uint32_t index)
{
    struct dk_profile_block *next = block_insert(profile, index + 1);
    struct dk_profile_block *block = profile->blocks[index];
    uint32_t keep = block->count / 2;

    next->add = block->add;
    next->count = block->count - keep;
    memcpy(next->steps, block->steps + keep, next->count * sizeof(struct dk_step));
    block->count = keep;
    block_measure(block);
    block_measure(next);
}

/* The step that begins at `time`, made if there is none; time is not before the first step. */
static struct cursor step_at(struct dk_profile *profile, int64_t time)
{
    struct cursor cursor;
    struct dk_profile_block *block;

    cursor.block = block_of(profile, time);
    block = profile->blocks[cursor.block];
    cursor.at = step_after(block, time);
    if (block->steps[cursor.at - 1].time == time) {
        cursor.at--;
        return cursor;
    }
    if (block->count == DK_PROFILE_STEPS) {
        block_split(profile, cursor.block);
        return step_at(profile, time);
    }
    memmove(block->steps + cursor.at + 1, block->steps + cursor.at,
            (block->count - cursor.at) * sizeof(struct dk_step));
    block->steps[cursor.at].time = time;
    block->steps[cursor.at].free = block->steps[cursor.at - 1].free;
    block->count++;
    return cursor;
}

static void block_change(struct dk_profile_block *block, uint32_t first, uint32_t limit,
                         int64_t cores)
{
    if (first == 0 && limit == block->count) {
        block->add += cores;
        block->least += cores;
        block->most += cores;
        return;
    }
    for (uint32_t i = first; i < limit; i++)
        block->steps[i].free += cores;
    block_measure(block);
}

void dk_profile_change(struct dk_profile *profile, int64_t start, int64_t end, int64_t cores)
{
    struct cursor first, limit = { profile->block_count, 0 };

    start = dk_max(start, profile->blocks[0]->steps[0].time);
    if (end <= start)
        return;
    if (end != INT64_MAX)
        (void)step_at(profile, end); /* the end first: it may split the block of the start */
    first = step_at(profile, start);
    if (end != INT64_MAX)
        limit = step_at(profile, end);
    else
        limit.block = profile->block_count;
    for (uint32_t i = first.block; i <= limit.block && i < profile->block_count; i++) {
        struct dk_profile_block *block = profile->blocks[i];

        block_change(block, i == first.block ? first.at : 0,
                     i == limit.block ? limit.at : block->count, cores);
    }
}
