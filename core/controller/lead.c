/* lead.c - takes over, and turns requests into batches (inside.h)
 *
 * What is where when the process dies: before the sync nobody was answered, and a client asks again
 * with its key; after it the outcome is in the log, and the same key is answered from there. */
#define _GNU_SOURCE
#include "controller/inside.h"

#include "base/check.h"
#include "log/snapshots.h"
#include "net/journal.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define HOUR_US INT64_C(3600000000)
#define REST_US (5 * INT64_C(1000000))

enum {
    REST_REQUESTS = 1000, /* since the last rest, that make another worth it */
    READ_MS = 1000,
    READ_TRIES = 120
};

static uint64_t requests(const struct controller *controller)
{
    return controller->mail != NULL ? dk_mail_requests(controller->mail)
                                    : dk_desk_requests(controller->desk);
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
    if (controller->desk != NULL) {
        dk_intake_refuse(controller->intake, 507, "FULL", detail);
        dk_desk_fail(controller->desk, 507, "FULL", detail);
    }
    return DK_OK;
}

/* What was made durable, or was not, `status` being the log's word. */
static enum dk_status settle(struct controller *controller, enum dk_status status,
                             const struct dk_events *events, struct dk_err *err)
{
    struct dk_leader *leader = controller->leader;

    if (status == DK_FULL)
        return log_full(controller, err);
    if (status != DK_OK)
        return status;
    if (controller->is_full) {
        controller->is_full = false;
        if (controller->desk != NULL)
            dk_intake_refuse(controller->intake, 0, NULL, NULL);
        dk_journal(DK_JOURNAL_INFO, "there is space again");
    }
    /* First: who was answered may look at it. */
    controller_say(controller, dk_leader_core(leader), dk_leader_seq(leader),
                   dk_log_epoch(controller->log));
    if (controller->desk != NULL)
        status = dk_desk_answer(controller->desk, dk_leader_seq(leader), err);
    for (uint32_t i = 0; status == DK_OK && controller->door != NULL && i < events->count; i++) {
        status = dk_secrets_see(controller->secrets, &events->items[i], err);
        dk_door_see(controller->door, dk_leader_core(leader), &events->items[i]);
    }
    if (controller->mail != NULL)
        dk_mail_settled(controller->mail);
    return status;
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

    if (requests(controller) < controller->rested_requests + REST_REQUESTS)
        return wait_ms;
    if (now >= due || controller->rested > now) {
        dk_heap_rest();
        controller->rested = now;
        controller->rested_requests = requests(controller);
        return wait_ms;
    }
    due = (due - now + 999) / 1000;
    return wait_ms < 0 || due < wait_ms ? (int)due : wait_ms;
}

/* Sleeps until there is something to do; *stop: told to end. DK_FENCED: the lead is lost. */
static enum dk_status wait_for_work(struct controller *controller, int timeout_ms, bool *stop,
                                    struct dk_err *err)
{
    int work_fd = controller->mail != NULL ? dk_mail_fd(controller->mail) : controller->wake_fd;
    struct pollfd fds[] = { { .fd = work_fd, .events = POLLIN },
                            { .fd = controller->options->stop_fd, .events = POLLIN },
                            { .fd = dk_lead_fd(controller->lead), .events = POLLIN } };
    uint64_t count;

    if (poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms) <= 0)
        return DK_OK;
    if (controller->mail == NULL && fds[0].revents != 0 &&
        read(controller->wake_fd, &count, sizeof(count)) < 0)
        DK_CHECK(errno == EAGAIN);
    if (fds[1].revents != 0)
        *stop = true;
    if (fds[2].revents != 0 && dk_lead_term(controller->lead) != controller->term)
        return dk_fail(err, DK_FENCED, "the lead was lost");
    return DK_OK;
}

static enum dk_status look(struct controller *controller, bool *has_work, struct dk_err *err)
{
    if (controller->mail != NULL)
        return dk_mail_look(controller->mail, has_work, err);
    *has_work = dk_desk_take(controller->desk);
    return DK_OK;
}

static enum dk_status retry(struct controller *controller, struct dk_err *err)
{
    static const struct dk_events none;
    enum dk_status status = controller->desk != NULL ? dk_desk_sync(controller->desk, err) : DK_OK;

    if (status == DK_OK)
        status = dk_leader_retry(controller->leader, err);
    return settle(controller, status, &none, err);
}

/* A batch of what has come, or of what time has brought. */
static enum dk_status make_batch(struct controller *controller, bool has_work, struct dk_err *err)
{
    const struct dk_events *events = NULL;
    enum dk_status status;

    dk_leader_begin(controller->leader, has_work);
    if (controller->mail != NULL) {
        status = dk_mail_admit(controller->mail, controller->leader, err);
    } else {
        status = dk_desk_admit(controller->desk, controller->leader, err);
        if (status == DK_OK)
            status = dk_desk_sync(controller->desk, err);
    }
    if (status == DK_OK)
        status = dk_leader_commit(controller->leader, &events, err);
    return settle(controller, status, events, err);
}

static enum dk_status serve(struct controller *controller, bool *stop, struct dk_err *err)
{
    bool has_work = false;
    enum dk_status status = DK_OK;

    while (status == DK_OK && !*stop) {
        int64_t now = dk_leader_now(controller->leader);
        int wait_ms = has_work ? 0 : sleep_ms(controller, now);
        bool is_due;

        status =
            wait_for_work(controller, wait_ms == 0 ? 0 : rest(controller, now, wait_ms), stop, err);
        if (status == DK_OK)
            status = look(controller, &has_work, err);
        if (status != DK_OK)
            return status;
        is_due = dk_leader_due(controller->leader) <= dk_leader_now(controller->leader);
        if (dk_leader_is_full(controller->leader))
            status = is_due ? retry(controller, err) : DK_OK;
        else if (has_work || is_due)
            status = make_batch(controller, has_work, err);
        if (status == DK_OK)
            status = look(controller, &has_work, err);
    }
    return status;
}

/* --- beginning and end --- */

/* Folds to the end of the log, which is ours: nobody adds to it meanwhile. */
static enum dk_status read_to_end(struct controller *controller, struct dk_err *err)
{
    uint64_t last = dk_log_seq_next(controller->log) - 1;
    enum dk_status status = DK_OK;

    if (controller->follower == NULL)
        status = controller_follow(controller, err);
    for (int i = 0; status == DK_OK && i < READ_TRIES; i++) {
        status = dk_follower_advance(controller->follower, UINT64_MAX, INT64_MAX, err);
        if (status == DK_DIVERGED) { /* what it had read was cut */
            status = controller_follow(controller, err);
            continue;
        }
        if (status != DK_AGAIN)
            return status;
        if (dk_follower_seq(controller->follower) >= last)
            return DK_OK;
        (void)dk_follower_wait(controller->follower, READ_MS, NULL);
        status = DK_OK;
    }
    return status != DK_OK ? status
                           : dk_fail(err, DK_IO, "the log can be read up to seq %llu, not to %llu",
                                     (unsigned long long)dk_follower_seq(controller->follower),
                                     (unsigned long long)last);
}

/* So that an operator can end a leader whose brokers are away. */
static bool is_told_to_stop(void *context)
{
    return controller_is_told_to_stop(context, 0);
}

static enum dk_status take_over(struct controller *controller, struct dk_err *err)
{
    struct dk_log_options log = { .compress = true,
                                  .is_stopped = is_told_to_stop,
                                  .context = controller };
    struct dk_leader_options options = { .version = controller->options->version,
                                         .host = controller->host };
    bool was_warm = controller->follower != NULL;
    int64_t before = controller_real_us();
    enum dk_status status = dk_log_open(&controller->log, controller->place->log_uri, &log, err);

    if (status == DK_OK)
        status = read_to_end(controller, err);
    if (status != DK_OK)
        return status;
    options.log = controller->log;
    controller->leader = dk_leader_create(controller->follower, &options);
    dk_follower_close(controller->follower);
    controller->follower = NULL;
    controller->role_since = controller_real_us();
    controller->lag_us = 0;
    if (controller->mail != NULL)
        status = dk_mail_begin(controller->mail, dk_leader_number(controller->leader) + 1, err);
    else
        status = dk_secrets_open(&controller->secrets, controller->place,
                                 dk_vault_is_new(controller->place->dir), err);
    if (status == DK_OK)
        status =
            dk_secrets_begin(controller->secrets, (uint64_t)dk_leader_seq(controller->leader), err);
    if (status == DK_OK && controller->mail == NULL)
        controller->desk = dk_desk_create(controller->intake, controller->secrets);
    if (status == DK_OK)
        dk_journal(DK_JOURNAL_INFO, "%s, epoch %u, at seq %lld, after %lld ms",
                   dk_leader_seq(controller->leader) == 0 ? "a new log"
                   : was_warm                             ? "leading"
                                                          : "the log recovered",
                   dk_log_epoch(controller->log), (long long)dk_leader_seq(controller->leader),
                   (long long)(controller->role_since - before) / 1000);
    return status;
}

static enum dk_status begin(struct controller *controller, struct dk_err *err)
{
    const struct dk_events *events = NULL;
    enum dk_status status = dk_leader_start(controller->leader, &events, err);

    status = settle(controller, status, events, err);
    if (status == DK_OK && controller->desk != NULL)
        status = controller_listen(controller, err);
    return status;
}

/* While it runs, the projector saves them; at the end nobody waits for us. A cache: failing is
 * fine. */
static void save_snapshot(struct controller *controller)
{
    struct dk_buf bytes;
    struct dk_err err;

    dk_buf_init(&bytes, &dk_heap, DK_SNAPSHOT_SIZE_MAX);
    dk_core_snapshot(dk_leader_core(controller->leader), &bytes);
    if (dk_snapshots_save(controller->place->log_dir, (uint64_t)dk_leader_seq(controller->leader),
                          bytes.data, bytes.size, DK_FOLLOWER_SNAPSHOTS_KEPT, &err) != DK_OK)
        dk_journal(DK_JOURNAL_WARNING, "no snapshot: %s", err.text);
    dk_buf_release(&bytes);
}

static enum dk_status end(struct controller *controller, struct dk_err *err)
{
    static const char detail[] = "the controller is stopping; try again with the same key";
    const struct dk_events *events = NULL;
    enum dk_status status;

    if (controller->desk != NULL) { /* nobody is left without an answer */
        dk_intake_refuse(controller->intake, 503, "BUSY", detail);
        dk_desk_fail(controller->desk, 503, "BUSY", detail);
    }
    if (dk_leader_is_full(controller->leader))
        return DK_OK;
    status = dk_leader_stop(controller->leader, &events, err);
    if (status == DK_OK)
        save_snapshot(controller);
    return settle(controller, status, events, err);
}

static enum dk_status close_log(struct controller *controller, enum dk_status status,
                                struct dk_err *err)
{
    struct dk_log *log = controller->log;

    controller->log = NULL;
    if (status == DK_OK)
        return dk_log_close(log, err);
    (void)dk_log_close(log, NULL);
    return status;
}

enum dk_status controller_lead(struct controller *controller, bool *stop, struct dk_err *err)
{
    enum dk_status status = take_over(controller, err);

    if (status == DK_OK)
        status = begin(controller, err);
    if (status == DK_OK)
        status = serve(controller, stop, err);
    if (status == DK_OK)
        status = end(controller, err);
    if (controller->desk != NULL) {
        dk_intake_refuse(controller->intake, 503, "BUSY", "the controller is stopping");
        dk_desk_fail(controller->desk, 503, "BUSY", "the controller is stopping");
    }
    dk_desk_destroy(controller->desk);
    controller->desk = NULL;
    if (!controller->has_door) {
        dk_secrets_close(controller->secrets);
        controller->secrets = NULL;
    }
    dk_leader_destroy(controller->leader);
    controller->leader = NULL;
    return close_log(controller, status, err);
}
