/* heap.c - the system's heap behind the allocator interface; an edge, not pure */
#include "base/alloc.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

/* Few arenas: what one thread has freed serves the next. Pieces of so much are the system's, not
 * an arena's, whatever was freed before: they grow without a copy and are gone when freed. */
enum { ARENAS = 2, MAPPED_FROM = 512 << 10, TRIMMED_FROM = 256 << 10 };

static void *heap_resize(void *ctx, void *memory, size_t size_old, size_t size_new)
{
    void *moved;

    (void)ctx;
    (void)size_old;
    if (size_new == 0) {
        free(memory);
        return NULL;
    }
    moved = realloc(memory, size_new);
    if (moved == NULL) {
        (void)fprintf(stderr, "docket: out of memory asking for %zu bytes\n", size_new);
        exit(71);
    }
    return moved;
}

void dk_heap_settle(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_ARENA_MAX, ARENAS);
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_FROM);
    (void)mallopt(M_TRIM_THRESHOLD, TRIMMED_FROM);
#endif
}

void dk_heap_rest(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

const struct dk_alloc dk_heap = { heap_resize, NULL };
