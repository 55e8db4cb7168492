/* kafka_conf.c - addresses and properties of librdkafka (kafka.h)
 *
 * What the library says goes to a callback, never to stderr: the last error is kept for whoever has
 * to explain a failure. Only `debug`, which somebody asked for, is printed.
 */
#include "log/kafka.h"

#include "base/buf.h"
#include "base/check.h"
#include "log/folder.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

enum { CONF_SIZE_MAX = 64 << 10, RECENT_MS = 15000, LINE_MAX_SIZE = 4096, REPLICAS_MAX = 99 };

/* Names, or beginnings of names that end in '.'. */
static const struct {
    const char *name, *why;
} refused[] = {
    { "acks", "every replica in sync has to have an event" },
    { "request.required.acks", "every replica in sync has to have an event" },
    { "enable.idempotence", "an event is written once" },
    { "enable.gapless.guarantee", "a batch is written whole" },
    { "transactional.id", "it is what fences a writer that was taken over from" },
    { "isolation.level", "only what was committed is read" },
    { "max.in.flight", "events keep their order" },
    { "max.in.flight.requests.per.connection", "events keep their order" },
    { "retries", "events keep their order" },
    { "message.send.max.retries", "events keep their order" },
    { "message.timeout.ms", "a batch is written whole" },
    { "delivery.timeout.ms", "a batch is written whole" },
    { "request.timeout.ms", "every replica in sync has to have an event" },
    { "linger.ms", "batches are formed before Kafka" },
    { "queue.buffering.", "batches are formed before Kafka" },
    { "message.max.bytes", "it follows from the largest event" },
    { "receive.message.max.bytes", "it follows from the largest event" },
    { "enable.auto.", "places are kept beside what was made of the log" },
    { "auto.commit.", "places are kept beside what was made of the log" },
    { "auto.offset.reset", "a reader never jumps" },
    { "offset.store.", "places are kept beside what was made of the log" },
    { "enable.partition.eof", "readers find the end by it" },
    { "check.crcs", "every record is checked" },
    { "group.", "it follows from the prefix" },
    { "session.timeout.ms", "who leads depends on it" },
    { "heartbeat.interval.ms", "who leads depends on it" },
    { "max.poll.interval.ms", "who leads depends on it" },
    { "partition.assignment.strategy", "who leads depends on it" },
    { "partitioner", "there is one partition" },
    { "topic.blacklist", "topics follow from the prefix" },
    { "allow.auto.create.topics", "topics are made with settings of their own" },
    { "bootstrap.servers", "brokers stand in the address" },
    { "metadata.broker.list", "brokers stand in the address" },
    { "client.id", "it says who of docket it is" },
    { "plugin.library.paths", "it would load code" },
    { "log_level", "`debug` is how to see more" },
    { "log.queue", "`debug` is how to see more" },
};

/* Over the library's defaults; a property of the place wins over these. */
static const struct dk_kafka_setting defaults[] = {
    { "client.id", "docket" },
    { "socket.keepalive.enable", "true" },
    { "socket.nagle.disable", "true" },
    { "socket.timeout.ms", "10000" },
    { "socket.connection.setup.timeout.ms", "5000" },
    { "reconnect.backoff.ms", "50" },
    { "reconnect.backoff.max.ms", "1000" },
    { "retry.backoff.ms", "50" },
    { "topic.metadata.refresh.interval.ms", "60000" },
    { "log_level", "6" },
};

/* --- what the library says --- */

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char said[200];
static int64_t said_ms;

static void hear(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    const char *inner = strstr(text, "]: "); /* after the thread's name */

    (void)client;
    if (level == LOG_DEBUG)
        (void)fprintf(stderr, "librdkafka: %s: %s\n", facility, text);
    if (level > LOG_ERR)
        return;
    (void)pthread_mutex_lock(&guard);
    (void)snprintf(said, sizeof(said), "%s", inner != NULL ? inner + 3 : text);
    said_ms = dk_clock_ms();
    (void)pthread_mutex_unlock(&guard);
}

enum dk_status dk_kafka_fail(struct dk_err *err, enum dk_status status, const char *format, ...)
{
    va_list args;
    size_t used;

    va_start(args, format);
    (void)dk_fail_list(err, status, format, args);
    va_end(args);
    if (err == NULL)
        return status;
    used = strlen(err->text);
    (void)pthread_mutex_lock(&guard);
    if (said[0] != '\0' && dk_clock_ms() - said_ms < RECENT_MS)
        (void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", said);
    (void)pthread_mutex_unlock(&guard);
    return status;
}

enum dk_status dk_kafka_away(const struct dk_kafka_place *place, struct dk_err *err)
{
    return dk_kafka_fail(err, DK_AWAY, "no broker of '%s' answers", place->brokers);
}

/* --- the address --- */

static char *copy(const char *text, size_t size)
{
    char *memory = malloc(size + 1);

    DK_CHECK(memory != NULL);
    memcpy(memory, text, size);
    memory[size] = '\0';
    return memory;
}

static bool is_refused(const char *name, const char **why)
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        size_t size = strlen(refused[i].name);
        bool begins = refused[i].name[size - 1] == '.';

        if (begins ? strncmp(name, refused[i].name, size) == 0
                   : strcmp(name, refused[i].name) == 0) {
            *why = refused[i].why;
            return true;
        }
    }
    return false;
}

static enum dk_status read_conf(struct dk_kafka_place *place, const char *path, struct dk_err *err);

static enum dk_status set_replicas(struct dk_kafka_place *place, const char *value,
                                   struct dk_err *err)
{
    char *end;
    unsigned long number = strtoul(value, &end, 10);

    if (*value == '\0' || *end != '\0' || number == 0 || number > REPLICAS_MAX)
        return dk_fail(err, DK_INVALID, "replicas=%s is not a number from 1 to %d", value,
                       REPLICAS_MAX);
    place->replicas = (uint32_t)number;
    return DK_OK;
}

/* `name` and `value` may be changed: they are ours. */
static enum dk_status add_property(struct dk_kafka_place *place, const char *name,
                                   const char *value, bool from_file, struct dk_err *err)
{
    const char *why;

    if (*name == '\0')
        return dk_fail(err, DK_INVALID, "'=%s' has no name: name=value", value);
    if (strcmp(name, "conf") == 0 && !from_file)
        return read_conf(place, value, err);
    if (strcmp(name, "replicas") == 0)
        return set_replicas(place, value, err);
    if (is_refused(name, &why))
        return dk_fail(err, DK_INVALID, "property '%s' can't be set: %s", name, why);
    place->properties = realloc(place->properties, (place->count + 1) * sizeof(*place->properties));
    DK_CHECK(place->properties != NULL);
    place->properties[place->count].name = copy(name, strlen(name));
    place->properties[place->count].value = copy(value, strlen(value));
    place->count++;
    return DK_OK;
}

static char *trim(char *text)
{
    size_t size;

    while (isspace((unsigned char)*text))
        text++;
    size = strlen(text);
    while (size > 0 && isspace((unsigned char)text[size - 1]))
        size--;
    text[size] = '\0';
    return text;
}

static enum dk_status read_conf(struct dk_kafka_place *place, const char *path, struct dk_err *err)
{
    FILE *file = fopen(path, "re");
    enum dk_status status = DK_OK;
    char line[LINE_MAX_SIZE];

    if (file == NULL)
        return dk_fail(err, errno == ENOENT ? DK_NOT_FOUND : DK_IO,
                       "properties '%s' can't be read: %s", path, strerror(errno));
    for (unsigned number = 1; status == DK_OK && fgets(line, sizeof(line), file) != NULL;
         number++) {
        char *name = trim(line), *value = strchr(name, '=');

        if (*name == '\0' || *name == '#')
            continue;
        if (value == NULL) {
            status = dk_fail(err, DK_INVALID, "'%s' is not name=value", name);
        } else {
            *value = '\0';
            status = add_property(place, trim(name), trim(value + 1), true, err);
        }
        if (status != DK_OK)
            (void)dk_fail_in(err, "%s:%u", path, number);
    }
    (void)fclose(file);
    return status;
}

static int hex(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *at = digit != '\0' ? strchr(digits, tolower((unsigned char)digit)) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

static bool unescape(char *text)
{
    char *out = text;

    for (const char *in = text; *in != '\0'; in++) {
        int high, low;

        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        high = hex(in[1]);
        low = high >= 0 ? hex(in[2]) : -1;
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return true;
}

static enum dk_status read_query(struct dk_kafka_place *place, char *query, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    while (status == DK_OK && query != NULL && *query != '\0') {
        char *next = strchr(query, '&'), *value;

        if (next != NULL)
            *next++ = '\0';
        value = strchr(query, '=');
        if (value == NULL)
            return dk_fail(err, DK_INVALID, "property '%s' is not name=value", query);
        *value++ = '\0';
        if (!unescape(query) || !unescape(value))
            return dk_fail(err, DK_INVALID, "property '%s': %% must be followed by two hex digits",
                           query);
        status = add_property(place, query, value, false, err);
        query = next;
    }
    return status;
}

static bool is_made_of(const char *text, const char *more)
{
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr(more, *text) == NULL)
            return false;
    return true;
}

static enum dk_status take_apart(struct dk_kafka_place *place, char *rest, struct dk_err *err)
{
    char *query = strchr(rest, '?'), *prefix;

    if (query != NULL)
        *query++ = '\0';
    prefix = strchr(rest, '/');
    if (prefix != NULL)
        *prefix++ = '\0';
    if (prefix == NULL || *prefix == '\0')
        return dk_fail(err, DK_INVALID,
                       "the address has no prefix of topics, as kafka://%s/docket has",
                       rest[0] != '\0' ? rest : "HOST:9092");
    if (rest[0] == '\0' || !is_made_of(rest, ".,:-_[]") || strlen(rest) >= sizeof(place->brokers))
        return dk_fail(err, DK_INVALID, "'%s' are not brokers, as h1:9092,h2:9092 are", rest);
    if (!is_made_of(prefix, "._-") || strlen(prefix) >= sizeof(place->prefix) || prefix[0] == '.')
        return dk_fail(err, DK_INVALID,
                       "'%s' is not a prefix of topics: up to %zu letters, digits, '.', '_', '-'",
                       prefix, sizeof(place->prefix) - 1);
    memcpy(place->brokers, rest, strlen(rest) + 1);
    memcpy(place->prefix, prefix, strlen(prefix) + 1);
    return read_query(place, query, err);
}

enum dk_status dk_kafka_place_init(struct dk_kafka_place *place, const char *uri,
                                   struct dk_err *err)
{
    const char *rest = strncmp(uri, "kafka:", 6) == 0 ? uri + 6 : uri;
    enum dk_status status;
    char *text;

    memset(place, 0, sizeof(*place));
    if (strncmp(rest, "//", 2) != 0)
        return dk_fail(err, DK_INVALID,
                       "'kafka:%s' is not an address, as kafka://HOST:9092/docket is", rest);
    text = copy(rest + 2, strlen(rest + 2));
    status = take_apart(place, text, err);
    free(text);
    return status;
}

void dk_kafka_place_release(struct dk_kafka_place *place)
{
    for (size_t i = 0; i < place->count; i++) {
        free((char *)(uintptr_t)place->properties[i].name);
        free((char *)(uintptr_t)place->properties[i].value);
    }
    free(place->properties);
    memset(place, 0, sizeof(*place));
}

void dk_kafka_topic_name(const struct dk_kafka_place *place, const char *name,
                         char topic[DK_KAFKA_TOPIC_MAX])
{
    (void)snprintf(topic, DK_KAFKA_TOPIC_MAX, "%s.%s", place->prefix, name);
}

/* --- the configuration --- */

static enum dk_status set_all(rd_kafka_conf_t *conf, const struct dk_kafka_setting *settings,
                              size_t count, struct dk_err *err)
{
    char why[256];

    for (size_t i = 0; i < count; i++)
        if (rd_kafka_conf_set(conf, settings[i].name, settings[i].value, why, sizeof(why)) !=
            RD_KAFKA_CONF_OK)
            return dk_fail(err, DK_INVALID, "property '%s': %s", settings[i].name, why);
    return DK_OK;
}

size_t dk_kafka_settings(struct dk_kafka_setting *all, const struct dk_kafka_place *place,
                         const struct dk_kafka_setting *settings, size_t count,
                         const struct dk_kafka_setting *wishes, size_t wish_count)
{
    memcpy(all, settings, count * sizeof(*settings));
    for (size_t i = 0; i < wish_count; i++) {
        bool is_set = false;

        for (size_t j = 0; j < place->count; j++)
            is_set |= strcmp(place->properties[j].name, wishes[i].name) == 0;
        if (!is_set)
            all[count++] = wishes[i];
    }
    return count;
}

enum dk_status dk_kafka_conf(rd_kafka_conf_t **out, const struct dk_kafka_place *place,
                             const struct dk_kafka_setting *settings, size_t count,
                             struct dk_err *err)
{
    const struct dk_kafka_setting brokers = { "bootstrap.servers", place->brokers };
    enum dk_status status = dk_kafka_load(err);
    rd_kafka_conf_t *conf;

    *out = NULL;
    if (status != DK_OK)
        return status;
    conf = rd_kafka_conf_new();
    DK_CHECK(conf != NULL);
    rd_kafka_conf_set_log_cb(conf, hear);
    status = set_all(conf, defaults, sizeof(defaults) / sizeof(defaults[0]), err);
    if (status == DK_OK)
        status = set_all(conf, place->properties, place->count, err);
    if (status == DK_OK)
        status = set_all(conf, &brokers, 1, err);
    if (status == DK_OK)
        status = set_all(conf, settings, count, err);
    if (status == DK_OK)
        *out = conf;
    else
        rd_kafka_conf_destroy(conf);
    return status;
}

enum dk_status dk_kafka_start(rd_kafka_t **out, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                              struct dk_err *err)
{
    char why[256];

    *out = rd_kafka_new(type, conf, why, sizeof(why));
    if (*out != NULL)
        return DK_OK;
    rd_kafka_conf_destroy(conf);
    return dk_fail(err, DK_INVALID, "Kafka's client can't be started: %s", why);
}
