/* named.c - nodes that a job names: those it must have, and those it must not have
 *
 * A demand keeps them as one text, a line for each: "+NAME" is wanted, "-NAME" excluded. So what
 * is asked alike is still one shared record, and a node may come back under its name with other
 * numbers.
 */
#include "sched/state.h"

#include <string.h>

static void lines_add(char **at, char sign, const struct dk_text *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        *(*at)++ = sign;
        memcpy(*at, names[i].data, names[i].size);
        *at += names[i].size;
        *(*at)++ = '\n';
    }
}

struct dk_text dk_named_text(struct dk_arena *arena, const struct dk_job_spec *spec)
{
    uint32_t size = (spec->nodes_wanted_count + spec->nodes_excluded_count) * 2;
    char *text, *at;

    for (uint32_t i = 0; i < spec->nodes_wanted_count; i++)
        size += spec->nodes_wanted[i].size;
    for (uint32_t i = 0; i < spec->nodes_excluded_count; i++)
        size += spec->nodes_excluded[i].size;
    if (size == 0)
        return (struct dk_text){ NULL, 0 };
    at = text = dk_arena_take(arena, size);
    lines_add(&at, '+', spec->nodes_wanted, spec->nodes_wanted_count);
    lines_add(&at, '-', spec->nodes_excluded, spec->nodes_excluded_count);
    return (struct dk_text){ text, size };
}

bool dk_named_mark(const struct dk_core *core, struct dk_text named, uint8_t *nodes)
{
    uint32_t at = 0;

    while (at < named.size) {
        const char *end = memchr(named.data + at, '\n', named.size - at);
        struct dk_text name = { named.data + at + 1, (uint32_t)(end - named.data) - at - 1 };
        uint32_t number = dk_node_find(core, name);
        bool wanted = named.data[at] == '+';

        at = (uint32_t)(end - named.data) + 1;
        if (wanted && (number == DK_SLOT_NONE || !nodes[number]))
            return false;
        if (number != DK_SLOT_NONE)
            nodes[number] = wanted ? DK_POOL_WANTED : 0;
    }
    return true;
}

bool dk_named_valid(struct dk_text named)
{
    uint32_t at = 0;

    while (at < named.size) {
        const char *end = memchr(named.data + at, '\n', named.size - at);

        if (end == NULL || (named.data[at] != '+' && named.data[at] != '-'))
            return false;
        at = (uint32_t)(end - named.data) + 1;
    }
    return true;
}
