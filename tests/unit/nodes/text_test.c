/* text_test.c - names of files by patterns, and the environment of a batch script */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodes/env.h"
#include "nodes/pattern.h"

#include <stdlib.h>
#include <string.h>

static struct dk_node_share shares[4];
static struct dk_run_job run;
static struct dk_buf out;

static int setup(void **state)
{
    static const char *const names[] = { "n1", "n2", "n3", "m7" };

    (void)state;
    memset(&run, 0, sizeof(run));
    for (int i = 0; i < 4; i++)
        shares[i] = (struct dk_node_share){ dk_text_of(names[i]), 2, 2, 0 };
    run.job = 17;
    run.attempt = 1;
    run.task = -1;
    run.nodes = shares;
    run.nodes_count = 3;
    run.spec.name = dk_text_of("my job");
    run.spec.partition = dk_text_of("main");
    run.spec.account = dk_text_of("physics");
    run.spec.work_dir = dk_text_of("/tmp/w");
    run.spec.tasks = 6;
    run.spec.tasks_per_node = 2;
    run.spec.cpus_per_task = 1;
    run.spec.memory_mib_per_cpu = 100;
    run.spec.launch.submit_host = dk_text_of("login");
    run.actor = (struct dk_actor){ 1000, 1001, dk_text_of("ada"), dk_text_of("here") };
    dk_buf_init(&out, &dk_heap, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dk_buf_release(&out);
    return 0;
}

static void expect_name(const char *pattern, const char *name)
{
    dk_buf_clear(&out);
    dk_pattern_expand(dk_text_of(pattern), &run, dk_text_of("n1"), &out);
    assert_string_equal((const char *)out.data, name);
    assert_int_equal(out.size, strlen(name) + 1);
}

static void letters_stand_for_what_slurm_says(void **state)
{
    (void)state;
    expect_name("%j", "17");
    expect_name("out.%j.%x.%u.%N", "out.17.my job.ada.n1");
    expect_name("%J-%s-%t-%n", "17-batch-0-0");
    expect_name("%A_%a", "17_4294967294");
    expect_name("100%%", "100%");
    expect_name("", "");
    run.array_job = 10;
    run.task = 3;
    expect_name("%A_%a.%j", "10_3.17");
    run.task = 25;
    expect_name("%b", "5");
}

static void a_number_fills_up_with_zeros(void **state)
{
    (void)state;
    expect_name("%4j", "0017");
    expect_name("%1j", "17");
    expect_name("%3x", "my job");
    expect_name("%99999999999j", "0000000017"); /* at most ten */
}

static void what_means_nothing_stays(void **state)
{
    (void)state;
    expect_name("a%zb", "a%zb");
    expect_name("%", "%");
    expect_name("50%4", "50%4");
}

static void a_backslash_turns_patterns_off(void **state)
{
    (void)state;
    expect_name("\\%j", "%j");
    expect_name("a\\\\b%j", "a\\b%j");
}

static void the_default_output_knows_arrays(void **state)
{
    (void)state;
    assert_true(dk_text_equal(dk_pattern_output(&run), dk_text_of("slurm-%j.out")));
    run.task = 0;
    assert_true(dk_text_equal(dk_pattern_output(&run), dk_text_of("slurm-%A_%a.out")));
}

/* --- the environment --- */

static struct dk_user user = { "ada", "/tmp/ada", "/bin/bash", NULL, 0 };

static uint32_t build(const char *sent, size_t size, bool is_hook)
{
    const struct dk_env_place place = { "n1", "testing", "/tmp/cluster", &user };

    dk_buf_clear(&out);
    return dk_env_build(&run, &place, (struct dk_bytes){ (const uint8_t *)sent, (uint32_t)size },
                        is_hook, &out);
}

static const char *value(const char *name)
{
    const char *at = (const char *)out.data, *end = at + out.size, *found = NULL;
    size_t size = strlen(name);

    for (; at < end; at += strlen(at) + 1)
        if (strncmp(at, name, size) == 0 && at[size] == '=') {
            assert_null(found); /* each name once */
            found = at + size + 1;
        }
    return found;
}

#define expect(name, text)                                                                         \
    do {                                                                                           \
        assert_non_null(value(name));                                                              \
        assert_string_equal(value(name), text);                                                    \
    } while (0)

/* CLIENTS.md, section 3: what the batch script of a job with -N3 --ntasks-per-node=2 has on 22.05.
 */
static void a_batch_script_has_exactly_slurms_variables(void **state)
{
    static const char *const names[] = { "SLURMD_NODENAME",      "SLURM_CLUSTER_NAME",
                                         "SLURM_CONF",           "SLURM_CPUS_ON_NODE",
                                         "SLURM_GTIDS",          "SLURM_JOBID",
                                         "SLURM_JOB_ACCOUNT",    "SLURM_JOB_CPUS_PER_NODE",
                                         "SLURM_JOB_GID",        "SLURM_JOB_ID",
                                         "SLURM_JOB_NAME",       "SLURM_JOB_NODELIST",
                                         "SLURM_JOB_NUM_NODES",  "SLURM_JOB_PARTITION",
                                         "SLURM_JOB_QOS",        "SLURM_JOB_UID",
                                         "SLURM_JOB_USER",       "SLURM_LOCALID",
                                         "SLURM_MEM_PER_CPU",    "SLURM_NNODES",
                                         "SLURM_NODEID",         "SLURM_NODELIST",
                                         "SLURM_NODE_ALIASES",   "SLURM_NPROCS",
                                         "SLURM_NTASKS",         "SLURM_NTASKS_PER_NODE",
                                         "SLURM_PRIO_PROCESS",   "SLURM_PROCID",
                                         "SLURM_SUBMIT_DIR",     "SLURM_SUBMIT_HOST",
                                         "SLURM_TASKS_PER_NODE", "SLURM_TASK_PID",
                                         "SLURM_TOPOLOGY_ADDR",  "SLURM_TOPOLOGY_ADDR_PATTERN",
                                         "SLURM_WORKING_CLUSTER" };
    uint32_t count = build("", 0, false), slurm = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (value(names[i]) == NULL)
            fail_msg("%s is not there", names[i]);
    for (const char *at = (const char *)out.data; at < (const char *)out.data + out.size;
         at += strlen(at) + 1) {
        slurm += strncmp(at, "SLURM", 5) == 0;
        count--;
    }
    assert_int_equal(count, 0);
    assert_int_equal(slurm, sizeof(names) / sizeof(names[0]));
    expect("SLURM_JOB_NODELIST", "n[1-3]");
    expect("SLURM_JOB_CPUS_PER_NODE", "2(x3)");
    expect("SLURM_TASKS_PER_NODE", "2(x3)");
    expect("SLURM_NTASKS", "6");
    expect("SLURM_JOB_USER", "ada");
    expect("SLURM_JOB_GID", "1001");
    expect("SLURM_SUBMIT_HOST", "login");
    expect("DOCKET_JOB_ID", "17");
    expect("DOCKET_DIR", "/tmp/cluster");
}

static void what_was_not_asked_for_is_not_said(void **state)
{
    (void)state;
    run.spec.tasks_per_node = 0;
    run.spec.memory_mib_per_cpu = 0;
    build("", 0, false);
    assert_null(value("SLURM_NTASKS"));
    assert_null(value("SLURM_CPUS_PER_TASK"));
    assert_null(value("SLURM_MEM_PER_CPU"));
    assert_null(value("SLURM_ARRAY_TASK_ID"));
    assert_null(value("SLURM_RESTART_COUNT"));
    assert_null(value("CUDA_VISIBLE_DEVICES"));
    run.spec.launch.tasks_asked = run.spec.launch.cpus_asked = true;
    build("", 0, false);
    expect("SLURM_NTASKS", "6");
    expect("SLURM_CPUS_PER_TASK", "1");
}

static void an_array_a_restart_and_gpus_are_said(void **state)
{
    static const struct dk_span gpus[] = { { 1, 2 }, { 1, 1 } };

    (void)state;
    run.array_job = 10;
    run.task = 3;
    run.task_min = 1;
    run.task_max = 9;
    run.task_count = 5;
    run.task_step = 2;
    run.attempt = 3;
    run.gpus = gpus;
    run.gpus_count = 2;
    shares[0].gpus = 3;
    build("", 0, false);
    expect("SLURM_ARRAY_JOB_ID", "10");
    expect("SLURM_ARRAY_TASK_ID", "3");
    expect("SLURM_ARRAY_TASK_MIN", "1");
    expect("SLURM_ARRAY_TASK_MAX", "9");
    expect("SLURM_ARRAY_TASK_COUNT", "5");
    expect("SLURM_RESTART_COUNT", "2");
    expect("CUDA_VISIBLE_DEVICES", "1,2,4");
    expect("SLURM_GPUS_ON_NODE", "3");
}

static void ours_win_and_the_users_other_variables_stay(void **state)
{
    static const char sent[] = "SLURM_JOB_ID=4\0SLURM_JOB_IDX=5\0PATH=/mine\0EMPTY=\0=odd\0noname";
    char mark[128];

    (void)state;
    build(sent, sizeof(sent), false);
    expect("SLURM_JOB_ID", "17");
    expect("SLURM_JOB_IDX", "5");
    expect("PATH", "/mine");
    expect("EMPTY", "");
    expect("HOME", "/tmp/ada");
    expect("USER", "ada");
    dk_env_mark("n1", "/tmp/cluster", 17, 1, mark);
    assert_string_equal((const char *)out.data, mark); /* the first of all */
}

/* Bug: a new cluster's agent took the processes of another's job for its own of before, and killed
 * them. */
static void agents_of_two_clusters_mark_their_jobs_apart(void **state)
{
    char one[128], other[128];

    (void)state;
    dk_env_mark("n1", "/one", 17, 1, one);
    dk_env_mark("n1", "/other", 17, 1, other);
    assert_string_not_equal(one, other);
    dk_env_mark("n1", "/one", 17, 1, other);
    assert_string_equal(one, other);
}

static void a_hook_gets_nothing_of_the_user(void **state)
{
    static const char sent[] = "LD_PRELOAD=evil";

    (void)state;
    build(sent, sizeof(sent), true);
    assert_null(value("LD_PRELOAD"));
    expect("SLURM_JOB_ID", "17");
    assert_non_null(value("PATH"));
}

static void nodes_that_differ_are_listed_each(void **state)
{
    (void)state;
    run.nodes_count = 4;
    shares[3].cores = 1;
    build("", 0, false);
    expect("SLURM_JOB_NODELIST", "n[1-3],m7");
    expect("SLURM_JOB_CPUS_PER_NODE", "2(x3),1");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(letters_stand_for_what_slurm_says),
        T(a_number_fills_up_with_zeros),
        T(what_means_nothing_stays),
        T(a_backslash_turns_patterns_off),
        T(the_default_output_knows_arrays),
        T(a_batch_script_has_exactly_slurms_variables),
        T(what_was_not_asked_for_is_not_said),
        T(an_array_a_restart_and_gpus_are_said),
        T(ours_win_and_the_users_other_variables_stay),
        T(agents_of_two_clusters_mark_their_jobs_apart),
        T(a_hook_gets_nothing_of_the_user),
        T(nodes_that_differ_are_listed_each),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
