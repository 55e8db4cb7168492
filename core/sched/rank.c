/* rank.c - WFP3 and UNICEP: orders that move as time passes
 *
 *     wfp3     value = (w/r)^3 * n                              w waited, r limit (seconds), n
 * cores unicep   value = (w + 1e-15) / (log2(n + 1e-15) * r)      highest value first, then lowest
 * id
 *
 * The policies were published, and their results are compared everywhere, in IEEE 754 double
 * precision: where two values are nearly equal, or equal on paper, it is its rounding that says
 * which is the higher. So the value is defined here as IEEE defines it: each operation, left to
 * right, is exact and then rounded to 53 bits, ties to even. That takes integers only and gives the
 * same order on every machine, and the same as any simulator's. (UNICEP's 1e-15 keeps it from
 * dividing by log2(1) = 0; in doubles log2(1 + 1e-15) is 1.6e-15, so a serial job that has waited
 * outranks every parallel one.)
 */
#include "sched/pass.h"

#define HIDDEN_BIT ((uint64_t)1 << 52)

/* mantissa * 2^exponent, the mantissa of 53 bits with its top bit set; or 0 */
struct rounded {
    uint64_t mantissa;
    int exponent;
};

/* value * 2^exponent to 53 bits; `sticky`: there is something below the last bit of value. */
static struct rounded round_to_53(dk_u128 value, int exponent, bool sticky)
{
    struct rounded result = { 0, 0 };
    uint64_t high = (uint64_t)(value >> 64);
    int bits = high != 0              ? 128 - __builtin_clzll(high)
               : (uint64_t)value != 0 ? 64 - __builtin_clzll((uint64_t)value)
                                      : 0;
    int drop = bits - 53;
    dk_u128 rest, half;

    if (bits == 0)
        return result;
    if (drop <= 0) {
        result.mantissa = (uint64_t)value << -drop;
        result.exponent = exponent + drop;
        return result;
    }
    result.mantissa = (uint64_t)(value >> drop);
    result.exponent = exponent + drop;
    rest = value & (((dk_u128)1 << drop) - 1);
    half = (dk_u128)1 << (drop - 1);
    if (rest > half || (rest == half && (sticky || (result.mantissa & 1))))
        result.mantissa++;
    if (result.mantissa == HIDDEN_BIT << 1) {
        result.mantissa >>= 1;
        result.exponent++;
    }
    return result;
}

static struct rounded multiply(struct rounded a, struct rounded b)
{
    return round_to_53((dk_u128)a.mantissa * b.mantissa, a.exponent + b.exponent, false);
}

static struct rounded divide(struct rounded a, struct rounded b)
{
    dk_u128 dividend = (dk_u128)a.mantissa << 62; /* one hardware division */
    dk_u128 quotient = dividend / b.mantissa;     /* of 62 or 63 bits */

    return round_to_53(quotient, a.exponent - b.exponent - 62, dividend % b.mantissa != 0);
}

/* a^3, rounded once, as pow() does */
static struct rounded cube(struct rounded a)
{
    dk_u128 square = (dk_u128)a.mantissa * a.mantissa;
    dk_u128 low = (dk_u128)(uint64_t)square * a.mantissa;
    dk_u128 high = (dk_u128)(uint64_t)(square >> 64) * a.mantissa + (uint64_t)(low >> 64);

    return round_to_53(high, 3 * a.exponent + 64, (uint64_t)low != 0);
}

static struct rounded whole(uint64_t value)
{
    return round_to_53(value, 0, false);
}

static struct rounded seconds(int64_t us)
{
    static const struct rounded million = { (uint64_t)1000000 << 33, -33 };

    return us % DK_SECOND_US == 0 ? whole((uint64_t)(us / DK_SECOND_US))
                                  : divide(whole((uint64_t)us), million);
}

/* log2(n + 1e-15). Up to 15 the 1e-15 shows: the doubles themselves. Above it vanishes. */
static struct rounded log2_cores(uint32_t cores)
{
    static const struct rounded small[16] = {
        { 0, 0 },
        { 0x1cda993e7663b9, -102 },
        { 0x10000000000003, -52 },
        { 0x195c01a39fbd6a, -52 },
        { 0x10000000000001, -51 },
        { 0x12934f0979a372, -51 },
        { 0x14ae00d1cfdeb5, -51 },
        { 0x1675767f54042d, -51 },
        { 0x18000000000001, -51 },
        { 0x195c01a39fbd69, -51 },
        { 0x1a934f0979a372, -51 },
        { 0x1bacea7c065d42, -51 },
        { 0x1cae00d1cfdeb5, -51 },
        { 0x1d9a802391e233, -51 },
        { 0x1e75767f54042d, -51 },
        { 0x1f414fdb498226, -51 },
    };

    return cores < 16 ? small[cores] : round_to_53(dk_log2_fixed(cores), -DK_LOG_FRACTION, false);
}

/* w + 1e-15: below 16 seconds the sum is some units in the last place above w. */
static struct rounded waited_part(int64_t waited)
{
    static const struct rounded tiny = { 0x1203af9ee75616, -102 };
    static const uint8_t ulps[4] = { 5, 2, 1, 1 }; /* from 1, 2, 4, 8 seconds on */
    struct rounded w = seconds(waited);

    if (w.mantissa == 0)
        return tiny;
    if (waited >= DK_SECOND_US && waited < 16 * DK_SECOND_US)
        w.mantissa += ulps[w.exponent + 52];
    return w;
}

void dk_rank_set(const struct dk_core *core, const struct dk_entry *entry, int64_t submit,
                 int64_t now, struct dk_rank *rank)
{
    struct rounded r = seconds(dk_max(entry->span, 1)), value;
    int64_t waited = dk_max(now - submit, 0);

    if (core->policy.policy == DK_POLICY_WFP3)
        value = multiply(cube(divide(seconds(waited), r)), whole(entry->cores));
    else
        value = divide(waited_part(waited), multiply(log2_cores(entry->cores), r));
    rank->entry = entry;
    rank->value = 0;
    if (value.mantissa != 0) /* exponent above mantissa: ordered as the value is */
        rank->value = ((uint64_t)(value.exponent + 1024) << 52) | (value.mantissa - HIDDEN_BIT);
}

void dk_rank_parts(const struct dk_rank *rank, int64_t *number, int32_t *exponent)
{
    *number = rank->value == 0 ? 0 : (int64_t)((rank->value & (HIDDEN_BIT - 1)) | HIDDEN_BIT);
    *exponent = rank->value == 0 ? 0 : (int32_t)(rank->value >> 52) - 1024;
}

bool dk_rank_before(const struct dk_rank *a, const struct dk_rank *b)
{
    int64_t tier_a = (int64_t)(a->entry->key >> 100), tier_b = (int64_t)(b->entry->key >> 100);

    if (tier_a != tier_b)
        return tier_a < tier_b;
    if (a->value != b->value)
        return a->value > b->value;
    return a->entry->id < b->entry->id;
}
