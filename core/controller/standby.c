/* standby.c - reads along, until it may lead (inside.h) */
#define _GNU_SOURCE
#include "controller/inside.h"

#include "net/journal.h"

#include <poll.h>

enum {
    FIRST_MS = 200, /* for the lead, before reading along is worth its while */
    NO_LOG_MS = 200,
    READ_MS = 50, /* a log that can't be waited for beside other things */
    REST_MS = 1000,
    CONFIRM_MS = 500,
    STEP_EVENTS = 8192,
    CONFIRM_AGAIN_US = 2000000,
    SAY_US = 500000
};

static void say(struct controller *controller)
{
    const struct dk_follower *follower = controller->follower;

    controller_say(controller, follower != NULL ? dk_follower_core(follower) : NULL,
                   follower != NULL ? (int64_t)dk_follower_seq(follower) : 0,
                   follower != NULL ? dk_follower_epoch(follower) : 0);
    controller->said = controller_real_us();
}

/* While batches keep coming read_along may not get to the end for long: so it is said here, too. */
static void say_now_and_then(struct controller *controller)
{
    int64_t now = controller_real_us();

    if (now - controller->said >= SAY_US || now < controller->said)
        say(controller);
}

static void see(void *context, const struct dk_event *event)
{
    struct controller *controller = context;
    struct dk_err err;

    if (event->type == DK_EVENT_BATCH_CLOSED) {
        controller->lag_us = controller_real_us() - event->meta.time;
        say_now_and_then(controller);
    }
    if (controller->door == NULL)
        return;
    if (dk_secrets_see(controller->secrets, event, &err) != DK_OK)
        dk_journal(DK_JOURNAL_ERROR, "what was erased is not forgotten yet: %s", err.text);
    dk_door_see(controller->door, dk_follower_core(controller->follower), event);
}

enum dk_status controller_follow(struct controller *controller, struct dk_err *err)
{
    const struct dk_place *place = controller->place;
    enum dk_status status;

    dk_follower_close(controller->follower);
    controller->follower = NULL;
    controller->was_at_end = controller->is_behind = false;
    status =
        dk_follower_open(&controller->follower, place->log_uri, place->log_dir, UINT64_MAX, err);
    if (status == DK_OK)
        dk_follower_watch(controller->follower, see, controller);
    return status == DK_NOT_FOUND ? DK_OK : status;
}

/* Folds some of what is there, so that who stands by beside a busy writer is told to stop, and that
 * it leads, in the middle of it: there may never be an end. A batch that is larger is folded, too.
 */
static enum dk_status fold_some(struct controller *controller, struct dk_err *err)
{
    uint64_t before = dk_follower_seq(controller->follower), step = STEP_EVENTS;
    enum dk_status status;

    do {
        status = dk_follower_advance(controller->follower, before + step, INT64_MAX, err);
        step *= 2;
    } while (status == DK_OK && dk_follower_seq(controller->follower) == before);
    controller->is_behind = status == DK_OK;
    return status;
}

static enum dk_status read_along(struct controller *controller, struct dk_err *err)
{
    struct dk_core_stats stats;
    enum dk_status status = DK_OK;

    if (controller->follower == NULL)
        status = controller_follow(controller, err);
    if (status == DK_AWAY)
        return DK_OK;
    if (status != DK_OK || controller->follower == NULL)
        return status;
    status = fold_some(controller, err);
    if (status == DK_AWAY) /* no broker answers: it will */
        return DK_OK;
    if (status == DK_DIVERGED) { /* the next writer cut what nobody had been told of */
        dk_journal(DK_JOURNAL_WARNING, "%s: read again from the start", err->text);
        return controller_follow(controller, err);
    }
    if (status != DK_AGAIN)
        return status;
    if (!controller->was_at_end) { /* what is older than that was not read late */
        controller->was_at_end = true;
        controller->lag_us = 0;
    }
    if (controller->mail != NULL) {
        dk_core_stats(dk_follower_core(controller->follower), &stats);
        status = dk_mail_pass(controller->mail, stats.requests_next, err);
    }
    return status == DK_AGAIN ? DK_OK : status;
}

static void rest(struct controller *controller, int timeout_ms, bool *stop)
{
    struct dk_follower *follower = controller->follower;
    int log_fd = follower != NULL ? dk_follower_fd(follower) : -1;
    struct pollfd fds[] = {
        { .fd = controller->options->stop_fd, .events = POLLIN },
        { .fd = dk_lead_fd(controller->lead), .events = POLLIN },
        { .fd = log_fd, .events = POLLIN },
        { .fd = controller->mail != NULL ? dk_mail_fd(controller->mail) : -1, .events = POLLIN },
    };

    if (controller->is_behind)
        timeout_ms = 0;
    if (follower != NULL && log_fd < 0 && timeout_ms > 0) {
        (void)dk_follower_wait(follower, READ_MS, NULL);
        timeout_ms = 0;
    }
    if (poll(fds, sizeof(fds) / sizeof(fds[0]), timeout_ms) > 0 && fds[0].revents != 0)
        *stop = true;
}

/* A new term; or the one in which we led, if the lead is ours still: then the writer that came
 * between had no right to, or there was none. While it is not, it may become so without a new term:
 * so that is asked now and then. */
static bool may_lead(struct controller *controller)
{
    uint64_t term = dk_lead_term(controller->lead);
    int64_t now = controller_real_us();
    bool is_good;

    if (term == 0)
        return false;
    if (term != controller->term) {
        controller->term = term;
        return true;
    }
    if (now < controller->confirmed + CONFIRM_AGAIN_US && now >= controller->confirmed)
        return false;
    is_good = dk_lead_confirm(controller->lead, CONFIRM_MS, NULL) == DK_OK;
    controller->confirmed = controller_real_us(); /* of no answer: it took long */
    return is_good;
}

enum dk_status controller_stand_by(struct controller *controller, bool *stop, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (controller->follower == NULL)
        rest(controller, FIRST_MS, stop);
    if (may_lead(controller) || *stop)
        return DK_OK;
    controller->role_since = controller_real_us();
    dk_journal(DK_JOURNAL_INFO, "standing by");
    say(controller); /* that we do not lead any more */
    if (!controller->has_door && controller->aside == NULL)
        status = controller_listen_aside(controller, err);
    while (status == DK_OK && !*stop && !may_lead(controller)) {
        status = read_along(controller, err);
        say(controller);
        if (status == DK_OK)
            rest(controller, controller->follower != NULL ? REST_MS : NO_LOG_MS, stop);
    }
    return status;
}
