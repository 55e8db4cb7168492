/* row_codec.h - a run of a job, and a step, as the bytes that history keeps
 *
 * The first byte says the format, so that rows written by an older docket stay readable beside
 * newer ones. Decoding trusts nothing: bytes that are no row are refused, and no more memory is
 * taken than such a row may need.
 *
 *     row   | format | texts and sizes that a user's jobs share | what differs: ids, times, usage |
 *     step  | record | record | ...     a start and an end, in any order; the later one of a kind
 *                                       counts, so that joining values joins steps
 */
#ifndef DK_PROJECTIONS_ROW_CODEC_H
#define DK_PROJECTIONS_ROW_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "projections/job_row.h"

#define DK_ROW_NODES_MAX (1u << 20)

/* Appends the row; `seq` and `id` are the key's and are not in it. What only a follower knows
 * (reason, priority, planned) is not kept. False: the buffer is full, nothing is appended. */
bool dk_row_encode(const struct dk_job_row *row, bool final, struct dk_buf *out);

/* Texts borrow from `data`, arrays and the spec live in `arena`. DK_CORRUPT: no row. */
enum dk_status dk_row_decode(const uint8_t *data, size_t size, struct dk_arena *arena,
                             struct dk_job_row *row, bool *final, struct dk_err *err);

/* Appends a record of StepStarted or StepEnded. */
bool dk_step_encode(const struct dk_event *event, struct dk_buf *out);

/* Fills in what is a step's own, over a copy of its job's row. */
enum dk_status dk_step_decode(const uint8_t *data, size_t size, struct dk_arena *arena,
                              struct dk_job_row *row, struct dk_err *err);

enum dk_row_state dk_row_state_of_end(enum dk_end_state state);

#endif
