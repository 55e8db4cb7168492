/* views.c - the views that a projector kept, against those that the log makes from its beginning
 *
 * As people and agents see them: every column of every job, nodes, partitions, the configuration,
 * and the orders that an agent gets that starts anew. */
#include "views.h"

#include "event/order.h"
#include "sim.h"

#include <stdio.h>
#include <string.h>

static void add(struct dk_buf *out, struct dk_text text)
{
    DK_CHECK(dk_buf_add(out, text.data, text.size) && dk_buf_add(out, "\t", 1));
}

static void add_number(struct dk_buf *out, int64_t number)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%lld", (long long)number);
    add(out, dk_text_of(text));
}

static void add_jobs(struct dk_live *live, struct dk_buf *out)
{
    struct dk_live_jobs jobs;
    struct dk_arena arena;

    dk_arena_init(&arena, &dk_heap);
    dk_live_jobs_open(live, NULL, &jobs);
    for (uint32_t i = 0; i < jobs.count; i++) {
        struct dk_job_row row;

        dk_live_jobs_row(&jobs, i, &arena, &row);
        for (int column = 0; dk_job_column_name(column) != NULL; column++) {
            dk_job_row_cell(&row, column, jobs.time, out);
            DK_CHECK(dk_buf_add(out, "\t", 1));
        }
        DK_CHECK(dk_buf_add(out, "\n", 1));
        dk_arena_reset(&arena);
    }
    dk_live_jobs_close(&jobs);
    dk_arena_release(&arena);
}

static void add_node(const struct dk_node_row *node, struct dk_buf *out)
{
    const struct dk_text texts[] = { node->name,   node->features,    node->partitions, node->boot,
                                     node->reason, node->reason_user, node->host };
    const int64_t numbers[] = { node->state,       node->condition,  node->number,
                                node->cores,       node->cores_used, node->memory,
                                node->memory_used, node->gpus,       node->gpus_used,
                                node->reason_time, node->registered, node->last_beat,
                                node->jobs };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        add(out, texts[i]);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        add_number(out, numbers[i]);
    DK_CHECK(dk_buf_add(out, "\n", 1));
}

static void add_partition(const struct dk_partition_row *partition, struct dk_buf *out)
{
    const int64_t numbers[] = { partition->state,       partition->nodes,
                                partition->cores,       partition->cores_used,
                                partition->gpus_used,   partition->nodes_idle,
                                partition->nodes_other, partition->jobs_pending,
                                partition->jobs_running };

    add(out, partition->name);
    add(out, partition->node_list);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        add_number(out, numbers[i]);
    DK_CHECK(dk_buf_add(out, "\n", 1));
}

static void add_site(struct dk_live *live, struct dk_buf *out)
{
    struct dk_config_change change;
    struct dk_live_site site;
    int64_t seq;

    dk_live_site_open(live, &site);
    for (uint32_t i = 0; i < site.node_count; i++)
        add_node(&site.nodes[i], out);
    for (uint32_t i = 0; i < site.partition_count; i++)
        add_partition(&site.partitions[i], out);
    dk_live_site_close(&site);
    (void)dk_live_config(live, out, &change, &seq);
}

/* What stays until the run is over: a signal goes once the node has asked for what is after it. */
static void add_lasting(const struct dk_buf *body, struct dk_buf *out)
{
    struct dk_arena arena;
    size_t at = 0;

    dk_arena_init(&arena, &dk_heap);
    while (at + 4 <= body->size) {
        const uint8_t *size = body->data + at;
        uint32_t bytes = size[0] | (uint32_t)size[1] << 8 | (uint32_t)size[2] << 16;
        struct dk_order order;

        DK_CHECK(dk_order_decode(size + 4, bytes, &arena, &order, NULL) == DK_OK);
        if (order.type != DK_ORDER_DELIVER_SIGNAL)
            DK_CHECK(dk_buf_add(out, size, 4 + (size_t)bytes));
        dk_arena_reset(&arena);
        at += 4 + (size_t)bytes;
    }
    dk_arena_release(&arena);
}

static void add_orders(struct dk_live *live, struct dk_buf *out)
{
    struct dk_buf body;
    struct dk_err err;
    int64_t seq;

    dk_buf_init(&body, &dk_heap, (size_t)1 << 26);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        int64_t node = dk_live_node_find(live, dk_text_of(sim_node_name(sim->nodes[i])));

        dk_buf_clear(&body);
        if (node >= 0 && dk_live_orders(live, (uint32_t)node, 0, &body, &seq, &err) == DK_OK)
            add_lasting(&body, out);
    }
    dk_buf_release(&body);
}

void views_print(struct dk_live *live, struct dk_buf *out)
{
    add_jobs(live, out);
    add_site(live, out);
    add_orders(live, out);
}
