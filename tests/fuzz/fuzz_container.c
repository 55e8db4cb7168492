/* fuzz_container.c - any bytes as an export of a log: the header, blocks, codecs and entries
 *
 * The first byte chooses. Even: what follows is the file, behind "Obj" 1. Odd: a right header with
 * the codec that it says, then blocks `| choice u8 | entries u8 | size u16 | bytes |` with right
 * sync markers; the choice says whether the bytes are packed first, so that entries are reached, or
 * are what the codec gets. What is read is dense and goes into another export, if every event is
 * one; it comes back from there. */
#define _GNU_SOURCE /* memmem, mkdtemp */
#include "batch/container.h"
#include "batch/pack.h"
#include "fuzz_folder.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACK = 1, WRONG_SYNC = 2, FILE_MAX = 1 << 20, SYNC_SIZE = 16 };

static uint8_t file[FILE_MAX];
static size_t file_size;
static uint8_t headers[3][128 << 10]; /* of each codec: an export of no batch, patched */
static size_t header_sizes[3];

static void add(const void *bytes, size_t size)
{
    DK_CHECK(size <= FILE_MAX - file_size);
    if (size > 0)
        memcpy(file + file_size, bytes, size);
    file_size += size;
}

static void add_long(uint64_t value)
{
    uint64_t raw = value << 1;
    uint8_t byte;

    for (; raw >= 0x80; raw >>= 7) {
        byte = (uint8_t)(raw | 0x80);
        add(&byte, 1);
    }
    byte = (uint8_t)raw;
    add(&byte, 1);
}

/* A header as the writer makes it, which says that there is more to come. */
static void make_header(int codec)
{
    struct dk_container_about about = { .seq_first = 1, .codec = (enum dk_container_codec)codec };
    struct dk_container_writer *writer;
    struct dk_head head = { 0 };
    char path[160];
    FILE *stream;
    uint8_t *last;

    (void)snprintf(path, sizeof(path), "%s/header", fuzz_folder);
    DK_CHECK(dk_container_create(&writer, path, &about, NULL) == DK_OK);
    DK_CHECK(dk_container_finish(writer, &head, NULL) == DK_OK);
    dk_container_destroy(writer);
    stream = fopen(path, "rb");
    DK_CHECK(stream != NULL);
    header_sizes[codec] = fread(headers[codec], 1, sizeof(headers[codec]), stream);
    (void)fclose(stream);
    last = memmem(headers[codec], header_sizes[codec], "docket.seq_last", 15);
    DK_CHECK(last != NULL);
    memcpy(last + 16, "00000000000001000000", 20);
}

static void make_blocks(const uint8_t *data, size_t size, int codec)
{
    struct dk_packer *packer = dk_packer_create((enum dk_container_codec)codec);
    struct dk_buf packed;

    dk_buf_init(&packed, &dk_heap, FILE_MAX);
    add(headers[codec], header_sizes[codec]);
    while (size >= 4) {
        uint8_t choice = data[0], entries = data[1];
        size_t here = (size_t)data[2] | (size_t)data[3] << 8;
        uint8_t sync[SYNC_SIZE];

        data += 4;
        size -= 4;
        here = here < size ? here : size;
        memcpy(sync, headers[codec] + header_sizes[codec] - SYNC_SIZE, SYNC_SIZE);
        sync[3] ^= choice & WRONG_SYNC;
        if (choice & PACK)
            DK_CHECK(dk_pack(packer, data, here, &packed, NULL) == DK_OK);
        else
            dk_buf_clear(&packed);
        if (!(choice & PACK))
            DK_CHECK(dk_buf_add(&packed, data, here));
        add_long(entries);
        add_long(packed.size);
        add(packed.data, packed.size);
        add(sync, sizeof(sync));
        data += here;
        size -= here;
    }
    dk_packer_destroy(packer);
    dk_buf_release(&packed);
}

/* The same batch, out of a second file. */
static void write_again(const struct dk_log_batch *batch)
{
    struct dk_container_about about = { .seq_first = batch->seq_first };
    struct dk_container_reader *reader;
    struct dk_container_writer *writer;
    struct dk_log_batch again;
    struct dk_head head = { 0 };
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/again", fuzz_folder);
    about.before = headers[0]; /* something that is not nothing */
    about.before_size = batch->seq_first > 1 ? 8 : 0;
    DK_CHECK(dk_container_create(&writer, path, &about, NULL) == DK_OK);
    if (dk_container_add(writer, batch, NULL) == DK_OK) {
        DK_CHECK(dk_container_finish(writer, &head, NULL) == DK_OK);
        DK_CHECK(dk_container_open(&reader, path, NULL) == DK_OK);
        DK_CHECK(dk_container_next(reader, &again, NULL) == DK_OK);
        DK_CHECK(again.seq_first == batch->seq_first && again.count == batch->count);
        for (uint32_t i = 0; i < batch->count; i++)
            DK_CHECK(
                again.records[i].size == batch->records[i].size &&
                memcmp(again.records[i].data, batch->records[i].data, batch->records[i].size) == 0);
        DK_CHECK(dk_container_next(reader, &again, NULL) == DK_END);
        dk_container_close(reader);
    }
    dk_container_destroy(writer);
}

static void read_all(const char *path)
{
    struct dk_container_reader *reader;
    struct dk_log_batch batch;
    struct dk_trail trail;
    struct dk_err err;
    uint64_t seq;
    int written = 0;

    if (dk_container_open(&reader, path, &err) != DK_OK)
        return;
    seq = dk_container_about(reader)->seq_first;
    dk_trail_init(&trail, &dk_heap);
    while (dk_container_next(reader, &batch, &err) == DK_OK) {
        DK_CHECK(batch.seq_first == seq && batch.count > 0);
        seq += batch.count;
        (void)dk_trail_batch(&trail, &batch, &err);
        if (written++ == 0)
            write_again(&batch);
    }
    (void)dk_container_check(reader, &trail, &err);
    dk_trail_release(&trail);
    dk_container_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[160];

    if (size == 0 || size > 65536)
        return 0;
    if (fuzz_folder[0] == '\0') {
        fuzz_folder_make();
        for (int codec = 0; codec < 3; codec++)
            make_header(codec);
    }
    file_size = 0;
    if (data[0] & 1) {
        make_blocks(data + 1, size - 1, (data[0] >> 1) % 3);
    } else {
        add("Obj\1", 4);
        add(data + 1, size - 1);
    }
    fuzz_file_write("file", file, file_size);
    (void)snprintf(path, sizeof(path), "%s/file", fuzz_folder);
    read_all(path);
    return 0;
}
