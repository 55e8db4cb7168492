/* posting_test.c - lists of ids in a bucket: what is written is read, joining is the union */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/prng.h"
#include "projections/posting.h"

#include <string.h>

static struct dk_bucket random_bucket(struct dk_prng *prng)
{
    struct dk_bucket bucket = { { 0 } };
    uint64_t count = dk_prng_below(prng, dk_prng_below(prng, 2) == 0 ? 20 : 2 * DK_BUCKET_IDS);

    for (uint64_t i = 0; i < count; i++)
        dk_bucket_set(&bucket, (uint32_t)dk_prng_below(prng, DK_BUCKET_IDS));
    return bucket;
}

static void test_what_is_written_is_read(void **state)
{
    struct dk_prng prng;
    uint8_t bytes[DK_POSTING_SIZE_MAX];

    (void)state;
    dk_prng_init(&prng, 1);
    for (int i = 0; i < 2000; i++) {
        struct dk_bucket bucket = random_bucket(&prng), read = { { 0 } };
        size_t size = dk_posting_write(&bucket, bytes);

        assert_true(dk_posting_read(&read, bytes, size));
        assert_memory_equal(&bucket, &read, sizeof(bucket));
    }
}

static void test_reading_two_gives_their_union(void **state)
{
    struct dk_prng prng;
    uint8_t bytes[DK_POSTING_SIZE_MAX];

    (void)state;
    dk_prng_init(&prng, 2);
    for (int i = 0; i < 500; i++) {
        struct dk_bucket a = random_bucket(&prng), b = random_bucket(&prng), read = { { 0 } };

        assert_true(dk_posting_read(&read, bytes, dk_posting_write(&a, bytes)));
        assert_true(dk_posting_read(&read, bytes, dk_posting_write(&b, bytes)));
        for (int word = 0; word < DK_BUCKET_WORDS; word++)
            assert_int_equal(read.words[word], a.words[word] | b.words[word]);
    }
}

static void test_a_full_bucket_is_a_byte_an_id_and_the_last_id_fits(void **state)
{
    struct dk_bucket full, last = { { 0 } }, read = { { 0 } };
    uint8_t bytes[DK_POSTING_SIZE_MAX];

    (void)state;
    memset(&full, 0xff, sizeof(full));
    assert_int_equal(dk_posting_write(&full, bytes), DK_BUCKET_IDS);
    dk_bucket_set(&last, DK_BUCKET_IDS - 1);
    assert_int_equal(dk_posting_write(&last, bytes), 2);
    assert_true(dk_posting_read(&read, bytes, 2));
    assert_memory_equal(&last, &read, sizeof(last));
}

static void test_bytes_beyond_the_bucket_are_refused(void **state)
{
    static const uint8_t beyond[] = { 0x80, 0x20 };      /* 4,096 */
    static const uint8_t later[] = { 0xff, 0x1f, 0x00 }; /* 4,095 and the next */
    static const uint8_t cut[] = { 0x01, 0x80 };         /* ends inside a number */
    static const uint8_t huge[] = {
        0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01
    };
    struct dk_bucket read = { { 0 } };

    (void)state;
    assert_false(dk_posting_read(&read, beyond, sizeof(beyond)));
    assert_false(dk_posting_read(&read, later, sizeof(later)));
    assert_false(dk_posting_read(&read, cut, sizeof(cut)));
    assert_false(dk_posting_read(&read, huge, sizeof(huge)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_reading_two_gives_their_union),
        cmocka_unit_test(test_a_full_bucket_is_a_byte_an_id_and_the_last_id_fits),
        cmocka_unit_test(test_bytes_beyond_the_bucket_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
