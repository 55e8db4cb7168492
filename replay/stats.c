/* stats.c - see stats.h */
#include "replay/stats.h"

#include "base/sha256.h"

#include <stdlib.h>
#include <string.h>

static int compare_waits(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Decimal digits of a number that may be negative; returns how many bytes. */
static size_t put_number(char *out, int64_t value)
{
    char digits[20];
    size_t count = 0, used = 0;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do
        digits[count++] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (value < 0)
        out[used++] = '-';
    while (count > 0)
        out[used++] = digits[--count];
    return used;
}

static void hash_starts(char text[65], const struct dk_trace *trace,
                        const struct dk_replay_times *times)
{
    static const char hex[] = "0123456789abcdef";
    struct dk_sha256 sha;
    uint8_t digest[32];
    char block[8192];
    size_t used = 0;

    dk_sha256_init(&sha);
    for (uint32_t i = 0; i < trace->count; i++) {
        if (times[i].start == DK_START_NONE)
            continue;
        used += put_number(block + used, trace->jobs[i].number);
        block[used++] = ',';
        used += put_number(block + used, times[i].start);
        block[used++] = '\n';
        if (used > sizeof(block) - 64) {
            dk_sha256_add(&sha, block, used);
            used = 0;
        }
    }
    dk_sha256_add(&sha, block, used);
    dk_sha256_done(&sha, digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        text[2 * i] = hex[digest[i] >> 4];
        text[2 * i + 1] = hex[digest[i] & 15];
    }
    text[64] = 0;
}

void dk_replay_stats(struct dk_replay_stats *stats, const struct dk_trace *trace,
                     const struct dk_replay_times *times, const struct dk_alloc *alloc)
{
    int64_t *waits = dk_alloc_new(alloc, (trace->count + 1) * sizeof(*waits));
    int64_t submit_first = INT64_MAX, submit_last = INT64_MIN, end_last = INT64_MIN;
    int64_t ticks = dk_trace_ticks(trace), tau = 10 * ticks;
    double area = 0, slowdown = 0;
    uint64_t n = 0;

    memset(stats, 0, sizeof(*stats));
    stats->procs = trace->procs;
    stats->ticks = ticks;
    stats->utilisation = stats->offered_load = -1;
    for (uint32_t i = 0; i < trace->count; i++) {
        const struct dk_trace_job *job = &trace->jobs[i];
        int64_t wait, run;

        if (times[i].start == DK_START_NONE)
            continue;
        wait = times[i].start - job->submit;
        run = times[i].end - times[i].start;
        waits[n++] = wait;
        stats->wait_total += wait;
        slowdown += wait + run > (run > tau ? run : tau)
                        ? (double)(wait + run) / (double)(run > tau ? run : tau)
                        : 1;
        area += (double)run * job->procs;
        submit_first = job->submit < submit_first ? job->submit : submit_first;
        submit_last = job->submit > submit_last ? job->submit : submit_last;
        end_last = times[i].end > end_last ? times[i].end : end_last;
    }
    stats->jobs = n;
    if (n > 0) {
        double procs = (double)trace->procs;

        qsort(waits, n, sizeof(*waits), compare_waits);
        stats->wait_median = waits[n / 2];
        stats->wait_p95 = waits[n * 95 / 100];
        stats->wait_max = waits[n - 1];
        stats->wait_mean = (double)stats->wait_total / (double)n;
        stats->slowdown_mean = slowdown / (double)n;
        stats->makespan = end_last - submit_first;
        if (stats->makespan > 0)
            stats->utilisation = area / procs / (double)stats->makespan;
        if (submit_last > submit_first)
            stats->offered_load = area / procs / (double)(submit_last - submit_first);
    }
    hash_starts(stats->starts_sha256, trace, times);
    dk_alloc_free(alloc, waits, (trace->count + 1) * sizeof(*waits));
}
