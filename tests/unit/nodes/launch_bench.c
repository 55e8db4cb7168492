/* launch_bench.c - what a job costs a node: orders from a fake cluster to a real agent, one process
 * each
 *
 *   nodes_launch_bench [JOBS] [WIDTH] [OPTION-OF-docketd-node]...
 *
 * WIDTH jobs of `#!/bin/sh /bin/true` are outstanding at a time; the next is given when one is
 * reported, and forgotten then, as by a cluster. Printed: jobs a second, and from order to script
 * and from order to report, in milliseconds. Built, and not run by ctest.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_cluster.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static struct fake_cluster fake;
static int64_t given[FAKE_MAX];
static double to_start[FAKE_MAX], to_report[FAKE_MAX];
static int jobs = 1000, width = 2;
static const char *const *options;

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void quiet(struct dk_run_job *run)
{
    run->spec.launch.std_out = dk_text_of("/dev/null");
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static bool more_reports(void *context)
{
    return fake.report_count > *(uint32_t *)context;
}

static void print_spread(const char *what, double *values)
{
    qsort(values, (size_t)jobs, sizeof(*values), by_size);
    printf("%-16s p50 %.2f ms, p95 %.2f ms, most %.2f ms\n", what, values[jobs / 2],
           values[jobs * 95 / 100], values[jobs - 1]);
}

/* Of the agent and docketd-task; keepers and scripts are nobody's children. */
static void print_cost(void)
{
    struct rusage usage;

    getrusage(RUSAGE_CHILDREN, &usage);
    printf("%-16s %.0f us user, %.0f us system a job\n", "agent",
           ((double)usage.ru_utime.tv_sec * 1e6 + (double)usage.ru_utime.tv_usec) / jobs,
           ((double)usage.ru_stime.tv_sec * 1e6 + (double)usage.ru_stime.tv_usec) / jobs);
}

static void run(void **state)
{
    int64_t began, next = 1;
    uint32_t seen = 0;

    (void)state;
    fake_begin(&fake);
    fake_agent(&fake, options);
    fake_run(&fake, FAKE_MAX - 1, "#!/bin/sh\n/bin/true\n", quiet); /* warm */
    fake_report(&fake, FAKE_MAX - 1);
    seen = fake.report_count;
    began = now_us();
    while (seen <= (uint32_t)jobs) {
        while (next <= jobs && next - seen < width) {
            given[next] = now_us();
            fake_run(&fake, next++, "#!/bin/sh\n/bin/true\n", quiet);
        }
        assert_true(scratch_wait(20, more_reports, &seen));
        for (; seen < fake.report_count; seen++) {
            const struct fake_report *report = &fake.reports[seen];

            to_start[seen - 1] = (double)(report->started - given[report->job]) / 1e3;
            to_report[seen - 1] = (double)(now_us() - given[report->job]) / 1e3;
            fake_forget(&fake, report->job);
        }
    }
    printf("%d jobs, %d at a time: %.0f jobs/s, %.2f reports a call\n", jobs, width,
           jobs / ((double)(now_us() - began) / 1e6), (double)jobs / fake.call_count);
    print_spread("order to script", to_start);
    print_spread("order to report", to_report);
    fake_end(&fake);
    print_cost();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(run) };

    if (argc > 1)
        jobs = (int)strtol(argv[1], NULL, 10);
    if (argc > 2)
        width = (int)strtol(argv[2], NULL, 10);
    if (jobs < 1 || jobs > FAKE_MAX / 3 || width < 1) {
        fprintf(stderr, "usage: nodes_launch_bench [JOBS up to %d] [WIDTH]\n", FAKE_MAX / 3);
        return 2;
    }
    options = argc > 3 ? (const char *const *)argv + 3 : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
