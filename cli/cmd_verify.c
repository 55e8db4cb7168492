/* cmd_verify.c - docket log verify and docket audit verify: the log, folded through a core
 *
 * `log verify` proves the bytes: every checksum, the hash chain, and that applying the events gives
 * the recorded digest after each batch. `audit verify` also lets the core decide each batch again
 * and compares every decision byte for byte. The first difference ends it with status 5. */
#include "base/check.h"
#include "batch/batch.h"
#include "cli/print.h"
#include "cli/replay_commands.h"

#include <stdio.h>
#include <time.h>

static double now_s(void)
{
    struct timespec time;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Folds the log up to its end or to the first fault. */
static enum dk_status fold_log(const char *uri, enum dk_fold_depth depth,
                               struct dk_fold_stats *stats, uint64_t *digest, struct dk_err *err)
{
    struct dk_core_options options = { .digest = true };
    struct dk_core *core = NULL;
    struct dk_fold *fold = NULL;
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    enum dk_status status = dk_log_reader_open(&reader, uri, 1, err);

    if (status != DK_OK)
        return status;
    core = dk_core_create(&dk_heap, &options);
    fold = dk_fold_create(core, &dk_heap, depth, NULL, 0);
    while (status == DK_OK && (status = dk_log_reader_next(reader, &batch, err)) == DK_OK)
        status = dk_fold_batch(fold, &batch, err);
    dk_fold_stats(fold, stats);
    *digest = dk_core_digest(core);
    dk_fold_destroy(fold);
    dk_core_destroy(core);
    dk_log_reader_close(reader);
    return status == DK_AGAIN ? DK_OK : status;
}

static int verify(const struct cli_command *command, int argc, char **argv,
                  enum dk_fold_depth depth)
{
    struct verify_options options;
    struct dk_fold_stats stats;
    struct dk_err err;
    uint64_t digest = 0;
    double begun, seconds;
    int operands, usage = cli_parse(command, argc, argv, &options, &operands);

    if (usage != CLI_GO_ON)
        return usage;
    stats = (struct dk_fold_stats){ .batches = 0 };
    begun = now_s();
    if (fold_log(argv[0], depth, &stats, &digest, &err) != DK_OK) {
        if (stats.batches > 0)
            (void)fprintf(stderr, "docket: good up to seq %lld: %llu batches, %llu events\n",
                          (long long)stats.seq, (unsigned long long)stats.batches,
                          (unsigned long long)stats.events);
        return cli_fail(&err);
    }
    seconds = now_s() - begun;
    if (options.json) {
        (void)printf("{\"log\": ");
        cli_json_text(argv[0]);
        (void)printf(", \"ok\": true, \"batches\": %llu, \"events\": %llu, \"decisions\": %llu, "
                     "\"bytes\": %llu, \"seq\": %lld, \"digest\": \"%016llx\", \"seconds\": %.6f, "
                     "\"events_per_second\": %.0f}\n",
                     (unsigned long long)stats.batches, (unsigned long long)stats.events,
                     (unsigned long long)stats.decisions, (unsigned long long)stats.bytes,
                     (long long)stats.seq, (unsigned long long)digest, seconds,
                     seconds > 0 ? (double)stats.events / seconds : 0);
        return CLI_EXIT_OK;
    }
    (void)printf("%s: good\n", argv[0]);
    (void)printf("batches      %llu, hash chain and digests as recorded\n",
                 (unsigned long long)stats.batches);
    (void)printf("events       %llu, last seq %lld\n", (unsigned long long)stats.events,
                 (long long)stats.seq);
    if (depth == DK_FOLD_VERIFY)
        (void)printf("decisions    %llu, each decided again and the same\n",
                     (unsigned long long)stats.decisions);
    (void)printf("digest       %016llx\n", (unsigned long long)digest);
    (void)printf("speed        %.0f events/s: %.3f s\n",
                 seconds > 0 ? (double)stats.events / seconds : 0, seconds);
    return CLI_EXIT_OK;
}

int cli_log_verify(const struct cli_command *command, int argc, char **argv)
{
    return verify(command, argc, argv, DK_FOLD_APPLY);
}

int cli_audit_verify(const struct cli_command *command, int argc, char **argv)
{
    return verify(command, argc, argv, DK_FOLD_VERIFY);
}
