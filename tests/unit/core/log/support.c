/* support.c - see support.h */
#define _GNU_SOURCE /* mkdtemp, nftw */
#include "support.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void folder_make(char folder[FOLDER_MAX])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(folder, FOLDER_MAX, "%s/docket-log-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
    (void)stat;
    (void)kind;
    (void)walk;
    return remove(path);
}

void folder_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void path_of(char path[2 * FOLDER_MAX], const char *folder, const char *name)
{
    (void)snprintf(path, (size_t)2 * FOLDER_MAX, "%s/%s", folder, name);
}

uint8_t *file_read(const char *folder, const char *name, size_t *size)
{
    char path[2 * FOLDER_MAX];
    struct stat stat;
    uint8_t *bytes;
    int fd;

    path_of(path, folder, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &stat), 0);
    *size = (size_t)stat.st_size;
    bytes = malloc(*size + 1);
    assert_int_equal(read(fd, bytes, *size), (ssize_t)*size);
    (void)close(fd);
    return bytes;
}

void file_write(const char *folder, const char *name, const void *bytes, size_t size)
{
    char path[2 * FOLDER_MAX];
    int fd;

    path_of(path, folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    (void)close(fd);
}

bool file_exists(const char *folder, const char *name)
{
    char path[2 * FOLDER_MAX];

    path_of(path, folder, name);
    return access(path, F_OK) == 0;
}

uint32_t record_size(uint64_t seq)
{
    return (uint32_t)((seq * UINT64_C(2654435761)) >> 7) % 97;
}

void record_fill(uint64_t seq, uint8_t *bytes)
{
    uint32_t size = record_size(seq);

    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(seq * 31 + i);
}

enum dk_status append_records(struct dk_log *log, uint32_t count, struct dk_err *err)
{
    return append_records_of(log, dk_log_epoch(log), count, err);
}

enum dk_status append_records_of(struct dk_log *log, uint32_t epoch, uint32_t count,
                                 struct dk_err *err)
{
    struct dk_log_record *records = calloc(count + 1, sizeof(*records));
    uint8_t *bytes = calloc(count + 1, 100);
    struct dk_log_batch batch = { dk_log_seq_next(log), epoch, count, records };
    enum dk_status status;

    for (uint32_t i = 0; i < count; i++) {
        record_fill(batch.seq_first + i, bytes + (size_t)i * 100);
        records[i].data = bytes + (size_t)i * 100;
        records[i].size = record_size(batch.seq_first + i);
    }
    status = dk_log_append(log, &batch, err);
    free(bytes);
    free(records);
    return status;
}

void must_append(struct dk_log *log, uint32_t count)
{
    struct dk_err err = { 0 };

    if (append_records(log, count, &err) != DK_OK)
        fail_msg("append: %s", err.text);
}

void must_sync(struct dk_log *log)
{
    struct dk_err err = { 0 };

    if (dk_log_sync(log, &err) != DK_OK)
        fail_msg("sync: %s", err.text);
}

struct dk_log *must_open(const char *uri, const struct dk_log_options *options)
{
    struct dk_err err = { 0 };
    struct dk_log *log;

    if (dk_log_open(&log, uri, options, &err) != DK_OK)
        fail_msg("open: %s", err.text);
    return log;
}

void must_close(struct dk_log *log)
{
    struct dk_err err = { 0 };

    if (dk_log_close(log, &err) != DK_OK)
        fail_msg("close: %s", err.text);
}

void check_batch(const struct dk_log_batch *batch)
{
    uint8_t bytes[100];

    for (uint32_t i = 0; i < batch->count; i++) {
        uint64_t seq = batch->seq_first + i;

        assert_int_equal(batch->records[i].size, record_size(seq));
        record_fill(seq, bytes);
        if (batch->records[i].size > 0)
            assert_memory_equal(batch->records[i].data, bytes, batch->records[i].size);
    }
}

uint64_t read_all(const char *uri, uint64_t seq_from, uint64_t *batches)
{
    struct dk_log_reader *reader;
    struct dk_log_batch batch;
    struct dk_err err = { 0 };
    enum dk_status status;
    uint64_t seq = seq_from, count = 0;

    if (dk_log_reader_open(&reader, uri, seq_from, &err) != DK_OK)
        fail_msg("reader: %s", err.text);
    while ((status = dk_log_reader_next(reader, &batch, &err)) == DK_OK) {
        if (count++ == 0)
            assert_true(batch.seq_first <= seq_from && seq_from < batch.seq_first + batch.count);
        else
            assert_int_equal(batch.seq_first, seq);
        check_batch(&batch);
        seq = batch.seq_first + batch.count;
    }
    if (status != DK_AGAIN)
        fail_msg("reading from %llu: %s", (unsigned long long)seq_from, err.text);
    dk_log_reader_close(reader);
    if (batches != NULL)
        *batches = count;
    return seq;
}
