/* conformance_test.c - the conformance suite over the backends that need no server */
#include "support.h"

#include "conformance.h"

#include <string.h>

static void make_folder(char *uri, size_t size)
{
    char folder[FOLDER_MAX];

    folder_make(folder);
    (void)snprintf(uri, size, "file:%s/log", folder);
}

static void remove_folder(const char *uri)
{
    char folder[FOLDER_MAX];

    (void)snprintf(folder, sizeof(folder), "%s", uri + strlen("file:"));
    *strrchr(folder, '/') = '\0';
    folder_remove(folder);
}

static void make_name(char *uri, size_t size)
{
    (void)snprintf(uri, size, "memory:conformance");
}

static void remove_name(const char *uri)
{
    dk_log_memory_remove(uri + strlen("memory:"));
}

static const struct conformance_backend backends[] = {
    { .name = "memory", .make = make_name, .remove = remove_name },
    { .name = "file", .make = make_folder, .remove = remove_folder },
    { .name = "file, small segments",
      .make = make_folder,
      .remove = remove_folder,
      .options = { .segment_size = 3000 } },
    { .name = "file, deferred",
      .make = make_folder,
      .remove = remove_folder,
      .options = { .segment_size = 3000, .deferred = true } },
    { .name = "file, compressing",
      .make = make_folder,
      .remove = remove_folder,
      .options = { .segment_size = 3000, .compress = true } },
};

int main(void)
{
    int failed = 0;

    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
        failed += conformance_run(&backends[i]);
    return failed != 0;
}
