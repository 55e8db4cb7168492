/* err.c - see err.h */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const char *text;
    bool retry;
} statuses[DK_STATUS_COUNT] = {
#define X(name, text, retry) { #name, text, retry },
    DK_STATUS_MAP(X)
#undef X
};

enum dk_status dk_fail_list(struct dk_err *err, enum dk_status status, const char *format,
                            va_list args)
{
    if (err == NULL)
        return status;
    err->status = status;
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    return status;
}

enum dk_status dk_fail(struct dk_err *err, enum dk_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    dk_fail_list(err, status, format, args);
    va_end(args);
    return status;
}

enum dk_status dk_fail_in(struct dk_err *err, const char *format, ...)
{
    char inner[DK_ERR_TEXT_MAX];
    va_list args;
    size_t used;

    if (err == NULL)
        return DK_INVALID;
    memcpy(inner, err->text, sizeof(inner));
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    used = strlen(err->text);
    (void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
    return err->status;
}

const char *dk_status_text(enum dk_status status)
{
    return (unsigned)status < DK_STATUS_COUNT ? statuses[status].text : "unknown status";
}

const char *dk_status_name(enum dk_status status)
{
    return (unsigned)status < DK_STATUS_COUNT ? statuses[status].name : "?";
}

bool dk_status_retriable(enum dk_status status)
{
    return (unsigned)status < DK_STATUS_COUNT && statuses[status].retry;
}

int dk_status_exit(enum dk_status status)
{
    switch (status) {
    case DK_OK:
        return 0;
    case DK_NOT_PERMITTED:
        return 1;
    case DK_INVALID:
    case DK_TOO_LARGE:
    case DK_NOT_FOUND:
    case DK_UNSUPPORTED:
        return 3;
    case DK_CORRUPT:
    case DK_DIVERGED:
    case DK_TORN:
    case DK_UNKNOWN_SCHEMA:
        return 5;
    case DK_AGAIN:
    case DK_END:
    case DK_FENCED:
    case DK_BUSY:
    case DK_AWAY:
    case DK_FULL:
    case DK_IO:
    case DK_STATUS_COUNT:
        return 4;
    }
    return 4;
}
