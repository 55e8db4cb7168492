/* history.c - opening, committing, replacing history (see history.h)
 *
 * The seq is written with the rows. Batches without a row are most of them on an idle cluster, so
 * their seq is only noted, and written when it is SEQ_LAG behind or when it must be durable: to
 * fold them again costs nothing, for nothing comes of them. */
#include "projections/history_inside.h"

#include "base/check.h"
#include "base/fixed.h"
#include "projections/row_codec.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEQ_LAG = 4096, ROWS_BEFORE_REST = 1000, PATH_SIZE = 4096, ROW_SIZE_MAX = 64 << 20 };

static const struct dk_store_options store_options = { "docket.history", dk_history_join };

struct dk_history_lock {
    pthread_mutex_t mutex;
};

/* --- files --- */

static void path_of(char path[PATH_SIZE], const char *dir, uint32_t version, const char *suffix)
{
    int size = snprintf(path, PATH_SIZE, "%s/history.v%u%s", dir, version, suffix);

    DK_CHECK(size > 0 && size < PATH_SIZE); /* callers look at the length of `dir` */
}

static bool folder_exists(const char *path)
{
    struct stat stat_of;

    return stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

/* What an interrupted promotion left behind. Not being able to remove it is no reason not to serve.
 */
static void leftovers_remove(const char *dir, uint32_t version)
{
    char path[PATH_SIZE];

    path_of(path, dir, version, ".building");
    if (folder_exists(path))
        (void)dk_store_remove(path, NULL);
    for (uint32_t older = 1; older < version; older++) {
        path_of(path, dir, older, "");
        if (folder_exists(path))
            (void)dk_store_remove(path, NULL);
        path_of(path, dir, older, ".building");
        if (folder_exists(path))
            (void)dk_store_remove(path, NULL);
    }
}

static uint32_t version_find(const char *dir, uint32_t version)
{
    char path[PATH_SIZE];

    for (uint32_t candidate = version; candidate > 0; candidate--) {
        path_of(path, dir, candidate, "");
        if (folder_exists(path))
            return candidate;
    }
    return version;
}

static enum dk_status set_aside(const char *path, struct dk_err *err)
{
    char damaged[PATH_SIZE + 16];

    (void)snprintf(damaged, sizeof(damaged), "%s.damaged", path);
    if (folder_exists(damaged))
        (void)dk_store_remove(damaged, NULL);
    if (rename(path, damaged) != 0)
        return dk_fail(err, DK_IO, "view '%s' is damaged and cannot be renamed", path);
    return DK_OK;
}

/* --- what is kept, and by whom --- */

static struct dk_history_kept *kept_create(struct dk_store *store, const char *path)
{
    struct dk_history_kept *kept = calloc(1, sizeof(*kept));

    DK_CHECK(kept != NULL);
    kept->store = store;
    kept->path = strdup(path);
    DK_CHECK(kept->path != NULL);
    kept->references = 1;
    return kept;
}

/* Under the lock, or by the only one who knows it. */
static void kept_drop(struct dk_history_kept *kept)
{
    if (kept == NULL || --kept->references > 0)
        return;
    dk_store_close(kept->store);
    if (kept->remove)
        (void)dk_store_remove(kept->path, NULL);
    free(kept->path);
    free(kept);
}

/* | seq | longest life | rows | */
static enum dk_status meta_read(struct dk_history *history, struct dk_store *store,
                                struct dk_err *err)
{
    static const uint8_t key[] = { DK_KEY_META };
    const uint8_t *at, *end;
    uint64_t seq = 0, life = 0, rows = 0;
    enum dk_status status;

    dk_buf_clear(&history->bytes);
    status = dk_store_get(store, (struct dk_bytes){ key, 1 }, &history->bytes, err);
    if (status != DK_OK && status != DK_NOT_FOUND)
        return status;
    if (status == DK_OK) {
        at = history->bytes.data;
        end = at + history->bytes.size;
        at = dk_varint_get(at, end, &seq);
        at = at != NULL ? dk_varint_get(at, end, &life) : NULL;
        at = at != NULL ? dk_varint_get(at, end, &rows) : NULL;
        if (at == NULL || at != end || seq > INT64_MAX || life > INT64_MAX)
            return dk_fail(err, DK_CORRUPT, "history does not say its seq");
    }
    history->seq = history->seq_written = (int64_t)seq;
    history->life_us_max = (int64_t)life;
    history->rows = rows;
    return DK_OK;
}

static enum dk_status meta_write(struct dk_history *history, int64_t seq, struct dk_err *err)
{
    static const uint8_t key[] = { DK_KEY_META };
    uint8_t value[3 * DK_VARINT_MAX];
    uint8_t *at = dk_varint_put(value, (uint64_t)seq);

    at = dk_varint_put(at, (uint64_t)history->life_us_max);
    at = dk_varint_put(at, history->rows);
    return dk_store_write(history->kept->store, (struct dk_bytes){ key, 1 },
                          (struct dk_bytes){ value, (uint32_t)(at - value) }, err);
}

static enum dk_status path_open(struct dk_history *history, const char *path, struct dk_err *err)
{
    struct dk_store *store = NULL;
    enum dk_status status = dk_store_open(&store, path, &store_options, err);

    if (status == DK_OK)
        status = meta_read(history, store, err);
    if (status == DK_CORRUPT && !history->damaged) {
        dk_store_close(store);
        store = NULL;
        history->damaged = true;
        status = set_aside(path, err);
        if (status == DK_OK)
            return path_open(history, path, err);
    }
    if (status != DK_OK) {
        dk_store_close(store);
        return status;
    }
    history->kept = kept_create(store, path);
    return DK_OK;
}

static struct dk_history *history_create(const char *dir, uint32_t version)
{
    struct dk_history *history = calloc(1, sizeof(*history));

    DK_CHECK(history != NULL);
    history->dir = strdup(dir);
    DK_CHECK(history->dir != NULL);
    history->version = history->version_wanted = version;
    history->lock = malloc(sizeof(*history->lock));
    DK_CHECK(history->lock != NULL);
    (void)pthread_mutex_init(&history->lock->mutex, NULL);
    dk_buf_init(&history->bytes, &dk_heap, ROW_SIZE_MAX);
    return history;
}

static enum dk_status dir_check(const char *dir, struct dk_err *err)
{
    if (strlen(dir) > PATH_SIZE - 64)
        return dk_fail(err, DK_INVALID, "the name of the folder of views is too long: '%.64s...'",
                       dir);
    if (!folder_exists(dir))
        return dk_fail(err, DK_NOT_FOUND, "the folder of views '%s' is not there", dir);
    return DK_OK;
}

enum dk_status dk_history_open_as(struct dk_history **out, const char *dir, uint32_t version,
                                  struct dk_err *err)
{
    char path[PATH_SIZE];
    struct dk_history *history;
    enum dk_status status = dir_check(dir, err);

    if (status != DK_OK)
        return status;
    history = history_create(dir, version);
    history->version = version_find(dir, version);
    path_of(path, dir, history->version, "");
    status = path_open(history, path, err);
    if (status == DK_OK && history->version == version)
        leftovers_remove(dir, version);
    if (status != DK_OK) {
        dk_history_close(history);
        return status;
    }
    *out = history;
    return DK_OK;
}

enum dk_status dk_history_open_building_as(struct dk_history **out, const char *dir,
                                           uint32_t version, struct dk_err *err)
{
    char path[PATH_SIZE];
    struct dk_history *history;
    enum dk_status status = dir_check(dir, err);

    if (status != DK_OK)
        return status;
    history = history_create(dir, version);
    history->building = true;
    path_of(path, dir, version, ".building");
    status = path_open(history, path, err);
    if (status != DK_OK) {
        dk_history_close(history);
        return status;
    }
    *out = history;
    return DK_OK;
}

enum dk_status dk_history_open(struct dk_history **out, const char *dir, struct dk_err *err)
{
    return dk_history_open_as(out, dir, DK_HISTORY_VERSION, err);
}

enum dk_status dk_history_open_building(struct dk_history **out, const char *dir,
                                        struct dk_err *err)
{
    return dk_history_open_building_as(out, dir, DK_HISTORY_VERSION, err);
}

void dk_history_close(struct dk_history *history)
{
    if (history == NULL)
        return;
    if (history->kept != NULL && history->kept->store != NULL && !history->dirty &&
        history->seq != history->seq_written)
        (void)meta_write(history, history->seq, NULL);
    kept_drop(history->kept);
    dk_buf_release(&history->bytes);
    dk_alloc_free(&dk_heap, history->marks, history->mark_capacity * sizeof(*history->marks));
    (void)pthread_mutex_destroy(&history->lock->mutex);
    free(history->lock);
    free(history->dir);
    free(history);
}

int64_t dk_history_seq(const struct dk_history *history)
{
    return history->seq;
}

bool dk_history_was_damaged(const struct dk_history *history)
{
    return history->damaged;
}

bool dk_history_is_current(const struct dk_history *history)
{
    return history->version == history->version_wanted;
}

/* --- writing --- */

static void history_run(struct dk_history *history, const struct dk_job_row *row, bool final)
{
    DK_CHECK(row->id > 0 && row->seq > 0);
    if (row->seq <= history->seq || history->kept->store == NULL)
        return;
    history->dirty = true;
    history->rows_since_rest++;
    (void)pthread_mutex_lock(&history->lock->mutex);
    history->rows++;
    if (row->end > row->submit && row->end - row->submit > history->life_us_max)
        history->life_us_max = row->end - row->submit;
    (void)pthread_mutex_unlock(&history->lock->mutex);
    dk_history_put_row(history, row, final);
}

void dk_history_ended(struct dk_history *history, const struct dk_job_row *row)
{
    history_run(history, row, true);
}

void dk_history_requeued(struct dk_history *history, const struct dk_job_row *row)
{
    history_run(history, row, false);
}

void dk_history_step(struct dk_history *history, const struct dk_event *event)
{
    uint8_t key[DK_KEY_STEP_SIZE];
    struct dk_bytes at;

    if (event->meta.seq <= history->seq || history->kept->store == NULL)
        return;
    if (event->type == DK_EVENT_STEP_STARTED)
        at = dk_key_step(key, event->step_started.job, event->step_started.attempt,
                         event->step_started.step);
    else if (event->type == DK_EVENT_STEP_ENDED)
        at = dk_key_step(key, event->step_ended.job, event->step_ended.attempt,
                         event->step_ended.step);
    else
        return;
    history->dirty = true;
    dk_buf_clear(&history->bytes);
    DK_CHECK(dk_step_encode(event, &history->bytes));
    dk_store_add(history->kept->store, at,
                 (struct dk_bytes){ history->bytes.data, (uint32_t)history->bytes.size });
}

static enum dk_status history_write(struct dk_history *history, int64_t seq, struct dk_err *err)
{
    enum dk_status status;

    if (history->kept->store == NULL)
        return dk_fail(err, DK_IO, "history '%s' is closed", history->kept->path);
    dk_history_put_marks(history);
    status = meta_write(history, seq, err);
    if (status != DK_OK)
        return status;
    history->dirty = false;
    history->seq_written = seq;
    return DK_OK;
}

enum dk_status dk_history_commit(struct dk_history *history, int64_t seq, struct dk_err *err)
{
    enum dk_status status = DK_OK;
    bool idle = !history->dirty;

    if (seq <= history->seq)
        return DK_OK;
    /* The write and the seq change together for a view that is being opened. */
    (void)pthread_mutex_lock(&history->lock->mutex);
    if (history->dirty || seq - history->seq_written >= SEQ_LAG)
        status = history_write(history, seq, err);
    if (status == DK_OK)
        history->seq = seq;
    (void)pthread_mutex_unlock(&history->lock->mutex);
    if (idle && history->rows_since_rest >= ROWS_BEFORE_REST) {
        history->rows_since_rest = 0;
        dk_heap_rest();
    }
    return status;
}

enum dk_status dk_history_save(struct dk_history *history, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (history->dirty)
        return dk_fail(err, DK_INVALID, "history has rows that are not committed");
    if (history->seq != history->seq_written)
        status = history_write(history, history->seq, err);
    if (status != DK_OK || history->kept->store == NULL)
        return status;
    return dk_store_sync(history->kept->store, err);
}

enum dk_status dk_history_compact(struct dk_history *history, struct dk_err *err)
{
    return dk_store_compact(history->kept->store, err);
}

/* --- views --- */

struct dk_history_view *dk_history_view_open(struct dk_history *history)
{
    struct dk_history_view *view = calloc(1, sizeof(*view));

    DK_CHECK(view != NULL);
    (void)pthread_mutex_lock(&history->lock->mutex);
    view->history = history;
    view->kept = history->kept;
    view->kept->references++;
    if (view->kept->store != NULL)
        view->snapshot = dk_store_snapshot_take(view->kept->store);
    view->seq = history->seq;
    view->life_us_max = history->life_us_max;
    view->indexed = dk_history_is_current(history);
    (void)pthread_mutex_unlock(&history->lock->mutex);
    return view;
}

void dk_history_view_close(struct dk_history_view *view)
{
    struct dk_history *history;

    if (view == NULL)
        return;
    history = view->history;
    /* Not under the lock: a commit may hold it and wait for this. */
    if (view->kept->store != NULL)
        dk_store_snapshot_release(view->kept->store, view->snapshot);
    (void)pthread_mutex_lock(&history->lock->mutex);
    kept_drop(view->kept);
    (void)pthread_mutex_unlock(&history->lock->mutex);
    free(view);
}

int64_t dk_history_view_seq(const struct dk_history_view *view)
{
    return view->seq;
}

void dk_history_stat(struct dk_history *history, struct dk_history_stat *stat)
{
    struct dk_history_kept *kept;
    struct dk_store_stat of_store = { 0, 0 };

    (void)pthread_mutex_lock(&history->lock->mutex);
    kept = history->kept;
    kept->references++;
    stat->rows = history->rows;
    (void)pthread_mutex_unlock(&history->lock->mutex);
    if (kept->store != NULL)
        dk_store_stat(kept->store, &of_store);
    (void)pthread_mutex_lock(&history->lock->mutex);
    kept_drop(kept);
    (void)pthread_mutex_unlock(&history->lock->mutex);
    stat->bytes_disk = of_store.bytes_disk;
    stat->bytes_memory = of_store.bytes_memory;
}

/* --- replacing an older version --- */

enum dk_status dk_history_promote(struct dk_history *history, struct dk_history *building,
                                  struct dk_err *err)
{
    char path[PATH_SIZE];
    struct dk_history_kept *older = history->kept, *newer = building->kept;
    enum dk_status status;

    if (!building->building || building->version != history->version_wanted)
        return dk_fail(err, DK_INVALID, "'%s' is not what is to take over", newer->path);
    if (building->seq != history->seq || building->dirty || history->dirty)
        return dk_fail(err, DK_INVALID, "the new history is at seq %lld, the old one at %lld",
                       (long long)building->seq, (long long)history->seq);
    if (newer->references != 1)
        return dk_fail(err, DK_BUSY, "the new history is being read");
    status = dk_history_save(building, err);
    if (status != DK_OK)
        return status;
    path_of(path, history->dir, building->version, "");
    dk_store_close(newer->store); /* RocksDB opens its files by path: not while they move */
    newer->store = NULL;
    if (rename(newer->path, path) != 0) {
        status = dk_fail(err, DK_IO, "'%s' cannot be renamed to '%s'", newer->path, path);
        (void)dk_store_open(&newer->store, newer->path, &store_options, NULL);
        return status;
    }
    free(newer->path);
    newer->path = strdup(path);
    DK_CHECK(newer->path != NULL);
    status = dk_store_open(&newer->store, path, &store_options, err);
    if (status != DK_OK)
        return status;
    (void)pthread_mutex_lock(&history->lock->mutex);
    history->kept = newer;
    history->version = building->version;
    history->seq_written = building->seq_written;
    history->life_us_max = building->life_us_max;
    history->rows = building->rows;
    older->remove = true;
    kept_drop(older);
    (void)pthread_mutex_unlock(&history->lock->mutex);
    building->kept = NULL;
    dk_history_close(building);
    return DK_OK;
}
