/* about.c - what an event is about (about.h) */
#include "event/about.h"

int64_t dk_event_job(const struct dk_event *event)
{
    switch (event->type) {
    case DK_EVENT_JOB_SUBMITTED:
        return event->job_submitted.job;
    case DK_EVENT_JOB_UPDATED:
        return event->job_updated.job;
    case DK_EVENT_JOB_HELD:
        return event->job_held.job;
    case DK_EVENT_JOB_RELEASED:
        return event->job_released.job;
    case DK_EVENT_JOB_REQUEUED:
        return event->job_requeued.job;
    case DK_EVENT_JOB_END_REQUESTED:
        return event->job_end_requested.job;
    case DK_EVENT_JOB_ENDED:
        return event->job_ended.job;
    case DK_EVENT_ARRAY_TASKS_CANCELLED:
        return event->array_tasks_cancelled.job;
    case DK_EVENT_JOB_SIGNALLED:
        return event->job_signalled.job;
    case DK_EVENT_JOB_PLACED:
        return event->job_placed.job;
    case DK_EVENT_STEP_STARTED:
        return event->step_started.job;
    case DK_EVENT_STEP_ENDED:
        return event->step_ended.job;
    case DK_EVENT_JOBS_PLANNED:
    case DK_EVENT_NODE_REGISTERED:
    case DK_EVENT_NODE_CONDITION_SET:
    case DK_EVENT_NODES_BEAT:
    case DK_EVENT_PARTITION_CONFIGURED:
    case DK_EVENT_PARTITION_REMOVED:
    case DK_EVENT_POLICY_CONFIGURED:
    case DK_EVENT_CONFIGURATION_APPLIED:
    case DK_EVENT_LOGIC_ACTIVATED:
    case DK_EVENT_CLOCK_ADVANCED:
    case DK_EVENT_CONTROLLER_STARTED:
    case DK_EVENT_CONTROLLER_STOPPED:
    case DK_EVENT_BATCH_CLOSED:
    case DK_EVENT_REQUEST_REJECTED:
    case DK_EVENT_SKIPPED:
    case DK_EVENT_SECRETS_ERASED:
    case DK_EVENT_TYPE_COUNT:
        break;
    }
    return 0;
}
