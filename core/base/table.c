/* table.c - see table.h; linear probing, at most 5/8 full */
#include "base/table.h"

#include "base/check.h"

#include <string.h>

static uint32_t home(const struct dk_table *table, uint64_t key)
{
    key *= 0x9e3779b97f4a7c15u;
    return (uint32_t)(key >> 32) & table->mask;
}

void dk_table_init(struct dk_table *table, const struct dk_alloc *alloc)
{
    memset(table, 0, sizeof(*table));
    table->alloc = alloc;
}

void dk_table_release(struct dk_table *table)
{
    if (table->entries != NULL)
        dk_alloc_free(table->alloc, table->entries,
                      ((size_t)table->mask + 1) * sizeof(*table->entries));
    table->entries = NULL;
    table->mask = table->count = 0;
}

uint32_t dk_table_find(const struct dk_table *table, uint64_t key)
{
    uint32_t at;

    if (table->entries == NULL)
        return DK_TABLE_NONE;
    for (at = home(table, key); table->entries[at].key != 0; at = (at + 1) & table->mask)
        if (table->entries[at].key == key)
            return table->entries[at].slot;
    return DK_TABLE_NONE;
}

static void grow(struct dk_table *table)
{
    struct dk_table_entry *old = table->entries;
    uint32_t capacity_old = old == NULL ? 0 : table->mask + 1;
    uint32_t capacity = capacity_old == 0 ? 64 : capacity_old * 2;

    table->entries = dk_alloc_new(table->alloc, (size_t)capacity * sizeof(*old));
    memset(table->entries, 0, (size_t)capacity * sizeof(*old));
    table->mask = capacity - 1;
    table->count = 0;
    for (uint32_t i = 0; i < capacity_old; i++)
        if (old[i].key != 0)
            dk_table_put(table, old[i].key, old[i].slot);
    dk_alloc_free(table->alloc, old, (size_t)capacity_old * sizeof(*old));
}

void dk_table_put(struct dk_table *table, uint64_t key, uint32_t slot)
{
    uint32_t at;

    DK_CHECK(key != 0);
    if (table->entries == NULL || table->count >= (table->mask + 1) / 8 * 5)
        grow(table);
    for (at = home(table, key); table->entries[at].key != 0; at = (at + 1) & table->mask)
        if (table->entries[at].key == key)
            break;
    if (table->entries[at].key == 0)
        table->count++;
    table->entries[at].key = key;
    table->entries[at].slot = slot;
}

bool dk_table_remove(struct dk_table *table, uint64_t key)
{
    uint32_t hole, at;

    if (table->entries == NULL)
        return false;
    for (hole = home(table, key); table->entries[hole].key != key; hole = (hole + 1) & table->mask)
        if (table->entries[hole].key == 0)
            return false;
    for (at = (hole + 1) & table->mask; table->entries[at].key != 0; at = (at + 1) & table->mask) {
        uint32_t wanted = home(table, table->entries[at].key);

        /* May move back into the hole unless its home lies cyclically after it. */
        if (((at - wanted) & table->mask) >= ((at - hole) & table->mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole].key = 0;
    table->count--;
    return true;
}
