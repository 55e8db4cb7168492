/* kafka_conf_test.c - addresses and properties of a log on Kafka, without a broker */
#include "support.h"

#include "log/kafka.h"

#include <stdlib.h>
#include <string.h>

static void refuse(const char *uri, enum dk_status status, const char *text)
{
    struct dk_kafka_place place;
    struct dk_err err = { 0 };

    if (dk_kafka_place_init(&place, uri, &err) != status)
        fail_msg("%s: %s", uri, err.text);
    if (strstr(err.text, text) == NULL)
        fail_msg("%s: '%s' does not say '%s'", uri, err.text, text);
    dk_kafka_place_release(&place);
}

static void an_address_is_taken_apart(void **state)
{
    struct dk_kafka_place place;
    char topic[DK_KAFKA_TOPIC_MAX];

    (void)state;
    assert_ok(dk_kafka_place_init(&place, "kafka://h1:9092,[::1]:9093/a.b-c_1", NULL));
    assert_string_equal(place.brokers, "h1:9092,[::1]:9093");
    assert_string_equal(place.prefix, "a.b-c_1");
    assert_int_equal(place.count, 0);
    dk_kafka_topic_name(&place, DK_KAFKA_EVENTS, topic);
    assert_string_equal(topic, "a.b-c_1.events");
    dk_kafka_place_release(&place);
    assert_ok(dk_kafka_place_init(
        &place, "//h1/p?security.protocol=ssl&ssl.key.location=/a%20b%26c&replicas=5", NULL));
    assert_int_equal(place.count, 2);
    assert_int_equal(place.replicas, 5);
    assert_string_equal(place.properties[1].name, "ssl.key.location");
    assert_string_equal(place.properties[1].value, "/a b&c");
    dk_kafka_place_release(&place);
}

static void what_is_no_address_is_refused_and_the_fault_named(void **state)
{
    char longest[400];

    (void)state;
    refuse("kafka:h1:9092/docket", DK_INVALID, "kafka://HOST:9092/docket");
    refuse("kafka://h1:9092", DK_INVALID, "no prefix");
    refuse("kafka://h1:9092/", DK_INVALID, "no prefix");
    refuse("kafka:///docket", DK_INVALID, "not brokers");
    refuse("kafka://h1 h2/docket", DK_INVALID, "not brokers");
    refuse("kafka://h1/a/b", DK_INVALID, "'a/b' is not a prefix");
    refuse("kafka://h1/..", DK_INVALID, "is not a prefix");
    refuse("kafka://h1/p?security.protocol", DK_INVALID, "'security.protocol' is not name=value");
    refuse("kafka://h1/p?=1", DK_INVALID, "has no name");
    refuse("kafka://h1/p?a=%4", DK_INVALID, "two hex digits");
    refuse("kafka://h1/p?a=%00", DK_INVALID, "two hex digits");
    refuse("kafka://h1/p?replicas=0", DK_INVALID, "replicas=0");
    refuse("kafka://h1/p?replicas=3x", DK_INVALID, "replicas=3x");
    refuse("kafka://h1/p?conf=/nowhere/kafka.conf", DK_NOT_FOUND, "'/nowhere/kafka.conf'");
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "kafka://h1/", 11);
    longest[sizeof(longest) - 1] = '\0';
    refuse(longest, DK_INVALID, "is not a prefix");
}

static void a_property_that_breaks_a_guarantee_is_refused_by_name(void **state)
{
    static const char *const names[] = {
        "acks",
        "enable.idempotence",
        "transactional.id",
        "isolation.level",
        "retries",
        "max.in.flight.requests.per.connection",
        "linger.ms",
        "queue.buffering.max.messages",
        "enable.auto.commit",
        "auto.offset.reset",
        "enable.partition.eof",
        "group.id",
        "group.instance.id",
        "session.timeout.ms",
        "bootstrap.servers",
        "message.timeout.ms",
        "message.max.bytes",
        "allow.auto.create.topics",
        "plugin.library.paths",
        "client.id",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char uri[200];

        (void)snprintf(uri, sizeof(uri), "kafka://h1/p?security.protocol=ssl&%s=1", names[i]);
        refuse(uri, DK_INVALID, names[i]);
        refuse(uri, DK_INVALID, "can't be set");
    }
}

static void properties_of_a_file_are_read_and_its_faults_have_a_line(void **state)
{
    static const char good[] = "# of our site\n\n  sasl.username = docket \nsasl.password==a=b\n";
    static const char bad[] = "sasl.username=docket\nacks=0\n";
    static const char worse[] = "sasl.username\n";
    char folder[FOLDER_MAX], uri[2 * FOLDER_MAX];
    struct dk_kafka_place place;

    (void)state;
    folder_make(folder);
    file_write(folder, "kafka.conf", good, sizeof(good) - 1);
    (void)snprintf(uri, sizeof(uri), "kafka://h1/p?conf=%s/kafka.conf", folder);
    assert_ok(dk_kafka_place_init(&place, uri, NULL));
    assert_int_equal(place.count, 2);
    assert_string_equal(place.properties[0].value, "docket");
    assert_string_equal(place.properties[1].value, "=a=b");
    dk_kafka_place_release(&place);
    file_write(folder, "kafka.conf", bad, sizeof(bad) - 1);
    refuse(uri, DK_INVALID, "kafka.conf:2: property 'acks' can't be set");
    file_write(folder, "kafka.conf", worse, sizeof(worse) - 1);
    refuse(uri, DK_INVALID, "kafka.conf:1: 'sasl.username' is not name=value");
    folder_remove(folder);
}

static void what_librdkafka_does_not_know_is_refused_with_its_name(void **state)
{
    const struct dk_kafka_setting ours = { "compression.codec", "zstd" };
    struct dk_kafka_place place;
    struct dk_err err;
    rd_kafka_conf_t *conf;
    char value[32];
    size_t size = sizeof(value);

    (void)state;
    assert_ok(dk_kafka_place_init(&place, "kafka://h1/p?securty.protocol=ssl", NULL));
    assert_int_equal(dk_kafka_conf(&conf, &place, NULL, 0, &err), DK_INVALID);
    assert_non_null(strstr(err.text, "'securty.protocol'"));
    dk_kafka_place_release(&place);
    assert_ok(dk_kafka_place_init(
        &place, "kafka://h1/p?compression.codec=none&socket.timeout.ms=77", NULL));
    assert_ok(dk_kafka_conf(&conf, &place, &ours, 1, &err));
    assert_int_equal(rd_kafka_conf_get(conf, "compression.codec", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "zstd");
    size = sizeof(value);
    assert_int_equal(rd_kafka_conf_get(conf, "socket.timeout.ms", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "77");
    rd_kafka_conf_destroy(conf);
    dk_kafka_place_release(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_taken_apart),
        cmocka_unit_test(what_is_no_address_is_refused_and_the_fault_named),
        cmocka_unit_test(a_property_that_breaks_a_guarantee_is_refused_by_name),
        cmocka_unit_test(properties_of_a_file_are_read_and_its_faults_have_a_line),
        cmocka_unit_test(what_librdkafka_does_not_know_is_refused_with_its_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
