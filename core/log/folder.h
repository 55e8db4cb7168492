/* folder.h - the names in a log's folder, and the two things only one process may have there
 *
 *     00000000000000000001.seg     plain segment, by its first seq
 *     00000000000000000001.zseg    the same, compressed
 *     lock                         held by the writer
 *     page                         shared: what is published (struct dk_page)
 *     restoring                    a history is being put back (file_restore.c)
 */
#ifndef DK_LOG_FOLDER_H
#define DK_LOG_FOLDER_H

#include "base/err.h"
#include "log/io.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define DK_SEGMENT_NAME_MAX 48

struct dk_segment_name {
    uint64_t seq_first;
    bool plain, packed; /* which of the two files there are; maybe both */
};

struct dk_folder_list {
    struct dk_segment_name *names; /* by seq */
    size_t count, capacity;
};

void dk_segment_name_put(char name[DK_SEGMENT_NAME_MAX], uint64_t seq_first, const char *suffix);

enum dk_status dk_folder_list(struct dk_folder_list *list, int dir_fd, struct dk_err *err);
void dk_folder_list_release(struct dk_folder_list *list);

/* Removes what a writer that died had begun. The writer only. */
void dk_folder_sweep(int dir_fd);

/* Writes all of it, or fails with DK_FULL or DK_IO; *written says how far it came. */
enum dk_status dk_io_write_all(const struct dk_log_io *io, int fd, const void *bytes, size_t size,
                               uint64_t at, size_t *written, struct dk_err *err);

enum dk_status dk_fail_errno(struct dk_err *err, const char *what, const char *subject);

#define DK_BOOT_SIZE 40

/* The page. A cache: may be behind the log or absent, and is then made again by the next writer.
 * All fields but the first two change while others look at them. */
struct dk_page {
    uint64_t magic;
    uint32_t version;
    _Atomic uint32_t generation;  /* 1 more for each writer, before it changes anything */
    _Atomic uint32_t ready;       /* equals generation once that writer has recovered the log */
    _Atomic uint32_t epoch;       /* of the newest writer */
    _Atomic uint32_t wakes;       /* the futex: 1 more after each change of seq_next */
    _Atomic uint64_t seq_next;    /* records below may be read */
    _Atomic uint64_t seq_durable; /* records below were synced */
    char boot[DK_BOOT_SIZE];      /* of the machine, when the newest writer had recovered the log */
};

/* Write: makes it if need be. Else NULL in *page if there is none. Unmap with dk_page_unmap. */
enum dk_status dk_page_map(struct dk_page **page, int dir_fd, bool write, struct dk_err *err);
void dk_page_unmap(struct dk_page *page);
void dk_page_wake(struct dk_page *page);
/* Since the newest writer recovered the log the machine was not started anew: what the page says is
 * then no older than any byte of the log, and what it does not say may never have been synced. */
bool dk_page_is_of_this_boot(const struct dk_page *page);
void dk_page_note_boot(struct dk_page *page);
/* Sleeps while page->wakes is `seen`; false after timeout_ms (never, if negative) or a signal. */
bool dk_page_wait(const struct dk_page *page, uint32_t seen, int64_t timeout_ms);

/* The lock ends with its descriptor, however the process ends. Never inherited over exec. */
enum dk_status dk_lock_take(int *lock_fd, int dir_fd, const char *folder, struct dk_err *err);
bool dk_lock_is_held(int lock_fd); /* by somebody else; lock_fd from dk_lock_look, -1 is fine */
int dk_lock_look(int dir_fd);

int64_t dk_clock_ms(void); /* monotonic */

#endif
