/* kafka.c - the log on Kafka: the writer (core/decisions/0012-the-log-on-kafka.md)
 *
 * What is staged when dk_log_sync is called becomes one transaction, so batches are whole or not
 * there. A transaction that the library calls off is aborted and written anew: it cannot have been
 * committed. What it does not know the outcome of poisons the log.
 *
 * dk_log_sync returns when the broker shows the batch to readers. Committing is answered before
 * that: the coordinator writes the markers afterwards. Waiting for them costs a question more, and
 * less than it saves: a transaction that is begun before them is turned away, and the library then
 * sleeps for 20 ms.
 *
 * Opening: init_transactions fences the writer before us and ends its transaction, one way or the
 * other; only then is the tail read. If we are fenced ourselves meanwhile, the opening record
 * cannot be committed.
 */
#include "log/kafka_events.h"

#include "base/buf.h"
#include "base/check.h"
#include "log/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    STEP_MS = 5000, /* of a call that is taken up again */
    ASK_MS = 1000,  /* for the end of what is committed */
    FULL_MS = 10,   /* for room in the library's queue */
    PAUSE_MS = 100, /* before a transaction is written anew */
    ASK_FAST = 30,  /* questions without a pause */
    ASK_PAUSE_US = 2000
};

struct staged {
    struct dk_kafka_head head;
    size_t at; /* in bytes */
    uint32_t size;
};

struct kafka_log {
    struct dk_log base;
    struct dk_kafka_place place;
    char topic[DK_KAFKA_TOPIC_MAX];
    rd_kafka_t *client;
    struct dk_buf bytes; /* of the records; librdkafka borrows them during a sync */
    struct staged *staged;
    size_t count, capacity;
    int64_t end;                 /* of what is committed, after the last sync */
    int64_t offset_last;         /* of the transaction at hand; -1: not known */
    rd_kafka_resp_err_t refused; /* the first record that was not written: why */
};

static const struct dk_kafka_setting settings[] = {
    { "enable.idempotence", "true" },
    { "acks", "all" },
    { "linger.ms", "0" },
    { "queue.buffering.max.messages", "10000000" },
    { "queue.buffering.max.kbytes", "2097151" },
    { "batch.num.messages", "100000" },
};

/* Of these a property of the place wins. The timeout is how long an unfinished transaction outlives
 * its writer where none takes over, and how long a broker may be away during one without it being
 * aborted. */
static const struct dk_kafka_setting wishes[] = {
    { "compression.codec", "zstd" },
    { "transaction.timeout.ms", "600000" },
    { "batch.size", "8000000" },
};

static struct kafka_log *of(struct dk_log *base)
{
    return (struct kafka_log *)base;
}

static void rest_us(long us)
{
    const struct timespec rest = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

    (void)nanosleep(&rest, NULL);
}

/* --- outcomes --- */

static bool is_fenced(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__FENCED || error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* Of a call of a transaction; destroys the error. DK_OK; DK_AGAIN: take the call up again; DK_TORN:
 * abort, then begin anew; DK_FENCED; DK_IO: nobody knows. */
static enum dk_status judge(struct kafka_log *log, rd_kafka_error_t *error, const char *what,
                            struct dk_err *err)
{
    enum dk_status status = DK_IO;
    char why[256];

    if (error == NULL)
        return DK_OK;
    if (rd_kafka_error_is_fatal(error) &&
        is_fenced(rd_kafka_fatal_error(log->client, why, sizeof(why))))
        status = DK_FENCED;
    else if (is_fenced(rd_kafka_error_code(error)))
        status = DK_FENCED;
    else if (rd_kafka_error_is_fatal(error))
        status = DK_IO;
    else if (rd_kafka_error_txn_requires_abort(error))
        status = DK_TORN;
    else if (rd_kafka_error_is_retriable(error))
        status = DK_AGAIN;
    if (status == DK_FENCED)
        (void)dk_fail(err, DK_FENCED, "a newer writer has taken over topic '%s': %s", log->topic,
                      rd_kafka_error_string(error));
    else
        (void)dk_kafka_fail(err, status, "topic '%s' can't be written: %s: %s", log->topic, what,
                            rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return status;
}

/* By rd_kafka_poll and commit, in our thread. */
static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_log *log = opaque;

    (void)client;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        log->offset_last = message->offset;
    else if (log->refused == RD_KAFKA_RESP_ERR_NO_ERROR)
        log->refused = message->err;
}

/* Writing it anew would be refused anew. */
static bool stays_refused(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return true;
    default:
        return false;
    }
}

/* --- one transaction --- */

static enum dk_status produce(struct kafka_log *log, const struct staged *record,
                              struct dk_err *err)
{
    uint8_t head[DK_KAFKA_HEAD_SIZE];
    rd_kafka_vu_t parts[] = {
        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = log->topic },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0 },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0 }, /* borrowed: neither copied nor freed */
        { .vtype = RD_KAFKA_VTYPE_HEADER, .u.header = { DK_KAFKA_HEAD, head, sizeof(head) } },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { log->bytes.data + record->at, record->size } },
    };
    size_t count = sizeof(parts) / sizeof(parts[0]) - (record->head.count == 0 ? 1 : 0);

    dk_kafka_head_put(&record->head, head);
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_produceva(log->client, parts, count);

        if (error == NULL)
            return DK_OK;
        if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_error_destroy(error);
            (void)rd_kafka_poll(log->client, FULL_MS);
            continue;
        }
        if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__STATE) {
            rd_kafka_error_destroy(error);
            return DK_TORN; /* the transaction has failed already; committing it says how */
        }
        return judge(log, error, "produce", err);
    }
}

static enum dk_status commit(struct kafka_log *log, struct dk_err *err)
{
    enum dk_status status;

    do
        status = judge(log, rd_kafka_commit_transaction(log->client, STEP_MS), "commit", err);
    while (status == DK_AGAIN);
    return status;
}

/* Afterwards nothing of the transaction will ever be read. */
static enum dk_status abort_it(struct kafka_log *log, struct dk_err *err)
{
    enum dk_status status;

    do
        status = judge(log, rd_kafka_abort_transaction(log->client, STEP_MS), "abort", err);
    while (status == DK_AGAIN);
    return status == DK_TORN ? DK_IO : status;
}

/* DK_TORN: it was aborted. */
static enum dk_status write_once(struct kafka_log *log, const struct staged *records, size_t count,
                                 struct dk_err *err)
{
    enum dk_status status;

    log->offset_last = -1;
    log->refused = RD_KAFKA_RESP_ERR_NO_ERROR;
    status = judge(log, rd_kafka_begin_transaction(log->client), "begin", err);
    if (status != DK_OK)
        return status == DK_FENCED ? DK_FENCED : DK_IO;
    for (size_t i = 0; i < count && status == DK_OK; i++)
        status = produce(log, &records[i], err);
    if (status == DK_OK)
        status = commit(log, err);
    if (status != DK_TORN)
        return status;
    status = abort_it(log, err);
    return status == DK_OK ? DK_TORN : status;
}

/* Until readers can see it. */
static enum dk_status publish(struct kafka_log *log, size_t count, struct dk_err *err)
{
    int64_t wanted = log->offset_last >= 0 ? log->offset_last + 2 : log->end + (int64_t)count + 1;

    for (unsigned asked = 0;; asked++) {
        int64_t first, limit;
        enum dk_status status =
            dk_kafka_range(log->client, &log->place, log->topic, ASK_MS, &first, &limit, err);

        if (status == DK_OK && limit >= wanted) {
            log->end = limit;
            return DK_OK;
        }
        if (status != DK_OK && status != DK_AWAY)
            return status;
        if (asked >= ASK_FAST)
            rest_us(ASK_PAUSE_US);
    }
}

static enum dk_status write_all(struct kafka_log *log, const struct staged *records, size_t count,
                                struct dk_err *err)
{
    enum dk_status status;

    while ((status = write_once(log, records, count, err)) == DK_TORN) {
        if (stays_refused(log->refused))
            return dk_kafka_fail(err, DK_IO, "topic '%s' can't be written: %s", log->topic,
                                 rd_kafka_err2str(log->refused));
        rest_us(PAUSE_MS * 1000L);
    }
    return status == DK_OK ? publish(log, count, err) : status;
}

/* --- the port --- */

static enum dk_status kafka_append(struct dk_log *base, const struct dk_log_batch *batch,
                                   struct dk_err *err)
{
    struct kafka_log *log = of(base);
    size_t size = 0, at = log->bytes.size;

    for (uint32_t i = 0; i < batch->count; i++)
        size += batch->records[i].size;
    if (dk_buf_room(&log->bytes, size + 1) == NULL)
        return dk_fail(err, DK_TOO_LARGE, "too much is staged: sync first");
    while (log->capacity < log->count + batch->count) {
        log->capacity = log->capacity > 0 ? log->capacity * 2 : 256;
        log->staged = realloc(log->staged, log->capacity * sizeof(*log->staged));
        DK_CHECK(log->staged != NULL);
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct dk_log_record *record = &batch->records[i];

        log->staged[log->count++] = (struct staged){
            { batch->seq_first + i, batch->epoch, i, batch->count }, at, record->size
        };
        if (record->size > 0)
            DK_CHECK(dk_buf_add(&log->bytes, record->data, record->size));
        at += record->size;
    }
    return DK_OK;
}

static enum dk_status kafka_sync(struct dk_log *base, struct dk_err *err)
{
    struct kafka_log *log = of(base);
    enum dk_status status;

    if (log->count == 0)
        return DK_OK;
    status = write_all(log, log->staged, log->count, err);
    if (status != DK_OK) {
        base->poisoned = true;
        return status;
    }
    base->seq_published = base->seq_next;
    log->count = 0;
    dk_buf_clear(&log->bytes);
    return DK_OK;
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
    if (log->client != NULL) { /* first: it may have borrowed what is staged */
        (void)rd_kafka_purge(log->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_destroy(log->client);
    }
    dk_buf_release(&log->bytes);
    free(log->staged);
    dk_kafka_place_release(&log->place);
    free(log);
    return DK_OK;
}

/* --- becoming the writer --- */

static enum dk_status start_client(struct kafka_log *log, struct dk_err *err)
{
    struct dk_kafka_setting
        all[sizeof(settings) / sizeof(settings[0]) + sizeof(wishes) / sizeof(wishes[0]) + 2];
    size_t count =
        dk_kafka_settings(all, &log->place, settings, sizeof(settings) / sizeof(settings[0]),
                          wishes, sizeof(wishes) / sizeof(wishes[0]));
    char size[16];
    rd_kafka_conf_t *conf;
    enum dk_status status;

    (void)snprintf(size, sizeof(size), "%u", DK_KAFKA_MESSAGE_SIZE_MAX);
    all[count++] = (struct dk_kafka_setting){ "message.max.bytes", size };
    all[count++] = (struct dk_kafka_setting){ "transactional.id", log->topic };
    status = dk_kafka_conf(&conf, &log->place, all, count, err);
    if (status != DK_OK)
        return status;
    rd_kafka_conf_set_opaque(conf, log);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    return dk_kafka_start(&log->client, RD_KAFKA_PRODUCER, conf, err);
}

static enum dk_status fence(struct kafka_log *log, struct dk_err *err)
{
    int64_t end_ms = dk_clock_ms() + DK_KAFKA_OPEN_MS;
    enum dk_status status;

    do
        status = judge(log, rd_kafka_init_transactions(log->client, STEP_MS), "init", err);
    while (status == DK_AGAIN && dk_clock_ms() < end_ms);
    if (status == DK_AGAIN)
        return dk_kafka_fail(err, DK_AWAY,
                             "the writer before us can't be fenced: '%s' does not answer for the "
                             "transactions of topic '%s'",
                             log->place.brokers, log->topic);
    return status == DK_TORN ? DK_IO : status;
}

static enum dk_status read_tail(struct kafka_log *log, const char *place, struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    enum dk_status status = dk_kafka_reader_open(&reader, place, UINT64_MAX, err);

    if (status != DK_OK)
        return status;
    status = dk_kafka_reader_next(reader, &batch, err);
    log->base.seq_next = log->base.seq_published = reader->seq_next;
    log->base.epoch = dk_kafka_reader_epoch(reader) + 1;
    dk_kafka_reader_close(reader);
    if (status == DK_AGAIN)
        return DK_OK;
    return status == DK_OK ? dk_fail(err, DK_CORRUPT, "topic '%s' has no end", log->topic) : status;
}

static enum dk_status announce(struct kafka_log *log, struct dk_err *err)
{
    const struct staged opening = { .head = { .seq = log->base.seq_next,
                                              .epoch = log->base.epoch } };

    return write_all(log, &opening, 1, err);
}

static enum dk_status kafka_open(struct dk_log **out, const char *place,
                                 const struct dk_log_options *options, struct dk_err *err)
{
    struct kafka_log *log = calloc(1, sizeof(*log));
    enum dk_status status;

    (void)options;
    DK_CHECK(log != NULL);
    log->base.backend = &dk_log_backend_kafka;
    dk_buf_init(&log->bytes, &dk_heap, (size_t)2 * DK_LOG_BATCH_SIZE_MAX);
    status = dk_kafka_place_init(&log->place, place, err);
    if (status == DK_OK) {
        dk_kafka_topic_name(&log->place, DK_KAFKA_EVENTS, log->topic);
        status = start_client(log, err);
    }
    if (status == DK_OK)
        status = dk_kafka_topic_make(log->client, &log->place, DK_KAFKA_EVENTS, err);
    if (status == DK_OK)
        status = fence(log, err);
    if (status == DK_OK)
        status = read_tail(log, place, err);
    if (status == DK_OK)
        status = announce(log, err);
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
    while ((status = dk_kafka_reader_next(reader, &batch, err)) == DK_OK) {
        stat->batches++;
        stat->records += batch.count;
        for (uint32_t i = 0; i < batch.count; i++)
            stat->bytes_plain += batch.records[i].size;
        if (stat->seq_first == 0) {
            stat->seq_first = batch.seq_first;
            stat->epoch_first = batch.epoch;
        }
        stat->seq_last = batch.seq_first + batch.count - 1;
        stat->epoch_last = batch.epoch;
    }
    if (dk_kafka_reader_epoch(reader) > 0) {
        stat->segments = 1;
        stat->epoch_last = dk_kafka_reader_epoch(reader);
    }
    dk_kafka_reader_close(reader);
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
    .discard = kafka_discard,
    .compact_step = kafka_compact_step,
    .close = kafka_close,
    .reader_open = dk_kafka_reader_open,
    .reader_next = dk_kafka_reader_next,
    .reader_wait = dk_kafka_reader_wait,
    .reader_fd = dk_kafka_reader_fd,
    .reader_skip_gap = kafka_skip_gap,
    .reader_close = dk_kafka_reader_close,
    .stat = kafka_stat,
    .repair = kafka_repair,
};
