/* format_jobs.h - what the lists of jobs share: squeue's of the queue, sacct's of history
 *
 * One row is a struct slurm_job: a cursor over the cells of an answer, and how the user wants
 * times and sizes. Fields name a column of decision 0010 as their `argument`.
 */
#ifndef DK_CLI_SLURM_FORMAT_JOBS_H
#define DK_CLI_SLURM_FORMAT_JOBS_H

#include "cli/slurm/format.h"
#include "cli/slurm/times.h"

/* clang-format off */
#define SLURM_JOB_COLUMN_MAP(X)                                                                     \
    X(id) X(array_job) X(array_task) X(array_spec) X(array_max) X(name) X(user) X(uid) X(group)     \
    X(gid) X(account) X(partition) X(state) X(state_short) X(reason) X(priority) X(nice) X(submit)  \
    X(eligible) X(begin) X(start) X(end) X(limit) X(planned) X(planned_nodes) X(nodes) X(cores)     \
    X(tasks) X(cores_per_task) X(tasks_per_node) X(memory_per_node) X(memory_per_core) X(gpus)               \
    X(gpus_per_node) X(gpus_per_task) X(exclusive) X(requeue) X(constraint) X(dependency)           \
    X(nodes_wanted) X(nodes_excluded) X(node_list) X(batch_host) X(cores_per_node) X(exit_code)     \
    X(exit_signal) X(attempt) X(comment) X(work_dir) X(command) X(std_in) X(std_out) X(std_err)     \
    X(submit_host) X(ended_by) X(user_us) X(system_us) X(rss_max_kib) X(read_bytes)                 \
    X(written_bytes) X(step) X(elapsed)
/* clang-format on */

enum slurm_job_column {
#define X(name) JOB_##name,
    SLURM_JOB_COLUMN_MAP(X)
#undef X
        JOB_COLUMN_COUNT
};

#define JOB_BIT(name) ((uint64_t)1 << JOB_##name)
extern const char *const slurm_job_columns[64]; /* NULL beyond the last */

struct slurm_job {
    struct slurm_view view; /* first: a row of a view is a row of this */
    struct slurm_dates dates;
    int64_t now_us;
    bool is_raw;         /* --noconvert */
    char unit;           /* --units; 0: whatever suits */
    int32_t index_bytes; /* SLURM_BITSTR_LEN: of an array's indexes; 0: all */
};

void slurm_job_init(struct slurm_job *job);

static inline const char *slurm_job_text(const struct slurm_job *job, int column)
{
    return slurm_column(&job->view, column);
}

static inline int64_t slurm_job_number(const struct slurm_job *job, int column)
{
    return slurm_column_number(&job->view, column, 0);
}

/* A state in Slurm's order, long and short words. docket knows some of them only by name. */
struct slurm_state {
    const char *word, *letters;
    bool is_ours;
};
const struct slurm_state *slurm_state_find(const char *text, size_t size); /* NULL: no such state */
const struct slurm_state *slurm_state_at(int i); /* NULL beyond the last */

enum slurm_phase { SLURM_WAITS, SLURM_RUNS, SLURM_ENDED };
enum slurm_phase slurm_job_phase(const struct slurm_job *job); /* needs column state */

void slurm_add_job_id(struct dk_buf *out, const struct slurm_job *job); /* 17, 6_3, 6_[0-9%2] */
void slurm_add_index(struct dk_buf *out, const struct slurm_job *job);  /* 3, 0-9%2, or nothing */
int64_t slurm_job_memory(const struct slurm_job *job);                  /* MiB in all */
const char *slurm_job_reason(const struct slurm_job *job);              /* never empty */

/* `number` of `unit` (0 bytes, K, M ...) in the largest unit of at least one, or in the one that
 * the user chose. `is_exact`: only as far as no digit is lost. */
void slurm_add_size(struct dk_buf *out, const struct slurm_job *job, int64_t number, char unit,
                    bool is_exact);

/* cpu=2,mem=200M,node=2,billing=2; sorted by name for sacct. */
void slurm_add_tres(struct dk_buf *out, const struct slurm_job *job, bool is_sorted,
                    bool has_memory);

/* Cells: a column as it is, or the field's constant where it is empty; likewise a date. */
slurm_cell slurm_cell_text, slurm_cell_date, slurm_cell_flag;
/* Name of the group, by this machine if the cluster did not say; else its number. Reads group, gid.
 */
slurm_cell slurm_cell_group;
slurm_key slurm_key_column, slurm_key_number, slurm_key_number_or_zero, slurm_key_job;
slurm_key_text slurm_key_column_text;

#endif
