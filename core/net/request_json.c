/* request_json.c - requests written as JSON, read by walking the generated shapes (event/shape.h)
 */
#include "net/request_json.h"

#include "base/check.h"
#include "event/shape.h"

#include <jansson.h>
#include <string.h>

enum { REQUESTS_MAX = 100000, HEX_BYTES_MAX = 64, DEPTH_MAX = 16 };

/* Where we are, for people: "submit.spec.nodes". */
struct place {
    const struct place *outer;
    const char *name;
};

static enum dk_status bad(const struct place *place, struct dk_err *err, const char *what)
{
    const char *names[DEPTH_MAX];
    char path[256];
    size_t used = 0;
    int depth = 0;

    for (; place != NULL && depth < DEPTH_MAX; place = place->outer)
        names[depth++] = place->name;
    path[0] = '\0';
    while (depth-- > 0) {
        size_t size = strlen(names[depth]);

        if (used + size + 2 > sizeof(path))
            break;
        if (used > 0)
            path[used++] = '.';
        memcpy(path + used, names[depth], size + 1);
        used += size;
    }
    return dk_fail(err, DK_INVALID, "'%s' %s", path, what);
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum dk_status read_hex(const json_t *json, size_t size_max, uint8_t *bytes, size_t *size,
                               const struct place *place, struct dk_err *err)
{
    const char *text = json_string_value(json);
    size_t length = json_string_length(json);

    if (text == NULL || length % 2 != 0 || length / 2 > size_max)
        return bad(place, err, "has to be bytes in hexadecimal digits, within its limit");
    for (size_t i = 0; i < length / 2; i++) {
        int high = nibble(text[2 * i]), low = nibble(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return bad(place, err, "has a character that is no hexadecimal digit");
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    *size = length / 2;
    return DK_OK;
}

static const char *keep_text(const json_t *json, struct dk_arena *arena)
{
    size_t size = json_string_length(json);
    char *kept = dk_arena_take(arena, size + 1);

    memcpy(kept, json_string_value(json), size + 1);
    return kept;
}

static enum dk_status read_record(const struct dk_shape *shape, json_t *json, uint8_t *base,
                                  struct dk_arena *arena, const struct place *place,
                                  const char *skip, struct dk_err *err);

static enum dk_status read_number(const json_t *json, int64_t least, int64_t most, int64_t *value,
                                  const struct place *place, struct dk_err *err)
{
    if (!json_is_integer(json))
        return bad(place, err, "has to be an integer");
    *value = json_integer_value(json);
    return *value >= least && *value <= most ? DK_OK : bad(place, err, "is out of range");
}

static enum dk_status read_bytes(const struct dk_shape_field *field, const json_t *json,
                                 struct dk_bytes *bytes, struct dk_arena *arena,
                                 const struct place *place, struct dk_err *err)
{
    size_t size = 0;
    enum dk_status status;
    uint8_t *room;

    if (!json_is_string(json))
        return bad(place, err, "has to be a string");
    if (field->size_max > HEX_BYTES_MAX) {
        if (json_string_length(json) > field->size_max)
            return bad(place, err, "is longer than its limit");
        *bytes = (struct dk_bytes){ (const uint8_t *)keep_text(json, arena),
                                    (uint32_t)json_string_length(json) };
        return DK_OK;
    }
    room = dk_arena_take(arena, field->size_max + 1);
    status = read_hex(json, field->size_max, room, &size, place, err);
    *bytes = (struct dk_bytes){ room, (uint32_t)size };
    return status;
}

static enum dk_status read_enum(const struct dk_shape_field *field, const json_t *json, int *value,
                                const struct place *place, struct dk_err *err)
{
    const char *text = json_string_value(json);

    for (uint32_t i = 0; text != NULL && i < field->size_max; i++) {
        if (strcmp(field->names[i], text) == 0) {
            *value = (int)i;
            return DK_OK;
        }
    }
    return bad(place, err, "is none of the schema's words");
}

/* One value: of a field, or one item of an array. */
static enum dk_status read_value(const struct dk_shape_field *field, json_t *json, uint8_t *at,
                                 struct dk_arena *arena, const struct place *place,
                                 struct dk_err *err)
{
    int64_t number = 0;
    size_t size = 0;
    enum dk_status status;

    switch (field->kind) {
    case DK_KIND_BOOL:
        if (!json_is_boolean(json))
            return bad(place, err, "has to be true or false");
        *(bool *)(void *)at = json_is_true(json);
        return DK_OK;
    case DK_KIND_INT:
        status = read_number(json, INT32_MIN, INT32_MAX, &number, place, err);
        *(int32_t *)(void *)at = (int32_t)number;
        return status;
    case DK_KIND_LONG:
        return read_number(json, INT64_MIN, INT64_MAX, (int64_t *)(void *)at, place, err);
    case DK_KIND_TEXT:
        if (!json_is_string(json))
            return bad(place, err, "has to be a string");
        if (json_string_length(json) > field->size_max)
            return bad(place, err, "is longer than its limit");
        *(struct dk_text *)(void *)at =
            (struct dk_text){ keep_text(json, arena), (uint32_t)json_string_length(json) };
        return DK_OK;
    case DK_KIND_BYTES:
        return read_bytes(field, json, (struct dk_bytes *)(void *)at, arena, place, err);
    case DK_KIND_FIXED:
        status = read_hex(json, field->size_max, at, &size, place, err);
        return status == DK_OK && size != field->size_max ? bad(place, err, "is too short")
                                                          : status;
    case DK_KIND_ENUM:
        return read_enum(field, json, (int *)(void *)at, place, err);
    case DK_KIND_RECORD:
        return read_record(field->record, json, at, arena, place, NULL, err);
    case DK_KIND_COUNT:
        break;
    }
    return bad(place, err, "is of no known kind");
}

static enum dk_status read_array(const struct dk_shape_field *field, json_t *json, uint8_t *base,
                                 struct dk_arena *arena, const struct place *place,
                                 struct dk_err *err)
{
    size_t count = json_array_size(json);
    uint8_t *items;

    if (!json_is_array(json))
        return bad(place, err, "has to be an array");
    if (count > field->count_max)
        return bad(place, err, "has more items than its limit");
    items = dk_arena_take(arena, count * field->item_size + 1);
    memset(items, 0, count * field->item_size);
    for (size_t i = 0; i < count; i++) {
        enum dk_status status = read_value(field, json_array_get(json, i),
                                           items + i * field->item_size, arena, place, err);

        if (status != DK_OK)
            return status;
    }
    memcpy(base + field->offset, &items, sizeof(items));
    *(uint32_t *)(void *)(base + field->offset_extra) = (uint32_t)count;
    return DK_OK;
}

static const struct dk_shape_field *find_field(const struct dk_shape *shape, const char *name)
{
    for (uint32_t i = 0; i < shape->field_count; i++) {
        if (strcmp(shape->fields[i].name, name) == 0)
            return &shape->fields[i];
    }
    return NULL;
}

static enum dk_status read_record(const struct dk_shape *shape, json_t *json, uint8_t *base,
                                  struct dk_arena *arena, const struct place *place,
                                  const char *skip, struct dk_err *err)
{
    const char *name;
    json_t *value;

    if (!json_is_object(json))
        return bad(place, err, "has to be an object");
    json_object_foreach(json, name, value)
    {
        const struct dk_shape_field *field = find_field(shape, name);
        struct place here = { place, name };
        enum dk_status status = DK_OK;

        if (skip != NULL &&
            (strcmp(name, skip) == 0 || strcmp(name, "key") == 0 || strcmp(name, "time") == 0))
            continue;
        if (field == NULL || (skip != NULL && strcmp(name, "meta") == 0))
            return bad(&here, err, "is not a field of this request");
        if (field->is_optional && json_is_null(value))
            continue;
        if (field->is_array)
            status = read_array(field, value, base, arena, &here, err);
        else
            status = read_value(field, value, base + field->offset, arena, &here, err);
        if (status != DK_OK)
            return status;
        if (field->is_optional)
            *(bool *)(void *)(base + field->offset_extra) = true;
    }
    return DK_OK;
}

static enum dk_status read_meta(json_t *json, struct dk_request *request, struct dk_arena *arena,
                                const struct place *place, struct dk_err *err)
{
    static const struct dk_shape_field key = { .name = "key",
                                               .kind = DK_KIND_BYTES,
                                               .size_max = 16 };
    static const struct dk_shape_field time = { .name = "time", .kind = DK_KIND_LONG };
    json_t *value = json_object_get(json, "key");
    enum dk_status status = DK_OK;

    if (value != NULL)
        status = read_value(&key, value, (uint8_t *)&request->meta.key, arena,
                            &(struct place){ place, "key" }, err);
    value = json_object_get(json, "time");
    if (status == DK_OK && value != NULL)
        status = read_value(&time, value, (uint8_t *)&request->meta.time, arena,
                            &(struct place){ place, "time" }, err);
    return status;
}

static enum dk_status read_request(json_t *json, struct dk_request *request, struct dk_arena *arena,
                                   struct dk_err *err)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    struct place place = { NULL, type != NULL ? type : "type" };
    enum dk_status status;

    memset(request, 0, sizeof(*request));
    if (type == NULL)
        return bad(&place, err, "is missing: each request is an object with the name of its kind");
    for (int i = 1; i < DK_REQUEST_TYPE_COUNT; i++) {
        if (strcmp(type, dk_request_name((enum dk_request_type)i)) != 0)
            continue;
        request->type = (enum dk_request_type)i;
        status = read_meta(json, request, arena, &place, err);
        return status == DK_OK ? read_record(dk_request_shape(request->type), json,
                                             (uint8_t *)request, arena, &place, "type", err)
                               : status;
    }
    return bad(&place, err, "is no kind of request");
}

enum dk_status dk_requests_from_json(const uint8_t *json, size_t size, struct dk_arena *arena,
                                     struct dk_request **requests, uint32_t *count,
                                     struct dk_err *err)
{
    json_error_t error;
    json_t *root = json_loadb((const char *)json, size, JSON_REJECT_DUPLICATES, &error);
    size_t total = json_is_array(root) ? json_array_size(root) : 1;
    enum dk_status status = DK_OK;

    if (root == NULL)
        return dk_fail(err, DK_INVALID, "not JSON: line %d, column %d: %s", error.line,
                       error.column, error.text);
    if (total == 0)
        status = dk_fail(err, DK_INVALID, "the array has no request");
    else if (total > REQUESTS_MAX)
        status = dk_fail(err, DK_TOO_LARGE, "more than %d requests in one call", REQUESTS_MAX);
    if (status == DK_OK)
        *requests = dk_arena_take(arena, total * sizeof(**requests));
    for (size_t i = 0; status == DK_OK && i < total; i++)
        status = read_request(json_is_array(root) ? json_array_get(root, i) : root, &(*requests)[i],
                              arena, err);
    *count = (uint32_t)total;
    json_decref(root);
    return status;
}
