/* easy.c - backfill EASY, and none: in order, with a reservation for the first that does not fit
 *
 * From the head of the queue jobs start while they fit. The first that does not is the head: its
 * shadow is the earliest time at which, by the expected ends, it will fit, and what will be free
 * then beyond its need is extra. One scan of the rest: a job starts if it fits now and either ends
 * by the shadow or needs no more than the extra, which it then uses up. (Lifka, "The ANL/IBM SP
 * scheduling system", JSSPP 1995; Mu'alem and Feitelson, "Utilization, predictability, workloads,
 * and user runtime estimates", TPDS 2001.)
 *
 * The shortcut. After a pass nothing that waits can start until something changes: what is free and
 * the head's shadow stay, and time only makes it harder to end before the shadow. So when nothing
 * but submissions has happened since, only the new jobs are examined, against the shadow and extra
 * that the last pass left. Property tests compare with options.no_shortcut. Not while there are
 * limits: a job started behind the head may bring the head's user to one.
 *
 * A job over a limit is passed over: it is no head, and the depth does not count it.
 */
#include "sched/pass.h"

/* Starts as many of an entry's tasks as fit under the filter. */
static enum dk_tried start_some(struct dk_pass *pass, const struct dk_entry *entry,
                                struct dk_filter *filter)
{
    struct dk_tasks tasks = dk_tasks_of(dk_job_at(pass->core, entry->slot));

    while (tasks.left > 0) {
        struct dk_ranges cores, gpus = { NULL, 0, 0 };

        if (!dk_pass_allows(pass, entry))
            return DK_TRIED_OVER_LIMIT;
        if (entry->cores > pass->free)
            return DK_TRIED_NO_ROOM;
        if (filter != NULL && entry->span > filter->span) {
            if (entry->cores > filter->extra)
                return DK_TRIED_NO_ROOM;
            filter->extra -= entry->cores;
        }
        dk_count_take(pass, entry->cores, &cores);
        pass->free -= entry->cores;
        dk_pass_start(pass, entry, &tasks, &cores, &gpus);
    }
    return DK_TRIED_STARTED;
}

static void backfill(struct dk_pass *pass, struct dk_walk *walk, struct dk_filter *filter)
{
    int64_t depth = pass->core->policy.depth;
    const struct dk_entry *entry;

    dk_walk_next(walk); /* past the head */
    if (depth == 0)
        dk_walk_keep(walk, filter);
    for (int64_t examined = 0; depth == 0 || examined < depth;) {
        if (filter->cores == 0)
            break;
        if (depth == 0)
            dk_walk_skip(walk, filter);
        entry = dk_walk_peek(walk);
        if (entry == NULL)
            break;
        pass->scratch->examined++;
        if (entry->cores > filter->cores)
            examined += dk_pass_allows(pass, entry);
        else
            examined += start_some(pass, entry, filter) != DK_TRIED_OVER_LIMIT;
        filter->cores = pass->free;
        dk_walk_next(walk);
    }
}

static void remember(struct dk_pass *pass, const struct dk_entry *head, int64_t shadow,
                     uint64_t extra)
{
    struct dk_scratch *scratch = pass->scratch;

    scratch->kept = !dk_order_moves(pass->core) && pass->core->policy.depth == 0 &&
                    pass->core->domain_count == 1 &&
                    pass->core->policy.policy != DK_POLICY_MULTIFACTOR &&
                    !pass->core->options.no_shortcut && !pass->core->limits.any;
    scratch->has_head = head != NULL;
    if (head != NULL) {
        scratch->head_key = head->key;
        scratch->head_id = head->id;
    }
    scratch->shadow = shadow;
    scratch->extra = extra;
}

/* Only the jobs that came since the last pass, in order. False: a full pass is needed. */
static bool fresh_only(struct dk_pass *pass)
{
    struct dk_scratch *scratch = pass->scratch;
    const struct dk_entry *running =
        dk_order_list_at(&pass->domain->running, (struct dk_place){ 0, 0 });
    struct dk_entry entry;
    struct dk_filter filter;

    if (!pass->kept || !scratch->has_head || (running != NULL && running->key <= pass->now))
        return false;
    dk_fresh_sort(pass);
    if (scratch->fresh_count > 0) {
        entry = dk_fresh_entry(pass, 0);
        if (entry.key < scratch->head_key ||
            (entry.key == scratch->head_key && entry.id < scratch->head_id))
            return false;
    }
    scratch->kept = true;
    if (pass->core->policy.backfill == DK_BACKFILL_NONE)
        return true;
    filter.cores = pass->free;
    filter.extra = scratch->extra;
    filter.span = scratch->shadow - pass->now;
    for (uint32_t i = 0; i < scratch->fresh_count; i++) {
        entry = dk_fresh_entry(pass, i);
        scratch->examined++;
        (void)start_some(pass, &entry, &filter);
    }
    scratch->extra = filter.extra;
    return true;
}

void dk_easy_counted(struct dk_pass *pass)
{
    const struct dk_entry *entry;
    struct dk_walk walk;
    struct dk_filter filter;
    int64_t shadow = INT64_MAX;

    if (fresh_only(pass))
        return;
    if (!pass->core->options.no_shortcut &&
        pass->free < dk_order_list_cores_min(&pass->domain->queue) &&
        pass->free < dk_order_list_cores_min(&pass->domain->aged))
        return; /* nothing fits, neither the head nor another */
    dk_walk_start(&walk, pass->core, pass->domain, pass->now);
    while ((entry = dk_walk_peek(&walk)) != NULL) {
        pass->scratch->examined++;
        if (start_some(pass, entry, NULL) == DK_TRIED_NO_ROOM)
            break;
        dk_walk_next(&walk);
    }
    filter.cores = pass->free;
    filter.extra = 0;
    if (entry != NULL && dk_traced(pass)) {
        dk_count_shadow(pass, entry->cores, &shadow, &filter.extra);
        dk_trace_head(pass, entry, shadow, filter.extra, NULL);
    }
    if (entry != NULL && pass->core->policy.backfill == DK_BACKFILL_EASY) {
        struct dk_entry head = *entry;

        dk_count_shadow(pass, head.cores, &shadow, &filter.extra);
        filter.span = shadow == INT64_MAX ? INT64_MAX : shadow - pass->now;
        backfill(pass, &walk, &filter);
        remember(pass, &head, shadow, filter.extra);
        return;
    }
    remember(pass, entry, shadow, filter.extra);
}
