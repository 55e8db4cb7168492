/* journal.c - lines for people (journal.h) */
#include "net/journal.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 2048 };

static const char *part_name = "docket";
static bool is_json;

void dk_journal_start(const char *part, bool json)
{
    part_name = part;
    is_json = json;
}

static size_t json_line(char *line, size_t size, const struct tm *at, long ms,
                        enum dk_journal_level level, const char *text)
{
    static const char *const names[] = { "info", "warning", "error" };
    int used = snprintf(line, size,
                        "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"level\":\"%s\","
                        "\"part\":\"%s\",\"text\":\"",
                        at->tm_year + 1900, at->tm_mon + 1, at->tm_mday, at->tm_hour, at->tm_min,
                        at->tm_sec, ms, names[level], part_name);
    size_t out = used > 0 ? (size_t)used : 0;

    for (; *text != '\0' && out < size - 12; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20) {
            out += (size_t)snprintf(line + out, size - out, "\\u%04x", c);
            continue;
        }
        if (c == '"' || c == '\\')
            line[out++] = '\\';
        line[out++] = (char)c;
    }
    memcpy(line + out, "\"}\n", 3);
    return out + 3;
}

void dk_journal(enum dk_journal_level level, const char *format, ...)
{
    static const char *const marks[] = { "", "warning: ", "error: " };
    char text[LINE_SIZE / 2], line[LINE_SIZE];
    struct timespec now;
    struct tm at;
    va_list arguments;
    size_t size;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (is_json) {
        (void)gmtime_r(&now.tv_sec, &at);
        size = json_line(line, sizeof(line), &at, now.tv_nsec / 1000000, level, text);
    } else {
        int used;

        (void)localtime_r(&now.tv_sec, &at);
        used = snprintf(line, sizeof(line), "%04d-%02d-%02d %02d:%02d:%02d.%03ld %s: %s%s\n",
                        at.tm_year + 1900, at.tm_mon + 1, at.tm_mday, at.tm_hour, at.tm_min,
                        at.tm_sec, now.tv_nsec / 1000000, part_name, marks[level], text);
        size = used > 0 ? (size_t)used : 0;
    }
    if (write(STDERR_FILENO, line, size) < 0)
        return; /* nowhere to say it */
}
