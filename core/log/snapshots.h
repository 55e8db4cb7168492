/* snapshots.h - states as bytes, beside a file log: a cache that may be deleted at any time
 *
 *     DIR/snapshots/00000000000000524288.snap    the state after that seq
 *     | "DKSNAP01" | crc32c u32 | version u32 | seq u64 | size u64 | zstd frame |
 *                               '---- covered by the crc, with the frame ----'
 *
 * A snapshot appears whole or not at all. The log knows nothing of what is in it.
 */
#ifndef DK_LOG_SNAPSHOTS_H
#define DK_LOG_SNAPSHOTS_H

#include "base/buf.h"
#include "base/err.h"

#define DK_SNAPSHOT_SIZE_MAX ((uint64_t)8 << 30)

/* Saves, then removes all but the `keep` newest. `dir` is the log's folder. */
enum dk_status dk_snapshots_save(const char *dir, uint64_t seq, const void *bytes, size_t size,
                                 unsigned keep, struct dk_err *err);

/* The newest one that is whole, of at most seq_max, into *buf (initialised by the caller; its
 * maximum holds). DK_NOT_FOUND: none. When newer ones were passed over because they were damaged,
 * err->text says which even though the status is DK_OK; else err->text is empty. */
enum dk_status dk_snapshots_load(const char *dir, uint64_t seq_max, uint64_t *seq,
                                 struct dk_buf *buf, struct dk_err *err);

#endif
