/* config_show.c - a configuration as YAML, and the differences of two (config_tree.h) */
#include "base/check.h"
#include "cli/config_tree.h"
#include "cli/human.h"
#include "net/hostlist.h"

#include <string.h>

#define SECOND INT64_C(1000000)

/* --- values as text --- */

static bool is_limit(const char *name)
{
    return config_has_word(name, "max") || strcmp(name, "depth") == 0;
}

static void add_number(const struct dk_shape_field *field, int64_t number, struct dk_buf *out)
{
    enum config_unit unit = config_unit_of(field);
    char text[40];

    if (number == 0 && (unit != CONFIG_PLAIN || is_limit(field->name)))
        (void)snprintf(text, sizeof(text), "none");
    else if (unit == CONFIG_SPAN && number % SECOND != 0)
        (void)snprintf(text, sizeof(text), "%lldus", (long long)number);
    else if (unit == CONFIG_SPAN && number < 120 * SECOND)
        (void)snprintf(text, sizeof(text), "%llds", (long long)(number / SECOND));
    else if (unit == CONFIG_SPAN)
        (void)cli_span(text, number);
    else if (unit == CONFIG_SIZE && number % 1024 == 0)
        (void)snprintf(text, sizeof(text), "%lldG", (long long)(number / 1024));
    else if (unit == CONFIG_SIZE)
        (void)snprintf(text, sizeof(text), "%lldM", (long long)number);
    else
        (void)snprintf(text, sizeof(text), "%lld", (long long)number);
    (void)dk_buf_add_text(out, text);
}

/* Plain where YAML reads it back as the same text, else in quotes. */
static void add_text(struct dk_text text, struct dk_buf *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+@";
    bool is_plain = text.size > 0 && text.data[0] != '-';

    for (uint32_t i = 0; i < text.size; i++)
        is_plain = is_plain && strchr(plain, text.data[i]) != NULL && text.data[i] != '\0';
    if (is_plain) {
        (void)dk_buf_add(out, text.data, text.size);
        return;
    }
    (void)dk_buf_add_text(out, "\"");
    for (uint32_t i = 0; i < text.size; i++) {
        char c = text.data[i], escaped[8];

        if (c == '"' || c == '\\') {
            (void)snprintf(escaped, sizeof(escaped), "\\%c", c);
            (void)dk_buf_add_text(out, escaped);
        } else if ((unsigned char)c < 0x20 || c == 0x7f) {
            (void)snprintf(escaped, sizeof(escaped), "\\x%02X", (unsigned)c);
            (void)dk_buf_add_text(out, escaped);
        } else {
            (void)dk_buf_add(out, &c, 1);
        }
    }
    (void)dk_buf_add_text(out, "\"");
}

static void add_hosts(const struct dk_text *names, uint32_t count, struct dk_buf *out)
{
    struct dk_hostlist list;
    struct dk_buf text;

    dk_hostlist_init(&list);
    dk_buf_init(&text, &dk_heap, 1 << 24);
    for (uint32_t i = 0; i < count; i++)
        dk_hostlist_add(&list, names[i].data, names[i].size);
    dk_hostlist_compress(&list, &text);
    if (count == 0)
        (void)dk_buf_add_text(out, "[]");
    else
        add_text((struct dk_text){ (const char *)text.data, (uint32_t)text.size }, out);
    dk_buf_release(&text);
    dk_hostlist_release(&list);
}

/* A value that takes one line. */
static void add_value(const struct dk_shape_field *field, const void *place, struct dk_buf *out)
{
    const uint32_t *choice = place;

    switch ((int)field->kind) {
    case DK_KIND_BOOL:
        (void)dk_buf_add_text(out, *(const bool *)place ? "true" : "false");
        break;
    case DK_KIND_INT:
        add_number(field, *(const int32_t *)place, out);
        break;
    case DK_KIND_LONG:
        add_number(field, *(const int64_t *)place, out);
        break;
    case DK_KIND_ENUM:
        (void)dk_buf_add_text(out, *choice < field->size_max ? field->names[*choice] : "?");
        break;
    default:
        add_text(*(const struct dk_text *)place, out);
        break;
    }
}

static void add_array(const struct dk_shape_field *field, const void *record, struct dk_buf *out)
{
    uint32_t count;
    const char *items = config_array(field, record, &count);

    if (config_unit_of(field) == CONFIG_HOSTS) {
        add_hosts((const struct dk_text *)(const void *)items, count, out);
        return;
    }
    (void)dk_buf_add_text(out, "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            (void)dk_buf_add_text(out, ", ");
        add_value(field, items + (size_t)i * field->item_size, out);
    }
    (void)dk_buf_add_text(out, "]");
}

/* --- as YAML --- */

static void print_record(const struct dk_shape *shape, const void *record, int depth, bool is_item,
                         FILE *file);

static void print_items(const struct dk_shape_field *field, const void *record, int depth,
                        FILE *file)
{
    uint32_t count;
    const char *items = config_array(field, record, &count);

    (void)fprintf(file, count > 0 ? "\n" : " []\n");
    for (uint32_t i = 0; i < count; i++)
        print_record(field->record, items + (size_t)i * field->item_size, depth + 2, true, file);
}

/* A partition of all nodes names none. */
static bool is_left_out(const struct dk_shape_field *field, const void *record)
{
    uint32_t count;

    if (config_unit_of(field) != CONFIG_HOSTS || strcmp(field->name, "nodes") != 0)
        return false;
    (void)config_array(field, record, &count);
    return count == 0;
}

static void print_record(const struct dk_shape *shape, const void *record, int depth, bool is_item,
                         FILE *file)
{
    struct dk_buf line;
    char key[64];

    dk_buf_init(&line, &dk_heap, 1 << 24);
    for (uint32_t i = 0; i < shape->field_count; i++) {
        const struct dk_shape_field *field = &shape->fields[i];

        if (is_left_out(field, record))
            continue;
        config_key(field, key);
        (void)fprintf(file, "%*s%s:", depth, is_item ? "- " : "", key);
        is_item = false;
        if (field->is_array && field->kind == DK_KIND_RECORD) {
            print_items(field, record, depth, file);
        } else if (field->kind == DK_KIND_RECORD) {
            (void)fputc('\n', file);
            print_record(field->record, (const char *)record + field->offset, depth + 2, false,
                         file);
        } else {
            dk_buf_clear(&line);
            if (field->is_array)
                add_array(field, record, &line);
            else
                add_value(field, (const char *)record + field->offset, &line);
            (void)fprintf(file, " %.*s\n", (int)line.size, (const char *)line.data);
        }
    }
    dk_buf_release(&line);
}

void config_print(const struct dk_cluster_config *config, FILE *file)
{
    print_record(config_shape(), config, 0, false, file);
}

/* --- differences --- */

struct comparison {
    FILE *file;
    uint32_t count;
    char path[512];
};

static void compare_records(struct comparison *comparison, size_t used,
                            const struct dk_shape *shape, const void *before, const void *after);

static void say(struct comparison *comparison, const struct dk_buf *before,
                const struct dk_buf *after)
{
    comparison->count++;
    if (before == NULL)
        (void)fprintf(comparison->file, "+ %s: %.*s\n", comparison->path, (int)after->size,
                      (const char *)after->data);
    else if (after == NULL)
        (void)fprintf(comparison->file, "- %s: %.*s\n", comparison->path, (int)before->size,
                      (const char *)before->data);
    else
        (void)fprintf(comparison->file, "~ %s: %.*s -> %.*s\n", comparison->path, (int)before->size,
                      (const char *)before->data, (int)after->size, (const char *)after->data);
}

/* "USER anna": what an item of a list is called, by its first enum and its name. */
static void item_name(const struct dk_shape *shape, const void *item, char *name, size_t size)
{
    size_t used = 0;

    name[0] = '\0';
    for (uint32_t i = 0; i < shape->field_count && used < size; i++) {
        const struct dk_shape_field *field = &shape->fields[i];
        const char *place = (const char *)item + field->offset;
        const struct dk_text *text = (const void *)place;

        if (strcmp(field->name, "scope") == 0)
            used += (size_t)snprintf(name + used, size - used, "%s",
                                     field->names[*(const uint32_t *)(const void *)place]);
        else if (strcmp(field->name, "name") == 0)
            used += (size_t)snprintf(name + used, size - used, "%s%.*s",
                                     used > 0 && text->size > 0 ? " " : "", (int)text->size,
                                     text->data);
    }
}

static const void *find_item(const struct dk_shape_field *field, const char *items, uint32_t count,
                             const char *name)
{
    char other[256];

    for (uint32_t i = 0; i < count; i++) {
        item_name(field->record, items + (size_t)i * field->item_size, other, sizeof(other));
        if (strcmp(other, name) == 0)
            return items + (size_t)i * field->item_size;
    }
    return NULL;
}

static void add_item(const struct dk_shape *shape, const void *item, struct dk_buf *out)
{
    unsigned char plain[1024];
    struct dk_buf value, usual;
    char key[64];

    DK_CHECK(shape->size <= sizeof(plain));
    memset(plain, 0, sizeof(plain));
    dk_buf_init(&value, &dk_heap, 1 << 24);
    dk_buf_init(&usual, &dk_heap, 1 << 24);
    for (uint32_t i = 0; i < shape->field_count; i++) { /* only what is not zero */
        const struct dk_shape_field *field = &shape->fields[i];

        dk_buf_clear(&value);
        dk_buf_clear(&usual);
        if (field->is_array) {
            add_array(field, item, &value);
            add_array(field, plain, &usual);
        } else {
            add_value(field, (const char *)item + field->offset, &value);
            add_value(field, plain + field->offset, &usual);
        }
        if (value.size == usual.size && memcmp(value.data, usual.data, value.size) == 0)
            continue;
        config_key(field, key);
        (void)dk_buf_add_text(out, out->size > 0 ? ", " : "{");
        (void)dk_buf_add_text(out, key);
        (void)dk_buf_add_text(out, ": ");
        (void)dk_buf_add(out, value.data, value.size);
    }
    (void)dk_buf_add_text(out, out->size > 0 ? "}" : "{}");
    dk_buf_release(&value);
    dk_buf_release(&usual);
}

static void compare_items(struct comparison *comparison, size_t used,
                          const struct dk_shape_field *field, const void *before, const void *after)
{
    uint32_t before_count, after_count;
    const char *before_items = config_array(field, before, &before_count);
    const char *after_items = config_array(field, after, &after_count);
    struct dk_buf text;
    char name[256];

    dk_buf_init(&text, &dk_heap, 1 << 24);
    for (uint32_t i = 0; i < before_count + after_count; i++) {
        bool is_after = i >= before_count;
        const char *item = is_after ? after_items + (size_t)(i - before_count) * field->item_size
                                    : before_items + (size_t)i * field->item_size;
        const void *other;
        int more;

        item_name(field->record, item, name, sizeof(name));
        more = snprintf(comparison->path + used, sizeof(comparison->path) - used, ".%s", name);
        other = is_after ? find_item(field, before_items, before_count, name)
                         : find_item(field, after_items, after_count, name);
        if (other != NULL && !is_after && more > 0)
            compare_records(comparison, used + (size_t)more, field->record, item, other);
        if (other == NULL) {
            dk_buf_clear(&text);
            add_item(field->record, item, &text);
            say(comparison, is_after ? NULL : &text, is_after ? &text : NULL);
        }
    }
    dk_buf_release(&text);
}

static void compare_records(struct comparison *comparison, size_t used,
                            const struct dk_shape *shape, const void *before, const void *after)
{
    struct dk_buf old, new;
    char key[64];

    dk_buf_init(&old, &dk_heap, 1 << 24);
    dk_buf_init(&new, &dk_heap, 1 << 24);
    for (uint32_t i = 0; i < shape->field_count; i++) {
        const struct dk_shape_field *field = &shape->fields[i];
        int more;

        config_key(field, key);
        more = snprintf(comparison->path + used, sizeof(comparison->path) - used, "%s%s",
                        used > 0 ? "." : "", key);
        if (more < 0 || used + (size_t)more >= sizeof(comparison->path))
            continue;
        if (field->kind == DK_KIND_RECORD) {
            if (field->is_array)
                compare_items(comparison, used + (size_t)more, field, before, after);
            else
                compare_records(comparison, used + (size_t)more, field->record,
                                (const char *)before + field->offset,
                                (const char *)after + field->offset);
            continue;
        }
        dk_buf_clear(&old);
        dk_buf_clear(&new);
        if (field->is_array) {
            add_array(field, before, &old);
            add_array(field, after, &new);
        } else {
            add_value(field, (const char *)before + field->offset, &old);
            add_value(field, (const char *)after + field->offset, &new);
        }
        if (old.size != new.size || memcmp(old.data, new.data, old.size) != 0)
            say(comparison, &old, &new);
    }
    dk_buf_release(&old);
    dk_buf_release(&new);
}

uint32_t config_compare(const struct dk_cluster_config *before,
                        const struct dk_cluster_config *after, FILE *file)
{
    struct comparison comparison = { .file = file };

    compare_records(&comparison, 0, config_shape(), before, after);
    return comparison.count;
}
