/* pass.c - what follows at `now`: limits, lost nodes, hopeless jobs, and a pass over each domain */
#include "sched/pass.h"

#include <string.h>

struct dk_scratch *dk_scratch_create(const struct dk_alloc *alloc)
{
    struct dk_scratch *scratch = dk_alloc_new(alloc, sizeof(*scratch));

    memset(scratch, 0, sizeof(*scratch));
    scratch->alloc = alloc;
    scratch->profile.alloc = alloc;
    dk_arena_init(&scratch->arena, alloc);
    return scratch;
}

void dk_scratch_destroy(struct dk_scratch *scratch)
{
    const struct dk_alloc *alloc = scratch->alloc;

    dk_arena_release(&scratch->arena);
    dk_alloc_free(alloc, scratch->started, scratch->started_capacity * sizeof(*scratch->started));
    dk_alloc_free(alloc, scratch->taken, scratch->taken_capacity * sizeof(*scratch->taken));
    dk_profile_release(&scratch->profile);
    dk_alloc_free(alloc, scratch->picks, scratch->pick_capacity * sizeof(*scratch->picks));
    for (uint32_t i = 0; i < sizeof(scratch->pools) / sizeof(scratch->pools[0]); i++)
        dk_alloc_free(alloc, scratch->pools[i].nodes, scratch->pools[i].size);
    dk_alloc_free(alloc, scratch->ranks, scratch->rank_capacity * sizeof(*scratch->ranks));
    dk_alloc_free(alloc, scratch->spent, scratch->spent_capacity * sizeof(*scratch->spent));
    dk_alloc_free(alloc, scratch, sizeof(*scratch));
}

void dk_scratch_fresh(struct dk_core *core, uint32_t slot)
{
    struct dk_scratch *scratch = core->scratch;

    if (scratch->fresh_count == sizeof(scratch->fresh) / sizeof(scratch->fresh[0]))
        scratch->fresh_many = true;
    else
        scratch->fresh[scratch->fresh_count++] = slot;
}

uint64_t dk_scratch_examined(const struct dk_scratch *scratch)
{
    return scratch->examined;
}

struct dk_entry dk_fresh_entry(const struct dk_pass *pass, uint32_t index)
{
    uint32_t slot = pass->scratch->fresh[index];
    const struct dk_job *job = dk_job_at(pass->core, slot);
    struct dk_entry entry = { job->key,      job->id,
                              job->limit_us, dk_demand_of(pass->core, job)->cores_min,
                              slot,          job->demand,
                              job->group };

    return entry;
}

void dk_fresh_sort(struct dk_pass *pass)
{
    uint32_t *fresh = pass->scratch->fresh;

    for (uint32_t i = 1; i < pass->scratch->fresh_count; i++) {
        uint32_t slot = fresh[i], k = i;
        const struct dk_job *job = dk_job_at(pass->core, slot);

        for (; k > 0; k--) {
            const struct dk_job *other = dk_job_at(pass->core, fresh[k - 1]);

            if (other->key < job->key || (other->key == job->key && other->id < job->id))
                break;
            fresh[k] = fresh[k - 1];
        }
        fresh[k] = slot;
    }
}

void *dk_pass_memory(struct dk_pass *pass, size_t size)
{
    return dk_arena_take(&pass->scratch->arena, size);
}

/* --- placing --- */

struct dk_tasks dk_tasks_of(const struct dk_job *job)
{
    struct dk_tasks tasks = { job->array, 1, 0, -1 };

    if (job->array != NULL) {
        tasks.left = job->array->waiting;
        if (job->array->running_max > 0 && job->array->running_max - job->array->live < tasks.left)
            tasks.left = job->array->running_max - job->array->live;
        tasks.next = job->array->ranges[0].first;
    }
    return tasks;
}

static void tasks_advance(struct dk_tasks *tasks)
{
    const struct dk_index_range *range;

    tasks->left--;
    if (tasks->array == NULL || tasks->left == 0)
        return;
    range = &tasks->array->ranges[tasks->range];
    if (range->last - tasks->next >= range->step)
        tasks->next += range->step;
    else
        tasks->next = tasks->array->ranges[++tasks->range].first;
}

static struct dk_span *spans_of(struct dk_events *out, const struct dk_ranges *ranges)
{
    struct dk_span *spans;
    int64_t last = 0;

    if (ranges->count == 0)
        return NULL;
    spans = dk_arena_take(&out->arena, ranges->count * sizeof(*spans));
    for (uint32_t i = 0; i < ranges->count; i++) {
        spans[i].gap = ranges->items[i].first - last;
        spans[i].count = ranges->items[i].count;
        last = (int64_t)ranges->items[i].first + ranges->items[i].count;
    }
    return spans;
}

/* --- limits --- */

bool dk_pass_allowed(struct dk_pass *pass, const struct dk_entry *entry)
{
    static const struct dk_amounts any_job = {
        { [DK_RESOURCE_JOBS] = 1, [DK_RESOURCE_CORES] = 1, [DK_RESOURCE_NODES] = 1 }
    };
    struct dk_group *group = &pass->core->limits.groups[entry->group];
    struct dk_amounts least;
    struct dk_over over;

    if (group->full == pass->scratch->calls)
        return false;
    least = dk_demand_amounts(&pass->core->demands[entry->demand]);
    if (dk_limits_allow(pass->core, entry->group, &least, &over))
        return true;
    if (!dk_limits_allow(pass->core, entry->group, &any_job, &over))
        group->full = pass->scratch->calls; /* as a call goes on only more is in use */
    return false;
}

/* What is placed counts for those who come later in this call, in whatever domain. */
static void spend(struct dk_pass *pass, const struct dk_job *job, const struct dk_ranges *cores,
                  const struct dk_ranges *gpus)
{
    struct dk_scratch *scratch = pass->scratch;
    struct dk_spent *spent;

    scratch->spent = dk_grow(scratch->alloc, scratch->spent, &scratch->spent_capacity,
                             scratch->spent_count + 1, sizeof(*scratch->spent));
    spent = &scratch->spent[scratch->spent_count++];
    spent->group = job->group;
    spent->amounts = dk_holding_amounts(pass->core, dk_demand_of(pass->core, job), cores, gpus);
    dk_limits_running(pass->core, spent->group, &spent->amounts, +1);
}

static void spent_back(struct dk_core *core)
{
    struct dk_scratch *scratch = core->scratch;

    for (uint32_t i = 0; i < scratch->spent_count; i++)
        dk_limits_running(core, scratch->spent[i].group, &scratch->spent[i].amounts, -1);
    scratch->spent_count = 0;
}

/* --- placing, and taking back --- */

/* Kept in order of end; a pass seldom starts more than a few. */
static void started_add(struct dk_scratch *scratch, int64_t end, uint64_t cores)
{
    uint32_t at = scratch->started_count;

    scratch->started = dk_grow(scratch->alloc, scratch->started, &scratch->started_capacity, at + 1,
                               sizeof(*scratch->started));
    for (; at > 0 && scratch->started[at - 1].end > end; at--)
        scratch->started[at] = scratch->started[at - 1];
    scratch->started[at].end = end;
    scratch->started[at].cores = cores;
    scratch->started[at].taken = scratch->taken_count;
    scratch->started_count++;
}

void dk_pass_start(struct dk_pass *pass, const struct dk_entry *entry, struct dk_tasks *tasks,
                   const struct dk_ranges *cores, const struct dk_ranges *gpus)
{
    const struct dk_job *job = dk_job_at(pass->core, entry->slot);
    struct dk_scratch *scratch = pass->scratch;
    struct dk_event *event = dk_events_add(pass->out, DK_EVENT_JOB_PLACED, pass->now);
    struct dk_job_placed *placed = &event->job_placed;
    struct dk_taken *taken;

    placed->job = job->id;
    placed->attempt = (int32_t)job->attempt + 1;
    placed->array_job = job->array_job;
    placed->task = job->task;
    if (tasks->array != NULL) {
        placed->job = pass->core->job_next + scratch->tasks_placed++;
        placed->attempt = 1;
        placed->array_job = job->id;
        placed->task = tasks->next;
    }
    placed->cores = spans_of(pass->out, cores);
    placed->cores_count = cores->count;
    placed->gpus = spans_of(pass->out, gpus);
    placed->gpus_count = gpus->count;
    tasks_advance(tasks);
    started_add(scratch, dk_add_saturated(pass->now, job->limit_us), dk_ranges_sum(cores));
    scratch->taken = dk_grow(scratch->alloc, scratch->taken, &scratch->taken_capacity,
                             scratch->taken_count + 1, sizeof(*scratch->taken));
    taken = &scratch->taken[scratch->taken_count++];
    taken->demand = dk_demand_of(pass->core, job);
    taken->cores = *cores;
    taken->gpus = *gpus;
    if (pass->core->limits.any)
        spend(pass, job, cores, gpus);
}

/* Everything that the pass gave away comes back: apply will take it for good. */
static void give_back(struct dk_pass *pass)
{
    struct dk_scratch *scratch = pass->scratch;

    for (uint32_t i = 0; i < scratch->taken_count; i++) {
        const struct dk_taken *taken = &scratch->taken[i];

        if (!pass->counted) {
            dk_machine_give(pass->core, taken->demand, &taken->cores, &taken->gpus);
            continue;
        }
        for (uint32_t k = 0; k < taken->cores.count; k++)
            dk_bitmap_add_range(&pass->core->cores_free, taken->cores.items[k].first,
                                taken->cores.items[k].count);
    }
    scratch->taken_count = 0;
}

/* --- deadlines --- */

int64_t dk_pass_deadline(const struct dk_core *core, const struct dk_domain *domain)
{
    struct dk_place place = { 0, 0 };
    const struct dk_entry *entry;

    if (!core->policy.enforce_limits)
        return INT64_MAX;
    while ((entry = dk_order_list_at(&domain->running, place)) != NULL) {
        if (dk_job_at(core, entry->slot)->state == DK_JOB_RUNNING)
            return (int64_t)entry->key;
        place = dk_place_next(&domain->running, place);
    }
    return INT64_MAX;
}

static void limits_reached(const struct dk_core *core, const struct dk_domain *domain, int64_t now,
                           struct dk_events *out)
{
    struct dk_place place = { 0, 0 };
    const struct dk_entry *entry;

    if (!core->policy.enforce_limits)
        return;
    while ((entry = dk_order_list_at(&domain->running, place)) != NULL && entry->key <= now) {
        const struct dk_job *job = dk_job_at(core, entry->slot);

        if (job->state == DK_JOB_RUNNING) {
            struct dk_event *event = dk_events_add(out, DK_EVENT_JOB_END_REQUESTED, now);

            event->job_end_requested.job = job->id;
            event->job_end_requested.attempt = (int32_t)job->attempt;
            event->job_end_requested.state = DK_END_STATE_TIMEOUT;
            event->job_end_requested.requeue = false;
            event->job_end_requested.hold = false;
        }
        place = dk_place_next(&domain->running, place);
    }
}

/* The first of its nodes that is lost; DK_SLOT_NONE: none. */
static uint32_t job_lost_node(const struct dk_core *core, const struct dk_job *job,
                              const bool *lost)
{
    for (uint32_t i = 0; i < job->cores.count; i++) {
        struct dk_range range = job->cores.items[i];

        while (range.count > 0) {
            uint32_t number = dk_node_of_core(core, range.first);
            const struct dk_node *node = &core->nodes[number];
            uint32_t here = node->core_first + node->cores - range.first;

            if (lost[number])
                return number;
            here = here < range.count ? here : range.count;
            range.first += here;
            range.count -= here;
        }
    }
    return DK_SLOT_NONE;
}

/* Nodes that were silent for too long are down, and their jobs end or go back to the queue. */
static void nodes_lost(struct dk_core *core, int64_t now, struct dk_events *out)
{
    bool *lost;

    if (dk_silence_at(core, now) != DK_SILENCE_THEIRS)
        return;
    lost = dk_arena_take(&core->scratch->arena, core->node_count * sizeof(*lost));
    for (uint32_t i = 0; i < core->node_count; i++)
        lost[i] = dk_node_silent(core, i, now);
    for (uint32_t i = 0; i < core->node_count; i++) {
        struct dk_event *event;

        if (!lost[i])
            continue;
        event = dk_events_add(out, DK_EVENT_NODE_CONDITION_SET, now);
        event->node_condition_set.node = dk_intern_text(&core->texts, core->nodes[i].name);
        event->node_condition_set.condition = DK_NODE_CONDITION_DOWN;
        event->node_condition_set.reason = dk_text_of("not responding");
    }
    for (uint32_t d = 0; d < core->domain_count; d++) {
        struct dk_place place = { 0, 0 };
        const struct dk_entry *entry;

        while ((entry = dk_order_list_at(&core->domains[d].running, place)) != NULL) {
            const struct dk_job *job = dk_job_at(core, entry->slot);
            uint32_t number = job_lost_node(core, job, lost);

            if (number != DK_SLOT_NONE)
                dk_job_lost_node(job, dk_events_add(out, DK_EVENT_JOB_ENDED, now), &out->arena,
                                 dk_intern_text(&core->texts, core->nodes[number].name),
                                 " does not respond");
            place = dk_place_next(&core->domains[d].running, place);
        }
    }
}

static void hopeless_ended(const struct dk_core *core, int64_t now, struct dk_events *out)
{
    for (uint32_t i = 0; i < core->doomed_count; i++) {
        uint32_t slot = dk_job_slot(core, core->doomed[i]);
        struct dk_event *event;

        if (slot == DK_SLOT_NONE || dk_job_at(core, slot)->state != DK_JOB_PENDING)
            continue;
        event = dk_events_add(out, DK_EVENT_JOB_ENDED, now);
        memset(&event->job_ended, 0, sizeof(event->job_ended));
        event->job_ended.job = core->doomed[i];
        event->job_ended.state = DK_END_STATE_CANCELLED;
        event->job_ended.why = dk_text_of("a dependency can never be satisfied");
    }
}

/* --- the pass --- */

static void domain_pass(struct dk_core *core, struct dk_domain *domain, int64_t now,
                        struct dk_events *out)
{
    struct dk_pass pass;

    memset(&pass, 0, sizeof(pass));
    pass.core = core;
    pass.scratch = core->scratch;
    pass.domain = domain;
    pass.now = now;
    pass.out = out;
    pass.free = domain->cores_free;
    pass.counted = !domain->node_by_node && domain->nonfungible == 0 && !core->limits.by_node;
    if (pass.counted)
        domain->tracked = false;
    else
        dk_domain_track(core, domain);
    pass.scratch->started_count = 0;
    pass.kept = pass.scratch->kept && pass.scratch->kept_version == core->version &&
                !pass.scratch->fresh_many;
    pass.scratch->kept = false; /* unless this pass says so */
    switch (core->policy.backfill) {
    case DK_BACKFILL_NONE:
    case DK_BACKFILL_EASY:
    case DK_BACKFILL_COUNT:
        if (pass.counted)
            dk_easy_counted(&pass);
        else
            dk_easy_by_node(&pass);
        break;
    case DK_BACKFILL_CONSERVATIVE:
        if (pass.counted)
            dk_conservative_counted(&pass);
        else
            dk_conservative_by_node(&pass);
        break;
    case DK_BACKFILL_CONSERVATIVE_KEEP:
        if (pass.counted)
            dk_keep_counted(&pass);
        else
            dk_conservative_by_node(&pass);
        break;
    }
    give_back(&pass);
}

void dk_pass_run(struct dk_core *core, struct dk_domain *domain, int64_t now, struct dk_events *out)
{
    if (core->scratch->arena.chunks != NULL)
        dk_arena_reset(&core->scratch->arena);
    core->scratch->tasks_placed = 0;
    core->scratch->calls++;
    domain_pass(core, domain, now, out);
    spent_back(core);
}

/* The core is only read, but for its derived tables: they are marked while a pass thinks and are as
 * they were when it returns; and the shortcut remembers what the pass found. Neither is state. */
void dk_core_schedule(const struct dk_core *core, int64_t now, struct dk_events *out)
{
    struct dk_core *work = (struct dk_core *)(uintptr_t)core;
    struct dk_scratch *scratch = work->scratch;
    uint32_t decided = out->count;

    DK_CHECK(now >= core->time);
    dk_domains_ensure(work);
    if (scratch->arena.chunks != NULL)
        dk_arena_reset(&scratch->arena);
    scratch->tasks_placed = 0;
    scratch->calls++;
    for (uint32_t i = 0; i < work->domain_count; i++)
        limits_reached(work, &work->domains[i], now, out);
    nodes_lost(work, now, out);
    hopeless_ended(work, now, out);
    for (uint32_t i = decided; i < out->count; i++)
        if (out->items[i].type == DK_EVENT_NODE_CONDITION_SET)
            return; /* where to place is for the next batch, when these nodes are known to be gone
                     */
    decided = out->count - decided;
    for (uint32_t i = 0; i < work->domain_count; i++) {
        uint32_t before = out->count;

        if (!work->domains[i].pass_due)
            continue;
        domain_pass(work, &work->domains[i], now, out);
        /* Applying these placements is not a change that a shortcut has to fear. */
        scratch->kept_version = work->version;
        for (; before < out->count; before++)
            scratch->kept_version += out->items[before].type == DK_EVENT_JOB_PLACED;
        scratch->kept = scratch->kept && decided == 0;
        scratch->fresh_count = 0;
        scratch->fresh_many = false;
    }
    spent_back(work);
}
