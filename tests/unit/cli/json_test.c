/* json_test.c - what our servers write, read as a stream */
#include "base/check.h"
#include "cli/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct dk_json begin(const char *text)
{
    struct dk_json json;

    dk_json_begin(&json, text, strlen(text));
    return json;
}

static void an_object_is_read_name_by_name(void **state)
{
    struct dk_json json =
        begin(" {\"seq\": 17,\"skipped\":{\"a\":[1,{\"b\":\"}\"}],\"c\":null},\"name\":\"x\"} ");
    char key[16], text[16];

    (void)state;
    assert_true(dk_json_enter(&json, '{'));
    assert_true(dk_json_key(&json, key, sizeof(key)));
    assert_string_equal(key, "seq");
    assert_int_equal(dk_json_take_number(&json), 17);
    assert_true(dk_json_key(&json, key, sizeof(key)));
    dk_json_skip(&json);
    assert_true(dk_json_key(&json, key, sizeof(key)));
    assert_string_equal(key, "name");
    dk_json_take_text(&json, text, sizeof(text));
    assert_string_equal(text, "x");
    assert_false(dk_json_key(&json, key, sizeof(key)));
    assert_false(json.bad);
}

static void arrays_may_be_empty_and_nested(void **state)
{
    struct dk_json json = begin("[[],[1,2],{},3]");
    int64_t sum = 0;

    (void)state;
    assert_true(dk_json_enter(&json, '['));
    while (dk_json_item(&json)) {
        if (dk_json_peek(&json) != '[') {
            dk_json_skip(&json);
            continue;
        }
        assert_true(dk_json_enter(&json, '['));
        while (dk_json_item(&json))
            sum += dk_json_take_number(&json);
    }
    assert_false(json.bad);
    assert_int_equal(sum, 3);
}

static void escapes_become_characters(void **state)
{
    struct dk_json json = begin("\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20ac\\ud83d\\ude00z\"");
    char text[64];

    (void)state;
    dk_json_take_text(&json, text, sizeof(text));
    assert_false(json.bad);
    assert_string_equal(text, "a\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
}

static void a_text_is_cut_to_its_room_and_the_reader_goes_on_behind_it(void **state)
{
    struct dk_json json = begin("[\"abcdefgh\",5]");
    char text[4];

    (void)state;
    assert_true(dk_json_enter(&json, '[') && dk_json_item(&json));
    dk_json_take_text(&json, text, sizeof(text));
    assert_true(strlen(text) < sizeof(text));
    assert_true(dk_json_item(&json));
    assert_int_equal(dk_json_take_number(&json), 5);
}

static void words_and_numbers_are_scalars_too(void **state)
{
    struct dk_json json = begin("[true,false,null,-12,\"42\",3.7]");
    int64_t expected[] = { 1, 0, 0, -12, 42, 3 };

    (void)state;
    assert_true(dk_json_enter(&json, '['));
    for (int i = 0; i < 6; i++) {
        assert_true(dk_json_item(&json));
        assert_int_equal(dk_json_take_number(&json), expected[i]);
    }
    assert_false(dk_json_item(&json));
    assert_false(json.bad);
}

static void nonsense_is_bad_and_ends_every_loop(void **state)
{
    static const char *const cases[] = {
        "{\"a\":{\"b\":1",
        "",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{a:1}",
        "{\"a\":\"x",
        "{\"a\":\"\\q",
        "{\"a\" 1}",
        "{\"a\":[1,2}",
        "{\"a\":\"\\u12\"}",
        "[1,2]",
        "{\"a\":}",
        "{\"a\":1 2}",
        "{\"a\":[1 2]}",
        "{\"a\":[",
        "{\"a\":\"\\ud800x\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dk_json json = begin(cases[i]);
        char key[8];

        for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));) {
            if (dk_json_peek(&json) == '[') {
                for (dk_json_enter(&json, '['); dk_json_item(&json);)
                    dk_json_skip(&json);
            } else {
                dk_json_skip(&json);
            }
        }
        if (!json.bad)
            fail_msg("'%s' is taken", cases[i]);
    }
}

static void what_nests_too_deeply_is_bad(void **state)
{
    char text[200];
    struct dk_json json;
    int entered = 0;

    (void)state;
    memset(text, '[', sizeof(text));
    dk_json_begin(&json, text, sizeof(text));
    while (dk_json_enter(&json, '[') && dk_json_item(&json))
        entered++;
    assert_true(json.bad);
    assert_true(entered < DK_JSON_DEPTH_MAX);
}

static void a_skipped_value_has_a_span(void **state)
{
    struct dk_json json = begin("[{\"a\":[1,2]}, 5]");
    const char *from;

    (void)state;
    assert_true(dk_json_enter(&json, '[') && dk_json_item(&json));
    dk_json_skip_from(&json, &from);
    assert_int_equal(json.at - from, strlen("{\"a\":[1,2]}"));
    assert_memory_equal(from, "{\"a\":[1,2]}", (size_t)(json.at - from));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_read_name_by_name),
        cmocka_unit_test(arrays_may_be_empty_and_nested),
        cmocka_unit_test(escapes_become_characters),
        cmocka_unit_test(a_text_is_cut_to_its_room_and_the_reader_goes_on_behind_it),
        cmocka_unit_test(words_and_numbers_are_scalars_too),
        cmocka_unit_test(nonsense_is_bad_and_ends_every_loop),
        cmocka_unit_test(what_nests_too_deeply_is_bad),
        cmocka_unit_test(a_skipped_value_has_a_span),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
