/* seen.h - ids that were seen in the last minutes: nothing is taken twice
 *
 * munged remembers credentials too, but forgets all when it is started again, and on every other
 * host. An id is remembered for DK_SEEN_S seconds at least and twice that at most; of more than
 * DK_SEEN_MAX in that time the oldest are forgotten early. Not thread-safe.
 */
#ifndef DK_NET_SEEN_H
#define DK_NET_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#define DK_SEEN_ID_SIZE 16
#define DK_SEEN_S 900
#define DK_SEEN_MAX 1048576u

struct dk_seen;

struct dk_seen *dk_seen_create(void);
void dk_seen_destroy(struct dk_seen *seen); /* NULL is fine */

/* Remembers the id; false: it was known. `now`: seconds of a clock that does not go back. */
bool dk_seen_add(struct dk_seen *seen, const uint8_t id[DK_SEEN_ID_SIZE], int64_t now);

#endif
