/* config.c - the configuration that a new log begins with (config.h) */
#include "controller/config.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US (86400 * SECOND_US)

enum { WEIGHT = 1000, BEATS_MISSED = 5 };

void dk_config_default(const struct dk_core *core, int64_t now, struct dk_cluster_config *config,
                       struct dk_partition_spec *partition)
{
    *config = *dk_core_settings(core);
    *partition = (struct dk_partition_spec){
        .name = dk_text_of("main"),
        .all_nodes = true,
        .is_default = true,
        .state = DK_PARTITION_STATE_UP,
    };
    config->cluster = dk_text_of("docket");
    config->partitions = partition;
    config->partitions_count = 1;
    config->policy = (struct dk_policy_spec){
        .policy = DK_POLICY_FCFS,
        .backfill = DK_BACKFILL_EASY,
        .enforce_limits = true,
        .beat_timeout_us = BEATS_MISSED * config->beat_us,
        .age_us_max = 7 * DAY_US,
        .weight_age = WEIGHT,
        .weight_size = WEIGHT,
        .weight_partition = WEIGHT,
        .origin = now,
    };
}
