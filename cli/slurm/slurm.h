/* slurm.h - docket called by a Slurm name: the commands, and what all of them say alike
 *
 * `docket` looks at the name it was called by (build/X/slurm/sbatch is a link to it). A command
 * here speaks Slurm 22.05: its options, formats, messages and exit statuses; what of it programs
 * rely on is in the manual of each. A command is a row in slurm.c and a function in a file of its
 * name.
 *
 * An option that Slurm has is implemented, or taken without effect where docket has nothing that it
 * could change (its table says why), or refused by name. Nothing is ignored in silence.
 */
#ifndef DK_CLI_SLURM_SLURM_H
#define DK_CLI_SLURM_SLURM_H

#include "base/err.h"
#include "cli/ask.h"

/* argv[0] is the name it was called by; returns the exit status. */
typedef int slurm_command(int argc, char **argv);

/* `name` may be a path; NULL: none of ours. */
slurm_command *slurm_find(const char *name);

int slurm_sbatch(int argc, char **argv);
int slurm_scancel(int argc, char **argv);
int slurm_scontrol(int argc, char **argv);
int slurm_sacct(int argc, char **argv);
int slurm_sinfo(int argc, char **argv);
int slurm_sdiag(int argc, char **argv);
int slurm_sprio(int argc, char **argv);
int slurm_squeue(int argc, char **argv);

/* "NAME: error: TEXT" on the standard error, as Slurm's own log functions print it; returns 1. */
int slurm_error(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* -V: the release whose face this is, in the form that programs take apart. */
int slurm_print_version(void);

/* What Slurm would say of a failed conversation ("Unable to contact slurm controller (connect
 * failure)"), else the text of *err. */
const char *slurm_reason(const struct dk_err *err);

/* Of a request that was refused: Slurm's words for it where it has some that say the same, else
 * docket's detail. What a command wraps around it differs. */
const char *slurm_refusal(const struct dk_outcome *outcome);

/* The name of the cluster that is asked; "docket" when it has none. */
enum { SLURM_CLUSTER_SIZE = 128 };
enum dk_status slurm_cluster_name(struct dk_session *session, char name[SLURM_CLUSTER_SIZE],
                                  struct dk_err *err);

/* -M/--clusters: fine when it names the cluster that is asked, or `all`. */
enum dk_status slurm_check_cluster(struct dk_session *session, const char *names,
                                   struct dk_err *err);

#endif
