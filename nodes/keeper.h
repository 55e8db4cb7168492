/* keeper.h - the life of a keeper: from the fork of docketd-task to the record's last word */
#ifndef DK_NODES_KEEPER_H
#define DK_NODES_KEEPER_H

#include "nodes/task.h"

/* What an order says, taken apart; everything points into the order, which must stay. */
struct dk_task_parts {
    const uint32_t *groups, *cpus;
    const char *folder, *work_dir, *std_in, *std_out, *std_err, *hook;
    char **procs, **args, **env, **hook_env; /* each ends with a NULL */
};

/* False: it is not an order (our own bug, or memory is full). */
bool dk_task_parts_of(const struct dk_task_order *order, struct dk_task_parts *parts);

/* Runs the job and ends the process. */
_Noreturn void dk_keeper_run(const struct dk_task_order *order);

/* The child that becomes the script or the hook: never returns. It shares its parent's memory
 * (vfork): its number, and a fault, go into `record` and so to the parent. */
_Noreturn void dk_task_become(const struct dk_task_order *order, const struct dk_task_parts *parts,
                              bool is_hook, struct dk_task_record *record, int record_fd);

void dk_task_record_write(int fd, struct dk_task_record *record);

#endif
