/* std_files.h - where a job's standard files are, as its patterns say (sbatch's %j %A %a %x %N %u
 * ...)
 *
 * %j job, %A array's job, %a array index, %x name, %u user, %N batch host (short), %n and %t 0, %J
 * job, %s batch,
 * %% a %; a number between % and the letter pads ids with zeros. Relative ones are below the
 * working folder. What the node opens is its own expansion of the same pattern (nodes/); this is
 * for readers.
 */
#ifndef DK_PROJECTIONS_STD_FILES_H
#define DK_PROJECTIONS_STD_FILES_H

#include "projections/job_row.h"

enum dk_std_file { DK_STD_IN, DK_STD_OUT, DK_STD_ERR };

void dk_std_file_add(struct dk_buf *out, const struct dk_job_row *row, enum dk_std_file file);

#endif
