/* bench_history.c - what a job costs in accounting, and what questions about jobs cost
 *
 *     bench_history DIR [JOBS]         DIR is a folder for it, emptied before; 100,000 jobs
 *
 * Folds the runs of a made-up site (tests/harness/runs.h) into history: in bulk, as a projector
 * that catches up, and one job a commit, as one that follows. Then disk bytes a job, memory, and
 * the time of the questions that people ask. Times are of the wall. */
#define _GNU_SOURCE /* nftw */
#include "projections/history.h"
#include "projections/usage.h"
#include "runs.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SEED = 7, BULK = 1000 };

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void must(enum dk_status status, const struct dk_err *err)
{
    if (status == DK_OK)
        return;
    (void)fprintf(stderr, "bench_history: %s\n", err->text);
    exit(1);
}

static double disk_bytes;

static int file_count(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    (void)path;
    (void)walk;
    if (kind == FTW_F)
        disk_bytes += (double)stat->st_size;
    return 0;
}

static int file_remove(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    (void)stat;
    (void)kind;
    return walk->level == 0 ? 0 : remove(path);
}

static long rss_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (file != NULL)
        (void)fclose(file);
    return kib;
}

static double fill(struct dk_history *history, const uint32_t *order, uint32_t first,
                   uint32_t limit, uint32_t each)
{
    struct dk_arena arena;
    struct dk_err err;
    double spent = 0;

    dk_arena_init(&arena, &dk_heap);
    for (uint32_t i = first; i < limit; i++) {
        struct dk_job_row *row;
        double begin;

        dk_arena_reset(&arena);
        row = runs_make(SEED, order[i], &arena);
        row->seq = (i + INT64_C(1)) * 4;
        begin = now_ms();
        if (order[i] % 50 == 49 && row->attempt > 0) {
            dk_history_requeued(history, row);
            row->seq++;
        }
        dk_history_ended(history, row);
        if ((i + 1) % each == 0 || i + 1 == limit)
            must(dk_history_commit(history, row->seq + 2, &err), &err);
        spent += now_ms() - begin;
    }
    dk_arena_release(&arena);
    return spent;
}

static uint64_t seen;

static bool see(void *context, const struct dk_job_row *row)
{
    struct dk_buf *out = context;

    seen++;
    if (out != NULL) { /* as an answer: some columns */
        dk_buf_clear(out);
        for (int column = 0; column < 24; column++)
            dk_job_row_cell(row, column, row->end, out);
    }
    return true;
}

static void ask(struct dk_history *history, const char *what, const char *parameters, bool cells)
{
    struct dk_job_filter filter = { 0 };
    struct dk_history_view *view;
    struct dk_arena arena;
    struct dk_buf out;
    struct dk_err err;
    char copy[256], *rest = copy, *part;
    double best = 1e9, begin;

    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    (void)snprintf(copy, sizeof(copy), "%s", parameters);
    while ((part = strtok_r(rest, "&", &rest)) != NULL) {
        char *value = strchr(part, '=');
        enum dk_status status = DK_OK;

        *value++ = '\0';
        if (!dk_job_filter_take(&filter, part, value, &arena, &status, &err))
            (void)dk_fail(&err, status = DK_INVALID, "no such parameter");
        must(status, &err);
    }
    for (int round = 0; round < 5; round++) {
        seen = 0;
        begin = now_ms();
        view = dk_history_view_open(history);
        must(dk_history_query(view, &filter, NULL, 0, see, cells ? &out : NULL, &err), &err);
        dk_history_view_close(view);
        best = now_ms() - begin < best ? now_ms() - begin : best;
    }
    printf("%-44s %8.2f ms  %8llu rows\n", what, best, (unsigned long long)seen);
    dk_buf_release(&out);
    dk_arena_release(&arena);
}

static void questions(struct dk_history *history, uint32_t jobs)
{
    char text[128];
    struct dk_usage_question question = { .by = 1u << DK_USAGE_USER };
    struct dk_history_view *view = dk_history_view_open(history);
    struct dk_buf out;
    struct dk_err err;
    double begin;

    ask(history, "all, with steps", "steps=1", false);
    ask(history, "all, with steps, 24 columns as text", "steps=1", true);
    (void)snprintf(text, sizeof(text), "id=%u", jobs / 2);
    ask(history, "one id", text, false);
    ask(history, "a user", "user=user07", false);
    ask(history, "a user's failed jobs on a node", "user=user07&state=FAILED&node=n033", false);
    ask(history, "a name", "name=md-17", false);
    (void)snprintf(text, sizeof(text), "since=%lld&until=%lld",
                   (long long)(RUNS_BEGIN + (int64_t)jobs * 10000000),
                   (long long)(RUNS_BEGIN + (int64_t)jobs * 10000000 + INT64_C(3600000000)));
    ask(history, "an hour in the middle", text, false);
    ask(history, "the newest 20", "limit=20", false);
    ask(history, "the newest 20 that timed out", "limit=20&state=TIMEOUT", false);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    begin = now_ms();
    must(dk_usage_answer(view, &question, NULL, 0, 0, &out, &err), &err);
    printf("%-44s %8.2f ms  %8zu bytes\n", "usage by user, everything", now_ms() - begin, out.size);
    dk_buf_release(&out);
    dk_history_view_close(view);
}

int main(int argc, char **argv)
{
    uint32_t jobs = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 100000;
    struct dk_history *history = NULL;
    uint32_t *order, bulk = jobs - jobs / 10;
    struct dk_err err;
    double spent;

    if (argc < 2 || jobs < 100) {
        (void)fprintf(stderr, "usage: bench_history DIR [JOBS]\n");
        return 2;
    }
    (void)mkdir(argv[1], 0700);
    (void)nftw(argv[1], file_remove, 16, FTW_DEPTH | FTW_PHYS);
    order = runs_in_order(SEED, jobs);
    printf("resident before opening %35ld KiB\n", rss_kib());
    must(dk_history_open(&history, argv[1], &err), &err);
    printf("resident, history open and empty %26ld KiB\n", rss_kib());
    spent = fill(history, order, 0, bulk, BULK);
    printf("in bulk: %.1f us a job\n", spent * 1e3 / bulk);
    spent = fill(history, order, bulk, jobs, 1);
    printf("one a commit: %.1f us a job\n", spent * 1e3 / (jobs - bulk));
    printf("resident after writing %36ld KiB\n", rss_kib());
    must(dk_history_commit(history, dk_history_seq(history) + 1, &err), &err);
    printf("resident, idle again %38ld KiB\n", rss_kib());
    (void)nftw(argv[1], file_count, 16, FTW_PHYS);
    printf("disk, as it is: %.1f bytes a job\n", disk_bytes / jobs);
    spent = now_ms();
    must(dk_history_compact(history, &err), &err);
    printf("compacted in %.0f ms\n", now_ms() - spent);
    questions(history, jobs);
    printf("resident after asking %37ld KiB\n", rss_kib());
    dk_history_close(history);
    spent = now_ms();
    must(dk_history_open(&history, argv[1], &err), &err);
    printf("opened again in %.1f ms at seq %lld\n", now_ms() - spent,
           (long long)dk_history_seq(history));
    dk_history_close(history);
    disk_bytes = 0;
    (void)nftw(argv[1], file_count, 16, FTW_PHYS);
    printf("disk, compacted and closed: %.1f bytes a job\n", disk_bytes / jobs);
    free(order);
    return 0;
}
