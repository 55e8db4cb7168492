/* stamp.h - the only clock of the controller
 *
 * Microseconds since 1970 that never run backwards: not behind the log's last event, and not behind
 * what was given out before, whatever somebody does to the system's clock. While the system's
 * clock is behind, time creeps on with the monotonic clock; when it jumps ahead, time follows.
 */
#ifndef DK_CONTROLLER_STAMP_H
#define DK_CONTROLLER_STAMP_H

#include <stdint.h>

struct dk_clock {
    int64_t (*real)(void);      /* microseconds since 1970; NULL: the system's */
    int64_t (*monotonic)(void); /* microseconds since whenever; NULL: the system's */
    int64_t last, last_monotonic;
};

/* `least` is the time of the log's last event. */
void dk_clock_init(struct dk_clock *clock, int64_t least);

int64_t dk_clock_now(struct dk_clock *clock);

#endif
