/* round_trip_test.c - what is encoded decodes to the same, for every type and many seeds */
#include "random_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROUNDS = 400 };

static void one_family(const struct codec_family *family, uint64_t seed)
{
    struct dk_prng prng;
    struct dk_arena given, read;
    struct dk_buf bytes, again;
    union codec_record record, decoded;
    struct dk_err err;
    int round, type;

    dk_prng_init(&prng, seed);
    dk_arena_init(&given, &dk_heap);
    dk_arena_init(&read, &dk_heap);
    dk_buf_init(&bytes, &dk_heap, 1 << 24);
    dk_buf_init(&again, &dk_heap, 1 << 24);
    for (round = 0; round < ROUNDS; round++) {
        for (type = 1; type < family->type_count; type++) {
            const char *difference;

            dk_arena_reset(&given);
            dk_arena_reset(&read);
            dk_buf_clear(&bytes);
            dk_buf_clear(&again);
            random_record(family, type, &prng, &given, &record);
            if (family->encode(&record, &bytes, &err) != DK_OK)
                fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round, err.text);
            memset(&decoded, 0xA5, sizeof(decoded));
            if (family->decode(bytes.data, bytes.size, &read, &decoded, &err) != DK_OK)
                fail_msg("seed %llu, round %d: %s", (unsigned long long)seed, round, err.text);
            difference = record_difference(family, &record, &decoded);
            if (difference != NULL)
                fail_msg("seed %llu, round %d: '%s' differs", (unsigned long long)seed, round,
                         difference);
            assert_int_equal(family->encode(&decoded, &again, &err), DK_OK);
            assert_int_equal(again.size, bytes.size);
            assert_memory_equal(again.data, bytes.data, bytes.size);
            dk_buf_clear(&again);
            assert_true(family->print(&decoded, &again));
        }
    }
    dk_buf_release(&again);
    dk_buf_release(&bytes);
    dk_arena_release(&read);
    dk_arena_release(&given);
}

static uint64_t seed_given = 20240607;

static void every_event_survives_the_round_trip(void **state)
{
    (void)state;
    one_family(&codec_families[0], seed_given);
}

static void every_request_survives_the_round_trip(void **state)
{
    (void)state;
    one_family(&codec_families[1], seed_given + 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_survives_the_round_trip),
        cmocka_unit_test(every_request_survives_the_round_trip),
    };

    if (argc > 1)
        seed_given = strtoull(argv[1], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
