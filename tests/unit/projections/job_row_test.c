/* job_row_test.c - cells of a job that are worked out from others */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "projections/job_row.h"

#include <string.h>

static int64_t elapsed(const struct dk_job_row *row, int64_t now)
{
    struct dk_buf cell;
    int64_t value = 0;

    dk_buf_init(&cell, &dk_heap, 64);
    dk_job_row_cell(row, dk_job_column_find("elapsed", 7), now, &cell);
    assert_true(cell.size > 0);
    for (size_t i = 0; i < cell.size; i++) {
        assert_in_range(cell.data[i], '0', '9');
        value = value * 10 + (cell.data[i] - '0');
    }
    dk_buf_release(&cell);
    return value;
}

static void elapsed_is_the_time_between_start_and_end_or_now(void **state)
{
    struct dk_job_row row = { .state = DK_ROW_RUNNING, .start = 1000, .end = 9000 };

    (void)state;
    assert_int_equal(elapsed(&row, 1500), 500);
    row.state = DK_ROW_COMPLETED;
    assert_int_equal(elapsed(&row, 1500), 8000);
    row.start = 0;
    assert_int_equal(elapsed(&row, 1500), 0);
}

static void elapsed_neither_wraps_nor_goes_back(void **state)
{
    struct dk_job_row row = { .state = DK_ROW_COMPLETED, .start = INT64_MIN, .end = INT64_MAX };

    (void)state;
    assert_true(elapsed(&row, 0) == INT64_MAX);
    row.start = INT64_MAX;
    row.end = INT64_MIN;
    assert_int_equal(elapsed(&row, 0), 0);
    row.state = DK_ROW_RUNNING; /* the clock was set back */
    row.start = 5000;
    assert_int_equal(elapsed(&row, 4000), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(elapsed_is_the_time_between_start_and_end_or_now),
        cmocka_unit_test(elapsed_neither_wraps_nor_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
