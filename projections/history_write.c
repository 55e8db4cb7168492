/* history_write.c - a run becomes a row, marks in the indexes, and usage
 *
 * Marks are gathered until the commit and sorted, so that all jobs of a commit that share a value
 * and a bucket cost one write there, not one each: what makes catching up quick. */
#include "projections/history_inside.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/fixed.h"
#include "projections/posting.h"
#include "projections/row_codec.h"
#include "projections/usage.h"

#include <stdlib.h>

uint32_t dk_index_of_text(struct dk_text text)
{
    return dk_crc32c(0, text.data, text.size);
}

uint32_t dk_index_of_number(int64_t number)
{
    uint8_t bytes[8];

    (void)dk_big_put(bytes, (uint64_t)number, 8);
    return dk_crc32c(0, bytes, sizeof(bytes));
}

uint32_t dk_index_of_hour(int64_t time)
{
    return (uint32_t)(dk_max(time, 0) / DK_HOUR_US);
}

static void mark_add(struct dk_history *history, enum dk_index_kind kind, uint32_t what, int64_t id)
{
    struct dk_index_mark *mark;

    if (history->mark_count == history->mark_capacity) {
        size_t capacity = history->mark_capacity == 0 ? 256 : 2 * history->mark_capacity;

        history->marks = dk_heap.resize(dk_heap.ctx, history->marks,
                                        history->mark_capacity * sizeof(*history->marks),
                                        capacity * sizeof(*history->marks));
        history->mark_capacity = capacity;
    }
    mark = &history->marks[history->mark_count++];
    mark->bucket = (uint64_t)id >> DK_BUCKET_BITS;
    mark->what = what;
    mark->kind = (uint8_t)kind;
    mark->offset = (uint16_t)(id & (DK_BUCKET_IDS - 1));
}

static void marks_of_row(struct dk_history *history, const struct dk_job_row *row)
{
    const struct dk_job_spec *spec = row->spec;
    int64_t id = row->id, end = row->end != 0 ? row->end : row->submit;

    if (row->array_job != 0 && row->array_job != id)
        mark_add(history, DK_INDEX_ARRAY, dk_index_of_number(row->array_job), id);
    mark_add(history, DK_INDEX_USER, dk_index_of_text(row->user), id);
    mark_add(history, DK_INDEX_UID, dk_index_of_number(row->uid), id);
    /* No account given means the user's own. */
    mark_add(history, DK_INDEX_ACCOUNT,
             dk_index_of_text(spec->account.size > 0 ? spec->account : row->user), id);
    mark_add(history, DK_INDEX_PARTITION, dk_index_of_text(row->partition), id);
    mark_add(history, DK_INDEX_NAME, dk_index_of_text(spec->name), id);
    mark_add(history, DK_INDEX_STATE, row->state, id);
    mark_add(history, DK_INDEX_SUBMIT_HOUR, dk_index_of_hour(row->submit), id);
    mark_add(history, DK_INDEX_END_HOUR, dk_index_of_hour(end), id);
    for (uint32_t i = 0; i < row->node_count; i++)
        mark_add(history, DK_INDEX_NODE, dk_index_of_text(row->nodes[i]), id);
}

static int mark_compare(const void *left, const void *right)
{
    const struct dk_index_mark *a = left, *b = right;

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->what != b->what)
        return a->what < b->what ? -1 : 1;
    if (a->bucket != b->bucket)
        return a->bucket < b->bucket ? -1 : 1;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static bool mark_same_value(const struct dk_index_mark *a, const struct dk_index_mark *b)
{
    return a->kind == b->kind && a->what == b->what && a->bucket == b->bucket;
}

void dk_history_put_marks(struct dk_history *history)
{
    uint8_t key[DK_KEY_INDEX_SIZE], value[DK_POSTING_SIZE_MAX];
    size_t count = history->mark_count;

    if (count > 0)
        qsort(history->marks, count, sizeof(*history->marks), mark_compare);
    for (size_t first = 0, next; first < count; first = next) {
        const struct dk_index_mark *mark = &history->marks[first];
        uint32_t after = 0; /* the offset that a gap of 0 means */
        uint8_t *at = value;

        for (next = first; next < count && mark_same_value(mark, &history->marks[next]); next++) {
            uint32_t offset = history->marks[next].offset;

            if (offset < after)
                continue; /* the same id again: two runs of a job in one commit */
            at = dk_varint_put(at, offset - after);
            after = offset + 1;
        }
        dk_store_add(history->kept->store, dk_key_index(key, mark->kind, mark->what, mark->bucket),
                     (struct dk_bytes){ value, (uint32_t)(at - value) });
    }
    history->mark_count = 0;
}

struct usage_put {
    struct dk_history *history;
    const struct dk_job_row *row;
};

static uint8_t *key_text(uint8_t *at, struct dk_text text)
{
    uint8_t size = (uint8_t)(text.size < 255 ? text.size : 255);

    *at++ = size;
    if (size > 0)
        memcpy(at, text.data, size);
    return at + size;
}

static void usage_put(void *context, int64_t day, const struct dk_usage_sums *sums)
{
    const struct usage_put *put = context;
    const struct dk_job_row *row = put->row;
    uint8_t key[5 + 3 * 256], value[DK_USAGE_SUMS_SIZE_MAX];
    uint8_t *at = dk_big_put(key + 1, (uint32_t)day, 4);

    key[0] = DK_KEY_USAGE;
    at = key_text(at, row->user);
    at = key_text(at, row->spec->account.size > 0 ? row->spec->account : row->user);
    at = key_text(at, row->partition);
    dk_store_add(put->history->kept->store, (struct dk_bytes){ key, (uint32_t)(at - key) },
                 (struct dk_bytes){ value, (uint32_t)dk_usage_sums_write(sums, value) });
}

void dk_history_put_row(struct dk_history *history, const struct dk_job_row *row, bool final)
{
    uint8_t key[DK_KEY_ROW_SIZE];
    struct usage_put usage = { history, row };

    dk_buf_clear(&history->bytes);
    DK_CHECK(dk_row_encode(row, final, &history->bytes));
    dk_store_put(history->kept->store, dk_key_row(key, row->id, row->seq),
                 (struct dk_bytes){ history->bytes.data, (uint32_t)history->bytes.size });
    marks_of_row(history, row);
    dk_usage_split(row, final, row->end, usage_put, &usage);
}

/* --- what joining means, by the kind of key --- */

static bool join_postings(const struct dk_bytes *values, uint32_t count, struct dk_buf *out)
{
    struct dk_bucket bucket = { { 0 } };
    uint8_t *room = dk_buf_room(out, DK_POSTING_SIZE_MAX);

    for (uint32_t i = 0; i < count; i++)
        if (!dk_posting_read(&bucket, values[i].data, values[i].size))
            return false;
    if (room == NULL)
        return false;
    out->size += dk_posting_write(&bucket, room);
    return true;
}

static bool join_sums(const struct dk_bytes *values, uint32_t count, struct dk_buf *out)
{
    struct dk_usage_sums sums = { { 0 } };
    uint8_t *room = dk_buf_room(out, DK_USAGE_SUMS_SIZE_MAX);

    for (uint32_t i = 0; i < count; i++)
        if (!dk_usage_sums_add(&sums, values[i].data, values[i].size))
            return false;
    if (room == NULL)
        return false;
    out->size += dk_usage_sums_write(&sums, room);
    return true;
}

bool dk_history_join(struct dk_bytes key, const struct dk_bytes *values, uint32_t count,
                     struct dk_buf *out)
{
    if (key.size == 0)
        return false;
    switch (key.data[0]) {
    case DK_KEY_INDEX:
        return join_postings(values, count, out);
    case DK_KEY_USAGE:
        return join_sums(values, count, out);
    case DK_KEY_STEP:
        for (uint32_t i = 0; i < count; i++)
            if (!dk_buf_add(out, values[i].data, values[i].size))
                return false;
        return true;
    default:
        return false;
    }
}
