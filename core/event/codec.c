/* codec.c - the ways of codec.h that are seldom gone, and what is said of a fault */
#include "event/codec.h"

const uint8_t *__attribute__((cold, noinline)) dk_codec_bad(struct dk_codec *codec, const char *why)
{
    codec->status = DK_INVALID;
    codec->why = why;
    codec->depth = 0;
    return NULL;
}

const uint8_t *__attribute__((cold, noinline)) dk_codec_over(struct dk_codec *codec, uint64_t limit)
{
    codec->status = DK_TOO_LARGE;
    codec->limit = limit;
    codec->depth = 0;
    return NULL;
}

const uint8_t *__attribute__((cold, noinline))
dk_codec_in(struct dk_codec *codec, const char *field)
{
    if (codec->depth < DK_CODEC_DEPTH_MAX)
        codec->path[codec->depth++] = field;
    return NULL;
}

enum dk_status __attribute__((cold, noinline))
dk_codec_report(struct dk_codec *codec, const char *what, struct dk_err *err)
{
    char path[256];
    size_t size = 0;
    uint32_t i;

    for (i = codec->depth; i > 0; i--) {
        size_t name_size = strlen(codec->path[i - 1]);

        if (name_size + 2 > sizeof(path) - size)
            break;
        if (size > 0 && codec->path[i - 1][0] != '[')
            path[size++] = '.';
        memcpy(path + size, codec->path[i - 1], name_size);
        size += name_size;
    }
    path[size] = '\0';
    if (codec->status == DK_TOO_LARGE)
        return dk_fail(err, DK_TOO_LARGE, "%s: '%s' is larger than its limit of %llu", what, path,
                       (unsigned long long)codec->limit);
    return dk_fail(err, codec->status, "%s: '%s' %s", what, path, codec->why);
}

enum dk_status dk_codec_header(const uint8_t *data, size_t size, uint64_t *fingerprint,
                               struct dk_err *err)
{
    int i;

    if (size < DK_CODEC_HEADER)
        return dk_fail(err, DK_INVALID, "too short for an avro single object: %zu bytes", size);
    if (data[0] != 0xC3 || data[1] != 0x01)
        return dk_fail(err, DK_INVALID, "not an avro single object: starts with %02x %02x", data[0],
                       data[1]);
    *fingerprint = 0;
    for (i = 0; i < 8; i++)
        *fingerprint |= (uint64_t)data[2 + i] << (8 * i);
    return DK_OK;
}

enum dk_status dk_codec_unknown(uint64_t fingerprint, struct dk_err *err)
{
    return dk_fail(err, DK_UNKNOWN_SCHEMA, "no schema has the fingerprint '%016llx'",
                   (unsigned long long)fingerprint);
}

/* Byte by byte: at most ten, and the tenth holds one bit. */
static const uint8_t *get_long_bytes(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                                     int64_t *value)
{
    uint64_t raw = 0;
    unsigned shift;

    for (shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (at == end)
            return dk_codec_bad(codec, "ends early");
        byte = *at++;
        if (shift == 63 && byte > 1)
            return dk_codec_bad(codec, "has a number of more than 64 bits");
        raw |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *value = dk_unzigzag(raw);
            return at;
        }
    }
    return dk_codec_bad(codec, "has a number of more than 64 bits");
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WORDS 1
#else
#define WORDS 0
#endif

/* Up to eight bytes at once: the lowest clear high bit ends the number; the groups of 7
 * bits are then moved together, pairs first. Times and ids come this way, so it matters. */
const uint8_t *dk_get_long_slow(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                                int64_t *value)
{
    uint64_t word, last;

    if (!WORDS || end - at < 8)
        return get_long_bytes(at, end, codec, value);
    memcpy(&word, at, sizeof(word));
    last = ~word & UINT64_C(0x8080808080808080);
    if (DK_UNLIKELY(last == 0))
        return get_long_bytes(at, end, codec, value);
    last &= 0 - last;
    word &= (last - 1) & UINT64_C(0x7F7F7F7F7F7F7F7F);
    word = (word & UINT64_C(0x007F007F007F007F)) | ((word & UINT64_C(0x7F007F007F007F00)) >> 1);
    word = (word & UINT64_C(0x00003FFF00003FFF)) | ((word & UINT64_C(0x3FFF00003FFF0000)) >> 2);
    word = (word & UINT64_C(0x000000000FFFFFFF)) | ((word & UINT64_C(0x0FFFFFFF00000000)) >> 4);
    *value = dk_unzigzag(word);
    return at + (((unsigned)__builtin_ctzll(last) + 1) >> 3);
}

const uint8_t *dk_get_int_slow(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                               int32_t *value)
{
    int64_t wide = 0;

    at = dk_get_long_slow(at, end, codec, &wide);
    if (at == NULL)
        return NULL;
    if (wide < INT32_MIN || wide > INT32_MAX)
        return dk_codec_bad(codec, "has an int of more than 32 bits");
    *value = (int32_t)wide;
    return at;
}

/* The head of an array's next block: its count, 0 at the end. Every item takes at least
 * item_size_min bytes, so a count that the input cannot hold is refused here. */
const uint8_t *dk_skip_array_block(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                                   size_t item_size_min, uint64_t *more)
{
    int64_t count = 0, size = 0;

    at = dk_get_long(at, end, codec, &count);
    if (at == NULL)
        return NULL;
    if (count < 0) {
        if (count == INT64_MIN)
            return dk_codec_bad(codec, "has an impossible count");
        count = -count;
        at = dk_get_long(at, end, codec, &size);
        if (at == NULL)
            return NULL;
        if (size < 0 || size > end - at)
            return dk_codec_bad(codec, "ends early");
    }
    if ((uint64_t)count > (uint64_t)(end - at) / item_size_min)
        return dk_codec_bad(codec, "ends early");
    *more = (uint64_t)count;
    return at;
}

const uint8_t *dk_get_block_slow(const uint8_t *at, const uint8_t *end, struct dk_codec *codec,
                                 uint32_t count, uint32_t count_max, size_t item_size_min,
                                 uint32_t *more)
{
    uint64_t wanted = 0;

    at = dk_skip_array_block(at, end, codec, item_size_min, &wanted);
    if (at == NULL)
        return NULL;
    if (wanted > count_max - count)
        return dk_codec_over(codec, count_max);
    *more = (uint32_t)wanted;
    return at;
}

/* Doubling, so that an array in blocks of one item costs no more than four times its size. */
uint32_t dk_codec_capacity(uint32_t capacity, uint32_t wanted)
{
    return wanted / 2 > capacity || capacity > UINT32_MAX / 2 ? wanted
           : capacity * 2 > wanted                            ? capacity * 2
                                                              : wanted;
}

/* No surrogates, nothing above U+10FFFF, no overlong forms. */
bool dk_utf8_valid_slow(const uint8_t *bytes, size_t size)
{
    size_t i = 0;

    while (i < size) {
        uint8_t lead = bytes[i++];
        uint8_t lowest = 0x80, highest = 0xBF;
        unsigned rest;

        if (lead < 0x80)
            continue;
        if (lead < 0xC2 || lead > 0xF4)
            return false;
        rest = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if (lead == 0xE0)
            lowest = 0xA0;
        if (lead == 0xED)
            highest = 0x9F;
        if (lead == 0xF0)
            lowest = 0x90;
        if (lead == 0xF4)
            highest = 0x8F;
        for (; rest > 0; rest--, lowest = 0x80, highest = 0xBF)
            if (i == size || bytes[i] < lowest || bytes[i++] > highest)
                return false;
    }
    return true;
}
