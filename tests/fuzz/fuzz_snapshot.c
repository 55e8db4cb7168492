/* fuzz_snapshot.c - a snapshot is a cache: any bytes are refused or become a core that works
 *
 * What restores is a state that can be looked at, decided on, and written; and what is written
 * restores to the same bytes again. (Not to the bytes it came from: foreign ones need not be in our
 * order.) */
#include "sched/core.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct dk_core_options options = { .digest = true };

static void decide(const struct dk_core *core)
{
    struct dk_core_stats stats;
    struct dk_events events;

    dk_core_stats(core, &stats);
    dk_events_init(&events, &dk_heap);
    dk_core_schedule(core, stats.time, &events);
    (void)dk_core_next_deadline(core);
    dk_events_release(&events);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dk_core *core, *again;
    struct dk_buf first, second;

    if (dk_core_restore(&core, data, size, &dk_heap, &options, NULL) != DK_OK)
        return 0;
    dk_buf_init(&first, &dk_heap, (size_t)1 << 30);
    dk_buf_init(&second, &dk_heap, (size_t)1 << 30);
    dk_core_snapshot(core, &first);
    if (dk_core_restore(&again, first.data, first.size, &dk_heap, &options, NULL) != DK_OK)
        abort();
    dk_core_snapshot(again, &second);
    if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
        abort();
    decide(core);
    dk_core_destroy(core);
    dk_core_destroy(again);
    dk_buf_release(&first);
    dk_buf_release(&second);
    return 0;
}
