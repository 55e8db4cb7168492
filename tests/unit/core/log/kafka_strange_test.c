/* kafka_strange_test.c - what others may leave in a topic of events, and what comes of it
 *
 * A producer of the test's own plays writers that died, writers that do not know that they were
 * taken over from, strangers, and administrators. Needs a broker: DOCKET_KAFKA has its address.
 */
#include "support.h"

#include "log/kafka_events.h"

#include "base/prng.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#ifdef __clang__ /* librdkafka's macros of arguments are statements in parentheses */
#pragma clang diagnostic ignored "-Wgnu-statement-expression"
#endif

static struct dk_kafka_place place;
static char uri[600], topic[DK_KAFKA_TOPIC_MAX];

static int fresh(void **state)
{
    static int number;

    (void)state;
    (void)snprintf(uri, sizeof(uri), "kafka://%s/strange-%d", getenv("DOCKET_KAFKA"), ++number);
    dk_kafka_place_release(&place);
    assert_ok(dk_kafka_place_init(&place, uri, NULL));
    dk_kafka_topic_name(&place, DK_KAFKA_EVENTS, topic);
    return 0;
}

/* --- others --- */

/* Of a transactional id: that of the log is fenced by it, as by any other writer. NULL: of none. */
static rd_kafka_t *other(const char *id)
{
    const struct dk_kafka_setting settings[] = { { "transactional.id", id } };
    rd_kafka_error_t *error;
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;

    assert_ok(dk_kafka_conf(&conf, &place, settings, id != NULL ? 1 : 0, NULL));
    assert_ok(dk_kafka_start(&client, RD_KAFKA_PRODUCER, conf, NULL));
    if (id == NULL)
        return client;
    error = rd_kafka_init_transactions(client, 20000);
    assert_null(error);
    assert_null(rd_kafka_begin_transaction(client));
    return client;
}

static void put(rd_kafka_t *client, struct dk_kafka_head head)
{
    uint8_t bytes[DK_KAFKA_HEAD_SIZE], value[100];

    dk_kafka_head_put(&head, bytes);
    record_fill(head.seq, value);
    assert_int_equal(
        rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                          RD_KAFKA_V_VALUE(value, head.count > 0 ? record_size(head.seq) : 0),
                          RD_KAFKA_V_HEADER(DK_KAFKA_HEAD, bytes, sizeof(bytes)),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END),
        0);
}

static void put_batch(rd_kafka_t *client, uint64_t seq, uint32_t epoch, uint32_t count,
                      uint32_t whole)
{
    for (uint32_t i = 0; i < count; i++)
        put(client, (struct dk_kafka_head){ seq + i, epoch, i, whole });
}

/* Commits, or dies with the transaction open. */
static void finish(rd_kafka_t *client, bool commits)
{
    assert_int_equal(rd_kafka_flush(client, 20000), 0);
    if (commits)
        assert_null(rd_kafka_commit_transaction(client, 20000));
    rd_kafka_destroy(client);
}

static void administer(void (*order)(rd_kafka_t *client, rd_kafka_queue_t *queue))
{
    rd_kafka_t *client = other(NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_event_t *event;

    order(client, queue);
    event = rd_kafka_queue_poll(queue, 20000);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), 0);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
}

static void remove_the_beginning(rd_kafka_t *client, rd_kafka_queue_t *queue)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_DeleteRecords_t *order;

    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 9; /* in the second batch */
    order = rd_kafka_DeleteRecords_new(list);
    rd_kafka_DeleteRecords(client, &order, 1, NULL, queue);
    rd_kafka_DeleteRecords_destroy(order);
    rd_kafka_topic_partition_list_destroy(list);
}

static void remove_the_topic(rd_kafka_t *client, rd_kafka_queue_t *queue)
{
    rd_kafka_DeleteTopic_t *order = rd_kafka_DeleteTopic_new(topic);

    rd_kafka_DeleteTopics(client, &order, 1, NULL, queue);
    rd_kafka_DeleteTopic_destroy(order);
}

/* --- a log with what others left in it --- */

static struct dk_log *start_with(uint32_t batches)
{
    struct dk_log *log = must_open(uri, NULL);

    for (uint32_t i = 0; i < batches; i++) {
        must_append(log, 4);
        must_sync(log);
    }
    return log;
}

static void must_stop(enum dk_status status, const char *text)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err = { 0 };
    enum dk_status found;

    assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
    while ((found = dk_log_reader_next(reader, &batch, &err)) == DK_OK)
        check_batch(&batch);
    if (found != status || strstr(err.text, text) == NULL)
        fail_msg("%s: '%s' does not say '%s'", dk_status_name(found), err.text, text);
    memset(&err, 0, sizeof(err));
    assert_int_equal(dk_log_reader_next(reader, &batch, &err), status); /* stays where it is */
    assert_contains(err.text, text);
    dk_log_reader_close(reader);
}

static void what_a_writer_that_died_had_not_committed_is_never_read(void **state)
{
    rd_kafka_t *dying;
    struct dk_log *log;

    (void)state;
    must_close(start_with(2));
    dying = other(topic);
    put_batch(dying, 9, 1, 500, 500);
    finish(dying, false);
    assert_int_equal(read_all(uri, 1, NULL), 9); /* while the transaction is open */
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_seq_next(log), 9);
    assert_int_equal(dk_log_epoch(log), 2);
    must_append(log, 3);
    must_sync(log);
    assert_int_equal(read_all(uri, 1, NULL), 12);
    must_close(log);
}

static void what_a_writer_that_died_had_committed_is_found_by_the_next(void **state)
{
    rd_kafka_t *dying;
    struct dk_log *log;

    (void)state;
    must_close(start_with(2));
    dying = other(topic);
    put_batch(dying, 9, 1, 5, 5);
    finish(dying, true);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_seq_next(log), 14);
    must_close(log);
    assert_int_equal(read_all(uri, 1, NULL), 14);
}

static void what_an_older_epoch_writes_after_a_newer_one_began_is_passed_over(void **state)
{
    struct dk_log *log;
    rd_kafka_t *late;

    (void)state;
    must_close(start_with(2));  /* epoch 1 */
    log = must_open(uri, NULL); /* epoch 2 */
    late = other("somebody who is not fenced by Kafka");
    put_batch(late, 9, 1, 4, 4);
    put(late, (struct dk_kafka_head){ 9, 1, DK_KAFKA_OPENING, 0 });
    finish(late, true);
    must_append(log, 3);
    must_sync(log);
    assert_int_equal(read_all(uri, 1, NULL), 12);
    must_close(log);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_seq_next(log), 12);
    assert_int_equal(dk_log_epoch(log), 3);
    must_close(log);
}

static void a_record_of_a_stranger_stops_readers_and_writers(void **state)
{
    struct dk_log *log = start_with(1);
    rd_kafka_t *stranger = other("a stranger");
    struct dk_err err = { 0 };

    (void)state;
    assert_int_equal(rd_kafka_producev(stranger, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                                       RD_KAFKA_V_VALUE("hello", 5), RD_KAFKA_V_END),
                     0);
    finish(stranger, true);
    must_close(log);
    must_stop(DK_CORRUPT, "it is no record of docket's");
    assert_int_equal(dk_log_open(&log, uri, NULL, &err), DK_CORRUPT);
    assert_contains(err.text, "it is no record of docket's");
}

static void a_batch_that_is_not_whole_is_never_returned(void **state)
{
    rd_kafka_t *client;

    (void)state;
    must_close(start_with(1));
    client = other("half");
    put_batch(client, 5, 1, 3, 4);
    finish(client, true);
    assert_int_equal(read_all(uri, 1, NULL), 5);
    client = other("half");
    put_batch(client, 5, 1, 4, 4);
    finish(client, true);
    must_stop(DK_CORRUPT, "the batch before it is not whole");
}

static void records_that_are_missing_are_noticed(void **state)
{
    rd_kafka_t *client;

    (void)state;
    must_close(start_with(1));
    client = other("gap");
    put_batch(client, 6, 1, 4, 4);
    finish(client, true);
    must_stop(DK_CORRUPT, "records are missing before it");
}

static void a_seq_that_was_read_before_is_noticed(void **state)
{
    rd_kafka_t *client;

    (void)state;
    must_close(start_with(2));
    client = other("again");
    put_batch(client, 5, 1, 4, 4);
    finish(client, true);
    must_stop(DK_DIVERGED, "its seq was read before");
}

static void a_log_whose_beginning_was_removed_says_so_and_the_rest_can_be_read(void **state)
{
    struct dk_log *log = start_with(6);

    (void)state;
    administer(remove_the_beginning);
    must_stop(DK_CORRUPT, "those before it were removed");
    assert_int_equal(read_all(uri, 10, NULL), 25);
    must_append(log, 1);
    must_sync(log);
    must_close(log);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_seq_next(log), 26);
    must_close(log);
}

static void a_reader_notices_that_its_log_was_made_anew(void **state)
{
    struct dk_log *log = start_with(3);
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err = { 0 };
    enum dk_status status;

    (void)state;
    assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
    for (int i = 0; i < 3; i++)
        assert_ok(dk_log_reader_next(reader, &batch, NULL));
    assert_int_equal(dk_log_reader_next(reader, &batch, NULL), DK_AGAIN);
    must_close(log);
    administer(remove_the_topic);
    must_close(start_with(1));
    do
        (void)dk_log_reader_wait(reader, 200, NULL);
    while ((status = dk_log_reader_next(reader, &batch, &err)) == DK_AWAY || status == DK_AGAIN);
    assert_int_equal(status, DK_DIVERGED);
    assert_int_equal(dk_log_reader_next(reader, &batch, &err), DK_DIVERGED);
    dk_log_reader_close(reader);
}

static void a_reader_can_be_waited_for_by_its_descriptor_and_then_is_quiet(void **state)
{
    struct dk_log *log = start_with(1);
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct pollfd fd = { .events = POLLIN };
    int wakes = 0;

    (void)state;
    assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
    fd.fd = dk_log_reader_fd(reader);
    assert_ok(dk_log_reader_next(reader, &batch, NULL));
    assert_int_equal(dk_log_reader_next(reader, &batch, NULL), DK_AGAIN);
    while (poll(&fd, 1, 500) == 1) { /* news of the end, once */
        assert_int_equal(dk_log_reader_next(reader, &batch, NULL), DK_AGAIN);
        assert_true(++wakes < 3);
    }
    must_append(log, 1);
    must_sync(log);
    assert_int_equal(poll(&fd, 1, 20000), 1);
    assert_ok(dk_log_reader_next(reader, &batch, NULL));
    dk_log_reader_close(reader);
    must_close(log);
}

/* --- large ones --- */

static void batches_of_all_sizes_are_found_by_any_seq_of_theirs(void **state)
{
    static const uint32_t counts[] = { 1, 9000, 2, 300, 1, 20000, 7, 1, 5000, 1, 12000 };
    struct dk_log *log = must_open(uri, NULL);
    struct dk_prng prng;

    (void)state;
    dk_prng_init(&prng, 4);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        must_append(log, counts[i]);
        if (i % 2 == 0)
            must_sync(log);
    }
    must_sync(log);
    for (int i = 0; i < 40; i++) {
        struct dk_log_reader *reader;
        struct dk_log_batch batch;
        uint64_t seq = 1 + dk_prng_below(&prng, dk_log_seq_next(log) - 1), first = 1, read = 0;

        for (size_t j = 0; first + counts[j] <= seq; j++)
            first += counts[j];
        assert_ok(dk_log_reader_open(&reader, uri, seq, NULL));
        assert_ok(dk_log_reader_next(reader, &batch, NULL));
        assert_int_equal(batch.seq_first, first);
        for (read = 0; read < 2 && dk_log_reader_next(reader, &batch, NULL) == DK_OK; read++)
            check_batch(&batch);
        dk_log_reader_close(reader);
    }
    assert_int_equal(read_all(uri, 1, NULL), dk_log_seq_next(log));
    must_close(log);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_epoch(log), 2);
    assert_int_equal(read_all(uri, 1, NULL), dk_log_seq_next(log));
    must_close(log);
}

static void the_largest_record_comes_back(void **state)
{
    struct dk_log *log = must_open(uri, NULL);
    uint32_t size = DK_LOG_RECORD_SIZE_MAX;
    uint8_t *bytes = malloc(size);
    struct dk_log_record records[] = { { bytes, 3 }, { bytes, size } };
    struct dk_log_batch batch = { 1, 1, 2, records };
    struct dk_log_reader *reader;
    struct dk_prng prng;

    (void)state;
    dk_prng_init(&prng, 1);
    for (uint32_t i = 0; i < size; i += 8) { /* nothing that could be compressed */
        uint64_t number = dk_prng_next(&prng);

        memcpy(bytes + i, &number, 8);
    }
    assert_ok(dk_log_append(log, &batch, NULL));
    must_sync(log);
    must_close(log);
    assert_ok(dk_log_reader_open(&reader, uri, 1, NULL));
    assert_ok(dk_log_reader_next(reader, &batch, NULL));
    assert_int_equal(batch.count, 2);
    assert_int_equal(batch.records[1].size, size);
    assert_memory_equal(batch.records[1].data, bytes, size);
    dk_log_reader_close(reader);
    free(bytes);
}

static void a_topic_with_a_setting_that_loses_events_is_not_opened(void **state)
{
    rd_kafka_t *client = other(NULL);
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_event_t *event;
    struct dk_log *log;
    struct dk_err err = { 0 };

    (void)state;
    must_close(start_with(1));
    (void)rd_kafka_ConfigResource_set_config(resource, "retention.ms", "86400000");
    rd_kafka_AlterConfigs(client, &resource, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 20000);
    assert_non_null(event);
    rd_kafka_event_destroy(event);
    assert_int_equal(dk_log_open(&log, uri, NULL, &err), DK_UNSUPPORTED);
    assert_null(log);
    assert_contains(err.text, "retention.ms=86400000");
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(what_a_writer_that_died_had_not_committed_is_never_read),
        TEST(what_a_writer_that_died_had_committed_is_found_by_the_next),
        TEST(what_an_older_epoch_writes_after_a_newer_one_began_is_passed_over),
        TEST(a_record_of_a_stranger_stops_readers_and_writers),
        TEST(a_batch_that_is_not_whole_is_never_returned),
        TEST(records_that_are_missing_are_noticed),
        TEST(a_seq_that_was_read_before_is_noticed),
        TEST(a_log_whose_beginning_was_removed_says_so_and_the_rest_can_be_read),
        TEST(a_reader_notices_that_its_log_was_made_anew),
        TEST(a_reader_can_be_waited_for_by_its_descriptor_and_then_is_quiet),
        TEST(batches_of_all_sizes_are_found_by_any_seq_of_theirs),
        TEST(the_largest_record_comes_back),
        TEST(a_topic_with_a_setting_that_loses_events_is_not_opened),
    };
    int failed;

    if (getenv("DOCKET_KAFKA") == NULL) {
        (void)printf("skipped: DOCKET_KAFKA names no broker\n");
        return 77;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    dk_kafka_place_release(&place);
    return failed;
}
