/* segment.c - see segment.h */
#define _GNU_SOURCE /* madvise */
#include "log/segment.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROOM                                                                                       \
    ((size_t)64 << 20) /* address space for a plain segment, so that growing needs no new map */

/* One call for so much costs a hundredth of what reading it does. The system maps 64 KiB around
 * each page that is touched. */
#define LET_GO ((size_t)256 << 10)

bool dk_segment_is_open(const struct dk_segment *segment)
{
    return segment->map != NULL;
}

void dk_segment_close(struct dk_segment *segment)
{
    dk_unpacker_destroy(segment->unpacker);
    if (segment->map != NULL) {
        (void)munmap((void *)(uintptr_t)segment->map, segment->mapped);
        (void)close(segment->fd);
    }
    memset(segment, 0, sizeof(*segment));
    segment->fd = -1;
}

static enum dk_status map_file(struct dk_segment *segment, struct dk_err *err)
{
    struct stat stat;
    size_t room;
    void *map;

    if (fstat(segment->fd, &stat) != 0)
        return dk_fail_errno(err, "reading", segment->name);
    if (stat.st_size < (off_t)DK_SEGMENT_HEADER_SIZE)
        return dk_fail(err, DK_CORRUPT, "segment '%s' has only %lld bytes", segment->name,
                       (long long)stat.st_size);
    segment->size = (size_t)stat.st_size;
    room = segment->packed || segment->size > ROOM ? segment->size : ROOM;
    map = mmap(NULL, room, PROT_READ, MAP_SHARED, segment->fd, 0);
    if (map == MAP_FAILED)
        return dk_fail_errno(err, "mapping", segment->name);
    segment->map = map;
    segment->mapped = room;
    (void)madvise(map, room, MADV_SEQUENTIAL);
    return DK_OK;
}

enum dk_status dk_segment_open_file(struct dk_segment *segment, int dir_fd, const char *name,
                                    uint64_t seq_first, bool packed, struct dk_err *err)
{
    enum dk_status status;
    uint64_t seq_found = 0;

    memset(segment, 0, sizeof(*segment));
    (void)strncpy(segment->name, name, sizeof(segment->name) - 1);
    segment->packed = packed;
    segment->seq_first = seq_first;
    segment->fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (segment->fd < 0)
        return dk_fail_errno(err, "opening", name);
    status = map_file(segment, err);
    if (status != DK_OK) {
        (void)close(segment->fd);
        segment->fd = -1;
        return status;
    }
    if (!dk_segment_header_get(segment->map,
                               packed ? DK_SEGMENT_MAGIC_PACKED : DK_SEGMENT_MAGIC_PLAIN,
                               &seq_found, &segment->epoch) ||
        seq_found != seq_first) {
        status = dk_fail(err, DK_CORRUPT,
                         "header of segment '%s' is damaged at byte 0, before seq %" PRIu64, name,
                         seq_first);
    } else if (packed) {
        status = dk_unpacker_create(segment, err);
    } else {
        segment->bytes = segment->map;
        segment->position = DK_SEGMENT_HEADER_SIZE;
        segment->limit = segment->size;
    }
    if (status != DK_OK)
        dk_segment_close(segment);
    return status;
}

enum dk_status dk_segment_open(struct dk_segment *segment, int dir_fd, uint64_t seq_first,
                               struct dk_err *err)
{
    char name[DK_SEGMENT_NAME_MAX];
    enum dk_status status;

    dk_segment_name_put(name, seq_first, ".seg");
    status = dk_segment_open_file(segment, dir_fd, name, seq_first, false, err);
    if (status != DK_NOT_FOUND)
        return status;
    /* The packed form is in place before the plain one goes, so asking in this order is safe. */
    dk_segment_name_put(name, seq_first, ".zseg");
    return dk_segment_open_file(segment, dir_fd, name, seq_first, true, err);
}

void dk_segment_begin(const struct dk_segment *segment, struct dk_walk *walk)
{
    walk->seq_next = segment->seq_first;
    if (segment->epoch > walk->epoch)
        walk->epoch = segment->epoch;
}

enum dk_status dk_segment_seek(struct dk_segment *segment, struct dk_walk *walk, uint64_t seq_from,
                               struct dk_err *err)
{
    return segment->packed ? dk_unpacker_seek(segment, walk, seq_from, err) : DK_OK;
}

enum dk_status dk_segment_fail(const struct dk_segment *segment, const struct dk_walk *walk,
                               const char *fault, struct dk_err *err)
{
    if (segment->packed)
        return dk_fail(err, DK_CORRUPT,
                       "segment '%s' %s at byte %zu of the block at byte %" PRIu64
                       ", where seq %" PRIu64 " should be",
                       segment->name, fault, segment->position,
                       dk_unpacker_block_position(segment->unpacker), walk->seq_next);
    return dk_fail(err, DK_CORRUPT, "segment '%s' %s at byte %zu, where seq %" PRIu64 " should be",
                   segment->name, fault, segment->position, walk->seq_next);
}

enum dk_step dk_segment_step(struct dk_segment *segment, const struct dk_walk *walk,
                             struct dk_frame *frame, struct dk_err *err)
{
    enum dk_frame_state state;

    if (segment->packed && segment->position == segment->limit) {
        enum dk_status status = dk_unpacker_next_block(segment, err);

        if (status != DK_OK)
            return status == DK_END ? DK_STEP_END : DK_STEP_BAD;
    }
    state = dk_frame_parse(segment->bytes + segment->position, segment->limit - segment->position,
                           frame);
    if (state == DK_FRAME_END && !segment->packed)
        return DK_STEP_END;
    if (state != DK_FRAME_OK) {
        (void)dk_segment_fail(segment, walk, "is damaged", err);
        return DK_STEP_BAD;
    }
    if (frame->epoch < walk->epoch && frame->kind != DK_FRAME_GAP) /* an operator is not fenced */
        return DK_STEP_OTHER;
    if (frame->seq_first != walk->seq_next) {
        (void)dk_segment_fail(segment, walk, "has another seq", err);
        return DK_STEP_BAD;
    }
    if (frame->kind == DK_FRAME_MARK)
        return DK_STEP_OTHER;
    return frame->kind == DK_FRAME_GAP ? DK_STEP_GAP : DK_STEP_BATCH;
}

void dk_segment_pass(struct dk_segment *segment, struct dk_walk *walk, const struct dk_frame *frame,
                     enum dk_step step)
{
    if (step == DK_STEP_BATCH || step == DK_STEP_GAP)
        walk->seq_next += frame->count;
    if (frame->epoch > walk->epoch)
        walk->epoch = frame->epoch;
    segment->position += frame->size;
}

void dk_segment_let_go(struct dk_segment *segment)
{
    size_t upto =
        segment->packed ? (size_t)dk_unpacker_block_position(segment->unpacker) : segment->position;

    if (upto < segment->let_go + LET_GO)
        return;
    upto &= ~(LET_GO - 1);
    (void)madvise((void *)(uintptr_t)(segment->map + segment->let_go), upto - segment->let_go,
                  MADV_DONTNEED);
    segment->let_go = upto;
}

bool dk_segment_grown(struct dk_segment *segment)
{
    struct stat stat;

    if (segment->packed || fstat(segment->fd, &stat) != 0 || (size_t)stat.st_size <= segment->size)
        return false;
    segment->size = (size_t)stat.st_size;
    if (segment->size > segment->mapped) {
        size_t room = segment->size + ROOM;
        void *map = mmap(NULL, room, PROT_READ, MAP_SHARED, segment->fd, 0);

        if (map == MAP_FAILED) {
            segment->size = segment->mapped; /* no more of it can be seen just now */
            return false;
        }
        (void)munmap((void *)(uintptr_t)segment->map, segment->mapped);
        segment->map = segment->bytes = map;
        segment->mapped = room;
        segment->let_go = 0;
    }
    segment->limit = segment->size;
    return true;
}
