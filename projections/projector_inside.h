/* projector_inside.h - what the projector's threads share; for projector.c, waits.c, workers.c and
 * query*.c */
#ifndef DK_PROJECTIONS_PROJECTOR_INSIDE_H
#define DK_PROJECTIONS_PROJECTOR_INSIDE_H

#include "net/prover.h"
#include "projections/groups.h"
#include "projections/history.h"
#include "projections/live.h"
#include "projections/metrics.h"
#include "projections/projector.h"
#include "projections/reasons.h"
#include "secret/replica.h"

#include <pthread.h>
#include <stdatomic.h>

struct dk_waits;
struct dk_workers;

struct dk_projector {
    const struct dk_projector_options *options;
    struct dk_live *live;
    struct dk_history *history, *building; /* building: of a newer version, beside the old one */
    struct dk_reasons *reasons;
    struct dk_groups *groups;
    struct dk_metrics metrics; /* under metrics_lock */
    pthread_mutex_t metrics_lock;
    struct dk_cluster_key *key; /* on Kafka, as the next */
    struct dk_replica *replica;
    struct dk_vault *vault; /* the replica's, if there is one */
    struct dk_waits *waits;
    struct dk_workers *workers;
    struct dk_http_server *server;
    struct dk_who *who;
    struct dk_prover *prover; /* NULL: nobody asks over TCP */
    int32_t own_uid;
    int64_t started;         /* microseconds since 1970 */
    _Atomic int64_t seq_log; /* the last that was read */
    _Atomic bool caught_up;  /* the log was read to its end once */
    _Atomic bool is_away;    /* its brokers have not answered for seconds: others may know more */
    _Atomic uint64_t questions, failed;
};

int64_t dk_projector_now(void); /* the system's clock, microseconds since 1970 */

/* --- waits.c: long polls --- */

typedef void dk_wait_over(struct dk_projector *projector, struct dk_http_exchange *exchange,
                          bool timed_out);

struct dk_waits *dk_waits_create(struct dk_projector *projector);
/* All are over: answered as timed out, and so is who comes later. NULL is fine, here and below. */
void dk_waits_stop(struct dk_waits *waits);
void dk_waits_destroy(struct dk_waits *waits);

/* Calls `over` when the views are beyond `seq`, or wait_ms have passed; at once if they are
 * already. */
void dk_waits_seq(struct dk_waits *waits, struct dk_http_exchange *exchange, int64_t seq,
                  int wait_ms, dk_wait_over *over);
/* Calls `over` when there is something new for the node. */
void dk_waits_node(struct dk_waits *waits, struct dk_http_exchange *exchange, uint32_t node,
                   int wait_ms, dk_wait_over *over);
/* Who waits for something new for a node has waited long enough. */
void dk_waits_nodes_over(struct dk_waits *waits);
/* By the folder, after a batch: up to `seq` all is applied, and these nodes have something new. */
void dk_waits_wake(struct dk_waits *waits, int64_t seq, const uint32_t *nodes, uint32_t count);
uint64_t dk_waits_count(struct dk_waits *waits);

/* --- workers.c: those who write the long answers --- */

typedef void dk_work(struct dk_projector *projector, struct dk_http_exchange *exchange);

struct dk_workers *dk_workers_create(struct dk_projector *projector, uint32_t count);
/* Finishes what was added; what comes later is answered 503. */
void dk_workers_stop(struct dk_workers *workers);
void dk_workers_destroy(struct dk_workers *workers);
void dk_workers_add(struct dk_workers *workers, struct dk_http_exchange *exchange, dk_work *work);

/* --- query.c --- */

void dk_query_handle(void *context, struct dk_http_exchange *exchange);

#endif
