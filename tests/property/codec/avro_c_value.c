/* avro_c_value.c - see avro_c_value.h. An optional field is a union with null first. */
#include "avro_c_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

avro_schema_t avro_schema_load(const char *folder, const char *name)
{
    char path[1024];
    char *text = malloc(1 << 20);
    avro_schema_t schema = NULL;
    FILE *file;
    size_t size;

    snprintf(path, sizeof(path), "%s/avsc/%s.avsc", folder, name);
    file = fopen(path, "rb");
    if (file == NULL || text == NULL) {
        fprintf(stderr, "cannot read '%s'\n", path);
    } else {
        size = fread(text, 1, 1 << 20, file);
        if (avro_schema_from_json_length(text, size, &schema) != 0) {
            fprintf(stderr, "'%s': %s\n", path, avro_strerror());
            schema = NULL;
        }
    }
    if (file != NULL)
        fclose(file);
    free(text);
    return schema;
}

static bool same_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static bool same_value(const avro_value_t *value, const struct dk_shape_field *field,
                       const uint8_t *base)
{
    struct dk_text text;
    const char *chars;
    const void *data;
    size_t size;
    int flag, symbol;
    int32_t narrow, ours_narrow;
    int64_t wide, ours_wide;
    bool ours_flag;

    switch (field->kind) {
    case DK_KIND_BOOL:
        memcpy(&ours_flag, base, sizeof(ours_flag));
        return avro_value_get_boolean(value, &flag) == 0 && (flag != 0) == ours_flag;
    case DK_KIND_INT:
        memcpy(&ours_narrow, base, sizeof(ours_narrow));
        return avro_value_get_int(value, &narrow) == 0 && narrow == ours_narrow;
    case DK_KIND_LONG:
        memcpy(&ours_wide, base, sizeof(ours_wide));
        return avro_value_get_long(value, &wide) == 0 && wide == ours_wide;
    case DK_KIND_TEXT:
        memcpy(&text, base, sizeof(text));
        return avro_value_get_string(value, &chars, &size) == 0 &&
               same_bytes(chars, size - 1, text.data, text.size);
    case DK_KIND_BYTES:
        memcpy(&text, base, sizeof(text)); /* the same layout as a text */
        return avro_value_get_bytes(value, &data, &size) == 0 &&
               same_bytes(data, size, text.data, text.size);
    case DK_KIND_FIXED:
        return avro_value_get_fixed(value, &data, &size) == 0 &&
               same_bytes(data, size, base, field->size_max);
    case DK_KIND_ENUM:
        memcpy(&ours_narrow, base, sizeof(ours_narrow));
        return avro_value_get_enum(value, &symbol) == 0 && symbol == ours_narrow;
    case DK_KIND_RECORD:
        return avro_difference(value, field->record, base) == NULL;
    case DK_KIND_COUNT:
    default:
        return false;
    }
}

static bool same_array(const avro_value_t *value, const struct dk_shape_field *field,
                       const uint8_t *base)
{
    const uint8_t *items;
    uint32_t count, i;
    size_t size;

    memcpy(&items, base + field->offset, sizeof(items));
    memcpy(&count, base + field->offset_extra, sizeof(count));
    if (avro_value_get_size(value, &size) != 0 || size != count)
        return false;
    for (i = 0; i < count; i++) {
        avro_value_t item;

        if (avro_value_get_by_index(value, i, &item, NULL) != 0 ||
            !same_value(&item, field, items + (size_t)i * field->item_size))
            return false;
    }
    return true;
}

static bool same_optional(const avro_value_t *value, const struct dk_shape_field *field,
                          const uint8_t *base)
{
    avro_value_t branch;
    bool present;
    int discriminant;

    memcpy(&present, base + field->offset_extra, sizeof(present));
    if (avro_value_get_discriminant(value, &discriminant) != 0 || (discriminant == 1) != present)
        return false;
    return !present || (avro_value_get_current_branch(value, &branch) == 0 &&
                        same_value(&branch, field, base + field->offset));
}

const char *avro_difference(const avro_value_t *value, const struct dk_shape *shape,
                            const void *base)
{
    size_t size;
    uint32_t i;

    if (avro_value_get_size(value, &size) != 0 || size != shape->field_count)
        return shape->name;
    for (i = 0; i < shape->field_count; i++) {
        const struct dk_shape_field *field = &shape->fields[i];
        avro_value_t child;
        const char *name;
        bool same;

        if (avro_value_get_by_index(value, i, &child, &name) != 0 || strcmp(name, field->name) != 0)
            return field->name;
        if (field->is_array)
            same = same_array(&child, field, base);
        else if (field->is_optional)
            same = same_optional(&child, field, base);
        else
            same = same_value(&child, field, (const uint8_t *)base + field->offset);
        if (!same)
            return field->name;
    }
    return NULL;
}

static bool fill_text(avro_value_t *value, struct dk_text text)
{
    char *copy = malloc((size_t)text.size + 1);
    bool good = copy != NULL;

    if (good) {
        memcpy(copy, text.data, text.size);
        copy[text.size] = '\0';
        good = avro_value_set_string_len(value, copy, (size_t)text.size + 1) == 0;
    }
    free(copy);
    return good;
}

static bool fill_bytes(avro_value_t *value, struct dk_text bytes)
{
    uint8_t *copy = malloc((size_t)bytes.size + 1); /* Avro C takes no const */
    bool good = copy != NULL;

    if (good) {
        memcpy(copy, bytes.data, bytes.size);
        good = avro_value_set_bytes(value, copy, bytes.size) == 0;
    }
    free(copy);
    return good;
}

static bool fill_value(avro_value_t *value, const struct dk_shape_field *field, const uint8_t *base)
{
    uint8_t copy[64];
    struct dk_text text;
    int32_t narrow;
    int64_t wide;
    bool flag;

    switch (field->kind) {
    case DK_KIND_BOOL:
        memcpy(&flag, base, sizeof(flag));
        return avro_value_set_boolean(value, flag) == 0;
    case DK_KIND_INT:
        memcpy(&narrow, base, sizeof(narrow));
        return avro_value_set_int(value, narrow) == 0;
    case DK_KIND_LONG:
        memcpy(&wide, base, sizeof(wide));
        return avro_value_set_long(value, wide) == 0;
    case DK_KIND_TEXT:
        memcpy(&text, base, sizeof(text));
        return fill_text(value, text);
    case DK_KIND_BYTES:
        memcpy(&text, base, sizeof(text));
        return fill_bytes(value, text);
    case DK_KIND_FIXED:
        memcpy(copy, base, field->size_max);
        return avro_value_set_fixed(value, copy, field->size_max) == 0;
    case DK_KIND_ENUM:
        memcpy(&narrow, base, sizeof(narrow));
        return avro_value_set_enum(value, narrow) == 0;
    case DK_KIND_RECORD:
        return avro_fill(value, field->record, base);
    case DK_KIND_COUNT:
    default:
        return false;
    }
}

static bool fill_array(avro_value_t *value, const struct dk_shape_field *field, const uint8_t *base)
{
    const uint8_t *items;
    uint32_t count, i;

    memcpy(&items, base + field->offset, sizeof(items));
    memcpy(&count, base + field->offset_extra, sizeof(count));
    for (i = 0; i < count; i++) {
        avro_value_t item;

        if (avro_value_append(value, &item, NULL) != 0 ||
            !fill_value(&item, field, items + (size_t)i * field->item_size))
            return false;
    }
    return true;
}

bool avro_fill(avro_value_t *value, const struct dk_shape *shape, const void *base)
{
    uint32_t i;

    for (i = 0; i < shape->field_count; i++) {
        const struct dk_shape_field *field = &shape->fields[i];
        const uint8_t *at = (const uint8_t *)base + field->offset;
        avro_value_t child, branch;
        bool present = true, good;

        if (avro_value_get_by_name(value, field->name, &child, NULL) != 0)
            return false;
        if (field->is_optional)
            memcpy(&present, (const uint8_t *)base + field->offset_extra, sizeof(present));
        if (field->is_array)
            good = fill_array(&child, field, base);
        else if (field->is_optional)
            good = avro_value_set_branch(&child, present ? 1 : 0, &branch) == 0 &&
                   (present ? fill_value(&branch, field, at) : avro_value_set_null(&branch) == 0);
        else
            good = fill_value(&child, field, at);
        if (!good)
            return false;
    }
    return true;
}
