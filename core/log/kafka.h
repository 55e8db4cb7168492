/* kafka.h - what the users of librdkafka in this folder share: addresses, properties, topics
 *
 *     kafka://h1:9092,h2:9092/docket?security.protocol=ssl&conf=/etc/docket/kafka.conf
 *             '---- brokers ----'/prefix '------------ properties ------------'
 *
 * A place is such an address, taken apart. Its properties are librdkafka's, passed through; values
 * may have %XX. Two are ours: `conf` names a file of more of them (lines name=value, # comments;
 * passwords belong there), and `replicas` says how many copies a topic is made with (else 3, or as
 * many as there are brokers). A property that the log's guarantees rest on is refused by its name.
 *
 * Only kafka*.c may include this, for it brings librdkafka's header.
 */
#ifndef DK_LOG_KAFKA_H
#define DK_LOG_KAFKA_H

#include "log/kafka_library.h"
#include "log/log.h"

#define DK_KAFKA_EVENTS "events"
#define DK_KAFKA_TOPIC_MAX 256
#define DK_KAFKA_OPEN_MS 10000 /* how long opening something waits for a broker */
#define DK_KAFKA_VALUE_SIZE_MAX DK_LOG_RECORD_SIZE_MAX
#define DK_KAFKA_MESSAGE_SIZE_MAX (DK_KAFKA_VALUE_SIZE_MAX + 1024) /* with its headers */

struct dk_kafka_setting {
    const char *name, *value;
};

struct dk_kafka_place {
    char brokers[1024];
    char prefix[200];  /* of topics, groups, transactional ids */
    uint32_t replicas; /* 0: as the cluster allows */
    struct dk_kafka_setting *properties;
    size_t count;
};

/* Takes "kafka://..." or "//..." apart. DK_INVALID names the fault, or the property that may not be
 * set; DK_NOT_FOUND and DK_IO: the file of `conf`. Release it in any case. */
enum dk_status dk_kafka_place_init(struct dk_kafka_place *place, const char *uri,
                                   struct dk_err *err);
void dk_kafka_place_release(struct dk_kafka_place *place);

/* "PREFIX.name" */
void dk_kafka_topic_name(const struct dk_kafka_place *place, const char *name,
                         char topic[DK_KAFKA_TOPIC_MAX]);

/* Puts `settings` into all[], and those of `wishes` that the place does not set; how many there
 * are. */
size_t dk_kafka_settings(struct dk_kafka_setting *all, const struct dk_kafka_place *place,
                         const struct dk_kafka_setting *settings, size_t count,
                         const struct dk_kafka_setting *wishes, size_t wish_count);

/* A configuration with the place's brokers and properties, and then `settings`, which win. The
 * caller adds callbacks, and starts it; it is gone after dk_kafka_start. */
enum dk_status dk_kafka_conf(rd_kafka_conf_t **out, const struct dk_kafka_place *place,
                             const struct dk_kafka_setting *settings, size_t count,
                             struct dk_err *err);
enum dk_status dk_kafka_start(rd_kafka_t **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                              struct dk_err *err);

/* Fails with "`format`", and what librdkafka complained of last in this process if that is recent:
 * why no broker answers is known only to its threads. */
enum dk_status dk_kafka_fail(struct dk_err *err, enum dk_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "no broker of 'h1:9092' answers: ..."; DK_AWAY. */
enum dk_status dk_kafka_away(const struct dk_kafka_place *place, struct dk_err *err);

/* Makes the topic PREFIX.name if there is none, and checks its settings and that it has one
 * partition. `name` is "events", "requests" or "secrets": what each needs stands in
 * core/decisions/0012. DK_UNSUPPORTED names the setting, its value, and what it must be. DK_AWAY:
 * no broker answered. */
enum dk_status dk_kafka_topic_make(rd_kafka_t *client, const struct dk_kafka_place *place,
                                   const char *name, struct dk_err *err);

/* Whether there is such a topic, and that it has one partition: DK_OK, DK_NOT_FOUND, DK_AWAY,
 * DK_UNSUPPORTED. */
enum dk_status dk_kafka_topic_find(rd_kafka_t *client, const struct dk_kafka_place *place,
                                   const char *name, struct dk_err *err);

#endif
