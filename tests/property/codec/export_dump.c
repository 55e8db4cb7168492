/* export_dump.c - random exports, one for each codec, and the events as lines of JSON
 *
 *     export_dump DIR      writes DIR/null.avro, DIR/deflate.avro, DIR/zstandard.avro */
#include "random_export.h"

#include <stdio.h>

static void print(void *context, const union codec_record *record)
{
    struct dk_buf json;

    dk_buf_init(&json, &dk_heap, 1 << 24);
    if (*(int *)context == 0 && codec_families[0].print(record, &json))
        (void)printf("%.*s\n", (int)json.size, (const char *)json.data);
    dk_buf_release(&json);
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "null", "deflate", "zstandard" };

    for (int codec = 0; argc == 2 && codec < 3; codec++) {
        char path[4096];
        struct dk_err err;

        (void)snprintf(path, sizeof(path), "%s/%s.avro", argv[1], names[codec]);
        if (random_export(path, (enum dk_container_codec)codec, 4711, print, &codec, &err) !=
            DK_OK) {
            (void)fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    }
    return argc == 2 ? 0 : 2;
}
