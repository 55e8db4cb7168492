/* json.c - JSON written into a dk_buf (json.h) */
#include "base/json.h"

#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

bool dk_json_integer(struct dk_buf *out, int64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        digits[--at] = '-';
    return dk_buf_add(out, digits + at, sizeof(digits) - at);
}

bool dk_json_hex(struct dk_buf *out, const uint8_t *bytes, size_t size)
{
    size_t i;
    uint8_t *at = dk_buf_room(out, 2 * size + 2);

    if (at == NULL)
        return false;
    *at++ = '"';
    for (i = 0; i < size; i++) {
        *at++ = (uint8_t)hex_digits[bytes[i] >> 4];
        *at++ = (uint8_t)hex_digits[bytes[i] & 15];
    }
    *at = '"';
    out->size += 2 * size + 2;
    return true;
}

static bool print_escape(struct dk_buf *out, uint8_t c)
{
    char escape[6] = { '\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15] };

    switch (c) {
    case '"':
    case '\\':
        escape[1] = (char)c;
        return dk_buf_add(out, escape, 2);
    case '\n':
        return dk_buf_add(out, "\\n", 2);
    case '\t':
        return dk_buf_add(out, "\\t", 2);
    default:
        return dk_buf_add(out, escape, sizeof(escape));
    }
}

bool dk_json_text(struct dk_buf *out, struct dk_text text)
{
    uint32_t i, from = 0;

    if (!dk_buf_add(out, "\"", 1))
        return false;
    for (i = 0; i < text.size; i++) {
        uint8_t c = (uint8_t)text.data[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        if (!dk_buf_add(out, text.data + from, i - from) || !print_escape(out, c))
            return false;
        from = i + 1;
    }
    return (text.size == from || dk_buf_add(out, text.data + from, text.size - from)) &&
           dk_buf_add(out, "\"", 1);
}
