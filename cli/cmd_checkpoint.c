/* cmd_checkpoint.c - docket audit keygen and docket audit checkpoint (decision 0016)
 *
 * A checkpoint is signed only behind the last one in its file: who asks for one a day is told the
 * day on which the history was not the same any more, before a new signature covers it. */
#include "batch/checkpoint.h"
#include "cli/claims.h"
#include "cli/human.h"
#include "cli/log_place.h"
#include "cli/print.h"
#include "cli/replay_commands.h"
#include "secret/sign.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cli_audit_keygen(const struct cli_command *command, int argc, char **argv)
{
    struct keygen_options options;
    struct dk_err err;
    int operands, usage = cli_parse(command, argc, argv, &options, &operands);

    if (usage != CLI_GO_ON)
        return usage;
    if (dk_sign_key_make(argv[0], &err) != DK_OK)
        return cli_fail(&err);
    (void)printf("secret       %s (keep it away from who can write the log)\npublic       %s.pub\n",
                 argv[0], argv[0]);
    return CLI_EXIT_OK;
}

/* --- what was signed before --- */

/* The last checkpoint of the file, if it is of this key; seq 0: none that binds us. */
static enum dk_status find_last(struct dk_checkpoint *last, const char *path,
                                const struct dk_sign_key *key, struct dk_err *err)
{
    struct cli_claims claims = { 0 };
    uint8_t ours[DK_SIGN_PUBLIC_SIZE];
    enum dk_status status;

    memset(last, 0, sizeof(*last));
    if (path == NULL)
        return DK_OK;
    status = cli_claims_read(&claims, path, err);
    if (status == DK_NOT_FOUND)
        status = DK_OK;
    dk_sign_key_public(key, ours);
    if (status == DK_OK && claims.count > 0 &&
        memcmp(claims.items[claims.count - 1].checkpoint.key, ours, sizeof(ours)) == 0)
        *last = claims.items[claims.count - 1].checkpoint;
    cli_claims_release(&claims);
    if (status == DK_OK && last->head.seq > 0 && !cli_claim_fits(last))
        status = dk_fail(err, DK_DIVERGED, "'%s': its last checkpoint is forged", path);
    return status;
}

/* The first batch of a trail that was put before it: what it ends with is what was signed. */
static enum dk_status compare(const struct dk_trail *trail, const struct dk_checkpoint *last,
                              const char *uri, struct dk_err *err)
{
    struct dk_head head;
    const char *word = "rewritten";

    dk_trail_head(trail, &head);
    if (memcmp(trail->log, last->log, sizeof(last->log)) != 0)
        word = "another one, or rewritten from its first batch on";
    else if (head.seq == last->head.seq &&
             memcmp(head.closed, last->head.closed, sizeof(head.closed)) == 0)
        return DK_OK;
    return dk_fail(err, DK_DIVERGED,
                   "log '%s' is %s: it is not what was signed as seq %llu; nothing was signed", uri,
                   word, (unsigned long long)last->head.seq);
}

/* Follows the chain from the last checkpoint, or the beginning, to the end. */
static enum dk_status walk(struct dk_trail *trail, const char *uri,
                           const struct dk_checkpoint *last, struct dk_err *err)
{
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    enum dk_status status = dk_trail_find(trail, &reader, uri, last->head.seq, err);
    bool is_first = last->head.seq > 0;

    if (status == DK_NOT_FOUND && last->head.seq > 0 && trail->has_log)
        status = dk_fail(err, DK_DIVERGED,
                         "log '%s' is truncated: seq %llu, which was signed, is not there; nothing "
                         "was signed",
                         uri, (unsigned long long)last->head.seq);
    while (status == DK_OK && (status = dk_log_reader_next(reader, &batch, err)) == DK_OK) {
        status = dk_trail_batch(trail, &batch, err);
        if (status == DK_OK && is_first)
            status = compare(trail, last, uri, err);
        is_first = false;
    }
    dk_log_reader_close(reader);
    if (status != DK_AGAIN)
        return status;
    return trail->closed.meta.seq > 0
               ? DK_OK
               : dk_fail(err, DK_NOT_FOUND, "log '%s' has no batch that could be signed", uri);
}

/* --- signing --- */

static enum dk_status append_line(const char *path, char *line, size_t size, struct dk_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    enum dk_status status = DK_OK;
    char last = '\n';
    off_t end;

    if (fd < 0)
        return dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
    end = lseek(fd, 0, SEEK_END);
    line[size++] = '\n';
    if ((end > 0 && pread(fd, &last, 1, end - 1) != 1) ||
        (last != '\n' && write(fd, "\n", 1) != 1) || write(fd, line, size) != (ssize_t)size ||
        fsync(fd) != 0)
        status = dk_fail(err, errno == ENOSPC || errno == EDQUOT ? DK_FULL : DK_IO, "'%s': %s",
                         path, strerror(errno));
    (void)close(fd);
    return status;
}

static size_t sign(const struct dk_trail *trail, const struct dk_sign_key *key,
                   struct dk_checkpoint *checkpoint, char line[DK_CHECKPOINT_LINE_MAX])
{
    size_t signed_size;

    memset(checkpoint, 0, sizeof(*checkpoint));
    memcpy(checkpoint->log, trail->log, sizeof(checkpoint->log));
    dk_trail_head(trail, &checkpoint->head);
    checkpoint->signed_time = cli_now_us();
    dk_sign_key_public(key, checkpoint->key);
    (void)dk_checkpoint_print(checkpoint, line, &signed_size);
    dk_sign(key, line, signed_size, checkpoint->signature);
    return dk_checkpoint_print(checkpoint, line, &signed_size);
}

static int report(const struct checkpoint_options *options, const char *uri,
                  const struct dk_trail *trail, const struct dk_checkpoint *checkpoint, char *line,
                  size_t size)
{
    struct dk_err err;
    char time[32];

    if (options->output == NULL || options->json)
        (void)printf("%.*s\n", (int)size, line);
    if (options->output == NULL)
        return CLI_EXIT_OK;
    if (append_line(options->output, line, size, &err) != DK_OK)
        return cli_fail(&err);
    if (!options->json)
        (void)printf("log          %s\nsigned       seq %llu, of %s\nchain        walked over %llu "
                     "batches, %llu events\nadded to     %s\n",
                     uri, (unsigned long long)checkpoint->head.seq,
                     cli_time(time, checkpoint->head.time), (unsigned long long)trail->batches,
                     (unsigned long long)trail->events, options->output);
    return CLI_EXIT_OK;
}

int cli_audit_checkpoint(const struct cli_command *command, int argc, char **argv)
{
    struct checkpoint_options options;
    struct dk_sign_key *key = NULL;
    struct dk_checkpoint last, checkpoint;
    struct dk_trail trail;
    struct dk_place place;
    struct dk_err err;
    const char *uri = NULL;
    char line[DK_CHECKPOINT_LINE_MAX + 1];
    int operands, status = cli_parse(command, argc, argv, &options, &operands);

    if (status != CLI_GO_ON)
        return status;
    if (options.key == NULL)
        return cli_usage_error(command, "--key is required: the secret key that signs, made by "
                                        "'docket audit keygen'");
    dk_trail_init(&trail, &dk_heap);
    if (dk_sign_key_open(&key, options.key, &err) != DK_OK ||
        find_last(&last, options.output, key, &err) != DK_OK ||
        cli_log_place(&place, operands > 0 ? argv[0] : NULL, options.dir, &uri, &err) != DK_OK)
        status = cli_fail(&err);
    else if (walk(&trail, uri, &last, &err) != DK_OK)
        status = cli_fail(&err);
    else
        status =
            report(&options, uri, &trail, &checkpoint, line, sign(&trail, key, &checkpoint, line));
    dk_trail_release(&trail);
    dk_sign_key_close(key);
    return status;
}
