/* err.h - the one list of statuses, and the text that goes with a failure
 *
 * A status is for code, the text is for people. A function that can fail takes
 * the caller's `struct dk_err` (may be NULL) and returns a status; on failure
 * nothing has changed. Texts are lower case, without a full stop, the fault
 * first and its subject quoted: "segment '000001.seg' ends inside a record".
 */
#ifndef DK_BASE_ERR_H
#define DK_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* name, text, worth trying again */
#define DK_STATUS_MAP(X)                                                                           \
    X(OK, "ok", false)                                                                             \
    X(AGAIN, "nothing there yet", true)                                                            \
    X(END, "no more", false)                                                                       \
    X(INVALID, "bad input", false)                                                                 \
    X(TOO_LARGE, "larger than its limit", false)                                                   \
    X(NOT_FOUND, "not found", false)                                                               \
    X(UNKNOWN_SCHEMA, "schema is not known", false)                                                \
    X(TORN, "record is incomplete", false)                                                         \
    X(CORRUPT, "record fails its check", false)                                                    \
    X(DIVERGED, "re-execution differs from the record", false)                                     \
    X(FENCED, "a newer writer has taken over", false)                                              \
    X(BUSY, "in use by another", true)                                                             \
    X(AWAY, "cannot be reached now", true)                                                         \
    X(FULL, "no space left", true)                                                                 \
    X(IO, "input or output failed", false)                                                         \
    X(UNSUPPORTED, "not supported here", false)                                                    \
    X(NOT_PERMITTED, "not permitted", false)

enum dk_status {
#define X(name, text, retry) DK_##name,
    DK_STATUS_MAP(X)
#undef X
        DK_STATUS_COUNT
};

#define DK_ERR_TEXT_MAX 512

struct dk_err {
    enum dk_status status;
    char text[DK_ERR_TEXT_MAX]; /* NUL-terminated; cut, never overrun */
};

/* Fills *err (unless NULL) and returns `status`, so that a caller can `return dk_fail(...)`. */
enum dk_status dk_fail(struct dk_err *err, enum dk_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum dk_status dk_fail_list(struct dk_err *err, enum dk_status status, const char *format,
                            va_list args) __attribute__((format(printf, 3, 0)));

/* Puts "`format`: " in front of a text that is already there. */
enum dk_status dk_fail_in(struct dk_err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

const char *dk_status_text(enum dk_status status); /* "record fails its check" */
const char *dk_status_name(enum dk_status status); /* "CORRUPT" */
bool dk_status_retriable(enum dk_status status);

/* The exit status of a docket command for a status, as the README documents:
 * 0 ok, 1 a refusal by the core, 2 usage, 3 bad input, 4 the world (disk, network, locks),
 * 5 a log that cannot be trusted. 70 is our own bug (DK_CHECK). */
int dk_status_exit(enum dk_status status);

#endif
