/* swf_test.c - a trace is read as the rules say, or refused with its line and field */
#include "replay/swf.h"

#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

static enum dk_status read_bytes(struct dk_trace *trace, const void *bytes, size_t size,
                                 const struct dk_trace_options *options, struct dk_err *err)
{
    static const struct dk_trace_options by_rule;
    struct dk_input *input;
    enum dk_status status = dk_input_open_memory(&input, bytes, size, err);

    assert_int_equal(status, DK_OK);
    status =
        dk_trace_read(trace, input, "t.swf", options != NULL ? options : &by_rule, &dk_heap, err);
    dk_input_destroy(input);
    return status;
}

static enum dk_status read_text(struct dk_trace *trace, const char *text, struct dk_err *err)
{
    return read_bytes(trace, text, strlen(text), NULL, err);
}

#define HEADER "; MaxProcs: 100\n"

static void refuses(const char *text, const char *message)
{
    struct dk_trace trace;
    struct dk_err err;

    assert_int_equal(read_text(&trace, text, &err), DK_INVALID);
    assert_int_equal(err.status, DK_INVALID);
    assert_string_equal(err.text, message);
}

static void requested_numbers_count_before_recorded_ones(void **state)
{
    struct dk_trace trace;
    struct dk_err err;

    (void)state;
    assert_int_equal(read_text(&trace,
                               HEADER "1 10 -1 50 4 -1 -1 8 60 2048 1 7 3 -1 -1 -1 -1 -1\n"
                                      "2 11 -1 50 4 -1 -1 -1 -1 -1 1 -1 -1 -1 -1 -1 -1 -1\n"
                                      "3 12 -1 0 4\n",
                               &err),
                     DK_OK);
    assert_int_equal(trace.count, 3);
    assert_int_equal(trace.procs, 100);
    assert_int_equal(trace.jobs[0].procs, 8);
    assert_int_equal(trace.jobs[0].estimate, 60);
    assert_int_equal(trace.jobs[0].memory_kib, 2048);
    assert_int_equal(trace.jobs[0].user, 7);
    assert_int_equal(trace.jobs[0].group, 3);
    assert_int_equal(trace.jobs[1].procs, 4);
    assert_int_equal(trace.jobs[1].estimate, 50);
    assert_int_equal(trace.jobs[1].user, -1);
    assert_int_equal(trace.jobs[2].run, 0);
    assert_int_equal(trace.jobs[2].estimate, 1);
    assert_int_equal(trace.jobs[2].memory_kib, -1);
    dk_trace_release(&trace);
}

static void switches_choose_the_other_field(void **state)
{
    static const struct dk_trace_options options = { .procs = 50,
                                                     .prefer_allocated = true,
                                                     .exact_estimates = true };
    const char *text = "1 10 -1 50 4 -1 -1 8 60 -1\n2 10 -1 50 -1 -1 -1 8 60 -1\n";
    struct dk_trace trace;

    (void)state;
    assert_int_equal(read_bytes(&trace, text, strlen(text), &options, NULL), DK_OK);
    assert_int_equal(trace.procs, 50);
    assert_int_equal(trace.jobs[0].procs, 4);
    assert_int_equal(trace.jobs[0].estimate, 50);
    assert_int_equal(trace.jobs[1].procs, 8);
    dk_trace_release(&trace);
}

static void jobs_are_left_out_by_their_first_cause(void **state)
{
    struct dk_trace trace;
    struct dk_err err;

    (void)state;
    assert_int_equal(read_text(&trace,
                               HEADER
                               "1 0 -1 5 0 -1 -1 0 9 -1\n"    /* no_procs */
                               "2 -5 -1 -1 0 -1 -1 -1 9 -1\n" /* no_procs before the others */
                               "3 -5 -1 -1 1 -1 -1 1 9 -1\n"  /* negative_run */
                               "4 -5 -1 5 1 -1 -1 1 9 -1\n"   /* negative_submit */
                               "5 0 -1 5 1 -1 -1 101 9 -1\n"  /* too_large */
                               "6 0 -1 5 1 -1 -1 999999999999 9 -1\n"
                               "7 0 -1 5 1 -1 -1 100 9 -1\n",
                               &err),
                     DK_OK);
    assert_int_equal(trace.count, 1);
    assert_int_equal(trace.jobs[0].number, 7);
    assert_int_equal(trace.dropped[DK_DROP_NO_PROCS], 2);
    assert_int_equal(trace.dropped[DK_DROP_NEGATIVE_RUN], 1);
    assert_int_equal(trace.dropped[DK_DROP_NEGATIVE_SUBMIT], 1);
    assert_int_equal(trace.dropped[DK_DROP_TOO_LARGE], 2);
    dk_trace_release(&trace);
}

static void jobs_are_ordered_by_submit_then_line(void **state)
{
    struct dk_trace trace;
    struct dk_err err;

    (void)state;
    assert_int_equal(
        read_text(&trace, HEADER "1 30 0 1 1\n2 10 0 1 1\n3 20 0 1 1\n4 10 0 1 1\n", &err), DK_OK);
    assert_int_equal(trace.jobs[0].number, 2);
    assert_int_equal(trace.jobs[1].number, 4);
    assert_int_equal(trace.jobs[2].number, 3);
    assert_int_equal(trace.jobs[3].number, 1);
    dk_trace_release(&trace);
}

static void noise_is_tolerated(void **state)
{
    struct dk_trace trace;
    struct dk_err err;

    (void)state;
    assert_int_equal(
        read_text(&trace,
                  ";\n; MaxProcs: many\n;; ;\n; Partition: 19  `;\n;\tsee: here\n"
                  ";MaxProcs:64 (32 nodes)\n; MaxProcs: 128\n; MaxNodes : 32\n"
                  "; UnixStartTime: 0\n\n  \t\r\n"
                  "\t 1.0 2.75  -1.00 5.9 3. -1 -1 -1 -1 -1 1 -1 -1 -1 -1 -1 -1 -1 {a,b} q #x\r\n"
                  "; MaxProcs: 7\n2 3 0 1 1",
                  &err),
        DK_OK);
    assert_int_equal(trace.procs, 64);
    assert_int_equal(trace.nodes_max, 32);
    assert_int_equal(trace.unix_start, 0);
    assert_int_equal(trace.count, 2);
    assert_int_equal(trace.jobs[0].submit, 2);
    assert_int_equal(trace.jobs[0].run, 5);
    assert_int_equal(trace.jobs[0].procs, 3);
    dk_trace_release(&trace);
}

static void what_is_no_number_is_refused_with_line_and_field(void **state)
{
    (void)state;
    refuses(HEADER "1 1 1 1 1 1 1 abc 1\n", "trace 't.swf' line 2: field 8 'abc' is not a number");
    refuses(HEADER "1 1 1 1 1\n\nx 1 1 1 1\n", "trace 't.swf' line 4: field 1 'x' is not a number");
    refuses("1 nan 1 1 1\n", "trace 't.swf' line 1: field 2 'nan' is not a number");
    refuses("1 - 1 1 1\n", "trace 't.swf' line 1: field 2 '-' is not a number");
    refuses("1 0x10 1 1 1\n", "trace 't.swf' line 1: field 2 '0x10' is not a number");
    refuses("1 1e5 1 1 1\n", "trace 't.swf' line 1: field 2 '1e5' is not a number");
    refuses("1 1.2.3 1 1 1\n", "trace 't.swf' line 1: field 2 '1.2.3' is not a number");
    refuses("1 1234567890123456789 1 1 1\n",
            "trace 't.swf' line 1: field 2 '1234567890123456789' is not a number");
    refuses("1 9999999999999 1 1 1\n",
            "trace 't.swf' line 1: field 2 '9999999999999' is too large for a time in seconds");
    refuses("1 2 3 4\n", "trace 't.swf' line 1: 4 fields where a job has 18");
}

static void a_trace_without_jobs_or_size_is_refused(void **state)
{
    (void)state;
    refuses("", "trace 't.swf' has no jobs");
    refuses(HEADER, "trace 't.swf' has no jobs");
    refuses("1 1 1 1 1\n", "trace 't.swf' does not say how large the machine is (no MaxProcs or "
                           "MaxNodes); give --procs N, or --nodes N and --cores-per-node N");
    refuses(HEADER "1 1 1 1 500\n", "trace 't.swf' has no job that can be replayed (1 left out)");
}

/* A trace longer than any buffer on the way, so that lines straddle all of them. */
static char *long_text(size_t *size)
{
    enum { JOBS = 60000 };
    char *text = malloc(JOBS * 64 + 64);
    size_t used = (size_t)sprintf(text, HEADER);

    assert_non_null(text);
    for (int i = 0; i < JOBS; i++)
        used += (size_t)sprintf(text + used, "%d %d -1 %d %d -1 -1 -1 -1 -1\n", i + 1, i * 3,
                                i % 977, i % 100 + 1);
    *size = used;
    return text;
}

static void assert_long(struct dk_trace *trace)
{
    assert_int_equal(trace->count, 60000);
    for (uint32_t i = 0; i < trace->count; i++) {
        assert_int_equal(trace->jobs[i].number, i + 1);
        assert_int_equal(trace->jobs[i].run, i % 977);
    }
    dk_trace_release(trace);
}

/* gzip by zlib, `members` of them in a row. */
static uint8_t *gzip(const char *text, size_t size, int members, size_t *packed)
{
    uint8_t *out = malloc(size + 1024);
    size_t part = size / (size_t)members, used = 0;

    assert_non_null(out);
    for (int i = 0; i < members; i++) {
        z_stream z = { 0 };

        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                         Z_OK);
        z.next_in = (Bytef *)(uintptr_t)(text + (size_t)i * part);
        z.avail_in = (uInt)(i == members - 1 ? size - (size_t)i * part : part);
        z.next_out = out + used;
        z.avail_out = (uInt)(size + 1024 - used);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        used += z.total_out;
        deflateEnd(&z);
    }
    *packed = used;
    return out;
}

static void compressed_traces_read_like_plain_ones(void **state)
{
    size_t size, packed;
    char *text = long_text(&size);
    uint8_t *out;
    struct dk_trace trace;

    (void)state;
    assert_int_equal(read_bytes(&trace, text, size, NULL, NULL), DK_OK);
    assert_long(&trace);
    for (int members = 1; members < 4; members++) {
        out = gzip(text, size, members, &packed);
        assert_int_equal(read_bytes(&trace, out, packed, NULL, NULL), DK_OK);
        assert_long(&trace);
        free(out);
    }
    out = malloc(ZSTD_compressBound(size));
    packed = ZSTD_compress(out, ZSTD_compressBound(size), text, size, 3);
    assert_int_equal(read_bytes(&trace, out, packed, NULL, NULL), DK_OK);
    assert_long(&trace);
    free(out);
    free(text);
}

static void a_cut_or_damaged_file_is_never_a_short_trace(void **state)
{
    size_t size, packed;
    char *text = long_text(&size);
    uint8_t *out = gzip(text, size, 1, &packed);
    struct dk_trace trace;
    struct dk_err err;

    (void)state;
    for (size_t cut = 20; cut < packed; cut += packed / 7) {
        assert_int_equal(read_bytes(&trace, out, cut, NULL, &err), DK_INVALID);
        assert_int_equal(err.status, DK_INVALID);
        assert_string_equal(err.text, "trace 't.swf': cut short: gzip data ends in the middle");
    }
    assert_int_equal(read_bytes(&trace, out, packed - 1, NULL, &err), DK_INVALID);
    out[packed / 2] ^= 0x55;
    assert_int_equal(read_bytes(&trace, out, packed, NULL, &err), DK_INVALID);
    out[packed / 2] ^= 0x55;
    memcpy(out + packed, "tail", 4);
    assert_int_equal(read_bytes(&trace, out, packed + 4, NULL, &err), DK_INVALID);
    memset(out + packed, 0, 4);
    assert_int_equal(read_bytes(&trace, out, packed + 4, NULL, &err), DK_OK);
    assert_long(&trace);
    free(out);
    out = malloc(ZSTD_compressBound(size));
    packed = ZSTD_compress(out, ZSTD_compressBound(size), text, size, 3);
    assert_int_equal(read_bytes(&trace, out, packed / 2, NULL, &err), DK_INVALID);
    assert_string_equal(err.text, "trace 't.swf': cut short: zstd data ends in the middle");
    free(out);
    free(text);
}

static void a_line_longer_than_the_window_is_refused(void **state)
{
    size_t size = 3u << 20;
    char *text = malloc(size);
    struct dk_trace trace;
    struct dk_err err;

    (void)state;
    memset(text, '1', size);
    assert_int_equal(read_bytes(&trace, text, size, NULL, &err), DK_INVALID);
    assert_string_equal(err.text, "trace 't.swf' line 1: longer than 1048576 bytes");
    free(text);
}

static void a_file_that_is_not_there_is_named(void **state)
{
    static const struct dk_trace_options by_rule;
    struct dk_trace trace;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_trace_open(&trace, "no/such.swf", &by_rule, &dk_heap, &err), DK_NOT_FOUND);
    assert_string_equal(err.text,
                        "trace 'no/such.swf': cannot be opened: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requested_numbers_count_before_recorded_ones),
        cmocka_unit_test(switches_choose_the_other_field),
        cmocka_unit_test(jobs_are_left_out_by_their_first_cause),
        cmocka_unit_test(jobs_are_ordered_by_submit_then_line),
        cmocka_unit_test(noise_is_tolerated),
        cmocka_unit_test(what_is_no_number_is_refused_with_line_and_field),
        cmocka_unit_test(a_trace_without_jobs_or_size_is_refused),
        cmocka_unit_test(compressed_traces_read_like_plain_ones),
        cmocka_unit_test(a_cut_or_damaged_file_is_never_a_short_trace),
        cmocka_unit_test(a_line_longer_than_the_window_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
