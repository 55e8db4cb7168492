/* filter.c - which jobs a question is about (filter.h) */
#define _GNU_SOURCE /* strptime */
#include "projections/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NUMBERS_MAX INT64_C(1000000000000000000)

/* --- taking apart --- */

static char *copy(struct dk_arena *arena, const char *text, size_t size)
{
    char *kept = dk_arena_take(arena, size + 1);

    memcpy(kept, text, size);
    kept[size] = '\0';
    return kept;
}

static uint32_t commas(const char *text)
{
    uint32_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == ',';
    return count;
}

/* a,b,c; empty words are passed over. */
static const char **take_list(struct dk_arena *arena, const char *value, uint32_t *count)
{
    const char **list = dk_arena_take(arena, (commas(value) + 1) * sizeof(*list));

    *count = 0;
    while (*value != '\0') {
        size_t size = strcspn(value, ",");

        if (size > 0)
            list[(*count)++] = copy(arena, value, size);
        value += size + (value[size] == ',');
    }
    return list;
}

static bool take_number(const char **at, int64_t *value)
{
    char *end;

    if (**at < '0' || **at > '9')
        return false;
    *value = strtoll(*at, &end, 10);
    *at = end;
    return *value < NUMBERS_MAX;
}

/* 17, 17_3, 17_[3-5] (one range: clients send one word for each) */
static bool take_id(const char *word, struct dk_job_id_wanted *id)
{
    int64_t first, last;

    *id = (struct dk_job_id_wanted){ .first = -1, .last = -1 };
    if (!take_number(&word, &id->job) || id->job == 0)
        return false;
    if (*word == '\0')
        return true;
    if (*word++ != '_')
        return false;
    if (*word == '[')
        word++;
    if (!take_number(&word, &first))
        return false;
    last = first;
    if (*word == '-') {
        word++;
        if (!take_number(&word, &last))
            return false;
    }
    if (*word == ']')
        word++;
    if (*word != '\0' || last < first || last > INT32_MAX)
        return false;
    id->first = (int32_t)first;
    id->last = (int32_t)last;
    return true;
}

static enum dk_status take_ids(struct dk_job_filter *filter, const char *value,
                               struct dk_arena *arena, struct dk_err *err)
{
    uint32_t count;
    const char **words = take_list(arena, value, &count);

    filter->ids = dk_arena_take(arena, (count + 1) * sizeof(*filter->ids));
    for (uint32_t i = 0; i < count; i++) {
        if (!take_id(words[i], &filter->ids[i]))
            return dk_fail(err, DK_INVALID, "id '%s' is no job id like 17, 17_3 or 17_[3-5]",
                           words[i]);
    }
    filter->id_count = count;
    return DK_OK;
}

static enum dk_status take_states(struct dk_job_filter *filter, const char *value,
                                  struct dk_arena *arena, struct dk_err *err)
{
    uint32_t count;
    const char **words = take_list(arena, value, &count);

    for (uint32_t i = 0; i < count; i++) {
        int found = -1;

        if (strcasecmp(words[i], "all") == 0) {
            filter->all_states = true;
            continue;
        }
        for (int state = 0; state < DK_ROW_STATE_COUNT; state++) {
            if (strcasecmp(words[i], dk_row_state_word((enum dk_row_state)state)) == 0 ||
                strcasecmp(words[i], dk_row_state_letters((enum dk_row_state)state)) == 0)
                found = state;
        }
        if (found < 0)
            return dk_fail(err, DK_INVALID, "state '%s' is none: PENDING, RUNNING, ... or all",
                           words[i]);
        filter->states |= UINT32_C(1) << found;
    }
    return DK_OK;
}

bool dk_time_parse(const char *text, int64_t *time)
{
    static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d" };
    const char *at = text;

    if (take_number(&at, time) && *at == '\0')
        return true;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm parts = { .tm_isdst = -1 };
        const char *end = strptime(text, formats[i], &parts);

        if (end != NULL && *end == '\0') {
            parts.tm_isdst = -1;
            *time = (int64_t)mktime(&parts) * 1000000;
            return true;
        }
    }
    return false;
}

static enum dk_status take_time(int64_t *time, const char *name, const char *value,
                                struct dk_err *err)
{
    return dk_time_parse(value, time)
               ? DK_OK
               : dk_fail(err, DK_INVALID,
                         "%s '%s' is no time: YYYY-MM-DD[THH:MM[:SS]] or microseconds since 1970",
                         name, value);
}

static enum dk_status take_flag(bool *flag, const char *name, const char *value, struct dk_err *err)
{
    if (strcmp(value, "1") != 0 && strcmp(value, "0") != 0)
        return dk_fail(err, DK_INVALID, "%s is 0 or 1, not '%s'", name, value);
    *flag = value[0] == '1';
    return DK_OK;
}

bool dk_job_filter_take(struct dk_job_filter *filter, const char *name, const char *value,
                        struct dk_arena *arena, enum dk_status *status, struct dk_err *err)
{
    const struct {
        const char *name;
        const char ***list;
        uint32_t *count;
    } lists[] = {
        { "user", &filter->users, &filter->user_count },
        { "account", &filter->accounts, &filter->account_count },
        { "partition", &filter->partitions, &filter->partition_count },
        { "name", &filter->names, &filter->name_count },
        { "node", &filter->nodes, &filter->node_count },
    };
    const char *at = value;
    int64_t number;

    *status = DK_OK;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcmp(name, lists[i].name) == 0) {
            *lists[i].list = take_list(arena, value, lists[i].count);
            return true;
        }
    }
    if (strcmp(name, "id") == 0) {
        *status = take_ids(filter, value, arena, err);
    } else if (strcmp(name, "state") == 0) {
        *status = take_states(filter, value, arena, err);
    } else if (strcmp(name, "since") == 0) {
        *status = take_time(&filter->since, name, value, err);
    } else if (strcmp(name, "until") == 0) {
        *status = take_time(&filter->until, name, value, err);
    } else if (strcmp(name, "tasks") == 0) {
        *status = take_flag(&filter->tasks, name, value, err);
    } else if (strcmp(name, "steps") == 0) {
        *status = take_flag(&filter->steps, name, value, err);
    } else if (strcmp(name, "duplicates") == 0) {
        *status = take_flag(&filter->duplicates, name, value, err);
    } else if (strcmp(name, "limit") == 0) {
        if (!take_number(&at, &number) || *at != '\0' || number > UINT32_MAX)
            *status = dk_fail(err, DK_INVALID, "limit '%s' is no number of rows", value);
        else
            filter->limit = (uint32_t)number;
    } else {
        return false;
    }
    return true;
}

/* --- does it pass? --- */

static bool is_word(struct dk_text text, const char *word)
{
    return strlen(word) == text.size && memcmp(text.data, word, text.size) == 0;
}

static bool in_list(const char *const *list, uint32_t count, struct dk_text text)
{
    if (count == 0)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (is_word(text, list[i]))
            return true;
    }
    return false;
}

static bool user_passes(const struct dk_job_filter *filter, const struct dk_job_row *row)
{
    char number[16];

    if (filter->user_count == 0 || in_list(filter->users, filter->user_count, row->user))
        return true;
    (void)snprintf(number, sizeof(number), "%d", row->uid);
    return in_list(filter->users, filter->user_count, dk_text_of(number));
}

static bool any_between(const struct dk_job_row *row, int32_t first, int32_t last)
{
    if (row->array_task >= 0)
        return row->array_task >= first && row->array_task <= last;
    for (uint32_t i = 0; i < row->array_ranges_count; i++) {
        if (row->array_ranges[i].first <= last && row->array_ranges[i].last >= first)
            return true;
    }
    return false;
}

static bool id_passes(const struct dk_job_filter *filter, const struct dk_job_row *row)
{
    if (filter->id_count == 0)
        return true;
    for (uint32_t i = 0; i < filter->id_count; i++) {
        const struct dk_job_id_wanted *id = &filter->ids[i];

        if (id->first < 0 && (row->id == id->job || row->array_job == id->job))
            return true;
        if (id->first >= 0 && row->array_job == id->job && any_between(row, id->first, id->last))
            return true;
    }
    return false;
}

static bool node_passes(const struct dk_job_filter *filter, const struct dk_job_row *row)
{
    if (filter->node_count == 0)
        return true;
    for (uint32_t i = 0; i < row->node_count; i++) {
        if (in_list(filter->nodes, filter->node_count, row->nodes[i]))
            return true;
    }
    return false;
}

static bool time_passes(const struct dk_job_filter *filter, const struct dk_job_row *row)
{
    bool ended = row->state >= DK_ROW_COMPLETED;

    if (filter->until != 0 && row->submit >= filter->until)
        return false;
    return filter->since == 0 || !ended || row->end >= filter->since;
}

bool dk_job_filter_accepts(const struct dk_job_filter *filter, const struct dk_job_row *row)
{
    if (filter->states != 0 && !filter->all_states &&
        (filter->states & (UINT32_C(1) << row->state)) == 0)
        return false;
    return id_passes(filter, row) && user_passes(filter, row) &&
           in_list(filter->accounts, filter->account_count, row->spec->account) &&
           in_list(filter->partitions, filter->partition_count, row->partition) &&
           in_list(filter->names, filter->name_count, row->spec->name) &&
           node_passes(filter, row) && time_passes(filter, row);
}
