/* node.h - a node: the agent's code on a machine that is made up (sim.h)
 *
 * node.c is what the agent's threads do: long polls, calls with reports, alarms. machine.c is
 * nodes/machine.h, ledger.h and outbox.h over what is kept here. */
#ifndef DK_SIM_NODE_H
#define DK_SIM_NODE_H

#include "sim.h"

#include "nodes/duty.h"
#include "nodes/machine.h"
#include "nodes/reports.h"

struct record { /* the file `task` or `epilog` of a job's folder */
    struct record *next;
    int64_t job;
    int32_t attempt;
    bool is_epilog, is_whole, is_gone;
    struct dk_task_record now;
    int64_t changed, gone_at; /* when */
    bool on_disk, disk_whole; /* as a loss of power may leave it */
    struct dk_task_record disk;
};

struct keeper {
    struct keeper *next;
    struct node *node;
    struct record *record; /* its own; NULL: another keeper had the job, or it was not forked yet */
    enum dk_task_kind kind;
    int pid;
    uint32_t launcher;
    bool is_forked, is_alive, is_cancelled, is_stubborn;
    bool is_dying; /* its process has ended, the record is about to say so */
    int64_t limit;
    struct audit_process process;
};

struct ledger_entry {
    struct dk_ledger_entry entry;
    uint8_t *bytes;
};

struct ledger_file {
    struct ledger_entry *items;
    size_t count, capacity, synced;
    bool exists;
};

struct dk_ledger {
    struct node *node;
    struct ledger_file *rewriting; /* NULL: entries go to the node's */
    struct dk_ledger_owner owner;
};

struct dk_outbox {
    struct node *node;
};

struct node {
    struct process base; /* the agent's; its name is the node's */
    uint32_t number, boots, agents, launchers;
    uint32_t machine; /* as `life`: of what runs without an agent */
    struct dk_agent *agent;
    struct dk_agent_options options;
    struct dk_place place;
    struct dk_node_spec spec;
    struct dk_text features[2];
    struct dk_outbox outbox;
    struct dk_reports *reports;
    struct dk_buf body;
    bool is_calling;
    int64_t report_alarm, alarm;
    uint32_t controller, projector; /* whom it asks */
    int64_t after, pause;           /* of the long poll */
    struct ledger_file ledger;
    struct record *records;
    struct keeper *keepers;
};

void node_after_event(struct node *node); /* what the agent's loop does after each */
void node_say_report(struct node *node);
void machine_lose_power(struct node *node);
void machine_wipe(struct node *node);
void machine_release(struct node *node);
struct keeper *machine_keeper_any(const struct node *node, uint64_t number);
void machine_keeper_die(struct keeper *keeper);
void machine_launcher_die(struct node *node);
uint32_t machine_alive(const struct node *node); /* processes and keepers */

#endif
