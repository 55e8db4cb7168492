/* controller.c - controllers: the real leader and follower, a step at a time (sim.h)
 *
 * What the daemon's loop does with sockets is done with messages here. Between admitting and
 * committing a batch time passes, and anything may happen: a death, a long standstill. On the file
 * log who gets the lock leads; on the shared one whom the group has given the lead: to the member
 * that has been heard within three seconds. A leader learns that it lost it when it says next that
 * it lives, or by being fenced. */
#include "sim.h"

#include "controller/outcome.h"
#include "log/snapshots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSION (3 * SECOND)
#define BEAT (SECOND / 2)

enum { CALLS_MAX = 64 }; /* in a batch */

struct controller {
    struct process base;
    uint32_t number;
    struct sim_writer *writer;
    struct dk_log *log;
    struct dk_follower *follower;
    struct dk_leader *leader;
    struct calls inbox, open; /* that wait; that are in the open batch */
    bool is_open;
    int64_t wake;  /* the number of the newest alarm: older ones are void */
    int64_t heard; /* by the group */
    struct dk_arena arena;
};

static int64_t group_lead = -1; /* on the shared log: the number of who has the lead */

static const char detail_full[] = "{\"reason\":\"FULL\"}", detail_busy[] = "{\"reason\":\"BUSY\"}";

/* --- clocks: the leader's is the system's, which is the host's here --- */

static int64_t real_now(void)
{
    return sim->now + (sim->current != NULL ? sim->current->skew : 0);
}

static int64_t monotonic_now(void)
{
    return sim->now;
}

static const struct dk_clock sim_clock = { .real = real_now, .monotonic = monotonic_now };

/* --- answers --- */

static void refuse(struct call *call, int status, const char *why)
{
    if (call->results.data != NULL)
        dk_buf_release(&call->results);
    sim->sum.refused++;
    sim_answer(call, status, 0, (struct dk_bytes){ (const uint8_t *)why, (uint32_t)strlen(why) });
}

static void refuse_all(struct calls *calls, int status, const char *why)
{
    struct call *call = calls->first;

    sim_calls_init(calls);
    for (struct call *next; call != NULL; call = next) {
        next = call->next;
        refuse(call, status, why);
    }
}

static void answer(struct controller *controller, struct call *call)
{
    int64_t seq = dk_leader_seq(controller->leader);
    struct dk_buf body;
    char head[64];
    struct dk_request request;
    size_t at = 0;

    dk_buf_init(&body, &dk_heap, (size_t)1 << 24);
    (void)snprintf(head, sizeof(head), "{\"seq\":%lld,\"results\":[", (long long)seq);
    DK_CHECK(dk_buf_add_text(&body, head));
    DK_CHECK(dk_buf_add(&body, call->results.data, call->results.size));
    DK_CHECK(dk_buf_add_text(&body, "]}\n"));
    dk_buf_release(&call->results);
    for (uint32_t index = 0; at + 4 <= call->body.size; index++) {
        const uint8_t *size = call->body.data + at;
        uint32_t bytes = size[0] | (uint32_t)size[1] << 8 | (uint32_t)size[2] << 16;

        DK_CHECK(dk_request_decode(size + 4, bytes, &controller->arena, &request, NULL) == DK_OK);
        audit_answered(call->caller->uid, &request, seq,
                       (struct dk_bytes){ body.data, (uint32_t)body.size }, index);
        at += 4 + (size_t)bytes;
    }
    sim_answer(call, 200, seq, (struct dk_bytes){ body.data, (uint32_t)body.size });
    dk_buf_release(&body);
}

static void answer_open(struct controller *controller)
{
    struct call *call = controller->open.first;

    sim_calls_init(&controller->open);
    for (struct call *next; call != NULL; call = next) {
        next = call->next;
        answer(controller, call);
    }
}

/* --- a batch --- */

static void admit_one(struct controller *controller, struct call *call,
                      const struct dk_request *request)
{
    struct dk_asker asker = { .has_actor = true,
                              .is_operator = call->caller->uid == OPERATOR_UID,
                              .is_node = call->caller->is_node,
                              .actor = { .uid = call->caller->uid,
                                         .gid = call->caller->uid,
                                         .user = dk_text_of(call->caller->name),
                                         .host = dk_text_of(call->caller->name) } };
    const struct dk_event *outcome = NULL;
    int64_t first = 0;

    dk_leader_admit(controller->leader, &asker, 0, request, &outcome);
    if (outcome != NULL && outcome->type == DK_EVENT_REQUEST_REJECTED &&
        outcome->request_rejected.reason == DK_REJECT_REASON_DUPLICATE)
        first = dk_core_duplicate(dk_leader_core(controller->leader), call->caller->uid,
                                  request->meta.key);
    dk_outcome_add(&call->results, outcome, first);
}

static void admit(struct controller *controller, struct call *call)
{
    size_t at = 0;

    dk_buf_init(&call->results, &dk_heap, (size_t)1 << 22);
    while (at + 4 <= call->body.size) {
        const uint8_t *size = call->body.data + at;
        uint32_t bytes = size[0] | (uint32_t)size[1] << 8 | (uint32_t)size[2] << 16;
        struct dk_request *request = dk_arena_take(&controller->arena, sizeof(*request));

        DK_CHECK(dk_request_decode(size + 4, bytes, &controller->arena, request, NULL) == DK_OK);
        admit_one(controller, call, request);
        at += 4 + (size_t)bytes;
    }
    sim_calls_add(&controller->open, call);
}

static void turn(void *subject, int64_t number);

static void wake_in(struct controller *controller, int64_t delay)
{
    sim_after(delay, turn, controller, ++controller->wake, &controller->base.life);
}

/* As the daemon sleeps: until the leader has something to do. */
static void rest(struct controller *controller)
{
    int64_t due = dk_leader_due(controller->leader), now = dk_leader_now(controller->leader);

    if (controller->inbox.first != NULL)
        due = now;
    if (due == INT64_MAX)
        controller->wake++;
    else
        wake_in(controller, due <= now ? 0 : due - now > HOUR ? HOUR : due - now);
}

/* The process ends, and its supervisor starts it again. */
static void restart_later(struct controller *controller);

static void drop_leader(struct controller *controller)
{
    sim_enter(&controller->base);
    dk_leader_destroy(controller->leader);
    controller->leader = NULL;
    (void)dk_log_close(controller->log, NULL);
    controller->log = NULL;
    dk_follower_close(controller->follower);
    controller->follower = NULL;
    controller->is_open = false;
    refuse_all(&controller->open, 503, detail_busy);
    refuse_all(&controller->inbox, 503, detail_busy);
    if (controller->arena.chunks != NULL)
        dk_arena_reset(&controller->arena);
}

static void save_snapshot(struct controller *controller)
{
    struct dk_buf bytes;

    dk_buf_init(&bytes, &dk_heap, (size_t)1 << 28);
    dk_core_snapshot(dk_leader_core(controller->leader), &bytes);
    (void)dk_snapshots_save(sim->log_dir, (uint64_t)dk_leader_seq(controller->leader), bytes.data,
                            bytes.size, DK_FOLLOWER_SNAPSHOTS_KEPT, NULL);
    dk_buf_release(&bytes);
}

/* What the leader does with a batch that is durable, or is not. */
static void finish(struct controller *controller, enum dk_status status, const struct dk_err *err)
{
    controller->is_open = false;
    sim_published();
    if (controller->writer != NULL && controller->writer->dead) {
        sim_controller_kill(controller);
        return;
    }
    if (status == DK_FULL) {
        sim_say("%s: the disk is full", controller->base.name);
        dk_leader_pause(controller->leader);
        refuse_all(&controller->open, 507, detail_full);
        refuse_all(&controller->inbox, 507, detail_full);
        rest(controller);
        return;
    }
    if (status != DK_OK) {
        sim_say("%s: epoch %u ends: %s", controller->base.name, dk_log_epoch(controller->log),
                err->text);
        sim->sum.fenced += status == DK_FENCED;
        drop_leader(controller);
        if (!sim->is_shared)
            restart_later(controller);
        return;
    }
    sim->sum.batches++;
    audit_wrote(controller->base.name, dk_log_epoch(controller->log));
    answer_open(controller);
    if (controller->arena.chunks != NULL)
        dk_arena_reset(&controller->arena);
    if (!sim->is_shared && sim_chance(RATE_snapshot, 1000000))
        save_snapshot(controller);
    if (!sim->is_shared && sim_below(64) == 0)
        (void)dk_log_compact_step(controller->log, NULL);
    rest(controller);
}

static void commit(void *subject, int64_t number)
{
    struct controller *controller = subject;
    struct dk_err err = { 0 };
    enum dk_status status;

    if (sim->now < controller->base.paused_until) {
        sim_after(controller->base.paused_until - sim->now, commit, controller, number,
                  &controller->base.life);
        return;
    }
    if (controller->leader == NULL || !controller->is_open)
        return;
    sim_enter(&controller->base);
    status = dk_leader_commit(controller->leader, NULL, &err);
    finish(controller, status, &err);
}

static void open_batch(struct controller *controller)
{
    dk_leader_begin(controller->leader, controller->inbox.first != NULL);
    for (int i = 0; i < CALLS_MAX && controller->inbox.first != NULL; i++) {
        struct call *call = controller->inbox.first;

        controller->inbox.first = call->next;
        if (controller->inbox.first == NULL)
            controller->inbox.last = &controller->inbox.first;
        admit(controller, call);
    }
    controller->is_open = true;
    if (sim->rates[RATE_pause] > 0 && sim->is_safe && sim_below(300) == 0)
        sim_controller_pause(controller, sim->now + sim_between(1000, 20 * SECOND));
    sim_after(sim_between(100, 3000), commit, controller, 0, &controller->base.life);
}

static void turn(void *subject, int64_t number)
{
    struct controller *controller = subject;
    struct dk_err err = { 0 };

    if (number != controller->wake || controller->leader == NULL || controller->is_open)
        return;
    if (sim->now < controller->base.paused_until) {
        wake_in(controller, controller->base.paused_until - sim->now);
        return;
    }
    sim_enter(&controller->base);
    if (dk_leader_is_full(controller->leader)) {
        refuse_all(&controller->inbox, 507, detail_full);
        if (dk_leader_due(controller->leader) <= dk_leader_now(controller->leader))
            finish(controller, dk_leader_retry(controller->leader, &err), &err);
        else
            rest(controller);
    } else if (controller->inbox.first != NULL ||
               dk_leader_due(controller->leader) <= dk_leader_now(controller->leader)) {
        open_batch(controller);
    } else {
        rest(controller);
    }
}

static void take(struct process *process, struct call *call)
{
    struct controller *controller = (struct controller *)process;

    if (controller->leader == NULL) {
        refuse(call, 503, detail_busy);
        return;
    }
    sim_calls_add(&controller->inbox, call);
    if (!controller->is_open)
        wake_in(controller, 0);
}

/* --- taking over --- */

static enum dk_status follow(struct controller *controller, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (controller->follower == NULL)
        status = dk_follower_open(&controller->follower, sim->uri,
                                  sim->is_shared ? NULL : sim->log_dir, UINT64_MAX, err);
    if (status == DK_OK)
        status = dk_follower_advance(controller->follower, UINT64_MAX, INT64_MAX, err);
    return status == DK_AGAIN ? DK_OK : status;
}

static enum dk_status open_log(struct controller *controller, struct dk_err *err)
{
    struct dk_log_options options = { .segment_size = 16384 };

    if (!sim->is_shared) {
        controller->writer = sim_writer_make(&controller->base);
        options.io = controller->writer->io;
        options.segment_size <<= sim_below(4);
    }
    return dk_log_open(&controller->log, sim->uri, &options, err);
}

/* True: it leads now. */
static bool take_over(struct controller *controller)
{
    struct dk_leader_options options = { .clock = &sim_clock,
                                         .version = "sim",
                                         .host = controller->base.name };
    struct dk_err err = { 0 };
    enum dk_status status = open_log(controller, &err);

    if (status == DK_OK)
        status = follow(controller, &err);
    if (status == DK_OK) {
        options.log = controller->log;
        controller->leader = dk_leader_create(controller->follower, &options);
        dk_follower_close(controller->follower);
        controller->follower = NULL;
        status = dk_leader_start(controller->leader, NULL, &err);
    }
    sim_published();
    if (controller->writer != NULL && controller->writer->dead) {
        sim_controller_kill(controller);
        return true; /* nothing more to do with it */
    }
    if (controller->leader != NULL && (status == DK_OK || status == DK_FULL)) {
        sim_say("%s: leads, epoch %u, at seq %lld", controller->base.name,
                dk_log_epoch(controller->log), (long long)dk_leader_seq(controller->leader));
        sim->sum.takeovers++;
        if (status == DK_OK)
            audit_wrote(controller->base.name, dk_log_epoch(controller->log));
        else
            dk_leader_pause(controller->leader);
        rest(controller);
        return true;
    }
    if (status == DK_CORRUPT || status == DK_DIVERGED || status == DK_INVALID)
        sim_fault("%s can't take over: %s", controller->base.name, err.text);
    if (status != DK_BUSY)
        sim_say("%s: no take over: %s", controller->base.name, err.text);
    if (status == DK_BUSY)
        (void)follow(controller, &err); /* a standby: warm */
    else
        drop_leader(controller);
    return false;
}

/* The group: who was not heard for a session has the lead no more. */
static bool group_gives_lead(struct controller *controller)
{
    bool held = group_lead >= 0 && sim->now - sim->controllers[group_lead]->heard <= SESSION;

    if (!held)
        group_lead = controller->number;
    return group_lead == controller->number;
}

static void candidate(void *subject, int64_t number)
{
    struct controller *controller = subject;
    int64_t next = sim->is_shared ? BEAT : sim_between(SECOND / 10, SECOND);
    struct dk_err err;

    if (sim->now < controller->base.paused_until)
        next = controller->base.paused_until - sim->now;
    sim_after(next, candidate, controller, number, &controller->base.life);
    if (sim->now < controller->base.paused_until)
        return;
    sim_enter(&controller->base);
    if (!sim->is_shared) {
        if (controller->leader == NULL)
            (void)take_over(controller);
        return;
    }
    if (!sim_link_up(controller->base.host, sim->broker))
        return;
    controller->heard = sim->now;
    if (group_gives_lead(controller)) {
        if (controller->leader == NULL)
            (void)take_over(controller);
    } else if (controller->leader != NULL && !controller->is_open) {
        sim_say("%s: has lost the lead", controller->base.name);
        drop_leader(controller);
    } else if (controller->leader == NULL) {
        (void)follow(controller, &err);
    }
}

/* --- life and death --- */

struct controller *sim_controller_create(int host, uint32_t number)
{
    struct controller *controller = calloc(1, sizeof(*controller));

    DK_CHECK(controller != NULL);
    if (number == 0)
        group_lead = -1;
    (void)snprintf(controller->base.name, sizeof(controller->base.name), "controller%u", number);
    controller->base.host = host;
    controller->base.take = take;
    controller->number = number;
    controller->heard = -HOUR;
    sim_calls_init(&controller->inbox);
    sim_calls_init(&controller->open);
    dk_arena_init(&controller->arena, &dk_heap);
    sim_controller_start(controller);
    return controller;
}

struct process *sim_controller_process(struct controller *controller)
{
    return &controller->base;
}

bool sim_controller_is_busy(const struct controller *controller)
{
    return controller->is_open;
}

bool sim_controller_leads(const struct controller *controller)
{
    return controller->leader != NULL;
}

const struct dk_core *sim_controller_core(const struct controller *controller)
{
    return dk_leader_core(controller->leader);
}

void sim_controller_start(struct controller *controller)
{
    if (controller->base.alive)
        return;
    controller->base.alive = true;
    controller->base.paused_until = 0;
    sim_after(sim_between(1000, 200000), candidate, controller, 0, &controller->base.life);
}

static void start(void *subject, int64_t number)
{
    (void)number;
    sim_controller_start(subject);
}

/* Without a word to anybody, and without a byte more to the disk. */
static void die(struct controller *controller)
{
    if (!controller->base.alive)
        return;
    if (controller->writer != NULL)
        controller->writer->dead = true;
    controller->base.alive = false;
    controller->base.life++;
    sim_enter(&controller->base);
    dk_leader_destroy(controller->leader);
    controller->leader = NULL;
    (void)dk_log_close(controller->log, NULL);
    controller->log = NULL;
    dk_follower_close(controller->follower);
    controller->follower = NULL;
    controller->writer = NULL;
    controller->is_open = false;
    if (controller->arena.chunks != NULL)
        dk_arena_reset(&controller->arena);
    sim_calls_drop(&controller->open);
    sim_calls_drop(&controller->inbox);
}

static void restart_later(struct controller *controller)
{
    die(controller);
    sim_after(sim_between(SECOND / 5, sim->is_safe ? 20 * SECOND : 2 * SECOND), start, controller,
              0, NULL);
}

static void power_goes(void *subject, int64_t number)
{
    (void)subject;
    (void)number;
    if (sim->is_safe)
        sim_machine_power_loss();
}

void sim_controller_kill(struct controller *controller)
{
    if (!controller->base.alive)
        return;
    sim->sum.crashes++;
    if (!sim->is_shared && sim_chance(RATE_power, 100)) {
        if (sim_below(2) == 0) {
            sim_machine_power_loss();
            return;
        }
        sim_after(sim_between(1000, 3 * SECOND), power_goes, NULL, 0, NULL); /* others saw it die */
    }
    sim_say("%s: killed", controller->base.name);
    restart_later(controller);
}

/* Controllers and projectors of the file log are on the one machine that has it. */
void sim_machine_power_loss(void)
{
    sim_say("the machine with the log loses power");
    sim->sum.power_losses++;
    for (uint32_t i = 0; i < sim->controller_count; i++)
        restart_later(sim->controllers[i]);
    for (uint32_t i = 0; i < sim->projector_count; i++)
        sim_projector_kill(sim->projectors[i]);
    sim_disk_power_loss(sim->disk);
    audit_reread();
}

void sim_controller_stop(struct controller *controller)
{
    struct dk_err err = { 0 };

    if (!controller->base.alive || sim->now < controller->base.paused_until)
        return;
    sim_say("%s: stops in order", controller->base.name);
    sim_enter(&controller->base);
    if (controller->leader != NULL && !controller->is_open &&
        !dk_leader_is_full(controller->leader)) {
        if (dk_leader_stop(controller->leader, NULL, &err) == DK_OK && !sim->is_shared)
            save_snapshot(controller);
        sim_published();
    }
    if (controller->writer != NULL && controller->writer->dead) {
        sim_controller_kill(controller);
        return;
    }
    drop_leader(controller);
    restart_later(controller);
}

void sim_controller_pause(struct controller *controller, int64_t until)
{
    if (!controller->base.alive)
        return;
    sim_say("%s: stands still for %lld ms", controller->base.name,
            (long long)((until - sim->now) / 1000));
    controller->base.paused_until = until;
}

void sim_controller_destroy(struct controller *controller)
{
    if (controller == NULL)
        return;
    die(controller);
    dk_arena_release(&controller->arena);
    free(controller);
}
