/* controller_test.c - a real controller in a process of its own: what is acknowledged stays, under
 * kill -9 and full disks
 *
 * Time limits, nodes and placements are the core's and tested there; here it is the loop around it.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "batch/batch.h"
#include "controller/controller.h"
#include "controller/follower.h"
#include "net/client.h"
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BODY_SIZE = 65536 };

static char folder[SCRATCH_MAX];
static struct dk_place place;
static pid_t pid;
static int stop_pipe[2];
static char body[BODY_SIZE];

static bool serves(void *context)
{
    (void)context;
    return scratch_call(place.control, "GET", "/v1/status", NULL, NULL, body, sizeof(body)) == 200;
}

/* `file_max`: no file may grow beyond it (a disk that is full); 0: no bound. */
static void begin(rlim_t file_max)
{
    struct dk_controller_options options = { .place = &place, .version = "test" };
    struct dk_err err;

    assert_int_equal(pipe2(stop_pipe, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        (void)close(stop_pipe[1]);
        (void)signal(SIGXFSZ, SIG_IGN);
        if (file_max > 0)
            (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){ file_max, RLIM_INFINITY });
        options.stop_fd = stop_pipe[0];
        _exit(dk_controller_run(&options, &err) == DK_OK ? 0 : 9);
    }
    (void)close(stop_pipe[0]);
    assert_true(scratch_wait(20, serves, NULL));
}

static void kill_it(void)
{
    int status;

    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(stop_pipe[1]);
    pid = 0;
}

static void end_it(void)
{
    int status;

    assert_int_equal(write(stop_pipe[1], "x", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(stop_pipe[1]);
    pid = 0;
}

static int make(void **state)
{
    struct dk_err err;

    (void)state;
    scratch_make(folder);
    return dk_place_find(&place, folder, true, &err) == DK_OK &&
                   dk_place_make(&place, &err) == DK_OK
               ? 0
               : -1;
}

static int take_away(void **state)
{
    (void)state;
    if (pid > 0)
        kill_it();
    scratch_remove(folder);
    return 0;
}

static int ask(const char *json)
{
    return scratch_call(place.control, "POST", "/v1/requests", "application/json", json, body,
                        sizeof(body));
}

static void register_node(void)
{
    assert_int_equal(ask("{\"type\":\"RegisterNode\",\"spec\":{\"name\":\"n1\",\"cores\":4,"
                         "\"memory_mib\":1000}}"),
                     200);
    assert_says(body, "NodeRegistered");
}

/* The number behind "name": in the last answer; -1: it is not there. */
static int64_t number_of(const char *text, const char *name)
{
    char pattern[64];
    const char *at;

    (void)snprintf(pattern, sizeof(pattern), "\"%s\":", name);
    at = strstr(text, pattern);
    return at != NULL ? strtoll(at + strlen(pattern), NULL, 10) : -1;
}

/* A held job, so that nothing but admission happens; its id. */
static int64_t submit(unsigned key)
{
    char json[512];

    (void)snprintf(json, sizeof(json),
                   "{\"type\":\"SubmitJob\",\"key\":\"%08x\",\"script\":\"#!/bin/sh\\necho %u\\n\","
                   "\"spec\":{\"name\":\"j%u\",\"tasks\":1,\"cpus_per_task\":1,\"hold\":true}}",
                   key, key, key);
    return ask(json) == 200 ? number_of(body, "job") : -1;
}

/* Folds the log as a reader: chain, digests, everything. */
static struct dk_follower *follow(void)
{
    struct dk_follower *follower;

    assert_good(dk_follower_open(&follower, place.log_uri, NULL, UINT64_MAX, &good_err));
    {
        struct dk_err err;
        enum dk_status status = dk_follower_advance(follower, UINT64_MAX, INT64_MAX, &err);

        if (status != DK_AGAIN)
            fail_msg("the log: %s", err.text);
    }
    return follower;
}

static void a_new_log_begins_with_a_configuration(void **state)
{
    struct dk_follower *follower;

    (void)state;
    begin(0);
    register_node();
    assert_true(submit(1) > 0);
    end_it();
    follower = follow();
    assert_int_equal(dk_follower_epoch(follower), 1);
    dk_follower_close(follower);
}

static void the_same_key_gives_the_first_job_also_after_a_crash(void **state)
{
    int64_t first, second;

    (void)state;
    begin(0);
    register_node();
    first = submit(7);
    assert_true(first > 0);
    assert_int_equal(submit(7), first);
    assert_says(body, "duplicate");
    kill_it();
    begin(0);
    assert_int_equal(submit(7), first);
    assert_says(body, "duplicate");
    second = submit(8);
    assert_true(second > first);
    kill_it();
}

static _Atomic unsigned next_key;
static _Atomic int failures;
static int64_t acknowledged[4096];

static void *submitter(void *context)
{
    struct dk_client *client = NULL;
    unsigned until = *(unsigned *)context;
    struct dk_reply reply;
    struct dk_err err;

    dk_buf_init(&reply.body, &dk_heap, 1 << 20);
    for (;;) {
        unsigned key = atomic_fetch_add(&next_key, 1);
        char json[512];

        if (key >= until)
            break;
        (void)snprintf(
            json, sizeof(json),
            "{\"type\":\"SubmitJob\",\"key\":\"%08x\",\"script\":\"#!/bin/sh\\necho %u\\n\","
            "\"spec\":{\"tasks\":1,\"cpus_per_task\":1,\"hold\":true}}",
            key, key);
        if (client == NULL && dk_client_open(&client, place.control, &err) != DK_OK) {
            atomic_fetch_add(&failures, 1);
            break; /* it was killed */
        }
        if (dk_client_call(client, "POST", "/v1/requests", "application/json", json, strlen(json),
                           20000, &reply, &err) != DK_OK ||
            reply.status != 200) {
            atomic_fetch_add(&failures, 1);
            break;
        }
        assert_true(dk_buf_add(&reply.body, "", 1));
        acknowledged[key] = number_of((const char *)reply.body.data, "job");
    }
    dk_client_close(client);
    dk_buf_release(&reply.body);
    return NULL;
}

enum { THREADS = 16 };

static void submit_by_many(unsigned until, pthread_t threads[THREADS])
{
    static unsigned limit;

    limit = until;
    atomic_store(&failures, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submitter, &limit), 0);
}

static void join(pthread_t threads[THREADS])
{
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void a_burst_shares_batches(void **state)
{
    pthread_t threads[THREADS];
    int64_t batches;

    (void)state;
    begin(0);
    register_node();
    atomic_store(&next_key, 0);
    submit_by_many(1000, threads);
    join(threads);
    assert_int_equal(atomic_load(&failures), 0);
    assert_true(serves(NULL));
    batches = number_of(body, "batches");
    assert_in_range(batches, 1000 / THREADS, 700); /* 1,002 if each had its own */
    end_it();
}

/* The heart of it: whatever was acknowledged before a kill -9 is there after it, once, with its id.
 */
static void nothing_acknowledged_is_lost_by_kill_9_and_no_id_is_given_twice(void **state)
{
    struct dk_follower *follower;
    unsigned seen = 0;

    (void)state;
    memset(acknowledged, 0, sizeof(acknowledged));
    atomic_store(&next_key, 0);
    for (int round = 0; round < 8; round++) {
        pthread_t threads[THREADS];

        begin(0);
        if (round == 0)
            register_node();
        submit_by_many(sizeof(acknowledged) / sizeof(acknowledged[0]), threads);
        (void)usleep(20000 + (useconds_t)round * 7000);
        (void)kill(pid, SIGKILL);
        join(threads);
        kill_it();
    }
    follower = follow();
    for (unsigned key = 0; key < atomic_load(&next_key) && key < 4096; key++) {
        uint8_t bytes[4] = { (uint8_t)(key >> 24), (uint8_t)(key >> 16), (uint8_t)(key >> 8),
                             (uint8_t)key };

        if (acknowledged[key] <= 0)
            continue;
        seen++;
        assert_int_equal(dk_core_duplicate(dk_follower_core(follower), (int32_t)getuid(),
                                           (struct dk_bytes){ bytes, 4 }),
                         acknowledged[key]);
        for (unsigned other = 0; other < key; other++)
            assert_int_not_equal(acknowledged[other], acknowledged[key]);
    }
    assert_in_range(seen, 100, 4096);
    dk_follower_close(follower);
}

static void a_full_disk_is_said_and_survived(void **state)
{
    struct dk_follower *follower;
    int64_t last = 0;
    bool full = false;

    (void)state;
    begin((rlim_t)9 << 20); /* the first segment's zeros fit, and not much more */
    register_node();
    for (unsigned key = 1; key < 200000 && !full; key++) {
        char *json = malloc(300000);
        int64_t job;

        assert_non_null(json);
        (void)snprintf(
            json, 300000,
            "{\"type\":\"SubmitJob\",\"key\":\"%08x\",\"script\":\"#!/bin/sh\\n#%0250000u\","
            "\"spec\":{\"tasks\":1,\"cpus_per_task\":1,\"hold\":true}}",
            key, key);
        full = ask(json) == 507;
        job = full ? 0 : number_of(body, "job");
        if (job > 0)
            last = job;
        free(json);
    }
    assert_true(full);
    assert_says(body, "FULL");
    assert_true(last > 1);
    assert_int_equal(ask("{\"type\":\"HoldJob\",\"job\":1}"), 507); /* it is there and answers */
    assert_int_equal(
        prlimit(pid, RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY }, NULL), 0);
    for (int tries = 0; tries < 100 && ask("{\"type\":\"CancelJob\",\"job\":1}") == 507; tries++)
        (void)usleep(50000);
    assert_says(body, "JobEnded");
    assert_true(submit(999999) > last);
    end_it();
    follower = follow();
    assert_int_equal(dk_core_job_state(dk_follower_core(follower), last), DK_JOB_PENDING);
    dk_follower_close(follower);
}

static void hostile_input_is_refused_and_recorded(void **state)
{
    static const char *const inputs[] = { "{\"type\":\"Fly\"}", "[[[[",
                                          "{\"type\":\"CancelJob\",\"job\":{}}" };
    struct dk_client *client;
    struct dk_reply reply;
    uint8_t garbage[300];

    (void)state;
    begin(0);
    register_node();
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        assert_int_equal(ask(inputs[i]), 400);
        assert_says(body, "UNREADABLE");
    }
    dk_buf_init(&reply.body, &dk_heap, 1 << 20);
    assert_good(dk_client_open(&client, place.control, &good_err));
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = (uint8_t)(i * 37 + 11);
    assert_good(dk_client_call(client, "POST", "/v1/requests", "application/avro", garbage,
                               sizeof(garbage), 5000, &reply, &good_err));
    assert_int_equal(reply.status, 400);
    assert_good(dk_client_call(client, "POST", "/v1/requests", "application/vnd.docket.requests",
                               garbage, sizeof(garbage), 5000, &reply, &good_err));
    assert_int_equal(reply.status, 400);
    assert_good(dk_client_call(client, "POST", "/v1/requests", "text/plain", garbage,
                               sizeof(garbage), 5000, &reply, &good_err));
    assert_int_equal(reply.status, 415);
    dk_client_close(client);
    dk_buf_release(&reply.body);
    assert_int_equal(
        scratch_call(place.control, "GET", "/v1/requests", NULL, NULL, body, sizeof(body)), 405);
    assert_int_equal(scratch_call(place.control, "GET", "/v1/jobs", NULL, NULL, body, sizeof(body)),
                     404);
    assert_says(body, "query.sock");
    assert_true(serves(NULL));
    assert_true(number_of(body, "requests") >= 1 + 6); /* the refusals are in the log */
    end_it();
}

static bool stands_by(void *context)
{
    return scratch_call(context, "GET", "/v1/status", NULL, NULL, body, sizeof(body)) == 200 &&
           strstr(body, "\"role\":\"standby\"") != NULL;
}

static bool leads_in_epoch_2(void *context)
{
    return serves(context) && strstr(body, "\"role\":\"leading\",\"epoch\":2") != NULL;
}

static void a_second_controller_stands_by_and_takes_over(void **state)
{
    int first_pipe, status;
    pid_t first;
    char aside[DK_PLACE_PATH_MAX + 64];

    (void)state;
    begin(0);
    first = pid;
    first_pipe = stop_pipe[1];
    register_node();
    assert_int_equal(submit(1), 1);
    begin(0); /* the first one serves: at once */
    (void)snprintf(aside, sizeof(aside), "%s/run/controllers/%d.sock", place.dir, (int)pid);
    assert_true(scratch_wait(10, stands_by, aside));
    assert_int_equal(scratch_call(aside, "POST", "/v1/requests", "application/json",
                                  "{\"type\":\"CancelJob\",\"job\":1}", body, sizeof(body)),
                     503);
    assert_says(body, "NOT_LEADING");
    (void)kill(first, SIGKILL);
    assert_int_equal(waitpid(first, &status, 0), first);
    (void)close(first_pipe);
    assert_true(scratch_wait(10, leads_in_epoch_2, NULL));
    assert_int_equal(access(aside, F_OK), -1);
    assert_int_equal(submit(1), 1); /* known again */
    assert_int_equal(submit(2), 2);
    end_it();
}

static void stopping_leaves_a_snapshot_and_starting_uses_it(void **state)
{
    struct dk_follower *follower;

    (void)state;
    begin(0);
    register_node();
    assert_true(submit(5) > 0);
    end_it();
    assert_good(dk_follower_open(&follower, place.log_uri, place.log_dir, UINT64_MAX, &good_err));
    assert_true(dk_follower_snapshot_seq(follower) > 5);
    dk_follower_close(follower);
    begin(0);
    assert_true(submit(5) > 0);
    assert_says(body, "duplicate");
    end_it();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_log_begins_with_a_configuration, make, take_away),
        cmocka_unit_test_setup_teardown(the_same_key_gives_the_first_job_also_after_a_crash, make,
                                        take_away),
        cmocka_unit_test_setup_teardown(a_burst_shares_batches, make, take_away),
        cmocka_unit_test_setup_teardown(
            nothing_acknowledged_is_lost_by_kill_9_and_no_id_is_given_twice, make, take_away),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said_and_survived, make, take_away),
        cmocka_unit_test_setup_teardown(hostile_input_is_refused_and_recorded, make, take_away),
        cmocka_unit_test_setup_teardown(a_second_controller_stands_by_and_takes_over, make,
                                        take_away),
        cmocka_unit_test_setup_teardown(stopping_leaves_a_snapshot_and_starting_uses_it, make,
                                        take_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
