/* bench_kafka.c - what the log costs on Kafka; beside a broker that DOCKET_KAFKA names
 *
 *     tests/e2e/kafka/broker.py -- build/release/bin/bench_kafka [RECORDS]
 *
 * sync    batches of 1, 16, 256 and 4,096 records of 100 bytes, one dk_log_sync each: from its call
 *         until it returns
 * wake    from the call of dk_log_sync until a reader that slept has the batch
 * read    RECORDS of them (1,000,000) from the start, every batch checked
 * open    a reader at a seq somewhere in them; a writer that takes over
 *
 * Broker, writer and reader share this machine's processors, which is most of what is measured.
 */
#include "bench_log.h"
#include "by_value.h"

#include "log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMES_MAX 1000
#define OPENS 25

static char uri[600];
static double times[TIMES_MAX];

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void need(enum dk_status status, const struct dk_err *err, const char *what)
{
    if (status == DK_OK)
        return;
    (void)fprintf(stderr, "bench_kafka: %s: %s\n", what, err->text);
    exit(1);
}

static void report(const char *what, int count)
{
    qsort(times, (size_t)count, sizeof(times[0]), by_value);
    (void)printf("%-34s p50 %7.2f   p90 %7.2f   p99 %7.2f   most %7.2f ms\n", what,
                 times[count / 2], times[count * 9 / 10], times[count * 99 / 100],
                 times[count - 1]);
}

static struct dk_log *open_log(void)
{
    struct dk_log *log;
    struct dk_err err;

    need(dk_log_open(&log, uri, NULL, &err), &err, "open");
    return log;
}

static void sync_batch(struct dk_log *log, uint32_t count)
{
    struct dk_log_batch batch = { dk_log_seq_next(log), dk_log_epoch(log), count, records };
    struct dk_err err;

    need(dk_log_append(log, &batch, &err), &err, "append");
    need(dk_log_sync(log, &err), &err, "sync");
}

static void bench_sync(struct dk_log *log, uint32_t count, int commits)
{
    double before = now_ms();
    char what[64];

    for (int i = 0; i < commits; i++) {
        double start = now_ms();

        sync_batch(log, count);
        times[i] = now_ms() - start;
    }
    before = now_ms() - before;
    (void)snprintf(what, sizeof(what), "sync %4u  %5.0f/s %7.0f records/s", count,
                   commits * 1e3 / before, commits * 1e3 / before * count);
    report(what, commits);
}

struct follower {
    struct dk_log_reader *reader;
    int count;
    double at[TIMES_MAX];
};

static void *follow(void *argument)
{
    struct follower *follower = argument;
    struct dk_log_batch batch;

    for (int i = 0; i < follower->count;) {
        enum dk_status status = dk_log_reader_next(follower->reader, &batch, NULL);

        if (status == DK_OK)
            follower->at[i++] = now_ms();
        else
            (void)dk_log_reader_wait(follower->reader, 1000, NULL);
    }
    return NULL;
}

static void bench_wake(struct dk_log *log, int count)
{
    static struct follower follower;
    static double start[TIMES_MAX];
    pthread_t thread;
    struct dk_err err;

    follower.count = count;
    need(dk_log_reader_open(&follower.reader, uri, dk_log_seq_next(log), &err), &err, "reader");
    if (pthread_create(&thread, NULL, follow, &follower) != 0)
        exit(1);
    for (int i = 0; i < count; i++) {
        (void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
        start[i] = now_ms();
        sync_batch(log, 1);
    }
    (void)pthread_join(thread, NULL);
    for (int i = 0; i < count; i++)
        times[i] = follower.at[i] - start[i];
    dk_log_reader_close(follower.reader);
    report("wake", count);
}

static void bench_read(uint64_t seq_last)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;
    double start = now_ms();
    uint64_t seq = 0;

    need(dk_log_reader_open(&reader, uri, 1, &err), &err, "reader");
    while (seq < seq_last && dk_log_reader_next(reader, &batch, &err) == DK_OK)
        seq = batch.seq_first + batch.count - 1;
    start = now_ms() - start;
    (void)printf("read      %.0f records/s (%llu)\n", (double)seq * 1e3 / start,
                 (unsigned long long)seq);
    dk_log_reader_close(reader);
}

static void bench_open(uint64_t seq_last)
{
    struct dk_log_batch batch;
    struct dk_err err;

    for (int i = 0; i < OPENS; i++) {
        struct dk_log_reader *reader;
        double start = now_ms();

        need(dk_log_reader_open(&reader, uri, 1 + seq_last * (uint64_t)i / OPENS, &err), &err,
             "reader");
        need(dk_log_reader_next(reader, &batch, &err), &err, "next");
        times[i] = now_ms() - start;
        dk_log_reader_close(reader);
    }
    report("open a reader, and its first batch", OPENS);
    for (int i = 0; i < OPENS; i++) {
        double start = now_ms();
        struct dk_log *log = open_log();

        times[i] = now_ms() - start;
        (void)dk_log_close(log, NULL);
    }
    report("open a writer, of an idle log", OPENS);
}

int main(int argc, char **argv)
{
    static const struct {
        uint32_t count;
        int commits;
    } sizes[] = { { 1, 500 }, { 16, 500 }, { 256, 300 }, { 4096, 100 } };
    uint64_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    struct dk_log *log;

    if (getenv("DOCKET_KAFKA") == NULL) {
        (void)fprintf(stderr, "bench_kafka: DOCKET_KAFKA names no broker\n");
        return 2;
    }
    (void)snprintf(uri, sizeof(uri), "kafka://%s/bench", getenv("DOCKET_KAFKA"));
    fill();
    log = open_log();
    for (int i = 0; i < 200; i++)
        sync_batch(log, 1); /* the broker compiles what it runs often */
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        bench_sync(log, sizes[i].count, sizes[i].commits);
    bench_wake(log, 300);
    while (dk_log_seq_next(log) <= wanted)
        sync_batch(log, BATCH_MAX);
    (void)dk_log_close(log, NULL);
    bench_read(dk_log_seq_next(log = open_log()) - 1);
    wanted = dk_log_seq_next(log) - 1;
    (void)dk_log_close(log, NULL);
    bench_open(wanted);
    return 0;
}
