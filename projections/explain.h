/* explain.h - why a job waits, in what order jobs wait, when they would start: asked of the core
 *
 * The answers of /v1/explain, /v1/priority and /v1/test, and the reasons, priorities and planned
 * starts that /v1/jobs shows beside its rows. Views do not know the core; these functions ask a
 * follower's core (core/controller/follower.h) and re-execute its own scheduling code. Nothing is
 * guessed: what was decided is decided again from the log and compared with what is recorded.
 *
 * A core answers one question at a time and none while it folds: its owner's lock is held by the
 * caller. The core is as it was when a function returns. Times are microseconds since 1970.
 *
 * Cost. dk_pending_each is one walk over all that waits, whatever the policy: ask it once for a
 * list of jobs, never job by job. dk_answer_explain of a waiting job is a pass or two and a bounded
 * forecast on a copy of the core; of a job that has started, or in the past, a follower of its own
 * is opened from the nearest snapshot. dk_answer_test and dk_starts_end run a copy forward,
 * bounded by counts.
 */
#ifndef DK_PROJECTIONS_EXPLAIN_H
#define DK_PROJECTIONS_EXPLAIN_H

#include "base/buf.h"
#include "base/err.h"
#include "controller/follower.h"

#include <stdbool.h>
#include <stdint.h>

struct dk_explain_source {
    const struct dk_core *core; /* dk_follower_core */
    int64_t seq;                /* dk_follower_seq: answers are of this seq */
    int64_t now;                /* the clock, or the core's time if that is later */
    const char *log_uri;        /* "file:DIR/log" */
    const char *log_dir;        /* "DIR/log", for its snapshots; NULL: none */
};

/* --- beside the rows of /v1/jobs --- */

struct dk_pending {
    int64_t job;        /* an array that waits counts once, by the array's id */
    const char *reason; /* Slurm's word: "Resources", "Priority", "Dependency"... */
    int64_t priority;   /* as squeue shows it: higher goes first; 0: held */
    int64_t planned;    /* recorded reservation (CONSERVATIVE_KEEP); 0: none */
    uint32_t position;  /* in its domain, from 1; 0: not eligible */
};

typedef void dk_pending_visit(void *context, const struct dk_pending *pending);

/* Every job that waits: the eligible in order, domain by domain, then the others by id. */
void dk_pending_each(const struct dk_explain_source *source, dk_pending_visit *visit,
                     void *context);

/* One job by itself; false: it does not wait. For many use dk_pending_each. */
bool dk_pending_find(const struct dk_explain_source *source, int64_t job,
                     struct dk_pending *pending);

/* Estimated starts (squeue --start): of the first `count` that wait, if running jobs end at their
 * limits and nobody submits anything. Begun with the source, which is copied; the long part needs
 * it no more, so no lock either, and up to a second. */
struct dk_starts;
struct dk_starts *dk_starts_begin(const struct dk_explain_source *source, uint32_t count);
/* `start` INT64_MAX: not within the bound, or never. `nodes`: a host list, empty when it would be
 * too long; good during the call. Visits by job, and frees `starts`. */
typedef void dk_start_visit(void *context, int64_t job, int64_t start, struct dk_text nodes);
void dk_starts_end(struct dk_starts *starts, dk_start_visit *visit, void *context);

/* --- whole answers --- */

struct dk_explain_question {
    int64_t job;
    int32_t task;    /* of the array `job`; -1: the job itself */
    uint64_t at_seq; /* the state after it; 0: now. source->core is not asked then */
    int64_t at_time; /* likewise, the last batch not after it; 0: now */
    /* From a row of the views, 0 where not known. They only make it faster: a job that the core has
     * forgotten is found in the log by its submission. */
    int64_t submit, start;
};

/* Appends a JSON object; what has no value is left out. DK_NOT_FOUND: there is no such job then.
 *
 *     seq time job array_job array_task state name user uid partition limit submit submit_seq
 *     eligible start asks{}            what it is and asks for
 *
 * While it waits:
 *
 *     reason holds[]                   every reason at once, each by `kind`:
 *         user admin                     by since seq
 *         begin                          until
 *         dependency                     dependency job job_state condition delay until
 *         tasks limit                    limit in_use asked jobs_all jobs[]; what scope whose
 *         partition                      state
 *         unavailable resources order    resources: limit in_use asked, in cores
 *     array{}                          waiting running running_max
 *     order{}                          position of policy backfill priority tier factors[]
 *     reservation{} fits_now           start by
 *     beyond_depth head{}              the first that does not fit: job start extra, and whether
 *                                      this job ends_in_time, or fits_beside what it will need
 *     ahead{} waits_for_ends{}         count cores jobs[]
 *     forecast{}                       result start in nodes[] cores, or why and not_before
 *
 * Once it was placed:
 *
 *     placement{}                      seq time attempt batch_first batch_last waited in_order
 *                                      order{} passed{} head{} chosen[] nodes{}, decided_again:
 *                                      same, or differs (and difference)
 *     end_requested{} end{}            seq time state by; exit_code signal why
 *
 * Always:
 *
 *     nodes{}                          of its partition: groups[] by fit (free busy small
 *                                      unsuitable drained down lost), with names[] and sums
 *     spans[] events[]                 what held it up from when to when; its events */
enum dk_status dk_answer_explain(const struct dk_explain_source *source,
                                 const struct dk_explain_question *question, struct dk_buf *json,
                                 struct dk_err *err);

struct dk_priority_question {
    const char *fields; /* "id,user,priority"; NULL: all, in the order of the list below */
    bool tsv;           /* else {"seq":S,"rows":[...]} */
    /* NULL: every job. `user` is the name or number as it will be shown. */
    bool (*accepts)(void *context, int64_t job, int32_t uid, const char *user,
                    const char *partition);
    void *context;
};

/* Columns: id user uid partition account position priority age size partition_factor nice
 * weight_age weight_size weight_partition age_raw size_raw partition_raw policy key wait cores
 * reason. age, size and partition_factor are weighted; the *_raw ones are between 0 and 1; for
 * orders that are no sum `key` is the value that the formula orders by. DK_INVALID names an unknown
 * column. */
enum dk_status dk_answer_priority(const struct dk_explain_source *source,
                                  const struct dk_priority_question *question, struct dk_buf *out,
                                  struct dk_err *err);

/* `request` is the body: a SubmitJob in Avro. Who asks is proven by the caller. Appends
 * {"seq":S,"result":"starts","start":T,"nodes":["n1"],"cores":4,"partition":"batch",...}, or
 * {"result":"rejected","reason":"UNSATISFIABLE","detail":"..."}, or {"result":"unknown",...} when
 * it does not start within the bound. DK_INVALID: the body is no SubmitJob. */
enum dk_status dk_answer_test(const struct dk_explain_source *source, const struct dk_actor *actor,
                              bool is_operator, const uint8_t *request, size_t size,
                              struct dk_buf *json, struct dk_err *err);

#endif
