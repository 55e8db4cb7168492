/* pack.c - see pack.h */
#include "batch/pack.h"

#include "base/check.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { DEFLATE_LEVEL = 3, ZSTANDARD_LEVEL = 3, DEFLATE_BITS = -15, STEP = 64 << 10 };

struct dk_packer {
    enum dk_container_codec codec;
    ZSTD_CCtx *to_zstd;
    ZSTD_DCtx *from_zstd;
    z_stream deflate, inflate;
    bool deflates, inflates;
};

static const char *const names[] = { "null", "deflate", "zstandard" };

const char *dk_pack_name(enum dk_container_codec codec)
{
    return names[codec];
}

bool dk_pack_find(const char *name, size_t size, enum dk_container_codec *codec)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0) {
            *codec = (enum dk_container_codec)i;
            return true;
        }
    }
    return false;
}

struct dk_packer *dk_packer_create(enum dk_container_codec codec)
{
    struct dk_packer *packer = dk_alloc_new(&dk_heap, sizeof(*packer));

    memset(packer, 0, sizeof(*packer));
    packer->codec = codec;
    return packer;
}

void dk_packer_destroy(struct dk_packer *packer)
{
    if (packer == NULL)
        return;
    (void)ZSTD_freeCCtx(packer->to_zstd);
    (void)ZSTD_freeDCtx(packer->from_zstd);
    if (packer->deflates)
        (void)deflateEnd(&packer->deflate);
    if (packer->inflates)
        (void)inflateEnd(&packer->inflate);
    dk_alloc_free(&dk_heap, packer, sizeof(*packer));
}

static enum dk_status too_large(const struct dk_buf *out, struct dk_err *err)
{
    return dk_fail(err, DK_TOO_LARGE, "has more than %zu bytes", out->size_max);
}

/* --- deflate --- */

static enum dk_status deflate_all(struct dk_packer *packer, const uint8_t *bytes, size_t size,
                                  struct dk_buf *out, struct dk_err *err)
{
    z_stream *stream = &packer->deflate;
    size_t bound;
    uint8_t *room;

    if (!packer->deflates) {
        DK_CHECK(deflateInit2(stream, DEFLATE_LEVEL, Z_DEFLATED, DEFLATE_BITS, 8,
                              Z_DEFAULT_STRATEGY) == Z_OK);
        packer->deflates = true;
    }
    DK_CHECK(deflateReset(stream) == Z_OK);
    bound = deflateBound(stream, size);
    room = dk_buf_room(out, bound);
    if (room == NULL || size > UINT32_MAX || bound > UINT32_MAX)
        return too_large(out, err);
    stream->next_in = (Bytef *)(uintptr_t)bytes;
    stream->avail_in = (uInt)size;
    stream->next_out = room;
    stream->avail_out = (uInt)bound;
    DK_CHECK(deflate(stream, Z_FINISH) == Z_STREAM_END);
    out->size += bound - stream->avail_out;
    return DK_OK;
}

/* As much room as a step needs, but no more than there may be. */
static uint8_t *room_for_step(struct dk_buf *out, size_t *room)
{
    *room = out->size_max - out->size < STEP ? out->size_max - out->size : STEP;
    return *room > 0 ? dk_buf_room(out, *room) : NULL;
}

static enum dk_status inflate_all(struct dk_packer *packer, const uint8_t *bytes, size_t size,
                                  struct dk_buf *out, struct dk_err *err)
{
    z_stream *stream = &packer->inflate;
    int result = Z_OK;

    if (!packer->inflates) {
        DK_CHECK(inflateInit2(stream, DEFLATE_BITS) == Z_OK);
        packer->inflates = true;
    }
    DK_CHECK(inflateReset(stream) == Z_OK);
    if (size > UINT32_MAX)
        return too_large(out, err);
    stream->next_in = (Bytef *)(uintptr_t)bytes;
    stream->avail_in = (uInt)size;
    while (result == Z_OK) {
        size_t room;

        stream->next_out = room_for_step(out, &room);
        if (stream->next_out == NULL)
            return too_large(out, err);
        stream->avail_out = (uInt)room;
        result = inflate(stream, Z_NO_FLUSH);
        out->size += room - stream->avail_out;
    }
    DK_CHECK(result != Z_MEM_ERROR);
    if (result != Z_STREAM_END || stream->avail_in > 0)
        return dk_fail(err, DK_CORRUPT, "is not what deflate makes");
    return DK_OK;
}

/* --- zstandard --- */

static enum dk_status compress_all(struct dk_packer *packer, const uint8_t *bytes, size_t size,
                                   struct dk_buf *out, struct dk_err *err)
{
    size_t bound = ZSTD_compressBound(size), got;
    uint8_t *room = dk_buf_room(out, bound);

    if (packer->to_zstd == NULL) {
        packer->to_zstd = ZSTD_createCCtx();
        DK_CHECK(packer->to_zstd != NULL);
    }
    if (room == NULL)
        return too_large(out, err);
    got = ZSTD_compressCCtx(packer->to_zstd, room, bound, bytes, size, ZSTANDARD_LEVEL);
    DK_CHECK(!ZSTD_isError(got));
    out->size += got;
    return DK_OK;
}

static enum dk_status decompress_all(struct dk_packer *packer, const uint8_t *bytes, size_t size,
                                     struct dk_buf *out, struct dk_err *err)
{
    ZSTD_inBuffer in = { bytes, size, 0 };
    size_t left = 1;

    if (packer->from_zstd == NULL) {
        packer->from_zstd = ZSTD_createDCtx();
        DK_CHECK(packer->from_zstd != NULL);
    }
    DK_CHECK(!ZSTD_isError(ZSTD_DCtx_reset(packer->from_zstd, ZSTD_reset_session_only)));
    while (left > 0) {
        ZSTD_outBuffer to = { NULL, 0, 0 };
        size_t before = in.pos;

        to.dst = room_for_step(out, &to.size);
        if (to.dst == NULL)
            return too_large(out, err);
        left = ZSTD_decompressStream(packer->from_zstd, &to, &in);
        if (ZSTD_isError(left) || (left > 0 && to.pos == 0 && in.pos == before))
            return dk_fail(err, DK_CORRUPT, "is not what zstandard makes");
        out->size += to.pos;
    }
    return in.pos == in.size
               ? DK_OK
               : dk_fail(err, DK_CORRUPT, "is not what zstandard makes: more follows");
}

/* --- either --- */

static enum dk_status copy(const uint8_t *bytes, size_t size, struct dk_buf *out,
                           struct dk_err *err)
{
    return size == 0 || dk_buf_add(out, bytes, size) ? DK_OK : too_large(out, err);
}

enum dk_status dk_pack(struct dk_packer *packer, const uint8_t *bytes, size_t size,
                       struct dk_buf *out, struct dk_err *err)
{
    dk_buf_clear(out);
    switch (packer->codec) {
    case DK_CONTAINER_DEFLATE:
        return deflate_all(packer, bytes, size, out, err);
    case DK_CONTAINER_ZSTANDARD:
        return compress_all(packer, bytes, size, out, err);
    case DK_CONTAINER_NULL:
    default:
        return copy(bytes, size, out, err);
    }
}

enum dk_status dk_unpack(struct dk_packer *packer, const uint8_t *bytes, size_t size,
                         struct dk_buf *out, struct dk_err *err)
{
    dk_buf_clear(out);
    switch (packer->codec) {
    case DK_CONTAINER_DEFLATE:
        return inflate_all(packer, bytes, size, out, err);
    case DK_CONTAINER_ZSTANDARD:
        return decompress_all(packer, bytes, size, out, err);
    case DK_CONTAINER_NULL:
    default:
        return copy(bytes, size, out, err);
    }
}
