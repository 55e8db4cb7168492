/* past.c - the live views as they were (past.h): whole batches from the log, up to the bound */
#include "projections/past.h"

#include "log/log.h"

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

enum dk_status dk_past_open(struct dk_live **live, const struct dk_place *place, int64_t at_seq,
                            int64_t at_time, struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_arena arena;
    bool beyond = false;
    enum dk_status status = dk_log_reader_open(&reader, place->log_uri, 1, err);

    *live = NULL;
    if (status != DK_OK)
        return status;
    dk_arena_init(&arena, &dk_heap);
    *live = dk_live_create(NULL);
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
