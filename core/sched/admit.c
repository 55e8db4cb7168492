/* admit.c - is this request acceptable in this state? Facts, or one recorded rejection
 *
 * Nothing in a request is believed: sizes were bounded by the decoder, everything else is checked
 * here, before it can become a fact that apply takes as given.
 */
#include "sched/admit.h"

#include <stdarg.h>
#include <string.h>

struct dk_event *dk_fact(struct dk_admission *admission, enum dk_event_type type)
{
    const struct dk_stamp *stamp = admission->stamp;
    struct dk_event *event = dk_events_add(admission->out, type, stamp->time);

    event->meta.cause = stamp->number;
    event->meta.has_actor = stamp->has_actor;
    if (stamp->has_actor)
        event->meta.actor = stamp->actor;
    return event;
}

void dk_refuse(struct dk_admission *admission, enum dk_reject_reason reason, const char *format,
               ...)
{
    struct dk_event *event;
    struct dk_err err;
    va_list args;
    char *detail;

    if (admission->refused)
        return;
    admission->refused = true;
    va_start(args, format);
    dk_fail_list(&err, DK_INVALID, format, args);
    va_end(args);
    detail = dk_arena_take(&admission->out->arena, sizeof(err.text));
    memcpy(detail, err.text, sizeof(err.text));
    event = dk_fact(admission, DK_EVENT_REQUEST_REJECTED);
    event->request_rejected.key = admission->request->meta.key;
    event->request_rejected.request = dk_text_of(dk_request_name(admission->request->type));
    event->request_rejected.reason = reason;
    event->request_rejected.detail = dk_text_of(detail);
}

const struct dk_job *dk_job_asked(struct dk_admission *admission, int64_t id)
{
    uint32_t slot = dk_job_slot(admission->core, id);
    const struct dk_stamp *stamp = admission->stamp;
    const struct dk_job *job;

    if (slot == DK_SLOT_NONE) {
        if (dk_outcome_find(admission->core, id) != NULL)
            dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "job %lld has ended", (long long)id);
        else
            dk_refuse(admission, DK_REJECT_REASON_NOT_FOUND, "there is no job %lld", (long long)id);
        return NULL;
    }
    job = dk_job_at(admission->core, slot);
    if (!dk_asked_by_operator(admission) && stamp->actor.uid != job->uid) {
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED, "job %lld is of another user",
                  (long long)id);
        return NULL;
    }
    return job;
}

bool dk_asked_by_operator(const struct dk_admission *admission)
{
    const struct dk_stamp *stamp = admission->stamp;

    return !stamp->has_actor || stamp->is_operator ||
           dk_core_is_operator(admission->core, stamp->actor.user);
}

static bool operator_only(enum dk_request_type type)
{
    return type == DK_REQUEST_SET_NODE_CONDITION || type == DK_REQUEST_CONFIGURE_PARTITION ||
           type == DK_REQUEST_REMOVE_PARTITION || type == DK_REQUEST_CONFIGURE_POLICY ||
           type == DK_REQUEST_APPLY_CONFIGURATION;
}

/* What only the channel's owner may say, not even an operator by name: it speaks for a node. */
static bool node_only(enum dk_request_type type)
{
    return type == DK_REQUEST_REGISTER_NODE || type == DK_REQUEST_BEAT_NODES ||
           type == DK_REQUEST_REPORT_END || type == DK_REQUEST_REPORT_STEP_START ||
           type == DK_REQUEST_REPORT_STEP_END;
}

static void admit_one(struct dk_admission *admission)
{
    switch (admission->request->type) {
    case DK_REQUEST_SUBMIT_JOB:
        dk_admit_submit(admission);
        return;
    case DK_REQUEST_UPDATE_JOB:
        dk_admit_update(admission);
        return;
    case DK_REQUEST_HOLD_JOB:
        dk_admit_hold(admission);
        return;
    case DK_REQUEST_RELEASE_JOB:
        dk_admit_release(admission);
        return;
    case DK_REQUEST_CANCEL_JOB:
        dk_admit_cancel(admission);
        return;
    case DK_REQUEST_REQUEUE_JOB:
        dk_admit_requeue(admission);
        return;
    case DK_REQUEST_REPORT_END:
        dk_admit_end(admission);
        return;
    case DK_REQUEST_REPORT_STEP_START:
        dk_admit_step_start(admission);
        return;
    case DK_REQUEST_REPORT_STEP_END:
        dk_admit_step_end(admission);
        return;
    case DK_REQUEST_REGISTER_NODE:
        dk_admit_register(admission);
        return;
    case DK_REQUEST_SET_NODE_CONDITION:
        dk_admit_condition(admission);
        return;
    case DK_REQUEST_BEAT_NODES:
        dk_admit_beat(admission);
        return;
    case DK_REQUEST_CONFIGURE_PARTITION:
        dk_admit_partition(admission);
        return;
    case DK_REQUEST_REMOVE_PARTITION:
        dk_admit_partition_remove(admission);
        return;
    case DK_REQUEST_CONFIGURE_POLICY:
        dk_admit_policy(admission);
        return;
    case DK_REQUEST_APPLY_CONFIGURATION:
        dk_admit_configuration(admission);
        return;
    case DK_REQUEST_SIGNAL_JOB:
        dk_admit_signal(admission);
        return;
    case DK_REQUEST_ERASE_SECRETS:
        dk_admit_erase(admission);
        return;
    case DK_REQUEST_TYPE_COUNT:
        break;
    }
    dk_refuse(admission, DK_REJECT_REASON_UNREADABLE, "this kind of request is not known");
}

void dk_core_admit(const struct dk_core *core, const struct dk_stamp *stamp,
                   const struct dk_request *request, struct dk_events *out)
{
    struct dk_admission admission = { core, stamp, request, out, false };

    DK_CHECK(stamp->time >= core->time);
    if (request->type != DK_REQUEST_REGISTER_NODE &&
        request->type != DK_REQUEST_CONFIGURE_PARTITION) /* many in a row: once is enough, later */
        dk_domains_ensure((struct dk_core *)(uintptr_t)core); /* derived, not state */
    if (operator_only(request->type) && !dk_asked_by_operator(&admission)) {
        dk_refuse(&admission, DK_REJECT_REASON_NOT_PERMITTED, "%s is for operators",
                  dk_request_name(request->type));
        return;
    }
    if (node_only(request->type) && stamp->has_actor && !stamp->is_operator) {
        dk_refuse(&admission, DK_REJECT_REASON_NOT_PERMITTED,
                  "%s is for nodes: root and docket's own user speak for them",
                  dk_request_name(request->type));
        return;
    }
    admit_one(&admission);
}
