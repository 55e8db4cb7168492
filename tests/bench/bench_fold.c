/* bench_fold.c - how fast a log is folded, verified, and recovered from
 *
 *     bench_fold [--jobs=N] [--log=file:DIR] [--rounds=N]
 *
 * Without --log: N jobs (200,000) of the Lublin-Feitelson model on 1,024 processors are replayed by
 * FCFS with EASY into a log in a temporary folder (TMPDIR), which is removed at the end. With
 * --log: that log is read, and nothing is written.
 *
 *     write       the replay that writes the log, digests and hash chain on
 *     read        the log's own reader: checksums of batches, no decoding
 *     fold        decode, chain, apply; without the core's digest (the recorded ones are not
 * compared) fold+digest the same, digest kept up and compared: what `docket log verify` does verify
 * and every decision made again: what `docket audit verify` does recover     from scratch as
 * fold+digest; from a snapshot at 99 % of the log: load, restore, fold the rest
 *
 * Rows take turns, --rounds (5) of each; median (fastest - slowest), CPU time of this thread. The
 * log is warm. */
#define _GNU_SOURCE
#include "base/check.h"
#include "batch/batch.h"
#include "log/snapshots.h"
#include "replay/lublin.h"
#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 64, PROCS = 1024 };

static double cpu_s(void)
{
    struct timespec time;

    DK_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void check(enum dk_status status, const struct dk_err *err)
{
    if (status == DK_OK)
        return;
    (void)fprintf(stderr, "bench_fold: %s\n", err->text);
    exit(1);
}

static void write_log(const char *uri, uint32_t jobs)
{
    struct dk_lublin_options model = {
        .jobs = jobs, .procs = PROCS, .seed = 2026, .load_percent = 90
    };
    struct dk_log_options log_options = { .deferred = true };
    struct dk_replay_options options = { .run_over = false };
    struct dk_replay_result result;
    struct dk_machine machine;
    struct dk_trace trace;
    struct dk_err err;

    dk_lublin_generate(&trace, &model, &dk_heap);
    check(dk_machine_guess(&machine, PROCS, 0, &err), &err);
    dk_policy_spec_default(&options.policy);
    check(dk_log_open(&options.log, uri, &log_options, &err), &err);
    check(dk_replay_run(&result, &trace, &machine, &options, &dk_heap, &err), &err);
    check(dk_log_close(options.log, &err), &err);
    (void)printf("write        %10.0f events/s  %9.0f jobs/s  (%llu events, wall time)\n",
                 (double)result.events * 1e9 / (double)result.elapsed_ns,
                 jobs * 1e9 / (double)result.elapsed_ns, (unsigned long long)result.events);
    dk_replay_release(&result, &trace, &dk_heap);
    dk_trace_release(&trace);
}

/* --- one run of each kind --- */

struct outcome {
    double seconds;
    uint64_t events, bytes, digest;
};

static struct outcome read_only(const char *uri)
{
    struct outcome outcome = { .seconds = cpu_s() };
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;
    enum dk_status status;

    check(dk_log_reader_open(&reader, uri, 1, &err), &err);
    while ((status = dk_log_reader_next(reader, &batch, &err)) == DK_OK) {
        outcome.events += batch.count;
        for (uint32_t i = 0; i < batch.count; i++)
            outcome.bytes += batch.records[i].size;
    }
    check(status == DK_AGAIN ? DK_OK : status, &err);
    dk_log_reader_close(reader);
    outcome.seconds = cpu_s() - outcome.seconds;
    return outcome;
}

/* Folds what is left of the log into the core; stops after seq_last. `closed`: see dk_fold_create.
 */
static void fold_rest(struct dk_core *core, const char *uri, enum dk_fold_depth depth,
                      uint64_t seq_from, uint64_t seq_last, struct dk_buf *closed,
                      struct outcome *outcome)
{
    struct dk_fold *fold = dk_fold_create(
        core, &dk_heap, depth, closed->size > 0 ? closed->data : NULL, (uint32_t)closed->size);
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_fold_stats stats;
    struct dk_err err;
    enum dk_status status = DK_OK;
    uint64_t done = 0;

    check(dk_log_reader_open(&reader, uri, seq_from, &err), &err);
    while (done < seq_last && (status = dk_log_reader_next(reader, &batch, &err)) == DK_OK) {
        check(dk_fold_batch(fold, &batch, &err), &err);
        done = batch.seq_first + batch.count - 1;
        if (done >= seq_last) {
            dk_buf_clear(closed);
            (void)dk_buf_add(closed, batch.records[batch.count - 1].data,
                             batch.records[batch.count - 1].size);
        }
    }
    check(status == DK_AGAIN ? DK_OK : status, &err);
    dk_fold_stats(fold, &stats);
    outcome->events = stats.events;
    outcome->bytes = stats.bytes;
    outcome->digest = dk_core_digest(core);
    dk_log_reader_close(reader);
    dk_fold_destroy(fold);
}

static struct outcome fold_all(const char *uri, enum dk_fold_depth depth, bool digest)
{
    struct outcome outcome = { .seconds = cpu_s() };
    struct dk_core_options options = { .digest = digest };
    struct dk_core *core = dk_core_create(&dk_heap, &options);
    struct dk_buf closed;

    dk_buf_init(&closed, &dk_heap, 1 << 20);
    fold_rest(core, uri, depth, 1, UINT64_MAX, &closed, &outcome);
    outcome.seconds = cpu_s() - outcome.seconds;
    dk_buf_release(&closed);
    dk_core_destroy(core);
    return outcome;
}

/* --- rows --- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_row(const char *name, double *seconds, unsigned rounds, uint64_t events)
{
    double count = (double)events;

    qsort(seconds, rounds, sizeof(*seconds), compare);
    (void)printf("%-12s %10.0f events/s  (%.0f - %.0f)  %.3f s\n", name,
                 count / seconds[rounds / 2], count / seconds[rounds - 1], count / seconds[0],
                 seconds[rounds / 2]);
}

static void bench_rows(const char *uri, unsigned rounds)
{
    static const char *const names[] = { "read", "fold", "fold+digest", "verify" };
    double seconds[4][ROUNDS_MAX];
    struct outcome outcome = { .events = 0 };

    for (unsigned round = 0; round < rounds; round++) {
        outcome = read_only(uri);
        seconds[0][round] = outcome.seconds;
        if (round == 0)
            (void)printf("log          %llu events of %.1f bytes\n",
                         (unsigned long long)outcome.events,
                         (double)outcome.bytes / (double)outcome.events);
        seconds[1][round] = fold_all(uri, DK_FOLD_APPLY, false).seconds;
        seconds[2][round] = fold_all(uri, DK_FOLD_APPLY, true).seconds;
        seconds[3][round] = fold_all(uri, DK_FOLD_VERIFY, true).seconds;
    }
    for (unsigned i = 0; i < 4; i++)
        print_row(names[i], seconds[i], rounds, outcome.events);
}

/* --- recovery --- */

/* The snapshots go into a folder of their own: a log that was named is only read. */
static void bench_recovery(const char *uri, const char *folder, unsigned rounds)
{
    struct dk_core_options options = { .digest = true };
    struct dk_core *core = dk_core_create(&dk_heap, &options);
    struct outcome whole = { .seconds = 0 }, outcome;
    struct dk_core_stats core_stats;
    struct dk_buf closed, bytes;
    struct dk_err err;
    double seconds[ROUNDS_MAX], begun;
    struct dk_log_stat log_stat;
    uint64_t cut;

    check(dk_log_stat(uri, &log_stat, &err), &err);
    cut = log_stat.seq_last / 100 * 99;
    dk_buf_init(&closed, &dk_heap, 1 << 20);
    dk_buf_init(&bytes, &dk_heap, (size_t)DK_SNAPSHOT_SIZE_MAX);
    fold_rest(core, uri, DK_FOLD_APPLY, 1, cut, &closed, &whole);
    dk_core_stats(core, &core_stats);
    begun = cpu_s();
    dk_core_snapshot(core, &bytes);
    begun = cpu_s() - begun;
    (void)printf("snapshot     %zu bytes of %llu jobs waiting, %llu running: made in %.3f s",
                 bytes.size, (unsigned long long)core_stats.jobs_pending,
                 (unsigned long long)core_stats.jobs_running, begun);
    begun = cpu_s();
    check(dk_snapshots_save(folder, whole.events, bytes.data, bytes.size, 1, &err), &err);
    (void)printf(", saved in %.3f s\n", cpu_s() - begun);
    dk_core_destroy(core);
    outcome = fold_all(uri, DK_FOLD_APPLY, true);
    for (unsigned round = 0; round < rounds; round++) {
        struct outcome tail = { .seconds = cpu_s() };
        struct dk_core *restored;
        struct dk_buf last;
        uint64_t seq;

        dk_buf_clear(&bytes);
        check(dk_snapshots_load(folder, UINT64_MAX, &seq, &bytes, &err), &err);
        check(dk_core_restore(&restored, bytes.data, bytes.size, &dk_heap, &options, &err), &err);
        dk_buf_init(&last, &dk_heap, 1 << 20);
        (void)dk_buf_add(&last, closed.data, closed.size);
        fold_rest(restored, uri, DK_FOLD_APPLY, seq + 1, UINT64_MAX, &last, &tail);
        seconds[round] = cpu_s() - tail.seconds;
        DK_CHECK(tail.digest == outcome.digest);
        dk_buf_release(&last);
        dk_core_destroy(restored);
    }
    qsort(seconds, rounds, sizeof(seconds[0]), compare);
    (void)printf("recover      %.3f s from the snapshot and the last %llu events (%.3f - %.3f)\n",
                 seconds[rounds / 2], (unsigned long long)(outcome.events - whole.events),
                 seconds[0], seconds[rounds - 1]);
    dk_buf_release(&bytes);
    dk_buf_release(&closed);
}

/* --- the temporary folder --- */

static void folder_remove(const char *folder)
{
    char command[600];

    /* The name is our own mkdtemp's: letters, digits and slashes. */
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    if (system(command) != 0)
        (void)fprintf(stderr, "bench_fold: '%s' could not be removed\n", folder);
}

int main(int argc, char **argv)
{
    const char *base = getenv("TMPDIR"), *log = NULL;
    char folder[512], uri[600];
    unsigned rounds = 5;
    uint32_t jobs = 200000;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--jobs=", 7) == 0) {
            jobs = (uint32_t)strtoul(argv[i] + 7, NULL, 10);
        } else if (strncmp(argv[i], "--rounds=", 9) == 0) {
            rounds = (unsigned)strtoul(argv[i] + 9, NULL, 10);
        } else if (strncmp(argv[i], "--log=", 6) == 0) {
            log = argv[i] + 6;
        } else {
            (void)fprintf(stderr, "bench_fold: no option '%s'; see the head of bench_fold.c\n",
                          argv[i]);
            return 2;
        }
    }
    if (jobs < 1000 || rounds < 1 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "bench_fold: at least 1,000 jobs and 1 to %d rounds\n", ROUNDS_MAX);
        return 2;
    }
    (void)snprintf(folder, sizeof(folder), "%s/bench_fold.XXXXXX", base != NULL ? base : "/tmp");
    DK_CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(uri, sizeof(uri), "file:%s/log", folder);
    if (log == NULL)
        write_log(uri, jobs);
    bench_rows(log != NULL ? log : uri, rounds);
    bench_recovery(log != NULL ? log : uri, folder, rounds);
    folder_remove(folder);
    return 0;
}
