/* groups.h - names of groups, by this machine's system, remembered
 *
 * Asking the system may take seconds (a directory service), so nobody may hold a lock of the views
 * meanwhile; what it said is good for ten minutes, also that it knows no such group. Any thread.
 */
#ifndef DK_PROJECTIONS_GROUPS_H
#define DK_PROJECTIONS_GROUPS_H

#include "base/text.h"

#include <stdint.h>

struct dk_groups;

struct dk_groups *dk_groups_create(void);
void dk_groups_destroy(struct dk_groups *groups); /* NULL is fine */

/* Empty: the system knows no such group. Kept until dk_groups_destroy. */
struct dk_text dk_groups_name(struct dk_groups *groups, int32_t gid);

#endif
