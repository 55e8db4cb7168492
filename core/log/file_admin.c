/* file_admin.c - what an operator asks of a log in a folder: its figures, and a way on after damage
 *
 * A repair changes one segment. It keeps the damaged file, by a second name, and puts a plain
 * segment in its place in which a gap frame stands for the seqs that are lost:
 *
 *     before  | header | good frames | damage ....... | good frames |
 *     after   | header | good frames | gap: seqs, why | good frames |
 *
 * Done twice in a segment it keeps two files. A crash at any line leaves the old segment or the
 * new.
 */
#include "log/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Figures. */

static void count_files(int dir_fd, struct dk_log_stat *stat)
{
    struct dk_folder_list list;
    char name[DK_SEGMENT_NAME_MAX];
    struct stat file;

    if (dk_folder_list(&list, dir_fd, NULL) != DK_OK)
        return;
    for (size_t i = 0; i < list.count; i++) {
        bool packed = !list.names[i].plain;

        dk_segment_name_put(name, list.names[i].seq_first, packed ? ".zseg" : ".seg");
        stat->segments++;
        if (fstatat(dir_fd, name, &file, 0) != 0)
            continue;
        stat->bytes_disk += (uint64_t)file.st_size;
        stat->segments_compressed += packed;
        stat->bytes_compressed += packed ? (uint64_t)file.st_size : 0;
    }
    dk_folder_list_release(&list);
}

static void count_batch(struct dk_log_stat *stat, const struct dk_log_batch *batch)
{
    size_t size;

    if (stat->batches++ == 0) {
        stat->seq_first = batch->seq_first;
        stat->epoch_first = batch->epoch;
    }
    stat->seq_last = batch->seq_first + batch->count - 1;
    stat->records += batch->count;
    stat->epoch_last = batch->epoch;
    if (dk_frame_size(batch, &size, NULL) == DK_OK)
        stat->bytes_plain += size;
}

/* The oldest seq of the log: 1, unless older segments were archived. */
static uint64_t oldest_seq(int dir_fd)
{
    struct dk_folder_list list;
    uint64_t seq = 1;

    if (dk_folder_list(&list, dir_fd, NULL) == DK_OK && list.count > 0)
        seq = list.names[0].seq_first;
    dk_folder_list_release(&list);
    return seq;
}

static uint64_t durable_seq(int dir_fd)
{
    struct dk_page *page = NULL;
    uint64_t seq = 0;

    (void)dk_page_map(&page, dir_fd, false, NULL);
    if (page != NULL)
        seq = atomic_load(&page->seq_durable);
    dk_page_unmap(page);
    return seq;
}

enum dk_status dk_file_stat(const char *place, struct dk_log_stat *stat, struct dk_err *err)
{
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_file_tail tail;
    uint64_t first, limit;
    enum dk_status status;
    int lock_fd, dir_fd = dk_file_folder_open(place, false, err);

    if (dir_fd < 0)
        return err != NULL ? err->status : DK_NOT_FOUND;
    count_files(dir_fd, stat);
    stat->restoring = dk_file_restoring(dir_fd);
    status = dk_file_reader_open(&reader, place, oldest_seq(dir_fd), err);
    while (status == DK_OK) {
        status = dk_file_reader_next(reader, &batch, err);
        if (status == DK_OK)
            count_batch(stat, &batch);
        else if (status == DK_CORRUPT &&
                 dk_file_reader_skip_gap(reader, &first, &limit, NULL) == DK_OK) {
            stat->gaps++;
            status = DK_OK;
        }
    }
    if (status == DK_AGAIN)
        status = DK_OK;
    lock_fd = dk_lock_look(dir_fd);
    if (status == DK_OK && !dk_lock_is_held(lock_fd)) {
        status = dk_file_tail_find(&tail, dir_fd, durable_seq(dir_fd), err);
        stat->torn_bytes = status == DK_OK ? tail.torn_end - tail.end : 0;
        stat->epoch_last = status == DK_OK ? tail.epoch : stat->epoch_last;
    }
    if (lock_fd >= 0)
        (void)close(lock_fd);
    if (reader != NULL)
        dk_file_reader_close(reader);
    (void)close(dir_fd);
    return status;
}

/* Repair. */

struct patient {
    int dir_fd;
    uint64_t segment_first;
    uint64_t segment_next; /* first seq of the one after; 0: it is the last */
    uint64_t seq_durable;
    uint32_t epoch;            /* the newest known without this segment */
    struct dk_segment segment; /* may be not open: file missing or its header bad */
    struct dk_buf out;         /* the new segment */
    struct dk_walk walk;
    uint64_t at; /* the seq that the operator named */
    const char *why;
    struct dk_log_repair *repair;
    bool done; /* the gap is made */
};

static enum dk_status too_large(struct dk_err *err)
{
    return dk_fail(err, DK_TOO_LARGE, "segment is too large to be repaired");
}

static enum dk_status put_gap(struct patient *patient, uint64_t limit, struct dk_err *err)
{
    uint64_t first = patient->walk.seq_next;
    size_t at = patient->out.size;

    if (first != patient->at || patient->done)
        return dk_fail(err, DK_INVALID, "log is damaged at seq %" PRIu64 ", not at %" PRIu64, first,
                       patient->at);
    if (limit <= first || limit - first > UINT32_MAX)
        return dk_fail(err, DK_INVALID, "nothing is known to be lost at seq %" PRIu64, first);
    if (!dk_frame_add_gap(&patient->out, first, patient->walk.epoch, (uint32_t)(limit - first),
                          patient->why))
        return too_large(err);
    dk_frame_seal(patient->out.data + at, 0);
    patient->walk.seq_next = limit;
    patient->repair->seq_first = first;
    patient->repair->seq_limit = limit;
    patient->done = true;
    return DK_OK;
}

/* The seq from which on the log is whole again, if nothing more of this segment is. */
static uint64_t seq_after(const struct patient *patient)
{
    return patient->segment_next != 0 ? patient->segment_next : patient->seq_durable;
}

/* Moves the reading position behind the damage, and says which seq comes there. */
static uint64_t find_good(struct patient *patient)
{
    struct dk_segment *segment = &patient->segment;
    uint64_t seq = patient->walk.seq_next;
    struct dk_frame frame = { 0 };

    for (;;) {
        segment->position = segment->limit == 0 ? 0
                                                : dk_frame_find(segment->bytes, segment->limit,
                                                                segment->position, seq, &frame);
        if (segment->position < segment->limit && frame.epoch >= patient->walk.epoch)
            return frame.seq_first;
        if (segment->position < segment->limit)
            continue;
        if (!segment->packed)
            return seq_after(patient);
        for (;;) { /* the next block that can be unpacked */
            enum dk_status status = dk_unpacker_next_block(segment, NULL);

            if (status == DK_END)
                return seq_after(patient);
            if (status == DK_OK)
                break;
            dk_unpacker_pass_block(segment);
        }
        if (dk_frame_parse(segment->bytes, segment->limit, &frame) == DK_FRAME_OK &&
            frame.seq_first >= seq && frame.epoch >= patient->walk.epoch)
            return frame.seq_first;
    }
}

static enum dk_status copy_good(struct patient *patient, struct dk_err *err)
{
    struct dk_segment *segment = &patient->segment;
    enum dk_status status = DK_OK;
    struct dk_frame frame;

    dk_segment_begin(segment, &patient->walk);
    while (status == DK_OK) {
        enum dk_step step = dk_segment_step(segment, &patient->walk, &frame, err);

        if (step == DK_STEP_END) {
            bool rest = !segment->packed && dk_bytes_end(segment->bytes, segment->limit,
                                                         segment->position) > segment->position;
            uint64_t limit = seq_after(patient);

            if (!rest && patient->walk.seq_next >= limit)
                return DK_OK;
            step = DK_STEP_BAD;
        }
        if (step == DK_STEP_BAD) {
            if (patient->done && patient->segment_next == 0 &&
                patient->walk.seq_next >= patient->seq_durable)
                return DK_OK; /* what follows in the last segment is a torn tail */
            status = put_gap(patient, find_good(patient), err);
            continue;
        }
        if (!dk_buf_add(&patient->out, frame.bytes, frame.size))
            return too_large(err);
        dk_segment_pass(segment, &patient->walk, &frame, step);
    }
    return status;
}

/* The damaged file by its second name: the first free number. */
static enum dk_status keep_old(struct patient *patient, const char *name, struct dk_err *err)
{
    char *kept = patient->repair->kept;

    for (int i = 1; i < 10000; i++) {
        (void)snprintf(kept, sizeof(patient->repair->kept), "%s.damaged-%" PRIu64 "-%d", name,
                       patient->at, i);
        if (linkat(patient->dir_fd, name, patient->dir_fd, kept, 0) == 0)
            return DK_OK;
        if (errno == ENOENT) { /* the file itself is what was lost */
            kept[0] = '\0';
            return DK_OK;
        }
        if (errno != EEXIST)
            break;
    }
    return dk_fail_errno(err, "keeping", name);
}

static enum dk_status put_in_place(struct patient *patient, const char *old_name, bool was_packed,
                                   struct dk_err *err)
{
    char temporary[DK_SEGMENT_NAME_MAX], name[DK_SEGMENT_NAME_MAX];
    const struct dk_log_io *io = &dk_log_io_system;
    enum dk_status status = keep_old(patient, old_name, err);
    size_t written;
    int fd;

    if (status != DK_OK)
        return status;
    dk_segment_name_put(temporary, patient->segment_first, ".seg.tmp");
    dk_segment_name_put(name, patient->segment_first, ".seg");
    fd = openat(patient->dir_fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return dk_fail_errno(err, "creating", temporary);
    status = dk_io_write_all(io, fd, patient->out.data, patient->out.size, 0, &written, err);
    if (status == DK_OK && io->sync_new(io->ctx, fd) != 0)
        status = dk_fail_errno(err, "syncing", temporary);
    (void)close(fd);
    if (status == DK_OK && io->rename(io->ctx, patient->dir_fd, temporary, name) != 0)
        status = dk_fail_errno(err, "renaming", temporary);
    if (status == DK_OK && was_packed)
        (void)unlinkat(patient->dir_fd, old_name, 0);
    if (status == DK_OK && io->sync_new(io->ctx, patient->dir_fd) != 0)
        status = dk_fail_errno(err, "syncing", "the log's folder");
    if (status != DK_OK)
        (void)unlinkat(patient->dir_fd, temporary, 0);
    return status;
}

/* The newest epoch that a segment knows of, as far as it can be read. */
static uint32_t epoch_of(int dir_fd, uint64_t seq_first)
{
    struct dk_walk walk = { 0, 0 };
    struct dk_segment segment;
    struct dk_frame frame;
    enum dk_step step;

    if (seq_first == 0 || dk_segment_open(&segment, dir_fd, seq_first, NULL) != DK_OK)
        return 0;
    dk_segment_begin(&segment, &walk);
    while ((step = dk_segment_step(&segment, &walk, &frame, NULL)) < DK_STEP_END)
        dk_segment_pass(&segment, &walk, &frame, step);
    dk_segment_close(&segment);
    return walk.epoch;
}

/* Which segment has the seq, and what follows it. */
static enum dk_status find_patient(struct patient *patient, struct dk_err *err)
{
    struct dk_folder_list list;
    enum dk_status status = dk_folder_list(&list, patient->dir_fd, err);
    uint64_t before = 0;
    uint32_t epoch;

    if (status != DK_OK)
        return status;
    patient->segment_first = patient->at; /* the file is missing, unless one of these has it */
    for (size_t i = 0; i < list.count; i++) {
        if (list.names[i].seq_first <= patient->at) {
            before = i > 0 ? list.names[i - 1].seq_first : 0;
            patient->segment_first = list.names[i].seq_first;
        }
        if (list.names[i].seq_first > patient->at && patient->segment_next == 0)
            patient->segment_next = list.names[i].seq_first;
    }
    dk_folder_list_release(&list);
    epoch = epoch_of(patient->dir_fd, before);
    if (epoch > patient->epoch)
        patient->epoch = epoch;
    return DK_OK;
}

static enum dk_status operate(struct patient *patient, struct dk_err *err)
{
    uint8_t header[DK_SEGMENT_HEADER_SIZE];
    char name[DK_SEGMENT_NAME_MAX];
    bool packed = false, readable;
    enum dk_status status = find_patient(patient, err);

    if (status != DK_OK)
        return status;
    dk_segment_name_put(name, patient->segment_first, ".seg");
    if (faccessat(patient->dir_fd, name, F_OK, 0) != 0) {
        dk_segment_name_put(name, patient->segment_first, ".zseg");
        packed = faccessat(patient->dir_fd, name, F_OK, 0) == 0;
    }
    readable =
        dk_segment_open(&patient->segment, patient->dir_fd, patient->segment_first, NULL) == DK_OK;
    patient->walk.seq_next = patient->segment_first;
    dk_segment_header_put(header, DK_SEGMENT_MAGIC_PLAIN, patient->segment_first,
                          readable ? patient->segment.epoch : patient->epoch);
    if (!dk_buf_add(&patient->out, header, sizeof(header)))
        return too_large(err);
    /* Without header or index nothing in the file can be trusted to be where it is: all of it goes.
     */
    status = readable ? copy_good(patient, err) : put_gap(patient, seq_after(patient), err);
    if (status == DK_OK && !patient->done)
        status = dk_fail(err, DK_INVALID, "log is not damaged at seq %" PRIu64, patient->at);
    if (status == DK_OK)
        status = put_in_place(patient, name, packed, err);
    dk_segment_close(&patient->segment);
    return status;
}

enum dk_status dk_file_repair(const char *place, uint64_t seq, const char *why,
                              struct dk_log_repair *repair, struct dk_err *err)
{
    struct patient patient = { .at = seq, .why = why, .repair = repair };
    struct dk_page *page = NULL;
    enum dk_status status;
    int lock_fd = -1;

    if (strlen(why) > 4096)
        return dk_fail(err, DK_TOO_LARGE, "the reason has more than 4096 bytes");
    patient.dir_fd = dk_file_folder_open(place, false, err);
    if (patient.dir_fd < 0)
        return err != NULL ? err->status : DK_NOT_FOUND;
    dk_buf_init(&patient.out, &dk_heap, (size_t)3 << 30);
    status = dk_lock_take(&lock_fd, patient.dir_fd, place, err);
    if (status == DK_OK)
        status = dk_page_map(&page, patient.dir_fd, true, err);
    if (status == DK_OK) {
        patient.seq_durable = atomic_load(&page->seq_durable);
        patient.epoch = atomic_load(&page->epoch);
        (void)atomic_fetch_add(&page->generation, 1);
        status = operate(&patient, err);
        (void)atomic_fetch_add(&page->generation, 1); /* readers open the file again */
        dk_page_wake(page);
    }
    dk_page_unmap(page);
    dk_buf_release(&patient.out);
    if (lock_fd >= 0)
        (void)close(lock_fd);
    (void)close(patient.dir_fd);
    return status;
}
