/* random_event.c - see random_event.h */
#include "random_event.h"

#include <string.h>

static const struct dk_shape *event_shape(int type)
{
    return dk_event_shape((enum dk_event_type)type);
}

static uint64_t event_fingerprint(int type)
{
    return dk_event_fingerprint((enum dk_event_type)type);
}

static int event_type_of(const union codec_record *record)
{
    return (int)record->event.type;
}

static void event_set_type(union codec_record *record, int type)
{
    record->event.type = (enum dk_event_type)type;
}

static enum dk_status event_encode(const union codec_record *record, struct dk_buf *out,
                                   struct dk_err *err)
{
    return dk_event_encode(&record->event, out, err);
}

static enum dk_status event_decode(const uint8_t *data, size_t size, struct dk_arena *arena,
                                   union codec_record *out, struct dk_err *err)
{
    return dk_event_decode(data, size, arena, &out->event, err);
}

static bool event_print(const union codec_record *record, struct dk_buf *out)
{
    return dk_event_print(&record->event, out);
}

static const struct dk_shape *request_shape(int type)
{
    return dk_request_shape((enum dk_request_type)type);
}

static uint64_t request_fingerprint(int type)
{
    return dk_request_fingerprint((enum dk_request_type)type);
}

static int request_type_of(const union codec_record *record)
{
    return (int)record->request.type;
}

static void request_set_type(union codec_record *record, int type)
{
    record->request.type = (enum dk_request_type)type;
}

static enum dk_status request_encode(const union codec_record *record, struct dk_buf *out,
                                     struct dk_err *err)
{
    return dk_request_encode(&record->request, out, err);
}

static enum dk_status request_decode(const uint8_t *data, size_t size, struct dk_arena *arena,
                                     union codec_record *out, struct dk_err *err)
{
    return dk_request_decode(data, size, arena, &out->request, err);
}

static bool request_print(const union codec_record *record, struct dk_buf *out)
{
    return dk_request_print(&record->request, out);
}

const struct codec_family codec_families[2] = {
    { "event", DK_EVENT_TYPE_COUNT, event_shape, event_fingerprint, event_type_of, event_set_type,
      event_encode, event_decode, event_print },
    { "request", DK_REQUEST_TYPE_COUNT, request_shape, request_fingerprint, request_type_of,
      request_set_type, request_encode, request_decode, request_print },
};

/* Mostly small, sometimes just at the limit. */
static uint32_t random_size(struct dk_prng *prng, uint32_t limit)
{
    uint64_t kind = dk_prng_below(prng, 32);

    if (kind == 0 && limit <= 8192)
        return limit;
    if (kind < 8)
        return 0;
    if (kind < 10 && limit > 200)
        return 60 + (uint32_t)dk_prng_below(prng, 140);
    return (uint32_t)dk_prng_below(prng, limit < 20 ? limit + 1 : 20);
}

static int64_t random_integer(struct dk_prng *prng, int64_t lowest, int64_t highest)
{
    uint64_t bits = dk_prng_next(prng) >> dk_prng_below(prng, 64);
    int64_t value = (int64_t)(bits >> 1);

    switch (dk_prng_below(prng, 16)) {
    case 0:
        return lowest;
    case 1:
        return highest;
    case 2:
        return 0;
    default:
        if (value > highest)
            value %= highest;
        return (bits & 1) != 0 ? -value : value;
    }
}

/* Characters of one to four bytes, never U+0000: Avro C's strings end there. */
static struct dk_text random_text(struct dk_prng *prng, uint32_t size_max, struct dk_arena *arena)
{
    static const char *const samples[] = { "a",
                                           "Z",
                                           "7",
                                           "\"",
                                           "\\",
                                           "\n",
                                           "\x01",
                                           "\x7f",
                                           "\xc3\xa9",
                                           "\xe2\x82\xac",
                                           "\xf0\x9f\x98\x80" };
    uint32_t wanted = random_size(prng, size_max), size = 0;
    char *data = dk_arena_take(arena, wanted == 0 ? 1 : wanted);
    bool plain = dk_prng_below(prng, 2) == 0;
    struct dk_text text;

    while (size < wanted) {
        const char *sample = samples[dk_prng_below(prng, plain ? 3 : 11)];
        uint32_t sample_size = (uint32_t)strlen(sample);

        if (sample_size > wanted - size) {
            sample = "b";
            sample_size = 1;
        }
        memcpy(data + size, sample, sample_size);
        size += sample_size;
    }
    text.data = data;
    text.size = size;
    return text;
}

static void random_fields(struct dk_prng *prng, const struct dk_shape *shape, uint8_t *base,
                          struct dk_arena *arena);

static void random_raw(struct dk_prng *prng, uint8_t *bytes, uint32_t size)
{
    uint32_t i;

    for (i = 0; i < size; i++)
        bytes[i] = (uint8_t)dk_prng_next(prng);
}

static void random_value(struct dk_prng *prng, const struct dk_shape_field *field, uint8_t *value,
                         struct dk_arena *arena)
{
    bool flag = dk_prng_below(prng, 2) == 1;
    int32_t narrow;
    int64_t wide;
    struct dk_text text;
    struct dk_bytes bytes;
    uint8_t *data;

    switch (field->kind) {
    case DK_KIND_BOOL:
        memcpy(value, &flag, sizeof(flag));
        break;
    case DK_KIND_INT:
        narrow = (int32_t)random_integer(prng, INT32_MIN, INT32_MAX);
        memcpy(value, &narrow, sizeof(narrow));
        break;
    case DK_KIND_LONG:
        wide = random_integer(prng, INT64_MIN, INT64_MAX);
        memcpy(value, &wide, sizeof(wide));
        break;
    case DK_KIND_TEXT:
        text = random_text(prng, field->size_max, arena);
        memcpy(value, &text, sizeof(text));
        break;
    case DK_KIND_BYTES:
        bytes.size = random_size(prng, field->size_max);
        data = dk_arena_take(arena, bytes.size + 1);
        random_raw(prng, data, bytes.size);
        bytes.data = data;
        memcpy(value, &bytes, sizeof(bytes));
        break;
    case DK_KIND_FIXED:
        random_raw(prng, value, field->size_max);
        break;
    case DK_KIND_ENUM:
        narrow = (int32_t)dk_prng_below(prng, field->size_max);
        memcpy(value, &narrow, sizeof(narrow));
        break;
    case DK_KIND_RECORD:
        random_fields(prng, field->record, value, arena);
        break;
    case DK_KIND_COUNT:
    default:
        break;
    }
}

static void random_fields(struct dk_prng *prng, const struct dk_shape *shape, uint8_t *base,
                          struct dk_arena *arena)
{
    uint32_t i, j;

    for (i = 0; i < shape->field_count; i++) {
        const struct dk_shape_field *field = &shape->fields[i];

        if (field->is_array) {
            uint32_t count = random_size(prng, field->count_max);
            uint8_t *items;

            if (count > 300)
                count = 300;
            items = dk_arena_take(arena, (size_t)count * field->item_size + 1);
            memset(items, 0, (size_t)count * field->item_size);
            for (j = 0; j < count; j++)
                random_value(prng, field, items + (size_t)j * field->item_size, arena);
            memcpy(base + field->offset, &items, sizeof(items));
            memcpy(base + field->offset_extra, &count, sizeof(count));
            continue;
        }
        if (field->is_optional) {
            bool present = dk_prng_below(prng, 2) == 1;

            memcpy(base + field->offset_extra, &present, sizeof(present));
            if (!present)
                continue;
        }
        random_value(prng, field, base + field->offset, arena);
    }
}

void random_record(const struct codec_family *family, int type, struct dk_prng *prng,
                   struct dk_arena *arena, union codec_record *out)
{
    memset(out, 0, sizeof(*out));
    family->set_type(out, type);
    random_fields(prng, family->shape(type), (uint8_t *)out, arena);
}

static const char *fields_difference(const struct dk_shape *shape, const uint8_t *a,
                                     const uint8_t *b);

static bool value_equal(const struct dk_shape_field *field, const uint8_t *a, const uint8_t *b)
{
    struct dk_text text_a, text_b;

    switch (field->kind) {
    case DK_KIND_TEXT:
    case DK_KIND_BYTES: /* the same layout as a text */
        memcpy(&text_a, a, sizeof(text_a));
        memcpy(&text_b, b, sizeof(text_b));
        return dk_text_equal(text_a, text_b);
    case DK_KIND_RECORD:
        return fields_difference(field->record, a, b) == NULL;
    case DK_KIND_BOOL:
    case DK_KIND_INT:
    case DK_KIND_LONG:
    case DK_KIND_FIXED:
    case DK_KIND_ENUM:
        return memcmp(a, b, field->item_size) == 0;
    case DK_KIND_COUNT:
    default:
        return false;
    }
}

static bool array_equal(const struct dk_shape_field *field, const uint8_t *a, const uint8_t *b)
{
    const uint8_t *items_a, *items_b;
    uint32_t count_a, count_b, i;

    memcpy(&items_a, a + field->offset, sizeof(items_a));
    memcpy(&items_b, b + field->offset, sizeof(items_b));
    memcpy(&count_a, a + field->offset_extra, sizeof(count_a));
    memcpy(&count_b, b + field->offset_extra, sizeof(count_b));
    if (count_a != count_b)
        return false;
    for (i = 0; i < count_a; i++)
        if (!value_equal(field, items_a + (size_t)i * field->item_size,
                         items_b + (size_t)i * field->item_size))
            return false;
    return true;
}

static const char *fields_difference(const struct dk_shape *shape, const uint8_t *a,
                                     const uint8_t *b)
{
    uint32_t i;

    for (i = 0; i < shape->field_count; i++) {
        const struct dk_shape_field *field = &shape->fields[i];

        if (field->is_array) {
            if (!array_equal(field, a, b))
                return field->name;
            continue;
        }
        if (field->is_optional) {
            bool present_a, present_b;

            memcpy(&present_a, a + field->offset_extra, sizeof(present_a));
            memcpy(&present_b, b + field->offset_extra, sizeof(present_b));
            if (present_a != present_b)
                return field->name;
            if (!present_a)
                continue;
        }
        if (!value_equal(field, a + field->offset, b + field->offset))
            return field->name;
    }
    return NULL;
}

const char *record_difference(const struct codec_family *family, const union codec_record *a,
                              const union codec_record *b)
{
    if (family->type_of(a) != family->type_of(b))
        return "type";
    return fields_difference(family->shape(family->type_of(a)), (const uint8_t *)a,
                             (const uint8_t *)b);
}
