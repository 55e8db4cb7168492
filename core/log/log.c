/* log.c - finds the backend by the address, and checks what every backend relies on
 *
 * A backend is only asked to append a batch that is the next one, of our epoch, not empty
 * and within its limits; and never after it has been poisoned.
 */
#include "log/log.h"

#include "log/backend.h"
#include "log/frame.h"

#include <string.h>

static const struct dk_log_backend *const backends[] = {
    &dk_log_backend_file,
    &dk_log_backend_memory,
    &dk_log_backend_kafka,
};

static const struct dk_log_backend *added; /* by a test */

void dk_log_backend_add(const struct dk_log_backend *backend)
{
    added = backend;
}

static bool is_of(const char *uri, const struct dk_log_backend *backend, const char **place)
{
    size_t size = strlen(backend->scheme);

    *place = uri + size + 1;
    return strncmp(uri, backend->scheme, size) == 0 && uri[size] == ':' && uri[size + 1] != '\0';
}

static const struct dk_log_backend *backend_of(const char *uri, const char **place,
                                               struct dk_err *err)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
        if (is_of(uri, backends[i], place))
            return backends[i];
    if (added != NULL && is_of(uri, added, place))
        return added;
    (void)dk_fail(err, DK_INVALID,
                  "'%s' is not the address of a log, as file:DIR and "
                  "kafka://BROKERS/PREFIX are",
                  uri);
    return NULL;
}

enum dk_status dk_log_open(struct dk_log **out, const char *uri,
                           const struct dk_log_options *options, struct dk_err *err)
{
    static const struct dk_log_options defaults;
    const char *place;
    const struct dk_log_backend *backend = backend_of(uri, &place, err);

    *out = NULL;
    if (backend == NULL)
        return DK_INVALID;
    return backend->open(out, place, options != NULL ? options : &defaults, err);
}

uint32_t dk_log_epoch(const struct dk_log *log)
{
    return log->epoch;
}

uint64_t dk_log_seq_next(const struct dk_log *log)
{
    return log->seq_next;
}

uint64_t dk_log_torn_bytes(const struct dk_log *log)
{
    return log->torn_bytes;
}

static enum dk_status refuse_poisoned(struct dk_err *err)
{
    return dk_fail(err, DK_IO, "log is not to be trusted after a failed sync: open it again");
}

enum dk_status dk_log_append(struct dk_log *log, const struct dk_log_batch *batch,
                             struct dk_err *err)
{
    enum dk_status status;
    size_t size;

    if (log->poisoned)
        return refuse_poisoned(err);
    if (log->restored) /* its epoch is of the past */
        return dk_fail(err, DK_INVALID, "log has been restored: it is to be closed and opened");
    if (batch->count == 0)
        return dk_fail(err, DK_INVALID, "batch at seq %llu has no records",
                       (unsigned long long)batch->seq_first);
    if (batch->seq_first != log->seq_next)
        return dk_fail(err, DK_INVALID, "batch begins at seq %llu, but the next one is %llu",
                       (unsigned long long)batch->seq_first, (unsigned long long)log->seq_next);
    if (log->restoring && batch->epoch < log->epoch)
        return dk_fail(err, DK_INVALID, "batch at seq %llu has epoch %u, but one before it has %u",
                       (unsigned long long)batch->seq_first, batch->epoch, log->epoch);
    if (!log->restoring && batch->epoch != log->epoch)
        return dk_fail(err, DK_INVALID, "batch at seq %llu has epoch %u, but the writer's is %u",
                       (unsigned long long)batch->seq_first, batch->epoch, log->epoch);
    status = dk_frame_size(batch, &size, err);
    if (status == DK_OK)
        status = log->backend->append(log, batch, err);
    if (status == DK_OK) {
        log->seq_next += batch->count;
        log->epoch = batch->epoch;
    }
    return status;
}

enum dk_status dk_log_sync(struct dk_log *log, struct dk_err *err)
{
    if (log->poisoned)
        return refuse_poisoned(err);
    return log->backend->sync(log, err);
}

enum dk_status dk_log_restore_finish(struct dk_log *log, struct dk_err *err)
{
    enum dk_status status = dk_log_sync(log, err);

    if (status != DK_OK)
        return status;
    if (!log->restoring)
        return dk_fail(err, DK_INVALID, "log was not opened to restore a history into it");
    status = log->backend->restore_finish(log, err);
    log->restored = status == DK_OK;
    return status;
}

void dk_log_discard(struct dk_log *log)
{
    log->backend->discard(log);
    log->seq_next = log->seq_published;
}

enum dk_status dk_log_compact_step(struct dk_log *log, struct dk_err *err)
{
    if (log->poisoned)
        return refuse_poisoned(err);
    return log->backend->compact_step(log, err);
}

enum dk_status dk_log_close(struct dk_log *log, struct dk_err *err)
{
    return log != NULL ? log->backend->close(log, err) : DK_OK;
}

enum dk_status dk_log_reader_open(struct dk_log_reader **out, const char *uri, uint64_t seq_from,
                                  struct dk_err *err)
{
    const char *place;
    const struct dk_log_backend *backend = backend_of(uri, &place, err);

    *out = NULL;
    if (backend == NULL)
        return DK_INVALID;
    return backend->reader_open(out, place, seq_from != 0 ? seq_from : 1, err);
}

enum dk_status dk_log_reader_next(struct dk_log_reader *reader, struct dk_log_batch *batch,
                                  struct dk_err *err)
{
    if (reader->seq_stop != 0 && reader->seq_next >= reader->seq_stop)
        return DK_AGAIN;
    return reader->backend->reader_next(reader, batch, err);
}

enum dk_status dk_log_reader_until_now(struct dk_log_reader *reader, struct dk_err *err)
{
    return reader->backend->reader_until_now != NULL
               ? reader->backend->reader_until_now(reader, err)
               : DK_OK;
}

enum dk_status dk_log_reader_wait(struct dk_log_reader *reader, int timeout_ms, struct dk_err *err)
{
    return reader->backend->reader_wait(reader, timeout_ms, err);
}

enum dk_status dk_log_reader_seek(struct dk_log_reader *reader, uint64_t seq_from,
                                  struct dk_err *err)
{
    return reader->backend->reader_seek(reader, seq_from != 0 ? seq_from : 1, err);
}

int dk_log_reader_fd(const struct dk_log_reader *reader)
{
    return reader->backend->reader_fd != NULL ? reader->backend->reader_fd(reader) : -1;
}

enum dk_status dk_log_reader_skip_gap(struct dk_log_reader *reader, uint64_t *first,
                                      uint64_t *limit, struct dk_err *err)
{
    return reader->backend->reader_skip_gap(reader, first, limit, err);
}

uint64_t dk_log_reader_seq_next(const struct dk_log_reader *reader)
{
    return reader->seq_next;
}

void dk_log_reader_close(struct dk_log_reader *reader)
{
    if (reader != NULL)
        reader->backend->reader_close(reader);
}

enum dk_status dk_log_stat(const char *uri, struct dk_log_stat *stat, struct dk_err *err)
{
    const char *place;
    const struct dk_log_backend *backend = backend_of(uri, &place, err);

    memset(stat, 0, sizeof(*stat));
    return backend != NULL ? backend->stat(place, stat, err) : DK_INVALID;
}

enum dk_status dk_log_repair(const char *uri, uint64_t seq, const char *why,
                             struct dk_log_repair *repair, struct dk_err *err)
{
    const char *place;
    const struct dk_log_backend *backend = backend_of(uri, &place, err);

    memset(repair, 0, sizeof(*repair));
    return backend != NULL ? backend->repair(place, seq, why, repair, err) : DK_INVALID;
}
