/* scontrol_config.h - the configuration as the keywords of scontrol read and change it */
#ifndef DK_CLI_SLURM_SCONTROL_CONFIG_H
#define DK_CLI_SLURM_SCONTROL_CONFIG_H

#include "cli/slurm/scontrol.h"

/* Texts live in the arena. *seq (may be NULL): which configuration it is, for `replaces`. False: it
 * has been said why not. */
bool scontrol_fetch_config(struct scontrol *scontrol, struct dk_cluster_config *config,
                           struct dk_arena *arena, int64_t *seq);

/* PartitionName=N NAME=VALUE...: the whole configuration with this partition changed. */
int scontrol_update_partition(struct scontrol *scontrol, int argc, char **argv);

#endif
