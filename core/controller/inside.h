/* inside.h - what the files of the loop share: a controller stands by, takes over, leads
 *
 *     controller.c   opens and closes all, and goes from one role to the other
 *     standby.c      reads along, until it may lead
 *     lead.c         takes over, and turns requests into batches
 *     face.c         what others see of it: sockets, status
 */
#ifndef DK_CONTROLLER_INSIDE_H
#define DK_CONTROLLER_INSIDE_H

#include "controller/controller.h"
#include "controller/desk.h"
#include "controller/door.h"
#include "controller/mail.h"
#include "log/lead.h"

struct controller {
    const struct dk_controller_options *options;
    const struct dk_place *place;
    char host[256];
    bool has_door; /* requests come by a topic, and not by calls of this process alone */
    int wake_fd;   /* written by the intake: read by the door, or by the loop */
    struct dk_intake *intake;
    struct dk_http_server *server; /* where requests are taken */
    struct dk_http_server *aside;  /* of a standby without a door: its status only */
    struct dk_secrets *secrets;    /* with a door always, else while it leads */
    struct dk_lead *lead;
    uint64_t term;   /* of the lead in which we lead or led */
    int64_t started; /* this process, microseconds since 1970 */
    int64_t role_since;
    int64_t lag_us;    /* how old the last batch was when it was read */
    int64_t said;      /* when a standby said how it is, microseconds since 1970 */
    int64_t confirmed; /* when it was asked last whether a term that it led in is good still */

    bool was_at_end;              /* of the log, since it was opened */
    bool is_behind;               /* there is more to fold, now */
    struct dk_follower *follower; /* standing by; NULL: there is no log yet */

    struct dk_log *log; /* leading, and the rest of what that takes */
    struct dk_leader *leader;
    bool is_full;
    uint64_t rested_requests; /* so many there were at the last rest */
    int64_t rested;

    struct dk_desk *desk; /* without a door */

    struct dk_door *door; /* with one */
    struct dk_mail *mail;
};

int64_t controller_real_us(void); /* the system's clock */

/* Whether it is told to stop, within timeout_ms. */
bool controller_is_told_to_stop(const struct controller *controller, int timeout_ms);

/* Reads along until it may lead (DK_OK) or is told to stop (*stop). */
enum dk_status controller_stand_by(struct controller *controller, bool *stop, struct dk_err *err);

/* Opens or opens anew what reads along; DK_OK also when there is no log yet. */
enum dk_status controller_follow(struct controller *controller, struct dk_err *err);

/* Becomes the writer, and leads until it is told to stop (DK_OK, *stop), or leads no more:
 * DK_FENCED (another one does), or what is wrong. Nothing of leading is left then. */
enum dk_status controller_lead(struct controller *controller, bool *stop, struct dk_err *err);

/* Opens the sockets where requests are taken. */
enum dk_status controller_listen(struct controller *controller, struct dk_err *err);

/* Where a standby of the same folder can be seen: run/controllers/PID.sock. */
enum dk_status controller_listen_aside(struct controller *controller, struct dk_err *err);

/* What `GET /v1/status` says. */
void controller_say(struct controller *controller, const struct dk_core *core, int64_t seq,
                    uint32_t epoch);

#endif
