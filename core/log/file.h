/* file.h - what the parts of the file backend share: writer (file.c, recover.c), reader
 * (file_reader.c), and the operator's tools (file_admin.c) */
#ifndef DK_LOG_FILE_H
#define DK_LOG_FILE_H

#include "log/backend.h"
#include "log/segment.h"

/* What a start finds at the end of a log. */
struct dk_file_tail {
    uint64_t segment_first; /* 0: there is no segment */
    uint64_t seq_next;
    uint32_t epoch;    /* highest seen */
    uint64_t end;      /* where the next batch goes */
    uint64_t unsure;   /* from here to `end` may be in the page cache only */
    uint64_t torn_end; /* end .. torn_end is a torn tail; equal to end if none */
    uint64_t file_size;
};

/* Looks, changes nothing. seq_durable: what the page says was synced (0: no page). */
enum dk_status dk_file_tail_find(struct dk_file_tail *tail, int dir_fd, uint64_t seq_durable,
                                 struct dk_err *err);

/* Makes a segment with its header and `frames`, under a temporary name, synced; then renames it to
 * its own and syncs the folder. *fd stays open. On failure nothing is left, unless the status
 * is DK_IO and *renamed: then the folder could not be synced. */
enum dk_status dk_file_segment_make(int dir_fd, uint64_t seq_first, uint32_t epoch,
                                    const struct dk_log_io *io, int *fd, bool *renamed,
                                    struct dk_err *err);

int dk_file_folder_open(const char *place, bool create, struct dk_err *err); /* -1: failed */

/* file_restore.c. `begin` is for every opening: refuses it unless a restore is `wanted` and the log
 * is new, or was left half restored, or neither is so. */
bool dk_file_restoring(int dir_fd);
enum dk_status dk_file_restore_begin(int dir_fd, const char *place, bool wanted,
                                     const struct dk_log_io *io, struct dk_err *err);
enum dk_status dk_file_restore_end(int dir_fd, const struct dk_log_io *io, struct dk_err *err);

enum dk_status dk_file_reader_open(struct dk_log_reader **out, const char *place, uint64_t seq_from,
                                   struct dk_err *err);
enum dk_status dk_file_reader_next(struct dk_log_reader *reader, struct dk_log_batch *batch,
                                   struct dk_err *err);
enum dk_status dk_file_reader_until_now(struct dk_log_reader *base, struct dk_err *err);
enum dk_status dk_file_reader_seek(struct dk_log_reader *base, uint64_t seq_from,
                                   struct dk_err *err);
enum dk_status dk_file_reader_wait(struct dk_log_reader *reader, int timeout_ms,
                                   struct dk_err *err);
enum dk_status dk_file_reader_skip_gap(struct dk_log_reader *reader, uint64_t *first,
                                       uint64_t *limit, struct dk_err *err);
void dk_file_reader_close(struct dk_log_reader *reader);

enum dk_status dk_file_stat(const char *place, struct dk_log_stat *stat, struct dk_err *err);
enum dk_status dk_file_repair(const char *place, uint64_t seq, const char *why,
                              struct dk_log_repair *repair, struct dk_err *err);

#endif
