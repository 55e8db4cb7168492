/* segment.h - one file of the log, open for reading, plain or packed alike
 *
 * dk_segment_step looks at the frame at the current position; dk_segment_pass goes on
 * to the next. The walk says which seq must come and which epoch was seen last, and is
 * carried from one segment to the next. Frames are borrowed until the next pass or close.
 *
 * A plain segment is mapped. It may grow while it is read, and never shrinks, so
 * everything below `size` (refreshed by dk_segment_grown) can be touched.
 */
#ifndef DK_LOG_SEGMENT_H
#define DK_LOG_SEGMENT_H

#include "log/folder.h"
#include "log/frame.h"

#define DK_BLOCK_SIZE (128u << 10) /* of a packed segment, unpacked; one batch may be larger */

struct dk_walk {
    uint64_t seq_next;
    uint32_t epoch;
};

enum dk_step {
    DK_STEP_BATCH, /* the next records */
    DK_STEP_OTHER, /* a mark, or an older epoch's batch: pass */
    DK_STEP_GAP,   /* seqs that a repair has given up */
    DK_STEP_END,   /* nothing there (yet) */
    DK_STEP_BAD,   /* bad bytes, or not the seq that must come */
};

struct dk_unpacker; /* packed.c */

struct dk_segment {
    uint64_t seq_first;
    uint32_t epoch; /* of the writer that began it */
    bool packed;
    char name[DK_SEGMENT_NAME_MAX];
    int fd;
    const uint8_t *map;
    size_t mapped, size; /* address space, and file size as last seen */
    size_t let_go;       /* of the map: a reader has passed it, its pages were given up */

    const uint8_t *bytes; /* frames: the map, or the unpacked block */
    size_t position;      /* in bytes */
    size_t limit;         /* of bytes */

    struct dk_unpacker *unpacker; /* packed only */
};

/* Opens `seq_first`.seg, else .zseg. DK_NOT_FOUND if there is neither; DK_CORRUPT for a bad header,
 * the text names the file. Positioned at the first frame. */
enum dk_status dk_segment_open(struct dk_segment *segment, int dir_fd, uint64_t seq_first,
                               struct dk_err *err);
enum dk_status dk_segment_open_file(struct dk_segment *segment, int dir_fd, const char *name,
                                    uint64_t seq_first, bool packed, struct dk_err *err);
void dk_segment_close(struct dk_segment *segment); /* fine if not open: all zero */
bool dk_segment_is_open(const struct dk_segment *segment);

/* Begins the walk of this segment. */
void dk_segment_begin(const struct dk_segment *segment, struct dk_walk *walk);

/* Jumps towards seq_from where an index allows it. */
enum dk_status dk_segment_seek(struct dk_segment *segment, struct dk_walk *walk, uint64_t seq_from,
                               struct dk_err *err);

/* DK_STEP_BAD fills err (DK_CORRUPT) with file, byte and seq. */
enum dk_step dk_segment_step(struct dk_segment *segment, const struct dk_walk *walk,
                             struct dk_frame *frame, struct dk_err *err);
void dk_segment_pass(struct dk_segment *segment, struct dk_walk *walk, const struct dk_frame *frame,
                     enum dk_step step);

/* Lets go of the pages of the map that lie before the current frame (of a packed segment: before
 * the block it came from), once there are many; a reader that only goes forward calls it before
 * each step. They stay in the system's cache, and come back if they are touched. */
void dk_segment_let_go(struct dk_segment *segment);

/* Whether a plain segment's file has grown since it was last looked at. */
bool dk_segment_grown(struct dk_segment *segment);

enum dk_status dk_segment_fail(const struct dk_segment *segment, const struct dk_walk *walk,
                               const char *fault, struct dk_err *err);

/* packed.c */

enum dk_status dk_unpacker_create(struct dk_segment *segment, struct dk_err *err);
void dk_unpacker_destroy(struct dk_unpacker *unpacker);
enum dk_status dk_unpacker_next_block(struct dk_segment *segment,
                                      struct dk_err *err); /* or DK_END */
void dk_unpacker_pass_block(struct dk_segment *segment);   /* leaves one out; for a repair */
enum dk_status dk_unpacker_seek(struct dk_segment *segment, struct dk_walk *walk, uint64_t seq_from,
                                struct dk_err *err);
uint64_t dk_unpacker_plain_end(const struct dk_unpacker *unpacker);
uint64_t dk_unpacker_block_position(const struct dk_unpacker *unpacker);

/* Writes the packed form of a sealed plain segment, whose frames must reach exactly to seq_limit,
 * compares it with the plain one, puts it in place and removes the plain one. */
enum dk_status dk_segment_pack(int dir_fd, uint64_t seq_first, uint64_t seq_limit,
                               const struct dk_log_io *io, struct dk_err *err);

#endif
