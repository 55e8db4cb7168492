/* config_tree.c - see config_tree.h */
#include "cli/config_tree.h"

#include "base/check.h"
#include "cli/human.h"
#include "cli/json.h"
#include "event/request.h"
#include "net/hostlist.h"

#include <string.h>
#include <strings.h>

#define SECOND INT64_C(1000000)

/* --- shapes --- */

const struct dk_shape *config_shape(void)
{
    const struct dk_shape *shape = dk_request_shape(DK_REQUEST_APPLY_CONFIGURATION);

    for (uint32_t i = 0; i < shape->field_count; i++)
        if (strcmp(shape->fields[i].name, "config") == 0)
            return shape->fields[i].record;
    DK_CHECK(false);
    return NULL;
}

bool config_has_word(const char *name, const char *word)
{
    size_t size = strlen(word);

    for (const char *at = name; (at = strstr(at, word)) != NULL; at += size)
        if ((at == name || at[-1] == '_') && (at[size] == '\0' || at[size] == '_'))
            return true;
    return false;
}

enum config_unit config_unit_of(const struct dk_shape_field *field)
{
    if (field->kind == DK_KIND_LONG && config_has_word(field->name, "us"))
        return CONFIG_SPAN;
    if (field->kind == DK_KIND_LONG && config_has_word(field->name, "mib"))
        return CONFIG_SIZE;
    if (field->is_array && field->kind == DK_KIND_TEXT && config_has_word(field->name, "nodes"))
        return CONFIG_HOSTS;
    return CONFIG_PLAIN;
}

/* The name without the words that are units: limit_us_max is limit_max. */
void config_key(const struct dk_shape_field *field, char key[64])
{
    const char *at = field->name;
    size_t used = 0;

    key[0] = '\0';
    while (*at != '\0') {
        size_t size = strcspn(at, "_");
        bool is_unit = (size == 2 && memcmp(at, "us", 2) == 0) ||
                       (size == 3 && memcmp(at, "mib", 3) == 0) ||
                       (at == field->name && size == 2 && memcmp(at, "is", 2) == 0);

        if (!is_unit && used + size + 2 < 64) {
            if (used > 0)
                key[used++] = '_';
            memcpy(key + used, at, size);
            used += size;
            key[used] = '\0';
        }
        at += size;
        at += *at == '_';
    }
}

/* --- defaults --- */

void config_default(struct dk_cluster_config *config)
{
    memset(config, 0, sizeof(*config));
    config->cluster = dk_text_of("docket");
    config->policy = (struct dk_policy_spec){
        .policy = DK_POLICY_FCFS,
        .backfill = DK_BACKFILL_EASY,
        .enforce_limits = true,
        .beat_timeout_us = 25 * SECOND,
        .age_us_max = 7 * 86400 * SECOND,
        .weight_age = 1000,
        .weight_size = 1000,
        .weight_partition = 1000,
    };
    config->kill_wait_us = 30 * SECOND;
    config->ended_visible_us = 300 * SECOND;
    config->beat_us = 5 * SECOND;
}

void config_default_item(const struct dk_shape *shape, void *item)
{
    memset(item, 0, shape->size);
    for (uint32_t i = 0; i < shape->field_count; i++)
        if (strcmp(shape->fields[i].name, "all_nodes") == 0)
            *(bool *)((char *)item + shape->fields[i].offset) = true;
}

/* --- setting --- */

static struct dk_text keep_text(const char *text, size_t size, struct dk_arena *arena)
{
    char *copy = dk_arena_take(arena, size + 1);

    memcpy(copy, text, size);
    copy[size] = '\0';
    return (struct dk_text){ copy, (uint32_t)size };
}

static enum dk_status set_bool(bool *value, const char *text, struct dk_err *err)
{
    static const char *const words[] = { "false", "no", "off", "true", "yes", "on" };

    for (int i = 0; i < 6; i++) {
        if (strcasecmp(words[i], text) == 0) {
            *value = i >= 3;
            return DK_OK;
        }
    }
    return dk_fail(err, DK_INVALID, "'%s' is neither true nor false", text);
}

static enum dk_status set_enum(const struct dk_shape_field *field, void *place, const char *text,
                               struct dk_err *err)
{
    char choices[256] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < field->size_max; i++) {
        if (strcasecmp(field->names[i], text) == 0) {
            *(uint32_t *)place = i;
            return DK_OK;
        }
        used += (size_t)snprintf(choices + used, sizeof(choices) - used, "%s%s", i > 0 ? ", " : "",
                                 field->names[i]);
        if (used >= sizeof(choices))
            used = sizeof(choices) - 1;
    }
    return dk_fail(err, DK_INVALID, "'%s' is none of %s", text, choices);
}

static enum dk_status set_number(const struct dk_shape_field *field, void *place, const char *text,
                                 struct dk_err *err)
{
    enum dk_status status;
    int64_t number = 0;

    if (config_unit_of(field) == CONFIG_SPAN)
        status = cli_parse_span(text, false, &number, err);
    else if (config_unit_of(field) == CONFIG_SIZE)
        status = strcasecmp(text, "none") == 0 ? DK_OK : cli_parse_mib(text, &number, err);
    else if (strcasecmp(text, "none") == 0)
        status = DK_OK;
    else
        status = cli_parse_whole(text, field->kind == DK_KIND_INT ? INT32_MIN : INT64_MIN,
                                 field->kind == DK_KIND_INT ? INT32_MAX : INT64_MAX, &number, err);
    if (status == DK_OK && field->kind == DK_KIND_INT)
        *(int32_t *)place = (int32_t)number;
    else if (status == DK_OK)
        *(int64_t *)place = number;
    return status;
}

enum dk_status config_set(const struct dk_shape_field *field, void *place, const char *text,
                          struct dk_arena *arena, struct dk_err *err)
{
    switch (field->kind) {
    case DK_KIND_BOOL:
        return set_bool(place, text, err);
    case DK_KIND_INT:
    case DK_KIND_LONG:
        return set_number(field, place, text, err);
    case DK_KIND_ENUM:
        return set_enum(field, place, text, err);
    case DK_KIND_TEXT:
        if (strlen(text) > field->size_max)
            return dk_fail(err, DK_INVALID, "longer than %u bytes", field->size_max);
        *(struct dk_text *)place = keep_text(text, strlen(text), arena);
        return DK_OK;
    case DK_KIND_BYTES:
    case DK_KIND_FIXED:
    case DK_KIND_RECORD:
    case DK_KIND_COUNT:
        break;
    }
    return dk_fail(err, DK_UNSUPPORTED, "bytes can't be configured");
}

void *config_set_array(const struct dk_shape_field *field, void *record, uint32_t count,
                       struct dk_arena *arena)
{
    void *items = dk_arena_take(arena, (size_t)count * field->item_size + 1);
    char *base = record;

    memset(items, 0, (size_t)count * field->item_size + 1);
    memcpy(base + field->offset, &items, sizeof(items));
    memcpy(base + field->offset_extra, &count, sizeof(count));
    return items;
}

const void *config_array(const struct dk_shape_field *field, const void *record, uint32_t *count)
{
    const void *items;

    memcpy(&items, (const char *)record + field->offset, sizeof(items));
    memcpy(count, (const char *)record + field->offset_extra, sizeof(*count));
    return items;
}

/* --- from JSON --- */

static enum dk_status read_record(struct dk_json *json, const struct dk_shape *shape, void *record,
                                  struct dk_arena *arena, struct dk_err *err);

/* Numbers in JSON are in the schema's units. */
static enum dk_status read_value(struct dk_json *json, const struct dk_shape_field *field,
                                 void *place, struct dk_arena *arena, struct dk_err *err)
{
    struct dk_buf text;
    enum dk_status status = DK_OK;

    if (field->kind == DK_KIND_RECORD)
        return read_record(json, field->record, place, arena, err);
    if (field->kind == DK_KIND_INT) {
        *(int32_t *)place = (int32_t)dk_json_take_number(json);
    } else if (field->kind == DK_KIND_LONG) {
        *(int64_t *)place = dk_json_take_number(json);
    } else {
        dk_buf_init(&text, &dk_heap, 1 << 20);
        if (!dk_json_add_text(json, &text) || !dk_buf_add(&text, "", 1))
            status = dk_fail(err, DK_INVALID, "the answer is not a configuration in JSON");
        else
            status = config_set(field, place, (const char *)text.data, arena, err);
        dk_buf_release(&text);
    }
    return status;
}

static enum dk_status read_array(struct dk_json *json, const struct dk_shape_field *field,
                                 void *record, struct dk_arena *arena, struct dk_err *err)
{
    struct dk_json ahead = *json;
    enum dk_status status = DK_OK;
    uint32_t count = 0, i = 0;
    char *items;

    for (dk_json_enter(&ahead, '['); dk_json_item(&ahead); count++)
        dk_json_skip(&ahead);
    if (count > field->count_max)
        return dk_fail(err, DK_TOO_LARGE, "'%s' has more than %u items", field->name,
                       field->count_max);
    items = config_set_array(field, record, count, arena);
    for (dk_json_enter(json, '['); status == DK_OK && dk_json_item(json) && i < count; i++)
        status = read_value(json, field, items + (size_t)i * field->item_size, arena, err);
    return status;
}

static enum dk_status read_record(struct dk_json *json, const struct dk_shape *shape, void *record,
                                  struct dk_arena *arena, struct dk_err *err)
{
    enum dk_status status = DK_OK;
    char key[64];

    for (dk_json_enter(json, '{'); status == DK_OK && dk_json_key(json, key, sizeof(key));) {
        const struct dk_shape_field *field = NULL;

        for (uint32_t i = 0; i < shape->field_count; i++)
            if (strcmp(shape->fields[i].name, key) == 0)
                field = &shape->fields[i];
        if (field == NULL)
            dk_json_skip(json); /* of a newer server */
        else if (field->is_array)
            status = read_array(json, field, record, arena, err);
        else
            status = read_value(json, field, (char *)record + field->offset, arena, err);
    }
    return status;
}

enum dk_status config_from_json(const struct dk_buf *buf, struct dk_cluster_config *config,
                                struct dk_arena *arena, struct dk_err *err)
{
    struct dk_json json, inner;
    enum dk_status status;
    char key[16];

    memset(config, 0, sizeof(*config));
    dk_json_begin(&json, buf->data, buf->size);
    inner = json;
    for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
        if (strcmp(key, "config") == 0) {
            inner = json;
            break;
        }
        dk_json_skip(&json);
    }
    status = read_record(&inner, config_shape(), config, arena, err);
    if (status == DK_OK && inner.bad)
        return dk_fail(err, DK_INVALID, "the answer is not a configuration in JSON");
    return status;
}
