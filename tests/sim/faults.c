/* faults.c - what goes wrong, and when: each kind at random moments, as often as was drawn (sim.h)
 */
#include "sim.h"

struct fault {
    enum sim_rate rate;
    void (*strike)(void);
};

static struct controller *any_controller(void)
{
    return sim->controllers[sim_below(sim->controller_count)];
}

static struct node *any_node(void)
{
    return sim->nodes[sim_below(sim->node_count)];
}

static void cut(void)
{
    int from = (int)sim_below((uint64_t)sim->host_count);
    int to = (int)sim_below((uint64_t)sim->host_count);
    int64_t until = sim->now + sim_between(SECOND, 180 * SECOND);

    sim_say("the link from host %d to host %d is cut", from, to);
    sim->cut_until[from][to] = until;
    if (sim_below(3) != 0)
        sim->cut_until[to][from] = until;
}

static void hush(void)
{
    sim->hush_until = sim->now + sim_between(SECOND, 120 * SECOND);
    sim_say("the network is silent");
}

static void jump(void)
{
    struct process *process =
        sim_below(2) == 0 ? sim_controller_process(any_controller()) : sim_node_process(any_node());
    int64_t span = sim_below(4) == 0 ? HOUR : MINUTE;

    process->skew += sim_between(-span, span);
    sim_say("the clock of %s jumps", process->name);
}

static void crash(void)
{
    sim_controller_kill(any_controller());
}

static void full_over(void *subject, int64_t number)
{
    (void)subject;
    (void)number;
    sim_disk_full(sim->disk, false);
}

static void full(void)
{
    if (sim->is_shared)
        return;
    sim_say("the disk is full");
    sim_disk_full(sim->disk, true);
    sim_after(sim_between(SECOND, 60 * SECOND), full_over, NULL, 0, NULL);
}

static void stop(void)
{
    sim_controller_stop(any_controller());
}

static void stand_still(void)
{
    struct controller *controller = any_controller(); /* first: compilers differ in the order */

    sim_controller_pause(controller, sim->now + sim_between(1000, 30 * SECOND));
}

static void away(void)
{
    struct process *process = sim_controller_process(any_controller());
    int64_t until = sim->now + sim_between(SECOND / 10, 60 * SECOND);

    if (!sim->is_shared)
        return;
    sim_say("the broker is away from %s", process->name);
    sim->cut_until[process->host][sim->broker] = until;
    sim->cut_until[sim->broker][process->host] = until;
}

static void view_crash(void)
{
    sim_projector_kill(sim->projectors[sim_below(sim->projector_count)]);
}

static void agent_crash(void)
{
    sim_agent_kill(any_node());
}

static void reboot(void)
{
    sim_node_reboot(any_node());
}

static void keeper_kill(void)
{
    sim_keeper_kill(any_node());
}

static void launcher_kill(void)
{
    sim_launcher_kill(any_node());
}

static const struct fault faults[] = {
    { RATE_cut, cut },
    { RATE_hush, hush },
    { RATE_jump, jump },
    { RATE_crash, crash },
    { RATE_full, full },
    { RATE_stop, stop },
    { RATE_pause, stand_still },
    { RATE_away, away },
    { RATE_view_crash, view_crash },
    { RATE_agent_crash, agent_crash },
    { RATE_reboot, reboot },
    { RATE_keeper_kill, keeper_kill },
    { RATE_launcher_kill, launcher_kill },
};

static void strike(void *subject, int64_t number);

static void strike_later(int64_t number)
{
    int64_t mean = HOUR / (int64_t)sim->rates[faults[number].rate];

    sim_after(sim_between(1000, 2 * mean), strike, NULL, number, NULL);
}

static void strike(void *subject, int64_t number)
{
    (void)subject;
    if (!sim->is_safe)
        return;
    faults[number].strike();
    strike_later(number);
}

void sim_faults_begin(void)
{
    int64_t wrong = (int64_t)sim->rates[RATE_skew] * 1000;

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (sim->rates[faults[i].rate] > 0)
            strike_later((int64_t)i);
    for (uint32_t i = 0; i < sim->controller_count; i++)
        sim_controller_process(sim->controllers[i])->skew = sim_between(-wrong, wrong);
    for (uint32_t i = 0; i < sim->node_count; i++)
        sim_node_process(sim->nodes[i])->skew = sim_between(-wrong, wrong);
}

/* All is healed; who is down is started. Wrong clocks stay wrong, and go on. */
void sim_faults_end(void)
{
    sim->hush_until = 0;
    for (int from = 0; from < HOSTS_MAX; from++)
        for (int to = 0; to < HOSTS_MAX; to++)
            sim->cut_until[from][to] = 0;
    if (sim->disk != NULL)
        sim_disk_full(sim->disk, false);
    for (uint32_t i = 0; i < sim->controller_count; i++) {
        sim_controller_process(sim->controllers[i])->paused_until = 0;
        sim_controller_start(sim->controllers[i]);
    }
    for (uint32_t i = 0; i < sim->projector_count; i++)
        sim_projector_start(sim->projectors[i]);
    for (uint32_t i = 0; i < sim->node_count; i++)
        sim_agent_start(sim->nodes[i]);
}
