/* container_test.c - what went into an Avro file comes out byte for byte, or not at all */
#include "history.h"

#include "batch/container.h"
#include "event/entry.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char uri[] = "memory:container";
static struct history_batches all;
static char folder[FOLDER_MAX], path[FOLDER_MAX + 32];

static int make(void **state)
{
    (void)state;
    history_write(uri, &(struct history){ .batches = 20 });
    history_read(uri, &all);
    folder_make(folder);
    (void)snprintf(path, sizeof(path), "%s/a.avro", folder);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    history_release(&all);
    dk_log_memory_remove("container");
    folder_remove(folder);
    return 0;
}

/* Batches first .. limit - 1 into `path`. */
static void export(size_t first, size_t limit, enum dk_container_codec codec)
{
    const struct dk_log_batch *before = first > 0 ? &all.items[first - 1] : NULL;
    struct dk_container_about about = { .seq_first = all.items[first].seq_first, .codec = codec };
    struct dk_container_writer *writer;
    struct dk_head head;

    (void)unlink(path);
    if (before != NULL) {
        about.before = before->records[before->count - 1].data;
        about.before_size = before->records[before->count - 1].size;
    }
    history_head(&all, limit, about.log, &head);
    assert_ok(dk_container_create(&writer, path, &about, &ok_err));
    for (size_t i = first; i < limit; i++)
        assert_ok(dk_container_add(writer, &all.items[i], &ok_err));
    assert_false(file_exists(folder, "a.avro")); /* not before it is whole */
    assert_ok(dk_container_finish(writer, &head, &ok_err));
    dk_container_destroy(writer);
    assert_true(file_exists(folder, "a.avro"));
    assert_false(file_exists(folder, "a.avro.partial"));
}

/* Reads it all, as an import does. DK_END: all is well, and what comes is all.items[first ...]. */
static enum dk_status import(size_t first, size_t limit, struct dk_err *err)
{
    struct dk_container_reader *reader;
    struct dk_log_batch batch;
    struct dk_trail trail;
    size_t at = first;
    enum dk_status status = dk_container_open(&reader, path, err);

    if (status != DK_OK)
        return status;
    dk_trail_init(&trail, &dk_heap);
    if (first > 0)
        status = dk_trail_begin(
            &trail, dk_container_about(reader)->seq_first, dk_container_about(reader)->before,
            dk_container_about(reader)->before_size, dk_container_about(reader)->log, err);
    while (status == DK_OK && (status = dk_container_next(reader, &batch, err)) == DK_OK) {
        status = dk_trail_batch(&trail, &batch, err);
        if (status == DK_OK && at < limit && !same_batches(&batch, &all.items[at]))
            status = DK_DIVERGED; /* BatchClosed at the end: dk_container_check finds it */
        at++;
        if (status == DK_DIVERGED && at == limit)
            status = DK_OK;
    }
    if (status == DK_END && dk_container_check(reader, &trail, err) != DK_OK)
        status = DK_CORRUPT;
    if (status == DK_END)
        assert_int_equal(at, limit);
    dk_trail_release(&trail);
    dk_container_close(reader);
    return status;
}

static void test_every_batch_comes_back_byte_for_byte_with_each_codec(void **state)
{
    (void)state;
    for (int codec = 0; codec < 3; codec++) {
        export(0, all.count, (enum dk_container_codec)codec);
        assert_int_equal(import(0, all.count, NULL), DK_END);
    }
}

static void test_the_same_export_is_the_same_file(void **state)
{
    uint8_t *first, *second;
    size_t size, again;

    (void)state;
    export(0, all.count, DK_CONTAINER_ZSTANDARD);
    first = file_read(folder, "a.avro", &size);
    export(0, all.count, DK_CONTAINER_ZSTANDARD);
    second = file_read(folder, "a.avro", &again);
    assert_int_equal(size, again);
    assert_memory_equal(first, second, size);
    free(first);
    free(second);
}

static void test_a_piece_begins_behind_what_was_before_it(void **state)
{
    (void)state;
    for (size_t first = 0; first < all.count; first += 3)
        for (size_t limit = first + 1; limit <= all.count; limit += 4) {
            export(first, limit, DK_CONTAINER_NULL);
            assert_int_equal(import(first, limit, NULL), DK_END);
        }
}

static void test_an_event_of_an_older_schema_keeps_its_bytes(void **state)
{
    static const uint8_t older[] = { 0x1f, 0xae, 0x30, 0x22, 0xd4, 0xdf, 0x16, 0xc8 };
    struct dk_container_reader *reader;
    struct dk_log_batch batch;

    (void)state;
    /* RequestRejected of 0.2, which differs in words for reasons that it does not use. */
    assert_true(dk_entry_branch(UINT64_C(0xc816dfd42230ae1f)) < dk_entry_branches());
    memcpy((uint8_t *)(uintptr_t)all.items[5].records[0].data + 2, older, sizeof(older));
    export(0, 5, DK_CONTAINER_NULL); /* the chain up to there holds */
    {
        struct dk_container_about about = { .seq_first = all.items[5].seq_first,
                                            .before = all.items[4].records[2].data,
                                            .before_size = all.items[4].records[2].size };
        struct dk_container_writer *writer;
        struct dk_head head = { 0 };

        assert_ok(dk_container_create(&writer, path, &about, &ok_err));
        assert_ok(dk_container_add(writer, &all.items[5], &ok_err));
        assert_ok(dk_container_finish(writer, &head, &ok_err));
        dk_container_destroy(writer);
    }
    assert_ok(dk_container_open(&reader, path, &ok_err));
    assert_ok(dk_container_next(reader, &batch, &ok_err));
    assert_true(same_batches(&batch, &all.items[5]));
    assert_int_equal(dk_container_next(reader, &batch, NULL), DK_END);
    dk_container_close(reader);
}

static void test_an_event_that_nobody_knows_is_not_exported(void **state)
{
    struct dk_container_about about = { .seq_first = 1 };
    struct dk_container_writer *writer;
    struct dk_err err;

    (void)state;
    ((uint8_t *)(uintptr_t)all.items[0].records[0].data)[5] ^= 1;
    assert_ok(dk_container_create(&writer, path, &about, &ok_err));
    assert_int_equal(dk_container_add(writer, &all.items[0], &err), DK_UNKNOWN_SCHEMA);
    assert_contains(err.text, "event 1 cannot be exported");
    assert_int_equal(dk_container_add(writer, &all.items[1], &err), DK_INVALID);
    dk_container_destroy(writer);
    assert_false(file_exists(folder, "a.avro"));
    assert_false(file_exists(folder, "a.avro.partial"));
}

/* A new file: one that is written over goes to the disk when it is closed. */
static void put(const uint8_t *bytes, size_t size)
{
    (void)unlink(path);
    file_write(folder, "a.avro", bytes, size);
}

/* Where the first block begins: behind the first sync marker, which is the file's last 16 bytes. */
static size_t find_blocks(const uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at + 16 < size; at++)
        if (memcmp(bytes + at, bytes + size - 16, 16) == 0)
            return at + 16;
    fail_msg("no sync marker");
    return 0;
}

static void test_any_changed_byte_of_a_block_is_found(void **state)
{
    (void)state;
    for (int codec = 0; codec < 3; codec++) {
        uint8_t *bytes;
        struct dk_err err = { 0 };
        size_t size, blocks;

        export(0, all.count, (enum dk_container_codec)codec);
        bytes = file_read(folder, "a.avro", &size);
        blocks = find_blocks(bytes, size);
        for (size_t at = blocks - 16; at < size; at++) {
            enum dk_status status;

            bytes[at] ^= 0x04;
            put(bytes, size);
            status = import(0, all.count, &err);
            /* Codecs have bits that say nothing: DK_END, and every event was the same. */
            if (status == DK_OK || (status == DK_END && codec == 0))
                fail_msg("codec %d: byte %zu of %zu was changed and not found", codec, at, size);
            bytes[at] ^= 0x04;
        }
        free(bytes);
    }
}

static void test_a_file_that_was_cut_says_where(void **state)
{
    uint8_t *bytes;
    struct dk_err err = { 0 };
    size_t size, blocks;

    (void)state;
    export(0, all.count, DK_CONTAINER_DEFLATE);
    bytes = file_read(folder, "a.avro", &size);
    blocks = find_blocks(bytes, size);
    for (size_t at = 0; at < size; at += at < blocks ? 997 : 1) {
        put(bytes, at);
        if (import(0, all.count, &err) == DK_END)
            fail_msg("cut at byte %zu of %zu and not found", at, size);
    }
    file_write(folder, "a.avro", bytes, blocks); /* between blocks: Avro itself would not notice */
    assert_int_equal(import(0, all.count, &err), DK_CORRUPT);
    assert_contains(err.text, "was cut at byte");
    assert_contains(err.text, "ends with seq 0 and says that it goes to");
    file_write(folder, "a.avro", bytes, size - 20);
    assert_int_equal(import(0, all.count, &err), DK_CORRUPT);
    assert_contains(err.text, "block 1 at byte");
    free(bytes);
}

static void test_an_export_that_was_not_finished_is_none(void **state)
{
    struct dk_container_about about = { .seq_first = 1 };
    struct dk_container_writer *writer;
    struct dk_err err;
    uint8_t *bytes;
    size_t size;

    (void)state;
    assert_ok(dk_container_create(&writer, path, &about, &ok_err));
    assert_ok(dk_container_add(writer, &all.items[0], &ok_err));
    bytes = file_read(folder, "a.avro.partial", &size);
    dk_container_destroy(writer);
    file_write(folder, "a.avro", bytes, size);
    free(bytes);
    assert_int_equal(import(0, 1, &err), DK_CORRUPT);
    assert_contains(err.text, "was not finished");
}

static void test_what_is_no_export_is_said(void **state)
{
    static const uint8_t avro[] = "Obj\1\2\x16"
                                  "avro.schema\x0c\"long\"\0"
                                  "0123456789abcdef";
    struct dk_err err;

    (void)state;
    assert_int_equal(import(0, 1, &err), DK_NOT_FOUND);
    file_write(folder, "a.avro", "something else", 14);
    assert_int_equal(import(0, 1, &err), DK_INVALID);
    assert_contains(err.text, "no Avro object container file");
    file_write(folder, "a.avro", avro, sizeof(avro) - 1);
    assert_int_equal(import(0, 1, &err), DK_INVALID);
    assert_contains(err.text, "no export of a docket log");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(test_every_batch_comes_back_byte_for_byte_with_each_codec),
        TEST(test_the_same_export_is_the_same_file),
        TEST(test_a_piece_begins_behind_what_was_before_it),
        TEST(test_an_event_of_an_older_schema_keeps_its_bytes),
        TEST(test_an_event_that_nobody_knows_is_not_exported),
        TEST(test_any_changed_byte_of_a_block_is_found),
        TEST(test_a_file_that_was_cut_says_where),
        TEST(test_an_export_that_was_not_finished_is_none),
        TEST(test_what_is_no_export_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
