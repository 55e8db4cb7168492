/* fuzz_folder.h - a folder of its own for a target whose decoder reads files */
#ifndef DK_FUZZ_FOLDER_H
#define DK_FUZZ_FOLDER_H

#include "base/check.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char fuzz_folder[64]; /* empty until fuzz_folder_make */

static inline void fuzz_folder_remove(void)
{
    char command[160];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", fuzz_folder);
    (void)!system(command);
}

/* Once a process; it is removed at the end. */
static inline void fuzz_folder_make(void)
{
    if (fuzz_folder[0] != '\0')
        return;
    (void)snprintf(fuzz_folder, sizeof(fuzz_folder), "/tmp/docket-fuzz-XXXXXX");
    DK_CHECK(mkdtemp(fuzz_folder) != NULL);
    (void)atexit(fuzz_folder_remove);
}

static inline void fuzz_file_remove(const char *name)
{
    char path[160];

    (void)snprintf(path, sizeof(path), "%s/%s", fuzz_folder, name);
    (void)unlink(path);
}

static inline void fuzz_file_write(const char *name, const uint8_t *bytes, size_t size)
{
    char path[160];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", fuzz_folder, name);
    (void)unlink(path); /* a file that is written over goes to the disk when it is closed */
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    DK_CHECK(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    (void)close(fd);
}

#endif
