/* replica.h - the vaults of a cluster on Kafka: one topic, and a copy of it on each host
 *
 *     door -> PREFIX.secrets (all replicas in sync) -> request posted -> event
 *                  \-> every controller's and projector's host: DIR/user.keys, DIR/blobs
 *
 *     key  k/UID/KEYID   value: a wrapped key (DK_VAULT_KEY_SIZE)
 *     key  b/ID          value: a sealed record, by storage id
 *     key  c             value: which cluster key this is; the first one counts
 *     header mac         of 's', key and value, under the cluster's key; what has none is passed
 * over
 *
 * Of the processes that share a folder one writes it and tails the topic: who got the lock of
 * user.keys. The others read, and one of them goes on when it dies.
 *
 * Erasing: each process says when it sees SecretsErased. From then on what it is about is not there
 * for this process; the one that writes the folder sends tombstones for keys and records, then
 * overwrites them. A record that comes late, of before the erasure, is sent a tombstone after.
 *
 * dk_replica_keep and dk_replica_sync: by one thread. All others: by any.
 */
#ifndef DK_SECRET_REPLICA_H
#define DK_SECRET_REPLICA_H

#include "secret/vault.h"

struct dk_replica;

struct dk_replica_options {
    const char *log_uri, *dir;
    const struct dk_cluster_key *key; /* this and those above are borrowed */
    /* Calls dk_replica_erased for each SecretsErased after `seq` that is in the log; by the
     * replica's thread, when it becomes the writer of the folder. */
    enum dk_status (*look_through)(void *ctx, struct dk_replica *replica, uint64_t seq,
                                   struct dk_err *err);
    void *ctx;
    /* Told of what an operator would want to know; by the replica's thread. NULL: nobody. */
    void (*say)(void *ctx, const char *text);
};

/* DK_INVALID: the topic is of another cluster key. DK_IO: no broker answered. */
enum dk_status dk_replica_open(struct dk_replica **out, const struct dk_replica_options *options,
                               struct dk_err *err);
void dk_replica_close(struct dk_replica *replica); /* NULL is fine */

struct dk_vault *dk_replica_vault(struct dk_replica *replica); /* to get, and ask has */

/* Seals the bytes and sends them, and their key if it is new. */
enum dk_status dk_replica_keep(struct dk_replica *replica, int32_t uid, const void *bytes,
                               size_t size, const uint8_t digest[DK_VAULT_DIGEST_SIZE],
                               struct dk_err *err);
/* Waits until all that was sent is in the topic. DK_BUSY, DK_IO: it is not, or nobody knows: keep
 * it again. */
enum dk_status dk_replica_sync(struct dk_replica *replica, struct dk_err *err);

/* SecretsErased of the user is event `seq`. */
void dk_replica_erased(struct dk_replica *replica, int32_t uid, uint64_t seq);
/* Events up to `seq` were seen, and what they erase was said. */
void dk_replica_seen(struct dk_replica *replica, uint64_t seq);

/* Takes in what is in the topic now: true if the user has this then. Waits, at most so long. */
bool dk_replica_wait(struct dk_replica *replica, int32_t uid,
                     const uint8_t digest[DK_VAULT_DIGEST_SIZE], int timeout_ms);
/* Something is not there: is it worth asking again? For the first seconds it is, since it may be on
 * its way. */
bool dk_replica_is_awaited(struct dk_replica *replica, const uint8_t digest[DK_VAULT_DIGEST_SIZE]);

#endif
