/* row_codec_test.c - what history keeps of a run is what it was given, and bytes are not trusted */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/prng.h"
#include "projections/row_codec.h"
#include "runs.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEED = 11 };

static void cells_equal(const struct dk_job_row *a, const struct dk_job_row *b)
{
    struct dk_buf left, right;

    dk_buf_init(&left, &dk_heap, 1 << 24);
    dk_buf_init(&right, &dk_heap, 1 << 24);
    for (int column = 0; dk_job_column_name(column) != NULL; column++) {
        dk_buf_clear(&left);
        dk_buf_clear(&right);
        dk_job_row_cell(a, column, RUNS_BEGIN, &left);
        dk_job_row_cell(b, column, RUNS_BEGIN, &right);
        if (left.size != right.size ||
            (left.size > 0 && memcmp(left.data, right.data, left.size) != 0))
            fail_msg("column %s: '%.*s' became '%.*s'", dk_job_column_name(column), (int)left.size,
                     (const char *)left.data, (int)right.size, (const char *)right.data);
    }
    dk_buf_release(&left);
    dk_buf_release(&right);
}

/* Encodes, decodes, compares every column, and encodes again. */
static void round_trip(const struct dk_job_row *row, bool final)
{
    struct dk_buf first, second;
    struct dk_arena arena;
    struct dk_job_row read;
    bool final_read;

    dk_buf_init(&first, &dk_heap, 1 << 24);
    dk_buf_init(&second, &dk_heap, 1 << 24);
    dk_arena_init(&arena, &dk_heap);
    assert_true(dk_row_encode(row, final, &first));
    assert_int_equal(dk_row_decode(first.data, first.size, &arena, &read, &final_read, NULL),
                     DK_OK);
    assert_int_equal(final_read, final);
    read.id = row->id;
    read.seq = row->seq;
    cells_equal(row, &read);
    assert_true(dk_row_encode(&read, final, &second));
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    dk_arena_release(&arena);
    dk_buf_release(&first);
    dk_buf_release(&second);
}

static void test_every_column_comes_back(void **state)
{
    struct dk_arena arena;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    for (uint32_t i = 0; i < 2000; i++) {
        dk_arena_reset(&arena);
        round_trip(runs_make(SEED, i, &arena), i % 2 == 0);
    }
    dk_arena_release(&arena);
}

/* Changes a row into one that no site has. */
static void make_strange(struct dk_job_row *row, struct dk_prng *prng)
{
    static const int64_t strange[] = { -(INT64_C(1) << 60), INT64_C(1) << 60, -1, 0, 1, 9 };
    static const struct dk_index_range ranges[] = { { 0, 5, 1 }, { 9, INT32_MAX, 3 } };
    static const struct dk_dependency dependencies[] = {
        { DK_DEPENDENCY_KIND_AFTER, 17, INT64_MAX }, { DK_DEPENDENCY_KIND_SINGLETON, 0, 0 }
    };
    static const struct dk_text texts[] = { { "n[1-2", 5 }, { "", 0 }, { "a,b", 3 } };
    static const int32_t cores[] = { 1, 1, -7 };
    struct dk_job_spec *spec = (struct dk_job_spec *)(uintptr_t)row->spec;
    int64_t *longs[] = {
        &row->submit,        &row->eligible,           &row->start,         &row->end,
        &row->cores,         &row->first_process,      &row->end_requested, &row->limit_us,
        &row->gpus,          &row->array_job,          &spec->limit_us,     &spec->begin,
        &row->usage.user_us, &row->usage.written_bytes
    };

    for (int i = 0; i < 4; i++)
        *longs[dk_prng_below(prng, sizeof(longs) / sizeof(*longs))] =
            strange[dk_prng_below(prng, 6)];
    spec->has_array = dk_prng_below(prng, 2) != 0;
    if (spec->has_array)
        spec->array = (struct dk_array_spec){ ranges, 2, INT32_MAX };
    row->array_ranges = ranges;
    row->array_ranges_count = (uint32_t)dk_prng_below(prng, 3);
    spec->dependencies = dependencies;
    spec->dependencies_count = (uint32_t)dk_prng_below(prng, 3);
    spec->nodes_wanted = texts;
    spec->nodes_wanted_count = (uint32_t)dk_prng_below(prng, 4);
    row->exit_code = INT32_MIN;
    row->why = (struct dk_text){ "tab\t, quote\" and \\ \n", 20 };
    if (dk_prng_below(prng, 2) != 0) { /* names that no host list would give back */
        row->nodes = texts;
        row->node_cores = cores;
        row->node_count = 3;
        row->node_list = (struct dk_text){ "n[1-3]", 6 };
        row->batch_host = texts[2];
    }
}

static void test_rows_that_no_site_has_come_back_too(void **state)
{
    struct dk_arena arena;
    struct dk_prng prng;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    dk_prng_init(&prng, SEED);
    for (uint32_t i = 0; i < 1000; i++) {
        struct dk_job_row *row;

        dk_arena_reset(&arena);
        row = runs_make(SEED, i, &arena);
        make_strange(row, &prng);
        round_trip(row, false);
    }
    dk_arena_release(&arena);
}

static void test_ten_thousand_nodes_are_a_few_bytes(void **state)
{
    enum { NODES = 10000 };
    struct dk_arena arena;
    struct dk_job_row *row;
    struct dk_text *nodes;
    int32_t *cores;
    struct dk_buf out;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    row = runs_make(SEED, 3, &arena);
    nodes = dk_arena_take(&arena, NODES * sizeof(*nodes));
    cores = dk_arena_take(&arena, NODES * sizeof(*cores));
    for (int i = 0; i < NODES; i++) {
        char *name = dk_arena_take(&arena, 8);

        nodes[i] = (struct dk_text){ name, (uint32_t)snprintf(name, 8, "n%05d", i + 1) };
        cores[i] = 64;
    }
    row->nodes = nodes;
    row->node_cores = cores;
    row->node_count = NODES;
    row->node_list = dk_text_of("n[00001-10000]");
    row->batch_host = nodes[0];
    round_trip(row, true);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    assert_true(dk_row_encode(row, true, &out));
    assert_in_range(out.size, 1, 512);
    dk_buf_release(&out);
    dk_arena_release(&arena);
}

static void test_a_row_cut_short_is_refused(void **state)
{
    struct dk_arena arena, read_arena;
    struct dk_job_row read;
    struct dk_buf out;
    struct dk_err err;
    bool final;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    dk_arena_init(&read_arena, &dk_heap);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    for (uint32_t i = 0; i < 20; i++) {
        dk_buf_clear(&out);
        assert_true(dk_row_encode(runs_make(SEED, i, &arena), true, &out));
        for (size_t size = 0; size < out.size; size++) {
            uint8_t *cut = malloc(size > 0 ? size : 1); /* so that a sanitizer sees its end */

            memcpy(cut, out.data, size);
            dk_arena_reset(&read_arena);
            assert_int_equal(dk_row_decode(cut, size, &read_arena, &read, &final, &err),
                             DK_CORRUPT);
            free(cut);
        }
        assert_true(dk_buf_add(&out, "x", 1));
        assert_int_equal(dk_row_decode(out.data, out.size, &read_arena, &read, &final, &err),
                         DK_CORRUPT);
    }
    dk_buf_release(&out);
    dk_arena_release(&arena);
    dk_arena_release(&read_arena);
}

static void test_changed_bytes_are_a_row_or_refused_but_never_harm(void **state)
{
    struct dk_arena arena;
    struct dk_prng prng;
    struct dk_buf out, again;
    bool final;

    (void)state;
    dk_arena_init(&arena, &dk_heap);
    dk_prng_init(&prng, SEED);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    dk_buf_init(&again, &dk_heap, 1 << 26);
    for (uint32_t i = 0; i < 20000; i++) {
        struct dk_job_row read;
        enum dk_status status;

        dk_arena_reset(&arena);
        dk_buf_clear(&out);
        assert_true(dk_row_encode(runs_make(SEED, i % 50, &arena), true, &out));
        for (uint64_t flips = 1 + dk_prng_below(&prng, 4); flips > 0; flips--)
            out.data[dk_prng_below(&prng, out.size)] = (uint8_t)dk_prng_next(&prng);
        status = dk_row_decode(out.data, out.size, &arena, &read, &final, NULL);
        assert_true(status == DK_OK || status == DK_CORRUPT);
        dk_buf_clear(&again);
        if (status == DK_OK) /* everything it points to is there */
            assert_true(dk_row_encode(&read, final, &again));
    }
    dk_buf_release(&out);
    dk_buf_release(&again);
    dk_arena_release(&arena);
}

static void test_the_end_of_a_step_may_come_before_its_start(void **state)
{
    static const struct dk_span spans[] = { { 3, 2 }, { 1, 4 } };
    struct dk_event started = { .type = DK_EVENT_STEP_STARTED }, ended = { 0 };
    struct dk_buf out;
    struct dk_arena arena;

    (void)state;
    started.meta.time = 100;
    started.step_started.name = dk_text_of("solver");
    started.step_started.tasks = 6;
    started.step_started.cores = spans;
    started.step_started.cores_count = 2;
    ended.type = DK_EVENT_STEP_ENDED;
    ended.meta.time = 200;
    ended.step_ended.state = DK_END_STATE_OUT_OF_MEMORY;
    ended.step_ended.signal = 9;
    ended.step_ended.has_usage = true;
    ended.step_ended.usage.user_us = 5;
    dk_buf_init(&out, &dk_heap, 1 << 20);
    dk_arena_init(&arena, &dk_heap);
    for (int order = 0; order < 2; order++) {
        struct dk_job_row row = { 0 };

        dk_buf_clear(&out);
        assert_true(dk_step_encode(order == 0 ? &started : &ended, &out));
        assert_true(dk_step_encode(order == 0 ? &ended : &started, &out));
        assert_int_equal(dk_step_decode(out.data, out.size, &arena, &row, NULL), DK_OK);
        assert_int_equal(row.start, 100);
        assert_int_equal(row.end, 200);
        assert_int_equal(row.cores, 6);
        assert_int_equal(row.state, DK_ROW_OUT_OF_MEMORY);
        assert_int_equal(row.exit_signal, 9);
        assert_int_equal(row.usage.user_us, 5);
        assert_true(dk_text_equal(row.step_name, dk_text_of("solver")));
        assert_int_equal(dk_step_decode(out.data, out.size - 1, &arena, &row, NULL), DK_CORRUPT);
    }
    dk_buf_release(&out);
    dk_arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_column_comes_back),
        cmocka_unit_test(test_rows_that_no_site_has_come_back_too),
        cmocka_unit_test(test_ten_thousand_nodes_are_a_few_bytes),
        cmocka_unit_test(test_a_row_cut_short_is_refused),
        cmocka_unit_test(test_changed_bytes_are_a_row_or_refused_but_never_harm),
        cmocka_unit_test(test_the_end_of_a_step_may_come_before_its_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
