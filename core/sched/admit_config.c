/* admit_config.c - is this configuration acceptable? All of it, before any of it is a fact
 *
 * The first fault found is the one that is told: what is wrong, where, and what would be right.
 */
#include "sched/admit.h"
#include "sched/config.h"

#include <string.h>

#define BEAT_US_MIN (DK_SECOND_US / 10)
#define DAY_US ((int64_t)86400 * DK_SECOND_US)

void dk_check_between(struct dk_admission *admission, const char *what, int64_t value, int64_t min,
                      int64_t max)
{
    if (value < min || value > max)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "%s is %lld, not within %lld to %lld", what,
                  (long long)value, (long long)min, (long long)max);
}

/* Names go into lists, files and other people's programs. */
static bool name_plain(struct dk_text name)
{
    for (uint32_t i = 0; i < name.size; i++) {
        char c = name.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

void dk_check_name(struct dk_admission *admission, const char *what, struct dk_text name)
{
    if (name.size == 0)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "%s has no name", what);
    else if (!name_plain(name))
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "%s '%.*s': a name has letters, digits, '-', '_' and '.' only", what,
                  (int)name.size, name.data);
}

/* --- partitions and policy: also for the requests that set one of them --- */

static void check_of(struct dk_admission *admission, struct dk_text partition, const char *what,
                     int64_t value, int64_t max)
{
    if (value < 0 || value > max)
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "partition '%.*s': %s is %lld, not within 0 to %lld", (int)partition.size,
                  partition.data, what, (long long)value, (long long)max);
}

void dk_check_partition(struct dk_admission *admission, const struct dk_partition_spec *spec)
{
    dk_check_name(admission, "a partition", spec->name);
    check_of(admission, spec->name, "limit_us_max", spec->limit_us_max, DK_LIMIT_NONE_US);
    check_of(admission, spec->name, "limit_us_default", spec->limit_us_default,
             spec->limit_us_max > 0 ? spec->limit_us_max : DK_LIMIT_NONE_US);
    check_of(admission, spec->name, "nodes_max", spec->nodes_max, 16777216);
    check_of(admission, spec->name, "priority", spec->priority, 65535);
    check_of(admission, spec->name, "tier", spec->tier, 65535);
    for (uint32_t i = 0; i < spec->nodes_count && !admission->refused; i++)
        if (spec->nodes[i].size == 0)
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "partition '%.*s': node %u of its list has no name", (int)spec->name.size,
                      spec->name.data, i + 1);
}

void dk_check_policy(struct dk_admission *admission, const struct dk_policy_spec *spec)
{
    dk_check_between(admission, "depth", spec->depth, 0, INT32_MAX);
    dk_check_between(admission, "origin", spec->origin, 0, INT64_MAX / 2);
    dk_check_between(admission, "beat_timeout_us", spec->beat_timeout_us, 0, DK_LIMIT_NONE_US);
    dk_check_between(admission, "age_us_max", spec->age_us_max, 0, DK_LIMIT_NONE_US);
    dk_check_between(admission, "weight_age", spec->weight_age, 0, 1000000);
    dk_check_between(admission, "weight_size", spec->weight_size, 0, 1000000);
    dk_check_between(admission, "weight_partition", spec->weight_partition, 0, 1000000);
}

/* --- the parts of a configuration --- */

static const struct dk_partition_spec *partition_in(const struct dk_cluster_config *config,
                                                    struct dk_text name)
{
    for (uint32_t i = 0; i < config->partitions_count; i++)
        if (dk_text_equal(config->partitions[i].name, name))
            return &config->partitions[i];
    return NULL;
}

static void check_partitions(struct dk_admission *admission, const struct dk_cluster_config *config)
{
    const struct dk_partition_spec *first = NULL;

    for (uint32_t i = 0; i < config->partitions_count && !admission->refused; i++) {
        const struct dk_partition_spec *spec = &config->partitions[i];

        dk_check_partition(admission, spec);
        if (partition_in(config, spec->name) != spec)
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "partition '%.*s' is there twice: a name is for one partition",
                      (int)spec->name.size, spec->name.data);
        if (spec->is_default && first != NULL)
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "partitions '%.*s' and '%.*s' are both the default one: at most one can be",
                      (int)first->name.size, first->name.data, (int)spec->name.size,
                      spec->name.data);
        if (spec->is_default)
            first = spec;
    }
}

/* A partition that goes must be empty. */
static void check_removed(struct dk_admission *admission, const struct dk_cluster_config *config)
{
    const struct dk_core *core = admission->core;

    for (uint32_t i = 0; i < core->partition_count && !admission->refused; i++) {
        struct dk_text name = dk_intern_text(&core->texts, core->partitions[i].name);

        if (name.size > 0 && core->partitions[i].jobs > 0 && partition_in(config, name) == NULL)
            dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE,
                      "partition '%.*s' has %u jobs and is not in the new configuration: keep it "
                      "(state INACTIVE takes and starts none) until they have ended",
                      (int)name.size, name.data, core->partitions[i].jobs);
    }
}

/* With a list of nodes that may register, a partition of others would stay empty for ever. */
static void check_expected(struct dk_admission *admission, const struct dk_cluster_config *config)
{
    struct dk_arena *arena = &admission->out->arena;
    uint32_t count = config->nodes_expected_count;
    uint32_t *order = dk_arena_take(arena, (count + 1) * sizeof(*order));
    struct dk_text *sorted = dk_arena_take(arena, (count + 1) * sizeof(*sorted));

    for (uint32_t i = 0; i < count; i++)
        dk_check_name(admission, "a node of nodes_expected", config->nodes_expected[i]);
    if (count == 0 || admission->refused)
        return;
    dk_order_sort(config->nodes_expected, order, count, dk_texts_before);
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = config->nodes_expected[order[i]];
    for (uint32_t i = 0; i < config->partitions_count && !admission->refused; i++) {
        const struct dk_partition_spec *spec = &config->partitions[i];

        for (uint32_t k = 0; !spec->all_nodes && k < spec->nodes_count; k++)
            if (!dk_texts_have(sorted, count, spec->nodes[k])) {
                dk_refuse(admission, DK_REJECT_REASON_INVALID,
                          "partition '%.*s': node '%.*s' is not among nodes_expected",
                          (int)spec->name.size, spec->name.data, (int)spec->nodes[k].size,
                          spec->nodes[k].data);
                return;
            }
    }
}

static void check_limit_name(struct dk_admission *admission, const struct dk_cluster_config *config,
                             const struct dk_limit_spec *limit, const char *scope)
{
    bool named = limit->scope == DK_LIMIT_SCOPE_USER || limit->scope == DK_LIMIT_SCOPE_ACCOUNT ||
                 limit->scope == DK_LIMIT_SCOPE_PARTITION ||
                 limit->scope == DK_LIMIT_SCOPE_EACH_USER_IN_PARTITION;

    if (named && limit->name.size == 0)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "a limit of scope %s needs a name", scope);
    if (!named && limit->name.size > 0)
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "a limit of scope %s is for all and has no name, not '%.*s'", scope,
                  (int)limit->name.size, limit->name.data);
    if ((limit->scope == DK_LIMIT_SCOPE_PARTITION ||
         limit->scope == DK_LIMIT_SCOPE_EACH_USER_IN_PARTITION) &&
        partition_in(config, limit->name) == NULL)
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "a limit of scope %s: there is no partition '%.*s' in this configuration", scope,
                  (int)limit->name.size, limit->name.data);
}

static void check_limits(struct dk_admission *admission, const struct dk_cluster_config *config)
{
    uint32_t count = config->limits_count;
    uint32_t *order = dk_arena_take(&admission->out->arena, (count + 1) * sizeof(*order));

    for (uint32_t i = 0; i < count && !admission->refused; i++) {
        const struct dk_limit_spec *limit = &config->limits[i];
        const char *scope = dk_limit_scope_name(limit->scope);
        int64_t least = dk_min(dk_min(limit->jobs_active_max, limit->jobs_running_max),
                               dk_min(limit->cores_running_max, limit->gpus_running_max));

        check_limit_name(admission, config, limit, scope);
        least = dk_min(least, dk_min(limit->nodes_running_max, limit->memory_mib_running_max));
        if (least < 0)
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "a limit of scope %s '%.*s' has %lld: 0 is no limit, less is not possible",
                      scope, (int)limit->name.size, limit->name.data, (long long)least);
    }
    if (admission->refused)
        return;
    dk_order_sort(config->limits, order, count, dk_limits_before);
    for (uint32_t i = 1; i < count; i++) {
        const struct dk_limit_spec *limit = &config->limits[order[i]];

        if (dk_limit_compare(&config->limits[order[i - 1]], limit) == 0)
            dk_refuse(admission, DK_REJECT_REASON_INVALID,
                      "there are two limits of scope %s '%.*s': put them into one",
                      dk_limit_scope_name(limit->scope), (int)limit->name.size, limit->name.data);
    }
}

static void check_program(struct dk_admission *admission, const char *what, struct dk_text path)
{
    if (path.size > 0 && path.data[0] != '/')
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "%s '%.*s' is not an absolute path", what,
                  (int)path.size, path.data);
}

static void check_rest(struct dk_admission *admission, const struct dk_cluster_config *config)
{
    int64_t timeout = config->policy.beat_timeout_us;

    dk_check_name(admission, "the cluster", config->cluster);
    dk_check_between(admission, "kill_wait_us", config->kill_wait_us, 0, DAY_US);
    dk_check_between(admission, "ended_visible_us", config->ended_visible_us, 0, DK_LIMIT_NONE_US);
    dk_check_between(admission, "jobs_active_max", config->jobs_active_max, 0, INT32_MAX);
    dk_check_between(admission, "array_tasks_max", config->array_tasks_max, 0, DK_ARRAY_TASKS_MAX);
    dk_check_between(admission, "beat_us", config->beat_us, BEAT_US_MIN, DAY_US);
    if (timeout > 0 && config->beat_us > timeout / 2)
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "beat_timeout_us is %lld and beat_us %lld: a node needs time for two beats, or 0 "
                  "for no timeout",
                  (long long)timeout, (long long)config->beat_us);
    check_program(admission, "prolog", config->prolog);
    check_program(admission, "epilog", config->epilog);
    check_program(admission, "mail_program", config->mail_program);
    for (uint32_t i = 0; i < config->operators_count; i++)
        if (config->operators[i].size == 0)
            dk_refuse(admission, DK_REJECT_REASON_INVALID, "operator %u has no login name", i + 1);
}

void dk_admit_configuration(struct dk_admission *admission)
{
    const struct dk_apply_configuration *apply = &admission->request->apply_configuration;
    const struct dk_core *core = admission->core;
    struct dk_event *event;

    if (apply->replaces != 0 && apply->replaces != core->config.seq) {
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE,
                  "made from the configuration of seq %lld, and that of seq %lld is in force by "
                  "now: make it from that one",
                  (long long)apply->replaces, (long long)core->config.seq);
        return;
    }
    check_rest(admission, &apply->config);
    dk_check_policy(admission, &apply->config.policy);
    check_partitions(admission, &apply->config);
    check_removed(admission, &apply->config);
    check_expected(admission, &apply->config);
    check_limits(admission, &apply->config);
    if (admission->refused)
        return;
    event = dk_fact(admission, DK_EVENT_CONFIGURATION_APPLIED);
    event->configuration_applied.config = apply->config;
    event->configuration_applied.note = apply->note;
}
