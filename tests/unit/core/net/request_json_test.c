/* request_json_test.c - requests written as JSON: taken by the schema's names, refused by place */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "net/request_json.h"

#include <stdio.h>
#include <string.h>

static struct dk_arena arena;

static enum dk_status read_text(const char *text, struct dk_request **requests, uint32_t *count,
                                struct dk_err *err)
{
    dk_arena_reset(&arena);
    return dk_requests_from_json((const uint8_t *)text, strlen(text), &arena, requests, count, err);
}

static void a_submission_has_its_fields_and_zero_for_the_rest(void **state)
{
    struct dk_request *requests;
    struct dk_err err;
    uint32_t count;

    (void)state;
    assert_int_equal(
        read_text(
            "{\"type\":\"SubmitJob\",\"key\":\"00ff10\",\"script\":\"#!/bin/sh\\n\","
            "\"spec\":{\"name\":\"caf\\u00e9\",\"tasks\":2,\"exclusive\":true,"
            "\"dependencies\":[{\"kind\":\"AFTER_OK\",\"job\":17,\"delay_us\":0}],"
            "\"array\":{\"ranges\":[{\"first\":0,\"last\":9,\"step\":1}],\"running_max\":2}}}",
            &requests, &count, &err),
        DK_OK);
    assert_int_equal(count, 1);
    assert_int_equal(requests->type, DK_REQUEST_SUBMIT_JOB);
    assert_int_equal(requests->meta.key.size, 3);
    assert_memory_equal(requests->meta.key.data, "\x00\xff\x10", 3);
    assert_true(dk_text_equal(requests->submit_job.spec.name, dk_text_of("caf\xC3\xA9")));
    assert_int_equal(requests->submit_job.spec.tasks, 2);
    assert_int_equal(requests->submit_job.spec.nodes, 0);
    assert_true(requests->submit_job.spec.exclusive);
    assert_true(requests->submit_job.spec.has_array);
    assert_int_equal(requests->submit_job.spec.array.ranges[0].last, 9);
    assert_int_equal(requests->submit_job.spec.dependencies[0].kind, DK_DEPENDENCY_KIND_AFTER_OK);
    assert_int_equal(requests->submit_job.script.size, 10);
    assert_false(requests->submit_job.spec.has_launch);
}

static void a_list_keeps_its_order(void **state)
{
    struct dk_request *requests;
    struct dk_err err;
    uint32_t count;

    (void)state;
    assert_int_equal(
        read_text("[{\"type\":\"CancelJob\",\"job\":1},{\"type\":\"HoldJob\",\"job\":2}]",
                  &requests, &count, &err),
        DK_OK);
    assert_int_equal(count, 2);
    assert_int_equal(requests[0].cancel_job.job, 1);
    assert_int_equal(requests[1].hold_job.job, 2);
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
    static const struct {
        const char *text, *part;
    } cases[] = {
        { "", "JSON" },
        { "{\"job\":1}", "type" },
        { "{\"type\":\"Fly\"}", "Fly" },
        { "{\"type\":\"CancelJob\",\"jobb\":1}", "'CancelJob.jobb'" },
        { "{\"type\":\"CancelJob\",\"job\":\"1\"}", "'CancelJob.job' has to be an integer" },
        { "{\"type\":\"CancelJob\",\"job\":1.5}", "'CancelJob.job' has to be an integer" },
        { "{\"type\":\"SubmitJob\",\"spec\":{\"tasks\":9999999999}}", "SubmitJob.spec.tasks" },
        { "{\"type\":\"SubmitJob\",\"key\":\"0g\"}", "hexadecimal" },
        { "{\"type\":\"SubmitJob\",\"key\":\"000000000000000000000000000000000000\"}", "key" },
        { "{\"type\":\"SubmitJob\",\"spec\":{\"dependencies\":[{\"kind\":\"SOMEHOW\"}]}}",
          "SubmitJob.spec.dependencies" },
        { "[{\"type\":\"CancelJob\",\"job\":1},7]", "object" },
        { "[]", "no request" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct dk_request *requests;
        struct dk_err err = { 0 };
        uint32_t count;

        if (read_text(cases[i].text, &requests, &count, &err) == DK_OK)
            fail_msg("'%s' was taken", cases[i].text);
        if (strstr(err.text, cases[i].part) == NULL)
            fail_msg("'%s' for '%s' does not say %s", err.text, cases[i].text, cases[i].part);
    }
}

static void nesting_without_end_is_refused(void **state)
{
    static char text[200001];
    struct dk_request *requests;
    struct dk_err err;
    uint32_t count;

    (void)state;
    memset(text, '[', 200000);
    assert_int_not_equal(read_text(text, &requests, &count, &err), DK_OK);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submission_has_its_fields_and_zero_for_the_rest),
        cmocka_unit_test(a_list_keeps_its_order),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(nesting_without_end_is_refused),
    };
    int failed;

    dk_arena_init(&arena, &dk_heap);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    dk_arena_release(&arena);
    return failed;
}
