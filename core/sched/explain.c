/* explain.c - one job: every reason that holds it, its place, the nodes, and what a pass says of it
 *
 * The state says what holds a job; the pass over its domain, run with a listener, says what its
 * reservation is and why it may not go before others.
 */
#include "sched/explain_parts.h"

#include <string.h>

/* Holds of other kinds than conditions on jobs, at most. */
#define HOLDS_BESIDE (8 + DK_USAGE_KINDS * DK_RESOURCE_COUNT)
#define PLANS_MAX                                                                                  \
    4096 /* conservative: a listener waits for the job's plan behind so many others                \
          */

static struct dk_core *touched(const struct dk_core *core)
{
    return (struct dk_core *)(uintptr_t)core; /* derived tables and the scratch only */
}

/* --- facts --- */

static void facts_demand(const struct dk_core *core, const struct dk_demand *demand,
                         struct dk_explanation *out)
{
    out->nodes = demand->nodes;
    out->tasks = demand->tasks;
    out->cores_per_task = demand->cpus_per_task;
    out->tasks_per_node = demand->tasks_per_node;
    out->cores_min = demand->cores_min;
    out->memory_per_node = demand->memory_per_node;
    out->memory_per_core = demand->memory_per_cpu;
    out->gpus_per_node = demand->gpus_per_node;
    out->gpus_per_task = demand->gpus_per_task;
    out->exclusive = demand->exclusive != 0;
    out->constraint = dk_intern_text(&core->texts, demand->constraint);
    out->named = dk_intern_text(&core->texts, demand->named);
}

static void facts_of(const struct dk_core *core, const struct dk_job *job,
                     struct dk_explanation *out)
{
    out->job = job->id;
    out->array_job = job->array_job;
    out->submit = job->submit;
    out->eligible = job->eligible == DK_TIME_NONE ? 0 : job->eligible;
    out->begin = job->begin;
    out->limit_us = job->limit_us;
    out->start = job->start;
    out->planned = job->planned;
    out->state = (enum dk_job_state)job->state;
    out->uid = job->uid;
    out->user = dk_intern_text(&core->texts, job->user);
    out->task = job->task;
    out->attempt = (int32_t)job->attempt;
    out->name = dk_intern_text(&core->texts, job->name);
    out->account = dk_intern_text(&core->texts, job->account);
    out->partition = dk_intern_text(&core->texts, core->partitions[job->partition].name);
    out->backfill = core->policy.backfill;
    out->depth = core->policy.depth;
    out->reason = dk_core_job_reason(core, job->id);
    facts_demand(core, dk_demand_of(core, job), out);
    if (job->array != NULL) {
        out->is_array = true;
        out->array_waiting = job->array->waiting;
        out->array_live = job->array->live;
        out->array_running_max = job->array->running_max;
    }
}

/* --- what the state holds it by --- */

static struct dk_hold *hold_add(struct dk_explanation *out, enum dk_hold_kind kind,
                                const char *reason)
{
    struct dk_hold *hold = &out->holds[out->hold_count++];

    memset(hold, 0, sizeof(*hold));
    hold->kind = kind;
    hold->reason = reason;
    return hold;
}

static uint32_t condition_count(const struct dk_core *core, const struct dk_job *job)
{
    uint32_t count = 0, i = job->dependency_first;

    for (; i != DK_SLOT_NONE; i = core->conditions[i].owner_next)
        count++;
    return count;
}

static void hold_dependencies(const struct dk_core *core, const struct dk_job *job,
                              struct dk_explanation *out)
{
    uint32_t i = job->dependency_first;

    for (; i != DK_SLOT_NONE; i = core->conditions[i].owner_next) {
        const struct dk_condition *condition = &core->conditions[i];
        struct dk_hold *hold = hold_add(
            out, DK_HOLD_DEPENDENCY,
            condition->state == DK_CONDITION_NEVER ? "DependencyNeverSatisfied" : "Dependency");

        hold->job = condition->target;
        hold->dependency = (enum dk_dependency_kind)condition->kind;
        hold->job_state = dk_core_job_state(core, condition->target);
        hold->condition = condition->state;
        hold->delay_us = condition->delay_us;
        hold->time = condition->due;
    }
}

/* The tasks of an array that run now. */
static void hold_tasks(const struct dk_core *core, const struct dk_job *job, struct dk_arena *arena,
                       struct dk_explanation *out)
{
    struct dk_hold *hold = hold_add(out, DK_HOLD_TASK_LIMIT, "JobArrayTaskLimit");

    hold->limit = job->array->running_max;
    hold->in_use = job->array->live;
    hold->asked = 1;
    hold->jobs = dk_arena_take(arena, DK_EXPLAIN_JOBS_MAX * sizeof(*hold->jobs));
    hold->jobs_all = job->array->live;
    for (uint32_t slot = job->array->task_first;
         slot != DK_SLOT_NONE && hold->job_count < DK_EXPLAIN_JOBS_MAX;
         slot = dk_job_at(core, slot)->task_next)
        hold->jobs[hold->job_count++] = dk_job_at(core, slot)->id;
}

static const char *const resource_names[DK_RESOURCE_COUNT] = { "active jobs", "running jobs",
                                                               "cores",       "GPUs",
                                                               "nodes",       "memory in MiB" };

static struct dk_text usage_whose(const struct dk_core *core, const struct dk_job *job,
                                  enum dk_usage_kind kind)
{
    uint32_t text = 0;

    if (kind == DK_USAGE_USER || kind == DK_USAGE_USER_IN_PARTITION)
        text = job->user;
    else if (kind == DK_USAGE_ACCOUNT)
        text = job->account;
    else if (kind == DK_USAGE_PARTITION)
        text = core->partitions[job->partition].name;
    return dk_intern_text(&core->texts, text);
}

/* The jobs that run and count in this usage. */
static void usage_holders(const struct dk_core *core, enum dk_usage_kind kind, uint32_t usage,
                          struct dk_arena *arena, struct dk_hold *hold)
{
    hold->jobs = dk_arena_take(arena, DK_EXPLAIN_JOBS_MAX * sizeof(*hold->jobs));
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        const struct dk_job *job = dk_job_at(core, slot);

        if ((job->state != DK_JOB_RUNNING && job->state != DK_JOB_ENDING) ||
            core->limits.groups[job->group].usages[kind] != usage)
            continue;
        hold->jobs_all++;
        if (hold->job_count < DK_EXPLAIN_JOBS_MAX)
            hold->jobs[hold->job_count++] = job->id;
    }
}

/* Every limit that the job would be over, were it started: not only the first. */
static void hold_limits(const struct dk_core *core, const struct dk_job *job,
                        struct dk_arena *arena, struct dk_explanation *out)
{
    struct dk_amounts least = dk_demand_amounts(dk_demand_of(core, job));

    for (int kind = 0; kind < DK_USAGE_KINDS; kind++) {
        uint32_t index = core->limits.groups[job->group].usages[kind];

        for (int i = DK_RESOURCE_JOBS; index != DK_SLOT_NONE && i < DK_RESOURCE_COUNT; i++) {
            const struct dk_tally *usage = &core->limits.usages[index];
            struct dk_over over = { (enum dk_resource)i, (enum dk_limit_scope)usage->scope[i],
                                    usage->most.of[i], usage->used.of[i], least.of[i] };
            struct dk_hold *hold;

            if (over.most == 0 || over.asked == 0 || over.used + over.asked <= over.most)
                continue;
            hold = hold_add(out, DK_HOLD_LIMIT, dk_over_reason(&over));
            hold->what = resource_names[i];
            hold->scope = over.scope;
            hold->whose = usage_whose(core, job, (enum dk_usage_kind)kind);
            hold->limit = over.most;
            hold->in_use = over.used;
            hold->asked = over.asked;
            usage_holders(core, (enum dk_usage_kind)kind, index, arena, hold);
        }
    }
}

static void hold_state(const struct dk_core *core, const struct dk_job *job, struct dk_arena *arena,
                       struct dk_explanation *out)
{
    uint8_t partition = core->partitions[job->partition].state;

    out->holds =
        dk_arena_take(arena, (condition_count(core, job) + HOLDS_BESIDE) * sizeof(*out->holds));
    if (job->wait & DK_WAIT_HELD_ADMIN)
        hold_add(out, DK_HOLD_ADMIN, "JobHeldAdmin");
    if (job->wait & DK_WAIT_HELD_USER)
        hold_add(out, DK_HOLD_USER, "JobHeldUser");
    hold_dependencies(core, job, out);
    if (job->wait & DK_WAIT_BEGIN)
        hold_add(out, DK_HOLD_BEGIN, "BeginTime")->time = job->begin;
    if (job->wait & DK_WAIT_PARTITION)
        hold_add(out, DK_HOLD_PARTITION,
                 partition == DK_PARTITION_STATE_INACTIVE ? "PartitionInactive" : "PartitionDown")
            ->number = partition;
    if (job->wait & DK_WAIT_TASK_LIMIT)
        hold_tasks(core, job, arena, out);
    if (core->limits.any)
        hold_limits(core, job, arena, out);
}

/* --- nodes --- */

static enum dk_fit fit_of(const struct dk_core *core, const struct dk_demand *demand,
                          uint32_t number, bool in_pool, struct dk_room *now)
{
    const struct dk_node *node = &core->nodes[number];
    uint32_t share = demand->nodes > 0 ? demand->tasks / demand->nodes : 1, tasks;

    if (!in_pool)
        return DK_FIT_FEATURES;
    if (node->condition != DK_NODE_CONDITION_UP)
        return node->condition == DK_NODE_CONDITION_DRAINED ? DK_FIT_DRAINED : DK_FIT_DOWN;
    if (node->lost || !core->node_open[number])
        return DK_FIT_LOST;
    if (dk_tasks_fit(demand, node, node->cores, node->memory, node->gpus) < share)
        return DK_FIT_SMALL;
    tasks = dk_tasks_fit(demand, node, core->node_cores_free[number],
                         core->node_memory_free[number], core->node_gpus_free[number]);
    dk_room_add(now, tasks);
    return tasks < share ? DK_FIT_LATER : DK_FIT_NOW;
}

/* Also: is there room for all of it now? */
static bool nodes_see(struct dk_core *core, const struct dk_job *job, struct dk_arena *arena,
                      struct dk_explanation *out)
{
    const struct dk_demand *demand = dk_demand_of(core, job);
    const struct dk_domain *domain = dk_job_domain(core, job);
    const uint8_t *pool = dk_pool(core, demand);
    struct dk_room now;
    bool wanted = true; /* those that it must have: each has room */

    dk_nodes_refresh(core);
    dk_room_start(&now, demand);
    out->node_fits =
        dk_arena_take(arena, ((size_t)domain->node_count + 1) * sizeof(*out->node_fits));
    out->node_count = 0;
    out->cores_free = out->cores_open = 0;
    for (uint32_t i = 0; i < domain->node_count; i++) {
        uint32_t number = domain->nodes[i];
        const struct dk_node *node = &core->nodes[number];
        struct dk_node_fit *fit = &out->node_fits[out->node_count];

        if (node->cores == 0 || !dk_node_in_partition(core, number, job->partition))
            continue;
        out->node_count++;
        fit->name = dk_intern_text(&core->texts, node->name);
        fit->fit = fit_of(core, demand, number, pool[number], &now);
        fit->cores = node->cores;
        fit->cores_free = core->node_cores_free[number];
        fit->memory = node->memory;
        fit->memory_free = core->node_memory_free[number];
        fit->gpus = node->gpus;
        fit->gpus_free = core->node_gpus_free[number];
        fit->tasks = fit->fit == DK_FIT_NOW ? dk_tasks_fit(demand, node, fit->cores_free,
                                                           fit->memory_free, fit->gpus_free)
                                            : 0;
        wanted = wanted && (pool[number] != DK_POOL_WANTED || fit->fit == DK_FIT_NOW);
        out->cores_free += fit->cores_free;
        out->cores_open += core->node_open[number] ? node->cores : 0;
    }
    return wanted && dk_room_enough(&now);
}

/* --- the order --- */

void dk_explain_place(const struct dk_core *core, uint32_t slot, int64_t now,
                      struct dk_arena *arena, struct dk_explanation *out)
{
    const struct dk_job *job = dk_job_at(core, slot);
    const struct dk_domain *domain = dk_job_domain(core, job);
    const struct dk_entry *entry;
    struct dk_walk walk;

    dk_factors_of(core, job, now, &out->factors);
    out->domain_size = (uint32_t)(domain->queue.count + domain->aged.count);
    if (!(job->flags & DK_FLAG_IN_QUEUE))
        return;
    out->ahead = dk_arena_take(arena, DK_EXPLAIN_JOBS_MAX * sizeof(*out->ahead));
    dk_walk_start(&walk, core, domain, now);
    for (uint32_t at = 1; (entry = dk_walk_peek(&walk)) != NULL; at++, dk_walk_next(&walk)) {
        if (entry->slot == slot) {
            out->position = at;
            break;
        }
        if (out->ahead_count < DK_EXPLAIN_JOBS_MAX)
            out->ahead[out->ahead_count++] =
                (struct dk_ahead){ entry->id, at, entry->cores,
                                   dk_intern_text(&core->texts,
                                                  dk_job_at(core, entry->slot)->user) };
        out->ahead_all++;
        out->ahead_cores += entry->cores;
    }
    if (out->factors.policy != DK_POLICY_MULTIFACTOR)
        out->factors.priority = (int64_t)out->domain_size - out->position + 1;
}

void dk_core_explain_again(const struct dk_core *core, int64_t job, int64_t now,
                           struct dk_arena *arena, struct dk_explanation *out)
{
    uint32_t slot = dk_job_slot(core, job);

    dk_domains_ensure(touched(core));
    out->position = out->ahead_count = 0;
    out->ahead_all = out->ahead_cores = 0;
    if (slot == DK_SLOT_NONE)
        return;
    (void)nodes_see(touched(core), dk_job_at(core, slot), arena, out);
    dk_explain_place(core, slot, now, arena, out);
}

static uint64_t place_of(const struct dk_core *core, const struct dk_domain *domain, int64_t now,
                         int64_t id)
{
    const struct dk_entry *entry;
    struct dk_walk walk;
    uint64_t at = 1;

    dk_walk_start(&walk, core, domain, now);
    for (; (entry = dk_walk_peek(&walk)) != NULL && entry->id != id; dk_walk_next(&walk))
        at++;
    return at;
}

/* --- whose ends it waits for --- */

static bool holds_of(const struct dk_core *core, const struct dk_job *job, const uint8_t *pool)
{
    for (uint32_t i = 0; i < job->cores.count; i++) {
        uint32_t at = job->cores.items[i].first, limit = at + job->cores.items[i].count;

        while (at < limit) {
            uint32_t number = dk_node_of_core(core, at);

            if (pool[number])
                return true;
            at = core->nodes[number].core_first + core->nodes[number].cores;
        }
    }
    return false;
}

static void running_see(const struct dk_core *core, const struct dk_job *job, int64_t now,
                        int64_t until, struct dk_arena *arena, struct dk_explanation *out)
{
    const struct dk_order_list *list = &dk_job_domain(core, job)->running;
    const uint8_t *pool = dk_pool(touched(core), dk_demand_of(core, job));
    struct dk_place place = { 0, 0 };
    const struct dk_entry *entry;

    out->running = dk_arena_take(arena, DK_EXPLAIN_JOBS_MAX * sizeof(*out->running));
    for (; (entry = dk_order_list_at(list, place)) != NULL; place = dk_place_next(list, place)) {
        const struct dk_job *other = dk_job_at(core, entry->slot);

        if (entry->key > now && entry->key > until)
            break;
        if (!holds_of(core, other, pool))
            continue;
        if (out->running_count < DK_EXPLAIN_JOBS_MAX)
            out->running[out->running_count++] =
                (struct dk_running){ entry->id, (int64_t)entry->key, entry->cores,
                                     dk_intern_text(&core->texts, other->user) };
        out->running_all++;
        out->running_cores += entry->cores;
    }
}

/* --- a pass with a listener --- */

static void notes_start(struct dk_pass_notes *notes)
{
    memset(notes, 0, sizeof(*notes));
    notes->listened = true;
    notes->head_start = notes->planned = INT64_MAX;
}

static void pass_listen(struct dk_core *core, uint32_t slot, int64_t now,
                        struct dk_pass_notes *notes)
{
    struct dk_domain *domain = dk_job_domain(core, dk_job_at(core, slot));
    struct dk_trace trace = { domain, slot, true, PLANS_MAX, notes };
    bool no_shortcut = core->options.no_shortcut;
    struct dk_events decisions;

    notes_start(notes);
    dk_events_init(&decisions, core->outer);
    core->options.no_shortcut = true;
    core->scratch->kept = false; /* all of the queue is looked at */
    core->scratch->trace = &trace;
    dk_pass_run(core, domain, now, &decisions);
    core->scratch->trace = NULL;
    core->scratch->kept = false;
    core->options.no_shortcut = no_shortcut;
    dk_events_release(&decisions);
}

/* Eligible: what keeps it from starting, of resources and order. */
static void hold_queue(struct dk_core *core, uint32_t slot, int64_t now, bool room,
                       struct dk_arena *arena, struct dk_explanation *out)
{
    const struct dk_job *job = dk_job_at(core, slot);
    struct dk_pass_notes *notes = &out->notes;
    struct dk_hold *hold;
    int64_t until;

    pass_listen(core, slot, now, notes);
    notes->fits_now = room;
    if (notes->has_head && out->depth > 0 && out->backfill != DK_BACKFILL_NONE)
        notes->beyond_depth =
            out->position >
            (int64_t)place_of(core, dk_job_domain(core, job), now, notes->head) + out->depth;
    if (!dk_fits_when_idle(core, dk_demand_of(core, job)))
        hold_add(out, DK_HOLD_UNAVAILABLE, "ReqNodeNotAvail");
    if (!room) {
        hold = hold_add(out, DK_HOLD_RESOURCES, "Resources");
        hold->limit = (int64_t)out->cores_open;
        hold->in_use = (int64_t)(out->cores_open - out->cores_free);
        hold->asked = out->cores_min;
    }
    if (out->ahead_all > 0)
        hold_add(out, DK_HOLD_ORDER, "Priority");
    until = notes->planned != INT64_MAX ? notes->planned : notes->head_start;
    if (out->planned != INT64_MAX)
        until = out->planned;
    running_see(core, job, now, until, arena, out);
}

bool dk_core_explain(const struct dk_core *core, int64_t job, int64_t now, struct dk_arena *arena,
                     struct dk_explanation *out)
{
    uint32_t slot = dk_job_slot(core, job);
    bool room;

    memset(out, 0, sizeof(*out));
    out->notes.planned = out->notes.head_start = INT64_MAX;
    if (slot == DK_SLOT_NONE)
        return false;
    dk_domains_ensure(touched(core));
    facts_of(core, dk_job_at(core, slot), out);
    room = nodes_see(touched(core), dk_job_at(core, slot), arena, out);
    if (out->state != DK_JOB_PENDING)
        return true;
    hold_state(core, dk_job_at(core, slot), arena, out);
    dk_explain_place(core, slot, now, arena, out);
    if (out->position > 0)
        hold_queue(touched(core), slot, now, room, arena, out);
    return true;
}

void dk_core_schedule_explained(const struct dk_core *core, int64_t now, int64_t job,
                                struct dk_arena *arena, struct dk_explanation *out,
                                struct dk_events *decisions)
{
    uint32_t slot = dk_job_slot(core, job);
    struct dk_trace trace = { NULL, slot, false, INT64_MAX, &out->notes };

    memset(out, 0, sizeof(*out));
    dk_domains_ensure(touched(core));
    if (slot != DK_SLOT_NONE) {
        facts_of(core, dk_job_at(core, slot), out);
        dk_explain_place(core, slot, now, arena, out);
        notes_start(&out->notes);
        trace.domain = dk_job_domain(core, dk_job_at(core, slot));
        core->scratch->kept = false;
        core->scratch->trace = &trace;
    }
    dk_core_schedule(core, now, decisions);
    core->scratch->trace = NULL;
}

/* --- where a job is --- */

uint32_t dk_core_nodes_of(const struct dk_core *core, const struct dk_span *spans, uint32_t count,
                          struct dk_arena *arena, struct dk_node_held **nodes)
{
    uint32_t held = 0, last = DK_SLOT_NONE, capacity = 16;
    struct dk_node_held *items = dk_arena_take(arena, capacity * sizeof(*items));
    int64_t at = 0;

    for (uint32_t i = 0; i < count; i++) {
        int64_t limit = at + spans[i].gap + spans[i].count;

        for (at += spans[i].gap; at < limit;) {
            uint32_t number = dk_node_of_core(core, (uint32_t)at);
            const struct dk_node *node = &core->nodes[number];
            int64_t end = dk_min(limit, (int64_t)node->core_first + node->cores);

            if (number != last && held == capacity) {
                struct dk_node_held *grown = dk_arena_take(arena, capacity * 2 * sizeof(*items));

                memcpy(grown, items, held * sizeof(*items));
                items = grown;
                capacity *= 2;
            }
            if (number != last)
                items[held++] =
                    (struct dk_node_held){ dk_intern_text(&core->texts, node->name), 0 };
            items[held - 1].cores += (uint32_t)(end - at);
            last = number;
            if (end <= at) /* cores of a node's former self: they belong to nobody now */
                end = limit;
            at = end;
        }
    }
    *nodes = items;
    return held;
}

int64_t dk_core_task_find(const struct dk_core *core, int64_t array_job, int32_t task)
{
    uint32_t slot = dk_job_slot(core, array_job);

    if (slot == DK_SLOT_NONE || dk_job_at(core, slot)->array == NULL)
        return 0;
    for (slot = dk_job_at(core, slot)->array->task_first; slot != DK_SLOT_NONE;
         slot = dk_job_at(core, slot)->task_next)
        if (dk_job_at(core, slot)->task == task)
            return dk_job_at(core, slot)->id;
    return 0;
}
