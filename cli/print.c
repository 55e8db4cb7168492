/* print.c - see print.h */
#include "cli/print.h"

#include "base/alloc.h"
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

bool cli_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

const char *cli_duration(char out[32], int64_t seconds, bool for_people)
{
    long long s = seconds;

    if (!for_people || s < 0)
        (void)snprintf(out, 32, "%lld", s);
    else if (s >= 86400)
        (void)snprintf(out, 32, "%lldd %02lld:%02lld:%02lld", s / 86400, s / 3600 % 24, s / 60 % 60,
                       s % 60);
    else
        (void)snprintf(out, 32, "%02lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return out;
}

/* --- tables --- */

void cli_table_init(struct cli_table *table, int columns, uint32_t left)
{
    *table = (struct cli_table){ .columns = columns, .left = left };
}

void cli_table_cell(struct cli_table *table, const char *format, ...)
{
    char text[256];
    size_t count = (size_t)table->count, size;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (count == table->capacity) {
        size_t capacity = count > 0 ? 2 * count : 64;

        table->cells = dk_heap.resize(dk_heap.ctx, table->cells, count * sizeof(char *),
                                      capacity * sizeof(char *));
        table->capacity = capacity;
    }
    size = strlen(text) + 1;
    table->cells[count] = dk_alloc_new(&dk_heap, size);
    memcpy(table->cells[count], text, size);
    table->count++;
}

static int column_width(const struct cli_table *table, int column)
{
    size_t width = 0;

    for (int i = column; i < table->count; i += table->columns) {
        size_t size = strlen(table->cells[i]);

        width = size > width ? size : width;
    }
    return (int)width;
}

void cli_table_print(const struct cli_table *table)
{
    int widths[32];

    DK_CHECK(table->columns <= 32);
    for (int column = 0; column < table->columns; column++)
        widths[column] = column_width(table, column);
    for (int i = 0; i < table->count; i++) {
        int column = i % table->columns;
        bool is_last = column == table->columns - 1;

        if ((table->left >> column & 1) == 0)
            (void)printf("%*s", widths[column], table->cells[i]);
        else
            (void)printf("%-*s", is_last ? 0 : widths[column], table->cells[i]);
        (void)fputs(is_last ? "\n" : "  ", stdout);
    }
}

void cli_table_release(struct cli_table *table)
{
    for (int i = 0; i < table->count; i++)
        dk_alloc_free(&dk_heap, table->cells[i], strlen(table->cells[i]) + 1);
    dk_alloc_free(&dk_heap, table->cells, table->capacity * sizeof(char *));
    table->cells = NULL;
    table->count = 0;
}

/* --- JSON --- */

/* How many bytes the UTF-8 character at `p` has; 0: it is none. */
static size_t utf8_size(const unsigned char *p)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
    uint32_t code = size == 1 ? *p : *p & (0xffu >> (size + 1));

    for (size_t i = 1; i < size; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (size > 1 && (code < least[size] || code > 0x10ffff || code >> 11 == 0x1b))
        return 0;
    return size;
}

void cli_json_text(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;

    (void)putchar('"');
    while (*p != 0) {
        size_t size = utf8_size(p);

        if (size == 0)
            (void)fputs("\\ufffd", stdout);
        else if (*p == '"' || *p == '\\')
            (void)printf("\\%c", *p);
        else if (*p < 0x20)
            (void)printf("\\u%04x", *p);
        else
            (void)fwrite(p, 1, size, stdout);
        p += size > 0 ? size : 1;
    }
    (void)putchar('"');
}

double cli_seconds(void)
{
    struct timespec time;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}
