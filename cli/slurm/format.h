/* format.h - the formats of Slurm's lists: -o "%.18i %t", -O "JobID:10,Name:.8"
 *
 * A command has a table of fields: the letter and the name that ask for one, its heading, and the
 * function that writes a cell of it. A format is parsed into items; each item is a field with a
 * width and the text after it. The engine writes headings and cells, cut and padded as Slurm's
 * printf("%-*.*s") does, into one buffer that goes out 64 KiB at a time: nothing is allocated for
 * a cell or a row.
 *
 *     %[[.]WIDTH]LETTER[SUFFIX]   text in front of the first % is written as it is; '.' aligns
 *                                 to the right; without a width: whatever it takes. `%all`
 *     NAME[:[.][WIDTH][SUFFIX]],  width 20 unless something is said after the colon
 *
 * What a field reads is a set of columns, one bit each: a question asks only for those that the
 * format, the order and the filters need.
 */
#ifndef DK_CLI_SLURM_FORMAT_H
#define DK_CLI_SLURM_FORMAT_H

#include "base/buf.h"
#include "cli/ask.h"

#include <stdbool.h>
#include <stdint.h>

struct slurm_field;

/* Appends one cell. `row` is whatever the command's lists are made of. */
typedef void slurm_cell(const void *row, const struct slurm_field *field, struct dk_buf *out);

/* What rows are ordered by: a number; texts compare by their first eight bytes here, and by `text`
 * where those are equal. */
typedef int64_t slurm_key(const void *row, const struct slurm_field *field);
typedef const char *slurm_key_text(const void *row, const struct slurm_field *field);

enum {
    SLURM_KEEP_CELL = 1,    /* aligned to the right, it is never cut */
    SLURM_KEEP_HEADING = 2, /* the same for the heading */
    SLURM_MARK = 4          /* for the command's own use */
};

struct slurm_field {
    const char *name; /* of -O, any case; NULL: has none */
    const char *heading;
    slurm_cell *cell;
    slurm_key *key;           /* NULL: rows cannot be ordered by it */
    slurm_key_text *key_text; /* NULL: the number says it all */
    uint64_t columns;         /* what `cell` and `key` read */
    const char *constant;     /* for slurm_cell_constant */
    int argument;             /* for cell and key, mostly a column */
    char letter;              /* of -o; 0: has none */
    uint8_t flags;
};

struct slurm_item {
    const struct slurm_field *field; /* NULL: only text */
    uint32_t width;                  /* 0: as it comes */
    bool is_right, is_automatic;     /* '#': the command sets the width */
    const char *text;                /* what follows, borrowed from the format */
    size_t text_size;
};

enum { SLURM_ITEM_MAX = 256, SLURM_LONG_WIDTH = 20 };

struct slurm_format {
    const char *command; /* in messages: "squeue" */
    const struct slurm_field *fields;
    size_t field_count;
    struct slurm_item items[SLURM_ITEM_MAX];
    uint32_t count;
    uint64_t columns;      /* of all items */
    const char *complaint; /* "squeue: error: Invalid job format specification: " */
};

/* Parsers report what they do not know on the standard error and go on, as Slurm does: the text
 * stays in its place. Formats have to outlive the struct. `is_ours`: '#' for a width is taken. */
void slurm_format_init(struct slurm_format *format, const char *command, const char *complaint,
                       const struct slurm_field *fields, size_t field_count);
void slurm_format_parse(struct slurm_format *format, const char *text, bool is_ours);
void slurm_format_parse_long(struct slurm_format *format, const char *text);

const struct slurm_field *slurm_field_by_letter(const struct slurm_format *format, char letter);
const struct slurm_field *slurm_field_by_name(const struct slurm_format *format, const char *name,
                                              size_t size);
bool slurm_format_has(const struct slurm_format *format, const struct slurm_field *field);

/* --- writing --- */

/* The standard output, through one buffer. */
struct slurm_output {
    struct dk_buf buf;
    bool failed; /* the reader went away: no more is written */
};

void slurm_output_init(struct slurm_output *output);
void slurm_output_flush(struct slurm_output *output);
void slurm_output_release(struct slurm_output *output); /* flushes */

void slurm_write_heading(const struct slurm_format *format, struct slurm_output *output);
void slurm_write_row(const struct slurm_format *format, const void *row,
                     struct slurm_output *output);

/* Cuts and pads what was appended since `start`. */
void slurm_fit(struct dk_buf *out, size_t start, uint32_t width, bool is_right, bool is_kept);

/* --- order --- */

enum { SLURM_SORT_MAX = 16 };

struct slurm_sort {
    const struct slurm_field *fields[SLURM_SORT_MAX];
    bool is_down[SLURM_SORT_MAX];
    uint32_t count;
    uint64_t columns;
};

/* "P,t,-p": letters of fields, or names; false: reported, and nothing may be listed. */
bool slurm_sort_parse(struct slurm_sort *sort, const struct slurm_format *format, const char *text);

/* `order` gets 0...count-1 as the rows are to be written; equal ones stay in their order. `row`
 * returns row i; it may be one cursor that is set for each call, so texts have to outlive it. */
typedef const void *slurm_row_at(void *context, uint32_t i);
void slurm_sort_rows(const struct slurm_sort *sort, slurm_row_at *row, void *context,
                     uint32_t count, uint32_t *order);

/* The key of a text: its first eight bytes as a number of the same order. */
int64_t slurm_text_key(const char *text);

/* --- columns of a question --- */

/* A row of a dk_rows that holds only some of the columns that a command knows. */
struct slurm_view {
    const struct dk_rows *rows;
    char *const *cells; /* of this row */
    int8_t place[64];   /* where column c is; -1: was not asked for */
};

/* `names` is in the order of the column numbers, `wanted` bits; appends "id,name,..." */
void slurm_columns_ask(struct slurm_view *view, const char *const *names, uint64_t wanted,
                       struct dk_buf *fields);
void slurm_view_row(struct slurm_view *view, uint32_t row);

static inline const char *slurm_column(const struct slurm_view *view, int column)
{
    return view->place[column] < 0 ? "" : view->cells[view->place[column]];
}

int64_t slurm_column_number(const struct slurm_view *view, int column, int64_t fallback);

/* Is `text` one of a list joined by commas? */
bool slurm_list_has(const char *list, const char *text);

void slurm_cell_constant(const void *row, const struct slurm_field *field, struct dk_buf *out);

/* Everything of --json up to the list's '[', and its end. */
void slurm_json_begin(struct dk_buf *out, const char *plugin, const char *name, const char *list);
void slurm_json_end(struct dk_buf *out);

#endif
