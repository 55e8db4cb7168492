/* explain.c - why a job waits, or why it started where and when it did: the answer of /v1/explain
 *
 * A job that waits is asked of the core: its state, and a pass over its domain with a listener. A
 * job that has started, or ended, is looked up in the log (explain_life.c), and its placement is
 * decided again (explain_decision.c). For a moment in the past the core is a follower's that stands
 * there; what came later is not looked at.
 */
#include "projections/explain_parts.h"

#include <string.h>

#define EVENTS_MAX 2000000u        /* of the log, read for one answer */
#define EVENTS_MAX_WAITING 300000u /* for one that waits: who held it, what it waited for */
#define EVENTS_LISTED 64u

/* --- parts --- */

static void write_named(struct dk_writer *writer, const char *name, struct dk_text named, char sign)
{
    bool is_any = false;

    for (uint32_t at = 0, end; at < named.size; at = end + 1) {
        end = at;
        while (end < named.size && named.data[end] != '\n')
            end++;
        if (named.data[at] != sign)
            continue;
        if (!is_any)
            dk_write_open(writer, name, '[');
        is_any = true;
        dk_write_text(writer, NULL, (struct dk_text){ named.data + at + 1, end - at - 1 });
    }
    if (is_any)
        dk_write_close(writer, ']');
}

static void write_asked(struct dk_writer *writer, const struct dk_explanation *why)
{
    dk_write_open(writer, "asks", '{');
    dk_write_number(writer, "cores", why->cores_min);
    dk_write_some(writer, "nodes", why->nodes);
    dk_write_number(writer, "tasks", why->tasks);
    dk_write_number(writer, "cores_per_task", why->cores_per_task);
    dk_write_some(writer, "tasks_per_node", why->tasks_per_node);
    dk_write_some(writer, "memory_per_node", why->memory_per_node);
    dk_write_some(writer, "memory_per_core", why->memory_per_core);
    dk_write_some(writer, "gpus_per_node", why->gpus_per_node);
    dk_write_some(writer, "gpus_per_task", why->gpus_per_task);
    if (why->exclusive)
        dk_write_bool(writer, "exclusive", true);
    if (why->constraint.size > 0)
        dk_write_text(writer, "constraint", why->constraint);
    write_named(writer, "nodes_wanted", why->named, '+');
    write_named(writer, "nodes_excluded", why->named, '-');
    dk_write_close(writer, '}');
}

static const char *const hold_names[] = { "user",      "admin",     "begin", "dependency",
                                          "tasks",     "partition", "limit", "unavailable",
                                          "resources", "order" };
static const char *const condition_names[] = { "open", "satisfied", "never" };
static const char *const state_names[] = { "UNKNOWN", "PENDING", "RUNNING", "COMPLETING", "ENDED" };

static void write_dependency(struct dk_writer *writer, const struct dk_hold *hold)
{
    dk_write_word(writer, "dependency", dk_dependency_kind_name(hold->dependency));
    dk_write_some(writer, "job", hold->job);
    if (hold->job != 0)
        dk_write_word(writer, "job_state", state_names[hold->job_state]);
    dk_write_word(writer, "condition", condition_names[hold->condition]);
    dk_write_some(writer, "delay", hold->delay_us);
}

/* The newest hold that the log has of it: by whom, and when. */
static void write_holder(struct dk_writer *writer, const struct dk_life *life)
{
    for (uint32_t i = life->count; i-- > 0;) {
        const struct dk_event *event = life->events[i];
        bool held = event->type == DK_EVENT_JOB_HELD ||
                    (event->type == DK_EVENT_JOB_SUBMITTED && event->job_submitted.spec.hold);

        if (!held)
            continue;
        if (event->meta.has_actor)
            dk_write_text(writer, "by", event->meta.actor.user);
        dk_write_number(writer, "since", event->meta.time);
        dk_write_number(writer, "seq", event->meta.seq);
        return;
    }
}

static void write_hold(struct dk_writer *writer, const struct dk_hold *hold,
                       const struct dk_life *life)
{
    dk_write_open(writer, NULL, '{');
    dk_write_word(writer, "kind", hold_names[hold->kind]);
    dk_write_word(writer, "reason", hold->reason);
    dk_write_time(writer, "until", hold->time);
    if (hold->kind == DK_HOLD_USER || hold->kind == DK_HOLD_ADMIN)
        write_holder(writer, life);
    if (hold->kind == DK_HOLD_DEPENDENCY)
        write_dependency(writer, hold);
    if (hold->kind == DK_HOLD_PARTITION)
        dk_write_word(writer, "state",
                      dk_partition_state_name((enum dk_partition_state)hold->number));
    if (hold->kind == DK_HOLD_LIMIT) {
        dk_write_word(writer, "what", hold->what);
        dk_write_word(writer, "scope", dk_limit_scope_name(hold->scope));
        dk_write_text(writer, "whose", hold->whose);
    }
    if (hold->limit > 0 || hold->asked > 0) {
        dk_write_number(writer, "limit", hold->limit);
        dk_write_number(writer, "in_use", hold->in_use);
        dk_write_number(writer, "asked", hold->asked);
    }
    if (hold->jobs_all > 0) {
        dk_write_number(writer, "jobs_all", (int64_t)hold->jobs_all);
        dk_write_open(writer, "jobs", '[');
        for (uint32_t i = 0; i < hold->job_count; i++)
            dk_write_number(writer, NULL, hold->jobs[i]);
        dk_write_close(writer, ']');
    }
    dk_write_close(writer, '}');
}

/* number * 2^exponent as micro-units: enough for people. */
static void write_key(struct dk_writer *writer, const struct dk_factors *factors)
{
    if (factors->exponent == 0) {
        dk_write_number(writer, "key", factors->number);
        return;
    }
    dk_write_number(writer, "key_number", factors->number);
    dk_write_number(writer, "key_exponent", factors->exponent);
}

static void write_factor(struct dk_writer *writer, const char *name, int64_t value, int64_t of,
                         int64_t weight, int64_t product)
{
    dk_write_open(writer, NULL, '{');
    dk_write_word(writer, "name", name);
    dk_write_number(writer, "value", value);
    dk_write_number(writer, "of", of);
    dk_write_number(writer, "weight", weight);
    dk_write_number(writer, "product", product);
    dk_write_close(writer, '}');
}

void dk_write_order(struct dk_writer *writer, const struct dk_explanation *why)
{
    const struct dk_factors *factors = &why->factors;

    dk_write_open(writer, "order", '{');
    dk_write_number(writer, "position", why->position);
    dk_write_number(writer, "of", why->domain_size);
    dk_write_word(writer, "policy", dk_policy_name(factors->policy));
    dk_write_word(writer, "backfill", dk_backfill_name(why->backfill));
    dk_write_number(writer, "priority", factors->priority);
    dk_write_some(writer, "tier", factors->tier);
    if (factors->policy == DK_POLICY_MULTIFACTOR) {
        dk_write_open(writer, "factors", '[');
        write_factor(writer, "age", factors->age_us, factors->age_us_max, factors->weight_age,
                     factors->age);
        write_factor(writer, "size", factors->cores, factors->cores_total, factors->weight_size,
                     factors->size);
        write_factor(writer, "partition", factors->partition_priority, factors->partition_whole,
                     factors->weight_partition, factors->partition);
        write_factor(writer, "nice", factors->nice, 1, -1, -factors->nice);
        dk_write_close(writer, ']');
    } else {
        write_key(writer, factors);
    }
    dk_write_close(writer, '}');
}

void dk_write_ahead(struct dk_writer *writer, const char *name, const struct dk_explanation *why)
{
    dk_write_open(writer, name, '{');
    dk_write_number(writer, "count", (int64_t)why->ahead_all);
    dk_write_number(writer, "cores", (int64_t)why->ahead_cores);
    dk_write_open(writer, "jobs", '[');
    for (uint32_t i = 0; i < why->ahead_count; i++) {
        dk_write_open(writer, NULL, '{');
        dk_write_number(writer, "job", why->ahead[i].job);
        dk_write_number(writer, "cores", why->ahead[i].cores);
        dk_write_text(writer, "user", why->ahead[i].user);
        dk_write_close(writer, '}');
    }
    dk_write_close(writer, ']');
    dk_write_close(writer, '}');
}

void dk_write_head(struct dk_writer *writer, const struct dk_explanation *why)
{
    dk_write_open(writer, "head", '{');
    dk_write_number(writer, "job", why->notes.head);
    dk_write_time(writer, "start", why->notes.head_start);
    dk_write_number(writer, "extra", (int64_t)why->notes.extra);
    dk_write_bool(writer, "ends_in_time", why->notes.ends_in_time);
    dk_write_bool(writer, "fits_beside", why->notes.fits_beside);
    dk_write_close(writer, '}');
}

static const char *const fit_names[] = { "free",    "busy", "small", "unsuitable",
                                         "drained", "down", "lost" };

void dk_write_fits(struct dk_writer *writer, const struct dk_explanation *why)
{
    dk_write_open(writer, "nodes", '{');
    dk_write_number(writer, "count", why->node_count);
    dk_write_number(writer, "cores_up", (int64_t)why->cores_open);
    dk_write_number(writer, "cores_free", (int64_t)why->cores_free);
    dk_write_open(writer, "groups", '[');
    for (int fit = DK_FIT_NOW; fit <= DK_FIT_LOST; fit++) {
        int64_t count = 0, cores_free = 0, memory_free = 0, gpus_free = 0;

        for (uint32_t i = 0; i < why->node_count; i++) {
            const struct dk_node_fit *node = &why->node_fits[i];

            if ((int)node->fit != fit)
                continue;
            if (count++ == 0) {
                dk_write_open(writer, NULL, '{');
                dk_write_word(writer, "fit", fit_names[fit]);
                dk_write_open(writer, "names", '[');
            }
            dk_write_text(writer, NULL, node->name);
            cores_free += node->cores_free;
            memory_free += node->memory_free;
            gpus_free += node->gpus_free;
        }
        if (count == 0)
            continue;
        dk_write_close(writer, ']');
        dk_write_number(writer, "count", count);
        dk_write_number(writer, "cores_free", cores_free);
        dk_write_number(writer, "memory_free", memory_free);
        dk_write_some(writer, "gpus_free", gpus_free);
        dk_write_close(writer, '}');
    }
    dk_write_close(writer, ']');
    dk_write_close(writer, '}');
}

/* --- a job that waits --- */

static void write_running(struct dk_writer *writer, const struct dk_explanation *why)
{
    dk_write_open(writer, "waits_for_ends", '{');
    dk_write_number(writer, "count", (int64_t)why->running_all);
    dk_write_number(writer, "cores", (int64_t)why->running_cores);
    dk_write_open(writer, "jobs", '[');
    for (uint32_t i = 0; i < why->running_count; i++) {
        dk_write_open(writer, NULL, '{');
        dk_write_number(writer, "job", why->running[i].job);
        dk_write_number(writer, "cores", why->running[i].cores);
        dk_write_time(writer, "end", why->running[i].end);
        dk_write_text(writer, "user", why->running[i].user);
        dk_write_close(writer, '}');
    }
    dk_write_close(writer, ']');
    dk_write_close(writer, '}');
}

static void write_reservation(struct dk_writer *writer, const struct dk_explanation *why)
{
    const struct dk_pass_notes *notes = &why->notes;
    bool is_head = notes->has_head && notes->head == why->job;
    int64_t start = why->planned != INT64_MAX     ? why->planned
                    : notes->planned != INT64_MAX ? notes->planned
                    : is_head                     ? notes->head_start
                                                  : INT64_MAX;

    if (start != INT64_MAX) {
        dk_write_open(writer, "reservation", '{');
        dk_write_number(writer, "start", start);
        dk_write_word(writer, "by",
                      why->planned != INT64_MAX     ? "plan kept"
                      : notes->planned != INT64_MAX ? "plan"
                                                    : "first that does not fit");
        dk_write_close(writer, '}');
    }
    dk_write_bool(writer, "fits_now", notes->fits_now);
    if (notes->beyond_depth)
        dk_write_number(writer, "beyond_depth", why->depth);
    if (notes->has_head && !is_head)
        dk_write_head(writer, why);
}

static bool waits_for_somebody(const struct dk_explanation *why)
{
    for (uint32_t i = 0; i < why->hold_count; i++)
        if (why->holds[i].kind == DK_HOLD_USER || why->holds[i].kind == DK_HOLD_ADMIN ||
            why->holds[i].kind == DK_HOLD_PARTITION)
            return true;
    return false;
}

static void write_waiting(struct dk_writer *writer, const struct dk_explain_source *source,
                          const struct dk_explanation *why, const struct dk_life *life,
                          struct dk_arena *arena)
{
    dk_write_word(writer, "reason", why->reason);
    dk_write_open(writer, "holds", '[');
    for (uint32_t i = 0; i < why->hold_count; i++)
        write_hold(writer, &why->holds[i], life);
    dk_write_close(writer, ']');
    if (why->is_array) {
        dk_write_open(writer, "array", '{');
        dk_write_number(writer, "waiting", why->array_waiting);
        dk_write_number(writer, "running", why->array_live);
        dk_write_some(writer, "running_max", why->array_running_max);
        dk_write_close(writer, '}');
    }
    if (why->position > 0) {
        dk_write_order(writer, why);
        write_reservation(writer, why);
        dk_write_ahead(writer, "ahead", why);
        write_running(writer, why);
    }
    dk_write_fits(writer, why);
    if (!waits_for_somebody(why) && !(why->is_array && why->array_waiting == 0))
        dk_write_forecast(writer, source, why->job, arena);
}

/* --- a life --- */

static void write_event(struct dk_writer *writer, const struct dk_event *event)
{
    dk_write_open(writer, NULL, '{');
    dk_write_number(writer, "seq", event->meta.seq);
    dk_write_number(writer, "time", event->meta.time);
    dk_write_word(writer, "type", dk_event_name(event->type));
    if (event->meta.has_actor)
        dk_write_text(writer, "by", event->meta.actor.user);
    if (event->type == DK_EVENT_JOB_PLACED)
        dk_write_number(writer, "attempt", event->job_placed.attempt);
    if (event->type == DK_EVENT_JOB_END_REQUESTED)
        dk_write_word(writer, "state", dk_end_state_name(event->job_end_requested.state));
    if (event->type == DK_EVENT_JOB_REQUEUED)
        dk_write_word(writer, "state", dk_end_state_name(event->job_requeued.reason));
    if (event->type == DK_EVENT_JOB_ENDED)
        dk_write_word(writer, "state", dk_end_state_name(event->job_ended.state));
    if (event->type == DK_EVENT_JOB_SIGNALLED)
        dk_write_number(writer, "signal", event->job_signalled.signal);
    dk_write_close(writer, '}');
}

static void write_events(struct dk_writer *writer, const struct dk_life *life)
{
    uint32_t first = life->count > EVENTS_LISTED ? life->count - EVENTS_LISTED : 0;

    dk_write_open(writer, "events", '[');
    for (uint32_t i = first; i < life->count; i++)
        write_event(writer, life->events[i]);
    dk_write_close(writer, ']');
    if (life->has_gaps || first > 0)
        dk_write_bool(writer, "events_complete", false);
}

static void write_span(struct dk_writer *writer, int64_t from, int64_t to, const char *why,
                       int64_t job)
{
    if (from >= to)
        return;
    dk_write_open(writer, NULL, '{');
    dk_write_number(writer, "from", from);
    dk_write_number(writer, "to", to);
    dk_write_word(writer, "why", why);
    dk_write_some(writer, "job", job);
    dk_write_close(writer, '}');
}

/* What kept it from being eligible, as spans that may overlap; then the wait for its turn. */
static void write_spans(struct dk_writer *writer, const struct dk_life *life, int64_t eligible,
                        int64_t until)
{
    const struct dk_event *submitted = life->submitted;
    int64_t held = 0;

    dk_write_open(writer, "spans", '[');
    for (uint32_t i = 0; i < life->count; i++) {
        const struct dk_event *event = life->events[i];
        bool hold = event->type == DK_EVENT_JOB_HELD ||
                    (event == submitted && event->job_submitted.spec.hold);

        if (hold && held == 0)
            held = event->meta.time;
        if (held != 0 && (event->type == DK_EVENT_JOB_RELEASED || i + 1 == life->count)) {
            write_span(writer, held,
                       event->type == DK_EVENT_JOB_RELEASED ? event->meta.time : until, "hold", 0);
            held = 0;
        }
    }
    if (submitted != NULL)
        write_span(writer, submitted->meta.time,
                   submitted->job_submitted.spec.begin < until ? submitted->job_submitted.spec.begin
                                                               : until,
                   "begin time", 0);
    for (uint32_t i = 0; i < life->wait_count; i++)
        write_span(writer, submitted->meta.time,
                   life->waits[i].over != 0 && life->waits[i].over < until ? life->waits[i].over
                                                                           : until,
                   "dependency", life->waits[i].dependency.job);
    if (eligible > 0)
        write_span(writer, eligible, until, "resources and order", 0);
    dk_write_close(writer, ']');
}

static void write_end(struct dk_writer *writer, const struct dk_life *life)
{
    const struct dk_event *event = life->ended, *asked = life->end_requested;

    if (asked != NULL) {
        dk_write_open(writer, "end_requested", '{');
        dk_write_number(writer, "seq", asked->meta.seq);
        dk_write_number(writer, "time", asked->meta.time);
        dk_write_word(writer, "state", dk_end_state_name(asked->job_end_requested.state));
        if (asked->meta.has_actor)
            dk_write_text(writer, "by", asked->meta.actor.user);
        dk_write_close(writer, '}');
    }
    if (event == NULL)
        return;
    dk_write_open(writer, "end", '{');
    dk_write_number(writer, "seq", event->meta.seq);
    dk_write_number(writer, "time", event->meta.time);
    dk_write_word(writer, "state", dk_end_state_name(event->job_ended.state));
    dk_write_number(writer, "exit_code", event->job_ended.exit_code);
    dk_write_some(writer, "signal", event->job_ended.signal);
    if (event->job_ended.why.size > 0)
        dk_write_text(writer, "why", event->job_ended.why);
    if (event->meta.has_actor && life->placed == NULL)
        dk_write_text(writer, "by", event->meta.actor.user);
    dk_write_close(writer, '}');
}

/* --- the whole --- */

struct answer {
    struct dk_explain_source source; /* of the moment asked about */
    struct dk_follower *follower;    /* that stands there; NULL: the live one does */
    const struct dk_explain_question *question;
    struct dk_explanation why;
    struct dk_life life;
    bool known; /* the core knows it */
    int64_t job;
    struct dk_arena arena;
};

static enum dk_status moment_find(struct answer *answer, struct dk_err *err)
{
    const struct dk_explain_question *question = answer->question;
    struct dk_explain_source *source = &answer->source;
    uint64_t limit = question->at_seq > 0 ? question->at_seq : UINT64_MAX;
    uint64_t seq = limit;
    enum dk_status status = DK_OK;

    if (question->at_seq == 0 && question->at_time == 0)
        return DK_OK;
    if (question->at_time != 0) {
        uint64_t last = source->seq > 0 ? (uint64_t)source->seq : 1;

        status = dk_log_seek_time(source->log_uri, last, question->at_time + 1, &seq, err);
        seq = seq > 0 ? seq - 1 : 0;
    }
    if (status == DK_OK)
        status = dk_follower_open(&answer->follower, source->log_uri, source->log_dir,
                                  seq < limit ? seq : limit, err);
    if (status == DK_OK)
        status = dk_follower_advance(answer->follower, limit,
                                     question->at_time != 0 ? question->at_time : INT64_MAX, err);
    if (status != DK_OK && status != DK_AGAIN)
        return status;
    source->core = dk_follower_core(answer->follower);
    source->seq = (int64_t)dk_follower_seq(answer->follower);
    source->now = dk_follower_time(answer->follower);
    if (question->at_time > source->now)
        source->now = question->at_time;
    return DK_OK;
}

/* A task that has not started is explained by its array. */
static void job_find(struct answer *answer)
{
    const struct dk_explain_question *question = answer->question;
    int64_t task = 0;

    answer->job = question->job;
    if (question->task >= 0)
        task = dk_core_task_find(answer->source.core, question->job, question->task);
    if (task != 0)
        answer->job = task;
    answer->known = dk_core_explain(answer->source.core, answer->job, answer->source.now,
                                    &answer->arena, &answer->why);
}

static enum dk_status life_find(struct answer *answer, struct dk_err *err)
{
    const struct dk_explain_question *question = answer->question;
    const struct dk_explanation *why = &answer->why;
    bool waits = answer->known && why->state == DK_JOB_PENDING;
    struct dk_life_question asked = { .log_uri = answer->source.log_uri,
                                      .seq_limit = (uint64_t)answer->source.seq,
                                      .job = answer->job,
                                      .task = question->task,
                                      .submit = question->submit,
                                      .start = question->start,
                                      .events_max = waits ? EVENTS_MAX_WAITING : EVENTS_MAX };
    enum dk_status status;

    if (answer->known) {
        asked.array_job = why->array_job;
        asked.submit = why->submit;
        asked.start = why->start;
    }
    if (question->task >= 0 && answer->job == question->job) {
        asked.array_job = question->job;
        asked.job = 0;
    }
    status = dk_life_read(&asked, &answer->arena, &answer->life, err);
    if (status != DK_OK)
        return status;
    if (!answer->known && answer->life.placed == NULL && answer->life.count == 0)
        return dk_fail(err, DK_NOT_FOUND, "there is no job %lld at seq %lld",
                       (long long)question->job, (long long)answer->source.seq);
    if (answer->life.placed != NULL)
        answer->job = answer->life.placed->job_placed.job;
    return DK_OK;
}

static const char *state_name(const struct answer *answer)
{
    if (answer->known)
        return state_names[answer->why.state];
    if (answer->life.ended != NULL)
        return dk_end_state_name(answer->life.ended->job_ended.state);
    return state_names[DK_JOB_ENDED];
}

static void write_facts(struct dk_writer *writer, const struct answer *answer)
{
    const struct dk_explanation *why = &answer->why;
    const struct dk_event *submitted = answer->life.submitted;
    const struct dk_job_spec *spec = submitted != NULL ? &submitted->job_submitted.spec : NULL;

    dk_write_number(writer, "seq", answer->source.seq);
    dk_write_number(writer, "time", answer->source.now);
    dk_write_number(writer, "job", answer->job);
    if (answer->life.placed != NULL && answer->life.placed->job_placed.array_job != 0) {
        dk_write_number(writer, "array_job", answer->life.placed->job_placed.array_job);
        dk_write_number(writer, "array_task", answer->life.placed->job_placed.task);
    } else if (answer->question->task >= 0) {
        dk_write_number(writer, "array_job", answer->job);
        dk_write_number(writer, "array_task", answer->question->task);
    }
    dk_write_word(writer, "state", state_name(answer));
    dk_write_text(writer, "name", spec != NULL ? spec->name : why->name);
    if (submitted != NULL && submitted->meta.has_actor) {
        dk_write_text(writer, "user", submitted->meta.actor.user);
        dk_write_number(writer, "uid", submitted->meta.actor.uid);
    } else if (answer->known) {
        dk_write_text(writer, "user", why->user);
        dk_write_number(writer, "uid", why->uid);
    }
    if (answer->known || spec != NULL)
        dk_write_text(writer, "partition", answer->known ? why->partition : spec->partition);
    if (answer->known || spec != NULL)
        dk_write_number(writer, "limit", answer->known ? why->limit_us : spec->limit_us);
    if (answer->known || submitted != NULL)
        dk_write_number(writer, "submit", answer->known ? why->submit : submitted->meta.time);
    if (submitted != NULL)
        dk_write_number(writer, "submit_seq", submitted->meta.seq);
    if (answer->known) {
        dk_write_time(writer, "eligible", why->eligible);
        dk_write_time(writer, "start", why->start);
        write_asked(writer, why);
    }
}

static enum dk_status write_answer(struct answer *answer, struct dk_buf *json, struct dk_err *err)
{
    struct dk_writer writer = { json, false };
    const struct dk_life *life = &answer->life;
    bool waits = answer->known && answer->why.state == DK_JOB_PENDING;
    int64_t eligible = answer->known ? answer->why.eligible : 0;
    enum dk_status status = DK_OK;

    dk_write_open(&writer, NULL, '{');
    write_facts(&writer, answer);
    if (waits && life->placed == NULL)
        write_waiting(&writer, &answer->source, &answer->why, life, &answer->arena);
    else if (life->placed != NULL)
        status = dk_write_decision(&writer, &answer->source, life, &answer->arena, &eligible, err);
    if (status != DK_OK)
        return status;
    if (waits && life->placed != NULL) /* it waits again, after a requeue */
        write_waiting(&writer, &answer->source, &answer->why, life, &answer->arena);
    write_end(&writer, life);
    write_spans(&writer, life, eligible,
                life->placed != NULL  ? life->placed->meta.time
                : life->ended != NULL ? life->ended->meta.time
                                      : answer->source.now);
    write_events(&writer, life);
    dk_write_close(&writer, '}');
    return DK_OK;
}

enum dk_status dk_answer_explain(const struct dk_explain_source *source,
                                 const struct dk_explain_question *question, struct dk_buf *json,
                                 struct dk_err *err)
{
    struct answer answer = { .source = *source, .question = question };
    enum dk_status status;

    dk_arena_init(&answer.arena, &dk_heap);
    status = moment_find(&answer, err);
    if (status == DK_OK) {
        job_find(&answer);
        status = life_find(&answer, err);
    }
    if (status == DK_OK)
        status = write_answer(&answer, json, err);
    dk_follower_close(answer.follower);
    dk_arena_release(&answer.arena);
    return status;
}
