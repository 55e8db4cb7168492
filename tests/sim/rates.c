/* rates.c - what a seed draws: which faults there are, and how often (sim.h) */
#include "sim.h"

#include <stdio.h>

static const struct {
    const char *name, *unit;
    uint64_t most;
} rates[RATE_COUNT] = {
#define X(name, unit, most) { #name, unit, most },
    SIM_RATE_MAP(X)
#undef X
};

/* Half of them are off, and one world in sixteen has no fault at all. What is on is spread over
 * orders of magnitude: rare and constant trouble find different things. */
void sim_rates_draw(void)
{
    bool quiet = sim_below(16) == 0;

    for (int i = 0; i < RATE_COUNT; i++) {
        uint64_t most = rates[i].most >> sim_below(4), rate = 1 + sim_below(most > 0 ? most : 1);

        sim->rates[i] = sim_below(2) == 0 || quiet ? 0 : rate;
    }
    if (sim->rates[RATE_snapshot] == 0)
        sim->rates[RATE_snapshot] = sim_below(2) * 20000;
    sim->is_shared = sim_below(2) == 0;
    sim->safe_until = sim->now + sim_between(8 * MINUTE, 20 * MINUTE);
}

void sim_rates_print(void)
{
    printf("seed %llu: %s log, %lld minutes of faults, then all must settle\n",
           (unsigned long long)sim->options.seed, sim->is_shared ? "a shared" : "a file",
           (long long)((sim->safe_until - sim->now) / MINUTE));
    for (int i = 0; i < RATE_COUNT; i++)
        if (sim->rates[i] > 0)
            printf("  %-14s %8llu  %s\n", rates[i].name, (unsigned long long)sim->rates[i],
                   rates[i].unit);
}
