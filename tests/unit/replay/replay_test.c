/* replay_test.c - the driver, with the real core: small traces whose schedule can be seen by eye */
#include "replay/replay.h"

#include "cmocka_all.h"

#include <string.h>

struct world {
    struct dk_trace trace;
    struct dk_machine machine;
    struct dk_replay_options options;
    struct dk_replay_result result;
};

static void play(struct world *world, const char *text, enum dk_policy policy,
                 enum dk_backfill backfill, bool run_over)
{
    static const struct dk_trace_options by_rule;
    struct dk_input *input;
    struct dk_err err;

    memset(world, 0, sizeof(*world));
    assert_int_equal(dk_input_open_memory(&input, text, strlen(text), NULL), DK_OK);
    assert_int_equal(dk_trace_read(&world->trace, input, "t.swf", &by_rule, &dk_heap, &err), DK_OK);
    dk_input_destroy(input);
    assert_int_equal(
        dk_machine_guess(&world->machine, world->trace.procs, world->trace.nodes_max, &err), DK_OK);
    dk_policy_spec_default(&world->options.policy);
    world->options.policy.policy = policy;
    world->options.policy.backfill = backfill;
    world->options.run_over = run_over;
    if (dk_replay_run(&world->result, &world->trace, &world->machine, &world->options, &dk_heap,
                      &err) != DK_OK)
        fail_msg("%s", err.text);
}

static void end_world(struct world *world)
{
    dk_replay_release(&world->result, &world->trace, &dk_heap);
    dk_trace_release(&world->trace);
}

#define STARTS(world, ...)                                                                         \
    do {                                                                                           \
        static const int64_t expected[] = { __VA_ARGS__ };                                         \
        assert_int_equal((world)->trace.count, sizeof(expected) / sizeof(*expected));              \
        for (uint32_t i_ = 0; i_ < (world)->trace.count; i_++)                                     \
            assert_int_equal((world)->result.times[i_].start, expected[i_]);                       \
    } while (0)

/* Four processors. Job 2 wants all of them and waits for job 1; 3 is short, 4 is long. */
#define FOUR "; MaxProcs: 4\n"
#define QUEUE                                                                                      \
    FOUR "1 0 -1 100 2 -1 -1 2 100 -1\n" /**/                                                      \
         "2 10 -1 50 4 -1 -1 4 50 -1\n"                                                            \
         "3 20 -1 30 2 -1 -1 2 80 -1\n"                                                            \
         "4 20 -1 200 2 -1 -1 2 200 -1\n"

static void without_backfill_nobody_passes_the_head(void **state)
{
    struct world world;

    (void)state;
    play(&world, QUEUE, DK_POLICY_FCFS, DK_BACKFILL_NONE, false);
    STARTS(&world, 0, 100, 150, 150);
    assert_int_equal(world.result.queue_max, 3);
    end_world(&world);
}

static void with_easy_those_pass_that_end_before_the_head_can_start(void **state)
{
    struct world world;

    (void)state;
    play(&world, QUEUE, DK_POLICY_FCFS, DK_BACKFILL_EASY, false);
    STARTS(&world, 0, 100, 20, 150);
    end_world(&world);
}

static void a_job_past_its_estimate_is_cut_unless_told_not_to(void **state)
{
    static const char text[] = FOUR "1 0 -1 500 4 -1 -1 4 100 -1\n2 1 -1 5 4 -1 -1 4 5 -1\n";
    struct world world;

    (void)state;
    play(&world, text, DK_POLICY_FCFS, DK_BACKFILL_EASY, false);
    STARTS(&world, 0, 100);
    end_world(&world);
    play(&world, text, DK_POLICY_FCFS, DK_BACKFILL_EASY, true);
    STARTS(&world, 0, 500);
    assert_int_equal(world.result.times[0].end, 500);
    end_world(&world);
}

static void a_job_of_no_length_gives_its_cores_back_at_the_same_second(void **state)
{
    struct world world;

    (void)state;
    play(&world, FOUR "1 7 -1 0 4\n2 7 -1 0 4\n3 7 -1 5 4\n4 7 -1 1 1\n", DK_POLICY_FCFS,
         DK_BACKFILL_EASY, false);
    STARTS(&world, 7, 7, 7, 12);
    end_world(&world);
}

static void ends_come_before_submissions_of_the_same_second(void **state)
{
    struct world world;

    (void)state;
    play(&world, FOUR "1 0 -1 10 4\n2 10 -1 10 4\n", DK_POLICY_FCFS, DK_BACKFILL_NONE, false);
    STARTS(&world, 0, 10);
    assert_int_equal(world.result.queue_max, 1); /* as the pass found it */
    end_world(&world);
}

static void the_shortest_goes_first_under_sjf(void **state)
{
    struct world world;

    (void)state;
    play(&world, FOUR "1 0 -1 10 4\n2 1 -1 30 4\n3 2 -1 20 4\n4 3 -1 25 4\n", DK_POLICY_SJF,
         DK_BACKFILL_NONE, false);
    STARTS(&world, 0, 55, 10, 30);
    end_world(&world);
}

static void the_machine_is_guessed_in_whole_nodes(void **state)
{
    struct dk_machine machine;
    struct dk_err err;

    (void)state;
    assert_int_equal(dk_machine_guess(&machine, 2176, 68, &err), DK_OK);
    assert_int_equal(machine.nodes, 68);
    assert_int_equal(machine.cores_per_node, 32);
    assert_int_equal(dk_machine_guess(&machine, 93312, 5544, &err), DK_OK);
    assert_int_equal(machine.cores_per_node, 64);
    assert_int_equal(dk_machine_guess(&machine, 127, -1, &err), DK_OK);
    assert_int_equal(machine.nodes, 127);
    assert_int_equal(dk_machine_guess(&machine, 2147483647, -1, &err), DK_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_backfill_nobody_passes_the_head),
        cmocka_unit_test(with_easy_those_pass_that_end_before_the_head_can_start),
        cmocka_unit_test(a_job_past_its_estimate_is_cut_unless_told_not_to),
        cmocka_unit_test(a_job_of_no_length_gives_its_cores_back_at_the_same_second),
        cmocka_unit_test(ends_come_before_submissions_of_the_same_second),
        cmocka_unit_test(the_shortest_goes_first_under_sjf),
        cmocka_unit_test(the_machine_is_guessed_in_whole_nodes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
