/* history.c - see history.h */
#include "history.h"

#include "batch/batch.h"

#include <stdlib.h>
#include <string.h>

static const int64_t usual_begin = INT64_C(1795600000000000);

static void add_event(struct dk_batcher *batcher, const struct history *history, int batch,
                      int64_t now, int number)
{
    const struct dk_event *outcome;
    struct dk_stamp stamp = { .number = number, .time = now };
    char detail[64];
    int size = snprintf(detail, sizeof(detail), "%s %d of batch %d",
                        batch == history->altered ? "a lie" : "a request", number, batch);

    dk_batcher_refuse(batcher, &stamp, DK_REJECT_REASON_INVALID,
                      (struct dk_text){ detail, (uint32_t)size }, &outcome);
}

/* Some batches as one writer; keeps its last BatchClosed in `closed`. */
static int write_epoch(struct dk_log *log, struct dk_core *core, const struct history *history,
                       int batch, struct dk_buf *closed, int *number)
{
    struct dk_batcher_options options = { log, dk_log_epoch(log), (int64_t)dk_log_seq_next(log),
                                          closed->data, (uint32_t)closed->size };
    struct dk_batcher *batcher = dk_batcher_create(core, &dk_heap, &options);
    int64_t begin = history->begin != 0 ? history->begin : usual_begin;

    for (int i = 0; i < 7 && batch <= history->batches; i++, batch++) {
        int events = batch == 11 ? 20 * (HISTORY_EVENTS - 1) : HISTORY_EVENTS - 1;
        const struct dk_events *all;

        for (int k = 0; k < events; k++)
            add_event(batcher, history, batch, begin + batch * 1000, ++*number);
        assert_ok(dk_batcher_close(batcher, begin + batch * 1000, &all, &ok_err));
        must_sync(log);
        dk_buf_clear(closed);
        assert_ok(dk_event_encode(&all->items[all->count - 1], closed, &ok_err));
    }
    dk_batcher_destroy(batcher);
    return batch;
}

void history_write(const char *uri, const struct history *history)
{
    struct dk_core_options options = { .digest = true };
    struct dk_core *core = dk_core_create(&dk_heap, &options);
    struct dk_buf closed;
    int batch = 1, number = 0;

    dk_buf_init(&closed, &dk_heap, 1 << 16);
    while (batch <= history->batches) {
        struct dk_log *log = must_open(uri, NULL);

        batch = write_epoch(log, core, history, batch, &closed, &number);
        must_close(log);
    }
    dk_buf_release(&closed);
    dk_core_destroy(core);
}

static struct dk_log_batch copy(const struct dk_log_batch *batch)
{
    struct dk_log_record *records = calloc(batch->count, sizeof(*records));
    struct dk_log_batch result = *batch;

    assert_non_null(records);
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t *bytes = malloc(batch->records[i].size);

        assert_non_null(bytes);
        memcpy(bytes, batch->records[i].data, batch->records[i].size);
        records[i] = (struct dk_log_record){ bytes, batch->records[i].size };
    }
    result.records = records;
    return result;
}

void history_read(const char *uri, struct history_batches *batches)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    enum dk_status status;

    memset(batches, 0, sizeof(*batches));
    assert_ok(dk_log_reader_open(&reader, uri, 1, &ok_err));
    while ((status = dk_log_reader_next(reader, &batch, NULL)) == DK_OK) {
        batches->items = realloc(batches->items, (batches->count + 1) * sizeof(*batches->items));
        assert_non_null(batches->items);
        batches->items[batches->count++] = copy(&batch);
    }
    assert_int_equal(status, DK_AGAIN);
    dk_log_reader_close(reader);
}

void history_release(struct history_batches *batches)
{
    for (size_t i = 0; i < batches->count; i++) {
        for (uint32_t k = 0; k < batches->items[i].count; k++)
            free((void *)(uintptr_t)batches->items[i].records[k].data);
        free((void *)(uintptr_t)batches->items[i].records);
    }
    free(batches->items);
    memset(batches, 0, sizeof(*batches));
}

bool same_batches(const struct dk_log_batch *a, const struct dk_log_batch *b)
{
    if (a->seq_first != b->seq_first || a->epoch != b->epoch || a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->records[i].size != b->records[i].size ||
            memcmp(a->records[i].data, b->records[i].data, a->records[i].size) != 0)
            return false;
    return true;
}

void history_head(const struct history_batches *batches, size_t count, uint8_t log[DK_HASH_SIZE],
                  struct dk_head *head)
{
    struct dk_trail trail;

    dk_trail_init(&trail, &dk_heap);
    for (size_t i = 0; i < count; i++)
        assert_ok(dk_trail_batch(&trail, &batches->items[i], &ok_err));
    dk_trail_head(&trail, head);
    memcpy(log, trail.log, DK_HASH_SIZE);
    dk_trail_release(&trail);
}
