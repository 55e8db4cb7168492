/* follower.c - a core that reads along (follower.h) */
#include "controller/follower.h"

#include "base/check.h"
#include "log/snapshots.h"

#include <stdlib.h>
#include <string.h>

struct dk_follower {
    struct dk_core *core;
    struct dk_fold *fold;
    struct dk_log_reader *reader;
    char *log_dir;
    bool holds; /* `held` was read and not folded yet */
    struct dk_log_batch held;
    uint64_t seq, snapshot_seq;
    int64_t time;
    uint32_t epoch;
    struct dk_buf closed; /* bytes of the last BatchClosed */
    struct dk_arena arena;
};

static const struct dk_core_options core_options = { .digest = true };

/* Time and epoch of a batch are those of its last event, BatchClosed. */
static enum dk_status read_closed(struct dk_follower *follower, const struct dk_log_batch *batch,
                                  struct dk_meta *meta, struct dk_err *err)
{
    const struct dk_log_record *last = &batch->records[batch->count - 1];
    struct dk_event event;
    enum dk_status status;

    dk_arena_reset(&follower->arena);
    status = dk_event_decode(last->data, last->size, &follower->arena, &event, err);
    if (status != DK_OK)
        return status;
    if (event.type != DK_EVENT_BATCH_CLOSED)
        return dk_fail(err, DK_CORRUPT, "the batch at seq %llu does not end in BatchClosed",
                       (unsigned long long)batch->seq_first);
    *meta = event.meta;
    return DK_OK;
}

static void note_batch(struct dk_follower *follower, const struct dk_log_batch *batch,
                       const struct dk_meta *meta)
{
    const struct dk_log_record *last = &batch->records[batch->count - 1];

    follower->seq = batch->seq_first + batch->count - 1;
    follower->time = meta->time;
    follower->epoch = batch->epoch;
    dk_buf_clear(&follower->closed);
    DK_CHECK(dk_buf_add(&follower->closed, last->data, last->size));
}

/* The newest usable snapshot; a damaged or outdated one is passed over, for the log has it all. */
static void restore(struct dk_follower *follower, uint64_t seq_max)
{
    struct dk_buf bytes;
    uint64_t seq = 0;

    if (follower->log_dir == NULL)
        return;
    dk_buf_init(&bytes, &dk_heap, DK_SNAPSHOT_SIZE_MAX);
    if (dk_snapshots_load(follower->log_dir, seq_max, &seq, &bytes, NULL) == DK_OK &&
        dk_core_restore(&follower->core, bytes.data, bytes.size, &dk_heap, &core_options, NULL) ==
            DK_OK)
        follower->seq = follower->snapshot_seq = seq;
    dk_buf_release(&bytes);
}

/* After a snapshot: the batch that ends with its seq, for the chain. */
static enum dk_status find_place(struct dk_follower *follower, const char *log_uri,
                                 struct dk_err *err)
{
    struct dk_log_batch batch;
    struct dk_meta meta = { 0 };
    enum dk_status status =
        dk_log_reader_open(&follower->reader, log_uri, follower->seq > 0 ? follower->seq : 1, err);

    if (status != DK_OK || follower->seq == 0)
        return status;
    status = dk_log_reader_next(follower->reader, &batch, err);
    if (status == DK_OK && batch.seq_first + batch.count - 1 != follower->seq)
        status = dk_fail(err, DK_CORRUPT, "the snapshot of seq %llu is not at the end of a batch",
                         (unsigned long long)follower->seq);
    if (status == DK_OK)
        status = read_closed(follower, &batch, &meta, err);
    if (status == DK_OK)
        note_batch(follower, &batch, &meta);
    return status;
}

enum dk_status dk_follower_open(struct dk_follower **out, const char *log_uri, const char *log_dir,
                                uint64_t seq_max, struct dk_err *err)
{
    struct dk_follower *follower = calloc(1, sizeof(*follower));
    enum dk_status status;

    DK_CHECK(follower != NULL);
    *out = NULL;
    follower->log_dir = log_dir != NULL ? strdup(log_dir) : NULL;
    dk_buf_init(&follower->closed, &dk_heap, DK_LOG_RECORD_SIZE_MAX);
    dk_arena_init(&follower->arena, &dk_heap);
    restore(follower, seq_max);
    status = find_place(follower, log_uri, err);
    if (status != DK_OK && status != DK_NOT_FOUND && follower->core != NULL) {
        /* The snapshot does not belong to this log: without it then. */
        dk_core_destroy(follower->core);
        follower->core = NULL;
        dk_log_reader_close(follower->reader);
        follower->reader = NULL;
        follower->seq = follower->snapshot_seq = 0;
        status = find_place(follower, log_uri, err);
    }
    if (status != DK_OK) {
        dk_follower_close(follower);
        return status;
    }
    if (follower->core == NULL)
        follower->core = dk_core_create(&dk_heap, &core_options);
    follower->fold = dk_fold_create(follower->core, &dk_heap, DK_FOLD_APPLY, follower->closed.data,
                                    (uint32_t)follower->closed.size);
    *out = follower;
    return DK_OK;
}

void dk_follower_close(struct dk_follower *follower)
{
    if (follower == NULL)
        return;
    dk_fold_destroy(follower->fold);
    dk_core_destroy(follower->core);
    dk_log_reader_close(follower->reader);
    dk_buf_release(&follower->closed);
    dk_arena_release(&follower->arena);
    free(follower->log_dir);
    free(follower);
}

enum dk_status dk_follower_advance(struct dk_follower *follower, uint64_t seq_limit,
                                   int64_t time_limit, struct dk_err *err)
{
    for (;;) {
        struct dk_log_batch *batch = &follower->held;
        struct dk_meta meta = { 0 };
        enum dk_status status = DK_OK;

        if (!follower->holds)
            status = dk_log_reader_next(follower->reader, batch, err);
        if (status != DK_OK)
            return status;
        follower->holds = true;
        if (batch->seq_first + batch->count - 1 > seq_limit)
            return DK_OK;
        status = read_closed(follower, batch, &meta, err);
        if (status != DK_OK)
            return status;
        if (meta.time > time_limit)
            return DK_OK;
        status = dk_fold_batch(follower->fold, batch, err);
        if (status != DK_OK)
            return status;
        follower->holds = false;
        note_batch(follower, batch, &meta);
    }
}

enum dk_status dk_follower_wait(struct dk_follower *follower, int timeout_ms, struct dk_err *err)
{
    return follower->holds ? DK_OK : dk_log_reader_wait(follower->reader, timeout_ms, err);
}

int dk_follower_fd(const struct dk_follower *follower)
{
    return dk_log_reader_fd(follower->reader);
}

void dk_follower_watch(struct dk_follower *follower,
                       void (*see)(void *context, const struct dk_event *event), void *context)
{
    dk_fold_watch(follower->fold, see, context);
}

const struct dk_core *dk_follower_core(const struct dk_follower *follower)
{
    return follower->core;
}

uint64_t dk_follower_seq(const struct dk_follower *follower)
{
    return follower->seq;
}

int64_t dk_follower_time(const struct dk_follower *follower)
{
    return follower->time;
}

uint32_t dk_follower_epoch(const struct dk_follower *follower)
{
    return follower->epoch;
}

uint64_t dk_follower_snapshot_seq(const struct dk_follower *follower)
{
    return follower->snapshot_seq;
}

const uint8_t *dk_follower_closed(const struct dk_follower *follower, uint32_t *size)
{
    *size = (uint32_t)follower->closed.size;
    return follower->closed.size > 0 ? follower->closed.data : NULL;
}

enum dk_status dk_follower_snapshot(struct dk_follower *follower, struct dk_err *err)
{
    struct dk_buf bytes;
    enum dk_status status;

    if (follower->log_dir == NULL || follower->seq == 0)
        return DK_OK;
    dk_buf_init(&bytes, &dk_heap, DK_SNAPSHOT_SIZE_MAX);
    dk_core_snapshot(follower->core, &bytes);
    status = dk_snapshots_save(follower->log_dir, follower->seq, bytes.data, bytes.size,
                               DK_FOLLOWER_SNAPSHOTS_KEPT, err);
    dk_buf_release(&bytes);
    if (status == DK_OK)
        follower->snapshot_seq = follower->seq;
    return status;
}

struct dk_core *dk_follower_take(struct dk_follower *follower)
{
    struct dk_core *core = follower->core;

    dk_fold_destroy(follower->fold);
    follower->fold = NULL;
    follower->core = NULL;
    return core;
}
