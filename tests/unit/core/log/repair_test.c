/* repair_test.c - the way on after damage: by an operator's word only, and visible for ever */
#define _GNU_SOURCE
#include "support.h"

#include "log/frame.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[FOLDER_MAX], uri[FOLDER_MAX + 8];

static int make(void **state)
{
    (void)state;
    folder_make(folder);
    (void)snprintf(uri, sizeof(uri), "file:%s", folder);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void write_log(int batches, bool pack)
{
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .segment_size = 2000 });

    for (int i = 0; i < batches; i++) {
        must_append(log, 5);
        must_sync(log);
    }
    while (pack && dk_log_compact_step(log, NULL) == DK_OK)
        continue;
    must_close(log);
}

/* The seq at which reading stops with DK_CORRUPT; 0 if it does not. */
static uint64_t damage_at(struct dk_err *err)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    enum dk_status status;
    uint64_t seq;

    status = dk_log_reader_open(&reader, uri, 1, err);
    while (status == DK_OK)
        status = dk_log_reader_next(reader, &batch, err);
    seq = status == DK_CORRUPT ? dk_log_reader_seq_next(reader) : 0;
    dk_log_reader_close(reader);
    return seq;
}

/* Reads all, stepping over gaps; checks that all but first .. limit - 1 is there. */
static void read_over(uint64_t first, uint64_t limit, uint64_t end)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;
    enum dk_status status = DK_OK;
    uint64_t seq = 1, gap_first = 0, gap_limit = 0;

    assert_ok(dk_log_reader_open(&reader, uri, 1, &err));
    while (status == DK_OK) {
        status = dk_log_reader_next(reader, &batch, &err);
        if (status == DK_OK) {
            assert_int_equal(batch.seq_first, seq);
            check_batch(&batch);
            seq += batch.count;
        } else if (status == DK_CORRUPT) {
            assert_int_equal(seq, first);
            assert_contains(err.text, "the operator said so");
            status = dk_log_reader_skip_gap(reader, &gap_first, &gap_limit, &err);
            assert_int_equal(gap_first, first);
            assert_int_equal(gap_limit, limit);
            seq = gap_limit;
        }
    }
    if (status != DK_AGAIN)
        fail_msg("%s", err.text);
    assert_int_equal(gap_first, first);
    assert_int_equal(seq, end);
    dk_log_reader_close(reader);
}

static void repair(uint64_t seq, uint64_t limit, bool keeps)
{
    struct dk_log_repair done;
    struct dk_log_stat stat;
    struct dk_err err = { 0 };
    struct dk_log *log;
    uint64_t end;

    assert_int_equal(dk_log_repair(uri, seq + 1, "wrong seq", &done, &err), DK_INVALID);
    if (dk_log_repair(uri, seq, "the operator said so", &done, &err) != DK_OK)
        fail_msg("repair: %s", err.text);
    assert_int_equal(done.seq_first, seq);
    assert_int_equal(done.seq_limit, limit);
    if (keeps)
        assert_true(file_exists(folder, done.kept));
    assert_int_equal(damage_at(&err), seq); /* it is still reported, until told to go on */
    log = must_open(uri, NULL);
    must_append(log, 4);
    must_sync(log);
    end = dk_log_seq_next(log);
    must_close(log);
    read_over(seq, limit, end);
    assert_ok(dk_log_stat(uri, &stat, NULL));
    assert_int_equal(stat.gaps, 1);
    assert_int_equal(dk_log_repair(uri, seq, "again", &done, &err), DK_INVALID);
}

static size_t frame_at(const uint8_t *bytes, size_t size, uint64_t seq)
{
    struct dk_frame frame;
    size_t at = DK_SEGMENT_HEADER_SIZE;

    while (dk_frame_parse(bytes + at, size - at, &frame) == DK_FRAME_OK &&
           (frame.kind != DK_FRAME_RECORDS || frame.seq_first != seq))
        at += frame.size;
    return at;
}

static void damage(const char *name, uint64_t seq)
{
    size_t size, at;
    uint8_t *bytes = file_read(folder, name, &size);

    at = frame_at(bytes, size, seq);
    assert_true(at < size - 50);
    memset(bytes + at + 10, 0xee, 40);
    file_write(folder, name, bytes, size);
    free(bytes);
}

static void damage_in_the_middle_of_a_segment_becomes_a_gap(void **state)
{
    struct dk_err err;

    (void)state;
    write_log(5, false);
    damage("00000000000000000001.seg", 6);
    assert_int_equal(damage_at(&err), 6);
    repair(6, 11, true);
}

static void damage_to_the_last_acknowledged_batch_becomes_a_gap(void **state)
{
    struct dk_err err;

    (void)state;
    write_log(3, false);
    damage("00000000000000000001.seg", 11);
    assert_int_equal(damage_at(&err), 11);
    repair(11, 16, true);
}

/* A name of a sealed segment that is neither the first nor the last, and its first seq. */
static uint64_t middle(char name[64], const char *suffix)
{
    for (uint64_t seq = 2; seq < 1000; seq++) {
        (void)snprintf(name, 64, "%020llu%s", (unsigned long long)seq, suffix);
        if (file_exists(folder, name))
            return seq;
    }
    fail_msg("no segment");
    return 0;
}

static uint64_t after(uint64_t first)
{
    char name[64];

    for (uint64_t seq = first + 1; seq < 1000; seq++) {
        (void)snprintf(name, 64, "%020llu.seg", (unsigned long long)seq);
        if (file_exists(folder, name))
            return seq;
        (void)snprintf(name, 64, "%020llu.zseg", (unsigned long long)seq);
        if (file_exists(folder, name))
            return seq;
    }
    fail_msg("no segment after");
    return 0;
}

static void damage_at_the_end_of_a_sealed_segment_reaches_to_the_next(void **state)
{
    struct dk_err err;
    uint64_t first, next;
    char name[64];

    (void)state;
    write_log(40, false);
    first = middle(name, ".seg");
    next = after(first);
    damage(name, next - 5);
    assert_int_equal(damage_at(&err), next - 5);
    repair(next - 5, next, true);
}

static void a_segment_with_a_damaged_header_becomes_a_gap_whole(void **state)
{
    struct dk_err err;
    uint8_t *bytes;
    uint64_t first;
    char name[64];
    size_t size;

    (void)state;
    write_log(40, false);
    first = middle(name, ".seg");
    bytes = file_read(folder, name, &size);
    bytes[20] ^= 4;
    file_write(folder, name, bytes, size);
    free(bytes);
    assert_int_equal(damage_at(&err), first);
    repair(first, after(first), true);
}

/* The epoch of the lost segment was the newest: the next writer must still be above it. */
static void a_last_segment_with_a_damaged_header_keeps_the_epoch_rising(void **state)
{
    struct dk_log_repair done;
    struct dk_log *log;
    struct dk_err err;
    uint8_t *bytes;
    size_t size;

    (void)state;
    for (int i = 0; i < 4; i++)
        write_log(1, false);
    bytes = file_read(folder, "00000000000000000001.seg", &size);
    bytes[20] ^= 4;
    file_write(folder, "00000000000000000001.seg", bytes, size);
    free(bytes);
    assert_int_equal(dk_log_open(&log, uri, NULL, &err), DK_CORRUPT);
    assert_ok(dk_log_repair(uri, 1, "the operator said so", &done, &err));
    assert_int_equal(done.seq_limit, 21);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_epoch(log), 5);
    assert_int_equal(dk_log_seq_next(log), 21);
    must_close(log);
}

static void a_missing_segment_becomes_a_gap(void **state)
{
    char name[64], path[2 * FOLDER_MAX];
    struct dk_err err;
    uint64_t first, next;

    (void)state;
    write_log(40, false);
    first = middle(name, ".seg");
    next = after(first);
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(damage_at(&err), first);
    repair(first, next, false);
}

static void a_damaged_block_of_a_compressed_segment_becomes_a_gap(void **state)
{
    struct dk_err err;
    uint64_t first, next;
    uint8_t *bytes;
    char name[64];
    size_t size;

    (void)state;
    write_log(40, true);
    first = middle(name, ".zseg");
    next = after(first);
    bytes = file_read(folder, name, &size);
    bytes[DK_SEGMENT_HEADER_SIZE + 30] ^= 1;
    file_write(folder, name, bytes, size);
    free(bytes);
    assert_int_equal(damage_at(&err), first);
    repair(first, next, true);
}

static void a_log_with_a_running_writer_is_not_repaired(void **state)
{
    struct dk_log_repair done;
    struct dk_log *log;
    struct dk_err err;

    (void)state;
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_repair(uri, 1, "impatience", &done, &err), DK_BUSY);
    must_close(log);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(damage_in_the_middle_of_a_segment_becomes_a_gap),
        TEST(damage_to_the_last_acknowledged_batch_becomes_a_gap),
        TEST(damage_at_the_end_of_a_sealed_segment_reaches_to_the_next),
        TEST(a_segment_with_a_damaged_header_becomes_a_gap_whole),
        TEST(a_last_segment_with_a_damaged_header_keeps_the_epoch_rising),
        TEST(a_missing_segment_becomes_a_gap),
        TEST(a_damaged_block_of_a_compressed_segment_becomes_a_gap),
        TEST(a_log_with_a_running_writer_is_not_repaired),
    };

    return cmocka_run_group_tests_name("repair", tests, NULL, NULL);
}
