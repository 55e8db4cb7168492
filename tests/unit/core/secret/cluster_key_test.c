/* cluster_key_test.c - the cluster's key is made once, kept from others, and proves requests */
#include "../log/support.h"

#include "secret/cluster_key.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_MAX], path[FOLDER_MAX + 32];

static int make(void **state)
{
    (void)state;
    folder_make(folder);
    (void)snprintf(path, sizeof(path), "%s/cluster.key", folder);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void mac_of(const char *dir, const char *text, uint8_t mac[DK_CLUSTER_MAC_SIZE])
{
    struct dk_cluster_key *key;

    assert_ok(dk_cluster_key_open(&key, dir, false, &ok_err));
    dk_cluster_mac(key, text, strlen(text), mac);
    dk_cluster_key_close(key);
}

static void test_a_key_is_made_once_with_the_right_rights(void **state)
{
    uint8_t first[DK_CLUSTER_MAC_SIZE], second[DK_CLUSTER_MAC_SIZE];
    struct dk_cluster_key *key;
    struct stat about;

    (void)state;
    (void)umask(0);
    assert_ok(dk_cluster_key_open(&key, folder, true, &ok_err));
    dk_cluster_mac(key, "abc", 3, first);
    dk_cluster_key_close(key);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    assert_int_equal(about.st_size, 65);
    assert_ok(dk_cluster_key_open(&key, folder, true, &ok_err));
    dk_cluster_mac(key, "abc", 3, second);
    dk_cluster_key_close(key);
    assert_memory_equal(first, second, sizeof(first));
    mac_of(folder, "abd", second);
    assert_memory_not_equal(first, second, sizeof(first));
}

static void test_without_a_key_an_old_cluster_says_where_to_get_it(void **state)
{
    struct dk_cluster_key *key;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_cluster_key_open(&key, folder, false, &err), DK_NOT_FOUND);
    assert_null(key);
    assert_contains(err.text, "copy it from another controller's host");
    assert_contains(err.text, path);
    assert_false(file_exists(folder, "cluster.key"));
}

static void test_a_key_that_others_can_read_is_refused(void **state)
{
    static const mode_t open_modes[] = { 0640, 0604, 0660, 0601, 0777 };
    struct dk_cluster_key *key;
    struct dk_err err;

    (void)state;
    assert_ok(dk_cluster_key_open(&key, folder, true, &ok_err));
    dk_cluster_key_close(key);
    for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
        assert_int_equal(chmod(path, open_modes[i]), 0);
        assert_int_equal(dk_cluster_key_open(&key, folder, true, &err), DK_NOT_PERMITTED);
        assert_contains(err.text, "must be 0600");
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_ok(dk_cluster_key_open(&key, folder, true, &ok_err));
    dk_cluster_key_close(key);
}

static void test_what_is_no_key_is_refused_and_stays_as_it_is(void **state)
{
    static const char *const wrong[] = { "", "0123", "zz", "\n" };
    char digits[80];
    struct dk_cluster_key *key;
    struct dk_err err;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        file_write(folder, "cluster.key", wrong[i], strlen(wrong[i]));
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(dk_cluster_key_open(&key, folder, true, &err), DK_CORRUPT);
    }
    memset(digits, 'a',
           sizeof(digits)); /* too many, and the right number with and without an end */
    file_write(folder, "cluster.key", digits, 66);
    assert_int_equal(dk_cluster_key_open(&key, folder, true, &err), DK_CORRUPT);
    file_write(folder, "cluster.key", digits, 64);
    assert_ok(dk_cluster_key_open(&key, folder, true, &ok_err));
    dk_cluster_key_close(key);
    digits[10] = 'g';
    file_write(folder, "cluster.key", digits, 64);
    assert_int_equal(dk_cluster_key_open(&key, folder, true, &err), DK_CORRUPT);
}

static void *open_it(void *mac)
{
    struct dk_cluster_key *key;

    if (dk_cluster_key_open(&key, folder, true, NULL) != DK_OK)
        return NULL;
    dk_cluster_mac(key, "abc", 3, mac);
    dk_cluster_key_close(key);
    return mac;
}

static void test_two_that_start_at_once_agree_on_one_key(void **state)
{
    enum { ROUNDS = 20 };

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        uint8_t macs[2][DK_CLUSTER_MAC_SIZE];
        pid_t child;
        int ends[2];

        (void)unlink(path);
        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(open_it(macs[0]) != NULL &&
                          write(ends[1], macs[0], sizeof(macs[0])) == (ssize_t)sizeof(macs[0])
                      ? 0
                      : 1);
        assert_non_null(open_it(macs[1]));
        assert_int_equal(read(ends[0], macs[0], sizeof(macs[0])), sizeof(macs[0]));
        assert_memory_equal(macs[0], macs[1], sizeof(macs[0]));
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
}

static void test_a_mac_fits_its_bytes_and_its_key_only(void **state)
{
    const uint8_t bytes[DK_CLUSTER_KEY_SIZE] = { 1 }, others[DK_CLUSTER_KEY_SIZE] = { 2 };
    struct dk_cluster_key *key = dk_cluster_key_of(bytes), *other = dk_cluster_key_of(others);
    uint8_t mac[DK_CLUSTER_MAC_SIZE], prints[2][DK_CLUSTER_PRINT_SIZE];

    (void)state;
    dk_cluster_mac(key, "a request", 9, mac);
    assert_true(dk_cluster_mac_fits(key, "a request", 9, mac, sizeof(mac)));
    assert_false(dk_cluster_mac_fits(key, "a request", 8, mac, sizeof(mac)));
    assert_false(dk_cluster_mac_fits(key, "A request", 9, mac, sizeof(mac)));
    assert_false(dk_cluster_mac_fits(key, "a request", 9, mac, sizeof(mac) - 1));
    assert_false(dk_cluster_mac_fits(key, "a request", 9, NULL, 0));
    assert_false(dk_cluster_mac_fits(other, "a request", 9, mac, sizeof(mac)));
    mac[31] ^= 1;
    assert_false(dk_cluster_mac_fits(key, "a request", 9, mac, sizeof(mac)));
    dk_cluster_key_print(key, prints[0]);
    dk_cluster_key_print(other, prints[1]);
    assert_memory_not_equal(prints[0], prints[1], sizeof(prints[0]));
    dk_cluster_key_close(key);
    dk_cluster_key_close(other);
    dk_cluster_key_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_key_is_made_once_with_the_right_rights, make,
                                        take_away),
        cmocka_unit_test_setup_teardown(test_without_a_key_an_old_cluster_says_where_to_get_it,
                                        make, take_away),
        cmocka_unit_test_setup_teardown(test_a_key_that_others_can_read_is_refused, make,
                                        take_away),
        cmocka_unit_test_setup_teardown(test_what_is_no_key_is_refused_and_stays_as_it_is, make,
                                        take_away),
        cmocka_unit_test_setup_teardown(test_two_that_start_at_once_agree_on_one_key, make,
                                        take_away),
        cmocka_unit_test(test_a_mac_fits_its_bytes_and_its_key_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
