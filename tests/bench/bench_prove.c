/* bench_prove.c - what it costs to know who asks: a Unix socket, and TCP with MUNGE, beside each
 * other
 *
 *     bench_prove [CALLS]
 *
 * A real munged with its default two threads, one server as the daemons have it, and clients in
 * threads of this process, each with one connection that is kept. What is called does nothing: the
 * difference is the proof. */
#define _GNU_SOURCE
#include "munged.h"
#include "net/endpoints.h"
#include "net/prover.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 16, BODY = 600 };
#define TCP "127.0.0.1:17801"

static struct munged munged;
static struct dk_prover *prover;
static int calls = 4000;

static void answer(void *context, struct dk_http_exchange *exchange, const struct dk_proven *proven)
{
    struct dk_buf body;

    (void)context;
    if (proven != NULL && proven->proof != DK_PROOF_GOOD) {
        dk_http_fail(exchange, 401, dk_proof_reason(proven->proof), "%s", proven->why);
        return;
    }
    dk_buf_init(&body, &dk_heap, 4096);
    (void)dk_buf_add_text(&body, "{\"seq\":17,\"results\":[]}\n");
    dk_http_answer(exchange, 200, "application/json", 17, &body);
}

static void handle(void *context, struct dk_http_exchange *exchange)
{
    (void)context;
    if (dk_http_is_remote(exchange))
        dk_prover_prove(prover, exchange, answer, NULL);
    else
        answer(NULL, exchange, NULL);
}

static double now_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

struct client {
    pthread_t thread;
    const char *address;
    bool demands;
    int count;
    double *times;
};

static void *run(void *context)
{
    static const char body[BODY];
    struct client *client = context;
    struct dk_endpoints *endpoints =
        dk_endpoints_create(client->address, &munged.munge, client->demands);
    struct dk_reply reply;
    struct dk_err err = { 0 };

    dk_buf_init(&reply.body, &dk_heap, 65536);
    for (int i = 0; i < client->count; i++) {
        double before = now_us(CLOCK_MONOTONIC);

        if (dk_endpoints_call(endpoints, "POST", "/v1/requests", "application/avro", body, BODY,
                              30000, &reply, &err) != DK_OK ||
            reply.status != 200) {
            fprintf(stderr, "status %d: %s\n", reply.status, err.text);
            exit(1);
        }
        client->times[i] = now_us(CLOCK_MONOTONIC) - before;
    }
    dk_buf_release(&reply.body);
    dk_endpoints_destroy(endpoints);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;

    return (first > second) - (first < second);
}

static void measure(const char *name, const char *address, bool demands, int count)
{
    struct client clients[CLIENTS_MAX];
    double *times = calloc((size_t)calls, sizeof(*times)), wall, cpu;
    int each = calls / count, total = each * count;

    wall = now_us(CLOCK_MONOTONIC);
    cpu = now_us(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < count; i++) {
        clients[i] = (struct client){ .address = address,
                                      .demands = demands,
                                      .count = each,
                                      .times = times + (ptrdiff_t)i * each };
        pthread_create(&clients[i].thread, NULL, run, &clients[i]);
    }
    for (int i = 0; i < count; i++)
        pthread_join(clients[i].thread, NULL);
    wall = now_us(CLOCK_MONOTONIC) - wall;
    cpu = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    qsort(times, (size_t)total, sizeof(*times), compare);
    printf("%-28s %2d clients: %7.0f calls/s, %5.0f us p50, %5.0f us p95, %4.0f us of our CPU a "
           "call\n",
           name, count, total / wall * 1e6, times[total / 2], times[total * 95 / 100], cpu / total);
    free(times);
}

int main(int argc, char **argv)
{
    static const int counts[] = { 1, 4, 16 };
    char folder[SCRATCH_MAX], path[SCRATCH_MAX + 16];
    struct dk_http_options options = {
        .socket = path, .mode = 0600, .tcp = TCP, .handler = handle
    };
    struct dk_http_server *server;
    struct dk_who *who = dk_who_create();
    struct dk_err err;

    if (argc > 1)
        calls = atoi(argv[1]) / CLIENTS_MAX * CLIENTS_MAX + CLIENTS_MAX;
    scratch_make(folder);
    snprintf(path, sizeof(path), "%s/s", folder);
    if (!munged_start(&munged, folder, "munged")) {
        printf("munge is not installed\n");
        return 77;
    }
    prover = dk_prover_create(&(struct dk_prover_options){ .munge = &munged.munge, .who = who });
    if (dk_http_start(&server, &options, &err) != DK_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        measure("Unix socket", path, false, counts[i]);
        measure("TCP, MUNGE", TCP, false, counts[i]);
        measure("TCP, MUNGE, answer proven", TCP, true, counts[i]);
    }
    dk_prover_stop(prover);
    dk_http_stop(server);
    dk_prover_destroy(prover);
    dk_who_destroy(who);
    munged_stop(&munged);
    scratch_remove(folder);
    return 0;
}
