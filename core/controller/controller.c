/* controller.c - the loop (controller.h)
 *
 * What is where when the process dies: before the sync nobody was answered, and a client asks again
 * with its key; after it the outcome is in the log, and the same key is answered from there. */
#define _GNU_SOURCE
#include "controller/controller.h"

#include "base/check.h"
#include "controller/config.h"
#include "controller/follower.h"
#include "controller/intake.h"
#include "controller/outcome.h"
#include "controller/stamp.h"
#include "log/blobs.h"
#include "log/snapshots.h"
#include "net/journal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SECOND_US INT64_C(1000000)
#define BEAT_GATHER_US SECOND_US
#define FULL_RETRY_US SECOND_US

#define REST_US (5 * SECOND_US)

enum { REST_REQUESTS = 1000 }; /* since the last rest, that make another worth it */
enum { BATCH_REQUESTS = 4096, BEATS_MAX = 131072, NAME_SIZE = 65, DEADLINE_STEP_MS = 10 };

struct controller {
    const struct dk_controller_options *options;
    struct dk_log *log;
    struct dk_core *core;
    struct dk_batcher *batcher;
    struct dk_blobs *blobs;
    struct dk_intake *intake;
    struct dk_http_server *server;
    struct dk_clock clock;
    int wake_fd;
    int64_t number;  /* of the last request */
    int64_t seq;     /* of the last durable event */
    int64_t started; /* when this controller did */
    uint64_t requests, batches, syncs;
    uint64_t rested_requests; /* so many there were at the last rest */
    int64_t rested;
    struct dk_call *calls, **calls_end; /* taken, not admitted yet */
    struct dk_call *done, **done_end;   /* in the open batch, to be answered */
    char (*beats)[NAME_SIZE]; /* nodes that said that they live, since the last NodesBeat */
    uint32_t beat_count;
    int64_t beats_due;  /* 0: none waits */
    int64_t full_retry; /* the log is full: when to try again; 0: it is not */
};

/* --- answers --- */

static void add_result(struct controller *controller, struct dk_call *call,
                       const struct dk_request *request, const struct dk_event *outcome)
{
    int64_t first = 0;

    if (outcome != NULL && outcome->type == DK_EVENT_REQUEST_REJECTED &&
        outcome->request_rejected.reason == DK_REJECT_REASON_DUPLICATE)
        first = dk_core_duplicate(controller->core, call->actor.uid, request->meta.key);
    dk_outcome_add(&call->answer, outcome, first);
}

static void answer(struct controller *controller, struct dk_call *call)
{
    struct dk_buf body;
    char head[64];

    if (call->unreadable != 0) {
        dk_http_fail(call->exchange, call->unreadable,
                     call->unreadable == 413 ? "TOO_LARGE" : "UNREADABLE", "%.*s",
                     (int)call->why.size, call->why.data);
        dk_intake_release(controller->intake, call);
        return;
    }
    dk_buf_init(&body, &dk_heap, (size_t)1 << 30);
    (void)snprintf(head, sizeof(head), "{\"seq\":%lld,\"results\":[", (long long)controller->seq);
    (void)dk_buf_add_text(&body, head);
    (void)dk_buf_add(&body, call->answer.data, call->answer.size);
    (void)dk_buf_add_text(&body, "]}\n");
    dk_http_answer(call->exchange, 200, "application/json", controller->seq, &body);
    dk_intake_release(controller->intake, call);
}

static void answer_done(struct controller *controller)
{
    struct dk_call *call = controller->done, *next;

    controller->done = NULL;
    controller->done_end = &controller->done;
    for (; call != NULL; call = next) {
        next = call->next;
        answer(controller, call);
    }
}

static void fail_calls(struct controller *controller, struct dk_call *calls, int status,
                       const char *reason, const char *text)
{
    for (struct dk_call *next; calls != NULL; calls = next) {
        next = calls->next;
        dk_http_fail(calls->exchange, status, reason, "%s", text);
        dk_intake_release(controller->intake, calls);
    }
}

/* --- making it durable --- */

static void say_status(struct controller *controller)
{
    struct dk_core_stats stats;
    char json[1024];

    dk_core_stats(controller->core, &stats);
    (void)snprintf(
        json, sizeof(json),
        "{\"part\":\"controller\",\"version\":\"%s\",\"epoch\":%u,\"seq\":%lld,"
        "\"time\":%lld,\"started\":%lld,\"full\":%s,\"requests\":%llu,\"batches\":%llu,"
        "\"jobs_pending\":%llu,\"jobs_running\":%llu,\"nodes\":%llu,\"pid\":%d}\n",
        controller->options->version, dk_log_epoch(controller->log), (long long)controller->seq,
        (long long)stats.time, (long long)controller->started,
        controller->full_retry != 0 ? "true" : "false", (unsigned long long)controller->requests,
        (unsigned long long)controller->batches, (unsigned long long)stats.jobs_pending,
        (unsigned long long)stats.jobs_running, (unsigned long long)stats.nodes, (int)getpid());
    dk_intake_status(controller->intake, json);
}

static enum dk_status log_full(struct controller *controller, const struct dk_err *err)
{
    static const char detail[] = "the log's file system is full: nothing is admitted until there "
                                 "is space; ask again with the same key";

    if (controller->full_retry == 0)
        dk_journal(DK_JOURNAL_ERROR, "%s; nothing is admitted until there is space", err->text);
    controller->full_retry = dk_clock_now(&controller->clock) + FULL_RETRY_US;
    dk_intake_refuse(controller->intake, 507, "FULL", detail);
    fail_calls(controller, controller->done, 507, "FULL", detail);
    controller->done = NULL;
    controller->done_end = &controller->done;
    fail_calls(controller, controller->calls, 507, "FULL", detail);
    controller->calls = NULL;
    controller->calls_end = &controller->calls;
    return DK_OK;
}

static enum dk_status make_durable(struct controller *controller, struct dk_err *err)
{
    enum dk_status status = dk_blobs_sync(controller->blobs, err);

    if (status == DK_OK)
        status = dk_log_sync(controller->log, err);
    if (status == DK_FULL)
        return log_full(controller, err);
    if (status != DK_OK)
        return status;
    if (controller->full_retry != 0) {
        controller->full_retry = 0;
        dk_intake_refuse(controller->intake, 0, NULL, NULL);
        dk_journal(DK_JOURNAL_INFO, "there is space again");
    }
    controller->seq = (int64_t)dk_log_seq_next(controller->log) - 1;
    controller->syncs++;
    say_status(controller); /* first: who was answered may look at it */
    answer_done(controller);
    return DK_OK;
}

static enum dk_status close_batch(struct controller *controller, struct dk_err *err)
{
    const struct dk_events *events;
    enum dk_status status =
        dk_batcher_close(controller->batcher, dk_clock_now(&controller->clock), &events, err);

    controller->batches++;
    return status == DK_OK ? make_durable(controller, err) : status;
}

/* --- requests --- */

/* Script, environment and arguments go beside the log; the spec gets their digests. The digest is
 * kept in the call's arena, for the event borrows it until the batch is closed. */
static enum dk_status keep_blob(struct controller *controller, struct dk_call *call,
                                struct dk_bytes *bytes, struct dk_bytes *digest, struct dk_err *err)
{
    uint8_t *room;

    digest->size = 0; /* a digest is ours to make, never the client's */
    if (bytes->size == 0)
        return DK_OK;
    room = dk_arena_take(&call->arena, DK_BLOB_DIGEST_SIZE);
    *digest = (struct dk_bytes){ room, DK_BLOB_DIGEST_SIZE };
    return dk_blobs_put(controller->blobs, bytes->data, bytes->size, room, err);
}

static enum dk_status keep_blobs(struct controller *controller, struct dk_call *call,
                                 struct dk_request *request, struct dk_err *err)
{
    struct dk_submit_job *submit = &request->submit_job;
    struct dk_job_launch *launch = &submit->spec.launch;
    enum dk_status status = keep_blob(controller, call, &submit->script, &submit->spec.script, err);

    if (!submit->spec.has_launch) {
        if (submit->script.size == 0)
            return status;
        *launch = (struct dk_job_launch){ .umask = 022 };
        submit->spec.has_launch = true;
    }
    if (status == DK_OK)
        status = keep_blob(controller, call, &submit->environment, &launch->environment, err);
    if (status == DK_OK)
        status = keep_blob(controller, call, &submit->arguments, &launch->arguments, err);
    return status;
}

static bool is_for_nodes(enum dk_request_type type)
{
    return type == DK_REQUEST_REGISTER_NODE || type == DK_REQUEST_BEAT_NODES ||
           type == DK_REQUEST_REPORT_END || type == DK_REQUEST_REPORT_STEP_START ||
           type == DK_REQUEST_REPORT_STEP_END;
}

/* Beats wait for each other: one NodesBeat a second, however many nodes there are. */
static void gather_beats(struct controller *controller, struct dk_call *call,
                         const struct dk_beat_nodes *beat)
{
    for (uint32_t i = 0; i < beat->nodes_count && controller->beat_count < BEATS_MAX; i++) {
        struct dk_text name = beat->nodes[i];
        char *room;

        if (name.size >= NAME_SIZE)
            continue;
        if (controller->beats == NULL)
            controller->beats = calloc(BEATS_MAX, NAME_SIZE); /* touched as far as it is used */
        DK_CHECK(controller->beats != NULL);
        room = controller->beats[controller->beat_count++];
        memcpy(room, name.data, name.size);
        room[name.size] = '\0';
    }
    if (controller->beats_due == 0 && controller->beat_count > 0)
        controller->beats_due = dk_clock_now(&controller->clock) + BEAT_GATHER_US;
    add_result(controller, call, NULL, NULL);
}

static void flush_beats(struct controller *controller, struct dk_text *names)
{
    struct dk_request request = { .type = DK_REQUEST_BEAT_NODES };
    struct dk_stamp stamp = { .number = ++controller->number,
                              .time = dk_clock_now(&controller->clock) };

    for (uint32_t i = 0; i < controller->beat_count; i++)
        names[i] = dk_text_of(controller->beats[i]);
    request.beat_nodes.nodes = names;
    request.beat_nodes.nodes_count = controller->beat_count;
    dk_batcher_request(controller->batcher, &stamp, &request, NULL);
    controller->beat_count = 0;
    controller->beats_due = 0;
}

static enum dk_status admit(struct controller *controller, struct dk_call *call,
                            struct dk_request *request, struct dk_err *err)
{
    const struct dk_event *outcome = NULL;
    struct dk_stamp stamp = { .time = dk_clock_now(&controller->clock), .actor = call->actor };
    enum dk_status status = DK_OK;

    if (request->type == DK_REQUEST_BEAT_NODES && call->is_node) {
        gather_beats(controller, call, &request->beat_nodes);
        return DK_OK;
    }
    if (request->type == DK_REQUEST_SUBMIT_JOB)
        status = keep_blobs(controller, call, request, err);
    if (status != DK_OK)
        return status;
    stamp.number = ++controller->number;
    stamp.has_actor = !(is_for_nodes(request->type) && call->is_node);
    stamp.is_operator = is_for_nodes(request->type) ? call->is_node : call->is_operator;
    dk_batcher_request(controller->batcher, &stamp, request, &outcome);
    add_result(controller, call, request, outcome);
    controller->requests++;
    return DK_OK;
}

static void admit_unreadable(struct controller *controller, struct dk_call *call)
{
    struct dk_stamp stamp = { .number = ++controller->number,
                              .time = dk_clock_now(&controller->clock),
                              .has_actor = true,
                              .actor = call->actor };
    const struct dk_event *outcome;

    dk_batcher_unreadable(controller->batcher, &stamp, call->why, &outcome);
    controller->requests++;
}

/* Admits calls until the batch is large enough. Whole calls: each is answered from one batch. */
static enum dk_status admit_calls(struct controller *controller, struct dk_err *err)
{
    uint32_t count = 0;

    while (controller->calls != NULL && count < BATCH_REQUESTS) {
        struct dk_call *call = controller->calls;
        enum dk_status status = DK_OK;

        controller->calls = call->next;
        if (controller->calls == NULL)
            controller->calls_end = &controller->calls;
        call->next = NULL;
        if (call->unreadable != 0)
            admit_unreadable(controller, call);
        for (uint32_t i = 0; status == DK_OK && i < call->count; i++)
            status = admit(controller, call, &call->requests[i], err);
        count += call->count;
        *controller->done_end = call; /* also when a blob found no room: the batch tells */
        controller->done_end = &call->next;
        if (status == DK_FULL)
            return log_full(controller, err);
        if (status != DK_OK)
            return status;
    }
    return DK_OK;
}

static void take_calls(struct controller *controller)
{
    struct dk_call *calls = dk_intake_take(controller->intake);

    *controller->calls_end = calls;
    while (*controller->calls_end != NULL)
        controller->calls_end = &(*controller->calls_end)->next;
}

/* --- the loop --- */

static void add_clock(struct controller *controller)
{
    struct dk_event event = { .type = DK_EVENT_CLOCK_ADVANCED,
                              .meta.time = dk_clock_now(&controller->clock) };

    dk_batcher_event(controller->batcher, &event);
}

/* How long to sleep, in milliseconds; -1: until a call comes. */
static int sleep_ms(struct controller *controller, int64_t now)
{
    int64_t due = controller->full_retry != 0 ? controller->full_retry
                                              : dk_core_next_deadline(controller->core);

    if (controller->full_retry == 0 && controller->beats_due != 0 && controller->beats_due < due)
        due = controller->beats_due;
    if (due == INT64_MAX)
        return -1;
    if (due <= now)
        return 0;
    return due - now > INT64_C(3600000000) ? 3600000 : (int)((due - now + 999) / 1000);
}

/* After much work, when there is nothing to do: memory that is free goes back to the system. How
 * long to sleep then, for a rest that is not due yet. */
static int rest(struct controller *controller, int64_t now, int wait_ms)
{
    int64_t due = controller->rested + REST_US;

    if (controller->requests < controller->rested_requests + REST_REQUESTS)
        return wait_ms;
    if (now >= due || controller->rested > now) {
        dk_heap_rest();
        controller->rested = now;
        controller->rested_requests = controller->requests;
        return wait_ms;
    }
    due = (due - now + 999) / 1000;
    return wait_ms < 0 || due < wait_ms ? (int)due : wait_ms;
}

/* Sleeps until there is something to do; *stop: told to end. */
static void wait_for_work(struct controller *controller, int timeout_ms, bool *stop)
{
    struct pollfd fds[2] = { { .fd = controller->wake_fd, .events = POLLIN },
                             { .fd = controller->options->stop_fd, .events = POLLIN } };
    uint64_t count;

    if (poll(fds, 2, timeout_ms) <= 0)
        return;
    if (fds[0].revents != 0 && read(controller->wake_fd, &count, sizeof(count)) < 0)
        DK_CHECK(errno == EAGAIN);
    if (fds[1].revents != 0)
        *stop = true;
}

/* One turn: a batch of what has come, or of what time has brought. */
static enum dk_status turn(struct controller *controller, int64_t *served, struct dk_err *err)
{
    int64_t now = dk_clock_now(&controller->clock), deadline;
    struct dk_text *names = NULL;
    bool beats;
    enum dk_status status;

    if (controller->full_retry != 0) {
        if (now >= controller->full_retry)
            return make_durable(controller, err);
        return DK_OK;
    }
    deadline = dk_core_next_deadline(controller->core);
    beats = controller->beats_due != 0 && now >= controller->beats_due;
    if (controller->calls == NULL && deadline > now && !beats)
        return DK_OK;
    if (controller->calls == NULL && !beats)
        add_clock(controller);
    if (beats) {
        names = calloc(controller->beat_count, sizeof(*names));
        DK_CHECK(names != NULL);
        flush_beats(controller, names);
    }
    status = admit_calls(controller, err);
    if (status == DK_OK && controller->full_retry == 0) {
        if (controller->batcher != NULL)
            status = close_batch(controller, err);
    }
    free(names);
    *served = deadline;
    return status;
}

static enum dk_status serve(struct controller *controller, struct dk_err *err)
{
    int64_t served = INT64_MIN;
    bool stop = false;

    while (!stop) {
        int64_t now = dk_clock_now(&controller->clock), before = served;
        int wait_ms = sleep_ms(controller, now);
        enum dk_status status;

        /* A deadline that stays where it was after a turn is no reason to spin. */
        if (wait_ms == 0 && controller->full_retry == 0 && before <= now &&
            before == dk_core_next_deadline(controller->core))
            wait_ms = DEADLINE_STEP_MS;
        if (controller->calls == NULL && wait_ms != 0)
            wait_for_work(controller, rest(controller, now, wait_ms), &stop);
        take_calls(controller);
        status = turn(controller, &served, err);
        if (status != DK_OK)
            return status;
    }
    return DK_OK;
}

/* --- beginning and end --- */

/* A new log has a configuration from the start: no file is needed. */
static void configure_default(struct controller *controller)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };
    struct dk_stamp stamp = { .number = ++controller->number,
                              .time = dk_clock_now(&controller->clock),
                              .is_operator = true };
    struct dk_partition_spec partition;
    const struct dk_event *outcome;

    dk_config_default(controller->core, stamp.time, &request.apply_configuration.config,
                      &partition);
    request.apply_configuration.note = dk_text_of("what a new cluster begins with");
    dk_batcher_request(controller->batcher, &stamp, &request, &outcome);
    DK_CHECK(outcome->type == DK_EVENT_CONFIGURATION_APPLIED);
}

static enum dk_status begin(struct controller *controller, bool is_new, struct dk_err *err)
{
    struct dk_event started = { .type = DK_EVENT_CONTROLLER_STARTED };
    struct dk_event logic = { .type = DK_EVENT_LOGIC_ACTIVATED };
    char host[256] = "";

    (void)gethostname(host, sizeof(host) - 1);
    controller->started = started.meta.time = dk_clock_now(&controller->clock);
    started.controller_started.build = dk_text_of(controller->options->version);
    started.controller_started.host = dk_text_of(host);
    dk_batcher_event(controller->batcher, &started);
    if (is_new) {
        logic.meta.time = dk_clock_now(&controller->clock);
        logic.logic_activated.number = DK_CORE_LOGIC_NEWEST;
        dk_batcher_event(controller->batcher, &logic);
        configure_default(controller);
    }
    return close_batch(controller, err);
}

/* While it runs, the projector saves them; at the end nobody waits for us. A cache: failing is
 * fine. */
static void save_snapshot(struct controller *controller)
{
    struct dk_buf bytes;
    struct dk_err err;

    dk_buf_init(&bytes, &dk_heap, DK_SNAPSHOT_SIZE_MAX);
    dk_core_snapshot(controller->core, &bytes);
    if (dk_snapshots_save(controller->options->place->log_dir, (uint64_t)controller->seq,
                          bytes.data, bytes.size, DK_FOLLOWER_SNAPSHOTS_KEPT, &err) != DK_OK)
        dk_journal(DK_JOURNAL_WARNING, "no snapshot: %s", err.text);
    dk_buf_release(&bytes);
}

static enum dk_status end(struct controller *controller, struct dk_err *err)
{
    struct dk_event stopped = { .type = DK_EVENT_CONTROLLER_STOPPED,
                                .meta.time = dk_clock_now(&controller->clock) };
    enum dk_status status;

    if (controller->full_retry != 0)
        return DK_OK;
    dk_batcher_event(controller->batcher, &stopped);
    status = close_batch(controller, err);
    if (status == DK_OK)
        save_snapshot(controller);
    return status;
}

/* The core as the log has it; the log is ours already, so nobody adds to it meanwhile. */
static enum dk_status recover(struct controller *controller, struct dk_err *err)
{
    const struct dk_place *place = controller->options->place;
    struct dk_follower *follower = NULL;
    struct dk_batcher_options options = { .log = controller->log,
                                          .epoch = dk_log_epoch(controller->log) };
    struct dk_core_stats stats;
    enum dk_status status =
        dk_follower_open(&follower, place->log_uri, place->log_dir, UINT64_MAX, err);

    if (status == DK_OK)
        status = dk_follower_advance(follower, UINT64_MAX, INT64_MAX, err);
    if (status != DK_AGAIN) {
        dk_follower_close(follower);
        return status;
    }
    options.closed = dk_follower_closed(follower, &options.closed_size);
    options.seq_next = (int64_t)dk_follower_seq(follower) + 1;
    dk_clock_init(&controller->clock, dk_follower_time(follower));
    controller->core = dk_follower_take(follower);
    controller->batcher = dk_batcher_create(controller->core, &dk_heap, &options);
    dk_follower_close(follower);
    dk_core_stats(controller->core, &stats);
    controller->number = stats.requests_next > 0 ? stats.requests_next - 1 : 0;
    controller->seq = options.seq_next - 1;
    return DK_OK;
}

static enum dk_status open_all(struct controller *controller, struct dk_err *err)
{
    const struct dk_place *place = controller->options->place;
    struct dk_http_options http = { .socket = place->control,
                                    .mode = 0666,
                                    .handler = dk_intake_handle,
                                    .body_max = (uint64_t)64 << 20 };
    char path[DK_PLACE_PATH_MAX + 64], host[256] = "";
    bool is_new;
    enum dk_status status = dk_log_open(&controller->log, place->log_uri,
                                        &(struct dk_log_options){ .compress = true }, err);

    if (status == DK_OK)
        status = recover(controller, err);
    if (status != DK_OK)
        return status;
    dk_place_path(place, "blobs", path);
    status = dk_blobs_open(&controller->blobs, path, true, err);
    if (status != DK_OK)
        return status;
    (void)gethostname(host, sizeof(host) - 1);
    controller->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    DK_CHECK(controller->wake_fd >= 0);
    controller->intake = dk_intake_create(host, controller->wake_fd);
    is_new = controller->seq == 0;
    status = begin(controller, is_new, err);
    if (status != DK_OK)
        return status;
    http.context = controller->intake;
    status = dk_http_start(&controller->server, &http, err);
    if (status == DK_OK)
        dk_journal(DK_JOURNAL_INFO, "%s, epoch %u, at seq %lld",
                   is_new ? "a new log" : "the log recovered", dk_log_epoch(controller->log),
                   (long long)controller->seq);
    return status;
}

enum dk_status dk_controller_run(const struct dk_controller_options *options, struct dk_err *err)
{
    struct controller *controller = calloc(1, sizeof(*controller));
    enum dk_status status;

    DK_CHECK(controller != NULL);
    controller->options = options;
    controller->wake_fd = -1;
    controller->calls_end = &controller->calls;
    controller->done_end = &controller->done;
    status = open_all(controller, err);
    if (status == DK_OK)
        status = serve(controller, err);
    if (controller->intake != NULL) { /* nobody is left without an answer */
        dk_intake_refuse(controller->intake, 503, "BUSY",
                         "the controller is stopping; try again with the same key");
        take_calls(controller);
        fail_calls(controller, controller->done, 503, "BUSY", "the controller is stopping");
        fail_calls(controller, controller->calls, 503, "BUSY", "the controller is stopping");
    }
    if (status == DK_OK)
        status = end(controller, err);
    dk_http_stop(controller->server);
    dk_intake_destroy(controller->intake);
    dk_batcher_destroy(controller->batcher);
    dk_core_destroy(controller->core);
    dk_blobs_close(controller->blobs);
    if (controller->log != NULL && status == DK_OK)
        status = dk_log_close(controller->log, err);
    else
        (void)dk_log_close(controller->log, NULL);
    if (controller->wake_fd >= 0)
        (void)close(controller->wake_fd);
    free(controller->beats);
    free(controller);
    return status;
}
