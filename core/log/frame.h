/* frame.h - the bytes of one batch and of a segment's header: core/decisions/0002
 *
 *     batch: | magic u32 | crc32c u32 | size u32 | epoch u32 | seq_first u64 | count u32 | kind u32
 * | | back u32 | 0 u32 | sizes u32 x count | bytes of the records | zeros to a multiple of 8 |
 *
 * No system calls here: bytes in, bytes out.
 */
#ifndef DK_LOG_FRAME_H
#define DK_LOG_FRAME_H

#include "base/buf.h"
#include "log/log.h"

#define DK_FRAME_HEADER_SIZE 40u
#define DK_SEGMENT_HEADER_SIZE 64u

enum dk_frame_kind {
    DK_FRAME_RECORDS = 0,
    DK_FRAME_MARK = 1, /* a writer took over */
    DK_FRAME_GAP = 2,  /* `count` seqs are lost; the bytes are the reason */
};

struct dk_frame {
    uint64_t seq_first;
    uint32_t size, epoch, count, kind, back;
    const uint8_t *bytes; /* the whole frame, borrowed */
};

enum dk_frame_state {
    DK_FRAME_OK,
    DK_FRAME_END, /* zeros, or too little room for a header that is all zero */
    DK_FRAME_BAD,
};

/* Never reads beyond `available`. Checks everything but the sum of the record sizes. */
enum dk_frame_state dk_frame_parse(const uint8_t *bytes, size_t available, struct dk_frame *frame);

/* Fills records[frame->count] with what lies in the frame. False: the sizes do not add up. */
bool dk_frame_records(const struct dk_frame *frame, struct dk_log_record *records);

/* What a gap says about itself. */
void dk_frame_reason(const struct dk_frame *frame, const char **text, size_t *size);

/* DK_TOO_LARGE above the limits of log.h. */
enum dk_status dk_frame_size(const struct dk_log_batch *batch, size_t *size, struct dk_err *err);

/* Appends to *buf, unsealed: dk_frame_seal then sets `back` and the checksum. False: no room. */
bool dk_frame_add(struct dk_buf *buf, const struct dk_log_batch *batch);
bool dk_frame_add_mark(struct dk_buf *buf, uint64_t seq_next, uint32_t epoch);
bool dk_frame_add_gap(struct dk_buf *buf, uint64_t seq_first, uint32_t epoch, uint32_t count,
                      const char *reason);

void dk_frame_seal(uint8_t *bytes, uint32_t back);
uint32_t dk_frame_size_of(const uint8_t *bytes);  /* of a frame that we made */
uint32_t dk_frame_count_of(const uint8_t *bytes); /* likewise */
uint32_t dk_frame_epoch_of(const uint8_t *bytes);

/* Whether some valid frame after the bad one at `bad` proves that it had been durable: then it is
 * damage and not a torn tail. `bytes` is the whole segment. */
bool dk_frame_was_durable(const uint8_t *bytes, size_t size, size_t bad);

/* Where the next valid frame after `bad` begins that has seqs from `seq` on; `size` if none. */
size_t dk_frame_find(const uint8_t *bytes, size_t size, size_t bad, uint64_t seq,
                     struct dk_frame *frame);

/* Behind the last byte that is not zero, from `from` on; `from` if all are. */
size_t dk_bytes_end(const uint8_t *bytes, size_t size, size_t from);

/* The header of a segment; magic is 8 characters. */
#define DK_SEGMENT_MAGIC_PLAIN "DKSEGMT1"
#define DK_SEGMENT_MAGIC_PACKED "DKSEGZS1"
void dk_segment_header_put(uint8_t bytes[DK_SEGMENT_HEADER_SIZE], const char *magic,
                           uint64_t seq_first, uint32_t epoch);
bool dk_segment_header_get(const uint8_t bytes[DK_SEGMENT_HEADER_SIZE], const char *magic,
                           uint64_t *seq_first, uint32_t *epoch);

/* Little-endian, from and to anywhere. */
static inline uint32_t dk_get_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static inline uint64_t dk_get_u64(const uint8_t *bytes)
{
    return (uint64_t)dk_get_u32(bytes) | (uint64_t)dk_get_u32(bytes + 4) << 32;
}

static inline void dk_put_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static inline void dk_put_u64(uint8_t *bytes, uint64_t value)
{
    dk_put_u32(bytes, (uint32_t)value);
    dk_put_u32(bytes + 4, (uint32_t)(value >> 32));
}

#endif
