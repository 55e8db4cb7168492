/* desk.c - calls straight to the leader (desk.h) */
#include "controller/desk.h"

#include "base/check.h"
#include "controller/call.h"
#include "controller/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_REQUESTS = 4096 };

struct calls {
    struct dk_call *first, **end;
};

struct dk_desk {
    struct dk_intake *intake;
    struct dk_secrets *secrets;
    struct calls waiting;  /* not admitted yet */
    struct calls admitted; /* in the open batch, or in one that is not durable yet */
    uint64_t requests;
};

static void calls_clear(struct calls *calls)
{
    calls->first = NULL;
    calls->end = &calls->first;
}

static void calls_add(struct calls *calls, struct dk_call *call)
{
    *calls->end = call;
    while (*calls->end != NULL)
        calls->end = &(*calls->end)->next;
}

static struct dk_call *calls_pop(struct calls *calls)
{
    struct dk_call *call = calls->first;

    if (call == NULL)
        return NULL;
    calls->first = call->next;
    if (calls->first == NULL)
        calls->end = &calls->first;
    call->next = NULL;
    return call;
}

struct dk_desk *dk_desk_create(struct dk_intake *intake, struct dk_secrets *secrets)
{
    struct dk_desk *desk = calloc(1, sizeof(*desk));

    DK_CHECK(desk != NULL);
    desk->intake = intake;
    desk->secrets = secrets;
    calls_clear(&desk->waiting);
    calls_clear(&desk->admitted);
    return desk;
}

void dk_desk_destroy(struct dk_desk *desk)
{
    if (desk == NULL)
        return;
    DK_CHECK(desk->waiting.first == NULL && desk->admitted.first == NULL);
    free(desk);
}

bool dk_desk_take(struct dk_desk *desk)
{
    calls_add(&desk->waiting, dk_intake_take(desk->intake));
    return desk->waiting.first != NULL;
}

/* --- admission --- */

static enum dk_status admit(struct dk_desk *desk, struct dk_leader *leader, struct dk_call *call,
                            struct dk_request *request, struct dk_err *err)
{
    struct dk_asker asker = { .actor = call->actor,
                              .has_actor = true,
                              .is_operator = call->is_operator,
                              .is_node = call->is_node };
    const struct dk_event *outcome;
    enum dk_status status = dk_call_keep_scripts(call, request, desk->secrets, err);

    if (status != DK_OK)
        return status;
    dk_leader_admit(leader, &asker, 0, request, &outcome);
    dk_outcome_add(&call->answer, outcome,
                   dk_outcome_first_job(dk_leader_core(leader), call->actor.uid, outcome));
    desk->requests++;
    return dk_secrets_outcome(desk->secrets, outcome, err);
}

static void refuse(struct dk_desk *desk, struct dk_leader *leader, struct dk_call *call)
{
    struct dk_asker asker = { .actor = call->actor, .has_actor = call->has_actor };
    const struct dk_event *outcome;

    dk_leader_refuse(leader, &asker, 0, call->reason, call->why, &outcome);
    desk->requests++;
}

enum dk_status dk_desk_admit(struct dk_desk *desk, struct dk_leader *leader, struct dk_err *err)
{
    enum dk_status status = DK_OK;
    uint32_t count = 0;

    while (status == DK_OK && desk->waiting.first != NULL && count < BATCH_REQUESTS) {
        struct dk_call *call = calls_pop(&desk->waiting);

        if (call->refused != 0)
            refuse(desk, leader, call);
        for (uint32_t i = 0; status == DK_OK && i < call->count; i++)
            status = admit(desk, leader, call, &call->requests[i], err);
        count += call->count;
        calls_add(&desk->admitted, call); /* also when a blob found no room: the batch tells */
    }
    return status;
}

enum dk_status dk_desk_sync(struct dk_desk *desk, struct dk_err *err)
{
    return dk_secrets_sync(desk->secrets, err);
}

/* --- answers --- */

static void answer(struct dk_desk *desk, struct dk_call *call, int64_t seq)
{
    if (call->refused != 0)
        dk_call_refuse(call);
    else
        dk_outcome_answer(call->exchange, seq, &call->answer);
    dk_intake_release(desk->intake, call);
}

enum dk_status dk_desk_answer(struct dk_desk *desk, int64_t seq, struct dk_err *err)
{
    enum dk_status status = dk_secrets_settle(desk->secrets, (uint64_t)seq, err);
    struct dk_call *call;

    if (status != DK_OK)
        return status;
    while ((call = calls_pop(&desk->admitted)) != NULL)
        answer(desk, call, seq);
    return DK_OK;
}

static void fail_calls(struct dk_desk *desk, struct calls *calls, int status, const char *reason,
                       const char *detail)
{
    struct dk_call *call;

    while ((call = calls_pop(calls)) != NULL) {
        dk_http_fail(call->exchange, status, reason, "%s", detail);
        dk_intake_release(desk->intake, call);
    }
}

void dk_desk_fail(struct dk_desk *desk, int status, const char *reason, const char *detail)
{
    (void)dk_desk_take(desk);
    fail_calls(desk, &desk->admitted, status, reason, detail);
    fail_calls(desk, &desk->waiting, status, reason, detail);
}

uint64_t dk_desk_requests(const struct dk_desk *desk)
{
    return desk->requests;
}
