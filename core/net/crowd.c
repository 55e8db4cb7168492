/* crowd.c - who is connected to a server (crowd.h)
 *
 * Users with a connection are few, addresses of agents may be ten thousand: short lists by hash. */
#include "net/crowd.h"

#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUCKETS = 1024 };

struct dk_crowd_place {
    struct dk_crowd_place *next;
    uint64_t who;
    uint32_t connections;
    size_t body_bytes, answer_bytes;
};

struct dk_crowd {
    uint32_t all_max, user_max;
    size_t body_bytes_max;
    int32_t own_uid;
    pthread_mutex_t lock; /* of all below */
    struct dk_crowd_place *buckets[BUCKETS];
    uint32_t all; /* connections of those who are counted */
};

struct dk_crowd *dk_crowd_create(uint32_t connections_max, size_t body_bytes_max)
{
    struct dk_crowd *crowd = calloc(1, sizeof(*crowd));

    DK_CHECK(crowd != NULL);
    crowd->all_max = connections_max - connections_max / 4;
    crowd->user_max = connections_max / 4 > 0 ? connections_max / 4 : 1;
    crowd->body_bytes_max = body_bytes_max;
    crowd->own_uid = (int32_t)getuid();
    DK_CHECK(pthread_mutex_init(&crowd->lock, NULL) == 0);
    return crowd;
}

void dk_crowd_destroy(struct dk_crowd *crowd)
{
    if (crowd == NULL)
        return;
    for (size_t i = 0; i < BUCKETS; i++) {
        while (crowd->buckets[i] != NULL) {
            struct dk_crowd_place *place = crowd->buckets[i];

            crowd->buckets[i] = place->next;
            free(place);
        }
    }
    (void)pthread_mutex_destroy(&crowd->lock);
    free(crowd);
}

static struct dk_crowd_place **bucket_of(struct dk_crowd *crowd, uint64_t who)
{
    return &crowd->buckets[(who * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}

static struct dk_crowd_place *place_of(struct dk_crowd *crowd, uint64_t who)
{
    struct dk_crowd_place **first = bucket_of(crowd, who), *place = *first;

    while (place != NULL && place->who != who)
        place = place->next;
    if (place != NULL)
        return place;
    place = calloc(1, sizeof(*place));
    DK_CHECK(place != NULL);
    place->who = who;
    place->next = *first;
    *first = place;
    return place;
}

bool dk_crowd_enter_user(struct dk_crowd *crowd, int32_t uid, struct dk_crowd_place **place)
{
    *place = NULL;
    return uid == 0 || uid == crowd->own_uid || dk_crowd_enter(crowd, (uint32_t)uid, place);
}

bool dk_crowd_enter(struct dk_crowd *crowd, uint64_t who, struct dk_crowd_place **place)
{
    bool entered = false;

    *place = NULL;
    DK_CHECK(pthread_mutex_lock(&crowd->lock) == 0);
    if (crowd->all < crowd->all_max) {
        struct dk_crowd_place *own = place_of(crowd, who);

        if (own->connections < crowd->user_max) {
            own->connections++;
            crowd->all++;
            *place = own;
            entered = true;
        }
    }
    DK_CHECK(pthread_mutex_unlock(&crowd->lock) == 0);
    return entered;
}

bool dk_crowd_is_full(struct dk_crowd *crowd)
{
    bool is_full;

    DK_CHECK(pthread_mutex_lock(&crowd->lock) == 0);
    is_full = crowd->all >= crowd->all_max;
    DK_CHECK(pthread_mutex_unlock(&crowd->lock) == 0);
    return is_full;
}

void dk_crowd_leave(struct dk_crowd *crowd, struct dk_crowd_place *place)
{
    struct dk_crowd_place **at;

    if (place == NULL)
        return;
    at = bucket_of(crowd, place->who);
    DK_CHECK(pthread_mutex_lock(&crowd->lock) == 0);
    crowd->all--;
    if (--place->connections == 0) {
        while (*at != place)
            at = &(*at)->next;
        *at = place->next;
        free(place);
    }
    DK_CHECK(pthread_mutex_unlock(&crowd->lock) == 0);
}

bool dk_crowd_take(struct dk_crowd *crowd, struct dk_crowd_place *place, size_t size)
{
    bool taken = true;

    if (place == NULL)
        return true;
    DK_CHECK(pthread_mutex_lock(&crowd->lock) == 0);
    if (size > crowd->body_bytes_max - place->body_bytes)
        taken = false;
    else
        place->body_bytes += size;
    DK_CHECK(pthread_mutex_unlock(&crowd->lock) == 0);
    return taken;
}

void dk_crowd_give_back(struct dk_crowd *crowd, struct dk_crowd_place *place, size_t size)
{
    if (place == NULL)
        return;
    DK_CHECK(pthread_mutex_lock(&crowd->lock) == 0);
    place->body_bytes -= size;
    DK_CHECK(pthread_mutex_unlock(&crowd->lock) == 0);
}

bool dk_crowd_send(struct dk_crowd *crowd, struct dk_crowd_place *place, size_t size)
{
    bool may;

    if (place == NULL)
        return true;
    DK_CHECK(pthread_mutex_lock(&crowd->lock) == 0);
    may = place->answer_bytes < DK_CROWD_ANSWERS_MAX;
    if (may)
        place->answer_bytes += size;
    DK_CHECK(pthread_mutex_unlock(&crowd->lock) == 0);
    return may;
}

void dk_crowd_sent(struct dk_crowd *crowd, struct dk_crowd_place *place, size_t size)
{
    if (place == NULL)
        return;
    DK_CHECK(pthread_mutex_lock(&crowd->lock) == 0);
    place->answer_bytes -= size;
    DK_CHECK(pthread_mutex_unlock(&crowd->lock) == 0);
}
