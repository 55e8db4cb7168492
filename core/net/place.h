/* place.h - where a cluster is: its folder, and what is in it (decision 0010)
 *
 * The folder is, in this order: what --dir says; DOCKET_DIR; the default place: for root
 * /var/lib/docket; else $XDG_STATE_HOME/docket or ~/.local/state/docket when a cluster is or can be
 * made there, and for clients /var/lib/docket when it is not.
 */
#ifndef DK_NET_PLACE_H
#define DK_NET_PLACE_H

#include "base/err.h"

#define DK_PLACE_PATH_MAX 4096

struct dk_place {
    char dir[DK_PLACE_PATH_MAX]; /* absolute */
    char log_dir[DK_PLACE_PATH_MAX + 64];
    char log_uri[DK_PLACE_PATH_MAX + 64];
    char control[DK_PLACE_PATH_MAX + 64]; /* sockets */
    char query[DK_PLACE_PATH_MAX + 64];
};

/* `dir` is what the user gave, NULL for nothing. For a daemon that makes the folder if need be
 * (is_daemon) it need not be there yet. */
enum dk_status dk_place_find(struct dk_place *place, const char *dir, bool is_daemon,
                             struct dk_err *err);

/* DIR/`name`, into `out` of DK_PLACE_PATH_MAX + 64 bytes. */
void dk_place_path(const struct dk_place *place, const char *name, char *out);

/* Makes the folder and those in it, with their modes. For daemons. */
enum dk_status dk_place_make(const struct dk_place *place, struct dk_err *err);

#endif
