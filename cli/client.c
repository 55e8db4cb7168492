/* client.c - see client.h */
#include "cli/client.h"

#include "base/check.h"
#include "cli/columns.h"
#include "cli/human.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

enum { REFUSALS_SAID = 20 };

static void remark(const char *why, int seconds)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: %s; trying again for %d s\n", cli_program, why, seconds);
}

int cli_client_open(struct cli_client *client, const struct cli_command *command,
                    const struct cli_common *common)
{
    struct dk_err err;

    memset(client, 0, sizeof(*client));
    client->command = command;
    client->common = common;
    if (dk_session_open(&client->session, common->dir, &err) != DK_OK)
        return cli_fail(&err);
    client->session.remark = remark;
    cli_style_find(&client->style, common->color);
    return CLI_GO_ON;
}

void cli_client_close(struct cli_client *client)
{
    dk_session_close(&client->session);
}

int cli_client_time(struct cli_client *client, struct dk_question *question, const char *option,
                    const char *name, const char *text)
{
    struct dk_err err;
    int64_t time;

    if (text == NULL)
        return CLI_GO_ON;
    if (cli_parse_time(text, client->style.now_us, &time, &err) != DK_OK)
        return cli_usage_error(client->command, "%s: %s", option, err.text);
    dk_question_add_number(question, name, time);
    return CLI_GO_ON;
}

int cli_client_at(struct cli_client *client, struct dk_question *question)
{
    const struct cli_common *common = client->common;

    if (common->at != NULL && common->at_seq != 0)
        return cli_usage_error(client->command, "--at and --at-seq say the same twice: give one");
    if (common->at_seq != 0)
        dk_question_add_number(question, "at_seq", common->at_seq);
    return cli_client_time(client, question, "--at", "at", common->at);
}

int cli_client_print(struct cli_client *client, struct dk_question *question)
{
    struct dk_buf body;
    struct dk_err err;
    int exit = CLI_EXIT_OK;

    dk_buf_init(&body, &dk_heap, SIZE_MAX / 2);
    if (dk_ask_body(&client->session, question, NULL, &body, NULL, &err) != DK_OK) {
        exit = cli_fail(&err);
    } else if (body.size > 0) {
        (void)fwrite(body.data, 1, body.size, stdout);
        if (body.data[body.size - 1] != '\n')
            (void)putchar('\n');
    }
    dk_buf_release(&body);
    dk_question_release(question);
    return exit;
}

int cli_client_list(struct cli_client *client, struct dk_question *question, const char *fields,
                    const char *nothing)
{
    const struct cli_common *common = client->common;
    struct cli_listing listing;
    struct cli_view view;
    struct dk_rows rows;
    struct dk_err err;
    int exit = CLI_EXIT_OK;

    if (cli_view_make(&view, common->fields != NULL ? common->fields : fields, &err) != DK_OK) {
        dk_question_release(question);
        return cli_usage_error(client->command, "--fields: %s", err.text);
    }
    if (common->json) {
        if (common->fields != NULL)
            dk_question_add(question, "fields", view.fields);
        return cli_client_print(client, question);
    }
    if (dk_ask_rows(&client->session, question, view.fields, &rows, &err) != DK_OK) {
        exit = cli_fail(&err);
    } else if (rows.rows == 0) {
        (void)fprintf(stderr, "%s: %s\n", cli_program, nothing);
    } else {
        cli_listing_init(&listing, &client->style);
        cli_view_list(&view, &rows, &listing);
        cli_listing_print(&listing, !common->no_header);
        cli_listing_release(&listing);
    }
    dk_rows_release(&rows);
    dk_question_release(question);
    return exit;
}

const char *cli_join(struct dk_buf *out, int count, char **operands)
{
    for (int i = 0; i < count; i++) {
        if (i > 0)
            (void)dk_buf_add_text(out, ",");
        (void)dk_buf_add_text(out, operands[i]);
    }
    DK_CHECK(dk_buf_add(out, "", 1));
    return (const char *)out->data;
}

static void print_outcomes(const struct dk_session *session, const struct dk_outcome *outcomes,
                           uint32_t count, const char *const *names)
{
    static const char *const words[] = { "accepted", "rejected", "duplicate" };

    (void)printf("{\"seq\":%lld,\"results\":[", (long long)session->seq);
    for (uint32_t i = 0; i < count; i++) {
        const struct dk_outcome *outcome = &outcomes[i];

        (void)printf("%s{\"subject\":", i > 0 ? "," : "");
        cli_json_text(names[i]);
        (void)printf(",\"result\":\"%s\",\"seq\":%lld", words[outcome->kind],
                     (long long)outcome->seq);
        if (outcome->job != 0)
            (void)printf(",\"job\":%lld", (long long)outcome->job);
        if (outcome->kind == DK_OUTCOME_REJECTED) {
            (void)printf(",\"reason\":\"%s\",\"detail\":", outcome->reason);
            cli_json_text(outcome->detail);
        }
        (void)putchar('}');
    }
    (void)printf("]}\n");
}

/* The first ones; a thousand lines that say the same help nobody. */
static void say_refusals(const struct cli_client *client, const struct dk_outcome *outcomes,
                         uint32_t count, const char *const *names)
{
    uint32_t said = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (outcomes[i].kind != DK_OUTCOME_REJECTED || said++ >= REFUSALS_SAID)
            continue;
        (void)fprintf(stderr, "%s %s: %s: %s\n", cli_program, client->command->name, names[i],
                      outcomes[i].detail[0] != '\0' ? outcomes[i].detail : outcomes[i].reason);
    }
    if (said > REFUSALS_SAID)
        (void)fprintf(stderr, "%s %s: and %u more were refused; --json prints them all\n",
                      cli_program, client->command->name, said - REFUSALS_SAID);
}

int cli_client_send(struct cli_client *client, struct dk_request *requests, uint32_t count,
                    const char *const *names, uint32_t *accepted)
{
    size_t size = count * sizeof(struct dk_outcome);
    struct dk_outcome *outcomes;
    struct dk_err err;
    int exit = CLI_EXIT_OK;

    *accepted = 0;
    if (count == 0)
        return CLI_EXIT_OK;
    outcomes = dk_alloc_new(&dk_heap, size);
    if (dk_send(&client->session, requests, count, outcomes, 0, &err) != DK_OK) {
        dk_alloc_free(&dk_heap, outcomes, size);
        return cli_fail(&err);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (outcomes[i].kind == DK_OUTCOME_REJECTED)
            continue;
        (*accepted)++;
        client->seq = outcomes[i].seq;
    }
    if (*accepted < count)
        exit = CLI_EXIT_REFUSED;
    if (client->common->json)
        print_outcomes(&client->session, outcomes, count, names);
    else
        say_refusals(client, outcomes, count, names);
    dk_alloc_free(&dk_heap, outcomes, size);
    return exit;
}
