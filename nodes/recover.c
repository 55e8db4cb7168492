/* recover.c - an agent that starts finds its jobs again (duty.h)
 *
 * The ledger says which there are; settle.c says, by their folders, what became of each. A job
 * without a record was accepted and not started: it waits for the cluster to name it again, with
 * its script. Unless the machine was started anew since: a record is not synced as an order is, so
 * it may have run (found by tests/sim: it ran a second time). Folders and cgroups that no duty has
 * are removed. Where the ledger itself is gone, what still runs of a job that the cluster names is
 * killed, and the job is not run a second time (orders.c).
 */
#include "nodes/duty.h"
#include "nodes/machine.h"

#include "base/check.h"
#include "net/journal.h"

#include <stdio.h>
#include <string.h>

static void take_run(struct dk_agent *agent, struct dk_duty *duty,
                     const struct dk_ledger_entry *entry)
{
    struct dk_order order;

    dk_arena_reset(&agent->arena);
    if (dk_order_decode(entry->bytes.data, entry->bytes.size, &agent->arena, &order, NULL) !=
            DK_OK ||
        order.type != DK_ORDER_RUN_JOB) {
        dk_duty_remove(agent, duty);
        return;
    }
    duty->epoch = (int32_t)entry->number;
    duty->seq = order.meta.seq;
    duty->is_first = order.run_job.node_index == 0;
    dk_buf_clear(&duty->order);
    DK_CHECK(dk_buf_add(&duty->order, entry->bytes.data, entry->bytes.size));
    if (entry->number > agent->epoch)
        agent->epoch = entry->number;
    if (duty->seq > agent->floor)
        agent->floor = duty->seq;
}

/* True: it is of no job. */
static bool take_own(struct dk_agent *agent, const struct dk_ledger_entry *entry)
{
    if (entry->kind == DK_LEDGER_EPOCH && entry->number > agent->epoch)
        agent->epoch = entry->number;
    if (entry->kind == DK_LEDGER_FLOOR && entry->number > agent->floor)
        agent->floor = entry->number;
    if (entry->kind == DK_LEDGER_BOOT && entry->bytes.size < sizeof(agent->ledger_boot))
        (void)snprintf(agent->ledger_boot, sizeof(agent->ledger_boot), "%.*s",
                       (int)entry->bytes.size, (const char *)entry->bytes.data);
    return entry->kind == DK_LEDGER_EPOCH || entry->kind == DK_LEDGER_FLOOR ||
           entry->kind == DK_LEDGER_BOOT;
}

static void take(void *context, const struct dk_ledger_entry *entry)
{
    struct dk_agent *agent = context;
    struct dk_duty *duty = dk_duty_find(agent, entry->job, entry->attempt);

    if (take_own(agent, entry))
        return;
    if (duty == NULL && entry->kind == DK_LEDGER_RUN) {
        take_run(agent, dk_duty_add(agent, entry->job, entry->attempt), entry);
        return;
    }
    if (duty == NULL)
        return;
    switch (entry->kind) {
    case DK_LEDGER_SIGNALLED:
        duty->signal_seq = entry->number;
        break;
    case DK_LEDGER_END:
        dk_buf_clear(&duty->report);
        DK_CHECK(dk_buf_add(&duty->report, entry->bytes.data, entry->bytes.size));
        duty->state = DK_DUTY_REPORTED;
        break;
    case DK_LEDGER_ANSWERED:
        duty->state = DK_DUTY_DONE;
        break;
    case DK_LEDGER_GONE:
        dk_duty_remove(agent, duty);
        break;
    case DK_LEDGER_RUN:
    case DK_LEDGER_EPOCH:
    case DK_LEDGER_FLOOR:
    case DK_LEDGER_BOOT:
        break;
    }
}

static void give_one(struct dk_agent *agent, struct dk_duty *duty)
{
    const struct dk_bytes none = { NULL, 0 };
    const struct dk_bytes order = { duty->order.data, (uint32_t)duty->order.size };
    const struct dk_bytes report = { duty->report.data, (uint32_t)duty->report.size };

    dk_duty_note(agent, duty, DK_LEDGER_RUN, duty->epoch, order);
    if (duty->signal_seq != 0)
        dk_duty_note(agent, duty, DK_LEDGER_SIGNALLED, duty->signal_seq, none);
    if (duty->state == DK_DUTY_REPORTED)
        dk_duty_note(agent, duty, DK_LEDGER_END, 0, report);
    if (duty->state == DK_DUTY_DONE || duty->state == DK_DUTY_CLEANING)
        dk_duty_note(agent, duty, DK_LEDGER_ANSWERED, 0, none);
}

static void give(void *context, struct dk_ledger *ledger)
{
    struct dk_agent *agent = context;
    struct dk_ledger_entry epoch = { .kind = DK_LEDGER_EPOCH, .number = agent->epoch };
    struct dk_ledger_entry floor = { .kind = DK_LEDGER_FLOOR, .number = agent->floor };
    struct dk_ledger_entry boot = { .kind = DK_LEDGER_BOOT,
                                    .bytes = { (const uint8_t *)agent->boot,
                                               (uint32_t)strlen(agent->boot) } };
    struct dk_ledger *open = agent->ledger;

    agent->ledger = ledger; /* while it is opened the agent does not have it yet */
    (void)dk_ledger_add(ledger, &epoch, NULL);
    (void)dk_ledger_add(ledger, &floor, NULL);
    (void)dk_ledger_add(ledger, &boot, NULL);
    dk_duty_each(agent, give_one);
    agent->ledger = open;
}

static void find(struct dk_agent *agent, struct dk_duty *duty)
{
    if (duty->state == DK_DUTY_REPORTED) {
        dk_outbox_report(agent->outbox, duty->job, duty->attempt,
                         (struct dk_bytes){ duty->report.data, (uint32_t)duty->report.size });
        return;
    }
    if (duty->state == DK_DUTY_DONE)
        return;
    if (!dk_machine_has_record(agent, duty)) {
        /* Not started; or started, and the record of it went down with the machine. */
        if (duty->is_first && agent->ledger_boot[0] != '\0' &&
            strcmp(agent->ledger_boot, agent->boot) != 0)
            dk_duty_went_down(agent, duty);
        return;
    }
    (void)dk_machine_record_soon(agent, duty);
    duty->state = DK_DUTY_RUNNING;
    dk_duty_settle(agent, duty);
}

enum dk_status dk_agent_recover(struct dk_agent *agent, struct dk_err *err)
{
    const struct dk_ledger_owner owner = { agent, take, give };
    enum dk_status status;

    agent->is_blank = !dk_machine_has_ledger(agent);
    status = dk_ledger_open(&agent->ledger, agent->folder, &owner, err);
    if (status != DK_OK)
        return status;
    if (agent->duty_count > 0)
        dk_journal(DK_JOURNAL_INFO, "%u jobs are known from before", agent->duty_count);
    dk_duty_each(agent, find);
    if (!agent->is_blank) /* else they are all that is known of jobs from before */
        dk_machine_tidy(agent);
    dk_machine_leave_folders(agent);
    return DK_OK;
}
