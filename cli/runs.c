/* runs.c - see runs.h */
#include "cli/runs.h"

#include "base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 256, BAR_WIDTH = 40, TICK_NS = 100 * 1000 * 1000, TICKS_QUIET = 10 };

struct crew {
    struct cli_run *runs;
    int count;
    const struct dk_trace *trace;
    const struct dk_machine *machine;
    atomic_int next;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int working; /* under the lock */
};

static void *work(void *context)
{
    struct crew *crew = context;

    for (;;) {
        int i = atomic_fetch_add(&crew->next, 1);
        struct cli_run *run;

        if (i >= crew->count)
            break;
        run = &crew->runs[i];
        run->options.progress = &run->progress;
        run->status = dk_replay_run(&run->result, crew->trace, crew->machine, &run->options,
                                    &dk_heap, &run->err);
        atomic_store(&run->progress, crew->trace->count);
    }
    pthread_mutex_lock(&crew->lock);
    crew->working--;
    pthread_cond_signal(&crew->changed);
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static void draw_bar(struct crew *crew)
{
    uint64_t done = 0, all = (uint64_t)crew->count * crew->trace->count;
    char bar[BAR_WIDTH + 1];
    uint64_t filled;

    for (int i = 0; i < crew->count; i++)
        done += atomic_load_explicit(&crew->runs[i].progress, memory_order_relaxed);
    filled = all > 0 ? done * BAR_WIDTH / all : 0;
    for (uint64_t i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    (void)fprintf(stderr, "\r[%s] %3u %%  %llu of %llu jobs", bar,
                  (unsigned)(all > 0 ? done * 100 / all : 0), (unsigned long long)done,
                  (unsigned long long)all);
    (void)fflush(stderr);
}

/* Until everybody has finished; a tick now and then is enough for the eye. */
static void wait_for_all(struct crew *crew)
{
    bool has_bar = isatty(STDERR_FILENO) == 1, is_drawn = false;
    int ticks = 0;

    pthread_mutex_lock(&crew->lock);
    while (crew->working > 0) {
        struct timespec until;

        if (!has_bar) {
            pthread_cond_wait(&crew->changed, &crew->lock);
            continue;
        }
        DK_CHECK(clock_gettime(CLOCK_REALTIME, &until) == 0);
        until.tv_nsec += TICK_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&crew->changed, &crew->lock, &until);
        if (++ticks > TICKS_QUIET && crew->working > 0) {
            draw_bar(crew);
            is_drawn = true;
        }
    }
    pthread_mutex_unlock(&crew->lock);
    if (is_drawn)
        (void)fprintf(stderr, "\r\033[K");
}

void cli_runs_do(struct cli_run *runs, int count, int threads, const struct dk_trace *trace,
                 const struct dk_machine *machine)
{
    struct crew crew = { .runs = runs, .count = count, .trace = trace, .machine = machine };
    pthread_t workers[THREADS_MAX];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int started = 0;

    if (threads <= 0)
        threads = processors > 0 && processors < THREADS_MAX ? (int)processors : 1;
    if (threads > count)
        threads = count;
    if (threads > THREADS_MAX)
        threads = THREADS_MAX;
    DK_CHECK(pthread_mutex_init(&crew.lock, NULL) == 0);
    DK_CHECK(pthread_cond_init(&crew.changed, NULL) == 0);
    crew.working = threads;
    while (started < threads && pthread_create(&workers[started], NULL, work, &crew) == 0)
        started++;
    if (started < threads) { /* as many as the system gives, and this one if it gives none */
        pthread_mutex_lock(&crew.lock);
        crew.working -= threads - started - (started == 0);
        pthread_mutex_unlock(&crew.lock);
        if (started == 0)
            (void)work(&crew);
    }
    wait_for_all(&crew);
    for (int i = 0; i < started; i++)
        DK_CHECK(pthread_join(workers[i], NULL) == 0);
    (void)pthread_cond_destroy(&crew.changed);
    (void)pthread_mutex_destroy(&crew.lock);
}
