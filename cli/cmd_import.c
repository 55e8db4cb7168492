/* cmd_import.c - docket log import: exported files back into a log, as they were (decision 0016)
 *
 * The files are gone through twice: what does not join or is damaged is found before anything is
 * written. A log that is half written says so by itself (log.h, restore), and the same import goes
 * on behind what is there. */
#include "batch/container.h"
#include "batch/trail.h"
#include "cli/human.h"
#include "cli/print.h"
#include "cli/replay_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAGED_MAX = 1 << 20 }; /* for each sync: a transaction on Kafka */

struct import_file {
    const char *path;
    uint64_t seq_first;
};

struct import {
    struct import_file *files; /* by seq */
    int count;
    struct dk_trail trail; /* of the pass at hand */
    struct dk_log *log;    /* of the second */
    struct dk_log_reader
        *there;           /* what an import that was interrupted has written; NULL: nothing */
    uint64_t there_limit; /* the seq behind it */
    size_t staged;
};

/* --- files --- */

static int by_seq(const void *a, const void *b)
{
    const struct import_file *left = a, *right = b;

    return (left->seq_first > right->seq_first) - (left->seq_first < right->seq_first);
}

static enum dk_status find_files(struct import *import, char **paths, struct dk_err *err)
{
    for (int i = 0; i < import->count; i++) {
        struct dk_container_reader *reader;
        enum dk_status status = dk_container_open(&reader, paths[i], err);

        if (status != DK_OK)
            return status;
        import->files[i].path = paths[i];
        import->files[i].seq_first = dk_container_about(reader)->seq_first;
        dk_container_close(reader);
    }
    qsort(import->files, (size_t)import->count, sizeof(*import->files), by_seq);
    return DK_OK;
}

/* That this file goes on where the last one ended, and is of the same log. */
static enum dk_status check_joins(const struct dk_trail *trail, const char *path,
                                  const struct dk_container_about *about, struct dk_err *err)
{
    if (trail->seq_next == 1 && about->seq_first > 1)
        return dk_fail(err, DK_INVALID,
                       "'%s' begins at seq %llu: the export with the events before it is missing",
                       path, (unsigned long long)about->seq_first);
    if (about->seq_first != trail->seq_next)
        return dk_fail(err, DK_INVALID, "'%s' begins at seq %llu, but the one before ends at %llu",
                       path, (unsigned long long)about->seq_first,
                       (unsigned long long)trail->seq_next - 1);
    if (trail->has_log && memcmp(trail->log, about->log, sizeof(about->log)) != 0)
        return dk_fail(err, DK_INVALID, "'%s' is of another log than the file before", path);
    return DK_OK;
}

static enum dk_status walk_file(struct import *import, const char *path,
                                enum dk_status (*see)(struct import *import,
                                                      const struct dk_log_batch *batch,
                                                      struct dk_err *err),
                                struct dk_err *err)
{
    struct dk_container_reader *reader = NULL;
    struct dk_log_batch batch;
    uint64_t block, byte;
    enum dk_status status = dk_container_open(&reader, path, err);

    if (status == DK_OK)
        status = check_joins(&import->trail, path, dk_container_about(reader), err);
    while (status == DK_OK && (status = dk_container_next(reader, &batch, err)) == DK_OK) {
        status = dk_trail_batch(&import->trail, &batch, err);
        if (status != DK_OK) {
            dk_container_where(reader, &block, &byte);
            (void)dk_fail_in(err, "'%s': block %llu at byte %llu", path, (unsigned long long)block,
                             (unsigned long long)byte);
        }
        if (status == DK_OK && see != NULL)
            status = see(import, &batch, err);
    }
    if (status == DK_END)
        status = dk_container_check(reader, &import->trail, err);
    dk_container_close(reader);
    return status;
}

static enum dk_status walk(struct import *import,
                           enum dk_status (*see)(struct import *import,
                                                 const struct dk_log_batch *batch,
                                                 struct dk_err *err),
                           struct dk_err *err)
{
    enum dk_status status = DK_OK;

    dk_trail_release(&import->trail);
    dk_trail_init(&import->trail, &dk_heap);
    for (int i = 0; i < import->count && status == DK_OK; i++)
        status = walk_file(import, import->files[i].path, see, err);
    return status;
}

/* --- the log --- */

static bool same_batch(const struct dk_log_batch *a, const struct dk_log_batch *b)
{
    if (a->seq_first != b->seq_first || a->epoch != b->epoch || a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->records[i].size != b->records[i].size ||
            memcmp(a->records[i].data, b->records[i].data, a->records[i].size) != 0)
            return false;
    return true;
}

static enum dk_status compare(struct import *import, const struct dk_log_batch *batch,
                              struct dk_err *err)
{
    struct dk_log_batch there;
    enum dk_status status = dk_log_reader_next(import->there, &there, err);

    if (status == DK_OK && same_batch(&there, batch))
        return DK_OK;
    if (status == DK_OK || status == DK_AGAIN)
        status = dk_fail(err, DK_INVALID,
                         "the log has the beginning of another import: seq %llu differs",
                         (unsigned long long)batch->seq_first);
    return status;
}

static enum dk_status put(struct import *import, const struct dk_log_batch *batch,
                          struct dk_err *err)
{
    enum dk_status status;

    if (batch->seq_first < import->there_limit)
        return compare(import, batch, err);
    status = dk_log_append(import->log, batch, err);
    for (uint32_t i = 0; i < batch->count; i++)
        import->staged += batch->records[i].size;
    if (status == DK_OK && import->staged >= STAGED_MAX) {
        status = dk_log_sync(import->log, err);
        import->staged = 0;
    }
    return status;
}

static enum dk_status write_log(struct import *import, const char *uri, struct dk_err *err)
{
    /* It can be written again, so one sync a segment is enough. */
    struct dk_log_options options = { .deferred = true, .compress = true, .restore = true };
    enum dk_status status = dk_log_open(&import->log, uri, &options, err), closed;

    if (status != DK_OK)
        return status;
    import->there_limit = dk_log_seq_next(import->log);
    if (import->there_limit > 1)
        status = dk_log_reader_open(&import->there, uri, 1, err);
    if (status == DK_OK)
        status = walk(import, put, err);
    if (status == DK_OK && import->trail.seq_next < import->there_limit)
        status = dk_fail(err, DK_INVALID,
                         "the log has more than these files: it goes to seq %llu, from an import "
                         "that was interrupted",
                         (unsigned long long)import->there_limit - 1);
    if (status == DK_OK)
        status = dk_log_restore_finish(import->log, err);
    dk_log_reader_close(import->there);
    closed = dk_log_close(import->log, status == DK_OK ? err : NULL);
    if (status != DK_OK)
        (void)fprintf(stderr,
                      "docket: '%s' is half an import now, which no controller opens: "
                      "import again, or remove it\n",
                      uri);
    return status == DK_OK ? closed : status;
}

static void print(const struct import *import, const char *uri, bool json, double seconds)
{
    const struct dk_trail *trail = &import->trail;
    struct dk_head head;

    dk_trail_head(trail, &head);
    if (json) {
        (void)printf("{\"log\": ");
        cli_json_text(uri);
        (void)printf(", \"files\": %d, \"seq_last\": %llu, \"epoch_last\": %u, \"batches\": %llu, "
                     "\"events\": %llu, \"bytes\": %llu, \"went_on_at\": %llu, "
                     "\"seconds\": %.6f}\n",
                     import->count, (unsigned long long)trail->seq_next - 1, trail->epoch,
                     (unsigned long long)trail->batches, (unsigned long long)trail->events,
                     (unsigned long long)trail->bytes, (unsigned long long)import->there_limit,
                     seconds);
        return;
    }
    (void)printf("log          %s\n", uri);
    (void)printf("events       %llu, seq 1 to %llu, in %llu batches, epochs to %u\n",
                 (unsigned long long)trail->events, (unsigned long long)trail->seq_next - 1,
                 (unsigned long long)trail->batches, trail->epoch);
    if (import->there_limit > 1)
        (void)printf("went on at   seq %llu, where an import was interrupted\n",
                     (unsigned long long)import->there_limit);
    (void)printf("chain        as it was exported\n");
    (void)printf("speed        %.0f events/s: %.3f s\n",
                 seconds > 0 ? (double)trail->events / seconds : 0, seconds);
}

int cli_log_import(const struct cli_command *command, int argc, char **argv)
{
    struct import_options options;
    struct import import = { .count = 0 };
    struct dk_err err;
    enum dk_status status;
    double begun = cli_seconds();
    int usage = cli_parse(command, argc, argv, &options, &import.count);

    if (usage != CLI_GO_ON)
        return usage;
    if (options.log == NULL)
        return cli_usage_error(command, "--log is required: the new log, file:DIR or "
                                        "kafka://BROKERS/PREFIX");
    if (strncmp(options.log, "memory:", 7) == 0)
        return cli_usage_error(command, "a log in memory would end with this command");
    import.files = calloc((size_t)import.count, sizeof(*import.files));
    if (import.files == NULL)
        return CLI_EXIT_WORLD;
    dk_trail_init(&import.trail, &dk_heap);
    status = find_files(&import, argv, &err);
    if (status == DK_OK)
        status = walk(&import, NULL, &err);
    if (status == DK_OK)
        status = write_log(&import, options.log, &err);
    if (status == DK_OK)
        print(&import, options.log, options.json, cli_seconds() - begun);
    dk_trail_release(&import.trail);
    free(import.files);
    if (status == DK_CORRUPT)
        err.status = DK_DIVERGED; /* an altered file: repairs are for logs */
    return status == DK_OK ? CLI_EXIT_OK : cli_fail(&err);
}
