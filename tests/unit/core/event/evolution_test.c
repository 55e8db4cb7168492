/* evolution_test.c - data of the first version of evolution/ is read as the second, by the rules
 *
 * The bytes are made here by hand, from evolution/history/, not by an encoder of ours. */
#include "event/codec.h"
#include "event/event.h"
#include "event/request.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint64_t thing_happened_1 = UINT64_C(0x603be52b038f563e);
static const uint64_t do_thing_1 = UINT64_C(0x6fd5c8fe1600ff04);

enum first_colour { RED, GREEN, PURPLE, BLUE };

static uint8_t *put_text(uint8_t *at, const char *text)
{
    return dk_put_bytes(at, text, (uint32_t)strlen(text));
}

static uint8_t *put_gone(uint8_t *at)
{
    at = put_text(at, "gone");
    at = dk_put_long(at, -2); /* numbers: a block with its size, one without */
    at = dk_put_long(at, 3);
    at = dk_put_long(at, 1);
    at = dk_put_long(at, 100);
    at = dk_put_long(at, 1);
    at = dk_put_long(at, -1);
    at = dk_put_long(at, 0);
    at = dk_put_long(at, GREEN);
    at = dk_put_long(at, 2); /* choice: a text */
    at = put_text(at, "choice");
    return dk_put_fixed(at, (const uint8_t *)"raw", 3);
}

static uint8_t *put_part(uint8_t *at, const char *name, int32_t weight)
{
    at = put_text(at, name);
    at = dk_put_long(at, weight);
    return dk_put_long(at, 999);
}

static uint8_t *put_thing(uint8_t *at, const char *maybe, enum first_colour colour)
{
    at = dk_put_header(at, thing_happened_1);
    at = dk_put_long(at, 41);
    at = put_text(at, "source");
    at = dk_put_long(at, -5); /* count */
    at = put_gone(at);
    at = dk_put_long(at, colour);
    at = dk_put_long(at, 2); /* parts, in two blocks */
    at = put_part(at, "bolt", 10);
    at = put_part(at, "nut", INT32_MIN);
    at = dk_put_long(at, 1);
    at = put_part(at, "", 0);
    at = dk_put_long(at, 0);
    at = put_text(at, "label");
    at = dk_put_long(at, maybe == NULL ? 0 : 1);
    if (maybe != NULL)
        at = dk_put_long(at, -77);
    at = put_text(at, "text");
    at = dk_put_long(at, 1);
    at = dk_put_long(at, 2);
    at = dk_put_long(at, 0); /* turned: text first, null second */
    at = put_text(at, "turned");
    at = put_text(at, "former");
    at = dk_put_long(at, 4);
    at = dk_put_long(at, RED);
    at = dk_put_long(at, GREEN);
    at = dk_put_long(at, PURPLE);
    at = dk_put_long(at, BLUE);
    return dk_put_long(at, 0);
}

static void assert_text(struct dk_text text, const char *expected)
{
    assert_true(dk_text_equal(text, dk_text_of(expected)));
}

static void what_both_versions_have_is_kept(void **state)
{
    uint8_t bytes[512], *end = put_thing(bytes, "yes", BLUE);
    const struct dk_thing_happened *thing;
    struct dk_event event;
    struct dk_arena arena;
    struct dk_err err;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    memset(&event, 0xA5, sizeof(event));
    if (dk_event_decode(bytes, (size_t)(end - bytes), &arena, &event, &err) != DK_OK)
        fail_msg("%s", err.text);
    thing = &event.thing_happened;
    assert_int_equal(event.type, DK_EVENT_THING_HAPPENED);
    assert_int_equal(event.meta.seq, 41);
    assert_text(event.meta.source, "source");
    assert_int_equal(thing->count, -5); /* int to long */
    assert_int_equal(thing->colour, DK_COLOUR_BLUE);
    assert_int_equal(thing->parts_count, 3);
    assert_text(thing->parts[0].name, "bolt");
    assert_int_equal(thing->parts[0].weight, 10);
    assert_int_equal(thing->parts[1].weight, INT32_MIN);
    assert_text(thing->parts[2].name, "");
    assert_true(thing->has_label); /* a text became optional */
    assert_text(thing->label, "label");
    assert_true(thing->has_maybe);
    assert_int_equal(thing->maybe, -77);
    assert_int_equal(thing->text.size, 4); /* string to bytes */
    assert_memory_equal(thing->text.data, "text", 4);
    assert_int_equal(thing->first, 1); /* reordered */
    assert_int_equal(thing->second, 2);
    assert_true(thing->has_turned); /* null moved to the front of the union */
    assert_text(thing->turned, "turned");
    assert_text(thing->latter, "former"); /* renamed, by its alias */
    dk_arena_release(&arena);
}

static void what_was_added_has_its_default(void **state)
{
    uint8_t bytes[512], *end = put_thing(bytes, NULL, RED);
    const struct dk_thing_happened *thing;
    struct dk_event event;
    struct dk_arena arena;
    struct dk_err err;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    memset(&event, 0xA5, sizeof(event));
    assert_int_equal(dk_event_decode(bytes, (size_t)(end - bytes), &arena, &event, &err), DK_OK);
    thing = &event.thing_happened;
    assert_int_equal(event.meta.epoch, 7);
    assert_false(thing->has_maybe);
    assert_text(thing->parts[1].added, "n\xc3\xa9 \"?\"");
    assert_int_equal(thing->extra.number, 12);
    assert_true(thing->extra.limit == INT64_MIN);
    assert_int_equal(thing->extra.colour, DK_COLOUR_BLUE);
    assert_int_equal(thing->extra.tags_count, 0);
    assert_int_equal(thing->level, -3);
    assert_true(thing->flag);
    assert_int_equal(thing->id.bytes[0], 1);
    assert_int_equal(thing->id.bytes[1], 255);
    assert_int_equal(thing->tags_count, 0);
    assert_false(thing->has_none);
    dk_arena_release(&arena);
}

static void an_enum_is_read_by_symbol_and_a_lost_symbol_as_the_default(void **state)
{
    static const enum dk_colour expected[] = { DK_COLOUR_RED, DK_COLOUR_UNKNOWN, DK_COLOUR_UNKNOWN,
                                               DK_COLOUR_BLUE };
    uint8_t bytes[512], *end = put_thing(bytes, NULL, PURPLE);
    struct dk_event event;
    struct dk_arena arena;
    struct dk_err err;
    uint32_t i;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    assert_int_equal(dk_event_decode(bytes, (size_t)(end - bytes), &arena, &event, &err), DK_OK);
    assert_int_equal(event.thing_happened.colour, DK_COLOUR_UNKNOWN);
    assert_int_equal(event.thing_happened.colours_count, 4);
    for (i = 0; i < 4; i++)
        assert_int_equal(event.thing_happened.colours[i], expected[i]);
    dk_arena_release(&arena);
}

static void old_data_cut_anywhere_is_refused(void **state)
{
    uint8_t bytes[512], *end = put_thing(bytes, "yes", RED);
    size_t size = (size_t)(end - bytes), cut;
    struct dk_event event;
    struct dk_arena arena;
    struct dk_err err;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    for (cut = 0; cut < size; cut++)
        assert_int_equal(dk_event_decode(bytes, cut, &arena, &event, &err), DK_INVALID);
    dk_arena_release(&arena);
}

static void a_request_whose_meta_changed_is_read(void **state)
{
    uint8_t bytes[64], *at = dk_put_header(bytes, do_thing_1);
    struct dk_request request;
    struct dk_arena arena;
    struct dk_err err;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    at = dk_put_long(at, 5);
    at = put_text(at, "me");
    at = dk_put_long(at, 9);
    assert_int_equal(dk_request_decode(bytes, (size_t)(at - bytes), &arena, &request, &err), DK_OK);
    assert_int_equal(request.meta.seq, 5);
    assert_int_equal(request.meta.epoch, 7);
    assert_int_equal(request.do_thing.wish, 9);
    dk_arena_release(&arena);
}

static void what_is_written_now_is_read_now(void **state)
{
    uint8_t bytes[512], *end = put_thing(bytes, "yes", RED);
    struct dk_event event, again;
    struct dk_arena arena;
    struct dk_buf out;
    struct dk_err err;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, 4096);
    assert_int_equal(dk_event_decode(bytes, (size_t)(end - bytes), &arena, &event, &err), DK_OK);
    assert_int_equal(dk_event_encode(&event, &out, &err), DK_OK);
    assert_int_equal(dk_event_decode(out.data, out.size, &arena, &again, &err), DK_OK);
    assert_int_equal(again.thing_happened.parts_count, 3);
    assert_text(again.thing_happened.latter, "former");
    assert_int_equal(again.thing_happened.level, -3);
    dk_buf_release(&out);
    dk_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_both_versions_have_is_kept),
        cmocka_unit_test(what_was_added_has_its_default),
        cmocka_unit_test(an_enum_is_read_by_symbol_and_a_lost_symbol_as_the_default),
        cmocka_unit_test(old_data_cut_anywhere_is_refused),
        cmocka_unit_test(a_request_whose_meta_changed_is_read),
        cmocka_unit_test(what_is_written_now_is_read_now),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
