/* live_erasures.c - whose secrets were erased, when, by whom and why (live.h) */
#include "projections/live_inside.h"

#include "base/check.h"

#include <stdlib.h>

static struct dk_text keep(struct dk_live *live, struct dk_text text)
{
    return dk_texts_keep(&live->texts, text);
}

void dk_live_erased(struct dk_live *live, const struct dk_event *event)
{
    if (live->erasure_count == live->erasure_capacity) {
        live->erasure_capacity = live->erasure_capacity > 0 ? live->erasure_capacity * 2 : 16;
        live->erasures = realloc(live->erasures, live->erasure_capacity * sizeof(*live->erasures));
        DK_CHECK(live->erasures != NULL);
    }
    live->erasures[live->erasure_count++] = (struct dk_erasure){
        .seq = event->meta.seq,
        .time = event->meta.time,
        .uid = event->secrets_erased.uid,
        .by = event->meta.has_actor ? event->meta.actor.uid : -1,
        .by_user =
            event->meta.has_actor ? keep(live, event->meta.actor.user) : dk_text_of("docket"),
        .why = keep(live, event->secrets_erased.why),
    };
}

bool dk_live_erasure(struct dk_live *live, int32_t uid, int64_t time, struct dk_erasure *erasure)
{
    bool found = false;

    DK_CHECK(pthread_rwlock_rdlock(&live->lock) == 0);
    for (uint32_t i = 0; i < live->erasure_count && !found; i++) {
        found = live->erasures[i].uid == uid && live->erasures[i].time >= time;
        if (found)
            *erasure = live->erasures[i];
    }
    DK_CHECK(pthread_rwlock_unlock(&live->lock) == 0);
    return found;
}
