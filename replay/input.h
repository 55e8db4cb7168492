/* input.h - a file as a stream of bytes, decompressed on the way
 *
 * What the bytes are is told by how they begin, not by the file's name: gzip, zstd or
 * plain. A compressed file that ends in the middle is an error, never a short trace.
 * The path "-" is the standard input.
 */
#ifndef DK_REPLAY_INPUT_H
#define DK_REPLAY_INPUT_H

#include "base/err.h"

#include <stddef.h>

struct dk_input;

/* DK_NOT_FOUND or DK_IO when it cannot be opened. `*out` is NULL on failure. */
enum dk_status dk_input_open(struct dk_input **out, const char *path, struct dk_err *err);

/* Over bytes that the caller keeps until destroy; for tests and fuzzing. */
enum dk_status dk_input_open_memory(struct dk_input **out, const void *bytes, size_t size,
                                    struct dk_err *err);

/* Reads at most `size` bytes; *got is 0 only at the end. DK_CORRUPT: damaged; DK_TORN: cut short.
 */
enum dk_status dk_input_read(struct dk_input *input, void *bytes, size_t size, size_t *got,
                             struct dk_err *err);

void dk_input_destroy(struct dk_input *input);

#endif
