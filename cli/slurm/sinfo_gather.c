/* sinfo_gather.c - nodes into lines: states, filters, groups of those that look alike
 *
 * What a line's nodes have alike is what its fields show: the cells of the marked fields are
 * written one behind the other, and that text, hashed, finds the group. So the format itself says
 * which nodes stand together. */
#include "cli/slurm/sinfo.h"

#include "base/table.h"

#include <string.h>
#include <strings.h>

const char *sinfo_node(const struct sinfo *sinfo, uint32_t node, int column)
{
    return dk_cell(&sinfo->node_rows, node, (uint32_t)column);
}

int64_t sinfo_node_number(const struct sinfo *sinfo, uint32_t node, int column)
{
    return dk_cell_number(&sinfo->node_rows, node, (uint32_t)column, 0);
}

const char *sinfo_part(const struct sinfo *sinfo, uint32_t part, int column)
{
    return dk_cell(&sinfo->part_rows, part, (uint32_t)column);
}

int64_t sinfo_part_number(const struct sinfo *sinfo, uint32_t part, int column)
{
    return dk_cell_number(&sinfo->part_rows, part, (uint32_t)column, 0);
}

/* --- states --- */

uint32_t sinfo_state_of(const struct sinfo *sinfo, uint32_t node)
{
    const char *state = sinfo_node(sinfo, node, NODE_state);
    bool is_drained = strcasecmp(sinfo_node(sinfo, node, NODE_condition), "DRAINED") == 0;
    uint32_t drain = is_drained ? SINFO_DRAIN : 0;
    int64_t used = sinfo_node_number(sinfo, node, NODE_cores_used);

    if (strcmp(state, "LOST") == 0)
        return SINFO_DOWN | SINFO_NOT_RESPONDING | drain;
    if (strcmp(state, "UNKNOWN") == 0)
        return SINFO_UNKNOWN | SINFO_NOT_RESPONDING | drain;
    if (strcmp(state, "DOWN") == 0)
        return SINFO_DOWN;
    if (strcmp(state, "DRAINED") == 0)
        return SINFO_IDLE | SINFO_DRAIN;
    if (strcmp(state, "DRAINING") == 0)
        return (used < sinfo_node_number(sinfo, node, NODE_cores) ? SINFO_MIXED : SINFO_ALLOCATED) |
               (uint32_t)SINFO_DRAIN;
    if (strcmp(state, "MIXED") == 0)
        return SINFO_MIXED;
    return strcmp(state, "ALLOCATED") == 0 ? SINFO_ALLOCATED : SINFO_IDLE;
}

const char *sinfo_state_word(uint32_t state, bool is_short)
{
    uint32_t base = state & 0xff;

    if ((state & SINFO_DRAIN) != 0) {
        if (base == SINFO_ALLOCATED || base == SINFO_MIXED)
            return is_short ? "drng" : "draining";
        return is_short ? "drain" : "drained";
    }
    switch (base) {
    case SINFO_DOWN:
        return "down";
    case SINFO_IDLE:
        return "idle";
    case SINFO_ALLOCATED:
        return is_short ? "alloc" : "allocated";
    case SINFO_MIXED:
        return is_short ? "mix" : "mixed";
    default:
        return is_short ? "unk" : "unknown";
    }
}

enum test { BASE, DRAIN, DRAINED, DRAINING, NO_RESPOND, EVERY, NEVER };

/* NEVER: states of Slurm that no node of docket is in. */
static const struct {
    const char *name;
    enum test test;
    uint32_t base;
} state_words[] = {
    { "alloc", BASE, SINFO_ALLOCATED },
    { "allocated", BASE, SINFO_ALLOCATED },
    { "idle", BASE, SINFO_IDLE },
    { "mix", BASE, SINFO_MIXED },
    { "mixed", BASE, SINFO_MIXED },
    { "down", BASE, SINFO_DOWN },
    { "unk", BASE, SINFO_UNKNOWN },
    { "unknown", BASE, SINFO_UNKNOWN },
    { "drain", DRAIN, 0 },
    { "drained", DRAINED, 0 },
    { "draining", DRAINING, 0 },
    { "drng", DRAINING, 0 },
    { "no_respond", NO_RESPOND, 0 },
    { "all", EVERY, 0 },
    { "block", NEVER, 0 },
    { "cloud", NEVER, 0 },
    { "comp", NEVER, 0 },
    { "completing", NEVER, 0 },
    { "fail", NEVER, 0 },
    { "failing", NEVER, 0 },
    { "futr", NEVER, 0 },
    { "future", NEVER, 0 },
    { "inval", NEVER, 0 },
    { "maint", NEVER, 0 },
    { "npc", NEVER, 0 },
    { "perfctrs", NEVER, 0 },
    { "planned", NEVER, 0 },
    { "plnd", NEVER, 0 },
    { "power_down", NEVER, 0 },
    { "power_up", NEVER, 0 },
    { "powered_down", NEVER, 0 },
    { "powering_down", NEVER, 0 },
    { "powering_up", NEVER, 0 },
    { "reboot", NEVER, 0 },
    { "reboot_issued", NEVER, 0 },
    { "reboot_requested", NEVER, 0 },
    { "reserved", NEVER, 0 },
    { "resv", NEVER, 0 },
};

static bool passes(enum test test, uint32_t base, uint32_t state)
{
    bool is_busy = (state & 0xff) == SINFO_ALLOCATED || (state & 0xff) == SINFO_MIXED;

    switch (test) {
    case BASE:
        return (state & 0xff) == base && (state & SINFO_DRAIN) == 0;
    case DRAIN:
        return (state & SINFO_DRAIN) != 0;
    case DRAINED:
        return (state & SINFO_DRAIN) != 0 && !is_busy;
    case DRAINING:
        return (state & SINFO_DRAIN) != 0 && is_busy;
    case NO_RESPOND:
        return (state & SINFO_NOT_RESPONDING) != 0;
    case EVERY:
        return true;
    case NEVER:
        break;
    }
    return false;
}

bool sinfo_state_passes(const char *list, uint32_t state, bool *is_valid)
{
    bool any = false, all = true, is_and = strchr(list, '&') != NULL;

    *is_valid = true;
    while (*list != '\0') {
        size_t size = strcspn(list, ",&"), i;

        for (i = 0; i < sizeof(state_words) / sizeof(state_words[0]); i++)
            if (strncasecmp(state_words[i].name, list, size) == 0 &&
                state_words[i].name[size] == '\0')
                break;
        if (i == sizeof(state_words) / sizeof(state_words[0])) {
            *is_valid = false;
            return false;
        }
        if (passes(state_words[i].test, state_words[i].base, state))
            any = true;
        else
            all = false;
        list += size;
        if (*list != '\0')
            list++;
    }
    return is_and ? all : any;
}

static uint64_t hash(const void *bytes, size_t size)
{
    uint64_t value = 14695981039346656037U;

    for (const uint8_t *at = bytes, *end = at + size; at < end; at++)
        value = (value ^ *at) * 1099511628211U;
    return value == 0 ? 1 : value;
}

static uint64_t next_key(uint64_t key)
{
    return key + 1 == 0 ? 1 : key + 1;
}

/* The cluster numbers its nodes as they came; people count them by name. */
void sinfo_order(struct sinfo *sinfo)
{
    uint32_t count = sinfo->node_rows.rows;
    struct dk_hostlist names;
    struct dk_table table;

    dk_hostlist_init(&names);
    dk_table_init(&table, &dk_heap);
    for (uint32_t node = 0; node < count; node++) {
        const char *name = sinfo_node(sinfo, node, NODE_name);
        uint64_t key = hash(name, strlen(name));

        while (dk_table_find(&table, key) != DK_TABLE_NONE)
            key = next_key(key);
        dk_table_put(&table, key, node);
        dk_hostlist_add(&names, name, strlen(name));
    }
    dk_hostlist_sort(&names);
    sinfo->by_name = dk_alloc_new(&dk_heap, (count + 1) * sizeof(uint32_t));
    sinfo->rank = dk_alloc_new(&dk_heap, (count + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        uint64_t key = hash(names.names[i], strlen(names.names[i]));
        uint32_t node = dk_table_find(&table, key);

        while (strcmp(sinfo_node(sinfo, node, NODE_name), names.names[i]) != 0) {
            key = next_key(key);
            node = dk_table_find(&table, key);
        }
        sinfo->by_name[i] = node;
        sinfo->rank[node] = i;
    }
    dk_table_release(&table);
    dk_hostlist_release(&names);
}

/* --- groups --- */

void sinfo_measures(const struct sinfo *sinfo, uint32_t node, int64_t out[SINFO_MEASURE_COUNT])
{
    int64_t cores = sinfo_node_number(sinfo, node, NODE_cores);
    int64_t sockets = sinfo_node_number(sinfo, node, NODE_sockets);
    int64_t threads = sinfo_node_number(sinfo, node, NODE_threads_per_core);

    if (sockets < 1)
        sockets = 1;
    out[SINFO_CPUS] = cores;
    out[SINFO_MEMORY] = sinfo_node_number(sinfo, node, NODE_memory);
    out[SINFO_SOCKETS] = sockets;
    out[SINFO_CORES] = cores < sockets ? cores : cores / sockets;
    out[SINFO_THREADS] = threads < 1 ? 1 : threads;
}

static struct sinfo_group *new_group(struct sinfo *sinfo, uint32_t partition)
{
    struct sinfo_group *group;

    if (sinfo->group_count == sinfo->group_capacity) {
        uint32_t capacity = sinfo->group_capacity == 0 ? 64 : sinfo->group_capacity * 2;

        sinfo->groups =
            dk_heap.resize(dk_heap.ctx, sinfo->groups, sinfo->group_capacity * sizeof(*group),
                           capacity * sizeof(*group));
        sinfo->group_capacity = capacity;
    }
    group = &sinfo->groups[sinfo->group_count++];
    memset(group, 0, sizeof(*group));
    group->sinfo = sinfo;
    group->partition = partition;
    group->member = UINT32_MAX;
    return group;
}

static void add_member(struct sinfo *sinfo, struct sinfo_group *group, uint32_t node)
{
    struct sinfo_member *member;

    if (sinfo->member_count == sinfo->member_capacity) {
        uint32_t capacity = sinfo->member_capacity == 0 ? 256 : sinfo->member_capacity * 2;

        sinfo->members =
            dk_heap.resize(dk_heap.ctx, sinfo->members, sinfo->member_capacity * sizeof(*member),
                           capacity * sizeof(*member));
        sinfo->member_capacity = capacity;
    }
    member = &sinfo->members[sinfo->member_count];
    member->node = node;
    member->next = group->member;
    group->member = sinfo->member_count++;
}

static void count_node(struct sinfo *sinfo, struct sinfo_group *group, uint32_t node)
{
    int64_t measures[SINFO_MEASURE_COUNT];
    uint32_t state = sinfo_state_of(sinfo, node), base = state & 0xff;
    int64_t used = sinfo_node_number(sinfo, node, NODE_cores_used), rest;

    sinfo_measures(sinfo, node, measures);
    for (int i = 0; i < SINFO_MEASURE_COUNT; i++) {
        if (group->node_count == 0 || measures[i] < group->least[i])
            group->least[i] = measures[i];
        if (group->node_count == 0 || measures[i] > group->most[i])
            group->most[i] = measures[i];
    }
    rest = measures[SINFO_CPUS] - used;
    group->cpus_allocated += used;
    if ((state & SINFO_DRAIN) != 0 || base == SINFO_DOWN || base == SINFO_UNKNOWN)
        group->cpus_other += rest;
    else
        group->cpus_idle += rest;
    if (base == SINFO_ALLOCATED || base == SINFO_MIXED)
        group->nodes_allocated++;
    else if (state != SINFO_IDLE)
        group->nodes_other++;
    else
        group->nodes_idle++;
    if (group->node_count++ == 0) {
        group->node = node;
        group->state = state;
    }
    group->node_last = node;
    add_member(sinfo, group, node);
}

struct gatherer {
    struct sinfo *sinfo;
    struct dk_table table; /* hash of a key -> group */
    struct dk_buf key, other;
};

/* What all nodes of a line have alike, written one behind the other. */
static void write_key(const struct sinfo *sinfo, const struct sinfo_group *group,
                      struct dk_buf *key)
{
    uint8_t flags = (uint8_t)(SLURM_MARK | (sinfo->is_exact ? SINFO_SIZE : 0));

    dk_buf_clear(key);
    for (uint32_t i = 0; i < sinfo->columns.count; i++) {
        const struct slurm_field *field = sinfo->columns.items[i].field;

        if (field == NULL || (field->flags & flags) == 0 ||
            (group->node_count == 0 && (field->flags & SINFO_PART) == 0))
            continue;
        field->cell(group, field, key);
        (void)dk_buf_add(key, "", 1);
    }
    if (sinfo->is_node) {
        (void)dk_buf_add(key, &group->partition, sizeof(group->partition));
        (void)dk_buf_add(key, &group->node, sizeof(group->node));
    }
}

static void place(struct gatherer *gatherer, uint32_t partition, uint32_t node)
{
    struct sinfo *sinfo = gatherer->sinfo;
    struct sinfo_group probe = { .sinfo = sinfo,
                                 .partition = partition,
                                 .node = node,
                                 .node_count = 1,
                                 .member = UINT32_MAX,
                                 .state = sinfo_state_of(sinfo, node) };
    uint64_t at;

    sinfo_measures(sinfo, node, probe.least);
    sinfo_measures(sinfo, node, probe.most);
    write_key(sinfo, &probe, &gatherer->key);
    for (at = hash(gatherer->key.data, gatherer->key.size);; at = next_key(at)) {
        uint32_t slot = dk_table_find(&gatherer->table, at);
        struct sinfo_group *group;

        if (slot == DK_TABLE_NONE) {
            group = new_group(sinfo, partition);
            dk_table_put(&gatherer->table, at, sinfo->group_count - 1);
            count_node(sinfo, group, node);
            return;
        }
        group = &sinfo->groups[slot];
        probe = *group;
        probe.node_count = 1;
        write_key(sinfo, &probe, &gatherer->other);
        if (gatherer->other.size == gatherer->key.size &&
            (gatherer->key.size == 0 ||
             memcmp(gatherer->other.data, gatherer->key.data, gatherer->key.size) == 0)) {
            if (group->node_last != node) /* a node of two partitions counts once in a line */
                count_node(sinfo, group, node);
            return;
        }
    }
}

static bool node_is_wanted(const struct sinfo *sinfo, uint32_t node)
{
    uint32_t state = sinfo_state_of(sinfo, node);
    bool is_valid, is_silent = (state & SINFO_NOT_RESPONDING) != 0;

    if ((sinfo->is_dead && !is_silent) || (sinfo->is_responding && is_silent))
        return false;
    if (sinfo->states != NULL && !sinfo_state_passes(sinfo->states, state, &is_valid))
        return false;
    if (sinfo->is_reasons && sinfo->states == NULL && (state & SINFO_DRAIN) == 0 &&
        (state & 0xff) != SINFO_DOWN)
        return false;
    if (sinfo->nodes == NULL)
        return true;
    for (uint32_t i = 0; i < sinfo->hosts.count; i++)
        if (strcmp(sinfo->hosts.names[i], sinfo_node(sinfo, node, NODE_name)) == 0)
            return true;
    return false;
}

/* A partition of which no node is listed has a line of its own, if lines show partitions. */
static void add_empty(struct sinfo *sinfo)
{
    bool shows_partition = false;

    for (uint32_t i = 0; i < sinfo->columns.count; i++) {
        const struct slurm_field *field = sinfo->columns.items[i].field;

        shows_partition =
            shows_partition || (field != NULL && (field->letter == 'P' || field->letter == 'R'));
    }
    if (!shows_partition || sinfo->is_node || sinfo->is_reasons)
        return;
    for (uint32_t part = 0, groups = sinfo->group_count; part < sinfo->part_rows.rows; part++) {
        bool is_there = false;

        for (uint32_t i = 0; i < groups && !is_there; i++)
            is_there = sinfo->groups[i].partition == part;
        if (!is_there)
            (void)new_group(sinfo, part);
    }
}

void sinfo_gather(struct sinfo *sinfo)
{
    struct gatherer gatherer = { .sinfo = sinfo };

    dk_table_init(&gatherer.table, &dk_heap);
    dk_buf_init(&gatherer.key, &dk_heap, 1 << 20);
    dk_buf_init(&gatherer.other, &dk_heap, 1 << 20);
    for (uint32_t i = 0; i < sinfo->node_rows.rows; i++) {
        uint32_t node = sinfo->by_name[i];
        const char *partitions = sinfo_node(sinfo, node, NODE_partitions);

        if (!node_is_wanted(sinfo, node))
            continue;
        for (uint32_t part = 0; part < sinfo->part_rows.rows; part++)
            if (slurm_list_has(partitions, sinfo_part(sinfo, part, PART_name)))
                place(&gatherer, part, node);
    }
    add_empty(sinfo);
    dk_table_release(&gatherer.table);
    dk_buf_release(&gatherer.key);
    dk_buf_release(&gatherer.other);
}

void sinfo_forget(struct sinfo *sinfo)
{
    size_t order_bytes = (sinfo->node_rows.rows + 1) * sizeof(uint32_t);

    dk_alloc_free(&dk_heap, sinfo->by_name, order_bytes);
    dk_alloc_free(&dk_heap, sinfo->rank, order_bytes);
    sinfo->by_name = sinfo->rank = NULL;
    dk_rows_release(&sinfo->node_rows);
    dk_rows_release(&sinfo->part_rows);
    dk_alloc_free(&dk_heap, sinfo->groups, sinfo->group_capacity * sizeof(*sinfo->groups));
    dk_alloc_free(&dk_heap, sinfo->members, sinfo->member_capacity * sizeof(*sinfo->members));
    memset(&sinfo->node_rows, 0, sizeof(sinfo->node_rows));
    memset(&sinfo->part_rows, 0, sizeof(sinfo->part_rows));
    sinfo->groups = NULL;
    sinfo->members = NULL;
    sinfo->group_count = sinfo->group_capacity = 0;
    sinfo->member_count = sinfo->member_capacity = 0;
}
