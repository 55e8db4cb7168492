/* query_other.c - events, scripts, explanations, and how the projector itself is */
#define _GNU_SOURCE
#include "projections/query.h"

#include "base/check.h"
#include "base/json.h"
#include "event/about.h"
#include "log/log.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_DEFAULT = 1000, EVENTS_LOOKED_MAX = 200000, EVENTS_BYTES_MAX = 64 << 20 };

/* --- events --- */

static bool event_passes(const struct dk_ask *ask, const struct dk_event *event)
{
    if (ask->job != 0 && dk_event_job(event) != ask->job)
        return false;
    return dk_in_list(ask->types, dk_text_of(dk_event_name(event->type)));
}

/* Events of one batch; *enough once the limit is reached. */
static enum dk_status batch_events(struct dk_ask *ask, const struct dk_log_batch *batch,
                                   struct dk_buf *out, int64_t *seq, int64_t *left)
{
    struct dk_arena arena;
    enum dk_status status = DK_OK;

    dk_arena_init(&arena, &dk_heap);
    for (uint32_t i = 0; status == DK_OK && i<batch->count && * left> 0; i++) {
        struct dk_event event;

        if ((int64_t)(batch->seq_first + i) <= ask->after)
            continue;
        if (out->size > EVENTS_BYTES_MAX)
            break; /* who asks goes on from *seq */
        dk_arena_reset(&arena);
        status = dk_event_decode(batch->records[i].data, batch->records[i].size, &arena, &event,
                                 &ask->err);
        if (status != DK_OK)
            break;
        *seq = event.meta.seq;
        if (!event_passes(ask, &event))
            continue;
        DK_CHECK(dk_event_print(&event, out) && dk_buf_add_text(out, "\n"));
        (*left)--;
    }
    dk_arena_release(&arena);
    return status;
}

/* Comments, user names and places are in events as they are in squeue: for everybody. Scripts and
 * environments are not in them. */
enum dk_status dk_answer_events(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_log_reader *reader;
    int64_t left = ask->limit > 0 ? ask->limit : EVENTS_DEFAULT, looked = 0;
    int64_t upto = atomic_load(&ask->projector->seq_log);
    enum dk_status status;

    *seq = ask->after;
    if (ask->after >= upto)
        return DK_OK;
    status = dk_log_reader_open(&reader, ask->projector->options->place->log_uri,
                                (uint64_t)ask->after + 1, &ask->err);
    if (status != DK_OK)
        return status;
    while (status == DK_OK && left > 0 && looked < EVENTS_LOOKED_MAX && *seq < upto &&
           out->size <= EVENTS_BYTES_MAX) {
        struct dk_log_batch batch;

        status = dk_log_reader_next(reader, &batch, &ask->err);
        if (status != DK_OK)
            break;
        looked += batch.count;
        status = batch_events(ask, &batch, out, seq, &left);
    }
    dk_log_reader_close(reader);
    return status == DK_AGAIN ? DK_OK : status;
}

/* --- scripts --- */

struct found {
    bool any;
    int32_t uid;
    int64_t submit;
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    uint32_t size;
};

static void note_blob(const struct dk_ask *ask, const struct dk_job_row *row, struct found *found)
{
    const struct dk_job_launch *launch = &row->spec->launch;
    struct dk_bytes digest = row->spec->script;

    if (ask->what != NULL && strcmp(ask->what, "environment") == 0)
        digest = row->spec->has_launch ? launch->environment : (struct dk_bytes){ 0 };
    if (ask->what != NULL && strcmp(ask->what, "arguments") == 0)
        digest = row->spec->has_launch ? launch->arguments : (struct dk_bytes){ 0 };
    found->any = true;
    found->uid = row->uid;
    found->submit = row->submit;
    found->size = digest.size;
    if (digest.size == sizeof(found->digest))
        memcpy(found->digest, digest.data, sizeof(found->digest));
}

struct looking {
    const struct dk_ask *ask;
    struct found *found;
};

static bool visit_script(void *context, const struct dk_job_row *row)
{
    struct looking *looking = context;

    note_blob(looking->ask, row, looking->found);
    return false;
}

static enum dk_status find_job(struct dk_ask *ask, struct found *found)
{
    struct dk_job_id_wanted id = { .job = ask->job, .first = ask->task, .last = ask->task };
    struct dk_job_filter filter = { .ids = &id, .id_count = 1, .all_states = true };
    struct looking looking = { ask, found };
    struct dk_live_jobs jobs;
    struct dk_history_view *view;
    struct dk_job_row row;
    enum dk_status status = DK_OK;

    dk_live_jobs_open(ask->projector->live, &filter, &jobs);
    if (jobs.count > 0) {
        dk_live_jobs_row(&jobs, 0, &ask->arena, &row);
        note_blob(ask, &row, found);
    }
    dk_live_jobs_close(&jobs);
    if (found->any)
        return DK_OK;
    view = dk_history_view_open(ask->projector->history);
    status = dk_history_query(view, &filter, NULL, 0, visit_script, &looking, &ask->err);
    dk_history_view_close(view);
    return status;
}

/* Who had it erased, when and why. */
static enum dk_status fail_erased(struct dk_ask *ask, const struct dk_erasure *erasure,
                                  const char *what)
{
    time_t seconds = (time_t)(erasure->time / 1000000);
    char when[40] = "";
    struct tm parts;

    if (localtime_r(&seconds, &parts) != NULL)
        (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &parts);
    return dk_fail(&ask->err, DK_END, "the %s of job %lld was erased on %s by %.*s%s%.*s", what,
                   (long long)ask->job, when, (int)erasure->by_user.size, erasure->by_user.data,
                   erasure->why.size > 0 ? ": " : "", (int)erasure->why.size, erasure->why.data);
}

/* What was erased stays so when the same bytes are given again. Who submits within the microsecond
 * of an erasure has it if it is there. */
static enum dk_status get_given(struct dk_ask *ask, const struct found *found, const char *what,
                                struct dk_buf *out)
{
    struct dk_erasure erasure;
    bool is_erased = dk_live_erasure(ask->projector->live, found->uid, found->submit, &erasure);
    enum dk_status status;

    if (is_erased && erasure.time > found->submit)
        return fail_erased(ask, &erasure, what);
    status = dk_vault_get(ask->projector->vault, found->uid, found->digest, out, &ask->err);
    return is_erased && (status == DK_END || status == DK_NOT_FOUND)
               ? fail_erased(ask, &erasure, what)
               : status;
}

enum dk_status dk_answer_script(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    const char *what = ask->what != NULL ? ask->what : "script";
    struct found found = { 0 };
    enum dk_status status;

    if (strcmp(what, "script") != 0 && strcmp(what, "environment") != 0 &&
        strcmp(what, "arguments") != 0)
        return dk_fail(&ask->err, DK_INVALID,
                       "what is '%s', not one of script, environment, arguments", what);
    *seq = dk_live_seq(ask->projector->live);
    status = find_job(ask, &found);
    if (status != DK_OK)
        return status;
    if (!found.any)
        return dk_fail(&ask->err, DK_NOT_FOUND, "there is no job %lld", (long long)ask->job);
    if (found.uid != dk_http_peer(ask->exchange).uid && !dk_ask_is_operator(ask))
        return dk_fail(&ask->err, DK_NOT_PERMITTED,
                       "the %s of job %lld is for its owner and operators", what,
                       (long long)ask->job);
    if (found.size == 0)
        return dk_fail(&ask->err, DK_NOT_FOUND, "job %lld has no %s", (long long)ask->job, what);
    return get_given(ask, &found, what, out);
}

/* --- explanations --- */

static enum dk_status lock_core(struct dk_ask *ask, struct dk_explain_source *source)
{
    return dk_reasons_lock(ask->projector->reasons, dk_live_seq(ask->projector->live), source,
                           &ask->err);
}

enum dk_status dk_answer_explain_of(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_explain_question question = {
        .job = ask->job, .task = ask->task, .at_seq = (uint64_t)ask->at_seq, .at_time = ask->at_time
    };
    struct dk_explain_source source;
    enum dk_status status = lock_core(ask, &source);

    if (status != DK_OK)
        return status;
    *seq = source.seq;
    status = dk_answer_explain(&source, &question, out, &ask->err);
    dk_reasons_unlock(ask->projector->reasons);
    return status;
}

static bool priority_passes(void *context, int64_t job, int32_t uid, const char *user,
                            const char *partition)
{
    struct dk_ask *ask = context;
    static const struct dk_job_spec none;
    struct dk_job_row row = { .id = job,
                              .array_task = -1,
                              .uid = uid,
                              .user = dk_text_of(user),
                              .partition = dk_text_of(partition),
                              .spec = &none };

    return dk_job_filter_accepts(&ask->filter, &row);
}

enum dk_status dk_answer_priority_of(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_priority_question question = {
        .fields = ask->fields, .tsv = ask->tsv, .accepts = priority_passes, .context = ask
    };
    struct dk_explain_source source;
    enum dk_status status = lock_core(ask, &source);

    if (status != DK_OK)
        return status;
    *seq = source.seq;
    status = dk_answer_priority(&source, &question, out, &ask->err);
    dk_reasons_unlock(ask->projector->reasons);
    return status;
}

enum dk_status dk_answer_test_of(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_peer peer = dk_http_peer(ask->exchange);
    struct dk_actor actor = { .uid = peer.uid, .gid = peer.gid };
    struct passwd entry, *found = NULL;
    struct dk_explain_source source;
    char buffer[4096];
    size_t size;
    const uint8_t *body = dk_http_body(ask->exchange, &size);
    bool is_operator = dk_ask_is_operator(ask);
    enum dk_status status;

    if (peer.uid < 0)
        return dk_fail(&ask->err, DK_NOT_PERMITTED, "who asks is not proven on this socket");
    if (getpwuid_r((uid_t)peer.uid, &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
        actor.user = dk_text_of(found->pw_name);
    status = lock_core(ask, &source);
    if (status != DK_OK)
        return status;
    *seq = source.seq;
    status = dk_answer_test(&source, &actor, is_operator, body, size, out, &ask->err);
    dk_reasons_unlock(ask->projector->reasons);
    return status;
}

/* --- how we are --- */

static void gauge_nodes(struct dk_gauges *gauges, const struct dk_live_site *site)
{
    for (uint32_t i = 0; i < site->node_count; i++) {
        const struct dk_node_row *row = &site->nodes[i];

        gauges->nodes.idle += row->state == DK_NODE_IDLE;
        gauges->nodes.mixed += row->state == DK_NODE_MIXED;
        gauges->nodes.allocated += row->state == DK_NODE_ALLOCATED;
        gauges->nodes.draining += row->state == DK_NODE_DRAINING;
        gauges->nodes.drained += row->state == DK_NODE_DRAINED;
        gauges->nodes.down += row->state == DK_NODE_DOWN;
        gauges->nodes.lost += row->state == DK_NODE_LOST;
        gauges->nodes.unknown += row->state == DK_NODE_UNKNOWN;
        gauges->cores += row->cores;
        gauges->cores_used += row->cores_used;
        gauges->gpus += row->gpus;
        gauges->gpus_used += row->gpus_used;
        gauges->memory_mib += row->memory;
        gauges->memory_mib_used += row->memory_used;
    }
}

/* The partitions' part lives in the ask's arena; their names as long as the view. */
static void gauge(struct dk_ask *ask, struct dk_gauges *gauges)
{
    struct dk_projector *projector = ask->projector;
    struct dk_gauges_partition *partitions;
    struct dk_prover_stats credentials;
    struct dk_history_stat stat;
    struct dk_live_site site;

    *gauges = (struct dk_gauges){ .now = dk_projector_now(),
                                  .started = projector->started,
                                  .seq_log = atomic_load(&projector->seq_log),
                                  .http_requests = atomic_load(&projector->questions),
                                  .http_failed = atomic_load(&projector->failed),
                                  .http_waiting = dk_waits_count(projector->waits),
                                  .orders = dk_live_orders_outstanding(projector->live),
                                  .history_seq = dk_history_seq(projector->history) };
    dk_prover_stats(projector->prover, &credentials);
    gauges->credentials.good = credentials.proven;
    gauges->credentials.refused = credentials.refused;
    gauges->credentials.unavailable = credentials.unavailable;
    dk_live_counts(projector->live, gauges->jobs);
    dk_live_site_open(projector->live, &site);
    gauge_nodes(gauges, &site);
    partitions = dk_arena_take(&ask->arena, (site.partition_count + 1) * sizeof(*partitions));
    for (uint32_t i = 0; i < site.partition_count; i++)
        partitions[i] = (struct dk_gauges_partition){
            .name = site.partitions[i].name,
            .jobs_pending = (uint64_t)site.partitions[i].jobs_pending,
            .jobs_running = (uint64_t)site.partitions[i].jobs_running,
            .cores = site.partitions[i].cores,
            .cores_used = site.partitions[i].cores_used,
        };
    gauges->partitions = partitions;
    gauges->partition_count = site.partition_count;
    dk_live_site_close(&site);
    dk_history_stat(projector->history, &stat);
    gauges->history_rows = stat.rows;
    gauges->history_bytes = stat.bytes_disk;
}

static enum dk_status write_metrics(struct dk_ask *ask, struct dk_buf *out, int64_t *seq,
                                    bool (*write)(const struct dk_metrics *,
                                                  const struct dk_gauges *, struct dk_buf *))
{
    struct dk_projector *projector = ask->projector;
    struct dk_metrics *metrics = dk_arena_take(&ask->arena, sizeof(*metrics));
    struct dk_gauges gauges;

    gauge(ask, &gauges);
    DK_CHECK(pthread_mutex_lock(&projector->metrics_lock) == 0);
    *metrics = projector->metrics;
    DK_CHECK(pthread_mutex_unlock(&projector->metrics_lock) == 0);
    *seq = metrics->seq;
    return write(metrics, &gauges, out) ? DK_OK
                                        : dk_fail(&ask->err, DK_TOO_LARGE, "too many numbers");
}

enum dk_status dk_answer_metrics(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    return write_metrics(ask, out, seq, dk_metrics_write);
}

enum dk_status dk_answer_stats(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    return write_metrics(ask, out, seq, dk_stats_write);
}

static void add_field(struct dk_buf *out, const char *name, int64_t value)
{
    (void)dk_buf_add_text(out, name);
    (void)dk_json_integer(out, value);
}

enum dk_status dk_answer_status(struct dk_ask *ask, struct dk_buf *out, int64_t *seq)
{
    struct dk_projector *projector = ask->projector;
    uint64_t jobs[DK_ROW_STATE_COUNT];
    struct dk_prover_stats credentials;
    int32_t epoch;

    dk_live_counts(projector->live, jobs);
    *seq = dk_live_seq(projector->live);
    DK_CHECK(pthread_mutex_lock(&projector->metrics_lock) == 0);
    epoch = projector->metrics.epoch;
    DK_CHECK(pthread_mutex_unlock(&projector->metrics_lock) == 0);
    add_field(out, "{\"seq\":", *seq);
    add_field(out, ",\"time\":", dk_live_time(projector->live));
    add_field(out, ",\"epoch\":", epoch);
    (void)dk_buf_add_text(out, ",\"cluster\":");
    (void)dk_json_text(out, dk_live_cluster(projector->live));
    (void)dk_buf_add_text(out, ",\"part\":\"projector\",\"version\":");
    (void)dk_json_text(out, dk_text_of(projector->options->version));
    add_field(out, ",\"pid\":", getpid());
    add_field(out, ",\"started\":", projector->started);
    (void)dk_buf_add_text(out, ",\"reading_the_log\":");
    (void)dk_buf_add_text(out, atomic_load(&projector->caught_up) ? "false" : "true");
    add_field(out, ",\"jobs_pending\":", (int64_t)jobs[DK_ROW_PENDING]);
    add_field(out, ",\"jobs_running\":", (int64_t)(jobs[DK_ROW_RUNNING] + jobs[DK_ROW_COMPLETING]));
    dk_prover_stats(projector->prover, &credentials);
    add_field(out, ",\"credentials_good\":", (int64_t)credentials.proven);
    add_field(out, ",\"credentials_refused\":", (int64_t)credentials.refused);
    add_field(out, ",\"credentials_unavailable\":", (int64_t)credentials.unavailable);
    (void)dk_buf_add_text(out, "}\n");
    return DK_OK;
}
