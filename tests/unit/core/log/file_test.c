/* file_test.c - what the file backend promises beyond the port: torn tails, damage, locks, packing
 */
#define _GNU_SOURCE /* kill, fork */
#include "support.h"

#include "log/frame.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEGMENT_1 "00000000000000000001.seg"
#define HEADER DK_SEGMENT_HEADER_SIZE
#define MARK DK_FRAME_HEADER_SIZE /* a writer's mark comes first in each log */

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

static void forget_page(void)
{
    char path[2 * FOLDER_MAX];

    (void)snprintf(path, sizeof(path), "%s/page", folder);
    (void)unlink(path);
}

/* `batches` batches of `count` records, each its own commit. */
static void write_log(int batches, uint32_t count, const struct dk_log_options *options)
{
    struct dk_log *log = must_open(uri, options);

    for (int i = 0; i < batches; i++) {
        must_append(log, count);
        must_sync(log);
    }
    must_close(log);
}

/* Where the frame with this seq begins in a plain segment, and its size. */
static size_t frame_position(const uint8_t *bytes, size_t size, uint64_t seq, size_t *frame_size)
{
    struct dk_frame frame;
    size_t at = HEADER;

    while (dk_frame_parse(bytes + at, size - at, &frame) == DK_FRAME_OK) {
        if (frame.kind == DK_FRAME_RECORDS && frame.seq_first == seq) {
            *frame_size = frame.size;
            return at;
        }
        at += frame.size;
    }
    fail_msg("no frame with seq %llu", (unsigned long long)seq);
    return 0;
}

static void a_tail_torn_at_any_byte_is_cut_and_nothing_else(void **state)
{
    size_t size, frame_size = 0, at;
    uint8_t *whole, *torn;
    struct dk_log_stat stat;

    (void)state;
    write_log(3, 2, NULL);
    whole = file_read(folder, SEGMENT_1, &size);
    torn = malloc(size);
    at = frame_position(whole, size, 5, &frame_size);
    for (size_t cut = 0; cut < frame_size; cut++) {
        for (int to_the_end_of_file = 0; to_the_end_of_file < 2; to_the_end_of_file++) {
            struct dk_log *log;
            uint64_t seq = 5;
            size_t last;

            memcpy(torn, whole, size);
            memset(torn + at + cut, 0, size - at - cut);
            last = dk_bytes_end(torn, at + frame_size, at);
            if (!to_the_end_of_file && memcmp(torn, whole, size) == 0) {
                last = at; /* only zeros went, which are there again: it is whole */
                seq = 7;
            }
            file_write(folder, SEGMENT_1, torn, to_the_end_of_file ? at + cut : size);
            forget_page();
            assert_int_equal(read_all(uri, 1, NULL), seq);
            assert_ok(dk_log_stat(uri, &stat, NULL));
            assert_int_equal(stat.torn_bytes, last - at);
            log = must_open(uri, NULL);
            assert_int_equal(dk_log_seq_next(log), seq);
            assert_int_equal(dk_log_torn_bytes(log), last - at);
            must_append(log, 3);
            must_sync(log);
            must_close(log);
            assert_int_equal(read_all(uri, 1, NULL), seq + 3);
        }
    }
    free(torn);
    free(whole);
}

static void expect_damage(size_t at, uint64_t seq)
{
    struct dk_log *log;
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_log_stat stat;
    struct dk_err err;
    enum dk_status status;
    char byte_text[64], seq_text[64];

    (void)snprintf(byte_text, sizeof(byte_text), "byte %zu", at);
    (void)snprintf(seq_text, sizeof(seq_text), "seq %llu", (unsigned long long)seq);
    assert_int_equal(dk_log_open(&log, uri, NULL, &err), DK_CORRUPT);
    assert_contains(err.text, SEGMENT_1);
    assert_contains(err.text, byte_text);
    assert_contains(err.text, seq_text);
    assert_ok(dk_log_reader_open(&reader, uri, 1, &err));
    while ((status = dk_log_reader_next(reader, &batch, &err)) == DK_OK)
        check_batch(&batch);
    assert_int_equal(status, DK_CORRUPT);
    assert_int_equal(dk_log_reader_seq_next(reader), seq);
    assert_contains(err.text, SEGMENT_1);
    assert_contains(err.text, byte_text);
    assert_contains(err.text, seq_text);
    /* It stays there: nothing is skipped in silence. */
    assert_int_equal(dk_log_reader_next(reader, &batch, &err), DK_CORRUPT);
    dk_log_reader_close(reader);
    assert_int_equal(dk_log_stat(uri, &stat, &err), DK_CORRUPT);
    assert_int_equal(stat.records, seq - 1);
}

static void a_flipped_bit_anywhere_in_a_middle_batch_is_found_with_file_byte_and_seq(void **state)
{
    for (int with_page = 0; with_page < 2; with_page++) {
        size_t size, frame_size = 0, at;
        uint8_t *bytes;

        write_log(4, 2, NULL);
        bytes = file_read(folder, SEGMENT_1, &size);
        at = frame_position(bytes, size, 3, &frame_size);
        if (with_page == 0)
            forget_page();
        for (size_t i = at; i < at + frame_size; i++) {
            bytes[i] ^= (uint8_t)(1u << (i % 8));
            file_write(folder, SEGMENT_1, bytes, size);
            expect_damage(at, 3);
            bytes[i] ^= (uint8_t)(1u << (i % 8));
        }
        free(bytes);
        (void)take_away(state);
        (void)make(state);
    }
}

static void a_zeroed_batch_in_the_middle_is_damage_and_not_the_end(void **state)
{
    size_t size, frame_size = 0, at;
    uint8_t *bytes;

    (void)state;
    write_log(4, 2, NULL);
    bytes = file_read(folder, SEGMENT_1, &size);
    at = frame_position(bytes, size, 3, &frame_size);
    memset(bytes + at, 0, frame_size);
    file_write(folder, SEGMENT_1, bytes, size);
    forget_page();
    expect_damage(at, 3);
    free(bytes);
}

/* The last batch was acknowledged, as the page knows: a bad checksum there is not a torn write. */
static void damage_to_an_acknowledged_last_batch_is_not_cut(void **state)
{
    size_t size, frame_size = 0, at;
    uint8_t *bytes;

    (void)state;
    write_log(4, 2, NULL);
    bytes = file_read(folder, SEGMENT_1, &size);
    at = frame_position(bytes, size, 7, &frame_size);
    bytes[at + frame_size - 1] ^= 1;
    file_write(folder, SEGMENT_1, bytes, size);
    expect_damage(at, 7);
    memset(bytes + at, 0, frame_size);
    file_write(folder, SEGMENT_1, bytes, size);
    expect_damage(at, 7);
    free(bytes);
}

/* One commit of three batches: the disk kept the third and lost the first. */
static void a_group_commit_that_lost_its_first_batch_is_torn_and_not_damaged(void **state)
{
    struct dk_log *log = must_open(uri, NULL);
    size_t size, frame_size = 0, at;
    uint8_t *bytes;

    (void)state;
    must_append(log, 2);
    must_sync(log);
    for (int i = 0; i < 3; i++)
        must_append(log, 2);
    must_sync(log);
    must_close(log);
    bytes = file_read(folder, SEGMENT_1, &size);
    at = frame_position(bytes, size, 3, &frame_size);
    memset(bytes + at, 0, 16);
    file_write(folder, SEGMENT_1, bytes, size);
    free(bytes);
    forget_page();
    assert_int_equal(read_all(uri, 1, NULL), 3);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_seq_next(log), 3);
    assert_true(dk_log_torn_bytes(log) > 2 * DK_FRAME_HEADER_SIZE);
    must_append(log, 1);
    must_sync(log);
    must_close(log);
    assert_int_equal(read_all(uri, 1, NULL), 4);
}

static void a_copied_log_without_page_or_lock_reads_whole(void **state)
{
    char path[2 * FOLDER_MAX];

    (void)state;
    write_log(50, 3, &(struct dk_log_options){ .segment_size = 2000 });
    forget_page();
    (void)snprintf(path, sizeof(path), "%s/lock", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_all(uri, 1, NULL), 151);
    assert_int_equal(read_all(uri, 77, NULL), 151);
}

static void a_missing_segment_is_reported_and_not_skipped(void **state)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;
    char path[2 * FOLDER_MAX];
    enum dk_status status;
    uint64_t seq;

    (void)state;
    write_log(50, 3, &(struct dk_log_options){ .segment_size = 2000 });
    for (seq = 2; seq < 100; seq++) {
        (void)snprintf(path, sizeof(path), "%020llu.seg", (unsigned long long)seq);
        if (file_exists(folder, path))
            break;
    }
    (void)snprintf(path, sizeof(path), "%s/%020llu.seg", folder, (unsigned long long)seq);
    assert_int_equal(unlink(path), 0);
    for (int round = 0; round < 2; round++) {
        assert_ok(dk_log_reader_open(&reader, uri, 1, &err));
        while ((status = dk_log_reader_next(reader, &batch, &err)) == DK_OK)
            continue;
        assert_int_equal(status, DK_CORRUPT);
        assert_contains(err.text, SEGMENT_1);
        assert_int_equal(dk_log_reader_seq_next(reader), seq);
        dk_log_reader_close(reader);
        forget_page();
    }
}

static void the_lock_names_its_process_and_ends_with_it(void **state)
{
    struct dk_log *log;
    struct dk_err err;
    int ready[2];
    char byte, text[32];
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        if (dk_log_open(&log, uri, NULL, NULL) != DK_OK || append_records(log, 3, NULL) != DK_OK ||
            dk_log_sync(log, NULL) != DK_OK || append_records(log, 3, NULL) != DK_OK)
            _exit(1);
        (void)!write(ready[1], "r", 1);
        for (;;)
            (void)pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(dk_log_open(&log, uri, NULL, &err), DK_BUSY);
    (void)snprintf(text, sizeof(text), "process %ld", (long)child);
    assert_contains(err.text, text);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_epoch(log), 2);
    assert_int_equal(dk_log_seq_next(log), 4);
    must_close(log);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

/* In a process of its own; it is there before the log is. */
static int follow_to(uint64_t limit)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    enum dk_status status = DK_OK;
    uint64_t seq = 1;

    if (dk_log_reader_open(&reader, uri, 1, NULL) != DK_OK)
        return 1;
    while (seq < limit && (status == DK_OK || status == DK_AGAIN)) {
        status = dk_log_reader_next(reader, &batch, NULL);
        if (status == DK_AGAIN)
            (void)dk_log_reader_wait(reader, -1, NULL); /* without end: a lost wake hangs here */
        else if (status == DK_OK && batch.seq_first == seq)
            seq += batch.count;
        else
            status = DK_CORRUPT;
    }
    dk_log_reader_close(reader);
    return seq == limit ? 0 : 2;
}

static void a_reader_in_another_process_is_woken_by_each_commit(void **state)
{
    struct dk_log *log;
    int status = -1;
    pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(follow_to(301));
    log = must_open(uri, &(struct dk_log_options){ .segment_size = 4000 });
    for (int i = 0; i < 100; i++) {
        must_append(log, 3);
        must_sync(log);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    must_close(log);
}

/* Puts a frame behind the last one, as a writer would that does not know it was taken over from. */
static void sneak_in(uint64_t seq, uint32_t epoch, uint32_t count)
{
    struct dk_log_record records[8] = { { (const uint8_t *)"stale", 5 } };
    struct dk_log_batch batch = { seq, epoch, count, records };
    struct dk_frame frame;
    struct dk_buf buf;
    size_t size, at = HEADER;
    uint8_t *bytes = file_read(folder, SEGMENT_1, &size);

    dk_buf_init(&buf, &dk_heap, 1 << 20);
    assert_true(dk_frame_add(&buf, &batch));
    dk_frame_seal(buf.data, 0);
    while (dk_frame_parse(bytes + at, size - at, &frame) == DK_FRAME_OK)
        at += frame.size;
    memcpy(bytes + at, buf.data, buf.size);
    file_write(folder, SEGMENT_1, bytes, size);
    free(bytes);
    dk_buf_release(&buf);
}

static void batches_of_an_older_epoch_are_passed_over(void **state)
{
    struct dk_log *log;

    (void)state;
    write_log(2, 3, NULL); /* epoch 1 */
    write_log(2, 3, NULL); /* epoch 2 */
    sneak_in(13, 1, 4);
    assert_int_equal(read_all(uri, 1, NULL), 13);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_epoch(log), 3);
    assert_int_equal(dk_log_seq_next(log), 13);
    must_append(log, 2);
    must_sync(log);
    must_close(log);
    assert_int_equal(read_all(uri, 1, NULL), 15);
}

static void a_batch_with_a_seq_that_does_not_follow_is_damage(void **state)
{
    struct dk_log *log;
    struct dk_err err;

    (void)state;
    write_log(2, 3, NULL);
    sneak_in(9, 1, 2);
    assert_int_equal(dk_log_open(&log, uri, NULL, &err), DK_CORRUPT);
    assert_contains(err.text, "where seq 7 should be");
}

static uint64_t digest(const char *address, uint64_t *records)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    uint64_t sum = 17;

    *records = 0;
    assert_ok(dk_log_reader_open(&reader, address, 1, NULL));
    while (dk_log_reader_next(reader, &batch, NULL) == DK_OK) {
        sum = sum * 31 + batch.seq_first;
        for (uint32_t i = 0; i < batch.count; i++, (*records)++)
            for (uint32_t k = 0; k < batch.records[i].size; k++)
                sum = sum * 1099511628211u + batch.records[i].data[k];
    }
    dk_log_reader_close(reader);
    return sum;
}

static void compressed_segments_read_exactly_as_the_plain_ones_did(void **state)
{
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .segment_size = 400000 });
    struct dk_log_stat before, after;
    uint64_t sum, records, records_after;
    struct dk_err err;
    enum dk_status status;
    int packed = 0;

    (void)state;
    for (int i = 0; i < 600; i++) {
        must_append(log, 40);
        must_sync(log);
    }
    sum = digest(uri, &records);
    assert_ok(dk_log_stat(uri, &before, NULL));
    while ((status = dk_log_compact_step(log, &err)) == DK_OK)
        packed++;
    assert_int_equal(status, DK_END);
    assert_int_equal(packed, before.segments - 1);
    assert_int_equal(digest(uri, &records_after), sum);
    assert_int_equal(records, records_after);
    assert_ok(dk_log_stat(uri, &after, NULL));
    assert_int_equal(after.segments_compressed, packed);
    assert_true(after.bytes_disk < before.bytes_disk);
    assert_int_equal(after.bytes_plain, before.bytes_plain);
    for (uint64_t seq = 1; seq < 24000; seq += 997)
        assert_int_equal(read_all(uri, seq, NULL), 24001);
    must_close(log);
    write_log(3, 1, NULL);
    assert_int_equal(read_all(uri, 23999, NULL), 24004);
}

static void a_reader_is_not_disturbed_when_its_segment_is_compressed(void **state)
{
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .segment_size = 20000 });
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    uint64_t seq = 1;

    (void)state;
    for (int i = 0; i < 100; i++) {
        must_append(log, 20);
        must_sync(log);
    }
    assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
    for (int i = 0; i < 4; i++, seq += batch.count)
        assert_ok(dk_log_reader_next(reader, &batch, NULL));
    while (dk_log_compact_step(log, NULL) == DK_OK)
        continue;
    assert_false(file_exists(folder, SEGMENT_1));
    check_batch(&batch); /* still borrowed */
    while (dk_log_reader_next(reader, &batch, NULL) == DK_OK) {
        assert_int_equal(batch.seq_first, seq);
        check_batch(&batch);
        seq += batch.count;
    }
    assert_int_equal(seq, 2001);
    dk_log_reader_close(reader);
    must_close(log);
}

static void every_flipped_byte_of_a_compressed_segment_is_found(void **state)
{
    static const char name[] = "00000000000000000001.zseg";
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .segment_size = 3000 });
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;
    enum dk_status status;
    uint8_t *bytes;
    size_t size;

    (void)state;
    for (int i = 0; i < 20; i++) {
        must_append(log, 10);
        must_sync(log);
    }
    while (dk_log_compact_step(log, NULL) == DK_OK)
        continue;
    must_close(log);
    bytes = file_read(folder, name, &size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        file_write(folder, name, bytes, size);
        bytes[i] ^= 0x10;
        assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
        while ((status = dk_log_reader_next(reader, &batch, &err)) == DK_OK)
            check_batch(&batch);
        assert_int_equal(status, DK_CORRUPT);
        assert_contains(err.text, name);
        dk_log_reader_close(reader);
    }
    free(bytes);
}

static void what_a_dead_writer_had_begun_is_removed(void **state)
{
    (void)state;
    write_log(2, 3, NULL);
    file_write(folder, "00000000000000000007.seg.tmp", "half", 4);
    write_log(1, 3, NULL);
    assert_false(file_exists(folder, "00000000000000000007.seg.tmp"));
    assert_int_equal(read_all(uri, 1, NULL), 10);
}

static void the_same_batches_give_the_same_bytes(void **state)
{
    uint8_t *first, *second;
    size_t size, size_second;

    write_log(9, 5, NULL);
    first = file_read(folder, SEGMENT_1, &size);
    (void)take_away(state);
    (void)make(state);
    write_log(9, 5, NULL);
    second = file_read(folder, SEGMENT_1, &size_second);
    assert_int_equal(size, size_second);
    assert_memory_equal(first, second, size);
    free(first);
    free(second);
}

static void a_batch_larger_than_a_segment_gets_one_of_its_own(void **state)
{
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .segment_size = 1000 });

    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        must_append(log, i % 2 == 0 ? 2 : 300);
    must_sync(log);
    assert_int_equal(read_all(uri, 1, NULL), 907);
    must_close(log);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_seq_next(log), 907);
    must_close(log);
}

/* Of the maps of the test's segments, in this process. */
static size_t resident_kib(void)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    bool is_ours = false;
    size_t all = 0, size;
    char line[512], rights[8];

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (sscanf(line, "%*x-%*x %4s", rights) == 1)
            is_ours = strstr(line, folder) != NULL && strstr(line, "seg") != NULL;
        else if (is_ours && sscanf(line, "Rss: %zu", &size) == 1)
            all += size;
    }
    (void)fclose(maps);
    return all;
}

static void a_reader_keeps_no_pages_of_what_it_has_read(void **state)
{
    struct dk_log *log = must_open(uri, NULL);
    size_t bytes = 0, resident = 0;
    struct dk_log_reader *reader;
    struct dk_log_batch batch;

    (void)state;
    for (int i = 0; i < 200; i++)
        must_append(log, 2000);
    must_sync(log);
    assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
    while (dk_log_reader_next(reader, &batch, NULL) == DK_OK) {
        check_batch(&batch);
        for (uint32_t i = 0; i < batch.count; i++)
            bytes += batch.records[i].size;
        if (resident_kib() > resident)
            resident = resident_kib();
    }
    assert_true(bytes > (16 << 20)); /* the system may map 2 MiB at once */
    assert_true(resident > 0 && resident <= 6 << 10);
    dk_log_reader_close(reader);
    must_close(log);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(a_tail_torn_at_any_byte_is_cut_and_nothing_else),
        TEST(a_flipped_bit_anywhere_in_a_middle_batch_is_found_with_file_byte_and_seq),
        TEST(a_zeroed_batch_in_the_middle_is_damage_and_not_the_end),
        TEST(damage_to_an_acknowledged_last_batch_is_not_cut),
        TEST(a_group_commit_that_lost_its_first_batch_is_torn_and_not_damaged),
        TEST(a_copied_log_without_page_or_lock_reads_whole),
        TEST(a_missing_segment_is_reported_and_not_skipped),
        TEST(the_lock_names_its_process_and_ends_with_it),
        TEST(a_reader_in_another_process_is_woken_by_each_commit),
        TEST(batches_of_an_older_epoch_are_passed_over),
        TEST(a_batch_with_a_seq_that_does_not_follow_is_damage),
        TEST(compressed_segments_read_exactly_as_the_plain_ones_did),
        TEST(a_reader_is_not_disturbed_when_its_segment_is_compressed),
        TEST(every_flipped_byte_of_a_compressed_segment_is_found),
        TEST(what_a_dead_writer_had_begun_is_removed),
        TEST(the_same_batches_give_the_same_bytes),
        TEST(a_batch_larger_than_a_segment_gets_one_of_its_own),
        TEST(a_reader_keeps_no_pages_of_what_it_has_read),
    };

    return cmocka_run_group_tests_name("file log", tests, NULL, NULL);
}
