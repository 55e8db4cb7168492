/* live.c - the live views as a whole: which part takes which event, and when memory is freed
 * (live.h)
 *
 * A list is a copy of compact jobs; what these point to (a run, a specification) may be let go of
 * while the list is read. So memory that was let go of waits for the readers: those that began in
 * the same generation, and those of the one before. A generation ends when the one before has no
 * reader left.
 */
#define _GNU_SOURCE /* PREFER_WRITER */
#include "projections/live_inside.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct dk_live *dk_live_create(const struct dk_live_hooks *hooks)
{
    struct dk_live *live = calloc(1, sizeof(*live));
    pthread_rwlockattr_t attributes;

    DK_CHECK(live != NULL);
    DK_CHECK(pthread_rwlockattr_init(&attributes) == 0);
    /* Who asks must not keep the folder waiting, however many they are. */
    DK_CHECK(pthread_rwlockattr_setkind_np(&attributes,
                                           PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0);
    DK_CHECK(pthread_rwlock_init(&live->lock, &attributes) == 0);
    (void)pthread_rwlockattr_destroy(&attributes);
    if (hooks != NULL)
        live->hooks = *hooks;
    dk_texts_init(&live->texts);
    dk_arena_init(&live->scratch, &dk_heap);
    dk_arena_init(&live->config_arena, &dk_heap);
    dk_table_init(&live->jobs_by_id, &dk_heap);
    dk_table_init(&live->specs, &dk_heap);
    dk_table_init(&live->nodes_by_name, &dk_heap);
    live->free_slot = DK_SLOT_NONE;
    return live;
}

static void free_retired(struct retired *retired)
{
    for (uint32_t i = 0; i < retired->count; i++)
        free(retired->items[i]);
    retired->count = 0;
}

void dk_live_destroy(struct dk_live *live)
{
    if (live == NULL)
        return;
    dk_live_jobs_release(live);
    dk_live_nodes_release(live);
    dk_live_config_release(live);
    for (int i = 0; i < 2; i++) {
        free_retired(&live->retired[i]);
        free(live->retired[i].items);
    }
    dk_table_release(&live->jobs_by_id);
    dk_table_release(&live->specs);
    dk_table_release(&live->nodes_by_name);
    dk_arena_release(&live->scratch);
    dk_arena_release(&live->config_arena);
    dk_texts_release(&live->texts);
    (void)pthread_rwlock_destroy(&live->lock);
    free(live);
}

void dk_live_retire(struct dk_live *live, void *memory)
{
    struct retired *retired = &live->retired[live->generation];

    if (memory == NULL)
        return;
    if (retired->count == retired->capacity) {
        retired->capacity = retired->capacity > 0 ? retired->capacity * 2 : 64;
        retired->items = realloc(retired->items, retired->capacity * sizeof(*retired->items));
        DK_CHECK(retired->items != NULL);
    }
    retired->items[retired->count++] = memory;
}

void dk_live_begin(struct dk_live *live)
{
    DK_CHECK(pthread_rwlock_wrlock(&live->lock) == 0);
}

void dk_live_end(struct dk_live *live)
{
    unsigned other = 1 - live->generation;

    if (atomic_load(&live->readers[other]) == 0) {
        free_retired(&live->retired[other]);
        live->generation = other;
    }
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
}

int64_t dk_live_seq(struct dk_live *live)
{
    int64_t seq;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    seq = live->seq;
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return seq;
}

int64_t dk_live_time(struct dk_live *live)
{
    int64_t time;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    time = live->time;
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return time;
}

void dk_live_apply(struct dk_live *live, const struct dk_event *event)
{
    dk_arena_reset(&live->scratch);
    live->seq = event->meta.seq;
    live->time = event->meta.time;
    switch (event->type) {
    case DK_EVENT_JOB_SUBMITTED:
        dk_live_job_submitted(live, event);
        break;
    case DK_EVENT_JOB_UPDATED:
    case DK_EVENT_JOB_HELD:
    case DK_EVENT_JOB_RELEASED:
    case DK_EVENT_JOB_REQUEUED:
    case DK_EVENT_JOB_PLACED:
    case DK_EVENT_JOB_END_REQUESTED:
    case DK_EVENT_JOB_ENDED:
    case DK_EVENT_ARRAY_TASKS_CANCELLED:
    case DK_EVENT_JOB_SIGNALLED:
        dk_live_job_event(live, event);
        break;
    case DK_EVENT_NODE_REGISTERED:
    case DK_EVENT_NODE_CONDITION_SET:
    case DK_EVENT_NODES_BEAT:
        dk_live_node_event(live, event);
        break;
    case DK_EVENT_PARTITION_CONFIGURED:
    case DK_EVENT_PARTITION_REMOVED:
    case DK_EVENT_POLICY_CONFIGURED:
    case DK_EVENT_CONFIGURATION_APPLIED:
        dk_live_config_event(live, event);
        break;
    case DK_EVENT_SECRETS_ERASED:
        dk_live_erased(live, event);
        break;
    case DK_EVENT_JOBS_PLANNED: /* the follower knows */
    case DK_EVENT_STEP_STARTED: /* history's */
    case DK_EVENT_STEP_ENDED:
    case DK_EVENT_LOGIC_ACTIVATED:
    case DK_EVENT_CLOCK_ADVANCED:
    case DK_EVENT_CONTROLLER_STARTED:
    case DK_EVENT_CONTROLLER_STOPPED:
    case DK_EVENT_BATCH_CLOSED:
    case DK_EVENT_REQUEST_REJECTED:
    case DK_EVENT_SKIPPED:
    case DK_EVENT_TYPE_COUNT:
        break;
    }
}
