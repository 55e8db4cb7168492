/* bytes.h - numbers as bytes in what views keep: varints in values, big-endian in keys
 *
 * A varint has 7 bits a byte, lowest first, the high bit says that more follow. Signed numbers are
 * zigzagged first. In keys, numbers are big-endian, so that bytes sort as the numbers do.
 */
#ifndef DK_PROJECTIONS_BYTES_H
#define DK_PROJECTIONS_BYTES_H

#include <stddef.h>
#include <stdint.h>

enum { DK_VARINT_MAX = 10 };

static inline uint8_t *dk_varint_put(uint8_t *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *at++ = (uint8_t)value;
    return at;
}

/* NULL: it ends early, or has more than 64 bits. */
static inline const uint8_t *dk_varint_get(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    uint64_t result = 0;

    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        uint64_t bits = *at & 0x7f;

        if (shift == 63 && bits > 1)
            return NULL;
        result |= bits << shift;
        if ((*at++ & 0x80) == 0) {
            *value = result;
            return at;
        }
    }
    return NULL;
}

static inline uint64_t dk_zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
}

static inline int64_t dk_zigzag_back(uint64_t raw)
{
    return (int64_t)((raw >> 1) ^ (0 - (raw & 1)));
}

static inline uint8_t *dk_big_put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    return at + size;
}

static inline uint64_t dk_big_get(const uint8_t *at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

#endif
