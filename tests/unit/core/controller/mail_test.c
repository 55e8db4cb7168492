/* mail_test.c - what the leader believes of the topic of requests, and where it goes on; on a real
 * broker, whose address DOCKET_KAFKA is */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controller/mail.h"
#include "event/post.h"
#include "event/request.h"
#include "scratch.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SKIPPED = 77, WAIT_MS = 20000, EVENTS_MAX = 64 };

#define MINUTE_US (INT64_C(60) * 1000000)

static char uri[512], memory[64];
static struct dk_cluster_key *key;
static struct dk_stream *stream;
static struct dk_mail *mail;
static struct dk_log *log_;
static struct dk_leader *leader;

static struct {
    int64_t cause;
    enum dk_event_type type;
    enum dk_reject_reason reason;
} seen[EVENTS_MAX];
static uint32_t seen_count;

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void lead(void)
{
    struct dk_leader_options options = { .version = "test", .host = "h" };
    struct dk_follower *follower;

    assert_good(dk_log_open(&log_, memory, NULL, &good_err));
    assert_good(dk_follower_open(&follower, memory, NULL, UINT64_MAX, &good_err));
    assert_int_equal(dk_follower_advance(follower, UINT64_MAX, INT64_MAX, NULL), DK_AGAIN);
    options.log = log_;
    leader = dk_leader_create(follower, &options);
    dk_follower_close(follower);
    assert_good(dk_leader_start(leader, NULL, &good_err));
    assert_good(dk_mail_open(&mail, uri, key, now_us(), &good_err));
    assert_good(dk_mail_begin(mail, dk_leader_number(leader) + 1, &good_err));
}

static void lead_no_more(void)
{
    dk_mail_close(mail);
    dk_leader_destroy(leader);
    assert_good(dk_log_close(log_, &good_err));
    mail = NULL;
    leader = NULL;
    log_ = NULL;
}

static int setup(void **state)
{
    static const uint8_t bytes[DK_CLUSTER_KEY_SIZE] = "a key that is known to all";
    static int count;

    (void)state;
    (void)snprintf(uri, sizeof(uri), "kafka://%s/mail-%d-%d", getenv("DOCKET_KAFKA"), (int)getpid(),
                   ++count);
    (void)snprintf(memory, sizeof(memory), "memory:mail-%d", count);
    key = dk_cluster_key_of(bytes);
    seen_count = 0;
    assert_good(dk_stream_open(&stream, uri, DK_STREAM_REQUESTS, NULL, &good_err));
    lead();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (mail != NULL)
        lead_no_more();
    dk_stream_close(stream);
    dk_cluster_key_close(key);
    dk_log_memory_remove(memory + strlen("memory:"));
    return 0;
}

/* --- what doors do, and what strangers do --- */

/* `count` requests that are rejected as NOT_FOUND, each. */
static void encode_post(uint8_t id, int64_t time, uint32_t count, struct dk_buf *value)
{
    struct dk_request request = { .type = DK_REQUEST_RELEASE_JOB, .release_job.job = 77 };
    struct dk_bytes *list = calloc(count, sizeof(*list));
    uint8_t ids[16] = { id };
    struct dk_post post = {
        .type = DK_POST_REQUESTS_POSTED,
        .meta = { .id = { ids, sizeof(ids) }, .time = time, .door = dk_text_of("door") },
        .requests_posted = { .has_asker = true,
                             .asker = { .uid = 5,
                                        .user = dk_text_of("u"),
                                        .host = dk_text_of("h") },
                             .requests = list,
                             .requests_count = count },
    };
    struct dk_buf bytes;

    dk_buf_init(&bytes, &dk_heap, 1 << 20);
    assert_good(dk_request_encode(&request, &bytes, &good_err));
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct dk_bytes){ bytes.data, (uint32_t)bytes.size };
    dk_buf_init(value, &dk_heap, 1 << 20);
    assert_good(dk_post_encode(&post, value, &good_err));
    dk_buf_release(&bytes);
    free(list);
}

/* Its offset, once it is there. */
static int64_t put(const void *value, size_t size, bool is_proven)
{
    uint8_t mac[DK_CLUSTER_MAC_SIZE] = { 0 };
    struct dk_stream_record record = { .value = { value, size }, .mac = { mac, sizeof(mac) } };
    struct dk_stream_result result;

    if (is_proven)
        dk_cluster_mac(key, value, size, mac);
    assert_good(dk_stream_send(stream, &record, 1, &good_err));
    while (dk_stream_poll(stream, &result) != DK_OK)
        assert_true(poll(&(struct pollfd){ .fd = dk_stream_fd(stream), .events = POLLIN }, 1,
                         WAIT_MS) == 1);
    assert_int_equal(result.status, DK_OK);
    return result.offset;
}

static int64_t post(uint8_t id, int64_t time, uint32_t count)
{
    struct dk_buf value;
    int64_t offset;

    encode_post(id, time, count, &value);
    offset = put(value.data, value.size, true);
    dk_buf_release(&value);
    return offset;
}

/* --- what the leader does with it --- */

/* Batches until the request `number` has been admitted. */
static void admit_number(int64_t number)
{
    while (dk_leader_number(leader) < number) {
        const struct dk_events *events;
        bool has = false;

        for (int i = 0; i < 100 && !has; i++) {
            assert_good(dk_mail_look(mail, &has, &good_err));
            if (!has)
                (void)poll(&(struct pollfd){ .fd = dk_mail_fd(mail), .events = POLLIN }, 1, 200);
        }
        assert_true(has);
        dk_leader_begin(leader, true);
        assert_good(dk_mail_admit(mail, leader, &good_err));
        assert_good(dk_leader_commit(leader, &events, &good_err));
        for (uint32_t i = 0; i < events->count && seen_count < EVENTS_MAX; i++) {
            const struct dk_event *event = &events->items[i];

            if (event->meta.cause == 0)
                continue;
            seen[seen_count].cause = event->meta.cause;
            seen[seen_count].type = event->type;
            seen[seen_count++].reason = event->request_rejected.reason;
        }
        dk_mail_settled(mail);
    }
}

/* Until what is at `offset` has been begun with. */
static void admit_to(int64_t offset)
{
    admit_number(dk_mail_number(offset, 0));
}

static void must_be(uint32_t i, int64_t number, enum dk_reject_reason reason)
{
    assert_true(i < seen_count);
    assert_int_equal(seen[i].type, DK_EVENT_REQUEST_REJECTED);
    assert_int_equal(seen[i].cause, number);
    assert_int_equal(seen[i].reason, reason);
}

static void numbers_and_places_are_each_others_opposite(void **state)
{
    static const int64_t offsets[] = { 0, 1, 4095, INT64_C(1) << 40 };
    int64_t offset;
    uint32_t index;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (uint32_t at = 0; at < DK_MAIL_REQUESTS_MAX; at += 4095) {
            dk_mail_place(dk_mail_number(offsets[i], at), &offset, &index);
            assert_int_equal(offset, offsets[i]);
            assert_int_equal(index, at);
        }
        /* After the last that a record can have comes the first of the next. */
        assert_int_equal(dk_mail_number(offsets[i], DK_MAIL_REQUESTS_MAX - 1) + 1,
                         dk_mail_number(offsets[i] + 1, 0));
    }
    dk_mail_place(2, &offset, &index);
    assert_int_equal(offset, 0);
    assert_int_equal(index, 0);
}

static void each_request_has_its_place_as_number(void **state)
{
    int64_t first = post(1, now_us(), 3), second = post(2, now_us(), 1);

    (void)state;
    admit_to(second);
    assert_int_equal(seen_count, 4);
    for (uint32_t i = 0; i < 3; i++)
        must_be(i, dk_mail_number(first, i), DK_REJECT_REASON_NOT_FOUND);
    must_be(3, dk_mail_number(second, 0), DK_REJECT_REASON_NOT_FOUND);
}

static void a_record_of_a_stranger_is_refused_and_no_more_than_ten_a_second(void **state)
{
    struct dk_buf value;
    int64_t last;

    (void)state;
    encode_post(1, now_us(), 1, &value);
    for (int i = 0; i < 40; i++)
        (void)put(value.data, value.size, false);
    dk_buf_release(&value);
    last = post(2, now_us(), 1);
    admit_to(last);
    assert_in_range(seen_count, 11, 31); /* three seconds at most */
    for (uint32_t i = 0; i + 1 < seen_count; i++)
        assert_int_equal(seen[i].reason, DK_REJECT_REASON_CREDENTIAL_INVALID);
    must_be(seen_count - 1, dk_mail_number(last, 0), DK_REJECT_REASON_NOT_FOUND);
}

static void a_copy_is_refused_request_by_request(void **state)
{
    int64_t time = now_us(), good = post(1, time, 2), copy = post(1, time, 2);

    (void)state;
    admit_to(copy);
    assert_int_equal(seen_count, 4);
    must_be(1, dk_mail_number(good, 1), DK_REJECT_REASON_NOT_FOUND);
    must_be(2, dk_mail_number(copy, 0), DK_REJECT_REASON_CREDENTIAL_REPLAYED);
    must_be(3, dk_mail_number(copy, 1), DK_REJECT_REASON_CREDENTIAL_REPLAYED);
}

static void a_copy_is_refused_also_by_who_leads_next(void **state)
{
    int64_t time = now_us();
    int64_t good = post(1, time, 2);

    (void)state;
    admit_to(good);
    lead_no_more();
    lead();
    seen_count = 0;
    good = post(1, time, 2);
    admit_to(good);
    must_be(0, dk_mail_number(good, 0), DK_REJECT_REASON_CREDENTIAL_REPLAYED);
}

static void what_is_too_old_or_of_the_future_is_refused(void **state)
{
    int64_t old = post(1, now_us() - 16 * MINUTE_US, 1);
    int64_t early = post(2, now_us() + 16 * MINUTE_US, 1);

    (void)state;
    admit_to(early);
    must_be(0, dk_mail_number(old, 0), DK_REJECT_REASON_CREDENTIAL_EXPIRED);
    must_be(1, dk_mail_number(early, 0), DK_REJECT_REASON_CREDENTIAL_EXPIRED);
}

static void what_cannot_be_read_is_refused_though_it_is_proven(void **state)
{
    int64_t offset = put("nothing of ours", 15, true);

    (void)state;
    admit_to(offset);
    must_be(0, dk_mail_number(offset, 0), DK_REJECT_REASON_UNREADABLE);
}

static void who_leads_next_goes_on_where_the_log_says(void **state)
{
    int64_t first = post(1, now_us(), 3), second;

    (void)state;
    admit_to(first);
    lead_no_more();
    second = post(2, now_us(), 2);
    lead();
    seen_count = 0;
    admit_to(second);
    assert_int_equal(seen_count, 2);
    must_be(0, dk_mail_number(second, 0), DK_REJECT_REASON_NOT_FOUND);
}

static void in_the_middle_of_a_record_too(void **state)
{
    const struct dk_event *outcome;
    struct dk_asker docket = { .is_operator = true };
    struct dk_request request = { .type = DK_REQUEST_RELEASE_JOB, .release_job.job = 1 };
    int64_t offset = post(1, now_us(), 5);

    (void)state;
    /* As if a batch had ended after its second request. */
    dk_leader_begin(leader, true);
    dk_leader_admit(leader, &docket, dk_mail_number(offset, 1), &request, &outcome);
    assert_good(dk_leader_commit(leader, NULL, &good_err));
    lead_no_more();
    lead();
    admit_number(dk_mail_number(offset, 4));
    assert_int_equal(seen_count, 3);
    must_be(0, dk_mail_number(offset, 2), DK_REJECT_REASON_NOT_FOUND);
}

static void a_topic_that_is_too_short_is_filled(void **state)
{
    const struct dk_event *outcome;
    struct dk_asker docket = { .is_operator = true };
    struct dk_request request = { .type = DK_REQUEST_RELEASE_JOB, .release_job.job = 1 };
    int64_t offset;

    (void)state;
    (void)post(1, now_us(), 1);
    /* As an imported history has it: far ahead of the topic. */
    dk_leader_begin(leader, true);
    dk_leader_admit(leader, &docket, dk_mail_number(3000, 7), &request, &outcome);
    assert_good(dk_leader_commit(leader, NULL, &good_err));
    lead_no_more();
    lead();
    offset = post(2, now_us(), 1);
    assert_int_equal(offset, 3001);
    admit_to(offset);
    assert_int_equal(seen_count, 1);
    must_be(0, dk_mail_number(offset, 0), DK_REJECT_REASON_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_and_places_are_each_others_opposite),
        TEST(each_request_has_its_place_as_number),
        TEST(a_record_of_a_stranger_is_refused_and_no_more_than_ten_a_second),
        TEST(a_copy_is_refused_request_by_request),
        TEST(a_copy_is_refused_also_by_who_leads_next),
        TEST(what_is_too_old_or_of_the_future_is_refused),
        TEST(what_cannot_be_read_is_refused_though_it_is_proven),
        TEST(who_leads_next_goes_on_where_the_log_says),
        TEST(in_the_middle_of_a_record_too),
        TEST(a_topic_that_is_too_short_is_filled),
    };

    if (getenv("DOCKET_KAFKA") == NULL) {
        (void)fprintf(stderr, "skipped: DOCKET_KAFKA names no broker\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
