/* vault_test.c - what a user gave is sealed, kept once for him, and gone once his key is */
#define _GNU_SOURCE /* memmem */
#include "../log/support.h"

#include "base/crc32c.h"
#include "secret/keyring.h"
#include "secret/vault.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_MAX], blobs[FOLDER_MAX + 32];
static struct dk_cluster_key *cluster;

static int make(void **state)
{
    static const uint8_t bytes[DK_CLUSTER_KEY_SIZE] = "the key of this cluster";

    (void)state;
    folder_make(folder);
    (void)snprintf(blobs, sizeof(blobs), "%s/blobs", folder);
    assert_int_equal(mkdir(blobs, 0700), 0);
    cluster = dk_cluster_key_of(bytes);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    dk_cluster_key_close(cluster);
    folder_remove(folder);
    return 0;
}

static struct dk_vault *open_vault(bool is_writer)
{
    struct dk_vault *vault;

    assert_ok(dk_vault_open(&vault, folder, cluster, is_writer, &ok_err));
    return vault;
}

static bool put(struct dk_vault *vault, int32_t uid, const char *text)
{
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    bool added;

    dk_vault_digest(text, strlen(text), digest);
    assert_ok(dk_vault_put(vault, uid, text, strlen(text), digest, &added, &ok_err));
    assert_ok(dk_vault_sync(vault, &ok_err));
    return added;
}

/* DK_OK: it comes out as it was put in. */
static enum dk_status get(struct dk_vault *vault, int32_t uid, const char *text)
{
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    struct dk_buf out;
    enum dk_status status;

    dk_vault_digest(text, strlen(text), digest);
    dk_buf_init(&out, &dk_heap, DK_VAULT_SIZE_MAX);
    status = dk_vault_get(vault, uid, digest, &out, NULL);
    if (status != DK_CORRUPT) /* which only its bytes tell */
        assert_int_equal(dk_vault_has(vault, uid, digest), status == DK_OK);
    if (status == DK_OK) {
        assert_int_equal(out.size, strlen(text));
        assert_memory_equal(out.data, text, out.size);
    } else {
        assert_int_equal(out.size, 0);
    }
    dk_buf_release(&out);
    return status;
}

static bool on_disk(const char *dir, const char *name, const void *bytes, size_t size)
{
    size_t file_size;
    uint8_t *file = file_read(dir, name, &file_size);
    bool found = memmem(file, file_size, bytes, size) != NULL;

    free(file);
    return found;
}

static void test_what_is_put_comes_back_and_is_not_on_the_disk(void **state)
{
    struct dk_vault *vault = open_vault(true);
    uint8_t digest[DK_VAULT_DIGEST_SIZE];

    (void)state;
    assert_true(put(vault, 1000, "export PASSWORD=swordfish"));
    assert_false(put(vault, 1000, "export PASSWORD=swordfish"));
    assert_true(put(vault, 1000, ""));
    assert_int_equal(get(vault, 1000, "export PASSWORD=swordfish"), DK_OK);
    assert_int_equal(get(vault, 1000, ""), DK_OK);
    assert_int_equal(get(vault, 1000, "else"), DK_NOT_FOUND);
    dk_vault_close(vault);
    vault = open_vault(true);
    assert_int_equal(get(vault, 1000, "export PASSWORD=swordfish"), DK_OK);
    assert_false(put(vault, 1000, "export PASSWORD=swordfish"));
    dk_vault_close(vault);
    assert_false(on_disk(blobs, "000001.pack", "swordfish", 9));
    dk_vault_digest("export PASSWORD=swordfish", 25, digest);
    assert_false(on_disk(blobs, "000001.pack", digest, 8));
    assert_false(on_disk(folder, "user.keys", digest, 8));
}

static void test_the_same_script_of_two_users_is_two(void **state)
{
    struct dk_vault *vault = open_vault(true);

    (void)state;
    assert_true(put(vault, 1000, "sleep 1"));
    assert_int_equal(get(vault, 1001, "sleep 1"), DK_NOT_FOUND);
    assert_true(put(vault, 1001, "sleep 1"));
    dk_vault_seen(vault, 7);
    assert_ok(dk_vault_forget(vault, 1000, 7, &ok_err));
    assert_int_equal(get(vault, 1000, "sleep 1"), DK_END);
    assert_int_equal(get(vault, 1001, "sleep 1"), DK_OK);
    dk_vault_close(vault);
}

static void test_a_large_one_fits_and_one_too_large_is_refused(void **state)
{
    struct dk_vault *vault = open_vault(true);
    char *text = malloc(DK_VAULT_SIZE_MAX + 2);
    uint8_t digest[DK_VAULT_DIGEST_SIZE] = { 0 };
    struct dk_err err;

    (void)state;
    memset(text, 'x', DK_VAULT_SIZE_MAX + 1);
    text[DK_VAULT_SIZE_MAX] = '\0';
    assert_true(put(vault, 1, text));
    assert_int_equal(get(vault, 1, text), DK_OK);
    assert_int_equal(dk_vault_put(vault, 1, text, DK_VAULT_SIZE_MAX + 1, digest, NULL, &err),
                     DK_TOO_LARGE);
    free(text);
    dk_vault_close(vault);
}

static void test_what_is_forgotten_is_gone_for_ever_and_new_ones_are_not(void **state)
{
    struct dk_vault *vault = open_vault(true);
    uint8_t slot[DK_KEY_SLOT_SIZE];
    size_t size;
    uint8_t *keys;

    (void)state;
    dk_vault_seen(vault, 10);
    (void)put(vault, 1000, "old");
    keys = file_read(folder, "user.keys", &size);
    memcpy(slot, keys + DK_KEY_SLOT_SIZE, sizeof(slot));
    free(keys);
    assert_ok(dk_vault_forget(vault, 1000, 11, &ok_err));
    assert_int_equal(get(vault, 1000, "old"), DK_END);
    assert_false(on_disk(folder, "user.keys", slot + 16, 32)); /* id and nonce */
    assert_false(on_disk(folder, "user.keys", slot + 56, 48)); /* the sealed key */
    dk_vault_seen(vault, 11);
    assert_true(put(vault, 1000, "new"));
    assert_true(put(vault, 1000, "old"));
    assert_ok(dk_vault_forget(vault, 1000, 11, &ok_err)); /* again, after a crash */
    assert_int_equal(get(vault, 1000, "new"), DK_OK);
    assert_int_equal(get(vault, 1000, "old"), DK_OK);
    assert_int_equal(dk_vault_accept_key(vault, slot, sizeof(slot), NULL), DK_END);
    dk_vault_close(vault);
    vault = open_vault(true);
    assert_int_equal(get(vault, 1000, "new"), DK_OK);
    assert_int_equal(dk_vault_erased(vault, 1000), 11);
    assert_int_equal(dk_vault_erased(vault, 1001), 0);
    dk_vault_close(vault);
}

static void test_a_submission_behind_an_erasure_in_its_batch_has_a_new_key(void **state)
{
    struct dk_vault *vault = open_vault(true);

    (void)state;
    dk_vault_seen(vault, 10);
    (void)put(vault, 1000, "before");
    dk_vault_retire(vault, 1000, 12); /* SecretsErased is admitted as event 12 */
    assert_int_equal(get(vault, 1000, "before"), DK_END);
    (void)put(vault, 1000, "behind"); /* JobSubmitted as event 13 */
    dk_vault_seen(vault, 14);
    assert_ok(dk_vault_forget(vault, 1000, 12, &ok_err));
    assert_int_equal(get(vault, 1000, "behind"), DK_OK);
    dk_vault_close(vault);
}

static void test_keys_of_a_batch_that_never_was_are_dropped_at_the_start(void **state)
{
    struct dk_vault *vault = open_vault(true);

    (void)state;
    dk_vault_seen(vault, 10);
    (void)put(vault, 1001, "kept");
    dk_vault_retire(vault, 1000, 12);
    (void)put(vault, 1000, "behind");
    dk_vault_close(vault); /* dies before event 12 is durable */
    vault = open_vault(true);
    assert_ok(dk_vault_begin(vault, 11, &ok_err));
    assert_int_equal(get(vault, 1000, "behind"), DK_NOT_FOUND);
    assert_int_equal(get(vault, 1001, "kept"), DK_OK);
    assert_true(put(vault, 1000, "behind"));
    dk_vault_seen(vault, 12);
    assert_ok(dk_vault_forget(vault, 1000, 12, &ok_err)); /* this one is another event 12 */
    assert_int_equal(get(vault, 1000, "behind"), DK_END);
    dk_vault_close(vault);
}

static void test_what_is_dropped_can_be_put_again(void **state)
{
    struct dk_vault *vault = open_vault(true);
    uint8_t digest[DK_VAULT_DIGEST_SIZE];

    (void)state;
    (void)put(vault, 1000, "rejected");
    dk_vault_digest("rejected", 8, digest);
    assert_ok(dk_vault_drop(vault, 1000, digest, &ok_err));
    assert_int_equal(get(vault, 1000, "rejected"), DK_NOT_FOUND);
    assert_true(put(vault, 1000, "rejected"));
    assert_int_equal(get(vault, 1000, "rejected"), DK_OK);
    dk_vault_close(vault);
}

static void test_a_reader_notices_what_the_writer_adds_and_forgets(void **state)
{
    struct dk_vault *reader = open_vault(false), *writer;

    (void)state;
    assert_int_equal(get(reader, 1000, "first"), DK_NOT_FOUND);
    writer = open_vault(true);
    (void)put(writer, 1000, "first");
    assert_int_equal(get(reader, 1000, "first"), DK_OK);
    for (int32_t uid = 0; uid < 700; uid++) /* more than fits where keys lie first */
        (void)put(writer, uid, "second");
    for (int32_t uid = 0; uid < 700; uid++)
        assert_int_equal(get(reader, uid, "second"), DK_OK);
    dk_vault_seen(writer, 5);
    assert_ok(dk_vault_forget(writer, 1000, 5, &ok_err));
    assert_int_equal(get(reader, 1000, "first"), DK_END);
    (void)put(writer, 1000, "first");
    assert_int_equal(get(reader, 1000, "first"), DK_OK);
    dk_vault_retire(reader, 1000, 6); /* it has seen the event before the writer forgot */
    assert_int_equal(get(reader, 1000, "first"), DK_END);
    dk_vault_close(reader);
    dk_vault_close(writer);
}

static void test_a_reader_without_a_key_waits_for_its_file(void **state)
{
    struct dk_cluster_key *key;
    struct dk_vault *reader, *writer;

    (void)state;
    assert_ok(dk_vault_open(&reader, folder, NULL, false, &ok_err));
    dk_vault_retire(reader, 1001, 3);
    assert_int_equal(get(reader, 1000, "first"), DK_NOT_FOUND);
    assert_true(dk_vault_is_new(folder));
    assert_ok(dk_cluster_key_open(&key, folder, true, &ok_err));
    assert_ok(dk_vault_open(&writer, folder, key, true, &ok_err));
    assert_false(dk_vault_is_new(folder));
    (void)put(writer, 1000, "first");
    (void)put(writer, 1001, "first");
    assert_int_equal(get(reader, 1000, "first"), DK_OK);
    assert_int_equal(get(reader, 1001, "first"), DK_END);
    dk_vault_close(reader);
    dk_vault_close(writer);
    dk_cluster_key_close(key);
}

static void test_another_cluster_key_opens_nothing_and_says_so(void **state)
{
    static const uint8_t bytes[DK_CLUSTER_KEY_SIZE] = "of another cluster";
    struct dk_cluster_key *other = dk_cluster_key_of(bytes);
    struct dk_vault *vault = open_vault(true);
    struct dk_err err;

    (void)state;
    (void)put(vault, 1000, "text");
    dk_vault_close(vault);
    assert_int_equal(dk_vault_open(&vault, folder, other, true, &err), DK_INVALID);
    assert_contains(err.text, "'cluster.key' is not the key");
    assert_ok(dk_vault_open(&vault, folder, other, false, &ok_err));
    assert_int_equal(get(vault, 1000, "text"), DK_INVALID);
    dk_vault_close(vault);
    dk_cluster_key_close(other);
}

static void test_there_is_one_writer(void **state)
{
    struct dk_vault *vault = open_vault(true), *second;
    struct stat about;
    char path[FOLDER_MAX + 32];
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_vault_open(&second, folder, cluster, true, &err), DK_BUSY);
    assert_null(second);
    dk_vault_close(vault);
    (void)snprintf(path, sizeof(path), "%s/user.keys", folder);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(dk_vault_open(&second, folder, cluster, true, &err), DK_NOT_PERMITTED);
}

/* Each byte of record and key, flipped: nothing comes out, and nothing else is harmed. */
static void test_what_was_tampered_with_does_not_open(void **state)
{
    struct dk_vault *vault = open_vault(true);
    size_t pack_size, keys_size;
    uint8_t *pack, *keys;
    uint32_t sum;

    (void)state;
    (void)put(vault, 1000, "target");
    (void)put(vault, 1001, "bystander");
    dk_vault_close(vault);
    pack = file_read(blobs, "000001.pack", &pack_size);
    keys = file_read(folder, "user.keys", &keys_size);
    for (size_t i = 48; i < 48 + 64 + 6; i++) { /* its bytes, with a checksum that is right again */
        pack[i] ^= 0x40;
        sum = dk_crc32c(dk_crc32c(0, pack + 8, 40), pack + 48, 64 + 6);
        memcpy(pack + 4, &sum, sizeof(sum));
        file_write(blobs, "000001.pack", pack, 4096);
        vault = open_vault(false);
        assert_int_not_equal(get(vault, 1000, "target"), DK_OK);
        assert_int_equal(get(vault, 1001, "bystander"), DK_OK);
        dk_vault_close(vault);
        pack[i] ^= 0x40;
    }
    file_write(blobs, "000001.pack", pack, pack_size);
    free(pack);
    for (size_t i = DK_KEY_SLOT_SIZE; i < 2 * DK_KEY_SLOT_SIZE; i++) {
        keys[i] ^= 0x40;
        file_write(folder, "user.keys", keys, keys_size);
        vault = open_vault(false);
        assert_int_not_equal(get(vault, 1000, "target"), DK_OK);
        assert_int_equal(get(vault, 1001, "bystander"), DK_OK);
        dk_vault_close(vault);
        keys[i] ^= 0x40;
    }
    free(keys);
}

/* A record of one user under another's id, and one of another script: the seal knows. */
static void test_a_record_in_anothers_place_does_not_open(void **state)
{
    struct dk_sealed first = { .is_there = false }, second = { .is_there = false };
    struct dk_vault *vault = open_vault(true);
    uint8_t digest[DK_VAULT_DIGEST_SIZE];

    (void)state;
    (void)put(vault, 1000, "makes the key");
    dk_buf_init(&first.record, &dk_heap, 1 << 20);
    dk_buf_init(&second.record, &dk_heap, 1 << 20);
    dk_vault_digest("first", 5, digest);
    assert_ok(dk_vault_seal(vault, 1000, "first", 5, digest, &first, &ok_err));
    dk_vault_digest("second", 6, digest);
    assert_ok(dk_vault_seal(vault, 1000, "second", 6, digest, &second, &ok_err));
    assert_false(first.is_there || first.has_key);
    assert_ok(dk_vault_accept(vault, first.id, second.record.data, second.record.size, &ok_err));
    assert_ok(dk_vault_accept(vault, second.id, second.record.data, second.record.size, &ok_err));
    dk_vault_digest("first", 5, digest);
    assert_true(dk_vault_has(vault, 1000, digest));
    dk_buf_clear(&first.record);
    assert_int_equal(dk_vault_get(vault, 1000, digest, &first.record, NULL), DK_CORRUPT);
    assert_int_equal(get(vault, 1000, "second"), DK_OK);
    dk_buf_release(&first.record);
    dk_buf_release(&second.record);
    dk_vault_close(vault);
}

struct racing {
    struct dk_vault *vault;
    bool stop;
    unsigned opened, wrong;
};

static void *read_on(void *context)
{
    struct racing *racing = context;

    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    struct dk_buf out;

    dk_buf_init(&out, &dk_heap, DK_VAULT_SIZE_MAX);
    while (!__atomic_load_n(&racing->stop, __ATOMIC_RELAXED)) {
        int32_t uid = (int32_t)(racing->opened % 7);
        enum dk_status status;
        char text[32];

        (void)snprintf(text, sizeof(text), "script %u", racing->opened % 300);
        dk_vault_digest(text, strlen(text), digest);
        dk_buf_clear(&out);
        status = dk_vault_get(racing->vault, uid, digest, &out, NULL);
        if (status == DK_OK && out.size == strlen(text) && memcmp(out.data, text, out.size) == 0)
            racing->opened++;
        else if (status != DK_NOT_FOUND)
            racing->wrong++;
    }
    dk_buf_release(&out);
    return NULL;
}

static void test_a_reader_reads_while_the_writer_writes_and_forgets(void **state)
{
    struct dk_vault *writer = open_vault(true);
    struct racing racing = { .vault = open_vault(false) };
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &racing), 0);
    for (unsigned i = 0; i < 300; i++) {
        char text[32];

        (void)snprintf(text, sizeof(text), "script %u", i);
        for (int32_t uid = 0; uid < 7; uid++)
            (void)put(writer, uid, text);
        (void)put(writer, 8 + (int32_t)i, "another user");
        dk_vault_seen(writer, i + 1);
        if (i % 10 == 9)
            assert_ok(dk_vault_forget(writer, 8 + (int32_t)i - 5, i + 1, &ok_err));
    }
    for (int i = 0; i < 1000 && __atomic_load_n(&racing.opened, __ATOMIC_RELAXED) < 300; i++)
        (void)usleep(10000);
    __atomic_store_n(&racing.stop, true, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(racing.opened >= 300);
    assert_int_equal(racing.wrong, 0);
    assert_int_equal(get(racing.vault, 8 + 4, "another user"), DK_END);
    dk_vault_close(racing.vault);
    dk_vault_close(writer);
}

/* --- from host to host: two vaults of one cluster --- */

static void test_a_key_made_at_a_door_opens_at_another_host(void **state)
{
    struct dk_sealed sealed = { .is_there = false };
    struct dk_vault *door = open_vault(false), *writer = open_vault(true);
    uint8_t digest[DK_VAULT_DIGEST_SIZE];
    char damaged[DK_VAULT_KEY_SIZE];

    (void)state;
    dk_vault_digest("of a door", 9, digest);
    dk_buf_init(&sealed.record, &dk_heap, 1 << 20);
    assert_ok(dk_vault_seal(door, 1000, "of a door", 9, digest, &sealed, &ok_err));
    assert_true(sealed.has_key && !sealed.is_there);
    assert_int_equal(get(writer, 1000, "of a door"), DK_NOT_FOUND);
    memcpy(damaged, sealed.key, sizeof(damaged));
    damaged[70] ^= 1;
    assert_int_equal(dk_vault_accept_key(writer, (uint8_t *)damaged, 128, NULL), DK_CORRUPT);
    assert_int_equal(dk_vault_accept_key(writer, sealed.key, 127, NULL), DK_CORRUPT);
    assert_ok(dk_vault_accept_key(writer, sealed.key, sizeof(sealed.key), &ok_err));
    assert_ok(dk_vault_accept_key(writer, sealed.key, sizeof(sealed.key), &ok_err));
    assert_int_equal(dk_vault_accept(writer, sealed.id, sealed.record.data, 20, NULL), DK_CORRUPT);
    assert_ok(dk_vault_accept(writer, sealed.id, sealed.record.data, sealed.record.size, &ok_err));
    assert_ok(dk_vault_sync(writer, &ok_err));
    assert_int_equal(get(writer, 1000, "of a door"), DK_OK);
    assert_int_equal(get(door, 1000, "of a door"), DK_OK);
    assert_ok(dk_vault_seal(door, 1000, "of a door", 9, digest, &sealed, &ok_err));
    assert_true(sealed.is_there && !sealed.has_key);
    assert_ok(dk_vault_forget(writer, 1000, 4, &ok_err));
    assert_int_equal(dk_vault_accept_key(writer, sealed.key, sizeof(sealed.key), NULL), DK_END);
    assert_int_equal(
        dk_vault_accept(writer, sealed.id, sealed.record.data, sealed.record.size, NULL), DK_END);
    assert_int_equal(get(door, 1000, "of a door"), DK_END);
    dk_buf_release(&sealed.record);
    dk_vault_close(door);
    dk_vault_close(writer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_put_comes_back_and_is_not_on_the_disk),
        TEST(test_the_same_script_of_two_users_is_two),
        TEST(test_a_large_one_fits_and_one_too_large_is_refused),
        TEST(test_what_is_forgotten_is_gone_for_ever_and_new_ones_are_not),
        TEST(test_a_submission_behind_an_erasure_in_its_batch_has_a_new_key),
        TEST(test_keys_of_a_batch_that_never_was_are_dropped_at_the_start),
        TEST(test_what_is_dropped_can_be_put_again),
        TEST(test_a_reader_notices_what_the_writer_adds_and_forgets),
        TEST(test_a_reader_without_a_key_waits_for_its_file),
        TEST(test_another_cluster_key_opens_nothing_and_says_so),
        TEST(test_there_is_one_writer),
        TEST(test_what_was_tampered_with_does_not_open),
        TEST(test_a_record_in_anothers_place_does_not_open),
        TEST(test_a_reader_reads_while_the_writer_writes_and_forgets),
        TEST(test_a_key_made_at_a_door_opens_at_another_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
