/* orders.c - what the cluster wants (duty.h)
 *
 * All orders of an answer are looked at before anything is started: what they accept is noted, one
 * sync makes all of it durable, and only then are keepers made. An order to run and the order to
 * end the same job in one answer start nothing.
 */
#include "nodes/duty.h"
#include "nodes/machine.h"

#include "base/check.h"
#include "net/journal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define KILL_WAIT_US INT64_C(30000000)
#define KILL_AGAIN_US INT64_C(1000000)
#define YOUNG_US INT64_C(20000) /* a process that may not have its own signal handling yet */

/* --- signals --- */

/* A process that was forked a moment ago still ignores what its keeper ignores; and before the
 * fork there is none. */
static bool is_young(const struct dk_agent *agent, const struct dk_duty *duty)
{
    struct dk_task_record record;
    int64_t age = 0;

    if (dk_machine_record(agent, duty, "task", &record) && record.stage == DK_TASK_RUNNING)
        age = dk_agent_wall_us() - record.started_us;
    return age >= 0 && age < YOUNG_US;
}

void dk_duty_term(struct dk_agent *agent, struct dk_duty *duty)
{
    if (is_young(agent, duty)) {
        duty->again_us = dk_agent_now_us() + YOUNG_US;
        return;
    }
    duty->again_us = 0;
    dk_machine_signal_all(agent, duty, SIGTERM);
    dk_machine_signal_all(agent, duty, SIGCONT);
}

void dk_duty_kill(struct dk_agent *agent, struct dk_duty *duty)
{
    /* Again, should one have slipped through, or not have been there yet. */
    duty->kill_us = dk_agent_now_us() + (is_young(agent, duty) ? YOUNG_US : KILL_AGAIN_US);
    dk_machine_signal_all(agent, duty, SIGKILL);
}

/* A signal that is not for the script alone is for steps only, as in Slurm; a batch script without
 * srun has none. */
void dk_duty_warn(struct dk_agent *agent, struct dk_duty *duty)
{
    const struct dk_job_launch *launch = &dk_duty_order(agent, duty)->spec.launch;

    duty->warn_us = 0;
    if (!launch->signal_batch || !duty->is_first)
        return;
    if (duty->state == DK_DUTY_ACCEPTED || duty->state == DK_DUTY_STARTING ||
        (duty->state == DK_DUTY_RUNNING && is_young(agent, duty)))
        duty->warn_us = dk_agent_now_us() + YOUNG_US; /* again */
    else if (duty->state == DK_DUTY_RUNNING)
        dk_machine_signal_batch(agent, duty, launch->signal);
}

void dk_duty_end(struct dk_agent *agent, struct dk_duty *duty, enum dk_end_state state,
                 int64_t kill_wait_us, const char *why)
{
    struct dk_duty_end end = { .state = state, .why = why };

    if (!duty->ending) {
        duty->ending = true;
        duty->end_state = state;
        duty->end_why = why;
    }
    switch (duty->state) {
    case DK_DUTY_ACCEPTED: /* nothing of it was started */
        if (duty->is_first)
            dk_duty_report(agent, duty, &end);
        else
            duty->state = DK_DUTY_HELD;
        break;
    case DK_DUTY_STARTING: /* the signal follows when its keeper is known */
        duty->kill_us = dk_agent_now_us() + kill_wait_us;
        break;
    case DK_DUTY_RUNNING:
        if (duty->kill_us != 0)
            break;
        duty->kill_us = dk_agent_now_us() + kill_wait_us;
        dk_duty_term(agent, duty);
        break;
    case DK_DUTY_HELD:
    case DK_DUTY_REPORTED:
    case DK_DUTY_DONE:
    case DK_DUTY_CLEANING:
        break;
    }
}

/* --- the orders --- */

/* When to send --signal: by how long it has run already, whatever the clocks do later. How long
 * before the limit is the user's number, and may be any. */
static void set_warning(struct dk_duty *duty, const struct dk_delivered *item)
{
    const struct dk_job_spec *spec = &item->order.run_job.spec;
    int64_t since = dk_agent_wall_us() - item->order.meta.time,
            before = spec->launch.signal_before_us;

    if (spec->launch.signal == 0 || spec->limit_us <= 0)
        return;
    if (before < 0 || before > spec->limit_us)
        before = before < 0 ? 0 : spec->limit_us;
    duty->warn_us = dk_agent_now_us() + spec->limit_us - before - (since > 0 ? since : 0);
    if (duty->warn_us < 1)
        duty->warn_us = 1;
}

/* Noted, not yet durable. */
static void accept_run(struct dk_agent *agent, struct dk_delivered *item)
{
    const struct dk_run_job *run = &item->order.run_job;
    const struct dk_order_meta *meta = &item->order.meta;
    struct dk_duty *duty = dk_duty_find(agent, run->job, run->attempt);
    bool is_new = duty == NULL;

    /* Orders come in order. One that is not newer than those accepted, and of which there is no
     * duty, was done and forgotten: who names it is a projector that is behind the last one we
     * asked. */
    if (is_new && meta->seq <= agent->floor) {
        dk_journal(DK_JOURNAL_WARNING,
                   "an order to run job %lld is refused: it is of seq %lld, and %lld was seen",
                   (long long)run->job, (long long)meta->seq, (long long)agent->floor);
        return;
    }
    if (is_new && meta->epoch < agent->epoch) {
        dk_journal(DK_JOURNAL_WARNING,
                   "an order to run job %lld is refused: epoch %d, and %lld was seen",
                   (long long)run->job, meta->epoch, (long long)agent->epoch);
        return;
    }
    if (run->nodes_count == 0 || run->node_index < 0 ||
        run->node_index >= (int32_t)run->nodes_count)
        return; /* not an order that a projector makes */
    if (is_new) {
        duty = dk_duty_add(agent, run->job, run->attempt);
        duty->epoch = meta->epoch;
        duty->seq = agent->floor = meta->seq;
        duty->is_first = run->node_index == 0;
        DK_CHECK(dk_buf_add(&duty->order, item->bytes.data, item->bytes.size));
        dk_duty_note(agent, duty, DK_LEDGER_RUN, meta->epoch, item->bytes);
        /* Before anything is said of it, for that may be that it has ended. */
        duty->ran = agent->is_blank && dk_machine_kill_left(agent, duty);
    }
    duty->named = true;
    if (duty->state != DK_DUTY_ACCEPTED || duty->has_blobs)
        return;
    duty->script = item->script;
    duty->environment = item->environment;
    duty->arguments = item->arguments;
    duty->has_blobs = true;
    set_warning(duty, item);
    agent->must_start = true;
    item->script = item->environment = item->arguments = (struct dk_blob_copy){ NULL, 0 };
    if (duty->is_first && (item->blobs_missing || !run->spec.has_launch))
        dk_duty_refuse(agent, duty,
                       item->blobs_missing ? "the cluster no longer has its script or environment"
                                           : "it has nothing to start");
}

static void deliver(struct dk_agent *agent, const struct dk_order *order)
{
    const struct dk_deliver_signal *signal = &order->deliver_signal;
    struct dk_duty *duty = dk_duty_find(agent, signal->job, signal->attempt);

    if (duty == NULL || !duty->is_first || order->meta.seq <= duty->signal_seq)
        return;
    duty->signal_seq = order->meta.seq;
    dk_duty_note(agent, duty, DK_LEDGER_SIGNALLED, order->meta.seq, (struct dk_bytes){ NULL, 0 });
    if (duty->state != DK_DUTY_RUNNING)
        return;
    if (signal->target == DK_SIGNAL_TARGET_BATCH)
        dk_machine_signal_batch(agent, duty, signal->signal);
    else if (signal->target == DK_SIGNAL_TARGET_ALL)
        dk_machine_signal_all(agent, duty, signal->signal);
}

/* The log knows its end: nothing more to report. */
static void forget(struct dk_agent *agent, struct dk_duty *duty)
{
    if (duty->forgotten)
        return;
    duty->forgotten = true;
    switch (duty->state) {
    case DK_DUTY_STARTING:
        duty->kill_us = 1; /* at once when its keeper is known */
        break;
    case DK_DUTY_RUNNING:
        dk_duty_kill(agent, duty);
        break;
    case DK_DUTY_ACCEPTED:
    case DK_DUTY_HELD:
    case DK_DUTY_REPORTED:
    case DK_DUTY_DONE:
        dk_duty_clean(agent, duty);
        break;
    case DK_DUTY_CLEANING:
        break;
    }
}

static void keep_text(char *out, size_t size, struct dk_text text)
{
    (void)snprintf(out, size, "%.*s", (int)text.size, text.data != NULL ? text.data : "");
}

static void set(struct dk_agent *agent, const struct dk_settings *settings)
{
    keep_text(agent->cluster, sizeof(agent->cluster), settings->cluster);
    keep_text(agent->prolog, sizeof(agent->prolog), settings->prolog);
    keep_text(agent->epilog, sizeof(agent->epilog), settings->epilog);
    agent->kill_wait_us = settings->kill_wait_us > 0 ? settings->kill_wait_us : KILL_WAIT_US;
    dk_outbox_set_beat(agent->outbox, settings->beat_us);
}

static void obey_one(struct dk_agent *agent, struct dk_delivered *item)
{
    const struct dk_order *order = &item->order;
    struct dk_duty *duty;

    switch (order->type) {
    case DK_ORDER_RUN_JOB:
        if (!agent->leaving)
            accept_run(agent, item);
        break;
    case DK_ORDER_END_JOB:
        duty = dk_duty_find(agent, order->end_job.job, order->end_job.attempt);
        if (duty != NULL)
            dk_duty_end(agent, duty, order->end_job.state, order->end_job.kill_wait_us, NULL);
        break;
    case DK_ORDER_DELIVER_SIGNAL:
        deliver(agent, order);
        break;
    case DK_ORDER_FORGET_JOB:
        duty = dk_duty_find(agent, order->forget_job.job, order->forget_job.attempt);
        if (duty != NULL)
            forget(agent, duty);
        break;
    case DK_ORDER_SETTINGS:
        set(agent, &order->settings);
        break;
    case DK_ORDER_TYPE_COUNT:
        break;
    }
    if (order->type != DK_ORDER_SETTINGS && order->meta.epoch > agent->epoch)
        agent->epoch = order->meta.epoch;
}

static void unname(struct dk_agent *agent, struct dk_duty *duty)
{
    (void)agent;
    duty->named = false;
}

/* From ACCEPTED to STARTING, or to a report of why not. */
static void launch(struct dk_agent *agent, struct dk_duty *duty)
{
    struct dk_err err = { 0 };
    enum dk_status status = dk_machine_launch(agent, duty, &err);

    dk_duty_drop_blobs(duty);
    duty->state = DK_DUTY_STARTING;
    if (status != DK_OK)
        dk_duty_refuse(agent, duty, err.text);
}

static bool overlap(const struct dk_span *left, uint32_t left_count, const struct dk_span *right,
                    uint32_t right_count)
{
    int64_t left_end = 0, right_end = 0;
    uint32_t i = 0, k = 0;

    while (i < left_count && k < right_count) {
        int64_t left_first = left_end + left[i].gap, right_first = right_end + right[k].gap;
        int64_t left_limit = left_first + left[i].count, right_limit = right_first + right[k].count;

        if (left_first < right_limit && right_first < left_limit)
            return true;
        if (left_limit <= right_limit) {
            left_end = left_limit;
            i++;
        } else {
            right_end = right_limit;
            k++;
        }
    }
    return false;
}

/* Do both need the same core or GPU here? */
static bool share(struct dk_agent *agent, const struct dk_duty *duty, const struct dk_duty *other)
{
    const struct dk_run_job *run = dk_duty_order(agent, other);
    uint32_t cores = run->cores_count, gpus = run->gpus_count;
    struct dk_span *spans = calloc((size_t)cores + gpus + 1, sizeof(*spans));
    bool both;

    DK_CHECK(spans != NULL);
    for (uint32_t i = 0; i < cores + gpus; i++)
        spans[i] = i < cores ? run->cores[i] : run->gpus[i - cores];
    run = dk_duty_order(agent, duty); /* which takes the other's place */
    both = overlap(run->cores, run->cores_count, spans, cores) ||
           overlap(run->gpus, run->gpus_count, spans + cores, gpus);
    free(spans);
    return both;
}

/* The cluster gives what a job had to another one once its end is in the log; here it may be dying
 * still. */
static bool must_wait(struct dk_agent *agent, const struct dk_duty *duty)
{
    for (int i = 0; i < DK_AGENT_BUCKETS; i++)
        for (const struct dk_duty *other = agent->duties[i]; other != NULL; other = other->next)
            if (other->forgotten &&
                (other->state == DK_DUTY_STARTING || other->state == DK_DUTY_RUNNING) &&
                share(agent, duty, other))
                return true;
    return false;
}

static void start(struct dk_agent *agent, struct dk_duty *duty)
{
    if (duty->state != DK_DUTY_ACCEPTED || !duty->has_blobs)
        return;
    if (must_wait(agent, duty))
        agent->must_start = true;
    else if (duty->ran && duty->is_first)
        dk_duty_refuse(agent, duty, "it ran here already, and this node's record of it is gone");
    else if (duty->is_first || agent->prolog[0] != '\0')
        launch(agent, duty);
    else
        duty->state = DK_DUTY_HELD;
}

static void refuse(struct dk_agent *agent, struct dk_duty *duty)
{
    if (duty->state == DK_DUTY_ACCEPTED && duty->has_blobs)
        dk_duty_refuse(agent, duty, "the agent's ledger can't be made durable");
}

void dk_agent_start_accepted(struct dk_agent *agent)
{
    if (!agent->must_start)
        return;
    agent->must_start = false;
    dk_duty_each(agent, start);
}

void dk_agent_obey(struct dk_agent *agent, struct dk_delivery *delivery)
{
    struct dk_err err = { 0 };

    dk_duty_each(agent, unname);
    for (uint32_t i = 0; i < delivery->count; i++)
        obey_one(agent, &delivery->items[i]);
    /* What is not named is over, if the answer is newer than the order: a projector that has just
     * been started may not know of it yet. */
    for (int i = 0; delivery->complete && i < DK_AGENT_BUCKETS && agent->duty_count > 0; i++)
        for (struct dk_duty *duty = agent->duties[i], *next; duty != NULL; duty = next) {
            next = duty->next;
            if (!duty->named && duty->seq <= delivery->seq)
                forget(agent, duty);
        }
    if (agent->must_start && dk_ledger_sync(agent->ledger, &err) != DK_OK) {
        dk_journal(DK_JOURNAL_ERROR, "%s", err.text);
        dk_duty_each(agent, refuse);
    }
    dk_agent_start_accepted(agent);
    if (!delivery->complete)
        return;
    if (agent->is_blank)
        dk_machine_tidy(agent);
    agent->is_blank = false;
}
