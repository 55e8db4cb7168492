/* fixed.h - numbers without floating point: 128-bit keys, logarithms
 *
 * Everything that a decision depends on is an integer. Where a published formula has a logarithm
 * it is taken in fixed point, to more bits than an IEEE double has.
 */
#ifndef DK_BASE_FIXED_H
#define DK_BASE_FIXED_H

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef __int128 dk_i128;
__extension__ typedef unsigned __int128 dk_u128;

#define DK_LOG_FRACTION 57 /* bits behind the point of dk_log2_fixed and dk_log10_fixed */

/* log2(x) and log10(x), x > 0, with 57 bits behind the point; error below 2^-54. log2 is exact for
 * powers of two, log10 (rounded at 2^-54) for powers of ten. The binary
 * digits come from repeated squaring (Knuth, TAOCP 1, 1.2.2, exercise 28). */
uint64_t dk_log2_fixed(uint64_t x);
uint64_t dk_log10_fixed(uint64_t x);

/* floor(log2(x)), x > 0 */
static inline int dk_log2_floor(uint64_t x)
{
    return 63 - __builtin_clzll(x);
}

static inline int64_t dk_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t dk_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a + b: at the ends of the range instead of past them. Times: INT64_MAX means never. */
static inline int64_t dk_add_saturated(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

#endif
