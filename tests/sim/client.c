/* client.c - people: one request at a time, with a key, asked again until it is answered (sim.h) */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE (20 * SECOND)

struct client {
    struct process base;
    uint32_t number, keys;
    uint32_t left;  /* requests to come */
    int64_t thinks; /* at most so long between two */
    bool is_busy, is_calling;
    struct dk_buf body;
    uint32_t controller;
    int64_t last_job;     /* the newest that it was told of */
    int64_t tidy, cancel; /* the next job to lift the hold of, to cancel; 0: not begun */
    uint32_t resume;      /* the next node to resume */
    bool has_configured;
};

static void next_request(void *subject, int64_t number);
static void ask(struct client *client);

/* --- asking --- */

static void think(struct client *client, int64_t delay)
{
    sim_after(delay, next_request, client, 0, &client->base.life);
}

static int64_t job_in(struct dk_bytes answer)
{
    static const char name[] = "\"job\":";

    for (uint32_t i = 0; i + sizeof(name) < answer.size; i++)
        if (memcmp(answer.data + i, name, sizeof(name) - 1) == 0)
            return strtoll((const char *)answer.data + i + sizeof(name) - 1, NULL, 10);
    return 0;
}

static void ask_again(void *subject, int64_t number)
{
    (void)number;
    ask(subject);
}

static void take_answer(struct process *process, struct call *call)
{
    struct client *client = (struct client *)process;
    int64_t job;

    client->is_calling = false;
    if (call->status != 200) { /* nobody knows what came of it: the same again, elsewhere */
        client->controller++;
        sim_after(sim_between(SECOND / 20, 2 * SECOND), ask_again, client, 0, &client->base.life);
        return;
    }
    job = job_in(call->answer);
    if (job > 0)
        client->last_job = job;
    client->is_busy = false;
    think(client, client->cancel > 0 || client->tidy > 0
                      ? sim_between(100, SECOND / 50)
                      : sim_between(SECOND / 100, client->thinks));
}

static void ask(struct client *client)
{
    struct controller *controller = sim->controllers[client->controller % sim->controller_count];

    client->is_calling = true;
    (void)sim_call(&client->base, sim_controller_process(controller),
                   (struct dk_bytes){ client->body.data, (uint32_t)client->body.size }, PATIENCE,
                   take_answer);
}

static void send(struct client *client, struct dk_request *request)
{
    uint8_t key[16] = { 0 };
    size_t size;

    client->keys++;
    (void)snprintf((char *)key, sizeof(key), "%u.%u", client->number, client->keys);
    request->meta.key = (struct dk_bytes){ key, sizeof(key) };
    dk_buf_clear(&client->body);
    DK_CHECK(dk_buf_add(&client->body, "\0\0\0\0", 4));
    DK_CHECK(dk_request_encode(request, &client->body, NULL) == DK_OK);
    size = client->body.size - 4;
    for (int i = 0; i < 4; i++)
        client->body.data[i] = (uint8_t)(size >> (8 * i));
    client->is_busy = true;
    sim_say("%s: %s", client->base.name, dk_request_name(request->type));
    ask(client);
}

/* --- what they want --- */

static int64_t some_job(const struct client *client)
{
    int64_t last = audit_job_last();

    if (client->last_job > 0 && sim_below(2) == 0)
        return client->last_job;
    return last > 0 ? 1 + (int64_t)sim_below((uint64_t)last) : 1;
}

static void want_resources(struct dk_job_spec *spec)
{
    spec->tasks = 1 + (int32_t)sim_below(4);
    spec->cpus_per_task = sim_below(3) == 0 ? 2 : 1;
    if (sim_below(6) == 0)
        spec->nodes = 1 + (int32_t)sim_below(3);
    if (sim_below(3) == 0)
        spec->memory_mib_per_node = (int64_t)(1 + sim_below(3)) * 512;
    if (sim_below(6) == 0)
        spec->gpus_per_node = 1;
    spec->exclusive = sim_below(20) == 0;
    if (sim_below(12) == 0)
        spec->constraint = dk_text_of("fast");
}

static void submit(struct client *client)
{
    struct dk_request request = { .type = DK_REQUEST_SUBMIT_JOB };
    struct dk_job_spec *spec = &request.submit_job.spec;
    struct dk_dependency dependency = { 0 };
    struct dk_index_range range = { .first = 0, .last = (int32_t)sim_below(6), .step = 1 };

    spec->name = dk_text_of("job");
    want_resources(spec);
    spec->limit_us = sim_between(1, 60) * SECOND;
    spec->requeue = sim_below(2) == 0;
    spec->hold = sim_below(16) == 0;
    if (sim_below(12) == 0)
        spec->begin = sim->now + sim_between(0, 5 * MINUTE);
    if (sim_below(8) == 0 && client->last_job > 0) {
        dependency.kind = (enum dk_dependency_kind)sim_below(4);
        dependency.job = client->last_job;
        spec->dependencies = &dependency;
        spec->dependencies_count = 1;
        spec->kill_on_invalid_dependency = sim_below(2) == 0;
    }
    if (sim_below(10) == 0) {
        spec->has_array = true;
        spec->array.ranges = &range;
        spec->array.ranges_count = 1;
        spec->array.running_max = (int32_t)sim_below(3);
    }
    spec->has_launch = sim_below(60) != 0; /* else it has nothing to start */
    if (spec->has_launch && sim_below(8) == 0) {
        spec->launch.signal = 10;
        spec->launch.signal_batch = true;
        spec->launch.signal_before_us = sim_between(1, 20) * SECOND;
    }
    send(client, &request);
}

static void change(struct client *client)
{
    struct dk_request request = { .type = DK_REQUEST_UPDATE_JOB };
    struct dk_job_change *what = &request.update_job.change;

    request.update_job.job = some_job(client);
    what->has_limit_us = sim_below(2) == 0;
    what->limit_us = sim_between(1, 90) * SECOND;
    what->has_nice = !what->has_limit_us;
    what->nice = (int32_t)sim_below(100);
    send(client, &request);
}

static void about_job(struct client *client, enum dk_request_type type)
{
    struct dk_request request = { .type = type };
    int64_t job = some_job(client);

    if (type == DK_REQUEST_CANCEL_JOB) {
        request.cancel_job.job = job;
    } else if (type == DK_REQUEST_HOLD_JOB) {
        request.hold_job.job = job;
    } else if (type == DK_REQUEST_RELEASE_JOB) {
        request.release_job.job = job;
    } else if (type == DK_REQUEST_REQUEUE_JOB) {
        request.requeue_job.job = job;
        request.requeue_job.hold = sim_below(4) == 0;
    } else {
        request.signal_job.job = job;
        request.signal_job.signal = 1 + (int32_t)sim_below(31);
        request.signal_job.target = (enum dk_signal_target)sim_below(3);
    }
    send(client, &request);
}

static void set_node(struct client *client, uint32_t node, enum dk_node_condition condition)
{
    struct dk_request request = { .type = DK_REQUEST_SET_NODE_CONDITION };

    request.set_node_condition.node = dk_text_of(sim_node_name(sim->nodes[node]));
    request.set_node_condition.condition = condition;
    request.set_node_condition.reason = dk_text_of("a look inside");
    send(client, &request);
}

/* The operator's first wish, and now and then another one. */
static void configure(struct client *client)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };
    struct dk_cluster_config *config = &request.apply_configuration.config;
    struct dk_partition_spec partition = { .name = dk_text_of("main"),
                                           .all_nodes = true,
                                           .is_default = true,
                                           .state = DK_PARTITION_STATE_UP };

    config->cluster = dk_text_of("docket");
    config->partitions = &partition;
    config->partitions_count = 1;
    config->policy = (struct dk_policy_spec){ .policy = DK_POLICY_FCFS, .enforce_limits = true };
    config->policy.backfill = (enum dk_backfill)sim_below(3);
    config->policy.beat_timeout_us = sim_between(15, 60) * SECOND;
    config->kill_wait_us = sim_between(1, 10) * SECOND;
    config->ended_visible_us = MINUTE;
    config->beat_us = sim_between(4, 10) * SECOND;
    if (sim_below(3) == 0)
        config->epilog = dk_text_of("/bin/epilog");
    if (sim_below(4) == 0)
        config->prolog = dk_text_of("/bin/prolog");
    request.apply_configuration.note = dk_text_of("as we like it");
    client->has_configured = true;
    send(client, &request);
}

static void operate(struct client *client)
{
    uint32_t node = (uint32_t)sim_below(sim->node_count);
    uint64_t what = sim_below(10);

    if (what < 3)
        set_node(client, node, DK_NODE_CONDITION_DRAINED);
    else if (what < 8)
        set_node(client, node, DK_NODE_CONDITION_UP);
    else if (what < 9)
        set_node(client, node, DK_NODE_CONDITION_DOWN);
    else
        configure(client);
}

static void wish(struct client *client)
{
    uint64_t what = sim_below(100);

    if (client->number == 0 && !client->has_configured)
        configure(client);
    else if (client->number == 0 && what < 8)
        operate(client);
    else if (what < 65)
        submit(client);
    else if (what < 75)
        about_job(client, DK_REQUEST_CANCEL_JOB);
    else if (what < 80)
        about_job(client, DK_REQUEST_HOLD_JOB);
    else if (what < 86)
        about_job(client, DK_REQUEST_RELEASE_JOB);
    else if (what < 91)
        about_job(client, DK_REQUEST_REQUEUE_JOB);
    else if (what < 95)
        about_job(client, DK_REQUEST_SIGNAL_JOB);
    else
        change(client);
}

/* --- the end: the operator's work --- */

static bool next_of(int64_t *job)
{
    while (*job <= audit_job_last() && audit_job_is_over(*job))
        (*job)++;
    return *job <= audit_job_last();
}

static bool tidy_on(struct client *client)
{
    struct dk_request request = { .type = DK_REQUEST_RELEASE_JOB };

    if (client->resume < sim->node_count) {
        set_node(client, client->resume++, DK_NODE_CONDITION_UP);
        return true;
    }
    if (!next_of(&client->tidy))
        return false;
    request.release_job.job = client->tidy++;
    send(client, &request);
    return true;
}

static bool cancel_on(struct client *client)
{
    struct dk_request request = { .type = DK_REQUEST_CANCEL_JOB };

    if (!next_of(&client->cancel))
        return false;
    request.cancel_job.job = client->cancel++;
    send(client, &request);
    return true;
}

static void next_request(void *subject, int64_t number)
{
    struct client *client = subject;

    (void)number;
    if (client->is_busy)
        return;
    if (client->cancel > 0) {
        (void)cancel_on(client);
    } else if (client->tidy > 0) {
        (void)tidy_on(client);
    } else if (sim->is_safe && client->left > 0) {
        client->left--;
        wish(client);
    }
}

void sim_clients_tidy(void)
{
    sim->clients[0]->tidy = 1;
    think(sim->clients[0], 1000);
}

void sim_clients_cancel(void)
{
    sim->clients[0]->cancel = 1;
    think(sim->clients[0], 1000);
}

bool sim_clients_idle(void)
{
    for (uint32_t i = 0; i < sim->client_count; i++)
        if (sim->clients[i]->is_busy)
            return false;
    return true;
}

/* --- life --- */

struct client *sim_client_create(int host, uint32_t number)
{
    struct client *client = calloc(1, sizeof(*client));

    DK_CHECK(client != NULL);
    (void)snprintf(client->base.name, sizeof(client->base.name), "user%u", number);
    client->base.host = host;
    client->base.alive = true;
    client->base.uid = number == 0 ? OPERATOR_UID : 1000 + (int32_t)number;
    client->number = number;
    client->left = 20 + (uint32_t)sim_below(120);
    client->thinks = SECOND << sim_below(6);
    dk_buf_init(&client->body, &dk_heap, (size_t)1 << 20);
    think(client, sim_between(0, 5 * SECOND));
    return client;
}

void sim_client_destroy(struct client *client)
{
    if (client == NULL)
        return;
    dk_buf_release(&client->body);
    free(client);
}

struct process *sim_client_process(struct client *client)
{
    return &client->base;
}
