/* cmd_erase.c - docket erase: a user's scripts, environments and arguments are forgotten */
#include "cli/client.h"
#include "cli/commands.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct erase_options {
    struct cli_common common;
    const char *user, *reason;
};

#define ERASE(field) offsetof(struct erase_options, field)

const struct cli_option cli_erase_options[] = {
    { "--user", CLI_TEXT, "USER", ERASE(user), NULL, 0, 0, "whose: a name or a number" },
    { "--reason", CLI_TEXT, "TEXT", ERASE(reason), NULL, 0, 0,
      "why, at most 512 bytes; it is in the log for ever" },
    CLI_JSON_OPTION(erase_options),
    CLI_DIR_OPTION(erase_options),
    { 0 },
};

/* A name comes first: there are users who are called by a number. */
static bool find_user(const char *text, int32_t *uid)
{
    const struct passwd *entry = getpwnam(text);
    char *end;
    long long number;

    if (entry != NULL) {
        *uid = (int32_t)entry->pw_uid;
        return true;
    }
    number = strtoll(text, &end, 10);
    *uid = (int32_t)number;
    return end != text && *end == '\0' && number >= 0 && number <= INT32_MAX;
}

static int erase(struct cli_client *client, const struct erase_options *options, int32_t uid)
{
    struct dk_request request = { .type = DK_REQUEST_ERASE_SECRETS };
    const char *const names[] = { options->user };
    uint32_t accepted = 0;
    int exit;

    request.meta.time = client->style.now_us;
    request.erase_secrets.uid = uid;
    request.erase_secrets.why = dk_text_of(options->reason != NULL ? options->reason : "");
    exit = cli_client_send(client, &request, 1, names, &accepted);
    if (accepted == 1 && !options->common.json)
        (void)printf("the scripts, environments and arguments that user %s gave until now are "
                     "erased\n",
                     options->user);
    return exit;
}

int cli_erase(const struct cli_command *command, int argc, char **argv)
{
    struct erase_options options = { 0 };
    struct cli_client client;
    int operands, exit = cli_parse(command, argc, argv, &options, &operands);
    int32_t uid = -1;

    if (exit == CLI_GO_ON && options.user == NULL)
        exit = cli_usage_error(command, "whose? --user says it");
    else if (exit == CLI_GO_ON && !find_user(options.user, &uid))
        exit = cli_usage_error(command, "there is no user '%s'", options.user);
    if (exit == CLI_GO_ON && options.reason != NULL && strlen(options.reason) > 512)
        exit = cli_usage_error(command, "the reason is longer than 512 bytes");
    if (exit == CLI_GO_ON)
        exit = cli_client_open(&client, command, &options.common);
    if (exit != CLI_GO_ON)
        return exit;
    exit = erase(&client, &options, uid);
    cli_client_close(&client);
    return exit;
}
