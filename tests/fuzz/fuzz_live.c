/* fuzz_live.c - live views from any bytes: refused, or views that answer, go on, and write the same
 *
 * The bytes are structs as they lie in memory, so seeds cannot be files: the mutator begins with
 * what a small cluster writes, which every second input of it is a change of. */
#include "base/check.h"
#include "projections/live.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

static void apply(struct dk_live *live, struct dk_event event)
{
    event.meta.seq = (dk_live_seq(live) & INT32_MAX) + 1;
    event.meta.time = event.meta.seq * 1000000;
    event.meta.epoch = 1;
    event.meta.actor = (struct dk_actor){ .user = dk_text_of("ann"), .host = dk_text_of("login") };
    dk_live_begin(live);
    dk_live_apply(live, &event);
    dk_live_end(live);
}

static void add_site(struct dk_live *live)
{
    static const char *const names[] = { "n1", "n2" };
    struct dk_partition_spec partition = { .name = dk_text_of("main"), .all_nodes = true };
    struct dk_event event = { .type = DK_EVENT_CONFIGURATION_APPLIED };

    event.configuration_applied.config.cluster = dk_text_of("fuzz");
    event.configuration_applied.config.partitions = &partition;
    event.configuration_applied.config.partitions_count = 1;
    apply(live, event);
    for (int i = 0; i < 2; i++) {
        event = (struct dk_event){ .type = DK_EVENT_NODE_REGISTERED };
        event.node_registered.spec = (struct dk_node_spec){
            .name = dk_text_of(names[i]), .cores = 4, .memory_mib = 1000, .gpus = 1
        };
        event.node_registered.number = i;
        event.node_registered.core_first = 4 * i;
        event.node_registered.gpu_first = i;
        apply(live, event);
    }
}

/* 1 waits, 2 is an array, 3 and 4 run, on one node and on both; 4 is to end. */
static void add_jobs(struct dk_live *live)
{
    const struct dk_index_range range = { 0, 9, 1 };
    struct dk_span cores = { .gap = 0, .count = 3 }, gpus = { .gap = 0, .count = 1 };
    struct dk_event event;

    for (int64_t job = 1; job <= 4; job++) {
        event = (struct dk_event){ .type = DK_EVENT_JOB_SUBMITTED };
        event.job_submitted.job = job;
        event.job_submitted.spec =
            (struct dk_job_spec){ .tasks = 1, .cpus_per_task = 1, .limit_us = 1000000 };
        event.job_submitted.spec.partition = dk_text_of("main");
        event.job_submitted.spec.has_array = job == 2;
        event.job_submitted.spec.array =
            (struct dk_array_spec){ .ranges = &range, .ranges_count = job == 2 };
        apply(live, event);
    }
    for (int64_t job = 3; job <= 4; job++) {
        event = (struct dk_event){ .type = DK_EVENT_JOB_PLACED };
        event.job_placed = (struct dk_job_placed){
            .job = job, .attempt = 1, .task = -1, .cores = &cores, .cores_count = 1, .gpus = &gpus
        };
        event.job_placed.gpus_count = job == 3;
        apply(live, event);
        cores = (struct dk_span){ .gap = 3, .count = 3 };
    }
    event = (struct dk_event){ .type = DK_EVENT_JOB_END_REQUESTED };
    event.job_end_requested.job = 4;
    event.job_end_requested.attempt = 1;
    apply(live, event);
}

static const struct dk_buf *small_cluster(void)
{
    static struct dk_buf bytes; /* kept for the life of the process */
    struct dk_live *live;

    if (bytes.data == NULL) {
        live = dk_live_create(NULL);
        add_site(live);
        add_jobs(live);
        dk_buf_init(&bytes, &dk_heap, 1 << 20);
        dk_live_write(live, &bytes);
        dk_live_destroy(live);
    }
    return &bytes;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed)
{
    const struct dk_buf *cluster = small_cluster();

    if ((seed % 2 == 0 || size < 64) && cluster->size <= size_max) {
        memcpy(data, cluster->data, cluster->size);
        size = cluster->size;
    }
    return LLVMFuzzerMutate(data, size, size_max);
}

static void ask(struct dk_live *live)
{
    struct dk_live_jobs jobs;
    struct dk_live_site site;
    struct dk_config_change change, *changes;
    uint64_t counts[DK_ROW_STATE_COUNT];
    struct dk_job_row row;
    struct dk_arena arena;
    struct dk_buf out;
    int64_t seq;

    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, 1 << 28);
    dk_live_jobs_open(live, NULL, &jobs);
    for (uint32_t i = 0; i < jobs.count; i++)
        dk_live_jobs_row(&jobs, i, &arena, &row);
    dk_live_jobs_close(&jobs);
    dk_live_counts(live, counts);
    dk_live_site_open(live, &site);
    for (uint32_t i = 0; i < site.node_count; i++)
        (void)dk_live_orders(live, i, 0, &out, &seq, NULL);
    dk_live_site_close(&site);
    (void)dk_live_config(live, &out, &change, &seq);
    (void)dk_live_config_history(live, &arena, &changes, &seq);
    dk_buf_release(&out);
    dk_arena_release(&arena);
}

/* All jobs end, if they can, and the same come again. */
static void go_on(struct dk_live *live)
{
    struct dk_event event;

    for (int64_t job = 1; job <= 4; job++) {
        event = (struct dk_event){ .type = DK_EVENT_JOB_ENDED };
        event.job_ended.job = job;
        event.job_ended.attempt = 1;
        apply(live, event);
    }
    add_jobs(live);
    ask(live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_live *live, *again;
    struct dk_buf first, second;

    if (dk_live_restore(&live, NULL, data, size, NULL) != DK_OK)
        return 0;
    dk_buf_init(&first, &dk_heap, 1 << 28);
    dk_buf_init(&second, &dk_heap, 1 << 28);
    dk_live_write(live, &first);
    DK_CHECK(dk_live_restore(&again, NULL, first.data, first.size, NULL) == DK_OK);
    dk_live_write(again, &second);
    DK_CHECK(first.size == second.size);
    ask(live);
    go_on(live);
    dk_live_destroy(live);
    dk_live_destroy(again);
    dk_buf_release(&first);
    dk_buf_release(&second);
    return 0;
}
