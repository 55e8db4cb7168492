/* support.h - own folders, and batches whose bytes follow from their seqs */
#ifndef TESTS_UNIT_CORE_LOG_SUPPORT_H
#define TESTS_UNIT_CORE_LOG_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log/log.h"

#include <stdbool.h>
#include <stdio.h>

#define FOLDER_MAX 256

/* A new folder of this test's own; folder_remove takes it and all that is in it away. */
void folder_make(char folder[FOLDER_MAX]);
void folder_remove(const char *folder);

/* The file's bytes; free() them. */
uint8_t *file_read(const char *folder, const char *name, size_t *size);
void file_write(const char *folder, const char *name, const void *bytes, size_t size);
bool file_exists(const char *folder, const char *name);

/* The record with this seq: its size and bytes depend on nothing else. */
uint32_t record_size(uint64_t seq);
void record_fill(uint64_t seq, uint8_t *bytes);

/* Appends `count` such records as one batch. */
enum dk_status append_records(struct dk_log *log, uint32_t count, struct dk_err *err);
enum dk_status append_records_of(struct dk_log *log, uint32_t epoch, uint32_t count,
                                 struct dk_err *err); /* a restore */
void must_append(struct dk_log *log, uint32_t count);
void must_sync(struct dk_log *log);
struct dk_log *must_open(const char *uri, const struct dk_log_options *options);
void must_close(struct dk_log *log);

/* Each record of the batch is the one that its seq says. */
void check_batch(const struct dk_log_batch *batch);

/* Reads from seq on until nothing more comes, checking all; returns the seq after the last one. */
uint64_t read_all(const char *uri, uint64_t seq_from, uint64_t *batches);

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        struct dk_err ok_err = { 0 };                                                              \
        enum dk_status ok_status = (call);                                                         \
        (void)ok_err;                                                                              \
        if (ok_status != DK_OK)                                                                    \
            fail_msg("%s: %s", #call, dk_status_name(ok_status));                                  \
    } while (0)

#define assert_contains(text, part)                                                                \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("'%s' is not in '%s'", (part), (text));                                       \
    } while (0)

#endif
