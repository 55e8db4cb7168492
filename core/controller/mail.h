/* mail.h - the topic of requests, as the leader reads it, and those who may lead next (decision
 * 0012)
 *
 * Request i of the record at offset o has the number (o + 1) << 12 | i. `requests_next` of
 * BatchClosed is the number after the last one admitted, so reading goes on exactly there, whoever
 * leads. Numbers below 1 << 12 are docket's own and come before the topic's first.
 *
 * Nothing in a record is believed unless its mac fits. One that does not, one that can't be read,
 * one older than 15 minutes, and one whose id was there before, is recorded as rejected, at its
 * place. A standby reads along (dk_mail_pass) only to know the ids.
 */
#ifndef DK_CONTROLLER_MAIL_H
#define DK_CONTROLLER_MAIL_H

#include "controller/leader.h"
#include "controller/secrets.h"
#include "log/stream.h"
#include "secret/cluster_key.h"

#define DK_MAIL_REQUESTS_MAX 4096u /* in one record */
#define DK_MAIL_AGE_US (INT64_C(900) * 1000000)

struct dk_mail;

int64_t dk_mail_number(int64_t offset, uint32_t index);
/* The opposite. For a number of docket's own: the topic's beginning. */
void dk_mail_place(int64_t number, int64_t *offset, uint32_t *index);

/* `now`: microseconds since 1970; where the looking back begins. The key is borrowed. */
enum dk_status dk_mail_open(struct dk_mail **out, const char *log_uri,
                            const struct dk_cluster_key *key, int64_t now, struct dk_err *err);
void dk_mail_close(struct dk_mail *mail); /* NULL is fine */

/* Submissions are asked about before they are admitted, and it hears what came of everything;
 * borrowed. */
void dk_mail_guard(struct dk_mail *mail, struct dk_secrets *secrets);

/* Reads what lies before the request `number`, the next one to admit. DK_OK: we are there.
 * DK_AGAIN: not yet. */
enum dk_status dk_mail_pass(struct dk_mail *mail, int64_t number, struct dk_err *err);

/* For the one who leads now: passes what lies before `number`, waiting for it. A topic that is
 * shorter than the log says, since it was lost or is beside an imported history, is filled with
 * empty records up to there, and this is said. */
enum dk_status dk_mail_begin(struct dk_mail *mail, int64_t number, struct dk_err *err);

/* Is there something to admit? Reads ahead one record. */
enum dk_status dk_mail_look(struct dk_mail *mail, bool *has, struct dk_err *err);

/* Admits records into the open batch until it is large enough or there is no more. */
enum dk_status dk_mail_admit(struct dk_mail *mail, struct dk_leader *leader, struct dk_err *err);

void dk_mail_settled(struct dk_mail *mail); /* the batch is in the log: frees what it borrowed */

int dk_mail_fd(const struct dk_mail *mail);
uint64_t dk_mail_requests(const struct dk_mail *mail); /* that were admitted so far */

#endif
