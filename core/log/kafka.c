/* kafka.c - the log on Kafka (core/decisions/0012-the-log-on-kafka.md)
 *
 * What is staged when dk_log_sync is called becomes one transaction, so batches are whole or not
 * there (kafka_writer.c).
 *
 * Opening: the tail is read; init_transactions fences the writer before us and ends its
 * transaction, one way or the other; what has no marker nevertheless is swept; then the tail is
 * read on to its end, which is final now. If we are fenced ourselves meanwhile, the opening record
 * cannot be committed.
 *
 * A restore ends each transaction with a record that says so; the last one of all says that it is
 * done. So the end of the topic tells whether the log is whole.
 */
#include "log/kafka_events.h"

#include "base/buf.h"
#include "base/check.h"

#include <stdlib.h>

enum { STAGED_MIN = 256 };

struct kafka_log {
    struct dk_log base;
    struct dk_kafka_place place;
    struct dk_kafka_writer writer;
    struct dk_buf bytes; /* of the records; the writer borrows them during a sync */
    struct dk_kafka_record *staged;
    size_t count, capacity;
};

static struct kafka_log *of(struct dk_log *base)
{
    return (struct kafka_log *)base;
}

/* --- writing --- */

static void stage(struct kafka_log *log, struct dk_kafka_head head, uint32_t size)
{
    if (log->count == log->capacity) {
        log->capacity = log->capacity > 0 ? log->capacity * 2 : STAGED_MIN;
        log->staged = realloc(log->staged, log->capacity * sizeof(*log->staged));
        DK_CHECK(log->staged != NULL);
    }
    log->staged[log->count++] = (struct dk_kafka_record){ head, size };
}

static enum dk_status kafka_append(struct dk_log *base, const struct dk_log_batch *batch,
                                   struct dk_err *err)
{
    struct kafka_log *log = of(base);
    size_t size = 0;

    for (uint32_t i = 0; i < batch->count; i++)
        size += batch->records[i].size;
    if (dk_buf_room(&log->bytes, size + 1) == NULL) /* 1: never NULL, however little there is */
        return dk_fail(err, DK_TOO_LARGE, "too much is staged: sync first");
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct dk_log_record *record = &batch->records[i];

        stage(log, (struct dk_kafka_head){ batch->seq_first + i, batch->epoch, i, batch->count },
              record->size);
        if (record->size > 0)
            DK_CHECK(dk_buf_add(&log->bytes, record->data, record->size));
    }
    return DK_OK;
}

/* A record without a batch, in a transaction of its own or behind what is staged. */
static struct dk_kafka_head mark(const struct kafka_log *log, enum dk_kafka_mark kind)
{
    return (struct dk_kafka_head){ log->base.seq_next, log->base.epoch, kind, 0 };
}

static enum dk_status write_mark(struct kafka_log *log, enum dk_kafka_mark kind, struct dk_err *err)
{
    const struct dk_kafka_record record = { mark(log, kind), 0 };

    return dk_kafka_write(&log->writer, &record, 1, log->bytes.data, err);
}

static enum dk_status kafka_sync(struct dk_log *base, struct dk_err *err)
{
    struct kafka_log *log = of(base);
    enum dk_status status;

    if (log->count == 0)
        return DK_OK;
    if (base->restoring)
        stage(log, mark(log, DK_KAFKA_RESTORING), 0);
    status = dk_kafka_write(&log->writer, log->staged, log->count, log->bytes.data, err);
    if (status != DK_OK) {
        base->poisoned = true;
        return status;
    }
    base->seq_published = base->seq_next;
    log->count = 0;
    dk_buf_clear(&log->bytes);
    return DK_OK;
}

static enum dk_status kafka_restore_finish(struct dk_log *base, struct dk_err *err)
{
    enum dk_status status = write_mark(of(base), DK_KAFKA_RESTORED, err);

    base->poisoned = status != DK_OK;
    return status;
}

static void kafka_discard(struct dk_log *base)
{
    of(base)->count = 0;
    dk_buf_clear(&of(base)->bytes);
}

static enum dk_status kafka_compact_step(struct dk_log *base, struct dk_err *err)
{
    (void)base;
    (void)err;
    return DK_END;
}

static enum dk_status kafka_close(struct dk_log *base, struct dk_err *err)
{
    struct kafka_log *log = of(base);

    (void)err;
    dk_kafka_writer_close(&log->writer); /* first: it may have borrowed what is staged */
    dk_buf_release(&log->bytes);
    free(log->staged);
    dk_kafka_place_release(&log->place);
    free(log);
    return DK_OK;
}

/* --- becoming the writer --- */

static enum dk_status read_to_end(struct kafka_log *log, struct dk_log_reader *reader,
                                  struct dk_err *err)
{
    struct dk_log_batch batch;
    enum dk_status status = dk_kafka_reader_next(reader, &batch, err);

    if (status == DK_AGAIN)
        return DK_OK;
    return status == DK_OK ? dk_fail(err, DK_CORRUPT, "topic '%s' has no end", log->writer.topic)
                           : status;
}

static enum dk_status may_write(const struct kafka_log *log, const struct dk_log_reader *reader,
                                bool restore, struct dk_err *err)
{
    if (!restore && dk_kafka_reader_restoring(reader))
        return dk_fail(err, DK_INVALID,
                       "log in topic '%s' is a restore that was not finished: restore it again",
                       log->writer.topic);
    if (restore && dk_kafka_reader_epoch(reader) > 0 && !dk_kafka_reader_restoring(reader))
        return dk_fail(err, DK_INVALID,
                       "log in topic '%s' is not new: a history is restored into a new one only",
                       log->writer.topic);
    return DK_OK;
}

/* Restoring goes on with the epochs that are there; an empty log begins with 1 in either case. */
static void take_place(struct kafka_log *log, const struct dk_log_reader *reader, bool restore)
{
    uint32_t epoch = dk_kafka_reader_epoch(reader);

    log->base.seq_next = log->base.seq_published = reader->seq_next;
    log->base.restoring = restore;
    log->base.epoch = restore && epoch > 0 ? epoch : epoch + 1;
}

static enum dk_status take_over(struct kafka_log *log, struct dk_log_reader *reader, bool restore,
                                struct dk_err *err)
{
    enum dk_status status = read_to_end(log, reader, err);

    if (status == DK_OK)
        status = may_write(log, reader, restore, err);
    if (status == DK_OK)
        status = dk_kafka_writer_fence(&log->writer, err);
    if (status == DK_OK)
        status = read_to_end(log, reader, err);
    if (status == DK_OK)
        status = may_write(log, reader, restore, err);
    if (status != DK_OK)
        return status;
    take_place(log, reader, restore);
    return write_mark(log, restore ? DK_KAFKA_RESTORING : DK_KAFKA_OPENING, err);
}

static enum dk_status kafka_open(struct dk_log **out, const char *place,
                                 const struct dk_log_options *options, struct dk_err *err)
{
    struct kafka_log *log = calloc(1, sizeof(*log));
    struct dk_log_reader *reader = NULL;
    enum dk_status status;

    DK_CHECK(log != NULL);
    log->base.backend = &dk_log_backend_kafka;
    dk_buf_init(&log->bytes, &dk_heap, (size_t)2 * DK_LOG_BATCH_SIZE_MAX);
    status = dk_kafka_place_init(&log->place, place, err);
    if (status == DK_OK)
        status = dk_kafka_writer_open(&log->writer, &log->place, options, err);
    if (status == DK_OK)
        status = dk_kafka_topic_make(log->writer.client, &log->place, DK_KAFKA_EVENTS, err);
    if (status == DK_OK)
        status = dk_kafka_tail_open(&reader, place, err);
    if (status == DK_OK)
        status = take_over(log, reader, options->restore, err);
    dk_log_reader_close(reader);
    if (status != DK_OK) {
        (void)kafka_close(&log->base, NULL);
        return status;
    }
    *out = &log->base;
    return DK_OK;
}

/* --- about the log --- */

static enum dk_status kafka_stat(const char *place, struct dk_log_stat *stat, struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    enum dk_status status = dk_kafka_reader_open(&reader, place, 1, err);

    if (status != DK_OK)
        return status;
    status = dk_kafka_reader_until_now(reader, err);
    while (status == DK_OK && (status = dk_kafka_reader_next(reader, &batch, err)) == DK_OK) {
        stat->batches++;
        stat->records += batch.count;
        for (uint32_t i = 0; i < batch.count; i++)
            stat->bytes_plain += batch.records[i].size;
        if (stat->seq_first == 0) {
            stat->seq_first = batch.seq_first;
            stat->epoch_first = batch.epoch;
        }
        stat->seq_last = batch.seq_first + batch.count - 1;
    }
    stat->epoch_last = dk_kafka_reader_epoch(reader);
    stat->restoring = dk_kafka_reader_restoring(reader);
    dk_log_reader_close(reader);
    return status == DK_AGAIN ? DK_OK : status;
}

static enum dk_status kafka_skip_gap(struct dk_log_reader *reader, uint64_t *first, uint64_t *limit,
                                     struct dk_err *err)
{
    (void)reader;
    *first = *limit = 0;
    return dk_fail(err, DK_INVALID, "a log on Kafka has no gaps");
}

static enum dk_status kafka_repair(const char *place, uint64_t seq, const char *why,
                                   struct dk_log_repair *repair, struct dk_err *err)
{
    (void)why;
    (void)repair;
    return dk_fail(err, DK_UNSUPPORTED,
                   "the log 'kafka:%s' can't be repaired at seq %llu: its records belong to Kafka, "
                   "whose replicas are what repairs them",
                   place, (unsigned long long)seq);
}

const struct dk_log_backend dk_log_backend_kafka = {
    .scheme = "kafka",
    .open = kafka_open,
    .append = kafka_append,
    .sync = kafka_sync,
    .restore_finish = kafka_restore_finish,
    .discard = kafka_discard,
    .compact_step = kafka_compact_step,
    .close = kafka_close,
    .reader_open = dk_kafka_reader_open,
    .reader_next = dk_kafka_reader_next,
    .reader_wait = dk_kafka_reader_wait,
    .reader_until_now = dk_kafka_reader_until_now,
    .reader_seek = dk_kafka_reader_seek,
    .reader_fd = dk_kafka_reader_fd,
    .reader_skip_gap = kafka_skip_gap,
    .reader_close = dk_kafka_reader_close,
    .stat = kafka_stat,
    .repair = kafka_repair,
};
