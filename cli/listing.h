/* listing.h - aligned columns for people: as wide as they need to be, or as the terminal is
 *
 * Into a pipe: plain text, nothing cut, no colours. On a terminal: columns that may shrink do until
 * a line fits, and states have colours (--color, NO_COLOR). What comes from users never reaches the
 * terminal as control characters.
 */
#ifndef DK_CLI_LISTING_H
#define DK_CLI_LISTING_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

enum cli_color { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW, CLI_BLUE, CLI_CYAN };

#define CLI_COLOR_CHOICES "auto|always|never"

struct cli_style {
    bool is_terminal, has_color, is_utf8;
    int width; /* of a line; 0: no limit */
    int height;
    int64_t now_us;
};

/* How the standard output wants it; `color`: the place in CLI_COLOR_CHOICES. */
void cli_style_find(struct cli_style *style, int color);

struct cli_heading {
    const char *title;
    bool is_right; /* aligned to the right */
    bool shrinks;
};

struct cli_listed { /* a cell */
    const char *text;
    uint16_t width, color;
};

enum { CLI_LISTING_COLUMNS_MAX = 64 };

struct cli_listing {
    const struct cli_style *style;
    struct cli_heading headings[CLI_LISTING_COLUMNS_MAX];
    uint32_t columns;
    struct dk_arena arena;
    struct cli_listed *cells;
    uint32_t count, capacity;
};

void cli_listing_init(struct cli_listing *listing, const struct cli_style *style);
void cli_listing_release(struct cli_listing *listing);
void cli_listing_column(struct cli_listing *listing, const char *title, bool is_right,
                        bool shrinks);

/* The next cell, row by row. `text` is borrowed until the listing is released; _copy copies it. */
void cli_listing_add(struct cli_listing *listing, const char *text, enum cli_color color);
void cli_listing_copy(struct cli_listing *listing, const char *text, enum cli_color color);
void cli_listing_format(struct cli_listing *listing, enum cli_color color, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends the lines; `rows`: at most so many of them (and the heading); 0: all. */
void cli_listing_write(const struct cli_listing *listing, bool has_heading, uint32_t rows,
                       struct dk_buf *out);
void cli_listing_print(const struct cli_listing *listing, bool has_heading); /* to stdout */

/* How many columns of a terminal a text takes. */
uint32_t cli_text_width(const char *text);

/* `text` with what a terminal would obey or misread replaced by "?"; itself when there is none. */
const char *cli_text_clean(const char *text, struct dk_arena *arena);

void cli_paint(const struct cli_style *style, enum cli_color color, struct dk_buf *out);

#endif
