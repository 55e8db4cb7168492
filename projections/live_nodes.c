/* live_nodes.c - nodes and partitions as they are now */
#include "projections/live_inside.h"

#include "base/check.h"
#include "net/hostlist.h"

#include <stdlib.h>
#include <string.h>

const char *dk_node_state_word(enum dk_node_state state)
{
    static const char *const words[] = {
#define X(name) #name,
        DK_NODE_STATE_MAP(X)
#undef X
    };

    return state < DK_NODE_STATE_COUNT ? words[state] : "";
}

uint32_t dk_live_node_number(const struct dk_live *live, struct dk_text name)
{
    uint64_t hash = dk_bytes_hash(name.data, name.size);
    uint32_t number = dk_table_find(&live->nodes_by_name, hash);

    if (number == DK_TABLE_NONE)
        return DK_SLOT_NONE;
    if (dk_text_equal(live->nodes[number].name, name))
        return number;
    for (number = 0; number < live->node_count; number++) { /* two names of one hash */
        if (dk_text_equal(live->nodes[number].name, name))
            return number;
    }
    return DK_SLOT_NONE;
}

int64_t dk_live_node_find(struct dk_live *live, struct dk_text name)
{
    uint32_t number;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    number = dk_live_node_number(live, name);
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return number == DK_SLOT_NONE ? -1 : (int64_t)number;
}

/* --- folding --- */

static void add_range(struct dk_range_of_node **ranges, uint32_t *count, uint32_t *capacity,
                      uint32_t first, uint32_t node)
{
    if (*count == *capacity) {
        *capacity = *capacity > 0 ? *capacity * 2 : 64;
        *ranges = realloc(*ranges, *capacity * sizeof(**ranges));
        DK_CHECK(*ranges != NULL);
    }
    (*ranges)[(*count)++] = (struct dk_range_of_node){ first, node };
}

static struct dk_text join_features(struct dk_live *live, const struct dk_node_spec *spec)
{
    struct dk_buf text;
    struct dk_text kept;

    dk_buf_init(&text, &dk_heap, 1 << 20);
    for (uint32_t i = 0; i < spec->features_count; i++) {
        if (i > 0)
            (void)dk_buf_add(&text, ",", 1);
        (void)dk_buf_add(&text, spec->features[i].data, spec->features[i].size);
    }
    kept = dk_texts_keep(&live->texts,
                         (struct dk_text){ (const char *)text.data, (uint32_t)text.size });
    dk_buf_release(&text);
    return kept;
}

struct dk_live_node *dk_live_node_add(struct dk_live *live, struct dk_text name)
{
    uint64_t hash = dk_bytes_hash(name.data, name.size);
    struct dk_live_node *node;

    if (live->node_count == live->node_capacity) {
        live->node_capacity = live->node_capacity > 0 ? live->node_capacity * 2 : 64;
        live->nodes = realloc(live->nodes, live->node_capacity * sizeof(*live->nodes));
        DK_CHECK(live->nodes != NULL);
    }
    node = &live->nodes[live->node_count];
    memset(node, 0, sizeof(*node));
    node->name = dk_texts_keep(&live->texts, name);
    if (dk_table_find(&live->nodes_by_name, hash) == DK_TABLE_NONE)
        dk_table_put(&live->nodes_by_name, hash, live->node_count);
    live->ranks_stale = true;
    live->node_count++;
    return node;
}

static struct dk_live_node *node_of(struct dk_live *live, const struct dk_node_registered *event)
{
    uint32_t number = (uint32_t)event->number;

    if (number < live->node_count)
        return &live->nodes[number];
    return number == live->node_count ? dk_live_node_add(live, event->spec.name) : NULL;
}

int dk_node_names_compare(struct dk_text left, struct dk_text right)
{
    uint32_t i = left.size, j = right.size, size;
    int order;

    while (i > 0 && left.data[i - 1] >= '0' && left.data[i - 1] <= '9')
        i--;
    while (j > 0 && right.data[j - 1] >= '0' && right.data[j - 1] <= '9')
        j--;
    size = i < j ? i : j;
    order = size > 0 ? memcmp(left.data, right.data, size) : 0;
    if (order == 0 &&
        i == j) { /* of one prefix: the shorter number is the smaller, without zeros */
        uint64_t one = strtoull(left.data + i, NULL, 10),
                 other = strtoull(right.data + j, NULL, 10);

        order = (one > other) - (one < other);
        if (order == 0)
            order = (left.size > right.size) - (left.size < right.size);
    }
    return order != 0 ? order : (i > j) - (i < j);
}

static int by_name(const void *a, const void *b)
{
    return dk_node_names_compare((*(struct dk_live_node *const *)a)->name,
                                 (*(struct dk_live_node *const *)b)->name);
}

void dk_live_nodes_rank(struct dk_live *live)
{
    struct dk_live_node **nodes;

    if (!live->ranks_stale)
        return;
    nodes = calloc(live->node_count, sizeof(struct dk_live_node *));
    DK_CHECK(nodes != NULL);
    for (uint32_t i = 0; i < live->node_count; i++)
        nodes[i] = &live->nodes[i];
    qsort(nodes, live->node_count, sizeof(struct dk_live_node *), by_name);
    for (uint32_t i = 0; i < live->node_count; i++)
        nodes[i]->rank = i;
    free(nodes);
    live->ranks_stale = false;
}

static void registered(struct dk_live *live, const struct dk_event *event)
{
    const struct dk_node_registered *fact = &event->node_registered;
    const struct dk_node_spec *spec = &fact->spec;
    struct dk_live_node *node = node_of(live, fact);
    uint32_t number = (uint32_t)fact->number;

    if (node == NULL)
        return;
    if (node->cores != (uint32_t)spec->cores || node->gpus != (uint32_t)spec->gpus) {
        node->core_first = (uint32_t)fact->core_first;
        node->gpu_first = (uint32_t)fact->gpu_first;
        add_range(&live->core_ranges, &live->core_range_count, &live->core_range_capacity,
                  node->core_first, number);
        if (spec->gpus > 0)
            add_range(&live->gpu_ranges, &live->gpu_range_count, &live->gpu_range_capacity,
                      node->gpu_first, number);
    }
    node->cores = (uint32_t)spec->cores;
    node->gpus = (uint32_t)spec->gpus;
    node->memory = spec->memory_mib;
    node->sockets = spec->sockets;
    node->threads_per_core = spec->threads_per_core;
    node->host = dk_texts_keep(&live->texts, spec->host);
    node->topology = dk_texts_keep(&live->texts, spec->topology);
    node->isolation = dk_texts_keep(&live->texts, spec->isolation);
    node->version = dk_texts_keep(&live->texts, spec->version);
    node->boot = dk_texts_keep(&live->texts, spec->boot);
    node->features = join_features(live, spec);
    node->registered = node->last_beat = event->meta.time;
    node->lost = false;
}

static void condition_set(struct dk_live *live, const struct dk_event *event)
{
    const struct dk_node_condition_set *fact = &event->node_condition_set;
    uint32_t number = dk_live_node_number(live, fact->node);
    struct dk_live_node *node;

    if (number == DK_SLOT_NONE)
        return;
    node = &live->nodes[number];
    if (!event->meta.has_actor) { /* the core: it was silent for too long */
        node->lost = true;
        node->reason_time = event->meta.time;
        return;
    }
    node->condition = fact->condition;
    node->reason = dk_texts_keep(&live->texts, fact->reason);
    node->reason_user = dk_texts_keep(&live->texts, event->meta.actor.user);
    node->reason_time = event->meta.time;
}

static void beat(struct dk_live *live, const struct dk_event *event)
{
    int64_t next = 0;

    for (uint32_t i = 0; i < event->nodes_beat.nodes_count; i++) {
        next += event->nodes_beat.nodes[i].gap;
        for (int64_t end = next + event->nodes_beat.nodes[i].count; next < end; next++) {
            if (next >= live->node_count)
                return;
            live->nodes[next].last_beat = event->meta.time;
            live->nodes[next].lost = false;
        }
    }
}

void dk_live_node_event(struct dk_live *live, const struct dk_event *event)
{
    if (event->type == DK_EVENT_NODE_REGISTERED)
        registered(live, event);
    else if (event->type == DK_EVENT_NODE_CONDITION_SET)
        condition_set(live, event);
    else
        beat(live, event);
}

void dk_live_nodes_release(struct dk_live *live)
{
    for (uint32_t i = 0; i < live->node_count; i++)
        free(live->nodes[i].orders);
    free(live->nodes);
    free(live->core_ranges);
    free(live->gpu_ranges);
}

/* --- showing --- */

static enum dk_node_state state_of(const struct dk_live_node *node)
{
    if (node->lost)
        return DK_NODE_LOST;
    if (node->condition == DK_NODE_CONDITION_DOWN)
        return DK_NODE_DOWN;
    if (node->condition == DK_NODE_CONDITION_DRAINED)
        return node->jobs > 0 ? DK_NODE_DRAINING : DK_NODE_DRAINED;
    if (node->cores_used == 0)
        return DK_NODE_IDLE;
    return node->cores_used < (int64_t)node->cores ? DK_NODE_MIXED : DK_NODE_ALLOCATED;
}

static struct dk_text copy_text(struct dk_arena *arena, const struct dk_buf *text)
{
    char *copy = dk_arena_take(arena, text->size + 1);

    if (text->size > 0)
        memcpy(copy, text->data, text->size);
    return (struct dk_text){ copy, (uint32_t)text->size };
}

static void show_node(const struct dk_live_node *node, uint32_t number, struct dk_node_row *row)
{
    static const char silent[] = "not responding";

    *row = (struct dk_node_row){
        .name = node->name,
        .host = node->host,
        .topology = node->topology,
        .isolation = node->isolation,
        .version = node->version,
        .boot = node->boot,
        .features = node->features,
        .reason = node->reason,
        .reason_user = node->reason_user,
        .state = state_of(node),
        .condition = node->condition,
        .number = number,
        .cores = node->cores,
        .cores_used = node->cores_used,
        .memory = node->memory,
        .memory_used = node->memory_used,
        .gpus = node->gpus,
        .gpus_used = node->gpus_used,
        .sockets = node->sockets,
        .threads_per_core = node->threads_per_core,
        .reason_time = node->reason_time,
        .registered = node->registered,
        .last_beat = node->last_beat,
        .jobs = node->jobs,
    };
    if (node->condition == DK_NODE_CONDITION_UP && !node->lost)
        row->reason = row->reason_user = (struct dk_text){ 0 };
    if (node->condition == DK_NODE_CONDITION_UP && !node->lost)
        row->reason_time = 0;
    if (node->lost && node->condition == DK_NODE_CONDITION_UP)
        row->reason = dk_text_of(silent);
}

static void add_member(struct dk_buf *list, struct dk_text name)
{
    if (list->size > 0)
        (void)dk_buf_add(list, ",", 1);
    (void)dk_buf_add(list, name.data, name.size);
}

static void count_node(struct dk_partition_row *row, const struct dk_node_row *node)
{
    row->nodes++;
    row->cores += node->cores;
    row->cores_used += node->cores_used;
    row->gpus += node->gpus;
    row->gpus_used += node->gpus_used;
    if (node->state == DK_NODE_IDLE)
        row->nodes_idle++;
    else if (node->state == DK_NODE_MIXED || node->state == DK_NODE_ALLOCATED)
        row->nodes_allocated++;
    else
        row->nodes_other++;
}

/* Which rows of nodes are in the partition, in the order of the rows. */
static uint32_t members(const struct dk_live *live, const struct dk_live_site *site,
                        const struct dk_partition_spec *spec, uint32_t *rows)
{
    uint32_t count = 0;

    if (spec->all_nodes) {
        for (uint32_t i = 0; i < site->node_count; i++)
            rows[count++] = i;
        return count;
    }
    for (uint32_t i = 0; i < spec->nodes_count; i++) {
        uint32_t number = dk_live_node_number(live, spec->nodes[i]);

        if (number != DK_SLOT_NONE)
            rows[count++] = number;
    }
    return count;
}

static void show_partition(const struct dk_live *live, struct dk_live_site *site, uint32_t index,
                           uint32_t *rows, struct dk_buf *lists)
{
    const struct dk_live_partition *partition = &live->partitions[index];
    const struct dk_partition_spec *spec = &partition->spec;
    struct dk_partition_row *row = &site->partitions[index];
    uint32_t count = members(live, site, spec, rows);
    struct dk_hostlist list;
    struct dk_buf text;

    *row = (struct dk_partition_row){
        .name = spec->name,
        .is_default = spec->is_default,
        .state = spec->state,
        .limit_max = spec->limit_us_max,
        .limit_default = spec->limit_us_default,
        .nodes_max = spec->nodes_max,
        .priority = spec->priority,
        .tier = spec->tier,
        .jobs_pending = partition->pending,
        .jobs_running = partition->running,
    };
    dk_hostlist_init(&list);
    for (uint32_t i = 0; i < count; i++) {
        const struct dk_node_row *node = &site->nodes[rows[i]];

        count_node(row, node);
        add_member(&lists[rows[i]], spec->name);
        dk_hostlist_add(&list, node->name.data, node->name.size);
    }
    dk_hostlist_sort(&list);
    dk_buf_init(&text, &dk_heap, 64 << 20);
    dk_hostlist_compress(&list, &text);
    row->node_list = copy_text(&site->arena, &text);
    dk_buf_release(&text);
    dk_hostlist_release(&list);
}

/* Nodes that the configuration expects and nobody has seen. */
static void add_expected(const struct dk_live *live, struct dk_live_site *site)
{
    for (uint32_t i = 0; i < live->config.nodes_expected_count; i++) {
        struct dk_text name = live->config.nodes_expected[i];
        char *copy;

        if (dk_live_node_number(live, name) != DK_SLOT_NONE)
            continue;
        copy = dk_arena_take(&site->arena, (size_t)name.size + 1);
        memcpy(copy, name.data, name.size);
        copy[name.size] = '\0';
        site->nodes[site->node_count++] = (struct dk_node_row){ .name = { copy, name.size },
                                                                .state = DK_NODE_UNKNOWN,
                                                                .number = -1 };
    }
}

void dk_live_site_open(struct dk_live *live, struct dk_live_site *site)
{
    struct dk_buf *lists;
    uint32_t *rows, room;

    memset(site, 0, sizeof(*site));
    dk_arena_init(&site->arena, &dk_heap);
    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    room = live->node_count + live->config.nodes_expected_count + 1;
    site->nodes = dk_arena_take(&site->arena, room * sizeof(*site->nodes));
    site->partitions =
        dk_arena_take(&site->arena, (live->partition_count + 1) * sizeof(*site->partitions));
    rows = dk_arena_take(&site->arena, room * sizeof(*rows));
    lists = dk_arena_take(&site->arena, room * sizeof(*lists));
    for (uint32_t i = 0; i < room; i++)
        dk_buf_init(&lists[i], &dk_heap, 1 << 20);
    for (uint32_t i = 0; i < live->node_count; i++)
        show_node(&live->nodes[i], i, &site->nodes[site->node_count++]);
    add_expected(live, site);
    for (uint32_t i = 0; i < live->partition_count; i++)
        show_partition(live, site, i, rows, lists);
    site->partition_count = live->partition_count;
    for (uint32_t i = 0; i < room; i++) {
        if (i < site->node_count)
            site->nodes[i].partitions = copy_text(&site->arena, &lists[i]);
        dk_buf_release(&lists[i]);
    }
    site->seq = live->seq;
    site->time = live->time;
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
}

void dk_live_site_close(struct dk_live_site *site)
{
    dk_arena_release(&site->arena);
}
