/* controller.c - the loop (controller.h)
 *
 * What is where when the process dies: before the sync nobody was answered, and a client asks again
 * with its key; after it the outcome is in the log, and the same key is answered from there. */
#define _GNU_SOURCE
#include "controller/controller.h"

#include "base/check.h"
#include "controller/desk.h"
#include "log/snapshots.h"
#include "net/journal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define HOUR_US INT64_C(3600000000)
#define REST_US (5 * INT64_C(1000000))

enum { REST_REQUESTS = 1000 }; /* since the last rest, that make another worth it */

struct controller {
    const struct dk_controller_options *options;
    struct dk_log *log;
    struct dk_leader *leader;
    struct dk_blobs *blobs;
    struct dk_intake *intake;
    struct dk_desk *desk;
    struct dk_http_server *server;
    char host[256];
    int wake_fd;
    bool is_full;
    int64_t started;          /* when this controller did */
    uint64_t rested_requests; /* so many there were at the last rest */
    int64_t rested;
};

static void say_status(struct controller *controller)
{
    struct dk_core_stats stats;
    char json[1024];

    dk_core_stats(dk_leader_core(controller->leader), &stats);
    (void)snprintf(json, sizeof(json),
                   "{\"part\":\"controller\",\"version\":\"%s\",\"epoch\":%u,\"seq\":%lld,"
                   "\"time\":%lld,\"started\":%lld,\"full\":%s,\"requests\":%llu,\"batches\":%llu,"
                   "\"jobs_pending\":%llu,\"jobs_running\":%llu,\"nodes\":%llu,\"pid\":%d}\n",
                   controller->options->version, dk_log_epoch(controller->log),
                   (long long)dk_leader_seq(controller->leader), (long long)stats.time,
                   (long long)controller->started, controller->is_full ? "true" : "false",
                   (unsigned long long)dk_desk_requests(controller->desk),
                   (unsigned long long)dk_leader_batches(controller->leader),
                   (unsigned long long)stats.jobs_pending, (unsigned long long)stats.jobs_running,
                   (unsigned long long)stats.nodes, (int)getpid());
    dk_intake_status(controller->intake, json);
}

/* --- a full disk --- */

static enum dk_status log_full(struct controller *controller, const struct dk_err *err)
{
    static const char detail[] = "the log's file system is full: nothing is admitted until there "
                                 "is space; ask again with the same key";

    if (!controller->is_full)
        dk_journal(DK_JOURNAL_ERROR, "%s; nothing is admitted until there is space", err->text);
    controller->is_full = true;
    dk_leader_pause(controller->leader);
    dk_intake_refuse(controller->intake, 507, "FULL", detail);
    dk_desk_fail(controller->desk, 507, "FULL", detail);
    return DK_OK;
}

/* What was made durable, or was not, `status` being the log's word. */
static enum dk_status settle(struct controller *controller, enum dk_status status,
                             const struct dk_err *err)
{
    if (status == DK_FULL)
        return log_full(controller, err);
    if (status != DK_OK)
        return status;
    if (controller->is_full) {
        controller->is_full = false;
        dk_intake_refuse(controller->intake, 0, NULL, NULL);
        dk_journal(DK_JOURNAL_INFO, "there is space again");
    }
    say_status(controller); /* first: who was answered may look at it */
    dk_desk_answer(controller->desk, dk_leader_seq(controller->leader));
    return DK_OK;
}

/* --- the loop --- */

/* How long to sleep, in milliseconds; -1: until a call comes. */
static int sleep_ms(const struct controller *controller, int64_t now)
{
    int64_t due = dk_leader_due(controller->leader);

    if (due == INT64_MAX)
        return -1;
    if (due <= now)
        return 0;
    return due - now > HOUR_US ? (int)(HOUR_US / 1000) : (int)((due - now + 999) / 1000);
}

/* After much work, when there is nothing to do: memory that is free goes back to the system. How
 * long to sleep then, for a rest that is not due yet. */
static int rest(struct controller *controller, int64_t now, int wait_ms)
{
    int64_t due = controller->rested + REST_US;
    uint64_t requests = dk_desk_requests(controller->desk);

    if (requests < controller->rested_requests + REST_REQUESTS)
        return wait_ms;
    if (now >= due || controller->rested > now) {
        dk_heap_rest();
        controller->rested = now;
        controller->rested_requests = requests;
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

static enum dk_status retry(struct controller *controller, struct dk_err *err)
{
    enum dk_status status = dk_desk_sync(controller->desk, err);

    if (status == DK_OK)
        status = dk_leader_retry(controller->leader, err);
    return settle(controller, status, err);
}

/* A batch of what has come, or of what time has brought. */
static enum dk_status make_batch(struct controller *controller, bool has_calls, struct dk_err *err)
{
    enum dk_status status;

    dk_leader_begin(controller->leader, has_calls);
    status = dk_desk_admit(controller->desk, controller->leader, err);
    if (status == DK_OK)
        status = dk_desk_sync(controller->desk, err);
    if (status == DK_OK)
        status = dk_leader_commit(controller->leader, NULL, err);
    return settle(controller, status, err);
}

static enum dk_status serve(struct controller *controller, struct dk_err *err)
{
    bool stop = false, has_calls = false;
    enum dk_status status = DK_OK;

    while (status == DK_OK && !stop) {
        int64_t now = dk_leader_now(controller->leader);
        int wait_ms = sleep_ms(controller, now);
        bool is_due;

        if (!has_calls && wait_ms != 0)
            wait_for_work(controller, rest(controller, now, wait_ms), &stop);
        has_calls = dk_desk_take(controller->desk);
        is_due = dk_leader_due(controller->leader) <= dk_leader_now(controller->leader);
        if (dk_leader_is_full(controller->leader))
            status = is_due ? retry(controller, err) : DK_OK;
        else if (has_calls || is_due)
            status = make_batch(controller, has_calls, err);
        has_calls = dk_desk_take(controller->desk);
    }
    return status;
}

/* --- beginning and end --- */

/* While it runs, the projector saves them; at the end nobody waits for us. A cache: failing is
 * fine. */
static void save_snapshot(struct controller *controller)
{
    struct dk_buf bytes;
    struct dk_err err;

    dk_buf_init(&bytes, &dk_heap, DK_SNAPSHOT_SIZE_MAX);
    dk_core_snapshot(dk_leader_core(controller->leader), &bytes);
    if (dk_snapshots_save(controller->options->place->log_dir,
                          (uint64_t)dk_leader_seq(controller->leader), bytes.data, bytes.size,
                          DK_FOLLOWER_SNAPSHOTS_KEPT, &err) != DK_OK)
        dk_journal(DK_JOURNAL_WARNING, "no snapshot: %s", err.text);
    dk_buf_release(&bytes);
}

static enum dk_status end(struct controller *controller, struct dk_err *err)
{
    enum dk_status status;

    if (dk_leader_is_full(controller->leader))
        return DK_OK;
    status = dk_leader_stop(controller->leader, err);
    if (status == DK_OK)
        save_snapshot(controller);
    return status;
}

/* The core as the log has it; the log is ours already, so nobody adds to it meanwhile. */
static enum dk_status recover(struct controller *controller, struct dk_err *err)
{
    const struct dk_place *place = controller->options->place;
    struct dk_leader_options options = { .log = controller->log,
                                         .version = controller->options->version,
                                         .host = controller->host };
    struct dk_follower *follower = NULL;
    enum dk_status status =
        dk_follower_open(&follower, place->log_uri, place->log_dir, UINT64_MAX, err);

    if (status == DK_OK)
        status = dk_follower_advance(follower, UINT64_MAX, INT64_MAX, err);
    if (status == DK_AGAIN) {
        controller->leader = dk_leader_create(follower, &options);
        controller->started = dk_leader_now(controller->leader);
        status = DK_OK;
    }
    dk_follower_close(follower);
    return status;
}

static enum dk_status open_all(struct controller *controller, struct dk_err *err)
{
    const struct dk_place *place = controller->options->place;
    struct dk_http_options http = { .socket = place->control,
                                    .mode = 0666,
                                    .tcp = place->listen,
                                    .handler = dk_intake_handle,
                                    .body_max = (uint64_t)64 << 20 };
    char path[DK_PLACE_PATH_MAX + 64];
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
    controller->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    DK_CHECK(controller->wake_fd >= 0);
    controller->intake = dk_intake_create(controller->host, controller->wake_fd);
    if (place->listen[0] != '\0')
        dk_intake_prove(controller->intake, place->munge_socket);
    controller->desk = dk_desk_create(controller->intake, controller->blobs);
    is_new = dk_leader_seq(controller->leader) == 0;
    status = settle(controller, dk_leader_start(controller->leader, err), err);
    if (status != DK_OK)
        return status;
    http.context = controller->intake;
    status = dk_http_start(&controller->server, &http, err);
    if (status == DK_OK)
        dk_journal(DK_JOURNAL_INFO, "%s, epoch %u, at seq %lld",
                   is_new ? "a new log" : "the log recovered", dk_log_epoch(controller->log),
                   (long long)dk_leader_seq(controller->leader));
    return status;
}

enum dk_status dk_controller_run(const struct dk_controller_options *options, struct dk_err *err)
{
    struct controller *controller = calloc(1, sizeof(*controller));
    enum dk_status status;

    DK_CHECK(controller != NULL);
    controller->options = options;
    controller->wake_fd = -1;
    (void)gethostname(controller->host, sizeof(controller->host) - 1);
    status = open_all(controller, err);
    if (status == DK_OK)
        status = serve(controller, err);
    if (controller->desk != NULL) { /* nobody is left without an answer */
        dk_intake_refuse(controller->intake, 503, "BUSY",
                         "the controller is stopping; try again with the same key");
        dk_desk_fail(controller->desk, 503, "BUSY", "the controller is stopping");
    }
    if (status == DK_OK)
        status = end(controller, err);
    dk_intake_stop(controller->intake);
    dk_http_stop(controller->server);
    dk_desk_destroy(controller->desk);
    dk_intake_destroy(controller->intake);
    dk_leader_destroy(controller->leader);
    dk_blobs_close(controller->blobs);
    if (controller->log != NULL && status == DK_OK)
        status = dk_log_close(controller->log, err);
    else
        (void)dk_log_close(controller->log, NULL);
    if (controller->wake_fd >= 0)
        (void)close(controller->wake_fd);
    free(controller);
    return status;
}
