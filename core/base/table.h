/* table.h - a hash table from a 64-bit key to a 32-bit slot, open addressing
 *
 * Lookup only: it is never iterated, so that hash order decides nothing. Keys
 * may be any value but 0. Deletion shifts entries back, so there are no tombstones
 * and the cost of a lookup does not grow with the history of the table.
 */
#ifndef DK_BASE_TABLE_H
#define DK_BASE_TABLE_H

#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>

#define DK_TABLE_NONE UINT32_MAX

struct dk_table_entry {
    uint64_t key; /* 0: free */
    uint32_t slot;
    uint32_t unused;
};

struct dk_table {
    const struct dk_alloc *alloc;
    struct dk_table_entry *entries;
    uint32_t mask; /* capacity - 1; capacity is a power of two */
    uint32_t count;
};

void dk_table_init(struct dk_table *table, const struct dk_alloc *alloc);
void dk_table_release(struct dk_table *table);
uint32_t dk_table_find(const struct dk_table *table, uint64_t key); /* DK_TABLE_NONE: absent */
void dk_table_put(struct dk_table *table, uint64_t key, uint32_t slot);
bool dk_table_remove(struct dk_table *table, uint64_t key);

#endif
