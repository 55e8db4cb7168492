/* jobids.h - jobs as people name them
 *
 *     17          a job, or all of an array
 *     17_3        a task of an array
 *     17_[1-4,7]  some of its tasks; 17_[0-9:3] every third, as in the array's own description
 *     20-25       the jobs 20 to 25
 *
 * Several are joined by commas.
 */
#ifndef DK_CLI_JOBIDS_H
#define DK_CLI_JOBIDS_H

#include "base/arena.h"
#include "base/err.h"
#include "event/types.h"

struct cli_jobid {
    int64_t first, last; /* equal but for a range of jobs */
    const struct dk_index_range *tasks;
    uint32_t task_count; /* 0: the whole job */
    const char *text;    /* as it was written, without its neighbours */
};

struct cli_jobids {
    struct dk_arena arena; /* everything lives here */
    struct cli_jobid *items;
    uint32_t count, capacity;
};

void cli_jobids_init(struct cli_jobids *ids);
void cli_jobids_release(struct cli_jobids *ids);

/* Adds what `text` names. DK_INVALID: what is wrong, and what would be right. */
enum dk_status cli_jobids_add(struct cli_jobids *ids, const char *text, struct dk_err *err);

/* "1-4,7,10-20:2" into ranges in the arena. */
enum dk_status cli_ranges_parse(const char *text, size_t size, struct dk_arena *arena,
                                const struct dk_index_range **ranges, uint32_t *count,
                                struct dk_err *err);

#endif
