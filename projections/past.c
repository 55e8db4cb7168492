/* past.c - the live views as they were (past.h): whole batches from the log, up to the bound */
#include "projections/past.h"

#include "base/check.h"
#include "log/log.h"
#include "log/snapshots.h"
#include "net/journal.h"

#include <string.h>

#define BYTES_MAX ((size_t)4 << 30)
enum { KEPT = 32 };

/* A batch is all or nothing: the one that has the event at_seq counts. Its time is that of its last
 * event. */
static enum dk_status is_beyond(const struct dk_log_batch *batch, int64_t at_seq, int64_t at_time,
                                struct dk_arena *arena, bool *beyond, struct dk_err *err)
{
    const struct dk_log_record *last = &batch->records[batch->count - 1];
    struct dk_event event;
    enum dk_status status;

    *beyond = at_seq > 0 && (int64_t)batch->seq_first > at_seq;
    if (*beyond || at_time <= 0)
        return DK_OK;
    dk_arena_reset(arena);
    status = dk_event_decode(last->data, last->size, arena, &event, err);
    *beyond = status == DK_OK && event.meta.time > at_time;
    return status;
}

static enum dk_status fold(struct dk_live *live, const struct dk_log_batch *batch,
                           struct dk_arena *arena, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    dk_live_begin(live);
    for (uint32_t i = 0; status == DK_OK && i < batch->count; i++) {
        struct dk_event event;

        dk_arena_reset(arena);
        status =
            dk_event_decode(batch->records[i].data, batch->records[i].size, arena, &event, err);
        if (status == DK_OK)
            dk_live_apply(live, &event);
    }
    dk_live_end(live);
    return status;
}

/* --- kept on disk --- */

static void views_dir(const struct dk_place *place, char *path)
{
    dk_place_path(place, "views", path);
}

void dk_past_write(const struct dk_live *live, const struct dk_metrics *metrics,
                   struct dk_buf *bytes)
{
    uint32_t size = sizeof(*metrics);

    DK_CHECK(dk_buf_add(bytes, &size, sizeof(size)) && dk_buf_add(bytes, metrics, size));
    dk_live_write(live, bytes);
}

enum dk_status dk_past_save(const struct dk_place *place, int64_t seq, const struct dk_buf *bytes,
                            struct dk_err *err)
{
    char path[DK_PLACE_PATH_MAX + 64];

    views_dir(place, path);
    return dk_snapshots_save(path, (uint64_t)seq, bytes->data, bytes->size, KEPT, err);
}

static enum dk_status read_saved(struct dk_live **live, struct dk_metrics *metrics,
                                 const struct dk_live_hooks *hooks, const struct dk_buf *bytes,
                                 struct dk_err *err)
{
    size_t head = sizeof(uint32_t) + sizeof(*metrics);
    uint32_t size = 0;

    if (bytes->size >= head)
        memcpy(&size, bytes->data, sizeof(size));
    if (size != sizeof(*metrics))
        return dk_fail(err, DK_UNSUPPORTED, "they are of another version of docket");
    if (metrics != NULL)
        memcpy(metrics, bytes->data + sizeof(size), sizeof(*metrics));
    return dk_live_restore(live, hooks, bytes->data + head, bytes->size - head, err);
}

/* Another log may have been put in its place: there is a batch that ends with this seq then, at
 * another time, or none. */
static bool belongs(struct dk_live *live, const struct dk_place *place)
{
    int64_t seq = dk_live_seq(live);
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_arena arena;
    struct dk_event event;
    struct dk_err err;
    bool same;

    dk_arena_init(&arena, &dk_heap);
    same = dk_log_reader_open(&reader, place->log_uri, (uint64_t)seq, &err) == DK_OK &&
           dk_log_reader_next(reader, &batch, &err) == DK_OK &&
           (int64_t)(batch.seq_first + batch.count - 1) == seq &&
           dk_event_decode(batch.records[batch.count - 1].data, batch.records[batch.count - 1].size,
                           &arena, &event, &err) == DK_OK &&
           event.meta.time == dk_live_time(live);
    dk_log_reader_close(reader);
    dk_arena_release(&arena);
    return same;
}

void dk_past_restore(struct dk_live **live, struct dk_metrics *metrics,
                     const struct dk_place *place, const struct dk_live_hooks *hooks,
                     int64_t seq_max)
{
    char path[DK_PLACE_PATH_MAX + 64];
    struct dk_buf bytes;
    uint64_t seq = 0;
    struct dk_err err;

    *live = NULL;
    views_dir(place, path);
    dk_buf_init(&bytes, &dk_heap, BYTES_MAX);
    while (*live == NULL && seq_max > 0 &&
           dk_snapshots_load(path, (uint64_t)seq_max, &seq, &bytes, &err) == DK_OK) {
        if (read_saved(live, metrics, hooks, &bytes, &err) == DK_OK && !belongs(*live, place)) {
            dk_live_destroy(*live);
            *live = NULL;
            (void)dk_fail(&err, DK_DIVERGED, "they are not of this log");
        }
        if (*live == NULL)
            dk_journal(DK_JOURNAL_WARNING, "views saved at seq %llu are passed over: %s",
                       (unsigned long long)seq, err.text);
        seq_max = (int64_t)seq - 1;
        dk_buf_clear(&bytes);
    }
    if (*live == NULL && metrics != NULL)
        memset(metrics, 0, sizeof(*metrics));
    dk_buf_release(&bytes);
}

/* --- the past --- */

static void begin_before(struct dk_live **live, const struct dk_place *place, int64_t at_seq,
                         int64_t at_time)
{
    int64_t seq_max = at_seq > 0 ? at_seq : INT64_MAX;

    do {
        dk_past_restore(live, NULL, place, NULL, seq_max);
        if (*live == NULL || at_time <= 0 || dk_live_time(*live) <= at_time)
            break;
        seq_max = dk_live_seq(*live) - 1;
        dk_live_destroy(*live);
        *live = NULL;
    } while (seq_max > 0);
    if (*live == NULL)
        *live = dk_live_create(NULL);
}

enum dk_status dk_past_open(struct dk_live **live, const struct dk_place *place, int64_t at_seq,
                            int64_t at_time, struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_arena arena;
    bool beyond = false;
    enum dk_status status;

    begin_before(live, place, at_seq, at_time);
    status = dk_log_reader_open(&reader, place->log_uri, (uint64_t)dk_live_seq(*live) + 1, err);
    if (status != DK_OK) {
        dk_live_destroy(*live);
        *live = NULL;
        return status;
    }
    dk_arena_init(&arena, &dk_heap);
    while (status == DK_OK && !beyond) {
        struct dk_log_batch batch;

        status = dk_log_reader_next(reader, &batch, err);
        if (status == DK_OK)
            status = is_beyond(&batch, at_seq, at_time, &arena, &beyond, err);
        if (status == DK_OK && !beyond)
            status = fold(*live, &batch, &arena, err);
    }
    dk_arena_release(&arena);
    dk_log_reader_close(reader);
    if (status == DK_AGAIN)
        status = DK_OK;
    if (status == DK_OK && dk_live_seq(*live) == 0)
        status = dk_fail(err, DK_NOT_FOUND, "the log had not begun by then");
    if (status != DK_OK) {
        dk_live_destroy(*live);
        *live = NULL;
    }
    return status;
}
