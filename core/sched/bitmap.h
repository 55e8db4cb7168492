/* bitmap.h - a set of numbers (cores, GPUs, nodes) with a summary, so that empty stretches cost
 * nothing
 *
 * One bit a number, and above it one bit for each word that is not empty: finding
 * the lowest member of a 93,312-core machine looks at a few words.
 */
#ifndef DK_SCHED_BITMAP_H
#define DK_SCHED_BITMAP_H

#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>

#define DK_BITMAP_NONE UINT32_MAX

struct dk_bitmap {
    const struct dk_alloc *alloc;
    uint64_t *words;
    uint64_t *summary;
    uint32_t size;     /* numbers 0 .. size-1 */
    uint32_t capacity; /* of words, a multiple of 64 */
};

void dk_bitmap_init(struct dk_bitmap *bitmap, const struct dk_alloc *alloc);
void dk_bitmap_release(struct dk_bitmap *bitmap);
void dk_bitmap_extend(struct dk_bitmap *bitmap, uint32_t size); /* new numbers are not members */

/* All of first .. first+count-1 in or out. They must all be out, or in, before: a core given
 * twice or freed twice is found here. */
void dk_bitmap_add_range(struct dk_bitmap *bitmap, uint32_t first, uint32_t count);
void dk_bitmap_remove_range(struct dk_bitmap *bitmap, uint32_t first, uint32_t count);

bool dk_bitmap_has_range(const struct dk_bitmap *bitmap, uint32_t first, uint32_t count);
uint32_t dk_bitmap_count_range(const struct dk_bitmap *bitmap, uint32_t first, uint32_t count);
uint32_t dk_bitmap_next(const struct dk_bitmap *bitmap,
                        uint32_t from); /* lowest member >= from, or NONE */
/* The first number in from .. limit-1 that is not a member (limit, or size, if there is none). */
uint32_t dk_bitmap_next_gap(const struct dk_bitmap *bitmap, uint32_t from, uint32_t limit);

#endif
