/* lead.h - which of several controllers leads
 *
 *   - kafka://BROKERS/PREFIX: the one whom the group PREFIX.controllers gives the only partition
 *     of PREFIX.requests (kafka_lead.c).
 *   - file:DIR: the one that holds the lock DIR/lead (file_lead.c).
 *
 * Leading comes in terms, numbered from 1 in each process; term 0 is none. Who leads in term N does
 * so until dk_lead_term says something else, even if that is N + 1: the lead was lost in between,
 * and another may have written.
 *
 *   1. Leading is permission to become the log's writer, never proof of being the only one: a
 *      process that was stopped, or hears nothing of the one who decides, learns late that it lost.
 *      The log's own fence is what protects it (log.h).
 *   2. A leader that is found fenced, or whose log's lock another holds, asks dk_lead_confirm
 *      before it tries again. DK_OK: the writer that came between had no right to, or is gone: open
 *      the log again. Else it asks again later, unless there is a new term before: one that is not
 *      good now may become so (rule 4).
 *   3. Dying hands over after the session (3 s on Kafka, at once on the lock), dk_lead_leave at
 *      once. The caller closes the log first.
 *   4. Brokers that are away take the lead from nobody, however long: term N goes on. When they are
 *      back they may choose another, and then it ends.
 *   5. Standbys sleep; a thread of the lead keeps the membership alive, whatever the caller does.
 *      A process that hangs without being stopped keeps the lead.
 */
#ifndef DK_LOG_LEAD_H
#define DK_LOG_LEAD_H

#include "base/err.h"

#include <stdint.h>

struct dk_lead;

struct dk_lead_options {
    /* Told of what an operator would want to know: a broker that allows no short session, a lead
     * lost, a group that can't be reached. From any thread. NULL: nobody. */
    void (*say)(void *ctx, const char *text);
    void *ctx;
};

/* Becomes a candidate; returns at once, without the lead. DK_UNSUPPORTED: such a log has one
 * process. On Kafka makes the topic of requests if there is none. DK_AWAY: no broker answered. */
enum dk_status dk_lead_join(struct dk_lead **out, const char *uri,
                            const struct dk_lead_options *options, struct dk_err *err);

/* The term in which we lead; 0: we don't. Clears dk_lead_fd. */
uint64_t dk_lead_term(struct dk_lead *lead);

/* Becomes readable when dk_lead_term changes. */
int dk_lead_fd(const struct dk_lead *lead);

/* Asks the one who decides, now. DK_OK: we lead. DK_FENCED: we don't. DK_AGAIN: no answer within
 * timeout_ms. */
enum dk_status dk_lead_confirm(struct dk_lead *lead, int timeout_ms, struct dk_err *err);

/* Gives it up in good order. NULL is fine. */
void dk_lead_leave(struct dk_lead *lead);

#endif
