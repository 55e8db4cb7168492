/* blobs.h - scripts, environments and arguments, by their SHA-256, beside the log
 *
 *     DIR/000001.pack  | "DKB1" | crc32c u32 | size u32 | erased u32 | sha-256 | bytes | 0 to 8
 * |...
 *                               '-------------- covered by the crc ----------------'
 *
 * A pack is filled with zeros ahead of its end, so that one fdatasync makes any number of blobs
 * durable at the cost of about 0.1 ms (as the log does: decision 0002). The same bytes are
 * kept once. Erasing overwrites the bytes and keeps the digest, so that it shows that something was
 * there. A torn record at the end, left by a writer that died before its sync, is written over.
 *
 * One writer at a time, which is for the caller to see to (the log's lock does). Readers may be in
 * other processes; they look again when a digest is not known. Not thread-safe.
 */
#ifndef DK_LOG_BLOBS_H
#define DK_LOG_BLOBS_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define DK_BLOB_DIGEST_SIZE 32
#define DK_BLOB_SIZE_MAX ((size_t)16 << 20)

struct dk_blobs;

/* Opens the store in `dir`, which exists; for reading only, or as the writer too. */
enum dk_status dk_blobs_open(struct dk_blobs **out, const char *dir, bool is_writer,
                             struct dk_err *err);
void dk_blobs_close(struct dk_blobs *blobs); /* NULL is fine; what is not synced may be lost */

/* Keeps the bytes; `digest` is filled. Durable after the next dk_blobs_sync. DK_FULL: no space;
 * DK_TOO_LARGE. */
enum dk_status dk_blobs_put(struct dk_blobs *blobs, const void *bytes, size_t size,
                            uint8_t digest[DK_BLOB_DIGEST_SIZE], struct dk_err *err);

/* One sync for all that was put; free when nothing was. */
enum dk_status dk_blobs_sync(struct dk_blobs *blobs, struct dk_err *err);

/* Appends the bytes to *out. DK_NOT_FOUND; DK_END: it was erased; DK_CORRUPT: it is damaged. */
enum dk_status dk_blobs_get(struct dk_blobs *blobs, const uint8_t digest[DK_BLOB_DIGEST_SIZE],
                            struct dk_buf *out, struct dk_err *err);

/* Overwrites the bytes for good and syncs. DK_NOT_FOUND. */
enum dk_status dk_blobs_erase(struct dk_blobs *blobs, const uint8_t digest[DK_BLOB_DIGEST_SIZE],
                              struct dk_err *err);

uint64_t dk_blobs_count(const struct dk_blobs *blobs);

#endif
