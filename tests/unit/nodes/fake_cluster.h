/* fake_cluster.h - a controller and a projector as an agent sees them: two sockets, orders that a
 * test gives, requests that it looks at. Everything between them is the real agent. */
#ifndef TESTS_NODES_FAKE_CLUSTER_H
#define TESTS_NODES_FAKE_CLUSTER_H

#include "event/order.h"
#include "event/request.h"
#include "net/place.h"
#include "scratch.h"

#include <pthread.h>
#include <sys/types.h>

enum { FAKE_MAX = 8192 };

struct fake_order {
    int64_t seq, job; /* job 0: Settings */
    enum dk_order_type type;
    uint8_t *bytes;
    uint32_t size;
};

struct fake_report {
    int64_t job, started;
    int32_t attempt, exit_code, signal;
    enum dk_end_state state;
    bool requeue, has_usage;
    struct dk_usage usage;
    char why[257];
    uint8_t key[16];
};

struct fake_cluster {
    char root[SCRATCH_MAX];
    struct dk_place place;
    struct dk_http_server *control, *query;
    pthread_mutex_t lock;
    struct fake_order orders[FAKE_MAX];
    uint32_t order_count;
    int64_t seq;
    int32_t epoch;
    struct dk_http_exchange *kept; /* a long poll, and what it asks for */
    int64_t kept_after;
    bool closing;
    struct fake_report reports[FAKE_MAX];
    uint32_t report_count, register_count, register_before, beat_count, call_count;
    char isolation[32], topology[256];
    int32_t cores, kill_wait_ms;
    struct dk_bytes blobs[64];
    uint32_t blob_count;
    bool lies; /* answers with other bytes than those that were asked for */
    char prolog[256], epilog[256];
    int64_t beat_us;
    pid_t agent;
    char work[SCRATCH_MAX + 16];
};

void fake_begin(struct fake_cluster *fake);
void fake_end(struct fake_cluster *fake);

/* The agent n1 as a process; `more` are further arguments, NULL-terminated; NULL: none. */
void fake_agent(struct fake_cluster *fake, const char *const *more);
void fake_agent_kill(struct fake_cluster *fake, int signal); /* and waits for it */

void fake_control(struct fake_cluster *fake, bool up);
void fake_query(struct fake_cluster *fake, bool up);

/* An order as it stands, with the next seq; returns that. */
int64_t fake_give(struct fake_cluster *fake, struct dk_order *order);
/* All orders of a job leave the list, as when its end is in the log. */
void fake_withdraw(struct fake_cluster *fake, int64_t job);

/* Job `job` runs `script` in fake->work: one task, one core. `change` may alter the order. */
void fake_run(struct fake_cluster *fake, int64_t job, const char *script,
              void (*change)(struct dk_run_job *run));
/* Bytes that the cluster has beside its log; their digest, kept in `room`. */
struct dk_bytes fake_blob(struct fake_cluster *fake, const void *bytes, uint32_t size,
                          uint8_t room[32]);
void fake_settings(struct fake_cluster *fake);
void fake_end_job(struct fake_cluster *fake, int64_t job, enum dk_end_state state);
void fake_forget(struct fake_cluster *fake, int64_t job);

/* The report of its end; fails after 20 s. */
struct fake_report fake_report(struct fake_cluster *fake, int64_t job);
bool fake_has_report(struct fake_cluster *fake, int64_t job);

/* Waits until work/NAME exists and holds `text`; fails after 20 s. */
void fake_wait_text(struct fake_cluster *fake, const char *name, const char *text);
/* What it holds now. */
void fake_text(struct fake_cluster *fake, const char *name, char *out, size_t size);

#endif
