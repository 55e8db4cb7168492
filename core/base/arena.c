/* arena.c - see arena.h */
#include "base/arena.h"

#include <stdint.h>

#define CHUNK_MIN ((size_t)64 * 1024)

struct dk_arena_chunk {
    struct dk_arena_chunk *older;
    size_t size; /* of the whole chunk */
};

static unsigned char *chunk_first(struct dk_arena_chunk *chunk)
{
    return (unsigned char *)chunk + ((sizeof(*chunk) + 15) & ~(size_t)15);
}

void dk_arena_init(struct dk_arena *arena, const struct dk_alloc *alloc)
{
    arena->alloc = alloc;
    arena->chunks = NULL;
    arena->next = arena->limit = NULL;
}

void *dk_arena_grow(struct dk_arena *arena, size_t size)
{
    size_t wanted = arena->chunks == NULL ? CHUNK_MIN : arena->chunks->size * 2;
    struct dk_arena_chunk *chunk;

    if (wanted < size + 64)
        wanted = size + 64;
    chunk = dk_alloc_new(arena->alloc, wanted);
    chunk->older = arena->chunks;
    chunk->size = wanted;
    arena->chunks = chunk;
    arena->next = chunk_first(chunk) + size;
    arena->limit = (unsigned char *)chunk + wanted;
    return chunk_first(chunk);
}

/* The newest chunk is the largest: it stays. */
void dk_arena_reset(struct dk_arena *arena)
{
    struct dk_arena_chunk *chunk = arena->chunks;

    if (chunk == NULL)
        return;
    while (chunk->older != NULL) {
        struct dk_arena_chunk *older = chunk->older;

        chunk->older = older->older;
        dk_alloc_free(arena->alloc, older, older->size);
    }
    arena->next = chunk_first(chunk);
}

void dk_arena_release(struct dk_arena *arena)
{
    dk_arena_reset(arena);
    if (arena->chunks != NULL)
        dk_alloc_free(arena->alloc, arena->chunks, arena->chunks->size);
    arena->chunks = NULL;
    arena->next = arena->limit = NULL;
}
