/* crowd.c - who is connected to a server (crowd.h)
 *
 * Users with a connection are few: a list. */
#include "net/crowd.h"

#include "base/check.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct dk_crowd_place {
    struct dk_crowd_place *next;
    int32_t uid;
    uint32_t connections;
    size_t body_bytes, answer_bytes;
};

struct dk_crowd {
    uint32_t all_max, user_max;
    size_t body_bytes_max;
    int32_t own_uid;
    pthread_mutex_t lock; /* of all below */
    struct dk_crowd_place *first;
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
    while (crowd->first != NULL) {
        struct dk_crowd_place *place = crowd->first;

        crowd->first = place->next;
        free(place);
    }
    (void)pthread_mutex_destroy(&crowd->lock);
    free(crowd);
}

static struct dk_crowd_place *place_of(struct dk_crowd *crowd, int32_t uid)
{
    struct dk_crowd_place *place = crowd->first;

    while (place != NULL && place->uid != uid)
        place = place->next;
    if (place != NULL)
        return place;
    place = calloc(1, sizeof(*place));
    DK_CHECK(place != NULL);
    place->uid = uid;
    place->next = crowd->first;
    crowd->first = place;
    return place;
}

bool dk_crowd_enter(struct dk_crowd *crowd, int32_t uid, struct dk_crowd_place **place)
{
    bool entered = false;

    *place = NULL;
    if (uid == 0 || uid == crowd->own_uid)
        return true;
    DK_CHECK(pthread_mutex_lock(&crowd->lock) == 0);
    if (crowd->all < crowd->all_max) {
        struct dk_crowd_place *own = place_of(crowd, uid);

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

void dk_crowd_leave(struct dk_crowd *crowd, struct dk_crowd_place *place)
{
    struct dk_crowd_place **at = &crowd->first;

    if (place == NULL)
        return;
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
