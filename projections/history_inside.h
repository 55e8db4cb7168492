/* history_inside.h - what history's files share, and its keys
 *
 *     r | id u64 | seq u64                 a run: row_codec.h; this key is of every version
 *     s | id u64 | attempt u32 | step u32  a step's records; the number is offset, so that -1 sorts
 * first p | kind u8 | what u32 | bucket u64  an index: posting.h u | day u32 | user | account |
 * partition   each | size | bytes |: sums, usage.h m                                    the seq,
 * and what the planner has to know
 *
 * Numbers are big-endian. `what` of an index is a CRC-32C of a text or number, or the number itself
 * where ranges are asked for: two texts with the same sum share a value, and every row is held
 * against the filter anyway.
 */
#ifndef DK_PROJECTIONS_HISTORY_INSIDE_H
#define DK_PROJECTIONS_HISTORY_INSIDE_H

#include "base/text.h"
#include "projections/bytes.h"
#include "projections/history.h"
#include "projections/store.h"

#define DK_HISTORY_VERSION 1
#define DK_HOUR_US INT64_C(3600000000)

enum dk_history_key {
    DK_KEY_META = 'm',
    DK_KEY_INDEX = 'p',
    DK_KEY_ROW = 'r',
    DK_KEY_STEP = 's',
    DK_KEY_USAGE = 'u',
    DK_KEY_ROW_SIZE = 17,
    DK_KEY_STEP_SIZE = 17,
    DK_KEY_INDEX_SIZE = 14
};

enum dk_index_kind {
    DK_INDEX_ARRAY = 1, /* tasks, by their array's id */
    DK_INDEX_USER,
    DK_INDEX_UID,
    DK_INDEX_ACCOUNT,
    DK_INDEX_PARTITION,
    DK_INDEX_NAME,
    DK_INDEX_NODE,
    DK_INDEX_STATE,
    DK_INDEX_SUBMIT_HOUR, /* hours since 1970, UTC */
    DK_INDEX_END_HOUR
};

/* A store and who uses it: the history, and views that outlive its replacement. */
struct dk_history_kept {
    struct dk_store *store; /* NULL: could not be opened anew */
    char *path;
    uint32_t references;
    bool remove; /* with the last reference */
};

/* An id that is to be put into an index. */
struct dk_index_mark {
    uint64_t bucket;
    uint32_t what;
    uint8_t kind;
    uint16_t offset;
};

struct dk_history {
    char *dir;
    uint32_t version; /* of what is open */
    uint32_t version_wanted;
    bool building, damaged;
    struct dk_history_lock *lock; /* over kept, its references, seq, life_us_max, rows */
    struct dk_history_kept *kept;
    int64_t seq;              /* of the last commit */
    int64_t seq_written;      /* likewise, on disk: commits without rows are not written each */
    uint64_t rows;            /* runs kept */
    int64_t life_us_max;      /* longest time from submission to end */
    bool dirty;               /* something waits in the store's batch, or in marks */
    uint32_t rows_since_rest; /* written; at the next commit without any, memory is given back */
    struct dk_buf bytes;
    struct dk_index_mark *marks;
    size_t mark_count, mark_capacity;
};

struct dk_history_view {
    struct dk_history *history;
    struct dk_history_kept *kept;
    struct dk_store_snapshot *snapshot; /* NULL: nothing can be read */
    int64_t seq, life_us_max;
    bool indexed;
};

/* dk_history_open and dk_history_open_building as a docket of that version does. */
enum dk_status dk_history_open_as(struct dk_history **out, const char *dir, uint32_t version,
                                  struct dk_err *err);
enum dk_status dk_history_open_building_as(struct dk_history **out, const char *dir,
                                           uint32_t version, struct dk_err *err);

static inline struct dk_bytes dk_key_row(uint8_t key[DK_KEY_ROW_SIZE], int64_t id, int64_t seq)
{
    key[0] = DK_KEY_ROW;
    (void)dk_big_put(dk_big_put(key + 1, (uint64_t)id, 8), (uint64_t)seq, 8);
    return (struct dk_bytes){ key, DK_KEY_ROW_SIZE };
}

static inline struct dk_bytes dk_key_step(uint8_t key[DK_KEY_STEP_SIZE], int64_t id,
                                          int32_t attempt, int32_t step)
{
    key[0] = DK_KEY_STEP;
    (void)dk_big_put(dk_big_put(dk_big_put(key + 1, (uint64_t)id, 8), (uint32_t)attempt, 4),
                     (uint32_t)step ^ UINT32_C(0x80000000), 4);
    return (struct dk_bytes){ key, DK_KEY_STEP_SIZE };
}

static inline struct dk_bytes dk_key_index(uint8_t key[DK_KEY_INDEX_SIZE], uint8_t kind,
                                           uint32_t what, uint64_t bucket)
{
    key[0] = DK_KEY_INDEX;
    key[1] = kind;
    (void)dk_big_put(dk_big_put(key + 2, what, 4), bucket, 8);
    return (struct dk_bytes){ key, DK_KEY_INDEX_SIZE };
}

uint32_t dk_index_of_text(struct dk_text text);
uint32_t dk_index_of_number(int64_t number);
uint32_t dk_index_of_hour(int64_t time);

/* history_write.c: puts of a row, its marks and its usage into the store's batch. */
void dk_history_put_row(struct dk_history *history, const struct dk_job_row *row, bool final);
void dk_history_put_marks(struct dk_history *history);
dk_store_join dk_history_join;

#endif
