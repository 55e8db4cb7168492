/* reasons.h - what only the core knows of waiting jobs, from a follower beside the views
 *
 * One follower folds the same log, one question at a time under one lock. It is brought up to date
 * when somebody asks, and by a thread of its own before it falls far behind; that thread saves the
 * snapshots of the core too, so that the controller never stops for them. Reasons and priorities of
 * all that waits are worked out once for a seq and shared by who asks then.
 */
#ifndef DK_PROJECTIONS_REASONS_H
#define DK_PROJECTIONS_REASONS_H

#include "net/place.h"
#include "projections/explain.h"

struct dk_reasons;

enum dk_status dk_reasons_open(struct dk_reasons **out, const struct dk_place *place,
                               struct dk_err *err);
void dk_reasons_close(struct dk_reasons *reasons); /* NULL is fine */

/* The views are at `seq` now; costs nothing unless the follower is far behind. */
void dk_reasons_note(struct dk_reasons *reasons, int64_t seq);

/* Locks the follower, brought up to `seq` or later. The source is good until dk_reasons_unlock. */
enum dk_status dk_reasons_lock(struct dk_reasons *reasons, int64_t seq,
                               struct dk_explain_source *source, struct dk_err *err);
void dk_reasons_unlock(struct dk_reasons *reasons);

/* Reasons of all that waits at about `seq`, shared; for many jobs. */
struct dk_reason_map;
const struct dk_reason_map *dk_reasons_map(struct dk_reasons *reasons, int64_t seq);
void dk_reasons_map_release(struct dk_reasons *reasons, const struct dk_reason_map *map);
/* Forgets what is not of now, unless somebody is reading it. */
void dk_reasons_rest(struct dk_reasons *reasons);
/* NULL: it does not wait. *cursor, 0 at first, makes it cheap to ask for jobs in order of id. */
const struct dk_pending *dk_reason_of(const struct dk_reason_map *map, int64_t job,
                                      uint32_t *cursor);

/* Estimated starts of the first `count` that wait, shared while they are younger than two seconds:
 * working them out may take one. The long part holds no lock that other questions need. */
struct dk_start_map;
struct dk_planned {
    int64_t job, start; /* INT64_MAX: not known */
    struct dk_text nodes;
};
enum dk_status dk_reasons_starts(struct dk_reasons *reasons, int64_t seq, uint32_t count,
                                 const struct dk_start_map **map, struct dk_err *err);
void dk_reasons_starts_release(struct dk_reasons *reasons, const struct dk_start_map *map);
const struct dk_planned *dk_start_of(const struct dk_start_map *map, int64_t job); /* or NULL */

#endif
