/* frame.c - see frame.h */
#include "log/frame.h"

#include "base/check.h"
#include "base/crc32c.h"

#include <string.h>

#define MAGIC 0x31426b64u /* "dkB1" */

enum {
    AT_CRC = 4,
    AT_SIZE = 8,
    AT_EPOCH = 12,
    AT_SEQ = 16,
    AT_COUNT = 24,
    AT_KIND = 28,
    AT_BACK = 32
};
enum { AT_RESERVED = 36 };

static bool all_zero(const uint8_t *bytes, size_t size)
{
    return dk_bytes_end(bytes, size, 0) == 0;
}

size_t dk_bytes_end(const uint8_t *bytes, size_t size, size_t from)
{
    while (size > from && bytes[size - 1] == 0) {
        uint64_t word = 0;

        if (size - from >= sizeof(word))
            memcpy(&word, bytes + size - sizeof(word), sizeof(word));
        else
            word = 1; /* near the beginning: byte by byte */
        size -= word == 0 ? sizeof(word) : 1;
    }
    return size;
}

static bool shape_is_possible(const struct dk_frame *frame, size_t available)
{
    if (frame->size < DK_FRAME_HEADER_SIZE || frame->size % 8 != 0 || frame->size > available ||
        frame->size > DK_LOG_BATCH_SIZE_MAX || frame->back % 8 != 0)
        return false;
    if (frame->seq_first == 0 || frame->seq_first > UINT64_MAX - frame->count)
        return false;
    switch (frame->kind) {
    case DK_FRAME_RECORDS:
        return frame->count > 0 && frame->count <= (frame->size - DK_FRAME_HEADER_SIZE) / 4;
    case DK_FRAME_MARK:
        return frame->count == 0;
    case DK_FRAME_GAP:
        return frame->count > 0;
    default:
        return false;
    }
}

enum dk_frame_state dk_frame_parse(const uint8_t *bytes, size_t available, struct dk_frame *frame)
{
    if (available < DK_FRAME_HEADER_SIZE)
        return all_zero(bytes, available) ? DK_FRAME_END : DK_FRAME_BAD;
    if (dk_get_u32(bytes) != MAGIC)
        return all_zero(bytes, DK_FRAME_HEADER_SIZE) ? DK_FRAME_END : DK_FRAME_BAD;
    frame->bytes = bytes;
    frame->size = dk_get_u32(bytes + AT_SIZE);
    frame->epoch = dk_get_u32(bytes + AT_EPOCH);
    frame->seq_first = dk_get_u64(bytes + AT_SEQ);
    frame->count = dk_get_u32(bytes + AT_COUNT);
    frame->kind = dk_get_u32(bytes + AT_KIND);
    frame->back = dk_get_u32(bytes + AT_BACK);
    if (!shape_is_possible(frame, available) || dk_get_u32(bytes + AT_RESERVED) != 0)
        return DK_FRAME_BAD;
    if (dk_get_u32(bytes + AT_CRC) != dk_crc32c(0, bytes + AT_SIZE, frame->size - AT_SIZE))
        return DK_FRAME_BAD;
    return DK_FRAME_OK;
}

bool dk_frame_records(const struct dk_frame *frame, struct dk_log_record *records)
{
    const uint8_t *sizes = frame->bytes + DK_FRAME_HEADER_SIZE;
    const uint8_t *data = sizes + 4 * (size_t)frame->count;
    size_t left = (size_t)(frame->bytes + frame->size - data);

    for (uint32_t i = 0; i < frame->count; i++) {
        uint32_t size = dk_get_u32(sizes + 4 * (size_t)i);

        if (size > left)
            return false;
        records[i].data = data;
        records[i].size = size;
        data += size;
        left -= size;
    }
    return left < 8;
}

void dk_frame_reason(const struct dk_frame *frame, const char **text, size_t *size)
{
    *text = (const char *)frame->bytes + DK_FRAME_HEADER_SIZE;
    *size = dk_bytes_end(frame->bytes, frame->size, DK_FRAME_HEADER_SIZE) - DK_FRAME_HEADER_SIZE;
}

enum dk_status dk_frame_size(const struct dk_log_batch *batch, size_t *size, struct dk_err *err)
{
    uint64_t sum = DK_FRAME_HEADER_SIZE + 4 * (uint64_t)batch->count;

    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->records[i].size > DK_LOG_RECORD_SIZE_MAX)
            return dk_fail(err, DK_TOO_LARGE, "record at seq %llu has %u bytes, the limit is %u",
                           (unsigned long long)(batch->seq_first + i), batch->records[i].size,
                           DK_LOG_RECORD_SIZE_MAX);
        sum += batch->records[i].size;
        if (sum > DK_LOG_BATCH_SIZE_MAX - 8)
            return dk_fail(err, DK_TOO_LARGE, "batch at seq %llu passes the limit of %u bytes",
                           (unsigned long long)batch->seq_first, DK_LOG_BATCH_SIZE_MAX);
    }
    *size = (size_t)((sum + 7) & ~(uint64_t)7);
    return DK_OK;
}

static uint8_t *add_header(struct dk_buf *buf, size_t size, uint64_t seq_first, uint32_t epoch,
                           uint32_t count, enum dk_frame_kind kind)
{
    uint8_t *bytes = dk_buf_room(buf, size);

    if (bytes == NULL)
        return NULL;
    memset(bytes, 0, DK_FRAME_HEADER_SIZE);
    memset(bytes + size - 8, 0, 8); /* what is not overwritten pads */
    dk_put_u32(bytes, MAGIC);
    dk_put_u32(bytes + AT_SIZE, (uint32_t)size);
    dk_put_u32(bytes + AT_EPOCH, epoch);
    dk_put_u64(bytes + AT_SEQ, seq_first);
    dk_put_u32(bytes + AT_COUNT, count);
    dk_put_u32(bytes + AT_KIND, (uint32_t)kind);
    buf->size += size;
    return bytes;
}

bool dk_frame_add(struct dk_buf *buf, const struct dk_log_batch *batch)
{
    uint8_t *bytes, *data;
    size_t size = 0;

    if (dk_frame_size(batch, &size, NULL) != DK_OK)
        return false;
    bytes = add_header(buf, size, batch->seq_first, batch->epoch, batch->count, DK_FRAME_RECORDS);
    if (bytes == NULL)
        return false;
    data = bytes + DK_FRAME_HEADER_SIZE + 4 * (size_t)batch->count;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct dk_log_record *record = &batch->records[i];

        dk_put_u32(bytes + DK_FRAME_HEADER_SIZE + 4 * (size_t)i, record->size);
        if (record->size > 0)
            memcpy(data, record->data, record->size);
        data += record->size;
    }
    return true;
}

bool dk_frame_add_mark(struct dk_buf *buf, uint64_t seq_next, uint32_t epoch)
{
    return add_header(buf, DK_FRAME_HEADER_SIZE, seq_next, epoch, 0, DK_FRAME_MARK) != NULL;
}

bool dk_frame_add_gap(struct dk_buf *buf, uint64_t seq_first, uint32_t epoch, uint32_t count,
                      const char *reason)
{
    size_t length = strlen(reason), size = (DK_FRAME_HEADER_SIZE + length + 8) & ~(size_t)7;
    uint8_t *bytes = add_header(buf, size, seq_first, epoch, count, DK_FRAME_GAP);

    if (bytes != NULL)
        memcpy(bytes + DK_FRAME_HEADER_SIZE, reason, length);
    return bytes != NULL;
}

void dk_frame_seal(uint8_t *bytes, uint32_t back)
{
    uint32_t size = dk_frame_size_of(bytes);

    DK_CHECK(dk_get_u32(bytes) == MAGIC && size >= DK_FRAME_HEADER_SIZE);
    dk_put_u32(bytes + AT_BACK, back);
    dk_put_u32(bytes + AT_CRC, dk_crc32c(0, bytes + AT_SIZE, size - AT_SIZE));
}

uint32_t dk_frame_size_of(const uint8_t *bytes)
{
    return dk_get_u32(bytes + AT_SIZE);
}

uint32_t dk_frame_count_of(const uint8_t *bytes)
{
    return dk_get_u32(bytes + AT_COUNT);
}

uint32_t dk_frame_epoch_of(const uint8_t *bytes)
{
    return dk_get_u32(bytes + AT_EPOCH);
}

bool dk_frame_was_durable(const uint8_t *bytes, size_t size, size_t bad)
{
    struct dk_frame frame;
    size_t at = bad;

    while ((at = dk_frame_find(bytes, size, at, 0, &frame)) < size) {
        if (frame.back < at - bad)
            return true;
        at += frame.size - 8; /* find begins 8 further on */
    }
    return false;
}

size_t dk_frame_find(const uint8_t *bytes, size_t size, size_t bad, uint64_t seq,
                     struct dk_frame *frame)
{
    for (size_t at = bad + 8; at < size && size - at >= DK_FRAME_HEADER_SIZE; at += 8)
        if (dk_get_u32(bytes + at) == MAGIC &&
            dk_frame_parse(bytes + at, size - at, frame) == DK_FRAME_OK && frame->seq_first >= seq)
            return at;
    return size;
}

void dk_segment_header_put(uint8_t bytes[DK_SEGMENT_HEADER_SIZE], const char *magic,
                           uint64_t seq_first, uint32_t epoch)
{
    memset(bytes, 0, DK_SEGMENT_HEADER_SIZE);
    memcpy(bytes, magic, 8);
    dk_put_u32(bytes + 12, 1); /* version */
    dk_put_u64(bytes + 16, seq_first);
    dk_put_u32(bytes + 24, epoch);
    dk_put_u32(bytes + 8, dk_crc32c(0, bytes + 12, DK_SEGMENT_HEADER_SIZE - 12));
}

bool dk_segment_header_get(const uint8_t bytes[DK_SEGMENT_HEADER_SIZE], const char *magic,
                           uint64_t *seq_first, uint32_t *epoch)
{
    if (memcmp(bytes, magic, 8) != 0 || dk_get_u32(bytes + 12) != 1 ||
        dk_get_u32(bytes + 8) != dk_crc32c(0, bytes + 12, DK_SEGMENT_HEADER_SIZE - 12))
        return false;
    *seq_first = dk_get_u64(bytes + 16);
    *epoch = dk_get_u32(bytes + 24);
    return *seq_first > 0;
}
