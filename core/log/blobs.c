/* blobs.c - packs of blobs (blobs.h)
 *
 * All ids are in memory: 48 bytes for each blob ever kept, and the same one is kept once. */
#define _GNU_SOURCE
#include "log/blobs.h"

#include "base/check.h"
#include "base/crc32c.h"
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

enum {
    MAGIC_PLAIN = 0x31424B44,
    MAGIC = 0x32424B44,
    HEAD_SIZE = 48,
    PACKS_MAX = 4096,
    PATH_SIZE = 4400
};

struct head {
    uint32_t magic, crc, size, erased;
    uint8_t id[DK_BLOB_ID_SIZE];
};
_Static_assert(sizeof(struct head) == HEAD_SIZE, "a head has no holes");

struct entry {
    uint8_t id[DK_BLOB_ID_SIZE];
    uint64_t offset; /* of its head */
    uint32_t size;
    uint16_t pack;
    bool plain, erased;
};
_Static_assert(sizeof(struct entry) == 48, "one for each blob ever kept");

struct pack {
    int fd;
    uint64_t end;    /* of the last whole record */
    uint64_t filled; /* with zeros, or larger because of records */
    bool dirty;
};

struct dk_blobs {
    char dir[PATH_SIZE - 64];
    bool is_writer;
    struct pack packs[PACKS_MAX];
    uint32_t pack_count;
    struct entry *entries;
    uint32_t count, capacity;
    struct dk_table by_id;
};

static uint64_t key_of(const uint8_t id[DK_BLOB_ID_SIZE])
{
    uint64_t key;

    memcpy(&key, id, sizeof(key));
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

/* Two ids that share 64 bits are not met by chance; one made on purpose is looked up linearly. */
static struct entry *find(const struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE])
{
    uint32_t slot = dk_table_find(&blobs->by_id, key_of(id));

    if (slot == DK_TABLE_NONE)
        return NULL;
    if (memcmp(blobs->entries[slot].id, id, DK_BLOB_ID_SIZE) == 0)
        return &blobs->entries[slot];
    for (uint32_t i = 0; i < blobs->count; i++) {
        if (memcmp(blobs->entries[i].id, id, DK_BLOB_ID_SIZE) == 0)
            return &blobs->entries[i];
    }
    return NULL;
}

static struct entry *add(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE])
{
    if (blobs->count == blobs->capacity) {
        uint32_t wanted = blobs->capacity > 0 ? blobs->capacity * 2 : 64;

        blobs->entries =
            dk_heap.resize(dk_heap.ctx, blobs->entries, blobs->capacity * sizeof(struct entry),
                           wanted * sizeof(struct entry));
        blobs->capacity = wanted;
    }
    if (dk_table_find(&blobs->by_id, key_of(id)) == DK_TABLE_NONE)
        dk_table_put(&blobs->by_id, key_of(id), blobs->count);
    return &blobs->entries[blobs->count++];
}

/* An id is put again only when it was erased: of several records the last one is meant. */
static void note(struct dk_blobs *blobs, const struct head *head, uint32_t pack, uint64_t offset)
{
    struct entry *entry = find(blobs, head->id);

    if (entry == NULL)
        entry = add(blobs, head->id);
    *entry = (struct entry){ .offset = offset,
                             .plain = head->magic == MAGIC_PLAIN,
                             .erased = head->erased != 0,
                             .pack = (uint16_t)pack,
                             .size = head->size };
    memcpy(entry->id, head->id, DK_BLOB_ID_SIZE);
}

static bool is_magic(uint32_t magic)
{
    return magic == MAGIC || magic == MAGIC_PLAIN;
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
        is_magic(next.magic))
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
        if (!is_magic(head.magic) || head.size > DK_BLOB_SIZE_MAX ||
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
    dk_table_init(&blobs->by_id, &dk_heap);
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
    dk_table_release(&blobs->by_id);
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

enum dk_status dk_blobs_put(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE],
                            const void *bytes, size_t size, bool *added, struct dk_err *err)
{
    struct head head = { .magic = MAGIC, .size = (uint32_t)size };
    const struct entry *entry = find(blobs, id);
    struct pack *pack;
    enum dk_status status = DK_OK;

    DK_CHECK(blobs->is_writer);
    if (added != NULL)
        *added = entry == NULL || entry->erased;
    if (size > DK_BLOB_SIZE_MAX)
        return dk_fail(err, DK_TOO_LARGE, "%zu bytes are more than a blob may have (%zu)", size,
                       DK_BLOB_SIZE_MAX);
    if (entry != NULL && !entry->erased)
        return DK_OK;
    if (blobs->pack_count == 0 || blobs->packs[blobs->pack_count - 1].end > PACK_SIZE_MAX)
        status = open_next(blobs, true, err);
    if (status != DK_OK)
        return status;
    pack = &blobs->packs[blobs->pack_count - 1];
    memcpy(head.id, id, DK_BLOB_ID_SIZE);
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
    pack->dirty = true;
    return DK_OK;
}

enum dk_status dk_blobs_sync(struct dk_blobs *blobs, struct dk_err *err)
{
    for (uint32_t i = 0; i < blobs->pack_count; i++) {
        if (blobs->packs[i].dirty && fdatasync(blobs->packs[i].fd) != 0)
            return dk_fail(err, DK_IO, "the pack of blobs: %s", strerror(errno));
        blobs->packs[i].dirty = false;
    }
    return DK_OK;
}

/* The blob, also when another process has put it meanwhile; NULL: it is not there, or erased. */
static struct entry *look(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE],
                          struct dk_err *err, enum dk_status *status)
{
    struct entry *entry = find(blobs, id);

    *status = DK_OK;
    if (!blobs->is_writer && (entry == NULL || entry->erased)) {
        *status = look_again(blobs, err);
        entry = find(blobs, id);
    }
    if (*status == DK_OK && entry == NULL)
        *status = dk_fail(err, DK_NOT_FOUND, "there is no blob of this id");
    else if (*status == DK_OK && entry->erased)
        *status = dk_fail(err, DK_END, "the blob was erased");
    return *status == DK_OK ? entry : NULL;
}

static enum dk_status get(struct dk_blobs *blobs, struct entry *entry, struct dk_buf *out,
                          struct dk_err *err)
{
    int fd = blobs->packs[entry->pack].fd;
    size_t before = out->size;
    struct head head;
    uint8_t *bytes;
    enum dk_status status = read_at(fd, &head, sizeof(head), entry->offset, err);

    if (status != DK_OK)
        return status;
    entry->erased = head.erased != 0; /* by another process, since we looked */
    if (entry->erased)
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

enum dk_status dk_blobs_get(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE],
                            struct dk_buf *out, struct dk_err *err)
{
    enum dk_status status;
    struct entry *entry = look(blobs, id, err, &status);

    if (entry == NULL)
        return status;
    status = get(blobs, entry, out, err);
    if (status != DK_END)
        return status;
    entry = look(blobs, id, err, &status); /* it may have been put again behind */
    return entry != NULL ? get(blobs, entry, out, err) : status;
}

bool dk_blobs_has(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE])
{
    enum dk_status status;

    return look(blobs, id, NULL, &status) != NULL;
}

/* --- erasing --- */

/* What is plain is written over where it lies; of what is sealed the space is given back too. */
static enum dk_status overwrite(struct dk_blobs *blobs, const struct entry *entry,
                                struct dk_err *err)
{
    static const uint8_t zeros[1 << 16];
    struct pack *pack = &blobs->packs[entry->pack];
    uint64_t at = entry->offset + HEAD_SIZE;
    enum dk_status status = DK_OK;

    pack->dirty = true;
    if (entry->size > 0 && !entry->plain &&
        fallocate(pack->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
                  (off_t)entry->size) == 0)
        return DK_OK;
    for (uint64_t done = 0; status == DK_OK && done < entry->size; done += sizeof(zeros)) {
        uint64_t step = entry->size - done;

        status = write_at(pack->fd, zeros, (size_t)(step < sizeof(zeros) ? step : sizeof(zeros)),
                          at + done, err);
    }
    return status;
}

static enum dk_status mark_erased(struct dk_blobs *blobs, struct entry *entry, struct dk_err *err)
{
    uint32_t one = 1;
    struct pack *pack = &blobs->packs[entry->pack];
    enum dk_status status =
        write_at(pack->fd, &one, sizeof(one), entry->offset + offsetof(struct head, erased), err);

    pack->dirty = true;
    if (status == DK_OK)
        entry->erased = true;
    return status;
}

enum dk_status dk_blobs_drop(struct dk_blobs *blobs, const uint8_t id[DK_BLOB_ID_SIZE],
                             struct dk_err *err)
{
    enum dk_status status;
    struct entry *entry = look(blobs, id, err, &status);

    DK_CHECK(blobs->is_writer);
    if (entry == NULL)
        return status;
    status = mark_erased(blobs, entry, err);
    return status == DK_OK ? overwrite(blobs, entry, err) : status;
}

/* The mark only when the bytes are gone for sure: a start that finds it looks no further. */
enum dk_status dk_blobs_erase(struct dk_blobs *blobs, uint8_t (*ids)[DK_BLOB_ID_SIZE], size_t count,
                              struct dk_err *err)
{
    enum dk_status status = DK_OK;
    struct entry *entry;

    DK_CHECK(blobs->is_writer);
    for (size_t i = 0; status == DK_OK && i < count; i++) {
        entry = find(blobs, ids[i]);
        if (entry != NULL && !entry->erased)
            status = overwrite(blobs, entry, err);
    }
    if (status == DK_OK)
        status = dk_blobs_sync(blobs, err);
    for (size_t i = 0; status == DK_OK && i < count; i++) {
        entry = find(blobs, ids[i]);
        if (entry != NULL && !entry->erased)
            status = mark_erased(blobs, entry, err);
    }
    return status == DK_OK ? dk_blobs_sync(blobs, err) : status;
}

/* --- looking through --- */

enum dk_status dk_blobs_each(struct dk_blobs *blobs,
                             bool (*visit)(void *ctx, const struct dk_blob_about *about), void *ctx,
                             struct dk_err *err)
{
    enum dk_status status = blobs->is_writer ? DK_OK : look_again(blobs, err);

    for (uint32_t i = 0; status == DK_OK && i < blobs->count; i++) {
        const struct entry *entry = &blobs->entries[i];
        struct dk_blob_about about = { .size = entry->size, .plain = entry->plain };
        size_t size = entry->size < sizeof(about.bytes) ? entry->size : sizeof(about.bytes);

        if (entry->erased)
            continue;
        memcpy(about.id, entry->id, sizeof(about.id));
        status = read_at(blobs->packs[entry->pack].fd, about.bytes, size, entry->offset + HEAD_SIZE,
                         err);
        if (status == DK_OK && !visit(ctx, &about))
            break;
    }
    return status;
}

uint64_t dk_blobs_count(const struct dk_blobs *blobs)
{
    return blobs->count;
}

uint64_t dk_blobs_count_plain(const struct dk_blobs *blobs)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < blobs->count; i++)
        count += blobs->entries[i].plain && !blobs->entries[i].erased;
    return count;
}
