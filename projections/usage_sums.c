/* usage_sums.c - what a run adds to usage, day by day (see usage.h) */
#include "projections/usage.h"

enum { JOBS, CORE_US, GPU_US, MEMORY_MIB_US, WAIT_US };

int64_t dk_usage_memory_mib(const struct dk_job_row *row)
{
    int64_t each = row->spec->memory_mib_per_node, result = 0;
    int64_t times = row->node_count;

    if (each == 0) {
        each = row->spec->memory_mib_per_cpu;
        times = row->cores;
    }
    return __builtin_mul_overflow(each, times, &result) || result < 0 ? 0 : result;
}

/* Days before 1970 round down too. */
static int64_t day_of(int64_t time)
{
    return time / DK_USAGE_DAY_US - (time % DK_USAGE_DAY_US < 0 ? 1 : 0);
}

void dk_usage_split(const struct dk_job_row *row, bool final, int64_t now, dk_usage_visit *visit,
                    void *context)
{
    int64_t end = row->end != 0 && row->end < now ? row->end : now;
    int64_t day_first = day_of(row->start), day_last;
    dk_u128 rates[DK_USAGE_SUM_COUNT] = { 0 };

    if (row->start == 0)
        return; /* never started: it held nothing */
    if (end < row->start)
        end = row->start; /* the clock was set back */
    day_last = day_of(end);
    rates[CORE_US] = (dk_u128)dk_max(row->cores, 0);
    rates[GPU_US] = (dk_u128)dk_max(row->gpus, 0);
    rates[MEMORY_MIB_US] = (dk_u128)dk_usage_memory_mib(row);
    for (int64_t day = day_first; day <= day_last; day++) {
        int64_t from = dk_max(row->start, day * DK_USAGE_DAY_US);
        int64_t to = dk_min(end, (day + 1) * DK_USAGE_DAY_US);
        dk_u128 held_us = (dk_u128)dk_max(to - from, 0);
        struct dk_usage_sums sums;

        for (int i = 0; i < DK_USAGE_SUM_COUNT; i++)
            sums.of[i] = rates[i] * held_us;
        if (day == day_first && row->eligible != 0 && row->eligible < row->start)
            sums.of[WAIT_US] = (dk_u128)(row->start - row->eligible);
        if (day == day_last && final)
            sums.of[JOBS] = 1;
        visit(context, day, &sums);
    }
}

size_t dk_usage_sums_write(const struct dk_usage_sums *sums, uint8_t *out)
{
    uint8_t *at = out;

    for (int i = 0; i < DK_USAGE_SUM_COUNT; i++) {
        dk_u128 rest = sums->of[i];

        for (; rest >= 0x80; rest >>= 7)
            *at++ = (uint8_t)((uint8_t)rest | 0x80);
        *at++ = (uint8_t)rest;
    }
    return (size_t)(at - out);
}

bool dk_usage_sums_add(struct dk_usage_sums *sums, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    dk_u128 read[DK_USAGE_SUM_COUNT] = { 0 };

    for (int i = 0; i < DK_USAGE_SUM_COUNT; i++) {
        unsigned shift = 0;

        do {
            if (data == end || shift > 126)
                return false;
            read[i] |= (dk_u128)(*data & 0x7f) << shift;
            shift += 7;
        } while ((*data++ & 0x80) != 0);
    }
    for (int i = 0; i < DK_USAGE_SUM_COUNT; i++)
        sums->of[i] += read[i];
    return data == end;
}
