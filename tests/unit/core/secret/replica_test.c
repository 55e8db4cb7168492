/* replica_test.c - vaults of several hosts on a real broker, whose address DOCKET_KAFKA is; skipped
 * without one */
#define _GNU_SOURCE /* usleep */
#include "../log/support.h"

#include "log/stream.h"
#include "secret/replica.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOSTS = 3, WAIT_MS = 20000, SKIPPED = 77 };

static char uri[512], folders[HOSTS][FOLDER_MAX], said[1024];
static struct dk_cluster_key *cluster;
static uint64_t erased_seq; /* what a look through the log finds; 0: nothing */

static int make(void **state)
{
    static const uint8_t bytes[DK_CLUSTER_KEY_SIZE] = "the key of this cluster";
    static int count;

    (void)state;
    cluster = dk_cluster_key_of(bytes);
    erased_seq = 0;
    said[0] = '\0';
    (void)snprintf(uri, sizeof(uri), "kafka://%s/replica-%d-%d", getenv("DOCKET_KAFKA"),
                   (int)getpid(), ++count);
    for (int i = 0; i < HOSTS; i++) {
        char blobs[1024];

        folder_make(folders[i]);
        (void)snprintf(blobs, sizeof(blobs), "%s/blobs", folders[i]);
        assert_int_equal(mkdir(blobs, 0700), 0);
    }
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    for (int i = 0; i < HOSTS; i++)
        folder_remove(folders[i]);
    dk_cluster_key_close(cluster);
    return 0;
}

static enum dk_status look_through(void *ctx, struct dk_replica *replica, uint64_t seq,
                                   struct dk_err *err)
{
    (void)ctx;
    (void)err;
    if (erased_seq > seq)
        dk_replica_erased(replica, 1000, erased_seq);
    return DK_OK;
}

static void say(void *ctx, const char *text)
{
    (void)ctx;
    (void)snprintf(said, sizeof(said), "%s", text);
}

static struct dk_replica *open_host(int host)
{
    const struct dk_replica_options options = { .log_uri = uri,
                                                .dir = folders[host],
                                                .key = cluster,
                                                .look_through = look_through,
                                                .say = say };
    struct dk_replica *replica;
    struct dk_err err;

    if (dk_replica_open(&replica, &options, &err) != DK_OK)
        fail_msg("%s", err.text);
    return replica;
}

static void keep(struct dk_replica *replica, int32_t uid, const char *text)
{
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    struct dk_err err;

    dk_vault_digest(text, strlen(text), digest);
    if (dk_replica_keep(replica, uid, text, strlen(text), digest, &err) != DK_OK ||
        dk_replica_sync(replica, &err) != DK_OK)
        fail_msg("%s", err.text);
}

static enum dk_status get(struct dk_replica *replica, int32_t uid, const char *text)
{
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    struct dk_buf out;
    enum dk_status status;

    dk_vault_digest(text, strlen(text), digest);
    dk_buf_init(&out, &dk_heap, DK_VAULT_SIZE_MAX);
    status = dk_vault_get(dk_replica_vault(replica), uid, digest, &out, NULL);
    if (status == DK_OK) {
        assert_int_equal(out.size, strlen(text));
        assert_memory_equal(out.data, text, out.size);
    }
    dk_buf_release(&out);
    return status;
}

static bool wait_for(struct dk_replica *replica, int32_t uid, const char *text)
{
    uint8_t digest[DK_VAULT_DIGEST_SIZE];

    dk_vault_digest(text, strlen(text), digest);
    return dk_replica_wait(replica, uid, digest, WAIT_MS);
}

static void wait_erased(struct dk_replica *replica, int32_t uid, uint64_t seq)
{
    for (int i = 0; i < WAIT_MS / 10; i++) {
        if (dk_vault_erased(dk_replica_vault(replica), uid) >= seq)
            return;
        (void)usleep(10000);
    }
    fail_msg("nothing was erased");
}

/* How many values and tombstones of keys that begin so are in the topic. */
static void count_records(char kind, uint32_t *values, uint32_t *tombstones)
{
    struct dk_stream_reader *reader;
    struct dk_stream_record record;
    enum dk_status status;

    *values = *tombstones = 0;
    assert_ok(dk_stream_reader_open(&reader, uri, DK_STREAM_SECRETS, 0, &ok_err));
    for (;;) {
        status = dk_stream_reader_next(reader, &record, NULL);
        if (status == DK_AGAIN && dk_stream_reader_at_end(reader))
            break;
        if (status == DK_AGAIN)
            (void)dk_stream_reader_wait(reader, 1000);
        else if (record.key.data[0] == kind && record.value.data != NULL)
            (*values)++;
        else if (record.key.data[0] == kind)
            (*tombstones)++;
    }
    dk_stream_reader_close(reader);
}

static void test_what_a_door_keeps_is_opened_at_every_host(void **state)
{
    struct dk_replica *first = open_host(0), *second = open_host(1), *third;
    uint32_t values, tombstones;

    (void)state;
    keep(first, 1000, "a script");
    assert_true(wait_for(second, 1000, "a script"));
    assert_int_equal(get(second, 1000, "a script"), DK_OK);
    keep(second, 1000, "another");
    keep(second, 1000, "a script"); /* it is there */
    keep(second, 1001, "a script");
    assert_true(wait_for(first, 1000, "another"));
    assert_true(wait_for(first, 1001, "a script"));
    assert_int_equal(get(first, 1001, "another"), DK_NOT_FOUND);
    third = open_host(2); /* one that comes later */
    assert_true(wait_for(third, 1001, "a script"));
    assert_int_equal(get(third, 1000, "another"), DK_OK);
    count_records('k', &values, &tombstones);
    assert_int_equal(values, 2);
    count_records('b', &values, &tombstones);
    assert_int_equal(values, 3);
    dk_replica_close(third);
    dk_replica_close(second);
    dk_replica_close(first);
    first = open_host(0); /* and one that comes back */
    assert_int_equal(get(first, 1001, "a script"), DK_OK);
    dk_replica_close(first);
}

static void test_of_two_processes_of_a_host_one_writes_and_the_other_goes_on(void **state)
{
    struct dk_replica *first = open_host(0), *second = open_host(0);

    (void)state;
    keep(first, 1000, "by the writer");
    assert_true(wait_for(second, 1000, "by the writer"));
    keep(second, 1000, "by the reader");
    assert_true(wait_for(first, 1000, "by the reader"));
    assert_int_equal(get(second, 1000, "by the reader"), DK_OK);
    dk_replica_close(first);
    keep(second, 1002, "left alone");
    assert_true(wait_for(second, 1002, "left alone"));
    dk_replica_close(second);
}

static void test_what_is_erased_is_gone_at_every_host_and_new_ones_do_not_get_it(void **state)
{
    struct dk_replica *first = open_host(0), *second = open_host(1), *third;
    uint32_t values, tombstones;

    (void)state;
    dk_replica_seen(first, 5);
    keep(first, 1000, "a script");
    keep(first, 1001, "of another");
    assert_true(wait_for(second, 1001, "of another"));
    dk_replica_erased(first, 1000, 7);
    assert_int_not_equal(get(first, 1000, "a script"), DK_OK); /* at once */
    dk_replica_seen(first, 7);
    keep(first, 1000, "a script"); /* the same again, under a new key */
    wait_erased(first, 1000, 7);
    dk_replica_erased(second, 1000, 7);
    wait_erased(second, 1000, 7);
    assert_true(wait_for(second, 1000, "a script"));
    assert_true(wait_for(first, 1000, "a script"));
    for (int i = 0; i < WAIT_MS / 100; i++) { /* by one of the two, or both */
        count_records('b', &values, &tombstones);
        if (tombstones > 0)
            break;
        (void)usleep(100000);
    }
    assert_int_equal(values, 3);
    assert_in_range(tombstones, 1, 2);
    count_records('k', &values, &tombstones);
    assert_int_equal(values, 3);
    assert_in_range(tombstones, 1, 2);
    erased_seq = 7;
    third = open_host(2);
    assert_true(wait_for(third, 1000, "a script"));
    wait_erased(third, 1000, 7);
    assert_int_equal(get(third, 1001, "of another"), DK_OK);
    dk_replica_close(third);
    dk_replica_close(second);
    dk_replica_close(first);
}

static void test_a_door_that_has_not_seen_the_erasure_keeps_nothing_for_others(void **state)
{
    struct dk_replica *first = open_host(0), *behind = open_host(1);
    uint32_t values, tombstones = 0;
    uint8_t digest[DK_VAULT_DIGEST_SIZE];

    (void)state;
    dk_replica_seen(behind, 5);
    dk_replica_erased(first, 1000, 7);
    wait_erased(first, 1000, 7);
    keep(behind, 1000, "too late"); /* a key made after event 5 */
    keep(behind, 1001, "in time");
    assert_true(wait_for(first, 1001, "in time"));
    dk_vault_digest("too late", 8, digest);
    assert_false(dk_replica_wait(first, 1000, digest, 100));
    for (int i = 0; i < WAIT_MS / 100 && tombstones < 1; i++) {
        count_records('b', &values, &tombstones);
        (void)usleep(100000);
    }
    assert_int_equal(tombstones, 1);
    count_records('k', &values, &tombstones);
    assert_int_equal(tombstones, 1);
    dk_replica_close(behind);
    dk_replica_close(first);
}

static void test_another_cluster_key_is_refused(void **state)
{
    static const uint8_t bytes[DK_CLUSTER_KEY_SIZE] = "of another cluster";
    struct dk_cluster_key *other = dk_cluster_key_of(bytes);
    const struct dk_replica_options options = { .log_uri = uri, .dir = folders[1], .key = other };
    struct dk_replica *first = open_host(0), *second;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_replica_open(&second, &options, &err), DK_INVALID);
    assert_contains(err.text, "is not the key of this cluster: copy it");
    dk_replica_close(first);
    dk_cluster_key_close(other);
}

static void test_what_a_stranger_writes_into_the_topic_is_passed_over(void **state)
{
    struct dk_replica *first = open_host(0);
    struct dk_stream *stream;
    struct dk_stream_result result;
    struct dk_sealed sealed = { .is_there = false };
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    char name[80] = "b/";

    (void)state;
    keep(first, 1000, "makes the key");
    assert_true(wait_for(first, 1000, "makes the key"));
    dk_buf_init(&sealed.record, &dk_heap, 1 << 16);
    dk_vault_digest("taken", 5, digest);
    assert_ok(dk_vault_seal(dk_replica_vault(first), 1000, "taken", 5, digest, &sealed, &ok_err));
    for (int i = 0; i < DK_VAULT_ID_SIZE; i++)
        (void)snprintf(name + 2 + 2 * i, 3, "%02x", sealed.id[i]);
    memset(sealed.record.data + 48, 'x', sealed.record.size - 48); /* the place is taken by noise */
    assert_ok(dk_stream_open(&stream, uri, DK_STREAM_SECRETS, NULL, &ok_err));
    for (int i = 0; i < 2; i++) {
        struct dk_stream_record record = { .key = { (const uint8_t *)name,
                                                    i == 0 ? strlen(name) : 1 },
                                           .value = { sealed.record.data, sealed.record.size },
                                           .mac = { digest, i == 0 ? 0 : sizeof(digest) } };

        assert_ok(dk_stream_send(stream, &record, 0, &ok_err));
    }
    while (dk_stream_pending(stream) > 0)
        if (dk_stream_poll(stream, &result) != DK_OK)
            (void)usleep(1000);
    dk_stream_close(stream);
    keep(first, 1000, "taken");
    assert_true(wait_for(first, 1000, "taken"));
    assert_int_equal(get(first, 1000, "taken"), DK_OK);
    dk_buf_release(&sealed.record);
    dk_replica_close(first);
}

static void test_what_is_missed_is_awaited_for_some_seconds(void **state)
{
    struct dk_replica *first = open_host(0);
    uint8_t digest[DK_VAULT_DIGEST_SIZE];

    (void)state;
    dk_vault_digest("missed", 6, digest);
    assert_true(dk_replica_is_awaited(first, digest));
    assert_true(dk_replica_is_awaited(first, digest));
    (void)usleep(5100000);
    assert_false(dk_replica_is_awaited(first, digest));
    dk_replica_close(first);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(test_what_a_door_keeps_is_opened_at_every_host),
        TEST(test_of_two_processes_of_a_host_one_writes_and_the_other_goes_on),
        TEST(test_what_is_erased_is_gone_at_every_host_and_new_ones_do_not_get_it),
        TEST(test_a_door_that_has_not_seen_the_erasure_keeps_nothing_for_others),
        TEST(test_another_cluster_key_is_refused),
        TEST(test_what_a_stranger_writes_into_the_topic_is_passed_over),
        TEST(test_what_is_missed_is_awaited_for_some_seconds),
    };

    if (getenv("DOCKET_KAFKA") == NULL) {
        (void)puts("no broker: DOCKET_KAFKA is not set");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
