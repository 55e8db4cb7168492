/* people_config.c - what operators of a world put into a configuration: limits, before all */
#include "people.h"

#include <stdlib.h>
#include <string.h>

static const char *const users[] = { "ada", "bea", "cyd" };
static const char *const accounts[] = { "phys", "bio" };
static const char *const partition_names[] = { "batch", "urgent", "small" };
static const char *const expected[] = { "n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7" };

static uint64_t below(struct people *people, uint64_t limit)
{
    return dk_prng_below(&people->prng, limit);
}

/* Most of the time no limit, else a small one. */
static int64_t most(struct people *people, uint64_t limit)
{
    return below(people, 100) < 40 ? 1 + (int64_t)below(people, limit) : 0;
}

static struct dk_limit_spec limit_make(struct people *people, enum dk_limit_scope scope)
{
    struct dk_limit_spec limit = { .scope = scope };

    if (scope == DK_LIMIT_SCOPE_USER)
        limit.name = dk_text_of(users[below(people, 3)]);
    if (scope == DK_LIMIT_SCOPE_ACCOUNT)
        limit.name = dk_text_of(accounts[below(people, 2)]);
    if (scope == DK_LIMIT_SCOPE_PARTITION || scope == DK_LIMIT_SCOPE_EACH_USER_IN_PARTITION)
        limit.name = dk_text_of("batch");
    limit.jobs_active_max = (int32_t)most(people, 30);
    limit.jobs_running_max = (int32_t)most(people, 6);
    limit.cores_running_max = most(people, 16);
    limit.gpus_running_max = most(people, 4);
    limit.nodes_running_max = most(people, 8);
    limit.memory_mib_running_max = most(people, 8) * 1024;
    return limit;
}

/* The partitions that there are, as people.c makes them, and limits of some scopes. */
void people_configure(struct people *people, struct dk_cluster_config *config)
{
    struct dk_partition_spec *partitions =
        dk_arena_take(&people->borrowed, 3 * sizeof(*partitions));
    struct dk_limit_spec *limits =
        dk_arena_take(&people->borrowed, DK_LIMIT_SCOPE_COUNT * sizeof(*limits));
    struct dk_text *names = dk_arena_take(&people->borrowed, 8 * sizeof(*names));

    memset(partitions, 0, 3 * sizeof(*partitions));
    for (int i = 0; i < 8; i++)
        names[i] = dk_text_of(expected[i]);
    for (int i = 0; i < (people->several ? 3 : 1); i++) {
        partitions[i].name = dk_text_of(partition_names[i]);
        partitions[i].is_default = i == 0;
        partitions[i].all_nodes = i != 2;
        partitions[i].limit_us_max = INT64_C(3600000000);
        partitions[i].priority = i == 0 ? 100 : 60000;
        partitions[i].tier = i == 1;
        partitions[i].nodes = names;
        partitions[i].nodes_count = i == 2 ? (people->node_count < 2 ? people->node_count : 2) : 0;
    }
    config->cluster = dk_text_of("world");
    config->beat_us = 1000000;
    config->partitions = partitions;
    config->partitions_count = people->several ? 3 : 1;
    config->nodes_expected = names;
    config->nodes_expected_count = below(people, 2) == 0 ? 8 : 0;
    config->jobs_active_max = (int32_t)most(people, 60);
    config->limits = limits;
    for (int scope = 0; scope < DK_LIMIT_SCOPE_COUNT; scope++)
        if (below(people, 100) < 35)
            limits[config->limits_count++] = limit_make(people, (enum dk_limit_scope)scope);
}
