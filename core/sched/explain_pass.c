/* explain_pass.c - what a pass tells its listener
 *
 * The hooks are in the disciplines, where a reservation or a plan has just been made; they cost a
 * test of one pointer when nobody listens, once for a head or a plan.
 */
#include "sched/explain_parts.h"

void dk_trace_head(struct dk_pass *pass, const struct dk_entry *head, int64_t shadow,
                   uint64_t extra, const struct dk_view *beside)
{
    const struct dk_trace *trace = pass->scratch->trace;
    struct dk_pass_notes *notes = trace->notes;
    const struct dk_job *job = dk_job_at(pass->core, trace->slot);
    const struct dk_demand *demand = dk_demand_of(pass->core, job);

    notes->has_head = true;
    notes->head = head->id;
    notes->head_start = shadow;
    notes->extra = extra;
    notes->ends_in_time =
        shadow == INT64_MAX || dk_add_saturated(pass->now, job->limit_us) <= shadow;
    if (beside == NULL) {
        notes->fits_now = demand->cores_min <= pass->free;
        notes->fits_beside = notes->fits_now && demand->cores_min <= extra;
    } else {
        struct dk_view now = dk_view_now(pass->core);

        for (uint32_t i = 0; i < pass->domain->node_count; i++)
            notes->extra += beside->cores[pass->domain->nodes[i]];
        notes->fits_now = dk_choose(pass, demand, &now, NULL, NULL);
        notes->fits_beside = notes->fits_now && dk_choose(pass, demand, &now, beside, NULL);
    }
}

/* Of an array the next task's place is the one that counts. */
void dk_trace_plan(struct dk_pass *pass, const struct dk_entry *entry, int64_t start)
{
    struct dk_trace *trace = pass->scratch->trace;
    struct dk_pass_notes *notes = trace->notes;

    if (start > pass->now && !notes->has_head) {
        notes->has_head = true;
        notes->head = entry->id;
        notes->head_start = start;
    }
    if (entry->slot == trace->slot && notes->planned == INT64_MAX) {
        notes->planned = start;
        trace->plans_left = 0;
    } else {
        trace->plans_left--;
    }
}

bool dk_trace_beyond(const struct dk_pass *pass)
{
    return dk_traced(pass) && pass->scratch->trace->beyond;
}

bool dk_trace_done(struct dk_pass *pass)
{
    return dk_trace_beyond(pass) && pass->scratch->trace->plans_left <= 0;
}
