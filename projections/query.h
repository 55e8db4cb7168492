/* query.h - a question taken apart, and the answers to each kind; for query*.c
 *
 * A route says which parameters its path takes; any other is refused by name. A handler runs in a
 * worker and answers the exchange exactly once.
 */
#ifndef DK_PROJECTIONS_QUERY_H
#define DK_PROJECTIONS_QUERY_H

#include "projections/projector_inside.h"

enum {
    DK_ASK_JOBS = 1,    /* the filters of filter.h */
    DK_ASK_LIST = 2,    /* fields, format */
    DK_ASK_AT = 4,      /* at_seq, at */
    DK_ASK_SITE = 8,    /* node, partition, state */
    DK_ASK_EVENTS = 16, /* after, limit, type, job */
    DK_ASK_JOB = 32,    /* job */
    DK_ASK_USAGE = 64,  /* by, since, until */
    DK_ASK_WHAT = 128,  /* what */
    DK_ASK_POST = 256,  /* has a body */
    DK_ASK_STARTS = 512 /* starts */
};

struct dk_ask {
    struct dk_projector *projector;
    struct dk_http_exchange *exchange;
    struct dk_arena arena;
    struct dk_err err;
    struct dk_job_filter filter;
    bool tsv, has_at;
    const char *fields;
    int64_t at_seq, at_time;
    const char *nodes, *partitions, *states; /* lists, for DK_ASK_SITE */
    int64_t after, limit, job, starts;
    int32_t task;
    const char *types, *by, *what;
};

typedef enum dk_status dk_answer(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);

/* query_lists.c, query_site.c, query_other.c: DK_OK and *out is the body; a failure is told by its
 * status. */
enum dk_status dk_answer_jobs(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_history(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_usage_of(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_nodes(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_partitions(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_config(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_config_history(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_events(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_status(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_stats(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_metrics(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_script(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_explain_of(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_priority_of(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);
enum dk_status dk_answer_test_of(struct dk_ask *ask, struct dk_buf *out, int64_t *seq);

/* --- shared by them (query.c) --- */

/* Root, docket's own user, and the configuration's operators. */
bool dk_ask_is_operator(struct dk_ask *ask);
bool dk_in_list(const char *list, struct dk_text word); /* joined by commas; NULL: every word is */

/* A table being written: {"seq":S,"rows":[{...},...]} or lines of cells. */
struct dk_table_writer {
    struct dk_buf *out, cell;
    bool tsv, any_row, any_cell;
};
void dk_writer_begin(struct dk_table_writer *writer, struct dk_buf *out, bool tsv, int64_t seq);
void dk_writer_row(struct dk_table_writer *writer);
/* The cell's text is in writer->cell, which the caller has filled since the last one. */
void dk_writer_cell(struct dk_table_writer *writer, const char *name, bool is_number);
void dk_writer_end(struct dk_table_writer *writer);

#endif
