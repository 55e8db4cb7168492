/* agent_test.c - the real agent, as a process, against a cluster of the test's own */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_cluster.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct fake_cluster fake;

static int setup(void **state)
{
    (void)state;
    fake_begin(&fake);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_end(&fake);
    return 0;
}

static bool is_there(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool is_there(const char *format, ...)
{
    char path[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof(path), format, arguments);
    va_end(arguments);
    return access(path, F_OK) == 0;
}

static bool job_folder_gone(void *context)
{
    return !is_there("%s/nodes/n1/jobs/%s", fake.place.dir, (const char *)context);
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

/* --- running --- */

static void a_script_runs_with_its_environment_and_its_end_is_reported(void **state)
{
    struct fake_report report;
    char text[8192];

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(
        &fake, 17,
        "#!/bin/sh\necho $0; echo \"$1|$2|$#\"; echo $COLOUR $SLURM_JOB_ID $SLURM_CLUSTER_NAME;"
        "echo pid $SLURM_TASK_PID $$; pwd; umask; ps -o sid= -p $$; exit 3\n",
        NULL);
    report = fake_report(&fake, 17);
    assert_int_equal(report.state, DK_END_STATE_FAILED);
    assert_int_equal(report.exit_code, 3);
    assert_int_equal(report.signal, 0);
    assert_true(report.started > 0);
    assert_true(report.has_usage);
    assert_true(report.usage.rss_max_kib > 100);
    assert_string_equal(report.why, "");
    fake_text(&fake, "slurm-17.out", text, sizeof(text));
    assert_says(text, "/nodes/n1/jobs/17.1/script\n");
    assert_says(text, "first|second one|2\n");
    assert_says(text, "green 17 testing\n");
    assert_says(text, fake.work);
    assert_says(text, "0022\n");
    assert_null(strstr(text, "9999")); /* an outer job's variable does not win */
    fake_forget(&fake, 17);
    assert_true(scratch_wait(60, job_folder_gone, "17.1"));
    assert_int_equal(fake.register_count, 1);
    assert_int_equal(fake.report_count, 1);
}

static void name_files(struct dk_run_job *run)
{
    run->spec.launch.std_out = dk_text_of("out-%5j-%x");
    run->spec.launch.std_err = dk_text_of("err-%N");
    run->spec.launch.std_in = dk_text_of("input");
    run->spec.launch.append = true;
    run->spec.launch.umask = 077;
}

static void files_are_named_by_patterns_appended_to_and_read_from(void **state)
{
    char path[512], text[256];
    struct stat file;
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/input", fake.work);
    fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, "from the input\n", 15), 15);
    close(fd);
    fake_agent(&fake, NULL);
    fake_run(&fake, 5, "#!/bin/sh\ncat; echo wrong >&2\n", name_files);
    fake_report(&fake, 5);
    fake_text(&fake, "out-00005-a job", text, sizeof(text));
    assert_string_equal(text, "from the input\n");
    fake_text(&fake, "err-n1", text, sizeof(text));
    assert_string_equal(text, "wrong\n");
    snprintf(path, sizeof(path), "%s/err-n1", fake.work);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    fake_run(&fake, 6, "#!/bin/sh\necho more >&2\n", name_files);
    fake_report(&fake, 6);
    fake_text(&fake, "err-n1", text, sizeof(text));
    assert_string_equal(text, "wrong\nmore\n");
}

static void as_nobody(struct dk_run_job *run)
{
    run->actor.uid = 65534;
    run->actor.gid = 65534;
    run->actor.user = dk_text_of("nobody");
}

static char closed[SCRATCH_MAX + 32];

static void into_closed(struct dk_run_job *run)
{
    as_nobody(run);
    run->spec.launch.std_out = dk_text_of(closed);
}

static void a_job_is_its_users_from_the_first_file_on(void **state)
{
    struct fake_report report;
    char text[512], path[512];
    struct stat file;

    (void)state;
    if (geteuid() != 0)
        skip();
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\nid -u; id -g; id -G; touch made; cat /etc/shadow\n", as_nobody);
    report = fake_report(&fake, 1);
    assert_int_equal(report.state, DK_END_STATE_FAILED);
    fake_text(&fake, "slurm-1.out", text, sizeof(text));
    assert_says(text, "65534\n65534\n65534\n");
    assert_says(text, "ermission denied");
    snprintf(path, sizeof(path), "%s/slurm-1.out", fake.work);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_uid, 65534);
    snprintf(closed, sizeof(closed), "%s/closed", fake.root);
    assert_int_equal(mkdir(closed, 0700), 0);
    snprintf(closed, sizeof(closed), "%s/closed/of-nobody", fake.root);
    fake_run(&fake, 2, "#!/bin/sh\n", into_closed);
    report = fake_report(&fake, 2);
    assert_int_equal(report.state, DK_END_STATE_FAILED);
    assert_false(report.requeue);
    assert_says(report.why, "/closed/of-nobody': Permission denied");
    assert_false(is_there("%s", closed));
}

static void what_the_agent_was_started_with_is_no_jobs(void **state)
{
    mode_t before = umask(077);
    int strange = open("/dev/null", O_RDWR); /* an exec keeps it, and so does the agent */
    struct fake_report report;
    char text[512];

    (void)state;
    assert_true(strange >= 3);
    assert_true(dup2(strange, 99) == 99);
    fake_agent(&fake, NULL);
    (void)umask(before);
    close(strange);
    close(99);
    fake_run(&fake, 1, "#!/bin/sh\nls /proc/$$/fd | sort -n | tr '\\n' ' '\n",
             geteuid() == 0 ? as_nobody : NULL);
    report = fake_report(&fake, 1);
    assert_string_equal(report.why, ""); /* a folder that only root may enter has no script */
    assert_int_equal(report.state, DK_END_STATE_COMPLETED);
    fake_text(&fake, "slurm-1.out", text, sizeof(text));
    assert_true(strncmp(text, "0 1 2 ", 6) == 0); /* and what the shell reads its script from */
    assert_null(strstr(text, "99"));
}

/* --- what can't be started --- */

static void nowhere(struct dk_run_job *run)
{
    run->spec.work_dir = dk_text_of("/nonexistent/folder");
}

static void into_nowhere(struct dk_run_job *run)
{
    run->spec.launch.std_out = dk_text_of("nowhere/%j");
}

static void no_blob(struct dk_run_job *run)
{
    static const uint8_t digest[32] = { 0xff };

    run->spec.script = (struct dk_bytes){ digest, 32 };
}

static void too_much(struct dk_run_job *run)
{
    static char variable[262144] = "LONG=";
    static uint8_t digest[32];

    memset(variable + 5, 'x', sizeof(variable) - 6);
    run->spec.launch.environment = fake_blob(&fake, variable, sizeof(variable), digest);
}

static void what_a_user_got_wrong_is_said(void **state)
{
    static const struct {
        const char *script;
        void (*change)(struct dk_run_job *run);
        const char *why;
    } cases[] = {
        { "#!/bin/sh\n", nowhere, "working folder '/nonexistent/folder': No such file" },
        { "#!/bin/sh\n", into_nowhere, "output file 'nowhere/2': No such file" },
        { "echo\n", NULL, "no line #!" },
        { "#!/nonexistent/shell\n", NULL, "line #! names is not there" },
        { "#!/dev/null/shell\n", NULL, "can't be executed: Not a directory" },
        { "#!/bin/sh\n", too_much, "larger than the system takes" },
    };

    (void)state;
    fake_agent(&fake, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_report report;

        fake_run(&fake, (int64_t)i + 1, cases[i].script, cases[i].change);
        report = fake_report(&fake, (int64_t)i + 1);
        assert_int_equal(report.state, DK_END_STATE_FAILED);
        assert_int_equal(report.exit_code, 1);
        assert_false(report.requeue);
        assert_says(report.why, cases[i].why);
    }
}

static void a_script_that_the_cluster_lost_puts_the_job_on_hold(void **state)
{
    struct fake_report report;

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 3, "#!/bin/sh\n", no_blob);
    report = fake_report(&fake, 3);
    assert_true(report.requeue);
    assert_says(report.why, "no longer has its script");
}

static void a_script_of_other_bytes_than_its_order_names_is_never_started(void **state)
{
    (void)state;
    fake.lies = true;
    fake_agent(&fake, NULL);
    fake_run(&fake, 4, "#!/bin/sh\necho started > started\n", NULL);
    pause_ms(500);
    assert_false(is_there("%s/started", fake.work));
    fake.lies = false;
    assert_int_equal(fake_report(&fake, 4).state, DK_END_STATE_COMPLETED);
}

/* The agent's folder on a file system of its own, which is full for a while. */
static void a_full_disk_puts_jobs_on_hold_and_no_more(void **state)
{
    struct fake_report report;
    char nodes[SCRATCH_MAX + 64], filler[SCRATCH_MAX + 96], zeros[4096] = { 0 };
    int fd;

    (void)state;
    snprintf(nodes, sizeof(nodes), "%.300s/nodes", fake.place.dir);
    if (geteuid() != 0 || mount("tmpfs", nodes, "tmpfs", 0, "size=512k,mode=711") != 0)
        skip();
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\n", NULL);
    fake_report(&fake, 1);
    snprintf(filler, sizeof(filler), "%s/filler", nodes);
    fd = open(filler, O_CREAT | O_WRONLY, 0600);
    while (write(fd, zeros, sizeof(zeros)) > 0) {
    }
    close(fd);
    fake_run(&fake, 2, "#!/bin/sh\ntouch ran\n", NULL);
    report = fake_report(&fake, 2);
    assert_int_equal(report.state, DK_END_STATE_NODE_FAIL);
    assert_true(report.requeue);
    assert_says(report.why, "No space left on device");
    assert_false(is_there("%s/ran", fake.work));
    assert_int_equal(unlink(filler), 0);
    fake_run(&fake, 3, "#!/bin/sh\n", NULL);
    assert_int_equal(fake_report(&fake, 3).state, DK_END_STATE_COMPLETED);
    fake_agent_kill(&fake, SIGTERM);
    assert_int_equal(umount2(nodes, MNT_DETACH), 0);
}

static void write_hook(const char *name, const char *text, char path[256])
{
    int fd;

    snprintf(path, 256, "%.200s/%s", fake.root, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void prolog_and_epilog_run_around_a_job_and_a_failed_prolog_stops_it(void **state)
{
    struct fake_report report;
    char text[1024];

    (void)state;
    snprintf(text, sizeof(text), "#!/bin/sh\necho before $SLURM_JOB_ID >>%s/hooks\n", fake.work);
    write_hook("prolog", text, fake.prolog);
    snprintf(text, sizeof(text), "#!/bin/sh\necho after $SLURM_JOB_ID >>%s/hooks\n", fake.work);
    write_hook("epilog", text, fake.epilog);
    fake_settings(&fake);
    fake_agent(&fake, NULL);
    fake_run(&fake, 8, "#!/bin/sh\necho job >>hooks\n", NULL);
    fake_report(&fake, 8);
    fake_forget(&fake, 8);
    assert_true(scratch_wait(60, job_folder_gone, "8.1"));
    fake_text(&fake, "hooks", text, sizeof(text));
    assert_string_equal(text, "before 8\njob\nafter 8\n");
    write_hook("prolog", "#!/bin/sh\nexit 7\n", fake.prolog);
    fake_run(&fake, 9, "#!/bin/sh\ntouch ran\n", NULL);
    report = fake_report(&fake, 9);
    assert_int_equal(report.state, DK_END_STATE_NODE_FAIL);
    assert_true(report.requeue);
    assert_says(report.why, "the prolog ended with 7");
    assert_false(is_there("%s/ran", fake.work));
}

/* --- ends --- */

static void an_order_to_end_is_sigterm_to_all_and_sigkill_to_who_ignores_it(void **state)
{
    struct fake_report report;
    char text[256];

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\ntrap 'echo bye; exit 0' TERM\necho ready\nsleep 600 & wait\n",
             NULL);
    fake_run(&fake, 2, "#!/bin/sh\ntrap '' TERM\necho ready\nwhile :; do sleep 1; done\n", NULL);
    fake_wait_text(&fake, "slurm-1.out", "ready");
    fake_wait_text(&fake, "slurm-2.out", "ready");
    fake_end_job(&fake, 1, DK_END_STATE_CANCELLED);
    fake_end_job(&fake, 2, DK_END_STATE_TIMEOUT);
    report = fake_report(&fake, 1);
    assert_int_equal(report.state, DK_END_STATE_CANCELLED);
    assert_int_equal(report.exit_code, 0);
    fake_text(&fake, "slurm-1.out", text, sizeof(text));
    assert_says(text, "bye");
    report = fake_report(&fake, 2);
    assert_int_equal(report.state, DK_END_STATE_TIMEOUT);
    assert_int_equal(report.signal, SIGKILL);
}

static void a_job_that_forks_away_is_found_and_killed(void **state)
{
    char text[256];
    pid_t away;

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1,
             "#!/bin/sh\n(setsid sh -c 'setsid sh -c \"echo \\$\\$ >away; exec sleep 600\" &' &)\n"
             "while [ ! -s away ]; do sleep 0.01; done\n",
             NULL);
    assert_int_equal(fake_report(&fake, 1).state, DK_END_STATE_COMPLETED);
    fake_text(&fake, "away", text, sizeof(text));
    away = (pid_t)strtol(text, NULL, 10);
    assert_true(away > 1);
    assert_int_equal(kill(away, 0), -1);
}

static void little_memory(struct dk_run_job *run)
{
    run->memory_mib = 32;
}

static void a_job_that_fills_its_memory_ends_as_that(void **state)
{
    struct fake_report report;

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 4, "#!/bin/sh\nexec dd if=/dev/zero of=/dev/null bs=512M count=1\n",
             little_memory);
    report = fake_report(&fake, 4);
    if (strcmp(fake.isolation, "none") == 0) {
        assert_int_equal(report.state, DK_END_STATE_FAILED); /* its allocation failed */
        return;
    }
    assert_int_equal(report.state, DK_END_STATE_OUT_OF_MEMORY);
    assert_int_equal(report.signal, SIGKILL);
}

static void without_cgroups_memory_is_limited_too(void **state)
{
    (void)state;
    fake_agent(&fake, (const char *[]){ "--isolation", "none", NULL });
    fake_run(&fake, 4, "#!/bin/sh\nexec dd if=/dev/zero of=/dev/null bs=512M count=1\n",
             little_memory);
    assert_int_equal(fake_report(&fake, 4).state, DK_END_STATE_FAILED);
    assert_string_equal(fake.isolation, "none");
}

static void warned(struct dk_run_job *run)
{
    run->spec.limit_us = 60000000;
    run->spec.launch.signal = SIGUSR2;
    run->spec.launch.signal_before_us = 59500000;
    run->spec.launch.signal_batch = true;
}

static void warned_before_it_began(struct dk_run_job *run)
{
    warned(run);
    run->spec.launch.signal_before_us = INT64_MAX;
}

static void warned_after_the_end_of_time(struct dk_run_job *run)
{
    warned(run);
    run->spec.launch.signal_before_us = INT64_MIN;
}

static void the_signal_before_the_limit_reaches_the_script(void **state)
{
    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 4, "#!/bin/sh\ntrap 'echo warned; exit 5' USR2\nsleep 600 & wait\n", warned);
    assert_int_equal(fake_report(&fake, 4).exit_code, 5);
    fake_run(&fake, 5, "#!/bin/sh\nexec sleep 600\n", warned_before_it_began);
    assert_int_equal(fake_report(&fake, 5).signal, SIGUSR2);
    fake_run(&fake, 6, "#!/bin/sh\nsleep 0.1\n", warned_after_the_end_of_time);
    assert_int_equal(fake_report(&fake, 6).state, DK_END_STATE_COMPLETED);
}

static void a_signal_is_delivered_once(void **state)
{
    struct dk_order order = { .type = DK_ORDER_DELIVER_SIGNAL };
    char text[256];

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 4,
             "#!/bin/sh\ntrap 'echo got it' USR1\necho ready\nfor i in 1 2 3 4 5 6 7 8 9 10; do "
             "sleep 0.1; done\n",
             NULL);
    fake_wait_text(&fake, "slurm-4.out", "ready");
    order.deliver_signal.job = 4;
    order.deliver_signal.attempt = 1;
    order.deliver_signal.signal = SIGUSR1;
    order.deliver_signal.target = DK_SIGNAL_TARGET_BATCH;
    fake_give(&fake, &order);
    fake_wait_text(&fake, "slurm-4.out", "got it");
    fake_query(&fake, true); /* asked again for all that is outstanding, which names it once more */
    fake_report(&fake, 4);
    fake_text(&fake, "slurm-4.out", text, sizeof(text));
    assert_string_equal(text, "ready\ngot it\n");
}

static void what_a_complete_answer_does_not_name_is_ended(void **state)
{
    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\necho ready; echo $$ >pid; exec sleep 600\n", NULL);
    fake_wait_text(&fake, "slurm-1.out", "ready");
    fake_withdraw(&fake, 1);
    fake_query(&fake, true);
    assert_true(scratch_wait(60, job_folder_gone, "1.1"));
    assert_false(fake_has_report(&fake, 1));
}

static void a_projector_that_is_behind_ends_nothing(void **state)
{
    int64_t seq;

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\necho ready; sleep 1; echo still here\n", NULL);
    fake_wait_text(&fake, "slurm-1.out", "ready");
    seq = fake.seq;
    fake_withdraw(&fake, 1);
    fake_query(&fake, false);
    fake.seq = seq - 1; /* it has not read the log to its end yet */
    fake_query(&fake, true);
    assert_int_equal(fake_report(&fake, 1).state, DK_END_STATE_COMPLETED);
    fake.seq = seq;
}

/* --- orders seen twice, and from the past --- */

static void an_order_seen_twice_starts_nothing_twice(void **state)
{
    char text[256];

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\necho once >>times\n", NULL);
    fake_report(&fake, 1);
    for (int i = 0; i < 3; i++) {
        fake_query(&fake, true);
        pause_ms(100);
    }
    fake_agent_kill(&fake, SIGTERM);
    fake_agent(&fake, NULL);
    fake_run(&fake, 2, "#!/bin/sh\n", NULL);
    fake_report(&fake, 2);
    fake_text(&fake, "times", text, sizeof(text));
    assert_string_equal(text, "once\n");
    assert_int_equal(fake.report_count, 2);
}

static void an_order_of_an_older_epoch_is_refused(void **state)
{
    (void)state;
    fake.epoch = 5;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\n", NULL);
    fake_report(&fake, 1);
    fake_agent_kill(&fake, SIGKILL); /* it remembers */
    fake_agent(&fake, NULL);
    fake.epoch = 4;
    fake_run(&fake, 2, "#!/bin/sh\ntouch ran\n", NULL);
    fake.epoch = 5;
    fake_run(&fake, 3, "#!/bin/sh\n", NULL);
    fake_report(&fake, 3);
    assert_false(fake_has_report(&fake, 2));
    assert_false(is_there("%s/ran", fake.work));
}

/* Two projectors, and the one that is asked next has not read on as far as the one before. */
static void
what_was_done_and_forgotten_is_not_done_again_for_a_projector_that_is_behind(void **state)
{
    int64_t first, last;
    char text[256];

    (void)state;
    fake_agent(&fake, NULL);
    first = fake.seq;
    fake_run(&fake, 1, "#!/bin/sh\necho once >>times\n", NULL);
    fake_report(&fake, 1);
    fake_withdraw(&fake, 1);
    fake_forget(&fake, 1);
    assert_true(scratch_wait(20, job_folder_gone, "1.1"));
    for (int again = 0; again < 2; again++) {
        last = fake.seq;
        fake_query(&fake, false);
        fake.seq = first;
        fake_run(&fake, 1, "#!/bin/sh\necho once >>times\n", NULL); /* the same order */
        fake_query(&fake, true);
        pause_ms(300);
        fake_withdraw(&fake, 1);
        fake.seq = last;
        fake_agent_kill(&fake, SIGKILL); /* it remembers */
        fake_agent(&fake, NULL);
    }
    fake_run(&fake, 2, "#!/bin/sh\n", NULL);
    fake_report(&fake, 2);
    fake_text(&fake, "times", text, sizeof(text));
    assert_string_equal(text, "once\n");
}

/* --- crashes --- */

static void an_agent_killed_with_jobs_running_finds_them_again(void **state)
{
    struct fake_report report;
    char text[512];

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1,
             "#!/bin/sh\necho start >>one\nwhile [ ! -e go ]; do sleep 0.02; done; exit 4\n", NULL);
    fake_run(&fake, 2, "#!/bin/sh\necho start >>two\nwhile [ ! -e go2 ]; do sleep 0.02; done\n",
             NULL);
    fake_wait_text(&fake, "one", "start");
    fake_wait_text(&fake, "two", "start");
    fake_agent_kill(&fake, SIGKILL);
    snprintf(text, sizeof(text), "%s/go", fake.work); /* one ends while nobody looks */
    close(open(text, O_CREAT | O_WRONLY, 0644));
    pause_ms(300);
    assert_int_equal(fake.report_count, 0);
    fake_agent(&fake, NULL);
    report = fake_report(&fake, 1);
    assert_int_equal(report.exit_code, 4);
    assert_true(report.has_usage);
    snprintf(text, sizeof(text), "%s/go2", fake.work); /* and one under the new agent */
    close(open(text, O_CREAT | O_WRONLY, 0644));
    assert_int_equal(fake_report(&fake, 2).state, DK_END_STATE_COMPLETED);
    fake_text(&fake, "one", text, sizeof(text));
    assert_string_equal(text, "start\n");
    fake_text(&fake, "two", text, sizeof(text));
    assert_string_equal(text, "start\n");
}

static void an_agent_whose_folder_was_wiped_runs_nothing_twice(void **state)
{
    struct fake_report report;
    char text[DK_PLACE_PATH_MAX + 32];
    pid_t left;

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\necho $$ >>one\nwhile :; do sleep 0.02; done\n", NULL);
    fake_wait_text(&fake, "one", "\n");
    fake_agent_kill(&fake, SIGKILL);
    snprintf(text, sizeof(text), "rm -r '%s/nodes/n1'", fake.place.dir);
    assert_int_equal(system(text), 0);
    fake_agent(&fake, NULL);
    report = fake_report(&fake, 1);
    assert_int_equal(report.state, DK_END_STATE_NODE_FAIL);
    assert_true(report.requeue);
    assert_says(report.why, "ran here already");
    fake_text(&fake, "one", text, sizeof(text));
    left = (pid_t)strtol(text, NULL, 10);
    assert_string_equal(strchr(text, '\n'), "\n"); /* started once */
    assert_int_equal(kill(left, 0), -1);
    fake_run(&fake, 2, "#!/bin/sh\n", NULL);
    assert_int_equal(fake_report(&fake, 2).state, DK_END_STATE_COMPLETED);
}

static void a_wiped_agent_says_that_a_job_was_cancelled_when_it_is_dead(void **state)
{
    char text[DK_PLACE_PATH_MAX + 32];

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\necho $$ >>one\nwhile :; do sleep 0.02; done\n", NULL);
    fake_wait_text(&fake, "one", "\n");
    fake_agent_kill(&fake, SIGKILL);
    snprintf(text, sizeof(text), "rm -r '%s/nodes/n1'", fake.place.dir);
    assert_int_equal(system(text), 0);
    fake_end_job(&fake, 1, DK_END_STATE_CANCELLED);
    fake_agent(&fake, NULL);
    assert_int_equal(fake_report(&fake, 1).state, DK_END_STATE_CANCELLED);
    fake_text(&fake, "one", text, sizeof(text));
    assert_int_equal(kill((pid_t)strtol(text, NULL, 10), 0), -1);
}

/* Kills the agent at many moments of the start of jobs: each runs once, each is reported. */
static void an_agent_killed_at_any_moment_runs_each_job_once(void **state)
{
    enum { JOBS = 24 };

    (void)state;
    for (int64_t job = 1; job <= JOBS; job++) {
        if (fake.agent == 0)
            fake_agent(&fake, NULL);
        fake_run(&fake, job, "#!/bin/sh\necho $SLURM_JOB_ID >>all\n", NULL);
        nanosleep(&(struct timespec){ 0, (job * 1234567) % 40000000 }, NULL);
        if (job % 2 == 0)
            fake_agent_kill(&fake, SIGKILL);
    }
    if (fake.agent == 0)
        fake_agent(&fake, NULL);
    for (int64_t job = 1; job <= JOBS; job++) {
        char text[4096], line[32], *at;

        assert_int_equal(fake_report(&fake, job).state, DK_END_STATE_COMPLETED);
        fake_text(&fake, "all", text, sizeof(text));
        snprintf(line, sizeof(line), "%lld\n", (long long)job);
        at = strncmp(text, line, strlen(line)) == 0 ? text : strstr(text, line);
        assert_non_null(at);
    }
    char text[4096];
    int lines = 0;

    fake_text(&fake, "all", text, sizeof(text));
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, JOBS);
}

static pid_t launcher_of(pid_t agent)
{
    char path[64], text[256] = "";
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", agent, agent);
    file = fopen(path, "re");
    assert_non_null(file);
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    fclose(file);
    return (pid_t)strtol(text, NULL, 10);
}

/* What was not begun is said to have failed, and is not begun after that. */
static void a_launcher_killed_at_any_moment_runs_no_job_that_was_reported(void **state)
{
    enum { JOBS = 24 };
    bool failed[JOBS + 1] = { false };
    char text[4096], line[32];

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, JOBS + 1, "#!/bin/sh\n", NULL);
    fake_report(&fake, JOBS + 1);
    for (int64_t job = 1; job <= JOBS; job++) {
        pid_t launcher = launcher_of(fake.agent);

        fake_run(&fake, job, "#!/bin/sh\necho $SLURM_JOB_ID. >>all\n", NULL);
        nanosleep(&(struct timespec){ 0, job * 300000 }, NULL);
        if (launcher > 0)
            kill(launcher, SIGKILL);
        failed[job] = fake_report(&fake, job).state == DK_END_STATE_NODE_FAIL;
    }
    pause_ms(300);
    fake_text(&fake, "all", text, sizeof(text));
    for (int64_t job = 1; job <= JOBS; job++) {
        const char *found;

        snprintf(line, sizeof(line), "%lld.\n", (long long)job);
        found = strncmp(text, line, strlen(line)) == 0 ? text : NULL;
        snprintf(line, sizeof(line), "\n%lld.\n", (long long)job);
        if (found == NULL)
            found = strstr(text, line);
        assert_int_equal(found == NULL, failed[job]);
    }
}

static void ends_wait_for_a_controller_that_is_away(void **state)
{
    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\necho ready; sleep 0.3; exit 6\n", NULL);
    fake_wait_text(&fake, "slurm-1.out", "ready");
    fake_control(&fake, false);
    pause_ms(600);
    fake_agent_kill(&fake, SIGKILL); /* the report, too, outlives the agent */
    fake_agent(&fake, NULL);
    pause_ms(200);
    fake_control(&fake, true);
    assert_int_equal(fake_report(&fake, 1).exit_code, 6);
    assert_true(fake.register_count >= 2);
}

/* Or dead, and not waited for by whoever is init here. */
static bool process_gone(void *context)
{
    char path[64], state = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", *(pid_t *)context);
    file = fopen(path, "r");
    if (file == NULL)
        return true;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 0;
    fclose(file);
    return state == 'Z' || state == 0;
}

static void a_killed_keeper_is_a_node_failure_and_leaves_nothing(void **state)
{
    struct fake_report report;
    char text[256];
    pid_t task, keeper = 0;
    FILE *file;

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\necho $$ >pid; echo ready; sleep 600\n", NULL);
    fake_wait_text(&fake, "slurm-1.out", "ready");
    fake_text(&fake, "pid", text, sizeof(text));
    task = (pid_t)strtol(text, NULL, 10);
    snprintf(text, sizeof(text), "/proc/%d/stat", task);
    file = fopen(text, "r");
    assert_int_equal(fscanf(file, "%*d (%*[^)]) %*c %d", &keeper), 1);
    fclose(file);
    assert_int_equal(kill(keeper, SIGKILL), 0);
    report = fake_report(&fake, 1);
    assert_int_equal(report.state, DK_END_STATE_NODE_FAIL);
    assert_says(report.why, "kept it was killed");
    assert_true(scratch_wait(5, process_gone, &task));
}

static void told_to_end_all_jobs_the_agent_reports_them_and_leaves(void **state)
{
    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\necho ready; sleep 600\n", NULL);
    fake_wait_text(&fake, "slurm-1.out", "ready");
    fake_agent_kill(&fake, SIGUSR1);
    assert_int_equal(fake_report(&fake, 1).state, DK_END_STATE_CANCELLED);
}

static void a_second_agent_of_the_name_is_refused(void **state)
{
    pid_t first;
    int status = 0;

    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\n", NULL);
    fake_report(&fake, 1);
    first = fake.agent;
    fake_agent(&fake, NULL);
    assert_int_equal(waitpid(fake.agent, &status, 0), fake.agent);
    assert_int_equal(WEXITSTATUS(status), 4);
    fake.agent = first;
}

static void another_node(struct dk_run_job *run)
{
    static struct dk_node_share shares[2];

    shares[0] = (struct dk_node_share){ dk_text_of("n0"), 1, 1, 0 };
    shares[1] = (struct dk_node_share){ dk_text_of("n1"), 1, 1, 0 };
    run->nodes = shares;
    run->nodes_count = 2;
    run->node_index = 1;
}

static void a_node_that_is_not_the_first_runs_and_reports_nothing(void **state)
{
    (void)state;
    fake_agent(&fake, NULL);
    fake_run(&fake, 1, "#!/bin/sh\ntouch ran\n", another_node);
    fake_run(&fake, 2, "#!/bin/sh\n", NULL);
    fake_report(&fake, 2);
    fake_end_job(&fake, 1, DK_END_STATE_CANCELLED);
    fake_forget(&fake, 1);
    fake_run(&fake, 3, "#!/bin/sh\n", NULL);
    fake_report(&fake, 3);
    assert_false(fake_has_report(&fake, 1));
    assert_false(is_there("%s/ran", fake.work));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_script_runs_with_its_environment_and_its_end_is_reported),
        T(files_are_named_by_patterns_appended_to_and_read_from),
        T(a_job_is_its_users_from_the_first_file_on),
        T(what_the_agent_was_started_with_is_no_jobs),
        T(what_a_user_got_wrong_is_said),
        T(a_script_that_the_cluster_lost_puts_the_job_on_hold),
        T(a_script_of_other_bytes_than_its_order_names_is_never_started),
        T(a_full_disk_puts_jobs_on_hold_and_no_more),
        T(prolog_and_epilog_run_around_a_job_and_a_failed_prolog_stops_it),
        T(an_order_to_end_is_sigterm_to_all_and_sigkill_to_who_ignores_it),
        T(a_job_that_forks_away_is_found_and_killed),
        T(a_job_that_fills_its_memory_ends_as_that),
        T(without_cgroups_memory_is_limited_too),
        T(the_signal_before_the_limit_reaches_the_script),
        T(a_signal_is_delivered_once),
        T(what_a_complete_answer_does_not_name_is_ended),
        T(a_projector_that_is_behind_ends_nothing),
        T(an_order_seen_twice_starts_nothing_twice),
        T(an_order_of_an_older_epoch_is_refused),
        T(what_was_done_and_forgotten_is_not_done_again_for_a_projector_that_is_behind),
        T(an_agent_killed_with_jobs_running_finds_them_again),
        T(an_agent_whose_folder_was_wiped_runs_nothing_twice),
        T(a_wiped_agent_says_that_a_job_was_cancelled_when_it_is_dead),
        T(an_agent_killed_at_any_moment_runs_each_job_once),
        T(a_launcher_killed_at_any_moment_runs_no_job_that_was_reported),
        T(ends_wait_for_a_controller_that_is_away),
        T(a_killed_keeper_is_a_node_failure_and_leaves_nothing),
        T(told_to_end_all_jobs_the_agent_reports_them_and_leaves),
        T(a_second_agent_of_the_name_is_refused),
        T(a_node_that_is_not_the_first_runs_and_reports_nothing),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
