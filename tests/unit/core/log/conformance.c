/* conformance.c - see conformance.h */
#include "support.h"

#include "conformance.h"

#include "base/prng.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const struct conformance_backend *backend;
static char uri[512];

static int make(void **state)
{
    (void)state;
    backend->make(uri, sizeof(uri));
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    backend->remove(uri);
    return 0;
}

static struct dk_log *start(void)
{
    return must_open(uri, &backend->options);
}

static void an_empty_log_has_nothing_and_begins_at_seq_1(void **state)
{
    struct dk_log *log = start();
    struct dk_log_stat stat;

    (void)state;
    assert_int_equal(dk_log_seq_next(log), 1);
    assert_int_equal(dk_log_epoch(log), 1);
    assert_int_equal(read_all(uri, 1, NULL), 1);
    assert_ok(dk_log_stat(uri, &stat, NULL));
    assert_int_equal(stat.records, 0);
    must_close(log);
}

static void reading_where_no_log_is_says_not_found(void **state)
{
    struct dk_log_reader *reader;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_log_reader_open(&reader, uri, 1, &err), DK_NOT_FOUND);
    assert_null(reader);
}

static void a_batch_cannot_be_read_before_sync_and_can_be_after(void **state)
{
    struct dk_log *log = start();

    (void)state;
    must_append(log, 3);
    assert_int_equal(dk_log_seq_next(log), 4);
    assert_int_equal(read_all(uri, 1, NULL), 1);
    must_sync(log);
    assert_int_equal(read_all(uri, 1, NULL), 4);
    must_close(log);
}

static void many_batches_come_back_in_order_and_whole(void **state)
{
    struct dk_log *log = start();
    uint64_t batches;

    (void)state;
    for (uint32_t i = 1; i <= 200; i++) {
        must_append(log, 1 + i % 17);
        if (i % 3 == 0)
            must_sync(log);
    }
    must_sync(log);
    assert_int_equal(read_all(uri, 1, &batches), dk_log_seq_next(log));
    assert_int_equal(batches, 200);
    must_close(log);
    assert_int_equal(read_all(uri, 1, &batches), read_all(uri, 2, NULL));
}

static void a_wrong_seq_or_epoch_or_empty_batch_is_refused_and_changes_nothing(void **state)
{
    struct dk_log *log = start();
    uint8_t byte = 7;
    struct dk_log_record record = { &byte, 1 };
    struct dk_log_batch good = { 1, 1, 1, &record }, bad;
    struct dk_err err;

    (void)state;
    bad = good;
    bad.seq_first = 2;
    assert_int_equal(dk_log_append(log, &bad, &err), DK_INVALID);
    bad.seq_first = 0;
    assert_int_equal(dk_log_append(log, &bad, &err), DK_INVALID);
    bad = good;
    bad.epoch = 2;
    assert_int_equal(dk_log_append(log, &bad, &err), DK_INVALID);
    bad = good;
    bad.count = 0;
    assert_int_equal(dk_log_append(log, &bad, &err), DK_INVALID);
    assert_int_equal(dk_log_seq_next(log), 1);
    assert_ok(dk_log_append(log, &good, &err));
    assert_int_equal(dk_log_append(log, &good, &err), DK_INVALID);
    must_close(log);
}

static void a_record_or_batch_above_its_limit_is_refused(void **state)
{
    struct dk_log *log = start();
    struct dk_log_record records[5];
    struct dk_log_batch batch = { 1, 1, 1, records };
    struct dk_err err;

    (void)state;
    for (int i = 0; i < 5; i++) { /* never looked into: the sizes alone refuse it */
        records[i].data = NULL;
        records[i].size = DK_LOG_RECORD_SIZE_MAX;
    }
    records[0].size++;
    assert_int_equal(dk_log_append(log, &batch, &err), DK_TOO_LARGE);
    records[0].size--;
    batch.count = 5;
    assert_int_equal(dk_log_append(log, &batch, &err), DK_TOO_LARGE);
    assert_int_equal(dk_log_seq_next(log), 1);
    must_close(log);
}

static void discard_forgets_what_is_staged_only(void **state)
{
    struct dk_log *log = start();

    (void)state;
    must_append(log, 2);
    must_sync(log);
    must_append(log, 5);
    dk_log_discard(log);
    assert_int_equal(dk_log_seq_next(log), 3);
    must_append(log, 1);
    must_sync(log);
    assert_int_equal(read_all(uri, 1, NULL), 4);
    must_close(log);
}

static void closing_without_sync_drops_what_is_staged(void **state)
{
    struct dk_log *log = start();

    (void)state;
    must_append(log, 2);
    must_sync(log);
    must_append(log, 5);
    must_close(log);
    assert_int_equal(read_all(uri, 1, NULL), 3);
    log = start();
    assert_int_equal(dk_log_seq_next(log), 3);
    must_close(log);
}

static void there_is_one_writer_and_the_next_has_a_higher_epoch(void **state)
{
    struct dk_log *log = start(), *second;
    struct dk_err err;

    (void)state;
    if (backend->fences) {
        assert_ok(dk_log_open(&second, uri, &backend->options, &err));
        assert_int_equal(dk_log_epoch(second), 2);
        must_append(log, 1);
        assert_int_equal(dk_log_sync(log, &err), DK_FENCED);
        must_close(log);
        must_close(second);
        assert_int_equal(read_all(uri, 1, NULL), 1);
        backend->make(uri, sizeof(uri));
        log = start();
    } else {
        assert_int_equal(dk_log_open(&second, uri, &backend->options, &err), DK_BUSY);
        assert_null(second);
    }
    for (uint32_t epoch = 1; epoch < 6; epoch++) {
        assert_int_equal(dk_log_epoch(log), epoch);
        must_append(log, epoch);
        must_sync(log);
        must_close(log);
        log = start();
    }
    assert_int_equal(dk_log_epoch(log), 6);
    assert_int_equal(dk_log_seq_next(log), 1 + 1 + 2 + 3 + 4 + 5);
    must_close(log);
}

static void a_reader_starts_with_the_batch_that_has_its_seq(void **state)
{
    struct dk_log *log = start();

    (void)state;
    for (int i = 0; i < 40; i++) {
        must_append(log, 10);
        must_sync(log);
    }
    for (uint64_t seq = 1; seq <= 400; seq += 7)
        assert_int_equal(read_all(uri, seq, NULL), 401);
    assert_int_equal(read_all(uri, 401, NULL), 401);
    must_close(log);
}

static void what_is_written_after_now_is_not_for_who_reads_until_now(void **state)
{
    struct dk_log *log = start();
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;

    (void)state;
    for (int i = 0; i < 3; i++) {
        must_append(log, 10);
        must_sync(log);
    }
    assert_int_equal(dk_log_reader_open(&reader, uri, 1, &err), DK_OK);
    assert_int_equal(dk_log_reader_until_now(reader, &err), DK_OK);
    for (int i = 0; i < 3; i++) { /* there is always something more to read */
        must_append(log, 10);
        must_sync(log);
        assert_int_equal(dk_log_reader_next(reader, &batch, &err), DK_OK);
        assert_int_equal(batch.seq_first, i * 10 + 1);
    }
    assert_int_equal(dk_log_reader_next(reader, &batch, &err), DK_AGAIN);
    must_append(log, 10);
    must_sync(log);
    assert_int_equal(dk_log_reader_next(reader, &batch, &err), DK_AGAIN);
    dk_log_reader_close(reader);
    must_close(log);
}

static void a_reader_goes_to_another_place_as_if_opened_there(void **state)
{
    struct dk_log *log = start();
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;

    (void)state;
    for (int i = 0; i < 20; i++) {
        must_append(log, 10);
        must_sync(log);
    }
    assert_int_equal(dk_log_reader_open(&reader, uri, 1, &err), DK_OK);
    for (uint64_t seq = 195; seq > 0; seq -= 13) {
        assert_int_equal(dk_log_reader_seek(reader, seq, &err), DK_OK);
        assert_int_equal(dk_log_reader_next(reader, &batch, &err), DK_OK);
        assert_int_equal(batch.seq_first, (seq - 1) / 10 * 10 + 1);
    }
    while (dk_log_reader_next(reader, &batch, &err) == DK_OK)
        continue;
    assert_int_equal(dk_log_reader_seq_next(reader), 201);
    dk_log_reader_close(reader);
    must_close(log);
}

static void a_reader_ahead_of_the_log_waits_for_its_seq(void **state)
{
    struct dk_log *log = start();
    struct dk_log_reader *reader;
    struct dk_log_batch batch;

    (void)state;
    must_append(log, 3);
    must_sync(log);
    assert_ok(dk_log_reader_open(&reader, uri, 10, NULL));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(dk_log_reader_next(reader, &batch, NULL), DK_AGAIN);
        assert_int_equal(dk_log_reader_wait(reader, 0, NULL), DK_AGAIN);
        must_append(log, 3);
        must_sync(log);
    }
    assert_int_equal(dk_log_reader_wait(reader, 10000, NULL), DK_OK);
    assert_ok(dk_log_reader_next(reader, &batch, NULL));
    assert_int_equal(batch.seq_first, 10);
    assert_int_equal(dk_log_reader_next(reader, &batch, NULL), DK_AGAIN);
    dk_log_reader_close(reader);
    must_close(log);
}

static void a_reader_follows_the_log_over_a_takeover(void **state)
{
    struct dk_log *log = start();
    struct dk_log_reader *reader;
    struct dk_log_batch batch;

    (void)state;
    must_append(log, 3);
    must_sync(log);
    assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
    for (uint32_t epoch = 1; epoch <= 4; epoch++) {
        assert_ok(dk_log_reader_next(reader, &batch, NULL));
        assert_int_equal(batch.epoch, epoch);
        check_batch(&batch);
        assert_int_equal(dk_log_reader_next(reader, &batch, NULL), DK_AGAIN);
        must_close(log);
        log = start();
        assert_int_equal(dk_log_reader_next(reader, &batch, NULL), DK_AGAIN);
        must_append(log, 2);
        must_sync(log);
    }
    assert_int_equal(dk_log_reader_seq_next(reader), 10);
    dk_log_reader_close(reader);
    must_close(log);
}

static void what_a_sync_has_published_is_returned_by_the_next_call(void **state)
{
    struct dk_log *log = start();
    struct dk_log_reader *reader;
    struct dk_log_batch batch;

    (void)state;
    assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
    for (int i = 0; i < 60; i++) {
        assert_int_equal(dk_log_reader_next(reader, &batch, NULL), DK_AGAIN);
        must_append(log, 1);
        must_sync(log);
        assert_ok(dk_log_reader_next(reader, &batch, NULL)); /* without a wait */
        assert_int_equal(batch.seq_first, i + 1);
    }
    dk_log_reader_close(reader);
    must_close(log);
}

static void *follow(void *argument)
{
    uint64_t limit = *(uint64_t *)argument, seq = 1;
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;

    if (dk_log_reader_open(&reader, uri, 1, NULL) != DK_OK)
        return NULL;
    while (seq < limit) {
        enum dk_status status = dk_log_reader_next(reader, &batch, NULL);

        if (status == DK_AGAIN)
            (void)dk_log_reader_wait(reader, -1, NULL);
        else if (status != DK_OK || batch.seq_first != seq)
            break;
        else
            seq += batch.count;
    }
    dk_log_reader_close(reader);
    *(uint64_t *)argument = seq;
    return NULL;
}

static void readers_that_sleep_are_woken_by_every_sync(void **state)
{
    struct dk_log *log = start();
    uint64_t seen[3] = { 501, 501, 501 };
    pthread_t threads[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, follow, &seen[i]), 0);
    for (int i = 0; i < 100; i++) {
        must_append(log, 5);
        must_sync(log);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(seen[i], 501);
    }
    must_close(log);
}

static void stat_counts_what_was_appended(void **state)
{
    struct dk_log *log = start();
    struct dk_log_stat stat;

    (void)state;
    for (int i = 0; i < 10; i++)
        must_append(log, 4);
    must_sync(log);
    must_close(log);
    log = start();
    must_append(log, 1);
    must_sync(log);
    assert_ok(dk_log_stat(uri, &stat, NULL));
    assert_int_equal(stat.batches, 11);
    assert_int_equal(stat.records, 41);
    assert_int_equal(stat.seq_first, 1);
    assert_int_equal(stat.seq_last, 41);
    assert_int_equal(stat.epoch_first, 1);
    assert_int_equal(stat.epoch_last, 2);
    assert_int_equal(stat.torn_bytes, 0);
    assert_int_equal(stat.gaps, 0);
    must_close(log);
}

static void a_sound_log_is_not_repaired(void **state)
{
    struct dk_log *log = start();
    struct dk_log_repair repair;
    struct dk_err err;

    (void)state;
    must_append(log, 4);
    must_sync(log);
    must_close(log);
    for (uint64_t seq = 1; seq <= 3; seq += 2)
        assert_int_equal(dk_log_repair(uri, seq, "no reason", &repair, &err),
                         backend->repairs_never ? DK_UNSUPPORTED : DK_INVALID);
    assert_int_equal(read_all(uri, 1, NULL), 5);
}

/* A model of two numbers: what is synced, what is staged. */
static struct dk_log *restore(void)
{
    struct dk_log_options options = backend->options;

    options.restore = true;
    return must_open(uri, &options);
}

static void check_epochs(const uint32_t *epochs, size_t count)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err;

    assert_ok(dk_log_reader_open(&reader, uri, 1, &err));
    for (size_t i = 0; i < count; i++) {
        assert_ok(dk_log_reader_next(reader, &batch, &err));
        check_batch(&batch);
        assert_int_equal(batch.epoch, epochs[i]);
    }
    assert_int_equal(dk_log_reader_next(reader, &batch, &err), DK_AGAIN);
    dk_log_reader_close(reader);
}

static void a_restored_history_has_its_epochs_and_the_next_writer_a_higher_one(void **state)
{
    static const uint32_t epochs[] = { 3, 3, 5, 9, 9, 9, 12, 13 };
    struct dk_log *log = restore(), *other;
    struct dk_log_stat stat;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_log_seq_next(log), 1);
    for (size_t i = 0; i < 4; i++) /* of several epochs at once, over several segments */
        assert_ok(append_records_of(log, epochs[i], 30, &err));
    must_sync(log);
    assert_int_equal(dk_log_epoch(log), 9);
    assert_int_equal(append_records_of(log, 8, 1, &err), DK_INVALID);
    assert_int_equal(dk_log_open(&other, uri, &backend->options, &err),
                     backend->fences ? DK_INVALID : DK_BUSY);
    must_close(log);
    assert_ok(dk_log_stat(uri, &stat, &err));
    assert_true(stat.restoring);
    assert_int_equal(dk_log_open(&log, uri, &backend->options, &err), DK_INVALID); /* half done */
    log = restore();
    assert_int_equal(dk_log_seq_next(log), 121);
    assert_int_equal(dk_log_epoch(log), 9);
    assert_int_equal(append_records_of(log, 8, 1, &err), DK_INVALID);
    for (size_t i = 4; i < 7; i++)
        assert_ok(append_records_of(log, epochs[i], 30, &err));
    assert_ok(dk_log_restore_finish(log, &err)); /* syncs what is staged */
    assert_int_equal(append_records_of(log, 12, 1, &err), DK_INVALID);
    must_close(log);
    check_epochs(epochs, 7);
    log = start();
    assert_int_equal(dk_log_seq_next(log), 211);
    assert_int_equal(dk_log_epoch(log), 13);
    must_append(log, 5);
    must_sync(log);
    must_close(log);
    check_epochs(epochs, 8);
    assert_ok(dk_log_stat(uri, &stat, &err));
    assert_false(stat.restoring);
    assert_int_equal(stat.records, 215);
}

static void a_history_is_restored_into_a_new_log_only(void **state)
{
    struct dk_log_options options = backend->options;
    struct dk_log *log = restore();
    struct dk_err err;

    (void)state;
    options.restore = true;
    assert_ok(dk_log_restore_finish(log, &err)); /* of nothing */
    must_close(log);
    assert_int_equal(dk_log_open(&log, uri, &options, &err), DK_INVALID);
    assert_contains(err.text, "not new");
    assert_null(log);
    log = start();
    assert_true(dk_log_epoch(log) > 1);
    assert_int_equal(dk_log_restore_finish(log, &err), DK_INVALID);
    must_append(log, 3);
    must_sync(log);
    must_close(log);
    assert_int_equal(dk_log_open(&log, uri, &options, &err), DK_INVALID);
    assert_int_equal(read_all(uri, 1, NULL), 4);
}

static void random_use_agrees_with_a_simple_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= (backend->rounds > 0 ? backend->rounds : 12); seed++) {
        struct dk_log *log = start();
        uint64_t synced = dk_log_seq_next(log), staged = synced;
        struct dk_prng prng;

        dk_prng_init(&prng, seed);
        for (int i = 0; i < 150; i++) {
            switch (dk_prng_below(&prng, 8)) {
            case 0:
            case 1:
            case 2: {
                uint32_t count = 1 + (uint32_t)dk_prng_below(&prng, 30);

                must_append(log, count);
                staged += count;
                break;
            }
            case 3:
            case 4:
                must_sync(log);
                synced = staged;
                break;
            case 5:
                dk_log_discard(log);
                staged = synced;
                break;
            case 6:
                if (synced > 1)
                    assert_int_equal(read_all(uri, 1 + dk_prng_below(&prng, synced - 1), NULL),
                                     synced);
                break;
            default:
                must_close(log);
                log = start();
                staged = synced;
                break;
            }
            assert_int_equal(dk_log_seq_next(log), staged);
        }
        must_close(log);
        if (synced > 1)
            assert_int_equal(read_all(uri, 1, NULL), synced);
    }
}

int conformance_run(const struct conformance_backend *which)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_log_has_nothing_and_begins_at_seq_1),
        TEST(reading_where_no_log_is_says_not_found),
        TEST(a_batch_cannot_be_read_before_sync_and_can_be_after),
        TEST(many_batches_come_back_in_order_and_whole),
        TEST(a_wrong_seq_or_epoch_or_empty_batch_is_refused_and_changes_nothing),
        TEST(a_record_or_batch_above_its_limit_is_refused),
        TEST(discard_forgets_what_is_staged_only),
        TEST(closing_without_sync_drops_what_is_staged),
        TEST(there_is_one_writer_and_the_next_has_a_higher_epoch),
        TEST(a_reader_starts_with_the_batch_that_has_its_seq),
        TEST(a_reader_goes_to_another_place_as_if_opened_there),
        TEST(what_is_written_after_now_is_not_for_who_reads_until_now),
        TEST(a_reader_ahead_of_the_log_waits_for_its_seq),
        TEST(a_reader_follows_the_log_over_a_takeover),
        TEST(what_a_sync_has_published_is_returned_by_the_next_call),
        TEST(readers_that_sleep_are_woken_by_every_sync),
        TEST(stat_counts_what_was_appended),
        TEST(a_sound_log_is_not_repaired),
        TEST(a_restored_history_has_its_epochs_and_the_next_writer_a_higher_one),
        TEST(a_history_is_restored_into_a_new_log_only),
        TEST(random_use_agrees_with_a_simple_model),
    };

    backend = which;
    return cmocka_run_group_tests_name(which->name, tests, NULL, NULL);
}
