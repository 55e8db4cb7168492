/* hash.c - see hash.h; the scalar code path, so that no vector register is touched */
#include "sched/hash.h"

#define XXH_INLINE_ALL
#define XXH_VECTOR XXH_SCALAR
#define XXH_NO_STREAM
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wswitch-enum"
#include <xxhash.h>
#pragma GCC diagnostic pop

uint64_t dk_hash(enum dk_hash_kind kind, const void *bytes, size_t size)
{
    return XXH3_64bits_withSeed(bytes, size, (uint64_t)kind * 0x9e3779b97f4a7c15u);
}
