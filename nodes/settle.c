/* settle.c - what became of a job, from the record in its folder (duty.h)
 *
 * The same for a keeper that has just ended and for one that ended while no agent was there:
 *
 *   record says ENDED                      the end, as it says
 *   not ended, its keeper lives            it goes on; watch it (another keeper than ours won)
 *   not ended, its keeper is dead          killed: look for what it left behind, NODE_FAIL
 *   not ended, of another boot             the machine went down under it, NODE_FAIL
 *   no record                              it could not be started
 */
#include "nodes/duty.h"
#include "nodes/machine.h"

#include "base/check.h"
#include "event/request.h"
#include "net/journal.h"

#include <string.h>
#include <sys/wait.h>

/* --- reports --- */

static struct dk_text cut(const char *text, uint32_t size_max)
{
    struct dk_text result = dk_text_of(text);

    if (result.size <= size_max)
        return result;
    result.size = size_max;
    while (result.size > 0 && (result.data[result.size] & 0xc0) == 0x80) /* not inside a letter */
        result.size--;
    return result;
}

void dk_duty_report(struct dk_agent *agent, struct dk_duty *duty, const struct dk_duty_end *end)
{
    struct dk_request request = { .type = DK_REQUEST_REPORT_END };
    struct dk_report_end *report = &request.report_end;
    const struct dk_task_record *record = end->record;
    struct dk_bytes bytes;
    uint8_t key[16];

    if (dk_machine_random(key, sizeof(key)))
        request.meta.key = (struct dk_bytes){ key, sizeof(key) };
    report->job = duty->job;
    report->attempt = duty->attempt;
    report->state = end->state;
    report->exit_code = end->exit_code;
    report->signal = end->signal;
    if (record != NULL) {
        request.meta.time = record->ended_us;
        report->started = record->started_us;
        report->has_usage = record->started_us != 0;
        report->usage = (struct dk_usage){ record->user_us, record->system_us, record->rss_max_kib,
                                           record->read_bytes, record->written_bytes };
    }
    if (end->why != NULL)
        report->why = cut(end->why, 256);
    report->requeue = end->requeue && !duty->ending;
    dk_buf_clear(&duty->report);
    if (dk_request_encode(&request, &duty->report, NULL) != DK_OK) { /* a text that is not UTF-8 */
        report->why = dk_text_of("the reason is not UTF-8");
        DK_CHECK(dk_request_encode(&request, &duty->report, NULL) == DK_OK);
    }
    bytes = (struct dk_bytes){ duty->report.data, (uint32_t)duty->report.size };
    duty->state = DK_DUTY_REPORTED;
    duty->kill_us = duty->warn_us = duty->again_us = 0;
    dk_duty_note(agent, duty, DK_LEDGER_END, 0, bytes);
    dk_outbox_report(agent->outbox, duty->job, duty->attempt, bytes);
}

/* This node can't run it: another one may. */
void dk_duty_refuse(struct dk_agent *agent, struct dk_duty *duty, const char *why)
{
    struct dk_duty_end end = { .state = DK_END_STATE_NODE_FAIL, .why = why, .requeue = true };

    if (duty->forgotten) {
        dk_duty_clean(agent, duty);
        return;
    }
    dk_journal(DK_JOURNAL_WARNING, "job %lld can't be started: %s", (long long)duty->job, why);
    if (duty->ending)
        end.state = duty->end_state;
    dk_duty_report(agent, duty, &end);
}

/* --- keepers --- */

static bool read_record(const struct dk_agent *agent, const struct dk_duty *duty,
                        struct dk_task_record *record)
{
    return dk_machine_record(agent, duty, duty->epilog_runs ? "epilog" : "task", record);
}

/* --- how it ended --- */

static void judge(struct dk_agent *agent, const struct dk_duty *duty,
                  const struct dk_task_record *record, struct dk_duty_end *end)
{
    end->record = record;
    if (record->why[0] != '\0')
        end->why = record->why;
    if (WIFEXITED(record->status))
        end->exit_code = WEXITSTATUS(record->status);
    else if (WIFSIGNALED(record->status))
        end->signal = WTERMSIG(record->status);
    end->state = record->status == 0 ? DK_END_STATE_COMPLETED : DK_END_STATE_FAILED;
    if (dk_machine_was_oom(agent, duty)) {
        end->state = DK_END_STATE_OUT_OF_MEMORY;
        end->why = "the kernel killed a process of it: it used more memory than it had";
    }
    if (record->fault == DK_TASK_FAULT_USER) {
        end->state = DK_END_STATE_FAILED;
        end->exit_code = 1;
    } else if (record->fault != DK_TASK_FAULT_NONE) {
        end->state = DK_END_STATE_NODE_FAIL;
        end->exit_code = 0;
        end->requeue = true;
    }
    if (!duty->ending)
        return;
    end->state = duty->end_state;
    if (duty->end_why != NULL)
        end->why = duty->end_why;
}

/* Only its prolog was run here. */
static void settle_held(struct dk_agent *agent, struct dk_duty *duty,
                        const struct dk_task_record *record)
{
    duty->state = DK_DUTY_HELD;
    if (record->fault != DK_TASK_FAULT_NONE && !duty->ending)
        dk_duty_refuse(agent, duty, record->why);
}

static void settle_ended(struct dk_agent *agent, struct dk_duty *duty,
                         const struct dk_task_record *record)
{
    struct dk_duty_end end = { .state = DK_END_STATE_COMPLETED };

    dk_machine_kill_group(agent, duty);
    if (duty->forgotten) {
        dk_duty_clean(agent, duty);
    } else if (!duty->is_first) {
        settle_held(agent, duty, record);
    } else {
        judge(agent, duty, record, &end);
        dk_duty_report(agent, duty, &end);
    }
}

static void report_lost(struct dk_agent *agent, struct dk_duty *duty, const char *why)
{
    struct dk_duty_end end = { .state = DK_END_STATE_NODE_FAIL, .why = why };

    if (duty->forgotten) {
        dk_duty_clean(agent, duty);
        return;
    }
    dk_journal(DK_JOURNAL_WARNING, "job %lld: %s", (long long)duty->job, end.why);
    if (duty->ending)
        end.state = duty->end_state;
    dk_duty_report(agent, duty, &end);
}

void dk_duty_went_down(struct dk_agent *agent, struct dk_duty *duty)
{
    report_lost(agent, duty, "the machine was started anew while it ran");
}

static void settle_lost(struct dk_agent *agent, struct dk_duty *duty,
                        const struct dk_task_record *record)
{
    if (strcmp(record->boot, agent->boot) != 0) {
        dk_duty_went_down(agent, duty);
        return;
    }
    (void)dk_machine_kill_left(agent, duty);
    report_lost(agent, duty, "the process that kept it was killed");
}

void dk_duty_settle(struct dk_agent *agent, struct dk_duty *duty)
{
    struct dk_task_record record;
    int keeper;

    dk_machine_unwatch(duty);
    if (!read_record(agent, duty, &record)) {
        if (duty->epilog_runs)
            dk_duty_clean(agent, duty);
        else
            dk_duty_refuse(agent, duty, "its keeper could not write in the agent's folder");
        return;
    }
    if (duty->epilog_runs) {
        if (record.stage == DK_TASK_ENDED && record.fault != DK_TASK_FAULT_NONE)
            dk_journal(DK_JOURNAL_WARNING, "job %lld: %s", (long long)duty->job, record.why);
        dk_duty_clean(agent, duty);
        return;
    }
    if (record.stage == DK_TASK_ENDED) {
        settle_ended(agent, duty, &record);
        return;
    }
    keeper = strcmp(record.boot, agent->boot) == 0 ? dk_machine_keeper(&record) : -1;
    if (keeper < 0) {
        if (read_record(agent, duty, &record) && record.stage == DK_TASK_ENDED)
            settle_ended(agent, duty, &record); /* it ended between the two looks */
        else
            settle_lost(agent, duty, &record);
        return;
    }
    duty->state = DK_DUTY_RUNNING;
    dk_machine_watch(agent, duty, keeper);
}

void dk_duty_clean(struct dk_agent *agent, struct dk_duty *duty)
{
    if (agent->epilog[0] != '\0' && !duty->epilog_runs && duty->order.size > 0) {
        duty->epilog_runs = true;
        duty->state = DK_DUTY_CLEANING;
        if (dk_machine_epilog(agent, duty))
            return; /* comes back here when it has ended */
    }
    dk_machine_remove(agent, duty);
    dk_duty_note(agent, duty, DK_LEDGER_GONE, 0, (struct dk_bytes){ NULL, 0 });
    dk_duty_remove(agent, duty);
}
