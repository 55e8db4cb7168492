/* log.h - the port: batches of bytes in one order, durable before they are visible
 *
 * A log is a dense run of records 1, 2, 3, ... in batches. A batch is atomic:
 * all of it can be read, or none. It carries bytes and knows nothing of what they mean.
 *
 *     file:DIR         one machine (file.c; the bytes: core/decisions/0002-file-log-format.md)
 *     kafka://H:P/PRE  a topic of Apache Kafka (kafka.c, core/decisions/0012-the-log-on-kafka.md)
 *     memory:NAME      inside one process, for tests and simulation (memory.c)
 *
 * Writing. dk_log_open makes the caller the writer: there is at most one, and each has a
 * higher epoch than the one before it. On Kafka it takes over: the writer before fails with
 * DK_FENCED. dk_log_append copies a batch; dk_log_sync makes all appended batches durable at the
 * cost of one (group commit), then publishes them and wakes readers. Until then nobody can read
 * them.
 *
 *   1. After DK_FULL nothing acknowledged is harmed, and batches not yet published
 *      stay staged: call dk_log_sync again when there is space, or dk_log_discard.
 *   2. After DK_IO or DK_FENCED from dk_log_sync the log may be poisoned: every later call
 *      fails with DK_IO. Close it and open it again; what was staged may or may not be in it.
 *   3. With options.deferred a batch is published when the operating system has it:
 *      a crash of the process loses nothing, a crash of the machine may lose what was
 *      written since the segment was begun. Made durable at each seal and by dk_log_close.
 *      For a bulk writer that can write it again; never for a live controller. Kafka takes no
 *      notice of it: there durable is what all replicas in sync have.
 *   4. With options.restore a history is put back: into a new log, or into one where an earlier
 *      restore stopped half way, behind what is there. Batches keep the epochs that they had, which
 *      may never go down, so dk_log_discard is not for it. Until dk_log_restore_finish only another
 *      restore may open the log. The next writer has a higher epoch than the last batch.
 *
 * Reading needs no lock and may be done by any process that may read the files.
 *
 *   5. A batch from dk_log_reader_next is borrowed until the next call on that reader.
 *   6. Every batch is checked: CRC-32C, and that its seqs follow the last ones. Batches of
 *      an older epoch than one already seen are passed over (fencing).
 *   7. After DK_CORRUPT the reader stays where it is. It goes on only over a gap that an
 *      operator has made by dk_log_repair, and only when told to: dk_log_reader_skip_gap.
 *   8. DK_AGAIN from dk_log_reader_next is exact: each batch of a dk_log_sync that had returned
 *      DK_OK, in any process, before this call began, has been returned by then. Where the broker
 *      can't be asked it is DK_AWAY: the reader keeps its place, so call it again later.
 *   9. With Kafka, dk_log_sync waits as long as no broker answers and the outcome is open; one
 *      that was away for over 10 minutes may have ended the transaction: DK_IO. options.is_stopped
 *      ends the waiting: DK_AWAY, and it is as after DK_IO. Opening, and a reader that has not been
 *      at the end yet, wait 10 s, then say DK_AWAY; but an opening that has begun to write waits as
 *      a sync does.
 *  10. A reader, and a log, belong to one thread at a time. Different ones are independent.
 */
#ifndef DK_LOG_LOG_H
#define DK_LOG_LOG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dk_log;
struct dk_log_reader;
struct dk_log_io; /* log/io.h: where tests put faults */

#define DK_LOG_RECORD_SIZE_MAX (64u << 20)
#define DK_LOG_BATCH_SIZE_MAX (256u << 20) /* with its header; DK_TOO_LARGE above */

struct dk_log_record {
    const uint8_t *data;
    uint32_t size;
};

struct dk_log_batch {
    uint64_t seq_first; /* record i has seq seq_first + i */
    uint32_t epoch;
    uint32_t count; /* at least 1 */
    const struct dk_log_record *records;
};

/* All zero, or NULL, is the safe default. */
struct dk_log_options {
    uint64_t segment_size;      /* bytes; 0: 64 MiB. A larger batch gets a segment of its own */
    bool deferred;              /* rule 3 above */
    bool compress;              /* a background thread compresses sealed segments */
    bool restore;               /* rule 4 above */
    const struct dk_log_io *io; /* NULL: the system's */
    bool (*is_stopped)(void *context); /* NULL: never. Asked when no broker answered in time */
    void *context;
};

/* Makes the caller the writer; creates the log if there is none. DK_BUSY: another one is, the text
 * says which process. DK_FENCED: another took over from us while we opened it. DK_UNSUPPORTED: a
 * setting of a topic of Kafka's, by name, under which events could be lost. DK_CORRUPT: the newest
 * segment is damaged; the text names file, byte and seq. A torn tail, left by a writer that died,
 * is cut here; see dk_log_torn_bytes. DK_INVALID: with options.restore the log is not new; without,
 * it is a restore that was not finished. */
enum dk_status dk_log_open(struct dk_log **out, const char *uri,
                           const struct dk_log_options *options, struct dk_err *err);

uint32_t dk_log_epoch(const struct dk_log *log);      /* in a restore: of the last batch appended */
uint64_t dk_log_seq_next(const struct dk_log *log);   /* what the next batch must begin with */
uint64_t dk_log_torn_bytes(const struct dk_log *log); /* cut off when it was opened */

/* Copies the batch. DK_INVALID: not the next seq, or not our epoch. Nothing is readable yet. */
enum dk_status dk_log_append(struct dk_log *log, const struct dk_log_batch *batch,
                             struct dk_err *err);

/* Makes everything appended durable, publishes it, wakes readers. */
enum dk_status dk_log_sync(struct dk_log *log, struct dk_err *err);

/* Everything that was to be restored has been appended: makes it durable, publishes it, and makes
 * the log one like any other. The caller then closes it; append is refused from here on.
 * DK_INVALID: not opened with options.restore. */
enum dk_status dk_log_restore_finish(struct dk_log *log, struct dk_err *err);

/* Forgets what is staged and not published; dk_log_seq_next goes back. */
void dk_log_discard(struct dk_log *log);

/* Compresses one sealed segment in this thread, if there is one: DK_OK; else DK_END. */
enum dk_status dk_log_compact_step(struct dk_log *log, struct dk_err *err);

/* Gives up being the writer, in any case. What is staged and not synced is dropped. Fails only
 * if a deferred log could not be made durable. NULL is fine. */
enum dk_status dk_log_close(struct dk_log *log, struct dk_err *err);

/* Begins with the batch that contains seq_from (0 means 1): its earlier records are
 * returned too. A seq_from beyond the end waits for it. DK_NOT_FOUND: no log there. */
enum dk_status dk_log_reader_open(struct dk_log_reader **out, const char *uri, uint64_t seq_from,
                                  struct dk_err *err);

/* DK_OK: *batch is the next one. DK_AGAIN: that was all for now (rule 8). DK_AWAY. DK_CORRUPT:
 * file, byte and seq in the text. DK_DIVERGED: the log was put back behind what this reader has
 * read. */
enum dk_status dk_log_reader_next(struct dk_log_reader *reader, struct dk_log_batch *batch,
                                  struct dk_err *err);

/* Sleeps until there is something to read (DK_OK), or timeout_ms have passed or a signal came
 * (DK_AGAIN). A negative timeout has no end. */
enum dk_status dk_log_reader_wait(struct dk_log_reader *reader, int timeout_ms, struct dk_err *err);

/* A descriptor that is readable when there may be something to read, for a loop that waits for
 * other things too: read until DK_AGAIN, then poll. -1: this backend has none. */
int dk_log_reader_fd(const struct dk_log_reader *reader);

/* Steps over the gap that the last dk_log_reader_next stopped at and says which seqs are lost:
 * *first .. *limit - 1. DK_INVALID: it did not stop at a gap. */
enum dk_status dk_log_reader_skip_gap(struct dk_log_reader *reader, uint64_t *first,
                                      uint64_t *limit, struct dk_err *err);

/* From here on the log ends for this reader where it ends now: there dk_log_reader_next says
 * DK_AGAIN for ever. For who reads all of a log that is in use: beside a busy writer it may have no
 * end. */
enum dk_status dk_log_reader_until_now(struct dk_log_reader *reader, struct dk_err *err);

/* Goes to another place, as if it had been opened there: cheaper where opening is dear. */
enum dk_status dk_log_reader_seek(struct dk_log_reader *reader, uint64_t seq_from,
                                  struct dk_err *err);

uint64_t dk_log_reader_seq_next(const struct dk_log_reader *reader);
void dk_log_reader_close(struct dk_log_reader *reader); /* NULL is fine */

struct dk_log_stat {
    uint64_t segments, segments_compressed; /* of Kafka: 0 */
    uint64_t bytes_plain;                   /* of batches, unpacked */
    uint64_t bytes_disk;       /* file sizes, zero-filled space included; of Kafka: not known, 0 */
    uint64_t bytes_compressed; /* of those, in compressed segments */
    uint64_t batches, records, gaps;
    uint64_t seq_first, seq_last; /* both 0 when there is no record */
    uint64_t torn_bytes;          /* at the end, what the next writer will cut */
    uint32_t epoch_first, epoch_last;
    bool restoring; /* a restore that was not finished */
};

/* Reads and checks the whole log. DK_CORRUPT as a reader, *stat up to there. */
enum dk_status dk_log_stat(const char *uri, struct dk_log_stat *stat, struct dk_err *err);

struct dk_log_repair {
    uint64_t seq_first, seq_limit; /* lost: seq_first .. seq_limit - 1 */
    char kept[256];                /* the damaged file, under its new name; never deleted */
};

/* By an operator's explicit wish only: sets the damage at `seq` (as reported) aside, and marks the
 * seqs lost with it as a gap for ever. DK_INVALID: the log is not damaged at `seq`. DK_BUSY: a
 * writer is running. DK_UNSUPPORTED: the bytes are not ours (Kafka). `why` is kept in the log. */
enum dk_status dk_log_repair(const char *uri, uint64_t seq, const char *why,
                             struct dk_log_repair *repair, struct dk_err *err);

/* Forgets a memory: log of this process once nobody has it open. */
void dk_log_memory_remove(const char *name);

#endif
