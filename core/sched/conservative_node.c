/* conservative_node.c - conservative backfill where nodes have to be looked at one by one
 *
 * For each node a list of changes to come: what running jobs give back at their expected end, what
 * planned jobs take and give back. The number of cores free in the whole domain (profile.c) says
 * which moments are worth a closer look; there, what each node has free for the whole span is
 * found, and nodes chosen.
 */
#include "sched/pass.h"

#include <string.h>

struct change {
    int64_t time;
    int64_t cores, memory, gpus; /* negative: taken */
};

struct changes {
    struct change *items; /* by time */
    uint32_t count, capacity;
};

struct plan {
    struct dk_pass *pass;
    struct changes *nodes; /* by node number */
    struct dk_view base;   /* what was free when the pass began */
    struct dk_view span;   /* what is free for the whole of the span looked at */
    int64_t time;          /* of the changes being added */
    int sign;
};

static void change_add(struct plan *plan, uint32_t node, int64_t time, int64_t cores,
                       int64_t memory, int64_t gpus)
{
    struct changes *changes = &plan->nodes[node];
    uint32_t at = changes->count;

    if (changes->count == changes->capacity) {
        uint32_t capacity = changes->capacity == 0 ? 8 : changes->capacity * 2;
        struct change *grown = dk_pass_memory(plan->pass, capacity * sizeof(*grown));

        if (changes->count > 0)
            memcpy(grown, changes->items, changes->count * sizeof(*grown));
        changes->items = grown;
        changes->capacity = capacity;
    }
    for (; at > 0 && changes->items[at - 1].time > time; at--)
        changes->items[at] = changes->items[at - 1];
    changes->items[at] = (struct change){ time, cores, memory, gpus };
    changes->count++;
}

static void ending_visit(void *context, uint32_t node, uint32_t cores, uint32_t memory,
                         uint32_t gpus)
{
    struct plan *plan = context;
    bool open = plan->pass->core->node_open[node];

    change_add(plan, node, plan->time, open ? cores : 0, memory, gpus);
}

static void plan_start(struct plan *plan, struct dk_pass *pass)
{
    struct dk_view now = dk_view_now(pass->core);
    size_t size = pass->core->node_count * sizeof(*plan->nodes);
    struct dk_taken holding;
    struct dk_ends ends;
    uint64_t cores;

    plan->pass = pass;
    plan->nodes = dk_pass_memory(pass, size);
    memset(plan->nodes, 0, size);
    plan->base = dk_view_copy(pass, &now);
    plan->span = dk_view_copy(pass, &now);
    dk_profile_build(&pass->scratch->profile, pass);
    dk_ends_start(&ends, pass);
    while (dk_ends_next(&ends, &plan->time, &cores))
        while (dk_ends_holding(&ends, pass, &holding))
            dk_holding_each(pass->core, &holding, ending_visit, plan);
}

/* What a node has free from `start` for all of `span`, each resource for itself. */
static void node_span(struct plan *plan, uint32_t node, int64_t start, int64_t end)
{
    const struct changes *changes = &plan->nodes[node];
    int64_t cores = plan->base.cores[node], memory = plan->base.memory[node];
    int64_t gpus = plan->base.gpus[node];
    int64_t cores_min, memory_min, gpus_min;
    uint32_t i = 0;

    for (; i < changes->count && changes->items[i].time <= start; i++) {
        cores += changes->items[i].cores;
        memory += changes->items[i].memory;
        gpus += changes->items[i].gpus;
    }
    cores_min = cores;
    memory_min = memory;
    gpus_min = gpus;
    while (i < changes->count && changes->items[i].time < end) {
        int64_t time = changes->items[i].time;

        for (; i < changes->count && changes->items[i].time == time; i++) {
            cores += changes->items[i].cores;
            memory += changes->items[i].memory;
            gpus += changes->items[i].gpus;
        }
        cores_min = dk_min(cores_min, cores);
        memory_min = dk_min(memory_min, memory);
        gpus_min = dk_min(gpus_min, gpus);
    }
    plan->span.cores[node] = (uint32_t)dk_max(cores_min, 0);
    plan->span.memory[node] = (uint32_t)dk_max(memory_min, 0);
    plan->span.gpus[node] = (uint32_t)dk_max(gpus_min, 0);
}

/* Nodes for the demand from `start` on: the choice is in scratch->picks. */
static bool fits_at(struct plan *plan, const struct dk_demand *demand, int64_t start, int64_t span)
{
    struct dk_pass *pass = plan->pass;
    int64_t end = dk_add_saturated(start, span);

    for (uint32_t i = 0; i < pass->domain->node_count; i++)
        node_span(plan, pass->domain->nodes[i], start, end);
    return dk_choose(pass, demand, &plan->span, NULL, NULL);
}

static int64_t earliest(struct plan *plan, const struct dk_entry *entry)
{
    const struct dk_profile *profile = &plan->pass->scratch->profile;
    const struct dk_demand *demand = &plan->pass->core->demands[entry->demand];
    int64_t from = plan->pass->now;

    while (from != INT64_MAX) {
        int64_t start = dk_profile_earliest(profile, from, entry->cores, entry->span);

        if (start == INT64_MAX)
            break;
        plan->pass->scratch->examined++;
        if (fits_at(plan, demand, start, entry->span))
            return start;
        from = dk_profile_after(profile, start);
    }
    return INT64_MAX;
}

/* The picks hold their part of the nodes from start to end. */
static void plan_reserve(struct plan *plan, const struct dk_entry *entry, int64_t start)
{
    struct dk_scratch *scratch = plan->pass->scratch;
    const struct dk_core *core = plan->pass->core;
    const struct dk_demand *demand = &core->demands[entry->demand];
    int64_t end = dk_add_saturated(start, entry->span), cores = 0;

    for (uint32_t i = 0; i < scratch->pick_count; i++) {
        uint32_t node = scratch->picks[i].node;
        uint32_t before[3] = { plan->span.cores[node], plan->span.memory[node],
                               plan->span.gpus[node] };
        int64_t taken[3];

        dk_view_take(core, demand, &plan->span, &scratch->picks[i], 1);
        taken[0] = (int64_t)before[0] - plan->span.cores[node];
        taken[1] = (int64_t)before[1] - plan->span.memory[node];
        taken[2] = (int64_t)before[2] - plan->span.gpus[node];
        change_add(plan, node, start, -taken[0], -taken[1], -taken[2]);
        if (end != INT64_MAX)
            change_add(plan, node, end, taken[0], taken[1], taken[2]);
        cores += taken[0];
    }
    dk_profile_change(&scratch->profile, start, end, -cores);
}

static void plan_entry(struct plan *plan, const struct dk_entry *entry, int64_t *left)
{
    struct dk_pass *pass = plan->pass;
    struct dk_tasks tasks = dk_tasks_of(dk_job_at(pass->core, entry->slot));

    for (uint32_t wanted = tasks.left; wanted > 0 && *left > 0; wanted--, (*left)--) {
        int64_t start;

        if (!dk_pass_allows(pass, entry))
            return; /* who is over a limit has no place */
        start = earliest(plan, entry);
        if (dk_traced(pass))
            dk_trace_plan(pass, entry, start);
        if (start == INT64_MAX || (start == pass->now && !dk_picks_allowed(pass, entry)))
            return;
        plan_reserve(plan, entry, start);
        if (start == pass->now)
            dk_start_picks(pass, entry, &tasks);
    }
}

void dk_conservative_by_node(struct dk_pass *pass)
{
    int64_t left = pass->core->policy.depth == 0 ? INT64_MAX : pass->core->policy.depth;
    uint32_t cores_min = (uint32_t)dk_min(dk_order_list_cores_min(&pass->domain->queue),
                                          dk_order_list_cores_min(&pass->domain->aged));
    const struct dk_entry *entry;
    struct dk_walk walk;
    struct plan plan;

    if (!pass->core->options.no_shortcut && pass->free < cores_min)
        return;
    plan_start(&plan, pass);
    dk_walk_start(&walk, pass->core, pass->domain, pass->now);
    while ((entry = dk_walk_peek(&walk)) != NULL && left > 0 &&
           (pass->free >= cores_min || dk_trace_beyond(pass)) && !dk_trace_done(pass)) {
        plan_entry(&plan, entry, &left);
        dk_walk_next(&walk);
    }
}
