/* cmd_verify.c - docket log verify and docket audit verify: the log, folded through a core
 *
 * `log verify` proves the bytes: every checksum, the hash chain, and that applying the events gives
 * the recorded digest after each batch. `audit verify` also lets the core decide each batch again
 * and compares every decision byte for byte. The first difference ends it with status 5.
 *
 * A chain that was computed anew proves nothing by itself. Checkpoints that were signed before do:
 * a witness looks at each batch before the fold does, and on beyond a fault, so that there is a
 * word for each of them (batch/checkpoint.h). */
#include "base/check.h"
#include "batch/batch.h"
#include "cli/claims.h"
#include "cli/log_place.h"
#include "cli/print.h"
#include "cli/replay_commands.h"

#include <stdio.h>
#include <string.h>

struct audit {
    enum dk_fold_depth depth;
    struct cli_claims claims;
    struct dk_fold_stats stats;
    uint64_t digest;
    double seconds;
};

/* Every batch to both, as long as either wants one; the fold's first fault. */
static enum dk_status go_through(struct dk_log_reader *reader, struct dk_fold *fold,
                                 struct dk_witness *witness, struct dk_err *err)
{
    struct dk_err later;
    struct dk_log_batch batch;
    enum dk_status folded = DK_OK, read = DK_OK;

    while (folded == DK_OK || !dk_witness_is_done(witness)) {
        read = dk_log_reader_next(reader, &batch, folded == DK_OK ? err : &later);
        if (read != DK_OK)
            break;
        dk_witness_batch(witness, &batch);
        if (folded == DK_OK)
            folded = dk_fold_batch(fold, &batch, err);
    }
    dk_witness_end(witness, read == DK_AGAIN);
    if (folded != DK_OK)
        return folded;
    return read == DK_AGAIN ? DK_OK : read;
}

static enum dk_status fold_log(struct audit *audit, const char *uri, struct dk_err *err)
{
    struct dk_core_options options = { .digest = true };
    struct dk_core *core = NULL;
    struct dk_fold *fold = NULL;
    struct dk_witness witness;
    struct dk_log_reader *reader = NULL;
    double begun = cli_seconds();
    enum dk_status status = dk_log_reader_open(&reader, uri, 1, err);

    if (status != DK_OK)
        return status;
    core = dk_core_create(&dk_heap, &options);
    fold = dk_fold_create(core, &dk_heap, audit->depth, NULL, 0);
    dk_witness_init(&witness, audit->claims.items, audit->claims.count, &dk_heap);
    status = dk_log_reader_until_now(reader, err);
    if (status == DK_OK)
        status = go_through(reader, fold, &witness, err);
    dk_fold_stats(fold, &audit->stats);
    audit->digest = dk_core_digest(core);
    dk_witness_release(&witness);
    dk_fold_destroy(fold);
    dk_core_destroy(core);
    dk_log_reader_close(reader);
    audit->seconds = cli_seconds() - begun;
    return status;
}

/* `fault` is NULL when the log itself is good. */
static void print_json(const struct audit *audit, const char *uri, const char *fault)
{
    const struct dk_fold_stats *stats = &audit->stats;

    (void)printf("{\"log\": ");
    cli_json_text(uri);
    (void)printf(", \"ok\": %s",
                 fault == NULL && cli_claims_hold(&audit->claims) ? "true" : "false");
    if (fault != NULL) {
        (void)printf(", \"fault\": ");
        cli_json_text(fault);
    }
    (void)printf(", \"batches\": %llu, \"events\": %llu, \"decisions\": %llu, \"bytes\": %llu, "
                 "\"seq\": %lld, \"digest\": \"%016llx\", \"seconds\": %.6f, "
                 "\"events_per_second\": %.0f",
                 (unsigned long long)stats->batches, (unsigned long long)stats->events,
                 (unsigned long long)stats->decisions, (unsigned long long)stats->bytes,
                 (long long)stats->seq, (unsigned long long)audit->digest, audit->seconds,
                 audit->seconds > 0 ? (double)stats->events / audit->seconds : 0);
    if (audit->claims.count > 0) {
        (void)printf(", \"checkpoints\": ");
        cli_claims_print_json(&audit->claims);
    }
    (void)printf("}\n");
}

static void print_good(const struct audit *audit, const char *uri)
{
    const struct dk_fold_stats *stats = &audit->stats;

    (void)printf("%s: good\n", uri);
    (void)printf("batches      %llu, hash chain and digests as recorded\n",
                 (unsigned long long)stats->batches);
    (void)printf("events       %llu, last seq %lld\n", (unsigned long long)stats->events,
                 (long long)stats->seq);
    if (audit->depth == DK_FOLD_VERIFY)
        (void)printf("decisions    %llu, each decided again and the same\n",
                     (unsigned long long)stats->decisions);
    (void)printf("digest       %016llx\n", (unsigned long long)audit->digest);
    (void)printf("speed        %.0f events/s: %.3f s\n",
                 audit->seconds > 0 ? (double)stats->events / audit->seconds : 0, audit->seconds);
}

static int report(const struct audit *audit, const char *uri, bool json, const struct dk_err *fault)
{
    int status = CLI_EXIT_OK;

    if (json)
        print_json(audit, uri, fault != NULL ? fault->text : NULL);
    else if (fault == NULL)
        print_good(audit, uri);
    if (!json)
        cli_claims_print(&audit->claims);
    if (fault != NULL && audit->stats.batches > 0)
        (void)fprintf(stderr, "docket: good up to seq %lld: %llu batches, %llu events\n",
                      (long long)audit->stats.seq, (unsigned long long)audit->stats.batches,
                      (unsigned long long)audit->stats.events);
    if (fault != NULL)
        status = cli_fail(fault);
    return cli_claims_hold(&audit->claims) ? status : CLI_EXIT_UNTRUSTED;
}

static int verify(const struct cli_command *command, int argc, char **argv,
                  enum dk_fold_depth depth)
{
    struct verify_options options;
    struct audit audit = { .depth = depth };
    struct dk_place place;
    struct dk_err err;
    const char *uri = NULL, *operand;
    int operands, status = cli_parse(command, argc, argv, &options, &operands);

    if (status != CLI_GO_ON)
        return status;
    if (options.checkpoint != NULL && options.public_key == NULL)
        return cli_usage_error(command,
                               "--checkpoint needs --public-key: what a checkpoint says of "
                               "its own key proves nothing");
    if (options.checkpoint == NULL && options.public_key != NULL)
        return cli_usage_error(command, "--public-key is for --checkpoint");
    operand = operands > 0 ? argv[0] : NULL;
    if (cli_log_place(&place, operand, options.dir, &uri, &err) != DK_OK)
        return cli_fail(&err);
    if (options.checkpoint != NULL &&
        cli_claims_open(&audit.claims, options.checkpoint, options.public_key, &err) != DK_OK) {
        status = cli_fail(&err);
    } else if (fold_log(&audit, uri, &err) == DK_OK) {
        status = report(&audit, uri, options.json, NULL);
    } else if (err.status == DK_NOT_FOUND || (audit.seconds == 0)) {
        status = cli_fail(&err); /* it was not even opened */
    } else {
        status = report(&audit, uri, options.json, &err);
    }
    cli_claims_release(&audit.claims);
    return status;
}

int cli_log_verify(const struct cli_command *command, int argc, char **argv)
{
    return verify(command, argc, argv, DK_FOLD_APPLY);
}

int cli_audit_verify(const struct cli_command *command, int argc, char **argv)
{
    return verify(command, argc, argv, DK_FOLD_VERIFY);
}
