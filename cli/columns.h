/* columns.h - the columns of the query interface as people see them
 *
 * A listing is described by names joined by commas: those of decision 0010, and some of our own
 * that are made of several ("job": 17, 17_3 or 17_[2-5]; "where": the nodes, or in brackets why it
 * waits). A name that no table knows is asked for as it is and shown as it comes.
 */
#ifndef DK_CLI_COLUMNS_H
#define DK_CLI_COLUMNS_H

#include "cli/ask.h"
#include "cli/listing.h"

enum cli_cell {
    CLI_CELL_TEXT,
    CLI_CELL_NUMBER,
    CLI_CELL_TIME,
    CLI_CELL_SPAN,
    CLI_CELL_MIB,
    CLI_CELL_KIB,
    CLI_CELL_BYTES,
    CLI_CELL_STATE,
    CLI_CELL_YES, /* 1 or true: yes */
    CLI_CELL_JOB, /* from here on: made of several */
    CLI_CELL_WHERE,
    CLI_CELL_ELAPSED,
    CLI_CELL_EXIT,
    CLI_CELL_SHARE, /* used/all */
    CLI_CELL_SHARE_MIB,
    CLI_CELL_WHY
};

struct cli_column {
    const char *name, *title;
    enum cli_cell kind;
    bool shrinks;
    const char *fields; /* of the query interface, joined by commas; NULL: the name itself */
};

enum { CLI_VIEW_MAX = 64, CLI_FIELDS_MAX = 4096 };

struct cli_view {
    struct cli_column columns[CLI_VIEW_MAX];
    uint32_t first[CLI_VIEW_MAX]; /* field of each column */
    uint32_t count, field_count;
    char fields[CLI_FIELDS_MAX];
    char names[CLI_FIELDS_MAX]; /* of columns that no table knows */
};

/* DK_INVALID: an empty name, or more than CLI_VIEW_MAX. */
enum dk_status cli_view_make(struct cli_view *view, const char *list, struct dk_err *err);

/* The value of one column of one row as people read it, into `out`, or borrowed from the row. */
const char *cli_view_cell(const struct cli_view *view, const struct dk_rows *rows, uint32_t row,
                          uint32_t column, const struct cli_style *style, char *out, size_t size);

enum cli_color cli_state_color(const char *state);

void cli_view_head(const struct cli_view *view, struct cli_listing *listing); /* its headings */

/* Rows into a listing, headings and all; it borrows from `rows`. */
void cli_view_list(const struct cli_view *view, const struct dk_rows *rows,
                   struct cli_listing *listing);

#endif
