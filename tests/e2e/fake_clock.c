/* fake_clock.c - a library to be preloaded: CLOCK_REALTIME is set as many seconds ahead as a file
 * says
 *
 * The file is named by DOCKET_TEST_CLOCK and read at each call; a missing one is no shift. Only the
 * wall clock moves, as when somebody sets it: CLOCK_MONOTONIC stays. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t which, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, which, now);
    const char *path = getenv("DOCKET_TEST_CLOCK");
    long shift = 0;
    FILE *file;

    if (result == 0 && which == CLOCK_REALTIME && path != NULL) {
        file = fopen(path, "r");
        if (file != NULL) {
            if (fscanf(file, "%ld", &shift) != 1)
                shift = 0;
            (void)fclose(file);
        }
        now->tv_sec += shift;
    }
    return (int)result;
}

time_t time(time_t *out)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}
