/* filter_double.c - filter.h in its simplest form, until the real one has landed */
#include "projections/filter.h"

#include <stdlib.h>

static bool listed(const char *const *list, uint32_t count, struct dk_text text)
{
    for (uint32_t i = 0; i < count; i++)
        if (dk_text_equal(dk_text_of(list[i]), text))
            return true;
    return count == 0;
}

static bool id_accepted(const struct dk_job_filter *filter, const struct dk_job_row *row)
{
    for (uint32_t i = 0; i < filter->id_count; i++) {
        const struct dk_job_id_wanted *id = &filter->ids[i];

        if (id->first < 0 && (id->job == row->id || id->job == row->array_job))
            return true;
        if (id->first >= 0 && id->job == row->array_job && row->array_task >= id->first &&
            row->array_task <= id->last)
            return true;
    }
    return filter->id_count == 0;
}

static bool user_accepted(const struct dk_job_filter *filter, const struct dk_job_row *row)
{
    for (uint32_t i = 0; i < filter->user_count; i++) {
        char *end;
        long uid = strtol(filter->users[i], &end, 10);

        if (dk_text_equal(dk_text_of(filter->users[i]), row->user) ||
            (*end == '\0' && uid == row->uid))
            return true;
    }
    return filter->user_count == 0;
}

bool dk_job_filter_accepts(const struct dk_job_filter *filter, const struct dk_job_row *row)
{
    bool on_node = filter->node_count == 0;

    for (uint32_t i = 0; i < row->node_count && !on_node; i++)
        on_node = listed(filter->nodes, filter->node_count, row->nodes[i]);
    if (filter->states != 0 && (filter->states >> row->state & 1) == 0)
        return false;
    if (filter->since != 0 && row->end != 0 && row->end < filter->since)
        return false;
    if (filter->until != 0 && row->submit >= filter->until)
        return false;
    return on_node && id_accepted(filter, row) && user_accepted(filter, row) &&
           listed(filter->accounts, filter->account_count,
                  row->spec->account.size > 0 ? row->spec->account : row->user) &&
           listed(filter->partitions, filter->partition_count, row->partition) &&
           listed(filter->names, filter->name_count, row->spec->name);
}

bool dk_job_filter_take(struct dk_job_filter *filter, const char *name, const char *value,
                        struct dk_arena *arena, enum dk_status *status, struct dk_err *err)
{
    const char **list = dk_arena_take(arena, sizeof(*list));
    char *copy = dk_arena_take(arena, strlen(value) + 1);

    (void)err;
    memcpy(copy, value, strlen(value) + 1);
    *list = copy;
    *status = DK_OK;
    if (strcmp(name, "user") == 0) {
        filter->users = list;
        filter->user_count = 1;
    } else if (strcmp(name, "name") == 0) {
        filter->names = list;
        filter->name_count = 1;
    } else if (strcmp(name, "node") == 0) {
        filter->nodes = list;
        filter->node_count = 1;
    } else if (strcmp(name, "id") == 0) {
        filter->ids = dk_arena_take(arena, sizeof(*filter->ids));
        filter->ids[0] = (struct dk_job_id_wanted){ strtoll(value, NULL, 10), -1, -1 };
        filter->id_count = 1;
    } else if (strcmp(name, "state") == 0) {
        filter->states = value[0] == 'F' ? 1u << DK_ROW_FAILED : 1u << DK_ROW_TIMEOUT;
    } else if (strcmp(name, "since") == 0) {
        filter->since = strtoll(value, NULL, 10);
    } else if (strcmp(name, "until") == 0) {
        filter->until = strtoll(value, NULL, 10);
    } else if (strcmp(name, "limit") == 0) {
        filter->limit = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(name, "steps") == 0) {
        filter->steps = true;
    } else {
        return false;
    }
    return true;
}

void dk_job_row_cell(const struct dk_job_row *row, int column, int64_t now, struct dk_buf *out)
{
    (void)row;
    (void)column;
    (void)now;
    (void)dk_buf_add_text(out, "cell\t");
}
