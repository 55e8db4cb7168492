/* print.c - an event or request as one line of JSON, by walking its shape
 *
 * Integers are printed exactly, bytes as hexadecimal digits, enums as their symbols, an
 * absent field as null (base/json.h).
 */
#include "base/json.h"
#include "base/text.h"
#include "event/event.h"
#include "event/request.h"
#include "event/shape.h"

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
        return dk_json_integer(out, narrow);
    case DK_KIND_LONG:
        memcpy(&wide, value, sizeof(wide));
        return dk_json_integer(out, wide);
    case DK_KIND_TEXT:
        memcpy(&text, value, sizeof(text));
        return dk_json_text(out, text);
    case DK_KIND_BYTES:
        memcpy(&bytes, value, sizeof(bytes));
        return dk_json_hex(out, bytes.data, bytes.size);
    case DK_KIND_FIXED:
        return dk_json_hex(out, value, field->size_max);
    case DK_KIND_ENUM:
        memcpy(&narrow, value, sizeof(narrow));
        if (narrow < 0 || (uint32_t)narrow >= field->size_max)
            return dk_json_integer(out, narrow);
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
