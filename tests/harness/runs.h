/* runs.h - the runs of a made-up site, as history gets them: a function of (seed, number)
 *
 * People submit campaigns: a few dozen jobs, or an array, from one folder with one environment,
 * with scripts that are the same or each its own. Each submission has a random key, as the clients
 * make them. Forty users, 64 nodes, four partitions; a tenth of all jobs spans nodes; one in fifty
 * runs was requeued. Submissions are some 20 s apart. */
#ifndef DK_TEST_RUNS_H
#define DK_TEST_RUNS_H

#include "base/arena.h"
#include "projections/job_row.h"

enum { RUNS_USERS = 40, RUNS_NODES = 64 };

#define RUNS_BEGIN INT64_C(1764000000000000) /* 2025-11-24T16:00:00Z */

/* Run `number` from 0; all of it lives in `arena`. row->id is number + 1, row->seq is 0. */
struct dk_job_row *runs_make(uint64_t seed, uint32_t number, struct dk_arena *arena);

int64_t runs_end(uint64_t seed, uint32_t number); /* its end, without making it */

/* Numbers 0 .. count-1 in the order of their ends; free() it. */
uint32_t *runs_in_order(uint64_t seed, uint32_t count);

#endif
