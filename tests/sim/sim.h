/* sim.h - a world with a seed: decision 0015
 *
 *     world.c      the queue of what is due, the two phases, the end
 *     rates.c      what a seed draws        faults.c   and what of it happens when
 *     net.c        calls and answers        disk.c     what the file log writes to
 *     shared.c     a log as on Kafka        clock: real = the world's time + how wrong a host's is
 *     controller.c the real leader          projector.c the real views
 *     node.c       the real agent on machine.c: keepers, records, a ledger, all made up
 *     client.c     what people ask for      audit*.c   who judges
 *
 * One world at a time in a process: the clock functions of the product take no argument, so who is
 * running is a variable (sim_enter).
 */
#ifndef DK_SIM_H
#define DK_SIM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/prng.h"
#include "controller/leader.h"
#include "event/event.h"
#include "event/request.h"

#include <stdbool.h>
#include <stdint.h>

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define SIM_EPOCH INT64_C(1767225600000000) /* 2026-01-01 */

enum { NODES_MAX = 6, CONTROLLERS_MAX = 3, PROJECTORS_MAX = 2, CLIENTS_MAX = 4, OPERATOR_UID = 0 };
enum { HOSTS_MAX = CONTROLLERS_MAX + PROJECTORS_MAX + NODES_MAX + CLIENTS_MAX + 1 };

/* Faults: name, unit, the most that a seed draws. Those an hour come at random moments. */
#define SIM_RATE_MAP(X)                                                                            \
    X(drop, "of a million messages: lost", 100000)                                                 \
    X(late, "of a million messages: up to two minutes late", 100000)                               \
    X(twice, "of a million requests: come twice", 200000)                                          \
    X(cut, "links cut, an hour", 60)                                                               \
    X(hush, "silences of the whole network, an hour", 8)                                           \
    X(jump, "clocks that jump, an hour", 20)                                                       \
    X(skew, "ms that clocks are wrong by", 30000)                                                  \
    X(crash, "controllers killed, an hour", 60)                                                    \
    X(power, "of hundred deaths: by loss of power", 100)                                           \
    X(io_crash, "of a million writes, syncs and renames: kill", 20000)                             \
    X(io_fail, "of a million writes, syncs and renames: fail", 10000)                              \
    X(full, "times the disk is full, an hour", 12)                                                 \
    X(stop, "controllers stopped in order, an hour", 12)                                           \
    X(pause, "controllers that stand still, an hour", 40)                                          \
    X(unknown, "of a million transactions: outcome unknown", 50000)                                \
    X(away, "times the broker is away from one controller, an hour", 20)                           \
    X(snapshot, "of a million batches: a snapshot is saved", 100000)                               \
    X(view_crash, "projectors killed, an hour", 40)                                                \
    X(view_lag, "ms that a projector is behind", 60000)                                            \
    X(agent_crash, "agents killed, an hour", 60)                                                   \
    X(reboot, "nodes that lose power, an hour", 30)                                                \
    X(keeper_kill, "keepers killed, an hour", 20)                                                  \
    X(launcher_kill, "docketd-task killed, an hour", 20)                                           \
    X(wipe, "of hundred dead agents: folder wiped", 30)                                            \
    X(stubborn, "of hundred processes: ignore SIGTERM", 50)

enum sim_rate {
#define X(name, unit, most) RATE_##name,
    SIM_RATE_MAP(X)
#undef X
        RATE_COUNT
};

struct sim_options {
    uint64_t seed;
    bool trace, says_rates;
    const char *folder; /* for the file log; emptied first */
};

struct call;

/* A daemon or a person: what has a host, a life and a clock. First member of each of them. */
struct process {
    char name[24];
    int host;
    bool alive;
    uint32_t life; /* one more for each death: what was due for the one before does not happen */
    int64_t skew, paused_until;
    int32_t uid;  /* of who asks; 0 is an operator */
    bool is_node; /* may speak for nodes */
    void (*take)(struct process *process, struct call *call);
};

struct world;
typedef void sim_act(void *subject, int64_t number);

struct due {
    int64_t time;
    uint64_t order;
    sim_act *act;
    void *subject;
    int64_t number;
    const uint32_t *life;
    uint32_t lived;
};

/* A request and its answer. Lives until the world ends. */
struct call {
    struct call *next; /* in the server's queue */
    struct process *caller, *server;
    uint32_t caller_life, server_life;
    bool done; /* answered or given up, as the caller sees it */
    bool answered;
    void (*on_answer)(struct process *caller, struct call *call);
    int64_t number;       /* the caller's */
    int64_t after, until; /* of a poll */
    struct dk_bytes body;
    int status; /* of the answer; 0: there was none */
    int64_t seq;
    struct dk_bytes answer;
    struct dk_buf results; /* the server's, being made */
};

struct calls {
    struct call *first, **last;
};

struct sim_disk;
struct controller;
struct projector;
struct node;
struct client;
struct audit;

struct world {
    struct sim_options options;
    struct dk_prng prng;
    uint64_t digest;
    int64_t now;
    uint64_t order, acts;
    int pids; /* the last given out */
    struct due *queue;
    uint32_t queue_count, queue_capacity;
    struct dk_arena arena; /* messages; until the world ends */
    uint64_t rates[RATE_COUNT];
    bool is_safe;   /* faults happen */
    bool is_shared; /* the log is the shared one */
    bool is_tidied;
    char log_dir[256], uri[272];
    int64_t safe_until;
    struct process *current; /* whose clock is read */

    int64_t hush_until, cut_until[HOSTS_MAX][HOSTS_MAX];
    int host_count, broker;
    struct sim_disk *disk;
    struct controller *controllers[CONTROLLERS_MAX];
    struct projector *projectors[PROJECTORS_MAX];
    struct node *nodes[NODES_MAX];
    struct client *clients[CLIENTS_MAX];
    uint32_t controller_count, projector_count, node_count, client_count;
    struct audit *audit;
    char fault[600];
    struct {
        uint64_t batches, events, jobs, attempts, processes, calls, lost, crashes, power_losses,
            fenced, takeovers, recoveries, polls, refused;
    } sum;
};

extern struct world *sim; /* the one of this process */

/* world.c */
bool sim_run(const struct sim_options *options, char fault[600], uint64_t *digest);
void sim_after(int64_t delay, sim_act *act, void *subject, int64_t number, const uint32_t *life);
void sim_enter(struct process *process);
void sim_mix(const void *bytes, size_t size); /* into the digest of the run */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sim_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool sim_is_bad(void);
/* Draws. Two of them in the arguments of one call, or in one initializer, are drawn in the order
 * that a compiler likes, and the seed is another world to the next compiler: one at a time. */
uint64_t sim_below(uint64_t limit);
bool sim_chance(enum sim_rate rate, uint64_t of); /* false once faults are over */
int64_t sim_between(int64_t least, int64_t most);
void *sim_take(size_t size);

/* rates.c */
void sim_rates_draw(void);
void sim_rates_print(void);

/* faults.c */
void sim_faults_begin(void);
void sim_faults_end(void); /* all is healed, all is started */

/* net.c */
void sim_net_begin(void);
bool sim_link_up(int from, int to);
struct call *sim_call(struct process *caller, struct process *server, struct dk_bytes body,
                      int64_t timeout, void (*on_answer)(struct process *, struct call *));
void sim_answer(struct call *call, int status, int64_t seq, struct dk_bytes body);
void sim_calls_init(struct calls *calls);
void sim_calls_add(struct calls *calls, struct call *call);
void sim_calls_drop(struct calls *calls); /* the server died: connections break */

/* disk.c: of the machine with the log in a folder */
struct sim_writer { /* the file log's hands, of one life of one controller */
    struct dk_log_io *io;
    struct process *process;
    bool dead; /* nothing of it reaches the disk any more */
};
struct sim_disk *sim_disk_create(void);
void sim_disk_destroy(struct sim_disk *disk);
struct sim_writer *sim_writer_make(struct process *process); /* until the world ends */
void sim_disk_power_loss(struct sim_disk *disk);
void sim_disk_full(struct sim_disk *disk, bool full);
void sim_disk_flip(void); /* turns one bit of the log over */

/* shared.c */
void sim_shared_begin(void);
void sim_shared_release(void);

/* controller.c */
struct controller *sim_controller_create(int host, uint32_t number);
void sim_controller_destroy(struct controller *controller);
struct process *sim_controller_process(struct controller *controller);
void sim_controller_kill(struct controller *controller);
void sim_controller_start(struct controller *controller);
void sim_controller_stop(struct controller *controller); /* in order */
void sim_controller_pause(struct controller *controller, int64_t until);
bool sim_controller_is_busy(const struct controller *controller); /* with a batch */
bool sim_controller_leads(const struct controller *controller);
const struct dk_core *sim_controller_core(const struct controller *controller);
void sim_machine_power_loss(void); /* of the machine with the log in a folder */

/* projector.c */
struct projector *sim_projector_create(int host, uint32_t number);
void sim_projector_destroy(struct projector *projector);
struct process *sim_projector_process(struct projector *projector);
void sim_projector_kill(struct projector *projector);
void sim_projector_start(struct projector *projector);
void sim_published(void);                              /* there is something new in the log */
void sim_projector_check(struct projector *projector); /* views kept = views folded anew */
bool sim_projector_is_at_end(struct projector *projector);

/* node.c, machine.c */
struct node *sim_node_create(int host, uint32_t number);
void sim_node_destroy(struct node *node);
void sim_agent_kill(struct node *node);
void sim_agent_start(struct node *node);
void sim_node_reboot(struct node *node);
void sim_keeper_kill(struct node *node);
void sim_launcher_kill(struct node *node);
void sim_agent_wipe(struct node *node);
bool sim_agent_alive(const struct node *node);
void sim_node_check(const struct node *node); /* nothing is left */
const char *sim_node_name(const struct node *node);
struct process *sim_node_process(struct node *node);

/* client.c */
struct client *sim_client_create(int host, uint32_t number);
void sim_client_destroy(struct client *client);
struct process *sim_client_process(struct client *client);
bool sim_clients_idle(void);
void sim_clients_tidy(void);   /* holds are lifted, nodes resumed */
void sim_clients_cancel(void); /* what is left is cancelled */

/* audit.c */
struct audit *audit_create(void);
void audit_destroy(struct audit *audit);
void audit_read(void);   /* what is published now */
void audit_reread(void); /* all that was ever published is still there, the same */
void audit_seen(const struct dk_log_batch *batch, const char *by); /* a reader got it */
void audit_answered(int32_t uid, const struct dk_request *request, int64_t seq,
                    struct dk_bytes body, uint32_t index); /* the outcome that a caller was told */
void audit_wrote(const char *who, uint32_t epoch);
uint64_t audit_event_count(void);
int64_t audit_job_last(void);
bool audit_job_is_over(int64_t job);
uint64_t audit_jobs_left(void);
bool audit_all_over(void);
void audit_end(void);
void audit_bad_sector(void); /* the last thing: it damages the log */

/* audit_run.c: processes */
struct audit_process {
    const char *node;
    int64_t job;
    int32_t attempt;
    uint64_t cores, gpus; /* bits */
    bool running, told;   /* told: SIGKILL is on its way */
    bool own_end;         /* it ended by itself */
    int32_t exit_code, signal;
};
void audit_started(const struct audit_process *process);
void audit_stopped(const struct audit_process *process);
void audit_wiped(const char *node);
void audit_event(const struct dk_event *event);
void audit_run_end(void);
struct audit_runs *audit_runs_create(void);
void audit_runs_destroy(struct audit_runs *runs);
int64_t audit_runs_placed(void);

#endif
