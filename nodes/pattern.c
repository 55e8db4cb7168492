/* pattern.c - names of a job's files (pattern.h) */
#include "nodes/pattern.h"

#include <stdio.h>

enum { WIDTH_MAX = 10 };

#define NO_INDEX 4294967294LL

struct dk_text dk_pattern_output(const struct dk_run_job *run)
{
    return dk_text_of(run->task >= 0 ? "slurm-%A_%a.out" : "slurm-%j.out");
}

static void add_number(struct dk_buf *out, int64_t number, int width)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%0*lld", width, (long long)number);
    (void)dk_buf_add_text(out, text);
}

static void add_text(struct dk_buf *out, struct dk_text text)
{
    (void)dk_buf_add(out, text.data, text.size);
}

/* False: the letter means nothing. */
static bool add_meaning(struct dk_buf *out, char letter, int width, const struct dk_run_job *run,
                        struct dk_text node)
{
    int64_t index = run->task >= 0 ? run->task : NO_INDEX;

    switch (letter) {
    case 'j':
    case 'J':
        add_number(out, run->job, width);
        return true;
    case 'A':
        add_number(out, run->array_job != 0 ? run->array_job : run->job, width);
        return true;
    case 'a':
        add_number(out, index, width);
        return true;
    case 'b':
        add_number(out, index % 10, width);
        return true;
    case 'n':
        add_number(out, run->node_index, width);
        return true;
    case 't':
        add_number(out, 0, width);
        return true;
    case 's':
        add_text(out, dk_text_of("batch"));
        return true;
    case 'x':
        add_text(out, run->spec.name);
        return true;
    case 'N':
        add_text(out, node);
        return true;
    case 'u':
        add_text(out, run->actor.user);
        return true;
    case '%':
        add_text(out, dk_text_of("%"));
        return true;
    default:
        return false;
    }
}

static void copy_plain(struct dk_text pattern, struct dk_buf *out)
{
    for (uint32_t i = 0; i < pattern.size; i++)
        if (pattern.data[i] != '\\' || (i > 0 && pattern.data[i - 1] == '\\'))
            (void)dk_buf_add(out, pattern.data + i, 1);
    (void)dk_buf_add(out, "", 1);
}

void dk_pattern_expand(struct dk_text pattern, const struct dk_run_job *run, struct dk_text node,
                       struct dk_buf *out)
{
    if (pattern.size > 0 && memchr(pattern.data, '\\', pattern.size) != NULL) {
        copy_plain(pattern, out);
        return;
    }
    for (uint32_t i = 0; i < pattern.size; i++) {
        uint32_t at = i + 1;
        int width = 0;

        if (pattern.data[i] != '%') {
            (void)dk_buf_add(out, pattern.data + i, 1);
            continue;
        }
        for (; at < pattern.size && pattern.data[at] >= '0' && pattern.data[at] <= '9'; at++)
            width = width > WIDTH_MAX ? width : width * 10 + (pattern.data[at] - '0');
        if (width > WIDTH_MAX)
            width = WIDTH_MAX;
        if (at < pattern.size && add_meaning(out, pattern.data[at], width, run, node))
            i = at;
        else
            (void)dk_buf_add(out, "%", 1);
    }
    (void)dk_buf_add(out, "", 1);
}
