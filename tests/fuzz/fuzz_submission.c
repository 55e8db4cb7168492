/* fuzz_submission.c - a batch script with any #SBATCH lines: refused, or a request that encodes */
#define _GNU_SOURCE /* memfd_create */
#include "base/check.h"
#include "cli/submission.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What names a file would read those of this machine. */
static bool names_a_file(const uint8_t *data, size_t size)
{
    return memmem(data, size, "file", 4) != NULL || memmem(data, size, "-F", 2) != NULL ||
           memmem(data, size, "/dev", 4) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char program[] = "sbatch", home[] = "HOME=/nowhere/ann";
    static int script = -1;
    char *argv[] = { program, NULL }, *environment[] = { home, NULL };
    struct dk_surroundings around = { .environment = environment,
                                      .directory = "/work",
                                      .host = "login",
                                      .now_us = INT64_C(1795611600000000) };
    struct dk_submission submission;
    struct dk_err err = { .status = DK_OK };
    struct dk_buf out;
    enum dk_status status;

    if (names_a_file(data, size))
        return 0;
    if (script < 0)
        script = memfd_create("script", MFD_CLOEXEC);
    DK_CHECK(script >= 0 && ftruncate(script, 0) == 0);
    DK_CHECK(pwrite(script, data, size, 0) == (ssize_t)size && lseek(script, 0, SEEK_SET) == 0);
    around.stdin_fd = script;
    dk_submission_init(&submission, &around, "sbatch");
    dk_buf_init(&out, &dk_heap, (size_t)1 << 30);
    status = dk_submission_read(&submission, 1, argv, &err);
    DK_CHECK(status == DK_OK || (err.status == status && err.text[0] != '\0'));
    if (status == DK_OK && submission.request.type == DK_REQUEST_SUBMIT_JOB)
        (void)dk_request_encode(&submission.request, &out, &err);
    dk_buf_release(&out);
    dk_submission_release(&submission);
    return 0;
}
