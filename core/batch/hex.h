/* hex.h - bytes as lower-case hexadecimal digits, and back; one spelling each */
#ifndef DK_BATCH_HEX_H
#define DK_BATCH_HEX_H

#include "base/buf.h"
#include "base/check.h"

static inline void dk_hex_add(struct dk_buf *out, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *room;

    if (size == 0)
        return;
    room = dk_buf_room(out, 2 * size);
    DK_CHECK(room != NULL);
    for (size_t i = 0; i < size; i++) {
        room[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        room[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
    out->size += 2 * size;
}

static inline int dk_hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* 2 * size digits; false: some are none. */
static inline bool dk_hex_get(const char *text, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = dk_hex_digit(text[2 * i]), low = dk_hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

#endif
