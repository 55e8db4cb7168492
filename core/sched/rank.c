/* rank.c - WFP3 and UNICEP: orders that move as time passes
 *
 *     wfp3     value = (w/r)^3 * n                              w waited, r limit, n cores
 *     unicep   value = (w + 1e-15) / (log2(n + 1e-15) * r)      highest value first
 *
 * Values are compared exactly, by multiplying out; a rough logarithm decides the clear cases, which are
 * nearly all. UNICEP's 1e-15 is what keeps it from dividing by log2(1) = 0. In IEEE doubles,
 * in which the policy was published and is used everywhere, it leaves these marks, and here it does the same:
 *   n = 1: log2(1 + 1e-15) is 1.6e-15, so a serial job that has waited outranks every parallel one;
 *          one that has not (w = 0) has the value 1e-15/1.6017e-15 = 0.62433 s / r;
 *   n < 16, w < 16 s: 1e-15, rounded to the double's grid, is added; from 16 on it vanishes.
 */
#include "sched/pass.h"

#define ROUGH_SHIFT 32
#define RANK_ERROR ((int64_t)1 << (ROUGH_SHIFT - 14)) /* seven logarithms, each within 2^-18 */

void dk_rank_table_init(struct dk_rank_table *table)
{
    for (uint64_t i = 0; i < 257; i++)
        table->logs[i] = (int64_t)((dk_log2_fixed(256 + i) - ((uint64_t)8 << DK_LOG_FRACTION)) >>
                                   (DK_LOG_FRACTION - ROUGH_SHIFT));
    table->logs[257] = table->logs[256];
}

/* log2(x) by linear interpolation between 257 points: the error is below 2^-18. */
static int64_t rough_log2(const struct dk_rank_table *table, uint64_t x)
{
    int whole = dk_log2_floor(x);
    uint64_t mantissa = whole == 63 ? x : x << (63 - whole);
    uint32_t index = (uint32_t)(mantissa >> 55) & 255;
    int64_t rest = (int64_t)(mantissa >> 23) & 0xffffffff;
    int64_t low = table->logs[index], high = table->logs[index + 1];

    return ((int64_t)whole << ROUGH_SHIFT) + low + (((high - low) * (rest >> 8)) >> 24);
}

/* log2(n + 1e-15) as doubles have it, DK_LOG_FRACTION bits behind the point; n >= 2. */
static uint64_t log2_cores(uint32_t cores)
{
    static const uint8_t rounding[16] = { 0, 0, 96, 61, 64, 37, 31, 26, 64, 41, 37, 34, 31, 28, 26, 25 };

    return dk_log2_fixed(cores) + (cores < 16 ? rounding[cores] : 0);
}

/* w + 1e-15 s as doubles have it, in units of 1e-18 s. */
static dk_u128 waited_part(int64_t waited)
{
    static const uint32_t rounding[16] = { 1000, 1110, 888, 888, 888,  888,  888,  888,
                                           1776, 1776, 1776, 1776, 1776, 1776, 1776, 1776 };
    uint64_t seconds = (uint64_t)waited / 1000000;

    return (dk_u128)(uint64_t)waited * 1000000000000u + (seconds < 16 ? rounding[seconds] : 0);
}

#define SERIAL_UNWAITED_US 624333 /* 0.62433 s */

void dk_rank_set(const struct dk_core *core, const struct dk_rank_table *table,
                 const struct dk_entry *entry, int64_t submit, int64_t now, struct dk_rank *rank)
{
    rank->entry = entry;
    rank->waited = now - submit;
    rank->limit_us = dk_max(entry->span, 1);
    rank->cores = entry->cores;
    rank->grade = 1;
    if (core->policy.policy == DK_POLICY_WFP3) {
        rank->grade = rank->waited > 0 ? 1 : 2;
        rank->rough = rank->waited <= 0
                          ? 0
                          : 3 * (rough_log2(table, (uint64_t)rank->waited) -
                                 rough_log2(table, (uint64_t)rank->limit_us)) +
                                rough_log2(table, rank->cores);
        return;
    }
    if (rank->cores == 1 && rank->waited > 0)
        rank->grade = 0;
    else if (rank->cores == 1)
        rank->waited = SERIAL_UNWAITED_US;
    else if (rank->waited <= 0)
        rank->grade = 2;
    rank->rough = -rough_log2(table, (uint64_t)rank->limit_us);
    if (rank->waited > 0)
        rank->rough += rough_log2(table, (uint64_t)rank->waited);
    if (rank->cores > 1)
        rank->rough -= rough_log2(table, log2_cores(rank->cores)) -
                       ((int64_t)DK_LOG_FRACTION << ROUGH_SHIFT);
}

static void wide_set128(struct dk_wide *wide, dk_u128 value)
{
    dk_wide_set(wide, (uint64_t)value);
    wide->words[1] = (uint64_t)(value >> 64);
}

/* a's side of the inequality: what a has above the line times what b has below it. */
static void side(const struct dk_core *core, const struct dk_rank *a, const struct dk_rank *b,
                 struct dk_wide *wide)
{
    if (core->policy.policy == DK_POLICY_WFP3) {
        dk_wide_set(wide, (uint64_t)a->waited);
        dk_wide_multiply(wide, (uint64_t)a->waited);
        dk_wide_multiply(wide, (uint64_t)a->waited);
        dk_wide_multiply(wide, a->cores);
        for (int i = 0; i < 3; i++)
            dk_wide_multiply(wide, (uint64_t)b->limit_us);
        return;
    }
    wide_set128(wide, waited_part(a->waited));
    dk_wide_multiply(wide, b->cores > 1 ? log2_cores(b->cores) : (uint64_t)1 << DK_LOG_FRACTION);
    dk_wide_multiply(wide, (uint64_t)b->limit_us);
}

bool dk_rank_before(const struct dk_core *core, const struct dk_rank *a, const struct dk_rank *b)
{
    struct dk_wide wide_a, wide_b;
    int order;

    if (a->entry->key != b->entry->key &&
        (a->entry->key >> 100) != (b->entry->key >> 100)) /* of another tier */
        return a->entry->key < b->entry->key;
    if (a->grade != b->grade)
        return a->grade < b->grade;
    if (core->policy.policy == DK_POLICY_WFP3 && a->grade == 2)
        return a->entry->id < b->entry->id;
    if (a->rough - b->rough > RANK_ERROR)
        return true;
    if (b->rough - a->rough > RANK_ERROR)
        return false;
    side(core, a, b, &wide_a);
    side(core, b, a, &wide_b);
    order = dk_wide_compare(&wide_a, &wide_b);
    if (order != 0)
        return order > 0;
    return a->entry->id < b->entry->id;
}
