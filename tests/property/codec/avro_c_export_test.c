/* avro_c_export_test.c - Avro C reads our exports by their own schema, and sees what we wrote */
#include "avro_c_value.h"
#include "random_export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEED = 77 };

/* The file is written first, then the same events are made again while Avro C reads it. */
struct comparison {
    avro_file_reader_t reader;
    avro_value_iface_t *class;
    int64_t events;
};

static void open_export(struct comparison *comparison, const char *path)
{
    avro_schema_t schema;

    if (avro_file_reader(path, &comparison->reader) != 0)
        fail_msg("avro c refuses our export: %s", avro_strerror());
    schema = avro_file_reader_get_writer_schema(comparison->reader);
    comparison->class = avro_generic_class_from_schema(schema);
    assert_non_null(comparison->class);
    comparison->events = 0;
    avro_schema_decref(schema);
}

static int64_t number(const avro_value_t *entry, const char *name)
{
    avro_value_t field;
    int64_t value = 0;
    int32_t narrow = 0;

    assert_int_equal(avro_value_get_by_name(entry, name, &field, NULL), 0);
    if (avro_value_get_type(&field) == AVRO_INT32) {
        assert_int_equal(avro_value_get_int(&field, &narrow), 0);
        return narrow;
    }
    assert_int_equal(avro_value_get_long(&field, &value), 0);
    return value;
}

static void compare(void *context, const union codec_record *record)
{
    struct comparison *comparison = context;
    const struct codec_family *events = &codec_families[0];
    int type = events->type_of(record), branch = -1;
    avro_value_t entry, event, body;
    const char *difference;

    assert_int_equal(avro_generic_value_new(comparison->class, &entry), 0);
    if (avro_file_reader_read_value(comparison->reader, &entry) != 0)
        fail_msg("avro c reads no event %lld: %s", (long long)comparison->events + 1,
                 avro_strerror());
    assert_int_equal(number(&entry, "seq"), ++comparison->events);
    assert_int_equal(number(&entry, "epoch"), 3);
    assert_true(number(&entry, "batch") <= comparison->events && number(&entry, "size") > 0);
    assert_int_equal(avro_value_get_by_name(&entry, "event", &event, NULL), 0);
    assert_int_equal(avro_value_get_discriminant(&event, &branch), 0);
    assert_int_equal(branch, type - 1);
    assert_int_equal(avro_value_get_current_branch(&event, &body), 0);
    difference = avro_difference(&body, events->shape(type), record);
    if (difference != NULL)
        fail_msg("avro c reads another '%s' in our %s", difference, events->shape(type)->name);
    avro_value_decref(&entry);
}

static void read_back(enum dk_container_codec codec)
{
    char path[] = "/tmp/docket-export-XXXXXX", other[64];
    struct comparison comparison;
    avro_value_t entry;
    struct dk_err err;
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    (void)close(fd);
    (void)snprintf(other, sizeof(other), "%s.2", path);
    assert_int_equal(random_export(path, codec, SEED, NULL, NULL, &err), DK_OK);
    open_export(&comparison, path);
    assert_int_equal(random_export(other, codec, SEED, compare, &comparison, &err), DK_OK);
    assert_int_equal(avro_generic_value_new(comparison.class, &entry), 0);
    assert_int_not_equal(avro_file_reader_read_value(comparison.reader, &entry), 0); /* the end */
    avro_value_decref(&entry);
    avro_value_iface_decref(comparison.class);
    (void)avro_file_reader_close(comparison.reader);
    (void)unlink(path);
    (void)unlink(other);
}

static void exports_are_read_by_avro_c_uncompressed(void **state)
{
    (void)state;
    read_back(DK_CONTAINER_NULL);
}

static void exports_are_read_by_avro_c_with_deflate(void **state)
{
    (void)state;
    read_back(DK_CONTAINER_DEFLATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_are_read_by_avro_c_uncompressed),
        cmocka_unit_test(exports_are_read_by_avro_c_with_deflate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
