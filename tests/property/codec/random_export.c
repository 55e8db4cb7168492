/* random_export.c - see random_export.h */
#include "random_export.h"

#include <string.h>

enum { BATCHES = 30 };

struct bytes_of_batch {
    struct dk_log_record records[DK_EVENT_TYPE_COUNT];
    size_t starts[DK_EVENT_TYPE_COUNT];
};

/* One event of each type, encoded one after the other. */
static enum dk_status make(struct bytes_of_batch *batch, struct dk_prng *prng,
                           struct dk_arena *arena, struct dk_buf *bytes,
                           void (*seen)(void *context, const union codec_record *record),
                           void *context, struct dk_err *err)
{
    const struct codec_family *events = &codec_families[0];

    dk_arena_reset(arena);
    dk_buf_clear(bytes);
    for (int type = 1; type < events->type_count; type++) {
        union codec_record record;
        enum dk_status status;

        random_record(events, type, prng, arena, &record);
        batch->starts[type - 1] = bytes->size;
        status = events->encode(&record, bytes, err);
        if (status != DK_OK)
            return status;
        batch->records[type - 1].size = (uint32_t)(bytes->size - batch->starts[type - 1]);
        if (seen != NULL)
            seen(context, &record);
    }
    for (int i = 0; i + 1 < events->type_count; i++)
        batch->records[i].data = bytes->data + batch->starts[i];
    return DK_OK;
}

enum dk_status random_export(const char *path, enum dk_container_codec codec, uint64_t seed,
                             void (*seen)(void *context, const union codec_record *record),
                             void *context, struct dk_err *err)
{
    struct dk_container_about about = { .seq_first = 1, .codec = codec };
    struct dk_container_writer *writer;
    struct dk_head head = { .seq = 1 };
    struct bytes_of_batch made;
    struct dk_log_batch batch = { .seq_first = 1, .epoch = 3, .records = made.records };
    struct dk_prng prng;
    struct dk_arena arena;
    struct dk_buf bytes;
    enum dk_status status = dk_container_create(&writer, path, &about, err);

    dk_prng_init(&prng, seed);
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&bytes, &dk_heap, 1 << 28);
    batch.count = (uint32_t)codec_families[0].type_count - 1;
    for (int i = 0; i < BATCHES && status == DK_OK; i++) {
        status = make(&made, &prng, &arena, &bytes, seen, context, err);
        if (status == DK_OK)
            status = dk_container_add(writer, &batch, err);
        batch.seq_first += batch.count;
    }
    if (status == DK_OK)
        status = dk_container_finish(writer, &head, err);
    dk_container_destroy(writer);
    dk_buf_release(&bytes);
    dk_arena_release(&arena);
    return status;
}
