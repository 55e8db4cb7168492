/* audit.c - what was published, and what was told of it (sim.h; processes: audit_run.c)
 *
 * Keeps a copy of all that a reader of the log ever saw. Shares no code with what it judges, but
 * for the port's reader, the decoder and the fold at the end, which are judged against that copy.
 * The rules of the events themselves are those of tests/harness/auditor.h. */
#include "sim.h"

#include "auditor.h"
#include "batch/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen_batch {
    uint64_t seq_first, hash;
    uint32_t count, epoch;
};

struct seen_event {
    size_t offset;
    uint32_t size;
};

struct key {
    int64_t job;
    int32_t uid;
    uint32_t size;
    uint8_t bytes[32];
};

struct audit {
    struct auditor *auditor; /* of events */
    struct audit_runs *runs;
    struct dk_log_reader *reader;
    struct dk_buf bytes;
    struct seen_event *events; /* by seq - 1 */
    uint64_t event_count, event_capacity;
    struct seen_batch *batches;
    uint64_t batch_count, batch_capacity;
    struct key *keys;
    uint64_t key_count, key_capacity;
    struct dk_arena arena;
    char writers[4096][8]; /* by epoch */
};

struct audit *audit_create(void)
{
    struct audit *audit = calloc(1, sizeof(*audit));

    DK_CHECK(audit != NULL);
    audit->auditor = auditor_create();
    audit->runs = audit_runs_create();
    dk_buf_init(&audit->bytes, &dk_heap, (size_t)1 << 30);
    dk_arena_init(&audit->arena, &dk_heap);
    return audit;
}

void audit_destroy(struct audit *audit)
{
    if (audit == NULL)
        return;
    auditor_destroy(audit->auditor);
    audit_runs_destroy(audit->runs);
    dk_log_reader_close(audit->reader);
    dk_buf_release(&audit->bytes);
    dk_arena_release(&audit->arena);
    free(audit->events);
    free(audit->batches);
    free(audit->keys);
    free(audit);
}

/* --- what is published --- */

static uint64_t hash_of(const struct dk_log_batch *batch)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ batch->epoch;

    for (uint32_t i = 0; i < batch->count; i++)
        for (uint32_t k = 0; k < batch->records[i].size; k++)
            hash = (hash ^ batch->records[i].data[k]) * UINT64_C(0x100000001b3);
    return hash;
}

static void note_key(struct audit *audit, const struct dk_event *event)
{
    const struct dk_job_submitted *submitted = &event->job_submitted;
    struct key *key;

    if (submitted->key.size == 0 || submitted->key.size > sizeof(key->bytes))
        return;
    for (uint64_t i = 0; i < audit->key_count; i++)
        if (audit->keys[i].uid == event->meta.actor.uid &&
            audit->keys[i].size == submitted->key.size &&
            memcmp(audit->keys[i].bytes, submitted->key.data, submitted->key.size) == 0)
            sim_fault("seq %lld: job %lld has the key that was admitted as job %lld",
                      (long long)event->meta.seq, (long long)submitted->job,
                      (long long)audit->keys[i].job);
    if (audit->key_count == audit->key_capacity) {
        audit->key_capacity = audit->key_capacity * 2 + 64;
        audit->keys = realloc(audit->keys, audit->key_capacity * sizeof(*audit->keys));
        DK_CHECK(audit->keys != NULL);
    }
    key = &audit->keys[audit->key_count++];
    *key = (struct key){ .job = submitted->job,
                         .uid = event->meta.actor.uid,
                         .size = submitted->key.size };
    memcpy(key->bytes, submitted->key.data, submitted->key.size);
}

static void print(const struct dk_event *event)
{
    struct dk_buf line;

    if (!sim->options.trace)
        return;
    dk_buf_init(&line, &dk_heap, (size_t)1 << 20);
    if (dk_event_print(event, &line))
        printf("              %.*s\n", line.size > 400 ? 400 : (int)line.size,
               (const char *)line.data);
    dk_buf_release(&line);
}

static void note_event(struct audit *audit, const struct dk_log_record *record)
{
    struct dk_event event;
    struct dk_err err;

    if (audit->event_count == audit->event_capacity) {
        audit->event_capacity = audit->event_capacity * 2 + 1024;
        audit->events = realloc(audit->events, audit->event_capacity * sizeof(*audit->events));
        DK_CHECK(audit->events != NULL);
    }
    audit->events[audit->event_count++] = (struct seen_event){ audit->bytes.size, record->size };
    DK_CHECK(dk_buf_add(&audit->bytes, record->data, record->size));
    sim->sum.events++;
    dk_arena_reset(&audit->arena);
    if (dk_event_decode(record->data, record->size, &audit->arena, &event, &err) != DK_OK) {
        sim_fault("the log has an event that can't be read: %s", err.text);
        return;
    }
    if ((uint64_t)event.meta.seq != audit->event_count)
        sim_fault("the event at %llu says that it is seq %lld",
                  (unsigned long long)audit->event_count, (long long)event.meta.seq);
    print(&event);
    if (event.type == DK_EVENT_JOB_SUBMITTED)
        note_key(audit, &event);
    auditor_event(audit->auditor, &event);
    if (auditor_fault(audit->auditor) != NULL)
        sim_fault("%s", auditor_fault(audit->auditor));
    audit_event(&event);
}

static void note_batch(struct audit *audit, const struct dk_log_batch *batch)
{
    const struct seen_batch *last =
        audit->batch_count > 0 ? &audit->batches[audit->batch_count - 1] : NULL;
    uint64_t hash = hash_of(batch);

    if (last != NULL && batch->epoch < last->epoch)
        sim_fault("seq %llu of epoch %u is visible after epoch %u: a fenced writer's",
                  (unsigned long long)batch->seq_first, batch->epoch, last->epoch);
    if (batch->seq_first != audit->event_count + 1)
        sim_fault("seq %llu follows %llu", (unsigned long long)batch->seq_first,
                  (unsigned long long)audit->event_count);
    if (audit->batch_count == audit->batch_capacity) {
        audit->batch_capacity = audit->batch_capacity * 2 + 256;
        audit->batches = realloc(audit->batches, audit->batch_capacity * sizeof(*audit->batches));
        DK_CHECK(audit->batches != NULL);
    }
    audit->batches[audit->batch_count++] =
        (struct seen_batch){ batch->seq_first, hash, batch->count, batch->epoch };
    sim_mix(&hash, sizeof(hash));
    for (uint32_t i = 0; i < batch->count && !sim_is_bad(); i++)
        note_event(audit, &batch->records[i]);
}

void audit_read(void)
{
    struct audit *audit = sim->audit;
    struct dk_log_batch batch;
    struct dk_err err = { 0 };
    enum dk_status status = DK_OK;

    if (audit->reader == NULL)
        status = dk_log_reader_open(&audit->reader, sim->uri, 1, &err);
    if (status != DK_OK)
        return; /* no log yet */
    while ((status = dk_log_reader_next(audit->reader, &batch, &err)) == DK_OK && !sim_is_bad())
        note_batch(audit, &batch);
    if (status != DK_AGAIN && status != DK_OK)
        sim_fault("the log can't be read on after seq %llu: %s",
                  (unsigned long long)audit->event_count, err.text);
}

static const struct seen_batch *batch_at(const struct audit *audit, uint64_t seq_first)
{
    uint64_t low = 0, high = audit->batch_count;

    if (audit->batches == NULL)
        return NULL;
    while (low < high) {
        uint64_t middle = (low + high) / 2;

        if (audit->batches[middle].seq_first < seq_first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < audit->batch_count && audit->batches[low].seq_first == seq_first
               ? &audit->batches[low]
               : NULL;
}

void audit_seen(const struct dk_log_batch *batch, const char *by)
{
    const struct seen_batch *seen;

    audit_read();
    seen = batch_at(sim->audit, batch->seq_first);
    if (seen == NULL || seen->count != batch->count || seen->hash != hash_of(batch))
        sim_fault("%s reads another batch at seq %llu than others did", by,
                  (unsigned long long)batch->seq_first);
}

void audit_reread(void)
{
    struct audit *audit = sim->audit;
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_err err = { 0 };
    enum dk_status status = dk_log_reader_open(&reader, sim->uri, 1, &err);
    uint64_t next = 1;

    while (status == DK_OK && (status = dk_log_reader_next(reader, &batch, &err)) == DK_OK) {
        const struct seen_batch *seen = batch_at(audit, batch.seq_first);

        if (batch.seq_first > audit->event_count)
            break; /* nobody has seen it yet */
        if (seen == NULL || seen->count != batch.count || seen->hash != hash_of(&batch))
            sim_fault("the batch at seq %llu is another one than it was",
                      (unsigned long long)batch.seq_first);
        next = batch.seq_first + batch.count;
    }
    if (status != DK_OK && status != DK_AGAIN && audit->event_count > 0)
        sim_fault("the log can't be read again: %s", err.text);
    else if (next <= audit->event_count)
        sim_fault("seq %llu to %llu were published, and are gone", (unsigned long long)next,
                  (unsigned long long)audit->event_count);
    dk_log_reader_close(reader);
    dk_log_reader_close(audit->reader);
    audit->reader = NULL;
    if (dk_log_reader_open(&reader, sim->uri, audit->event_count + 1, &err) == DK_OK)
        audit->reader = reader;
}

void audit_wrote(const char *who, uint32_t epoch)
{
    char *writer = sim->audit->writers[epoch % 4096];
    const char *number = who + strlen(who) - 1;

    if (writer[0] != '\0' && strcmp(writer, number) != 0)
        sim_fault("epoch %u is %s's and controller%s's", epoch, who, writer);
    (void)snprintf(writer, 8, "%s", number);
}

/* --- what was told --- */

static const char *result_at(struct dk_bytes body, uint32_t index, size_t *size)
{
    static const char head[] = "{\"result\":\"";
    const char *at = (const char *)body.data, *end = at + body.size, *found = NULL;

    for (; at + sizeof(head) < end; at++)
        if (memcmp(at, head, sizeof(head) - 1) == 0 && index-- == 0)
            found = at + sizeof(head) - 1;
    *size = found != NULL ? (size_t)(end - found) : 0;
    return found;
}

static int64_t number_in(const char *result, size_t size, const char *name)
{
    size_t length = strlen(name);

    for (size_t i = 0; i + length < size && result[i] != '}'; i++)
        if (memcmp(result + i, name, length) == 0)
            return strtoll(result + i + length, NULL, 10);
    return 0;
}

static bool key_is(struct dk_bytes left, struct dk_bytes right)
{
    return left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
}

static int64_t job_of_key(const struct audit *audit, int32_t uid, struct dk_bytes key)
{
    for (uint64_t i = 0; i < audit->key_count; i++)
        if (audit->keys[i].uid == uid && audit->keys[i].size == key.size &&
            memcmp(audit->keys[i].bytes, key.data, key.size) == 0)
            return audit->keys[i].job;
    return 0;
}

void audit_answered(int32_t uid, const struct dk_request *request, int64_t seq,
                    struct dk_bytes body, uint32_t index)
{
    struct audit *audit = sim->audit;
    struct dk_event event;
    const struct seen_event *seen;
    size_t size = 0;
    const char *result = result_at(body, index, &size);
    int64_t at = result != NULL ? number_in(result, size, "\"seq\":") : 0;
    int64_t job = result != NULL ? number_in(result, size, "\"job\":") : 0;

    audit_read();
    if ((uint64_t)seq > audit->event_count)
        sim_fault("an answer is of seq %lld, and the log ends at %llu", (long long)seq,
                  (unsigned long long)audit->event_count);
    if (at == 0 || sim_is_bad())
        return; /* a beat */
    if ((uint64_t)at > audit->event_count || at > seq) {
        sim_fault("seq %lld was acknowledged, and is not in the log", (long long)at);
        return;
    }
    seen = &audit->events[at - 1];
    dk_arena_reset(&audit->arena);
    DK_CHECK(dk_event_decode(audit->bytes.data + seen->offset, seen->size, &audit->arena, &event,
                             NULL) == DK_OK);
    if ((result[0] == 'a') != (event.type != DK_EVENT_REQUEST_REJECTED))
        sim_fault("the answer to a %s is not what seq %lld says", dk_request_name(request->type),
                  (long long)at);
    else if (request->type != DK_REQUEST_SUBMIT_JOB)
        return;
    else if (result[0] == 'a' &&
             (event.type != DK_EVENT_JOB_SUBMITTED || event.job_submitted.job != job ||
              !key_is(event.job_submitted.key, request->meta.key)))
        sim_fault("job %lld was acknowledged with seq %lld, which is another thing", (long long)job,
                  (long long)at);
    else if (result[0] == 'd' && job_of_key(audit, uid, request->meta.key) != job)
        sim_fault("a submission is answered as a duplicate of job %lld, which it is not",
                  (long long)job);
}

/* --- jobs --- */

uint64_t audit_event_count(void)
{
    return sim->audit->event_count;
}

int64_t audit_job_last(void)
{
    return auditor_job_last(sim->audit->auditor);
}

bool audit_job_is_over(int64_t job)
{
    return auditor_job_state(sim->audit->auditor, job) == 4;
}

uint64_t audit_jobs_left(void)
{
    return auditor_jobs_active(sim->audit->auditor);
}

bool audit_all_over(void)
{
    return audit_jobs_left() == 0;
}

/* --- at the end --- */

static const struct dk_core_options core_options = { .digest = true };

static uint64_t hash_state(const struct dk_core *core)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    struct dk_buf bytes;

    dk_buf_init(&bytes, &dk_heap, (size_t)1 << 28);
    dk_core_snapshot(core, &bytes);
    for (size_t i = 0; i < bytes.size; i++)
        hash = (hash ^ bytes.data[i]) * UINT64_C(0x100000001b3);
    dk_buf_release(&bytes);
    return hash;
}

/* Folds the log; `at` is the batch after which the core is taken away as bytes and put back, 0: it
 * is not. *state: when it would decide next, after each batch, and all of it, what is not in the
 * digest too, after batch `look`. */
static uint64_t fold_all(enum dk_fold_depth depth, uint64_t at, uint64_t look, uint64_t *state)
{
    struct dk_core *core = dk_core_create(&dk_heap, &core_options), *restored = NULL;
    struct dk_fold *fold = dk_fold_create(core, &dk_heap, depth, NULL, 0);
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_buf bytes;
    struct dk_err err = { 0 };
    enum dk_status status = dk_log_reader_open(&reader, sim->uri, 1, &err);
    uint64_t digest, count = 0;

    dk_buf_init(&bytes, &dk_heap, (size_t)1 << 28);
    while (status == DK_OK && (status = dk_log_reader_next(reader, &batch, &err)) == DK_OK) {
        status = dk_fold_batch(fold, &batch, &err);
        if (status == DK_OK && ++count == look)
            *state ^= hash_state(core);
        *state = *state * 31 + (uint64_t)dk_core_next_deadline(core);
        if (status != DK_OK || count != at)
            continue;
        dk_core_snapshot(core, &bytes);
        status = dk_core_restore(&restored, bytes.data, bytes.size, &dk_heap, &core_options, &err);
        if (status != DK_OK)
            break;
        dk_fold_destroy(fold);
        dk_core_destroy(core);
        core = restored;
        fold = dk_fold_create(core, &dk_heap, depth, batch.records[batch.count - 1].data,
                              batch.records[batch.count - 1].size);
    }
    if (status != DK_AGAIN)
        sim_fault("folding the log%s: %s", at > 0 ? " from a snapshot" : "", err.text);
    digest = dk_core_digest(core);
    dk_buf_release(&bytes);
    dk_log_reader_close(reader);
    dk_fold_destroy(fold);
    dk_core_destroy(core);
    return digest;
}

static const struct dk_core *leading_core(void)
{
    for (uint32_t i = 0; i < sim->controller_count; i++)
        if (sim_controller_leads(sim->controllers[i]))
            return sim_controller_core(sim->controllers[i]);
    sim_fault("nobody leads");
    return NULL;
}

/* A bad sector: what is read is what was written, or it is reported. */
void audit_bad_sector(void)
{
    struct audit *audit = sim->audit;
    struct dk_log_reader *reader = NULL;
    struct dk_log_batch batch;
    struct dk_err err = { 0 };
    enum dk_status status;
    uint64_t next = 1;

    sim_disk_flip();
    status = dk_log_reader_open(&reader, sim->uri, 1, &err);
    while (status == DK_OK && (status = dk_log_reader_next(reader, &batch, &err)) == DK_OK) {
        const struct seen_batch *seen = batch_at(audit, batch.seq_first);

        if (seen == NULL || seen->count != batch.count || seen->hash != hash_of(&batch))
            sim_fault("a bad bit is read as the batch at seq %llu",
                      (unsigned long long)batch.seq_first);
        next = batch.seq_first + batch.count;
    }
    if (status == DK_AGAIN && next <= audit->event_count)
        sim_fault("a bad bit hides seq %llu to %llu, and nobody is told", (unsigned long long)next,
                  (unsigned long long)audit->event_count);
    dk_log_reader_close(reader);
}

void audit_end(void)
{
    const struct dk_core *core = leading_core();
    struct dk_core_stats stats;
    uint64_t digest, decided = 0, applied = 0, look, at;

    if (core == NULL)
        return;
    audit_read();
    audit_reread();
    audit_run_end();
    look = 1 + sim_below(sim->audit->batch_count + 1);
    at = 1 + sim_below(sim->audit->batch_count + 1);
    digest = fold_all(DK_FOLD_VERIFY, 0, look, &decided);
    if (!sim_is_bad() && digest != dk_core_digest(core))
        sim_fault("the leader's core is not what the log makes of it");
    if (!sim_is_bad() && fold_all(DK_FOLD_APPLY, at, look, &applied) != digest)
        sim_fault("folding from a snapshot ends in another state");
    if (!sim_is_bad() && decided != applied)
        sim_fault("a core that only applied is not what one is that decided, in what is not "
                  "digested");
    dk_core_stats(core, &stats);
    if (!sim_is_bad() && (stats.cores != stats.cores_free || stats.gpus != stats.gpus_free))
        sim_fault("all jobs have ended, and %llu of %llu cores are free",
                  (unsigned long long)stats.cores_free, (unsigned long long)stats.cores);
}
