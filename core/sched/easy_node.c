/* easy_node.c - EASY, and none, where nodes have to be looked at one by one (see easy.c)
 *
 * The same rules on vectors: at the shadow the head gets nodes; what each node has free then,
 * beyond the head's share, is the extra. A job that would still run at the shadow has to fit into
 * the lesser of what is free now and the extra, on each of its nodes. The head's share is laid on
 * what becomes free by then before what is free now, and jobs that end in time use what the head
 * will have before what it leaves: so nobody is kept out who need not be, and for single cores the
 * starts are those of easy.c.
 *
 * A demand that did not fit once in a pass will not fit later in it: its like are passed over.
 */
#include "sched/pass.h"

#include <string.h>

struct reservation {
    int64_t shadow;
    struct dk_view extra;
};

static enum dk_tried try_start(struct dk_pass *pass, const struct dk_entry *entry,
                               struct dk_tasks *tasks, struct reservation *reservation)
{
    const struct dk_demand *demand = &pass->core->demands[entry->demand];
    struct dk_view now = dk_view_now(pass->core);
    bool in_time = reservation == NULL || reservation->shadow == INT64_MAX ||
                   dk_add_saturated(pass->now, entry->span) <= reservation->shadow;

    if (!dk_pass_allows(pass, entry))
        return DK_TRIED_OVER_LIMIT;
    if (entry->cores > pass->free)
        return DK_TRIED_NO_ROOM;
    if (!in_time) {
        if (!dk_choose(pass, demand, &now, &reservation->extra, NULL))
            return DK_TRIED_NO_ROOM;
        if (!dk_picks_allowed(pass, entry))
            return DK_TRIED_OVER_LIMIT;
        dk_view_take(pass->core, demand, &reservation->extra, pass->scratch->picks,
                     pass->scratch->pick_count);
    } else if (!dk_choose(pass, demand, &now, NULL, NULL)) {
        return DK_TRIED_NO_ROOM;
    } else if (reservation != NULL && reservation->shadow != INT64_MAX && demand->nodes == 0) {
        (void)dk_choose(pass, demand, &now, NULL, &reservation->extra); /* fits this way too */
    }
    if (in_time && !dk_picks_allowed(pass, entry))
        return DK_TRIED_OVER_LIMIT;
    dk_start_picks(pass, entry, tasks);
    return DK_TRIED_STARTED;
}

/* --- the head's reservation --- */

/* How much of the head fits, kept up as nodes become freer. */
struct fitting {
    struct dk_pass *pass;
    const struct dk_demand *demand;
    const uint8_t *pool;
    struct dk_view *view;
    uint32_t *fits;                        /* tasks, by node */
    uint64_t tasks;                        /* sum of fits */
    uint32_t share, at_share, above_share; /* shaped: nodes with fits >= share, > share */
};

static void fitting_count(struct fitting *fitting, uint32_t fit, int sign)
{
    fitting->tasks += (uint64_t)((int64_t)sign * fit);
    fitting->at_share += fit >= fitting->share ? (uint32_t)sign : 0;
    fitting->above_share += fit > fitting->share ? (uint32_t)sign : 0;
}

static void fitting_node(struct fitting *fitting, uint32_t node)
{
    uint32_t fit;

    if (!fitting->pool[node])
        return;
    fit =
        dk_tasks_fit(fitting->demand, &fitting->pass->core->nodes[node], fitting->view->cores[node],
                     fitting->view->memory[node], fitting->view->gpus[node]);
    fitting_count(fitting, fitting->fits[node], -1);
    fitting_count(fitting, fit, +1);
    fitting->fits[node] = fit;
}

static bool fitting_done(const struct fitting *fitting)
{
    const struct dk_demand *demand = fitting->demand;

    bool enough = demand->nodes == 0 ? fitting->tasks >= demand->tasks
                                     : fitting->at_share >= demand->nodes &&
                                           fitting->above_share >= demand->tasks % demand->nodes;

    if (enough && demand->named != 0) /* sums do not say on which nodes */
        return dk_choose(fitting->pass, demand, fitting->view, NULL, NULL);
    return enough;
}

static void fitting_start(struct fitting *fitting, struct dk_pass *pass,
                          const struct dk_demand *demand, struct dk_view *view)
{
    size_t size = pass->core->node_count * sizeof(uint32_t);

    memset(fitting, 0, sizeof(*fitting));
    fitting->pass = pass;
    fitting->demand = demand;
    fitting->pool = dk_pool(pass->core, demand);
    fitting->view = view;
    fitting->fits = dk_pass_memory(pass, size);
    memset(fitting->fits, 0, size);
    fitting->share = demand->nodes > 0 ? demand->tasks / demand->nodes : 1;
    for (uint32_t i = 0; i < pass->domain->node_count; i++)
        if (fitting->pool[pass->domain->nodes[i]]) {
            fitting_count(fitting, 0, +1);
            fitting_node(fitting, pass->domain->nodes[i]);
        }
}

static void freed_visit(void *context, uint32_t node, uint32_t cores, uint32_t memory,
                        uint32_t gpus)
{
    struct fitting *fitting = context;

    if (fitting->pass->core->node_open[node])
        fitting->view->cores[node] += cores;
    fitting->view->memory[node] += memory;
    fitting->view->gpus[node] += gpus;
    fitting_node(fitting, node);
}

static void reserve(struct dk_pass *pass, const struct dk_entry *head,
                    struct reservation *reservation)
{
    const struct dk_demand *demand = &pass->core->demands[head->demand];
    struct dk_view now = dk_view_now(pass->core);
    struct fitting fitting;
    struct dk_taken holding;
    struct dk_ends ends;
    uint64_t cores;
    int64_t time;

    reservation->shadow = INT64_MAX;
    reservation->extra = dk_view_copy(pass, &now);
    fitting_start(&fitting, pass, demand, &reservation->extra);
    dk_ends_start(&ends, pass);
    while (dk_ends_next(&ends, &time, &cores)) {
        if (reservation->shadow != INT64_MAX && time > reservation->shadow)
            break;
        while (dk_ends_holding(&ends, pass, &holding))
            dk_holding_each(pass->core, &holding, freed_visit, &fitting);
        if (fitting_done(&fitting))
            reservation->shadow = time;
    }
    if (reservation->shadow == INT64_MAX)
        return;
    if (!dk_choose(pass, demand, &reservation->extra, NULL, demand->nodes == 0 ? &now : NULL))
        DK_CHECK(false);
    dk_view_take(pass->core, demand, &reservation->extra, pass->scratch->picks,
                 pass->scratch->pick_count);
}

/* --- the pass --- */

/* Starts what it can of an entry. */
static enum dk_tried start_some(struct dk_pass *pass, const struct dk_entry *entry,
                                struct reservation *reservation)
{
    struct dk_tasks tasks = dk_tasks_of(dk_job_at(pass->core, entry->slot));

    enum dk_tried tried = DK_TRIED_STARTED;

    while (tasks.left > 0 && tried == DK_TRIED_STARTED)
        tried = try_start(pass, entry, &tasks, reservation);
    return tried;
}

/* A demand that failed: for good (1), or for jobs that outlast the shadow (2). */
static uint8_t *failures_new(struct dk_pass *pass)
{
    uint8_t *failed = dk_pass_memory(pass, pass->core->demand_count + 1);

    memset(failed, 0, pass->core->demand_count + 1);
    return failed;
}

static void backfill(struct dk_pass *pass, struct dk_walk *walk, struct reservation *reservation)
{
    struct dk_filter filter = { pass->free, UINT64_MAX, INT64_MAX };
    int64_t depth = pass->core->policy.depth;
    uint8_t *failed = failures_new(pass);
    const struct dk_entry *entry;

    dk_walk_next(walk); /* past the head */
    if (depth == 0)
        dk_walk_keep(walk, &filter);
    for (int64_t examined = 0; depth == 0 || examined < depth;) {
        enum dk_tried tried = DK_TRIED_NO_ROOM;
        uint8_t reason;

        filter.cores = pass->free;
        if (depth == 0)
            dk_walk_skip(walk, &filter);
        entry = dk_walk_peek(walk);
        if (entry == NULL || pass->free == 0)
            break;
        reason = dk_add_saturated(pass->now, entry->span) <= reservation->shadow ? 1 : 2;
        if (entry->cores <= pass->free && !(failed[entry->demand] & (1 | reason))) {
            pass->scratch->examined++;
            tried = start_some(pass, entry, reservation);
            if (tried == DK_TRIED_NO_ROOM && dk_job_at(pass->core, entry->slot)->array == NULL)
                failed[entry->demand] |= reason;
        } else if (depth > 0 && !dk_pass_allows(pass, entry)) {
            tried = DK_TRIED_OVER_LIMIT;
        }
        examined += tried != DK_TRIED_OVER_LIMIT;
        dk_walk_next(walk);
    }
}

void dk_easy_by_node(struct dk_pass *pass)
{
    const struct dk_entry *entry;
    struct reservation reservation;
    struct dk_entry head;
    struct dk_walk walk;

    if (!pass->core->options.no_shortcut &&
        pass->free < dk_order_list_cores_min(&pass->domain->queue) &&
        pass->free < dk_order_list_cores_min(&pass->domain->aged))
        return;
    dk_walk_start(&walk, pass->core, pass->domain, pass->now);
    while ((entry = dk_walk_peek(&walk)) != NULL) {
        pass->scratch->examined++;
        if (start_some(pass, entry, NULL) == DK_TRIED_NO_ROOM)
            break;
        dk_walk_next(&walk);
    }
    if (entry == NULL || (pass->core->policy.backfill != DK_BACKFILL_EASY && !dk_traced(pass)))
        return;
    head = *entry;
    reserve(pass, &head, &reservation);
    if (dk_traced(pass))
        dk_trace_head(pass, &head, reservation.shadow, 0, &reservation.extra);
    if (pass->core->policy.backfill != DK_BACKFILL_EASY)
        return;
    backfill(pass, &walk, &reservation);
}
