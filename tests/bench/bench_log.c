/* bench_log.c - what the file log costs beside the bare system calls, in the same run
 *
 *     bench_log [FOLDER [MIB]]       FOLDER must be on the disk in question, MIB is the log that is
 * read (1024)
 *
 * append  batches of 1, 16, 256 and 4,096 records of 100 bytes, each batch one commit; beside it
 * the same bytes by write + fdatasync to a file that grows, and to one that was zero-filled before.
 * The three take turns, so that a slow moment of the disk hits all. Median (lowest - highest) of
 * the rounds. wake    from the return of fdatasync in the writer to the return of
 * dk_log_reader_wait in another process. read    a warm log, every batch checked, plain and then
 * compressed.
 *
 * An idle machine is part of the method: under load the scheduler is what gets measured.
 */
#define _GNU_SOURCE /* mkdtemp */
#include "bench_log.h"
#include "by_value.h"

#include "log/io.h"
#include "log/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 7
#define WAKES 2000

static char folder[512];

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void need(bool good, const char *what)
{
    if (good)
        return;
    (void)fprintf(stderr, "bench_log: %s failed\n", what);
    exit(1);
}

static void new_place(char path[600], const char *name)
{
    char command[700];

    (void)snprintf(path, 600, "%s/%s", folder, name);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", path);
    need(system(command) == 0, "cleaning");
}

static void append_batch(struct dk_log *log, uint32_t count)
{
    struct dk_log_batch batch = { dk_log_seq_next(log), dk_log_epoch(log), count, records };

    need(dk_log_append(log, &batch, NULL) == DK_OK, "append");
}

/* Commits a second. */
static double run_log(uint32_t count, int commits)
{
    char path[600], uri[700];
    struct dk_log *log;
    uint64_t start;

    new_place(path, "log");
    (void)snprintf(uri, sizeof(uri), "file:%s", path);
    need(dk_log_open(&log, uri, NULL, NULL) == DK_OK, "open");
    start = now_ns();
    for (int i = 0; i < commits; i++) {
        append_batch(log, count);
        need(dk_log_sync(log, NULL) == DK_OK, "sync");
    }
    start = now_ns() - start;
    need(dk_log_close(log, NULL) == DK_OK, "close");
    return commits * 1e9 / (double)start;
}

static double run_bare(uint32_t count, int commits, bool zero_filled)
{
    size_t size = (40 + (size_t)count * (4 + RECORD_SIZE) + 7) & ~(size_t)7;
    uint8_t *buffer = calloc(1, size + 65536);
    char path[600];
    uint64_t start;
    int fd;

    new_place(path, "bare");
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    need(fd >= 0, "creating");
    if (zero_filled)
        for (size_t at = 0; at < size * (size_t)commits; at += 65536)
            need(pwrite(fd, buffer + size, 65536, (off_t)at) == 65536, "zero-filling");
    for (size_t i = 0; i < size; i++)
        buffer[i] = bytes[i / RECORD_SIZE % BATCH_MAX][i % RECORD_SIZE];
    need(fsync(fd) == 0, "fsync");
    start = now_ns();
    for (int i = 0; i < commits; i++) {
        need(pwrite(fd, buffer, size, (off_t)(size * (size_t)i)) == (ssize_t)size, "write");
        need(fdatasync(fd) == 0, "fdatasync");
    }
    start = now_ns() - start;
    (void)close(fd);
    (void)unlink(path);
    free(buffer);
    return commits * 1e9 / (double)start;
}

static void bench_append(void)
{
    static const struct {
        uint32_t count;
        int commits;
    } sizes[] = { { 1, 2000 }, { 16, 2000 }, { 256, 2000 }, { 4096, 400 } };

    (void)printf("append, records/s (one commit a batch, %d rounds)\n", ROUNDS);
    (void)printf("%8s %34s %34s %34s %7s %7s\n", "batch", "file log", "write+fdatasync, growing",
                 "write+fdatasync, zero-filled", "/grow", "/zero");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        double rates[3][ROUNDS];

        for (int round = 0; round < ROUNDS; round++) {
            rates[0][round] = run_log(sizes[i].count, sizes[i].commits) * sizes[i].count;
            rates[1][round] = run_bare(sizes[i].count, sizes[i].commits, false) * sizes[i].count;
            rates[2][round] = run_bare(sizes[i].count, sizes[i].commits, true) * sizes[i].count;
        }
        (void)printf("%8u", sizes[i].count);
        for (int kind = 0; kind < 3; kind++) {
            qsort(rates[kind], ROUNDS, sizeof(double), by_value);
            (void)printf(" %10.0f (%9.0f - %9.0f)", rates[kind][ROUNDS / 2], rates[kind][0],
                         rates[kind][ROUNDS - 1]);
        }
        (void)printf(" %7.2f %7.2f\n", rates[0][ROUNDS / 2] / rates[1][ROUNDS / 2],
                     rates[0][ROUNDS / 2] / rates[2][ROUNDS / 2]);
        (void)fflush(stdout);
    }
}

struct shared {
    _Atomic uint64_t durable_ns; /* when the last fdatasync returned */
    _Atomic uint64_t seen;
    double wakes_us[WAKES];
};

static int timed_sync(void *ctx, int fd)
{
    int result = fdatasync(fd);

    atomic_store(&((struct shared *)ctx)->durable_ns, now_ns());
    return result;
}

static void follow(const char *uri, struct shared *shared)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;

    need(dk_log_reader_open(&reader, uri, 1, NULL) == DK_OK, "reader");
    for (uint64_t i = 0; i < WAKES;) {
        enum dk_status status = dk_log_reader_next(reader, &batch, NULL);

        if (status == DK_AGAIN) {
            if (dk_log_reader_wait(reader, -1, NULL) == DK_OK)
                shared->wakes_us[i] =
                    (double)(now_ns() - atomic_load(&shared->durable_ns)) / 1000.0;
            continue;
        }
        need(status == DK_OK, "next");
        atomic_store(&shared->seen, ++i);
    }
    _exit(0);
}

static void bench_wake(void)
{
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct dk_log_io io = dk_log_io_system;
    struct dk_log_options options = { .io = &io };
    struct timespec pause = { 0, 500000 };
    char path[600], uri[700];
    struct dk_log *log;
    pid_t child;

    new_place(path, "log");
    (void)snprintf(uri, sizeof(uri), "file:%s", path);
    io.ctx = shared;
    io.sync = timed_sync;
    need(dk_log_open(&log, uri, &options, NULL) == DK_OK, "open");
    child = fork();
    if (child == 0)
        follow(uri, shared);
    for (uint64_t i = 0; i < WAKES; i++) {
        (void)nanosleep(&pause, NULL);
        append_batch(log, 4);
        need(dk_log_sync(log, NULL) == DK_OK, "sync");
        while (atomic_load(&shared->seen) <= i)
            (void)nanosleep(&(struct timespec){ 0, 50000 }, NULL);
    }
    (void)waitpid(child, NULL, 0);
    need(dk_log_close(log, NULL) == DK_OK, "close");
    qsort(shared->wakes_us, WAKES, sizeof(double), by_value);
    (void)printf(
        "wake of a reader in another process, us after durable: p50 %.0f  p90 %.0f  p99 %.0f\n",
        shared->wakes_us[WAKES / 2], shared->wakes_us[WAKES * 9 / 10],
        shared->wakes_us[WAKES * 99 / 100]);
    (void)munmap(shared, sizeof(*shared));
}

static void read_once(const char *uri, const char *what)
{
    double gigabytes[ROUNDS], rate[ROUNDS];

    for (int round = 0; round < ROUNDS; round++) {
        struct dk_log_reader *reader;
        struct dk_log_batch batch;
        uint64_t start = now_ns(), count = 0, size = 0;

        need(dk_log_reader_open(&reader, uri, 1, NULL) == DK_OK, "reader");
        while (dk_log_reader_next(reader, &batch, NULL) == DK_OK) {
            count += batch.count;
            size += 40 + (uint64_t)batch.count * (4 + RECORD_SIZE);
        }
        dk_log_reader_close(reader);
        start = now_ns() - start;
        gigabytes[round] = (double)size / (double)start;
        rate[round] = (double)count * 1000.0 / (double)start;
    }
    qsort(gigabytes, ROUNDS, sizeof(double), by_value);
    qsort(rate, ROUNDS, sizeof(double), by_value);
    (void)printf("read, %s, batches of 256: %.2f GB/s (%.2f - %.2f), %.1f M records/s\n", what,
                 gigabytes[ROUNDS / 2], gigabytes[0], gigabytes[ROUNDS - 1], rate[ROUNDS / 2]);
}

static void bench_read(uint64_t mib)
{
    struct dk_log_options options = { .deferred = true };
    char path[600], uri[700];
    struct dk_log *log;
    uint64_t start = now_ns(), segments = 0;

    new_place(path, "log");
    (void)snprintf(uri, sizeof(uri), "file:%s", path);
    need(dk_log_open(&log, uri, &options, NULL) == DK_OK, "open");
    for (uint64_t size = 0; size < mib << 20; size += 256 * (4 + RECORD_SIZE)) {
        append_batch(log, 256);
        need(dk_log_sync(log, NULL) == DK_OK, "sync");
    }
    start = now_ns() - start;
    (void)printf("write, deferred, batches of 256: %.2f GB/s, %.1f M records/s\n",
                 (double)(mib << 20) / (double)start,
                 (double)(mib << 20) / (4 + RECORD_SIZE) * 1000.0 / (double)start);
    read_once(uri, "plain");
    start = now_ns();
    while (dk_log_compact_step(log, NULL) == DK_OK)
        segments++;
    start = now_ns() - start;
    (void)printf("compress and compare: %" PRIu64 " segments, %.0f MB/s\n", segments,
                 (double)segments * 67.1 * 1000.0 / ((double)start / 1e6));
    read_once(uri, "compressed");
    need(dk_log_close(log, NULL) == DK_OK, "close");
}

int main(int argc, char **argv)
{
    const char *base = argc > 1 ? argv[1] : ".";
    char path[600];

    (void)snprintf(folder, sizeof(folder), "%s/bench_log-XXXXXX", base);
    need(mkdtemp(folder) != NULL, "making a folder");
    fill();
    bench_append();
    bench_wake();
    bench_read(argc > 2 ? strtoull(argv[2], NULL, 10) : 1024);
    new_place(path, "log");
    (void)rmdir(folder);
    return 0;
}
