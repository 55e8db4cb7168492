/* profile.c - how many cores are free at each future moment, as steps in order of time */
#include "sched/pass.h"

#include <string.h>

static struct dk_step *step_insert(struct dk_profile *profile, uint32_t at, int64_t time, int64_t free)
{
    profile->steps = dk_grow(profile->alloc, profile->steps, &profile->capacity,
                             profile->count + 1, sizeof(*profile->steps));
    memmove(profile->steps + at + 1, profile->steps + at,
            (profile->count - at) * sizeof(*profile->steps));
    profile->steps[at].time = time;
    profile->steps[at].free = free;
    profile->count++;
    return &profile->steps[at];
}

void dk_profile_build(struct dk_profile *profile, const struct dk_pass *pass)
{
    struct dk_ends ends;
    int64_t time, free = (int64_t)pass->free;
    uint64_t cores;

    profile->count = 0;
    step_insert(profile, 0, pass->now, free);
    dk_ends_start(&ends, pass);
    while (dk_ends_next(&ends, &time, &cores)) {
        free += (int64_t)cores;
        if (profile->steps[profile->count - 1].time == time)
            profile->steps[profile->count - 1].free = free;
        else
            step_insert(profile, profile->count, time, free);
    }
}

int64_t dk_profile_earliest(const struct dk_profile *profile, int64_t cores, int64_t span)
{
    const struct dk_step *step = profile->steps, *limit = profile->steps + profile->count;

    while (step < limit) {
        const struct dk_step *start;
        int64_t end;

        while (step < limit && step->free < cores)
            step++;
        if (step == limit)
            break;
        start = step;
        end = dk_add_saturated(start->time, span);
        while (step < limit && step->time < end && step->free >= cores)
            step++;
        if (step == limit || step->time >= end)
            return start->time;
    }
    return INT64_MAX;
}

/* The step that begins at `time`, made if there is none; time is not before the first step. */
static uint32_t step_at(struct dk_profile *profile, int64_t time)
{
    uint32_t first = 0, limit = profile->count;

    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;

        if (profile->steps[middle].time < time)
            first = middle + 1;
        else
            limit = middle;
    }
    if (first == profile->count || profile->steps[first].time != time)
        step_insert(profile, first, time, profile->steps[first - 1].free);
    return first;
}

void dk_profile_change(struct dk_profile *profile, int64_t start, int64_t end, int64_t cores)
{
    uint32_t first, limit;

    if (start < profile->steps[0].time)
        start = profile->steps[0].time;
    if (end <= start)
        return;
    first = step_at(profile, start);
    limit = end == INT64_MAX ? profile->count : step_at(profile, end);
    for (uint32_t i = first; i < limit; i++)
        profile->steps[i].free += cores;
}
