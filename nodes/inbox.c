/* inbox.c - orders come in (inbox.h) */
#define _GNU_SOURCE
#include "nodes/inbox.h"

#include "base/check.h"
#include "base/sha256.h"
#include "net/journal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BODY_MAX ((size_t)256 << 20)

enum {
    WAIT_MS = 30000,
    CALL_MS = 60000,  /* of a blob */
    SLACK_MS = 15000, /* beyond what an answer may wait: then its projector hangs */
    PAUSE_MS_MIN = 20,
    PAUSE_MS_MAX = 2000,
    BLOBS_KEPT = 32,
    BLOB_KEPT_MAX = 262144,
    DIGEST = 32
};

struct kept {
    uint8_t digest[DIGEST];
    struct dk_blob_copy blob;
    bool used;
};

struct dk_inbox {
    pthread_t thread;
    pthread_mutex_t lock;
    struct dk_delivery *first, **last; /* under the lock */
    int wake;
    char node[256]; /* as in a target */
    struct dk_endpoints *projectors;
    int64_t seq;                  /* the newest that was told */
    struct kept kept[BLOBS_KEPT]; /* the thread's own */
    uint32_t kept_next;
    bool complained;
};

/* --- an answer --- */

enum dk_status dk_delivery_parse(struct dk_delivery *delivery, struct dk_err *err)
{
    const uint8_t *at = delivery->body.data, *end = at;
    uint32_t capacity = 0;

    delivery->count = 0;
    if (delivery->body.size > 0) /* else there may be no body at all */
        end += delivery->body.size;
    while (at < end) {
        struct dk_delivered *item;
        uint32_t size = 0;
        enum dk_status status;

        if (end - at >= 4)
            size = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        if (end - at < 4 || size > (size_t)(end - at - 4))
            return dk_fail(err, DK_TORN, "the answer ends inside an order");
        if (delivery->count == capacity) {
            capacity = capacity * 2 + 8;
            delivery->items = realloc(delivery->items, capacity * sizeof(*delivery->items));
            DK_CHECK(delivery->items != NULL);
        }
        item = &delivery->items[delivery->count];
        memset(item, 0, sizeof(*item));
        item->bytes = (struct dk_bytes){ at + 4, size };
        status = dk_order_decode(at + 4, size, &delivery->arena, &item->order, err);
        if (status != DK_OK)
            return status;
        delivery->count++;
        at += 4 + (size_t)size;
    }
    return DK_OK;
}

static struct dk_delivery *delivery_create(void)
{
    struct dk_delivery *delivery = calloc(1, sizeof(*delivery));

    DK_CHECK(delivery != NULL);
    dk_arena_init(&delivery->arena, &dk_heap);
    dk_buf_init(&delivery->body, &dk_heap, BODY_MAX);
    return delivery;
}

void dk_delivery_destroy(struct dk_delivery *delivery)
{
    if (delivery == NULL)
        return;
    for (uint32_t i = 0; i < delivery->count; i++) {
        free(delivery->items[i].script.data);
        free(delivery->items[i].environment.data);
        free(delivery->items[i].arguments.data);
    }
    free(delivery->items);
    dk_arena_release(&delivery->arena);
    dk_buf_release(&delivery->body);
    free(delivery);
}

/* --- blobs --- */

static struct dk_blob_copy copy_of(const uint8_t *data, size_t size)
{
    struct dk_blob_copy copy = { malloc(size + 1), (uint32_t)size };

    DK_CHECK(copy.data != NULL);
    if (size > 0)
        memcpy(copy.data, data, size);
    copy.data[size] = '\0';
    return copy;
}

static void keep(struct dk_inbox *inbox, struct dk_bytes digest, const struct dk_buf *body)
{
    struct kept *kept = &inbox->kept[inbox->kept_next];

    if (body->size > BLOB_KEPT_MAX)
        return;
    inbox->kept_next = (inbox->kept_next + 1) % BLOBS_KEPT;
    free(kept->blob.data);
    memcpy(kept->digest, digest.data, DIGEST);
    kept->blob = copy_of(body->data, body->size);
    kept->used = true;
}

/* Who answers may be anybody; the digest is from an order, which was proven. */
static enum dk_status check_blob(struct dk_bytes digest, const struct dk_buf *body,
                                 const char *target, struct dk_err *err)
{
    struct dk_sha256 hash;
    uint8_t found[DIGEST];

    dk_sha256_init(&hash);
    dk_sha256_add(&hash, body->data, body->size);
    dk_sha256_done(&hash, found);
    return memcmp(found, digest.data, DIGEST) == 0
               ? DK_OK
               : dk_fail(err, DK_CORRUPT, "'%s' is answered with something else", target);
}

/* DK_NOT_FOUND: the cluster does not have it. Others: try again. */
static enum dk_status fetch(struct dk_inbox *inbox, int32_t uid, struct dk_bytes digest,
                            struct dk_blob_copy *out, struct dk_err *err)
{
    char target[128];
    struct dk_reply reply = { 0 };
    enum dk_status status;
    int used;

    if (digest.size != DIGEST)
        return digest.size == 0 ? DK_OK : dk_fail(err, DK_NOT_FOUND, "it is no digest");
    for (int i = 0; i < BLOBS_KEPT; i++)
        if (inbox->kept[i].used && memcmp(inbox->kept[i].digest, digest.data, DIGEST) == 0) {
            *out = copy_of(inbox->kept[i].blob.data, inbox->kept[i].blob.size);
            return DK_OK;
        }
    used = snprintf(target, sizeof(target), "/v1/blobs/");
    for (int i = 0; i < DIGEST; i++)
        used += snprintf(target + used, sizeof(target) - (size_t)used, "%02x", digest.data[i]);
    (void)snprintf(target + used, sizeof(target) - (size_t)used, "?uid=%d", uid);
    dk_buf_init(&reply.body, &dk_heap, BODY_MAX);
    status =
        dk_endpoints_call(inbox->projectors, "GET", target, NULL, NULL, 0, CALL_MS, &reply, err);
    if (status == DK_OK && reply.status == 200) {
        status = check_blob(digest, &reply.body, target, err);
        if (status == DK_OK) {
            *out = copy_of(reply.body.data, reply.body.size);
            keep(inbox, digest, &reply.body);
        }
    } else if (status == DK_OK) {
        status = dk_fail(err, reply.status == 404 || reply.status == 410 ? DK_NOT_FOUND : DK_BUSY,
                         "'%s' answers %d", target, reply.status);
    }
    dk_buf_release(&reply.body);
    return status;
}

static enum dk_status fetch_for(struct dk_inbox *inbox, struct dk_delivered *item,
                                struct dk_err *err)
{
    const struct dk_run_job *run = &item->order.run_job;
    enum dk_status status;

    if (item->order.type != DK_ORDER_RUN_JOB || run->node_index != 0)
        return DK_OK;
    status = fetch(inbox, run->actor.uid, run->spec.script, &item->script, err);
    if (status == DK_OK && run->spec.has_launch)
        status =
            fetch(inbox, run->actor.uid, run->spec.launch.environment, &item->environment, err);
    if (status == DK_OK && run->spec.has_launch)
        status = fetch(inbox, run->actor.uid, run->spec.launch.arguments, &item->arguments, err);
    if (status != DK_NOT_FOUND)
        return status;
    item->blobs_missing = true;
    return DK_OK;
}

/* --- the thread --- */

static void pause_ms(int ms)
{
    const struct timespec pause = { ms / 1000, ms % 1000 * 1000000L };

    (void)nanosleep(&pause, NULL);
}

static void push(struct dk_inbox *inbox, struct dk_delivery *delivery)
{
    const uint64_t one = 1;

    DK_CHECK(pthread_mutex_lock(&inbox->lock) == 0);
    *inbox->last = delivery;
    inbox->last = &delivery->next;
    DK_CHECK(pthread_mutex_unlock(&inbox->lock) == 0);
    DK_CHECK(write(inbox->wake, &one, sizeof(one)) == (ssize_t)sizeof(one));
}

/* What one projector of several says is good only from where another one has led us. One alone may
 * have been given another log, and says so by its epoch. */
static enum dk_status check_seq(struct dk_inbox *inbox, int64_t seq, struct dk_err *err)
{
    if (seq >= inbox->seq || dk_endpoints_count(inbox->projectors) < 2)
        return DK_OK;
    (void)dk_fail(err, DK_BUSY, "'%s' is at seq %lld, behind %lld that this agent has seen",
                  dk_endpoints_now(inbox->projectors), (long long)seq, (long long)inbox->seq);
    return DK_BUSY;
}

/* One question. *after moves on when the answer was good. */
static enum dk_status ask(struct dk_inbox *inbox, int64_t *after, struct dk_err *err)
{
    struct dk_delivery *delivery = delivery_create();
    struct dk_reply reply = { 0 };
    char target[512];
    const int wait_ms = *after == 0 ? 0 : WAIT_MS;
    enum dk_status status;

    (void)snprintf(target, sizeof(target), "/v1/dispatch?node=%s&after=%lld&wait_ms=%d",
                   inbox->node, (long long)*after, wait_ms);
    dk_buf_init(&reply.body, &dk_heap, BODY_MAX);
    status = dk_endpoints_call(inbox->projectors, "GET", target, NULL, NULL, 0, wait_ms + SLACK_MS,
                               &reply, err);
    if (status == DK_OK && reply.status != 200)
        status = dk_fail(err, DK_BUSY, "'%s' of '%s' answers %d", target,
                         dk_endpoints_now(inbox->projectors), reply.status);
    delivery->body = reply.body;
    if (status == DK_OK && reply.seq <= 0)
        status = dk_fail(err, DK_AGAIN, "the log is empty");
    if (status == DK_OK)
        status = check_seq(inbox, reply.seq, err);
    if (status == DK_OK)
        status = dk_delivery_parse(delivery, err);
    for (uint32_t i = 0; status == DK_OK && i < delivery->count; i++)
        status = fetch_for(inbox, &delivery->items[i], err);
    if (status != DK_OK) {
        dk_delivery_destroy(delivery);
        return status;
    }
    delivery->seq = reply.seq;
    delivery->complete = *after == 0;
    *after = inbox->seq = reply.seq;
    if (delivery->count > 0 || delivery->complete)
        push(inbox, delivery);
    else
        dk_delivery_destroy(delivery);
    return DK_OK;
}

static void *run(void *context)
{
    struct dk_inbox *inbox = context;
    int64_t after = 0;
    int pause = PAUSE_MS_MIN, failures = 0;

    for (;;) {
        struct dk_err err = { 0 };
        enum dk_status status = ask(inbox, &after, &err);

        if (status == DK_OK) {
            if (inbox->complained)
                dk_journal(DK_JOURNAL_INFO, "orders are coming again");
            inbox->complained = false;
            pause = PAUSE_MS_MIN;
            failures = 0;
            continue;
        }
        if (++failures == 8) { /* the projector may be about to start */
            dk_journal(DK_JOURNAL_WARNING, "no orders: %s; trying on", err.text);
            inbox->complained = true;
        }
        dk_endpoints_leave(inbox->projectors);
        after = 0;
        pause_ms(pause);
        pause = pause * 2 > PAUSE_MS_MAX ? PAUSE_MS_MAX : pause * 2;
    }
    return NULL;
}

enum dk_status dk_inbox_start(struct dk_inbox **out, struct dk_endpoints *projectors,
                              const char *node, int64_t seq, struct dk_err *err)
{
    struct dk_inbox *inbox = calloc(1, sizeof(*inbox));
    struct dk_buf escaped;

    DK_CHECK(inbox != NULL);
    inbox->last = &inbox->first;
    inbox->projectors = projectors;
    inbox->seq = seq;
    inbox->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    DK_CHECK(pthread_mutex_init(&inbox->lock, NULL) == 0);
    dk_buf_init(&escaped, &dk_heap, sizeof(inbox->node) - 1);
    (void)dk_client_escape(&escaped, node);
    (void)snprintf(inbox->node, sizeof(inbox->node), "%.*s", (int)escaped.size,
                   (const char *)escaped.data);
    dk_buf_release(&escaped);
    if (inbox->wake < 0 || pthread_create(&inbox->thread, NULL, run, inbox) != 0)
        return dk_fail(err, DK_IO, "no thread for orders can be made");
    *out = inbox;
    return DK_OK;
}

int dk_inbox_fd(const struct dk_inbox *inbox)
{
    return inbox->wake;
}

struct dk_delivery *dk_inbox_take(struct dk_inbox *inbox)
{
    struct dk_delivery *delivery;
    uint64_t count;

    if (read(inbox->wake, &count, sizeof(count)) < 0) { /* only to make it silent */
    }
    DK_CHECK(pthread_mutex_lock(&inbox->lock) == 0);
    delivery = inbox->first;
    if (delivery != NULL) {
        inbox->first = delivery->next;
        if (inbox->first == NULL)
            inbox->last = &inbox->first;
        delivery->next = NULL;
    }
    DK_CHECK(pthread_mutex_unlock(&inbox->lock) == 0);
    return delivery;
}
