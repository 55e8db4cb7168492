/* lead_backend.h - what decides who leads, by the log's scheme; it embeds struct dk_lead first
 *
 * `place` is what follows "scheme:" in the address. lead.c has the terms: a backend says when it
 * gains the lead and when it loses it, from any one thread. */
#ifndef DK_LOG_LEAD_BACKEND_H
#define DK_LOG_LEAD_BACKEND_H

#include "log/lead.h"

#include <stdatomic.h>

struct dk_lead {
    const struct dk_lead_backend *backend;
    struct dk_lead_options options;
    _Atomic uint64_t term; /* 0: not leading */
    uint64_t terms;        /* how many there were */
    int fd;
};

struct dk_lead_backend {
    const char *scheme;
    enum dk_status (*join)(struct dk_lead **out, const char *place,
                           const struct dk_lead_options *options, struct dk_err *err);
    enum dk_status (*confirm)(struct dk_lead *lead, int timeout_ms, struct dk_err *err);
    void (*leave)(struct dk_lead *lead);
};

extern const struct dk_lead_backend dk_lead_backend_file;
extern const struct dk_lead_backend dk_lead_backend_kafka;

enum dk_status dk_lead_init(struct dk_lead *lead, const struct dk_lead_backend *backend,
                            const struct dk_lead_options *options, struct dk_err *err);
void dk_lead_release(struct dk_lead *lead);

void dk_lead_gain(struct dk_lead *lead); /* nothing, while it leads already */
void dk_lead_lose(struct dk_lead *lead);
void dk_lead_say(const struct dk_lead *lead, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
