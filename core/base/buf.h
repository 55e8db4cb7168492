/* buf.h - a byte buffer that is born with its maximum
 *
 * dk_buf_room makes room for `size` more bytes and returns where they go, or
 * NULL when the buffer would pass its maximum; dk_buf_add copies. The contents
 * stay put until the next call that makes room.
 */
#ifndef DK_BASE_BUF_H
#define DK_BASE_BUF_H

#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>

struct dk_buf {
    const struct dk_alloc *alloc;
    uint8_t *data;
    size_t size, capacity, size_max;
};

void dk_buf_init(struct dk_buf *buf, const struct dk_alloc *alloc, size_t size_max);
void dk_buf_release(struct dk_buf *buf);
uint8_t *dk_buf_grow(struct dk_buf *buf, size_t size); /* the slow path of room */
bool dk_buf_add(struct dk_buf *buf, const void *bytes, size_t size);
bool dk_buf_add_text(struct dk_buf *buf, const char *text);

static inline uint8_t *dk_buf_room(struct dk_buf *buf, size_t size)
{
    if (__builtin_expect(buf->capacity - buf->size < size, 0))
        return dk_buf_grow(buf, size);
    return buf->data + buf->size;
}

static inline void dk_buf_clear(struct dk_buf *buf)
{
    buf->size = 0;
}

#endif
