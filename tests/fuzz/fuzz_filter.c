/* fuzz_filter.c - query parameters: NAME=VALUE lines into a filter, and jobs through it */
#define _GNU_SOURCE /* strsep */
#include "base/check.h"
#include "projections/filter.h"
#include "runs.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool take(struct dk_job_filter *filter, char *line, struct dk_arena *arena)
{
    struct dk_err err = { .status = DK_OK };
    char *value = strchr(line, '=');
    enum dk_status status;

    if (value == NULL)
        return true;
    *value++ = '\0';
    if (!dk_job_filter_take(filter, line, value, arena, &status, &err))
        return true;
    DK_CHECK(status == DK_OK || (err.status == status && err.text[0] != '\0'));
    return status == DK_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_job_filter filter = { 0 };
    struct dk_arena arena;
    char *text = malloc(size + 1), *rest = text, *line;
    bool is_good = true;
    int64_t time;

    DK_CHECK(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    dk_arena_init(&arena, &dk_heap);
    (void)dk_time_parse(text, &time);
    while (is_good && (line = strsep(&rest, "\n&")) != NULL)
        is_good = take(&filter, line, &arena);
    for (uint32_t i = 0; is_good && i < filter.id_count; i++)
        DK_CHECK(filter.ids[i].job > 0 && filter.ids[i].first <= filter.ids[i].last);
    for (uint32_t i = 0; is_good && i < 4; i++)
        (void)dk_job_filter_accepts(&filter, runs_make(7, i, &arena));
    dk_arena_release(&arena);
    free(text);
    return 0;
}
