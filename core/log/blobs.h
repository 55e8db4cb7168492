/* blobs.h - packs of blobs, each by an id of 32 bytes, beside the log
 *
 *     DIR/000001.pack  | "DKB2" | crc32c u32 | size u32 | erased u32 | id | bytes | 0 to 8 | ...
 *                                             '-------- covered by the crc ------'
 *
 * "DKB1" is the same, written by docket 0.2: *plain*, a script as it came, its id its SHA-256. What
 * the bytes of others are is for who puts them (core/secret/vault.h: sealed scripts).
 *
 * A pack is filled with zeros ahead of its end, so that one fdatasync makes any number of blobs
 * durable at the cost of about 0.1 ms (as the log does: decision 0002). The same id is kept once.
 * Erasing overwrites the bytes and keeps the head; the id may be put again, and is then a new
 * record behind. A torn record at the end, left by a writer that died before its sync, is written
 * over.
 *
 * One writer at a time, which is for the caller to see to. Readers may be in other processes;
 * they look again when an id is not known. Not thread-safe.
 */
#ifndef DK_LOG_BLOBS_H
#define DK_LOG_BLOBS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DK_BLOB_ID_SIZE 32
#define DK_BLOB_SIZE_MAX (((size_t)16 << 20) + 4096) /* a script, and what sealing adds */
#define DK_BLOB_PEEK_SIZE 64

struct dk_blobs;

/* Opens the store in `dir`, which exists; for reading only, or as the writer too. */
enum dk_status dk_blobs_open(struct dk_blobs **out, const char *dir, bool is_writer,
                             struct dk_err *err);
void dk_blobs_close(struct dk_blobs *blobs); /* NULL is fine; what is not synced may be lost */

/* Keeps the bytes under `id`, if there are none; *added (may be NULL): there were none. Durable
 * after the next dk_blobs_sync. DK_FULL: no space; DK_TOO_LARGE. */
enum dk_status dk_blobs_put(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE],
                            const void *bytes, size_t size, bool *added, struct dk_err *err);
/* Makes durable all that was put or dropped; free when nothing was. */
enum dk_status dk_blobs_sync(struct dk_blobs *blobs, struct dk_err *err);

/* Appends the bytes to *out. DK_NOT_FOUND; DK_END: it was erased; DK_CORRUPT: it is damaged. */
enum dk_status dk_blobs_get(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE],
                            struct dk_buf *out, struct dk_err *err);
bool dk_blobs_has(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE]);

/* Overwrites the bytes and gives their space back, durably some time after the next sync. For what
 * may stay for a while. DK_NOT_FOUND. */
enum dk_status dk_blobs_drop(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE],
                             struct dk_err *err);
/* Overwrites all of these for good, at the cost of two syncs; ids that are not there are none. */
enum dk_status dk_blobs_erase(struct dk_blobs *blobs, uint8_t (*ids)[DK_BLOB_ID_SIZE], size_t count,
                              struct dk_err *err);

struct dk_blob_about {
    uint8_t id[DK_BLOB_ID_SIZE];
    uint32_t size;
    bool plain;
    uint8_t bytes[DK_BLOB_PEEK_SIZE]; /* the first ones; zeros behind the last */
};

/* What is there, in the order in which it was put; called until it answers false. It may not change
 * the store. */
enum dk_status dk_blobs_each(struct dk_blobs *blobs,
                             bool (*visit)(void *ctx, const struct dk_blob_about *about), void *ctx,
                             struct dk_err *err);
uint64_t dk_blobs_count(const struct dk_blobs *blobs);       /* ever put, erased ones too */
uint64_t dk_blobs_count_plain(const struct dk_blobs *blobs); /* of docket 0.2, not erased */

#endif
