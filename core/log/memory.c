/* memory.c - logs that live as long as their process
 *
 * Stores are found by name and outlive their writers, as a folder does, so that
 * taking over can be tested. A batch is kept as one frame that never moves, so a reader may borrow
 * it while others append. One mutex guards all stores: this is for tests and simulation.
 */
#include "base/check.h"
#include "log/backend.h"
#include "log/frame.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

struct store {
    struct store *next;
    char *name;
    size_t name_size;
    unsigned users; /* the registry, the writer, each reader */
    bool has_writer, restoring;
    uint32_t epoch;
    uint64_t seq_next;
    uint8_t **frames; /* one a batch, sealed */
    size_t count, capacity;
};

struct memory_log {
    struct dk_log base;
    struct store *store;
    struct dk_buf staged; /* frames one after the other */
};

struct memory_reader {
    struct dk_log_reader base;
    struct store *store;
    size_t index;
    uint64_t seq_from;
    struct dk_log_record *records;
    size_t capacity;
};

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t grown = PTHREAD_COND_INITIALIZER;
static struct store *stores;

static void *new_memory(size_t size)
{
    return memset(dk_alloc_new(&dk_heap, size), 0, size);
}

static struct store *find(const char *name)
{
    struct store *store = stores;

    while (store != NULL && strcmp(store->name, name) != 0)
        store = store->next;
    return store;
}

static struct store *find_or_make(const char *name)
{
    struct store *store = find(name);

    if (store != NULL)
        return store;
    store = new_memory(sizeof(*store));
    store->name_size = strlen(name) + 1;
    store->name = memcpy(dk_alloc_new(&dk_heap, store->name_size), name, store->name_size);
    store->users = 1;
    store->seq_next = 1;
    store->next = stores;
    stores = store;
    return store;
}

static void let_go(struct store *store)
{
    if (--store->users > 0)
        return;
    for (size_t i = 0; i < store->count; i++)
        dk_alloc_free(&dk_heap, store->frames[i], dk_frame_size_of(store->frames[i]));
    dk_alloc_free(&dk_heap, store->frames, store->capacity * sizeof(*store->frames));
    dk_alloc_free(&dk_heap, store->name, store->name_size);
    dk_alloc_free(&dk_heap, store, sizeof(*store));
}

void dk_log_memory_remove(const char *name)
{
    struct store **link = &stores;

    (void)pthread_mutex_lock(&guard);
    while (*link != NULL && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    if (*link != NULL) {
        struct store *store = *link;

        *link = store->next;
        let_go(store);
    }
    (void)pthread_mutex_unlock(&guard);
}

static enum dk_status memory_open(struct dk_log **out, const char *place,
                                  const struct dk_log_options *options, struct dk_err *err)
{
    struct memory_log *log = NULL;
    struct store *store;
    bool is_new, restoring, busy, may;

    (void)pthread_mutex_lock(&guard);
    store = find_or_make(place);
    is_new = store->epoch == 0;
    restoring = store->restoring;
    busy = store->has_writer;
    may = options->restore ? is_new || restoring : !restoring;
    if (!busy && may) {
        log = new_memory(sizeof(*log));
        log->base.backend = &dk_log_backend_memory;
        log->store = store;
        store->restoring = log->base.restoring = options->restore;
        if (!options->restore || is_new)
            store->epoch++;
        log->base.epoch = store->epoch;
        log->base.seq_next = log->base.seq_published = store->seq_next;
        dk_buf_init(&log->staged, &dk_heap, (size_t)2 * DK_LOG_BATCH_SIZE_MAX);
        store->has_writer = true;
        store->users++;
    }
    (void)pthread_mutex_unlock(&guard);
    if (busy)
        return dk_fail(err, DK_BUSY, "log 'memory:%s' already has a writer in this process", place);
    if (!may)
        return dk_fail(err, DK_INVALID,
                       restoring ? "log 'memory:%s' is a restore that was not finished"
                                 : "log 'memory:%s' is not new: nothing is restored into it",
                       place);
    *out = &log->base;
    return DK_OK;
}

static enum dk_status memory_append(struct dk_log *base, const struct dk_log_batch *batch,
                                    struct dk_err *err)
{
    struct memory_log *log = (struct memory_log *)base;

    if (!dk_frame_add(&log->staged, batch))
        return dk_fail(err, DK_TOO_LARGE, "too much is staged: sync first");
    return DK_OK;
}

static void keep(struct store *store, const uint8_t *frame)
{
    uint32_t size = dk_frame_size_of(frame);

    if (store->count == store->capacity) {
        size_t capacity = store->capacity > 0 ? store->capacity * 2 : 64;

        store->frames =
            dk_heap.resize(dk_heap.ctx, store->frames, store->capacity * sizeof(*store->frames),
                           capacity * sizeof(*store->frames));
        store->capacity = capacity;
    }
    store->frames[store->count] = memcpy(dk_alloc_new(&dk_heap, size), frame, size);
    store->seq_next += dk_frame_count_of(frame);
    if (dk_frame_epoch_of(frame) > store->epoch)
        store->epoch = dk_frame_epoch_of(frame);
    store->count++;
}

static enum dk_status memory_sync(struct dk_log *base, struct dk_err *err)
{
    struct memory_log *log = (struct memory_log *)base;

    (void)err;
    (void)pthread_mutex_lock(&guard);
    for (size_t at = 0; at < log->staged.size; at += dk_frame_size_of(log->staged.data + at)) {
        dk_frame_seal(log->staged.data + at, 0);
        keep(log->store, log->staged.data + at);
    }
    base->seq_published = log->store->seq_next;
    (void)pthread_cond_broadcast(&grown);
    (void)pthread_mutex_unlock(&guard);
    dk_buf_clear(&log->staged);
    return DK_OK;
}

static enum dk_status memory_restore_finish(struct dk_log *base, struct dk_err *err)
{
    (void)err;
    (void)pthread_mutex_lock(&guard);
    ((struct memory_log *)base)->store->restoring = false;
    (void)pthread_mutex_unlock(&guard);
    return DK_OK;
}

static void memory_discard(struct dk_log *base)
{
    dk_buf_clear(&((struct memory_log *)base)->staged);
}

static enum dk_status memory_compact_step(struct dk_log *base, struct dk_err *err)
{
    (void)base;
    (void)err;
    return DK_END;
}

static enum dk_status memory_close(struct dk_log *base, struct dk_err *err)
{
    struct memory_log *log = (struct memory_log *)base;

    (void)err;
    (void)pthread_mutex_lock(&guard);
    log->store->has_writer = false;
    let_go(log->store);
    (void)pthread_mutex_unlock(&guard);
    dk_buf_release(&log->staged);
    dk_alloc_free(&dk_heap, log, sizeof(*log));
    return DK_OK;
}

static enum dk_status memory_reader_open(struct dk_log_reader **out, const char *place,
                                         uint64_t seq_from, struct dk_err *err)
{
    struct memory_reader *reader;
    struct store *store;

    (void)pthread_mutex_lock(&guard);
    store = find(place);
    if (store != NULL)
        store->users++;
    (void)pthread_mutex_unlock(&guard);
    if (store == NULL)
        return dk_fail(err, DK_NOT_FOUND, "no log 'memory:%s' in this process", place);
    reader = new_memory(sizeof(*reader));
    reader->base.backend = &dk_log_backend_memory;
    reader->base.seq_next = 1;
    reader->store = store;
    reader->seq_from = seq_from;
    *out = &reader->base;
    return DK_OK;
}

static enum dk_status memory_reader_until_now(struct dk_log_reader *base, struct dk_err *err)
{
    const struct memory_reader *reader = (const struct memory_reader *)base;

    (void)err;
    (void)pthread_mutex_lock(&guard);
    base->seq_stop = reader->store->seq_next;
    (void)pthread_mutex_unlock(&guard);
    return DK_OK;
}

static enum dk_status memory_reader_seek(struct dk_log_reader *base, uint64_t seq_from,
                                         struct dk_err *err)
{
    struct memory_reader *reader = (struct memory_reader *)base;

    (void)err;
    reader->base.seq_next = 1;
    reader->index = 0;
    reader->seq_from = seq_from;
    return DK_OK;
}

static const uint8_t *frame_at(struct memory_reader *reader)
{
    const uint8_t *bytes = NULL;

    (void)pthread_mutex_lock(&guard);
    if (reader->index < reader->store->count)
        bytes = reader->store->frames[reader->index];
    (void)pthread_mutex_unlock(&guard);
    return bytes;
}

static enum dk_status memory_reader_next(struct dk_log_reader *base, struct dk_log_batch *batch,
                                         struct dk_err *err)
{
    struct memory_reader *reader = (struct memory_reader *)base;
    const uint8_t *bytes;
    struct dk_frame frame;

    do {
        bytes = frame_at(reader);
        if (bytes == NULL)
            return DK_AGAIN;
        if (dk_frame_parse(bytes, dk_frame_size_of(bytes), &frame) != DK_FRAME_OK ||
            frame.seq_first != base->seq_next)
            return dk_fail(err, DK_CORRUPT, "log 'memory:%s' is damaged at seq %llu",
                           reader->store->name, (unsigned long long)base->seq_next);
        reader->index++;
        base->seq_next += frame.count;
    } while (base->seq_next <= reader->seq_from);
    if (frame.count > reader->capacity) {
        reader->records = dk_heap.resize(dk_heap.ctx, reader->records,
                                         reader->capacity * sizeof(*reader->records),
                                         frame.count * sizeof(*reader->records));
        reader->capacity = frame.count;
    }
    DK_CHECK(dk_frame_records(&frame, reader->records));
    batch->seq_first = frame.seq_first;
    batch->epoch = frame.epoch;
    batch->count = frame.count;
    batch->records = reader->records;
    return DK_OK;
}

static enum dk_status memory_reader_wait(struct dk_log_reader *base, int timeout_ms,
                                         struct dk_err *err)
{
    struct memory_reader *reader = (struct memory_reader *)base;
    uint64_t wanted = base->seq_next > reader->seq_from ? base->seq_next : reader->seq_from;
    struct timespec until;
    bool there;
    int result = 0;

    (void)err;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&guard);
    while (reader->store->seq_next <= wanted && result != ETIMEDOUT)
        result = timeout_ms < 0 ? pthread_cond_wait(&grown, &guard)
                                : pthread_cond_timedwait(&grown, &guard, &until);
    there = reader->store->seq_next > wanted;
    (void)pthread_mutex_unlock(&guard);
    return there ? DK_OK : DK_AGAIN;
}

static enum dk_status memory_reader_skip_gap(struct dk_log_reader *base, uint64_t *first,
                                             uint64_t *limit, struct dk_err *err)
{
    (void)base;
    *first = *limit = 0;
    return dk_fail(err, DK_INVALID, "a log in memory has no gaps");
}

static void memory_reader_close(struct dk_log_reader *base)
{
    struct memory_reader *reader = (struct memory_reader *)base;

    (void)pthread_mutex_lock(&guard);
    let_go(reader->store);
    (void)pthread_mutex_unlock(&guard);
    dk_alloc_free(&dk_heap, reader->records, reader->capacity * sizeof(*reader->records));
    dk_alloc_free(&dk_heap, reader, sizeof(*reader));
}

static enum dk_status memory_stat(const char *place, struct dk_log_stat *stat, struct dk_err *err)
{
    struct store *store;

    (void)pthread_mutex_lock(&guard);
    store = find(place);
    for (size_t i = 0; store != NULL && i < store->count; i++) {
        struct dk_frame frame;

        DK_CHECK(dk_frame_parse(store->frames[i], dk_frame_size_of(store->frames[i]), &frame) ==
                 DK_FRAME_OK);
        stat->batches++;
        stat->records += frame.count;
        stat->bytes_plain += frame.size;
        if (i == 0) {
            stat->seq_first = frame.seq_first;
            stat->epoch_first = frame.epoch;
        }
        stat->seq_last = frame.seq_first + frame.count - 1;
    }
    if (store != NULL) {
        stat->epoch_last = store->epoch;
        stat->restoring = store->restoring;
        stat->segments = 1;
    }
    (void)pthread_mutex_unlock(&guard);
    if (store == NULL)
        return dk_fail(err, DK_NOT_FOUND, "no log 'memory:%s' in this process", place);
    return DK_OK;
}

static enum dk_status memory_repair(const char *place, uint64_t seq, const char *why,
                                    struct dk_log_repair *repair, struct dk_err *err)
{
    (void)why;
    (void)repair;
    return dk_fail(err, DK_INVALID, "log 'memory:%s' is not damaged at seq %llu", place,
                   (unsigned long long)seq);
}

const struct dk_log_backend dk_log_backend_memory = {
    .scheme = "memory",
    .open = memory_open,
    .append = memory_append,
    .sync = memory_sync,
    .restore_finish = memory_restore_finish,
    .discard = memory_discard,
    .compact_step = memory_compact_step,
    .close = memory_close,
    .reader_open = memory_reader_open,
    .reader_next = memory_reader_next,
    .reader_wait = memory_reader_wait,
    .reader_until_now = memory_reader_until_now,
    .reader_seek = memory_reader_seek,
    .reader_skip_gap = memory_reader_skip_gap,
    .reader_close = memory_reader_close,
    .stat = memory_stat,
    .repair = memory_repair,
};
