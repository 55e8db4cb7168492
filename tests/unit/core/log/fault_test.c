/* fault_test.c - a disk that fails, fills up, or loses what was not synced
 *
 * All writing of the file log goes through struct dk_log_io, so a disk here is four functions.
 * After each fault: what was acknowledged is there, whole and in order, and the log can be written
 * again.
 */
#define _GNU_SOURCE /* dup, RLIMIT_FSIZE */
#include "support.h"

#include "base/prng.h"
#include "log/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

/* What a sector held before a write that was not synced yet. */
struct undo {
    int fd; /* a duplicate of ours */
    ino_t inode;
    off_t at;
    bool clean;  /* a sync failed, and the kernel thinks no more of it until it is written again */
    size_t size; /* less than SECTOR at the end of the file; 0: was beyond it */
    uint8_t bytes[SECTOR];
};

struct disk {
    int calls, fail_at; /* the call that fails; 0: none */
    int error;
    bool half;    /* a write that fails has written half before */
    bool forever; /* and all calls after it fail */
    bool remember;
    struct undo *undos;
    size_t count, capacity;
};

static char folder[FOLDER_MAX], uri[FOLDER_MAX + 16];

static int make(void **state)
{
    (void)state;
    folder_make(folder);
    (void)snprintf(uri, sizeof(uri), "file:%s/log", folder);
    return 0;
}

static int take_away(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static bool fails(struct disk *disk)
{
    disk->calls++;
    if (disk->fail_at == 0 || disk->calls < disk->fail_at ||
        (disk->calls > disk->fail_at && !disk->forever))
        return false;
    errno = disk->error;
    return true;
}

static void remember(struct disk *disk, int fd, off_t from, size_t size)
{
    struct stat stat;

    if (!disk->remember)
        return;
    assert_int_equal(fstat(fd, &stat), 0);
    for (off_t at = from / SECTOR * SECTOR; at < from + (off_t)size; at += SECTOR) {
        struct undo *undo;
        ssize_t n;

        for (size_t i = 0; i < disk->count; i++)
            if (disk->undos[i].inode == stat.st_ino && disk->undos[i].at == at)
                disk->undos[i].clean = false;
        if (disk->count == disk->capacity) {
            disk->capacity = disk->capacity * 2 + 64;
            disk->undos = realloc(disk->undos, disk->capacity * sizeof(*disk->undos));
        }
        undo = &disk->undos[disk->count++];
        undo->fd = dup(fd);
        undo->inode = stat.st_ino;
        undo->clean = false;
        undo->at = at;
        n = pread(fd, undo->bytes, SECTOR, at);
        undo->size = n > 0 ? (size_t)n : 0;
    }
}

static void forget(struct disk *disk, ino_t inode)
{
    size_t kept = 0;

    for (size_t i = 0; i < disk->count; i++) {
        if (inode == 0 || (disk->undos[i].inode == inode && !disk->undos[i].clean))
            (void)close(disk->undos[i].fd);
        else
            disk->undos[kept++] = disk->undos[i];
    }
    disk->count = kept;
}

static ssize_t disk_write(void *ctx, int fd, const void *bytes, size_t size, off_t at)
{
    struct disk *disk = ctx;
    int error = disk->error;

    remember(disk, fd, at, size);
    if (fails(disk)) {
        if (disk->half && size > 1)
            (void)!pwrite(fd, bytes, size / 2, at);
        errno = error;
        return -1;
    }
    return pwrite(fd, bytes, size, at);
}

static int disk_sync(void *ctx, int fd)
{
    struct disk *disk = ctx;
    struct stat stat;

    assert_int_equal(fstat(fd, &stat), 0);
    if (fails(disk)) {
        for (size_t i = 0; i < disk->count; i++)
            if (disk->undos[i].inode == stat.st_ino)
                disk->undos[i].clean = true;
        return -1;
    }
    forget(disk, stat.st_ino);
    return 0; /* no real sync: a test needs none */
}

static int disk_rename(void *ctx, int dir_fd, const char *from, const char *to)
{
    return fails(ctx) ? -1 : renameat(dir_fd, from, dir_fd, to);
}

static struct dk_log_io io_of(struct disk *disk)
{
    struct dk_log_io io = { disk, disk_write, disk_sync, disk_sync, disk_rename };

    return io;
}

/* The power goes: any sector that was not synced may be as it was before. */
static void lose_power(struct disk *disk, struct dk_prng *prng)
{
    uint64_t odds = prng != NULL ? dk_prng_below(prng, 5) : 4; /* from nothing lost to all lost */

    for (size_t i = disk->count; i-- > 0;) {
        const struct undo *undo = &disk->undos[i];
        static const uint8_t zero[SECTOR];
        struct stat stat;

        if ((prng != NULL && dk_prng_below(prng, 4) >= odds) || fstat(undo->fd, &stat) != 0)
            continue;
        if (undo->size > 0)
            (void)!pwrite(undo->fd, undo->bytes, undo->size, undo->at);
        if (undo->size < SECTOR && stat.st_size > undo->at + (off_t)undo->size)
            (void)!pwrite(undo->fd, zero, SECTOR - undo->size, undo->at + (off_t)undo->size);
    }
    forget(disk, 0);
}

/* Writes until something fails; returns the seq below which all was acknowledged. */
static uint64_t work(struct dk_log_options options, uint64_t acknowledged, int rounds,
                     bool *finished)
{
    struct dk_log *log;
    struct dk_err err;
    bool good = dk_log_open(&log, uri, &options, &err) == DK_OK;

    *finished = false;
    if (!good)
        return acknowledged;
    for (int i = 0; good && i < rounds; i++) {
        good = append_records(log, 1 + (uint32_t)i % 5, &err) == DK_OK;
        if (i % 3 != 0)
            continue;
        good = good && dk_log_sync(log, &err) == DK_OK;
        if (good)
            acknowledged = dk_log_seq_next(log);
    }
    if (good)
        *finished = true;
    if (dk_log_close(log, &err) != DK_OK)
        *finished = false;
    return acknowledged;
}

static void check_after(uint64_t acknowledged)
{
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .segment_size = 1500 });
    uint64_t seq = dk_log_seq_next(log);

    assert_true(seq >= acknowledged);
    must_append(log, 3);
    must_sync(log);
    must_close(log);
    assert_int_equal(read_all(uri, 1, NULL), seq + 3);
}

static void fail_every_call(struct disk pattern, void **state)
{
    bool finished = false;

    for (int n = 1; !finished; n++) {
        struct disk disk = pattern;
        struct dk_log_io io = io_of(&disk);
        uint64_t acknowledged;

        disk.fail_at = n;
        acknowledged =
            work((struct dk_log_options){ .segment_size = 1500, .io = &io }, 1, 40, &finished);
        if (disk.calls < n)
            finished = true;
        else
            finished = false;
        check_after(acknowledged);
        (void)take_away(state);
        (void)make(state);
    }
}

static void whichever_call_fails_all_that_was_acknowledged_is_there(void **state)
{
    fail_every_call((struct disk){ .error = EIO }, state);
    fail_every_call((struct disk){ .error = EIO, .half = true }, state);
    fail_every_call((struct disk){ .error = EIO, .half = true, .forever = true }, state);
    fail_every_call((struct disk){ .error = ENOSPC, .half = true }, state);
    fail_every_call((struct disk){ .error = ENOSPC, .half = true, .forever = true }, state);
}

/* A sync that fails is never tried again on that file, though the second would say yes. */
static void after_a_failed_sync_the_log_refuses_everything_until_opened_again(void **state)
{
    struct disk disk = { .error = EIO };
    struct dk_log_io io = io_of(&disk);
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .io = &io });
    struct dk_err err;
    int calls;

    (void)state;
    must_append(log, 3);
    must_sync(log);
    must_append(log, 3);
    disk.fail_at = disk.calls + 2; /* the write, then the sync */
    assert_int_equal(dk_log_sync(log, &err), DK_IO);
    calls = disk.calls;
    assert_int_equal(dk_log_sync(log, &err), DK_IO);
    assert_int_equal(append_records(log, 1, &err), DK_IO);
    assert_int_equal(disk.calls, calls);
    assert_int_equal(read_all(uri, 1, NULL), 4); /* not published */
    must_close(log);
    log = must_open(uri, NULL);
    assert_int_equal(dk_log_epoch(log), 2);
    must_close(log);
}

/* Bytes that a dead writer did not sync may yet be lost with the power: nobody may act upon them.
 * After that loss the page says so (it is of another boot, or gone), and what is there was on the
 * disk. */
static void
what_a_dead_writer_did_not_sync_is_read_only_after_the_machine_was_started_anew(void **state)
{
    struct disk disk = { .error = EIO };
    struct dk_log_io io = io_of(&disk);
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .io = &io });
    char path[FOLDER_MAX + 32];
    struct dk_err err;

    (void)state;
    must_append(log, 3);
    must_sync(log);
    must_append(log, 3);
    disk.fail_at = disk.calls + 2; /* the write, then the sync */
    assert_int_equal(dk_log_sync(log, &err), DK_IO);
    must_close(log);
    assert_int_equal(read_all(uri, 1, NULL), 4);
    (void)snprintf(path, sizeof(path), "%s/log/page", folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_all(uri, 1, NULL), 7);
}

static void a_full_disk_refuses_clearly_and_heals_when_there_is_space(void **state)
{
    struct disk disk = { .error = ENOSPC, .half = true, .forever = true };
    struct dk_log_io io = io_of(&disk);
    struct dk_log *log =
        must_open(uri, &(struct dk_log_options){ .segment_size = 1500, .io = &io });
    uint64_t seq = 1, full = 0;

    (void)state;
    for (int i = 0; i < 60; i++) {
        struct dk_err err = { 0 };
        enum dk_status status;

        if (i % 3 == 1) { /* the next call finds no space, and goes on finding none */
            disk.fail_at = disk.calls + 1;
            disk.forever = false;
        }
        must_append(log, 4);
        status = dk_log_sync(log, &err);
        if (status == DK_FULL) {
            full++;
            assert_int_equal(read_all(uri, 1, NULL), seq);
            assert_int_equal(dk_log_seq_next(log), seq + 4); /* still staged */
            disk.fail_at = 0;
            if (i % 2 == 0) {
                dk_log_discard(log);
                must_append(log, 2);
            }
            must_sync(log);
        } else {
            assert_int_equal(status, DK_OK);
        }
        disk.fail_at = 0;
        seq = dk_log_seq_next(log);
        assert_int_equal(read_all(uri, 1, NULL), seq);
    }
    assert_true(full > 5);
    must_close(log);
    check_after(seq);
}

/* What a start finds may be in the page cache only, and a sync would not write it. */
static void what_a_failed_sync_left_is_written_again_before_it_is_published(void **state)
{
    struct disk disk = { .error = EIO, .remember = true };
    struct dk_log_io io = io_of(&disk);
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .io = &io });
    struct dk_err err;
    uint64_t seq;

    (void)state;
    must_append(log, 30);
    must_sync(log);
    must_append(log, 30);
    disk.fail_at = disk.calls + 2;
    assert_int_equal(dk_log_sync(log, &err), DK_IO);
    must_close(log);
    log = must_open(uri, &(struct dk_log_options){ .io = &io });
    seq = dk_log_seq_next(log);
    assert_int_equal(read_all(uri, 1, NULL), seq); /* so now it is promised */
    must_close(log);
    lose_power(&disk, NULL);
    check_after(seq);
    free(disk.undos);
}

/* Five batches, the disk is full after two and a half. They are given up; a shorter commit follows.
 * The second must not come to life behind it: its seq would fit. */
static void what_a_full_disk_left_half_written_never_comes_to_life(void **state)
{
    struct disk disk = { .error = ENOSPC, .half = true };
    struct dk_log_io io = io_of(&disk);
    struct dk_log *log = must_open(uri, &(struct dk_log_options){ .io = &io });
    char page[2 * FOLDER_MAX];
    struct dk_err err;

    (void)state;
    must_append(log, 3);
    must_sync(log);
    for (int i = 0; i < 5; i++)
        must_append(log, 3);
    disk.fail_at = disk.calls + 1;
    assert_int_equal(dk_log_sync(log, &err), DK_FULL);
    dk_log_discard(log);
    must_append(log, 3);
    must_sync(log);
    must_close(log);
    (void)snprintf(page, sizeof(page), "%s/log/page", folder);
    assert_int_equal(unlink(page), 0);
    assert_int_equal(read_all(uri, 1, NULL), 7);
}

/* The same by the kernel: a limit on file size stands for a full disk. */
static void a_file_size_limit_refuses_and_goes_when_it_is_lifted(void **state)
{
    struct rlimit old, tight;
    struct dk_log *log = must_open(uri, NULL);
    struct dk_err err = { 0 };
    enum dk_status status = DK_OK;
    uint64_t acknowledged;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 300000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    do {
        acknowledged = dk_log_seq_next(log);
        must_append(log, 100);
        status = dk_log_sync(log, &err);
    } while (status == DK_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, DK_FULL);
    assert_int_equal(read_all(uri, 1, NULL), acknowledged);
    must_sync(log);
    assert_int_equal(read_all(uri, 1, NULL), acknowledged + 100);
    must_close(log);
    check_after(acknowledged + 100);
}

static void power_may_go_at_any_call_and_take_any_unsynced_sector(void **state)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct disk disk = { .error = EIO, .forever = true, .remember = true };
        struct dk_log_io io = io_of(&disk);
        struct dk_prng prng;
        uint64_t acknowledged = 1;
        bool finished;

        dk_prng_init(&prng, seed);
        for (int crash = 0; crash < 4; crash++) {
            struct dk_log_options options = {
                .segment_size = 800 + dk_prng_below(&prng, 4000),
                .io = &io,
            };
            char page[2 * FOLDER_MAX];

            disk.calls = 0;
            disk.half = dk_prng_below(&prng, 2) == 0;
            disk.fail_at = 1 + (int)dk_prng_below(&prng, 60);
            acknowledged = work(options, acknowledged, 40, &finished);
            lose_power(&disk, &prng);
            (void)snprintf(page, sizeof(page), "%s/log/page", folder);
            if (dk_prng_below(&prng, 3) == 0)
                (void)unlink(page);
        }
        disk.fail_at = 0;
        check_after(acknowledged);
        free(disk.undos);
        (void)take_away(state);
        (void)make(state);
    }
}

/* Deferred: nothing is promised for a lost machine but that the log can be opened and is sound. */
static void a_deferred_log_that_lost_power_is_cut_where_it_is_torn(void **state)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct disk disk = { .error = EIO, .forever = true, .remember = true };
        struct dk_log_io io = io_of(&disk);
        struct dk_log_options options = { .segment_size = 2500, .deferred = true, .io = &io };
        struct dk_prng prng;
        bool finished;

        dk_prng_init(&prng, seed);
        disk.fail_at = 8 + (int)dk_prng_below(&prng, 40);
        (void)work(options, 1, 60, &finished);
        lose_power(&disk, &prng);
        disk.fail_at = 0;
        check_after(1);
        free(disk.undos);
        (void)take_away(state);
        (void)make(state);
    }
}

/* What a compressing writer does on a disk that fails: plain ones stay, reading goes on. */
static void a_failed_compression_loses_nothing(void **state)
{
    for (int n = 1; n < 12; n++) {
        struct disk disk = { .error = n % 2 ? ENOSPC : EIO, .half = true };
        struct dk_log_io io = io_of(&disk);
        struct dk_log *log =
            must_open(uri, &(struct dk_log_options){ .segment_size = 1500, .io = &io });
        struct dk_err err;

        for (int i = 0; i < 20; i++) {
            must_append(log, 10);
            must_sync(log);
        }
        disk.fail_at = disk.calls + n;
        while (dk_log_compact_step(log, &err) == DK_OK)
            continue;
        assert_int_equal(read_all(uri, 1, NULL), 201);
        while (dk_log_compact_step(log, &err) == DK_OK)
            continue;
        assert_int_equal(read_all(uri, 1, NULL), 201);
        must_close(log);
        (void)take_away(state);
        (void)make(state);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, take_away)
    const struct CMUnitTest tests[] = {
        TEST(whichever_call_fails_all_that_was_acknowledged_is_there),
        TEST(after_a_failed_sync_the_log_refuses_everything_until_opened_again),
        TEST(what_a_dead_writer_did_not_sync_is_read_only_after_the_machine_was_started_anew),
        TEST(a_full_disk_refuses_clearly_and_heals_when_there_is_space),
        TEST(what_a_failed_sync_left_is_written_again_before_it_is_published),
        TEST(what_a_full_disk_left_half_written_never_comes_to_life),
        TEST(a_file_size_limit_refuses_and_goes_when_it_is_lifted),
        TEST(power_may_go_at_any_call_and_take_any_unsynced_sector),
        TEST(a_deferred_log_that_lost_power_is_cut_where_it_is_torn),
        TEST(a_failed_compression_loses_nothing),
    };

    return cmocka_run_group_tests_name("file log faults", tests, NULL, NULL);
}
