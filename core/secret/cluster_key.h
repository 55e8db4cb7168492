/* cluster_key.h - the one secret that the controllers and projectors of a cluster share
 *
 *     DIR/cluster.key    64 hexadecimal digits and a newline; 0600; the same on every host
 *
 * It is never used itself: each purpose has a key of its own that is derived from it. Whoever has
 * the file can write requests that the leader believes, and open every script that is not erased.
 * It lives in guarded memory that is left out of core dumps. Decision 0014.
 */
#ifndef DK_SECRET_CLUSTER_KEY_H
#define DK_SECRET_CLUSTER_KEY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DK_CLUSTER_KEY_SIZE 32
#define DK_CLUSTER_MAC_SIZE 32
#define DK_CLUSTER_PRINT_SIZE 16

struct dk_cluster_key;

/* Reads DIR/cluster.key. `may_make`: when there is none one is made, durably; two processes that do
 * so at once agree on one. DK_NOT_FOUND: there is none and it may not be made. DK_NOT_PERMITTED:
 * others can read it, or it is somebody else's. DK_CORRUPT: it is no key. */
enum dk_status dk_cluster_key_open(struct dk_cluster_key **out, const char *dir, bool may_make,
                                   struct dk_err *err);
/* Of these bytes, which are copied: for a simulation. */
struct dk_cluster_key *dk_cluster_key_of(const uint8_t bytes[DK_CLUSTER_KEY_SIZE]);
void dk_cluster_key_close(struct dk_cluster_key *key); /* NULL is fine; wiped */

/* What proves that a record of `requests` was written by one of us: BLAKE2b-256 of its bytes under
 * the key for that. Any thread. */
void dk_cluster_mac(const struct dk_cluster_key *key, const void *bytes, size_t size,
                    uint8_t mac[DK_CLUSTER_MAC_SIZE]);
/* In constant time. `mac_size` as it came: only DK_CLUSTER_MAC_SIZE can be right. */
bool dk_cluster_mac_fits(const struct dk_cluster_key *key, const void *bytes, size_t size,
                         const void *mac, size_t mac_size);

/* Says which key it is and nothing about it. */
void dk_cluster_key_print(const struct dk_cluster_key *key, uint8_t print[DK_CLUSTER_PRINT_SIZE]);

/* What keys of users are sealed under; borrowed from `key`. For core/secret alone. */
const uint8_t *dk_cluster_key_wrap(const struct dk_cluster_key *key);

#endif
