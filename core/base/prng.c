/* prng.c - see prng.h */
#include "base/prng.h"

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void dk_prng_init(struct dk_prng *prng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        prng->s[i] = z ^ (z >> 31);
    }
}

uint64_t dk_prng_next(struct dk_prng *prng)
{
    uint64_t *s = prng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t dk_prng_below(struct dk_prng *prng, uint64_t limit)
{
    uint64_t skip = (0 - limit) % limit; /* the first 2^64 mod limit values would bias */
    uint64_t x;

    do
        x = dk_prng_next(prng);
    while (x < skip);
    return x % limit;
}
