/* bench_sched.c - what one submission, one job end, a large array and many cancels cost a core
 *
 *     bench_sched [--nodes=N,...] [--pending=N,...] [--shapes=one|fifty|thousand,...]
 *                 [--policy=NAME,...] [--rounds=N] [--bulk]
 *
 * A world is a cluster whose nodes are all busy and a queue of pending jobs. It is made and driven
 * through the batcher, as a controller does, but without a log: what is timed is admit, apply,
 * schedule and close of a batch of one request. An end is timed with everything that it starts.
 *
 *     nodes       64 cores, 256 GiB; in the worlds of many shapes each eighth one has 4 GPUs
 *     one         pending jobs are single cores anywhere (1 to 256 of them): only their number
 * counts fifty       50 distinct demands of nodes, cores, memory and GPUs: nodes are looked at one
 * by one thousand    the same with 1,000 distinct demands
 *
 * Without --nodes and --pending: 100 to 100,000 nodes at 100,000 pending jobs, then 1,000 to
 * 1,000,000 jobs at 10,000 nodes. All policies are measured on one world, one after the other.
 *
 * Times are CPU time of this thread, so that a shared machine disturbs them less; they include the
 * 0.2 us that asking for it takes. Shown: median, 9th decile, worst of --rounds batches (fewer if a
 * row takes over 4 s). `looked` is how many candidates a batch examined, `starts` how many jobs an
 * end started, both on average. Seeds are fixed: the same table of counts each time. */
#define _GNU_SOURCE
#include "base/check.h"
#include "base/prng.h"
#include "batch/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)
#define HOUR_US (3600 * SECOND_US)

enum {
    CORES = 64,
    MEMORY_MIB = 262144,
    GPUS = 4,
    SHAPES_MAX = 1000,
    FILL_BATCH = 1000,
    SUBMIT_BATCH = 10000,
    BUDGET_S = 4,
    ROUNDS_LEAST = 5,
    ARRAY_TASKS = 1000000,
    CANCELS = 50000
};

struct running {
    int64_t job;
    int32_t attempt;
};

struct world {
    struct dk_core *core;
    struct dk_batcher *batcher;
    struct dk_prng prng;
    int64_t now, number;
    uint32_t nodes, shape_count; /* shape_count 0: single cores */
    struct dk_job_spec shapes[SHAPES_MAX];
    struct running *running;
    size_t running_count, running_capacity;
    uint64_t placed; /* by the last batch */
    double job_bytes;
    double made_us[3]; /* nodes, running jobs, queue */
};

struct policy_row {
    const char *name;
    struct dk_policy_spec spec;
};

static const struct policy_row policies[] = {
    { "fcfs:easy", { .policy = DK_POLICY_FCFS, .backfill = DK_BACKFILL_EASY } },
    { "multifactor:easy",
      { .policy = DK_POLICY_MULTIFACTOR,
        .backfill = DK_BACKFILL_EASY,
        .age_us_max = HOUR_US,
        .weight_age = 1000,
        .weight_size = 1000,
        .weight_partition = 1000 } },
    { "wfp3:easy", { .policy = DK_POLICY_WFP3, .backfill = DK_BACKFILL_EASY } },
    { "fcfs:none", { .policy = DK_POLICY_FCFS, .backfill = DK_BACKFILL_NONE } },
    { "fcfs:conservative/100",
      { .policy = DK_POLICY_FCFS, .backfill = DK_BACKFILL_CONSERVATIVE, .depth = 100 } },
};

static double cpu_us(void)
{
    struct timespec time;

    DK_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static int64_t between(struct world *world, int64_t least, int64_t most)
{
    return least + (int64_t)dk_prng_below(&world->prng, (uint64_t)(most - least + 1));
}

/* --- one batch --- */

static void running_add(struct world *world, const struct dk_job_placed *placed)
{
    if (world->running_count == world->running_capacity) {
        world->running_capacity = world->running_capacity == 0 ? 1024 : world->running_capacity * 2;
        world->running = realloc(world->running, world->running_capacity * sizeof(*world->running));
        DK_CHECK(world->running != NULL);
    }
    world->running[world->running_count++] = (struct running){ placed->job, placed->attempt };
}

static void request_add(struct world *world, struct dk_request *request)
{
    struct dk_stamp stamp = { .number = ++world->number, .time = world->now };
    const struct dk_event *outcome;

    if (request->type == DK_REQUEST_SUBMIT_JOB) {
        stamp.has_actor = true;
        stamp.actor.uid = stamp.actor.gid = (int32_t)(1000 + world->number % 200);
        stamp.actor.user = dk_text_of("user");
        stamp.actor.host = dk_text_of("login");
    } else {
        stamp.is_operator = true;
    }
    request->meta.time = world->now;
    dk_batcher_request(world->batcher, &stamp, request, &outcome);
    if (outcome->type == DK_EVENT_REQUEST_REJECTED) {
        (void)fprintf(stderr, "bench_sched: refused: %.*s\n",
                      (int)outcome->request_rejected.detail.size,
                      outcome->request_rejected.detail.data);
        exit(1);
    }
}

static const struct dk_events *batch_close(struct world *world)
{
    const struct dk_events *events;
    struct dk_err err;

    DK_CHECK(dk_batcher_close(world->batcher, world->now, &events, &err) == DK_OK);
    return events;
}

/* What the batch started is known to the world too. */
static void batch_note(struct world *world, const struct dk_events *events)
{
    world->placed = 0;
    for (uint32_t i = 0; i < events->count; i++)
        if (events->items[i].type == DK_EVENT_JOB_PLACED) {
            running_add(world, &events->items[i].job_placed);
            world->placed++;
        }
}

/* --- making a world --- */

static void nodes_make(struct world *world)
{
    char names[FILL_BATCH][16];

    for (uint32_t i = 0; i < world->nodes; i++) {
        struct dk_request request = { .type = DK_REQUEST_REGISTER_NODE };
        char *name = names[i % FILL_BATCH];

        (void)snprintf(name, sizeof(names[0]), "n%06u", i);
        request.register_node.spec.name = dk_text_of(name);
        request.register_node.spec.cores = CORES;
        request.register_node.spec.memory_mib = MEMORY_MIB;
        request.register_node.spec.gpus = world->shape_count > 0 && i % 8 == 7 ? GPUS : 0;
        request_add(world, &request);
        if (i % FILL_BATCH == FILL_BATCH - 1)
            (void)batch_close(world);
    }
    (void)batch_close(world);
}

static void partition_make(struct world *world)
{
    struct dk_request request = { .type = DK_REQUEST_CONFIGURE_PARTITION };

    request.configure_partition.spec.name = dk_text_of("batch");
    request.configure_partition.spec.all_nodes = true;
    request.configure_partition.spec.is_default = true;
    request.configure_partition.spec.state = DK_PARTITION_STATE_UP;
    request_add(world, &request);
    (void)batch_close(world);
}

static void policy_set(struct world *world, const struct dk_policy_spec *spec)
{
    struct dk_request request = { .type = DK_REQUEST_CONFIGURE_POLICY };

    request.configure_policy.spec = *spec;
    request_add(world, &request);
    batch_note(world, batch_close(world));
}

/* Shapes that differ in nodes, cores, memory and GPUs; each could start on an idle cluster. */
static void shapes_make(struct world *world)
{
    static const int32_t nodes[] = { 0, 0, 1, 1, 2, 4, 8, 16 };

    for (uint32_t i = 0; i < world->shape_count; i++) {
        struct dk_job_spec *shape = &world->shapes[i];

        shape->nodes = nodes[between(world, 0, 7)];
        shape->cpus_per_task = (int32_t)between(world, 1, 8);
        shape->tasks = (int32_t)between(world, 1, 8) * (shape->nodes > 0 ? shape->nodes : 1);
        if (i % 3 == 0)
            shape->memory_mib_per_cpu = between(world, 1, 16) * 256;
        else if (i % 3 == 1)
            shape->memory_mib_per_node = between(world, 1, 64) * 1024;
        if (i % 5 == 0 && shape->nodes > 0 && shape->nodes <= 4)
            shape->gpus_per_node = (int32_t)between(world, 1, GPUS);
    }
}

static void submit(struct world *world)
{
    static const char *const names[] = { "sim",  "post",  "train", "sweep",
                                         "mesh", "a.out", "qc",    "md" };
    struct dk_request request = { .type = DK_REQUEST_SUBMIT_JOB };
    struct dk_job_spec *spec = &request.submit_job.spec;

    if (world->shape_count > 0) {
        *spec = world->shapes[between(world, 0, world->shape_count - 1)];
    } else {
        spec->cpus_per_task = 1;
        spec->tasks = (int32_t)between(world, 1, INT64_C(1) << between(world, 0, 8));
    }
    spec->name = dk_text_of(names[between(world, 0, 7)]);
    spec->limit_us = between(world, 10, 24 * 60) * 60 * SECOND_US;
    request_add(world, &request);
}

/* Jobs of about half a node (one world), or of 1 to 4 whole nodes, until nothing is free. */
static void fill(struct world *world)
{
    uint64_t cores = (uint64_t)world->nodes * CORES, asked = 0;

    for (uint32_t i = 1; asked < cores; i++) {
        struct dk_request request = { .type = DK_REQUEST_SUBMIT_JOB };
        struct dk_job_spec *spec = &request.submit_job.spec;
        int64_t least = world->shape_count > 0 ? CORES : 1;
        int64_t most = world->shape_count > 0 ? 4 : 64;

        spec->cpus_per_task = 1;
        spec->tasks = (int32_t)(least * between(world, 1, most));
        if (asked + (uint64_t)spec->tasks > cores)
            spec->tasks = (int32_t)(cores - asked);
        asked += (uint64_t)spec->tasks;
        spec->nodes = world->shape_count > 0 ? spec->tasks / CORES : 0;
        spec->name = dk_text_of("fill");
        spec->limit_us = between(world, 3 * 60, 27 * 60) * 60 * SECOND_US;
        request_add(world, &request);
        if (i % FILL_BATCH == 0 || asked == cores)
            batch_note(world, batch_close(world));
    }
}

/* Over an hour and a quarter, so that some are past the age that counts. */
static void queue_make(struct world *world, uint32_t pending)
{
    int64_t step = HOUR_US * 5 / 4 / pending;
    struct dk_core_stats before, after;

    dk_core_stats(world->core, &before);
    for (uint32_t i = 1; i <= pending; i++) {
        world->now += step;
        submit(world);
        if (i % SUBMIT_BATCH == 0 || i == pending)
            batch_note(world, batch_close(world));
    }
    dk_core_stats(world->core, &after);
    world->job_bytes = (double)(after.bytes - before.bytes) / pending;
}

static void world_make(struct world *world, uint32_t nodes, uint32_t pending, uint32_t shape_count)
{
    static const struct dk_policy_spec in_order = { .backfill = DK_BACKFILL_NONE };
    struct dk_core_options options = { .digest = true };
    struct dk_batcher_options batcher_options = { .epoch = 1, .seq_next = 1 };

    memset(world, 0, sizeof(*world));
    world->nodes = nodes;
    world->shape_count = shape_count;
    world->now = INT64_C(1700000000) * SECOND_US;
    dk_prng_init(&world->prng, 2026);
    world->core = dk_core_create(&dk_heap, &options);
    world->batcher = dk_batcher_create(world->core, &dk_heap, &batcher_options);
    shapes_make(world);
    world->made_us[0] = cpu_us();
    nodes_make(world);
    partition_make(world);
    world->made_us[1] = cpu_us();
    fill(world);
    world->made_us[2] = cpu_us();
    policy_set(world, &in_order); /* while the queue is made: it is quick */
    queue_make(world, pending);
}

static void world_release(struct world *world)
{
    dk_batcher_destroy(world->batcher);
    dk_core_destroy(world->core);
    free(world->running);
}

/* --- measuring --- */

struct samples {
    double us[4096], sum;
    uint32_t count;
    uint64_t examined, started;
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void sample_add(struct world *world, struct samples *samples, double us, uint64_t examined)
{
    samples->us[samples->count++] = us;
    samples->sum += us;
    samples->examined += examined;
    samples->started += world->placed;
}

static uint64_t examined(const struct world *world)
{
    struct dk_core_stats stats;

    dk_core_stats(world->core, &stats);
    return stats.examined;
}

static void measure_submission(struct world *world, struct samples *samples)
{
    uint64_t before = examined(world);
    const struct dk_events *events;
    double start;

    world->now += SECOND_US / 10;
    start = cpu_us();
    submit(world);
    events = batch_close(world);
    start = cpu_us() - start;
    batch_note(world, events);
    sample_add(world, samples, start, examined(world) - before);
}

static void measure_end(struct world *world, struct samples *samples)
{
    uint64_t before = examined(world), which = dk_prng_below(&world->prng, world->running_count);
    struct dk_request request = { .type = DK_REQUEST_REPORT_END };
    const struct dk_events *events;
    double start;

    request.report_end.job = world->running[which].job;
    request.report_end.attempt = world->running[which].attempt;
    request.report_end.state = DK_END_STATE_COMPLETED;
    world->running[which] = world->running[--world->running_count];
    world->now += SECOND_US / 10;
    start = cpu_us();
    request_add(world, &request);
    events = batch_close(world);
    start = cpu_us() - start;
    batch_note(world, events);
    sample_add(world, samples, start, examined(world) - before);
}

static void print_samples(struct samples *samples)
{
    qsort(samples->us, samples->count, sizeof(samples->us[0]), compare);
    (void)printf("%9.1f %9.1f %9.1f %8.0f", samples->us[samples->count / 2],
                 samples->us[samples->count * 9 / 10], samples->us[samples->count - 1],
                 (double)samples->examined / samples->count);
}

static void measure_policy(struct world *world, const struct policy_row *policy, uint32_t pending,
                           uint32_t rounds)
{
    static struct samples submissions, ends;

    memset(&submissions, 0, sizeof(submissions));
    memset(&ends, 0, sizeof(ends));
    policy_set(world, &policy->spec);
    for (uint32_t i = 0; i < rounds; i++) {
        double spent = submissions.sum + ends.sum;

        if (spent > (i < ROUNDS_LEAST ? 10 : 1) * BUDGET_S * 1e6)
            break;
        measure_submission(world, &submissions);
        measure_end(world, &ends);
    }
    (void)printf("%7u %8u  %-21s", world->nodes, pending, policy->name);
    print_samples(&submissions);
    (void)printf("  ");
    print_samples(&ends);
    (void)printf(" %7.1f %6.0f\n", (double)ends.started / ends.count, world->job_bytes);
    (void)fflush(stdout);
}

/* An array of a million tasks that has to wait, and cancels of waiting jobs in one batch. */
static void measure_bulk(struct world *world)
{
    struct dk_index_range range = { 0, ARRAY_TASKS - 1, 1 };
    struct dk_request request = { .type = DK_REQUEST_SUBMIT_JOB };
    struct dk_job_spec *spec = &request.submit_job.spec;
    struct dk_core_stats stats;
    double start;
    uint32_t cancelled = 0;

    spec->tasks = CORES / 2;
    spec->cpus_per_task = 1;
    spec->name = dk_text_of("array");
    spec->limit_us = HOUR_US;
    spec->has_array = true;
    spec->array.ranges = &range;
    spec->array.ranges_count = 1;
    world->now += SECOND_US;
    start = cpu_us();
    request_add(world, &request);
    batch_note(world, batch_close(world));
    (void)printf("# array of %d tasks submitted: %.1f us\n", ARRAY_TASKS, cpu_us() - start);
    dk_core_stats(world->core, &stats);
    world->now += SECOND_US;
    start = cpu_us();
    for (int64_t job = stats.job_next - 1; job > 0 && cancelled < CANCELS; job--) {
        struct dk_request cancel = { .type = DK_REQUEST_CANCEL_JOB };

        if (dk_core_job_state(world->core, job) != DK_JOB_PENDING)
            continue;
        cancel.cancel_job.job = job;
        request_add(world, &cancel);
        cancelled++;
    }
    batch_note(world, batch_close(world));
    start = cpu_us() - start;
    (void)printf("# %u pending jobs cancelled in one batch: %.1f ms, %.2f us each\n", cancelled,
                 start / 1e3, start / cancelled);
}

/* --- the table --- */

struct options {
    const char *nodes, *pending, *shapes, *policy;
    uint32_t rounds;
    bool bulk;
};

static bool is_listed(const char *list, const char *name)
{
    size_t size = strlen(name);

    if (list == NULL)
        return true;
    for (const char *at = strstr(list, name); at != NULL; at = strstr(at + 1, name))
        if ((at == list || at[-1] == ',') && (at[size] == 0 || at[size] == ','))
            return true;
    return false;
}

static void measure_world(const struct options *options, uint32_t nodes, uint32_t pending,
                          uint32_t shape_count)
{
    static struct world world;

    world_make(&world, nodes, pending, shape_count);
    (void)fprintf(
        stderr,
        "# %u nodes registered in %.2f s, %zu jobs started in %.2f s, %u queued in %.2f s\n", nodes,
        (world.made_us[1] - world.made_us[0]) * 1e-6, world.running_count,
        (world.made_us[2] - world.made_us[1]) * 1e-6, pending,
        (cpu_us() - world.made_us[2]) * 1e-6);
    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
        if (is_listed(options->policy, policies[i].name))
            measure_policy(&world, &policies[i], pending, options->rounds);
    if (options->bulk) {
        policy_set(&world, &policies[0].spec);
        measure_bulk(&world);
    }
    world_release(&world);
}

static void header(const char *shapes)
{
    (void)printf("\n%s\n%7s %8s  %-21s%38s  %38s\n", shapes, "", "", "", "one submission, us",
                 "one job end with its starts, us");
    (void)printf("%7s %8s  %-21s%9s %9s %9s %8s  %9s %9s %9s %8s %7s %6s\n", "nodes", "pending",
                 "policy", "median", "p90", "worst", "looked", "median", "p90", "worst", "looked",
                 "starts", "B/job");
}

/* The numbers of a list, or of the default one. */
static size_t numbers_of(const char *list, const char *otherwise, uint32_t *numbers, size_t room)
{
    const char *at = list != NULL ? list : otherwise;
    size_t count = 0;

    while (*at != 0 && count < room) {
        char *end;

        numbers[count++] = (uint32_t)strtoul(at, &end, 10);
        if (end == at || numbers[count - 1] == 0) {
            (void)fprintf(stderr, "bench_sched: '%s' is no list of numbers\n", at);
            exit(2);
        }
        at = *end == ',' ? end + 1 : end;
    }
    return count;
}

static void measure_shapes(const struct options *options, uint32_t shape_count)
{
    uint32_t nodes[16], pending[16];
    size_t node_counts = numbers_of(options->nodes, "100,1000,10000,100000", nodes, 16);
    size_t pending_counts = numbers_of(options->pending, "1000,10000,1000000", pending, 16);

    if (options->nodes == NULL && options->pending == NULL) {
        for (size_t i = 0; i < node_counts; i++)
            measure_world(options, nodes[i], 100000, shape_count);
        for (size_t i = 0; i < pending_counts; i++)
            measure_world(options, 10000, pending[i], shape_count);
        return;
    }
    node_counts = numbers_of(options->nodes, "10000", nodes, 16);
    pending_counts = numbers_of(options->pending, "100000", pending, 16);
    for (size_t i = 0; i < node_counts; i++)
        for (size_t k = 0; k < pending_counts; k++)
            measure_world(options, nodes[i], pending[k], shape_count);
}

static bool option_is(const char *argument, const char *name, const char **value)
{
    size_t size = strlen(name);

    if (strncmp(argument, name, size) != 0)
        return false;
    *value = argument + size;
    return true;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *what;
        uint32_t count;
    } shapes[] = {
        { "one", "one: single cores anywhere", 0 },
        { "fifty", "fifty: 50 distinct demands of nodes, cores, memory, GPUs", 50 },
        { "thousand", "thousand: 1,000 distinct demands", 1000 },
    };
    struct options options = { .rounds = 400 };

    for (int i = 1; i < argc; i++) {
        const char *rounds = NULL;

        if (option_is(argv[i], "--rounds=", &rounds)) {
            uint32_t number = 1;

            (void)numbers_of(rounds, "", &number, 1);
            options.rounds = number < 4096 ? number : 4096;
        } else if (strcmp(argv[i], "--bulk") == 0) {
            options.bulk = true;
        } else if (!option_is(argv[i], "--nodes=", &options.nodes) &&
                   !option_is(argv[i], "--pending=", &options.pending) &&
                   !option_is(argv[i], "--shapes=", &options.shapes) &&
                   !option_is(argv[i], "--policy=", &options.policy)) {
            (void)fprintf(stderr, "bench_sched: no option '%s'; see the head of bench_sched.c\n",
                          argv[i]);
            return 2;
        }
    }
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (is_listed(options.shapes, shapes[i].name)) {
            header(shapes[i].what);
            measure_shapes(&options, shapes[i].count);
        }
    return 0;
}
