/* metrics_test.c - events are counted; what is written can be read by machines */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "projections/metrics.h"
#include "scratch.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static struct dk_event event_of(enum dk_event_type type, int64_t seq, int64_t cause)
{
    struct dk_event event = { .type = type };

    event.meta.seq = seq;
    event.meta.time = 1000000 * seq;
    event.meta.epoch = 3;
    event.meta.cause = cause;
    return event;
}

/* Two requests (an array, a refusal) and one start, in a batch. */
static void feed(struct dk_metrics *metrics)
{
    static const struct dk_index_range ranges[] = { { 0, 9, 1 }, { 20, 26, 3 } };
    struct dk_event event = event_of(DK_EVENT_JOB_SUBMITTED, 1, 11);

    event.job_submitted.spec.has_array = true;
    event.job_submitted.spec.array.ranges = ranges;
    event.job_submitted.spec.array.ranges_count = 2;
    dk_metrics_event(metrics, &event);
    event = event_of(DK_EVENT_REQUEST_REJECTED, 2, 12);
    event.request_rejected.reason = DK_REJECT_REASON_LIMIT;
    dk_metrics_event(metrics, &event);
    event = event_of(DK_EVENT_JOB_PLACED, 3, 0);
    dk_metrics_event(metrics, &event);
    event = event_of(DK_EVENT_BATCH_CLOSED, 4, 0);
    dk_metrics_event(metrics, &event);
    event = event_of(DK_EVENT_JOB_ENDED, 5, 13);
    event.job_ended.state = DK_END_STATE_TIMEOUT;
    dk_metrics_event(metrics, &event);
    event = event_of(DK_EVENT_BATCH_CLOSED, 6, 0);
    dk_metrics_event(metrics, &event);
}

static void test_events_are_counted(void **state)
{
    struct dk_metrics metrics = { 0 };

    (void)state;
    feed(&metrics);
    assert_int_equal(metrics.since, 1000000);
    assert_int_equal(metrics.seq, 6);
    assert_int_equal(metrics.events, 6);
    assert_int_equal(metrics.batches, 2);
    assert_int_equal(metrics.requests, 3);
    assert_int_equal(metrics.requests_rejected, 1);
    assert_int_equal(metrics.rejected_by_reason[DK_REJECT_REASON_LIMIT], 1);
    assert_int_equal(metrics.jobs_submitted, 1);
    assert_int_equal(metrics.array_tasks_submitted, 13);
    assert_int_equal(metrics.jobs_started, 1);
    assert_int_equal(metrics.ended_by_state[DK_END_STATE_TIMEOUT], 1);
    assert_int_equal(metrics.batch_events, 2);
    assert_int_equal(metrics.batch_starts, 1);
    assert_int_equal(metrics.start_time, 4000000);
}

static const char *text_of(struct dk_buf *out)
{
    assert_true(dk_buf_add(out, "", 1));
    return (const char *)out->data;
}

static struct dk_gauges gauges_of(const struct dk_gauges_partition *partitions, uint32_t count)
{
    struct dk_gauges gauges = { 0 };

    gauges.now = 66000000;
    gauges.seq_log = 9;
    gauges.jobs[DK_ROW_PENDING] = 12;
    gauges.jobs[DK_ROW_RUNNING] = 2;
    gauges.nodes.mixed = 1;
    gauges.nodes.draining = 1;
    gauges.nodes.drained = 2;
    gauges.cores = 8;
    gauges.cores_used = 3;
    gauges.partitions = partitions;
    gauges.partition_count = count;
    return gauges;
}

static void test_openmetrics_has_what_dashboards_ask_for(void **state)
{
    static const struct dk_gauges_partition partitions[] = { { { "ma\"in", 5 }, 12, 2, 8, 3 } };
    struct dk_gauges gauges = gauges_of(partitions, 1);
    struct dk_metrics metrics = { 0 };
    struct dk_buf out;
    const char *text;

    (void)state;
    feed(&metrics);
    dk_metrics_started(&metrics, 2500000);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    assert_true(dk_metrics_write(&metrics, &gauges, &out));
    text = text_of(&out);
    assert_says(text, "# TYPE docket_jobs_started counter\n");
    assert_says(text, "\ndocket_jobs_started_total 1\n");
    assert_says(text, "\ndocket_jobs_ended_by_state_total{state=\"timeout\"} 1\n");
    assert_says(text, "\ndocket_requests_rejected_by_reason_total{reason=\"limit\"} 1\n");
    assert_says(text, "\ndocket_seq_behind 3\n");
    assert_says(text, "\ndocket_jobs{state=\"pending\"} 12\n");
    assert_says(text, "\ndocket_nodes{state=\"mixed\"} 1\n");
    assert_says(text, "\nslurm_cpus_idle 5\n");
    assert_says(text, "\nslurm_nodes_drain 3\n");
    assert_says(text, "\nslurm_queue_pending 12\n");
    assert_says(text, "\nslurm_partition_cpus_idle{partition=\"ma\\\"in\"} 5\n");
    assert_says(text, "docket_job_wait_seconds_bucket{le=\"1.0\"} 0\n");
    assert_says(text, "docket_job_wait_seconds_bucket{le=\"10.0\"} 1\n");
    assert_says(text, "docket_job_wait_seconds_sum 2.500000\n");
    dk_buf_release(&out);
}

/* The grammar, as far as we use it: families are declared once, before their samples, and all
 * samples carry the name of the family above them. */
static void test_openmetrics_is_well_formed(void **state)
{
    struct dk_gauges gauges = gauges_of(NULL, 0);
    struct dk_metrics metrics = { 0 };
    char family[128] = "", seen[16384] = "\n", *line, *rest;
    struct dk_buf out;

    (void)state;
    dk_buf_init(&out, &dk_heap, 1 << 20);
    assert_true(dk_metrics_write(&metrics, &gauges, &out));
    assert_string_equal((char *)text_of(&out) + out.size - 7, "# EOF\n");
    for (line = strtok_r((char *)out.data, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            char mark[160];

            (void)snprintf(family, sizeof(family), "%.*s", (int)strcspn(line + 7, " "), line + 7);
            (void)snprintf(mark, sizeof(mark), "\n%s\n", family);
            assert_null(strstr(seen, mark)); /* declared once */
            (void)snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s\n", family);
        } else if (line[0] != '#') {
            const char *value = strrchr(line, ' ');

            assert_int_equal(strncmp(line, family, strlen(family)), 0);
            assert_non_null(value);
            assert_true(isdigit((unsigned char)value[1]));
        }
    }
    dk_buf_release(&out);
}

static void test_stats_are_one_json_object(void **state)
{
    static const struct dk_gauges_partition partitions[] = { { { "ma\"in", 5 }, 12, 2, 8, 3 },
                                                             { { "b", 1 }, 0, 0, 4, 0 } };
    struct dk_gauges gauges = gauges_of(partitions, 2);
    struct dk_metrics metrics = { 0 };
    struct dk_buf out;
    const char *text;
    int depth = 0;
    bool quoted = false;

    (void)state;
    feed(&metrics);
    dk_buf_init(&out, &dk_heap, 1 << 20);
    assert_true(dk_stats_write(&metrics, &gauges, &out));
    text = text_of(&out);
    assert_says(text, "{\"seq\":6,\"time\":6000000,\"now\":66000000,\"since\":1000000,");
    assert_says(text, "\"behind\":3,");
    assert_says(text, "\"jobs_started\":1,");
    assert_says(text, "\"TIMEOUT\":1,");
    assert_says(text, "\"cores\":{\"total\":8,\"used\":3}");
    assert_says(text, "{\"name\":\"ma\\\"in\",\"jobs_pending\":12,");
    assert_says(text, "\"a_minute\":1}"); /* two in 62 seconds */
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            quoted = !quoted;
        else if (!quoted && (*at == '{' || *at == '['))
            depth++;
        else if (!quoted && (*at == '}' || *at == ']'))
            depth--;
        assert_false(!quoted && *at == ',' && (at[1] == '}' || at[1] == ']' || at[1] == ','));
        assert_true(depth >= 0);
    }
    assert_int_equal(depth, 0);
    dk_buf_release(&out);
}

static void test_a_full_buffer_is_said(void **state)
{
    struct dk_gauges gauges = gauges_of(NULL, 0);
    struct dk_metrics metrics = { 0 };
    struct dk_buf out;

    (void)state;
    dk_buf_init(&out, &dk_heap, 100);
    assert_false(dk_metrics_write(&metrics, &gauges, &out));
    dk_buf_clear(&out);
    assert_false(dk_stats_write(&metrics, &gauges, &out));
    dk_buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events_are_counted),
        cmocka_unit_test(test_openmetrics_has_what_dashboards_ask_for),
        cmocka_unit_test(test_openmetrics_is_well_formed),
        cmocka_unit_test(test_stats_are_one_json_object),
        cmocka_unit_test(test_a_full_buffer_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
