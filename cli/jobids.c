/* jobids.c - see jobids.h */
#include "cli/jobids.h"

#include "base/check.h"

#include <stdio.h>
#include <string.h>

enum { RANGES_MAX = 1024, JOBS_MAX = 1000000 };

void cli_jobids_init(struct cli_jobids *ids)
{
    memset(ids, 0, sizeof(*ids));
    dk_arena_init(&ids->arena, &dk_heap);
}

void cli_jobids_release(struct cli_jobids *ids)
{
    dk_arena_release(&ids->arena);
    dk_alloc_free(&dk_heap, ids->items, ids->capacity * sizeof(*ids->items));
    ids->items = NULL;
    ids->count = ids->capacity = 0;
}

static bool take_number(const char **at, const char *end, int64_t most, int64_t *value)
{
    const char *start = *at;

    for (*value = 0; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        *value = *value * 10 + (**at - '0');
        if (*value > most)
            return false;
    }
    return *at > start;
}

static bool take(const char **at, const char *end, char c)
{
    if (*at >= end || **at != c)
        return false;
    (*at)++;
    return true;
}

enum dk_status cli_ranges_parse(const char *text, size_t size, struct dk_arena *arena,
                                const struct dk_index_range **ranges, uint32_t *count,
                                struct dk_err *err)
{
    const char *at = text, *end = text + size;
    struct dk_index_range *out;
    size_t most = 1;

    for (size_t i = 0; i < size; i++)
        most += text[i] == ',';
    if (most > RANGES_MAX)
        return dk_fail(err, DK_TOO_LARGE, "more than %d ranges of tasks", RANGES_MAX);
    *ranges = out = dk_arena_take(arena, most * sizeof(*out));
    *count = 0;
    do {
        int64_t first, last, step = 1;
        bool is_good = take_number(&at, end, INT32_MAX, &first);

        last = first;
        if (is_good && take(&at, end, '-')) {
            is_good = take_number(&at, end, INT32_MAX, &last) && last >= first;
            if (is_good && take(&at, end, ':'))
                is_good = take_number(&at, end, INT32_MAX, &step) && step > 0;
        }
        if (!is_good || (at < end && *at != ','))
            return dk_fail(err, DK_INVALID,
                           "'%.*s' does not name tasks of an array; right would be 1-4,7 or 0-9:3",
                           (int)size, text);
        out[(*count)++] = (struct dk_index_range){ .first = (int32_t)first,
                                                   .last = (int32_t)last,
                                                   .step = (int32_t)step };
    } while (take(&at, end, ','));
    return DK_OK;
}

static enum dk_status parse(struct cli_jobids *ids, struct cli_jobid *id, struct dk_err *err)
{
    const char *at = id->text, *end = at + strlen(at);
    bool is_good = take_number(&at, end, INT64_MAX / 16, &id->first) && id->first > 0;

    id->last = id->first;
    if (is_good && at == end)
        return DK_OK;
    if (is_good && take(&at, end, '-')) {
        if (take_number(&at, end, INT64_MAX / 16, &id->last) && at == end &&
            id->last >= id->first) {
            if (id->last - id->first >= JOBS_MAX)
                return dk_fail(err, DK_TOO_LARGE, "'%s' names more than %d jobs", id->text,
                               JOBS_MAX);
            return DK_OK;
        }
    } else if (is_good && take(&at, end, '_') && at < end) {
        bool has_brackets = take(&at, end, '[');

        if (!has_brackets || end[-1] == ']')
            return cli_ranges_parse(at, (size_t)(end - at) - has_brackets, &ids->arena, &id->tasks,
                                    &id->task_count, err);
    }
    return dk_fail(err, DK_INVALID, "'%s' is not a job; right would be 17, 17_3, 17_[1-4] or 20-25",
                   id->text);
}

enum dk_status cli_jobids_add(struct cli_jobids *ids, const char *text, struct dk_err *err)
{
    while (true) {
        struct cli_jobid id = { 0 };
        size_t size = 0, depth = 0;
        enum dk_status status;
        char *copy;

        while (text[size] != '\0' && (text[size] != ',' || depth > 0)) {
            depth += text[size] == '[';
            depth -= text[size] == ']' && depth > 0;
            size++;
        }
        copy = dk_arena_take(&ids->arena, size + 1);
        memcpy(copy, text, size);
        copy[size] = '\0';
        id.text = copy;
        status = parse(ids, &id, err);
        if (status != DK_OK)
            return status;
        if (ids->count == ids->capacity) {
            uint32_t capacity = ids->capacity > 0 ? ids->capacity * 2 : 16;

            ids->items = dk_heap.resize(dk_heap.ctx, ids->items, ids->capacity * sizeof(id),
                                        capacity * sizeof(id));
            ids->capacity = capacity;
        }
        ids->items[ids->count++] = id;
        if (text[size] == '\0')
            return DK_OK;
        text += size + 1;
    }
}
