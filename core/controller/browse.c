/* browse.c - see browse.h */
#include "controller/browse.h"

#include "log/log.h"

enum dk_status dk_log_browse(const char *log_uri, uint64_t from,
                             enum dk_status (*visit)(void *ctx, const struct dk_event *event,
                                                     struct dk_err *err),
                             void *ctx, struct dk_err *err)
{
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_event event;
    struct dk_arena arena;
    enum dk_status status = dk_log_reader_open(&reader, log_uri, from, err);

    dk_arena_init(&arena, &dk_heap);
    if (status == DK_OK)
        status = dk_log_reader_until_now(reader, err);
    while (status == DK_OK) {
        status = dk_log_reader_next(reader, &batch, err);
        for (uint32_t i = 0; status == DK_OK && i < batch.count; i++) {
            dk_arena_reset(&arena);
            status =
                dk_event_decode(batch.records[i].data, batch.records[i].size, &arena, &event, err);
            if (status == DK_OK)
                status = visit(ctx, &event, err);
        }
    }
    dk_arena_release(&arena);
    dk_log_reader_close(reader);
    return status == DK_AGAIN || status == DK_NOT_FOUND ? DK_OK : status;
}
