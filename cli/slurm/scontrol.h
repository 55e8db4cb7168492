/* scontrol.h - what the keywords of scontrol share
 *
 * scontrol.c has the keywords; scontrol_show.c the entities of show; scontrol_job.c,
 * scontrol_site.c and scontrol_config.c print their records; scontrol_act.c does things to jobs,
 * scontrol_update.c changes jobs, nodes and partitions.
 */
#ifndef DK_CLI_SLURM_SCONTROL_H
#define DK_CLI_SLURM_SCONTROL_H

#include "cli/slurm/slurm.h"

struct scontrol {
    struct dk_session session;
    bool has_session;
    int details; /* -d, -dd */
    bool is_oneline, is_quiet, is_over;
    const char *clusters;
};

/* What follows the keyword; returns the exit status. */
typedef int scontrol_keyword(struct scontrol *scontrol, int argc, char **argv);

/* A row of keywords or entities: any abbreviation of at least `least` letters, case ignored. */
struct scontrol_word {
    const char *name; /* NULL ends a table */
    size_t least;
    int operands_min, operands_max;
    scontrol_keyword *run; /* NULL: docket refuses it */
    const char *why;       /* and this is what would be right */
};
const struct scontrol_word *scontrol_find(const struct scontrol_word *words, const char *text);

scontrol_keyword scontrol_show, scontrol_update;
scontrol_keyword scontrol_show_job, scontrol_show_node, scontrol_show_partition,
    scontrol_show_config, scontrol_ping;
scontrol_keyword scontrol_hold, scontrol_release, scontrol_requeue, scontrol_requeue_hold,
    scontrol_wait_job, scontrol_write, scontrol_completing;

/* "scontrol: error: ..." */
int scontrol_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "--NAME is not supported by docket: WHY" */
int scontrol_refuse(const char *what, const char *why);

/* Connects, once. False: it has been said why not. `call` is what Slurm names in such a message:
 * "slurm_load_jobs". */
bool scontrol_connect(struct scontrol *scontrol, const char *call);
int scontrol_failed(const char *call, const struct dk_err *err); /* "CALL error: REASON" */

/* Rows of a question, which is released here; false: it has been said why not. *rows is the
 * caller's to release in any case. */
bool scontrol_ask(struct scontrol *scontrol, const char *call, struct dk_question *question,
                  const char *fields, struct dk_rows *rows);

/* One request; the outcome, or false when it has been said why there is none. */
bool scontrol_send(struct scontrol *scontrol, const char *call, struct dk_request *request,
                   struct dk_outcome *outcome);

/* --- records of show --- */

void scontrol_add(struct dk_buf *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void scontrol_print(const struct dk_buf *out); /* on the standard output */
void scontrol_add_line(const struct scontrol *scontrol, struct dk_buf *out); /* between lines */
const char *scontrol_or_null(const char *text);          /* "(null)" for an empty one */
void scontrol_add_size(struct dk_buf *out, int64_t mib); /* 100M, 2G: as far as it is exact */

/* --- job ids in lists --- */

/* Calls `each` for every job that the words name: "17", "17,18", "17_3", "name=x". -1 as task: the
 * whole job. Returns the worst exit status. `text` is as it was written. */
struct scontrol_job {
    int64_t job, task;
    const char *text;
};
typedef int scontrol_job_visit(struct scontrol *scontrol, const struct scontrol_job *job,
                               void *context);
int scontrol_each_job(struct scontrol *scontrol, int argc, char **argv, scontrol_job_visit *each,
                      void *context);

/* The id of its own that a task of an array has once it has started; 0: it has none (said). */
int64_t scontrol_task_job(struct scontrol *scontrol, const struct scontrol_job *job);

#endif
