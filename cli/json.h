/* json.h - reading our own servers' JSON as a stream, without building it
 *
 * A reader stands before a value. Each function takes one value (or goes into or out of a
 * container) and moves on. After the first thing that is not as asked for, the reader is `bad`,
 * every further call does nothing and says so: one look at the end is enough.
 *
 *     dk_json_begin(&json, data, size);
 *     for (dk_json_enter(&json, '{'); dk_json_key(&json, key, sizeof(key));)
 *         if (strcmp(key, "seq") == 0)
 *             seq = dk_json_take_number(&json);
 *         else
 *             dk_json_skip(&json);
 *     if (json.bad) ...
 */
#ifndef DK_CLI_JSON_H
#define DK_CLI_JSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DK_JSON_DEPTH_MAX = 64 };

struct dk_json {
    const char *at, *end;
    bool bad;
    uint32_t depth; /* containers entered; bit `depth` of `filled`: it has had an item */
    uint64_t filled;
};

void dk_json_begin(struct dk_json *json, const void *data, size_t size);

/* The next value's first character without taking it: one of { [ " t f n - 0...9; 0: none. */
char dk_json_peek(struct dk_json *json);

bool dk_json_enter(struct dk_json *json, char bracket); /* '{' or '[' */

/* In an object: true and the next name, cut to `size`; false: it is over, and we are behind it. */
bool dk_json_key(struct dk_json *json, char *key, size_t size);
bool dk_json_item(struct dk_json *json); /* the same in an array */

/* Whole numbers; a fraction is cut off. null, true, false, and a text that is a number count. */
int64_t dk_json_take_number(struct dk_json *json);

/* A text decoded, or any other scalar as it is written (null: empty); cut to `size`, and ended. */
void dk_json_take_text(struct dk_json *json, char *out, size_t size);
bool dk_json_add_text(struct dk_json *json, struct dk_buf *out); /* not cut; no NUL at its end */

/* Over any value; the span that it had is *from to json->at when `from` is not NULL. */
void dk_json_skip_from(struct dk_json *json, const char **from);
void dk_json_skip(struct dk_json *json);

#endif
