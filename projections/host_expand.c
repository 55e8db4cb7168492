/* host_expand.c - see host_expand.h
 *
 *     list  = part { "," part }      part = prefix [ "[" range { "," range } "]" ]
 *     range = number [ "-" number ]  "07" keeps its zeroes: names have as many digits as the first
 *
 * The count is known beforehand, so a list that would grow beyond it ends the work at once. */
#include "projections/host_expand.h"

enum { NAME_MAX_SIZE = 256, DIGITS_MAX = 9 };

struct expansion {
    const char *at, *end;
    struct dk_arena *arena;
    struct dk_text *names;
    uint32_t count, limit;
};

static bool name_add(struct expansion *expansion, const char *prefix, size_t prefix_size,
                     uint64_t number, size_t digits)
{
    char *name;

    if (expansion->count == expansion->limit || prefix_size + digits > NAME_MAX_SIZE ||
        prefix_size + digits == 0)
        return false;
    name = dk_arena_take(expansion->arena, prefix_size + digits);
    memcpy(name, prefix, prefix_size);
    for (size_t i = digits; i-- > 0; number /= 10)
        name[prefix_size + i] = (char)('0' + number % 10);
    expansion->names[expansion->count++] =
        (struct dk_text){ name, (uint32_t)(prefix_size + digits) };
    return true;
}

static bool number_take(struct expansion *expansion, uint64_t *number, size_t *digits)
{
    *number = 0;
    *digits = 0;
    while (expansion->at < expansion->end && *expansion->at >= '0' && *expansion->at <= '9') {
        if (++*digits > DIGITS_MAX)
            return false;
        *number = *number * 10 + (uint64_t)(*expansion->at++ - '0');
    }
    return *digits > 0;
}

static size_t digits_of(uint64_t number)
{
    size_t digits = 1;

    while (number >= 10) {
        number /= 10;
        digits++;
    }
    return digits;
}

static bool ranges_take(struct expansion *expansion, const char *prefix, size_t prefix_size)
{
    do {
        uint64_t first, last;
        size_t width, width_last;

        expansion->at++; /* "[" or "," */
        if (!number_take(expansion, &first, &width))
            return false;
        last = first;
        if (expansion->at < expansion->end && *expansion->at == '-') {
            expansion->at++;
            if (!number_take(expansion, &last, &width_last) || last < first)
                return false;
        }
        for (uint64_t number = first; number <= last; number++) {
            size_t digits = digits_of(number);

            if (!name_add(expansion, prefix, prefix_size, number, digits > width ? digits : width))
                return false;
        }
    } while (expansion->at < expansion->end && *expansion->at == ',');
    if (expansion->at == expansion->end || *expansion->at != ']')
        return false;
    expansion->at++;
    return true;
}

static bool part_take(struct expansion *expansion)
{
    const char *prefix = expansion->at;
    size_t size;

    while (expansion->at < expansion->end && *expansion->at != ',' && *expansion->at != '[')
        expansion->at++;
    size = (size_t)(expansion->at - prefix);
    if (expansion->at < expansion->end && *expansion->at == '[')
        return ranges_take(expansion, prefix, size);
    return name_add(expansion, prefix, size, 0, 0);
}

const struct dk_text *dk_hosts_expand(struct dk_text list, uint32_t count, struct dk_arena *arena)
{
    struct expansion expansion = { list.data, NULL, arena, NULL, 0, count };

    if (count == 0 || list.size == 0)
        return NULL;
    expansion.end = list.data + list.size;
    expansion.names = dk_arena_take(arena, count * sizeof(*expansion.names));
    while (part_take(&expansion)) {
        if (expansion.at == expansion.end)
            return expansion.count == count ? expansion.names : NULL;
        if (*expansion.at++ != ',')
            return NULL;
    }
    return NULL;
}
