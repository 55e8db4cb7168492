/* container.h - a piece of a log as an Avro object container file (decision 0016)
 *
 *     | "Obj" 1 | metadata | sync 16 | block | block | ...
 *     block: | entries as long | size as long | entries, compressed | sync 16 |
 *     entry: | seq | batch | epoch | size | branch | body of the event |       docket.Entry
 *
 * Any Avro library reads it; and we get from it the very bytes that were in the log: `c3 01`, the
 * fingerprint of the branch, the body. A block holds whole batches. Neither side has more than one
 * block in memory.
 *
 * No input is trusted: sizes and counts are held against what is left before anything is allocated.
 * The reader checks the form and that seqs are dense; the chain is the trail's matter (trail.h).
 */
#ifndef DK_BATCH_CONTAINER_H
#define DK_BATCH_CONTAINER_H

#include "base/buf.h"
#include "base/err.h"
#include "batch/trail.h"
#include "log/log.h"

#define DK_CONTAINER_BLOCK_SIZE (128u << 10) /* is full from here on, before it is compressed */

enum dk_container_codec {
    DK_CONTAINER_NULL,
    DK_CONTAINER_DEFLATE,
    DK_CONTAINER_ZSTANDARD,
};

/* What its metadata say. */
struct dk_container_about {
    uint8_t log[DK_HASH_SIZE]; /* which log */
    uint64_t seq_first;
    uint64_t seq_last;                                 /* 0: its writer did not finish */
    uint8_t chain[DK_HASH_SIZE], closed[DK_HASH_SIZE]; /* of the last BatchClosed in it */
    const uint8_t *before;                             /* BatchClosed before seq_first, borrowed */
    uint32_t before_size;                              /* 0 at seq 1 */
    enum dk_container_codec codec;
};

/* --- writing --- */

struct dk_container_writer;

/* Writes PATH.partial, which becomes PATH when it is finished. Of `about` it takes log, seq_first,
 * before and codec. */
enum dk_status dk_container_create(struct dk_container_writer **out, const char *path,
                                   const struct dk_container_about *about, struct dk_err *err);

/* DK_INVALID: it is not the batch that must come. DK_UNKNOWN_SCHEMA, DK_CORRUPT: an event is none
 * that Avro could read. */
enum dk_status dk_container_add(struct dk_container_writer *writer,
                                const struct dk_log_batch *batch, struct dk_err *err);

/* Says in the metadata where it ends, makes all durable and gives the file its name. Of `head` it
 * takes chain and closed. */
enum dk_status dk_container_finish(struct dk_container_writer *writer, const struct dk_head *head,
                                   struct dk_err *err);

uint64_t dk_container_size(const struct dk_container_writer *writer); /* bytes written so far */

/* In any case, in the end. Removes what was not finished. NULL is fine. */
void dk_container_destroy(struct dk_container_writer *writer);

/* --- reading --- */

struct dk_container_reader;

/* DK_INVALID: not an Avro file, or none that docket exported. DK_CORRUPT: it is, and damaged. */
enum dk_status dk_container_open(struct dk_container_reader **out, const char *path,
                                 struct dk_err *err);

const struct dk_container_about *dk_container_about(const struct dk_container_reader *reader);

/* The next batch, borrowed until the next call. DK_END: that was all there is meant to be.
 * DK_CORRUPT: the text names the file, block and byte. */
enum dk_status dk_container_next(struct dk_container_reader *reader, struct dk_log_batch *batch,
                                 struct dk_err *err);

/* Where the batch that came last is: the number of its block, from 1, and the byte it begins at. */
void dk_container_where(const struct dk_container_reader *reader, uint64_t *block, uint64_t *byte);

/* At the end: whether the trail that all its batches have passed came out where the header says.
 * DK_CORRUPT: they are not those that were exported. */
enum dk_status dk_container_check(const struct dk_container_reader *reader,
                                  const struct dk_trail *trail, struct dk_err *err);
void dk_container_close(struct dk_container_reader *reader); /* NULL is fine */

#endif
