/* packed.c - a sealed segment, compressed: zstd frames of whole batches, and an index of them
 *
 *     | header 64 | frame | frame | ... | index | footer 64 |
 *     entry:  | seq_first u64 | plain position u64 | position u64 | size u32 | plain size u32 |
 * crc32c u32 | 0 u32 | footer: | "DKSEGEND" | crc32c u32 | entries u32 | index position u64 | plain
 * end u64 | seq_next u64 | | index crc32c u32 | 0 ... |         its crc covers what follows the crc
 *
 * Plain positions are those of the plain file. No size is believed before its checksum, and none
 * is allocated above the limit of a batch. The audit chain runs over unpacked bytes, so packing
 * breaks no audit.
 */
#include "base/crc32c.h"
#include "log/segment.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#define ENTRY_SIZE 40u
#define FOOTER_SIZE 64u
#define FOOTER_MAGIC "DKSEGEND"
#define LEVEL 3

struct entry {
    uint64_t seq_first, plain_position, position;
    uint32_t size, plain_size, crc;
};

struct dk_unpacker {
    ZSTD_DCtx *context;
    const uint8_t *index; /* in the map */
    uint32_t entries;
    uint32_t next; /* entry to unpack next */
    uint64_t plain_end;
    uint64_t index_position;
    uint8_t *block;
    size_t capacity;
    uint64_t block_position; /* in the file, of the block at hand */
};

static struct entry entry_get(const struct dk_unpacker *unpacker, uint32_t i)
{
    const uint8_t *at = unpacker->index + (size_t)i * ENTRY_SIZE;
    struct entry entry = { dk_get_u64(at),      dk_get_u64(at + 8),  dk_get_u64(at + 16),
                           dk_get_u32(at + 24), dk_get_u32(at + 28), dk_get_u32(at + 32) };

    return entry;
}

static bool index_is_sound(const struct dk_unpacker *unpacker, uint64_t seq_first)
{
    uint64_t plain = DK_SEGMENT_HEADER_SIZE, position = DK_SEGMENT_HEADER_SIZE, seq = seq_first;

    for (uint32_t i = 0; i < unpacker->entries; i++) {
        struct entry entry = entry_get(unpacker, i);

        if (entry.plain_position != plain || entry.position != position || entry.seq_first < seq ||
            (i == 0 && entry.seq_first != seq) || entry.plain_size == 0 ||
            entry.plain_size > DK_LOG_BATCH_SIZE_MAX + DK_BLOCK_SIZE ||
            entry.size > unpacker->index_position - position)
            return false;
        plain += entry.plain_size;
        position += entry.size;
        seq = entry.seq_first;
    }
    return plain == unpacker->plain_end && position == unpacker->index_position;
}

static bool footer_get(struct dk_unpacker *unpacker, const struct dk_segment *segment)
{
    const uint8_t *footer;
    uint64_t index_size;

    if (segment->size < DK_SEGMENT_HEADER_SIZE + FOOTER_SIZE)
        return false;
    footer = segment->map + segment->size - FOOTER_SIZE;
    if (memcmp(footer, FOOTER_MAGIC, 8) != 0 ||
        dk_get_u32(footer + 8) != dk_crc32c(0, footer + 12, FOOTER_SIZE - 12))
        return false;
    unpacker->entries = dk_get_u32(footer + 12);
    unpacker->index_position = dk_get_u64(footer + 16);
    unpacker->plain_end = dk_get_u64(footer + 24);
    index_size = (uint64_t)unpacker->entries * ENTRY_SIZE;
    if (unpacker->index_position < DK_SEGMENT_HEADER_SIZE ||
        unpacker->index_position > segment->size - FOOTER_SIZE ||
        segment->size - FOOTER_SIZE - unpacker->index_position != index_size)
        return false;
    unpacker->index = segment->map + unpacker->index_position;
    return dk_get_u32(footer + 40) == dk_crc32c(0, unpacker->index, index_size) &&
           index_is_sound(unpacker, segment->seq_first);
}

enum dk_status dk_unpacker_create(struct dk_segment *segment, struct dk_err *err)
{
    struct dk_unpacker *unpacker = dk_alloc_new(&dk_heap, sizeof(*unpacker));

    memset(unpacker, 0, sizeof(*unpacker));
    segment->unpacker = unpacker;
    if (!footer_get(unpacker, segment))
        return dk_fail(err, DK_CORRUPT,
                       "index of segment '%s' is damaged near byte %zu, at or after seq %llu",
                       segment->name, segment->size, (unsigned long long)segment->seq_first);
    unpacker->context = ZSTD_createDCtx();
    return DK_OK;
}

void dk_unpacker_destroy(struct dk_unpacker *unpacker)
{
    if (unpacker == NULL)
        return;
    (void)ZSTD_freeDCtx(unpacker->context);
    dk_alloc_free(&dk_heap, unpacker->block, unpacker->capacity);
    dk_alloc_free(&dk_heap, unpacker, sizeof(*unpacker));
}

uint64_t dk_unpacker_plain_end(const struct dk_unpacker *unpacker)
{
    return unpacker->plain_end;
}

uint64_t dk_unpacker_block_position(const struct dk_unpacker *unpacker)
{
    return unpacker->block_position;
}

enum dk_status dk_unpacker_next_block(struct dk_segment *segment, struct dk_err *err)
{
    struct dk_unpacker *unpacker = segment->unpacker;
    const uint8_t *source;
    struct entry entry;
    size_t size;

    if (unpacker->next == unpacker->entries)
        return DK_END;
    entry = entry_get(unpacker, unpacker->next);
    source = segment->map + entry.position;
    segment->position = segment->limit = 0;
    unpacker->block_position = entry.position;
    if (dk_crc32c(0, source, entry.size) != entry.crc ||
        ZSTD_getFrameContentSize(source, entry.size) != entry.plain_size)
        goto bad;
    if (entry.plain_size > unpacker->capacity) {
        dk_alloc_free(&dk_heap, unpacker->block, unpacker->capacity);
        unpacker->block = dk_alloc_new(&dk_heap, entry.plain_size);
        unpacker->capacity = entry.plain_size;
    }
    size = ZSTD_decompressDCtx(unpacker->context, unpacker->block, entry.plain_size, source,
                               entry.size);
    if (ZSTD_isError(size) || size != entry.plain_size)
        goto bad;
    segment->bytes = unpacker->block;
    segment->limit = size;
    unpacker->next++;
    return DK_OK;
bad:
    return dk_fail(
        err, DK_CORRUPT, "segment '%s' has a damaged block at byte %llu, where seq %llu should be",
        segment->name, (unsigned long long)entry.position, (unsigned long long)entry.seq_first);
}

void dk_unpacker_pass_block(struct dk_segment *segment)
{
    segment->unpacker->next++;
}

enum dk_status dk_unpacker_seek(struct dk_segment *segment, struct dk_walk *walk, uint64_t seq_from,
                                struct dk_err *err)
{
    struct dk_unpacker *unpacker = segment->unpacker;
    uint32_t low = 0, high = unpacker->entries; /* the last entry that begins at or before */

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (entry_get(unpacker, middle).seq_first <= seq_from)
            low = middle;
        else
            high = middle;
    }
    if (low == 0)
        return DK_OK;
    unpacker->next = low;
    walk->seq_next = entry_get(unpacker, low).seq_first;
    return dk_unpacker_next_block(segment, err);
}

/* Packing. */

struct packer {
    const struct dk_log_io *io;
    ZSTD_CCtx *context;
    int fd;
    uint64_t position;
    struct dk_buf out, index;
    uint32_t entries;
};

static enum dk_status put(struct packer *packer, const void *bytes, size_t size, struct dk_err *err)
{
    size_t written;
    enum dk_status status =
        dk_io_write_all(packer->io, packer->fd, bytes, size, packer->position, &written, err);

    packer->position += size;
    return status;
}

static enum dk_status put_block(struct packer *packer, const struct dk_segment *plain, size_t from,
                                size_t limit, uint64_t seq_first, struct dk_err *err)
{
    size_t bound = ZSTD_compressBound(limit - from), size;
    uint8_t *room, *entry;

    dk_buf_clear(&packer->out);
    room = dk_buf_room(&packer->out, bound);
    entry = dk_buf_room(&packer->index, ENTRY_SIZE);
    if (room == NULL || entry == NULL)
        return dk_fail(err, DK_TOO_LARGE, "segment '%s' is too large to be packed", plain->name);
    size =
        ZSTD_compressCCtx(packer->context, room, bound, plain->bytes + from, limit - from, LEVEL);
    if (ZSTD_isError(size))
        return dk_fail(err, DK_IO, "packing segment '%s' failed: %s", plain->name,
                       ZSTD_getErrorName(size));
    dk_put_u64(entry, seq_first);
    dk_put_u64(entry + 8, from);
    dk_put_u64(entry + 16, packer->position);
    dk_put_u32(entry + 24, (uint32_t)size);
    dk_put_u32(entry + 28, (uint32_t)(limit - from));
    dk_put_u32(entry + 32, dk_crc32c(0, room, size));
    dk_put_u32(entry + 36, 0);
    packer->index.size += ENTRY_SIZE;
    packer->entries++;
    return put(packer, room, size, err);
}

static enum dk_status put_blocks(struct packer *packer, struct dk_segment *plain,
                                 uint64_t seq_limit, struct dk_err *err)
{
    size_t from = plain->position;
    struct dk_walk walk = { 0, 0 };
    struct dk_frame frame;
    enum dk_status status = DK_OK;
    enum dk_step step;
    uint64_t seq_first;

    dk_segment_begin(plain, &walk);
    seq_first = walk.seq_next;
    while (status == DK_OK) {
        step = dk_segment_step(plain, &walk, &frame, err);
        if (step == DK_STEP_BAD)
            return DK_CORRUPT;
        if (plain->position > from &&
            (step == DK_STEP_END || plain->position - from + frame.size > DK_BLOCK_SIZE)) {
            status = put_block(packer, plain, from, plain->position, seq_first, err);
            from = plain->position;
            seq_first = walk.seq_next;
        }
        if (step == DK_STEP_END)
            break;
        dk_segment_pass(plain, &walk, &frame, step);
    }
    if (status == DK_OK && walk.seq_next != seq_limit)
        return dk_segment_fail(plain, &walk, "ends too early", err);
    return status;
}

static enum dk_status put_footer(struct packer *packer, uint64_t plain_end, uint64_t seq_next,
                                 struct dk_err *err)
{
    uint8_t footer[FOOTER_SIZE] = { 0 };
    enum dk_status status;

    memcpy(footer, FOOTER_MAGIC, 8);
    dk_put_u32(footer + 12, packer->entries);
    dk_put_u64(footer + 16, packer->position);
    dk_put_u64(footer + 24, plain_end);
    dk_put_u64(footer + 32, seq_next);
    dk_put_u32(footer + 40, dk_crc32c(0, packer->index.data, packer->index.size));
    dk_put_u32(footer + 8, dk_crc32c(0, footer + 12, FOOTER_SIZE - 12));
    status = put(packer, packer->index.data, packer->index.size, err);
    return status == DK_OK ? put(packer, footer, sizeof(footer), err) : status;
}

/* Reads the packed form back: it must give every byte of the plain one. */
static enum dk_status compare(int dir_fd, const char *name, const struct dk_segment *plain,
                              struct dk_err *err)
{
    struct dk_segment packed;
    size_t at = DK_SEGMENT_HEADER_SIZE;
    enum dk_status status =
        dk_segment_open_file(&packed, dir_fd, name, plain->seq_first, true, err);

    if (status != DK_OK)
        return status;
    while ((status = dk_unpacker_next_block(&packed, err)) == DK_OK) {
        if (packed.limit > plain->position - at ||
            memcmp(plain->bytes + at, packed.bytes, packed.limit) != 0)
            break;
        at += packed.limit;
    }
    dk_segment_close(&packed);
    if (status == DK_END && at == plain->position)
        return DK_OK;
    return dk_fail(err, DK_IO, "packed form of segment '%s' differs from it at byte %zu: not used",
                   plain->name, at);
}

static enum dk_status pack(struct packer *packer, int dir_fd, struct dk_segment *plain,
                           const char *temporary, uint64_t seq_limit, struct dk_err *err)
{
    uint8_t header[DK_SEGMENT_HEADER_SIZE];
    enum dk_status status;

    packer->fd = openat(dir_fd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (packer->fd < 0)
        return dk_fail_errno(err, "creating", temporary);
    dk_segment_header_put(header, DK_SEGMENT_MAGIC_PACKED, plain->seq_first, plain->epoch);
    status = put(packer, header, sizeof(header), err);
    if (status == DK_OK)
        status = put_blocks(packer, plain, seq_limit, err);
    if (status == DK_OK)
        status = put_footer(packer, plain->position, seq_limit, err);
    if (status == DK_OK && packer->io->sync_new(packer->io->ctx, packer->fd) != 0)
        status = dk_fail_errno(err, "syncing", temporary);
    if (close(packer->fd) != 0 && status == DK_OK)
        status = dk_fail_errno(err, "closing", temporary);
    return status == DK_OK ? compare(dir_fd, temporary, plain, err) : status;
}

enum dk_status dk_segment_pack(int dir_fd, uint64_t seq_first, uint64_t seq_limit,
                               const struct dk_log_io *io, struct dk_err *err)
{
    char temporary[DK_SEGMENT_NAME_MAX], name[DK_SEGMENT_NAME_MAX], plain_name[DK_SEGMENT_NAME_MAX];
    struct packer packer = { .io = io, .fd = -1 };
    struct dk_segment plain;
    enum dk_status status;

    dk_segment_name_put(plain_name, seq_first, ".seg");
    dk_segment_name_put(temporary, seq_first, ".zseg.tmp");
    dk_segment_name_put(name, seq_first, ".zseg");
    status = dk_segment_open_file(&plain, dir_fd, plain_name, seq_first, false, err);
    if (status != DK_OK)
        return status;
    packer.context = ZSTD_createCCtx();
    dk_buf_init(&packer.out, &dk_heap, (size_t)2 * DK_LOG_BATCH_SIZE_MAX);
    dk_buf_init(&packer.index, &dk_heap, (size_t)1 << 30);
    status = pack(&packer, dir_fd, &plain, temporary, seq_limit, err);
    if (status == DK_OK && io->rename(io->ctx, dir_fd, temporary, name) != 0)
        status = dk_fail_errno(err, "renaming", temporary);
    if (status == DK_OK && io->sync_new(io->ctx, dir_fd) != 0)
        status = dk_fail_errno(err, "syncing", "the log's folder");
    (void)unlinkat(dir_fd, status == DK_OK ? plain_name : temporary, 0);
    (void)ZSTD_freeCCtx(packer.context);
    dk_buf_release(&packer.out);
    dk_buf_release(&packer.index);
    dk_segment_close(&plain);
    return status;
}
