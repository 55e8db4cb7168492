/* sha256.h - SHA-256 (FIPS 180-4) of a list of start times
 *
 * Only for reports: nothing secret, and no chain of a log, is hashed here.
 */
#ifndef DK_REPLAY_SHA256_H
#define DK_REPLAY_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct dk_report_hash {
    uint32_t state[8];
    uint64_t size; /* bytes added so far */
    uint8_t block[64];
};

void dk_report_hash_init(struct dk_report_hash *hash);
void dk_report_hash_add(struct dk_report_hash *hash, const void *bytes, size_t size);
void dk_report_hash_done(struct dk_report_hash *hash, uint8_t digest[32]);

#endif
