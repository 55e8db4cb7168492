/* hash.h - the digest's hash: XXH3-64 of a run of bytes, the same on every machine
 *
 * The digest of a state is the sum, modulo 2^64, of one hash for each thing in it (a job, a
 * node, a counter). So it does not depend on an order, and a change costs one subtraction and one
 * addition. It finds divergence; forgery is what the SHA-256 chain over the events is for.
 */
#ifndef DK_SCHED_HASH_H
#define DK_SCHED_HASH_H

#include <stddef.h>
#include <stdint.h>

/* `kind` keeps things apart that have equal bytes. */
enum dk_hash_kind {
    DK_HASH_TEXT = 1,
    DK_HASH_DEMAND,
    DK_HASH_JOB,
    DK_HASH_SPANS,
    DK_HASH_ARRAY,
    DK_HASH_DEPENDENCY,
    DK_HASH_NODE,
    DK_HASH_PARTITION,
    DK_HASH_POLICY,
    DK_HASH_COUNTERS,
    DK_HASH_OUTCOME,
    DK_HASH_KEY,
    DK_HASH_CONFIG,
    DK_HASH_GROUP /* a key of a table; not in the digest */
};

uint64_t dk_hash(enum dk_hash_kind kind, const void *bytes, size_t size);

#endif
