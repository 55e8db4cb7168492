/* submission_values.h - what the values of options mean, in the notations that sbatch takes
 *
 * Each returns false for what is none; saying so is the caller's, who knows the option's name.
 */
#ifndef DK_CLI_SUBMISSION_VALUES_H
#define DK_CLI_SUBMISSION_VALUES_H

#include "base/arena.h"
#include "event/types.h"

#include <stdbool.h>
#include <stdint.h>

/* A whole number; blanks in front and a plus sign are fine. */
bool dk_value_number(const char *text, int64_t least, int64_t most, int64_t *value);

/* 4, 4-8, 1k: nodes. *most is -1 without a range. */
bool dk_value_nodes(const char *text, int32_t *least, int32_t *most);

/* Memory in MiB: 4000, 4G, 500MB, 512K (rounded up). */
bool dk_value_memory(const char *text, int64_t *mib);

/* [[R][B]:]SIGNAL[@SECONDS], SIGNAL a number or a name with or without SIG. */
bool dk_value_signal(const char *text, int32_t *signal, int64_t *before_us, bool *is_batch);
/* USR1, SIGUSR1, 10; 0: none. */
int32_t dk_value_signal_number(const char *text, size_t size);

/* BEGIN,END,... into the bits of JobLaunch.mail_events. NULL, or the word that is none. */
const char *dk_value_mail(const char *text, int32_t *events);

/* 1,3,5-9:2%4, also in brackets; in any order. Ranges live in the arena. */
bool dk_value_array(const char *text, struct dk_arena *arena, struct dk_array_spec *array);

/* [TYPE:]COUNT of GPUs, into *type (NULL: any). */
bool dk_value_gpus(const char *text, struct dk_arena *arena, const char **type, int32_t *count);

#endif
