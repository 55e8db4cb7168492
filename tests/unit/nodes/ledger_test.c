/* ledger_test.c - what an agent must not forget: read back, cut off, replaced, on a full disk */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nodes/inbox.h"
#include "nodes/ledger.h"
#include "nodes/outbox.h"
#include "nodes/task.h"
#include "scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIVE_MAX = 64 };

static char folder[SCRATCH_MAX];
static int folder_fd;
static struct dk_ledger *ledger;
static int64_t live[LIVE_MAX]; /* jobs that are alive */
static uint32_t live_count, taken;
static char order[5000];

static void take(void *context, const struct dk_ledger_entry *entry)
{
    (void)context;
    taken++;
    if (entry->kind == DK_LEDGER_RUN) {
        assert_int_equal(entry->bytes.size, sizeof(order));
        assert_memory_equal(entry->bytes.data, order, sizeof(order));
        assert_int_equal(entry->attempt, 3);
        assert_int_equal(entry->number, entry->job * 2);
        live[live_count++] = entry->job;
    }
    if (entry->kind == DK_LEDGER_GONE)
        for (uint32_t i = 0; i < live_count; i++)
            if (live[i] == entry->job)
                live[i] = live[--live_count];
}

static enum dk_status add_run(struct dk_ledger *to, int64_t job, struct dk_err *err)
{
    struct dk_ledger_entry entry = {
        DK_LEDGER_RUN, job, 3, job * 2, { (const uint8_t *)order, sizeof(order) }
    };

    return dk_ledger_add(to, &entry, err);
}

static void give(void *context, struct dk_ledger *to)
{
    (void)context;
    for (uint32_t i = 0; i < live_count; i++)
        assert_int_equal(add_run(to, live[i], NULL), DK_OK);
}

static void open_again(void)
{
    const struct dk_ledger_owner owner = { NULL, take, give };

    dk_ledger_close(ledger);
    live_count = taken = 0;
    assert_good(dk_ledger_open(&ledger, folder_fd, &owner, &good_err));
}

static void run(int64_t job)
{
    assert_good(add_run(ledger, job, &good_err));
    live[live_count++] = job;
}

static void end(int64_t job)
{
    struct dk_ledger_entry entry = { DK_LEDGER_GONE, job, 3, 0, { NULL, 0 } };

    for (uint32_t i = 0; i < live_count; i++)
        if (live[i] == job)
            live[i] = live[--live_count];
    assert_good(dk_ledger_add(ledger, &entry, &good_err));
}

static int setup(void **state)
{
    (void)state;
    scratch_make(folder);
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof(order); i++)
        order[i] = (char)(i * 7);
    ledger = NULL;
    open_again();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dk_ledger_close(ledger);
    close(folder_fd);
    scratch_remove(folder);
    return 0;
}

static void what_was_added_is_read_back(void **state)
{
    (void)state;
    run(1);
    run(2);
    end(1);
    assert_good(dk_ledger_sync(ledger, &good_err));
    open_again();
    assert_int_equal(live_count, 1);
    assert_int_equal(live[0], 2);
    assert_int_equal(taken, 3);
    open_again(); /* opening wrote what is alive, and only that */
    assert_int_equal(taken, 1);
}

static void a_long_life_keeps_the_file_small(void **state)
{
    struct stat file;
    char path[SCRATCH_MAX + 16];

    (void)state;
    for (int64_t job = 1; job <= 2000; job++) {
        run(job);
        if (job > 5)
            end(job - 5);
    }
    snprintf(path, sizeof(path), "%s/ledger", folder);
    assert_int_equal(stat(path, &file), 0);
    assert_true(file.st_size <= 262144);
    open_again();
    assert_int_equal(live_count, 5);
}

static void many_live_jobs_make_it_larger(void **state)
{
    (void)state;
    for (int64_t job = 1; job <= 60; job++) /* 300 KB of them */
        run(job);
    open_again();
    assert_int_equal(live_count, 60);
}

/* Whatever byte it is cut at, or loses, what is before it is read and nothing else. */
static void a_torn_end_is_cut_off(void **state)
{
    char path[SCRATCH_MAX + 16];
    int fd;

    (void)state;
    run(1);
    run(2);
    snprintf(path, sizeof(path), "%s/ledger", folder);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "?", 1, 8 + 5032 + 100), 1); /* inside the second */
    close(fd);
    open_again();
    assert_int_equal(live_count, 1);
    assert_int_equal(live[0], 1);
}

static void a_file_cut_where_an_entry_ends_is_read_no_further(void **state)
{
    char path[SCRATCH_MAX + 16];

    (void)state;
    assert_good(dk_ledger_add(
        ledger,
        &(struct dk_ledger_entry){ DK_LEDGER_EPOCH, 1, 1, 1, { (const uint8_t *)"abc", 3 } },
        &good_err));
    snprintf(path, sizeof(path), "%s/ledger", folder);
    assert_int_equal(truncate(path, 8 + 32 + 3), 0); /* without what fills it up to 8 */
    open_again();
    assert_int_equal(taken, 1);
}

static void a_file_that_is_no_ledger_is_not_written_over(void **state)
{
    const struct dk_ledger_owner owner = { NULL, take, give };
    struct dk_ledger *other = NULL;
    struct dk_err err = { 0 };
    char path[SCRATCH_MAX + 16];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/ledger", folder);
    fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, "something", 9, 0), 9);
    close(fd);
    assert_int_equal(dk_ledger_open(&other, folder_fd, &owner, &err), DK_CORRUPT);
    assert_says(err.text, "move it away");
}

/* --- small things that read what others wrote --- */

static void a_record_is_whole_or_none(void **state)
{
    struct dk_task_record record = { .magic = DK_TASK_MAGIC, .job = 17, .attempt = 1 }, read;
    char path[SCRATCH_MAX + 16];
    int fd;

    (void)state;
    record.stage = DK_TASK_ENDED;
    record.crc = dk_task_record_crc(&record);
    snprintf(path, sizeof(path), "%s/task", folder);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(pwrite(fd, &record, sizeof(record), 0), sizeof(record));
    assert_true(dk_task_record_read(folder_fd, "task", &read));
    assert_memory_equal(&read, &record, sizeof(record));
    assert_int_equal(pwrite(fd, "x", 1, 60), 1);
    assert_false(dk_task_record_read(folder_fd, "task", &read));
    assert_int_equal(ftruncate(fd, 100), 0);
    assert_false(dk_task_record_read(folder_fd, "task", &read));
    close(fd);
    assert_false(dk_task_record_read(folder_fd, "other", &read));
    assert_int_equal(symlinkat("task", folder_fd, "link"), 0); /* a user's link is not followed */
    assert_false(dk_task_record_read(folder_fd, "link", &read));
}

static void a_record_whose_texts_do_not_end_is_none(void **state)
{
    struct dk_task_record record = { .magic = DK_TASK_MAGIC, .job = 17, .attempt = 1 }, read;
    char path[SCRATCH_MAX + 16];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/task", folder);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    memset(record.boot, 'b', sizeof(record.boot));
    record.crc = dk_task_record_crc(&record);
    assert_int_equal(pwrite(fd, &record, sizeof(record), 0), sizeof(record));
    assert_false(dk_task_record_read(folder_fd, "task", &read));
    memset(record.boot, 0, sizeof(record.boot));
    memset(record.why, 'w', sizeof(record.why));
    record.crc = dk_task_record_crc(&record);
    assert_int_equal(pwrite(fd, &record, sizeof(record), 0), sizeof(record));
    assert_false(dk_task_record_read(folder_fd, "task", &read));
    close(fd);
}

static void this_process_has_a_start_and_a_boot(void **state)
{
    char boot[40];

    (void)state;
    dk_task_boot(boot);
    assert_int_equal(strlen(boot), 36);
    assert_true(dk_task_start_time(getpid()) > 0);
    assert_int_equal(dk_task_start_time(1 << 30), 0);
}

static void results_are_counted_by_their_key_alone(void **state)
{
    static const char body[] =
        "{\"seq\":9,\"results\":[{\"result\":\"accepted\",\"seq\":8,\"event\":\"JobEnded\"},"
        "{\"result\":\"rejected\",\"detail\":\"'\\\"result\\\":\\\"accepted\\\"' is no name\"},"
        "{\"result\":\"duplicate\",\"seq\":3}]}";
    char results[8];

    (void)state;
    assert_int_equal(dk_outbox_results(body, sizeof(body) - 1, results, 8), 3);
    assert_memory_equal(results, "ard", 3);
    assert_int_equal(dk_outbox_results(body, sizeof(body) - 1, results, 2), 2);
    assert_int_equal(dk_outbox_results("", 0, results, 8), 0);
}

static void an_answer_with_broken_orders_is_refused(void **state)
{
    static const uint8_t broken[][12] = { { 9, 0, 0, 0, 1 }, { 4, 0, 0, 0, 1, 2, 3, 4 }, { 1 } };
    static const size_t sizes[] = { 5, 8, 1 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct dk_delivery *delivery = calloc(1, sizeof(*delivery));
        struct dk_err err = { 0 };

        dk_arena_init(&delivery->arena, &dk_heap);
        dk_buf_init(&delivery->body, &dk_heap, 100);
        assert_true(dk_buf_add(&delivery->body, broken[i], sizes[i]));
        assert_int_not_equal(dk_delivery_parse(delivery, &err), DK_OK);
        assert_int_not_equal(err.text[0], '\0');
        dk_delivery_destroy(delivery);
    }
}

static void an_answer_without_a_body_has_no_orders(void **state)
{
    struct dk_delivery *delivery = calloc(1, sizeof(*delivery));

    (void)state;
    dk_arena_init(&delivery->arena, &dk_heap);
    dk_buf_init(&delivery->body, &dk_heap, 100);
    assert_good(dk_delivery_parse(delivery, &good_err));
    assert_int_equal(delivery->count, 0);
    dk_delivery_destroy(delivery);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_added_is_read_back),
        T(a_long_life_keeps_the_file_small),
        T(many_live_jobs_make_it_larger),
        T(a_torn_end_is_cut_off),
        T(a_file_cut_where_an_entry_ends_is_read_no_further),
        T(a_file_that_is_no_ledger_is_not_written_over),
        T(a_record_is_whole_or_none),
        T(a_record_whose_texts_do_not_end_is_none),
        T(this_process_has_a_start_and_a_boot),
        T(results_are_counted_by_their_key_alone),
        T(an_answer_with_broken_orders_is_refused),
        T(an_answer_without_a_body_has_no_orders),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
