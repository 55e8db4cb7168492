/* projector.c - projectors: the real live views, folded from a reader, asked by long polls (sim.h)
 */
#include "sim.h"

#include "views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct projector {
    struct process base;
    struct dk_live *live;
    struct dk_log_reader *reader;
    bool caught_up, tail_is_due;
    uint32_t ordered; /* bits: nodes with something new */
    struct calls waiting;
    struct dk_arena arena;
    struct dk_buf saved; /* the views as they were once, on a disk of its own */
    int64_t saved_seq;
};

/* --- orders --- */

static void answer_orders(struct projector *projector, struct call *call)
{
    const struct dk_text name = dk_text_of(call->caller->name);
    int64_t node = dk_live_node_find(projector->live, name), seq = 0;
    enum dk_status status = DK_NOT_FOUND;
    struct dk_buf body;
    struct dk_err err;

    dk_buf_init(&body, &dk_heap, (size_t)1 << 26);
    if (node >= 0)
        status = dk_live_orders(projector->live, (uint32_t)node, call->after, &body, &seq, &err);
    sim->sum.polls++;
    if (status == DK_AGAIN && sim->now < call->until)
        sim_calls_add(&projector->waiting, call);
    else if (status == DK_OK || status == DK_AGAIN)
        sim_answer(call, 200, seq, (struct dk_bytes){ body.data, (uint32_t)body.size });
    else
        sim_answer(call, status == DK_END ? 410 : 404, 0, (struct dk_bytes){ NULL, 0 });
    dk_buf_release(&body);
}

/* Those who wait for one of the nodes, and those whose time is over. */
static void answer_waiting(struct projector *projector)
{
    struct call *call = projector->waiting.first;

    sim_calls_init(&projector->waiting);
    for (struct call *next; call != NULL; call = next) {
        int64_t node = dk_live_node_find(projector->live, dk_text_of(call->caller->name));

        next = call->next;
        if (sim->now >= call->until || (node >= 0 && (projector->ordered >> node & 1) != 0))
            answer_orders(projector, call);
        else
            sim_calls_add(&projector->waiting, call);
    }
    projector->ordered = 0;
}

static void wait_is_over(void *subject, int64_t number)
{
    (void)number;
    answer_waiting(subject);
}

static void take(struct process *process, struct call *call)
{
    struct projector *projector = (struct projector *)process;

    if (!projector->caught_up) {
        sim_answer(call, 503, 0, (struct dk_bytes){ NULL, 0 });
        return;
    }
    answer_orders(projector, call);
    if (sim->now < call->until)
        sim_after(call->until - sim->now, wait_is_over, projector, 0, &projector->base.life);
}

static void on_ordered(void *context, uint32_t node)
{
    ((struct projector *)context)->ordered |= UINT32_C(1) << node;
}

/* --- folding --- */

static void apply(struct dk_live *live, const struct dk_log_batch *batch, struct dk_arena *arena)
{
    dk_live_begin(live);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct dk_event event;
        struct dk_err err;

        dk_arena_reset(arena);
        if (dk_event_decode(batch->records[i].data, batch->records[i].size, arena, &event, &err) !=
            DK_OK)
            sim_fault("a projector can't read an event: %s", err.text);
        else
            dk_live_apply(live, &event);
    }
    dk_live_end(live);
}

static void save(struct projector *projector)
{
    dk_buf_clear(&projector->saved);
    dk_live_write(projector->live, &projector->saved);
    projector->saved_seq = dk_live_seq(projector->live);
}

static void restart(void *subject, int64_t number)
{
    (void)number;
    sim_projector_start(subject);
}

static void tail(void *subject, int64_t number)
{
    struct projector *projector = subject;
    struct dk_log_batch batch;
    struct dk_err err;
    enum dk_status status;

    (void)number;
    projector->tail_is_due = false;
    sim_enter(&projector->base);
    if (sim->is_shared && !sim_link_up(projector->base.host, sim->broker)) {
        projector->tail_is_due = true;
        sim_after(SECOND, tail, projector, 0, &projector->base.life);
        return;
    }
    while ((status = dk_log_reader_next(projector->reader, &batch, &err)) == DK_OK) {
        audit_seen(&batch, projector->base.name);
        apply(projector->live, &batch, &projector->arena);
    }
    if (status == DK_DIVERGED) { /* its process ends, the next one reads anew */
        sim_say("%s: %s", projector->base.name, err.text);
        sim_projector_kill(projector);
        return;
    }
    if (status != DK_AGAIN)
        sim_fault("%s can't read the log: %s", projector->base.name, err.text);
    if (!projector->caught_up && dk_live_seq(projector->live) > 0) {
        dk_live_begin(projector->live);
        dk_live_serve(projector->live);
        dk_live_end(projector->live);
        projector->caught_up = true;
    }
    if (sim_below(50) == 0)
        save(projector);
    answer_waiting(projector);
}

void sim_published(void)
{
    audit_read();
    for (uint32_t i = 0; i < sim->projector_count; i++) {
        struct projector *projector = sim->projectors[i];
        int64_t lag = sim_between(50, 3000);

        if (projector == NULL || !projector->base.alive || projector->tail_is_due)
            continue;
        if (sim->is_safe && sim->rates[RATE_view_lag] > 0 && sim_below(10) == 0)
            lag = sim_between(0, (int64_t)sim->rates[RATE_view_lag] * 1000);
        projector->tail_is_due = true;
        sim_after(lag, tail, projector, 0, &projector->base.life);
    }
}

/* --- life and death --- */

static struct dk_live_hooks hooks_of(struct projector *projector)
{
    return (struct dk_live_hooks){ .ordered = on_ordered, .context = projector };
}

void sim_projector_start(struct projector *projector)
{
    struct dk_live_hooks hooks = hooks_of(projector);
    struct dk_err err;
    int64_t from = 1;

    if (projector->base.alive)
        return;
    sim_enter(&projector->base);
    if (dk_log_reader_open(&projector->reader, sim->uri, 1, &err) != DK_OK) { /* no log yet */
        sim_after(SECOND / 5, restart, projector, 0, NULL);
        return;
    }
    if (projector->saved.size > 0 && sim_below(5) != 0) {
        if (dk_live_restore(&projector->live, &hooks, projector->saved.data, projector->saved.size,
                            &err) == DK_OK)
            from = projector->saved_seq + 1;
        else
            sim_fault("%s can't take its own views back: %s", projector->base.name, err.text);
        dk_log_reader_close(projector->reader);
        DK_CHECK(dk_log_reader_open(&projector->reader, sim->uri, (uint64_t)from, &err) == DK_OK);
    }
    if (projector->live == NULL)
        projector->live = dk_live_create(&hooks);
    projector->base.alive = true;
    projector->caught_up = false;
    projector->ordered = 0;
    projector->tail_is_due = true;
    sim_after(sim_between(1000, 100000), tail, projector, 0, &projector->base.life);
}

static void die(struct projector *projector)
{
    projector->base.alive = projector->caught_up = false;
    projector->base.life++;
    projector->tail_is_due = false;
    sim_calls_drop(&projector->waiting);
    dk_live_destroy(projector->live);
    projector->live = NULL;
    dk_log_reader_close(projector->reader);
    projector->reader = NULL;
}

void sim_projector_kill(struct projector *projector)
{
    if (!projector->base.alive)
        return;
    sim_say("%s: killed", projector->base.name);
    die(projector);
    sim_after(sim_between(SECOND / 5, sim->is_safe ? 20 * SECOND : SECOND), restart, projector, 0,
              NULL);
}

struct projector *sim_projector_create(int host, uint32_t number)
{
    struct projector *projector = calloc(1, sizeof(*projector));

    DK_CHECK(projector != NULL);
    (void)snprintf(projector->base.name, sizeof(projector->base.name), "projector%u", number);
    projector->base.host = host;
    projector->base.take = take;
    sim_calls_init(&projector->waiting);
    dk_arena_init(&projector->arena, &dk_heap);
    dk_buf_init(&projector->saved, &dk_heap, (size_t)1 << 28);
    sim_after(sim_between(0, SECOND), restart, projector, 0, NULL);
    return projector;
}

void sim_projector_destroy(struct projector *projector)
{
    if (projector == NULL)
        return;
    die(projector);
    dk_arena_release(&projector->arena);
    dk_buf_release(&projector->saved);
    free(projector);
}

struct process *sim_projector_process(struct projector *projector)
{
    return &projector->base;
}

/* --- at the end --- */

static struct dk_live *fold_anew(struct projector *projector, int64_t limit)
{
    struct dk_live *live = dk_live_create(NULL);
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_err err;

    DK_CHECK(dk_log_reader_open(&reader, sim->uri, 1, &err) == DK_OK);
    while (dk_live_seq(live) < limit && dk_log_reader_next(reader, &batch, &err) == DK_OK)
        apply(live, &batch, &projector->arena);
    dk_log_reader_close(reader);
    return live;
}

/* As they are by way of bytes: asking a copy changes nothing. */
static struct dk_live *copy_of(const struct projector *projector)
{
    struct dk_live *live = NULL;
    struct dk_buf bytes;
    struct dk_err err;

    dk_buf_init(&bytes, &dk_heap, (size_t)1 << 28);
    dk_live_write(projector->live, &bytes);
    if (dk_live_restore(&live, NULL, bytes.data, bytes.size, &err) != DK_OK)
        sim_fault("%s can't take its own views back: %s", projector->base.name, err.text);
    dk_buf_release(&bytes);
    return live;
}

static void say_views(const struct projector *projector, const struct dk_buf *kept,
                      const struct dk_buf *anew)
{
    size_t at = 0;

    while (at < kept->size && at < anew->size && kept->data[at] == anew->data[at])
        at++;
    sim_say("kept: %.*s", (int)kept->size, (const char *)kept->data);
    sim_say("anew: %.*s", (int)anew->size, (const char *)anew->data);
    sim_fault("the views that %s kept to seq %lld are not those that the log makes, from byte %zu",
              projector->base.name, (long long)dk_live_seq(projector->live), at);
}

void sim_projector_check(struct projector *projector)
{
    struct dk_live *kept, *anew;
    struct dk_buf left, right;

    if (!projector->caught_up)
        return;
    kept = copy_of(projector);
    anew = fold_anew(projector, dk_live_seq(projector->live));
    dk_buf_init(&left, &dk_heap, (size_t)1 << 28);
    dk_buf_init(&right, &dk_heap, (size_t)1 << 28);
    if (kept != NULL) {
        views_print(kept, &left);
        views_print(anew, &right);
    }
    if (dk_live_seq(anew) != dk_live_seq(projector->live))
        sim_fault("%s is at seq %lld, the log at %lld", projector->base.name,
                  (long long)dk_live_seq(projector->live), (long long)dk_live_seq(anew));
    else if (left.size != right.size || memcmp(left.data, right.data, left.size) != 0)
        say_views(projector, &left, &right);
    dk_buf_release(&left);
    dk_buf_release(&right);
    dk_live_destroy(kept);
    dk_live_destroy(anew);
}

bool sim_projector_is_at_end(struct projector *projector)
{
    return projector->caught_up && (uint64_t)dk_live_seq(projector->live) == audit_event_count();
}
