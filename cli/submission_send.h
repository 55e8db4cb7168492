/* submission_send.h - a submission and the cluster: sending it, trying it out, waiting for its end
 */
#ifndef DK_CLI_SUBMISSION_SEND_H
#define DK_CLI_SUBMISSION_SEND_H

#include "cli/ask.h"
#include "cli/submission.h"

/* Of this process. Texts live in *store. */
struct dk_surroundings_store {
    char directory[4096], host[256];
};
enum dk_status dk_surroundings_read(struct dk_surroundings *around,
                                    struct dk_surroundings_store *store, struct dk_err *err);

/* 32 hexadecimal digits into a key; false: they are none. */
bool dk_key_parse(const char *text, uint8_t key[16]);

/* The key is made, or taken from --key, before the first try; busy and restarting controllers are
 * tried again with it. */
enum dk_status dk_submission_send(struct dk_session *session, struct dk_submission *submission,
                                  struct dk_outcome *outcome, struct dk_err *err);

struct dk_forecast {
    enum { DK_FORECAST_STARTS, DK_FORECAST_REJECTED, DK_FORECAST_UNKNOWN } kind;
    int64_t job; /* the number that it would get; 0: not told */
    int64_t start, cores;
    char nodes[4096]; /* a host list */
    char partition[65];
    struct dk_outcome refusal; /* of REJECTED */
};

/* When and where it would start, were it submitted now. */
enum dk_status dk_submission_test(struct dk_session *session, struct dk_submission *submission,
                                  struct dk_forecast *forecast, struct dk_err *err);

/* Waits for the end of a job, or of all tasks of an array. *exit_status: its own, the highest of an
 * array; 1 when a signal or docket ended it. `idle` (may be NULL) is called every 50 ms meanwhile.
 */
struct dk_waiting {
    int64_t job, seq; /* the outcome's */
    bool is_array;
    void (*idle)(void *context);
    void *context;
};
enum dk_status dk_submission_wait(struct dk_session *session, const struct dk_waiting *waiting,
                                  int *exit_status, struct dk_err *err);

#endif
