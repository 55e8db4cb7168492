/* admit_end.c - requests that hold, end, queue again or signal jobs, and what nodes report of them
 */
#include "sched/admit.h"

#include <string.h>

/* --- hold, release, cancel, requeue --- */

void dk_admit_hold(struct dk_admission *admission)
{
    int64_t id = admission->request->hold_job.job;
    const struct dk_job *job = dk_job_asked(admission, id);
    const struct dk_stamp *stamp = admission->stamp;
    struct dk_event *event;

    if (job == NULL)
        return;
    if (job->state != DK_JOB_PENDING) {
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "job %lld is not pending",
                  (long long)id);
        return;
    }
    event = dk_fact(admission, DK_EVENT_JOB_HELD);
    event->job_held.job = id;
    event->job_held.by_admin = stamp->has_actor && stamp->actor.uid != job->uid;
}

void dk_admit_release(struct dk_admission *admission)
{
    int64_t id = admission->request->release_job.job;
    const struct dk_job *job = dk_job_asked(admission, id);

    if (job == NULL)
        return;
    if (!(job->wait & (DK_WAIT_HELD_USER | DK_WAIT_HELD_ADMIN)))
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "job %lld is not held", (long long)id);
    if ((job->wait & DK_WAIT_HELD_ADMIN) && !dk_asked_by_operator(admission))
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED,
                  "job %lld was held by an operator, who has to release it", (long long)id);
    if (!admission->refused)
        dk_fact(admission, DK_EVENT_JOB_RELEASED)->job_released.job = id;
}

static void end_request(struct dk_admission *admission, const struct dk_job *job, bool requeue,
                        bool hold)
{
    struct dk_event *event = dk_fact(admission, DK_EVENT_JOB_END_REQUESTED);

    event->job_end_requested.job = job->id;
    event->job_end_requested.attempt = (int32_t)job->attempt;
    event->job_end_requested.state = DK_END_STATE_CANCELLED;
    event->job_end_requested.requeue = requeue;
    event->job_end_requested.hold = hold;
}

static bool index_in(const struct dk_index_range *ranges, uint32_t count, int32_t index)
{
    for (uint32_t i = 0; i < count; i++)
        if (index >= ranges[i].first && index <= ranges[i].last &&
            (index - ranges[i].first) % ranges[i].step == 0)
            return true;
    return count == 0; /* none named: all */
}

#define RANGES_PER_EVENT 1024

static void cancelled_fact(struct dk_admission *admission, int64_t job,
                           const struct dk_index_range *ranges, uint32_t count)
{
    struct dk_event *event = dk_fact(admission, DK_EVENT_ARRAY_TASKS_CANCELLED);

    event->array_tasks_cancelled.job = job;
    event->array_tasks_cancelled.tasks = ranges;
    event->array_tasks_cancelled.tasks_count = count;
}

/* All tasks that wait: as many events as their ranges need. */
static void cancel_all_waiting(struct dk_admission *admission, const struct dk_job *job)
{
    const struct dk_array *array = job->array;
    struct dk_index_range *ranges =
        dk_arena_take(&admission->out->arena, (array->range_count + 1) * sizeof(*ranges));

    if (array->range_count > 0)
        memcpy(ranges, array->ranges, array->range_count * sizeof(*ranges));
    for (uint32_t i = 0; i < array->range_count; i += RANGES_PER_EVENT)
        cancelled_fact(admission, job->id, ranges + i,
                       (uint32_t)dk_min(array->range_count - i, RANGES_PER_EVENT));
}

/* The lowest and the highest index that is named. */
static struct dk_index_range named_bounds(const struct dk_cancel_job *cancel)
{
    struct dk_index_range bounds = { INT32_MAX, 0, 1 };

    for (uint32_t i = 0; i < cancel->tasks_count; i++) {
        bounds.first = (int32_t)dk_min(bounds.first, cancel->tasks[i].first);
        bounds.last = (int32_t)dk_max(bounds.last, cancel->tasks[i].last);
    }
    return bounds;
}

/* The waiting tasks among those that are named; only what lies between the named is looked at. */
static void cancel_named_waiting(struct dk_admission *admission, const struct dk_job *job,
                                 const struct dk_cancel_job *cancel)
{
    struct dk_index_range bounds = named_bounds(cancel), *found = NULL;
    const struct dk_array *array = job->array;
    uint32_t count = 0;

    for (uint32_t i = 0; i < array->range_count; i++) {
        const struct dk_index_range *range = &array->ranges[i];
        int64_t task = range->first, last = dk_min(range->last, bounds.last);

        if (task < bounds.first)
            task += ((int64_t)bounds.first - task + range->step - 1) / range->step * range->step;
        for (; task <= last; task += range->step) {
            if (!index_in(cancel->tasks, cancel->tasks_count, (int32_t)task))
                continue;
            if (count > 0 && found[count - 1].last + 1 == task) {
                found[count - 1].last = (int32_t)task;
                continue;
            }
            if (count == RANGES_PER_EVENT) {
                cancelled_fact(admission, job->id, found, count);
                count = 0;
            }
            if (count == 0)
                found = dk_arena_take(&admission->out->arena, RANGES_PER_EVENT * sizeof(*found));
            found[count].first = found[count].last = (int32_t)task;
            found[count++].step = 1;
        }
    }
    if (count > 0)
        cancelled_fact(admission, job->id, found, count);
}

static void cancel_array(struct dk_admission *admission, const struct dk_job *job,
                         const struct dk_cancel_job *cancel)
{
    const struct dk_core *core = admission->core;
    uint32_t facts = admission->out->count;
    const struct dk_job *task;
    struct dk_event *event;

    for (uint32_t slot = job->array->task_first; slot != DK_SLOT_NONE; slot = task->task_next) {
        task = dk_job_at(core, slot);
        if (!index_in(cancel->tasks, cancel->tasks_count, task->task))
            continue;
        if (task->state != DK_JOB_PENDING) {
            end_request(admission, task, false, false);
            continue;
        }
        event = dk_fact(admission, DK_EVENT_JOB_ENDED); /* a task that was requeued */
        memset(&event->job_ended, 0, sizeof(event->job_ended));
        event->job_ended.job = task->id;
        event->job_ended.attempt = (int32_t)task->attempt;
        event->job_ended.state = DK_END_STATE_CANCELLED;
    }
    if (cancel->tasks_count == 0)
        cancel_all_waiting(admission, job);
    else
        cancel_named_waiting(admission, job, cancel);
    if (admission->out->count == facts)
        dk_refuse(admission, DK_REJECT_REASON_NOT_FOUND,
                  "array %lld has none of these tasks waiting or running", (long long)job->id);
}

/* Are these tasks that a request may name of this job? */
static bool tasks_meant(struct dk_admission *admission, const struct dk_job *job,
                        const struct dk_index_range *tasks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (tasks[i].first < 0 || tasks[i].last < tasks[i].first || tasks[i].step < 1)
            dk_refuse(admission, DK_REJECT_REASON_INVALID, "task range %d-%d:%d is not a range",
                      tasks[i].first, tasks[i].last, tasks[i].step);
    if (count > 0 && job->array == NULL)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "job %lld is not an array",
                  (long long)job->id);
    return !admission->refused;
}

void dk_admit_cancel(struct dk_admission *admission)
{
    const struct dk_cancel_job *cancel = &admission->request->cancel_job;
    const struct dk_job *job = dk_job_asked(admission, cancel->job);
    struct dk_event *event;

    if (job == NULL)
        return;
    if (!tasks_meant(admission, job, cancel->tasks, cancel->tasks_count))
        return;
    if (job->array != NULL) {
        cancel_array(admission, job, cancel);
    } else if (job->state == DK_JOB_PENDING) {
        event = dk_fact(admission, DK_EVENT_JOB_ENDED);
        memset(&event->job_ended, 0, sizeof(event->job_ended));
        event->job_ended.job = job->id;
        event->job_ended.attempt = (int32_t)job->attempt;
        event->job_ended.state = DK_END_STATE_CANCELLED;
    } else {
        end_request(admission, job, false, false);
    }
}

void dk_admit_requeue(struct dk_admission *admission)
{
    const struct dk_requeue_job *requeue = &admission->request->requeue_job;
    const struct dk_job *job = dk_job_asked(admission, requeue->job);

    if (job == NULL)
        return;
    if (job->state != DK_JOB_RUNNING)
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "job %lld is not running",
                  (long long)requeue->job);
    else
        end_request(admission, job, true, requeue->hold);
}

static void signal_fact(struct dk_admission *admission, const struct dk_job *job)
{
    struct dk_event *event = dk_fact(admission, DK_EVENT_JOB_SIGNALLED);

    event->job_signalled.job = job->id;
    event->job_signalled.attempt = (int32_t)job->attempt;
    event->job_signalled.signal = admission->request->signal_job.signal;
    event->job_signalled.target = admission->request->signal_job.target;
}

/* To what runs; a job that was told to end has processes too. Of an array each task for itself. */
void dk_admit_signal(struct dk_admission *admission)
{
    const struct dk_signal_job *signal = &admission->request->signal_job;
    const struct dk_job *job = dk_job_asked(admission, signal->job), *task;
    uint32_t facts = admission->out->count;

    if (job == NULL || !tasks_meant(admission, job, signal->tasks, signal->tasks_count))
        return;
    dk_check_between(admission, "signal", signal->signal, 1, 64);
    if (admission->refused)
        return;
    if (job->array == NULL && job->state != DK_JOB_PENDING)
        signal_fact(admission, job);
    for (uint32_t slot = job->array != NULL ? job->array->task_first : DK_SLOT_NONE;
         slot != DK_SLOT_NONE; slot = task->task_next) {
        task = dk_job_at(admission->core, slot);
        if (task->state != DK_JOB_PENDING &&
            index_in(signal->tasks, signal->tasks_count, task->task))
            signal_fact(admission, task);
    }
    if (admission->out->count == facts)
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE,
                  job->array != NULL ? "array %lld has none of these tasks running"
                                     : "job %lld is not running: only a running job has processes",
                  (long long)job->id);
}

/* --- erasing --- */

/* A user's scripts are needed until the last of his jobs has ended. */
void dk_admit_erase(struct dk_admission *admission)
{
    const struct dk_erase_secrets *erase = &admission->request->erase_secrets;
    struct dk_event *event;
    uint32_t active, pending;

    if (erase->uid < 0) {
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "uid %d is nobody's", erase->uid);
        return;
    }
    if (!dk_asked_by_operator(admission) && admission->stamp->actor.uid != erase->uid) {
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED,
                  "what user %d gave is erased by himself or by operators", erase->uid);
        return;
    }
    active = dk_jobs_active_of(admission->core, erase->uid, &pending);
    if (active > 0) {
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE,
                  "user %d has %u pending and %u running jobs, which need what would be erased: "
                  "erase when they have ended",
                  erase->uid, pending, active - pending);
        return;
    }
    event = dk_fact(admission, DK_EVENT_SECRETS_ERASED);
    event->secrets_erased.uid = erase->uid;
    event->secrets_erased.why = erase->why;
}

/* --- what nodes report --- */

static const struct dk_job *job_reported(struct dk_admission *admission, int64_t id,
                                         int32_t attempt)
{
    const struct dk_job *job = dk_job_asked(admission, id);

    if (job == NULL)
        return NULL;
    if ((job->state != DK_JOB_RUNNING && job->state != DK_JOB_ENDING) ||
        (int32_t)job->attempt != attempt) {
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "attempt %d of job %lld is not running",
                  attempt, (long long)id);
        return NULL;
    }
    return job;
}

/* Does the end of this attempt take the job back to the queue? As it was requested; or its node
 * failed; or it could not be started, and is held so that somebody looks. */
static bool requeue_reported(struct dk_admission *admission, const struct dk_job *job)
{
    const struct dk_report_end *report = &admission->request->report_end;
    bool asked = (job->flags & DK_FLAG_THEN_REQUEUE) != 0;
    bool not_started = job->state == DK_JOB_RUNNING && report->requeue;
    bool node_failed = job->state == DK_JOB_RUNNING && report->state == DK_END_STATE_NODE_FAIL &&
                       (job->flags & DK_FLAG_REQUEUE);
    struct dk_event *event;

    if (!asked && !not_started && !node_failed)
        return false;
    event = dk_fact(admission, DK_EVENT_JOB_REQUEUED);
    event->job_requeued.job = report->job;
    event->job_requeued.hold = not_started || (job->flags & DK_FLAG_THEN_HOLD) != 0;
    event->job_requeued.reason = not_started ? DK_END_STATE_BOOT_FAIL
                                 : asked     ? (enum dk_end_state)job->ending
                                             : report->state;
    return true;
}

void dk_admit_end(struct dk_admission *admission)
{
    const struct dk_report_end *report = &admission->request->report_end;
    const struct dk_job *job = job_reported(admission, report->job, report->attempt);
    struct dk_event *event;

    if (job == NULL || requeue_reported(admission, job))
        return;
    event = dk_fact(admission, DK_EVENT_JOB_ENDED);
    event->job_ended.job = report->job;
    event->job_ended.attempt = report->attempt;
    event->job_ended.state =
        job->state == DK_JOB_ENDING ? (enum dk_end_state)job->ending : report->state;
    event->job_ended.exit_code = report->exit_code;
    event->job_ended.signal = report->signal;
    event->job_ended.has_usage = report->has_usage;
    event->job_ended.usage = report->usage;
    event->job_ended.started = report->started;
    event->job_ended.why = report->why;
}

void dk_admit_step_start(struct dk_admission *admission)
{
    const struct dk_report_step_start *report = &admission->request->report_step_start;
    struct dk_event *event;

    if (job_reported(admission, report->job, report->attempt) == NULL)
        return;
    event = dk_fact(admission, DK_EVENT_STEP_STARTED);
    event->step_started.job = report->job;
    event->step_started.attempt = report->attempt;
    event->step_started.step = report->step;
    event->step_started.name = report->name;
    event->step_started.tasks = report->tasks;
    event->step_started.cores = report->cores;
    event->step_started.cores_count = report->cores_count;
}

void dk_admit_step_end(struct dk_admission *admission)
{
    const struct dk_report_step_end *report = &admission->request->report_step_end;
    struct dk_event *event;

    if (job_reported(admission, report->job, report->attempt) == NULL)
        return;
    event = dk_fact(admission, DK_EVENT_STEP_ENDED);
    event->step_ended.job = report->job;
    event->step_ended.attempt = report->attempt;
    event->step_ended.step = report->step;
    event->step_ended.state = report->state;
    event->step_ended.exit_code = report->exit_code;
    event->step_ended.signal = report->signal;
    event->step_ended.has_usage = report->has_usage;
    event->step_ended.usage = report->usage;
}
