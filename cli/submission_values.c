/* submission_values.c - see submission_values.h */
#include "cli/submission_values.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECOND_US INT64_C(1000000)

enum { INDEX_MAX = 4000000, RANGES_MAX = 1024 };

bool dk_value_number(const char *text, int64_t least, int64_t most, int64_t *value)
{
    char *end;
    long long number;

    if (*text == 0)
        return false;
    number = strtoll(text, &end, 10);
    if (*end != 0 || end == text || number < least || number > most)
        return false;
    *value = number;
    return true;
}

/* --- nodes and memory --- */

static bool node_count(const char *text, size_t size, int32_t *count)
{
    char copy[24];
    int64_t factor = 1, value;

    if (size == 0 || size >= sizeof(copy))
        return false;
    memcpy(copy, text, size);
    copy[size] = 0;
    if (copy[size - 1] == 'k' || copy[size - 1] == 'K')
        factor = 1024;
    else if (copy[size - 1] == 'm' || copy[size - 1] == 'M')
        factor = 1024 * 1024;
    if (factor > 1)
        copy[size - 1] = 0;
    if (!dk_value_number(copy, 0, INT32_MAX / factor, &value))
        return false;
    *count = (int32_t)(value * factor);
    return true;
}

bool dk_value_nodes(const char *text, int32_t *least, int32_t *most)
{
    size_t size = strcspn(text, "-");

    *most = -1;
    if (!node_count(text, size, least))
        return false;
    return text[size] == 0 || node_count(text + size + 1, strlen(text + size + 1), most);
}

bool dk_value_memory(const char *text, int64_t *mib)
{
    static const char units[] = "KMGTP";
    char *end;
    long long number = strtoll(text, &end, 10);
    const char *unit;
    int shift = 0;

    if (end == text || number < 0)
        return false;
    if (*end != 0) {
        unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end);
        if (unit == NULL || (end[1] != 0 && (strcasecmp(end + 1, "B") != 0)))
            return false;
        shift = (int)(10 * (unit - units)) - 10;
    }
    if (shift < 0) {
        *mib = (number + 1023) / 1024;
        return true;
    }
    if (number > (INT64_MAX >> shift))
        return false;
    *mib = number << shift;
    return true;
}

/* --- signals and mail --- */

static const struct {
    const char *name;
    int number;
} signals[] = {
    { "HUP", SIGHUP },   { "INT", SIGINT },   { "QUIT", SIGQUIT }, { "KILL", SIGKILL },
    { "TERM", SIGTERM }, { "URG", SIGURG },   { "USR1", SIGUSR1 }, { "USR2", SIGUSR2 },
    { "CONT", SIGCONT }, { "STOP", SIGSTOP }, { "TSTP", SIGTSTP }, { "TTIN", SIGTTIN },
    { "TTOU", SIGTTOU }, { "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "XCPU", SIGXCPU },
    { "PIPE", SIGPIPE }, { "CHLD", SIGCHLD },
};

int32_t dk_value_signal_number(const char *text, size_t size)
{
    char word[16];
    const char *name = word;
    int64_t number;

    if (size == 0 || size >= sizeof(word))
        return 0;
    memcpy(word, text, size);
    word[size] = 0;
    if (dk_value_number(word, 1, 64, &number))
        return (int32_t)number;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        if (strcasecmp(signals[i].name, name) == 0)
            return signals[i].number;
    return 0;
}

bool dk_value_signal(const char *text, int32_t *number, int64_t *before_us, bool *is_batch)
{
    const char *colon = strchr(text, ':');
    int64_t seconds = 60;
    size_t size;

    *is_batch = false;
    if (colon != NULL) {
        for (; text < colon; text++) {
            if ((*text & ~0x20) == 'B')
                *is_batch = true;
            else if ((*text & ~0x20) != 'R') /* reservations that overlap: docket has none */
                return false;
        }
        text = colon + 1;
    }
    size = strcspn(text, "@");
    *number = dk_value_signal_number(text, size);
    if (*number == 0 ||
        (text[size] == '@' && !dk_value_number(text + size + 1, 0, 65535, &seconds)))
        return false;
    *before_us = seconds * SECOND_US;
    return true;
}

const char *dk_value_mail(const char *text, int32_t *events)
{
    static const struct {
        const char *name;
        int32_t bits;
    } words[] = {
        { "NONE", 0 },          { "BEGIN", 1 },           { "END", 2 },
        { "FAIL", 4 },          { "REQUEUE", 8 },         { "TIME_LIMIT", 16 },
        { "ALL", 15 },          { "TIME_LIMIT_90", 32 },  { "TIME_LIMIT_80", 64 },
        { "STAGE_OUT", 0 },     { "TIME_LIMIT_50", 128 }, /* no burst buffer is ever staged out */
        { "ARRAY_TASKS", 256 },
    };
    size_t count = sizeof(words) / sizeof(words[0]);

    *events = 0;
    for (;;) {
        size_t size = strcspn(text, ","), i = 0;

        while (i < count &&
               (strlen(words[i].name) != size || strncasecmp(words[i].name, text, size) != 0))
            i++;
        if (i == count)
            return text;
        *events |= words[i].bits;
        if (text[size] == 0)
            return NULL;
        text += size + 1;
    }
}

/* --- arrays --- */

static const char *index_at(const char *text, int32_t *index)
{
    char *end;
    long value;

    if (*text < '0' || *text > '9')
        return NULL;
    value = strtol(text, &end, 10);
    if (value > INDEX_MAX)
        return NULL;
    *index = (int32_t)value;
    return end;
}

static const char *range_at(const char *text, struct dk_index_range *range)
{
    text = index_at(text, &range->first);
    if (text == NULL)
        return NULL;
    range->last = range->first;
    range->step = 1;
    if (*text != '-')
        return text;
    text = index_at(text + 1, &range->last);
    if (text == NULL || range->last < range->first)
        return NULL;
    if (*text != ':')
        return text;
    text = index_at(text + 1, &range->step);
    if (text == NULL || range->step == 0)
        return NULL;
    /* The last index that is meant, so that what follows may begin behind it. */
    range->last -= (range->last - range->first) % range->step;
    return text;
}

static bool is_ascending(const struct dk_index_range *ranges, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        if (ranges[i].first <= ranges[i - 1].last)
            return false;
    return true;
}

/* Any order and any overlap: the indices as a set, and the set as ranges. */
static bool sort_ranges(struct dk_index_range *ranges, uint32_t *count)
{
    size_t size = INDEX_MAX / 8 + 1;
    uint8_t *bits = dk_alloc_new(&dk_heap, size);
    uint32_t out = 0;

    memset(bits, 0, size);
    for (uint32_t i = 0; i < *count; i++)
        for (int32_t index = ranges[i].first; index <= ranges[i].last; index += ranges[i].step)
            bits[index / 8] |= (uint8_t)(1 << (index % 8));
    for (int32_t index = 0; index <= INDEX_MAX && out <= RANGES_MAX; index++) {
        if (!(bits[index / 8] & (1 << (index % 8))))
            continue;
        if (out > 0 && ranges[out - 1].last == index - 1)
            ranges[out - 1].last = index;
        else if (out++ < RANGES_MAX)
            ranges[out - 1] = (struct dk_index_range){ index, index, 1 };
    }
    dk_alloc_free(&dk_heap, bits, size);
    *count = out;
    return out <= RANGES_MAX;
}

bool dk_value_array(const char *text, struct dk_arena *arena, struct dk_array_spec *array)
{
    struct dk_index_range *ranges =
        dk_arena_take(arena, RANGES_MAX * sizeof(struct dk_index_range));
    bool is_bracketed = *text == '[';
    uint32_t count = 0;

    text += is_bracketed;
    for (;;) {
        if (count == RANGES_MAX)
            return false;
        text = range_at(text, &ranges[count++]);
        if (text == NULL)
            return false;
        if (*text != ',')
            break;
        text++;
    }
    array->running_max = 0;
    if (*text == '%') {
        text = index_at(text + 1, &array->running_max);
        if (text == NULL)
            return false;
    }
    text += is_bracketed && *text == ']';
    if (*text != 0 || (!is_ascending(ranges, count) && !sort_ranges(ranges, &count)))
        return false;
    array->ranges = ranges;
    array->ranges_count = count;
    return true;
}

/* --- GPUs --- */

bool dk_value_gpus(const char *text, struct dk_arena *arena, const char **type, int32_t *count)
{
    const char *colon = strchr(text, ':');
    int64_t value = 1;

    *type = NULL;
    if (colon != NULL) {
        size_t size = (size_t)(colon - text);
        char *copy;

        if (size == 0)
            return false;
        copy = dk_arena_take(arena, size + 1);
        memcpy(copy, text, size);
        copy[size] = 0;
        *type = copy;
        text = colon + 1;
    }
    if (!dk_value_number(text, 0, 65536, &value))
        return false;
    *count = (int32_t)value;
    return true;
}
