/* outcome.c - what came of a request (outcome.h) */
#include "controller/outcome.h"

#include "base/json.h"
#include "event/about.h"

#include <stdio.h>

static void add_number(struct dk_buf *out, const char *name, int64_t value)
{
    (void)dk_buf_add_text(out, name);
    (void)dk_json_integer(out, value);
}

static void add_rejected(struct dk_buf *out, const struct dk_event *outcome)
{
    const struct dk_request_rejected *rejected = &outcome->request_rejected;

    (void)dk_buf_add_text(out, ",\"reason\":");
    (void)dk_json_text(out, dk_text_of(dk_reject_reason_name(rejected->reason)));
    (void)dk_buf_add_text(out, ",\"detail\":");
    (void)dk_json_text(out, rejected->detail);
}

void dk_outcome_add(struct dk_buf *results, const struct dk_event *outcome, int64_t first_job)
{
    bool rejected = outcome != NULL && outcome->type == DK_EVENT_REQUEST_REJECTED;
    bool duplicate = rejected && outcome->request_rejected.reason == DK_REJECT_REASON_DUPLICATE;
    int64_t job = duplicate ? first_job : outcome != NULL ? dk_event_job(outcome) : 0;

    if (results->size > 0)
        (void)dk_buf_add_text(results, ",");
    (void)dk_buf_add_text(results, duplicate  ? "{\"result\":\"duplicate\""
                                   : rejected ? "{\"result\":\"rejected\""
                                              : "{\"result\":\"accepted\"");
    if (outcome != NULL)
        add_number(results, ",\"seq\":", outcome->meta.seq);
    if (rejected && !duplicate)
        add_rejected(results, outcome);
    if (outcome != NULL && !rejected) {
        (void)dk_buf_add_text(results, ",\"event\":");
        (void)dk_json_text(results, dk_text_of(dk_event_name(outcome->type)));
    }
    if (job != 0)
        add_number(results, ",\"job\":", job);
    (void)dk_buf_add_text(results, "}");
}

int64_t dk_outcome_first_job(const struct dk_core *core, int32_t uid,
                             const struct dk_event *outcome)
{
    if (outcome == NULL || outcome->type != DK_EVENT_REQUEST_REJECTED ||
        outcome->request_rejected.reason != DK_REJECT_REASON_DUPLICATE)
        return 0;
    return dk_core_duplicate(core, uid, outcome->request_rejected.key);
}

void dk_outcome_answer(struct dk_http_exchange *exchange, int64_t seq, const struct dk_buf *results)
{
    struct dk_buf body;
    char head[64];

    dk_buf_init(&body, &dk_heap, (size_t)1 << 30);
    (void)snprintf(head, sizeof(head), "{\"seq\":%lld,\"results\":[", (long long)seq);
    (void)dk_buf_add_text(&body, head);
    (void)dk_buf_add(&body, results->data, results->size);
    (void)dk_buf_add_text(&body, "]}\n");
    dk_http_answer(exchange, 200, "application/json", seq, &body);
}
