/* explain_parts.h - what the files of explaining share; for projections/explain*.c only
 *
 *     explain.c           the questions, and a waiting job as JSON
 *     explain_life.c      what the log says happened to a job, and where
 *     explain_decision.c  a placement, decided again
 *     explain_forecast.c  /v1/test and estimated starts: a copy run forward
 *     explain_list.c      all that waits: /v1/priority and beside /v1/jobs
 *     explain_write.c     JSON objects under construction
 */
#ifndef DK_PROJECTIONS_EXPLAIN_PARTS_H
#define DK_PROJECTIONS_EXPLAIN_PARTS_H

#include "projections/explain.h"
#include "sched/explain.h"

/* --- explain_write.c --- */

struct dk_writer {
    struct dk_buf *out;
    bool filled; /* the innermost object or array has an item */
};

/* A NULL name: an item of an array, or the whole. */
void dk_write_open(struct dk_writer *writer, const char *name, char bracket); /* '{' or '[' */
void dk_write_close(struct dk_writer *writer, char bracket);                  /* '}' or ']' */
void dk_write_number(struct dk_writer *writer, const char *name, int64_t value);
void dk_write_some(struct dk_writer *writer, const char *name, int64_t value); /* unless it is 0 */
/* A moment; left out when it is 0 or never (INT64_MAX). */
void dk_write_time(struct dk_writer *writer, const char *name, int64_t time);
void dk_write_text(struct dk_writer *writer, const char *name, struct dk_text text);
void dk_write_word(struct dk_writer *writer, const char *name, const char *word);
void dk_write_bool(struct dk_writer *writer, const char *name, bool value);
void dk_write_nodes(struct dk_writer *writer, const char *name, const struct dk_node_held *nodes,
                    uint32_t count);

/* --- explain_life.c --- */

struct dk_life_wait { /* a dependency, and when it was over */
    struct dk_dependency dependency;
    int64_t over; /* 0: not yet, as far as was read */
};

/* What the log says of a job. Events are whole, in the arena. */
struct dk_life {
    const struct dk_event **events; /* of the job (and of its array), by seq */
    uint32_t count, capacity;
    const struct dk_event *submitted, *placed, *ended; /* the last of each kind; NULL */
    const struct dk_event *end_requested;              /* since it was placed */
    uint64_t placed_batch;                             /* first seq of the batch it was placed in */
    uint64_t placed_batch_last;
    struct dk_life_wait *waits;
    uint32_t wait_count;
    int64_t array_job; /* that it is a task of; 0 */
    bool has_gaps;     /* a part of the log was jumped over: reading it all would take too long */
};

struct dk_life_question {
    const char *log_uri;
    uint64_t seq_limit;     /* nothing after it is read */
    int64_t job, array_job; /* array_job 0: not known, or none */
    int32_t task;           /* job 0: this task of array_job is meant */
    int64_t submit, start;  /* 0: not known */
    uint64_t events_max;    /* to read on end */
};

enum dk_status dk_life_read(const struct dk_life_question *question, struct dk_arena *arena,
                            struct dk_life *life, struct dk_err *err);

/* The first seq of the first batch that is not before `time`; seq_limit + 1: there is none. */
enum dk_status dk_log_seek_time(const char *log_uri, uint64_t seq_limit, int64_t time,
                                uint64_t *seq, struct dk_err *err);

/* --- explain_decision.c --- */

/* "placement":{...}: the newest placement in `life`, decided again. *eligible: since when the job
 * could have started, but for room and order. */
enum dk_status dk_write_decision(struct dk_writer *writer, const struct dk_explain_source *source,
                                 const struct dk_life *life, struct dk_arena *arena,
                                 int64_t *eligible, struct dk_err *err);

/* --- explain.c: parts of an explanation that a decision has too --- */

void dk_write_order(struct dk_writer *writer, const struct dk_explanation *explanation);
void dk_write_ahead(struct dk_writer *writer, const char *name,
                    const struct dk_explanation *explanation);
void dk_write_head(struct dk_writer *writer, const struct dk_explanation *explanation);
/* Nodes by what they are to the job. */
void dk_write_fits(struct dk_writer *writer, const struct dk_explanation *explanation);

/* --- explain_forecast.c --- */

/* "forecast":{...}: when it would start. */
void dk_write_forecast(struct dk_writer *writer, const struct dk_explain_source *source,
                       int64_t job, struct dk_arena *arena);

#endif
