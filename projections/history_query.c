/* history_query.c - rows of history and of the live view in one order (see history.h)
 *
 * Forward, rows come as their keys are sorted. With a limit the walk first goes backward, from the
 * newest row, until enough have passed the filter, and what was found is then shown forward.
 * Neighbours are reached by stepping, others by a seek: a step is ten times quicker. */
#include "projections/history_inside.h"

#include "base/arena.h"
#include "projections/history_index.h"
#include "projections/row_codec.h"

#include <stdio.h>

enum { STEPS_BEFORE_SEEK = 8, NUMBER_SIZE = 16 };

/* A row that was found going backward. */
struct found {
    int64_t id, seq;
    const struct dk_job_row *active; /* NULL: of history */
};

struct query {
    const struct dk_job_filter *filter;
    const struct dk_job_row *const *active;
    uint32_t active_count, active_at;
    dk_history_visit *visit;
    void *context;
    struct dk_store_cursor *rows, *steps;
    bool rows_there, steps_there, steps_begun;
    bool enough;
    struct dk_arena arena; /* of one row and its steps */
    struct found *found;
    size_t found_count, found_capacity;
    enum dk_status status;
    struct dk_err *err;
};

static bool going_on(const struct query *query)
{
    return query->status == DK_OK && !query->enough;
}

/* --- the cursor over rows --- */

static int64_t rows_id(const struct query *query)
{
    return (int64_t)dk_big_get(dk_store_cursor_key(query->rows).data + 1, 8);
}

static int64_t rows_seq(const struct query *query)
{
    return (int64_t)dk_big_get(dk_store_cursor_key(query->rows).data + 9, 8);
}

/* Every move ends here: false at an end, and after a fault, which is noted. */
static bool rows_moved(struct query *query, bool there)
{
    query->rows_there = there;
    if (!there && query->status == DK_OK)
        query->status = dk_store_cursor_check(query->rows, query->err);
    if (there && dk_store_cursor_key(query->rows).size != DK_KEY_ROW_SIZE) {
        query->rows_there = false;
        query->status = dk_fail(query->err, DK_CORRUPT, "a key of history is not readable");
    }
    return query->rows_there;
}

/* To the first row of `id`, or the first after it. */
static bool rows_forward_to(struct query *query, int64_t id)
{
    uint8_t key[DK_KEY_ROW_SIZE];

    for (int i = 0; query->rows_there && i < STEPS_BEFORE_SEEK; i++) {
        if (rows_id(query) >= id)
            return true;
        if (!rows_moved(query, dk_store_cursor_next(query->rows)))
            return false;
    }
    return rows_moved(query, dk_store_cursor_seek(query->rows, dk_key_row(key, id, 0)));
}

/* To the last row of `id`, or the last before it. */
static bool rows_back_to(struct query *query, int64_t id)
{
    uint8_t key[DK_KEY_ROW_SIZE];

    for (int i = 0; query->rows_there && i < STEPS_BEFORE_SEEK; i++) {
        if (rows_id(query) <= id)
            return true;
        if (!rows_moved(query, dk_store_cursor_back(query->rows)))
            return false;
    }
    return rows_moved(query, dk_store_cursor_seek_back(query->rows, dk_key_row(key, id, -1)));
}

/* Decodes the row under the cursor; false: it does not pass, or is damaged. */
static bool rows_take(struct query *query, struct dk_job_row *row)
{
    struct dk_bytes value = dk_store_cursor_value(query->rows);
    bool final;

    dk_arena_reset(&query->arena);
    query->status = dk_row_decode(value.data, value.size, &query->arena, row, &final, query->err);
    if (query->status != DK_OK)
        return false;
    row->id = rows_id(query);
    row->seq = rows_seq(query);
    return (final || query->filter->duplicates) && dk_job_filter_accepts(query->filter, row);
}

/* --- steps --- */

static bool steps_moved(struct query *query, bool there)
{
    query->steps_there = there;
    if (!there && query->status == DK_OK)
        query->status = dk_store_cursor_check(query->steps, query->err);
    return there;
}

/* Steps are asked for in the order of their keys, so the cursor only goes forward. */
static void steps_forward_to(struct query *query, const struct dk_job_row *row)
{
    uint8_t key[DK_KEY_STEP_SIZE];
    struct dk_bytes wanted = dk_key_step(key, row->id, row->attempt, INT32_MIN);

    if (query->steps_begun && !query->steps_there)
        return; /* beyond the last */
    for (int i = 0; query->steps_begun && i < STEPS_BEFORE_SEEK; i++) {
        struct dk_bytes at = dk_store_cursor_key(query->steps);

        if (at.size == DK_KEY_STEP_SIZE && memcmp(at.data, key, sizeof(key)) >= 0)
            return;
        if (!steps_moved(query, dk_store_cursor_next(query->steps)))
            return;
    }
    query->steps_begun = true;
    (void)steps_moved(query, dk_store_cursor_seek(query->steps, wanted));
}

static bool steps_are_of(const struct query *query, const struct dk_job_row *row, int32_t *number)
{
    struct dk_bytes key;

    if (!query->steps_there)
        return false;
    key = dk_store_cursor_key(query->steps);
    if (key.size != DK_KEY_STEP_SIZE || (int64_t)dk_big_get(key.data + 1, 8) != row->id ||
        (uint32_t)dk_big_get(key.data + 9, 4) != (uint32_t)row->attempt)
        return false;
    *number = (int32_t)((uint32_t)dk_big_get(key.data + 13, 4) ^ UINT32_C(0x80000000));
    return true;
}

static bool state_is_active(enum dk_row_state state)
{
    return state <= DK_ROW_COMPLETING;
}

/* A step of a run that is over is over too. As Slurm has it: what ended the job from outside
 * cancelled its steps. */
static enum dk_row_state step_state(enum dk_row_state job)
{
    if (state_is_active(job))
        return DK_ROW_RUNNING;
    return job == DK_ROW_TIMEOUT || job == DK_ROW_PREEMPTED || job == DK_ROW_NODE_FAIL ||
                   job == DK_ROW_REQUEUED || job == DK_ROW_DEADLINE
               ? DK_ROW_CANCELLED
               : job;
}

static struct dk_job_row step_of(const struct dk_job_row *row)
{
    struct dk_job_row step = *row;

    step.state = step_state(row->state);
    step.ended_by = -1;
    step.end_requested = 0;
    step.end = state_is_active(row->state) ? 0 : row->end;
    step.why = (struct dk_text){ NULL, 0 };
    return step;
}

/* What the node measured of the job is what its script used, until it starts steps by itself. */
static void batch_show(struct query *query, const struct dk_job_row *row)
{
    struct dk_job_row step = step_of(row);

    step.step = dk_text_of("batch");
    step.step_name = step.step;
    step.step_tasks = 1;
    if (row->node_count > 1) { /* it ran on the first node */
        step.node_count = 1;
        step.node_list = row->batch_host;
        step.cores = row->node_cores[0];
        step.core_spans_count = 0;
        step.gpu_spans_count = 0;
    }
    query->enough = !query->visit(query->context, &step);
}

static void step_show(struct query *query, const struct dk_job_row *row, int32_t number)
{
    struct dk_job_row step = step_of(row);
    struct dk_bytes value = dk_store_cursor_value(query->steps);
    char *text = dk_arena_take(&query->arena, NUMBER_SIZE);

    if (number == -1)
        (void)snprintf(text, NUMBER_SIZE, "batch");
    else if (number == -2)
        (void)snprintf(text, NUMBER_SIZE, "extern");
    else
        (void)snprintf(text, NUMBER_SIZE, "%d", number);
    step.step = dk_text_of(text);
    step.has_usage = false;
    step.usage = (struct dk_usage){ 0 };
    step.exit_code = 0;
    step.exit_signal = 0;
    step.core_spans_count = 0;
    step.gpus = 0;
    step.gpu_spans_count = 0;
    query->status = dk_step_decode(value.data, value.size, &query->arena, &step, query->err);
    if (query->status == DK_OK)
        query->enough = !query->visit(query->context, &step);
}

static void steps_show(struct query *query, const struct dk_job_row *row)
{
    int32_t number;
    bool mine;

    if (row->attempt == 0 || row->start == 0)
        return;
    steps_forward_to(query, row);
    mine = query->status == DK_OK && steps_are_of(query, row, &number);
    if (going_on(query) && row->spec->script.size > 0 && !(mine && number == -1))
        batch_show(query, row);
    while (going_on(query) && steps_are_of(query, row, &number)) {
        step_show(query, row, number);
        if (going_on(query))
            (void)steps_moved(query, dk_store_cursor_next(query->steps));
    }
}

static void row_show(struct query *query, const struct dk_job_row *row)
{
    query->enough = !query->visit(query->context, row);
    if (going_on(query) && query->filter->steps)
        steps_show(query, row);
}

/* --- forward: everything --- */

/* Rows of the live view come after those that history has of the same job. */
static void active_show_before(struct query *query, int64_t id)
{
    while (going_on(query) && query->active_at < query->active_count &&
           query->active[query->active_at]->id < id) {
        const struct dk_job_row *row = query->active[query->active_at++];

        if (dk_job_filter_accepts(query->filter, row)) {
            dk_arena_reset(&query->arena);
            row_show(query, row);
        }
    }
}

/* The rows of one job, from the cursor on. */
static void job_show(struct query *query, int64_t id)
{
    while (going_on(query) && query->rows_there && rows_id(query) == id) {
        struct dk_job_row row;

        active_show_before(query, id);
        if (going_on(query) && rows_take(query, &row))
            row_show(query, &row);
        if (going_on(query))
            (void)rows_moved(query, dk_store_cursor_next(query->rows));
    }
}

static void query_forward(struct query *query, const struct dk_candidates *candidates)
{
    if (candidates->all && rows_forward_to(query, 0))
        while (going_on(query) && query->rows_there)
            job_show(query, rows_id(query));
    for (size_t i = 0; i < candidates->count && going_on(query); i++) {
        const struct dk_candidate *candidate = &candidates->items[i];

        for (uint32_t word = 0; word < DK_BUCKET_WORDS && going_on(query); word++) {
            for (uint64_t bits = candidate->ids.words[word]; bits != 0 && going_on(query);
                 bits &= bits - 1) {
                int64_t id = (int64_t)(candidate->bucket << DK_BUCKET_BITS) + word * 64 +
                             __builtin_ctzll(bits);

                if (rows_forward_to(query, id))
                    job_show(query, id);
            }
        }
    }
    active_show_before(query, INT64_MAX);
}

/* --- backward: the newest so many --- */

static void found_add(struct query *query, int64_t id, int64_t seq, const struct dk_job_row *active)
{
    if (query->found_count == query->found_capacity) {
        size_t capacity = query->found_capacity == 0 ? 64 : 2 * query->found_capacity;

        query->found =
            dk_heap.resize(dk_heap.ctx, query->found, query->found_capacity * sizeof(*query->found),
                           capacity * sizeof(*query->found));
        query->found_capacity = capacity;
    }
    query->found[query->found_count++] = (struct found){ id, seq, active };
}

static bool finding(const struct query *query)
{
    return query->status == DK_OK && query->found_count < query->filter->limit;
}

/* `active_at` counts down here. */
static void active_find_from(struct query *query, int64_t id)
{
    while (finding(query) && query->active_at > 0 &&
           query->active[query->active_at - 1]->id >= id) {
        const struct dk_job_row *row = query->active[--query->active_at];

        if (dk_job_filter_accepts(query->filter, row))
            found_add(query, row->id, row->seq, row);
    }
}

static void job_find(struct query *query, int64_t id)
{
    while (finding(query) && query->rows_there && rows_id(query) == id) {
        struct dk_job_row row;

        active_find_from(query, id);
        if (finding(query) && rows_take(query, &row))
            found_add(query, row.id, row.seq, NULL);
        if (finding(query))
            (void)rows_moved(query, dk_store_cursor_back(query->rows));
    }
}

static void query_backward(struct query *query, const struct dk_candidates *candidates)
{
    query->active_at = query->active_count;
    if (candidates->all && rows_back_to(query, INT64_MAX))
        while (finding(query) && query->rows_there)
            job_find(query, rows_id(query));
    for (size_t i = candidates->count; i-- > 0 && finding(query);) {
        const struct dk_candidate *candidate = &candidates->items[i];

        for (uint32_t word = DK_BUCKET_WORDS; word-- > 0 && finding(query);) {
            uint64_t bits = candidate->ids.words[word];

            while (bits != 0 && finding(query)) {
                int highest = 63 - __builtin_clzll(bits);
                int64_t id = (int64_t)(candidate->bucket << DK_BUCKET_BITS) + word * 64 + highest;

                bits &= ~(UINT64_C(1) << highest);
                if (rows_back_to(query, id))
                    job_find(query, id);
            }
        }
    }
    active_find_from(query, INT64_MIN);
}

static void found_show(struct query *query)
{
    query->rows_there = false;
    for (size_t i = query->found_count; i-- > 0 && going_on(query);) {
        const struct found *found = &query->found[i];
        struct dk_job_row row;

        if (found->active != NULL) {
            dk_arena_reset(&query->arena);
            row_show(query, found->active);
            continue;
        }
        if (!rows_forward_to(query, found->id))
            continue;
        while (going_on(query) && query->rows_there && rows_id(query) == found->id &&
               rows_seq(query) < found->seq)
            (void)rows_moved(query, dk_store_cursor_next(query->rows));
        if (going_on(query) && query->rows_there && rows_take(query, &row))
            row_show(query, &row);
    }
}

enum dk_status dk_history_query(struct dk_history_view *view, const struct dk_job_filter *filter,
                                const struct dk_job_row *const *active, uint32_t active_count,
                                dk_history_visit *visit, void *context, struct dk_err *err)
{
    struct query query = { 0 };
    struct dk_candidates candidates = { true, NULL, 0, 0 };

    if (view->snapshot == NULL)
        return dk_fail(err, DK_IO, "history cannot be read: it could not be opened anew");
    query.filter = filter;
    query.active = active;
    query.active_count = active_count;
    query.visit = visit;
    query.context = context;
    query.err = err;
    query.status = DK_OK;
    if (view->indexed)
        query.status = dk_candidates_find(&candidates, view, filter, err);
    query.rows = dk_store_cursor_open(view->kept->store, view->snapshot, DK_KEY_ROW);
    query.steps = dk_store_cursor_open(view->kept->store, view->snapshot, DK_KEY_STEP);
    dk_arena_init(&query.arena, &dk_heap);
    if (query.status == DK_OK && filter->limit > 0) {
        query_backward(&query, &candidates);
        if (query.status == DK_OK)
            found_show(&query);
    } else if (query.status == DK_OK) {
        query_forward(&query, &candidates);
    }
    dk_alloc_free(&dk_heap, query.found, query.found_capacity * sizeof(*query.found));
    dk_arena_release(&query.arena);
    dk_store_cursor_close(query.steps);
    dk_store_cursor_close(query.rows);
    dk_candidates_release(&candidates);
    return query.status;
}
