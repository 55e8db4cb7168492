/* listing.c - see listing.h */
#define _GNU_SOURCE
#include "cli/listing.h"

#include "base/check.h"
#include "cli/human.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMN_MIN = 6, BETWEEN = 2 };

/* --- how the output wants it --- */

static bool says_utf8(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (int i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0')
            return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
    }
    return false;
}

void cli_style_find(struct cli_style *style, int color)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct winsize size = { 0 };

    memset(style, 0, sizeof(*style));
    style->now_us = cli_now_us();
    style->is_terminal = isatty(STDOUT_FILENO) == 1;
    style->has_color = color == 1;
    if (!style->is_terminal)
        return;
    style->has_color = color == 1 || (color == 0 && (no_color == NULL || no_color[0] == '\0') &&
                                      term != NULL && strcmp(term, "dumb") != 0);
    style->is_utf8 = says_utf8();
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        style->width = size.ws_col;
        style->height = size.ws_row;
    }
}

void cli_paint(const struct cli_style *style, enum cli_color color, struct dk_buf *out)
{
    static const char *const codes[] = { "\033[0m",  "\033[1m",  "\033[2m",  "\033[31m",
                                         "\033[32m", "\033[33m", "\033[34m", "\033[36m" };

    if (style->has_color)
        (void)dk_buf_add_text(out, codes[color]);
}

/* --- texts --- */

/* Plain ASCII that a terminal only shows: almost everything. */
static bool is_plain(const char *text, size_t *size)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at >= 0x20 && *at < 0x7f)
        at++;
    *size = (size_t)(at - (const unsigned char *)text);
    return *at == '\0';
}

/* One character of UTF-8: its bytes, 0 when it is none. */
static size_t take_character(const unsigned char *at, uint32_t *code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;

    *code = size == 1 ? *at : *at & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    return size > 1 && (*code < least[size] || *code > 0x10ffff) ? 0 : size;
}

/* Marks that write over the character before them take no column, East Asian ones two. */
static uint32_t columns_of(uint32_t code)
{
    static const struct {
        uint32_t first, last, columns;
    } ranges[] = { { 0x300, 0x36f, 0 },   { 0x1100, 0x115f, 2 },   { 0x200b, 0x200f, 0 },
                   { 0x2e80, 0xa4cf, 2 }, { 0xac00, 0xd7a3, 2 },   { 0xf900, 0xfaff, 2 },
                   { 0xfe00, 0xfe0f, 0 }, { 0xfe30, 0xfe6f, 2 },   { 0xff00, 0xff60, 2 },
                   { 0xffe0, 0xffe6, 2 }, { 0x1f300, 0x1faff, 2 }, { 0x20000, 0x3fffd, 2 } };

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return ranges[i].columns;
    return 1;
}

uint32_t cli_text_width(const char *text)
{
    const unsigned char *at;
    uint32_t width, code;
    size_t plain;

    if (is_plain(text, &plain))
        return (uint32_t)plain;
    width = (uint32_t)plain;
    for (at = (const unsigned char *)text + plain; *at != '\0';) {
        size_t size = take_character(at, &code);

        width += size > 0 ? columns_of(code) : 1;
        at += size > 0 ? size : 1;
    }
    return width;
}

const char *cli_text_clean(const char *text, struct dk_arena *arena)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t plain;
    char *copy, *to;

    if (is_plain(text, &plain))
        return text;
    copy = to = dk_arena_take(arena, strlen(text) + 1);
    while (*at != '\0') {
        uint32_t code;
        size_t size = take_character(at, &code);

        if (size == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0) ||
            (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) {
            *to++ = '?'; /* also what turns the direction of writing */
            at += size > 0 ? size : 1;
        } else {
            memcpy(to, at, size);
            to += size;
            at += size;
        }
    }
    *to = '\0';
    return copy;
}

/* --- filling --- */

void cli_listing_init(struct cli_listing *listing, const struct cli_style *style)
{
    memset(listing, 0, sizeof(*listing));
    listing->style = style;
    dk_arena_init(&listing->arena, &dk_heap);
}

void cli_listing_release(struct cli_listing *listing)
{
    dk_arena_release(&listing->arena);
    dk_alloc_free(&dk_heap, listing->cells, listing->capacity * sizeof(*listing->cells));
    listing->cells = NULL;
    listing->count = listing->capacity = 0;
}

void cli_listing_column(struct cli_listing *listing, const char *title, bool is_right, bool shrinks)
{
    DK_CHECK(listing->columns < CLI_LISTING_COLUMNS_MAX);
    listing->headings[listing->columns++] = (struct cli_heading){ title, is_right, shrinks };
}

void cli_listing_add(struct cli_listing *listing, const char *text, enum cli_color color)
{
    struct cli_listed *cell;
    uint32_t width;

    if (listing->count == listing->capacity) {
        uint32_t capacity = listing->capacity > 0 ? listing->capacity * 2 : 256;

        listing->cells =
            dk_heap.resize(dk_heap.ctx, listing->cells, listing->capacity * sizeof(*listing->cells),
                           capacity * sizeof(*listing->cells));
        listing->capacity = capacity;
    }
    text = cli_text_clean(text, &listing->arena);
    width = cli_text_width(text);
    cell = &listing->cells[listing->count++];
    cell->text = text;
    cell->width = (uint16_t)(width < UINT16_MAX ? width : UINT16_MAX);
    cell->color = (uint16_t)color;
}

void cli_listing_copy(struct cli_listing *listing, const char *text, enum cli_color color)
{
    size_t size = strlen(text) + 1;

    cli_listing_add(listing, memcpy(dk_arena_take(&listing->arena, size), text, size), color);
}

void cli_listing_format(struct cli_listing *listing, enum cli_color color, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cli_listing_copy(listing, text, color);
}

/* --- writing --- */

/* Columns that shrink give up a character at a time, the widest first, until a line fits. */
static void fit(const struct cli_listing *listing, uint32_t *widths)
{
    uint32_t total = BETWEEN * (listing->columns - 1), least;

    for (uint32_t i = 0; i < listing->columns; i++)
        total += widths[i];
    while (listing->style->width > 0 && total > (uint32_t)listing->style->width) {
        uint32_t widest = UINT32_MAX;

        for (uint32_t i = 0; i < listing->columns; i++) {
            least = (uint32_t)strlen(listing->headings[i].title);
            if (listing->headings[i].shrinks &&
                widths[i] > (least > COLUMN_MIN ? least : COLUMN_MIN) &&
                (widest == UINT32_MAX || widths[i] > widths[widest]))
                widest = i;
        }
        if (widest == UINT32_MAX)
            return;
        widths[widest]--;
        total--;
    }
}

static void pad(struct dk_buf *out, uint32_t count)
{
    uint8_t *room = dk_buf_room(out, count);

    if (room != NULL) {
        memset(room, ' ', count);
        out->size += count;
    }
}

/* The first `width` - 1 columns of a text, and a mark that there was more. */
static void write_cut(const struct cli_style *style, const char *text, uint32_t width,
                      struct dk_buf *out)
{
    const unsigned char *at = (const unsigned char *)text;
    uint32_t used = 0, code;

    while (*at != '\0') {
        size_t size = take_character(at, &code);
        uint32_t columns = size > 0 ? columns_of(code) : 1;

        if (used + columns > width - 1)
            break;
        used += columns;
        at += size > 0 ? size : 1;
    }
    (void)dk_buf_add(out, text, (size_t)((const char *)at - text));
    (void)dk_buf_add_text(out, style->is_utf8 ? "\xe2\x80\xa6" : "+");
    pad(out, width - 1 - used);
}

static void write_cell(const struct cli_listing *listing, uint32_t column, struct cli_listed cell,
                       uint32_t width, struct dk_buf *out)
{
    const struct cli_style *style = listing->style;
    bool is_last = column == listing->columns - 1;
    uint32_t space = cell.width < width ? width - cell.width : 0;

    if (listing->headings[column].is_right)
        pad(out, space);
    if (cell.color != CLI_PLAIN)
        cli_paint(style, (enum cli_color)cell.color, out);
    if (cell.width > width)
        write_cut(style, cell.text, width, out);
    else
        (void)dk_buf_add_text(out, cell.text);
    if (cell.color != CLI_PLAIN)
        cli_paint(style, CLI_PLAIN, out);
    if (!listing->headings[column].is_right && !is_last)
        pad(out, space);
    if (!is_last) {
        pad(out, BETWEEN);
        return;
    }
    while (out->size > 0 && out->data[out->size - 1] == ' ')
        out->size--;
    (void)dk_buf_add(out, "\n", 1);
}

void cli_listing_write(const struct cli_listing *listing, bool has_heading, uint32_t rows,
                       struct dk_buf *out)
{
    uint32_t widths[CLI_LISTING_COLUMNS_MAX], limit = listing->count;

    if (listing->columns == 0)
        return;
    if (rows > 0 && limit > rows * listing->columns)
        limit = rows * listing->columns;
    for (uint32_t i = 0; i < listing->columns; i++)
        widths[i] = has_heading ? (uint32_t)strlen(listing->headings[i].title) : 0;
    for (uint32_t i = 0; i < limit; i++) {
        uint32_t *width = &widths[i % listing->columns];

        if (listing->cells[i].width > *width)
            *width = listing->cells[i].width;
    }
    fit(listing, widths);
    for (uint32_t i = 0; has_heading && i < listing->columns; i++) {
        const char *title = listing->headings[i].title;
        struct cli_listed cell = { title, (uint16_t)strlen(title), CLI_BOLD };

        write_cell(listing, i, cell, widths[i], out);
    }
    for (uint32_t i = 0; i < limit; i++)
        write_cell(listing, i % listing->columns, listing->cells[i], widths[i % listing->columns],
                   out);
}

void cli_listing_print(const struct cli_listing *listing, bool has_heading)
{
    struct dk_buf out;

    dk_buf_init(&out, &dk_heap, (size_t)4 << 30);
    cli_listing_write(listing, has_heading, 0, &out);
    (void)fwrite(out.data, 1, out.size, stdout);
    dk_buf_release(&out);
}
