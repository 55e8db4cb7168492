/* avro_c_test.c - Avro C is the judge: it reads our bytes and writes the very same ones */
#include "avro_c_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 60, HEADER = 10, BODY_MAX = 1 << 22 };

static const char *folder; /* of avsc/ */

static void ours_is_read_by_avro_c(avro_value_iface_t *class, const struct dk_shape *shape,
                                   const union codec_record *record, const struct dk_buf *bytes)
{
    avro_reader_t reader =
        avro_reader_memory((const char *)bytes->data + HEADER, (int64_t)bytes->size - HEADER);
    const char *difference;
    avro_value_t value;
    char one;

    assert_int_equal(avro_generic_value_new(class, &value), 0);
    if (avro_value_read(reader, &value) != 0)
        fail_msg("avro c refuses our %s: %s", shape->name, avro_strerror());
    assert_int_not_equal(avro_read(reader, &one, 1), 0); /* nothing is left */
    difference = avro_difference(&value, shape, record);
    if (difference != NULL)
        fail_msg("avro c reads another '%s' in our %s", difference, shape->name);
    avro_value_decref(&value);
    avro_reader_free(reader);
}

static void avro_c_is_read_by_ours(const struct codec_family *family, avro_value_iface_t *class,
                                   const struct dk_shape *shape, const union codec_record *record,
                                   const struct dk_buf *bytes)
{
    uint8_t *theirs = malloc(HEADER + BODY_MAX);
    avro_writer_t writer;
    union codec_record decoded;
    const char *difference;
    struct dk_arena arena;
    avro_value_t value;
    struct dk_err err;
    size_t size;

    assert_non_null(theirs);
    memcpy(theirs, bytes->data, HEADER);
    writer = avro_writer_memory((char *)theirs + HEADER, BODY_MAX);
    assert_int_equal(avro_generic_value_new(class, &value), 0);
    if (!avro_fill(&value, shape, record) || avro_value_write(writer, &value) != 0)
        fail_msg("avro c does not write %s: %s", shape->name, avro_strerror());
    size = HEADER + (size_t)avro_writer_tell(writer);
    assert_int_equal(size, bytes->size);
    assert_memory_equal(theirs, bytes->data, size);
    dk_arena_init(&arena, &dk_heap);
    if (family->decode(theirs, size, &arena, &decoded, &err) != DK_OK)
        fail_msg("we refuse what avro c wrote: %s", err.text);
    difference = record_difference(family, record, &decoded);
    if (difference != NULL)
        fail_msg("we read another '%s' in avro c's %s", difference, shape->name);
    dk_arena_release(&arena);
    avro_value_decref(&value);
    avro_writer_free(writer);
    free(theirs);
}

static void one_family(const struct codec_family *family)
{
    struct dk_prng prng;
    struct dk_arena arena;
    struct dk_buf bytes;
    struct dk_err err;
    int type, round;

    dk_prng_init(&prng, 77);
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&bytes, &dk_heap, 1 << 24);
    for (type = 1; type < family->type_count; type++) {
        const struct dk_shape *shape = family->shape(type);
        avro_schema_t schema = avro_schema_load(folder, shape->name);
        avro_value_iface_t *class;
        union codec_record record;

        assert_non_null(schema);
        class = avro_generic_class_from_schema(schema);
        assert_non_null(class);
        for (round = 0; round < ROUNDS; round++) {
            dk_arena_reset(&arena);
            dk_buf_clear(&bytes);
            random_record(family, type, &prng, &arena, &record);
            assert_int_equal(family->encode(&record, &bytes, &err), DK_OK);
            ours_is_read_by_avro_c(class, shape, &record, &bytes);
            avro_c_is_read_by_ours(family, class, shape, &record, &bytes);
        }
        avro_value_iface_decref(class);
        avro_schema_decref(schema);
    }
    dk_buf_release(&bytes);
    dk_arena_release(&arena);
}

static void events_go_both_ways_through_avro_c(void **state)
{
    (void)state;
    one_family(&codec_families[0]);
}

static void requests_go_both_ways_through_avro_c(void **state)
{
    (void)state;
    one_family(&codec_families[1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_go_both_ways_through_avro_c),
        cmocka_unit_test(requests_go_both_ways_through_avro_c),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: avro_c_test SCHEMAS\n");
        return 2;
    }
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
