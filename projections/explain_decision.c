/* explain_decision.c - a placement, decided again from the log
 *
 * A follower is brought to the end of the batch before the one that placed the job; the facts of
 * that batch are applied; then the core decides, with a listener, and what it decides is compared
 * with what is recorded, byte for byte. Then the recorded decisions are applied one by one up to
 * the placement, so that nodes and order are shown as they were at that very point.
 */
#include "projections/explain_parts.h"

#include "base/check.h"

#include <string.h>

struct decision {
    const struct dk_explain_source *source;
    const struct dk_life *life;
    struct dk_arena *arena;
    struct dk_core *core;
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_event *events;
    uint32_t first, closed, at; /* decisions are first..closed-1; ours is `at` */
    struct dk_explanation why;  /* as the batch decided; then as things stood at our placement */
    int64_t queued;             /* what stood in the queue: the job, or its array */
    bool same;
    struct dk_buf difference; /* for people */
};

/* --- to the point --- */

static enum dk_status core_before(struct decision *decision, struct dk_err *err)
{
    uint64_t before = decision->life->placed_batch - 1;
    struct dk_follower *follower = NULL;
    enum dk_status status = dk_follower_open(&follower, decision->source->log_uri,
                                             decision->source->log_dir, before, err);

    if (status == DK_OK)
        status = dk_follower_advance(follower, before, INT64_MAX, err);
    if (status == DK_OK && dk_follower_seq(follower) != before)
        status = dk_fail(err, DK_DIVERGED, "seq %llu is not the end of a batch",
                         (unsigned long long)before);
    if (status == DK_OK)
        decision->core = dk_follower_take(follower);
    dk_follower_close(follower);
    return status;
}

static enum dk_status batch_load(struct decision *decision, struct dk_err *err)
{
    struct dk_log_batch *batch = &decision->batch;
    enum dk_status status = dk_log_reader_open(&decision->reader, decision->source->log_uri,
                                               decision->life->placed_batch, err);

    if (status == DK_OK)
        status = dk_log_reader_next(decision->reader, batch, err);
    if (status != DK_OK)
        return status;
    decision->events = dk_arena_take(decision->arena, batch->count * sizeof(*decision->events));
    decision->closed = batch->count - 1;
    for (uint32_t i = 0; i < batch->count && status == DK_OK; i++) {
        struct dk_event *event = &decision->events[i];

        status = dk_event_decode(batch->records[i].data, batch->records[i].size, decision->arena,
                                 event, err);
        if (status == DK_OK && event->type == DK_EVENT_JOB_PLACED &&
            event->meta.seq == decision->life->placed->meta.seq)
            decision->at = i;
    }
    while (decision->first < decision->closed &&
           !dk_event_is_decision(&decision->events[decision->first]))
        decision->first++;
    return status;
}

static enum dk_status apply(struct decision *decision, uint32_t first, uint32_t limit,
                            struct dk_err *err)
{
    for (uint32_t i = first; i < limit; i++) {
        enum dk_status status = dk_core_check(decision->core, &decision->events[i], err);

        if (status != DK_OK)
            return status;
        dk_core_apply(decision->core, &decision->events[i]);
    }
    return DK_OK;
}

/* --- deciding again --- */

static bool same_bytes(struct decision *decision, struct dk_event *event, uint32_t at,
                       struct dk_buf *bytes)
{
    const struct dk_log_record *record = &decision->batch.records[at];

    event->meta.seq = decision->events[at].meta.seq;
    event->meta.epoch = decision->events[at].meta.epoch;
    dk_buf_clear(bytes);
    return dk_event_encode(event, bytes, NULL) == DK_OK && bytes->size == record->size &&
           memcmp(bytes->data, record->data, record->size) == 0;
}

static void differs(struct decision *decision, const struct dk_event *decided, uint32_t at)
{
    struct dk_buf *text = &decision->difference;

    decision->same = false;
    (void)dk_buf_add_text(text, "recorded ");
    if (at < decision->closed)
        (void)dk_event_print(&decision->events[at], text);
    else
        (void)dk_buf_add_text(text, "nothing");
    (void)dk_buf_add_text(text, ", decided now: ");
    if (decided != NULL)
        (void)dk_event_print(decided, text);
    else
        (void)dk_buf_add_text(text, "nothing");
}

static void compare(struct decision *decision, struct dk_events *decided)
{
    struct dk_buf bytes;
    uint32_t i;

    dk_buf_init(&bytes, &dk_heap, (size_t)64 << 20);
    decision->same = true;
    for (i = 0; i < decided->count && decision->same; i++) {
        uint32_t at = decision->first + i;

        if (at >= decision->closed || !same_bytes(decision, &decided->items[i], at, &bytes))
            differs(decision, &decided->items[i], at);
    }
    if (decision->same && decision->first + i < decision->closed)
        differs(decision, NULL, decision->first + i);
    dk_buf_release(&bytes);
}

static enum dk_status decide_again(struct decision *decision, struct dk_err *err)
{
    const struct dk_job_placed *placed = &decision->life->placed->job_placed;
    int64_t now = decision->events[decision->closed].meta.time;
    struct dk_events decided;
    enum dk_status status = apply(decision, 0, decision->first, err);

    if (status != DK_OK)
        return status;
    decision->queued =
        placed->array_job != 0 && dk_core_job_state(decision->core, placed->job) == DK_JOB_UNKNOWN
            ? placed->array_job
            : placed->job;
    dk_events_init(&decided, &dk_heap);
    dk_core_schedule_explained(decision->core, now, decision->queued, decision->arena,
                               &decision->why, &decided);
    compare(decision, &decided);
    dk_events_release(&decided);
    status = apply(decision, decision->first, decision->at, err);
    if (status == DK_OK)
        dk_core_explain_again(decision->core, decision->queued, now, decision->arena,
                              &decision->why);
    return status;
}

/* --- saying it --- */

static void write_order_then(struct dk_writer *writer, const struct decision *decision)
{
    const struct dk_explanation *why = &decision->why;
    const struct dk_job_placed *placed = &decision->life->placed->job_placed;

    dk_write_bool(writer, "in_order", why->ahead_all == 0);
    dk_write_order(writer, why);
    dk_write_ahead(writer, "passed", why);
    if (why->notes.has_head && why->notes.head != decision->queued)
        dk_write_head(writer, why);
    dk_write_time(writer, "planned", why->planned);
    dk_write_some(writer, "array_job", placed->array_job);
}

static void write_decision(struct dk_writer *writer, struct decision *decision)
{
    const struct dk_event *event = decision->life->placed;
    struct dk_explanation *why = &decision->why;
    struct dk_node_held *nodes;
    uint32_t count = dk_core_nodes_of(decision->core, event->job_placed.cores,
                                      event->job_placed.cores_count, decision->arena, &nodes);

    dk_write_open(writer, "placement", '{');
    dk_write_number(writer, "seq", event->meta.seq);
    dk_write_number(writer, "time", event->meta.time);
    dk_write_number(writer, "attempt", event->job_placed.attempt);
    dk_write_number(writer, "batch_first", (int64_t)decision->life->placed_batch);
    dk_write_number(writer, "batch_last", (int64_t)decision->life->placed_batch_last);
    dk_write_number(writer, "facts", decision->first);
    dk_write_number(writer, "decisions", decision->closed - decision->first);
    dk_write_word(writer, "decided_again", decision->same ? "same" : "differs");
    if (!decision->same)
        dk_write_text(writer, "difference",
                      (struct dk_text){ (const char *)decision->difference.data,
                                        (uint32_t)decision->difference.size });
    dk_write_time(writer, "eligible", why->eligible);
    if (why->eligible > 0)
        dk_write_number(writer, "waited", event->meta.time - why->eligible);
    write_order_then(writer, decision);
    dk_write_nodes(writer, "chosen", nodes, count);
    dk_write_fits(writer, why);
    dk_write_close(writer, '}');
}

enum dk_status dk_write_decision(struct dk_writer *writer, const struct dk_explain_source *source,
                                 const struct dk_life *life, struct dk_arena *arena,
                                 int64_t *eligible, struct dk_err *err)
{
    struct decision decision = { .source = source, .life = life, .arena = arena };
    enum dk_status status;

    dk_buf_init(&decision.difference, &dk_heap, (size_t)1 << 20);
    status = core_before(&decision, err);
    if (status == DK_OK)
        status = batch_load(&decision, err);
    if (status == DK_OK)
        status = decide_again(&decision, err);
    if (status == DK_OK)
        write_decision(writer, &decision);
    *eligible = decision.why.eligible;
    dk_log_reader_close(decision.reader);
    dk_core_destroy(decision.core);
    dk_buf_release(&decision.difference);
    return status;
}
