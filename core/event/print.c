/* print.c - an event or request as one line of JSON, by walking its shape
 *
 * Integers are printed exactly, bytes as hexadecimal digits, enums as their symbols, an
 * absent field as null. Texts are UTF-8 already (decode and encode both hold that); only
 * the quote, the backslash and control characters are escaped.
 */
#include "base/buf.h"
#include "base/text.h"
#include "event/event.h"
#include "event/request.h"
#include "event/shape.h"

static const char hex_digits[] = "0123456789abcdef";

static bool print_integer(struct dk_buf *out, int64_t value)
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

static bool print_hex(struct dk_buf *out, const uint8_t *bytes, size_t size)
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

static bool print_text(struct dk_buf *out, struct dk_text text)
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

static bool print_fields(struct dk_buf *out, const struct dk_shape *shape, const uint8_t *base,
                         bool first);

static bool print_record(struct dk_buf *out, const struct dk_shape *shape, const uint8_t *base)
{
    return dk_buf_add(out, "{", 1) && print_fields(out, shape, base, true) &&
           dk_buf_add(out, "}", 1);
}

static bool print_value(struct dk_buf *out, const struct dk_shape_field *field,
                        const uint8_t *value)
{
    struct dk_text text;
    struct dk_bytes bytes;
    int32_t narrow;
    int64_t wide;
    bool flag;

    switch (field->kind) {
    case DK_KIND_BOOL:
        memcpy(&flag, value, sizeof(flag));
        return dk_buf_add_text(out, flag ? "true" : "false");
    case DK_KIND_INT:
        memcpy(&narrow, value, sizeof(narrow));
        return print_integer(out, narrow);
    case DK_KIND_LONG:
        memcpy(&wide, value, sizeof(wide));
        return print_integer(out, wide);
    case DK_KIND_TEXT:
        memcpy(&text, value, sizeof(text));
        return print_text(out, text);
    case DK_KIND_BYTES:
        memcpy(&bytes, value, sizeof(bytes));
        return print_hex(out, bytes.data, bytes.size);
    case DK_KIND_FIXED:
        return print_hex(out, value, field->size_max);
    case DK_KIND_ENUM:
        memcpy(&narrow, value, sizeof(narrow));
        if (narrow < 0 || (uint32_t)narrow >= field->size_max)
            return print_integer(out, narrow);
        return dk_buf_add(out, "\"", 1) && dk_buf_add_text(out, field->names[narrow]) &&
               dk_buf_add(out, "\"", 1);
    case DK_KIND_RECORD:
        return print_record(out, field->record, value);
    case DK_KIND_COUNT:
    default:
        return false;
    }
}

static bool print_array(struct dk_buf *out, const struct dk_shape_field *field, const uint8_t *base)
{
    const uint8_t *items;
    uint32_t count, i;

    memcpy(&items, base + field->offset, sizeof(items));
    memcpy(&count, base + field->offset_extra, sizeof(count));
    if (!dk_buf_add(out, "[", 1))
        return false;
    for (i = 0; i < count; i++)
        if ((i > 0 && !dk_buf_add(out, ",", 1)) ||
            !print_value(out, field, items + (size_t)i * field->item_size))
            return false;
    return dk_buf_add(out, "]", 1);
}

static bool print_field(struct dk_buf *out, const struct dk_shape_field *field, const uint8_t *base)
{
    bool present = true;

    if (field->is_array)
        return print_array(out, field, base);
    if (field->is_optional)
        memcpy(&present, base + field->offset_extra, sizeof(present));
    if (!present)
        return dk_buf_add_text(out, "null");
    return print_value(out, field, base + field->offset);
}

static bool print_fields(struct dk_buf *out, const struct dk_shape *shape, const uint8_t *base,
                         bool first)
{
    uint32_t i;

    for (i = 0; i < shape->field_count; i++) {
        const struct dk_shape_field *field = &shape->fields[i];

        if (!dk_buf_add_text(out, first ? "\"" : ",\"") || !dk_buf_add_text(out, field->name) ||
            !dk_buf_add(out, "\":", 2) || !print_field(out, field, base))
            return false;
        first = false;
    }
    return true;
}

/* The fields of `meta`, which comes first in every shape, are lifted to the top. */
static bool print(struct dk_buf *out, const struct dk_shape *shape, const void *value)
{
    const uint8_t *base = value;
    size_t size = out->size;

    if (shape != NULL && dk_buf_add_text(out, "{\"type\":\"") &&
        dk_buf_add_text(out, shape->name) && dk_buf_add(out, "\"", 1)) {
        const struct dk_shape_field *meta = &shape->fields[0];
        struct dk_shape own = { shape->name, shape->size, shape->field_count - 1, meta + 1 };

        if (print_fields(out, meta->record, base + meta->offset, false) &&
            print_fields(out, &own, base, false) && dk_buf_add(out, "}", 1))
            return true;
    }
    out->size = size;
    return false;
}

bool dk_event_print(const struct dk_event *event, struct dk_buf *out)
{
    return print(out, dk_event_shape(event->type), event);
}

bool dk_request_print(const struct dk_request *request, struct dk_buf *out)
{
    return print(out, dk_request_shape(request->type), request);
}
