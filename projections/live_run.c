/* live_run.c - where a run is: which nodes the cores of a placement belong to */
#include "projections/live_inside.h"

#include "base/check.h"
#include "net/hostlist.h"

#include <stdlib.h>
#include <string.h>

struct piece { /* of a span, on one node */
    uint32_t node, count;
    uint32_t rank; /* the node's */
};

/* The range that `number` is in: ranges are ascending, for numbers are never given out again. */
static uint32_t range_of(const struct dk_range_of_node *ranges, uint32_t count, int64_t number)
{
    uint32_t first = 0, limit = count;

    while (first + 1 < limit) {
        uint32_t middle = first + (limit - first) / 2;

        if (ranges[middle].first <= number)
            first = middle;
        else
            limit = middle;
    }
    return first;
}

/* Spans cut where nodes end, neighbours of one node joined; their number. */
static uint32_t cut(const struct dk_range_of_node *ranges, uint32_t range_count,
                    const struct dk_span *spans, uint32_t span_count, struct dk_arena *arena,
                    struct piece **out)
{
    uint32_t capacity = span_count + 16, count = 0;
    struct piece *pieces = dk_arena_take(arena, capacity * sizeof(*pieces));
    int64_t next = 0;

    for (uint32_t i = 0; i < span_count && range_count > 0; i++) {
        int64_t end;

        next += spans[i].gap;
        end = next + spans[i].count;
        for (uint32_t at = range_of(ranges, range_count, next); next < end; at++) {
            int64_t stop = at + 1 < range_count ? ranges[at + 1].first : INT64_MAX;
            int64_t upto = stop < end ? stop : end;

            if (count > 0 && pieces[count - 1].node == ranges[at].node) {
                pieces[count - 1].count += (uint32_t)(upto - next);
            } else {
                if (count == capacity) {
                    struct piece *more = dk_arena_take(arena, 2 * capacity * sizeof(*pieces));

                    memcpy(more, pieces, capacity * sizeof(*pieces));
                    pieces = more;
                    capacity *= 2;
                }
                pieces[count++] = (struct piece){ ranges[at].node, (uint32_t)(upto - next), 0 };
            }
            next = upto;
        }
    }
    *out = pieces;
    return count;
}

static int by_rank(const void *a, const void *b)
{
    uint32_t left = ((const struct piece *)a)->rank, right = ((const struct piece *)b)->rank;

    return (left > right) - (left < right);
}

/* In the order of names, as people expect a list of nodes; the first runs the script. A node that
 * is met twice (it was registered anew with more cores) is one. */
static uint32_t join(const struct dk_live *live, struct piece *pieces, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++)
        pieces[i].rank = live->nodes[pieces[i].node].rank;
    if (count > 1)
        qsort(pieces, count, sizeof(*pieces), by_rank);
    for (uint32_t i = 0; i < count; i++) {
        if (kept > 0 && pieces[kept - 1].node == pieces[i].node)
            pieces[kept - 1].count += pieces[i].count;
        else
            pieces[kept++] = pieces[i];
    }
    return kept;
}

static struct dk_live_run *allocate(const struct dk_job_placed *placed, uint32_t nodes,
                                    size_t list_size, char **list)
{
    size_t size = sizeof(struct dk_live_run) + nodes * (sizeof(struct dk_text) + 5 * 4) +
                  ((size_t)placed->cores_count + placed->gpus_count) * sizeof(struct dk_span) +
                  list_size + 1;
    struct dk_live_run *run = calloc(1, size);
    uint8_t *at;

    DK_CHECK(run != NULL);
    at = (uint8_t *)(run + 1);
    run->core_spans = (struct dk_span *)(void *)at;
    at += placed->cores_count * sizeof(struct dk_span);
    run->gpu_spans = (struct dk_span *)(void *)at;
    at += placed->gpus_count * sizeof(struct dk_span);
    run->nodes = (struct dk_text *)(void *)at;
    at += nodes * sizeof(struct dk_text);
    run->numbers = (uint32_t *)(void *)at;
    at += nodes * 4;
    run->node_cores = (int32_t *)(void *)at;
    at += nodes * 4;
    run->node_gpus = (int32_t *)(void *)at;
    at += nodes * 4;
    run->core_firsts = (uint32_t *)(void *)at;
    at += nodes * 4;
    run->gpu_firsts = (uint32_t *)(void *)at;
    at += nodes * 4;
    *list = (char *)at;
    return run;
}

static void name_list(const struct dk_live *live, const struct piece *pieces, uint32_t count,
                      struct dk_buf *out)
{
    struct dk_hostlist list;

    if (count == 1) {
        struct dk_text name = live->nodes[pieces[0].node].name;

        (void)dk_buf_add(out, name.data, name.size);
        return;
    }
    dk_hostlist_init(&list);
    for (uint32_t i = 0; i < count; i++)
        dk_hostlist_add(&list, live->nodes[pieces[i].node].name.data,
                        live->nodes[pieces[i].node].name.size);
    dk_hostlist_compress(&list, out);
    dk_hostlist_release(&list);
}

struct dk_live_run *dk_live_run_make(struct dk_live *live, const struct dk_job_placed *placed)
{
    struct piece *cores, *gpus;
    uint32_t count = cut(live->core_ranges, live->core_range_count, placed->cores,
                         placed->cores_count, &live->scratch, &cores);
    uint32_t gpu_count = cut(live->gpu_ranges, live->gpu_range_count, placed->gpus,
                             placed->gpus_count, &live->scratch, &gpus);
    struct dk_live_run *run;
    struct dk_buf list;
    char *text;

    dk_live_nodes_rank(live);
    count = join(live, cores, count);
    gpu_count = join(live, gpus, gpu_count);
    dk_buf_init(&list, &dk_heap, 64 << 20);
    name_list(live, cores, count, &list);
    run = allocate(placed, count, list.size, &text);
    if (list.size > 0)
        memcpy(text, list.data, list.size);
    run->node_list = (struct dk_text){ text, (uint32_t)list.size };
    dk_buf_release(&list);
    run->node_count = count;
    run->core_span_count = placed->cores_count;
    run->gpu_span_count = placed->gpus_count;
    memcpy(run->core_spans, placed->cores, placed->cores_count * sizeof(struct dk_span));
    if (placed->gpus_count > 0)
        memcpy(run->gpu_spans, placed->gpus, placed->gpus_count * sizeof(struct dk_span));
    for (uint32_t i = 0, at = 0; i < count; i++) {
        const struct dk_live_node *node = &live->nodes[cores[i].node];

        while (at < gpu_count && gpus[at].rank < cores[i].rank)
            at++;
        run->nodes[i] = node->name;
        run->numbers[i] = cores[i].node;
        run->node_cores[i] = (int32_t)cores[i].count;
        run->node_gpus[i] =
            at < gpu_count && gpus[at].node == cores[i].node ? (int32_t)gpus[at].count : 0;
        run->core_firsts[i] = node->core_first;
        run->gpu_firsts[i] = node->gpu_first;
        run->cores += cores[i].count;
        run->gpus += run->node_gpus[i];
    }
    return run;
}

void dk_live_run_count(struct dk_live *live, const struct dk_live_job *job,
                       const struct dk_job_spec *spec, int sign)
{
    const struct dk_live_run *run = job->run;

    for (uint32_t i = 0; i < run->node_count; i++) {
        struct dk_live_node *node = &live->nodes[run->numbers[i]];
        int64_t memory = spec->memory_mib_per_node > 0
                             ? spec->memory_mib_per_node
                             : spec->memory_mib_per_cpu * run->node_cores[i];

        if (spec->exclusive) /* all of the node, and alone there */
            memory = sign > 0 ? node->memory : node->memory_used;
        node->cores_used += sign * (int64_t)run->node_cores[i];
        node->gpus_used += sign * (int64_t)run->node_gpus[i];
        node->memory_used += sign * memory;
        node->jobs += sign;
    }
}
