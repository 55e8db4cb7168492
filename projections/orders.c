/* orders.c - the dispatch view: what each node is to do, as the log says (decision 0010)
 *
 * An entry is 48 bytes in its node's list, sorted by seq because seqs ascend. The order itself is
 * made when the node asks: what it needs is the job's, and the job is active as long as the entry
 * stays.
 *
 *     JobPlaced        -> RunJob       stays until the run is over in the log
 *     JobEndRequested  -> EndJob       likewise
 *     JobSignalled     -> DeliverSignal  until the node asks for what comes after it, or the run is
 * over JobEnded, JobRequeued      -> ForgetJob    until the node asks for what comes after it
 *     ConfigurationApplied -> Settings   the newest, for every node
 */
#include "projections/live_inside.h"

#include "base/check.h"
#include "event/order.h"

#include <stdlib.h>
#include <string.h>

enum { FORGETS_MAX = 4096 };
#define DROP_FORGETS INT64_MAX

/* --- folding --- */

static void add(struct dk_live *live, uint32_t number, const struct dk_order_entry *entry)
{
    struct dk_live_node *node = &live->nodes[number];

    if (node->order_count == node->order_capacity) {
        node->order_capacity = node->order_capacity > 0 ? node->order_capacity * 2 : 8;
        node->orders = realloc(node->orders, node->order_capacity * sizeof(*node->orders));
        DK_CHECK(node->orders != NULL);
    }
    node->orders[node->order_count++] = *entry;
    live->orders_outstanding++;
    if (live->hooks.ordered != NULL)
        live->hooks.ordered(live->hooks.context, number);
}

static void add_for_run(struct dk_live *live, const struct dk_live_job *job,
                        const struct dk_meta *meta, struct dk_order_entry entry)
{
    entry.seq = meta->seq;
    entry.time = meta->time;
    entry.epoch = meta->epoch;
    entry.job = job->id;
    entry.attempt = job->attempt;
    for (uint32_t i = 0; i < job->run->node_count; i++)
        add(live, job->run->numbers[i], &entry);
}

void dk_orders_run(struct dk_live *live, const struct dk_live_job *job, const struct dk_meta *meta)
{
    add_for_run(live, job, meta, (struct dk_order_entry){ .kind = DK_ORDERED_RUN });
}

void dk_orders_end(struct dk_live *live, const struct dk_live_job *job, const struct dk_meta *meta)
{
    add_for_run(live, job, meta,
                (struct dk_order_entry){ .kind = DK_ORDERED_END, .word = job->ending });
}

void dk_orders_signal(struct dk_live *live, const struct dk_live_job *job,
                      const struct dk_event *event)
{
    add_for_run(live, job, &event->meta,
                (struct dk_order_entry){ .kind = DK_ORDERED_SIGNAL,
                                         .number = event->job_signalled.signal,
                                         .word = (uint8_t)event->job_signalled.target });
}

static void drop_if(struct dk_live *live, struct dk_live_node *node, int64_t job, int32_t attempt,
                    int64_t done)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < node->order_count; i++) {
        const struct dk_order_entry *entry = &node->orders[i];
        bool over = job != 0 && entry->job == job && entry->attempt == attempt;
        bool taken = job == 0 && (done == DROP_FORGETS
                                      ? entry->kind == DK_ORDERED_FORGET
                                      : entry->seq <= done && (entry->kind == DK_ORDERED_SIGNAL ||
                                                               entry->kind == DK_ORDERED_FORGET));

        if (!over && !taken)
            node->orders[kept++] = *entry;
    }
    live->orders_outstanding -= node->order_count - kept;
    node->order_count = kept;
}

/* A node that has not asked for so long begins anew when it does: what it has and the answer does
 * not name is over. So does every node after the log was read, and nothing is kept for it then. */
static void forget(struct dk_live *live, uint32_t number, const struct dk_live_job *job,
                   const struct dk_meta *meta)
{
    struct dk_live_node *node = &live->nodes[number];

    if (node->order_count >= FORGETS_MAX) {
        drop_if(live, node, 0, 0, DROP_FORGETS);
        node->orders_floor = meta->seq;
    }
    add(live, number,
        &(struct dk_order_entry){ .seq = meta->seq,
                                  .time = meta->time,
                                  .epoch = meta->epoch,
                                  .job = job->id,
                                  .attempt = job->attempt,
                                  .kind = DK_ORDERED_FORGET });
}

void dk_orders_over(struct dk_live *live, const struct dk_live_job *job, const struct dk_meta *meta)
{
    for (uint32_t i = 0; i < job->run->node_count; i++) {
        drop_if(live, &live->nodes[job->run->numbers[i]], job->id, job->attempt, 0);
        if (live->serves)
            forget(live, job->run->numbers[i], job, meta);
    }
}

void dk_live_serve(struct dk_live *live)
{
    live->serves = true;
    live->orders_floor = live->seq;
}

void dk_orders_settings(struct dk_live *live, const struct dk_meta *meta)
{
    live->settings_seq = meta->seq;
    live->settings_time = meta->time;
    live->settings_epoch = meta->epoch;
    for (uint32_t i = 0; live->hooks.ordered != NULL && i < live->node_count; i++)
        live->hooks.ordered(live->hooks.context, i);
}

/* --- making an order --- */

/* Tasks on each node: as many as the cores are for; on whole nodes dealt out evenly, as Slurm does.
 */
static void deal_tasks(const struct dk_live_run *run, const struct dk_job_spec *spec,
                       struct dk_node_share *shares)
{
    int64_t left = spec->tasks, room = 0;

    for (uint32_t i = 0; i < run->node_count; i++) {
        int32_t most = run->node_cores[i] / (spec->cpus_per_task > 0 ? spec->cpus_per_task : 1);

        if (spec->tasks_per_node > 0 && most > spec->tasks_per_node)
            most = spec->tasks_per_node;
        shares[i].tasks = most > 0 ? most : 1;
        room += shares[i].tasks;
    }
    for (uint32_t i = 0; i < run->node_count; i++) {
        int64_t nodes = run->node_count - i,
                share = room <= left ? shares[i].tasks : (left + nodes - 1) / nodes;

        if (share > shares[i].tasks)
            share = shares[i].tasks;
        room -= shares[i].tasks;
        if (share < left - room) /* the others could not take what is left */
            share = left - room;
        shares[i].tasks = (int32_t)(share > 0 ? share : 0);
        left -= share;
    }
}

/* The spans that lie within [first, first + count), with numbers from 0 there. */
static uint32_t spans_within(const struct dk_span *spans, uint32_t span_count, int64_t first,
                             int64_t count, struct dk_span *out)
{
    int64_t next = 0, end_before = 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < span_count; i++) {
        int64_t begin, end;

        next += spans[i].gap;
        begin = next < first ? first : next;
        next += spans[i].count;
        end = next > first + count ? first + count : next;
        if (begin >= end)
            continue;
        out[kept++] = (struct dk_span){ .gap = begin - first - end_before, .count = end - begin };
        end_before = end - first;
    }
    return kept;
}

static void fill_array(const struct dk_live *live, const struct dk_live_job *job,
                       struct dk_run_job *run)
{
    const struct dk_live_job *array = dk_live_job_find(live, job->array_job);

    run->array_job = job->array_job;
    run->task = job->array_task;
    if (array == NULL || array->array == NULL)
        return;
    run->task_min = array->array->task_min;
    run->task_max = array->array->task_max;
    run->task_count = array->array->task_count;
    run->task_step = array->array->task_step;
}

static void make_run(struct dk_live *live, const struct dk_live_job *job, uint32_t number,
                     struct dk_arena *arena, struct dk_run_job *order)
{
    const struct dk_live_run *run = job->run;
    const struct dk_job_spec *spec = dk_live_spec_of(job, arena);
    struct dk_node_share *shares = dk_arena_take(arena, run->node_count * sizeof(*shares));
    struct dk_span *spans =
        dk_arena_take(arena, (run->core_span_count + run->gpu_span_count + 1) * sizeof(*spans));
    uint32_t here = 0;

    deal_tasks(run, spec, shares);
    for (uint32_t i = 0; i < run->node_count; i++) {
        shares[i].node = run->nodes[i];
        shares[i].cores = run->node_cores[i];
        shares[i].gpus = run->node_gpus[i];
        if (run->numbers[i] == number)
            here = i;
    }
    order->spec = *spec;
    order->actor = (struct dk_actor){ .uid = job->uid,
                                      .gid = job->gid,
                                      .user = dk_text_of(job->user),
                                      .host = dk_text_of(job->host) };
    order->submit = job->submit;
    order->task = -1;
    if (job->array_job != 0)
        fill_array(live, job, order);
    order->nodes = shares;
    order->nodes_count = run->node_count;
    order->node_index = (int32_t)here;
    order->cores = spans;
    order->cores_count = spans_within(run->core_spans, run->core_span_count, run->core_firsts[here],
                                      live->nodes[number].cores, spans);
    order->gpus = spans + order->cores_count;
    order->gpus_count = spans_within(run->gpu_spans, run->gpu_span_count, run->gpu_firsts[here],
                                     live->nodes[number].gpus, spans + order->cores_count);
    order->memory_mib = spec->memory_mib_per_node > 0
                            ? spec->memory_mib_per_node
                            : spec->memory_mib_per_cpu * run->node_cores[here];
    if (order->memory_mib > live->nodes[number].memory) /* an exclusive job has every core */
        order->memory_mib = live->nodes[number].memory;
}

static bool make(struct dk_live *live, const struct dk_order_entry *entry, uint32_t number,
                 struct dk_arena *arena, struct dk_order *order)
{
    const struct dk_live_job *job;

    memset(order, 0, sizeof(*order));
    order->meta.seq = entry->seq;
    order->meta.epoch = entry->epoch;
    order->meta.time = entry->time;
    switch ((enum dk_order_kind)entry->kind) {
    case DK_ORDERED_RUN:
        job = dk_live_job_find(live, entry->job);
        if (job == NULL || job->run == NULL)
            return false;
        order->type = DK_ORDER_RUN_JOB;
        order->run_job.job = entry->job;
        order->run_job.attempt = entry->attempt;
        make_run(live, job, number, arena, &order->run_job);
        return true;
    case DK_ORDERED_END:
        order->type = DK_ORDER_END_JOB;
        order->end_job.job = entry->job;
        order->end_job.attempt = entry->attempt;
        order->end_job.state = (enum dk_end_state)entry->word;
        order->end_job.kill_wait_us = live->config.kill_wait_us;
        return true;
    case DK_ORDERED_SIGNAL:
        order->type = DK_ORDER_DELIVER_SIGNAL;
        order->deliver_signal.job = entry->job;
        order->deliver_signal.attempt = entry->attempt;
        order->deliver_signal.signal = entry->number;
        order->deliver_signal.target = (enum dk_signal_target)entry->word;
        return true;
    case DK_ORDERED_FORGET:
        order->type = DK_ORDER_FORGET_JOB;
        order->forget_job.job = entry->job;
        order->forget_job.attempt = entry->attempt;
        return true;
    }
    return false;
}

static void append(const struct dk_order *order, struct dk_buf *out)
{
    size_t before = out->size, size;
    struct dk_err err;

    DK_CHECK(dk_buf_add(out, "\0\0\0\0", 4));
    DK_CHECK(dk_order_encode(order, out, &err) == DK_OK);
    size = out->size - before - 4;
    for (int i = 0; i < 4; i++)
        out->data[before + (size_t)i] = (uint8_t)(size >> (8 * i));
}

static void append_settings(const struct dk_live *live, struct dk_buf *out)
{
    struct dk_order order = { .type = DK_ORDER_SETTINGS };

    order.meta.seq = live->settings_seq;
    order.meta.epoch = live->settings_epoch;
    order.meta.time = live->settings_time;
    order.settings.cluster = live->config.cluster;
    order.settings.kill_wait_us = live->config.kill_wait_us;
    order.settings.beat_us = live->config.beat_us;
    order.settings.prolog = live->config.prolog;
    order.settings.epilog = live->config.epilog;
    append(&order, out);
}

/* With the lock held. */
static void append_orders(struct dk_live *live, uint32_t number, int64_t after, struct dk_buf *out)
{
    struct dk_live_node *node = &live->nodes[number];
    bool settings_due = live->settings_seq > after;
    struct dk_arena arena;

    dk_arena_init(&arena, &dk_heap);
    for (uint32_t i = 0; i < node->order_count; i++) {
        const struct dk_order_entry *entry = &node->orders[i];
        struct dk_order order;

        if (settings_due && live->settings_seq < entry->seq) {
            append_settings(live, out);
            settings_due = false;
        }
        /* Who begins anew is told by what is not named. They are kept until it asks for what is
         * after them: the question may be an old one, that was given up long ago (found by
         * tests/sim). */
        if (after == 0 && entry->kind == DK_ORDERED_FORGET)
            continue;
        if (entry->seq <= after || !make(live, entry, number, &arena, &order))
            continue;
        append(&order, out);
        dk_arena_reset(&arena);
    }
    if (settings_due)
        append_settings(live, out);
    dk_arena_release(&arena);
}

enum dk_status dk_live_orders(struct dk_live *live, uint32_t number, int64_t after,
                              struct dk_buf *out, int64_t *seq, struct dk_err *err)
{
    struct dk_live_node *node;
    size_t before = out->size;
    bool known;

    DK_CHECK(pthread_rwlock_wrlock(&live->lock) == 0);
    node = &live->nodes[number];
    known = after == 0 ||
            (after >= live->orders_floor && after >= node->orders_floor && after <= live->seq);
    if (known) {
        drop_if(live, node, 0, 0, after);
        append_orders(live, number, after, out);
    }
    *seq = live->seq;
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    if (!known)
        return dk_fail(err, DK_END, "what came after seq %lld is not known any more: ask with 0",
                       (long long)after);
    return out->size > before ? DK_OK : DK_AGAIN;
}

uint64_t dk_live_orders_outstanding(struct dk_live *live)
{
    uint64_t count;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    count = live->orders_outstanding;
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return count;
}
