/* container_write.c - see container.h
 *
 * What is known only at the end stands in the metadata with a fixed width, zeros at first, and is
 * written over when it is known. The sync marker follows from the log and the first seq, so that
 * the same export is the same file; no other file of ours has it at another place.
 */
#define _GNU_SOURCE
#include "batch/container.h"

#include "base/check.h"
#include "base/sha256.h"
#include "batch/hex.h"
#include "batch/pack.h"
#include "event/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, SYNC_SIZE = 16, EVENT_HEADER = 10, LONG_MAX_SIZE = 10, SEQ_DIGITS = 20 };

#define HEADER_MAX ((size_t)16 << 20)
#define BLOCK_MAX ((size_t)2 * DK_LOG_BATCH_SIZE_MAX)

struct dk_container_writer {
    char path[PATH_SIZE], partial[PATH_SIZE + 16];
    int fd; /* -1: finished, or never made */
    struct dk_packer *packer;
    struct dk_buf block, packed;
    uint64_t entries; /* in the block */
    uint64_t seq_next;
    uint64_t size;                           /* of the file */
    size_t seq_last_at, chain_at, closed_at; /* in the file: what is written last */
    uint8_t sync[SYNC_SIZE];
    struct dk_arena arena;
};

/* --- Avro's primitives --- */

static void put_long(struct dk_buf *out, int64_t value)
{
    uint64_t raw = ((uint64_t)value << 1) ^ (0 - ((uint64_t)value >> 63));
    uint8_t bytes[LONG_MAX_SIZE];
    size_t size = 0;

    for (; raw >= 0x80; raw >>= 7)
        bytes[size++] = (uint8_t)(raw | 0x80);
    bytes[size++] = (uint8_t)raw;
    DK_CHECK(dk_buf_add(out, bytes, size));
}

static void put_bytes(struct dk_buf *out, const void *bytes, size_t size)
{
    put_long(out, (int64_t)size);
    DK_CHECK(dk_buf_add(out, bytes, size));
}

/* Where the value begins. */
static size_t put_meta(struct dk_buf *out, const char *name, const void *value, size_t size)
{
    put_bytes(out, name, strlen(name));
    put_bytes(out, value, size);
    return out->size - size;
}

/* --- the file --- */

static enum dk_status fail_errno(const char *what, const char *path, struct dk_err *err)
{
    bool is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

    return dk_fail(err, is_full ? DK_FULL : DK_IO, "'%s' cannot be %s: %s", path, what,
                   strerror(errno));
}

static enum dk_status write_at(struct dk_container_writer *writer, const uint8_t *bytes,
                               size_t size, uint64_t at, struct dk_err *err)
{
    while (size > 0) {
        ssize_t n = pwrite(writer->fd, bytes, size, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return fail_errno("written", writer->partial, err);
        bytes += n;
        size -= (size_t)n;
        at += (uint64_t)n;
    }
    return DK_OK;
}

static enum dk_status append(struct dk_container_writer *writer, const void *bytes, size_t size,
                             struct dk_err *err)
{
    enum dk_status status = write_at(writer, bytes, size, writer->size, err);

    if (status == DK_OK)
        writer->size += size;
    return status;
}

/* --- the header --- */

static void make_sync(struct dk_container_writer *writer, const struct dk_container_about *about)
{
    static const char salt[] = "docket export 1";
    uint8_t digest[32], seq[8];
    struct dk_sha256 hash;

    for (int i = 0; i < 8; i++)
        seq[i] = (uint8_t)(about->seq_first >> (8 * i));
    dk_sha256_init(&hash);
    dk_sha256_add(&hash, salt, sizeof(salt));
    dk_sha256_add(&hash, about->log, sizeof(about->log));
    dk_sha256_add(&hash, seq, sizeof(seq));
    dk_sha256_done(&hash, digest);
    memcpy(writer->sync, digest, sizeof(writer->sync));
}

static void put_fingerprints(struct dk_buf *out)
{
    struct dk_buf list;

    dk_buf_init(&list, &dk_heap, HEADER_MAX);
    for (uint32_t i = 0; i < dk_entry_branches(); i++) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%s%016" PRIx64, i > 0 ? "," : "",
                       dk_entry_fingerprint(i));
        DK_CHECK(dk_buf_add_text(&list, text));
    }
    (void)put_meta(out, "docket.fingerprints", list.data, list.size);
    dk_buf_release(&list);
}

static void put_hex(struct dk_buf *out, const char *name, const uint8_t *bytes, size_t size)
{
    struct dk_buf text;

    dk_buf_init(&text, &dk_heap, 2 * size + 1);
    dk_hex_add(&text, bytes, size);
    (void)put_meta(out, name, text.data, text.size);
    dk_buf_release(&text);
}

static enum dk_status write_header(struct dk_container_writer *writer,
                                   const struct dk_container_about *about, struct dk_err *err)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct dk_buf out, schema;
    char number[SEQ_DIGITS + 1];
    const char *codec = dk_pack_name(about->codec);
    enum dk_status status;

    dk_buf_init(&out, &dk_heap, HEADER_MAX);
    dk_buf_init(&schema, &dk_heap, HEADER_MAX);
    DK_CHECK(dk_entry_schema(&schema));
    DK_CHECK(dk_buf_add(&out, "Obj\1", 4));
    put_long(&out, 10); /* entries of the map */
    (void)put_meta(&out, "docket.export", "1", 1);
    put_hex(&out, "docket.log", about->log, sizeof(about->log));
    (void)snprintf(number, sizeof(number), "%" PRIu64, about->seq_first);
    (void)put_meta(&out, "docket.seq_first", number, strlen(number));
    writer->seq_last_at = put_meta(&out, "docket.seq_last", zeros, SEQ_DIGITS);
    writer->chain_at = put_meta(&out, "docket.chain", zeros, sizeof(zeros) - 1);
    writer->closed_at = put_meta(&out, "docket.closed", zeros, sizeof(zeros) - 1);
    put_hex(&out, "docket.before", about->before, about->before_size);
    put_fingerprints(&out);
    (void)put_meta(&out, "avro.codec", codec, strlen(codec));
    (void)put_meta(&out, "avro.schema", schema.data, schema.size);
    put_long(&out, 0);
    DK_CHECK(dk_buf_add(&out, writer->sync, sizeof(writer->sync)));
    status = append(writer, out.data, out.size, err);
    dk_buf_release(&schema);
    dk_buf_release(&out);
    return status;
}

enum dk_status dk_container_create(struct dk_container_writer **out, const char *path,
                                   const struct dk_container_about *about, struct dk_err *err)
{
    struct dk_container_writer *writer = dk_alloc_new(&dk_heap, sizeof(*writer));
    enum dk_status status;

    *out = NULL;
    memset(writer, 0, sizeof(*writer));
    writer->fd = -1;
    writer->seq_next = about->seq_first;
    writer->packer = dk_packer_create(about->codec);
    dk_buf_init(&writer->block, &dk_heap, BLOCK_MAX);
    dk_buf_init(&writer->packed, &dk_heap, BLOCK_MAX + ((size_t)1 << 20));
    dk_arena_init(&writer->arena, &dk_heap);
    make_sync(writer, about);
    if ((size_t)snprintf(writer->path, sizeof(writer->path), "%s", path) >= sizeof(writer->path)) {
        status = dk_fail(err, DK_TOO_LARGE, "'%.40s...' is too long for a path", path);
    } else {
        (void)snprintf(writer->partial, sizeof(writer->partial), "%s.partial", path);
        writer->fd = open(writer->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        status = writer->fd < 0 ? fail_errno("created", writer->partial, err)
                                : write_header(writer, about, err);
    }
    if (status != DK_OK) {
        dk_container_destroy(writer);
        return status;
    }
    *out = writer;
    return DK_OK;
}

/* --- blocks --- */

static enum dk_status flush(struct dk_container_writer *writer, struct dk_err *err)
{
    struct dk_buf head;
    enum dk_status status;

    if (writer->entries == 0)
        return DK_OK;
    status = dk_pack(writer->packer, writer->block.data, writer->block.size, &writer->packed, err);
    if (status != DK_OK)
        return status;
    dk_buf_init(&head, &dk_heap, (size_t)2 * LONG_MAX_SIZE);
    put_long(&head, (int64_t)writer->entries);
    put_long(&head, (int64_t)writer->packed.size);
    status = append(writer, head.data, head.size, err);
    dk_buf_release(&head);
    if (status == DK_OK)
        status = append(writer, writer->packed.data, writer->packed.size, err);
    if (status == DK_OK)
        status = append(writer, writer->sync, sizeof(writer->sync), err);
    dk_buf_clear(&writer->block);
    writer->entries = 0;
    return status;
}

/* Our decoder is stricter than Avro's: what it takes, any reader can. */
static enum dk_status branch_of(struct dk_container_writer *writer,
                                const struct dk_log_record *record, uint64_t seq, uint32_t *branch,
                                struct dk_err *err)
{
    struct dk_event event;
    uint64_t fingerprint = 0;
    enum dk_status status;

    if (writer->arena.chunks != NULL)
        dk_arena_reset(&writer->arena);
    status = dk_event_decode(record->data, record->size, &writer->arena, &event, err);
    if (status != DK_OK) {
        (void)dk_fail_in(err, "event %" PRIu64 " cannot be exported", seq);
        return status == DK_UNKNOWN_SCHEMA ? status : DK_CORRUPT;
    }
    for (int i = 0; i < 8; i++)
        fingerprint |= (uint64_t)record->data[2 + i] << (8 * i);
    *branch = dk_entry_branch(fingerprint);
    DK_CHECK(*branch < dk_entry_branches()); /* what can be decoded has its branch */
    return DK_OK;
}

enum dk_status dk_container_add(struct dk_container_writer *writer,
                                const struct dk_log_batch *batch, struct dk_err *err)
{
    if (batch->seq_first != writer->seq_next)
        return dk_fail(err, DK_INVALID, "batch begins at seq %" PRIu64 ", but the next is %" PRIu64,
                       batch->seq_first, writer->seq_next);
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct dk_log_record *record = &batch->records[i];
        uint64_t seq = batch->seq_first + i;
        uint32_t branch = 0;
        enum dk_status status = branch_of(writer, record, seq, &branch, err);

        if (status != DK_OK)
            return status;
        if (BLOCK_MAX - writer->block.size < (size_t)5 * LONG_MAX_SIZE + record->size)
            return dk_fail(err, DK_TOO_LARGE, "batch at seq %" PRIu64 " fills more than a block",
                           batch->seq_first);
        put_long(&writer->block, (int64_t)seq);
        put_long(&writer->block, (int64_t)batch->seq_first);
        put_long(&writer->block, (int32_t)batch->epoch);
        put_long(&writer->block, (int64_t)record->size - EVENT_HEADER);
        put_long(&writer->block, branch);
        DK_CHECK(
            dk_buf_add(&writer->block, record->data + EVENT_HEADER, record->size - EVENT_HEADER));
        writer->entries++;
    }
    writer->seq_next += batch->count;
    return writer->block.size >= DK_CONTAINER_BLOCK_SIZE ? flush(writer, err) : DK_OK;
}

uint64_t dk_container_size(const struct dk_container_writer *writer)
{
    return writer->size;
}

/* --- the end --- */

static enum dk_status sync_folder_of(const char *path, struct dk_err *err)
{
    char folder[PATH_SIZE];
    const char *slash = strrchr(path, '/');
    int size = slash != NULL ? (int)(slash - path) + 1 : 1, fd;
    enum dk_status status = DK_OK;

    (void)snprintf(folder, sizeof(folder), "%.*s", size, slash != NULL ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        status = fail_errno("synced", folder, err);
    if (fd >= 0)
        (void)close(fd);
    return status;
}

static enum dk_status write_end(struct dk_container_writer *writer, const struct dk_head *head,
                                struct dk_err *err)
{
    char number[SEQ_DIGITS + 1];
    struct dk_buf text;
    enum dk_status status;

    dk_buf_init(&text, &dk_heap, (size_t)4 * DK_HASH_SIZE);
    dk_hex_add(&text, head->chain, DK_HASH_SIZE);
    dk_hex_add(&text, head->closed, DK_HASH_SIZE);
    (void)snprintf(number, sizeof(number), "%0*" PRIu64, SEQ_DIGITS, writer->seq_next - 1);
    status = write_at(writer, text.data, (size_t)2 * DK_HASH_SIZE, writer->chain_at, err);
    if (status == DK_OK)
        status = write_at(writer, text.data + (size_t)2 * DK_HASH_SIZE, (size_t)2 * DK_HASH_SIZE,
                          writer->closed_at, err);
    if (status == DK_OK)
        status = write_at(writer, (const uint8_t *)number, SEQ_DIGITS, writer->seq_last_at, err);
    dk_buf_release(&text);
    return status;
}

enum dk_status dk_container_finish(struct dk_container_writer *writer, const struct dk_head *head,
                                   struct dk_err *err)
{
    enum dk_status status = flush(writer, err);

    if (status == DK_OK)
        status = write_end(writer, head, err);
    if (status == DK_OK && fsync(writer->fd) != 0)
        status = fail_errno("synced", writer->partial, err);
    if (status == DK_OK && rename(writer->partial, writer->path) != 0)
        status = fail_errno("renamed", writer->partial, err);
    if (status != DK_OK)
        return status;
    (void)close(writer->fd);
    writer->fd = -1;
    return sync_folder_of(writer->path, err);
}

void dk_container_destroy(struct dk_container_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->fd >= 0) {
        (void)close(writer->fd);
        (void)unlink(writer->partial);
    }
    dk_packer_destroy(writer->packer);
    dk_buf_release(&writer->block);
    dk_buf_release(&writer->packed);
    dk_arena_release(&writer->arena);
    dk_alloc_free(&dk_heap, writer, sizeof(*writer));
}
