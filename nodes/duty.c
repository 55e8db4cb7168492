/* duty.c - the table of duties (duty.h) */
#include "nodes/duty.h"
#include "nodes/machine.h"

#include "base/check.h"
#include "net/journal.h"

#include <stdio.h>
#include <stdlib.h>

#define ORDER_MAX ((size_t)64 << 20)

static struct dk_duty **bucket(const struct dk_agent *agent, int64_t job)
{
    return (struct dk_duty **)&agent->duties[(uint64_t)job % DK_AGENT_BUCKETS];
}

struct dk_duty *dk_duty_find(const struct dk_agent *agent, int64_t job, int32_t attempt)
{
    struct dk_duty *duty = *bucket(agent, job);

    while (duty != NULL && (duty->job != job || duty->attempt != attempt))
        duty = duty->next;
    return duty;
}

struct dk_duty *dk_duty_add(struct dk_agent *agent, int64_t job, int32_t attempt)
{
    struct dk_duty *duty = calloc(1, sizeof(*duty));

    DK_CHECK(duty != NULL);
    duty->job = job;
    duty->attempt = attempt;
    duty->pid_fd = -1;
    dk_buf_init(&duty->order, &dk_heap, ORDER_MAX);
    dk_buf_init(&duty->report, &dk_heap, ORDER_MAX);
    duty->next = *bucket(agent, job);
    *bucket(agent, job) = duty;
    agent->duty_count++;
    return duty;
}

void dk_duty_drop_blobs(struct dk_duty *duty)
{
    struct dk_blob_copy *blobs[] = { &duty->script, &duty->environment, &duty->arguments };

    for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
        free(blobs[i]->data);
        *blobs[i] = (struct dk_blob_copy){ NULL, 0 };
    }
    duty->has_blobs = false;
}

void dk_duty_remove(struct dk_agent *agent, struct dk_duty *duty)
{
    struct dk_duty **at = bucket(agent, duty->job);

    while (*at != duty)
        at = &(*at)->next;
    *at = duty->next;
    agent->duty_count--;
    dk_machine_unwatch(duty);
    dk_duty_drop_blobs(duty);
    dk_buf_release(&duty->order);
    dk_buf_release(&duty->report);
    free(duty);
}

void dk_duty_each(struct dk_agent *agent, void (*visit)(struct dk_agent *, struct dk_duty *))
{
    if (agent->duty_count == 0)
        return;
    for (int i = 0; i < DK_AGENT_BUCKETS; i++) {
        struct dk_duty *duty = agent->duties[i];

        while (duty != NULL) {
            struct dk_duty *next = duty->next;

            visit(agent, duty);
            duty = next;
        }
    }
}

const struct dk_run_job *dk_duty_order(struct dk_agent *agent, const struct dk_duty *duty)
{
    struct dk_order *order;

    dk_arena_reset(&agent->arena);
    order = dk_arena_take(&agent->arena, sizeof(*order));
    /* It was decoded when it came, or when the ledger was read. */
    DK_CHECK(dk_order_decode(duty->order.data, duty->order.size, &agent->arena, order, NULL) ==
             DK_OK);
    return &order->run_job;
}

void dk_duty_name(const struct dk_duty *duty, char out[64])
{
    (void)snprintf(out, 64, "%lld.%d", (long long)duty->job, duty->attempt);
}

void dk_duty_note(struct dk_agent *agent, const struct dk_duty *duty, enum dk_ledger_kind kind,
                  int64_t number, struct dk_bytes bytes)
{
    struct dk_ledger_entry entry = { kind, duty->job, duty->attempt, number, bytes };
    struct dk_err err;

    /* What can't be noted costs repetition, never a job: the folder and the cluster know too. */
    if (dk_ledger_add(agent->ledger, &entry, &err) != DK_OK)
        dk_journal(DK_JOURNAL_ERROR, "job %lld: %s", (long long)duty->job, err.text);
}
