/* task.h - what the agent and docketd-task say to each other
 *
 *     docketd-node --orders (a stream)--> docketd-task --fork--> keeper --fork--> the batch script
 *          ^------- news (packets) -----------'  pidfd of the keeper        job folder: task record
 *
 * docketd-task is small, statically linked and has one thread, so that a fork of it costs a third
 * of a fork of the agent. Each job gets a keeper: a fork of docketd-task in a session of its own
 * that is the subreaper of all of the job, waits for it, and writes into the job's folder what
 * became of it. A keeper needs neither the agent nor docketd-task: both may die, and an agent that
 * starts anew finds keeper and result by the record. Whoever makes the record first (O_EXCL) runs
 * the job; a second keeper for the same job sees the file and leaves, so nothing runs twice.
 *
 * An order is a struct dk_task_order, then its lists without padding:
 *     groups u32[] | cpus u32[] | folder, work_dir, std_in, std_out, std_err, hook: texts ending in
 * NUL | procs[], args[], env[], hook_env[]: texts ending in NUL Both ends are of the same build on
 * the same machine: native byte order.
 */
#ifndef DK_NODES_TASK_H
#define DK_NODES_TASK_H

#include <stdbool.h>
#include <stdint.h>

enum { DK_TASK_ORDERS_FD = 3, DK_TASK_NEWS_FD = 4 }; /* of docketd-task */

enum dk_task_kind {
    DK_TASK_BATCH,  /* the prolog, if there is one, then the script */
    DK_TASK_PROLOG, /* a node that only holds its share */
    DK_TASK_EPILOG
};

#define DK_TASK_ORDER_MAX ((uint32_t)64 << 20)

struct dk_task_order {
    uint32_t size; /* of all, this struct included */
    uint32_t kind;
    int64_t job;
    int32_t attempt;
    uint32_t uid, gid;    /* of the job; used when switch_user */
    uint32_t switch_user; /* 1: become that user, with groups */
    uint32_t umask_bits;  /* file creation mask */
    uint32_t append;      /* 1: to the output files */
    int64_t data_bytes;   /* RLIMIT_DATA; 0: none */
    int64_t hook_us;      /* how long a hook may take */
    uint32_t group_count, cpu_count, proc_count, arg_count, env_count, hook_env_count;
    char boot[40]; /* of dk_task_boot */
};

/* Of each order, with the keeper's pidfd (SCM_RIGHTS) unless error is set (an errno). */
struct dk_task_news {
    int64_t job;
    int32_t attempt;
    int32_t kind;
    int32_t pid;
    int32_t error;
};

enum dk_task_stage { DK_TASK_STARTING = 1, DK_TASK_RUNNING, DK_TASK_ENDED };

/* Why a script did not run. */
enum dk_task_fault {
    DK_TASK_FAULT_NONE,
    DK_TASK_FAULT_USER, /* what the user asked for can't be: folder, output file, script */
    DK_TASK_FAULT_NODE, /* this node can't */
    DK_TASK_FAULT_HOOK  /* prolog or epilog failed */
};

/* The file `task` (or `epilog`) in a job's folder. Written whole; crc is CRC-32C of what follows
 * it, so that half a record after a power loss is none. */
struct dk_task_record {
    uint32_t magic;
    uint32_t crc;
    int64_t job;
    int32_t attempt;
    uint32_t stage;
    int32_t keeper, task;  /* pids; 0: not yet */
    uint64_t keeper_start; /* field 22 of its /proc/PID/stat: tells it from a later process */
    int32_t status;        /* of waitpid, when ended */
    uint32_t fault;
    int64_t started_us, ended_us; /* since 1970 */
    int64_t user_us, system_us, rss_max_kib, read_bytes, written_bytes;
    char boot[40];
    char why[256];
};

#define DK_TASK_MAGIC UINT32_C(0x6b73746b)

/* /proc/sys/kernel/random/boot_id into `boot` of 40 bytes; empty when it can't be read. */
void dk_task_boot(char boot[40]);
/* When process `pid` started, in ticks since boot; 0: it is gone. */
uint64_t dk_task_start_time(int pid);
uint32_t dk_task_record_crc(const struct dk_task_record *record);

/* Reads FOLDER/`name`. False: not there, or not a whole record. */
bool dk_task_record_read(int folder_fd, const char *name, struct dk_task_record *record);

#endif
