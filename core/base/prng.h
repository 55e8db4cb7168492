/* prng.h - a seeded generator for workloads and tests, the same on every machine
 *
 * xoshiro256** by Blackman and Vigna (public domain description, 2018), seeded by
 * splitmix64. Never used by the core: nothing is decided by chance.
 */
#ifndef DK_BASE_PRNG_H
#define DK_BASE_PRNG_H

#include <stdint.h>

struct dk_prng {
    uint64_t s[4];
};

void dk_prng_init(struct dk_prng *prng, uint64_t seed);
uint64_t dk_prng_next(struct dk_prng *prng);
uint64_t dk_prng_below(struct dk_prng *prng,
                       uint64_t limit); /* 0 .. limit-1, unbiased; limit > 0 */

#endif
