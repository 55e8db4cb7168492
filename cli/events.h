/* events.h - events from the query interface, waiting for the next ones (a long poll on seq) */
#ifndef DK_CLI_EVENTS_H
#define DK_CLI_EVENTS_H

#include "cli/ask.h"

enum { CLI_EVENTS_WAIT_MS = 25000 }; /* less than a call may take */

struct cli_event_filter {
    const char *type; /* joined by commas; NULL: all */
    int64_t job;      /* 0: all */
    int64_t limit;    /* 0: the server's */
    int wait_ms;
};

/* The seq of the newest event. */
enum dk_status cli_events_now(struct dk_session *session, int64_t *seq, struct dk_err *err);

/* Events after *after, a line of JSON each, into *body (cleared first): empty when none came in
 * `wait_ms`. *after becomes what to ask for next. */
enum dk_status cli_events_next(struct dk_session *session, const struct cli_event_filter *filter,
                               int64_t *after, struct dk_buf *body, struct dk_err *err);

#endif
