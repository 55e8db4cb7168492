/* row_codec.c - see row_codec.h
 *
 * One walk over the fields serves both ways, so that what is written and what is read cannot
 * differ. Reading, every count is held against the bytes that are left: each item has at least
 * one.
 *
 * The order is for the compressor: what a user's jobs have in common stands together at the front,
 * and becomes one reference to the row before. */
#include "projections/row_codec.h"

#include "base/fixed.h"
#include "net/hostlist.h"
#include "projections/bytes.h"

enum { ROW_FORMAT = 1, STEP_STARTED = 1, STEP_ENDED = 2 };

struct walk {
    struct dk_buf *out; /* NULL: reading */
    const uint8_t *at, *end;
    struct dk_arena *arena;
    bool bad;
};

static void natural_slow(struct walk *walk, uint64_t *value)
{
    const uint8_t *next;
    uint8_t *room;

    if (walk->out != NULL) {
        room = dk_buf_room(walk->out, DK_VARINT_MAX);
        if (room == NULL)
            walk->bad = true;
        else
            walk->out->size = (size_t)(dk_varint_put(room, *value) - walk->out->data);
        return;
    }
    *value = 0;
    if (walk->bad)
        return;
    next = dk_varint_get(walk->at, walk->end, value);
    if (next == NULL) {
        walk->bad = true;
        *value = 0;
    } else {
        walk->at = next;
    }
}

/* Most numbers of a row are one byte: a third of listing all of them is spent here. */
static inline void walk_natural(struct walk *walk, uint64_t *value)
{
    if (__builtin_expect(walk->out == NULL && walk->at < walk->end && *walk->at < 0x80, 1))
        *value = *walk->at++;
    else
        natural_slow(walk, value);
}

static inline void walk_long(struct walk *walk, int64_t *value)
{
    uint64_t raw = dk_zigzag(*value);

    walk_natural(walk, &raw);
    *value = dk_zigzag_back(raw);
}

static void walk_int(struct walk *walk, int32_t *value)
{
    int64_t wide = *value;

    walk_long(walk, &wide);
    if (wide < INT32_MIN || wide > INT32_MAX) {
        walk->bad = true;
        wide = 0;
    }
    *value = (int32_t)wide;
}

/* A number of items that follow, each of at least one byte. */
static void walk_count(struct walk *walk, uint32_t *count)
{
    uint64_t value = *count;

    walk_natural(walk, &value);
    if (walk->out == NULL && value > (uint64_t)(walk->end - walk->at)) {
        walk->bad = true;
        value = 0;
    }
    *count = (uint32_t)value;
}

/* For items that are read; NULL for none. */
static void *items_room(struct walk *walk, uint32_t count, size_t size)
{
    return count > 0 ? dk_arena_take(walk->arena, count * size) : NULL;
}

static void walk_bytes(struct walk *walk, struct dk_bytes *bytes)
{
    walk_count(walk, &bytes->size);
    if (walk->out != NULL) {
        if (!dk_buf_add(walk->out, bytes->data, bytes->size))
            walk->bad = true;
        return;
    }
    bytes->data = walk->at;
    walk->at += bytes->size;
}

static void walk_text(struct walk *walk, struct dk_text *text)
{
    struct dk_bytes bytes = { (const uint8_t *)text->data, text->size };

    walk_bytes(walk, &bytes);
    *text = (struct dk_text){ (const char *)bytes.data, bytes.size };
}

static void walk_flags(struct walk *walk, bool *const *flags, uint32_t count)
{
    uint64_t bits = 0;

    for (uint32_t i = 0; i < count; i++)
        bits |= *flags[i] ? UINT64_C(1) << i : 0;
    walk_natural(walk, &bits);
    for (uint32_t i = 0; i < count; i++)
        *flags[i] = (bits >> i & 1) != 0;
}

static void walk_texts(struct walk *walk, const struct dk_text **texts, uint32_t *count)
{
    const struct dk_text *from = *texts;
    struct dk_text *read = NULL;

    walk_count(walk, count);
    if (walk->out == NULL) {
        read = items_room(walk, *count, sizeof(*read));
        *texts = read;
    }
    for (uint32_t i = 0; i < *count; i++) {
        struct dk_text text = walk->out != NULL ? from[i] : (struct dk_text){ NULL, 0 };

        walk_text(walk, &text);
        if (read != NULL)
            read[i] = text;
    }
}

static void walk_spans(struct walk *walk, const struct dk_span **spans, uint32_t *count)
{
    const struct dk_span *from = *spans;
    struct dk_span *read = NULL;

    walk_count(walk, count);
    if (walk->out == NULL) {
        read = items_room(walk, *count, sizeof(*read));
        *spans = read;
    }
    for (uint32_t i = 0; i < *count; i++) {
        struct dk_span span = walk->out != NULL ? from[i] : (struct dk_span){ 0, 0 };

        walk_long(walk, &span.gap);
        walk_long(walk, &span.count);
        if (read != NULL)
            read[i] = span;
    }
}

static void walk_ranges(struct walk *walk, const struct dk_index_range **ranges, uint32_t *count)
{
    const struct dk_index_range *from = *ranges;
    struct dk_index_range *read = NULL;

    walk_count(walk, count);
    if (walk->out == NULL) {
        read = items_room(walk, *count, sizeof(*read));
        *ranges = read;
    }
    for (uint32_t i = 0; i < *count; i++) {
        struct dk_index_range range =
            walk->out != NULL ? from[i] : (struct dk_index_range){ 0, 0, 0 };

        walk_int(walk, &range.first);
        walk_int(walk, &range.last);
        walk_int(walk, &range.step);
        if (read != NULL)
            read[i] = range;
    }
}

static void walk_dependencies(struct walk *walk, struct dk_job_spec *spec)
{
    const struct dk_dependency *from = spec->dependencies;
    struct dk_dependency *read = NULL;

    walk_count(walk, &spec->dependencies_count);
    if (walk->out == NULL) {
        read = items_room(walk, spec->dependencies_count, sizeof(*read));
        spec->dependencies = read;
    }
    for (uint32_t i = 0; i < spec->dependencies_count; i++) {
        struct dk_dependency one =
            walk->out != NULL ? from[i] : (struct dk_dependency){ DK_DEPENDENCY_KIND_AFTER, 0, 0 };
        uint64_t kind = one.kind;

        walk_natural(walk, &kind);
        walk_long(walk, &one.job);
        walk_long(walk, &one.delay_us);
        if (kind >= DK_DEPENDENCY_KIND_COUNT) {
            walk->bad = true;
            kind = 0;
        }
        one.kind = (enum dk_dependency_kind)kind;
        if (read != NULL)
            read[i] = one;
    }
}

static void walk_usage(struct walk *walk, struct dk_usage *usage)
{
    walk_long(walk, &usage->user_us);
    walk_long(walk, &usage->system_us);
    walk_long(walk, &usage->rss_max_kib);
    walk_long(walk, &usage->read_bytes);
    walk_long(walk, &usage->written_bytes);
}

/* Runs of equal numbers: | count | cores | ... */
static void walk_node_cores(struct walk *walk, struct dk_job_row *row)
{
    const int32_t *from = row->node_cores;
    int32_t *read = NULL;

    if (walk->out == NULL) {
        read = items_room(walk, row->node_count, sizeof(*read));
        row->node_cores = read;
    }
    for (uint32_t i = 0; i < row->node_count && !walk->bad;) {
        uint64_t run = 1;
        int32_t cores = 0;

        if (walk->out != NULL) {
            cores = from[i];
            while (i + run < row->node_count && from[i + run] == cores)
                run++;
        }
        walk_natural(walk, &run);
        walk_int(walk, &cores);
        if (run == 0 || run > row->node_count - i) {
            walk->bad = true;
            return;
        }
        for (uint64_t j = 0; read != NULL && j < run; j++)
            read[i + j] = cores;
        i += (uint32_t)run;
    }
}

static bool is_one_name(struct dk_text list)
{
    for (uint32_t i = 0; i < list.size; i++)
        if (list.data[i] == '[' || list.data[i] == ',' || list.data[i] == ' ')
            return false;
    return list.size > 0;
}

static struct dk_text text_kept(struct dk_text text, struct dk_arena *arena)
{
    char *copy = dk_arena_take(arena, text.size + (size_t)1);

    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return (struct dk_text){ copy, text.size };
}

/* The names that a host list says; NULL: not `count` of them. One node is its own list. */
static const struct dk_text *hosts_of(struct dk_text list, uint32_t count, struct dk_arena *arena)
{
    struct dk_text *names = dk_arena_take(arena, count * sizeof(*names));
    struct dk_hostlist hosts;
    bool good;

    if (count == 1 && is_one_name(list)) {
        names[0] = list;
        return names;
    }
    dk_hostlist_init(&hosts);
    good = dk_hostlist_expand(&hosts, text_kept(list, arena).data, NULL) == DK_OK &&
           hosts.count == count;
    for (uint32_t i = 0; good && i < count; i++)
        names[i] = text_kept(dk_text_of(hosts.names[i]), arena);
    dk_hostlist_release(&hosts);
    return good ? names : NULL;
}

/* A host list says the names of all nodes in a few bytes; where it would not give the same names
 * in the same order they are spelled out. */
static bool list_says_all(const struct dk_job_row *row)
{
    struct dk_arena arena;
    const struct dk_text *names;
    bool same;

    dk_arena_init(&arena, &dk_heap);
    names = hosts_of(row->node_list, row->node_count, &arena);
    same = names != NULL;
    for (uint32_t i = 0; same && i < row->node_count; i++)
        same = dk_text_equal(names[i], row->nodes[i]);
    dk_arena_release(&arena);
    return same;
}

static void walk_nodes(struct walk *walk, struct dk_job_row *row)
{
    uint64_t count = row->node_count;
    bool listed = false, host_is_first = false;

    walk_natural(walk, &count);
    if (count > DK_ROW_NODES_MAX) {
        walk->bad = true;
        count = 0;
    }
    row->node_count = (uint32_t)count;
    walk_text(walk, &row->node_list);
    if (walk->out != NULL && count > 0) {
        listed = list_says_all(row);
        host_is_first = dk_text_equal(row->batch_host, row->nodes[0]);
    }
    walk_flags(walk, (bool *const[]){ &listed, &host_is_first }, 2);
    if (!listed)
        walk_texts(walk, &row->nodes, &row->node_count);
    else if (walk->out == NULL && !walk->bad)
        row->nodes = hosts_of(row->node_list, row->node_count, walk->arena);
    if (row->nodes == NULL && row->node_count > 0)
        walk->bad = true;
    if (walk->bad || row->node_count != count) {
        walk->bad = true;
        row->node_count = 0;
        return;
    }
    if (!host_is_first)
        walk_text(walk, &row->batch_host);
    else if (row->node_count > 0)
        row->batch_host = row->nodes[0];
    else
        walk->bad = true;
    walk_node_cores(walk, row);
}

static void walk_launch(struct walk *walk, struct dk_job_launch *launch)
{
    walk_text(walk, &launch->submit_host);
    walk_text(walk, &launch->command);
    walk_text(walk, &launch->std_in);
    walk_text(walk, &launch->std_out);
    walk_text(walk, &launch->std_err);
    walk_text(walk, &launch->mail_user);
    walk_bytes(walk, &launch->environment);
    walk_int(walk, &launch->umask);
    walk_int(walk, &launch->signal);
    walk_long(walk, &launch->signal_before_us);
    walk_int(walk, &launch->mail_events);
}

static void walk_sizes(struct walk *walk, struct dk_job_spec *spec)
{
    walk_int(walk, &spec->nodes);
    walk_int(walk, &spec->tasks);
    walk_int(walk, &spec->cpus_per_task);
    walk_int(walk, &spec->tasks_per_node);
    walk_long(walk, &spec->memory_mib_per_node);
    walk_long(walk, &spec->memory_mib_per_cpu);
    walk_int(walk, &spec->gpus_per_node);
    walk_int(walk, &spec->gpus_per_task);
    walk_long(walk, &spec->limit_us);
    walk_long(walk, &spec->begin);
    walk_int(walk, &spec->nice);
}

/* What jobs of a user tend to share. */
static void walk_shared(struct walk *walk, struct dk_job_row *row, struct dk_job_spec *spec)
{
    walk_text(walk, &row->user);
    walk_text(walk, &row->group);
    walk_int(walk, &row->uid);
    walk_int(walk, &row->gid);
    walk_text(walk, &row->host);
    walk_text(walk, &row->partition);
    walk_text(walk, &spec->partition);
    walk_text(walk, &spec->account);
    walk_text(walk, &spec->constraint);
    walk_texts(walk, &spec->nodes_wanted, &spec->nodes_wanted_count);
    walk_texts(walk, &spec->nodes_excluded, &spec->nodes_excluded_count);
    walk_text(walk, &spec->comment);
    walk_text(walk, &spec->work_dir);
    if (spec->has_launch)
        walk_launch(walk, &spec->launch);
    walk_sizes(walk, spec);
    walk_text(walk, &spec->name);
    walk_bytes(walk, &spec->script);
    walk_bytes(walk, &spec->launch.arguments);
    walk_bytes(walk, &row->key);
    walk_dependencies(walk, spec);
}

/* A time as its distance from another: a few bytes, and often none that differ. 0, which means not
 * known, is told by a flag. Wraps around rather than overflows: any two times have a distance. */
static void walk_time(struct walk *walk, int64_t *time, bool known, int64_t from)
{
    int64_t distance = (int64_t)((uint64_t)*time - (uint64_t)from);

    if (!known) {
        *time = 0;
        return;
    }
    walk_long(walk, &distance);
    *time = (int64_t)((uint64_t)from + (uint64_t)distance);
}

static void walk_times(struct walk *walk, struct dk_job_row *row)
{
    bool eligible = row->eligible != 0, start = row->start != 0, end = row->end != 0;
    bool first = row->first_process != 0, requested = row->end_requested != 0;

    walk_flags(walk, (bool *const[]){ &eligible, &start, &end, &first, &requested }, 5);
    walk_long(walk, &row->submit);
    walk_time(walk, &row->eligible, eligible, row->submit);
    walk_time(walk, &row->start, start, eligible ? row->eligible : row->submit);
    walk_time(walk, &row->first_process, first, row->start);
    walk_time(walk, &row->end, end, start ? row->start : row->submit);
    walk_time(walk, &row->end_requested, requested, row->end);
}

static void walk_end(struct walk *walk, struct dk_job_row *row)
{
    uint64_t state = row->state;

    walk_natural(walk, &state);
    if (state >= DK_ROW_STATE_COUNT) {
        walk->bad = true;
        state = 0;
    }
    row->state = (enum dk_row_state)state;
    walk_int(walk, &row->exit_code);
    walk_int(walk, &row->exit_signal);
    walk_int(walk, &row->ended_by);
    walk_text(walk, &row->why);
    walk_int(walk, &row->attempt);
    if (row->has_usage)
        walk_usage(walk, &row->usage);
}

/* Everything; `row->spec` is `spec`, which may be changed. */
static void walk_row(struct walk *walk, struct dk_job_row *row, struct dk_job_spec *spec,
                     bool *final)
{
    struct dk_job_launch *launch = &spec->launch;
    uint64_t format = ROW_FORMAT;
    int64_t limit = (int64_t)((uint64_t)row->limit_us - (uint64_t)spec->limit_us);

    walk_natural(walk, &format);
    if (format != ROW_FORMAT)
        walk->bad = true;
    walk_flags(walk,
               (bool *const[]){ final, &row->has_usage, &spec->has_launch, &spec->has_array,
                                &spec->exclusive, &spec->hold, &spec->requeue,
                                &spec->kill_on_invalid_dependency, &spec->dependency_any,
                                &launch->append, &launch->signal_batch, &launch->tasks_asked,
                                &launch->cpus_asked, &row->held_by_user, &row->held_by_admin },
               15);
    walk_shared(walk, row, spec);
    walk_long(walk, &limit);
    row->limit_us = (int64_t)((uint64_t)spec->limit_us + (uint64_t)limit);
    walk_long(walk, &row->array_job);
    walk_int(walk, &row->array_task);
    walk_ranges(walk, &row->array_ranges, &row->array_ranges_count);
    if (spec->has_array) {
        walk_int(walk, &spec->array.running_max);
        walk_ranges(walk, &spec->array.ranges, &spec->array.ranges_count);
    }
    walk_long(walk, &row->cores);
    walk_long(walk, &row->gpus);
    walk_nodes(walk, row);
    walk_times(walk, row);
    walk_end(walk, row);
    walk_spans(walk, &row->core_spans, &row->core_spans_count);
    walk_spans(walk, &row->gpu_spans, &row->gpu_spans_count);
}

bool dk_row_encode(const struct dk_job_row *row, bool final, struct dk_buf *out)
{
    struct walk walk = { out, NULL, NULL, NULL, false };
    struct dk_job_row copy = *row;
    struct dk_job_spec spec = *row->spec;
    size_t size = out->size;

    walk_row(&walk, &copy, &spec, &final);
    if (walk.bad)
        out->size = size;
    return !walk.bad;
}

enum dk_status dk_row_decode(const uint8_t *data, size_t size, struct dk_arena *arena,
                             struct dk_job_row *row, bool *final, struct dk_err *err)
{
    struct walk walk = { NULL, data, data + size, arena, false };
    struct dk_job_spec *spec = dk_arena_take(arena, sizeof(*spec));

    memset(row, 0, sizeof(*row));
    memset(spec, 0, sizeof(*spec));
    *final = false;
    row->spec = spec;
    walk_row(&walk, row, spec, final);
    if (walk.bad || walk.at != walk.end)
        return dk_fail(err, DK_CORRUPT,
                       "a row of history is not readable (%zu bytes, fault at %zu)", size,
                       (size_t)(walk.at - data));
    return DK_OK;
}

static void walk_step_started(struct walk *walk, struct dk_job_row *row)
{
    walk_long(walk, &row->start);
    walk_text(walk, &row->step_name);
    walk_int(walk, &row->step_tasks);
    walk_spans(walk, &row->core_spans, &row->core_spans_count);
}

static void walk_step_ended(struct walk *walk, struct dk_job_row *row)
{
    uint64_t state = row->state;

    walk_long(walk, &row->end);
    walk_natural(walk, &state);
    if (state >= DK_ROW_STATE_COUNT) {
        walk->bad = true;
        state = 0;
    }
    row->state = (enum dk_row_state)state;
    walk_int(walk, &row->exit_code);
    walk_int(walk, &row->exit_signal);
    walk_flags(walk, (bool *const[]){ &row->has_usage }, 1);
    if (row->has_usage)
        walk_usage(walk, &row->usage);
}

enum dk_row_state dk_row_state_of_end(enum dk_end_state state)
{
    switch (state) {
    case DK_END_STATE_COMPLETED:
        return DK_ROW_COMPLETED;
    case DK_END_STATE_CANCELLED:
        return DK_ROW_CANCELLED;
    case DK_END_STATE_TIMEOUT:
        return DK_ROW_TIMEOUT;
    case DK_END_STATE_NODE_FAIL:
        return DK_ROW_NODE_FAIL;
    case DK_END_STATE_OUT_OF_MEMORY:
        return DK_ROW_OUT_OF_MEMORY;
    case DK_END_STATE_PREEMPTED:
        return DK_ROW_PREEMPTED;
    case DK_END_STATE_DEADLINE:
        return DK_ROW_DEADLINE;
    case DK_END_STATE_BOOT_FAIL:
        return DK_ROW_BOOT_FAIL;
    case DK_END_STATE_FAILED:
    case DK_END_STATE_COUNT:
        break;
    }
    return DK_ROW_FAILED;
}

bool dk_step_encode(const struct dk_event *event, struct dk_buf *out)
{
    struct walk walk = { out, NULL, NULL, NULL, false };
    struct dk_job_row row = { 0 };
    bool started = event->type == DK_EVENT_STEP_STARTED;
    uint64_t kind = started ? STEP_STARTED : STEP_ENDED;
    size_t size = out->size;

    walk_natural(&walk, &kind);
    if (started) {
        row.start = event->meta.time;
        row.step_name = event->step_started.name;
        row.step_tasks = event->step_started.tasks;
        row.core_spans = event->step_started.cores;
        row.core_spans_count = event->step_started.cores_count;
        walk_step_started(&walk, &row);
    } else {
        row.end = event->meta.time;
        row.state = dk_row_state_of_end(event->step_ended.state);
        row.exit_code = event->step_ended.exit_code;
        row.exit_signal = event->step_ended.signal;
        row.has_usage = event->step_ended.has_usage;
        row.usage = event->step_ended.usage;
        walk_step_ended(&walk, &row);
    }
    if (walk.bad)
        out->size = size;
    return !walk.bad;
}

enum dk_status dk_step_decode(const uint8_t *data, size_t size, struct dk_arena *arena,
                              struct dk_job_row *row, struct dk_err *err)
{
    struct walk walk = { NULL, data, data + size, arena, false };

    while (walk.at < walk.end && !walk.bad) {
        uint64_t kind = 0;

        walk_natural(&walk, &kind);
        if (kind == STEP_STARTED)
            walk_step_started(&walk, row);
        else if (kind == STEP_ENDED)
            walk_step_ended(&walk, row);
        else
            walk.bad = true;
    }
    if (walk.bad || size == 0)
        return dk_fail(err, DK_CORRUPT, "a step of history is not readable (%zu bytes)", size);
    row->cores = 0;
    for (uint32_t i = 0; i < row->core_spans_count; i++)
        row->cores = dk_add_saturated(row->cores, row->core_spans[i].count);
    return DK_OK;
}
