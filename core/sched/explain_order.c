/* explain_order.c - the queue as people see it: positions, factors, and a reason for each that
 * waits
 *
 * One walk in the order of a pass, so that the position said is the position a pass sees.
 */
#include "sched/explain_parts.h"

#include <string.h>

static struct dk_core *touched(const struct dk_core *core)
{
    return (struct dk_core *)(uintptr_t)core; /* derived tables only */
}

/* --- factors --- */

/* The value that a formula orders by: what does not fit 64 bits loses its lowest. */
static void single_value(const struct dk_core *core, const struct dk_job *job, int64_t now,
                         struct dk_factors *factors)
{
    struct dk_entry entry = { .key = job->key,
                              .id = job->id,
                              .span = job->limit_us,
                              .cores = dk_demand_of(core, job)->cores_min,
                              .demand = job->demand };
    struct dk_rank rank;

    if (dk_order_moves(core)) {
        dk_rank_set(core, &entry, job->submit, now, &rank);
        dk_rank_parts(&rank, &factors->number, &factors->exponent);
        return;
    }
    if (core->policy.policy != DK_POLICY_F1) {
        factors->number = core->policy.policy == DK_POLICY_SJF ? job->limit_us : job->submit;
        return;
    }
    entry.key = dk_order_key(core, job) + (dk_i128)factors->tier * ((dk_i128)1 << DK_TIER_SHIFT);
    factors->number = (int64_t)(entry.key >> 32);
    factors->exponent = 32 - DK_LOG_FRACTION;
}

void dk_factors_of(const struct dk_core *core, const struct dk_job *job, int64_t now,
                   struct dk_factors *factors)
{
    const struct dk_policy_spec *policy = &core->policy;
    const struct dk_partition *partition = &core->partitions[job->partition];

    memset(factors, 0, sizeof(*factors));
    factors->policy = policy->policy;
    factors->age_us_max = dk_max(policy->age_us_max, 1);
    if (job->eligible != DK_TIME_NONE)
        factors->age_us = dk_min(dk_max(now - job->eligible, 0), factors->age_us_max);
    factors->cores_total = dk_max((int64_t)dk_job_domain(core, job)->cores_total, 1);
    factors->cores = dk_min(dk_demand_of(core, job)->cores_min, factors->cores_total);
    factors->partition_priority = partition->priority;
    factors->partition_whole = 65535;
    factors->nice = job->nice;
    factors->tier = partition->tier;
    factors->weight_age = policy->weight_age;
    factors->weight_size = policy->weight_size;
    factors->weight_partition = policy->weight_partition;
    if (policy->policy != DK_POLICY_MULTIFACTOR) {
        single_value(core, job, now, factors);
        return;
    }
    factors->age = (int64_t)((dk_i128)policy->weight_age * factors->age_us / factors->age_us_max);
    factors->size = (int64_t)policy->weight_size * factors->cores / factors->cores_total;
    factors->partition = (int64_t)policy->weight_partition * partition->priority / 65535;
    factors->priority = dk_max(1, factors->age + factors->size + factors->partition - job->nice);
}

/* --- reasons of those that could start, were there room --- */

bool dk_fits_when_idle(const struct dk_core *core, const struct dk_demand *demand)
{
    const uint8_t *pool = dk_pool(touched(core), demand);
    struct dk_room room;

    for (uint32_t i = 0; demand->named != 0 && i < core->node_count; i++)
        if (pool[i] == DK_POOL_WANTED && !core->node_open[i])
            return false;
    dk_room_start(&room, demand);
    for (uint32_t i = 0; i < core->node_count && !dk_room_enough(&room); i++) {
        const struct dk_node *node = &core->nodes[i];

        if (pool[i] && core->node_open[i])
            dk_room_add(&room, dk_tasks_fit(demand, node, node->cores, node->memory, node->gpus));
    }
    return dk_room_enough(&room);
}

static bool all_open(const struct dk_core *core)
{
    for (uint32_t i = 0; i < core->node_count; i++)
        if (!core->node_open[i])
            return false;
    return true;
}

#define LOOKS_MAX                                                                                  \
    ((uint64_t)4000000) /* at nodes, for one walk: then nobody is said to be shut out */

/* What one walk knows of demands: could they start if all that is up were idle? */
struct shut_out {
    const struct dk_core *core;
    uint8_t *known; /* by demand: 0 not looked at, 1 fits, 2 does not; NULL: all nodes are up */
    uint64_t looks;
};

static bool is_shut_out(struct shut_out *shut, uint32_t demand)
{
    if (shut->known == NULL)
        return false;
    if (shut->known[demand] == 0) {
        if (shut->looks + shut->core->node_count > LOOKS_MAX)
            return false;
        shut->looks += shut->core->node_count;
        shut->known[demand] = dk_fits_when_idle(shut->core, &shut->core->demands[demand]) ? 1 : 2;
    }
    return shut->known[demand] == 2;
}

const char *dk_reason_eligible(const struct dk_core *core, const struct dk_job *job)
{
    bool all_up = all_open(core);
    const struct dk_entry *entry;
    struct dk_walk walk;

    if (!all_up && !dk_fits_when_idle(core, dk_demand_of(core, job)))
        return "ReqNodeNotAvail";
    dk_walk_start(&walk, core, dk_job_domain(core, job), core->time);
    for (; (entry = dk_walk_peek(&walk)) != NULL && entry->id != job->id; dk_walk_next(&walk))
        if ((all_up || dk_fits_when_idle(core, &core->demands[entry->demand])) &&
            dk_limits_reason(core, dk_job_at(core, entry->slot)) == NULL)
            return "Priority";
    return "Resources";
}

/* --- the walk --- */

static void waiting_of(const struct dk_core *core, const struct dk_job *job, int64_t now,
                       struct dk_waiting *waiting)
{
    memset(waiting, 0, sizeof(*waiting));
    waiting->job = job->id;
    waiting->uid = job->uid;
    waiting->user = dk_intern_text(&core->texts, job->user);
    waiting->planned = job->planned;
    waiting->partition = dk_intern_text(&core->texts, core->partitions[job->partition].name);
    waiting->account = dk_intern_text(&core->texts, job->account);
    if (job->eligible != DK_TIME_NONE)
        waiting->wait_us = dk_max(now - job->eligible, 0);
    dk_factors_of(core, job, now, &waiting->factors);
}

static void visit_domain(const struct dk_core *core, const struct dk_domain *domain, int64_t now,
                         struct shut_out *shut, dk_waiting_visit *visit, void *context)
{
    uint32_t size = (uint32_t)(domain->queue.count + domain->aged.count), position = 0;
    const char *reason = "Resources"; /* of the first that is not shut out */
    const struct dk_entry *entry;
    struct dk_walk walk;

    dk_walk_start(&walk, core, domain, now);
    for (; (entry = dk_walk_peek(&walk)) != NULL; dk_walk_next(&walk)) {
        struct dk_waiting waiting;

        waiting_of(core, dk_job_at(core, entry->slot), now, &waiting);
        waiting.position = ++position;
        waiting.domain_size = size;
        waiting.reason = "ReqNodeNotAvail";
        if (!is_shut_out(shut, entry->demand)) {
            const char *over = dk_limits_reason(core, dk_job_at(core, entry->slot));

            waiting.reason = over != NULL ? over : reason;
            reason = over != NULL ? reason : "Priority";
        }
        if (waiting.factors.policy != DK_POLICY_MULTIFACTOR)
            waiting.factors.priority = (int64_t)size - position + 1;
        visit(context, &waiting);
    }
}

static void visit_held(const struct dk_core *core, int64_t now, dk_waiting_visit *visit,
                       void *context)
{
    uint32_t count = 0, *slots;
    size_t size = ((size_t)core->job_limit + 1) * sizeof(*slots);

    slots = dk_alloc_new(core->outer, size);
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        const struct dk_job *job = dk_job_at(core, slot);

        if (job->state == DK_JOB_PENDING && !(job->flags & DK_FLAG_IN_QUEUE))
            slots[count++] = slot;
    }
    dk_slots_sort(core, slots, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct dk_job *job = dk_job_at(core, slots[i]);
        struct dk_waiting waiting;

        waiting_of(core, job, now, &waiting);
        waiting.reason = dk_core_job_reason(core, job->id);
        waiting.factors.priority = 0;
        visit(context, &waiting);
    }
    dk_alloc_free(core->outer, slots, size);
}

void dk_core_waiting_each(const struct dk_core *core, int64_t now, dk_waiting_visit *visit,
                          void *context)
{
    struct shut_out shut = { core, NULL, 0 };
    size_t size;

    dk_domains_ensure(touched(core));
    size = (size_t)core->demand_count + 1;
    if (!all_open(core)) {
        shut.known = dk_alloc_new(core->outer, size);
        memset(shut.known, 0, size);
    }
    for (uint32_t i = 0; i < core->domain_count; i++)
        visit_domain(core, &core->domains[i], now, &shut, visit, context);
    visit_held(core, now, visit, context);
    dk_alloc_free(core->outer, shut.known, size);
}

/* By job id; a heap sort needs no room. */
void dk_slots_sort(const struct dk_core *core, uint32_t *slots, uint32_t count)
{
    uint32_t start = count / 2, end = count;

    while (end > 1) {
        uint32_t slot, at, child;

        if (start > 0) {
            slot = slots[--start];
        } else {
            slot = slots[--end];
            slots[end] = slots[0];
        }
        for (at = start; (child = at * 2 + 1) < end; at = child) {
            if (child + 1 < end &&
                dk_job_at(core, slots[child])->id < dk_job_at(core, slots[child + 1])->id)
                child++;
            if (dk_job_at(core, slots[child])->id <= dk_job_at(core, slot)->id)
                break;
            slots[at] = slots[child];
        }
        slots[at] = slot;
    }
}
