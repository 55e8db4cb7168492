/* texts.h - texts that recur (names of users, nodes, partitions), kept once and never freed
 *
 * A text that was kept stays where it is as long as the table lives, so readers may hold on to
 * it without a lock. For what has few different values; what every job has anew belongs elsewhere.
 */
#ifndef DK_PROJECTIONS_TEXTS_H
#define DK_PROJECTIONS_TEXTS_H

#include "base/arena.h"
#include "base/table.h"
#include "base/text.h"

struct dk_texts {
    struct dk_arena arena;
    struct dk_table by_hash; /* to the first of a chain */
    struct dk_text_entry *entries;
    uint32_t count, capacity;
};

void dk_texts_init(struct dk_texts *texts);
void dk_texts_release(struct dk_texts *texts);

/* The kept text, equal to `text` and NUL-terminated. */
struct dk_text dk_texts_keep(struct dk_texts *texts, struct dk_text text);

uint64_t dk_bytes_hash(const void *bytes, size_t size); /* never 0 */

#endif
