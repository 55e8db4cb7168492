/* checkpoint_test.c - one spelling of a checkpoint, and a clear word for each way to cheat */
#include "history.h"

#include "batch/checkpoint.h"

#include <string.h>

static const char uri[] = "memory:checkpoint";

static void remove_log(void)
{
    dk_log_memory_remove("checkpoint");
}

static struct history_batches make_log(int batches, int altered, int64_t begin)
{
    struct history_batches all;

    remove_log();
    history_write(uri, &(struct history){ batches, altered, begin });
    history_read(uri, &all);
    remove_log();
    return all;
}

/* A claim about the first `count` batches, as if it had been signed rightly. */
static struct dk_claim claim_of(const struct history_batches *all, size_t count)
{
    struct dk_claim claim = { .verdict = DK_VERDICT_OPEN };

    history_head(all, count, claim.checkpoint.log, &claim.checkpoint.head);
    return claim;
}

static void watch(struct dk_claim *claims, size_t count, const struct history_batches *log,
                  size_t batches, bool readable)
{
    struct dk_witness witness;

    dk_witness_init(&witness, claims, count, &dk_heap);
    for (size_t i = 0; i < batches; i++)
        dk_witness_batch(&witness, &log->items[i]);
    dk_witness_end(&witness, readable);
    assert_true(dk_witness_is_done(&witness));
    dk_witness_release(&witness);
}

static void test_a_line_has_one_spelling(void **state)
{
    struct history_batches all = make_log(3, 0, 0);
    struct dk_claim claim = claim_of(&all, 3);
    struct dk_checkpoint other;
    char line[DK_CHECKPOINT_LINE_MAX], again[DK_CHECKPOINT_LINE_MAX];
    size_t signed_size, size;

    (void)state;
    claim.checkpoint.signed_time = -5; /* before 1970: fine, too */
    memset(claim.checkpoint.key, 7, sizeof(claim.checkpoint.key));
    size = dk_checkpoint_print(&claim.checkpoint, line, &signed_size);
    assert_memory_equal(line, "{\"docket\":\"checkpoint 1\",\"log\":\"", 32);
    assert_memory_equal(line + signed_size, ",\"signature\":\"", 14);
    assert_ok(dk_checkpoint_parse(&other, line, size, &ok_err));
    assert_int_equal(dk_checkpoint_print(&other, again, &signed_size), size);
    assert_memory_equal(line, again, size);
    for (size_t i = 0; i < size; i++) { /* another byte is another checkpoint, or none */
        for (unsigned bit = 0; bit < 8; bit++) {
            line[i] = (char)(line[i] ^ (1 << bit));
            if (dk_checkpoint_parse(&other, line, size, NULL) == DK_OK) {
                assert_int_equal(dk_checkpoint_print(&other, again, &signed_size), size);
                assert_memory_equal(line, again, size);
            }
            line[i] = (char)(line[i] ^ (1 << bit));
        }
        assert_int_equal(dk_checkpoint_parse(&other, line, i, NULL), DK_INVALID);
    }
    history_release(&all);
}

static void test_it_holds_while_the_history_is_the_same(void **state)
{
    struct history_batches all = make_log(20, 0, 0);
    struct dk_claim claims[] = { claim_of(&all, 20), claim_of(&all, 1), claim_of(&all, 9),
                                 claim_of(&all, 9) };

    (void)state;
    watch(claims, 4, &all, all.count, true);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(claims[i].verdict, DK_VERDICT_HOLDS);
    assert_true(claims[0].checkpoint.head.seq < claims[3].checkpoint.head.seq); /* sorted */
    history_release(&all);
}

static void test_a_log_that_ends_before_it_is_truncated(void **state)
{
    struct history_batches all = make_log(20, 0, 0);
    struct dk_claim claims[] = { claim_of(&all, 5), claim_of(&all, 12) };

    (void)state;
    watch(claims, 2, &all, 11, true);
    assert_int_equal(claims[0].verdict, DK_VERDICT_HOLDS);
    assert_int_equal(claims[1].verdict, DK_VERDICT_TRUNCATED);
    claims[1].verdict = DK_VERDICT_OPEN;
    watch(claims, 2, &all, 0, true);
    assert_int_equal(claims[1].verdict, DK_VERDICT_TRUNCATED);
    history_release(&all);
}

static void test_a_log_that_cannot_be_read_so_far_is_damaged(void **state)
{
    struct history_batches all = make_log(20, 0, 0);
    struct dk_claim claims[] = { claim_of(&all, 5), claim_of(&all, 12) };

    (void)state;
    watch(claims, 2, &all, 11, false);
    assert_int_equal(claims[0].verdict, DK_VERDICT_HOLDS);
    assert_int_equal(claims[1].verdict, DK_VERDICT_DAMAGED);
    history_release(&all);
}

static void test_a_history_with_its_chain_made_anew_is_rewritten(void **state)
{
    struct history_batches all = make_log(20, 0, 0), lie = make_log(20, 8, 0);
    struct dk_claim claims[] = { claim_of(&all, 7), claim_of(&all, 8), claim_of(&all, 15) };

    (void)state;
    watch(claims, 3, &lie, lie.count, true);
    assert_int_equal(claims[0].verdict, DK_VERDICT_HOLDS);
    assert_int_equal(claims[1].verdict, DK_VERDICT_REWRITTEN);
    assert_int_equal(claims[2].verdict, DK_VERDICT_REWRITTEN);
    history_release(&all);
    history_release(&lie);
}

static void test_a_chain_that_breaks_before_it_is_rewritten_too(void **state)
{
    struct history_batches all = make_log(20, 0, 0);
    struct dk_claim claims[] = { claim_of(&all, 7), claim_of(&all, 15) };
    uint8_t *byte = (uint8_t *)(uintptr_t)all.items[9].records[0].data + 30;

    (void)state;
    *byte ^= 1;
    watch(claims, 2, &all, all.count, true);
    assert_int_equal(claims[0].verdict, DK_VERDICT_HOLDS);
    assert_int_equal(claims[1].verdict, DK_VERDICT_REWRITTEN);
    history_release(&all);
}

static void test_a_seq_that_is_no_end_of_a_batch_any_more_is_rewritten(void **state)
{
    struct history_batches all = make_log(20, 0, 0);
    struct dk_claim claims[] = { claim_of(&all, 15) };

    (void)state;
    claims[0].checkpoint.head.seq--;
    watch(claims, 1, &all, all.count, true);
    assert_int_equal(claims[0].verdict, DK_VERDICT_REWRITTEN);
    history_release(&all);
}

static void test_another_log_is_told_from_a_rewritten_one(void **state)
{
    struct history_batches all = make_log(20, 0, 0), other = make_log(20, 0, 1000);
    struct dk_claim claims[] = { claim_of(&all, 7), claim_of(&all, 15) };

    (void)state;
    watch(claims, 2, &other, other.count, true);
    assert_int_equal(claims[0].verdict, DK_VERDICT_OTHER_LOG);
    assert_int_equal(claims[1].verdict, DK_VERDICT_OTHER_LOG);
    history_release(&all);
    history_release(&other);
}

static void test_what_the_signature_says_stays(void **state)
{
    struct history_batches all = make_log(20, 0, 0);
    struct dk_claim claims[] = { claim_of(&all, 7), claim_of(&all, 15) };

    (void)state;
    claims[0].verdict = DK_VERDICT_FORGED;
    claims[1].verdict = DK_VERDICT_OTHER_KEY;
    watch(claims, 2, &all, all.count, true);
    assert_int_equal(claims[0].verdict, DK_VERDICT_FORGED);
    assert_int_equal(claims[1].verdict, DK_VERDICT_OTHER_KEY);
    history_release(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_has_one_spelling),
        cmocka_unit_test(test_it_holds_while_the_history_is_the_same),
        cmocka_unit_test(test_a_log_that_ends_before_it_is_truncated),
        cmocka_unit_test(test_a_log_that_cannot_be_read_so_far_is_damaged),
        cmocka_unit_test(test_a_history_with_its_chain_made_anew_is_rewritten),
        cmocka_unit_test(test_a_chain_that_breaks_before_it_is_rewritten_too),
        cmocka_unit_test(test_a_seq_that_is_no_end_of_a_batch_any_more_is_rewritten),
        cmocka_unit_test(test_another_log_is_told_from_a_rewritten_one),
        cmocka_unit_test(test_what_the_signature_says_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
