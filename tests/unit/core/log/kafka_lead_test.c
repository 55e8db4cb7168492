/* kafka_lead_test.c - who leads on a real broker, whose address DOCKET_KAFKA is; skipped without
 * one
 *
 * With the argument "long" for a broker that allows no session of 3 s. */
#include "lead_support.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONG_MS = 20000, FEW_MS = 1200, AWAY_MS = 6000, SKIPPED = 77 };

static char uri[512], said[4096];

static int setup(void **state)
{
    static int count;

    (void)state;
    said[0] = '\0';
    (void)snprintf(uri, sizeof(uri), "kafka://%s/lead-%d-%d", getenv("DOCKET_KAFKA"), (int)getpid(),
                   ++count);
    return 0;
}

static void say(void *ctx, const char *text)
{
    (void)ctx;
    (void)snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", text);
}

static const struct dk_lead_options options = { .say = say };

static void the_second_waits_until_the_first_leaves(void **state)
{
    struct dk_lead *first = must_join(uri, &options), *second;
    struct dk_err err;
    int64_t left;

    (void)state;
    assert_int_equal(term_after(first, 0, LONG_MS), 1);
    assert_int_equal(dk_lead_confirm(first, LONG_MS, NULL), DK_OK);
    second = must_join(uri, &options);
    assert_int_equal(term_after(second, 0, FEW_MS), 0);
    assert_int_equal(dk_lead_confirm(second, LONG_MS, &err), DK_FENCED);
    assert_int_equal(dk_lead_confirm(first, LONG_MS, NULL), DK_OK);
    left = now_ms();
    dk_lead_leave(first);
    assert_int_equal(term_after(second, 0, LONG_MS), 1);
    print_message("handed over in %d ms\n", (int)(now_ms() - left));
    assert_true(now_ms() - left < 2500); /* it hears of it by its next beat; a session is 3 s */
    assert_int_equal(dk_lead_confirm(second, LONG_MS, NULL), DK_OK);
    dk_lead_leave(second);
    assert_string_equal(said, "");
}

static void standbys_come_and_go_and_the_leader_stays(void **state)
{
    struct dk_lead *leader = must_join(uri, &options), *standby;

    (void)state;
    assert_int_equal(term_after(leader, 0, LONG_MS), 1);
    for (int i = 0; i < 2; i++) {
        standby = must_join(uri, &options);
        assert_int_equal(term_after(leader, 1, FEW_MS), 1);
        assert_int_equal(dk_lead_confirm(leader, LONG_MS, NULL), DK_OK);
        dk_lead_leave(standby);
        assert_int_equal(term_after(leader, 1, FEW_MS), 1);
    }
    dk_lead_leave(leader);
}

static void a_leader_that_is_killed_is_followed_after_a_session(void **state)
{
    struct candidate leader = candidate_start(uri);
    struct dk_lead *lead;
    int64_t killed;

    (void)state;
    assert_int_equal(candidate_term(&leader, LONG_MS), 1);
    lead = must_join(uri, &options);
    assert_int_equal(term_after(lead, 0, FEW_MS), 0);
    killed = now_ms();
    candidate_end(&leader, SIGKILL);
    assert_int_equal(term_after(lead, 0, LONG_MS), 1);
    print_message("followed after %d ms\n", (int)(now_ms() - killed));
    assert_true(now_ms() - killed < 5000);
    dk_lead_leave(lead);
}

static void a_leader_that_was_stopped_finds_out_that_it_lost(void **state)
{
    struct candidate leader = candidate_start(uri);
    struct dk_lead *lead;

    (void)state;
    assert_int_equal(candidate_term(&leader, LONG_MS), 1);
    lead = must_join(uri, &options);
    assert_int_equal(term_after(lead, 0, FEW_MS), 0);
    (void)kill(leader.pid, SIGSTOP);
    assert_int_equal(term_after(lead, 0, LONG_MS), 1);
    (void)poll(NULL, 0, FEW_MS);
    (void)kill(leader.pid, SIGCONT);
    assert_int_equal(candidate_term(&leader, 2000), 0);
    assert_int_equal(term_after(lead, 1, FEW_MS), 1); /* it comes back as a standby */
    assert_int_equal(dk_lead_confirm(lead, LONG_MS, NULL), DK_OK);
    dk_lead_leave(lead);
    assert_int_equal(candidate_term(&leader, LONG_MS), 2); /* leading again is another term */
    candidate_end(&leader, SIGTERM);
}

static void of_several_exactly_one_follows(void **state)
{
    enum { COUNT = 4 };
    struct dk_lead *leads[COUNT];

    (void)state;
    for (int i = 0; i < COUNT; i++)
        leads[i] = must_join(uri, &options);
    for (int left = COUNT; left > 0; left--) {
        int64_t end = now_ms() + LONG_MS;
        int leading, who = -1;

        do {
            leading = 0;
            for (int i = 0; i < COUNT; i++) {
                if (leads[i] != NULL && dk_lead_term(leads[i]) != 0) {
                    leading++;
                    who = i;
                }
            }
            (void)poll(NULL, 0, 5);
        } while (leading == 0 && now_ms() < end);
        assert_int_equal(leading, 1);
        dk_lead_leave(leads[who]);
        leads[who] = NULL;
    }
}

static void signal_broker(int number)
{
    const char *pids = getenv("DOCKET_KAFKA_PIDS");
    pid_t pid = pids != NULL ? (pid_t)strtol(pids, NULL, 10) : 0;

    assert_true(pid > 0);
    assert_int_equal(kill(pid, number), 0);
}

/* Whatever a test has done to it. */
static int go_on(void **state)
{
    const char *pids = getenv("DOCKET_KAFKA_PIDS");

    (void)state;
    if (pids != NULL)
        (void)kill((pid_t)strtol(pids, NULL, 10), SIGCONT);
    return 0;
}

static void a_broker_that_is_away_takes_the_lead_from_nobody(void **state)
{
    struct dk_lead *leads[2] = { must_join(uri, &options), NULL };
    uint64_t terms[2] = { 0, 0 };
    int64_t began;

    (void)state;
    assert_int_equal(term_after(leads[0], 0, LONG_MS), 1);
    leads[1] = must_join(uri, &options);
    assert_int_equal(term_after(leads[1], 0, FEW_MS), 0);
    signal_broker(SIGSTOP);
    assert_int_equal(term_after(leads[0], 1, AWAY_MS), 1); /* more than a session */
    assert_int_equal(dk_lead_confirm(leads[0], 500, NULL), DK_AGAIN);
    assert_int_equal(dk_lead_confirm(leads[1], 500, NULL), DK_FENCED);
    signal_broker(SIGCONT);
    began = now_ms();
    do { /* both have to join again, and the group may choose the other then */
        assert_true(now_ms() < began + LONG_MS);
        for (int i = 0; i < 2; i++)
            terms[i] = dk_lead_term(leads[i]);
    } while ((terms[0] != 0) == (terms[1] != 0) ||
             dk_lead_confirm(leads[terms[1] != 0], 500, NULL) != DK_OK);
    print_message("confirmed %d ms after the broker\n", (int)(now_ms() - began));
    for (int i = 0; i < 2; i++)
        dk_lead_leave(leads[i]);
}

static void confirming_and_leaving_end_without_a_broker(void **state)
{
    struct dk_lead *lead = must_join(uri, &options);
    int64_t began;

    (void)state;
    assert_int_equal(term_after(lead, 0, LONG_MS), 1);
    signal_broker(SIGSTOP);
    (void)poll(NULL, 0, 50);
    began = now_ms();
    assert_int_equal(dk_lead_confirm(lead, 500, NULL), DK_AGAIN);
    assert_true(now_ms() - began < 1000);
    began = now_ms();
    dk_lead_leave(lead);
    print_message("left without a broker in %d ms\n", (int)(now_ms() - began));
    assert_true(now_ms() - began < 7000);
    signal_broker(SIGCONT);
}

static void a_broker_that_allows_no_short_session_gets_a_long_one(void **state)
{
    struct dk_lead *first = must_join(uri, &options), *second;

    (void)state;
    assert_int_equal(term_after(first, 0, LONG_MS), 1);
    assert_contains(said, "allows no session of 3 s");
    assert_int_equal(dk_lead_confirm(first, LONG_MS, NULL), DK_OK);
    second = must_join(uri, &options);
    assert_int_equal(term_after(second, 0, FEW_MS), 0);
    dk_lead_leave(first);
    assert_int_equal(term_after(second, 0, LONG_MS), 1);
    dk_lead_leave(second);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_second_waits_until_the_first_leaves, setup),
        cmocka_unit_test_setup(standbys_come_and_go_and_the_leader_stays, setup),
        cmocka_unit_test_setup(a_leader_that_is_killed_is_followed_after_a_session, setup),
        cmocka_unit_test_setup(a_leader_that_was_stopped_finds_out_that_it_lost, setup),
        cmocka_unit_test_setup(of_several_exactly_one_follows, setup),
        cmocka_unit_test_setup_teardown(a_broker_that_is_away_takes_the_lead_from_nobody, setup,
                                        go_on),
        cmocka_unit_test_setup_teardown(confirming_and_leaving_end_without_a_broker, setup, go_on),
    };
    const struct CMUnitTest with_long_session[] = {
        cmocka_unit_test_setup(a_broker_that_allows_no_short_session_gets_a_long_one, setup),
    };

    if (candidate_main(argc, argv))
        return 0;
    if (getenv("DOCKET_KAFKA") == NULL) {
        (void)printf("skipped: no DOCKET_KAFKA; tests/e2e/kafka/broker.py -- %s\n", argv[0]);
        return SKIPPED;
    }
    if (argc > 1 && strcmp(argv[1], "long") == 0)
        return cmocka_run_group_tests(with_long_session, NULL, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
