/* vault.h - what users gave, sealed: by user and SHA-256 of the plaintext
 *
 *     DIR/cluster.key, DIR/user.keys        cluster_key.h, keyring.h
 *     DIR/blobs/NNNNNN.pack                 log/blobs.h, by storage id:
 *
 *         | "DKS1" | uid i32 | key id 16 | nonce 24 | sealed bytes | tag 16 |
 *                  '---- authenticated, and the digest ----'
 *
 * The storage id is BLAKE2b-256 of the digest, keyed by the user's key. So the same bytes of a
 * user are kept once, and who has forgotten the key can't say what was there. Decision 0014.
 *
 * One process writes a vault; others read along, and notice what it adds and forgets. A plaintext
 * that docket 0.2 left in the packs is read as it is until dk_vault_plain_done.
 *
 * Thread-safe: calls wait for each other.
 */
#ifndef DK_SECRET_VAULT_H
#define DK_SECRET_VAULT_H

#include "base/buf.h"
#include "base/err.h"
#include "secret/cluster_key.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DK_VAULT_DIGEST_SIZE 32
#define DK_VAULT_ID_SIZE 32
#define DK_VAULT_SIZE_MAX ((size_t)16 << 20) /* of a plaintext */
#define DK_VAULT_KEY_SIZE 128                /* of a wrapped key on its way between hosts */

struct dk_vault;

/* A vault of which nothing is sealed yet: its cluster key may be made. */
bool dk_vault_is_new(const char *dir);

/* As the writer: `key` is borrowed; DK_BUSY: another process is; DK_INVALID: the vault is of
 * another cluster key. As a reader: `key` may be NULL, and is then read from `dir` once it is
 * there; nothing need be there yet. */
enum dk_status dk_vault_open(struct dk_vault **out, const char *dir,
                             const struct dk_cluster_key *key, bool is_writer, struct dk_err *err);
void dk_vault_close(struct dk_vault *vault); /* NULL is fine; what is not synced may be lost */

/* Events up to `seq` are durable, or known: a key that is made from now on is of after them. */
void dk_vault_seen(struct dk_vault *vault, uint64_t seq);
/* At a start on a log that ends at `seq`: what an epoch left that was never durable is dropped. */
enum dk_status dk_vault_begin(struct dk_vault *vault, uint64_t seq, struct dk_err *err);

/* --- keeping (the writer) --- */

void dk_vault_digest(const void *bytes, size_t size, uint8_t digest[DK_VAULT_DIGEST_SIZE]);
/* Seals and keeps the bytes. *added (may be NULL): the user had none of this digest. Durable after
 * the next dk_vault_sync. DK_FULL, DK_TOO_LARGE. */
enum dk_status dk_vault_put(struct dk_vault *vault, int32_t uid, const void *bytes, size_t size,
                            const uint8_t digest[DK_VAULT_DIGEST_SIZE], bool *added,
                            struct dk_err *err);
/* One sync for all that was put, one more if there are new keys; free when nothing was. */
enum dk_status dk_vault_sync(struct dk_vault *vault, struct dk_err *err);
/* Takes back what was put and is not needed. */
enum dk_status dk_vault_drop(struct dk_vault *vault, int32_t uid,
                             const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_err *err);

/* --- reading --- */

/* Appends the plaintext to *out. DK_NOT_FOUND; DK_END: not there, and something of the user's was
 * erased; DK_CORRUPT: it does not come out of its seal, or is not what the digest says. */
enum dk_status dk_vault_get(struct dk_vault *vault, int32_t uid,
                            const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_buf *out,
                            struct dk_err *err);
bool dk_vault_has(struct dk_vault *vault, int32_t uid, const uint8_t digest[DK_VAULT_DIGEST_SIZE]);

/* --- forgetting --- */

/* SecretsErased of the user is event `seq`, or is about to be: what was sealed under keys of before
 * is not there any more, for this process. */
void dk_vault_retire(struct dk_vault *vault, int32_t uid, uint64_t seq);
/* The event is durable (the writer): those keys are overwritten and synced, then the blobs sealed
 * under them. Doing it again is fine. */
enum dk_status dk_vault_forget(struct dk_vault *vault, int32_t uid, uint64_t seq,
                               struct dk_err *err);
/* Up to this event all that was erased is forgotten; the writer says so from time to time. */
uint64_t dk_vault_applied(struct dk_vault *vault);
enum dk_status dk_vault_applied_set(struct dk_vault *vault, uint64_t seq, struct dk_err *err);
/* Up to which event something of the user's was erased, as far as the vault was told; 0: never. */
uint64_t dk_vault_erased(struct dk_vault *vault, int32_t uid);

/* --- what docket 0.2 left (the writer) --- */

uint64_t dk_vault_plain(struct dk_vault *vault); /* how many plaintexts there are */
/* Seals the plaintext of this digest for the user too, if there is one. */
enum dk_status dk_vault_adopt(struct dk_vault *vault, int32_t uid,
                              const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_err *err);
/* All that has an owner is sealed: syncs, and overwrites every plaintext. */
enum dk_status dk_vault_plain_done(struct dk_vault *vault, struct dk_err *err);

/* --- from host to host (core/secret/replica.h) --- */

struct dk_sealed {
    uint8_t id[DK_VAULT_ID_SIZE];
    struct dk_buf record; /* the caller's, initialized; what the packs keep */
    bool is_there;        /* the vault has it already; record is empty */
    bool has_key;         /* it is sealed under a key that no vault has yet: */
    uint8_t key[DK_VAULT_KEY_SIZE];
};

/* Seals and keeps nothing; a key that is made for it is known to this process alone until
 * dk_vault_accept_key comes back with it. */
enum dk_status dk_vault_seal(struct dk_vault *vault, int32_t uid, const void *bytes, size_t size,
                             const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_sealed *sealed,
                             struct dk_err *err);
/* A reader becomes the writer, if there is none. DK_BUSY: there is. */
enum dk_status dk_vault_become_writer(struct dk_vault *vault, struct dk_err *err);
/* How far the topic was taken in; set with the next sync (the writer). */
int64_t dk_vault_offset(struct dk_vault *vault);
enum dk_status dk_vault_offset_set(struct dk_vault *vault, int64_t offset, struct dk_err *err);
/* What dk_vault_forget would forget: ids of keys (16 bytes), then storage ids. `visit` may not call
 * the vault. */
enum dk_status dk_vault_old(struct dk_vault *vault, int32_t uid, uint64_t seq,
                            void (*visit)(void *ctx, int32_t uid, const uint8_t *id, bool is_key),
                            void *ctx, struct dk_err *err);
/* What others sealed (the writer). DK_END: of before what was erased. DK_CORRUPT: it is none. */
enum dk_status dk_vault_accept_key(struct dk_vault *vault, const uint8_t *key, size_t size,
                                   struct dk_err *err);
enum dk_status dk_vault_accept(struct dk_vault *vault, const uint8_t id[DK_VAULT_ID_SIZE],
                               const uint8_t *record, size_t size, struct dk_err *err);
/* Whose it is and under which key, as it says itself. False: it is no record. */
bool dk_vault_owner(const uint8_t *record, size_t size, int32_t *uid, uint8_t key_id[16]);

#endif
