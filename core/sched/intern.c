/* intern.c - see intern.h */
#include "sched/intern.h"

#include "base/check.h"
#include "sched/hash.h"

#include <string.h>

static uint32_t entry_new(struct dk_intern *intern)
{
    uint32_t id = intern->free_first;

    if (id != DK_TABLE_NONE) {
        intern->free_first = intern->entries[id].holders; /* links the free ones */
        return id;
    }
    if (intern->count == intern->capacity) {
        uint32_t capacity = intern->capacity == 0 ? 64 : intern->capacity * 2;

        intern->entries = intern->alloc->resize(intern->alloc->ctx, intern->entries,
                                                intern->capacity * sizeof(*intern->entries),
                                                capacity * sizeof(*intern->entries));
        intern->capacity = capacity;
    }
    return intern->count++;
}

void dk_intern_init(struct dk_intern *intern, const struct dk_alloc *alloc)
{
    uint32_t empty;

    memset(intern, 0, sizeof(*intern));
    intern->alloc = alloc;
    intern->free_first = DK_TABLE_NONE;
    dk_table_init(&intern->table, alloc);
    empty = entry_new(intern);
    memset(&intern->entries[empty], 0, sizeof(*intern->entries));
    intern->entries[empty].hash = dk_hash(DK_HASH_TEXT, "", 0);
    intern->entries[empty].first = intern->entries[empty].last = DK_TABLE_NONE;
}

void dk_intern_release(struct dk_intern *intern)
{
    for (uint32_t i = 0; i < intern->count; i++)
        dk_alloc_free(intern->alloc, intern->entries[i].data, intern->entries[i].size);
    dk_alloc_free(intern->alloc, intern->entries, intern->capacity * sizeof(*intern->entries));
    dk_table_release(&intern->table);
}

/* The entry of a text, or NONE and in *key the key where it would go: two texts of one hash take
 * neighbouring keys. */
static uint32_t lookup(const struct dk_intern *intern, struct dk_text text, uint64_t hash,
                       uint64_t *key)
{
    for (*key = hash | 1;; *key += 2) {
        uint32_t id = dk_table_find(&intern->table, *key);

        if (id == DK_TABLE_NONE || dk_text_equal(dk_intern_text(intern, id), text))
            return id;
    }
}

uint32_t dk_intern_find(const struct dk_intern *intern, struct dk_text text)
{
    uint64_t key;

    if (text.size == 0)
        return 0;
    return lookup(intern, text, dk_hash(DK_HASH_TEXT, text.data, text.size), &key);
}

uint32_t dk_intern_hold(struct dk_intern *intern, struct dk_text text)
{
    struct dk_intern_entry *entry;
    uint64_t hash, key;
    uint32_t id;

    if (text.size == 0)
        return 0;
    hash = dk_hash(DK_HASH_TEXT, text.data, text.size);
    id = lookup(intern, text, hash, &key);
    if (id == DK_TABLE_NONE) {
        id = entry_new(intern);
        entry = &intern->entries[id];
        memset(entry, 0, sizeof(*entry));
        entry->data = dk_alloc_new(intern->alloc, text.size);
        memcpy(entry->data, text.data, text.size);
        entry->size = text.size;
        entry->hash = hash;
        entry->key = key;
        entry->first = entry->last = DK_TABLE_NONE;
        dk_table_put(&intern->table, key, id);
        intern->bytes += text.size;
    }
    intern->entries[id].holders++;
    return id;
}

/* Texts of one hash after this one (a chain of keys) move up, so that lookups still find them. */
static void chain_close(struct dk_intern *intern, uint64_t key)
{
    uint64_t next = key + 2;
    uint32_t id = dk_table_find(&intern->table, next);

    while (id != DK_TABLE_NONE && (intern->entries[id].hash | 1) != next) {
        dk_table_remove(&intern->table, next);
        dk_table_put(&intern->table, key, id);
        intern->entries[id].key = key;
        key = next;
        next += 2;
        id = dk_table_find(&intern->table, next);
    }
}

void dk_intern_drop(struct dk_intern *intern, uint32_t id)
{
    struct dk_intern_entry *entry = &intern->entries[id];

    if (id == 0)
        return;
    DK_CHECK(entry->holders > 0);
    if (--entry->holders > 0)
        return;
    dk_table_remove(&intern->table, entry->key);
    chain_close(intern, entry->key);
    dk_alloc_free(intern->alloc, entry->data, entry->size);
    intern->bytes -= entry->size;
    entry->data = NULL;
    entry->size = 0;
    entry->holders = intern->free_first;
    intern->free_first = id;
}
