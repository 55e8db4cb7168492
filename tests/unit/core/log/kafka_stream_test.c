/* kafka_stream_test.c - streams on a real broker, whose address DOCKET_KAFKA is; skipped without
 * one */
#include "support.h"

#include "log/kafka_stream.h"
#include "log/stream.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LONG_MS = 20000, SKIPPED = 77 };

static char uri[512];

static int64_t now_us(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* A prefix of its own for each test: topics stay, the broker's folder is removed in the end. */
static int setup(void **state)
{
    static int count;

    (void)state;
    (void)snprintf(uri, sizeof(uri), "kafka://%s/stream-%d-%d", getenv("DOCKET_KAFKA"),
                   (int)getpid(), ++count);
    return 0;
}

static struct dk_stream_bytes bytes_of(const char *text)
{
    return (struct dk_stream_bytes){ (const uint8_t *)text, text != NULL ? strlen(text) : 0 };
}

static void must_be(struct dk_stream_bytes bytes, const char *text)
{
    if (text == NULL) {
        assert_null(bytes.data);
        return;
    }
    assert_non_null(bytes.data);
    assert_int_equal(bytes.size, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.size);
}

static struct dk_stream *open_stream(const char *name, const struct dk_stream_options *options)
{
    struct dk_stream *stream;
    struct dk_err err;

    if (dk_stream_open(&stream, uri, name, options, &err) != DK_OK)
        fail_msg("%s", err.text);
    return stream;
}

static struct dk_stream_reader *open_reader(const char *name, int64_t offset)
{
    struct dk_stream_reader *reader;
    struct dk_err err;

    if (dk_stream_reader_open(&reader, uri, name, offset, &err) != DK_OK)
        fail_msg("%s", err.text);
    return reader;
}

static void send_text(struct dk_stream *stream, const char *key, const char *value, uint64_t token)
{
    struct dk_stream_record record = { .key = bytes_of(key), .value = bytes_of(value) };
    struct dk_err err;

    if (dk_stream_send(stream, &record, token, &err) != DK_OK)
        fail_msg("%s", err.text);
}

static struct dk_stream_result next_result(struct dk_stream *stream)
{
    struct pollfd fd = { .fd = dk_stream_fd(stream), .events = POLLIN };
    struct dk_stream_result result;

    while (dk_stream_poll(stream, &result) != DK_OK) {
        if (poll(&fd, 1, LONG_MS) <= 0)
            fail_msg("no result within %d ms", LONG_MS);
    }
    return result;
}

static int64_t sent(struct dk_stream *stream, const char *key, const char *value, uint64_t token)
{
    struct dk_stream_result result;

    send_text(stream, key, value, token);
    result = next_result(stream);
    if (result.status != DK_OK)
        fail_msg("%s", result.why);
    assert_int_equal(result.token, token);
    return result.offset;
}

static struct dk_stream_record next_record(struct dk_stream_reader *reader)
{
    struct dk_stream_record record = { 0 };
    struct dk_err err;
    enum dk_status status;

    while ((status = dk_stream_reader_next(reader, &record, &err)) == DK_AGAIN) {
        if (dk_stream_reader_wait(reader, LONG_MS) != DK_OK)
            fail_msg("no record within %d ms", LONG_MS);
    }
    if (status != DK_OK)
        fail_msg("%s", err.text);
    return record;
}

static void run_to_end(struct dk_stream_reader *reader, const char *const *values)
{
    struct dk_stream_record record;

    for (; *values != NULL; values++) {
        record = next_record(reader);
        must_be(record.value, *values);
    }
    while (!dk_stream_reader_at_end(reader)) {
        assert_int_equal(dk_stream_reader_next(reader, &record, NULL), DK_AGAIN);
        if (!dk_stream_reader_at_end(reader))
            assert_int_equal(dk_stream_reader_wait(reader, LONG_MS), DK_OK);
    }
}

/* --- the tests --- */

static void what_is_sent_is_read_with_key_and_mac(void **state)
{
    struct dk_stream *stream = open_stream(DK_STREAM_SECRETS, NULL);
    struct dk_stream_record record = { .key = bytes_of("ada"),
                                       .value = bytes_of("sealed"),
                                       .mac = bytes_of("0123") };
    struct dk_stream_reader *reader;
    int64_t before = now_us(CLOCK_REALTIME);

    (void)state;
    assert_int_equal(dk_stream_send(stream, &record, 7, NULL), DK_OK);
    assert_int_equal(next_result(stream).offset, 0);
    assert_int_equal(sent(stream, "ada", NULL, 8), 1);        /* deleted */
    assert_int_equal(sent(stream, "bob", "", UINT64_MAX), 2); /* empty is not deleted */
    reader = open_reader(DK_STREAM_SECRETS, 0);
    record = next_record(reader);
    must_be(record.key, "ada");
    must_be(record.value, "sealed");
    must_be(record.mac, "0123");
    assert_int_equal(record.offset, 0);
    assert_true(record.time_us > before - 1000000 && record.time_us < before + 60000000);
    record = next_record(reader);
    must_be(record.key, "ada");
    must_be(record.value, NULL);
    must_be(record.mac, NULL);
    record = next_record(reader);
    must_be(record.value, "");
    assert_int_equal(dk_stream_reader_offset(reader), 3);
    assert_false(dk_stream_reader_at_end(reader) && dk_stream_pending(stream) > 0);
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void many_keep_their_order(void **state)
{
    enum { COUNT = 50000 };
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_reader *reader = open_reader(DK_STREAM_REQUESTS, 0);
    char value[32];

    (void)state;
    for (uint64_t i = 0; i < COUNT; i++) {
        (void)snprintf(value, sizeof(value), "%llu", (unsigned long long)i);
        send_text(stream, NULL, value, i);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        struct dk_stream_result result = next_result(stream);

        assert_int_equal(result.token, i);
        assert_int_equal(result.status, DK_OK);
        assert_int_equal(result.offset, i);
    }
    for (int64_t i = 0; i < COUNT; i++) {
        struct dk_stream_record record = next_record(reader);

        (void)snprintf(value, sizeof(value), "%lld", (long long)i);
        must_be(record.value, value);
        must_be(record.key, NULL);
        assert_int_equal(record.offset, i);
    }
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void a_record_that_waits_is_there_in_milliseconds(void **state)
{
    enum { COUNT = 200 };
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_reader *reader = open_reader(DK_STREAM_REQUESTS, 0);
    int64_t took[COUNT], sum = 0, most = 0;

    (void)state;
    (void)sent(stream, NULL, "warm", 0);
    (void)next_record(reader);
    for (uint64_t i = 0; i < COUNT; i++) {
        int64_t began = now_us(CLOCK_MONOTONIC);

        (void)sent(stream, NULL, "x", i);
        (void)next_record(reader);
        took[i] = now_us(CLOCK_MONOTONIC) - began;
        sum += took[i];
        if (took[i] > most)
            most = took[i];
    }
    print_message("sent, acknowledged and read: mean %lld us, most %lld us\n",
                  (long long)(sum / COUNT), (long long)most);
    assert_true(sum / COUNT < 100000); /* a machine under sanitizers and load */
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void a_reader_begins_where_it_is_told(void **state)
{
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_reader *reader;
    int64_t first, limit;

    (void)state;
    (void)sent(stream, NULL, "zero", 0);
    (void)sent(stream, NULL, "one", 1);
    (void)sent(stream, NULL, "two", 2);
    reader = open_reader(DK_STREAM_REQUESTS, 1);
    run_to_end(reader, (const char *const[]){ "one", "two", NULL });
    assert_ok(dk_stream_reader_range(reader, &first, &limit, LONG_MS, NULL));
    assert_int_equal(first, 0);
    assert_int_equal(limit, 3);
    assert_ok(dk_stream_reader_seek(reader, 0, NULL));
    assert_false(dk_stream_reader_at_end(reader));
    run_to_end(reader, (const char *const[]){ "zero", "one", "two", NULL });
    assert_ok(dk_stream_reader_seek(reader, 3, NULL)); /* waits there */
    run_to_end(reader, (const char *const[]){ NULL });
    (void)sent(stream, NULL, "three", 3);
    must_be(next_record(reader).value, "three");
    assert_false(dk_stream_reader_at_end(reader));
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void a_time_has_an_offset(void **state)
{
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_reader *reader;
    int64_t between, offset;

    (void)state;
    (void)sent(stream, NULL, "zero", 0);
    (void)sent(stream, NULL, "one", 1);
    (void)poll(NULL, 0, 20);
    between = now_us(CLOCK_REALTIME);
    (void)poll(NULL, 0, 20);
    (void)sent(stream, NULL, "two", 2);
    reader = open_reader(DK_STREAM_REQUESTS, 0);
    assert_ok(dk_stream_reader_find(reader, between, &offset, LONG_MS, NULL));
    assert_int_equal(offset, 2);
    assert_ok(dk_stream_reader_find(reader, between - INT64_C(900000000), &offset, LONG_MS, NULL));
    assert_int_equal(offset, 0);
    assert_ok(dk_stream_reader_find(reader, between + 60000000, &offset, LONG_MS, NULL));
    assert_int_equal(offset, 3);
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void an_offset_that_is_not_there_is_said(void **state)
{
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_reader *reader;
    struct dk_stream_record record;
    enum dk_status status;
    struct dk_err err;

    (void)state;
    (void)sent(stream, NULL, "zero", 0);
    reader = open_reader(DK_STREAM_REQUESTS, 17);
    while ((status = dk_stream_reader_next(reader, &record, &err)) == DK_AGAIN)
        assert_int_equal(dk_stream_reader_wait(reader, LONG_MS), DK_OK);
    assert_int_equal(status, DK_NOT_FOUND);
    assert_contains(err.text, "offset 17 is not in topic");
    assert_contains(err.text, "it has 0 to 0");
    assert_ok(dk_stream_reader_seek(reader, 0, NULL));
    must_be(next_record(reader).value, "zero");
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void a_topic_or_a_broker_that_is_not_there_is_said(void **state)
{
    struct dk_stream_reader *reader;
    struct dk_stream *stream;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_stream_reader_open(&reader, uri, DK_STREAM_REQUESTS, 0, &err),
                     DK_NOT_FOUND);
    assert_null(reader);
    assert_contains(err.text, ".requests");
    assert_int_equal(
        dk_stream_open(&stream, "kafka://127.0.0.1:1/x", DK_STREAM_REQUESTS, NULL, &err), DK_AWAY);
    assert_null(stream);
    assert_contains(err.text, "127.0.0.1:1");
    assert_int_equal(dk_stream_open(&stream, "file:log", DK_STREAM_REQUESTS, NULL, &err),
                     DK_UNSUPPORTED);
    assert_int_equal(dk_stream_reader_open(&reader, "file:log", DK_STREAM_REQUESTS, 0, &err),
                     DK_UNSUPPORTED);
}

static void a_large_record_fits_and_a_larger_one_is_refused(void **state)
{
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_reader *reader = open_reader(DK_STREAM_REQUESTS, 0);
    uint8_t *data = calloc(1, DK_STREAM_VALUE_SIZE_MAX + 1);
    struct dk_stream_record record = { .value = { data, DK_STREAM_VALUE_SIZE_MAX + 1 } };
    struct dk_stream_result result;
    struct dk_err err;

    (void)state;
    assert_non_null(data);
    assert_int_equal(dk_stream_send(stream, &record, 1, &err), DK_TOO_LARGE);
    assert_int_equal(dk_stream_pending(stream), 0);
    record.value.size = DK_STREAM_VALUE_SIZE_MAX;
    data[DK_STREAM_VALUE_SIZE_MAX - 1] = 17;
    assert_int_equal(dk_stream_send(stream, &record, 1, &err), DK_OK);
    result = next_result(stream);
    if (result.status != DK_OK)
        fail_msg("%s", result.why);
    record = next_record(reader);
    assert_int_equal(record.value.size, DK_STREAM_VALUE_SIZE_MAX);
    assert_int_equal(record.value.data[DK_STREAM_VALUE_SIZE_MAX - 1], 17);
    free(data);
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void too_many_at_once_are_refused_and_later_taken(void **state)
{
    struct dk_stream_options options = { .queue_max = 10 };
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, &options);
    struct dk_stream_record record = { .value = bytes_of("x") };
    uint64_t taken = 0, results = 0;
    struct dk_err err;

    (void)state;
    while (dk_stream_send(stream, &record, taken, &err) == DK_OK)
        taken++;
    assert_true(taken >= 10);
    assert_int_equal(err.status, DK_BUSY);
    for (; results < taken; results++)
        assert_int_equal(next_result(stream).token, results);
    assert_int_equal(sent(stream, NULL, "y", 99), (int64_t)taken);
    dk_stream_close(stream);
}

struct sender {
    pthread_t thread;
    struct dk_stream *stream;
    uint64_t first, limit;
};

static void *send_some(void *argument)
{
    struct sender *sender = argument;

    for (uint64_t i = sender->first; i < sender->limit; i++)
        send_text(sender->stream, NULL, "x", i);
    return NULL;
}

static void threads_may_send_at_once(void **state)
{
    enum { SENDERS = 4, EACH = 2000 };
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct sender senders[SENDERS];
    bool *seen = calloc(SENDERS * EACH, sizeof(*seen));

    (void)state;
    assert_non_null(seen);
    for (uint64_t i = 0; i < SENDERS; i++) {
        senders[i] =
            (struct sender){ .stream = stream, .first = i * EACH, .limit = (i + 1) * EACH };
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_some, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS * EACH; i++) {
        struct dk_stream_result result = next_result(stream);

        assert_int_equal(result.status, DK_OK);
        assert_false(seen[result.token]);
        seen[result.token] = true;
    }
    for (int i = 0; i < SENDERS; i++)
        (void)pthread_join(senders[i].thread, NULL);
    assert_int_equal(dk_stream_pending(stream), 0);
    free(seen);
    dk_stream_close(stream);
}

/* --- brokers that are away, producers that die --- */

static void signal_broker(int number)
{
    const char *pids = getenv("DOCKET_KAFKA_PIDS");
    pid_t pid = pids != NULL ? (pid_t)strtol(pids, NULL, 10) : 0;

    assert_true(pid > 0);
    assert_int_equal(kill(pid, number), 0);
    if (number == SIGSTOP)
        (void)poll(NULL, 0, 100); /* its threads stop one by one */
}

static void a_broker_that_is_away_for_a_while_costs_the_while(void **state)
{
    enum { COUNT = 200 };
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_reader *reader = open_reader(DK_STREAM_REQUESTS, 0);
    struct dk_stream_result result;
    char value[32];

    (void)state;
    (void)sent(stream, NULL, "before", 0);
    must_be(next_record(reader).value, "before");
    signal_broker(SIGSTOP);
    for (uint64_t i = 1; i <= COUNT; i++) {
        (void)snprintf(value, sizeof(value), "%llu", (unsigned long long)i);
        send_text(stream, NULL, value, i);
    }
    (void)poll(NULL, 0, 3000);
    assert_int_equal(dk_stream_poll(stream, &result), DK_AGAIN);
    assert_int_equal(dk_stream_pending(stream), COUNT);
    signal_broker(SIGCONT);
    for (int64_t i = 1; i <= COUNT; i++) {
        struct dk_stream_record record;

        result = next_result(stream);
        assert_int_equal(result.status, DK_OK);
        assert_int_equal(result.offset, i);
        record = next_record(reader);
        (void)snprintf(value, sizeof(value), "%lld", (long long)i);
        must_be(record.value, value);
    }
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void a_broker_that_is_away_for_too_long_fails_what_waits_and_nothing_later(void **state)
{
    struct dk_stream_options options = { .timeout_ms = 2000 };
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, &options);
    struct dk_stream_result result;
    struct dk_stream_reader *reader;
    int64_t began, offset;

    (void)state;
    (void)sent(stream, NULL, "before", 0);
    signal_broker(SIGSTOP);
    began = now_us(CLOCK_MONOTONIC);
    send_text(stream, NULL, "one", 1);
    send_text(stream, NULL, "two", 2);
    result = next_result(stream);
    assert_int_equal(result.token, 1);
    assert_true(result.status == DK_IO || result.status == DK_BUSY);
    assert_true(result.why[0] != '\0');
    print_message("failed after %d ms: %s: %s\n", (int)((now_us(CLOCK_MONOTONIC) - began) / 1000),
                  dk_status_name(result.status), result.why);
    assert_true(now_us(CLOCK_MONOTONIC) - began < 8000000);
    result = next_result(stream);
    assert_int_equal(result.token, 2);
    assert_true(result.status == DK_IO || result.status == DK_BUSY);
    signal_broker(SIGCONT);
    do { /* while a new producer is made, or the broker finds itself */
        struct dk_stream_record record = { .value = bytes_of("after") };

        while (dk_stream_send(stream, &record, 3, NULL) != DK_OK)
            (void)poll(NULL, 0, 10);
        result = next_result(stream);
    } while (result.status != DK_OK);
    offset = result.offset;
    reader = open_reader(DK_STREAM_REQUESTS, offset);
    must_be(next_record(reader).value, "after");
    dk_stream_reader_close(reader);
    dk_stream_close(stream);
}

static void a_producer_that_dies_fails_what_it_had_and_is_replaced(void **state)
{
    enum { COUNT = 50 };
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_record record = { .value = bytes_of("after") };
    struct dk_stream_result result;
    bool seen[COUNT] = { false };
    struct dk_err err;
    int failed = 0;

    (void)state;
    signal_broker(SIGSTOP);
    for (uint64_t i = 0; i < COUNT; i++)
        send_text(stream, NULL, "x", i);
    (void)rd_kafka_test_fatal_error(dk_stream_producer(stream),
                                    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "a test");
    for (int i = 0; i < COUNT; i++) {
        result = next_result(stream);
        assert_false(seen[result.token]);
        seen[result.token] = true;
        failed += result.status != DK_OK;
    }
    assert_int_equal(failed, COUNT);
    signal_broker(SIGCONT);
    assert_int_equal(dk_stream_poll(stream, &result), DK_AGAIN); /* takes a new one */
    if (dk_stream_send(stream, &record, 99, &err) != DK_OK)
        fail_msg("%s", err.text);
    result = next_result(stream);
    assert_int_equal(result.token, 99);
    if (result.status != DK_OK)
        fail_msg("%s", result.why);
    assert_int_equal(dk_stream_pending(stream), 0);
    dk_stream_close(stream);
}

static void what_is_stopped_gives_everything_back(void **state)
{
    enum { COUNT = 50 };
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_record record = { .value = bytes_of("x") };
    struct dk_stream_result result;
    struct dk_err err;

    (void)state;
    (void)sent(stream, NULL, "x", 0);
    signal_broker(SIGSTOP);
    for (uint64_t i = 0; i < COUNT; i++)
        send_text(stream, NULL, "x", i);
    (void)poll(NULL, 0, 100); /* some of it is under way */
    dk_stream_stop(stream);
    for (int i = 0; i < COUNT; i++)
        assert_int_not_equal(next_result(stream).status, DK_OK);
    assert_int_equal(dk_stream_pending(stream), 0);
    assert_int_equal(dk_stream_send(stream, &record, 1, &err), DK_BUSY);
    assert_contains(err.text, "stopped");
    assert_int_equal(dk_stream_poll(stream, &result), DK_AGAIN);
    dk_stream_close(stream);
    signal_broker(SIGCONT);
}

static void closing_waits_for_no_broker(void **state)
{
    struct dk_stream *stream = open_stream(DK_STREAM_REQUESTS, NULL);
    struct dk_stream_reader *reader = open_reader(DK_STREAM_REQUESTS, 0);
    int64_t began;

    (void)state;
    (void)sent(stream, NULL, "x", 0);
    signal_broker(SIGSTOP);
    send_text(stream, NULL, "y", 1);
    began = now_us(CLOCK_MONOTONIC);
    dk_stream_close(stream);
    dk_stream_reader_close(reader);
    print_message("closed in %d ms\n", (int)((now_us(CLOCK_MONOTONIC) - began) / 1000));
    assert_true(now_us(CLOCK_MONOTONIC) - began < 3000000);
    signal_broker(SIGCONT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_sent_is_read_with_key_and_mac, setup),
        cmocka_unit_test_setup(many_keep_their_order, setup),
        cmocka_unit_test_setup(a_record_that_waits_is_there_in_milliseconds, setup),
        cmocka_unit_test_setup(a_reader_begins_where_it_is_told, setup),
        cmocka_unit_test_setup(a_time_has_an_offset, setup),
        cmocka_unit_test_setup(an_offset_that_is_not_there_is_said, setup),
        cmocka_unit_test_setup(a_topic_or_a_broker_that_is_not_there_is_said, setup),
        cmocka_unit_test_setup(a_large_record_fits_and_a_larger_one_is_refused, setup),
        cmocka_unit_test_setup(too_many_at_once_are_refused_and_later_taken, setup),
        cmocka_unit_test_setup(threads_may_send_at_once, setup),
        cmocka_unit_test_setup(a_broker_that_is_away_for_a_while_costs_the_while, setup),
        cmocka_unit_test_setup(
            a_broker_that_is_away_for_too_long_fails_what_waits_and_nothing_later, setup),
        cmocka_unit_test_setup(a_producer_that_dies_fails_what_it_had_and_is_replaced, setup),
        cmocka_unit_test_setup(what_is_stopped_gives_everything_back, setup),
        cmocka_unit_test_setup(closing_waits_for_no_broker, setup),
    };

    if (getenv("DOCKET_KAFKA") == NULL) {
        (void)printf("skipped: no DOCKET_KAFKA; tests/e2e/kafka/broker.py -- %s\n",
                     "log_kafka_stream_test");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
