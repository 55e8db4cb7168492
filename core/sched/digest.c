/* digest.c - each thing's part of the digest of the state
 *
 * Everything that a decision can depend on is hashed, by content: ids of texts, slots and
 * addresses are not content. A record caches the part it last added, so that a change takes the
 * old part off without computing it again.
 */
#include "sched/state.h"

#include <string.h>

/* No holes: written as bytes. */
struct job_part {
    uint64_t key_high, key_low;
    int64_t id, submit, eligible, begin, limit_us, start, planned, array_job;
    uint64_t demand, name, account, user, partition, cores, gpus, array, conditions;
    int32_t uid, gid, nice, task;
    uint32_t attempt;
    uint8_t state, wait, flags, ending;
};
_Static_assert(sizeof(struct job_part) == 19 * 8 + 6 * 4, "no holes");

static uint64_t ranges_part(const struct dk_ranges *ranges)
{
    if (ranges->count == 0)
        return 0;
    return dk_hash(DK_HASH_SPANS, ranges->items, ranges->count * sizeof(*ranges->items));
}

static uint64_t array_part(const struct dk_array *array)
{
    uint32_t counts[5];

    if (array == NULL)
        return 0;
    counts[0] = array->running_max;
    counts[1] = array->waiting;
    counts[2] = array->live;
    counts[3] = array->ended_well;
    counts[4] = array->ended_badly;
    return dk_hash(DK_HASH_ARRAY, counts, sizeof(counts)) +
           dk_hash(DK_HASH_SPANS, array->ranges, array->range_count * sizeof(*array->ranges));
}

static uint64_t conditions_part(const struct dk_core *core, const struct dk_job *job)
{
    uint64_t sum = 0;

    for (uint32_t i = job->dependency_first; i != DK_SLOT_NONE;
         i = core->conditions[i].owner_next) {
        const struct dk_condition *condition = &core->conditions[i];
        int64_t part[5] = { (int64_t)condition->kind, (int64_t)condition->state, condition->target,
                            condition->delay_us, condition->due };

        sum += dk_hash(DK_HASH_DEPENDENCY, part, sizeof(part));
    }
    return sum;
}

static uint64_t job_hash(const struct dk_core *core, const struct dk_job *job)
{
    const struct dk_intern_entry *texts = core->texts.entries;
    struct job_part part;

    part.key_high = (uint64_t)((dk_u128)job->key >> 64);
    part.key_low = (uint64_t)job->key;
    part.id = job->id;
    part.submit = job->submit;
    part.eligible = job->eligible;
    part.begin = job->begin;
    part.limit_us = job->limit_us;
    part.start = job->start;
    part.planned = job->planned;
    part.array_job = job->array_job;
    part.demand = core->demands[job->demand].hash;
    part.name = texts[job->name].hash;
    part.account = texts[job->account].hash;
    part.user = texts[job->user].hash;
    part.partition = texts[core->partitions[job->partition].name].hash;
    part.cores = ranges_part(&job->cores);
    part.gpus = ranges_part(&job->gpus);
    part.array = array_part(job->array);
    part.conditions = conditions_part(core, job);
    part.uid = job->uid;
    part.gid = job->gid;
    part.nice = job->nice;
    part.task = job->task;
    part.attempt = job->attempt;
    part.state = job->state;
    part.wait = job->wait;
    part.flags = job->flags & (uint8_t) ~(DK_FLAG_IN_QUEUE | DK_FLAG_AGED);
    part.ending = job->ending;
    return dk_hash(DK_HASH_JOB, &part, sizeof(part));
}

void dk_digest_job(struct dk_core *core, struct dk_job *job)
{
    if (!core->options.digest)
        return;
    core->digest -= job->hash;
    job->hash = job_hash(core, job);
    core->digest += job->hash;
}

void dk_digest_job_gone(struct dk_core *core, struct dk_job *job)
{
    core->digest -= job->hash;
    job->hash = 0;
}

void dk_digest_node(struct dk_core *core, uint32_t number)
{
    struct dk_node *node = &core->nodes[number];
    uint64_t part[8];

    if (!core->options.digest)
        return;
    part[0] = core->texts.entries[node->name].hash;
    part[1] = (uint64_t)node->cores << 32 | node->memory;
    part[2] = (uint64_t)node->gpus << 32 | number;
    part[3] = (uint64_t)node->core_first << 32 | node->gpu_first;
    part[4] = (uint64_t)node->condition << 8 | node->lost;
    part[5] = (uint64_t)node->beat;
    part[6] = node->feature_count;
    part[7] = 0;
    for (uint32_t i = 0; i < node->feature_count; i++)
        part[7] = part[7] * 31 + core->texts.entries[node->features[i]].hash;
    core->digest -= node->hash;
    node->hash = dk_hash(DK_HASH_NODE, part, sizeof(part));
    core->digest += node->hash;
}

void dk_digest_partition(struct dk_core *core, uint32_t index)
{
    struct dk_partition *partition = &core->partitions[index];
    uint64_t part[8];

    if (!core->options.digest)
        return;
    core->digest -= partition->hash;
    partition->hash = 0;
    if (partition->name == 0)
        return;
    part[0] = core->texts.entries[partition->name].hash;
    part[1] = (uint64_t)partition->all_nodes << 16 | (uint64_t)partition->is_default << 8 |
              partition->state;
    part[2] = (uint64_t)partition->limit_us_max;
    part[3] = (uint64_t)partition->limit_us_default;
    part[4] = (uint64_t)partition->nodes_max << 32 | (uint32_t)partition->priority;
    part[5] = (uint64_t)(uint32_t)partition->tier << 32 | index;
    part[6] = partition->node_count;
    part[7] = 0;
    for (uint32_t i = 0; i < partition->node_count; i++)
        part[7] += core->texts.entries[partition->nodes[i]].hash;
    partition->hash = dk_hash(DK_HASH_PARTITION, part, sizeof(part));
    core->digest += partition->hash;
}

uint64_t dk_digest_outcome(const struct dk_outcome *outcome)
{
    int64_t part[2] = { outcome->id, outcome->good };

    return dk_hash(DK_HASH_OUTCOME, part, sizeof(part));
}

uint64_t dk_digest_key(const struct dk_key_entry *entry)
{
    struct {
        uint8_t key[16];
        int64_t uid, size, job;
    } part;

    memcpy(part.key, entry->key, sizeof(part.key));
    part.uid = entry->uid;
    part.size = entry->key_size;
    part.job = entry->job;
    return dk_hash(DK_HASH_KEY, &part, sizeof(part));
}

uint64_t dk_core_digest(const struct dk_core *core)
{
    const struct dk_policy_spec *policy = &core->policy;
    int64_t counters[18] = { core->time,
                             core->seq,
                             core->job_next,
                             core->requests_next,
                             core->logic,
                             (int64_t)core->key_count,
                             core->cores_total,
                             core->gpus_total,
                             (int64_t)policy->policy,
                             (int64_t)policy->backfill,
                             policy->depth,
                             policy->origin,
                             policy->enforce_limits,
                             policy->beat_timeout_us,
                             policy->age_us_max,
                             policy->weight_age,
                             policy->weight_size,
                             policy->weight_partition };

    if (!core->options.digest)
        return 0;
    return core->digest + dk_hash(DK_HASH_COUNTERS, counters, sizeof(counters));
}
