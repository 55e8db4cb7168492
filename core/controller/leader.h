/* leader.h - what a controller does while it leads: requests into batches, batches into the log
 *
 * No thread, socket or file of its own, and no clock but the one that it is given: controller.c
 * drives it, and so does the simulator (tests/sim).
 *
 *     begin -> admit, refuse, ... -> commit        for each batch
 *
 * What commit has answered DK_OK for is durable, and what was admitted may be answered. When it was
 * DK_FULL nothing is lost and nothing may be answered: `retry` tries again; nothing is admitted
 * meanwhile. After any other status the leader is at its end (DK_FENCED: another one leads); its
 * core may hold what was never written and is of no more use.
 *
 * Heartbeats are gathered into one NodesBeat a second.
 */
#ifndef DK_CONTROLLER_LEADER_H
#define DK_CONTROLLER_LEADER_H

#include "controller/follower.h"
#include "controller/stamp.h"

struct dk_leader;

struct dk_leader_options {
    struct dk_log *log;           /* its writer's handle; borrowed */
    const struct dk_clock *clock; /* where time comes from, copied; NULL: the system */
    const char *version, *host;   /* into ControllerStarted; borrowed */
};

/* Who asks, as proven at the door. Texts are borrowed until the batch is committed. */
struct dk_asker {
    struct dk_actor actor;
    bool has_actor;   /* false: nobody knows who it was */
    bool is_operator; /* root, docket's own user; the core adds the configured ones */
    bool is_node;     /* may speak for nodes */
};

/* Takes the core over from `follower`, which has folded the log to its end and can then only be
 * closed. */
struct dk_leader *dk_leader_create(struct dk_follower *follower,
                                   const struct dk_leader_options *options);
void dk_leader_destroy(struct dk_leader *leader); /* NULL is fine */

/* The first batch of an epoch: ControllerStarted, and for a new log the logic and a configuration.
 */
enum dk_status dk_leader_start(struct dk_leader *leader, const struct dk_events **events,
                               struct dk_err *err);
/* The last one: ControllerStopped. */
enum dk_status dk_leader_stop(struct dk_leader *leader, const struct dk_events **events,
                              struct dk_err *err);

/* When it has something to do by itself, in microseconds of dk_leader_now; INT64_MAX: never. */
int64_t dk_leader_due(const struct dk_leader *leader);
int64_t dk_leader_now(struct dk_leader *leader);

/* Begins a batch: beats that are due, or the time that has come. `has_requests`: some follow. */
void dk_leader_begin(struct dk_leader *leader, bool has_requests);

/* One request. `number` is its position in `requests`, above all before; 0: the next. *outcome is
 * the first event that it led to, good until the next batch begins; NULL: none yet (a beat). Texts
 * and bytes of the request are borrowed until the batch is committed. */
void dk_leader_admit(struct dk_leader *leader, const struct dk_asker *asker, int64_t number,
                     const struct dk_request *request, const struct dk_event **outcome);

/* One that is not let to the core: RequestRejected with this reason; `detail` is for people. */
void dk_leader_refuse(struct dk_leader *leader, const struct dk_asker *asker, int64_t number,
                      enum dk_reject_reason reason, struct dk_text detail,
                      const struct dk_event **outcome);

/* Decides, closes the batch, makes it durable. *events (may be NULL): all of it, until the next
 * begins. */
enum dk_status dk_leader_commit(struct dk_leader *leader, const struct dk_events **events,
                                struct dk_err *err);
/* There is no space for what belongs to the open batch: as after DK_FULL, before any commit. */
void dk_leader_pause(struct dk_leader *leader);
enum dk_status dk_leader_retry(struct dk_leader *leader, struct dk_err *err);
bool dk_leader_is_full(const struct dk_leader *leader);

const struct dk_core *dk_leader_core(const struct dk_leader *leader);
int64_t dk_leader_seq(const struct dk_leader *leader);    /* of the last durable event */
int64_t dk_leader_number(const struct dk_leader *leader); /* of the last request taken */
uint64_t dk_leader_batches(const struct dk_leader *leader);

#endif
