/* leader.c - requests into batches, batches into the log (leader.h) */
#include "controller/leader.h"

#include "base/check.h"
#include "controller/config.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define BEAT_GATHER_US SECOND_US
#define FULL_RETRY_US SECOND_US
#define DEADLINE_STEP_US INT64_C(10000)

enum { BEATS_MAX = 131072, NAME_SIZE = 65 };

struct dk_leader {
    struct dk_leader_options options;
    struct dk_clock clock;
    struct dk_core *core;
    struct dk_batcher *batcher;
    int64_t number; /* of the last request */
    int64_t seq;    /* of the last durable event */
    uint64_t batches;
    bool is_new;
    int64_t served;           /* the core's deadline when the last batch was begun */
    int64_t served_at;        /* and when that was */
    char (*beats)[NAME_SIZE]; /* nodes that said that they live, since the last NodesBeat */
    struct dk_text *beat_names;
    uint32_t beat_count;
    int64_t beat_number; /* of the last of them */
    int64_t beats_due;   /* 0: none waits */
    int64_t full_retry;  /* the log is full: when to try again; 0: it is not */
};

struct dk_leader *dk_leader_create(struct dk_follower *follower,
                                   const struct dk_leader_options *options)
{
    struct dk_leader *leader = calloc(1, sizeof(*leader));
    struct dk_batcher_options batcher = { .log = options->log,
                                          .epoch = dk_log_epoch(options->log) };
    struct dk_core_stats stats;

    DK_CHECK(leader != NULL);
    leader->options = *options;
    leader->served = INT64_MIN;
    leader->seq = (int64_t)dk_follower_seq(follower);
    leader->is_new = leader->seq == 0;
    if (options->clock != NULL)
        leader->clock = *options->clock;
    dk_clock_init(&leader->clock, dk_follower_time(follower));
    batcher.closed = dk_follower_closed(follower, &batcher.closed_size);
    batcher.seq_next = leader->seq + 1;
    leader->core = dk_follower_take(follower);
    leader->batcher = dk_batcher_create(leader->core, &dk_heap, &batcher);
    dk_core_stats(leader->core, &stats);
    leader->number = stats.requests_next > 0 ? stats.requests_next - 1 : 0;
    return leader;
}

void dk_leader_destroy(struct dk_leader *leader)
{
    if (leader == NULL)
        return;
    dk_batcher_destroy(leader->batcher);
    dk_core_destroy(leader->core);
    free(leader->beats);
    free(leader->beat_names);
    free(leader);
}

/* --- time --- */

int64_t dk_leader_now(struct dk_leader *leader)
{
    return dk_clock_now(&leader->clock);
}

int64_t dk_leader_due(const struct dk_leader *leader)
{
    int64_t due;

    if (leader->full_retry != 0)
        return leader->full_retry;
    due = dk_core_next_deadline(leader->core);
    /* A deadline that stays where it was after a turn is no reason to spin. */
    if (due == leader->served && due <= leader->served_at)
        due = leader->served_at + DEADLINE_STEP_US;
    return leader->beats_due != 0 && leader->beats_due < due ? leader->beats_due : due;
}

/* --- beats --- */

/* Beats wait for each other: one NodesBeat a second, however many nodes there are. */
static void gather_beats(struct dk_leader *leader, const struct dk_beat_nodes *beat)
{
    if (leader->beats == NULL) { /* touched as far as it is used */
        leader->beats = calloc(BEATS_MAX, NAME_SIZE);
        leader->beat_names = calloc(BEATS_MAX, sizeof(*leader->beat_names));
        DK_CHECK(leader->beats != NULL && leader->beat_names != NULL);
    }
    for (uint32_t i = 0; i < beat->nodes_count && leader->beat_count < BEATS_MAX; i++) {
        struct dk_text name = beat->nodes[i];
        char *room;

        if (name.size >= NAME_SIZE)
            continue;
        room = leader->beats[leader->beat_count++];
        memcpy(room, name.data, name.size);
        room[name.size] = '\0';
    }
    if (leader->beats_due == 0 && leader->beat_count > 0)
        leader->beats_due = dk_leader_now(leader) + BEAT_GATHER_US;
}

static void flush_beats(struct dk_leader *leader, int64_t now)
{
    struct dk_request request = { .type = DK_REQUEST_BEAT_NODES };
    struct dk_stamp stamp = { .number = leader->beat_number, .time = now };

    for (uint32_t i = 0; i < leader->beat_count; i++)
        leader->beat_names[i] = dk_text_of(leader->beats[i]);
    request.beat_nodes.nodes = leader->beat_names;
    request.beat_nodes.nodes_count = leader->beat_count;
    dk_batcher_request(leader->batcher, &stamp, &request, NULL);
    leader->beat_count = 0;
    leader->beats_due = 0;
}

/* --- a batch --- */

static void add_clock(struct dk_leader *leader, int64_t now)
{
    struct dk_event event = { .type = DK_EVENT_CLOCK_ADVANCED, .meta.time = now };

    dk_batcher_event(leader->batcher, &event);
}

void dk_leader_begin(struct dk_leader *leader, bool has_requests)
{
    int64_t now = dk_leader_now(leader);
    bool has_beats = leader->beats_due != 0 && now >= leader->beats_due;

    DK_CHECK(leader->full_retry == 0);
    leader->served = dk_core_next_deadline(leader->core);
    leader->served_at = now;
    if (has_beats)
        flush_beats(leader, now);
    else if (!has_requests)
        add_clock(leader, now);
}

static int64_t take_number(struct dk_leader *leader, int64_t number)
{
    if (number == 0)
        number = leader->number + 1;
    DK_CHECK(number > leader->number);
    leader->number = number;
    return number;
}

static bool is_for_nodes(enum dk_request_type type)
{
    return type == DK_REQUEST_REGISTER_NODE || type == DK_REQUEST_BEAT_NODES ||
           type == DK_REQUEST_REPORT_END || type == DK_REQUEST_REPORT_STEP_START ||
           type == DK_REQUEST_REPORT_STEP_END;
}

void dk_leader_admit(struct dk_leader *leader, const struct dk_asker *asker, int64_t number,
                     const struct dk_request *request, const struct dk_event **outcome)
{
    bool for_nodes = is_for_nodes(request->type);
    struct dk_stamp stamp = { .number = take_number(leader, number),
                              .time = dk_leader_now(leader),
                              .actor = asker->actor };

    *outcome = NULL;
    if (request->type == DK_REQUEST_BEAT_NODES && asker->is_node) {
        gather_beats(leader, &request->beat_nodes);
        leader->beat_number = stamp.number;
        return;
    }
    stamp.has_actor = asker->has_actor && !(for_nodes && asker->is_node);
    stamp.is_operator = for_nodes ? asker->is_node : asker->is_operator;
    dk_batcher_request(leader->batcher, &stamp, request, outcome);
}

void dk_leader_refuse(struct dk_leader *leader, const struct dk_asker *asker, int64_t number,
                      enum dk_reject_reason reason, struct dk_text detail,
                      const struct dk_event **outcome)
{
    struct dk_stamp stamp = { .number = take_number(leader, number),
                              .time = dk_leader_now(leader),
                              .has_actor = asker->has_actor,
                              .actor = asker->actor };

    dk_batcher_refuse(leader->batcher, &stamp, reason, detail, outcome);
}

/* --- making it durable --- */

void dk_leader_pause(struct dk_leader *leader)
{
    leader->full_retry = dk_leader_now(leader) + FULL_RETRY_US;
}

static enum dk_status make_durable(struct dk_leader *leader, struct dk_err *err)
{
    enum dk_status status = dk_log_sync(leader->options.log, err);

    leader->full_retry = 0;
    if (status == DK_FULL)
        dk_leader_pause(leader);
    if (status == DK_OK)
        leader->seq = (int64_t)dk_log_seq_next(leader->options.log) - 1;
    return status;
}

enum dk_status dk_leader_commit(struct dk_leader *leader, const struct dk_events **events,
                                struct dk_err *err)
{
    const struct dk_events *batch;
    enum dk_status status = dk_batcher_close(leader->batcher, dk_leader_now(leader), &batch, err);

    leader->batches++;
    if (events != NULL)
        *events = batch;
    return status == DK_OK ? make_durable(leader, err) : status;
}

enum dk_status dk_leader_retry(struct dk_leader *leader, struct dk_err *err)
{
    return make_durable(leader, err);
}

bool dk_leader_is_full(const struct dk_leader *leader)
{
    return leader->full_retry != 0;
}

/* --- beginning and end --- */

/* A new log has a configuration from the start: no file is needed. */
static void configure_default(struct dk_leader *leader)
{
    struct dk_request request = { .type = DK_REQUEST_APPLY_CONFIGURATION };
    struct dk_asker docket = { .is_operator = true };
    struct dk_partition_spec partition;
    const struct dk_event *outcome;

    dk_config_default(leader->core, dk_leader_now(leader), &request.apply_configuration.config,
                      &partition);
    request.apply_configuration.note = dk_text_of("what a new cluster begins with");
    dk_leader_admit(leader, &docket, 0, &request, &outcome);
    DK_CHECK(outcome->type == DK_EVENT_CONFIGURATION_APPLIED);
}

enum dk_status dk_leader_start(struct dk_leader *leader, const struct dk_events **events,
                               struct dk_err *err)
{
    struct dk_event started = { .type = DK_EVENT_CONTROLLER_STARTED };
    struct dk_event logic = { .type = DK_EVENT_LOGIC_ACTIVATED };

    started.meta.time = dk_leader_now(leader);
    started.controller_started.build = dk_text_of(leader->options.version);
    started.controller_started.host = dk_text_of(leader->options.host);
    dk_batcher_event(leader->batcher, &started);
    if (leader->is_new) {
        logic.meta.time = dk_leader_now(leader);
        logic.logic_activated.number = DK_CORE_LOGIC_NEWEST;
        dk_batcher_event(leader->batcher, &logic);
        configure_default(leader);
    }
    return dk_leader_commit(leader, events, err);
}

enum dk_status dk_leader_stop(struct dk_leader *leader, const struct dk_events **events,
                              struct dk_err *err)
{
    struct dk_event stopped = { .type = DK_EVENT_CONTROLLER_STOPPED,
                                .meta.time = dk_leader_now(leader) };

    dk_batcher_event(leader->batcher, &stopped);
    return dk_leader_commit(leader, events, err);
}

/* --- how it stands --- */

const struct dk_core *dk_leader_core(const struct dk_leader *leader)
{
    return leader->core;
}

int64_t dk_leader_seq(const struct dk_leader *leader)
{
    return leader->seq;
}

int64_t dk_leader_number(const struct dk_leader *leader)
{
    return leader->number;
}

uint64_t dk_leader_batches(const struct dk_leader *leader)
{
    return leader->batches;
}
