/* fuzz_codec.h - what fuzz_event.c and fuzz_request.c have in common */
#ifndef DK_FUZZ_CODEC_H
#define DK_FUZZ_CODEC_H

#include "base/check.h"
#include "random_event.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_bytes(const struct codec_family *family, const uint8_t *data, size_t size)
{
    union codec_record record, again;
    struct dk_arena arena;
    struct dk_buf out;
    struct dk_err err;

    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, (size_t)1 << 30);
    if (family->decode(data, size, &arena, &record, &err) == DK_OK) {
        DK_CHECK(family->print(&record, &out));
        dk_buf_clear(&out);
        DK_CHECK(family->encode(&record, &out, &err) == DK_OK);
        DK_CHECK(family->decode(out.data, out.size, &arena, &again, &err) == DK_OK);
        DK_CHECK(record_difference(family, &record, &again) == NULL);
    }
    dk_buf_release(&out);
    dk_arena_release(&arena);
}

static void fuzz_codec(const struct codec_family *family, const uint8_t *data, size_t size)
{
    uint64_t fingerprint;
    uint8_t *bytes;
    int i, type;

    if (size < 2 || data[0] == 0xC3) {
        fuzz_bytes(family, data, size);
        return;
    }
    type = 1 + (data[0] | data[1] << 8) % (family->type_count - 1);
    fingerprint = family->fingerprint(type);
    bytes = malloc(size + 8);
    DK_CHECK(bytes != NULL);
    bytes[0] = 0xC3;
    bytes[1] = 0x01;
    for (i = 0; i < 8; i++)
        bytes[2 + i] = (uint8_t)(fingerprint >> (8 * i));
    memcpy(bytes + 10, data + 2, size - 2);
    fuzz_bytes(family, bytes, size + 8);
    free(bytes);
}

#endif
