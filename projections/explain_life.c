/* explain_life.c - what the log says happened to a job, and at which seq
 *
 * A job's first event is found by its time, which views know: batches are in order of time, so the
 * log is searched by halves. From there it is read on. Reading stops at the job's end; where a job
 * waited so long that most of the log would be read, the middle is jumped over, and that is said.
 */
#include "projections/explain_parts.h"

#include <string.h>

struct reading {
    const struct dk_life_question *question;
    struct dk_life *life;
    struct dk_arena *arena;  /* of what is kept */
    struct dk_arena scratch; /* of the event at hand */
    uint64_t batch_first, batch_last;
    int64_t time; /* of the last event */
    bool over;    /* the job has ended */
    bool late;    /* it turned out to be the task of an array, whose events were passed over */
};

/* --- searching --- */

static enum dk_status batch_at(struct dk_log_reader *reader, uint64_t seq, uint64_t *first,
                               uint64_t *last, int64_t *time, struct dk_err *err)
{
    struct dk_log_batch batch;
    struct dk_event event;
    struct dk_arena arena;
    enum dk_status status = dk_log_reader_seek(reader, seq, err);

    dk_arena_init(&arena, &dk_heap);
    if (status == DK_OK)
        status = dk_log_reader_next(reader, &batch, err);
    if (status == DK_OK) {
        *first = batch.seq_first;
        *last = batch.seq_first + batch.count - 1;
        status = dk_event_decode(batch.records[batch.count - 1].data,
                                 batch.records[batch.count - 1].size, &arena, &event, err);
    }
    if (status == DK_OK)
        *time = event.meta.time;
    dk_arena_release(&arena);
    return status;
}

static enum dk_status seek_time(struct dk_log_reader *reader, uint64_t seq_limit, int64_t time,
                                uint64_t *seq, struct dk_err *err)
{
    uint64_t low = 1, high = seq_limit + 1; /* the batch wanted begins in low..high */

    while (low < high) {
        uint64_t first, last;
        int64_t here;
        enum dk_status status = batch_at(reader, low + (high - low) / 2, &first, &last, &here, err);

        if (status != DK_OK && status != DK_AGAIN)
            return status;
        if (status == DK_AGAIN || here >= time)
            high = status == DK_AGAIN ? low + (high - low) / 2 : first < low ? low : first;
        else
            low = last + 1;
    }
    *seq = low;
    return DK_OK;
}

enum dk_status dk_log_seek_time(const char *log_uri, uint64_t seq_limit, int64_t time,
                                uint64_t *seq, struct dk_err *err)
{
    struct dk_log_reader *reader = NULL;
    enum dk_status status = dk_log_reader_open(&reader, log_uri, 1, err);

    if (status == DK_OK)
        status = seek_time(reader, seq_limit, time, seq, err);
    dk_log_reader_close(reader);
    return status;
}

#define PROBE_EVENTS_MAX 20000u /* read on for an id, at one place of the log */
#define PROBE_NEAR 2000u        /* then it is read from there */

/* An id that is given out by this event; 0: none is. Ids ascend with seqs. */
static int64_t id_given(const struct dk_event *event)
{
    if (event->type == DK_EVENT_JOB_SUBMITTED)
        return event->job_submitted.job;
    if (event->type == DK_EVENT_JOB_PLACED && event->job_placed.array_job != 0 &&
        event->job_placed.attempt == 1)
        return event->job_placed.job;
    return 0;
}

/* The first id that is given out from the batch with `seq` on: *id, 0 when there is none near; and
 * where that batch begins. */
static enum dk_status id_from(struct dk_log_reader *reader, uint64_t seq, uint64_t *first,
                              int64_t *id, struct dk_err *err)
{
    struct dk_log_batch batch;
    struct dk_arena arena;
    enum dk_status status = dk_log_reader_seek(reader, seq, err);
    uint32_t read = 0;

    *id = 0;
    *first = 0;
    dk_arena_init(&arena, &dk_heap);
    while (status == DK_OK && *id == 0 && read < PROBE_EVENTS_MAX) {
        status = dk_log_reader_next(reader, &batch, err);
        for (uint32_t i = 0; status == DK_OK && i < batch.count && *id == 0; i++) {
            struct dk_event event;

            dk_arena_reset(&arena);
            status =
                dk_event_decode(batch.records[i].data, batch.records[i].size, &arena, &event, err);
            if (status == DK_OK)
                *id = id_given(&event);
        }
        if (status == DK_OK && *first == 0)
            *first = batch.seq_first;
        read += status == DK_OK ? batch.count : 0;
    }
    dk_arena_release(&arena);
    return status == DK_AGAIN ? DK_OK : status;
}

/* A seq at or before the event that gave out `job`; near it, where ids are given out often. */
static enum dk_status seek_id(struct dk_log_reader *reader, uint64_t seq_limit, int64_t job,
                              uint64_t *seq, struct dk_err *err)
{
    uint64_t low = 1, high = seq_limit + 1;

    while (high - low > PROBE_NEAR) {
        uint64_t middle = low + (high - low) / 2, first;
        int64_t id;
        enum dk_status status = id_from(reader, middle, &first, &id, err);

        if (status != DK_OK)
            return status;
        if (first <= low || id == 0)
            break; /* a batch that long, or nobody submitted for long: from `low` it is read */
        if (id > job)
            high = first;
        else
            low = first;
    }
    *seq = low;
    return DK_OK;
}

static enum dk_status find_id(const struct dk_life_question *question, uint64_t *seq,
                              struct dk_err *err)
{
    struct dk_log_reader *reader = NULL;
    enum dk_status status = dk_log_reader_open(&reader, question->log_uri, 1, err);

    if (status == DK_OK)
        status = seek_id(reader, question->seq_limit,
                         question->array_job != 0 ? question->array_job : question->job, seq, err);
    dk_log_reader_close(reader);
    return status;
}

/* --- which events are about it --- */

/* The job that an event is about; 0: none, or several. */
static int64_t job_of(const struct dk_event *event)
{
    switch ((int)event->type) { /* most are about no job */
    case DK_EVENT_JOB_SUBMITTED:
        return event->job_submitted.job;
    case DK_EVENT_JOB_PLACED:
        return event->job_placed.job;
    case DK_EVENT_JOB_ENDED:
        return event->job_ended.job;
    case DK_EVENT_JOB_END_REQUESTED:
        return event->job_end_requested.job;
    case DK_EVENT_JOB_HELD:
        return event->job_held.job;
    case DK_EVENT_JOB_RELEASED:
        return event->job_released.job;
    case DK_EVENT_JOB_REQUEUED:
        return event->job_requeued.job;
    case DK_EVENT_JOB_UPDATED:
        return event->job_updated.job;
    case DK_EVENT_JOB_SIGNALLED:
        return event->job_signalled.job;
    case DK_EVENT_ARRAY_TASKS_CANCELLED:
        return event->array_tasks_cancelled.job;
    default:
        return 0;
    }
}

/* A decoded event points into its bytes, and those of a batch are gone with the next one. */
static void keep(struct reading *reading, const struct dk_log_record *record)
{
    struct dk_life *life = reading->life;
    struct dk_event *event = dk_arena_take(reading->arena, sizeof(*event));
    uint8_t *bytes = dk_arena_take(reading->arena, record->size);

    memcpy(bytes, record->data, record->size);
    if (dk_event_decode(bytes, record->size, reading->arena, event, NULL) != DK_OK)
        return;
    if (life->count == life->capacity) {
        uint32_t capacity = life->capacity == 0 ? 16 : life->capacity * 2;
        const struct dk_event **grown = dk_arena_take(reading->arena, capacity * sizeof(*grown));

        if (life->count > 0)
            memcpy(grown, life->events, life->count * sizeof(*grown));
        life->events = grown;
        life->capacity = capacity;
    }
    life->events[life->count++] = event;
}

static void submitted_see(struct reading *reading, const struct dk_event *event)
{
    struct dk_life *life = reading->life;
    const struct dk_job_spec *spec = &event->job_submitted.spec;

    life->submitted = event;
    life->wait_count = spec->dependencies_count;
    life->waits =
        dk_arena_take(reading->arena, ((size_t)life->wait_count + 1) * sizeof(*life->waits));
    for (uint32_t i = 0; i < life->wait_count; i++)
        life->waits[i] = (struct dk_life_wait){ spec->dependencies[i], 0 };
}

/* An event of the job, kept: what it changes. */
static void life_see(struct reading *reading, const struct dk_event *event)
{
    struct dk_life *life = reading->life;
    int64_t job = reading->question->job;

    if (event->type == DK_EVENT_JOB_SUBMITTED)
        submitted_see(reading, event);
    if (job_of(event) != job)
        return;
    if (event->type == DK_EVENT_JOB_PLACED) {
        life->placed = event;
        life->placed_batch = reading->batch_first;
        life->placed_batch_last = reading->batch_last;
        life->end_requested = life->ended = NULL;
    } else if (event->type == DK_EVENT_JOB_END_REQUESTED) {
        life->end_requested = event;
    } else if (event->type == DK_EVENT_JOB_ENDED) {
        life->ended = event;
        /* An array that was cancelled may have tasks that live on. */
        reading->over = true;
    }
}

/* Somebody else's start or end may be what it waits for. */
static void others_see(struct reading *reading, const struct dk_event *event)
{
    struct dk_life *life = reading->life;
    int64_t job = job_of(event);

    for (uint32_t i = 0; i < life->wait_count; i++) {
        struct dk_life_wait *wait = &life->waits[i];
        bool after = wait->dependency.kind == DK_DEPENDENCY_KIND_AFTER;

        if (wait->over != 0 || job == 0 || wait->dependency.job != job)
            continue;
        if (after && event->type == DK_EVENT_JOB_PLACED)
            wait->over = event->meta.time + wait->dependency.delay_us;
        else if (!after && event->type == DK_EVENT_JOB_ENDED)
            wait->over = event->meta.time;
    }
}

/* A task: its job id and its array become known as it is placed. */
static bool is_wanted(struct reading *reading, struct dk_life_question *question,
                      const struct dk_event *event)
{
    int64_t job = job_of(event);
    const struct dk_job_placed *placed = &event->job_placed;

    if (event->type == DK_EVENT_JOB_PLACED && question->job == 0 &&
        placed->array_job == question->array_job && placed->task == question->task)
        question->job = job;
    if (event->type == DK_EVENT_JOB_PLACED && job == question->job && placed->array_job != 0 &&
        question->array_job == 0) {
        question->array_job = placed->array_job;
        reading->late = true;
    }
    if (job == 0)
        return false;
    return job == question->job ||
           (job == question->array_job && event->type != DK_EVENT_JOB_PLACED);
}

static enum dk_status batch_read(struct reading *reading, struct dk_life_question *question,
                                 const struct dk_log_batch *batch, struct dk_err *err)
{
    reading->batch_first = batch->seq_first;
    reading->batch_last = batch->seq_first + batch->count - 1;
    for (uint32_t i = 0; i < batch->count && !reading->over && !reading->late; i++) {
        const struct dk_log_record *record = &batch->records[i];
        struct dk_event event;
        enum dk_status status;

        if (reading->scratch.chunks != NULL)
            dk_arena_reset(&reading->scratch);
        status = dk_event_decode(record->data, record->size, &reading->scratch, &event, err);
        if (status != DK_OK)
            return status;
        reading->time = event.meta.time;
        if (is_wanted(reading, question, &event)) {
            keep(reading, record);
            if (reading->life->count > 0)
                life_see(reading, reading->life->events[reading->life->count - 1]);
        } else {
            others_see(reading, &event);
        }
    }
    return DK_OK;
}

/* From `seq` on, at most events_max events. *next: where reading stopped. */
static enum dk_status read_from(struct reading *reading, struct dk_life_question *question,
                                uint64_t seq, uint64_t *next, struct dk_err *err)
{
    struct dk_log_reader *reader = NULL;
    enum dk_status status = dk_log_reader_open(&reader, question->log_uri, seq, err);

    *next = seq;
    while (status == DK_OK && !reading->over && !reading->late && *next <= question->seq_limit &&
           *next - seq < question->events_max) {
        struct dk_log_batch batch;

        status = dk_log_reader_next(reader, &batch, err);
        if (status == DK_OK && batch.seq_first + batch.count - 1 > question->seq_limit)
            break;
        if (status == DK_OK)
            status = batch_read(reading, question, &batch, err);
        if (status == DK_OK)
            *next = batch.seq_first + batch.count;
    }
    dk_log_reader_close(reader);
    return status == DK_AGAIN ? DK_OK : status;
}

/* What was not reached: on from where it started, if that is known and further on. */
static enum dk_status read_rest(struct reading *reading, struct dk_life_question *question,
                                uint64_t next, struct dk_err *err)
{
    enum dk_status status;
    uint64_t seq = next;

    if (reading->over || reading->late || next > question->seq_limit)
        return DK_OK;
    reading->life->has_gaps = true;
    if (question->start <= reading->time || reading->life->placed != NULL)
        return DK_OK;
    status = dk_log_seek_time(question->log_uri, question->seq_limit, question->start, &seq, err);
    if (status != DK_OK)
        return status;
    return read_from(reading, question, seq, &next, err);
}

static enum dk_status read_once(struct reading *reading, struct dk_life_question *question,
                                struct dk_err *err)
{
    uint64_t seq = 1, next;
    enum dk_status status = DK_OK;

    memset(reading->life, 0, sizeof(*reading->life));
    reading->over = reading->late = false;
    reading->question = question;
    if (question->submit > 0)
        status =
            dk_log_seek_time(question->log_uri, question->seq_limit, question->submit, &seq, err);
    else
        status = find_id(question, &seq, err);
    if (status == DK_OK)
        status = read_from(reading, question, seq, &next, err);
    if (status == DK_OK)
        status = read_rest(reading, question, next, err);
    reading->life->array_job = question->array_job;
    return status;
}

enum dk_status dk_life_read(const struct dk_life_question *asked, struct dk_arena *arena,
                            struct dk_life *life, struct dk_err *err)
{
    struct dk_life_question question = *asked;
    struct reading reading = { .life = life, .arena = arena };
    enum dk_status status;

    dk_arena_init(&reading.scratch, &dk_heap);
    status = read_once(&reading, &question, err);
    if (status == DK_OK && reading.late) /* now that its array is known: with that one's events */
        status = read_once(&reading, &question, err);
    dk_arena_release(&reading.scratch);
    return status;
}
