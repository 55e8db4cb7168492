/* kafka_lead.c - on Kafka the one leads whom the group gives the only partition of the requests
 *
 * What Kafka's groups do is what an election has to do: the broker counts beats, throws out who is
 * silent for a session, and has the rest share anew. The member here fetches no record: its
 * partition is paused as soon as it has it, and the leader reads requests by a reader of its own.
 *
 * Three things to know about groups:
 *
 *   - The protocol is the cooperative one. By the older one every standby that comes or goes takes
 *     the partition from its owner for a moment, which would be a change of leader each time.
 *   - A session that the broker finds too short (its group.min.session.timeout.ms, 6 s unless told)
 *     is refused when joining. Then 6 s it is, and that is said.
 *   - Whether the membership is good is asked by describing the group: it says who has what.
 *
 * The thread polls all the time, so the group never takes a busy leader for one that hangs. After
 * SIGSTOP and SIGCONT the library finds by itself that nobody has heard it for a session, and gives
 * the partition up before it joins again.
 *
 * And that is no reason to stop leading: who lost its membership does not know whether there is
 * another leader, or there was no broker for anybody. So it leads on, in doubt, until the group has
 * told it what it has: while no broker answers the lead is nobody else's, and a writer that is not
 * the newest is refused by the log anyhow. */
#include "log/kafka.h"
#include "log/lead_backend.h"
#include "log/stream.h"

#include "base/check.h"
#include "log/folder.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSION_MS = 3000,
    SESSION_LONG_MS = 6000, /* every broker allows it that was not told otherwise */
    BEAT_MS = 500,
    POLL_MS = 500,
    REQUEST_MS = 5000, /* an answer that takes longer: the link is asked anew */
    SAY_AGAIN_MS = 60000,
    CONFIRM_STEP_MS = 50
};

struct kafka_lead {
    struct dk_lead base;
    struct dk_kafka_place place;
    char group[DK_KAFKA_TOPIC_MAX], topic[DK_KAFKA_TOPIC_MAX];
    pthread_mutex_t mutex; /* guards `member` while the thread replaces it */
    rd_kafka_t *member;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    int session_ms;
    bool is_refused;        /* the session */
    atomic_bool is_doubted; /* nobody has said that we lead since the group was lost */
    char said[512];
    int64_t said_ms;
};

static struct kafka_lead *of(struct dk_lead *lead)
{
    return (struct kafka_lead *)lead;
}

/* The same again only after a while: a broker that is away is away for many polls. */
static void say_once(struct kafka_lead *lead, const char *text)
{
    int64_t now = dk_clock_ms();

    if (strncmp(lead->said, text, sizeof(lead->said) - 1) == 0 &&
        now - lead->said_ms < SAY_AGAIN_MS)
        return;
    (void)snprintf(lead->said, sizeof(lead->said), "%s", text);
    lead->said_ms = now;
    dk_lead_say(&lead->base, "group '%s': %s", lead->group, text);
}

/* --- in the thread, while it polls --- */

static void on_error(rd_kafka_t *member, int error, const char *reason, void *opaque)
{
    (void)member;
    if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) /* each of them says so by itself, too */
        say_once(opaque, "no broker can be reached");
    else if (error != RD_KAFKA_RESP_ERR__TRANSPORT && error != RD_KAFKA_RESP_ERR__RESOLVE)
        say_once(opaque, reason);
}

static void take(struct kafka_lead *lead, rd_kafka_t *member,
                 rd_kafka_topic_partition_list_t *partitions)
{
    rd_kafka_error_t *error;

    for (int i = 0; i < partitions->cnt; i++)
        partitions->elems[i].offset = RD_KAFKA_OFFSET_END; /* asks for no committed one */
    error = rd_kafka_incremental_assign(member, partitions);
    if (error == NULL && partitions->cnt > 0) {
        (void)rd_kafka_pause_partitions(member, partitions);
        dk_lead_gain(&lead->base);
    } else if (atomic_load(&lead->is_doubted)) {
        dk_lead_lose(&lead->base);
    }
    atomic_store(&lead->is_doubted, false);
    if (error != NULL) {
        say_once(lead, rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
}

static void give_up(struct kafka_lead *lead, rd_kafka_t *member,
                    const rd_kafka_topic_partition_list_t *partitions)
{
    bool is_lost = rd_kafka_assignment_lost(member) != 0; /* not asked back */
    rd_kafka_error_t *error = rd_kafka_incremental_unassign(member, partitions);

    if (error != NULL)
        rd_kafka_error_destroy(error); /* it was taken from us already */
    if (partitions->cnt == 0)
        return;
    if (!is_lost) {
        dk_lead_lose(&lead->base);
        return;
    }
    atomic_store(&lead->is_doubted, true);
    say_once(lead, "the membership was lost: leading on until it is known who leads");
}

static void on_rebalance(rd_kafka_t *member, rd_kafka_resp_err_t what,
                         rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        take(opaque, member, partitions);
    else
        give_up(opaque, member, partitions);
}

/* --- the member --- */

static enum dk_status make_member(struct kafka_lead *lead, rd_kafka_t **out, struct dk_err *err)
{
    char session[16], beat[16], request[16];
    const struct dk_kafka_setting settings[] = {
        { "group.id", lead->group },
        { "session.timeout.ms", session },
        { "heartbeat.interval.ms", beat },
        { "partition.assignment.strategy", "cooperative-sticky" },
        { "enable.auto.commit", "false" },
        { "auto.offset.reset", "latest" },
        { "socket.timeout.ms", request },
    };
    rd_kafka_conf_t *conf;
    enum dk_status status;

    (void)snprintf(session, sizeof(session), "%d", lead->session_ms);
    (void)snprintf(beat, sizeof(beat), "%d", BEAT_MS);
    (void)snprintf(request, sizeof(request), "%d", REQUEST_MS);
    status =
        dk_kafka_conf(&conf, &lead->place, settings, sizeof(settings) / sizeof(settings[0]), err);
    if (status != DK_OK)
        return status;
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_opaque(conf, lead);
    return dk_kafka_start(out, RD_KAFKA_CONSUMER, conf, err);
}

static void subscribe(const struct kafka_lead *lead, rd_kafka_t *member)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);

    (void)rd_kafka_poll_set_consumer(member);
    (void)rd_kafka_topic_partition_list_add(topics, lead->topic, RD_KAFKA_PARTITION_UA);
    (void)rd_kafka_subscribe(member, topics);
    rd_kafka_topic_partition_list_destroy(topics);
}

static void drop_member(rd_kafka_t *member)
{
    (void)rd_kafka_consumer_close(member); /* takes the partition back, and says good-bye */
    rd_kafka_destroy(member);
}

static void join_with_long_session(struct kafka_lead *lead)
{
    struct dk_err err;
    rd_kafka_t *member = NULL, *old = lead->member;

    dk_lead_say(&lead->base,
                "group '%s': the broker allows no session of %d s (group.min.session.timeout.ms): "
                "taking %d s, and so long it takes to notice a dead leader",
                lead->group, SESSION_MS / 1000, SESSION_LONG_MS / 1000);
    lead->session_ms = SESSION_LONG_MS;
    if (make_member(lead, &member, &err) != DK_OK) {
        say_once(lead, err.text);
        return;
    }
    (void)pthread_mutex_lock(&lead->mutex);
    lead->member = member;
    (void)pthread_mutex_unlock(&lead->mutex);
    subscribe(lead, member);
    drop_member(old);
}

static void *keep(void *argument)
{
    struct kafka_lead *lead = argument;

    while (!atomic_load(&lead->stop)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(lead->member, POLL_MS);

        if (message == NULL)
            continue;
        if (message->err == RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT &&
            lead->session_ms < SESSION_LONG_MS)
            lead->is_refused = true;
        else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            say_once(lead, rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
        if (lead->is_refused) {
            lead->is_refused = false;
            join_with_long_session(lead);
        }
    }
    drop_member(lead->member);
    return NULL;
}

/* --- the port --- */

enum told { IS_OURS, IS_ANOTHERS, NOT_TOLD };

static bool has_partition(const rd_kafka_ConsumerGroupDescription_t *group, const char *member_id)
{
    for (size_t i = 0; i < rd_kafka_ConsumerGroupDescription_member_count(group); i++) {
        const rd_kafka_MemberDescription_t *member =
            rd_kafka_ConsumerGroupDescription_member(group, i);
        const rd_kafka_MemberAssignment_t *assignment =
            rd_kafka_MemberDescription_assignment(member);

        if (strcmp(rd_kafka_MemberDescription_consumer_id(member), member_id) == 0)
            return assignment != NULL && rd_kafka_MemberAssignment_partitions(assignment)->cnt > 0;
    }
    return false;
}

static enum told told_by(rd_kafka_event_t *event, const char *member_id)
{
    const rd_kafka_DescribeConsumerGroups_result_t *result =
        rd_kafka_event_DescribeConsumerGroups_result(event);
    const rd_kafka_ConsumerGroupDescription_t **groups;
    size_t count = 0;

    if (result == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NOT_TOLD;
    groups = rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
    if (count != 1 || rd_kafka_ConsumerGroupDescription_error(groups[0]) != NULL)
        return NOT_TOLD;
    switch ((int)rd_kafka_ConsumerGroupDescription_state(groups[0])) {
    case RD_KAFKA_CONSUMER_GROUP_STATE_STABLE:
        return has_partition(groups[0], member_id) ? IS_OURS : IS_ANOTHERS;
    case RD_KAFKA_CONSUMER_GROUP_STATE_DEAD:
    case RD_KAFKA_CONSUMER_GROUP_STATE_EMPTY:
        return IS_ANOTHERS; /* nobody's yet, but not ours */
    default:
        return NOT_TOLD; /* it is sharing anew: soon it will know */
    }
}

static enum told ask(struct kafka_lead *lead, int timeout_ms)
{
    const char *groups[1] = { lead->group };
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *event;
    rd_kafka_queue_t *queue;
    enum told told = NOT_TOLD;
    char *member_id;

    (void)pthread_mutex_lock(&lead->mutex);
    member_id = rd_kafka_memberid(lead->member);
    queue = rd_kafka_queue_new(lead->member);
    options = rd_kafka_AdminOptions_new(lead->member, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
    (void)rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_DescribeConsumerGroups(lead->member, groups, 1, options, queue);
    event = rd_kafka_queue_poll(queue, timeout_ms);
    if (event != NULL) {
        told = told_by(event, member_id != NULL ? member_id : "");
        rd_kafka_event_destroy(event);
    }
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    if (member_id != NULL)
        rd_kafka_mem_free(lead->member, member_id);
    (void)pthread_mutex_unlock(&lead->mutex);
    return told;
}

static enum dk_status kafka_confirm(struct dk_lead *base, int timeout_ms, struct dk_err *err)
{
    struct kafka_lead *lead = of(base);
    int64_t end = dk_clock_ms() + timeout_ms, left = timeout_ms;

    for (;;) {
        enum told told = IS_ANOTHERS;

        if (atomic_load(&base->term) != 0)
            told = atomic_load(&lead->is_doubted) ? NOT_TOLD : ask(lead, left > 1 ? (int)left : 1);
        if (told == IS_ANOTHERS || atomic_load(&base->term) == 0)
            return dk_fail(err, DK_FENCED, "group '%s' has given the lead to another", lead->group);
        if (told == IS_OURS)
            return DK_OK;
        left = end - dk_clock_ms();
        if (left <= CONFIRM_STEP_MS)
            return dk_fail(err, DK_AGAIN, "group '%s' does not say who leads", lead->group);
        (void)poll(NULL, 0, CONFIRM_STEP_MS);
    }
}

static void kafka_leave(struct dk_lead *base)
{
    struct kafka_lead *lead = of(base);

    if (lead->has_thread) {
        rd_kafka_queue_t *queue;

        atomic_store(&lead->stop, true);
        (void)pthread_mutex_lock(&lead->mutex);
        queue = rd_kafka_queue_get_consumer(lead->member);
        (void)pthread_mutex_unlock(&lead->mutex);
        rd_kafka_queue_yield(queue); /* the poll returns now */
        rd_kafka_queue_destroy(queue);
        (void)pthread_join(lead->thread, NULL);
    } else if (lead->member != NULL) {
        drop_member(lead->member);
    }
    (void)pthread_mutex_destroy(&lead->mutex);
    dk_kafka_place_release(&lead->place);
    dk_lead_release(base);
    free(lead);
}

static enum dk_status start(struct kafka_lead *lead, struct dk_err *err)
{
    enum dk_status status = make_member(lead, &lead->member, err);

    if (status == DK_OK)
        status = dk_kafka_topic_make(lead->member, &lead->place, DK_STREAM_REQUESTS, err);
    if (status != DK_OK)
        return status;
    subscribe(lead, lead->member); /* not before: a topic that is not there would be a fault */
    lead->has_thread = pthread_create(&lead->thread, NULL, keep, lead) == 0;
    return lead->has_thread ? DK_OK : dk_fail(err, DK_IO, "no thread to keep the lead");
}

static enum dk_status kafka_join(struct dk_lead **out, const char *place,
                                 const struct dk_lead_options *options, struct dk_err *err)
{
    struct kafka_lead *lead = calloc(1, sizeof(*lead));
    enum dk_status status;

    DK_CHECK(lead != NULL);
    lead->base.fd = -1;
    lead->session_ms = SESSION_MS;
    (void)pthread_mutex_init(&lead->mutex, NULL);
    status = dk_lead_init(&lead->base, &dk_lead_backend_kafka, options, err);
    if (status == DK_OK)
        status = dk_kafka_place_init(&lead->place, place, err);
    if (status == DK_OK) {
        (void)snprintf(lead->group, sizeof(lead->group), "%s.controllers", lead->place.prefix);
        dk_kafka_topic_name(&lead->place, DK_STREAM_REQUESTS, lead->topic);
        status = start(lead, err);
    }
    if (status != DK_OK) {
        kafka_leave(&lead->base);
        return status;
    }
    *out = &lead->base;
    return DK_OK;
}

const struct dk_lead_backend dk_lead_backend_kafka = {
    .scheme = "kafka",
    .join = kafka_join,
    .confirm = kafka_confirm,
    .leave = kafka_leave,
};
