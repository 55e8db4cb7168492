/* blobs.c - packs of blobs (blobs.h)
 *
 * All digests are in memory: 48 bytes for each blob ever kept, and the same script is kept once. */
#define _GNU_SOURCE
#include "log/blobs.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/sha256.h"
#include "base/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PACK_SIZE_MAX ((uint64_t)256 << 20) /* then a new one is begun */
#define FILL_STEP ((uint64_t)4 << 20)

enum { MAGIC = 0x31424B44, HEAD_SIZE = 48, PACKS_MAX = 4096, PATH_SIZE = 4400 };

struct head {
    uint32_t magic, crc, size, erased;
    uint8_t digest[DK_BLOB_DIGEST_SIZE];
};
_Static_assert(sizeof(struct head) == HEAD_SIZE, "a head has no holes");

struct entry {
    uint8_t digest[DK_BLOB_DIGEST_SIZE];
    uint64_t offset; /* of its head */
    uint32_t pack, size;
};

struct pack {
    int fd;
    uint64_t end;    /* of the last whole record */
    uint64_t filled; /* with zeros, or larger because of records */
};

struct dk_blobs {
    char dir[PATH_SIZE - 64];
    bool is_writer, dirty;
    struct pack packs[PACKS_MAX];
    uint32_t pack_count;
    struct entry *entries;
    uint32_t count, capacity;
    struct dk_table by_digest;
};

static uint64_t key_of(const uint8_t digest[DK_BLOB_DIGEST_SIZE])
{
    uint64_t key;

    memcpy(&key, digest, sizeof(key));
    return key != 0 ? key : 1;
}

static uint64_t record_size(uint32_t size)
{
    return (HEAD_SIZE + (uint64_t)size + 7) & ~(uint64_t)7;
}

static uint32_t checksum(const struct head *head, const void *bytes)
{
    uint32_t crc = dk_crc32c(0, (const uint8_t *)head + 8, HEAD_SIZE - 8);

    return dk_crc32c(crc, bytes, head->size);
}

/* Two digests that share 64 bits are not met by chance; one made on purpose is looked up linearly.
 */
static struct entry *find(struct dk_blobs *blobs, const uint8_t digest[DK_BLOB_DIGEST_SIZE])
{
    uint32_t slot = dk_table_find(&blobs->by_digest, key_of(digest));

    if (slot == DK_TABLE_NONE)
        return NULL;
    if (memcmp(blobs->entries[slot].digest, digest, DK_BLOB_DIGEST_SIZE) == 0)
        return &blobs->entries[slot];
    for (uint32_t i = 0; i < blobs->count; i++) {
        if (memcmp(blobs->entries[i].digest, digest, DK_BLOB_DIGEST_SIZE) == 0)
            return &blobs->entries[i];
    }
    return NULL;
}

static void note(struct dk_blobs *blobs, const struct head *head, uint32_t pack, uint64_t offset)
{
    if (blobs->count == blobs->capacity) {
        uint32_t wanted = blobs->capacity > 0 ? blobs->capacity * 2 : 64;

        blobs->entries =
            dk_heap.resize(dk_heap.ctx, blobs->entries, blobs->capacity * sizeof(struct entry),
                           wanted * sizeof(struct entry));
        blobs->capacity = wanted;
    }
    blobs->entries[blobs->count] =
        (struct entry){ .offset = offset, .pack = pack, .size = head->size };
    memcpy(blobs->entries[blobs->count].digest, head->digest, DK_BLOB_DIGEST_SIZE);
    if (dk_table_find(&blobs->by_digest, key_of(head->digest)) == DK_TABLE_NONE)
        dk_table_put(&blobs->by_digest, key_of(head->digest), blobs->count);
    blobs->count++;
}

static enum dk_status read_at(int fd, void *bytes, size_t size, uint64_t offset, struct dk_err *err)
{
    size_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, (char *)bytes + done, size - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return dk_fail(err, DK_IO, "the pack of blobs: %s", strerror(errno));
        if (got == 0)
            return dk_fail(err, DK_TORN, "the pack of blobs ends inside a blob");
        done += (size_t)got;
    }
    return DK_OK;
}

static enum dk_status write_at(int fd, const void *bytes, size_t size, uint64_t offset,
                               struct dk_err *err)
{
    size_t done = 0;

    while (done < size) {
        ssize_t put = pwrite(fd, (const char *)bytes + done, size - done, (off_t)(offset + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return dk_fail(err,
                           errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? DK_FULL : DK_IO,
                           "the pack of blobs: %s", strerror(errno));
        done += (size_t)put;
    }
    return DK_OK;
}

/* A writer's last record may be torn; a record whose bytes are wrong is stepped over if the one
 * behind it begins where it should: damage to one blob is damage to that blob (dk_blobs_get finds
 * it). */
static bool is_whole(struct pack *pack, const struct head *head, uint64_t offset, uint64_t size)
{
    struct head next;
    uint8_t *bytes;
    bool good = false;

    if (offset + record_size(head->size) > size)
        return false;
    if (offset + record_size(head->size) + HEAD_SIZE <= size &&
        read_at(pack->fd, &next, sizeof(next), offset + record_size(head->size), NULL) == DK_OK &&
        next.magic == MAGIC)
        return true;
    bytes = malloc((size_t)head->size + 1);
    DK_CHECK(bytes != NULL);
    good = read_at(pack->fd, bytes, head->size, offset + HEAD_SIZE, NULL) == DK_OK &&
           (head->erased != 0 || checksum(head, bytes) == head->crc);
    free(bytes);
    return good;
}

/* Takes in what has been added to the pack since it was last looked at. */
static enum dk_status scan(struct dk_blobs *blobs, uint32_t number, struct dk_err *err)
{
    struct pack *pack = &blobs->packs[number];
    struct stat about;
    struct head head;

    if (fstat(pack->fd, &about) != 0)
        return dk_fail(err, DK_IO, "the pack of blobs: %s", strerror(errno));
    pack->filled = (uint64_t)about.st_size;
    while (pack->end + HEAD_SIZE <= pack->filled) {
        enum dk_status status = read_at(pack->fd, &head, sizeof(head), pack->end, err);

        if (status != DK_OK)
            return status;
        if (head.magic != MAGIC || head.size > DK_BLOB_SIZE_MAX ||
            !is_whole(pack, &head, pack->end, pack->filled))
            break;
        note(blobs, &head, number, pack->end);
        pack->end += record_size(head.size);
    }
    return DK_OK;
}

static void pack_path(const struct dk_blobs *blobs, uint32_t number, char path[PATH_SIZE])
{
    (void)snprintf(path, PATH_SIZE, "%s/%06u.pack", blobs->dir, number + 1);
}

/* Opens the next pack if it is there; a writer may make it. DK_END: there is none. */
static enum dk_status open_next(struct dk_blobs *blobs, bool make, struct dk_err *err)
{
    char path[PATH_SIZE];
    int fd;

    if (blobs->pack_count == PACKS_MAX)
        return dk_fail(err, DK_FULL, "there are %d packs of blobs, the most there may be",
                       PACKS_MAX);
    pack_path(blobs, blobs->pack_count, path);
    fd =
        open(path, (blobs->is_writer ? O_RDWR : O_RDONLY) | O_CLOEXEC | (make ? O_CREAT : 0), 0600);
    if (fd < 0)
        return errno == ENOENT ? DK_END
                               : dk_fail(err, errno == ENOSPC ? DK_FULL : DK_IO, "'%s': %s", path,
                                         strerror(errno));
    blobs->packs[blobs->pack_count] = (struct pack){ .fd = fd };
    return scan(blobs, blobs->pack_count++, err);
}

static enum dk_status look_again(struct dk_blobs *blobs, struct dk_err *err)
{
    enum dk_status status = blobs->pack_count > 0 ? scan(blobs, blobs->pack_count - 1, err) : DK_OK;

    while (status == DK_OK)
        status = open_next(blobs, false, err);
    return status == DK_END ? DK_OK : status;
}

enum dk_status dk_blobs_open(struct dk_blobs **out, const char *dir, bool is_writer,
                             struct dk_err *err)
{
    struct dk_blobs *blobs = calloc(1, sizeof(*blobs));
    enum dk_status status;

    DK_CHECK(blobs != NULL);
    *out = NULL;
    if (strlen(dir) >= sizeof(blobs->dir)) {
        free(blobs);
        return dk_fail(err, DK_TOO_LARGE, "the path of the blobs' folder is too long");
    }
    memcpy(blobs->dir, dir, strlen(dir) + 1);
    blobs->is_writer = is_writer;
    dk_table_init(&blobs->by_digest, &dk_heap);
    status = look_again(blobs, err);
    if (status != DK_OK) {
        dk_blobs_close(blobs);
        return status;
    }
    *out = blobs;
    return DK_OK;
}

void dk_blobs_close(struct dk_blobs *blobs)
{
    if (blobs == NULL)
        return;
    for (uint32_t i = 0; i < blobs->pack_count; i++)
        (void)close(blobs->packs[i].fd);
    dk_alloc_free(&dk_heap, blobs->entries, blobs->capacity * sizeof(struct entry));
    dk_table_release(&blobs->by_digest);
    free(blobs);
}

/* Zeros up to a step beyond what is needed, made durable: later syncs then move data only. */
static enum dk_status fill_ahead(struct pack *pack, uint64_t needed, struct dk_err *err)
{
    static const uint8_t zeros[1 << 16];
    uint64_t target = (needed + FILL_STEP) & ~(FILL_STEP - 1);

    if (needed <= pack->filled)
        return DK_OK;
    while (pack->filled < target) {
        uint64_t step = target - pack->filled;
        enum dk_status status;

        if (step > sizeof(zeros))
            step = sizeof(zeros);
        status = write_at(pack->fd, zeros, (size_t)step, pack->filled, err);
        if (status != DK_OK)
            return status;
        pack->filled += step;
    }
    return fsync(pack->fd) == 0 ? DK_OK
                                : dk_fail(err, DK_IO, "the pack of blobs: %s", strerror(errno));
}

enum dk_status dk_blobs_put(struct dk_blobs *blobs, const void *bytes, size_t size,
                            uint8_t digest[DK_BLOB_DIGEST_SIZE], struct dk_err *err)
{
    struct head head = { .magic = MAGIC, .size = (uint32_t)size };
    struct dk_sha256 hash;
    struct pack *pack;
    enum dk_status status = DK_OK;

    DK_CHECK(blobs->is_writer);
    if (size > DK_BLOB_SIZE_MAX)
        return dk_fail(err, DK_TOO_LARGE, "%zu bytes are more than a blob may have (%zu)", size,
                       DK_BLOB_SIZE_MAX);
    dk_sha256_init(&hash);
    dk_sha256_add(&hash, bytes, size);
    dk_sha256_done(&hash, digest);
    if (find(blobs, digest) != NULL)
        return DK_OK;
    if (blobs->pack_count == 0 || blobs->packs[blobs->pack_count - 1].end > PACK_SIZE_MAX)
        status = open_next(blobs, true, err);
    if (status != DK_OK)
        return status;
    pack = &blobs->packs[blobs->pack_count - 1];
    memcpy(head.digest, digest, DK_BLOB_DIGEST_SIZE);
    head.crc = checksum(&head, bytes);
    status = fill_ahead(pack, pack->end + record_size(head.size) + HEAD_SIZE, err);
    if (status == DK_OK) /* the bytes first: a record without its head is not there */
        status = write_at(pack->fd, bytes, size, pack->end + HEAD_SIZE, err);
    if (status == DK_OK)
        status = write_at(pack->fd, &head, sizeof(head), pack->end, err);
    if (status != DK_OK)
        return status;
    note(blobs, &head, blobs->pack_count - 1, pack->end);
    pack->end += record_size(head.size);
    blobs->dirty = true;
    return DK_OK;
}

enum dk_status dk_blobs_sync(struct dk_blobs *blobs, struct dk_err *err)
{
    if (!blobs->dirty)
        return DK_OK;
    /* At most the last two have anything new. */
    for (uint32_t i = blobs->pack_count > 2 ? blobs->pack_count - 2 : 0; i < blobs->pack_count;
         i++) {
        if (fdatasync(blobs->packs[i].fd) != 0)
            return dk_fail(err, DK_IO, "the pack of blobs: %s", strerror(errno));
    }
    blobs->dirty = false;
    return DK_OK;
}

enum dk_status dk_blobs_get(struct dk_blobs *blobs, const uint8_t digest[DK_BLOB_DIGEST_SIZE],
                            struct dk_buf *out, struct dk_err *err)
{
    struct entry *entry = find(blobs, digest);
    struct head head;
    size_t before = out->size;
    uint8_t *bytes;
    enum dk_status status;
    int fd;

    if (entry == NULL) {
        status = look_again(blobs, err);
        if (status != DK_OK)
            return status;
        entry = find(blobs, digest);
    }
    if (entry == NULL)
        return dk_fail(err, DK_NOT_FOUND, "there is no blob of this digest");
    fd = blobs->packs[entry->pack].fd;
    status = read_at(fd, &head, sizeof(head), entry->offset, err);
    if (status != DK_OK)
        return status;
    if (head.erased != 0)
        return dk_fail(err, DK_END, "the blob was erased");
    bytes = entry->size > 0 ? dk_buf_room(out, entry->size) : NULL;
    if (bytes == NULL && entry->size > 0)
        return dk_fail(err, DK_TOO_LARGE, "the blob has %u bytes, more than there is room for",
                       entry->size);
    status = read_at(fd, bytes, entry->size, entry->offset + HEAD_SIZE, err);
    if (status != DK_OK)
        return status;
    if (head.size != entry->size || checksum(&head, bytes) != head.crc) {
        out->size = before;
        return dk_fail(err, DK_CORRUPT, "the blob at byte %llu of pack %u fails its checksum",
                       (unsigned long long)entry->offset, entry->pack + 1);
    }
    out->size += entry->size;
    return DK_OK;
}

enum dk_status dk_blobs_erase(struct dk_blobs *blobs, const uint8_t digest[DK_BLOB_DIGEST_SIZE],
                              struct dk_err *err)
{
    static const uint8_t zeros[1 << 16];
    struct entry *entry = find(blobs, digest);
    uint32_t one = 1;
    enum dk_status status;
    int fd;

    DK_CHECK(blobs->is_writer);
    if (entry == NULL)
        return dk_fail(err, DK_NOT_FOUND, "there is no blob of this digest");
    fd = blobs->packs[entry->pack].fd;
    status = write_at(fd, &one, sizeof(one), entry->offset + offsetof(struct head, erased), err);
    for (uint64_t done = 0; status == DK_OK && done < entry->size; done += sizeof(zeros)) {
        uint64_t step = entry->size - done;

        status = write_at(fd, zeros, (size_t)(step < sizeof(zeros) ? step : sizeof(zeros)),
                          entry->offset + HEAD_SIZE + done, err);
    }
    if (status == DK_OK && fdatasync(fd) != 0)
        status = dk_fail(err, DK_IO, "the pack of blobs: %s", strerror(errno));
    return status;
}

uint64_t dk_blobs_count(const struct dk_blobs *blobs)
{
    return blobs->count;
}
