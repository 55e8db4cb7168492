/* explain_forward.c - a copy of the core, run forward under assumptions (explain.h)
 *
 * The copy makes its batches as a controller would: facts, decisions, BatchClosed. Facts are the
 * ends of running jobs at their limits, and the time. What keeps a live cluster honest is switched
 * off in it: no node beats, so none may be lost, and jobs end before they could be told to.
 */
#include "sched/explain_parts.h"

struct forward {
    struct dk_core *core;
    struct dk_events decisions;
    int64_t now; /* when it all began */
    uint64_t work;
};

struct dk_core *dk_core_copy(const struct dk_core *core, const struct dk_alloc *alloc)
{
    struct dk_core_options options = { .digest = false, .no_shortcut = false };
    struct dk_core *copy = NULL;
    struct dk_buf bytes;

    dk_buf_init(&bytes, alloc, SIZE_MAX / 2);
    dk_core_snapshot(core, &bytes);
    DK_CHECK(dk_core_restore(&copy, bytes.data, bytes.size, alloc, &options, NULL) == DK_OK);
    dk_buf_release(&bytes);
    return copy;
}

static void event_start(const struct forward *forward, struct dk_event *event,
                        enum dk_event_type type, int64_t time)
{
    memset(event, 0, sizeof(*event));
    event->type = type;
    event->meta.time = time;
    event->meta.seq = forward->core->seq + 1;
}

/* The running job that ends first, and when; NULL: none runs. */
static const struct dk_entry *end_next(const struct forward *forward, int64_t *time)
{
    const struct dk_core *core = forward->core;
    const struct dk_entry *first = NULL;

    for (uint32_t i = 0; i < core->domain_count; i++) {
        const struct dk_entry *entry =
            dk_order_list_at(&core->domains[i].running, (struct dk_place){ 0, 0 });

        if (entry != NULL && (first == NULL || entry->key < first->key))
            first = entry;
    }
    if (first != NULL)
        *time = dk_max((int64_t)first->key, dk_add_saturated(forward->now, DK_SECOND_US));
    return first;
}

static void ends_apply(struct forward *forward, int64_t time)
{
    const struct dk_entry *entry;
    struct dk_event event;
    int64_t end;

    while ((entry = end_next(forward, &end)) != NULL && end <= time) {
        const struct dk_job *job = dk_job_at(forward->core, entry->slot);

        event_start(forward, &event, DK_EVENT_JOB_ENDED, time);
        event.meta.cause = 1; /* reported, not decided */
        event.job_ended.job = job->id;
        event.job_ended.attempt = (int32_t)job->attempt;
        event.job_ended.state = DK_END_STATE_COMPLETED;
        dk_core_apply(forward->core, &event);
        dk_domains_ensure(forward->core);
    }
}

/* What a pass will cost by the length of the queues; see dk_forward_bounds. */
static uint64_t queues_work(const struct dk_core *core)
{
    uint64_t work = 1;

    for (uint32_t i = 0; i < core->domain_count; i++) {
        const struct dk_domain *domain = &core->domains[i];
        uint64_t count = domain->queue.count + domain->aged.count;

        if (!domain->pass_due)
            continue;
        if (dk_order_moves(core))
            work += count * 16; /* ranked anew */
        else if (domain->node_by_node || domain->nonfungible > 0 || core->limits.any)
            work += count;
        else
            work += count / DK_BLOCK_ENTRIES; /* block by block */
    }
    return work;
}

/* One batch at `time`; false: the caller has seen enough. */
static bool batch_make(struct forward *forward, int64_t time,
                       bool (*placed)(void *context, const struct dk_event *event), void *context)
{
    struct dk_event event;
    uint64_t examined = forward->core->scratch->examined;
    bool more = true;

    event_start(forward, &event, DK_EVENT_CLOCK_ADVANCED, time);
    dk_core_apply(forward->core, &event);
    ends_apply(forward, time);
    dk_events_reset(&forward->decisions);
    forward->work += queues_work(forward->core);
    dk_core_schedule(forward->core, time, &forward->decisions);
    forward->work += (forward->core->scratch->examined - examined) *
                     (forward->core->policy.backfill >= DK_BACKFILL_CONSERVATIVE ? 400 : 5);
    for (uint32_t i = 0; i < forward->decisions.count; i++) {
        struct dk_event *decision = &forward->decisions.items[i];

        decision->meta.seq = forward->core->seq + 1;
        dk_core_apply(forward->core, decision);
        if (decision->type == DK_EVENT_JOB_PLACED && more)
            more = placed(context, decision);
    }
    event_start(forward, &event, DK_EVENT_BATCH_CLOSED, time);
    event.batch_closed.requests_next = forward->core->requests_next;
    dk_core_apply(forward->core, &event);
    return more;
}

void dk_core_forward(struct dk_core *copy, int64_t now, const struct dk_forward_bounds *bounds,
                     bool (*placed)(void *context, const struct dk_event *event), void *context,
                     struct dk_forward_result *result)
{
    struct forward forward = { .core = copy, .now = now };
    bool more = true;

    memset(result, 0, sizeof(*result));
    copy->policy.beat_timeout_us = 0;
    copy->policy.enforce_limits = false;
    dk_domains_ensure(copy);
    for (uint32_t i = 0; i < copy->domain_count; i++)
        copy->domains[i].pass_due = true;
    dk_events_init(&forward.decisions, copy->outer);
    result->time = now;
    while (more) {
        int64_t next, end = INT64_MAX;

        if (result->passes == bounds->passes_max || forward.work >= bounds->work_max) {
            result->bounded = true;
            break;
        }
        more = batch_make(&forward, result->time, placed, context);
        result->passes++;
        result->work = forward.work;
        (void)end_next(&forward, &end);
        next = dk_min(dk_core_next_deadline(copy), end);
        if (next == INT64_MAX)
            break;
        result->time = dk_max(result->time, next);
    }
    dk_events_release(&forward.decisions);
}
