/* projector.c - the folder: batch after batch from the log into the views (projector.h)
 *
 * A batch becomes visible as one: under the live view's lock its events are applied, and the runs
 * that ended in it are committed to history. Then who waits is told. While the log is read for the
 * first time nobody is told anything, and history is committed once for many batches. */
#define _GNU_SOURCE
#include "projections/projector_inside.h"

#include "base/check.h"
#include "controller/browse.h"
#include "event/event.h"
#include "log/log.h"
#include "net/journal.h"
#include "projections/past.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    COMMIT_EVERY = 4096,
    SAVE_EVERY = 65536,
    REST_EVERY_S = 5,
    REST_AFTER = 1000, /* events and questions since the last rest, that make another worth it */
    WORKERS = 2,
    STOP_STEP_MS = 50,
    AWAY_MS = 1000,      /* between questions to a log whose brokers do not answer */
    AWAY_TOLD_MS = 3000, /* so long, and agents are told to ask another projector */
    LOOK_MS = 3000 /* a log that is elsewhere is asked so often whether there is really nothing */
};

struct folder {
    struct dk_projector *projector;
    struct dk_log_reader *reader;
    struct dk_arena arena;
    uint32_t *nodes; /* with something new in this batch */
    uint32_t node_count, node_capacity;
    int64_t uncommitted;  /* events since history was committed */
    int64_t away_since;   /* the brokers do not answer, microseconds since 1970; 0: they do */
    int64_t rested;       /* when memory was given back, microseconds since 1970 */
    uint64_t rested_work; /* so much had been done then */
    int64_t saved_seq;    /* of the live views on disk, or on their way there */
    struct dk_buf saving; /* the saver's while `saver_runs` */
    int64_t saving_seq;
    bool saver_was_made;
    _Atomic bool saver_runs;
    pthread_t saver;
    bool history_changed;
    _Atomic bool stopped;
    pthread_t thread; /* the folder's own, to be woken */
    pthread_t stopper;
    _Atomic bool stop;
};

int64_t dk_projector_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- what the live view tells --- */

static void on_ended(void *context, const struct dk_job_row *row)
{
    struct folder *folder = context;

    dk_history_ended(folder->projector->history, row);
    if (folder->projector->building != NULL)
        dk_history_ended(folder->projector->building, row);
    folder->history_changed = true;
}

static void on_requeued(void *context, const struct dk_job_row *row)
{
    struct folder *folder = context;

    dk_history_requeued(folder->projector->history, row);
    if (folder->projector->building != NULL)
        dk_history_requeued(folder->projector->building, row);
    folder->history_changed = true;
}

static void on_started(void *context, int64_t wait_us)
{
    struct dk_projector *projector = ((struct folder *)context)->projector;

    DK_CHECK(pthread_mutex_lock(&projector->metrics_lock) == 0);
    dk_metrics_started(&projector->metrics, wait_us);
    DK_CHECK(pthread_mutex_unlock(&projector->metrics_lock) == 0);
}

static void on_ordered(void *context, uint32_t node)
{
    struct folder *folder = context;

    if (folder->node_count > 0 && folder->nodes[folder->node_count - 1] == node)
        return;
    if (folder->node_count == folder->node_capacity) {
        folder->node_capacity = folder->node_capacity > 0 ? folder->node_capacity * 2 : 256;
        folder->nodes = realloc(folder->nodes, folder->node_capacity * sizeof(*folder->nodes));
        DK_CHECK(folder->nodes != NULL);
    }
    folder->nodes[folder->node_count++] = node;
}

/* --- a batch --- */

static enum dk_status commit(struct folder *folder, int64_t seq, struct dk_err *err)
{
    struct dk_projector *projector = folder->projector;
    enum dk_status status = dk_history_commit(projector->history, seq, err);

    if (status == DK_OK && projector->building != NULL)
        status = dk_history_commit(projector->building, seq, err);
    if (status != DK_OK) { /* nothing of it is lost: the next commit has it */
        dk_journal(DK_JOURNAL_ERROR, "history: %s", err->text);
        return status == DK_FULL || status == DK_IO ? DK_OK : status;
    }
    folder->uncommitted = 0;
    folder->history_changed = false;
    return DK_OK;
}

/* --- the vault --- */

static enum dk_status tell_erased(void *context, const struct dk_event *event, struct dk_err *err)
{
    (void)err;
    if (event->type == DK_EVENT_SECRETS_ERASED)
        dk_replica_erased(context, event->secrets_erased.uid, (uint64_t)event->meta.seq);
    return DK_OK;
}

static enum dk_status tell_all_erased(void *context, struct dk_replica *replica, uint64_t seq,
                                      struct dk_err *err)
{
    const struct dk_projector *projector = context;

    return dk_log_browse(projector->options->place->log_uri, seq + 1, tell_erased, replica, err);
}

static void say_replica(void *context, const char *text)
{
    (void)context;
    dk_journal(DK_JOURNAL_INFO, "%s", text);
}

/* Of a log in a folder the controller keeps it, and we read; on Kafka each host has a copy. */
static enum dk_status open_vault(struct dk_projector *projector, struct dk_err *err)
{
    const struct dk_place *place = projector->options->place;
    struct dk_replica_options options = { .log_uri = place->log_uri,
                                          .dir = place->dir,
                                          .look_through = tell_all_erased,
                                          .ctx = projector,
                                          .say = say_replica };
    enum dk_status status;

    if (strncmp(place->log_uri, "kafka:", 6) != 0)
        return dk_vault_open(&projector->vault, place->dir, NULL, false, err);
    status = dk_cluster_key_open(&projector->key, place->dir, false, err);
    options.key = projector->key;
    if (status == DK_OK)
        status = dk_replica_open(&projector->replica, &options, err);
    if (status == DK_OK)
        projector->vault = dk_replica_vault(projector->replica);
    return status;
}

/* --- folding --- */

static enum dk_status apply_event(struct folder *folder, const struct dk_log_record *record,
                                  struct dk_err *err)
{
    struct dk_projector *projector = folder->projector;
    struct dk_event event;
    enum dk_status status;

    dk_arena_reset(&folder->arena);
    status = dk_event_decode(record->data, record->size, &folder->arena, &event, err);
    if (status != DK_OK)
        return status;
    dk_live_apply(projector->live, &event);
    if (event.type == DK_EVENT_STEP_STARTED || event.type == DK_EVENT_STEP_ENDED) {
        dk_history_step(projector->history, &event);
        if (projector->building != NULL)
            dk_history_step(projector->building, &event);
        folder->history_changed = true;
    }
    if (event.type == DK_EVENT_SECRETS_ERASED && projector->replica == NULL)
        dk_vault_retire(projector->vault, event.secrets_erased.uid, (uint64_t)event.meta.seq);
    else if (event.type == DK_EVENT_SECRETS_ERASED)
        (void)tell_erased(projector->replica, &event, NULL);
    DK_CHECK(pthread_mutex_lock(&projector->metrics_lock) == 0);
    dk_metrics_event(&projector->metrics, &event);
    DK_CHECK(pthread_mutex_unlock(&projector->metrics_lock) == 0);
    return DK_OK;
}

static void save_views(struct folder *folder);

static enum dk_status apply_batch(struct folder *folder, const struct dk_log_batch *batch,
                                  struct dk_err *err)
{
    struct dk_projector *projector = folder->projector;
    int64_t seq = (int64_t)(batch->seq_first + batch->count - 1);
    bool live = atomic_load(&projector->caught_up);
    enum dk_status status = DK_OK;

    dk_live_begin(projector->live);
    for (uint32_t i = 0; status == DK_OK && i < batch->count; i++)
        status = apply_event(folder, &batch->records[i], err);
    folder->uncommitted += batch->count;
    if (status == DK_OK &&
        ((live && folder->history_changed) || folder->uncommitted >= COMMIT_EVERY))
        status = commit(folder, seq, err);
    dk_live_end(projector->live);
    if (status != DK_OK)
        return status;
    atomic_store(&projector->seq_log, seq);
    if (projector->replica != NULL)
        dk_replica_seen(projector->replica, (uint64_t)seq);
    if (live) {
        dk_waits_wake(projector->waits, seq, folder->nodes, folder->node_count);
        dk_reasons_note(projector->reasons, seq);
    }
    folder->node_count = 0;
    if (seq - folder->saved_seq >= SAVE_EVERY && projector->building == NULL)
        save_views(folder);
    return DK_OK;
}

/* --- the live views on disk --- */

static void *save_thread(void *context)
{
    struct folder *folder = context;
    struct dk_err err;

    if (dk_past_save(folder->projector->options->place, folder->saving_seq, &folder->saving,
                     &err) != DK_OK)
        dk_journal(DK_JOURNAL_WARNING, "the live views are not saved: %s", err.text);
    dk_buf_release(&folder->saving);
    atomic_store(&folder->saver_runs, false);
    return NULL;
}

static void saver_join(struct folder *folder)
{
    if (folder->saver_was_made)
        DK_CHECK(pthread_join(folder->saver, NULL) == 0);
    folder->saver_was_made = false;
}

/* After history is safe at a seq that is not before. Copied here, in a few milliseconds; compressed
 * and written by a thread of its own. */
static void save_views(struct folder *folder)
{
    struct dk_projector *projector = folder->projector;
    struct dk_err err;

    if (atomic_load(&folder->saver_runs) || folder->history_changed)
        return;
    if (folder->uncommitted > 0 && commit(folder, dk_live_seq(projector->live), &err) != DK_OK)
        return;
    if (folder->uncommitted > 0 || dk_history_save(projector->history, &err) != DK_OK)
        return;
    saver_join(folder);
    dk_buf_init(&folder->saving, &dk_heap, (size_t)4 << 30);
    dk_past_write(projector->live, &projector->metrics, &folder->saving);
    folder->saved_seq = folder->saving_seq = dk_live_seq(projector->live);
    atomic_store(&folder->saver_runs, true);
    folder->saver_was_made = true;
    DK_CHECK(pthread_create(&folder->saver, NULL, save_thread, folder) == 0);
}

/* The end of the log for the first time: from here on questions are answered. */
static enum dk_status catch_up_done(struct folder *folder, struct dk_err *err)
{
    struct dk_projector *projector = folder->projector;
    int64_t seq = atomic_load(&projector->seq_log);
    enum dk_status status;

    dk_live_begin(projector->live);
    dk_live_serve(projector->live);
    status = commit(folder, seq, err);
    dk_live_end(projector->live);
    if (status == DK_OK && projector->building != NULL) {
        status = dk_history_promote(projector->history, projector->building, err);
        if (status == DK_OK)
            projector->building = NULL;
    }
    if (status != DK_OK)
        return status;
    atomic_store(&projector->caught_up, true);
    dk_waits_wake(projector->waits, seq, NULL, 0);
    dk_reasons_note(projector->reasons, seq);
    dk_journal(DK_JOURNAL_INFO, "at seq %lld, after %lld ms", (long long)seq,
               (long long)((dk_projector_now() - projector->started) / 1000));
    return DK_OK;
}

/* After much work, when there is nothing to read: memory that is free goes back to the system. How
 * long to sleep then: for a rest that is not due yet, or for ever. */
static int rest(struct folder *folder)
{
    struct dk_projector *projector = folder->projector;
    int64_t now = dk_projector_now(), due = folder->rested + (int64_t)REST_EVERY_S * 1000000;
    uint64_t work = (uint64_t)atomic_load(&projector->seq_log) + atomic_load(&projector->questions);

    if (work < folder->rested_work + REST_AFTER)
        return -1;
    if (now < due && folder->rested <= now)
        return (int)((due - now) / 1000) + 1;
    dk_reasons_rest(projector->reasons);
    dk_heap_rest();
    folder->rested = now;
    folder->rested_work = work;
    return -1;
}

/* Is what we know still what the cluster knows? An agent that asks a projector that is cut off
 * would wait for orders that only the others have. */
static void note_away(struct folder *folder, bool is_away)
{
    struct dk_projector *projector = folder->projector;
    int64_t now = dk_projector_now();

    if (!is_away) {
        if (folder->away_since != 0 && atomic_exchange(&projector->is_away, false))
            dk_journal(DK_JOURNAL_INFO, "the log's brokers answer again");
        folder->away_since = 0;
        return;
    }
    if (folder->away_since == 0 || now < folder->away_since)
        folder->away_since = now;
    if (now - folder->away_since < (int64_t)AWAY_TOLD_MS * 1000 || atomic_load(&projector->is_away))
        return;
    dk_journal(DK_JOURNAL_WARNING,
               "the log's brokers do not answer: agents are sent to other projectors");
    atomic_store(&projector->is_away, true);
    dk_waits_nodes_over(projector->waits);
}

/* Until there is something to read. Of a log in files we are told; a link that is cut says nothing.
 */
static enum dk_status sleep_on(struct folder *folder, struct dk_err *err)
{
    int ms = rest(folder);

    if (dk_log_reader_fd(folder->reader) >= 0 && (ms < 0 || ms > LOOK_MS))
        ms = LOOK_MS;
    return dk_log_reader_wait(folder->reader, ms, err);
}

static enum dk_status fold(struct folder *folder, struct dk_err *err)
{
    while (!atomic_load(&folder->stop)) {
        struct dk_log_batch batch;
        enum dk_status status = dk_log_reader_next(folder->reader, &batch, err);

        note_away(folder, status == DK_AWAY);
        if (status == DK_OK)
            status = apply_batch(folder, &batch, err);
        else if (status == DK_AGAIN && !atomic_load(&folder->projector->caught_up))
            status = catch_up_done(folder, err);
        else if (status == DK_AGAIN)
            status = sleep_on(folder, err);
        else if (status == DK_AWAY)
            status = dk_log_reader_wait(folder->reader, AWAY_MS, err);
        if (status != DK_OK && status != DK_AGAIN)
            return status;
    }
    return DK_OK;
}

/* --- stopping: the folder sleeps on a futex, which a signal interrupts --- */

static void interrupt(int number)
{
    (void)number;
}

static void *wait_for_stop(void *context)
{
    struct folder *folder = context;
    struct pollfd fd = { .fd = folder->projector->options->stop_fd, .events = POLLIN };

    while (poll(&fd, 1, -1) < 0 && errno == EINTR)
        ;
    atomic_store(&folder->stop, true);
    while (!atomic_load(
        &folder->stopped)) { /* it may just be about to sleep: again until it has seen it */
        (void)pthread_kill(folder->thread, SIGUSR2);
        (void)nanosleep(&(struct timespec){ .tv_nsec = STOP_STEP_MS * 1000000 }, NULL);
    }
    return NULL;
}

/* --- beginning and end --- */

static enum dk_status open_history(struct dk_projector *projector, struct dk_err *err)
{
    char path[DK_PLACE_PATH_MAX + 64];
    enum dk_status status;

    dk_place_path(projector->options->place, "views", path);
    status = dk_history_open(&projector->history, path, err);
    if (status != DK_OK)
        return status;
    if (dk_history_was_damaged(projector->history))
        dk_journal(DK_JOURNAL_WARNING, "history was damaged and is built anew from the log");
    if (dk_history_is_current(projector->history))
        return DK_OK;
    dk_journal(DK_JOURNAL_INFO, "history is of an older version; a new one is built beside it");
    return dk_history_open_building(&projector->building, path, err);
}

/* From what was saved, unless a history is being built from the beginning. */
static enum dk_status open_live(struct folder *folder, const struct dk_live_hooks *hooks,
                                struct dk_err *err)
{
    struct dk_projector *projector = folder->projector;
    const struct dk_place *place = projector->options->place;

    if (projector->building == NULL)
        dk_past_restore(&projector->live, &projector->metrics, place, hooks,
                        dk_history_seq(projector->history));
    if (projector->live == NULL)
        projector->live = dk_live_create(hooks);
    folder->saved_seq = dk_live_seq(projector->live);
    atomic_store(&projector->seq_log, folder->saved_seq);
    return dk_log_reader_open(&folder->reader, place->log_uri, (uint64_t)folder->saved_seq + 1,
                              err);
}

static enum dk_status open_all(struct folder *folder, struct dk_err *err)
{
    struct dk_projector *projector = folder->projector;
    const struct dk_place *place = projector->options->place;
    struct dk_http_options http = { .socket = place->query,
                                    .mode = 0666,
                                    .tcp = place->listen_query,
                                    .connections_max = 32768,
                                    .handler = dk_query_handle,
                                    .context = projector };
    const struct dk_live_hooks hooks = { .ended = on_ended,
                                         .requeued = on_requeued,
                                         .started = on_started,
                                         .ordered = on_ordered,
                                         .context = folder };
    enum dk_status status = dk_reasons_open(&projector->reasons, place, err);

    if (status == DK_OK)
        status = open_history(projector, err);
    if (status == DK_OK)
        status = open_live(folder, &hooks, err);
    if (status == DK_OK)
        status = open_vault(projector, err);
    if (status != DK_OK)
        return status;
    projector->groups = dk_groups_create();
    projector->waits = dk_waits_create(projector);
    projector->workers = dk_workers_create(projector, WORKERS);
    if (place->listen_query[0] != '\0') {
        projector->who = dk_who_create();
        projector->prover = dk_prover_create(
            &(struct dk_prover_options){ .munge = &place->munge, .who = projector->who });
    }
    return dk_http_start(&projector->server, &http, err);
}

static void more_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void close_all(struct folder *folder)
{
    struct dk_projector *projector = folder->projector;
    struct dk_err err;

    dk_waits_stop(projector->waits); /* from here on who would wait is answered at once */
    dk_workers_stop(projector->workers);
    dk_prover_stop(projector->prover); /* last: the others' answers may go through it */
    dk_http_stop(projector->server);
    dk_prover_destroy(projector->prover);
    dk_who_destroy(projector->who);
    dk_waits_destroy(projector->waits);
    dk_workers_destroy(projector->workers);
    dk_reasons_close(projector->reasons);
    dk_groups_destroy(projector->groups);
    saver_join(folder);
    if (projector->live != NULL && atomic_load(&projector->caught_up) &&
        projector->building == NULL && dk_live_seq(projector->live) > folder->saved_seq)
        save_views(folder);
    saver_join(folder);
    if (projector->history != NULL && dk_history_save(projector->history, &err) != DK_OK)
        dk_journal(DK_JOURNAL_WARNING, "history: %s", err.text);
    dk_history_close(projector->building);
    dk_history_close(projector->history);
    if (projector->replica != NULL)
        dk_replica_close(projector->replica);
    else
        dk_vault_close(projector->vault);
    dk_cluster_key_close(projector->key);
    dk_live_destroy(projector->live);
    dk_log_reader_close(folder->reader);
    dk_arena_release(&folder->arena);
    free(folder->nodes);
}

enum dk_status dk_projector_run(const struct dk_projector_options *options, struct dk_err *err)
{
    static struct dk_projector projector;
    struct folder folder = { .projector = &projector, .thread = pthread_self() };
    struct sigaction action = { .sa_handler = interrupt };
    enum dk_status status;

    projector = (struct dk_projector){ .options = options,
                                       .own_uid = (int32_t)getuid(),
                                       .started = dk_projector_now() };
    DK_CHECK(pthread_mutex_init(&projector.metrics_lock, NULL) == 0);
    DK_CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    dk_arena_init(&folder.arena, &dk_heap);
    more_descriptors();
    status = open_all(&folder, err);
    if (status == DK_OK) {
        DK_CHECK(pthread_create(&folder.stopper, NULL, wait_for_stop, &folder) == 0);
        status = fold(&folder, err);
        atomic_store(&folder.stopped, true);
        if (status == DK_OK)
            DK_CHECK(pthread_join(folder.stopper, NULL) == 0);
        else
            (void)pthread_detach(folder.stopper);
    }
    close_all(&folder);
    return status;
}
