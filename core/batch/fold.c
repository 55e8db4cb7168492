/* fold.c - taking batches apart: check, apply, and decide again to compare (batch.h) */
#include "batch/batch.h"

#include "base/check.h"
#include "batch/chain.h"

#include <string.h>

struct dk_fold {
    struct dk_core *core;
    const struct dk_alloc *alloc;
    enum dk_fold_depth depth;
    struct dk_chain chain;
    struct dk_arena arena; /* of the batch at hand */
    struct dk_event *events;
    uint32_t event_capacity;
    const uint8_t **starts;
    uint32_t *sizes;
    struct dk_events decided; /* what the core would have decided */
    struct dk_buf bytes;
    struct dk_fold_stats stats;
    void (*see)(void *context, const struct dk_event *event); /* NULL: nobody watches */
    void *see_context;
};

struct dk_fold *dk_fold_create(struct dk_core *core, const struct dk_alloc *alloc,
                               enum dk_fold_depth depth, const uint8_t *closed,
                               uint32_t closed_size)
{
    struct dk_fold *fold = dk_alloc_new(alloc, sizeof(*fold));

    memset(fold, 0, sizeof(*fold));
    fold->core = core;
    fold->alloc = alloc;
    fold->depth = depth;
    dk_chain_init(&fold->chain, alloc, closed, closed_size);
    dk_arena_init(&fold->arena, alloc);
    dk_events_init(&fold->decided, alloc);
    dk_buf_init(&fold->bytes, alloc, (size_t)200 << 20);
    return fold;
}

void dk_fold_destroy(struct dk_fold *fold)
{
    const struct dk_alloc *alloc;

    if (fold == NULL)
        return;
    alloc = fold->alloc;
    dk_chain_release(&fold->chain);
    dk_arena_release(&fold->arena);
    dk_events_release(&fold->decided);
    dk_buf_release(&fold->bytes);
    dk_alloc_free(alloc, fold->events, fold->event_capacity * sizeof(*fold->events));
    dk_alloc_free(alloc, fold->starts, fold->event_capacity * sizeof(*fold->starts));
    dk_alloc_free(alloc, fold->sizes, fold->event_capacity * sizeof(*fold->sizes));
    dk_alloc_free(alloc, fold, sizeof(*fold));
}

static void events_room(struct dk_fold *fold, uint32_t count)
{
    uint32_t before = fold->event_capacity, capacity = before == 0 ? 64 : before;
    const struct dk_alloc *alloc = fold->alloc;

    if (count <= before)
        return;
    while (capacity < count)
        capacity *= 2;
    fold->events = alloc->resize(alloc->ctx, fold->events, before * sizeof(*fold->events),
                                 capacity * sizeof(*fold->events));
    fold->starts = alloc->resize(alloc->ctx, fold->starts, before * sizeof(*fold->starts),
                                 capacity * sizeof(*fold->starts));
    fold->sizes = alloc->resize(alloc->ctx, fold->sizes, before * sizeof(*fold->sizes),
                                capacity * sizeof(*fold->sizes));
    fold->event_capacity = capacity;
}

static enum dk_status decode(struct dk_fold *fold, const struct dk_log_batch *batch,
                             struct dk_err *err)
{
    if (fold->arena.chunks != NULL)
        dk_arena_reset(&fold->arena);
    events_room(fold, batch->count);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct dk_log_record *record = &batch->records[i];
        uint64_t seq = batch->seq_first + i;
        enum dk_status status =
            dk_event_decode(record->data, record->size, &fold->arena, &fold->events[i], err);

        if (status != DK_OK) {
            dk_fail_in(err, "event %llu cannot be read", (unsigned long long)seq);
            return status == DK_UNKNOWN_SCHEMA ? status : DK_CORRUPT;
        }
        if (fold->events[i].meta.seq != (int64_t)seq)
            return dk_fail(err, DK_CORRUPT, "event %llu says that its seq is %lld",
                           (unsigned long long)seq, (long long)fold->events[i].meta.seq);
        fold->starts[i] = record->data;
        fold->sizes[i] = record->size;
    }
    return DK_OK;
}

/* The last event, and only that, is BatchClosed; the chain holds. */
static enum dk_status check_frame(struct dk_fold *fold, const struct dk_log_batch *batch,
                                  struct dk_err *err)
{
    const struct dk_event *last = &fold->events[batch->count - 1];
    uint8_t link[32];

    for (uint32_t i = 0; i < batch->count; i++)
        if ((fold->events[i].type == DK_EVENT_BATCH_CLOSED) != (i + 1 == batch->count))
            return dk_fail(err, DK_CORRUPT, "event %lld: BatchClosed is not the end of its batch",
                           (long long)fold->events[i].meta.seq);
    if (last->batch_closed.events != (int32_t)batch->count - 1)
        return dk_fail(err, DK_CORRUPT, "the batch that ends at event %lld has %u events, not %d",
                       (long long)last->meta.seq, batch->count - 1, last->batch_closed.events);
    dk_chain_link(&fold->chain, fold->starts, fold->sizes, batch->count - 1, link);
    if (memcmp(link, last->batch_closed.chain.bytes, sizeof(link)) != 0)
        return dk_fail(err, DK_CORRUPT,
                       "the hash chain breaks at event %lld: an event from %llu on was altered",
                       (long long)last->meta.seq, (unsigned long long)batch->seq_first);
    return DK_OK;
}

static enum dk_status differs(struct dk_fold *fold, const struct dk_event *recorded,
                              const struct dk_event *decided, struct dk_err *err)
{
    struct dk_buf text;

    dk_buf_init(&text, fold->alloc, 4096);
    dk_buf_add_text(&text, "recorded ");
    if (recorded == NULL || !dk_event_print(recorded, &text))
        dk_buf_add_text(&text, recorded == NULL ? "nothing" : dk_event_name(recorded->type));
    if (text.size > 220)
        text.size = 220;
    dk_buf_add_text(&text, ", decided ");
    if (decided == NULL || !dk_event_print(decided, &text))
        dk_buf_add_text(&text, decided == NULL ? "nothing" : dk_event_name(decided->type));
    dk_fail(err, DK_DIVERGED, "event %lld: %.*s",
            (long long)(recorded != NULL ? recorded->meta.seq : decided->meta.seq), (int)text.size,
            (const char *)text.data);
    dk_buf_release(&text);
    return DK_DIVERGED;
}

/* Decides again and compares with events[first..limit-1], byte for byte. */
static enum dk_status verify(struct dk_fold *fold, uint32_t first, uint32_t limit,
                             struct dk_err *err)
{
    const struct dk_meta *closed = &fold->events[limit].meta;

    dk_events_reset(&fold->decided);
    dk_core_schedule(fold->core, closed->time, &fold->decided);
    for (uint32_t i = 0; i < fold->decided.count; i++) {
        struct dk_event *decided = &fold->decided.items[i];
        uint32_t at = first + i;

        decided->meta.seq = fold->events[first].meta.seq + i;
        decided->meta.epoch = closed->epoch;
        if (at >= limit)
            return differs(fold, NULL, decided, err);
        dk_buf_clear(&fold->bytes);
        if (dk_event_encode(decided, &fold->bytes, err) != DK_OK ||
            fold->bytes.size != fold->sizes[at] ||
            memcmp(fold->bytes.data, fold->starts[at], fold->sizes[at]) != 0)
            return differs(fold, &fold->events[at], decided, err);
    }
    if (first + fold->decided.count < limit)
        return differs(fold, &fold->events[first + fold->decided.count], NULL, err);
    return DK_OK;
}

static enum dk_status check_digest(const struct dk_fold *fold, const struct dk_event *closed,
                                   struct dk_err *err)
{
    uint64_t recorded = 0, digest = dk_core_digest(fold->core);

    for (int i = 0; i < 8; i++)
        recorded |= (uint64_t)closed->batch_closed.digest.bytes[i] << (8 * i);
    if (digest != 0 && recorded != 0 && digest != recorded)
        return dk_fail(err, DK_DIVERGED,
                       "the state after event %lld has the digest %016llx, recorded is %016llx",
                       (long long)closed->meta.seq - 1, (unsigned long long)digest,
                       (unsigned long long)recorded);
    return DK_OK;
}

static enum dk_status apply(struct dk_fold *fold, uint32_t first, uint32_t limit,
                            struct dk_err *err)
{
    for (uint32_t i = first; i < limit; i++) {
        enum dk_status status = dk_core_check(fold->core, &fold->events[i], err);

        if (status != DK_OK)
            return status;
        dk_core_apply(fold->core, &fold->events[i]);
    }
    return DK_OK;
}

/* Skipped is what an operator appended, outside any batch: nothing follows from it. */
static bool only_skipped(const struct dk_fold *fold, const struct dk_log_batch *batch)
{
    return batch->count == 1 && fold->events[0].type == DK_EVENT_SKIPPED;
}

enum dk_status dk_fold_batch(struct dk_fold *fold, const struct dk_log_batch *batch,
                             struct dk_err *err)
{
    uint32_t closed = batch->count - 1, first = 0;
    enum dk_status status = decode(fold, batch, err);

    if (status != DK_OK || only_skipped(fold, batch))
        return status;
    status = check_frame(fold, batch, err);
    if (status != DK_OK)
        return status;
    while (first < closed && !dk_event_is_decision(&fold->events[first]))
        first++;
    status = apply(fold, 0, first, err);
    if (status == DK_OK && fold->depth == DK_FOLD_VERIFY)
        status = verify(fold, first, closed, err);
    if (status == DK_OK)
        status = apply(fold, first, closed, err);
    if (status == DK_OK)
        status = check_digest(fold, &fold->events[closed], err);
    if (status == DK_OK)
        status = apply(fold, closed, batch->count, err);
    if (status != DK_OK)
        return status;
    dk_chain_advance(&fold->chain, fold->starts[closed], fold->sizes[closed]);
    fold->stats.batches++;
    fold->stats.events += batch->count;
    fold->stats.decisions += closed - first;
    for (uint32_t i = 0; i < batch->count; i++)
        fold->stats.bytes += fold->sizes[i];
    fold->stats.seq = fold->events[closed].meta.seq;
    fold->stats.time = fold->events[closed].meta.time;
    fold->stats.epoch = (uint32_t)fold->events[closed].meta.epoch;
    for (uint32_t i = 0; fold->see != NULL && i < batch->count; i++)
        fold->see(fold->see_context, &fold->events[i]);
    return DK_OK;
}

void dk_fold_watch(struct dk_fold *fold, void (*see)(void *context, const struct dk_event *event),
                   void *context)
{
    fold->see = see;
    fold->see_context = context;
}

void dk_fold_stats(const struct dk_fold *fold, struct dk_fold_stats *stats)
{
    *stats = fold->stats;
}
