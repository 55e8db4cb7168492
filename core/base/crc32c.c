/* crc32c.c - see crc32c.h
 *
 * With SSE 4.2 three streams run side by side: the instruction takes three
 * cycles but one can start each cycle. Short inputs, and what is left over, go
 * through one stream. The three results are joined by moving a checksum over a
 * fixed run of zero bytes, which is linear and so a table of 4 x 256 entries.
 *
 * Without it: eight bytes at a time through eight tables. Those too are linear: the entry
 * of a byte is the exclusive or of the entries of its bits, so 64 numbers say it all and
 * the compiler writes out the rest. Nothing is built at run time, so no thread waits.
 */
#include "base/crc32c.h"

#include <string.h>

#define BIT(b, i, value) ((((b) >> (i)) & 1u) != 0 ? (value) : 0u)
#define ENTRY(b, e0, e1, e2, e3, e4, e5, e6, e7)                                                   \
    (BIT(b, 0, e0) ^ BIT(b, 1, e1) ^ BIT(b, 2, e2) ^ BIT(b, 3, e3) ^ BIT(b, 4, e4) ^               \
     BIT(b, 5, e5) ^ BIT(b, 6, e6) ^ BIT(b, 7, e7))

/* BASISk: the checksum of one bit of a byte that is followed by k zero bytes. */
#define BASIS0(b)                                                                                  \
    ENTRY(b, 0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc,   \
          0x82f63b78)
#define BASIS1(b)                                                                                  \
    ENTRY(b, 0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604,   \
          0xfbc3faf9)
#define BASIS2(b)                                                                                  \
    ENTRY(b, 0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9,   \
          0x8b277743)
#define BASIS3(b)                                                                                  \
    ENTRY(b, 0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7,   \
          0x52a0c93f)
#define BASIS4(b)                                                                                  \
    ENTRY(b, 0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae,   \
          0x6ea2d55c)
#define BASIS5(b)                                                                                  \
    ENTRY(b, 0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb,   \
          0x1c08b7d6)
#define BASIS6(b)                                                                                  \
    ENTRY(b, 0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a,   \
          0xf56e0ef4)
#define BASIS7(b)                                                                                  \
    ENTRY(b, 0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32,   \
          0x34019664)

#define ROW4(f, b) f((b) + 0u), f((b) + 1u), f((b) + 2u), f((b) + 3u)
#define ROW16(f, b) ROW4(f, b), ROW4(f, (b) + 4u), ROW4(f, (b) + 8u), ROW4(f, (b) + 12u)
#define ROW64(f, b) ROW16(f, b), ROW16(f, (b) + 16u), ROW16(f, (b) + 32u), ROW16(f, (b) + 48u)
#define ROW256(f) ROW64(f, 0u), ROW64(f, 64u), ROW64(f, 128u), ROW64(f, 192u)

static const uint32_t tables[8][256] = {
    { ROW256(BASIS0) }, { ROW256(BASIS1) }, { ROW256(BASIS2) }, { ROW256(BASIS3) },
    { ROW256(BASIS4) }, { ROW256(BASIS5) }, { ROW256(BASIS6) }, { ROW256(BASIS7) },
};

static uint32_t load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

uint32_t dk_crc32c_portable(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    crc = ~crc;
    for (; size >= 8; size -= 8, at += 8) {
        uint32_t low = load_u32(at) ^ crc, high = load_u32(at + 4);

        crc = tables[7][low & 255] ^ tables[6][(low >> 8) & 255] ^ tables[5][(low >> 16) & 255] ^
              tables[4][low >> 24] ^ tables[3][high & 255] ^ tables[2][(high >> 8) & 255] ^
              tables[1][(high >> 16) & 255] ^ tables[0][high >> 24];
    }
    for (; size > 0; size--, at++)
        crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 255];
    return ~crc;
}

#if defined(__x86_64__)

#include <nmmintrin.h>

#define LANE_SIZE 1024u /* bytes a stream takes in one round; the ZEROS tables belong to it */

/* What each bit of a checksum becomes after LANE_SIZE zero bytes; one line a byte of it. */
#define ZEROS0(b)                                                                                  \
    ENTRY(b, 0xfe314258, 0xf98ef241, 0xf6f19273, 0xe80f5217, 0xd5f2d2df, 0xae09d34f, 0x59ffd06f,   \
          0xb3ffa0de)
#define ZEROS1(b)                                                                                  \
    ENTRY(b, 0x6213374d, 0xc4266e9a, 0x8da0abc5, 0x1ead217b, 0x3d5a42f6, 0x7ab485ec, 0xf5690bd8,   \
          0xef3e6141)
#define ZEROS2(b)                                                                                  \
    ENTRY(b, 0xdb90b473, 0xb2cd1e17, 0x60764adf, 0xc0ec95be, 0x84355d8d, 0x0d86cdeb, 0x1b0d9bd6,   \
          0x361b37ac)
#define ZEROS3(b)                                                                                  \
    ENTRY(b, 0x6c366f58, 0xd86cdeb0, 0xb535cb91, 0x6f87e1d3, 0xdf0fc3a6, 0xbbf3f1bd, 0x720b958b,   \
          0xe4172b16)

static const uint32_t zeros[4][256] = {
    { ROW256(ZEROS0) },
    { ROW256(ZEROS1) },
    { ROW256(ZEROS2) },
    { ROW256(ZEROS3) },
};

static uint32_t over_zeros(uint32_t crc)
{
    return zeros[0][crc & 255] ^ zeros[1][(crc >> 8) & 255] ^ zeros[2][(crc >> 16) & 255] ^
           zeros[3][crc >> 24];
}

static uint64_t load_u64(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value)); /* x86 is little-endian and reads from anywhere */
    return value;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t start, const void *bytes,
                                                               size_t size)
{
    const uint8_t *at = bytes;
    uint64_t crc = (uint32_t)~start;

    while (size >= 3 * LANE_SIZE) {
        uint64_t second = 0, third = 0;

        for (size_t i = 0; i < LANE_SIZE; i += 8) {
            crc = _mm_crc32_u64(crc, load_u64(at + i));
            second = _mm_crc32_u64(second, load_u64(at + LANE_SIZE + i));
            third = _mm_crc32_u64(third, load_u64(at + 2 * LANE_SIZE + i));
        }
        crc = over_zeros((uint32_t)crc) ^ second;
        crc = over_zeros((uint32_t)crc) ^ third;
        at += 3 * LANE_SIZE;
        size -= 3 * LANE_SIZE;
    }
    for (; size >= 8; size -= 8, at += 8)
        crc = _mm_crc32_u64(crc, load_u64(at));
    for (; size > 0; size--, at++)
        crc = _mm_crc32_u8((uint32_t)crc, *at);
    return ~(uint32_t)crc;
}
#endif

uint32_t dk_crc32c(uint32_t crc, const void *bytes, size_t size)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_sse42(crc, bytes, size);
#endif
    return dk_crc32c_portable(crc, bytes, size);
}
