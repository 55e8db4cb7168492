/* explain_parts.h - what the files of explaining share: explain.c, explain_order.c, explain_pass.c
 */
#ifndef DK_SCHED_EXPLAIN_PARTS_H
#define DK_SCHED_EXPLAIN_PARTS_H

#include "sched/explain.h"
#include "sched/pass.h"

#include <string.h>

/* How much of a demand has room so far, node by node. */
struct dk_room {
    const struct dk_demand *demand;
    uint64_t tasks;
    uint32_t share, at_share, above_share; /* shaped: nodes with room for share, for more */
};

static inline void dk_room_start(struct dk_room *room, const struct dk_demand *demand)
{
    memset(room, 0, sizeof(*room));
    room->demand = demand;
    room->share = demand->nodes > 0 ? demand->tasks / demand->nodes : 1;
}

static inline void dk_room_add(struct dk_room *room, uint32_t fit)
{
    room->tasks += fit;
    room->at_share += fit >= room->share;
    room->above_share += fit > room->share;
}

static inline bool dk_room_enough(const struct dk_room *room)
{
    const struct dk_demand *demand = room->demand;

    if (demand->nodes == 0)
        return room->tasks >= demand->tasks;
    return room->at_share >= demand->nodes && room->above_share >= demand->tasks % demand->nodes;
}

bool dk_fits_when_idle(const struct dk_core *core, const struct dk_demand *demand);
void dk_factors_of(const struct dk_core *core, const struct dk_job *job, int64_t now,
                   struct dk_factors *factors);
void dk_slots_sort(const struct dk_core *core, uint32_t *slots, uint32_t count);

/* Where the job with this entry stands: out->position and those ahead; a job that is not in the
 * queue has no position. */
void dk_explain_place(const struct dk_core *core, uint32_t slot, int64_t now,
                      struct dk_arena *arena, struct dk_explanation *out);

#endif
