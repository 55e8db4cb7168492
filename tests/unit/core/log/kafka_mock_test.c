/* kafka_mock_test.c - faults that a real broker makes too rarely: what the writer makes of them
 *
 * librdkafka's mock brokers, which answer what they are told to. They keep no transactions, so only
 * the outcome of a failure is tested here; what succeeds is tested on a real one.
 */
#include "support.h"

#include "log/kafka_events.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRODUCE = 0,
    FIND_COORDINATOR = 10,
    ADD_PARTITIONS = 24,
    END_TXN = 26
}; /* of the protocol */

static rd_kafka_t *host;
static rd_kafka_mock_cluster_t *mock;
static struct dk_kafka_place place;
static struct dk_kafka_writer writer;
static bool is_told_to_stop;

static bool is_stopped(void *context)
{
    return *(bool *)context;
}

static int begin(void **state)
{
    const struct dk_log_options options = { .is_stopped = is_stopped, .context = &is_told_to_stop };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct dk_err err = { 0 };
    char uri[300];

    (void)state;
    is_told_to_stop = false;
    (void)rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    mock = rd_kafka_mock_cluster_new(host, 1);
    assert_non_null(mock);
    (void)snprintf(uri, sizeof(uri), "kafka://%s/mock", rd_kafka_mock_cluster_bootstraps(mock));
    assert_ok(dk_kafka_place_init(&place, uri, NULL));
    assert_ok(dk_kafka_writer_open(&writer, &place, &options, NULL));
    (void)rd_kafka_mock_topic_create(mock, writer.topic, 1, 1);
    if (dk_kafka_writer_fence(&writer, &err) != DK_OK)
        fail_msg("%s", err.text);
    return 0;
}

static int end(void **state)
{
    (void)state;
    dk_kafka_writer_close(&writer);
    dk_kafka_place_release(&place);
    rd_kafka_mock_cluster_destroy(mock);
    rd_kafka_destroy(host);
    return 0;
}

static void must_fail_with(size_t count, enum dk_status status, const char *text)
{
    static uint8_t value[] = "ab";
    const struct dk_kafka_record records[] = { { { 1, 1, 0, 2 }, 1 }, { { 2, 1, 1, 2 }, 1 } };
    struct dk_err err = { 0 };
    enum dk_status found = dk_kafka_write(&writer, records, count, value, &err);

    if (found != status || strstr(err.text, text) == NULL)
        fail_msg("%s: '%s' does not say '%s'", dk_status_name(found), err.text, text);
}

static void must_fail(enum dk_status status, const char *text)
{
    must_fail_with(2, status, text);
}

static void a_commit_that_is_refused_for_a_newer_writer_is_fenced(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock, END_TXN, 1, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    must_fail(DK_FENCED, "a newer writer has taken over topic 'mock.events'");
}

static void records_that_are_refused_for_a_newer_writer_are_fenced(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock, ADD_PARTITIONS, 1,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    must_fail(DK_FENCED, "a newer writer has taken over topic 'mock.events'");
}

static void a_commit_whose_outcome_is_not_known_fails_for_good(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock, END_TXN, 1, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
    must_fail(DK_IO, "topic 'mock.events' can't be written: commit: ");
    must_fail(DK_IO, "topic 'mock.events' can't be written: "); /* whatever is tried then */
}

static void a_record_that_stays_refused_is_not_tried_for_ever(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock, PRODUCE, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    must_fail(DK_IO, "can't be written: Broker: Message size too large");
}

static void a_topic_that_may_not_be_written_is_not_tried_for_ever(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock, ADD_PARTITIONS, 1,
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    must_fail(DK_IO, "can't be written: ");
}

/* Faults that pass are tried over, until one that does not is met. */
static void faults_that_pass_are_passed_over(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock, ADD_PARTITIONS, 2,
                                      RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
                                      RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    rd_kafka_mock_push_request_errors(mock, PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
    rd_kafka_mock_push_request_errors(mock, END_TXN, 3, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    must_fail(DK_FENCED, "a newer writer has taken over");
}

/* These brokers write no marker: what is committed does not show, and a mark is committed behind
 * it.
 */
static void a_mark_that_is_refused_for_a_newer_writer_is_fenced(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock, END_TXN, 2, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    must_fail(DK_FENCED, "a newer writer has taken over topic 'mock.events'");
}

static void a_mark_that_is_called_off_leaves_the_outcome_unknown(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock, PRODUCE, 2, RD_KAFKA_RESP_ERR_NO_ERROR,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    must_fail_with(1, DK_IO,
                   "did not show, and what was to show it was called off"); /* 1 request */
}

static void who_is_stopped_does_not_wait_for_brokers(void **state)
{
    (void)state;
    rd_kafka_mock_broker_set_down(mock, 1);
    is_told_to_stop = true;
    must_fail(DK_AWAY, "whether what was to be written counts is not known");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(a_commit_that_is_refused_for_a_newer_writer_is_fenced),
        TEST(records_that_are_refused_for_a_newer_writer_are_fenced),
        TEST(a_commit_whose_outcome_is_not_known_fails_for_good),
        TEST(a_record_that_stays_refused_is_not_tried_for_ever),
        TEST(a_topic_that_may_not_be_written_is_not_tried_for_ever),
        TEST(faults_that_pass_are_passed_over),
        TEST(a_mark_that_is_refused_for_a_newer_writer_is_fenced),
        TEST(a_mark_that_is_called_off_leaves_the_outcome_unknown),
        TEST(who_is_stopped_does_not_wait_for_brokers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
