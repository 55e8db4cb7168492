/* world.c - the clock, the nodes and the people of a world (what they ask: people.c) */
#include "world.h"

#include "auditor.h"
#include "base/check.h"
#include "people.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_2026 INT64_C(1767225600000000)

struct world {
    const struct world_options *options;
    struct world_result *result;
    const struct dk_alloc *alloc;
    struct dk_core *core;
    struct dk_batcher *batcher;
    struct dk_log *log;
    struct auditor *auditor;
    struct people people;
    struct dk_prng restores; /* a stream of its own: the people's must not notice */
    struct dk_buf bytes;
    char log_name[64];
    int64_t seq_next, same_time;
    uint32_t epoch;
};

static void complain(struct world *world, const char *fault)
{
    if (world->result->fault[0] == 0)
        (void)snprintf(world->result->fault, sizeof(world->result->fault), "%s", fault);
}

static bool is_bad(const struct world *world)
{
    return world->result->fault[0] != 0;
}

static void batcher_open(struct world *world, const uint8_t *closed, uint32_t closed_size)
{
    struct dk_batcher_options options = { .log = world->log,
                                          .epoch = world->epoch,
                                          .seq_next = world->seq_next,
                                          .closed = closed,
                                          .closed_size = closed_size };

    world->batcher = dk_batcher_create(world->core, world->alloc, &options);
}

static struct dk_core_options core_options(const struct world *world)
{
    return (struct dk_core_options){ .digest = true, .no_shortcut = world->options->no_shortcut };
}

/* --- what came of a batch --- */

static void note_start(struct world_result *result, int64_t job, int64_t time)
{
    if (result->start_count == result->start_capacity) {
        result->start_capacity = result->start_capacity == 0 ? 256 : result->start_capacity * 2;
        result->starts = realloc(result->starts, result->start_capacity * sizeof(*result->starts));
    }
    result->starts[result->start_count++] = (struct world_start){ job, time };
}

static void note_batch(struct world_result *result, uint64_t hash)
{
    if (result->batch_count == result->batch_capacity) {
        result->batch_capacity = result->batch_capacity == 0 ? 256 : result->batch_capacity * 2;
        result->batches =
            realloc(result->batches, result->batch_capacity * sizeof(*result->batches));
    }
    result->batches[result->batch_count++] = hash;
}

static uint64_t hash_bytes(uint64_t hash, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The core and the auditor agree on every job. */
static void compare_states(struct world *world)
{
    struct dk_core_stats stats;
    char text[160];

    for (int64_t id = 1; id <= auditor_job_last(world->auditor); id++) {
        int audited = auditor_job_state(world->auditor, id);
        int held = (int)dk_core_job_state(world->core, id);

        if (audited == held)
            continue;
        (void)snprintf(text, sizeof(text), "job %lld is in state %d, the auditor has %d",
                       (long long)id, held, audited);
        complain(world, text);
        return;
    }
    dk_core_stats(world->core, &stats);
    if (stats.jobs_running != auditor_jobs_running(world->auditor))
        complain(world, "the core counts other running jobs than the auditor");
}

static void observe(struct world *world, const struct dk_events *events)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (uint32_t i = 0; i < events->count; i++) {
        const struct dk_event *event = &events->items[i];

        dk_buf_clear(&world->bytes);
        DK_CHECK(dk_event_encode(event, &world->bytes, NULL) == DK_OK);
        hash = hash_bytes(hash, world->bytes.data, world->bytes.size);
        if (world->options->print) {
            struct dk_buf line;

            dk_buf_init(&line, &dk_heap, (size_t)1 << 20);
            DK_CHECK(dk_event_print(event, &line));
            printf("%.*s\n", (int)line.size, (const char *)line.data);
            dk_buf_release(&line);
        }
        auditor_event(world->auditor, event);
        people_see(&world->people, event);
        world->result->rejected += event->type == DK_EVENT_REQUEST_REJECTED;
        if (event->type == DK_EVENT_JOB_PLACED)
            note_start(world->result, event->job_placed.job, event->meta.time);
        world->seq_next = event->meta.seq + 1;
    }
    note_batch(world->result, hash);
    if (auditor_fault(world->auditor) != NULL)
        complain(world, auditor_fault(world->auditor));
    else
        compare_states(world);
}

/* The core becomes bytes and comes back; nobody may notice. */
static void restore(struct world *world)
{
    struct dk_core_options options = core_options(world);
    uint64_t digest = dk_core_digest(world->core);
    struct dk_core *restored = NULL;
    struct dk_buf snapshot, again;
    struct dk_err err;

    dk_buf_init(&snapshot, &dk_heap, (size_t)64 << 20);
    dk_buf_init(&again, &dk_heap, (size_t)64 << 20);
    dk_core_snapshot(world->core, &snapshot);
    if (dk_core_restore(&restored, snapshot.data, snapshot.size, world->alloc, &options, &err) !=
        DK_OK) {
        complain(world, err.text);
    } else {
        dk_core_snapshot(restored, &again);
        if (dk_core_digest(restored) != digest)
            complain(world, "a restored core has another digest");
        else if (again.size != snapshot.size || memcmp(again.data, snapshot.data, again.size) != 0)
            complain(world, "a restored core has another snapshot");
        dk_batcher_destroy(world->batcher);
        dk_core_destroy(world->core);
        world->core = restored;
        batcher_open(world, world->bytes.data,
                     (uint32_t)world->bytes.size); /* BatchClosed was last */
    }
    dk_buf_release(&snapshot);
    dk_buf_release(&again);
}

static void close_batch(struct world *world, int64_t now)
{
    const struct dk_events *events;
    struct dk_err err;

    if (dk_batcher_close(world->batcher, now, &events, &err) != DK_OK) {
        complain(world, err.text);
        return;
    }
    if (events->count == 0)
        return;
    observe(world, events);
    if (world->log != NULL && dk_log_sync(world->log, &err) != DK_OK)
        complain(world, err.text);
    if (world->options->restore && !is_bad(world) && dk_prng_below(&world->restores, 5) == 0)
        restore(world);
}

/* --- time --- */

static void step(struct world *world, int64_t now)
{
    struct dk_event clock = { .type = DK_EVENT_CLOCK_ADVANCED, .meta.time = now };

    if (people_act(&world->people, world->batcher, now) == 0)
        dk_batcher_event(world->batcher, &clock);
    close_batch(world, now);
    world->same_time = now == world->people.now ? world->same_time + 1 : 0;
    world->people.now = now;
    if (world->same_time > 2000)
        complain(world, "the world does not settle: 2000 batches at one time");
}

/* Until nobody wants anything and the core waits for nothing. */
static void live(struct world *world)
{
    while (!is_bad(world)) {
        int64_t next = people_next(&world->people), due = dk_core_next_deadline(world->core);

        if (due < next)
            next = due;
        if (next == INT64_MAX)
            return;
        step(world, next > world->people.now ? next : world->people.now);
    }
}

/* --- after it all --- */

static void fold_log(struct world *world)
{
    struct dk_core_options options = core_options(world);
    struct dk_core *core = dk_core_create(&dk_heap, &options);
    struct dk_fold *fold = dk_fold_create(core, &dk_heap, DK_FOLD_VERIFY, NULL, 0);
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_err err = { .status = DK_OK };
    enum dk_status status = dk_log_reader_open(&reader, world->log_name, 1, &err);

    while (status == DK_OK) {
        status = dk_log_reader_next(reader, &batch, &err);
        if (status == DK_OK)
            status = dk_fold_batch(fold, &batch, &err);
    }
    if (status != DK_AGAIN)
        complain(world, err.text);
    else if (dk_core_digest(core) != world->result->digest)
        complain(world, "folding the log ends in another digest");
    dk_log_reader_close(reader);
    dk_fold_destroy(fold);
    dk_core_destroy(core);
}

/* Whoever still waits is cancelled: then nobody may be left. */
static void end_world(struct world *world)
{
    people_tidy(&world->people);
    live(world);
    if (world->options->single_cores && !is_bad(world) && auditor_jobs_active(world->auditor) > 0)
        complain(world, "a job that could run was never started");
    people_cancel_all(&world->people);
    live(world);
    if (!is_bad(world) && auditor_jobs_active(world->auditor) > 0)
        complain(world, "a job is lost: all were ended, and it is not");
    world->result->digest = dk_core_digest(world->core);
    if (world->log != NULL && !is_bad(world))
        fold_log(world);
    if (world->log != NULL && world->options->read_log != NULL)
        world->options->read_log(world->options->context, world->log_name);
}

static void begin_world(struct world *world)
{
    struct dk_core_options options = core_options(world);
    struct dk_err err;

    if (!world->options->quiet) {
        static int worlds;

        (void)snprintf(world->log_name, sizeof(world->log_name), "memory:world-%d", ++worlds);
        DK_CHECK(dk_log_open(&world->log, world->log_name, NULL, &err) == DK_OK);
        world->epoch = dk_log_epoch(world->log);
    }
    world->seq_next = 1;
    world->core = dk_core_create(world->alloc, &options);
    world->auditor = auditor_create();
    if (world->options->single_cores)
        auditor_watch_order(world->auditor, world->options->policy, world->options->backfill);
    batcher_open(world, NULL, 0);
    dk_buf_init(&world->bytes, &dk_heap, (size_t)1 << 20);
    dk_prng_init(&world->restores, world->options->seed + 77);
    people_init(&world->people, world->options, EPOCH_2026);
}

void world_run(const struct world_options *options, struct world_result *result)
{
    struct world world = { .options = options, .result = result };

    memset(result, 0, sizeof(*result));
    world.alloc = options->strange_memory ? &world_strange_memory : &dk_heap;
    begin_world(&world);
    people_settle(&world.people, world.batcher);
    close_batch(&world, EPOCH_2026);
    live(&world);
    end_world(&world);
    dk_batcher_destroy(world.batcher);
    dk_core_destroy(world.core);
    if (world.log != NULL) {
        (void)dk_log_close(world.log, NULL);
        dk_log_memory_remove(world.log_name + strlen("memory:"));
    }
    auditor_destroy(world.auditor);
    people_release(&world.people);
    dk_buf_release(&world.bytes);
}

void world_result_release(struct world_result *result)
{
    free(result->batches);
    free(result->starts);
    memset(result, 0, sizeof(*result));
}
