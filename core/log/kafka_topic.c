/* kafka_topic.c - topics made and checked by Kafka's admin interface (kafka.h)
 *
 * Checked each time a writer opens, because the default of Kafka is to delete what is older than a
 * week. Asked for first and made only if unknown: asking for its metadata would let a broker make
 * it, with its defaults.
 */
#include "log/kafka.h"

#include "base/check.h"
#include "log/folder.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    EVENTS = 1,
    REQUESTS = 2,
    SECRETS = 4,
    ALL = 7,
    FEW = 1, /* copies of the topic: one or two */
    MANY = 2,
    ANY = 3,
    ASK_MS = 3000, /* for one answer */
    STEP_MS = 100, /* between asking and asking again */
    REPLICAS = 3,
    HOUR_MS = 3600 * 1000
};

enum rule {
    IS,       /* the text */
    AT_LEAST, /* the number */
    AT_MOST,
    NO_LIMIT_OR /* -1, or at least the number */
};

static const struct setting {
    const char *name;
    int of;     /* which topics */
    int copies; /* with how many */
    enum rule rule;
    const char *made, *must; /* how we make it; what it has to be */
    const char *why;
} settings[] = {
    { "cleanup.policy", EVENTS | REQUESTS, ANY, IS, "delete", "delete",
      "compaction would remove records" },
    { "cleanup.policy", SECRETS, ANY, IS, "compact", "compact",
      "the newest of each key is what is kept" },
    { "retention.ms", EVENTS, ANY, IS, "-1", "-1", "events would be deleted by age" },
    { "retention.ms", REQUESTS, ANY, NO_LIMIT_OR, "604800000", "3600000",
      "requests would be deleted before a leader has read them" },
    { "retention.bytes", EVENTS | REQUESTS, ANY, IS, "-1", "-1",
      "records would be deleted by size" },
    { "unclean.leader.election.enable", ALL, ANY, IS, "false", "false",
      "a replica that lags could lead, and what was acknowledged would be lost" },
    { "min.insync.replicas", ALL, MANY, AT_LEAST, "2", "2",
      "what was acknowledged could be on a single broker" },
    { "flush.messages", ALL, FEW, AT_MOST, "1", "1",
      "what was acknowledged would be lost when one machine loses power" },
    { "compression.type", ALL, ANY, IS, "producer", "producer", "the broker would compress anew" },
    { "max.message.bytes", ALL, ANY, AT_LEAST, "67109888", "67109888",
      "a large record would be refused when it comes" },
};

static int kind_of(const char *name)
{
    if (strcmp(name, "events") == 0)
        return EVENTS;
    return strcmp(name, "secrets") == 0 ? SECRETS : REQUESTS;
}

static bool is_asked(const struct setting *setting, int kind, int replicas)
{
    return (setting->of & kind) != 0 &&
           (setting->copies & (replicas >= REPLICAS ? MANY : FEW)) != 0;
}

static bool is_right(const struct setting *setting, const char *value)
{
    int64_t number = strtoll(value, NULL, 10);

    if (setting->rule == IS)
        return strcmp(value, setting->must) == 0;
    if (setting->rule == AT_MOST)
        return number <= strtoll(setting->must, NULL, 10);
    return (setting->rule == NO_LIMIT_OR && number == -1) ||
           number >= strtoll(setting->must, NULL, 10);
}

struct ask {
    rd_kafka_t *client;
    const struct dk_kafka_place *place;
    rd_kafka_queue_t *queue; /* answers */
    char topic[DK_KAFKA_TOPIC_MAX];
    int kind, replicas;
    int64_t end_ms;
};

/* An answer is there, or there is none in this time: NULL. */
static rd_kafka_event_t *answer(struct ask *ask)
{
    return rd_kafka_queue_poll(ask->queue, ASK_MS + 1000);
}

static rd_kafka_AdminOptions_t *options_new(struct ask *ask, rd_kafka_admin_op_t op)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(ask->client, op);

    DK_CHECK(options != NULL);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, NULL, 0);
    return options;
}

static bool is_late(const struct ask *ask)
{
    static const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };

    (void)nanosleep(&step, NULL);
    return dk_clock_ms() >= ask->end_ms;
}

/* What may pass by itself: then trying again is worth it. */
static bool passes(rd_kafka_resp_err_t error)
{
    switch ((int)error) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
        return true;
    default:
        return false;
    }
}

/* --- who is there --- */

static enum dk_status count_brokers(struct ask *ask, int *count, struct dk_err *err)
{
    const struct rd_kafka_metadata *metadata;

    for (;;) {
        rd_kafka_resp_err_t error = rd_kafka_metadata(ask->client, 0, NULL, &metadata, ASK_MS);

        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            break;
        if (!passes(error))
            return dk_kafka_fail(err, DK_IO, "Kafka does not say which brokers there are: %s",
                                 rd_kafka_err2str(error));
        if (is_late(ask))
            return dk_kafka_away(ask->place, err);
    }
    *count = metadata->broker_cnt;
    rd_kafka_metadata_destroy(metadata);
    return DK_OK;
}

/* Only of a topic that is known to be there. */
static enum dk_status look(struct ask *ask, struct dk_err *err)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(ask->client, ask->topic, NULL);
    enum dk_status status = DK_AGAIN;

    DK_CHECK(topic != NULL);
    while (status == DK_AGAIN) {
        const struct rd_kafka_metadata *metadata = NULL;
        rd_kafka_resp_err_t error = rd_kafka_metadata(ask->client, 0, topic, &metadata, ASK_MS);

        if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata->topic_cnt == 1 &&
            metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
            metadata->topics[0].partition_cnt > 0) {
            const struct rd_kafka_metadata_topic *found = &metadata->topics[0];

            ask->replicas = found->partitions[0].replica_cnt;
            status = DK_OK;
            if (found->partition_cnt != 1)
                status =
                    dk_fail(err, DK_UNSUPPORTED,
                            "topic '%s' has %d partitions and must have 1, or there is no order",
                            ask->topic, found->partition_cnt);
        }
        if (metadata != NULL)
            rd_kafka_metadata_destroy(metadata);
        if (status == DK_AGAIN && error != RD_KAFKA_RESP_ERR_NO_ERROR && !passes(error))
            status = dk_kafka_fail(err, DK_IO, "topic '%s' can't be looked at: %s", ask->topic,
                                   rd_kafka_err2str(error));
        if (status == DK_AGAIN && is_late(ask))
            status = dk_kafka_away(ask->place, err);
    }
    rd_kafka_topic_destroy(topic);
    return status;
}

/* --- settings --- */

static const char *value_of(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    const rd_kafka_ConfigEntry_t **entries;
    size_t count;

    entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return NULL;
}

static enum dk_status check_settings(const struct ask *ask,
                                     const rd_kafka_ConfigResource_t *resource, struct dk_err *err)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const struct setting *setting = &settings[i];
        const char *value = value_of(resource, setting->name);

        if (!is_asked(setting, ask->kind, ask->replicas))
            continue;
        if (value == NULL || !is_right(setting, value))
            return dk_fail(err, DK_UNSUPPORTED, "topic '%s' has %s=%s and must have %s%s, or %s",
                           ask->topic, setting->name, value != NULL ? value : "nothing",
                           setting->rule == AT_LEAST      ? "at least "
                           : setting->rule == AT_MOST     ? "at most "
                           : setting->rule == NO_LIMIT_OR ? "-1 or at least "
                                                          : "",
                           setting->must, setting->why);
    }
    return DK_OK;
}

/* One try: DK_OK: *event has the settings, and is the caller's. */
static enum dk_status describe(struct ask *ask, rd_kafka_event_t **event,
                               const rd_kafka_ConfigResource_t **resource, struct dk_err *err)
{
    rd_kafka_ConfigResource_t *wanted =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, ask->topic);
    rd_kafka_AdminOptions_t *options = options_new(ask, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    const char *text = NULL;
    size_t count = 0;

    DK_CHECK(wanted != NULL);
    rd_kafka_DescribeConfigs(ask->client, &wanted, 1, options, ask->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(wanted);
    *event = answer(ask);
    if (*event != NULL) {
        const rd_kafka_DescribeConfigs_result_t *result =
            rd_kafka_event_DescribeConfigs_result(*event);
        const rd_kafka_ConfigResource_t **found =
            result != NULL ? rd_kafka_DescribeConfigs_result_resources(result, &count) : NULL;

        error = rd_kafka_event_error(*event);
        text = rd_kafka_event_error_string(*event);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR && count == 1) {
            *resource = found[0];
            error = rd_kafka_ConfigResource_error(found[0]);
            text = rd_kafka_ConfigResource_error_string(found[0]);
        }
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR && count == 1)
            return DK_OK;
    }
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        (void)dk_fail(err, DK_NOT_FOUND, "there is no topic '%s'", ask->topic);
    else if (!passes(error))
        (void)dk_kafka_fail(err, DK_IO, "the settings of topic '%s' can't be had: %s", ask->topic,
                            text != NULL ? text : rd_kafka_err2str(error));
    if (*event != NULL)
        rd_kafka_event_destroy(*event);
    *event = NULL;
    if (error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return DK_NOT_FOUND;
    return passes(error) ? DK_AGAIN : DK_IO;
}

static enum dk_status get_settings(struct ask *ask, rd_kafka_event_t **event,
                                   const rd_kafka_ConfigResource_t **resource, struct dk_err *err)
{
    for (;;) {
        enum dk_status status = describe(ask, event, resource, err);

        if (status != DK_AGAIN)
            return status;
        if (is_late(ask))
            return dk_kafka_away(ask->place, err);
    }
}

/* --- making it --- */

static rd_kafka_NewTopic_t *wish(const struct ask *ask, int replicas)
{
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(ask->topic, 1, replicas, NULL, 0);

    DK_CHECK(topic != NULL);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        if (is_asked(&settings[i], ask->kind, replicas))
            (void)rd_kafka_NewTopic_set_config(topic, settings[i].name, settings[i].made);
    return topic;
}

static rd_kafka_resp_err_t create(struct ask *ask, int replicas, char *why, size_t size)
{
    rd_kafka_NewTopic_t *topic = wish(ask, replicas);
    rd_kafka_AdminOptions_t *options = options_new(ask, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_event_t *event;

    (void)rd_kafka_AdminOptions_set_operation_timeout(options, ASK_MS, NULL, 0);
    rd_kafka_CreateTopics(ask->client, &topic, 1, options, ask->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    event = answer(ask);
    if (event == NULL)
        return error;
    error = rd_kafka_event_error(event);
    (void)snprintf(why, size, "%s", rd_kafka_event_error_string(event));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
        size_t count = 0;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(result, &count);

        for (size_t i = 0; i < count; i++) {
            const char *text = rd_kafka_topic_result_error_string(results[i]);

            error = rd_kafka_topic_result_error(results[i]);
            (void)snprintf(why, size, "%s", text != NULL ? text : rd_kafka_err2str(error));
        }
    }
    rd_kafka_event_destroy(event);
    return error;
}

static enum dk_status make(struct ask *ask, struct dk_err *err)
{
    char why[256] = "";
    int brokers = 0, replicas = (int)ask->place->replicas;
    enum dk_status status = count_brokers(ask, &brokers, err);

    if (status != DK_OK)
        return status;
    if (replicas == 0)
        replicas = brokers < REPLICAS ? brokers : REPLICAS;
    for (;;) {
        rd_kafka_resp_err_t error = create(ask, replicas, why, sizeof(why));

        if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            return DK_OK;
        if (!passes(error))
            return dk_kafka_fail(err, DK_IO, "topic '%s' can't be made with %d replicas: %s",
                                 ask->topic, replicas, why);
        if (is_late(ask))
            return dk_kafka_away(ask->place, err);
    }
}

static void ask_init(struct ask *ask, rd_kafka_t *client, const struct dk_kafka_place *place,
                     const char *name)
{
    memset(ask, 0, sizeof(*ask));
    ask->client = client;
    ask->place = place;
    ask->queue = rd_kafka_queue_new(client);
    ask->kind = kind_of(name);
    ask->end_ms = dk_clock_ms() + DK_KAFKA_OPEN_MS;
    dk_kafka_topic_name(place, name, ask->topic);
}

enum dk_status dk_kafka_topic_make(rd_kafka_t *client, const struct dk_kafka_place *place,
                                   const char *name, struct dk_err *err)
{
    const rd_kafka_ConfigResource_t *resource;
    rd_kafka_event_t *event = NULL;
    enum dk_status status;
    struct ask ask;

    ask_init(&ask, client, place, name);
    status = get_settings(&ask, &event, &resource, err);
    if (status == DK_NOT_FOUND) {
        status = make(&ask, err);
        while (status == DK_OK &&
               (status = get_settings(&ask, &event, &resource, err)) == DK_NOT_FOUND &&
               !is_late(&ask))
            status = DK_OK; /* this broker has not heard of it yet */
    }
    if (status == DK_OK)
        status = look(&ask, err);
    if (status == DK_OK)
        status = check_settings(&ask, resource, err);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(ask.queue);
    return status;
}

enum dk_status dk_kafka_topic_find(rd_kafka_t *client, const struct dk_kafka_place *place,
                                   const char *name, struct dk_err *err)
{
    const rd_kafka_ConfigResource_t *resource;
    rd_kafka_event_t *event = NULL;
    enum dk_status status;
    struct ask ask;

    ask_init(&ask, client, place, name);
    status = get_settings(&ask, &event, &resource, err);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    if (status == DK_OK)
        status = look(&ask, err);
    rd_kafka_queue_destroy(ask.queue);
    return status;
}
