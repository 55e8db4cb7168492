/* store.h - the port to what keeps views on disk: sorted keys, atomic writes, snapshots
 *
 * store_rocksdb.c is the one that people run, and the only file that knows RocksDB. A write gathers
 * puts and joins, and dk_store_write makes them visible as one: all or none, also after a crash.
 * A join adds to what a key has; `join` of the options says what joining means.
 *
 *   1. One thread writes; any thread may read. A snapshot is what was there when it was taken.
 *   2. Writes survive the death of the process. dk_store_sync makes them survive that of the
 * machine.
 *   3. Snapshots and cursors must be gone before the store is closed.
 *   4. What a cursor shows is good until it moves.
 */
#ifndef DK_PROJECTIONS_STORE_H
#define DK_PROJECTIONS_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

struct dk_store;
struct dk_store_snapshot;
struct dk_store_cursor;

/* Appends to `out` what `values`, in their order, are together; must be associative. False: one of
 * them is damaged. Called from threads of the store. */
typedef bool dk_store_join(struct dk_bytes key, const struct dk_bytes *values, uint32_t count,
                           struct dk_buf *out);

struct dk_store_options {
    const char *name; /* of the joining; a store is opened with the one it was made with */
    dk_store_join *join;
};

/* Makes the folder if there is none. DK_BUSY: in use by another; DK_CORRUPT: damaged. */
enum dk_status dk_store_open(struct dk_store **out, const char *path,
                             const struct dk_store_options *options, struct dk_err *err);
void dk_store_close(struct dk_store *store); /* drops what was not written; NULL is fine */
enum dk_status dk_store_remove(const char *path, struct dk_err *err); /* one that is closed */

void dk_store_put(struct dk_store *store, struct dk_bytes key, struct dk_bytes value);
void dk_store_add(struct dk_store *store, struct dk_bytes key, struct dk_bytes value); /* join */
/* Writes what was gathered, and `mark` (at most 64 bytes, new with each write) at `key`. On failure
 * what was gathered stays, to be written with the next write: once, whatever became of it. */
enum dk_status dk_store_write(struct dk_store *store, struct dk_bytes key, struct dk_bytes mark,
                              struct dk_err *err);
enum dk_status dk_store_sync(struct dk_store *store, struct dk_err *err);
enum dk_status dk_store_compact(struct dk_store *store, struct dk_err *err);

/* Appends the value as it is now. DK_NOT_FOUND, DK_CORRUPT, DK_IO. */
enum dk_status dk_store_get(struct dk_store *store, struct dk_bytes key, struct dk_buf *out,
                            struct dk_err *err);

struct dk_store_snapshot *dk_store_snapshot_take(struct dk_store *store);
void dk_store_snapshot_release(struct dk_store *store, struct dk_store_snapshot *snapshot);

/* Over the keys that begin with `prefix`; stands nowhere until it is moved. */
struct dk_store_cursor *dk_store_cursor_open(struct dk_store *store,
                                             struct dk_store_snapshot *snapshot, uint8_t prefix);
void dk_store_cursor_close(struct dk_store_cursor *cursor);
/* Each returns whether it stands at a key then. */
bool dk_store_cursor_seek(struct dk_store_cursor *cursor, struct dk_bytes key); /* at or after */
bool dk_store_cursor_seek_back(struct dk_store_cursor *cursor, struct dk_bytes key); /* or before */
bool dk_store_cursor_next(struct dk_store_cursor *cursor);
bool dk_store_cursor_back(struct dk_store_cursor *cursor);
struct dk_bytes dk_store_cursor_key(const struct dk_store_cursor *cursor);
struct dk_bytes dk_store_cursor_value(const struct dk_store_cursor *cursor);
/* Why it stands nowhere: DK_OK at an end, else DK_CORRUPT or DK_IO. */
enum dk_status dk_store_cursor_check(const struct dk_store_cursor *cursor, struct dk_err *err);

struct dk_store_stat {
    uint64_t bytes_disk, bytes_memory;
};
void dk_store_stat(struct dk_store *store, struct dk_store_stat *stat);

#endif
