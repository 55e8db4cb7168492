/* history_index.c - see history_index.h
 *
 * Each list of a filter is a group: the OR of its values. The groups are joined bucket by bucket:
 * every group says the first bucket at or after this one where it has anything, and the furthest of
 * these is tried next. So the most selective group leads, without statistics: a user with three
 * jobs among ten million costs a few seeks, whatever else was asked for.
 *
 * Time is two ranges. A run is active in [since, until) when it ended at or after `since` and was
 * submitted before `until`; and as no run lived longer than the longest one, it was also submitted
 * after since - longest and has ended before until + longest. */
#include "projections/history_index.h"

#include "base/arena.h"
#include "base/fixed.h"
#include "base/table.h"

#include <stdlib.h>

enum { GROUPS_MAX = 10 };

/* One value of an index, or (kind 0) one job. */
struct value {
    uint8_t kind;
    bool known;
    uint32_t what;
    uint64_t next; /* once known: its first bucket at or after the one asked for last */
    int64_t id;
};

struct group {
    struct value *values;
    uint32_t count, capacity;
    struct dk_candidates range; /* instead of values, when is_range */
    size_t range_at;
    bool is_range;
};

struct search {
    const struct dk_job_filter *filter;
    struct dk_store_cursor *cursor;
    struct dk_arena arena;
    struct group groups[GROUPS_MAX];
    uint32_t group_count;
    enum dk_status status;
    struct dk_err *err;
};

/* --- groups of values --- */

static struct group *group_begin(struct search *search, uint32_t capacity)
{
    struct group *group = &search->groups[search->group_count++];

    *group = (struct group){ 0 };
    group->values = dk_arena_take(&search->arena, capacity * sizeof(*group->values));
    group->capacity = capacity;
    return group;
}

static void group_add(struct group *group, uint8_t kind, uint32_t what, int64_t id)
{
    group->values[group->count++] = (struct value){ kind, false, what, 0, id };
}

static void group_texts(struct search *search, enum dk_index_kind kind, const char *const *texts,
                        uint32_t count)
{
    struct group *group;

    if (count == 0)
        return;
    group = group_begin(search, count);
    for (uint32_t i = 0; i < count; i++)
        group_add(group, (uint8_t)kind, dk_index_of_text(dk_text_of(texts[i])), 0);
}

/* Names, or uids as text: a name may look like a number. */
static void group_users(struct search *search)
{
    const struct dk_job_filter *filter = search->filter;
    struct group *group;

    if (filter->user_count == 0)
        return;
    group = group_begin(search, 2 * filter->user_count);
    for (uint32_t i = 0; i < filter->user_count; i++) {
        char *end;
        long long uid = strtoll(filter->users[i], &end, 10);

        group_add(group, DK_INDEX_USER, dk_index_of_text(dk_text_of(filter->users[i])), 0);
        if (*end == '\0')
            group_add(group, DK_INDEX_UID, dk_index_of_number(uid), 0);
    }
}

static void group_states(struct search *search)
{
    struct group *group;

    if (search->filter->states == 0 || search->filter->all_states)
        return;
    group = group_begin(search, DK_ROW_STATE_COUNT);
    for (uint32_t state = 0; state < DK_ROW_STATE_COUNT; state++)
        if ((search->filter->states >> state & 1) != 0)
            group_add(group, DK_INDEX_STATE, state, 0);
}

/* A job itself, and the tasks of the array that it may be. */
static void group_ids(struct search *search)
{
    const struct dk_job_filter *filter = search->filter;
    struct group *group;

    if (filter->id_count == 0)
        return;
    group = group_begin(search, 2 * filter->id_count);
    for (uint32_t i = 0; i < filter->id_count; i++) {
        group_add(group, 0, 0, filter->ids[i].job);
        group_add(group, DK_INDEX_ARRAY, dk_index_of_number(filter->ids[i].job), 0);
    }
}

static bool cursor_seek(struct search *search, uint8_t kind, uint32_t what, uint64_t bucket)
{
    uint8_t key[DK_KEY_INDEX_SIZE];

    if (dk_store_cursor_seek(search->cursor, dk_key_index(key, kind, what, bucket)))
        return true;
    if (search->status == DK_OK)
        search->status = dk_store_cursor_check(search->cursor, search->err);
    return false;
}

static void posting_add(struct search *search, struct dk_bucket *bucket)
{
    struct dk_bytes value = dk_store_cursor_value(search->cursor);

    if (!dk_posting_read(bucket, value.data, value.size) && search->status == DK_OK)
        search->status = dk_fail(search->err, DK_CORRUPT, "an index of history is not readable");
}

/* The bucket of the key under the cursor if it is of this value. */
static bool cursor_is_of(const struct search *search, uint8_t kind, uint32_t what, uint64_t *bucket)
{
    struct dk_bytes key = dk_store_cursor_key(search->cursor);

    if (key.size != DK_KEY_INDEX_SIZE || key.data[1] != kind || dk_big_get(key.data + 2, 4) != what)
        return false;
    *bucket = dk_big_get(key.data + 6, 8);
    return true;
}

static uint64_t value_next(struct search *search, struct value *value, uint64_t bucket)
{
    if (value->known && value->next >= bucket)
        return value->next;
    value->known = true;
    if (value->kind == 0) {
        uint64_t own = (uint64_t)value->id >> DK_BUCKET_BITS;

        value->next = own >= bucket && value->id > 0 ? own : UINT64_MAX;
    } else if (!cursor_seek(search, value->kind, value->what, bucket) ||
               !cursor_is_of(search, value->kind, value->what, &value->next)) {
        value->next = UINT64_MAX;
    }
    return value->next;
}

static void value_read(struct search *search, const struct value *value, uint64_t bucket,
                       struct dk_bucket *ids)
{
    if (value->next != bucket)
        return;
    if (value->kind == 0)
        dk_bucket_set(ids, (uint32_t)(value->id & (DK_BUCKET_IDS - 1)));
    else if (cursor_seek(search, value->kind, value->what, bucket))
        posting_add(search, ids);
}

/* --- ranges of hours --- */

static int candidate_compare(const void *left, const void *right)
{
    const struct dk_candidate *a = left, *b = right;

    return a->bucket < b->bucket ? -1 : a->bucket > b->bucket;
}

static struct dk_candidate *candidates_add(struct dk_candidates *candidates, uint64_t bucket)
{
    struct dk_candidate *added;

    if (candidates->count == candidates->capacity) {
        size_t capacity = candidates->capacity == 0 ? 16 : 2 * candidates->capacity;

        candidates->items = dk_heap.resize(dk_heap.ctx, candidates->items,
                                           candidates->capacity * sizeof(*candidates->items),
                                           capacity * sizeof(*candidates->items));
        candidates->capacity = capacity;
    }
    added = &candidates->items[candidates->count++];
    *added = (struct dk_candidate){ 0 };
    added->bucket = bucket;
    return added;
}

static void group_hours(struct search *search, enum dk_index_kind kind, uint32_t first,
                        uint32_t last)
{
    struct group *group = &search->groups[search->group_count++];
    struct dk_table slots;
    bool there;

    *group = (struct group){ 0 };
    group->is_range = true;
    dk_table_init(&slots, &dk_heap);
    for (there = cursor_seek(search, (uint8_t)kind, first, 0); there;
         there = dk_store_cursor_next(search->cursor)) {
        struct dk_bytes key = dk_store_cursor_key(search->cursor);
        uint64_t bucket;
        uint32_t slot;

        if (key.size != DK_KEY_INDEX_SIZE || key.data[1] != kind ||
            dk_big_get(key.data + 2, 4) > last)
            break;
        bucket = dk_big_get(key.data + 6, 8);
        slot = dk_table_find(&slots, bucket + 1);
        if (slot == DK_TABLE_NONE) {
            slot = (uint32_t)group->range.count;
            (void)candidates_add(&group->range, bucket);
            dk_table_put(&slots, bucket + 1, slot);
        }
        posting_add(search, &group->range.items[slot].ids);
    }
    if (!there && search->status == DK_OK)
        search->status = dk_store_cursor_check(search->cursor, search->err);
    dk_table_release(&slots);
    if (group->range.count > 0)
        qsort(group->range.items, group->range.count, sizeof(*group->range.items),
              candidate_compare);
}

static void groups_of_time(struct search *search, int64_t life_us)
{
    int64_t since = search->filter->since, until = search->filter->until;

    if (since != 0)
        group_hours(search, DK_INDEX_END_HOUR, dk_index_of_hour(since),
                    until != 0 ? dk_index_of_hour(dk_add_saturated(until, life_us)) : UINT32_MAX);
    if (until != 0)
        group_hours(search, DK_INDEX_SUBMIT_HOUR,
                    since != 0 ? dk_index_of_hour(dk_add_saturated(since, -life_us)) : 0,
                    dk_index_of_hour(until));
}

/* --- joining groups --- */

static uint64_t group_next(struct search *search, struct group *group, uint64_t bucket)
{
    uint64_t next = UINT64_MAX;

    if (group->is_range) {
        while (group->range_at < group->range.count &&
               group->range.items[group->range_at].bucket < bucket)
            group->range_at++;
        return group->range_at < group->range.count ? group->range.items[group->range_at].bucket
                                                    : UINT64_MAX;
    }
    for (uint32_t i = 0; i < group->count; i++) {
        uint64_t candidate = value_next(search, &group->values[i], bucket);

        next = candidate < next ? candidate : next;
    }
    return next;
}

/* ids &= what the group has in the bucket; false: nothing is left. */
static bool group_and(struct search *search, struct group *group, uint64_t bucket,
                      struct dk_bucket *ids)
{
    struct dk_bucket own = { { 0 } };
    const struct dk_bucket *from = &own;
    uint64_t left = 0;

    if (group->is_range)
        from = &group->range.items[group->range_at].ids;
    for (uint32_t i = 0; i < group->count; i++)
        value_read(search, &group->values[i], bucket, &own);
    for (uint32_t i = 0; i < DK_BUCKET_WORDS; i++) {
        ids->words[i] &= from->words[i];
        left |= ids->words[i];
    }
    return left != 0;
}

static void groups_join(struct search *search, struct dk_candidates *candidates)
{
    uint64_t bucket = 0;

    while (search->status == DK_OK) {
        uint64_t furthest = bucket;
        struct dk_bucket ids;
        bool any = true;

        for (uint32_t i = 0; i < search->group_count; i++) {
            uint64_t next = group_next(search, &search->groups[i], furthest);

            if (next == UINT64_MAX)
                return;
            furthest = next;
        }
        if (furthest != bucket) {
            bucket = furthest; /* and ask those again that came before the furthest */
            continue;
        }
        memset(&ids, 0xff, sizeof(ids));
        for (uint32_t i = 0; any && i < search->group_count; i++)
            any = group_and(search, &search->groups[i], bucket, &ids);
        if (any)
            candidates_add(candidates, bucket)->ids = ids;
        bucket++;
    }
}

enum dk_status dk_candidates_find(struct dk_candidates *candidates, struct dk_history_view *view,
                                  const struct dk_job_filter *filter, struct dk_err *err)
{
    struct search search = { 0 };

    *candidates = (struct dk_candidates){ 0 };
    search.filter = filter;
    search.err = err;
    search.status = DK_OK;
    search.cursor = dk_store_cursor_open(view->kept->store, view->snapshot, DK_KEY_INDEX);
    dk_arena_init(&search.arena, &dk_heap);
    group_ids(&search);
    group_users(&search);
    group_states(&search);
    group_texts(&search, DK_INDEX_ACCOUNT, filter->accounts, filter->account_count);
    group_texts(&search, DK_INDEX_PARTITION, filter->partitions, filter->partition_count);
    group_texts(&search, DK_INDEX_NAME, filter->names, filter->name_count);
    group_texts(&search, DK_INDEX_NODE, filter->nodes, filter->node_count);
    groups_of_time(&search, view->life_us_max);
    if (search.group_count == 0)
        candidates->all = true;
    else
        groups_join(&search, candidates);
    for (uint32_t i = 0; i < search.group_count; i++)
        dk_candidates_release(&search.groups[i].range);
    dk_arena_release(&search.arena);
    dk_store_cursor_close(search.cursor);
    return search.status;
}

void dk_candidates_release(struct dk_candidates *candidates)
{
    dk_alloc_free(&dk_heap, candidates->items, candidates->capacity * sizeof(*candidates->items));
    *candidates = (struct dk_candidates){ 0 };
}
