/* bench_log.h - the records that all benches of the log write, so that their figures compare */
#ifndef TESTS_BENCH_BENCH_LOG_H
#define TESTS_BENCH_BENCH_LOG_H

#include "log/log.h"

#define RECORD_SIZE 100
#define BATCH_MAX 4096

static uint8_t bytes[BATCH_MAX][RECORD_SIZE];
static struct dk_log_record records[BATCH_MAX];

static void fill(void)
{
    uint64_t state = 88172645463325252u;

    for (uint32_t i = 0; i < BATCH_MAX; i++) {
        for (int k = 0; k < RECORD_SIZE; k++)
            bytes[i][k] = (uint8_t) "JobSubmitted partition=batch nodes=1 user=alice "[k % 48];
        for (int k = 0; k < 8; k++) { /* a few bytes that do not compress */
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes[i][k] = (uint8_t)state;
        }
        records[i].data = bytes[i];
        records[i].size = RECORD_SIZE;
    }
}

#endif
