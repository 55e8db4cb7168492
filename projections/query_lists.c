/* query_lists.c - lists of jobs: the queue, accounting, usage, the order of the queue */
#include "projections/query.h"

#include "base/check.h"
#include "projections/past.h"
#include "projections/usage.h"

#include <stdlib.h>
#include <string.h>

/* --- columns --- */

struct columns {
    int *items;
    uint32_t count;
    bool reasons; /* some of them only the core knows */
    bool groups;  /* the system is asked for names */
};

static bool is_reason(int column)
{
    const char *name = dk_job_column_name(column);

    return strcmp(name, "reason") == 0 || strcmp(name, "priority") == 0 ||
           strncmp(name, "planned", 7) == 0;
}

static enum dk_status choose(struct dk_ask *ask, struct columns *columns)
{
    const char *at = ask->fields;
    uint32_t all = 0;

    while (dk_job_column_name((int)all) != NULL)
        all++;
    columns->items = dk_arena_take(&ask->arena, (all + (at != NULL ? strlen(at) : 0) + 1) *
                                                    sizeof(*columns->items));
    columns->count = 0;
    columns->reasons = columns->groups = at == NULL;
    if (at == NULL) {
        for (uint32_t i = 0; i < all; i++)
            columns->items[columns->count++] = (int)i;
        return DK_OK;
    }
    while (*at != '\0') {
        size_t size = strcspn(at, ",");
        int column = dk_job_column_find(at, size);

        if (column == DK_JOB_COLUMN_NONE)
            return dk_fail(&ask->err, DK_INVALID, "'%.*s' is no column of jobs", (int)size, at);
        columns->items[columns->count++] = column;
        columns->reasons = columns->reasons || is_reason(column);
        columns->groups = columns->groups || strcmp(dk_job_column_name(column), "group") == 0;
        at += size + (at[size] == ',');
    }
    return DK_OK;
}

static void write_row(struct dk_table_writer *writer, const struct columns *columns,
                      const struct dk_job_row *row, int64_t now)
{
    dk_writer_row(writer);
    for (uint32_t i = 0; i < columns->count; i++) {
        dk_job_row_cell(row, columns->items[i], now, &writer->cell);
        dk_writer_cell(writer, dk_job_column_name(columns->items[i]),
                       dk_job_column_is_number(columns->items[i]));
    }
}

/* --- the queue --- */

struct listing {
    struct dk_ask *ask;
    struct dk_table_writer writer;
    struct columns columns;
    const struct dk_reason_map *map; /* NULL: nobody asks for reasons */
    uint32_t cursor;                 /* in the map */
    const struct dk_start_map *starts;
    struct dk_history_view *history; /* of the same moment as the list of jobs */
    struct dk_arena arena;           /* of one row */
    int64_t now, seq_max;
    uint32_t left; /* rows that may still come, with a limit */
};

static void add_reason(struct listing *listing, struct dk_job_row *row)
{
    int64_t job = row->array_job != 0 && row->array_task < 0 ? row->array_job : row->id;
    const struct dk_pending *pending = NULL;
    const struct dk_planned *planned = NULL;

    if (row->state != DK_ROW_PENDING)
        return;
    if (listing->map != NULL)
        pending = dk_reason_of(listing->map, job, &listing->cursor);
    if (pending != NULL) {
        row->reason = dk_text_of(pending->reason);
        row->priority = pending->priority;
        row->planned = pending->planned;
    }
    if (listing->starts != NULL && row->planned == 0)
        planned = dk_start_of(listing->starts, job);
    if (planned != NULL && planned->start != INT64_MAX) {
        row->planned = planned->start;
        row->planned_nodes = planned->nodes;
    }
}

static void add_group(const struct listing *listing, struct dk_job_row *row)
{
    if (listing->columns.groups && row->group.size == 0)
        row->group = dk_groups_name(listing->ask->projector->groups, row->gid);
}

static bool listing_row(struct listing *listing, struct dk_job_row *row)
{
    if (listing->left == 0)
        return false;
    if (listing->left != UINT32_MAX)
        listing->left--;
    add_group(listing, row);
    write_row(&listing->writer, &listing->columns, row, listing->now);
    return true;
}

/* One row for each task of an array that waits. */
static void list_tasks(struct listing *listing, struct dk_job_row *row)
{
    const struct dk_index_range *ranges = row->array_ranges;
    uint32_t count = row->array_ranges_count;

    row->array_ranges_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (int64_t task = ranges[i].first; task <= ranges[i].last; task += ranges[i].step) {
            row->array_task = (int32_t)task;
            if (dk_job_filter_accepts(&listing->ask->filter, row) && !listing_row(listing, row))
                return;
        }
    }
}

/* With ids of tasks only those of the waiting rest are shown that were asked for. */
static void list_active(struct listing *listing, const struct dk_live_jobs *jobs)
{
    const struct dk_job_filter *filter = &listing->ask->filter;

    for (uint32_t i = 0; i < jobs->count && listing->left > 0; i++) {
        struct dk_job_row row;

        dk_arena_reset(&listing->arena);
        dk_live_jobs_row(jobs, i, &listing->arena, &row);
        if (!dk_job_filter_accepts(filter, &row))
            continue;
        add_reason(listing, &row);
        if (filter->tasks && row.array_ranges_count > 0)
            list_tasks(listing, &row);
        else
            (void)listing_row(listing, &row);
    }
}

static bool visit_ended(void *context, const struct dk_job_row *row)
{
    struct listing *listing = context;
    struct dk_job_row copy = *row;

    if (row->seq > listing->seq_max || row->state < DK_ROW_COMPLETED)
        return true;
    return listing_row(listing, &copy);
}

static bool wants_ended(const struct dk_job_filter *filter)
{
    const uint32_t active = 1u << DK_ROW_PENDING | 1u << DK_ROW_RUNNING | 1u << DK_ROW_SUSPENDED |
                            1u << DK_ROW_COMPLETING;

    return filter->all_states || (filter->states & ~active) != 0;
}

/* Those that ended a short while ago: history has them. */
static enum dk_status list_ended(struct listing *listing, const struct dk_live_jobs *jobs)
{
    struct dk_job_filter filter = listing->ask->filter;
    int64_t since = listing->now - jobs->ended_visible_us;

    if (filter.since < since)
        filter.since = since;
    return dk_history_query(listing->history, &filter, NULL, 0, visit_ended, listing,
                            &listing->ask->err);
}

static enum dk_status begin_listing(struct listing *listing, struct dk_ask *ask)
{
    *listing = (struct listing){ .ask = ask, .left = UINT32_MAX };
    if (ask->filter.limit > 0)
        listing->left = ask->filter.limit;
    dk_arena_init(&listing->arena, &dk_heap);
    return choose(ask, &listing->columns);
}

static void end_listing(struct listing *listing)
{
    struct dk_reasons *reasons = listing->ask->projector->reasons;

    if (listing->map != NULL)
        dk_reasons_map_release(reasons, listing->map);
    if (listing->starts != NULL)
        dk_reasons_starts_release(reasons, listing->starts);
    dk_history_view_close(listing->history);
    dk_arena_release(&listing->arena);
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

struct both {
    struct dk_history *history;
    struct dk_history_view *view;
};

static void open_history(void *context)
{
    struct both *both = context;

    both->view = dk_history_view_open(both->history);
}

/* What is active and what has ended, at one moment: a job that ends is in one of the two. History
 * is committed under the lock that `jobs` are copied under. */
static struct dk_history_view *
open_both(const struct dk_ask *ask, const struct dk_job_filter *filter, struct dk_live_jobs *jobs)
{
    struct both both = { ask->projector->history, NULL };

    dk_live_jobs_open_with(ask->projector->live, filter, jobs, open_history, &both);
    return both.view;
}

static enum dk_status ask_core(struct listing *listing, const struct dk_live_jobs *jobs)
{
    struct dk_ask *ask = listing->ask;

    if (listing->columns.reasons && jobs->count > 0)
        listing->map = dk_reasons_map(ask->projector->reasons, jobs->seq);
    if (ask->starts == 0 || jobs->count == 0)
        return DK_OK;
    return dk_reasons_starts(ask->projector->reasons, jobs->seq, (uint32_t)ask->starts,
                             &listing->starts, &ask->err);
}

enum dk_status dk_answer_jobs(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_live *past = NULL;
    struct dk_live_jobs jobs;
    struct listing listing;
    enum dk_status status = begin_listing(&listing, ask);

    if (status == DK_OK && ask->has_at)
        status = dk_past_open(&past, ask->projector->options->place, ask->at_seq, ask->at_time,
                              &ask->err);
    if (status != DK_OK) {
        end_listing(&listing);
        return status;
    }
    if (past == NULL && wants_ended(&ask->filter))
        listing.history = open_both(ask, &ask->filter, &jobs);
    else
        dk_live_jobs_open(past != NULL ? past : ask->projector->live, &ask->filter, &jobs);
    if (past != NULL && wants_ended(&ask->filter))
        listing.history = dk_history_view_open(ask->projector->history);
    *seq = listing.seq_max = jobs.seq;
    listing.now = past != NULL ? jobs.time : later(jobs.time, dk_projector_now());
    if (past == NULL)
        status = ask_core(&listing, &jobs);
    dk_writer_begin(&listing.writer, out, ask->tsv, jobs.seq);
    list_active(&listing, &jobs);
    if (status == DK_OK && wants_ended(&ask->filter))
        status = list_ended(&listing, &jobs);
    dk_writer_end(&listing.writer);
    dk_live_jobs_close(&jobs);
    dk_live_destroy(past);
    end_listing(&listing);
    return status;
}

/* --- accounting --- */

/* Rows of active jobs that pass, for history to merge in; they live in the ask's arena. */
static const struct dk_job_row **active_rows(struct dk_ask *ask, const struct dk_live_jobs *jobs,
                                             struct listing *listing, uint32_t *count)
{
    const struct dk_job_row **rows =
        dk_arena_take(&ask->arena, (jobs->count + 1) * sizeof(const struct dk_job_row *));

    *count = 0;
    for (uint32_t i = 0; i < jobs->count; i++) {
        struct dk_job_row *row = dk_arena_take(&ask->arena, sizeof(*row));

        dk_live_jobs_row(jobs, i, &ask->arena, row);
        if (!dk_job_filter_accepts(&ask->filter, row))
            continue;
        if (listing != NULL)
            add_reason(listing, row);
        rows[(*count)++] = row;
    }
    return rows;
}

static bool visit_history(void *context, const struct dk_job_row *row)
{
    struct listing *listing = context;
    struct dk_job_row copy = *row;

    add_group(listing, &copy);
    write_row(&listing->writer, &listing->columns, &copy, listing->now);
    return true;
}

enum dk_status dk_answer_history(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_live_jobs jobs;
    struct listing listing;
    const struct dk_job_row **active;
    uint32_t count;
    enum dk_status status = begin_listing(&listing, ask);

    if (status != DK_OK) {
        end_listing(&listing);
        return status;
    }
    listing.history = open_both(ask, &ask->filter, &jobs);
    *seq = listing.seq_max = jobs.seq;
    listing.now = later(jobs.time, dk_projector_now());
    status = ask_core(&listing, &jobs);
    active = active_rows(ask, &jobs, &listing, &count);
    dk_writer_begin(&listing.writer, out, ask->tsv, jobs.seq);
    if (status == DK_OK)
        status = dk_history_query(listing.history, &ask->filter, active, count, visit_history,
                                  &listing, &ask->err);
    dk_writer_end(&listing.writer);
    dk_live_jobs_close(&jobs);
    end_listing(&listing);
    return status;
}

enum dk_status dk_answer_usage_of(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_usage_question question = { .since = ask->filter.since, .until = ask->filter.until };
    struct dk_live_jobs jobs;
    struct dk_history_view *view;
    const struct dk_job_row **active;
    uint32_t count;
    enum dk_status status = DK_OK;

    question.tsv = ask->tsv;
    if (ask->by != NULL)
        status = dk_usage_by_parse(ask->by, &question.by, &ask->err);
    if (status == DK_OK && ask->fields != NULL)
        status = dk_usage_columns_parse(ask->fields, &question, &ask->err);
    if (status != DK_OK)
        return status;
    view = open_both(ask, NULL, &jobs);
    *seq = jobs.seq;
    active = active_rows(ask, &jobs, NULL, &count);
    status = dk_usage_answer(view, &question, active, count, later(jobs.time, dk_projector_now()),
                             out, &ask->err);
    dk_history_view_close(view);
    dk_live_jobs_close(&jobs);
    return status;
}
