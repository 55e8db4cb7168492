/* workers.c - those who write the long answers: a few threads of lower priority
 *
 * Users take turns, each user's questions in the order in which they came: who asks a thousand
 * at a time waits for a thousand, and others wait for one of them.
 *
 * The server's own threads must stay free for agents and for new questions; a list of 50,000 jobs
 * takes tens of milliseconds. The niceness keeps askers behind the folder where cores are few. */
#define _GNU_SOURCE
#include "projections/projector_inside.h"

#include "base/check.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NICE = 10 };

struct task {
    struct task *next;
    struct dk_http_exchange *exchange;
    dk_work *work;
};

/* A user with questions that wait. */
struct asker {
    struct asker *next;
    int32_t uid;
    struct task *first, **last;
};

struct dk_workers {
    struct dk_projector *projector;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t added;
    struct asker *first, **last; /* whose turn it is first */
    bool stop;
    uint32_t count;
    pthread_t *threads;
};

/* The first task of who is first, who then goes to the end. */
static struct task *take(struct dk_workers *workers)
{
    struct asker *asker = workers->first;
    struct task *task;

    if (asker == NULL)
        return NULL;
    task = asker->first;
    asker->first = task->next;
    workers->first = asker->next;
    if (workers->first == NULL)
        workers->last = &workers->first;
    if (asker->first == NULL) {
        free(asker);
    } else {
        asker->next = NULL;
        *workers->last = asker;
        workers->last = &asker->next;
    }
    return task;
}

static void put(struct dk_workers *workers, int32_t uid, struct task *task)
{
    struct asker *asker = workers->first;

    while (asker != NULL && asker->uid != uid)
        asker = asker->next;
    if (asker == NULL) {
        asker = calloc(1, sizeof(*asker));
        DK_CHECK(asker != NULL);
        asker->uid = uid;
        asker->last = &asker->first;
        *workers->last = asker;
        workers->last = &asker->next;
    }
    *asker->last = task;
    asker->last = &task->next;
}

static void *serve(void *context)
{
    struct dk_workers *workers = context;

    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    DK_CHECK(pthread_mutex_lock(&workers->lock) == 0);
    for (;;) {
        struct task *task = take(workers);

        if (task == NULL && workers->stop)
            break;
        if (task == NULL) {
            DK_CHECK(pthread_cond_wait(&workers->added, &workers->lock) == 0);
            continue;
        }
        DK_CHECK(pthread_mutex_unlock(&workers->lock) == 0);
        task->work(workers->projector, task->exchange);
        free(task);
        DK_CHECK(pthread_mutex_lock(&workers->lock) == 0);
    }
    DK_CHECK(pthread_mutex_unlock(&workers->lock) == 0);
    return NULL;
}

struct dk_workers *dk_workers_create(struct dk_projector *projector, uint32_t count)
{
    struct dk_workers *workers = calloc(1, sizeof(*workers));

    DK_CHECK(workers != NULL);
    workers->projector = projector;
    workers->last = &workers->first;
    workers->count = count;
    workers->threads = calloc(count, sizeof(*workers->threads));
    DK_CHECK(workers->threads != NULL);
    DK_CHECK(pthread_mutex_init(&workers->lock, NULL) == 0);
    DK_CHECK(pthread_cond_init(&workers->added, NULL) == 0);
    for (uint32_t i = 0; i < count; i++)
        DK_CHECK(pthread_create(&workers->threads[i], NULL, serve, workers) == 0);
    return workers;
}

void dk_workers_stop(struct dk_workers *workers)
{
    if (workers == NULL)
        return;
    DK_CHECK(pthread_mutex_lock(&workers->lock) == 0);
    workers->stop = true;
    DK_CHECK(pthread_cond_broadcast(&workers->added) == 0);
    DK_CHECK(pthread_mutex_unlock(&workers->lock) == 0);
    for (uint32_t i = 0; i < workers->count; i++)
        DK_CHECK(pthread_join(workers->threads[i], NULL) == 0);
}

void dk_workers_destroy(struct dk_workers *workers)
{
    if (workers == NULL)
        return;
    (void)pthread_mutex_destroy(&workers->lock);
    (void)pthread_cond_destroy(&workers->added);
    free(workers->threads);
    free(workers);
}

void dk_workers_add(struct dk_workers *workers, struct dk_http_exchange *exchange, dk_work *work)
{
    struct task *task = malloc(sizeof(*task));

    DK_CHECK(task != NULL);
    *task = (struct task){ .exchange = exchange, .work = work };
    DK_CHECK(pthread_mutex_lock(&workers->lock) == 0);
    if (workers->stop) {
        DK_CHECK(pthread_mutex_unlock(&workers->lock) == 0);
        free(task);
        dk_http_fail(exchange, 503, "BUSY", "the projector is stopping; ask again");
        return;
    }
    put(workers, dk_http_peer(exchange).uid, task);
    DK_CHECK(pthread_cond_signal(&workers->added) == 0);
    DK_CHECK(pthread_mutex_unlock(&workers->lock) == 0);
}
