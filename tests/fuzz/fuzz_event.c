/* fuzz_event.c - whatever bytes arrive: refused, or read, written and read again as the same
 *
 * Without the right fingerprint nothing behind it is reached, so two bytes of the input choose
 * one of ours and the rest is the body; input that starts with c3 01 is taken as it is. */
#include "fuzz_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_codec(&codec_families[0], data, size);
    return 0;
}
