/* texts.c - texts that recur (texts.h) */
#include "projections/texts.h"

#include <string.h>

struct dk_text_entry {
    struct dk_text text;
    uint32_t next; /* of the same hash; DK_TABLE_NONE: none */
};

/* FNV-1a, 64 bits: short texts; nothing is decided by it. */
uint64_t dk_bytes_hash(const void *bytes, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    return hash != 0 ? hash : 1;
}

void dk_texts_init(struct dk_texts *texts)
{
    memset(texts, 0, sizeof(*texts));
    dk_arena_init(&texts->arena, &dk_heap);
    dk_table_init(&texts->by_hash, &dk_heap);
}

void dk_texts_release(struct dk_texts *texts)
{
    dk_alloc_free(&dk_heap, texts->entries, texts->capacity * sizeof(*texts->entries));
    dk_table_release(&texts->by_hash);
    dk_arena_release(&texts->arena);
}

struct dk_text dk_texts_keep(struct dk_texts *texts, struct dk_text text)
{
    uint64_t hash = dk_bytes_hash(text.data, text.size);
    uint32_t first = dk_table_find(&texts->by_hash, hash);
    struct dk_text_entry *entry;
    char *copy;

    for (uint32_t at = first; at != DK_TABLE_NONE; at = texts->entries[at].next) {
        if (dk_text_equal(texts->entries[at].text, text))
            return texts->entries[at].text;
    }
    if (texts->count == texts->capacity) {
        uint32_t capacity = texts->capacity > 0 ? texts->capacity * 2 : 64;

        texts->entries =
            dk_heap.resize(dk_heap.ctx, texts->entries, texts->capacity * sizeof(*entry),
                           capacity * sizeof(*entry));
        texts->capacity = capacity;
    }
    copy = dk_arena_take(&texts->arena, (size_t)text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    entry = &texts->entries[texts->count];
    *entry = (struct dk_text_entry){ { copy, text.size }, first };
    if (first != DK_TABLE_NONE)
        (void)dk_table_remove(&texts->by_hash, hash);
    dk_table_put(&texts->by_hash, hash, texts->count++);
    return entry->text;
}
