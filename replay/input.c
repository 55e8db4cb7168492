/* input.c - plain, gzip and zstd behind one read call
 *
 * One source buffer is filled from the file; a decoder turns it into what the caller
 * sees. gzip files may consist of several members (that is what `cat a.gz b.gz` and pigz
 * make) and may be padded with zeros (tapes); anything else behind a member is damage. */
#include "replay/input.h"

#include "base/alloc.h"
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#define ZLIB_CONST /* next_in does not change what it points to */
#include <zlib.h>
#include <zstd.h>

enum { SOURCE_SIZE = 256 * 1024, MAGIC_SIZE = 4 };

struct dk_input {
    enum { INPUT_PLAIN, INPUT_GZIP, INPUT_ZSTD } format;
    int file; /* -1: the source is the caller's memory */
    bool at_end;
    bool in_frame; /* a compressed member or frame has begun and not ended */
    const unsigned char *next, *limit;
    z_stream gzip;
    ZSTD_DStream *zstd;
    unsigned char source[SOURCE_SIZE];
};

static enum dk_status fill(struct dk_input *input, struct dk_err *err)
{
    size_t left = (size_t)(input->limit - input->next);

    if (input->at_end || input->file < 0)
        return input->at_end = true, DK_OK;
    memmove(input->source, input->next, left);
    for (;;) {
        ssize_t n = read(input->file, input->source + left, SOURCE_SIZE - left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dk_fail(err, DK_IO, "cannot be read: %s", strerror(errno));
        input->at_end = n == 0;
        input->next = input->source;
        input->limit = input->source + left + (size_t)n;
        return DK_OK;
    }
}

static enum dk_status recognise(struct dk_input *input, struct dk_err *err)
{
    static const unsigned char zstd_magic[MAGIC_SIZE] = { 0x28, 0xb5, 0x2f, 0xfd };
    enum dk_status status = DK_OK;

    while (status == DK_OK && !input->at_end && input->limit - input->next < MAGIC_SIZE)
        status = fill(input, err);
    if (status != DK_OK)
        return status;
    if (input->limit - input->next >= 2 && input->next[0] == 0x1f && input->next[1] == 0x8b) {
        input->format = INPUT_GZIP;
        DK_CHECK(inflateInit2(&input->gzip, 16 + MAX_WBITS) == Z_OK);
    } else if (input->limit - input->next >= MAGIC_SIZE &&
               memcmp(input->next, zstd_magic, MAGIC_SIZE) == 0) {
        input->format = INPUT_ZSTD;
        input->zstd = ZSTD_createDStream();
        DK_CHECK(input->zstd != NULL);
    }
    input->in_frame = input->format != INPUT_PLAIN;
    return DK_OK;
}

static enum dk_status start(struct dk_input **out, struct dk_input *input, struct dk_err *err)
{
    enum dk_status status = recognise(input, err);

    if (status != DK_OK) {
        dk_input_destroy(input);
        input = NULL;
    }
    *out = input;
    return status;
}

static struct dk_input *new_input(void)
{
    struct dk_input *input = dk_alloc_new(&dk_heap, sizeof(*input));

    memset(input, 0, offsetof(struct dk_input, source));
    input->file = -1;
    input->next = input->limit = input->source;
    return input;
}

enum dk_status dk_input_open(struct dk_input **out, const char *path, struct dk_err *err)
{
    int file = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct dk_input *input;

    *out = NULL;
    if (file < 0)
        return dk_fail(err, errno == ENOENT ? DK_NOT_FOUND : DK_IO, "cannot be opened: %s",
                       strerror(errno));
    input = new_input();
    input->file = file;
    return start(out, input, err);
}

enum dk_status dk_input_open_memory(struct dk_input **out, const void *bytes, size_t size,
                                    struct dk_err *err)
{
    struct dk_input *input = new_input();

    if (size > 0) {
        input->next = bytes;
        input->limit = input->next + size;
    }
    input->at_end = true;
    return start(out, input, err);
}

/* After a gzip member: another one, the end, or padding. */
static enum dk_status next_member(struct dk_input *input, struct dk_err *err)
{
    for (;;) {
        enum dk_status status;

        while (input->next < input->limit && *input->next == 0)
            input->next++;
        if (input->limit - input->next >= 2) {
            if (input->next[0] != 0x1f || input->next[1] != 0x8b)
                return dk_fail(err, DK_CORRUPT, "bytes behind the gzip data are not gzip");
            DK_CHECK(inflateReset(&input->gzip) == Z_OK);
            input->in_frame = true;
            return DK_OK;
        }
        if (input->at_end)
            return input->next == input->limit
                       ? DK_OK
                       : dk_fail(err, DK_CORRUPT, "stray byte behind the gzip data");
        status = fill(input, err);
        if (status != DK_OK)
            return status;
    }
}

static enum dk_status decode_gzip(struct dk_input *input, unsigned char *bytes, size_t size,
                                  size_t *got, struct dk_err *err)
{
    z_stream *z = &input->gzip;
    int result;

    z->next_in = input->next;
    z->avail_in = (uInt)(input->limit - input->next);
    z->next_out = bytes;
    z->avail_out = (uInt)size;
    result = inflate(z, Z_NO_FLUSH);
    input->next = input->limit - z->avail_in;
    *got = size - z->avail_out;
    if (result == Z_STREAM_END) {
        input->in_frame = false;
        return next_member(input, err);
    }
    if (result != Z_OK && result != Z_BUF_ERROR)
        return dk_fail(err, DK_CORRUPT, "damaged gzip: %s",
                       z->msg != NULL ? z->msg : "cannot be decompressed");
    return DK_OK;
}

static enum dk_status decode_zstd(struct dk_input *input, unsigned char *bytes, size_t size,
                                  size_t *got, struct dk_err *err)
{
    ZSTD_inBuffer in = { input->next, (size_t)(input->limit - input->next), 0 };
    ZSTD_outBuffer out = { bytes, size, 0 };
    size_t hint = ZSTD_decompressStream(input->zstd, &out, &in);

    if (ZSTD_isError(hint))
        return dk_fail(err, DK_CORRUPT, "damaged zstd: %s", ZSTD_getErrorName(hint));
    input->next += in.pos;
    *got = out.pos;
    input->in_frame = hint != 0;
    return DK_OK;
}

static enum dk_status copy_plain(struct dk_input *input, unsigned char *bytes, size_t size,
                                 size_t *got)
{
    size_t left = (size_t)(input->limit - input->next);

    *got = left < size ? left : size;
    if (*got > 0)
        memcpy(bytes, input->next, *got);
    input->next += *got;
    return DK_OK;
}

enum dk_status dk_input_read(struct dk_input *input, void *bytes, size_t size, size_t *got,
                             struct dk_err *err)
{
    enum dk_status status = DK_OK;

    DK_CHECK(size > 0 && size <= UINT32_MAX);
    *got = 0;
    for (;;) {
        const unsigned char *before;

        if (input->next == input->limit && !input->at_end)
            status = fill(input, err);
        if (status != DK_OK)
            return status;
        before = input->next;
        switch (input->format) {
        case INPUT_PLAIN:
            status = copy_plain(input, bytes, size, got);
            break;
        case INPUT_GZIP:
            if (input->in_frame)
                status = decode_gzip(input, bytes, size, got, err);
            break;
        case INPUT_ZSTD: /* with no input it may still hold output */
            if (input->in_frame || input->next < input->limit)
                status = decode_zstd(input, bytes, size, got, err);
            break;
        }
        if (status != DK_OK || *got > 0)
            return status;
        if (input->next != before || !input->at_end)
            continue;
        if (input->in_frame)
            return dk_fail(err, DK_TORN, "cut short: %s data ends in the middle",
                           input->format == INPUT_GZIP ? "gzip" : "zstd");
        return DK_OK;
    }
}

void dk_input_destroy(struct dk_input *input)
{
    if (input == NULL)
        return;
    if (input->format == INPUT_GZIP)
        (void)inflateEnd(&input->gzip);
    ZSTD_freeDStream(input->zstd);
    if (input->file >= 0)
        (void)close(input->file);
    dk_alloc_free(&dk_heap, input, sizeof(*input));
}
