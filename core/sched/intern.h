/* intern.h - each text once: names of jobs, accounts, features and constraints
 *
 * An id stands for a text while somebody holds it; 0 is the empty text, always there. Ids are
 * reused and decide nothing; digests use the text's hash.
 */
#ifndef DK_SCHED_INTERN_H
#define DK_SCHED_INTERN_H

#include "base/table.h"
#include "base/text.h"

struct dk_intern_entry {
    char *data;
    uint32_t size;
    uint32_t holders;
    uint64_t hash; /* of the text; the table's key is hash + collisions, never 0 */
    uint64_t key;
    uint32_t first, last; /* job names: active jobs of that name, by slot (name list in jobs.c) */
    uint32_t singletons;  /* of them, waiting with a singleton dependency */
};

struct dk_intern {
    const struct dk_alloc *alloc;
    struct dk_table table;
    struct dk_intern_entry *entries; /* [0] is the empty text */
    uint32_t count, capacity, free_first;
    uint64_t bytes;
};

void dk_intern_init(struct dk_intern *intern, const struct dk_alloc *alloc);
void dk_intern_release(struct dk_intern *intern);
uint32_t dk_intern_hold(struct dk_intern *intern, struct dk_text text); /* one hold more */
void dk_intern_drop(struct dk_intern *intern, uint32_t id);             /* one hold less */
uint32_t dk_intern_find(const struct dk_intern *intern,
                        struct dk_text text); /* DK_TABLE_NONE: absent */

static inline struct dk_text dk_intern_text(const struct dk_intern *intern, uint32_t id)
{
    struct dk_text text = { intern->entries[id].data, intern->entries[id].size };
    return text;
}

#endif
