/* fuzz_history.c - what history keeps, read from any bytes: refused, or something whole
 *
 * The first byte says what the rest is taken for. A row that is read can be written, and what is
 * written reads as the same. */
#include "projections/history_inside.h"
#include "projections/posting.h"
#include "projections/row_codec.h"
#include "projections/usage.h"
#include "runs.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

enum { ROW, STEP, POSTING, SUMS, KIND_COUNT };

/* Now and then begins from a row as history writes it, whose insides are then reached. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned int seed)
{
    struct dk_arena arena;
    struct dk_buf out;

    if (seed % 16 != 0)
        return LLVMFuzzerMutate(data, size, size_max);
    dk_arena_init(&arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    if (dk_buf_add(&out, "", 1) &&
        dk_row_encode(runs_make(seed, seed % 1000, &arena), true, &out) && out.size <= size_max) {
        memcpy(data, out.data, out.size);
        size = LLVMFuzzerMutate(data, out.size, size_max);
    }
    dk_buf_release(&out);
    dk_arena_release(&arena);
    return size;
}

static void row(const uint8_t *data, size_t size, struct dk_arena *arena)
{
    struct dk_buf first, second;
    struct dk_job_row read;
    bool final;

    if (dk_row_decode(data, size, arena, &read, &final, NULL) != DK_OK)
        return;
    dk_buf_init(&first, &dk_heap, 1 << 28);
    dk_buf_init(&second, &dk_heap, 1 << 28);
    if (!dk_row_encode(&read, final, &first) ||
        dk_row_decode(first.data, first.size, arena, &read, &final, NULL) != DK_OK ||
        !dk_row_encode(&read, final, &second))
        abort();
    if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
        abort();
    dk_buf_release(&first);
    dk_buf_release(&second);
}

static void posting(const uint8_t *data, size_t size)
{
    struct dk_bucket read = { { 0 } }, again = { { 0 } };
    uint8_t written[DK_POSTING_SIZE_MAX];

    if (!dk_posting_read(&read, data, size))
        return;
    if (!dk_posting_read(&again, written, dk_posting_write(&read, written)) ||
        memcmp(&read, &again, sizeof(read)) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_job_spec spec = { 0 };
    struct dk_job_row step = { .spec = &spec };
    struct dk_usage_sums sums = { { 0 } };
    struct dk_arena arena;

    if (size == 0)
        return 0;
    dk_arena_init(&arena, &dk_heap);
    switch (data[0] % KIND_COUNT) {
    case ROW:
        row(data + 1, size - 1, &arena);
        break;
    case STEP:
        (void)dk_step_decode(data + 1, size - 1, &arena, &step, NULL);
        break;
    case POSTING:
        posting(data + 1, size - 1);
        break;
    default:
        (void)dk_usage_sums_add(&sums, data + 1, size - 1);
    }
    dk_arena_release(&arena);
    return 0;
}
