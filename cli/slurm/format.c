/* format.c - see format.h: formats parsed, headings and rows written */
#include "cli/slurm/format.h"

#include "base/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { FLUSH_AT = 64 << 10, BUFFER_MAX = 256 << 20 };

void slurm_format_init(struct slurm_format *format, const char *command, const char *complaint,
                       const struct slurm_field *fields, size_t field_count)
{
    memset(format, 0, sizeof(*format));
    format->command = command;
    format->complaint = complaint;
    format->fields = fields;
    format->field_count = field_count;
}

const struct slurm_field *slurm_field_by_letter(const struct slurm_format *format, char letter)
{
    for (size_t i = 0; letter != '\0' && i < format->field_count; i++)
        if (format->fields[i].letter == letter)
            return &format->fields[i];
    return NULL;
}

const struct slurm_field *slurm_field_by_name(const struct slurm_format *format, const char *name,
                                              size_t size)
{
    for (size_t i = 0; i < format->field_count; i++) {
        const char *known = format->fields[i].name;

        if (known != NULL && strncasecmp(known, name, size) == 0 && known[size] == '\0')
            return &format->fields[i];
    }
    return NULL;
}

bool slurm_format_has(const struct slurm_format *format, const struct slurm_field *field)
{
    for (uint32_t i = 0; i < format->count; i++)
        if (format->items[i].field == field)
            return true;
    return false;
}

static void complain(const struct slurm_format *format, const char *what, size_t size)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s%.*s\n", format->complaint, (int)size, what);
}

/* More than an item has room for is text no more: a format of 256 fields is no list. */
static struct slurm_item *add_item(struct slurm_format *format, const struct slurm_field *field)
{
    struct slurm_item *item;

    if (format->count == SLURM_ITEM_MAX)
        format->count--;
    item = &format->items[format->count++];
    memset(item, 0, sizeof(*item));
    item->field = field;
    item->text = "";
    if (field != NULL)
        format->columns |= field->columns;
    return item;
}

static void add_text(struct slurm_format *format, const char *text, size_t size)
{
    struct slurm_item *item;

    if (size == 0)
        return;
    item = add_item(format, NULL);
    item->text = text;
    item->text_size = size;
}

/* Every letter with a bar between: small ones first, as Slurm lists them. */
static void add_all(struct slurm_format *format)
{
    struct slurm_item *item = NULL;

    for (int c = 'a'; c <= 'z' + 26; c++) {
        const struct slurm_field *field =
            slurm_field_by_letter(format, (char)(c <= 'z' ? c : c - 'z' - 1 + 'A'));

        if (field == NULL)
            continue;
        item = add_item(format, field);
        item->text = "|";
        item->text_size = 1;
    }
    if (item != NULL)
        item->text_size = 0;
}

static size_t text_size(const char *text)
{
    return strcspn(text, "%");
}

/* Behind a '%'; returns what follows the item's text. */
static const char *parse_item(struct slurm_format *format, const char *at, bool is_ours)
{
    const char *start = at;
    const struct slurm_field *field;
    struct slurm_item *item;
    uint32_t width = 0;
    bool is_right = false, is_automatic = false;

    if (strncmp(at, "all", 3) == 0) {
        add_all(format);
        at += 3;
        add_text(format, at, text_size(at));
        return at + text_size(at);
    }
    if (*at == '.') {
        is_right = true;
        at++;
    }
    if (*at == '#' && is_ours) {
        is_automatic = true;
        at++;
    }
    for (; isdigit((unsigned char)*at) && width < 100000; at++)
        width = width * 10 + (uint32_t)(*at - '0');
    field = slurm_field_by_letter(format, *at);
    if (field == NULL) {
        complain(format, at, *at == '\0' ? 0 : 1);
        add_text(format, start - 1, (size_t)(at - start) + 1 + text_size(at));
        return at + text_size(at);
    }
    at++;
    item = add_item(format, field);
    item->width = width;
    item->is_right = is_right;
    item->is_automatic = is_automatic;
    item->text = at;
    item->text_size = text_size(at);
    return at + item->text_size;
}

void slurm_format_parse(struct slurm_format *format, const char *text, bool is_ours)
{
    size_t size = text_size(text);

    add_text(format, text, size);
    text += size;
    while (*text == '%') {
        text++;
        if (*text == '%') /* "%%x" is x once more, as Slurm has it */
            continue;
        text = parse_item(format, text, is_ours);
    }
}

void slurm_format_parse_long(struct slurm_format *format, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, ","), name = strcspn(text, ":,"), used;
        const struct slurm_field *field = slurm_field_by_name(format, text, name);
        uint32_t width = SLURM_LONG_WIDTH;
        bool is_right = false;

        used = name;
        if (used < size) { /* something is said after the colon */
            used++;
            width = 0;
            if (text[used] == '.') {
                is_right = true;
                used++;
            }
            for (; isdigit((unsigned char)text[used]) && width < 100000; used++)
                width = width * 10 + (uint32_t)(text[used] - '0');
        }
        if (strncasecmp(text, "all", name) == 0 && name == 3) {
            add_all(format);
        } else if (field != NULL) {
            struct slurm_item *item = add_item(format, field);

            item->width = width;
            item->is_right = is_right;
            item->text = text + used;
            item->text_size = size - used;
        } else if (size > 0) {
            complain(format, text, name);
            add_text(format, text + used, size - used);
        }
        text += size;
        if (*text == ',')
            text++;
    }
}

/* --- writing --- */

void slurm_output_init(struct slurm_output *output)
{
    dk_buf_init(&output->buf, &dk_heap, BUFFER_MAX);
    output->failed = false;
}

void slurm_output_flush(struct slurm_output *output)
{
    const uint8_t *at = output->buf.data;
    size_t left = output->buf.size;

    (void)fflush(stdout);
    while (left > 0 && !output->failed) {
        ssize_t written = write(STDOUT_FILENO, at, left);

        if (written <= 0)
            output->failed = true;
        else {
            at += written;
            left -= (size_t)written;
        }
    }
    dk_buf_clear(&output->buf);
}

void slurm_output_release(struct slurm_output *output)
{
    slurm_output_flush(output);
    dk_buf_release(&output->buf);
}

void slurm_fit(struct dk_buf *out, size_t start, uint32_t width, bool is_right, bool is_kept)
{
    size_t size = out->size - start, gap;
    uint8_t *cell;

    if (width == 0 || size == width)
        return;
    if (size > width) {
        if (!is_kept)
            out->size = start + width;
        return;
    }
    gap = width - size;
    if (dk_buf_room(out, gap) == NULL)
        return;
    cell = out->data + start;
    if (is_right) {
        memmove(cell + gap, cell, size);
        memset(cell, ' ', gap);
    } else {
        memset(cell + size, ' ', gap);
    }
    out->size += gap;
}

static void end_line(struct slurm_output *output)
{
    (void)dk_buf_add(&output->buf, "\n", 1);
    if (output->buf.size >= FLUSH_AT)
        slurm_output_flush(output);
}

void slurm_write_heading(const struct slurm_format *format, struct slurm_output *output)
{
    struct dk_buf *out = &output->buf;

    for (uint32_t i = 0; i < format->count; i++) {
        const struct slurm_item *item = &format->items[i];
        size_t start = out->size;

        if (item->field != NULL) {
            (void)dk_buf_add_text(out, item->field->heading);
            slurm_fit(out, start, item->width, item->is_right,
                      item->is_right && (item->field->flags & SLURM_KEEP_HEADING) != 0);
        }
        (void)dk_buf_add(out, item->text, item->text_size);
    }
    end_line(output);
}

void slurm_write_row(const struct slurm_format *format, const void *row,
                     struct slurm_output *output)
{
    struct dk_buf *out = &output->buf;

    for (uint32_t i = 0; i < format->count; i++) {
        const struct slurm_item *item = &format->items[i];
        size_t start = out->size;

        if (item->field != NULL) {
            item->field->cell(row, item->field, out);
            slurm_fit(out, start, item->width, item->is_right,
                      item->is_right && (item->field->flags & SLURM_KEEP_CELL) != 0);
        }
        (void)dk_buf_add(out, item->text, item->text_size);
    }
    end_line(output);
}

void slurm_cell_constant(const void *row, const struct slurm_field *field, struct dk_buf *out)
{
    (void)row;
    (void)dk_buf_add_text(out, field->constant);
}

/* --- columns --- */

void slurm_columns_ask(struct slurm_view *view, const char *const *names, uint64_t wanted,
                       struct dk_buf *fields)
{
    int8_t next = 0;

    memset(view->place, -1, sizeof(view->place));
    for (int column = 0; column < 64; column++) {
        if ((wanted >> column & 1) == 0)
            continue;
        if (next > 0)
            (void)dk_buf_add(fields, ",", 1);
        (void)dk_buf_add_text(fields, names[column]);
        view->place[column] = next++;
    }
    (void)dk_buf_add(fields, "", 1);
}

void slurm_view_row(struct slurm_view *view, uint32_t row)
{
    view->cells = view->rows->cells + (size_t)row * view->rows->columns;
}

int64_t slurm_column_number(const struct slurm_view *view, int column, int64_t fallback)
{
    const char *text = slurm_column(view, column);

    return *text == '\0' ? fallback : strtoll(text, NULL, 10);
}

bool slurm_list_has(const char *list, const char *text)
{
    size_t size = strlen(text);

    while (*list != '\0') {
        size_t item = strcspn(list, ",");

        if (item == size && memcmp(list, text, size) == 0)
            return true;
        list += item;
        if (*list == ',')
            list++;
    }
    return false;
}

void slurm_json_begin(struct dk_buf *out, const char *plugin, const char *name, const char *list)
{
    (void)dk_buf_add_text(out, "{\n  \"meta\": {\n    \"plugin\": {\"type\": ");
    (void)dk_json_text(out, dk_text_of(plugin));
    (void)dk_buf_add_text(out, ", \"name\": ");
    (void)dk_json_text(out, dk_text_of(name));
    (void)dk_buf_add_text(out, "},\n    \"Slurm\": {\"version\": {\"major\": 22, \"micro\": 8, "
                               "\"minor\": 5}, \"release\": \"22.05.8\"}\n  },\n"
                               "  \"errors\": [],\n  \"");
    (void)dk_buf_add_text(out, list);
    (void)dk_buf_add_text(out, "\": [");
}

void slurm_json_end(struct dk_buf *out)
{
    (void)dk_buf_add_text(out, "\n  ]\n}\n");
}
