/* kafka_events.h - the topic PREFIX.events as kafka.c writes it and kafka_reader.c reads it
 *
 * One record of Kafka is one record of ours; its header `docket`, little-endian:
 *
 *     | seq u64 | epoch u32 | index u32 | count u32 |      index and count within its batch
 *
 * A record with count 0 has no value and is of no batch: its seq is the one that comes next, and
 * its index says what it tells (enum dk_kafka_mark).
 *
 * Each transaction ends with a marker that takes an offset and is never seen, now and then with two
 * or with that of the next one (kafka_writer.c); each record of an aborted one takes one, too.
 * Hence offsets grow with seqs but are not seqs.
 */
#ifndef DK_LOG_KAFKA_EVENTS_H
#define DK_LOG_KAFKA_EVENTS_H

#include "log/backend.h"
#include "log/kafka.h"

#define DK_KAFKA_HEAD "docket"
#define DK_KAFKA_HEAD_SIZE 20u

struct dk_kafka_head {
    uint64_t seq;
    uint32_t epoch, index, count;
};

enum dk_kafka_mark {
    DK_KAFKA_OPENING,   /* a writer begins, with a new epoch: who has an older one is passed over.
                         * One more of the same epoch says nothing (kafka_writer.c) */
    DK_KAFKA_RESTORING, /* a history is being put back, and this is not its end */
    DK_KAFKA_RESTORED,
    DK_KAFKA_MARKS
};

void dk_kafka_head_put(const struct dk_kafka_head *head, uint8_t bytes[DK_KAFKA_HEAD_SIZE]);

/* False: it is no record of docket's. */
bool dk_kafka_head_get(struct dk_kafka_head *head, const rd_kafka_message_t *message);

/* What is committed in the topic: offsets *first .. *limit - 1, asked of the broker now; or only
 * where that ends. DK_AWAY: no answer within timeout_ms. */
enum dk_status dk_kafka_limit(rd_kafka_t *client, const struct dk_kafka_place *place,
                              const char *topic, int timeout_ms, int64_t *limit,
                              struct dk_err *err);
enum dk_status dk_kafka_range(rd_kafka_t *client, const struct dk_kafka_place *place,
                              const char *topic, int timeout_ms, int64_t *first, int64_t *limit,
                              struct dk_err *err);

/* --- tap: records from an offset on (kafka_tap.c) --- */

struct dk_kafka_tap {
    const struct dk_kafka_place *place;
    rd_kafka_t *client;
    rd_kafka_t *asker; /* NULL until it is worth it */
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue;
    char name[DK_KAFKA_TOPIC_MAX];
    int fd; /* readable when something may be there; tap_drain before looking a last time */
    bool is_running; /* between seek and stop */
    int64_t next;    /* records below this offset were taken, or were before the start */
    int64_t reached; /* nothing committed below this offset is left to take */
};

/* DK_NOT_FOUND, DK_AWAY, DK_UNSUPPORTED as dk_kafka_topic_find. Close it in any case; `place` is
 * borrowed. A fetch at the end of the topic waits for wait_ms at the broker. */
enum dk_status dk_kafka_tap_open(struct dk_kafka_tap *tap, const struct dk_kafka_place *place,
                                 int wait_ms, struct dk_err *err);
void dk_kafka_tap_close(struct dk_kafka_tap *tap);

enum dk_status dk_kafka_tap_seek(struct dk_kafka_tap *tap, int64_t offset, struct dk_err *err);

/* DK_OK: *message is the next record, the caller's now (rd_kafka_message_destroy). DK_AGAIN:
 * nothing came within timeout_ms, or only news of the end. DK_DIVERGED: the offset is not there any
 * more. DK_CORRUPT, DK_IO. */
enum dk_status dk_kafka_tap_take(struct dk_kafka_tap *tap, int timeout_ms,
                                 rd_kafka_message_t **message, struct dk_err *err);
void dk_kafka_tap_drain(struct dk_kafka_tap *tap);

/* Where what is committed ends, asked of the broker now. It answers nothing else on a link on which
 * a fetch waits: where one does, so that there is nothing to be fetched, ask on a link of its own.
 */
enum dk_status dk_kafka_tap_limit(struct dk_kafka_tap *tap, bool is_waiting, int timeout_ms,
                                  int64_t *limit, struct dk_err *err);

/* Seeks to where reading finds the batch with `seq`, or the last ones if it is not there yet; not
 * far before it. Patience is how long a broker may be silent. */
enum dk_status dk_kafka_tap_find(struct dk_kafka_tap *tap, uint64_t seq, int patience_ms,
                                 struct dk_err *err);

/* --- writer (kafka_writer.c) --- */

struct dk_kafka_record {
    struct dk_kafka_head head;
    uint32_t size;
};

struct dk_kafka_writer {
    const struct dk_kafka_place *place;
    bool (*is_stopped)(void *context); /* log.h */
    void *context;
    rd_kafka_t *client;
    char topic[DK_KAFKA_TOPIC_MAX]; /* and the transactional id */
    int64_t shown_us;               /* when readers could see the last transaction; monotonic */
    int64_t offset_last;            /* of the transaction at hand; -1: not known */
    rd_kafka_resp_err_t
        refused; /* why the one at hand was called off, or a record of it not written */
};

/* Asks no broker yet. Close it in any case; `place` is borrowed. */
enum dk_status dk_kafka_writer_open(struct dk_kafka_writer *writer,
                                    const struct dk_kafka_place *place,
                                    const struct dk_log_options *options, struct dk_err *err);
void dk_kafka_writer_close(struct dk_kafka_writer *writer);

/* Takes over: who wrote before is refused from now on, and what it wrote is final. DK_AWAY. */
enum dk_status dk_kafka_writer_fence(struct dk_kafka_writer *writer, struct dk_err *err);

/* Writes records, whose values lie one after the other in `bytes`, as one transaction, and returns
 * when they can be read. Waits as long as that may take, or until it is stopped: DK_AWAY. Then, and
 * with DK_FENCED and DK_IO, they may be in the topic or not; `bytes` stay borrowed until the writer
 * is closed. */
enum dk_status dk_kafka_write(struct dk_kafka_writer *writer, const struct dk_kafka_record *records,
                              size_t count, uint8_t *bytes, struct dk_err *err);

/* --- the reader, for the writer that looks for the end --- */

enum dk_status dk_kafka_reader_open(struct dk_log_reader **out, const char *place,
                                    uint64_t seq_from, struct dk_err *err);
enum dk_status dk_kafka_tail_open(struct dk_log_reader **out, const char *place,
                                  struct dk_err *err); /* of the last batch, and soon closed */
enum dk_status dk_kafka_reader_next(struct dk_log_reader *reader, struct dk_log_batch *batch,
                                    struct dk_err *err);
enum dk_status dk_kafka_reader_wait(struct dk_log_reader *reader, int timeout_ms,
                                    struct dk_err *err);
enum dk_status dk_kafka_reader_until_now(struct dk_log_reader *reader, struct dk_err *err);
enum dk_status dk_kafka_reader_seek(struct dk_log_reader *reader, uint64_t seq_from,
                                    struct dk_err *err);
int dk_kafka_reader_fd(const struct dk_log_reader *reader);
void dk_kafka_reader_close(struct dk_log_reader *reader);
uint32_t dk_kafka_reader_epoch(const struct dk_log_reader *reader); /* the newest seen; 0: none */
bool dk_kafka_reader_restoring(const struct dk_log_reader *reader); /* as the last mark says */

#endif
