/* posting.h - which jobs of a bucket have something: the values of history's indexes
 *
 * Job ids are cut into buckets of 4,096. An index has one value for each thing (a user, a state, an
 * hour...) and bucket: the ids there, as the gaps between them. A job so costs an index about a
 * byte, and questions with several parts are answered by the AND of bitmaps.
 *
 *     | first | gap - 1 | gap - 1 | ...      varints, ascending; joining two values is their union
 */
#ifndef DK_PROJECTIONS_POSTING_H
#define DK_PROJECTIONS_POSTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DK_BUCKET_BITS = 12,
    DK_BUCKET_IDS = 1 << DK_BUCKET_BITS,
    DK_BUCKET_WORDS = DK_BUCKET_IDS / 64,
    DK_POSTING_SIZE_MAX = 2 * DK_BUCKET_IDS /* of a value: no gap takes more than two bytes */
};

struct dk_bucket {
    uint64_t words[DK_BUCKET_WORDS];
};

static inline void dk_bucket_set(struct dk_bucket *bucket, uint32_t offset)
{
    bucket->words[offset / 64] |= UINT64_C(1) << (offset % 64);
}

/* Adds the ids of a value. False: it is none. */
bool dk_posting_read(struct dk_bucket *bucket, const uint8_t *data, size_t size);

/* Writes at most DK_POSTING_SIZE_MAX bytes and returns how many. */
size_t dk_posting_write(const struct dk_bucket *bucket, uint8_t *out);

#endif
