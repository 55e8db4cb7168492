/* secrets.h - what a controller does about what users gave (decision 0014)
 *
 *     SubmitJob       -> keep: sealed, digests into the request -> admitted, or taken back
 *     SecretsErased   -> from now on sealed under a new key     -> durable: forgotten
 *
 * Where calls go straight to the leader (desk.h): keep, outcome, ..., sync, settle, for each batch.
 * Where they go by a topic, doors keep and sync, and whoever leads or reads along sees each event.
 */
#ifndef DK_CONTROLLER_SECRETS_H
#define DK_CONTROLLER_SECRETS_H

#include "base/arena.h"
#include "event/event.h"
#include "event/request.h"
#include "net/place.h"
#include "secret/vault.h"

struct dk_secrets;

/* The cluster's key and the vault of this folder. `may_make`: the cluster is new, and so is its
 * key; or docket 0.2 had none. */
enum dk_status dk_secrets_open(struct dk_secrets **out, const struct dk_place *place, bool may_make,
                               struct dk_err *err);
void dk_secrets_close(struct dk_secrets *secrets); /* NULL is fine */
const struct dk_cluster_key *dk_secrets_key(const struct dk_secrets *secrets);

/* We lead, and the log ends at `seq`: what was erased and is not forgotten yet is; what docket 0.2
 * left is sealed. */
enum dk_status dk_secrets_begin(struct dk_secrets *secrets, uint64_t seq, struct dk_err *err);

/* Seals script, environment and arguments for the user; the specification gets their digests, which
 * lie in `arena`. DK_FULL. */
enum dk_status dk_secrets_keep(struct dk_secrets *secrets, int32_t uid, struct dk_arena *arena,
                               struct dk_submit_job *submit, struct dk_err *err);
/* What came of the last request. */
enum dk_status dk_secrets_outcome(struct dk_secrets *secrets, const struct dk_event *outcome,
                                  struct dk_err *err);
/* Before the log: what it speaks of is there. */
enum dk_status dk_secrets_sync(struct dk_secrets *secrets, struct dk_err *err);
/* The log is durable up to `seq`. */
enum dk_status dk_secrets_settle(struct dk_secrets *secrets, uint64_t seq, struct dk_err *err);
/* Where requests come by a topic, for whoever leads: may this submission be admitted? Not when its
 * scripts were sealed before what is erased: then nobody could open them. */
bool dk_secrets_may_admit(struct dk_secrets *secrets, int32_t uid,
                          const struct dk_submit_job *submit);
/* And this came of a request, in the open batch. */
void dk_secrets_came(struct dk_secrets *secrets, const struct dk_event *outcome);
/* Instead of outcome and settle: an event that is in the log. */
enum dk_status dk_secrets_see(struct dk_secrets *secrets, const struct dk_event *event,
                              struct dk_err *err);

#endif
