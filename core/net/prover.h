/* prover.h - a few threads that ask munged who calls, and that prove our own answers
 *
 *     call over TCP --prove--> worker: digest, munged, seen before? --> done()
 *     answer to a call with Docket-Prove --> worker: digest, munged --> sent
 *
 * munged takes 100 us, and seconds when it is ill, so no other thread ever waits for it. A call is
 * looked at once. While munged is away calls wait; what could not be looked at within
 * DK_PROVER_WAIT_MS and one last attempt is answered 503 UNAVAILABLE here, so is what does not fit
 * into the queue with 503 BUSY: nobody knows who asked, and nothing was done.
 */
#ifndef DK_NET_PROVER_H
#define DK_NET_PROVER_H

#include "net/http.h"
#include "net/munge.h"
#include "net/who.h"

enum {
    DK_PROVER_WAIT_MS = 20000, /* then no attempt is begun; one takes up to 10 s */
    DK_PROVER_QUEUE_MAX = 8192
};

struct dk_proven {
    enum dk_proof proof; /* never UNAVAILABLE */
    struct dk_peer peer; /* uid -1: nobody */
    char user[DK_WHO_NAME_SIZE];
    char why[256];  /* unless GOOD: what is wrong, and from where it came */
    uint8_t id[16]; /* the head of the credential's SHA-256 */
};

struct dk_prover;

struct dk_prover_options {
    const struct dk_munge *munge; /* copied */
    struct dk_who *who;           /* borrowed */
    uint32_t threads;             /* 0: 4 */
};

struct dk_prover *dk_prover_create(const struct dk_prover_options *options);
/* What waits is answered 503, and so is who comes later. Answers are no longer proven. Waits for
 * attempts that are under way. NULL is fine, here and below. */
void dk_prover_stop(struct dk_prover *prover);
void dk_prover_destroy(struct dk_prover *prover);

/* Calls `done` in a worker when it is known who asks, or answers the exchange itself. A GOOD proof
 * is the exchange's peer from then on (dk_http_peer). */
typedef void dk_prover_done(void *context, struct dk_http_exchange *exchange,
                            const struct dk_proven *proven);
void dk_prover_prove(struct dk_prover *prover, struct dk_http_exchange *exchange,
                     dk_prover_done *done, void *context);

struct dk_prover_stats {
    uint64_t proven, refused; /* calls that were looked at */
    uint64_t unavailable;     /* and those that were not */
    uint64_t waiting;
};
void dk_prover_stats(struct dk_prover *prover, struct dk_prover_stats *stats);

#endif
