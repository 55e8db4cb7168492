/* fuzz_swf.c - any bytes are a trace or a clear refusal: plain, gzip and zstd alike (libFuzzer) */
#include "base/check.h"
#include "replay/swf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_trace_options options = { .procs = size > 0 && data[0] == '1' ? 100 : 0 };
    struct dk_err err = { .status = DK_OK };
    struct dk_input *input;
    struct dk_trace trace;
    enum dk_status status = dk_input_open_memory(&input, data, size, &err);

    DK_CHECK(status == DK_OK);
    status = dk_trace_read(&trace, input, "fuzz", &options, &dk_heap, &err);
    dk_input_destroy(input);
    DK_CHECK(status == DK_OK || (err.status == status && err.text[0] != 0));
    if (status != DK_OK)
        return 0;
    DK_CHECK(trace.count > 0 && trace.procs > 0);
    for (uint32_t i = 0; i < trace.count; i++) {
        const struct dk_trace_job *job = &trace.jobs[i];

        DK_CHECK(job->procs >= 1 && job->procs <= trace.procs);
        DK_CHECK(job->submit >= 0 && job->run >= 0 && job->estimate >= 1);
        DK_CHECK(i == 0 || trace.jobs[i - 1].submit < job->submit ||
                 (trace.jobs[i - 1].submit == job->submit && trace.jobs[i - 1].line < job->line));
    }
    dk_trace_release(&trace);
    return 0;
}
