/* auditor.c - the books: nodes, partitions and the life of each job (placing: auditor_place.c) */
#include "auditor_state.h"

#include <stdarg.h>

struct auditor *auditor_create(void)
{
    return calloc(1, sizeof(struct auditor));
}

void auditor_destroy(struct auditor *auditor)
{
    if (auditor == NULL)
        return;
    for (int64_t i = 0; i < auditor->job_capacity; i++)
        free(auditor->jobs[i].holdings);
    free(auditor->jobs);
    free(auditor);
}

void auditor_watch_order(struct auditor *auditor, enum dk_policy policy, enum dk_backfill backfill)
{
    auditor->watch = true;
    auditor->policy = policy;
    auditor->backfill = backfill;
}

const char *auditor_fault(const struct auditor *auditor)
{
    return auditor->fault[0] != 0 ? auditor->fault : NULL;
}

void auditor_complain(struct auditor *auditor, const char *format, ...)
{
    char text[400];
    va_list args;

    if (auditor->fault[0] != 0)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)snprintf(auditor->fault, sizeof(auditor->fault), "seq %lld: %s", (long long)auditor->seq,
                   text);
}

struct audit_job *auditor_job(struct auditor *auditor, int64_t id)
{
    if (id > 0 && id <= auditor->job_last && auditor->jobs[id].state != 0)
        return &auditor->jobs[id];
    auditor_complain(auditor, "job %lld was never submitted", (long long)id);
    return NULL;
}

int auditor_job_state(const struct auditor *auditor, int64_t job)
{
    return job > 0 && job <= auditor->job_last ? auditor->jobs[job].state : 0;
}

int64_t auditor_job_last(const struct auditor *auditor)
{
    return auditor->job_last;
}

uint32_t auditor_jobs_active(const struct auditor *auditor)
{
    uint32_t count = 0;

    for (int64_t id = 1; id <= auditor->job_last; id++)
        count += auditor->jobs[id].state != ENDED;
    return count;
}

uint32_t auditor_jobs_running(const struct auditor *auditor)
{
    uint32_t count = 0;

    for (int64_t id = 1; id <= auditor->job_last; id++)
        count += auditor->jobs[id].state == RUNNING || auditor->jobs[id].state == ENDING;
    return count;
}

static void text_set(char *target, struct dk_text text)
{
    uint32_t size = text.size < TEXT_MAX - 1 ? text.size : TEXT_MAX - 1;

    if (size > 0)
        memcpy(target, text.data, size);
    target[size] = 0;
}

/* --- jobs --- */

/* A new id: one more than the last. */
static struct audit_job *job_new(struct auditor *auditor, int64_t id)
{
    if (id != auditor->job_last + 1) {
        auditor_complain(auditor, "job id %lld follows %lld", (long long)id,
                         (long long)auditor->job_last);
        return NULL;
    }
    if (id >= auditor->job_capacity) {
        int64_t capacity = auditor->job_capacity == 0 ? 256 : auditor->job_capacity * 2;

        auditor->jobs = realloc(auditor->jobs, (size_t)capacity * sizeof(*auditor->jobs));
        memset(&auditor->jobs[auditor->job_capacity], 0,
               (size_t)(capacity - auditor->job_capacity) * sizeof(*auditor->jobs));
        auditor->job_capacity = capacity;
    }
    auditor->job_last = id;
    auditor->jobs[id].state = PENDING;
    auditor->jobs[id].task = -1;
    auditor->jobs[id].planned = INT64_MAX;
    return &auditor->jobs[id];
}

static void job_submitted(struct auditor *auditor, const struct dk_event *event)
{
    const struct dk_job_spec *spec = &event->job_submitted.spec;
    struct audit_job *job = job_new(auditor, event->job_submitted.job);

    if (job == NULL)
        return;
    job->spec = *spec;
    text_set(job->partition, spec->partition);
    text_set(job->constraint, spec->constraint);
    text_set(job->name, spec->name);
    text_set(job->account, spec->account);
    text_set(job->user, event->meta.actor.user);
    for (uint32_t i = 0; i < spec->nodes_wanted_count && i < NAMED_MAX; i++)
        text_set(job->wanted[job->wanted_count++], spec->nodes_wanted[i]);
    for (uint32_t i = 0; i < spec->nodes_excluded_count && i < NAMED_MAX; i++)
        text_set(job->excluded[job->excluded_count++], spec->nodes_excluded[i]);
    for (uint32_t i = 0; i < spec->dependencies_count && i < DEPENDENCIES_MAX; i++)
        job->dependencies[i] = spec->dependencies[i];
    job->uid = event->meta.has_actor ? event->meta.actor.uid : -1;
    job->submit = event->meta.time;
    job->held = spec->hold;
    job->is_array = spec->has_array;
    for (uint32_t i = 0; spec->has_array && i < spec->array.ranges_count; i++)
        for (int32_t task = spec->array.ranges[i].first; task <= spec->array.ranges[i].last;
             task += spec->array.ranges[i].step) {
            job->tasks[task] = 1;
            job->waiting++;
        }
    auditor_limits_submitted(auditor, event->job_submitted.job);
}

/* A task of an array gets its own id as it starts: all else is the array's. */
static void task_new(struct auditor *auditor, const struct dk_job_placed *placed)
{
    struct audit_job *job = job_new(auditor, placed->job), *array;

    array = auditor_job(auditor, placed->array_job);
    if (job == NULL || array == NULL)
        return;
    if (!array->is_array || placed->task < 0 || placed->task >= TASKS_MAX ||
        array->tasks[placed->task] != 1) {
        auditor_complain(auditor, "task %d of array %lld does not wait", placed->task,
                         (long long)placed->array_job);
        return;
    }
    array->tasks[placed->task] = 2;
    array->waiting--;
    array->live++;
    if (array->spec.array.running_max > 0 && array->live > (uint32_t)array->spec.array.running_max)
        auditor_complain(auditor, "array %lld runs more tasks than it may",
                         (long long)placed->array_job);
    *job = *array;
    job->is_array = false;
    job->holdings = NULL;
    job->array_job = placed->array_job;
    job->task = placed->task;
    job->attempt = 0;
    job->start_first = 0;
}

static void array_settle(struct auditor *auditor, int64_t id)
{
    struct audit_job *array = &auditor->jobs[id];

    if (array->waiting > 0 || array->live > 0 || array->state == ENDED)
        return;
    array->state = ENDED;
    array->good = array->bad == 0;
}

static void job_ended(struct auditor *auditor, const struct dk_job_ended *event)
{
    struct audit_job *job = auditor_job(auditor, event->job);

    if (job == NULL)
        return;
    if (job->state == ENDED)
        auditor_complain(auditor, "job %lld ends twice", (long long)event->job);
    if (event->attempt != job->attempt)
        auditor_complain(auditor, "attempt %d of job %lld ends, not %d", event->attempt,
                         (long long)event->job, job->attempt);
    if (job->state == RUNNING || job->state == ENDING)
        auditor_give_back(auditor, event->job);
    if (job->is_array) { /* those that wait never will start */
        job->waiting = 0;
        job->bad++;
        array_settle(auditor, event->job);
        return;
    }
    job->state = ENDED;
    job->good = event->state == DK_END_STATE_COMPLETED && event->exit_code == 0;
    if (job->array_job != 0) {
        auditor->jobs[job->array_job].live--;
        auditor->jobs[job->array_job].bad += !job->good;
        array_settle(auditor, job->array_job);
    }
}

static void job_requeued(struct auditor *auditor, const struct dk_job_requeued *event)
{
    struct audit_job *job = auditor_job(auditor, event->job);

    if (job == NULL)
        return;
    if (job->state != RUNNING && job->state != ENDING)
        auditor_complain(auditor, "job %lld is requeued and does not run", (long long)event->job);
    if (job->hold_then && !event->hold)
        auditor_complain(auditor, "job %lld was to be held once requeued", (long long)event->job);
    auditor_give_back(auditor, event->job);
    job->state = PENDING;
    job->hold_then = false;
    job->held = job->held || event->hold;
}

static void job_end_requested(struct auditor *auditor, const struct dk_job_end_requested *event)
{
    struct audit_job *job = auditor_job(auditor, event->job);

    if (job == NULL)
        return;
    if ((job->state != RUNNING && job->state != ENDING) || job->attempt != event->attempt)
        auditor_complain(auditor, "attempt %d of job %lld is told to end and does not run",
                         event->attempt, (long long)event->job);
    job->state = ENDING;
    job->hold_then = job->hold_then || event->hold;
}

static void tasks_cancelled(struct auditor *auditor, const struct dk_array_tasks_cancelled *event)
{
    struct audit_job *job = auditor_job(auditor, event->job);

    for (uint32_t i = 0; job != NULL && i < event->tasks_count; i++)
        for (int32_t task = event->tasks[i].first; task <= event->tasks[i].last;
             task += event->tasks[i].step) {
            if (task >= TASKS_MAX || job->tasks[task] != 1) {
                auditor_complain(auditor, "task %d of array %lld is cancelled and does not wait",
                                 task, (long long)event->job);
                return;
            }
            job->tasks[task] = 2;
            job->waiting--;
            job->bad++;
        }
    if (job != NULL)
        array_settle(auditor, event->job);
}

static void job_updated(struct auditor *auditor, const struct dk_job_updated *event)
{
    struct audit_job *job = auditor_job(auditor, event->job);
    const struct dk_job_change *change = &event->change;

    if (job == NULL)
        return;
#define TAKE(field)                                                                                \
    if (change->has_##field)                                                                       \
    job->spec.field = change->field
    TAKE(nodes);
    TAKE(tasks);
    TAKE(cpus_per_task);
    TAKE(memory_mib_per_node);
    TAKE(memory_mib_per_cpu);
    TAKE(gpus_per_node);
    TAKE(limit_us);
    TAKE(begin);
    TAKE(nice);
#undef TAKE
    if (change->has_running_max)
        job->spec.array.running_max = change->running_max;
    if (change->has_partition)
        text_set(job->partition, change->partition);
    if (change->has_constraint)
        text_set(job->constraint, change->constraint);
    if (change->has_name)
        text_set(job->name, change->name);
    if (change->has_account)
        text_set(job->account, change->account);
}

static void job_held(struct auditor *auditor, int64_t id, bool held)
{
    struct audit_job *job = auditor_job(auditor, id);

    if (job != NULL)
        job->held = held;
}

/* A reservation moves to earlier times only; in worlds where nothing breaks it. */
static void jobs_planned(struct auditor *auditor, const struct dk_jobs_planned *event)
{
    for (uint32_t i = 0; i < event->plans_count; i++) {
        struct audit_job *job = auditor_job(auditor, event->plans[i].job);

        if (job == NULL)
            return;
        if (auditor->watch && event->plans[i].start > job->planned)
            auditor_complain(auditor, "the reservation of job %lld moves to a later time",
                             (long long)event->plans[i].job);
        job->planned = event->plans[i].start;
    }
}

static void job_placed(struct auditor *auditor, const struct dk_job_placed *placed)
{
    if (placed->array_job != 0 && placed->job > auditor->job_last)
        task_new(auditor, placed);
    if (auditor_fault(auditor) == NULL)
        auditor_placed(auditor, placed);
}

/* --- nodes and partitions --- */

static struct audit_node *node_find(struct auditor *auditor, struct dk_text name)
{
    for (uint32_t i = 0; i < auditor->node_count; i++)
        if (strlen(auditor->nodes[i].name) == name.size &&
            memcmp(auditor->nodes[i].name, name.data, name.size) == 0)
            return &auditor->nodes[i];
    return NULL;
}

static void node_registered(struct auditor *auditor, const struct dk_node_registered *event)
{
    struct audit_node *node = node_find(auditor, event->spec.name);
    bool is_new = node == NULL;

    if (node == NULL) {
        if (event->number != (int32_t)auditor->node_count)
            auditor_complain(auditor, "node number %d follows %u", event->number,
                             auditor->node_count);
        if (auditor->node_count == NODES_MAX || event->core_first + event->spec.cores > CORES_MAX) {
            auditor_complain(auditor, "the auditor's books have room for %d nodes and %d cores",
                             NODES_MAX, CORES_MAX);
            return;
        }
        node = &auditor->nodes[auditor->node_count++];
    } else if (node->cores_used > 0 &&
               (node->cores != event->spec.cores || node->core_first != event->core_first ||
                node->memory != event->spec.memory_mib)) {
        auditor_complain(auditor, "node %s changes under a job", node->name);
    }
    text_set(node->name, event->spec.name);
    memset(node->features, 0, sizeof(node->features));
    for (uint32_t i = 0; i < event->spec.features_count && i < 4; i++)
        text_set(node->features[i], event->spec.features[i]);
    node->cores = event->spec.cores;
    node->memory = event->spec.memory_mib;
    node->gpus = event->spec.gpus;
    node->core_first = event->core_first;
    node->gpu_first = event->gpu_first;
    auditor_registered(auditor, node, is_new);
}

static void node_condition_set(struct auditor *auditor, const struct dk_event *event)
{
    struct audit_node *node = node_find(auditor, event->node_condition_set.node);

    if (node == NULL)
        auditor_complain(auditor, "a node that is not known gets a condition");
    else if (event->meta.cause == 0 && !event->meta.has_actor)
        auditor_lost(auditor, node);
    else
        node->condition = event->node_condition_set.condition;
}

static void partition_configured(struct auditor *auditor, const struct dk_partition_spec *spec)
{
    struct audit_partition *partition = NULL;
    char name[TEXT_MAX];

    text_set(name, spec->name);
    for (uint32_t i = 0; i < auditor->partition_count; i++)
        if (strcmp(auditor->partitions[i].name, name) == 0)
            partition = &auditor->partitions[i];
    if (partition == NULL)
        partition = &auditor->partitions[auditor->partition_count++];
    memset(partition, 0, sizeof(*partition));
    text_set(partition->name, spec->name);
    partition->all_nodes = spec->all_nodes;
    partition->state = spec->state;
    for (uint32_t i = 0; i < spec->nodes_count; i++)
        text_set(partition->nodes[partition->node_count++], spec->nodes[i]);
}

static void configuration_applied(struct auditor *auditor, const struct dk_cluster_config *config)
{
    for (uint32_t i = 0; i < config->partitions_count; i++)
        partition_configured(auditor, &config->partitions[i]);
    auditor_configured(auditor, config);
    auditor->beat_timeout = config->policy.beat_timeout_us;
}

/* Who still has something to run needs its script. */
static void secrets_erased(struct auditor *auditor, int32_t uid)
{
    for (int64_t id = 1; id <= auditor->job_last; id++) {
        const struct audit_job *job = &auditor->jobs[id];

        if (job->uid == uid &&
            (job->state == PENDING || job->state == RUNNING || job->state == ENDING ||
             (job->is_array && (job->waiting > 0 || job->live > 0))))
            auditor_complain(auditor, "the secrets of user %d are erased, who has job %lld", uid,
                             (long long)id);
    }
}

/* --- in order --- */

static void batch_closed(struct auditor *auditor, const struct dk_batch_closed *event)
{
    if (event->events != auditor->batch_events)
        auditor_complain(auditor, "a batch of %lld events says %d",
                         (long long)auditor->batch_events, event->events);
    auditor->batch_events = 0;
    auditor_silence_closed(auditor);
    if (auditor->watch)
        auditor_order_closed(auditor);
}

static void event_take(struct auditor *auditor, const struct dk_event *event)
{
    switch (event->type) { /* NOLINT: the default is meant */
    case DK_EVENT_JOB_SUBMITTED:
        job_submitted(auditor, event);
        break;
    case DK_EVENT_JOB_UPDATED:
        job_updated(auditor, &event->job_updated);
        break;
    case DK_EVENT_JOB_HELD:
    case DK_EVENT_JOB_RELEASED:
        job_held(auditor, event->job_held.job, event->type == DK_EVENT_JOB_HELD);
        break;
    case DK_EVENT_JOB_PLACED:
        job_placed(auditor, &event->job_placed);
        break;
    case DK_EVENT_JOB_END_REQUESTED:
        job_end_requested(auditor, &event->job_end_requested);
        break;
    case DK_EVENT_JOB_ENDED:
        job_ended(auditor, &event->job_ended);
        break;
    case DK_EVENT_JOB_REQUEUED:
        job_requeued(auditor, &event->job_requeued);
        break;
    case DK_EVENT_ARRAY_TASKS_CANCELLED:
        tasks_cancelled(auditor, &event->array_tasks_cancelled);
        break;
    case DK_EVENT_NODE_REGISTERED:
        node_registered(auditor, &event->node_registered);
        break;
    case DK_EVENT_NODE_CONDITION_SET:
        node_condition_set(auditor, event);
        break;
    case DK_EVENT_PARTITION_CONFIGURED:
        partition_configured(auditor, &event->partition_configured.spec);
        break;
    case DK_EVENT_CONFIGURATION_APPLIED:
        configuration_applied(auditor, &event->configuration_applied.config);
        break;
    case DK_EVENT_POLICY_CONFIGURED:
        auditor->beat_timeout = event->policy_configured.spec.beat_timeout_us;
        break;
    case DK_EVENT_NODES_BEAT:
        auditor_beat(auditor, &event->nodes_beat);
        break;
    case DK_EVENT_CONTROLLER_STARTED:
        auditor_all_heard(auditor);
        break;
    case DK_EVENT_BATCH_CLOSED:
        batch_closed(auditor, &event->batch_closed);
        break;
    case DK_EVENT_SECRETS_ERASED:
        secrets_erased(auditor, event->secrets_erased.uid);
        break;
    case DK_EVENT_JOBS_PLANNED:
        jobs_planned(auditor, &event->jobs_planned);
        break;
    case DK_EVENT_STEP_STARTED:
    case DK_EVENT_STEP_ENDED:
    case DK_EVENT_PARTITION_REMOVED:
    case DK_EVENT_LOGIC_ACTIVATED:
    case DK_EVENT_CLOCK_ADVANCED:
    case DK_EVENT_CONTROLLER_STOPPED:
    case DK_EVENT_REQUEST_REJECTED:
    case DK_EVENT_SKIPPED:
    case DK_EVENT_JOB_SIGNALLED:
    case DK_EVENT_TYPE_COUNT:
        break;
    }
}

void auditor_event(struct auditor *auditor, const struct dk_event *event)
{
    if (auditor_fault(auditor) != NULL)
        return;
    if (event->meta.seq != auditor->seq + 1)
        auditor_complain(auditor, "followed by seq %lld", (long long)event->meta.seq);
    if (event->meta.time < auditor->time)
        auditor_complain(auditor, "time runs backwards");
    auditor->seq = event->meta.seq;
    auditor->time = event->meta.time;
    auditor->batch_events += event->type != DK_EVENT_BATCH_CLOSED;
    event_take(auditor, event);
}
