/* batch.h - the unit of atomic append and of determinism, written and read
 *
 * A batch is the facts admitted from some requests, then the decisions that follow,
 * then one BatchClosed with the digest of the state and the hash chain. The
 * controller, the replay and the simulator all make batches here; recovery, audit and every
 * other reader take them apart here. Nobody else stamps seq or epoch.
 *
 * The chain: chain_n = SHA-256 over BatchClosed_(n-1) and the events of batch n before its own
 * BatchClosed, each as its size (u32, little-endian) and its bytes. For the first batch,
 * BatchClosed_0 is empty. Decision 0004.
 */
#ifndef DK_BATCH_BATCH_H
#define DK_BATCH_BATCH_H

#include "log/log.h"
#include "sched/core.h"

/* --- writing --- */

struct dk_batcher;

struct dk_batcher_options {
    struct dk_log *log;    /* NULL: nothing is encoded, chained or written; decisions only */
    uint32_t epoch;        /* with a log: dk_log_epoch(log) */
    int64_t seq_next;      /* 1 for a new log */
    const uint8_t *closed; /* bytes of the last BatchClosed, NULL for a new log; copied */
    uint32_t closed_size;
};

/* The core is borrowed and changed; it outlives the batcher. */
struct dk_batcher *dk_batcher_create(struct dk_core *core, const struct dk_alloc *alloc,
                                     const struct dk_batcher_options *options);
void dk_batcher_destroy(struct dk_batcher *batcher);

/* Admits one request into the open batch (opens one if need be) and applies what it led to.
 * Admission goes on after the highest number that there was.
 * `outcome` (may be NULL) is the first event that it led to, good until the batch closes:
 * JobSubmitted with the new id, or RequestRejected. */
void dk_batcher_request(struct dk_batcher *batcher, const struct dk_stamp *stamp,
                        const struct dk_request *request, const struct dk_event **outcome);

/* Records that a request is not let to the core: RequestRejected for this reason, by stamp->actor
 * if it has one. `detail` is for people and borrowed until the batch closes. */
void dk_batcher_refuse(struct dk_batcher *batcher, const struct dk_stamp *stamp,
                       enum dk_reject_reason reason, struct dk_text detail,
                       const struct dk_event **outcome);

/* Adds an event that is docket's own: ClockAdvanced, ControllerStarted, LogicActivated. */
void dk_batcher_event(struct dk_batcher *batcher, const struct dk_event *event);

/* Lets the core decide at `now`, closes the batch and stages it in the log (dk_log_append;
 * the caller syncs). All events of the batch, stamped, are in *events until the next call. */
enum dk_status dk_batcher_close(struct dk_batcher *batcher, int64_t now,
                                const struct dk_events **events, struct dk_err *err);

/* --- reading --- */

enum dk_fold_depth {
    DK_FOLD_APPLY, /* decode, check the chain and the digest, apply */
    DK_FOLD_VERIFY /* and let the core decide each batch again: byte for byte the same */
};

struct dk_fold;

struct dk_fold_stats {
    uint64_t batches, events, decisions, bytes;
    int64_t seq, time; /* of the last event */
    uint32_t epoch;
};

/* Folds batches into `core` (borrowed). Fresh core: start at seq 1. Restored one: `closed` is the
 * last BatchClosed before where reading goes on. */
struct dk_fold *dk_fold_create(struct dk_core *core, const struct dk_alloc *alloc,
                               enum dk_fold_depth depth, const uint8_t *closed,
                               uint32_t closed_size);
void dk_fold_destroy(struct dk_fold *fold);

/* From now on shows `see` each event of a batch that has been folded, in order. */
void dk_fold_watch(struct dk_fold *fold, void (*see)(void *context, const struct dk_event *event),
                   void *context);

/* One batch of the log. DK_CORRUPT: chain or bytes; DK_DIVERGED: digest, or a decision that the
 * core does not make (the text says the seq, what is recorded and what would have been decided). */
enum dk_status dk_fold_batch(struct dk_fold *fold, const struct dk_log_batch *batch,
                             struct dk_err *err);
void dk_fold_stats(const struct dk_fold *fold, struct dk_fold_stats *stats);

#endif
