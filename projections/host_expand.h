/* host_expand.h - a host list such as "n[1-3,07],login" back into names */
#ifndef DK_PROJECTIONS_HOST_EXPAND_H
#define DK_PROJECTIONS_HOST_EXPAND_H

#include "base/arena.h"
#include "base/text.h"

/* Exactly `count` names in the list's order, in `arena`; NULL: it is no such list, or has another
 * number of names. */
const struct dk_text *dk_hosts_expand(struct dk_text list, uint32_t count, struct dk_arena *arena);

#endif
