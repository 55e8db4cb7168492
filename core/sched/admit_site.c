/* admit_site.c - requests about nodes, partitions and policy */
#include "sched/admit.h"

#include <string.h>

/* --- nodes --- */

static bool node_idle(const struct dk_core *core, uint32_t number)
{
    const struct dk_node *node = &core->nodes[number];

    return dk_bitmap_has_range(&core->cores_free, node->core_first, node->cores);
}

static bool node_expected(const struct dk_core *core, struct dk_text name)
{
    const struct dk_cluster_config *config = &core->config.spec;

    return config->nodes_expected_count == 0 ||
           dk_texts_have(config->nodes_expected, config->nodes_expected_count, name);
}

static void check_node_spec(struct dk_admission *admission, const struct dk_node_spec *spec)
{
    if (!node_expected(admission->core, spec->name))
        dk_refuse(admission, DK_REJECT_REASON_NOT_PERMITTED,
                  "node '%.*s' is not among the configuration's nodes_expected",
                  (int)spec->name.size, spec->name.data);
    dk_check_name(admission, "a node", spec->name);
    if (spec->cores < 1 || spec->cores > 1048576)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "node '%.*s' has %d cores, not 1 to 1048576",
                  (int)spec->name.size, spec->name.data, spec->cores);
    if (spec->memory_mib < 0 || spec->memory_mib > UINT32_MAX)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "node '%.*s' has %lld MiB of memory",
                  (int)spec->name.size, spec->name.data, (long long)spec->memory_mib);
    if (spec->gpus < 0 || spec->gpus > 65536)
        dk_refuse(admission, DK_REJECT_REASON_INVALID, "node '%.*s' has %d GPUs",
                  (int)spec->name.size, spec->name.data, spec->gpus);
    if ((int64_t)admission->core->cores_total + spec->cores > INT32_MAX)
        dk_refuse(admission, DK_REJECT_REASON_TOO_LARGE, "the cluster has more than 2^31 cores");
}

void dk_admit_register(struct dk_admission *admission)
{
    const struct dk_core *core = admission->core;
    const struct dk_node_spec *spec = &admission->request->register_node.spec;
    uint32_t number = dk_node_find(core, spec->name);
    struct dk_event *event;
    bool laid_out;

    check_node_spec(admission, spec);
    laid_out = number != DK_SLOT_NONE && core->nodes[number].cores == (uint32_t)spec->cores &&
               core->nodes[number].gpus == (uint32_t)spec->gpus;
    if (number != DK_SLOT_NONE && !node_idle(core, number) &&
        (!laid_out || core->nodes[number].memory != (uint32_t)spec->memory_mib))
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE,
                  "node '%.*s' has jobs and can't change its cores, memory or GPUs",
                  (int)spec->name.size, spec->name.data);
    if (admission->refused)
        return;
    event = dk_fact(admission, DK_EVENT_NODE_REGISTERED);
    event->node_registered.spec = *spec;
    event->node_registered.number = (int32_t)(number == DK_SLOT_NONE ? core->node_count : number);
    event->node_registered.core_first =
        laid_out ? core->nodes[number].core_first : core->cores_total;
    event->node_registered.gpu_first = laid_out ? core->nodes[number].gpu_first : core->gpus_total;
}

static bool job_on_node(const struct dk_core *core, const struct dk_job *job, uint32_t number)
{
    const struct dk_node *node = &core->nodes[number];

    for (uint32_t i = 0; i < job->cores.count; i++)
        if (job->cores.items[i].first < node->core_first + node->cores &&
            job->cores.items[i].first + job->cores.items[i].count > node->core_first)
            return true;
    return false;
}

/* An operator who sets a node down says that its jobs are gone. */
static void jobs_gone(struct dk_admission *admission, uint32_t number)
{
    const struct dk_core *core = admission->core;
    uint32_t domain = core->node_domain[number];
    struct dk_place place = { 0, 0 };
    const struct dk_entry *entry;

    if (domain == DK_SLOT_NONE)
        return;
    while ((entry = dk_order_list_at(&core->domains[domain].running, place)) != NULL) {
        const struct dk_job *job = dk_job_at(core, entry->slot);

        place = dk_place_next(&core->domains[domain].running, place);
        if (job_on_node(core, job, number))
            dk_job_lost_node(job, dk_fact(admission, DK_EVENT_JOB_ENDED), &admission->out->arena,
                             dk_intern_text(&core->texts, core->nodes[number].name),
                             " was set down");
    }
}

void dk_admit_condition(struct dk_admission *admission)
{
    const struct dk_set_node_condition *set = &admission->request->set_node_condition;
    uint32_t number = dk_node_find(admission->core, set->node);
    struct dk_event *event;

    if (number == DK_SLOT_NONE) {
        dk_refuse(admission, DK_REJECT_REASON_NOT_FOUND, "there is no node '%.*s'",
                  (int)set->node.size, set->node.data);
        return;
    }
    if (set->condition != DK_NODE_CONDITION_UP && set->reason.size == 0) {
        dk_refuse(admission, DK_REJECT_REASON_INVALID,
                  "a node is drained or set down for a reason");
        return;
    }
    event = dk_fact(admission, DK_EVENT_NODE_CONDITION_SET);
    event->node_condition_set.node = set->node;
    event->node_condition_set.condition = set->condition;
    event->node_condition_set.reason = set->reason;
    if (set->condition == DK_NODE_CONDITION_DOWN)
        jobs_gone(admission, number);
}

void dk_admit_beat(struct dk_admission *admission)
{
    const struct dk_beat_nodes *beat = &admission->request->beat_nodes;
    const struct dk_core *core = admission->core;
    struct dk_span *spans;
    struct dk_event *event;
    uint8_t *alive;
    uint32_t count = 0;
    int64_t next = 0;

    alive = dk_arena_take(&admission->out->arena, core->node_count + 1);
    memset(alive, 0, core->node_count + 1);
    for (uint32_t i = 0; i < beat->nodes_count; i++) {
        uint32_t number = dk_node_find(core, beat->nodes[i]);

        if (number != DK_SLOT_NONE)
            alive[number] = 1;
    }
    spans = dk_arena_take(&admission->out->arena, (core->node_count / 2 + 1) * sizeof(*spans));
    for (uint32_t i = 0; i < core->node_count; i++) {
        if (!alive[i])
            continue;
        spans[count].gap = (int64_t)i - next;
        spans[count].count = 0;
        for (; i < core->node_count && alive[i]; i++)
            spans[count].count++;
        next = i;
        count++;
    }
    if (count == 0) {
        dk_refuse(admission, DK_REJECT_REASON_NOT_FOUND, "none of these nodes is registered");
        return;
    }
    event = dk_fact(admission, DK_EVENT_NODES_BEAT);
    event->nodes_beat.nodes = spans;
    event->nodes_beat.nodes_count = count;
}

/* --- partitions and policy --- */

void dk_admit_partition(struct dk_admission *admission)
{
    const struct dk_partition_spec *spec = &admission->request->configure_partition.spec;

    dk_check_partition(admission, spec);
    if (!admission->refused)
        dk_fact(admission, DK_EVENT_PARTITION_CONFIGURED)->partition_configured.spec = *spec;
}

void dk_admit_partition_remove(struct dk_admission *admission)
{
    struct dk_text name = admission->request->remove_partition.name;
    uint32_t index = name.size == 0 ? DK_SLOT_NONE : dk_partition_find(admission->core, name);

    if (index == DK_SLOT_NONE)
        dk_refuse(admission, DK_REJECT_REASON_PARTITION_NOT_FOUND, "there is no partition '%.*s'",
                  (int)name.size, name.data);
    else if (admission->core->partitions[index].jobs > 0)
        dk_refuse(admission, DK_REJECT_REASON_WRONG_STATE, "partition '%.*s' has %u jobs",
                  (int)name.size, name.data, admission->core->partitions[index].jobs);
    else
        dk_fact(admission, DK_EVENT_PARTITION_REMOVED)->partition_removed.name = name;
}

void dk_admit_policy(struct dk_admission *admission)
{
    const struct dk_policy_spec *spec = &admission->request->configure_policy.spec;

    dk_check_policy(admission, spec);
    if (!admission->refused)
        dk_fact(admission, DK_EVENT_POLICY_CONFIGURED)->policy_configured.spec = *spec;
}
