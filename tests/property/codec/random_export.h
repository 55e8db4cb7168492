/* random_export.h - an export of random events of every type, for other implementations to read */
#ifndef DK_TEST_RANDOM_EXPORT_H
#define DK_TEST_RANDOM_EXPORT_H

#include "batch/container.h"
#include "random_event.h"

/* Writes batches of one event of each type to `path`; `seen` is shown each event before it goes,
 * and may be NULL. The same seed, the same events. Random events have no chain. */
enum dk_status random_export(const char *path, enum dk_container_codec codec, uint64_t seed,
                             void (*seen)(void *context, const union codec_record *record),
                             void *context, struct dk_err *err);

#endif
