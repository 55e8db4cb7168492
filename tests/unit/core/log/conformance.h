/* conformance.h - what every backend of the log must do, whoever wrote it
 *
 * A backend is a row: how to make a fresh place, how to remove it, and what it cannot do. The Kafka
 * backend adds its row and no test.
 */
#ifndef TESTS_UNIT_CORE_LOG_CONFORMANCE_H
#define TESTS_UNIT_CORE_LOG_CONFORMANCE_H

#include "log/log.h"

struct conformance_backend {
    const char *name;
    void (*make)(char *uri, size_t size); /* the address of a place where no log is yet */
    void (*remove)(const char *uri);
    struct dk_log_options options;
    bool fences;        /* opening takes over from a writer instead of saying DK_BUSY */
    bool repairs_never; /* DK_UNSUPPORTED */
    unsigned rounds;    /* of the random test; 0: all */
};

int conformance_run(const struct conformance_backend *backend); /* failed tests */

#endif
