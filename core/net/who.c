/* who.c - names of users (who.h) */
#include "net/who.h"

#include "base/check.h"

#include <pthread.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USERS_CACHED = 256, USER_BUFFER = 4096 };

struct user {
    bool is_known;
    int32_t uid;
    char name[DK_WHO_NAME_SIZE];
};

struct dk_who {
    pthread_mutex_t lock;
    struct user users[USERS_CACHED]; /* by uid modulo */
};

struct dk_who *dk_who_create(void)
{
    struct dk_who *who = calloc(1, sizeof(*who));

    DK_CHECK(who != NULL && pthread_mutex_init(&who->lock, NULL) == 0);
    return who;
}

void dk_who_destroy(struct dk_who *who)
{
    if (who == NULL)
        return;
    (void)pthread_mutex_destroy(&who->lock);
    free(who);
}

static void look_up(struct user *user, int32_t uid)
{
    struct passwd entry, *found = NULL;
    char buffer[USER_BUFFER];

    user->is_known = true;
    user->uid = uid;
    if (getpwuid_r((uid_t)uid, &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
        (void)snprintf(user->name, sizeof(user->name), "%s", found->pw_name);
    else
        (void)snprintf(user->name, sizeof(user->name), "%d", uid);
}

void dk_who_name(struct dk_who *who, int32_t uid, char name[DK_WHO_NAME_SIZE])
{
    struct user *user = &who->users[(uint32_t)uid % USERS_CACHED];

    DK_CHECK(pthread_mutex_lock(&who->lock) == 0);
    if (!user->is_known || user->uid != uid)
        look_up(user, uid);
    memcpy(name, user->name, sizeof(user->name));
    DK_CHECK(pthread_mutex_unlock(&who->lock) == 0);
}
