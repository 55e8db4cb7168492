/* ask.h - a client's two conversations: questions to the projector, requests to the controller
 *
 * Everything that `docket` and the Slurm names know of a cluster comes through here; decision 0010
 * says what may be asked. A session finds the cluster (--dir, DOCKET_DIR, the default place, and
 * what docket.conf there says of controllers and projectors elsewhere) and connects when first
 * needed; any of several will do, and when one is gone the next is asked. Rows come as format=tsv
 * and are taken apart in place.
 *
 * Read your writes: a session remembers the newest seq it was told (by a request's outcome) and
 * asks for answers at that seq or later. Between processes: `docket submit` prints the id, and the
 * projector is a few milliseconds behind at most.
 *
 * All functions return DK_OK or fill *err with what was wrong, where, and what would be right;
 * cli_fail prints it. DK_NOT_FOUND with the folder's name: no cluster runs there. A projector that
 * is being started again is waited for, 5 s at most.
 */
#ifndef DK_CLI_ASK_H
#define DK_CLI_ASK_H

#include "base/buf.h"
#include "base/err.h"
#include "event/request.h"
#include "net/endpoints.h"
#include "net/place.h"

#include <stdint.h>

struct dk_session {
    struct dk_place place;
    struct dk_endpoints *projectors, *controllers; /* NULL until needed */
    bool has_answer;                               /* a projector has answered something */
    int64_t seq;                                   /* answers have to be of this seq or later */
    int timeout_ms;                                /* for one call; the default is 30,000 */
    /* Told once when a call has been waiting for a second for a process that is away or busy: why,
     * and for how many seconds it will be tried again. NULL: nobody is told. */
    void (*remark)(const char *why, int seconds);
};

/* `dir` is what --dir said, NULL for nothing. Connects nowhere yet. */
enum dk_status dk_session_open(struct dk_session *session, const char *dir, struct dk_err *err);
void dk_session_close(struct dk_session *session);

/* --- questions --- */

/* A target under construction: "/v1/jobs?user=anna&state=all". */
struct dk_question {
    struct dk_buf target;
    bool has_parameters, has_seq, is_full;
};
void dk_question_init(struct dk_question *question, const char *path); /* "/v1/jobs" */
void dk_question_add(struct dk_question *question, const char *name, const char *value);
void dk_question_add_number(struct dk_question *question, const char *name, int64_t value);
void dk_question_release(struct dk_question *question);

/* A table: cells[row * columns + column], never NULL, "" where there is no value. */
struct dk_rows {
    struct dk_buf text;
    char **cells;
    size_t cells_size;
    uint32_t columns, rows;
    int64_t seq; /* the answer is of this seq */
};

/* `fields`: "id,name,state", the columns in this order. *rows is the caller's to release also
 * after a failure. HTTP 400 and 404 become DK_INVALID and DK_NOT_FOUND with the server's text. */
enum dk_status dk_ask_rows(struct dk_session *session, struct dk_question *question,
                           const char *fields, struct dk_rows *rows, struct dk_err *err);
const char *dk_cell(const struct dk_rows *rows, uint32_t row, uint32_t column);
int64_t dk_cell_number(const struct dk_rows *rows, uint32_t row, uint32_t column,
                       int64_t fallback); /* fallback: the cell is empty */
void dk_rows_release(struct dk_rows *rows);

/* Any other answer as it is (JSON): appended to *body, which the caller has initialised. `post`
 * may be NULL; else it is sent as application/avro (for /v1/test). */
enum dk_status dk_ask_body(struct dk_session *session, struct dk_question *question,
                           const struct dk_buf *post, struct dk_buf *body, int64_t *seq,
                           struct dk_err *err);

/* --- requests --- */

enum dk_outcome_kind { DK_OUTCOME_ACCEPTED, DK_OUTCOME_REJECTED, DK_OUTCOME_DUPLICATE };

struct dk_outcome {
    enum dk_outcome_kind kind;
    int64_t seq, job; /* job 0: has none */
    char reason[32];  /* of a rejection: NOT_FOUND ... (schemas/types/RejectReason.avsc) */
    char detail[512]; /* for people */
};

/* Sixteen random bytes: the idempotency key, made before the first try. */
void dk_key_make(uint8_t key[16]);

/* Sends `count` requests in one call (application/vnd.docket.requests) and waits until their
 * outcomes are durable. Requests without a key get one here. While the controller is busy,
 * starting again or gone, it is asked again with the same keys until `patience_ms` have passed (0:
 * the default, 60,000), which is safe. outcomes[i] belongs to requests[i]. The caller owns both. */
enum dk_status dk_send(struct dk_session *session, struct dk_request *requests, uint32_t count,
                       struct dk_outcome *outcomes, int patience_ms, struct dk_err *err);

#endif
