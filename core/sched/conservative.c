/* conservative.c - backfill conservative: everybody has a place in the plan
 *
 * Each waiting job, in order, takes the earliest place in the profile of what is free when; those
 * whose place is now start. Planned anew at each pass (Mu'alem and Feitelson 2001). Jobs of the
 * same pass that come after the last that could start now need no place: the plan is not kept.
 *
 * The kept kind (keep): the place a job got at submission is a promise that is recorded
 * (JobsPlanned) and never moves to a later time. When cores come back before they were expected to,
 * the waiting jobs are lifted out and placed again, one by one, in order of submission.
 */
#include "sched/pass.h"

static void start_counted(struct dk_pass *pass, const struct dk_entry *entry,
                          struct dk_tasks *tasks)
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
        int64_t start;

        if (!dk_pass_allows(pass, entry))
            return; /* who is over a limit has no place */
        start = dk_profile_earliest(profile, pass->now, entry->cores, entry->span);
        pass->scratch->examined++;
        if (dk_traced(pass))
            dk_trace_plan(pass, entry, start);
        if (start == INT64_MAX)
            return; /* never: nor will its other tasks */
        dk_profile_change(profile, start, dk_add_saturated(start, entry->span),
                          -(int64_t)entry->cores);
        if (start == pass->now)
            start_counted(pass, entry, &tasks);
    }
}

/* --- who could start now at all --- */

/* A job can start now only if its cores are free for all of its span: what is free for a span is
 * the least over a stretch of the profile that begins now, stairs that lead down. Every plan only
 * lowers them. So once no job further back is below the stairs, no job further back needs a place.
 */
struct stairs {
    struct stair {
        int64_t after; /* spans longer than this ... */
        int64_t free;  /* ... have so many cores */
    } * items;
    uint32_t count, capacity;
};

static void stair_add(struct dk_pass *pass, struct stairs *stairs, int64_t after, int64_t free)
{
    if (stairs->count == stairs->capacity) {
        uint32_t capacity = stairs->capacity == 0 ? 64 : stairs->capacity * 2;
        struct stair *grown = dk_pass_memory(pass, capacity * sizeof(*grown));

        for (uint32_t i = 0; i < stairs->count; i++)
            grown[i] = stairs->items[i];
        stairs->items = grown;
        stairs->capacity = capacity;
    }
    stairs->items[stairs->count].after = after;
    stairs->items[stairs->count++].free = free;
}

static void stairs_measure(struct dk_pass *pass, struct stairs *stairs)
{
    const struct dk_profile *profile = &pass->scratch->profile;
    int64_t free = INT64_MAX;

    stairs->count = 0;
    for (uint32_t i = 0; i < profile->block_count && free > 0; i++) {
        const struct dk_profile_block *block = profile->blocks[i];

        if (block->least >= free)
            continue;
        for (uint32_t k = 0; k < block->count; k++)
            if (block->steps[k].free + block->add < free) {
                free = block->steps[k].free + block->add;
                stair_add(pass, stairs, block->steps[k].time - pass->now, free);
            }
    }
}

static bool below_stairs(const struct stairs *stairs, uint32_t cores, int64_t span)
{
    uint32_t first = 0, limit = stairs->count;

    if (limit == 0)
        return false;
    while (limit - first > 1) {
        uint32_t middle = first + (limit - first) / 2;

        if (stairs->items[middle].after < span)
            first = middle;
        else
            limit = middle;
    }
    return cores <= stairs->items[first].free;
}

/* The first at or after `place` that could start now. */
static struct dk_place candidate_in(const struct dk_order_list *list, struct dk_place place,
                                    const struct stairs *stairs)
{
    for (; place.block < list->block_count; place.block++, place.at = 0) {
        const struct dk_block *block = dk_block_minima(list->blocks[place.block]);

        if (!below_stairs(stairs, block->cores_min, block->span_min))
            continue;
        for (; place.at < block->count; place.at++)
            if (below_stairs(stairs, block->entries[place.at].cores, block->entries[place.at].span))
                return place;
    }
    return place;
}

struct candidates {
    struct stairs stairs;
    struct dk_place queue, aged; /* the next one in each list */
    uint32_t unlooked;           /* orders that move: plans since the last look */
};

static bool place_passed(struct dk_place at, struct dk_place candidate)
{
    return at.block > candidate.block || (at.block == candidate.block && at.at > candidate.at);
}

static bool candidates_in_heap(const struct dk_walk *walk, const struct stairs *stairs)
{
    for (uint32_t i = 0; i < walk->rank_count; i++)
        if (below_stairs(stairs, walk->ranks[i].entry->cores, walk->ranks[i].entry->span))
            return true;
    return false;
}

/* Is there anybody from here on who could start now? */
static bool candidates_left(struct dk_pass *pass, const struct dk_walk *walk,
                            struct candidates *candidates)
{
    if (pass->core->options.no_shortcut)
        return true;
    if (walk->moves) {
        if (candidates->unlooked++ % 16 != 0)
            return true;
        stairs_measure(pass, &candidates->stairs);
        return candidates_in_heap(walk, &candidates->stairs);
    }
    if (candidates->unlooked > 0 && !place_passed(walk->queue, candidates->queue) &&
        !place_passed(walk->aged, candidates->aged))
        return true;
    candidates->unlooked = 1;
    stairs_measure(pass, &candidates->stairs);
    candidates->queue = candidate_in(&pass->domain->queue, walk->queue, &candidates->stairs);
    candidates->aged = candidate_in(&pass->domain->aged, walk->aged, &candidates->stairs);
    return candidates->queue.block < pass->domain->queue.block_count ||
           candidates->aged.block < pass->domain->aged.block_count;
}

void dk_conservative_counted(struct dk_pass *pass)
{
    int64_t left = pass->core->policy.depth == 0 ? INT64_MAX : pass->core->policy.depth;
    const struct dk_domain *domain = pass->domain;
    struct candidates candidates = { .unlooked = 0 };
    const struct dk_entry *entry;
    struct dk_walk walk;

    if (!pass->core->options.no_shortcut && pass->free < dk_order_list_cores_min(&domain->queue) &&
        pass->free < dk_order_list_cores_min(&domain->aged))
        return;
    dk_profile_build(&pass->scratch->profile, pass);
    dk_walk_start(&walk, pass->core, domain, pass->now);
    while ((entry = dk_walk_peek(&walk)) != NULL && left > 0 &&
           candidates_left(pass, &walk, &candidates) && !dk_trace_done(pass)) {
        plan_entry(pass, entry, &left);
        dk_walk_next(&walk);
    }
}

/* --- kept --- */

struct kept_plan {
    struct dk_entry entry;
    int64_t before, start;
    bool over; /* a limit: it has no place */
};

static void plan_lay(struct dk_pass *pass, const struct kept_plan *plan, int64_t sign)
{
    if (plan->start != INT64_MAX)
        dk_profile_change(&pass->scratch->profile, plan->start,
                          dk_add_saturated(plan->start, plan->entry.span),
                          sign * (int64_t)plan->entry.cores);
}

/* Lifts the job out and places it again. One that has no room anywhere before its place stays. */
static void place_kept(struct dk_pass *pass, struct kept_plan *plan)
{
    struct dk_profile *profile = &pass->scratch->profile;

    pass->scratch->examined++;
    if (plan->start != INT64_MAX && plan->start > pass->now &&
        dk_profile_room(profile, pass->now, plan->entry.cores) >= plan->start)
        return;
    plan_lay(pass, plan, +1);
    plan->start = dk_profile_earliest(profile, pass->now, plan->entry.cores, plan->entry.span);
    plan_lay(pass, plan, -1);
}

/* An array is planned task by task; its next task's place is the one that is kept. */
static void start_due(struct dk_pass *pass, struct kept_plan *plan)
{
    struct dk_tasks tasks = dk_tasks_of(dk_job_at(pass->core, plan->entry.slot));

    while (plan->start <= pass->now && tasks.left > 0) {
        if (!dk_pass_allows(pass, &plan->entry)) {
            plan_lay(pass, plan, +1);
            plan->start = INT64_MAX;
            break;
        }
        start_counted(pass, &plan->entry, &tasks);
        if (tasks.left == 0)
            break;
        plan->start = INT64_MAX;
        place_kept(pass, plan);
    }
}

static void record_plans(struct dk_pass *pass, const struct kept_plan *plans, uint32_t count)
{
    struct dk_planned_start *changed =
        dk_arena_take(&pass->out->arena, (count + 1) * sizeof(*changed));
    struct dk_event *event;
    uint32_t changes = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (dk_traced(pass))
            dk_trace_plan(pass, &plans[i].entry, plans[i].start);
        if (plans[i].start > pass->now)
            pass->scratch->planned_first = dk_min(pass->scratch->planned_first, plans[i].start);
        if (plans[i].start != plans[i].before && plans[i].start > pass->now) {
            changed[changes].job = plans[i].entry.id;
            changed[changes++].start = plans[i].start;
        }
    }
    if (changes == 0)
        return;
    event = dk_events_add(pass->out, DK_EVENT_JOBS_PLANNED, pass->now);
    event->jobs_planned.plans = changed;
    event->jobs_planned.plans_count = changes;
}

static void plan_start(struct kept_plan *plan, struct dk_pass *pass, const struct dk_entry *entry)
{
    plan->entry = *entry;
    plan->before = plan->start = dk_job_at(pass->core, entry->slot)->planned;
    plan->over = !dk_pass_allows(pass, entry);
    if (plan->over)
        plan->start = INT64_MAX;
}

/* Nothing but submissions since the last pass: its profile, plans and all, still holds, and only
 * the new jobs have to find a place behind the others. False: a full pass is needed. */
static bool keep_fresh_only(struct dk_pass *pass)
{
    struct dk_scratch *scratch = pass->scratch;
    const struct dk_entry *running =
        dk_order_list_at(&pass->domain->running, (struct dk_place){ 0, 0 });
    struct kept_plan plans[DK_FRESH_MAX];

    if (!pass->kept || scratch->has_head || pass->domain->freed ||
        scratch->planned_first <= pass->now || (running != NULL && running->key <= pass->now))
        return false;
    dk_fresh_sort(pass);
    for (uint32_t i = 0; i < scratch->fresh_count; i++) {
        struct dk_entry entry = dk_fresh_entry(pass, i);

        plan_start(&plans[i], pass, &entry);
        plans[i].start = INT64_MAX;
        place_kept(pass, &plans[i]);
    }
    for (uint32_t i = 0; i < scratch->fresh_count; i++)
        if (plans[i].start <= pass->now)
            start_due(pass, &plans[i]);
    record_plans(pass, plans, scratch->fresh_count);
    scratch->kept = true;
    return true;
}

static bool profile_holds(const struct dk_profile *profile)
{
    for (uint32_t i = 0; i < profile->block_count; i++)
        if (profile->blocks[i]->least < 0)
            return false;
    return true;
}

/* Cores went away, or jobs outstay their expected end: who has no room at his place any more loses
 * it. */
static void plans_check(struct dk_pass *pass, struct kept_plan *plans, uint32_t count)
{
    struct dk_profile *profile = &pass->scratch->profile;

    dk_profile_build(profile, pass);
    for (uint32_t i = 0; i < count; i++) {
        const struct dk_entry *entry = &plans[i].entry;
        int64_t start = dk_max(plans[i].start, pass->now);

        if (plans[i].start != INT64_MAX &&
            dk_profile_earliest(profile, start, entry->cores, entry->span) != start)
            plans[i].start = INT64_MAX;
        plan_lay(pass, &plans[i], -1);
    }
}

void dk_keep_counted(struct dk_pass *pass)
{
    uint32_t count = (uint32_t)(pass->domain->queue.count + pass->domain->aged.count), at = 0;
    struct kept_plan *plans;
    const struct dk_entry *entry;
    struct dk_walk walk;

    if (keep_fresh_only(pass))
        return;
    plans = dk_pass_memory(pass, (count + 1) * sizeof(*plans));
    dk_profile_build(&pass->scratch->profile, pass);
    dk_walk_start(&walk, pass->core, pass->domain, pass->now);
    for (; (entry = dk_walk_peek(&walk)) != NULL; at++) {
        plan_start(&plans[at], pass, entry);
        plan_lay(pass, &plans[at], -1);
        dk_walk_next(&walk);
    }
    if (!profile_holds(&pass->scratch->profile))
        plans_check(pass, plans, count);
    for (uint32_t i = 0; i < count; i++)
        if (!plans[i].over &&
            (pass->domain->freed || plans[i].start == INT64_MAX || plans[i].start < pass->now))
            place_kept(pass, &plans[i]);
    for (uint32_t i = 0; i < count; i++)
        if (plans[i].start <= pass->now)
            start_due(pass, &plans[i]);
    pass->scratch->planned_first = INT64_MAX;
    record_plans(pass, plans, count);
    pass->scratch->kept = pass->core->domain_count == 1 && !pass->core->options.no_shortcut &&
                          pass->core->policy.policy == DK_POLICY_FCFS && !pass->core->limits.any;
    pass->scratch->has_head = false;
}
