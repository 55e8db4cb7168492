/* world.c - what is due, in order; the two phases (sim.h) */
#include "sim.h"

#include "net/journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world *sim;

/* --- chance, words --- */

uint64_t sim_below(uint64_t limit)
{
    return dk_prng_below(&sim->prng, limit);
}

int64_t sim_between(int64_t least, int64_t most)
{
    return least + (int64_t)sim_below((uint64_t)(most - least) + 1);
}

bool sim_chance(enum sim_rate rate, uint64_t of)
{
    if (!sim->is_safe || sim->rates[rate] == 0)
        return false;
    return sim_below(of) < sim->rates[rate];
}

void *sim_take(size_t size)
{
    void *memory = dk_arena_take(&sim->arena, size);

    memset(memory, 0, size);
    return memory;
}

void sim_mix(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < size; i++)
        sim->digest = (sim->digest ^ at[i]) * UINT64_C(0x100000001b3);
}

static void say(const char *format, va_list args) __attribute__((format(printf, 1, 0)));

static void say(const char *format, va_list args)
{
    printf("%12.6f  ", (double)(sim->now - SIM_EPOCH) / 1e6);
    (void)vprintf(format, args);
    (void)putchar('\n');
}

void sim_say(const char *format, ...)
{
    va_list args;

    if (!sim->options.trace)
        return;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

/* What the product says to people; not the simulator's own. */
void dk_journal(enum dk_journal_level level, const char *format, ...)
{
    va_list args;

    (void)level;
    if (sim == NULL || !sim->options.trace)
        return;
    va_start(args, format);
    printf("              journal of %s: ", sim->current != NULL ? sim->current->name : "nobody");
    (void)vprintf(format, args);
    (void)putchar('\n');
    va_end(args);
}

/* The first is kept. */
void sim_fault(const char *format, ...)
{
    va_list args;
    int size;

    if (sim->fault[0] != '\0')
        return;
    size = snprintf(sim->fault, sizeof(sim->fault),
                    "at %.6f s: ", (double)(sim->now - SIM_EPOCH) / 1e6);
    va_start(args, format);
    (void)vsnprintf(sim->fault + size, sizeof(sim->fault) - (size_t)size, format, args);
    va_end(args);
    sim_say("FAULT: %s", sim->fault);
}

bool sim_is_bad(void)
{
    return sim->fault[0] != '\0';
}

void sim_enter(struct process *process)
{
    sim->current = process;
}

/* --- the queue: a heap by time, then by order of adding --- */

static bool before(const struct due *left, const struct due *right)
{
    return left->time != right->time ? left->time < right->time : left->order < right->order;
}

static void swap(uint32_t a, uint32_t b)
{
    struct due due = sim->queue[a];

    sim->queue[a] = sim->queue[b];
    sim->queue[b] = due;
}

void sim_after(int64_t delay, sim_act *act, void *subject, int64_t number, const uint32_t *life)
{
    uint32_t at = sim->queue_count;

    if (at == sim->queue_capacity) {
        sim->queue_capacity = sim->queue_capacity > 0 ? sim->queue_capacity * 2 : 256;
        sim->queue = realloc(sim->queue, sim->queue_capacity * sizeof(*sim->queue));
        DK_CHECK(sim->queue != NULL);
    }
    sim->queue[sim->queue_count++] = (struct due){ .time = sim->now + (delay > 0 ? delay : 0),
                                                   .order = ++sim->order,
                                                   .act = act,
                                                   .subject = subject,
                                                   .number = number,
                                                   .life = life,
                                                   .lived = life != NULL ? *life : 0 };
    for (; at > 0 && before(&sim->queue[at], &sim->queue[(at - 1) / 2]); at = (at - 1) / 2)
        swap(at, (at - 1) / 2);
}

static struct due take_first(void)
{
    struct due first = sim->queue[0];
    uint32_t at = 0;

    sim->queue[0] = sim->queue[--sim->queue_count];
    for (;;) {
        uint32_t least = at, left = 2 * at + 1;

        for (uint32_t child = left; child < left + 2 && child < sim->queue_count; child++)
            if (before(&sim->queue[child], &sim->queue[least]))
                least = child;
        if (least == at)
            return first;
        swap(at, least);
        at = least;
    }
}

/* Runs what is due before `until`; stops early when `done` says so. */
static void run_until(int64_t until, bool (*done)(void))
{
    while (!sim_is_bad() && sim->queue_count > 0 && sim->queue[0].time <= until) {
        struct due due = take_first();

        sim->now = due.time;
        if (due.life != NULL && *due.life != due.lived)
            continue;
        sim_mix(&due.time, sizeof(due.time));
        sim_mix(&due.order, sizeof(due.order));
        sim->acts++;
        due.act(due.subject, due.number);
        if (done != NULL && sim->acts % 16 == 0 && done())
            return;
    }
    if (!sim_is_bad() && sim->now < until && (done == NULL || !done()))
        sim->now = until;
}

/* --- the two phases --- */

static bool is_settled(void)
{
    if (!sim_clients_idle() || !audit_all_over())
        return false;
    return true;
}

static void must_settle(void)
{
    sim_say("--- faults are over: all must settle");
    sim->is_safe = false;
    sim_faults_end();
    run_until(sim->now + 2 * MINUTE, NULL);
    sim_clients_tidy();
    run_until(sim->now + MINUTE + 30 * SECOND, NULL);
    if (!sim_is_bad() && !sim_clients_idle())
        sim_fault("a client still waits for an answer, minutes after the last fault");
    sim_clients_cancel();
    run_until(sim->now + 5 * MINUTE, is_settled);
    run_until(sim->now + MINUTE, NULL); /* agents clean up, views catch up */
    if (!sim_is_bad() && !sim_clients_idle())
        sim_fault("a client's cancellation was never answered");
    if (!sim_is_bad() && !audit_all_over())
        sim_fault("%llu jobs were cancelled and never ended",
                  (unsigned long long)audit_jobs_left());
}

static void check_views(void)
{
    for (uint32_t i = 0; i < sim->projector_count && !sim_is_bad(); i++)
        sim_projector_check(sim->projectors[i]);
}

/* Nobody in the middle of something: beats go on for ever. */
static bool is_still(void)
{
    for (uint32_t i = 0; i < sim->controller_count; i++)
        if (sim_controller_is_busy(sim->controllers[i]))
            return false;
    for (uint32_t i = 0; i < sim->projector_count; i++)
        if (!sim_projector_is_at_end(sim->projectors[i]))
            return false;
    return true;
}

static void stand_still(void)
{
    for (int i = 0; i < 1000 && !sim_is_bad() && !is_still(); i++)
        run_until(sim->now + SECOND / 1000, NULL);
}

static void check_all(void)
{
    stand_still();
    for (uint32_t i = 0; i < sim->node_count && !sim_is_bad(); i++)
        sim_node_check(sim->nodes[i]);
    if (!sim_is_bad())
        audit_end();
    for (uint32_t i = 0; i < sim->projector_count && !sim_is_bad(); i++)
        if (!sim_projector_is_at_end(sim->projectors[i]))
            sim_fault("projector%u is not at the end of the log", i);
    check_views();
    if (!sim_is_bad() && !sim->is_shared)
        audit_bad_sector();
}

/* --- making a world --- */

static void make_log(void)
{
    if (sim->is_shared) {
        (void)snprintf(sim->uri, sizeof(sim->uri), "shared:log");
        sim_shared_begin();
        return;
    }
    (void)snprintf(sim->log_dir, sizeof(sim->log_dir), "%s/log", sim->options.folder);
    (void)snprintf(sim->uri, sizeof(sim->uri), "file:%s", sim->log_dir);
    sim->disk = sim_disk_create();
}

static void make_processes(void)
{
    int host = 0;

    sim->controller_count = 1 + (uint32_t)sim_below(sim->is_shared ? CONTROLLERS_MAX : 2);
    sim->projector_count = 1 + (uint32_t)sim_below(PROJECTORS_MAX);
    sim->node_count = 1 + (uint32_t)sim_below(NODES_MAX);
    sim->client_count = 1 + (uint32_t)sim_below(CLIENTS_MAX);
    for (uint32_t i = 0; i < sim->controller_count; i++)
        sim->controllers[i] = sim_controller_create(sim->is_shared ? host++ : 0, i);
    if (!sim->is_shared)
        host = 1;
    for (uint32_t i = 0; i < sim->projector_count; i++)
        sim->projectors[i] = sim_projector_create(sim->is_shared ? host++ : 0, i);
    for (uint32_t i = 0; i < sim->node_count; i++)
        sim->nodes[i] = sim_node_create(host++, i);
    for (uint32_t i = 0; i < sim->client_count; i++)
        sim->clients[i] = sim_client_create(host++, i);
    sim->broker = host++;
    sim->host_count = host;
}

static void unmake(void)
{
    /* Who answers calls goes before those who asked. */
    for (uint32_t i = 0; i < sim->projector_count; i++)
        sim_projector_destroy(sim->projectors[i]);
    for (uint32_t i = 0; i < sim->controller_count; i++)
        sim_controller_destroy(sim->controllers[i]);
    for (uint32_t i = 0; i < sim->node_count; i++)
        sim_node_destroy(sim->nodes[i]);
    for (uint32_t i = 0; i < sim->client_count; i++)
        sim_client_destroy(sim->clients[i]);
    audit_destroy(sim->audit);
    sim_shared_release();
    sim_disk_destroy(sim->disk);
    free(sim->queue);
    dk_arena_release(&sim->arena);
}

static void say_sum(void)
{
    sim_say("%llu acts, %llu batches, %llu events, %llu jobs, %llu attempts, %llu processes; "
            "%llu messages, %llu lost; %llu crashes, %llu losses of power, %llu times fenced, "
            "%llu takeovers",
            (unsigned long long)sim->acts, (unsigned long long)sim->sum.batches,
            (unsigned long long)sim->sum.events, (unsigned long long)audit_job_last(),
            (unsigned long long)audit_runs_placed(), (unsigned long long)sim->sum.processes,
            (unsigned long long)sim->sum.calls, (unsigned long long)sim->sum.lost,
            (unsigned long long)sim->sum.crashes, (unsigned long long)sim->sum.power_losses,
            (unsigned long long)sim->sum.fenced, (unsigned long long)sim->sum.takeovers);
}

bool sim_run(const struct sim_options *options, char fault[600], uint64_t *digest)
{
    struct world world;
    bool good;

    memset(&world, 0, sizeof(world));
    sim = &world;
    world.options = *options;
    world.now = SIM_EPOCH;
    world.digest = UINT64_C(0xcbf29ce484222325);
    world.is_safe = true;
    dk_prng_init(&world.prng, options->seed);
    dk_arena_init(&world.arena, &dk_heap);
    sim_rates_draw();
    if (options->trace || options->says_rates)
        sim_rates_print();
    make_log();
    world.audit = audit_create();
    sim_net_begin();
    make_processes();
    sim_faults_begin();
    run_until(world.safe_until, NULL);
    check_views();
    if (!sim_is_bad())
        must_settle();
    check_all();
    say_sum();
    (void)snprintf(fault, 600, "%s", world.fault);
    good = !sim_is_bad();
    *digest = world.digest;
    unmake();
    sim = NULL;
    return good;
}
