/* auditor_silence.c - may the core say that a node is lost? By the auditor's own clock of beats */
#include "auditor_state.h"

static bool watched(const struct audit_node *node)
{
    return !node->lost && node->condition != DK_NODE_CONDITION_DOWN;
}

static bool silent(const struct auditor *auditor, const struct audit_node *node)
{
    return watched(node) && auditor->beat_timeout > 0 &&
           node->heard + auditor->beat_timeout <= auditor->time;
}

static bool most_silent(const struct auditor *auditor)
{
    uint32_t quiet = 0, all = 0;

    for (uint32_t i = 0; i < auditor->node_count; i++) {
        quiet += silent(auditor, &auditor->nodes[i]);
        all += watched(&auditor->nodes[i]);
    }
    return quiet * 2 > all;
}

void auditor_all_heard(struct auditor *auditor)
{
    for (uint32_t i = 0; i < auditor->node_count; i++)
        auditor->nodes[i].heard = auditor->time;
}

void auditor_beat(struct auditor *auditor, const struct dk_nodes_beat *beat)
{
    bool before = most_silent(auditor);
    int64_t number = 0;

    for (uint32_t i = 0; i < beat->nodes_count; i++) {
        number += beat->nodes[i].gap;
        for (int64_t limit = number + beat->nodes[i].count; number < limit; number++) {
            auditor->nodes[number].heard = auditor->time;
            auditor->nodes[number].lost = false;
        }
    }
    if (before && !most_silent(auditor))
        auditor_all_heard(auditor);
}

void auditor_registered(struct auditor *auditor, struct audit_node *node, bool is_new)
{
    bool before;

    if (is_new) /* it does not count among those who were there */
        node->lost = true;
    before = most_silent(auditor);
    node->heard = auditor->time;
    node->lost = false;
    if (before && !most_silent(auditor))
        auditor_all_heard(auditor);
}

/* By the core; those of the same batch were all silent before the first was lost. */
void auditor_lost(struct auditor *auditor, struct audit_node *node)
{
    if (auditor->losing == 0 && most_silent(auditor))
        auditor_complain(auditor, "node %s is lost while most nodes are silent", node->name);
    if (!silent(auditor, node))
        auditor_complain(auditor, "node %s is lost and was heard %lld s ago", node->name,
                         (long long)((auditor->time - node->heard) / 1000000));
    node->lost = true;
    auditor->losing++;
}

/* At the end of a batch: whoever is silent, while most are not, is lost by now. */
void auditor_silence_closed(struct auditor *auditor)
{
    auditor->losing = 0;
    if (most_silent(auditor))
        return;
    for (uint32_t i = 0; i < auditor->node_count; i++)
        if (silent(auditor, &auditor->nodes[i]))
            auditor_complain(auditor, "node %s is silent for %lld s and not lost",
                             auditor->nodes[i].name,
                             (long long)((auditor->time - auditor->nodes[i].heard) / 1000000));
}
