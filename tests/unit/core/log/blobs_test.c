/* blobs_test.c - blobs come back whole, once kept, and are gone once erased */
#define _GNU_SOURCE /* memmem */
#include "support.h"

#include "base/crc32c.h"
#include "base/sha256.h"
#include "log/blobs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_MAX];

static int make(void **state)
{
    (void)state;
    folder_make(folder);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct dk_blobs *open_store(bool is_writer)
{
    struct dk_blobs *blobs;

    assert_ok(dk_blobs_open(&blobs, folder, is_writer, &ok_err));
    return blobs;
}

static void digest_of(const void *bytes, size_t size, uint8_t digest[32])
{
    struct dk_sha256 hash;

    dk_sha256_init(&hash);
    dk_sha256_add(&hash, bytes, size);
    dk_sha256_done(&hash, digest);
}

static void put(struct dk_blobs *blobs, unsigned number, size_t size, uint8_t digest[32])
{
    uint8_t *bytes = malloc(size + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(number * 31 + i * 7 + i / 251);
    digest_of(bytes, size, digest);
    assert_ok(dk_blobs_put(blobs, digest, bytes, size, NULL, &ok_err));
    free(bytes);
}

static void expect(struct dk_blobs *blobs, unsigned number, size_t size, const uint8_t digest[32])
{
    struct dk_buf out;

    dk_buf_init(&out, &dk_heap, DK_BLOB_SIZE_MAX);
    assert_ok(dk_blobs_get(blobs, digest, &out, &ok_err));
    assert_int_equal(out.size, size);
    for (size_t i = 0; i < size; i++)
        assert_int_equal(out.data[i], (uint8_t)(number * 31 + i * 7 + i / 251));
    dk_buf_release(&out);
}

static enum dk_status get_status(struct dk_blobs *blobs, const uint8_t digest[32])
{
    struct dk_buf out;
    struct dk_err err;
    enum dk_status status;

    dk_buf_init(&out, &dk_heap, DK_BLOB_SIZE_MAX);
    status = dk_blobs_get(blobs, digest, &out, &err);
    dk_buf_release(&out);
    return status;
}

static void what_was_put_is_found_by_its_id_also_by_the_next_process(void **state)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 9, 4096, 100000, 3000000 };
    struct dk_blobs *blobs = open_store(true);
    uint8_t digests[8][32];

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        put(blobs, i, sizes[i], digests[i]);
    assert_ok(dk_blobs_sync(blobs, &ok_err));
    for (unsigned i = 0; i < 8; i++)
        expect(blobs, i, sizes[i], digests[i]);
    dk_blobs_close(blobs);
    blobs = open_store(false);
    assert_int_equal(dk_blobs_count(blobs), 8);
    for (unsigned i = 0; i < 8; i++)
        expect(blobs, i, sizes[i], digests[i]);
    digests[3][0] ^= 1;
    assert_int_equal(get_status(blobs, digests[3]), DK_NOT_FOUND);
    dk_blobs_close(blobs);
}

static void the_same_bytes_are_kept_once(void **state)
{
    struct dk_blobs *blobs = open_store(true);
    uint8_t id[32];
    bool added;

    (void)state;
    put(blobs, 1, 1000, id);
    assert_true(dk_blobs_has(blobs, id));
    assert_ok(dk_blobs_put(blobs, id, "others", 6, &added, &ok_err));
    assert_false(added);
    expect(blobs, 1, 1000, id);
    assert_int_equal(dk_blobs_count(blobs), 1);
    dk_blobs_close(blobs);
}

static void a_reader_finds_what_a_writer_adds_later(void **state)
{
    struct dk_blobs *writer = open_store(true), *reader = open_store(false);
    uint8_t digest[32];

    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        put(writer, i, 10000 + i, digest);
        assert_ok(dk_blobs_sync(writer, &ok_err));
        expect(reader, i, 10000 + i, digest);
    }
    dk_blobs_close(reader);
    dk_blobs_close(writer);
}

static void a_torn_end_is_written_over_and_nothing_before_it_is_lost(void **state)
{
    struct dk_blobs *blobs = open_store(true);
    uint8_t kept[32], torn[32], again[32];
    size_t size;
    uint8_t *bytes;

    (void)state;
    put(blobs, 1, 5000, kept);
    put(blobs, 2, 5000, torn);
    dk_blobs_close(blobs);
    bytes = file_read(folder, "000001.pack", &size);
    memset(bytes + 48 + 5000 + 48 + 2000, 0, 3000); /* the second one's bytes never arrived */
    file_write(folder, "000001.pack", bytes, size);
    free(bytes);
    blobs = open_store(true);
    assert_int_equal(dk_blobs_count(blobs), 1);
    expect(blobs, 1, 5000, kept);
    assert_int_equal(get_status(blobs, torn), DK_NOT_FOUND);
    put(blobs, 3, 4000, again);
    put(blobs, 2, 5000, torn);
    dk_blobs_close(blobs);
    blobs = open_store(false);
    expect(blobs, 1, 5000, kept);
    expect(blobs, 3, 4000, again);
    expect(blobs, 2, 5000, torn);
    dk_blobs_close(blobs);
}

static void damage_to_one_blob_is_damage_to_that_blob(void **state)
{
    struct dk_blobs *blobs = open_store(true);
    uint8_t first[32], second[32];
    size_t size;
    uint8_t *bytes;

    (void)state;
    put(blobs, 1, 5000, first);
    put(blobs, 2, 5000, second);
    dk_blobs_close(blobs);
    bytes = file_read(folder, "000001.pack", &size);
    bytes[48 + 100] ^= 0x10;
    file_write(folder, "000001.pack", bytes, size);
    free(bytes);
    blobs = open_store(false);
    assert_int_equal(get_status(blobs, first), DK_CORRUPT);
    expect(blobs, 2, 5000, second);
    dk_blobs_close(blobs);
}

/* A pack of docket 0.2: one blob, as it came. */
static void write_plain(const char *text, uint8_t digest[32])
{
    uint32_t head[4] = { 0x31424B44, 0, (uint32_t)strlen(text), 0 };
    uint8_t pack[256] = { 0 };

    digest_of(text, head[2], digest);
    memcpy(pack, head, sizeof(head));
    memcpy(pack + 16, digest, 32);
    memcpy(pack + 48, text, head[2]);
    head[1] = dk_crc32c(0, pack + 8, 40);
    head[1] = dk_crc32c(head[1], text, head[2]);
    memcpy(pack + 4, &head[1], 4);
    file_write(folder, "000001.pack", pack, sizeof(pack));
}

static void assert_not_on_disk(const char *word)
{
    size_t size;
    uint8_t *bytes = file_read(folder, "000001.pack", &size);

    assert_null(memmem(bytes, size, word, strlen(word)));
    free(bytes);
}

static void what_is_erased_is_gone_from_the_disk_and_known_to_have_been(void **state)
{
    uint8_t ids[3][32] = { { 0 } }, other[32];
    struct dk_blobs *blobs;

    (void)state;
    write_plain("the plain word", ids[0]);
    blobs = open_store(true);
    assert_int_equal(dk_blobs_count_plain(blobs), 1);
    ids[1][0] = 7;
    assert_ok(dk_blobs_put(blobs, ids[1], "the secret word", 15, NULL, &ok_err));
    put(blobs, 2, 5000, other);
    assert_ok(dk_blobs_erase(blobs, ids, 3, &ok_err)); /* the third was never there */
    assert_int_equal(get_status(blobs, ids[0]), DK_END);
    assert_int_equal(get_status(blobs, ids[1]), DK_END);
    assert_false(dk_blobs_has(blobs, ids[1]));
    assert_int_equal(dk_blobs_count_plain(blobs), 0);
    dk_blobs_close(blobs);
    assert_not_on_disk("plain word");
    assert_not_on_disk("secret word");
    blobs = open_store(false);
    assert_int_equal(get_status(blobs, ids[0]), DK_END);
    assert_int_equal(get_status(blobs, ids[1]), DK_END);
    expect(blobs, 2, 5000, other);
    dk_blobs_close(blobs);
}

static void the_space_of_what_is_erased_is_given_back(void **state)
{
    struct dk_blobs *blobs = open_store(true);
    char path[FOLDER_MAX + 32];
    struct stat before, after;
    uint8_t id[1][32];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/000001.pack", folder);
    put(blobs, 1, 3000000, id[0]);
    assert_ok(dk_blobs_sync(blobs, &ok_err));
    assert_int_equal(stat(path, &before), 0);
    assert_ok(dk_blobs_erase(blobs, id, 1, &ok_err));
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    assert_true(after.st_blocks + 5000 < before.st_blocks);
    dk_blobs_close(blobs);
}

static void what_was_dropped_can_be_put_again_and_is_found_by_an_open_reader(void **state)
{
    struct dk_blobs *writer = open_store(true), *reader = open_store(false);
    uint8_t id[32];
    bool added;

    (void)state;
    put(writer, 1, 5000, id);
    expect(reader, 1, 5000, id);
    assert_ok(dk_blobs_drop(writer, id, &ok_err));
    assert_int_equal(get_status(writer, id), DK_END);
    assert_int_equal(get_status(reader, id), DK_END);
    assert_int_equal(dk_blobs_drop(writer, id, NULL), DK_END);
    put(writer, 1, 5000, id);
    expect(writer, 1, 5000, id);
    expect(reader, 1, 5000, id);
    assert_ok(dk_blobs_put(writer, id, "x", 1, &added, &ok_err));
    assert_false(added);
    dk_blobs_close(reader);
    dk_blobs_close(writer);
    reader = open_store(false);
    expect(reader, 1, 5000, id);
    dk_blobs_close(reader);
}

static bool note_visit(void *ctx, const struct dk_blob_about *about)
{
    uint32_t *sum = ctx;

    *sum = *sum * 10 + about->size;
    assert_int_equal(about->bytes[0], about->size == 2 ? 'b' : 'a');
    assert_int_equal(about->bytes[about->size], 0);
    return true;
}

static void all_that_is_there_is_gone_through_in_order(void **state)
{
    struct dk_blobs *blobs = open_store(true);
    uint8_t ids[3][32] = { { 1 }, { 2 }, { 3 } };
    uint32_t sum = 0;

    (void)state;
    assert_ok(dk_blobs_put(blobs, ids[0], "aaa", 3, NULL, &ok_err));
    assert_ok(dk_blobs_put(blobs, ids[1], "a", 1, NULL, &ok_err));
    assert_ok(dk_blobs_put(blobs, ids[2], "bb", 2, NULL, &ok_err));
    assert_ok(dk_blobs_drop(blobs, ids[1], &ok_err));
    assert_ok(dk_blobs_each(blobs, note_visit, &sum, &ok_err));
    assert_int_equal(sum, 32);
    dk_blobs_close(blobs);
}

static void an_erased_last_blob_does_not_hide_the_next(void **state)
{
    struct dk_blobs *blobs = open_store(true);
    uint8_t first[1][32], second[32];

    (void)state;
    put(blobs, 1, 5000, first[0]);
    assert_ok(dk_blobs_erase(blobs, first, 1, &ok_err));
    dk_blobs_close(blobs);
    blobs = open_store(true);
    assert_int_equal(dk_blobs_count(blobs), 1);
    put(blobs, 2, 5000, second);
    dk_blobs_close(blobs);
    blobs = open_store(false);
    expect(blobs, 2, 5000, second);
    dk_blobs_close(blobs);
}

static void an_empty_blob_comes_back_empty(void **state)
{
    struct dk_blobs *blobs = open_store(true);
    uint8_t digest[32];

    (void)state;
    put(blobs, 1, 0, digest);
    expect(blobs, 1, 0, digest);
    dk_blobs_close(blobs);
}

static void a_blob_that_is_too_large_is_refused(void **state)
{
    struct dk_blobs *blobs = open_store(true);
    uint8_t id[32] = { 1 }, *bytes = calloc(1, DK_BLOB_SIZE_MAX + 1);
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_blobs_put(blobs, id, bytes, DK_BLOB_SIZE_MAX + 1, NULL, &err),
                     DK_TOO_LARGE);
    assert_int_equal(dk_blobs_count(blobs), 0);
    free(bytes);
    dk_blobs_close(blobs);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_is_found_by_its_id_also_by_the_next_process,
                                        make, take_away),
        cmocka_unit_test_setup_teardown(the_same_bytes_are_kept_once, make, take_away),
        cmocka_unit_test_setup_teardown(a_reader_finds_what_a_writer_adds_later, make, take_away),
        cmocka_unit_test_setup_teardown(a_torn_end_is_written_over_and_nothing_before_it_is_lost,
                                        make, take_away),
        cmocka_unit_test_setup_teardown(damage_to_one_blob_is_damage_to_that_blob, make, take_away),
        cmocka_unit_test_setup_teardown(what_is_erased_is_gone_from_the_disk_and_known_to_have_been,
                                        make, take_away),
        cmocka_unit_test_setup_teardown(the_space_of_what_is_erased_is_given_back, make, take_away),
        cmocka_unit_test_setup_teardown(
            what_was_dropped_can_be_put_again_and_is_found_by_an_open_reader, make, take_away),
        cmocka_unit_test_setup_teardown(all_that_is_there_is_gone_through_in_order, make,
                                        take_away),
        cmocka_unit_test_setup_teardown(an_erased_last_blob_does_not_hide_the_next, make,
                                        take_away),
        cmocka_unit_test_setup_teardown(an_empty_blob_comes_back_empty, make, take_away),
        cmocka_unit_test_setup_teardown(a_blob_that_is_too_large_is_refused, make, take_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
