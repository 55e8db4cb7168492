/* sacct.h - accounting, as sacct lists it: what its files share
 *
 * One row is a struct slurm_job of /v1/history: a job, or a step of one (column step is filled).
 * Fields are found by name, any case; cells are cut with a '+' at the width, and every column ends
 * in a blank, as Slurm has it. */
#ifndef DK_CLI_SLURM_SACCT_H
#define DK_CLI_SLURM_SACCT_H

#include "cli/slurm/format_jobs.h"
#include "net/hostlist.h"

struct sacct_field {
    struct slurm_field field; /* name is the heading, too; its flags are those below */
    int width;                /* negative: aligned to the left */
};

enum { SACCT_JOB = 1, SACCT_STEP = 2 }; /* cells of rows of this kind only */

extern const struct sacct_field sacct_fields[];
extern const size_t sacct_field_count;

struct sacct_item {
    const struct sacct_field *field;
    int width;
};

/* A part of -j: 17, 17_3, 17.batch, 17_3.0 */
struct sacct_selection {
    char id[40], step[32]; /* step "": the job and all its steps */
};

struct sacct_range {
    int64_t least, most;
    bool is_given;
};

enum { SACCT_ITEM_MAX = 256 };

struct sacct {
    const char *accounts, *clusters, *constraints, *delimiter, *format, *groups, *names, *nodes;
    const char *partitions, *qos, *states, *since_text, *until_text, *users, *what; /* -B */
    struct sacct_range node_range, core_range, limit_range;
    bool is_all_users, is_jobs_only, is_brief, is_duplicates, is_headless, is_json, is_long;
    bool is_parsable, is_parsable2, is_raw, is_truncated, is_verbose, is_empty;
    char unit;
    struct dk_buf jobs; /* ids of all -j, joined by commas */
    struct sacct_selection *selections;
    uint32_t selection_count, selection_capacity;
    int64_t now_us, since, until; /* until is now when nothing was said */
    uint32_t state_set;           /* bit i: slurm_state_at(i); 0: all */
    struct sacct_item items[SACCT_ITEM_MAX];
    uint32_t item_count;
    uint64_t columns;
    char cluster[128];
    struct dk_session session;
    struct dk_hostlist hosts;
};

void sacct_from_environment(struct sacct *sacct);
int sacct_parse(struct sacct *sacct, int argc, char **argv); /* exit status, or -1: go on */

/* "JobID%20,State%-10"; returns -1, or the exit status after a message. */
int sacct_choose_fields(struct sacct *sacct, const char *list);
void sacct_list_fields(void); /* -e */

/* The row that cells are written of. */
struct sacct_row {
    struct slurm_job job; /* first: cells of format_jobs.h take it for theirs */
    const struct sacct *sacct;
};

static inline bool sacct_is_step(const struct slurm_job *job)
{
    return *slurm_job_text(job, JOB_step) != '\0';
}

int64_t sacct_start(const struct sacct_row *row); /* 0: unknown; cut to the window by -T */
int64_t sacct_end(const struct sacct_row *row);
int64_t sacct_elapsed_s(const struct sacct_row *row);

extern const uint64_t sacct_json_columns;
/* A job's row opens an object, a step's is put into it; the last has to be closed. */
struct sacct_json {
    bool is_open, has_step, has_job;
};
void sacct_json_row(struct dk_buf *out, const struct sacct_row *row, struct sacct_json *json);
void sacct_json_close(struct dk_buf *out, struct sacct_json *json);

#endif
