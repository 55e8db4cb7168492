/* mail.c - the topic of requests, read by the leader (mail.h) */
#include "controller/mail.h"

#include "base/check.h"
#include "event/post.h"
#include "event/request.h"
#include "net/journal.h"
#include "net/seen.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    INDEX_BITS = 12,
    BATCH_REQUESTS = 4096,
    ASK_MS = 10000,
    WAIT_MS = 1000,
    BEGIN_TRIES = 60,
    FILL_PENDING = 10000,
    UNPROVEN_PER_S = 10
};

struct dk_mail {
    char *log_uri;
    const struct dk_cluster_key *key;
    struct dk_secrets *secrets; /* NULL: nobody is asked */
    struct dk_stream_reader *reader;
    struct dk_seen *seen;
    struct dk_stream_record next; /* read ahead; borrowed from the reader */
    bool has_next;
    uint32_t skip; /* so many requests of the next record were admitted by who led before */
    struct dk_arena arena;
    uint64_t requests;
    int64_t unproven_s; /* the second in which the last records of strangers came */
    uint32_t unproven;  /* and how many in it */
};

int64_t dk_mail_number(int64_t offset, uint32_t index)
{
    return (offset + 1) << INDEX_BITS | index;
}

void dk_mail_place(int64_t number, int64_t *offset, uint32_t *index)
{
    bool is_own = number >> INDEX_BITS == 0;

    *offset = is_own ? 0 : (number >> INDEX_BITS) - 1;
    *index = is_own ? 0 : (uint32_t)(number & (DK_MAIL_REQUESTS_MAX - 1));
}

void dk_mail_guard(struct dk_mail *mail, struct dk_secrets *secrets)
{
    mail->secrets = secrets;
}

enum dk_status dk_mail_open(struct dk_mail **out, const char *log_uri,
                            const struct dk_cluster_key *key, int64_t now, struct dk_err *err)
{
    struct dk_mail *mail = calloc(1, sizeof(*mail));
    int64_t offset = 0;
    enum dk_status status;

    DK_CHECK(mail != NULL);
    *out = NULL;
    mail->log_uri = strdup(log_uri);
    DK_CHECK(mail->log_uri != NULL);
    mail->key = key;
    mail->seen = dk_seen_create();
    dk_arena_init(&mail->arena, &dk_heap);
    status = dk_stream_reader_open(&mail->reader, log_uri, DK_STREAM_REQUESTS, 0, err);
    if (status == DK_OK)
        status = dk_stream_reader_find(mail->reader, now - DK_MAIL_AGE_US, &offset, ASK_MS, err);
    if (status == DK_OK)
        status = dk_stream_reader_seek(mail->reader, offset, err);
    if (status != DK_OK) {
        dk_mail_close(mail);
        return status;
    }
    *out = mail;
    return DK_OK;
}

void dk_mail_close(struct dk_mail *mail)
{
    if (mail == NULL)
        return;
    dk_stream_reader_close(mail->reader);
    dk_seen_destroy(mail->seen);
    dk_arena_release(&mail->arena);
    free(mail->log_uri);
    free(mail);
}

int dk_mail_fd(const struct dk_mail *mail)
{
    return dk_stream_reader_fd(mail->reader);
}

uint64_t dk_mail_requests(const struct dk_mail *mail)
{
    return mail->requests;
}

void dk_mail_settled(struct dk_mail *mail)
{
    dk_arena_reset(&mail->arena);
}

/* --- one record --- */

enum verdict { GOOD, UNPROVEN, UNREADABLE, OLD, AGAIN };

/* The system's clock, and not the log's time, which may be far ahead of it for good (stamp.h): what
 * is asked is how long a post was on the way. */
static int64_t real_us(void)
{
    struct timespec now;

    DK_CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static enum verdict judge(struct dk_mail *mail, const struct dk_stream_record *record, int64_t now,
                          struct dk_arena *arena, struct dk_post *post)
{
    uint8_t id[DK_SEEN_ID_SIZE] = { 0 };

    if (!dk_cluster_mac_fits(mail->key, record->value.data, record->value.size, record->mac.data,
                             record->mac.size))
        return UNPROVEN;
    if (dk_post_decode(record->value.data, record->value.size, arena, post, NULL) != DK_OK ||
        post->meta.id.size != sizeof(id))
        return UNREADABLE;
    if (post->meta.time < now - DK_MAIL_AGE_US || post->meta.time > now + DK_MAIL_AGE_US)
        return OLD;
    memcpy(id, post->meta.id.data, sizeof(id));
    return dk_seen_add(mail->seen, id, post->meta.time / 1000000) ? GOOD : AGAIN;
}

/* Goes on reading at `offset`, wherever that is now. */
static enum dk_status seek(struct dk_mail *mail, int64_t offset, struct dk_err *err)
{
    mail->has_next = false;
    return dk_stream_reader_seek(mail->reader, offset, err);
}

/* The offset is not in the topic: reading goes on with the first that is, and this is said. */
static enum dk_status step_over(struct dk_mail *mail, struct dk_err *err)
{
    int64_t first, limit, here = dk_stream_reader_offset(mail->reader);
    struct dk_err why = *err;
    enum dk_status status = dk_stream_reader_range(mail->reader, &first, &limit, ASK_MS, err);

    if (status != DK_OK || here >= first)
        return status != DK_OK ? status : dk_fail(err, DK_NOT_FOUND, "%s", why.text);
    dk_journal(DK_JOURNAL_ERROR,
               "requests from offset %lld to %lld were removed before anybody admitted them: %s",
               (long long)here, (long long)first - 1, why.text);
    return seek(mail, first, err);
}

static enum dk_status read_ahead(struct dk_mail *mail, struct dk_err *err)
{
    enum dk_status status = DK_OK;

    if (mail->has_next)
        return DK_OK;
    status = dk_stream_reader_next(mail->reader, &mail->next, err);
    if (status == DK_NOT_FOUND) {
        status = step_over(mail, err);
        if (status == DK_OK)
            status = dk_stream_reader_next(mail->reader, &mail->next, err);
    }
    mail->has_next = status == DK_OK;
    return status;
}

/* --- before what is to be admitted --- */

enum dk_status dk_mail_pass(struct dk_mail *mail, int64_t number, struct dk_err *err)
{
    struct dk_post post;
    int64_t target;
    enum dk_status status = DK_OK;

    dk_mail_place(number, &target, &mail->skip);
    if (!mail->has_next && dk_stream_reader_offset(mail->reader) >= target)
        return dk_stream_reader_offset(mail->reader) == target ? DK_OK : seek(mail, target, err);
    for (;;) {
        status = read_ahead(mail, err);
        if (status != DK_OK || mail->next.offset >= target)
            return status;
        (void)judge(mail, &mail->next, mail->next.time_us, &mail->arena, &post);
        dk_arena_reset(&mail->arena);
        mail->has_next = false;
        if (dk_stream_reader_offset(mail->reader) >= target)
            return DK_OK;
    }
}

/* Waits until no more than `left` records are without a result. */
static enum dk_status drain(struct dk_stream *stream, uint32_t left, struct dk_err *err)
{
    struct dk_stream_result result;

    while (dk_stream_pending(stream) > left) {
        (void)poll(&(struct pollfd){ .fd = dk_stream_fd(stream), .events = POLLIN }, 1, WAIT_MS);
        while (dk_stream_poll(stream, &result) == DK_OK) {
            if (result.status != DK_OK)
                return dk_fail(err, DK_IO, "filling up requests: %s", result.why);
        }
    }
    return DK_OK;
}

/* Empty records up to `limit`. Whatever doors put in between is passed over like them, and their
 * clients ask again. */
static enum dk_status fill(struct dk_mail *mail, int64_t from, int64_t limit, struct dk_err *err)
{
    struct dk_stream_record empty = { .value = { (const uint8_t *)"", 0 } };
    struct dk_stream *stream;
    enum dk_status status = dk_stream_open(&stream, mail->log_uri, DK_STREAM_REQUESTS, NULL, err);

    if (status != DK_OK)
        return status;
    dk_journal(
        DK_JOURNAL_WARNING,
        "the topic of requests ends at offset %lld, and the log has admitted what was before "
        "%lld: it is filled up to there (an imported log, or a lost topic)",
        (long long)from, (long long)limit);
    for (; status == DK_OK && from < limit; from++) {
        status = drain(stream, FILL_PENDING, err);
        if (status == DK_OK)
            status = dk_stream_send(stream, &empty, 0, err);
    }
    if (status == DK_OK)
        status = drain(stream, 0, err);
    dk_stream_close(stream);
    return status;
}

enum dk_status dk_mail_begin(struct dk_mail *mail, int64_t number, struct dk_err *err)
{
    int64_t first, limit, target;
    enum dk_status status = dk_stream_reader_range(mail->reader, &first, &limit, ASK_MS, err);

    dk_mail_place(number, &target, &mail->skip);
    if (mail->skip > 0)
        target++; /* the record that was admitted in part is there */
    if (status == DK_OK && limit < target)
        status = fill(mail, limit, target, err);
    for (int i = 0; status == DK_OK && i < BEGIN_TRIES; i++) {
        status = dk_mail_pass(mail, number, err);
        if (status != DK_AGAIN)
            return status;
        (void)dk_stream_reader_wait(mail->reader, WAIT_MS);
        status = DK_OK;
    }
    return status != DK_OK
               ? status
               : dk_fail(err, DK_IO, "requests before number %lld do not come", (long long)number);
}

enum dk_status dk_mail_look(struct dk_mail *mail, bool *has, struct dk_err *err)
{
    enum dk_status status = read_ahead(mail, err);

    *has = status == DK_OK;
    return status == DK_AGAIN ? DK_OK : status;
}

/* --- admission --- */

static void refuse(struct dk_mail *mail, struct dk_leader *leader, const struct dk_asker *asker,
                   int64_t number, enum dk_reject_reason reason, struct dk_text why)
{
    const struct dk_event *outcome;

    dk_leader_refuse(leader, asker, number, reason, why, &outcome);
    mail->requests++;
}

static void admit_post(struct dk_mail *mail, struct dk_leader *leader, int64_t offset,
                       const struct dk_post *post)
{
    const struct dk_requests_posted *posted = &post->requests_posted;
    struct dk_asker asker = { .actor = posted->asker,
                              .has_actor = posted->has_asker,
                              .is_operator = posted->is_operator,
                              .is_node = posted->is_node };

    if (posted->has_refused && mail->skip == 0)
        refuse(mail, leader, &asker, dk_mail_number(offset, 0), posted->refused, posted->why);
    for (uint32_t i = mail->skip; !posted->has_refused && i < posted->requests_count; i++) {
        struct dk_request *request = dk_arena_take(&mail->arena, sizeof(*request));
        const struct dk_bytes *bytes = &posted->requests[i];
        const struct dk_event *outcome;
        int64_t number = dk_mail_number(offset, i);

        if (dk_request_decode(bytes->data, bytes->size, &mail->arena, request, NULL) != DK_OK) {
            refuse(mail, leader, &asker, number, DK_REJECT_REASON_UNREADABLE,
                   dk_text_of("a request of a newer docket than the one that leads"));
            continue;
        }
        if (mail->secrets != NULL && request->type == DK_REQUEST_SUBMIT_JOB &&
            !dk_secrets_may_admit(mail->secrets, asker.actor.uid, &request->submit_job)) {
            refuse(mail, leader, &asker, number, DK_REJECT_REASON_WRONG_STATE,
                   dk_text_of("its script was erased while it was on its way: submit it again"));
            continue;
        }
        dk_leader_admit(leader, &asker, number, request, &outcome);
        if (mail->secrets != NULL)
            dk_secrets_came(mail->secrets, outcome);
        mail->requests++;
    }
}

static const struct refusal {
    enum dk_reject_reason reason;
    const char *why;
} refusals[] = {
    [UNPROVEN] = { DK_REJECT_REASON_CREDENTIAL_INVALID,
                   "written into the topic of requests by none of our controllers" },
    [UNREADABLE] = { DK_REJECT_REASON_UNREADABLE, "what a door of another release posted" },
    [OLD] = { DK_REJECT_REASON_CREDENTIAL_EXPIRED,
              "posted more than 15 minutes before anybody led" },
    [AGAIN] = { DK_REJECT_REASON_CREDENTIAL_REPLAYED, "the same post was there before" },
};

/* Each request of a record that is not to be believed has its own outcome, too. */
static void refuse_post(struct dk_mail *mail, struct dk_leader *leader, int64_t offset,
                        const struct dk_post *post, const struct refusal *refusal)
{
    const struct dk_requests_posted *posted = &post->requests_posted;
    struct dk_asker asker = { .actor = posted->asker, .has_actor = posted->has_asker };
    uint32_t count = posted->requests_count > 0 ? posted->requests_count : 1;

    for (uint32_t i = mail->skip; i < count; i++)
        refuse(mail, leader, &asker, dk_mail_number(offset, i), refusal->reason,
               dk_text_of(refusal->why));
}

/* A stranger who may write into the topic can't fill the log by that. */
static bool is_worth_it(struct dk_mail *mail, int64_t now)
{
    if (mail->unproven_s != now / 1000000) {
        if (mail->unproven > UNPROVEN_PER_S)
            dk_journal(DK_JOURNAL_WARNING,
                       "%u records of nobody in the topic of requests within a second, %d of them "
                       "are recorded",
                       mail->unproven, UNPROVEN_PER_S);
        mail->unproven_s = now / 1000000;
        mail->unproven = 0;
    }
    return ++mail->unproven <= UNPROVEN_PER_S;
}

static void admit_record(struct dk_mail *mail, struct dk_leader *leader)
{
    struct dk_stream_record record = mail->next;
    struct dk_post post = { 0 };
    uint8_t *copy = dk_arena_take(&mail->arena, record.value.size + 1);
    enum verdict verdict;

    /* Events borrow from it until the batch is closed; the reader's own lasts until the next. */
    memcpy(copy, record.value.data, record.value.size);
    record.value.data = copy;
    verdict = judge(mail, &record, real_us(), &mail->arena, &post);
    if (verdict == GOOD)
        admit_post(mail, leader, record.offset, &post);
    else if (verdict == OLD || verdict == AGAIN)
        refuse_post(mail, leader, record.offset, &post, &refusals[verdict]);
    else if (mail->skip == 0 && (verdict != UNPROVEN || is_worth_it(mail, real_us())))
        refuse(mail, leader, &(struct dk_asker){ 0 }, dk_mail_number(record.offset, 0),
               refusals[verdict].reason, dk_text_of(refusals[verdict].why));
    mail->skip = 0;
    mail->has_next = false;
}

enum dk_status dk_mail_admit(struct dk_mail *mail, struct dk_leader *leader, struct dk_err *err)
{
    uint64_t until = mail->requests + BATCH_REQUESTS;
    enum dk_status status = DK_OK;

    while (mail->requests < until && (status = read_ahead(mail, err)) == DK_OK)
        admit_record(mail, leader);
    return status == DK_AGAIN ? DK_OK : status;
}
