/* outbox.h - reports go out: registration, beats and ends, in a thread of its own
 *
 * What is said, and when: reports.h. This is the thread that says it.
 */
#ifndef DK_NODES_OUTBOX_H
#define DK_NODES_OUTBOX_H

#include "net/endpoints.h"
#include "nodes/reports.h"

struct dk_outbox;

/* `spec` is copied, `controllers` becomes the outbox's. */
enum dk_status dk_outbox_start(struct dk_outbox **out, struct dk_endpoints *controllers,
                               const struct dk_node_spec *spec, struct dk_err *err);
/* The thread may sit in a call: it ends with the process. */

void dk_outbox_set_beat(struct dk_outbox *outbox, int64_t beat_us);

/* `request` is an encoded ReportEnd; it is copied. */
void dk_outbox_report(struct dk_outbox *outbox, int64_t job, int32_t attempt,
                      struct dk_bytes request);

int dk_outbox_fd(const struct dk_outbox *outbox); /* readable when there is news */
bool dk_outbox_take(struct dk_outbox *outbox, struct dk_outbox_news *news);

#endif
