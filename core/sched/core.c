/* core.c - the life of a core, and looking into it */
#include "sched/pass.h"
#include "sched/state.h"

#include <string.h>

static void *counting_resize(void *ctx, void *memory, size_t size_old, size_t size_new)
{
    struct dk_core *core = ctx;

    core->bytes += size_new - size_old;
    return core->outer->resize(core->outer->ctx, memory, size_old, size_new);
}

void dk_events_init(struct dk_events *events, const struct dk_alloc *alloc)
{
    memset(events, 0, sizeof(*events));
    events->alloc = alloc;
    dk_arena_init(&events->arena, alloc);
}

void dk_events_reset(struct dk_events *events)
{
    events->count = 0;
    dk_arena_reset(&events->arena);
}

void dk_events_release(struct dk_events *events)
{
    dk_alloc_free(events->alloc, events->items, events->capacity * sizeof(*events->items));
    dk_arena_release(&events->arena);
    events->items = NULL;
    events->count = events->capacity = 0;
}

/* The new event's fields past `meta` are not set: the caller sets every one of its record. */
struct dk_event *dk_events_add(struct dk_events *events, enum dk_event_type type, int64_t time)
{
    struct dk_event *event;

    events->items = dk_grow(events->alloc, events->items, &events->capacity, events->count + 1,
                            sizeof(*events->items));
    event = &events->items[events->count++];
    memset(&event->meta, 0, sizeof(event->meta));
    event->type = type;
    event->meta.time = time;
    return event;
}

struct dk_core *dk_core_create(const struct dk_alloc *alloc, const struct dk_core_options *options)
{
    struct dk_core *core = dk_alloc_new(alloc, sizeof(*core));

    memset(core, 0, sizeof(*core));
    core->outer = alloc;
    core->counting.resize = counting_resize;
    core->counting.ctx = core;
    core->alloc = &core->counting;
    core->bytes = sizeof(*core);
    core->options = *options;
    core->job_next = 1;
    core->logic = DK_CORE_LOGIC_NEWEST;
    core->policy.policy = DK_POLICY_FCFS;
    core->policy.backfill = DK_BACKFILL_EASY;
    core->policy.enforce_limits = true;
    core->policy.age_us_max = 7 * 86400 * DK_SECOND_US;
    core->partition_default = DK_SLOT_NONE;
    core->job_free = core->demand_free = core->condition_free = DK_SLOT_NONE;
    dk_table_init(&core->jobs_by_id, core->alloc);
    dk_table_init(&core->demands_by_key, core->alloc);
    dk_table_init(&core->nodes_by_name, core->alloc);
    dk_table_init(&core->keys_by_hash, core->alloc);
    dk_intern_init(&core->texts, core->alloc);
    dk_bitmap_init(&core->cores_free, core->alloc);
    dk_bitmap_init(&core->gpus_free, core->alloc);
    dk_config_init(&core->config, core->alloc);
    dk_limits_init(&core->limits, core->alloc);
    core->scratch = dk_scratch_create(core->alloc);
    return core;
}

static void jobs_release(struct dk_core *core)
{
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        struct dk_job *job = dk_job_at(core, slot);

        dk_ranges_release(core, &job->cores);
        dk_ranges_release(core, &job->gpus);
        if (job->state != DK_JOB_UNKNOWN && job->array != NULL) {
            dk_alloc_free(core->alloc, job->array->ranges,
                          job->array->range_capacity * sizeof(*job->array->ranges));
            dk_alloc_free(core->alloc, job->array, sizeof(*job->array));
        }
    }
    for (uint32_t i = 0; i < core->job_page_count; i++)
        dk_alloc_free(core->alloc, core->job_pages[i], 1024 * sizeof(struct dk_job));
    dk_alloc_free(core->alloc, core->job_pages, core->job_page_count * sizeof(*core->job_pages));
}

static void machine_release(struct dk_core *core)
{
    const struct dk_alloc *alloc = core->alloc;

    for (uint32_t i = 0; i < core->partition_count; i++)
        dk_alloc_free(alloc, core->partitions[i].nodes,
                      core->partitions[i].node_count * sizeof(uint32_t));
    dk_alloc_free(alloc, core->partitions, core->partition_capacity * sizeof(*core->partitions));
    dk_alloc_free(alloc, core->nodes, core->node_capacity * sizeof(*core->nodes));
    dk_alloc_free(alloc, core->segments, core->segment_capacity * sizeof(*core->segments));
    dk_alloc_free(alloc, core->node_open, core->node_work_capacity);
    dk_alloc_free(alloc, core->node_place, (size_t)core->node_work_capacity * 4);
    dk_alloc_free(alloc, core->node_domain, (size_t)core->node_work_capacity * 4);
    dk_alloc_free(alloc, core->node_cores_free, (size_t)core->node_work_capacity * 4);
    dk_alloc_free(alloc, core->node_memory_free, (size_t)core->node_work_capacity * 4);
    dk_alloc_free(alloc, core->node_gpus_free, (size_t)core->node_work_capacity * 4);
    dk_bitmap_release(&core->cores_free);
    dk_bitmap_release(&core->gpus_free);
    dk_table_release(&core->nodes_by_name);
}

void dk_core_destroy(struct dk_core *core)
{
    const struct dk_alloc *alloc;

    if (core == NULL)
        return;
    alloc = core->alloc;
    dk_domains_release(core);
    jobs_release(core);
    machine_release(core);
    dk_scratch_destroy(core->scratch);
    dk_config_release(&core->config);
    dk_limits_release(core);
    dk_alloc_free(alloc, core->demands, core->demand_capacity * sizeof(*core->demands));
    dk_alloc_free(alloc, core->conditions, core->condition_capacity * sizeof(*core->conditions));
    dk_alloc_free(alloc, core->outcomes, core->outcome_capacity * sizeof(*core->outcomes));
    dk_alloc_free(alloc, core->keys, core->key_capacity * sizeof(*core->keys));
    dk_alloc_free(alloc, core->begins.items, core->begins.capacity * sizeof(struct dk_timer));
    dk_alloc_free(alloc, core->ages.items, core->ages.capacity * sizeof(struct dk_timer));
    dk_alloc_free(alloc, core->doomed, core->doomed_capacity * sizeof(*core->doomed));
    dk_table_release(&core->jobs_by_id);
    dk_table_release(&core->demands_by_key);
    dk_table_release(&core->keys_by_hash);
    dk_intern_release(&core->texts);
    DK_CHECK(core->bytes == sizeof(*core)); /* every byte taken was given back */
    core->outer->resize(core->outer->ctx, core, sizeof(*core), 0);
}

void dk_core_stats(const struct dk_core *core, struct dk_core_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    stats->jobs_pending = core->jobs_pending;
    stats->jobs_running = core->jobs_running;
    for (uint32_t i = 0; i < core->node_count; i++) {
        stats->nodes += core->nodes[i].cores > 0;
        stats->cores += core->nodes[i].cores;
        stats->gpus += core->nodes[i].gpus;
        if (core->node_open[i])
            stats->cores_free += dk_bitmap_count_range(&core->cores_free, core->nodes[i].core_first,
                                                       core->nodes[i].cores);
        stats->gpus_free += core->node_gpus_free[i];
    }
    stats->time = core->time;
    stats->job_next = core->job_next;
    stats->requests_next = core->requests_next;
    stats->bytes = core->bytes;
    stats->examined = dk_scratch_examined(core->scratch);
}

enum dk_job_state dk_core_job_state(const struct dk_core *core, int64_t job)
{
    uint32_t slot = dk_job_slot(core, job);

    if (slot != DK_SLOT_NONE)
        return (enum dk_job_state)dk_job_at(core, slot)->state;
    return dk_outcome_find(core, job) != NULL ? DK_JOB_ENDED : DK_JOB_UNKNOWN;
}

const char *dk_core_job_reason(const struct dk_core *core, int64_t id)
{
    uint32_t slot = dk_job_slot(core, id);
    const struct dk_job *job;
    const char *over;

    if (slot == DK_SLOT_NONE || dk_job_at(core, slot)->state != DK_JOB_PENDING)
        return "None";
    job = dk_job_at(core, slot);
    if (job->wait != 0 && job->ending == DK_END_STATE_BOOT_FAIL)
        return "JobLaunchFailure";
    if (job->wait & DK_WAIT_HELD_ADMIN)
        return "JobHeldAdmin";
    if (job->wait & DK_WAIT_HELD_USER)
        return "JobHeldUser";
    if (job->wait & DK_WAIT_NEVER)
        return "DependencyNeverSatisfied";
    if (job->wait & DK_WAIT_DEPENDENCY)
        return "Dependency";
    if (job->wait & DK_WAIT_BEGIN)
        return "BeginTime";
    if (job->wait & DK_WAIT_PARTITION)
        return core->partitions[job->partition].state == DK_PARTITION_STATE_INACTIVE
                   ? "PartitionInactive"
                   : "PartitionDown";
    if (job->wait & DK_WAIT_TASK_LIMIT)
        return "JobArrayTaskLimit";
    if (job->wait != 0)
        return "None";
    if (core->domains_dirty)
        return "Priority";
    over = dk_limits_reason(core, job);
    return over != NULL ? over : dk_reason_eligible(core, job);
}

int64_t dk_core_next_deadline(const struct dk_core *core)
{
    int64_t next = INT64_MAX;

    if (core->doomed_count > 0)
        return core->time;
    if (core->begins.count > 0)
        next = core->begins.items[0].time;
    for (uint32_t i = 0; i < core->domain_count; i++) {
        const struct dk_domain *domain = &core->domains[i];
        int64_t due;

        if (domain->pass_due)
            return core->time;
        due = dk_pass_deadline(core, domain);
        next = due < next ? due : next;
    }
    return dk_min(next, dk_silence_deadline(core));
}
