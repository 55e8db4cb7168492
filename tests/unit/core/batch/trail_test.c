/* trail_test.c - the chain is followed without a core, from any place in a log */
#include "history.h"

#include "batch/batch.h"

#include <string.h>

static const char uri[] = "memory:trail";
static struct history_batches all;

static int make(void **state)
{
    (void)state;
    history_write(uri, &(struct history){ .batches = 20 });
    history_read(uri, &all);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    history_release(&all);
    dk_log_memory_remove("trail");
    return 0;
}

static void test_a_good_log_goes_by_and_its_head_is_its_last_batch(void **state)
{
    uint8_t log[DK_HASH_SIZE];
    struct dk_head head;
    const struct dk_log_batch *last = &all.items[all.count - 1];

    (void)state;
    assert_int_equal(all.count, 20);
    history_head(&all, all.count, log, &head);
    assert_int_equal(head.seq, last->seq_first + last->count - 1);
    assert_int_equal(head.epoch, 3);
    history_head(&all, 1, log, &head);
    assert_memory_equal(log, head.chain, sizeof(log)); /* that is a log's identity */
}

static void test_any_changed_byte_of_any_event_breaks_it(void **state)
{
    uint8_t log[DK_HASH_SIZE];
    struct dk_head head, other;

    (void)state;
    history_head(&all, all.count, log, &head);
    for (size_t b = 0; b < all.count; b++) {
        for (uint32_t r = 0; r < all.items[b].count; r++) {
            const struct dk_log_record *record = &all.items[b].records[r];

            for (uint32_t i = 0; i < record->size; i += 3) {
                uint8_t *byte = (uint8_t *)(uintptr_t)record->data + i;
                struct dk_trail trail;
                enum dk_status status = DK_OK;

                *byte ^= 0x10;
                dk_trail_init(&trail, &dk_heap);
                for (size_t k = 0; k < all.count && status == DK_OK; k++)
                    status = dk_trail_batch(&trail, &all.items[k], NULL);
                dk_trail_head(&trail, &other);
                /* The last BatchClosed is covered by nothing behind it, but by its own hash. */
                if (status == DK_OK)
                    assert_true(b + 1 == all.count && r + 1 == all.items[b].count &&
                                memcmp(head.closed, other.closed, sizeof(head.closed)) != 0);
                dk_trail_release(&trail);
                *byte ^= 0x10;
            }
        }
    }
}

static void test_a_batch_that_is_missing_doubled_or_of_an_older_epoch_is_refused(void **state)
{
    struct dk_trail trail;
    struct dk_log_batch older = all.items[8];
    struct dk_err err;

    (void)state;
    dk_trail_init(&trail, &dk_heap);
    for (size_t i = 0; i < 8; i++)
        assert_ok(dk_trail_batch(&trail, &all.items[i], &ok_err));
    assert_int_equal(dk_trail_batch(&trail, &all.items[7], &err), DK_CORRUPT);
    assert_int_equal(dk_trail_batch(&trail, &all.items[9], &err), DK_CORRUPT);
    assert_contains(err.text, "not at 25");
    older.epoch = 1;
    assert_int_equal(dk_trail_batch(&trail, &older, &err), DK_CORRUPT);
    assert_contains(err.text, "epoch 1, behind 2");
    assert_ok(dk_trail_batch(&trail, &all.items[8], &ok_err)); /* it has not moved */
    dk_trail_release(&trail);
}

static void test_it_can_begin_at_any_event_and_ends_the_same(void **state)
{
    uint8_t log[DK_HASH_SIZE];
    struct dk_head head, other;
    uint64_t last;

    (void)state;
    history_head(&all, all.count, log, &head);
    last = head.seq;
    for (uint64_t seq = 0; seq <= last; seq++) {
        struct dk_log_reader *reader;
        struct dk_log_batch batch;
        struct dk_trail trail;

        dk_trail_init(&trail, &dk_heap);
        assert_ok(dk_trail_find(&trail, &reader, uri, seq, &ok_err));
        assert_true(trail.seq_next <= (seq > 0 ? seq : 1));
        while (dk_log_reader_next(reader, &batch, NULL) == DK_OK)
            assert_ok(dk_trail_batch(&trail, &batch, &ok_err));
        dk_trail_head(&trail, &other);
        assert_memory_equal(&head, &other, sizeof(head));
        assert_memory_equal(log, trail.log, sizeof(log));
        dk_log_reader_close(reader);
        dk_trail_release(&trail);
    }
}

static void test_a_seq_that_is_not_there_yet_is_not_found(void **state)
{
    struct dk_log_reader *reader;
    struct dk_trail trail;
    struct dk_err err;

    (void)state;
    dk_trail_init(&trail, &dk_heap);
    assert_int_equal(dk_trail_find(&trail, &reader, uri, 100000, &err), DK_NOT_FOUND);
    assert_null(reader);
    dk_trail_release(&trail);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(test_a_good_log_goes_by_and_its_head_is_its_last_batch),
        TEST(test_any_changed_byte_of_any_event_breaks_it),
        TEST(test_a_batch_that_is_missing_doubled_or_of_an_older_epoch_is_refused),
        TEST(test_it_can_begin_at_any_event_and_ends_the_same),
        TEST(test_a_seq_that_is_not_there_yet_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
