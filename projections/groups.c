/* groups.c - names of groups, remembered (groups.h) */
#define _GNU_SOURCE
#include "projections/groups.h"

#include "base/check.h"
#include "base/table.h"
#include "projections/texts.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { GOOD_FOR_S = 600, BUFFER_MIN = 4096, BUFFER_MAX = 16 << 20 };

struct entry {
    struct dk_text name;
    int64_t until; /* seconds, monotonic */
};

struct dk_groups {
    pthread_mutex_t lock; /* of all below; never held while the system is asked */
    struct dk_texts texts;
    struct dk_table by_gid;
    struct entry *entries;
    uint32_t count, capacity;
};

struct dk_groups *dk_groups_create(void)
{
    struct dk_groups *groups = calloc(1, sizeof(*groups));

    DK_CHECK(groups != NULL);
    DK_CHECK(pthread_mutex_init(&groups->lock, NULL) == 0);
    dk_texts_init(&groups->texts);
    dk_table_init(&groups->by_gid, &dk_heap);
    return groups;
}

void dk_groups_destroy(struct dk_groups *groups)
{
    if (groups == NULL)
        return;
    dk_table_release(&groups->by_gid);
    dk_texts_release(&groups->texts);
    (void)pthread_mutex_destroy(&groups->lock);
    free(groups->entries);
    free(groups);
}

static uint64_t key_of(int32_t gid)
{
    return (uint64_t)(uint32_t)gid + 1; /* a table's key is never 0 */
}

static int64_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* A group of many members needs a large buffer. NULL: not known, *buffer is the caller's to free.
 */
static const char *ask_system(gid_t gid, char **buffer)
{
    struct group entry, *found = NULL;
    size_t size = BUFFER_MIN;
    int failed;

    *buffer = NULL;
    do {
        free(*buffer);
        *buffer = malloc(size);
        DK_CHECK(*buffer != NULL);
        failed = getgrgid_r(gid, &entry, *buffer, size, &found);
        size *= 4;
    } while (failed == ERANGE && size <= BUFFER_MAX);
    return failed == 0 && found != NULL ? found->gr_name : NULL;
}

static void remember(struct dk_groups *groups, int32_t gid, struct entry entry)
{
    uint32_t index = dk_table_find(&groups->by_gid, key_of(gid));

    if (index == DK_TABLE_NONE) {
        if (groups->count == groups->capacity) {
            groups->capacity = groups->capacity > 0 ? groups->capacity * 2 : 16;
            groups->entries = realloc(groups->entries, groups->capacity * sizeof(*groups->entries));
            DK_CHECK(groups->entries != NULL);
        }
        index = groups->count++;
        dk_table_put(&groups->by_gid, key_of(gid), index);
    }
    groups->entries[index] = entry;
}

struct dk_text dk_groups_name(struct dk_groups *groups, int32_t gid)
{
    struct entry entry = { .until = 0 };
    const char *name;
    uint32_t index;
    char *buffer;

    DK_CHECK(pthread_mutex_lock(&groups->lock) == 0);
    index = dk_table_find(&groups->by_gid, key_of(gid));
    if (index != DK_TABLE_NONE)
        entry = groups->entries[index];
    DK_CHECK(pthread_mutex_unlock(&groups->lock) == 0);
    if (now_s() < entry.until)
        return entry.name;
    name = ask_system((gid_t)gid, &buffer);
    DK_CHECK(pthread_mutex_lock(&groups->lock) == 0);
    entry.name = (struct dk_text){ 0 };
    if (name != NULL)
        entry.name = dk_texts_keep(&groups->texts, dk_text_of(name));
    entry.until = now_s() + GOOD_FOR_S;
    remember(groups, gid, entry);
    DK_CHECK(pthread_mutex_unlock(&groups->lock) == 0);
    free(buffer);
    return entry.name;
}
