/* live_snapshot.c - the live views as bytes, and back (live.h)
 *
 *     | "DKLIVE2" 0 | sizes of structs | head | changes | erasures | nodes | ranges | config |
 * partitions | jobs |
 *
 * Plain structs as they lie in memory, behind each what its pointers point to: a cache for this
 * machine and this version of the program, kept with a checksum (log/snapshots.h). Who reads it
 * still holds every count against what is left. A run is made anew from its cores. */
#include "projections/live_inside.h"

#include "base/check.h"
#include "event/codec.h"

#include <stdlib.h>
#include <string.h>

static const char magic[8] = "DKLIVE2";

struct head {
    char magic[8];
    uint32_t job_size, node_size, change_size;
    int64_t seq, time;
    uint32_t change_count, node_count, core_range_count, gpu_range_count, partition_count;
    uint32_t job_count, erasure_count;
    int64_t settings_seq, settings_time;
    int32_t settings_epoch;
    uint32_t has_config; /* a bool may be read only when it is one */
};

/* --- writing --- */

static void put(struct dk_buf *out, const void *bytes, size_t size)
{
    if (size > 0)
        DK_CHECK(dk_buf_add(out, bytes, size));
}

static void put_bytes(struct dk_buf *out, const void *bytes, uint32_t size)
{
    put(out, &size, sizeof(size));
    put(out, bytes, size);
}

static void put_text(struct dk_buf *out, struct dk_text text)
{
    put_bytes(out, text.data, text.size);
}

static void put_word(struct dk_buf *out, const char *text)
{
    put_bytes(out, text, text != NULL ? (uint32_t)strlen(text) : 0);
}

static void put_event(struct dk_buf *out, const struct dk_event *event)
{
    struct dk_buf bytes;
    struct dk_err err;

    dk_buf_init(&bytes, &dk_heap, 256 << 20);
    DK_CHECK(dk_event_encode(event, &bytes, &err) == DK_OK);
    put_bytes(out, bytes.data, (uint32_t)bytes.size);
    dk_buf_release(&bytes);
}

/* Without ForgetJobs: after a start every node begins anew. */
static void put_orders(struct dk_buf *out, const struct dk_live_node *node)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < node->order_count; i++)
        count += node->orders[i].kind != DK_ORDERED_FORGET;
    put(out, &count, sizeof(count));
    for (uint32_t i = 0; i < node->order_count; i++)
        if (node->orders[i].kind != DK_ORDERED_FORGET)
            put(out, &node->orders[i], sizeof(node->orders[i]));
}

static void put_node(struct dk_buf *out, const struct dk_live_node *node)
{
    put(out, node, sizeof(*node));
    put_text(out, node->name);
    put_text(out, node->host);
    put_text(out, node->topology);
    put_text(out, node->isolation);
    put_text(out, node->version);
    put_text(out, node->boot);
    put_text(out, node->features);
    put_text(out, node->reason);
    put_text(out, node->reason_user);
    put_orders(out, node);
}

static void put_run(struct dk_buf *out, const struct dk_live_run *run)
{
    put_bytes(out, run->core_spans, run->core_span_count * (uint32_t)sizeof(struct dk_span));
    put_bytes(out, run->gpu_spans, run->gpu_span_count * (uint32_t)sizeof(struct dk_span));
    put_bytes(out, run->core_firsts, run->node_count * (uint32_t)sizeof(uint32_t));
    put_bytes(out, run->gpu_firsts, run->node_count * (uint32_t)sizeof(uint32_t));
}

static void put_job(struct dk_buf *out, const struct dk_live_job *job)
{
    put(out, job, sizeof(*job));
    put_word(out, job->partition);
    put_word(out, job->user);
    put_word(out, job->host);
    put_bytes(out, job->spec->bytes, job->spec->size);
    if (job->array != NULL) {
        put(out, job->array, sizeof(*job->array));
        put_bytes(out, job->array->ranges,
                  job->array->count * (uint32_t)sizeof(*job->array->ranges));
    }
    if (job->run != NULL)
        put_run(out, job->run);
}

static void put_erasures(struct dk_buf *out, const struct dk_live *live)
{
    struct dk_event event = { .type = DK_EVENT_SECRETS_ERASED };

    for (uint32_t i = 0; i < live->erasure_count; i++) {
        const struct dk_erasure *erasure = &live->erasures[i];

        event.meta.seq = erasure->seq;
        event.meta.time = erasure->time;
        event.meta.has_actor = true;
        event.meta.actor = (struct dk_actor){ .uid = erasure->by, .user = erasure->by_user };
        event.secrets_erased.uid = erasure->uid;
        event.secrets_erased.why = erasure->why;
        put_event(out, &event);
    }
}

static void put_site(struct dk_buf *out, const struct dk_live *live)
{
    struct dk_event event = { .type = DK_EVENT_CONFIGURATION_APPLIED };

    for (uint32_t i = 0; i < live->change_count; i++) {
        put(out, &live->changes[i], sizeof(live->changes[i]));
        put_text(out, live->changes[i].user);
        put_text(out, live->changes[i].note);
        put_text(out, live->changes[i].what);
    }
    put_erasures(out, live);
    for (uint32_t i = 0; i < live->node_count; i++)
        put_node(out, &live->nodes[i]);
    put(out, live->core_ranges, live->core_range_count * sizeof(*live->core_ranges));
    put(out, live->gpu_ranges, live->gpu_range_count * sizeof(*live->gpu_ranges));
    event.configuration_applied.config = live->config;
    put_event(out, &event);
    event.type = DK_EVENT_PARTITION_CONFIGURED;
    for (uint32_t i = 0; i < live->partition_count; i++) {
        event.partition_configured.spec = live->partitions[i].spec;
        put_event(out, &event);
    }
}

void dk_live_write(const struct dk_live *live, struct dk_buf *out)
{
    struct head head;

    memset(&head, 0, sizeof(head));
    memcpy(head.magic, magic, sizeof(magic));
    head.job_size = sizeof(struct dk_live_job);
    head.node_size = sizeof(struct dk_live_node);
    head.change_size = sizeof(struct dk_config_change);
    head.seq = live->seq;
    head.time = live->time;
    head.change_count = live->change_count;
    head.erasure_count = live->erasure_count;
    head.node_count = live->node_count;
    head.core_range_count = live->core_range_count;
    head.gpu_range_count = live->gpu_range_count;
    head.partition_count = live->partition_count;
    head.job_count = live->active;
    head.settings_seq = live->settings_seq;
    head.settings_time = live->settings_time;
    head.settings_epoch = live->settings_epoch;
    head.has_config = live->has_config;
    put(out, &head, sizeof(head));
    put_site(out, live);
    for (uint32_t i = 0; i < live->order_count; i++)
        if (live->order[i] != DK_SLOT_NONE)
            put_job(out, dk_live_job_at(live, live->order[i]));
}

/* --- reading --- */

struct input {
    struct dk_live *live;
    const uint8_t *at, *end;
    bool bad;
};

static bool get(struct input *input, void *bytes, size_t size)
{
    if (input->bad || (size_t)(input->end - input->at) < size) {
        input->bad = true;
        memset(bytes, 0, size);
        return false;
    }
    if (size > 0)
        memcpy(bytes, input->at, size);
    input->at += size;
    return true;
}

static struct dk_bytes get_bytes(struct input *input)
{
    struct dk_bytes bytes = { NULL, 0 };
    uint32_t size = 0;

    if (!get(input, &size, sizeof(size)) || (size_t)(input->end - input->at) < size) {
        input->bad = true;
        return bytes;
    }
    bytes.data = input->at;
    bytes.size = size;
    input->at += size;
    return bytes;
}

static struct dk_text get_text(struct input *input)
{
    struct dk_bytes bytes = get_bytes(input);

    if (!dk_utf8_valid(bytes.data, bytes.size)) /* an order with it could not be written */
        input->bad = true;
    return dk_texts_keep(&input->live->texts,
                         (struct dk_text){ (const char *)bytes.data, bytes.size });
}

/* An array of structs, copied so that it is aligned; in `scratch`. */
static void *get_array(struct input *input, size_t item, uint32_t *count)
{
    struct dk_bytes bytes = get_bytes(input);
    void *copy = dk_arena_take(&input->live->scratch, (size_t)bytes.size + 1);

    *count = (uint32_t)(bytes.size / item);
    if (bytes.size % item != 0)
        input->bad = true;
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static bool get_event(struct input *input, enum dk_event_type type, struct dk_event *event)
{
    struct dk_bytes bytes = get_bytes(input);
    struct dk_err err;

    if (input->bad ||
        dk_event_decode(bytes.data, bytes.size, &input->live->scratch, event, &err) != DK_OK ||
        event->type != type)
        input->bad = true;
    return !input->bad;
}

/* --- what can't be, however well it is written: nobody behind here asks again --- */

enum { NAME_MAX_SIZE = 64, HOST_MAX_SIZE = 255, SPANS_MAX = 65536, GPU_SPANS_MAX = 4096 };

#define AMOUNT_MAX (INT64_C(1) << 40)
#define TIME_MAX (INT64_MAX / 2) /* as the core admits them */
#define MEMORY_MAX UINT32_MAX
#define CORES_MAX (INT32_MAX / 2)

static bool is_within(int64_t value, int64_t most)
{
    return value >= -most && value <= most;
}

static bool entry_is_good(const struct dk_order_entry *entry)
{
    return entry->kind == DK_ORDERED_RUN ||
           (entry->kind == DK_ORDERED_END && entry->word < DK_END_STATE_COUNT) ||
           (entry->kind == DK_ORDERED_SIGNAL && entry->word < DK_SIGNAL_TARGET_COUNT);
}

static bool node_is_good(const struct dk_live_node *node)
{
    uint8_t lost; /* not read as a bool before it is known to be one */

    memcpy(&lost, (const uint8_t *)node + offsetof(struct dk_live_node, lost), 1);
    return lost <= 1 && (uint32_t)node->condition < DK_NODE_CONDITION_COUNT &&
           is_within(node->memory, AMOUNT_MAX) && is_within(node->cores_used, AMOUNT_MAX) &&
           is_within(node->gpus_used, AMOUNT_MAX) && is_within(node->memory_used, AMOUNT_MAX) &&
           is_within(node->jobs, AMOUNT_MAX);
}

static bool spans_are_good(const struct dk_span *spans, uint32_t count)
{
    int64_t end = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (spans[i].gap < 0 || spans[i].gap > INT32_MAX || spans[i].count < 1 ||
            spans[i].count > INT32_MAX)
            return false;
        end += spans[i].gap + spans[i].count;
        if (end > CORES_MAX)
            return false;
    }
    return true;
}

static bool tasks_are_good(const struct dk_index_range *ranges, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (ranges[i].first < 0 || ranges[i].last < ranges[i].first || ranges[i].step < 1 ||
            (i > 0 && ranges[i].first <= ranges[i - 1].last))
            return false;
    return true;
}

/* The jobs come in order of id. */
static bool job_is_good(const struct dk_live *live, const struct dk_live_job *job)
{
    uint32_t last = live->order_count > 0 ? live->order[live->order_count - 1] : DK_SLOT_NONE;

    return job->id > 0 && (last == DK_SLOT_NONE || dk_live_job_at(live, last)->id < job->id) &&
           job->state < DK_ROW_COMPLETED && (job->state == DK_ROW_PENDING) == (job->run == NULL) &&
           (job->run == NULL || job->array == NULL) && job->ending < DK_END_STATE_COUNT &&
           job->key_size <= sizeof(job->key) && is_within(job->submit, TIME_MAX) &&
           is_within(job->eligible, TIME_MAX) && is_within(job->start, TIME_MAX) &&
           is_within(job->end_requested, TIME_MAX) && is_within(job->limit_us, TIME_MAX);
}

/* --- piece by piece --- */

static void get_change(struct input *input)
{
    struct dk_config_change change;

    if (!get(input, &change, sizeof(change)))
        return;
    change.user = get_text(input);
    change.note = get_text(input);
    change.what = get_text(input);
    dk_live_change_add(input->live, &change);
}

static void get_orders(struct input *input, struct dk_live_node *node)
{
    uint32_t count = 0;

    node->orders = NULL;
    node->order_count = node->order_capacity = 0;
    node->orders_floor = 0;
    if (!get(input, &count, sizeof(count)) ||
        count > (size_t)(input->end - input->at) / sizeof(*node->orders)) {
        input->bad = true;
        return;
    }
    if (count == 0)
        return;
    node->orders = malloc(count * sizeof(*node->orders));
    DK_CHECK(node->orders != NULL);
    (void)get(input, node->orders, count * sizeof(*node->orders));
    node->order_count = node->order_capacity = count;
    for (uint32_t i = 0; i < count; i++)
        input->bad = input->bad || !entry_is_good(&node->orders[i]);
    input->live->orders_outstanding += count;
}

static void get_node(struct input *input)
{
    struct dk_live_node node, *kept;

    if (!get(input, &node, sizeof(node)))
        return;
    if (!node_is_good(&node)) {
        input->bad = true;
        return;
    }
    node.name = get_text(input);
    node.host = get_text(input);
    node.topology = get_text(input);
    node.isolation = get_text(input);
    node.version = get_text(input);
    node.boot = get_text(input);
    node.features = get_text(input);
    node.reason = get_text(input);
    node.reason_user = get_text(input);
    if (node.name.size > NAME_MAX_SIZE)
        input->bad = true;
    get_orders(input, &node);
    kept = dk_live_node_add(input->live, node.name);
    *kept = node;
}

static void get_ranges(struct input *input, struct dk_range_of_node **ranges, uint32_t *count,
                       uint32_t *capacity, uint32_t wanted)
{
    if (input->bad || wanted > (size_t)(input->end - input->at) / sizeof(**ranges)) {
        input->bad = true;
        return;
    }
    if (wanted == 0)
        return;
    *ranges = malloc(wanted * sizeof(**ranges));
    DK_CHECK(*ranges != NULL);
    (void)get(input, *ranges, wanted * sizeof(**ranges));
    *count = *capacity = wanted;
    for (uint32_t i = 0; i < wanted; i++)
        input->bad = input->bad || (*ranges)[i].node >= input->live->node_count ||
                     (i > 0 && (*ranges)[i].first < (*ranges)[i - 1].first);
}

static void get_run(struct input *input, struct dk_live_job *job)
{
    struct dk_job_placed placed = { .job = job->id };
    uint32_t *core_firsts, *gpu_firsts, core_count, gpu_count;

    placed.cores = get_array(input, sizeof(struct dk_span), &placed.cores_count);
    placed.gpus = get_array(input, sizeof(struct dk_span), &placed.gpus_count);
    core_firsts = get_array(input, sizeof(uint32_t), &core_count);
    gpu_firsts = get_array(input, sizeof(uint32_t), &gpu_count);
    if (placed.cores_count > SPANS_MAX || placed.gpus_count > GPU_SPANS_MAX ||
        !spans_are_good(placed.cores, placed.cores_count) ||
        !spans_are_good(placed.gpus, placed.gpus_count))
        input->bad = true;
    if (input->bad)
        return;
    job->run = dk_live_run_make(input->live, &placed);
    if (job->run->node_count == 0 || core_count != job->run->node_count ||
        gpu_count != job->run->node_count) {
        input->bad = true;
        return;
    }
    memcpy(job->run->core_firsts, core_firsts, core_count * sizeof(uint32_t));
    memcpy(job->run->gpu_firsts, gpu_firsts, gpu_count * sizeof(uint32_t));
}

static void get_task_array(struct input *input, struct dk_live_job *job)
{
    struct dk_live_array kept, *array = calloc(1, sizeof(*array));
    struct dk_index_range *ranges;
    uint32_t count;

    DK_CHECK(array != NULL);
    job->array = array;
    array->first_task = DK_SLOT_NONE;
    array->capacity = 4;
    (void)get(input, &kept, sizeof(kept));
    ranges = get_array(input, sizeof(*ranges), &count);
    array->capacity += count;
    array->ranges = calloc(array->capacity, sizeof(*ranges));
    DK_CHECK(array->ranges != NULL);
    if (count > 0)
        memcpy(array->ranges, ranges, count * sizeof(*ranges));
    array->count = count;
    array->task_min = kept.task_min;
    array->task_max = kept.task_max;
    array->task_count = kept.task_count;
    array->task_step = kept.task_step;
    if (!tasks_are_good(ranges, count))
        input->bad = true;
    for (uint32_t i = 0; i < count && !input->bad; i++)
        input->live->tasks_waiting +=
            (uint32_t)((ranges[i].last - ranges[i].first) / ranges[i].step) + 1;
}

/* Its specification, and that nothing made of it is too large. */
static void get_spec(struct input *input, struct dk_live_job *job)
{
    struct dk_live *live = input->live;
    struct dk_bytes bytes = get_bytes(input);
    const struct dk_job_spec *spec;

    job->spec = dk_live_spec_hold(live, bytes.data, bytes.size);
    if (!dk_live_spec_is_good(job->spec, &live->scratch)) {
        input->bad = true;
        return;
    }
    spec = job->run != NULL ? dk_live_spec_of(job, &live->scratch) : NULL;
    if (spec != NULL && (!is_within(spec->memory_mib_per_node, MEMORY_MAX) ||
                         !is_within(spec->memory_mib_per_cpu, MEMORY_MAX)))
        input->bad = true;
}

static void get_job(struct input *input)
{
    struct dk_live *live = input->live;
    struct dk_live_job kept, *job;
    struct dk_text partition, user, host;

    dk_arena_reset(&live->scratch);
    if (!get(input, &kept, sizeof(kept)))
        return;
    partition = get_text(input);
    user = get_text(input);
    host = get_text(input);
    if (!job_is_good(live, &kept) || user.size > NAME_MAX_SIZE || host.size > HOST_MAX_SIZE) {
        input->bad = true;
        return;
    }
    job = dk_live_job_add(live, kept.id, partition);
    kept.partition = job->partition;
    kept.user = user.data;
    kept.host = host.data;
    kept.task_next = DK_SLOT_NONE;
    get_spec(input, &kept);
    dk_live_job_state_set(live, job, (enum dk_row_state)kept.state);
    *job = kept;
    job->run = NULL;
    job->array = NULL;
    if (kept.array != NULL)
        get_task_array(input, job);
    if (kept.run != NULL)
        get_run(input, job);
    if (kept.array_job != 0 && kept.array == NULL)
        dk_live_task_link(live, job);
}

static void get_all(struct input *input, const struct head *head)
{
    struct dk_live *live = input->live;
    struct dk_event event;

    for (uint32_t i = 0; i < head->change_count && !input->bad; i++)
        get_change(input);
    for (uint32_t i = 0; i < head->erasure_count && !input->bad; i++)
        if (get_event(input, DK_EVENT_SECRETS_ERASED, &event))
            dk_live_erased(live, &event);
    for (uint32_t i = 0; i < head->node_count && !input->bad; i++)
        get_node(input);
    get_ranges(input, &live->core_ranges, &live->core_range_count, &live->core_range_capacity,
               head->core_range_count);
    get_ranges(input, &live->gpu_ranges, &live->gpu_range_count, &live->gpu_range_capacity,
               head->gpu_range_count);
    if (get_event(input, DK_EVENT_CONFIGURATION_APPLIED, &event))
        dk_live_config_set(live, &event.configuration_applied.config);
    live->has_config = head->has_config != 0;
    for (uint32_t i = 0; i < head->partition_count && !input->bad; i++)
        if (get_event(input, DK_EVENT_PARTITION_CONFIGURED, &event))
            dk_live_partition_set(live, &event.partition_configured.spec);
    for (uint32_t i = 0; i < head->job_count && !input->bad; i++)
        get_job(input);
}

enum dk_status dk_live_restore(struct dk_live **out, const struct dk_live_hooks *hooks,
                               const uint8_t *data, size_t size, struct dk_err *err)
{
    struct input input = { NULL, data, data + size, false };
    struct head head;

    *out = NULL;
    if (!get(&input, &head, sizeof(head)) || memcmp(head.magic, magic, sizeof(magic)) != 0 ||
        head.job_size != sizeof(struct dk_live_job) ||
        head.node_size != sizeof(struct dk_live_node) ||
        head.change_size != sizeof(struct dk_config_change))
        return dk_fail(err, DK_UNSUPPORTED, "these are no live views of this version of docket");
    input.live = dk_live_create(hooks);
    input.live->seq = head.seq;
    input.live->time = head.time;
    input.live->settings_seq = head.settings_seq;
    input.live->settings_time = head.settings_time;
    input.live->settings_epoch = head.settings_epoch;
    get_all(&input, &head);
    if (input.bad || input.at != input.end) {
        dk_live_destroy(input.live);
        return dk_fail(err, DK_CORRUPT, "the live views that were saved cannot be read");
    }
    *out = input.live;
    return DK_OK;
}
