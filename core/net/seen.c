/* seen.c - ids that were seen (seen.h)
 *
 * Two tables: one that is filled and the one that was filled before. When the first is full, or
 * DK_SEEN_S old, it takes the place of the second, which is dropped. Ids are digests, so any four
 * bytes of one are a hash; a slot that is all zero is free. */
#include "net/seen.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 1024 };

struct table {
    uint8_t (*slots)[DK_SEEN_ID_SIZE];
    uint32_t size, used; /* size: a power of two; 0: no slots */
    int64_t begun;
};

struct dk_seen {
    struct table now, before;
};

struct dk_seen *dk_seen_create(void)
{
    struct dk_seen *seen = calloc(1, sizeof(*seen));

    DK_CHECK(seen != NULL);
    return seen;
}

void dk_seen_destroy(struct dk_seen *seen)
{
    if (seen == NULL)
        return;
    free(seen->now.slots);
    free(seen->before.slots);
    free(seen);
}

/* The slot that has the id, or the free one where it would be. */
static uint8_t *slot_of(const struct table *table, const uint8_t id[DK_SEEN_ID_SIZE])
{
    static const uint8_t none[DK_SEEN_ID_SIZE];
    uint32_t at;

    memcpy(&at, id, sizeof(at));
    for (;; at++) {
        uint8_t *slot = table->slots[at & (table->size - 1)];

        if (memcmp(slot, id, DK_SEEN_ID_SIZE) == 0 || memcmp(slot, none, DK_SEEN_ID_SIZE) == 0)
            return slot;
    }
}

static bool has(const struct table *table, const uint8_t id[DK_SEEN_ID_SIZE])
{
    return table->size > 0 && memcmp(slot_of(table, id), id, DK_SEEN_ID_SIZE) == 0;
}

static void grow(struct table *table)
{
    struct table larger = { .size = table->size > 0 ? table->size * 2 : SLOTS_FIRST };

    larger.slots = calloc(larger.size, sizeof(*larger.slots));
    DK_CHECK(larger.slots != NULL);
    for (uint32_t i = 0; i < table->size; i++)
        memcpy(slot_of(&larger, table->slots[i]), table->slots[i], DK_SEEN_ID_SIZE);
    free(table->slots);
    table->slots = larger.slots;
    table->size = larger.size;
}

bool dk_seen_add(struct dk_seen *seen, const uint8_t id[DK_SEEN_ID_SIZE], int64_t now)
{
    struct table *table = &seen->now;

    if (table->used >= DK_SEEN_MAX || (table->used > 0 && now - table->begun >= DK_SEEN_S)) {
        free(seen->before.slots);
        seen->before = *table;
        *table = (struct table){ 0 };
    }
    if (seen->before.used > 0 && now - seen->before.begun >= INT64_C(2) * DK_SEEN_S) {
        free(seen->before.slots);
        seen->before = (struct table){ 0 };
    }
    if (has(table, id) || has(&seen->before, id))
        return false;
    if (table->used == 0)
        table->begun = now;
    if (table->used >= table->size / 4 * 3)
        grow(table);
    memcpy(slot_of(table, id), id, DK_SEEN_ID_SIZE);
    table->used++;
    return true;
}
