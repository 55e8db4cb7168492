/* arena.h - memory that dies together
 *
 * Allocations are 16-byte aligned, never freed singly. dk_arena_reset keeps
 * the largest chunk, so that a loop that resets each round allocates nothing
 * once it is warm. Pointers are good until the next reset or release.
 */
#ifndef DK_BASE_ARENA_H
#define DK_BASE_ARENA_H

#include "base/alloc.h"

struct dk_arena_chunk;

struct dk_arena {
    const struct dk_alloc *alloc;
    struct dk_arena_chunk *chunks; /* newest first */
    unsigned char *next, *limit;
};

void dk_arena_init(struct dk_arena *arena, const struct dk_alloc *alloc);
void dk_arena_reset(struct dk_arena *arena);
void dk_arena_release(struct dk_arena *arena);
void *dk_arena_grow(struct dk_arena *arena, size_t size); /* the slow path of take */

static inline void *dk_arena_take(struct dk_arena *arena, size_t size)
{
    size_t rounded = (size + 15) & ~(size_t)15;
    unsigned char *memory = arena->next;

    if (__builtin_expect((size_t)(arena->limit - memory) < rounded, 0))
        return dk_arena_grow(arena, rounded);
    arena->next = memory + rounded;
    return memory;
}

#endif
