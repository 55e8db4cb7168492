/* lead.c - terms of leading, and who decides by the address (lead.h) */
#include "log/lead_backend.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SAY_SIZE = 512 };

static const struct dk_lead_backend *const backends[] = {
    &dk_lead_backend_file,
    &dk_lead_backend_kafka,
};

enum dk_status dk_lead_join(struct dk_lead **out, const char *uri,
                            const struct dk_lead_options *options, struct dk_err *err)
{
    static const struct dk_lead_options defaults;

    *out = NULL;
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        size_t size = strlen(backends[i]->scheme);

        if (strncmp(uri, backends[i]->scheme, size) == 0 && uri[size] == ':')
            return backends[i]->join(out, uri + size + 1, options != NULL ? options : &defaults,
                                     err);
    }
    return dk_fail(err, DK_UNSUPPORTED,
                   "nobody decides who leads on '%s'; it has to be file:DIR or "
                   "kafka://BROKERS/PREFIX",
                   uri);
}

uint64_t dk_lead_term(struct dk_lead *lead)
{
    uint64_t count;

    /* Before the term is looked at: a change after that makes it readable again. */
    (void)!read(lead->fd, &count, sizeof(count));
    return atomic_load(&lead->term);
}

int dk_lead_fd(const struct dk_lead *lead)
{
    return lead->fd;
}

enum dk_status dk_lead_confirm(struct dk_lead *lead, int timeout_ms, struct dk_err *err)
{
    return lead->backend->confirm(lead, timeout_ms, err);
}

void dk_lead_leave(struct dk_lead *lead)
{
    if (lead != NULL)
        lead->backend->leave(lead);
}

/* --- for backends --- */

enum dk_status dk_lead_init(struct dk_lead *lead, const struct dk_lead_backend *backend,
                            const struct dk_lead_options *options, struct dk_err *err)
{
    lead->backend = backend;
    lead->options = *options;
    lead->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (lead->fd < 0)
        return dk_fail(err, DK_IO, "no eventfd: %s", strerror(errno));
    return DK_OK;
}

void dk_lead_release(struct dk_lead *lead)
{
    if (lead->fd >= 0)
        (void)close(lead->fd);
    lead->fd = -1;
}

static void set_term(struct dk_lead *lead, uint64_t term)
{
    uint64_t one = 1;

    atomic_store(&lead->term, term);
    (void)!write(lead->fd, &one, sizeof(one));
}

void dk_lead_gain(struct dk_lead *lead)
{
    if (atomic_load(&lead->term) == 0)
        set_term(lead, ++lead->terms);
}

void dk_lead_lose(struct dk_lead *lead)
{
    if (atomic_load(&lead->term) != 0)
        set_term(lead, 0);
}

void dk_lead_say(const struct dk_lead *lead, const char *format, ...)
{
    char text[SAY_SIZE];
    va_list args;

    if (lead->options.say == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    lead->options.say(lead->options.ctx, text);
}
