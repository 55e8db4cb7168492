/* container_read.c - see container.h
 *
 * The file's schema is not looked at: docket.fingerprints says what each branch is, `size` how long
 * it is, and the chain whether it is what was in the log. So an event of a newer docket comes
 * through an older one as it is. */
#include "batch/container.h"

#include "base/check.h"
#include "batch/hex.h"
#include "batch/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, SYNC_SIZE = 16, EVENT_HEADER = 10, INPUT_SIZE = 64 << 10 };
enum { NAME_SIZE = 64, META_ENTRIES_MAX = 1000, BRANCHES_MAX = 4096, BEFORE_MAX = 64 << 10 };

#define META_SIZE_MAX ((uint64_t)16 << 20)
#define UNPACKED_MAX ((size_t)2 * DK_LOG_BATCH_SIZE_MAX)
#define PACKED_MAX (UNPACKED_MAX + ((size_t)1 << 20))

struct dk_container_reader {
    char path[PATH_SIZE];
    int fd;
    uint64_t file_size;
    uint8_t input[INPUT_SIZE];
    size_t input_at, input_size;
    uint64_t position; /* in the file, of input[input_at] */

    struct dk_container_about about;
    uint8_t before[BEFORE_MAX];
    uint8_t sync[SYNC_SIZE];
    bool has_export, has_log, has_seqs[2], has_chain, has_closed, has_before, has_codec;
    uint8_t (*headers)[EVENT_HEADER]; /* of a branch: c3 01 and its fingerprint */
    uint32_t branches;
    struct dk_packer *packer;

    uint64_t block, block_at; /* number of the block at hand, from 1, and where it begins */
    uint64_t entries;         /* of it, not yet returned */
    struct dk_buf packed, unpacked, events;
    size_t unpacked_at;
    uint64_t seq_next;
    struct dk_log_record *records;
    uint32_t record_capacity;
};

/* --- faults --- */

static enum dk_status damaged(const struct dk_container_reader *reader, struct dk_err *err,
                              const char *fault)
{
    if (reader->block == 0)
        return dk_fail(err, DK_CORRUPT, "'%s': its header, at byte %" PRIu64 ", %s", reader->path,
                       reader->position, fault);
    return dk_fail(err, DK_CORRUPT, "'%s': block %" PRIu64 " at byte %" PRIu64 " %s", reader->path,
                   reader->block, reader->block_at, fault);
}

static enum dk_status fail_errno(const char *path, struct dk_err *err)
{
    return dk_fail(err, errno == ENOENT ? DK_NOT_FOUND : DK_IO, "'%s' cannot be read: %s", path,
                   strerror(errno));
}

/* --- bytes of the file --- */

/* More input. DK_END: there is none. */
static enum dk_status fill(struct dk_container_reader *reader, struct dk_err *err)
{
    ssize_t n;

    do
        n = read(reader->fd, reader->input, sizeof(reader->input));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return fail_errno(reader->path, err);
    reader->input_at = 0;
    reader->input_size = (size_t)n;
    return n > 0 ? DK_OK : DK_END;
}

static enum dk_status take(struct dk_container_reader *reader, uint8_t *to, size_t size,
                           struct dk_err *err)
{
    while (size > 0) {
        size_t there = reader->input_size - reader->input_at, part = there < size ? there : size;

        if (part == 0) {
            enum dk_status status = fill(reader, err);

            if (status != DK_OK)
                return status == DK_END ? damaged(reader, err, "ends early") : status;
            continue;
        }
        memcpy(to, reader->input + reader->input_at, part);
        reader->input_at += part;
        reader->position += part;
        to += part;
        size -= part;
    }
    return DK_OK;
}

static enum dk_status take_long(struct dk_container_reader *reader, int64_t *value,
                                struct dk_err *err)
{
    uint64_t raw = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = 0;
        enum dk_status status = take(reader, &byte, 1, err);

        if (status != DK_OK)
            return status;
        raw |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (int64_t)((raw >> 1) ^ (0 - (raw & 1)));
            return DK_OK;
        }
    }
    return damaged(reader, err, "has a number that is too long");
}

/* A size and that many bytes, into *out. */
static enum dk_status take_bytes(struct dk_container_reader *reader, uint64_t size_max,
                                 struct dk_buf *out, struct dk_err *err)
{
    int64_t size = 0;
    enum dk_status status = take_long(reader, &size, err);

    if (status != DK_OK)
        return status;
    if (size < 0 || (uint64_t)size > size_max)
        return damaged(reader, err, "has a size that cannot be");
    if (reader->position > reader->file_size ||
        (uint64_t)size > reader->file_size - reader->position)
        return damaged(reader, err, "ends early");
    dk_buf_clear(out);
    if (size == 0)
        return DK_OK;
    if (dk_buf_room(out, (size_t)size) == NULL)
        return damaged(reader, err, "has a size that cannot be");
    out->size = (size_t)size;
    return take(reader, out->data, out->size, err);
}

/* --- metadata --- */

static bool get_number(const struct dk_buf *value, uint64_t *number)
{
    *number = 0;
    if (value->size == 0 || value->size > 20)
        return false;
    for (size_t i = 0; i < value->size; i++) {
        unsigned digit = (unsigned)value->data[i] - '0';

        if (digit > 9 || *number > (INT64_MAX - 9) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return true;
}

static bool get_hash(const struct dk_buf *value, uint8_t hash[DK_HASH_SIZE])
{
    return value->size == (size_t)2 * DK_HASH_SIZE &&
           dk_hex_get((const char *)value->data, hash, DK_HASH_SIZE);
}

static bool get_before(struct dk_container_reader *reader, const struct dk_buf *value)
{
    if (value->size % 2 != 0 || value->size / 2 > sizeof(reader->before) ||
        !dk_hex_get((const char *)value->data, reader->before, value->size / 2))
        return false;
    reader->about.before = reader->before;
    reader->about.before_size = (uint32_t)(value->size / 2);
    return true;
}

/* "0123456789abcdef,..." */
static bool get_fingerprints(struct dk_container_reader *reader, const struct dk_buf *value)
{
    size_t count = (value->size + 1) / 17;

    if (reader->headers != NULL || value->size % 17 != 16 || count > BRANCHES_MAX)
        return false;
    reader->branches = (uint32_t)count;
    reader->headers = dk_alloc_new(&dk_heap, count * sizeof(*reader->headers));
    for (size_t i = 0; i < count; i++) {
        const char *text = (const char *)value->data + i * 17;
        uint8_t *header = reader->headers[i], high_first[8];

        if ((i + 1 < count && text[16] != ',') || !dk_hex_get(text, high_first, 8))
            return false;
        header[0] = 0xC3;
        header[1] = 0x01;
        for (int k = 0; k < 8; k++)
            header[2 + k] = high_first[7 - k];
    }
    return true;
}

/* False: the value of one of ours is none. What is not ours is passed over. */
static bool get_meta(struct dk_container_reader *reader, const char *name,
                     const struct dk_buf *value)
{
    struct dk_container_about *about = &reader->about;
    const char *text = (const char *)value->data;

    if (strcmp(name, "docket.export") == 0)
        return reader->has_export = value->size == 1 && text[0] == '1';
    if (strcmp(name, "docket.log") == 0)
        return reader->has_log = get_hash(value, about->log);
    if (strcmp(name, "docket.seq_first") == 0)
        return reader->has_seqs[0] = get_number(value, &about->seq_first) && about->seq_first > 0;
    if (strcmp(name, "docket.seq_last") == 0)
        return reader->has_seqs[1] = get_number(value, &about->seq_last);
    if (strcmp(name, "docket.chain") == 0)
        return reader->has_chain = get_hash(value, about->chain);
    if (strcmp(name, "docket.closed") == 0)
        return reader->has_closed = get_hash(value, about->closed);
    if (strcmp(name, "docket.before") == 0)
        return reader->has_before = get_before(reader, value);
    if (strcmp(name, "docket.fingerprints") == 0)
        return get_fingerprints(reader, value);
    if (strcmp(name, "avro.codec") == 0)
        return reader->has_codec = dk_pack_find(text, value->size, &about->codec);
    return true;
}

static enum dk_status take_entry(struct dk_container_reader *reader, struct dk_buf *value,
                                 struct dk_err *err)
{
    char name[NAME_SIZE];
    enum dk_status status = take_bytes(reader, NAME_SIZE - 1, value, err);

    if (status != DK_OK)
        return status;
    if (value->size > 0)
        memcpy(name, value->data, value->size);
    name[value->size] = '\0';
    status = take_bytes(reader, META_SIZE_MAX, value, err);
    if (status == DK_OK && !get_meta(reader, name, value)) {
        if (strcmp(name, "docket.export") == 0)
            return dk_fail(err, DK_UNSUPPORTED, "'%s' is an export of another form: '%.*s', not 1",
                           reader->path, value->size < 20 ? (int)value->size : 20,
                           value->size > 0 ? (const char *)value->data : "");
        if (strcmp(name, "avro.codec") == 0)
            return dk_fail(err, DK_UNSUPPORTED, "'%s' is compressed by '%.*s'", reader->path,
                           value->size < 20 ? (int)value->size : 20,
                           value->size > 0 ? (const char *)value->data : "");
        return dk_fail(err, DK_CORRUPT, "'%s': '%s' of its header is none", reader->path, name);
    }
    return status;
}

static enum dk_status take_map(struct dk_container_reader *reader, struct dk_err *err)
{
    struct dk_buf value;
    enum dk_status status = DK_OK;
    int64_t count = 1, size, total = 0;

    dk_buf_init(&value, &dk_heap, META_SIZE_MAX);
    while (status == DK_OK && count != 0) {
        status = take_long(reader, &count, err);
        if (status == DK_OK && count < 0) {
            count = count < -META_ENTRIES_MAX ? META_ENTRIES_MAX + 1 : -count;
            status = take_long(reader, &size, err);
        }
        if (status == DK_OK && count > META_ENTRIES_MAX - total)
            status = damaged(reader, err, "has more metadata than can be");
        total += count;
        for (int64_t i = 0; i < count && status == DK_OK; i++)
            status = take_entry(reader, &value, err);
    }
    dk_buf_release(&value);
    return status;
}

static enum dk_status check_about(struct dk_container_reader *reader, struct dk_err *err)
{
    const struct dk_container_about *about = &reader->about;

    if (!reader->has_export)
        return dk_fail(err, DK_INVALID, "'%s' is an Avro file, but no export of a docket log",
                       reader->path);
    if (!reader->has_log || !reader->has_seqs[0] || !reader->has_seqs[1] || !reader->has_chain ||
        !reader->has_closed || !reader->has_before || reader->headers == NULL)
        return dk_fail(err, DK_CORRUPT, "'%s': its header lacks what an export has", reader->path);
    if (about->seq_last == 0)
        return dk_fail(err, DK_CORRUPT, "'%s' is an export that was not finished", reader->path);
    if (about->seq_last < about->seq_first || (about->seq_first > 1) != (about->before_size > 0))
        return dk_fail(err, DK_CORRUPT, "'%s': its header contradicts itself", reader->path);
    return DK_OK;
}

static enum dk_status open_file(struct dk_container_reader *reader, const char *path,
                                struct dk_err *err)
{
    struct stat about;
    uint8_t magic[4];

    if ((size_t)snprintf(reader->path, sizeof(reader->path), "%s", path) >= sizeof(reader->path))
        return dk_fail(err, DK_TOO_LARGE, "'%.40s...' is too long for a path", path);
    reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (reader->fd < 0 || fstat(reader->fd, &about) != 0)
        return fail_errno(path, err);
    if (!S_ISREG(about.st_mode))
        return dk_fail(err, DK_INVALID, "'%s' is no file", path);
    reader->file_size = (uint64_t)about.st_size;
    if (reader->file_size < sizeof(magic) || take(reader, magic, sizeof(magic), err) != DK_OK ||
        memcmp(magic, "Obj\1", sizeof(magic)) != 0)
        return dk_fail(err, DK_INVALID, "'%s' is no Avro object container file", path);
    return DK_OK;
}

enum dk_status dk_container_open(struct dk_container_reader **out, const char *path,
                                 struct dk_err *err)
{
    struct dk_container_reader *reader = dk_alloc_new(&dk_heap, sizeof(*reader));
    enum dk_status status;

    *out = NULL;
    memset(reader, 0, sizeof(*reader));
    reader->fd = -1;
    dk_buf_init(&reader->packed, &dk_heap, PACKED_MAX);
    dk_buf_init(&reader->unpacked, &dk_heap, UNPACKED_MAX);
    dk_buf_init(&reader->events, &dk_heap, (size_t)4 * UNPACKED_MAX);
    status = open_file(reader, path, err);
    if (status == DK_OK)
        status = take_map(reader, err);
    if (status == DK_OK)
        status = check_about(reader, err);
    if (status == DK_OK)
        status = take(reader, reader->sync, sizeof(reader->sync), err);
    if (status != DK_OK) {
        dk_container_close(reader);
        return status;
    }
    reader->packer = dk_packer_create(reader->about.codec);
    reader->seq_next = reader->about.seq_first;
    *out = reader;
    return DK_OK;
}

const struct dk_container_about *dk_container_about(const struct dk_container_reader *reader)
{
    return &reader->about;
}

/* --- blocks --- */

/* Unpacks the next block. DK_END: there is none, and none is missing. */
static enum dk_status next_block(struct dk_container_reader *reader, struct dk_err *err)
{
    uint8_t sync[SYNC_SIZE];
    struct dk_err why;
    int64_t count = 0;
    enum dk_status status = DK_OK;

    reader->block++;
    reader->block_at = reader->position;
    if (reader->input_at == reader->input_size)
        status = fill(reader, err);
    if (status == DK_END && reader->seq_next <= reader->about.seq_last)
        return dk_fail(err, DK_CORRUPT,
                       "'%s' was cut at byte %" PRIu64 ": it ends with seq %" PRIu64
                       " and says that it goes to %" PRIu64,
                       reader->path, reader->position, reader->seq_next - 1,
                       reader->about.seq_last);
    if (status == DK_OK)
        status = take_long(reader, &count, err);
    if (status == DK_OK)
        status = take_bytes(reader, PACKED_MAX, &reader->packed, err);
    if (status == DK_OK)
        status = take(reader, sync, sizeof(sync), err);
    if (status != DK_OK)
        return status;
    if (memcmp(sync, reader->sync, sizeof(sync)) != 0)
        return damaged(reader, err, "does not end with the file's sync marker");
    if (dk_unpack(reader->packer, reader->packed.data, reader->packed.size, &reader->unpacked,
                  &why) != DK_OK)
        return damaged(reader, err, why.text);
    if (count <= 0 || (uint64_t)count > reader->unpacked.size / 5)
        return damaged(reader, err, "has a count that cannot be");
    reader->entries = (uint64_t)count;
    reader->unpacked_at = 0;
    dk_buf_clear(&reader->events);
    if (dk_buf_room(&reader->events,
                    reader->unpacked.size + (size_t)reader->entries * EVENT_HEADER) == NULL)
        return damaged(reader, err, "has a count that cannot be");
    return DK_OK;
}

struct entry {
    int64_t seq, batch, epoch, size, branch;
};

static bool get_long(struct dk_container_reader *reader, size_t *at, int64_t *value)
{
    uint64_t raw = 0;

    for (unsigned shift = 0; shift < 64 && *at < reader->unpacked.size; shift += 7) {
        uint8_t byte = reader->unpacked.data[(*at)++];

        raw |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (int64_t)((raw >> 1) ^ (0 - (raw & 1)));
            return true;
        }
    }
    return false;
}

/* Looks at the entry at *at and puts *at at its body. NULL, or what is wrong. */
static const char *look(struct dk_container_reader *reader, struct entry *entry, size_t *at)
{
    if (!get_long(reader, at, &entry->seq) || !get_long(reader, at, &entry->batch) ||
        !get_long(reader, at, &entry->epoch) || !get_long(reader, at, &entry->size) ||
        !get_long(reader, at, &entry->branch))
        return "ends inside an entry";
    if (entry->seq <= 0 || entry->batch <= 0 || entry->batch > entry->seq)
        return "has an entry whose seq cannot be";
    if (entry->epoch < INT32_MIN || entry->epoch > INT32_MAX)
        return "has an entry whose epoch cannot be";
    if (entry->branch < 0 || entry->branch >= (int64_t)reader->branches)
        return "has an entry of a schema that the file does not have";
    if (entry->size < 0 || (uint64_t)entry->size > reader->unpacked.size - *at ||
        entry->size > (int64_t)DK_LOG_RECORD_SIZE_MAX - EVENT_HEADER)
        return "has an entry whose size cannot be";
    return NULL;
}

static void add_record(struct dk_container_reader *reader, uint32_t index,
                       const struct entry *entry, size_t body_at)
{
    uint8_t *bytes = reader->events.data + reader->events.size;

    if (index == reader->record_capacity) {
        uint32_t capacity = index == 0 ? 64 : index * 2;

        reader->records =
            dk_heap.resize(dk_heap.ctx, reader->records, index * sizeof(*reader->records),
                           capacity * sizeof(*reader->records));
        reader->record_capacity = capacity;
    }
    memcpy(bytes, reader->headers[entry->branch], EVENT_HEADER);
    if (entry->size > 0)
        memcpy(bytes + EVENT_HEADER, reader->unpacked.data + body_at, (size_t)entry->size);
    reader->records[index].data = bytes;
    reader->records[index].size = (uint32_t)entry->size + EVENT_HEADER;
    reader->events.size += reader->records[index].size;
}

/* The batch at unpacked_at: entries as long as they are of the same one. */
static enum dk_status take_batch(struct dk_container_reader *reader, struct dk_log_batch *batch,
                                 struct dk_err *err)
{
    uint32_t count = 0;

    for (; reader->entries > 0; count++, reader->entries--) {
        size_t at = reader->unpacked_at;
        struct entry entry = { 0 };
        const char *fault = look(reader, &entry, &at);

        if (fault != NULL)
            return damaged(reader, err, fault);
        if (count > 0 && (uint64_t)entry.batch != batch->seq_first)
            break;
        if (count == 0) {
            batch->seq_first = (uint64_t)entry.batch;
            batch->epoch = (uint32_t)entry.epoch;
        }
        if ((uint64_t)entry.seq != reader->seq_next + count ||
            (count == 0 && entry.batch != entry.seq))
            return damaged(reader, err, "has an entry that does not follow the one before");
        if ((uint32_t)entry.epoch != batch->epoch)
            return damaged(reader, err, "has a batch of two epochs");
        add_record(reader, count, &entry, at);
        reader->unpacked_at = at + (size_t)entry.size;
    }
    if (reader->entries == 0 && reader->unpacked_at != reader->unpacked.size)
        return damaged(reader, err, "has more than its entries");
    reader->seq_next += count;
    batch->count = count;
    batch->records = reader->records;
    return DK_OK;
}

enum dk_status dk_container_next(struct dk_container_reader *reader, struct dk_log_batch *batch,
                                 struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (reader->entries == 0)
        status = next_block(reader, err);
    if (status == DK_OK)
        status = take_batch(reader, batch, err);
    if (status == DK_OK && reader->seq_next - 1 > reader->about.seq_last)
        return damaged(reader, err, "goes further than the header says");
    return status;
}

void dk_container_where(const struct dk_container_reader *reader, uint64_t *block, uint64_t *byte)
{
    *block = reader->block;
    *byte = reader->block_at;
}

enum dk_status dk_container_check(const struct dk_container_reader *reader,
                                  const struct dk_trail *trail, struct dk_err *err)
{
    const struct dk_container_about *about = &reader->about;
    struct dk_head head;

    dk_trail_head(trail, &head);
    if (memcmp(trail->log, about->log, sizeof(about->log)) != 0 ||
        memcmp(head.closed, about->closed, sizeof(head.closed)) != 0 ||
        memcmp(head.chain, about->chain, sizeof(head.chain)) != 0)
        return dk_fail(err, DK_CORRUPT, "'%s' was altered: its events are not those it was made of",
                       reader->path);
    return DK_OK;
}

void dk_container_close(struct dk_container_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->fd >= 0)
        (void)close(reader->fd);
    dk_packer_destroy(reader->packer);
    dk_buf_release(&reader->packed);
    dk_buf_release(&reader->unpacked);
    dk_buf_release(&reader->events);
    if (reader->headers != NULL)
        dk_alloc_free(&dk_heap, reader->headers, reader->branches * sizeof(*reader->headers));
    dk_alloc_free(&dk_heap, reader->records, reader->record_capacity * sizeof(*reader->records));
    dk_alloc_free(&dk_heap, reader, sizeof(*reader));
}
