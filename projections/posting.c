/* posting.c - see posting.h */
#include "projections/posting.h"

#include "projections/bytes.h"

bool dk_posting_read(struct dk_bucket *bucket, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    uint64_t next = 0;

    while (data < end) {
        uint64_t gap;

        data = dk_varint_get(data, end, &gap);
        if (data == NULL || gap >= DK_BUCKET_IDS || next + gap >= DK_BUCKET_IDS)
            return false;
        next += gap;
        dk_bucket_set(bucket, (uint32_t)next++);
    }
    return true;
}

size_t dk_posting_write(const struct dk_bucket *bucket, uint8_t *out)
{
    uint8_t *at = out;
    uint32_t next = 0;

    for (uint32_t word = 0; word < DK_BUCKET_WORDS; word++) {
        uint64_t bits = bucket->words[word];

        while (bits != 0) {
            uint32_t offset = word * 64 + (uint32_t)__builtin_ctzll(bits);

            at = dk_varint_put(at, offset - next);
            next = offset + 1;
            bits &= bits - 1;
        }
    }
    return (size_t)(at - out);
}
