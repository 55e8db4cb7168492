/* sign_test.c - an auditor's keys: kept from others, never overwritten, and one bit breaks a proof
 */
#include "../log/support.h"

#include "secret/sign.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_MAX], path[FOLDER_MAX + 32], beside[FOLDER_MAX + 40];

static int make(void **state)
{
    (void)state;
    folder_make(folder);
    (void)snprintf(path, sizeof(path), "%s/audit.key", folder);
    (void)snprintf(beside, sizeof(beside), "%s.pub", path);
    (void)umask(0);
    assert_ok(dk_sign_key_make(path, &ok_err));
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void test_the_secret_is_for_its_owner_and_the_public_key_for_all(void **state)
{
    struct dk_sign_key *key;
    struct stat about;
    struct dk_err err;

    (void)state;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(stat(beside, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0644);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(dk_sign_key_open(&key, path, &err), DK_NOT_PERMITTED);
    assert_null(key);
    assert_contains(err.text, "mode 0640");
}

static void test_a_signature_fits_its_bytes_and_its_key_alone(void **state)
{
    uint8_t public_key[DK_SIGN_PUBLIC_SIZE], read[DK_SIGN_PUBLIC_SIZE], signature[DK_SIGN_SIZE];
    char text[] = "what is signed";
    struct dk_sign_key *key;

    (void)state;
    assert_ok(dk_sign_key_open(&key, path, &ok_err));
    dk_sign(key, text, sizeof(text), signature);
    dk_sign_key_public(key, public_key);
    dk_sign_key_close(key);
    assert_ok(dk_sign_public_read(beside, read, &ok_err));
    assert_memory_equal(public_key, read, sizeof(read));
    assert_true(dk_sign_fits(read, text, sizeof(text), signature));
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] ^= 1;
        assert_false(dk_sign_fits(read, text, sizeof(text), signature));
        text[i] ^= 1;
    }
    for (size_t i = 0; i < sizeof(signature); i++) {
        signature[i] ^= 1;
        assert_false(dk_sign_fits(read, text, sizeof(text), signature));
        signature[i] ^= 1;
    }
    read[5] ^= 1;
    assert_false(dk_sign_fits(read, text, sizeof(text), signature));
}

static void test_no_key_is_overwritten(void **state)
{
    struct dk_err err;
    uint8_t *before, *after;
    size_t size, again;

    (void)state;
    before = file_read(folder, "audit.key", &size);
    assert_int_equal(dk_sign_key_make(path, &err), DK_INVALID);
    assert_contains(err.text, "never overwritten");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(dk_sign_key_make(path, &err), DK_INVALID); /* the public one is there */
    assert_false(file_exists(folder, "audit.key"));             /* and nothing was left */
    file_write(folder, "audit.key", before, size);
    after = file_read(folder, "audit.key", &again);
    assert_int_equal(size, again);
    free(before);
    free(after);
}

static void test_one_kind_of_key_is_not_taken_for_the_other(void **state)
{
    uint8_t public_key[DK_SIGN_PUBLIC_SIZE];
    struct dk_sign_key *key;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_sign_public_read(path, public_key, &err), DK_INVALID);
    assert_contains(err.text, "a secret key, not for this");
    assert_int_equal(chmod(beside, 0600), 0);
    assert_int_equal(dk_sign_key_open(&key, beside, &err), DK_INVALID);
    assert_contains(err.text, "a public key");
    file_write(folder, "audit.key.pub", "rubbish\n", 8);
    assert_int_equal(dk_sign_public_read(beside, public_key, &err), DK_INVALID);
    assert_contains(err.text, "no key");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(test_the_secret_is_for_its_owner_and_the_public_key_for_all),
        TEST(test_a_signature_fits_its_bytes_and_its_key_alone),
        TEST(test_no_key_is_overwritten),
        TEST(test_one_kind_of_key_is_not_taken_for_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
