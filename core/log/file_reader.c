/* file_reader.c - reads a log in a folder, beside its writer or without one
 *
 * While a writer lives, the page says how far one may read: every seq below page->seq_next. A
 * reader looks at no byte beyond. Nor without a writer, as long as the machine has not been started
 * anew: what a writer wrote and died before it was synced may yet be lost, and nobody may have
 * acted upon it. After a loss of power, or in a copy, the page may be behind or absent; then
 * (nobody holds the lock) the reader goes on to the last valid batch, which is on the disk.
 * A writer that starts in that moment adds 1 to page->generation before it changes anything, so:
 * read the generation, see the lock free, read the batch, read the generation again. If it is the
 * same, the batch was there before that writer, and the writer will keep it.
 */
#include "log/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAP_MS 10 /* between looks, only while a log has no page to wait on */

struct file_reader {
    struct dk_log_reader base;
    int dir_fd, lock_fd;
    const struct dk_page *page; /* NULL: none yet */
    uint32_t generation;        /* of the page, when the segment was opened */
    uint64_t seq_from;
    uint64_t passed; /* all below it was handed out, or skipped by wish; 0: nothing yet */
    struct dk_walk walk;
    struct dk_segment segment;
    struct dk_frame gap; /* .count > 0: stopped at it */
    struct dk_log_record *records;
    size_t capacity;
};

static void look_for_page(struct file_reader *reader)
{
    struct dk_page *page;

    if (reader->page == NULL && dk_page_map(&page, reader->dir_fd, false, NULL) == DK_OK)
        reader->page = page;
    if (reader->lock_fd < 0)
        reader->lock_fd = dk_lock_look(reader->dir_fd);
}

enum dk_status dk_file_reader_open(struct dk_log_reader **out, const char *place, uint64_t seq_from,
                                   struct dk_err *err)
{
    struct file_reader *reader;
    int dir_fd = dk_file_folder_open(place, false, err);

    if (dir_fd < 0)
        return err != NULL ? err->status : DK_NOT_FOUND;
    reader = dk_alloc_new(&dk_heap, sizeof(*reader));
    memset(reader, 0, sizeof(*reader));
    reader->base.backend = &dk_log_backend_file;
    reader->base.seq_next = seq_from;
    reader->dir_fd = dir_fd;
    reader->lock_fd = -1;
    reader->seq_from = seq_from;
    look_for_page(reader);
    *out = &reader->base;
    return DK_OK;
}

/* Without a page nobody writes, and what is there ends by itself. */
enum dk_status dk_file_reader_until_now(struct dk_log_reader *base, struct dk_err *err)
{
    struct file_reader *reader = (struct file_reader *)base;

    (void)err;
    look_for_page(reader);
    if (reader->page != NULL)
        base->seq_stop = atomic_load(&reader->page->seq_next);
    return DK_OK;
}

enum dk_status dk_file_reader_seek(struct dk_log_reader *base, uint64_t seq_from,
                                   struct dk_err *err)
{
    struct file_reader *reader = (struct file_reader *)base;

    (void)err;
    dk_segment_close(&reader->segment);
    reader->base.seq_next = reader->seq_from = seq_from;
    reader->passed = 0;
    reader->gap.count = 0;
    return DK_OK;
}

void dk_file_reader_close(struct dk_log_reader *base)
{
    struct file_reader *reader = (struct file_reader *)base;

    dk_segment_close(&reader->segment);
    dk_page_unmap((struct dk_page *)(uintptr_t)reader->page);
    if (reader->lock_fd >= 0)
        (void)close(reader->lock_fd);
    (void)close(reader->dir_fd);
    dk_alloc_free(&dk_heap, reader->records, reader->capacity * sizeof(*reader->records));
    dk_alloc_free(&dk_heap, reader, sizeof(*reader));
}

static bool published(const struct file_reader *reader, uint64_t seq)
{
    return reader->page != NULL && seq < atomic_load(&reader->page->seq_next);
}

static uint32_t generation_now(const struct file_reader *reader)
{
    return reader->page != NULL ? atomic_load(&reader->page->generation) : 0;
}

/* Opens the segment that holds seq_from, or else the first that there is. */
static enum dk_status find_place(struct file_reader *reader, struct dk_err *err)
{
    struct dk_folder_list list;
    enum dk_status status = dk_folder_list(&list, reader->dir_fd, err);
    uint64_t first = 0, oldest = 0;

    if (status != DK_OK)
        return status;
    if (list.count > 0)
        oldest = list.names[0].seq_first;
    for (size_t i = 0; i < list.count && list.names[i].seq_first <= reader->seq_from; i++)
        first = list.names[i].seq_first;
    dk_folder_list_release(&list);
    if (oldest == 0)
        return DK_AGAIN;
    if (first == 0)
        return dk_fail(err, DK_NOT_FOUND,
                       "seq %" PRIu64 " is not in the log: it begins with %" PRIu64,
                       reader->seq_from, oldest);
    status = dk_segment_open(&reader->segment, reader->dir_fd, first, err);
    if (status != DK_OK)
        return status;
    memset(&reader->walk, 0, sizeof(reader->walk));
    dk_segment_begin(&reader->segment, &reader->walk);
    status = dk_segment_seek(&reader->segment, &reader->walk, reader->seq_from, err);
    if (status != DK_OK)
        dk_segment_close(&reader->segment);
    return status;
}

/* Is there a segment that begins after `seq`? Then the one that should begin with it is missing. */
static bool has_later_segment(const struct file_reader *reader, uint64_t seq)
{
    struct dk_folder_list list;
    bool later;

    if (dk_folder_list(&list, reader->dir_fd, NULL) != DK_OK)
        return false;
    later = list.count > 0 && list.names[list.count - 1].seq_first > seq;
    dk_folder_list_release(&list);
    return later;
}

/* The segment has no more frames: DK_OK if the next one is open now. */
static enum dk_status next_segment(struct file_reader *reader, bool must, struct dk_err *err)
{
    uint64_t seq = reader->walk.seq_next;
    struct dk_segment next;
    enum dk_status status = DK_NOT_FOUND;

    if (seq != reader->segment.seq_first)
        status = dk_segment_open(&next, reader->dir_fd, seq, err);
    if (status == DK_OK) {
        dk_segment_close(&reader->segment);
        reader->segment = next;
        dk_segment_begin(&next, &reader->walk);
        return DK_OK;
    }
    if (status != DK_NOT_FOUND)
        return status;
    if (must || has_later_segment(reader, seq))
        return dk_segment_fail(&reader->segment, &reader->walk, "ends too early", err);
    return DK_AGAIN;
}

/* No writer lives and no valid frame is here. A torn tail is just the end. */
static enum dk_status judge_end(struct file_reader *reader, enum dk_step step, struct dk_err *err)
{
    const struct dk_segment *segment = &reader->segment;
    uint64_t durable = reader->page != NULL ? atomic_load(&reader->page->seq_durable) : 0;
    size_t end;

    if (step == DK_STEP_END) {
        enum dk_status status = next_segment(reader, false, err);

        if (status != DK_AGAIN || segment->packed)
            return status;
    }
    if (segment->packed || reader->walk.seq_next < durable ||
        has_later_segment(reader, reader->walk.seq_next))
        return dk_segment_fail(segment, &reader->walk, "is damaged", err);
    end = dk_bytes_end(segment->bytes, segment->limit, segment->position);
    if (end > segment->position &&
        dk_frame_was_durable(segment->bytes, segment->limit, segment->position))
        return dk_segment_fail(segment, &reader->walk, "is damaged", err);
    if (step == DK_STEP_BAD) {
        struct dk_frame frame; /* sound, but with a wrong seq: nothing tears like that */

        if (dk_frame_parse(segment->bytes + segment->position, segment->limit - segment->position,
                           &frame) == DK_FRAME_OK)
            return DK_CORRUPT;
    }
    return DK_AGAIN;
}

static enum dk_status hand_out(struct file_reader *reader, const struct dk_frame *frame,
                               struct dk_log_batch *batch, struct dk_err *err)
{
    if (frame->count > reader->capacity) {
        reader->records = dk_heap.resize(dk_heap.ctx, reader->records,
                                         reader->capacity * sizeof(*reader->records),
                                         frame->count * sizeof(*reader->records));
        reader->capacity = frame->count;
    }
    if (!dk_frame_records(frame, reader->records))
        return dk_segment_fail(&reader->segment, &reader->walk,
                               "has record sizes that do not add up", err);
    batch->seq_first = frame->seq_first;
    batch->epoch = frame->epoch;
    batch->count = frame->count;
    batch->records = reader->records;
    return DK_OK;
}

static enum dk_status stop_at_gap(struct file_reader *reader, const struct dk_frame *frame,
                                  struct dk_err *err)
{
    const char *text;
    size_t size;

    reader->gap = *frame;
    dk_frame_reason(frame, &text, &size);
    return dk_fail(err, DK_CORRUPT,
                   "segment '%s' lacks seq %" PRIu64 " to %" PRIu64 ", set aside by a repair: %.*s",
                   reader->segment.name, frame->seq_first, frame->seq_first + frame->count - 1,
                   size < 300 ? (int)size : 300, text);
}

/* Does the page know all that was published? */
static bool is_current(const struct file_reader *reader)
{
    return reader->page != NULL && dk_page_is_of_this_boot(reader->page);
}

/* May more be read? DK_OK: yes; *alone says that there is no writer, so look twice. */
static enum dk_status may_read(struct file_reader *reader, bool *alone, struct dk_err *err)
{
    uint32_t generation;

    *alone = false;
    if (reader->page == NULL || reader->lock_fd < 0)
        look_for_page(reader);
    generation = generation_now(reader);
    if (generation != reader->generation) { /* a writer began, or a repair: files may be new ones */
        reader->generation = generation;
        if (dk_segment_is_open(&reader->segment) && reader->walk.seq_next > reader->seq_from)
            reader->seq_from = reader->walk.seq_next;
        dk_segment_close(&reader->segment);
    }
    if (published(reader, dk_segment_is_open(&reader->segment) ? reader->walk.seq_next : 1))
        return DK_OK;
    if (!dk_lock_is_held(reader->lock_fd) && !is_current(reader)) {
        *alone = true;
        return DK_OK;
    }
    if (reader->page != NULL && atomic_load(&reader->page->ready) == generation &&
        reader->passed > atomic_load(&reader->page->seq_next))
        return dk_fail(err, DK_DIVERGED,
                       "log ends at seq %" PRIu64 " now, but this reader was at %" PRIu64
                       " already",
                       atomic_load(&reader->page->seq_next), reader->passed);
    return DK_AGAIN;
}

/* One frame further: DK_OK with *got, or without it if there is to be another look. */
static enum dk_status advance(struct file_reader *reader, struct dk_log_batch *batch, bool *got,
                              struct dk_err *err)
{
    struct dk_frame frame;
    enum dk_status status;
    enum dk_step step;
    bool alone;

    *got = false;
    status = may_read(reader, &alone, err);
    if (status == DK_OK && !dk_segment_is_open(&reader->segment)) {
        status = find_place(reader, err);
        return status;
    }
    if (status != DK_OK)
        return status;
    dk_segment_let_go(&reader->segment);
    step = dk_segment_step(&reader->segment, &reader->walk, &frame, err);
    if (step >= DK_STEP_END && dk_segment_grown(&reader->segment))
        return DK_OK;
    if (generation_now(reader) != reader->generation)
        return DK_OK;
    if (step == DK_STEP_BAD)
        return alone ? judge_end(reader, step, err) : DK_CORRUPT;
    if (step == DK_STEP_END)
        return alone ? judge_end(reader, step, err) : next_segment(reader, true, err);
    if (step == DK_STEP_GAP && frame.seq_first + frame.count > reader->seq_from)
        return stop_at_gap(reader, &frame, err);
    *got = step == DK_STEP_BATCH && frame.seq_first + frame.count > reader->seq_from;
    status = *got ? hand_out(reader, &frame, batch, err) : DK_OK;
    if (status == DK_OK)
        dk_segment_pass(&reader->segment, &reader->walk, &frame, step);
    return status;
}

enum dk_status dk_file_reader_next(struct dk_log_reader *base, struct dk_log_batch *batch,
                                   struct dk_err *err)
{
    struct file_reader *reader = (struct file_reader *)base;
    enum dk_status status = DK_OK;
    bool got = false;

    reader->gap.count = 0;
    while (status == DK_OK && !got)
        status = advance(reader, batch, &got, err);
    if (got)
        base->seq_next = reader->passed = reader->walk.seq_next;
    return status;
}

enum dk_status dk_file_reader_skip_gap(struct dk_log_reader *base, uint64_t *first, uint64_t *limit,
                                       struct dk_err *err)
{
    struct file_reader *reader = (struct file_reader *)base;

    *first = *limit = 0;
    if (reader->gap.count == 0)
        return dk_fail(err, DK_INVALID, "reader is not at a gap");
    *first = reader->gap.seq_first;
    *limit = reader->gap.seq_first + reader->gap.count;
    dk_segment_pass(&reader->segment, &reader->walk, &reader->gap, DK_STEP_GAP);
    reader->gap.count = 0;
    base->seq_next = reader->passed = reader->walk.seq_next;
    return DK_OK;
}

enum dk_status dk_file_reader_wait(struct dk_log_reader *base, int timeout_ms, struct dk_err *err)
{
    struct file_reader *reader = (struct file_reader *)base;
    int64_t until = dk_clock_ms() + timeout_ms, left = -1;

    (void)err;
    for (;;) {
        /* The word is read before the number: a change between the two ends the wait at once. */
        uint32_t seen = reader->page != NULL ? atomic_load(&reader->page->wakes) : 0;

        if (published(reader, base->seq_next))
            return DK_OK;
        if (timeout_ms >= 0 && (left = until - dk_clock_ms()) <= 0)
            return DK_AGAIN;
        if (reader->page == NULL) {
            struct timespec nap = { 0,
                                    (long)(left < 0 || left > NAP_MS ? NAP_MS : left) * 1000000 };

            if (nanosleep(&nap, NULL) != 0)
                return DK_AGAIN;
            look_for_page(reader);
        } else if (!dk_page_wait(reader->page, seen, left)) {
            return published(reader, base->seq_next) ? DK_OK : DK_AGAIN;
        }
    }
}
