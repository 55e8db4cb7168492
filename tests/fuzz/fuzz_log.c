/* fuzz_log.c - bytes as a segment of the log, plain or packed, with every checksum made right
 *
 * The first byte says which kind; the rest is the file. Headers, frames, blocks, index and footer
 * get the checksums that they would need, so that what lies behind them is reached. Reading, the
 * start of a writer, stat and repair may refuse, but must not crash, hang, or read beyond the file;
 * and what a reader hands out must be dense.
 */
#define _GNU_SOURCE /* mkdtemp */
#include "base/crc32c.h"
#include "fuzz_folder.h"
#include "log/frame.h"
#include "log/log.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char uri[80];

static void make_header_right(uint8_t *bytes, const char *magic)
{
    memcpy(bytes, magic, 8);
    dk_put_u32(bytes + 12, 1);
    dk_put_u64(bytes + 16, 1); /* the file's name says so */
    dk_put_u32(bytes + 8, dk_crc32c(0, bytes + 12, DK_SEGMENT_HEADER_SIZE - 12));
}

/* The first byte of each frame chooses how much of it is made right; the rest stays as it came. */
static void make_frames_right(uint8_t *bytes, size_t size, size_t at)
{
    uint64_t seq = 1;

    while (size - at >= DK_FRAME_HEADER_SIZE && bytes[at] != 0) {
        uint8_t *frame = bytes + at, choice = frame[0];
        uint32_t frame_size = (dk_get_u32(frame + 8) % 512 + DK_FRAME_HEADER_SIZE) & ~7u;

        if (frame_size > size - at)
            frame_size = (uint32_t)(size - at) & ~7u;
        memcpy(frame, "dkB1", 4);
        dk_put_u32(frame + 8, frame_size);
        if (choice & 1)
            dk_put_u32(frame + 36, 0);
        if (choice & 2)
            dk_put_u64(frame + 16, seq);
        if (choice & 4)
            dk_put_u32(frame + 28, dk_get_u32(frame + 28) % 3);
        if (choice & 8)
            dk_put_u32(frame + 24, dk_get_u32(frame + 24) % 8);
        if (choice & 16)
            dk_put_u32(frame + 32, dk_get_u32(frame + 32) % 64 * 8);
        if (choice & 32)
            dk_put_u32(frame + 12, dk_get_u32(frame + 12) % 4);
        if (choice != 0xff)
            dk_put_u32(frame + 4, dk_crc32c(0, frame + 8, frame_size - 8));
        seq += dk_get_u32(frame + 24);
        at += frame_size;
    }
}

/* Index and footer, when the footer points inside the file. */
static void make_index_right(uint8_t *bytes, size_t size)
{
    uint8_t *footer = bytes + size - 64;
    uint64_t position = dk_get_u64(footer + 16), entries = dk_get_u32(footer + 12);

    memcpy(footer, "DKSEGEND", 8);
    if (position <= size - 64 && entries <= (size - 64 - position) / 40) {
        for (uint64_t i = 0; i < entries; i++) {
            uint8_t *entry = bytes + position + i * 40;
            uint64_t at = dk_get_u64(entry + 16), block = dk_get_u32(entry + 24);

            if (at <= size && block <= size - at)
                dk_put_u32(entry + 32, dk_crc32c(0, bytes + at, block));
        }
        dk_put_u32(footer + 40, dk_crc32c(0, bytes + position, entries * 40));
    }
    dk_put_u32(footer + 8, dk_crc32c(0, footer + 12, 64 - 12));
}

static uint64_t read_all(void)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;
    enum dk_status status = dk_log_reader_open(&reader, uri, 1, &err);
    uint64_t seq = 1, first, limit;
    volatile uint8_t sink = 0;

    while (status == DK_OK) {
        status = dk_log_reader_next(reader, &batch, &err);
        if (status == DK_OK) {
            DK_CHECK(batch.seq_first == seq && batch.count > 0);
            seq += batch.count;
            for (uint32_t i = 0; i < batch.count; i++)
                for (uint32_t k = 0; k < batch.records[i].size; k++)
                    sink ^= batch.records[i].data[k];
        } else if (status == DK_CORRUPT &&
                   dk_log_reader_skip_gap(reader, &first, &limit, NULL) == DK_OK) {
            DK_CHECK(first == seq && limit > first);
            seq = limit;
            status = DK_OK;
        }
    }
    (void)sink;
    seq = status == DK_CORRUPT ? dk_log_reader_seq_next(reader) : 0;
    dk_log_reader_close(reader);
    return seq;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_log_repair repair;
    struct dk_log_stat stat;
    struct dk_log *log;
    uint8_t *bytes;
    uint64_t seq;
    bool packed;

    if (size < 1 + DK_SEGMENT_HEADER_SIZE + 64 || size > 1 << 20)
        return 0;
    fuzz_folder_make();
    (void)snprintf(uri, sizeof(uri), "file:%s", fuzz_folder);
    packed = (data[0] & 1) != 0;
    size--;
    bytes = malloc(size);
    memcpy(bytes, data + 1, size);
    make_header_right(bytes, packed ? DK_SEGMENT_MAGIC_PACKED : DK_SEGMENT_MAGIC_PLAIN);
    if (packed)
        make_index_right(bytes, size);
    else
        make_frames_right(bytes, size, DK_SEGMENT_HEADER_SIZE);
    fuzz_file_remove("page");
    fuzz_file_remove("00000000000000000001.seg");
    fuzz_file_remove("00000000000000000001.zseg");
    fuzz_file_write(packed ? "00000000000000000001.zseg" : "00000000000000000001.seg", bytes, size);
    free(bytes);
    seq = read_all();
    (void)dk_log_stat(uri, &stat, NULL);
    if (dk_log_open(&log, uri, NULL, NULL) == DK_OK)
        (void)dk_log_close(log, NULL);
    else if (seq != 0 && dk_log_repair(uri, seq, "fuzz", &repair, NULL) == DK_OK)
        fuzz_file_remove(repair.kept);
    return 0;
}
