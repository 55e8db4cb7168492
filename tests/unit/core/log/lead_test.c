/* lead_test.c - who leads on a log in a folder: one, and the next as soon as that one is gone */
#include "lead_support.h"

#include <signal.h>
#include <string.h>

enum { LONG_MS = 10000, SHORT_MS = 150, AT_ONCE_MS = 400 }; /* by looks alone: up to 500 */

static char folder[FOLDER_MAX], uri[FOLDER_MAX + 16];

static int setup(void **state)
{
    (void)state;
    folder_make(folder);
    (void)snprintf(uri, sizeof(uri), "file:%s/log", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static void the_first_one_leads(void **state)
{
    struct dk_lead *lead = must_join(uri, NULL);

    (void)state;
    assert_int_equal(term_after(lead, 0, LONG_MS), 1);
    assert_int_equal(dk_lead_confirm(lead, 0, NULL), DK_OK);
    dk_lead_leave(lead);
}

static void the_second_waits_until_the_first_leaves(void **state)
{
    struct dk_lead *first = must_join(uri, NULL), *second;
    struct dk_err err;
    int64_t left;

    (void)state;
    assert_int_equal(term_after(first, 0, LONG_MS), 1);
    second = must_join(uri, NULL);
    assert_int_equal(term_after(second, 0, SHORT_MS), 0);
    assert_int_equal(dk_lead_confirm(second, 0, &err), DK_FENCED);
    assert_contains(err.text, "another controller");
    left = now_ms();
    dk_lead_leave(first);
    assert_int_equal(term_after(second, 0, LONG_MS), 1);
    assert_true(now_ms() - left < AT_ONCE_MS);
    dk_lead_leave(second);
}

static void a_leader_that_is_killed_is_followed_at_once(void **state)
{
    struct candidate leader = candidate_start(uri);
    struct dk_lead *lead;
    int64_t killed;

    (void)state;
    assert_int_equal(candidate_term(&leader, LONG_MS), 1);
    lead = must_join(uri, NULL);
    assert_int_equal(term_after(lead, 0, SHORT_MS), 0);
    killed = now_ms();
    (void)kill(leader.pid, SIGKILL);
    assert_int_equal(term_after(lead, 0, LONG_MS), 1);
    assert_true(now_ms() - killed < AT_ONCE_MS);
    candidate_end(&leader, SIGKILL);
    dk_lead_leave(lead);
}

static void a_leader_that_is_stopped_still_leads(void **state)
{
    struct candidate leader = candidate_start(uri);
    struct dk_lead *lead;

    (void)state;
    assert_int_equal(candidate_term(&leader, LONG_MS), 1);
    lead = must_join(uri, NULL);
    (void)kill(leader.pid, SIGSTOP);
    assert_int_equal(term_after(lead, 0, 1200), 0);
    candidate_end(&leader, SIGTERM);
    assert_int_equal(term_after(lead, 0, LONG_MS), 1);
    dk_lead_leave(lead);
}

static void of_many_that_wait_exactly_one_follows(void **state)
{
    enum { COUNT = 8 };
    struct dk_lead *leads[COUNT];
    int leading;

    (void)state;
    for (int i = 0; i < COUNT; i++)
        leads[i] = must_join(uri, NULL);
    for (int left = COUNT; left > 0; left--) {
        int64_t end = now_ms() + LONG_MS;
        int who = -1;

        do {
            leading = 0;
            for (int i = 0; i < COUNT; i++) {
                if (leads[i] != NULL && dk_lead_term(leads[i]) != 0) {
                    leading++;
                    who = i;
                }
            }
        } while (leading == 0 && now_ms() < end);
        assert_int_equal(leading, 1);
        dk_lead_leave(leads[who]);
        leads[who] = NULL;
    }
}

static void waiting_can_be_given_up(void **state)
{
    struct dk_lead *first = must_join(uri, NULL), *second = must_join(uri, NULL);
    int64_t began = now_ms();

    (void)state;
    dk_lead_leave(second);
    assert_true(now_ms() - began < AT_ONCE_MS);
    dk_lead_leave(first);
    dk_lead_leave(NULL);
}

static void the_leader_can_write_the_log_beside_its_lock(void **state)
{
    struct dk_lead *lead = must_join(uri, NULL);
    struct dk_log *log;

    (void)state;
    assert_int_equal(term_after(lead, 0, LONG_MS), 1);
    log = must_open(uri, NULL);
    must_append(log, 3);
    must_sync(log);
    must_close(log);
    assert_int_equal(read_all(uri, 1, NULL), 4);
    dk_lead_leave(lead);
}

static void other_logs_have_nobody_to_decide(void **state)
{
    struct dk_lead *lead;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_lead_join(&lead, "memory:one", NULL, &err), DK_UNSUPPORTED);
    assert_null(lead);
    assert_contains(err.text, "memory:one");
    assert_int_equal(dk_lead_join(&lead, "file:/nowhere/at/all", NULL, &err), DK_NOT_FOUND);
    assert_null(lead);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_one_leads, setup, teardown),
        cmocka_unit_test_setup_teardown(the_second_waits_until_the_first_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(a_leader_that_is_killed_is_followed_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_leader_that_is_stopped_still_leads, setup, teardown),
        cmocka_unit_test_setup_teardown(of_many_that_wait_exactly_one_follows, setup, teardown),
        cmocka_unit_test_setup_teardown(waiting_can_be_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(the_leader_can_write_the_log_beside_its_lock, setup,
                                        teardown),
        cmocka_unit_test(other_logs_have_nobody_to_decide),
    };

    return candidate_main(argc, argv) ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
