/* apply.c - the fold: one function an event, and the only place where a core changes
 *
 * Start reading here: what docket knows is what these functions do. Each takes a fact as given.
 * A fact that does not fit the state is our own bug (DK_CHECK): dk_core_check (check.c) is for
 * those who read a log that somebody else wrote.
 */
#include "sched/state.h"

#include <string.h>

static uint32_t slot_of(const struct dk_core *core, int64_t job)
{
    uint32_t slot = dk_job_slot(core, job);

    DK_CHECK(slot != DK_SLOT_NONE);
    return slot;
}

/* --- submission --- */

static uint64_t key_hash(int32_t uid, struct dk_bytes key)
{
    uint8_t bytes[24];

    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, key.data, key.size);
    memcpy(bytes + 16, &uid, sizeof(uid));
    bytes[20] = (uint8_t)key.size;
    return dk_hash(DK_HASH_KEY, bytes, sizeof(bytes)) | 1;
}

int64_t dk_core_duplicate(const struct dk_core *core, int32_t uid, struct dk_bytes key)
{
    const struct dk_key_entry *entry;
    uint32_t index;

    if (key.size == 0 || key.size > 16)
        return 0;
    index = dk_table_find(&core->keys_by_hash, key_hash(uid, key));
    if (index == DK_TABLE_NONE)
        return 0;
    entry = &core->keys[index];
    if (entry->uid != uid || entry->key_size != key.size ||
        memcmp(entry->key, key.data, key.size) != 0)
        return 0;
    return entry->job;
}

void dk_key_record(struct dk_core *core, int32_t uid, struct dk_bytes key, int64_t job)
{
    uint32_t index = (uint32_t)(core->key_count % DK_KEYS_MAX);
    struct dk_key_entry *entry;

    core->keys =
        dk_grow(core->alloc, core->keys, &core->key_capacity, index + 1, sizeof(*core->keys));
    entry = &core->keys[index];
    if (core->key_count >= DK_KEYS_MAX) {
        struct dk_bytes old = { entry->key, entry->key_size };
        uint64_t hash = key_hash(entry->uid, old);

        if (dk_table_find(&core->keys_by_hash, hash) == index)
            dk_table_remove(&core->keys_by_hash, hash);
        if (core->options.digest)
            core->digest -= dk_digest_key(entry);
    }
    memset(entry, 0, sizeof(*entry));
    memcpy(entry->key, key.data, key.size);
    entry->key_size = key.size;
    entry->uid = uid;
    entry->job = job;
    dk_table_put(&core->keys_by_hash, key_hash(uid, key), index);
    if (core->options.digest)
        core->digest += dk_digest_key(entry);
    core->key_count++;
}

/* As record, for a snapshot that is being read: the digest is built when all of it is. */
void dk_key_restore(struct dk_core *core, int32_t uid, struct dk_bytes key, int64_t job)
{
    bool digest = core->options.digest;

    core->options.digest = false;
    dk_key_record(core, uid, key, job);
    core->options.digest = digest;
}

static struct dk_array *array_new(struct dk_core *core, const struct dk_array_spec *spec)
{
    struct dk_array *array = dk_alloc_new(core->alloc, sizeof(*array));

    memset(array, 0, sizeof(*array));
    array->ranges = dk_grow(core->alloc, NULL, &array->range_capacity, spec->ranges_count,
                            sizeof(*array->ranges));
    memcpy(array->ranges, spec->ranges, spec->ranges_count * sizeof(*array->ranges));
    array->range_count = spec->ranges_count;
    array->task_first = array->task_last = DK_SLOT_NONE;
    array->running_max = (uint32_t)spec->running_max;
    for (uint32_t i = 0; i < spec->ranges_count; i++)
        array->waiting +=
            (uint32_t)((spec->ranges[i].last - spec->ranges[i].first) / spec->ranges[i].step) + 1;
    core->arrays++;
    core->tasks_waiting += array->waiting;
    return array;
}

static void demand_set(struct dk_core *core, struct dk_job *job, struct dk_demand *demand,
                       struct dk_text constraint, struct dk_text named)
{
    demand->partition = job->partition;
    demand->constraint = dk_intern_hold(&core->texts, constraint);
    demand->named = dk_intern_hold(&core->texts, named);
    job->demand = dk_demand_hold(core, demand);
    dk_intern_drop(&core->texts, demand->constraint);
    dk_intern_drop(&core->texts, demand->named);
}

static void flags_set(struct dk_job *job, const struct dk_job_spec *spec)
{
    if (spec->requeue)
        job->flags |= DK_FLAG_REQUEUE;
    if (spec->kill_on_invalid_dependency)
        job->flags |= DK_FLAG_KILL_INVALID;
    if (spec->dependency_any)
        job->flags |= DK_FLAG_DEPENDENCY_ANY;
    if (spec->hold)
        job->wait |= DK_WAIT_HELD_USER;
    for (uint32_t i = 0; i < spec->dependencies_count; i++)
        if (spec->dependencies[i].kind == DK_DEPENDENCY_KIND_SINGLETON)
            job->flags |= DK_FLAG_SINGLETON;
}

static void job_submitted(struct dk_core *core, const struct dk_meta *meta,
                          const struct dk_job_submitted *event)
{
    const struct dk_job_spec *spec = &event->spec;
    uint32_t slot = dk_job_new(core, event->job);
    struct dk_job *job = dk_job_at(core, slot);
    struct dk_demand demand;
    struct dk_arena arena;

    DK_CHECK(event->job == core->job_next);
    core->job_next = event->job + 1;
    core->jobs_pending++;
    job->submit = meta->time;
    job->limit_us = spec->limit_us;
    job->nice = spec->nice;
    job->uid = meta->has_actor ? meta->actor.uid : -1;
    job->gid = meta->has_actor ? meta->actor.gid : -1;
    job->partition = dk_partition_find(core, spec->partition);
    DK_CHECK(job->partition != DK_SLOT_NONE);
    core->partitions[job->partition].jobs++;
    job->name = dk_intern_hold(&core->texts, spec->name);
    job->account = dk_intern_hold(&core->texts, spec->account);
    if (meta->has_actor)
        job->user = dk_intern_hold(&core->texts, meta->actor.user);
    flags_set(job, spec);
    dk_demand_from_spec(&demand, spec);
    dk_arena_init(&arena, core->alloc);
    demand_set(core, job, &demand, spec->constraint, dk_named_text(&arena, spec));
    dk_arena_release(&arena);
    if (spec->has_array)
        job->array = array_new(core, &spec->array);
    if (core->limits.any)
        dk_limits_join(core, job);
    if (spec->begin > meta->time) {
        job->begin = spec->begin;
        job->wait |= DK_WAIT_BEGIN;
        dk_begin_push(core, spec->begin, event->job);
    }
    for (uint32_t i = 0; i < spec->dependencies_count; i++)
        dk_depend_add(core, slot, &spec->dependencies[i]);
    dk_name_link(core, slot);
    if (event->key.size > 0)
        dk_key_record(core, job->uid, event->key, event->job);
    if (spec->dependencies_count > 0)
        dk_depend_settle(core, slot);
    if ((job->wait & DK_WAIT_NEVER) && (job->flags & DK_FLAG_KILL_INVALID))
        dk_doomed_push(core, event->job);
    dk_queue_settle(core, slot);
    dk_digest_job(core, job);
}

/* --- starting --- */

/* Takes one index out of the tasks that wait; it must be there. */
static void array_take(struct dk_core *core, const struct dk_job *job, int32_t index)
{
    struct dk_array *array = job->array;
    struct dk_index_range *range;
    uint32_t i = 0, limit = array->range_count;

    while (i < limit) { /* the first that does not end before it */
        uint32_t middle = i + (limit - i) / 2;

        if (array->ranges[middle].last < index)
            i = middle + 1;
        else
            limit = middle;
    }
    DK_CHECK(i < array->range_count);
    range = &array->ranges[i];
    DK_CHECK(index >= range->first && (index - range->first) % range->step == 0);
    array->waiting--;
    core->tasks_waiting--;
    if (core->limits.any)
        dk_limits_active(core, job->group, -1);
    if (range->first == index && range->last - index < range->step) {
        memmove(range, range + 1, (array->range_count - i - 1) * sizeof(*range));
        array->range_count--;
    } else if (range->first == index) {
        range->first += range->step;
    } else if (range->last - index < range->step) {
        range->last = index - range->step;
    } else {
        array->ranges = dk_grow(core->alloc, array->ranges, &array->range_capacity,
                                array->range_count + 1, sizeof(*range));
        range = &array->ranges[i];
        memmove(range + 1, range, (array->range_count - i) * sizeof(*range));
        array->range_count++;
        range[0].last = index - range[0].step;
        range[1].first = index + range[1].step;
    }
}

/* A task of an array becomes a job of its own as it starts. */
static uint32_t task_new(struct dk_core *core, const struct dk_job_placed *event)
{
    uint32_t master_slot = slot_of(core, event->array_job);
    struct dk_job *master = dk_job_at(core, master_slot), *job;
    uint32_t slot;

    DK_CHECK(master->array != NULL && event->job == core->job_next);
    core->job_next = event->job + 1;
    array_take(core, master, event->task);
    if (master->array->live++ == 0 && master->start == 0)
        master->start = core->time;
    slot = dk_job_new(core, event->job);
    job = dk_job_at(core, slot);
    job->submit = master->submit;
    job->eligible = master->eligible;
    job->limit_us = master->limit_us;
    job->key = master->key;
    job->nice = master->nice;
    job->uid = master->uid;
    job->gid = master->gid;
    job->partition = master->partition;
    core->partitions[job->partition].jobs++;
    job->name = dk_intern_hold(&core->texts, dk_intern_text(&core->texts, master->name));
    job->account = dk_intern_hold(&core->texts, dk_intern_text(&core->texts, master->account));
    job->user = dk_intern_hold(&core->texts, dk_intern_text(&core->texts, master->user));
    job->demand = master->demand;
    core->demands[job->demand].holders++;
    job->flags = master->flags & DK_FLAG_REQUEUE;
    job->array_job = event->array_job;
    job->task = event->task;
    if (core->limits.any)
        dk_limits_join(core, job);
    dk_task_link(core, slot);
    dk_name_link(core, slot);
    dk_queue_settle(core, master_slot);
    dk_depend_started(core, master_slot);
    dk_digest_job(core, master);
    return slot;
}

static void limits_running(struct dk_core *core, const struct dk_job *job, int sign)
{
    struct dk_amounts amounts = dk_job_amounts(core, job);

    dk_limits_running(core, job->group, &amounts, sign);
}

/* Who waited for a limit may be in any domain. */
static void limits_eased(struct dk_core *core)
{
    core->version++;
    for (uint32_t i = 0; i < core->domain_count; i++) {
        dk_pass_due(core, &core->domains[i]);
        core->domains[i].freed = true;
        core->domains[i].freed_late = core->deciding;
    }
}

static void job_placed(struct dk_core *core, const struct dk_meta *meta,
                       const struct dk_job_placed *event)
{
    bool is_task = event->array_job != 0 && dk_job_slot(core, event->job) == DK_SLOT_NONE;
    uint32_t slot = is_task ? task_new(core, event) : slot_of(core, event->job);
    struct dk_job *job = dk_job_at(core, slot);

    DK_CHECK(job->state == DK_JOB_PENDING && event->attempt == (int32_t)job->attempt + 1);
    if (!is_task) {
        dk_queue_remove(core, slot);
        core->jobs_pending--;
    }
    core->jobs_running++;
    job->state = DK_JOB_RUNNING;
    job->attempt = (uint32_t)event->attempt;
    job->start = meta->time;
    job->planned = INT64_MAX;
    dk_depend_drop(core, slot); /* satisfied once is satisfied, also after a requeue */
    dk_ranges_copy(core, &job->cores, event->cores, event->cores_count);
    dk_ranges_copy(core, &job->gpus, event->gpus, event->gpus_count);
    dk_machine_take(core, dk_demand_of(core, job), &job->cores, &job->gpus);
    if (core->limits.any)
        limits_running(core, job, +1);
    dk_running_add(core, slot);
    core->version += is_task; /* else leaving the queue counted */
    dk_depend_started(core, slot);
    dk_digest_job(core, job);
}

static void jobs_planned(struct dk_core *core, const struct dk_jobs_planned *event)
{
    for (uint32_t i = 0; i < event->plans_count; i++) {
        struct dk_job *job = dk_job_at(core, slot_of(core, event->plans[i].job));

        job->planned = event->plans[i].start;
        dk_digest_job(core, job);
    }
}

/* --- ending --- */

static void resources_back(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);

    dk_domains_ensure(core);
    dk_running_remove(core, slot);
    if (core->limits.any) {
        limits_running(core, job, -1);
        limits_eased(core);
    }
    dk_machine_give(core, dk_demand_of(core, job), &job->cores, &job->gpus);
    job->cores.count = job->gpus.count = 0; /* their memory stays with the slot */
    core->jobs_running--;
    core->version++;
    dk_pass_due(core, dk_job_domain(core, job));
    dk_job_domain(core, job)->freed = true;
    dk_job_domain(core, job)->freed_late = core->deciding;
}

static void job_forget(struct dk_core *core, uint32_t slot, bool good)
{
    struct dk_job *job = dk_job_at(core, slot);

    dk_queue_remove(core, slot);
    if (job->state == DK_JOB_PENDING)
        core->jobs_pending--;
    job->state = DK_JOB_ENDED;
    dk_name_unlink(core, slot);
    if (job->array_job != 0)
        dk_task_unlink(core, slot);
    dk_outcome_record(core, job->id, good);
    dk_depend_ended(core, slot, good);
    dk_job_drop(core, slot);
}

/* An array has ended when none of its tasks waits or lives. */
static void array_settle(struct dk_core *core, uint32_t slot)
{
    struct dk_job *job = dk_job_at(core, slot);

    if (job->array->waiting == 0 && job->array->live == 0) {
        job_forget(core, slot, job->array->ended_badly == 0);
        return;
    }
    dk_queue_settle(core, slot);
    dk_digest_job(core, job);
}

static void job_ended(struct dk_core *core, const struct dk_job_ended *event)
{
    uint32_t slot = slot_of(core, event->job);
    struct dk_job *job = dk_job_at(core, slot);
    bool good = event->state == DK_END_STATE_COMPLETED && event->exit_code == 0;
    int64_t array_job = job->array_job;

    if (job->state == DK_JOB_RUNNING || job->state == DK_JOB_ENDING)
        resources_back(core, slot);
    if (job->array != NULL) { /* an array that never got to start, or not all of it: none will */
        core->tasks_waiting -= job->array->waiting;
        if (core->limits.any)
            dk_limits_active(core, job->group, -(int64_t)job->array->waiting);
        job->array->waiting = 0;
        job->array->range_count = 0;
        job->array->ended_badly++;
        array_settle(core, slot);
        return;
    }
    job_forget(core, slot, good);
    if (array_job != 0) {
        uint32_t master = slot_of(core, array_job);
        struct dk_array *array = dk_job_at(core, master)->array;

        array->live--;
        array->ended_well += good;
        array->ended_badly += !good;
        array_settle(core, master);
    }
}

static void job_requeued(struct dk_core *core, const struct dk_job_requeued *event)
{
    uint32_t slot = slot_of(core, event->job);
    struct dk_job *job = dk_job_at(core, slot);

    resources_back(core, slot);
    core->jobs_pending++;
    job->state = DK_JOB_PENDING;
    job->ending =
        event->hold && event->reason == DK_END_STATE_BOOT_FAIL ? DK_END_STATE_BOOT_FAIL : 0;
    job->flags &= (uint8_t) ~(DK_FLAG_THEN_REQUEUE | DK_FLAG_THEN_HOLD);
    job->eligible = DK_TIME_NONE;
    if (event->hold)
        job->wait |= DK_WAIT_HELD_USER;
    dk_queue_settle(core, slot);
    dk_digest_job(core, job);
}

static void job_end_requested(struct dk_core *core, const struct dk_job_end_requested *event)
{
    struct dk_job *job = dk_job_at(core, slot_of(core, event->job));

    DK_CHECK(job->state == DK_JOB_RUNNING || job->state == DK_JOB_ENDING);
    job->state = DK_JOB_ENDING;
    job->ending = (uint8_t)event->state;
    if (event->requeue)
        job->flags |= DK_FLAG_THEN_REQUEUE;
    if (event->hold)
        job->flags |= DK_FLAG_THEN_HOLD;
    dk_digest_job(core, job);
}

static void array_tasks_cancelled(struct dk_core *core,
                                  const struct dk_array_tasks_cancelled *event)
{
    uint32_t slot = slot_of(core, event->job);
    struct dk_array *array = dk_job_at(core, slot)->array;

    DK_CHECK(array != NULL);
    for (uint32_t i = 0; i < event->tasks_count; i++)
        for (int64_t task = event->tasks[i].first; task <= event->tasks[i].last;
             task += event->tasks[i].step) {
            array_take(core, dk_job_at(core, slot), (int32_t)task);
            array->ended_badly++;
        }
    array_settle(core, slot);
}

/* --- changing --- */

static void wait_set(struct dk_core *core, int64_t id, uint8_t set, uint8_t clear)
{
    uint32_t slot = slot_of(core, id);
    struct dk_job *job = dk_job_at(core, slot);

    job->wait = (uint8_t)((job->wait & ~clear) | set);
    job->ending = 0; /* that it could not be started is known, and dealt with */
    dk_queue_settle(core, slot);
    dk_digest_job(core, job);
}

static void job_held(struct dk_core *core, const struct dk_job_held *event)
{
    wait_set(core, event->job, event->by_admin ? DK_WAIT_HELD_ADMIN : DK_WAIT_HELD_USER, 0);
}

static void demand_change(struct dk_core *core, struct dk_job *job,
                          const struct dk_job_change *change)
{
    struct dk_demand demand = *dk_demand_of(core, job);
    uint32_t old = job->demand;
    struct dk_text constraint = change->has_constraint
                                    ? change->constraint
                                    : dk_intern_text(&core->texts, demand.constraint);

    if (change->has_nodes)
        demand.nodes = (uint32_t)change->nodes;
    if (change->has_tasks)
        demand.tasks = (uint32_t)change->tasks;
    if (change->has_cpus_per_task)
        demand.cpus_per_task = (uint32_t)change->cpus_per_task;
    if (change->has_memory_mib_per_node)
        demand.memory_per_node = (uint32_t)change->memory_mib_per_node;
    if (change->has_memory_mib_per_cpu)
        demand.memory_per_cpu = (uint32_t)change->memory_mib_per_cpu;
    if (change->has_gpus_per_node)
        demand.gpus_per_node = (uint32_t)change->gpus_per_node;
    demand_set(core, job, &demand, constraint, dk_intern_text(&core->texts, demand.named));
    dk_demand_drop(core, old);
}

static void text_change(struct dk_core *core, uint32_t *id, struct dk_text text)
{
    uint32_t held = dk_intern_hold(&core->texts, text);

    dk_intern_drop(&core->texts, *id);
    *id = held;
}

static void begin_change(struct dk_core *core, struct dk_job *job, int64_t begin)
{
    job->begin = begin;
    job->wait &= (uint8_t)~DK_WAIT_BEGIN;
    if (begin > core->time) {
        job->wait |= DK_WAIT_BEGIN;
        dk_begin_push(core, begin, job->id);
    }
}

static void job_updated(struct dk_core *core, const struct dk_job_updated *event)
{
    const struct dk_job_change *change = &event->change;
    uint32_t slot = slot_of(core, event->job);
    struct dk_job *job = dk_job_at(core, slot);
    bool running = job->state != DK_JOB_PENDING;
    uint32_t name_before = job->name;

    dk_domains_ensure(core);
    if (running)
        dk_running_remove(core, slot);
    else
        dk_queue_remove(core, slot);
    if (core->limits.any)
        dk_limits_leave(core, job);
    if (change->has_name) {
        dk_name_unlink(core, slot);
        text_change(core, &job->name, change->name);
        dk_name_link_sorted(core, slot);
    }
    if (change->has_account)
        text_change(core, &job->account, change->account);
    if (change->has_limit_us)
        job->limit_us = change->limit_us;
    if (change->has_nice)
        job->nice = change->nice;
    if (change->has_running_max && job->array != NULL)
        job->array->running_max = (uint32_t)change->running_max;
    if (running) {
        if (core->limits.any) {
            dk_limits_join(core, job);
            limits_eased(core);
        }
        dk_running_add(core, slot);
        dk_pass_due(core, dk_job_domain(core, job));
        core->version++;
    } else {
        if (change->has_partition) {
            core->partitions[job->partition].jobs--;
            job->partition = dk_partition_find(core, change->partition);
            DK_CHECK(job->partition != DK_SLOT_NONE);
            core->partitions[job->partition].jobs++;
        }
        if (core->limits.any)
            dk_limits_join(core, job);
        demand_change(core, job, change);
        job->planned = INT64_MAX;
        if (change->has_begin)
            begin_change(core, job, change->begin);
        if (job->eligible != DK_TIME_NONE) /* keeps its age */
            job->key = dk_order_key(core, job);
        dk_queue_settle(core, slot);
    }
    dk_digest_job(core, job);
    if (change->has_name)
        dk_depend_name_left(core, name_before, job->uid);
}

/* --- the rest --- */

/* Its waiting jobs take the new tier and priority, and may have to wait, or no longer. */
static void partition_configured(struct dk_core *core, const struct dk_partition_spec *spec)
{
    uint32_t index;

    dk_partition_configure(core, spec);
    index = dk_partition_find(core, spec->name);
    if (core->partitions[index].jobs == 0)
        return;
    dk_domains_ensure(core);
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        struct dk_job *job = dk_job_at(core, slot);

        if (job->state != DK_JOB_PENDING || job->partition != index)
            continue;
        dk_queue_remove(core, slot);
        if (job->eligible != DK_TIME_NONE)
            job->key = dk_order_key(core, job);
        dk_queue_settle(core, slot);
        dk_digest_job(core, job);
    }
}

static void policy_configured(struct dk_core *core, const struct dk_policy_spec *spec)
{
    core->policy = *spec;
    dk_queues_rebuild(core);
}

/* A node lost is a decision after which no pass was made: what was due stays due. */
static void node_condition_set(struct dk_core *core, const struct dk_node_condition_set *event)
{
    dk_node_condition_set(core, event, core->deciding);
    for (uint32_t i = 0; core->deciding && i < core->domain_count; i++) {
        core->domains[i].late = core->domains[i].pass_due;
        core->domains[i].freed_late = core->domains[i].freed;
    }
}

static void nodes_beat(struct dk_core *core, const struct dk_nodes_beat *event)
{
    enum dk_silence before = dk_silence_at(core, core->time);
    int64_t next = 0;

    for (uint32_t i = 0; i < event->nodes_count; i++) {
        next += event->nodes[i].gap;
        for (int64_t end = next + event->nodes[i].count; next < end; next++)
            dk_node_beat(core, (uint32_t)next);
    }
    dk_silence_heard(core, before);
}

static void node_registered(struct dk_core *core, const struct dk_node_registered *event)
{
    enum dk_silence before = dk_silence_at(core, core->time);

    dk_node_register(core, event);
    dk_silence_heard(core, before);
}

static void batch_closed(struct dk_core *core, const struct dk_batch_closed *event)
{
    uint32_t kept = 0;

    dk_domains_ensure(core);
    core->requests_next = event->requests_next;
    for (uint32_t i = 0; i < core->domain_count; i++) {
        core->domains[i].pass_due = core->domains[i].late;
        core->domains[i].late = false;
        core->domains[i].freed = core->domains[i].freed_late;
        core->domains[i].freed_late = false;
    }
    for (uint32_t i = 0; i < core->doomed_count; i++)
        if (dk_job_slot(core, core->doomed[i]) != DK_SLOT_NONE)
            core->doomed[kept++] = core->doomed[i];
    core->doomed_count = kept;
    dk_begins_tidy(core);
}

bool dk_event_is_decision(const struct dk_event *event)
{
    return event->meta.cause == 0 && !event->meta.has_actor &&
           (event->type == DK_EVENT_JOB_PLACED || event->type == DK_EVENT_JOBS_PLANNED ||
            event->type == DK_EVENT_JOB_END_REQUESTED || event->type == DK_EVENT_JOB_ENDED ||
            event->type == DK_EVENT_JOB_REQUEUED || event->type == DK_EVENT_NODE_CONDITION_SET);
}

/* What is not about a job; the switch below says which these are. */
static void site_event(struct dk_core *core, const struct dk_event *event)
{
    if (event->type == DK_EVENT_NODES_BEAT)
        nodes_beat(core, &event->nodes_beat);
    else if (event->type == DK_EVENT_NODE_REGISTERED)
        node_registered(core, &event->node_registered);
    else if (event->type == DK_EVENT_NODE_CONDITION_SET)
        node_condition_set(core, &event->node_condition_set);
    else if (event->type == DK_EVENT_PARTITION_CONFIGURED)
        partition_configured(core, &event->partition_configured.spec);
    else if (event->type == DK_EVENT_PARTITION_REMOVED)
        dk_partition_remove(core, event->partition_removed.name);
    else if (event->type == DK_EVENT_POLICY_CONFIGURED)
        policy_configured(core, &event->policy_configured.spec);
    else if (event->type == DK_EVENT_CONFIGURATION_APPLIED)
        dk_config_apply(core, &event->configuration_applied.config, event->meta.seq);
    else if (event->type == DK_EVENT_CONTROLLER_STARTED)
        dk_silence_fresh(core);
    else if (event->type == DK_EVENT_LOGIC_ACTIVATED)
        core->logic = event->logic_activated.number;
}

/* A decision: with the domains as schedule had them when it made it, at the time of the last fact,
 * and not as something that came late. Else a core that only applies thinks that a pass is due, and
 * who recovers with it decides what nobody who verifies would (found by tests/sim). */
static void begin(struct dk_core *core, const struct dk_event *event)
{
    bool is_decision = dk_event_is_decision(event);

    if (is_decision)
        dk_domains_ensure(core);
    core->deciding = is_decision;
    core->seq = event->meta.seq;
    if (event->meta.time != core->time)
        dk_queue_advance(core, event->meta.time);
}

void dk_core_apply(struct dk_core *core, const struct dk_event *event)
{
    const struct dk_meta *meta = &event->meta;

    begin(core, event);
    switch (event->type) {
    case DK_EVENT_JOB_SUBMITTED:
        job_submitted(core, meta, &event->job_submitted);
        break;
    case DK_EVENT_JOB_PLACED:
        job_placed(core, meta, &event->job_placed);
        break;
    case DK_EVENT_JOB_ENDED:
        job_ended(core, &event->job_ended);
        break;
    case DK_EVENT_JOBS_PLANNED:
        jobs_planned(core, &event->jobs_planned);
        break;
    case DK_EVENT_JOB_UPDATED:
        job_updated(core, &event->job_updated);
        break;
    case DK_EVENT_JOB_HELD:
        job_held(core, &event->job_held);
        break;
    case DK_EVENT_JOB_RELEASED:
        wait_set(core, event->job_released.job, 0, DK_WAIT_HELD_ADMIN | DK_WAIT_HELD_USER);
        break;
    case DK_EVENT_JOB_END_REQUESTED:
        job_end_requested(core, &event->job_end_requested);
        break;
    case DK_EVENT_JOB_REQUEUED:
        job_requeued(core, &event->job_requeued);
        break;
    case DK_EVENT_ARRAY_TASKS_CANCELLED:
        array_tasks_cancelled(core, &event->array_tasks_cancelled);
        break;
    case DK_EVENT_NODE_REGISTERED:
    case DK_EVENT_NODE_CONDITION_SET:
    case DK_EVENT_NODES_BEAT:
    case DK_EVENT_PARTITION_CONFIGURED:
    case DK_EVENT_PARTITION_REMOVED:
    case DK_EVENT_POLICY_CONFIGURED:
    case DK_EVENT_CONFIGURATION_APPLIED:
    case DK_EVENT_CONTROLLER_STARTED:
    case DK_EVENT_LOGIC_ACTIVATED:
        site_event(core, event);
        break;
    case DK_EVENT_BATCH_CLOSED:
        batch_closed(core, &event->batch_closed);
        break;
    case DK_EVENT_STEP_STARTED: /* told to projections; the core decides nothing by steps */
    case DK_EVENT_STEP_ENDED:
    case DK_EVENT_CLOCK_ADVANCED: /* the time in meta is all there is to it */
    case DK_EVENT_CONTROLLER_STOPPED:
    case DK_EVENT_REQUEST_REJECTED:
    case DK_EVENT_SKIPPED:
    case DK_EVENT_JOB_SIGNALLED:
    case DK_EVENT_SECRETS_ERASED: /* the core never had them */
    case DK_EVENT_TYPE_COUNT:
        break;
    }
    core->deciding = false;
}
