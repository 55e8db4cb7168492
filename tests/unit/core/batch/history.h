/* history.h - small logs of real batches, the same each time, with one thing changed if asked */
#ifndef TESTS_UNIT_CORE_BATCH_HISTORY_H
#define TESTS_UNIT_CORE_BATCH_HISTORY_H

#include "../log/support.h"

#include "batch/trail.h"

struct history {
    int batches;   /* of 3 events each, with one of 3 * 20 among them; a new epoch each 7 batches */
    int altered;   /* the batch whose first event says something else, the chain as it follows; 0 */
    int64_t begin; /* 0: the usual; another makes another log */
};

#define HISTORY_EVENTS 3

/* Into a new log. */
void history_write(const char *uri, const struct history *history);

/* All batches of a log, copied; history_release. */
struct history_batches {
    struct dk_log_batch *items;
    size_t count;
};

void history_read(const char *uri, struct history_batches *batches);
void history_release(struct history_batches *batches);

bool same_batches(const struct dk_log_batch *a, const struct dk_log_batch *b);

/* Follows the chain over the first `count` of them, which has to hold. */
void history_head(const struct history_batches *batches, size_t count, uint8_t log[DK_HASH_SIZE],
                  struct dk_head *head);

#endif
