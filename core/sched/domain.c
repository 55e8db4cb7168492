/* domain.c - which partitions are scheduled together
 *
 * Two partitions that have a node in common, directly or through others, form one domain: one
 * order, one list of running jobs. All of it is derived from nodes, partitions and jobs and
 * rebuilt when a node or a partition changes.
 */
#include "sched/state.h"

#include <string.h>

static void domains_release(struct dk_core *core)
{
    for (uint32_t i = 0; i < core->domain_count; i++) {
        struct dk_domain *domain = &core->domains[i];

        dk_order_list_release(&domain->queue);
        dk_order_list_release(&domain->aged);
        dk_order_list_release(&domain->running);
        dk_bitmap_release(&domain->free_nodes);
        dk_alloc_free(core->alloc, domain->nodes, domain->node_count * sizeof(*domain->nodes));
        dk_alloc_free(core->alloc, domain->core_ranges,
                      domain->node_count * sizeof(*domain->core_ranges));
    }
    dk_alloc_free(core->alloc, core->domains, core->domain_count * sizeof(*core->domains));
    core->domains = NULL;
    core->domain_count = 0;
}

void dk_domains_release(struct dk_core *core)
{
    domains_release(core);
}

static uint32_t root_of(const uint32_t *parent, uint32_t i)
{
    while (parent[i] != i)
        i = parent[i];
    return i;
}

/* Gives every live partition the number of its domain: the lowest partition in it leads. */
static void partitions_join(struct dk_core *core)
{
    uint32_t count = core->partition_count, domains = 0;
    uint32_t *parent = dk_alloc_new(core->alloc, (count + 1) * sizeof(*parent));

    for (uint32_t i = 0; i < count; i++)
        parent[i] = i;
    for (uint32_t node = 0; node < core->node_count; node++) {
        uint32_t leader = DK_SLOT_NONE;

        for (uint32_t i = 0; i < count; i++) {
            uint32_t root;

            if (core->partitions[i].name == 0 || !dk_node_in_partition(core, node, i))
                continue;
            root = root_of(parent, i);
            if (leader == DK_SLOT_NONE || root < leader) {
                if (leader != DK_SLOT_NONE)
                    parent[leader] = root;
                leader = root;
            } else {
                parent[root] = leader;
            }
        }
        core->node_domain[node] = leader; /* of a partition; of a domain below */
    }
    for (uint32_t i = 0; i < count; i++) {
        if (core->partitions[i].name == 0)
            core->partitions[i].domain = DK_SLOT_NONE;
        else if (root_of(parent, i) == i)
            core->partitions[i].domain = domains++;
        else
            core->partitions[i].domain = core->partitions[root_of(parent, i)].domain;
    }
    for (uint32_t node = 0; node < core->node_count; node++) {
        uint32_t leader = core->node_domain[node];

        if (leader != DK_SLOT_NONE)
            core->node_domain[node] = core->partitions[root_of(parent, leader)].domain;
    }
    dk_alloc_free(core->alloc, parent, (count + 1) * sizeof(*parent));
    core->domain_count = domains;
}

/* Nodes in the order in which they are filled: those without GPUs first, then by number. */
static void domain_nodes(struct dk_core *core, uint32_t index)
{
    struct dk_domain *domain = &core->domains[index];
    uint32_t at = 0;

    for (uint32_t i = 0; i < core->node_count; i++)
        domain->node_count += core->node_domain[i] == index;
    domain->nodes = dk_alloc_new(core->alloc, domain->node_count * sizeof(*domain->nodes));
    domain->core_ranges =
        dk_alloc_new(core->alloc, domain->node_count * sizeof(*domain->core_ranges));
    domain->ranges_stale = true;
    for (int with_gpus = 0; with_gpus < 2; with_gpus++)
        for (uint32_t i = 0; i < core->node_count; i++)
            if (core->node_domain[i] == index && (core->nodes[i].gpus > 0) == with_gpus)
                domain->nodes[at++] = i;
    for (uint32_t i = 0; i < domain->node_count; i++) {
        const struct dk_node *node = &core->nodes[domain->nodes[i]];

        core->node_place[domain->nodes[i]] = i;
        domain->cores_total += node->cores;
        domain->cores_free += core->node_cores_free[domain->nodes[i]];
        domain->node_by_node = domain->node_by_node || node->gpus > 0;
    }
}

/* Ascending, and adjacent ranges become one: a cluster of like nodes is a single range. */
void dk_domain_ranges(const struct dk_core *core, struct dk_domain *domain)
{
    struct dk_range *ranges = domain->core_ranges;
    uint32_t count = 0, kept = 0;

    if (!domain->ranges_stale)
        return;
    for (uint32_t i = 0; i < domain->node_count; i++) {
        const struct dk_node *node = &core->nodes[domain->nodes[i]];
        uint32_t at = count;

        if (!core->node_open[domain->nodes[i]])
            continue;
        for (; at > 0 && ranges[at - 1].first > node->core_first; at--)
            ranges[at] = ranges[at - 1];
        ranges[at].first = node->core_first;
        ranges[at].count = node->cores;
        count++;
    }
    for (uint32_t i = 0; i < count; i++)
        if (kept > 0 && ranges[kept - 1].first + ranges[kept - 1].count == ranges[i].first)
            ranges[kept - 1].count += ranges[i].count;
        else
            ranges[kept++] = ranges[i];
    domain->core_range_count = kept;
    domain->ranges_stale = false;
}

void dk_domain_track(struct dk_core *core, struct dk_domain *domain)
{
    if (domain->tracked)
        return;
    if (core->uniform)
        dk_nodes_refresh(core);
    dk_bitmap_release(&domain->free_nodes);
    dk_bitmap_extend(&domain->free_nodes, domain->node_count);
    for (uint32_t i = 0; i < domain->node_count; i++)
        if (core->node_cores_free[domain->nodes[i]] > 0)
            dk_bitmap_add_range(&domain->free_nodes, i, 1);
    domain->tracked = true;
}

void dk_running_add(struct dk_core *core, uint32_t slot)
{
    const struct dk_job *job = dk_job_at(core, slot);
    struct dk_entry entry;

    memset(&entry, 0, sizeof(entry));
    entry.key = dk_add_saturated(job->start, job->limit_us);
    entry.id = job->id;
    entry.cores = (uint32_t)dk_ranges_sum(&job->cores);
    entry.slot = slot;
    dk_order_list_add(&dk_job_domain(core, job)->running, &entry);
}

void dk_running_remove(struct dk_core *core, uint32_t slot)
{
    const struct dk_job *job = dk_job_at(core, slot);

    dk_order_list_remove(&dk_job_domain(core, job)->running,
                         dk_add_saturated(job->start, job->limit_us), job->id);
}

static void domains_fill(struct dk_core *core)
{
    for (uint32_t slot = 0; slot < core->job_limit; slot++) {
        struct dk_job *job = dk_job_at(core, slot);

        if (job->state == DK_JOB_RUNNING || job->state == DK_JOB_ENDING) {
            dk_running_add(core, slot);
        } else if (job->state == DK_JOB_PENDING) {
            job->flags &= (uint8_t) ~(DK_FLAG_IN_QUEUE | DK_FLAG_AGED);
            dk_queue_settle(core, slot);
        }
    }
}

static bool machine_uniform(const struct dk_core *core)
{
    for (uint32_t i = 0; i < core->node_count; i++)
        if (!core->node_open[i] || core->node_domain[i] != 0)
            return false;
    return core->domain_count == 1;
}

void dk_domains_rebuild(struct dk_core *core)
{
    uint32_t *partitions_in;

    dk_nodes_refresh(core);
    domains_release(core);
    core->domains_dirty = false;
    partitions_join(core);
    if (core->domain_count > 0) {
        core->domains = dk_alloc_new(core->alloc, core->domain_count * sizeof(*core->domains));
        memset(core->domains, 0, core->domain_count * sizeof(*core->domains));
    }
    partitions_in = dk_alloc_new(core->alloc, (core->domain_count + 1) * sizeof(*partitions_in));
    memset(partitions_in, 0, (core->domain_count + 1) * sizeof(*partitions_in));
    for (uint32_t i = 0; i < core->partition_count; i++)
        if (core->partitions[i].domain != DK_SLOT_NONE)
            partitions_in[core->partitions[i].domain]++;
    for (uint32_t i = 0; i < core->domain_count; i++) {
        struct dk_domain *domain = &core->domains[i];

        dk_order_list_init(&domain->queue, core->alloc);
        dk_order_list_init(&domain->aged, core->alloc);
        dk_order_list_init(&domain->running, core->alloc);
        dk_bitmap_init(&domain->free_nodes, core->alloc);
        domain->node_by_node = partitions_in[i] > 1;
        domain->pass_due = true;
        domain->late = core->dirty_late;
        domain_nodes(core, i);
    }
    dk_alloc_free(core->alloc, partitions_in, (core->domain_count + 1) * sizeof(*partitions_in));
    core->dirty_late = false;
    core->uniform = machine_uniform(core);
    core->version++;
    core->ages.count = 0;
    domains_fill(core);
}
