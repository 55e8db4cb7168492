/* log_place.h - which log a command of docket-replay is about */
#ifndef DK_CLI_LOG_PLACE_H
#define DK_CLI_LOG_PLACE_H

#include "net/place.h"

/* The operand, unless it is NULL; else the log of the cluster that `dir` (may be NULL) and the
 * environment name. *uri is borrowed from either. */
enum dk_status cli_log_place(struct dk_place *place, const char *operand, const char *dir,
                             const char **uri, struct dk_err *err);

#endif
