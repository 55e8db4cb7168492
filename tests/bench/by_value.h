/* by_value.h - doubles in order, for medians */
#ifndef TESTS_BENCH_BY_VALUE_H
#define TESTS_BENCH_BY_VALUE_H

static inline int by_value(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

#endif
