/* squeue.h - what the files of squeue share */
#ifndef DK_CLI_SLURM_SQUEUE_H
#define DK_CLI_SLURM_SQUEUE_H

#include "cli/slurm/format_jobs.h"
#include "net/hostlist.h"

struct squeue {
    const char *accounts, *format, *format_long, *names, *nodes, *partitions, *qos, *sort, *states;
    const char *users, *clusters, *steps, *reservation, *licenses;
    struct dk_buf jobs; /* ids of all -j, joined by commas */
    uint32_t job_count;
    long iterate_s;
    bool has_jobs, has_steps, is_array, is_long, is_start, is_json, is_headless, is_me, is_raw;
    bool is_verbose, is_empty; /* a filter that no job passes */
    uint32_t state_set;        /* bit i: slurm_state_at(i) */
    struct dk_session session;
    struct dk_hostlist hosts;
    struct slurm_format columns;
    struct slurm_sort order;
};

extern const struct slurm_field squeue_job_fields[], squeue_step_fields[];
extern const size_t squeue_job_field_count, squeue_step_field_count;

/* --json: every job of the answer, in 22.05's shape (openapi v0.0.38). */
extern const uint64_t squeue_json_columns;
void squeue_json_job(struct dk_buf *out, const struct slurm_job *job);

/* In front of the options, which come over it. */
void squeue_from_environment(struct squeue *squeue);

/* The exit status, or -1: go on. */
int squeue_parse(struct squeue *squeue, int argc, char **argv);

/* How long the id at the start of `text` is (17, 17_3); 0: there is none. */
size_t squeue_job_id_size(const char *text);

/* Does %R show why, or the nodes? */
bool squeue_reason_is_shown(const struct slurm_job *job);

#endif
