/* event_test.c - the bytes and the JSON of known events, and the limits that encode holds */
#include "event/codec.h"
#include "event/event.h"
#include "event/request.h"
#include "event/shape.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct dk_span spans[] = { { 3, 4 }, { 1000, 64 } };

static struct dk_event job_placed(void)
{
    struct dk_event event;

    memset(&event, 0, sizeof(event));
    event.type = DK_EVENT_JOB_PLACED;
    event.meta.seq = 12;
    event.meta.time = INT64_C(1700000000000000);
    event.meta.epoch = 1;
    event.meta.has_actor = true;
    event.meta.actor.uid = 1000;
    event.meta.actor.gid = 100;
    event.meta.actor.user = dk_text_of("al\"ice\n");
    event.meta.actor.host = dk_text_of("h\xc3\xa9");
    event.job_placed.job = 77;
    event.job_placed.attempt = 1;
    event.job_placed.task = -1;
    event.job_placed.cores = spans;
    event.job_placed.cores_count = 2;
    return event;
}

static void an_event_has_the_bytes_of_the_specification(void **state)
{
    /* the fingerprint of JobPlaced is dk_event_fingerprint's; the body is written out here */
    static const uint8_t body[] = {
        24,                                             /* seq 12 */
        0x80, 0x80, 0xF2, 0x81, 0x83, 0x89, 0x85, 0x06, /* time */
        2,    0,                                        /* epoch 1, cause 0 */
        2,    0xD0, 0x0F, 0xC8, 0x01,                   /* actor: uid 1000, gid 100 */
        14,   'a',  'l',  '"',  'i',  'c',  'e',  '\n', /* user */
        6,    'h',  0xC3, 0xA9,                         /* host */
        0x9A, 0x01, 2,    0,    1,                      /* job 77, attempt 1, array 0, -1 */
        4,    6,    8,    0xD0, 0x0F, 0x80, 0x01, 0,    /* two spans of cores */
        0                                               /* no GPUs */
    };
    struct dk_event event = job_placed();
    uint8_t header[DK_CODEC_HEADER];
    struct dk_buf out;
    struct dk_err err;

    (void)state;
    dk_buf_init(&out, &dk_heap, 4096);
    assert_int_equal(dk_event_encode(&event, &out, &err), DK_OK);
    dk_put_header(header, dk_event_fingerprint(DK_EVENT_JOB_PLACED));
    assert_memory_equal(out.data, header, sizeof(header));
    assert_int_equal(out.data[0], 0xC3);
    assert_int_equal(out.data[1], 0x01);
    assert_int_equal(out.size - sizeof(header), sizeof(body));
    assert_memory_equal(out.data + sizeof(header), body, sizeof(body));
    dk_buf_release(&out);
}

static void an_event_is_printed_as_one_line_of_json(void **state)
{
    static const char expected[] =
        "{\"type\":\"JobPlaced\",\"seq\":12,\"time\":1700000000000000,\"epoch\":1,\"cause\":0,"
        "\"actor\":{\"uid\":1000,\"gid\":100,\"user\":\"al\\\"ice\\n\",\"host\":\"h\xc3\xa9\"},"
        "\"job\":77,\"attempt\":1,\"array_job\":0,\"task\":-1,\"cores\":[{\"gap\":3,\"count\":4},"
        "{\"gap\":1000,\"count\":64}],\"gpus\":[]}";
    struct dk_event event = job_placed();
    struct dk_buf out;

    (void)state;
    dk_buf_init(&out, &dk_heap, 4096);
    assert_true(dk_event_print(&event, &out));
    assert_int_equal(out.size, strlen(expected));
    assert_memory_equal(out.data, expected, out.size);
    dk_buf_release(&out);
}

static void extremes_and_control_characters_are_printed_exactly(void **state)
{
    static const char expected[] =
        "{\"type\":\"RequestRejected\",\"seq\":-9223372036854775808,"
        "\"time\":9223372036854775807,\"epoch\":0,\"cause\":0,\"actor\":null,\"key\":\"00ff\","
        "\"request\":\"a\\\\\\u0000\\u0001\\u007f\\tb\",\"reason\":\"LIMIT\",\"detail\":\"\"}";
    struct dk_event event;
    struct dk_buf out;

    (void)state;
    memset(&event, 0, sizeof(event));
    event.type = DK_EVENT_REQUEST_REJECTED;
    event.meta.seq = INT64_MIN;
    event.meta.time = INT64_MAX;
    event.request_rejected.key.data = (const uint8_t *)"\x00\xff";
    event.request_rejected.key.size = 2;
    event.request_rejected.request.data = "a\\\0\x01\x7f\tb";
    event.request_rejected.request.size = 7;
    event.request_rejected.reason = DK_REJECT_REASON_LIMIT;
    dk_buf_init(&out, &dk_heap, 4096);
    assert_true(dk_event_print(&event, &out));
    assert_int_equal(out.size, strlen(expected));
    assert_memory_equal(out.data, expected, out.size);
    dk_buf_release(&out);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
    struct dk_event event = job_placed();
    struct dk_buf out;
    struct dk_err err;
    size_t limit;

    (void)state;
    for (limit = 1; limit < 200; limit += 7) {
        dk_buf_init(&out, &dk_heap, limit);
        assert_true(dk_buf_add(&out, "x", 1));
        assert_false(dk_event_print(&event, &out));
        assert_int_equal(out.size, 1);
        if (limit < 40)
            assert_int_equal(dk_event_encode(&event, &out, &err), DK_TOO_LARGE);
        if (limit < 40)
            assert_int_equal(out.size, 1);
        dk_buf_release(&out);
    }
}

static void refused(const struct dk_event *event, enum dk_status status, const char *text)
{
    struct dk_buf out;
    struct dk_err err;

    dk_buf_init(&out, &dk_heap, 1 << 20);
    assert_int_equal(dk_event_encode(event, &out, &err), status);
    assert_string_equal(err.text, text);
    assert_int_equal(out.size, 0);
    dk_buf_release(&out);
}

static void a_broken_limit_is_named_and_nothing_is_written(void **state)
{
    static const char long_text[300] = { 'x' };
    static const struct dk_index_range ranges[2000];
    struct dk_event event = job_placed();

    (void)state;
    event.meta.actor.user.data = long_text;
    event.meta.actor.user.size = 65;
    refused(&event, DK_TOO_LARGE, "JobPlaced: 'meta.actor.user' is larger than its limit of 64");
    event = job_placed();
    event.meta.actor.host = dk_text_of("\xff");
    refused(&event, DK_INVALID, "JobPlaced: 'meta.actor.host' is not UTF-8");
    memset(&event, 0, sizeof(event));
    event.type = DK_EVENT_JOB_SUBMITTED;
    event.job_submitted.spec.has_array = true;
    event.job_submitted.spec.array.ranges = ranges;
    event.job_submitted.spec.array.ranges_count = 1025;
    refused(&event, DK_TOO_LARGE,
            "JobSubmitted: 'spec.array.ranges' is larger than its limit of 1024");
    event.job_submitted.spec.has_array = false;
    event.job_submitted.key.data = (const uint8_t *)long_text;
    event.job_submitted.key.size = 17;
    refused(&event, DK_TOO_LARGE, "JobSubmitted: 'key' is larger than its limit of 16");
    memset(&event, 0, sizeof(event));
    event.type = DK_EVENT_JOB_ENDED;
    event.job_ended.state = DK_END_STATE_COUNT;
    refused(&event, DK_INVALID, "JobEnded: 'state' is none of the schema's choices");
    event.type = DK_EVENT_TYPE_COUNT;
    refused(&event, DK_INVALID, "no event has the type 29");
}

static void utf8_is_held_to_the_letter(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        { "", true },
        { "plain and longer than eight bytes", true },
        { "\xc2\x80\xdf\xbf", true },
        { "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", true },
        { "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true },
        { "\x80", false },
        { "\xc0\x80", false },         /* overlong */
        { "\xc1\xbf", false },         /* overlong */
        { "\xe0\x9f\xbf", false },     /* overlong */
        { "\xf0\x8f\xbf\xbf", false }, /* overlong */
        { "\xed\xa0\x80", false },     /* a surrogate */
        { "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
        { "\xf5\x80\x80\x80", false },
        { "\xe2\x82", false }, /* cut */
        { "1234567\xe2\x82\xac", true },
        { "1234567\xe2\x82", false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(dk_utf8_valid((const uint8_t *)rows[i].text, strlen(rows[i].text)),
                         rows[i].valid);
}

/* The check goes by words of 8 and 4 bytes that overlap: no place may lie between them. */
static void a_bad_byte_is_found_at_every_place_of_every_size(void **state)
{
    uint8_t bytes[40];
    size_t size, at;

    (void)state;
    for (size = 1; size <= sizeof(bytes); size++) {
        memset(bytes, 'a', sizeof(bytes));
        assert_true(dk_utf8_valid(bytes, size));
        for (at = 0; at < size; at++) {
            bytes[at] = 0x80;
            assert_false(dk_utf8_valid(bytes, size));
            bytes[at] = 'a';
        }
    }
}

static void every_type_has_a_name_a_fingerprint_and_a_shape(void **state)
{
    int i;

    (void)state;
    for (i = 1; i < DK_EVENT_TYPE_COUNT; i++) {
        enum dk_event_type type = (enum dk_event_type)i;

        assert_string_equal(dk_event_name(type), dk_event_shape(type)->name);
        assert_true(dk_event_fingerprint(type) != 0);
    }
    assert_string_equal(dk_event_name(DK_EVENT_JOB_PLACED), "JobPlaced");
    assert_string_equal(dk_event_name(DK_EVENT_TYPE_COUNT), "?");
    assert_string_equal(dk_request_name(DK_REQUEST_SUBMIT_JOB), "SubmitJob");
    assert_string_equal(dk_end_state_name(DK_END_STATE_NODE_FAIL), "NODE_FAIL");
    assert_string_equal(dk_end_state_name(DK_END_STATE_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_has_the_bytes_of_the_specification),
        cmocka_unit_test(an_event_is_printed_as_one_line_of_json),
        cmocka_unit_test(extremes_and_control_characters_are_printed_exactly),
        cmocka_unit_test(a_full_buffer_is_left_as_it_was),
        cmocka_unit_test(a_broken_limit_is_named_and_nothing_is_written),
        cmocka_unit_test(utf8_is_held_to_the_letter),
        cmocka_unit_test(a_bad_byte_is_found_at_every_place_of_every_size),
        cmocka_unit_test(every_type_has_a_name_a_fingerprint_and_a_shape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
