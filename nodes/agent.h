/* agent.h - the agent of a node: orders in, jobs started and ended, reports out
 *
 *     query.sock --inbox--> orders --> ledger, keepers --> ends --outbox--> control.sock
 *
 * One thread acts; inbox and outbox have theirs because they wait for others. The agent may be
 * killed at any moment: what it must know is in its ledger and in the folders of its jobs, whose
 * keepers go on (task.h). Neither controller nor projector need to be there: jobs go on, and are
 * reported later.
 *
 * Signals to the process: SIGTERM or SIGINT: it ends and leaves jobs running; the next one finds
 * them. SIGUSR1: it ends all of its jobs (SIGTERM, SIGKILL after the configured wait), reports
 * them, then leaves; it takes no new ones.
 */
#ifndef DK_NODES_AGENT_H
#define DK_NODES_AGENT_H

#include "net/place.h"
#include "nodes/confine.h"
#include "nodes/shape.h"

struct dk_agent_options {
    const struct dk_place *place;
    const char *name;
    const char *version;
    const char *features; /* "a,b"; NULL: none */
    const char *program;  /* docketd-task */
    struct dk_shape_options shape;
    enum dk_confine_level level_max;
};

/* Runs until a signal says so. DK_BUSY: another agent has this name. Call it from a process that
 * ends when it returns: its threads may still wait in a call. */
enum dk_status dk_agent_run(const struct dk_agent_options *options, struct dk_err *err);

#endif
