/* duty.h - what a node has to do for one attempt of one job, and how far it is
 *
 *     ACCEPTED --launch--> STARTING --keeper is known--> RUNNING --keeper ended--> REPORTED
 *     (in the ledger)                                                    answered by the
 * controller: DONE HELD: another node runs the script, this one holds its share any of them
 * --ForgetJob--> CLEANING (epilog) --> gone
 *
 * Only the files of nodes/ that make up the agent include this.
 */
#ifndef DK_NODES_DUTY_H
#define DK_NODES_DUTY_H

#include "nodes/agent.h"
#include "nodes/inbox.h"
#include "nodes/launcher.h"
#include "nodes/ledger.h"
#include "nodes/outbox.h"
#include "nodes/users.h"

enum dk_duty_state {
    DK_DUTY_ACCEPTED,
    DK_DUTY_STARTING,
    DK_DUTY_RUNNING,
    DK_DUTY_HELD,
    DK_DUTY_REPORTED,
    DK_DUTY_DONE,
    DK_DUTY_CLEANING
};

struct dk_duty {
    struct dk_duty *next;
    int64_t job;
    int32_t attempt, epoch;
    int64_t seq;        /* of its order */
    int64_t signal_seq; /* of the last signal delivered */
    enum dk_duty_state state;
    bool is_first; /* the script runs here */
    bool named;    /* by the answer being looked at */
    bool has_blobs;
    bool ending, forgotten;
    bool ran; /* it was found running, and killed, and this node's record of it was gone */
    enum dk_end_state end_state; /* of the order to end it */
    const char *end_why;         /* a constant; NULL: none */
    int64_t kill_us, warn_us;    /* of the monotonic clock; 0: none */
    int64_t again_us;            /* likewise: SIGTERM was too early, try again */
    int pid_fd;                  /* of the keeper; -1: none */
    bool epilog_runs;
    uint32_t launcher;                                  /* which docketd-task was told of it */
    struct dk_buf order;                                /* as it came */
    struct dk_buf report;                               /* ReportEnd, from REPORTED on */
    struct dk_blob_copy script, environment, arguments; /* until launched */
};

enum { DK_AGENT_BUCKETS = 1024 };

struct dk_agent {
    const struct dk_agent_options *options;
    struct dk_node_shape shape;
    struct dk_confine confine;
    int folder, jobs_folder, lock; /* of the state; jobs/; the file lock */
    char jobs_path[DK_PLACE_PATH_MAX + 256];
    char boot[40], host[256];
    char ledger_boot[40];           /* of the ledger that was found; empty: not known */
    bool is_root, leaving, stopped; /* leaving: after SIGUSR1 */
    bool must_start;                /* there are duties that were accepted and not started */
    bool is_blank;                  /* no ledger was there, and no answer since names all jobs */
    int64_t leave_us;
    int epoll, signals;
    struct dk_ledger *ledger;
    struct dk_launcher *launcher;
    uint32_t launcher_made; /* the docketd-task that is looked at, see launcher.h */
    struct dk_inbox *inbox;
    struct dk_outbox *outbox;
    struct dk_users *users;
    struct dk_duty *duties[DK_AGENT_BUCKETS];
    uint32_t duty_count;
    int64_t epoch; /* the newest seen */
    int64_t floor; /* seq of the newest order to run that was accepted: older ones are not new */
    char cluster[64], prolog[4097], epilog[4097];
    int64_t kill_wait_us;
    struct dk_arena arena; /* of one order or record at a time */
};

/* duty.c */
struct dk_duty *dk_duty_find(const struct dk_agent *agent, int64_t job, int32_t attempt);
struct dk_duty *dk_duty_add(struct dk_agent *agent, int64_t job, int32_t attempt);
void dk_duty_remove(struct dk_agent *agent, struct dk_duty *duty);
void dk_duty_drop_blobs(struct dk_duty *duty);
/* Calls `visit` with each; it may remove the one it is given. */
void dk_duty_each(struct dk_agent *agent, void (*visit)(struct dk_agent *, struct dk_duty *));
/* The order of the duty, into the agent's arena, which is reset: borrowed until the next call. */
const struct dk_run_job *dk_duty_order(struct dk_agent *agent, const struct dk_duty *duty);
void dk_duty_name(const struct dk_duty *duty, char out[64]); /* "17.1": of its folder and cgroups */
void dk_duty_note(struct dk_agent *agent, const struct dk_duty *duty, enum dk_ledger_kind kind,
                  int64_t number, struct dk_bytes bytes);

/* settle.c: from what is in its folder to what is true. */
struct dk_duty_end {
    enum dk_end_state state;
    int32_t exit_code, signal;
    const struct dk_task_record *record; /* usage and times; NULL: none */
    const char *why;                     /* NULL: nothing */
    bool requeue;
};
void dk_duty_report(struct dk_agent *agent, struct dk_duty *duty, const struct dk_duty_end *end);
void dk_duty_refuse(struct dk_agent *agent, struct dk_duty *duty, const char *why);
/* Its keeper has ended, or may have: looks at the record. */
void dk_duty_settle(struct dk_agent *agent, struct dk_duty *duty);
/* It was there when the machine went down. */
void dk_duty_went_down(struct dk_agent *agent, struct dk_duty *duty);
void dk_duty_clean(struct dk_agent *agent,
                   struct dk_duty *duty); /* epilog, folder, groups; ends the duty */

/* orders.c */
void dk_agent_obey(struct dk_agent *agent, struct dk_delivery *delivery);
/* What was accepted, as far as what it needs is free: to be called after each occurrence. */
void dk_agent_start_accepted(struct dk_agent *agent);
void dk_duty_end(struct dk_agent *agent, struct dk_duty *duty, enum dk_end_state state,
                 int64_t kill_wait_us, const char *why);
void dk_duty_kill(struct dk_agent *agent, struct dk_duty *duty); /* SIGKILL to all of it */
void dk_duty_term(struct dk_agent *agent, struct dk_duty *duty); /* SIGTERM to all of it */
void dk_duty_warn(struct dk_agent *agent, struct dk_duty *duty); /* --signal */

/* follow.c: while it runs. */
void dk_duty_follow(struct dk_agent *agent, struct dk_duty *duty, int pid_fd); /* its keeper */
/* docketd-task is another one: what the last one had not begun is settled as not begun. A keeper
 * may have been made of which nobody told us. Who makes the record first has the job: with ours
 * there, a keeper that is late leaves. */
void dk_duty_send_again(struct dk_agent *agent, struct dk_duty *duty);
void dk_agent_answered(struct dk_agent *agent, const struct dk_outbox_news *news);
void dk_duty_keep_time(struct dk_agent *agent, struct dk_duty *duty); /* what is due by now */
int64_t dk_agent_due(const struct dk_agent *agent); /* when something is next; INT64_MAX: never */

/* recover.c: at start. */
enum dk_status dk_agent_recover(struct dk_agent *agent, struct dk_err *err);

#endif
