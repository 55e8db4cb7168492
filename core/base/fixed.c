/* fixed.c - see fixed.h */
#include "base/fixed.h"

/* x is scaled to a mantissa m in [1, 2) with 63 bits behind the point. log2(m): square m; if
 * the square is 2 or more the next digit is 1, and m is halved. */
uint64_t dk_log2_fixed(uint64_t x)
{
    int whole = dk_log2_floor(x);
    uint64_t mantissa = x << (63 - whole);
    uint64_t result = (uint64_t)whole;

    if ((x & (x - 1)) == 0)
        return result << DK_LOG_FRACTION;
    for (int i = 0; i < DK_LOG_FRACTION; i++) {
        dk_u128 square = (dk_u128)mantissa * mantissa; /* 126 bits behind the point */
        uint64_t digit = (uint64_t)(square >> 127);

        result = (result << 1) | digit;
        mantissa = (uint64_t)(square >> (63 + digit));
    }
    return result;
}

uint64_t dk_log10_fixed(uint64_t x)
{
    static const uint64_t log10_of_2 = 0x4d104d427de7fbcc; /* 2^64 log10(2), rounded down */

    uint64_t result = (uint64_t)(((dk_u128)dk_log2_fixed(x) * log10_of_2) >> 64);

    return (result + 4) & ~(uint64_t)7; /* so that powers of ten are exact */
}
