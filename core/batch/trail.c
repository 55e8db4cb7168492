/* trail.c - see trail.h */
#include "batch/trail.h"

#include "base/check.h"
#include "base/sha256.h"

#include <inttypes.h>
#include <string.h>

void dk_trail_init(struct dk_trail *trail, const struct dk_alloc *alloc)
{
    memset(trail, 0, sizeof(*trail));
    dk_chain_init(&trail->chain, alloc, NULL, 0);
    dk_arena_init(&trail->arena, alloc);
    trail->seq_next = 1;
}

void dk_trail_release(struct dk_trail *trail)
{
    dk_chain_release(&trail->chain);
    dk_arena_release(&trail->arena);
}

static enum dk_status decode(struct dk_trail *trail, const uint8_t *bytes, uint32_t size,
                             uint64_t seq, struct dk_event *event, struct dk_err *err)
{
    enum dk_status status;

    if (trail->arena.chunks != NULL)
        dk_arena_reset(&trail->arena);
    status = dk_event_decode(bytes, size, &trail->arena, event, err);
    if (status == DK_OK)
        return DK_OK;
    (void)dk_fail_in(err, "event %" PRIu64 " cannot be read", seq);
    return status == DK_UNKNOWN_SCHEMA ? status : DK_CORRUPT;
}

/* BatchClosed borrows nothing from its bytes but the actor, which it does not have. */
static void keep(struct dk_trail *trail, const struct dk_event *closed)
{
    trail->closed = *closed;
    trail->closed.meta.has_actor = false;
}

enum dk_status dk_trail_begin(struct dk_trail *trail, uint64_t seq_next, const uint8_t *closed,
                              uint32_t closed_size, const uint8_t *log, struct dk_err *err)
{
    struct dk_event event;
    enum dk_status status = decode(trail, closed, closed_size, seq_next - 1, &event, err);

    if (status != DK_OK)
        return status;
    if (event.type != DK_EVENT_BATCH_CLOSED || event.meta.seq <= 0 ||
        (uint64_t)event.meta.seq >= seq_next)
        return dk_fail(err, DK_CORRUPT, "what is before event %" PRIu64 " is no end of a batch",
                       seq_next);
    keep(trail, &event);
    dk_chain_advance(&trail->chain, closed, closed_size);
    trail->seq_next = seq_next;
    trail->epoch = (uint32_t)event.meta.epoch;
    trail->has_log = log != NULL;
    if (log != NULL)
        memcpy(trail->log, log, sizeof(trail->log));
    return DK_OK;
}

static enum dk_status check_closed(const struct dk_trail *trail, const struct dk_log_batch *batch,
                                   const struct dk_event *closed, struct dk_err *err)
{
    uint64_t seq = batch->seq_first + batch->count - 1;
    uint8_t link[DK_HASH_SIZE];

    if (closed->type != DK_EVENT_BATCH_CLOSED)
        return dk_fail(err, DK_CORRUPT, "event %" PRIu64 " is the last of its batch, and a %s", seq,
                       dk_event_name(closed->type));
    if (closed->meta.seq != (int64_t)seq)
        return dk_fail(err, DK_CORRUPT, "event %" PRIu64 " says that its seq is %" PRId64, seq,
                       closed->meta.seq);
    if (closed->batch_closed.events != (int32_t)batch->count - 1)
        return dk_fail(err, DK_CORRUPT,
                       "the batch that ends at event %" PRIu64 " has %u events, not %d", seq,
                       batch->count - 1, closed->batch_closed.events);
    dk_chain_link_records(&trail->chain, batch->records, batch->count - 1, link);
    if (memcmp(link, closed->batch_closed.chain.bytes, sizeof(link)) != 0)
        return dk_fail(err, DK_CORRUPT,
                       "the hash chain breaks at event %" PRIu64 ": an event from %" PRIu64
                       " on was altered",
                       seq, batch->seq_first);
    return DK_OK;
}

enum dk_status dk_trail_batch(struct dk_trail *trail, const struct dk_log_batch *batch,
                              struct dk_err *err)
{
    const struct dk_log_record *last = &batch->records[batch->count - 1];
    struct dk_event event;
    enum dk_status status;

    if (batch->seq_first != trail->seq_next)
        return dk_fail(err, DK_CORRUPT, "a batch begins at event %" PRIu64 ", not at %" PRIu64,
                       batch->seq_first, trail->seq_next);
    if (batch->epoch < trail->epoch)
        return dk_fail(err, DK_CORRUPT, "the batch at event %" PRIu64 " is of epoch %u, behind %u",
                       batch->seq_first, batch->epoch, trail->epoch);
    status =
        decode(trail, last->data, last->size, batch->seq_first + batch->count - 1, &event, err);
    /* Skipped is what an operator appended, outside any batch. */
    if (status == DK_OK && !(batch->count == 1 && event.type == DK_EVENT_SKIPPED)) {
        status = check_closed(trail, batch, &event, err);
        if (status == DK_OK && batch->seq_first == 1) {
            memcpy(trail->log, event.batch_closed.chain.bytes, sizeof(trail->log));
            trail->has_log = true;
        }
        if (status == DK_OK) {
            keep(trail, &event);
            dk_chain_advance(&trail->chain, last->data, last->size);
        }
    }
    if (status != DK_OK)
        return status;
    trail->seq_next += batch->count;
    trail->epoch = batch->epoch;
    trail->batches++;
    trail->events += batch->count;
    for (uint32_t i = 0; i < batch->count; i++)
        trail->bytes += batch->records[i].size;
    return DK_OK;
}

void dk_trail_head(const struct dk_trail *trail, struct dk_head *head)
{
    const struct dk_event *closed = &trail->closed;
    struct dk_sha256 hash;

    memset(head, 0, sizeof(*head));
    if (closed->meta.seq == 0)
        return;
    head->seq = (uint64_t)closed->meta.seq;
    head->epoch = (uint32_t)closed->meta.epoch;
    head->time = closed->meta.time;
    memcpy(head->chain, closed->batch_closed.chain.bytes, sizeof(head->chain));
    memcpy(head->digest, closed->batch_closed.digest.bytes, sizeof(head->digest));
    dk_sha256_init(&hash);
    dk_sha256_add(&hash, trail->chain.closed.data, trail->chain.closed.size);
    dk_sha256_done(&hash, head->closed);
}

/* --- where to begin --- */

/* The batch that contains `seq`, borrowed from the reader. */
static enum dk_status batch_at(struct dk_log_reader **reader, const char *uri, uint64_t seq,
                               struct dk_log_batch *batch, struct dk_err *err)
{
    enum dk_status status = dk_log_reader_open(reader, uri, seq, err);

    if (status == DK_OK)
        status = dk_log_reader_next(*reader, batch, err);
    if (status == DK_AGAIN)
        status = dk_fail(err, DK_NOT_FOUND, "log '%s' has no event %" PRIu64, uri, seq);
    DK_CHECK(status != DK_OK || (batch->count > 0 && batch->records != NULL));
    return status;
}

/* The identity, from the first batch. */
static enum dk_status learn_log(struct dk_trail *trail, const char *uri, struct dk_err *err)
{
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch = { 0 };
    enum dk_status status = batch_at(&reader, uri, 1, &batch, err);

    if (status == DK_OK)
        status = dk_trail_batch(trail, &batch, err);
    dk_log_reader_close(reader);
    return status;
}

/* Begins behind the last BatchClosed before `seq`, the first of a batch. */
static enum dk_status begin_before(struct dk_trail *trail, const char *uri, uint64_t seq,
                                   const uint8_t *log, struct dk_err *err)
{
    uint64_t before = seq - 1;

    for (;;) {
        struct dk_log_reader *reader = NULL;
        struct dk_log_batch batch = { 0 };
        struct dk_event event = { 0 };
        enum dk_status status = batch_at(&reader, uri, before, &batch, err);
        const struct dk_log_record *last = NULL;
        bool is_skipped = false;

        if (status == DK_OK) {
            last = &batch.records[batch.count - 1];
            status = decode(trail, last->data, last->size, before, &event, err);
            is_skipped = status == DK_OK && event.type == DK_EVENT_SKIPPED && batch.seq_first > 1;
            before = is_skipped ? batch.seq_first - 1 : before;
        }
        if (status == DK_OK && !is_skipped)
            status = dk_trail_begin(trail, seq, last->data, last->size, log, err);
        dk_log_reader_close(reader);
        if (!is_skipped)
            return status;
    }
}

static void start_again(struct dk_trail *trail)
{
    const struct dk_alloc *alloc = trail->chain.closed.alloc;

    dk_trail_release(trail);
    dk_trail_init(trail, alloc);
}

enum dk_status dk_trail_find(struct dk_trail *trail, struct dk_log_reader **reader, const char *uri,
                             uint64_t seq_from, struct dk_err *err)
{
    struct dk_log_reader *look = NULL;
    struct dk_log_batch batch = { 0 };
    uint8_t log[DK_HASH_SIZE];
    uint64_t first = 1;
    enum dk_status status = DK_OK;

    *reader = NULL;
    if (seq_from > 1) {
        status = learn_log(trail, uri, err);
        memcpy(log, trail->log, sizeof(log));
        if (status == DK_OK)
            status = batch_at(&look, uri, seq_from, &batch, err);
        first = status == DK_OK ? batch.seq_first : 1;
        dk_log_reader_close(look);
        trail->batches = trail->events = trail->bytes = 0;
    }
    if (status == DK_OK && first > 1)
        status = begin_before(trail, uri, first, log, err);
    else if (status == DK_OK && seq_from > 1) /* the batch is the first one after all */
        start_again(trail);
    if (status == DK_OK)
        status = dk_log_reader_open(reader, uri, first, err);
    if (status == DK_OK)
        status = dk_log_reader_until_now(*reader, err);
    return status;
}
