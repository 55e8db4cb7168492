/* kafka_stream_reader.c - reading a topic beside the log, from any offset (stream.h)
 *
 * The simple consumer of librdkafka: no group, so no coordinator to be found and no right to one
 * needed. A fetch waits at the broker until there is something, so a record is here as soon as it
 * is replicated; the queue's event wakes our eventfd. While it waits, the broker answers nothing
 * else on that link: so it waits a tenth of a second at most, for the sake of seeks and questions.
 */
#include "log/kafka_events.h"
#include "log/kafka_stream.h"

#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TELL_MS = 2000 }; /* for the range in the text of a failure */

struct dk_stream_reader {
    struct dk_kafka_place place;
    char name[DK_KAFKA_TOPIC_MAX];
    rd_kafka_t *consumer;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    rd_kafka_message_t *message; /* what the last record was borrowed from */
    int64_t offset;              /* of the next one */
    bool is_at_end, is_reading;
    int fd;
};

static const uint64_t one = 1;

static void stop(struct dk_stream_reader *reader)
{
    if (reader->message != NULL)
        rd_kafka_message_destroy(reader->message);
    reader->message = NULL;
    if (reader->is_reading)
        (void)rd_kafka_consume_stop(reader->topic, 0);
    reader->is_reading = false;
    if (reader->queue != NULL) {
        rd_kafka_queue_io_event_enable(reader->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(reader->queue);
    }
    reader->queue = NULL;
}

enum dk_status dk_stream_reader_seek(struct dk_stream_reader *reader, int64_t offset,
                                     struct dk_err *err)
{
    if (offset < 0)
        return dk_fail(err, DK_INVALID, "offset %lld of topic '%s' is negative", (long long)offset,
                       reader->name);
    stop(reader); /* with its queue goes what was fetched already */
    reader->queue = rd_kafka_queue_new(reader->consumer);
    rd_kafka_queue_io_event_enable(reader->queue, reader->fd, &one, sizeof(one));
    reader->offset = offset;
    reader->is_at_end = false;
    if (rd_kafka_consume_start_queue(reader->topic, 0, offset, reader->queue) != 0)
        return dk_fail(err, DK_IO, "topic '%s' can't be read from offset %lld: %s", reader->name,
                       (long long)offset, rd_kafka_err2str(rd_kafka_last_error()));
    reader->is_reading = true;
    return DK_OK;
}

static enum dk_status make_consumer(struct dk_stream_reader *reader, struct dk_err *err)
{
    static const struct dk_kafka_setting settings[] = {
        { "check.crcs", "true" },
        { "enable.partition.eof", "true" },
        { "isolation.level", "read_uncommitted" }, /* nobody writes it in transactions */
        { "fetch.error.backoff.ms", "100" },
        { "fetch.wait.max.ms", "100" },
        { "queued.max.messages.kbytes", "32768" },
        { "auto.offset.reset", "error" },
    };
    rd_kafka_conf_t *conf;
    enum dk_status status =
        dk_kafka_conf(&conf, &reader->place, settings, sizeof(settings) / sizeof(settings[0]), err);

    if (status == DK_OK)
        status = dk_kafka_start(&reader->consumer, RD_KAFKA_CONSUMER, conf, err);
    if (status != DK_OK)
        return status;
    reader->topic = rd_kafka_topic_new(reader->consumer, reader->name, NULL);
    DK_CHECK(reader->topic != NULL);
    return DK_OK;
}

enum dk_status dk_stream_reader_open(struct dk_stream_reader **out, const char *uri,
                                     const char *name, int64_t offset, struct dk_err *err)
{
    struct dk_stream_reader *reader = calloc(1, sizeof(*reader));
    enum dk_status status = DK_OK;

    DK_CHECK(reader != NULL);
    *out = NULL;
    reader->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reader->fd < 0)
        status = dk_fail(err, DK_IO, "no eventfd: %s", strerror(errno));
    if (status == DK_OK)
        status = dk_stream_place(&reader->place, uri, err);
    if (status == DK_OK) {
        dk_kafka_topic_name(&reader->place, name, reader->name);
        status = make_consumer(reader, err);
    }
    if (status == DK_OK)
        status = dk_kafka_topic_find(reader->consumer, &reader->place, name, err);
    if (status == DK_OK)
        status = dk_stream_reader_seek(reader, offset, err);
    if (status != DK_OK) {
        dk_stream_reader_close(reader);
        return status;
    }
    *out = reader;
    return DK_OK;
}

void dk_stream_reader_close(struct dk_stream_reader *reader)
{
    if (reader == NULL)
        return;
    stop(reader);
    if (reader->topic != NULL)
        rd_kafka_topic_destroy(reader->topic);
    if (reader->consumer != NULL)
        rd_kafka_destroy(reader->consumer);
    dk_kafka_place_release(&reader->place);
    if (reader->fd >= 0)
        (void)close(reader->fd);
    free(reader);
}

/* --- records --- */

static void put_record(struct dk_stream_record *record, const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers;
    const void *mac;
    size_t size;
    int64_t time_ms = rd_kafka_message_timestamp(message, &type);

    *record = (struct dk_stream_record){
        .key = { message->key, message->key_len },
        .value = { message->payload, message->len },
        .offset = message->offset,
        .time_us = type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && time_ms > 0 ? time_ms * 1000 : 0,
    };
    if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        rd_kafka_header_get_last(headers, "mac", &mac, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
        record->mac = (struct dk_stream_bytes){ mac, size };
}

static enum dk_status gone(struct dk_stream_reader *reader, struct dk_err *err)
{
    int64_t first, limit;

    if (dk_stream_reader_range(reader, &first, &limit, TELL_MS, NULL) != DK_OK)
        return dk_fail(err, DK_NOT_FOUND, "offset %lld is not in topic '%s'",
                       (long long)reader->offset, reader->name);
    return dk_fail(err, DK_NOT_FOUND, "offset %lld is not in topic '%s': it has %lld to %lld",
                   (long long)reader->offset, reader->name, (long long)first, (long long)limit - 1);
}

static rd_kafka_message_t *fetched(struct dk_stream_reader *reader)
{
    rd_kafka_message_t *message = rd_kafka_consume_queue(reader->queue, 0);
    uint64_t count;

    if (message != NULL)
        return message;
    /* What comes after the second look wakes us again. */
    (void)!read(reader->fd, &count, sizeof(count));
    return rd_kafka_consume_queue(reader->queue, 0);
}

enum dk_status dk_stream_reader_next(struct dk_stream_reader *reader,
                                     struct dk_stream_record *record, struct dk_err *err)
{
    for (;;) {
        rd_kafka_message_t *message;

        if (reader->message != NULL)
            rd_kafka_message_destroy(reader->message);
        reader->message = message = reader->is_reading ? fetched(reader) : NULL;
        if (message == NULL)
            return DK_AGAIN;
        switch ((int)message->err) {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
            if (message->offset < reader->offset)
                continue; /* fetched twice around a change of brokers */
            reader->is_at_end = false;
            reader->offset = message->offset + 1;
            put_record(record, message);
            return DK_OK;
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
            reader->is_at_end = true;
            continue;
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
            return gone(reader, err);
        case RD_KAFKA_RESP_ERR__BAD_MSG:
            return dk_fail(err, DK_CORRUPT, "topic '%s' at offset %lld: %s", reader->name,
                           (long long)reader->offset, rd_kafka_message_errstr(message));
        default: /* a broker that is away, or elects: librdkafka tries on */
            continue;
        }
    }
}

bool dk_stream_reader_at_end(const struct dk_stream_reader *reader)
{
    return reader->is_at_end;
}

int64_t dk_stream_reader_offset(const struct dk_stream_reader *reader)
{
    return reader->offset;
}

int dk_stream_reader_fd(const struct dk_stream_reader *reader)
{
    return reader->fd;
}

enum dk_status dk_stream_reader_wait(struct dk_stream_reader *reader, int timeout_ms)
{
    struct pollfd fd = { .fd = reader->fd, .events = POLLIN };

    return poll(&fd, 1, timeout_ms) > 0 ? DK_OK : DK_AGAIN;
}

/* --- where is what --- */

enum dk_status dk_stream_reader_range(struct dk_stream_reader *reader, int64_t *first,
                                      int64_t *limit, int timeout_ms, struct dk_err *err)
{
    return dk_kafka_range(reader->consumer, &reader->place, reader->name, timeout_ms, first, limit,
                          err);
}

enum dk_status dk_stream_reader_find(struct dk_stream_reader *reader, int64_t time_us,
                                     int64_t *offset, int timeout_ms, struct dk_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_add(list, reader->name, 0);
    rd_kafka_resp_err_t error;
    int64_t first;

    /* A record has milliseconds: the first one not before time_us is that of the next full one. */
    asked->offset = time_us > 0 ? (time_us - 1) / 1000 + 1 : 0;
    error = rd_kafka_offsets_for_times(reader->consumer, list, timeout_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = asked->err;
    *offset = asked->offset;
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return dk_fail(err, DK_IO, "topic '%s' does not say which offset a time has: %s",
                       reader->name, rd_kafka_err2str(error));
    if (*offset >= 0)
        return DK_OK;
    return dk_stream_reader_range(reader, &first, offset, timeout_ms, err);
}
