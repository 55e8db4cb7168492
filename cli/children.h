/* children.h - the daemons that a supervisor keeps alive
 *
 * Each is started by its argument vector, started again when it ends by itself (after 0.1 s,
 * doubling to 10 s while it keeps dying young), and ended in good order when asked. A list of them
 * is kept in a file, so that the next supervisor finds those that outlived a killed one: a process
 * number is believed only with the start time that belongs to it.
 *
 * One thread; the caller waits for SIGCHLD and calls children_reap and children_start_due.
 */
#ifndef DK_CLI_CHILDREN_H
#define DK_CLI_CHILDREN_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CHILD_WORDS_MAX = 24, CHILD_NAME_SIZE = 80 };

struct child {
    char name[CHILD_NAME_SIZE];   /* "controller", "node n3": for people and for its log */
    char *words[CHILD_WORDS_MAX]; /* argument vector; owned */
    const char *program;          /* path of the executable; borrowed */
    pid_t pid;                    /* 0: not running */
    int64_t started_us, due_us;   /* due: when to start it; 0: not to be started */
    uint32_t deaths;              /* one after the other, each soon after its start */
    bool given_up; /* it said that starting it again is of no use (usage, a log that can't be
                      trusted) */
};

struct children {
    struct child *items;
    uint32_t count;
    const char *list_path; /* the file; borrowed */
    const char *logs_dir;  /* standard error goes to NAME.log there; NULL: it stays ours */
    bool stopping;         /* nothing is started any more */
};

int64_t children_now_us(void); /* monotonic */

void children_init(struct children *children, uint32_t capacity, const char *list_path,
                   const char *logs_dir);
void children_release(struct children *children);

/* A new one, not started yet; `name` and `program` first, then words by child_word. */
struct child *children_add(struct children *children, const char *name, const char *program);
void child_word(struct child *child, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends those that an earlier supervisor left behind, in the list's file. */
void children_end_left_over(const char *list_path);

enum dk_status child_start(struct children *children, struct child *child, struct dk_err *err);

/* After SIGCHLD: notes who has ended, says so, and when each is due again. */
void children_reap(struct children *children);

/* Starts those that are due; milliseconds until the next one is, -1: none waits. */
int children_start_due(struct children *children);

/* Sends `signal` to those that run and whose name begins with `prefix`, waits until they are gone,
 * and kills those that are not after timeout_ms. The caller must have set `stopping`. */
void children_end(struct children *children, const char *prefix, int signal, int timeout_ms);

#endif
