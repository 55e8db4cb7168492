/* codec_dump.c - random records as lines "name, bytes in hex, json": for other implementations */
#include "random_event.h"

#include <stdio.h>

enum { ROUNDS = 40 };

int main(void)
{
    struct dk_prng prng;
    struct dk_arena arena;
    struct dk_buf bytes, json;
    struct dk_err err;
    size_t family, i;
    int round, type;

    dk_prng_init(&prng, 4711);
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&bytes, &dk_heap, 1 << 24);
    dk_buf_init(&json, &dk_heap, 1 << 24);
    for (family = 0; family < 2; family++) {
        const struct codec_family *one = &codec_families[family];

        for (round = 0; round < ROUNDS; round++) {
            for (type = 1; type < one->type_count; type++) {
                union codec_record record;

                dk_arena_reset(&arena);
                dk_buf_clear(&bytes);
                dk_buf_clear(&json);
                random_record(one, type, &prng, &arena, &record);
                if (one->encode(&record, &bytes, &err) != DK_OK || !one->print(&record, &json))
                    return 1;
                printf("%s ", one->shape(type)->name);
                for (i = 0; i < bytes.size; i++)
                    printf("%02x", bytes.data[i]);
                printf(" %.*s\n", (int)json.size, (const char *)json.data);
            }
        }
    }
    dk_buf_release(&json);
    dk_buf_release(&bytes);
    dk_arena_release(&arena);
    return 0;
}
