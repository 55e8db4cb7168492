/* bench_broker.c - the broker's own floor: what one record costs when nothing of docket is there
 *
 *     tests/e2e/kafka/broker.py -- build/release/bin/bench_broker [RECORDS]
 *
 * A record of 200 bytes at a time into a topic of one partition: idempotent, acks=all, no
 * lingering. `produce` is from the call until the broker has acknowledged it, `consume` until a
 * consumer that waited has it. RECORDS: 500.
 */
#include "by_value.h"

#include "base/check.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __clang__ /* librdkafka's macros of arguments are statements in parentheses */
#pragma clang diagnostic ignored "-Wgnu-statement-expression"
#endif

enum { RECORD_SIZE = 200, RECORDS_MAX = 100000, WAIT_MS = 10000, WARM = 20 };

static double produced[RECORDS_MAX], consumed[RECORDS_MAX];
static const char topic[] = "bench.broker";

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool is_delivered;

/* Polled for, since rd_kafka_flush looks every 10 ms. */
static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    (void)opaque;
    DK_CHECK(message->err == RD_KAFKA_RESP_ERR_NO_ERROR);
    is_delivered = true;
}

static rd_kafka_t *open_client(rd_kafka_type_t type)
{
    static const char *const producer[] = { "enable.idempotence", "true", "acks", "all",
                                            "linger.ms",          "0" };
    static const char *const consumer[] = {
        "group.id", "bench", "enable.auto.commit", "false", "fetch.queue.backoff.ms", "0"
    };
    const char *const *pairs = type == RD_KAFKA_PRODUCER ? producer : consumer;
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client;

    DK_CHECK(rd_kafka_conf_set(conf, "bootstrap.servers", getenv("DOCKET_KAFKA"), text,
                               sizeof(text)) == RD_KAFKA_CONF_OK);
    for (int i = 0; i < 6; i += 2)
        (void)rd_kafka_conf_set(conf, pairs[i], pairs[i + 1], text, sizeof(text));
    if (type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    client = rd_kafka_new(type, conf, text, sizeof(text));
    DK_CHECK(client != NULL);
    return client;
}

static void make_topic(rd_kafka_t *client)
{
    char text[512];
    rd_kafka_NewTopic_t *made = rd_kafka_NewTopic_new(topic, 1, 1, text, sizeof(text));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);

    (void)rd_kafka_NewTopic_set_config(made, "flush.messages", "1"); /* as docket's own */
    rd_kafka_CreateTopics(client, &made, 1, NULL, queue);
    rd_kafka_event_destroy(rd_kafka_queue_poll(queue, WAIT_MS));
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(made);
}

static void report(const char *what, double *times, int count)
{
    qsort(times, (size_t)count, sizeof(times[0]), by_value);
    (void)printf("%s p50 %.2f p95 %.2f p99 %.2f ms; ", what, times[count / 2],
                 times[count * 95 / 100], times[count * 99 / 100]);
}

static void one(rd_kafka_t *producer, rd_kafka_t *consumer, int number)
{
    char record[RECORD_SIZE] = { 0 };
    double began = now_ms();
    rd_kafka_message_t *message;

    is_delivered = false;
    DK_CHECK(rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
                               RD_KAFKA_V_VALUE(record, sizeof(record)),
                               RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                               RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR);
    while (!is_delivered)
        (void)rd_kafka_poll(producer, WAIT_MS);
    produced[number] = now_ms() - began;
    message = rd_kafka_consumer_poll(consumer, WAIT_MS);
    DK_CHECK(message != NULL && message->err == RD_KAFKA_RESP_ERR_NO_ERROR);
    consumed[number] = now_ms() - began;
    rd_kafka_message_destroy(message);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 500;
    rd_kafka_t *producer, *consumer;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    if (getenv("DOCKET_KAFKA") == NULL || count < 1 || count > RECORDS_MAX - WARM) {
        (void)fprintf(stderr, "usage: DOCKET_KAFKA=HOST:PORT bench_broker [RECORDS]\n");
        return 2;
    }
    producer = open_client(RD_KAFKA_PRODUCER);
    consumer = open_client(RD_KAFKA_CONSUMER);
    make_topic(producer);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    DK_CHECK(rd_kafka_assign(consumer, list) == RD_KAFKA_RESP_ERR_NO_ERROR);
    for (int i = 0; i < count + WARM; i++)
        one(producer, consumer, i);
    report("produce", produced + WARM, count);
    report("consume", consumed + WARM, count);
    (void)printf("%d records\n", count);
    rd_kafka_topic_partition_list_destroy(list);
    (void)rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
    return 0;
}
