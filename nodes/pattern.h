/* pattern.h - names of a job's files as users write them
 *
 *     %j %J job id          %A array's id (the job's without one)   %a index in the array
 *     %x    job name        %N node name                            %n node's number in the job
 *     %u    user name       %t task number                          %s step ("batch")
 *     %b    index modulo 10 %% a percent sign
 *
 * A number between % and a letter that stands for a number fills up with zeros: %4j is 0017. Any
 * other letter stays as it is. A backslash anywhere turns all of this off, and is removed, as in
 * Slurm.
 */
#ifndef DK_NODES_PATTERN_H
#define DK_NODES_PATTERN_H

#include "base/buf.h"
#include "event/order.h"

/* Appends the name and a NUL to `out`. An index without an array is 4294967294, as in Slurm. */
void dk_pattern_expand(struct dk_text pattern, const struct dk_run_job *run, struct dk_text node,
                       struct dk_buf *out);

/* The pattern of the output file when the user gave none. */
struct dk_text dk_pattern_output(const struct dk_run_job *run);

#endif
