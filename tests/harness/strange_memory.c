/* strange_memory.c - an allocator that nobody may depend on: garbage inside, odd addresses, always
 * moves */
#include "base/check.h"
#include "base/prng.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 64, LATE = 37 };

static struct dk_prng prng = { { 1, 2, 3, 4 } };
static void *late[LATE]; /* freed by their owner, given back to the heap later, in another order */

static void *strange_new(size_t size)
{
    size_t shift = 16 * (1 + (size_t)dk_prng_below(&prng, 3));
    unsigned char *base = malloc(size + HEAD), *memory = base + shift;

    DK_CHECK(base != NULL);
    memset(base, (int)dk_prng_below(&prng, 255) + 1, size + HEAD);
    memcpy(memory - sizeof(base), &base, sizeof(base));
    return memory;
}

static void strange_free(unsigned char *memory, size_t size)
{
    uint64_t place = dk_prng_below(&prng, LATE);
    void *base;

    memcpy(&base, memory - sizeof(base), sizeof(base));
    memset(memory, 0xdb, size);
    free(late[place]);
    late[place] = base;
}

static void *strange_resize(void *ctx, void *memory, size_t size_old, size_t size_new)
{
    void *moved = size_new > 0 ? strange_new(size_new) : NULL;

    (void)ctx;
    if (memory == NULL)
        return moved;
    if (moved != NULL)
        memcpy(moved, memory, size_old < size_new ? size_old : size_new);
    strange_free(memory, size_old);
    for (int i = 0; size_new == 0 && i < LATE; i++) { /* now and then all of it */
        if (dk_prng_below(&prng, 50) != 0)
            continue;
        free(late[i]);
        late[i] = NULL;
    }
    return moved;
}

__attribute__((destructor)) static void strange_end(void)
{
    for (int i = 0; i < LATE; i++)
        free(late[i]);
}

const struct dk_alloc world_strange_memory = { strange_resize, NULL };
