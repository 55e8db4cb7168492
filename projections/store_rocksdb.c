/* store_rocksdb.c - views on disk in RocksDB (see store.h)
 *
 * Tuned small: the control plane as a whole must idle below 40 MiB. One column family, one write
 * buffer of a few MiB, a small cache for blocks, index and filter, one background thread for
 * flushing and compaction, no statistics, no dumps. What history costs is disk, so blocks are 16
 * KiB and zstd with a dictionary presses them.
 *
 * Writes go through the write-ahead log and are not synced. That is right because the store is no
 * truth: it keeps, in the same write, the seq it has seen, and what a crash of the machine takes
 * from its end is folded again from docket's own log. It also never has to be younger than
 * something else that is kept: dk_store_sync is called before the live view's snapshot is saved.
 *
 * A write that failed leaves RocksDB refusing all others until it is opened anew. The next
 * dk_store_write does that, once there is space (with a full disk reading goes on) and those who
 * read are done. Whether the failed write is in the WAL after all nobody can say before, so it is
 * kept apart from what comes later, and its mark, looked up in the store that was opened anew,
 * tells whether it has to be written again: joins must not be done twice. */
#include "projections/store.h"

#include "base/check.h"

#include <errno.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

enum {
    WRITE_BUFFER = 2 << 20,
    CACHE = 2 << 20,
    BLOCK = 16 << 10,
    FILE_SIZE = 8 << 20,
    LEVEL_BASE = 32 << 20,
    WAL_SIZE = 16 << 20,
    DICTIONARY = 16 << 10,
    TRAINING = 512 << 10,
    ZSTD_LEVEL = 3,
    ZSTD_LEVEL_BOTTOM = 6,
    JOIN_SIZE_MAX = 64 << 20,
    SPACE_MIN = 4 << 20, /* free, before it is opened anew */
    MARK_MAX = 64
};

struct dk_store {
    char *path;
    struct dk_store_options options;
    rocksdb_options_t *db_options;
    rocksdb_cache_t *cache;
    rocksdb_t *db;
    rocksdb_writebatch_t *batch;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    pthread_mutex_t mutex; /* over `readers` and over opening anew */
    pthread_cond_t drained;
    uint32_t readers;            /* snapshots and cursors */
    rocksdb_writebatch_t *stuck; /* failed, may have been done; NULL: none */
    uint8_t mark[MARK_MAX];      /* of that one */
    uint32_t mark_size;
};

struct dk_store_snapshot {
    const rocksdb_snapshot_t *snapshot;
};

struct dk_store_cursor {
    struct dk_store *store;
    rocksdb_readoptions_t *read;
    rocksdb_iterator_t *iterator;
    char prefix, limit; /* keys are in [prefix, limit); RocksDB borrows these */
};

/* RocksDB tells by words only. */
static enum dk_status store_fail(struct dk_store *store, char *text, struct dk_err *err)
{
    enum dk_status status = DK_IO;

    if (strncmp(text, "Corruption", 10) == 0 || strncmp(text, "Invalid argument", 16) == 0 ||
        strstr(text, "No such file") != NULL)
        status = DK_CORRUPT;
    else if (strstr(text, "While lock file") != NULL || strstr(text, "lock hold by") != NULL)
        status = DK_BUSY;
    else if (strstr(text, "No space left") != NULL || strstr(text, "NoSpace") != NULL)
        status = DK_FULL;
    (void)dk_fail(err, status, "view '%s': %s", store->path, text);
    rocksdb_free(text);
    return status;
}

/* --- joining --- */

static char *join_values(struct dk_store *store, struct dk_bytes key, const char *first,
                         size_t first_size, const char *const *values, const size_t *sizes,
                         int count, unsigned char *success, size_t *size)
{
    size_t total = (size_t)count + (first != NULL ? 1 : 0);
    struct dk_bytes *all = malloc(total * sizeof(*all));
    struct dk_buf out;
    uint32_t used = 0;

    DK_CHECK(all != NULL);
    if (first != NULL)
        all[used++] = (struct dk_bytes){ (const uint8_t *)first, (uint32_t)first_size };
    for (int i = 0; i < count; i++)
        all[used++] = (struct dk_bytes){ (const uint8_t *)values[i], (uint32_t)sizes[i] };
    dk_buf_init(&out, &dk_heap, JOIN_SIZE_MAX);
    *success = store->options.join(key, all, used, &out) ? 1 : 0;
    *size = out.size;
    free(all);
    if (*success == 0) {
        dk_buf_release(&out);
        return NULL;
    }
    return out.data != NULL ? (char *)out.data : calloc(1, 1);
}

static char *join_full(void *context, const char *key, size_t key_size, const char *first,
                       size_t first_size, const char *const *values, const size_t *sizes, int count,
                       unsigned char *success, size_t *size)
{
    struct dk_bytes bytes = { (const uint8_t *)key, (uint32_t)key_size };

    return join_values(context, bytes, first, first_size, values, sizes, count, success, size);
}

static char *join_partial(void *context, const char *key, size_t key_size,
                          const char *const *values, const size_t *sizes, int count,
                          unsigned char *success, size_t *size)
{
    struct dk_bytes bytes = { (const uint8_t *)key, (uint32_t)key_size };

    return join_values(context, bytes, NULL, 0, values, sizes, count, success, size);
}

static void join_free(void *context, const char *value, size_t size)
{
    (void)context;
    (void)size;
    free((void *)(uintptr_t)value);
}

static const char *join_name(void *context)
{
    return ((struct dk_store *)context)->options.name;
}

static void join_forget(void *context)
{
    (void)context; /* the store outlives its operator */
}

/* --- opening --- */

static void options_table(struct dk_store *store)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

    store->cache = rocksdb_cache_create_lru(CACHE);
    rocksdb_block_based_options_set_block_cache(table, store->cache);
    rocksdb_block_based_options_set_block_size(table, BLOCK);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(store->db_options, table);
    rocksdb_block_based_options_destroy(table);
}

static void options_make(struct dk_store *store)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_env_t *env = rocksdb_create_default_env();

    store->db_options = options;
    rocksdb_env_set_background_threads(env, 1);
    rocksdb_env_set_high_priority_background_threads(env, 0);
    rocksdb_options_set_env(options, env);
    rocksdb_env_destroy(env);
    rocksdb_options_set_create_if_missing(options, 1);
    rocksdb_options_set_max_background_jobs(options, 1);
    rocksdb_options_set_write_buffer_size(options, WRITE_BUFFER);
    rocksdb_options_set_max_write_buffer_number(options, 2);
    rocksdb_options_set_arena_block_size(options, 256 << 10);
    rocksdb_options_set_max_total_wal_size(options, WAL_SIZE);
    rocksdb_options_set_target_file_size_base(options, FILE_SIZE);
    rocksdb_options_set_max_bytes_for_level_base(options, LEVEL_BASE);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_max_open_files(options, 128);
    rocksdb_options_set_stats_dump_period_sec(options, 0);
    rocksdb_options_set_stats_persist_period_sec(options, 0);
    rocksdb_options_set_keep_log_file_num(options, 1);
    rocksdb_options_set_info_log_level(options, 3); /* errors */
    rocksdb_options_set_max_manifest_file_size(options, 1 << 20);
    rocksdb_options_set_compression(options, rocksdb_zstd_compression);
    rocksdb_options_set_compression_options(options, -14, ZSTD_LEVEL, 0, 0);
    rocksdb_options_set_bottommost_compression(options, rocksdb_zstd_compression);
    rocksdb_options_set_bottommost_compression_options(options, -14, ZSTD_LEVEL_BOTTOM, 0,
                                                       DICTIONARY, 1);
    rocksdb_options_set_bottommost_compression_options_zstd_max_train_bytes(options, TRAINING, 1);
    rocksdb_options_set_bottommost_compression_options_max_dict_buffer_bytes(options, TRAINING, 1);
    rocksdb_options_set_merge_operator(
        options, rocksdb_mergeoperator_create(store, join_forget, join_full, join_partial,
                                              join_free, join_name));
    options_table(store);
}

static enum dk_status store_open_db(struct dk_store *store, struct dk_err *err)
{
    char *text = NULL;

    store->db = rocksdb_open(store->db_options, store->path, &text);
    if (text != NULL) {
        store->db = NULL;
        return store_fail(store, text, err);
    }
    return DK_OK;
}

enum dk_status dk_store_open(struct dk_store **out, const char *path,
                             const struct dk_store_options *options, struct dk_err *err)
{
    struct dk_store *store = calloc(1, sizeof(*store));
    enum dk_status status;

    DK_CHECK(store != NULL);
    store->path = strdup(path);
    DK_CHECK(store->path != NULL);
    store->options = *options;
    (void)pthread_mutex_init(&store->mutex, NULL);
    (void)pthread_cond_init(&store->drained, NULL);
    options_make(store);
    store->batch = rocksdb_writebatch_create();
    store->write = rocksdb_writeoptions_create();
    store->read = rocksdb_readoptions_create();
    status = store_open_db(store, err);
    if (status != DK_OK) {
        dk_store_close(store);
        return status;
    }
    *out = store;
    return DK_OK;
}

void dk_store_close(struct dk_store *store)
{
    if (store == NULL)
        return;
    DK_CHECK(store->readers == 0);
    if (store->db != NULL)
        rocksdb_close(store->db);
    rocksdb_readoptions_destroy(store->read);
    rocksdb_writeoptions_destroy(store->write);
    rocksdb_writebatch_destroy(store->batch);
    rocksdb_options_destroy(store->db_options);
    rocksdb_cache_destroy(store->cache);
    if (store->stuck != NULL)
        rocksdb_writebatch_destroy(store->stuck);
    (void)pthread_cond_destroy(&store->drained);
    (void)pthread_mutex_destroy(&store->mutex);
    free(store->path);
    free(store);
}

enum dk_status dk_store_remove(const char *path, struct dk_err *err)
{
    rocksdb_options_t *options = rocksdb_options_create();
    char *text = NULL;

    rocksdb_destroy_db(options, path, &text);
    rocksdb_options_destroy(options);
    if (text == NULL)
        return DK_OK;
    (void)dk_fail(err, DK_IO, "view '%s' could not be removed: %s", path, text);
    rocksdb_free(text);
    return DK_IO;
}

/* --- writing --- */

void dk_store_put(struct dk_store *store, struct dk_bytes key, struct dk_bytes value)
{
    rocksdb_writebatch_put(store->batch, (const char *)key.data, key.size, (const char *)value.data,
                           value.size);
}

void dk_store_add(struct dk_store *store, struct dk_bytes key, struct dk_bytes value)
{
    rocksdb_writebatch_merge(store->batch, (const char *)key.data, key.size,
                             (const char *)value.data, value.size);
}

static bool has_space(const struct dk_store *store)
{
    struct statvfs disk;

    return statvfs(store->path, &disk) != 0 || disk.f_bavail * disk.f_frsize >= SPACE_MIN;
}

/* Waits a second for those who read; the caller keeps new ones away. */
static bool readers_drain(struct dk_store *store)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    while (store->readers > 0)
        if (pthread_cond_timedwait(&store->drained, &store->mutex, &until) == ETIMEDOUT)
            return store->readers == 0;
    return true;
}

static enum dk_status store_mend(struct dk_store *store, struct dk_err *err)
{
    enum dk_status status;

    if (!has_space(store))
        return dk_fail(err, DK_FULL, "view '%s' waits for space on its disk", store->path);
    (void)pthread_mutex_lock(&store->mutex);
    if (!readers_drain(store)) {
        status =
            dk_fail(err, DK_IO, "view '%s' is being read and cannot be opened anew", store->path);
    } else {
        if (store->db != NULL)
            rocksdb_close(store->db);
        status = store_open_db(store, err);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    return status;
}

static enum dk_status batch_write(struct dk_store *store, rocksdb_writebatch_t *batch,
                                  struct dk_err *err)
{
    char *text = NULL;

    rocksdb_write(store->db, store->write, batch, &text);
    return text != NULL ? store_fail(store, text, err) : DK_OK;
}

/* The write that failed before: done by now, one way or the other. */
static enum dk_status stuck_write(struct dk_store *store, struct dk_bytes key, struct dk_err *err)
{
    enum dk_status status = store_mend(store, err);
    struct dk_buf found;

    if (status != DK_OK)
        return status;
    dk_buf_init(&found, &dk_heap, JOIN_SIZE_MAX);
    status = dk_store_get(store, key, &found, err);
    if (status == DK_NOT_FOUND ||
        (status == DK_OK && (found.size != store->mark_size ||
                             memcmp(found.data, store->mark, store->mark_size) != 0)))
        status = batch_write(store, store->stuck, err);
    dk_buf_release(&found);
    if (status != DK_OK)
        return status;
    rocksdb_writebatch_destroy(store->stuck);
    store->stuck = NULL;
    return DK_OK;
}

enum dk_status dk_store_write(struct dk_store *store, struct dk_bytes key, struct dk_bytes mark,
                              struct dk_err *err)
{
    enum dk_status status = DK_OK;

    DK_CHECK(mark.size <= MARK_MAX);
    if (store->stuck != NULL)
        status = stuck_write(store, key, err);
    if (status != DK_OK)
        return status;
    dk_store_put(store, key, mark);
    status = batch_write(store, store->batch, err);
    if (status != DK_OK) {
        store->stuck = store->batch;
        memcpy(store->mark, mark.data, mark.size);
        store->mark_size = mark.size;
        store->batch = rocksdb_writebatch_create();
        return status;
    }
    rocksdb_writebatch_clear(store->batch);
    return DK_OK;
}

enum dk_status dk_store_sync(struct dk_store *store, struct dk_err *err)
{
    char *text = NULL;

    if (store->db == NULL)
        return dk_fail(err, DK_IO, "view '%s' could not be opened anew", store->path);
    rocksdb_flush_wal(store->db, 1, &text);
    return text != NULL ? store_fail(store, text, err) : DK_OK;
}

enum dk_status dk_store_compact(struct dk_store *store, struct dk_err *err)
{
    rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
    rocksdb_compactoptions_t *compact = rocksdb_compactoptions_create();
    char *text = NULL;

    rocksdb_flush(store->db, flush, &text);
    rocksdb_flushoptions_destroy(flush);
    rocksdb_compactoptions_set_bottommost_level_compaction(compact, 2); /* kForce */
    if (text == NULL)
        rocksdb_compact_range_opt(store->db, compact, NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(compact);
    return text != NULL ? store_fail(store, text, err) : DK_OK;
}

/* --- reading --- */

static void reader_count(struct dk_store *store, int change)
{
    (void)pthread_mutex_lock(&store->mutex);
    store->readers += (uint32_t)change;
    if (store->readers == 0)
        (void)pthread_cond_signal(&store->drained);
    (void)pthread_mutex_unlock(&store->mutex);
}

enum dk_status dk_store_get(struct dk_store *store, struct dk_bytes key, struct dk_buf *out,
                            struct dk_err *err)
{
    char *text = NULL;
    size_t size = 0;
    char *value =
        rocksdb_get(store->db, store->read, (const char *)key.data, key.size, &size, &text);
    bool fits;

    if (text != NULL)
        return store_fail(store, text, err);
    if (value == NULL)
        return dk_fail(err, DK_NOT_FOUND, "view '%s' has no such key", store->path);
    fits = dk_buf_add(out, value, size);
    rocksdb_free(value);
    return fits ? DK_OK
                : dk_fail(err, DK_TOO_LARGE, "a value of view '%s' is too large", store->path);
}

struct dk_store_snapshot *dk_store_snapshot_take(struct dk_store *store)
{
    struct dk_store_snapshot *snapshot = calloc(1, sizeof(*snapshot));

    DK_CHECK(snapshot != NULL);
    (void)pthread_mutex_lock(&store->mutex);
    if (store->db != NULL) {
        store->readers++;
        snapshot->snapshot = rocksdb_create_snapshot(store->db);
    }
    (void)pthread_mutex_unlock(&store->mutex);
    if (snapshot->snapshot != NULL)
        return snapshot;
    free(snapshot);
    return NULL;
}

void dk_store_snapshot_release(struct dk_store *store, struct dk_store_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    rocksdb_release_snapshot(store->db, snapshot->snapshot);
    free(snapshot);
    reader_count(store, -1);
}

struct dk_store_cursor *dk_store_cursor_open(struct dk_store *store,
                                             struct dk_store_snapshot *snapshot, uint8_t prefix)
{
    struct dk_store_cursor *cursor = calloc(1, sizeof(*cursor));

    DK_CHECK(cursor != NULL);
    cursor->store = store;
    cursor->prefix = (char)prefix;
    cursor->limit = (char)(prefix + 1);
    cursor->read = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(cursor->read, snapshot->snapshot);
    rocksdb_readoptions_set_iterate_lower_bound(cursor->read, &cursor->prefix, 1);
    rocksdb_readoptions_set_iterate_upper_bound(cursor->read, &cursor->limit, 1);
    reader_count(store, 1);
    cursor->iterator = rocksdb_create_iterator(store->db, cursor->read);
    return cursor;
}

void dk_store_cursor_close(struct dk_store_cursor *cursor)
{
    if (cursor == NULL)
        return;
    rocksdb_iter_destroy(cursor->iterator);
    rocksdb_readoptions_destroy(cursor->read);
    reader_count(cursor->store, -1);
    free(cursor);
}

bool dk_store_cursor_seek(struct dk_store_cursor *cursor, struct dk_bytes key)
{
    rocksdb_iter_seek(cursor->iterator, (const char *)key.data, key.size);
    return rocksdb_iter_valid(cursor->iterator) != 0;
}

bool dk_store_cursor_seek_back(struct dk_store_cursor *cursor, struct dk_bytes key)
{
    rocksdb_iter_seek_for_prev(cursor->iterator, (const char *)key.data, key.size);
    return rocksdb_iter_valid(cursor->iterator) != 0;
}

bool dk_store_cursor_next(struct dk_store_cursor *cursor)
{
    rocksdb_iter_next(cursor->iterator);
    return rocksdb_iter_valid(cursor->iterator) != 0;
}

bool dk_store_cursor_back(struct dk_store_cursor *cursor)
{
    rocksdb_iter_prev(cursor->iterator);
    return rocksdb_iter_valid(cursor->iterator) != 0;
}

struct dk_bytes dk_store_cursor_key(const struct dk_store_cursor *cursor)
{
    size_t size;
    const char *data = rocksdb_iter_key(cursor->iterator, &size);

    return (struct dk_bytes){ (const uint8_t *)data, (uint32_t)size };
}

struct dk_bytes dk_store_cursor_value(const struct dk_store_cursor *cursor)
{
    size_t size;
    const char *data = rocksdb_iter_value(cursor->iterator, &size);

    return (struct dk_bytes){ (const uint8_t *)data, (uint32_t)size };
}

enum dk_status dk_store_cursor_check(const struct dk_store_cursor *cursor, struct dk_err *err)
{
    char *text = NULL;

    rocksdb_iter_get_error(cursor->iterator, &text);
    return text != NULL ? store_fail(cursor->store, text, err) : DK_OK;
}

static uint64_t store_property(struct dk_store *store, const char *name)
{
    uint64_t value = 0;

    return rocksdb_property_int(store->db, name, &value) == 0 ? value : 0;
}

void dk_store_stat(struct dk_store *store, struct dk_store_stat *stat)
{
    memset(stat, 0, sizeof(*stat));
    (void)pthread_mutex_lock(&store->mutex); /* it may be opened anew meanwhile */
    if (store->db != NULL) {
        stat->bytes_disk = store_property(store, "rocksdb.total-sst-files-size");
        stat->bytes_memory = store_property(store, "rocksdb.cur-size-all-mem-tables") +
                             store_property(store, "rocksdb.block-cache-usage") +
                             store_property(store, "rocksdb.estimate-table-readers-mem");
    }
    (void)pthread_mutex_unlock(&store->mutex);
}
