/* core.h - the scheduling core: a state, and pure functions of it
 *
 *     admit(state, request)   -> events     is this acceptable? facts, or a recorded rejection
 *     schedule(state, now)    -> events     placements, ends at the limit, lost nodes
 *     apply(state, event)     -> state      the fold, the only function that changes a core
 *
 * There is no I/O, clock, chance, environment, thread or floating point in here, and
 * nothing depends on addresses or on the order of a hash table. The same events give the
 * same state, and the same state the same decisions, with any compiler and on any machine.
 * Recovery uses only apply; schedule is run again to audit, to explain and to simulate.
 *
 * Time: microseconds since 1970 (int64). It never runs backwards: `now` is at least the
 * time of the last event applied.
 *
 * Numbers of cores and GPUs are cluster-wide: node k owns the cores core_first ...
 * core_first + cores - 1 of its NodeRegistered. Allocations are spans of those numbers.
 *
 * Ownership: a core owns all that it keeps; events passed to apply are borrowed for the
 * call. Events that admit and schedule add to a `struct dk_events` live until its next reset.
 * Limits: jobs known at a time 2^31, nodes 2^24, cores 2^31; see also the maxima in schemas/.
 */
#ifndef DK_SCHED_CORE_H
#define DK_SCHED_CORE_H

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "event/request.h"

struct dk_core;

/* The newest decision logic this program has; LogicActivated(number) chooses among 1..this. */
#define DK_CORE_LOGIC_NEWEST 1

/* A list of events under construction. meta.seq and meta.epoch are left 0: the batch
 * writer stamps them. `arena` holds what the events point to. */
struct dk_events {
    const struct dk_alloc *alloc;
    struct dk_event *items;
    uint32_t count, capacity;
    struct dk_arena arena;
};

void dk_events_init(struct dk_events *events, const struct dk_alloc *alloc);
void dk_events_reset(struct dk_events *events); /* forgets the events, keeps the memory */
void dk_events_release(struct dk_events *events);

/* What the controller knows of a request and the core may believe. */
struct dk_stamp {
    int64_t number;   /* position in `requests`, from 1; becomes meta.cause */
    int64_t time;     /* stamped by the controller, microseconds since 1970 */
    bool has_actor;   /* false: a node or docket itself, trusted by its channel */
    bool is_operator; /* root or docket's own user; the core adds the configuration's operators */
    struct dk_actor actor; /* proven, not claimed */
};

struct dk_core_options {
    bool digest;      /* keep the digest up (needed for BatchClosed); off saves about a tenth */
    bool no_shortcut; /* examine the whole queue at each pass: same decisions, slower; for tests */
};

/* An empty core: no nodes, no partitions, policy FCFS with EASY backfill. Destroy of NULL is fine.
 */
struct dk_core *dk_core_create(const struct dk_alloc *alloc, const struct dk_core_options *options);
void dk_core_destroy(struct dk_core *core);

/* Is this request acceptable in this state? Adds the facts that it leads to, or exactly one
 * RequestRejected. A submission whose (uid, key) was seen before is rejected as DUPLICATE, with the
 * first job's id: dk_core_duplicate. */
void dk_core_admit(const struct dk_core *core, const struct dk_stamp *stamp,
                   const struct dk_request *request, struct dk_events *out);

/* What follows at `now`. Adds decisions; none when nothing that matters has changed since the last
 * pass (time passing alone never starts a job). To be called once for a batch, after its facts were
 * applied; what it adds is then applied and BatchClosed ends the batch. */
void dk_core_schedule(const struct dk_core *core, int64_t now, struct dk_events *out);

/* The fold. Cannot fail on an event that admit or schedule emitted for this state: a state that
 * does not fit is our own bug and ends the process. For events of unknown origin use dk_core_check
 * first. */
void dk_core_apply(struct dk_core *core, const struct dk_event *event);

/* Would apply take this event? DK_DIVERGED with the reason when it contradicts the state: a job
 * that is not known, a core that is not free. For readers of logs that they did not write. */
enum dk_status dk_core_check(const struct dk_core *core, const struct dk_event *event,
                             struct dk_err *err);

/* When schedule has to be called next although no request arrives; INT64_MAX: never. The
 * controller then injects ClockAdvanced. May be <= the last event's time: at once. */
int64_t dk_core_next_deadline(const struct dk_core *core);

/* The digest of the state: equal states have equal digests, however they came about.
 * Kept up incrementally; 0 when options.digest is off. */
uint64_t dk_core_digest(const struct dk_core *core);

/* The whole state as bytes, every counter and idempotency key with it; and back. A restored core
 * decides and digests exactly as the one that was written. Restore does not trust its
 * input: DK_CORRUPT or DK_UNSUPPORTED (another version), and *out is NULL. */
void dk_core_snapshot(const struct dk_core *core, struct dk_buf *out);
enum dk_status dk_core_restore(struct dk_core **out, const uint8_t *data, size_t size,
                               const struct dk_alloc *alloc, const struct dk_core_options *options,
                               struct dk_err *err);

/* The job that (uid, key) was admitted as; 0: not seen. */
int64_t dk_core_duplicate(const struct dk_core *core, int32_t uid, struct dk_bytes key);

/* Was this decided by schedule, rather than admitted? In a batch decisions come after all facts. */
bool dk_event_is_decision(const struct dk_event *event);

/* Adds an event with `type` and `meta.time`; every field of its record is the caller's to set. */
struct dk_event *dk_events_add(struct dk_events *events, enum dk_event_type type, int64_t time);

/* --- the configuration --- */

/* The configuration but for partitions and policy, which are empty here: as last applied, docket's
 * defaults before. Good until the next event is applied. Numbers that are 0 mean what the schema
 * says; array_tasks_max 0: docket's own limit. */
const struct dk_cluster_config *dk_core_settings(const struct dk_core *core);
/* All of it, partitions and policy as they are in force now. Lists are in order of name; they lie
 * in the arena, the texts in the core: good until the next event is applied. */
void dk_core_config(const struct dk_core *core, struct dk_arena *arena,
                    struct dk_cluster_config *config);
int64_t dk_core_config_seq(const struct dk_core *core); /* of the last ConfigurationApplied, or 0 */
/* Is this login name among the configuration's operators? */
bool dk_core_is_operator(const struct dk_core *core, struct dk_text user);

/* --- looking in: for tests, reports and the auditor; no decision is made by these --- */

struct dk_core_stats {
    uint64_t jobs_pending, jobs_running; /* an array that waits counts once */
    uint64_t nodes, cores, cores_free, gpus, gpus_free;
    int64_t time;          /* of the last event applied */
    int64_t job_next;      /* the id that the next submission gets */
    int64_t requests_next; /* from the last BatchClosed */
    uint64_t bytes;        /* memory held */
    uint64_t examined; /* candidates examined by schedule since creation; not part of the state */
};
void dk_core_stats(const struct dk_core *core, struct dk_core_stats *stats);

enum dk_job_state {
    DK_JOB_UNKNOWN = 0, /* never existed, or ended so long ago that it is forgotten */
    DK_JOB_PENDING,
    DK_JOB_RUNNING,
    DK_JOB_ENDING, /* told to end, not reported yet */
    DK_JOB_ENDED
};
enum dk_job_state dk_core_job_state(const struct dk_core *core, int64_t job);

/* Why a pending job waits, in Slurm's words where it has one ("Priority", "Resources",
 * "Dependency", "JobHeldUser"...); "None" for one that does not wait. For many jobs ask
 * dk_core_waiting_each (explain.h): where the order moves with time this ranks the whole queue. */
const char *dk_core_job_reason(const struct dk_core *core, int64_t job);

#endif
