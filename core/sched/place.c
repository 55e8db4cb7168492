/* place.c - on which nodes a job starts
 *
 * Two kinds of demand. Spread (nodes = 0): tasks go to nodes in the domain's order, each filled
 * with as many as fit, until all have a place. Shaped (nodes = N): exactly N nodes; tasks are dealt
 * out evenly, the first (tasks mod N) nodes get one more. A node is judged by its free cores,
 * memory and GPUs together. What a job holds on a node follows from its demand and its cores there:
 * memory per node once, memory per cpu for each core; an exclusive job holds all of the node.
 */
#include "sched/pass.h"

#include <string.h>

uint32_t dk_tasks_fit(const struct dk_demand *demand, const struct dk_node *node, uint32_t cores,
                      uint32_t memory, uint32_t gpus)
{
    uint64_t tasks;

    if (demand->exclusive && (cores != node->cores || memory != node->memory || gpus != node->gpus))
        return 0;
    tasks = cores / demand->cpus_per_task;
    if (demand->memory_per_node > memory || demand->gpus_per_node > gpus)
        return 0;
    if (demand->memory_per_cpu > 0) {
        uint64_t per_task = (uint64_t)demand->memory_per_cpu * demand->cpus_per_task;

        tasks = memory / per_task < tasks ? memory / per_task : tasks;
        /* An exclusive job holds every core, whether a task uses it or not, but memory for tasks
         * only. */
    }
    if (demand->gpus_per_task > 0 && gpus / demand->gpus_per_task < tasks)
        tasks = gpus / demand->gpus_per_task;
    if (demand->tasks_per_node > 0 && demand->tasks_per_node < tasks)
        tasks = demand->tasks_per_node;
    return tasks > UINT32_MAX ? UINT32_MAX : (uint32_t)tasks;
}

/* --- pools: the nodes of a partition that have the features --- */

static uint64_t pool_key(const struct dk_core *core, const struct dk_demand *demand)
{
    return core->texts.entries[demand->constraint].hash ^
           (demand->named == 0 ? 0 : core->texts.entries[demand->named].hash * 31) ^
           ((uint64_t)demand->partition + 1) * 0x9e3779b97f4a7c15u;
}

/* With all that is named; a pool without one that the job must have is empty. */
static void pool_fill(const struct dk_core *core, uint32_t partition, struct dk_text constraint,
                      struct dk_text named, uint8_t *nodes)
{
    for (uint32_t i = 0; i < core->node_count; i++)
        nodes[i] = core->nodes[i].cores > 0 && dk_node_in_partition(core, i, partition) &&
                   dk_constraint_matches(core, &core->nodes[i], constraint);
    if (!dk_named_mark(core, named, nodes))
        memset(nodes, 0, core->node_count);
}

const uint8_t *dk_pool(struct dk_core *core, const struct dk_demand *demand)
{
    struct dk_scratch *scratch = core->scratch;
    uint32_t count = sizeof(scratch->pools) / sizeof(scratch->pools[0]);
    uint64_t key = pool_key(core, demand);
    struct dk_pool_entry *pool;

    for (uint32_t i = 0; i < count; i++)
        if (scratch->pools[i].key == key && scratch->pools[i].machine == core->machine)
            return scratch->pools[i].nodes;
    pool = &scratch->pools[scratch->pool_next++ % count];
    dk_alloc_free(scratch->alloc, pool->nodes, pool->size);
    pool->key = key;
    pool->machine = core->machine;
    pool->size = core->node_count;
    pool->nodes = dk_alloc_new(scratch->alloc, pool->size);
    pool_fill(core, demand->partition, dk_intern_text(&core->texts, demand->constraint),
              dk_intern_text(&core->texts, demand->named), pool->nodes);
    return pool->nodes;
}

/* --- could it ever be placed? --- */

struct need {                 /* how much of a demand has found no place yet */
    uint64_t open;            /* spread: tasks; shaped: nodes. Read at every node: one number */
    uint32_t larger, smaller; /* shaped: nodes for share+1 and for share tasks */
    uint32_t share;
};

static struct need need_of(const struct dk_demand *demand)
{
    struct need need = { demand->nodes > 0 ? demand->nodes : demand->tasks, 0, 0, 0 };

    if (demand->nodes > 0) {
        need.share = demand->tasks / demand->nodes;
        need.larger = demand->tasks % demand->nodes;
        need.smaller = demand->nodes - need.larger;
    }
    return need;
}

/* How many tasks a node with room for `fit` gets; 0: none. */
static uint32_t need_serve(struct need *need, const struct dk_demand *demand, uint32_t fit)
{
    uint32_t tasks = 0;

    if (demand->nodes == 0) {
        tasks = need->open < fit ? (uint32_t)need->open : fit;
        need->open -= tasks;
    } else if (fit > need->share && need->larger > 0) {
        need->larger--;
        need->open--;
        tasks = need->share + 1;
    } else if (fit >= need->share && need->smaller > 0) {
        need->smaller--;
        need->open--;
        tasks = need->share;
    }
    return tasks;
}

/* As dk_choose has it: those that it must have first, and something on each. */
static uint32_t wanted_serve(struct need *need, const struct dk_demand *demand, uint32_t fit,
                             uint32_t wanted_left)
{
    if (demand->nodes == 0 && need->open - (wanted_left - 1) < fit)
        fit = (uint32_t)(need->open - (wanted_left - 1)); /* leave one task for each of them */
    return need_serve(need, demand, fit);
}

static uint32_t wanted_count(const uint8_t *pool, uint32_t count)
{
    uint32_t wanted = 0;

    for (uint32_t i = 0; i < count; i++)
        wanted += pool[i] == DK_POOL_WANTED;
    return wanted;
}

static bool possible_now(const struct dk_core *core, const struct dk_demand *demand,
                         const uint8_t *pool)
{
    struct need need = need_of(demand);
    uint32_t wanted = wanted_count(pool, core->node_count);

    for (uint32_t i = 0; i < core->node_count && wanted > 0; i++) {
        const struct dk_node *node = &core->nodes[i];

        if (pool[i] == DK_POOL_WANTED &&
            (need.open < wanted ||
             wanted_serve(&need, demand,
                          dk_tasks_fit(demand, node, node->cores, node->memory, node->gpus),
                          wanted--) == 0))
            return false;
    }
    for (uint32_t i = 0; i < core->node_count && need.open > 0; i++) {
        const struct dk_node *node = &core->nodes[i];

        if (pool[i] == 1)
            need_serve(&need, demand,
                       dk_tasks_fit(demand, node, node->cores, node->memory, node->gpus));
    }
    return need.open == 0;
}

static bool possible_in(const struct dk_core *core, const struct dk_demand *demand,
                        struct dk_text constraint, struct dk_text named)
{
    uint8_t *pool = dk_alloc_new(core->alloc, core->node_count + 1);
    bool possible;

    pool_fill(core, demand->partition, constraint, named, pool);
    possible = possible_now(core, demand, pool);
    dk_alloc_free(core->alloc, pool, core->node_count + 1);
    return possible;
}

bool dk_demand_possible(const struct dk_core *core, const struct dk_demand *demand,
                        struct dk_text constraint, struct dk_text named)
{
    struct dk_scratch *scratch = core->scratch;
    struct dk_demand plain = *demand;
    const struct dk_partition *partition = &core->partitions[demand->partition];
    struct dk_possible *known;
    uint64_t key;

    dk_demand_complete(&plain);
    if (plain.fungible && constraint.size == 0 && named.size == 0 &&
        !core->domains[partition->domain].node_by_node)
        return plain.cores_min <= core->domains[partition->domain].cores_total;
    plain.constraint = plain.named = 0;
    key = dk_hash(DK_HASH_DEMAND, &plain, offsetof(struct dk_demand, cores_min)) ^
          dk_hash(DK_HASH_TEXT, constraint.data, constraint.size) ^
          (named.size == 0 ? 0 : dk_hash(DK_HASH_TEXT, named.data, named.size) * 31);
    known = &scratch->possible[key % 256];
    if (known->key == key && known->machine == core->machine)
        return true;
    if (!possible_in(core, demand, constraint, named))
        return false;
    known->key = key;
    known->machine = core->machine;
    return true;
}

/* --- views --- */

struct dk_view dk_view_now(const struct dk_core *core)
{
    struct dk_view view = { core->node_cores_free, core->node_memory_free, core->node_gpus_free };

    return view;
}

static uint32_t *column_copy(struct dk_pass *pass, const uint32_t *column)
{
    size_t size = pass->core->node_count * sizeof(*column);
    uint32_t *copy = dk_pass_memory(pass, size);

    memcpy(copy, column, size);
    return copy;
}

struct dk_view dk_view_copy(struct dk_pass *pass, const struct dk_view *view)
{
    struct dk_view copy = { column_copy(pass, view->cores), column_copy(pass, view->memory),
                            column_copy(pass, view->gpus) };

    return copy;
}

static uint32_t cores_for(const struct dk_demand *demand, const struct dk_node *node,
                          uint32_t tasks)
{
    return demand->exclusive ? node->cores : tasks * demand->cpus_per_task;
}

static uint32_t gpus_for(const struct dk_demand *demand, const struct dk_node *node, uint32_t tasks)
{
    return demand->exclusive ? node->gpus : demand->gpus_per_node + demand->gpus_per_task * tasks;
}

static uint32_t memory_for(const struct dk_demand *demand, const struct dk_node *node,
                           uint32_t cores)
{
    return demand->exclusive ? node->memory
                             : demand->memory_per_node + demand->memory_per_cpu * cores;
}

void dk_view_take(const struct dk_core *core, const struct dk_demand *demand, struct dk_view *view,
                  const struct dk_pick *picks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct dk_node *node = &core->nodes[picks[i].node];
        uint32_t cores = cores_for(demand, node, picks[i].tasks);

        view->cores[picks[i].node] -= cores;
        view->memory[picks[i].node] -= memory_for(demand, node, cores);
        view->gpus[picks[i].node] -= gpus_for(demand, node, picks[i].tasks);
    }
}

void dk_holding_each(const struct dk_core *core, const struct dk_taken *holding,
                     dk_holding_visit *visit, void *context)
{
    uint32_t pending = DK_SLOT_NONE, cores = 0;

    for (uint32_t i = 0; i < holding->cores.count; i++) {
        struct dk_range range = holding->cores.items[i];

        while (range.count > 0) {
            uint32_t number = dk_node_of_core(core, range.first);
            const struct dk_node *node = &core->nodes[number];
            uint32_t here = node->core_first + node->cores - range.first;

            here = here < range.count ? here : range.count;
            if (number != pending && pending != DK_SLOT_NONE) {
                visit(context, pending, cores,
                      memory_for(holding->demand, &core->nodes[pending], cores), 0);
                cores = 0;
            }
            pending = number;
            cores += here;
            range.first += here;
            range.count -= here;
        }
    }
    if (pending != DK_SLOT_NONE)
        visit(context, pending, cores, memory_for(holding->demand, &core->nodes[pending], cores),
              0);
    for (uint32_t i = 0; i < holding->gpus.count; i++)
        for (uint32_t k = 0; k < core->node_count; k++) {
            const struct dk_node *node = &core->nodes[k];
            uint32_t first = holding->gpus.items[i].first;
            uint32_t limit = first + holding->gpus.items[i].count;

            first = first > node->gpu_first ? first : node->gpu_first;
            limit = limit < node->gpu_first + node->gpus ? limit : node->gpu_first + node->gpus;
            if (first < limit)
                visit(context, k, 0, 0, limit - first);
        }
}

static void sum_visit(void *context, uint32_t node, uint32_t cores, uint32_t memory, uint32_t gpus)
{
    struct dk_amounts *sum = context;

    (void)node;
    sum->of[DK_RESOURCE_NODES]++;
    sum->of[DK_RESOURCE_CORES] += cores;
    sum->of[DK_RESOURCE_MEMORY] += memory;
    sum->of[DK_RESOURCE_GPUS] += gpus;
}

struct dk_amounts dk_holding_amounts(const struct dk_core *core, const struct dk_demand *demand,
                                     const struct dk_ranges *cores, const struct dk_ranges *gpus)
{
    struct dk_taken holding = { demand, *cores, { NULL, 0, 0 } };
    struct dk_amounts sum = { { [DK_RESOURCE_JOBS] = 1 } };

    dk_holding_each(core, &holding, sum_visit, &sum);
    sum.of[DK_RESOURCE_GPUS] = (int64_t)dk_ranges_sum(gpus);
    return sum;
}

bool dk_picks_allowed(struct dk_pass *pass, const struct dk_entry *entry)
{
    const struct dk_core *core = pass->core;
    const struct dk_demand *demand = &core->demands[entry->demand];
    struct dk_amounts sum = { { [DK_RESOURCE_JOBS] = 1 } };
    struct dk_over over;

    if (!core->limits.any)
        return true;
    for (uint32_t i = 0; i < pass->scratch->pick_count; i++) {
        const struct dk_node *node = &core->nodes[pass->scratch->picks[i].node];
        uint32_t tasks = pass->scratch->picks[i].tasks, cores = cores_for(demand, node, tasks);

        sum_visit(&sum, pass->scratch->picks[i].node, cores, memory_for(demand, node, cores),
                  gpus_for(demand, node, tasks));
    }
    return dk_limits_allow(core, entry->group, &sum, &over);
}

/* --- choosing --- */

static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t fit_in(const struct dk_pass *pass, const struct dk_demand *demand, uint32_t node,
                       const struct dk_view *view, const struct dk_view *other)
{
    uint32_t cores = view->cores[node], memory = view->memory[node], gpus = view->gpus[node];

    if (other != NULL) {
        cores = lesser(cores, other->cores[node]);
        memory = lesser(memory, other->memory[node]);
        gpus = lesser(gpus, other->gpus[node]);
    }
    if (cores < demand->cpus_per_task)
        return 0;
    return dk_tasks_fit(demand, &pass->core->nodes[node], cores, memory, gpus);
}

static void pick_add(struct dk_scratch *scratch, uint32_t node, uint32_t tasks)
{
    scratch->picks = dk_grow(scratch->alloc, scratch->picks, &scratch->pick_capacity,
                             scratch->pick_count + 1, sizeof(*scratch->picks));
    scratch->picks[scratch->pick_count].node = node;
    scratch->picks[scratch->pick_count++].tasks = tasks;
}

/* Spread over the cores that are free beyond those of `rather_not` as far as that goes, then over
 * the rest: one pick a node. Cores decide; memory and GPUs are whatever they are. */
static bool choose_preferring(struct dk_pass *pass, const struct dk_demand *demand,
                              const struct dk_view *view, const struct dk_view *rather_not,
                              const uint8_t *pool)
{
    struct dk_scratch *scratch = pass->scratch;
    uint32_t left = demand->tasks;

    for (uint32_t i = 0; i < pass->domain->node_count && left > 0; i++) {
        uint32_t node = pass->domain->nodes[i], cores, tasks = 0;

        if (view->cores[node] < demand->cpus_per_task || !pool[node])
            continue;
        cores = view->cores[node] - lesser(view->cores[node], rather_not->cores[node]);
        if (cores >= demand->cpus_per_task)
            tasks = dk_tasks_fit(demand, &pass->core->nodes[node], cores, view->memory[node],
                                 view->gpus[node]);
        tasks = lesser(tasks, left);
        left -= tasks;
        pick_add(scratch, node, tasks);
    }
    for (uint32_t at = 0, i = 0; i < pass->domain->node_count && left > 0; i++) {
        uint32_t node = pass->domain->nodes[i], fit, more;

        if (view->cores[node] < demand->cpus_per_task || !pool[node])
            continue;
        fit = fit_in(pass, demand, node, view, NULL);
        more = lesser(fit - lesser(fit, scratch->picks[at].tasks), left);
        scratch->picks[at++].tasks += more;
        left -= more;
    }
    return left == 0;
}

static void picks_without_empty(struct dk_scratch *scratch)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < scratch->pick_count; i++)
        if (scratch->picks[i].tasks > 0)
            scratch->picks[kept++] = scratch->picks[i];
    scratch->pick_count = kept;
}

/* The next place in the domain's order; among what is free now, full nodes are passed over. */
static uint32_t next_place(const struct dk_pass *pass, const struct dk_view *view, uint32_t place)
{
    if (view->cores != pass->core->node_cores_free)
        return place;
    return dk_bitmap_next(&pass->domain->free_nodes, place);
}

/* What a node must have to be of any use: told apart before anything is divided. */
struct least {
    uint64_t cores, memory, gpus;
};

static struct least least_of(const struct dk_demand *demand)
{
    uint64_t tasks = demand->nodes > 0 ? demand->tasks / demand->nodes : 1;
    struct least least;

    least.cores = tasks * demand->cpus_per_task;
    least.memory = demand->memory_per_node + demand->memory_per_cpu * least.cores;
    least.gpus = demand->gpus_per_node + demand->gpus_per_task * tasks;
    return least;
}

/* Nodes that the job must have, each with a task. */
static bool choose_wanted(struct dk_pass *pass, const struct dk_demand *demand,
                          const struct dk_view *view, const struct dk_view *other,
                          struct need *need, const uint8_t *pool)
{
    uint32_t wanted = wanted_count(pool, pass->core->node_count);

    for (uint32_t i = 0; i < pass->domain->node_count && wanted > 0; i++) {
        uint32_t node = pass->domain->nodes[i], tasks;

        if (pool[node] != DK_POOL_WANTED)
            continue;
        tasks = need->open < wanted
                    ? 0
                    : wanted_serve(need, demand, fit_in(pass, demand, node, view, other), wanted--);
        if (tasks == 0)
            return false;
        pick_add(pass->scratch, node, tasks);
    }
    return true;
}

bool dk_choose(struct dk_pass *pass, const struct dk_demand *demand, const struct dk_view *view,
               const struct dk_view *other, const struct dk_view *rather_not)
{
    struct dk_scratch *scratch = pass->scratch;
    const uint8_t *pool = dk_pool(pass->core, demand);
    struct need need = need_of(demand);
    struct least least = least_of(demand);

    scratch->pick_count = 0;
    if (rather_not != NULL && demand->nodes == 0 && !demand->exclusive && demand->named == 0) {
        if (!choose_preferring(pass, demand, view, rather_not, pool))
            return false;
        picks_without_empty(scratch);
        return true;
    }
    if (demand->named != 0 && !choose_wanted(pass, demand, view, other, &need, pool))
        return false;
    for (uint32_t i = next_place(pass, view, 0); i < pass->domain->node_count && need.open > 0;
         i = next_place(pass, view, i + 1)) {
        uint32_t node = pass->domain->nodes[i], tasks;

        if (view->cores[node] < least.cores || view->memory[node] < least.memory ||
            view->gpus[node] < least.gpus || pool[node] != 1)
            continue;
        tasks = need_serve(&need, demand, fit_in(pass, demand, node, view, other));
        if (tasks > 0)
            pick_add(scratch, node, tasks);
    }
    return need.open == 0;
}

/* --- starting on the picks --- */

static void range_add(struct dk_pass *pass, struct dk_ranges *ranges, uint32_t first,
                      uint32_t count)
{
    struct dk_range *last = ranges->count > 0 ? &ranges->items[ranges->count - 1] : NULL;

    if (last != NULL && last->first + last->count == first) {
        last->count += count;
        return;
    }
    if (ranges->count == ranges->capacity) {
        uint32_t capacity = ranges->capacity == 0 ? 8 : ranges->capacity * 2;
        struct dk_range *grown = dk_pass_memory(pass, capacity * sizeof(*grown));

        if (ranges->count > 0)
            memcpy(grown, ranges->items, ranges->count * sizeof(*grown));
        ranges->items = grown;
        ranges->capacity = capacity;
    }
    ranges->items[ranges->count].first = first;
    ranges->items[ranges->count++].count = count;
}

/* The lowest `count` members of `from` at or after `first`. */
static void lowest_add(struct dk_pass *pass, struct dk_ranges *ranges, const struct dk_bitmap *from,
                       uint32_t first, uint32_t count)
{
    while (count > 0) {
        uint32_t at = dk_bitmap_next(from, first), here;

        DK_CHECK(at != DK_BITMAP_NONE);
        here = lesser(dk_bitmap_next_gap(from, at, at + count) - at, count);
        range_add(pass, ranges, at, here);
        first = at + here;
        count -= here;
    }
}

/* By the first core (or GPU) of their node, so that ranges ascend; few picks are out of order. */
static void picks_sort(const struct dk_core *core, struct dk_pick *picks, uint32_t count,
                       bool by_gpu)
{
    for (uint32_t i = 1; i < count; i++) {
        struct dk_pick pick = picks[i];
        const struct dk_node *node = &core->nodes[pick.node];
        uint32_t k = i, rank = by_gpu ? node->gpu_first : node->core_first;

        for (; k > 0; k--) {
            const struct dk_node *before = &core->nodes[picks[k - 1].node];

            if ((by_gpu ? before->gpu_first : before->core_first) <= rank)
                break;
            picks[k] = picks[k - 1];
        }
        picks[k] = pick;
    }
}

void dk_start_picks(struct dk_pass *pass, const struct dk_entry *entry, struct dk_tasks *tasks)
{
    struct dk_scratch *scratch = pass->scratch;
    struct dk_core *core = pass->core;
    const struct dk_demand *demand = &core->demands[entry->demand];
    struct dk_ranges cores = { NULL, 0, 0 }, gpus = { NULL, 0, 0 };

    picks_sort(core, scratch->picks, scratch->pick_count, false);
    for (uint32_t i = 0; i < scratch->pick_count; i++) {
        const struct dk_node *node = &core->nodes[scratch->picks[i].node];

        lowest_add(pass, &cores, &core->cores_free, node->core_first,
                   cores_for(demand, node, scratch->picks[i].tasks));
    }
    picks_sort(core, scratch->picks, scratch->pick_count, true);
    for (uint32_t i = 0; i < scratch->pick_count; i++) {
        const struct dk_node *node = &core->nodes[scratch->picks[i].node];

        lowest_add(pass, &gpus, &core->gpus_free, node->gpu_first,
                   gpus_for(demand, node, scratch->picks[i].tasks));
    }
    dk_machine_take(core, demand, &cores, &gpus);
    pass->free = pass->domain->cores_free;
    dk_pass_start(pass, entry, tasks, &cores, &gpus);
}
