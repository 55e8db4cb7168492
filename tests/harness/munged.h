/* munged.h - a real munged of a test's own, with its own key, in the test's folder */
#ifndef TESTS_HARNESS_MUNGED_H
#define TESTS_HARNESS_MUNGED_H

#include "net/munge.h"
#include "scratch.h"

#include <sys/types.h>

struct munged {
    struct dk_munge munge; /* how to reach it */
    pid_t pid;
};

/* Starts one in a new folder `folder`/NAME and waits until it answers; false: it is not installed.
 */
bool munged_start(struct munged *munged, const char *folder, const char *name);
void munged_stop(struct munged *munged);

#endif
