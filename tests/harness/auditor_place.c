/* auditor_place.c - is this placement allowed, and is it what the job asked for? */
#include "auditor_state.h"

/* --- may it start at all? --- */

static bool text_is(const char *text, const char *part, size_t size)
{
    return strlen(text) == size && memcmp(text, part, size) == 0;
}

/* Features joined by &, alternatives by |. */
static bool features_match(const struct audit_node *node, const char *constraint)
{
    bool all = true;

    if (constraint[0] == 0)
        return true;
    for (const char *at = constraint;; at++) {
        size_t size = strcspn(at, "&|");
        bool has = false;

        for (int i = 0; i < 4; i++)
            has = has || text_is(node->features[i], at, size);
        all = all && has;
        at += size;
        if (*at != '&' && all)
            return true;
        if (*at == '|')
            all = true;
        if (*at == 0)
            return false;
    }
}

static bool partition_has(const struct audit_partition *partition, const struct audit_node *node)
{
    for (uint32_t i = 0; i < partition->node_count; i++)
        if (strcmp(partition->nodes[i], node->name) == 0)
            return true;
    return partition->all_nodes;
}

/* 1 satisfied, 0 not yet, -1 never */
static int dependency_state(struct auditor *auditor, int64_t id, const struct dk_dependency *wanted)
{
    const struct audit_job *job = &auditor->jobs[id], *target;

    if (wanted->kind == DK_DEPENDENCY_KIND_SINGLETON) {
        for (int64_t other = 1; other < id; other++)
            if (auditor->jobs[other].state != ENDED && auditor->jobs[other].uid == job->uid &&
                strcmp(auditor->jobs[other].name, job->name) == 0)
                return 0;
        return 1;
    }
    target = &auditor->jobs[wanted->job];
    if (wanted->kind == DK_DEPENDENCY_KIND_AFTER)
        return target->state == ENDED ||
               (target->start_first > 0 && target->start_first + wanted->delay_us <= auditor->time);
    if (target->state != ENDED)
        return 0;
    if (wanted->kind == DK_DEPENDENCY_KIND_AFTER_OK)
        return target->good ? 1 : -1;
    if (wanted->kind == DK_DEPENDENCY_KIND_AFTER_NOT_OK)
        return target->good ? -1 : 1;
    return 1;
}

static void check_dependencies(struct auditor *auditor, int64_t id)
{
    const struct audit_job *job = &auditor->jobs[id];
    uint32_t satisfied = 0, count = job->spec.dependencies_count;

    for (uint32_t i = 0; i < count; i++)
        satisfied += dependency_state(auditor, id, &job->dependencies[i]) == 1;
    if (count > 0 && (job->spec.dependency_any ? satisfied == 0 : satisfied < count))
        auditor_complain(auditor, "job %lld starts with %u of %u dependencies satisfied",
                         (long long)id, satisfied, count);
}

static void check_eligible(struct auditor *auditor, const struct dk_job_placed *placed)
{
    const struct audit_job *job = &auditor->jobs[placed->job];
    int64_t waits = job->attempt == 0 && job->array_job != 0 ? job->array_job : placed->job;

    if (job->state != PENDING)
        auditor_complain(auditor, "job %lld starts and is not pending", (long long)placed->job);
    if (placed->attempt != job->attempt + 1)
        auditor_complain(auditor, "attempt %d of job %lld follows %d", placed->attempt,
                         (long long)placed->job, job->attempt);
    if (auditor->jobs[waits].held)
        auditor_complain(auditor, "job %lld starts and is held", (long long)placed->job);
    if (job->spec.begin > auditor->time)
        auditor_complain(auditor, "job %lld starts before its begin time", (long long)placed->job);
    if (job->attempt == 0)
        check_dependencies(auditor, waits);
}

/* --- what it gets --- */

static struct audit_node *node_of(struct auditor *auditor, int64_t number, bool gpu,
                                  uint32_t *index)
{
    for (uint32_t i = 0; i < auditor->node_count; i++) {
        struct audit_node *node = &auditor->nodes[i];
        int64_t first = gpu ? node->gpu_first : node->core_first;

        if (number >= first && number < first + (gpu ? node->gpus : node->cores)) {
            *index = i;
            return node;
        }
    }
    return NULL;
}

static void take(struct auditor *auditor, const struct dk_job_placed *placed, bool gpu)
{
    const struct dk_span *spans = gpu ? placed->gpus : placed->cores;
    uint32_t count = gpu ? placed->gpus_count : placed->cores_count, index = 0;
    int64_t *owners = gpu ? auditor->gpu_owner : auditor->core_owner, number = 0;
    const char *what = gpu ? "GPU" : "core";

    for (uint32_t i = 0; i < count; i++) {
        number += spans[i].gap;
        if (spans[i].count < 1 || spans[i].gap < (i > 0))
            auditor_complain(auditor, "job %lld has spans that are not ascending and apart",
                             (long long)placed->job);
        for (int64_t limit = number + spans[i].count; number < limit; number++) {
            if (number < 0 || number >= (gpu ? GPUS_MAX : CORES_MAX) ||
                node_of(auditor, number, gpu, &index) == NULL) {
                auditor_complain(auditor, "%s %lld is on no node", what, (long long)number);
                return;
            }
            if (owners[number] != 0)
                auditor_complain(auditor, "%s %lld is given to job %lld and held by %lld", what,
                                 (long long)number, (long long)placed->job,
                                 (long long)owners[number]);
            owners[number] = placed->job;
            if (gpu)
                auditor->jobs[placed->job].holdings[index].gpus++;
            else
                auditor->jobs[placed->job].holdings[index].cores++;
        }
    }
}

/* One node of a placement: allowed, and as asked. Returns its tasks. */
static int64_t check_node(struct auditor *auditor, int64_t id, uint32_t index)
{
    struct audit_job *job = &auditor->jobs[id];
    struct audit_node *node = &auditor->nodes[index];
    struct holding *holding = &job->holdings[index];
    const struct dk_job_spec *spec = &job->spec;
    int64_t tasks = holding->cores / spec->cpus_per_task, gpus;
    struct audit_partition *partition = NULL;

    for (uint32_t i = 0; i < auditor->partition_count; i++)
        if (strcmp(auditor->partitions[i].name, job->partition) == 0)
            partition = &auditor->partitions[i];
    if (node->condition != DK_NODE_CONDITION_UP || node->lost)
        auditor_complain(auditor, "job %lld is put on node %s, which is not up", (long long)id,
                         node->name);
    if (partition == NULL || !partition_has(partition, node) ||
        (partition->state != DK_PARTITION_STATE_UP &&
         partition->state != DK_PARTITION_STATE_DRAINED))
        auditor_complain(auditor, "job %lld may not use node %s in partition '%s'", (long long)id,
                         node->name, job->partition);
    if (!features_match(node, job->constraint))
        auditor_complain(auditor, "node %s has not the features '%s' of job %lld", node->name,
                         job->constraint, (long long)id);
    if (spec->exclusive) {
        holding->memory = node->memory;
        if (holding->cores != node->cores || holding->gpus != node->gpus || node->cores_used > 0)
            auditor_complain(auditor, "job %lld does not have node %s for itself", (long long)id,
                             node->name);
        if (spec->tasks_per_node > 0 && tasks > spec->tasks_per_node)
            tasks = spec->tasks_per_node;
    } else {
        holding->memory = spec->memory_mib_per_node + spec->memory_mib_per_cpu * holding->cores;
        gpus = spec->gpus_per_node + spec->gpus_per_task * tasks;
        if (holding->cores % spec->cpus_per_task != 0 || holding->gpus != gpus ||
            (spec->tasks_per_node > 0 && tasks > spec->tasks_per_node))
            auditor_complain(auditor, "job %lld has %lld cores and %lld GPUs on node %s",
                             (long long)id, (long long)holding->cores, (long long)holding->gpus,
                             node->name);
    }
    node->cores_used += holding->cores;
    node->gpus_used += holding->gpus;
    node->memory_used += holding->memory;
    if (node->cores_used > node->cores || node->gpus_used > node->gpus ||
        node->memory_used > node->memory)
        auditor_complain(
            auditor,
            "node %s: job %lld makes %lld of %lld cores, %lld of %lld GPUs, %lld of %lld MiB",
            node->name, (long long)id, (long long)node->cores_used, (long long)node->cores,
            (long long)node->gpus_used, (long long)node->gpus, (long long)node->memory_used,
            (long long)node->memory);
    return tasks;
}

static bool has_node(const struct auditor *auditor, const struct audit_job *job, const char *name)
{
    for (uint32_t i = 0; i < auditor->node_count; i++)
        if (strcmp(auditor->nodes[i].name, name) == 0)
            return job->holdings[i].cores > 0;
    return false;
}

static void check_named(struct auditor *auditor, int64_t id)
{
    const struct audit_job *job = &auditor->jobs[id];

    for (uint32_t i = 0; i < job->wanted_count; i++)
        if (!has_node(auditor, job, job->wanted[i]))
            auditor_complain(auditor, "job %lld must have node %s and has not", (long long)id,
                             job->wanted[i]);
    for (uint32_t i = 0; i < job->excluded_count; i++)
        if (has_node(auditor, job, job->excluded[i]))
            auditor_complain(auditor, "job %lld must not have node %s and has", (long long)id,
                             job->excluded[i]);
}

static void check_demand(struct auditor *auditor, int64_t id)
{
    const struct audit_job *job = &auditor->jobs[id];
    const struct dk_job_spec *spec = &job->spec;
    int64_t tasks = 0, nodes = 0, share = spec->nodes > 0 ? spec->tasks / spec->nodes : 0;

    for (uint32_t i = 0; i < auditor->node_count; i++) {
        int64_t here;

        if (job->holdings[i].cores == 0 && job->holdings[i].gpus == 0)
            continue;
        here = check_node(auditor, id, i);
        tasks += here;
        nodes++;
        if (spec->nodes > 0 && (here < share || (!spec->exclusive && here > share + 1)))
            auditor_complain(auditor, "job %lld: %lld tasks on a node, not %lld or one more",
                             (long long)id, (long long)here, (long long)share);
    }
    if ((spec->nodes > 0 && nodes != spec->nodes) || nodes == 0)
        auditor_complain(auditor, "job %lld asked for %d nodes and has %lld", (long long)id,
                         spec->nodes, (long long)nodes);
    if (spec->exclusive ? tasks < spec->tasks : tasks != spec->tasks)
        auditor_complain(auditor, "job %lld asked for %d tasks and has room for %lld",
                         (long long)id, spec->tasks, (long long)tasks);
}

void auditor_placed(struct auditor *auditor, const struct dk_job_placed *placed)
{
    struct audit_job *job = auditor_job(auditor, placed->job);

    if (job == NULL)
        return;
    check_eligible(auditor, placed);
    if (auditor->watch)
        auditor_order_placed(auditor, placed->job);
    free(job->holdings);
    job->holdings = calloc(NODES_MAX, sizeof(*job->holdings));
    take(auditor, placed, false);
    take(auditor, placed, true);
    check_demand(auditor, placed->job);
    check_named(auditor, placed->job);
    job->state = RUNNING;
    job->attempt = placed->attempt;
    job->start = auditor->time;
    auditor_limits_placed(auditor, placed->job);
    if (job->start_first == 0)
        job->start_first = auditor->time;
    if (job->array_job != 0 && auditor->jobs[job->array_job].start_first == 0)
        auditor->jobs[job->array_job].start_first = auditor->time;
}

void auditor_give_back(struct auditor *auditor, int64_t id)
{
    struct audit_job *job = &auditor->jobs[id];

    for (int i = 0; i < GPUS_MAX; i++)
        if (auditor->gpu_owner[i] == id)
            auditor->gpu_owner[i] = 0;
    for (uint32_t i = 0; i < auditor->node_count; i++) {
        const struct audit_node *node = &auditor->nodes[i];

        for (int64_t k = 0; job->holdings[i].cores > 0 && k < node->cores; k++)
            if (auditor->core_owner[node->core_first + k] == id)
                auditor->core_owner[node->core_first + k] = 0;
        auditor->nodes[i].cores_used -= job->holdings[i].cores;
        auditor->nodes[i].gpus_used -= job->holdings[i].gpus;
        auditor->nodes[i].memory_used -= job->holdings[i].memory;
    }
    free(job->holdings);
    job->holdings = NULL;
}

/* --- the order of the queue, for worlds of single cores --- */

static bool before(const struct auditor *auditor, int64_t a, int64_t b)
{
    const struct audit_job *first = &auditor->jobs[a], *second = &auditor->jobs[b];
    int64_t key_a = first->submit, key_b = second->submit;

    if (auditor->policy == DK_POLICY_SJF) {
        key_a = first->spec.limit_us;
        key_b = second->spec.limit_us;
    }
    return key_a != key_b ? key_a < key_b : a < b;
}

static int64_t head_of(const struct auditor *auditor)
{
    int64_t head = 0;

    for (int64_t id = 1; id <= auditor->job_last; id++)
        if (auditor->jobs[id].state == PENDING && (head == 0 || before(auditor, id, head)))
            head = id;
    return head;
}

static int64_t cores_of(const struct auditor *auditor, bool all)
{
    int64_t cores = 0;

    for (uint32_t i = 0; i < auditor->node_count; i++)
        cores += auditor->nodes[i].cores - (all ? 0 : auditor->nodes[i].cores_used);
    return cores;
}

void auditor_order_placed(struct auditor *auditor, int64_t id)
{
    if (auditor->backfill == DK_BACKFILL_NONE && head_of(auditor) != id)
        auditor_complain(auditor, "job %lld starts ahead of job %lld without backfill",
                         (long long)id, (long long)head_of(auditor));
    if (auditor->backfill == DK_BACKFILL_CONSERVATIVE_KEEP) {
        if (auditor->time > auditor->jobs[id].planned)
            auditor_complain(auditor, "job %lld starts after its reservation", (long long)id);
        return;
    }
    if (id != auditor->promised && auditor->promised != 0 && before(auditor, id, auditor->promised))
        auditor->promised = 0; /* somebody came who goes first by right */
    if (id == auditor->promised && auditor->time > auditor->promise)
        auditor_complain(auditor, "job %lld starts %lld us after the start it was promised",
                         (long long)id, (long long)(auditor->time - auditor->promise));
}

/* When so many cores are free at the latest: the limits of those that run, in order. */
static int64_t shadow_of(const struct auditor *auditor, int64_t wanted)
{
    int64_t shadow = INT64_MAX;

    for (int64_t id = 1; id <= auditor->job_last; id++) {
        const struct audit_job *job = &auditor->jobs[id];
        int64_t end = job->start + job->spec.limit_us, free = cores_of(auditor, false);

        if (job->state != RUNNING && job->state != ENDING)
            continue;
        for (int64_t other = 1; other <= auditor->job_last; other++)
            if ((auditor->jobs[other].state == RUNNING || auditor->jobs[other].state == ENDING) &&
                auditor->jobs[other].start + auditor->jobs[other].spec.limit_us <= end)
                free += auditor->jobs[other].spec.tasks;
        if (free >= wanted && end < shadow)
            shadow = end;
    }
    return shadow;
}

/* After each pass: a head that fits was started; one that does not has a promise, which never gets
 * worse. */
void auditor_order_closed(struct auditor *auditor)
{
    int64_t head = head_of(auditor), shadow;

    if (head == 0 || auditor->backfill == DK_BACKFILL_CONSERVATIVE_KEEP)
        return; /* keep: the reservations of those behind the head are kept too */
    if (auditor->jobs[head].spec.tasks <= cores_of(auditor, false))
        auditor_complain(auditor, "job %lld is first, fits, and was not started", (long long)head);
    if (auditor->backfill == DK_BACKFILL_NONE)
        return;
    shadow = shadow_of(auditor, auditor->jobs[head].spec.tasks);
    if (head != auditor->promised) {
        auditor->promised = head;
        auditor->promise = shadow;
    }
    if (shadow > auditor->promise)
        auditor_complain(auditor, "job %lld was promised a start %lld us earlier", (long long)head,
                         (long long)(shadow - auditor->promise));
}
