/* kafka_reader.c - batches out of the records of PREFIX.events (kafka_events.h)
 *
 * A batch is put together from its records, in order, and returned whole; its bytes stay where
 * librdkafka put them. Seqs have to follow each other and a new epoch is announced by an opening
 * record; so a log that was cut back, written over or mixed up is noticed here, whatever client and
 * broker made of it.
 *
 * "That was all" is asked of the broker each time: only it knows what was committed a moment ago.
 * The answer is the limit of what is committed; with nothing left to take below it we are at the
 * end. If it does not answer we cannot know, and say DK_AWAY.
 */
#include "log/kafka_events.h"

#include "base/check.h"
#include "log/folder.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ASK_MS = 1000,     /* for one answer */
    TAKE_MS = 10,      /* for records that are known to be there, before asking again */
    FOLLOWED_MS = 500, /* how long a broker may be silent to one who had read all */
    AWAY_MS = 100,     /* to one who was told already that it is away */
    CUT_MS = 5000,     /* a new leader of the partition may not know its end at first */
    RECORDS_MIN = 64,
    WAIT_MS = 100, /* of a fetch, for something to come: it comes at once nevertheless */
    WAIT_TAIL_MS = 5
};

struct kafka_reader {
    struct dk_log_reader base;
    struct dk_kafka_place place;
    struct dk_kafka_tap tap;
    uint64_t seq_from;
    uint64_t seq;   /* of the next batch to put together, if has_place; base.seq_next is of that to
                       return */
    uint32_t epoch; /* the newest seen */
    bool has_place;
    bool is_restoring; /* as the last mark says */
    bool is_ready;     /* the batch at hand is whole, and not returned yet */
    bool is_returned;  /* the batch at hand is borrowed by the caller */
    bool has_asked, was_at_end, was_away;
    int64_t limit; /* of what is committed, as the broker said last */
    int64_t stop;  /* records from this offset on are not for us; 0: all are */
    int64_t cut_since_ms;
    uint32_t batch_epoch, batch_count, count;
    uint64_t batch_first;
    rd_kafka_message_t **messages; /* of the batch at hand */
    struct dk_log_record *records;
    uint32_t capacity;
    struct dk_err failed; /* what it stopped at, for ever */
};

static struct kafka_reader *of(struct dk_log_reader *base)
{
    return (struct kafka_reader *)base;
}

static void drop_batch(struct kafka_reader *reader)
{
    for (uint32_t i = 0; i < reader->count; i++)
        rd_kafka_message_destroy(reader->messages[i]);
    reader->count = 0;
    reader->is_ready = reader->is_returned = false;
}

/* --- opening and closing --- */

void dk_kafka_reader_close(struct dk_log_reader *base)
{
    struct kafka_reader *reader = of(base);

    drop_batch(reader);
    dk_kafka_tap_close(&reader->tap);
    dk_kafka_place_release(&reader->place);
    free(reader->messages);
    free(reader->records);
    free(reader);
}

static enum dk_status open_at(struct dk_log_reader **out, const char *place, uint64_t seq_from,
                              int wait_ms, struct dk_err *err)
{
    struct kafka_reader *reader = calloc(1, sizeof(*reader));
    enum dk_status status;

    DK_CHECK(reader != NULL);
    reader->base.backend = &dk_log_backend_kafka;
    reader->base.seq_next = 1;
    reader->seq_from = seq_from;
    reader->tap.fd = -1;
    status = dk_kafka_place_init(&reader->place, place, err);
    if (status == DK_OK)
        status = dk_kafka_tap_open(&reader->tap, &reader->place, wait_ms, err);
    if (status == DK_OK)
        status = dk_kafka_tap_find(&reader->tap, seq_from, DK_KAFKA_OPEN_MS, err);
    if (status != DK_OK) {
        dk_kafka_reader_close(&reader->base);
        return status;
    }
    *out = &reader->base;
    return DK_OK;
}

enum dk_status dk_kafka_reader_open(struct dk_log_reader **out, const char *place,
                                    uint64_t seq_from, struct dk_err *err)
{
    return open_at(out, place, seq_from, WAIT_MS, err);
}

enum dk_status dk_kafka_tail_open(struct dk_log_reader **out, const char *place, struct dk_err *err)
{
    return open_at(out, place, UINT64_MAX, WAIT_TAIL_MS, err);
}

enum dk_status dk_kafka_reader_until_now(struct dk_log_reader *base, struct dk_err *err)
{
    struct kafka_reader *reader = of(base);
    int64_t first;

    return dk_kafka_range(reader->tap.client, &reader->place, reader->tap.name, DK_KAFKA_OPEN_MS,
                          &first, &reader->stop, err);
}

enum dk_status dk_kafka_reader_seek(struct dk_log_reader *base, uint64_t seq_from,
                                    struct dk_err *err)
{
    struct kafka_reader *reader = of(base);

    drop_batch(reader);
    reader->base.seq_next = 1;
    reader->seq_from = seq_from;
    reader->epoch = 0;
    reader->has_place = reader->is_restoring = reader->was_at_end = false;
    reader->limit = 0;
    reader->cut_since_ms = 0;
    reader->failed.status = DK_OK;
    return dk_kafka_tap_find(&reader->tap, seq_from, DK_KAFKA_OPEN_MS, err);
}

uint32_t dk_kafka_reader_epoch(const struct dk_log_reader *base)
{
    return ((const struct kafka_reader *)base)->epoch;
}

bool dk_kafka_reader_restoring(const struct dk_log_reader *base)
{
    return ((const struct kafka_reader *)base)->is_restoring;
}

int dk_kafka_reader_fd(const struct dk_log_reader *base)
{
    return ((const struct kafka_reader *)base)->tap.fd;
}

/* --- putting batches together --- */

static enum dk_status wrong(struct kafka_reader *reader, const rd_kafka_message_t *message,
                            struct dk_err *err, enum dk_status status, const char *what)
{
    return dk_fail(err, status, "topic '%s': offset %lld, seq %llu: %s", reader->tap.name,
                   (long long)message->offset, (unsigned long long)reader->seq, what);
}

/* The first batch or opening record that is seen says where we are. */
static enum dk_status check_seq(struct kafka_reader *reader, const rd_kafka_message_t *message,
                                uint64_t seq, struct dk_err *err)
{
    if (!reader->has_place) {
        if (seq > reader->seq_from && seq > 1)
            return dk_fail(err, DK_CORRUPT,
                           "topic '%s' begins with seq %llu: those before it were removed",
                           reader->tap.name, (unsigned long long)seq);
        reader->has_place = true;
        reader->seq = reader->base.seq_next = seq;
    }
    if (seq > reader->seq)
        return wrong(reader, message, err, DK_CORRUPT, "records are missing before it");
    if (seq < reader->seq)
        return wrong(reader, message, err, DK_DIVERGED,
                     "its seq was read before: the log was put back");
    return DK_OK;
}

static enum dk_status take_mark(struct kafka_reader *reader, const rd_kafka_message_t *message,
                                const struct dk_kafka_head *head, struct dk_err *err)
{
    bool is_opening = head->index == DK_KAFKA_OPENING;
    enum dk_status status;

    if (head->epoch < reader->epoch || (is_opening && head->epoch == reader->epoch))
        return DK_OK; /* of a writer that was taken over from before it began */
    if (reader->count > 0)
        return wrong(reader, message, err, DK_CORRUPT, "a new writer begins inside a batch");
    status = check_seq(reader, message, head->seq, err);
    if (status != DK_OK)
        return status;
    reader->epoch = head->epoch;
    reader->is_restoring = head->index == DK_KAFKA_RESTORING;
    return DK_OK;
}

static void make_room(struct kafka_reader *reader)
{
    if (reader->count < reader->capacity)
        return;
    reader->capacity = reader->capacity > 0 ? reader->capacity * 2 : RECORDS_MIN;
    reader->messages = realloc(reader->messages, reader->capacity * sizeof(*reader->messages));
    reader->records = realloc(reader->records, reader->capacity * sizeof(*reader->records));
    DK_CHECK(reader->messages != NULL && reader->records != NULL);
}

/* Keeps the message if it is the next record of a batch; *kept says so. */
static enum dk_status take_record(struct kafka_reader *reader, rd_kafka_message_t *message,
                                  const struct dk_kafka_head *head, bool *kept, struct dk_err *err)
{
    if (head->epoch < reader->epoch)
        return DK_OK; /* of a writer that was taken over from */
    if (head->index == 0) {
        enum dk_status status = check_seq(reader, message, head->seq, err);

        if (status != DK_OK)
            return status;
        if (reader->count > 0)
            return wrong(reader, message, err, DK_CORRUPT, "the batch before it is not whole");
        reader->batch_first = head->seq;
        reader->batch_count = head->count;
        reader->batch_epoch = reader->epoch = head->epoch;
    } else if (!reader->has_place) {
        return check_seq(reader, message, head->seq, err); /* in the middle of what is left */
    } else if (reader->count != head->index || reader->batch_count != head->count ||
               reader->batch_first + head->index != head->seq ||
               reader->batch_epoch != head->epoch) {
        return wrong(reader, message, err, DK_CORRUPT, "it does not follow in its batch");
    }
    make_room(reader);
    reader->records[reader->count].data = message->payload;
    reader->records[reader->count].size = (uint32_t)message->len;
    reader->messages[reader->count++] = message;
    *kept = true;
    if (reader->count < reader->batch_count)
        return DK_OK;
    reader->seq = reader->batch_first + reader->batch_count;
    reader->is_ready = true;
    if (reader->seq <= reader->seq_from) {
        drop_batch(reader); /* before what was asked for */
        reader->base.seq_next = reader->seq;
    }
    return DK_OK;
}

static enum dk_status take(struct kafka_reader *reader, rd_kafka_message_t *message,
                           struct dk_err *err)
{
    struct dk_kafka_head head;
    enum dk_status status;
    bool kept = false;

    if (!dk_kafka_head_get(&head, message))
        status = wrong(reader, message, err, DK_CORRUPT, "it is no record of docket's");
    else if (head.count == 0)
        status = take_mark(reader, message, &head, err);
    else
        status = take_record(reader, message, &head, &kept, err);
    if (!kept)
        rd_kafka_message_destroy(message);
    return status;
}

/* Takes what is there, waiting at most once, until a batch is whole (DK_OK) or there is no more for
 * now (DK_AGAIN). A failure is kept. */
static enum dk_status pump(struct kafka_reader *reader, int timeout_ms)
{
    enum dk_status status = reader->failed.status;

    if (reader->is_returned)
        drop_batch(reader);
    while (status == DK_OK && !reader->is_ready) {
        rd_kafka_message_t *message;

        status = dk_kafka_tap_take(&reader->tap, timeout_ms, &message, &reader->failed);
        timeout_ms = 0;
        if (status == DK_OK)
            status = take(reader, message, &reader->failed);
    }
    if (status != DK_OK && status != DK_AGAIN)
        reader->failed.status = status;
    return status;
}

/* --- the end --- */

/* What is committed ends at `limit`, so the broker says now. */
static enum dk_status compare(struct kafka_reader *reader, int64_t limit, struct dk_err *err)
{
    if (limit < reader->tap.next) {
        if (reader->cut_since_ms == 0)
            reader->cut_since_ms = dk_clock_ms();
        if (dk_clock_ms() - reader->cut_since_ms < CUT_MS)
            return DK_AWAY;
        reader->failed.status = dk_fail(
            err, DK_DIVERGED, "topic '%s' ends at offset %lld, but %lld was read: it was put back",
            reader->tap.name, (long long)limit, (long long)reader->tap.next - 1);
        reader->failed = *err;
        return DK_DIVERGED;
    }
    reader->cut_since_ms = 0;
    return limit <= reader->tap.reached ? DK_AGAIN : DK_OK;
}

static int patience(const struct kafka_reader *reader)
{
    if (reader->was_away)
        return AWAY_MS;
    return reader->was_at_end ? FOLLOWED_MS : DK_KAFKA_OPEN_MS;
}

/* Where there is more, on the link of the fetches: librdkafka 2.0.2 stops fetching when it has
 * much, and looks again after a second, or when that link is used. A fetch that is on its way has
 * what is there, and holds up nobody. Where all was taken the fetch waits, and so would the
 * question. */
static enum dk_status ask(struct kafka_reader *reader, int timeout_ms, struct dk_err *err)
{
    bool is_waiting = reader->has_asked && reader->limit <= reader->tap.reached;
    enum dk_status status =
        dk_kafka_tap_limit(&reader->tap, is_waiting, timeout_ms, &reader->limit, err);

    reader->has_asked |= status == DK_OK;
    return status;
}

/* Nothing is queued: either that was all (DK_AGAIN), or a batch comes (DK_OK). */
static enum dk_status find_end(struct kafka_reader *reader, struct dk_err *err)
{
    int patience_ms = patience(reader), ask_ms = patience_ms < ASK_MS ? patience_ms : ASK_MS;
    int64_t end_ms = dk_clock_ms() + patience_ms;
    struct dk_err local;

    for (;;) {
        enum dk_status status = ask(reader, ask_ms, err);
        bool is_known;

        if (status == DK_OK)
            status = compare(reader, reader->limit, err != NULL ? err : &local);
        if (status != DK_OK && status != DK_AWAY)
            return status;
        is_known = status == DK_OK;
        status = pump(reader, TAKE_MS);
        if (status != DK_AGAIN)
            return status;
        if (is_known && reader->limit <= reader->tap.reached)
            return DK_AGAIN;
        if (dk_clock_ms() >= end_ms)
            return dk_kafka_away(&reader->place, err);
    }
}

/* Is the batch at hand, or what comes next, behind the reader's end? */
static bool is_beyond(const struct kafka_reader *reader)
{
    if (reader->stop == 0)
        return false;
    return reader->is_ready ? reader->messages[0]->offset >= reader->stop
                            : reader->tap.reached >= reader->stop;
}

enum dk_status dk_kafka_reader_next(struct dk_log_reader *base, struct dk_log_batch *batch,
                                    struct dk_err *err)
{
    struct kafka_reader *reader = of(base);
    enum dk_status status = pump(reader, 0);

    if (status == DK_AGAIN) {
        dk_kafka_tap_drain(&reader->tap);
        status = pump(reader, 0);
    }
    if (status == DK_AGAIN && is_beyond(reader))
        return DK_AGAIN;
    if (status == DK_AGAIN) {
        status = find_end(reader, err);
        reader->was_away = status == DK_AWAY;
        reader->was_at_end |= status == DK_AGAIN;
    }
    if (reader->failed.status != DK_OK && err != NULL)
        *err = reader->failed;
    if (status == DK_OK && is_beyond(reader))
        status = DK_AGAIN;
    if (status != DK_OK)
        return status;
    reader->was_away = false;
    reader->is_ready = false;
    reader->is_returned = true;
    base->seq_next = reader->seq;
    batch->seq_first = reader->batch_first;
    batch->epoch = reader->batch_epoch;
    batch->count = reader->batch_count;
    batch->records = reader->records;
    return DK_OK;
}

enum dk_status dk_kafka_reader_wait(struct dk_log_reader *base, int timeout_ms, struct dk_err *err)
{
    struct kafka_reader *reader = of(base);
    struct pollfd fd = { .fd = reader->tap.fd, .events = POLLIN };
    int64_t end_ms = dk_clock_ms() + timeout_ms;

    for (;;) {
        int64_t left_ms = timeout_ms < 0 ? -1 : end_ms - dk_clock_ms();

        dk_kafka_tap_drain(&reader->tap);
        if (pump(reader, 0) != DK_AGAIN)
            return DK_OK; /* a batch, or a failure that the next call will tell */
        if (timeout_ms >= 0 && left_ms <= 0)
            return DK_AGAIN;
        if (poll(&fd, 1, (int)left_ms) < 0)
            return errno == EINTR ? DK_AGAIN
                                  : dk_fail(err, DK_IO, "can't wait: %s", strerror(errno));
    }
}
