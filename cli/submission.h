/* submission.h - a job as it is asked for: by options, by the script's #SBATCH lines, by SBATCH_*
 * variables
 *
 * Shared by `docket submit`, `docket run` and `sbatch`, which differ in how they speak. What one
 * may say is a table (submission_options.c): each option is implemented, or has no effect on docket
 * by its nature (and the table says why), or is refused by name. The command line goes before the
 * environment, that before the script.
 *
 * dk_submission_read makes the whole request of all that and asks nobody: what it needs of the
 * world comes in by struct dk_surroundings. submission_send.h talks to the cluster.
 *
 * Texts of *err are Slurm's where Slurm has one; several lines are divided by newlines.
 */
#ifndef DK_CLI_SUBMISSION_H
#define DK_CLI_SUBMISSION_H

#include "base/arena.h"
#include "base/err.h"
#include "event/request.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct dk_surroundings {
    char **environment;    /* NAME=value, ended by NULL */
    const char *directory; /* absolute */
    const char *host;
    int64_t now_us;
    int32_t umask;
    int stdin_fd; /* a script may come from there */
};

/* What was asked for, before it is put together. -1 or NULL: not said. */
struct dk_asked {
    const char *account, *comment, *job_name, *partition;
    const char *array, *dependency, *constraint, *nodelist, *nodefile, *exclude;
    const char *std_in, *std_out, *std_err, *work_dir, *wrap;
    const char *export_names, *export_file, *mail_user;
    const char *distribution, *hint; /* for srun inside the job, by its environment */
    const char *gpu_type;
    int32_t nodes_min, nodes_max, tasks, cpus_per_task, tasks_per_node;
    int32_t gpus, gpus_per_node, gpus_per_task, cpus_per_gpu, tasks_per_gpu;
    int64_t memory_per_node, memory_per_cpu, memory_per_gpu; /* MiB */
    int64_t limit_us, begin_us;
    int32_t nice, signal, mail_events;
    int64_t signal_before_us;
    bool signal_batch, append;
    bool exclusive, hold, no_requeue, kill_on_invalid_dependency;
};

/* A dependency on one task of an array: its own job id has to be looked up. */
struct dk_task_dependency {
    uint32_t index; /* in request.submit_job.spec.dependencies */
    int32_t task;
};

struct dk_submission {
    struct dk_arena arena; /* everything lives here */
    const struct dk_surroundings *around;
    const char *program; /* "sbatch" */
    bool is_docket;      /* docket's own options are known, too */
    bool is_command;     /* operands are a command and its arguments, not a script and its */
    struct dk_asked asked;
    int source; /* of the option being set: enum dk_source */
    int memory_source, gpus_source;

    /* for the client itself */
    bool is_parsable, is_quiet, is_waiting, is_test, is_json;
    bool wants_help, wants_usage, wants_version;
    int verbose;
    const char *clusters, *dir, *key;

    /* what became of it */
    struct dk_request request;
    struct dk_dependency *dependencies; /* the spec's, to be completed by dk_submission_send */
    struct dk_task_dependency *task_dependencies;
    uint32_t task_dependencies_count;
    char warning[160]; /* for the standard error; empty: none */
    int exit_status;   /* that goes with a failure, as Slurm has it */
    bool is_usage;     /* the failure is getopt's: no "error:" before it, a hint after it */
};

enum dk_source { DK_SOURCE_SCRIPT = 1, DK_SOURCE_ENVIRONMENT, DK_SOURCE_LINE };

void dk_submission_init(struct dk_submission *submission, const struct dk_surroundings *around,
                        const char *program);
void dk_submission_release(struct dk_submission *submission);

/* argv[0] is skipped. DK_OK with wants_help and the like set: nothing else has been read. */
enum dk_status dk_submission_read(struct dk_submission *submission, int argc, char **argv,
                                  struct dk_err *err);

/* --- parts of the above, for its own files and for tests --- */

char *dk_submission_copy(struct dk_submission *submission, const char *text, size_t size);

/* "--NAME is not supported by docket: WHY" */
enum dk_status dk_submission_unsupported(struct dk_submission *submission, const char *name,
                                         const char *why, struct dk_err *err);

/* submission_options.c: one option's value, as it came from submission->source. */
enum dk_status dk_submission_set(struct dk_submission *submission, int option, const char *value,
                                 struct dk_err *err);
enum dk_status dk_submission_set_by_environment(struct dk_submission *submission,
                                                struct dk_err *err);
/* What has to be known before the script is read: --wrap, --help... */
bool dk_submission_is_early(int option);
struct slurm_option;
const struct slurm_option *dk_submission_options(const struct dk_submission *submission);
void dk_submission_print_help(const struct dk_submission *submission, FILE *file);

/* submission_script.c: the script's bytes, and the options in it. */
enum dk_status dk_script_read(struct dk_submission *submission, const char *path,
                              struct dk_bytes *script, const char **command, struct dk_err *err);
enum dk_status dk_script_check(struct dk_submission *submission, struct dk_bytes script,
                               struct dk_err *err);
enum dk_status dk_script_options(struct dk_submission *submission, struct dk_bytes script,
                                 const char *name, struct dk_err *err);

/* submission_environment.c: what the job finds in its environment. */
enum dk_status dk_submission_environment(struct dk_submission *submission, struct dk_bytes *out,
                                         struct dk_err *err);

/* submission_size.c: nodes, tasks, memory, GPUs as docket has them. */
enum dk_status dk_submission_size(struct dk_submission *submission, struct dk_job_spec *spec,
                                  struct dk_err *err);

#endif
