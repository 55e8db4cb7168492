/* codec.h - the primitives that the generated encoders and decoders are made of
 *
 * Only schemas/generate.py's output and core/event/ include this; everybody else uses
 * event/event.h and event/request.h.
 *
 * Reading: each dk_get_* takes the position and the end of the input and returns the new
 * position, or NULL after it has noted in *codec what is wrong. No input is trusted: a
 * byte is looked at only below `end`, a length or count is held against the input that is
 * left and against the schema's limit before anything is allocated.
 *
 * Writing: the generated code first adds up an upper bound (and refuses broken limits),
 * makes room once, and then writes by dk_put_*, which check nothing.
 *
 *     int, long   | zigzag, 7 bits a byte, lowest first, high bit = more follow |
 *     string      | size as long | bytes |
 *     array       | count as long | items | ... | 0 |   count < 0: -count, then bytes in block
 */
#ifndef DK_EVENT_CODEC_H
#define DK_EVENT_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DK_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define DK_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

enum { DK_CODEC_DEPTH_MAX = 16, DK_CODEC_HEADER = 10 };

/* What goes along with a position; about the first fault only. */
struct dk_codec {
    struct dk_arena *arena;
    enum dk_status status;
    uint32_t depth;
    const char *why;                      /* "ends early" */
    uint64_t limit;                       /* that was broken; DK_TOO_LARGE only */
    const char *path[DK_CODEC_DEPTH_MAX]; /* names of fields, innermost first */
};

/* Notes a fault and returns NULL; _in adds the name of a field around it. Cold by design. */
const uint8_t *dk_codec_bad(struct dk_codec *codec, const char *why);
const uint8_t *dk_codec_over(struct dk_codec *codec, uint64_t limit);
const uint8_t *dk_codec_in(struct dk_codec *codec, const char *field);
enum dk_status dk_codec_report(struct dk_codec *codec, const char *what, struct dk_err *err);

enum dk_status dk_codec_header(const uint8_t *data, size_t size, uint64_t *fingerprint,
                               struct dk_err *err);
enum dk_status dk_codec_unknown(uint64_t fingerprint, struct dk_err *err);

/* The slow ways of the readers below. */
const uint8_t *dk_get_long_slow(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                                int64_t *value);
const uint8_t *dk_get_int_slow(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                               int32_t *value);
const uint8_t *dk_get_block_slow(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                                 uint32_t count, uint32_t count_max, size_t item_size_min,
                                 uint32_t *more);
const uint8_t *dk_skip_array_block(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                                   size_t item_size_min, uint64_t *more);
uint32_t dk_codec_capacity(uint32_t capacity, uint32_t wanted);
bool dk_utf8_valid_slow(const uint8_t *bytes, size_t size);

/* In a function that returns a position: go on from `call`, or give the fault its field's name. */
#define DK_TAKE(field, call)                                                                       \
    do {                                                                                           \
        at = (call);                                                                               \
        if (DK_UNLIKELY(at == NULL))                                                               \
            return dk_codec_in(codec, field);                                                      \
    } while (0)

/* The same for the functions that add up sizes and return a bool. */
#define DK_HOLD(field, call)                                                                       \
    do {                                                                                           \
        if (DK_UNLIKELY(!(call))) {                                                                \
            dk_codec_in(codec, field);                                                             \
            return false;                                                                          \
        }                                                                                          \
    } while (0)

static inline int64_t dk_unzigzag(uint64_t raw)
{
    return (int64_t)((raw >> 1) ^ (0 - (raw & 1)));
}

static inline const uint8_t *dk_get_long(const uint8_t *at, const uint8_t *end,
                                         struct dk_codec *codec, int64_t *value)
{
    if (DK_LIKELY(at < end && *at < 0x80)) {
        *value = dk_unzigzag(*at);
        return at + 1;
    }
    return dk_get_long_slow(at, end, codec, value);
}

static inline const uint8_t *dk_get_int(const uint8_t *at, const uint8_t *end,
                                        struct dk_codec *codec, int32_t *value)
{
    if (DK_LIKELY(at < end && *at < 0x80)) {
        *value = (int32_t)dk_unzigzag(*at);
        return at + 1;
    }
    return dk_get_int_slow(at, end, codec, value);
}

/* An older schema's int where ours has a long. */
static inline const uint8_t *dk_get_int_as_long(const uint8_t *at, const uint8_t *end,
                                                struct dk_codec *codec, int64_t *value)
{
    int32_t narrow = 0;

    at = dk_get_int(at, end, codec, &narrow);
    if (DK_LIKELY(at != NULL))
        *value = narrow;
    return at;
}

static inline const uint8_t *dk_get_bool(const uint8_t *at, const uint8_t *end,
                                         struct dk_codec *codec, bool *value)
{
    if (DK_UNLIKELY(at >= end))
        return dk_codec_bad(codec, "ends early");
    if (DK_UNLIKELY(*at > 1))
        return dk_codec_bad(codec, "is neither true nor false");
    *value = *at != 0;
    return at + 1;
}

/* The index of an enum's symbol or of a union's branch. */
static inline const uint8_t *dk_get_index(const uint8_t *at, const uint8_t *end,
                                          struct dk_codec *codec, uint32_t limit, uint32_t *index)
{
    int64_t value = 0;

    at = dk_get_long(at, end, codec, &value);
    if (DK_UNLIKELY(at == NULL))
        return NULL;
    if (DK_UNLIKELY((uint64_t)value >= limit))
        return dk_codec_bad(codec, "is none of the schema's choices");
    *index = (uint32_t)value;
    return at;
}

static inline const uint8_t *dk_get_fixed(const uint8_t *at, const uint8_t *end,
                                          struct dk_codec *codec, uint8_t *bytes, size_t size)
{
    if (DK_UNLIKELY((size_t)(end - at) < size))
        return dk_codec_bad(codec, "ends early");
    memcpy(bytes, at, size);
    return at + size;
}

static inline const uint8_t *dk_get_size(const uint8_t *at, const uint8_t *end,
                                         struct dk_codec *codec, uint32_t size_max, uint32_t *size)
{
    int64_t value = 0;

    at = dk_get_long(at, end, codec, &value);
    if (DK_UNLIKELY(at == NULL))
        return NULL;
    if (DK_UNLIKELY(value < 0))
        return dk_codec_bad(codec, "has a negative size");
    if (DK_UNLIKELY(value > size_max))
        return dk_codec_over(codec, size_max);
    if (DK_UNLIKELY(value > end - at))
        return dk_codec_bad(codec, "ends early");
    *size = (uint32_t)value;
    return at;
}

static inline const uint8_t *dk_get_bytes(const uint8_t *at, const uint8_t *end,
                                          struct dk_codec *codec, uint32_t size_max,
                                          struct dk_bytes *bytes)
{
    at = dk_get_size(at, end, codec, size_max, &bytes->size);
    if (DK_UNLIKELY(at == NULL))
        return NULL;
    bytes->data = at;
    return at + bytes->size;
}

/* The head of an array's next block: how many more items, 0 at the end. */
static inline const uint8_t *dk_get_block(const uint8_t *at, const uint8_t *end,
                                          struct dk_codec *codec, uint32_t count,
                                          uint32_t count_max, size_t item_size_min, uint32_t *more)
{
    if (DK_LIKELY(at < end && (*at & 0x81) == 0)) {
        uint32_t wanted = *at >> 1;

        if (DK_LIKELY(wanted <= count_max - count &&
                      wanted * item_size_min <= (size_t)(end - at - 1))) {
            *more = wanted;
            return at + 1;
        }
    }
    return dk_get_block_slow(at, end, codec, count, count_max, item_size_min, more);
}

/* Most texts are ASCII: by words, the last of them overlapping, and the rest by the book. */
static inline bool dk_utf8_valid(const uint8_t *bytes, size_t size)
{
    const uint64_t high = UINT64_C(0x8080808080808080);
    uint64_t seen = 0, word;
    uint32_t half;
    size_t i;

    if (size >= sizeof(word)) {
        for (i = 0; i < size - sizeof(word); i += sizeof(word)) {
            memcpy(&word, bytes + i, sizeof(word));
            seen |= word;
        }
        memcpy(&word, bytes + size - sizeof(word), sizeof(word));
        seen |= word;
    } else if (size >= sizeof(half)) {
        memcpy(&half, bytes, sizeof(half));
        seen = half;
        memcpy(&half, bytes + size - sizeof(half), sizeof(half));
        seen |= half;
    } else if (size > 0) {
        seen = (uint64_t)(bytes[0] | bytes[size / 2] | bytes[size - 1]);
    }
    return DK_LIKELY((seen & high) == 0) || dk_utf8_valid_slow(bytes, size);
}

static inline const uint8_t *dk_get_text(const uint8_t *at, const uint8_t *end,
                                         struct dk_codec *codec, uint32_t size_max,
                                         struct dk_text *text)
{
    at = dk_get_size(at, end, codec, size_max, &text->size);
    if (DK_UNLIKELY(at == NULL))
        return NULL;
    text->data = (const char *)at;
    if (DK_UNLIKELY(!dk_utf8_valid(at, text->size)))
        return dk_codec_bad(codec, "is not UTF-8");
    return at + text->size;
}

/* Skipping what an older writer wrote and we no longer have. */
static inline const uint8_t *dk_skip_bytes(const uint8_t *at, const uint8_t *end,
                                           struct dk_codec *codec)
{
    uint32_t size = 0;

    at = dk_get_size(at, end, codec, UINT32_MAX, &size);
    return DK_UNLIKELY(at == NULL) ? NULL : at + size;
}

static inline const uint8_t *dk_skip_fixed(const uint8_t *at, const uint8_t *end,
                                           struct dk_codec *codec, size_t size)
{
    if (DK_UNLIKELY((size_t)(end - at) < size))
        return dk_codec_bad(codec, "ends early");
    return at + size;
}

static inline bool dk_hold_text(struct dk_codec *codec, struct dk_text text, uint32_t size_max,
                                size_t *bound)
{
    if (DK_UNLIKELY(text.size > size_max))
        return dk_codec_over(codec, size_max) != NULL;
    if (DK_UNLIKELY(!dk_utf8_valid((const uint8_t *)text.data, text.size)))
        return dk_codec_bad(codec, "is not UTF-8") != NULL;
    *bound += text.size;
    return true;
}

static inline bool dk_hold_size(struct dk_codec *codec, uint32_t size, uint32_t size_max,
                                size_t unit, size_t *bound)
{
    if (DK_UNLIKELY(size > size_max))
        return dk_codec_over(codec, size_max) != NULL;
    *bound += size * unit;
    return true;
}

static inline bool dk_hold_index(struct dk_codec *codec, uint32_t index, uint32_t limit)
{
    if (DK_UNLIKELY(index >= limit))
        return dk_codec_bad(codec, "is none of the schema's choices") != NULL;
    return true;
}

/* A loop, because its branches are predicted: computing the size first took twice as long. */
static inline uint8_t *dk_put_long(uint8_t *at, int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (0 - ((uint64_t)value >> 63));

    for (; DK_UNLIKELY(raw >= 0x80); raw >>= 7)
        *at++ = (uint8_t)(raw | 0x80);
    *at++ = (uint8_t)raw;
    return at;
}

/* Most are short; two overlapping words are cheaper than a call. */
static inline uint8_t *dk_put_bytes(uint8_t *at, const void *bytes, uint32_t size)
{
    const uint8_t *from = bytes;

    at = dk_put_long(at, size);
    if (size > 16) {
        memcpy(at, from, size);
    } else if (size >= 8) {
        memcpy(at, from, 8);
        memcpy(at + size - 8, from + size - 8, 8);
    } else if (size >= 4) {
        memcpy(at, from, 4);
        memcpy(at + size - 4, from + size - 4, 4);
    } else if (size > 0) {
        at[0] = from[0];
        at[size / 2] = from[size / 2];
        at[size - 1] = from[size - 1];
    }
    return at + size;
}

static inline uint8_t *dk_put_fixed(uint8_t *at, const uint8_t *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static inline uint8_t *dk_put_header(uint8_t *at, uint64_t fingerprint)
{
    int i;

    *at++ = 0xC3;
    *at++ = 0x01;
    for (i = 0; i < 8; i++)
        *at++ = (uint8_t)(fingerprint >> (8 * i));
    return at;
}

#endif
