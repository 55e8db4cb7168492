/* stream.h - records of bytes in one order, beside a log on Kafka: what was asked for, and secrets
 *
 * The log's events are written by the leader alone (log.h). A stream is written by every door at
 * once: topic PREFIX.requests has what clients ask for, PREFIX.secrets sealed scripts and keys
 * (core/decisions/0012-the-log-on-kafka.md). `uri` is the log's, kafka://BROKERS/PREFIX, and `name`
 * what follows the prefix. Other logs have no streams: DK_UNSUPPORTED.
 *
 * Sending is asynchronous, idempotent and in order: a record is written once, behind those that
 * this sender sent before it, on all replicas in sync; then dk_stream_poll says at which offset.
 *
 *   1. A record that could not be written within timeout_ms fails. DK_BUSY: it is surely not in the
 *      stream. DK_IO: it may be, or may come to be, so asking again needs a key that is known
 * again. Those behind it are tried on; so a failure leaves a hole in what one sender sent.
 *   2. Every accepted record gets exactly one result. dk_stream_close drops those not polled yet.
 *   3. dk_stream_send may be called by any thread; poll and close by one.
 *
 * Reading needs no group and no lock: each reader has its own place, the offset to be read next.
 * Offsets grow; those of a compacted topic leave some out.
 *
 *   4. A record from dk_stream_reader_next is borrowed until the next call on that reader.
 *   5. A reader belongs to one thread at a time. Waiting is by dk_stream_reader_fd in a loop of
 * one's own (next until DK_AGAIN, then sleep until it is readable) or by dk_stream_reader_wait.
 */
#ifndef DK_LOG_STREAM_H
#define DK_LOG_STREAM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DK_STREAM_REQUESTS "requests"
#define DK_STREAM_SECRETS "secrets"
#define DK_STREAM_VALUE_SIZE_MAX (64u << 20)

struct dk_stream_bytes {
    const uint8_t *data; /* NULL: there is none, which is not the same as empty */
    size_t size;
};

struct dk_stream_record {
    struct dk_stream_bytes key;
    struct dk_stream_bytes value; /* of a compacted topic, none: the key is deleted */
    struct dk_stream_bytes mac;   /* header "mac" */
    /* Of a record that was read: */
    int64_t offset;
    int64_t time_us; /* its sender's clock, in milliseconds; 0: not said */
};

/* --- sending --- */

struct dk_stream;

/* All zero, or NULL, is the default. */
struct dk_stream_options {
    int timeout_ms;     /* 0: 30,000; at least 1,000 */
    uint32_t queue_max; /* records without a result; 0: 65,536. Their bytes: at most 256 MiB */
};

/* Makes the topic if there is none, as the decision says, or refuses its settings by name
 * (DK_UNSUPPORTED). DK_AWAY: no broker answered. */
enum dk_status dk_stream_open(struct dk_stream **out, const char *uri, const char *name,
                              const struct dk_stream_options *options, struct dk_err *err);

/* Copies the record. DK_BUSY: too many wait already. DK_TOO_LARGE. */
enum dk_status dk_stream_send(struct dk_stream *stream, const struct dk_stream_record *record,
                              uint64_t token, struct dk_err *err);

struct dk_stream_result {
    uint64_t token;
    enum dk_status status; /* DK_OK; DK_BUSY or DK_IO: rule 1 */
    int64_t offset;        /* -1 unless DK_OK */
    char why[128];         /* unless DK_OK */
};

/* DK_OK: *result is one more. DK_AGAIN: that was all for now. */
enum dk_status dk_stream_poll(struct dk_stream *stream, struct dk_stream_result *result);

/* Becomes readable when there are results; dk_stream_poll clears it once it says DK_AGAIN. */
int dk_stream_fd(const struct dk_stream *stream);

uint32_t dk_stream_pending(struct dk_stream *stream); /* records without a result */

/* Takes no more, and fails what has no result yet, so that dk_stream_poll gives each its own in a
 * moment: for a caller to whom a token is memory. */
void dk_stream_stop(struct dk_stream *stream);

void dk_stream_close(struct dk_stream *stream); /* at once; NULL is fine */

/* --- reading --- */

struct dk_stream_reader;

/* Begins at `offset`. DK_NOT_FOUND: there is no such topic. DK_AWAY: no broker answered. */
enum dk_status dk_stream_reader_open(struct dk_stream_reader **out, const char *uri,
                                     const char *name, int64_t offset, struct dk_err *err);

/* DK_OK: *record is the next one. DK_AGAIN: that was all for now; a broker that is away is no more
 * than that. DK_NOT_FOUND: the offset is not in the topic (any more): its records were removed, or
 * the topic was made anew; the text says which offsets there are. DK_CORRUPT: fails its CRC. */
enum dk_status dk_stream_reader_next(struct dk_stream_reader *reader,
                                     struct dk_stream_record *record, struct dk_err *err);

/* True from when the end of the topic was seen until the next record: all there was has been read.
 */
bool dk_stream_reader_at_end(const struct dk_stream_reader *reader);

int64_t dk_stream_reader_offset(const struct dk_stream_reader *reader); /* of the next record */
int dk_stream_reader_fd(const struct dk_stream_reader *reader);

/* Sleeps until there may be something to read (DK_OK), or timeout_ms have passed (DK_AGAIN). */
enum dk_status dk_stream_reader_wait(struct dk_stream_reader *reader, int timeout_ms);

/* The first offset that is there, and the one that the next record sent will get. */
enum dk_status dk_stream_reader_range(struct dk_stream_reader *reader, int64_t *first,
                                      int64_t *limit, int timeout_ms, struct dk_err *err);

/* The offset of the first record whose time is not before time_us; the limit when there is none. */
enum dk_status dk_stream_reader_find(struct dk_stream_reader *reader, int64_t time_us,
                                     int64_t *offset, int timeout_ms, struct dk_err *err);

/* Goes on at another offset. */
enum dk_status dk_stream_reader_seek(struct dk_stream_reader *reader, int64_t offset,
                                     struct dk_err *err);

void dk_stream_reader_close(struct dk_stream_reader *reader); /* NULL is fine */

#endif
