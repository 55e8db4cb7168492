/* alloc.h - where memory comes from: passed in, never reached for
 *
 * resize(ctx, NULL, 0, n) allocates n bytes, resize(ctx, p, old, n) grows or
 * shrinks, resize(ctx, p, old, 0) frees and returns NULL. The caller says the old size,
 * so an allocator need not remember it. It never returns NULL for n > 0: one
 * that has no memory ends the process, and the log brings the state back.
 */
#ifndef DK_BASE_ALLOC_H
#define DK_BASE_ALLOC_H

#include <stddef.h>

struct dk_alloc {
    void *(*resize)(void *ctx, void *memory, size_t size_old, size_t size_new);
    void *ctx;
};

/* The system's heap (heap.c). Not for the pure libraries: they are given it. */
extern const struct dk_alloc dk_heap;

/* For processes that live long and idle most of the time (heap.c). settle: at the beginning of
 * main, so that what is freed goes back to the system. rest: gives back what is free by now; a
 * millisecond or two, after much was done. */
void dk_heap_settle(void);
void dk_heap_rest(void);

static inline void *dk_alloc_new(const struct dk_alloc *alloc, size_t size)
{
    return alloc->resize(alloc->ctx, NULL, 0, size);
}

static inline void dk_alloc_free(const struct dk_alloc *alloc, void *memory, size_t size)
{
    if (memory != NULL)
        (void)alloc->resize(alloc->ctx, memory, size, 0);
}

#endif
