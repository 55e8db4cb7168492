/* live_config.c - partitions, policy and settings as they are now, and when each was changed by
 * whom */
#include "projections/live_inside.h"

#include "base/check.h"
#include "base/json.h"
#include "event/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dk_live_partition *dk_live_partition_find(const struct dk_live *live, struct dk_text name)
{
    for (uint32_t i = 0; i < live->partition_count; i++) {
        if (dk_text_equal(live->partitions[i].spec.name, name))
            return &live->partitions[i];
    }
    return NULL;
}

/* --- folding --- */

static struct dk_live_partition *partition_new(struct dk_live *live)
{
    struct dk_live_partition *partition;

    if (live->partition_count == live->partition_capacity) {
        live->partition_capacity = live->partition_capacity > 0 ? live->partition_capacity * 2 : 8;
        live->partitions =
            realloc(live->partitions, live->partition_capacity * sizeof(*live->partitions));
        DK_CHECK(live->partitions != NULL);
    }
    partition = &live->partitions[live->partition_count++];
    memset(partition, 0, sizeof(*partition));
    dk_arena_init(&partition->arena, &dk_heap);
    return partition;
}

static struct dk_text *copy_list(struct dk_arena *arena, const struct dk_text *texts,
                                 uint32_t count)
{
    struct dk_text *copy = dk_arena_take(arena, (count + 1) * sizeof(*copy));

    for (uint32_t i = 0; i < count; i++) {
        char *text = dk_arena_take(arena, (size_t)texts[i].size + 1);

        if (texts[i].size > 0)
            memcpy(text, texts[i].data, texts[i].size);
        copy[i] = (struct dk_text){ text, texts[i].size };
    }
    return copy;
}

void dk_live_partition_set(struct dk_live *live, const struct dk_partition_spec *spec)
{
    struct dk_live_partition *partition = dk_live_partition_find(live, spec->name);

    if (partition == NULL)
        partition = partition_new(live);
    dk_arena_reset(&partition->arena);
    partition->spec = *spec;
    partition->spec.name = dk_texts_keep(&live->texts, spec->name);
    partition->spec.nodes = copy_list(&partition->arena, spec->nodes, spec->nodes_count);
    for (uint32_t i = 0; spec->is_default && i < live->partition_count; i++) {
        if (&live->partitions[i] != partition)
            live->partitions[i].spec.is_default = false;
    }
}

static void partition_remove(struct dk_live *live, struct dk_text name)
{
    struct dk_live_partition *partition = dk_live_partition_find(live, name);
    uint32_t index;

    if (partition == NULL)
        return;
    index = (uint32_t)(partition - live->partitions);
    dk_arena_release(&partition->arena);
    memmove(partition, partition + 1,
            (live->partition_count - index - 1) * sizeof(*live->partitions));
    live->partition_count--;
}

static bool in_config(const struct dk_cluster_config *config, struct dk_text name)
{
    for (uint32_t i = 0; i < config->partitions_count; i++) {
        if (dk_text_equal(config->partitions[i].name, name))
            return true;
    }
    return false;
}

static struct dk_text keep(struct dk_live *live, struct dk_text text)
{
    return dk_texts_keep(&live->texts, text);
}

void dk_live_config_set(struct dk_live *live, const struct dk_cluster_config *config)
{
    struct dk_limit_spec *limits;

    for (uint32_t i = live->partition_count; i-- > 0;) {
        if (!in_config(config, live->partitions[i].spec.name))
            partition_remove(live, live->partitions[i].spec.name);
    }
    for (uint32_t i = 0; i < config->partitions_count; i++)
        dk_live_partition_set(live, &config->partitions[i]);
    dk_arena_reset(&live->config_arena);
    live->config = *config;
    live->config.partitions = NULL;
    live->config.partitions_count = 0;
    live->config.cluster = keep(live, config->cluster);
    live->config.prolog = keep(live, config->prolog);
    live->config.epilog = keep(live, config->epilog);
    live->config.mail_program = keep(live, config->mail_program);
    live->config.nodes_expected =
        copy_list(&live->config_arena, config->nodes_expected, config->nodes_expected_count);
    live->config.operators =
        copy_list(&live->config_arena, config->operators, config->operators_count);
    limits = dk_arena_take(&live->config_arena, (config->limits_count + 1) * sizeof(*limits));
    for (uint32_t i = 0; i < config->limits_count; i++) {
        limits[i] = config->limits[i];
        limits[i].name = keep(live, config->limits[i].name);
    }
    live->config.limits = limits;
    live->has_config = true;
}

void dk_live_change_add(struct dk_live *live, const struct dk_config_change *change)
{
    if (live->change_count == live->change_capacity) {
        live->change_capacity = live->change_capacity > 0 ? live->change_capacity * 2 : 16;
        live->changes = realloc(live->changes, live->change_capacity * sizeof(*live->changes));
        DK_CHECK(live->changes != NULL);
    }
    live->changes[live->change_count++] = *change;
}

static void note_change(struct dk_live *live, const struct dk_event *event, struct dk_text note)
{
    dk_live_change_add(live, &(struct dk_config_change){
                                 .seq = event->meta.seq,
                                 .time = event->meta.time,
                                 .uid = event->meta.has_actor ? event->meta.actor.uid : -1,
                                 .user = event->meta.has_actor ? keep(live, event->meta.actor.user)
                                                               : dk_text_of("docket"),
                                 .note = keep(live, note),
                                 .what = dk_text_of(dk_event_name(event->type)),
                             });
}

void dk_live_config_event(struct dk_live *live, const struct dk_event *event)
{
    struct dk_text note = { 0 };

    if (event->type == DK_EVENT_CONFIGURATION_APPLIED) {
        dk_live_config_set(live, &event->configuration_applied.config);
        note = event->configuration_applied.note;
        dk_orders_settings(live, &event->meta);
    } else if (event->type == DK_EVENT_PARTITION_CONFIGURED) {
        dk_live_partition_set(live, &event->partition_configured.spec);
        note = event->partition_configured.spec.name;
    } else if (event->type == DK_EVENT_PARTITION_REMOVED) {
        note = keep(live, event->partition_removed.name);
        partition_remove(live, note);
    } else {
        live->config.policy = event->policy_configured.spec;
    }
    note_change(live, event, note);
}

void dk_live_config_release(struct dk_live *live)
{
    for (uint32_t i = 0; i < live->partition_count; i++)
        dk_arena_release(&live->partitions[i].arena);
    free(live->partitions);
    free(live->changes);
    free(live->erasures);
}

/* --- showing --- */

/* The value of "config" in the JSON of a ConfigurationApplied: one way to write it, the schema's.
 */
static void write_config(struct dk_live *live, struct dk_buf *json)
{
    static const char opening[] = "\"config\":", closing[] = ",\"note\":";
    struct dk_event event = { .type = DK_EVENT_CONFIGURATION_APPLIED };
    struct dk_partition_spec *partitions = calloc(live->partition_count + 1, sizeof(*partitions));
    const char *begin, *end = NULL;
    struct dk_buf text;

    DK_CHECK(partitions != NULL);
    for (uint32_t i = 0; i < live->partition_count; i++)
        partitions[i] = live->partitions[i].spec;
    event.configuration_applied.config = live->config;
    event.configuration_applied.config.partitions = partitions;
    event.configuration_applied.config.partitions_count = live->partition_count;
    dk_buf_init(&text, &dk_heap, 256 << 20);
    DK_CHECK(dk_event_print(&event, &text) && dk_buf_add(&text, "", 1));
    begin = strstr((const char *)text.data, opening);
    DK_CHECK(begin != NULL);
    begin += sizeof(opening) - 1;
    for (const char *at = begin; (at = strstr(at, closing)) != NULL; at++)
        end = at; /* the last: a name may hold anything */
    DK_CHECK(end != NULL && dk_buf_add(json, begin, (size_t)(end - begin)));
    dk_buf_release(&text);
    free(partitions);
}

bool dk_live_config(struct dk_live *live, struct dk_buf *json, struct dk_config_change *change,
                    int64_t *seq)
{
    bool any;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    any = live->change_count > 0;
    *seq = live->seq;
    if (any) {
        *change = live->changes[live->change_count - 1];
        write_config(live, json);
    }
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return any;
}

uint32_t dk_live_config_history(struct dk_live *live, struct dk_arena *arena,
                                struct dk_config_change **changes, int64_t *seq)
{
    uint32_t count;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    count = live->change_count;
    *seq = live->seq;
    *changes = dk_arena_take(arena, (count + 1) * sizeof(**changes));
    if (count > 0)
        memcpy(*changes, live->changes, count * sizeof(**changes));
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return count;
}

bool dk_live_is_operator(struct dk_live *live, struct dk_text user)
{
    bool found = false;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    for (uint32_t i = 0; i < live->config.operators_count; i++)
        found = found || dk_text_equal(live->config.operators[i], user);
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return found;
}

struct dk_text dk_live_cluster(struct dk_live *live)
{
    struct dk_text name;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    name = live->config.cluster;
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return name;
}
