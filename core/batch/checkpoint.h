/* checkpoint.h - a line that says what a log was at one moment, and signed (decision 0016)
 *
 *     {"docket":"checkpoint 1","log":"HEX64","seq":N,"epoch":N,"time":N,"chain":"HEX64",
 *      "digest":"HEX16","closed":"HEX64","signed":N,"key":"HEX64","signature":"HEX128"}
 *
 * in one line, in this spelling and no other. Signed are its bytes before ,"signature". The signing
 * itself is secret/sign.h's; here is what is said, and whether a log is what was said of it.
 */
#ifndef DK_BATCH_CHECKPOINT_H
#define DK_BATCH_CHECKPOINT_H

#include "batch/trail.h"

#define DK_CHECKPOINT_KEY_SIZE 32
#define DK_CHECKPOINT_SIGNATURE_SIZE 64
#define DK_CHECKPOINT_LINE_MAX 1024

struct dk_checkpoint {
    uint8_t log[DK_HASH_SIZE];
    struct dk_head head;
    int64_t signed_time; /* of who signed, microseconds */
    uint8_t key[DK_CHECKPOINT_KEY_SIZE];
    uint8_t signature[DK_CHECKPOINT_SIGNATURE_SIZE];
};

/* Writes the line, without its end, into `line`; returns its size. *signed_size: how many bytes of
 * it are signed. */
size_t dk_checkpoint_print(const struct dk_checkpoint *checkpoint,
                           char line[DK_CHECKPOINT_LINE_MAX], size_t *signed_size);

/* The other way; DK_INVALID: no checkpoint, or not spelled as print spells it. */
enum dk_status dk_checkpoint_parse(struct dk_checkpoint *checkpoint, const char *line, size_t size,
                                   struct dk_err *err);

/* --- whether they hold --- */

/* word, what it means */
#define DK_VERDICT_MAP(X)                                                                          \
    X(OPEN, "open", "not decided yet")                                                             \
    X(HOLDS, "holds", "the history up to it is what was signed")                                   \
    X(TRUNCATED, "truncated", "the log ends before it")                                            \
    X(REWRITTEN, "rewritten", "the history up to it is not what was signed")                       \
    X(DAMAGED, "damaged", "the log cannot be read that far")                                       \
    X(OTHER_LOG, "other-log", "it was made of another log")                                        \
    X(FORGED, "forged", "its signature is not one of its key")                                     \
    X(OTHER_KEY, "other-key", "it was signed with a key that was not given")

enum dk_verdict {
#define X(name, word, meaning) DK_VERDICT_##name,
    DK_VERDICT_MAP(X)
#undef X
};

const char *dk_verdict_word(enum dk_verdict verdict);
const char *dk_verdict_meaning(enum dk_verdict verdict);

struct dk_claim {
    struct dk_checkpoint checkpoint;
    enum dk_verdict verdict; /* OPEN, unless the caller has found the signature wrong */
};

/* Watches a log go by, from its first batch on, and decides about claims. */
struct dk_witness {
    struct dk_trail trail;
    struct dk_claim *claims; /* by seq; borrowed */
    size_t count, next;      /* those before `next` are decided */
    bool broken;             /* the chain does not hold from here on */
};

/* Sorts the claims by seq. */
void dk_witness_init(struct dk_witness *witness, struct dk_claim *claims, size_t count,
                     const struct dk_alloc *alloc);
void dk_witness_release(struct dk_witness *witness);
bool dk_witness_is_done(const struct dk_witness *witness); /* nothing is open any more */
void dk_witness_batch(struct dk_witness *witness, const struct dk_log_batch *batch);

/* The log has no more; `readable`: it ended where it ends, and not at damage. */
void dk_witness_end(struct dk_witness *witness, bool readable);

#endif
