/* human.c - see human.h */
#define _GNU_SOURCE
#include "cli/human.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define SPAN_MAX (INT64_C(36500) * DAY)

/* --- writing --- */

int64_t cli_now_us(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec / 1000;
}

static bool to_local(int64_t time_us, struct tm *tm)
{
    time_t seconds = (time_t)(time_us / SECOND);

    return localtime_r(&seconds, tm) != NULL;
}

const char *cli_time(char out[32], int64_t time_us)
{
    struct tm tm;

    out[0] = '\0';
    if (time_us > 0 &&
        (!to_local(time_us, &tm) || strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm) == 0))
        (void)snprintf(out, 32, "%lld", (long long)time_us);
    return out;
}

const char *cli_time_short(char out[32], int64_t time_us, int64_t now_us)
{
    int64_t away = time_us > now_us ? time_us - now_us : now_us - time_us;
    struct tm tm, now;
    size_t size;

    if (time_us <= 0 || !to_local(time_us, &tm) || !to_local(now_us, &now))
        return cli_time(out, time_us);
    if (away < DAY && tm.tm_yday == now.tm_yday)
        size = strftime(out, 32, "%H:%M:%S", &tm);
    else if (away < 300 * DAY)
        size = strftime(out, 32, "%b %d %H:%M", &tm);
    else
        size = strftime(out, 32, "%Y-%m-%d", &tm);
    return size > 0 ? out : cli_time(out, time_us);
}

const char *cli_span(char out[32], int64_t span_us)
{
    long long s = span_us / SECOND;
    const char *sign = s < 0 ? "-" : "";

    s = s < 0 ? -s : s;
    if (s >= 86400)
        (void)snprintf(out, 32, "%s%lld-%02lld:%02lld:%02lld", sign, s / 86400, s / 3600 % 24,
                       s / 60 % 60, s % 60);
    else
        (void)snprintf(out, 32, "%s%02lld:%02lld:%02lld", sign, s / 3600, s / 60 % 60, s % 60);
    return out;
}

static const char *scaled(char out[32], int64_t value, const char *units)
{
    int64_t tenths = 0;

    while (value >= 1024 && units[1] != '\0') {
        tenths = value % 1024 * 10 / 1024;
        value /= 1024;
        units++;
    }
    if (tenths > 0 && value < 100)
        (void)snprintf(out, 32, "%lld.%lld%c", (long long)value, (long long)tenths, *units);
    else
        (void)snprintf(out, 32, "%lld%c", (long long)value, *units);
    return out;
}

const char *cli_mib(char out[32], int64_t mib)
{
    return scaled(out, mib, "MGTP");
}

const char *cli_bytes(char out[32], int64_t bytes)
{
    return scaled(out, bytes, "BKMGTP");
}

/* --- reading --- */

enum dk_status cli_parse_whole(const char *text, int64_t least, int64_t most, int64_t *value,
                               struct dk_err *err)
{
    char *end;
    long long number = strtoll(text, &end, 10);

    if (end == text || *end != '\0' || *text == ' ')
        return dk_fail(err, DK_INVALID, "'%s' is not a whole number", text);
    if (number < least || number > most)
        return dk_fail(err, DK_INVALID, "%s is outside %lld to %lld", text, (long long)least,
                       (long long)most);
    *value = number;
    return DK_OK;
}

/* Digits at *at; false: none, or more than fit. */
static bool take_digits(const char **at, int64_t *value)
{
    const char *start = *at;

    for (*value = 0; **at >= '0' && **at <= '9'; (*at)++) {
        if (*at - start >= 12)
            return false;
        *value = *value * 10 + (**at - '0');
    }
    return *at > start;
}

/* 1h30m, 500ms: numbers with units, larger ones first or not. */
static bool parse_units(const char *text, int64_t *span_us)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = { { "us", 1 },          { "ms", 1000 },         { "s", SECOND },
                  { "m", 60 * SECOND }, { "min", 60 * SECOND }, { "h", 3600 * SECOND },
                  { "d", DAY },         { "w", 7 * DAY } };
    int64_t sum = 0;

    if (*text == '\0')
        return false;
    while (*text != '\0') {
        size_t size, unit = 0;
        int64_t number;

        if (!take_digits(&text, &number))
            return false;
        size = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        while (unit < sizeof(units) / sizeof(units[0]) &&
               (strlen(units[unit].unit) != size || memcmp(units[unit].unit, text, size) != 0))
            unit++;
        if (unit == sizeof(units) / sizeof(units[0]) || number > SPAN_MAX / units[unit].us)
            return false;
        sum += number * units[unit].us;
        text += size;
    }
    *span_us = sum;
    return sum <= SPAN_MAX;
}

/* [D-]H[:M[:S]] with a day; else M, M:S or H:M:S. *parts: how many numbers without the day. */
static bool parse_clock(const char *text, bool *has_day, int *parts, int64_t *span_us)
{
    const char *dash = strchr(text, '-');
    int64_t day = 0, numbers[3] = { 0 };

    *has_day = dash != NULL;
    if (*has_day && (!take_digits(&text, &day) || *text++ != '-' || day > SPAN_MAX / DAY))
        return false;
    for (*parts = 0; *parts < 3;) {
        if (!take_digits(&text, &numbers[*parts]) || numbers[*parts] > 100000000)
            return false;
        (*parts)++;
        if (*text != ':')
            break;
        text++;
    }
    if (*text != '\0')
        return false;
    if (!*has_day && *parts < 3) { /* minutes first */
        numbers[2] = numbers[1];
        numbers[1] = numbers[0];
        numbers[0] = 0;
    }
    *span_us = day * DAY + ((numbers[0] * 60 + numbers[1]) * 60 + numbers[2]) * SECOND;
    return *span_us <= SPAN_MAX;
}

enum dk_status cli_parse_span(const char *text, bool minutes, int64_t *span_us, struct dk_err *err)
{
    static const char *const none[] = { "none", "unlimited", "infinite", "0" };
    bool has_day;
    int parts;

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        if (strcasecmp(text, none[i]) == 0) {
            *span_us = 0;
            return DK_OK;
        }
    }
    if (parse_units(text, span_us))
        return DK_OK;
    if (parse_clock(text, &has_day, &parts, span_us) && (minutes || has_day || parts == 3))
        return DK_OK;
    return dk_fail(err, DK_INVALID,
                   "'%s' is not a span of time; right would be %s30s, 10m, 2h, "
                   "1-12:00:00 or 'none'",
                   text, minutes ? "90 (minutes), " : "");
}

enum dk_status cli_parse_mib(const char *text, int64_t *mib, struct dk_err *err)
{
    static const char units[] = "KMGTP";
    const char *at = text, *unit;
    int64_t number, tenths = 0, kib_per = 1024;
    bool is_good = take_digits(&at, &number) && number < INT64_C(1) << 30;

    if (is_good && *at == '.') {
        at++;
        is_good = *at >= '0' && *at <= '9';
        tenths = is_good ? *at++ - '0' : 0;
    }
    if (is_good && *at != '\0') {
        unit = strchr(units, *at & ~0x20);
        is_good = unit != NULL &&
                  (at[1] == '\0' || strcasecmp(at + 1, "iB") == 0 || strcasecmp(at + 1, "B") == 0);
        kib_per = is_good ? INT64_C(1) << 10 * (unit - units) : 1;
    }
    if (!is_good || number > (INT64_C(1) << 52) / kib_per)
        return dk_fail(err, DK_INVALID,
                       "'%s' is not a size; right would be 512M, 4G, 1.5T or 4096 (MiB)", text);
    *mib = (number * kib_per + tenths * kib_per / 10 + 1023) / 1024;
    return DK_OK;
}

/* --- times --- */

static bool parse_date(const char *text, int64_t *time_us)
{
    static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
                                           "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d" };

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm tm = { .tm_isdst = -1 };
        const char *end = strptime(text, formats[i], &tm);
        time_t seconds;

        if (end == NULL || *end != '\0')
            continue;
        tm.tm_isdst = -1;
        seconds = mktime(&tm);
        if (seconds == (time_t)-1)
            return false;
        *time_us = (int64_t)seconds * SECOND;
        return true;
    }
    return false;
}

static bool parse_today(const char *text, int64_t now_us, int64_t *time_us)
{
    struct tm tm;
    const char *end;

    if (!to_local(now_us, &tm))
        return false;
    tm.tm_sec = tm.tm_min = tm.tm_hour = 0;
    if (strcmp(text, "today") != 0) {
        end = strptime(text, "%H:%M:%S", &tm);
        if (end == NULL || *end != '\0') {
            tm.tm_sec = 0;
            end = strptime(text, "%H:%M", &tm);
        }
        if (end == NULL || *end != '\0')
            return false;
    }
    tm.tm_isdst = -1;
    *time_us = (int64_t)mktime(&tm) * SECOND;
    return true;
}

enum dk_status cli_parse_time(const char *text, int64_t now_us, int64_t *time_us,
                              struct dk_err *err)
{
    const char *rest = strncmp(text, "now", 3) == 0 ? text + 3 : text;
    char *end;
    int64_t span;

    if (rest != text && *rest == '\0') {
        *time_us = now_us;
        return DK_OK;
    }
    if ((*rest == '-' || *rest == '+') && cli_parse_span(rest + 1, false, &span, NULL) == DK_OK) {
        *time_us = *rest == '-' ? now_us - span : now_us + span;
        return DK_OK;
    }
    if (parse_date(text, time_us) || parse_today(text, now_us, time_us))
        return DK_OK;
    *time_us = strtoll(text, &end, 10);
    if (end != text && *end == '\0' && *time_us > 3000 * SECOND)
        return DK_OK;
    return dk_fail(err, DK_INVALID,
                   "'%s' is not a time; right would be 2026-11-25T14:02, 14:02, now-1h30m or "
                   "microseconds since 1970",
                   text);
}
