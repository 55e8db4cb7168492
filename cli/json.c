/* json.c - see json.h */
#include "cli/json.h"

#include <stdlib.h>
#include <string.h>

void dk_json_begin(struct dk_json *json, const void *data, size_t size)
{
    *json = (struct dk_json){ .at = data, .end = (const char *)data + size };
}

static bool spoil(struct dk_json *json)
{
    json->bad = true;
    json->at = json->end;
    return false;
}

char dk_json_peek(struct dk_json *json)
{
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r'))
        json->at++;
    return json->at < json->end ? *json->at : '\0';
}

static bool take(struct dk_json *json, char c)
{
    if (dk_json_peek(json) != c || c == '\0')
        return false;
    json->at++;
    return true;
}

bool dk_json_enter(struct dk_json *json, char bracket)
{
    if (json->depth + 1 >= DK_JSON_DEPTH_MAX || !take(json, bracket))
        return spoil(json);
    json->depth++;
    json->filled &= ~(UINT64_C(1) << json->depth);
    return true;
}

/* Before the next item of the innermost container: true; or behind its end. */
static bool advance(struct dk_json *json, char closing)
{
    uint64_t bit = UINT64_C(1) << json->depth;

    if (json->bad)
        return false;
    if (json->depth == 0)
        return spoil(json);
    if (take(json, closing)) {
        json->depth--;
        return false;
    }
    if ((json->filled & bit) != 0 && !take(json, ','))
        return spoil(json);
    json->filled |= bit;
    return true;
}

bool dk_json_item(struct dk_json *json)
{
    return advance(json, ']');
}

/* --- texts --- */

struct out { /* where a text goes: into a buffer, or into room that may be too small */
    struct dk_buf *buf;
    char *room;
    size_t size, used;
    bool full;
};

static void put(struct out *out, const char *bytes, size_t size)
{
    if (out->buf != NULL) {
        out->full = !dk_buf_add(out->buf, bytes, size) || out->full;
        return;
    }
    if (out->full || size >= out->size - out->used) { /* whole characters only */
        out->full = true;
        return;
    }
    memcpy(out->room + out->used, bytes, size);
    out->used += size;
}

static void put_code(struct out *out, uint32_t code)
{
    char bytes[4];

    if (code < 0x80) {
        bytes[0] = (char)code;
        put(out, bytes, 1);
    } else if (code < 0x800) {
        bytes[0] = (char)(0xc0 | code >> 6);
        bytes[1] = (char)(0x80 | (code & 0x3f));
        put(out, bytes, 2);
    } else if (code < 0x10000) {
        bytes[0] = (char)(0xe0 | code >> 12);
        bytes[1] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[2] = (char)(0x80 | (code & 0x3f));
        put(out, bytes, 3);
    } else {
        bytes[0] = (char)(0xf0 | code >> 18);
        bytes[1] = (char)(0x80 | (code >> 12 & 0x3f));
        bytes[2] = (char)(0x80 | (code >> 6 & 0x3f));
        bytes[3] = (char)(0x80 | (code & 0x3f));
        put(out, bytes, 4);
    }
}

/* Four hexadecimal digits. */
static bool take_unit(struct dk_json *json, uint32_t *unit)
{
    *unit = 0;
    if (json->end - json->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = *json->at++;

        *unit <<= 4;
        if (c >= '0' && c <= '9')
            *unit |= (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            *unit |= (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
    }
    return true;
}

static bool take_escape(struct dk_json *json, struct out *out)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *found;
    uint32_t code, low;
    char c;

    if (json->at >= json->end)
        return false;
    c = *json->at++;
    if (c != 'u') {
        found = memchr(names, c, sizeof(names) - 1);
        if (found == NULL)
            return false;
        put(out, values + (found - names), 1);
        return true;
    }
    if (!take_unit(json, &code))
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (json->end - json->at < 6 || json->at[0] != '\\' || json->at[1] != 'u')
            return false;
        json->at += 2;
        if (!take_unit(json, &low) || low < 0xdc00 || low >= 0xe000)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    put_code(out, code);
    return true;
}

static bool take_string(struct dk_json *json, struct out *out)
{
    if (!take(json, '"'))
        return spoil(json);
    for (;;) {
        const char *start = json->at;

        while (json->at < json->end && *json->at != '"' && *json->at != '\\')
            json->at++;
        if (json->at >= json->end)
            return spoil(json);
        put(out, start, (size_t)(json->at - start));
        if (*json->at++ == '"')
            return true;
        if (!take_escape(json, out))
            return spoil(json);
    }
}

/* true, null, -12.5e3: up to what cannot belong to it. */
static void take_word(struct dk_json *json, struct out *out)
{
    const char *start;
    size_t size;

    (void)dk_json_peek(json);
    start = json->at;
    while (json->at < json->end && strchr(",:]} \n\t\r", *json->at) == NULL)
        json->at++;
    size = (size_t)(json->at - start);
    if (size == 0 || strchr("tfn-0123456789", *start) == NULL)
        spoil(json);
    else if (*start != 'n')
        put(out, start, size);
}

static void take_scalar(struct dk_json *json, struct out *out)
{
    if (json->bad)
        return;
    if (dk_json_peek(json) == '"')
        (void)take_string(json, out);
    else
        take_word(json, out);
}

void dk_json_take_text(struct dk_json *json, char *text, size_t size)
{
    struct out out = { .room = text, .size = size };

    take_scalar(json, &out);
    text[json->bad ? 0 : out.used] = '\0';
}

bool dk_json_add_text(struct dk_json *json, struct dk_buf *buf)
{
    struct out out = { .buf = buf };

    take_scalar(json, &out);
    return !out.full && !json->bad;
}

int64_t dk_json_take_number(struct dk_json *json)
{
    char text[48];

    dk_json_take_text(json, text, sizeof(text));
    return text[0] == 't' ? 1 : strtoll(text, NULL, 10);
}

bool dk_json_key(struct dk_json *json, char *key, size_t size)
{
    struct out out = { .room = key, .size = size };

    key[0] = '\0';
    if (!advance(json, '}') || !take_string(json, &out))
        return false;
    key[out.used] = '\0';
    return take(json, ':') ? true : spoil(json);
}

void dk_json_skip_from(struct dk_json *json, const char **from)
{
    struct out out = { .room = (char[1]){ 0 }, .size = 1 };
    uint32_t depth = 0;

    (void)dk_json_peek(json);
    if (from != NULL)
        *from = json->at;
    do { /* brackets are counted, not matched: our own servers wrote this */
        char c = dk_json_peek(json);

        if (c == '{' || c == '[')
            depth++;
        else if (depth > 0 && (c == '}' || c == ']'))
            depth--;
        if (c != '\0' && strchr("{[}],:", c) != NULL && (depth > 0 || c == '}' || c == ']'))
            json->at++;
        else
            take_scalar(json, &out);
    } while (depth > 0 && !json->bad);
}

void dk_json_skip(struct dk_json *json)
{
    dk_json_skip_from(json, NULL);
}
