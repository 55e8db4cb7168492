/* users.c - who a uid is on this machine (users.h) */
#define _DEFAULT_SOURCE /* getgrouplist */
#include "nodes/users.h"

#include "base/check.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEPT = 64, KEEP_SECONDS = 60, GROUPS_MAX = 65536 };

struct entry {
    struct dk_user user;
    uid_t uid;
    gid_t gid;
    time_t looked_up; /* 0: free */
};

struct dk_users {
    struct entry entries[KEPT];
    uint32_t next;
};

static void release(struct entry *entry)
{
    free(entry->user.name);
    free(entry->user.home);
    free(entry->user.shell);
    free(entry->user.groups);
    memset(entry, 0, sizeof(*entry));
}

struct dk_users *dk_users_create(void)
{
    struct dk_users *users = calloc(1, sizeof(*users));

    DK_CHECK(users != NULL);
    return users;
}

void dk_users_destroy(struct dk_users *users)
{
    if (users == NULL)
        return;
    for (int i = 0; i < KEPT; i++)
        release(&users->entries[i]);
    free(users);
}

static char *copy(const char *text, size_t size)
{
    char *result = strndup(text, size);

    DK_CHECK(result != NULL);
    return result;
}

static void find_groups(struct dk_user *user, gid_t gid, bool known)
{
    int count = 64;

    for (;;) {
        int got = count;

        user->groups = realloc(user->groups, (size_t)count * sizeof(*user->groups));
        DK_CHECK(user->groups != NULL);
        if (!known) {
            user->groups[0] = gid;
            user->group_count = 1;
            return;
        }
        if (getgrouplist(user->name, gid, user->groups, &got) >= 0 || count >= GROUPS_MAX) {
            user->group_count = (uint32_t)(got < count ? got : count);
            return;
        }
        count = got > count ? got : count * 2;
    }
}

static void look_up(struct entry *entry, uid_t uid, gid_t gid, struct dk_text name)
{
    struct passwd room, *found = NULL;
    char text[16384];
    bool known;

    if (getpwuid_r(uid, &room, text, sizeof(text), &found) != 0)
        found = NULL;
    known = found != NULL && (name.size == 0 || dk_text_equal(dk_text_of(found->pw_name), name));
    entry->uid = uid;
    entry->gid = gid;
    entry->looked_up = time(NULL);
    entry->user.name = found != NULL && name.size == 0
                           ? copy(found->pw_name, SIZE_MAX)
                           : copy(name.size > 0 ? name.data : "", name.size);
    entry->user.home = copy(found != NULL ? found->pw_dir : "", SIZE_MAX);
    entry->user.shell = copy(found != NULL ? found->pw_shell : "", SIZE_MAX);
    find_groups(&entry->user, gid, known);
}

const struct dk_user *dk_users_find(struct dk_users *users, uid_t uid, gid_t gid,
                                    struct dk_text name)
{
    time_t now = time(NULL);
    struct entry *entry;

    for (int i = 0; i < KEPT; i++) {
        entry = &users->entries[i];
        if (entry->looked_up == 0 || entry->uid != uid || entry->gid != gid ||
            !(name.size == 0 || dk_text_equal(dk_text_of(entry->user.name), name)))
            continue;
        if (now >= entry->looked_up && now - entry->looked_up < KEEP_SECONDS)
            return &entry->user;
        release(entry);
        look_up(entry, uid, gid, name);
        return &entry->user;
    }
    entry = &users->entries[users->next++ % KEPT];
    release(entry);
    look_up(entry, uid, gid, name);
    return &entry->user;
}
