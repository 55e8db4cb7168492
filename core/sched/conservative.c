/* conservative.c - backfill conservative: everybody has a place in the plan
 *
 * Each waiting job, in order, takes the earliest place in the profile of what is free when; those whose
 * place is now start. Planned anew at each pass (Mu'alem and Feitelson 2001). Jobs of the same
 * pass that come after the last that could start now need no place: the plan is not kept.
 *
 * The kept kind (keep): the place a job got at submission is a promise that is recorded (JobsPlanned) and never
 * moves to a later time. When cores come back before they were expected to, the waiting jobs are lifted out
 * and placed again, one by one, in order of submission.
 */
#include "sched/pass.h"

/* For each block of the queue: the fewest cores of any job in it or behind it. */
static uint32_t *cores_behind(struct dk_pass *pass, const struct dk_order_list *list)
{
    uint32_t *fewest = dk_pass_memory(pass, (list->block_count + 1) * sizeof(*fewest));

    fewest[list->block_count] = UINT32_MAX;
    for (uint32_t i = list->block_count; i-- > 0;) {
        const struct dk_block *block = dk_block_minima(list->blocks[i]);

        fewest[i] = block->cores_min < fewest[i + 1] ? block->cores_min : fewest[i + 1];
    }
    return fewest;
}

static void start_counted(struct dk_pass *pass, const struct dk_entry *entry, struct dk_tasks *tasks)
{
    struct dk_ranges cores, gpus = { NULL, 0, 0 };

    dk_count_take(pass, entry->cores, &cores);
    pass->free -= entry->cores;
    dk_pass_start(pass, entry, tasks, &cores, &gpus);
}

/* Plans one entry: all its tasks, or as many as the depth allows. */
static void plan_entry(struct dk_pass *pass, const struct dk_entry *entry, int64_t *left)
{
    struct dk_profile *profile = &pass->scratch->profile;
    struct dk_tasks tasks = dk_tasks_of(dk_job_at(pass->core, entry->slot));

    for (uint32_t wanted = tasks.left; wanted > 0 && *left > 0; wanted--, (*left)--) {
        int64_t start = dk_profile_earliest(profile, entry->cores, entry->span);

        pass->scratch->examined++;
        if (start == INT64_MAX)
            return; /* never: nor will its other tasks */
        dk_profile_change(profile, start, dk_add_saturated(start, entry->span),
                          -(int64_t)entry->cores);
        if (start == pass->now)
            start_counted(pass, entry, &tasks);
    }
}

void dk_conservative_counted(struct dk_pass *pass)
{
    int64_t left = pass->core->policy.depth == 0 ? INT64_MAX : pass->core->policy.depth;
    const struct dk_domain *domain = pass->domain;
    const struct dk_entry *entry;
    uint32_t *queue_behind, *aged_behind;
    struct dk_walk walk;

    queue_behind = cores_behind(pass, &domain->queue);
    aged_behind = cores_behind(pass, &domain->aged);
    if (!pass->core->options.no_shortcut && pass->free < queue_behind[0] && pass->free < aged_behind[0])
        return;
    dk_profile_build(&pass->scratch->profile, pass);
    dk_walk_start(&walk, pass->core, domain, pass->now);
    while ((entry = dk_walk_peek(&walk)) != NULL && left > 0) {
        if (pass->free < queue_behind[walk.queue.block] && pass->free < aged_behind[walk.aged.block])
            break; /* nobody behind can start now */
        plan_entry(pass, entry, &left);
        dk_walk_next(&walk);
    }
}

/* --- kept --- */

struct kept_plan {
    const struct dk_entry *entry;
    int64_t before, start;
};

static void place_kept(struct dk_pass *pass, struct kept_plan *plan)
{
    struct dk_profile *profile = &pass->scratch->profile;
    const struct dk_entry *entry = plan->entry;

    if (plan->start != INT64_MAX)
        dk_profile_change(profile, plan->start, dk_add_saturated(plan->start, entry->span),
                          entry->cores);
    plan->start = dk_profile_earliest(profile, entry->cores, entry->span);
    if (plan->start != INT64_MAX)
        dk_profile_change(profile, plan->start, dk_add_saturated(plan->start, entry->span),
                          -(int64_t)entry->cores);
    pass->scratch->examined++;
}

static void record_plans(struct dk_pass *pass, const struct kept_plan *plans, uint32_t count)
{
    struct dk_planned_start *changed =
        dk_arena_take(&pass->out->arena, (count + 1) * sizeof(*changed));
    struct dk_event *event;
    uint32_t changes = 0;

    for (uint32_t i = 0; i < count; i++)
        if (plans[i].start != plans[i].before && plans[i].start > pass->now) {
            changed[changes].job = plans[i].entry->id;
            changed[changes++].start = plans[i].start;
        }
    if (changes == 0)
        return;
    event = dk_events_add(pass->out, DK_EVENT_JOBS_PLANNED, pass->now);
    event->jobs_planned.plans = changed;
    event->jobs_planned.plans_count = changes;
}

/* An array is planned task by task; its next task's place is the one that is kept. */
static void start_due(struct dk_pass *pass, struct kept_plan *plan)
{
    struct dk_tasks tasks = dk_tasks_of(dk_job_at(pass->core, plan->entry->slot));

    while (plan->start <= pass->now && tasks.left > 0) {
        start_counted(pass, plan->entry, &tasks);
        if (tasks.left == 0)
            break;
        plan->start = INT64_MAX;
        place_kept(pass, plan);
    }
}

void dk_keep_counted(struct dk_pass *pass)
{
    struct dk_profile *profile = &pass->scratch->profile;
    uint32_t count = (uint32_t)(pass->domain->queue.count + pass->domain->aged.count), at = 0;
    struct kept_plan *plans = dk_pass_memory(pass, (count + 1) * sizeof(*plans));
    const struct dk_entry *entry;
    struct dk_walk walk;

    dk_profile_build(profile, pass);
    dk_walk_start(&walk, pass->core, pass->domain, pass->now);
    for (; (entry = dk_walk_peek(&walk)) != NULL; at++) {
        plans[at].entry = entry;
        plans[at].before = plans[at].start = dk_job_at(pass->core, entry->slot)->planned;
        if (plans[at].start != INT64_MAX)
            dk_profile_change(profile, plans[at].start,
                              dk_add_saturated(plans[at].start, entry->span),
                              -(int64_t)entry->cores);
        dk_walk_next(&walk);
    }
    for (uint32_t i = 0; i < count; i++)
        if (pass->domain->freed || plans[i].start == INT64_MAX || plans[i].start < pass->now)
            place_kept(pass, &plans[i]);
    for (uint32_t i = 0; i < count; i++)
        if (plans[i].start <= pass->now)
            start_due(pass, &plans[i]);
    record_plans(pass, plans, count);
}
