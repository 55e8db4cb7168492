/* munge_test.c - credentials: what one looks like, what it is made for, and what munged says of it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "munged.h"
#include "net/munge.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char folder[SCRATCH_MAX];
static struct munged ours, foreign;

static int begin(void **state)
{
    (void)state;
    scratch_make(folder);
    return munged_start(&ours, folder, "ours") && munged_start(&foreign, folder, "foreign") ? 0
                                                                                            : -1;
}

static int end(void **state)
{
    (void)state;
    munged_stop(&ours);
    munged_stop(&foreign);
    scratch_remove(folder);
    return 0;
}

static void a_credential_has_one_text(void **state)
{
    static const char *const good[] = { "MUNGE:AAAA:", "MUNGE:AAA=:", "MUNGE:AA==:",
                                        "MUNGE:+/9zAAA=:" };
    static const char *const bad[] = { "",
                                       "MUNGE:",
                                       "MUNGE::",
                                       "MUNGE:AAA:",
                                       "MUNGE:AAAA",
                                       "MUNGE:AAAA: ",
                                       " MUNGE:AAAA:",
                                       "munge:AAAA:",
                                       "MUNGE:AA A:",
                                       "MUNGE:AAAA:x",
                                       "MUNGE:A===:",
                                       "MUNGE:====:",
                                       "MUNGE:AAB=:",
                                       "MUNGE:AB==:",
                                       "MUNGE:A=AA:",
                                       "MUNGE:AA-_:",
                                       "MUNGE:AA\nA:" };
    char text[2 * DK_CREDENTIAL_SIZE_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(dk_credential_is_whole(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(dk_credential_is_whole(bad[i]));
    memset(text, 'A', sizeof(text)); /* without an end, too */
    memcpy(text, "MUNGE:", 6);
    assert_false(dk_credential_is_whole(text));
}

static void assert_digest(const uint8_t digest[DK_DIGEST_SIZE], const char *expected)
{
    char hex[2 * DK_DIGEST_SIZE + 1];

    for (int i = 0; i < DK_DIGEST_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(hex, expected);
}

static void digests_are_as_the_decision_says(void **state)
{
    const struct dk_munge usual = { .cluster = "" }, other = { .cluster = "alpha" };
    uint8_t digest[DK_DIGEST_SIZE];

    (void)state;
    dk_digest_call(&usual, "GET", "/v1/jobs?user=anna", NULL, 0, digest);
    assert_digest(digest, "a12b2fe476cca2707fab56ed3653a72af40c1e7cf4c52b577c3c617fa1f0707f");
    dk_digest_call(&usual, "POST", "/v1/requests", "body", 4, digest);
    assert_digest(digest, "6c332f833ff53ff41a62287b4a0289578c57afacdc327c93de203d282b3ef249");
    dk_digest_call(&other, "POST", "/v1/requests", "body", 4, digest);
    assert_digest(digest, "a8d731819321453ee0d4ce7db821fb13140fad13dd4abc55f8a005b318489a8c");
    dk_digest_answer("MUNGE:x:", 200, 17, "body", 4, digest);
    assert_digest(digest, "9a0946eda2574705b34e08f67166b8adb7814b35e73b7d28e143915588b00107");
}

static enum dk_proof look(const struct munged *munged, const char *text, const uint8_t *digest)
{
    struct dk_credential credential;

    dk_credential_look(munged->munge.socket, text, digest, &credential);
    assert_int_equal(credential.proof == DK_PROOF_GOOD, credential.why[0] == '\0');
    if (credential.proof == DK_PROOF_INVALID || credential.proof == DK_PROOF_UNAVAILABLE) {
        assert_int_equal(credential.uid, -1);
    } else {
        assert_int_equal(credential.uid, getuid());
        assert_int_equal(credential.gid, getgid());
    }
    return credential.proof;
}

static void a_credential_proves_its_digest_and_once(void **state)
{
    static const uint8_t digest[DK_DIGEST_SIZE] = { 1, 2, 3 }, other[DK_DIGEST_SIZE] = { 1, 2, 4 };
    char text[DK_CREDENTIAL_SIZE_MAX];

    (void)state;
    assert_good(dk_credential_make(ours.munge.socket, digest, text, &good_err));
    assert_int_equal(look(&ours, text, digest), DK_PROOF_GOOD);
    assert_int_equal(look(&ours, text, digest), DK_PROOF_REPLAYED);
    assert_good(dk_credential_make(ours.munge.socket, digest, text, &good_err));
    assert_int_equal(look(&ours, text, other), DK_PROOF_MOVED);
    assert_good(dk_credential_make(ours.munge.socket, digest, text, &good_err));
    assert_int_equal(look(&foreign, text, digest), DK_PROOF_INVALID);
    assert_int_equal(look(&ours, NULL, digest), DK_PROOF_INVALID);
    assert_int_equal(look(&ours, "MUNGE:AAAA:", digest), DK_PROOF_INVALID);
}

/* Any one bit of it. */
static void a_damaged_credential_proves_nothing(void **state)
{
    static const uint8_t digest[DK_DIGEST_SIZE] = { 9 };
    char text[DK_CREDENTIAL_SIZE_MAX], damaged[DK_CREDENTIAL_SIZE_MAX];

    (void)state;
    assert_good(dk_credential_make(ours.munge.socket, digest, text, &good_err));
    for (size_t at = 6; text[at + 1] != '\0'; at++) {
        memcpy(damaged, text, sizeof(text));
        damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
        assert_int_equal(look(&ours, damaged, digest), DK_PROOF_INVALID);
    }
    assert_int_equal(look(&ours, text, digest), DK_PROOF_GOOD);
}

static void munged_away_is_said_and_proves_nothing(void **state)
{
    static const uint8_t digest[DK_DIGEST_SIZE] = { 5 };
    struct munged nobody = { .munge.socket = "/nowhere/munge.socket" };
    char text[DK_CREDENTIAL_SIZE_MAX];
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_credential_make(nobody.munge.socket, digest, text, &err), DK_BUSY);
    assert_says(err.text, "/nowhere/munge.socket");
    assert_good(dk_credential_make(ours.munge.socket, digest, text, &good_err));
    assert_int_equal(look(&nobody, text, digest), DK_PROOF_UNAVAILABLE);
    assert_int_equal(look(&ours, text, digest), DK_PROOF_GOOD);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_credential_has_one_text),
        cmocka_unit_test(digests_are_as_the_decision_says),
        cmocka_unit_test(a_credential_proves_its_digest_and_once),
        cmocka_unit_test(a_damaged_credential_proves_nothing),
        cmocka_unit_test(munged_away_is_said_and_proves_nothing),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
