/* text.h - borrowed runs of characters and bytes, not NUL-terminated */
#ifndef DK_BASE_TEXT_H
#define DK_BASE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct dk_text {
    const char *data; /* may be NULL when size is 0 */
    uint32_t size;
};

struct dk_bytes {
    const uint8_t *data;
    uint32_t size;
};

static inline struct dk_text dk_text_of(const char *text)
{
    struct dk_text result = { text, (uint32_t)strlen(text) };
    return result;
}

static inline bool dk_text_equal(struct dk_text a, struct dk_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
