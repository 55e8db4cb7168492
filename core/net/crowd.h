/* crowd.h - who is connected to a server, and how much of it each has
 *
 * A socket that all may open must not be closed to others by one: of the connections, and of the
 * memory for bodies that arrive and answers that are not read, nobody has more than a share: no
 * user of a Unix socket, no address of TCP. Root and the daemon's own user, who speak for nodes and
 * operate, are not counted on a Unix socket, and a quarter of all connections is theirs alone.
 *
 * Thread-safe. A place is good until it is left.
 */
#ifndef DK_NET_CROWD_H
#define DK_NET_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dk_crowd;
struct dk_crowd_place; /* the share of one; as many times taken as there are connections */

struct dk_crowd *dk_crowd_create(uint32_t connections_max, size_t body_bytes_max);
void dk_crowd_destroy(struct dk_crowd *crowd); /* NULL is fine; all have left */

/* False: there is no room for one more of this one: any number that is theirs alone. */
bool dk_crowd_enter(struct dk_crowd *crowd, uint64_t who, struct dk_crowd_place **place);
/* The same for a user; *place is NULL for who is not counted. */
bool dk_crowd_enter_user(struct dk_crowd *crowd, int32_t uid, struct dk_crowd_place **place);
/* All that anybody but root and we may have are taken. */
bool dk_crowd_is_full(struct dk_crowd *crowd);
void dk_crowd_leave(struct dk_crowd *crowd, struct dk_crowd_place *place); /* NULL is fine */

/* `size` more bytes of a body; false: the user has too many on the way already. */
bool dk_crowd_take(struct dk_crowd *crowd, struct dk_crowd_place *place, size_t size);
void dk_crowd_give_back(struct dk_crowd *crowd, struct dk_crowd_place *place, size_t size);

/* An answer that is to be sent, of any size; false: the user has not read those before it, which
 * are DK_CROWD_ANSWERS_MAX bytes or more. */
#define DK_CROWD_ANSWERS_MAX ((size_t)256 << 20)
bool dk_crowd_send(struct dk_crowd *crowd, struct dk_crowd_place *place, size_t size);
void dk_crowd_sent(struct dk_crowd *crowd, struct dk_crowd_place *place, size_t size);

#endif
