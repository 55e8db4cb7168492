/* outbox.h - reports go out: registration, beats and ends, in a thread of its own
 *
 * Whatever waits goes in one call: at most 256 reports, a registration where one is due, a beat
 * where one is due. A report is sent until the controller has answered it, and a rejected one is
 * answered too. The node registers at the start, after every broken connection, and when a beat is
 * rejected because the controller does not know the node.
 */
#ifndef DK_NODES_OUTBOX_H
#define DK_NODES_OUTBOX_H

#include "base/err.h"
#include "base/text.h"
#include "event/types.h"

struct dk_outbox;

struct dk_outbox_news {
    int64_t job; /* of a report that was answered; 0: the controller does not answer (make ends
                    durable) */
    int32_t attempt;
};

/* `spec` is copied. */
enum dk_status dk_outbox_start(struct dk_outbox **out, const char *socket,
                               const struct dk_node_spec *spec, struct dk_err *err);
/* The thread may sit in a call: it ends with the process. */

void dk_outbox_set_beat(struct dk_outbox *outbox, int64_t beat_us);

/* `request` is an encoded ReportEnd; it is copied. */
void dk_outbox_report(struct dk_outbox *outbox, int64_t job, int32_t attempt,
                      struct dk_bytes request);

int dk_outbox_fd(const struct dk_outbox *outbox); /* readable when there is news */
bool dk_outbox_take(struct dk_outbox *outbox, struct dk_outbox_news *news);

/* The results of an answer's body, in order: 'a'ccepted, 'r'ejected, 'd'uplicate; returns how
 * many, at most `count_max`. For tests too. */
uint32_t dk_outbox_results(const char *body, size_t size, char *results, uint32_t count_max);

#endif
