/* outbox.c - reports go out: the thread that makes the calls (outbox.h; what is said: reports.h) */
#define _GNU_SOURCE
#include "nodes/outbox.h"

#include "base/check.h"
#include "net/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { CALL_MS = 30000, KEY = 16 };

#define BODY_MAX ((size_t)16 << 20)

struct dk_outbox {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct dk_reports *reports; /* under the lock */
    int wake;
    struct dk_endpoints *controllers; /* from here on the thread's own */
    bool is_broken;                   /* nobody answered the last call: who knows what comes up */
    struct dk_buf body;
    struct dk_reply reply;
};

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void wait_until(struct dk_outbox *outbox, int64_t until_us)
{
    struct timespec until = { .tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000 };

    (void)pthread_cond_timedwait(&outbox->changed, &outbox->lock, &until);
}

static void tell(struct dk_outbox *outbox)
{
    const uint64_t one = 1;

    DK_CHECK(write(outbox->wake, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

static enum dk_status call(struct dk_outbox *outbox, struct dk_err *err)
{
    enum dk_status status = dk_endpoints_call(outbox->controllers, "POST", "/v1/requests",
                                              "application/vnd.docket.requests", outbox->body.data,
                                              outbox->body.size, CALL_MS, &outbox->reply, err);

    outbox->is_broken = status != DK_OK;
    if (status == DK_OK && outbox->reply.status != 200)
        status = dk_fail(err, DK_BUSY, "the controller answers %d: %.*s", outbox->reply.status,
                         outbox->reply.body.size > 200 ? 200 : (int)outbox->reply.body.size,
                         (const char *)outbox->reply.body.data);
    if (status != DK_OK)
        dk_endpoints_leave(outbox->controllers);
    return status;
}

/* Under the lock: the controller did not answer, or not well. */
static void take_failure(struct dk_outbox *outbox, const struct dk_err *err)
{
    int64_t now = now_us();
    bool complain;
    int64_t pause = dk_reports_failed(outbox->reports, now, outbox->is_broken, &complain);

    if (complain)
        dk_journal(DK_JOURNAL_WARNING, "the controller takes no reports: %s; jobs go on",
                   err->text);
    if (dk_reports_has_news(outbox->reports))
        tell(outbox);
    now += pause;
    while (now_us() < now)
        wait_until(outbox, now);
}

static void *run(void *context)
{
    struct dk_outbox *outbox = context;

    DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
    for (;;) {
        struct dk_err err = { 0 };
        uint8_t key[KEY];
        struct dk_bytes made = { key, sizeof(key) };
        enum dk_status status;
        int64_t until;

        if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
            made.size = 0;
        if (!dk_reports_next(outbox->reports, now_us(), made, &outbox->body, &until)) {
            wait_until(outbox, until);
            continue;
        }
        DK_CHECK(pthread_mutex_unlock(&outbox->lock) == 0);
        status = call(outbox, &err);
        DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
        if (status != DK_OK) {
            take_failure(outbox, &err);
            continue;
        }
        if (dk_reports_answered(outbox->reports, now_us(), (const char *)outbox->reply.body.data,
                                outbox->reply.body.size))
            dk_journal(DK_JOURNAL_INFO, "the controller takes reports again");
        if (dk_reports_has_news(outbox->reports))
            tell(outbox);
    }
    return NULL;
}

/* --- the agent's side --- */

enum dk_status dk_outbox_start(struct dk_outbox **out, struct dk_endpoints *controllers,
                               const struct dk_node_spec *spec, struct dk_err *err)
{
    struct dk_outbox *outbox = calloc(1, sizeof(*outbox));
    pthread_condattr_t monotonic;

    DK_CHECK(outbox != NULL);
    outbox->reports = dk_reports_create(spec, now_us());
    outbox->controllers = controllers;
    outbox->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dk_buf_init(&outbox->body, &dk_heap, BODY_MAX);
    dk_buf_init(&outbox->reply.body, &dk_heap, BODY_MAX);
    DK_CHECK(pthread_mutex_init(&outbox->lock, NULL) == 0);
    DK_CHECK(pthread_condattr_init(&monotonic) == 0 &&
             pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
             pthread_cond_init(&outbox->changed, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    if (outbox->wake < 0 || pthread_create(&outbox->thread, NULL, run, outbox) != 0)
        return dk_fail(err, DK_IO, "no thread for reports can be made");
    *out = outbox;
    return DK_OK;
}

void dk_outbox_set_beat(struct dk_outbox *outbox, int64_t beat_us)
{
    DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
    dk_reports_set_beat(outbox->reports, beat_us, now_us());
    DK_CHECK(pthread_cond_signal(&outbox->changed) == 0);
    DK_CHECK(pthread_mutex_unlock(&outbox->lock) == 0);
}

void dk_outbox_report(struct dk_outbox *outbox, int64_t job, int32_t attempt,
                      struct dk_bytes request)
{
    DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
    dk_reports_add(outbox->reports, job, attempt, request);
    DK_CHECK(pthread_cond_signal(&outbox->changed) == 0);
    DK_CHECK(pthread_mutex_unlock(&outbox->lock) == 0);
}

int dk_outbox_fd(const struct dk_outbox *outbox)
{
    return outbox->wake;
}

bool dk_outbox_take(struct dk_outbox *outbox, struct dk_outbox_news *news)
{
    uint64_t count;
    bool is_news;

    if (read(outbox->wake, &count, sizeof(count)) < 0) { /* only to make it silent */
    }
    DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
    is_news = dk_reports_take(outbox->reports, news);
    DK_CHECK(pthread_mutex_unlock(&outbox->lock) == 0);
    return is_news;
}
