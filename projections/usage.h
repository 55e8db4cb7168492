/* usage.h - who used how much: by user, account, partition and day
 *
 * Days are days of UTC: an aggregate that is kept must not depend on where its reader sits, and a
 * replica elsewhere must keep the same. A run that spans midnights is split there. `since` and
 * `until` are taken to whole days: those that they touch.
 *
 *   jobs           jobs that had started and ended for good, on the day of their end
 *   core_us, gpu_us, memory_mib_us   held (not: used), microseconds times cores, GPUs, MiB; runs
 *                  before a requeue count, a run that goes on counts up to `now`
 *   wait_us        from eligible to start, on the day of the start, for each run
 *
 * Sums are 128 bits wide: ten thousand nodes with a TiB each pass 2^63 MiB x us in a day.
 */
#ifndef DK_PROJECTIONS_USAGE_H
#define DK_PROJECTIONS_USAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/fixed.h"
#include "projections/history.h"
#include "projections/job_row.h"

#define DK_USAGE_DAY_US INT64_C(86400000000)

/* Columns, in the order of decision 0010. The first four may be asked for in `by`. */
#define DK_USAGE_COLUMN_MAP(X)                                                                     \
    X(USER, "user")                                                                                \
    X(ACCOUNT, "account")                                                                          \
    X(PARTITION, "partition")                                                                      \
    X(DAY, "day")                                                                                  \
    X(JOBS, "jobs")                                                                                \
    X(CORE_US, "core_us")                                                                          \
    X(GPU_US, "gpu_us")                                                                            \
    X(MEMORY_MIB_US, "memory_mib_us")                                                              \
    X(WAIT_US, "wait_us")

enum dk_usage_column {
#define X(name, text) DK_USAGE_##name,
    DK_USAGE_COLUMN_MAP(X)
#undef X
        DK_USAGE_COLUMN_COUNT
};

enum { DK_USAGE_BY_COUNT = DK_USAGE_JOBS, DK_USAGE_SUM_COUNT = 5 };

struct dk_usage_question {
    uint32_t by;          /* bit (1 << DK_USAGE_USER) ...; 0: one row, the total */
    int64_t since, until; /* 0: open */
    enum dk_usage_column columns[DK_USAGE_COLUMN_COUNT];
    uint32_t column_count; /* 0: those of `by`, then all sums */
    bool tsv;              /* else {"seq":S,"rows":[{...}]} */
};

/* by= and fields=. DK_INVALID names the word that is none. */
enum dk_status dk_usage_by_parse(const char *text, uint32_t *by, struct dk_err *err);
enum dk_status dk_usage_columns_parse(const char *text, struct dk_usage_question *question,
                                      struct dk_err *err);

/* Writes the answer, rows sorted by what `by` names. A day is "2026-11-25". `active` are rows of
 * the live view: runs that go on are added up to `now`. */
enum dk_status dk_usage_answer(struct dk_history_view *view,
                               const struct dk_usage_question *question,
                               const struct dk_job_row *const *active, uint32_t active_count,
                               int64_t now, struct dk_buf *out, struct dk_err *err);

/* DK_USAGE_JOBS + i is the column of sum i. */
struct dk_usage_sums {
    dk_u128 of[DK_USAGE_SUM_COUNT];
};

/* What one run adds on one day; `day` counts from 1970-01-01, UTC. */
typedef void dk_usage_visit(void *context, int64_t day, const struct dk_usage_sums *sums);

/* Splits a run, up to row->end if it has ended, else to `now`; `final`: its job ended with it. */
void dk_usage_split(const struct dk_job_row *row, bool final, int64_t now, dk_usage_visit *visit,
                    void *context);

int64_t dk_usage_memory_mib(const struct dk_job_row *row); /* that the job holds, on all nodes */

/* Sums as the bytes that are kept: varints of up to 128 bits; joining is adding. */
enum { DK_USAGE_SUMS_SIZE_MAX = DK_USAGE_SUM_COUNT * 19 };
size_t dk_usage_sums_write(const struct dk_usage_sums *sums, uint8_t *out);
bool dk_usage_sums_add(struct dk_usage_sums *sums, const uint8_t *data, size_t size);

#endif
