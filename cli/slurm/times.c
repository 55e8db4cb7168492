/* times.c - see times.h */
#include "cli/slurm/times.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { QUARTER_S = 900, DAY_S = 86400 };

/* What people may write; in microseconds it still is a number. */
#define SECONDS_MAX INT64_C(1000000000000)

int64_t slurm_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * SLURM_SECOND_US + now.tv_nsec / 1000;
}

void slurm_add_number(struct dk_buf *out, int64_t number)
{
    char digits[24], *at = digits + sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0)
        *--at = '-';
    (void)dk_buf_add(out, at, (size_t)(digits + sizeof(digits) - at));
}

static char *two(char *at, int64_t number)
{
    at[0] = (char)('0' + number / 10 % 10);
    at[1] = (char)('0' + number % 10);
    return at + 2;
}

static void add_days(struct dk_buf *out, int64_t *seconds)
{
    if (*seconds < DAY_S)
        return;
    slurm_add_number(out, *seconds / DAY_S);
    (void)dk_buf_add(out, "-", 1);
    *seconds %= DAY_S;
}

void slurm_add_clock(struct dk_buf *out, int64_t seconds)
{
    char text[8];

    if (seconds < 0)
        seconds = 0;
    add_days(out, &seconds);
    text[2] = text[5] = ':';
    (void)two(text, seconds / 3600);
    (void)two(text + 3, seconds / 60 % 60);
    (void)two(text + 6, seconds % 60);
    (void)dk_buf_add(out, text, sizeof(text));
}

void slurm_add_elapsed(struct dk_buf *out, int64_t seconds)
{
    char text[5];

    if (seconds < 0) {
        (void)dk_buf_add_text(out, "INVALID");
        return;
    }
    if (seconds >= DAY_S) {
        slurm_add_clock(out, seconds);
        return;
    }
    if (seconds >= 3600) {
        slurm_add_number(out, seconds / 3600);
        (void)dk_buf_add(out, ":", 1);
        (void)dk_buf_add(out, two(text, seconds / 60 % 60) - 2, 2);
    } else {
        slurm_add_number(out, seconds / 60);
    }
    (void)dk_buf_add(out, ":", 1);
    (void)dk_buf_add(out, two(text, seconds % 60) - 2, 2);
}

void slurm_add_cpu_time(struct dk_buf *out, int64_t us)
{
    int64_t seconds = us / SLURM_SECOND_US, ms = us / 1000 % 1000;
    char text[16];

    if (us <= 0 || seconds >= 3600 || ms == 0) {
        slurm_add_clock(out, seconds);
        return;
    }
    (void)snprintf(text, sizeof(text), "%02d:%02d.%03d", (int)(seconds / 60), (int)(seconds % 60),
                   (int)ms);
    (void)dk_buf_add_text(out, text);
}

/* Up to `most` numbers divided by colons; how many, 0: something else is there. */
static int take_numbers(const char **text, int64_t *numbers, int most)
{
    int count = 0;

    for (;;) {
        char *end;

        if (!isdigit((unsigned char)**text) || count == most)
            return 0;
        numbers[count] = strtoll(*text, &end, 10);
        if (numbers[count++] > INT32_MAX)
            return 0;
        *text = end;
        if (*end != ':')
            return count;
        *text = end + 1;
    }
}

bool slurm_minutes_parse(const char *text, int64_t *minutes)
{
    int64_t days = 0, n[3] = { 0, 0, 0 }, seconds;
    const char *dash = strchr(text, '-');
    int count;

    if (strcmp(text, "-1") == 0 || strcasecmp(text, "infinite") == 0 ||
        strcasecmp(text, "unlimited") == 0) {
        *minutes = INT64_MAX;
        return true;
    }
    if (dash != NULL) {
        char *end;

        if (!isdigit((unsigned char)*text))
            return false;
        days = strtoll(text, &end, 10);
        if (end != dash)
            return false;
        text = dash + 1;
    }
    count = take_numbers(&text, n, 3);
    if (count == 0 || *text != '\0' || days > INT32_MAX)
        return false;
    if (dash != NULL)
        seconds = ((days * 24 + n[0]) * 60 + n[1]) * 60 + n[2];
    else if (count == 3)
        seconds = (n[0] * 60 + n[1]) * 60 + n[2];
    else
        seconds = n[0] * 60 + n[1];
    *minutes = (seconds + 59) / 60;
    return true;
}

void slurm_dates_init(struct slurm_dates *dates, int64_t now_us)
{
    const char *format = getenv("SLURM_TIME_FORMAT");

    memset(dates, 0, sizeof(*dates));
    dates->now_us = now_us;
    dates->quarter = INT64_MIN;
    if (format == NULL || *format == '\0' || strcmp(format, "standard") == 0)
        return;
    dates->style = strcmp(format, "relative") == 0 ? SLURM_DATE_RELATIVE : SLURM_DATE_PATTERN;
    dates->pattern = format;
}

/* Slurm's: only the time if it is today, then Ystday, Tomorr, the day's name within a week. */
static const char *relative_pattern(const struct tm *then, int64_t now_us)
{
    time_t now = (time_t)(now_us / SLURM_SECOND_US);
    struct tm today;
    int days;

    (void)localtime_r(&now, &today);
    if (then->tm_year != today.tm_year)
        return "%-d %b %Y";
    days = then->tm_yday - today.tm_yday;
    if (days == 0)
        return "%H:%M:%S";
    if (days == -1)
        return "Ystday %H:%M";
    if (days == 1)
        return "Tomorr %H:%M";
    return days > 1 && days <= 6 ? "%a %H:%M" : "%-d %b %H:%M";
}

static void add_standard(struct dk_buf *out, struct slurm_dates *dates, int64_t seconds)
{
    int64_t quarter = seconds / QUARTER_S;
    char text[5];
    int in_hour;

    if (quarter != dates->quarter) {
        time_t first = (time_t)(quarter * QUARTER_S);
        struct tm then;

        (void)localtime_r(&first, &then);
        (void)strftime(dates->prefix, sizeof(dates->prefix), "%Y-%m-%dT%H:", &then);
        dates->first_second = then.tm_min * 60 + then.tm_sec;
        dates->quarter = quarter;
    }
    in_hour = dates->first_second + (int)(seconds % QUARTER_S);
    (void)dk_buf_add_text(out, dates->prefix);
    (void)two(text, in_hour / 60);
    text[2] = ':';
    (void)two(text + 3, in_hour % 60);
    (void)dk_buf_add(out, text, sizeof(text));
}

/* The pattern is the user's own, of the environment, or one of ours above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
void slurm_add_date(struct dk_buf *out, struct slurm_dates *dates, int64_t time_us)
{
    int64_t seconds = time_us / SLURM_SECOND_US;
    time_t time = (time_t)seconds;
    struct tm then;
    char text[256];
    size_t size;

    if (dates->style == SLURM_DATE_STANDARD) {
        add_standard(out, dates, seconds);
        return;
    }
    (void)localtime_r(&time, &then);
    if (dates->style == SLURM_DATE_RELATIVE)
        size = strftime(text, sizeof(text), relative_pattern(&then, dates->now_us), &then);
    else
        size = strftime(text, sizeof(text), dates->pattern, &then);
    (void)dk_buf_add(out, text, size);
}
#pragma GCC diagnostic pop

void slurm_add_long_date(struct dk_buf *out, int64_t time_us)
{
    time_t time = (time_t)(time_us / SLURM_SECOND_US);
    struct tm then;
    char text[64];

    (void)localtime_r(&time, &then);
    (void)dk_buf_add(out, text, strftime(text, sizeof(text), "%a %b %d %H:%M:%S %Y", &then));
}

/* --- taking times --- */

struct reader {
    const char *at;
    struct tm time; /* as far as it was said; the rest is now */
    bool has_date, has_clock;
};

static bool word(struct reader *reader, const char *name)
{
    size_t size = strlen(name);

    if (strncasecmp(reader->at, name, size) != 0 || isalpha((unsigned char)reader->at[size]))
        return false;
    reader->at += size;
    return true;
}

/* Exactly `digits` digits within [low, high]. */
static bool digits(struct reader *reader, int count, int low, int high, int *number)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)reader->at[i]))
            return false;
        value = value * 10 + (reader->at[i] - '0');
    }
    if (value < low || value > high)
        return false;
    reader->at += count;
    *number = value;
    return true;
}

static bool clock_part(struct reader *reader)
{
    int hour, minute, second = 0, width = isdigit((unsigned char)reader->at[1]) ? 2 : 1;

    if (!digits(reader, width, 0, 24, &hour) || *reader->at != ':')
        return false;
    reader->at++;
    if (!digits(reader, 2, 0, 59, &minute))
        return false;
    if (*reader->at == ':') {
        reader->at++;
        if (!digits(reader, 2, 0, 59, &second))
            return false;
    }
    while (*reader->at == ' ')
        reader->at++;
    if (word(reader, "pm"))
        hour = hour == 12 ? 12 : hour + 12;
    else if (word(reader, "am"))
        hour = hour == 12 ? 0 : hour;
    if (hour > 24)
        return false;
    reader->time.tm_hour = hour;
    reader->time.tm_min = minute;
    reader->time.tm_sec = second;
    reader->has_clock = true;
    return true;
}

/* MMDD[YY], MM/DD[/YY], MM.DD[.YY], YYYY-MM-DD */
static bool date_part(struct reader *reader)
{
    int year = reader->time.tm_year + 1900, month, day;
    char divider;

    /* 1125-13:00 is a day and an hour, 2026-11-25 a year, a month and a day. */
    if (strlen(reader->at) >= 7 && reader->at[4] == '-' && reader->at[7] != ':') {
        if (!digits(reader, 4, 1970, 9999, &year))
            return false;
        reader->at++;
        if (!digits(reader, 2, 1, 12, &month) || *reader->at != '-')
            return false;
        reader->at++;
        if (!digits(reader, 2, 1, 31, &day))
            return false;
    } else {
        if (!digits(reader, 2, 1, 12, &month))
            return false;
        divider = *reader->at;
        if (divider == '/' || divider == '.')
            reader->at++;
        else
            divider = '\0';
        if (!digits(reader, 2, 1, 31, &day))
            return false;
        if (divider != '\0' && *reader->at == divider)
            reader->at++;
        else if (divider != '\0')
            divider = ' ';
        if (divider != ' ' && isdigit((unsigned char)*reader->at)) {
            if (!digits(reader, 2, 0, 99, &year))
                return false;
            year += 2000;
        }
    }
    reader->time.tm_year = year - 1900;
    reader->time.tm_mon = month - 1;
    reader->time.tm_mday = day;
    reader->has_date = true;
    return true;
}

static bool offset_part(struct reader *reader, int64_t now_us, int64_t *time_us)
{
    static const struct {
        const char *name; /* any beginning of it */
        int64_t seconds;
    } units[] = { { "seconds", 1 },
                  { "minutes", 60 },
                  { "hours", 3600 },
                  { "days", DAY_S },
                  { "weeks", 7 * DAY_S } };
    int64_t sign, count, unit = 1;
    size_t size = 0;
    char *end;

    *time_us = now_us;
    if (*reader->at == '\0')
        return true;
    if (*reader->at != '+' && *reader->at != '-')
        return false;
    sign = *reader->at++ == '-' ? -1 : 1;
    if (!isdigit((unsigned char)*reader->at))
        return false;
    count = strtoll(reader->at, &end, 10);
    reader->at = end;
    while (isalpha((unsigned char)end[size]))
        size++;
    if (size > 0) {
        unit = 0;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
            if (size <= strlen(units[i].name) && strncasecmp(end, units[i].name, size) == 0)
                unit = units[i].seconds;
        if (unit == 0)
            return false;
    }
    if (count > SECONDS_MAX / unit)
        return false;
    reader->at += size;
    *time_us += sign * count * unit * SLURM_SECOND_US;
    return *reader->at == '\0';
}

static bool named_hour(struct reader *reader)
{
    static const struct {
        const char *name;
        int hour;
    } hours[] = { { "midnight", 0 }, { "noon", 12 }, { "fika", 15 }, { "teatime", 16 } };

    for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++)
        if (word(reader, hours[i].name)) {
            reader->time.tm_hour = hours[i].hour;
            reader->time.tm_min = reader->time.tm_sec = 0;
            reader->has_clock = true;
            return true;
        }
    return false;
}

static bool one_part(struct reader *reader)
{
    if (word(reader, "today")) {
        reader->has_date = true;
        return true;
    }
    if (word(reader, "tomorrow")) {
        reader->time.tm_mday++;
        reader->has_date = true;
        return true;
    }
    if (!isdigit((unsigned char)*reader->at))
        return named_hour(reader);
    if (reader->at[1] == ':' || (isdigit((unsigned char)reader->at[1]) && reader->at[2] == ':'))
        return clock_part(reader);
    return date_part(reader);
}

bool slurm_time_parse(const char *text, int64_t now_us, int64_t *time_us, size_t *wrong_at)
{
    struct reader reader = { .at = text };
    time_t now = (time_t)(now_us / SLURM_SECOND_US), time;
    bool good = true;

    (void)localtime_r(&now, &reader.time);
    if (strncasecmp(text, "uts", 3) == 0 && isdigit((unsigned char)text[3])) {
        char *end;

        time = (time_t)strtoll(text + 3, &end, 10);
        *wrong_at = (size_t)(end - text);
        if (time > SECONDS_MAX)
            return false;
        *time_us = (int64_t)time * SLURM_SECOND_US;
        return *end == '\0';
    }
    if (word(&reader, "now")) {
        good = offset_part(&reader, now_us, time_us);
        *wrong_at = (size_t)(reader.at - text);
        return good;
    }
    do
        good = one_part(&reader);
    while (good && (*reader.at == 'T' || *reader.at == '-' || *reader.at == ' ') &&
           *++reader.at != '\0');
    *wrong_at = (size_t)(reader.at - text);
    if (!good || *reader.at != '\0' || (!reader.has_date && !reader.has_clock))
        return false;
    if (!reader.has_clock)
        reader.time.tm_hour = reader.time.tm_min = reader.time.tm_sec = 0;
    reader.time.tm_isdst = -1;
    time = mktime(&reader.time);
    *time_us = (int64_t)time * SLURM_SECOND_US;
    return true;
}
