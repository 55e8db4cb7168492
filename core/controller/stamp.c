/* stamp.c - the only clock (stamp.h) */
#include "controller/stamp.h"

#include "base/check.h"

#include <stddef.h>
#include <time.h>

static int64_t read_clock(clockid_t which)
{
    struct timespec now;

    DK_CHECK(clock_gettime(which, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t system_real(void)
{
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void dk_clock_init(struct dk_clock *clock, int64_t least)
{
    if (clock->real == NULL)
        clock->real = system_real;
    if (clock->monotonic == NULL)
        clock->monotonic = system_monotonic;
    clock->last = least;
    clock->last_monotonic = clock->monotonic();
}

int64_t dk_clock_now(struct dk_clock *clock)
{
    int64_t monotonic = clock->monotonic(), real = clock->real();
    int64_t crept = clock->last + (monotonic - clock->last_monotonic);

    if (crept < clock->last)
        crept = clock->last;
    clock->last_monotonic = monotonic;
    clock->last = real > clock->last ? real : crept;
    return clock->last;
}
