/* reasons.c - what only the core knows of waiting jobs (reasons.h) */
#include "projections/reasons.h"

#include "base/check.h"
#include "base/table.h"
#include "net/journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SNAPSHOT_EVERY 65536u
#define BEHIND_MAX 8192

struct dk_reason_map {
    int64_t seq;
    uint32_t holders;
    struct dk_pending *items;
    uint32_t count, capacity;
    struct dk_table by_job;
};

struct dk_reasons {
    struct dk_place place;
    pthread_mutex_t lock; /* of the follower */
    struct dk_follower *follower;
    pthread_mutex_t map_lock; /* of `map` and its holders */
    struct dk_reason_map *map;
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
    return status == DK_AGAIN ? DK_OK : status;
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
    dk_table_release(&map->by_job);
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
    (void)pthread_mutex_destroy(&reasons->lock);
    (void)pthread_mutex_destroy(&reasons->map_lock);
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
    map->items[map->count] = *pending;
    dk_table_put(&map->by_job, (uint64_t)pending->job, map->count++);
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
        dk_table_init(&map->by_job, &dk_heap);
        map->holders = 1; /* the cache */
        if (dk_reasons_lock(reasons, seq, &source, &err) == DK_OK) {
            dk_pending_each(&source, add_pending, map);
            map->seq = source.seq;
            dk_reasons_unlock(reasons);
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
}

const struct dk_pending *dk_reason_of(const struct dk_reason_map *map, int64_t job)
{
    uint32_t index = dk_table_find(&map->by_job, (uint64_t)job);

    return index == DK_TABLE_NONE ? NULL : &map->items[index];
}
