/* waits.c - long polls: who waits for what, and until when
 *
 * Ten thousand agents wait at a time, and a batch concerns a few of them: so each wait is in two
 * lists, of all by deadline (most wait equally long, so a new one goes to the end), and of those
 * that wait for the same node, or for a later seq. The thread here is only for deadlines, and
 * sleeps without end while nobody waits. */
#define _GNU_SOURCE
#include "projections/projector_inside.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct wait {
    struct wait *prev, *next;           /* by deadline; `next` also of those taken */
    struct wait *peer_prev, *peer_next; /* of the same node; or all that wait for a seq */
    struct dk_http_exchange *exchange;
    dk_wait_over *over;
    int64_t seq; /* waits for more than this; -1: for a node's orders */
    uint32_t node;
    int64_t deadline_ms;
};

struct node {
    struct wait *first; /* who waits for its orders */
    bool has;           /* something came since it last asked */
};

struct dk_waits {
    struct dk_projector *projector;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct wait *first, *last; /* by deadline */
    struct wait *for_seq;
    uint64_t count;
    int64_t seq; /* up to which all is applied */
    struct node *nodes;
    uint32_t node_room;
    bool stop;
    pthread_t thread;
};

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- the lists --- */

static void room_for(struct dk_waits *waits, uint32_t node)
{
    uint32_t room = waits->node_room > 0 ? waits->node_room : 64;

    if (node < waits->node_room)
        return;
    while (room <= node)
        room *= 2;
    waits->nodes = realloc(waits->nodes, room * sizeof(*waits->nodes));
    DK_CHECK(waits->nodes != NULL);
    memset(waits->nodes + waits->node_room, 0, (room - waits->node_room) * sizeof(*waits->nodes));
    waits->node_room = room;
}

static struct wait **peers_of(struct dk_waits *waits, const struct wait *wait)
{
    return wait->seq >= 0 ? &waits->for_seq : &waits->nodes[wait->node].first;
}

static void put(struct dk_waits *waits, struct wait *wait)
{
    struct wait *before = waits->last, **peers = peers_of(waits, wait);

    while (before != NULL && before->deadline_ms > wait->deadline_ms)
        before = before->prev;
    wait->prev = before;
    wait->next = before != NULL ? before->next : waits->first;
    if (wait->next != NULL)
        wait->next->prev = wait;
    else
        waits->last = wait;
    if (before != NULL)
        before->next = wait;
    else
        waits->first = wait;
    wait->peer_prev = NULL;
    wait->peer_next = *peers;
    if (*peers != NULL)
        (*peers)->peer_prev = wait;
    *peers = wait;
    waits->count++;
}

/* Out of both lists, in front of those taken before. */
static void take(struct dk_waits *waits, struct wait *wait, struct wait **taken)
{
    if (wait->prev != NULL)
        wait->prev->next = wait->next;
    else
        waits->first = wait->next;
    if (wait->next != NULL)
        wait->next->prev = wait->prev;
    else
        waits->last = wait->prev;
    if (wait->peer_prev != NULL)
        wait->peer_prev->peer_next = wait->peer_next;
    else
        *peers_of(waits, wait) = wait->peer_next;
    if (wait->peer_next != NULL)
        wait->peer_next->peer_prev = wait->peer_prev;
    wait->next = *taken;
    *taken = wait;
    waits->count--;
}

static void finish(struct dk_waits *waits, struct wait *wait, bool timed_out)
{
    while (wait != NULL) {
        struct wait *next = wait->next;

        wait->over(waits->projector, wait->exchange, timed_out);
        free(wait);
        wait = next;
    }
}

static void *watch_deadlines(void *context)
{
    struct dk_waits *waits = context;

    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    while (!waits->stop || waits->first != NULL) {
        int64_t next = waits->first != NULL ? waits->first->deadline_ms : INT64_MAX;
        struct wait *late = NULL;

        if (!waits->stop && next == INT64_MAX) {
            DK_CHECK(pthread_cond_wait(&waits->changed, &waits->lock) == 0);
        } else if (!waits->stop && next > now_ms()) {
            struct timespec until = { .tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000 };

            (void)pthread_cond_timedwait(&waits->changed, &waits->lock, &until);
        }
        while (waits->first != NULL && (waits->stop || waits->first->deadline_ms <= now_ms()))
            take(waits, waits->first, &late);
        DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
        finish(waits, late, true);
        DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    }
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    return NULL;
}

struct dk_waits *dk_waits_create(struct dk_projector *projector)
{
    struct dk_waits *waits = calloc(1, sizeof(*waits));
    pthread_condattr_t attributes;

    DK_CHECK(waits != NULL);
    waits->projector = projector;
    DK_CHECK(pthread_mutex_init(&waits->lock, NULL) == 0);
    DK_CHECK(pthread_condattr_init(&attributes) == 0);
    DK_CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    DK_CHECK(pthread_cond_init(&waits->changed, &attributes) == 0);
    (void)pthread_condattr_destroy(&attributes);
    DK_CHECK(pthread_create(&waits->thread, NULL, watch_deadlines, waits) == 0);
    return waits;
}

void dk_waits_stop(struct dk_waits *waits)
{
    if (waits == NULL)
        return;
    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    waits->stop = true;
    DK_CHECK(pthread_cond_signal(&waits->changed) == 0);
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    DK_CHECK(pthread_join(waits->thread, NULL) == 0);
}

void dk_waits_destroy(struct dk_waits *waits)
{
    if (waits == NULL)
        return;
    (void)pthread_mutex_destroy(&waits->lock);
    (void)pthread_cond_destroy(&waits->changed);
    free(waits->nodes);
    free(waits);
}

void dk_waits_nodes_over(struct dk_waits *waits)
{
    struct wait *taken = NULL;

    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    for (struct wait *wait = waits->first, *next; wait != NULL; wait = next) {
        next = wait->next;
        if (wait->seq < 0)
            take(waits, wait, &taken);
    }
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    finish(waits, taken, true);
}

/* What it waits for is there already. */
static bool is_served(struct dk_waits *waits, const struct wait *wait)
{
    if (wait->seq >= 0)
        return waits->seq > wait->seq;
    if (!waits->nodes[wait->node].has)
        return false;
    waits->nodes[wait->node].has = false;
    return true;
}

static void add(struct dk_waits *waits, const struct wait *like)
{
    struct wait *wait = malloc(sizeof(*wait));
    bool served;

    DK_CHECK(wait != NULL);
    *wait = *like;
    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    if (wait->seq < 0)
        room_for(waits, wait->node);
    served = is_served(waits, wait);
    if (!served && !waits->stop) {
        put(waits, wait);
        if (waits->first == wait)
            DK_CHECK(pthread_cond_signal(&waits->changed) == 0);
        DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
        return;
    }
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    wait->next = NULL;
    finish(waits, wait, !served);
}

void dk_waits_seq(struct dk_waits *waits, struct dk_http_exchange *exchange, int64_t seq,
                  int wait_ms, dk_wait_over *over)
{
    add(waits, &(struct wait){ .exchange = exchange,
                               .over = over,
                               .seq = seq > 0 ? seq : 0,
                               .deadline_ms = now_ms() + wait_ms });
}

void dk_waits_node(struct dk_waits *waits, struct dk_http_exchange *exchange, uint32_t node,
                   int wait_ms, dk_wait_over *over)
{
    add(waits, &(struct wait){ .exchange = exchange,
                               .over = over,
                               .seq = -1,
                               .node = node,
                               .deadline_ms = now_ms() + wait_ms });
}

void dk_waits_wake(struct dk_waits *waits, int64_t seq, const uint32_t *nodes, uint32_t count)
{
    struct wait *served = NULL;

    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    waits->seq = seq;
    for (uint32_t i = 0; i < count; i++) {
        room_for(waits, nodes[i]);
        waits->nodes[nodes[i]].has =
            waits->nodes[nodes[i]].has || waits->nodes[nodes[i]].first == NULL;
        while (waits->nodes[nodes[i]].first != NULL)
            take(waits, waits->nodes[nodes[i]].first, &served);
    }
    for (struct wait *wait = waits->for_seq, *next; wait != NULL; wait = next) {
        next = wait->peer_next;
        if (seq > wait->seq)
            take(waits, wait, &served);
    }
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    finish(waits, served, false);
}

uint64_t dk_waits_count(struct dk_waits *waits)
{
    uint64_t count;

    DK_CHECK(pthread_mutex_lock(&waits->lock) == 0);
    count = waits->count;
    DK_CHECK(pthread_mutex_unlock(&waits->lock) == 0);
    return count;
}
