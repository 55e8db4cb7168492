/* file.c - the writer of a log in a folder: core/decisions/0002-file-log-format.md
 *
 * A sync is one write and one fdatasync for all that is staged, as long as it fits into the
 * segment. Published is what was synced; readers learn of it from the page, after that. What each
 * failure leaves:
 *
 *   write: no space      what it wrote is zeroed again, the batches stay staged   DK_FULL
 *   write: other         poisoned                                                 DK_IO
 *   fdatasync            poisoned: the kernel may have dropped the bytes, and
 *                        would call the next fdatasync a success                  DK_IO
 *   a new segment        the temporary file is removed, batches stay staged       DK_FULL, DK_IO
 *
 * Small commits go into space that was zero-filled before, since a write into blocks that
 * already exist changes no metadata: 0.1 instead of 0.2 ms a commit. Zeros are written along
 * with a commit, a piece at a time, and need no sync of their own.
 */
#define _GNU_SOURCE /* SYS_gettid, setpriority for one thread, sync_file_range */
#include "log/file.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEGMENT_SIZE_DEFAULT ((uint64_t)64 << 20)
#define SEGMENT_SIZE_MAX ((uint64_t)1 << 30)
#define STAGED_MAX ((size_t)2 * DK_LOG_BATCH_SIZE_MAX)
#define STAGED_KEPT ((size_t)16 << 20) /* above it, memory is given back after a sync */
#define ZEROS_MIN ((uint64_t)64 << 10)
#define ZEROS_MAX ((uint64_t)1 << 20)
#define WRITEBACK_STEP ((uint64_t)8 << 20) /* deferred: what the disk gets at a time */
#define SMALL_COMMIT ((size_t)256 << 10)   /* larger ones extend the file themselves */

static const uint8_t zeros[64 << 10];

struct file_log {
    struct dk_log base;
    const struct dk_log_io *io;
    int dir_fd, lock_fd, fd;
    struct dk_page *page;
    uint64_t segment_size, segment_first;
    bool deferred;
    uint64_t end;       /* of the frames in the segment */
    uint64_t durable;   /* of those, synced */
    uint64_t file_size; /* end .. file_size is zero */
    uint64_t started;   /* deferred: below it the kernel was told to begin writing back */
    struct dk_buf staged;

    pthread_t thread; /* compresses; the rest of this struct is shared with it */
    bool has_thread;
    pthread_mutex_t mutex; /* guards stop and sealed_limit */
    pthread_cond_t changed;
    bool stop;
    uint64_t sealed_limit;   /* segments that begin below it are sealed */
    pthread_mutex_t packing; /* one packs at a time */
};

static enum dk_status poison(struct file_log *log, enum dk_status status)
{
    log->base.poisoned = true;
    return status == DK_FULL ? DK_IO : status; /* space will not heal this */
}

static void publish(struct file_log *log)
{
    if (log->durable == log->end)
        atomic_store(&log->page->seq_durable, log->base.seq_published);
    atomic_store(&log->page->seq_next, log->base.seq_published);
    dk_page_wake(log->page);
}

static enum dk_status make_durable(struct file_log *log, struct dk_err *err)
{
    if (log->durable == log->end)
        return DK_OK;
    if (log->io->sync(log->io->ctx, log->fd) != 0) {
        enum dk_status status = dk_fail_errno(err, "syncing", "the log");

        return poison(log, status);
    }
    log->durable = log->end;
    return DK_OK;
}

/* Zeros from `from` to `limit`; as far as it comes. */
static enum dk_status write_zeros(struct file_log *log, uint64_t from, uint64_t limit,
                                  struct dk_err *err)
{
    while (from < limit) {
        size_t size = limit - from < sizeof(zeros) ? (size_t)(limit - from) : sizeof(zeros),
               written;
        enum dk_status status = dk_io_write_all(log->io, log->fd, zeros, size, from, &written, err);

        from += written;
        if (from > log->file_size)
            log->file_size = from;
        if (status != DK_OK)
            return status;
    }
    return DK_OK;
}

/* Room ahead for commits to come. Failing is no harm: the commit itself then finds out. */
static void zero_ahead(struct file_log *log, size_t commit)
{
    uint64_t piece = log->file_size, limit;

    if (log->deferred || commit > SMALL_COMMIT || log->end + commit <= log->file_size)
        return;
    if (piece < ZEROS_MIN)
        piece = ZEROS_MIN;
    if (piece > ZEROS_MAX)
        piece = ZEROS_MAX;
    limit = log->end + commit + piece;
    if (limit > log->segment_size)
        limit = log->segment_size;
    if (limit > log->file_size)
        (void)write_zeros(log, log->file_size, limit, NULL);
}

/* Zeros what a write that failed may have left before `limit`, whatever it said about how far it
 * came: whole batches of it could come to life behind a shorter one. Takes no new space. */
static enum dk_status take_back(struct file_log *log, uint64_t limit)
{
    struct stat stat;

    if (fstat(log->fd, &stat) != 0)
        return DK_IO;
    log->file_size = (uint64_t)stat.st_size;
    return write_zeros(log, log->end, limit < log->file_size ? limit : log->file_size, NULL);
}

/* Writes frames at the end of the segment, syncs unless deferred. */
static enum dk_status commit(struct file_log *log, uint8_t *frames, size_t size, bool sync,
                             struct dk_err *err)
{
    enum dk_status status;
    size_t written;

    for (size_t at = 0; at < size; at += dk_frame_size_of(frames + at))
        dk_frame_seal(frames + at, (uint32_t)(log->end - log->durable + at));
    zero_ahead(log, size);
    status = dk_io_write_all(log->io, log->fd, frames, size, log->end, &written, err);
    if (status != DK_OK) {
        if (status != DK_FULL || take_back(log, log->end + size) != DK_OK)
            return poison(log, status);
        return status;
    }
    if (log->end + size > log->file_size)
        log->file_size = log->end + size;
    log->end += size;
    if (!sync && log->end - log->started >= WRITEBACK_STEP) {
        /* Only so that the disk does not idle until the seal. It promises nothing. */
        (void)sync_file_range(log->fd, (off_t)log->started, (off_t)(log->end - log->started),
                              SYNC_FILE_RANGE_WRITE);
        log->started = log->end;
    }
    return sync ? make_durable(log, err) : DK_OK;
}

static void tell_sealed(struct file_log *log)
{
    (void)pthread_mutex_lock(&log->mutex);
    log->sealed_limit = log->segment_first;
    (void)pthread_cond_signal(&log->changed);
    (void)pthread_mutex_unlock(&log->mutex);
}

/* Goes on in a new segment, of the epoch of what comes into it. The old one is durable before the
 * new one has its name. */
static enum dk_status roll(struct file_log *log, uint64_t seq_first, size_t at, struct dk_err *err)
{
    uint32_t epoch =
        log->staged.size > 0 ? dk_frame_epoch_of(log->staged.data + at) : log->base.epoch;
    enum dk_status status = make_durable(log, err);
    bool renamed;
    int fd;

    if (status != DK_OK)
        return status;
    publish(log);
    status = dk_file_segment_make(log->dir_fd, seq_first, epoch, log->io, &fd, &renamed, err);
    if (status != DK_OK)
        return renamed ? poison(log, status) : status;
    if (log->fd >= 0)
        (void)close(log->fd);
    log->fd = fd;
    log->segment_first = seq_first;
    log->end = log->durable = log->file_size = log->started = DK_SEGMENT_HEADER_SIZE;
    tell_sealed(log);
    return DK_OK;
}

/* How many of the staged bytes from `at` on go into this segment. Anything goes into one that has
 * no records yet: it has the name that the next one would get. */
static size_t fitting(const struct file_log *log, size_t at, uint64_t *records)
{
    bool empty = log->segment_first == log->base.seq_published;
    size_t size = 0;

    *records = 0;
    while (at + size < log->staged.size) {
        const uint8_t *frame = log->staged.data + at + size;
        size_t next = size + dk_frame_size_of(frame);

        if (log->end + next > log->segment_size && !(empty && size == 0))
            break;
        *records += dk_frame_count_of(frame);
        size = next;
    }
    return size;
}

static enum dk_status file_sync(struct dk_log *base, struct dk_err *err)
{
    struct file_log *log = (struct file_log *)base;
    enum dk_status status = DK_OK;
    size_t at = 0;

    while (at < log->staged.size && status == DK_OK) {
        uint64_t records;
        size_t size = fitting(log, at, &records);

        if (size == 0) {
            status = roll(log, base->seq_published, at, err);
            continue;
        }
        status = commit(log, log->staged.data + at, size, !log->deferred, err);
        if (status == DK_OK) {
            at += size;
            base->seq_published += records;
            publish(log);
        }
    }
    if (at > 0) {
        memmove(log->staged.data, log->staged.data + at, log->staged.size - at);
        log->staged.size -= at;
    }
    if (log->staged.size == 0 && log->staged.capacity > STAGED_KEPT)
        dk_buf_release(&log->staged);
    return status;
}

static enum dk_status file_append(struct dk_log *base, const struct dk_log_batch *batch,
                                  struct dk_err *err)
{
    if (!dk_frame_add(&((struct file_log *)base)->staged, batch))
        return dk_fail(err, DK_TOO_LARGE, "too much is staged: sync first");
    return DK_OK;
}

static enum dk_status file_restore_finish(struct dk_log *base, struct dk_err *err)
{
    struct file_log *log = (struct file_log *)base;
    enum dk_status status = make_durable(log, err);

    if (status == DK_OK)
        publish(log);
    return status == DK_OK ? dk_file_restore_end(log->dir_fd, log->io, err) : status;
}

static void file_discard(struct dk_log *base)
{
    dk_buf_clear(&((struct file_log *)base)->staged);
}

/* Packing. */

static enum dk_status pack_one(struct file_log *log, uint64_t sealed_limit, struct dk_err *err)
{
    struct dk_folder_list list;
    enum dk_status status;

    (void)pthread_mutex_lock(&log->packing);
    status = dk_folder_list(&list, log->dir_fd, err);
    if (status == DK_OK)
        status = DK_END;
    for (size_t i = 0; status == DK_END && i + 1 < list.count; i++) {
        char name[DK_SEGMENT_NAME_MAX];

        if (!list.names[i].plain || list.names[i + 1].seq_first > sealed_limit)
            continue;
        if (list.names[i].packed) { /* a crash came between the rename and the removal */
            dk_segment_name_put(name, list.names[i].seq_first, ".zseg");
            (void)unlinkat(log->dir_fd, name, 0);
        }
        status = dk_segment_pack(log->dir_fd, list.names[i].seq_first, list.names[i + 1].seq_first,
                                 log->io, err);
    }
    dk_folder_list_release(&list);
    (void)pthread_mutex_unlock(&log->packing);
    return status;
}

static enum dk_status file_compact_step(struct dk_log *base, struct dk_err *err)
{
    struct file_log *log = (struct file_log *)base;

    return pack_one(log, log->segment_first, err);
}

static void *pack_in_background(void *argument)
{
    struct file_log *log = argument;
    uint64_t done = 0;

    /* Behind the writer: it is the one that others wait for. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
    (void)pthread_mutex_lock(&log->mutex);
    while (!log->stop) {
        uint64_t limit = log->sealed_limit;
        enum dk_status status;

        if (limit == done) {
            (void)pthread_cond_wait(&log->changed, &log->mutex);
            continue;
        }
        (void)pthread_mutex_unlock(&log->mutex);
        status = pack_one(log, limit, NULL);
        (void)pthread_mutex_lock(&log->mutex);
        if (status != DK_OK)
            done = limit; /* none left, or it failed: plain ones are good, try at the next seal */
    }
    (void)pthread_mutex_unlock(&log->mutex);
    return NULL;
}

/* Opening and closing. */

/* Brings file and page to the state that the tail says, durably. */
static enum dk_status restore_tail(struct file_log *log, const struct dk_file_tail *tail,
                                   struct dk_err *err)
{
    char name[DK_SEGMENT_NAME_MAX];
    enum dk_status status;
    struct dk_segment segment;
    size_t written;

    dk_segment_name_put(name, tail->segment_first, ".seg");
    log->fd = openat(log->dir_fd, name, O_RDWR | O_CLOEXEC);
    if (log->fd < 0)
        return dk_fail_errno(err, "opening", name);
    log->segment_first = tail->segment_first;
    log->end = tail->end;
    log->durable = tail->unsure;
    log->file_size = tail->file_size;
    status = write_zeros(log, tail->end, tail->torn_end, err);
    if (status != DK_OK)
        return status;
    /* What the last sync may have failed to write is written again, so that this one means it. */
    if (tail->unsure < tail->end) {
        status = dk_segment_open_file(&segment, log->dir_fd, name, tail->segment_first, false, err);
        if (status != DK_OK)
            return status;
        status = dk_io_write_all(log->io, log->fd, segment.bytes + tail->unsure,
                                 (size_t)(tail->end - tail->unsure), tail->unsure, &written, err);
        dk_segment_close(&segment);
    }
    if (status == DK_OK && log->io->sync(log->io->ctx, log->fd) != 0)
        status = dk_fail_errno(err, "syncing", name);
    /* The writer before us may have died when it had given the segment its name, and not yet made
     * that durable: all of it would go with the power (found by tests/sim). */
    if (status == DK_OK && log->io->sync_new(log->io->ctx, log->dir_fd) != 0)
        status = dk_fail_errno(err, "syncing the folder of", name);
    log->durable = log->started = log->end;
    return status;
}

static enum dk_status take_over(struct file_log *log, struct dk_err *err)
{
    struct dk_buf mark;
    struct dk_file_tail tail;
    enum dk_status status =
        dk_file_tail_find(&tail, log->dir_fd, atomic_load(&log->page->seq_durable), err);

    if (status != DK_OK)
        return status;
    /* The page may know of a takeover whose mark was damaged and set aside by a repair. */
    if (tail.epoch < atomic_load(&log->page->epoch))
        tail.epoch = atomic_load(&log->page->epoch);
    if (tail.epoch == UINT32_MAX)
        return dk_fail(err, DK_TOO_LARGE, "log has used all its epochs");
    /* A restore is no new writer: what it puts back has the epochs that come. */
    log->base.epoch = log->base.restoring && tail.epoch > 0 ? tail.epoch : tail.epoch + 1;
    log->base.torn_bytes = tail.torn_end - tail.end;
    log->base.seq_next = log->base.seq_published = tail.seq_next;
    /* From here on no reader trusts what it sees beyond the page. */
    (void)atomic_fetch_add(&log->page->generation, 1);
    if (tail.segment_first != 0)
        status = restore_tail(log, &tail, err);
    else
        status = roll(log, 1, 0, err);
    if (status != DK_OK)
        return status;
    dk_buf_init(&mark, &dk_heap, 64);
    DK_CHECK(dk_frame_add_mark(&mark, log->base.seq_next, log->base.epoch));
    status = commit(log, mark.data, mark.size, true, err);
    dk_buf_release(&mark);
    if (status != DK_OK)
        return status;
    publish(log);
    dk_page_note_boot(log->page);
    atomic_store(&log->page->epoch, log->base.epoch);
    atomic_store(&log->page->ready, atomic_load(&log->page->generation));
    dk_page_wake(log->page);
    tell_sealed(log);
    return DK_OK;
}

static void release(struct file_log *log)
{
    if (log->has_thread) {
        (void)pthread_mutex_lock(&log->mutex);
        log->stop = true;
        (void)pthread_cond_signal(&log->changed);
        (void)pthread_mutex_unlock(&log->mutex);
        (void)pthread_join(log->thread, NULL);
    }
    dk_page_unmap(log->page);
    if (log->fd >= 0)
        (void)close(log->fd);
    if (log->lock_fd >= 0)
        (void)close(log->lock_fd); /* last: with it another may begin */
    if (log->dir_fd >= 0)
        (void)close(log->dir_fd);
    dk_buf_release(&log->staged);
    (void)pthread_mutex_destroy(&log->packing);
    (void)pthread_cond_destroy(&log->changed);
    (void)pthread_mutex_destroy(&log->mutex);
    dk_alloc_free(&dk_heap, log, sizeof(*log));
}

static enum dk_status open_parts(struct file_log *log, const char *place, bool compress,
                                 struct dk_err *err)
{
    enum dk_status status;

    log->dir_fd = dk_file_folder_open(place, true, err);
    if (log->dir_fd < 0)
        return err != NULL ? err->status : DK_IO;
    status = dk_lock_take(&log->lock_fd, log->dir_fd, place, err);
    if (status != DK_OK)
        return status;
    status = dk_file_restore_begin(log->dir_fd, place, log->base.restoring, log->io, err);
    if (status != DK_OK)
        return status;
    dk_folder_sweep(log->dir_fd);
    status = dk_page_map(&log->page, log->dir_fd, true, err);
    if (status == DK_OK)
        status = take_over(log, err);
    if (status == DK_OK && compress) {
        if (pthread_create(&log->thread, NULL, pack_in_background, log) != 0)
            return dk_fail(err, DK_IO, "no thread to compress the log with");
        log->has_thread = true;
    }
    return status;
}

static enum dk_status file_open(struct dk_log **out, const char *place,
                                const struct dk_log_options *options, struct dk_err *err)
{
    struct file_log *log;
    enum dk_status status;

    if (options->segment_size > SEGMENT_SIZE_MAX)
        return dk_fail(err, DK_TOO_LARGE, "segment size is above %llu bytes",
                       (unsigned long long)SEGMENT_SIZE_MAX);
    log = dk_alloc_new(&dk_heap, sizeof(*log));
    memset(log, 0, sizeof(*log));
    log->base.backend = &dk_log_backend_file;
    log->io = options->io != NULL ? options->io : &dk_log_io_system;
    log->segment_size = options->segment_size != 0 ? options->segment_size : SEGMENT_SIZE_DEFAULT;
    log->deferred = options->deferred;
    log->base.restoring = options->restore;
    log->dir_fd = log->lock_fd = log->fd = -1;
    dk_buf_init(&log->staged, &dk_heap, STAGED_MAX);
    (void)pthread_mutex_init(&log->mutex, NULL);
    (void)pthread_mutex_init(&log->packing, NULL);
    (void)pthread_cond_init(&log->changed, NULL);
    status = open_parts(log, place, options->compress, err);
    if (status != DK_OK) {
        release(log);
        return status;
    }
    *out = &log->base;
    return DK_OK;
}

static enum dk_status file_close(struct dk_log *base, struct dk_err *err)
{
    struct file_log *log = (struct file_log *)base;
    enum dk_status status = DK_OK;

    if (!base->poisoned && log->durable < log->end) {
        status = make_durable(log, err);
        if (status == DK_OK)
            publish(log);
    }
    release(log);
    return status;
}

const struct dk_log_backend dk_log_backend_file = {
    .scheme = "file",
    .open = file_open,
    .append = file_append,
    .sync = file_sync,
    .restore_finish = file_restore_finish,
    .discard = file_discard,
    .compact_step = file_compact_step,
    .close = file_close,
    .reader_open = dk_file_reader_open,
    .reader_next = dk_file_reader_next,
    .reader_wait = dk_file_reader_wait,
    .reader_until_now = dk_file_reader_until_now,
    .reader_seek = dk_file_reader_seek,
    .reader_skip_gap = dk_file_reader_skip_gap,
    .reader_close = dk_file_reader_close,
    .stat = dk_file_stat,
    .repair = dk_file_repair,
};
