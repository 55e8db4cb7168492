/* trail.h - the hash chain of a log, followed without a core
 *
 * For who needs to know that batches belong together and has no use for a state: exports, imports,
 * checkpoints. A trail proves what the chain proves (decision 0004): that seqs are dense, epochs do
 * not go down, and each batch was made behind the one before. It decodes the end of a batch only.
 */
#ifndef DK_BATCH_TRAIL_H
#define DK_BATCH_TRAIL_H

#include "base/arena.h"
#include "batch/chain.h"
#include "event/event.h"
#include "log/log.h"

#define DK_HASH_SIZE 32

struct dk_trail {
    struct dk_chain chain;
    struct dk_arena arena;
    uint64_t seq_next; /* of the batch that must come */
    uint32_t epoch;    /* of the last one */
    uint64_t batches, events, bytes;
    bool has_log; /* its first batch was seen, or given */
    uint8_t log[DK_HASH_SIZE];
    struct dk_event closed; /* the last BatchClosed; seq 0: none yet */
};

/* What the last BatchClosed says, and the SHA-256 of its bytes. */
struct dk_head {
    uint64_t seq; /* 0: there is none */
    uint32_t epoch;
    int64_t time;
    uint8_t chain[DK_HASH_SIZE], closed[DK_HASH_SIZE];
    uint8_t digest[8];
};

/* At the beginning of a log. */
void dk_trail_init(struct dk_trail *trail, const struct dk_alloc *alloc);
void dk_trail_release(struct dk_trail *trail);

/* In the middle: the next batch begins at `seq_next`, and `closed` is the BatchClosed before it, as
 * it is in the log. DK_CORRUPT: it is none. `log` (may be NULL) is the identity, as known. */
enum dk_status dk_trail_begin(struct dk_trail *trail, uint64_t seq_next, const uint8_t *closed,
                              uint32_t closed_size, const uint8_t *log, struct dk_err *err);

/* The next batch. DK_CORRUPT: it does not belong here; the trail has not moved. */
enum dk_status dk_trail_batch(struct dk_trail *trail, const struct dk_log_batch *batch,
                              struct dk_err *err);

void dk_trail_head(const struct dk_trail *trail, struct dk_head *head);

/* Puts a fresh trail before the batch of a log that contains seq_from (0: the first batch), and
 * opens a reader there. DK_NOT_FOUND: no log, or it has no such seq yet. */
enum dk_status dk_trail_find(struct dk_trail *trail, struct dk_log_reader **reader, const char *uri,
                             uint64_t seq_from, struct dk_err *err);

#endif
