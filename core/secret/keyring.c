/* keyring.c - see keyring.h
 *
 * A slot lies within a sector and has a checksum: a torn one is no key, and nothing was sealed
 * durably under a key that was not. Keys are taken out of their seal when they are first used. */
#define _GNU_SOURCE
#include "secret/keyring.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/table.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAGIC = 0x314B4B44, VERSION = 1, PATH_SIZE = 4400 };
enum { KIND_FREE, KIND_KEY, KIND_ERASED };
enum { CHUNK = 512 };
#define NONE UINT32_MAX /* no enumerator: clang holds those to int */
enum {
    NONCE_SIZE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_SIZE = crypto_aead_xchacha20poly1305_ietf_ABYTES
};

struct head {
    uint32_t magic, version;
    uint64_t generation, applied;
    uint8_t print[DK_CLUSTER_PRINT_SIZE];
    int64_t offset;
    uint8_t zeros[76];
    uint32_t crc;
};

struct slot {
    uint32_t kind;
    int32_t uid;
    uint64_t seq;
    uint8_t id[DK_KEY_ID_SIZE];
    uint8_t nonce[NONCE_SIZE];
    uint8_t sealed[DK_KEY_SIZE + TAG_SIZE];
    uint8_t zeros[20];
    uint32_t crc;
};

_Static_assert(sizeof(struct head) == DK_KEY_SLOT_SIZE, "the head is a slot");
_Static_assert(sizeof(struct slot) == DK_KEY_SLOT_SIZE, "no holes");
#define AUTHENTIC offsetof(struct slot, nonce)
#define CHECKED offsetof(struct slot, crc)

struct material {
    uint8_t seal[DK_KEY_SIZE], name[DK_KEY_SIZE];
};

struct entry {
    struct slot slot;
    uint32_t place; /* in the file; 0: in this process only */
    uint32_t next;  /* of the same user */
    bool open;      /* its material is there */
};

struct user {
    int32_t uid;
    uint64_t erased;    /* by the file */
    uint64_t retired;   /* for this process */
    uint32_t mark;      /* the place of what says so in the file; 0: none */
    uint32_t first_key; /* entry, or NONE */
};

struct dk_keyring {
    const struct dk_cluster_key *key;
    int fd;
    bool is_writer, dirty;
    struct head head;
    uint64_t seen;
    struct entry *entries;
    struct material **chunks;
    uint32_t count, capacity;
    struct user *users;
    uint32_t user_count, user_capacity;
    struct dk_table by_uid;
    uint32_t places; /* of the file, the head too */
    uint32_t *free_places, free_count, free_capacity;
};

static void *grow(void *items, uint32_t *capacity, uint32_t count, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity > 0 ? *capacity * 2 : 64;
    items = realloc(items, *capacity * size);
    DK_CHECK(items != NULL);
    return items;
}

/* --- the file --- */

static enum dk_status fail_io(struct dk_err *err)
{
    return dk_fail(err, errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? DK_FULL : DK_IO,
                   "'user.keys': %s", strerror(errno));
}

static enum dk_status write_place(struct dk_keyring *ring, uint32_t place, const void *bytes,
                                  struct dk_err *err)
{
    ssize_t put = pwrite(ring->fd, bytes, DK_KEY_SLOT_SIZE, (off_t)place * DK_KEY_SLOT_SIZE);

    ring->dirty = true;
    if (put >= 0 && put != DK_KEY_SLOT_SIZE)
        errno = ENOSPC;
    return put == DK_KEY_SLOT_SIZE ? DK_OK : fail_io(err);
}

static enum dk_status write_slot(struct dk_keyring *ring, uint32_t place, struct slot *slot,
                                 struct dk_err *err)
{
    slot->crc = dk_crc32c(0, slot, CHECKED);
    return write_place(ring, place, slot, err);
}

static enum dk_status write_head(struct dk_keyring *ring, struct dk_err *err)
{
    uint8_t bytes[DK_KEY_SLOT_SIZE];

    ring->head.crc = dk_crc32c(0, &ring->head, offsetof(struct head, crc));
    memcpy(bytes, &ring->head, sizeof(bytes)); /* gcc -O3 takes the head for its first member */
    return write_place(ring, 0, bytes, err);
}

/* Behind every change: readers look at it. */
static enum dk_status next_generation(struct dk_keyring *ring, struct dk_err *err)
{
    ring->head.generation++;
    return write_head(ring, err);
}

static uint32_t take_place(struct dk_keyring *ring)
{
    return ring->free_count > 0 ? ring->free_places[--ring->free_count] : ring->places++;
}

static void free_place(struct dk_keyring *ring, uint32_t place)
{
    ring->free_places =
        grow(ring->free_places, &ring->free_capacity, ring->free_count, sizeof(*ring->free_places));
    ring->free_places[ring->free_count++] = place;
}

/* --- what there is --- */

static struct user *user_find(const struct dk_keyring *ring, int32_t uid)
{
    uint32_t index = dk_table_find(&ring->by_uid, (uint64_t)(uint32_t)uid + 1);

    return index == DK_TABLE_NONE ? NULL : &ring->users[index];
}

static struct user *user_of(struct dk_keyring *ring, int32_t uid)
{
    struct user *user = user_find(ring, uid);

    if (user != NULL)
        return user;
    ring->users = grow(ring->users, &ring->user_capacity, ring->user_count, sizeof(*ring->users));
    dk_table_put(&ring->by_uid, (uint64_t)(uint32_t)uid + 1, ring->user_count);
    user = &ring->users[ring->user_count++];
    *user = (struct user){ .uid = uid, .first_key = NONE };
    return user;
}

static uint64_t erased_of(const struct user *user)
{
    return user->erased > user->retired ? user->erased : user->retired;
}

static struct material *material_of(struct dk_keyring *ring, uint32_t index)
{
    return &ring->chunks[index / CHUNK][index % CHUNK];
}

static uint32_t entry_add(struct dk_keyring *ring, const struct slot *slot, uint32_t place)
{
    struct user *user = user_of(ring, slot->uid);
    uint32_t capacity = ring->capacity, index = ring->count, *link = &user->first_key;

    ring->entries = grow(ring->entries, &ring->capacity, index, sizeof(*ring->entries));
    if (ring->capacity != capacity) {
        ring->chunks = realloc(ring->chunks, (ring->capacity / CHUNK + 1) * sizeof(*ring->chunks));
        DK_CHECK(ring->chunks != NULL);
        for (uint32_t i = capacity > 0 ? capacity / CHUNK + 1 : 0; i <= ring->capacity / CHUNK; i++)
            ring->chunks[i] = NULL;
    }
    if (ring->chunks[index / CHUNK] == NULL) {
        ring->chunks[index / CHUNK] = sodium_allocarray(CHUNK, sizeof(struct material));
        DK_CHECK(ring->chunks[index / CHUNK] != NULL);
    }
    while (*link != NONE)
        link = &ring->entries[*link].next;
    ring->entries[index] = (struct entry){ .slot = *slot, .place = place, .next = NONE };
    *link = index;
    return ring->count++;
}

/* The entry stays where it is and is nobody's. */
static void entry_drop(struct dk_keyring *ring, struct user *user, uint32_t index)
{
    uint32_t *link = &user->first_key;

    while (*link != index)
        link = &ring->entries[*link].next;
    *link = ring->entries[index].next;
    sodium_memzero(material_of(ring, index), sizeof(struct material));
    ring->entries[index] = (struct entry){ .next = NONE };
}

static uint32_t entry_find(const struct dk_keyring *ring, int32_t uid,
                           const uint8_t id[DK_KEY_ID_SIZE])
{
    const struct user *user = user_find(ring, uid);
    uint32_t index = user != NULL ? user->first_key : NONE;

    while (index != NONE && memcmp(ring->entries[index].slot.id, id, DK_KEY_ID_SIZE) != 0)
        index = ring->entries[index].next;
    return index;
}

static void entries_clear(struct dk_keyring *ring)
{
    for (uint32_t i = 0; i < ring->count; i += CHUNK)
        sodium_memzero(ring->chunks[i / CHUNK], CHUNK * sizeof(struct material));
    ring->count = 0;
    for (uint32_t i = 0; i < ring->user_count; i++) {
        ring->users[i].first_key = NONE;
        ring->users[i].erased = 0;
        ring->users[i].mark = 0;
    }
}

/* --- seals --- */

static void derive(const uint8_t key[DK_KEY_SIZE], struct material *material)
{
    DK_CHECK(crypto_kdf_derive_from_key(material->seal, DK_KEY_SIZE, 1, "docket_u", key) == 0);
    DK_CHECK(crypto_kdf_derive_from_key(material->name, DK_KEY_SIZE, 2, "docket_u", key) == 0);
}

static bool unwrap(const struct dk_keyring *ring, const struct slot *slot,
                   struct material *material)
{
    uint8_t key[DK_KEY_SIZE];
    bool good = crypto_aead_xchacha20poly1305_ietf_decrypt(
                    key, NULL, NULL, slot->sealed, sizeof(slot->sealed), (const uint8_t *)slot,
                    AUTHENTIC, slot->nonce, dk_cluster_key_wrap(ring->key)) == 0;

    if (good)
        derive(key, material);
    sodium_memzero(key, sizeof(key));
    return good;
}

static void wrap_new(const struct dk_keyring *ring, struct slot *slot)
{
    uint8_t key[DK_KEY_SIZE];

    randombytes_buf(key, sizeof(key));
    randombytes_buf(slot->id, sizeof(slot->id));
    randombytes_buf(slot->nonce, sizeof(slot->nonce));
    DK_CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(
                 slot->sealed, NULL, key, sizeof(key), (const uint8_t *)slot, AUTHENTIC, NULL,
                 slot->nonce, dk_cluster_key_wrap(ring->key)) == 0);
    sodium_memzero(key, sizeof(key));
}

/* --- reading the file --- */

static void take_slot(struct dk_keyring *ring, const struct slot *slot, uint32_t place)
{
    struct user *user;

    if (dk_crc32c(0, slot, CHECKED) != slot->crc || slot->kind == KIND_FREE) {
        free_place(ring, place);
    } else if (slot->kind == KIND_KEY) {
        (void)entry_add(ring, slot, place);
    } else if (slot->kind == KIND_ERASED) {
        user = user_of(ring, slot->uid);
        if (user->erased < slot->seq)
            user->erased = slot->seq;
        user->mark = place;
    }
}

static enum dk_status check_head(struct dk_keyring *ring, struct dk_err *err)
{
    const struct head *head = &ring->head;
    uint8_t print[DK_CLUSTER_PRINT_SIZE];

    if (head->magic != MAGIC || dk_crc32c(0, head, offsetof(struct head, crc)) != head->crc)
        return dk_fail(err, DK_CORRUPT, "'user.keys' does not begin as it should");
    if (head->version != VERSION)
        return dk_fail(err, DK_UNSUPPORTED, "'user.keys' is of version %u, not %d", head->version,
                       VERSION);
    dk_cluster_key_print(ring->key, print);
    if (memcmp(print, head->print, sizeof(print)) != 0)
        return dk_fail(err, DK_INVALID,
                       "'cluster.key' is not the key that 'user.keys' was made with: get the right "
                       "one from another controller's host or a backup");
    return DK_OK;
}

/* Keys that only this process has are kept; those that the file has by now are the file's. */
static enum dk_status load(struct dk_keyring *ring, struct dk_err *err)
{
    struct stat about;
    uint8_t *bytes;
    struct slot *own = NULL;
    uint32_t own_count = 0;
    enum dk_status status = DK_OK;

    if (fstat(ring->fd, &about) != 0)
        return fail_io(err);
    ring->places = (uint32_t)(about.st_size / DK_KEY_SLOT_SIZE);
    bytes = calloc((size_t)ring->places + 1, DK_KEY_SLOT_SIZE);
    own = calloc((size_t)ring->count + 1, sizeof(*own));
    DK_CHECK(bytes != NULL && own != NULL);
    if (pread(ring->fd, bytes, (size_t)ring->places * DK_KEY_SLOT_SIZE, 0) !=
        (ssize_t)ring->places * DK_KEY_SLOT_SIZE)
        status = fail_io(err);
    if (status == DK_OK) {
        memcpy(&ring->head, bytes, sizeof(ring->head));
        status = check_head(ring, err);
    }
    if (status == DK_OK) {
        for (uint32_t i = 0; i < ring->count; i++)
            if (ring->entries[i].place == 0 && ring->entries[i].slot.kind == KIND_KEY)
                own[own_count++] = ring->entries[i].slot;
        entries_clear(ring);
        ring->free_count = 0;
        for (uint32_t i = 1; i < ring->places; i++)
            take_slot(ring, (const struct slot *)(bytes + (size_t)i * DK_KEY_SLOT_SIZE), i);
        for (uint32_t i = 0; i < own_count; i++)
            if (entry_find(ring, own[i].uid, own[i].id) == NONE)
                (void)entry_add(ring, &own[i], 0);
    }
    free(own);
    free(bytes);
    return status;
}

static enum dk_status begin_file(struct dk_keyring *ring, const char *dir, struct dk_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum dk_status status;

    ring->head = (struct head){ .magic = MAGIC, .version = VERSION, .generation = 1 };
    dk_cluster_key_print(ring->key, ring->head.print);
    status = write_head(ring, err);
    if (status == DK_OK && (fsync(ring->fd) != 0 || fd < 0 || fsync(fd) != 0))
        status = fail_io(err);
    if (fd >= 0)
        (void)close(fd);
    return status;
}

static enum dk_status open_file(struct dk_keyring *ring, const char *dir, struct dk_err *err)
{
    char path[PATH_SIZE];
    struct stat about;

    if ((size_t)snprintf(path, sizeof(path), "%s/user.keys", dir) >= sizeof(path))
        return dk_fail(err, DK_TOO_LARGE, "the path of the cluster's folder is too long");
    ring->fd = open(path, (ring->is_writer ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
    if (ring->fd < 0 && errno == ENOENT)
        return dk_fail(err, DK_NOT_FOUND, "there is no '%s' yet", path);
    if (ring->fd < 0 || fstat(ring->fd, &about) != 0)
        return dk_fail(err, DK_IO, "'%s': %s", path, strerror(errno));
    if ((about.st_mode & 077) != 0)
        return dk_fail(err, DK_NOT_PERMITTED, "'%s' is open to others (mode %04o): it must be 0600",
                       path, (unsigned)about.st_mode & 07777);
    if (ring->is_writer && flock(ring->fd, LOCK_EX | LOCK_NB) != 0)
        return dk_fail(err, errno == EWOULDBLOCK ? DK_BUSY : DK_IO,
                       "'%s': another process writes it", path);
    if (about.st_size >= DK_KEY_SLOT_SIZE)
        return DK_OK;
    return ring->is_writer ? begin_file(ring, dir, err)
                           : dk_fail(err, DK_NOT_FOUND, "'%s' is being made", path);
}

enum dk_status dk_keyring_open(struct dk_keyring **out, const char *dir,
                               const struct dk_cluster_key *key, bool is_writer, struct dk_err *err)
{
    struct dk_keyring *ring = calloc(1, sizeof(*ring));
    enum dk_status status;

    DK_CHECK(ring != NULL && sodium_init() >= 0);
    *out = NULL;
    ring->fd = -1;
    ring->key = key;
    ring->is_writer = is_writer;
    dk_table_init(&ring->by_uid, &dk_heap);
    status = open_file(ring, dir, err);
    if (status == DK_OK)
        status = load(ring, err);
    if (status == DK_OK)
        *out = ring;
    else
        dk_keyring_close(ring);
    return status;
}

void dk_keyring_close(struct dk_keyring *ring)
{
    if (ring == NULL)
        return;
    for (uint32_t i = 0; ring->chunks != NULL && i <= ring->capacity / CHUNK; i++)
        sodium_free(ring->chunks[i]);
    free(ring->chunks);
    free(ring->entries);
    free(ring->users);
    free(ring->free_places);
    dk_table_release(&ring->by_uid);
    if (ring->fd >= 0)
        (void)close(ring->fd);
    free(ring);
}

bool dk_keyring_is_there(const char *dir)
{
    char path[PATH_SIZE];

    (void)snprintf(path, sizeof(path), "%s/user.keys", dir);
    return access(path, F_OK) == 0;
}

enum dk_status dk_keyring_refresh(struct dk_keyring *ring, struct dk_err *err)
{
    struct head head;

    if (ring->is_writer)
        return DK_OK;
    if (pread(ring->fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
        return fail_io(err);
    return head.generation == ring->head.generation ? DK_OK : load(ring, err);
}

void dk_keyring_seen(struct dk_keyring *ring, uint64_t seq)
{
    if (ring->seen < seq)
        ring->seen = seq;
}

/* --- keys --- */

static bool show(struct dk_keyring *ring, uint32_t index, struct dk_user_key *key)
{
    struct entry *entry = &ring->entries[index];
    struct material *material = material_of(ring, index);

    if (!entry->open)
        entry->open = unwrap(ring, &entry->slot, material);
    key->uid = entry->slot.uid;
    key->seq = entry->slot.seq;
    memcpy(key->id, entry->slot.id, sizeof(key->id));
    key->seal = material->seal;
    key->name = material->name;
    return entry->open;
}

bool dk_keyring_key(struct dk_keyring *ring, int32_t uid, uint32_t n, struct dk_user_key *key)
{
    const struct user *user = user_find(ring, uid);
    uint32_t index = user != NULL ? user->first_key : NONE;

    for (; index != NONE; index = ring->entries[index].next) {
        if (ring->entries[index].slot.seq < erased_of(user) || !show(ring, index, key))
            continue; /* one that does not come out of its seal is damaged, and none */
        if (n-- == 0)
            return true;
    }
    return false;
}

static enum dk_status put_in_file(struct dk_keyring *ring, struct slot *slot, uint32_t *place,
                                  struct dk_err *err)
{
    enum dk_status status;

    *place = take_place(ring);
    status = write_slot(ring, *place, slot, err);
    if (status == DK_OK)
        status = next_generation(ring, err);
    if (status != DK_OK)
        free_place(ring, *place);
    return status;
}

enum dk_status dk_keyring_make(struct dk_keyring *ring, int32_t uid, bool own,
                               struct dk_user_key *key, struct dk_err *err)
{
    const struct user *user = user_of(ring, uid);
    struct slot slot = { .kind = KIND_KEY, .uid = uid, .seq = ring->seen };
    enum dk_status status = DK_OK;
    uint32_t place = 0;

    if (slot.seq < erased_of(user))
        slot.seq = erased_of(user);
    wrap_new(ring, &slot);
    if (!own)
        status = put_in_file(ring, &slot, &place, err);
    if (status == DK_OK)
        DK_CHECK(show(ring, entry_add(ring, &slot, place), key));
    return status;
}

enum dk_status dk_keyring_sync(struct dk_keyring *ring, struct dk_err *err)
{
    if (!ring->dirty)
        return DK_OK;
    if (fdatasync(ring->fd) != 0)
        return fail_io(err);
    ring->dirty = false;
    return DK_OK;
}

bool dk_keyring_is_own(const struct dk_keyring *ring, const struct dk_user_key *key)
{
    uint32_t index = entry_find(ring, key->uid, key->id);

    return index != NONE && ring->entries[index].place == 0;
}

void dk_keyring_export(struct dk_keyring *ring, const struct dk_user_key *key,
                       uint8_t slot[DK_KEY_SLOT_SIZE])
{
    uint32_t index = entry_find(ring, key->uid, key->id);
    struct slot copy;

    DK_CHECK(index != NONE);
    copy = ring->entries[index].slot;
    copy.crc = dk_crc32c(0, &copy, CHECKED);
    memcpy(slot, &copy, sizeof(copy));
}

enum dk_status dk_keyring_import(struct dk_keyring *ring, const uint8_t bytes[DK_KEY_SLOT_SIZE],
                                 struct dk_err *err)
{
    struct material material;
    enum dk_status status;
    struct slot slot;
    uint32_t index, place;
    bool good;

    DK_CHECK(ring->is_writer);
    memcpy(&slot, bytes, sizeof(slot));
    good = slot.kind == KIND_KEY && dk_crc32c(0, &slot, CHECKED) == slot.crc &&
           unwrap(ring, &slot, &material);
    sodium_memzero(&material, sizeof(material));
    if (!good)
        return dk_fail(err, DK_CORRUPT, "a user's key does not fit this cluster's key");
    if (slot.seq < erased_of(user_of(ring, slot.uid)))
        return dk_fail(err, DK_END, "a key of user %d is of before what was erased", slot.uid);
    index = entry_find(ring, slot.uid, slot.id);
    if (index != NONE && ring->entries[index].place != 0)
        return DK_OK;
    status = put_in_file(ring, &slot, &place, err);
    if (status == DK_OK && index != NONE)
        ring->entries[index].place = place; /* one of ours comes back */
    else if (status == DK_OK)
        (void)entry_add(ring, &slot, place);
    return status;
}

/* --- forgetting --- */

void dk_keyring_retire(struct dk_keyring *ring, int32_t uid, uint64_t seq)
{
    struct user *user = user_of(ring, uid);

    if (user->retired < seq)
        user->retired = seq;
    for (uint32_t index = user->first_key, next; index != NONE; index = next) {
        next = ring->entries[index].next;
        if (ring->entries[index].slot.seq < seq && ring->entries[index].place == 0)
            entry_drop(ring, user, index); /* of this process only: that was all there is of it */
    }
}

void dk_keyring_retire_as(struct dk_keyring *ring, const struct dk_keyring *other)
{
    for (uint32_t i = 0; i < other->user_count; i++)
        dk_keyring_retire(ring, other->users[i].uid, other->users[i].retired);
    dk_keyring_seen(ring, other->seen);
}

void dk_keyring_old(const struct dk_keyring *ring, int32_t uid, uint64_t seq,
                    void (*visit)(void *ctx, const uint8_t id[DK_KEY_ID_SIZE]), void *ctx)
{
    const struct user *user = user_find(ring, uid);
    uint32_t index = user != NULL ? user->first_key : NONE;

    for (; index != NONE; index = ring->entries[index].next)
        if (ring->entries[index].slot.seq < seq)
            visit(ctx, ring->entries[index].slot.id);
}

static enum dk_status overwrite(struct dk_keyring *ring, struct user *user, uint32_t index,
                                struct dk_err *err)
{
    struct slot empty = { .kind = KIND_FREE };
    uint32_t place = ring->entries[index].place;
    enum dk_status status = place > 0 ? write_slot(ring, place, &empty, err) : DK_OK;

    if (status != DK_OK)
        return status;
    entry_drop(ring, user, index);
    if (place > 0)
        free_place(ring, place);
    return DK_OK;
}

static enum dk_status write_mark(struct dk_keyring *ring, struct user *user, uint64_t seq,
                                 struct dk_err *err)
{
    struct slot mark = { .kind = KIND_ERASED, .uid = user->uid, .seq = seq };
    uint32_t place = user->mark > 0 ? user->mark : take_place(ring);
    enum dk_status status = write_slot(ring, place, &mark, err);

    if (status == DK_OK) {
        user->mark = place;
        user->erased = seq;
    } else if (user->mark == 0) {
        free_place(ring, place);
    }
    return status;
}

enum dk_status dk_keyring_forget(struct dk_keyring *ring, int32_t uid, uint64_t seq,
                                 struct dk_err *err)
{
    struct user *user = user_of(ring, uid);
    enum dk_status status = DK_OK;

    DK_CHECK(ring->is_writer);
    if (user->erased < seq)
        status = write_mark(ring, user, seq, err);
    for (uint32_t index = user->first_key, next; status == DK_OK && index != NONE; index = next) {
        next = ring->entries[index].next;
        if (ring->entries[index].slot.seq < seq)
            status = overwrite(ring, user, index, err);
    }
    if (status == DK_OK)
        status = next_generation(ring, err);
    return status == DK_OK ? dk_keyring_sync(ring, err) : status;
}

uint64_t dk_keyring_erased(const struct dk_keyring *ring, int32_t uid)
{
    const struct user *user = user_find(ring, uid);

    return user != NULL ? erased_of(user) : 0;
}

enum dk_status dk_keyring_drop_newer(struct dk_keyring *ring, uint64_t seq, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    DK_CHECK(ring->is_writer);
    for (uint32_t i = 0; status == DK_OK && i < ring->count; i++) {
        const struct slot *slot = &ring->entries[i].slot;

        if (slot->kind == KIND_KEY && slot->seq > seq)
            status = overwrite(ring, user_of(ring, slot->uid), i, err);
    }
    if (status == DK_OK && ring->dirty)
        status = next_generation(ring, err);
    return status == DK_OK ? dk_keyring_sync(ring, err) : status;
}

uint64_t dk_keyring_applied(const struct dk_keyring *ring)
{
    return ring->head.applied;
}

enum dk_status dk_keyring_applied_set(struct dk_keyring *ring, uint64_t seq, struct dk_err *err)
{
    if (ring->head.applied >= seq)
        return DK_OK;
    ring->head.applied = seq;
    return write_head(ring, err);
}

int64_t dk_keyring_offset(const struct dk_keyring *ring)
{
    return ring->head.offset;
}

enum dk_status dk_keyring_offset_set(struct dk_keyring *ring, int64_t offset, struct dk_err *err)
{
    ring->head.offset = offset;
    return write_head(ring, err);
}
