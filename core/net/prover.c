/* prover.c - threads that ask munged (prover.h)
 *
 * One queue for calls and answers. A worker that finds munged away keeps its job and tries again,
 * five times a second; those behind it in the queue wait as well, and are out of time together. */
#define _GNU_SOURCE
#include "net/prover.h"

#include "base/check.h"
#include "base/sha256.h"
#include "net/journal.h"
#include "net/seen.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { THREADS_DEFAULT = 4, AGAIN_MS = 200, TYPE_SIZE = 64 };

struct job {
    struct job *next;
    struct dk_http_exchange *exchange;
    int64_t deadline; /* milliseconds of the monotonic clock */
    dk_prover_done *done;
    void *context;
    struct dk_buf answer; /* from here on: of an answer, when done is NULL */
    char type[TYPE_SIZE];
    int64_t seq;
    int status;
};

struct dk_prover {
    struct dk_prover_options options;
    struct dk_munge munge;
    pthread_t *threads;
    uint32_t thread_count;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct job *first, **last;
    struct dk_seen *seen;
    struct dk_prover_stats stats;
    bool is_away; /* munged did not answer the last time */
    bool stop;
};

static int64_t now_ms(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- munged away --- */

/* True: try again after a while. */
static bool wait_for_munged(struct dk_prover *prover, const struct job *job, const char *why)
{
    int64_t until = now_ms() + AGAIN_MS;
    struct timespec at = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    bool more, news;

    DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    news = !prover->is_away;
    prover->is_away = true;
    while (!prover->stop && now_ms() < until)
        (void)pthread_cond_timedwait(&prover->changed, &prover->lock, &at);
    more = !prover->stop && now_ms() < job->deadline;
    DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
    if (news)
        dk_journal(DK_JOURNAL_WARNING, "%s: calls over TCP wait, then they are refused", why);
    return more;
}

static void munged_answers(struct dk_prover *prover)
{
    bool news;

    DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    news = prover->is_away;
    prover->is_away = false;
    DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
    if (news)
        dk_journal(DK_JOURNAL_INFO, "munged answers again");
}

/* --- a call --- */

static void unavailable(struct dk_prover *prover, struct dk_http_exchange *exchange)
{
    bool stop;

    DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    prover->stats.unavailable++;
    stop = prover->stop;
    DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
    if (stop)
        dk_http_fail(exchange, 503, "STOPPING", "this daemon is stopping; try again");
    else
        dk_http_fail(exchange, 503, "UNAVAILABLE",
                     "munged does not answer here, so nobody can be proven; try again");
}

/* Good once: by munged's memory and by ours, which outlives munged's. */
static void settle(struct dk_prover *prover, const char *text, struct dk_credential *credential,
                   uint8_t id[DK_SEEN_ID_SIZE])
{
    uint8_t digest[DK_DIGEST_SIZE];
    struct dk_sha256 hash;
    bool is_new = true;

    dk_sha256_init(&hash);
    dk_sha256_add(&hash, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
    dk_sha256_done(&hash, digest);
    memcpy(id, digest, DK_SEEN_ID_SIZE);
    DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    if (credential->proof == DK_PROOF_GOOD)
        is_new = dk_seen_add(prover->seen, id, now_ms() / 1000);
    if (!is_new) {
        credential->proof = DK_PROOF_REPLAYED;
        (void)snprintf(credential->why, sizeof(credential->why),
                       "the credential was used before, says this daemon");
    }
    if (credential->proof == DK_PROOF_GOOD)
        prover->stats.proven++;
    else
        prover->stats.refused++;
    DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
}

static void seal(void *context, struct dk_http_exchange *exchange, int status, const char *type,
                 int64_t seq, struct dk_buf *body);

static void prove(struct dk_prover *prover, const struct job *job)
{
    struct dk_http_exchange *exchange = job->exchange;
    const char *text = dk_http_header(exchange, "Docket-Credential");
    const char *wants = dk_http_header(exchange, "Docket-Prove");
    struct dk_proven proven = { 0 };
    struct dk_credential credential;
    uint8_t digest[DK_DIGEST_SIZE];
    size_t size;
    const uint8_t *body = dk_http_body(exchange, &size);

    dk_digest_call(&prover->munge, dk_http_method(exchange), dk_http_target(exchange), body, size,
                   digest);
    do {
        dk_credential_look(prover->munge.socket, text, digest, &credential);
    } while (credential.proof == DK_PROOF_UNAVAILABLE &&
             wait_for_munged(prover, job, credential.why));
    if (credential.proof == DK_PROOF_UNAVAILABLE) {
        unavailable(prover, exchange);
        return;
    }
    if (credential.uid >= 0)
        munged_answers(prover);
    settle(prover, text, &credential, proven.id);
    proven.proof = credential.proof;
    proven.peer = (struct dk_peer){ credential.uid, credential.gid, -1 };
    if (credential.uid >= 0)
        dk_who_name(prover->options.who, credential.uid, proven.user);
    if (proven.proof != DK_PROOF_GOOD)
        (void)snprintf(proven.why, sizeof(proven.why), "%s (from %s)", credential.why,
                       dk_http_address(exchange));
    else
        dk_http_set_peer(exchange, proven.peer);
    if (proven.proof == DK_PROOF_GOOD && wants != NULL && strcmp(wants, "1") == 0)
        dk_http_seal(exchange, seal, prover);
    job->done(job->context, exchange, &proven);
}

/* --- an answer --- */

static void send_answer(struct dk_prover *prover, struct job *job)
{
    const char *call = dk_http_header(job->exchange, "Docket-Credential");
    char credential[DK_CREDENTIAL_SIZE_MAX];
    uint8_t digest[DK_DIGEST_SIZE];
    struct dk_err err = { 0 };
    enum dk_status status;

    dk_digest_answer(call, job->status, job->seq, job->answer.data, job->answer.size, digest);
    do {
        status = dk_credential_make(prover->munge.socket, digest, credential, &err);
    } while (status == DK_BUSY && wait_for_munged(prover, job, err.text));
    if (status == DK_OK)
        munged_answers(prover);
    dk_http_answer_sealed(job->exchange, job->status, job->type, job->seq, &job->answer,
                          status == DK_OK ? credential : NULL);
}

/* --- the queue --- */

static bool put(struct dk_prover *prover, struct job *job, bool is_bounded)
{
    bool fits;

    job->deadline = now_ms() + DK_PROVER_WAIT_MS;
    DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    fits = !prover->stop && (!is_bounded || prover->stats.waiting < DK_PROVER_QUEUE_MAX);
    if (fits) {
        *prover->last = job;
        prover->last = &job->next;
        prover->stats.waiting++;
        DK_CHECK(pthread_cond_signal(&prover->changed) == 0);
    }
    DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
    return fits;
}

/* dk_http_sealer: in whatever thread answers. As many as there are exchanges. */
static void seal(void *context, struct dk_http_exchange *exchange, int status, const char *type,
                 int64_t seq, struct dk_buf *body)
{
    struct job *job = calloc(1, sizeof(*job));

    DK_CHECK(job != NULL);
    job->exchange = exchange;
    job->status = status;
    job->seq = seq;
    job->answer = *body;
    (void)snprintf(job->type, sizeof(job->type), "%s", type);
    body->data = NULL;
    body->size = body->capacity = 0;
    if (!put(context, job, false)) {
        dk_http_answer_sealed(exchange, status, job->type, seq, &job->answer, NULL);
        free(job);
    }
}

void dk_prover_prove(struct dk_prover *prover, struct dk_http_exchange *exchange,
                     dk_prover_done *done, void *context)
{
    struct job *job = calloc(1, sizeof(*job));

    DK_CHECK(job != NULL);
    job->exchange = exchange;
    job->done = done;
    job->context = context;
    if (!put(prover, job, true)) {
        dk_http_fail(exchange, 503, "BUSY", "too many calls wait for munged; try again");
        free(job);
    }
}

/* What is out of time when its turn comes is not tried: munged hangs. */
static void serve_one(struct dk_prover *prover, struct job *job, bool stop)
{
    bool late = stop || now_ms() >= job->deadline;

    if (job->done != NULL && late)
        unavailable(prover, job->exchange);
    else if (job->done != NULL)
        prove(prover, job);
    else if (late)
        dk_http_answer_sealed(job->exchange, job->status, job->type, job->seq, &job->answer, NULL);
    else
        send_answer(prover, job);
    free(job);
}

static void *serve(void *context)
{
    struct dk_prover *prover = context;

    DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    for (;;) {
        struct job *job = prover->first;
        bool stop = prover->stop;

        if (job == NULL && stop)
            break;
        if (job == NULL) {
            DK_CHECK(pthread_cond_wait(&prover->changed, &prover->lock) == 0);
            continue;
        }
        prover->first = job->next;
        if (prover->first == NULL)
            prover->last = &prover->first;
        prover->stats.waiting--;
        DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
        serve_one(prover, job, stop);
        DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    }
    DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
    return NULL;
}

/* --- beginning and end --- */

struct dk_prover *dk_prover_create(const struct dk_prover_options *options)
{
    struct dk_prover *prover = calloc(1, sizeof(*prover));
    pthread_condattr_t monotonic;

    DK_CHECK(prover != NULL);
    prover->options = *options;
    prover->munge = *options->munge;
    prover->options.munge = &prover->munge;
    prover->last = &prover->first;
    prover->seen = dk_seen_create();
    prover->thread_count = options->threads > 0 ? options->threads : THREADS_DEFAULT;
    prover->threads = calloc(prover->thread_count, sizeof(*prover->threads));
    DK_CHECK(prover->threads != NULL && pthread_mutex_init(&prover->lock, NULL) == 0);
    DK_CHECK(pthread_condattr_init(&monotonic) == 0 &&
             pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
             pthread_cond_init(&prover->changed, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    for (uint32_t i = 0; i < prover->thread_count; i++)
        DK_CHECK(pthread_create(&prover->threads[i], NULL, serve, prover) == 0);
    return prover;
}

void dk_prover_stop(struct dk_prover *prover)
{
    if (prover == NULL)
        return;
    DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    prover->stop = true;
    DK_CHECK(pthread_cond_broadcast(&prover->changed) == 0);
    DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
    for (uint32_t i = 0; i < prover->thread_count; i++)
        DK_CHECK(pthread_join(prover->threads[i], NULL) == 0);
    prover->thread_count = 0;
}

void dk_prover_destroy(struct dk_prover *prover)
{
    if (prover == NULL)
        return;
    dk_prover_stop(prover);
    dk_seen_destroy(prover->seen);
    (void)pthread_mutex_destroy(&prover->lock);
    (void)pthread_cond_destroy(&prover->changed);
    free(prover->threads);
    free(prover);
}

void dk_prover_stats(struct dk_prover *prover, struct dk_prover_stats *stats)
{
    memset(stats, 0, sizeof(*stats));
    if (prover == NULL)
        return;
    DK_CHECK(pthread_mutex_lock(&prover->lock) == 0);
    *stats = prover->stats;
    DK_CHECK(pthread_mutex_unlock(&prover->lock) == 0);
}
