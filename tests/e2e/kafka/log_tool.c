/* log_tool.c - a writer and a reader of a log, as processes that a test can stop, kill and count on
 *
 *   - log_tool append URI COUNT [BATCHES]: batches of COUNT records, a sync each, until BATCHES or
 *     its end
 *   - log_tool read URI: all there is, every record checked
 *   - log_tool follow URI SEQ: the same, waiting, until SEQ was read
 *   - log_tool set URI NAME VALUE...: settings of the topic of events
 *
 * Each says in a line what came of it: "epoch E seq S" once it is the writer, "ok S" for each sync
 * that returned, "end S" at the end of reading, "STATUS text" when it fails. Exits 0, or 1.
 */
#include "support.h"

#include "log/kafka.h"

#include <stdlib.h>
#include <string.h>

static int say(enum dk_status status, const struct dk_err *err)
{
    (void)printf("%s %s\n", dk_status_name(status), err->text);
    return 1;
}

static int append(const char *uri, uint32_t count, uint64_t batches)
{
    struct dk_log *log;
    struct dk_err err = { 0 };
    enum dk_status status = dk_log_open(&log, uri, NULL, &err);

    if (status != DK_OK)
        return say(status, &err);
    (void)printf("epoch %u seq %llu\n", dk_log_epoch(log),
                 (unsigned long long)dk_log_seq_next(log));
    for (uint64_t i = 0; status == DK_OK && i < batches; i++) {
        status = append_records(log, count, &err);
        if (status == DK_OK)
            status = dk_log_sync(log, &err);
        if (status == DK_OK)
            (void)printf("ok %llu\n", (unsigned long long)dk_log_seq_next(log) - 1);
    }
    (void)dk_log_close(log, NULL);
    return status == DK_OK ? 0 : say(status, &err);
}

/* Until the end if seq_last is 0; a broker that is away is waited for if not. */
static int read_log(const char *uri, uint64_t seq_last)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err = { 0 };
    uint64_t seq = 0, away = 0;
    enum dk_status status = dk_log_reader_open(&reader, uri, 1, &err);

    if (status != DK_OK)
        return say(status, &err);
    while (status == DK_OK && (seq_last == 0 || seq < seq_last)) {
        status = dk_log_reader_next(reader, &batch, &err);
        if (status == DK_OK && batch.seq_first != seq + 1)
            status = dk_fail(&err, DK_CORRUPT, "seq %llu after %llu",
                             (unsigned long long)batch.seq_first, (unsigned long long)seq);
        if (status == DK_OK) {
            check_batch(&batch);
            seq += batch.count;
        } else if (dk_status_retriable(status) && seq_last > 0) {
            away += status == DK_AWAY;
            (void)dk_log_reader_wait(reader, 100, NULL);
            status = DK_OK;
        }
    }
    dk_log_reader_close(reader);
    if (status != DK_OK && status != DK_AGAIN)
        return say(status, &err);
    (void)printf("end %llu away %llu\n", (unsigned long long)seq, (unsigned long long)away);
    return 0;
}

static int set(const char *uri, char **settings)
{
    char topic[DK_KAFKA_TOPIC_MAX];
    struct dk_kafka_place place;
    rd_kafka_ConfigResource_t *resource;
    rd_kafka_queue_t *queue;
    rd_kafka_event_t *event;
    rd_kafka_conf_t *conf;
    rd_kafka_t *client;

    if (dk_kafka_place_init(&place, uri, NULL) != DK_OK ||
        dk_kafka_conf(&conf, &place, NULL, 0, NULL) != DK_OK ||
        dk_kafka_start(&client, RD_KAFKA_PRODUCER, conf, NULL) != DK_OK)
        return 1;
    dk_kafka_topic_name(&place, DK_KAFKA_EVENTS, topic);
    queue = rd_kafka_queue_new(client);
    resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
    for (; settings[0] != NULL && settings[1] != NULL; settings += 2)
        (void)rd_kafka_ConfigResource_set_config(resource, settings[0], settings[1]);
    rd_kafka_AlterConfigs(client, &resource, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 20000);
    (void)printf("set %s\n", event != NULL ? rd_kafka_event_error_string(event) : "nothing");
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_ConfigResource_destroy(resource);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    dk_kafka_place_release(&place);
    return 0;
}

int main(int argc, char **argv)
{
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 4 && strcmp(argv[1], "append") == 0)
        return append(argv[2], (uint32_t)strtoul(argv[3], NULL, 10),
                      argc > 4 ? strtoull(argv[4], NULL, 10) : UINT64_MAX);
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_log(argv[2], 0);
    if (argc == 4 && strcmp(argv[1], "follow") == 0)
        return read_log(argv[2], strtoull(argv[3], NULL, 10));
    if (argc >= 3 && strcmp(argv[1], "set") == 0)
        return set(argv[2], argv + 3);
    (void)fprintf(stderr, "usage: see log_tool.c\n");
    return 2;
}
