/* door.c - calls into the topic of requests, and their outcomes back (door.h)
 *
 * A call is cut into parts of at most DK_MAIL_REQUESTS_MAX requests, each a record. A part's
 * place is known when the broker has it; an outcome may be seen before that, by a fast leader. So
 * while parts are on their way to the broker, what nobody waits for is kept for them. */
#define _GNU_SOURCE
#include "controller/door.h"

#include "base/check.h"
#include "controller/call.h"
#include "controller/mail.h"
#include "controller/outcome.h"
#include "event/post.h"
#include "net/journal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define CALL_US (INT64_C(10) * 1000000) /* longer than a failover: then another door is asked */
#define PART_SIZE_MAX ((size_t)8 << 20)

enum { ID_SIZE = 16, BUCKETS = 4096, TICK_MS = 1000 };

/* A call that was taken and not answered. */
struct ticket {
    struct ticket *next, **to_me;
    struct dk_call *call;
    uint32_t parts;     /* that are not settled */
    struct part **list; /* all of them; NULL: settled */
    uint32_t count;
    int64_t deadline;    /* of the monotonic clock */
    enum dk_status kept; /* of its scripts */
    bool only_beats;     /* enough that it is in the topic */
    int fail_status;     /* not 0: it failed, and goes when its parts are known */
    const char *fail_reason, *fail_detail;
};

struct part {
    struct part *next;     /* in its bucket, once its place is known */
    struct ticket *ticket; /* NULL: its call has been answered */
    uint32_t number;       /* in the ticket's list */
    int64_t offset;
    uint32_t count, settled; /* requests, and those with an outcome, which come in order */
};

/* An outcome that came before its part's place was known. */
struct early {
    struct early *next;
    int64_t number;
    struct dk_buf text;
};

struct dk_door {
    struct dk_door_options options;
    struct dk_stream *stream;
    pthread_t thread;
    int event_fd;
    struct dk_err err;    /* of its thread */
    pthread_mutex_t lock; /* of all below */
    struct ticket *tickets, **tickets_end;
    struct part *buckets[BUCKETS]; /* by offset */
    uint32_t placed;               /* parts in them */
    int64_t lowest;                /* none of them has a lower offset */
    uint32_t on_the_way;           /* parts whose place is not known */
    struct early *early, **early_end;
    int64_t passed; /* all requests with lower numbers have had their outcome */
    int64_t seq;    /* of the last event seen */
};

static int64_t now_us(clockid_t clock)
{
    struct timespec now;

    DK_CHECK(clock_gettime(clock, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void lock(struct dk_door *door)
{
    DK_CHECK(pthread_mutex_lock(&door->lock) == 0);
}

static void unlock(struct dk_door *door)
{
    DK_CHECK(pthread_mutex_unlock(&door->lock) == 0);
}

/* --- tickets --- */

static struct ticket *ticket_add(struct dk_door *door, struct dk_call *call)
{
    struct ticket *ticket = calloc(1, sizeof(*ticket));

    DK_CHECK(ticket != NULL);
    ticket->call = call;
    ticket->deadline = now_us(CLOCK_MONOTONIC) + CALL_US;
    ticket->to_me = door->tickets_end;
    *door->tickets_end = ticket;
    door->tickets_end = &ticket->next;
    return ticket;
}

/* Out of the list; the caller answers its call, outside the lock or in it. */
static void ticket_take(struct dk_door *door, struct ticket *ticket)
{
    *ticket->to_me = ticket->next;
    if (ticket->next != NULL)
        ticket->next->to_me = ticket->to_me;
    else
        door->tickets_end = ticket->to_me;
}

static void ticket_answer(struct dk_door *door, struct ticket *ticket)
{
    struct dk_call *call = ticket->call;

    ticket_take(door, ticket);
    if (ticket->fail_status != 0)
        dk_http_fail(call->exchange, ticket->fail_status, ticket->fail_reason, "%s",
                     ticket->fail_detail);
    else if (call->refused != 0)
        dk_call_refuse(call);
    else
        dk_outcome_answer(call->exchange, door->seq, &call->answer);
    dk_intake_release(door->options.intake, call);
    for (uint32_t i = 0; i < ticket->count; i++) { /* it was answered before they were settled */
        if (ticket->list[i] != NULL)
            ticket->list[i]->ticket = NULL;
    }
    free(ticket->list);
    free(ticket);
}

static void ticket_fail(struct ticket *ticket, int status, const char *reason, const char *detail)
{
    if (ticket->fail_status != 0)
        return;
    ticket->fail_status = status;
    ticket->fail_reason = reason;
    ticket->fail_detail = detail;
}

/* --- parts whose place is known --- */

static struct part **bucket_of(struct dk_door *door, int64_t offset)
{
    return &door->buckets[(uint64_t)offset % BUCKETS];
}

static struct part *part_find(struct dk_door *door, int64_t offset)
{
    struct part *part = *bucket_of(door, offset);

    while (part != NULL && part->offset != offset)
        part = part->next;
    return part;
}

static void part_add(struct dk_door *door, struct part *part)
{
    struct part **bucket = bucket_of(door, part->offset);

    part->next = *bucket;
    *bucket = part;
    if (door->placed++ == 0 || part->offset < door->lowest)
        door->lowest = part->offset;
}

static void part_remove(struct dk_door *door, struct part *part)
{
    struct part **at = bucket_of(door, part->offset);

    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
    door->placed--;
}

/* Nothing is waited for any more: all of it has an outcome, or it failed. */
static void part_done(struct dk_door *door, struct part *part)
{
    struct ticket *ticket = part->ticket;

    if (ticket != NULL) {
        ticket->list[part->number] = NULL;
        if (--ticket->parts == 0)
            ticket_answer(door, ticket);
    }
    free(part);
}

/* Requests before `index` led to nothing that is told: beats. */
static void part_pass(struct part *part, uint32_t index)
{
    for (; part->settled < index; part->settled++) {
        if (part->ticket != NULL)
            dk_outcome_add(&part->ticket->call->answer, NULL, 0);
    }
}

/* `outcome` is one object of results, that of request `index`; a later event of the same cause is
 * none.
 */
static void part_settle(struct part *part, uint32_t index, const struct dk_buf *outcome)
{
    struct dk_buf *answer = part->ticket != NULL ? &part->ticket->call->answer : NULL;

    if (index < part->settled || index >= part->count)
        return;
    part_pass(part, index);
    if (answer != NULL) {
        if (answer->size > 0)
            (void)dk_buf_add_text(answer, ",");
        (void)dk_buf_add(answer, outcome->data, outcome->size);
    }
    part->settled++;
}

/* --- outcomes --- */

static void render(const struct dk_core *core, const struct dk_event *event, struct dk_buf *text)
{
    dk_buf_init(text, &dk_heap, (size_t)1 << 20);
    dk_outcome_add(
        text, event,
        dk_outcome_first_job(core, event->meta.has_actor ? event->meta.actor.uid : -1, event));
}

static void keep_early(struct dk_door *door, const struct dk_core *core,
                       const struct dk_event *event)
{
    struct early *early = calloc(1, sizeof(*early));

    DK_CHECK(early != NULL);
    early->number = event->meta.cause;
    render(core, event, &early->text);
    *door->early_end = early;
    door->early_end = &early->next;
}

static void drop_early(struct dk_door *door)
{
    for (struct early *early = door->early, *next; early != NULL; early = next) {
        next = early->next;
        dk_buf_release(&early->text);
        free(early);
    }
    door->early = NULL;
    door->early_end = &door->early;
}

static void see_outcome(struct dk_door *door, const struct dk_core *core,
                        const struct dk_event *event)
{
    struct dk_buf text;
    struct part *part;
    int64_t offset;
    uint32_t index;

    dk_mail_place(event->meta.cause, &offset, &index);
    if (event->meta.cause < dk_mail_number(0, 0)) /* docket's own */
        return;
    part = part_find(door, offset);
    if (part == NULL) {
        if (door->on_the_way > 0)
            keep_early(door, core, event);
        return;
    }
    if (event->type == DK_EVENT_REQUEST_REJECTED && part->count > 1 && index == 0 &&
        event->request_rejected.reason == DK_REJECT_REASON_UNREADABLE && part->ticket != NULL)
        ticket_fail(part->ticket, 503, "BUSY",
                    "who leads is of another release and can't read what this controller posts");
    render(core, event, &text);
    part_settle(part, index, &text);
    dk_buf_release(&text);
}

/* Parts all of whose requests come before `passed` are done. They are answered at the end of a
 * batch, when its last seq is known. */
static void settle_passed(struct dk_door *door)
{
    int64_t limit;
    uint32_t index;

    dk_mail_place(door->passed, &limit, &index);
    for (; door->placed > 0 && door->lowest <= limit; door->lowest++) {
        struct part *part = part_find(door, door->lowest);
        bool is_last = door->lowest == limit;

        if (part == NULL)
            continue;
        part_pass(part, is_last && index < part->count ? index : part->count);
        if (part->settled < part->count)
            return; /* the one that is admitted in part */
        part_remove(door, part);
        part_done(door, part);
    }
}

void dk_door_see(struct dk_door *door, const struct dk_core *core, const struct dk_event *event)
{
    if (event->meta.cause == 0 && event->type != DK_EVENT_BATCH_CLOSED)
        return;
    lock(door);
    if (event->type != DK_EVENT_BATCH_CLOSED) {
        see_outcome(door, core, event);
    } else {
        door->seq = event->meta.seq;
        if (event->batch_closed.requests_next > door->passed)
            door->passed = event->batch_closed.requests_next;
        settle_passed(door);
    }
    unlock(door);
}

/* --- places --- */

static void take_early(struct dk_door *door, struct part *part)
{
    for (const struct early *early = door->early; early != NULL; early = early->next) {
        int64_t offset;
        uint32_t index;

        dk_mail_place(early->number, &offset, &index);
        if (offset == part->offset)
            part_settle(part, index, &early->text);
    }
}

static void take_result(struct dk_door *door, const struct dk_stream_result *result)
{
    struct part *part = (struct part *)(uintptr_t)result->token; // NOLINT: it was one

    door->on_the_way--;
    if (result->status != DK_OK) {
        if (part->ticket != NULL)
            ticket_fail(part->ticket, 503, "BUSY",
                        "the log's brokers don't answer; try again with the same key");
        part_done(door, part);
    } else if (part->ticket != NULL && part->ticket->only_beats) {
        part_pass(part, part->count);
        part_done(door, part);
    } else {
        part->offset = result->offset;
        part_add(door, part);
        take_early(door, part);
        settle_passed(door);
    }
    if (door->on_the_way == 0)
        drop_early(door);
}

static void take_results(struct dk_door *door)
{
    struct dk_stream_result result;

    lock(door);
    while (dk_stream_poll(door->stream, &result) == DK_OK)
        take_result(door, &result);
    unlock(door);
}

/* --- posting --- */

/* As many requests of the call from `from` on as go into one record; their bytes in `bytes`, each
 * at its place in `list`. */
static enum dk_status gather(const struct dk_call *call, uint32_t from, struct dk_buf *bytes,
                             struct dk_bytes *list, uint32_t *count, struct dk_err *err)
{
    size_t ends[DK_MAIL_REQUESTS_MAX], at = 0;
    enum dk_status status = DK_OK;

    dk_buf_clear(bytes);
    for (*count = 0; *count < DK_MAIL_REQUESTS_MAX && from + *count < call->count; (*count)++) {
        status = dk_request_encode(&call->requests[from + *count], bytes, err);
        if (status != DK_OK)
            return status;
        ends[*count] = bytes->size;
        if (bytes->size > PART_SIZE_MAX) {
            (*count)++;
            break;
        }
    }
    for (uint32_t i = 0; i < *count; i++) {
        list[i] = (struct dk_bytes){ bytes->data + at, (uint32_t)(ends[i] - at) };
        at = ends[i];
    }
    return DK_OK;
}

/* A credential is good for one call, wherever it is shown: its parts have the same ids at each
 * door. */
static void make_id(const struct dk_call *call, uint32_t part, uint8_t id[ID_SIZE])
{
    DK_CHECK(getrandom(id, ID_SIZE, 0) == ID_SIZE);
    if (call->id.size != ID_SIZE)
        return;
    memcpy(id, call->id.data, ID_SIZE);
    for (int i = 0; i < 4; i++)
        id[i] ^= (uint8_t)(part >> (8 * i));
}

static enum dk_status encode(const struct dk_door *door, const struct ticket *ticket,
                             const struct dk_bytes *requests, uint32_t count, struct dk_buf *value,
                             struct dk_err *err)
{
    const struct dk_call *call = ticket->call;
    uint8_t id[ID_SIZE];
    struct dk_post posted = {
        .type = DK_POST_REQUESTS_POSTED,
        .meta = { .id = { id, sizeof(id) },
                  .time = now_us(CLOCK_REALTIME),
                  .door = dk_text_of(door->options.host) },
        .requests_posted = { .has_asker = call->has_actor,
                             .asker = call->actor,
                             .is_operator = call->is_operator,
                             .is_node = call->is_node,
                             .has_refused = call->refused != 0,
                             .refused = call->reason,
                             .why = call->why,
                             .requests = requests,
                             .requests_count = count },
    };

    make_id(call, ticket->count, id);
    dk_buf_clear(value);
    return dk_post_encode(&posted, value, err);
}

static struct part *part_new(struct dk_door *door, struct ticket *ticket, uint32_t count)
{
    struct part *part = calloc(1, sizeof(*part));

    DK_CHECK(part != NULL);
    *part = (struct part){ .ticket = ticket, .number = ticket->count, .count = count };
    lock(door);
    ticket->list = reallocarray(ticket->list, ticket->count + 1, sizeof(struct part *));
    DK_CHECK(ticket->list != NULL);
    ticket->list[ticket->count++] = part;
    ticket->parts++;
    door->on_the_way++;
    unlock(door);
    return part;
}

/* Sends what was encoded as a part of the ticket's call, with `count` requests. */
static enum dk_status send_part(struct dk_door *door, struct ticket *ticket,
                                const struct dk_buf *value, uint32_t count, struct dk_err *err)
{
    uint8_t mac[DK_CLUSTER_MAC_SIZE];
    struct dk_stream_record record = { .value = { value->data, value->size },
                                       .mac = { mac, sizeof(mac) } };
    struct part *part = part_new(door, ticket, count);
    enum dk_status status;

    dk_cluster_mac(dk_secrets_key(door->options.secrets), value->data, value->size, mac);
    status = dk_stream_send(door->stream, &record, (uint64_t)(uintptr_t)part, err);
    if (status != DK_OK) {
        lock(door);
        door->on_the_way--;
        part_done(door, part);
        unlock(door);
    }
    return status;
}

static enum dk_status post_requests(struct dk_door *door, struct ticket *ticket, struct dk_err *err)
{
    struct dk_call *call = ticket->call;
    struct dk_bytes *list = calloc(DK_MAIL_REQUESTS_MAX, sizeof(*list));
    struct dk_buf bytes, value;
    enum dk_status status = DK_OK;

    DK_CHECK(list != NULL);
    dk_buf_init(&bytes, &dk_heap, DK_STREAM_VALUE_SIZE_MAX);
    dk_buf_init(&value, &dk_heap, DK_STREAM_VALUE_SIZE_MAX);
    for (uint32_t from = 0, count; status == DK_OK && from < call->count; from += count) {
        status = gather(call, from, &bytes, list, &count, err);
        if (status == DK_OK)
            status = encode(door, ticket, list, count, &value, err);
        if (status == DK_OK)
            status = send_part(door, ticket, &value, count, err);
    }
    if (call->refused != 0) {
        status = encode(door, ticket, NULL, 0, &value, err);
        if (status == DK_OK)
            status = send_part(door, ticket, &value, 1, err);
    }
    dk_buf_release(&value);
    dk_buf_release(&bytes);
    free(list);
    return status;
}

static bool only_beats(const struct dk_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        if (call->requests[i].type != DK_REQUEST_BEAT_NODES || !call->is_node)
            return false;
    }
    return call->count > 0;
}

/* A ticket for the call, whose scripts are kept; held until it is posted. */
static struct ticket *take_call(struct dk_door *door, struct dk_call *call)
{
    struct ticket *ticket;

    call->next = NULL;
    lock(door);
    ticket = ticket_add(door, call);
    ticket->parts = 1; /* until all are sent */
    ticket->only_beats = only_beats(call);
    unlock(door);
    for (uint32_t i = 0; ticket->kept == DK_OK && i < call->count; i++)
        ticket->kept =
            dk_call_keep_scripts(call, &call->requests[i], door->options.secrets, &door->err);
    return ticket;
}

static void post_call(struct dk_door *door, struct ticket *ticket)
{
    enum dk_status status = ticket->kept;

    if (status == DK_OK)
        status = post_requests(door, ticket, &door->err);
    lock(door);
    if (status != DK_OK) {
        dk_journal(DK_JOURNAL_WARNING, "a call could not be posted: %s", door->err.text);
        ticket_fail(ticket, status == DK_FULL ? 507 : 503, status == DK_FULL ? "FULL" : "BUSY",
                    "it could not be posted here; try again with the same key");
    }
    if (--ticket->parts == 0)
        ticket_answer(door, ticket);
    unlock(door);
}

/* One sync for the scripts of all calls that have come. */
static void take_calls(struct dk_door *door)
{
    struct dk_call *call = dk_intake_take(door->options.intake);
    struct ticket *first = NULL;
    enum dk_status status = DK_OK;

    for (struct dk_call *next; call != NULL; call = next) {
        struct ticket *ticket;

        next = call->next;
        ticket = take_call(door, call);
        if (first == NULL)
            first = ticket;
    }
    if (first != NULL)
        status = dk_secrets_sync(door->options.secrets, &door->err);
    for (struct ticket *ticket = first, *next; ticket != NULL; ticket = next) {
        next = ticket->next; /* held, like those behind it */
        if (ticket->kept == DK_OK)
            ticket->kept = status;
        post_call(door, ticket);
    }
}

/* --- the thread --- */

/* Those whose time is over, or all. */
static void expire(struct dk_door *door, bool all)
{
    int64_t now = now_us(CLOCK_MONOTONIC);

    lock(door);
    for (struct ticket *ticket = door->tickets, *next; ticket != NULL; ticket = next) {
        next = ticket->next;
        if (!all && ticket->deadline > now)
            break; /* they are in the order in which they came */
        ticket_fail(ticket, 503, "BUSY",
                    all ? "the controller is stopping; try again with the same key"
                        : "nobody leads, or the log's brokers don't answer; try again with the "
                          "same key");
        ticket_answer(door, ticket);
    }
    unlock(door);
}

static void clear_event(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0)
        DK_CHECK(errno == EAGAIN);
}

static void *run(void *context)
{
    struct dk_door *door = context;
    bool stop = false;

    while (!stop) {
        struct pollfd fds[] = { { .fd = door->options.wake_fd, .events = POLLIN },
                                { .fd = dk_stream_fd(door->stream), .events = POLLIN },
                                { .fd = door->event_fd, .events = POLLIN } };

        (void)poll(fds, sizeof(fds) / sizeof(fds[0]), TICK_MS);
        if (fds[0].revents != 0)
            clear_event(door->options.wake_fd);
        take_calls(door);
        take_results(door);
        expire(door, false);
        stop = fds[2].revents != 0;
    }
    take_calls(door);
    expire(door, true);
    return NULL;
}

enum dk_status dk_door_open(struct dk_door **out, const struct dk_door_options *options,
                            struct dk_err *err)
{
    struct dk_door *door = calloc(1, sizeof(*door));
    enum dk_status status;

    DK_CHECK(door != NULL);
    *out = NULL;
    door->options = *options;
    door->tickets_end = &door->tickets;
    door->early_end = &door->early;
    DK_CHECK(pthread_mutex_init(&door->lock, NULL) == 0);
    door->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    DK_CHECK(door->event_fd >= 0);
    status = dk_stream_open(&door->stream, options->log_uri, DK_STREAM_REQUESTS, NULL, err);
    if (status != DK_OK) {
        (void)close(door->event_fd);
        (void)pthread_mutex_destroy(&door->lock);
        free(door);
        return status;
    }
    DK_CHECK(pthread_create(&door->thread, NULL, run, door) == 0);
    *out = door;
    return DK_OK;
}

/* Parts that nobody told about: placed ones here, those on the way with their stream. */
static void free_parts(struct dk_door *door)
{
    struct pollfd fd = { .fd = dk_stream_fd(door->stream), .events = POLLIN };
    struct dk_stream_result result;

    dk_stream_stop(door->stream); /* those on the way come back */
    do {
        while (dk_stream_poll(door->stream, &result) == DK_OK)
            free((void *)(uintptr_t)result.token); // NOLINT: it was one
    } while (dk_stream_pending(door->stream) > 0 && poll(&fd, 1, TICK_MS) > 0);
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (struct part *part = door->buckets[i], *next; part != NULL; part = next) {
            next = part->next;
            free(part);
        }
    }
}

void dk_door_close(struct dk_door *door)
{
    uint64_t one = 1;

    if (door == NULL)
        return;
    DK_CHECK(write(door->event_fd, &one, sizeof(one)) == sizeof(one));
    DK_CHECK(pthread_join(door->thread, NULL) == 0);
    free_parts(door);
    drop_early(door);
    dk_stream_close(door->stream);
    (void)close(door->event_fd);
    (void)pthread_mutex_destroy(&door->lock);
    free(door);
}
