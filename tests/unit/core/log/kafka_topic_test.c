/* kafka_topic_test.c - topics are made as they must be, or refused by the setting that is wrong
 *
 * Needs a broker: DOCKET_KAFKA has its address (tests/e2e/kafka/broker.py).
 */
#include "support.h"

#include "log/kafka.h"

#include <stdlib.h>
#include <string.h>

static struct dk_kafka_place place;
static rd_kafka_t *client;

static void name_next(void)
{
    static int number;

    (void)snprintf(place.prefix, sizeof(place.prefix), "topic-%d", ++number);
}

/* A topic as somebody else would make it: settings are name=value. */
static void make_foreign(const char *name, int partitions, const char *const *settings)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    char topic[DK_KAFKA_TOPIC_MAX], pair[200];
    rd_kafka_NewTopic_t *wanted;
    rd_kafka_event_t *event;

    dk_kafka_topic_name(&place, name, topic);
    wanted = rd_kafka_NewTopic_new(topic, partitions, 1, NULL, 0);
    for (; *settings != NULL; settings++) {
        char *value;

        (void)snprintf(pair, sizeof(pair), "%s", *settings);
        value = strchr(pair, '=');
        *value = '\0';
        (void)rd_kafka_NewTopic_set_config(wanted, pair, value + 1);
    }
    rd_kafka_CreateTopics(client, &wanted, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 20000);
    assert_non_null(event);
    assert_int_equal(rd_kafka_event_error(event), 0);
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(wanted);
    rd_kafka_queue_destroy(queue);
}

static void must_make(const char *name)
{
    struct dk_err err = { 0 };

    if (dk_kafka_topic_make(client, &place, name, &err) != DK_OK)
        fail_msg("%s: %s", name, err.text);
}

static void each_topic_is_made_and_then_found_right(void **state)
{
    static const char *const names[] = { "events", "requests", "secrets" };
    struct dk_err err;

    (void)state;
    name_next();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(dk_kafka_topic_find(client, &place, names[i], &err), DK_NOT_FOUND);
        must_make(names[i]);
        must_make(names[i]);
        assert_ok(dk_kafka_topic_find(client, &place, names[i], &err));
    }
}

#define FLUSH "flush.messages=1" /* one broker, one copy */
#define RIGHT FLUSH, "retention.ms=-1", "max.message.bytes=67109888"

static void a_topic_with_a_wrong_setting_is_refused_and_the_setting_named(void **state)
{
    static const struct {
        const char *topic, *says;
        const char *settings[6];
    } wrong[] = {
        { "events", "retention.ms=604800000", { "max.message.bytes=67109888", FLUSH } },
        { "events",
          "at most 1, or what was acknowledged would be lost when one machine loses",
          { "retention.ms=-1", "max.message.bytes=67109888" } },
        { "secrets",
          "flush.messages=2",
          { "cleanup.policy=compact", "flush.messages=2", "max.message.bytes=67109888" } },
        { "events", "cleanup.policy=compact", { RIGHT, "cleanup.policy=compact" } },
        { "events", "retention.bytes=1000000", { RIGHT, "retention.bytes=1000000" } },
        { "events",
          "unclean.leader.election.enable=true",
          { RIGHT, "unclean.leader.election.enable=true" } },
        { "events", "compression.type=gzip", { RIGHT, "compression.type=gzip" } },
        { "events", "max.message.bytes=1048588", { "retention.ms=-1", FLUSH } },
        { "requests",
          "retention.ms=3599999",
          { "retention.ms=3599999", "max.message.bytes=67109888", FLUSH } },
        { "requests", "retention.bytes=9999999", { RIGHT, "retention.bytes=9999999" } },
        { "requests", "cleanup.policy=compact,delete", { RIGHT, "cleanup.policy=compact,delete" } },
        { "secrets", "cleanup.policy=delete", { RIGHT } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct dk_err err = { 0 };

        name_next();
        make_foreign(wrong[i].topic, 1, wrong[i].settings);
        assert_int_equal(dk_kafka_topic_make(client, &place, wrong[i].topic, &err), DK_UNSUPPORTED);
        if (strstr(err.text, wrong[i].says) == NULL)
            fail_msg("'%s' does not say %s", err.text, wrong[i].says);
    }
}

static void a_topic_with_right_settings_of_somebody_else_is_taken(void **state)
{
    static const char *const events[] = { RIGHT, NULL };
    static const char *const requests[] = { "retention.ms=3600000", "max.message.bytes=70000000",
                                            FLUSH, NULL };
    static const char *const secrets[] = { "cleanup.policy=compact", "max.message.bytes=67109888",
                                           FLUSH, NULL };

    (void)state;
    name_next();
    make_foreign("events", 1, events);
    make_foreign("requests", 1, requests);
    make_foreign("secrets", 1, secrets);
    must_make("events");
    must_make("requests");
    must_make("secrets");
}

static void a_topic_of_several_partitions_is_refused(void **state)
{
    static const char *const settings[] = { RIGHT, NULL };
    struct dk_err err = { 0 };

    (void)state;
    name_next();
    make_foreign("events", 2, settings);
    assert_int_equal(dk_kafka_topic_make(client, &place, "events", &err), DK_UNSUPPORTED);
    assert_non_null(strstr(err.text, "has 2 partitions and must have 1"));
    assert_int_equal(dk_kafka_topic_find(client, &place, "events", &err), DK_UNSUPPORTED);
}

static void more_replicas_than_brokers_are_refused(void **state)
{
    struct dk_err err = { 0 };

    (void)state;
    name_next();
    place.replicas = 2;
    assert_int_equal(dk_kafka_topic_make(client, &place, "events", &err), DK_IO);
    assert_non_null(strstr(err.text, "can't be made with 2 replicas"));
    place.replicas = 0;
}

static void where_no_broker_is_it_says_which_were_asked(void **state)
{
    struct dk_kafka_place nowhere;
    rd_kafka_conf_t *conf;
    rd_kafka_t *lost;
    struct dk_err err = { 0 };

    (void)state;
    assert_ok(dk_kafka_place_init(&nowhere, "kafka://127.0.0.1:1/p", NULL));
    assert_ok(dk_kafka_conf(&conf, &nowhere, NULL, 0, NULL));
    assert_ok(dk_kafka_start(&lost, RD_KAFKA_PRODUCER, conf, NULL));
    assert_int_equal(dk_kafka_topic_make(lost, &nowhere, "events", &err), DK_AWAY);
    if (strstr(err.text, "no broker of '127.0.0.1:1' answers: ") == NULL ||
        strstr(err.text, "Connection refused") == NULL)
        fail_msg("'%s'", err.text);
    rd_kafka_destroy(lost);
    dk_kafka_place_release(&nowhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_topic_is_made_and_then_found_right),
        cmocka_unit_test(a_topic_with_a_wrong_setting_is_refused_and_the_setting_named),
        cmocka_unit_test(a_topic_with_right_settings_of_somebody_else_is_taken),
        cmocka_unit_test(a_topic_of_several_partitions_is_refused),
        cmocka_unit_test(more_replicas_than_brokers_are_refused),
        cmocka_unit_test(where_no_broker_is_it_says_which_were_asked),
    };
    const char *servers = getenv("DOCKET_KAFKA");
    char uri[500];
    rd_kafka_conf_t *conf;
    int failed;

    if (servers == NULL) {
        (void)printf("skipped: DOCKET_KAFKA names no broker\n");
        return 77;
    }
    (void)snprintf(uri, sizeof(uri), "kafka://%s/topic", servers);
    if (dk_kafka_place_init(&place, uri, NULL) != DK_OK ||
        dk_kafka_conf(&conf, &place, NULL, 0, NULL) != DK_OK ||
        dk_kafka_start(&client, RD_KAFKA_PRODUCER, conf, NULL) != DK_OK)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    rd_kafka_destroy(client);
    dk_kafka_place_release(&place);
    return failed;
}
