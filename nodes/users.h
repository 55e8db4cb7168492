/* users.h - who a uid is on this machine, for starting processes
 *
 * Looked up by the agent (NSS may ask a server), kept for a minute.
 */
#ifndef DK_NODES_USERS_H
#define DK_NODES_USERS_H

#include "base/err.h"
#include "base/text.h"

#include <sys/types.h>

struct dk_user {
    char *name, *home, *shell; /* home and shell are "" when the user is not known here */
    gid_t *groups;             /* with the primary one */
    uint32_t group_count;
};

struct dk_users;

struct dk_users *dk_users_create(void);
void dk_users_destroy(struct dk_users *users);

/* Borrowed until the next call. `name` is who the controller says it is: its groups are those of
 * that name if this machine knows the uid by it, else only `gid`. */
const struct dk_user *dk_users_find(struct dk_users *users, uid_t uid, gid_t gid,
                                    struct dk_text name);

#endif
