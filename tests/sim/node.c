/* node.c - what the threads of an agent do, a step at a time (node.h) */
#include "node.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_WAIT (30 * SECOND)
#define POLL_CALL (60 * SECOND)
#define REPORT_CALL (30 * SECOND)
#define PAUSE_LEAST 20000
#define PAUSE_MOST (2 * SECOND)

/* --- the agent's loop --- */

static void alarm_rings(void *subject, int64_t number)
{
    struct node *node = subject;

    if (number != node->alarm || node->agent == NULL)
        return;
    sim_enter(&node->base);
    node_after_event(node);
}

void node_after_event(struct node *node)
{
    int64_t due;

    dk_duty_each(node->agent, dk_duty_keep_time);
    dk_agent_start_accepted(node->agent);
    due = dk_agent_due(node->agent);
    node->alarm++;
    if (due != INT64_MAX)
        sim_after(due > sim->now ? due - sim->now : 1000, alarm_rings, node, node->alarm,
                  &node->base.life);
}

/* --- orders: as nodes/inbox.c asks --- */

static void poll_orders(void *subject, int64_t number);

static void poll_failed(struct node *node)
{
    node->after = 0;
    node->projector++;
    sim_after(node->pause, poll_orders, node, 0, &node->base.life);
    node->pause = node->pause * 2 > PAUSE_MOST ? PAUSE_MOST : node->pause * 2;
}

static void obey(struct node *node, const struct call *call)
{
    struct dk_delivery *delivery = calloc(1, sizeof(*delivery));
    struct dk_err err;

    DK_CHECK(delivery != NULL);
    dk_arena_init(&delivery->arena, &dk_heap);
    dk_buf_init(&delivery->body, &dk_heap, (size_t)1 << 26);
    DK_CHECK(dk_buf_add(&delivery->body, call->answer.data, call->answer.size));
    if (dk_delivery_parse(delivery, &err) != DK_OK)
        sim_fault("%s can't read its orders: %s", node->base.name, err.text);
    delivery->seq = call->seq;
    delivery->complete = node->after == 0;
    node->after = call->seq;
    if (delivery->count > 0 || delivery->complete) {
        sim_say("%s: %u orders up to seq %lld%s", node->base.name, delivery->count,
                (long long)delivery->seq, delivery->complete ? ", which is all" : "");
        dk_agent_obey(node->agent, delivery);
        node_after_event(node);
    }
    dk_delivery_destroy(delivery);
}

static void take_orders(struct process *process, struct call *call)
{
    struct node *node = (struct node *)process;

    if (call->status != 200 || call->seq <= 0) {
        poll_failed(node);
        return;
    }
    node->pause = PAUSE_LEAST;
    obey(node, call);
    poll_orders(node, 0);
}

static void poll_orders(void *subject, int64_t number)
{
    struct node *node = subject;
    struct process *projector =
        sim_projector_process(sim->projectors[node->projector % sim->projector_count]);
    struct call *call =
        sim_call(&node->base, projector, (struct dk_bytes){ NULL, 0 }, POLL_CALL, take_orders);

    (void)number;
    call->after = node->after;
    call->until = node->after == 0 ? 0 : sim->now + POLL_WAIT;
}

/* --- reports: as nodes/outbox.c calls --- */

static void report_alarm(void *subject, int64_t number)
{
    struct node *node = subject;

    if (number == node->report_alarm)
        node_say_report(node);
}

static void report_in(struct node *node, int64_t delay)
{
    sim_after(delay, report_alarm, node, ++node->report_alarm, &node->base.life);
}

static void take_news(struct node *node)
{
    struct dk_outbox_news news;

    while (dk_reports_take(node->reports, &news))
        dk_agent_answered(node->agent, &news);
    node_after_event(node);
}

static void take_answer(struct process *process, struct call *call)
{
    struct node *node = (struct node *)process;
    bool complain;

    node->is_calling = false;
    if (call->status == 200) {
        (void)dk_reports_answered(node->reports, sim->now, (const char *)call->answer.data,
                                  call->answer.size);
        report_in(node, 0);
    } else {
        node->controller++;
        report_in(node, dk_reports_failed(node->reports, sim->now, call->status == 0, &complain));
    }
    take_news(node);
}

void node_say_report(struct node *node)
{
    struct controller *controller = sim->controllers[node->controller % sim->controller_count];
    struct dk_bytes key;
    uint8_t bytes[16];
    int64_t until;

    if (node->is_calling)
        return;
    key = (struct dk_bytes){ bytes, sizeof(bytes) };
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)sim_below(256);
    if (!dk_reports_next(node->reports, sim->now, key, &node->body, &until)) {
        report_in(node, until - sim->now);
        return;
    }
    node->is_calling = true;
    (void)sim_call(&node->base, sim_controller_process(controller),
                   (struct dk_bytes){ node->body.data, (uint32_t)node->body.size }, REPORT_CALL,
                   take_answer);
}

/* --- life and death --- */

static void agent_start(void *subject, int64_t number)
{
    (void)number;
    sim_agent_start(subject);
}

void sim_agent_start(struct node *node)
{
    struct dk_agent *agent;
    struct dk_err err;

    if (node->base.alive)
        return;
    agent = calloc(1, sizeof(*agent));
    DK_CHECK(agent != NULL);
    sim_enter(&node->base);
    node->base.alive = true;
    node->agents++;
    node->agent = agent;
    agent->options = &node->options;
    agent->is_root = true;
    agent->kill_wait_us = 30 * SECOND;
    agent->launcher_made = ++node->launchers;
    (void)snprintf(agent->cluster, sizeof(agent->cluster), "docket");
    (void)snprintf(agent->boot, sizeof(agent->boot), "boot-%s-%u", node->base.name, node->boots);
    dk_arena_init(&agent->arena, &dk_heap);
    node->outbox.node = node;
    agent->outbox = &node->outbox;
    node->spec.boot = dk_text_of(agent->boot);
    node->reports = dk_reports_create(&node->spec, sim->now);
    node->is_calling = false;
    node->after = 0;
    node->pause = PAUSE_LEAST;
    sim_say("%s: agent starts, boot %u", node->base.name, node->boots);
    if (dk_agent_recover(agent, &err) != DK_OK)
        sim_fault("%s can't recover: %s", node->base.name, err.text);
    node_after_event(node);
    report_in(node, sim_between(100, 5000));
    sim_after(sim_between(100, 5000), poll_orders, node, 0, &node->base.life);
}

static void end_agent(struct node *node)
{
    if (!node->base.alive)
        return;
    node->base.alive = false;
    node->base.life++;
    dk_duty_each(node->agent, dk_duty_remove);
    dk_ledger_close(node->agent->ledger);
    dk_arena_release(&node->agent->arena);
    free(node->agent);
    node->agent = NULL;
    dk_reports_destroy(node->reports);
    node->reports = NULL;
}

static void start_later(struct node *node, int64_t most)
{
    sim_after(sim_between(SECOND / 5, sim->is_safe ? most : SECOND), agent_start, node, 0, NULL);
}

void sim_agent_kill(struct node *node)
{
    if (!node->base.alive)
        return;
    sim_say("%s: agent killed", node->base.name);
    end_agent(node);
    if (sim_chance(RATE_wipe, 100)) {
        sim_say("%s: its folder is wiped", node->base.name);
        machine_wipe(node);
    }
    start_later(node, 90 * SECOND);
}

void sim_node_reboot(struct node *node)
{
    sim_say("%s: loses power", node->base.name);
    end_agent(node);
    node->boots++;
    machine_lose_power(node);
    start_later(node, 120 * SECOND);
}

void sim_keeper_kill(struct node *node)
{
    struct keeper *keeper = machine_keeper_any(node, sim_below(1000));

    if (keeper == NULL)
        return;
    sim_say("%s: the keeper of job %lld.%d is killed", node->base.name,
            (long long)keeper->process.job, keeper->process.attempt);
    machine_keeper_die(keeper);
}

void sim_launcher_kill(struct node *node)
{
    if (!node->base.alive)
        return;
    sim_say("%s: docketd-task is killed", node->base.name);
    sim_enter(&node->base);
    machine_launcher_die(node);
    node->agent->launcher_made = ++node->launchers;
    dk_duty_each(node->agent, dk_duty_send_again);
    node_after_event(node);
}

struct node *sim_node_create(int host, uint32_t number)
{
    struct node *node = calloc(1, sizeof(*node));

    DK_CHECK(node != NULL);
    (void)snprintf(node->base.name, sizeof(node->base.name), "n%u", number);
    node->base.host = host;
    node->base.is_node = true;
    node->base.uid = OPERATOR_UID;
    node->number = number;
    node->boots = 1;
    node->controller = (uint32_t)sim_below(CONTROLLERS_MAX);
    node->projector = (uint32_t)sim_below(PROJECTORS_MAX);
    node->options.name = node->base.name;
    node->options.place = &node->place;
    node->spec.name = dk_text_of(node->base.name);
    node->spec.cores = 1 + (int32_t)sim_below(8);
    node->spec.memory_mib = (int64_t)(1 + sim_below(4)) * 1024;
    node->spec.gpus = (int32_t)sim_below(4) > 1 ? 2 : 0;
    node->features[0] = dk_text_of("fast");
    node->spec.features = node->features;
    node->spec.features_count = (uint32_t)sim_below(2);
    dk_buf_init(&node->body, &dk_heap, (size_t)1 << 24);
    start_later(node, 10 * SECOND);
    return node;
}

void sim_node_destroy(struct node *node)
{
    if (node == NULL)
        return;
    end_agent(node);
    machine_release(node);
    dk_buf_release(&node->body);
    free(node);
}

bool sim_agent_alive(const struct node *node)
{
    return node->base.alive;
}

const char *sim_node_name(const struct node *node)
{
    return node->base.name;
}

struct process *sim_node_process(struct node *node)
{
    return &node->base;
}

static void say_duty(struct dk_agent *agent, struct dk_duty *duty)
{
    sim_fault("%s: the agent still knows of job %lld.%d, which has ended; its state is %d",
              agent->options->name, (long long)duty->job, duty->attempt, (int)duty->state);
}

/* When all has settled. */
void sim_node_check(const struct node *node)
{
    if (!node->base.alive)
        sim_fault("%s has no agent", node->base.name);
    else if (machine_alive(node) > 0)
        sim_fault("%s: %u processes are left of jobs that have ended", node->base.name,
                  machine_alive(node));
    else if (node->agent->duty_count > 0)
        dk_duty_each(node->agent, say_duty);
}
