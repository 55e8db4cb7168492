/* scratch.h - a folder of a test's own, and other things that every test of an edge needs */
#ifndef TESTS_HARNESS_SCRATCH_H
#define TESTS_HARNESS_SCRATCH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRATCH_MAX 256

/* A new folder of this test's own; scratch_remove takes it and all that is in it away. */
void scratch_make(char folder[SCRATCH_MAX]);
void scratch_remove(const char *folder);

/* One HTTP call on a Unix socket: the status (0: nobody answers), its body in `body` as text.
 * `type` and `text` may be NULL. */
int scratch_call(const char *socket, const char *method, const char *target, const char *type,
                 const char *text, char *body, size_t body_size);

/* A connection; the caller closes it. */
int scratch_connect(const char *socket);

/* Bytes as they are, on a new connection; what comes back until it is closed or 2 s are over. */
size_t scratch_raw(const char *socket, const void *bytes, size_t size, char *answer,
                   size_t answer_size);

/* Calls `ready` every 2 ms until it is true; false after `seconds`. */
bool scratch_wait(int seconds, bool (*ready)(void *context), void *context);

#define assert_good(call)                                                                          \
    do {                                                                                           \
        struct dk_err good_err = { 0 };                                                            \
        enum dk_status good_status = (call);                                                       \
        if (good_status != DK_OK)                                                                  \
            fail_msg("%s: %s: %s", #call, dk_status_name(good_status), good_err.text);             \
    } while (0)

#define assert_says(text, part)                                                                    \
    do {                                                                                           \
        if (strstr((text), (part)) == NULL)                                                        \
            fail_msg("'%s' is not in '%s'", (part), (text));                                       \
    } while (0)

#endif
