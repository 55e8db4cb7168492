/* bench_spawn.c - how long a command takes as a user sees it: start to exit, one after the other
 *
 *     bench_spawn COUNT COMMAND [ARGUMENT]...       "%d" in an argument becomes the number of the
 * run
 *
 * Prints one line: runs, seconds in all, runs a second, and the 50th, 95th percentile and the
 * largest in microseconds. Standard output of the command goes to /dev/null, its errors are seen; a
 * run that fails ends the benchmark with status 1. A shell's loop costs a fork of a large process
 * for each run; posix_spawn does not.
 */
#include "base/check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* The arguments of run `number`: one that contains %d is written anew into `room`. */
static void arguments(char **out, char **in, int count, int number, char *room, size_t room_size)
{
    for (int i = 0; i < count; i++) {
        char *mark = strstr(in[i], "%d");

        out[i] = in[i];
        if (mark == NULL)
            continue;
        (void)snprintf(room, room_size, "%.*s%d%s", (int)(mark - in[i]), in[i], number, mark + 2);
        out[i] = room;
    }
    out[count] = NULL;
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? atoi(argv[1]) : 0;
    int64_t *spent, began;
    posix_spawn_file_actions_t actions;
    char **command, room[4096];

    if (count < 1) {
        (void)fprintf(stderr, "usage: bench_spawn COUNT COMMAND [ARGUMENT]...\n");
        return 2;
    }
    spent = calloc((size_t)count, sizeof(*spent));
    command = calloc((size_t)argc, sizeof(*command));
    DK_CHECK(spent != NULL && command != NULL);
    DK_CHECK(posix_spawn_file_actions_init(&actions) == 0);
    DK_CHECK(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0) == 0);
    began = now_us();
    for (int i = 0; i < count; i++) {
        int64_t start = now_us();
        int status = 0;
        pid_t pid;

        arguments(command, argv + 2, argc - 2, i, room, sizeof(room));
        if (posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0) {
            (void)fprintf(stderr, "bench_spawn: '%s' cannot be started\n", command[0]);
            return 1;
        }
        (void)waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            (void)fprintf(stderr, "bench_spawn: run %d of '%s' failed\n", i, command[0]);
            return 1;
        }
        spent[i] = now_us() - start;
    }
    began = now_us() - began;
    qsort(spent, (size_t)count, sizeof(*spent), by_size);
    (void)printf("%d runs in %.3f s, %.0f/s; p50 %" PRId64 " us, p95 %" PRId64 " us, max %" PRId64
                 " us\n",
                 count, (double)began / 1e6, count * 1e6 / (double)began, spent[count / 2],
                 spent[count * 95 / 100], spent[count - 1]);
    (void)posix_spawn_file_actions_destroy(&actions);
    free(spent);
    free(command);
    return 0;
}
