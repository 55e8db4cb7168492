/* secrets.c - see secrets.h
 *
 * A controller that dies between SecretsErased and the forgetting does it when it starts again:
 * the vault knows up to which event all that was erased is forgotten. */
#include "controller/secrets.h"

#include "base/check.h"
#include "controller/browse.h"
#include "net/journal.h"
#include "secret/replica.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define APPLIED_STEP 65536 /* so many events at most are looked through at a start */

enum { PARTS = 3, ON_ITS_WAY_MS = 5000, BUSY_MS = 10000, BUSY_STEP_MS = 10 };

struct erasure {
    int32_t uid;
    uint64_t seq;
};

struct dk_secrets {
    const struct dk_place *place;
    struct dk_cluster_key *key;
    struct dk_replica *replica; /* where requests come by a topic */
    struct dk_vault *vault;     /* else; or the replica's */
    struct erasure *erasures;   /* admitted, not durable yet */
    uint32_t erasure_count, erasure_capacity;
    uint64_t applied;
    int32_t uid; /* of the request that was kept last; what is new of it: */
    const uint8_t *added[PARTS];
    uint32_t added_count;
};

/* --- keeping --- */

static enum dk_status keep(struct dk_secrets *secrets, struct dk_arena *arena,
                           const struct dk_bytes *bytes, struct dk_bytes *digest,
                           struct dk_err *err)
{
    enum dk_status status;
    uint8_t *room;
    bool added;

    digest->size = 0; /* a digest is ours to make, never the client's */
    if (bytes->size == 0)
        return DK_OK;
    room = dk_arena_take(arena, DK_VAULT_DIGEST_SIZE);
    dk_vault_digest(bytes->data, bytes->size, room);
    *digest = (struct dk_bytes){ room, DK_VAULT_DIGEST_SIZE };
    if (secrets->replica != NULL)
        return dk_replica_keep(secrets->replica, secrets->uid, bytes->data, bytes->size, room, err);
    status =
        dk_vault_put(secrets->vault, secrets->uid, bytes->data, bytes->size, room, &added, err);
    if (status == DK_OK && added)
        secrets->added[secrets->added_count++] = room;
    return status;
}

enum dk_status dk_secrets_keep(struct dk_secrets *secrets, int32_t uid, struct dk_arena *arena,
                               struct dk_submit_job *submit, struct dk_err *err)
{
    struct dk_job_launch *launch = &submit->spec.launch;
    enum dk_status status;

    secrets->uid = uid;
    secrets->added_count = 0;
    status = keep(secrets, arena, &submit->script, &submit->spec.script, err);
    if (!submit->spec.has_launch && submit->script.size > 0) {
        *launch = (struct dk_job_launch){ .umask = 022 };
        submit->spec.has_launch = true;
    }
    if (status == DK_OK && submit->spec.has_launch)
        status = keep(secrets, arena, &submit->environment, &launch->environment, err);
    if (status == DK_OK && submit->spec.has_launch)
        status = keep(secrets, arena, &submit->arguments, &launch->arguments, err);
    return status;
}

static void note_erasure(struct dk_secrets *secrets, const struct dk_event *event)
{
    if (secrets->erasure_count == secrets->erasure_capacity) {
        secrets->erasure_capacity =
            secrets->erasure_capacity > 0 ? secrets->erasure_capacity * 2 : 16;
        secrets->erasures =
            realloc(secrets->erasures, secrets->erasure_capacity * sizeof(*secrets->erasures));
        DK_CHECK(secrets->erasures != NULL);
    }
    secrets->erasures[secrets->erasure_count++] =
        (struct erasure){ event->secrets_erased.uid, (uint64_t)event->meta.seq };
}

enum dk_status dk_secrets_outcome(struct dk_secrets *secrets, const struct dk_event *outcome,
                                  struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (outcome != NULL && outcome->type == DK_EVENT_SECRETS_ERASED) {
        note_erasure(secrets, outcome);
        dk_vault_retire(secrets->vault, outcome->secrets_erased.uid, (uint64_t)outcome->meta.seq);
    }
    if (outcome != NULL && outcome->type == DK_EVENT_REQUEST_REJECTED)
        for (uint32_t i = 0; status == DK_OK && i < secrets->added_count; i++)
            status = dk_vault_drop(secrets->vault, secrets->uid, secrets->added[i], err);
    secrets->added_count = 0;
    return status;
}

enum dk_status dk_secrets_sync(struct dk_secrets *secrets, struct dk_err *err)
{
    return secrets->replica != NULL ? dk_replica_sync(secrets->replica, err)
                                    : dk_vault_sync(secrets->vault, err);
}

enum dk_status dk_secrets_settle(struct dk_secrets *secrets, uint64_t seq, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    dk_vault_seen(secrets->vault, seq);
    for (uint32_t i = 0; status == DK_OK && i < secrets->erasure_count; i++) {
        const struct erasure *erasure = &secrets->erasures[i];

        status = dk_vault_forget(secrets->vault, erasure->uid, erasure->seq, err);
        if (status == DK_OK)
            dk_journal(DK_JOURNAL_INFO, "what user %d gave before event %llu is erased",
                       erasure->uid, (unsigned long long)erasure->seq);
    }
    if (status != DK_OK || (secrets->erasure_count == 0 && seq < secrets->applied + APPLIED_STEP))
        return status;
    secrets->erasure_count = 0;
    secrets->applied = seq;
    return dk_vault_applied_set(secrets->vault, seq, err);
}

/* --- where requests come by a topic --- */

static bool is_there(struct dk_secrets *secrets, int32_t uid, struct dk_bytes digest)
{
    return digest.size != DK_VAULT_DIGEST_SIZE ||
           dk_replica_wait(secrets->replica, uid, digest.data, ON_ITS_WAY_MS);
}

bool dk_secrets_may_admit(struct dk_secrets *secrets, int32_t uid,
                          const struct dk_submit_job *submit)
{
    const struct dk_job_spec *spec = &submit->spec;
    bool is_erasing = false;

    for (uint32_t i = 0; i < secrets->erasure_count; i++)
        is_erasing = is_erasing || secrets->erasures[i].uid == uid;
    if (is_erasing) /* no door has seen it yet */
        return spec->script.size == 0;
    if (dk_vault_erased(secrets->vault, uid) == 0)
        return true;
    return is_there(secrets, uid, spec->script) &&
           (!spec->has_launch || (is_there(secrets, uid, spec->launch.environment) &&
                                  is_there(secrets, uid, spec->launch.arguments)));
}

void dk_secrets_came(struct dk_secrets *secrets, const struct dk_event *outcome)
{
    if (outcome != NULL && outcome->type == DK_EVENT_SECRETS_ERASED)
        note_erasure(secrets, outcome);
}

enum dk_status dk_secrets_see(struct dk_secrets *secrets, const struct dk_event *event,
                              struct dk_err *err)
{
    (void)err;
    if (event->type == DK_EVENT_SECRETS_ERASED)
        dk_replica_erased(secrets->replica, event->secrets_erased.uid, (uint64_t)event->meta.seq);
    if (event->type == DK_EVENT_BATCH_CLOSED) {
        secrets->erasure_count = 0;
        dk_replica_seen(secrets->replica, (uint64_t)event->meta.seq);
    }
    return DK_OK;
}

static enum dk_status tell_erased(void *ctx, const struct dk_event *event, struct dk_err *err)
{
    (void)err;
    if (event->type == DK_EVENT_SECRETS_ERASED)
        dk_replica_erased(ctx, event->secrets_erased.uid, (uint64_t)event->meta.seq);
    return DK_OK;
}

static enum dk_status tell_all_erased(void *ctx, struct dk_replica *replica, uint64_t seq,
                                      struct dk_err *err)
{
    const struct dk_secrets *secrets = ctx;

    return dk_log_browse(secrets->place->log_uri, seq + 1, tell_erased, replica, err);
}

static void say(void *ctx, const char *text)
{
    (void)ctx;
    dk_journal(DK_JOURNAL_INFO, "%s", text);
}

static enum dk_status open_replica(struct dk_secrets *secrets, struct dk_err *err)
{
    const struct dk_replica_options options = { .log_uri = secrets->place->log_uri,
                                                .dir = secrets->place->dir,
                                                .key = secrets->key,
                                                .look_through = tell_all_erased,
                                                .ctx = secrets,
                                                .say = say };
    enum dk_status status = dk_replica_open(&secrets->replica, &options, err);

    if (status == DK_OK)
        secrets->vault = dk_replica_vault(secrets->replica);
    return status;
}

/* --- at a start: the log since then --- */

static enum dk_status adopt(struct dk_secrets *secrets, const struct dk_event *event,
                            struct dk_err *err)
{
    const struct dk_job_spec *spec = &event->job_submitted.spec;
    const struct dk_bytes digests[PARTS] = { spec->script, spec->launch.environment,
                                             spec->launch.arguments };
    enum dk_status status = DK_OK;

    if (!event->meta.has_actor)
        return DK_OK;
    for (int i = 0; status == DK_OK && i < (spec->has_launch ? PARTS : 1); i++)
        if (digests[i].size == DK_VAULT_DIGEST_SIZE)
            status = dk_vault_adopt(secrets->vault, event->meta.actor.uid, digests[i].data, err);
    return status;
}

struct looking {
    struct dk_secrets *secrets;
    bool has_plain;
};

static enum dk_status look_at(void *ctx, const struct dk_event *event, struct dk_err *err)
{
    const struct looking *looking = ctx;
    struct dk_vault *vault = looking->secrets->vault;

    if (event->type == DK_EVENT_SECRETS_ERASED &&
        (uint64_t)event->meta.seq > dk_vault_applied(vault))
        return dk_vault_forget(vault, event->secrets_erased.uid, (uint64_t)event->meta.seq, err);
    if (event->type == DK_EVENT_JOB_SUBMITTED && looking->has_plain)
        return adopt(looking->secrets, event, err);
    return DK_OK;
}

enum dk_status dk_secrets_begin(struct dk_secrets *secrets, uint64_t seq, struct dk_err *err)
{
    uint64_t plain = dk_vault_plain(secrets->vault), applied = dk_vault_applied(secrets->vault);
    struct looking looking = { secrets, plain > 0 };
    enum dk_status status;

    secrets->erasure_count = 0;
    if (secrets->replica != NULL) {
        dk_replica_seen(secrets->replica, seq);
        return DK_OK;
    }
    status = dk_vault_begin(secrets->vault, seq, err);
    if (status == DK_OK && (plain > 0 || applied < seq))
        status = dk_log_browse(secrets->place->log_uri, plain > 0 ? 1 : applied + 1, look_at,
                               &looking, err);
    if (status == DK_OK && plain > 0) {
        status = dk_vault_plain_done(secrets->vault, err);
        if (status == DK_OK)
            dk_journal(DK_JOURNAL_INFO,
                       "%llu scripts and environments of an older docket are sealed now",
                       (unsigned long long)plain);
    }
    if (status == DK_OK)
        status = dk_vault_applied_set(secrets->vault, seq, err);
    secrets->applied = seq;
    return status;
}

/* The log's lock is ours, and the one of the vault may be a moment behind it: a process that is
 * killed lets go of one file after the other. */
static enum dk_status open_vault(struct dk_secrets *secrets, struct dk_err *err)
{
    const struct timespec step = { 0, BUSY_STEP_MS * 1000000L };
    enum dk_status status = DK_BUSY;

    for (int i = 0; status == DK_BUSY && i < BUSY_MS / BUSY_STEP_MS; i++) {
        status = dk_vault_open(&secrets->vault, secrets->place->dir, secrets->key, true, err);
        if (status == DK_BUSY)
            (void)nanosleep(&step, NULL);
    }
    return status;
}

enum dk_status dk_secrets_open(struct dk_secrets **out, const struct dk_place *place, bool may_make,
                               struct dk_err *err)
{
    struct dk_secrets *secrets = calloc(1, sizeof(*secrets));
    enum dk_status status;

    DK_CHECK(secrets != NULL);
    *out = NULL;
    secrets->place = place;
    status = dk_cluster_key_open(&secrets->key, place->dir, may_make, err);
    if (status == DK_OK && strncmp(place->log_uri, "kafka:", 6) == 0)
        status = open_replica(secrets, err);
    else if (status == DK_OK)
        status = open_vault(secrets, err);
    if (status == DK_OK)
        *out = secrets;
    else
        dk_secrets_close(secrets);
    return status;
}

void dk_secrets_close(struct dk_secrets *secrets)
{
    if (secrets == NULL)
        return;
    if (secrets->replica != NULL)
        dk_replica_close(secrets->replica);
    else
        dk_vault_close(secrets->vault);
    dk_cluster_key_close(secrets->key);
    free(secrets->erasures);
    free(secrets);
}

const struct dk_cluster_key *dk_secrets_key(const struct dk_secrets *secrets)
{
    return secrets->key;
}
