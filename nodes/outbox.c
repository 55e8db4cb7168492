/* outbox.c - reports go out (outbox.h) */
#define _GNU_SOURCE
#include "nodes/outbox.h"

#include "base/buf.h"
#include "base/check.h"
#include "event/request.h"
#include "net/client.h"
#include "net/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
    REPORTS_MAX = 256,
    CALL_MS = 30000,
    PAUSE_US_MIN = 50000,
    PAUSE_US_MAX = 2000000,
    SILENCE_US = 1000000, /* of the controller: then ends are made durable here */
    KEY = 16
};

#define BEAT_US_DEFAULT INT64_C(10000000)
#define REGISTER_AGAIN_US INT64_C(10000000)
#define BODY_MAX ((size_t)16 << 20)

struct report {
    struct report *next;
    int64_t job;
    int32_t attempt;
    struct dk_bytes request; /* its bytes follow the struct */
};

struct dk_outbox {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct report *waiting, **waiting_last;   /* under the lock */
    struct report *answered, **answered_last; /* under the lock: news */
    bool silent, silent_told;                 /* under the lock */
    int64_t beat_us;                          /* under the lock */
    int wake;
    char *socket;
    struct dk_node_spec spec; /* its texts are copies */
    struct dk_client *client; /* from here on the thread's own */
    bool registered, complained;
    int64_t register_us, beat_next_us, failing_us;
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

/* --- the answer --- */

/* A quote inside a text of JSON has a backslash before it, so this word with its quotes is a key.
 */
uint32_t dk_outbox_results(const char *body, size_t size, char *results, uint32_t count_max)
{
    static const char key[] = "\"result\":\"";
    uint32_t count = 0;
    const char *at = body, *end = body + size;

    while (count < count_max &&
           (at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1)) != NULL) {
        at += sizeof(key) - 1;
        if (at < end)
            results[count++] = *at;
    }
    return count;
}

/* --- a call --- */

static void add_request(struct dk_outbox *outbox, const struct dk_request *request)
{
    uint8_t size[4] = { 0 };
    size_t first = outbox->body.size, used;

    DK_CHECK(dk_buf_add(&outbox->body, size, sizeof(size)));
    DK_CHECK(dk_request_encode(request, &outbox->body, NULL) == DK_OK);
    used = outbox->body.size - first - sizeof(size);
    for (int i = 0; i < 4; i++)
        outbox->body.data[first + (size_t)i] = (uint8_t)(used >> (8 * i));
}

static void add_register(struct dk_outbox *outbox)
{
    struct dk_request request = { .type = DK_REQUEST_REGISTER_NODE };
    uint8_t key[KEY];

    if (getrandom(key, sizeof(key), 0) == (ssize_t)sizeof(key))
        request.meta.key = (struct dk_bytes){ key, sizeof(key) };
    request.register_node.spec = outbox->spec;
    add_request(outbox, &request);
}

static void add_beat(struct dk_outbox *outbox)
{
    struct dk_request request = { .type = DK_REQUEST_BEAT_NODES };

    request.beat_nodes.nodes = &outbox->spec.name;
    request.beat_nodes.nodes_count = 1;
    add_request(outbox, &request);
}

static void add_report(struct dk_outbox *outbox, const struct report *report)
{
    uint8_t size[4];

    for (int i = 0; i < 4; i++)
        size[i] = (uint8_t)(report->request.size >> (8 * i));
    DK_CHECK(dk_buf_add(&outbox->body, size, sizeof(size)));
    DK_CHECK(dk_buf_add(&outbox->body, report->request.data, report->request.size));
}

/* Under the lock: the body of the next call. Reports stay where they are until they are answered.
 */
static uint32_t gather(struct dk_outbox *outbox, bool registers, bool beats)
{
    uint32_t count = 0;

    dk_buf_clear(&outbox->body);
    if (registers)
        add_register(outbox);
    for (const struct report *report = outbox->waiting; report != NULL && count < REPORTS_MAX;
         report = report->next) {
        if (outbox->body.size + report->request.size > BODY_MAX / 2)
            break;
        add_report(outbox, report);
        count++;
    }
    if (beats)
        add_beat(outbox);
    return count;
}

static enum dk_status call(struct dk_outbox *outbox, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (outbox->client == NULL)
        status = dk_client_open(&outbox->client, outbox->socket, err);
    if (status == DK_OK)
        status = dk_client_call(outbox->client, "POST", "/v1/requests",
                                "application/vnd.docket.requests", outbox->body.data,
                                outbox->body.size, CALL_MS, &outbox->reply, err);
    if (status == DK_OK && outbox->reply.status != 200)
        return dk_fail(err, DK_BUSY, "the controller answers %d: %.*s", outbox->reply.status,
                       outbox->reply.body.size > 200 ? 200 : (int)outbox->reply.body.size,
                       (const char *)outbox->reply.body.data);
    if (status != DK_OK) {
        dk_client_close(outbox->client);
        outbox->client = NULL;
        outbox->registered = false; /* who knows what comes up there */
    }
    return status;
}

/* Under the lock. */
static void take_answer(struct dk_outbox *outbox, uint32_t reports, bool registers, bool beats)
{
    char results[REPORTS_MAX + 2];
    uint32_t count = dk_outbox_results((const char *)outbox->reply.body.data,
                                       outbox->reply.body.size, results, sizeof(results));
    int64_t now = now_us();

    if (registers && count > 0) {
        outbox->registered = results[0] != 'r';
        outbox->register_us = now + REGISTER_AGAIN_US;
        if (!outbox->registered)
            dk_journal(DK_JOURNAL_WARNING, "the cluster does not take this node: %.*s",
                       outbox->reply.body.size > 400 ? 400 : (int)outbox->reply.body.size,
                       (const char *)outbox->reply.body.data);
    }
    if (beats) {
        outbox->beat_next_us = now + outbox->beat_us;
        if (count > 0 && results[count - 1] == 'r')
            outbox->registered = false;
    }
    for (uint32_t i = 0; i < reports; i++) {
        struct report *report = outbox->waiting;

        DK_CHECK(report != NULL); /* only this thread takes them out */
        outbox->waiting = report->next;
        if (outbox->waiting == NULL)
            outbox->waiting_last = &outbox->waiting;
        report->next = NULL;
        *outbox->answered_last = report;
        outbox->answered_last = &report->next;
    }
    if (reports > 0)
        tell(outbox);
}

/* Under the lock: the controller did not answer, or not well. */
static void take_failure(struct dk_outbox *outbox, const struct dk_err *err, int64_t *pause)
{
    int64_t now = now_us();

    if (outbox->failing_us == 0)
        outbox->failing_us = now;
    if (now - outbox->failing_us > SILENCE_US && !outbox->complained) {
        dk_journal(DK_JOURNAL_WARNING, "the controller takes no reports: %s; jobs go on",
                   err->text);
        outbox->complained = true;
    }
    if (now - outbox->failing_us > SILENCE_US && outbox->waiting != NULL && !outbox->silent_told) {
        outbox->silent = outbox->silent_told = true;
        tell(outbox);
    }
    now += *pause;
    while (now_us() < now)
        wait_until(outbox, now);
    *pause = *pause * 2 > PAUSE_US_MAX ? PAUSE_US_MAX : *pause * 2;
}

static void *run(void *context)
{
    struct dk_outbox *outbox = context;
    int64_t pause = PAUSE_US_MIN;

    DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
    for (;;) {
        struct dk_err err = { 0 };
        int64_t now = now_us();
        bool registers = !outbox->registered && now >= outbox->register_us;
        bool beats = now >= outbox->beat_next_us;
        uint32_t reports;
        enum dk_status status;

        if (!registers && !beats && outbox->waiting == NULL) {
            wait_until(outbox, outbox->registered || outbox->beat_next_us < outbox->register_us
                                   ? outbox->beat_next_us
                                   : outbox->register_us);
            continue;
        }
        reports = gather(outbox, registers, beats);
        DK_CHECK(pthread_mutex_unlock(&outbox->lock) == 0);
        status = call(outbox, &err);
        DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
        if (status != DK_OK) {
            outbox->register_us = 0;
            take_failure(outbox, &err, &pause);
            continue;
        }
        if (outbox->complained)
            dk_journal(DK_JOURNAL_INFO, "the controller takes reports again");
        outbox->complained = outbox->silent_told = false;
        outbox->failing_us = 0;
        pause = PAUSE_US_MIN;
        take_answer(outbox, reports, registers, beats);
    }
    return NULL;
}

/* --- the agent's side --- */

static struct dk_text copy_text(struct dk_text text)
{
    char *copy = malloc(text.size + (size_t)1);

    DK_CHECK(copy != NULL);
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return (struct dk_text){ copy, text.size };
}

static void copy_spec(struct dk_node_spec *to, const struct dk_node_spec *from)
{
    struct dk_text *features = calloc(from->features_count + (size_t)1, sizeof(*features));

    DK_CHECK(features != NULL);
    *to = *from;
    to->name = copy_text(from->name);
    to->topology = copy_text(from->topology);
    to->boot = copy_text(from->boot);
    to->host = copy_text(from->host);
    to->isolation = copy_text(from->isolation);
    to->version = copy_text(from->version);
    for (uint32_t i = 0; i < from->features_count; i++)
        features[i] = copy_text(from->features[i]);
    to->features = features;
}

enum dk_status dk_outbox_start(struct dk_outbox **out, const char *socket,
                               const struct dk_node_spec *spec, struct dk_err *err)
{
    struct dk_outbox *outbox = calloc(1, sizeof(*outbox));
    pthread_condattr_t monotonic;

    DK_CHECK(outbox != NULL);
    copy_spec(&outbox->spec, spec);
    outbox->waiting_last = &outbox->waiting;
    outbox->answered_last = &outbox->answered;
    outbox->beat_us = BEAT_US_DEFAULT;
    outbox->beat_next_us = now_us() + BEAT_US_DEFAULT; /* registering says that we live */
    outbox->socket = strdup(socket);
    outbox->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dk_buf_init(&outbox->body, &dk_heap, BODY_MAX);
    dk_buf_init(&outbox->reply.body, &dk_heap, BODY_MAX);
    DK_CHECK(outbox->socket != NULL && pthread_mutex_init(&outbox->lock, NULL) == 0);
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
    outbox->beat_us = beat_us > 0 ? beat_us : BEAT_US_DEFAULT;
    if (outbox->beat_next_us > now_us() + outbox->beat_us)
        outbox->beat_next_us = now_us() + outbox->beat_us;
    DK_CHECK(pthread_cond_signal(&outbox->changed) == 0);
    DK_CHECK(pthread_mutex_unlock(&outbox->lock) == 0);
}

void dk_outbox_report(struct dk_outbox *outbox, int64_t job, int32_t attempt,
                      struct dk_bytes request)
{
    struct report *report = malloc(sizeof(*report) + request.size);

    DK_CHECK(report != NULL);
    memcpy(report + 1, request.data, request.size);
    *report =
        (struct report){ NULL, job, attempt, { (const uint8_t *)(report + 1), request.size } };
    DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
    *outbox->waiting_last = report;
    outbox->waiting_last = &report->next;
    outbox->silent_told = false; /* one more that is not durable */
    DK_CHECK(pthread_cond_signal(&outbox->changed) == 0);
    DK_CHECK(pthread_mutex_unlock(&outbox->lock) == 0);
}

int dk_outbox_fd(const struct dk_outbox *outbox)
{
    return outbox->wake;
}

bool dk_outbox_take(struct dk_outbox *outbox, struct dk_outbox_news *news)
{
    struct report *report;
    uint64_t count;
    bool is_news = true;

    if (read(outbox->wake, &count, sizeof(count)) < 0) { /* only to make it silent */
    }
    memset(news, 0, sizeof(*news));
    DK_CHECK(pthread_mutex_lock(&outbox->lock) == 0);
    report = outbox->answered;
    if (report != NULL) {
        outbox->answered = report->next;
        if (outbox->answered == NULL)
            outbox->answered_last = &outbox->answered;
        news->job = report->job;
        news->attempt = report->attempt;
        free(report);
    } else {
        is_news = outbox->silent;
        outbox->silent = false;
    }
    DK_CHECK(pthread_mutex_unlock(&outbox->lock) == 0);
    return is_news;
}
