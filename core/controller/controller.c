/* controller.c - opens and closes all, and goes from one role to the other (controller.h) */
#define _GNU_SOURCE
#include "controller/inside.h"

#include "base/check.h"
#include "net/journal.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { AGAIN_MS = 1000 };

static void say_lead(void *context, const char *text)
{
    (void)context;
    dk_journal(DK_JOURNAL_INFO, "%s", text);
}

/* --- beginning --- */

static bool is_topic(const char *log_uri)
{
    return strncmp(log_uri, "kafka:", 6) == 0;
}

/* A new cluster makes its key; everybody else was given it. */
static enum dk_status open_secrets(struct controller *controller, struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    const char *uri = controller->place->log_uri;
    bool is_new = dk_log_reader_open(&reader, uri, 1, NULL) == DK_NOT_FOUND;

    if (!is_new) {
        is_new = dk_log_reader_next(reader, &batch, NULL) == DK_AGAIN;
        dk_log_reader_close(reader);
    }
    return dk_secrets_open(&controller->secrets, controller->place, is_new, err);
}

static enum dk_status open_mail(struct controller *controller, struct dk_err *err)
{
    enum dk_status status =
        dk_mail_open(&controller->mail, controller->place->log_uri,
                     dk_secrets_key(controller->secrets), controller_real_us(), err);

    if (status == DK_OK)
        dk_mail_guard(controller->mail, controller->secrets);
    return status;
}

static enum dk_status open_door(struct controller *controller, struct dk_err *err)
{
    struct dk_door_options options = { .log_uri = controller->place->log_uri,
                                       .host = controller->host,
                                       .intake = controller->intake,
                                       .wake_fd = controller->wake_fd };
    enum dk_status status = open_secrets(controller, err);

    options.secrets = controller->secrets;
    if (status == DK_OK)
        status = dk_door_open(&controller->door, &options, err);
    if (status == DK_OK)
        status = open_mail(controller, err);
    if (status == DK_OK)
        status = controller_listen(controller, err);
    return status;
}

static enum dk_status open_all(struct controller *controller, struct dk_err *err)
{
    struct dk_lead_options lead = { .say = say_lead };
    enum dk_status status;

    (void)gethostname(controller->host, sizeof(controller->host) - 1);
    controller->started = controller->role_since = controller_real_us();
    controller->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    DK_CHECK(controller->wake_fd >= 0);
    controller->intake = dk_intake_create(controller->host, controller->wake_fd);
    if (controller->place->listen[0] != '\0')
        dk_intake_prove(controller->intake, &controller->place->munge);
    status = dk_lead_join(&controller->lead, controller->place->log_uri, &lead, err);
    if (status == DK_OK && controller->has_door)
        status = open_door(controller, err);
    return status;
}

static void close_all(struct controller *controller)
{
    if (controller->intake != NULL)
        dk_intake_refuse(controller->intake, 503, "BUSY",
                         "the controller is stopping; try again with the same key");
    dk_door_close(controller->door);
    dk_intake_stop(controller->intake);
    dk_http_stop(controller->server);
    dk_http_stop(controller->aside);
    dk_intake_destroy(controller->intake);
    dk_mail_close(controller->mail);
    dk_follower_close(controller->follower);
    dk_secrets_close(controller->secrets);
    dk_lead_leave(controller->lead);
    if (controller->wake_fd >= 0)
        (void)close(controller->wake_fd);
}

/* --- from role to role --- */

bool controller_is_told_to_stop(const struct controller *controller, int timeout_ms)
{
    struct pollfd fd = { .fd = controller->options->stop_fd, .events = POLLIN };

    return poll(&fd, 1, timeout_ms) > 0;
}

/* Whether a controller that has stopped leading may stand by again, and goes on from there:
 * `status` is why it stopped. */
static enum dk_status stand_back(struct controller *controller, enum dk_status status, bool *stop,
                                 struct dk_err *err)
{
    if (!controller->has_door || (status != DK_FENCED && status != DK_IO && status != DK_AWAY))
        return status;
    dk_journal(DK_JOURNAL_WARNING, "%s: %s; nothing of ours is written from here on",
               status == DK_FENCED ? "fenced" : "no longer leading", err->text);
    /* What it had read may not be in the log: who leads next reads it again, and so do we. */
    dk_mail_close(controller->mail);
    controller->mail = NULL;
    do {
        *stop = controller_is_told_to_stop(controller, AGAIN_MS);
        status = *stop ? DK_OK : open_mail(controller, err);
    } while (status == DK_AWAY);
    controller->confirmed = 0;
    return status;
}

static enum dk_status run(struct controller *controller, struct dk_err *err)
{
    enum dk_status status = DK_OK;
    bool stop = false;

    while (status == DK_OK && !stop) {
        status = controller_stand_by(controller, &stop, err);
        if (status == DK_OK && !stop) {
            dk_http_stop(controller->aside);
            controller->aside = NULL;
            status = controller_lead(controller, &stop, err);
            if (status != DK_OK)
                status = stand_back(controller, status, &stop, err);
        }
    }
    return status;
}

enum dk_status dk_controller_run(const struct dk_controller_options *options, struct dk_err *err)
{
    struct controller *controller = calloc(1, sizeof(*controller));
    enum dk_status status;

    DK_CHECK(controller != NULL);
    controller->options = options;
    controller->place = options->place;
    controller->wake_fd = -1;
    controller->has_door = is_topic(options->place->log_uri);
    status = open_all(controller, err);
    if (status == DK_OK)
        status = run(controller, err);
    close_all(controller);
    free(controller);
    return status;
}
