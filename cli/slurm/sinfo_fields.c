/* sinfo_fields.c - every field that sinfo can show: letters of -o, names of -O */
#include "cli/slurm/sinfo.h"

#include <pwd.h>
#include <string.h>

#define CELL(name)                                                                                 \
    static void name(const void *row, const struct slurm_field *field, struct dk_buf *out)
#define KEY(name) static int64_t name(const void *row, const struct slurm_field *field)

static const char *node_text(const struct sinfo_group *group, int column)
{
    return group->node_count == 0 ? "" : sinfo_node(group->sinfo, group->node, column);
}

static const char *part_text(const struct sinfo_group *group, int column)
{
    return sinfo_part(group->sinfo, group->partition, column);
}

CELL(cell_node)
{
    const char *text = node_text(row, field->argument);

    (void)dk_buf_add_text(out, *text == '\0' && field->constant != NULL ? field->constant : text);
}

KEY(key_node)
{
    return slurm_text_key(node_text(row, field->argument));
}

static const char *key_node_text(const void *row, const struct slurm_field *field)
{
    return node_text(row, field->argument);
}

CELL(cell_part)
{
    (void)field;
    (void)dk_buf_add_text(out, part_text(row, PART_name));
}

static bool is_default(const struct sinfo_group *group)
{
    const char *text = part_text(group, PART_default);

    return *text == '1' || *text == 't';
}

CELL(cell_part_marked)
{
    cell_part(row, field, out);
    if (is_default(row))
        (void)dk_buf_add(out, "*", 1);
}

KEY(key_part)
{
    const struct sinfo_group *group = row;

    (void)field;
    return group->sinfo->is_part_order ? (int64_t)group->partition
                                       : slurm_text_key(part_text(group, PART_name));
}

static const char *key_part_text(const void *row, const struct slurm_field *field)
{
    (void)field;
    return part_text(row, PART_name);
}

CELL(cell_available)
{
    static const char *const words[][2] = { { "DOWN", "down" },
                                            { "DRAINED", "drain" },
                                            { "INACTIVE", "inact" } };
    const char *state = part_text(row, PART_state);

    (void)field;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(state, words[i][0]) == 0) {
            (void)dk_buf_add_text(out, words[i][1]);
            return;
        }
    (void)dk_buf_add_text(out, "up");
}

CELL(cell_limit)
{
    const struct sinfo_group *group = row;
    int64_t limit = sinfo_part_number(group->sinfo, group->partition, field->argument);

    if (limit == 0)
        (void)dk_buf_add_text(out, field->constant);
    else
        slurm_add_elapsed(out, limit / SLURM_SECOND_US);
}

KEY(key_part_number)
{
    const struct sinfo_group *group = row;

    return sinfo_part_number(group->sinfo, group->partition, field->argument);
}

CELL(cell_part_number)
{
    slurm_add_number(out, key_part_number(row, field));
}

CELL(cell_job_size)
{
    const struct sinfo_group *group = row;
    int64_t most = sinfo_part_number(group->sinfo, group->partition, PART_nodes_max);

    (void)field;
    if (most == 1) {
        (void)dk_buf_add(out, "1", 1);
        return;
    }
    (void)dk_buf_add_text(out, "1-");
    if (most == 0)
        (void)dk_buf_add_text(out, "infinite");
    else
        slurm_add_number(out, most);
}

/* With a star: it does not respond. */
static void add_state(struct dk_buf *out, const struct sinfo_group *group, bool is_short)
{
    if (group->node_count == 0) {
        (void)dk_buf_add_text(out, "n/a");
        return;
    }
    (void)dk_buf_add_text(out, sinfo_state_word(group->state, is_short));
    if ((group->state & SINFO_NOT_RESPONDING) != 0)
        (void)dk_buf_add(out, "*", 1);
}

CELL(cell_state)
{
    add_state(out, row, field->argument != 0);
}

CELL(cell_state_complete)
{
    const struct sinfo_group *group = row;
    uint32_t base = group->state & 0xff;

    (void)field;
    (void)dk_buf_add_text(out, sinfo_state_word(base, false));
    if ((group->state & SINFO_DRAIN) != 0)
        (void)dk_buf_add_text(out, "+drain");
    if ((group->state & SINFO_NOT_RESPONDING) != 0)
        (void)dk_buf_add_text(out, "+not_responding");
}

KEY(key_state)
{
    (void)field;
    return ((const struct sinfo_group *)row)->state;
}

CELL(cell_time)
{
    const struct sinfo_group *group = row;
    struct slurm_dates *dates = &((struct sinfo *)(uintptr_t)group->sinfo)->dates;
    int64_t time =
        group->node_count == 0 ? 0 : sinfo_node_number(group->sinfo, group->node, NODE_reason_time);

    (void)field;
    if (time == 0 || *node_text(group, NODE_reason) == '\0')
        (void)dk_buf_add_text(out, "Unknown");
    else
        slurm_add_date(out, dates, time);
}

CELL(cell_reason_user)
{
    const char *user = node_text(row, NODE_reason_user);

    if (*user == '\0' || *node_text(row, NODE_reason) == '\0') {
        (void)dk_buf_add_text(out, "Unknown");
        return;
    }
    (void)dk_buf_add_text(out, user);
    if (field->argument != 0) { /* name(uid) */
        const struct passwd *entry = getpwnam(user);

        (void)dk_buf_add(out, "(", 1);
        if (entry != NULL)
            slurm_add_number(out, (int64_t)entry->pw_uid);
        else
            (void)dk_buf_add_text(out, user);
        (void)dk_buf_add(out, ")", 1);
    }
}

static void add_slashed(struct dk_buf *out, const int64_t *numbers, int count)
{
    for (int i = 0; i < count; i++) {
        if (i > 0)
            (void)dk_buf_add(out, "/", 1);
        slurm_add_number(out, numbers[i]);
    }
}

CELL(cell_cpus_state)
{
    const struct sinfo_group *group = row;
    int64_t numbers[4] = { group->cpus_allocated, group->cpus_idle, group->cpus_other,
                           group->cpus_allocated + group->cpus_idle + group->cpus_other };

    (void)field;
    add_slashed(out, numbers, 4);
}

/* A/I, or with the others and the sum. */
CELL(cell_nodes_state)
{
    const struct sinfo_group *group = row;
    int64_t numbers[4] = { group->nodes_allocated, group->nodes_idle, group->nodes_other,
                           group->node_count };

    add_slashed(out, numbers, field->argument);
}

CELL(cell_node_count)
{
    (void)field;
    slurm_add_number(out, ((const struct sinfo_group *)row)->node_count);
}

KEY(key_node_count)
{
    (void)field;
    return ((const struct sinfo_group *)row)->node_count;
}

CELL(cell_measure)
{
    const struct sinfo_group *group = row;

    slurm_add_number(out, group->least[field->argument]);
    if (group->most[field->argument] > group->least[field->argument])
        (void)dk_buf_add(out, "+", 1);
}

KEY(key_measure)
{
    return ((const struct sinfo_group *)row)->least[field->argument];
}

CELL(cell_layout)
{
    (void)field;
    for (int i = SINFO_SOCKETS; i <= SINFO_THREADS; i++) {
        struct slurm_field one = { .argument = i };

        if (i > SINFO_SOCKETS)
            (void)dk_buf_add(out, ":", 1);
        cell_measure(row, &one, out);
    }
}

CELL(cell_gpus)
{
    const struct sinfo_group *group = row;
    int64_t gpus =
        group->node_count == 0 ? 0 : sinfo_node_number(group->sinfo, group->node, field->argument);

    if (gpus == 0 && field->constant != NULL) {
        (void)dk_buf_add_text(out, field->constant);
        return;
    }
    (void)dk_buf_add_text(out, "gpu:");
    slurm_add_number(out, gpus);
}

static void add_members(struct dk_buf *out, const struct sinfo_group *group, int column)
{
    const struct sinfo *sinfo = group->sinfo;
    struct dk_hostlist list;
    const char *last = "";

    if (group->node_count <= 1) {
        (void)dk_buf_add_text(out, node_text(group, column));
        return;
    }
    dk_hostlist_init(&list);
    for (uint32_t i = group->member; i != UINT32_MAX; i = sinfo->members[i].next) {
        const char *name = sinfo_node(sinfo, sinfo->members[i].node, column);

        if (strcmp(name, last) != 0) /* hosts of many nodes each are named once */
            dk_hostlist_add(&list, name, strlen(name));
        last = name;
    }
    dk_hostlist_sort(&list);
    dk_hostlist_compress(&list, out);
    dk_hostlist_release(&list);
}

CELL(cell_members)
{
    add_members(out, row, field->argument);
}

KEY(key_members)
{
    const struct sinfo_group *group = row;

    (void)field;
    return group->node_count == 0 ? -1 : (int64_t)group->sinfo->rank[group->node];
}

#define PART_CELL(letter, name, heading, cell, key, column, empty)                                 \
    {                                                                                              \
        name, heading, cell, key, NULL, 0, empty, PART_##column, letter, SLURM_MARK | SINFO_PART   \
    }
#define NODE_TEXT(letter, name, heading, column, empty)                                            \
    {                                                                                              \
        name, heading, cell_node, key_node, key_node_text, 0, empty, NODE_##column, letter,        \
            SLURM_MARK                                                                             \
    }
#define MEASURE(letter, name, heading, which)                                                      \
    {                                                                                              \
        name, heading, cell_measure, key_measure, NULL, 0, NULL, which, letter, SINFO_SIZE         \
    }
#define ALWAYS(letter, name, heading, text)                                                        \
    {                                                                                              \
        name, heading, slurm_cell_constant, NULL, NULL, 0, text, 0, letter, 0                      \
    }
#define OWN(letter, name, heading, cell, key, argument, empty, flags)                              \
    {                                                                                              \
        name, heading, cell, key, NULL, 0, empty, argument, letter, flags                          \
    }

const struct slurm_field sinfo_fields[] = {
    PART_CELL('a', "available", "AVAIL", cell_available, NULL, state, NULL),
    OWN('A', "nodeai", "NODES(A/I)", cell_nodes_state, NULL, 2, NULL, 0),
    NODE_TEXT('b', "features_act", "ACTIVE_FEATURES", features, "(null)"),
    ALWAYS('B', "maxcpuspernode", "MAX_CPUS_PER_NODE", "UNLIMITED"),
    MEASURE('c', "cpus", "CPUS", SINFO_CPUS),
    OWN('C', "cpusstate", "CPUS(A/I/O/T)", cell_cpus_state, NULL, 0, NULL, 0),
    ALWAYS('d', "disk", "TMP_DISK", "0"),
    OWN('D', "nodes", "NODES", cell_node_count, key_node_count, 0, NULL, 0),
    ALWAYS('e', "freemem", "FREE_MEM", "N/A"),
    NODE_TEXT('E', "reason", "REASON", reason, "none"),
    NODE_TEXT('f', "features", "AVAIL_FEATURES", features, "(null)"),
    OWN('F', "nodeaiot", "NODES(A/I/O/T)", cell_nodes_state, NULL, 4, NULL, 0),
    ALWAYS('g', "groups", "GROUPS", "all"),
    OWN('G', "gres", "GRES", cell_gpus, NULL, NODE_gpus, "(null)", SLURM_MARK),
    ALWAYS('h', "oversubscribe", "OVERSUBSCRIBE", "NO"),
    OWN('H', "timestamp", "TIMESTAMP", cell_time, NULL, 0, NULL, SLURM_MARK),
    PART_CELL('I', "priorityjobfactor", "PRIO_JOB_FACTOR", cell_part_number, key_part_number,
              priority, NULL),
    PART_CELL('l', "time", "TIMELIMIT", cell_limit, key_part_number, limit_max, "infinite"),
    PART_CELL('L', "defaulttime", "DEFAULTTIME", cell_limit, key_part_number, limit_default, "n/a"),
    MEASURE('m', "memory", "MEMORY", SINFO_MEMORY),
    ALWAYS('M', "preemptmode", "PREEMPT_MODE", "OFF"),
    OWN('n', "nodehost", "HOSTNAMES", cell_members, key_members, NODE_host, NULL,
        SLURM_MARK | SLURM_KEEP_HEADING),
    OWN('N', "nodelist", "NODELIST", cell_members, key_members, NODE_name, NULL,
        SLURM_KEEP_HEADING),
    OWN('o', "nodeaddr", "NODE_ADDR", cell_members, key_members, NODE_host, NULL,
        SLURM_MARK | SLURM_KEEP_HEADING),
    ALWAYS('O', "cpusload", "CPU_LOAD", "N/A"),
    PART_CELL('p', "prioritytier", "PRIO_TIER", cell_part_number, key_part_number, tier, NULL),
    { "partition", "PARTITION", cell_part_marked, key_part, key_part_text, 0, NULL, 0, 'P',
      SLURM_MARK | SINFO_PART },
    ALWAYS('r', "root", "ROOT", "no"),
    { "partitionname", "PARTITION", cell_part, key_part, key_part_text, 0, NULL, 0, 'R',
      SLURM_MARK | SINFO_PART },
    PART_CELL('s', "size", "JOB_SIZE", cell_job_size, key_part_number, nodes_max, NULL),
    ALWAYS('S', "allocnodes", "ALLOCNODES", "all"),
    OWN('t', "statecompact", "STATE", cell_state, key_state, 1, NULL, SLURM_MARK),
    OWN('T', "statelong", "STATE", cell_state, key_state, 0, NULL, SLURM_MARK),
    OWN('u', "user", "USER", cell_reason_user, NULL, 0, NULL, SLURM_MARK),
    OWN('U', "userlong", "USER", cell_reason_user, NULL, 1, NULL, SLURM_MARK),
    NODE_TEXT('v', "version", "VERSION", version, "N/A"),
    ALWAYS('V', "cluster", "CLUSTER", "N/A"),
    ALWAYS('w', "weight", "WEIGHT", "1"),
    MEASURE('X', "sockets", "SOCKETS", SINFO_SOCKETS),
    MEASURE('Y', "cores", "CORES", SINFO_CORES),
    OWN('z', "socketcorethread", "S:C:T", cell_layout, NULL, 0, NULL, SINFO_SIZE),
    MEASURE('Z', "threads", "THREADS", SINFO_THREADS),
    OWN(0, "statecomplete", "STATECOMPLETE", cell_state_complete, NULL, 0, NULL, SLURM_MARK),
    NODE_TEXT(0, "allocmem", "ALLOCMEM", memory_used, "0"),
    OWN(0, "gresused", "GRES_USED", cell_gpus, NULL, NODE_gpus_used, NULL, SLURM_MARK),
    PART_CELL(0, "priority", "PRIO_TIER", cell_part_number, key_part_number, tier, NULL),
    ALWAYS(0, "comment", "COMMENT", "(null)"),
    ALWAYS(0, "extra", "EXTRA", "(null)"),
    ALWAYS(0, "port", "PORT", "0"),
};
const size_t sinfo_field_count = sizeof(sinfo_fields) / sizeof(sinfo_fields[0]);
