/* confine_test.c - cgroups: version 2 against a folder of fake files, version 1 for real where it
 * is */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodes/confine.h"
#include "scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[SCRATCH_MAX];

static int setup(void **state)
{
    (void)state;
    scratch_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(folder);
    return 0;
}

static void put(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(const char *name, const char *format, ...)
{
    char path[1024];
    va_list arguments;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fclose(file);
}

static void make(const char *name)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static const char *get(const char *name)
{
    static char text[1024];
    char path[1024];
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* A mounted version 2 with our own group at /us; the kernel would make the files. */
static void fake_v2(const char *controllers)
{
    static const char *const folders[] = { "us", "us/docket-agents", "us/docket", "us/docket/n1" };

    put("mounts", "30 24 0:27 / %s rw,relatime - cgroup2 cgroup2 rw\n", folder);
    put("own", "0::/us\n");
    for (int i = 0; i < 4; i++) {
        char name[64];

        make(folders[i]);
        snprintf(name, sizeof(name), "%s/cgroup.subtree_control", folders[i]);
        put(name, "%s", "");
        snprintf(name, sizeof(name), "%s/cgroup.procs", folders[i]);
        put(name, "%s", "");
    }
    put("us/cgroup.controllers", "%s\n", controllers);
}

static void probe(struct dk_confine *confine, enum dk_confine_level level_max)
{
    char own[SCRATCH_MAX + 16], mounts[SCRATCH_MAX + 16];

    snprintf(own, sizeof(own), "%s/own", folder);
    snprintf(mounts, sizeof(mounts), "%s/mounts", folder);
    dk_confine_probe(confine, "n1", level_max, own, mounts);
}

static void version_2_is_taken_where_it_is_delegated(void **state)
{
    struct dk_confine confine;

    (void)state;
    fake_v2("cpuset cpu io memory pids");
    probe(&confine, DK_CONFINE_CGROUP2);
    assert_int_equal(confine.level, DK_CONFINE_CGROUP2);
    assert_string_equal(confine.remark, "");
    assert_string_equal(get("us/docket-agents/cgroup.procs"), "0"); /* the agent moved aside */
    assert_string_equal(get("us/cgroup.subtree_control"), "+cpu +cpuset +memory");
    assert_string_equal(get("us/docket/n1/cgroup.subtree_control"), "+cpu +cpuset +memory");
}

static void an_agent_that_was_moved_before_finds_the_same_place(void **state)
{
    struct dk_confine confine;

    (void)state;
    fake_v2("cpuset cpu memory");
    put("own", "0::/us/docket-agents\n");
    probe(&confine, DK_CONFINE_CGROUP2);
    assert_int_equal(confine.level, DK_CONFINE_CGROUP2);
    assert_says(confine.base[0], "/us/docket/n1");
}

static void version_2_without_controllers_is_passed_over(void **state)
{
    struct dk_confine confine;

    (void)state;
    fake_v2("hugetlb");
    probe(&confine, DK_CONFINE_CGROUP2);
    assert_int_equal(confine.level, DK_CONFINE_NONE);
    assert_says(confine.remark, "cgroup1"); /* the last that was tried */
    probe(&confine, DK_CONFINE_NONE);
    assert_int_equal(confine.level, DK_CONFINE_NONE);
    assert_string_equal(confine.remark, "");
}

static void a_job_has_its_limits_in_version_2(void **state)
{
    static const uint32_t cpus[] = { 2, 3, 8 };
    const struct dk_confine_share share = { 512, cpus, 3, 2 };
    static const char *const files[] = { "memory.max",  "memory.swap.max", "cpu.weight",
                                         "cpuset.cpus", "cgroup.kill",     "cgroup.procs" };
    char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH], name[128];
    struct dk_confine confine;
    uint32_t count = 0;

    (void)state;
    fake_v2("cpuset cpu memory");
    probe(&confine, DK_CONFINE_CGROUP2);
    make("us/docket/n1/17.1");
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "us/docket/n1/17.1/%s", files[i]);
        put(name, "%s", "");
    }
    assert_good(dk_confine_open(&confine, "17.1", &share, procs, &count, &good_err));
    assert_int_equal(count, 1);
    assert_says(procs[0], "/us/docket/n1/17.1/cgroup.procs");
    assert_string_equal(get("us/docket/n1/17.1/memory.max"), "536870912");
    assert_string_equal(get("us/docket/n1/17.1/memory.swap.max"), "0");
    assert_string_equal(get("us/docket/n1/17.1/cpu.weight"), "200");
    assert_string_equal(get("us/docket/n1/17.1/cpuset.cpus"), "2,3,8");
    put("us/docket/n1/17.1/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 0\n");
    assert_false(dk_confine_oom(&confine, "17.1"));
    put("us/docket/n1/17.1/memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n");
    assert_true(dk_confine_oom(&confine, "17.1"));
    assert_int_equal(dk_confine_signal(&confine, "17.1", SIGKILL), 1);
    assert_string_equal(get("us/docket/n1/17.1/cgroup.kill"), "1");
}

static void a_limit_that_is_refused_is_said(void **state)
{
    const struct dk_confine_share share = { 512, NULL, 0, 1 };
    char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH];
    struct dk_confine confine;
    struct dk_err err = { 0 };
    uint32_t count = 0;

    (void)state;
    fake_v2("cpuset cpu memory");
    probe(&confine, DK_CONFINE_CGROUP2); /* no kernel makes memory.max in the fake */
    assert_int_equal(dk_confine_open(&confine, "18.1", &share, procs, &count, &err), DK_IO);
    assert_says(err.text, "18.1': No such file");
}

/* --- version 1, the machine's own --- */

static void probe_v1(struct dk_confine *confine)
{
    char id[64];

    snprintf(id, sizeof(id), "test-%d", (int)getpid());
    dk_confine_probe(confine, id, DK_CONFINE_CGROUP1, "/proc/self/cgroup", "/proc/self/mountinfo");
    if (confine->level != DK_CONFINE_CGROUP1) {
        print_message("no cgroup1 here: %s\n", confine->remark);
        skip();
    }
}

static void leave(const struct dk_confine *confine)
{
    for (uint32_t i = 0; i < confine->count; i++)
        assert_int_equal(rmdir(confine->base[i]), 0);
}

static pid_t child_in(char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH], uint32_t count,
                      const char *command)
{
    pid_t pid = fork();

    if (pid == 0) {
        for (uint32_t i = 0; i < count; i++) {
            int fd = open(procs[i], O_WRONLY);

            if (fd < 0 || write(fd, "0", 1) != 1)
                _exit(99);
            close(fd);
        }
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(98);
    }
    return pid;
}

static void version_1_kills_who_takes_too_much_memory(void **state)
{
    static const uint32_t cpus[] = { 0 };
    const struct dk_confine_share share = { 32, cpus, 1, 1 };
    char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH];
    struct dk_confine confine;
    uint32_t count = 0;
    int status = 0;
    pid_t pid;

    (void)state;
    probe_v1(&confine);
    assert_good(dk_confine_open(&confine, "1.1", &share, procs, &count, &good_err));
    assert_int_equal(count, 3);
    pid = child_in(procs, count, "exec dd if=/dev/zero of=/dev/null bs=256M count=1");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(dk_confine_oom(&confine, "1.1"));
    assert_true(dk_confine_close(&confine, "1.1"));
    leave(&confine);
}

static void version_1_finds_and_kills_all_of_a_job(void **state)
{
    const struct dk_confine_share share = { 0, NULL, 0, 1 };
    char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH];
    struct dk_confine confine;
    uint32_t count = 0;
    int status = 0;
    pid_t pid;

    (void)state;
    probe_v1(&confine);
    assert_good(dk_confine_open(&confine, "1.1", &share, procs, &count, &good_err));
    assert_int_equal(count, 1); /* no limit: the freezer only */
    pid = child_in(procs, count, "sleep 600 & setsid sleep 600 & sleep 600 & wait");
    for (int tries = 0; tries < 1000 && dk_confine_signal(&confine, "1.1", 0) < 4; tries++)
        usleep(2000);
    assert_int_equal(dk_confine_signal(&confine, "1.1", 0), 4);
    assert_true(dk_confine_signal(&confine, "1.1", SIGKILL) > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_false(dk_confine_oom(&confine, "1.1"));
    assert_true(dk_confine_close(&confine, "1.1"));
    assert_true(dk_confine_close(&confine, "1.1")); /* gone is gone */
    leave(&confine);
}

/* Bug: who died between the first look and the second was not counted, and the job was started
 * again. */
static void who_dies_while_being_killed_was_there(void **state)
{
    const struct dk_confine_share share = { 0, NULL, 0, 1 };
    char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH];
    struct dk_confine confine;
    uint32_t count = 0;

    (void)state;
    probe_v1(&confine);
    for (int i = 0; i < 30; i++) {
        pid_t pid;

        assert_good(dk_confine_open(&confine, "1.1", &share, procs, &count, &good_err));
        pid = child_in(procs, count, "exec sleep 600");
        for (int tries = 0; tries < 1000 && dk_confine_signal(&confine, "1.1", 0) < 1; tries++)
            usleep(2000);
        assert_true(dk_confine_signal(&confine, "1.1", SIGKILL) > 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_true(dk_confine_close(&confine, "1.1"));
    }
    leave(&confine);
}

static void a_group_that_somebody_tidied_away_is_made_again(void **state)
{
    static const uint32_t cpus[] = { 0 };
    const struct dk_confine_share share = { 32, cpus, 1, 1 };
    char procs[DK_CONFINE_GROUPS][DK_CONFINE_PATH];
    struct dk_confine confine;
    uint32_t count = 0;

    (void)state;
    probe_v1(&confine);
    leave(&confine);
    assert_good(dk_confine_open(&confine, "1.1", &share, procs, &count, &good_err));
    assert_int_equal(count, 3);
    assert_true(dk_confine_close(&confine, "1.1"));
    leave(&confine);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(version_2_is_taken_where_it_is_delegated),
        T(an_agent_that_was_moved_before_finds_the_same_place),
        T(version_2_without_controllers_is_passed_over),
        T(a_job_has_its_limits_in_version_2),
        T(a_limit_that_is_refused_is_said),
        T(version_1_kills_who_takes_too_much_memory),
        T(version_1_finds_and_kills_all_of_a_job),
        T(who_dies_while_being_killed_was_there),
        T(a_group_that_somebody_tidied_away_is_made_again),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
