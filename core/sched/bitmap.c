/* bitmap.c - see bitmap.h */
#include "sched/bitmap.h"

#include "base/check.h"

#include <string.h>

void dk_bitmap_init(struct dk_bitmap *bitmap, const struct dk_alloc *alloc)
{
    memset(bitmap, 0, sizeof(*bitmap));
    bitmap->alloc = alloc;
}

void dk_bitmap_release(struct dk_bitmap *bitmap)
{
    dk_alloc_free(bitmap->alloc, bitmap->words, (size_t)bitmap->capacity * 8);
    dk_alloc_free(bitmap->alloc, bitmap->summary, (size_t)bitmap->capacity / 8);
    bitmap->words = bitmap->summary = NULL;
    bitmap->size = bitmap->capacity = 0;
}

void dk_bitmap_extend(struct dk_bitmap *bitmap, uint32_t size)
{
    const struct dk_alloc *alloc = bitmap->alloc;
    uint32_t needed = (size + 63) / 64;
    uint32_t capacity = bitmap->capacity == 0 ? 64 : bitmap->capacity;

    DK_CHECK(size >= bitmap->size && size < DK_BITMAP_NONE - 64);
    while (capacity < needed)
        capacity *= 2;
    if (capacity != bitmap->capacity) {
        size_t words_old = (size_t)bitmap->capacity * 8, summary_old = (size_t)bitmap->capacity / 8;

        bitmap->words = alloc->resize(alloc->ctx, bitmap->words, words_old, (size_t)capacity * 8);
        bitmap->summary =
            alloc->resize(alloc->ctx, bitmap->summary, summary_old, (size_t)capacity / 8);
        memset((char *)bitmap->words + words_old, 0, (size_t)capacity * 8 - words_old);
        memset((char *)bitmap->summary + summary_old, 0, (size_t)capacity / 8 - summary_old);
        bitmap->capacity = capacity;
    }
    bitmap->size = size;
}

/* The bits of word `word` that lie in first .. limit-1. */
static uint64_t mask_of(uint32_t word, uint32_t first, uint32_t limit)
{
    uint64_t mask = ~(uint64_t)0;

    if (word == first / 64)
        mask <<= first % 64;
    if (word == (limit - 1) / 64)
        mask &= ~(uint64_t)0 >> (63 - (limit - 1) % 64);
    return mask;
}

void dk_bitmap_add_range(struct dk_bitmap *bitmap, uint32_t first, uint32_t count)
{
    uint32_t limit = first + count;

    if (count == 0)
        return;
    DK_CHECK(limit <= bitmap->size);
    for (uint32_t word = first / 64; word <= (limit - 1) / 64; word++) {
        uint64_t mask = mask_of(word, first, limit);

        DK_CHECK((bitmap->words[word] & mask) == 0);
        bitmap->words[word] |= mask;
        bitmap->summary[word / 64] |= (uint64_t)1 << (word % 64);
    }
}

void dk_bitmap_remove_range(struct dk_bitmap *bitmap, uint32_t first, uint32_t count)
{
    uint32_t limit = first + count;

    if (count == 0)
        return;
    DK_CHECK(limit <= bitmap->size);
    for (uint32_t word = first / 64; word <= (limit - 1) / 64; word++) {
        uint64_t mask = mask_of(word, first, limit);

        DK_CHECK((bitmap->words[word] & mask) == mask);
        bitmap->words[word] &= ~mask;
        if (bitmap->words[word] == 0)
            bitmap->summary[word / 64] &= ~((uint64_t)1 << (word % 64));
    }
}

bool dk_bitmap_has_range(const struct dk_bitmap *bitmap, uint32_t first, uint32_t count)
{
    uint32_t limit = first + count;

    if (count == 0)
        return true;
    if (limit < first || limit > bitmap->size)
        return false;
    for (uint32_t word = first / 64; word <= (limit - 1) / 64; word++) {
        uint64_t mask = mask_of(word, first, limit);

        if ((bitmap->words[word] & mask) != mask)
            return false;
    }
    return true;
}

uint32_t dk_bitmap_count_range(const struct dk_bitmap *bitmap, uint32_t first, uint32_t count)
{
    uint32_t limit = first + count, total = 0;

    if (count == 0)
        return 0;
    for (uint32_t word = first / 64; word <= (limit - 1) / 64; word++)
        total += (uint32_t)__builtin_popcountll(bitmap->words[word] & mask_of(word, first, limit));
    return total;
}

uint32_t dk_bitmap_next(const struct dk_bitmap *bitmap, uint32_t from)
{
    uint32_t word = from / 64, top;
    uint64_t bits;

    if (from >= bitmap->size)
        return DK_BITMAP_NONE;
    bits = bitmap->words[word] & (~(uint64_t)0 << (from % 64));
    if (bits != 0)
        return word * 64 + (uint32_t)__builtin_ctzll(bits);
    word++;
    if (word >= bitmap->capacity)
        return DK_BITMAP_NONE;
    top = word / 64;
    bits = bitmap->summary[top] & (~(uint64_t)0 << (word % 64));
    while (bits == 0) {
        if (++top >= bitmap->capacity / 64)
            return DK_BITMAP_NONE;
        bits = bitmap->summary[top];
    }
    word = top * 64 + (uint32_t)__builtin_ctzll(bits);
    return word * 64 + (uint32_t)__builtin_ctzll(bitmap->words[word]);
}

uint32_t dk_bitmap_next_gap(const struct dk_bitmap *bitmap, uint32_t from, uint32_t limit)
{
    uint32_t word = from / 64;
    uint64_t bits;

    limit = limit < bitmap->size ? limit : bitmap->size;
    if (from >= limit)
        return limit;
    bits = ~bitmap->words[word] & (~(uint64_t)0 << (from % 64));
    while (bits == 0) {
        if (++word * 64 >= limit)
            return limit;
        bits = ~bitmap->words[word];
    }
    word = word * 64 + (uint32_t)__builtin_ctzll(bits);
    return word < limit ? word : limit;
}
