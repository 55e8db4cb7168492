/* print.h - tables, durations and JSON on the standard output
 *
 * A duration is written for people on a terminal ("1d 02:10:05") and as plain seconds into a
 * pipe, where programs read.
 */
#ifndef DK_CLI_PRINT_H
#define DK_CLI_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool cli_is_terminal(void); /* the standard output */

/* Into `out`, which is returned. */
const char *cli_duration(char out[32], int64_t seconds, bool for_people);

double cli_seconds(void); /* that pass, whatever is done to the clock */

/* Rows of cells, columns as wide as their widest; the first row is the heading. Cells are copied.
 */
struct cli_table {
    int columns, count;
    size_t capacity;
    char **cells;
    uint32_t left; /* bit c: column c is aligned to the left */
};

void cli_table_init(struct cli_table *table, int columns, uint32_t left);
void cli_table_cell(struct cli_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cli_table_print(const struct cli_table *table);
void cli_table_release(struct cli_table *table);

/* A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void cli_json_text(const char *text);

#endif
