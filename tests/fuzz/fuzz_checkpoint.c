/* fuzz_checkpoint.c - any line as a checkpoint: what is taken is spelled as we spell it */
#include "base/check.h"
#include "batch/checkpoint.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_checkpoint checkpoint;
    char line[DK_CHECKPOINT_LINE_MAX];
    struct dk_err err;
    size_t signed_size;

    if (dk_checkpoint_parse(&checkpoint, (const char *)data, size, &err) != DK_OK)
        return 0;
    DK_CHECK(dk_checkpoint_print(&checkpoint, line, &signed_size) == size);
    DK_CHECK(memcmp(line, data, size) == 0 && signed_size < size);
    return 0;
}
