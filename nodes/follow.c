/* follow.c - duties while they run: keepers, answers to reports, and what is due with time (duty.h)
 */
#include "nodes/duty.h"
#include "nodes/machine.h"

#include "net/journal.h"

void dk_duty_follow(struct dk_agent *agent, struct dk_duty *duty, int pid_fd)
{
    int64_t wait = duty->kill_us - dk_agent_now_us();

    if (duty->state == DK_DUTY_STARTING)
        duty->state = DK_DUTY_RUNNING;
    dk_machine_watch(agent, duty, pid_fd);
    if (duty->forgotten && duty->state == DK_DUTY_RUNNING) {
        dk_duty_kill(agent, duty);
    } else if (duty->ending && duty->state == DK_DUTY_RUNNING) {
        duty->kill_us = 0;
        dk_duty_end(agent, duty, duty->end_state, wait > 0 ? wait : 0, NULL);
    }
}

/* A keeper may have been made of which nobody told us. Who makes the record first has the job: with
 * ours there, a keeper that is late leaves. */
void dk_duty_send_again(struct dk_agent *agent, struct dk_duty *duty)
{
    if (duty->launcher == agent->launcher_made || duty->pid_fd >= 0)
        return;
    if (duty->state == DK_DUTY_CLEANING) {
        dk_duty_settle(agent, duty); /* which ends it */
        return;
    }
    if (duty->state != DK_DUTY_STARTING)
        return;
    if (!dk_machine_claim(agent, duty))
        (void)dk_machine_record_soon(agent, duty);
    dk_duty_settle(agent, duty);
}

void dk_agent_answered(struct dk_agent *agent, const struct dk_outbox_news *news)
{
    struct dk_duty *duty = dk_duty_find(agent, news->job, news->attempt);
    struct dk_err err;

    if (news->job == 0) {
        if (dk_ledger_sync(agent->ledger, &err) != DK_OK)
            dk_journal(DK_JOURNAL_ERROR, "%s", err.text);
    } else if (duty != NULL && duty->state == DK_DUTY_REPORTED) {
        duty->state = DK_DUTY_DONE;
        dk_buf_release(&duty->report);
        dk_duty_note(agent, duty, DK_LEDGER_ANSWERED, 0, (struct dk_bytes){ NULL, 0 });
    }
}

void dk_duty_keep_time(struct dk_agent *agent, struct dk_duty *duty)
{
    int64_t now = dk_agent_now_us();

    if (duty->warn_us != 0 && duty->warn_us <= now)
        dk_duty_warn(agent, duty);
    if (duty->again_us != 0 && duty->again_us <= now && duty->state == DK_DUTY_RUNNING)
        dk_duty_term(agent, duty);
    if (duty->kill_us != 0 && duty->kill_us <= now && duty->state == DK_DUTY_RUNNING)
        dk_duty_kill(agent, duty);
}

int64_t dk_agent_due(const struct dk_agent *agent)
{
    int64_t next = INT64_MAX;

    for (int i = 0; i < DK_AGENT_BUCKETS && agent->duty_count > 0; i++)
        for (const struct dk_duty *duty = agent->duties[i]; duty != NULL; duty = duty->next) {
            const bool runs = duty->state == DK_DUTY_RUNNING;

            if (duty->warn_us != 0 && duty->warn_us < next)
                next = duty->warn_us;
            if (runs && duty->kill_us != 0 && duty->kill_us < next)
                next = duty->kill_us;
            if (runs && duty->again_us != 0 && duty->again_us < next)
                next = duty->again_us;
        }
    return next;
}
