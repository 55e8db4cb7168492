/* fuzz_avro_c.c - what we accept, Avro C reads as the same and writes as the same bytes
 *
 * The first byte chooses events or requests. Only what our decoder took is given to Avro C, written
 * anew: it leaks on bad input. DOCKET_AVSC is the folder of the self-contained schemas. */
#include "avro_c_value.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 10, TYPES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static avro_value_iface_t *class_of(const struct codec_family *family, int type)
{
    static avro_value_iface_t *classes[2][TYPES_MAX]; /* kept for the life of the process */
    avro_value_iface_t **class = &classes[family - codec_families][type];

    if (*class == NULL) {
        avro_schema_t schema = avro_schema_load(DOCKET_AVSC, family->shape(type)->name);

        DK_CHECK(schema != NULL);
        *class = avro_generic_class_from_schema(schema);
        DK_CHECK(*class != NULL);
        avro_schema_decref(schema);
    }
    return *class;
}

static void judge(const struct codec_family *family, const union codec_record *record,
                  const struct dk_buf *ours)
{
    int type = family->type_of(record);
    char *theirs = malloc(ours->size);
    avro_reader_t reader =
        avro_reader_memory((const char *)ours->data + HEADER, (int64_t)ours->size - HEADER);
    avro_writer_t writer = avro_writer_memory(theirs, (int64_t)ours->size);
    avro_value_t value;

    DK_CHECK(theirs != NULL && avro_generic_value_new(class_of(family, type), &value) == 0);
    DK_CHECK(avro_value_read(reader, &value) == 0);
    DK_CHECK(avro_difference(&value, family->shape(type), record) == NULL);
    DK_CHECK(avro_value_write(writer, &value) == 0);
    DK_CHECK((size_t)avro_writer_tell(writer) == ours->size - HEADER);
    DK_CHECK(memcmp(theirs, ours->data + HEADER, ours->size - HEADER) == 0);
    avro_value_decref(&value);
    avro_reader_free(reader);
    avro_writer_free(writer);
    free(theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct codec_family *family = &codec_families[size > 0 ? data[0] & 1 : 0];
    union codec_record record;
    uint64_t fingerprint;
    struct dk_arena arena;
    struct dk_buf ours;
    struct dk_err err;
    uint8_t *bytes;

    if (size < 2)
        return 0;
    fingerprint = family->fingerprint(1 + data[1] % (family->type_count - 1));
    bytes = malloc(size + 8);
    DK_CHECK(bytes != NULL);
    bytes[0] = 0xC3;
    bytes[1] = 0x01;
    for (int i = 0; i < 8; i++)
        bytes[2 + i] = (uint8_t)(fingerprint >> (8 * i));
    memcpy(bytes + HEADER, data + 2, size - 2);
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&ours, &dk_heap, (size_t)1 << 30);
    if (family->decode(bytes, size + 8, &arena, &record, &err) == DK_OK) {
        DK_CHECK(family->encode(&record, &ours, &err) == DK_OK);
        judge(family, &record, &ours);
    }
    dk_buf_release(&ours);
    dk_arena_release(&arena);
    free(bytes);
    return 0;
}
