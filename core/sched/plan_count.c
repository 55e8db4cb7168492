/* plan_count.c - what is free when, where only the number of cores matters */
#include "sched/pass.h"

/* The lowest free cores of the domain. */
void dk_count_take(struct dk_pass *pass, uint32_t count, struct dk_ranges *cores)
{
    struct dk_bitmap *free = &pass->core->cores_free;
    struct dk_domain *domain = pass->domain;
    struct dk_scratch *scratch = pass->scratch;

    dk_domain_ranges(pass->core, domain);
    cores->items = NULL;
    cores->count = cores->capacity = 0;
    for (uint32_t i = 0; i < domain->core_range_count && count > 0; i++) {
        uint32_t limit = domain->core_ranges[i].first + domain->core_ranges[i].count;
        uint32_t at = dk_bitmap_next(free, domain->core_ranges[i].first);

        while (count > 0 && at < limit) {
            uint32_t here =
                dk_bitmap_next_gap(free, at, limit - at > count ? at + count : limit) - at;

            if (cores->count == cores->capacity) {
                uint32_t capacity = cores->capacity == 0 ? 8 : cores->capacity * 2;
                struct dk_range *grown = dk_arena_take(&scratch->arena, capacity * sizeof(*grown));

                for (uint32_t k = 0; k < cores->count; k++)
                    grown[k] = cores->items[k];
                cores->items = grown;
                cores->capacity = capacity;
            }
            cores->items[cores->count].first = at;
            cores->items[cores->count++].count = here;
            count -= here;
            at = count > 0 ? dk_bitmap_next(free, at + here) : limit;
        }
    }
    DK_CHECK(count == 0);
    for (uint32_t i = 0; i < cores->count; i++)
        dk_bitmap_remove_range(free, cores->items[i].first, cores->items[i].count);
}

void dk_ends_start(struct dk_ends *ends, const struct dk_pass *pass)
{
    const struct dk_entry *entry;

    ends->running = &pass->domain->running;
    ends->scratch = pass->scratch;
    ends->place = (struct dk_place){ 0, 0 };
    ends->started = 0;
    ends->overdue = 0;
    ends->now = pass->now;
    ends->last_running = NULL;
    ends->last_started = NULL;
    ends->overdue_next = ends->place;
    while ((entry = dk_order_list_at(ends->running, ends->place)) != NULL &&
           entry->key <= pass->now) {
        ends->overdue += entry->cores;
        ends->place = dk_place_next(ends->running, ends->place);
    }
    ends->overdue_limit = ends->place;
}

bool dk_ends_next(struct dk_ends *ends, int64_t *time, uint64_t *cores)
{
    const struct dk_entry *entry = dk_order_list_at(ends->running, ends->place);
    int64_t best = INT64_MAX;

    ends->last_running = NULL;
    ends->last_started = NULL;
    if (entry != NULL)
        best = (int64_t)entry->key;
    if (ends->started < ends->scratch->started_count)
        best = dk_min(best, ends->scratch->started[ends->started].end);
    if (ends->overdue > 0 && ends->now + DK_SECOND_US <= best) {
        *time = ends->now + DK_SECOND_US;
        *cores = ends->overdue;
        ends->overdue = 0;
        return true;
    }
    if (ends->started < ends->scratch->started_count &&
        ends->scratch->started[ends->started].end == best) {
        *time = best;
        ends->last_started = &ends->scratch->started[ends->started++];
        *cores = ends->last_started->cores;
        return true;
    }
    if (entry == NULL)
        return false;
    *time = best;
    *cores = entry->cores;
    ends->last_running = entry;
    ends->place = dk_place_next(ends->running, ends->place);
    return true;
}

static void holding_of(const struct dk_core *core, uint32_t slot, struct dk_taken *holding)
{
    const struct dk_job *job = dk_job_at(core, slot);

    holding->demand = dk_demand_of(core, job);
    holding->cores = job->cores;
    holding->gpus = job->gpus;
}

bool dk_ends_holding(struct dk_ends *ends, const struct dk_pass *pass, struct dk_taken *holding)
{
    const struct dk_entry *entry;

    if (ends->last_running != NULL) {
        holding_of(pass->core, ends->last_running->slot, holding);
        ends->last_running = NULL;
        return true;
    }
    if (ends->last_started != NULL) {
        *holding = ends->scratch->taken[ends->last_started->taken];
        ends->last_started = NULL;
        return true;
    }
    if (ends->overdue > 0) /* not handed out yet */
        return false;
    if (ends->overdue_next.block > ends->overdue_limit.block ||
        (ends->overdue_next.block == ends->overdue_limit.block &&
         ends->overdue_next.at >= ends->overdue_limit.at))
        return false;
    entry = dk_order_list_at(ends->running, ends->overdue_next);
    holding_of(pass->core, entry->slot, holding);
    ends->overdue_next = dk_place_next(ends->running, ends->overdue_next);
    return true;
}

/* Whole blocks of running jobs that end before everything else and free less than `needed`. */
static uint64_t ends_skip(struct dk_ends *ends, uint64_t needed)
{
    uint64_t sum = 0;
    int64_t limit = INT64_MAX;

    if (ends->place.at != 0)
        return 0;
    if (ends->overdue > 0)
        limit = ends->now + DK_SECOND_US;
    if (ends->started < ends->scratch->started_count)
        limit = dk_min(limit, ends->scratch->started[ends->started].end);
    while (ends->place.block < ends->running->block_count) {
        const struct dk_block *block = ends->running->blocks[ends->place.block];

        if (sum + block->cores_sum >= needed || block->entries[block->count - 1].key >= limit)
            break;
        sum += block->cores_sum;
        ends->place.block++;
    }
    return sum;
}

void dk_count_shadow(const struct dk_pass *pass, uint64_t cores, int64_t *shadow, uint64_t *extra)
{
    struct dk_ends ends;
    uint64_t free = pass->free, freed;
    int64_t time;

    dk_ends_start(&ends, pass);
    *shadow = INT64_MAX;
    *extra = 0;
    for (;;) {
        if (free < cores)
            free += ends_skip(&ends, cores - free);
        if (!dk_ends_next(&ends, &time, &freed))
            break;
        if (*shadow != INT64_MAX && time > *shadow)
            break;
        free += freed;
        if (free >= cores)
            *shadow = time;
    }
    if (free >= cores)
        *extra = free - cores;
}
