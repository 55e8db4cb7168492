/* query_site.c - nodes, partitions, the configuration and who changed it */
#include "projections/query.h"

#include "base/json.h"
#include "projections/past.h"
#include "projections/site_columns.h"

#include <stdlib.h>
#include <string.h>

struct chosen {
    const struct dk_site_column **items;
    uint32_t count;
};

static enum dk_status choose(struct dk_ask *ask, const struct dk_site_column *columns,
                             struct chosen *chosen)
{
    const char *at = ask->fields;
    size_t room = 64 + (at != NULL ? strlen(at) : 0);

    chosen->items = dk_arena_take(&ask->arena, room * sizeof(const struct dk_site_column *));
    chosen->count = 0;
    for (; at == NULL && columns->name != NULL; columns++)
        chosen->items[chosen->count++] = columns;
    while (at != NULL && *at != '\0') {
        size_t size = strcspn(at, ",");
        const struct dk_site_column *column = columns;

        while (column->name != NULL &&
               (strncmp(column->name, at, size) != 0 || column->name[size] != '\0'))
            column++;
        if (column->name == NULL)
            return dk_fail(&ask->err, DK_INVALID, "'%.*s' is no column of this list", (int)size,
                           at);
        chosen->items[chosen->count++] = column;
        at += size + (at[size] == ',');
    }
    return DK_OK;
}

static void write_row(struct dk_table_writer *writer, const struct chosen *chosen, const void *row)
{
    dk_writer_row(writer);
    for (uint32_t i = 0; i < chosen->count; i++) {
        chosen->items[i]->write(row, &writer->cell);
        dk_writer_cell(writer, chosen->items[i]->name, chosen->items[i]->is_number);
    }
}

/* The live view asked about: now, or a past one that the caller destroys. */
static enum dk_status view_of(struct dk_ask *ask, struct dk_live **live, struct dk_live **past)
{
    enum dk_status status = DK_OK;

    *past = NULL;
    if (ask->has_at)
        status = dk_past_open(past, ask->projector->options->place, ask->at_seq, ask->at_time,
                              &ask->err);
    *live = *past != NULL ? *past : ask->projector->live;
    return status;
}

/* Is one of the words of `list` (joined by commas) in `wanted`? */
static bool lists_meet(const char *wanted, struct dk_text list)
{
    uint32_t from = 0;

    if (wanted == NULL)
        return true;
    for (uint32_t i = 0; i <= list.size; i++) {
        if (i < list.size && list.data[i] != ',')
            continue;
        if (i > from && dk_in_list(wanted, (struct dk_text){ list.data + from, i - from }))
            return true;
        from = i + 1;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return dk_node_names_compare((*(const struct dk_node_row *const *)a)->name,
                                 (*(const struct dk_node_row *const *)b)->name);
}

/* In the order of their names, which is not that in which they came. */
static const struct dk_node_row **nodes_by_name(struct dk_ask *ask, const struct dk_live_site *site)
{
    const struct dk_node_row **rows =
        dk_arena_take(&ask->arena, (site->node_count + 1) * sizeof(const struct dk_node_row *));

    for (uint32_t i = 0; i < site->node_count; i++)
        rows[i] = &site->nodes[i];
    if (site->node_count > 1)
        qsort(rows, site->node_count, sizeof(const struct dk_node_row *), by_name);
    return rows;
}

enum dk_status dk_answer_nodes(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_live *live, *past;
    struct dk_live_site site;
    struct dk_table_writer writer;
    const struct dk_node_row **rows;
    struct chosen chosen;
    enum dk_status status = choose(ask, dk_node_columns, &chosen);

    if (status == DK_OK)
        status = view_of(ask, &live, &past);
    if (status != DK_OK)
        return status;
    dk_live_site_open(live, &site);
    *seq = site.seq;
    rows = nodes_by_name(ask, &site);
    dk_writer_begin(&writer, out, ask->tsv, site.seq);
    for (uint32_t i = 0; i < site.node_count; i++) {
        const struct dk_node_row *row = rows[i];

        if (dk_in_list(ask->nodes, row->name) && lists_meet(ask->partitions, row->partitions) &&
            dk_in_list(ask->states, dk_text_of(dk_node_state_word(row->state))))
            write_row(&writer, &chosen, row);
    }
    dk_writer_end(&writer);
    dk_live_site_close(&site);
    dk_live_destroy(past);
    return DK_OK;
}

enum dk_status dk_answer_partitions(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_live *live, *past;
    struct dk_live_site site;
    struct dk_table_writer writer;
    struct chosen chosen;
    enum dk_status status = choose(ask, dk_partition_columns, &chosen);

    if (status == DK_OK)
        status = view_of(ask, &live, &past);
    if (status != DK_OK)
        return status;
    dk_live_site_open(live, &site);
    *seq = site.seq;
    dk_writer_begin(&writer, out, ask->tsv, site.seq);
    for (uint32_t i = 0; i < site.partition_count; i++) {
        const struct dk_partition_row *row = &site.partitions[i];

        if (dk_in_list(ask->partitions, row->name) &&
            dk_in_list(ask->states, dk_text_of(dk_partition_state_name(row->state))))
            write_row(&writer, &chosen, row);
    }
    dk_writer_end(&writer);
    dk_live_site_close(&site);
    dk_live_destroy(past);
    return DK_OK;
}

/* --- the configuration --- */

static void add_name(struct dk_buf *out, const char *name, struct dk_text value)
{
    (void)dk_buf_add_text(out, name);
    (void)dk_json_text(out, value);
}

enum dk_status dk_answer_config(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_live *live, *past;
    struct dk_config_change change;
    struct dk_buf json;
    bool any;
    enum dk_status status = view_of(ask, &live, &past);

    if (status != DK_OK)
        return status;
    dk_buf_init(&json, &dk_heap, 256 << 20);
    any = dk_live_config(live, &json, &change, seq);
    if (any) {
        (void)dk_buf_add_text(out, "{\"seq\":");
        (void)dk_json_integer(out, *seq);
        (void)dk_buf_add_text(out, ",\"changed\":{\"seq\":");
        (void)dk_json_integer(out, change.seq);
        (void)dk_buf_add_text(out, ",\"time\":");
        (void)dk_json_integer(out, change.time);
        add_name(out, ",\"user\":", change.user);
        add_name(out, ",\"note\":", change.note);
        (void)dk_buf_add_text(out, "},\"config\":");
        (void)dk_buf_add(out, json.data, json.size);
        (void)dk_buf_add_text(out, "}\n");
    }
    dk_buf_release(&json);
    dk_live_destroy(past);
    return any ? DK_OK : dk_fail(&ask->err, DK_NOT_FOUND, "nothing had been configured by then");
}

enum dk_status dk_answer_config_history(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_config_change *changes;
    struct dk_table_writer writer;
    struct chosen chosen;
    uint32_t count;
    enum dk_status status = choose(ask, dk_change_columns, &chosen);

    if (status != DK_OK)
        return status;
    count = dk_live_config_history(ask->projector->live, &ask->arena, &changes, seq);
    dk_writer_begin(&writer, out, ask->tsv, *seq);
    for (uint32_t i = 0; i < count; i++)
        write_row(&writer, &chosen, &changes[i]);
    dk_writer_end(&writer);
    return DK_OK;
}
