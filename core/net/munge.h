/* munge.h - credentials by MUNGE: who is at the other end of a TCP connection (decision 0013)
 *
 * An adapter over libmunge, which is loaded when it is first used: `docket` on a machine without
 * MUNGE, or that speaks through a Unix socket, never does. What munged says is turned into one
 * word; hostile text never reaches it (dk_credential_is_whole).
 *
 * A call takes about 100 us, 2.3 s when munged has died, 10 s when it hangs: never call these where
 * others wait for the thread. Thread-safe.
 */
#ifndef DK_NET_MUNGE_H
#define DK_NET_MUNGE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

enum {
    DK_MUNGE_SOCKET_MAX = 280,
    DK_CLUSTER_NAME_MAX = 64,
    DK_CREDENTIAL_SIZE_MAX = 1024, /* of the text; ours have about 230 */
    DK_CREDENTIAL_AGE_MAX = 300, /* seconds: older ones are expired, whatever they say themselves */
    DK_DIGEST_SIZE = 32
};

/* What a credential proves. name, reason recorded and answered */
#define DK_PROOF_MAP(X)                                                                            \
    X(GOOD, "")                                                                                    \
    X(REPLAYED, "CREDENTIAL_REPLAYED")                                                             \
    X(EXPIRED, "CREDENTIAL_EXPIRED")                                                               \
    X(REWOUND, "CREDENTIAL_EXPIRED")                                                               \
    X(MOVED, "CREDENTIAL_MOVED")                                                                   \
    X(INVALID, "CREDENTIAL_INVALID")                                                               \
    X(UNAVAILABLE, "UNAVAILABLE")

enum dk_proof {
#define X(name, reason) DK_PROOF_##name,
    DK_PROOF_MAP(X)
#undef X
};

const char *dk_proof_reason(enum dk_proof proof); /* "CREDENTIAL_MOVED" */

struct dk_credential {
    enum dk_proof proof;
    int32_t uid, gid; /* -1: not known (INVALID, UNAVAILABLE) */
    int64_t made;     /* seconds since 1970, as munged of its host says */
    char why[160];    /* for people; empty when GOOD */
};

/* "MUNGE:", base64 as it has to be, ":". One credential has one such text, so a digest of the text
 * finds it again. */
bool dk_credential_is_whole(const char *text);

/* How a host proves and is proven to. */
struct dk_munge {
    char socket[DK_MUNGE_SOCKET_MAX];  /* munged's; "": its own place */
    char cluster[DK_CLUSTER_NAME_MAX]; /* what credentials are for; "": "docket" */
};

/* A name for `cluster`: 1 to 63 letters, digits, '-', '_' and '.'. */
bool dk_munge_names_cluster(const char *name);

/* A new credential for `digest`, NUL-terminated, by munged behind `socket` (NULL or "": munge's own
 * place). DK_BUSY: munged does not answer. DK_UNSUPPORTED: libmunge is not installed. */
enum dk_status dk_credential_make(const char *socket, const uint8_t digest[DK_DIGEST_SIZE],
                                  char text[DK_CREDENTIAL_SIZE_MAX], struct dk_err *err);

/* What `text` (NULL: there is none) proves of `digest`. */
void dk_credential_look(const char *socket, const char *text, const uint8_t digest[DK_DIGEST_SIZE],
                        struct dk_credential *credential);

/* What credentials are made for: SHA-256 of `cluster LF METHOD SP target LF body`, and for an
 * answer of `answer LF credential-of-the-call LF status LF seq LF body`. A site's clusters often
 * share one munge key: what was meant for one of them is nothing to another. */
void dk_digest_call(const struct dk_munge *munge, const char *method, const char *target,
                    const void *body, size_t size, uint8_t digest[DK_DIGEST_SIZE]);
void dk_digest_answer(const char *credential, int status, int64_t seq, const void *body,
                      size_t size, uint8_t digest[DK_DIGEST_SIZE]);

#endif
