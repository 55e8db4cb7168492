/* batch.c - making batches: admit, apply, decide, apply, close (batch.h) */
#include "batch/batch.h"

#include "base/check.h"
#include "batch/chain.h"

#include <string.h>

#define BATCH_SIZE_MAX ((size_t)200 << 20)

struct dk_batcher {
    struct dk_core *core;
    const struct dk_alloc *alloc;
    struct dk_log *log;
    uint32_t epoch;
    int64_t seq_next;
    int64_t requests_next;
    struct dk_events events; /* of the open batch, or of the one just closed */
    uint32_t settled;        /* events that are stamped, encoded and applied */
    bool closed;             /* the events are of a closed batch */
    struct dk_chain chain;
    struct dk_buf bytes; /* the events, encoded, end to end */
    size_t *offsets;     /* of each event in bytes, and the end */
    uint32_t offset_capacity;
    struct dk_log_record *records;
    const uint8_t **starts;
    uint32_t *sizes;
    uint32_t record_capacity;
};

struct dk_batcher *dk_batcher_create(struct dk_core *core, const struct dk_alloc *alloc,
                                     const struct dk_batcher_options *options)
{
    struct dk_batcher *batcher = dk_alloc_new(alloc, sizeof(*batcher));
    struct dk_core_stats stats;

    memset(batcher, 0, sizeof(*batcher));
    dk_core_stats(core, &stats);
    batcher->core = core;
    batcher->alloc = alloc;
    batcher->log = options->log;
    batcher->epoch = options->epoch;
    batcher->seq_next = options->seq_next;
    batcher->requests_next = stats.requests_next;
    dk_events_init(&batcher->events, alloc);
    dk_buf_init(&batcher->bytes, alloc, BATCH_SIZE_MAX);
    dk_chain_init(&batcher->chain, alloc, options->closed, options->closed_size);
    batcher->closed = true;
    return batcher;
}

void dk_batcher_destroy(struct dk_batcher *batcher)
{
    const struct dk_alloc *alloc;

    if (batcher == NULL)
        return;
    alloc = batcher->alloc;
    dk_events_release(&batcher->events);
    dk_buf_release(&batcher->bytes);
    dk_chain_release(&batcher->chain);
    dk_alloc_free(alloc, batcher->offsets, batcher->offset_capacity * sizeof(*batcher->offsets));
    dk_alloc_free(alloc, batcher->records, batcher->record_capacity * sizeof(*batcher->records));
    dk_alloc_free(alloc, batcher->starts, batcher->record_capacity * sizeof(*batcher->starts));
    dk_alloc_free(alloc, batcher->sizes, batcher->record_capacity * sizeof(*batcher->sizes));
    dk_alloc_free(alloc, batcher, sizeof(*batcher));
}

static void batch_open(struct dk_batcher *batcher)
{
    if (!batcher->closed)
        return;
    dk_events_reset(&batcher->events);
    dk_buf_clear(&batcher->bytes);
    batcher->settled = 0;
    batcher->closed = false;
}

/* An event that we made ourselves has to fit its own schema: if it does not, that is our bug. */
static void encode(struct dk_batcher *batcher, uint32_t index)
{
    struct dk_err err;

    if (index + 2 > batcher->offset_capacity) {
        uint32_t capacity = batcher->offset_capacity == 0 ? 64 : batcher->offset_capacity * 2;

        batcher->offsets = batcher->alloc->resize(
            batcher->alloc->ctx, batcher->offsets,
            batcher->offset_capacity * sizeof(*batcher->offsets), capacity * sizeof(size_t));
        batcher->offset_capacity = capacity;
    }
    batcher->offsets[index] = batcher->bytes.size;
    DK_CHECK(dk_event_encode(&batcher->events.items[index], &batcher->bytes, &err) == DK_OK);
    batcher->offsets[index + 1] = batcher->bytes.size;
}

static void settle(struct dk_batcher *batcher)
{
    for (; batcher->settled < batcher->events.count; batcher->settled++) {
        struct dk_event *event = &batcher->events.items[batcher->settled];

        event->meta.seq = batcher->seq_next++;
        event->meta.epoch = (int32_t)batcher->epoch;
        if (batcher->log != NULL)
            encode(batcher, batcher->settled);
        dk_core_apply(batcher->core, event);
    }
}

static void pass(struct dk_batcher *batcher, int64_t number)
{
    if (batcher->requests_next <= number)
        batcher->requests_next = number + 1;
}

void dk_batcher_request(struct dk_batcher *batcher, const struct dk_stamp *stamp,
                        const struct dk_request *request, const struct dk_event **outcome)
{
    uint32_t first;

    DK_CHECK(stamp->number > 0);
    batch_open(batcher);
    first = batcher->events.count;
    dk_core_admit(batcher->core, stamp, request, &batcher->events);
    DK_CHECK(batcher->events.count > first);
    settle(batcher);
    pass(batcher, stamp->number);
    if (outcome != NULL)
        *outcome = &batcher->events.items[first];
}

void dk_batcher_refuse(struct dk_batcher *batcher, const struct dk_stamp *stamp,
                       enum dk_reject_reason reason, struct dk_text detail,
                       const struct dk_event **outcome)
{
    struct dk_event *event;

    DK_CHECK(stamp->number > 0);
    batch_open(batcher);
    event = dk_events_add(&batcher->events, DK_EVENT_REQUEST_REJECTED, stamp->time);
    event->meta.cause = stamp->number;
    event->meta.has_actor = stamp->has_actor;
    event->meta.actor = stamp->actor;
    event->request_rejected = (struct dk_request_rejected){ .reason = reason, .detail = detail };
    settle(batcher);
    pass(batcher, stamp->number);
    *outcome = event;
}

void dk_batcher_event(struct dk_batcher *batcher, const struct dk_event *event)
{
    batch_open(batcher);
    *dk_events_add(&batcher->events, event->type, event->meta.time) = *event;
    settle(batcher);
}

static void records_room(struct dk_batcher *batcher, uint32_t count)
{
    uint32_t before = batcher->record_capacity, capacity = before == 0 ? 64 : before;
    const struct dk_alloc *alloc = batcher->alloc;

    if (count <= before)
        return;
    while (capacity < count)
        capacity *= 2;
    batcher->records =
        alloc->resize(alloc->ctx, batcher->records, before * sizeof(*batcher->records),
                      capacity * sizeof(*batcher->records));
    batcher->starts = alloc->resize(alloc->ctx, batcher->starts, before * sizeof(*batcher->starts),
                                    capacity * sizeof(*batcher->starts));
    batcher->sizes = alloc->resize(alloc->ctx, batcher->sizes, before * sizeof(*batcher->sizes),
                                   capacity * sizeof(*batcher->sizes));
    batcher->record_capacity = capacity;
}

/* The events so far as runs of bytes; the buffer does not move until the next encode. */
static void records_point(struct dk_batcher *batcher)
{
    records_room(batcher, batcher->events.count + 1);
    for (uint32_t i = 0; i < batcher->events.count; i++) {
        batcher->starts[i] = batcher->bytes.data + batcher->offsets[i];
        batcher->sizes[i] = (uint32_t)(batcher->offsets[i + 1] - batcher->offsets[i]);
        batcher->records[i].data = batcher->starts[i];
        batcher->records[i].size = batcher->sizes[i];
    }
}

static enum dk_status stage(struct dk_batcher *batcher, struct dk_err *err)
{
    struct dk_log_batch batch;
    uint32_t last = batcher->events.count - 1;

    records_point(batcher);
    dk_chain_advance(&batcher->chain, batcher->starts[last], batcher->sizes[last]);
    batch.seq_first = (uint64_t)batcher->events.items[0].meta.seq;
    batch.epoch = batcher->epoch;
    batch.count = batcher->events.count;
    batch.records = batcher->records;
    return dk_log_append(batcher->log, &batch, err);
}

enum dk_status dk_batcher_close(struct dk_batcher *batcher, int64_t now,
                                const struct dk_events **events, struct dk_err *err)
{
    struct dk_event *closed;
    uint64_t digest;
    uint32_t count;

    batch_open(batcher);
    dk_core_schedule(batcher->core, now, &batcher->events);
    settle(batcher);
    *events = &batcher->events;
    batcher->closed = true;
    count = batcher->events.count;
    if (count == 0)
        return DK_OK;
    digest = dk_core_digest(batcher->core);
    closed = dk_events_add(&batcher->events, DK_EVENT_BATCH_CLOSED, now);
    closed->batch_closed.events = (int32_t)count;
    closed->batch_closed.requests_next = batcher->requests_next;
    for (int i = 0; i < 8; i++)
        closed->batch_closed.digest.bytes[i] = (uint8_t)(digest >> (8 * i));
    if (batcher->log != NULL) {
        batcher->events.count--; /* the link is over those before it */
        records_point(batcher);
        dk_chain_link(&batcher->chain, batcher->starts, batcher->sizes, count,
                      closed->batch_closed.chain.bytes);
        batcher->events.count++;
    } else {
        memset(&closed->batch_closed.chain, 0, sizeof(closed->batch_closed.chain));
    }
    settle(batcher);
    return batcher->log == NULL ? DK_OK : stage(batcher, err);
}
