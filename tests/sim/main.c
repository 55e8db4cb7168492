/* main.c - docket-sim: worlds by their seeds (decision 0015; README.md)
 *
 * Each seed runs in a process of its own, forked from here, so that a broken invariant of the
 * product (DK_CHECK, a sanitizer) fails one seed and says which. */
#define _GNU_SOURCE
#include "sim.h"

#include "log/backend.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const struct dk_log_backend sim_log_backend_shared;

enum { WORKERS_MAX = 16, CHUNK = 32 };

static const char usage[] =
    "usage: docket-sim [OPTION]...\n"
    "A simulated cluster under simulated faults, drawn from a seed.\n\n"
    "  --seed N          one world; says what was drawn\n"
    "  --trace           with --seed: all that happens in it\n"
    "  --seeds FROM-TO   worlds of all these seeds, quietly (default 1-200)\n"
    "  --soak [SECONDS]  seeds without an end, or for so long, from a random one on\n"
    "  --jobs N          so many processes at a time (default 2)\n"
    "  --find            stop at the first fault\n"
    "  --expect          a fault is what is wanted: exit 0 if one is found, 1 if none is\n"
    "  --digest          print a digest of each run\n"
    "  --help            this\n\n"
    "Exit status: 0 all is well, 1 a fault was found (the line to repeat it is printed), 2 "
    "usage.\n";

struct shared { /* with the workers */
    _Atomic uint64_t next, done, faults;
};

struct options {
    uint64_t from, to;
    int64_t seconds; /* 0: until `to` */
    uint32_t jobs;
    bool one, trace, find, expect, digest;
    const char *program;
};

static struct shared *shared;
static char folder[200];

static int64_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* A folder in memory where there is one: nothing here is meant to last. */
static void folder_make(int worker)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    (void)snprintf(folder, sizeof(folder), "%s/docket-sim.%d.%d", base, (int)getppid(), worker);
    (void)mkdir(folder, 0700);
}

static void folder_remove(void)
{
    struct sim_disk *disk;
    struct world world = { .options.folder = folder };

    sim = &world; /* making a disk clears its folder */
    disk = sim_disk_create();
    sim_disk_destroy(disk);
    sim = NULL;
    (void)rmdir(folder);
}

static bool run_one(const struct options *options, uint64_t seed)
{
    struct sim_options world = {
        .seed = seed, .trace = options->trace, .says_rates = options->one, .folder = folder
    };
    char fault[600];
    uint64_t digest;
    bool good = sim_run(&world, fault, &digest);

    if (!good)
        printf("seed %llu: %s\n  again: %s --seed %llu --trace\n", (unsigned long long)seed, fault,
               options->program, (unsigned long long)seed);
    if (options->digest || options->one)
        printf("seed %llu: digest %016llx\n", (unsigned long long)seed, (unsigned long long)digest);
    return good;
}

/* Takes seeds until there is none; *current says which, should the process die. */
static void work(const struct options *options, int worker, volatile uint64_t *current,
                 int64_t until)
{
    folder_make(worker);
    for (;;) {
        uint64_t seed = atomic_fetch_add(&shared->next, 1);

        if (seed > options->to || (options->seconds > 0 && now_s() >= until) ||
            (options->find && atomic_load(&shared->faults) > 0))
            break;
        *current = seed;
        if (!run_one(options, seed))
            (void)atomic_fetch_add(&shared->faults, 1);
        *current = 0;
        (void)atomic_fetch_add(&shared->done, 1);
        (void)fflush(stdout);
    }
    folder_remove();
}

static pid_t start_worker(const struct options *options, int worker, volatile uint64_t *current,
                          int64_t until)
{
    pid_t pid;

    (void)fflush(stdout);
    pid = fork();
    if (pid == 0) {
        work(options, worker, current, until);
        exit(0);
    }
    return pid;
}

static void report_death(const struct options *options, uint64_t seed, int status)
{
    printf("seed %llu: the process died (%s %d)\n  again: %s --seed %llu --trace\n",
           (unsigned long long)seed, WIFSIGNALED(status) ? "signal" : "status",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), options->program,
           (unsigned long long)seed);
    (void)atomic_fetch_add(&shared->faults, 1);
    (void)atomic_fetch_add(&shared->done, 1);
}

static int run_many(const struct options *options)
{
    volatile uint64_t *current =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[WORKERS_MAX];
    int64_t until = now_s() + options->seconds;
    uint32_t live = options->jobs;

    DK_CHECK(current != MAP_FAILED);
    atomic_store(&shared->next, options->from);
    for (uint32_t i = 0; i < options->jobs; i++)
        pids[i] = start_worker(options, (int)i, &current[i], until);
    while (live > 0) {
        int status;
        pid_t pid = wait(&status);

        for (uint32_t i = 0; i < options->jobs; i++) {
            if (pids[i] != pid)
                continue;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
                live--;
                break;
            }
            report_death(options, current[i], status);
            pids[i] = start_worker(options, (int)i, &current[i], until);
        }
    }
    printf("%llu worlds, %llu faults\n", (unsigned long long)atomic_load(&shared->done),
           (unsigned long long)atomic_load(&shared->faults));
    return (atomic_load(&shared->faults) > 0) != options->expect;
}

static bool read_options(struct options *options, int argc, char **argv)
{
    static const struct option words[] = {
        { "seed", required_argument, NULL, 's' }, { "seeds", required_argument, NULL, 'r' },
        { "trace", no_argument, NULL, 't' },      { "soak", optional_argument, NULL, 'k' },
        { "jobs", required_argument, NULL, 'j' }, { "find", no_argument, NULL, 'f' },
        { "expect", no_argument, NULL, 'x' },     { "digest", no_argument, NULL, 'd' },
        { "help", no_argument, NULL, 'h' },       { NULL, 0, NULL, 0 },
    };
    int word;

    while ((word = getopt_long(argc, argv, "", words, NULL)) != -1) {
        char *end = NULL;

        DK_CHECK(optarg != NULL || (word != 's' && word != 'r' && word != 'j'));
        if (word == 's') {
            options->one = true;
            options->from = options->to = strtoull(optarg, NULL, 10);
        } else if (word == 'r') {
            options->from = strtoull(optarg, &end, 10);
            options->to = *end == '-' ? strtoull(end + 1, NULL, 10) : options->from;
        } else if (word == 'k') {
            const char *seconds = optarg != NULL ? optarg : optind < argc ? argv[optind++] : "0";

            options->from = (uint64_t)time(NULL) * 1000000;
            options->to = UINT64_MAX - 1;
            options->seconds = strtoll(seconds, NULL, 10);
        } else if (word == 'j') {
            options->jobs = (uint32_t)strtoul(optarg, NULL, 10);
        } else if (word == 't') {
            options->trace = true;
        } else if (word == 'f') {
            options->find = true;
        } else if (word == 'x') {
            options->expect = true;
        } else if (word == 'd') {
            options->digest = true;
        } else {
            return false;
        }
    }
    return optind == argc && options->jobs > 0 && options->jobs <= WORKERS_MAX;
}

int main(int argc, char **argv)
{
    struct options options = { .from = 1, .to = 200, .jobs = 2, .program = argv[0] };

    if (!read_options(&options, argc, argv)) {
        (void)fputs(usage, stdout);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    dk_log_backend_add(&sim_log_backend_shared);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    DK_CHECK(shared != MAP_FAILED);
    if (options.one) {
        bool good;

        folder_make((int)getpid());
        good = run_one(&options, options.from);
        folder_remove();
        return good ? 0 : 1;
    }
    return run_many(&options);
}
