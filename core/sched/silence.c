/* silence.c - nodes that have not been heard of for too long, and when that says more of us than of
 * them
 *
 * A node is watched while it could take jobs: registered, not set down, not lost. It is silent when
 * its last beat is beat_timeout_us old. When more than half of the watched nodes are silent at once
 * the fault is probably on our side (our network, our clock, our machine that slept), and nothing
 * is decided: no node is lost, no job ended. So the only node of a cluster of one is never lost by
 * silence, and of two nodes one can be.
 *
 * Contact is back when a beat or a registration takes the silent nodes to half of all or fewer.
 * Beats of the others are on their way then: every node is given a whole timeout from there on.
 * Likewise when a controller starts: nobody could beat to it while it was down.
 */
#include "sched/state.h"

static bool watched(const struct dk_node *node)
{
    return !node->lost && node->cores > 0 && node->condition != DK_NODE_CONDITION_DOWN;
}

bool dk_node_silent(const struct dk_core *core, uint32_t number, int64_t now)
{
    const struct dk_node *node = &core->nodes[number];

    return watched(node) && dk_add_saturated(node->beat, core->policy.beat_timeout_us) <= now;
}

/* The oldest beat of a watched node: found once, and again when a node changed. It is derived, as
 * what else is behind a const core. */
static int64_t beat_oldest(const struct dk_core *core)
{
    struct dk_core *work = (struct dk_core *)(uintptr_t)core;

    if (core->beat_oldest_known)
        return core->beat_oldest;
    work->beat_oldest = INT64_MAX;
    for (uint32_t i = 0; i < core->node_count; i++)
        if (watched(&core->nodes[i]))
            work->beat_oldest = dk_min(work->beat_oldest, core->nodes[i].beat);
    work->beat_oldest_known = true;
    return core->beat_oldest;
}

enum dk_silence dk_silence_at(const struct dk_core *core, int64_t now)
{
    uint32_t silent = 0, all = 0;

    if (core->policy.beat_timeout_us <= 0 ||
        dk_add_saturated(beat_oldest(core), core->policy.beat_timeout_us) > now)
        return DK_SILENCE_NONE;
    for (uint32_t i = 0; i < core->node_count; i++) {
        silent += dk_node_silent(core, i, now);
        all += watched(&core->nodes[i]);
    }
    return silent * 2 > all ? DK_SILENCE_OURS : DK_SILENCE_THEIRS;
}

int64_t dk_silence_deadline(const struct dk_core *core)
{
    if (core->policy.beat_timeout_us <= 0 || dk_silence_at(core, core->time) == DK_SILENCE_OURS)
        return INT64_MAX;
    return dk_add_saturated(beat_oldest(core), core->policy.beat_timeout_us);
}

void dk_silence_fresh(struct dk_core *core)
{
    for (uint32_t i = 0; i < core->node_count; i++) {
        core->nodes[i].beat = core->time; /* also who is set down: it may be resumed */
        dk_digest_node(core, i);
    }
    core->beat_oldest_known = false;
}

void dk_silence_heard(struct dk_core *core, enum dk_silence before)
{
    core->beat_oldest_known = false;
    if (before == DK_SILENCE_OURS && dk_silence_at(core, core->time) != DK_SILENCE_OURS)
        dk_silence_fresh(core);
}
