/* history_index.h - which jobs a filter may mean, by the indexes: a superset, in buckets of ids */
#ifndef DK_PROJECTIONS_HISTORY_INDEX_H
#define DK_PROJECTIONS_HISTORY_INDEX_H

#include "projections/history_inside.h"
#include "projections/posting.h"

struct dk_candidate {
    uint64_t bucket;
    struct dk_bucket ids;
};

struct dk_candidates {
    bool all; /* the filter names nothing that there is an index for */
    struct dk_candidate *items;
    size_t count, capacity; /* ascending by bucket */
};

/* DK_CORRUPT, DK_IO: the store's. Released in any case. */
enum dk_status dk_candidates_find(struct dk_candidates *candidates, struct dk_history_view *view,
                                  const struct dk_job_filter *filter, struct dk_err *err);
void dk_candidates_release(struct dk_candidates *candidates);

#endif
