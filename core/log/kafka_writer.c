/* kafka_writer.c - records into PREFIX.events, a transaction at a time (kafka_events.h)
 *
 * A transaction that the library calls off is aborted and written anew: it cannot have been
 * committed. What it does not know the outcome of is DK_IO.
 *
 * dk_kafka_write returns when the broker shows the records to readers. Committing is answered
 * before that: the coordinator writes the marker afterwards, and notes after that that it has.
 * Waiting for the marker costs a question more, and less than it saves: a transaction that is begun
 * before is turned away, and the library then sleeps for 20 ms. For the note there is no question:
 * it gets a millisecond, or one of 14 transactions in a row is turned away instead of one of 80.
 *
 * What is committed ends with our marker: where it ends there, all is as it should be. A broker
 * that was killed leaves two other ends (seen in the topic, Kafka 4.4.0):
 *
 *   - A marker twice. It had written the marker and not the note, and writes it again.
 *   - No marker. Until its partitions have a leader again the coordinator takes them for deleted,
 *     and notes the transaction as complete without having written any. The records lie where
 *     readers do not go, until the next marker of the same producer decides about them too.
 *
 * So where the end is another one we commit a mark, alone, that says nothing to readers. It can
 * only be committed while no writer has come after us; then its marker, shown, is also one for all
 * that lies before it. And what was called off is not written anew, nor does a writer begin, before
 * a record that is aborted behind it shows that it was: the next commit would bring it back. If the
 * mark is called off we can't know (DK_IO): its marker may have taken the records with it.
 */
#include "log/kafka_events.h"

#include "base/check.h"
#include "log/folder.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    STEP_MS = 5000, /* of a call that is taken up again */
    ASK_MS = 1000,  /* for the end of what is committed */
    FULL_MS = 10,   /* for room in the library's queue */
    PAUSE_MS = 100, /* before a transaction is written anew */
    ASK_FAST = 30,  /* questions without a pause */
    ASK_PAUSE_MS = 2,
    NOTE_US = 1000, /* from when it shows until the next is begun */
    SHOWN_MS = 500, /* for a marker, while the broker answers */
    MARKS_MAX = 40  /* of which none shows */
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

static void rest_us(int64_t us)
{
    const struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

    (void)nanosleep(&time, NULL);
}

static void rest(int ms)
{
    rest_us((int64_t)ms * 1000);
}

static int64_t now_us(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- outcomes --- */

static bool is_fenced(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__FENCED || error == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           error == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* Writing it anew would be refused anew. */
static bool stays_refused(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP: /* our clock is ahead of the broker's by an hour */
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

/* Of a call of a transaction; destroys the error. DK_OK; DK_AGAIN: take the call up again; DK_TORN:
 * abort, then begin anew; DK_FENCED; DK_IO: nobody knows. */
static enum dk_status judge(struct dk_kafka_writer *writer, rd_kafka_error_t *error,
                            const char *what, struct dk_err *err)
{
    enum dk_status status = DK_IO;
    char why[256];

    if (error == NULL)
        return DK_OK;
    if (is_fenced(rd_kafka_error_code(error)) ||
        (rd_kafka_error_is_fatal(error) &&
         is_fenced(rd_kafka_fatal_error(writer->client, why, sizeof(why)))))
        status = DK_FENCED;
    else if (rd_kafka_error_is_fatal(error))
        status = DK_IO;
    else if (rd_kafka_error_txn_requires_abort(error))
        status = DK_TORN;
    else if (rd_kafka_error_is_retriable(error))
        status = DK_AGAIN;
    if (status == DK_TORN && !stays_refused(writer->refused))
        writer->refused = rd_kafka_error_code(error);
    if (status == DK_FENCED)
        (void)dk_fail(err, DK_FENCED, "a newer writer has taken over topic '%s': %s", writer->topic,
                      rd_kafka_error_string(error));
    else
        (void)dk_kafka_fail(err, status, "topic '%s' can't be written: %s: %s", writer->topic, what,
                            rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return status;
}

/* Called by rd_kafka_poll and by commit and abort, in our thread. */
static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct dk_kafka_writer *writer = opaque;

    (void)client;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR)
        writer->offset_last = message->offset;
    else if (!stays_refused(writer->refused))
        writer->refused = message->err;
}

/* Whether to go on where no broker has answered, or one called off; else *status is DK_AWAY. */
static bool waits(const struct dk_kafka_writer *writer, enum dk_status *status, struct dk_err *err)
{
    if (writer->is_stopped == NULL || !writer->is_stopped(writer->context))
        return true;
    *status = dk_kafka_fail(err, DK_AWAY,
                            "topic '%s': stopped while '%s' did not answer: whether what was to be "
                            "written counts is not known",
                            writer->topic, writer->place->brokers);
    return false;
}

/* --- one transaction --- */

static enum dk_status produce(struct dk_kafka_writer *writer, const struct dk_kafka_record *record,
                              uint8_t *bytes, struct dk_err *err)
{
    uint8_t head[DK_KAFKA_HEAD_SIZE];
    rd_kafka_vu_t parts[] = {
        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = writer->topic },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0 },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = 0 }, /* borrowed: neither copied nor freed */
        { .vtype = RD_KAFKA_VTYPE_HEADER, .u.header = { DK_KAFKA_HEAD, head, sizeof(head) } },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { bytes, record->size } },
    };
    size_t count = sizeof(parts) / sizeof(parts[0]) - (record->head.count == 0 ? 1 : 0);

    dk_kafka_head_put(&record->head, head);
    for (;;) {
        rd_kafka_error_t *error = rd_kafka_produceva(writer->client, parts, count);

        if (error == NULL)
            return DK_OK;
        if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            enum dk_status status;

            rd_kafka_error_destroy(error);
            (void)rd_kafka_poll(writer->client, FULL_MS);
            if (!waits(writer, &status, err))
                return status;
            continue;
        }
        if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__STATE) {
            rd_kafka_error_destroy(error);
            return DK_TORN; /* the transaction has failed already */
        }
        return judge(writer, error, "produce", err);
    }
}

static enum dk_status commit(struct dk_kafka_writer *writer, struct dk_err *err)
{
    enum dk_status status;

    do
        status = judge(writer, rd_kafka_commit_transaction(writer->client, STEP_MS), "commit", err);
    while (status == DK_AGAIN && waits(writer, &status, err));
    return status;
}

/* Afterwards nothing of the transaction will ever be read. */
static enum dk_status call_off(struct dk_kafka_writer *writer, struct dk_err *err)
{
    enum dk_status status;

    do
        status = judge(writer, rd_kafka_abort_transaction(writer->client, STEP_MS), "abort", err);
    while (status == DK_AGAIN && waits(writer, &status, err));
    return status == DK_TORN ? DK_IO : status;
}

static enum dk_status begin(struct dk_kafka_writer *writer, struct dk_err *err)
{
    int64_t early_us = writer->shown_us + NOTE_US - now_us();
    enum dk_status status;

    writer->offset_last = -1;
    writer->refused = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (early_us > 0)
        rest_us(early_us);
    status = judge(writer, rd_kafka_begin_transaction(writer->client), "begin", err);
    return status == DK_OK || status == DK_FENCED ? status : DK_IO;
}

/* DK_TORN: it was aborted. */
static enum dk_status write_once(struct dk_kafka_writer *writer,
                                 const struct dk_kafka_record *records, size_t count,
                                 uint8_t *bytes, struct dk_err *err)
{
    enum dk_status status = begin(writer, err);

    if (status != DK_OK)
        return status;
    for (size_t i = 0; i < count && status == DK_OK; i++) {
        status = produce(writer, &records[i], bytes, err);
        bytes += records[i].size;
    }
    if (status == DK_OK)
        status = commit(writer, err);
    if (status != DK_TORN)
        return status;
    status = call_off(writer, err);
    return status == DK_OK ? DK_TORN : status;
}

static enum dk_status refuse(const struct dk_kafka_writer *writer, struct dk_err *err)
{
    return dk_kafka_fail(err, DK_IO, "topic '%s' can't be written: %s", writer->topic,
                         rd_kafka_err2str(writer->refused));
}

/* --- that it shows --- */

/* Until what is committed ends at `offset` or behind it. DK_AGAIN: not within SHOWN_MS. */
static enum dk_status await_end(struct dk_kafka_writer *writer, int64_t offset, int64_t *end,
                                struct dk_err *err)
{
    int64_t since_ms = dk_clock_ms();

    for (unsigned asked = 0;; asked++) {
        enum dk_status status =
            dk_kafka_limit(writer->client, writer->place, writer->topic, ASK_MS, end, err);

        if (status == DK_OK && *end >= offset)
            return DK_OK;
        if (status != DK_OK && (status != DK_AWAY || !waits(writer, &status, err)))
            return status;
        if (status == DK_AWAY)
            since_ms = dk_clock_ms();
        if (dk_clock_ms() - since_ms > SHOWN_MS)
            return DK_AGAIN;
        if (asked >= ASK_FAST)
            rest(ASK_PAUSE_MS);
    }
}

/* Of the transaction that was committed last. DK_AGAIN: the end is not where its marker would be.
 */
static enum dk_status await_marker(struct dk_kafka_writer *writer, struct dk_err *err)
{
    int64_t wanted = writer->offset_last + 2, end;
    enum dk_status status;

    if (writer->offset_last < 0)
        return DK_AGAIN;
    status = await_end(writer, wanted, &end, err);
    if (status != DK_OK || end != wanted)
        return status != DK_OK ? status : DK_AGAIN;
    writer->shown_us = now_us();
    return DK_OK;
}

/* What may stand behind that record and say nothing new: a mark says it again, and that our epoch
 * has begun was read before. */
static struct dk_kafka_record mark_behind(const struct dk_kafka_record *last)
{
    struct dk_kafka_record mark = { last->head, 0 };

    if (mark.head.count > 0)
        mark.head =
            (struct dk_kafka_head){ last->head.seq + 1, last->head.epoch, DK_KAFKA_OPENING, 0 };
    return mark;
}

/* Until readers can see what was committed, whose last record that is. A mark has no bytes. */
static enum dk_status publish(struct dk_kafka_writer *writer, const struct dk_kafka_record *last,
                              uint8_t *bytes, struct dk_err *err)
{
    const struct dk_kafka_record mark = mark_behind(last);
    enum dk_status status = await_marker(writer, err);

    for (int i = 0; status == DK_AGAIN && i < MARKS_MAX; i++) {
        status = write_once(writer, &mark, 1, bytes, err);
        if (status == DK_TORN)
            return dk_kafka_fail(
                err, DK_IO,
                "topic '%s': a transaction was committed and did not show, and what "
                "was to show it was called off: whether it counts is not known",
                writer->topic);
        if (status == DK_OK)
            status = await_marker(writer, err);
    }
    if (status == DK_AGAIN)
        return dk_kafka_fail(err, DK_IO,
                             "topic '%s': what is committed does not show, %d times in a row: "
                             "whether it ever will is not known",
                             writer->topic, MARKS_MAX);
    return status;
}

/* --- what was called off --- */

/* DK_TORN: not this time. *end: from where on nothing is decided; -1: that is not known. */
static enum dk_status sweep_once(struct dk_kafka_writer *writer, int64_t *end, struct dk_err *err)
{
    const struct dk_kafka_record record = { { 1, 1, DK_KAFKA_OPENING, 0 }, 0 };
    enum dk_status status = begin(writer, err);

    *end = -1;
    if (status != DK_OK)
        return status;
    status = produce(writer, &record, NULL, err);
    for (int64_t end_ms = dk_clock_ms() + STEP_MS; status == DK_OK && writer->offset_last < 0 &&
                                                   writer->refused == RD_KAFKA_RESP_ERR_NO_ERROR &&
                                                   dk_clock_ms() < end_ms;)
        (void)rd_kafka_poll(writer->client, FULL_MS);
    if (status == DK_OK || status == DK_TORN)
        status = call_off(writer, err);
    if (status == DK_OK && writer->offset_last < 0)
        return DK_TORN;
    if (status == DK_OK)
        status = await_end(writer, writer->offset_last + 1, end, err);
    return status == DK_AGAIN ? DK_TORN : status;
}

static enum dk_status not_swept(const struct dk_kafka_writer *writer, int64_t end,
                                struct dk_err *err)
{
    if (end >= 0)
        return dk_kafka_fail(err, DK_IO,
                             "topic '%s': from offset %lld on it belongs to a transaction that "
                             "nobody ends: kafka-transactions.sh --bootstrap-server %s abort "
                             "--topic %s --partition 0 --start-offset %lld ends it",
                             writer->topic, (long long)end, writer->place->brokers, writer->topic,
                             (long long)end);
    if (writer->refused != RD_KAFKA_RESP_ERR_NO_ERROR)
        return refuse(writer, err);
    return dk_kafka_away(writer->place, err);
}

/* What lies in the topic without a marker, of ours or of a writer before us, will never be read.
 * Tries so often, and not any more behind end_ms. */
static enum dk_status sweep(struct dk_kafka_writer *writer, int64_t end_ms, struct dk_err *err)
{
    enum dk_status status;
    int64_t end;

    for (int i = 1; (status = sweep_once(writer, &end, err)) == DK_TORN; i++) {
        if (stays_refused(writer->refused))
            return refuse(writer, err);
        if (i >= MARKS_MAX || dk_clock_ms() > end_ms)
            return not_swept(writer, end, err);
        if (!waits(writer, &status, err))
            return status;
        rest(PAUSE_MS);
    }
    return status;
}

enum dk_status dk_kafka_write(struct dk_kafka_writer *writer, const struct dk_kafka_record *records,
                              size_t count, uint8_t *bytes, struct dk_err *err)
{
    enum dk_status status;

    while ((status = write_once(writer, records, count, bytes, err)) == DK_TORN) {
        if (stays_refused(writer->refused))
            return refuse(writer, err);
        if (!waits(writer, &status, err))
            return status;
        rest(PAUSE_MS);
        status = sweep(writer, INT64_MAX, err);
        if (status != DK_OK)
            return status;
    }
    return status == DK_OK ? publish(writer, &records[count - 1], bytes, err) : status;
}

/* --- beginning and end --- */

enum dk_status dk_kafka_writer_open(struct dk_kafka_writer *writer,
                                    const struct dk_kafka_place *place,
                                    const struct dk_log_options *options, struct dk_err *err)
{
    struct dk_kafka_setting
        all[sizeof(settings) / sizeof(settings[0]) + sizeof(wishes) / sizeof(wishes[0]) + 2];
    size_t count = dk_kafka_settings(all, place, settings, sizeof(settings) / sizeof(settings[0]),
                                     wishes, sizeof(wishes) / sizeof(wishes[0]));
    char size[16];
    rd_kafka_conf_t *conf;
    enum dk_status status;

    memset(writer, 0, sizeof(*writer));
    writer->place = place;
    writer->is_stopped = options->is_stopped;
    writer->context = options->context;
    dk_kafka_topic_name(place, DK_KAFKA_EVENTS, writer->topic);
    (void)snprintf(size, sizeof(size), "%u", DK_KAFKA_MESSAGE_SIZE_MAX);
    all[count++] = (struct dk_kafka_setting){ "message.max.bytes", size };
    all[count++] = (struct dk_kafka_setting){ "transactional.id", writer->topic };
    status = dk_kafka_conf(&conf, place, all, count, err);
    if (status != DK_OK)
        return status;
    rd_kafka_conf_set_opaque(conf, writer);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    return dk_kafka_start(&writer->client, RD_KAFKA_PRODUCER, conf, err);
}

void dk_kafka_writer_close(struct dk_kafka_writer *writer)
{
    if (writer->client == NULL)
        return;
    (void)rd_kafka_purge(writer->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(writer->client);
    writer->client = NULL;
}

enum dk_status dk_kafka_writer_fence(struct dk_kafka_writer *writer, struct dk_err *err)
{
    int64_t end_ms = dk_clock_ms() + DK_KAFKA_OPEN_MS;
    enum dk_status status;

    do
        status = judge(writer, rd_kafka_init_transactions(writer->client, STEP_MS), "init", err);
    while (status == DK_AGAIN && dk_clock_ms() < end_ms);
    if (status == DK_AGAIN)
        return dk_kafka_fail(err, DK_AWAY,
                             "the writer before us can't be fenced: '%s' does not answer for the "
                             "transactions of topic '%s'",
                             writer->place->brokers, writer->topic);
    if (status == DK_OK)
        status = sweep(writer, dk_clock_ms() + DK_KAFKA_OPEN_MS, err);
    return status == DK_TORN ? DK_IO : status;
}
