/* net.c - calls and answers between hosts: lost, late, cut, in any order (sim.h)
 *
 * What is lost breaks the connection in the real thing: here the caller hears nothing and gives up
 * when its time is over, or is told at once that nobody is there. A request that is late may be
 * taken after its caller has asked anew, as one that lay in a socket is. */
#include "sim.h"

#include <string.h>

void sim_net_begin(void)
{
    sim->hush_until = 0;
}

bool sim_link_up(int from, int to)
{
    if (from == to)
        return true;
    return sim->now >= sim->hush_until && sim->now >= sim->cut_until[from][to];
}

static int64_t latency(int from, int to)
{
    int64_t delay = from == to ? sim_between(20, 200) : sim_between(100, 2000);

    if (from != to && sim_below(20) == 0)
        delay += sim_between(1000, 50000);
    if (from != to && sim_chance(RATE_late, 1000000))
        delay += sim_between(SECOND, 120 * SECOND);
    return delay;
}

static bool is_lost(int from, int to)
{
    sim->sum.calls++;
    if (sim_link_up(from, to) && (from == to || !sim_chance(RATE_drop, 1000000)))
        return false;
    sim->sum.lost++;
    return true;
}

void sim_calls_init(struct calls *calls)
{
    calls->first = NULL;
    calls->last = &calls->first;
}

void sim_calls_add(struct calls *calls, struct call *call)
{
    call->next = NULL;
    *calls->last = call;
    calls->last = &call->next;
}

void sim_calls_drop(struct calls *calls)
{
    struct call *call = calls->first;

    sim_calls_init(calls);
    for (struct call *next; call != NULL; call = next) {
        next = call->next;
        if (call->results.data != NULL)
            dk_buf_release(&call->results);
        sim_answer(call, 0, 0, (struct dk_bytes){ NULL, 0 });
    }
}

static void settle(struct call *call)
{
    if (call->done || !call->caller->alive || call->caller->life != call->caller_life)
        return;
    call->done = true;
    sim_enter(call->caller);
    call->on_answer(call->caller, call);
}

static void deliver_answer(void *subject, int64_t number)
{
    (void)number;
    settle(subject);
}

static void give_up(void *subject, int64_t number)
{
    struct call *call = subject;

    (void)number;
    if (call->done)
        return;
    call->status = 0;
    call->answered = true; /* what comes later is not listened to */
    settle(call);
}

void sim_answer(struct call *call, int status, int64_t seq, struct dk_bytes body)
{
    if (call->answered || is_lost(call->server->host, call->caller->host))
        return;
    call->answered = true;
    call->status = status;
    call->seq = seq;
    if (body.size > 0) {
        uint8_t *copy = sim_take(body.size);

        memcpy(copy, body.data, body.size);
        call->answer = (struct dk_bytes){ copy, body.size };
    }
    sim_after(latency(call->server->host, call->caller->host), deliver_answer, call, 0, NULL);
}

static void deliver_call(void *subject, int64_t number)
{
    struct call *call = subject;

    (void)number;
    if (!call->server->alive) {
        sim_answer(call, 0, 0, (struct dk_bytes){ NULL, 0 });
        return;
    }
    call->server_life = call->server->life;
    sim_enter(call->server);
    call->server->take(call->server, call);
}

/* A copy of it that nobody waits for. */
static struct call *echo_of(const struct call *call)
{
    struct call *echo = sim_take(sizeof(*echo));

    *echo = *call;
    echo->next = NULL;
    echo->done = true;
    return echo;
}

struct call *sim_call(struct process *caller, struct process *server, struct dk_bytes body,
                      int64_t timeout, void (*on_answer)(struct process *, struct call *))
{
    struct call *call = sim_take(sizeof(*call));
    uint8_t *copy = sim_take(body.size + (size_t)1);

    if (body.size > 0)
        memcpy(copy, body.data, body.size);
    call->caller = caller;
    call->caller_life = caller->life;
    call->server = server;
    call->on_answer = on_answer;
    call->body = (struct dk_bytes){ copy, body.size };
    if (!is_lost(caller->host, server->host))
        sim_after(latency(caller->host, server->host), deliver_call, call, 0, NULL);
    if (server->take != NULL && sim_chance(RATE_twice, 1000000) && call->body.size > 0)
        sim_after(latency(caller->host, server->host), deliver_call, echo_of(call), 0, NULL);
    sim_after(timeout, give_up, call, 0, &caller->life);
    return call;
}
