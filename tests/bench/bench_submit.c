/* bench_submit.c - many clients that submit, each over one connection and with one call at a time
 *
 *     bench_submit ADDRESS,... CLIENTS SECONDS [REQUESTS [TASKS]]
 *
 * ADDRESS: a controller's socket or HOST:PORT; a client whose controller breaks or is not ready
 * asks the next with the same key, and its time is that of all its tries. A call has REQUESTS (1)
 * submissions of held jobs, each an array of TASKS (0: no array). One line: calls and jobs a
 * second, percentiles of a call, and the longest time in which nobody was answered.
 */
#define _GNU_SOURCE
#include "base/alloc.h"
#include "base/buf.h"
#include "base/check.h"
#include "event/request.h"
#include "net/endpoints.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    DOORS_MAX = 8,
    CALLS_MAX = 1 << 20,
    CLIENTS_MAX = 256,
    BODY_MAX = 8 << 20,
    CALL_MS = 12000,
    KEY = 16
};

struct call {
    int64_t took, answered;
};

static struct call calls[CALLS_MAX];
static atomic_int count, failures;
static char *addresses[DOORS_MAX];
static int address_count;
static int64_t end_us;
static int requests = 1, tasks;
static const char script[] = "#!/bin/sh\ntrue\n";

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void add_submission(struct dk_buf *body)
{
    const struct dk_index_range range = { .first = 0, .last = tasks - 1, .step = 1 };
    uint8_t key[KEY], size[4] = { 0 };
    size_t first = body->size, length;
    struct dk_request request = { .type = DK_REQUEST_SUBMIT_JOB, .meta.key = { key, KEY } };
    struct dk_job_spec *spec = &request.submit_job.spec;

    DK_CHECK(getrandom(key, sizeof(key), 0) == (ssize_t)sizeof(key));
    request.submit_job.script =
        (struct dk_bytes){ (const uint8_t *)script, (uint32_t)strlen(script) };
    spec->name = dk_text_of("bench");
    spec->work_dir = dk_text_of("/");
    spec->nodes = spec->tasks = spec->cpus_per_task = 1;
    spec->hold = spec->has_launch = true;
    spec->has_array = tasks > 0;
    spec->array.ranges = &range;
    spec->array.ranges_count = 1;
    DK_CHECK(dk_buf_add(body, size, sizeof(size)));
    DK_CHECK(dk_request_encode(&request, body, NULL) == DK_OK);
    length = body->size - first - sizeof(size);
    for (int i = 0; i < 4; i++)
        body->data[first + (size_t)i] = (uint8_t)(length >> (8 * i));
}

struct client {
    struct dk_endpoints *doors[DOORS_MAX]; /* each by itself: a list begins with no path */
    int now;
};

/* One call, until it is answered or the time is over. */
static bool submit(struct client *client, const struct dk_buf *body, struct dk_reply *reply)
{
    do {
        struct dk_err err = { 0 };
        enum dk_status status = dk_endpoints_call(client->doors[client->now], "POST",
                                                  "/v1/requests", "application/vnd.docket.requests",
                                                  body->data, body->size, CALL_MS, reply, &err);

        if (status == DK_OK && reply->status == 200)
            return true;
        atomic_fetch_add(&failures, 1);
        client->now = (client->now + 1) % address_count;
        (void)usleep(5000);
    } while (now_us() < end_us + (int64_t)10 * 1000000);
    return false;
}

static void *run(void *unused)
{
    struct client client = { 0 };
    struct dk_reply reply = { 0 };
    struct dk_buf body;

    for (int i = 0; i < address_count; i++)
        client.doors[i] = dk_endpoints_create(addresses[i], NULL, false);
    dk_buf_init(&reply.body, &dk_heap, BODY_MAX);
    dk_buf_init(&body, &dk_heap, BODY_MAX);
    for (int64_t began = now_us(); began < end_us; began = now_us()) {
        int at;

        dk_buf_clear(&body);
        for (int i = 0; i < requests; i++)
            add_submission(&body);
        if (!submit(&client, &body, &reply))
            break;
        at = atomic_fetch_add(&count, 1);
        DK_CHECK(at < CALLS_MAX);
        calls[at].answered = now_us();
        calls[at].took = calls[at].answered - began;
    }
    dk_buf_release(&body);
    dk_buf_release(&reply.body);
    for (int i = 0; i < address_count; i++)
        dk_endpoints_destroy(client.doors[i]);
    return unused;
}

static int by_time(const void *a, const void *b)
{
    const struct call *left = a, *right = b;

    return (left->took > right->took) - (left->took < right->took);
}

static int by_answer(const void *a, const void *b)
{
    const struct call *left = a, *right = b;

    return (left->answered > right->answered) - (left->answered < right->answered);
}

static double took_ms(int n, int percent)
{
    int64_t at = (int64_t)n * percent / 100;

    return (double)calls[at < n ? at : n - 1].took / 1e3;
}

static void report(int64_t began)
{
    int n = atomic_load(&count);
    int64_t silence = 0, last = began;
    double seconds;

    if (n == 0) {
        (void)printf("nobody was answered; %d tries failed\n", atomic_load(&failures));
        return;
    }
    qsort(calls, (size_t)n, sizeof(calls[0]), by_answer);
    for (int i = 0; i < n; last = calls[i++].answered)
        silence = calls[i].answered - last > silence ? calls[i].answered - last : silence;
    seconds = (double)(last - began) / 1e6;
    qsort(calls, (size_t)n, sizeof(calls[0]), by_time);
    (void)printf("%d calls, %.0f/s, %.0f jobs/s; p50 %.2f p95 %.2f p99 %.2f most %.1f ms; "
                 "silence %.0f ms; %d tries failed\n",
                 n, n / seconds, (double)n * requests * (tasks > 0 ? tasks : 1) / seconds,
                 took_ms(n, 50), took_ms(n, 95), took_ms(n, 99), took_ms(n, 100),
                 (double)silence / 1e3, atomic_load(&failures));
}

int main(int argc, char **argv)
{
    pthread_t threads[CLIENTS_MAX];
    int clients = argc > 3 ? atoi(argv[2]) : 0;
    int64_t began = now_us();

    if (clients < 1 || clients > CLIENTS_MAX || atoi(argv[3]) < 1) {
        (void)fprintf(stderr,
                      "usage: bench_submit ADDRESS,... CLIENTS SECONDS [REQUESTS [TASKS]]\n");
        return 2;
    }
    for (char *rest = argv[1], *at; address_count < DOORS_MAX && (at = strsep(&rest, ",")) != NULL;)
        addresses[address_count++] = at;
    end_us = began + (int64_t)atoi(argv[3]) * 1000000;
    requests = argc > 4 ? atoi(argv[4]) : 1;
    tasks = argc > 5 ? atoi(argv[5]) : 0;
    for (int i = 0; i < clients; i++)
        DK_CHECK(pthread_create(&threads[i], NULL, run, NULL) == 0);
    for (int i = 0; i < clients; i++)
        DK_CHECK(pthread_join(threads[i], NULL) == 0);
    report(began);
    return atomic_load(&count) > 0 ? 0 : 1;
}
