/* depend.c - conditions on other jobs
 *
 * A condition hangs in two lists: of the job that has it and of the job that it names, so that a
 * start or an end tells exactly those who wait. It is open, satisfied, or never to be
 * satisfied. Jobs that ended are remembered as an outcome (good: COMPLETED with exit code 0).
 */
#include "sched/state.h"

#include <string.h>

enum { OPEN = 0, SATISFIED = 1, NEVER = 2 };

const struct dk_outcome *dk_outcome_find(const struct dk_core *core, int64_t id)
{
    const struct dk_outcome *outcome;

    if (core->outcome_capacity == 0 || id <= 0)
        return NULL;
    outcome = &core->outcomes[(uint64_t)id & (core->outcome_capacity - 1)];
    return outcome->id == id ? outcome : NULL;
}

/* The ring grows until it has its full size, so that a small history costs little. */
static void outcomes_grow(struct dk_core *core)
{
    uint32_t capacity = core->outcome_capacity == 0 ? 1024 : core->outcome_capacity * 2;
    struct dk_outcome *grown = dk_alloc_new(core->alloc, capacity * sizeof(*grown));

    memset(grown, 0, capacity * sizeof(*grown));
    for (uint32_t i = 0; i < core->outcome_capacity; i++) {
        const struct dk_outcome *outcome = &core->outcomes[i];

        if (outcome->id != 0)
            grown[(uint64_t)outcome->id & (capacity - 1)] = *outcome;
    }
    dk_alloc_free(core->alloc, core->outcomes, core->outcome_capacity * sizeof(*grown));
    core->outcomes = grown;
    core->outcome_capacity = capacity;
}

void dk_outcome_record(struct dk_core *core, int64_t id, bool good)
{
    struct dk_outcome *outcome;

    while (core->outcome_capacity < DK_OUTCOMES_MAX &&
           (core->outcome_capacity == 0 ||
            core->outcomes[(uint64_t)id & (core->outcome_capacity - 1)].id != 0))
        outcomes_grow(core);
    outcome = &core->outcomes[(uint64_t)id & (core->outcome_capacity - 1)];
    if (outcome->id > id)
        return; /* a job that took so long to end that its place is taken by a newer one */
    if (core->options.digest && outcome->id != 0)
        core->digest -= dk_digest_outcome(outcome);
    outcome->id = id;
    outcome->good = good;
    if (core->options.digest)
        core->digest += dk_digest_outcome(outcome);
}

uint32_t dk_condition_new(struct dk_core *core)
{
    uint32_t index = core->condition_free;

    if (index != DK_SLOT_NONE) {
        core->condition_free = core->conditions[index].owner_next;
        return index;
    }
    index = core->condition_count;
    core->conditions = dk_grow(core->alloc, core->conditions, &core->condition_capacity, index + 1,
                               sizeof(*core->conditions));
    core->condition_count++;
    return index;
}

/* What an ended job means for a condition. */
static uint32_t after_end(uint32_t kind, bool good)
{
    switch ((enum dk_dependency_kind)kind) {
    case DK_DEPENDENCY_KIND_AFTER:
    case DK_DEPENDENCY_KIND_AFTER_ANY:
    case DK_DEPENDENCY_KIND_SINGLETON:
    case DK_DEPENDENCY_KIND_COUNT:
        return SATISFIED;
    case DK_DEPENDENCY_KIND_AFTER_OK:
        return good ? SATISFIED : NEVER;
    case DK_DEPENDENCY_KIND_AFTER_NOT_OK:
        return good ? NEVER : SATISFIED;
    }
    return SATISFIED;
}

/* The start of `target` satisfies an AFTER, at once or after its delay. */
static void after_start(struct dk_core *core, struct dk_condition *condition, int64_t start)
{
    int64_t due = dk_add_saturated(start, condition->delay_us);

    condition->due = due;
    if (due <= core->time)
        condition->state = SATISFIED;
    else
        dk_begin_push(core, due, dk_job_at(core, condition->owner)->id);
}

static bool has_started(const struct dk_job *job)
{
    return job->state != DK_JOB_PENDING ||
           (job->array != NULL &&
            job->array->live + job->array->ended_well + job->array->ended_badly > 0);
}

void dk_depend_link(struct dk_core *core, uint32_t index, uint32_t target)
{
    struct dk_job *job = dk_job_at(core, target);

    core->conditions[index].target_prev = DK_SLOT_NONE;
    core->conditions[index].target_next = job->waiter_first;
    if (job->waiter_first != DK_SLOT_NONE)
        core->conditions[job->waiter_first].target_prev = index;
    job->waiter_first = index;
}

static void unlink_from(struct dk_core *core, uint32_t index, uint32_t target)
{
    struct dk_condition *condition = &core->conditions[index];

    if (condition->target_prev != DK_SLOT_NONE)
        core->conditions[condition->target_prev].target_next = condition->target_next;
    else if (dk_job_at(core, target)->waiter_first == index)
        dk_job_at(core, target)->waiter_first = condition->target_next;
    if (condition->target_next != DK_SLOT_NONE)
        core->conditions[condition->target_next].target_prev = condition->target_prev;
    condition->target_next = condition->target_prev = DK_SLOT_NONE;
}

void dk_depend_add(struct dk_core *core, uint32_t slot, const struct dk_dependency *dependency)
{
    struct dk_job *job = dk_job_at(core, slot);
    uint32_t index = dk_condition_new(core), target = dk_job_slot(core, dependency->job);
    struct dk_condition *condition = &core->conditions[index];
    const struct dk_outcome *outcome;

    memset(condition, 0, sizeof(*condition));
    condition->owner = slot;
    condition->kind = (uint32_t)dependency->kind;
    condition->target = dependency->job;
    condition->delay_us = dependency->delay_us;
    condition->target_next = condition->target_prev = DK_SLOT_NONE;
    condition->owner_next = job->dependency_first;
    job->dependency_first = index;
    if (dependency->kind == DK_DEPENDENCY_KIND_SINGLETON)
        return;
    if (target != DK_SLOT_NONE) {
        struct dk_job *other = dk_job_at(core, target);

        dk_depend_link(core, index, target);
        if (dependency->kind == DK_DEPENDENCY_KIND_AFTER && has_started(other))
            after_start(core, condition, other->start);
        return;
    }
    outcome = dk_outcome_find(core, dependency->job);
    DK_CHECK(outcome != NULL);
    condition->state = after_end(condition->kind, outcome->good);
}

/* Is there an older active job of the same name and user? */
static bool singleton_waits(const struct dk_core *core, const struct dk_job *job)
{
    uint32_t slot = core->texts.entries[job->name].first;

    for (; slot != DK_SLOT_NONE; slot = dk_job_at(core, slot)->name_next) {
        const struct dk_job *other = dk_job_at(core, slot);

        if (other->id != job->id && other->id < job->id && other->uid == job->uid &&
            (job->array_job == 0 || other->array_job != job->array_job))
            return true;
    }
    return false;
}

void dk_depend_settle(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);
    uint32_t open = 0, satisfied = 0, never = 0;

    for (uint32_t i = job->dependency_first; i != DK_SLOT_NONE;
         i = core->conditions[i].owner_next) {
        struct dk_condition *condition = &core->conditions[i];

        if (condition->kind == DK_DEPENDENCY_KIND_SINGLETON)
            condition->state = singleton_waits(core, job) ? OPEN : SATISFIED;
        else if (condition->state == OPEN && condition->due != 0 && condition->due <= core->time)
            condition->state = SATISFIED;
        open += condition->state == OPEN;
        satisfied += condition->state == SATISFIED;
        never += condition->state == NEVER;
    }
    job->wait &= (uint8_t) ~(DK_WAIT_DEPENDENCY | DK_WAIT_NEVER);
    if (job->flags & DK_FLAG_DEPENDENCY_ANY) {
        if (satisfied == 0 && open > 0)
            job->wait |= DK_WAIT_DEPENDENCY;
        else if (satisfied == 0 && never > 0)
            job->wait |= DK_WAIT_NEVER;
    } else if (never > 0) {
        job->wait |= DK_WAIT_NEVER;
    } else if (open > 0) {
        job->wait |= DK_WAIT_DEPENDENCY;
    }
}

void dk_depend_drop(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);
    uint32_t index = job->dependency_first;

    while (index != DK_SLOT_NONE) {
        struct dk_condition *condition = &core->conditions[index];
        uint32_t next = condition->owner_next, target = dk_job_slot(core, condition->target);

        if (target != DK_SLOT_NONE)
            unlink_from(core, index, target);
        condition->owner_next = core->condition_free;
        core->condition_free = index;
        index = next;
    }
    job->dependency_first = DK_SLOT_NONE;
}

static void resettle(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);

    if (job->state != DK_JOB_PENDING)
        return;
    dk_depend_settle(core, slot);
    dk_queue_settle(core, slot);
    if ((job->wait & DK_WAIT_NEVER) && (job->flags & DK_FLAG_KILL_INVALID))
        dk_doomed_push(core, job->id);
    dk_digest_job(core, job);
}

void dk_depend_started(struct dk_core *core, uint32_t slot)
{
    uint32_t index = dk_job_at(core, slot)->waiter_first;
    int64_t start = dk_job_at(core, slot)->start;

    for (; index != DK_SLOT_NONE; index = core->conditions[index].target_next) {
        struct dk_condition *condition = &core->conditions[index];

        if (condition->kind != DK_DEPENDENCY_KIND_AFTER || condition->due != 0)
            continue;
        after_start(core, condition, start);
        resettle(core, condition->owner);
    }
}

void dk_depend_ended(struct dk_core *core, uint32_t slot, bool good)
{
    struct dk_job *job = dk_job_at(core, slot);

    while (job->waiter_first != DK_SLOT_NONE) {
        struct dk_condition *condition = &core->conditions[job->waiter_first];

        unlink_from(core, job->waiter_first, slot);
        if (condition->state == OPEN &&
            !(condition->kind == DK_DEPENDENCY_KIND_AFTER && condition->due > core->time))
            condition->state = after_end(condition->kind, good);
        resettle(core, condition->owner);
    }
    dk_depend_name_left(core, job->name, job->uid);
}

/* All younger jobs of the user still wait for the oldest that is left: only that one can go. */
void dk_depend_name_left(struct dk_core *core, uint32_t name, int32_t uid)
{
    uint32_t slot = core->texts.entries[name].first;

    if (core->texts.entries[name].singletons == 0)
        return;
    while (slot != DK_SLOT_NONE && dk_job_at(core, slot)->uid != uid)
        slot = dk_job_at(core, slot)->name_next;
    if (slot != DK_SLOT_NONE && (dk_job_at(core, slot)->flags & DK_FLAG_SINGLETON))
        resettle(core, slot);
}
