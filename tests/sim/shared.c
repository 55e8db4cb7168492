/* shared.c - a log as Kafka keeps it, as a backend of the port: shared:NAME (sim.h)
 *
 * Transactions, one for a sync. Becoming the writer settles the transaction that the one before
 * left open, either way, and fences it. A commit whose answer is lost may have happened, may happen
 * until the next writer comes, or not: the writer only learns DK_IO. A broker that can't be reached
 * costs the real client its patience; here it is such a loss, at once. */
#include "sim.h"

#include "log/backend.h"

#include <stdlib.h>
#include <string.h>

struct stored {
    struct dk_log_batch batch;
    struct dk_log_record *records;
    uint8_t *bytes;
};

struct stored_list {
    struct stored *items;
    size_t count, capacity;
};

struct topic {
    struct stored_list events, pending; /* pending: of a transaction whose outcome nobody knows */
    uint32_t epoch;
};

static struct topic topic;

struct shared_log {
    struct dk_log base;
    struct stored_list staged;
    int host;
};

struct shared_reader {
    struct dk_log_reader base;
    size_t next;
};

/* --- lists --- */

static void list_add(struct stored_list *list, struct stored stored)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity > 0 ? list->capacity * 2 : 16;
        list->items = realloc(list->items, list->capacity * sizeof(*list->items));
        DK_CHECK(list->items != NULL);
    }
    list->items[list->count++] = stored;
}

static void list_clear(struct stored_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].records);
        free(list->items[i].bytes);
    }
    list->count = 0;
}

static void list_release(struct stored_list *list)
{
    list_clear(list);
    free(list->items);
    memset(list, 0, sizeof(*list));
}

static void list_move(struct stored_list *to, struct stored_list *from)
{
    for (size_t i = 0; i < from->count; i++)
        list_add(to, from->items[i]);
    from->count = 0;
}

static struct stored copy_of(const struct dk_log_batch *batch)
{
    struct stored stored = { .batch = *batch };
    size_t size = 0, at = 0;

    for (uint32_t i = 0; i < batch->count; i++)
        size += batch->records[i].size;
    stored.bytes = malloc(size + 1);
    stored.records = calloc(batch->count, sizeof(*stored.records));
    DK_CHECK(stored.bytes != NULL && stored.records != NULL);
    for (uint32_t i = 0; i < batch->count; i++) {
        memcpy(stored.bytes + at, batch->records[i].data, batch->records[i].size);
        stored.records[i] = (struct dk_log_record){ stored.bytes + at, batch->records[i].size };
        at += batch->records[i].size;
    }
    stored.batch.records = stored.records;
    return stored;
}

void sim_shared_begin(void)
{
    memset(&topic, 0, sizeof(topic));
}

void sim_shared_release(void)
{
    list_release(&topic.events);
    list_release(&topic.pending);
}

/* --- the writer --- */

static uint64_t seq_end(const struct stored_list *list)
{
    const struct dk_log_batch *last;

    if (list->count == 0)
        return 1;
    last = &list->items[list->count - 1].batch;
    return last->seq_first + last->count;
}

static enum dk_status shared_open(struct dk_log **out, const char *place,
                                  const struct dk_log_options *options, struct dk_err *err)
{
    struct shared_log *log;

    (void)place;
    (void)options;
    if (!sim_link_up(sim->current->host, sim->broker))
        return dk_fail(err, DK_IO, "no broker answers");
    if (topic.pending.count > 0 && sim_below(2) == 0)
        list_move(&topic.events, &topic.pending);
    list_clear(&topic.pending);
    log = calloc(1, sizeof(*log));
    DK_CHECK(log != NULL);
    extern const struct dk_log_backend sim_log_backend_shared;
    log->base.backend = &sim_log_backend_shared;
    log->base.epoch = ++topic.epoch;
    log->base.seq_next = log->base.seq_published = seq_end(&topic.events);
    log->host = sim->current->host;
    *out = &log->base;
    return DK_OK;
}

static enum dk_status shared_append(struct dk_log *base, const struct dk_log_batch *batch,
                                    struct dk_err *err)
{
    (void)err;
    list_add(&((struct shared_log *)base)->staged, copy_of(batch));
    return DK_OK;
}

static enum dk_status lost(struct shared_log *log, struct dk_err *err)
{
    uint64_t how = sim_below(4);

    sim_say("%s: a transaction of unknown outcome", sim->current->name);
    log->base.poisoned = true;
    if (how == 0)
        list_move(&topic.events, &log->staged); /* it happened, and the answer was lost */
    else if (how == 1)
        list_move(&topic.pending, &log->staged);
    return dk_fail(err, DK_IO, "no broker answers: the transaction may have been committed");
}

static enum dk_status shared_sync(struct dk_log *base, struct dk_err *err)
{
    struct shared_log *log = (struct shared_log *)base;

    if (base->epoch != topic.epoch) {
        base->poisoned = true;
        return dk_fail(err, DK_FENCED, "a writer of epoch %u has taken over from epoch %u",
                       topic.epoch, base->epoch);
    }
    if (log->staged.count == 0)
        return DK_OK;
    if (!sim_link_up(log->host, sim->broker)) {
        base->poisoned = true;
        return dk_fail(err, DK_IO, "no broker answers");
    }
    if (sim_chance(RATE_unknown, 1000000))
        return lost(log, err);
    list_move(&topic.events, &log->staged);
    base->seq_published = seq_end(&topic.events);
    return DK_OK;
}

static void shared_discard(struct dk_log *base)
{
    list_clear(&((struct shared_log *)base)->staged);
}

static enum dk_status shared_compact_step(struct dk_log *base, struct dk_err *err)
{
    (void)base;
    (void)err;
    return DK_END;
}

static enum dk_status shared_close(struct dk_log *base, struct dk_err *err)
{
    (void)err;
    list_release(&((struct shared_log *)base)->staged);
    free(base);
    return DK_OK;
}

/* --- readers --- */

static enum dk_status reader_open(struct dk_log_reader **out, const char *place, uint64_t seq_from,
                                  struct dk_err *err)
{
    struct shared_reader *reader = calloc(1, sizeof(*reader));
    extern const struct dk_log_backend sim_log_backend_shared;

    (void)place;
    (void)err;
    DK_CHECK(reader != NULL);
    reader->base.backend = &sim_log_backend_shared;
    reader->base.seq_next = seq_from;
    *out = &reader->base;
    return DK_OK;
}

static enum dk_status reader_next(struct dk_log_reader *base, struct dk_log_batch *batch,
                                  struct dk_err *err)
{
    struct shared_reader *reader = (struct shared_reader *)base;

    (void)err;
    for (; reader->next < topic.events.count; reader->next++) {
        const struct dk_log_batch *stored = &topic.events.items[reader->next].batch;

        if (stored->seq_first + stored->count <= base->seq_next)
            continue;
        *batch = *stored;
        base->seq_next = stored->seq_first + stored->count;
        reader->next++;
        return DK_OK;
    }
    return DK_AGAIN;
}

static enum dk_status reader_wait(struct dk_log_reader *reader, int timeout_ms, struct dk_err *err)
{
    (void)reader;
    (void)timeout_ms;
    (void)err;
    return DK_AGAIN;
}

static enum dk_status reader_skip_gap(struct dk_log_reader *reader, uint64_t *first,
                                      uint64_t *limit, struct dk_err *err)
{
    (void)reader;
    *first = *limit = 0;
    return dk_fail(err, DK_INVALID, "a shared log has no gaps");
}

static void reader_close(struct dk_log_reader *reader)
{
    free(reader);
}

static enum dk_status shared_stat(const char *place, struct dk_log_stat *stat, struct dk_err *err)
{
    (void)place;
    (void)stat;
    return dk_fail(err, DK_UNSUPPORTED, "a shared log has no files");
}

static enum dk_status shared_repair(const char *place, uint64_t seq, const char *why,
                                    struct dk_log_repair *repair, struct dk_err *err)
{
    (void)place;
    (void)seq;
    (void)why;
    (void)repair;
    return dk_fail(err, DK_UNSUPPORTED, "a shared log has no files");
}

extern const struct dk_log_backend sim_log_backend_shared;
const struct dk_log_backend sim_log_backend_shared = {
    .scheme = "shared",
    .open = shared_open,
    .append = shared_append,
    .sync = shared_sync,
    .discard = shared_discard,
    .compact_step = shared_compact_step,
    .close = shared_close,
    .reader_open = reader_open,
    .reader_next = reader_next,
    .reader_wait = reader_wait,
    .reader_skip_gap = reader_skip_gap,
    .reader_close = reader_close,
    .stat = shared_stat,
    .repair = shared_repair,
};
