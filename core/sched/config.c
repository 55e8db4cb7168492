/* config.c - the configuration: taken on as one, kept, hashed, and shown */
#include "sched/config.h"
#include "sched/state.h"

#include <string.h>

/* --- lists in order --- */

static int text_compare(struct dk_text a, struct dk_text b)
{
    uint32_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

int dk_limit_compare(const struct dk_limit_spec *a, const struct dk_limit_spec *b)
{
    if (a->scope != b->scope)
        return a->scope < b->scope ? -1 : 1;
    return text_compare(a->name, b->name);
}

bool dk_texts_before(const void *items, uint32_t a, uint32_t b)
{
    const struct dk_text *texts = items;
    int order = text_compare(texts[a], texts[b]);

    return order != 0 ? order < 0 : a < b;
}

bool dk_limits_before(const void *items, uint32_t a, uint32_t b)
{
    const struct dk_limit_spec *limits = items;
    int order = dk_limit_compare(&limits[a], &limits[b]);

    return order != 0 ? order < 0 : a < b;
}

static void sift_down(const void *items, uint32_t *order, uint32_t root, uint32_t end,
                      dk_order_before *before)
{
    uint32_t value = order[root];

    while (root * 2 + 1 < end) {
        uint32_t child = root * 2 + 1;

        if (child + 1 < end && before(items, order[child], order[child + 1]))
            child++;
        if (!before(items, value, order[child]))
            break;
        order[root] = order[child];
        root = child;
    }
    order[root] = value;
}

void dk_order_sort(const void *items, uint32_t *order, uint32_t count, dk_order_before *before)
{
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(items, order, i, count, before);
    for (uint32_t end = count; end > 1; end--) {
        uint32_t last = order[end - 1];

        order[end - 1] = order[0];
        order[0] = last;
        sift_down(items, order, 0, end - 1, before);
    }
}

bool dk_texts_have(const struct dk_text *texts, uint32_t count, struct dk_text text)
{
    uint32_t first = 0, limit = count;

    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        int order = text_compare(texts[middle], text);

        if (order == 0)
            return true;
        if (order < 0)
            first = middle + 1;
        else
            limit = middle;
    }
    return false;
}

/* --- keeping --- */

static void defaults_set(struct dk_cluster_config *spec)
{
    memset(spec, 0, sizeof(*spec));
    spec->kill_wait_us = 30 * DK_SECOND_US;
    spec->ended_visible_us = 300 * DK_SECOND_US;
    spec->beat_us = 5 * DK_SECOND_US;
}

void dk_config_init(struct dk_config *config, const struct dk_alloc *alloc)
{
    memset(config, 0, sizeof(*config));
    dk_arena_init(&config->arena, alloc);
    defaults_set(&config->spec);
}

void dk_config_release(struct dk_config *config)
{
    dk_arena_release(&config->arena);
}

static struct dk_text text_keep(struct dk_arena *arena, struct dk_text text)
{
    char *copy;

    if (text.size == 0)
        return (struct dk_text){ NULL, 0 };
    copy = dk_arena_take(arena, text.size);
    memcpy(copy, text.data, text.size);
    return (struct dk_text){ copy, text.size };
}

/* Sorted, and each once. */
static struct dk_text *texts_keep(struct dk_arena *arena, const struct dk_text *texts,
                                  uint32_t *count)
{
    struct dk_text *copy = dk_arena_take(arena, (*count + 1) * sizeof(*copy));
    uint32_t *order = dk_arena_take(arena, (*count + 1) * sizeof(*order)), kept = 0;

    dk_order_sort(texts, order, *count, dk_texts_before);
    for (uint32_t i = 0; i < *count; i++)
        if (kept == 0 || !dk_text_equal(copy[kept - 1], texts[order[i]]))
            copy[kept++] = text_keep(arena, texts[order[i]]);
    *count = kept;
    return copy;
}

static struct dk_limit_spec *limits_keep(struct dk_arena *arena, const struct dk_limit_spec *limits,
                                         uint32_t count)
{
    struct dk_limit_spec *copy = dk_arena_take(arena, (count + 1) * sizeof(*copy));
    uint32_t *order = dk_arena_take(arena, (count + 1) * sizeof(*order));

    dk_order_sort(limits, order, count, dk_limits_before);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = limits[order[i]];
        copy[i].name = text_keep(arena, copy[i].name);
    }
    return copy;
}

void dk_config_keep(struct dk_config *config, const struct dk_cluster_config *spec, int64_t seq)
{
    struct dk_cluster_config *kept = &config->spec;
    struct dk_arena arena; /* the old one holds what spec may point to */

    dk_arena_init(&arena, config->arena.alloc);
    *kept = *spec;
    kept->partitions = NULL;
    kept->partitions_count = 0;
    memset(&kept->policy, 0, sizeof(kept->policy));
    kept->cluster = text_keep(&arena, spec->cluster);
    kept->prolog = text_keep(&arena, spec->prolog);
    kept->epilog = text_keep(&arena, spec->epilog);
    kept->mail_program = text_keep(&arena, spec->mail_program);
    kept->nodes_expected = texts_keep(&arena, spec->nodes_expected, &kept->nodes_expected_count);
    kept->operators = texts_keep(&arena, spec->operators, &kept->operators_count);
    kept->limits = limits_keep(&arena, spec->limits, spec->limits_count);
    dk_arena_release(&config->arena);
    config->arena = arena;
    config->seq = seq;
    config->hash = dk_config_hash(config);
}

/* --- the digest --- */

static uint64_t texts_hash(uint64_t sum, const struct dk_text *texts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sum = sum * 31 + dk_hash(DK_HASH_TEXT, texts[i].data, texts[i].size);
    return sum * 31 + count;
}

uint64_t dk_config_hash(const struct dk_config *config)
{
    const struct dk_cluster_config *spec = &config->spec;
    const struct dk_text texts[4] = { spec->cluster, spec->prolog, spec->epilog,
                                      spec->mail_program };
    int64_t part[10] = { config->seq,           spec->kill_wait_us,    spec->ended_visible_us,
                         spec->jobs_active_max, spec->array_tasks_max, spec->beat_us };

    part[6] = (int64_t)texts_hash(0, texts, 4);
    part[7] = (int64_t)texts_hash(1, spec->nodes_expected, spec->nodes_expected_count);
    part[8] = (int64_t)texts_hash(2, spec->operators, spec->operators_count);
    for (uint32_t i = 0; i < spec->limits_count; i++) {
        const struct dk_limit_spec *limit = &spec->limits[i];
        int64_t numbers[8] = { (int64_t)limit->scope,        limit->jobs_active_max,
                               limit->jobs_running_max,      limit->cores_running_max,
                               limit->gpus_running_max,      limit->nodes_running_max,
                               limit->memory_mib_running_max };

        numbers[7] = (int64_t)texts_hash(3, &limit->name, 1);
        part[9] = (int64_t)((uint64_t)part[9] + dk_hash(DK_HASH_CONFIG, numbers, sizeof(numbers)));
    }
    return dk_hash(DK_HASH_CONFIG, part, sizeof(part));
}

/* --- taking it on --- */

static bool spec_has(const struct dk_cluster_config *spec, struct dk_text name)
{
    for (uint32_t i = 0; i < spec->partitions_count; i++)
        if (dk_text_equal(spec->partitions[i].name, name))
            return true;
    return false;
}

static void partitions_apply(struct dk_core *core, const struct dk_cluster_config *spec)
{
    for (uint32_t i = 0; i < core->partition_count; i++) {
        struct dk_text name = dk_intern_text(&core->texts, core->partitions[i].name);

        if (core->partitions[i].name != 0 && !spec_has(spec, name))
            dk_partition_remove(core, name);
    }
    for (uint32_t i = 0; i < spec->partitions_count; i++)
        dk_partition_configure(core, &spec->partitions[i]);
}

/* Keys of waiting jobs follow from policy and partitions, and whether they wait from the latter. */
static void jobs_settle(struct dk_core *core)
{
    dk_queues_rebuild(core);
    for (uint32_t slot = 0; slot < core->job_limit; slot++)
        if (dk_job_at(core, slot)->state == DK_JOB_PENDING) {
            dk_queue_settle(core, slot);
            dk_digest_job(core, dk_job_at(core, slot));
        }
    for (uint32_t i = 0; i < core->domain_count; i++) {
        dk_pass_due(core, &core->domains[i]);
        core->domains[i].freed = true; /* what was planned may have a better place now */
    }
}

void dk_config_apply(struct dk_core *core, const struct dk_cluster_config *spec, int64_t seq)
{
    if (core->options.digest && core->config.seq > 0)
        core->digest -= core->config.hash;
    partitions_apply(core, spec);
    core->policy = spec->policy;
    dk_config_keep(&core->config, spec, seq);
    if (core->options.digest)
        core->digest += core->config.hash;
    dk_limits_rebuild(core);
    jobs_settle(core);
}

/* --- looking in --- */

const struct dk_cluster_config *dk_core_settings(const struct dk_core *core)
{
    return &core->config.spec;
}

int64_t dk_core_config_seq(const struct dk_core *core)
{
    return core->config.seq;
}

bool dk_core_is_operator(const struct dk_core *core, struct dk_text user)
{
    const struct dk_cluster_config *spec = &core->config.spec;

    return user.size > 0 && dk_texts_have(spec->operators, spec->operators_count, user);
}

static void partition_show(const struct dk_core *core, const struct dk_partition *partition,
                           struct dk_arena *arena, struct dk_partition_spec *spec)
{
    struct dk_text *names = dk_arena_take(arena, (partition->node_count + 1) * sizeof(*names));
    struct dk_text *sorted = dk_arena_take(arena, (partition->node_count + 1) * sizeof(*names));
    uint32_t *order = dk_arena_take(arena, (partition->node_count + 1) * sizeof(*order));

    memset(spec, 0, sizeof(*spec));
    for (uint32_t i = 0; i < partition->node_count; i++)
        names[i] = dk_intern_text(&core->texts, partition->nodes[i]);
    dk_order_sort(names, order, partition->node_count, dk_texts_before);
    for (uint32_t i = 0; i < partition->node_count; i++)
        sorted[i] = names[order[i]];
    spec->name = dk_intern_text(&core->texts, partition->name);
    spec->nodes = sorted;
    spec->nodes_count = partition->node_count;
    spec->all_nodes = partition->all_nodes;
    spec->is_default = partition->is_default;
    spec->state = (enum dk_partition_state)partition->state;
    spec->limit_us_max = partition->limit_us_max;
    spec->limit_us_default = partition->limit_us_default;
    spec->nodes_max = (int32_t)partition->nodes_max;
    spec->priority = partition->priority;
    spec->tier = partition->tier;
}

void dk_core_config(const struct dk_core *core, struct dk_arena *arena,
                    struct dk_cluster_config *config)
{
    struct dk_partition_spec *specs =
        dk_arena_take(arena, (core->partition_count + 1) * sizeof(*specs));
    uint32_t count = 0;

    for (uint32_t i = 0; i < core->partition_count; i++)
        if (core->partitions[i].name != 0)
            partition_show(core, &core->partitions[i], arena, &specs[count++]);
    *config = core->config.spec;
    config->partitions = specs;
    config->partitions_count = count;
    config->policy = core->policy;
}
