/* reports.h - what an agent has to tell the controller, and when: no thread, clock or socket
 *
 *     reports wait --next--> one call --answered--> news for the agent
 *                             '--failed--> the same again, after a pause
 *
 * Whatever waits goes in one call: at most 256 reports, a registration where one is due, a beat
 * where one is due. A report is sent until the controller has answered it, and a rejected one is
 * answered too. The node registers at the start, after every broken connection, and when a beat is
 * rejected because the controller does not know the node.
 *
 * outbox.c is the thread that makes the calls; the simulator makes them of messages. Times are of
 * one monotonic clock, in microseconds.
 */
#ifndef DK_NODES_REPORTS_H
#define DK_NODES_REPORTS_H

#include "base/buf.h"
#include "base/err.h"
#include "event/types.h"

struct dk_outbox_news {
    int64_t job; /* of a report that was answered; 0: the controller does not answer (make ends
                    durable) */
    int32_t attempt;
};

struct dk_reports;

/* `spec` is copied. */
struct dk_reports *dk_reports_create(const struct dk_node_spec *spec, int64_t now);
void dk_reports_destroy(struct dk_reports *reports);

void dk_reports_set_beat(struct dk_reports *reports, int64_t beat_us, int64_t now);

/* `request` is an encoded ReportEnd; it is copied. */
void dk_reports_add(struct dk_reports *reports, int64_t job, int32_t attempt,
                    struct dk_bytes request);

/* Puts what is to be said now into `body` (application/vnd.docket.requests). False: nothing is
 * due before *until. `key` is the registration's, should there be one. After true comes one of
 * the next two, and meanwhile only dk_reports_add and _set_beat. */
bool dk_reports_next(struct dk_reports *reports, int64_t now, struct dk_bytes key,
                     struct dk_buf *body, int64_t *until);

/* The controller has answered the call with this body. True: it answers again after a silence. */
bool dk_reports_answered(struct dk_reports *reports, int64_t now, const char *body, size_t size);

/* It has not, or not well; `broken`: the connection is gone, and who knows what comes up there.
 * Returns how long to pause. *complain: this is the moment to say so to people. */
int64_t dk_reports_failed(struct dk_reports *reports, int64_t now, bool broken, bool *complain);

/* The next news, oldest first; false: none. */
bool dk_reports_take(struct dk_reports *reports, struct dk_outbox_news *news);
bool dk_reports_has_news(const struct dk_reports *reports);

/* The results of an answer's body, in order: 'a'ccepted, 'r'ejected, 'd'uplicate; returns how
 * many, at most `count_max`. */
uint32_t dk_outbox_results(const char *body, size_t size, char *results, uint32_t count_max);

#endif
