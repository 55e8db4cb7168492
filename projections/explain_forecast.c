/* explain_forecast.c - when would it start: a copy of the core, run forward
 *
 * The assumptions are said with the answer: running jobs end at their limits, nodes stay as they
 * are, nobody submits. So a forecast is what the log promises today, not a prophecy: jobs that end
 * early bring it forward, jobs of a higher priority put it back.
 */
#include "projections/explain_parts.h"

#include "net/hostlist.h"

#include <stdlib.h>
#include <string.h>

/* About a quarter of a second for one job, a second for a list. */
static const struct dk_forward_bounds one_bounds = { 100000, 25000000 };
static const struct dk_forward_bounds list_bounds = { 400000, 100000000 };

struct wanted {
    int64_t job;
    struct dk_core *copy;
    struct dk_arena *arena;
    int64_t start; /* 0: not placed */
    struct dk_node_held *nodes;
    uint32_t node_count;
    int64_t cores;
};

static bool is_wanted(void *context, const struct dk_event *event)
{
    struct wanted *wanted = context;
    const struct dk_job_placed *placed = &event->job_placed;

    if (placed->job != wanted->job && placed->array_job != wanted->job)
        return true;
    wanted->start = event->meta.time;
    wanted->node_count = dk_core_nodes_of(wanted->copy, placed->cores, placed->cores_count,
                                          wanted->arena, &wanted->nodes);
    for (uint32_t i = 0; i < wanted->node_count; i++)
        wanted->cores += wanted->nodes[i].cores;
    return false;
}

/* A job without a limit ends in a hundred years: that is no forecast. */
static bool is_far(int64_t start, int64_t now)
{
    return start - now > INT64_C(50) * 365 * 86400 * 1000000;
}

static void write_found(struct dk_writer *writer, const struct wanted *wanted, int64_t now,
                        const struct dk_forward_result *result)
{
    bool starts = wanted->start != 0 && !is_far(wanted->start, now);

    dk_write_word(writer, "result", starts ? "starts" : "unknown");
    if (starts) {
        dk_write_number(writer, "start", wanted->start);
        dk_write_number(writer, "in", wanted->start - now);
        dk_write_open(writer, "nodes", '[');
        for (uint32_t i = 0; i < wanted->node_count; i++)
            dk_write_text(writer, NULL, wanted->nodes[i].name);
        dk_write_close(writer, ']');
        dk_write_number(writer, "cores", wanted->cores);
    } else {
        dk_write_word(writer, "why",
                      wanted->start != 0 ? "it would wait for a job that has no time limit"
                      : result->bounded  ? "what lies further ahead is not worked out"
                                         : "nothing that is known now would let it start");
        if (wanted->start == 0 && result->bounded)
            dk_write_time(writer, "not_before", result->time);
    }
    dk_write_bool(writer, "bounded", result->bounded);
    dk_write_number(writer, "passes", result->passes);
    dk_write_number(writer, "work", (int64_t)result->work);
    dk_write_number(writer, "until", result->time);
    dk_write_word(writer, "if",
                  "running jobs end at their limits, nodes stay as they are, nobody submits");
}

void dk_write_forecast(struct dk_writer *writer, const struct dk_explain_source *source,
                       int64_t job, struct dk_arena *arena)
{
    struct wanted wanted = { .job = job, .arena = arena };
    struct dk_forward_result result;

    wanted.copy = dk_core_copy(source->core, &dk_heap);
    dk_core_forward(wanted.copy, source->now, &one_bounds, is_wanted, &wanted, &result);
    dk_write_open(writer, "forecast", '{');
    write_found(writer, &wanted, source->now, &result);
    dk_write_close(writer, '}');
    dk_core_destroy(wanted.copy);
}

/* --- a job that is not there --- */

static void write_rejected(struct dk_writer *writer, const struct dk_event *event)
{
    dk_write_word(writer, "result", "rejected");
    dk_write_word(writer, "reason", dk_reject_reason_name(event->request_rejected.reason));
    dk_write_text(writer, "detail", event->request_rejected.detail);
}

static void test_run(struct dk_writer *writer, const struct dk_explain_source *source,
                     struct dk_core *copy, const struct dk_event *submitted, struct dk_arena *arena)
{
    struct wanted wanted = { .job = submitted->job_submitted.job, .copy = copy, .arena = arena };
    struct dk_forward_result result;

    dk_core_apply(copy, submitted);
    dk_core_forward(copy, source->now, &one_bounds, is_wanted, &wanted, &result);
    write_found(writer, &wanted, source->now, &result);
    dk_write_number(writer, "job", wanted.job); /* the id that it would get */
    dk_write_text(writer, "partition", submitted->job_submitted.spec.partition);
    dk_write_number(writer, "limit", submitted->job_submitted.spec.limit_us);
}

enum dk_status dk_answer_test(const struct dk_explain_source *source, const struct dk_actor *actor,
                              bool is_operator, const uint8_t *bytes, size_t size,
                              struct dk_buf *json, struct dk_err *err)
{
    struct dk_writer writer = { json, false };
    struct dk_stamp stamp = {
        .time = source->now, .has_actor = true, .is_operator = is_operator, .actor = *actor
    };
    struct dk_core_stats stats;
    struct dk_request request;
    struct dk_events events;
    struct dk_arena arena;
    struct dk_core *copy;
    enum dk_status status;

    dk_arena_init(&arena, &dk_heap);
    status = dk_request_decode(bytes, size, &arena, &request, err);
    if (status == DK_OK && request.type != DK_REQUEST_SUBMIT_JOB)
        status = dk_fail(err, DK_INVALID, "a test needs a SubmitJob, this is %s",
                         dk_request_name(request.type));
    if (status != DK_OK) {
        dk_arena_release(&arena);
        return DK_INVALID;
    }
    request.meta.key.size = 0; /* nothing is submitted: it is no duplicate of anything */
    copy = dk_core_copy(source->core, &dk_heap);
    dk_core_stats(copy, &stats);
    stamp.number = stats.requests_next > 0 ? stats.requests_next : 1;
    dk_events_init(&events, &dk_heap);
    dk_core_admit(copy, &stamp, &request, &events);
    dk_write_open(&writer, NULL, '{');
    dk_write_number(&writer, "seq", source->seq);
    if (events.items[0].type == DK_EVENT_JOB_SUBMITTED)
        test_run(&writer, source, copy, &events.items[0], &arena);
    else
        write_rejected(&writer, &events.items[0]);
    dk_write_close(&writer, '}');
    dk_events_release(&events);
    dk_core_destroy(copy);
    dk_arena_release(&arena);
    return DK_OK;
}

/* --- starts of all that wait --- */

enum { NODES_NAMED_MAX = 65536 }; /* in all host lists together */

struct start {
    int64_t job, time; /* time INT64_MAX: not placed yet */
    bool is_far;
    struct dk_text nodes;
};

struct dk_starts {
    struct dk_core *copy;
    int64_t now;
    struct start *items; /* by job, for a search by halves */
    uint32_t count, wanted, found, named;
    struct dk_arena arena, scratch;
};

static void starts_gather(void *context, const struct dk_waiting *waiting)
{
    struct dk_starts *starts = context;

    if (waiting->position > 0 && starts->count < starts->wanted)
        starts->items[starts->count++] = (struct start){ .job = waiting->job, .time = INT64_MAX };
}

static int by_job(const void *a, const void *b)
{
    int64_t left = ((const struct start *)a)->job, right = ((const struct start *)b)->job;

    return left < right ? -1 : left > right;
}

static struct start *start_find(struct dk_starts *starts, int64_t job)
{
    uint32_t first = 0, limit = starts->count;

    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;

        if (starts->items[middle].job == job)
            return &starts->items[middle];
        if (starts->items[middle].job < job)
            first = middle + 1;
        else
            limit = middle;
    }
    return NULL;
}

static struct dk_text nodes_text(struct dk_starts *starts, const struct dk_job_placed *placed)
{
    struct dk_node_held *nodes;
    struct dk_hostlist list;
    struct dk_buf text;
    struct dk_text kept;
    uint32_t count;
    char *room;

    dk_arena_reset(&starts->scratch);
    count = dk_core_nodes_of(starts->copy, placed->cores, placed->cores_count, &starts->scratch,
                             &nodes);
    if (count > NODES_NAMED_MAX - starts->named)
        return (struct dk_text){ 0 };
    starts->named += count;
    dk_hostlist_init(&list);
    dk_buf_init(&text, &dk_heap, 1 << 24);
    for (uint32_t i = 0; i < count; i++)
        dk_hostlist_add(&list, nodes[i].name.data, nodes[i].name.size);
    dk_hostlist_sort(&list);
    dk_hostlist_compress(&list, &text);
    room = dk_arena_take(&starts->arena, text.size + 1);
    if (text.size > 0)
        memcpy(room, text.data, text.size);
    kept = (struct dk_text){ room, (uint32_t)text.size };
    dk_buf_release(&text);
    dk_hostlist_release(&list);
    return kept;
}

static bool start_note(void *context, const struct dk_event *event)
{
    struct dk_starts *starts = context;
    const struct dk_job_placed *placed = &event->job_placed;
    struct start *start =
        start_find(starts, placed->array_job != 0 ? placed->array_job : placed->job);

    if (start == NULL || start->time != INT64_MAX)
        return true;
    start->time = event->meta.time;
    start->is_far = is_far(start->time, starts->now);
    if (!start->is_far)
        start->nodes = nodes_text(starts, placed);
    return ++starts->found < starts->count;
}

struct dk_starts *dk_starts_begin(const struct dk_explain_source *source, uint32_t count)
{
    struct dk_starts *starts = dk_alloc_new(&dk_heap, sizeof(*starts));
    struct dk_core_stats stats;

    *starts = (struct dk_starts){ .now = source->now };
    dk_core_stats(source->core, &stats);
    starts->wanted = count < stats.jobs_pending ? count : (uint32_t)stats.jobs_pending;
    dk_arena_init(&starts->arena, &dk_heap);
    dk_arena_init(&starts->scratch, &dk_heap);
    if (starts->wanted == 0)
        return starts;
    starts->items = dk_arena_take(&starts->arena, starts->wanted * sizeof(*starts->items));
    dk_core_waiting_each(source->core, source->now, starts_gather, starts);
    if (starts->count > 0)
        starts->copy = dk_core_copy(source->core, &dk_heap);
    return starts;
}

void dk_starts_end(struct dk_starts *starts, dk_start_visit *visit, void *context)
{
    struct dk_forward_result result;

    if (starts->count > 0) {
        qsort(starts->items, starts->count, sizeof(*starts->items), by_job);
        dk_core_forward(starts->copy, starts->now, &list_bounds, start_note, starts, &result);
        dk_core_destroy(starts->copy);
    }
    for (uint32_t i = 0; i < starts->count; i++) {
        const struct start *start = &starts->items[i];

        visit(context, start->job, start->is_far ? INT64_MAX : start->time, start->nodes);
    }
    dk_arena_release(&starts->arena);
    dk_arena_release(&starts->scratch);
    dk_alloc_free(&dk_heap, starts, sizeof(*starts));
}
