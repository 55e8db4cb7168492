/* follower.h - a core that reads along: recovery, reports, and looks into the past
 *
 * Begins with the newest core snapshot at or before a seq (or with nothing, at seq 1) and folds the
 * log from there: every checksum, the chain and the digests are checked on the way. It never
 * decides and never writes the log. A controller begins as one and takes its core over; the
 * projector keeps one beside its views for reasons, priorities and explanations, and lets it save
 * the snapshots, so that a controller need not stop for that. One thread at a time.
 */
#ifndef DK_CONTROLLER_FOLLOWER_H
#define DK_CONTROLLER_FOLLOWER_H

#include "batch/batch.h"

struct dk_follower;

/* `log_dir` is the folder of a file log, where its snapshots are; NULL: without snapshots. seq_max:
 * no snapshot after it is used; UINT64_MAX: the newest. DK_NOT_FOUND: no log there. */
enum dk_status dk_follower_open(struct dk_follower **out, const char *log_uri, const char *log_dir,
                                uint64_t seq_max, struct dk_err *err);
void dk_follower_close(struct dk_follower *follower); /* NULL is fine */

/* Folds whole batches as long as they end at or before seq_limit and not after time_limit (the
 * time of the batch's last event). DK_OK: the next batch is beyond a limit; DK_AGAIN: there is
 * none yet; else what is wrong with the log. */
enum dk_status dk_follower_advance(struct dk_follower *follower, uint64_t seq_limit,
                                   int64_t time_limit, struct dk_err *err);

/* Sleeps until there is more to read, as dk_log_reader_wait. */
enum dk_status dk_follower_wait(struct dk_follower *follower, int timeout_ms, struct dk_err *err);
int dk_follower_fd(const struct dk_follower *follower); /* dk_log_reader_fd */

/* From now on shows `see` each event that was folded, after its batch, as dk_fold_watch. */
void dk_follower_watch(struct dk_follower *follower,
                       void (*see)(void *context, const struct dk_event *event), void *context);

const struct dk_core *dk_follower_core(const struct dk_follower *follower);
uint64_t dk_follower_seq(const struct dk_follower *follower);   /* of the last event folded */
int64_t dk_follower_time(const struct dk_follower *follower);   /* its time */
uint32_t dk_follower_epoch(const struct dk_follower *follower); /* its epoch */
uint64_t
dk_follower_snapshot_seq(const struct dk_follower *follower); /* where it began, or saved */

/* The bytes of the last BatchClosed, which the next batch's chain begins with; NULL: none yet. */
const uint8_t *dk_follower_closed(const struct dk_follower *follower, uint32_t *size);

/* Saves the state as a snapshot beside the log, where so many of them are kept. */
#define DK_FOLLOWER_SNAPSHOTS_KEPT 4
enum dk_status dk_follower_snapshot(struct dk_follower *follower, struct dk_err *err);

/* The core becomes the caller's; the follower can only be closed then. */
struct dk_core *dk_follower_take(struct dk_follower *follower);

#endif
