/* reasons.c - what only the core knows of waiting jobs (reasons.h) */
#include "projections/reasons.h"

#include "base/check.h"
#include "net/journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SNAPSHOT_EVERY 65536u
#define BEHIND_MAX 8192
#define STARTS_FRESH_US 2000000

struct dk_reason_map {
    int64_t seq;
    uint32_t holders;
    struct dk_pending *items; /* by job, once it is made */
    uint32_t count, capacity;
};

struct dk_start_map {
    int64_t made;
    uint32_t holders, wanted;
    struct dk_planned *items; /* by job */
    uint32_t count, capacity;
    struct dk_arena arena; /* host lists */
};

struct dk_reasons {
    struct dk_place place;
    pthread_mutex_t lock; /* of the follower */
    struct dk_follower *follower;
    pthread_mutex_t map_lock; /* of `map` and its holders */
    struct dk_reason_map *map;
    pthread_mutex_t starts_lock; /* of `starts` and its holders; held while they are made */
    struct dk_start_map *starts;
    pthread_mutex_t note_lock; /* of the three below */
    pthread_cond_t noted;
    int64_t seq_views, seq_followed;
    bool stop;
    pthread_t thread;
};

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* With the lock held. */
static enum dk_status catch_up(struct dk_reasons *reasons, struct dk_err *err)
{
    struct dk_follower *follower = reasons->follower;
    enum dk_status status = dk_follower_advance(follower, UINT64_MAX, INT64_MAX, err);

    DK_CHECK(pthread_mutex_lock(&reasons->note_lock) == 0);
    reasons->seq_followed = (int64_t)dk_follower_seq(follower);
    DK_CHECK(pthread_mutex_unlock(&reasons->note_lock) == 0);
    return status == DK_AGAIN || status == DK_AWAY ? DK_OK : status;
}

static void save_if_due(struct dk_reasons *reasons, bool at_stop)
{
    struct dk_follower *follower = reasons->follower;
    uint64_t seq = dk_follower_seq(follower), saved = dk_follower_snapshot_seq(follower);
    struct dk_err err;

    if (seq < saved + SNAPSHOT_EVERY && !(at_stop && seq > saved))
        return;
    if (dk_follower_snapshot(follower, &err) != DK_OK)
        dk_journal(DK_JOURNAL_WARNING, "no snapshot of the core: %s", err.text);
}

static void *follow(void *context)
{
    struct dk_reasons *reasons = context;
    struct dk_err err;

    for (;;) {
        bool stop;

        DK_CHECK(pthread_mutex_lock(&reasons->note_lock) == 0);
        while (!reasons->stop && reasons->seq_views < reasons->seq_followed + BEHIND_MAX)
            DK_CHECK(pthread_cond_wait(&reasons->noted, &reasons->note_lock) == 0);
        stop = reasons->stop;
        DK_CHECK(pthread_mutex_unlock(&reasons->note_lock) == 0);
        DK_CHECK(pthread_mutex_lock(&reasons->lock) == 0);
        if (catch_up(reasons, &err) != DK_OK) {
            dk_journal(DK_JOURNAL_ERROR, "the follower of the core stops: %s", err.text);
            DK_CHECK(pthread_mutex_unlock(&reasons->lock) == 0);
            return NULL;
        }
        save_if_due(reasons, stop);
        DK_CHECK(pthread_mutex_unlock(&reasons->lock) == 0);
        if (stop)
            return NULL;
    }
}

enum dk_status dk_reasons_open(struct dk_reasons **out, const struct dk_place *place,
                               struct dk_err *err)
{
    struct dk_reasons *reasons = calloc(1, sizeof(*reasons));
    enum dk_status status;

    DK_CHECK(reasons != NULL);
    *out = NULL;
    reasons->place = *place;
    status = dk_follower_open(&reasons->follower, place->log_uri, place->log_dir, UINT64_MAX, err);
    if (status != DK_OK) {
        free(reasons);
        return status;
    }
    DK_CHECK(pthread_mutex_init(&reasons->lock, NULL) == 0);
    DK_CHECK(pthread_mutex_init(&reasons->map_lock, NULL) == 0);
    DK_CHECK(pthread_mutex_init(&reasons->starts_lock, NULL) == 0);
    DK_CHECK(pthread_mutex_init(&reasons->note_lock, NULL) == 0);
    DK_CHECK(pthread_cond_init(&reasons->noted, NULL) == 0);
    reasons->seq_followed = (int64_t)dk_follower_seq(reasons->follower);
    DK_CHECK(pthread_create(&reasons->thread, NULL, follow, reasons) == 0);
    *out = reasons;
    return DK_OK;
}

static void map_free(struct dk_reason_map *map)
{
    if (map == NULL)
        return;
    free(map->items);
    free(map);
}

static void starts_free(struct dk_start_map *map)
{
    if (map == NULL)
        return;
    dk_arena_release(&map->arena);
    free(map->items);
    free(map);
}

void dk_reasons_close(struct dk_reasons *reasons)
{
    if (reasons == NULL)
        return;
    DK_CHECK(pthread_mutex_lock(&reasons->note_lock) == 0);
    reasons->stop = true;
    DK_CHECK(pthread_cond_signal(&reasons->noted) == 0);
    DK_CHECK(pthread_mutex_unlock(&reasons->note_lock) == 0);
    DK_CHECK(pthread_join(reasons->thread, NULL) == 0);
    dk_follower_close(reasons->follower);
    map_free(reasons->map);
    starts_free(reasons->starts);
    (void)pthread_mutex_destroy(&reasons->lock);
    (void)pthread_mutex_destroy(&reasons->map_lock);
    (void)pthread_mutex_destroy(&reasons->starts_lock);
    (void)pthread_mutex_destroy(&reasons->note_lock);
    (void)pthread_cond_destroy(&reasons->noted);
    free(reasons);
}

void dk_reasons_note(struct dk_reasons *reasons, int64_t seq)
{
    DK_CHECK(pthread_mutex_lock(&reasons->note_lock) == 0);
    reasons->seq_views = seq;
    if (seq >= reasons->seq_followed + BEHIND_MAX)
        DK_CHECK(pthread_cond_signal(&reasons->noted) == 0);
    DK_CHECK(pthread_mutex_unlock(&reasons->note_lock) == 0);
}

enum dk_status dk_reasons_lock(struct dk_reasons *reasons, int64_t seq,
                               struct dk_explain_source *source, struct dk_err *err)
{
    enum dk_status status = DK_OK;
    int64_t time;

    DK_CHECK(pthread_mutex_lock(&reasons->lock) == 0);
    if ((int64_t)dk_follower_seq(reasons->follower) < seq)
        status = catch_up(reasons, err);
    if (status != DK_OK) {
        DK_CHECK(pthread_mutex_unlock(&reasons->lock) == 0);
        return status;
    }
    time = dk_follower_time(reasons->follower);
    *source = (struct dk_explain_source){
        .core = dk_follower_core(reasons->follower),
        .seq = (int64_t)dk_follower_seq(reasons->follower),
        .now = now_us() > time ? now_us() : time,
        .log_uri = reasons->place.log_uri,
        .log_dir = reasons->place.log_dir,
    };
    return DK_OK;
}

void dk_reasons_unlock(struct dk_reasons *reasons)
{
    DK_CHECK(pthread_mutex_unlock(&reasons->lock) == 0);
}

/* --- all at once --- */

static void add_pending(void *context, const struct dk_pending *pending)
{
    struct dk_reason_map *map = context;

    if (map->count == map->capacity) {
        map->capacity = map->capacity > 0 ? map->capacity * 2 : 256;
        map->items = realloc(map->items, map->capacity * sizeof(*map->items));
        DK_CHECK(map->items != NULL);
    }
    map->items[map->count++] = *pending;
}

static int by_job(const void *a, const void *b)
{
    int64_t left = ((const struct dk_pending *)a)->job, right = ((const struct dk_pending *)b)->job;

    return (left > right) - (left < right);
}

static void sort_map(struct dk_reason_map *map)
{
    uint32_t i = 1;

    while (i < map->count && map->items[i - 1].job < map->items[i].job)
        i++;
    if (i < map->count)
        qsort(map->items, map->count, sizeof(*map->items), by_job);
}

static void drop_holder(struct dk_reason_map *map)
{
    if (map != NULL && --map->holders == 0)
        map_free(map);
}

const struct dk_reason_map *dk_reasons_map(struct dk_reasons *reasons, int64_t seq)
{
    struct dk_explain_source source;
    struct dk_reason_map *map;
    struct dk_err err;

    DK_CHECK(pthread_mutex_lock(&reasons->map_lock) == 0);
    map = reasons->map;
    if (map == NULL || map->seq < seq) {
        map = calloc(1, sizeof(*map));
        DK_CHECK(map != NULL);
        map->holders = 1; /* the cache */
        if (dk_reasons_lock(reasons, seq, &source, &err) == DK_OK) {
            dk_pending_each(&source, add_pending, map);
            map->seq = source.seq;
            dk_reasons_unlock(reasons);
            sort_map(map);
        }
        drop_holder(reasons->map);
        reasons->map = map;
    }
    map->holders++;
    DK_CHECK(pthread_mutex_unlock(&reasons->map_lock) == 0);
    return map;
}

void dk_reasons_map_release(struct dk_reasons *reasons, const struct dk_reason_map *map)
{
    DK_CHECK(pthread_mutex_lock(&reasons->map_lock) == 0);
    drop_holder((struct dk_reason_map *)(uintptr_t)map);
    DK_CHECK(pthread_mutex_unlock(&reasons->map_lock) == 0);
}

const struct dk_pending *dk_reason_of(const struct dk_reason_map *map, int64_t job,
                                      uint32_t *cursor)
{
    uint32_t first = 0, limit = map->count;

    if (*cursor < limit && map->items[*cursor].job < job)
        ++*cursor;
    if (*cursor < limit && map->items[*cursor].job == job)
        return &map->items[*cursor];
    while (first < limit) { /* the first that is not before it */
        uint32_t middle = first + (limit - first) / 2;

        if (map->items[middle].job < job)
            first = middle + 1;
        else
            limit = middle;
    }
    *cursor = first;
    return first < map->count && map->items[first].job == job ? &map->items[first] : NULL;
}

/* --- estimated starts --- */

static void add_start(void *context, int64_t job, int64_t start, struct dk_text nodes)
{
    struct dk_start_map *map = context;
    char *kept = dk_arena_take(&map->arena, nodes.size + 1);

    if (nodes.size > 0)
        memcpy(kept, nodes.data, nodes.size);
    if (map->count == map->capacity) {
        map->capacity = map->capacity > 0 ? map->capacity * 2 : 256;
        map->items = realloc(map->items, map->capacity * sizeof(*map->items));
        DK_CHECK(map->items != NULL);
    }
    map->items[map->count++] = (struct dk_planned){ job, start, { kept, nodes.size } };
}

static void drop_starts(struct dk_start_map *map)
{
    if (map != NULL && --map->holders == 0)
        starts_free(map);
}

void dk_reasons_rest(struct dk_reasons *reasons)
{
    int64_t seq;

    DK_CHECK(pthread_mutex_lock(&reasons->note_lock) == 0);
    seq = reasons->seq_views;
    DK_CHECK(pthread_mutex_unlock(&reasons->note_lock) == 0);
    DK_CHECK(pthread_mutex_lock(&reasons->map_lock) == 0);
    if (reasons->map != NULL && reasons->map->seq < seq) {
        drop_holder(reasons->map);
        reasons->map = NULL;
    }
    DK_CHECK(pthread_mutex_unlock(&reasons->map_lock) == 0);
    if (pthread_mutex_trylock(&reasons->starts_lock) != 0)
        return; /* they are being made: somebody wants them */
    if (reasons->starts != NULL && now_us() - reasons->starts->made > STARTS_FRESH_US) {
        drop_starts(reasons->starts);
        reasons->starts = NULL;
    }
    DK_CHECK(pthread_mutex_unlock(&reasons->starts_lock) == 0);
}

/* With starts_lock held. */
static enum dk_status make_starts(struct dk_reasons *reasons, int64_t seq, uint32_t count,
                                  struct dk_err *err)
{
    struct dk_explain_source source;
    struct dk_starts *starts;
    struct dk_start_map *map;
    enum dk_status status = dk_reasons_lock(reasons, seq, &source, err);

    if (status != DK_OK)
        return status;
    starts = dk_starts_begin(&source, count);
    dk_reasons_unlock(reasons);
    map = calloc(1, sizeof(*map));
    DK_CHECK(map != NULL);
    dk_arena_init(&map->arena, &dk_heap);
    map->holders = 1; /* the cache */
    map->wanted = count;
    dk_starts_end(starts, add_start, map);
    map->made = now_us();
    drop_starts(reasons->starts);
    reasons->starts = map;
    return DK_OK;
}

enum dk_status dk_reasons_starts(struct dk_reasons *reasons, int64_t seq, uint32_t count,
                                 const struct dk_start_map **map, struct dk_err *err)
{
    enum dk_status status = DK_OK;
    const struct dk_start_map *kept;
    int64_t now = now_us();

    DK_CHECK(pthread_mutex_lock(&reasons->starts_lock) == 0);
    kept = reasons->starts;
    if (kept == NULL || kept->wanted < count || now - kept->made > STARTS_FRESH_US ||
        now < kept->made - STARTS_FRESH_US)
        status = make_starts(reasons, seq, count, err);
    *map = NULL;
    if (status == DK_OK) {
        reasons->starts->holders++;
        *map = reasons->starts;
    }
    DK_CHECK(pthread_mutex_unlock(&reasons->starts_lock) == 0);
    return status;
}

void dk_reasons_starts_release(struct dk_reasons *reasons, const struct dk_start_map *map)
{
    DK_CHECK(pthread_mutex_lock(&reasons->starts_lock) == 0);
    drop_starts((struct dk_start_map *)(uintptr_t)map);
    DK_CHECK(pthread_mutex_unlock(&reasons->starts_lock) == 0);
}

static int planned_is(const void *job, const void *item)
{
    int64_t left = *(const int64_t *)job, right = ((const struct dk_planned *)item)->job;

    return (left > right) - (left < right);
}

const struct dk_planned *dk_start_of(const struct dk_start_map *map, int64_t job)
{
    if (map->count == 0)
        return NULL;
    return bsearch(&job, map->items, map->count, sizeof(*map->items), planned_is);
}
