/* snapshot.c - the whole state as bytes, and back
 *
 * One description serves both directions: each function below walks the fields of one thing, and
 * `io` either writes them or reads them. So what is written is what is read. Integers are 8 bytes,
 * little-endian (the store compresses); texts are a size and their bytes. Jobs are in order of id
 * and everything else in order of number: equal states have equal snapshots. What is derived is not
 * written.
 *
 *     "dksnap02" | counters, policy | configuration | nodes | partitions | jobs | outcomes | keys |
 * due | "end."
 *
 * Reading trusts nothing: counts are bounded by the bytes that are left, indices are checked before
 * they are used, and cores that two jobs hold are found before they are taken.
 */
#include "sched/state.h"

#include <string.h>

struct io {
    struct dk_core *core;
    struct dk_buf *out; /* writing, or NULL */
    const uint8_t *at;  /* reading */
    const uint8_t *limit;
    bool bad;
};

static bool writing(const struct io *io)
{
    return io->out != NULL;
}

static void io_bytes(struct io *io, void *bytes, size_t size)
{
    if (writing(io)) {
        if (!dk_buf_add(io->out, bytes, size))
            io->bad = true;
        return;
    }
    if (io->bad || (size_t)(io->limit - io->at) < size) {
        io->bad = true;
        memset(bytes, 0, size);
        return;
    }
    memcpy(bytes, io->at, size);
    io->at += size;
}

static void io_u64(struct io *io, uint64_t *value)
{
    uint8_t bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(*value >> (8 * i));
    io_bytes(io, bytes, sizeof(bytes));
    if (writing(io))
        return;
    *value = 0;
    for (int i = 0; i < 8; i++)
        *value |= (uint64_t)bytes[i] << (8 * i);
}

static void io_i64(struct io *io, int64_t *value)
{
    uint64_t raw = (uint64_t)*value;

    io_u64(io, &raw);
    *value = (int64_t)raw;
}

/* A number that has to lie within min..max. */
static int64_t io_within(struct io *io, int64_t value, int64_t min, int64_t max)
{
    io_i64(io, &value);
    if (value < min || value > max) {
        io->bad = true;
        value = min;
    }
    return value;
}

static void io_u32(struct io *io, uint32_t *value)
{
    *value = (uint32_t)io_within(io, *value, 0, UINT32_MAX);
}

static void io_i32(struct io *io, int32_t *value)
{
    *value = (int32_t)io_within(io, *value, INT32_MIN, INT32_MAX);
}

static void io_u8(struct io *io, uint8_t *value)
{
    *value = (uint8_t)io_within(io, *value, 0, 255);
}

static void io_bool(struct io *io, bool *value)
{
    *value = io_within(io, *value, 0, 1) != 0;
}

/* How many things of at least `size` bytes follow. */
static uint32_t io_count(struct io *io, uint32_t count, size_t size)
{
    io_u32(io, &count);
    if (!writing(io) && count > (size_t)(io->limit - io->at) / size) {
        io->bad = true;
        return 0;
    }
    return count;
}

/* A text: when reading, one hold on it. */
static void io_text(struct io *io, uint32_t *id)
{
    struct dk_text text = { NULL, 0 };

    if (writing(io))
        text = dk_intern_text(&io->core->texts, *id);
    text.size = io_count(io, text.size, 1);
    if (writing(io)) {
        if (!dk_buf_add(io->out, text.data, text.size))
            io->bad = true;
        return;
    }
    text.data = (const char *)io->at;
    io->at += text.size;
    *id = dk_intern_hold(&io->core->texts, text);
}

/* --- counters and policy --- */

static void io_counters(struct io *io)
{
    struct dk_core *core = io->core;
    struct dk_policy_spec *policy = &core->policy;

    core->time = io_within(io, core->time, 0, INT64_MAX / 2);
    core->seq = io_within(io, core->seq, 0, INT64_MAX / 2);
    core->job_next = io_within(io, core->job_next, 1, INT64_MAX / 2);
    core->requests_next = io_within(io, core->requests_next, 0, INT64_MAX / 2);
    core->logic = io_within(io, core->logic, 1, DK_CORE_LOGIC_NEWEST);
    core->cores_total = (uint32_t)io_within(io, core->cores_total, 0, INT32_MAX);
    core->gpus_total = (uint32_t)io_within(io, core->gpus_total, 0, INT32_MAX);
    policy->policy = (enum dk_policy)io_within(io, (int64_t)policy->policy, 0, DK_POLICY_COUNT - 1);
    policy->backfill =
        (enum dk_backfill)io_within(io, (int64_t)policy->backfill, 0, DK_BACKFILL_COUNT - 1);
    policy->depth = (int32_t)io_within(io, policy->depth, 0, INT32_MAX);
    policy->origin = io_within(io, policy->origin, 0, INT64_MAX / 2);
    io_bool(io, &policy->enforce_limits);
    policy->beat_timeout_us = io_within(io, policy->beat_timeout_us, 0, INT64_MAX / 2);
    policy->age_us_max = io_within(io, policy->age_us_max, 0, INT64_MAX / 2);
    policy->weight_age = (int32_t)io_within(io, policy->weight_age, 0, 1000000);
    policy->weight_size = (int32_t)io_within(io, policy->weight_size, 0, 1000000);
    policy->weight_partition = (int32_t)io_within(io, policy->weight_partition, 0, 1000000);
}

/* --- the rest of the configuration --- */

static void io_bounded(struct io *io, int32_t *value, int32_t max)
{
    *value = (int32_t)io_within(io, *value, 0, max);
}

/* A text that lies in the snapshot when reading: the caller copies it before that goes. */
static void io_text_plain(struct io *io, struct dk_text *text)
{
    text->size = io_count(io, text->size, 1);
    if (writing(io)) {
        io->bad = !dk_buf_add(io->out, text->data, text->size) || io->bad;
        return;
    }
    text->data = (const char *)io->at;
    io->at += text->size;
}

static void io_texts(struct io *io, struct dk_arena *arena, const struct dk_text **texts,
                     uint32_t *count)
{
    struct dk_text *items;

    *count = io_count(io, *count, 8);
    items = dk_arena_take(arena, (*count + 1) * sizeof(*items));
    for (uint32_t i = 0; i < *count; i++) {
        items[i] = writing(io) ? (*texts)[i] : (struct dk_text){ NULL, 0 };
        io_text_plain(io, &items[i]);
    }
    *texts = items;
}

static void io_limits(struct io *io, struct dk_arena *arena, struct dk_cluster_config *spec)
{
    struct dk_limit_spec *items;

    spec->limits_count = io_count(io, spec->limits_count, 64);
    items = dk_arena_take(arena, (spec->limits_count + 1) * sizeof(*items));
    for (uint32_t i = 0; i < spec->limits_count; i++) {
        struct dk_limit_spec *limit = &items[i];

        memset(limit, 0, sizeof(*limit));
        if (writing(io))
            *limit = spec->limits[i];
        limit->scope =
            (enum dk_limit_scope)io_within(io, (int64_t)limit->scope, 0, DK_LIMIT_SCOPE_COUNT - 1);
        io_text_plain(io, &limit->name);
        io_bounded(io, &limit->jobs_active_max, INT32_MAX);
        io_bounded(io, &limit->jobs_running_max, INT32_MAX);
        limit->cores_running_max = io_within(io, limit->cores_running_max, 0, INT64_MAX);
        limit->gpus_running_max = io_within(io, limit->gpus_running_max, 0, INT64_MAX);
        limit->nodes_running_max = io_within(io, limit->nodes_running_max, 0, INT64_MAX);
        limit->memory_mib_running_max = io_within(io, limit->memory_mib_running_max, 0, INT64_MAX);
    }
    spec->limits = items;
}

static void io_config(struct io *io)
{
    struct dk_core *core = io->core;
    struct dk_cluster_config spec = core->config.spec;
    int64_t seq = io_within(io, core->config.seq, 0, core->seq);
    struct dk_arena arena;

    dk_arena_init(&arena, core->alloc);
    io_text_plain(io, &spec.cluster);
    io_text_plain(io, &spec.prolog);
    io_text_plain(io, &spec.epilog);
    io_text_plain(io, &spec.mail_program);
    spec.kill_wait_us = io_within(io, spec.kill_wait_us, 0, INT64_MAX / 2);
    spec.ended_visible_us = io_within(io, spec.ended_visible_us, 0, INT64_MAX / 2);
    spec.beat_us = io_within(io, spec.beat_us, 0, INT64_MAX / 2);
    io_bounded(io, &spec.jobs_active_max, INT32_MAX);
    io_bounded(io, &spec.array_tasks_max, INT32_MAX);
    io_texts(io, &arena, &spec.nodes_expected, &spec.nodes_expected_count);
    io_texts(io, &arena, &spec.operators, &spec.operators_count);
    io_limits(io, &arena, &spec);
    if (!writing(io) && !io->bad)
        dk_config_keep(&core->config, &spec, seq);
    dk_arena_release(&arena);
}

/* --- nodes and partitions --- */

static void io_segments(struct io *io)
{
    struct dk_core *core = io->core;
    uint32_t count = io_count(io, core->segment_count, 16), last = 0;

    if (!writing(io) && count > 0)
        core->segments =
            dk_grow(core->alloc, NULL, &core->segment_capacity, count, sizeof(*core->segments));
    core->segment_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct dk_segment *segment = &core->segments[i];

        if (!writing(io))
            memset(segment, 0, sizeof(*segment));
        segment->first = (uint32_t)io_within(io, segment->first, i == 0 ? 0 : (int64_t)last + 1,
                                             i == 0 ? 0 : (int64_t)core->cores_total - 1);
        segment->node = (uint32_t)io_within(io, segment->node, 0, (int64_t)core->node_count - 1);
        last = segment->first;
    }
}

static void io_node(struct io *io, struct dk_node *node)
{
    const struct dk_core *core = io->core;

    io_text(io, &node->name);
    node->cores = (uint32_t)io_within(io, node->cores, 1, core->cores_total);
    io_u32(io, &node->memory);
    node->gpus = (uint32_t)io_within(io, node->gpus, 0, core->gpus_total);
    node->core_first =
        (uint32_t)io_within(io, node->core_first, 0, (int64_t)core->cores_total - node->cores);
    node->gpu_first =
        (uint32_t)io_within(io, node->gpu_first, 0, (int64_t)core->gpus_total - node->gpus);
    node->condition = (uint8_t)io_within(io, node->condition, 0, DK_NODE_CONDITION_COUNT - 1);
    node->lost = (uint8_t)io_within(io, node->lost, 0, 1);
    io_i64(io, &node->beat);
    node->feature_count = (uint32_t)io_within(io, node->feature_count, 0, 64);
    for (uint32_t i = 0; i < node->feature_count; i++)
        io_text(io, &node->features[i]);
}

static void io_nodes(struct io *io)
{
    struct dk_core *core = io->core;
    uint32_t count = io_count(io, core->node_count, 72);

    for (uint32_t i = 0; i < count && !io->bad; i++) {
        if (!writing(io))
            dk_node_room_for(core, i + 1);
        io_node(io, &core->nodes[i]);
        if (!writing(io) &&
            (core->nodes[i].name == 0 ||
             dk_table_find(&core->nodes_by_name, core->nodes[i].name) != DK_TABLE_NONE))
            io->bad = true;
        if (!writing(io) && !io->bad)
            dk_table_put(&core->nodes_by_name, core->nodes[i].name, i);
    }
    io_segments(io);
}

static void io_partition(struct io *io, struct dk_partition *partition)
{
    uint32_t count;

    io_text(io, &partition->name);
    partition->all_nodes = (uint8_t)io_within(io, partition->all_nodes, 0, 1);
    partition->is_default = (uint8_t)io_within(io, partition->is_default, 0, 1);
    partition->state = (uint8_t)io_within(io, partition->state, 0, DK_PARTITION_STATE_COUNT - 1);
    io_i64(io, &partition->limit_us_max);
    io_i64(io, &partition->limit_us_default);
    io_u32(io, &partition->nodes_max);
    partition->priority = (int32_t)io_within(io, partition->priority, 0, 65535);
    partition->tier = (int32_t)io_within(io, partition->tier, 0, 65535);
    count = io_count(io, partition->node_count, 8);
    if (!writing(io) && count > 0)
        partition->nodes = dk_alloc_new(io->core->alloc, count * sizeof(*partition->nodes));
    partition->node_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (!writing(io))
            partition->nodes[i] = 0;
        io_text(io, &partition->nodes[i]);
    }
}

static void io_partitions(struct io *io)
{
    struct dk_core *core = io->core;
    uint32_t count = io_count(io, core->partition_count, 80);

    for (uint32_t i = 0; i < count && !io->bad; i++) {
        if (!writing(io)) {
            core->partitions = dk_grow(core->alloc, core->partitions, &core->partition_capacity,
                                       i + 1, sizeof(*core->partitions));
            memset(&core->partitions[i], 0, sizeof(*core->partitions));
            core->partition_count++;
        }
        io_partition(io, &core->partitions[i]);
        if (!writing(io)) {
            dk_partition_nodes_sort(&core->partitions[i]);
            if (core->partitions[i].is_default && core->partition_default == DK_SLOT_NONE)
                core->partition_default = i;
        }
    }
}

/* --- jobs --- */

static void io_demand(struct io *io, struct dk_job *job)
{
    struct dk_demand demand;
    uint32_t *numbers = &demand.nodes;

    memset(&demand, 0, sizeof(demand));
    if (writing(io))
        demand = *dk_demand_of(io->core, job);
    for (int i = 0; i < 8; i++)
        io_u32(io, &numbers[i]);
    io_u32(io, &demand.exclusive);
    io_text(io, &demand.constraint);
    io_text(io, &demand.named);
    if (writing(io))
        return;
    if (!dk_named_valid(dk_intern_text(&io->core->texts, demand.named)))
        io->bad = true;
    if (demand.tasks == 0 || demand.cpus_per_task == 0 || demand.nodes > demand.tasks)
        io->bad = true;
    demand.partition = job->partition;
    job->demand = dk_demand_hold(io->core, &demand);
    dk_intern_drop(&io->core->texts, demand.constraint);
    dk_intern_drop(&io->core->texts, demand.named);
}

static void io_ranges(struct io *io, struct dk_ranges *ranges, const struct dk_bitmap *free)
{
    uint32_t count = io_count(io, ranges->count, 16);
    uint64_t next = 0;

    if (!writing(io) && count > 0)
        ranges->items =
            dk_grow(io->core->alloc, NULL, &ranges->capacity, count, sizeof(*ranges->items));
    ranges->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct dk_range *range = &ranges->items[i];

        if (!writing(io))
            memset(range, 0, sizeof(*range));
        io_u32(io, &range->first);
        io_u32(io, &range->count);
        if (writing(io))
            continue;
        if (range->count == 0 || range->first < next ||
            (uint64_t)range->first + range->count > free->size ||
            !dk_bitmap_has_range(free, range->first, range->count)) {
            io->bad = true;
            ranges->count = 0;
            return;
        }
        next = (uint64_t)range->first + range->count;
    }
}

static void io_array(struct io *io, struct dk_job *job)
{
    bool has = job->array != NULL;
    struct dk_array *array;
    int64_t last = -1, waiting = 0;

    io_bool(io, &has);
    if (!has || (writing(io) && job->array == NULL))
        return;
    if (!writing(io)) {
        job->array = dk_alloc_new(io->core->alloc, sizeof(*job->array));
        memset(job->array, 0, sizeof(*job->array));
        job->array->task_first = job->array->task_last = DK_SLOT_NONE;
        io->core->arrays++;
    }
    array = job->array;
    io_u32(io, &array->running_max);
    io_u32(io, &array->waiting);
    io_u32(io, &array->live);
    io_u32(io, &array->ended_well);
    io_u32(io, &array->ended_badly);
    array->range_count = io_count(io, array->range_count, 24);
    if (!writing(io) && array->range_count > 0)
        array->ranges = dk_grow(io->core->alloc, NULL, &array->range_capacity, array->range_count,
                                sizeof(*array->ranges));
    for (uint32_t i = 0; i < array->range_count; i++) {
        struct dk_index_range *range = &array->ranges[i];

        if (!writing(io))
            memset(range, 0, sizeof(*range));
        range->first = (int32_t)io_within(io, range->first, last + 1, INT32_MAX);
        range->last = (int32_t)io_within(io, range->last, range->first, INT32_MAX);
        range->step = (int32_t)io_within(io, range->step, 1, INT32_MAX);
        last = range->last;
        waiting += (range->last - range->first) / range->step + 1;
    }
    if (waiting != array->waiting)
        io->bad = true;
    if (!writing(io))
        io->core->tasks_waiting += array->waiting;
}

static void io_conditions(struct io *io, uint32_t slot)
{
    struct dk_core *core = io->core;
    uint32_t count = 0, at = dk_job_at(core, slot)->dependency_first, last = DK_SLOT_NONE;

    for (uint32_t i = at; i != DK_SLOT_NONE; i = core->conditions[i].owner_next)
        count++;
    count = io_count(io, count, 40);
    for (uint32_t i = 0; i < count && !io->bad; i++) {
        struct dk_condition *condition;

        if (!writing(io)) {
            at = dk_condition_new(core);
            memset(&core->conditions[at], 0, sizeof(*core->conditions));
            core->conditions[at].owner = slot;
            core->conditions[at].owner_next = DK_SLOT_NONE;
            core->conditions[at].target_next = core->conditions[at].target_prev = DK_SLOT_NONE;
            if (last == DK_SLOT_NONE)
                dk_job_at(core, slot)->dependency_first = at;
            else
                core->conditions[last].owner_next = at;
            last = at;
        }
        condition = &core->conditions[at];
        condition->kind = (uint32_t)io_within(io, condition->kind, 0, DK_DEPENDENCY_KIND_COUNT - 1);
        condition->state = (uint32_t)io_within(io, condition->state, 0, 2);
        io_i64(io, &condition->target);
        io_i64(io, &condition->delay_us);
        io_i64(io, &condition->due);
        at = condition->owner_next;
    }
}

#define FLAGS_KEPT ((uint8_t) ~(DK_FLAG_IN_QUEUE | DK_FLAG_AGED))

static void io_key(struct io *io, dk_i128 *key)
{
    uint64_t high = (uint64_t)((dk_u128)*key >> 64), low = (uint64_t)*key;

    io_u64(io, &high);
    io_u64(io, &low);
    *key = (dk_i128)(((dk_u128)high << 64) | low);
}

static void io_job(struct io *io, uint32_t slot)
{
    struct dk_core *core = io->core;
    struct dk_job *job = dk_job_at(core, slot);
    uint8_t flags = job->flags & FLAGS_KEPT;

    io_i64(io, &job->submit);
    io_i64(io, &job->eligible);
    io_i64(io, &job->begin);
    job->limit_us = io_within(io, job->limit_us, 1, INT64_MAX / 2);
    io_i64(io, &job->start);
    io_i64(io, &job->planned);
    io_key(io, &job->key);
    job->state = (uint8_t)io_within(io, job->state, DK_JOB_PENDING, DK_JOB_ENDING);
    io_u8(io, &job->wait);
    io_u8(io, &flags);
    job->flags = writing(io) ? job->flags : flags & FLAGS_KEPT;
    job->ending = (uint8_t)io_within(io, job->ending, 0, DK_END_STATE_COUNT - 1);
    job->attempt = (uint32_t)io_within(io, job->attempt, 0, INT32_MAX - 1);
    job->partition = (uint32_t)io_within(io, job->partition, 0, (int64_t)core->partition_count - 1);
    io_i32(io, &job->uid);
    io_i32(io, &job->gid);
    io_i32(io, &job->nice);
    io_i32(io, &job->task);
    io_i64(io, &job->array_job);
    if (io->bad || core->partition_count == 0 || core->partitions[job->partition].name == 0) {
        io->bad = true;
        return;
    }
    io_text(io, &job->name);
    io_text(io, &job->account);
    io_text(io, &job->user);
    io_demand(io, job);
    io_array(io, job);
    io_ranges(io, &job->cores, &core->cores_free);
    io_ranges(io, &job->gpus, &core->gpus_free);
    io_conditions(io, slot);
}

/* The slots of all jobs, in order of id: a heap sort of borrowed memory. */
static uint32_t *slots_by_id(const struct dk_core *core, uint32_t *count)
{
    uint32_t *slots = dk_alloc_new(core->alloc, (core->job_limit + 1) * sizeof(*slots));

    *count = 0;
    for (uint32_t slot = 0; slot < core->job_limit; slot++)
        if (dk_job_at(core, slot)->state != DK_JOB_UNKNOWN)
            slots[(*count)++] = slot;
    for (uint32_t end = *count, start = *count / 2; end > 1;) {
        uint32_t value, root;

        if (start > 0) {
            value = slots[--start];
        } else {
            value = slots[--end];
            slots[end] = slots[0];
        }
        root = start;
        while (root * 2 + 1 < end) {
            uint32_t child = root * 2 + 1;

            if (child + 1 < end &&
                dk_job_at(core, slots[child])->id < dk_job_at(core, slots[child + 1])->id)
                child++;
            if (dk_job_at(core, slots[child])->id <= dk_job_at(core, value)->id)
                break;
            slots[root] = slots[child];
            root = child;
        }
        slots[root] = value;
    }
    return slots;
}

static void jobs_write(struct io *io)
{
    const struct dk_core *core = io->core;
    uint32_t count, *slots = slots_by_id(core, &count);

    io_count(io, count, 1);
    for (uint32_t i = 0; i < count; i++) {
        int64_t id = dk_job_at(core, slots[i])->id;

        io_i64(io, &id);
        io_job(io, slots[i]);
    }
    dk_alloc_free(core->alloc, slots, (core->job_limit + 1) * sizeof(*slots));
}

/* A job's place among the counters, names and what is free. */
static void job_settle(struct io *io, uint32_t slot)
{
    struct dk_core *core = io->core;
    struct dk_job *job = dk_job_at(core, slot);
    bool runs = job->state != DK_JOB_PENDING;

    core->partitions[job->partition].jobs++;
    dk_name_link(core, slot);
    core->jobs_running += runs;
    core->jobs_pending += !runs;
    if (runs != (job->cores.count > 0) || (runs && job->array != NULL) ||
        (job->flags & DK_FLAG_SINGLETON && job->name == 0))
        io->bad = true;
    if (runs && !io->bad)
        dk_machine_take(core, dk_demand_of(core, job), &job->cores, &job->gpus);
    if (job->wait & DK_WAIT_BEGIN)
        dk_begin_push(core, job->begin, job->id);
    if ((job->wait & DK_WAIT_NEVER) && (job->flags & DK_FLAG_KILL_INVALID))
        dk_doomed_push(core, job->id);
}

static void jobs_read(struct io *io)
{
    struct dk_core *core = io->core;
    uint32_t count = io_count(io, 0, 216);
    int64_t last = 0;

    core->domains_dirty = true;
    for (uint32_t i = 0; i < count && !io->bad; i++) {
        int64_t id = io_within(io, 0, last + 1, core->job_next - 1);
        uint32_t slot;

        if (io->bad)
            return;
        last = id;
        slot = dk_job_new(core, id);
        dk_job_at(core, slot)->demand = DK_SLOT_NONE;
        io_job(io, slot);
        if (!io->bad)
            job_settle(io, slot);
    }
}

/* Conditions hang at their targets too, and AFTER delays are timers. */
static void conditions_link(struct io *io)
{
    struct dk_core *core = io->core;

    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        uint32_t i = dk_job_at(core, slot)->dependency_first;

        for (; i != DK_SLOT_NONE; i = core->conditions[i].owner_next) {
            struct dk_condition *condition = &core->conditions[i];
            uint32_t target = dk_job_slot(core, condition->target);

            if (condition->kind == DK_DEPENDENCY_KIND_SINGLETON)
                continue;
            if (condition->state == 0 && condition->due > core->time)
                dk_begin_push(core, condition->due, dk_job_at(core, slot)->id);
            if (target == DK_SLOT_NONE)
                continue;
            dk_depend_link(core, i, target);
        }
    }
}

/* A task that lives needs its array, and an array its tasks. */
static void arrays_check(struct io *io)
{
    struct dk_core *core = io->core;
    uint64_t live = 0, tasks = 0;

    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        const struct dk_job *job = dk_job_at(core, slot);
        uint32_t master = dk_job_slot(core, job->array_job);

        if (job->array != NULL)
            live += job->array->live;
        if (job->array_job == 0)
            continue;
        tasks++;
        if (master == DK_SLOT_NONE || dk_job_at(core, master)->array == NULL)
            io->bad = true;
        else
            dk_task_link(core, slot); /* slots of a core just read are in order of id */
    }
    if (live != tasks)
        io->bad = true;
}

/* --- outcomes, keys, what is due --- */

static void io_outcomes(struct io *io)
{
    struct dk_core *core = io->core;
    uint32_t capacity = (uint32_t)io_within(io, core->outcome_capacity, 0, DK_OUTCOMES_MAX),
             count = 0;

    if (!writing(io)) {
        if (io->bad || (capacity & (capacity - 1)) != 0) {
            io->bad = true;
            return;
        }
        if (capacity > 0) {
            core->outcomes = dk_alloc_new(core->alloc, capacity * sizeof(*core->outcomes));
            memset(core->outcomes, 0, capacity * sizeof(*core->outcomes));
        }
        core->outcome_capacity = capacity;
    }
    for (uint32_t i = 0; i < capacity; i++)
        count += core->outcomes[i].id != 0;
    count = io_count(io, count, 8);
    for (uint32_t i = 0, at = 0; i < count; i++, at++) {
        uint64_t packed = 0;

        if (writing(io)) {
            while (core->outcomes[at].id == 0)
                at++;
            packed = (uint64_t)core->outcomes[at].id << 1 | core->outcomes[at].good;
        }
        io_u64(io, &packed);
        if (writing(io))
            continue;
        if (io->bad || capacity == 0 || packed >> 1 == 0 ||
            (int64_t)(packed >> 1) >= core->job_next) {
            io->bad = true;
            return;
        }
        core->outcomes[(packed >> 1) & (capacity - 1)] =
            (struct dk_outcome){ (int64_t)(packed >> 1), packed & 1 };
    }
}

static void io_keys(struct io *io)
{
    struct dk_core *core = io->core;
    uint64_t total = core->key_count, kept, first;

    io_u64(io, &total);
    kept = total < DK_KEYS_MAX ? total : DK_KEYS_MAX;
    if (!writing(io) && kept > (uint64_t)(io->limit - io->at) / 40) {
        io->bad = true;
        return;
    }
    first = total - kept;
    if (!writing(io) && first > 0) { /* the ring is full: its beginning is where it was */
        core->keys = dk_alloc_new(core->alloc, DK_KEYS_MAX * sizeof(*core->keys));
        memset(core->keys, 0, DK_KEYS_MAX * sizeof(*core->keys));
        core->key_capacity = DK_KEYS_MAX;
        core->key_count = first;
    }
    for (uint64_t i = first; i < total && !io->bad; i++) {
        struct dk_key_entry entry;

        memset(&entry, 0, sizeof(entry));
        if (writing(io))
            entry = core->keys[i % DK_KEYS_MAX];
        io_bytes(io, entry.key, sizeof(entry.key));
        entry.key_size = (uint32_t)io_within(io, entry.key_size, 1, 16);
        io_i32(io, &entry.uid);
        io_i64(io, &entry.job);
        if (!writing(io)) {
            struct dk_bytes key = { entry.key, entry.key_size };

            dk_key_restore(core, entry.uid, key, entry.job);
        }
    }
}

/* Passes that decisions of the last batch made due. */
static void io_due(struct io *io)
{
    struct dk_core *core = io->core;

    for (uint32_t i = 0; i < core->partition_count && !io->bad; i++) {
        struct dk_domain *domain;
        uint8_t due;

        if (core->partitions[i].name == 0)
            continue;
        domain = &core->domains[core->partitions[i].domain];
        due = (uint8_t)(domain->pass_due | domain->freed << 1);
        due = (uint8_t)io_within(io, due, 0, 3);
        domain->pass_due = due & 1;
        domain->freed = due >> 1;
        domain->late = domain->freed_late = false;
    }
}

/* --- the two directions --- */

void dk_core_snapshot(const struct dk_core *core, struct dk_buf *out)
{
    struct io io = { (struct dk_core *)(uintptr_t)core, out, NULL, NULL, false };
    char magic[8] = { 'd', 'k', 's', 'n', 'a', 'p', '0', '2' }, end[4] = { 'e', 'n', 'd', '.' };

    dk_domains_ensure(io.core);
    io_bytes(&io, magic, sizeof(magic));
    io_counters(&io);
    io_config(&io);
    io_nodes(&io);
    io_partitions(&io);
    jobs_write(&io);
    io_outcomes(&io);
    io_keys(&io);
    io_due(&io);
    io_bytes(&io, end, sizeof(end));
    DK_CHECK(!io.bad); /* the buffer's maximum is the caller's to choose large enough */
}

static void digest_build(struct dk_core *core)
{
    core->digest = 0;
    if (!core->options.digest)
        return;
    for (uint32_t i = 0; i < core->node_count; i++) {
        core->nodes[i].hash = 0;
        dk_digest_node(core, i);
    }
    for (uint32_t i = 0; i < core->partition_count; i++) {
        core->partitions[i].hash = 0;
        dk_digest_partition(core, i);
    }
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        dk_job_at(core, slot)->hash = 0;
        dk_digest_job(core, dk_job_at(core, slot));
    }
    for (uint32_t i = 0; i < core->outcome_capacity; i++)
        if (core->outcomes[i].id != 0)
            core->digest += dk_digest_outcome(&core->outcomes[i]);
    for (uint32_t i = 0; i < dk_min((int64_t)core->key_count, DK_KEYS_MAX); i++)
        core->digest += dk_digest_key(&core->keys[i]);
    if (core->config.seq > 0)
        core->digest += core->config.hash;
}

static bool nodes_settle(struct io *io)
{
    struct dk_core *core = io->core;

    dk_bitmap_extend(&core->cores_free, core->cores_total);
    dk_bitmap_extend(&core->gpus_free, core->gpus_total);
    for (uint32_t i = 0; i < core->node_count; i++) {
        const struct dk_node *node = &core->nodes[i];

        if (dk_bitmap_count_range(&core->cores_free, node->core_first, node->cores) != 0 ||
            dk_bitmap_count_range(&core->gpus_free, node->gpu_first, node->gpus) != 0)
            return false;
        dk_bitmap_add_range(&core->cores_free, node->core_first, node->cores);
        dk_bitmap_add_range(&core->gpus_free, node->gpu_first, node->gpus);
        dk_node_restore(core, i);
    }
    return core->segment_count > 0 || core->cores_total == 0;
}

enum dk_status dk_core_restore(struct dk_core **out, const uint8_t *data, size_t size,
                               const struct dk_alloc *alloc, const struct dk_core_options *options,
                               struct dk_err *err)
{
    struct dk_core *core = dk_core_create(alloc, options);
    struct io io = { core, NULL, data, data + size, false };
    char magic[8], end[4];

    *out = NULL;
    io_bytes(&io, magic, sizeof(magic));
    if (memcmp(magic, "dksnap", 6) != 0) {
        dk_core_destroy(core);
        return dk_fail(err, DK_CORRUPT, "these bytes are not a snapshot");
    }
    if (memcmp(magic + 6, "02", 2) != 0) {
        dk_core_destroy(core);
        return dk_fail(err, DK_UNSUPPORTED,
                       "the snapshot is of version %.2s, this program reads 02", magic + 6);
    }
    io_counters(&io);
    io_config(&io);
    io_nodes(&io);
    io.bad = io.bad || !nodes_settle(&io);
    if (!io.bad)
        io_partitions(&io);
    if (!io.bad)
        jobs_read(&io);
    if (!io.bad)
        io_outcomes(&io);
    if (!io.bad)
        io_keys(&io);
    if (!io.bad) {
        conditions_link(&io);
        arrays_check(&io);
    }
    if (!io.bad) {
        dk_limits_rebuild(core);
        dk_domains_rebuild(core);
        io_due(&io);
    }
    io_bytes(&io, end, sizeof(end));
    if (io.bad || memcmp(end, "end.", 4) != 0 || io.at != io.limit) {
        size_t place = (size_t)(io.at - data);

        dk_core_destroy(core);
        return dk_fail(err, DK_CORRUPT, "the snapshot is damaged at byte %zu of %zu", place, size);
    }
    dk_begins_tidy(core);
    digest_build(core);
    *out = core;
    return DK_OK;
}
