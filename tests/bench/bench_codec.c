/* bench_codec.c - nanoseconds an event, encode and decode, of the events that replay is made of
 *
 *     bench_codec SCHEMAS [ROUNDS]        SCHEMAS is the build's schemas/ folder (avsc/ in it)
 *
 * Each row is the median and the range of 11 runs of ROUNDS events, CPU time of this thread. Avro
 * C's generic API beside it, with its value reused and fields filled by name, as our test oracle
 * does. */
#include "avro_c_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RUNS = 11 };

struct result {
    double middle, lowest, highest; /* ns an event */
};

static double cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static struct result summary(double *ns)
{
    struct result result;

    qsort(ns, RUNS, sizeof(*ns), compare);
    result.middle = ns[RUNS / 2];
    result.lowest = ns[0];
    result.highest = ns[RUNS - 1];
    return result;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_codec: %s\n", what);
    exit(1);
}

static struct result bench_encode(const struct dk_event *event, struct dk_buf *out, int rounds)
{
    double ns[RUNS];
    int run, i;

    for (run = 0; run < RUNS; run++) {
        double start = cpu_ns();

        for (i = 0; i < rounds; i++) {
            dk_buf_clear(out);
            if (dk_event_encode(event, out, NULL) != DK_OK)
                die("cannot encode");
        }
        ns[run] = (cpu_ns() - start) / rounds;
    }
    return summary(ns);
}

static struct result bench_decode(const struct dk_buf *bytes, struct dk_arena *arena, int rounds)
{
    double ns[RUNS];
    int run, i;

    for (run = 0; run < RUNS; run++) {
        double start = cpu_ns();
        struct dk_event event;

        for (i = 0; i < rounds; i++) {
            dk_arena_reset(arena);
            if (dk_event_decode(bytes->data, bytes->size, arena, &event, NULL) != DK_OK)
                die("cannot decode");
        }
        ns[run] = (cpu_ns() - start) / rounds;
    }
    return summary(ns);
}

static void bench_avro_c(const char *folder, const struct dk_event *event,
                         const struct dk_buf *bytes, int rounds, struct result *encode,
                         struct result *decode)
{
    const struct dk_shape *shape = dk_event_shape(event->type);
    avro_schema_t schema = avro_schema_load(folder, shape->name);
    avro_value_iface_t *class = schema == NULL ? NULL : avro_generic_class_from_schema(schema);
    double encode_ns[RUNS], decode_ns[RUNS];
    static char room[1 << 16];
    avro_writer_t writer = avro_writer_memory(room, sizeof(room));
    avro_reader_t reader =
        avro_reader_memory((const char *)bytes->data + 10, (int64_t)bytes->size - 10);
    avro_value_t value;
    int run, i;

    if (class == NULL || avro_generic_value_new(class, &value) != 0)
        die("avro c refuses the schema");
    for (run = 0; run < RUNS; run++) {
        double start = cpu_ns();

        for (i = 0; i < rounds; i++) {
            avro_writer_reset(writer);
            avro_value_reset(&value);
            if (!avro_fill(&value, shape, event) || avro_value_write(writer, &value) != 0)
                die("avro c cannot write");
        }
        encode_ns[run] = (cpu_ns() - start) / rounds;
        start = cpu_ns();
        for (i = 0; i < rounds; i++) {
            avro_reader_reset(reader);
            avro_value_reset(&value);
            if (avro_value_read(reader, &value) != 0)
                die("avro c cannot read");
        }
        decode_ns[run] = (cpu_ns() - start) / rounds;
    }
    *encode = summary(encode_ns);
    *decode = summary(decode_ns);
    avro_value_decref(&value);
    avro_reader_free(reader);
    avro_writer_free(writer);
    avro_value_iface_decref(class);
    avro_schema_decref(schema);
}

static struct dk_event typical(enum dk_event_type type)
{
    struct dk_event event;

    memset(&event, 0, sizeof(event));
    event.type = type;
    event.meta.seq = 1234567;
    event.meta.time = INT64_C(1700000000123456);
    event.meta.epoch = 3;
    return event;
}

static struct dk_event job_placed(void)
{
    static const struct dk_span cores[] = { { 1024, 64 }, { 64, 64 } };
    struct dk_event event = typical(DK_EVENT_JOB_PLACED);

    event.job_placed.job = 345678;
    event.job_placed.attempt = 1;
    event.job_placed.task = -1;
    event.job_placed.cores = cores;
    event.job_placed.cores_count = 2;
    return event;
}

static struct dk_event job_submitted(void)
{
    struct dk_event event = typical(DK_EVENT_JOB_SUBMITTED);
    struct dk_job_spec *spec = &event.job_submitted.spec;
    static const uint8_t digest[32] = { 1, 2, 3 };

    event.meta.cause = 500000;
    event.meta.has_actor = true;
    event.meta.actor.uid = 10123;
    event.meta.actor.gid = 100;
    event.meta.actor.user = dk_text_of("ada");
    event.meta.actor.host = dk_text_of("login1.cluster.example");
    event.job_submitted.job = 345678;
    event.job_submitted.key.data = digest;
    event.job_submitted.key.size = 16;
    spec->name = dk_text_of("relaxation-run-17");
    spec->partition = dk_text_of("batch");
    spec->account = dk_text_of("physics");
    spec->nodes = 4;
    spec->tasks = 256;
    spec->cpus_per_task = 1;
    spec->tasks_per_node = 64;
    spec->memory_mib_per_node = 192000;
    spec->limit_us = INT64_C(86400000000);
    spec->requeue = true;
    spec->work_dir = dk_text_of("/home/ada/runs/relaxation/17");
    spec->script.data = digest;
    spec->script.size = 32;
    return event;
}

static struct dk_event job_ended(void)
{
    struct dk_event event = typical(DK_EVENT_JOB_ENDED);

    event.job_ended.job = 345678;
    event.job_ended.attempt = 1;
    event.job_ended.has_usage = true;
    event.job_ended.usage.user_us = INT64_C(5400000000);
    event.job_ended.usage.system_us = 12000000;
    event.job_ended.usage.rss_max_kib = 2000000;
    event.job_ended.usage.read_bytes = INT64_C(12345678901);
    event.job_ended.usage.written_bytes = 987654321;
    return event;
}

static struct dk_event batch_closed(void)
{
    struct dk_event event = typical(DK_EVENT_BATCH_CLOSED);

    event.batch_closed.events = 17;
    event.batch_closed.requests_next = 500017;
    memset(event.batch_closed.chain.bytes, 0x5A, sizeof(event.batch_closed.chain.bytes));
    return event;
}

static void print_result(const char *name, const char *what, struct result ours,
                         struct result theirs)
{
    printf("%-13s %-6s %7.1f (%5.1f to %5.1f) %9.0f (%5.0f to %5.0f) %6.1f x\n", name, what,
           ours.middle, ours.lowest, ours.highest, theirs.middle, theirs.lowest, theirs.highest,
           theirs.middle / ours.middle);
}

int main(int argc, char **argv)
{
    struct dk_event events[4];
    struct dk_arena arena;
    struct dk_buf bytes;
    int rounds = argc > 2 ? atoi(argv[2]) : 200000;
    size_t i;

    if (argc < 2 || rounds < 100)
        die("usage: bench_codec SCHEMAS [ROUNDS]");
    events[0] = job_submitted();
    events[1] = job_placed();
    events[2] = job_ended();
    events[3] = batch_closed();
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&bytes, &dk_heap, 1 << 20);
    printf("                     docket ns (range)          Avro C generic ns (range)\n");
    for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct result encode = bench_encode(&events[i], &bytes, rounds);
        struct result decode = bench_decode(&bytes, &arena, rounds);
        struct result avro_encode, avro_decode;
        const char *name = dk_event_name(events[i].type);

        bench_avro_c(argv[1], &events[i], &bytes, rounds / 20, &avro_encode, &avro_decode);
        print_result(name, "encode", encode, avro_encode);
        print_result(name, "decode", decode, avro_decode);
        printf("%-13s %zu bytes with the 10 of the header\n", name, bytes.size);
    }
    dk_buf_release(&bytes);
    dk_arena_release(&arena);
    return 0;
}
