/* machine.c - nodes, partitions, the domains they form, and what is free
 *
 * Cores are numbered across the cluster. Two bitmaps say which are held and which may be
 * given: a core of a drained node that nobody holds is in neither. Per node there are counters of
 * free cores, memory and GPUs, so that a node is judged without looking at its cores.
 */
#include "sched/state.h"

#include <string.h>

void *dk_grow(const struct dk_alloc *alloc, void *items, uint32_t *capacity, uint32_t needed,
              size_t size)
{
    uint32_t wanted = *capacity == 0 ? 8 : *capacity;

    if (needed <= *capacity)
        return items;
    while (wanted < needed)
        wanted *= 2;
    items = alloc->resize(alloc->ctx, items, *capacity * size, wanted * size);
    *capacity = wanted;
    return items;
}

uint32_t dk_node_find(const struct dk_core *core, struct dk_text name)
{
    uint32_t text = dk_intern_find(&core->texts, name);

    if (text == DK_TABLE_NONE || text == 0)
        return DK_SLOT_NONE;
    return dk_table_find(&core->nodes_by_name, text);
}

/* The segment that holds a core. In a cluster of like nodes the first guess is right. */
static uint32_t segment_of(const struct dk_core *core, uint32_t core_number)
{
    const struct dk_segment *segments = core->segments;
    uint32_t first = 0, limit = core->segment_count;
    uint32_t guess = (uint32_t)((uint64_t)core_number * limit / core->cores_total);

    if (segments[guess].first <= core_number &&
        (guess + 1 == limit || core_number < segments[guess + 1].first))
        return guess;
    while (limit - first > 1) {
        uint32_t middle = first + (limit - first) / 2;

        if (segments[middle].first <= core_number)
            first = middle;
        else
            limit = middle;
    }
    return first;
}

uint32_t dk_node_of_core(const struct dk_core *core, uint32_t core_number)
{
    return core->segments[segment_of(core, core_number)].node;
}

uint32_t dk_partition_find(const struct dk_core *core, struct dk_text name)
{
    uint32_t text, usual = core->partition_default;

    if (name.size == 0 ||
        (usual != DK_SLOT_NONE &&
         dk_text_equal(name, dk_intern_text(&core->texts, core->partitions[usual].name))))
        return usual;
    text = dk_intern_find(&core->texts, name);
    if (text == DK_TABLE_NONE)
        return DK_SLOT_NONE;
    for (uint32_t i = 0; i < core->partition_count; i++)
        if (core->partitions[i].name == text)
            return i;
    return DK_SLOT_NONE;
}

static bool sorted_has(const uint32_t *items, uint32_t count, uint32_t item)
{
    uint32_t first = 0, limit = count;

    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;

        if (items[middle] < item)
            first = middle + 1;
        else
            limit = middle;
    }
    return first < count && items[first] == item;
}

bool dk_node_in_partition(const struct dk_core *core, uint32_t node, uint32_t partition)
{
    const struct dk_partition *p = &core->partitions[partition];

    return p->all_nodes || sorted_has(p->nodes, p->node_count, core->nodes[node].name);
}

static bool node_has_feature(const struct dk_core *core, const struct dk_node *node,
                             struct dk_text feature)
{
    for (uint32_t i = 0; i < node->feature_count; i++)
        if (dk_text_equal(dk_intern_text(&core->texts, node->features[i]), feature))
            return true;
    return false;
}

/* "a&b|c": one of the alternatives, of which the node has every feature. */
bool dk_constraint_matches(const struct dk_core *core, const struct dk_node *node,
                           struct dk_text constraint)
{
    bool all = true;
    uint32_t start = 0;

    if (constraint.size == 0)
        return true;
    for (uint32_t i = 0; i <= constraint.size; i++) {
        char c = i < constraint.size ? constraint.data[i] : '|';
        struct dk_text feature = { constraint.data + start, i - start };

        if (c != '&' && c != '|')
            continue;
        all = all && node_has_feature(core, node, feature);
        start = i + 1;
        if (c == '|' && all)
            return true;
        if (c == '|')
            all = true;
    }
    return false;
}

/* --- what is free --- */

uint64_t dk_ranges_sum(const struct dk_ranges *ranges)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < ranges->count; i++)
        sum += ranges->items[i].count;
    return sum;
}

void dk_ranges_copy(struct dk_core *core, struct dk_ranges *ranges, const struct dk_span *spans,
                    uint32_t count)
{
    int64_t next = 0;

    ranges->items =
        dk_grow(core->alloc, ranges->items, &ranges->capacity, count, sizeof(*ranges->items));
    ranges->count = count;
    for (uint32_t i = 0; i < count; i++) {
        next += spans[i].gap;
        ranges->items[i].first = (uint32_t)next;
        ranges->items[i].count = (uint32_t)spans[i].count;
        next += spans[i].count;
    }
}

void dk_ranges_release(struct dk_core *core, struct dk_ranges *ranges)
{
    dk_alloc_free(core->alloc, ranges->items, ranges->capacity * sizeof(*ranges->items));
    memset(ranges, 0, sizeof(*ranges));
}

/* The memory that a job of this demand holds on a node where it has `cores` cores. */
static uint32_t memory_held(const struct dk_demand *demand, const struct dk_node *node,
                            uint32_t cores)
{
    if (demand->exclusive)
        return node->memory;
    return demand->memory_per_node + demand->memory_per_cpu * cores;
}

static void free_move(struct dk_core *core, uint32_t node, int64_t cores)
{
    uint32_t before = core->node_cores_free[node];
    struct dk_domain *domain;

    core->node_cores_free[node] = before + (uint32_t)cores;
    if (core->node_domain[node] == DK_SLOT_NONE)
        return;
    domain = &core->domains[core->node_domain[node]];
    domain->cores_free += (uint64_t)cores;
    if (!domain->tracked)
        return;
    if (before == 0)
        dk_bitmap_add_range(&domain->free_nodes, core->node_place[node], 1);
    else if (core->node_cores_free[node] == 0)
        dk_bitmap_remove_range(&domain->free_nodes, core->node_place[node], 1);
}

/* Cores of one range; sign -1 takes, +1 gives back. `last` is the node of the range before: what a
 * job holds of a node once is not taken again when its cores there are not adjacent. */
static void cores_move(struct dk_core *core, const struct dk_demand *demand, struct dk_range range,
                       int sign, uint32_t *last)
{
    uint32_t segment;
    bool memory = demand->exclusive || demand->memory_per_node != 0 || demand->memory_per_cpu != 0;

    if (sign < 0)
        dk_bitmap_remove_range(&core->cores_free, range.first, range.count);
    else
        dk_bitmap_add_range(&core->cores_free, range.first, range.count);
    if (core->uniform && !memory && !core->domains[0].tracked) {
        core->domains[0].cores_free += (uint64_t)((int64_t)sign * range.count);
        return;
    }
    segment = segment_of(core, range.first);
    while (range.count > 0) {
        uint32_t node = core->segments[segment].node;
        uint32_t limit = segment + 1 < core->segment_count ? core->segments[segment + 1].first
                                                           : core->cores_total;
        uint32_t here = limit - range.first < range.count ? limit - range.first : range.count;

        if (core->node_open[node])
            free_move(core, node, (int64_t)sign * here);
        if (memory)
            core->node_memory_free[node] +=
                (uint32_t)sign * (node != *last ? memory_held(demand, &core->nodes[node], here)
                                  : demand->exclusive ? 0
                                                      : demand->memory_per_cpu * here);
        *last = node;
        range.first += here;
        range.count -= here;
        segment++;
    }
}

static void gpus_move(struct dk_core *core, struct dk_range range, int sign)
{
    if (sign < 0)
        dk_bitmap_remove_range(&core->gpus_free, range.first, range.count);
    else
        dk_bitmap_add_range(&core->gpus_free, range.first, range.count);
    for (uint32_t i = 0; i < core->node_count && range.count > 0; i++) {
        const struct dk_node *node = &core->nodes[i];
        uint32_t first = range.first > node->gpu_first ? range.first : node->gpu_first;
        uint32_t limit = range.first + range.count < node->gpu_first + node->gpus
                             ? range.first + range.count
                             : node->gpu_first + node->gpus;

        if (first < limit)
            core->node_gpus_free[i] += (uint32_t)sign * (limit - first);
    }
}

static void machine_move(struct dk_core *core, const struct dk_demand *demand,
                         const struct dk_ranges *cores, const struct dk_ranges *gpus, int sign)
{
    uint32_t last = DK_SLOT_NONE;

    for (uint32_t i = 0; i < cores->count; i++)
        cores_move(core, demand, cores->items[i], sign, &last);
    for (uint32_t i = 0; i < gpus->count; i++)
        gpus_move(core, gpus->items[i], sign);
}

void dk_machine_take(struct dk_core *core, const struct dk_demand *demand,
                     const struct dk_ranges *cores, const struct dk_ranges *gpus)
{
    machine_move(core, demand, cores, gpus, -1);
}

void dk_machine_give(struct dk_core *core, const struct dk_demand *demand,
                     const struct dk_ranges *cores, const struct dk_ranges *gpus)
{
    machine_move(core, demand, cores, gpus, +1);
}

/* --- nodes --- */

static void *column_room(struct dk_core *core, void *column, uint32_t count, size_t size)
{
    uint32_t capacity = core->node_work_capacity;

    return dk_grow(core->alloc, column, &capacity, count, size);
}

static void node_room(struct dk_core *core, uint32_t count)
{
    uint32_t capacity = core->node_work_capacity;

    core->nodes =
        dk_grow(core->alloc, core->nodes, &core->node_capacity, count, sizeof(*core->nodes));
    core->node_domain = column_room(core, core->node_domain, count, 4);
    core->node_place = column_room(core, core->node_place, count, 4);
    core->node_cores_free = column_room(core, core->node_cores_free, count, 4);
    core->node_memory_free = column_room(core, core->node_memory_free, count, 4);
    core->node_gpus_free = column_room(core, core->node_gpus_free, count, 4);
    core->node_open = dk_grow(core->alloc, core->node_open, &capacity, count, 1);
    core->node_work_capacity = capacity;
}

void dk_nodes_refresh(struct dk_core *core)
{
    for (uint32_t i = 0; i < core->node_count; i++)
        core->node_cores_free[i] =
            core->node_open[i] ? dk_bitmap_count_range(&core->cores_free, core->nodes[i].core_first,
                                                       core->nodes[i].cores)
                               : 0;
}

/* Whether the node takes jobs may have changed. */
static void node_settle(struct dk_core *core, uint32_t number)
{
    struct dk_node *node = &core->nodes[number];
    uint32_t before, domain = core->node_domain[number];
    bool open = node->condition == DK_NODE_CONDITION_UP && !node->lost;

    if (core->uniform)
        dk_nodes_refresh(core);
    core->uniform = false; /* until the domains are built again */
    before = core->node_cores_free[number];
    core->node_open[number] = open;
    core->node_cores_free[number] =
        open ? dk_bitmap_count_range(&core->cores_free, node->core_first, node->cores) : 0;
    core->version++;
    core->beat_oldest_known = false;
    if (core->domains_dirty || domain == DK_SLOT_NONE)
        return;
    core->domains[domain].cores_free += (uint64_t)core->node_cores_free[number] - before;
    core->domains[domain].ranges_stale = true;
    core->domains[domain].tracked = false;
    dk_pass_due(core, &core->domains[domain]);
}

static void node_features_set(struct dk_core *core, struct dk_node *node,
                              const struct dk_node_spec *spec)
{
    uint32_t held[64];

    DK_CHECK(spec->features_count <= 64);
    for (uint32_t i = 0; i < spec->features_count; i++)
        held[i] = dk_intern_hold(&core->texts, spec->features[i]);
    for (uint32_t i = 0; i < node->feature_count; i++)
        dk_intern_drop(&core->texts, node->features[i]);
    memcpy(node->features, held, spec->features_count * sizeof(held[0]));
    node->feature_count = spec->features_count;
}

static uint32_t node_new(struct dk_core *core, struct dk_text name)
{
    uint32_t number = core->node_count;
    struct dk_node *node;

    dk_node_room_for(core, number + 1);
    node = &core->nodes[number];
    node->name = dk_intern_hold(&core->texts, name);
    dk_table_put(&core->nodes_by_name, node->name, number);
    return number;
}

/* A first registration, or one with other cores or GPUs (admit saw to it that the node is idle). */
static void node_lay_out(struct dk_core *core, uint32_t number,
                         const struct dk_node_registered *event)
{
    struct dk_node *node = &core->nodes[number];
    struct dk_segment *segment;

    if (node->gpus > 0)
        dk_bitmap_remove_range(&core->gpus_free, node->gpu_first, node->gpus);
    node->cores = (uint32_t)event->spec.cores;
    node->gpus = (uint32_t)event->spec.gpus;
    node->core_first = (uint32_t)event->core_first;
    node->gpu_first = (uint32_t)event->gpu_first;
    DK_CHECK(node->core_first == core->cores_total && node->gpu_first == core->gpus_total);
    core->cores_total += node->cores;
    core->gpus_total += node->gpus;
    core->segments = dk_grow(core->alloc, core->segments, &core->segment_capacity,
                             core->segment_count + 1, sizeof(*core->segments));
    segment = &core->segments[core->segment_count++];
    segment->first = node->core_first;
    segment->node = number;
    dk_bitmap_extend(&core->cores_free, core->cores_total);
    dk_bitmap_add_range(&core->cores_free, node->core_first, node->cores);
    dk_bitmap_extend(&core->gpus_free, core->gpus_total);
    dk_bitmap_add_range(&core->gpus_free, node->gpu_first, node->gpus);
    core->node_gpus_free[number] = node->gpus;
}

/* A node as a snapshot has it; its name is in place, its cores and GPUs are free. */
void dk_node_room_for(struct dk_core *core, uint32_t count)
{
    node_room(core, count);
    memset(&core->nodes[count - 1], 0, sizeof(*core->nodes));
    core->node_open[count - 1] = 0;
    core->node_domain[count - 1] = DK_SLOT_NONE;
    core->node_cores_free[count - 1] = 0;
    core->node_memory_free[count - 1] = core->node_gpus_free[count - 1] = 0;
    core->node_count = count;
}

void dk_node_restore(struct dk_core *core, uint32_t number)
{
    core->node_memory_free[number] = core->nodes[number].memory;
    core->node_gpus_free[number] = core->nodes[number].gpus;
    core->domains_dirty = true;
    node_settle(core, number);
}

/* Does the node say what is known of it? Its agent started again, and that is all. */
static bool node_as_known(const struct dk_core *core, const struct dk_node *node,
                          const struct dk_node_spec *spec)
{
    if (node->cores != (uint32_t)spec->cores || node->gpus != (uint32_t)spec->gpus ||
        node->memory != (uint32_t)spec->memory_mib || node->feature_count != spec->features_count)
        return false;
    for (uint32_t i = 0; i < node->feature_count; i++)
        if (!dk_text_equal(dk_intern_text(&core->texts, node->features[i]), spec->features[i]))
            return false;
    return true;
}

void dk_node_register(struct dk_core *core, const struct dk_node_registered *event)
{
    uint32_t number = dk_node_find(core, event->spec.name);
    struct dk_node *node;
    uint32_t memory = (uint32_t)event->spec.memory_mib;

    if (number == DK_SLOT_NONE)
        number = node_new(core, event->spec.name);
    node = &core->nodes[number];
    DK_CHECK(number == (uint32_t)event->number);
    if (node_as_known(core, node, &event->spec)) {
        dk_node_beat(core, number);
        return;
    }
    if (node->cores != (uint32_t)event->spec.cores || node->gpus != (uint32_t)event->spec.gpus)
        node_lay_out(core, number, event);
    core->node_memory_free[number] += memory - node->memory;
    node->memory = memory;
    node_features_set(core, node, &event->spec);
    node->beat = core->time;
    node->lost = 0;
    node_settle(core, number);
    dk_digest_node(core, number);
    core->machine++;
    dk_domains_dirty(core);
}

void dk_node_beat(struct dk_core *core, uint32_t number)
{
    struct dk_node *node = &core->nodes[number];

    DK_CHECK(number < core->node_count);
    node->beat = core->time;
    if (node->lost) {
        node->lost = 0;
        node_settle(core, number);
    }
    dk_digest_node(core, number);
}

void dk_node_condition_set(struct dk_core *core, const struct dk_node_condition_set *event,
                           bool by_core)
{
    uint32_t number = dk_node_find(core, event->node);
    struct dk_node *node;

    DK_CHECK(number != DK_SLOT_NONE);
    node = &core->nodes[number];
    if (by_core)
        node->lost = 1;
    else
        node->condition = (uint8_t)event->condition;
    node_settle(core, number);
    dk_digest_node(core, number);
}

/* --- partitions --- */

/* By text id, for lookups only: ids decide nothing. A heap sort needs no room. */
void dk_partition_nodes_sort(struct dk_partition *partition)
{
    uint32_t *nodes = partition->nodes, count = partition->node_count;

    for (uint32_t end = count, root, start = count / 2; end > 1;) {
        uint32_t value;

        if (start > 0)
            value = nodes[--start];
        else {
            value = nodes[--end];
            nodes[end] = nodes[0];
        }
        root = start;
        while (root * 2 + 1 < end) {
            uint32_t child = root * 2 + 1;

            if (child + 1 < end && nodes[child] < nodes[child + 1])
                child++;
            if (nodes[child] <= value)
                break;
            nodes[root] = nodes[child];
            root = child;
        }
        nodes[root] = value;
    }
}

static void partition_nodes_set(struct dk_core *core, struct dk_partition *partition,
                                const struct dk_partition_spec *spec)
{
    uint32_t *nodes, count = spec->all_nodes ? 0 : spec->nodes_count;

    nodes = count == 0 ? NULL : dk_alloc_new(core->alloc, count * sizeof(*nodes));
    for (uint32_t i = 0; i < count; i++)
        nodes[i] = dk_intern_hold(&core->texts, spec->nodes[i]);
    for (uint32_t i = 0; i < partition->node_count; i++)
        dk_intern_drop(&core->texts, partition->nodes[i]);
    dk_alloc_free(core->alloc, partition->nodes, partition->node_count * sizeof(*nodes));
    partition->nodes = nodes;
    partition->node_count = count;
    dk_partition_nodes_sort(partition);
}

void dk_partition_configure(struct dk_core *core, const struct dk_partition_spec *spec)
{
    uint32_t index = dk_partition_find(core, spec->name);
    struct dk_partition *partition;

    if (index == DK_SLOT_NONE) {
        index = core->partition_count;
        core->partitions = dk_grow(core->alloc, core->partitions, &core->partition_capacity,
                                   index + 1, sizeof(*core->partitions));
        core->partition_count++;
        memset(&core->partitions[index], 0, sizeof(*core->partitions));
        core->partitions[index].name = dk_intern_hold(&core->texts, spec->name);
    }
    partition = &core->partitions[index];
    partition_nodes_set(core, partition, spec);
    partition->all_nodes = spec->all_nodes;
    partition->state = (uint8_t)spec->state;
    partition->limit_us_max = spec->limit_us_max;
    partition->limit_us_default = spec->limit_us_default;
    partition->nodes_max = (uint32_t)spec->nodes_max;
    partition->priority = spec->priority;
    partition->tier = spec->tier;
    if (spec->is_default && core->partition_default != index) {
        uint32_t before = core->partition_default;

        core->partition_default = index;
        if (before != DK_SLOT_NONE) {
            core->partitions[before].is_default = 0;
            dk_digest_partition(core, before);
        }
    } else if (!spec->is_default && core->partition_default == index) {
        core->partition_default = DK_SLOT_NONE;
    }
    partition->is_default = spec->is_default;
    dk_digest_partition(core, index);
    core->machine++;
    dk_domains_dirty(core);
}

void dk_partition_remove(struct dk_core *core, struct dk_text name)
{
    uint32_t index = dk_partition_find(core, name);
    struct dk_partition *partition;
    struct dk_partition_spec empty;

    DK_CHECK(index != DK_SLOT_NONE && core->partitions[index].jobs == 0);
    partition = &core->partitions[index];
    memset(&empty, 0, sizeof(empty));
    partition_nodes_set(core, partition, &empty);
    dk_intern_drop(&core->texts, partition->name);
    partition->name = 0;
    partition->all_nodes = 0;
    if (core->partition_default == index)
        core->partition_default = DK_SLOT_NONE;
    partition->is_default = 0;
    dk_digest_partition(core, index);
    core->machine++;
    dk_domains_dirty(core);
}
