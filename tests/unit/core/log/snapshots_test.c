/* snapshots_test.c - snapshots come back whole or not at all; and the two CRC-32C agree */
#include "support.h"

#include "base/crc32c.h"
#include "base/prng.h"
#include "log/snapshots.h"

#include <stdlib.h>
#include <string.h>

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

static void save(uint64_t seq)
{
    char text[64];
    int size = snprintf(text, sizeof(text), "state after %llu", (unsigned long long)seq);

    assert_ok(dk_snapshots_save(folder, seq, text, (size_t)size, 2, &ok_err));
}

static void expect(uint64_t seq_max, uint64_t seq, bool damaged)
{
    char text[64];
    int size = snprintf(text, sizeof(text), "state after %llu", (unsigned long long)seq);
    struct dk_err err = { 0 };
    struct dk_buf buf;
    uint64_t found;

    dk_buf_init(&buf, &dk_heap, 1 << 20);
    assert_int_equal(dk_snapshots_load(folder, seq_max, &found, &buf, &err),
                     seq != 0 ? DK_OK : DK_NOT_FOUND);
    assert_int_equal(found, seq);
    if (seq != 0) {
        assert_int_equal(buf.size, size);
        assert_memory_equal(buf.data, text, buf.size);
        assert_int_equal(err.text[0] != '\0', damaged);
    }
    dk_buf_release(&buf);
}

static void the_newest_that_is_not_too_new_is_loaded_and_old_ones_go(void **state)
{
    (void)state;
    expect(100, 0, false);
    save(10);
    expect(100, 10, false);
    expect(9, 0, false);
    save(20);
    save(30);
    expect(100, 30, false);
    expect(29, 20, false);
    expect(19, 0, false); /* 10 was removed: two are kept */
}

static void a_damaged_one_is_passed_over_and_said_so(void **state)
{
    static const char name[] = "snapshots/00000000000000000020.snap";
    uint8_t *bytes;
    size_t size;

    (void)state;
    save(10);
    save(20);
    bytes = file_read(folder, name, &size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x40;
        file_write(folder, name, bytes, size);
        expect(100, 10, true);
        bytes[i] ^= 0x40;
    }
    for (size_t cut = 0; cut < size; cut++) {
        file_write(folder, name, bytes, cut);
        expect(100, 10, true);
    }
    file_write(folder, name, bytes, size);
    expect(100, 20, false);
    free(bytes);
}

static void one_larger_than_its_buffer_is_not_loaded(void **state)
{
    struct dk_buf buf;
    uint64_t seq;

    (void)state;
    save(10);
    dk_buf_init(&buf, &dk_heap, 3);
    assert_int_equal(dk_snapshots_load(folder, 100, &seq, &buf, NULL), DK_NOT_FOUND);
    dk_buf_release(&buf);
}

static void crc32c_is_that_of_the_standard(void **state)
{
    uint8_t zeros[32] = { 0 };

    (void)state; /* RFC 3720, B.4 */
    assert_int_equal(dk_crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(dk_crc32c(0, zeros, 32), 0x8a9136aau);
    assert_int_equal(dk_crc32c(0, "", 0), 0);
}

static void crc32c_by_instruction_table_and_in_parts_is_the_same(void **state)
{
    struct dk_prng prng;
    uint8_t *bytes = malloc(20000);

    (void)state;
    dk_prng_init(&prng, 7);
    for (int i = 0; i < 20000; i++)
        bytes[i] = (uint8_t)dk_prng_next(&prng);
    for (size_t size = 0; size < 10000; size += size < 300 ? 1 : 97) {
        size_t from = size % 9, part = size > 0 ? (size_t)dk_prng_below(&prng, size) : 0;
        uint32_t all = dk_crc32c(0, bytes + from, size);

        assert_int_equal(all, dk_crc32c_portable(0, bytes + from, size));
        assert_int_equal(
            all, dk_crc32c(dk_crc32c(0, bytes + from, part), bytes + from + part, size - part));
    }
    free(bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(the_newest_that_is_not_too_new_is_loaded_and_old_ones_go),
        TEST(a_damaged_one_is_passed_over_and_said_so),
        TEST(one_larger_than_its_buffer_is_not_loaded),
        TEST(crc32c_is_that_of_the_standard),
        TEST(crc32c_by_instruction_table_and_in_parts_is_the_same),
    };

    return cmocka_run_group_tests_name("snapshots", tests, NULL, NULL);
}
