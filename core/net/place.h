/* place.h - where a cluster is: its folder, what is in it, and what is elsewhere (decisions 0010,
 * 0012)
 *
 * The folder is, in this order: what --dir says; DOCKET_DIR; the default place: for root
 * /var/lib/docket; else $XDG_STATE_HOME/docket or ~/.local/state/docket when a cluster is or can be
 * made there, and for clients /var/lib/docket when it is not.
 *
 * DIR/docket.conf, and for /var/lib/docket without one /etc/docket/docket.conf, says what is not
 * where it usually is: lines `name = value`, `#` begins a comment; names are those of the fields
 * below, `munge_socket` and `cluster` those of `munge`. DOCKET_CONTROLLERS, DOCKET_PROJECTORS and
 * DOCKET_CLUSTER come before it.
 */
#ifndef DK_NET_PLACE_H
#define DK_NET_PLACE_H

#include "base/err.h"
#include "net/munge.h"

#define DK_PLACE_PATH_MAX 4096
#define DK_PLACE_LIST_MAX 2048
#define DK_PLACE_ADDRESS_MAX 280

struct dk_place {
    char dir[DK_PLACE_PATH_MAX]; /* absolute */
    char log_dir[DK_PLACE_PATH_MAX + 64];
    char log_uri[DK_PLACE_PATH_MAX + 64]; /* `log`; file:DIR/log */
    char control[DK_PLACE_PATH_MAX + 64]; /* sockets */
    char query[DK_PLACE_PATH_MAX + 64];
    /* Lists of HOST:PORT, apart by commas or spaces; empty: the sockets above. */
    char controllers[DK_PLACE_LIST_MAX], projectors[DK_PLACE_LIST_MAX];
    /* HOST:PORT of the controller and the projector of this folder; empty: their sockets alone. */
    char listen[DK_PLACE_ADDRESS_MAX], listen_query[DK_PLACE_ADDRESS_MAX];
    struct dk_munge
        munge; /* `munge_socket`, and `cluster`, which all hosts of a cluster agree on */
};

/* `dir` is what the user gave, NULL for nothing. For a daemon that makes the folder if need be
 * (is_daemon) it need not be there yet. DK_INVALID: docket.conf, with the line. */
enum dk_status dk_place_find(struct dk_place *place, const char *dir, bool is_daemon,
                             struct dk_err *err);

/* A value of docket.conf by its name there, from an option of the command line; NULL: none was
 * given.
 */
enum dk_status dk_place_set(struct dk_place *place, const char *name, const char *value,
                            struct dk_err *err);

/* DIR/`name`, into `out` of DK_PLACE_PATH_MAX + 64 bytes. */
void dk_place_path(const struct dk_place *place, const char *name, char *out);

/* Keeps `uri` as the cluster's log in DIR/docket.conf, which is made if there is none. DK_BUSY: the
 * folder has a cluster already, whose log is another one. */
enum dk_status dk_place_keep_log(struct dk_place *place, const char *uri, struct dk_err *err);

/* Makes the folder and those in it, with their modes. For daemons. */
enum dk_status dk_place_make(const struct dk_place *place, struct dk_err *err);

#endif
