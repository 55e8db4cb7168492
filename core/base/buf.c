/* buf.c - see buf.h */
#include "base/buf.h"

#include <string.h>

void dk_buf_init(struct dk_buf *buf, const struct dk_alloc *alloc, size_t size_max)
{
    memset(buf, 0, sizeof(*buf));
    buf->alloc = alloc;
    buf->size_max = size_max;
}

void dk_buf_release(struct dk_buf *buf)
{
    dk_alloc_free(buf->alloc, buf->data, buf->capacity);
    buf->data = NULL;
    buf->size = buf->capacity = 0;
}

uint8_t *dk_buf_grow(struct dk_buf *buf, size_t size)
{
    size_t wanted = buf->capacity < 256 ? 256 : buf->capacity;

    if (size > buf->size_max - buf->size)
        return NULL;
    while (wanted - buf->size < size)
        wanted = wanted > buf->size_max / 2 ? buf->size_max : wanted * 2;
    if (wanted > buf->size_max)
        wanted = buf->size_max;
    buf->data = buf->alloc->resize(buf->alloc->ctx, buf->data, buf->capacity, wanted);
    buf->capacity = wanted;
    return buf->data + buf->size;
}

bool dk_buf_add(struct dk_buf *buf, const void *bytes, size_t size)
{
    uint8_t *room;

    if (size == 0)
        return true;
    room = dk_buf_room(buf, size);
    if (room == NULL)
        return false;
    memcpy(room, bytes, size);
    buf->size += size;
    return true;
}

bool dk_buf_add_text(struct dk_buf *buf, const char *text)
{
    return dk_buf_add(buf, text, strlen(text));
}
