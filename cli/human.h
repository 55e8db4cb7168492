/* human.h - times, spans and sizes as people write and read them
 *
 * Spans are written "1-02:03:04" (days, hours, minutes, seconds), which every option that takes a
 * span reads back. Sizes of memory are MiB inside, "4G" outside.
 */
#ifndef DK_CLI_HUMAN_H
#define DK_CLI_HUMAN_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Into `out`, which is returned. Times are microseconds since 1970, 0: not known, and then "". */
const char *cli_time(char out[32], int64_t time_us); /* 2026-11-25T14:02:11, local */
/* For a terminal, where width is dear: 14:02:11 today, Nov 25 14:02 within the year. */
const char *cli_time_short(char out[32], int64_t time_us, int64_t now_us);
const char *cli_span(char out[32], int64_t span_us);
const char *cli_mib(char out[32], int64_t mib);     /* 512M, 4G, 1.5T */
const char *cli_bytes(char out[32], int64_t bytes); /* 17B, 4.2K, 1.0G */

int64_t cli_now_us(void);

/* 2026-11-25[T14:02[:11]] (local; a blank for the T is fine), 14:02[:11] (today), now, today,
 * now-1h30m, -90s (before now), +10m, or microseconds since 1970. */
enum dk_status cli_parse_time(const char *text, int64_t now_us, int64_t *time_us,
                              struct dk_err *err);

/* 1-02:03:04, 1-02, 02:03:04, 30s, 10m, 2h, 1d, 1h30m, 500ms; "none", "unlimited": 0. MM:SS and
 * minutes without a unit (as in Slurm) only where `minutes` says so; else they are refused. */
enum dk_status cli_parse_span(const char *text, bool minutes, int64_t *span_us, struct dk_err *err);

/* 4G, 512M, 1.5T, 2048K (rounded up), 4096 (MiB). */
enum dk_status cli_parse_mib(const char *text, int64_t *mib, struct dk_err *err);

/* A whole number within bounds. */
enum dk_status cli_parse_whole(const char *text, int64_t least, int64_t most, int64_t *value,
                               struct dk_err *err);

#endif
