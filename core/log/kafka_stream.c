/* kafka_stream.c - sending into a topic beside the log (stream.h)
 *
 * librdkafka queues, retries and keeps the order; its idempotent producer makes a retry write
 * nothing twice. Results come back as its delivery reports, whose queue wakes our eventfd.
 *
 * The one fault it can't live through is a broker that knows a different sequence than it does (for
 * 2.0.2 that is also a timeout after which nobody knows what was written): it calls that fatal, and
 * every call after it fails. Then what has no result is purged, which gives each of them one, and
 * once all have been polled a new producer takes over. */
#include "log/kafka_stream.h"

#include "base/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TIMEOUT_MS = 30000, TIMEOUT_MS_MIN = 1000, QUEUE_MAX = 65536, QUEUE_KIB_MAX = 256 << 10 };

struct result {
    uint64_t token;
    int64_t offset;
    rd_kafka_resp_err_t error;
    bool is_unsure; /* whether it was written */
};

struct dk_stream {
    struct dk_kafka_place place;
    char topic[DK_KAFKA_TOPIC_MAX];
    struct dk_stream_options options;
    pthread_mutex_t mutex; /* guards the rest but fd: sends come from any thread */
    rd_kafka_t *producer;
    rd_kafka_queue_t *queue;
    struct result *results; /* of the last event that had some */
    size_t results_at, results_count;
    uint32_t pending;
    bool is_dead; /* the producer, by a fatal error */
    bool is_stopped;
    char why_dead[128];
    int fd;
};

static const uint64_t one = 1;

enum dk_status dk_stream_place(struct dk_kafka_place *place, const char *uri, struct dk_err *err)
{
    memset(place, 0, sizeof(*place));
    if (strncmp(uri, "kafka:", strlen("kafka:")) != 0)
        return dk_fail(err, DK_UNSUPPORTED,
                       "log '%s' has no streams beside it, as kafka://BROKERS/PREFIX has", uri);
    return dk_kafka_place_init(place, uri, err);
}

static enum dk_status make_producer(struct dk_stream *stream, struct dk_err *err)
{
    char timeout[16], kib[16], size[16];
    const struct dk_kafka_setting settings[] = {
        { "enable.idempotence", "true" },
        { "acks", "all" },
        { "linger.ms", "0" },
        { "message.timeout.ms", timeout },
        { "queue.buffering.max.messages", "0" }, /* send counts */
        { "queue.buffering.max.kbytes", kib },
        { "message.max.bytes", size },
    };
    rd_kafka_conf_t *conf;
    enum dk_status status;

    (void)snprintf(timeout, sizeof(timeout), "%d", stream->options.timeout_ms);
    (void)snprintf(kib, sizeof(kib), "%d", QUEUE_KIB_MAX);
    (void)snprintf(size, sizeof(size), "%u", DK_KAFKA_MESSAGE_SIZE_MAX);
    status =
        dk_kafka_conf(&conf, &stream->place, settings, sizeof(settings) / sizeof(settings[0]), err);
    if (status != DK_OK)
        return status;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    status = dk_kafka_start(&stream->producer, RD_KAFKA_PRODUCER, conf, err);
    if (status != DK_OK)
        return status;
    stream->queue = rd_kafka_queue_get_main(stream->producer);
    rd_kafka_queue_io_event_enable(stream->queue, stream->fd, &one, sizeof(one));
    stream->is_dead = false;
    return DK_OK;
}

static void drop_producer(struct dk_stream *stream)
{
    if (stream->producer == NULL)
        return;
    rd_kafka_queue_io_event_enable(stream->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(stream->queue);
    (void)rd_kafka_purge(stream->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(stream->producer);
    stream->producer = NULL;
}

enum dk_status dk_stream_open(struct dk_stream **out, const char *uri, const char *name,
                              const struct dk_stream_options *options, struct dk_err *err)
{
    struct dk_stream *stream = calloc(1, sizeof(*stream));
    enum dk_status status = DK_OK;

    DK_CHECK(stream != NULL);
    *out = NULL;
    if (options != NULL)
        stream->options = *options;
    if (stream->options.timeout_ms == 0)
        stream->options.timeout_ms = TIMEOUT_MS;
    if (stream->options.timeout_ms < TIMEOUT_MS_MIN)
        stream->options.timeout_ms = TIMEOUT_MS_MIN;
    if (stream->options.queue_max == 0)
        stream->options.queue_max = QUEUE_MAX;
    (void)pthread_mutex_init(&stream->mutex, NULL);
    stream->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stream->fd < 0)
        status = dk_fail(err, DK_IO, "no eventfd: %s", strerror(errno));
    if (status == DK_OK)
        status = dk_stream_place(&stream->place, uri, err);
    if (status == DK_OK) {
        dk_kafka_topic_name(&stream->place, name, stream->topic);
        status = make_producer(stream, err);
    }
    if (status == DK_OK)
        status = dk_kafka_topic_make(stream->producer, &stream->place, name, err);
    if (status != DK_OK) {
        dk_stream_close(stream);
        return status;
    }
    *out = stream;
    return DK_OK;
}

void dk_stream_close(struct dk_stream *stream)
{
    if (stream == NULL)
        return;
    drop_producer(stream);
    free(stream->results);
    dk_kafka_place_release(&stream->place);
    if (stream->fd >= 0)
        (void)close(stream->fd);
    (void)pthread_mutex_destroy(&stream->mutex);
    free(stream);
}

rd_kafka_t *dk_stream_producer(struct dk_stream *stream)
{
    return stream->producer;
}

int dk_stream_fd(const struct dk_stream *stream)
{
    return stream->fd;
}

uint32_t dk_stream_pending(struct dk_stream *stream)
{
    uint32_t pending;

    (void)pthread_mutex_lock(&stream->mutex);
    pending = stream->pending;
    (void)pthread_mutex_unlock(&stream->mutex);
    return pending;
}

/* --- sending --- */

/* Gives all that the producer has a result, and takes no more. */
static void retire(struct dk_stream *stream)
{
    stream->is_dead = true;
    (void)rd_kafka_purge(stream->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                               RD_KAFKA_PURGE_F_NON_BLOCKING);
    (void)!write(stream->fd, &one, sizeof(one)); /* poll has to make a new one */
}

void dk_stream_stop(struct dk_stream *stream)
{
    (void)pthread_mutex_lock(&stream->mutex);
    stream->is_stopped = true;
    (void)snprintf(stream->why_dead, sizeof(stream->why_dead), "it was stopped");
    if (stream->producer != NULL)
        retire(stream);
    (void)pthread_mutex_unlock(&stream->mutex);
}

/* If the producer has died. */
static void bury(struct dk_stream *stream)
{
    char why[sizeof(stream->why_dead)];

    if (stream->is_dead ||
        rd_kafka_fatal_error(stream->producer, why, sizeof(why)) == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    memcpy(stream->why_dead, why, sizeof(why));
    retire(stream);
}

/* librdkafka takes what does not change as if it did. */
static void *unconst(const void *data)
{
    union {
        const void *in;
        void *out;
    } same = { .in = data };

    return same.out;
}

static enum dk_status send_failed(struct dk_stream *stream, rd_kafka_error_t *error,
                                  struct dk_err *err)
{
    enum dk_status status;

    switch ((int)rd_kafka_error_code(error)) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        status = dk_fail(err, DK_BUSY, "topic '%s': %u records wait to be written already",
                         stream->topic, stream->pending);
        break;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        status = dk_fail(err, DK_TOO_LARGE, "topic '%s': a record is larger than %u bytes",
                         stream->topic, DK_STREAM_VALUE_SIZE_MAX);
        break;
    case RD_KAFKA_RESP_ERR__FATAL:
        bury(stream);
        /* fallthrough */
    default:
        status =
            dk_fail(err, DK_BUSY, "topic '%s': %s", stream->topic, rd_kafka_error_string(error));
        break;
    }
    rd_kafka_error_destroy(error);
    return status;
}

enum dk_status dk_stream_send(struct dk_stream *stream, const struct dk_stream_record *record,
                              uint64_t token, struct dk_err *err)
{
    rd_kafka_vu_t parts[] = {
        { .vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = stream->topic },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0 },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)token },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { unconst(record->key.data), record->key.size } },
        { .vtype = RD_KAFKA_VTYPE_VALUE,
          .u.mem = { unconst(record->value.data), record->value.size } },
        { .vtype = RD_KAFKA_VTYPE_HEADER,
          .u.header = { "mac", record->mac.data, (ssize_t)record->mac.size } },
    };
    size_t count = sizeof(parts) / sizeof(parts[0]) - (record->mac.data == NULL ? 1 : 0);
    enum dk_status status = DK_OK;
    rd_kafka_error_t *error;

    if (record->value.size > DK_STREAM_VALUE_SIZE_MAX)
        return dk_fail(err, DK_TOO_LARGE, "topic '%s': a record is larger than %u bytes",
                       stream->topic, DK_STREAM_VALUE_SIZE_MAX);
    (void)pthread_mutex_lock(&stream->mutex);
    if (stream->is_dead || stream->producer == NULL) {
        status = dk_fail(err, DK_BUSY, "topic '%s': no more is sent: %s", stream->topic,
                         stream->why_dead);
    } else if (stream->pending >= stream->options.queue_max) {
        status = dk_fail(err, DK_BUSY, "topic '%s': %u records wait to be written already",
                         stream->topic, stream->pending);
    } else {
        error = rd_kafka_produceva(stream->producer, parts, count);
        if (error != NULL)
            status = send_failed(stream, error, err);
        else
            stream->pending++;
    }
    (void)pthread_mutex_unlock(&stream->mutex);
    return status;
}

/* --- results --- */

/* Copied at once: what an event holds counts against the producer's queue. */
static void keep_results(struct dk_stream *stream, rd_kafka_event_t *event)
{
    size_t count = rd_kafka_event_message_count(event);
    const rd_kafka_message_t *message;

    free(stream->results);
    stream->results = calloc(count > 0 ? count : 1, sizeof(*stream->results));
    DK_CHECK(stream->results != NULL);
    stream->results_at = stream->results_count = 0;
    while (stream->results_count < count && (message = rd_kafka_event_message_next(event)) != NULL)
        stream->results[stream->results_count++] = (struct result){
            .token = (uint64_t)(uintptr_t)message->_private,
            .offset = message->offset,
            .error = message->err,
            .is_unsure = rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED ||
                         message->err == RD_KAFKA_RESP_ERR_UNKNOWN,
        };
}

static void put_result(struct dk_stream_result *out, const struct result *result)
{
    bool is_good = result->error == RD_KAFKA_RESP_ERR_NO_ERROR;

    out->token = result->token;
    out->status = is_good ? DK_OK : result->is_unsure ? DK_IO : DK_BUSY;
    out->offset = is_good ? result->offset : -1;
    (void)snprintf(out->why, sizeof(out->why), "%s",
                   is_good ? "" : rd_kafka_err2str(result->error));
}

/* Takes the next event of the queue; false: there is none. */
static bool take_event(struct dk_stream *stream)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(stream->queue, 0);
    uint64_t count;

    if (event == NULL) {
        /* What comes after the second look wakes us again. */
        (void)!read(stream->fd, &count, sizeof(count));
        event = rd_kafka_queue_poll(stream->queue, 0);
    }
    if (event == NULL)
        return false;
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
        keep_results(stream, event);
    else
        bury(stream);
    rd_kafka_event_destroy(event);
    return true;
}

static enum dk_status poll_locked(struct dk_stream *stream, struct dk_stream_result *result)
{
    do {
        if (stream->results_at < stream->results_count) {
            stream->pending--;
            put_result(result, &stream->results[stream->results_at++]);
            return DK_OK;
        }
    } while (stream->producer != NULL && take_event(stream));
    if (stream->is_dead && !stream->is_stopped && stream->pending == 0) {
        drop_producer(stream);
        (void)make_producer(stream, NULL);
    }
    return DK_AGAIN;
}

enum dk_status dk_stream_poll(struct dk_stream *stream, struct dk_stream_result *result)
{
    enum dk_status status;

    (void)pthread_mutex_lock(&stream->mutex);
    status = poll_locked(stream, result);
    (void)pthread_mutex_unlock(&stream->mutex);
    return status;
}
