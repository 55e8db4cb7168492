/* config.h - the configuration that a new log begins with
 *
 * Embedded use needs no file: one partition `main` of all nodes, first come first served with EASY
 * backfill, limits enforced, a node silent for five beats is lost. `docket config show` prints it.
 */
#ifndef DK_CONTROLLER_CONFIG_H
#define DK_CONTROLLER_CONFIG_H

#include "sched/core.h"

/* `now` becomes the policy's origin. Texts are constant or the core's; *config points to
 * *partition. */
void dk_config_default(const struct dk_core *core, int64_t now, struct dk_cluster_config *config,
                       struct dk_partition_spec *partition);

#endif
