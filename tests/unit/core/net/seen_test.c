/* seen_test.c - what was seen is known for as long as was promised, and memory is bounded */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/seen.h"

#include <string.h>

/* A digest has no order; a number alone would fill neighbouring slots. */
static bool add(struct dk_seen *seen, uint64_t number, int64_t now)
{
    uint8_t id[DK_SEEN_ID_SIZE];
    uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);

    memcpy(id, &mixed, sizeof(mixed));
    memcpy(id + sizeof(mixed), &number, sizeof(number));
    return dk_seen_add(seen, id, now);
}

static void an_id_is_new_once(void **state)
{
    struct dk_seen *seen = dk_seen_create();

    (void)state;
    for (uint64_t i = 0; i < 10000; i++)
        assert_true(add(seen, i, 5));
    for (uint64_t i = 0; i < 10000; i++)
        assert_false(add(seen, i, 5 + (int64_t)i % DK_SEEN_S));
    dk_seen_destroy(seen);
}

/* One id a second, for an hour: each is known for 15 minutes, whenever tables change, and forgotten
 * after 30. */
static void an_id_is_known_for_so_long_and_not_for_ever(void **state)
{
    struct dk_seen *seen = dk_seen_create();

    (void)state;
    for (int64_t now = 0; now < 3600; now++) {
        assert_true(add(seen, (uint64_t)now, now));
        for (int64_t ago = 0; ago < DK_SEEN_S && ago <= now; ago += 37)
            assert_false(add(seen, (uint64_t)(now - ago), now));
    }
    assert_true(add(seen, 0, 3600));
    dk_seen_destroy(seen);
}

static void after_a_long_silence_nothing_is_known(void **state)
{
    struct dk_seen *seen = dk_seen_create();

    (void)state;
    assert_true(add(seen, 1, 0));
    assert_true(add(seen, 2, DK_SEEN_S - 1));
    assert_true(add(seen, 3, 2 * DK_SEEN_S - 2)); /* the table of 1 and 2 is the old one now */
    assert_false(add(seen, 2, 2 * DK_SEEN_S - 2));
    assert_true(add(seen, 1, 5 * DK_SEEN_S));
    dk_seen_destroy(seen);
}

static void beyond_its_bound_the_oldest_are_forgotten(void **state)
{
    struct dk_seen *seen = dk_seen_create();

    (void)state;
    for (uint64_t i = 0; i < 2 * (uint64_t)DK_SEEN_MAX + 1; i++)
        assert_true(add(seen, i, 1));
    assert_false(add(seen, 2 * (uint64_t)DK_SEEN_MAX, 1));
    assert_false(add(seen, DK_SEEN_MAX, 1));
    assert_true(add(seen, 0, 1));
    dk_seen_destroy(seen);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_new_once),
        cmocka_unit_test(an_id_is_known_for_so_long_and_not_for_ever),
        cmocka_unit_test(after_a_long_silence_nothing_is_known),
        cmocka_unit_test(beyond_its_bound_the_oldest_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
