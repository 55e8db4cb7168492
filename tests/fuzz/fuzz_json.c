/* fuzz_json.c - the client's reader over any bytes: ends, stays inside, and skips what it reads
 *
 * The first byte says how long a name and a text may be. */
#include "base/check.h"
#include "cli/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t room;

static void read_scalar(struct dk_json *json)
{
    struct dk_json again = *json;
    char *text = malloc(room);
    struct dk_buf whole;

    DK_CHECK(text != NULL);
    dk_buf_init(&whole, &dk_heap, (size_t)1 << 20);
    (void)dk_json_take_number(&again);
    again = *json;
    (void)dk_json_add_text(&again, &whole);
    dk_json_take_text(json, text, room);
    DK_CHECK(memchr(text, 0, room) != NULL && json->at == again.at && json->bad == again.bad);
    dk_buf_release(&whole);
    free(text);
}

/* NOLINTNEXTLINE(misc-no-recursion): the reader's depth has a limit */
static void read_value(struct dk_json *json)
{
    struct dk_json skipped = *json;
    char *name = malloc(room), c = dk_json_peek(json);
    const char *from;

    DK_CHECK(name != NULL);
    dk_json_skip_from(&skipped, &from);
    DK_CHECK(from <= skipped.at && skipped.at <= skipped.end);
    if (c == '{')
        for (dk_json_enter(json, c); dk_json_key(json, name, room);)
            read_value(json);
    else if (c == '[')
        for (dk_json_enter(json, c); dk_json_item(json);)
            read_value(json);
    else
        read_scalar(json);
    DK_CHECK(json->bad || (!skipped.bad && json->at == skipped.at));
    free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_json json;
    char *copy;

    if (size < 1 || size > 4096) /* each depth is read once more by skipping */
        return 0;
    room = 1 + data[0] % 64;
    copy = malloc(size);
    DK_CHECK(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    dk_json_begin(&json, copy, size - 1);
    read_value(&json);
    DK_CHECK(json.at <= json.end);
    free(copy);
    return 0;
}
