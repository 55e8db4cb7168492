/* site_columns.c - the columns of nodes, partitions and configuration changes (site_columns.h) */
#include "projections/site_columns.h"

#include "base/json.h"

#define LIMIT_NONE_US (INT64_C(36525) * 86400 * 1000000)

static void add_text(struct dk_buf *out, struct dk_text text)
{
    if (text.size > 0)
        (void)dk_buf_add(out, text.data, text.size);
}

static void add_number(struct dk_buf *out, int64_t value)
{
    (void)dk_json_integer(out, value);
}

static void add_known(struct dk_buf *out, int64_t value)
{
    if (value > 0)
        (void)dk_json_integer(out, value);
}

#define CELL(kind, name, type, call)                                                               \
    static void kind##_##name(const void *opaque, struct dk_buf *out)                              \
    {                                                                                              \
        const struct type *row = opaque;                                                           \
                                                                                                   \
        call;                                                                                      \
    }

/* --- nodes --- */

#define NODE(name, call) CELL(node, name, dk_node_row, call)
#define SEEN(name) NODE(name, if (row->number >= 0) add_number(out, row->name))

NODE(name, add_text(out, row->name))
SEEN(number)
NODE(host, add_text(out, row->host))
NODE(state, (void)dk_buf_add_text(out, dk_node_state_word(row->state)))
NODE(reason, add_text(out, row->reason))
NODE(reason_user, add_text(out, row->reason_user))
NODE(reason_time, add_known(out, row->reason_time))
SEEN(cores)
SEEN(cores_used)
SEEN(memory)
SEEN(memory_used)
SEEN(gpus)
SEEN(gpus_used)
NODE(features, add_text(out, row->features))
NODE(partitions, add_text(out, row->partitions))
NODE(topology, add_text(out, row->topology))
SEEN(sockets)
SEEN(threads_per_core)
NODE(isolation, add_text(out, row->isolation))
NODE(version, add_text(out, row->version))
NODE(registered, add_known(out, row->registered))
NODE(last_beat, add_known(out, row->last_beat))
NODE(boot, add_text(out, row->boot))
SEEN(jobs)

static void node_condition(const void *opaque, struct dk_buf *out)
{
    const struct dk_node_row *row = opaque;

    if (row->number >= 0)
        (void)dk_buf_add_text(out, dk_node_condition_name(row->condition));
}

#define N(kind, name)                                                                              \
    {                                                                                              \
#name, true, kind##_##name                                                                 \
    }
#define T(kind, name)                                                                              \
    {                                                                                              \
#name, false, kind##_##name                                                                \
    }

const struct dk_site_column dk_node_columns[] = {
    T(node, name),
    N(node, number),
    T(node, host),
    T(node, state),
    T(node, condition),
    T(node, reason),
    T(node, reason_user),
    N(node, reason_time),
    N(node, cores),
    N(node, cores_used),
    N(node, memory),
    N(node, memory_used),
    N(node, gpus),
    N(node, gpus_used),
    T(node, features),
    T(node, partitions),
    T(node, topology),
    N(node, sockets),
    N(node, threads_per_core),
    T(node, isolation),
    T(node, version),
    N(node, registered),
    N(node, last_beat),
    T(node, boot),
    N(node, jobs),
    { NULL, false, NULL },
};

/* --- partitions --- */

#define PART(name, call) CELL(part, name, dk_partition_row, call)
#define COUNT(name) PART(name, add_number(out, row->name))

PART(name, add_text(out, row->name))
PART(default, add_number(out, row->is_default ? 1 : 0))
PART(limit_max, if (row->limit_max < LIMIT_NONE_US) add_known(out, row->limit_max))
PART(limit_default, if (row->limit_default < LIMIT_NONE_US) add_known(out, row->limit_default))
PART(nodes_max, add_known(out, row->nodes_max))
COUNT(priority)
COUNT(tier)
COUNT(nodes)
COUNT(cores)
COUNT(cores_used)
COUNT(gpus)
COUNT(gpus_used)
PART(node_list, add_text(out, row->node_list))
COUNT(nodes_idle)
COUNT(nodes_allocated)
COUNT(nodes_other)
COUNT(jobs_pending)
COUNT(jobs_running)

static void part_state(const void *opaque, struct dk_buf *out)
{
    (void)dk_buf_add_text(
        out, dk_partition_state_name(((const struct dk_partition_row *)opaque)->state));
}

const struct dk_site_column dk_partition_columns[] = {
    T(part, name),          N(part, default),      T(part, state),        N(part, limit_max),
    N(part, limit_default), N(part, nodes_max),    N(part, priority),     N(part, tier),
    N(part, nodes),         N(part, cores),        N(part, cores_used),   N(part, gpus),
    N(part, gpus_used),     T(part, node_list),    N(part, nodes_idle),   N(part, nodes_allocated),
    N(part, nodes_other),   N(part, jobs_pending), N(part, jobs_running), { NULL, false, NULL },
};

/* --- changes of the configuration --- */

#define CHANGE(name, call) CELL(change, name, dk_config_change, call)

CHANGE(seq, add_number(out, row->seq))
CHANGE(time, add_number(out, row->time))
CHANGE(user, add_text(out, row->user))
CHANGE(uid, if (row->uid >= 0) add_number(out, row->uid))
CHANGE(note, add_text(out, row->note))
CHANGE(what, add_text(out, row->what))

const struct dk_site_column dk_change_columns[] = {
    N(change, seq),  N(change, time), T(change, user),       N(change, uid),
    T(change, note), T(change, what), { NULL, false, NULL },
};
