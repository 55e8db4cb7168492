/* recover.c - where a log ends, and whether what lies there is torn or damaged
 *
 * Only the newest segment can be torn: the one before it was synced before the newest got its
 * name. In it, a bad batch is a torn tail unless (a) a later valid batch says that the segment was
 * durable beyond the bad one when it was written (`back`, decision 0002), or (b) the page says that
 * the bad one's seq was synced. Then it is damage, and nobody may cut it.
 */
#include "log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int dk_file_folder_open(const char *place, bool create, struct dk_err *err)
{
    int fd;

    if (create && mkdir(place, 0755) != 0 && errno != EEXIST) {
        (void)dk_fail_errno(err, "creating", place);
        return -1;
    }
    fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        (void)dk_fail_errno(err, "opening log", place);
    return fd;
}

enum dk_status dk_file_segment_make(int dir_fd, uint64_t seq_first, uint32_t epoch,
                                    const struct dk_log_io *io, int *fd, bool *renamed,
                                    struct dk_err *err)
{
    char temporary[DK_SEGMENT_NAME_MAX], name[DK_SEGMENT_NAME_MAX];
    uint8_t header[DK_SEGMENT_HEADER_SIZE];
    enum dk_status status;
    size_t written;

    *renamed = false;
    dk_segment_name_put(temporary, seq_first, ".seg.tmp");
    dk_segment_name_put(name, seq_first, ".seg");
    dk_segment_header_put(header, DK_SEGMENT_MAGIC_PLAIN, seq_first, epoch);
    *fd = openat(dir_fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (*fd < 0)
        return dk_fail_errno(err, "creating", temporary);
    status = dk_io_write_all(io, *fd, header, sizeof(header), 0, &written, err);
    if (status == DK_OK && io->sync_new(io->ctx, *fd) != 0)
        status = dk_fail_errno(err, "syncing", temporary);
    if (status == DK_OK && io->rename(io->ctx, dir_fd, temporary, name) != 0)
        status = dk_fail_errno(err, "renaming", temporary);
    *renamed = status == DK_OK;
    if (status == DK_OK && io->sync_new(io->ctx, dir_fd) != 0)
        status = dk_fail(err, DK_IO, "syncing the folder of segment '%s' failed", name);
    if (status != DK_OK) {
        if (!*renamed)
            (void)unlinkat(dir_fd, temporary, 0);
        (void)close(*fd);
        *fd = -1;
    }
    return status;
}

static enum dk_status judge(struct dk_file_tail *tail, const struct dk_segment *segment,
                            const struct dk_walk *walk, uint64_t seq_durable, struct dk_err *err)
{
    size_t end = segment->position;
    size_t last = dk_bytes_end(segment->bytes, segment->size, end);

    if (walk->seq_next < seq_durable)
        return dk_fail(err, DK_CORRUPT,
                       "segment '%s' is damaged or cut at byte %zu: seq %" PRIu64 " to %" PRIu64
                       " were durable and are not there",
                       segment->name, end, walk->seq_next, seq_durable - 1);
    if (last > end) {
        if (dk_frame_was_durable(segment->bytes, segment->size, end))
            return dk_segment_fail(segment, walk, "is damaged", err);
        tail->torn_end = last;
    }
    return DK_OK;
}

static enum dk_status walk_last(struct dk_file_tail *tail, struct dk_segment *segment,
                                uint64_t seq_durable, struct dk_err *err)
{
    struct dk_walk walk = { 0, 0 };
    struct dk_frame frame;
    enum dk_step step;

    dk_segment_begin(segment, &walk);
    tail->unsure = segment->position;
    while ((step = dk_segment_step(segment, &walk, &frame, err)) < DK_STEP_END) {
        tail->unsure = segment->position - (frame.back < segment->position ? frame.back : 0);
        dk_segment_pass(segment, &walk, &frame, step);
    }
    /* A sound frame with a wrong seq was not torn by anything. */
    if (step == DK_STEP_BAD &&
        dk_frame_parse(segment->bytes + segment->position, segment->limit - segment->position,
                       &frame) == DK_FRAME_OK)
        return DK_CORRUPT;
    tail->seq_next = walk.seq_next;
    tail->epoch = walk.epoch;
    tail->end = tail->torn_end = segment->position;
    tail->file_size = segment->size;
    if (tail->unsure < DK_SEGMENT_HEADER_SIZE || tail->unsure > tail->end)
        tail->unsure = DK_SEGMENT_HEADER_SIZE;
    return judge(tail, segment, &walk, seq_durable, err);
}

enum dk_status dk_file_tail_find(struct dk_file_tail *tail, int dir_fd, uint64_t seq_durable,
                                 struct dk_err *err)
{
    struct dk_folder_list list;
    struct dk_segment segment;
    enum dk_status status = dk_folder_list(&list, dir_fd, err);
    struct dk_segment_name last = { 0 };

    memset(tail, 0, sizeof(*tail));
    tail->seq_next = 1;
    if (status != DK_OK)
        return status;
    if (list.count > 0)
        last = list.names[list.count - 1];
    dk_folder_list_release(&list);
    if (last.seq_first == 0) {
        if (seq_durable > 1)
            return dk_fail(err, DK_CORRUPT,
                           "log has no segment: seq 1 to %" PRIu64
                           " were durable and are not there",
                           seq_durable - 1);
        return DK_OK;
    }
    tail->segment_first = last.seq_first;
    status = dk_segment_open(&segment, dir_fd, last.seq_first, err);
    if (status != DK_OK)
        return status;
    if (segment.packed)
        status = dk_fail(err, DK_CORRUPT,
                         "segment '%s' is sealed, but the one after it, byte 0 of it, is missing",
                         segment.name);
    else
        status = walk_last(tail, &segment, seq_durable, err);
    dk_segment_close(&segment);
    return status;
}
