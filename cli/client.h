/* client.h - what docket's client commands have in common: options, a session, a style
 *
 * A command's struct of options has a `struct cli_common` in it, by the name `common`, and its
 * table the rows below. Every listing has --json: the answer of the query interface as it is.
 */
#ifndef DK_CLI_CLIENT_H
#define DK_CLI_CLIENT_H

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/listing.h"

struct cli_common {
    const char *dir, *at, *fields;
    int64_t at_seq;
    int color;
    bool json, no_header;
};

#define CLI_DIR_OPTION(type)                                                                       \
    {                                                                                              \
        "--dir", CLI_TEXT, "DIR", offsetof(struct type, common.dir), NULL, 0, 0,                   \
            "the cluster's folder; else DOCKET_DIR, else the default place"                        \
    }
#define CLI_JSON_OPTION(type)                                                                      \
    {                                                                                              \
        "--json", CLI_FLAG, NULL, offsetof(struct type, common.json), NULL, 0, 0,                  \
            "JSON, with every value as the query interface has it"                                 \
    }
#define CLI_AT_OPTIONS(type)                                                                       \
    { "--at", CLI_TEXT, "TIME", offsetof(struct type, common.at),                                  \
      NULL,   0,        0,      "as it was at this time: 2026-11-25T14:02, 14:02, -1h30m" },       \
    {                                                                                              \
        "--at-seq", CLI_NUMBER, "SEQ", offsetof(struct type, common.at_seq), NULL, 1, INT64_MAX,   \
            "as it was right after this event"                                                     \
    }
#define CLI_COLOR_OPTION(type)                                                                     \
    {                                                                                              \
        "--color", CLI_CHOICE, CLI_COLOR_CHOICES, offsetof(struct type, common.color), "auto", 0,  \
            0, "colours; auto: on a terminal, unless NO_COLOR is set"                              \
    }
#define CLI_LIST_OPTIONS(type)                                                                     \
    { "--fields", CLI_TEXT, "A,B,C", offsetof(struct type, common.fields),                         \
      NULL,       0,        0,       "columns, in this order" },                                   \
        { "--no-header", CLI_FLAG, NULL, offsetof(struct type, common.no_header),                  \
          NULL,          0,        0,    "without the line of titles" },                           \
        CLI_COLOR_OPTION(type)

struct cli_client {
    const struct cli_command *command;
    const struct cli_common *common;
    struct dk_session session;
    struct cli_style style;
    int64_t seq; /* of the last request that was accepted */
};

/* Finds the cluster; CLI_GO_ON, or the exit status of what has been said by then. */
int cli_client_open(struct cli_client *client, const struct cli_command *command,
                    const struct cli_common *common);
void cli_client_close(struct cli_client *client);

/* Adds --at and --at-seq to a question; CLI_GO_ON or the exit status. */
int cli_client_at(struct cli_client *client, struct dk_question *question);

/* A time that an option says, as microseconds into the question; NULL text: nothing. */
int cli_client_time(struct cli_client *client, struct dk_question *question, const char *option,
                    const char *name, const char *text);

/* Asks and prints: as JSON when --json was given (all columns unless --fields says which), else as
 * a listing of the columns `fields` (or of --fields). `nothing` is said when there is no row.
 * Returns the exit status. Releases the question. */
int cli_client_list(struct cli_client *client, struct dk_question *question, const char *fields,
                    const char *nothing);

/* Prints the answer as it is, which is JSON. Releases the question. */
int cli_client_print(struct cli_client *client, struct dk_question *question);

/* Operands joined by commas into *out, which the caller has initialised. */
const char *cli_join(struct dk_buf *out, int count, char **operands);

/* Sends requests and says what was refused, one line each: "docket cancel: job 17: no such job".
 * `names[i]` is what a line calls requests[i]. With --json prints the outcomes. *accepted: how many
 * were not refused. Returns the exit status: 1 when one was refused. */
int cli_client_send(struct cli_client *client, struct dk_request *requests, uint32_t count,
                    const char *const *names, uint32_t *accepted);

#endif
