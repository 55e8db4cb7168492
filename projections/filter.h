/* filter.h - which jobs a question is about: the parameters that /v1/jobs and /v1/history share
 *
 * Lists are joined by commas; a job passes when it matches every list that was given. For what each
 * parameter takes see decision 0010. History reads `users`, `states` and the other lists to choose
 * an index.
 */
#ifndef DK_PROJECTIONS_FILTER_H
#define DK_PROJECTIONS_FILTER_H

#include "base/arena.h"
#include "base/err.h"
#include "projections/job_row.h"

struct dk_job_id_wanted {
    int64_t job;         /* a job, an array or a task's own id */
    int32_t first, last; /* array tasks meant, inclusive; first -1: all and the job itself */
};

struct dk_job_filter {
    struct dk_job_id_wanted *ids;
    const char **users; /* names or uids as text */
    const char **accounts, **partitions, **names, **nodes;
    uint32_t id_count, user_count, account_count, partition_count, name_count, node_count;
    uint32_t states;      /* bit (1 << enum dk_row_state); 0: not given */
    bool all_states;      /* state=all */
    int64_t since, until; /* active at some time in [since, until); 0: open */
    bool tasks, steps, duplicates;
    uint32_t limit; /* 0: none */
};

/* One parameter; false: the name is not one of a filter's. *status says whether its value was
 * good. What it keeps lives in `arena`. */
bool dk_job_filter_take(struct dk_job_filter *filter, const char *name, const char *value,
                        struct dk_arena *arena, enum dk_status *status, struct dk_err *err);

bool dk_job_filter_accepts(const struct dk_job_filter *filter, const struct dk_job_row *row);

/* "YYYY-MM-DD[THH:MM[:SS]]" in the local time zone, or microseconds since 1970. False: neither. */
bool dk_time_parse(const char *text, int64_t *time);

#endif
