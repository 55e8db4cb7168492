/* hostile_test.c - bytes that lie: cut, flipped, too long, too large, not ours
 *
 * Each input lies in a heap block of exactly its size, so that a sanitizer or
 * valgrind sees the first byte read beyond it. */
#include "event/codec.h"
#include "random_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static enum dk_status decode_exact(const struct codec_family *family, const uint8_t *data,
                                   size_t size, struct dk_arena *arena, union codec_record *record,
                                   struct dk_err *err, uint8_t **kept)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);

    assert_non_null(copy);
    memcpy(copy, data, size);
    *kept = copy; /* the record borrows from it */
    return family->decode(copy, size, arena, record, err);
}

static void cut_everywhere(const struct codec_family *family, const struct dk_buf *bytes,
                           struct dk_arena *arena)
{
    union codec_record record;
    struct dk_err err;
    size_t size;
    uint8_t *kept;

    for (size = 0; size < bytes->size; size++) {
        dk_arena_reset(arena);
        assert_int_not_equal(decode_exact(family, bytes->data, size, arena, &record, &err, &kept),
                             DK_OK);
        free(kept);
    }
}

/* What is accepted in spite of a flip must be a record like any other. */
static void flip_everywhere(const struct codec_family *family, struct dk_buf *bytes,
                            struct dk_arena *arena, struct dk_buf *again)
{
    union codec_record record, second;
    struct dk_err err;
    size_t at;
    uint8_t *kept;
    int bit;

    for (at = 0; at < bytes->size; at++) {
        for (bit = 0; bit < 8; bit++) {
            bytes->data[at] ^= (uint8_t)(1 << bit);
            dk_arena_reset(arena);
            dk_buf_clear(again);
            if (decode_exact(family, bytes->data, bytes->size, arena, &record, &err, &kept) ==
                DK_OK) {
                assert_int_equal(family->encode(&record, again, &err), DK_OK);
                assert_int_equal(family->decode(again->data, again->size, arena, &second, &err),
                                 DK_OK);
                assert_null(record_difference(family, &record, &second));
            }
            free(kept);
            bytes->data[at] ^= (uint8_t)(1 << bit);
        }
    }
}

static void no_cut_or_flip_does_harm(void **state)
{
    struct dk_prng prng;
    struct dk_arena given, arena;
    struct dk_buf bytes, again;
    struct dk_err err;
    size_t family;
    int type, round;

    (void)state;
    dk_prng_init(&prng, 5);
    dk_arena_init(&given, &dk_heap);
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&bytes, &dk_heap, 1 << 24);
    dk_buf_init(&again, &dk_heap, 1 << 24);
    for (family = 0; family < 2; family++) {
        const struct codec_family *one = &codec_families[family];

        for (type = 1; type < one->type_count; type++) {
            for (round = 0; round < 6; round++) {
                union codec_record record;

                dk_arena_reset(&given);
                dk_buf_clear(&bytes);
                random_record(one, type, &prng, &given, &record);
                assert_int_equal(one->encode(&record, &bytes, &err), DK_OK);
                if (bytes.size > 600)
                    continue; /* the time is better spent on many small ones */
                cut_everywhere(one, &bytes, &arena);
                flip_everywhere(one, &bytes, &arena, &again);
            }
        }
    }
    dk_buf_release(&again);
    dk_buf_release(&bytes);
    dk_arena_release(&arena);
    dk_arena_release(&given);
}

/* An event with what comes after `meta` given as raw bytes. */
static enum dk_status decode_body(enum dk_event_type type, const void *body, size_t size,
                                  struct dk_event *event, struct dk_arena *arena,
                                  struct dk_err *err)
{
    uint8_t bytes[256], *at = dk_put_header(bytes, dk_event_fingerprint(type));
    int i;

    for (i = 0; i < 5; i++) /* seq, time, epoch, cause, no actor */
        *at++ = 0;
    memcpy(at, body, size);
    return dk_event_decode(bytes, (size_t)(at - bytes) + size, arena, event, err);
}

static void expect(enum dk_event_type type, const void *body, size_t size, enum dk_status status,
                   const char *text)
{
    struct dk_event event;
    struct dk_arena arena;
    struct dk_err err;

    dk_arena_init(&arena, &dk_heap);
    memset(&err, 0, sizeof(err));
    assert_int_equal(decode_body(type, body, size, &event, &arena, &err), status);
    if (status != DK_OK)
        assert_string_equal(err.text, text);
    if (status != DK_OK)
        assert_null(arena.chunks); /* refused before anything was allocated */
    dk_arena_release(&arena);
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    expect(DK_EVENT_JOB_RELEASED, "\x02", 1, DK_OK, NULL);
    expect(DK_EVENT_JOB_RELEASED, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, DK_OK, NULL);
    expect(DK_EVENT_JOB_RELEASED, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, DK_INVALID,
           "JobReleased: 'job' has a number of more than 64 bits");
    expect(DK_EVENT_JOB_RELEASED, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, DK_INVALID,
           "JobReleased: 'job' has a number of more than 64 bits");
    expect(DK_EVENT_JOB_RELEASED, "\x82", 1, DK_INVALID, "JobReleased: 'job' ends early");
    expect(DK_EVENT_LOGIC_ACTIVATED, "\xff\xff\xff\xff\x0f", 5, DK_OK, NULL);
    expect(DK_EVENT_LOGIC_ACTIVATED, "\x80\x80\x80\x80\x10", 5, DK_INVALID,
           "LogicActivated: 'number' has an int of more than 32 bits");
}

static void claims_larger_than_the_input_or_the_limit_are_refused(void **state)
{
    (void)state;
    /* JobsPlanned: 2^40 reservations, and 2^62 in a negative block, and the most negative count */
    expect(DK_EVENT_JOBS_PLANNED, "\x80\x80\x80\x80\x80\x40", 6, DK_INVALID,
           "JobsPlanned: 'plans' ends early");
    expect(DK_EVENT_JOBS_PLANNED, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", 10, DK_INVALID,
           "JobsPlanned: 'plans' ends early");
    expect(DK_EVENT_JOBS_PLANNED, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10, DK_INVALID,
           "JobsPlanned: 'plans' has an impossible count");
    /* PartitionRemoved: a name of 65 bytes, of -1, of 64 that are not there, and not UTF-8 */
    expect(DK_EVENT_PARTITION_REMOVED, "\x82\x01", 2, DK_TOO_LARGE,
           "PartitionRemoved: 'name' is larger than its limit of 64");
    expect(DK_EVENT_PARTITION_REMOVED, "\x01", 1, DK_INVALID,
           "PartitionRemoved: 'name' has a negative size");
    expect(DK_EVENT_PARTITION_REMOVED, "\x80\x01xyz", 5, DK_INVALID,
           "PartitionRemoved: 'name' ends early");
    expect(DK_EVENT_PARTITION_REMOVED, "\x04\xc3\x28", 3, DK_INVALID,
           "PartitionRemoved: 'name' is not UTF-8");
}

static void values_outside_their_choices_are_refused(void **state)
{
    (void)state;
    expect(DK_EVENT_JOB_HELD, "\x02\x02", 2, DK_INVALID,
           "JobHeld: 'by_admin' is neither true nor false");
    expect(DK_EVENT_JOB_REQUEUED, "\x02\x01\x12", 3, DK_INVALID,
           "JobRequeued: 'reason' is none of the schema's choices");
    expect(DK_EVENT_JOB_REQUEUED, "\x02\x01\x01", 3, DK_INVALID,
           "JobRequeued: 'reason' is none of the schema's choices");
    expect(DK_EVENT_JOB_ENDED, "\x02\x02\x00\x00\x00\x04", 6, DK_INVALID,
           "JobEnded: 'usage' is none of the schema's choices");
    expect(DK_EVENT_JOB_HELD, "\x02\x01\x00", 3, DK_INVALID, "JobHeld: 1 bytes too many");
}

static void arrays_in_any_blocks_are_read(void **state)
{
    static const char *const forms[] = { "\x06\x02\x04\x06\x08\x0a\x0c", /* one block of 3 */
                                         "\x02\x02\x04\x04\x06\x08\x0a\x0c",
                                         "\x05\x0c\x02\x04\x06\x08\x0a\x0c", /* -3, 6 bytes */
                                         "\x01\x04\x02\x04\x03\x08\x06\x08\x0a\x0c" };
    struct dk_event event;
    struct dk_arena arena;
    struct dk_err err;
    size_t i;
    int64_t j;

    (void)state;
    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        dk_arena_init(&arena, &dk_heap);
        assert_int_equal(
            decode_body(DK_EVENT_NODES_BEAT, forms[i], strlen(forms[i]) + 1, &event, &arena, &err),
            DK_OK);
        assert_int_equal(event.nodes_beat.nodes_count, 3);
        for (j = 0; j < 3; j++) {
            assert_int_equal(event.nodes_beat.nodes[j].gap, 2 * j + 1);
            assert_int_equal(event.nodes_beat.nodes[j].count, 2 * j + 2);
        }
        dk_arena_release(&arena);
    }
}

static void an_array_passes_its_limit_in_no_number_of_blocks(void **state)
{
    struct dk_buf bytes;
    struct dk_event event;
    struct dk_arena arena;
    struct dk_err err;
    uint8_t *at;
    int i;

    (void)state;
    dk_buf_init(&bytes, &dk_heap, 1 << 20);
    dk_arena_init(&arena, &dk_heap);
    at = dk_buf_room(&bytes, 1 << 16);
    at = dk_put_header(at, dk_event_fingerprint(DK_EVENT_ARRAY_TASKS_CANCELLED));
    for (i = 0; i < 6; i++) /* meta and job */
        *at++ = 0;
    for (i = 0; i < 1025; i++) { /* 1,024 are allowed */
        memcpy(at, "\x02\x00\x00\x02", 4);
        at += 4;
    }
    *at++ = 0;
    assert_int_equal(dk_event_decode(bytes.data, (size_t)(at - bytes.data), &arena, &event, &err),
                     DK_TOO_LARGE);
    assert_string_equal(err.text, "ArrayTasksCancelled: 'tasks' is larger than its limit of 1024");
    dk_arena_release(&arena);
    dk_buf_release(&bytes);
}

static void what_is_not_ours_is_named(void **state)
{
    static const uint8_t unknown[] = { 0xC3, 1, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0 };
    struct dk_event event;
    struct dk_request request;
    struct dk_arena arena;
    struct dk_err err;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    assert_int_equal(dk_event_decode(unknown, sizeof(unknown), &arena, &event, &err),
                     DK_UNKNOWN_SCHEMA);
    assert_string_equal(err.text, "no schema has the fingerprint '0102030405060708'");
    assert_int_equal(dk_request_decode(unknown, sizeof(unknown), &arena, &request, &err),
                     DK_UNKNOWN_SCHEMA);
    assert_int_equal(dk_event_decode(unknown, 9, &arena, &event, &err), DK_INVALID);
    assert_int_equal(dk_event_decode((const uint8_t *)"0123456789", 10, &arena, &event, &err),
                     DK_INVALID);
    assert_string_equal(err.text, "not an avro single object: starts with 30 31");
    assert_int_equal(dk_event_decode(unknown, 0, &arena, &event, &err), DK_INVALID);
    dk_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_cut_or_flip_does_harm),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
        cmocka_unit_test(claims_larger_than_the_input_or_the_limit_are_refused),
        cmocka_unit_test(values_outside_their_choices_are_refused),
        cmocka_unit_test(arrays_in_any_blocks_are_read),
        cmocka_unit_test(an_array_passes_its_limit_in_no_number_of_blocks),
        cmocka_unit_test(what_is_not_ours_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
