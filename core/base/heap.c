/* heap.c - the system's heap behind the allocator interface; an edge, not pure */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

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

const struct dk_alloc dk_heap = { heap_resize, NULL };
