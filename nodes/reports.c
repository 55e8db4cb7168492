/* reports.c - what there is to tell, and when (reports.h) */
#define _GNU_SOURCE /* memmem */
#include "nodes/reports.h"

#include "base/check.h"
#include "event/request.h"
#include "net/journal.h"

#include <stdlib.h>
#include <string.h>

enum {
    REPORTS_MAX = 256,
    PAUSE_US_MIN = 50000,
    PAUSE_US_MAX = 2000000,
    SILENCE_US = 1000000, /* of the controller: then ends are made durable here */
};

#define BEAT_US_DEFAULT INT64_C(10000000)
#define REGISTER_AGAIN_US INT64_C(10000000)
#define BODY_MAX ((size_t)8 << 20)

struct report {
    struct report *next;
    int64_t job;
    int32_t attempt;
    struct dk_bytes request; /* its bytes follow the struct */
};

struct dk_reports {
    struct report *waiting, **waiting_last;
    struct report *answered, **answered_last; /* news */
    bool silent, silent_told;
    struct dk_node_spec spec; /* its texts are copies */
    bool registered, complained;
    int64_t beat_us, register_us, beat_next_us, failing_us, pause_us;
    uint32_t calling; /* reports of the call that is on its way */
    bool registers, beats;
};

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

struct dk_reports *dk_reports_create(const struct dk_node_spec *spec, int64_t now)
{
    struct dk_reports *reports = calloc(1, sizeof(*reports));

    DK_CHECK(reports != NULL);
    copy_spec(&reports->spec, spec);
    reports->waiting_last = &reports->waiting;
    reports->answered_last = &reports->answered;
    reports->beat_us = BEAT_US_DEFAULT;
    reports->pause_us = PAUSE_US_MIN;
    reports->beat_next_us = now + BEAT_US_DEFAULT; /* registering says that we live */
    return reports;
}

static void free_list(struct report *report)
{
    for (struct report *next; report != NULL; report = next) {
        next = report->next;
        free(report);
    }
}

void dk_reports_destroy(struct dk_reports *reports)
{
    const struct dk_node_spec *spec;
    const struct dk_text *texts[6];

    if (reports == NULL)
        return;
    spec = &reports->spec;
    texts[0] = &spec->name;
    texts[1] = &spec->topology;
    texts[2] = &spec->boot;
    texts[3] = &spec->host;
    texts[4] = &spec->isolation;
    texts[5] = &spec->version;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free((void *)(uintptr_t)texts[i]->data);
    for (uint32_t i = 0; i < spec->features_count; i++)
        free((void *)(uintptr_t)spec->features[i].data);
    free((void *)(uintptr_t)spec->features);
    free_list(reports->waiting);
    free_list(reports->answered);
    free(reports);
}

void dk_reports_set_beat(struct dk_reports *reports, int64_t beat_us, int64_t now)
{
    reports->beat_us = beat_us > 0 ? beat_us : BEAT_US_DEFAULT;
    if (reports->beat_next_us > now + reports->beat_us)
        reports->beat_next_us = now + reports->beat_us;
}

void dk_reports_add(struct dk_reports *reports, int64_t job, int32_t attempt,
                    struct dk_bytes request)
{
    struct report *report = malloc(sizeof(*report) + request.size);

    DK_CHECK(report != NULL);
    memcpy(report + 1, request.data, request.size);
    *report =
        (struct report){ NULL, job, attempt, { (const uint8_t *)(report + 1), request.size } };
    *reports->waiting_last = report;
    reports->waiting_last = &report->next;
    reports->silent_told = false; /* one more that is not durable */
}

/* --- a call --- */

static void add_size(uint8_t *room, size_t size)
{
    for (int i = 0; i < 4; i++)
        room[i] = (uint8_t)(size >> (8 * i));
}

static void add_request(struct dk_buf *body, const struct dk_request *request)
{
    uint8_t size[4] = { 0 };
    size_t first = body->size;

    DK_CHECK(dk_buf_add(body, size, sizeof(size)));
    DK_CHECK(dk_request_encode(request, body, NULL) == DK_OK);
    add_size(body->data + first, body->size - first - sizeof(size));
}

static void add_register(const struct dk_reports *reports, struct dk_bytes key, struct dk_buf *body)
{
    struct dk_request request = { .type = DK_REQUEST_REGISTER_NODE, .meta.key = key };

    request.register_node.spec = reports->spec;
    add_request(body, &request);
}

static void add_beat(const struct dk_reports *reports, struct dk_buf *body)
{
    struct dk_request request = { .type = DK_REQUEST_BEAT_NODES };

    request.beat_nodes.nodes = &reports->spec.name;
    request.beat_nodes.nodes_count = 1;
    add_request(body, &request);
}

static void add_report(const struct report *report, struct dk_buf *body)
{
    uint8_t size[4];

    add_size(size, report->request.size);
    DK_CHECK(dk_buf_add(body, size, sizeof(size)));
    DK_CHECK(dk_buf_add(body, report->request.data, report->request.size));
}

/* Reports stay where they are until they are answered. */
bool dk_reports_next(struct dk_reports *reports, int64_t now, struct dk_bytes key,
                     struct dk_buf *body, int64_t *until)
{
    reports->registers = !reports->registered && now >= reports->register_us;
    reports->beats = now >= reports->beat_next_us;
    reports->calling = 0;
    if (!reports->registers && !reports->beats && reports->waiting == NULL) {
        *until = reports->registered || reports->beat_next_us < reports->register_us
                     ? reports->beat_next_us
                     : reports->register_us;
        return false;
    }
    dk_buf_clear(body);
    if (reports->registers)
        add_register(reports, key, body);
    for (const struct report *report = reports->waiting;
         report != NULL && reports->calling < REPORTS_MAX; report = report->next) {
        if (body->size + report->request.size > BODY_MAX)
            break;
        add_report(report, body);
        reports->calling++;
    }
    if (reports->beats)
        add_beat(reports, body);
    return true;
}

/* --- how it went --- */

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

bool dk_reports_answered(struct dk_reports *reports, int64_t now, const char *body, size_t size)
{
    char results[REPORTS_MAX + 2];
    uint32_t count = dk_outbox_results(body, size, results, sizeof(results));
    bool again = reports->complained;

    reports->complained = reports->silent_told = false;
    reports->failing_us = 0;
    reports->pause_us = PAUSE_US_MIN;
    if (reports->registers && count > 0) {
        reports->registered = results[0] != 'r';
        reports->register_us = now + REGISTER_AGAIN_US;
        if (!reports->registered)
            dk_journal(DK_JOURNAL_WARNING, "the cluster does not take this node: %.*s",
                       size > 400 ? 400 : (int)size, body);
    }
    if (reports->beats) {
        reports->beat_next_us = now + reports->beat_us;
        if (count > 0 && results[count - 1] == 'r')
            reports->registered = false;
    }
    for (; reports->calling > 0; reports->calling--) {
        struct report *report = reports->waiting;

        DK_CHECK(report != NULL); /* nothing takes them out meanwhile */
        reports->waiting = report->next;
        if (reports->waiting == NULL)
            reports->waiting_last = &reports->waiting;
        report->next = NULL;
        *reports->answered_last = report;
        reports->answered_last = &report->next;
    }
    return again;
}

int64_t dk_reports_failed(struct dk_reports *reports, int64_t now, bool broken, bool *complain)
{
    int64_t pause = reports->pause_us;

    if (broken)
        reports->registered = false;
    reports->register_us = 0;
    reports->calling = 0;
    if (reports->failing_us == 0)
        reports->failing_us = now;
    *complain = now - reports->failing_us > SILENCE_US && !reports->complained;
    reports->complained = reports->complained || *complain;
    if (now - reports->failing_us > SILENCE_US && reports->waiting != NULL && !reports->silent_told)
        reports->silent = reports->silent_told = true;
    reports->pause_us = pause * 2 > PAUSE_US_MAX ? PAUSE_US_MAX : pause * 2;
    return pause;
}

/* --- news --- */

bool dk_reports_has_news(const struct dk_reports *reports)
{
    return reports->answered != NULL || reports->silent;
}

bool dk_reports_take(struct dk_reports *reports, struct dk_outbox_news *news)
{
    struct report *report = reports->answered;
    bool is_news = true;

    memset(news, 0, sizeof(*news));
    if (report != NULL) {
        reports->answered = report->next;
        if (reports->answered == NULL)
            reports->answered_last = &reports->answered;
        news->job = report->job;
        news->attempt = report->attempt;
        free(report);
    } else {
        is_news = reports->silent;
        reports->silent = false;
    }
    return is_news;
}
