/* cmd_export.c - docket log export: a log, or a piece of it, as an Avro file (decision 0016) */
#include "batch/container.h"
#include "batch/trail.h"
#include "cli/human.h"
#include "cli/log_place.h"
#include "cli/print.h"
#include "cli/replay_commands.h"

#include <stdio.h>
#include <string.h>

/* What goes by, from the log into the file. */
struct transfer {
    const struct export_options *options;
    struct dk_trail trail;
    struct dk_container_writer *writer;
    uint64_t seq_first;
};

/* At the first batch: now the log's identity is known, and what was before it still is. */
static enum dk_status begin(struct transfer *transfer, const struct dk_log_batch *batch,
                            struct dk_err *err)
{
    struct dk_container_about about = {
        .seq_first = batch->seq_first,
        .codec = (enum dk_container_codec)transfer->options->codec,
    };
    struct dk_buf before;
    enum dk_status status;

    dk_buf_init(&before, &dk_heap, (size_t)1 << 20);
    (void)dk_buf_add(&before, transfer->trail.chain.closed.data, transfer->trail.chain.closed.size);
    about.before = before.data;
    about.before_size = (uint32_t)before.size;
    transfer->seq_first = batch->seq_first;
    status = dk_trail_batch(&transfer->trail, batch, err);
    memcpy(about.log, transfer->trail.log, sizeof(about.log));
    if (status == DK_OK)
        status = dk_container_create(&transfer->writer, transfer->options->output, &about, err);
    if (status == DK_OK)
        status = dk_container_add(transfer->writer, batch, err);
    dk_buf_release(&before);
    return status;
}

static enum dk_status transfer_batch(struct transfer *transfer, const struct dk_log_batch *batch,
                                     struct dk_err *err)
{
    enum dk_status status;

    if (transfer->writer == NULL)
        return begin(transfer, batch, err);
    status = dk_trail_batch(&transfer->trail, batch, err);
    return status == DK_OK ? dk_container_add(transfer->writer, batch, err) : status;
}

static enum dk_status transfer_all(struct transfer *transfer, const char *uri, struct dk_err *err)
{
    const struct export_options *options = transfer->options;
    uint64_t to = options->to > 0 ? (uint64_t)options->to : UINT64_MAX;
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_head head;
    enum dk_status status =
        dk_trail_find(&transfer->trail, &reader, uri, (uint64_t)options->from, err);

    while (status == DK_OK && (status = dk_log_reader_next(reader, &batch, err)) == DK_OK) {
        if (batch.seq_first > to) {
            status = DK_AGAIN;
            break;
        }
        status = transfer_batch(transfer, &batch, err);
    }
    dk_log_reader_close(reader);
    if (status != DK_AGAIN)
        return status;
    if (transfer->writer == NULL)
        return dk_fail(err, DK_NOT_FOUND, "log '%s' has no events to export", uri);
    dk_trail_head(&transfer->trail, &head);
    return dk_container_finish(transfer->writer, &head, err);
}

static void print(const struct transfer *transfer, const char *uri, double seconds)
{
    const struct dk_trail *trail = &transfer->trail;
    const char *file = transfer->options->output;
    double size = (double)dk_container_size(transfer->writer);
    char bytes[32];

    if (transfer->options->json) {
        (void)printf("{\"log\": ");
        cli_json_text(uri);
        (void)printf(", \"file\": ");
        cli_json_text(file);
        (void)printf(", \"seq_first\": %llu, \"seq_last\": %llu, \"batches\": %llu, "
                     "\"events\": %llu, \"bytes\": %llu, \"file_bytes\": %.0f, "
                     "\"seconds\": %.6f}\n",
                     (unsigned long long)transfer->seq_first,
                     (unsigned long long)trail->seq_next - 1, (unsigned long long)trail->batches,
                     (unsigned long long)trail->events, (unsigned long long)trail->bytes, size,
                     seconds);
        return;
    }
    (void)printf("log          %s\n", uri);
    (void)printf("events       %llu, seq %llu to %llu, in %llu batches\n",
                 (unsigned long long)trail->events, (unsigned long long)transfer->seq_first,
                 (unsigned long long)trail->seq_next - 1, (unsigned long long)trail->batches);
    (void)printf("file         %s, %s, %.1f bytes an event\n", file,
                 cli_bytes(bytes, (int64_t)size), size / (double)trail->events);
    (void)printf("speed        %.0f events/s: %.3f s\n",
                 seconds > 0 ? (double)trail->events / seconds : 0, seconds);
}

int cli_log_export(const struct cli_command *command, int argc, char **argv)
{
    struct export_options options;
    struct transfer transfer = { .options = &options };
    struct dk_place place;
    struct dk_err err;
    const char *uri = NULL, *operand;
    double begun = cli_seconds();
    int operands, status = cli_parse(command, argc, argv, &options, &operands);

    if (status != CLI_GO_ON)
        return status;
    if (options.output == NULL)
        return cli_usage_error(command, "--output is required: the file to write");
    if (options.to > 0 && options.to < options.from)
        return cli_usage_error(command, "--to is before --from");
    operand = operands > 0 ? argv[0] : NULL;
    if (cli_log_place(&place, operand, options.dir, &uri, &err) != DK_OK)
        return cli_fail(&err);
    dk_trail_init(&transfer.trail, &dk_heap);
    if (transfer_all(&transfer, uri, &err) == DK_OK) {
        print(&transfer, uri, cli_seconds() - begun);
        status = CLI_EXIT_OK;
    } else {
        status = cli_fail(&err);
    }
    dk_container_destroy(transfer.writer);
    dk_trail_release(&transfer.trail);
    return status;
}
