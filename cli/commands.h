/* commands.h - the functions and options of docket's own commands; the table is in docket.c */
#ifndef DK_CLI_COMMANDS_H
#define DK_CLI_COMMANDS_H

#include "cli/suite.h"

extern const struct cli_suite docket_suite;

#endif
