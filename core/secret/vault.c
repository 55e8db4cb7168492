/* vault.c - see vault.h
 *
 * Order on the disk: a key is synced before the blobs that are sealed under it, so a blob that is
 * there can be opened. When something is erased the key goes first, and that is the erasure; the
 * blobs are space then. */
#include "secret/vault.h"

#include "base/check.h"
#include "base/sha256.h"
#include "log/blobs.h"
#include "secret/keyring.h"

#include <pthread.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4400, MAGIC = 0x31534B44, ADDED_SIZE = 64 };
enum {
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES
};

struct record {
    uint32_t magic;
    int32_t uid;
    uint8_t key_id[DK_KEY_ID_SIZE];
    uint8_t nonce[NONCE_SIZE];
};
_Static_assert(sizeof(struct record) == 48, "no holes");
_Static_assert(sizeof(struct record) + TAG_SIZE == ADDED_SIZE, "what sealing adds");
_Static_assert(DK_VAULT_SIZE_MAX + ADDED_SIZE <= DK_BLOB_SIZE_MAX, "a blob holds it");
_Static_assert(DK_VAULT_ID_SIZE == DK_BLOB_ID_SIZE, "a storage id is a blob's");
_Static_assert(DK_VAULT_KEY_SIZE == DK_KEY_SLOT_SIZE, "a key travels as its slot");
#define AUTHENTIC offsetof(struct record, nonce)

struct authentic {
    uint8_t record[AUTHENTIC];
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
};

struct dk_vault {
    char dir[PATH_SIZE], blobs_dir[PATH_SIZE];
    const struct dk_cluster_key *key; /* own_key, or borrowed */
    struct dk_cluster_key *own_key;
    bool is_writer;
    struct dk_keyring *ring;
    struct dk_blobs *blobs;
    struct retired { /* told to a reader before there was a ring */
        int32_t uid;
        uint64_t seq;
    } * retired;
    uint32_t retired_count;
    uint64_t seen;
    struct dk_buf scratch; /* what is sealed, on its way */
    pthread_mutex_t lock;
};

static void lock(struct dk_vault *vault)
{
    DK_CHECK(pthread_mutex_lock(&vault->lock) == 0);
}

static enum dk_status unlock(struct dk_vault *vault, enum dk_status status)
{
    DK_CHECK(pthread_mutex_unlock(&vault->lock) == 0);
    return status;
}

/* --- opening --- */

bool dk_vault_is_new(const char *dir)
{
    return !dk_keyring_is_there(dir);
}

static void take_retired(struct dk_vault *vault)
{
    dk_keyring_seen(vault->ring, vault->seen);
    for (uint32_t i = 0; i < vault->retired_count; i++)
        dk_keyring_retire(vault->ring, vault->retired[i].uid, vault->retired[i].seq);
    free(vault->retired);
    vault->retired = NULL;
    vault->retired_count = 0;
}

/* A reader's key and ring, when they have come to be; DK_NOT_FOUND: not yet. */
static enum dk_status ensure_ring(struct dk_vault *vault, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (vault->ring != NULL)
        return dk_keyring_refresh(vault->ring, err);
    if (vault->key == NULL) {
        status = dk_cluster_key_open(&vault->own_key, vault->dir, false, err);
        vault->key = vault->own_key;
    }
    if (status == DK_OK)
        status = dk_keyring_open(&vault->ring, vault->dir, vault->key, vault->is_writer, err);
    if (status == DK_OK)
        take_retired(vault);
    return status;
}

enum dk_status dk_vault_open(struct dk_vault **out, const char *dir,
                             const struct dk_cluster_key *key, bool is_writer, struct dk_err *err)
{
    struct dk_vault *vault = calloc(1, sizeof(*vault));
    enum dk_status status = DK_OK;

    DK_CHECK(vault != NULL && sodium_init() >= 0);
    DK_CHECK(!is_writer || key != NULL);
    *out = NULL;
    vault->key = key;
    vault->is_writer = is_writer;
    dk_buf_init(&vault->scratch, &dk_heap, DK_BLOB_SIZE_MAX);
    DK_CHECK(pthread_mutex_init(&vault->lock, NULL) == 0);
    if ((size_t)snprintf(vault->dir, sizeof(vault->dir), "%s", dir) >= sizeof(vault->dir) ||
        (size_t)snprintf(vault->blobs_dir, sizeof(vault->blobs_dir), "%s/blobs", dir) >=
            sizeof(vault->blobs_dir))
        status = dk_fail(err, DK_TOO_LARGE, "the path of the cluster's folder is too long");
    if (status == DK_OK && is_writer)
        status = ensure_ring(vault, err);
    if (status == DK_OK)
        status = dk_blobs_open(&vault->blobs, vault->blobs_dir, is_writer, err);
    if (status == DK_OK)
        *out = vault;
    else
        dk_vault_close(vault);
    return status;
}

enum dk_status dk_vault_become_writer(struct dk_vault *vault, struct dk_err *err)
{
    struct dk_keyring *ring = NULL;
    struct dk_blobs *blobs = NULL;
    enum dk_status status;

    if (vault->is_writer)
        return DK_OK;
    lock(vault);
    status = dk_keyring_open(&ring, vault->dir, vault->key, true, err);
    if (status == DK_OK)
        status = dk_blobs_open(&blobs, vault->blobs_dir, true, err);
    if (status != DK_OK) {
        dk_keyring_close(ring);
        return unlock(vault, status);
    }
    if (vault->ring != NULL)
        dk_keyring_retire_as(ring, vault->ring);
    dk_keyring_close(vault->ring);
    dk_blobs_close(vault->blobs);
    vault->ring = ring;
    vault->blobs = blobs;
    vault->is_writer = true;
    take_retired(vault);
    return unlock(vault, DK_OK);
}

int64_t dk_vault_offset(struct dk_vault *vault)
{
    int64_t offset;

    lock(vault);
    offset = dk_keyring_offset(vault->ring);
    (void)unlock(vault, DK_OK);
    return offset;
}

enum dk_status dk_vault_offset_set(struct dk_vault *vault, int64_t offset, struct dk_err *err)
{
    lock(vault);
    return unlock(vault, dk_keyring_offset_set(vault->ring, offset, err));
}

void dk_vault_close(struct dk_vault *vault)
{
    if (vault == NULL)
        return;
    dk_blobs_close(vault->blobs);
    dk_keyring_close(vault->ring);
    dk_cluster_key_close(vault->own_key);
    dk_buf_release(&vault->scratch);
    (void)pthread_mutex_destroy(&vault->lock);
    free(vault->retired);
    free(vault);
}

void dk_vault_seen(struct dk_vault *vault, uint64_t seq)
{
    lock(vault);
    if (vault->seen < seq)
        vault->seen = seq;
    if (vault->ring != NULL)
        dk_keyring_seen(vault->ring, seq);
    (void)unlock(vault, DK_OK);
}

enum dk_status dk_vault_begin(struct dk_vault *vault, uint64_t seq, struct dk_err *err)
{
    lock(vault);
    vault->seen = seq;
    dk_keyring_seen(vault->ring, seq);
    return unlock(vault, dk_keyring_drop_newer(vault->ring, seq, err));
}

/* --- sealing --- */

void dk_vault_digest(const void *bytes, size_t size, uint8_t digest[DK_VAULT_DIGEST_SIZE])
{
    struct dk_sha256 hash;

    dk_sha256_init(&hash);
    dk_sha256_add(&hash, bytes, size);
    dk_sha256_done(&hash, digest);
}

static void storage_id(const struct dk_user_key *key, const uint8_t digest[DK_VAULT_DIGEST_SIZE],
                       uint8_t id[DK_VAULT_ID_SIZE])
{
    DK_CHECK(crypto_generichash(id, DK_VAULT_ID_SIZE, digest, DK_VAULT_DIGEST_SIZE, key->name,
                                DK_KEY_SIZE) == 0);
}

/* Under which of the user's keys it is there. */
static bool find(struct dk_vault *vault, int32_t uid, const uint8_t digest[DK_VAULT_DIGEST_SIZE],
                 struct dk_user_key *key, uint8_t id[DK_VAULT_ID_SIZE])
{
    if (vault->ring == NULL)
        return false;
    for (uint32_t n = 0; dk_keyring_key(vault->ring, uid, n, key); n++) {
        storage_id(key, digest, id);
        if (dk_blobs_has(vault->blobs, id))
            return true;
    }
    return false;
}

static enum dk_status seal(const struct dk_user_key *key, const void *bytes, size_t size,
                           const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_buf *out,
                           struct dk_err *err)
{
    struct record record = { .magic = MAGIC, .uid = key->uid };
    struct authentic authentic;
    uint8_t *room;

    if (size > DK_VAULT_SIZE_MAX)
        return dk_fail(err, DK_TOO_LARGE, "%zu bytes are more than one may have (%zu)", size,
                       DK_VAULT_SIZE_MAX);
    room = dk_buf_room(out, size + ADDED_SIZE);
    DK_CHECK(room != NULL);
    memcpy(record.key_id, key->id, sizeof(record.key_id));
    randombytes_buf(record.nonce, sizeof(record.nonce));
    memcpy(authentic.record, &record, AUTHENTIC);
    memcpy(authentic.digest, digest, sizeof(authentic.digest));
    memcpy(room, &record, sizeof(record));
    DK_CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(
                 room + sizeof(record), NULL, bytes, size, (const uint8_t *)&authentic,
                 sizeof(authentic), NULL, record.nonce, key->seal) == 0);
    out->size += size + ADDED_SIZE;
    return DK_OK;
}

/* Its plaintext, behind what is in *out. */
static enum dk_status open_record(const struct dk_user_key *key, const struct dk_buf *sealed,
                                  const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_buf *out,
                                  struct dk_err *err)
{
    size_t size = sealed->size - ADDED_SIZE;
    struct authentic authentic;
    struct record record;
    uint8_t *room, found[DK_VAULT_DIGEST_SIZE];

    if (sealed->size < ADDED_SIZE)
        return dk_fail(err, DK_CORRUPT, "what is sealed is too short");
    memcpy(&record, sealed->data, sizeof(record));
    memcpy(authentic.record, &record, AUTHENTIC);
    memcpy(authentic.digest, digest, sizeof(authentic.digest));
    room = dk_buf_room(out, size > 0 ? size : 1);
    if (room == NULL)
        return dk_fail(err, DK_TOO_LARGE, "%zu bytes are more than there is room for", size);
    if (record.magic != MAGIC ||
        crypto_aead_xchacha20poly1305_ietf_decrypt(room, NULL, NULL, sealed->data + sizeof(record),
                                                   size + TAG_SIZE, (const uint8_t *)&authentic,
                                                   sizeof(authentic), record.nonce, key->seal) != 0)
        return dk_fail(err, DK_CORRUPT, "what is sealed was changed, or is not what was asked for");
    dk_vault_digest(room, size, found);
    if (memcmp(found, digest, sizeof(found)) != 0)
        return dk_fail(err, DK_CORRUPT, "what was sealed is not what its digest says");
    out->size += size;
    return DK_OK;
}

/* --- keeping --- */

static enum dk_status key_of(struct dk_vault *vault, int32_t uid, bool own, struct dk_user_key *key,
                             struct dk_err *err)
{
    return dk_keyring_key(vault->ring, uid, 0, key)
               ? DK_OK
               : dk_keyring_make(vault->ring, uid, own, key, err);
}

static enum dk_status put(struct dk_vault *vault, int32_t uid, const void *bytes, size_t size,
                          const uint8_t digest[DK_VAULT_DIGEST_SIZE], bool *added,
                          struct dk_err *err)
{
    uint8_t id[DK_VAULT_ID_SIZE];
    struct dk_user_key key;
    enum dk_status status;

    if (added != NULL)
        *added = false;
    if (find(vault, uid, digest, &key, id))
        return DK_OK;
    status = key_of(vault, uid, false, &key, err);
    dk_buf_clear(&vault->scratch);
    if (status == DK_OK)
        status = seal(&key, bytes, size, digest, &vault->scratch, err);
    if (status != DK_OK)
        return status;
    storage_id(&key, digest, id);
    return dk_blobs_put(vault->blobs, id, vault->scratch.data, vault->scratch.size, added, err);
}

enum dk_status dk_vault_put(struct dk_vault *vault, int32_t uid, const void *bytes, size_t size,
                            const uint8_t digest[DK_VAULT_DIGEST_SIZE], bool *added,
                            struct dk_err *err)
{
    lock(vault);
    return unlock(vault, put(vault, uid, bytes, size, digest, added, err));
}

static enum dk_status sync_all(struct dk_vault *vault, struct dk_err *err)
{
    enum dk_status status = dk_keyring_sync(vault->ring, err);

    return status == DK_OK ? dk_blobs_sync(vault->blobs, err) : status;
}

enum dk_status dk_vault_sync(struct dk_vault *vault, struct dk_err *err)
{
    lock(vault);
    return unlock(vault, sync_all(vault, err));
}

enum dk_status dk_vault_drop(struct dk_vault *vault, int32_t uid,
                             const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_err *err)
{
    uint8_t id[DK_VAULT_ID_SIZE];
    struct dk_user_key key;
    enum dk_status status = DK_OK;

    lock(vault);
    while (status == DK_OK && find(vault, uid, digest, &key, id))
        status = dk_blobs_drop(vault->blobs, id, err);
    return unlock(vault, status);
}

/* --- reading --- */

static enum dk_status get_plain(struct dk_vault *vault, const uint8_t digest[DK_VAULT_DIGEST_SIZE],
                                struct dk_buf *out, struct dk_err *err)
{
    uint8_t found[DK_VAULT_DIGEST_SIZE];
    size_t before = out->size;
    enum dk_status status = dk_blobs_get(vault->blobs, digest, out, err);

    if (status != DK_OK)
        return status;
    dk_vault_digest(out->data + before, out->size - before, found);
    if (memcmp(found, digest, sizeof(found)) == 0)
        return DK_OK;
    out->size = before;
    return dk_fail(err, DK_NOT_FOUND, "there is no blob of this digest");
}

static enum dk_status get(struct dk_vault *vault, int32_t uid,
                          const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_buf *out,
                          struct dk_err *err)
{
    uint8_t id[DK_VAULT_ID_SIZE];
    struct dk_user_key key;
    enum dk_status status = ensure_ring(vault, err);

    if (status != DK_OK && status != DK_NOT_FOUND)
        return status;
    if (find(vault, uid, digest, &key, id)) {
        dk_buf_clear(&vault->scratch);
        status = dk_blobs_get(vault->blobs, id, &vault->scratch, err);
        return status == DK_OK ? open_record(&key, &vault->scratch, digest, out, err) : status;
    }
    if (get_plain(vault, digest, out, NULL) == DK_OK)
        return DK_OK;
    if (vault->ring != NULL && dk_keyring_erased(vault->ring, uid) > 0)
        return dk_fail(err, DK_END, "it was erased");
    return dk_fail(err, DK_NOT_FOUND, "there is none of this digest by user %d", uid);
}

enum dk_status dk_vault_get(struct dk_vault *vault, int32_t uid,
                            const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_buf *out,
                            struct dk_err *err)
{
    lock(vault);
    return unlock(vault, get(vault, uid, digest, out, err));
}

bool dk_vault_has(struct dk_vault *vault, int32_t uid, const uint8_t digest[DK_VAULT_DIGEST_SIZE])
{
    uint8_t id[DK_VAULT_ID_SIZE];
    struct dk_user_key key;
    bool is_there;

    lock(vault);
    is_there = ensure_ring(vault, NULL) == DK_OK && find(vault, uid, digest, &key, id);
    (void)unlock(vault, DK_OK);
    return is_there;
}

/* --- forgetting --- */

static void retire(struct dk_vault *vault, int32_t uid, uint64_t seq)
{
    if (vault->ring != NULL) {
        dk_keyring_retire(vault->ring, uid, seq);
        return;
    }
    vault->retired = realloc(vault->retired, (vault->retired_count + 1) * sizeof(*vault->retired));
    DK_CHECK(vault->retired != NULL);
    vault->retired[vault->retired_count++] = (struct retired){ uid, seq };
}

void dk_vault_retire(struct dk_vault *vault, int32_t uid, uint64_t seq)
{
    lock(vault);
    retire(vault, uid, seq);
    (void)unlock(vault, DK_OK);
}

struct gathering {
    struct dk_vault *vault;
    int32_t uid;
    bool plain; /* those that docket 0.2 left, else those of a user that no key opens */
    uint8_t (*ids)[DK_BLOB_ID_SIZE];
    size_t count, capacity;
};

static bool opens(struct dk_vault *vault, int32_t uid, const uint8_t key_id[DK_KEY_ID_SIZE])
{
    struct dk_user_key key;

    for (uint32_t n = 0; dk_keyring_key(vault->ring, uid, n, &key); n++) {
        if (memcmp(key.id, key_id, DK_KEY_ID_SIZE) == 0)
            return true;
    }
    return false;
}

static bool gather(void *ctx, const struct dk_blob_about *about)
{
    struct gathering *gathering = ctx;
    struct record record;

    memcpy(&record, about->bytes, sizeof(record));
    if (about->plain != gathering->plain)
        return true;
    if (!about->plain && (record.magic != MAGIC || record.uid != gathering->uid ||
                          opens(gathering->vault, record.uid, record.key_id)))
        return true;
    if (gathering->count == gathering->capacity) {
        gathering->capacity = gathering->capacity > 0 ? gathering->capacity * 2 : 256;
        gathering->ids = realloc(gathering->ids, gathering->capacity * sizeof(*gathering->ids));
        DK_CHECK(gathering->ids != NULL);
    }
    memcpy(gathering->ids[gathering->count++], about->id, DK_BLOB_ID_SIZE);
    return true;
}

static enum dk_status erase_gathered(struct gathering *gathering, struct dk_err *err)
{
    struct dk_blobs *blobs = gathering->vault->blobs;
    enum dk_status status = dk_blobs_each(blobs, gather, gathering, err);

    if (status == DK_OK && gathering->count > 0)
        status = dk_blobs_erase(blobs, gathering->ids, gathering->count, err);
    free(gathering->ids);
    return status;
}

enum dk_status dk_vault_forget(struct dk_vault *vault, int32_t uid, uint64_t seq,
                               struct dk_err *err)
{
    struct gathering gathering = { .vault = vault, .uid = uid };
    enum dk_status status;

    lock(vault);
    retire(vault, uid, seq);
    status = dk_keyring_forget(vault->ring, uid, seq, err);
    if (status == DK_OK)
        status = erase_gathered(&gathering, err);
    return unlock(vault, status);
}

struct old {
    int32_t uid;
    void (*visit)(void *ctx, int32_t uid, const uint8_t *id, bool is_key);
    void *ctx;
};

static void visit_key(void *ctx, const uint8_t id[DK_KEY_ID_SIZE])
{
    const struct old *old = ctx;

    old->visit(old->ctx, old->uid, id, true);
}

enum dk_status dk_vault_old(struct dk_vault *vault, int32_t uid, uint64_t seq,
                            void (*visit)(void *ctx, int32_t uid, const uint8_t *id, bool is_key),
                            void *ctx, struct dk_err *err)
{
    struct gathering gathering = { .vault = vault, .uid = uid };
    struct old old = { uid, visit, ctx };
    enum dk_status status;

    lock(vault);
    retire(vault, uid, seq);
    dk_keyring_old(vault->ring, uid, seq, visit_key, &old);
    status = dk_blobs_each(vault->blobs, gather, &gathering, err);
    for (size_t i = 0; status == DK_OK && i < gathering.count; i++)
        visit(ctx, uid, gathering.ids[i], false);
    free(gathering.ids);
    return unlock(vault, status);
}

uint64_t dk_vault_applied(struct dk_vault *vault)
{
    uint64_t seq;

    lock(vault);
    seq = ensure_ring(vault, NULL) == DK_OK ? dk_keyring_applied(vault->ring) : 0;
    (void)unlock(vault, DK_OK);
    return seq;
}

enum dk_status dk_vault_applied_set(struct dk_vault *vault, uint64_t seq, struct dk_err *err)
{
    lock(vault);
    return unlock(vault, dk_keyring_applied_set(vault->ring, seq, err));
}

uint64_t dk_vault_erased(struct dk_vault *vault, int32_t uid)
{
    uint64_t seq;

    lock(vault);
    seq = ensure_ring(vault, NULL) == DK_OK ? dk_keyring_erased(vault->ring, uid) : 0;
    (void)unlock(vault, DK_OK);
    return seq;
}

/* --- what docket 0.2 left --- */

uint64_t dk_vault_plain(struct dk_vault *vault)
{
    uint64_t count;

    lock(vault);
    count = dk_blobs_count_plain(vault->blobs);
    (void)unlock(vault, DK_OK);
    return count;
}

enum dk_status dk_vault_adopt(struct dk_vault *vault, int32_t uid,
                              const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_err *err)
{
    struct dk_buf bytes;
    enum dk_status status;

    dk_buf_init(&bytes, &dk_heap, DK_VAULT_SIZE_MAX);
    lock(vault);
    status = get_plain(vault, digest, &bytes, err);
    if (status == DK_OK)
        status = put(vault, uid, bytes.data, bytes.size, digest, NULL, err);
    else if (status == DK_NOT_FOUND || status == DK_END || status == DK_CORRUPT)
        status = DK_OK; /* it was lost before us */
    dk_buf_release(&bytes);
    return unlock(vault, status);
}

enum dk_status dk_vault_plain_done(struct dk_vault *vault, struct dk_err *err)
{
    struct gathering gathering = { .vault = vault, .plain = true };
    enum dk_status status;

    lock(vault);
    status = sync_all(vault, err);
    if (status == DK_OK)
        status = erase_gathered(&gathering, err);
    return unlock(vault, status);
}

/* --- from host to host --- */

enum dk_status dk_vault_seal(struct dk_vault *vault, int32_t uid, const void *bytes, size_t size,
                             const uint8_t digest[DK_VAULT_DIGEST_SIZE], struct dk_sealed *sealed,
                             struct dk_err *err)
{
    struct dk_user_key key;
    enum dk_status status;

    lock(vault);
    status = ensure_ring(vault, err);
    sealed->has_key = false;
    sealed->is_there = status == DK_OK && find(vault, uid, digest, &key, sealed->id);
    if (status != DK_OK || sealed->is_there)
        return unlock(vault, status);
    status = key_of(vault, uid, true, &key, err);
    if (status == DK_OK)
        status = seal(&key, bytes, size, digest, &sealed->record, err);
    if (status != DK_OK)
        return unlock(vault, status);
    storage_id(&key, digest, sealed->id);
    sealed->has_key = dk_keyring_is_own(vault->ring, &key);
    if (sealed->has_key)
        dk_keyring_export(vault->ring, &key, sealed->key);
    return unlock(vault, DK_OK);
}

enum dk_status dk_vault_accept_key(struct dk_vault *vault, const uint8_t *key, size_t size,
                                   struct dk_err *err)
{
    if (size != DK_KEY_SLOT_SIZE)
        return dk_fail(err, DK_CORRUPT, "a user's key has %zu bytes, not %d", size,
                       DK_KEY_SLOT_SIZE);
    lock(vault);
    return unlock(vault, dk_keyring_import(vault->ring, key, err));
}

bool dk_vault_owner(const uint8_t *bytes, size_t size, int32_t *uid, uint8_t key_id[16])
{
    struct record record;

    if (size < ADDED_SIZE || size > DK_VAULT_SIZE_MAX + ADDED_SIZE)
        return false;
    memcpy(&record, bytes, sizeof(record));
    *uid = record.uid;
    memcpy(key_id, record.key_id, sizeof(record.key_id));
    return record.magic == MAGIC && record.uid >= 0;
}

enum dk_status dk_vault_accept(struct dk_vault *vault, const uint8_t id[DK_VAULT_ID_SIZE],
                               const uint8_t *bytes, size_t size, struct dk_err *err)
{
    uint8_t key_id[DK_KEY_ID_SIZE];
    int32_t uid;
    enum dk_status status;

    if (!dk_vault_owner(bytes, size, &uid, key_id))
        return dk_fail(err, DK_CORRUPT, "%zu bytes that are no sealed record", size);
    lock(vault);
    if (dk_keyring_erased(vault->ring, uid) > 0 && !opens(vault, uid, key_id))
        status = dk_fail(err, DK_END, "it is of before what user %d had erased", uid);
    else
        status = dk_blobs_put(vault->blobs, id, bytes, size, NULL, err);
    return unlock(vault, status);
}
