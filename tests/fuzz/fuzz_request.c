/* fuzz_request.c - the same as fuzz_event.c, for requests: these are what strangers send us */
#include "fuzz_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_codec(&codec_families[1], data, size);
    return 0;
}
