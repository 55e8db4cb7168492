/* usage.c - answers about usage (see usage.h)
 *
 * History keeps sums for each day, user, account and partition; an answer adds up those that it is
 * asked not to tell apart. */
#include "projections/usage.h"

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/json.h"
#include "base/table.h"
#include "projections/history_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NUMBER_TEXT = 40, TEXT_COUNT = DK_USAGE_DAY };

static const char *const column_names[] = {
#define X(name, text) text,
    DK_USAGE_COLUMN_MAP(X)
#undef X
};

/* What sums are of; texts that are not asked for are empty, and so is a day 0. */
struct cell {
    struct dk_text texts[TEXT_COUNT];
    int64_t day;
    struct dk_usage_sums sums;
};

struct answer {
    const struct dk_usage_question *question;
    struct dk_arena arena;
    struct dk_table slots;
    struct cell *cells;
    size_t count, capacity;
    int64_t day_first, day_last;
    const struct dk_job_row *active; /* whose shares are being added */
};

/* --- the question --- */

static int column_find(const char *word, size_t size)
{
    for (int i = 0; i < DK_USAGE_COLUMN_COUNT; i++)
        if (strlen(column_names[i]) == size && memcmp(column_names[i], word, size) == 0)
            return i;
    return -1;
}

/* The next of a list of words divided by commas; NULL: it is no column. */
static const char *column_take(const char *at, int count_max, const char *list, int *column,
                               enum dk_status *status, struct dk_err *err)
{
    size_t size = strcspn(at, ",");

    *column = column_find(at, size);
    if (*column < 0 || *column >= count_max) {
        *status = dk_fail(err, DK_INVALID,
                          "'%.*s' in %s is not one of user, account, partition, "
                          "day%s",
                          (int)(size < 64 ? size : 64), at, list,
                          count_max == DK_USAGE_BY_COUNT
                              ? ""
                              : ", jobs, core_us, gpu_us, memory_mib_us, wait_us");
        return NULL;
    }
    return at[size] == ',' ? at + size + 1 : at + size;
}

enum dk_status dk_usage_by_parse(const char *text, uint32_t *by, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    *by = 0;
    while (*text != '\0') {
        int column;

        text = column_take(text, DK_USAGE_BY_COUNT, "by", &column, &status, err);
        if (text == NULL)
            return status;
        *by |= 1u << column;
    }
    return DK_OK;
}

enum dk_status dk_usage_columns_parse(const char *text, struct dk_usage_question *question,
                                      struct dk_err *err)
{
    enum dk_status status = DK_OK;

    question->column_count = 0;
    while (*text != '\0') {
        int column;

        if (question->column_count == DK_USAGE_COLUMN_COUNT)
            return dk_fail(err, DK_INVALID, "fields has more than %d columns",
                           DK_USAGE_COLUMN_COUNT);
        text = column_take(text, DK_USAGE_COLUMN_COUNT, "fields", &column, &status, err);
        if (text == NULL)
            return status;
        question->columns[question->column_count++] = (enum dk_usage_column)column;
    }
    return DK_OK;
}

/* --- adding up --- */

static bool cell_equal(const struct cell *a, const struct cell *b)
{
    for (int i = 0; i < TEXT_COUNT; i++)
        if (!dk_text_equal(a->texts[i], b->texts[i]))
            return false;
    return a->day == b->day;
}

static uint64_t cell_hash(const struct cell *cell)
{
    uint32_t low = dk_crc32c(0, &cell->day, sizeof(cell->day)), high = 1;

    for (int i = 0; i < TEXT_COUNT; i++) {
        low = dk_crc32c(low, cell->texts[i].data, cell->texts[i].size);
        high = high * 31 + low;
    }
    return (uint64_t)high << 32 | low;
}

static struct cell *cell_new(struct answer *answer, const struct cell *like)
{
    struct cell *cell;

    if (answer->count == answer->capacity) {
        size_t capacity = answer->capacity == 0 ? 64 : 2 * answer->capacity;

        answer->cells =
            dk_heap.resize(dk_heap.ctx, answer->cells, answer->capacity * sizeof(*answer->cells),
                           capacity * sizeof(*answer->cells));
        answer->capacity = capacity;
    }
    cell = &answer->cells[answer->count++];
    *cell = *like;
    for (int i = 0; i < TEXT_COUNT; i++) {
        char *copy = dk_arena_take(&answer->arena, like->texts[i].size + (size_t)1);

        if (like->texts[i].size > 0)
            memcpy(copy, like->texts[i].data, like->texts[i].size);
        cell->texts[i].data = copy;
    }
    memset(&cell->sums, 0, sizeof(cell->sums));
    return cell;
}

/* Where sums of these go; forgets what is not asked for. */
static struct cell *cell_of(struct answer *answer, struct cell *wanted)
{
    uint64_t hash;

    for (int i = 0; i < TEXT_COUNT; i++)
        if ((answer->question->by >> i & 1) == 0)
            wanted->texts[i] = (struct dk_text){ NULL, 0 };
    if ((answer->question->by >> DK_USAGE_DAY & 1) == 0)
        wanted->day = 0;
    for (hash = cell_hash(wanted);; hash++) {
        uint32_t slot;

        if (hash == 0)
            continue;
        slot = dk_table_find(&answer->slots, hash);
        if (slot == DK_TABLE_NONE) {
            dk_table_put(&answer->slots, hash, (uint32_t)answer->count);
            return cell_new(answer, wanted);
        }
        if (cell_equal(&answer->cells[slot], wanted))
            return &answer->cells[slot];
    }
}

static bool key_read(struct dk_bytes key, struct cell *cell)
{
    const uint8_t *at = key.data + 5, *end = key.data + key.size;

    if (key.size < 5)
        return false;
    cell->day = (int32_t)(uint32_t)dk_big_get(key.data + 1, 4);
    for (int i = 0; i < TEXT_COUNT; i++) {
        if (at == end || (size_t)(end - at) < (size_t)*at + 1)
            return false;
        cell->texts[i] = (struct dk_text){ (const char *)at + 1, *at };
        at += *at + 1;
    }
    return at == end;
}

static enum dk_status answer_kept(struct answer *answer, struct dk_history_view *view,
                                  struct dk_err *err)
{
    struct dk_store_cursor *cursor =
        dk_store_cursor_open(view->kept->store, view->snapshot, DK_KEY_USAGE);
    uint8_t key[5] = { DK_KEY_USAGE };
    enum dk_status status = DK_OK;
    bool there;

    (void)dk_big_put(key + 1, (uint32_t)answer->day_first, 4);
    for (there = dk_store_cursor_seek(cursor, (struct dk_bytes){ key, sizeof(key) });
         there && status == DK_OK; there = dk_store_cursor_next(cursor)) {
        struct dk_bytes sums = dk_store_cursor_value(cursor);
        struct cell cell = { 0 };

        if (!key_read(dk_store_cursor_key(cursor), &cell))
            status = dk_fail(err, DK_CORRUPT, "a key of usage is not readable");
        else if (cell.day > answer->day_last)
            break;
        else if (!dk_usage_sums_add(&cell_of(answer, &cell)->sums, sums.data, sums.size))
            status = dk_fail(err, DK_CORRUPT, "sums of usage are not readable");
    }
    if (!there && status == DK_OK)
        status = dk_store_cursor_check(cursor, err);
    dk_store_cursor_close(cursor);
    return status;
}

static void answer_share(void *context, int64_t day, const struct dk_usage_sums *sums)
{
    struct answer *answer = context;
    const struct dk_job_row *row = answer->active;
    struct cell wanted = { 0 }, *cell;

    if (day < answer->day_first || day > answer->day_last)
        return;
    wanted.day = day;
    wanted.texts[DK_USAGE_USER] = row->user;
    wanted.texts[DK_USAGE_ACCOUNT] = row->spec->account.size > 0 ? row->spec->account : row->user;
    wanted.texts[DK_USAGE_PARTITION] = row->partition;
    cell = cell_of(answer, &wanted);
    for (int i = 0; i < DK_USAGE_SUM_COUNT; i++)
        cell->sums.of[i] += sums->of[i];
}

/* Only what holds something now: what has ended is in history. */
static void answer_active(struct answer *answer, const struct dk_job_row *const *active,
                          uint32_t count, int64_t now)
{
    for (uint32_t i = 0; i < count; i++) {
        if (active[i]->state != DK_ROW_RUNNING && active[i]->state != DK_ROW_COMPLETING &&
            active[i]->state != DK_ROW_SUSPENDED)
            continue;
        answer->active = active[i];
        dk_usage_split(active[i], false, now, answer_share, answer);
    }
}

static int text_compare(struct dk_text a, struct dk_text b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.data, b.data, size) : 0;

    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static int cell_compare(const void *left, const void *right)
{
    const struct cell *a = left, *b = right;

    for (int i = 0; i < TEXT_COUNT; i++) {
        int order = text_compare(a->texts[i], b->texts[i]);

        if (order != 0)
            return order;
    }
    return a->day < b->day ? -1 : a->day > b->day;
}

/* --- the answer's text --- */

static struct dk_text number_text(dk_u128 number, char buffer[NUMBER_TEXT])
{
    char *at = buffer + NUMBER_TEXT;

    do {
        *--at = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number > 0);
    return (struct dk_text){ at, (uint32_t)(buffer + NUMBER_TEXT - at) };
}

static struct dk_text day_text(int64_t day, char buffer[NUMBER_TEXT])
{
    time_t seconds = (time_t)(day * 86400);
    struct tm parts;

    if (gmtime_r(&seconds, &parts) == NULL)
        return (struct dk_text){ NULL, 0 };
    return (struct dk_text){ buffer, (uint32_t)strftime(buffer, NUMBER_TEXT, "%Y-%m-%d", &parts) };
}

static struct dk_text cell_text(const struct cell *cell, enum dk_usage_column column, bool asked,
                                char buffer[NUMBER_TEXT])
{
    if (column >= DK_USAGE_JOBS)
        return number_text(cell->sums.of[column - DK_USAGE_JOBS], buffer);
    if (!asked)
        return (struct dk_text){ NULL, 0 };
    return column == DK_USAGE_DAY ? day_text(cell->day, buffer) : cell->texts[column];
}

struct writer {
    struct dk_buf *out;
    bool full;
};

static void put(struct writer *writer, const void *bytes, size_t size)
{
    if (!dk_buf_add(writer->out, bytes, size))
        writer->full = true;
}

static void put_text(struct writer *writer, struct dk_text text)
{
    put(writer, text.data, text.size);
}

static void put_json(struct writer *writer, struct dk_text text)
{
    if (!dk_json_text(writer->out, text))
        writer->full = true;
}

static void tsv_add(struct writer *writer, struct dk_text text)
{
    for (uint32_t i = 0; i < text.size; i++) {
        char c = text.data[i];

        if (c == '\t')
            put(writer, "\\t", 2);
        else if (c == '\n')
            put(writer, "\\n", 2);
        else if (c == '\\')
            put(writer, "\\\\", 2);
        else
            put(writer, &c, 1);
    }
}

static void cell_write(const struct answer *answer, const struct cell *cell, struct writer *writer)
{
    const struct dk_usage_question *question = answer->question;

    for (uint32_t i = 0; i < question->column_count; i++) {
        enum dk_usage_column column = question->columns[i];
        char buffer[NUMBER_TEXT];
        struct dk_text text = cell_text(cell, column, (question->by >> column & 1) != 0, buffer);

        if (question->tsv) {
            if (i > 0)
                put(writer, "\t", 1);
            tsv_add(writer, text);
            continue;
        }
        put_text(writer, dk_text_of(i > 0 ? "," : ""));
        put_json(writer, dk_text_of(column_names[column]));
        put(writer, ":", 1);
        if (column >= DK_USAGE_JOBS)
            put(writer, text.data, text.size);
        else
            put_json(writer, text);
    }
}

static void answer_write(const struct answer *answer, int64_t seq, struct writer *writer)
{
    bool tsv = answer->question->tsv;

    if (!tsv) {
        put_text(writer, dk_text_of("{\"seq\":"));
        if (!dk_json_integer(writer->out, seq))
            writer->full = true;
        put_text(writer, dk_text_of(",\"rows\":["));
    }
    for (size_t i = 0; i < answer->count; i++) {
        put_text(writer, dk_text_of(tsv ? "" : i > 0 ? ",{" : "{"));
        cell_write(answer, &answer->cells[i], writer);
        put_text(writer, dk_text_of(tsv ? "\n" : "}"));
    }
    if (!tsv)
        put_text(writer, dk_text_of("]}\n"));
}

static void columns_default(struct dk_usage_question *question)
{
    for (int i = 0; i < DK_USAGE_COLUMN_COUNT; i++)
        if (i >= DK_USAGE_BY_COUNT || (question->by >> i & 1) != 0)
            question->columns[question->column_count++] = (enum dk_usage_column)i;
}

enum dk_status dk_usage_answer(struct dk_history_view *view,
                               const struct dk_usage_question *question,
                               const struct dk_job_row *const *active, uint32_t active_count,
                               int64_t now, struct dk_buf *out, struct dk_err *err)
{
    struct dk_usage_question filled = *question;
    struct answer answer = { 0 };
    struct writer writer = { out, false };
    enum dk_status status;

    if (view->snapshot == NULL)
        return dk_fail(err, DK_IO, "history cannot be read: it could not be opened anew");
    if (filled.column_count == 0)
        columns_default(&filled);
    answer.question = &filled;
    answer.day_first = question->since > 0 ? question->since / DK_USAGE_DAY_US : 0;
    answer.day_last = question->until > 0 ? (question->until - 1) / DK_USAGE_DAY_US : INT32_MAX;
    dk_arena_init(&answer.arena, &dk_heap);
    dk_table_init(&answer.slots, &dk_heap);
    status = answer_kept(&answer, view, err);
    if (status == DK_OK) {
        answer_active(&answer, active, active_count, now);
        if (answer.count == 0 && filled.by == 0)
            (void)cell_of(&answer, &(struct cell){ 0 }); /* nothing is a total too */
        if (answer.count > 0)
            qsort(answer.cells, answer.count, sizeof(*answer.cells), cell_compare);
        answer_write(&answer, view->seq, &writer);
        if (writer.full)
            status =
                dk_fail(err, DK_TOO_LARGE, "the answer is larger than %zu bytes", out->size_max);
    }
    dk_alloc_free(&dk_heap, answer.cells, answer.capacity * sizeof(*answer.cells));
    dk_table_release(&answer.slots);
    dk_arena_release(&answer.arena);
    return status;
}
