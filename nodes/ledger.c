/* ledger.c - what an agent must not forget (ledger.h) */
#define _GNU_SOURCE
#include "nodes/ledger.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x31304c474c4b44)

enum { CAPACITY_MIN = 262144, FILE_MAX = 1 << 30 };

struct head {
    uint32_t size, crc, kind;
    int32_t attempt;
    int64_t job, number;
};

struct dk_ledger {
    int folder, fd;
    size_t used, capacity;
    struct dk_ledger_owner owner;
    struct dk_buf *rewriting; /* entries go here instead; NULL: into the file */
    struct dk_buf entry;
};

static bool write_all(int fd, const uint8_t *bytes, size_t size, size_t at)
{
    while (size > 0) {
        ssize_t done = pwrite(fd, bytes, size, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        at += (size_t)done;
        size -= (size_t)done;
    }
    return true;
}

/* The entry at the front of `bytes`; its size, 0: none that is whole. */
static size_t entry_at(const uint8_t *bytes, size_t size, struct dk_ledger_entry *entry)
{
    struct head head;

    if (size < sizeof(head))
        return 0;
    memcpy(&head, bytes, sizeof(head));
    if (head.size < sizeof(head) || head.size > size ||
        head.crc != dk_crc32c(0, bytes + 8, head.size - 8))
        return 0;
    entry->kind = (enum dk_ledger_kind)head.kind;
    entry->job = head.job;
    entry->attempt = head.attempt;
    entry->number = head.number;
    entry->bytes.data = bytes + sizeof(head);
    entry->bytes.size = head.size - (uint32_t)sizeof(head);
    /* A file that was cut may lack what fills the last entry up to 8. */
    return head.size + (size_t)7 < size ? (head.size + (size_t)7) & ~(size_t)7 : size;
}

static void put_entry(struct dk_buf *out, const struct dk_ledger_entry *entry)
{
    static const uint8_t zeros[8];
    struct head head = { .size = (uint32_t)sizeof(head) + entry->bytes.size,
                         .kind = (uint32_t)entry->kind,
                         .attempt = entry->attempt,
                         .job = entry->job,
                         .number = entry->number };
    size_t first = out->size, pad = (8 - (head.size & 7)) & 7;

    DK_CHECK(dk_buf_add(out, &head, sizeof(head)));
    DK_CHECK(dk_buf_add(out, entry->bytes.data, entry->bytes.size));
    DK_CHECK(dk_buf_add(out, zeros, pad));
    head.crc = dk_crc32c(0, out->data + first + 8, head.size - 8);
    memcpy(out->data + first + offsetof(struct head, crc), &head.crc, sizeof(head.crc));
}

/* A new file with `entries`, in the place of the old one. */
static enum dk_status replace(struct dk_ledger *ledger, const struct dk_buf *entries,
                              struct dk_err *err)
{
    const uint64_t magic = MAGIC;
    size_t size = sizeof(magic) + entries->size;
    size_t capacity = size * 2 > CAPACITY_MIN ? size * 2 : CAPACITY_MIN;
    uint8_t *image = calloc(1, capacity);
    bool done;
    int fd;

    DK_CHECK(image != NULL);
    memcpy(image, &magic, sizeof(magic));
    if (entries->size > 0)
        memcpy(image + sizeof(magic), entries->data, entries->size);
    fd = openat(ledger->folder, "ledger.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    done = fd >= 0 && write_all(fd, image, capacity, 0) && fsync(fd) == 0 &&
           renameat(ledger->folder, "ledger.new", ledger->folder, "ledger") == 0;
    free(image);
    if (!done) {
        enum dk_status status = dk_fail(err, errno == ENOSPC || errno == EDQUOT ? DK_FULL : DK_IO,
                                        "the agent's ledger can't be written: %s", strerror(errno));

        if (fd >= 0)
            (void)close(fd);
        (void)unlinkat(ledger->folder, "ledger.new", 0);
        return status;
    }
    (void)fsync(ledger->folder);
    if (ledger->fd >= 0)
        (void)close(ledger->fd);
    ledger->fd = fd;
    ledger->used = size;
    ledger->capacity = capacity;
    return DK_OK;
}

static enum dk_status rewrite(struct dk_ledger *ledger, struct dk_err *err)
{
    struct dk_buf entries;
    enum dk_status status;

    dk_buf_init(&entries, &dk_heap, FILE_MAX);
    ledger->rewriting = &entries;
    ledger->owner.give(ledger->owner.context, ledger);
    ledger->rewriting = NULL;
    status = replace(ledger, &entries, err);
    dk_buf_release(&entries);
    return status;
}

static enum dk_status read_entries(struct dk_ledger *ledger, struct dk_err *err)
{
    struct dk_ledger_entry entry;
    struct stat state;
    uint64_t magic = 0;
    uint8_t *image;
    size_t size, step;

    if (fstat(ledger->fd, &state) != 0)
        return dk_fail(err, DK_IO, "the agent's ledger can't be read: %s", strerror(errno));
    size = (size_t)state.st_size;
    image = malloc(size + 1);
    DK_CHECK(image != NULL);
    if (pread(ledger->fd, image, size, 0) != (ssize_t)size || size < sizeof(magic)) {
        free(image);
        return dk_fail(err, DK_IO, "the agent's ledger can't be read: %s", strerror(errno));
    }
    memcpy(&magic, image, sizeof(magic));
    if (magic != MAGIC) {
        free(image);
        return dk_fail(err, DK_CORRUPT,
                       "the agent's file 'ledger' is none; move it away to start without it");
    }
    ledger->used = sizeof(magic);
    while ((step = entry_at(image + ledger->used, size - ledger->used, &entry)) > 0) {
        ledger->owner.take(ledger->owner.context, &entry);
        ledger->used += step;
    }
    free(image);
    return DK_OK;
}

enum dk_status dk_ledger_open(struct dk_ledger **out, int folder_fd,
                              const struct dk_ledger_owner *owner, struct dk_err *err)
{
    struct dk_ledger *ledger = calloc(1, sizeof(*ledger));
    enum dk_status status = DK_OK;

    DK_CHECK(ledger != NULL);
    *out = NULL;
    ledger->folder = folder_fd;
    ledger->owner = *owner;
    dk_buf_init(&ledger->entry, &dk_heap, FILE_MAX);
    ledger->fd = openat(folder_fd, "ledger", O_RDWR | O_CLOEXEC);
    if (ledger->fd >= 0)
        status = read_entries(ledger, err);
    else if (errno != ENOENT)
        status = dk_fail(err, DK_IO, "the agent's ledger can't be opened: %s", strerror(errno));
    if (status == DK_OK)
        status = rewrite(ledger, err);
    if (status != DK_OK) {
        dk_ledger_close(ledger);
        return status;
    }
    *out = ledger;
    return DK_OK;
}

void dk_ledger_close(struct dk_ledger *ledger)
{
    if (ledger == NULL)
        return;
    if (ledger->fd >= 0)
        (void)close(ledger->fd);
    dk_buf_release(&ledger->entry);
    free(ledger);
}

enum dk_status dk_ledger_add(struct dk_ledger *ledger, const struct dk_ledger_entry *entry,
                             struct dk_err *err)
{
    enum dk_status status;

    if (ledger->rewriting != NULL) {
        put_entry(ledger->rewriting, entry);
        return DK_OK;
    }
    dk_buf_clear(&ledger->entry);
    put_entry(&ledger->entry, entry);
    while (ledger->entry.size > ledger->capacity - ledger->used) {
        size_t room = ledger->capacity - ledger->used;

        status = rewrite(ledger, err);
        if (status != DK_OK)
            return status;
        if (ledger->entry.size > ledger->capacity - ledger->used &&
            ledger->capacity - ledger->used <= room)
            return dk_fail(err, DK_TOO_LARGE, "an entry of %zu bytes is too large for the ledger",
                           ledger->entry.size);
    }
    if (!write_all(ledger->fd, ledger->entry.data, ledger->entry.size, ledger->used))
        return dk_fail(err, errno == ENOSPC ? DK_FULL : DK_IO,
                       "the agent's ledger can't be written: %s", strerror(errno));
    ledger->used += ledger->entry.size;
    return DK_OK;
}

enum dk_status dk_ledger_sync(struct dk_ledger *ledger, struct dk_err *err)
{
    if (fdatasync(ledger->fd) != 0)
        return dk_fail(err, DK_IO, "the agent's ledger can't be made durable: %s", strerror(errno));
    return DK_OK;
}
