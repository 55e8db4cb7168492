/* stats_test.c - from the expected start times come the expected numbers, and the expected hash
 *
 * DOCKET_TRACES, else the first argument, names the folder with the real traces; where there is
 * none the test says that it skips. */
#include "base/sha256.h"
#include "replay/stats.h"

#include "cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;

static char *read_file(const char *path)
{
    struct dk_input *input;
    size_t size = 0, capacity = 1 << 16, got;
    char *text = malloc(capacity + 1);

    if (dk_input_open(&input, path, NULL) != DK_OK) {
        free(text);
        return NULL;
    }
    while (dk_input_read(input, text + size, capacity - size, &got, NULL) == DK_OK && got > 0) {
        size += got;
        if (size == capacity)
            text = realloc(text, (capacity *= 2) + 1);
    }
    dk_input_destroy(input);
    text[size] = 0;
    return text;
}

/* The number after "key": in one line of JSON. */
static double number_of(const char *line, const char *key)
{
    char quoted[64];
    const char *at;

    (void)snprintf(quoted, sizeof(quoted), "\"%s\": ", key);
    at = strstr(line, quoted);
    assert_non_null(at);
    return strtod(at + strlen(quoted), NULL);
}

static void text_of(const char *line, const char *key, char out[80])
{
    char quoted[64];
    const char *at;

    (void)snprintf(quoted, sizeof(quoted), "\"%s\": \"", key);
    at = strstr(line, quoted);
    assert_non_null(at);
    at += strlen(quoted);
    (void)snprintf(out, 80, "%.*s", (int)strcspn(at, "\""), at);
}

static void assert_close(const char *line, const char *key, double value)
{
    double expected = number_of(line, key);

    if (fabs(value - expected) > 1e-9 * fabs(expected))
        fail_msg("%s is %.17g, not %.17g, in %s", key, value, expected, line);
}

static void fill_times(struct dk_replay_times *times, const struct dk_trace *trace, char *csv)
{
    char *line = strchr(csv, '\n') + 1;

    for (uint32_t i = 0; i < trace->count; i++) {
        const struct dk_trace_job *job = &trace->jobs[i];

        assert_int_equal(strtoll(line, &line, 10), job->number);
        times[i].start = strtoll(line + 1, &line, 10);
        times[i].end = times[i].start + (job->run < job->estimate ? job->run : job->estimate);
    }
}

/* Whether there was a list of starts for this line. */
static bool check_line(const char *line)
{
    static const struct dk_trace_options by_rule;
    char name[80], policy[80], backfill[80], sha256[80], path[1024];
    struct dk_replay_stats stats;
    struct dk_replay_times *times;
    struct dk_trace trace;
    char *csv;

    text_of(line, "trace", name);
    text_of(line, "policy", policy);
    text_of(line, "backfill", backfill);
    text_of(line, "sha256", sha256);
    (void)snprintf(path, sizeof(path), "%s/expected/%.*s.%s.%s.csv.gz", folder,
                   (int)(strlen(name) - strlen(".swf.gz")), name, policy, backfill);
    csv = read_file(path);
    if (csv == NULL)
        return false;
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(dk_trace_open(&trace, path, &by_rule, &dk_heap, NULL), DK_OK);
    assert_close(line, "jobs", trace.count);
    times = calloc(trace.count, sizeof(*times));
    fill_times(times, &trace, csv);
    dk_replay_stats(&stats, &trace, times, &dk_heap);
    assert_string_equal(stats.starts_sha256, sha256);
    assert_close(line, "total_wait", (double)stats.wait_total);
    assert_close(line, "median_wait", (double)stats.wait_median);
    assert_close(line, "p95_wait", (double)stats.wait_p95);
    assert_close(line, "max_wait", (double)stats.wait_max);
    assert_close(line, "mean_wait", stats.wait_mean);
    assert_close(line, "mean_bsld", stats.slowdown_mean);
    assert_close(line, "utilization", stats.utilisation);
    assert_close(line, "offered_load", stats.offered_load);
    assert_close(line, "makespan", (double)stats.makespan);
    assert_close(line, "procs", (double)stats.procs);
    free(times);
    free(csv);
    dk_trace_release(&trace);
    return true;
}

static void expected_starts_give_the_expected_numbers(void **state)
{
    char path[1024], *metrics, *rest = NULL;
    int checked = 0;

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/expected/metrics.jsonl", folder);
    metrics = read_file(path);
    assert_non_null(metrics);
    for (char *line = strtok_r(metrics, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        checked += check_line(line);
    assert_int_not_equal(checked, 0);
    free(metrics);
}

static void nothing_that_started_gives_no_ratio(void **state)
{
    struct dk_trace_job job = { .number = 1, .submit = 5, .run = 0, .estimate = 1, .procs = 1 };
    struct dk_trace trace = { .jobs = &job, .count = 1, .procs = 4 };
    struct dk_replay_times times = { DK_START_NONE, DK_START_NONE };
    struct dk_replay_stats stats;

    (void)state;
    dk_replay_stats(&stats, &trace, &times, &dk_heap);
    assert_int_equal(stats.jobs, 0);
    assert_true(stats.utilisation < 0 && stats.offered_load < 0);
    times = (struct dk_replay_times){ 5, 5 };
    dk_replay_stats(&stats, &trace, &times, &dk_heap);
    assert_int_equal(stats.jobs, 1);
    assert_int_equal(stats.makespan, 0);
    assert_true(stats.slowdown_mean == 1);
    assert_true(stats.utilisation < 0);
}

/* FIPS 180-4's own examples. */
static void the_hash_is_sha256(void **state)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dk_sha256 hash;
        uint8_t digest[32];
        char text[65];

        dk_sha256_init(&hash);
        for (const char *p = cases[i].text; *p != 0; p++)
            dk_sha256_add(&hash, p, 1);
        dk_sha256_done(&hash, digest);
        for (int k = 0; k < 32; k++)
            (void)snprintf(text + 2 * k, 3, "%02x", digest[k]);
        assert_string_equal(text, cases[i].digest);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest always[] = {
        cmocka_unit_test(nothing_that_started_gives_no_ratio),
        cmocka_unit_test(the_hash_is_sha256),
    };
    const struct CMUnitTest with_traces[] = {
        cmocka_unit_test(expected_starts_give_the_expected_numbers),
    };
    int failed = cmocka_run_group_tests(always, NULL, NULL);
    char path[1024];
    FILE *file;

    folder = getenv("DOCKET_TRACES");
    if (folder == NULL && argc > 1)
        folder = argv[1];
    (void)snprintf(path, sizeof(path), "%s/expected/metrics.jsonl", folder != NULL ? folder : "");
    file = fopen(path, "r");
    if (file == NULL && failed == 0) {
        (void)printf("skipped: no traces in '%s' (DOCKET_TRACES names the folder)\n",
                     folder != NULL ? folder : "");
        return 77;
    }
    if (file == NULL)
        return failed;
    (void)fclose(file);
    return failed + cmocka_run_group_tests(with_traces, NULL, NULL);
}
