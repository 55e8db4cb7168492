/* container_log.h - an exported log as a log in memory, for commands that read it once */
#ifndef DK_CLI_CONTAINER_LOG_H
#define DK_CLI_CONTAINER_LOG_H

#include "base/err.h"

#include <stdbool.h>

#define CLI_CONTAINER_LOG "memory:export"

bool cli_container_is(const char *path); /* by its first bytes */

/* Into CLI_CONTAINER_LOG, its chain checked. It has to begin at seq 1. */
enum dk_status cli_container_load(const char *path, struct dk_err *err);

#endif
