/* fuzz_blobs.c - packs of blobs with any bytes in them: opened, read, written to, and read again
 *
 * The input is a series of records `| choice u8 | size u8 | bytes |`, which become records of a
 * pack with what the choice leaves out of order. */
#include "base/crc32c.h"
#include "base/sha256.h"
#include "fuzz_folder.h"
#include "log/blobs.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_SIZE = 48, PACK_MAX = 65536 };
enum {
    BAD_SUM = 1,
    ERASED = 2,
    BAD_SIZE = 4,
    BAD_MAGIC = 8,
    BAD_DIGEST = 16,
    UNALIGNED = 32,
    SEALED = 64
};

static uint8_t pack[PACK_MAX];

static void digest_of(const uint8_t *bytes, size_t size, uint8_t digest[DK_BLOB_ID_SIZE])
{
    struct dk_sha256 hash;

    dk_sha256_init(&hash);
    dk_sha256_add(&hash, bytes, size);
    dk_sha256_done(&hash, digest);
}

static size_t add_record(size_t at, uint8_t choice, const uint8_t *bytes, uint32_t size)
{
    uint8_t *head = pack + at;
    uint32_t told = choice & BAD_SIZE ? size << (choice & 31) : size, sum;
    uint32_t erased = (choice & ERASED) != 0;

    memset(head, 0, HEAD_SIZE + (size_t)size + 8);
    memcpy(head, choice & BAD_MAGIC ? "DKB0" : choice & SEALED ? "DKB2" : "DKB1", 4);
    memcpy(head + 8, &told, 4);
    memcpy(head + 12, &erased, 4);
    if (!(choice & BAD_DIGEST))
        digest_of(bytes, size, head + 16);
    memcpy(head + HEAD_SIZE, bytes, size);
    sum = dk_crc32c(dk_crc32c(0, head + 8, HEAD_SIZE - 8), bytes, size) + (choice & BAD_SUM);
    memcpy(head + 4, &sum, 4);
    at += HEAD_SIZE + size;
    return choice & UNALIGNED ? at : (at + 7) & ~(size_t)7;
}

static size_t make_pack(const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (size >= 2 && at + HEAD_SIZE + 256 + 8 <= PACK_MAX) {
        uint32_t bytes = data[1] < size - 2 ? data[1] : (uint32_t)(size - 2);

        at = add_record(at, data[0], data + 2, bytes);
        data += 2 + bytes;
        size -= 2 + bytes;
    }
    return at;
}

/* Asks for what the pack should have; what comes must have the digest's size at least. */
static void get_all(struct dk_blobs *blobs, const uint8_t *data, size_t size, struct dk_buf *out)
{
    uint8_t digest[DK_BLOB_ID_SIZE];

    while (size >= 2) {
        uint32_t bytes = data[1] < size - 2 ? data[1] : (uint32_t)(size - 2);

        digest_of(data + 2, bytes, digest);
        dk_buf_clear(out);
        if (dk_blobs_get(blobs, digest, out, NULL) != DK_OK)
            DK_CHECK(out->size == 0);
        data += 2 + bytes;
        size -= 2 + bytes;
    }
}

static bool visit(void *ctx, const struct dk_blob_about *about)
{
    DK_CHECK(dk_blobs_has(ctx, about->id));
    return true;
}

static void write_some(struct dk_blobs *blobs, struct dk_buf *out)
{
    static uint8_t id[1][DK_BLOB_ID_SIZE] = { "an id of one's own" };
    enum dk_status status;

    DK_CHECK(dk_blobs_put(blobs, id[0], "a new one", 9, NULL, NULL) == DK_OK);
    dk_buf_clear(out);
    status = dk_blobs_get(blobs, id[0], out, NULL);
    DK_CHECK(status != DK_OK || (out->size == 9 && memcmp(out->data, "a new one", 9) == 0));
    DK_CHECK(dk_blobs_erase(blobs, id, 1, NULL) == DK_OK);
    DK_CHECK(dk_blobs_get(blobs, id[0], out, NULL) != DK_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_blobs *blobs;
    struct dk_buf out;
    uint64_t count;
    bool is_writer;

    if (size < 2)
        return 0;
    is_writer = data[0] % 16 == 1; /* seldom: it syncs */
    fuzz_folder_make();
    fuzz_file_write("000001.pack", pack, make_pack(data + 1, size - 1));
    DK_CHECK(dk_blobs_open(&blobs, fuzz_folder, is_writer, NULL) == DK_OK);
    dk_buf_init(&out, &dk_heap, DK_BLOB_SIZE_MAX);
    get_all(blobs, data + 1, size - 1, &out);
    DK_CHECK(dk_blobs_each(blobs, visit, blobs, NULL) == DK_OK);
    if (is_writer)
        write_some(blobs, &out);
    count = dk_blobs_count(blobs);
    dk_blobs_close(blobs);
    DK_CHECK(dk_blobs_open(&blobs, fuzz_folder, false, NULL) == DK_OK);
    DK_CHECK(dk_blobs_count(blobs) >= count);
    dk_blobs_close(blobs);
    dk_buf_release(&out);
    return 0;
}
