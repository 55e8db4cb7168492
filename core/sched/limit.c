/* limit.c - usages and groups: kept up as jobs come, start, end and go (limit.h) */
#include "sched/limit.h"
#include "sched/state.h"

#include <string.h>

void dk_limits_init(struct dk_limits *limits, const struct dk_alloc *alloc)
{
    memset(limits, 0, sizeof(*limits));
    dk_table_init(&limits->usages_by_key, alloc);
    dk_table_init(&limits->groups_by_key, alloc);
    limits->usage_free = limits->group_free = DK_SLOT_NONE;
}

void dk_limits_release(struct dk_core *core)
{
    struct dk_limits *limits = &core->limits;

    for (uint32_t i = 1; i < limits->group_count; i++)
        if (limits->groups[i].holders > 0) {
            dk_intern_drop(&core->texts, limits->groups[i].user);
            dk_intern_drop(&core->texts, limits->groups[i].account);
        }
    dk_alloc_free(core->alloc, limits->usages, limits->usage_capacity * sizeof(*limits->usages));
    dk_alloc_free(core->alloc, limits->groups, limits->group_capacity * sizeof(*limits->groups));
    dk_table_release(&limits->usages_by_key);
    dk_table_release(&limits->groups_by_key);
    dk_limits_init(limits, core->alloc);
}

/* --- which limits hold --- */

static const struct dk_limit_spec *limit_find(const struct dk_core *core, enum dk_limit_scope scope,
                                              struct dk_text name)
{
    const struct dk_cluster_config *config = &core->config.spec;
    struct dk_limit_spec wanted = { .scope = scope, .name = name };
    uint32_t first = 0, limit = config->limits_count;

    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        int order = dk_limit_compare(&config->limits[middle], &wanted);

        if (order == 0)
            return &config->limits[middle];
        if (order < 0)
            first = middle + 1;
        else
            limit = middle;
    }
    return NULL;
}

static void most_set(struct dk_tally *usage, const struct dk_limit_spec *limit)
{
    struct dk_amounts most;

    if (limit == NULL)
        return;
    most.of[DK_RESOURCE_ACTIVE] = limit->jobs_active_max;
    most.of[DK_RESOURCE_JOBS] = limit->jobs_running_max;
    most.of[DK_RESOURCE_CORES] = limit->cores_running_max;
    most.of[DK_RESOURCE_GPUS] = limit->gpus_running_max;
    most.of[DK_RESOURCE_NODES] = limit->nodes_running_max;
    most.of[DK_RESOURCE_MEMORY] = limit->memory_mib_running_max;
    for (int i = 0; i < DK_RESOURCE_COUNT; i++)
        if (most.of[i] > 0) {
            usage->most.of[i] = most.of[i];
            usage->scope[i] = (uint8_t)limit->scope;
        }
}

/* What may such a usage have? The named limit after the one for each: it takes its place. */
static void usage_limits(const struct dk_core *core, enum dk_usage_kind kind, struct dk_text user,
                         struct dk_text account, struct dk_text partition, struct dk_tally *usage)
{
    struct dk_text none = { NULL, 0 };

    memset(usage, 0, sizeof(*usage));
    switch (kind) {
    case DK_USAGE_CLUSTER:
        most_set(usage, limit_find(core, DK_LIMIT_SCOPE_CLUSTER, none));
        break;
    case DK_USAGE_USER:
        most_set(usage, limit_find(core, DK_LIMIT_SCOPE_EACH_USER, none));
        most_set(usage, limit_find(core, DK_LIMIT_SCOPE_USER, user));
        break;
    case DK_USAGE_ACCOUNT:
        most_set(usage, limit_find(core, DK_LIMIT_SCOPE_EACH_ACCOUNT, none));
        most_set(usage, limit_find(core, DK_LIMIT_SCOPE_ACCOUNT, account));
        break;
    case DK_USAGE_PARTITION:
        most_set(usage, limit_find(core, DK_LIMIT_SCOPE_PARTITION, partition));
        break;
    case DK_USAGE_USER_IN_PARTITION:
        most_set(usage, limit_find(core, DK_LIMIT_SCOPE_EACH_USER_IN_PARTITION, partition));
        break;
    case DK_USAGE_KINDS:
        break;
    }
}

static bool usage_limited(const struct dk_tally *usage)
{
    for (int i = 0; i < DK_RESOURCE_COUNT; i++)
        if (usage->most.of[i] > 0)
            return true;
    return false;
}

/* --- usages: one for each that a limit is about --- */

/* Exact: texts have 32 bits, partitions fewer than 2^29 numbers. */
static uint64_t usage_key(enum dk_usage_kind kind, uint32_t user, uint32_t account,
                          uint32_t partition)
{
    uint64_t who = 0;

    if (kind == DK_USAGE_USER || kind == DK_USAGE_USER_IN_PARTITION)
        who = user;
    else if (kind == DK_USAGE_ACCOUNT)
        who = account;
    if (kind == DK_USAGE_PARTITION || kind == DK_USAGE_USER_IN_PARTITION)
        who |= (uint64_t)partition << 32;
    return (who << 3 | kind) + 1;
}

static uint32_t usage_hold(struct dk_core *core, enum dk_usage_kind kind,
                           const struct dk_group *group)
{
    struct dk_limits *limits = &core->limits;
    uint64_t key = usage_key(kind, group->user, group->account, group->partition);
    uint32_t index = dk_table_find(&limits->usages_by_key, key);
    struct dk_tally usage;

    if (index != DK_TABLE_NONE) {
        limits->usages[index].holders++;
        return index;
    }
    usage_limits(core, kind, dk_intern_text(&core->texts, group->user),
                 dk_intern_text(&core->texts, group->account),
                 dk_intern_text(&core->texts, core->partitions[group->partition].name), &usage);
    if (!usage_limited(&usage))
        return DK_SLOT_NONE;
    index = limits->usage_free;
    if (index != DK_SLOT_NONE) {
        limits->usage_free = limits->usages[index].free_next;
    } else {
        index = limits->usage_count++;
        limits->usages = dk_grow(core->alloc, limits->usages, &limits->usage_capacity, index + 1,
                                 sizeof(*limits->usages));
    }
    usage.holders = 1;
    usage.key = key;
    limits->usages[index] = usage;
    dk_table_put(&limits->usages_by_key, key, index);
    return index;
}

static void usage_drop(struct dk_limits *limits, uint32_t index)
{
    struct dk_tally *usage = &limits->usages[index];

    if (--usage->holders > 0)
        return;
    dk_table_remove(&limits->usages_by_key, usage->key);
    usage->free_next = limits->usage_free;
    limits->usage_free = index;
}

/* --- groups --- */

static bool group_is(const struct dk_group *group, uint32_t user, uint32_t account,
                     uint32_t partition)
{
    return group->user == user && group->account == account && group->partition == partition;
}

static uint32_t group_new(struct dk_core *core, uint64_t key, const struct dk_job *job)
{
    struct dk_limits *limits = &core->limits;
    uint32_t index = limits->group_free;
    struct dk_group *group;

    if (index != DK_SLOT_NONE) {
        limits->group_free = limits->groups[index].free_next;
    } else {
        index = limits->group_count++;
        limits->groups = dk_grow(core->alloc, limits->groups, &limits->group_capacity, index + 1,
                                 sizeof(*limits->groups));
    }
    group = &limits->groups[index];
    memset(group, 0, sizeof(*group));
    group->user = dk_intern_hold(&core->texts, dk_intern_text(&core->texts, job->user));
    group->account = dk_intern_hold(&core->texts, dk_intern_text(&core->texts, job->account));
    group->partition = job->partition;
    group->key = key;
    for (int kind = 0; kind < DK_USAGE_KINDS; kind++)
        group->usages[kind] =
            limits->kinds[kind] ? usage_hold(core, (enum dk_usage_kind)kind, group) : DK_SLOT_NONE;
    dk_table_put(&limits->groups_by_key, key, index);
    return index;
}

/* One whose neighbour of the same hash went is only not shared any more (as with demands). */
static uint32_t group_hold(struct dk_core *core, const struct dk_job *job)
{
    struct dk_limits *limits = &core->limits;
    uint32_t who[3] = { job->user, job->account, job->partition }, index;
    uint64_t key = dk_hash(DK_HASH_GROUP, who, sizeof(who)) | 1;

    while ((index = dk_table_find(&limits->groups_by_key, key)) != DK_TABLE_NONE &&
           !group_is(&limits->groups[index], job->user, job->account, job->partition))
        key += 2;
    if (index == DK_TABLE_NONE)
        index = group_new(core, key, job);
    limits->groups[index].holders++;
    return index;
}

static void group_drop(struct dk_core *core, uint32_t index)
{
    struct dk_limits *limits = &core->limits;
    struct dk_group *group = &limits->groups[index];

    if (--group->holders > 0)
        return;
    for (int kind = 0; kind < DK_USAGE_KINDS; kind++)
        if (group->usages[kind] != DK_SLOT_NONE)
            usage_drop(limits, group->usages[kind]);
    dk_table_remove(&limits->groups_by_key, group->key);
    dk_intern_drop(&core->texts, group->user);
    dk_intern_drop(&core->texts, group->account);
    group->free_next = limits->group_free;
    limits->group_free = index;
}

/* --- amounts --- */

struct dk_amounts dk_demand_amounts(const struct dk_demand *demand)
{
    int64_t nodes = demand->nodes > 0 ? demand->nodes : 1;
    struct dk_amounts amounts = { { 0 } };

    amounts.of[DK_RESOURCE_JOBS] = 1;
    amounts.of[DK_RESOURCE_CORES] = demand->cores_min;
    amounts.of[DK_RESOURCE_GPUS] =
        demand->gpus_per_node * nodes + (int64_t)demand->gpus_per_task * demand->tasks;
    amounts.of[DK_RESOURCE_NODES] = nodes;
    amounts.of[DK_RESOURCE_MEMORY] =
        demand->memory_per_node * nodes + (int64_t)demand->memory_per_cpu * demand->cores_min;
    return amounts;
}

struct dk_amounts dk_job_amounts(const struct dk_core *core, const struct dk_job *job)
{
    return dk_holding_amounts(core, dk_demand_of(core, job), &job->cores, &job->gpus);
}

static void running_move(struct dk_core *core, const struct dk_job *job, int sign)
{
    struct dk_amounts amounts;

    if (job->state != DK_JOB_RUNNING && job->state != DK_JOB_ENDING)
        return;
    amounts = dk_job_amounts(core, job);
    dk_limits_running(core, job->group, &amounts, sign);
}

static int64_t active_of(const struct dk_job *job)
{
    return job->array != NULL ? job->array->waiting : 1;
}

/* --- coming and going --- */

void dk_limits_join(struct dk_core *core, struct dk_job *job)
{
    job->group = group_hold(core, job);
    dk_limits_active(core, job->group, active_of(job));
    running_move(core, job, +1);
}

void dk_limits_leave(struct dk_core *core, struct dk_job *job)
{
    running_move(core, job, -1);
    dk_limits_active(core, job->group, -active_of(job));
    group_drop(core, job->group);
    job->group = 0;
}

void dk_limits_active(struct dk_core *core, uint32_t group, int64_t jobs)
{
    struct dk_limits *limits = &core->limits;

    for (int kind = 0; kind < DK_USAGE_KINDS; kind++)
        if (limits->groups[group].usages[kind] != DK_SLOT_NONE)
            limits->usages[limits->groups[group].usages[kind]].used.of[DK_RESOURCE_ACTIVE] += jobs;
}

void dk_limits_running(struct dk_core *core, uint32_t group, const struct dk_amounts *amounts,
                       int sign)
{
    struct dk_limits *limits = &core->limits;

    for (int kind = 0; kind < DK_USAGE_KINDS; kind++) {
        uint32_t index = limits->groups[group].usages[kind];

        for (int i = DK_RESOURCE_JOBS; index != DK_SLOT_NONE && i < DK_RESOURCE_COUNT; i++)
            limits->usages[index].used.of[i] += sign * amounts->of[i];
    }
}

static void kinds_set(struct dk_core *core)
{
    static const enum dk_usage_kind kinds[DK_LIMIT_SCOPE_COUNT] = {
        [DK_LIMIT_SCOPE_CLUSTER] = DK_USAGE_CLUSTER,
        [DK_LIMIT_SCOPE_USER] = DK_USAGE_USER,
        [DK_LIMIT_SCOPE_ACCOUNT] = DK_USAGE_ACCOUNT,
        [DK_LIMIT_SCOPE_EACH_USER] = DK_USAGE_USER,
        [DK_LIMIT_SCOPE_EACH_ACCOUNT] = DK_USAGE_ACCOUNT,
        [DK_LIMIT_SCOPE_PARTITION] = DK_USAGE_PARTITION,
        [DK_LIMIT_SCOPE_EACH_USER_IN_PARTITION] = DK_USAGE_USER_IN_PARTITION,
    };
    const struct dk_cluster_config *config = &core->config.spec;

    for (uint32_t i = 0; i < config->limits_count; i++) {
        core->limits.any = true;
        core->limits.kinds[kinds[config->limits[i].scope]] = true;
        core->limits.by_node = core->limits.by_node || config->limits[i].nodes_running_max > 0;
    }
}

void dk_limits_rebuild(struct dk_core *core)
{
    struct dk_limits *limits = &core->limits;
    bool before = limits->any;

    dk_limits_release(core);
    kinds_set(core);
    if (!limits->any && !before)
        return;
    if (limits->any) {
        limits->groups =
            dk_grow(core->alloc, NULL, &limits->group_capacity, 1, sizeof(*limits->groups));
        memset(limits->groups, 0, sizeof(*limits->groups));
        limits->group_count = 1;
    }
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        struct dk_job *job = dk_job_at(core, slot);

        job->group = 0;
        if (limits->any && job->state != DK_JOB_UNKNOWN)
            dk_limits_join(core, job);
    }
    dk_domains_dirty(core); /* what is in the queues names groups */
}

/* --- asking --- */

static bool usage_allows(const struct dk_tally *usage, const struct dk_amounts *more,
                         struct dk_over *over)
{
    for (int i = 0; i < DK_RESOURCE_COUNT; i++) {
        if (usage->most.of[i] == 0 || more->of[i] == 0 ||
            usage->used.of[i] + more->of[i] <= usage->most.of[i])
            continue;
        over->resource = (enum dk_resource)i;
        over->scope = (enum dk_limit_scope)usage->scope[i];
        over->most = usage->most.of[i];
        over->used = usage->used.of[i];
        over->asked = more->of[i];
        return false;
    }
    return true;
}

bool dk_limits_allow(const struct dk_core *core, uint32_t group, const struct dk_amounts *more,
                     struct dk_over *over)
{
    const struct dk_limits *limits = &core->limits;

    for (int kind = 0; kind < DK_USAGE_KINDS; kind++) {
        uint32_t index = limits->groups[group].usages[kind];

        if (index != DK_SLOT_NONE && !usage_allows(&limits->usages[index], more, over))
            return false;
    }
    return true;
}

bool dk_limits_admit(const struct dk_core *core, struct dk_text user, struct dk_text account,
                     uint32_t partition, int64_t jobs, struct dk_over *over)
{
    struct dk_text name = dk_intern_text(&core->texts, core->partitions[partition].name);
    uint32_t user_id = dk_intern_find(&core->texts, user);
    uint32_t account_id = dk_intern_find(&core->texts, account);
    struct dk_amounts more = { { [DK_RESOURCE_ACTIVE] = jobs } };

    for (int kind = 0; kind < DK_USAGE_KINDS; kind++) {
        struct dk_tally usage;
        uint32_t index;

        if (!core->limits.kinds[kind])
            continue;
        usage_limits(core, (enum dk_usage_kind)kind, user, account, name, &usage);
        index = dk_table_find(&core->limits.usages_by_key,
                              usage_key((enum dk_usage_kind)kind, user_id, account_id, partition));
        if (index != DK_TABLE_NONE)
            usage.used = core->limits.usages[index].used;
        if (!usage_allows(&usage, &more, over))
            return false;
    }
    return true;
}

const char *dk_over_reason(const struct dk_over *over)
{
    static const char *const names[][DK_RESOURCE_COUNT] = {
        { "AssocGrpSubmitJobsLimit", "AssocGrpJobsLimit", "AssocGrpCpuLimit", "AssocGrpGRES",
          "AssocGrpNodeLimit", "AssocGrpMemLimit" },
        { "AssocMaxSubmitJobLimit", "AssocMaxJobsLimit", "AssocGrpCpuLimit", "AssocGrpGRES",
          "AssocGrpNodeLimit", "AssocGrpMemLimit" },
        { "QOSMaxSubmitJobPerUserLimit", "QOSMaxJobsPerUserLimit", "QOSMaxCpuPerUserLimit",
          "QOSMaxGRESPerUser", "QOSMaxNodePerUserLimit", "QOSMaxMemoryPerUser" },
        { "MaxSubmitJobsPerAccount", "MaxJobsPerAccount", "MaxCpuPerAccount", "MaxGRESPerAccount",
          "MaxNodePerAccount", "MaxMemoryPerAccount" },
        { "QOSGrpSubmitJobsLimit", "QOSGrpJobsLimit", "QOSGrpCpuLimit", "QOSGrpGRES",
          "QOSGrpNodeLimit", "QOSGrpMemLimit" },
    };
    static const uint8_t rows[DK_LIMIT_SCOPE_COUNT] = {
        [DK_LIMIT_SCOPE_CLUSTER] = 0,
        [DK_LIMIT_SCOPE_ACCOUNT] = 0,
        [DK_LIMIT_SCOPE_USER] = 1,
        [DK_LIMIT_SCOPE_EACH_USER] = 2,
        [DK_LIMIT_SCOPE_EACH_ACCOUNT] = 3,
        [DK_LIMIT_SCOPE_PARTITION] = 4,
        [DK_LIMIT_SCOPE_EACH_USER_IN_PARTITION] = 2,
    };

    return names[rows[over->scope]][over->resource];
}

const char *dk_limits_reason(const struct dk_core *core, const struct dk_job *job)
{
    struct dk_amounts least;
    struct dk_over over;

    if (!core->limits.any)
        return NULL;
    least = dk_demand_amounts(dk_demand_of(core, job));
    return dk_limits_allow(core, job->group, &least, &over) ? NULL : dk_over_reason(&over);
}
