/* times.h - durations and dates as Slurm's lists write them and its options take them
 *
 * Written: squeue's durations have their leading unit unpadded (0:03, 30:00, 1-00:00:00), sacct's
 * are padded (00:00:03), and processor time has milliseconds below an hour (00:05.285). Dates are
 * 2026-11-25T13:00:16 in the local time zone, or what SLURM_TIME_FORMAT says: standard, relative,
 * or a pattern of strftime(3). A list writes many dates of few days, so the hour's text is kept.
 *
 * Taken: HH:MM[:SS] [AM|PM], MMDD[YY], MM/DD[/YY], MM.DD[.YY], YYYY-MM-DD, each of these dates with
 * [THH:MM[:SS]] or [-HH:MM[:SS]]; today midnight noon fika teatime tomorrow; now[{+|-}N[unit]];
 * utsSECONDS.
 */
#ifndef DK_CLI_SLURM_TIMES_H
#define DK_CLI_SLURM_TIMES_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define SLURM_SECOND_US 1000000

/* --- durations --- */

void slurm_add_number(struct dk_buf *out, int64_t number);
void slurm_add_elapsed(struct dk_buf *out, int64_t seconds); /* negative: INVALID */
void slurm_add_clock(struct dk_buf *out, int64_t seconds);   /* [D-]HH:MM:SS */
void slurm_add_cpu_time(struct dk_buf *out, int64_t us);     /* MM:SS.mmm below an hour */

/* A time limit: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S, rounded up to minutes; "infinite",
 * "UNLIMITED", -1: INT64_MAX. False: not one. */
bool slurm_minutes_parse(const char *text, int64_t *minutes);

/* --- dates --- */

enum slurm_date_style { SLURM_DATE_STANDARD, SLURM_DATE_RELATIVE, SLURM_DATE_PATTERN };

struct slurm_dates {
    enum slurm_date_style style;
    const char *pattern; /* of the environment, borrowed */
    int64_t now_us;      /* relative to which "today" is */
    int64_t quarter;     /* quarter of an hour that `prefix` is of; offsets change only with one */
    int first_second;    /* of the quarter in its hour */
    char prefix[16];     /* "2026-11-25T13:" */
};

void slurm_dates_init(struct slurm_dates *dates, int64_t now_us); /* reads SLURM_TIME_FORMAT */
void slurm_add_date(struct dk_buf *out, struct slurm_dates *dates, int64_t time_us);

/* "Wed Nov 25 13:00:16 2026" */
void slurm_add_long_date(struct dk_buf *out, int64_t time_us);

/* False: *wrong_at is where in `text` it stops making sense. */
bool slurm_time_parse(const char *text, int64_t now_us, int64_t *time_us, size_t *wrong_at);

int64_t slurm_now_us(void);

#endif
