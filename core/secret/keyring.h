/* keyring.h - keys of users, each sealed under the cluster's key, in one file
 *
 *     DIR/user.keys   slots of 128 bytes; the first one is the head
 *
 *       head   | "DKK1" | version u32 | generation u64 | applied u64 | print 16 | offset i64 |
 * zeros | crc u32 | slot   | kind u32 | uid i32 | seq u64 | id 16 | nonce 24 | sealed key 48 |
 * zeros | crc u32
 * |
 *                '--------- authenticated ----------'
 *
 * kind 1 is a key, made when `seq` was the last event known; 2 says that all keys of the user made
 * before `seq` are erased; 0 is free: overwritten. A key lives from then on and until something of
 * that kind says otherwise, in the file or for this process alone (dk_keyring_retire).
 *
 * The writer holds a lock on the file. Others read along: a change of the generation makes them
 * read the file again. They may make keys too, which are theirs alone until the writer accepts them
 * (core/secret/replica.h). Not thread-safe.
 */
#ifndef DK_SECRET_KEYRING_H
#define DK_SECRET_KEYRING_H

#include "base/err.h"
#include "secret/cluster_key.h"

#include <stdbool.h>
#include <stdint.h>

#define DK_KEY_SLOT_SIZE 128
#define DK_KEY_ID_SIZE 16
#define DK_KEY_SIZE 32

struct dk_keyring;

struct dk_user_key { /* borrowed until the next call on the ring */
    int32_t uid;
    uint64_t seq;
    uint8_t id[DK_KEY_ID_SIZE];
    const uint8_t *seal; /* what bytes are sealed under */
    const uint8_t *name; /* what storage ids are made with */
};

/* DK_INVALID: the file was made under another cluster key. DK_BUSY: another process is the writer.
 * DK_NOT_FOUND, for readers: there is no file yet. `key` is borrowed. */
enum dk_status dk_keyring_open(struct dk_keyring **out, const char *dir,
                               const struct dk_cluster_key *key, bool is_writer,
                               struct dk_err *err);
void dk_keyring_close(struct dk_keyring *ring); /* NULL is fine */
/* Is there a file of keys already? Then its cluster key can't be made anew. */
bool dk_keyring_is_there(const char *dir);

/* Takes in what the writer has changed; for the writer nothing. */
enum dk_status dk_keyring_refresh(struct dk_keyring *ring, struct dk_err *err);
/* Events up to this one are known: keys that are made say so. */
void dk_keyring_seen(struct dk_keyring *ring, uint64_t seq);

/* The user's n-th key that lives, the oldest first. False: there is none. */
bool dk_keyring_key(struct dk_keyring *ring, int32_t uid, uint32_t n, struct dk_user_key *key);
/* One more for the user: in the file, durable after the next dk_keyring_sync (the writer); or
 * `own`: known to this process alone. */
enum dk_status dk_keyring_make(struct dk_keyring *ring, int32_t uid, bool own,
                               struct dk_user_key *key, struct dk_err *err);
enum dk_status dk_keyring_sync(struct dk_keyring *ring, struct dk_err *err);

/* Is it known to this process alone, so far? */
bool dk_keyring_is_own(const struct dk_keyring *ring, const struct dk_user_key *key);
/* A key as it goes from host to host; and back, into the file (the writer). DK_CORRUPT: it is none
 * of this cluster. DK_END: it is of before what was erased. Having it already is fine. */
void dk_keyring_export(struct dk_keyring *ring, const struct dk_user_key *key,
                       uint8_t slot[DK_KEY_SLOT_SIZE]);
enum dk_status dk_keyring_import(struct dk_keyring *ring, const uint8_t slot[DK_KEY_SLOT_SIZE],
                                 struct dk_err *err);

/* Keys of the user that were made before `seq` are no keys any more, for this process. */
void dk_keyring_retire(struct dk_keyring *ring, int32_t uid, uint64_t seq);
/* As it is retired in another ring of this process. */
void dk_keyring_retire_as(struct dk_keyring *ring, const struct dk_keyring *other);
/* Keys in the file that dk_keyring_forget would overwrite. */
void dk_keyring_old(const struct dk_keyring *ring, int32_t uid, uint64_t seq,
                    void (*visit)(void *ctx, const uint8_t id[DK_KEY_ID_SIZE]), void *ctx);
/* And for all: overwritten, and synced. */
enum dk_status dk_keyring_forget(struct dk_keyring *ring, int32_t uid, uint64_t seq,
                                 struct dk_err *err);
/* Up to which event the user's were forgotten or retired; 0: never. */
uint64_t dk_keyring_erased(const struct dk_keyring *ring, int32_t uid);
/* Overwrites keys that say that events after `seq` were known, which never came to be. */
enum dk_status dk_keyring_drop_newer(struct dk_keyring *ring, uint64_t seq, struct dk_err *err);

/* Up to this event all that was to be forgotten is. Set with the next sync. */
uint64_t dk_keyring_applied(const struct dk_keyring *ring);
enum dk_status dk_keyring_applied_set(struct dk_keyring *ring, uint64_t seq, struct dk_err *err);
/* Up to which offset a topic was taken in; likewise. */
int64_t dk_keyring_offset(const struct dk_keyring *ring);
enum dk_status dk_keyring_offset_set(struct dk_keyring *ring, int64_t offset, struct dk_err *err);

#endif
