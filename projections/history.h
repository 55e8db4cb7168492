/* history.h - accounting: every run of every job, kept for good, found by what people ask for
 *
 * The folder calls these functions with the live view's rows, in the order of events, and then
 * dk_history_commit: rows, indexes, usage and the seq become one write. A crash between two
 * commits loses what came after the first and nothing else; what is folded again at or before
 * the seq that was kept is passed over. So each run is counted exactly once.
 *
 *   1. One thread writes (ended, requeued, step, commit, save, promote, close). Any thread may open
 *      a view, ask, and close it. A view sees one commit, whatever is written meanwhile.
 *   2. Commits are not synced: the log is the truth, and dk_history_seq says from where to fold
 *      again. dk_history_save makes the seq and all before it durable; call it before a snapshot
 *      of the live view is saved, and start from the newest such snapshot at or before
 *      dk_history_seq. Then no live view is ahead of history, whatever crashed.
 *   3. A commit may stand for many batches: while catching up, once for some thousand events
 *      is much quicker than once for each.
 *   4. Damaged beyond reading is no misfortune: it is set aside (history.vN.damaged) and begun anew
 *      from seq 0. Any folder views/history.* may be deleted while the projector is down.
 *
 * Versions. DIR/history.vN is of version N. When there is only an older one it is opened and
 * serves and grows (slower: without indexes) until a new one, history.vN.building, has caught up:
 * dk_history_is_current, dk_history_open_building, feed it from seq 1, dk_history_promote.
 */
#ifndef DK_PROJECTIONS_HISTORY_H
#define DK_PROJECTIONS_HISTORY_H

#include "base/err.h"
#include "event/event.h"
#include "projections/filter.h"
#include "projections/job_row.h"

struct dk_history;
struct dk_history_view;

/* `dir` is the folder of all views (DIR/views), which exists. DK_BUSY: another projector has it. */
enum dk_status dk_history_open(struct dk_history **out, const char *dir, struct dk_err *err);
void dk_history_close(struct dk_history *history); /* keeps what was committed; NULL is fine */

int64_t dk_history_seq(const struct dk_history *history); /* of the last commit; 0: nothing yet */
bool dk_history_was_damaged(const struct dk_history *history); /* and was set aside at open */

/* --- writing: row->seq is the seq of the event that ended the run --- */

/* The job's last run ended, or it was cancelled before it started. For array tasks that were
 * cancelled before they started: the array's row with array_task -1, array_ranges those tasks. */
void dk_history_ended(struct dk_history *history, const struct dk_job_row *row);

/* This run ended and the job went back to the queue: row->state says by what (NODE_FAIL, PREEMPTED,
 * REQUEUED...). Shown only when duplicates are asked for. */
void dk_history_requeued(struct dk_history *history, const struct dk_job_row *row);

/* StepStarted or StepEnded; other events are passed over. */
void dk_history_step(struct dk_history *history, const struct dk_event *event);

/* Everything up to `seq`, which ends a batch. After a failure (DK_FULL, DK_IO) nothing of it is
 * lost: commit again. */
enum dk_status dk_history_commit(struct dk_history *history, int64_t seq, struct dk_err *err);

/* Makes all commits durable, against loss of power too. */
enum dk_status dk_history_save(struct dk_history *history, struct dk_err *err);

/* --- asking --- */

/* Consistent with the live view when both are taken under the lock that the folder holds while it
 * applies and commits. Costs microseconds. */
struct dk_history_view *dk_history_view_open(struct dk_history *history);
void dk_history_view_close(struct dk_history_view *view);
int64_t dk_history_view_seq(const struct dk_history_view *view);

/* False: enough. The row is borrowed until it returns. */
typedef bool dk_history_visit(void *context, const struct dk_job_row *row);

/* Rows that dk_job_filter_accepts, by job id, runs of a job by seq. With filter->steps each is
 * followed by its steps (row->step is not empty): "batch", made of the job's own usage, for one
 * that has a script, then 0, 1... With filter->limit only the newest so many, still newest last.
 * `active` are rows of the live view, sorted by id, borrowed: those that pass the filter are merged
 * in. An id that history does not know is no error. DK_CORRUPT: what is kept cannot be read. */
enum dk_status dk_history_query(struct dk_history_view *view, const struct dk_job_filter *filter,
                                const struct dk_job_row *const *active, uint32_t active_count,
                                dk_history_visit *visit, void *context, struct dk_err *err);

struct dk_history_stat {
    uint64_t rows;       /* runs kept */
    uint64_t bytes_disk; /* of sorted files; the write-ahead log is at most 16 MiB more */
    uint64_t bytes_memory;
};
void dk_history_stat(struct dk_history *history, struct dk_history_stat *stat);

/* --- versions --- */

bool dk_history_is_current(const struct dk_history *history);

/* A new one beside an older that serves; goes on where an interrupted building was. */
enum dk_status dk_history_open_building(struct dk_history **out, const char *dir,
                                        struct dk_err *err);

/* Puts a building that has reached the same seq in the place of what `history` served, and
 * consumes it. Views that are open stay good. DK_INVALID: not the same seq, or not a building. On
 * failure the older one goes on serving, and `building` stays the caller's. */
enum dk_status dk_history_promote(struct dk_history *history, struct dk_history *building,
                                  struct dk_err *err);

/* Compacts everything; for benchmarks and for an operator. Takes a while. */
enum dk_status dk_history_compact(struct dk_history *history, struct dk_err *err);

#endif
