/* backend.h - what a place for logs must supply; log.c checks the callers before it calls here
 *
 * A backend embeds struct dk_log and struct dk_log_reader as the first member of its own. `place`
 * is what follows "scheme:" in the address. Statuses and lifetimes are those of log.h, and
 * tests/unit/core/log/conformance.c holds each backend to them.
 */
#ifndef DK_LOG_BACKEND_H
#define DK_LOG_BACKEND_H

#include "log/log.h"

struct dk_log {
    const struct dk_log_backend *backend;
    uint64_t seq_next;      /* staged batches included; log.c counts it up */
    uint64_t seq_published; /* readers may read below it; the backend sets it */
    uint64_t torn_bytes;
    uint32_t epoch;
    bool poisoned;  /* set by the backend; log.c then refuses everything but close */
    bool restoring; /* set by the backend; epochs are the batches', log.c counts `epoch` up */
    bool restored;  /* set by log.c, which then refuses everything but close */
};

struct dk_log_reader {
    const struct dk_log_backend *backend;
    uint64_t seq_next; /* of the next batch to return, once the reader has found its place */
    uint64_t seq_stop; /* log.c returns nothing from there on; 0: no such bound */
};

struct dk_log_backend {
    const char *scheme;
    enum dk_status (*open)(struct dk_log **out, const char *place,
                           const struct dk_log_options *options, struct dk_err *err);
    enum dk_status (*append)(struct dk_log *log, const struct dk_log_batch *batch,
                             struct dk_err *err);
    enum dk_status (*sync)(struct dk_log *log, struct dk_err *err);
    /* Called when all is synced. What is published before it must not open as a whole log. */
    enum dk_status (*restore_finish)(struct dk_log *log, struct dk_err *err);
    void (*discard)(struct dk_log *log);
    enum dk_status (*compact_step)(struct dk_log *log, struct dk_err *err);
    enum dk_status (*close)(struct dk_log *log, struct dk_err *err);

    enum dk_status (*reader_open)(struct dk_log_reader **out, const char *place, uint64_t seq_from,
                                  struct dk_err *err);
    enum dk_status (*reader_next)(struct dk_log_reader *reader, struct dk_log_batch *batch,
                                  struct dk_err *err);
    enum dk_status (*reader_wait)(struct dk_log_reader *reader, int timeout_ms, struct dk_err *err);
    /* NULL: nobody writes beside a reader. */
    enum dk_status (*reader_until_now)(struct dk_log_reader *reader, struct dk_err *err);
    enum dk_status (*reader_seek)(struct dk_log_reader *reader, uint64_t seq_from,
                                  struct dk_err *err);
    int (*reader_fd)(const struct dk_log_reader *reader); /* NULL: it has none */
    enum dk_status (*reader_skip_gap)(struct dk_log_reader *reader, uint64_t *first,
                                      uint64_t *limit, struct dk_err *err);
    void (*reader_close)(struct dk_log_reader *reader);

    enum dk_status (*stat)(const char *place, struct dk_log_stat *stat, struct dk_err *err);
    enum dk_status (*repair)(const char *place, uint64_t seq, const char *why,
                             struct dk_log_repair *repair, struct dk_err *err);
};

extern const struct dk_log_backend dk_log_backend_file;
extern const struct dk_log_backend dk_log_backend_memory;
extern const struct dk_log_backend dk_log_backend_kafka;

/* One more, that this library does not have: for a test with a place of its own, before it opens
 * any log. */
void dk_log_backend_add(const struct dk_log_backend *backend);

#endif
