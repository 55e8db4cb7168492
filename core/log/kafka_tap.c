/* kafka_tap.c - the records of PREFIX.events from an offset on (kafka_events.h)
 *
 * librdkafka's simple consumer, one record at a time: no group, no stored places, and none of the
 * calls of 2.0.2 that skip records (consume_batch, pause). It does not notice by itself that a log
 * was cut back and written anew; seqs and epochs do, in kafka_reader.c.
 */
#include "log/kafka_events.h"

#include "base/check.h"
#include "log/folder.h"
#include "log/frame.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    STOP_MS = 5000,
    PROBE_STEP_MS = 200,
    WINDOW = 4096 /* offsets that are read rather than looked for */
};

static const uint64_t one = 1;

static const struct dk_kafka_setting settings[] = {
    { "isolation.level", "read_committed" }, { "enable.partition.eof", "true" },
    { "auto.offset.reset", "error" },        { "check.crcs", "true" },
    { "enable.auto.commit", "false" },       { "enable.auto.offset.store", "false" },
    { "allow.auto.create.topics", "false" },
};

/* Of these a property of the place wins. */
static const struct dk_kafka_setting wishes[] = {
    { "fetch.error.backoff.ms", "20" },
    { "fetch.message.max.bytes", "262144" },
    { "queued.min.messages", "20000" },
    { "queued.max.messages.kbytes", "16384" },
};

void dk_kafka_head_put(const struct dk_kafka_head *head, uint8_t bytes[DK_KAFKA_HEAD_SIZE])
{
    dk_put_u64(bytes, head->seq);
    dk_put_u32(bytes + 8, head->epoch);
    dk_put_u32(bytes + 12, head->index);
    dk_put_u32(bytes + 16, head->count);
}

bool dk_kafka_head_get(struct dk_kafka_head *head, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const void *value;
    const uint8_t *bytes;
    size_t size;

    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        rd_kafka_header_get_last(headers, DK_KAFKA_HEAD, &value, &size) !=
            RD_KAFKA_RESP_ERR_NO_ERROR ||
        size != DK_KAFKA_HEAD_SIZE)
        return false;
    bytes = value;
    head->seq = dk_get_u64(bytes);
    head->epoch = dk_get_u32(bytes + 8);
    head->index = dk_get_u32(bytes + 12);
    head->count = dk_get_u32(bytes + 16);
    if (head->seq == 0 || head->epoch == 0)
        return false;
    if (head->count == 0)
        return head->index < DK_KAFKA_MARKS && message->len == 0;
    return head->index < head->count && head->index < head->seq;
}

/* One end of the topic. rd_kafka_query_watermark_offsets would tell both at once; but that of 2.0.2
 * forgets its timeout while the broker is away, and a standby could not even be told to end. */
static rd_kafka_resp_err_t ask_end(rd_kafka_t *client, const char *topic, int64_t which,
                                   int timeout_ms, int64_t *offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_add(list, topic, 0);
    rd_kafka_resp_err_t error;

    asked->offset = which; /* in place of a time */
    error = rd_kafka_offsets_for_times(client, list, timeout_ms);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = asked->err;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        *offset = asked->offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error;
}

static enum dk_status judge(rd_kafka_resp_err_t error, const struct dk_kafka_place *place,
                            const char *topic, struct dk_err *err)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return DK_OK;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return dk_kafka_fail(err, DK_IO, "topic '%s' is gone", topic);
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return dk_kafka_fail(err, DK_IO, "topic '%s' may not be read", topic);
    default:
        return dk_kafka_away(place, err);
    }
}

enum dk_status dk_kafka_limit(rd_kafka_t *client, const struct dk_kafka_place *place,
                              const char *topic, int timeout_ms, int64_t *limit, struct dk_err *err)
{
    return judge(ask_end(client, topic, RD_KAFKA_OFFSET_END, timeout_ms, limit), place, topic, err);
}

enum dk_status dk_kafka_range(rd_kafka_t *client, const struct dk_kafka_place *place,
                              const char *topic, int timeout_ms, int64_t *first, int64_t *limit,
                              struct dk_err *err)
{
    enum dk_status status = judge(
        ask_end(client, topic, RD_KAFKA_OFFSET_BEGINNING, timeout_ms, first), place, topic, err);

    return status == DK_OK ? dk_kafka_limit(client, place, topic, timeout_ms, limit, err) : status;
}

/* --- opening --- */

static enum dk_status start_client(struct dk_kafka_tap *tap, int wait_ms, struct dk_err *err)
{
    struct dk_kafka_setting
        all[sizeof(settings) / sizeof(settings[0]) + sizeof(wishes) / sizeof(wishes[0]) + 1];
    size_t count =
        dk_kafka_settings(all, tap->place, settings, sizeof(settings) / sizeof(settings[0]), wishes,
                          sizeof(wishes) / sizeof(wishes[0]));
    char wait[16];
    rd_kafka_conf_t *conf;
    enum dk_status status;

    (void)snprintf(wait, sizeof(wait), "%d", wait_ms);
    all[count++] = (struct dk_kafka_setting){ "fetch.wait.max.ms", wait };
    status = dk_kafka_conf(&conf, tap->place, all, count, err);
    return status == DK_OK ? dk_kafka_start(&tap->client, RD_KAFKA_CONSUMER, conf, err) : status;
}

static enum dk_status start_asker(struct dk_kafka_tap *tap, struct dk_err *err)
{
    rd_kafka_conf_t *conf;
    enum dk_status status =
        dk_kafka_conf(&conf, tap->place, settings, sizeof(settings) / sizeof(settings[0]), err);

    return status == DK_OK ? dk_kafka_start(&tap->asker, RD_KAFKA_CONSUMER, conf, err) : status;
}

enum dk_status dk_kafka_tap_open(struct dk_kafka_tap *tap, const struct dk_kafka_place *place,
                                 int wait_ms, struct dk_err *err)
{
    enum dk_status status;

    memset(tap, 0, sizeof(*tap));
    tap->place = place;
    dk_kafka_topic_name(place, DK_KAFKA_EVENTS, tap->name);
    tap->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (tap->fd < 0)
        return dk_fail(err, DK_IO, "no eventfd: %s", strerror(errno));
    status = start_client(tap, wait_ms, err);
    if (status == DK_OK)
        status = dk_kafka_topic_find(tap->client, place, DK_KAFKA_EVENTS, err);
    if (status != DK_OK)
        return status;
    tap->topic = rd_kafka_topic_new(tap->client, tap->name, NULL);
    tap->queue = rd_kafka_queue_new(tap->client);
    DK_CHECK(tap->topic != NULL && tap->queue != NULL);
    rd_kafka_queue_io_event_enable(tap->queue, tap->fd, &one, sizeof(one));
    return DK_OK;
}

static void stop(struct dk_kafka_tap *tap)
{
    if (tap->is_running)
        (void)rd_kafka_consume_stop(tap->topic, 0);
    tap->is_running = false;
}

void dk_kafka_tap_close(struct dk_kafka_tap *tap)
{
    stop(tap);
    if (tap->queue != NULL) {
        rd_kafka_queue_io_event_enable(tap->queue, -1, NULL, 0);
        rd_kafka_queue_destroy(tap->queue);
    }
    if (tap->topic != NULL)
        rd_kafka_topic_destroy(tap->topic);
    if (tap->client != NULL)
        rd_kafka_destroy(tap->client);
    if (tap->asker != NULL)
        rd_kafka_destroy(tap->asker);
    if (tap->fd >= 0)
        (void)close(tap->fd);
    memset(tap, 0, sizeof(*tap));
    tap->fd = -1;
}

enum dk_status dk_kafka_tap_seek(struct dk_kafka_tap *tap, int64_t offset, struct dk_err *err)
{
    stop(tap);
    if (rd_kafka_consume_start_queue(tap->topic, 0, offset, tap->queue) != 0)
        return dk_kafka_fail(err, DK_IO, "topic '%s' can't be read from offset %lld: %s", tap->name,
                             (long long)offset, rd_kafka_err2str(rd_kafka_last_error()));
    tap->is_running = true;
    tap->next = tap->reached = offset;
    return DK_OK;
}

/* --- taking --- */

static enum dk_status hear(struct dk_kafka_tap *tap, const rd_kafka_message_t *message,
                           struct dk_err *err)
{
    switch ((int)message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (message->offset > tap->reached)
            tap->reached = message->offset;
        return DK_AGAIN;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return dk_fail(err, DK_DIVERGED,
                       "topic '%s' does not have offset %lld any more: it was cut off or made anew",
                       tap->name, (long long)tap->next);
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return dk_fail(err, DK_DIVERGED, "topic '%s' is gone", tap->name);
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
        return dk_fail(err, DK_CORRUPT, "topic '%s' is damaged at offset %lld or behind it: %s",
                       tap->name, (long long)tap->next, rd_kafka_message_errstr(message));
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return dk_fail(err, DK_IO, "topic '%s' may not be read: %s", tap->name,
                       rd_kafka_message_errstr(message));
    default: /* the library tries on */
        return DK_AGAIN;
    }
}

/* A record is followed by another, of its transaction or, where a marker was forgotten, by a mark;
 * or by its marker. So once it is taken nothing is left below the offset two behind it, if those
 * below that are committed at all: a second record would have made it three. */
static void count_taken(struct dk_kafka_tap *tap, int64_t offset)
{
    tap->next = offset + 1;
    if (tap->reached < offset + 2)
        tap->reached = offset + 2;
}

enum dk_status dk_kafka_tap_take(struct dk_kafka_tap *tap, int timeout_ms,
                                 rd_kafka_message_t **message, struct dk_err *err)
{
    for (;;) {
        rd_kafka_message_t *found = rd_kafka_consume_queue(tap->queue, timeout_ms);
        enum dk_status status;

        *message = NULL;
        if (found == NULL)
            return DK_AGAIN;
        if (found->err == RD_KAFKA_RESP_ERR_NO_ERROR && found->offset >= tap->next) {
            count_taken(tap, found->offset);
            *message = found;
            return DK_OK;
        }
        status = found->err != RD_KAFKA_RESP_ERR_NO_ERROR ? hear(tap, found, err) : DK_AGAIN;
        rd_kafka_message_destroy(found);
        if (status != DK_AGAIN || timeout_ms > 0)
            return status;
    }
}

void dk_kafka_tap_drain(struct dk_kafka_tap *tap)
{
    uint64_t count;

    (void)!read(tap->fd, &count, sizeof(count));
    (void)rd_kafka_poll(tap->client, 0);
}

enum dk_status dk_kafka_tap_limit(struct dk_kafka_tap *tap, bool is_waiting, int timeout_ms,
                                  int64_t *limit, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (is_waiting && tap->asker == NULL)
        status = start_asker(tap, err);
    if (status != DK_OK)
        return status;
    return dk_kafka_limit(is_waiting ? tap->asker : tap->client, tap->place, tap->name, timeout_ms,
                          limit, err);
}

/* --- finding a seq --- */

/* The first record at or behind `offset`, and below `limit`: DK_OK; DK_END: there is none. */
static enum dk_status probe(struct dk_kafka_tap *tap, int64_t offset, int64_t limit,
                            int patience_ms, struct dk_kafka_head *head, int64_t *at,
                            struct dk_err *err)
{
    int64_t end_ms = dk_clock_ms() + patience_ms;
    enum dk_status status = dk_kafka_tap_seek(tap, offset, err);
    rd_kafka_message_t *message = NULL;

    if (status != DK_OK)
        return status;
    for (;;) {
        status = dk_kafka_tap_take(tap, PROBE_STEP_MS, &message, err);
        if (status == DK_OK)
            break;
        if (status != DK_AGAIN)
            return status;
        if (tap->reached >= limit)
            return DK_END;
        if (dk_clock_ms() > end_ms)
            return dk_kafka_away(tap->place, err);
    }
    DK_CHECK(message != NULL);
    *at = message->offset;
    if (*at >= limit)
        status = DK_END;
    else if (!dk_kafka_head_get(head, message))
        status = dk_fail(err, DK_CORRUPT, "topic '%s': offset %lld is no record of docket's",
                         tap->name, (long long)*at);
    rd_kafka_message_destroy(message);
    return status;
}

/* Reading from `low` finds the batch of `seq`, or the last one before it. What begins at or before
 * `seq` and is not seen yet lies between `from` and `high`. */
enum dk_status dk_kafka_tap_find(struct dk_kafka_tap *tap, uint64_t seq, int patience_ms,
                                 struct dk_err *err)
{
    struct dk_kafka_head head = { 0 };
    int64_t first = 0, high = 0, limit, at = 0;
    enum dk_status status = dk_kafka_range(tap->asker != NULL ? tap->asker : tap->client,
                                           tap->place, tap->name, patience_ms, &first, &high, err);
    int64_t low = first, from = first;

    limit = high;
    while (status == DK_OK && high - from > WINDOW) {
        int64_t middle = from + (high - from) / 2;

        status = probe(tap, middle, limit, patience_ms, &head, &at, err);
        if (status == DK_OK && head.count == 0)
            head.index = 0; /* of a mark it is what it tells */
        if (status == DK_END || (status == DK_OK && head.seq - head.index > seq)) {
            high = middle;
            status = DK_OK;
        } else if (status == DK_OK) {
            low = at - head.index > first ? at - head.index : first;
            from = head.count > 0 ? at - head.index + head.count : at + 1;
            if (head.count > 0 && seq < head.seq - head.index + head.count)
                break; /* that is the batch */
        }
    }
    return status == DK_OK ? dk_kafka_tap_seek(tap, low, err) : status;
}
