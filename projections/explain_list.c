/* explain_list.c - all that waits, in order: /v1/priority, and what /v1/jobs shows beside its rows
 */
#include "projections/explain_parts.h"

#include "base/json.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* --- beside the rows of /v1/jobs --- */

struct pending_context {
    dk_pending_visit *visit;
    void *context;
};

static void pending_see(void *context, const struct dk_waiting *waiting)
{
    const struct pending_context *pass_on = context;
    struct dk_pending pending = { .job = waiting->job,
                                  .reason = waiting->reason,
                                  .priority = waiting->factors.priority,
                                  .planned = waiting->planned == INT64_MAX ? 0 : waiting->planned,
                                  .position = waiting->position };

    pass_on->visit(pass_on->context, &pending);
}

void dk_pending_each(const struct dk_explain_source *source, dk_pending_visit *visit, void *context)
{
    struct pending_context pass_on = { visit, context };

    dk_core_waiting_each(source->core, source->now, pending_see, &pass_on);
}

struct pending_one {
    int64_t job;
    bool found;
    struct dk_pending *out;
};

static void pending_match(void *context, const struct dk_pending *pending)
{
    struct pending_one *one = context;

    if (pending->job != one->job)
        return;
    one->found = true;
    *one->out = *pending;
}

bool dk_pending_find(const struct dk_explain_source *source, int64_t job,
                     struct dk_pending *pending)
{
    struct pending_one one = { job, false, pending };

    if (dk_core_job_state(source->core, job) == DK_JOB_PENDING)
        dk_pending_each(source, pending_match, &one);
    return one.found;
}

/* --- /v1/priority --- */

enum cell_kind {
    CELL_LONG,
    CELL_INT,
    CELL_TEXT,
    CELL_WORD,
    CELL_POLICY,
    CELL_RATIO, /* of the number at `offset` to the one at `whole` */
    CELL_KEY
};

struct column {
    const char *name;
    enum cell_kind kind;
    size_t offset, whole; /* in struct dk_waiting */
};

#define AT(field) offsetof(struct dk_waiting, field)

static const struct column columns[] = {
    { "id", CELL_LONG, AT(job), 0 },
    { "user", CELL_TEXT, AT(user), 0 },
    { "uid", CELL_INT, AT(uid), 0 },
    { "partition", CELL_TEXT, AT(partition), 0 },
    { "account", CELL_TEXT, AT(account), 0 },
    { "position", CELL_INT, AT(position), 0 },
    { "priority", CELL_LONG, AT(factors.priority), 0 },
    { "age", CELL_LONG, AT(factors.age), 0 },
    { "size", CELL_LONG, AT(factors.size), 0 },
    { "partition_factor", CELL_LONG, AT(factors.partition), 0 },
    { "nice", CELL_LONG, AT(factors.nice), 0 },
    { "weight_age", CELL_LONG, AT(factors.weight_age), 0 },
    { "weight_size", CELL_LONG, AT(factors.weight_size), 0 },
    { "weight_partition", CELL_LONG, AT(factors.weight_partition), 0 },
    { "age_raw", CELL_RATIO, AT(factors.age_us), AT(factors.age_us_max) },
    { "size_raw", CELL_RATIO, AT(factors.cores), AT(factors.cores_total) },
    { "partition_raw", CELL_RATIO, AT(factors.partition_priority), AT(factors.partition_whole) },
    { "policy", CELL_POLICY, 0, 0 },
    { "key", CELL_KEY, 0, 0 },
    { "wait", CELL_LONG, AT(wait_us), 0 },
    { "cores", CELL_LONG, AT(factors.cores), 0 },
    { "reason", CELL_WORD, AT(reason), 0 },
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

struct listing {
    const struct dk_priority_question *question;
    const struct column *columns[64];
    uint32_t column_count;
    struct dk_buf *out;
    bool filled;
};

static const struct column *column_find(const char *name, size_t size)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strlen(columns[i].name) == size && memcmp(columns[i].name, name, size) == 0)
            return &columns[i];
    return NULL;
}

static enum dk_status columns_take(struct listing *listing, const char *fields, struct dk_err *err)
{
    const char *at = fields;

    for (size_t i = 0; fields == NULL && i < COLUMNS; i++)
        listing->columns[listing->column_count++] = &columns[i];
    while (at != NULL) {
        const char *end = strchr(at, ',');
        size_t size = end != NULL ? (size_t)(end - at) : strlen(at);
        const struct column *column = column_find(at, size);

        if (column == NULL)
            return dk_fail(err, DK_INVALID, "there is no column '%.*s' of priorities", (int)size,
                           at);
        if (listing->column_count == sizeof(listing->columns) / sizeof(listing->columns[0]))
            return dk_fail(err, DK_TOO_LARGE, "more than %u columns", listing->column_count);
        listing->columns[listing->column_count++] = column;
        at = end != NULL ? end + 1 : NULL;
    }
    return DK_OK;
}

struct cell {
    struct dk_text text; /* data NULL: a number */
    int64_t number;
    char digits[40];
};

static void cell_ratio(struct cell *cell, int64_t value, int64_t whole)
{
    int size = snprintf(cell->digits, sizeof(cell->digits), "%.7f",
                        whole > 0 ? (double)value / (double)whole : 0.0);

    cell->text = (struct dk_text){ cell->digits, (uint32_t)size };
}

/* number * 2^exponent, for people: the core compares integers. */
static void cell_key(struct cell *cell, const struct dk_factors *factors)
{
    double value = (double)factors->number;
    int size;

    for (int32_t i = factors->exponent; i < 0; i++)
        value /= 2;
    for (int32_t i = factors->exponent; i > 0; i--)
        value *= 2;
    size = snprintf(cell->digits, sizeof(cell->digits), "%.10g", value);
    cell->text = (struct dk_text){ cell->digits, (uint32_t)size };
}

static int64_t long_at(const struct dk_waiting *waiting, size_t offset)
{
    int64_t value;

    memcpy(&value, (const uint8_t *)waiting + offset, sizeof(value));
    return value;
}

static void cell_of(struct cell *cell, const struct dk_waiting *waiting,
                    const struct column *column)
{
    const uint8_t *at = (const uint8_t *)waiting + column->offset;
    const char *word;
    int32_t narrow;

    memset(cell, 0, sizeof(*cell));
    switch (column->kind) {
    case CELL_LONG:
        cell->number = long_at(waiting, column->offset);
        break;
    case CELL_INT:
        memcpy(&narrow, at, sizeof(narrow));
        cell->number = narrow;
        break;
    case CELL_TEXT:
        memcpy(&cell->text, at, sizeof(cell->text));
        if (cell->text.size == 0)
            cell->text.data = "";
        break;
    case CELL_WORD:
        memcpy(&word, at, sizeof(word));
        cell->text = dk_text_of(word);
        break;
    case CELL_POLICY:
        cell->text = dk_text_of(dk_policy_name(waiting->factors.policy));
        break;
    case CELL_RATIO:
        cell_ratio(cell, long_at(waiting, column->offset), long_at(waiting, column->whole));
        break;
    case CELL_KEY:
        cell->number = waiting->factors.priority;
        if (waiting->factors.policy != DK_POLICY_MULTIFACTOR)
            cell_key(cell, &waiting->factors);
        break;
    }
}

static void add_raw(struct dk_buf *out, struct dk_text text)
{
    for (uint32_t i = 0; i < text.size; i++) {
        char c = text.data[i];

        if (c == '\t' || c == '\n' || c == '\\')
            (void)dk_buf_add_text(out, c == '\t' ? "\\t" : c == '\n' ? "\\n" : "\\\\");
        else
            (void)dk_buf_add(out, &c, 1);
    }
}

static void row_tsv(struct listing *listing, const struct dk_waiting *waiting)
{
    struct cell cell;

    for (uint32_t i = 0; i < listing->column_count; i++) {
        cell_of(&cell, waiting, listing->columns[i]);
        if (i > 0)
            (void)dk_buf_add(listing->out, "\t", 1);
        if (cell.text.data != NULL)
            add_raw(listing->out, cell.text);
        else
            (void)dk_json_integer(listing->out, cell.number);
    }
    (void)dk_buf_add(listing->out, "\n", 1);
}

static void row_json(struct listing *listing, const struct dk_waiting *waiting)
{
    struct cell cell;

    (void)dk_buf_add_text(listing->out, listing->filled ? ",{" : "{");
    listing->filled = true;
    for (uint32_t i = 0; i < listing->column_count; i++) {
        const struct column *column = listing->columns[i];

        cell_of(&cell, waiting, column);
        (void)dk_buf_add_text(listing->out, i > 0 ? ",\"" : "\"");
        (void)dk_buf_add_text(listing->out, column->name);
        (void)dk_buf_add_text(listing->out, "\":");
        if (cell.text.data == NULL)
            (void)dk_json_integer(listing->out, cell.number);
        else if (column->kind == CELL_RATIO || column->kind == CELL_KEY)
            (void)dk_buf_add(listing->out, cell.text.data, cell.text.size);
        else
            (void)dk_json_text(listing->out, cell.text);
    }
    (void)dk_buf_add(listing->out, "}", 1);
}

static void list_see(void *context, const struct dk_waiting *waiting)
{
    struct listing *listing = context;
    const struct dk_priority_question *question = listing->question;
    char user[256], partition[256];

    if (question->accepts != NULL) {
        (void)snprintf(user, sizeof(user), "%.*s", (int)waiting->user.size, waiting->user.data);
        (void)snprintf(partition, sizeof(partition), "%.*s", (int)waiting->partition.size,
                       waiting->partition.data);
        if (!question->accepts(question->context, waiting->job, waiting->uid, user, partition))
            return;
    }
    if (question->tsv)
        row_tsv(listing, waiting);
    else
        row_json(listing, waiting);
}

enum dk_status dk_answer_priority(const struct dk_explain_source *source,
                                  const struct dk_priority_question *question, struct dk_buf *out,
                                  struct dk_err *err)
{
    struct listing listing = { .question = question, .out = out };
    enum dk_status status = columns_take(&listing, question->fields, err);

    if (status != DK_OK)
        return status;
    if (!question->tsv) {
        (void)dk_buf_add_text(out, "{\"seq\":");
        (void)dk_json_integer(out, source->seq);
        (void)dk_buf_add_text(out, ",\"rows\":[");
    }
    dk_core_waiting_each(source->core, source->now, list_see, &listing);
    if (!question->tsv)
        (void)dk_buf_add_text(out, "]}");
    return DK_OK;
}
