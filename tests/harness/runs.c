/* runs.c - see runs.h */
#include "runs.h"

#include "base/prng.h"

#include <stdio.h>
#include <stdlib.h>

enum { CAMPAIGN = 37, SECOND = 1000000 };

static struct dk_prng prng_of(uint64_t seed, uint64_t kind, uint64_t number)
{
    struct dk_prng prng;

    dk_prng_init(&prng, seed * 1000003 + kind * 7919 + number * 104729 + 1);
    return prng;
}

static uint32_t below(struct dk_prng *prng, uint32_t limit)
{
    return (uint32_t)dk_prng_below(prng, limit);
}

__attribute__((format(printf, 2, 3))) static struct dk_text text(struct dk_arena *arena,
                                                                 const char *format, ...)
{
    char buffer[256];
    va_list args;
    char *copy;
    int size;

    va_start(args, format);
    size = vsnprintf(buffer, sizeof(buffer), format, args);
    va_end(args);
    copy = dk_arena_take(arena, (size_t)size + 1);
    memcpy(copy, buffer, (size_t)size + 1);
    return (struct dk_text){ copy, (uint32_t)size };
}

static struct dk_bytes noise(struct dk_arena *arena, struct dk_prng *prng, uint32_t size)
{
    uint8_t *bytes = dk_arena_take(arena, size);

    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)dk_prng_next(prng);
    return (struct dk_bytes){ bytes, size };
}

/* Times, that runs_end needs too. */
struct times {
    int64_t submit, eligible, start, end;
    bool started;
};

static struct times times_of(uint64_t seed, uint32_t number)
{
    struct dk_prng prng = prng_of(seed, 1, number);
    struct times times;
    int64_t run = 1;

    times.submit = RUNS_BEGIN + (int64_t)number * 20 * SECOND + below(&prng, 20 * SECOND);
    times.eligible = times.submit + below(&prng, 900);
    if (below(&prng, 10) == 0)
        times.eligible += (int64_t)below(&prng, 3600) * SECOND;
    times.start = times.eligible + 2000 + below(&prng, 5000);
    if (below(&prng, 2) == 0)
        times.start += (int64_t)below(&prng, 7200) * SECOND + below(&prng, SECOND);
    for (uint32_t i = below(&prng, 16); i > 0; i--)
        run *= 2;
    times.end = times.start + run * SECOND + below(&prng, SECOND);
    times.started = below(&prng, 50) != 0;
    if (!times.started)
        times.end = times.start;
    return times;
}

int64_t runs_end(uint64_t seed, uint32_t number)
{
    return times_of(seed, number).end;
}

static void identity(struct dk_job_row *row, struct dk_job_spec *spec, struct dk_arena *arena,
                     uint64_t seed, uint32_t campaign)
{
    static const char *const projects[] = { "md", "genome", "cfd", "train", "qc", "assembly" };
    struct dk_prng prng = prng_of(seed, 2, campaign);
    uint32_t user = below(&prng, RUNS_USERS);
    const char *project = projects[below(&prng, 6)];
    struct dk_prng habits = prng_of(seed, 3, user);

    row->uid = 1000 + (int32_t)user;
    row->gid = 100 + (int32_t)(user % 7);
    row->user = text(arena, "user%02u", user);
    row->group = text(arena, "group%u", user % 7);
    row->host = text(arena, "login%u", user % 3);
    spec->account = user % 5 == 0 ? (struct dk_text){ "", 0 } : text(arena, "acc%02u", user % 12);
    spec->work_dir = text(arena, "/scratch/user%02u/%s/campaign-%u", user, project, campaign);
    spec->name = text(arena, "%s-%u", project, below(&prng, 100));
    spec->launch.command = text(arena, "./run_%s.sh", project);
    if (below(&habits, 2) == 0)
        spec->launch.std_out = text(arena, "logs/%%x-%%j.out");
    if (below(&habits, 4) == 0)
        spec->launch.std_err = text(arena, "logs/%%x-%%j.err");
    spec->launch.submit_host = row->host;
    spec->launch.umask = 022;
    spec->launch.environment = noise(arena, &prng, 32);
    spec->script = noise(arena, &prng, 32);
    spec->tasks = 1 << below(&prng, 5);
    spec->cpus_per_task = 1;
    spec->memory_mib_per_node = INT64_C(1000) << below(&prng, 5);
    spec->limit_us = (int64_t)(1 + below(&prng, 24)) * 3600 * SECOND;
    spec->has_launch = true;
    spec->requeue = true;
    row->limit_us = spec->limit_us;
}

static void placing(struct dk_job_row *row, struct dk_job_spec *spec, struct dk_arena *arena,
                    struct dk_prng *prng)
{
    uint32_t count = below(prng, 10) == 0 ? 2 + below(prng, 4) : 1;
    uint32_t first = below(prng, RUNS_NODES - count);
    struct dk_text *nodes = dk_arena_take(arena, count * sizeof(*nodes));
    int32_t *cores = dk_arena_take(arena, count * sizeof(*cores));
    struct dk_span *spans = dk_arena_take(arena, count * sizeof(*spans));

    for (uint32_t i = 0; i < count; i++) {
        nodes[i] = text(arena, "n%03u", first + i + 1);
        cores[i] = spec->tasks;
        spans[i].gap = i == 0 ? first * INT64_C(128) + below(prng, 8) * INT64_C(8)
                              : INT64_C(128) - spec->tasks;
        spans[i].count = spec->tasks;
    }
    row->nodes = nodes;
    row->node_cores = cores;
    row->node_count = count;
    row->node_list = count == 1 ? nodes[0] : text(arena, "n[%03u-%03u]", first + 1, first + count);
    row->batch_host = nodes[0];
    row->core_spans = spans;
    row->core_spans_count = count;
    row->cores = (int64_t)spec->tasks * count;
    spec->nodes = (int32_t)count;
    spec->tasks *= (int32_t)count;
}

static void ending(struct dk_job_row *row, const struct times *times, struct dk_prng *prng)
{
    uint32_t luck = below(prng, 100);
    int64_t ran = times->end - times->start;

    row->state = luck < 85   ? DK_ROW_COMPLETED
                 : luck < 93 ? DK_ROW_FAILED
                 : luck < 96 ? DK_ROW_CANCELLED
                 : luck < 98 ? DK_ROW_TIMEOUT
                 : luck < 99 ? DK_ROW_OUT_OF_MEMORY
                             : DK_ROW_NODE_FAIL;
    row->ended_by = -1;
    if (!times->started) {
        row->state = DK_ROW_CANCELLED;
        row->ended_by = row->uid;
        return;
    }
    if (row->state == DK_ROW_FAILED)
        row->exit_code = 1 + (int32_t)below(prng, 3);
    if (row->state == DK_ROW_CANCELLED) {
        row->ended_by = row->uid;
        row->exit_signal = 15;
        row->end_requested = row->end - below(prng, SECOND);
    }
    row->attempt = 1;
    row->start = times->start;
    row->first_process = times->start + 3000 + below(prng, 3000);
    row->has_usage = true;
    row->usage.user_us = ran / 100 * (int64_t)below(prng, 100) * row->cores + below(prng, 1000);
    row->usage.system_us = ran / 1000 * (int64_t)below(prng, 30) + below(prng, 1000);
    row->usage.rss_max_kib = 4096 + (int64_t)below(prng, 4000000);
    row->usage.read_bytes = (int64_t)below(prng, 1000000) * 4096;
    row->usage.written_bytes = (int64_t)below(prng, 100000) * 4096;
}

struct dk_job_row *runs_make(uint64_t seed, uint32_t number, struct dk_arena *arena)
{
    static const char *const partitions[] = { "compute", "long", "gpu", "debug" };
    struct dk_job_row *row = dk_arena_take(arena, sizeof(*row));
    struct dk_job_spec *spec = dk_arena_take(arena, sizeof(*spec));
    uint32_t campaign = number / CAMPAIGN;
    struct dk_prng shared = prng_of(seed, 4, campaign), prng = prng_of(seed, 5, number);
    struct times times = times_of(seed, number);
    uint32_t kind = below(&shared, 3);

    memset(row, 0, sizeof(*row));
    memset(spec, 0, sizeof(*spec));
    row->spec = spec;
    row->id = number + INT64_C(1);
    row->array_task = -1;
    identity(row, spec, arena, seed, campaign);
    row->partition = dk_text_of(partitions[below(&shared, 4)]);
    if (below(&shared, 2) == 0)
        spec->partition = row->partition;
    row->submit = times.submit;
    row->eligible = times.eligible;
    row->end = times.end;
    row->key = noise(arena, &prng, 16);
    if (kind == 0) { /* an array: one submission, one key */
        row->array_job = campaign * INT64_C(37) + 1;
        row->array_task = (int32_t)(number % CAMPAIGN);
        row->submit = times_of(seed, campaign * CAMPAIGN).submit;
        row->key = noise(arena, &shared, 16);
    } else if (kind == 1) { /* a workflow: each its own script and name */
        spec->script = noise(arena, &prng, 32);
        spec->name = text(arena, "%.*s.%u", (int)spec->name.size, spec->name.data, number);
    }
    if (times.started)
        placing(row, spec, arena, &prng);
    ending(row, &times, &prng);
    return row;
}

static int64_t *ends_sorted_by;

static int end_compare(const void *left, const void *right)
{
    int64_t a = ends_sorted_by[*(const uint32_t *)left];
    int64_t b = ends_sorted_by[*(const uint32_t *)right];

    if (a != b)
        return a < b ? -1 : 1;
    return *(const uint32_t *)left < *(const uint32_t *)right ? -1 : 1;
}

uint32_t *runs_in_order(uint64_t seed, uint32_t count)
{
    uint32_t *order = malloc(count * sizeof(*order));

    ends_sorted_by = malloc(count * sizeof(*ends_sorted_by));
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
        ends_sorted_by[i] = runs_end(seed, i);
    }
    qsort(order, count, sizeof(*order), end_compare);
    free(ends_sorted_by);
    return order;
}
