/* queue.c - who is eligible, and in what order
 *
 * The queue of a domain holds jobs that could start now if there were room. Its order is
 * (key, id) ascending; ids ascend with submission. A key is an integer of 128 bits, with the
 * partition's tier on top:
 *
 *     fcfs         s                              s: submission, us
 *     sjf          r                              r: time limit, us
 *     f1           log10(r)*n + 870*log10(s)      in fixed point; r and s in seconds, n cores
 *     multifactor  -(priority), see below
 *     wfp3, unicep (the order moves: kept by submission, ranked in each pass, rank.h)
 *
 * The formulas: fcfs, sjf: folklore; wfp3, unicep: Tang, Desai, Buettner, Lan, "Fault-aware,
 * utility-based job scheduling on Blue Gene/P systems", CLUSTER 2009; f1: Carastan-Santos, de
 * Camargo, "Obtaining dynamic scheduling policies with simulation and machine learning", SC 2017.
 *
 * Multifactor: with A = age_us_max and weights w, at time t a job that became eligible at e has
 *     priority = w_age * min(t-e, A)/A + w_size * n/cores + w_partition * p/65535 - nice
 * Multiplied by A and by 2^20 all of it is an integer. While t-e < A every job's priority grows at
 * one rate, so the order among those ("drifting") never changes, nor that among those whose age
 * counts no further ("aged"): two lists, merged by a pass, and no recalculation ever.
 */
#include "sched/state.h"

#include <string.h>

#define PRIORITY_SCALE ((int64_t)1 << 20)

struct dk_domain *dk_job_domain(const struct dk_core *core, const struct dk_job *job)
{
    return &core->domains[core->partitions[job->partition].domain];
}

bool dk_order_moves(const struct dk_core *core)
{
    return core->policy.policy == DK_POLICY_WFP3 || core->policy.policy == DK_POLICY_UNICEP;
}

/* log10 of a time in seconds, in fixed point; whole seconds exactly as the formula has them. */
static dk_i128 log10_seconds(int64_t time_us)
{
    if (time_us % DK_SECOND_US == 0)
        return (dk_i128)dk_log10_fixed((uint64_t)(time_us / DK_SECOND_US));
    return (dk_i128)dk_log10_fixed((uint64_t)time_us) - ((dk_i128)6 << DK_LOG_FRACTION);
}

static dk_i128 key_f1(const struct dk_core *core, const struct dk_job *job)
{
    int64_t since = job->submit - core->policy.origin;
    dk_i128 log_since = since > 0 ? log10_seconds(since) : -((dk_i128)1 << DK_LOG_FRACTION);

    return log10_seconds(dk_max(job->limit_us, 1)) * dk_demand_of(core, job)->cores_min +
           log_since * 870;
}

/* -(priority without age) * A * 2^20 */
static dk_i128 key_ageless(const struct dk_core *core, const struct dk_job *job)
{
    const struct dk_policy_spec *policy = &core->policy;
    int64_t cores = dk_max((int64_t)dk_job_domain(core, job)->cores_total, 1);
    dk_i128 priority = (dk_i128)policy->weight_size * PRIORITY_SCALE *
                       dk_min(dk_demand_of(core, job)->cores_min, cores) / cores;

    priority += (dk_i128)policy->weight_partition * PRIORITY_SCALE *
                core->partitions[job->partition].priority / 65535;
    priority -= (dk_i128)job->nice * PRIORITY_SCALE;
    return -priority * dk_max(policy->age_us_max, 1);
}

static dk_i128 age_rate(const struct dk_core *core)
{
    return (dk_i128)core->policy.weight_age * PRIORITY_SCALE;
}

dk_i128 dk_order_key(const struct dk_core *core, const struct dk_job *job)
{
    dk_i128 key = 0;

    switch (core->policy.policy) {
    case DK_POLICY_FCFS:
    case DK_POLICY_WFP3:
    case DK_POLICY_UNICEP:
    case DK_POLICY_COUNT:
        key = job->submit;
        break;
    case DK_POLICY_SJF:
        key = job->limit_us;
        break;
    case DK_POLICY_F1:
        key = key_f1(core, job);
        break;
    case DK_POLICY_MULTIFACTOR:
        key = key_ageless(core, job) + age_rate(core) * job->eligible;
        break;
    }
    return key - (dk_i128)core->partitions[job->partition].tier * ((dk_i128)1 << DK_TIER_SHIFT);
}

dk_i128 dk_order_key_aged(const struct dk_core *core, const struct dk_job *job)
{
    return job->key - age_rate(core) * (job->eligible + dk_max(core->policy.age_us_max, 1));
}

dk_i128 dk_order_drift(const struct dk_core *core, int64_t now)
{
    return core->policy.policy == DK_POLICY_MULTIFACTOR ? age_rate(core) * now : 0;
}

/* --- timers --- */

static bool timer_before(const struct dk_timer *a, const struct dk_timer *b)
{
    return a->time < b->time || (a->time == b->time && a->id < b->id);
}

static void heap_push(struct dk_core *core, struct dk_heap *heap, int64_t time, int64_t job)
{
    struct dk_timer timer = { time, job };
    uint32_t at = heap->count;

    heap->items = dk_grow(core->alloc, heap->items, &heap->capacity, at + 1, sizeof(timer));
    heap->count++;
    while (at > 0 && timer_before(&timer, &heap->items[(at - 1) / 2])) {
        heap->items[at] = heap->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->items[at] = timer;
}

static struct dk_timer heap_pop(struct dk_heap *heap)
{
    struct dk_timer top = heap->items[0], last = heap->items[--heap->count];
    uint32_t at = 0;

    while (at * 2 + 1 < heap->count) {
        uint32_t child = at * 2 + 1;

        if (child + 1 < heap->count && timer_before(&heap->items[child + 1], &heap->items[child]))
            child++;
        if (!timer_before(&heap->items[child], &last))
            break;
        heap->items[at] = heap->items[child];
        at = child;
    }
    heap->items[at] = last;
    return top;
}

void dk_begin_push(struct dk_core *core, int64_t time, int64_t job)
{
    heap_push(core, &core->begins, time, job);
}

/* In order of id: in that order they are ended. */
void dk_doomed_push(struct dk_core *core, int64_t job)
{
    uint32_t at = core->doomed_count;

    core->doomed = dk_grow(core->alloc, core->doomed, &core->doomed_capacity,
                           core->doomed_count + 1, sizeof(*core->doomed));
    while (at > 0 && core->doomed[at - 1] > job)
        at--;
    if (at > 0 && core->doomed[at - 1] == job)
        return;
    memmove(core->doomed + at + 1, core->doomed + at,
            (core->doomed_count - at) * sizeof(*core->doomed));
    core->doomed[at] = job;
    core->doomed_count++;
}

/* --- into and out of the queue --- */

static struct dk_entry entry_of(const struct dk_core *core, uint32_t slot, bool aged)
{
    const struct dk_job *job = dk_job_at(core, slot);
    struct dk_entry entry;

    memset(&entry, 0, sizeof(entry));
    entry.key = aged ? dk_order_key_aged(core, job) : job->key;
    entry.id = job->id;
    entry.span = job->limit_us;
    entry.cores = dk_demand_of(core, job)->cores_min;
    entry.slot = slot;
    entry.demand = job->demand;
    entry.group = job->group;
    return entry;
}

static void queue_add(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);
    struct dk_domain *domain = dk_job_domain(core, job);
    bool drifts = core->policy.policy == DK_POLICY_MULTIFACTOR;
    bool aged = drifts && dk_add_saturated(job->eligible, core->policy.age_us_max) <= core->time;
    struct dk_entry entry;

    if (job->eligible == DK_TIME_NONE) {
        job->eligible = core->time;
        job->key = dk_order_key(core, job);
        aged = drifts && core->policy.age_us_max <= 0;
    }
    entry = entry_of(core, slot, aged);
    dk_order_list_add(aged ? &domain->aged : &domain->queue, &entry);
    job->flags |= DK_FLAG_IN_QUEUE;
    if (aged)
        job->flags |= DK_FLAG_AGED;
    else if (drifts)
        heap_push(core, &core->ages, dk_add_saturated(job->eligible, core->policy.age_us_max),
                  job->id);
    domain->nonfungible += !dk_demand_of(core, job)->fungible;
    dk_pass_due(core, domain);
    dk_scratch_fresh(core, slot);
}

void dk_queue_remove(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);
    struct dk_domain *domain;

    if (!(job->flags & DK_FLAG_IN_QUEUE))
        return;
    domain = dk_job_domain(core, job);
    if (job->flags & DK_FLAG_AGED)
        dk_order_list_remove(&domain->aged, dk_order_key_aged(core, job), job->id);
    else
        dk_order_list_remove(&domain->queue, job->key, job->id);
    job->flags &= (uint8_t) ~(DK_FLAG_IN_QUEUE | DK_FLAG_AGED);
    domain->nonfungible -= !dk_demand_of(core, job)->fungible;
    core->version++;
}

static void wait_derive(struct dk_core *core, struct dk_job *job)
{
    const struct dk_array *array = job->array;
    uint8_t state = core->partitions[job->partition].state;

    job->wait &= (uint8_t) ~(DK_WAIT_PARTITION | DK_WAIT_TASK_LIMIT | DK_WAIT_NO_TASK);
    if (state != DK_PARTITION_STATE_UP && state != DK_PARTITION_STATE_DRAINED)
        job->wait |= DK_WAIT_PARTITION;
    if (array != NULL && array->waiting == 0)
        job->wait |= DK_WAIT_NO_TASK;
    else if (array != NULL && array->running_max > 0 && array->live >= array->running_max)
        job->wait |= DK_WAIT_TASK_LIMIT;
}

void dk_queue_settle(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);

    dk_domains_ensure(core);
    if (job->state != DK_JOB_PENDING)
        return;
    wait_derive(core, job);
    if (job->wait == 0) {
        if (!(job->flags & DK_FLAG_IN_QUEUE))
            queue_add(core, slot);
    } else {
        dk_queue_remove(core, slot);
        job->planned = INT64_MAX; /* who can't start keeps no place */
        if ((job->wait & ~(DK_WAIT_TASK_LIMIT | DK_WAIT_NO_TASK)) != 0)
            job->eligible = DK_TIME_NONE;
    }
}

void dk_queues_rebuild(struct dk_core *core)
{
    dk_domains_ensure(core);
    for (uint32_t i = 0; i < core->domain_count; i++) {
        dk_order_list_clear(&core->domains[i].queue);
        dk_order_list_clear(&core->domains[i].aged);
        core->domains[i].nonfungible = 0;
        dk_pass_due(core, &core->domains[i]);
    }
    core->ages.count = 0;
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        struct dk_job *job = dk_job_at(core, slot);

        if (job->state != DK_JOB_PENDING || job->eligible == DK_TIME_NONE)
            continue; /* an array at its task limit is out of the queue, and has a key */
        job->key = dk_order_key(core, job);
        if (job->flags & DK_FLAG_IN_QUEUE) {
            job->flags &= (uint8_t) ~(DK_FLAG_IN_QUEUE | DK_FLAG_AGED);
            queue_add(core, slot);
        }
        dk_digest_job(core, job);
    }
    core->version++;
}

static void begins_due(struct dk_core *core, int64_t time)
{
    while (core->begins.count > 0 && core->begins.items[0].time <= time) {
        struct dk_timer timer = heap_pop(&core->begins);
        uint32_t slot = dk_job_slot(core, timer.id);
        struct dk_job *job;

        if (slot == DK_SLOT_NONE)
            continue;
        job = dk_job_at(core, slot);
        if (job->state != DK_JOB_PENDING)
            continue;
        if (job->begin <= time)
            job->wait &= (uint8_t)~DK_WAIT_BEGIN;
        dk_depend_settle(core, slot);
        dk_queue_settle(core, slot);
        dk_digest_job(core, job);
    }
}

/* A timer that nothing waits for any more must not wake anybody. */
static bool begin_stale(const struct dk_core *core, const struct dk_timer *timer)
{
    uint32_t slot = dk_job_slot(core, timer->id);
    const struct dk_job *job;

    if (slot == DK_SLOT_NONE || dk_job_at(core, slot)->state != DK_JOB_PENDING)
        return true;
    job = dk_job_at(core, slot);
    if ((job->wait & DK_WAIT_BEGIN) && job->begin == timer->time)
        return false;
    for (uint32_t i = job->dependency_first; i != DK_SLOT_NONE; i = core->conditions[i].owner_next)
        if (core->conditions[i].due == timer->time && core->conditions[i].state == 0)
            return false;
    return true;
}

void dk_begins_tidy(struct dk_core *core)
{
    while (core->begins.count > 0 && begin_stale(core, &core->begins.items[0]))
        (void)heap_pop(&core->begins);
}

static void ages_due(struct dk_core *core, int64_t time)
{
    while (core->ages.count > 0 && core->ages.items[0].time <= time) {
        uint32_t slot = dk_job_slot(core, heap_pop(&core->ages).id);
        struct dk_job *job;
        struct dk_domain *domain;
        struct dk_entry entry;

        if (slot == DK_SLOT_NONE)
            continue;
        job = dk_job_at(core, slot);
        if (!(job->flags & DK_FLAG_IN_QUEUE) || (job->flags & DK_FLAG_AGED) ||
            dk_add_saturated(job->eligible, core->policy.age_us_max) > time)
            continue;
        domain = dk_job_domain(core, job);
        dk_order_list_remove(&domain->queue, job->key, job->id);
        entry = entry_of(core, slot, true);
        dk_order_list_add(&domain->aged, &entry);
        job->flags |= DK_FLAG_AGED;
        core->version++;
    }
}

void dk_queue_advance(struct dk_core *core, int64_t time)
{
    DK_CHECK(time >= core->time);
    core->time = time;
    if (core->begins.count > 0)
        begins_due(core, time);
    if (core->ages.count > 0)
        ages_due(core, time);
}
